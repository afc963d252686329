use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use infra::conformance::SetClock;
use infra::{
    Answer, CallIndex, CallLedger, CallWrite, Claim, Claimed, Holding, Loaded, Record, Stores, Written, bounds,
};
use model::{ConnId, Owner, TenantId, Token};
use sip::ConnectionId;

use super::claim::*;
use super::find::*;
use crate::sip_cluster::node::lookup::{FailureReport, Found, Lookup, ROLE, SeenLive};
use crate::test_stores::{beginning, set_clock, stores};

/// The connection to the proxy.
const LINK: ConnectionId = ConnectionId(7);
const ANOTHER: ConnectionId = ConnectionId(LINK.0 + 1);
const CLOSED: ConnectionId = ConnectionId(LINK.0 + 2);

fn node(number: u8) -> Owner {
    format!("sip-cluster-{number}.1").parse().expect("an owner")
}

fn tenant() -> TenantId {
    TenantId::parse("t1").expect("a tenant")
}

/// A ledger with call 1 of node 1, which holds its lease.
async fn with_a_call(clock: &Arc<SetClock>) -> Stores {
    let stores = stores(clock.clone());
    stores.calls.commit(vec![beginning(tenant(), ConnId(1), node(1))]).await.expect("a ledger");
    stores.leases.renew(&node(1), ROLE, bounds::LEASE).await.expect("a lease");
    stores
}

fn sought(gone: Option<FailureReport>) -> Lookup {
    Lookup::of_call(tenant(), ConnId(1), gone)
}

/// Looks the call up as node 2, which sees these owners live.
async fn asked(stores: &Stores, gone: Option<FailureReport>, live: &[Owner]) -> Option<Found> {
    find_once(stores, &node(2), &SeenLive(BTreeMap::from([(LINK, live.to_vec())])), &sought(gone))
        .await
        .expect("a ledger")
}

#[tokio::test]
async fn a_node_that_could_not_be_connected_to_keeps_its_calls_as_long_as_a_proxy_sees_it() {
    let clock = set_clock();
    let stores = with_a_call(&clock).await;
    let unreachable = || Some(FailureReport::Node(node(1).node));
    assert_eq!(asked(&stores, unreachable(), &[node(1), node(2)]).await, None, "to be looked at again");
    assert!(matches!(asked(&stores, unreachable(), &[node(2)]).await, Some(Found::Ours(_))), "without its lease's end");
}

#[tokio::test]
async fn a_node_without_proxies_takes_no_call_of_a_node_that_has_its_lease_whatever_frontend_says() {
    let clock = set_clock();
    let stores = with_a_call(&clock).await;
    let sought = sought(Some(FailureReport::Node(node(1).node)));
    let asked = async || find_once(&stores, &node(2), &SeenLive::default(), &sought).await.expect("a ledger");
    assert_eq!(asked().await, Some(Found::Elsewhere(node(1))));
    clock.advance(bounds::LEASE + Duration::from_millis(1));
    assert!(matches!(asked().await, Some(Found::Ours(_))));
}

#[tokio::test]
async fn a_node_that_its_proxy_sees_again_keeps_its_calls_whatever_was_said_before() {
    let clock = set_clock();
    let stores = with_a_call(&clock).await;
    let said = |by| sought(Some(FailureReport::Owner { owner: node(1), by }));
    let seen = SeenLive(BTreeMap::from([(LINK, vec![node(1), node(2)]), (ANOTHER, vec![node(2)])]));
    let asked = async |sought: Lookup| find_once(&stores, &node(2), &seen, &sought).await.expect("a ledger");
    let late = Duration::from_secs(2);
    assert_eq!(asked(said(LINK).after(late, &seen)).await, Some(Found::Elsewhere(node(1))));
    assert_eq!(said(CLOSED).after(late, &seen), sought(None), "its connection is gone");
    let by_another = said(ANOTHER).after(late, &seen);
    assert!(matches!(asked(by_another).await, Some(Found::Ours(_))), "the proxy that said so does not see it");
    // The list of live nodes is older than the failure report.
    assert_eq!(said(LINK).after(Duration::ZERO, &seen), said(LINK));
}

#[tokio::test]
async fn a_node_keeps_its_calls_as_long_as_it_has_a_lease_or_a_proxy_sees_it() {
    let clock = set_clock();
    let stores = with_a_call(&clock).await;
    assert_eq!(asked(&stores, None, &[]).await, Some(Found::Elsewhere(node(1))));
    clock.advance(bounds::LEASE + Duration::from_millis(1));
    assert_eq!(asked(&stores, None, &[node(1)]).await, Some(Found::Elsewhere(node(1))));
    assert!(matches!(asked(&stores, None, &[]).await, Some(Found::Ours(_))));
}

#[tokio::test]
async fn calls_of_tenants_that_are_known_are_taken_without_asking_anybody() {
    let clock = set_clock();
    let stores = with_a_call(&clock).await;
    clock.advance(bounds::LEASE + Duration::from_millis(1));
    let heritage = OrphanClaimer::new(stores, node(2));
    assert_eq!(heritage.take(&[node(2)]).await, []);
    heritage.know(&[tenant()]);
    let taken: Vec<_> = heritage.take(&[node(2)]).await.into_iter().map(|record| record.key).collect();
    assert_eq!(taken, [ConnId(1)]);
}

/// A ledger in which another node always claims first; each claim takes a second.
struct Raced {
    calls: Arc<dyn CallLedger>,
    clock: Arc<SetClock>,
}

impl CallLedger for Raced {
    fn commit(&self, batch: Vec<CallWrite>) -> Answer<'_, Vec<Written>> {
        self.calls.commit(batch)
    }

    fn claim<'a>(&'a self, _: &'a Owner, claims: Vec<Claim<ConnId>>) -> Answer<'a, Vec<Claimed<ConnId>>> {
        self.clock.advance(Duration::from_secs(1));
        let raced = Claimed::Raced { owner: node(3), token: Token(7) };
        async move { Ok(vec![raced; claims.len()]) }.boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId, conn_id: ConnId) -> Answer<'a, Loaded<ConnId>> {
        self.calls.load(tenant, conn_id)
    }

    fn orphans<'a>(&'a self, tenant: &'a TenantId, of: &'a Owner, max: usize) -> Answer<'a, Vec<Record<ConnId>>> {
        self.calls.orphans(tenant, of, max)
    }

    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>> {
        self.calls.owners(tenant)
    }

    fn lookup<'a>(&'a self, tenant: &'a TenantId, index: &'a CallIndex) -> Answer<'a, Option<ConnId>> {
        self.calls.lookup(tenant, index)
    }

    fn list<'a>(&'a self, tenant: &'a TenantId, after: Option<ConnId>, max: usize) -> Answer<'a, Vec<Record<ConnId>>> {
        self.calls.list(tenant, after, max)
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_always_somebody_else_takes_is_not_looked_for_for_ever() {
    let clock = set_clock();
    let mut stores = with_a_call(&clock).await;
    clock.advance(bounds::LEASE + Duration::from_millis(1));
    stores.calls = Arc::new(Raced { calls: stores.calls.clone(), clock: clock.clone() });
    let found = find(&stores, &node(2), SeenLive::default, &sought(None)).await;
    assert_eq!(found, Found::Unanswered);
}
