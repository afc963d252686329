//! Two threads meet at the node: two callers of one phone, which are joined.

use std::time::Duration;

use contracts::v1;
use infra::{Absorbed, CallIndex, Record, Written};
use model::request::RequestKind;
use model::{CallUuid, ConnId, ReferenceId, TenantId, Token};
use prost::Message as _;
use sip::agent::{DialogId, Event};
use sip::{ConnectionId, HeaderName, StatusCode};

use super::bench::{Bench, EDGE, PHONE_SDP, Peer, new_node, owner, phone, tenant};
use super::calls::{request, talking};
use super::restart::{claimed, restart};
use crate::sip_cluster::ledger::find::WANTED_WITHIN;
use crate::sip_cluster::limits::HANDED_WITHIN;
use crate::sip_cluster::node::lookup::{Found, Lookup};
use crate::sip_cluster::node::order::Order;

/// Two callers who came separately talk with the phone at 7101, by a dialog of it each.
struct Two {
    bench: Bench,
    first: ConnId,
    second: ConnId,
    callers: [DialogId; 2],
    phones: [DialogId; 2],
}

fn two() -> Two {
    let (mut bench, first) = talking();
    let (caller, line) = (bench.caller_dialog.expect("a call"), bench.phone_dialog.expect("a call"));
    let second = bench.call("7101", phone(15_000));
    bench.phone_rings();
    bench.phone_answers();
    let callers = [caller, bench.caller_dialog.expect("a call")];
    let phones = [line, bench.phone_dialog.expect("a call")];
    assert_eq!(bench.node.calls(), 2);
    Two { bench, first, second, callers, phones }
}

impl Two {
    /// The phone holds its first call by itself.
    fn holding() -> Self {
        let mut two = two();
        let (line, now) = (two.phones[0], two.bench.now);
        let held = format!("{PHONE_SDP}a=sendonly\r\n");
        two.bench.agent(Peer::Phone).reinvite(line, Some(held.into()), Vec::new(), now).expect("a dialog");
        two.bench.run();
        two
    }

    fn ask(&mut self, conn_id: ConnId, kind: impl Fn(ConnId) -> RequestKind) {
        let now = self.bench.now;
        self.bench.node.request(request(conn_id, "7101", kind), now).expect("the call is here");
        self.bench.run();
    }

    /// Another node has the second call: this one drops it. Returns its record, as this node claims it later.
    fn loses_the_second(&mut self) -> Record<ConnId> {
        self.loses(self.second)
    }

    fn loses(&mut self, conn_id: ConnId) -> Record<ConnId> {
        let record = claimed(&self.bench, conn_id);
        let other = owner("sip-cluster-2", 1);
        self.bench.node.committed([(conn_id, Written::Fenced { owner: other, token: Token(2) })]);
        assert_eq!(self.bench.node.calls(), 1);
        Record { token: Token(3), ..record }
    }

    /// The phone transfers those of its first call to those of the second one, by REFER with Replaces.
    fn refers(&mut self) {
        let (line, other) = (self.phones[0], self.phones[1]);
        let agent = self.bench.agent(Peer::Phone);
        let dialog = &agent.leg(other).expect("a dialog").dialog;
        let tags = format!("to-tag%3D{}%3Bfrom-tag%3D{}", dialog.remote_tag, dialog.local_tag);
        let to = format!("<sip:7131@192.0.2.1?Replaces={}%3B{tags}>", dialog.call_id.replace('@', "%40"));
        let now = self.bench.now;
        self.bench.agent(Peer::Phone).refer(line, vec![(HeaderName::ReferTo, to)], now).expect("a dialog");
        self.bench.run();
    }

    /// The lookup of the second call that the node has asked for.
    fn sought(&self) -> Option<&Lookup> {
        self.bench.orders.iter().find_map(|order| match order {
            Order::Find(sought) if sought.named == CallIndex::Call(self.second) => Some(sought),
            _ => None,
        })
    }

    fn was_hung_up(&self, peer: Peer, dialog: DialogId) -> bool {
        self.bench.saw(peer, |event| matches!(event, Event::Released { dialog: of, .. } if *of == dialog))
    }

    /// The phone does what the node asks of it by re-INVITE.
    fn phone_agrees(&mut self, line: usize) {
        let (line, now) = (self.phones[line], self.bench.now);
        self.bench.agent(Peer::Phone).accept_offer(line, PHONE_SDP.into(), now).expect("an offer");
        self.bench.run();
    }

    /// The names of the facts that have the reference of the requests.
    fn answers(&self) -> Vec<&'static str> {
        let facts = self.bench.writes.iter().flat_map(|write| &write.events).map(|fact| &fact.event);
        facts.filter(|event| event.reference == ReferenceId(4)).map(|event| event.name.as_str()).collect()
    }

    fn hangs_up(&mut self, caller: usize) {
        let now = self.bench.now;
        let dialog = self.callers[caller];
        self.bench.agent(Peer::Caller).bye(dialog, Vec::new(), now).expect("a dialog");
        self.bench.run();
    }

    fn parties(&self, conn_id: ConnId) -> usize {
        let entry = self.bench.node.table().get(&conn_id);
        entry.and_then(|entry| entry.thread.call(conn_id)).map_or(0, |call| call.parties.len())
    }
}

#[test]
fn a_transfer_joins_two_callers_who_came_separately() {
    let mut two = Two::holding();
    let (first, second) = (two.first, two.second);
    two.ask(first, |id| RequestKind::CompleteTransfer(id, second));
    assert!(two.phones.iter().all(|line| two.was_hung_up(Peer::Phone, *line)), "{:?}", two.bench.story);
    assert!(!two.bench.saw(Peer::Caller, |event| matches!(event, Event::Offered { .. })), "no re-INVITE");
    assert_eq!((two.bench.node.calls(), two.parties(first)), (1, 2));
    let told = ["Released@7101", "Released@7101", "CallDeleted"];
    assert!(two.bench.story.ends_with(&told.map(str::to_owned)), "{:?}", two.bench.story);
    let meets = |write: &&infra::CallWrite| write.absorbs.is_some();
    let meetings: Vec<_> = two.bench.writes.iter().filter(meets).collect();
    assert_eq!(meetings.len(), 1);
    assert_eq!(meetings[0].absorbs, Some(Absorbed { conn_id: second, token: Token(1) }));
    assert!(meetings[0].conn_id == first && meetings[0].index == [CallIndex::Call(second)]);
    two.hangs_up(0);
    assert!(two.was_hung_up(Peer::Caller, two.callers[1]), "they were one call");
    assert!(two.bench.is_clear(), "{:?}", two.bench.story);
}

#[test]
fn two_callers_and_the_phone_become_a_conference_on_the_line_that_talks() {
    let mut two = Two::holding();
    let (first, second) = (two.first, two.second);
    two.ask(second, |id| RequestKind::MergeCalls(id, first));
    assert_eq!((two.bench.node.calls(), two.parties(second)), (1, 3), "{:?}", two.bench.story);
    assert!(two.was_hung_up(Peer::Phone, two.phones[0]) && !two.was_hung_up(Peer::Phone, two.phones[1]));
    let conference = |command: &ivr::msml::Command| match command {
        ivr::msml::Command::Join { conference, .. } => Some(conference.clone()),
        _ => None,
    };
    let last = two.bench.played.iter().rev().find_map(|(_, command)| conference(command));
    assert_eq!(last, Some(second.to_string()), "the first caller is brought to the others");
    two.hangs_up(0);
    assert_eq!(two.parties(second), 2);
    two.hangs_up(1);
    assert!(two.bench.is_clear(), "{:?}", two.bench.story);
}

#[test]
fn calls_that_have_met_go_on_after_a_restart() {
    let mut two = Two::holding();
    let (first, second) = (two.first, two.second);
    two.ask(first, |id| RequestKind::CompleteConference(id, second));
    restart(&mut two.bench, first);
    assert_eq!(two.parties(first), 3);
    // Its dialog began in the other thread, as its tag says.
    two.hangs_up(1);
    assert_eq!(two.parties(first), 2);
    two.hangs_up(0);
    two.bench.pass(Duration::from_secs(40));
    assert!(two.bench.is_clear(), "{:?}", two.bench.story);
}

#[test]
fn the_other_call_of_a_request_is_brought_from_another_node() {
    let mut two = Two::holding();
    let (first, second) = (two.first, two.second);
    let complete = request(first, "7101", |id| RequestKind::CompleteTransfer(id, second));
    let now = two.bench.now;
    assert_eq!(two.bench.node.lacks(&complete, now), None, "both are here");
    let record = two.loses_the_second();
    assert_eq!(two.bench.node.lacks(&complete, now), Some(second));
    let of_another = request(first, "7102", |id| RequestKind::CompleteTransfer(id, second));
    assert_eq!(two.bench.node.lacks(&of_another, now), None, "nothing is claimed for who is not in the call");
    two.bench.node.found(&CallIndex::Call(second), &Found::Ours(Box::new(record)), two.bench.now);
    assert_eq!(two.bench.node.lacks(&complete, now), None);
    two.ask(first, |id| RequestKind::CompleteTransfer(id, second));
    let absorbed = two.bench.writes.iter().find_map(|write| write.absorbs);
    assert_eq!(absorbed, Some(Absorbed { conn_id: second, token: Token(3) }));
    assert_eq!((two.bench.node.calls(), two.parties(first)), (1, 2), "{:?}", two.bench.story);
    two.hangs_up(1);
    assert!(two.was_hung_up(Peer::Caller, two.callers[0]), "they were one call");
    assert!(two.bench.is_clear(), "{:?}", two.bench.story);
}

#[test]
fn a_phone_transfers_to_a_call_of_another_node() {
    let mut two = Two::holding();
    let record = two.loses_the_second();
    two.refers();
    assert!(two.sought().is_some_and(|sought| sought.joins), "{:?}", two.bench.orders);
    two.bench.node.found(&CallIndex::Call(two.second), &Found::Ours(Box::new(record)), two.bench.now);
    two.bench.run();
    assert_eq!((two.bench.node.calls(), two.parties(two.first)), (1, 2), "{:?}", two.bench.story);
    assert!(two.phones.iter().all(|line| two.was_hung_up(Peer::Phone, *line)), "{:?}", two.bench.story);
}

#[test]
fn what_follows_a_transfer_in_its_dialog_does_not_overtake_it() {
    let mut two = Two::holding();
    let record = two.loses_the_second();
    two.refers();
    let (line, now) = (two.phones[0], two.bench.now);
    two.bench.agent(Peer::Phone).options(line, Vec::new(), now).expect("a dialog");
    two.bench.run();
    let answers = |two: &Two| {
        let statuses = two.bench.seen.iter().filter_map(|(_, event)| match event {
            Event::Responded { dialog: Some(of), status, .. } if *of == line => Some(status.0),
            _ => None,
        });
        statuses.collect::<Vec<u16>>()
    };
    assert!(answers(&two).is_empty(), "both wait");
    let second = CallIndex::Call(two.second);
    let finds = |order: &&Order| matches!(order, Order::Find(sought) if sought.named == second);
    assert_eq!(two.bench.orders.iter().filter(finds).count(), 1);
    two.bench.node.found(&second, &Found::Ours(Box::new(record)), two.bench.now);
    two.bench.run();
    assert_eq!(answers(&two).first(), Some(&202), "in their order: {:?}", two.bench.story);
    assert!(!answers(&two).contains(&500));
    assert_eq!((two.bench.node.calls(), two.parties(two.first)), (1, 2), "{:?}", two.bench.story);
}

#[test]
fn a_phone_that_transfers_to_a_call_which_is_nowhere_is_told_so() {
    for found in [Found::Unknown, Found::Ended, Found::Unanswered, Found::Elsewhere(owner("sip-cluster-2", 1))] {
        let mut two = Two::holding();
        two.loses_the_second();
        two.refers();
        two.bench.node.found(&CallIndex::Call(two.second), &found, two.bench.now);
        two.bench.run();
        assert!(two.bench.saw(Peer::Phone, |event| matches!(event, Event::Notified { .. })), "{found:?}");
        assert_eq!(two.parties(two.first), 2, "the call goes on: {found:?}");
    }
}

#[test]
fn a_call_here_that_has_become_part_of_a_claimed_one_is_outdated() {
    let mut two = Two::holding();
    let (first, second) = (two.first, two.second);
    let before = claimed(&two.bench, second);
    two.ask(first, |id| RequestKind::CompleteConference(id, second));
    let joined = claimed(&two.bench, first);
    // As a node that still has the second call, which another one has joined with the first.
    two.bench.node = new_node(2);
    two.bench.node.link_up(ConnectionId(1), EDGE, two.bench.now);
    assert!(two.bench.node.restore(&before, two.bench.now));
    two.bench.node.found(&CallIndex::Call(second), &Found::Ours(Box::new(joined)), two.bench.now);
    two.bench.run();
    assert_eq!((two.bench.node.calls(), two.parties(first)), (1, 3));
    two.hangs_up(1);
    assert_eq!(two.parties(first), 2, "its dialog is one of the joined call");
}

#[test]
fn a_call_that_another_node_wants_is_dropped_before_it_is_given() {
    let mut two = Two::holding();
    let (second, other) = (two.second, owner("sip-cluster-2", 1));
    let record = claimed(&two.bench, second);
    two.bench.node.hand_over_call(second, other.clone(), two.bench.now + WANTED_WITHIN);
    two.bench.run();
    let given = two.bench.orders.iter().any(|order| match order {
        Order::HandOver { thread, token, to, .. } => (*thread, *token, to) == (second, Token(1), &other),
        _ => false,
    });
    assert!(given && two.bench.node.calls() == 1, "{:?}", two.bench.orders);
    // What comes for it waits until the ledger has answered, and so does what another lookup finds.
    two.hangs_up(1);
    assert!(two.sought().is_none() && !two.was_hung_up(Peer::Phone, two.phones[1]));
    let found = Found::Ours(Box::new(Record { token: Token(1), ..record.clone() }));
    two.bench.node.found(&CallIndex::Call(ConnId(0)), &found, two.bench.now);
    assert_eq!(two.bench.node.calls(), 1);
    // The ledger was not to be reached: the call goes on here.
    two.bench.node.handed_over(&tenant(), second, false);
    two.bench.run();
    assert!(two.sought().is_some_and(|sought| !sought.joins), "{:?}", two.bench.orders);
    two.bench.node.found(&CallIndex::Call(second), &found, two.bench.now);
    two.bench.run();
    assert!(two.was_hung_up(Peer::Phone, two.phones[1]), "the BYE that waited: {:?}", two.bench.story);
}

#[test]
fn a_call_that_could_not_be_given_is_looked_up_until_the_ledger_answers() {
    let mut two = Two::holding();
    let second = two.second;
    let record = claimed(&two.bench, second);
    two.bench.node.hand_over_call(second, owner("sip-cluster-2", 1), two.bench.now + WANTED_WITHIN);
    two.bench.run();
    two.bench.node.handed_over(&tenant(), second, false);
    for _ in 0..3 {
        two.bench.orders.clear();
        two.bench.run();
        assert!(two.sought().is_some(), "{:?}", two.bench.orders);
        two.bench.node.found(&CallIndex::Call(second), &Found::Unanswered, two.bench.now);
    }
    let found = Found::Ours(Box::new(Record { token: Token(1), ..record }));
    two.bench.node.found(&CallIndex::Call(second), &found, two.bench.now);
    assert_eq!(two.bench.node.calls(), 2);
    two.bench.run();
    two.bench.orders.clear();
    two.bench.node.found(&CallIndex::Call(second), &Found::Unanswered, two.bench.now);
    two.bench.run();
    assert!(two.sought().is_none(), "it is here");
}

/// A call that rings while another node wants it.
fn wanted_while_it_rings() -> Bench {
    let (mut bench, _) = talking();
    let second = bench.call("7101", phone(15_000));
    bench.phone_rings();
    bench.node.hand_over_call(second, owner("sip-cluster-2", 1), bench.now + WANTED_WITHIN);
    bench.run();
    assert_eq!((bench.node.calls(), is_given(&bench)), (2, false), "{:?}", bench.orders);
    bench
}

fn is_given(bench: &Bench) -> bool {
    bench.orders.iter().any(|order| matches!(order, Order::HandOver { .. }))
}

#[test]
fn a_call_in_which_something_is_under_way_is_given_when_that_is_over() {
    let mut bench = wanted_while_it_rings();
    bench.phone_answers();
    bench.run();
    assert_eq!((bench.node.calls(), is_given(&bench)), (1, true), "{:?}", bench.orders);
}

#[test]
fn of_two_nodes_that_want_each_others_call_the_first_keeps_its_own_until_they_are_joined() {
    for (other, keeps) in [("sip-cluster-2", true), ("sip-cluster-0", false)] {
        let mut two = Two::holding();
        let (first, second, other, now) = (two.first, two.second, owner(other, 1), two.bench.now);
        let record = two.loses_the_second();
        let complete = request(first, "7101", |id| RequestKind::CompleteTransfer(id, second));
        assert_eq!(two.bench.node.lacks(&complete, now), Some(second));
        two.bench.node.hand_over_call(first, other, now + WANTED_WITHIN);
        two.bench.run();
        assert_eq!(is_given(&two.bench), !keeps, "{:?}", two.bench.orders);
        if !keeps {
            continue;
        }
        two.bench.node.found(&CallIndex::Call(second), &Found::Ours(Box::new(record)), now);
        two.bench.run();
        assert_eq!((two.bench.node.calls(), is_given(&two.bench)), (2, false), "the request is still to come");
        two.ask(first, |id| RequestKind::CompleteTransfer(id, second));
        assert_eq!(
            (two.parties(first), two.bench.node.calls()),
            (0, 0),
            "joined, and then given: {:?}",
            two.bench.story
        );
        assert!(is_given(&two.bench));
    }
}

#[test]
fn a_call_is_not_kept_for_one_that_does_not_come() {
    let mut two = Two::holding();
    let first = two.first;
    two.loses_the_second();
    two.refers();
    let other = owner("sip-cluster-2", 1);
    two.bench.node.hand_over_call(first, other.clone(), two.bench.now + WANTED_WITHIN);
    two.bench.run();
    assert!(!is_given(&two.bench), "a transfer by the phone waits too");
    two.bench.now = two.bench.now + HANDED_WITHIN;
    two.bench.node.hand_over_call(first, other, two.bench.now + WANTED_WITHIN);
    two.bench.run();
    assert!(is_given(&two.bench), "{:?}", two.bench.orders);
}

#[test]
fn a_call_is_not_given_when_nobody_counts_on_it_any_more() {
    let mut bench = wanted_while_it_rings();
    bench.now = bench.now + WANTED_WITHIN;
    bench.phone_answers();
    bench.run();
    assert_eq!((bench.node.calls(), is_given(&bench)), (2, false), "{:?}", bench.orders);
}

#[test]
fn a_thread_that_has_another_owner_by_then_is_not_taken() {
    let mut two = Two::holding();
    let (first, second) = (two.first, two.second);
    let complete = request(first, "7101", |id| RequestKind::CompleteTransfer(id, second));
    two.bench.node.request(complete, two.bench.now).expect("the call is here");
    let batch = two.bench.node.batch();
    assert!(batch.iter().any(|write| write.absorbs.is_some()), "{batch:?}");
    two.bench.node.committed(batch.iter().map(|write| (write.conn_id, Written::NotAbsorbed)).collect::<Vec<_>>());
    assert!(two.bench.node.poll_transmit().is_none(), "nobody is hung up");
    let sought = std::iter::from_fn(|| two.bench.node.poll_order(two.bench.now)).find_map(|order| match order {
        Order::Find(sought) => Some(sought.named),
        _ => None,
    });
    assert_eq!(sought, Some(CallIndex::Call(first)), "it goes on as the ledger has it");
}

#[test]
fn what_is_lost_with_a_thread_is_lost_for_those_who_came_from_another_one_too() {
    let mut two = Two::holding();
    let (first, second) = (two.first, two.second);
    two.ask(first, |id| RequestKind::CompleteTransfer(id, second));
    let release = request(first, "7101", RequestKind::ClearCall);
    two.bench.node.request(release, two.bench.now).expect("the call is here");
    two.bench.node.batch();
    let successor = owner("sip-cluster-2", 1);
    two.bench.node.committed([(first, Written::Fenced { owner: successor, token: Token(2) })]);
    assert!(two.bench.node.poll_transmit().is_none(), "no BYE leaves, to neither of them");
    assert_eq!(two.bench.node.calls(), 0);
}

#[test]
fn a_phone_with_a_dialog_for_each_call_changes_between_them() {
    let mut two = Two::holding();
    let (first, second) = (two.first, two.second);
    two.ask(second, |id| RequestKind::AlternateCall(id, first));
    two.phone_agrees(1);
    two.phone_agrees(0);
    let told = ["Held@7101", "Retrieved@7101"];
    assert!(two.bench.story.ends_with(&told.map(str::to_owned)), "{:?}", two.bench.story);
    // The first is that of the route.
    assert_eq!(two.answers()[1..], ["EventRetrieved"], "one outcome");
    assert_eq!((two.bench.node.calls(), two.parties(first), two.parties(second)), (2, 2, 2), "nothing is joined");
    // And back, with the other one left.
    two.ask(first, |id| RequestKind::ReconnectCall(id, second));
    assert!(two.was_hung_up(Peer::Phone, two.phones[0]) && two.was_hung_up(Peer::Caller, two.callers[0]));
    two.phone_agrees(1);
    assert_eq!(two.bench.story.last().map(String::as_str), Some("Retrieved@7101"));
    assert_eq!(two.answers()[1..], ["EventRetrieved", "EventRetrieved"]);
    assert_eq!((two.bench.node.calls(), two.parties(second)), (1, 2));
    two.hangs_up(1);
    assert!(two.bench.is_clear(), "{:?}", two.bench.story);
}

#[test]
fn a_phone_that_refuses_to_retrieve_gives_the_request_one_outcome() {
    let mut two = Two::holding();
    let (first, second) = (two.first, two.second);
    let before = two.answers().len();
    two.ask(second, |id| RequestKind::ReconnectCall(id, first));
    assert!(two.was_hung_up(Peer::Phone, two.phones[1]), "it leaves the other one at once");
    let (line, now) = (two.phones[0], two.bench.now);
    two.bench.agent(Peer::Phone).refuse_offer(line, StatusCode::NOT_ACCEPTABLE_HERE, now).expect("an offer");
    two.bench.run();
    assert_eq!(two.answers()[before..], ["EventError"]);
    assert_eq!(two.parties(first), 2, "its caller is still held: {:?}", two.bench.story);
    two.hangs_up(0);
    assert!(two.bench.is_clear(), "{:?}", two.bench.story);
}

#[test]
fn a_phone_does_not_change_to_a_call_that_it_does_not_hold() {
    let mut two = two();
    let (first, second) = (two.first, two.second);
    for kind in [RequestKind::AlternateCall, RequestKind::ReconnectCall] {
        two.ask(second, |id| kind(id, first));
        assert_eq!(two.bench.story.last().map(String::as_str), Some("Error@7101"));
        assert_eq!((two.parties(first), two.parties(second)), (2, 2));
    }
}

/// The same call, of another tenant.
fn of_tenant(tenant: &str, record: Record<ConnId>) -> Record<ConnId> {
    let mut state = v1::StateRecord::decode(record.state).expect("a record");
    let mut call = v1::CallRecord::decode(state.body).expect("a call");
    call.model.as_mut().expect("a call").tenant = tenant.to_owned();
    state.body = call.encode_to_vec().into();
    let tenant = TenantId::parse(tenant).expect("a tenant");
    Record { tenant, state: state.encode_to_vec().into(), ..record }
}

#[test]
fn a_phone_does_not_change_to_the_call_of_another_tenants_phone_of_its_number() {
    for kind in [RequestKind::AlternateCall, RequestKind::ReconnectCall] {
        let mut two = Two::holding();
        let (first, second) = (two.first, two.second);
        let record = of_tenant("t2", two.loses(first));
        assert!(two.bench.node.restore(&record, two.bench.now));
        two.bench.run();
        two.ask(second, |id| kind(id, first));
        assert_eq!(two.bench.story.last().map(String::as_str), Some("Error@7101"));
        assert_eq!((two.parties(first), two.parties(second)), (2, 2), "{:?}", two.bench.story);
        let asked = |event: &Event| matches!(event, Event::Offered { .. });
        assert!(!two.bench.saw(Peer::Phone, asked), "no phone is asked to hold or to retrieve");
    }
}

#[test]
fn calls_of_different_phones_do_not_meet() {
    let mut two = two();
    let (first, second) = (two.first, two.second);
    let merge = request(first, "7102", |id| RequestKind::MergeCalls(id, second));
    two.bench.node.request(merge, two.bench.now).expect("the call is here");
    two.bench.run();
    assert_eq!(two.bench.node.calls(), 2);
    assert_eq!(two.bench.story.last().map(String::as_str), Some("Error@7102"));
    // And while neither is held there is nothing to merge.
    two.ask(first, |id| RequestKind::MergeCalls(id, second));
    assert_eq!(two.bench.story.last().map(String::as_str), Some("Error@7101"));
    let threads: Vec<CallUuid> = two.bench.node.table().values().map(|entry| entry.thread.first().thread()).collect();
    assert!(threads.len() <= 2);
}
