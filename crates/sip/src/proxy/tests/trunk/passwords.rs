//! Trunks by which nobody calls without a password.

use crate::digest::{self, Algorithm, Challenge};
use crate::proxy::tests::*;

const REALM: &str = "acme.example";
const NODE: ConnectionId = ConnectionId(1);
const ELSEWHERE: &str = "198.51.100.9:5060";

/// A trunk of this network whose callers give the password `secret-USER`.
fn trunk(name: &str, network: &str, user: &str) -> Trunk {
    let hash = |algorithm| digest::ha1(algorithm, user, REALM, &format!("secret-{user}"));
    let hashes = Hashes { md5: hash(Algorithm::Md5), sha256: hash(Algorithm::Sha256) };
    let account = InboundAccount { user: user.to_owned(), realm: REALM.to_owned(), hashes };
    Trunk {
        tenant: TenantId::parse("acme").unwrap(),
        name: name.into(),
        allow: vec![Network::parse(network).unwrap()],
        certificate_names: Vec::new(),
        asked: None,
        user: None,
        registrar: None,
        inbound: InboundPassword::Asked(Arc::new(account)),
    }
}

fn lab(trunks: Vec<Trunk>) -> Lab {
    lab_with(vec![Algorithm::Md5], trunks)
}

fn lab_with(algorithms: Vec<Algorithm>, trunks: Vec<Trunk>) -> Lab {
    let mut lab = Lab::with(|settings| settings.algorithms = algorithms);
    lab.proxy.set_trunks(trunks, lab.now);
    lab.node(NODE, "sip-cluster", "a.1");
    lab
}

/// A request with credentials, if there are any; the number keeps its branch and Call-ID apart.
fn ask(lab: &mut Lab, number: u32, from: &str, ask: Ask<'_>) -> (Flow, Message) {
    let (branch, call) = (format!("z9hG4bK-{number}"), format!("call-{number}"));
    lab.from(from, &Ask { branch: &branch, call: &call, ..ask }.text());
    lab.beyond_trying()
}

fn challenge_in(answer: &Message) -> Challenge {
    assert_eq!(answer.status(), Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED));
    answer.challenges(HeaderName::ProxyAuthenticate).next().unwrap().unwrap()
}

fn given(challenge: &Challenge, user: &str, password: &str, of: &Ask<'_>) -> String {
    let given = digest::respond(challenge, user, password, of.method, of.uri, "cnonce", 1);
    format!("Proxy-Authorization: {given}\n")
}

/// Gets a challenge and answers it with this user and password; returns what is sent then.
fn attempt(lab: &mut Lab, number: u32, from: &str, (user, password): (&str, &str)) -> (Flow, Message) {
    let (_, challenge) = ask(lab, 2 * number, from, Ask::default());
    let more = given(&challenge_in(&challenge), user, password, &Ask::default());
    ask(lab, 2 * number + 1, from, Ask { more: &more, ..Ask::default() })
}

#[test]
fn who_gives_the_password_calls_and_who_does_not_is_asked_again() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        let mut lab = lab_with(vec![algorithm], vec![trunk("pbx", "192.0.2.0/24", "line")]);
        let (flow, challenge) = ask(&mut lab, 0, TRUNK, Ask::default());
        let challenge = challenge_in(&challenge);
        assert_eq!((flow, challenge.realm.as_str(), challenge.stale), (udp(TRUNK), REALM, false));
        let (flow, invite) = attempt(&mut lab, 1, TRUNK, ("line", "secret-line"));
        assert_eq!((flow, header(&invite, &headers::SOURCE)), (Flow::from(NODE), "trunk;name=pbx"));
        assert_eq!((header(&invite, &headers::TENANT), invite.header(&HeaderName::ProxyAuthorization)), ("acme", None));
        let (_, again) = attempt(&mut lab, 2, TRUNK, ("line", "wrong"));
        assert!(!challenge_in(&again).stale);
        assert_eq!(lab.proxy.counts().wrong_passwords, 1);
    }
}

#[test]
fn any_request_outside_a_dialog_is_asked_and_none_within_one() {
    let mut lab = lab(vec![trunk("pbx", "192.0.2.0/24", "line")]);
    for (number, method) in (0..).zip(["OPTIONS", "MESSAGE"]) {
        challenge_in(&ask(&mut lab, number, TRUNK, Ask { method, ..Ask::default() }).1);
    }
    let asks_us = Ask { method: "OPTIONS", uri: "sip:127.0.0.1:5060", ..Ask::default() };
    assert_eq!(ask(&mut lab, 10, TRUNK, asks_us).1.status(), Some(StatusCode::OK), "whether we are there");
    let ours = tag(5, "a.1");
    for (number, method) in (11..).zip(["INVITE", "BYE", "INFO"]) {
        let within = Ask { method, to_tag: Some(&ours), cseq: 2, ..Ask::default() };
        let (flow, request) = ask(&mut lab, number, TRUNK, within);
        assert_eq!((flow, request.method().as_str()), (Flow::from(NODE), method));
    }
}

#[test]
fn wrong_passwords_have_to_wait_and_are_told() {
    let mut lab = lab(vec![trunk("pbx", "192.0.2.0/24", "line")]);
    let statuses: Vec<u16> =
        (0..8).map(|number| attempt(&mut lab, number, TRUNK, ("line", "wrong")).1.status().unwrap().0).collect();
    assert_eq!(statuses, [407, 407, 407, 407, 407, 407, 500, 500]);
    let told = lab.outputs.iter().filter_map(|output| match output {
        Output::WrongTrunkPassword { from, trunk } => Some((*from, trunk.name.as_str())),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [(addr(TRUNK).ip(), "pbx"); 6]);
    let (_, refused) = attempt(&mut lab, 20, TRUNK, ("line", "secret-line"));
    assert_eq!(header(&refused, &HeaderName::RetryAfter), "1");
    lab.pass(Duration::from_secs(2), &[NODE]);
    assert_eq!(attempt(&mut lab, 21, TRUNK, ("line", "secret-line")).0, Flow::from(NODE), "the wait is over");
}

#[test]
fn an_old_nonce_is_stale_and_so_is_one_that_was_used() {
    let mut old = lab(vec![trunk("pbx", "192.0.2.0/24", "line")]);
    let challenge = challenge_in(&ask(&mut old, 0, TRUNK, Ask::default()).1);
    old.pass(Duration::from_secs(301), &[NODE]);
    let more = given(&challenge, "line", "secret-line", &Ask::default());
    assert!(challenge_in(&ask(&mut old, 1, TRUNK, Ask { more: &more, ..Ask::default() }).1).stale);
    let mut lab = lab(vec![trunk("pbx", "192.0.2.0/24", "line")]);
    let challenge = challenge_in(&ask(&mut lab, 0, TRUNK, Ask::default()).1);
    let more = given(&challenge, "line", "secret-line", &Ask::default());
    assert_eq!(ask(&mut lab, 1, TRUNK, Ask { more: &more, ..Ask::default() }).0, Flow::from(NODE));
    let (_, again) = ask(&mut lab, 2, TRUNK, Ask { more: &more, ..Ask::default() });
    assert!(challenge_in(&again).stale, "an eavesdropper has these credentials");
    assert_eq!(lab.proxy.counts().wrong_passwords, 0);
}

#[test]
fn the_user_of_a_trunk_elsewhere_is_none_of_this_one_and_no_address_but_its_own_may_call() {
    let trunks = vec![trunk("one", "192.0.2.0/24", "a"), trunk("two", "203.0.113.0/24", "b")];
    let mut lab = lab(trunks);
    challenge_in(&attempt(&mut lab, 0, TRUNK, ("b", "secret-b")).1);
    assert_eq!(lab.proxy.counts().wrong_passwords, 1);
    assert_eq!(attempt(&mut lab, 1, TRUNK, ("a", "secret-a")).0, Flow::from(NODE));
    let challenge = challenge_in(&ask(&mut lab, 10, TRUNK, Ask::default()).1);
    let more = given(&challenge, "a", "secret-a", &Ask::default());
    let (_, refused) = ask(&mut lab, 11, ELSEWHERE, Ask { more: &more, ..Ask::default() });
    assert_eq!(refused.status(), Some(StatusCode::FORBIDDEN));
}

#[test]
fn of_trunks_that_share_an_address_the_user_tells_which_one_calls() {
    let trunks = vec![trunk("one", "192.0.2.0/24", "a"), trunk("two", "192.0.2.0/24", "b")];
    let mut lab = lab(trunks);
    for (number, user, name) in [(0, "a", "trunk;name=one"), (1, "b", "trunk;name=two")] {
        let (_, invite) = attempt(&mut lab, number, TRUNK, (user, &format!("secret-{user}")));
        assert_eq!(header(&invite, &headers::SOURCE), name);
    }
    challenge_in(&attempt(&mut lab, 2, TRUNK, ("a", "secret-b")).1);
}

#[test]
fn a_call_to_the_account_needs_the_password_too() {
    let registers = Trunk { user: Some("we".into()), ..trunk("carrier", "192.0.2.0/24", "line") };
    let mut lab = lab(vec![registers]);
    let to_us = Ask { uri: "sip:we@127.0.0.1:5060", ..Ask::default() };
    let (_, challenge) = ask(&mut lab, 0, TRUNK, Ask { cseq: 1, ..to_us });
    let more = given(&challenge_in(&challenge), "line", "secret-line", &to_us);
    let (flow, invite) = ask(&mut lab, 1, TRUNK, Ask { more: &more, ..to_us });
    assert_eq!((flow, header(&invite, &headers::SOURCE)), (Flow::from(NODE), "trunk;name=carrier"));
}

#[test]
fn nobody_calls_while_the_hashes_are_not_known_and_trunks_do_while_phones_are_not() {
    let unread = Trunk { inbound: InboundPassword::Unread, ..trunk("pbx", "192.0.2.0/24", "line") };
    let mut first = lab(vec![unread]);
    assert_eq!(ask(&mut first, 0, TRUNK, Ask::default()).1.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    let mut then = lab(vec![trunk("pbx", "192.0.2.0/24", "line")]);
    then.lookups = Lookups::Unavailable;
    assert_eq!(attempt(&mut then, 0, TRUNK, ("line", "secret-line")).0, Flow::from(NODE));
    challenge_in(&attempt(&mut then, 1, TRUNK, ("line", "wrong")).1);
}

#[test]
fn nothing_shows_the_hashes() {
    let asked = trunk("pbx", "192.0.2.0/24", "line");
    let InboundPassword::Asked(account) = &asked.inbound else { panic!("it asks") };
    let shown = format!("{asked:?}");
    assert!(!shown.contains(&account.hashes.md5) && !shown.contains(&account.hashes.sha256), "{shown}");
}

/// A PBX with an address that changes: whoever sends may be it.
fn open_to_all() -> Trunk {
    trunk("pbx", "0.0.0.0/0", "line")
}

#[test]
fn in_the_network_of_a_trunk_only_who_has_given_its_password_sends_at_the_rate_of_trunks() {
    let mut lab = lab(vec![open_to_all()]);
    let limits = Limits::default();
    let rate = |lab: &Lab, of: &str| lab.proxy.requests_per_s(udp(of), addr(of).ip(), lab.now);
    assert_eq!(rate(&lab, TRUNK), limits.source_requests_per_s);
    challenge_in(&attempt(&mut lab, 0, TRUNK, ("line", "wrong")).1);
    assert_eq!(rate(&lab, TRUNK), limits.source_requests_per_s, "a wrong one says nothing");
    assert_eq!(attempt(&mut lab, 1, TRUNK, ("line", "secret-line")).0, Flow::from(NODE));
    assert_eq!(rate(&lab, TRUNK), limits.trunk_requests_per_s);
    assert_eq!(rate(&lab, "192.0.2.10:5062"), limits.source_requests_per_s, "another behind the same address");
    lab.now = lab.now + Duration::from_secs(7_201);
    assert_eq!(rate(&lab, TRUNK), limits.source_requests_per_s, "it was long ago");
}

#[test]
fn a_flood_of_a_stranger_is_limited_where_a_password_is_asked_of_everybody() {
    let mut lab = lab(vec![open_to_all()]);
    let mut statuses = Vec::new();
    for number in 0..400 {
        let (branch, method) = (format!("z9hG4bK-{number}"), if number % 2 == 0 { "INVITE" } else { "OPTIONS" });
        let ask = Ask { method, branch: &branch, call: &branch, ..Ask::default() };
        lab.from(ELSEWHERE, &ask.text());
        statuses.extend(lab.statuses());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 407).count(), 200);
    assert_eq!((lab.proxy.counts().rate_refused, lab.proxy.counts().rate_dropped), (10, 190));
    assert_eq!(lab.proxy.sizes().0, 0, "no transaction was kept for any of them");
}

#[test]
fn a_connection_is_a_trunks_once_its_password_was_given_on_it() {
    let mut lab = lab(vec![open_to_all()]);
    let connection = ConnectionId(70);
    lab.proxy.handle_opened(connection, addr(ELSEWHERE), Side::Edge);
    let by = |lab: &mut Lab, branch: &str, more: &str| {
        let ask = Ask { branch, call: branch, more, ..Ask::default() };
        lab.by(connection, &ask.text().replace("SIP/2.0/UDP", "SIP/2.0/TCP"));
        lab.beyond_trying()
    };
    let proved = |lab: &Lab| lab.outputs.contains(&Output::TrunkProved { connection });
    let (_, challenge) = by(&mut lab, "z9hG4bK-a", "");
    assert!(!proved(&lab) && !lab.proxy.is_certified(connection));
    let more = given(&challenge_in(&challenge), "line", "secret-line", &Ask::default());
    assert_eq!(by(&mut lab, "z9hG4bK-b", &more).0, Flow::from(NODE));
    assert!(proved(&lab));
}

#[test]
fn look_ups_of_whoever_is_asked_for_a_password_leave_the_places_of_carriers() {
    let plain = Trunk { inbound: InboundPassword::NotAsked, ..trunk("carrier", "192.0.2.0/24", "line") };
    let plain = Trunk { tenant: TenantId::parse("zenith").unwrap(), ..plain };
    let mut lab = Lab::with(|settings| (settings.limits.lookups, settings.limits.trunk_lookups) = (2, 1));
    lab.proxy.set_trunks([open_to_all(), plain], lab.now);
    lab.node(NODE, "sip-cluster", "a.1");
    assert_eq!(attempt(&mut lab, 0, ELSEWHERE, ("line", "secret-line")).0, Flow::from(NODE));
    lab.lookups = Lookups::Held;
    let send = |lab: &mut Lab, number: u32, from: &str| {
        let branch = format!("z9hG4bK-h{number}");
        lab.from(from, &Ask { method: "MESSAGE", branch: &branch, call: &branch, ..Ask::default() }.text());
        lab.statuses()
    };
    let taken: Vec<Vec<u16>> = (0..3).map(|number| send(&mut lab, number, "203.0.113.9:5060")).collect();
    assert_eq!(taken, [Vec::new(), Vec::new(), vec![503_u16]]);
    assert_eq!(send(&mut lab, 3, TRUNK), [] as [u16; 0], "the other tenant's carrier has its place");
    let among = |output: &Output| match output {
        Output::NeedCredentials { among, .. } => Some(among.iter().map(ToString::to_string).collect::<Vec<_>>()),
        _ => None,
    };
    let among: Vec<Vec<String>> = lab.outputs.iter().filter_map(among).collect();
    assert_eq!(among, [["acme"], ["acme"], ["zenith"]], "its own phones alone have to prove who they are");
}

#[test]
fn a_carrier_that_has_given_its_password_takes_a_place_of_carriers() {
    let mut lab = Lab::with(|settings| (settings.limits.lookups, settings.limits.trunk_lookups) = (1, 1));
    lab.proxy.set_trunks([open_to_all()], lab.now);
    lab.node(NODE, "sip-cluster", "a.1");
    assert_eq!(attempt(&mut lab, 0, TRUNK, ("line", "secret-line")).0, Flow::from(NODE));
    lab.lookups = Lookups::Held;
    for (from, branch) in [(ELSEWHERE, "z9hG4bK-h"), (TRUNK, "z9hG4bK-i")] {
        lab.from(from, &Ask { method: "MESSAGE", branch, call: branch, ..Ask::default() }.text());
    }
    assert_eq!(lab.statuses(), [] as [u16; 0], "a stranger has taken the last of the others");
}

#[test]
fn who_calls_without_a_number_is_asked_for_the_password_too() {
    let mut lab = lab(vec![open_to_all()]);
    let anonymous = |more: &str, branch: &str| {
        let text = Ask { more, branch, call: branch, ..Ask::default() }.text();
        text.replace(&format!("From: <sip:+15550199@{TRUNK}>"), "From: <sip:anonymous.invalid>")
    };
    lab.from(TRUNK, &anonymous("", "z9hG4bK-a"));
    let (_, challenge) = lab.beyond_trying();
    let more = given(&challenge_in(&challenge), "line", "secret-line", &Ask::default());
    lab.from(TRUNK, &anonymous(&more, "z9hG4bK-b"));
    assert_eq!(lab.beyond_trying().0, Flow::from(NODE));
}
