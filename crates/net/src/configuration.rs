//! A role's copy of the tenants' configuration, followed over HTTP from config (9100).

mod objects;
mod tenant_config;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contracts::configuration::{Changes, Versions};
use contracts::provisioning::ObjectKind;
use model::TenantId;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use runtime::RoleContext;
use tokio::sync::watch;

pub use objects::Objects;
pub use tenant_config::{ObjectDifference, TenantConfig, is_up_to};

use crate::http::{CallError, Client};
use objects::{Pages, all_pages};

/// How long config holds a request while nothing changes, in seconds.
const WAIT_S: u64 = 20;
/// The deadline for that request.
const DEADLINE: Duration = Duration::from_secs(WAIT_S + 5);
/// The hold time while a tenant cannot be read, so that it is requested again soon.
const WAIT_AGAIN_S: u64 = 1;
/// The deadline for a page of a tenant's objects.
const PAGE_DEADLINE: Duration = Duration::from_secs(5);
/// Pause after a failure.
const PAUSE: Duration = Duration::from_millis(200);
/// The most tenants that are followed; further ones are left out with an error in the log.
const TENANTS_MAX: usize = 10_000;

/// The readiness condition: the configuration was read once.
const CONDITION: &str = "configuration";

/// All tenants as last read.
pub type Tenants = Arc<HashMap<TenantId, Arc<TenantConfig>>>;

runtime::metrics! {
    /// Counters of following the configuration.
    #[derive(Clone)]
    pub struct Metrics {
        /// Tenants whose configuration cannot be read now. Their last known configuration stays in use; a tenant
        /// without one is not served.
        unread: Gauge = "configuration_tenants_unread";
        /// Failed attempts to read one tenant's configuration.
        failed: Counter = "configuration_read_failures";
    }
}

/// Follows the configuration. Cheap to clone.
#[derive(Clone)]
pub struct Configuration {
    tenants: watch::Receiver<Tenants>,
    unread: Arc<Mutex<Unread>>,
}

/// The tenants that could not be read at the last attempt; `None` until config has answered once.
type Unread = Option<HashSet<TenantId>>;

impl Configuration {
    /// Begins to follow the objects of some kinds over the connection `id` (the role's row to config). The role is
    /// ready once they were read.
    pub fn follow(ctx: &RoleContext, id: &str, kinds: &'static [ObjectKind]) -> anyhow::Result<Self> {
        ctx.ready.require(CONDITION);
        let client = Client::new(ctx, id)?;
        let (publish, tenants) = watch::channel(Tenants::default());
        let (ready, drain) = (ctx.ready.clone(), ctx.drain.clone());
        let metrics = Metrics::register(&ctx.metrics);
        let unread = Arc::default();
        let mut follower = Follower {
            config: Config { objects: Objects::new(client.clone(), kinds, PAGE_DEADLINE), client },
            publish,
            read_at: ReadAt::new(),
            unread: Arc::clone(&unread),
            metrics,
        };
        ctx.spawn("configuration follower", async move {
            let (mut etag, mut answers) = (None, true);
            loop {
                let outcome = tokio::select! {
                    () = drain.ended() => return Ok(()),
                    outcome = follower.turn(etag.as_deref()) => outcome,
                };
                let answered = std::mem::replace(&mut answers, outcome.is_ok());
                match outcome {
                    Ok(Some(now)) => {
                        etag = Some(now);
                        ready.holds(CONDITION);
                    }
                    Ok(None) => {
                        etag = None;
                        tokio::time::sleep(PAUSE).await;
                    }
                    // Logged once per outage.
                    Err(error) if answered => {
                        tracing::warn!(%error, "config does not answer; what is held stays good");
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(error) => {
                        tracing::debug!(%error, "config still does not answer");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        });
        Ok(Self { tenants, unread })
    }

    /// All tenants as last read.
    pub fn tenants(&self) -> Tenants {
        self.tenants.borrow().clone()
    }

    /// A tenant as last read.
    pub fn tenant(&self, tenant: &TenantId) -> Option<Arc<TenantConfig>> {
        self.tenants.borrow().get(tenant).cloned()
    }

    /// Whether there may be a tenant that is not among those last read: config has not answered yet, or the tenant could not be read.
    pub fn may_exist(&self, tenant: &TenantId) -> bool {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_none_or(|unread| unread.contains(tenant))
    }

    /// Whether config has answered: only then no tenant means that there is none.
    pub fn has_answered(&self) -> bool {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Notifies of every change of objects of the followed kinds.
    pub fn changes(&self) -> watch::Receiver<Tenants> {
        self.tenants.clone()
    }
}

/// The service that is followed.
trait Source: Pages {
    /// The tenants' versions. With an etag it waits until they differ from it, at most `wait_s`.
    fn versions(&self, etag: Option<&str>, wait_s: u64) -> impl Future<Output = Result<Versions, CallError>> + Send;
}

struct Config {
    client: Client,
    objects: Objects,
}

impl Source for Config {
    async fn versions(&self, etag: Option<&str>, wait_s: u64) -> Result<Versions, CallError> {
        let path = match etag {
            Some(etag) => format!("/versions?wait_s={wait_s}&etag={}", escaped(etag)),
            None => "/versions".to_owned(),
        };
        self.client.get(&path).idempotent().deadline(DEADLINE).fetch().await
    }
}

impl Pages for Config {
    async fn page(&self, tenant: &str, version: Option<&str>, from: &str) -> Result<Changes, CallError> {
        self.objects.page(tenant, version, from).await
    }
}

/// The versions at which the tenants were read last.
type ReadAt = HashMap<TenantId, String>;

struct Follower<S> {
    config: S,
    publish: watch::Sender<Tenants>,
    /// Later than those of what is published where other objects than the followed ones have changed.
    read_at: ReadAt,
    unread: Arc<Mutex<Unread>>,
    metrics: Metrics,
}

impl<S: Source> Follower<S> {
    /// Waits for versions that differ, reads and publishes the changes, and gives the etag of that state; `None` when
    /// the objects read do not match the etag. A tenant that cannot be read keeps its last known configuration; all
    /// others are published.
    async fn turn(&mut self, etag: Option<&str>) -> Result<Option<String>, CallError> {
        let was_unread = self.unread().clone();
        let all_read = was_unread.as_ref().is_none_or(HashSet::is_empty);
        let versions = self.config.versions(etag, if all_read { WAIT_S } else { WAIT_AGAIN_S }).await?;
        if etag == Some(versions.etag.as_str()) && all_read {
            return Ok(Some(versions.etag));
        }
        let held = self.publish.borrow().clone();
        let (mut next, mut read_at, mut unread) = (HashMap::new(), ReadAt::new(), HashSet::new());
        let mut first = None;
        for (name, version) in &versions.tenants {
            let Ok(tenant) = TenantId::parse(name) else { continue };
            if next.len() >= TENANTS_MAX {
                tracing::error!(most = TENANTS_MAX, "too many tenants: the rest is not served here");
                break;
            }
            let before = held.get(&tenant).zip(self.read_at.get(&tenant));
            match self.read(name, version, before).await {
                Ok((now, at)) => {
                    read_at.insert(tenant.clone(), at);
                    next.insert(tenant, now);
                }
                // No tenant can be read: the last known configuration stays in use.
                Err(error @ (CallError::Nowhere(_) | CallError::Connect(..))) => return Err(error),
                Err(error) => {
                    self.metrics.failed.inc();
                    read_at.extend(before.map(|(_, at)| (tenant.clone(), at.clone())));
                    next.extend(before.map(|(before, _)| (tenant.clone(), before.clone())));
                    if was_unread.as_ref().is_none_or(|unread| !unread.contains(&tenant)) {
                        first.get_or_insert_with(|| (tenant.clone(), error));
                    }
                    unread.insert(tenant);
                }
            }
        }
        if let Some((tenant, error)) = first {
            // Logged once per outage, in one line for all tenants, when a tenant newly fails.
            tracing::warn!(
                %tenant, %error, unread = unread.len(),
                "a tenant's configuration cannot be read: what was known of it holds, the others are served; config's log may say why"
            );
        }
        let is_as_listed = is_as_listed(&versions, &read_at, &unread);
        self.read_at = read_at;
        self.metrics.unread.set(i64::try_from(unread.len()).unwrap_or(i64::MAX));
        if was_unread.is_none() || !is_same(&held, &next) {
            self.publish.send_replace(Arc::new(next));
        }
        *self.unread() = Some(unread);
        Ok(is_as_listed.then_some(versions.etag))
    }

    fn unread(&self) -> MutexGuard<'_, Unread> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a tenant has at this version, or at a later one, and which that is. A replica that lists, or tells, an older one than is held
    /// leads nobody back.
    async fn read(
        &self,
        name: &str,
        version: &str,
        before: Option<(&Arc<TenantConfig>, &String)>,
    ) -> Result<(Arc<TenantConfig>, String), CallError> {
        if let Some((before, at)) = before.filter(|(_, at)| is_up_to(at, version)) {
            return Ok((before.clone(), at.clone()));
        }
        let changes = all_pages(&self.config, name, before.map(|(_, at)| at.as_str())).await?;
        let at = changes.version.clone();
        Ok((TenantConfig::after(before.map(|(before, _)| before), changes), at))
    }
}

/// Whether nothing has changed. A tenant's configuration is replaced, never altered.
fn is_same(held: &HashMap<TenantId, Arc<TenantConfig>>, next: &HashMap<TenantId, Arc<TenantConfig>>) -> bool {
    let same = |(tenant, now)| held.get(tenant).is_some_and(|before| Arc::ptr_eq(before, now));
    held.len() == next.len() && next.iter().all(same)
}

/// Whether each tenant matches the listed versions. Replicas of config see a change one after the other, and each
/// request may go to another one: the replica that lists a new version need not be the one that gave the objects. If
/// the etag were kept then, outdated objects would stay until the next change. An unread tenant is requested again
/// anyway.
fn is_as_listed(versions: &Versions, read_at: &ReadAt, unread: &HashSet<TenantId>) -> bool {
    let mut read = read_at.iter().filter(|(tenant, _)| !unread.contains(*tenant));
    read.all(|(tenant, at)| versions.tenants.get(tenant.as_str()) == Some(at))
}

/// A text as part of a path or query.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests;
