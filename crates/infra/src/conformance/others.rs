//! Leases, the outbox, registrations, views.

use std::time::Duration;

use model::plan::Contact;
use model::{Dn, Epoch, NodeId, Owner, TenantId, Timestamp};

use super::SetClock;
use super::fixtures::{agents, create, event, owner, save, tenant, write};
use crate::{
    AgentBatch, Binding, CallWrite, Clock, Consumed, KeptView, Position, RegistrationWrite, RegistrationWritten,
    StoreError, Stores, Written, bounds,
};

const TTL: Duration = Duration::from_secs(2);

pub(super) async fn an_epoch_never_repeats_and_fences_the_one_before(stores: &Stores, clock: &SetClock) {
    let node = NodeId::parse("node-1").unwrap();
    let first = stores.leases.next_epoch(&node).await.unwrap();
    let second = stores.leases.next_epoch(&node).await.unwrap();
    assert!(second > first && first >= Epoch(clock.now().as_millis()), "{first:?} {second:?}");
    let (old, new) = (Owner { node: node.clone(), epoch: first }, Owner { node, epoch: second });
    assert!(matches!(stores.leases.renew(&old, "sip-cluster", TTL).await, Err(StoreError::Fenced { .. })));
    stores.leases.renew(&new, "sip-cluster", TTL).await.unwrap();
    let live = stores.leases.live("sip-cluster").await.unwrap();
    assert_eq!(live.iter().map(|lease| &lease.owner).collect::<Vec<_>>(), [&new]);
    assert_eq!(stores.leases.live("ors").await.unwrap(), []);
    clock.advance(TTL - Duration::from_millis(1));
    assert_eq!(stores.leases.live("sip-cluster").await.unwrap().len(), 1);
    clock.advance(bounds::LEASE_MARGIN + Duration::from_millis(1));
    assert_eq!(stores.leases.live("sip-cluster").await.unwrap(), []);
}

pub(super) async fn a_job_has_one_holder_at_a_time(stores: &Stores, clock: &SetClock) {
    let (first, second) = (owner("node-1.5"), owner("node-2.5"));
    let token = stores.leases.take_job("sweep", &first, TTL).await.unwrap().unwrap();
    assert_eq!(stores.leases.take_job("sweep", &second, TTL).await.unwrap(), None);
    assert_eq!(stores.leases.take_job("sweep", &first, TTL).await.unwrap(), Some(token));
    assert_eq!(stores.leases.take_job("sweep", &second, TTL).await.unwrap(), None);
    clock.advance(TTL + bounds::LEASE_MARGIN);
    let next = stores.leases.take_job("sweep", &second, TTL).await.unwrap().unwrap();
    assert!(next > token);
}

pub(super) async fn an_exporter_that_was_replaced_is_fenced(stores: &Stores, clock: &SetClock) {
    let (acme, first, second) = (tenant("acme"), owner("node-1.5"), owner("node-2.5"));
    let call = CallWrite { events: vec![event(&acme, 7, 1, 1)], ..write(&acme, 7, &first, 1, create("x")) };
    stores.calls.commit(vec![call]).await.unwrap();
    assert_eq!(stores.outbox.tenants().await.unwrap(), std::slice::from_ref(&acme));
    let lease = stores.outbox.take(&acme, &first, TTL).await.unwrap().unwrap();
    assert_eq!(stores.outbox.take(&acme, &second, TTL).await.unwrap(), None);
    let end = stores.events.end(&acme).await.unwrap();
    stores.outbox.exported(&acme, lease.token, end).await.unwrap();
    clock.advance(TTL + bounds::LEASE_MARGIN);
    let successor = stores.outbox.take(&acme, &second, TTL).await.unwrap().unwrap();
    assert_eq!(successor.position, end);
    let late = stores.outbox.exported(&acme, lease.token, end).await;
    assert!(matches!(late, Err(StoreError::Fenced { .. })), "{late:?}");
}

/// More than a stream keeps of exported entries.
const MANY: u64 = 40;

pub(super) async fn nothing_goes_from_the_stream_before_it_is_out(stores: &Stores) {
    let (acme, me) = (tenant("acme"), owner("node-1.5"));
    large_facts(stores, &acme, 1..=MANY).await;
    let all = stores.events.read(&acme, Position::START, 100, Duration::ZERO).await.unwrap();
    assert_eq!(all.len() as u64, MANY);
    let lease = stores.outbox.take(&acme, &me, TTL).await.unwrap().unwrap();
    assert_eq!(lease.position, Position::START);
    // Three are exported: they alone may be trimmed.
    stores.outbox.exported(&acme, lease.token, all[2].position).await.unwrap();
    let left = stores.events.read(&acme, all[2].position, 100, Duration::ZERO).await.unwrap();
    assert_eq!(left[..], all[3..]);
    let gone = stores.events.read(&acme, Position::START, 100, Duration::ZERO).await;
    assert!(matches!(&gone, Err(StoreError::Trimmed { gone }) if *gone == all[2].position), "{gone:?}");
    // All are exported: as many stay as the bound allows.
    stores.outbox.exported(&acme, lease.token, all[39].position).await.unwrap();
    let Err(StoreError::Trimmed { gone }) = stores.events.read(&acme, Position::START, 100, Duration::ZERO).await
    else {
        panic!("more is kept than the bound allows");
    };
    let kept = stores.events.read(&acme, gone, 100, Duration::ZERO).await.unwrap();
    assert_eq!(kept[..], all[all.len() - kept.len()..]);
    assert!(kept.len() * (1 << 20) <= bounds::STREAM_BYTES + (1 << 20) && kept.len() > 20, "{}", kept.len());
}

/// Writes that many calls, each with a fact of nearly a megabyte.
async fn large_facts(stores: &Stores, tenant: &TenantId, calls: std::ops::RangeInclusive<u64>) {
    let me = owner("node-1.5");
    let large = "x".repeat((1 << 20) - 1_000);
    for call in calls {
        let mut fact = event(tenant, call, 1, 1);
        fact.event.extensions.set("Large", large.as_str());
        let call = CallWrite { events: vec![fact], ..write(tenant, call, &me, 1, create("x")) };
        let written = stores.calls.commit(vec![call]).await.unwrap();
        assert!(matches!(written[..], [Written::Done { .. }]), "{written:?}");
    }
}

pub(super) async fn what_a_view_has_not_read_stays_longer(stores: &Stores) {
    let (acme, me) = (tenant("views"), owner("node-1.5"));
    let lease = stores.outbox.take(&acme, &me, TTL).await.unwrap().unwrap();
    let exported = async || {
        let end = stores.events.end(&acme).await.unwrap();
        stores.outbox.exported(&acme, lease.token, end).await.unwrap();
        end
    };
    let read = async |after| stores.events.read(&acme, after, 1, Duration::ZERO).await;
    let has_read = async |view, position, change| {
        let batch = agents(&acme, &owner("agent-state-1.5"), [(view, 1, change)]);
        let consumed = Some(Consumed { view, position });
        stores.agents.commit(AgentBatch { consumed, ..batch }).await.unwrap();
    };
    large_facts(stores, &acme, 1..=2).await;
    let first = read(Position::START).await.unwrap()[0].position;
    has_read("quick", first, create("x")).await;
    has_read("slow", first, create("x")).await;
    large_facts(stores, &acme, 3..=MANY).await;
    has_read("quick", exported().await, save("x")).await;
    exported().await;
    assert!(read(first).await.is_ok(), "the slow view has not read it");
    // As soon as the slow view has read everything, no more is kept than for others.
    has_read("slow", exported().await, save("x")).await;
    exported().await;
    let kept = match read(first).await {
        Err(StoreError::Trimmed { gone }) => stores.events.read(&acme, gone, 1_000, Duration::ZERO).await.unwrap(),
        read => panic!("more is kept than the bound allows: {read:?}"),
    };
    assert!(kept.len() * (1 << 20) <= bounds::STREAM_BYTES + (1 << 20), "{}", kept.len());
    // A view that reads no more holds back only so much. It is told that facts are gone.
    let stopped = stores.events.end(&acme).await.unwrap();
    let fits = (bounds::STREAM_BYTES_UNREAD >> 20) as u64;
    large_facts(stores, &acme, MANY + 1..=MANY + fits).await;
    has_read("quick", exported().await, save("x")).await;
    assert!(read(stopped).await.is_ok());
    large_facts(stores, &acme, MANY + fits + 1..=MANY + fits + 2).await;
    has_read("quick", exported().await, save("x")).await;
    exported().await;
    let told = read(stopped).await;
    assert!(matches!(told, Err(StoreError::Trimmed { gone }) if gone > stopped), "{told:?}");
}

fn binding(uri: &str, expires_at: Timestamp) -> Binding {
    Binding {
        contact: Contact::new(uri.to_owned(), vec!["<sip:flow@192.0.2.1;lr>".to_owned()]),
        call_id: "a".to_owned(),
        cseq: 1,
        refreshed_at: Timestamp::from_millis(1_700_000_000_000),
        expires_at,
        q: 1_000,
        user_agent: Some("phone".to_owned()),
        instance: Some("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6".to_owned()),
        reg_id: Some(2),
    }
}

pub(super) async fn registrations_change_by_compare_and_set(stores: &Stores) {
    let (acme, dn) = (tenant("acme"), Dn::parse("7101").unwrap());
    let ends = Timestamp::from_millis(1_700_000_060_000);
    let write = |expected, bindings| RegistrationWrite {
        tenant: acme.clone(),
        dn: dn.clone(),
        expected,
        bindings,
        events: vec![event(&acme, 7, 1, expected + 1)],
    };
    let bindings = vec![binding("sip:7101@192.0.2.7", ends)];
    let written = stores.registrations.commit(vec![write(0, bindings.clone())]).await.unwrap();
    assert_eq!(written, [RegistrationWritten::Done(1)]);
    let stale = stores.registrations.commit(vec![write(0, Vec::new())]).await.unwrap();
    assert_eq!(stale, [RegistrationWritten::Conflict(1)]);
    let held = stores.registrations.load(&acme, &dn).await.unwrap();
    assert_eq!((held.version, held.events, &held.bindings), (1, 1, &bindings));
    assert_eq!(stores.registrations.ending(ends, 10).await.unwrap(), [(acme.clone(), dn.clone())]);
    assert_eq!(stores.registrations.ending(ends - Duration::from_secs(1), 10).await.unwrap(), []);
    stores.registrations.commit(vec![write(1, Vec::new())]).await.unwrap();
    let held = stores.registrations.load(&acme, &dn).await.unwrap();
    assert_eq!(
        (held.version, held.events, held.bindings.len()),
        (2, 2, 0),
        "the count of events outlives the bindings"
    );
}

pub(super) async fn a_view_that_another_has_written_is_not_replaced(stores: &Stores) {
    let acme = tenant("acme");
    let kept = |position: &str, state: &'static str| KeptView { position: position.to_owned(), state: state.into() };
    let replace = |seen, kept| stores.views.replace(&acme, "webhooks", seen, kept);
    assert!(!replace(Some("1"), kept("2", "of nothing")).await.unwrap());
    assert!(replace(None, kept("1", "first")).await.unwrap());
    assert!(!replace(None, kept("1", "first too")).await.unwrap());
    assert!(replace(Some("1"), kept("2", "second")).await.unwrap());
    assert!(!replace(Some("1"), kept("2", "late")).await.unwrap());
    assert_eq!(stores.views.load(&acme, "webhooks").await.unwrap(), Some(kept("2", "second")));
}

pub(super) async fn a_view_that_is_kept_for_a_while_goes_by_itself_or_is_removed(stores: &Stores, clock: &SetClock) {
    const HOUR: Duration = Duration::from_secs(3_600);
    const MINUTE: Duration = Duration::from_secs(60);
    let acme = tenant("acme");
    let kept = |position: &str| KeptView { position: position.to_owned(), state: "state".into() };
    let load = |view| stores.views.load(&acme, view);
    stores.views.keep(&acme, "stays", kept("1")).await.unwrap();
    for view in ["once", "again"] {
        stores.views.keep_for(&acme, view, kept("1"), HOUR).await.unwrap();
    }
    clock.advance(HOUR - MINUTE);
    assert_eq!(load("once").await.unwrap(), Some(kept("1")));
    // What is stored again counts from then on.
    stores.views.keep_for(&acme, "again", kept("2"), HOUR).await.unwrap();
    clock.advance(2 * MINUTE);
    assert_eq!(load("once").await.unwrap(), None);
    assert_eq!(load("again").await.unwrap(), Some(kept("2")));
    assert!(stores.views.replace(&acme, "once", None, kept("3")).await.unwrap(), "it is there for a writer");
    clock.advance(2 * HOUR);
    assert_eq!(load("once").await.unwrap(), Some(kept("3")), "what is replaced stays");
    for _ in 0..2 {
        stores.views.remove(&acme, "once").await.unwrap();
        assert_eq!(load("once").await.unwrap(), None);
    }
    assert_eq!(load("stays").await.unwrap(), Some(kept("1")));
}

pub(super) async fn a_store_tells_its_time(stores: &Stores) {
    let acme = tenant("acme");
    let time = async || stores.views.time(&acme).await.unwrap();
    let (first, second) = (time().await, time().await);
    assert!(first > Timestamp::from_millis(1_600_000_000_000) && second >= first, "{first} then {second}");
}

pub(super) async fn a_view_is_kept_with_its_position(stores: &Stores) {
    let (acme, other) = (tenant("acme"), tenant("other"));
    assert_eq!(stores.views.load(&acme, "pulse").await.unwrap(), None);
    for (position, state) in [("0-1", "first"), ("0-2", "second")] {
        let kept = KeptView { position: position.to_owned(), state: state.into() };
        stores.views.keep(&acme, "pulse", kept.clone()).await.unwrap();
        assert_eq!(stores.views.load(&acme, "pulse").await.unwrap(), Some(kept));
    }
    assert_eq!(stores.views.load(&acme, "rq").await.unwrap(), None);
    assert_eq!(stores.views.load(&other, "pulse").await.unwrap(), None);
    let large = vec![0; crate::bounds::VIEW_MAX + 1];
    let refused = stores.views.keep(&acme, "pulse", KeptView { position: "0-3".to_owned(), state: large.into() }).await;
    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    assert_eq!(stores.views.load(&acme, "pulse").await.unwrap().unwrap().position, "0-2");
}
