//! The tenants that somebody follows, each by a task of its own: from the first who asks about one until some minutes after the last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::TenantId;
use net::http::Problem;
use runtime::{RoleContext, fault};
use tokio::sync::watch;

use super::Metrics;
use super::feed::{TenantClient, VoiceFeed, tenant_client};
use super::followed::{FollowedTenant, TenantStanding};
use super::kept_voices::KeptVoices;
use super::recent::RecentRoom;

/// The most tenants that a replica follows. Their recent messages have one room together.
const TENANTS_MAX: usize = 2_000;
/// Pause before a tenant's picture begins anew after a fault: one that lasts must not delay the other tenants.
const BEGIN_ANEW: Duration = Duration::from_secs(5);
/// How often timers of tenants are looked at: parked connects end so much later at most.
const TICK: Duration = Duration::from_secs(1);

/// The tenants. Cheap to clone.
#[derive(Clone)]
pub(super) struct VoiceTenants {
    ctx: RoleContext,
    metrics: Metrics,
    client: TenantClient,
    room: RecentRoom,
    voices: KeptVoices,
    kept: Arc<Mutex<HashMap<TenantId, KeptVoice>>>,
}

/// A tenant, and what stops its task when it is dropped.
struct KeptVoice {
    followed: FollowedTenant,
    _stop: watch::Sender<()>,
}

impl VoiceTenants {
    pub fn new(ctx: &RoleContext, metrics: &Metrics) -> anyhow::Result<Self> {
        let client = tenant_client(ctx)?;
        let (room, voices) = (RecentRoom::default(), KeptVoices::new(ctx));
        Ok(Self { ctx: ctx.clone(), metrics: metrics.clone(), client, room, voices, kept: Arc::default() })
    }

    /// A client for requests to tenant.
    pub fn client(&self) -> TenantClient {
        self.client.clone()
    }

    /// The tenant, which is followed from now on if it was not.
    ///
    /// # Errors
    /// When too many are followed (503).
    pub fn follow(&self, tenant: &TenantId) -> Result<FollowedTenant, Problem> {
        let mut kept = self.lock();
        if let Some(known) = kept.get(tenant) {
            return Ok(known.followed.clone());
        }
        if kept.len() >= TENANTS_MAX {
            return Err(Problem::unavailable("too many tenants are followed here"));
        }
        let followed = FollowedTenant::new(self.ctx.entropy(), self.ctx.clock.clone(), &self.room);
        let (stop, stopped) = watch::channel(());
        self.ctx.spawn("events of a tenant", follow(self.clone(), tenant.clone(), followed.clone(), stopped));
        kept.insert(tenant.clone(), KeptVoice { followed: followed.clone(), _stop: stop });
        self.count(kept.len());
        Ok(followed)
    }

    /// Lets the time of each tenant pass, and lets go of those that nobody reads.
    pub async fn keep_time(self) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                () = self.ctx.drain.ended() => return Ok(()),
                _ = tick.tick() => {}
            }
            let all: Vec<(TenantId, FollowedTenant)> =
                self.lock().iter().map(|(tenant, kept)| (tenant.clone(), kept.followed.clone())).collect();
            let mut cut_off = 0;
            for (tenant, followed) in all {
                let standing = followed.handle_timeout();
                cut_off += i64::from(standing.is_cut_off);
                tell_turn(&tenant, standing);
                if standing.is_unread {
                    let mut kept = self.lock();
                    kept.remove(&tenant);
                    self.count(kept.len());
                }
            }
            self.metrics.tenants_cut_off.set(cut_off);
        }
    }

    fn count(&self, tenants: usize) {
        self.metrics.tenants.set(i64::try_from(tenants).unwrap_or(i64::MAX));
    }

    /// The map is whole after every step.
    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, KeptVoice>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell_turn(tenant: &TenantId, standing: TenantStanding) {
    match (standing.has_turned, standing.is_cut_off) {
        (true, true) => {
            tracing::warn!(%tenant, "no events of the tenant come: its readers are sent to another replica")
        }
        (true, false) => tracing::info!(%tenant, "events of the tenant come again"),
        (false, _) => {}
    }
}

/// Follows a tenant until nobody reads it. A fault there costs its own picture alone, which begins anew.
async fn follow(
    tenants: VoiceTenants,
    tenant: TenantId,
    followed: FollowedTenant,
    stopped: watch::Receiver<()>,
) -> anyhow::Result<()> {
    let VoiceTenants { ctx, metrics, client, voices, .. } = tenants;
    let (mut gone, mut has_failed) = (stopped.clone(), false);
    loop {
        let feed = VoiceFeed::new(&ctx, &tenant, &metrics, &client, (&followed, &voices));
        let feed = if has_failed { feed.anew() } else { feed };
        let Err(error) = fault::contained(feed.run(stopped.clone())).await else { return Ok(()) };
        has_failed = true;
        metrics.faults.inc();
        tracing::error!(%tenant, error = format!("{error:#}"), "a tenant's picture has a fault: it begins anew");
        followed.begin_anew();
        tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            _ = gone.changed() => return Ok(()),
            () = tokio::time::sleep(BEGIN_ANEW) => {}
        }
    }
}
