//! Which tenants there are, as tenant tells its readers (8888).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use contracts::v1;
use contracts::v1::configuration_client::ConfigurationClient;
use model::TenantId;
use net::grpc::Channel;
use runtime::RoleContext;
use tokio::sync::watch;

/// The stream of tenants says something at least every 5 s.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Pause after a failure.
const PAUSE: Duration = Duration::from_millis(200);
/// The readiness condition: it is known which tenants there are.
const CONDITION: &str = "tenants";

/// The tenants of the installation.
pub(crate) type Tenants = Arc<BTreeSet<TenantId>>;

/// Begins to follow the tenants. The role is not ready before it knows them.
pub(crate) fn follow(ctx: &RoleContext, client: ConfigurationClient<Channel>) -> watch::Receiver<Tenants> {
    ctx.ready.require(CONDITION);
    let (tell, tenants) = watch::channel(Tenants::default());
    ctx.spawn("tenants", follow_on(ctx.clone(), client, tell));
    tenants
}

async fn follow_on(
    ctx: RoleContext,
    client: ConfigurationClient<Channel>,
    tell: watch::Sender<Tenants>,
) -> anyhow::Result<()> {
    loop {
        let ended = tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            ended = follow_once(&ctx, client.clone(), &tell) => ended,
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

async fn follow_once(
    ctx: &RoleContext,
    mut client: ConfigurationClient<Channel>,
    tell: &watch::Sender<Tenants>,
) -> anyhow::Result<()> {
    let mut answers = client.follow_tenants(v1::FollowTenantsRequest {}).await?.into_inner();
    loop {
        let answer = tokio::time::timeout(SILENCE_MAX, answers.message()).await.context("silence")??;
        let tenants = answer.context("the stream has ended")?.tenants;
        let tenants: BTreeSet<TenantId> = tenants.iter().filter_map(|id| TenantId::parse(id).ok()).collect();
        tell.send_if_modified(|held| {
            let is_other = **held != tenants;
            if is_other {
                *held = Arc::new(tenants);
            }
            is_other
        });
        ctx.ready.holds(CONDITION);
    }
}
