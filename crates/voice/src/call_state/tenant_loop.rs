//! One task per tenant folds its events, stores the open threads, writes the records of closed ones, and runs the auditor.
//!
//! A thread is stored until its record is safe: whoever continues from the stored state, at whatever moment, writes the same records with
//! the same identities.

use std::time::Duration;

use anyhow::Result;
use infra::{EventEntry, Position, Posted, Recipient, Repair, StoreError};
use model::{Subject, TenantId, Timestamp};
use runtime::{RoleContext, fault};
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::audit::{Auditor, Finding, RepairTarget};
use super::job::{JOB_EVERY, Job};
use super::metrics::Metrics;
use super::ownership::{Keeping, Ownership};
use super::snapshot::{self, Known};
use super::threads::Closing;
use super::view::View;
use crate::reporting::Reporter;

/// The most events of one read.
const EVENTS_MAX: usize = 500;
/// How long a read waits for the first event; also how often due threads are closed.
const READ_WAIT: Duration = Duration::from_secs(1);
/// Pause before an unavailable store, or a node that follows the tenant, is queried again.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How often changed threads are stored. Later events are read again from the stream; the grace of a thread is longer.
const STORE_EVERY: Duration = Duration::from_secs(1);
/// The number of changed threads that are stored at once.
const UNSTORED_MAX: usize = 500;
/// How long a write waits until the records of closed threads are safe; it is tried again.
const SAFE_WITHIN: Duration = Duration::from_secs(1);
/// How long the records of threads that close at once wait for room in the reporter's queue; well below [`super::job::JOB`].
const ROOM_WITHIN: Duration = Duration::from_secs(3);

/// Follows the tenant whenever no other node does, until the role drains.
pub(super) async fn serve(ctx: RoleContext, tenant: TenantId, metrics: Metrics, reporter: Reporter) -> Result<()> {
    let job = Job { stores: ctx.stores.clone(), tenant: tenant.clone(), owner: ctx.owner() };
    while !ctx.drain.is_draining() {
        if job.take().await == Some(true) {
            // A fault affects only this tenant.
            if let Err(fault) = fault::contained(follow(&ctx, &job, &metrics, &reporter)).await {
                error!(%tenant, error = format!("{fault:#}"), "a fault in following a tenant's calls: it restarts");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(ASK_AGAIN) => {}
            () = ctx.drain.begun() => {}
        }
    }
    Ok(())
}

async fn follow(ctx: &RoleContext, job: &Job, metrics: &Metrics, reporter: &Reporter) -> Result<()> {
    // With many threads, or a long stream, the beginning takes longer than the right is valid.
    let begun = tokio::select! {
        begun = begin(ctx, job, metrics, reporter) => begun?,
        () = job.keep_until_lost() => None,
    };
    match begun {
        Some(tenant_loop) => tenant_loop.run().await,
        None => Ok(()),
    }
}

/// Takes over what is stored of the tenant; `None` if the store does not answer now.
async fn begin(ctx: &RoleContext, job: &Job, metrics: &Metrics, reporter: &Reporter) -> Result<Option<TenantLoop>> {
    let tenant = &job.tenant;
    let (ownership, view) = match Ownership::take_over(&ctx.stores, tenant, ctx.owner(), metrics).await {
        Ok(taken) => taken,
        Err(error) if error.passes() => {
            warn!(%tenant, %error, "calls are not followed yet");
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let (ctx, tenant, stored_at) = (ctx.clone(), tenant.clone(), ctx.clock.now());
    let (job, reporter, metrics) = (job.clone(), reporter.clone(), metrics.clone());
    let mut tenant_loop =
        TenantLoop { ctx, tenant, job, view, ownership, stored_at, closing: Closing::Stored, reporter, metrics };
    tenant_loop.recall().await?;
    Ok(Some(tenant_loop))
}

struct TenantLoop {
    ctx: RoleContext,
    tenant: TenantId,
    job: Job,
    view: View,
    ownership: Ownership,
    /// When it was last tried to store the view.
    stored_at: Timestamp,
    /// Which threads close: all of them while the store refuses them.
    closing: Closing,
    reporter: Reporter,
    metrics: Metrics,
}

impl TenantLoop {
    /// Runs until the role drains or another node follows the tenant.
    async fn run(mut self) -> Result<()> {
        let mut auditor = Auditor::default();
        let mut renewed_at = self.now();
        loop {
            let read = self.ctx.stores.events.read(&self.tenant, self.view.position(), EVENTS_MAX, READ_WAIT);
            let read = tokio::select! {
                read = read => read,
                () = self.ctx.drain.begun() => {
                    self.report(self.now()).await;
                    self.store(self.now()).await?;
                    return Ok(());
                }
            };
            let caught_up = self.take(read).await?;
            let now = self.now();
            if now.since(renewed_at) >= JOB_EVERY && !self.job.keep(&mut renewed_at).await {
                return Ok(());
            }
            self.report(now).await;
            if self.is_store_due(now) && self.store(now).await? == Keeping::Lost {
                return Ok(());
            }
            // A lagging view would produce false findings.
            if caught_up && now >= auditor.next_round() {
                self.audit(&mut auditor, now).await;
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.ctx.clock.now()
    }

    /// Reads what the stream has of agents before the stored position: the auditor compares it with their records.
    async fn recall(&mut self) -> Result<()> {
        let mut after = Position::START;
        while after < self.view.position() && !self.ctx.drain.is_draining() {
            match self.ctx.stores.events.read(&self.tenant, after, EVENTS_MAX, Duration::ZERO).await {
                Ok(entries) => {
                    let Some(last) = entries.last() else { return Ok(()) };
                    after = last.position;
                    self.view.recall(&entries);
                }
                Err(StoreError::Trimmed { gone }) => after = gone,
                Err(error) if error.passes() => {
                    warn!(tenant = %self.tenant, %error, "the auditor does not know the earlier events of agents");
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Folds the entries of a read; returns whether the end of the stream was reached.
    async fn take(&mut self, read: infra::Result<Vec<EventEntry>>) -> Result<bool> {
        match read {
            Ok(entries) => {
                self.view.fold(&entries);
                Ok(entries.len() < EVENTS_MAX)
            }
            Err(StoreError::Trimmed { gone }) => {
                // Normal where nothing was stored yet. Threads that are open miss what happened meanwhile.
                info!(tenant = %self.tenant, %gone, "the stream is followed from the first event that is kept");
                self.view.lacks_events(gone);
                Ok(false)
            }
            Err(error @ StoreError::Unavailable { .. }) => {
                warn!(tenant = %self.tenant, %error, "events cannot be read yet");
                tokio::time::sleep(ASK_AGAIN).await;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Passes the records of closed threads to the log's writer.
    async fn report(&mut self, now: Timestamp) {
        let closed = self.view.close(&self.tenant, now, self.closing);
        self.reporter.give_all(closed, Instant::now() + ROOM_WITHIN).await;
    }

    fn is_store_due(&self, now: Timestamp) -> bool {
        let is_time = now.since(self.stored_at) >= STORE_EVERY || self.view.unstored() >= UNSTORED_MAX;
        is_time && self.view.has_news()
    }

    /// Stores what has changed, once the records of closed threads are safe.
    async fn store(&mut self, now: Timestamp) -> Result<Keeping> {
        self.stored_at = now;
        let is_safe = tokio::time::timeout(SAFE_WITHIN, self.reporter.all_safe()).await;
        if is_safe != Ok(true) {
            warn!(tenant = %self.tenant, "records of calls are not safe yet: the open call threads are stored later");
            self.metrics.store_failed();
            return Ok(Keeping::Refused);
        }
        let keeping = match self.ownership.keep(&mut self.view, now).await {
            Ok(keeping) => keeping,
            Err(error) if error.passes() => {
                warn!(tenant = %self.tenant, %error, "the open call threads are stored later");
                self.metrics.store_failed();
                return Ok(Keeping::Refused);
            }
            Err(error) => return Err(error.into()),
        };
        self.closing = if keeping == Keeping::Refused { Closing::All } else { Closing::Stored };
        if keeping == Keeping::Refused {
            self.metrics.store_failed();
        }
        Ok(keeping)
    }

    // === the auditor ===

    async fn audit(&mut self, auditor: &mut Auditor, now: Timestamp) {
        let view = &self.view;
        let known = Known { threads: &view.threads, told: &view.told };
        let picture = match snapshot::look(&self.ctx.stores, &self.tenant, known, now).await {
            Ok(picture) => picture,
            Err(error) => return warn!(tenant = %self.tenant, %error, "the auditor cannot look"),
        };
        self.metrics.round();
        for finding in auditor.round(&picture, now) {
            self.repair(finding, now).await;
        }
    }

    async fn repair(&mut self, finding: Finding, now: Timestamp) {
        let Finding { fault, subject, to, action, why, .. } = finding;
        warn!(tenant = %self.tenant, %subject, fault = fault.as_str(), why, "the auditor asks for a repair");
        self.metrics.repair(fault);
        let to = match to {
            RepairTarget::Owner(owner) => Recipient::Owner(owner),
            RepairTarget::AgentState => Recipient::AgentState,
            RepairTarget::Routing => Recipient::Routing,
            RepairTarget::Here => {
                if let Subject::Call(call) = subject {
                    self.view.threads.call_missing(call, now);
                }
                return;
            }
        };
        let posted = Posted::Repair(Repair { subject, action, why });
        if let Err(error) = self.ctx.stores.requests.post(&self.tenant, &to, None, posted).await {
            // It will be found and posted again.
            warn!(tenant = %self.tenant, %error, "a repair could not be posted");
        }
    }
}
