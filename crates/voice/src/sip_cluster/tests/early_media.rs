//! Early media at the node: what a phone or carrier sends before it answers is heard by the caller, also after a restart.

use ivr::msml::{Command, JoinStreams};
use model::ConnId;
use model::plan::Destination;
use sip::StatusCode;
use sip::agent::{DialogId, Event, Reply, Session};

use super::bench::{Bench, PHONE_SDP, Peer, by_two_trunks, phone};
use super::restart::restart;

/// Another session than that of `PHONE_SDP`.
const OTHER_SDP: &str =
    "v=0\r\no=- 9 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4400 RTP/AVP 0\r\n";

/// A call to a phone that plays an announcement and then answers; `between` comes after each step, with its number.
fn through(answer: &'static str, mut between: impl FnMut(&mut Bench, ConnId, usize)) -> Bench {
    let mut bench = Bench::new();
    let conn_id = bench.call("7101", phone(15_000));
    between(&mut bench, conn_id, 0);
    bench.phone_plays_early(183, PHONE_SDP);
    between(&mut bench, conn_id, 1);
    bench.phone_rings();
    between(&mut bench, conn_id, 2);
    bench.phone_answers_with(answer);
    between(&mut bench, conn_id, STEPS - 1);
    bench
}

const STEPS: usize = 4;

fn progress(bench: &Bench) -> Vec<(StatusCode, bool)> {
    let of = |(peer, event): &(Peer, Event)| match (peer, event) {
        (Peer::Caller, Event::Progress { response, session, .. }) => {
            let has_audio = matches!(session, Session::Preview(_) | Session::Answer(_));
            response.status().map(|status| (status, has_audio))
        }
        _ => None,
    };
    bench.seen.iter().filter_map(of).collect()
}

#[test]
fn the_caller_hears_the_phone_before_it_answers() {
    let mut bench = through(PHONE_SDP, |_, _, _| {});
    assert_eq!(progress(&bench), [(StatusCode::SESSION_PROGRESS, true)], "no ringing tone of its own");
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. })));
    assert_eq!(bench.media_told, [PHONE_SDP], "the answer repeats the session");
    bench.bye(Peer::Phone);
    assert!(bench.is_clear());
}

#[test]
fn another_session_of_the_answer_reaches_media() {
    let mut bench = through(OTHER_SDP, |_, _, _| {});
    assert_eq!(bench.media_told, [PHONE_SDP, OTHER_SDP]);
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
}

#[test]
fn it_goes_on_after_a_restart_between_any_two_steps() {
    for at in 0..STEPS {
        let mut bench = through(OTHER_SDP, |bench, conn_id, step| {
            if step == at {
                restart(bench, conn_id);
            }
        });
        assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. })), "restart after step {at}");
        assert!(progress(&bench).contains(&(StatusCode::SESSION_PROGRESS, true)), "restart after step {at}");
        bench.bye(Peer::Phone);
        assert!(bench.is_clear(), "restart after step {at}");
    }
}

#[test]
fn a_caller_leaves_while_it_hears_an_announcement() {
    let mut bench = Bench::new();
    bench.call("7101", phone(15_000));
    bench.phone_plays_early(183, PHONE_SDP);
    let (dialog, now) = (bench.caller_dialog.expect("an INVITE"), bench.now);
    bench.agent(Peer::Caller).cancel(dialog, Vec::new(), now).expect("it is not answered");
    bench.run();
    assert!(bench.is_clear());
}

#[test]
fn a_phone_that_refuses_after_an_announcement_ends_the_call() {
    let mut bench = Bench::new();
    bench.call("7101", phone(15_000));
    bench.phone_plays_early(183, PHONE_SDP);
    let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
    bench.agent(Peer::Phone).reject(dialog, Reply::new(StatusCode::BUSY_HERE), now).expect("it has not answered");
    bench.run();
    assert_eq!(bench.refusal().map(|(status, _)| status), Some(486));
    assert!(bench.is_clear());
}

#[test]
fn a_phone_that_changes_its_session_without_end_is_told_to_media_four_times() {
    let mut bench = Bench::new();
    bench.call("7101", phone(15_000));
    for _ in 0..6 {
        bench.phone_plays_early(183, PHONE_SDP);
        bench.phone_plays_early(183, OTHER_SDP);
    }
    assert_eq!(bench.media_told.len(), 4);
}

#[test]
fn a_caller_without_an_offer_hears_nothing_before_the_answer() {
    let mut bench = Bench::new();
    bench.dial_with("7101", "trunk;name=carrier", None, Vec::new());
    bench.plan(phone(15_000));
    bench.phone_plays_early(183, PHONE_SDP);
    assert_eq!(progress(&bench), [(StatusCode::RINGING, false)]);
}

/// Two registrations of 7101.
fn two_phones() -> Destination {
    let Destination::Extension { dn, contacts, no_answer_ms } = phone(15_000) else { unreachable!("it is a phone") };
    Destination::Extension { dn, contacts: [contacts.clone(), contacts].concat(), no_answer_ms }
}

#[test]
fn a_session_that_nobody_heard_before_the_answer_is_heard_with_it() {
    let mut bench = Bench::new();
    bench.call("7101", two_phones());
    bench.phone_plays_early(183, PHONE_SDP);
    assert!(bench.media_told.is_empty(), "of two phones none speaks for both");
    bench.phone_answers();
    assert_eq!(bench.media_told, [PHONE_SDP]);
}

#[test]
fn a_180_with_a_session_stays_one() {
    let mut bench = Bench::new();
    let conn_id = bench.call("7101", phone(15_000));
    bench.phone_plays_early(180, PHONE_SDP);
    assert_eq!(
        progress(&bench),
        [(StatusCode::RINGING, true)],
        "the phone may be silent: the caller's own one decides"
    );
    restart(&mut bench, conn_id);
    bench.phone_answers();
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. })));
}

#[test]
fn a_caller_hears_that_it_rings_if_media_has_no_room_for_it() {
    let mut bench = Bench::new();
    bench.call("7101", phone(15_000));
    bench.media_rejects = Some(StatusCode::SERVICE_UNAVAILABLE);
    bench.phone_plays_early(183, PHONE_SDP);
    assert_eq!(progress(&bench), [(StatusCode::RINGING, false)]);
    bench.media_rejects = None;
    bench.phone_answers();
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. })));
}

/// The streams by which media was told to join the leg that rings, in order.
fn joins(bench: &Bench) -> Vec<JoinStreams> {
    let rings = bench.media_dialogs.first().copied();
    let of = |(dialog, command): &(DialogId, Command)| match command {
        Command::Join { streams, .. } if Some(*dialog) == rings => Some(*streams),
        _ => None,
    };
    bench.played.iter().filter_map(of).collect()
}

#[test]
fn who_is_heard_before_its_answer_hears_the_caller_from_the_answer_on() {
    for restarts in [false, true] {
        let mut bench = Bench::new();
        let conn_id = bench.call("+4930123", by_two_trunks("carrier", "two"));
        bench.phone_plays_early(183, PHONE_SDP);
        assert_eq!(joins(&bench), [JoinStreams::SpeaksOnly]);
        if restarts {
            restart(&mut bench, conn_id);
        }
        bench.phone_answers();
        assert_eq!(joins(&bench), [JoinStreams::SpeaksOnly, JoinStreams::Both], "restarts: {restarts}");
        bench.bye(Peer::Phone);
        assert!(bench.is_clear());
    }
}

#[test]
fn a_trunk_that_is_set_so_hears_the_caller_at_once() {
    let mut bench = Bench::new();
    bench.call("+4930123", by_two_trunks("open", "two"));
    bench.phone_plays_early(183, PHONE_SDP);
    bench.phone_answers();
    assert!(joins(&bench).is_empty(), "it has the seat that it was given");
}
