//! Sends rq the tenants' agents and skills (voice-16): a snapshot, then changes.

mod profiles;

use std::collections::HashMap;
use std::time::Duration;

use contracts::v1;
use contracts::v1::routing_client::RoutingClient;
use infra::{ConfigVersion, Revision};
use model::TenantId;
use prost::Message as _;
use runtime::RoleContext;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::PublishedTenants;
use super::stored_tenants::StoredTenants;

pub(super) use profiles::AgentObjects;
use profiles::ToldAgents;

/// The port of rq.
const PORT: u16 = 12_100;
/// Pause before a broken stream is opened again.
const PAUSE: Duration = Duration::from_millis(500);
/// The most updates waiting to be sent.
const WAITING_MAX: usize = 4;
/// A message ends with the agent that reaches this number of bytes. Even with the largest agent of a file at its end it stays far below the
/// 4 MiB that a gRPC reader accepts.
const PART_BYTES: usize = 1 << 20;
/// Roles start in any order: only after this number of failed attempts does the log warn about rq.
const ATTEMPTS_QUIET: u32 = 10;

/// Keeps a stream for each published tenant that the database has, until the role ends.
pub(super) async fn run(
    ctx: RoleContext,
    mut held: watch::Receiver<PublishedTenants>,
    mut stored: watch::Receiver<StoredTenants>,
) -> anyhow::Result<()> {
    let mut told = ToldTenants::default();
    loop {
        let (published, known) = (held.borrow_and_update().clone(), stored.borrow_and_update().clone());
        for (tenant, gone) in told.follow(&published, &known) {
            ctx.spawn("agents of a tenant to rq", tell(ctx.clone(), held.clone(), tenant, gone));
        }
        tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            changed = held.changed() => if changed.is_err() { return Ok(()) },
            changed = stored.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}

/// The tenants with a stream, each with what ends it when it is dropped.
#[derive(Default)]
struct ToldTenants(HashMap<TenantId, watch::Sender<()>>);

impl ToldTenants {
    /// Ends the streams of tenants that are gone. Returns those that need one, each with what tells that it is gone.
    fn follow(&mut self, published: &PublishedTenants, stored: &StoredTenants) -> Vec<(TenantId, watch::Receiver<()>)> {
        // What was published of a tenant remains for a while when it is gone.
        let is_there = |tenant: &TenantId| stored.point(tenant).is_some();
        self.0.retain(|tenant, _| is_there(tenant) || stored.ids().is_none());
        let mut new = Vec::new();
        for tenant in published.keys().filter(|tenant| is_there(tenant)) {
            if !self.0.contains_key(tenant) {
                let (ends, gone) = watch::channel(());
                self.0.insert(tenant.clone(), ends);
                new.push((tenant.clone(), gone));
            }
        }
        new
    }
}

async fn tell(
    ctx: RoleContext,
    held: watch::Receiver<PublishedTenants>,
    tenant: TenantId,
    mut gone: watch::Receiver<()>,
) -> anyhow::Result<()> {
    let mut failed: u32 = 0;
    loop {
        let ended = tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            _ = gone.changed() => return Ok(()),
            ended = tell_once(&ctx, held.clone(), &tenant, &mut failed) => ended,
        };
        failed = failed.saturating_add(1);
        if let Err(error) = ended {
            if failed == ATTEMPTS_QUIET {
                tracing::warn!(%tenant, %error, "rq does not take agents: it chooses among those that it knew; trying again");
            } else {
                tracing::debug!(%tenant, %error, "rq does not take agents: trying again");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Serves one stream until it breaks. An acknowledgement resets `failed`.
async fn tell_once(
    ctx: &RoleContext,
    mut held: watch::Receiver<PublishedTenants>,
    tenant: &TenantId,
    failed: &mut u32,
) -> anyhow::Result<()> {
    let mut client = RoutingClient::new(net::grpc::channel(ctx, "voice-16", PORT)?);
    let (updates, stream) = mpsc::channel(WAITING_MAX);
    let request = net::grpc::for_tenant(tonic::Request::new(ReceiverStream::new(stream)), tenant);
    // Read acknowledgements before sending: a large tenant has more parts than the channel holds.
    let mut taken = client.push_agents(request).await?.into_inner();
    let mut told = None;
    send(&updates, &mut held, tenant, &mut told).await?;
    loop {
        tokio::select! {
            answer = taken.message() => {
                let Some(answer) = answer? else { anyhow::bail!("the stream has ended") };
                *failed = 0;
                tracing::debug!(%tenant, revision = answer.revision, "rq has taken the agents in");
            }
            changed = held.changed() => {
                changed?;
                send(&updates, &mut held, tenant, &mut told).await?;
            }
        }
    }
}

/// Sends the differences to the last sent state, if there are any; everything at the first time.
async fn send(
    updates: &mpsc::Sender<v1::AgentsUpdate>,
    held: &mut watch::Receiver<PublishedTenants>,
    tenant: &TenantId,
    told: &mut Option<(ConfigVersion, ToldAgents)>,
) -> anyhow::Result<()> {
    let now = held.borrow_and_update().get(tenant).cloned();
    let Some((version, objects)) = now else { return Ok(()) };
    // Every tenant's change wakes every tenant's task.
    if told.as_ref().is_some_and(|(last, _)| *last == version) {
        return Ok(());
    }
    let before = told.take().map(|(_, before)| before);
    // Expressions of many groups for many agents: not on the thread that serves every tenant.
    let compute = move || objects.update(Revision(version.revision), before.as_ref());
    let (update, now) = tokio::task::spawn_blocking(compute).await?;
    *told = Some((version, now));
    if !update.whole && update.agents.is_empty() && update.gone.is_empty() {
        return Ok(());
    }
    for part in parts(update) {
        updates.send(part).await?;
    }
    Ok(())
}

/// Splits the update into messages that every reader accepts. The first one contains the removed agents.
fn parts(update: v1::AgentsUpdate) -> Vec<v1::AgentsUpdate> {
    let mut parts = vec![v1::AgentsUpdate { agents: Vec::new(), ..update }];
    let mut bytes = 0;
    for agent in update.agents {
        if bytes >= PART_BYTES {
            parts.push(v1::AgentsUpdate { revision: update.revision, ..v1::AgentsUpdate::default() });
            bytes = 0;
        }
        bytes += agent.encoded_len();
        parts.last_mut().expect("there is a first one").agents.push(agent);
    }
    let last = parts.len() - 1;
    for part in &mut parts[..last] {
        part.unfinished = true;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_agents_of_twenty_skills_come_in_messages_that_are_read() {
        let skill = |n| v1::SkillLevel { skill: format!("a skill of some length {n}"), level: 7 };
        let skills: Vec<_> = (0..20).map(skill).collect();
        let profile =
            |n| v1::AgentProfile { agent: format!("agent-{n}"), skills: skills.clone(), ..Default::default() };
        let agents: Vec<_> = (0..10_000).map(profile).collect();
        let gone = vec!["somebody".to_owned()];
        let update = v1::AgentsUpdate { revision: 7, whole: true, agents, gone, unfinished: false };
        assert!(update.encoded_len() > 4 << 20, "no reader would take it in one");

        let parts = parts(update.clone());
        assert!(parts.iter().all(|part| part.encoded_len() < 2 << 20));
        let (last, others) = parts.split_last().unwrap();
        assert!(!last.unfinished && others.iter().all(|part| part.unfinished));
        assert!(parts[0].whole && parts[0].gone == update.gone && parts[1..].iter().all(|part| part.gone.is_empty()));
        let agents: Vec<_> = parts.into_iter().flat_map(|part| part.agents).collect();
        assert_eq!(agents, update.agents);
    }

    #[test]
    fn a_tenant_that_is_gone_ends_its_stream_and_has_another_when_it_comes_back() {
        let mut published = PublishedTenants::new();
        for name in ["acme", "globex"] {
            published.insert(TenantId::parse(name).unwrap(), (ConfigVersion::default(), AgentObjects::default()));
        }
        let stored = |names: &[&str]| {
            let point = |name: &&str| (TenantId::parse(name).unwrap(), infra::HistoryPoint::unstamped(Revision(1)));
            StoredTenants::known(names.iter().map(point))
        };
        let names = |begun: &[(TenantId, watch::Receiver<()>)]| -> Vec<String> {
            begun.iter().map(|(tenant, _)| tenant.to_string()).collect()
        };
        let mut told = ToldTenants::default();
        assert_eq!(names(&told.follow(&published, &StoredTenants::default())), Vec::<String>::new());
        let begun = told.follow(&published, &stored(&["acme", "globex"]));
        assert_eq!(names(&begun), ["acme", "globex"]);
        assert!(told.follow(&published, &stored(&["globex"])).is_empty());
        let ended: Vec<bool> = begun.iter().map(|(_, gone)| gone.has_changed().is_err()).collect();
        assert_eq!(ended, [true, false]);
        assert_eq!(names(&told.follow(&published, &stored(&["acme", "globex"]))), ["acme"]);
    }

    #[test]
    fn an_update_without_agents_is_one_message() {
        let update = v1::AgentsUpdate { revision: 7, whole: true, ..v1::AgentsUpdate::default() };
        assert_eq!(parts(update.clone()), [update]);
    }
}
