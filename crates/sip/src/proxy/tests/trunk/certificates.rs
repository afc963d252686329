//! Trunks that are known by the certificate of who calls.

use model::{SharedMap, SharedSet};

use crate::flow::Transport;
use crate::proxy::tests::phones::{register, registered_by};
use crate::proxy::tests::*;

/// An address that no trunk names.
const ELSEWHERE: &str = "198.51.100.7:40000";
const NAME: &str = "sbc.carrier.example";
/// How long a certificate still is.
const VALID: Duration = Duration::from_secs(3_600);

const fn tls(number: u64) -> ConnectionId {
    ConnectionId::accepted(number, Transport::Tls)
}

fn trunk(tenant: &str, allow: &[&str], names: &[&str]) -> Trunk {
    Trunk {
        tenant: TenantId::parse(tenant).unwrap(),
        name: "carrier".into(),
        allow: allow.iter().map(|text| Network::parse(text).unwrap()).collect(),
        certificate_names: names.iter().map(|name| (*name).into()).collect(),
        asked: None,
        user: None,
        registrar: None,
        inbound: InboundPassword::NotAsked,
    }
}

/// A proxy with these trunks and a node.
fn lab(trunks: Vec<Trunk>) -> Lab {
    let mut lab = Lab::new();
    lab.proxy.set_trunks(trunks, lab.now);
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "registrar", "registrar-1.1");
    lab
}

/// Opens a connection over TLS from an address, with a certificate for these domains.
fn opened(lab: &mut Lab, connection: ConnectionId, remote: &str, domains: &[&str]) {
    lab.proxy.handle_opened(connection, addr(remote), Side::Edge);
    let until = lab.now + VALID;
    lab.proxy.handle_certificate(connection, domains.iter().map(|domain| (*domain).into()).collect(), until);
}

fn invite(branch: &str) -> String {
    Ask { branch, call: branch, ..Ask::default() }.text().replace("SIP/2.0/UDP", "SIP/2.0/TLS")
}

/// The numbers of tenants.
fn numbers(of: &[(&str, &str)]) -> SharedMap<TenantId, SharedSet<Box<str>>> {
    let mut numbers: SharedMap<TenantId, SharedSet<Box<str>>> = SharedMap::new();
    for (tenant, number) in of {
        let tenant = TenantId::parse(tenant).unwrap();
        let mut of_tenant = numbers.get(&tenant).cloned().unwrap_or_default();
        of_tenant.insert((*number).into(), ());
        numbers.insert(tenant, of_tenant);
    }
    numbers
}

/// The tenant whose call it is; else the status and the warning.
fn outcome(lab: &mut Lab) -> Result<String, (u16, String)> {
    let (_, message) = lab.beyond_trying();
    match message.status() {
        None => Ok(header(&message, &headers::TENANT).to_owned()),
        Some(status) => Err((status.0, message.header(&HeaderName::Warning).unwrap_or_default().to_owned())),
    }
}

fn unproved(lab: &Lab) -> Vec<(&str, Lacking)> {
    let told = |output| match output {
        &Output::TrunkUnproved { ref trunk, lacks, .. } => Some((trunk.name.as_str(), lacks)),
        _ => None,
    };
    lab.outputs.iter().filter_map(told).collect()
}

#[test]
fn a_call_from_anywhere_is_the_trunks_by_its_certificate() {
    let mut lab = lab(vec![trunk("acme", &[], &["other.example", NAME]), trunk("zenith", &["198.51.100.0/24"], &[])]);
    lab.proxy.set_numbers(numbers(&[("acme", "15550100")]));
    opened(&mut lab, tls(70), ELSEWHERE, &["unknown.example", NAME]);
    assert!(lab.proxy.is_certified(tls(70)));
    lab.by(tls(70), &invite("z9hG4bK-a"));
    assert_eq!(outcome(&mut lab), Ok("acme".to_owned()), "its number, though another tenant names the address");
    // Who has not shown it, on another connection from there, is whose address it is.
    opened(&mut lab, tls(71), ELSEWHERE, &[]);
    lab.by(tls(71), &invite("z9hG4bK-b"));
    assert_eq!(outcome(&mut lab), Ok("zenith".to_owned()));
    assert!(!lab.proxy.is_certified(tls(71)));
    lab.proxy.handle_closed(tls(70), lab.now);
    assert!(!lab.proxy.is_certified(tls(70)));
    assert!(lab.proxy.certified.is_empty());
}

#[test]
fn with_address_and_certificate_both_are_needed() {
    let mut lab = lab(vec![trunk("acme", &["192.0.2.0/24"], &[NAME])]);
    opened(&mut lab, tls(70), TRUNK, &[NAME]);
    opened(&mut lab, tls(71), TRUNK, &["other.example"]);
    opened(&mut lab, tls(72), ELSEWHERE, &[NAME]);
    opened(&mut lab, tls(73), ELSEWHERE, &[]);
    lab.by(tls(70), &invite("z9hG4bK-a"));
    assert_eq!(outcome(&mut lab), Ok("acme".to_owned()));
    for (connection, warning) in [
        (tls(71), "399 sip-proxy \"the certificate shown is not that of the trunk of this address\""),
        (tls(72), "399 sip-proxy \"the trunk of this certificate may not call from this address\""),
        (tls(73), ""),
    ] {
        lab.by(connection, &invite(&format!("z9hG4bK-{}", connection.count())));
        assert_eq!(outcome(&mut lab), Err((403, warning.to_owned())), "{connection:?}");
        lab.pass(Duration::from_secs(2), &[ConnectionId(1), ConnectionId(2)]);
    }
    lab.from(TRUNK, &Ask { branch: "z9hG4bK-u", ..Ask::default() }.text());
    let warning = "399 sip-proxy \"the trunk of this address has to show its certificate\"".to_owned();
    assert_eq!(outcome(&mut lab), Err((403, warning)), "a datagram has none");
    let counts = lab.proxy.counts();
    assert_eq!((counts.trunks_unproved, counts.unknown_sources), (3, 1));
    let lacking = [Lacking::OtherCertificate, Lacking::Address, Lacking::Certificate];
    assert_eq!(unproved(&lab), lacking.map(|lacks| ("carrier", lacks)));
    let seen = |output: &Output| match output {
        Output::TrunkUnproved { shown, .. } => Some(shown.join(" ")),
        _ => None,
    };
    assert_eq!(lab.outputs.iter().filter_map(seen).collect::<Vec<_>>(), ["other.example", NAME, ""]);
}

#[test]
fn a_certificate_counts_until_it_expires() {
    let mut lab = lab(vec![trunk("acme", &["192.0.2.0/24"], &[NAME])]);
    opened(&mut lab, tls(70), TRUNK, &[NAME]);
    lab.by(tls(70), &invite("z9hG4bK-a"));
    assert_eq!(outcome(&mut lab), Ok("acme".to_owned()));
    lab.now = lab.now + VALID;
    lab.by(tls(70), &invite("z9hG4bK-b"));
    assert!(outcome(&mut lab).is_err_and(|(status, _)| status == 403), "its connection lives on");
    assert!(lab.proxy.certified.is_empty());
}

/// A trunk that registers with `192.0.2.10`.
fn registers(tenant: &str, user: &str, names: &[&str]) -> Trunk {
    Trunk { user: Some(user.into()), registrar: Some("192.0.2.10".into()), ..trunk(tenant, &[], names) }
}

/// A connection of ours to the server of a carrier, which has proved its name.
fn called_by_tls(lab: &mut Lab) -> ConnectionId {
    let uri = "sip:+1@192.0.2.10;transport=tls";
    lab.by(ConnectionId(1), &Ask { uri, host: "127.0.2.1", branch: "z9hG4bK-o", ..Ask::default() }.text());
    let (Flow::Stream { connection }, _) = lab.only() else { panic!("a connection") };
    lab.proxy.handle_opened(connection, addr("192.0.2.10:5061"), Side::Edge);
    connection
}

#[test]
fn a_carrier_that_we_register_with_calls_by_the_connection_that_we_have_opened() {
    let mut lab = lab(vec![registers("acme", "a", &[NAME]), registers("zenith", "z", &[])]);
    let ours = called_by_tls(&mut lab);
    for (user, tenant) in [("a", "acme"), ("z", "zenith")] {
        let branch = format!("z9hG4bK-{user}");
        let uri = format!("sip:{user}@{EDGE}");
        let ask = Ask { uri: &uri, branch: &branch, call: &branch, ..Ask::default() };
        lab.by(ours, &ask.text().replace("SIP/2.0/UDP", "SIP/2.0/TLS"));
        assert_eq!(outcome(&mut lab), Ok(tenant.to_owned()), "{user}");
    }
    // Who connects to us from there has proved nothing.
    opened(&mut lab, tls(71), "192.0.2.10:40000", &[]);
    lab.by(tls(71), &invite("z9hG4bK-c"));
    assert!(outcome(&mut lab).is_err());
}

#[test]
fn a_trunk_that_registers_by_a_connection_takes_no_calls_from_one_that_is_known_by_its_address() {
    let known = trunk("zenith", &["192.0.2.10/32"], &[]);
    let mut lab = lab(vec![known, registers("acme", "a", &[])]);
    let ours = called_by_tls(&mut lab);
    lab.by(ours, &invite("z9hG4bK-a"));
    assert_eq!(outcome(&mut lab), Ok("zenith".to_owned()), "no account is called");
    // Where nothing but the connection is known, a call to nobody's account is one tenant's or none's.
    let mut one = self::lab(vec![registers("acme", "a", &[]), registers("acme", "b", &[])]);
    let ours = called_by_tls(&mut one);
    one.by(ours, &invite("z9hG4bK-b"));
    assert_eq!(outcome(&mut one), Ok("acme".to_owned()));
    let mut both = self::lab(vec![registers("acme", "a", &[]), registers("zenith", "z", &[])]);
    let ours = called_by_tls(&mut both);
    both.by(ours, &invite("z9hG4bK-c"));
    assert!(outcome(&mut both).is_err());
}

#[test]
fn a_carrier_answers_at_the_rate_of_trunks_on_the_connection_that_we_have_opened() {
    let mut lab = lab(vec![registers("acme", "a", &[NAME])]);
    let ours = called_by_tls(&mut lab);
    let rate = |lab: &Lab, connection| lab.proxy.requests_per_s(Flow::Stream { connection }, addr(TRUNK).ip(), lab.now);
    opened(&mut lab, tls(71), TRUNK, &[]);
    assert!(rate(&lab, ours) > rate(&lab, tls(71)));
}

#[test]
fn in_the_network_of_a_trunk_only_who_shows_its_certificate_sends_at_the_rate_of_trunks() {
    let mut lab = lab(vec![trunk("acme", &["0.0.0.0/0"], &[NAME])]);
    opened(&mut lab, tls(70), ELSEWHERE, &[NAME]);
    opened(&mut lab, tls(71), ELSEWHERE, &["other.example"]);
    let source = addr(ELSEWHERE).ip();
    let limits = Limits::default();
    for (flow, per_s) in [
        (Flow::from(tls(70)), limits.trunk_requests_per_s),
        (Flow::from(tls(71)), limits.source_requests_per_s),
        (udp(ELSEWHERE), limits.source_requests_per_s),
    ] {
        assert_eq!(lab.proxy.requests_per_s(flow, source, lab.now), per_s, "{flow:?}");
        assert_eq!(lab.proxy.answers_per_s(flow, source, lab.now), limits.trunk_requests_per_s, "{flow:?}");
    }
}

#[test]
fn a_flood_without_the_certificate_is_told_once_a_second() {
    let mut lab = lab(vec![trunk("acme", &["192.0.2.0/24"], &[NAME])]);
    for at in 0..20 {
        lab.from(TRUNK, &Ask { branch: &format!("z9hG4bK-{at}"), call: &format!("{at}"), ..Ask::default() }.text());
    }
    assert_eq!((unproved(&lab).len(), lab.proxy.counts().trunks_unproved), (1, 20));
}

#[test]
fn an_unknown_source_is_told_once_a_second_with_what_it_has_shown() {
    let mut lab = lab(vec![trunk("acme", &[], &[NAME])]);
    opened(&mut lab, tls(70), ELSEWHERE, &["other.example"]);
    lab.by(tls(70), &invite("z9hG4bK-a"));
    let at_once = Ask { host: "198.51.100.8", branch: "z9hG4bK-b", ..Ask::default() }.text();
    lab.from("198.51.100.8:5060", &at_once);
    lab.pass(Duration::from_secs(2), &[ConnectionId(1), ConnectionId(2)]);
    let later = Ask { host: "198.51.100.9", branch: "z9hG4bK-c", ..Ask::default() }.text();
    lab.from("198.51.100.9:5060", &later);
    let told = |output: &Output| match output {
        Output::UnknownSource { from, shown } => Some((from.to_string(), shown.join(" "))),
        _ => None,
    };
    let told: Vec<_> = lab.outputs.iter().filter_map(told).collect();
    let expected = [("198.51.100.7", "other.example"), ("198.51.100.9", "")];
    assert_eq!(told, expected.map(|(from, shown)| (from.to_owned(), shown.to_owned())));
    assert_eq!(lab.proxy.counts().unknown_sources, 3);
}

#[test]
fn a_phone_behind_the_certificate_of_a_trunk_gives_its_password() {
    let mut lab = lab(vec![trunk("acme", &[], &[NAME])]);
    opened(&mut lab, tls(70), ELSEWHERE, &[NAME]);
    lab.by(tls(70), &Ask { from: "7101", ..Ask::default() }.text().replace("SIP/2.0/UDP", "SIP/2.0/TLS"));
    assert_eq!(lab.statuses(), [407]);
    let path = registered_by(&mut lab, tls(70), &register("", "z9hG4bK-r"), "secret-7101");
    assert!(!path.is_empty());
}

#[test]
fn a_call_goes_on_by_another_connection_with_the_same_certificate() {
    let mut lab = lab(vec![trunk("acme", &[], &[NAME]), trunk("zenith", &[], &["other.example"])]);
    for (connection, name) in [(70, NAME), (71, NAME), (72, "other.example")] {
        opened(&mut lab, tls(connection), ELSEWHERE, &[name]);
        lab.by(tls(connection), &invite(&format!("z9hG4bK-{connection}")));
    }
    let invites = extract(&mut lab.sent, |m| m.is_request());
    let route = header(&invites[0].1, &HeaderName::RecordRoute).to_owned();
    lab.take();
    let bye = |lab: &mut Lab, branch: &str| {
        let more = format!("Route: {route}\n");
        let ask = Ask { method: "BYE", host: "127.0.2.1", branch, to_tag: Some("x"), more: &more, ..Ask::default() };
        lab.by(ConnectionId(1), &ask.text());
        lab.only()
    };
    assert_eq!(bye(&mut lab, "z9hG4bK-a").0, Flow::from(tls(70)));
    let close = |lab: &mut Lab, connection| {
        lab.proxy.handle_closed(connection, lab.now);
        lab.drain();
        lab.take();
    };
    close(&mut lab, tls(70));
    assert_eq!(bye(&mut lab, "z9hG4bK-b").0, Flow::from(tls(71)));
    close(&mut lab, tls(71));
    assert_eq!(bye(&mut lab, "z9hG4bK-c").1.status(), Some(StatusCode::FLOW_FAILED), "never by another trunk's");
}

#[test]
fn a_call_goes_on_by_a_connection_on_which_another_trunk_of_that_certificate_has_called_last() {
    let account = |tenant: &str, user: &str| Trunk { user: Some(user.into()), ..trunk(tenant, &[], &[NAME]) };
    let mut lab = lab(vec![account("acme", "a"), account("zenith", "z")]);
    let call = |lab: &mut Lab, connection: u64, user: &str| {
        opened(lab, tls(connection), ELSEWHERE, &[NAME]);
        let (uri, branch) = (format!("sip:{user}@{EDGE}"), format!("z9hG4bK-{connection}"));
        let ask = Ask { uri: &uri, branch: &branch, call: &branch, ..Ask::default() };
        lab.by(tls(connection), &ask.text().replace("SIP/2.0/UDP", "SIP/2.0/TLS"));
        lab.beyond_trying().1
    };
    let invite = call(&mut lab, 70, "a");
    let last = call(&mut lab, 71, "z");
    assert_eq!(
        [&invite, &last].map(|message| header(message, &headers::TENANT)),
        ["acme", "zenith"],
        "they share the carrier"
    );
    lab.proxy.handle_closed(tls(70), lab.now);
    lab.drain();
    lab.take();
    let more = format!("Route: {}\n", header(&invite, &HeaderName::RecordRoute));
    let bye = Ask { method: "BYE", host: "127.0.2.1", branch: "z9hG4bK-b", to_tag: Some("x"), ..Ask::default() };
    let ask = Ask { more: &more, ..bye };
    lab.by(ConnectionId(1), &ask.text());
    assert_eq!(lab.only().0, Flow::from(tls(71)));
}

const ANY_TENANT: &str = "399 sip-proxy \"several tenants name this carrier, and the number is not one tenant's\"";

#[test]
fn a_certificate_name_takes_no_calls_to_the_account_of_another_tenant() {
    let registered =
        Trunk { user: Some("a".into()), registrar: Some("192.0.2.10".into()), ..trunk("acme", &["192.0.2.0/24"], &[]) };
    let mut lab = lab(vec![registered, trunk("zenith", &[], &[NAME])]);
    opened(&mut lab, tls(70), TRUNK, &[NAME]);
    let call = |lab: &mut Lab, branch: &str| {
        let uri = format!("sip:a@{EDGE}");
        let ask = Ask { uri: &uri, branch, call: branch, ..Ask::default() };
        lab.by(tls(70), &ask.text().replace("SIP/2.0/UDP", "SIP/2.0/TLS"));
        outcome(lab)
    };
    assert_eq!(call(&mut lab, "z9hG4bK-a"), Ok("acme".to_owned()));
    // Who writes the account too gets nothing as long as it has not registered it.
    let also = Trunk { user: Some("a".into()), registrar: Some("192.0.2.10".into()), ..trunk("zenith", &[], &[NAME]) };
    let ours =
        Trunk { user: Some("a".into()), registrar: Some("192.0.2.10".into()), ..trunk("acme", &["192.0.2.0/24"], &[]) };
    lab.proxy.set_trunks([ours, also], lab.now);
    let account = "399 sip-proxy \"several tenants name the account, and none has registered it here\"".to_owned();
    assert_eq!(call(&mut lab, "z9hG4bK-b"), Err((403, account)));
    let told = |output: &Output| match output {
        Output::CallContested { why, trunks, .. } => {
            Some((*why, trunks.iter().map(|t| t.tenant.to_string()).collect()))
        }
        _ => None,
    };
    let told: Vec<(Contest, Vec<String>)> = lab.outputs.iter().filter_map(told).collect();
    assert_eq!(told, [(Contest::Unregistered, vec!["zenith".to_owned(), "acme".to_owned()])]);
    assert_eq!((lab.proxy.counts().calls_contested, lab.proxy.counts().trunks_unproved), (1, 0));
    let register = "REGISTER sip:192.0.2.10 SIP/2.0\nVia: SIP/2.0/TCP 127.0.4.1;branch=z9hG4bK-r\n\
         From: <sip:a@192.0.2.10>;tag=t\nTo: <sip:a@192.0.2.10>\nCall-ID: r\nCSeq: 1 REGISTER\n\
         Trunkline-Tenant: acme\nContact: <sip:a@127.0.0.1:5060>\nExpires: 600\nMax-Forwards: 70\nContent-Length: 0\n\n";
    lab.by(ConnectionId(2), register);
    let (_, sent) = lab.only();
    lab.from(TRUNK, &answer(&sent, 200, "c"));
    lab.take();
    assert_eq!(call(&mut lab, "z9hG4bK-c"), Ok("acme".to_owned()), "its password was taken by the address that calls");
}

#[test]
fn between_certificate_and_address_the_number_decides() {
    let in_it = |tenant: &str| trunk(tenant, &["192.0.2.0/24"], &[]);
    let trunks = || vec![in_it("acme"), in_it("beta"), trunk("zenith", &[], &[NAME])];
    for (of, expected) in [
        (&[("acme", "15550100")][..], Ok("acme")),
        (&[("zenith", "15550100"), ("acme", "15550101")], Ok("zenith")),
        (&[("other", "15550100")], Ok("zenith")),
        (&[("acme", "15550100"), ("zenith", "15550100")], Ok("zenith")),
        (&[("acme", "15550100"), ("beta", "15550100")], Err(ANY_TENANT)),
        (&[], Ok("zenith")),
    ] {
        let mut lab = lab(trunks());
        lab.proxy.set_numbers(numbers(of));
        opened(&mut lab, tls(70), TRUNK, &[NAME]);
        lab.by(tls(70), &invite("z9hG4bK-a"));
        let expected = expected.map(str::to_owned).map_err(|warning| (403, warning.to_owned()));
        assert_eq!(outcome(&mut lab), expected, "{of:?}");
    }
}

#[test]
fn an_address_alone_takes_no_calls_to_an_account_from_a_certificate() {
    let call = |trunks: Vec<Trunk>| {
        let mut lab = lab(trunks);
        opened(&mut lab, tls(70), TRUNK, &[NAME]);
        let uri = format!("sip:a@{EDGE}");
        let ask = Ask { uri: &uri, ..Ask::default() };
        lab.by(tls(70), &ask.text().replace("SIP/2.0/UDP", "SIP/2.0/TLS"));
        outcome(&mut lab)
    };
    let named = || trunk("zenith", &[], &[NAME]);
    let written = |inbound| Trunk { user: Some("a".into()), inbound, ..trunk("acme", &["0.0.0.0/0"], &[]) };
    assert_eq!(call(vec![written(InboundPassword::NotAsked), named()]), Ok("zenith".to_owned()));
    assert_eq!(
        call(vec![written(InboundPassword::Unread), named()]),
        Ok("zenith".to_owned()),
        "nor is its password asked for"
    );
    let with_account = Trunk { user: Some("a".into()), ..named() };
    assert_eq!(call(vec![written(InboundPassword::NotAsked), with_account]), Ok("zenith".to_owned()));
}

#[test]
fn a_network_in_which_a_password_is_asked_for_takes_no_calls_from_a_certificate() {
    let pbx = Trunk { inbound: InboundPassword::Unread, ..trunk("acme", &["0.0.0.0/0"], &[]) };
    let mut lab = lab(vec![pbx, trunk("zenith", &[], &[NAME])]);
    opened(&mut lab, tls(70), TRUNK, &[NAME]);
    lab.by(tls(70), &invite("z9hG4bK-a"));
    assert_eq!(outcome(&mut lab), Ok("zenith".to_owned()));
}
