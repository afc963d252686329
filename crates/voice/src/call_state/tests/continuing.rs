//! Whoever continues with the stored threads, at whatever moment, writes the same records.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use infra::conformance::SetClock;
use infra::{CallWrite, Change, Consumed, Position, Stores, ThreadBatch, Written};
use model::event::CallRef;
use model::{
    CallState, CallType, CallUuid, ConnId, Dn, Epoch, Event, EventId, EventName, NodeId, Owner, Seq, Stamped, Subject,
    TenantId, Token,
};

use super::super::metrics::Metrics;
use super::super::ownership::{Keeping, Ownership, VIEW};
use super::super::threads::{Closing, GRACE};
use super::super::view::View;
use crate::test_stores::{set_clock, stores};

/// The call, its consultation, and a call of another thread.
const C1: ConnId = ConnId(1);
const C2: ConnId = ConnId(2);
const C3: ConnId = ConnId(3);

/// What happens, a second after the other: the call, the name of the fact, the DN, and how it is.
fn story() -> Vec<(ConnId, EventName, &'static str, CallState)> {
    use EventName as E;
    let ok = CallState::Ok;
    vec![
        (C1, E::CallCreated, "", ok),
        (C1, E::Queued, "9000", ok),
        (C1, E::Diverted, "9000", ok),
        (C1, E::Ringing, "7101", ok),
        (C3, E::CallCreated, "", ok),
        (C1, E::Established, "7101", ok),
        (C3, E::Ringing, "7102", ok),
        (C1, E::Held, "7101", ok),
        (C2, E::Dialing, "7101", ok),
        (C2, E::Ringing, "7130", ok),
        (C3, E::Abandoned, "7102", ok),
        (C3, E::CallDeleted, "", ok),
        (C2, E::Established, "7101", ok),
        (C2, E::Established, "7130", ok),
        (C2, E::Released, "7101", CallState::Transferred),
        (C1, E::Released, "7101", CallState::Transferred),
        (C1, E::PartyChanged, "7130", CallState::Transferred),
        (C2, E::CallDeleted, "", ok),
        // The other thread is over for longer than the grace: this begins nothing.
        (C3, E::Abandoned, "7102", ok),
        (C1, E::Released, "7130", ok),
        (C1, E::CallDeleted, "", ok),
    ]
}

fn call(conn_id: ConnId) -> CallRef {
    let is_consultation = conn_id == C2;
    CallRef {
        conn_id,
        uuid: CallUuid(conn_id.0.into()),
        thread: CallUuid(if is_consultation { 1 } else { conn_id.0.into() }),
        previous: is_consultation.then_some(C1),
        call_type: if is_consultation { CallType::Consult } else { CallType::Inbound },
        propagated_type: None,
        ani: Some("+15550123".to_owned()),
        dnis: None,
    }
}

fn follower(run: u64) -> Owner {
    Owner { node: NodeId::parse("call-state-1").unwrap(), epoch: Epoch(run) }
}

/// A tenant whose calls are followed by one run of the role after the other.
struct World {
    clock: Arc<SetClock>,
    stores: Stores,
    tenant: TenantId,
    metrics: Metrics,
    runs: u64,
    /// The records in the log, by identity.
    written: BTreeMap<String, String>,
}

/// A run of the role.
struct Run {
    ownership: Ownership,
    view: View,
}

impl World {
    fn new() -> Self {
        let clock = set_clock();
        Self {
            stores: stores(clock.clone()),
            clock,
            tenant: TenantId::parse("t1").unwrap(),
            metrics: Metrics::register(&runtime::Metrics::default()),
            runs: 0,
            written: BTreeMap::new(),
        }
    }

    async fn begin(&mut self) -> Run {
        self.runs += 1;
        let owner = follower(self.runs);
        let taken = Ownership::take_over(&self.stores, &self.tenant, owner, &self.metrics).await;
        let (ownership, view) = taken.unwrap();
        Run { ownership, view }
    }

    /// Commits the fact with that number.
    async fn tell(&self, number: u64) {
        let (conn_id, name, dn, state) = story()[usize::try_from(number).unwrap()];
        let mut event = Event { call: Some(call(conn_id)), this_dn: Dn::parse(dn).ok(), ..Event::new(name) };
        event.call_state = Some(state);
        event.other_dn = (conn_id == C2).then(|| if dn == "7101" { "7130" } else { "7101" }.to_owned());
        if name == EventName::PartyChanged {
            event.call = event.call.map(|call| CallRef { previous: Some(C2), ..call });
        }
        if name == EventName::Held {
            event.user_data.push("Note", "held");
        }
        let id = EventId { subject: Subject::Call(conn_id), token: Token(1), seq: Seq(number + 1) };
        let at = self.stores.clock.now();
        let stamped = Stamped { id, tenant: self.tenant.clone(), at, trace: None, event };
        let write = CallWrite {
            change: Change::Create { state: Bytes::from_static(b"c"), intentions: Bytes::new() },
            events: vec![stamped],
            ..crate::test_stores::beginning(self.tenant.clone(), ConnId(100 + number), super::node())
        };
        let written = self.stores.calls.commit(vec![write]).await.unwrap();
        assert!(matches!(written[..], [Written::Done { .. }]), "{written:?}");
        self.clock.advance(Duration::from_secs(1));
    }

    async fn fold(&self, run: &mut Run, max: usize) {
        let read = self.stores.events.read(&self.tenant, run.view.position(), max, Duration::ZERO);
        run.view.fold(&read.await.unwrap());
    }

    fn close(&mut self, run: &mut Run) {
        for record in run.view.close(&self.tenant, self.stores.clock.now(), Closing::Stored) {
            let before = self.written.insert(record.id.clone(), record.json.clone());
            assert!(before.is_none_or(|before| before == record.json), "{} is told in two ways", record.id);
        }
    }

    async fn store(&self, run: &mut Run) {
        let keeping = run.ownership.keep(&mut run.view, self.stores.clock.now()).await.unwrap();
        assert_eq!(keeping, Keeping::Done);
    }

    /// The run ends after it has stored threads, and before it has stored more: the position, or the removals.
    async fn store_a_part(&self, run: &Run, has_position: bool) {
        let consumed = has_position.then(|| Consumed { view: VIEW, position: run.view.position() });
        let threads = run.view.changes().puts.concat();
        let (tenant, owner, token) = (self.tenant.clone(), follower(self.runs), Token(self.runs));
        let batch = ThreadBatch { tenant, owner, token, threads, consumed, number: 0 };
        let written = self.stores.threads.commit(batch).await.unwrap();
        assert_eq!(written, Written::Done { position: None });
    }

    /// Everything is folded, stored and closed.
    async fn end(&mut self, run: &mut Run) {
        self.clock.advance(GRACE);
        self.fold(run, 1_000).await;
        for _ in 0..2 {
            self.store(run).await;
            self.close(run);
        }
        self.store(run).await;
        assert_eq!(self.stores.threads.list(&self.tenant, 0).await.unwrap().threads, []);
        assert_eq!(self.damaged(), 0);
    }

    fn damaged(&self) -> u64 {
        self.metrics.damaged_so_far()
    }
}

/// The records of a run that nothing disturbs.
async fn undisturbed() -> BTreeMap<String, String> {
    let mut world = World::new();
    let mut run = world.begin().await;
    for number in 0..story().len() as u64 {
        world.tell(number).await;
        world.fold(&mut run, 500).await;
        world.close(&mut run);
        world.store(&mut run).await;
    }
    world.end(&mut run).await;
    world.written
}

#[tokio::test]
async fn an_undisturbed_run_writes_a_record_of_each_call_and_thread() {
    let names: Vec<String> = undisturbed().await.into_keys().collect();
    let mut expected = [C1, C2, C3].map(|call| format!("call:{call}:detail")).to_vec();
    expected.extend([1, 3].map(|thread| format!("thread:{}", CallUuid(thread))));
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_restart_after_every_input_changes_no_record() {
    let mut world = World::new();
    let mut run = world.begin().await;
    for number in 0..story().len() as u64 {
        world.tell(number).await;
        world.fold(&mut run, 500).await;
        run = world.begin().await;
        world.fold(&mut run, 500).await;
        world.store(&mut run).await;
        run = world.begin().await;
        world.close(&mut run);
        run = world.begin().await;
    }
    world.end(&mut run).await;
    assert_eq!(world.written, undisturbed().await);
}

/// How many random histories are played.
const HISTORIES: u64 = 300;

#[tokio::test]
async fn no_restart_at_whatever_moment_changes_a_record_or_adds_one() {
    let expected = undisturbed().await;
    for seed in 1..=HISTORIES {
        let mut chance = Chance(seed);
        let mut world = World::new();
        let mut run = world.begin().await;
        for number in 0..story().len() as u64 {
            world.tell(number).await;
            for _ in 0..chance.below(4) {
                match chance.below(6) {
                    0 | 1 => world.fold(&mut run, 1 + chance.below(4)).await,
                    2 => world.close(&mut run),
                    3 => world.store(&mut run).await,
                    4 => {
                        world.store_a_part(&run, chance.below(2) == 0).await;
                        run = world.begin().await;
                    }
                    _ => run = world.begin().await,
                }
            }
        }
        world.end(&mut run).await;
        assert_eq!(world.written, expected, "seed {seed}");
    }
}

/// Xorshift: the same seed gives the same history.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        let mut state = self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0 = state;
        usize::try_from(state >> 33).unwrap() % bound
    }
}

#[tokio::test]
async fn a_damaged_thread_costs_that_thread_alone() {
    let mut world = World::new();
    let mut run = world.begin().await;
    for number in 0..8 {
        world.tell(number).await;
    }
    world.fold(&mut run, 500).await;
    world.store(&mut run).await;
    let damaged = vec![(CallUuid(1), Some(Bytes::from_static(b"damaged")))];
    let consumed = Some(Consumed { view: VIEW, position: run.view.position() });
    let batch = ThreadBatch {
        tenant: world.tenant.clone(),
        owner: follower(1),
        token: Token(1),
        threads: damaged,
        consumed,
        number: 0,
    };
    world.stores.threads.commit(batch).await.unwrap();
    let mut run = world.begin().await;
    assert_eq!((world.damaged(), run.view.threads.len()), (1, 1));
    world.store(&mut run).await;
    let left = world.stores.threads.list(&world.tenant, 0).await.unwrap().threads;
    assert_eq!(left.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [CallUuid(3)], "it is removed");
}

#[tokio::test]
async fn a_run_that_was_replaced_stores_nothing_more() {
    let mut world = World::new();
    let mut first = world.begin().await;
    world.tell(0).await;
    world.fold(&mut first, 500).await;
    let second = world.begin().await;
    let keeping = first.ownership.keep(&mut first.view, world.stores.clock.now()).await.unwrap();
    assert_eq!((keeping, second.view.position()), (Keeping::Lost, Position::START));
    assert_eq!(world.stores.threads.list(&world.tenant, 0).await.unwrap().threads, []);
}
