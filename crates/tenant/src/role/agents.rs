//! Tells rq the tenants' agents and skills (voice-16): a snapshot, then what changes.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::provisioning::TenantObjects;
use contracts::v1;
use contracts::v1::routing_client::RoutingClient;
use model::TenantId;
use runtime::RoleContext;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::Held;

/// The port of rq.
const PORT: u16 = 12_100;
/// Pause before a broken stream is opened again.
const PAUSE: Duration = Duration::from_millis(500);
/// Updates that may be under way.
const WAITING_MAX: usize = 4;

type Profiles = BTreeMap<String, v1::AgentProfile>;

/// Keeps a stream per tenant until the role ends.
pub(super) async fn run(ctx: RoleContext, mut held: watch::Receiver<Held>) -> anyhow::Result<()> {
    let mut told: Vec<TenantId> = Vec::new();
    loop {
        let tenants: Vec<TenantId> = held.borrow_and_update().keys().cloned().collect();
        for tenant in tenants {
            if !told.contains(&tenant) {
                told.push(tenant.clone());
                ctx.spawn("agents of a tenant to rq", tell(ctx.clone(), held.clone(), tenant));
            }
        }
        tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            changed = held.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}

async fn tell(ctx: RoleContext, held: watch::Receiver<Held>, tenant: TenantId) -> anyhow::Result<()> {
    loop {
        let ended = tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            ended = tell_once(&ctx, held.clone(), &tenant) => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%tenant, %error, "rq does not take agents: trying again");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// One stream: ends when it breaks.
async fn tell_once(ctx: &RoleContext, mut held: watch::Receiver<Held>, tenant: &TenantId) -> anyhow::Result<()> {
    let mut client = RoutingClient::new(net::grpc::channel(ctx, "voice-16", PORT)?);
    let (updates, stream) = mpsc::channel(WAITING_MAX);
    let request = net::grpc::for_tenant(tonic::Request::new(ReceiverStream::new(stream)), tenant);
    let mut told = None;
    send(&updates, &mut held, tenant, &mut told).await?;
    let mut taken = client.push_agents(request).await?.into_inner();
    loop {
        tokio::select! {
            answer = taken.message() => {
                let Some(answer) = answer? else { anyhow::bail!("the stream has ended") };
                tracing::debug!(%tenant, revision = answer.revision, "rq has taken the agents in");
            }
            changed = held.changed() => {
                changed?;
                send(&updates, &mut held, tenant, &mut told).await?;
            }
        }
    }
}

/// Sends what differs from what was told; everything if nothing was told yet.
async fn send(
    updates: &mpsc::Sender<v1::AgentsUpdate>,
    held: &mut watch::Receiver<Held>,
    tenant: &TenantId,
    told: &mut Option<Profiles>,
) -> anyhow::Result<()> {
    let now = held.borrow_and_update().get(tenant).cloned();
    let Some((revision, objects)) = now else { return Ok(()) };
    let now = profiles(&objects);
    let before = told.as_ref();
    let differs = |id: &String, profile: &v1::AgentProfile| before.and_then(|b| b.get(id)) != Some(profile);
    let agents: Vec<_> = now.iter().filter(|(id, profile)| differs(id, profile)).map(|(_, p)| p.clone()).collect();
    let gone: Vec<_> =
        before.into_iter().flat_map(Profiles::keys).filter(|id| !now.contains_key(*id)).cloned().collect();
    let whole = before.is_none();
    *told = Some(now);
    updates.send(v1::AgentsUpdate { revision: revision.0, whole, agents, gone }).await?;
    Ok(())
}

fn profiles(objects: &TenantObjects) -> Profiles {
    let places: BTreeMap<&str, &[String]> =
        objects.places.iter().map(|place| (place.name.as_str(), place.dns.as_slice())).collect();
    let agents = objects.people.iter().filter_map(|person| person.agent.as_ref());
    agents
        .map(|agent| {
            let dns = agent.default_place.as_deref().and_then(|place| places.get(place)).copied().unwrap_or_default();
            let skills = agent.skills.iter();
            let profile = v1::AgentProfile {
                agent: agent.id.clone(),
                skills: skills.map(|s| v1::SkillLevel { skill: s.skill.clone(), level: s.level.into() }).collect(),
                wrap_up_ms: u64::from(agent.wrap_up_s.unwrap_or(objects.tenant.wrap_up_s)) * 1_000,
                default_dns: dns.to_vec(),
            };
            (agent.id.clone(), profile)
        })
        .collect()
}
