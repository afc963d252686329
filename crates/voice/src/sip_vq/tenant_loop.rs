//! One task per tenant keeps its view current.

use std::sync::PoisonError;
use std::time::Duration;

use anyhow::Result;
use infra::{EventEntry, Position, StoreError};
use model::TenantId;
use runtime::{RoleContext, fault};
use tracing::{error, info, warn};

use super::begin;
use super::metrics::Metrics;
use super::ownership::{ViewSlot, Views};
use super::view::QueueView;

/// Facts per read.
const BATCH: usize = 256;
/// How long a read waits for a fact.
const READ_WAIT: Duration = Duration::from_secs(1);
/// Pause before an unavailable store is queried again, and before a tenant is begun again after a fault.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// Follows the tenant until the role drains. A fault, even a panic, costs only this tenant's view, which begins again.
pub(super) async fn serve(ctx: RoleContext, tenant: TenantId, views: Views, metrics: Metrics) -> Result<()> {
    let kept = views.of(&tenant);
    let mut tenant_loop = TenantLoop { ctx, tenant, kept, metrics, counted: 0 };
    while !tenant_loop.ctx.drain.is_draining() {
        if let Err(fault) = fault::contained(tenant_loop.run()).await {
            views.note_fault(&tenant_loop.tenant);
            error!(tenant = %tenant_loop.tenant, error = format!("{fault:#}"), "a fault in following virtual queues: they are read again");
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
    Ok(())
}

struct TenantLoop {
    ctx: RoleContext,
    tenant: TenantId,
    kept: ViewSlot,
    metrics: Metrics,
    /// The stays that the gauge counts.
    counted: i64,
}

impl TenantLoop {
    /// Follows the stream until the role drains.
    async fn run(&mut self) -> Result<()> {
        let Some(mut position) = self.begin().await? else { return Ok(()) };
        loop {
            let read = self.ctx.stores.events.read(&self.tenant, position, BATCH, READ_WAIT);
            let read = tokio::select! {
                read = read => read,
                () = self.ctx.drain.begun() => return Ok(()),
            };
            match read {
                Ok(entries) => position = self.fold(&entries).unwrap_or(position),
                Err(StoreError::Trimmed { .. }) => match self.begin().await? {
                    Some(begun) => position = begun,
                    None => return Ok(()),
                },
                Err(error) if error.passes() => {
                    warn!(tenant = %self.tenant, %error, "events cannot be read yet");
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads the queues from rq's rows; `None` if the role drains first.
    async fn begin(&mut self) -> Result<Option<Position>> {
        while !self.ctx.drain.is_draining() {
            match begin::view(&self.ctx.stores, &self.tenant).await {
                Ok((view, skipped)) => {
                    info!(tenant = %self.tenant, waiting = view.len(), "virtual queues are followed");
                    self.metrics.view_begun(skipped);
                    let position = view.position;
                    self.replace(view);
                    return Ok(Some(position));
                }
                Err(error) if error.passes() => {
                    warn!(tenant = %self.tenant, %error, "virtual queues cannot be read yet");
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    fn replace(&mut self, view: QueueView) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = kept.insert(view).len();
        drop(kept);
        self.count(waiting);
    }

    /// Folds what was read; returns where it ended.
    fn fold(&mut self, entries: &[EventEntry]) -> Option<Position> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let view = kept.as_mut()?;
        for entry in entries {
            if view.fold(&entry.event) {
                self.metrics.told(&entry.event.event);
            }
            view.position = entry.position;
        }
        let (waiting, position) = (view.len(), view.position);
        drop(kept);
        self.count(waiting);
        Some(position)
    }

    fn count(&mut self, waiting: usize) {
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        self.metrics.waiting_changed(waiting - std::mem::replace(&mut self.counted, waiting));
    }
}
