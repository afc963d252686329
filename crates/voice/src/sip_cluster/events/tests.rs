//! What the nodes of a cluster deliver together: every fact, in the order of its call, whoever gave it.

use std::collections::BTreeMap;

use infra::{EventEntry, Position};
use model::{Event, EventName, Owner, Stamped, Timestamp, Token};
use proptest::prelude::*;

use super::adoption::{HELD_FOR, HELD_MAX};
use super::*;
use crate::node_events::Sieve as _;

fn node(number: u8) -> NodeId {
    NodeId::parse(&format!("sip-cluster-{number}")).unwrap()
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + ms)
}

/// The fact at that position, given at that millisecond.
fn fact(position: u64, call: u64, (token, seq): (u64, u64), giver: u8) -> EventEntry {
    let owner: Owner = format!("{}.1", node(giver)).parse().unwrap();
    let id = EventId { subject: Subject::Call(ConnId(call)), token: Token(token), seq: Seq(seq) };
    let tenant = TenantId::parse("t").unwrap();
    let event = Stamped { id, tenant, at: at(position), trace: None, event: Event::new(EventName::Held) };
    EventEntry { position: Position { major: 0, minor: position }, event: Arc::new(event), owner: Some(owner) }
}

struct Nodes {
    tell: watch::Sender<RunningNodes>,
    running: watch::Receiver<RunningNodes>,
}

impl Nodes {
    fn new(running: &[u8]) -> Self {
        let (tell, running) = watch::channel(Some(Arc::new(running.iter().map(|of| node(*of)).collect())));
        Self { tell, running }
    }

    fn run(&self, running: &[u8]) {
        self.tell.send_replace(Some(Arc::new(running.iter().map(|of| node(*of)).collect())));
    }

    fn sieve(&self, of: u8) -> Adoption {
        Adoption::new(node(of), self.running.clone(), Metrics::register(&runtime::Metrics::default()))
    }
}

/// The positions that a subscription delivers.
fn taken(sieve: &mut Adoption, entries: &[EventEntry]) -> Vec<u64> {
    let mut out = Vec::new();
    for entry in entries {
        sieve.take(entry.clone(), at(entry.position.minor), &mut out);
    }
    positions(&out)
}

fn looked(sieve: &mut Adoption, now: Timestamp) -> Vec<u64> {
    let mut out = Vec::new();
    sieve.look(now, &mut out);
    positions(&out)
}

fn positions(entries: &[EventEntry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.position.minor).collect()
}

#[test]
fn a_node_delivers_its_own_facts_and_those_of_nobody_that_runs() {
    let nodes = Nodes::new(&[1, 2]);
    let mut sieve = nodes.sieve(1);
    let mut unnamed = fact(4, 9, (1, 1), 2);
    unnamed.owner = None;
    let all = [fact(1, 7, (1, 1), 1), fact(2, 8, (1, 1), 2), fact(3, 7, (1, 2), 1), unnamed];
    assert_eq!(taken(&mut sieve, &all), [1, 3, 4], "an earlier version's fact names nobody");
    assert_eq!(looked(&mut sieve, at(5)), [0; 0]);
}

#[test]
fn what_a_failed_node_may_not_have_delivered_comes_from_the_others_once() {
    let nodes = Nodes::new(&[1, 2, 3]);
    let (mut second, mut third) = (nodes.sieve(2), nodes.sieve(3));
    let before = [fact(1, 7, (1, 1), 1), fact(2, 8, (1, 1), 2), fact(3, 7, (1, 2), 1)];
    assert_eq!(taken(&mut second, &before), [2]);
    assert_eq!(taken(&mut third, &before), [0; 0]);
    nodes.run(&[2, 3]);
    // The last fact of the failed node was in the store when nobody knew yet that it is gone.
    assert_eq!(looked(&mut second, at(4)), [1, 3]);
    assert_eq!(looked(&mut second, at(5)), [0; 0]);
    assert_eq!(taken(&mut second, &[fact(6, 9, (1, 1), 1)]), [6]);
    assert_eq!(looked(&mut third, at(6)), [1, 3]);
}

#[test]
fn a_call_that_was_taken_over_goes_on_behind_its_earlier_facts() {
    let nodes = Nodes::new(&[1, 2]);
    let mut sieve = nodes.sieve(2);
    // The second node has taken call 7 over; the first one's lease has not run out.
    let all = [fact(1, 7, (1, 1), 1), fact(2, 8, (1, 1), 1), fact(3, 7, (2, 1), 2), fact(4, 7, (2, 2), 2)];
    assert_eq!(taken(&mut sieve, &all), [1, 3, 4]);
    nodes.run(&[2]);
    assert_eq!(looked(&mut sieve, at(5)), [2]);
}

#[test]
fn who_resumes_behind_a_fact_of_a_node_that_fails_then_gets_it_too() {
    let nodes = Nodes::new(&[1, 2]);
    let mut sieve = nodes.sieve(2);
    sieve.take_earlier(fact(1, 7, (1, 1), 1), at(1));
    sieve.take_earlier(fact(2, 8, (1, 1), 2), at(2));
    nodes.run(&[2]);
    assert_eq!(looked(&mut sieve, at(3)), [1]);
}

#[test]
fn facts_are_held_back_for_a_bounded_time_and_number() {
    let nodes = Nodes::new(&[1, 2]);
    let mut sieve = nodes.sieve(2);
    let count = HELD_MAX as u64 + 10;
    let all: Vec<_> = (1..=count).map(|position| fact(position, position, (1, 1), 1)).collect();
    taken(&mut sieve, &all);
    nodes.run(&[2]);
    assert_eq!(looked(&mut sieve, at(count)).len(), HELD_MAX);
    nodes.run(&[1, 2]);
    taken(&mut sieve, &all[..1]);
    nodes.run(&[2]);
    assert_eq!(looked(&mut sieve, at(2) + HELD_FOR), [0; 0]);
}

#[test]
fn while_it_is_not_known_who_runs_nobody_is_taken_for_gone() {
    let (_tell, running) = watch::channel(None);
    let mut sieve = Adoption::new(node(2), running, Metrics::register(&runtime::Metrics::default()));
    assert_eq!(taken(&mut sieve, &[fact(1, 7, (1, 1), 1)]), [0; 0]);
    assert_eq!(looked(&mut sieve, at(2)), [0; 0]);
}

/// A cluster of three nodes in which one fails at some point, after which the others take its calls over.
fn history() -> impl Strategy<Value = (Vec<EventEntry>, u8, usize)> {
    let steps = proptest::collection::vec((1..6_u64, 1..4_u8), 1..40);
    (steps, 1..4_u8, 0..40_usize).prop_map(|(steps, failing, at)| {
        let at = at % steps.len();
        let mut owners: BTreeMap<u64, (u8, u64, u64)> = BTreeMap::new();
        let facts = steps.iter().enumerate().map(|(step, (call, giver))| {
            let (owner, token, seq) = owners.entry(*call).or_insert((*giver, 1, 0));
            if step >= at && *owner == failing {
                (*owner, *token, *seq) = (failing % 3 + 1, *token + 1, 0);
            }
            *seq += 1;
            fact(step as u64 + 1, *call, (*token, *seq), *owner)
        });
        let facts = facts.collect();
        (facts, failing, at)
    })
}

proptest! {
    #[test]
    fn the_nodes_that_run_deliver_every_fact_and_each_of_them_in_the_order_of_its_call((facts, failing, fails) in history()) {
        let nodes = Nodes::new(&[1, 2, 3]);
        let left: Vec<u8> = (1..4).filter(|of| *of != failing).collect();
        let mut delivered: Vec<u64> = Vec::new();
        for of in &left {
            nodes.run(&[1, 2, 3]);
            let mut sieve = nodes.sieve(*of);
            // A lease runs out some facts after its node has failed.
            let noticed = (fails + 3).min(facts.len());
            let mut own = taken(&mut sieve, &facts[..noticed]);
            nodes.run(&left);
            own.extend(looked(&mut sieve, at(facts.len() as u64)));
            own.extend(taken(&mut sieve, &facts[noticed..]));
            let mut once = own.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), own.len(), "no fact twice");
            let mut last = BTreeMap::new();
            for position in &own {
                let fact = &facts[*position as usize - 1].event.id;
                let before = last.insert(fact.subject.clone(), (fact.token, fact.seq));
                prop_assert!(before < Some((fact.token, fact.seq)), "{own:?}");
            }
            delivered.extend(own);
        }
        delivered.sort_unstable();
        delivered.dedup();
        let all: Vec<u64> = (1..=facts.len() as u64).collect();
        prop_assert_eq!(delivered, all, "no fact is missing");
    }
}
