//! What may be spent in a day on calls outside; the store is played by the tests.

use std::time::Duration;

use model::plan::{DayLimit, Destination};
use model::{AgentId, Dn, Timestamp};
use sip::agent::Event;

use super::bench::{Bench, Peer, by_two_trunks};
use crate::sip_cluster::node::order::Order;
use crate::sip_cluster::node::spending::{Added, Amount, Amounts, SpentBatch};

const PHONE: &str = "phone;dn=7102";
const DAY: Duration = Duration::from_secs(86_400);

/// How many INVITEs carriers have got.
fn rung(bench: &Bench) -> usize {
    let is_invite = |(peer, event): &&(Peer, Event)| *peer == Peer::Phone && matches!(event, Event::Incoming { .. });
    bench.seen.iter().filter(is_invite).count()
}

fn refused_with(bench: &Bench) -> Option<u16> {
    bench.seen.iter().rev().find_map(|(peer, event)| match event {
        Event::Failed { status, .. } if *peer == Peer::Caller => Some(status.0),
        _ => None,
    })
}

fn limited(calls: Option<u32>, minutes: Option<u32>, day_ends: Timestamp) -> Destination {
    let Destination::Outside(mut outside) = by_two_trunks("wide", "two") else { unreachable!("it is outside") };
    let phone = Some(Dn::parse("7102").expect("a DN"));
    let rule = "premium".to_owned();
    let limit = DayLimit { rule, phone, per_agent: false, agent: None, calls, minutes, day_ends };
    outside.further.clear();
    (outside.way.limits.a_day, outside.way.limits.counts) = (vec![limit], true);
    Destination::Outside(outside)
}

/// The same by another trunk first.
fn limited_after(first: &str, calls: u32, day_ends: Timestamp) -> Destination {
    let Destination::Outside(mut outside) = limited(Some(calls), None, day_ends) else { unreachable!("it is outside") };
    let next = outside.way.clone();
    outside.way.trunk = first.to_owned();
    outside.further = vec![next];
    outside.further[0].limits.counts = false;
    Destination::Outside(outside)
}

/// The same for an agent at a phone.
fn limited_agent(agent: Option<&str>, phone: &str, calls: u32, day_ends: Timestamp) -> Destination {
    let Destination::Outside(mut outside) = limited(Some(calls), None, day_ends) else { unreachable!("it is outside") };
    for limit in &mut outside.way.limits.a_day {
        limit.phone = Dn::parse(phone).ok();
        (limit.per_agent, limit.agent) = (true, agent.and_then(|agent| AgentId::parse(agent).ok()));
    }
    Destination::Outside(outside)
}

/// What the node wants to be stored.
fn wanted(bench: &mut Bench) -> Vec<SpentBatch> {
    let orders = std::mem::take(&mut bench.orders);
    let (spent, others): (Vec<_>, Vec<_>) = orders.into_iter().partition(|order| matches!(order, Order::Spend(_)));
    bench.orders = others;
    let batch = |order| match order {
        Order::Spend(batch) => batch,
        other => panic!("{other:?}"),
    };
    spent.into_iter().map(batch).collect()
}

fn of_rule(calls: u64, seconds: u64) -> Amounts {
    Amounts::from([("premium".to_owned(), Amount { calls, seconds })])
}

#[test]
fn calls_beyond_those_of_a_day_are_refused_until_the_next_day() {
    let mut bench = Bench::new();
    let today = bench.now + Duration::from_secs(3_600);
    for (at, call_id) in ["caller-1", "caller-1b"].into_iter().enumerate() {
        bench.dial_as("+4930123", PHONE, call_id);
        bench.plan(limited(Some(1), None, today));
        assert_eq!(rung(&bench), 1, "call {at}");
    }
    assert_eq!(refused_with(&bench), Some(403));
    bench.dial_as("+4930123", PHONE, "caller-1c");
    bench.plan(limited(Some(1), None, today + DAY));
    assert_eq!(rung(&bench), 2, "another day");
}

#[test]
fn a_dialplan_whose_clock_is_wrong_gives_nobody_another_day() {
    let mut bench = Bench::new();
    let today = bench.now + Duration::from_secs(3_600);
    for (call_id, days_ahead) in [("caller-1", 0), ("caller-1b", 30), ("caller-1c", 31)] {
        bench.dial_as("+4930123", PHONE, call_id);
        bench.plan(limited(Some(1), None, today + DAY * days_ahead));
    }
    assert_eq!((rung(&bench), refused_with(&bench)), (1, Some(403)));
    bench.pass(Duration::from_secs(3));
    assert!(wanted(&mut bench).iter().all(|batch| batch.spender.day_ends == today));
}

#[test]
fn an_agent_has_the_same_day_at_another_phone_and_another_agent_has_its_own() {
    let mut bench = Bench::new();
    let today = bench.now + DAY;
    let calls = [
        (Some("anna"), "7102", "caller-1", 1),
        (Some("anna"), "7103", "caller-1b", 1),
        (Some("bert"), "7103", "caller-1c", 2),
        // Nobody is logged in: the phone counts for itself, and has spent nothing.
        (None, "7102", "caller-1d", 3),
        (None, "7102", "caller-1e", 3),
        (None, "7103", "caller-1f", 4),
    ];
    for (agent, at, call_id, all) in calls {
        bench.dial_as("+4930123", &format!("phone;dn={at}"), call_id);
        bench.plan(limited_agent(agent, at, 1, today));
        assert_eq!(rung(&bench), all, "{agent:?} at {at}");
    }
}

#[test]
fn what_an_agent_spends_is_stored_as_the_agents_also_after_a_restart() {
    let mut bench = Bench::new();
    let today = bench.now + DAY;
    bench.dial_as("+4930123", PHONE, "caller-1");
    let conn_id = bench.plan(limited_agent(Some("anna"), "7102", 9, today));
    bench.phone_rings();
    bench.phone_answers();
    super::restart::restart(&mut bench, conn_id);
    bench.pass(Duration::from_secs(4));
    let stored = wanted(&mut bench);
    let anna = AgentId::parse("anna").ok();
    assert!(!stored.is_empty());
    let is_annas = |batch: &SpentBatch| batch.spender.agent == anna && batch.spender.phone.is_none();
    assert!(stored.iter().all(is_annas), "{stored:?}");
}

#[test]
fn a_call_counts_once_and_only_if_a_trunk_takes_it() {
    let mut bench = Bench::new();
    let today = bench.now + DAY;
    let Destination::Outside(mut nowhere) = limited(Some(1), None, today) else { unreachable!("it is outside") };
    nowhere.way.trunk = "drained".to_owned();
    for call_id in ["caller-1", "caller-1b"] {
        bench.dial_as("+4930123", PHONE, call_id);
        bench.plan(Destination::Outside(nowhere.clone()));
        assert_eq!(refused_with(&bench), Some(503), "nobody was called");
    }
    bench.dial_as("+4930123", PHONE, "caller-1c");
    bench.plan(limited_after("drained", 1, today));
    assert_eq!(rung(&bench), 1, "by the next trunk");
    bench.dial_as("+4930123", PHONE, "caller-1d");
    bench.plan(limited_after("drained", 1, today));
    assert_eq!((rung(&bench), refused_with(&bench)), (1, Some(403)));
}

#[test]
fn a_raised_limit_means_the_calls_in_progress_too() {
    let mut bench = Bench::new();
    let today = bench.now + DAY;
    bench.dial_as("+4930123", PHONE, "caller-1");
    bench.plan(limited(None, Some(1), today));
    bench.phone_answers();
    bench.dial_as("+4930123", PHONE, "caller-1b");
    bench.plan(limited(None, Some(3), today));
    bench.pass(Duration::from_secs(80));
    assert_eq!(
        bench.node.calls(),
        1,
        "it has been talking for longer than the former limit; the other one was not answered"
    );
}

#[test]
fn what_other_nodes_have_counted_counts_here_too() {
    let mut bench = Bench::new();
    let today = bench.now + DAY;
    bench.dial_as("+4930123", PHONE, "caller-1");
    bench.plan(limited(Some(5), None, today));
    bench.pass(Duration::from_secs(3));
    let [batch] = &wanted(&mut bench)[..] else { panic!("one spender") };
    assert_eq!(batch.amounts, of_rule(1, 0));
    let now = bench.now;
    bench.node.spent(&batch.spender, Added::Sums(of_rule(5, 0)), now);
    bench.dial_as("+4930123", PHONE, "caller-1b");
    bench.plan(limited(Some(5), None, today));
    assert_eq!((rung(&bench), refused_with(&bench)), (1, Some(403)));
}

#[test]
fn a_call_ends_when_the_minutes_of_the_day_are_used_up() {
    let mut bench = Bench::new();
    let today = bench.now + DAY;
    bench.dial_as("+4930123", PHONE, "caller-1");
    bench.plan(limited(None, Some(1), today));
    bench.phone_answers();
    bench.pass(Duration::from_secs(50));
    assert_eq!(bench.node.calls(), 1);
    bench.pass(Duration::from_secs(15));
    assert_eq!(bench.node.calls(), 0, "the minute is over");
    bench.dial_as("+4930123", PHONE, "caller-1b");
    bench.plan(limited(None, Some(1), today));
    assert_eq!((rung(&bench), refused_with(&bench)), (1, Some(403)));
}

#[test]
fn a_node_that_ends_waits_until_the_store_has_what_was_spent_but_not_for_long() {
    for answers in [true, false] {
        let mut bench = Bench::new();
        let today = bench.now + DAY;
        assert!(bench.node.has_handed_in_spending(bench.now));
        bench.dial_as("+4930123", PHONE, "caller-1");
        bench.plan(limited(Some(5), None, today));
        assert!(!bench.node.has_handed_in_spending(bench.now), "not sent yet");
        bench.pass(Duration::from_secs(3));
        let [batch] = &wanted(&mut bench)[..] else { panic!("one spender") };
        assert!(!bench.node.has_handed_in_spending(bench.now), "not confirmed yet");
        let now = bench.now + Duration::from_secs(1);
        if answers {
            bench.node.spent(&batch.spender, Added::Sums(of_rule(1, 0)), now);
            assert!(bench.node.has_handed_in_spending(now));
        } else {
            bench.node.spent(&batch.spender, Added::Unknown("away".to_owned()), now);
            assert!(!bench.node.has_handed_in_spending(now));
            assert!(bench.node.has_handed_in_spending(now + Duration::from_secs(2)), "5 s are over");
        }
    }
}
