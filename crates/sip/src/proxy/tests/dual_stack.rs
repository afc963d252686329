//! An edge with an address of each family: whoever is reached by IPv6 is told ours of IPv6, and nobody else is.

use super::phones::{credentials, invite, register};
use super::*;
use crate::next_hop::Hop;
use crate::unreached::Unreached;

const SIX: &str = "[2001:db8::1]:5060";
const PHONE_OF_SIX: &str = "[2001:db8:5::5]:40001";
const TRUNK_OF_SIX: &str = "[2001:db8:20::20]:5060";

fn with_both(settings: &mut Settings) {
    settings.udp_listeners.push(addr(SIX));
    settings.other_edges.push(other_edge(Transport::Udp, SIX));
}

fn lab() -> Lab {
    let mut lab = Lab::with(with_both);
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "registrar", "registrar-1.1");
    lab
}

/// A request of a node, whose Contact has our first address.
fn by_node<'a>(uri: &'a str, branch: &'a str) -> Ask<'a> {
    Ask { uri, host: EDGE, branch, ..Ask::default() }
}

fn with_contact(message: &str, contact: &str) -> String {
    message.replace("Call-ID:", &format!("Contact: {contact}\nCall-ID:"))
}

/// Sends the request with credentials, once it was challenged.
fn proved(lab: &mut Lab, from: &str, ask: impl Fn(&str, &str) -> String, sample: &Ask<'_>) -> Message {
    lab.from(from, &ask("", "z9hG4bK-asked"));
    let (flow, challenge) = lab.only();
    assert_eq!(flow, udp(from));
    lab.from(from, &ask(&credentials(&challenge, sample, "secret-7101"), "z9hG4bK-proved"));
    lab.beyond_trying().1
}

#[test]
fn a_phone_of_ipv6_calls_a_carrier_of_ipv4_and_each_is_told_our_address_of_its_family() {
    let mut lab = lab();
    let ask = |more: &str, branch: &str| Ask { host: PHONE_OF_SIX, ..invite(more, branch) }.text();
    let call = proved(&mut lab, PHONE_OF_SIX, ask, &invite("", ""));
    assert_eq!(header(&call, &headers::PARTY), "2001:db8:5::5");
    let route = header(&call, &HeaderName::RecordRoute).to_owned();
    assert!(route.ends_with("@[2001:db8::1]:5060;lr>"), "{route}");
    let ours = tag(1, "a.1");
    lab.by(ConnectionId(1), &with_contact(&answer(&call, 200, &ours), "<sip:leg@127.0.0.1:5060>"));
    let (flow, ok) = lab.only();
    assert_eq!((flow, header(&ok, &HeaderName::Contact)), (udp(PHONE_OF_SIX), "<sip:leg@[2001:db8::1]:5060>"));

    lab.by(ConnectionId(1), &by_node("sip:+4930999@192.0.2.10:5060", "z9hG4bK-out").text());
    let (flow, out) = lab.only();
    assert_eq!(flow, udp(TRUNK));
    assert!(header(&out, &HeaderName::Via).starts_with("SIP/2.0/UDP 127.0.0.1:5060;"));
    assert!(header(&out, &HeaderName::RecordRoute).ends_with("@127.0.0.1:5060;lr>"));
    assert_eq!(header(&out, &HeaderName::Contact), "<sip:+15550199@127.0.0.1:5060>");

    let more = format!("Route: {route}\n");
    let uri = "sip:leg@[2001:db8::1]:5060";
    let bye = Ask { method: "BYE", uri, host: PHONE_OF_SIX, from: "7101", to_tag: Some(&ours), ..Ask::default() };
    lab.from(PHONE_OF_SIX, &Ask { branch: "z9hG4bK-bye", more: &more, ..bye }.text());
    let (flow, bye) = lab.only();
    assert_eq!((flow, bye.routes().count()), (tcp(1), 0));
}

#[test]
fn a_carrier_of_ipv6_is_called_from_our_address_of_ipv6() {
    let mut lab = lab();
    lab.by(ConnectionId(1), &by_node("sip:+4930999@[2001:db8:20::20]:5060", "z9hG4bK-out").text());
    let (flow, out) = lab.only();
    assert_eq!(flow, Flow::Udp { listener: 1, remote: addr(TRUNK_OF_SIX) });
    assert!(header(&out, &HeaderName::Via).starts_with("SIP/2.0/UDP [2001:db8::1]:5060;"));
    assert!(header(&out, &HeaderName::RecordRoute).ends_with("@[2001:db8::1]:5060;lr>"));
    assert_eq!(header(&out, &HeaderName::Contact), "<sip:+15550199@[2001:db8::1]:5060>");
    lab.from(TRUNK_OF_SIX, &answer(&out, 200, "far"));
    let (flow, ok) = lab.only();
    assert_eq!((flow, ok.status()), (tcp(1), Some(StatusCode::OK)));
}

#[test]
fn the_path_of_a_phone_of_ipv6_says_so_and_leads_back_to_it() {
    let mut lab = lab();
    let of_four = proved(&mut lab, PHONE, |more, branch| register(more, branch).text(), &register("", ""));
    assert_eq!(family_of_path(header(&of_four, &HeaderName::Path)), Some(AddressFamily::V4));
    let ask = |more: &str, branch: &str| {
        let branch = format!("{branch}-six");
        Ask { host: PHONE_OF_SIX, ..register(more, &branch) }.text()
    };
    let of_six = proved(&mut lab, PHONE_OF_SIX, ask, &register("", ""));
    let path = header(&of_six, &HeaderName::Path);
    assert_eq!(family_of_path(path), Some(AddressFamily::V6));
    assert!(path.contains("@127.0.0.1:5060;"), "nodes know us by one address: {path}");
    let more = format!("Route: {path}\n");
    let call = by_node("sip:7101@[2001:db8:5::5]:40001", "z9hG4bK-in");
    lab.by(ConnectionId(1), &Ask { more: &more, ..call }.text());
    let (flow, rings) = lab.only();
    assert_eq!(flow, udp(PHONE_OF_SIX));
    assert!(header(&rings, &HeaderName::Via).starts_with("SIP/2.0/UDP [2001:db8::1]:5060;"));
}

#[test]
fn a_flow_whose_listener_had_another_number_before_a_restart_is_found_by_its_family() {
    let mut lab = lab();
    let former = flow_token::seal(Flow::Udp { listener: 0, remote: addr(PHONE_OF_SIX) }, None, &seal());
    let more = format!("Route: <sip:{former}@127.0.0.1:5060;lr>\n");
    let call = by_node("sip:7101@[2001:db8:5::5]:40001", "z9hG4bK-in");
    lab.by(ConnectionId(1), &Ask { more: &more, ..call }.text());
    assert_eq!(lab.only().0, udp(PHONE_OF_SIX));
}

#[test]
fn a_carrier_of_ipv6_with_which_we_register_gets_that_address_and_the_node_is_told_of_it() {
    let mut lab = lab();
    let register = "REGISTER sip:[2001:db8:20::20]:5060 SIP/2.0\nVia: SIP/2.0/TCP 127.0.4.1;branch=z9hG4bKours\n\
                    From: <sip:a@carrier.example>;tag=t\nTo: <sip:a@carrier.example>\nCall-ID: r\nCSeq: 1 REGISTER\n\
                    Contact: <sip:a@127.0.0.1:5060>\nMax-Forwards: 70\nContent-Length: 0\n\n";
    lab.by(ConnectionId(2), register);
    let (flow, sent) = lab.only();
    assert_eq!((flow, header(&sent, &HeaderName::Contact)), (udp(TRUNK_OF_SIX), "<sip:a@[2001:db8::1]:5060>"));
    lab.from(TRUNK_OF_SIX, &with_contact(&answer(&sent, 200, "c"), "<sip:a@[2001:db8::1]:5060>;expires=60"));
    let (flow, back) = lab.only();
    assert_eq!((flow, header(&back, &headers::CONTACT)), (tcp(2), "sip:a@[2001:db8::1]:5060"));
}

#[test]
fn tcp_has_an_address_of_its_own_in_each_family_or_that_for_datagrams() {
    use AddressFamily::{V4, V6};
    use Transport::{Tcp, Udp};
    const TCP: &str = "127.0.0.1:5062";
    const TCP_OF_SIX: &str = "[2001:db8::1]:5062";
    for (further, expected) in [
        (&[TCP][..], [TCP, SIX, EDGE, SIX]),
        (&[][..], [EDGE, SIX, EDGE, SIX]),
        (&[TCP_OF_SIX][..], [EDGE, TCP_OF_SIX, EDGE, SIX]),
        (&[TCP, TCP_OF_SIX][..], [TCP, TCP_OF_SIX, EDGE, SIX]),
    ] {
        let lab = Lab::with(|settings| {
            with_both(settings);
            settings.other_edges.extend(further.iter().map(|edge| other_edge(Tcp, edge)));
        });
        let told = [(Tcp, V4), (Tcp, V6), (Udp, V4), (Udp, V6)];
        let told = told.map(|(transport, family)| lab.proxy.settings.edge_of(transport, family));
        assert_eq!(told, expected, "{further:?}");
    }
    let lab = Lab::with(|settings| settings.other_edges.push(other_edge(Tcp, TCP_OF_SIX)));
    assert_eq!(lab.proxy.settings.edge_of(Udp, V6), TCP_OF_SIX, "who has no datagrams there calls by TCP");
}

#[test]
fn nodes_are_told_every_address_that_a_carrier_may_get() {
    let mut lab = Lab::with(|settings| {
        with_both(settings);
        settings.other_edges.push(other_edge(Transport::Tcp, "127.0.0.1:5062"));
    });
    lab.proxy.handle_opened(ConnectionId(1), addr("127.0.2.1:1"), Side::Cluster);
    lab.announce(ConnectionId(1), "registrar;node=registrar-1;epoch=5", TOKEN);
    let (_, greeting) = lab.only();
    let of_four = "127.0.0.1:5060, 127.0.0.1:5062;transport=tcp, 127.0.0.1:5061;transport=tls";
    let of_six = "[2001:db8::1]:5060, [2001:db8::1]:5060;transport=tcp";
    assert_eq!(header(&greeting, &headers::PLACES), format!("{of_four}, {of_six}"));
}

/// Answers the only question about a name, with these addresses.
fn resolve(lab: &mut Lab, hops: Vec<Hop>) {
    let lookup = lab.outputs.iter().find_map(|output| match output {
        Output::NeedHops { lookup, .. } => Some(*lookup),
        _ => None,
    });
    lab.outputs.clear();
    lab.proxy.handle_hops(lookup.expect("a question"), Some(hops), lab.now);
    lab.drain();
}

#[test]
fn addresses_of_a_family_in_which_we_do_not_listen_are_left_out() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let of_six = |transport| Hop { transport, remote: addr(TRUNK_OF_SIX) };
    let of_four = Hop { transport: Transport::Udp, remote: addr(TRUNK) };
    lab.by(ConnectionId(1), &by_node("sip:+4930999@carrier.example", "z9hG4bK-a").text());
    resolve(&mut lab, vec![of_six(Transport::Tcp), of_six(Transport::Udp), of_four]);
    assert_eq!(lab.only().0, udp(TRUNK));
    assert!(!lab.outputs.iter().any(|output| matches!(output, Output::Connect { .. })));
    lab.by(ConnectionId(1), &by_node("sip:+4930999@carrier.example", "z9hG4bK-b").text());
    resolve(&mut lab, vec![of_six(Transport::Tls), of_six(Transport::Udp)]);
    let (_, refused) = lab.only();
    assert_eq!(Unreached::parse(header(&refused, &headers::NOT_REACHED)), Some(Unreached::NoWay));
}

#[test]
fn a_name_with_addresses_of_both_families_is_tried_by_each() {
    let mut lab = lab();
    let hops = [TRUNK, TRUNK_OF_SIX].map(|at| Hop { transport: Transport::Udp, remote: addr(at) });
    lab.by(ConnectionId(1), &by_node("sip:+4930999@carrier.example", "z9hG4bK-a").text());
    resolve(&mut lab, hops.into());
    let (flow, first) = lab.only();
    assert_eq!(flow, udp(TRUNK));
    lab.from(TRUNK, &answer(&first, 503, "x"));
    let second = lab.take().into_iter().find(|(_, message)| message.method() == Method::Invite);
    let (flow, second) = second.expect("the second address");
    assert_eq!(flow, udp(TRUNK_OF_SIX));
    assert_eq!(header(&second, &HeaderName::Contact), "<sip:+15550199@[2001:db8::1]:5060>");
}

#[test]
fn what_goes_by_a_datagram_fits_into_a_packet_however_long_our_via_is() {
    let mut largest = 0;
    for filler in (600..1_100).step_by(5) {
        let mut lab = Lab::with(with_both);
        lab.node(ConnectionId(1), "sip-cluster", "sip-cluster-of-the-second-hall-12.1700000000000");
        let more = format!("X-Filler: {}\n", "x".repeat(filler));
        let ask = Ask { more: &more, ..by_node("sip:+4930999@carrier.example", "z9hG4bK-a") };
        lab.by(ConnectionId(1), &ask.text());
        resolve(&mut lab, vec![Hop { transport: Transport::Udp, remote: addr(TRUNK_OF_SIX) }]);
        let (flow, sent) = lab.only();
        let size = sent.to_bytes().len();
        match flow {
            Flow::Udp { .. } => {
                assert!(size <= 1_300, "{size} with {filler}");
                largest = largest.max(size);
            }
            Flow::Stream { .. } => assert!(size > 1_300, "{size} with {filler}: a datagram would do"),
        }
    }
    assert!(largest > 1_290, "{largest}");
}

#[test]
fn a_static_route_into_the_other_family_gets_a_route_for_each_side() {
    let mut lab = Lab::with(|settings| {
        with_both(settings);
        settings.static_route = Some(addr("192.0.2.77:5070"));
    });
    let carrier = Trunk {
        tenant: TenantId::parse("acme").unwrap(),
        name: "carrier".into(),
        allow: vec![Network::parse("2001:db8:20::/48").unwrap()],
        certificate_names: Vec::new(),
        registrar: None,
        inbound: InboundPassword::NotAsked,
        asked: None,
        user: None,
    };
    lab.proxy.set_trunks([carrier], lab.now);
    lab.from(TRUNK_OF_SIX, &Ask { host: TRUNK_OF_SIX, ..Ask::default() }.text());
    let (flow, invite) = lab.beyond_trying();
    assert_eq!(flow, udp("192.0.2.77:5070"));
    let routes: Vec<&str> = invite.elements(&HeaderName::RecordRoute).collect();
    let [near, far] = routes.as_slice() else { panic!("two routes: {routes:?}") };
    assert!(near.ends_with("@127.0.0.1:5060;lr>") && far.ends_with("@[2001:db8::1]:5060;lr>"), "{routes:?}");
    let more = format!("Route: {near}\nRoute: {far}\n");
    let bye =
        Ask { method: "BYE", host: "192.0.2.77:5070", to_tag: Some("near"), branch: "z9hG4bK-f", ..Ask::default() };
    lab.from("192.0.2.77:5070", &Ask { more: &more, ..bye }.text());
    let (flow, bye) = lab.only();
    assert_eq!((flow, bye.routes().count()), (udp(TRUNK_OF_SIX), 0));
}

#[test]
fn our_address_of_ipv6_is_ours_however_it_is_written() {
    let mut lab = lab();
    for (uri, branch) in [
        ("sip:[2001:db8::1]:5060", "z9hG4bK-a"),
        ("sip:[2001:DB8::1]", "z9hG4bK-b"),
        ("sip:[2001:0db8:0:0:0:0:0:1]:5060", "z9hG4bK-c"),
    ] {
        let ask = Ask { method: "OPTIONS", uri, host: PHONE_OF_SIX, branch, ..Ask::default() };
        lab.from(PHONE_OF_SIX, &ask.text());
        assert_eq!(lab.statuses(), [200], "{uri}");
    }
}
