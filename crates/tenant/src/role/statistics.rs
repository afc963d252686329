//! gRPC 2060: the statistics of each tenant (`docs/statistics.md`), as they change.
//!
//! `catalogue` is what of a tenant's objects they need, `built_in` and `resolving` say what is counted for a name or a definition, `counts`
//! holds them open and tells them, `tenant_loop` follows facts and objects, and keeps what is counted; `server` serves.

mod built_in;
mod catalogue;
mod counts;
mod metrics;
mod readings;
mod records;
mod resolving;
mod server;
mod shared;
mod tenant_loop;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use model::TenantId;
use runtime::fact_in_hand::{FactInHand, FactsInHand};
use runtime::{RoleContext, fault};
use tokio::sync::watch;

use super::stored_tenants::StoredTenants;
use super::views::Views;
use shared::{CountedTenants, SharedCounts};
use tenant_loop::{CountingSources, TenantLoop};

pub(super) use metrics::Metrics;
pub(super) use server::StatisticServer;

/// Pause before a tenant's statistics begin again after a fault: a lasting fault must not delay other tenants.
const BEGIN_AGAIN: Duration = Duration::from_secs(5);
/// Pause before it is tried again to begin while a store is away.
const STORE_AWAY: Duration = Duration::from_millis(500);
/// Faults in a row, with nothing stored between them, after which a tenant's statistics restart from zero: two are the least at which a
/// fact is skipped, and these are no single fact's.
const FAULTS_FROM_KEPT_MAX: u32 = 5;

/// What serves the statistics of the tenants that are counted from now on, as long as the database lists them.
pub(super) fn begin(ctx: &RoleContext, views: Views, stored: watch::Receiver<StoredTenants>) -> StatisticServer {
    let metrics = Metrics::register(&ctx.metrics);
    let tenants = CountedTenants::default();
    let server = StatisticServer::new(tenants.clone(), stored.clone(), metrics.clone(), ctx.clock.clone());
    let sources = CountingSources { ctx: ctx.clone(), views, stored, metrics };
    ctx.spawn("statistics", count_all(sources, tenants));
    server
}

/// Counts for each tenant that the database lists, until the role ends.
async fn count_all(sources: CountingSources, tenants: CountedTenants) -> anyhow::Result<()> {
    let ctx = sources.ctx.clone();
    let facts = FactsInHand::open(&ctx.data_dir, ctx.node.as_str(), &ctx.metrics);
    let mut stored = sources.stored.clone();
    let mut counted: HashMap<TenantId, watch::Sender<()>> = HashMap::new();
    loop {
        let listed = stored.borrow_and_update().ids().map(|ids| ids.cloned().collect::<BTreeSet<TenantId>>());
        // Nothing is known of tenants while nobody has told which there are.
        if let Some(listed) = listed {
            counted.retain(|tenant, _| {
                let stays = listed.contains(tenant);
                if !stays {
                    tenants.forget(tenant);
                }
                stays
            });
            for tenant in listed {
                if counted.contains_key(&tenant) {
                    continue;
                }
                let (ends, gone) = watch::channel(());
                let shared = tenants.begin(&tenant, &sources.metrics);
                let counting = count(sources.clone(), shared, facts.of(&tenant), tenant.clone(), gone);
                ctx.spawn("statistics of a tenant", counting);
                counted.insert(tenant, ends);
            }
        }
        tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            changed = stored.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}

/// Counts for a tenant until it is gone. A panic there affects its own statistics alone: they continue from what was kept.
async fn count(
    sources: CountingSources,
    shared: Arc<SharedCounts>,
    mut fact: FactInHand,
    tenant: TenantId,
    mut gone: watch::Receiver<()>,
) -> anyhow::Result<()> {
    let drain = sources.ctx.drain.clone();
    let mut begun = Beginnings::default();
    loop {
        let begin = TenantLoop::begin(&sources, &tenant, shared.clone());
        let pause = match fault::contained(begin).await {
            Ok(tenant_loop) => {
                fact.state_rebuilt();
                if begun.at(tenant_loop.position()) >= FAULTS_FROM_KEPT_MAX {
                    tenant_loop.begin_anew("what was kept has faults");
                }
                let Err(error) = fault::contained(tenant_loop.run(&mut fact, gone.clone())).await else {
                    return Ok(());
                };
                fact.failed(&error);
                sources.metrics.faults.inc();
                tracing::error!(%tenant, error = format!("{error:#}"), "a tenant's statistics have a fault: they go on from what was kept");
                BEGIN_AGAIN
            }
            Err(error) => {
                tracing::debug!(%tenant, error = format!("{error:#}"), "what was kept of statistics cannot be read now");
                STORE_AWAY
            }
        };
        tokio::select! {
            () = drain.ended() => return Ok(()),
            _ = gone.changed() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// How often in a row statistics have begun at the same stored position.
#[derive(Default)]
struct Beginnings {
    position: String,
    times: u32,
}

impl Beginnings {
    /// Counts a begin, and returns how many there were before.
    fn at(&mut self, position: String) -> u32 {
        if self.position != position {
            *self = Self { position, times: 0 };
        }
        self.times += 1;
        self.times - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_that_fail_from_the_same_stored_state_are_noticed() {
        let mut begun = Beginnings::default();
        let begins = ["0-1", "0-1", "0-2", "0-2"].map(|position| begun.at(position.to_owned()));
        assert_eq!(begins, [0, 1, 0, 1]);
    }
}
