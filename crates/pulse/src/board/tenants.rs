//! Each tenant on the list has a task that keeps its statistics.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use model::TenantId;
use net::tenant::TenantList;
use runtime::fact_in_hand::{FactInHand, FactsInHand};
use runtime::{RoleContext, fault};
use tokio::sync::watch;

use super::metrics::Metrics;
use super::publish::{Board, Boards};
use super::tenant_loop::TenantLoop;

/// The readiness condition: the statistics of the tenants of the first list have begun.
pub(super) const CONDITION: &str = "statistics";
/// Pause before a tenant's statistics restart after a fault: a lasting fault must not delay other tenants.
const BEGIN_ANEW: Duration = Duration::from_secs(5);
/// Faults in a row, with nothing stored between them, after which a tenant's statistics restart from zero: two are the least at which a
/// fact is skipped, and these are no single fact's.
const FAULTS_FROM_KEPT_MAX: u32 = 5;

/// Follows each tenant as long as it is listed.
pub(super) async fn follow_all(
    ctx: RoleContext,
    boards: Boards,
    metrics: Metrics,
    mut listed: watch::Receiver<TenantList>,
) -> anyhow::Result<()> {
    let mut followed: HashMap<TenantId, watch::Sender<()>> = HashMap::new();
    let facts = FactsInHand::open(&ctx.data_dir, ctx.node.as_str(), &ctx.metrics);
    loop {
        tokio::select! {
            // The list ends with the role too, which is no failure.
            biased;
            () = ctx.drain.ended() => return Ok(()),
            changed = listed.changed() => changed.context("nobody follows the list of tenants")?,
        }
        let now = listed.borrow_and_update().clone();
        tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            () = follow_listed(&ctx, &now, (&boards, &metrics, &facts), &mut followed) => {}
        }
        ctx.ready.holds(CONDITION);
    }
}

/// Begins with new tenants, and ends with those that are no longer listed.
async fn follow_listed(
    ctx: &RoleContext,
    listed: &TenantList,
    (boards, metrics, facts): (&Boards, &Metrics, &FactsInHand),
    followed: &mut HashMap<TenantId, watch::Sender<()>>,
) {
    followed.retain(|tenant, _| {
        let stays = listed.contains(tenant);
        if !stays {
            boards.forget(tenant);
        }
        stays
    });
    for tenant in listed.iter() {
        if followed.contains_key(tenant) {
            continue;
        }
        let (stop, stopped) = watch::channel(());
        let about = (ctx.clone(), tenant.clone(), boards.of(tenant), metrics.clone());
        let first = fault::contained(TenantLoop::begin(ctx, tenant, about.2.clone(), metrics)).await;
        ctx.spawn("events of a tenant", follow(about, first, facts.of(tenant), stopped));
        followed.insert(tenant.clone(), stop);
    }
}

/// Follows a tenant until it is removed. A panic there affects only its own wallboards: they continue from the last stored state.
async fn follow(
    (ctx, tenant, board, metrics): (RoleContext, TenantId, Board, Metrics),
    first: anyhow::Result<TenantLoop>,
    mut fact: FactInHand,
    stopped: watch::Receiver<()>,
) -> anyhow::Result<()> {
    let mut gone = stopped.clone();
    let mut next = Some(first);
    let mut begun = Beginnings::default();
    loop {
        let one_life = async {
            let mut tenant_loop = match next.take() {
                Some(first) => first?,
                None => TenantLoop::begin(&ctx, &tenant, board.clone(), &metrics).await?,
            };
            fact.state_rebuilt();
            if begun.at(tenant_loop.position()) >= FAULTS_FROM_KEPT_MAX {
                tenant_loop.begin_anew("the stored statistics have faults");
            }
            tenant_loop.run(&mut fact, stopped.clone()).await
        };
        let Err(error) = fault::contained(one_life).await else { return Ok(()) };
        fact.failed(&error);
        metrics.tenant_failed();
        tracing::error!(%tenant, error = format!("{error:#}"), "a tenant's statistics have a fault; they begin from what was kept");
        tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            _ = gone.changed() => return Ok(()),
            () = tokio::time::sleep(BEGIN_ANEW) => {}
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
    fn at(&mut self, position: &str) -> u32 {
        if self.position != position {
            *self = Self { position: position.to_owned(), times: 0 };
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
        assert_eq!([begun.at("0-1"), begun.at("0-1"), begun.at("0-2"), begun.at("0-2")], [0, 1, 0, 1]);
    }
}
