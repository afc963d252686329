//! What happens at signing in, noted in the database (own-08). Requests hand it over and do not wait: a task beside them writes it. What
//! cannot be handed over or written is counted and refuses nobody.

mod repeats;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use contracts::sign_in_audit::SignInRecord;
use infra::StoreError;
use model::{TenantId, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use self::repeats::Repeats;
use super::Auth;
use super::source::RequestSource;

/// The most records that wait to be written: some minutes of a large installation.
const QUEUE_MAX: usize = 4_096;
/// The most records that are written at once.
const BATCH_MAX: usize = 256;
/// How often it is looked whether repeated records are due.
const LOOKED_EACH: Duration = Duration::from_secs(1);
/// Pause before what could not be written is tried again.
const RETRIED_EACH: Duration = Duration::from_secs(1);
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
    /// The name that was typed, where nobody has looked yet whether a person has it. It is noted only if one does.
    typed: Option<String>,
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
    /// When it was last logged that something was lost, in seconds.
    said_at_s: AtomicU64,
}

/// The other end of the queue.
pub(super) struct AuditTasks(mpsc::Receiver<AuditTask>);

/// A queue and its other end.
pub(super) fn queue() -> (AuditQueue, AuditTasks) {
    let (tasks, taken) = mpsc::channel(QUEUE_MAX);
    (AuditQueue { tasks, said_at_s: AtomicU64::new(0) }, AuditTasks(taken))
}

impl Auth {
    /// Notes what has happened at a request about that tenant. What is of no tenant is not noted.
    pub(super) fn note(&self, tenant: &TenantId, source: &RequestSource, record: SignInRecord) {
        self.notice(tenant, source, record, None);
    }

    /// The same, about the person who has that name, if there is one.
    pub(super) fn note_typed(&self, tenant: &TenantId, source: &RequestSource, record: SignInRecord, name: &str) {
        self.notice(tenant, source, record, Some(name.to_owned()));
    }

    /// Notes what has happened to the installation.
    pub(super) fn note_of_installation(&self, record: SignInRecord) {
        let record = SignInRecord { at: self.now(), ..record };
        self.hand_over(Noticed { tenant: self.guesses.nowhere().clone(), record, typed: None });
    }

    fn notice(&self, tenant: &TenantId, source: &RequestSource, record: SignInRecord, typed: Option<String>) {
        if tenant == self.guesses.nowhere() {
            return;
        }
        let (at, source, user_agent) = (self.now(), source.address.clone(), source.user_agent.clone());
        let record = SignInRecord { at, source, user_agent, ..record };
        self.hand_over(Noticed { tenant: tenant.clone(), record, typed });
    }

    fn hand_over(&self, noticed: Noticed) {
        if self.audit.tasks.try_send(AuditTask::Write(noticed)).is_ok() {
            return;
        }
        self.metrics.audit_unwritten.inc();
        let (now_s, said_at_s) = (self.now().as_secs(), self.audit.said_at_s.load(Ordering::Relaxed));
        if now_s.saturating_sub(said_at_s) >= SAID_EACH_S {
            self.audit.said_at_s.store(now_s, Ordering::Relaxed);
            tracing::warn!("what happens at signing in is not noted: {QUEUE_MAX} records wait to be written");
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
    async fn carry_out_all(mut self, AuditTasks(mut tasks): AuditTasks) {
        loop {
            let mut taken = Vec::with_capacity(BATCH_MAX);
            // With an empty batch it is looked what is due. The queue does not close before this ends.
            let _ = tokio::time::timeout(LOOKED_EACH, tasks.recv_many(&mut taken, BATCH_MAX)).await;
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
        let records = self.named(noticed).await;
        let store = self.auth.ctx.stores.sign_in_audit.clone();
        while let Err(error) = store.note(&records).await {
            self.say(&error, "what happens at signing in cannot be noted now");
            if matches!(error, StoreError::Invalid(_) | StoreError::Corrupt { .. }) {
                let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
                self.auth.metrics.audit_unwritten.inc_by(count);
                return;
            }
            tokio::time::sleep(RETRIED_EACH).await;
        }
    }

    /// The records; those with a name that was typed are about the person who has it. The name of nobody may be a password in the wrong
    /// field.
    async fn named(&self, noticed: Vec<Noticed>) -> Vec<(TenantId, SignInRecord)> {
        let (mut records, mut is_answered) = (Vec::with_capacity(noticed.len()), true);
        for Noticed { tenant, mut record, typed } in noticed {
            // Where tenant does not answer, the others are not kept waiting for each name.
            if let Some(name) = typed.filter(|_| is_answered) {
                let found = self.auth.people.person(&tenant, &name).await;
                is_answered = found.is_ok();
                if let Ok(Some(person)) = found {
                    record = record.about_person(&person.user_name);
                }
            }
            records.push((tenant, record));
        }
        records
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
