//! Stores that refuse: which writes fail, and how long the others wait.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use infra::conformance::SetClock;
use infra::embedded::Embedded;
use infra::{Answer as StoreAnswer, Change, Claim, Claimed, Holding, Loaded, Position, Record};
use model::{ConnId, Epoch, NodeId, Token};

use super::*;

/// A ledger's answer for a session.
enum Said {
    /// An error for every batch that contains it.
    Error(StoreError),
    /// Its write alone is refused.
    Refused(Refusal),
    /// No fault: it is written.
    Nothing,
}

/// A ledger that gives this answer for one session, on each request.
struct Refusing {
    inner: Arc<Embedded>,
    session: &'static str,
    says: fn(u64) -> Said,
    /// Each commit moves it on.
    clock: Arc<SetClock>,
    asked: AtomicU64,
}

impl SessionLedger for Refusing {
    fn commit(&self, batch: SessionBatch) -> StoreAnswer<'_, Vec<Written>> {
        self.clock.advance(AGAIN);
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let refusal = match batch.writes.iter().any(|write| write.session.0 == self.session).then(|| (self.says)(asked))
        {
            Some(Said::Error(error)) => return Box::pin(async { Err(error) }),
            Some(Said::Refused(refusal)) => refusal,
            Some(Said::Nothing) | None => return SessionLedger::commit(&*self.inner, batch),
        };
        Box::pin(async move {
            let mut answers = Vec::new();
            for write in &batch.writes {
                let alone = SessionBatch { writes: vec![write.clone()], ..batch.clone() };
                answers.extend(match write.session.0 == self.session {
                    true => vec![Written::Refused(refusal.clone())],
                    false => SessionLedger::commit(&*self.inner, alone).await?,
                });
            }
            Ok(answers)
        })
    }
    fn claim<'a>(&'a self, by: &'a Owner, claims: Vec<Claim<SessionId>>) -> StoreAnswer<'a, Vec<Claimed<SessionId>>> {
        SessionLedger::claim(&*self.inner, by, claims)
    }
    fn load<'a>(&'a self, tenant: &'a TenantId, session: &'a SessionId) -> StoreAnswer<'a, Loaded<SessionId>> {
        SessionLedger::load(&*self.inner, tenant, session)
    }
    fn of_call<'a>(&'a self, tenant: &'a TenantId, conn_id: ConnId) -> StoreAnswer<'a, Vec<Record<SessionId>>> {
        SessionLedger::of_call(&*self.inner, tenant, conn_id)
    }
    fn orphans<'a>(
        &'a self,
        tenant: &'a TenantId,
        of: &'a Owner,
        max: usize,
    ) -> StoreAnswer<'a, Vec<Record<SessionId>>> {
        SessionLedger::orphans(&*self.inner, tenant, of, max)
    }
    fn owners<'a>(&'a self, tenant: &'a TenantId) -> StoreAnswer<'a, Vec<Holding>> {
        SessionLedger::owners(&*self.inner, tenant)
    }
    fn consumed<'a>(&'a self, tenant: &'a TenantId, view: &'static str) -> StoreAnswer<'a, Position> {
        SessionLedger::consumed(&*self.inner, tenant, view)
    }
}

fn refusing(says: fn(u64) -> Said) -> (Arc<Refusing>, Writes) {
    let clock = SetClock::at(Timestamp::from_millis(1_000_000));
    let inner = Arc::new(Embedded::in_memory(clock.clone()));
    let asked = AtomicU64::default();
    let ledger = Arc::new(Refusing { inner, session: "bad", says, clock: clock.clone(), asked });
    let owner = Owner { node: NodeId::parse("ors-1").unwrap(), epoch: Epoch(1) };
    let writes = Writes::new(ledger.clone(), clock, TenantId::parse("acme").unwrap(), owner);
    (ledger, writes)
}

fn write(session: &str, change: fn(Bytes) -> Change) -> SessionWrite {
    SessionWrite {
        session: SessionId(session.to_owned()),
        conn_id: Some(ConnId(7)),
        token: Token(1),
        change: change(Bytes::from_static(b"state")),
        due: None,
        events: Vec::new(),
        began_with: None,
    }
}

fn create(state: Bytes) -> Change {
    Change::Create { state, intentions: Bytes::new() }
}

fn save(state: Bytes) -> Change {
    Change::Save { state, intentions: Bytes::new() }
}

fn full(_: u64) -> Said {
    Said::Error(StoreError::Full { what: "a record's state", bound: 1 })
}

fn no_room() -> Said {
    Said::Refused(Refusal::NoRoom { what: "the event stream", bound: 1 })
}

fn no_room_at_first(asked: u64) -> Said {
    if asked < 5 { no_room() } else { Said::Nothing }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_never_taken_costs_itself_and_not_its_batch() {
    let (_, mut writes) = refusing(|_| Said::Error(StoreError::Invalid("never".to_owned())));
    let batch = vec![write("one", create), write("bad", create), write("bad", save), write("two", create)];
    let answers = writes.write(batch).await;
    assert!(
        matches!(&answers[..], [Answer::Done, Answer::Refused(_), Answer::Refused(_), Answer::Done]),
        "{answers:?}"
    );
    assert_eq!(writes.write(vec![write("one", save)]).await, [Answer::Done]);
}

#[tokio::test(start_paused = true)]
async fn a_store_without_room_is_waited_for_once_and_not_for_ever() {
    let (ledger, mut writes) = refusing(full);
    let answers = writes.write(vec![write("one", create), write("bad", create)]).await;
    assert!(matches!(&answers[..], [Answer::Done, Answer::Refused(_)]), "{answers:?}");
    let waited = ledger.asked.load(Ordering::Relaxed);
    assert!(waited > 10, "it has been asked for a while: {waited}");
    // "one" was written meanwhile, so there is room again for all sessions.
    assert_eq!(writes.write(vec![write("two", create)]).await, [Answer::Done]);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_again_for_a_store_that_has_had_no_room_for_long() {
    let (ledger, mut writes) = refusing(full);
    assert!(matches!(&writes.write(vec![write("bad", create)]).await[..], [Answer::Refused(_)]));
    let before = ledger.asked.load(Ordering::Relaxed);
    assert!(matches!(&writes.write(vec![write("bad", create)]).await[..], [Answer::Refused(_)]));
    assert_eq!(ledger.asked.load(Ordering::Relaxed), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_step_behind_a_refused_one_of_its_session_is_not_written() {
    let (ledger, mut writes) = refusing(|_| Said::Nothing);
    let too_large = |_| save(vec![0; infra::bounds::STATE_MAX + 1].into());
    let batch = vec![
        write("one", create),
        write("two", create),
        write("one", too_large),
        write("two", save),
        write("one", |_| save(Bytes::from_static(b"built on what was refused"))),
    ];
    let answers = writes.write(batch).await;
    assert!(
        matches!(&answers[..], [Answer::Done, Answer::Done, Answer::Refused(_), Answer::Done, Answer::Refused(_)]),
        "{answers:?}"
    );
    let (acme, one) = (TenantId::parse("acme").unwrap(), SessionId("one".to_owned()));
    let Loaded::Live(record) = SessionLedger::load(&*ledger.inner, &acme, &one).await.unwrap() else {
        panic!("it lives")
    };
    assert_eq!(record.state, "state", "a successor goes on from what was done");
}

#[tokio::test(start_paused = true)]
async fn a_session_for_which_there_is_no_room_at_first_is_written_when_there_is() {
    let (_, mut writes) = refusing(no_room_at_first);
    let answers = writes.write(vec![write("one", create), write("bad", create)]).await;
    assert_eq!(answers, [Answer::Done, Answer::Done]);
}

#[tokio::test(start_paused = true)]
async fn a_session_for_which_there_is_no_room_for_long_is_refused_and_no_other() {
    let (ledger, mut writes) = refusing(|_| no_room());
    let answers = writes.write(vec![write("one", create), write("bad", create)]).await;
    assert!(matches!(&answers[..], [Answer::Done, Answer::Refused(_)]), "{answers:?}");
    let waited = ledger.asked.load(Ordering::Relaxed);
    assert!((10..100).contains(&waited), "it has been asked for a while: {waited}");
    assert!(matches!(&writes.write(vec![write("bad", create)]).await[..], [Answer::Refused(_)]));
    assert_eq!(ledger.asked.load(Ordering::Relaxed), waited + 1, "and not for each session again");
}
