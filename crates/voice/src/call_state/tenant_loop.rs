//! One task per tenant folds its events, writes the records of closed threads, and runs the auditor.

use std::time::Duration;

use anyhow::Result;
use infra::{EventEntry, LogRecord, Position, Posted, Recipient, Repair, StoreError};
use model::{Subject, TenantId, Timestamp};
use runtime::{RoleContext, fault};
use tracing::{error, info, warn};

use super::audit::{Auditor, Finding, RepairTarget};
use super::metrics::Metrics;
use super::record::log_records;
use super::snapshot::{self, Known, Told};
use super::thread::Folded;
use super::threads::Threads;
use crate::reporting::Reporter;

/// The most events of one read.
const EVENTS_MAX: usize = 500;
/// How long a read waits for the first event; also how often due threads are closed.
const READ_WAIT: Duration = Duration::from_secs(1);
/// Pause before an unavailable store, or a node that follows the tenant, is queried again.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How long the right to follow a tenant is valid without renewal.
const JOB: Duration = Duration::from_secs(5);
/// How often the right is renewed.
const JOB_EVERY: Duration = Duration::from_secs(1);

/// Follows the tenant whenever no other node does, until the role drains.
pub(super) async fn serve(ctx: RoleContext, tenant: TenantId, metrics: Metrics, reporter: Reporter) -> Result<()> {
    while !ctx.drain.is_draining() {
        if take_job(&ctx, &tenant).await == Some(true) {
            info!(%tenant, "calls are followed");
            let mut tenant_loop = TenantLoop {
                view: View::new(metrics.clone()),
                ctx: ctx.clone(),
                tenant: tenant.clone(),
                reporter: reporter.clone(),
                metrics: metrics.clone(),
            };
            // A fault affects only this tenant.
            if let Err(fault) = fault::contained(tenant_loop.run()).await {
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

/// Whether this node follows the tenant; `None` if the store does not answer.
async fn take_job(ctx: &RoleContext, tenant: &TenantId) -> Option<bool> {
    match ctx.stores.leases.take_job(&format!("call-state:{tenant}"), &ctx.owner(), JOB).await {
        Ok(token) => Some(token.is_some()),
        Err(error) => {
            warn!(%tenant, %error, "the right to follow calls cannot be renewed");
            None
        }
    }
}

/// A tenant's state, folded from its events.
pub(super) struct View {
    pub threads: Threads,
    pub told: Told,
    position: Position,
    counted: i64,
    metrics: Metrics,
}

impl View {
    pub fn new(metrics: Metrics) -> Self {
        Self { threads: Threads::default(), told: Told::default(), position: Position::START, counted: 0, metrics }
    }

    /// Folds entries of the tenant's event stream.
    pub fn fold(&mut self, entries: &[EventEntry]) {
        for entry in entries {
            if self.threads.fold(&entry.event) == Folded::NoRoom {
                self.metrics.dropped(1);
            }
            self.told.fold(&entry.event);
            self.position = entry.position;
        }
        self.count();
    }

    /// The records of the threads that close now.
    pub fn close(&mut self, tenant: &TenantId, now: Timestamp) -> Vec<LogRecord> {
        let closed = self.threads.close(now);
        self.metrics.closed(closed.len());
        self.count();
        closed.iter().flat_map(|thread| log_records(tenant, thread)).collect()
    }

    fn count(&mut self) {
        let open = i64::try_from(self.threads.len()).unwrap_or(i64::MAX);
        self.metrics.threads(open - std::mem::replace(&mut self.counted, open));
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.metrics.threads(-self.counted);
    }
}

struct TenantLoop {
    ctx: RoleContext,
    tenant: TenantId,
    view: View,
    reporter: Reporter,
    metrics: Metrics,
}

impl TenantLoop {
    /// Runs until the role drains or another node follows the tenant.
    async fn run(&mut self) -> Result<()> {
        let mut auditor = Auditor::default();
        let mut renewed_at = self.now();
        loop {
            let read = self.ctx.stores.events.read(&self.tenant, self.view.position, EVENTS_MAX, READ_WAIT);
            let read = tokio::select! {
                read = read => read,
                () = self.ctx.drain.begun() => return Ok(()),
            };
            let caught_up = self.take(read).await?;
            let now = self.now();
            if now.since(renewed_at) >= JOB_EVERY {
                match take_job(&self.ctx, &self.tenant).await {
                    Some(true) => renewed_at = now,
                    None if now.since(renewed_at) < JOB => {}
                    Some(false) | None => return Ok(()),
                }
            }
            self.report(now);
            // A lagging view would produce false findings.
            if caught_up && now >= auditor.next_round() {
                self.audit(&mut auditor, now).await;
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.ctx.clock.now()
    }

    /// Folds the entries of a read; returns whether the end of the stream was reached.
    async fn take(&mut self, read: infra::Result<Vec<EventEntry>>) -> Result<bool> {
        match read {
            Ok(entries) => {
                self.view.fold(&entries);
                Ok(entries.len() < EVENTS_MAX)
            }
            Err(StoreError::Trimmed { gone }) => {
                // Normal for a node that starts: another node has processed the removed events, or they are outdated.
                info!(tenant = %self.tenant, %gone, "the stream is followed from the first event that is kept");
                self.view.position = gone;
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
    fn report(&mut self, now: Timestamp) {
        for record in self.view.close(&self.tenant, now) {
            self.reporter.give(record);
        }
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
