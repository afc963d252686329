//! Stores that refuse: which requests are affected, and how long others wait.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use infra::conformance::SetClock;
use infra::embedded::Embedded;
use infra::{Answer as StoreAnswer, Holder, QueueRecord, bounds};
use model::{AgentId, Epoch, NodeId, TenantId, Token};

use super::*;
use crate::test_stores::set_clock;

/// A ledger that gives this answer to writes of a request with this name, and moves the clock on with each commit.
struct Refusing {
    inner: Arc<Embedded>,
    name: &'static str,
    answer: fn() -> infra::Result<Written>,
    clock: Arc<SetClock>,
    asked: AtomicU64,
    written: Mutex<Vec<QueueBatch>>,
}

impl QueueLedger for Refusing {
    fn commit(&self, batch: QueueBatch) -> StoreAnswer<'_, Written> {
        self.clock.advance(AGAIN);
        self.asked.fetch_add(1, Relaxed);
        if batch.requests.iter().any(|(id, body)| id == self.name && body.is_some()) {
            return Box::pin(async { (self.answer)() });
        }
        self.written.lock().unwrap().push(batch.clone());
        QueueLedger::commit(&*self.inner, batch)
    }
    fn claim<'a>(
        &'a self,
        by: &'a Owner,
        tenant: &'a TenantId,
        seen: Option<Token>,
    ) -> StoreAnswer<'a, std::result::Result<QueueRecord, Holder>> {
        QueueLedger::claim(&*self.inner, by, tenant, seen)
    }
    fn holder<'a>(&'a self, tenant: &'a TenantId) -> StoreAnswer<'a, Option<Holder>> {
        QueueLedger::holder(&*self.inner, tenant)
    }
    fn requests<'a>(&'a self, tenant: &'a TenantId) -> StoreAnswer<'a, Vec<(String, Bytes)>> {
        QueueLedger::requests(&*self.inner, tenant)
    }
    fn load<'a>(&'a self, tenant: &'a TenantId) -> StoreAnswer<'a, Option<QueueRecord>> {
        QueueLedger::load(&*self.inner, tenant)
    }
}

async fn refusing(answer: fn() -> infra::Result<Written>) -> (Arc<Refusing>, Writes) {
    let clock = set_clock();
    let inner = Arc::new(Embedded::in_memory(clock.clone()));
    QueueLedger::claim(&*inner, &owner(), &tenant(), None).await.unwrap().unwrap();
    let (clock_of_ledger, asked, written) = (clock.clone(), AtomicU64::default(), Mutex::default());
    let ledger = Arc::new(Refusing { inner, name: "bad", answer, clock: clock_of_ledger, asked, written });
    (ledger.clone(), Writes::new(ledger, clock))
}

fn owner() -> Owner {
    Owner { node: NodeId::parse("rq-1").unwrap(), epoch: Epoch(1) }
}

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn turn(rows: &[(&str, &'static [u8])]) -> QueueBatch {
    QueueBatch {
        tenant: tenant(),
        owner: owner(),
        token: Token(1),
        requests: rows.iter().map(|(id, body)| ((*id).to_owned(), Some(Bytes::from_static(body)))).collect(),
        reservations: vec![(AgentId::parse("a-7101").unwrap(), Some(Bytes::from_static(b"free")))],
        state: None,
        events: Vec::new(),
        consumed: None,
        number: 0,
    }
}

async fn stored(ledger: &Refusing) -> Vec<String> {
    let record = QueueLedger::load(&*ledger.inner, &tenant()).await.unwrap().unwrap();
    record.requests.into_iter().map(|(id, _)| id).collect()
}

fn refused(wrote: &Wrote) -> Vec<&str> {
    let Wrote::Done(refused) = wrote else { panic!("{wrote:?}") };
    refused.requests.iter().map(|one| one.id.0.as_str()).collect()
}

/// The agents whose rows are to be written again.
fn unwritten(wrote: &Wrote) -> Vec<&str> {
    let Wrote::Done(refused) = wrote else { panic!("{wrote:?}") };
    refused.agents.iter().map(AgentId::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_store_never_takes_is_named_and_its_neighbours_are_written() {
    let never: [fn() -> infra::Result<Written>; 3] = [
        || Ok(Written::Refused(Refusal::Invalid("damaged".to_owned()))),
        || Ok(Written::Refused(Refusal::TooLarge { what: "a row", bytes: 2, bound: 1 })),
        || Err(StoreError::Invalid("never".to_owned())),
    ];
    for answer in never {
        let (ledger, mut writes) = refusing(answer).await;
        let wrote = writes.write(turn(&[("one", b"x"), ("bad", b"x"), ("two", b"x")])).await.unwrap();
        assert_eq!((refused(&wrote), unwritten(&wrote)), (vec!["bad"], vec![]));
        assert_eq!(stored(&ledger).await, ["one", "two"]);
        let reserved = QueueLedger::load(&*ledger, &tenant()).await.unwrap().unwrap().reservations;
        assert_eq!(reserved.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_too_large_costs_its_request_alone() {
    let (ledger, mut writes) = refusing(|| Ok(Written::Unknown)).await;
    let mut batch = turn(&[("one", b"x"), ("two", b"x")]);
    batch.requests[0].1 = Some(vec![0; bounds::STATE_MAX + 1].into());
    assert_eq!(refused(&writes.write(batch).await.unwrap()), ["one"]);
    assert_eq!(stored(&ledger).await, ["two"]);
}

/// Bytes of the rows of a batch.
fn row_bytes(batch: &QueueBatch) -> usize {
    let rows = batch.requests.iter().map(|(_, body)| body).chain(batch.reservations.iter().map(|(_, body)| body));
    rows.flatten().map(Bytes::len).sum()
}

#[tokio::test(start_paused = true)]
async fn a_turn_of_very_many_agents_is_written_in_parts_and_its_position_with_the_last() {
    let (ledger, mut writes) = refusing(|| Ok(Written::Unknown)).await;
    let agent = |number| (AgentId::parse(&format!("a-{number}")).unwrap(), Some(Bytes::from_static(&[7; 1_000])));
    let consumed = Some(infra::Consumed { view: "rq", position: infra::Position { major: 0, minor: 7 } });
    let many = QueueBatch {
        reservations: (0..10_000).map(agent).collect(),
        consumed: consumed.clone(),
        number: 7,
        ..turn(&[("one", b"x")])
    };
    assert_eq!(writes.write(many).await.unwrap(), Wrote::Done(RefusedRows::default()));
    let written = std::mem::take(&mut *ledger.written.lock().unwrap());
    let (last, ahead) = written.split_last().unwrap();
    assert!(ahead.len() > 5 && ahead.iter().all(|part| row_bytes(part) <= bounds::QUEUE_PART_BYTES));
    assert!(ahead.iter().all(|part| part.consumed.is_none() && part.requests.is_empty()));
    assert_eq!((&last.consumed, last.requests.len()), (&consumed, 1));
    let record = QueueLedger::load(&*ledger, &tenant()).await.unwrap().unwrap();
    assert_eq!((record.reservations.len(), record.requests.len(), record.consumed.minor), (10_000, 1, 7));
}

#[tokio::test(start_paused = true)]
async fn of_a_turn_in_parts_a_refused_row_costs_its_own_request_alone() {
    let (ledger, mut writes) = refusing(|| Ok(Written::Refused(Refusal::Invalid("damaged".to_owned())))).await;
    let mut large = turn(&[("bad", b"x")]);
    large.requests.extend((0..100).map(|number| (format!("r-{number:03}"), Some(Bytes::from_static(&[7; 50_000])))));
    let wrote = writes.write(large).await.unwrap();
    assert_eq!((refused(&wrote), unwritten(&wrote)), (vec!["bad"], vec![]));
    assert_eq!(stored(&ledger).await.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_store_without_room_is_waited_for_once_and_then_what_needs_room_is_refused() {
    let full = || Ok(Written::Refused(Refusal::NoRoom { what: "the event stream", bound: 1 }));
    let (ledger, mut writes) = refusing(full).await;
    let mut first = turn(&[("bad", b"x")]);
    first.reservations.push((AgentId::parse("a-7102").unwrap(), None));
    let wrote = writes.write(first).await.unwrap();
    assert_eq!((refused(&wrote), unwritten(&wrote)), (vec!["bad"], vec!["a-7101"]));
    let waited = ledger.asked.load(Relaxed);
    assert!((10..100).contains(&waited), "it has been asked for a while: {waited}");
    writes.write(turn(&[("bad", b"x")])).await.unwrap();
    assert_eq!(ledger.asked.load(Relaxed), waited + 2, "once as a whole, and once without the rows");
    writes.write(turn(&[("one", b"x")])).await.unwrap();
    writes.write(turn(&[("bad", b"x")])).await.unwrap();
    assert!(ledger.asked.load(Relaxed) > waited + 10, "there was room meanwhile, so it is waited for again");
}

#[tokio::test(start_paused = true)]
async fn full_queues_refuse_what_they_have_no_room_for_at_once() {
    let (ledger, mut writes) = refusing(|| Ok(Written::Refused(Refusal::NoRoom { what: QUEUES, bound: 1 }))).await;
    let wrote = writes.write(turn(&[("bad", b"x"), ("one", b"x")])).await.unwrap();
    assert_eq!(refused(&wrote), ["bad"]);
    assert_eq!(stored(&ledger).await, ["one"]);
    assert!(ledger.asked.load(Relaxed) < 10, "nobody waits");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_waited_for_and_queues_of_another_are_lost() {
    let (ledger, mut writes) = refusing(|| Err(StoreError::Unavailable { reason: "away".to_owned() })).await;
    let waits = tokio::time::timeout(Duration::from_secs(60), writes.write(turn(&[("bad", b"x")])));
    assert!(waits.await.is_err());
    assert!(ledger.asked.load(Relaxed) > 100);
    let other = Owner { node: NodeId::parse("rq-2").unwrap(), epoch: Epoch(1) };
    QueueLedger::claim(&*ledger.inner, &other, &tenant(), None).await.unwrap().unwrap();
    assert_eq!(writes.write(turn(&[("one", b"x")])).await.unwrap(), Wrote::Lost(other));
}
