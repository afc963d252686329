//! Calls to `sips:`. The proxy, which knows by what a phone is reached, is not part of the bench: it is told what it has to keep to.

use model::Dn;
use model::plan::{Contact, Destination};
use model::request::{RequestKind, RouteTo};
use sip::agent::{Event, Reply};
use sip::proxy::headers::BY_TLS;
use sip::{HeaderName, Message, StatusCode};

use super::bench::{Bench, EDGE, PHONE_SDP, Peer, by_two_trunks, phone, point};
use super::calls::{request, talking};
use super::restart::restart;

const NOT_ALLOWED: &str = "380 trunkline \"SIPS Not Allowed\"";

/// Somebody calls this URI or number.
fn comes(called: &str, further: Vec<(HeaderName, String)>) -> Bench {
    let mut bench = Bench::new();
    bench.dial_with(called, "phone;dn=7102", Some(PHONE_SDP.into()), further);
    bench
}

fn sips(number: &str) -> String {
    format!("sips:{number}@{EDGE}")
}

/// The INVITEs of whom we ring.
fn invites(bench: &Bench) -> Vec<&Message> {
    let incoming = bench.seen.iter().filter_map(|(peer, event)| match event {
        Event::Incoming { request, .. } if *peer == Peer::Phone => Some(&**request),
        _ => None,
    });
    incoming.collect()
}

fn contact(message: &Message) -> &str {
    message.header(&HeaderName::Contact).unwrap_or_default()
}

/// The phone 7101, registered with such a Contact.
fn registered(scheme: &str) -> Destination {
    let Destination::Extension { dn, no_answer_ms, .. } = phone(15_000) else { panic!("a phone") };
    let uri = format!("{scheme}:7101@192.0.2.7");
    let contacts = vec![Contact::new(uri, vec![format!("<sip:flow@{EDGE};lr>")])];
    Destination::Extension { dn, contacts, no_answer_ms }
}

fn by_trunk(contact: &str) -> Destination {
    let Destination::Outside(mut outside) = by_two_trunks("one", "two") else { panic!("a number outside") };
    outside.way.contact.uri = format!("sip:+4930123@{contact}");
    outside.further.clear();
    Destination::Outside(outside)
}

#[test]
fn a_phone_is_rung_by_tls_if_the_call_came_to_sips() {
    for (called, asks) in [(sips("7101"), Some("1")), ("7101".to_owned(), None)] {
        let mut bench = comes(&called, Vec::new());
        bench.plan(phone(15_000));
        let [invite] = &*invites(&bench) else { panic!("one INVITE") };
        assert_eq!(invite.header(&BY_TLS), asks, "{called}");
        assert_eq!(invite.request_uri(), Some("sip:7101@192.0.2.7"), "as the phone has registered");
        bench.phone_rings();
        bench.phone_answers();
        let answered = |event: &Event| match event {
            Event::Answered { response, .. } => contact(response).starts_with("<sips:") == asks.is_some(),
            _ => false,
        };
        assert!(bench.saw(Peer::Caller, answered), "{called}");
    }
}

#[test]
fn a_phone_that_has_registered_sips_sees_sips() {
    for (scheme, starts) in [("sips", "<sips:"), ("sip", "<sip:")] {
        let mut bench = comes("7101", Vec::new());
        bench.plan(registered(scheme));
        let [invite] = &*invites(&bench) else { panic!("one INVITE") };
        assert_eq!(invite.request_uri(), Some(&*format!("{scheme}:7101@192.0.2.7")));
        assert!(contact(invite).starts_with(starts), "{invite:?}");
        assert_eq!(invite.header(&BY_TLS), None, "who calls has not asked for it");
    }
}

#[test]
fn a_call_that_waited_still_goes_on_by_tls_after_a_restart() {
    let mut bench = comes(&sips("9000"), Vec::new());
    let conn_id = bench.plan(point());
    restart(&mut bench, conn_id);
    let route = request(conn_id, "9000", |id| {
        RequestKind::RouteCall(id, RouteTo::Dn { dn: Dn::parse("7101").expect("a DN"), agent: None })
    });
    bench.node.request(route, bench.now).expect("the call is here");
    bench.run();
    bench.plan(phone(15_000));
    assert_eq!(invites(&bench).iter().map(|invite| invite.header(&BY_TLS)).collect::<Vec<_>>(), [Some("1")]);
}

/// The phone transfers its call by itself.
fn refer(bench: &mut Bench, to: &str) {
    let (dialog, now) = (bench.phone_dialog.expect("a dialog"), bench.now);
    bench.agent(Peer::Phone).refer(dialog, vec![(HeaderName::ReferTo, format!("<{to}>"))], now).expect("a dialog");
    bench.run();
}

/// The phone 7109.
fn other() -> Destination {
    let Destination::Extension { contacts, no_answer_ms, .. } = phone(15_000) else { panic!("a phone") };
    Destination::Extension { dn: Dn::parse("7109").expect("a DN"), contacts, no_answer_ms }
}

#[test]
fn a_phone_to_which_a_call_is_transferred_by_sips_is_rung_by_tls() {
    for (to, asks) in [(sips("7109"), Some("1")), (format!("sip:7109@{EDGE}"), None)] {
        for restarts in [false, true] {
            let (mut bench, conn_id) = talking();
            refer(&mut bench, &to);
            if restarts {
                bench.orders.clear();
                restart(&mut bench, conn_id);
            }
            bench.plan(other());
            let last = invites(&bench).last().and_then(|invite| invite.header(&BY_TLS));
            assert_eq!((invites(&bench).len(), last), (2, asks), "{to}, restarts: {restarts}");
        }
    }
}

#[test]
fn a_call_that_was_transferred_by_sips_keeps_to_it() {
    let (mut bench, conn_id) = talking();
    refer(&mut bench, &sips("9001"));
    let Destination::RoutePoint { application, .. } = point() else { panic!("a route point") };
    let dn = Dn::parse("9001").expect("a DN");
    bench.plan(Destination::RoutePoint { dn, application, default_dn: None });
    restart(&mut bench, conn_id);
    let route = request(conn_id, "9001", |id| {
        RequestKind::RouteCall(id, RouteTo::Dn { dn: Dn::parse("7109").expect("a DN"), agent: None })
    });
    bench.node.request(route, bench.now).expect("the call is here");
    bench.run();
    bench.plan(other());
    assert_eq!(invites(&bench).last().and_then(|invite| invite.header(&BY_TLS)), Some("1"));
}

#[test]
fn a_transfer_by_sips_that_is_refused_asks_for_nothing_afterwards() {
    let (mut bench, _) = talking();
    refer(&mut bench, &sips("7108"));
    bench.plan(Destination::Reject { status: 404, reason: "no such number".to_owned() });
    refer(&mut bench, &format!("sip:7109@{EDGE}"));
    bench.plan(other());
    assert_eq!(invites(&bench).last().map(|invite| invite.header(&BY_TLS)), Some(None));
}

#[test]
fn a_carrier_without_tls_gets_no_call_to_sips() {
    for (place, is_called) in [
        ("203.0.113.9", false),
        ("203.0.113.9:5060;transport=tcp", false),
        ("sip.carrier.example:5060", false),
        ("203.0.113.9:5061;transport=tls", true),
        ("sip.carrier.example", true),
    ] {
        let mut bench = comes(&sips("+4930123"), Vec::new());
        bench.plan(by_trunk(place));
        let uris: Vec<_> =
            invites(&bench).iter().filter_map(|invite| invite.request_uri()).map(str::to_owned).collect();
        if is_called {
            assert_eq!(uris, [format!("sips:+4930123@{place}")]);
            assert!(contact(invites(&bench)[0]).starts_with("<sips:"));
        } else {
            assert_eq!((uris.len(), bench.refusal()), (0, Some((480, Some(NOT_ALLOWED.to_owned())))), "{place}");
            assert!(bench.is_clear());
        }
    }
}

#[test]
fn an_emergency_goes_out_in_any_way() {
    let mut bench = comes(&sips("112"), Vec::new());
    let Destination::Outside(mut outside) = by_trunk("203.0.113.9") else { panic!("a number outside") };
    outside.way.is_emergency = true;
    bench.plan(Destination::Outside(outside));
    let [invite] = &*invites(&bench) else { panic!("one INVITE") };
    assert_eq!((invite.request_uri(), invite.header(&BY_TLS)), (Some("sip:+4930123@203.0.113.9"), None));
}

#[test]
fn who_calls_sips_in_the_clear_reaches_an_emergency_number_alone() {
    let in_the_clear = || vec![(HeaderName::RecordRoute, format!("<sip:flow@{EDGE};lr>"))];
    let Destination::Outside(mut outside) = by_trunk("203.0.113.9") else { panic!("a number outside") };
    for (is_emergency, answer) in [(true, None), (false, Some((480, Some(NOT_ALLOWED.to_owned()))))] {
        outside.way.is_emergency = is_emergency;
        let mut bench = comes(&sips("112"), in_the_clear());
        bench.plan(Destination::Outside(outside.clone()));
        assert_eq!(
            (invites(&bench).len(), bench.refusal()),
            (usize::from(is_emergency), answer),
            "emergency: {is_emergency}"
        );
    }
    let mut bench = comes(&sips("711"), in_the_clear());
    bench.plan(phone(15_000));
    assert_eq!((invites(&bench).len(), bench.refusal()), (0, Some((480, Some(NOT_ALLOWED.to_owned())))));
    assert!(bench.is_clear());
    let mut bench = Bench::new();
    bench.dial_with(&sips("112"), "trunk;name=carrier", Some(PHONE_SDP.into()), in_the_clear());
    assert_eq!(
        bench.refusal(),
        Some((480, Some(NOT_ALLOWED.to_owned()))),
        "who is known by a trunk calls nobody for help"
    );
}

#[test]
fn what_a_carrier_before_lacked_is_not_told_of_a_number_that_is_busy() {
    let Destination::Outside(mut outside) = by_two_trunks("one", "two") else { panic!("a number outside") };
    outside.way.contact.uri = "sip:+4930123@203.0.113.9".to_owned();
    outside.further[0].contact.uri = "sip:+4930123@203.0.113.10:5061;transport=tls".to_owned();
    let mut bench = comes(&sips("+4930123"), Vec::new());
    bench.plan(Destination::Outside(outside));
    assert_eq!(invites(&bench).len(), 1, "the first is not called by TLS");
    let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
    bench.agent(Peer::Phone).reject(dialog, Reply::new(StatusCode(486)), now).expect("an INVITE");
    bench.run();
    let (status, warning) = bench.refusal().expect("a refusal");
    assert_eq!((status, warning.filter(|warning| warning.contains("SIPS"))), (486, None));
}

#[test]
fn who_calls_sips_is_told_that_the_phone_has_no_tls() {
    for (called, warning) in [(sips("7101"), Some(NOT_ALLOWED.to_owned())), ("7101".to_owned(), None)] {
        let mut bench = comes(&called, Vec::new());
        bench.plan(phone(15_000));
        let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
        let refuses = Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE)
            .header(HeaderName::Warning, "380 sip-proxy \"SIPS Not Allowed\"");
        bench.agent(Peer::Phone).reject(dialog, refuses, now).expect("an INVITE");
        bench.run();
        assert_eq!(bench.refusal(), Some((480, warning)), "{called}");
    }
}
