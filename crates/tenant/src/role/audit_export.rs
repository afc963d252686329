//! Carries what the tables of the audit get into the reporting log (own-30): one node at a time. Nothing waits for it: while the log is
//! away, rows wait in the database.

use std::time::Duration;

use infra::Refused;
use infra::audit_export::{AuditExported, AuditExporter};
use model::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::RoleContext;

/// Interval at which it is looked for what waits.
const LOOK: Duration = Duration::from_secs(1);
/// The longest pause after failures; the first is [`LOOK`], and each further one twice as long.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// The least time between two lines of the log about failures.
const SAID_EACH: Duration = Duration::from_secs(60);
/// While more waits, it rests this many times as long as the last batch took, at most [`LOOK`]: after an import there are hundreds of
/// thousands of records, for which nobody waits, while look-ups want the same thread, database and processors.
const RESTS_FOR: u32 = 3;
/// Deadline for the last turn of a node; another node exports the rest.
const LAST_TURN: Duration = Duration::from_secs(3);

runtime::metrics! {
    /// The metrics of the audit in the reporting log.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Records of the audit written to the reporting log.
        records: Counter = "tenant_audit_records";
        /// Records of the audit that the reporting log will never take.
        refused: Counter = "tenant_audit_refused";
        /// Attempts to write records of the audit that failed; they are repeated.
        failures: Counter = "tenant_audit_failures";
        /// Age of the oldest record of the audit that the reporting log lacks; 0 if it lacks none.
        lag: Gauge = "tenant_audit_lag_seconds";
    }
}

/// How far the export is.
struct ExportState {
    exporter: AuditExporter,
    /// When the oldest of what waits has happened, as it was known last; else when nothing was seen to wait for this node.
    waits_since: Timestamp,
    failures: u32,
    /// When a failure was last logged.
    said_at: Option<Timestamp>,
}

/// Exports until the role has drained, and once more after that.
pub(super) async fn run(ctx: RoleContext) -> anyhow::Result<()> {
    let metrics = Metrics::register(&ctx.metrics);
    let mut state =
        ExportState { exporter: AuditExporter::default(), waits_since: ctx.clock.now(), failures: 0, said_at: None };
    loop {
        let turns = async {
            let begun = ctx.clock.now();
            let pause = turn(&ctx, &metrics, &mut state).await;
            tokio::time::sleep(pause.unwrap_or_else(|| rest_after(ctx.clock.now().since(begun)))).await;
        };
        // What is broken off is repeated.
        tokio::select! {
            () = turns => {}
            () = ctx.drain.ended() => break,
        }
    }
    // While the log is away it waits for the next start.
    if state.failures == 0 {
        let _ = tokio::time::timeout(LAST_TURN, turn(&ctx, &metrics, &mut state)).await;
    }
    Ok(())
}

/// Exports a batch; the pause before the next, none if more waits.
async fn turn(ctx: &RoleContext, metrics: &Metrics, state: &mut ExportState) -> Option<Duration> {
    let exported = state.exporter.turn(&ctx.stores, &ctx.owner()).await;
    let now = ctx.clock.now();
    state.waits_since = match exported {
        Ok(AuditExported::Elsewhere | AuditExported::Here { more: false, .. }) => now,
        // While the tables cannot be asked, what is known of them grows older.
        _ => ctx.stores.audit_outbox.waits_since().await.map_or(state.waits_since, |since| since.unwrap_or(now)),
    };
    let pause = match exported {
        Ok(AuditExported::Here { records, refused, more }) => {
            metrics.records.inc_by(u64::try_from(records).unwrap_or(u64::MAX));
            for Refused { id, topic, reason } in &refused {
                metrics.refused.inc();
                tracing::error!(topic, id, reason, "a record of the audit is not reported");
            }
            if state.failures > 0 {
                tracing::info!("records of the audit get into the reporting log again");
            }
            state.failures = 0;
            (!more).then_some(LOOK)
        }
        Ok(AuditExported::Elsewhere) => {
            state.failures = 0;
            Some(LOOK)
        }
        Err(error) => {
            metrics.failures.inc();
            let pause = pause_after(state.failures);
            state.failures = state.failures.saturating_add(1);
            if state.said_at.is_none_or(|said_at| now.since(said_at) >= SAID_EACH) {
                state.said_at = Some(now);
                tracing::warn!(%error, ?pause, "records of the audit do not get into the reporting log: they wait in the database");
            }
            Some(pause)
        }
    };
    metrics.lag.set(lag_s(now.since(state.waits_since)));
    pause
}

/// The rest after a batch that took so long, while more waits.
fn rest_after(took: Duration) -> Duration {
    (took * RESTS_FOR).min(LOOK)
}

/// The pause after so many failures before the last one.
fn pause_after(failures: u32) -> Duration {
    model::doubling_pause(LOOK, PAUSE_MAX, failures.saturating_add(1))
}

/// What has just happened is on its way.
fn lag_s(behind: Duration) -> i64 {
    if behind > LOOK * 2 { i64::try_from(behind.as_secs()).unwrap_or(i64::MAX) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_a_look_ago_is_no_lag() {
        let rests = [0, 20, 5_000].map(|took| rest_after(Duration::from_millis(took)).as_millis());
        assert_eq!(rests, [0, 60, 1_000]);
        let pauses = [0, 1, 3, 4, u32::MAX].map(|failures| pause_after(failures).as_secs());
        assert_eq!(pauses, [1, 2, 8, 10, 10]);
        assert_eq!((lag_s(LOOK), lag_s(LOOK * 2), lag_s(Duration::from_secs(75))), (0, 0, 75));
    }
}
