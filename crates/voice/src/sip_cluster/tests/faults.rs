//! A fault of one call costs only that call: a panic, a loop, a record that no process can handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use infra::{Change, Record, Written};
use model::entropy::Seeded;
use model::request::RequestKind;
use model::{ConnId, Entropy, EventName, Seq, Subject, Token, UserData};
use runtime::fault::InARow;
use sip::agent::Event;
use sip::{ConnectionId, Message, Method};

use super::bench::{Bench, EDGE, Peer, new_node, node_with, point, tenant};
use super::calls::{request, talking};
use super::restart::claimed;
use crate::quarantine::CLAIMS_MAX;
use crate::sip_cluster::limits::CONFIRMED_PER_TURN;
use crate::sip_cluster::node::faults::Doing;
use crate::sip_cluster::node::order::{Order, Quarantining};

/// Randomness that panics on its next `left` draws: every request of ours needs some for its branch.
struct Fuse {
    left: Arc<AtomicU32>,
    seeded: Seeded,
}

impl Entropy for Fuse {
    fn next_u64(&mut self) -> u64 {
        let burns = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        assert!(!burns, "the fuse has blown for +15557654321");
        self.seeded.next_u64()
    }
}

/// Continues a bench's call in a node with a fuse; returns the number of panics to come.
fn fused(bench: &mut Bench, conn_id: ConnId) -> Arc<AtomicU32> {
    let left = Arc::new(AtomicU32::new(0));
    bench.node = node_with(2, Box::new(Fuse { left: left.clone(), seeded: Seeded::new(3) }));
    bench.node.link_up(ConnectionId(1), EDGE, bench.now);
    let record = claimed(bench, conn_id);
    assert!(bench.node.restore(&record, bench.now));
    bench.run();
    left
}

/// The record that the node wants to quarantine.
fn aside(bench: &mut Bench) -> Option<Quarantining> {
    let at = bench.orders.iter().position(|order| matches!(order, Order::Quarantine(_)))?;
    let Order::Quarantine(aside) = bench.orders.remove(at) else { unreachable!("the position is that of a record") };
    Some(*aside)
}

fn names(aside: &Quarantining) -> Vec<EventName> {
    aside.events.iter().map(|fact| fact.event.name).collect()
}

/// The auditor ends a call.
fn clearing(conn_id: ConnId) -> infra::Repair {
    let why = "nothing happens in it".to_owned();
    infra::Repair { subject: model::Subject::Call(conn_id), action: infra::RepairAction::Clear, why }
}

fn was_released(bench: &Bench, peer: Peer) -> bool {
    bench.saw(peer, |event| matches!(event, Event::Released { .. }))
}

#[test]
fn a_panic_ends_the_call_in_hand_with_facts_and_byes_and_the_node_goes_on() {
    let (mut bench, conn_id) = talking();
    let left = fused(&mut bench, conn_id);
    left.store(1, Ordering::Relaxed);
    let hold = request(conn_id, "7101", RequestKind::HoldCall);
    bench.node.request(hold, bench.now).expect("the call is here");
    bench.run();
    assert_eq!(left.load(Ordering::Relaxed), 0, "it has panicked");
    assert!(was_released(&bench, Peer::Caller) && was_released(&bench, Peer::Phone), "{:?}", bench.seen);
    assert!(bench.story.ends_with(&["CallDeleted".to_owned()]), "{:?}", bench.story);
    assert!(bench.is_clear());
    let reports = bench.orders.iter().filter_map(|order| match order {
        Order::Report(report) => Some(report.cause.to_string()),
        _ => None,
    });
    let reports: Vec<String> = reports.collect();
    assert_eq!(reports, ["a panic: the fuse has blown for ***21"]);
    bench.media_dialogs.clear();
    bench.call("9000", point());
    assert_eq!(bench.node.calls(), 1, "another call is taken");
}

#[test]
fn a_call_that_cannot_even_be_ended_is_put_aside_and_its_parties_hear_of_it_afterwards() {
    let (mut bench, conn_id) = talking();
    let left = fused(&mut bench, conn_id);
    let record = claimed(&bench, conn_id);
    left.store(2, Ordering::Relaxed);
    bench.node.request(request(conn_id, "7101", RequestKind::HoldCall), bench.now).expect("the call is here");
    bench.run();
    assert_eq!(bench.node.calls(), 0);
    assert!(!was_released(&bench, Peer::Caller), "nothing leaves before the store has it");
    let read = bench.orders.iter().any(|order| matches!(order, Order::ReadAside { conn_id: id, .. } if *id == conn_id));
    assert!(read, "{:?}", bench.orders);
    bench.node.quarantine_record(&record, "a panic".to_owned(), bench.now);
    bench.run();
    let aside = aside(&mut bench).expect("a record");
    assert_eq!(names(&aside), [EventName::Released, EventName::CallDeleted]);
    bench.node.was_quarantined(conn_id, true, bench.now);
    bench.run();
    assert!(was_released(&bench, Peer::Caller) && was_released(&bench, Peer::Phone), "{:?}", bench.seen);
    assert!(bench.is_clear());
}

#[test]
fn a_fault_in_the_first_turn_of_a_record_puts_it_aside() {
    let (mut bench, conn_id) = talking();
    let left = Arc::new(AtomicU32::new(0));
    bench.node = node_with(2, Box::new(Fuse { left: left.clone(), seeded: Seeded::new(3) }));
    bench.node.link_up(ConnectionId(1), EDGE, bench.now);
    assert!(bench.node.restore(&claimed(&bench, conn_id), bench.now));
    left.store(1, Ordering::Relaxed);
    bench.node.request(request(conn_id, "7101", RequestKind::HoldCall), bench.now).expect("the call is here");
    bench.run();
    assert!(bench.orders.iter().any(|order| matches!(order, Order::ReadAside { .. })), "{:?}", bench.orders);
    assert_eq!(bench.node.calls(), 0);
    assert!(!bench.node.restore(&claimed(&bench, conn_id), bench.now), "it is on its way into quarantine");
}

/// Nothing of the record has been read, and consumers that count the call get its end.
fn assert_bare_end(aside: &Quarantining) {
    let [end] = &aside.events[..] else { panic!("one fact: {aside:?}") };
    let (record, id) = (&aside.record, &end.id);
    assert_eq!((&id.subject, id.token, id.seq), (&Subject::Call(record.key), Token(2), Seq(1)));
    assert_eq!((end.event.name, &end.tenant), (EventName::CallDeleted, &record.tenant));
    assert_eq!(end.event.call.as_ref().map(|call| call.conn_id), Some(record.key));
}

#[test]
fn of_an_illegible_record_the_parties_hear_nothing_and_views_that_the_call_is_over() {
    let (mut bench, conn_id) = talking();
    let record = Record { state: bytes::Bytes::from_static(b"\xff\xff\xff"), ..claimed(&bench, conn_id) };
    bench.node = super::bench::new_node(2);
    bench.node.link_up(ConnectionId(1), EDGE, bench.now);
    assert!(!bench.node.restore(&record, bench.now));
    bench.run();
    let aside = aside(&mut bench).expect("a record");
    assert!(aside.why.contains("state record"), "{aside:?}");
    assert_bare_end(&aside);
    assert!(!bench.node.restore(&record, bench.now), "not again while the store is asked");
    bench.node.was_quarantined(conn_id, true, bench.now);
    assert!(bench.node.poll_transmit().is_none());
}

#[test]
fn what_can_be_read_of_a_damaged_record_ends_the_call_for_its_parties() {
    let (mut bench, conn_id) = talking();
    let record = claimed(&bench, conn_id);
    let at = record.state.windows(2).position(|bytes| bytes == b"t1").expect("the model's tenant");
    let mut state = record.state.to_vec();
    state[at] = 0xff;
    let record = Record { state: state.into(), ..record };
    bench.node = super::bench::new_node(2);
    bench.node.link_up(ConnectionId(1), EDGE, bench.now);
    assert!(!bench.node.restore(&record, bench.now));
    bench.run();
    assert_bare_end(&aside(&mut bench).expect("a record"));
    bench.node.was_quarantined(conn_id, true, bench.now);
    bench.run();
    assert!(was_released(&bench, Peer::Caller) && was_released(&bench, Peer::Phone), "{:?}", bench.seen);
}

#[test]
fn a_record_that_was_in_hand_when_two_processes_died_is_not_looked_at_a_third_time() {
    let (mut bench, conn_id) = talking();
    let record = Record { claims: CLAIMS_MAX, ..claimed(&bench, conn_id) };
    bench.node = super::bench::new_node(2);
    bench.node.link_up(ConnectionId(1), EDGE, bench.now);
    assert!(!bench.node.restore(&record, bench.now));
    bench.run();
    let aside = aside(&mut bench).expect("a record");
    assert_bare_end(&aside);
    bench.node.was_quarantined(conn_id, false, bench.now);
    assert!(bench.node.poll_transmit().is_none(), "it is somebody else's: its parties are not ours to tell");
}

#[test]
fn an_early_call_hears_a_refusal_and_a_phone_that_rings_a_cancel() {
    let mut bench = Bench::new();
    let conn_id = bench.call("7101", super::bench::phone(15_000));
    bench.phone_rings();
    let record = Record { claims: CLAIMS_MAX, ..claimed(&bench, conn_id) };
    bench.node = super::bench::new_node(2);
    bench.node.link_up(ConnectionId(1), EDGE, bench.now);
    bench.node.restore(&record, bench.now);
    bench.node.was_quarantined(conn_id, true, bench.now);
    let said: Vec<Message> = std::iter::from_fn(|| bench.node.poll_transmit())
        .map(|sent| Message::parse(sent.bytes).expect("SIP"))
        .collect();
    let is = |method: Method| said.iter().any(|message| message.is_request() && message.method() == method);
    let refused = said.iter().any(|message| message.status().is_some_and(|status| status.0 == 503));
    assert!(refused && is(Method::Cancel) && is(Method::Bye), "the caller, the phone, media: {said:?}");
}

#[test]
fn work_that_does_not_end_costs_the_call_in_hand_alone() {
    let (mut bench, conn_id) = talking();
    let now = bench.now;
    bench.node.attempt_for(Some(conn_id), now, |node| while node.may_step("a loop") {});
    bench.run();
    assert!(bench.story.ends_with(&["CallDeleted".to_owned()]), "{:?}", bench.story);
    assert!(bench.is_clear());
}

#[test]
fn work_within_work_does_not_hide_that_the_outer_one_has_had_its_steps() {
    let (mut bench, conn_id) = talking();
    let now = bench.now;
    bench.node.attempt_for(Some(conn_id), now, |node| {
        while node.may_step("a loop") {}
        node.attempt_for(None, now, |_| {});
    });
    bench.run();
    assert!(bench.story.ends_with(&["CallDeleted".to_owned()]), "{:?}", bench.story);
}

#[test]
fn calls_in_doubt_are_confirmed_in_slices_and_what_was_just_written_first() {
    let mut bench = Bench::new();
    let mut calls = Vec::new();
    for number in 0..CONFIRMED_PER_TURN + 3 {
        calls.push(waiting(&mut bench, number));
    }
    let last = *calls.last().expect("a call");
    bench.node.doubt();
    let mut confirmed = 0;
    let mut turns = 0;
    while bench.node.confirmations().are_needed() {
        assert_eq!(bench.node.next_timeout(), Some(model::Timestamp::ZERO), "the next turn waits for nothing");
        let batch = bench.node.batch();
        assert!(bench.node.is_in_doubt(), "the ledger itself answers");
        if turns == 0 {
            assert!(batch.iter().any(|write| write.conn_id == last), "what may not have left yet comes first");
        }
        assert!(batch.len() <= CONFIRMED_PER_TURN + 1);
        assert!(bench.node.poll_transmit().is_none(), "nothing leaves before all are confirmed");
        let kept = batch.iter().filter(|write| matches!(write.change, Change::Keep)).count();
        assert!(kept + 1 >= batch.len(), "a call that says nothing is not written");
        confirmed += batch.len();
        turns += 1;
        bench.node.agent_mut().pass_on(
            &Message::parse(OPTIONS.into()).expect("a message"),
            sip::Flow::Stream { connection: ConnectionId(1) },
        );
        bench.node.committed(batch.iter().map(|write| (write.conn_id, Written::Done { position: None })));
    }
    assert_eq!((confirmed, turns), (calls.len(), 2));
    assert_eq!(std::iter::from_fn(|| bench.node.poll_transmit()).count(), 2, "now it may leave");
    assert!(bench.node.batch().is_empty() && !bench.node.is_in_doubt());
}

#[test]
fn a_record_whose_call_this_node_has_lost_is_continued_for_its_repair() {
    let (mut bench, conn_id) = talking();
    let record = claimed(&bench, conn_id);
    bench.node.restore_absent(&record, bench.now);
    assert!(!bench.node.has_more_to_write(), "it is here");
    bench.node = new_node(2);
    bench.node.link_up(ConnectionId(1), EDGE, bench.now);
    bench.node.restore_absent(&record, bench.now);
    assert_eq!(bench.node.calls(), 1);
    bench.node.repair(&clearing(conn_id), bench.now);
    bench.run();
    assert!(was_released(&bench, Peer::Phone) && was_released(&bench, Peer::Caller));
}

#[test]
fn many_large_facts_of_one_turn_are_several_writes_and_none_is_lost() {
    let (mut bench, conn_id) = talking();
    let text = "x".repeat(60_000);
    let data: UserData = [("Note", text.as_str())].into_iter().collect();
    let update = request(conn_id, "7101", |id| RequestKind::UpdateUserData(id, data.clone()));
    bench.node.request(update, bench.now).expect("the call is here");
    for _ in 0..60 {
        bench.node.request(request(conn_id, "7101", RequestKind::QueryCall), bench.now).expect("the call is here");
    }
    let mut facts = Vec::new();
    while bench.node.has_more_to_write() {
        let batch = bench.node.batch();
        for write in &batch {
            let bytes: usize = write.events.iter().map(|fact| contracts::wire::encode_stamped(fact, None).len()).sum();
            assert!(
                bytes + infra::bounds::STATE_MAX + infra::bounds::NEW_CALL_MAX <= infra::bounds::WRITE_MAX,
                "{bytes}"
            );
            facts.extend(write.events.clone());
        }
        bench.node.committed(batch.iter().map(|write| (write.conn_id, Written::Done { position: None })));
    }
    assert_eq!(facts.iter().filter(|fact| fact.event.name == EventName::PartyInfo).count(), 60);
    let numbers: Vec<u64> = facts.iter().map(|fact| fact.id.seq.0).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

/// A message that waits to be sent.
const OPTIONS: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=a\r\nTo: <sip:a@b>\r\nCall-ID: a\r\n\
    CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

/// A call of another caller that waits at the route point.
fn waiting(bench: &mut Bench, number: usize) -> ConnId {
    let invite = format!(
        "INVITE sip:9000@{EDGE} SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{number}\r\nFrom: <sip:ann@192.0.2.9>;tag=a\r\n\
         To: <sip:9000@{EDGE}>\r\nCall-ID: many-{number}\r\nCSeq: 1 INVITE\r\nContact: <sip:ann@192.0.2.9>\r\nMax-Forwards: 70\r\n\
         Trunkline-Tenant: {}\r\nTrunkline-Source: trunk;name=carrier\r\nContent-Length: 0\r\n\r\n",
        tenant()
    );
    bench.node.receive(Message::parse(invite.into()).expect("an INVITE"), ConnectionId(1), bench.now);
    let order = std::iter::from_fn(|| bench.node.poll_order(bench.now))
        .find(|order| matches!(order, Order::AskDialPlan { .. }));
    let Some(Order::AskDialPlan { conn_id, ask, .. }) = order else { panic!("nobody asks the dial plan") };
    bench.node.dial_plan_answered(conn_id, ask, point(), bench.now);
    let batch = bench.node.batch();
    bench.node.committed(batch.iter().map(|write| (write.conn_id, Written::Done { position: None })));
    while bench.node.poll_transmit().is_some() {}
    conn_id
}

#[test]
fn an_auditors_repair_ends_its_call_with_everything_that_belongs_to_it() {
    let (mut bench, conn_id) = talking();
    bench.node.repair(&clearing(conn_id), bench.now);
    bench.run();
    assert!(was_released(&bench, Peer::Caller) && was_released(&bench, Peer::Phone), "{:?}", bench.seen);
    assert!(bench.story.ends_with(&["CallDeleted".to_owned()]), "{:?}", bench.story);
    assert!(bench.is_clear());
}

#[test]
fn a_node_in_which_nothing_works_any_more_ends() {
    let mut bench = Bench::new();
    let now = bench.now;
    let fails = |bench: &mut Bench| bench.node.attempt(Doing::OtherInput("a test"), now, |_| panic!("nothing works"));
    for _ in 1..InARow::MAX {
        fails(&mut bench);
        bench.node.handle_timeout(now);
    }
    assert!(!bench.node.is_beyond_help());
    bench.node.attempt(Doing::OtherInput("a test"), now, |_| {});
    fails(&mut bench);
    assert!(!bench.node.is_beyond_help(), "something worked in between");
    (0..InARow::MAX).for_each(|_| fails(&mut bench));
    assert!(bench.node.is_beyond_help());
}
