//! Two processes with clocks minutes apart, on the same stores: a renewed lease stays, and a failed process's leases are taken in time.

use std::time::Duration;

use model::{ConnId, Owner};

use super::SetClock;
use super::fixtures::{create, dialog, event, new_call, owner, tenant, write};
use crate::bounds::{LEASE, LEASE_MARGIN};
use crate::{CallWrite, Change, Loaded, Stores, Written};

/// A process on the stores, with a clock of its own.
pub struct Process {
    /// Its client of the stores.
    pub stores: Stores,
    /// Its clock.
    pub clock: std::sync::Arc<SetClock>,
}

const ROLE: &str = "sip-cluster";
/// How often a node renews.
const RENEWED_EACH: Duration = Duration::from_millis(500);

/// Lets time pass for both.
fn pass(both: [&Process; 2], time: Duration) {
    for process in both {
        process.clock.advance(time);
    }
}

async fn live(of: &Process) -> Vec<Owner> {
    of.stores.leases.live(ROLE).await.unwrap().into_iter().map(|lease| lease.owner).collect()
}

/// Runs the cases; `first` and `second` are two processes on unused stores, their clocks apart by any difference.
pub async fn run(first: &Process, second: &Process) {
    a_lease_lives_as_long_as_it_is_renewed(first, second).await;
    a_job_stays_with_whoever_renews_it(first, second).await;
    the_right_to_export_stays_with_whoever_renews_it(first, second).await;
    what_a_reader_holds_is_taken_after_its_time(first, second).await;
    an_ended_call_is_remembered_whoever_asks(first, second).await;
}

async fn a_lease_lives_as_long_as_it_is_renewed(first: &Process, second: &Process) {
    let (a, b) = (owner("node-1.5"), owner("node-2.5"));
    for _ in 0..20 {
        first.stores.leases.renew(&a, ROLE, LEASE).await.unwrap();
        second.stores.leases.renew(&b, ROLE, LEASE).await.unwrap();
        assert_eq!(live(first).await, [a.clone(), b.clone()]);
        assert_eq!(live(second).await, [a.clone(), b.clone()]);
        pass([first, second], RENEWED_EACH);
    }
    // The second process fails: the first notices it in time, however late or early the failed one's clock was.
    let mut gone_after = Duration::ZERO;
    while live(first).await.contains(&b) {
        first.stores.leases.renew(&a, ROLE, LEASE).await.unwrap();
        pass([first, second], RENEWED_EACH);
        gone_after += RENEWED_EACH;
        assert!(gone_after <= LEASE + LEASE_MARGIN + RENEWED_EACH, "it is not seen that it died");
    }
    assert!(gone_after + RENEWED_EACH >= LEASE, "it is seen too early: after {gone_after:?}");
    assert_eq!(live(first).await, [a]);
}

async fn a_job_stays_with_whoever_renews_it(first: &Process, second: &Process) {
    let (a, b) = (owner("node-1.5"), owner("node-2.5"));
    let token = first.stores.leases.take_job("sweep", &a, LEASE).await.unwrap().unwrap();
    for _ in 0..20 {
        assert_eq!(second.stores.leases.take_job("sweep", &b, LEASE).await.unwrap(), None);
        pass([first, second], RENEWED_EACH);
        assert_eq!(first.stores.leases.take_job("sweep", &a, LEASE).await.unwrap(), Some(token));
    }
    assert_eq!(second.stores.leases.take_job("sweep", &b, LEASE).await.unwrap(), None);
    pass([first, second], LEASE + LEASE_MARGIN);
    let next = second.stores.leases.take_job("sweep", &b, LEASE).await.unwrap();
    assert!(next.is_some_and(|next| next > token), "{next:?}");
    assert_eq!(first.stores.leases.take_job("sweep", &a, LEASE).await.unwrap(), None);
}

async fn the_right_to_export_stays_with_whoever_renews_it(first: &Process, second: &Process) {
    let (acme, a, b) = (tenant("acme"), owner("node-1.5"), owner("node-2.5"));
    let call = CallWrite { events: vec![event(&acme, 7, 1, 1)], ..write(&acme, 7, &a, 1, create("x")) };
    first.stores.calls.commit(vec![call]).await.unwrap();
    let lease = first.stores.outbox.take(&acme, &a, LEASE).await.unwrap().unwrap();
    for _ in 0..20 {
        assert_eq!(second.stores.outbox.take(&acme, &b, LEASE).await.unwrap(), None);
        pass([first, second], RENEWED_EACH);
        assert_eq!(first.stores.outbox.take(&acme, &a, LEASE).await.unwrap(), Some(lease.clone()));
    }
    assert_eq!(second.stores.outbox.take(&acme, &b, LEASE).await.unwrap(), None);
    pass([first, second], LEASE + LEASE_MARGIN);
    let next = second.stores.outbox.take(&acme, &b, LEASE).await.unwrap();
    assert!(next.is_some_and(|next| next.token > lease.token));
}

async fn what_a_reader_holds_is_taken_after_its_time(first: &Process, second: &Process) {
    let (acme, a, b) = (tenant("acme"), owner("ors-1.5"), owner("ors-2.5"));
    let call = CallWrite { new_call: Some(new_call(8)), ..write(&acme, 8, &owner("node-1.5"), 1, create("x")) };
    first.stores.calls.commit(vec![call]).await.unwrap();
    assert_eq!(first.stores.new_calls.take(&acme, &a, 10, Duration::ZERO).await.unwrap().len(), 1);
    let idle = Duration::from_secs(5);
    assert_eq!(second.stores.new_calls.reclaim(&acme, &b, idle, 10).await.unwrap(), []);
    pass([first, second], idle - Duration::from_millis(1));
    assert_eq!(second.stores.new_calls.reclaim(&acme, &b, idle, 10).await.unwrap(), []);
    pass([first, second], Duration::from_millis(1));
    let taken = second.stores.new_calls.reclaim(&acme, &b, idle, 10).await.unwrap();
    assert_eq!(taken.iter().map(|call| call.deliveries).collect::<Vec<_>>(), [2]);
    assert_eq!(first.stores.new_calls.reclaim(&acme, &a, idle, 10).await.unwrap(), [], "it has just been given out");
}

async fn an_ended_call_is_remembered_whoever_asks(first: &Process, second: &Process) {
    let (acme, me, other) = (tenant("acme"), owner("node-1.5"), owner("node-2.5"));
    let call = CallWrite { index: vec![dialog("a")], ..write(&acme, 9, &me, 1, create("x")) };
    first.stores.calls.commit(vec![call]).await.unwrap();
    first.stores.calls.commit(vec![write(&acme, 9, &me, 1, Change::End)]).await.unwrap();
    assert_eq!(second.stores.calls.load(&acme, ConnId(9)).await.unwrap(), Loaded::Ended);
    let repeated = CallWrite { index: vec![dialog("a")], ..write(&acme, 10, &other, 1, create("x")) };
    assert_eq!(second.stores.calls.commit(vec![repeated]).await.unwrap(), [Written::Ended], "a repeated INVITE");
    assert_eq!(first.stores.calls.lookup(&acme, &dialog("a")).await.unwrap(), Some(ConnId(9)));
}
