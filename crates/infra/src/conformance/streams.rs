//! Streams: order, waiting, holding and giving back.

use std::time::Duration;

use model::request::{Request, RequestKind};
use model::{Dn, ReferenceId, UserData};

use super::SetClock;
use super::fixtures::{create, event, new_call, owner, tenant, write};
use crate::{CallWrite, Position, Posted, Recipient, Stores};

/// Longer than any implementation takes to wake a reader.
const LONG: Duration = Duration::from_secs(20);

pub(super) async fn events_are_read_in_order_from_any_position(stores: &Stores) {
    let (acme, me) = (tenant("acme"), owner("node-1.5"));
    let events = (1..=10).map(|seq| event(&acme, 7, 1, seq)).collect();
    stores.calls.commit(vec![CallWrite { events, ..write(&acme, 7, &me, 1, create("x")) }]).await.unwrap();
    let all = stores.events.read(&acme, Position::START, 100, Duration::ZERO).await.unwrap();
    assert_eq!(all.iter().map(|e| e.event.id.seq.0).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert_eq!(*all[3].event, event(&acme, 7, 1, 4));
    assert!(all.iter().all(|entry| entry.owner.as_ref() == Some(&me)));
    let some = stores.events.read(&acme, all[6].position, 2, Duration::ZERO).await.unwrap();
    assert_eq!(some, all[7..9]);
    assert_eq!(stores.events.end(&acme).await.unwrap(), all[9].position);
    let text = all[9].position.to_string();
    assert_eq!(text.parse::<Position>().unwrap(), all[9].position);
}

pub(super) async fn a_reader_is_woken_by_a_commit(stores: &Stores) {
    let (acme, me) = (tenant("acme"), owner("node-1.5"));
    let write = CallWrite { events: vec![event(&acme, 7, 1, 1)], ..write(&acme, 7, &me, 1, create("x")) };
    let commit = async {
        tokio::task::yield_now().await;
        stores.calls.commit(vec![write]).await.unwrap();
    };
    let (entries, ()) = tokio::join!(stores.events.read(&acme, Position::START, 10, LONG), commit);
    assert_eq!(entries.unwrap().len(), 1);
}

pub(super) async fn tenants_do_not_see_each_other(stores: &Stores) {
    let (acme, zeta, me) = (tenant("acme"), tenant("zeta"), owner("node-1.5"));
    let write = CallWrite { events: vec![event(&acme, 7, 1, 1)], ..write(&acme, 7, &me, 1, create("x")) };
    stores.calls.commit(vec![write]).await.unwrap();
    assert_eq!(stores.events.read(&zeta, Position::START, 10, Duration::ZERO).await.unwrap(), []);
    assert_eq!(stores.calls.load(&zeta, model::ConnId(7)).await.unwrap(), crate::Loaded::Unknown);
    assert_eq!(stores.calls.owners(&zeta).await.unwrap(), []);
}

pub(super) async fn a_new_call_that_nobody_finished_is_given_again(stores: &Stores, clock: &SetClock) {
    let (acme, node, first, second) = (tenant("acme"), owner("node-1.5"), owner("ors-1.5"), owner("ors-2.5"));
    let call = CallWrite { new_call: Some(new_call(7)), ..write(&acme, 7, &node, 1, create("x")) };
    stores.calls.commit(vec![call]).await.unwrap();
    let taken = stores.new_calls.take(&acme, &first, 10, Duration::ZERO).await.unwrap();
    assert_eq!(taken.iter().map(|t| t.deliveries).collect::<Vec<_>>(), [1]);
    assert_eq!(stores.new_calls.take(&acme, &second, 10, Duration::ZERO).await.unwrap(), []);
    let idle = Duration::from_secs(30);
    assert_eq!(stores.new_calls.reclaim(&acme, &second, idle, 10).await.unwrap(), []);
    clock.advance(idle);
    let again = stores.new_calls.reclaim(&acme, &second, idle, 10).await.unwrap();
    assert_eq!((again.len(), again[0].deliveries, &again[0].call), (1, 2, &new_call(7)));
    stores.new_calls.ack(&acme, &[again[0].position]).await.unwrap();
    clock.advance(idle);
    assert_eq!(stores.new_calls.reclaim(&acme, &first, idle, 10).await.unwrap(), []);
}

pub(super) async fn requests_reach_their_recipient_once(stores: &Stores) {
    let (acme, me) = (tenant("acme"), owner("agent-state-1.5"));
    let request = Posted::Request(Request {
        tenant: acme.clone(),
        requester: "robot".to_owned(),
        reference: ReferenceId(9),
        this_dn: Dn::parse("7101").unwrap(),
        kind: RequestKind::AgentLogout,
        reasons: UserData::new(),
        extensions: UserData::new(),
    });
    let other = Recipient::Owner(owner("node-1.5"));
    stores.requests.post(&acme, &Recipient::AgentState, None, request.clone()).await.unwrap();
    assert_eq!(stores.requests.take(&acme, &other, &me, 10, Duration::ZERO).await.unwrap(), []);
    let taken = stores.requests.take(&acme, &Recipient::AgentState, &me, 10, Duration::ZERO).await.unwrap();
    assert_eq!(taken.iter().map(|t| &t.posted).collect::<Vec<_>>(), [&request]);
    assert_eq!(stores.requests.take(&acme, &Recipient::AgentState, &me, 10, Duration::ZERO).await.unwrap(), []);
    stores.requests.hand_back(&acme, &Recipient::AgentState, &me);
    let mut again = stores.requests.take(&acme, &Recipient::AgentState, &me, 10, Duration::ZERO).await.unwrap();
    again.extend(stores.requests.reclaim(&acme, &Recipient::AgentState, &me, Duration::ZERO, 10).await.unwrap());
    assert_eq!(again.iter().map(|t| (t.position, &t.posted)).collect::<Vec<_>>(), [(taken[0].position, &request)]);
    stores.requests.ack(&acme, &Recipient::AgentState, &[taken[0].position]).await.unwrap();
    let late = stores.requests.reclaim(&acme, &Recipient::AgentState, &other_owner(), Duration::ZERO, 10).await;
    assert_eq!(late.unwrap(), []);
}

fn other_owner() -> model::Owner {
    owner("agent-state-2.5")
}
