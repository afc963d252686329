//! Media without room, and no sip-proxy: other media nodes are asked, and an emergency keeps its ways.

use std::time::Duration;

use model::plan::Destination;
use sip::agent::{Event, Reply};
use sip::{ConnectionId, StatusCode};

use super::bench::{Bench, Peer, by_two_trunks, owner};
use super::restart::restart;

const PHONE: &str = "phone;dn=7102";
const AGAIN: Duration = Duration::from_millis(1_100);

fn emergency() -> Destination {
    let Destination::Outside(mut outside) = by_two_trunks("wide", "two") else { unreachable!("it is outside") };
    outside.way.is_emergency = true;
    outside.further.iter_mut().for_each(|way| way.is_emergency = true);
    Destination::Outside(outside)
}

/// The trunks whose carriers have got an INVITE.
fn rung(bench: &Bench) -> Vec<String> {
    let trunk = |event: &(Peer, Event)| match event {
        (Peer::Phone, Event::Incoming { request, .. }) => {
            let uri = request.request_uri().expect("a URI");
            Some(uri.trim_start_matches("sip:+4930123@").trim_end_matches(".example:5060").to_owned())
        }
        _ => None,
    };
    bench.seen.iter().filter_map(trunk).collect()
}

fn is_answered(bench: &Bench) -> bool {
    bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. }))
}

/// A bench whose proxy sees two media nodes; legs are let in at that part of a Request-URI alone.
fn two_media(room_at: &'static str) -> Bench {
    let mut bench = Bench::new();
    let live = vec![owner("media-1", 5), owner("media-2", 3), owner("sip-cluster-1", 1)];
    bench.node.sees_live(ConnectionId(1), live, bench.now);
    bench.media_room_at = Some(room_at);
    bench
}

#[test]
fn a_leg_for_which_one_media_node_has_no_room_is_at_another_one() {
    let mut bench = two_media("@media-1.5.media.trunkline.invalid");
    bench.call("7101", by_two_trunks("wide", "two"));
    assert!(bench.media_asked[0].contains("@media.trunkline.invalid"), "{:?}", bench.media_asked);
    assert_eq!(rung(&bench), ["wide"], "{:?}", bench.media_asked);
    bench.phone_rings();
    bench.phone_answers();
    assert!(is_answered(&bench));
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
}

#[test]
fn a_call_for_which_no_media_node_has_room_is_refused() {
    let mut bench = two_media("@nowhere");
    bench.call("7101", by_two_trunks("wide", "two"));
    assert_eq!(bench.media_asked.len(), 3, "the one that the proxy has chosen, and each: {:?}", bench.media_asked);
    assert!(bench.media_asked[1..].iter().any(|target| target.contains("@media-2.3.media.trunkline.invalid")));
    assert_eq!(bench.refusal().map(|(status, _)| status), Some(503));
    bench.pass(Duration::from_secs(40));
    assert!(bench.is_clear());
}

#[test]
fn an_emergency_waits_for_room_at_media_and_keeps_its_ways() {
    for restarts in [false, true] {
        let mut bench = Bench::new();
        bench.dial("112", PHONE);
        bench.media_rejects = Some(StatusCode::SERVICE_UNAVAILABLE);
        let conn_id = bench.plan(emergency());
        bench.pass(Duration::from_millis(3_500));
        assert_eq!((bench.media_dialogs.len(), bench.refusal()), (4, None));
        assert_eq!(bench.node.unasked(), 1, "it alone is looked at each second");
        if restarts {
            restart(&mut bench, conn_id);
        }
        bench.media_rejects = None;
        bench.pass(AGAIN);
        assert_eq!(rung(&bench), ["wide"], "restarts: {restarts}");
        assert_eq!(bench.node.unasked(), 0, "restarts: {restarts}");
        let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
        bench.agent(Peer::Phone).reject(dialog, Reply::new(StatusCode::SERVICE_UNAVAILABLE), now).expect("an INVITE");
        bench.run();
        assert_eq!(rung(&bench), ["wide", "two"], "restarts: {restarts}");
        bench.phone_answers();
        assert!(is_answered(&bench));
    }
}

#[test]
fn an_emergency_does_not_wait_for_ever() {
    let mut bench = Bench::new();
    bench.dial("112", PHONE);
    bench.media_rejects = Some(StatusCode::SERVICE_UNAVAILABLE);
    bench.plan(emergency());
    bench.pass(Duration::from_secs(120));
    assert!(bench.refusal().is_some() && rung(&bench).is_empty());
    bench.pass(Duration::from_secs(40));
    assert!(bench.is_clear(), "{:?}", bench.story);
}

#[test]
fn an_emergency_waits_for_a_proxy_and_keeps_its_ways() {
    let mut bench = Bench::new();
    bench.dial("112", PHONE);
    bench.proxy_goes(None);
    bench.plan(emergency());
    bench.pass(Duration::from_millis(2_500));
    assert!(rung(&bench).is_empty() && bench.node.calls() == 1);
    bench.proxy_returns();
    assert_eq!(rung(&bench), ["wide"], "at once");
    bench.phone_answers();
    assert!(is_answered(&bench), "{:?}", bench.story);
}
