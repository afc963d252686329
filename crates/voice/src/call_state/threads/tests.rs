use std::collections::HashSet;

use model::event::CallRef;
use model::{CallState, CallType, Dn, DnRole, Event, EventId, QueueName, Seq, Subject, TenantId, Token};

use super::super::thread::{Outcome, PARTIES_MAX};
use super::*;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + ms)
}

fn call_ref(conn: u64) -> CallRef {
    CallRef {
        conn_id: ConnId(conn),
        uuid: CallUuid(9),
        thread: CallUuid(9),
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: Some("+15550123".to_owned()),
        dnis: Some("+15550100".to_owned()),
    }
}

fn stamped(ms: u64, name: EventName, dn: &str, subject: Subject, state: CallState) -> Stamped {
    let event = Event {
        call: Some(call_ref(1)),
        this_dn: (!dn.is_empty()).then(|| Dn::parse(dn).unwrap()),
        call_state: Some(state),
        this_role: Some(DnRole::Destination),
        ..Event::new(name)
    };
    let id = EventId { subject, token: Token(1), seq: Seq(ms + 1) };
    Stamped { id, tenant: TenantId::parse("t1").unwrap(), at: at(ms), trace: None, event }
}

fn fact(ms: u64, name: EventName, dn: &str) -> Stamped {
    stamped(ms, name, dn, Subject::Call(ConnId(1)), CallState::Ok)
}

fn in_queue(ms: u64, name: EventName) -> Stamped {
    stamped(ms, name, "VQ_Sales", Subject::Queue(QueueName::parse("VQ_Sales").unwrap()), CallState::Ok)
}

/// An inbound call that waits, rings an agent, is held, and ends.
fn routed() -> Vec<Stamped> {
    vec![
        fact(0, EventName::CallCreated, ""),
        fact(10, EventName::Queued, "9000"),
        fact(11, EventName::RouteRequest, "9000"),
        in_queue(1_000, EventName::Queued),
        in_queue(6_000, EventName::Diverted),
        fact(6_010, EventName::Diverted, "9000"),
        fact(6_020, EventName::Ringing, "7101"),
        fact(8_020, EventName::Established, "7101"),
        fact(18_020, EventName::Held, "7101"),
        fact(21_020, EventName::Retrieved, "7101"),
        fact(26_020, EventName::Released, "7101"),
        fact(26_030, EventName::CallDeleted, ""),
    ]
}

fn folded(events: &[Stamped]) -> Threads {
    let mut threads = Threads::default();
    for event in events {
        assert_eq!(next(&mut threads, event), Folded::Done);
    }
    threads
}

/// Folds the event that follows in the stream.
fn next(threads: &mut Threads, event: &Stamped) -> Folded {
    let last = threads.open.values().map(|thread| thread.folded.minor).max();
    threads.fold(event, Position { major: 0, minor: last.unwrap_or(0) + 1 })
}

/// Behind all events.
const END: Position = Position { major: 1, minor: 0 };

fn close(threads: &mut Threads, now: Timestamp) -> Vec<CallThread> {
    threads.close(now, Closing::All, END)
}

#[test]
fn a_routed_call_has_its_times_by_party() {
    let mut threads = folded(&routed());
    let closed = close(&mut threads, at(26_030) + GRACE);
    let [thread] = closed.as_slice() else { panic!("one thread: {closed:?}") };
    assert_eq!((thread.complete, thread.outcome(), thread.ended_at()), (true, Outcome::Answered, Some(at(26_030))));
    let times: Vec<(&str, u128, u128, u128, u128)> = thread
        .parties
        .iter()
        .map(|p| {
            let ms = [p.queue, p.ring, p.talk, p.hold].map(|d| d.as_millis());
            (p.dn.as_str(), ms[0], ms[1], ms[2], ms[3])
        })
        .collect();
    let expected = [("9000", 6_000, 0, 0, 0), ("VQ_Sales", 5_000, 0, 0, 0), ("7101", 0, 2_000, 15_000, 3_000)];
    assert_eq!(times, expected);
    assert_eq!(threads.len(), 0);
}

#[test]
fn a_thread_closes_five_seconds_after_the_last_of_its_calls() {
    let mut threads = folded(&routed());
    let mut second = fact(25_000, EventName::CallCreated, "");
    second.event.call = Some(CallRef { conn_id: ConnId(2), ..call_ref(2) });
    next(&mut threads, &second);
    assert_eq!(close(&mut threads, at(100_000)), [], "the second call is open");
    let mut end = fact(60_000, EventName::CallDeleted, "");
    end.event.call = second.event.call.clone();
    next(&mut threads, &end);
    assert_eq!(close(&mut threads, at(64_999)), []);
    assert_eq!(close(&mut threads, at(65_000)).len(), 1);
}

#[test]
fn a_caller_who_leaves_while_waiting_has_abandoned() {
    let mut threads = folded(&routed()[..4]);
    for event in [in_queue(3_000, EventName::Abandoned), fact(3_001, EventName::Abandoned, "9000")] {
        next(&mut threads, &event);
    }
    next(&mut threads, &fact(3_002, EventName::CallDeleted, ""));
    let closed = close(&mut threads, at(9_000));
    assert_eq!(closed[0].outcome(), Outcome::Abandoned);
    assert!(closed[0].parties.iter().all(|party| party.ended_at.is_some()));
}

#[test]
fn a_caller_who_leaves_between_the_queue_and_a_phone_that_has_not_rung_has_abandoned() {
    let left = |state| {
        let mut threads = folded(&routed()[..4]);
        next(&mut threads, &fact(3_000, EventName::Diverted, "9000"));
        let mut end = fact(3_002, EventName::CallDeleted, "");
        end.event.call_state = Some(state);
        next(&mut threads, &end);
        close(&mut threads, at(9_000))[0].outcome()
    };
    assert_eq!(left(CallState::Ok), Outcome::Abandoned);
    assert_eq!(left(CallState::Cleared), Outcome::Ended, "the system ended it");
}

#[test]
fn late_events_of_a_closed_thread_open_no_other() {
    let mut threads = folded(&routed());
    close(&mut threads, at(40_000));
    for event in [in_queue(40_001, EventName::Abandoned), fact(40_002, EventName::AgentNotReady, "7101")] {
        next(&mut threads, &event);
    }
    assert_eq!(threads.len(), 0);
}

#[test]
fn a_thread_whose_beginning_was_not_seen_says_so() {
    let threads = folded(&routed()[6..8]);
    assert!(threads.open.values().all(|thread| !thread.complete));
    assert_eq!(threads.last_event(ConnId(1)), Some(at(8_020)));
}

#[test]
fn a_call_whose_end_was_never_told_can_be_ended() {
    let mut threads = folded(&routed()[..8]);
    assert_eq!(threads.open_calls(), HashSet::from([ConnId(1)]));
    threads.call_missing(ConnId(1), at(50_000));
    let closed = close(&mut threads, at(55_000));
    assert!(!closed[0].complete);
    assert_eq!(threads.open_calls(), HashSet::new());
}

#[test]
fn parties_are_bounded() {
    let mut threads = folded(&routed()[..1]);
    let room = (0..100).filter(|n| next(&mut threads, &fact(*n, EventName::Ringing, &format!("d{n}"))) == Folded::Done);
    assert_eq!(room.count(), PARTIES_MAX);
}

#[test]
fn a_thread_closes_where_its_own_later_event_shows_that_it_is_over() {
    let mut threads = folded(&routed());
    next(&mut threads, &in_queue(26_030 + 4_999, EventName::Abandoned));
    assert_eq!(threads.len(), 1, "within the grace it is part of the thread");
    next(&mut threads, &in_queue(26_030 + 5_000, EventName::Abandoned));
    assert_eq!(threads.len(), 0);
    assert_eq!(close(&mut threads, at(26_040)).len(), 1);
    assert_eq!(close(&mut threads, at(99_000)).len(), 0);
}

#[test]
fn a_thread_that_is_not_stored_with_its_end_does_not_close() {
    let mut threads = folded(&routed());
    assert_eq!(threads.close(at(99_000), Closing::Stored, END), []);
    threads.stored();
    assert_eq!(threads.close(at(99_000), Closing::Stored, END).len(), 1);
    assert_eq!(threads.changed().collect::<Vec<_>>(), [(CallUuid(9), None)], "it is to be removed");
}

#[test]
fn an_event_that_a_stored_thread_contains_is_not_folded_again() {
    let mut threads = folded(&routed()[..8]);
    let stored = threads.open.values().next().unwrap().clone();
    let mut anew = Threads::default();
    anew.restore(stored.clone());
    for (minor, event) in (1..).zip(&routed()[..8]) {
        anew.fold(event, Position { major: 0, minor });
    }
    assert_eq!((anew.open.values().next(), anew.changed().len()), (Some(&stored), 0));
    assert_eq!((anew.open_calls(), anew.last_event(ConnId(1))), (threads.open_calls(), Some(at(8_020))));
    for event in &routed()[8..] {
        assert_eq!((next(&mut threads, event), next(&mut anew, event)), (Folded::Done, Folded::Done));
    }
    assert_eq!(close(&mut anew, at(99_000)), close(&mut threads, at(99_000)));
}

#[test]
fn open_threads_that_lack_events_say_so() {
    let mut threads = folded(&routed()[..8]);
    threads.stored();
    threads.lack_events();
    assert_eq!(threads.changed().len(), 1);
    let thread = threads.open.values().next().unwrap();
    assert!(!thread.complete && thread.calls.values().all(|call| !call.complete));
}

#[test]
fn a_thread_that_is_ahead_of_the_stream_stays_until_the_stream_has_caught_up() {
    let mut threads = folded(&routed());
    threads.stored();
    let behind = Position { major: 0, minor: 11 };
    assert_eq!(threads.close(at(99_000), Closing::Stored, behind), []);
    assert_eq!(threads.close(at(99_000), Closing::Stored, Position { minor: 12, ..behind }).len(), 1);
}
