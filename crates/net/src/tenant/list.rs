//! Follows which tenants there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use contracts::v1;
use contracts::v1::configuration_client::ConfigurationClient;
use futures::{Stream, StreamExt as _};
use model::TenantId;
use prometheus_client::metrics::counter::Counter;
use runtime::{Readiness, RoleContext};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Status;

use super::kept_list::KeptList;

/// The port of tenant that tells.
const PORT: u16 = 8888;
/// The stream of tenants says something at least every 5 s.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Pause before a broken stream is opened again.
const PAUSE: Duration = Duration::from_millis(300);
/// The readiness condition: it is known which tenants there are.
const CONDITION: &str = "tenants";

/// The tenants of the installation.
pub type TenantList = Arc<BTreeSet<TenantId>>;

/// The host names at which tenants are meant, in lower case, each with its tenant.
pub type TenantHosts = Arc<BTreeMap<String, TenantId>>;

runtime::metrics! {
    /// Counters of following the list of tenants.
    #[derive(Clone)]
    pub struct Metrics {
        /// Streams of the list of tenants that broke or could not be opened. What was listed last holds until one is open again.
        streams_broken: Counter = "tenant_list_streams_broken";
    }
}

/// Begins to follow the list of tenants over the connection `id` (the role's row to tenant). The role is not ready before it knows them.
/// The receiver is notified of the first list, even if nobody is on it, and of each other one. While no stream is open the last list holds;
/// a tenant leaves it once the lists have lacked it for some seconds.
pub fn follow_list(ctx: &RoleContext, id: &'static str) -> watch::Receiver<TenantList> {
    follow(ctx, id, None)
}

/// The same with the host names of the tenants, which are told within some seconds after a change. While no stream is open, and of a tenant
/// that is not there, those of before hold.
pub fn follow_list_with_hosts(
    ctx: &RoleContext,
    id: &'static str,
) -> (watch::Receiver<TenantList>, watch::Receiver<TenantHosts>) {
    let (publish, hosts) = watch::channel(TenantHosts::default());
    (follow(ctx, id, Some(publish)), hosts)
}

fn follow(
    ctx: &RoleContext,
    id: &'static str,
    hosts: Option<watch::Sender<TenantHosts>>,
) -> watch::Receiver<TenantList> {
    ctx.ready.require(CONDITION);
    let (publish, listed) = watch::channel(TenantList::default());
    let follower = ListFollower {
        kept: KeptList::default(),
        publish,
        hosts,
        was_told: false,
        ready: ctx.ready.clone(),
        metrics: Metrics::register(&ctx.metrics),
    };
    ctx.spawn("list of tenants", follower.run(ctx.clone(), id));
    listed
}

struct ListFollower {
    kept: KeptList,
    publish: watch::Sender<TenantList>,
    /// Who wants the host names, too.
    hosts: Option<watch::Sender<TenantHosts>>,
    /// Whether there has been a list.
    was_told: bool,
    ready: Readiness,
    metrics: Metrics,
}

impl ListFollower {
    async fn run(mut self, ctx: RoleContext, id: &'static str) -> anyhow::Result<()> {
        loop {
            let ended = tokio::select! {
                () = ctx.drain.ended() => return Ok(()),
                ended = self.follow_once(&ctx, id) => ended,
            };
            if let Err(error) = ended {
                self.metrics.streams_broken.inc();
                tracing::debug!(%error, "the tenants cannot be followed: trying again");
            }
            tokio::select! {
                () = ctx.drain.ended() => return Ok(()),
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Opens a stream to a replica that is there now.
    async fn follow_once(&mut self, ctx: &RoleContext, id: &'static str) -> anyhow::Result<()> {
        let mut client = ConfigurationClient::new(crate::grpc::channel(ctx, id, PORT)?);
        let answers =
            client.follow_tenants(v1::FollowTenantsRequest { hosts: self.hosts.is_some() }).await?.into_inner();
        self.take_in(answers).await
    }

    /// Takes in the lists of a stream until it breaks.
    async fn take_in(
        &mut self,
        mut answers: impl Stream<Item = Result<v1::FollowTenantsResponse, Status>> + Unpin,
    ) -> anyhow::Result<()> {
        self.kept.stream_begins();
        loop {
            let answer = tokio::time::timeout(SILENCE_MAX, answers.next()).await.context("silence")?;
            let v1::FollowTenantsResponse { tenants, hosts } = answer.context("the stream has ended")??;
            let told = tenants.iter().filter_map(|id| TenantId::parse(id).ok()).collect();
            let is_first = !std::mem::replace(&mut self.was_told, true);
            let is_other = self.kept.told(&told, Instant::now());
            self.tell_hosts(hosts, &told);
            if is_other || is_first {
                self.publish.send_replace(Arc::new(self.kept.tenants().clone()));
            }
            self.ready.holds(CONDITION);
        }
    }

    /// Tells the host names of a list. Those of a tenant that the list lacks, and that still counts as there, hold.
    fn tell_hosts(&self, told: Vec<v1::TenantHost>, listed: &BTreeSet<TenantId>) {
        let Some(publish) = &self.hosts else { return };
        let read = |v1::TenantHost { host, tenant }| Some((host, TenantId::parse(&tenant).ok()?));
        let named: BTreeMap<String, TenantId> = told.into_iter().filter_map(read).collect();
        publish.send_if_modified(|held| {
            let is_lacked = |of: &TenantId| !listed.contains(of) && self.kept.tenants().contains(of);
            let kept = held.iter().filter(|(_, of)| is_lacked(of)).map(|(host, of)| (host.clone(), of.clone()));
            let mut hosts: BTreeMap<String, TenantId> = kept.collect();
            hosts.extend(named);
            let is_other = **held != hosts;
            if is_other {
                *held = Arc::new(hosts);
            }
            is_other
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follower() -> (ListFollower, watch::Receiver<TenantList>) {
        let (publish, listed) = watch::channel(TenantList::default());
        let (ready, metrics) = (Readiness::default(), Metrics::register(&runtime::Metrics::default()));
        ready.require(CONDITION);
        (ListFollower { kept: KeptList::default(), publish, hosts: None, was_told: false, ready, metrics }, listed)
    }

    fn list(names: &[&str]) -> Result<v1::FollowTenantsResponse, Status> {
        Ok(v1::FollowTenantsResponse { tenants: names.iter().map(ToString::to_string).collect(), hosts: Vec::new() })
    }

    fn names(listed: &watch::Receiver<TenantList>) -> Vec<String> {
        listed.borrow().iter().map(ToString::to_string).collect()
    }

    fn is_ready(follower: &ListFollower) -> bool {
        !follower.ready.missing().iter().any(|(condition, _)| *condition == CONDITION)
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_list_is_told_too_and_the_same_one_is_not_told_again() {
        let (mut follower, mut listed) = follower();
        assert!(!listed.has_changed().unwrap() && !is_ready(&follower));
        follower.take_in(futures::stream::iter([list(&[])])).await.unwrap_err();
        assert!(listed.has_changed().unwrap() && is_ready(&follower));
        listed.mark_unchanged();
        follower.take_in(futures::stream::iter([list(&[]), list(&["acme"])])).await.unwrap_err();
        assert!(listed.has_changed().unwrap());
        listed.mark_unchanged();
        follower.take_in(futures::stream::iter([list(&["acme"]), list(&["acme"])])).await.unwrap_err();
        assert!(!listed.has_changed().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_stream_is_broken_and_after_one_shorter_list_the_tenants_stay() {
        let (mut follower, listed) = follower();
        let broken = Err(Status::unavailable("a test"));
        follower.take_in(futures::stream::iter([list(&["acme", "globex"]), broken])).await.unwrap_err();
        assert_eq!(names(&listed), ["acme", "globex"]);
        follower.take_in(futures::stream::iter([list(&[])])).await.unwrap_err();
        assert_eq!(names(&listed), ["acme", "globex"]);
        let told_again = futures::stream::iter([list(&["acme"]), list(&["acme"])]).then(|list| async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            list
        });
        follower.take_in(Box::pin(told_again)).await.unwrap_err();
        assert_eq!(names(&listed), ["acme"]);
        assert!(is_ready(&follower));
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_come_with_the_tenants_and_stay_while_a_stream_is_broken() {
        let (mut follower, _listed) = follower();
        let (publish, hosts) = watch::channel(TenantHosts::default());
        follower.hosts = Some(publish);
        let told = v1::FollowTenantsResponse {
            tenants: vec!["acme".to_owned()],
            hosts: [("acme.example", "acme"), ("x.example", "")]
                .map(|(host, tenant)| v1::TenantHost { host: host.to_owned(), tenant: tenant.to_owned() })
                .into(),
        };
        let broken = Err(Status::unavailable("a test"));
        follower.take_in(futures::stream::iter([Ok(told), broken])).await.unwrap_err();
        let named: Vec<String> = hosts.borrow().iter().map(|(host, of)| format!("{host} {of}")).collect();
        assert_eq!(named, ["acme.example acme"], "what is no tenant's name names none");
        follower.take_in(futures::stream::iter([list(&[])])).await.unwrap_err();
        assert_eq!(hosts.borrow().len(), 1, "one list that lacks a tenant ends nothing of it");
        let lacking = futures::stream::iter([list(&[]), list(&[])]).then(|list| async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            list
        });
        follower.take_in(Box::pin(lacking)).await.unwrap_err();
        assert!(hosts.borrow().is_empty(), "they go with the tenant");
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_its_tenant_has_no_more_is_told_no_more() {
        let (mut follower, _listed) = follower();
        let (publish, hosts) = watch::channel(TenantHosts::default());
        follower.hosts = Some(publish);
        let host = v1::TenantHost { host: "acme.example".to_owned(), tenant: "acme".to_owned() };
        let told = v1::FollowTenantsResponse { tenants: vec!["acme".to_owned()], hosts: vec![host] };
        follower.take_in(futures::stream::iter([Ok(told)])).await.unwrap_err();
        assert_eq!(hosts.borrow().len(), 1);
        follower.take_in(futures::stream::iter([list(&["acme"])])).await.unwrap_err();
        assert!(hosts.borrow().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_is_broken() {
        let (mut follower, listed) = follower();
        let silent = futures::stream::iter([list(&["acme"])]).chain(futures::stream::pending());
        let error = follower.take_in(silent).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), names(&listed)), ("silence", vec!["acme".to_owned()]));
    }
}
