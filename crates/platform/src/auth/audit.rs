//! What happens at signing in, noted in the database (own-08). Requests hand it over and do not wait: a task beside them writes it. What
//! cannot be handed over or written is counted and refuses nobody.

mod repeats;

use std::collections::HashMap;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use contracts::sign_in_audit::SignInRecord;
use infra::{SignInAudit, StoreError};
use model::{TenantId, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use self::repeats::Repeats;
use super::Auth;
use super::request::source::RequestSource;

/// The most records that wait to be written: some minutes of a large installation.
const QUEUE_MAX: usize = 4_096;
/// Those of one tenant, so that strangers at its door keep no other tenant's from being noted.
const QUEUE_OF_TENANT_MAX: usize = QUEUE_MAX / 2;
/// The most records that are written at once.
const BATCH_MAX: usize = 256;
/// How often it is looked whether repeated records are due.
const LOOKED_EACH: Duration = Duration::from_secs(1);
/// Pause before what could not be written is tried again; as much longer with each try, up to the longest.
const RETRIED_EACH: Duration = Duration::from_secs(1);
/// The longest of these pauses.
const RETRIED_EACH_MAX: Duration = Duration::from_secs(5);
/// Tries after which the records of a batch are written one by one: the database may refuse one of them alone.
const TRIES_AT_ONCE: u32 = 20;
/// How often what is too old is removed: often enough that the connection to the database stays.
const FORGOTTEN_EACH: Duration = Duration::from_secs(30);
/// The most records that are removed at once.
const FORGOTTEN_MAX: u32 = 5_000;
/// How often losses and failures are logged.
const SAID_EACH_S: u64 = 60;
/// A day.
const DAY: Duration = Duration::from_secs(86_400);

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Noticed {
    tenant: TenantId,
    record: SignInRecord,
}

/// What the writer gets.
#[allow(clippy::large_enum_variant, reason = "the other one comes once, at the end")]
enum AuditTask {
    Write(Noticed),
    /// All before it is to be written now, and then this told.
    Flush(oneshot::Sender<()>),
}

/// Takes what is to be noted.
pub(super) struct AuditQueue {
    tasks: mpsc::Sender<AuditTask>,
    waiting: WaitingRecords,
    /// When it was last logged that something was lost, in seconds.
    said_at_s: AtomicU64,
}

/// The other end of the queue.
pub(super) struct AuditTasks {
    tasks: mpsc::Receiver<AuditTask>,
    waiting: WaitingRecords,
}

/// How many records of each tenant wait. A clone is the same count.
#[derive(Clone, Default)]
struct WaitingRecords(Arc<Mutex<HashMap<TenantId, usize>>>);

/// A queue and its other end.
pub(super) fn queue() -> (AuditQueue, AuditTasks) {
    let (tasks, taken) = mpsc::channel(QUEUE_MAX);
    let waiting = WaitingRecords::default();
    let queue = AuditQueue { tasks, waiting: waiting.clone(), said_at_s: AtomicU64::new(0) };
    (queue, AuditTasks { tasks: taken, waiting })
}

impl WaitingRecords {
    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditQueue {
    /// Takes a record; false if too many wait.
    fn takes(&self, noticed: Noticed) -> bool {
        let tenant = noticed.tenant.clone();
        let mut waiting = self.waiting.lock();
        let of_tenant = waiting.get(&tenant).copied().unwrap_or(0);
        // The count is held meanwhile: it is not taken out before it is counted.
        let is_taken = of_tenant < QUEUE_OF_TENANT_MAX && self.tasks.try_send(AuditTask::Write(noticed)).is_ok();
        if is_taken {
            waiting.insert(tenant, of_tenant + 1);
        }
        is_taken
    }
}

impl AuditTasks {
    /// The next ones; none if nothing has come for a moment.
    async fn next(&mut self) -> Vec<AuditTask> {
        let mut taken = Vec::with_capacity(BATCH_MAX);
        // The queue does not close before this ends.
        let _ = tokio::time::timeout(LOOKED_EACH, self.tasks.recv_many(&mut taken, BATCH_MAX)).await;
        let mut waiting = self.waiting.lock();
        for task in &taken {
            if let AuditTask::Write(noticed) = task
                && let Some(count) = waiting.get_mut(&noticed.tenant)
            {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    waiting.remove(&noticed.tenant);
                }
            }
        }
        drop(waiting);
        taken
    }
}

impl Auth {
    /// Notes what has happened at a request about that tenant; what is of no tenant is of the installation.
    pub(super) fn note(&self, tenant: &TenantId, source: &RequestSource, record: SignInRecord) {
        self.note_at(tenant, source, self.now(), record);
    }

    /// Notes what has happened then.
    pub(super) fn note_at(&self, tenant: &TenantId, source: &RequestSource, at: Timestamp, record: SignInRecord) {
        let (source, user_agent) = (source.address.clone(), source.user_agent.clone());
        let record = SignInRecord { at, source, user_agent, ..record };
        self.hand_over(Noticed { tenant: tenant.clone(), record });
    }

    /// Notes what has happened in a tenant by itself: no request has brought it.
    pub(super) fn note_of_tenant(&self, tenant: &TenantId, record: SignInRecord) {
        let record = SignInRecord { at: self.now(), ..record };
        self.hand_over(Noticed { tenant: tenant.clone(), record });
    }

    /// Notes what has happened to the installation.
    pub(super) fn note_of_installation(&self, record: SignInRecord) {
        let record = SignInRecord { at: self.now(), ..record };
        self.hand_over(Noticed { tenant: self.guesses.nowhere().clone(), record });
    }

    fn hand_over(&self, noticed: Noticed) {
        if self.audit.takes(noticed) {
            return;
        }
        self.metrics.audit_unwritten.inc();
        let (now_s, said_at_s) = (self.now().as_secs(), self.audit.said_at_s.load(Ordering::Relaxed));
        if now_s.saturating_sub(said_at_s) >= SAID_EACH_S {
            self.audit.said_at_s.store(now_s, Ordering::Relaxed);
            tracing::warn!("what happens at signing in is not noted: too many records wait to be written");
        }
    }

    /// Waits until all that was noted is written; whether it is.
    pub(super) async fn is_audit_written(&self, within: Duration) -> bool {
        let (told, is_told) = oneshot::channel();
        let flushed = async { self.audit.tasks.send(AuditTask::Flush(told)).await.is_ok() && is_told.await.is_ok() };
        tokio::time::timeout(within, flushed).await.unwrap_or(false)
    }
}

/// Writes what is noted.
struct AuditWriter {
    auth: Arc<Auth>,
    repeats: Repeats,
    /// When what is too old is removed next.
    forget_at: Instant,
    /// When a failure was last logged.
    said_at: Option<Instant>,
}

/// Writes what is noted until the role ends.
pub(super) async fn run(auth: Arc<Auth>, tasks: AuditTasks) -> Result<()> {
    let drain = auth.ctx.drain.clone();
    let writer = AuditWriter { auth, repeats: Repeats::default(), forget_at: Instant::now(), said_at: None };
    tokio::select! {
        () = drain.ended() => {}
        () = writer.carry_out_all(tasks) => {}
    }
    Ok(())
}

impl AuditWriter {
    async fn carry_out_all(mut self, mut tasks: AuditTasks) {
        loop {
            // With none it is looked what is due.
            let taken = tasks.next().await;
            self.carry_out(taken).await;
        }
    }

    async fn carry_out(&mut self, tasks: Vec<AuditTask>) {
        let now = self.auth.now();
        let (mut due, mut told) = (Vec::with_capacity(tasks.len()), Vec::new());
        for task in tasks {
            match task {
                AuditTask::Write(noticed) => due.extend(self.repeats.take(noticed, now)),
                AuditTask::Flush(flushed) => told.push(flushed),
            }
        }
        due.extend(if told.is_empty() { self.repeats.due(now) } else { self.repeats.all() });
        if !due.is_empty() {
            self.write(due).await;
        }
        for flushed in told {
            // Who has asked may have given up.
            let _ = flushed.send(());
        }
        if Instant::now() >= self.forget_at {
            self.forget(now).await;
        }
    }

    /// Writes records, and tries again while the database does not answer.
    async fn write(&mut self, noticed: Vec<Noticed>) {
        let records: Vec<_> = noticed.into_iter().map(|Noticed { tenant, record }| (tenant, record)).collect();
        let (store, metrics) = (self.auth.ctx.stores.sign_in_audit.clone(), self.auth.metrics.clone());
        let mut tries = 0;
        while let Err(error) = store.note(&records).await {
            self.say(&error, UNWRITTEN);
            tries += 1;
            if is_refused(&error) || tries >= TRIES_AT_ONCE {
                let refused = write_each(&*store, &records, |error| self.say(error, UNWRITTEN)).await;
                metrics.audit_unwritten.inc_by(refused);
                return;
            }
            pause(tries).await;
        }
    }

    /// Removes what is too old.
    async fn forget(&mut self, now: Timestamp) {
        let kept = DAY * self.auth.settings.audit_days;
        let forgotten = self.auth.ctx.stores.sign_in_audit.forget_before(now - kept, FORGOTTEN_MAX).await;
        // As many as may be: there are more.
        let is_done = !forgotten.as_ref().is_ok_and(|count| *count >= u64::from(FORGOTTEN_MAX));
        self.forget_at = Instant::now() + if is_done { FORGOTTEN_EACH } else { LOOKED_EACH };
        if let Err(error) = forgotten {
            self.say(&error, "what was noted of signing in too long ago cannot be removed now");
        }
    }

    fn say(&mut self, error: &StoreError, what: &str) {
        let is_time = self.said_at.is_none_or(|at| at.elapsed() >= Duration::from_secs(SAID_EACH_S));
        if is_time {
            self.said_at = Some(Instant::now());
            tracing::warn!(%error, "{what}");
        }
    }
}

const UNWRITTEN: &str = "what happens at signing in cannot be noted now";

/// Whether the database will never take it.
const fn is_refused(error: &StoreError) -> bool {
    matches!(error, StoreError::Invalid(_) | StoreError::Corrupt { .. } | StoreError::NulInText)
}

/// Writes records one by one, and leaves out what the database refuses while it does other things: nothing after it would be noted. Says
/// how many it has left out.
async fn write_each(
    store: &dyn SignInAudit,
    records: &[(TenantId, SignInRecord)],
    mut say: impl FnMut(&StoreError) + Send,
) -> u64 {
    let mut refused = 0;
    for record in records {
        let (mut tries, mut has_answered) = (0, false);
        while let Err(error) = store.note(slice::from_ref(record)).await {
            say(&error);
            if is_refused(&error) || has_answered {
                refused += 1;
                break;
            }
            // Nothing is as old as that: it is asked whether it answers at all.
            has_answered = store.forget_before(Timestamp::ZERO, 1).await.is_ok();
            if !has_answered {
                tries += 1;
                pause(tries).await;
            }
        }
    }
    refused
}

async fn pause(tries: u32) {
    tokio::time::sleep(RETRIED_EACH.saturating_mul(tries).min(RETRIED_EACH_MAX)).await;
}

#[cfg(test)]
mod tests {
    use contracts::sign_in_audit::SignInEvent;
    use infra::{Answer, AuditPage, AuditPart};

    use super::*;

    /// A database that does not answer at first, and then takes all but what is about that subject.
    struct Choosy {
        silent_for: Mutex<u32>,
        refused: &'static str,
        written: Mutex<Vec<String>>,
    }

    impl Choosy {
        fn answers(&self) -> infra::Result<()> {
            let mut silent_for = self.silent_for.lock().unwrap();
            if *silent_for > 0 {
                *silent_for -= 1;
                return Err(away());
            }
            Ok(())
        }
    }

    fn away() -> StoreError {
        StoreError::Unavailable { reason: "an error of the database that nobody knows".to_owned() }
    }

    impl SignInAudit for Choosy {
        fn note<'a>(&'a self, records: &'a [(TenantId, SignInRecord)]) -> Answer<'a, ()> {
            Box::pin(async move {
                self.answers()?;
                let subjects: Vec<String> = records.iter().filter_map(|(_, record)| record.subject.clone()).collect();
                if subjects.iter().any(|subject| subject == self.refused) {
                    return Err(away());
                }
                self.written.lock().unwrap().extend(subjects);
                Ok(())
            })
        }

        fn noted<'a>(&'a self, _: &'a TenantId, _: &'a AuditPage) -> Answer<'a, AuditPart> {
            Box::pin(async { Err(away()) })
        }

        fn forget_before(&self, _: Timestamp, _: u32) -> Answer<'_, u64> {
            Box::pin(async move { self.answers().map(|()| 0) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_database_refuses_holds_up_nothing_and_while_it_is_away_nothing_is_lost() {
        let store = Choosy { silent_for: Mutex::new(7), refused: "person/bob", written: Mutex::default() };
        let record =
            |user: &str| (TenantId::parse("acme").unwrap(), SignInRecord::of(SignInEvent::SignedIn).about_person(user));
        let mut said = 0;
        let refused = write_each(&store, &["ann", "bob", "cid"].map(record), |_| said += 1).await;
        assert_eq!(
            (refused, store.written.into_inner().unwrap()),
            (1, vec!["person/ann".to_owned(), "person/cid".to_owned()])
        );
        assert!(said > 1);
    }

    #[tokio::test]
    async fn no_tenant_takes_more_than_half_of_the_queue() {
        let (queue, mut tasks) = queue();
        let noticed = |tenant: &str| Noticed {
            tenant: TenantId::parse(tenant).unwrap(),
            record: SignInRecord::of(SignInEvent::Refused),
        };
        for _ in 0..QUEUE_OF_TENANT_MAX {
            assert!(queue.takes(noticed("acme")));
        }
        assert!(!queue.takes(noticed("acme")));
        assert!(queue.takes(noticed("globex")));
        assert_eq!(tasks.next().await.len(), BATCH_MAX);
        assert!(queue.takes(noticed("acme")), "there is room again");
        while !tasks.waiting.lock().is_empty() {
            tasks.next().await;
        }
        assert!(tasks.tasks.is_empty());
    }
}
