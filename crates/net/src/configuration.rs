//! A role's copy of the tenants' configuration, followed over HTTP from config (9100).

mod objects;
mod tenant_config;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contracts::configuration::{Changes, Versions};
use contracts::provisioning::ObjectKind;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use model::TenantId;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use runtime::RoleContext;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

pub use objects::Objects;
pub use tenant_config::{ObjectDifference, TenantConfig, is_up_to};

use crate::http::{CallError, Client};
use objects::{Pages, all_pages};

/// How long config holds a request while nothing changes, in seconds. A replica that hangs keeps changes from a follower for about as long.
const WAIT_S: u64 = 5;
/// The deadline for that request.
const DEADLINE: Duration = Duration::from_secs(WAIT_S + 2);
/// How long a replica may be silent that has nothing to wait for, before another one is asked.
const SILENT_MAX: Duration = Duration::from_secs(2);
/// The hold time while a tenant cannot be read, so that it is requested again soon.
const WAIT_AGAIN_S: u64 = 1;
/// The deadline for a page of a tenant's objects.
const PAGE_DEADLINE: Duration = Duration::from_secs(5);
/// Tenants that are read at the same time.
const READS_AT_ONCE: usize = 8;
/// How long a tenant that was read waits for others that are being read.
const OTHERS_WITHIN: Duration = Duration::from_millis(250);
/// Changed objects that are read without a thread of their own.
const OBJECTS_AT_ONCE: usize = 256;
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
            unlisted: HashSet::new(),
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
        let call = match etag {
            Some(etag) => self.client.get(&format!("/versions?wait_s={wait_s}&etag={}", escaped(etag))),
            None => self.client.get("/versions").silent_max(SILENT_MAX),
        };
        call.idempotent().deadline(DEADLINE).fetch().await
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
    /// The tenants that the last list lacked. A replica that is behind does not list a new one: it is gone if two lists in a row lack it.
    unlisted: HashSet<TenantId>,
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
        let listed = listed_tenants(&versions);
        // Before the first answer is whole, nobody is to take it for all that there is.
        let ReadTenants { read, failed } = self.read_later(&listed, was_unread.is_some()).await?;
        let is_new = |tenant: &TenantId| was_unread.as_ref().is_none_or(|unread| !unread.contains(tenant));
        if let Some((tenant, error)) = failed.iter().find(|(tenant, _)| is_new(tenant)) {
            // Logged once per outage, in one line for all tenants, when a tenant newly fails.
            tracing::warn!(
                %tenant, %error, unread = failed.len(),
                "a tenant's configuration cannot be read: what was known of it holds, the others are served; config's log may say why"
            );
        }
        let unread: HashSet<TenantId> = failed.into_iter().map(|(tenant, _)| tenant).collect();
        let mut next = after(&self.publish.borrow(), read, &mut self.read_at);
        let unlisted: HashSet<TenantId> = next.keys().filter(|tenant| !listed.contains_key(*tenant)).cloned().collect();
        let (gone, unlisted): (HashSet<_>, HashSet<_>) =
            unlisted.into_iter().partition(|tenant| self.unlisted.contains(tenant));
        let is_there = |tenant: &TenantId| !gone.contains(tenant);
        self.read_at.retain(|tenant, _| is_there(tenant));
        next.retain(|tenant, _| is_there(tenant));
        self.unlisted = unlisted;
        tell(&self.publish, next, was_unread.is_none());
        self.metrics.unread.set(i64::try_from(unread.len()).unwrap_or(i64::MAX));
        let is_as_listed = is_as_listed(&versions, &self.read_at, &unread);
        *self.unread() = Some(unread);
        Ok(is_as_listed.then_some(versions.etag))
    }

    /// Reads the tenants that are listed at later versions than are held, several at a time. One that is slow holds up no other, unless the
    /// caller wants them all together.
    async fn read_later(
        &mut self,
        listed: &ListedTenants<'_>,
        publishes_parts: bool,
    ) -> Result<ReadTenants, CallError> {
        let held = self.publish.borrow().clone();
        let mut later = Vec::new();
        for (tenant, version) in listed {
            let at = self.read_at.get(tenant);
            if at.is_none_or(|at| !is_up_to(at, version)) {
                later.push((tenant.clone(), held.get(tenant).cloned().zip(at.cloned())));
            }
        }
        let (mut later, mut reading) = (later.into_iter(), FuturesUnordered::new());
        let mut all = ReadTenants::default();
        let mut others = tokio::time::interval_at(Instant::now() + OTHERS_WITHIN, OTHERS_WITHIN);
        others.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while reading.len() < READS_AT_ONCE
                && let Some((tenant, before)) = later.next()
            {
                reading.push(read_tenant(&self.config, tenant, before));
            }
            tokio::select! {
                one = reading.next() => match one {
                    None => return Ok(all),
                    Some((tenant, Ok(read))) => all.read.push((tenant, read)),
                    // No tenant can be read: the last known configuration stays in use.
                    Some((_, Err(error @ (CallError::Nowhere(_) | CallError::Connect(..))))) => return Err(error),
                    Some((tenant, Err(error))) => {
                        self.metrics.failed.inc();
                        all.failed.push((tenant, error));
                    }
                },
                _ = others.tick(), if publishes_parts && !all.read.is_empty() => {
                    let next = after(&self.publish.borrow(), std::mem::take(&mut all.read), &mut self.read_at);
                    tell(&self.publish, next, false);
                }
            }
        }
    }

    fn unread(&self) -> MutexGuard<'_, Unread> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The followed tenants with their listed versions.
type ListedTenants<'a> = BTreeMap<TenantId, &'a str>;

fn listed_tenants(versions: &Versions) -> ListedTenants<'_> {
    if versions.tenants.len() > TENANTS_MAX {
        tracing::error!(most = TENANTS_MAX, "too many tenants: the rest is not served here");
    }
    let tenants = versions.tenants.iter().filter_map(|(name, at)| Some((TenantId::parse(name).ok()?, at.as_str())));
    tenants.take(TENANTS_MAX).collect()
}

/// A tenant's configuration with the version at which it was read, which may be later than its own.
type ReadTenant = (Arc<TenantConfig>, String);

/// What became of the tenants that were to be read.
#[derive(Default)]
struct ReadTenants {
    read: Vec<(TenantId, ReadTenant)>,
    failed: Vec<(TenantId, CallError)>,
}

/// What a tenant has now. A replica that tells an older version than is held leads nobody back.
async fn read_tenant(
    config: &impl Pages,
    tenant: TenantId,
    before: Option<ReadTenant>,
) -> (TenantId, Result<ReadTenant, CallError>) {
    let since = before.as_ref().map(|(_, at)| at.as_str());
    let changes = all_pages(config, tenant.as_str(), since).await;
    let read = match changes {
        Ok(changes) => after_changes(before.map(|(before, _)| before), changes).await,
        Err(error) => Err(error),
    };
    (tenant, read)
}

/// A tenant after these changes. Many are read beside the executor, whose threads pass on calls meanwhile.
async fn after_changes(before: Option<Arc<TenantConfig>>, changes: Changes) -> Result<ReadTenant, CallError> {
    let at = changes.version.clone();
    let is_large = changes.objects.len() > OBJECTS_AT_ONCE;
    let after = move || TenantConfig::after(before.as_ref(), changes);
    Ok((if is_large { beside(after).await? } else { after() }, at))
}

/// Does work that takes a processor for a while.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CallError> {
    // It fails when the process ends.
    tokio::task::spawn_blocking(work).await.map_err(|error| CallError::Shape(error.to_string()))
}

/// All tenants after these were read.
fn after(
    held: &HashMap<TenantId, Arc<TenantConfig>>,
    read: Vec<(TenantId, ReadTenant)>,
    read_at: &mut ReadAt,
) -> HashMap<TenantId, Arc<TenantConfig>> {
    let mut next = held.clone();
    for (tenant, (config, at)) in read {
        read_at.insert(tenant.clone(), at);
        next.insert(tenant, config);
    }
    next
}

/// Publishes what is another state, and the first one.
fn tell(publish: &watch::Sender<Tenants>, next: HashMap<TenantId, Arc<TenantConfig>>, is_first: bool) {
    if is_first || !is_same(&publish.borrow(), &next) {
        publish.send_replace(Arc::new(next));
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
