//! Which tenants' webhooks this node delivers for: one node at a time for each tenant, under a job's lease.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use model::TenantId;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::WebhookShop;
use super::definition::Webhook;
use super::runner::Runner;
use super::target::DeliveryClient;

/// How long a tenant is kept without being renewed.
const LEASE: Duration = Duration::from_secs(10);
/// How often it is renewed, and its webhooks read again.
const RENEW_EACH: Duration = Duration::from_secs(3);
/// Each so many times, tenants of others are looked at too.
const OTHERS_EACH: u32 = 3;
/// How long deliveries may take to end.
const END_WITHIN: Duration = Duration::from_secs(5);

/// A tenant that this node delivers for.
struct OwnedTenant {
    tell: watch::Sender<Arc<Vec<Webhook>>>,
    running: HashMap<String, CancellationToken>,
    /// Those whose secrets cannot be opened, which is said once.
    unreadable: HashSet<String>,
    sender: DeliveryClient,
}

impl OwnedTenant {
    /// Says of each webhook that cannot sign that it delivers nothing.
    fn tell_unreadable(&mut self, tenant: &TenantId, webhooks: &[Webhook]) {
        let unreadable = webhooks.iter().filter(|each| each.secret.opened().is_none());
        let unreadable: HashSet<String> = unreadable.map(|each| each.id.clone()).collect();
        for webhook in unreadable.difference(&self.unreadable) {
            tracing::error!(%tenant, webhook, "a webhook's secret cannot be opened: it delivers nothing until another one is set");
        }
        self.unreadable = unreadable;
    }
}

/// Delivers until the role drains. `changed` names tenants whose webhooks were changed here.
pub(super) async fn run(shared: Arc<WebhookShop>, mut changed: mpsc::Receiver<TenantId>) -> anyhow::Result<()> {
    let mut owned = HashMap::<TenantId, OwnedTenant>::new();
    let mut tasks = JoinSet::new();
    let mut looks = tokio::time::interval(RENEW_EACH);
    let (mut count, mut known) = (0_u32, HashSet::<TenantId>::new());
    loop {
        let mut look_at: HashSet<TenantId> = tokio::select! {
            () = shared.drain.begun() => break,
            Some(_) = tasks.join_next() => continue,
            _ = looks.tick() => {
                if count.is_multiple_of(OTHERS_EACH) {
                    known.extend(shared.outbox.tenants().await.unwrap_or_default());
                    known.clone()
                } else {
                    owned.keys().cloned().collect()
                }
            }
            Some(tenant) = changed.recv() => HashSet::from([tenant]),
        };
        count = count.wrapping_add(1);
        known.extend(look_at.iter().cloned());
        for tenant in look_at.drain() {
            if let Err(error) = look(&shared, &tenant, &mut owned, &mut tasks).await {
                tracing::debug!(%tenant, %error, "webhooks cannot be read");
            }
        }
    }
    owned.values().flat_map(|owned| owned.running.values()).for_each(CancellationToken::cancel);
    let _ = tokio::time::timeout(END_WITHIN, async { while tasks.join_next().await.is_some() {} }).await;
    Ok(())
}

/// Renews a tenant, and starts and stops the deliveries of its webhooks.
async fn look(
    shared: &Arc<WebhookShop>,
    tenant: &TenantId,
    all: &mut HashMap<TenantId, OwnedTenant>,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    let held = shared.store.webhooks(tenant).await?;
    let webhooks = Arc::new(held.webhooks);
    if webhooks.is_empty() && held.former.is_empty() && !all.contains_key(tenant) {
        return Ok(());
    }
    let job = format!("webhooks:{tenant}");
    if shared.leases.take_job(&job, &shared.owner, LEASE).await?.is_none() {
        if let Some(lost) = all.remove(tenant) {
            lost.running.values().for_each(CancellationToken::cancel);
        }
        return Ok(());
    }
    if held.is_in_clear || !held.former.is_empty() {
        let (is_in_clear, former) = (held.is_in_clear, held.former.len());
        match shared.store.tidy(tenant).await {
            Ok(()) => {
                tracing::info!(%tenant, is_in_clear, former, "webhooks are sealed, and those of a tenant before it are gone")
            }
            Err(error) => tracing::warn!(%tenant, is_in_clear, former, %error,
                "webhooks stand in clear, or are of a tenant before it, until the next look"),
        }
    }
    let owned = all.entry(tenant.clone()).or_insert_with(|| OwnedTenant {
        tell: watch::channel(Arc::default()).0,
        running: HashMap::new(),
        unreadable: HashSet::new(),
        sender: shared.sender.of_tenant(),
    });
    owned.tell_unreadable(tenant, &webhooks);
    let delivered = || webhooks.iter().filter(|each| each.is_delivered());
    let wanted: HashSet<&str> = delivered().map(|each| each.id.as_str()).collect();
    owned.running.retain(|id, stop| {
        let stays = wanted.contains(id.as_str()) && !stop.is_cancelled();
        if !stays {
            stop.cancel();
        }
        stays
    });
    owned.tell.send_if_modified(|present| {
        let differs = **present != *webhooks;
        *present = webhooks.clone();
        differs
    });
    for webhook in delivered() {
        if owned.running.contains_key(&webhook.id) {
            continue;
        }
        let stop = CancellationToken::new();
        owned.running.insert(webhook.id.clone(), stop.clone());
        let runner = Runner::load(shared.clone(), tenant.clone(), webhook.clone(), owned.sender.of_webhook());
        tasks.spawn(deliver(tenant.clone(), webhook.id.clone(), runner, owned.tell.subscribe(), stop));
    }
    Ok(())
}

/// Works for one webhook. When it ends by itself, the next look starts it anew.
async fn deliver(
    tenant: TenantId,
    webhook: String,
    runner: impl Future<Output = anyhow::Result<Runner>> + Send,
    defined: watch::Receiver<Arc<Vec<Webhook>>>,
    stop: CancellationToken,
) {
    // Also if it panics.
    let _ends = stop.clone().drop_guard();
    match runner.await {
        Ok(runner) => runner.run(defined, stop).await,
        Err(error) => tracing::warn!(%tenant, webhook, %error, "a webhook cannot be delivered for"),
    }
}
