//! Asks config about the digests of each tenant by itself: one about which it does not answer keeps no other tenant's trunks waiting.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use contracts::configuration::TrunkDigests;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use model::TenantId;
use net::configuration::{Tenants, is_up_to};
use net::http::CallError;
use runtime::Drain;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{DigestsByTenant, TenantDigests, asks};

/// Tenants about which config is asked at once; further ones wait.
const AT_ONCE: usize = 16;
/// Pause before config is asked again about a tenant; it doubles with each failure.
const AGAIN: Duration = Duration::from_secs(1);
/// The longest such pause.
const AGAIN_MAX: Duration = Duration::from_secs(16);

/// What config says about a tenant.
type DigestAnswer = Result<TrunkDigests, CallError>;

/// Asks config about a tenant.
pub(super) type AskDigests = Box<dyn Fn(&TenantId) -> BoxFuture<'static, DigestAnswer> + Send>;

/// Follows the digests of all tenants.
pub(super) struct DigestFollower {
    ask: AskDigests,
    held: watch::Sender<DigestsByTenant>,
    tenants: Tenants,
    /// The versions of what was told last.
    versions: HashMap<TenantId, String>,
    /// Tenants that wait, by the time from which on config is asked about them.
    due: BTreeSet<(Instant, TenantId)>,
    under_way: FuturesUnordered<BoxFuture<'static, (TenantId, DigestAnswer)>>,
    /// The tenants of these.
    asked: HashSet<TenantId>,
    /// Those about which config did not answer, each with the last pause.
    failing: HashMap<TenantId, Duration>,
}

impl DigestFollower {
    pub(super) fn new(ask: AskDigests) -> (Self, watch::Receiver<DigestsByTenant>) {
        let (publish, held) = watch::channel(DigestsByTenant::new());
        let follower = Self {
            ask,
            held: publish,
            tenants: Tenants::default(),
            versions: HashMap::new(),
            due: BTreeSet::new(),
            under_way: FuturesUnordered::new(),
            asked: HashSet::new(),
            failing: HashMap::new(),
        };
        (follower, held)
    }

    /// Follows the tenants until the role ends.
    pub(super) async fn run(mut self, mut changes: watch::Receiver<Tenants>, drain: Drain) -> Result<()> {
        let tenants = changes.borrow_and_update().clone();
        self.follow(tenants, Instant::now());
        loop {
            let due = self.ask_due(Instant::now());
            tokio::select! {
                () = drain.ended() => return Ok(()),
                changed = changes.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let tenants = changes.borrow_and_update().clone();
                    self.follow(tenants, Instant::now());
                }
                Some((tenant, told)) = self.under_way.next() => self.told(tenant, told, Instant::now()),
                () = until(due) => {}
            }
        }
    }

    /// The tenants are these now. About one whose version has changed config is asked at once; what of it could not be read stays as it was.
    fn follow(&mut self, tenants: Tenants, now: Instant) {
        let before = std::mem::replace(&mut self.tenants, tenants);
        let is_here = |tenant: &TenantId| self.tenants.get(tenant).is_some_and(|config| asks(config));
        self.versions.retain(|tenant, _| is_here(tenant));
        self.failing.retain(|tenant, _| is_here(tenant));
        self.held.send_if_modified(|held| {
            let count = held.len();
            held.retain(|tenant, _| is_here(tenant));
            held.len() != count
        });
        let waiting = std::mem::take(&mut self.due);
        let waiting: HashMap<TenantId, Instant> = waiting.into_iter().map(|(at, tenant)| (tenant, at)).collect();
        for (tenant, config) in self.tenants.iter().filter(|(_, config)| asks(config)) {
            let is_known = self.versions.get(tenant).is_some_and(|told| is_up_to(told, &config.version));
            if self.asked.contains(tenant) || is_known {
                continue;
            }
            let is_same = before.get(tenant).is_some_and(|before| before.version == config.version);
            let at = waiting.get(tenant).copied().filter(|_| is_same).unwrap_or(now);
            self.due.insert((at, tenant.clone()));
        }
    }

    /// Asks about those that are due, so many at once. Returns when the next one is due, unless it has to wait for an answer about another.
    fn ask_due(&mut self, now: Instant) -> Option<Instant> {
        while self.under_way.len() < AT_ONCE {
            let (at, _) = self.due.first()?;
            if *at > now {
                return Some(*at);
            }
            let (_, tenant) = self.due.pop_first()?;
            let answer = (self.ask)(&tenant);
            self.asked.insert(tenant.clone());
            self.under_way.push(Box::pin(async move { (tenant, answer.await) }));
        }
        None
    }

    /// Config has answered about a tenant, or has not.
    fn told(&mut self, tenant: TenantId, told: DigestAnswer, now: Instant) {
        self.asked.remove(&tenant);
        let Some(config) = self.tenants.get(&tenant).filter(|config| asks(config)) else { return };
        let pause = match told {
            Ok(told) => {
                // Another replica of config may not have this version yet.
                let is_current = is_up_to(&told.version, &config.version);
                if self.failing.remove(&tenant).is_some() {
                    info!(%tenant, "config tells again against what passwords of trunks are checked");
                }
                self.versions.insert(tenant.clone(), told.version.clone());
                hold(&self.held, &tenant, TenantDigests::of(told));
                (!is_current).then_some(AGAIN)
            }
            Err(error) => Some(self.fails(&tenant, &error)),
        };
        if let Some(pause) = pause {
            self.due.insert((now + pause, tenant));
        }
    }

    /// Config does not answer about a tenant, which is logged once until it does. Returns the pause before it is asked again.
    fn fails(&mut self, tenant: &TenantId, error: &CallError) -> Duration {
        let before = self.failing.get(tenant).copied();
        if before.is_none() {
            warn!(
                %tenant, %error,
                "config does not tell against what passwords of trunks are checked: calls by trunks with new ones are refused"
            );
        } else {
            debug!(%tenant, %error, "config still does not tell against what passwords of trunks are checked");
        }
        let pause = (before.unwrap_or_default() * 2).clamp(AGAIN, AGAIN_MAX);
        self.failing.insert(tenant.clone(), pause);
        pause
    }
}

/// Holds what was told of a tenant. Who follows is told only if it differs: each time, the numbers of all phones are read anew.
fn hold(held: &watch::Sender<DigestsByTenant>, tenant: &TenantId, told: TenantDigests) {
    held.send_if_modified(|held| {
        let differs = held.get(tenant).is_none_or(|known| **known != told);
        if differs {
            held.insert(tenant.clone(), Arc::new(told));
        }
        differs
    });
}

/// Waits until then; for ever if nothing is due.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use contracts::configuration::TrunkDigest;
    use contracts::provisioning::{TenantObjects, Trunk as TrunkObject};
    use futures::FutureExt as _;
    use net::configuration::TenantConfig;

    use super::*;

    fn id(tenant: &str) -> TenantId {
        TenantId::parse(tenant).unwrap()
    }

    /// The configuration of tenants, each with a trunk that asks for a password, at these versions.
    fn tenants(all: &[(&str, &str)]) -> Tenants {
        let config = |(tenant, version): &(&str, &str)| {
            let own = serde_json::json!({
                "id": tenant, "name": tenant, "realm": "acme.example", "codecs": [], "hold_music": "m", "no_answer_s": 20, "wrap_up_s": 0
            });
            let mut objects = TenantObjects::new(serde_json::from_value(own).unwrap());
            let (name, inbound_user) = ("carrier".to_owned(), Some("pbx".to_owned()));
            objects.trunks = vec![TrunkObject { name, inbound_user, ..TrunkObject::default() }];
            let mut config = TenantConfig::of(&objects);
            config.version = (*version).to_owned();
            (id(tenant), Arc::new(config))
        };
        Arc::new(all.iter().map(config).collect())
    }

    fn digests(version: &str, md5: &str) -> TrunkDigests {
        let digest = TrunkDigest {
            trunk: "carrier".to_owned(),
            user: "pbx".to_owned(),
            realm: "acme.example".to_owned(),
            md5: md5.to_owned(),
            sha256: "s".to_owned(),
        };
        TrunkDigests { version: version.to_owned(), trunks: vec![digest] }
    }

    /// Config answers about all tenants but one.
    fn answer_but_one(tenant: &TenantId) -> BoxFuture<'static, DigestAnswer> {
        match tenant.as_str() {
            "silent" => std::future::pending().boxed(),
            _ => std::future::ready(Ok(digests("1", "m"))).boxed(),
        }
    }

    fn no_answer(_: &TenantId) -> BoxFuture<'static, DigestAnswer> {
        std::future::pending().boxed()
    }

    /// Config answers about nobody.
    fn silent() -> (DigestFollower, watch::Receiver<DigestsByTenant>) {
        DigestFollower::new(Box::new(no_answer))
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_about_which_config_does_not_answer_keeps_no_other_waiting() {
        let (follower, mut held) = DigestFollower::new(Box::new(answer_but_one));
        let (change, changes) = watch::channel(tenants(&[("silent", "1"), ("acme", "1")]));
        let drain = Drain::new(Duration::from_secs(1));
        let runs = tokio::spawn(follower.run(changes, drain.clone()));
        let at_once = Duration::from_millis(1);
        tokio::time::timeout(at_once, held.changed()).await.expect("at once").expect("it runs");
        let known = |tenant: &str| held.borrow().contains_key(&id(tenant));
        assert!(known("acme") && !known("silent"));
        drain.end();
        runs.await.expect("it is noticed, although an answer is awaited").expect("no error");
        drop(change);
    }

    #[tokio::test(start_paused = true)]
    async fn who_follows_is_told_what_differs_and_not_each_late_answer() {
        let (mut follower, mut held) = silent();
        let now = Instant::now();
        follower.follow(tenants(&[("acme", "2")]), now);
        for (version, md5, differs, is_known) in
            [("1", "m", true, false), ("1", "m", false, false), ("2", "m", false, true), ("2", "n", true, true)]
        {
            follower.due.clear();
            follower.told(id("acme"), Ok(digests(version, md5)), now);
            assert_eq!(held.has_changed().unwrap(), differs, "{version} {md5}");
            assert_eq!(follower.due.is_empty(), is_known, "{version} {md5}");
            held.borrow_and_update();
        }
        follower.follow(Tenants::default(), now);
        assert!(held.has_changed().unwrap() && held.borrow().is_empty(), "the tenant is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_that_fails_is_asked_about_less_and_less_until_it_changes() {
        let (mut follower, _held) = silent();
        let (now, acme) = (Instant::now(), id("acme"));
        follower.follow(tenants(&[("acme", "1")]), now);
        let fails = |follower: &mut DigestFollower| {
            follower.due.clear();
            follower.told(id("acme"), Err(CallError::Nowhere("config")), now);
            follower.due.first().map(|(at, _)| at.duration_since(now).as_secs())
        };
        let pauses: Vec<u64> = (0..6).filter_map(|_| fails(&mut follower)).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 16]);
        follower.follow(tenants(&[("acme", "1"), ("other", "1")]), now);
        let due: Vec<&TenantId> = follower.due.iter().map(|(_, tenant)| tenant).collect();
        assert_eq!(due, [&id("other"), &acme], "another tenant's change is none of its own");
        follower.follow(tenants(&[("acme", "2"), ("other", "1")]), now);
        assert!(follower.due.contains(&(now, acme.clone())), "its own is");
        follower.told(acme.clone(), Ok(digests("2", "m")), now);
        assert_eq!(fails(&mut follower), Some(1), "it has answered meanwhile");
    }

    #[tokio::test(start_paused = true)]
    async fn config_is_asked_about_so_many_tenants_at_once() {
        let (mut follower, _held) = silent();
        let now = Instant::now();
        let names: Vec<String> = (0..AT_ONCE + 4).map(|number| format!("t{number}")).collect();
        let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        follower.follow(tenants(&all), now);
        assert_eq!(follower.ask_due(now), None);
        follower.follow(tenants(&all), now);
        assert_eq!((follower.under_way.len(), follower.due.len()), (AT_ONCE, 4), "and about none twice");
    }
}
