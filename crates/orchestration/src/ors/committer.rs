//! Writes sessions' records, then does what the sessions want: never the other way round.

use std::collections::BTreeMap;
use std::time::Duration;

use infra::{Numbers, SessionBatch, SessionWrite, Written};
use model::TenantId;
use tokio::sync::mpsc;

use super::Shared;
use super::call_session::{Command, Ended};
use super::errands::Errands;
use super::queue_link::Links;
use super::worker::{Step, Work};

/// Steps that are written at once.
const BATCH_MAX: usize = 64;
/// Pause before a batch is tried again while the store is away.
const AGAIN: Duration = Duration::from_millis(250);

pub(super) struct Committer {
    shared: Shared,
    steps: mpsc::Receiver<Step>,
    errands: Errands,
    links: Links,
    numbers: Numbers,
}

impl Committer {
    pub fn new(shared: Shared, steps: mpsc::Receiver<Step>, errands: Errands, links: Links) -> Self {
        Self { shared, steps, errands, links, numbers: Numbers::default() }
    }

    /// Runs until the role has ended.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            let drain = self.shared.ctx.drain.clone();
            tokio::select! {
                // In this order: the last steps of a role that has drained are written.
                biased;
                count = self.steps.recv_many(&mut batch, BATCH_MAX) => if count == 0 { return Ok(()) },
                () = drain.ended() => return Ok(()),
            }
            let mut by_tenant: BTreeMap<TenantId, Vec<Step>> = BTreeMap::new();
            for step in batch.drain(..) {
                by_tenant.entry(step.tenant.clone()).or_default().push(step);
            }
            for (tenant, steps) in by_tenant {
                self.turn(tenant, steps).await;
            }
        }
    }

    async fn turn(&mut self, tenant: TenantId, steps: Vec<Step>) {
        let writes: Vec<SessionWrite> = steps.iter().filter_map(write).collect();
        let mut written = self.commit(&tenant, writes).await.into_iter();
        let unbound: Vec<_> = steps.iter().filter(|s| s.change.is_none()).filter_map(|s| s.began_with).collect();
        if !unbound.is_empty()
            && let Err(error) = self.shared.ctx.stores.new_calls.ack(&tenant, &unbound).await
        {
            tracing::warn!(%tenant, %error, "entries of new calls were not acknowledged; they come again");
        }
        for step in steps {
            let answer = step.change.is_some().then(|| written.next()).flatten();
            match answer {
                None | Some(Written::Done { .. }) => self.perform(step).await,
                Some(Written::Fenced { .. } | Written::Ended | Written::Unknown | Written::Exists { .. }) => {
                    self.lost(step).await;
                }
                Some(Written::Refused(refusal)) => {
                    tracing::error!(%tenant, session = step.session.0, %refusal, "a session's record is not stored");
                    self.lost(step).await;
                }
            }
        }
    }

    /// Writes until the store has answered: nothing may leave before that.
    async fn commit(&mut self, tenant: &TenantId, writes: Vec<SessionWrite>) -> Vec<Written> {
        if writes.is_empty() {
            return Vec::new();
        }
        self.shared.metrics.records_written(writes.len());
        let number = self.numbers.take(writes.len(), self.shared.ctx.clock.now());
        let (tenant, owner) = (tenant.clone(), self.shared.ctx.owner());
        let batch = SessionBatch { tenant, owner, writes, consumed: None, number };
        let mut waits = false;
        loop {
            match self.shared.ctx.stores.sessions.commit(batch.clone()).await {
                Ok(written) => return written,
                Err(error) if error.passes() => {
                    if !std::mem::replace(&mut waits, true) {
                        tracing::warn!(tenant = %batch.tenant, %error, "sessions wait for their store");
                    }
                    tokio::time::sleep(AGAIN).await;
                }
                Err(error) => {
                    tracing::error!(tenant = %batch.tenant, %error, "sessions' records were refused");
                    return Vec::new();
                }
            }
        }
    }

    async fn lost(&self, step: Step) {
        let conn_id = step.caller.call.conn_id;
        tracing::warn!(call = %conn_id, session = step.session.0, "another node runs this session");
        self.shared.workers.try_send(conn_id, Work::Forget(step.tenant, conn_id));
    }

    async fn perform(&mut self, step: Step) {
        for command in step.commands.iter() {
            match command {
                Command::Request { reference, kind } => self.errands.request(&step, *reference, kind.clone()).await,
                Command::DefaultRoute => self.errands.default_route(&step).await,
                Command::Queue(command) => self.links.tell(&step.tenant, command.clone()),
                Command::Log { level, text } => log(&step, *level, text),
                Command::Ended(how) => self.ended(&step, how),
            }
        }
    }

    fn ended(&self, step: &Step, how: &Ended) {
        let (call, application) = (step.caller.call.conn_id, &step.caller.application);
        match how {
            Ended::Through => tracing::info!(%call, application, "application through"),
            Ended::Failed { fault, reason } => {
                self.shared.metrics.session_failed(*fault);
                let fault = fault.as_str();
                tracing::error!(%call, tenant = %step.tenant, application, fault, reason, "application failed");
            }
        }
    }
}

fn write(step: &Step) -> Option<SessionWrite> {
    Some(SessionWrite {
        session: step.session.clone(),
        conn_id: Some(step.caller.call.conn_id),
        token: step.token,
        change: step.change.clone()?,
        due: step.due,
        events: step.facts.clone(),
        began_with: step.began_with,
    })
}

/// An application's own words: 1 and 2 are for its author to see, the rest is for debugging.
fn log(step: &Step, level: Option<f64>, text: &str) {
    let (call, application) = (step.caller.call.conn_id, &step.caller.application);
    match level.unwrap_or(1.0) as u8 {
        0..=1 => tracing::info!(%call, application, text, "application says"),
        2..=3 => tracing::warn!(%call, application, text, "application says"),
        _ => tracing::debug!(%call, application, text, "application says"),
    }
}
