//! One tenant's inputs: new calls, facts, and sessions of failed nodes.

mod takeover;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::v1;
use infra::{Position, Record, SessionId, StoreError, TakenCall};
use model::{ConnId, Dn, TenantId};
use prost::Message as _;

use super::call_session::Caller;
use super::frontend_tasks::FrontendTasks;
use super::worker::{Start, Step, Work};
use super::{Shared, records};

/// Maximum number of new calls read at once.
const TAKE_MAX: usize = 16;
/// Maximum number of facts read at once.
const FACTS_MAX: usize = 256;
/// How long a read waits for the first entry.
const WAIT: Duration = Duration::from_secs(1);
/// Pause after a failed read, so that an unavailable store is not flooded.
const AGAIN: Duration = Duration::from_millis(500);
/// Time after which an entry that a node has held without a session is taken over.
const RECLAIM_IDLE: Duration = Duration::from_secs(5);
/// How often left-over entries and sessions are searched.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Serves a tenant until the role ends.
pub(super) fn start(shared: &Shared, tenant: &TenantId, frontend_tasks: &FrontendTasks) {
    let tenant_loop = Arc::new(TenantLoop {
        shared: shared.clone(),
        tenant: tenant.clone(),
        frontend_tasks: frontend_tasks.clone(),
        rewind: Mutex::default(),
        undecided: Mutex::default(),
        unsure: Mutex::default(),
    });
    let (calls, facts, sweep) = (Arc::clone(&tenant_loop), Arc::clone(&tenant_loop), tenant_loop);
    shared.ctx.spawn("new calls", async move { calls.take_calls().await });
    shared.ctx.spawn("facts for sessions", async move { facts.read_facts().await });
    shared.ctx.spawn("sessions left over", async move { sweep.sweep().await });
}

struct TenantLoop {
    shared: Shared,
    tenant: TenantId,
    frontend_tasks: FrontendTasks,
    /// Position from which the facts are read again, for sessions that were taken over.
    rewind: Mutex<Option<Position>>,
    /// New calls whose sessions could not be looked up; at most as many as the stream contains.
    undecided: Mutex<Vec<TakenCall>>,
    /// Sessions of a claim without an answer: they may be ours. At most one batch of claims.
    unsure: Mutex<BTreeSet<SessionId>>,
}

impl TenantLoop {
    // ---- new calls ----

    async fn take_calls(&self) -> anyhow::Result<()> {
        let ctx = &self.shared.ctx;
        let owner = ctx.owner();
        while !ctx.drain.is_draining() {
            if !self.shared.sessions.has_room_for(&self.tenant) {
                tracing::warn!(tenant = %self.tenant, "no room for another session");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            match ctx.stores.new_calls.take(&self.tenant, &owner, TAKE_MAX, WAIT).await {
                Ok(calls) => self.enter(calls).await,
                Err(error) => self.away(&error, "new calls").await,
            }
        }
        Ok(())
    }

    async fn enter(&self, calls: Vec<TakenCall>) {
        for taken in calls {
            let conn_id = taken.call.conn_id;
            match caller_of(&taken) {
                Ok(caller) => match self.has_session(conn_id, &caller.this_dn).await {
                    // The call came back to its route point: its session learns that from the facts.
                    Ok(true) => self.acknowledge(&taken).await,
                    Ok(false) => self.begin(taken, caller).await,
                    // Unknown: a second application would work against the first.
                    Err(error) => {
                        self.ask_again(taken);
                        self.away(&error, "the sessions of a new call").await;
                    }
                },
                Err(reason) => {
                    // Its owner sends the call to its default if it receives no instruction.
                    tracing::error!(call = %conn_id, reason, "an entry of the new calls cannot be read");
                    self.shared.metrics.record_unreadable();
                    self.acknowledge(&taken).await;
                }
            }
        }
    }

    /// Keeps an entry whose session could not be looked up. The stream gives it to other nodes only after this one has failed.
    fn ask_again(&self, taken: TakenCall) {
        let mut undecided = self.undecided();
        match undecided.len() < infra::bounds::NEW_CALLS_MAX {
            true => undecided.push(taken),
            false => tracing::error!(call = %taken.call.conn_id, "too many new calls wait for their sessions' store"),
        }
    }

    fn undecided(&self) -> std::sync::MutexGuard<'_, Vec<TakenCall>> {
        self.undecided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a session already serves the call on this route point.
    async fn has_session(&self, conn_id: ConnId, this_dn: &Dn) -> infra::Result<bool> {
        let sessions = self.shared.ctx.stores.sessions.of_call(&self.tenant, conn_id).await?;
        Ok(sessions.iter().any(|record| serves(record, this_dn)))
    }

    async fn acknowledge(&self, taken: &TakenCall) {
        if let Err(error) = self.shared.ctx.stores.new_calls.ack(&self.tenant, &[taken.position]).await {
            tracing::warn!(tenant = %self.tenant, %error, "an entry of the new calls was not acknowledged; it comes again");
        }
    }

    async fn begin(&self, taken: TakenCall, caller: Caller) {
        let conn_id = taken.call.conn_id;
        let session = SessionId(format!("{conn_id}-{}", taken.position));
        match self.shared.applications.load(&self.tenant, &caller.application).await {
            Ok(application) => {
                let (tenant, entry) = (self.tenant.clone(), taken.position);
                let start = Start { tenant, session, caller, application, entry };
                self.shared.workers.send(conn_id, Work::Start(Box::new(start))).await;
            }
            Err(error) => {
                self.shared.metrics.load_failed();
                let reason = format!("{:#}", anyhow::Error::new(error));
                let application = &caller.application;
                tracing::error!(call = %conn_id, tenant = %self.tenant, application, reason, "application not loaded");
                super::explain::not_loaded(&self.shared.ctx, &self.tenant, &caller, &reason);
                let through = Step::acknowledgement(&self.tenant, &session, &caller, taken.position);
                self.frontend_tasks.default_route_of(&self.tenant, caller, &session.0, through).await;
            }
        }
    }

    // ---- facts ----

    async fn read_facts(&self) -> anyhow::Result<()> {
        let ctx = &self.shared.ctx;
        let mut position = self.end_of_facts().await;
        loop {
            if let Some(back) = self.rewind().take() {
                position = position.min(back);
            }
            let read = tokio::select! {
                () = ctx.drain.ended() => return Ok(()),
                read = ctx.stores.events.read(&self.tenant, position, FACTS_MAX, WAIT) => read,
            };
            match read {
                Ok(entries) => {
                    for entry in entries {
                        position = entry.position;
                        if let Some(call) = &entry.event.event.call {
                            let conn_id = call.conn_id;
                            self.shared.metrics.fact_taken();
                            self.shared.workers.send(conn_id, Work::Fact(self.tenant.clone(), entry)).await;
                        }
                    }
                }
                Err(StoreError::Trimmed { gone }) => {
                    // Requests whose facts are lost end by the sessions' deadlines.
                    tracing::error!(tenant = %self.tenant, %gone, "facts were trimmed before they were read");
                    position = gone;
                }
                Err(error) => self.away(&error, "facts").await,
            }
        }
    }

    async fn end_of_facts(&self) -> Position {
        loop {
            match self.shared.ctx.stores.events.end(&self.tenant).await {
                Ok(position) => return position,
                Err(error) => self.away(&error, "facts").await,
            }
        }
    }

    fn rewind(&self) -> std::sync::MutexGuard<'_, Option<Position>> {
        self.rewind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- left-over entries and sessions ----

    async fn sweep(&self) -> anyhow::Result<()> {
        let ctx = &self.shared.ctx;
        loop {
            let owner = ctx.owner();
            let undecided = std::mem::take(&mut *self.undecided());
            self.enter(undecided).await;
            match ctx.stores.new_calls.reclaim(&self.tenant, &owner, RECLAIM_IDLE, TAKE_MAX).await {
                Ok(calls) => self.enter(calls).await,
                Err(error) => self.away(&error, "new calls").await,
            }
            if let Err(error) = self.take_over(&owner).await {
                self.away(&error, "sessions").await;
            }
            tokio::select! {
                () = ctx.drain.begun() => return Ok(()),
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
        }
    }

    async fn away(&self, error: &StoreError, what: &'static str) {
        tracing::warn!(tenant = %self.tenant, %error, what, "cannot be read");
        tokio::time::sleep(AGAIN).await;
    }
}

/// Whether a session's application still instructs the call on this route point. A finished one only waits for rq.
fn serves(record: &Record<SessionId>, this_dn: &Dn) -> bool {
    let over = |session: &v1::SessionRecord| session.machine.as_ref().is_some_and(|machine| machine.over);
    records::decode(&record.state).is_ok_and(|session| session.this_dn == this_dn.as_str() && !over(&session))
}

/// The call of an entry of the new calls.
fn caller_of(taken: &TakenCall) -> Result<Caller, String> {
    let record = v1::NewCallRecord::decode(&taken.call.body[..]).map_err(|e| e.to_string())?;
    let call = record.call.ok_or("it names no call")?;
    Ok(Caller {
        call: contracts::wire::call_ref_from_wire(call).map_err(|e| e.to_string())?,
        this_dn: Dn::parse(&record.this_dn).map_err(|e| e.to_string())?,
        application: record.application,
        user_data: contracts::wire::user_data_from_wire(record.user_data).map_err(|e| e.to_string())?,
        owner: record.owner.parse().ok(),
    })
}
