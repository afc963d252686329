use std::time::Duration;

use model::plan::Destination;
use model::request::RequestKind;
use sip::agent::{Event, Release};
use sip::{ConnectionId, HeaderName, Message, Method, StatusCode};

use super::bench::{Bench, Peer, phone, point};
use super::calls::{request, talking};

#[test]
fn an_unknown_number_is_404_and_leaves_no_record() {
    let mut bench = Bench::new();
    bench.call("1234", Destination::Reject { status: 404, reason: "no such number".to_owned() });
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Failed { status: StatusCode(404), .. })));
    assert!(bench.writes.is_empty());
    bench.pass(Duration::from_secs(40));
    assert!(bench.is_clear());
}

#[test]
fn a_caller_without_tenant_or_source_is_403() {
    let mut bench = Bench::new();
    bench.dial("9000", "nobody");
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Failed { status: StatusCode(403), .. })));
}

#[test]
fn a_silent_dial_plan_is_503() {
    let mut bench = Bench::new();
    bench.dial("9000", "trunk;name=carrier");
    bench.pass(Duration::from_secs(6));
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Failed { status: StatusCode(503), .. })));
}

#[test]
fn a_caller_who_cancels_while_a_phone_rings_clears_everything() {
    let mut bench = Bench::new();
    bench.call("7101", phone(15_000));
    bench.phone_rings();
    let (dialog, now) = (bench.caller_dialog.expect("a dialog"), bench.now);
    bench.agent(Peer::Caller).cancel(dialog, Vec::new(), now).expect("an INVITE");
    bench.run();
    let cancelled = |event: &Event| matches!(event, Event::Released { reason: Release::Cancelled(_), .. });
    assert!(bench.saw(Peer::Phone, cancelled));
    bench.pass(Duration::from_secs(40));
    assert!(bench.is_clear());
    assert_eq!(bench.story, ["Ringing@7101", "Abandoned@7101", "CallDeleted"]);
}

#[test]
fn a_phone_that_nobody_answers_is_cancelled_and_the_caller_told_480() {
    let mut bench = Bench::new();
    bench.call("7101", phone(15_000));
    bench.phone_rings();
    bench.pass(Duration::from_secs(16));
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Failed { status: StatusCode(480), .. })));
    bench.pass(Duration::from_secs(40));
    assert!(bench.is_clear());
}

#[test]
fn a_caller_who_hangs_up_while_waiting_clears_everything() {
    let mut bench = Bench::new();
    bench.call("9000", point());
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
    assert_eq!(bench.story, ["Queued@9000", "RouteRequest@9000", "Abandoned@9000", "CallDeleted"]);
}

#[test]
fn a_phone_that_vanishes_is_found_within_60_seconds() {
    let (mut bench, _) = talking();
    bench.mute.push(Peer::Phone);
    // The latest time at which media reports it: for a phone that was never heard.
    bench.pass(Duration::from_secs(50));
    bench.phone_is_silent();
    bench.pass(Duration::from_secs(10));
    assert!(bench.story.contains(&"Released@7101".to_owned()), "{:?}", bench.story);
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Released { .. })));
}

#[test]
fn parties_that_answer_their_probes_keep_their_call() {
    let (mut bench, _) = talking();
    bench.phone_is_silent();
    bench.pass(Duration::from_secs(1_300));
    assert_eq!(bench.node.calls(), 1);
    assert_eq!(bench.story.last().map(String::as_str), Some("Established@7101"));
}

#[test]
fn clearing_by_request_hangs_up_both_sides() {
    let (mut bench, conn_id) = talking();
    bench.node.request(request(conn_id, "7101", RequestKind::ClearCall), bench.now).expect("the call is here");
    bench.run();
    for peer in [Peer::Caller, Peer::Phone] {
        assert!(bench.saw(peer, |event| matches!(event, Event::Released { .. })), "{peer:?}");
    }
    assert!(bench.is_clear());
}

#[test]
fn a_proxy_that_comes_back_goes_on_with_its_calls() {
    for away in [Duration::ZERO, Duration::from_secs(4), Duration::from_secs(6), Duration::from_secs(300)] {
        let (mut bench, _) = talking();
        bench.proxy_goes(None);
        bench.pass(away);
        bench.proxy_returns();
        bench.bye(Peer::Caller);
        assert!(bench.saw(Peer::Phone, |event| matches!(event, Event::Released { .. })), "after {away:?}");
        assert!(bench.is_clear(), "after {away:?}");
    }
}

#[test]
fn a_hang_up_waits_for_the_proxy_that_leads_to_the_party() {
    let (mut bench, conn_id) = talking();
    bench.proxy_goes(None);
    bench.pass(Duration::from_secs(10));
    bench.node.request(request(conn_id, "7101", RequestKind::ClearCall), bench.now).expect("the call is here");
    bench.run();
    bench.pass(Duration::from_secs(20));
    bench.proxy_returns();
    for peer in [Peer::Caller, Peer::Phone] {
        assert!(bench.saw(peer, |event| matches!(event, Event::Released { .. })), "{peer:?}");
    }
    assert!(bench.is_clear());
}

#[test]
fn what_cannot_be_asked_of_a_phone_whose_proxy_is_away_ends_no_call() {
    let (mut bench, conn_id) = talking();
    bench.proxy_goes(None);
    for _ in 0..2 {
        let hold = request(conn_id, "7101", RequestKind::HoldCall);
        bench.node.request(hold, bench.now).expect("the call is here");
        bench.run();
        bench.pass(Duration::from_secs(8));
        assert_eq!(bench.story.last().map(String::as_str), Some("Error@7101"), "{:?}", bench.story);
    }
    // So long that it would be probed.
    bench.pass(Duration::from_secs(700));
    bench.proxy_returns();
    assert_eq!(bench.node.calls(), 1);
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
}

#[test]
fn a_probe_that_was_under_way_when_its_proxy_went_ends_no_call() {
    let (mut bench, _) = talking();
    bench.mute.extend([Peer::Caller, Peer::Phone]);
    while bench.node.pending().probes() == 0 {
        bench.pass(Duration::from_secs(1));
    }
    bench.proxy_goes(None);
    bench.mute.clear();
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.story.last().map(String::as_str), Some("Established@7101"));
    assert_eq!(bench.node.calls(), 1);
}

#[test]
fn a_phone_that_vanishes_while_its_proxy_is_away_is_found_all_the_same() {
    let (mut bench, _) = talking();
    bench.node.link_up(ConnectionId(9), "192.0.2.2:5060", bench.now);
    bench.proxy_goes(Some(ConnectionId(9)));
    bench.pass(Duration::from_secs(50));
    bench.phone_is_silent();
    bench.pass(Duration::from_secs(10));
    assert!(bench.story.contains(&"Released@7101".to_owned()), "{:?}", bench.story);
    bench.pass(Duration::from_secs(40));
    assert_eq!(bench.node.calls(), 0, "nothing waits for a proxy that does not come back");
    assert!(!bench.node.proxies().is_one_awaited());
}

#[test]
fn a_phone_on_hold_whose_proxy_does_not_come_back_is_let_go_after_a_session_interval() {
    let (mut bench, _) = talking();
    bench.node.link_up(ConnectionId(9), "192.0.2.2:5060", bench.now);
    bench.mute.push(Peer::Phone);
    bench.proxy_goes(Some(ConnectionId(9)));
    for _ in 0..35 {
        bench.pass(Duration::from_secs(50));
        bench.held_phone_is_silent();
    }
    assert_eq!(bench.story.last().map(String::as_str), Some("Established@7101"), "its proxy might have come back");
    bench.pass(Duration::from_secs(60));
    assert!(bench.story.contains(&"Released@7101".to_owned()), "{:?}", bench.story);
}

/// The phone answers the next probe with 503, as a proxy or carrier does that takes nothing new.
fn next_probe_is_refused(bench: &mut Bench, cause: impl FnOnce(&mut Bench)) {
    bench.mute.push(Peer::Phone);
    bench.unheard.clear();
    cause(bench);
    let is_probe = |message: &&Message| message.method() == Method::Options;
    let probe = loop {
        if let Some(probe) = bench.unheard.iter().find(is_probe) {
            break probe.clone();
        }
        bench.pass(Duration::from_secs(1));
    };
    bench.mute.clear();
    let copied = [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq];
    let copied = copied.map(|name| format!("{}: {}\r\n", name.as_str(), probe.header(&name).expect("it is there")));
    let text = format!("SIP/2.0 503 Service Unavailable\r\n{}Content-Length: 0\r\n\r\n", copied.concat());
    bench.node.receive(Message::parse(text.into()).expect("a response"), bench.link, bench.now);
    bench.run();
}

#[test]
fn a_party_that_takes_nothing_new_keeps_its_call_unless_media_should_hear_it_and_does_not() {
    let (mut bench, _) = talking();
    for silence in [|_: &mut Bench| (), Bench::held_phone_is_silent] {
        next_probe_is_refused(&mut bench, silence);
        assert_eq!((bench.node.calls(), bench.story.last().map(String::as_str)), (1, Some("Established@7101")));
    }
    next_probe_is_refused(&mut bench, Bench::phone_is_silent);
    assert!(bench.story.contains(&"Released@7101".to_owned()), "{:?}", bench.story);
}
