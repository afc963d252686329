//! Exports facts to the reporting log (voice-50): each tenant's stream, by one node at a time.

use std::collections::HashMap;
use std::time::Duration;

use infra::Refused;
use infra::exporter::{Exported, export_turn};
use model::{TenantId, Timestamp};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::RoleContext;

/// Interval at which each stream is checked.
const EVERY: Duration = Duration::from_secs(1);
/// The longest pause after failures; the first is [`EVERY`], and each further one twice as long.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Deadline for the last turn of a node; another node exports the rest.
const LAST_TURN: Duration = Duration::from_secs(3);
/// Streams that one node exports.
const TENANTS_MAX: usize = 10_000;
/// Turns in a row for one tenant, so that a backlog does not keep the others waiting.
const TURNS_MAX: usize = 20;

runtime::metrics! {
    /// The metrics of the export.
    pub(super) struct Metrics {
        /// Facts written to the reporting log.
        facts: Counter = "sipcluster_reporting_facts";
        /// Facts that the reporting log will never take: they are too long.
        refused: Counter = "sipcluster_reporting_refused";
        /// Turns of the export that failed.
        failures: Counter = "sipcluster_reporting_failures";
        /// How long the reporting log has been incomplete, for the tenant that is furthest behind.
        lag: Gauge = "sipcluster_reporting_lag_seconds";
    }
}

/// Progress of one tenant's export.
#[derive(Clone, Copy)]
struct Progress {
    /// When the stream was last seen fully exported.
    out_at: Timestamp,
    failures: u32,
    next: Timestamp,
}

/// Exports until the role has drained, and once more after that for the last facts.
pub(super) async fn run(ctx: RoleContext) -> anyhow::Result<()> {
    let metrics = Metrics::register(&ctx.metrics);
    let mut progress: HashMap<TenantId, Progress> = HashMap::new();
    loop {
        turn(&ctx, &metrics, &mut progress).await;
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = ctx.drain.ended() => break,
        }
    }
    for progress in progress.values_mut() {
        progress.next = Timestamp::ZERO;
    }
    let _ = tokio::time::timeout(LAST_TURN, turn(&ctx, &metrics, &mut progress)).await;
    Ok(())
}

async fn turn(ctx: &RoleContext, metrics: &Metrics, progress: &mut HashMap<TenantId, Progress>) {
    let tenants = match ctx.stores.outbox.tenants().await {
        Ok(tenants) => tenants,
        Err(error) => {
            metrics.failures.inc();
            return tracing::warn!(%error, "the tenants with a stream cannot be read");
        }
    };
    for tenant in tenants.into_iter().take(TENANTS_MAX) {
        let now = ctx.clock.now();
        let fresh = Progress { out_at: now, failures: 0, next: now };
        let of_tenant = progress.entry(tenant.clone()).or_insert(fresh);
        if of_tenant.next <= now {
            export(ctx, metrics, &tenant, of_tenant).await;
        }
    }
    let now = ctx.clock.now();
    let lag = progress.values().map(|progress| now.since(progress.out_at)).max().unwrap_or_default();
    // A stream that was fully exported at the last check, a second ago, lacks no fact that we know of.
    metrics.lag.set(if lag > EVERY * 2 { i64::try_from(lag.as_secs()).unwrap_or(i64::MAX) } else { 0 });
}

async fn export(ctx: &RoleContext, metrics: &Metrics, tenant: &TenantId, progress: &mut Progress) {
    for _ in 0..TURNS_MAX {
        match export_turn(&ctx.stores, tenant, &ctx.owner()).await {
            Ok(Exported::Here { facts, refused, more }) => {
                metrics.facts.inc_by(facts as u64);
                for Refused { id, topic, reason } in &refused {
                    metrics.refused.inc();
                    tracing::error!(%tenant, topic, id, reason, "a fact is not reported");
                }
                progress.failures = 0;
                if !more {
                    *progress = Progress { out_at: ctx.clock.now(), failures: 0, next: Timestamp::ZERO };
                    return;
                }
            }
            Ok(Exported::Elsewhere) => {
                *progress = Progress { out_at: ctx.clock.now(), failures: 0, next: Timestamp::ZERO };
                return;
            }
            Err(error) => {
                metrics.failures.inc();
                progress.failures = progress.failures.saturating_add(1);
                let pause = model::doubling_pause(EVERY, PAUSE_MAX, progress.failures);
                progress.next = ctx.clock.now() + pause;
                return tracing::warn!(%tenant, %error, ?pause, "facts do not get into the reporting log");
            }
        }
    }
}
