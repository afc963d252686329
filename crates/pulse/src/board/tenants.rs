//! Follows the list of tenants (8888): each tenant on it has a task that keeps its statistics.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use contracts::v1;
use contracts::v1::configuration_client::ConfigurationClient;
use model::TenantId;
use runtime::fact_in_hand::{FactInHand, FactsInHand};
use runtime::{RoleContext, fault};
use tokio::sync::watch;

use super::metrics::Metrics;
use super::publish::{Board, Boards};
use super::tenant_loop::{CONFIGURATION_PORT, CONNECTION, PAUSE, SILENCE_MAX, TenantLoop};

/// The readiness condition: the list of tenants is known.
pub(super) const CONDITION: &str = "tenants";
/// Pause before a tenant's statistics restart after a fault: a lasting fault must not delay other tenants.
const BEGIN_ANEW: Duration = Duration::from_secs(5);
/// Faults in a row, with nothing stored between them, after which a tenant's statistics restart from zero: two are the least at which a
/// fact is skipped, and these are no single fact's.
const FAULTS_FROM_KEPT_MAX: u32 = 5;
/// The most tenants followed.
const TENANTS_MAX: usize = 10_000;

/// Follows the list of tenants; each tenant has its own task.
pub(super) async fn follow_tenants(ctx: RoleContext, boards: Boards, metrics: Metrics) -> anyhow::Result<()> {
    let mut followed: HashMap<TenantId, watch::Sender<()>> = HashMap::new();
    let facts = FactsInHand::open(&ctx.data_dir, ctx.node.as_str(), &ctx.metrics);
    loop {
        let turn = tenants_once(&ctx, &boards, (&metrics, &facts), &mut followed);
        let ended = tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            ended = turn => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "the tenants cannot be followed: trying again");
        }
        tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn tenants_once(
    ctx: &RoleContext,
    boards: &Boards,
    (metrics, facts): (&Metrics, &FactsInHand),
    followed: &mut HashMap<TenantId, watch::Sender<()>>,
) -> anyhow::Result<()> {
    let mut client = ConfigurationClient::new(net::grpc::channel(ctx, CONNECTION, CONFIGURATION_PORT)?);
    let mut answers = client.follow_tenants(v1::FollowTenantsRequest {}).await?.into_inner();
    loop {
        let answer = tokio::time::timeout(SILENCE_MAX, answers.message()).await.context("silence")??;
        let now: Vec<TenantId> =
            answer.context("the stream has ended")?.tenants.iter().filter_map(|id| TenantId::parse(id).ok()).collect();
        followed.retain(|tenant, _| {
            let stays = now.contains(tenant);
            if !stays {
                boards.forget(tenant);
            }
            stays
        });
        for tenant in now {
            if followed.contains_key(&tenant) || followed.len() >= TENANTS_MAX {
                continue;
            }
            let (stop, stopped) = watch::channel(());
            let about = (ctx.clone(), tenant.clone(), boards.of(&tenant), metrics.clone());
            let first = fault::contained(TenantLoop::begin(ctx, &tenant, about.2.clone(), metrics)).await;
            ctx.spawn("events of a tenant", follow(about, first, facts.of(&tenant), stopped));
            followed.insert(tenant, stop);
        }
        ctx.ready.holds(CONDITION);
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
