//! The cache of configuration.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use model::TenantId;

use super::fixtures::tenant;
use crate::{Answer, ConfigVersion, Document, Extent, Publication, Reading, StoreError, Stores, bounds};

/// Documents of a state that does not go in one part.
const LARGE: usize = 4_500;

const fn at(generation: u64, revision: u64) -> ConfigVersion {
    ConfigVersion { generation, revision }
}

fn document(id: &str, revision: u64, body: Option<&str>) -> Document {
    let body = body.map(|text| Bytes::copy_from_slice(text.as_bytes()));
    Document { kind: "skill".to_owned(), id: id.to_owned(), revision, body }
}

/// A whole state whose documents name it.
fn state(tenant: &TenantId, version: ConfigVersion, count: usize) -> Publication {
    let body = format!("{version:?}");
    let documents = (0..count).map(|id| document(&format!("{id:05}"), version.revision, Some(&body))).collect();
    Publication { tenant: tenant.clone(), version, base: None, documents }
}

/// The next version of a generation, with these documents changed.
fn changes(tenant: &TenantId, base: ConfigVersion, revision: u64, documents: Vec<Document>) -> Publication {
    Publication { tenant: tenant.clone(), version: at(base.generation, revision), base: Some(base), documents }
}

async fn read(stores: &Stores, tenant: &TenantId, after: Option<ConfigVersion>) -> Reading {
    stores.configuration.read(tenant, after, Duration::ZERO).await.unwrap()
}

/// Checks that a reading is one of those states, with all that it has and nothing else.
fn assert_is_one_of(reading: &Reading, states: &[Publication]) {
    let Some(state) = states.iter().find(|state| state.version == reading.version) else {
        panic!("nobody has published {:?}", reading.version)
    };
    assert_eq!(reading.extent, Extent::Whole);
    let (read, published) = (reading.documents.len(), state.documents.len());
    assert!(reading.documents == state.documents, "{read} documents, {published} at {:?}", state.version);
}

fn is_conflict(published: &crate::Result<()>) -> bool {
    matches!(published, Err(StoreError::Conflict { .. }))
}

pub(super) async fn it_is_read_whole_and_by_changes(stores: &Stores) {
    let acme = tenant("acme");
    assert!(!stores.configuration.is_complete().await.unwrap());
    let both = vec![document("Sales", 1, Some("{}")), document("English", 1, Some("{}"))];
    let whole = |version, documents| Publication { tenant: acme.clone(), version, base: None, documents };
    stores.configuration.publish(whole(at(1, 1), both)).await.unwrap();
    let first = read(stores, &acme, None).await;
    assert_eq!((first.extent, first.documents.len()), (Extent::Whole, 2));
    stores.configuration.complete().await.unwrap();
    assert!(stores.configuration.is_complete().await.unwrap());
    let changed =
        changes(&acme, first.version, 2, vec![document("Sales", 2, Some("{1}")), document("English", 2, None)]);
    stores.configuration.publish(changed.clone()).await.unwrap();
    let next = read(stores, &acme, Some(first.version)).await;
    assert_eq!((next.extent, next.documents.len()), (Extent::Changes, 2));
    let nothing = read(stores, &acme, Some(next.version)).await;
    assert_eq!((nothing.extent, nothing.documents), (Extent::Changes, Vec::new()));
    let all = read(stores, &acme, None).await;
    assert_eq!(all.documents, [document("Sales", 2, Some("{1}"))], "what is gone is not in the whole");
    let again = stores.configuration.publish(changed).await;
    assert!(is_conflict(&again), "{again:?}");
    stores.configuration.publish(whole(at(2, 2), vec![document("Sales", 2, Some("{}"))])).await.unwrap();
    let anew = read(stores, &acme, Some(next.version)).await;
    assert_eq!((anew.extent, anew.documents.len()), (Extent::Whole, 1));
    stores.configuration.publish(whole(at(3, 1), Vec::new())).await.unwrap();
    let empty = read(stores, &acme, Some(anew.version)).await;
    assert_eq!((empty.version, empty.extent, empty.documents), (at(3, 1), Extent::Whole, Vec::new()));
}

pub(super) async fn changes_of_another_version_are_refused(stores: &Stores) {
    let acme = tenant("acme");
    let change = |base, revision| changes(&acme, base, revision, vec![document("Sales", revision, Some("{}"))]);
    let is_refused = async |publication| {
        let published = stores.configuration.publish(publication).await;
        assert!(is_conflict(&published), "{published:?}");
    };
    is_refused(change(at(1, 1), 2)).await;
    stores.configuration.publish(state(&acme, at(1, 1), 1)).await.unwrap();
    stores.configuration.publish(change(at(1, 1), 2)).await.unwrap();
    // The cache lacks revision 3: with 5 it would lack it for ever.
    is_refused(change(at(1, 3), 5)).await;
    is_refused(change(at(1, 1), 5)).await;
    is_refused(change(at(2, 2), 5)).await;
    assert_eq!(read(stores, &acme, None).await.version, at(1, 2));
    stores.configuration.publish(change(at(1, 2), 5)).await.unwrap();
    assert_eq!(read(stores, &acme, None).await.version, at(1, 5));
}

/// Goes on with a publication so many times; returns whether it is done by then. Else it is broken off, as by a crash.
async fn goes_on(mut publishing: Answer<'_, ()>, times: usize) -> bool {
    for _ in 0..times {
        if let Poll::Ready(published) = poll_fn(|context| Poll::Ready(publishing.as_mut().poll(context))).await {
            published.unwrap();
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

pub(super) async fn a_publication_that_is_broken_off_is_not_seen(stores: &Stores) {
    let acme = tenant("acme");
    let mut states = vec![state(&acme, at(1, 1), LARGE)];
    stores.configuration.publish(states[0].clone()).await.unwrap();
    for (generation, exponent) in (2..).zip(0..12) {
        let next = state(&acme, at(generation, 1), LARGE - exponent);
        states.push(next.clone());
        let is_done = goes_on(stores.configuration.publish(next), 1 << exponent).await;
        // The last step may be done although nobody has waited for it.
        let reading = read(stores, &acme, None).await;
        assert_is_one_of(&reading, &states);
        assert!(!is_done || reading.version == at(generation, 1));
    }
    let last = state(&acme, at(20, 1), 3);
    stores.configuration.publish(last.clone()).await.unwrap();
    assert_is_one_of(&read(stores, &acme, None).await, &[last]);
}

pub(super) async fn of_two_publishers_the_later_version_stays(stores: &Stores) {
    let acme = tenant("acme");
    for [earlier, later_version] in [[at(1, 9), at(2, 1)], [at(3, 1), at(4, 1)]] {
        let (earlier, later) = (state(&acme, earlier, LARGE), state(&acme, later_version, LARGE - 1));
        let publish = |state: &Publication| stores.configuration.publish(state.clone());
        let (former, latter) = futures::future::join(publish(&earlier), publish(&later)).await;
        assert!(former.is_ok() || is_conflict(&former), "{former:?}");
        latter.unwrap();
        assert_is_one_of(&read(stores, &acme, None).await, &[later]);
        let same_generation = state(&acme, at(later_version.generation, 10), 1);
        for late in [earlier, same_generation] {
            let published = publish(&late).await;
            assert!(is_conflict(&published), "{published:?}");
        }
    }
}

pub(super) async fn a_reader_sees_whole_states_alone(stores: &Stores) {
    let acme = tenant("acme");
    let states = [1, 2, 3, 4].map(|generation| state(&acme, at(generation as u64, 1), LARGE - generation));
    stores.configuration.publish(states[0].clone()).await.unwrap();
    let is_published = Cell::new(false);
    let publishing = async {
        for state in &states[1..] {
            stores.configuration.publish(state.clone()).await.unwrap();
        }
        is_published.set(true);
    };
    let reading = async {
        let mut seen = at(1, 1);
        while !is_published.get() {
            match stores.configuration.read(&acme, None, Duration::ZERO).await {
                Ok(reading) => {
                    assert_is_one_of(&reading, &states);
                    assert!(reading.version >= seen, "{:?} after {seen:?}", reading.version);
                    seen = reading.version;
                }
                // They follow each other too fast.
                Err(StoreError::Unavailable { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            tokio::task::yield_now().await;
        }
    };
    futures::future::join(publishing, reading).await;
    assert_is_one_of(&read(stores, &acme, None).await, &states[3..]);
}

pub(super) async fn all_that_is_read_is_of_one_version(stores: &Stores) {
    const READINGS: usize = 5;
    let acme = tenant("acme");
    let first = state(&acme, at(1, 1), LARGE);
    stores.configuration.publish(first.clone()).await.unwrap();
    let read_so_far = Cell::new(0);
    // Each change concerns the first and the last document, and adds one.
    let ids = [first.documents[0].id.as_str(), first.documents[LARGE - 1].id.as_str()];
    let publishing = async {
        let mut base = first.version;
        while read_so_far.get() < READINGS {
            let revision = base.revision + 1;
            let added = format!("added {revision:05}");
            let changed = [ids[0], ids[1], added.as_str()].map(|id| document(id, revision, Some("{}"))).to_vec();
            stores.configuration.publish(changes(&acme, base, revision, changed)).await.unwrap();
            base.revision = revision;
            tokio::task::yield_now().await;
        }
    };
    let reading = async {
        while read_so_far.get() < READINGS {
            let Reading { version, documents, .. } = read(stores, &acme, None).await;
            let added = usize::try_from(version.revision - 1).unwrap();
            assert_eq!(documents.len(), LARGE + added, "{version:?}");
            let is_changed = |document: &&Document| ids.contains(&document.id.as_str());
            let of: Vec<u64> = documents.iter().filter(is_changed).map(|document| document.revision).collect();
            assert_eq!(of, [version.revision; 2]);
            read_so_far.set(read_so_far.get() + 1);
            tokio::task::yield_now().await;
        }
    };
    futures::future::join(publishing, reading).await;
}

pub(super) async fn many_changes_are_read_as_changes(stores: &Stores) {
    const HALF: usize = bounds::CONFIG_CHANGES_MAX / 2 + 1;
    let acme = tenant("acme");
    stores.configuration.publish(state(&acme, at(1, 1), 3)).await.unwrap();
    let many =
        |revision, count: usize| (0..count).map(move |id| document(&format!("{revision} {id}"), revision, Some("{}")));
    for revision in [2, 3] {
        let gone = document("00002", revision, None);
        let documents = many(revision, HALF).chain([gone]).collect();
        stores.configuration.publish(changes(&acme, at(1, revision - 1), revision, documents)).await.unwrap();
    }
    let reading = read(stores, &acme, Some(at(1, 1))).await;
    assert_eq!((reading.version, reading.extent), (at(1, 3), Extent::Changes));
    assert_eq!(reading.documents.len(), 2 * HALF + 1);
    assert!(reading.documents.contains(&document("00002", 3, None)));
    assert_eq!(read(stores, &acme, None).await.documents.len(), 2 * HALF + 2);

    let too_many = changes(&acme, at(1, 3), 4, many(4, 2 * HALF).collect());
    assert!(!too_many.fits_one_write());
    let too_large = "x".repeat(bounds::CONFIG_CHANGES_BYTES);
    let too_large = changes(&acme, at(1, 3), 4, vec![document("large", 4, Some(&too_large))]);
    let of_later = changes(&acme, at(1, 3), 4, vec![document("Sales", 5, Some("{}"))]);
    for wrong in [too_many, too_large, of_later] {
        let published = stores.configuration.publish(wrong).await;
        assert!(matches!(published, Err(StoreError::Invalid(_))), "{published:?}");
    }
    assert_eq!(read(stores, &acme, None).await.version, at(1, 3));
}

pub(super) async fn a_tenant_that_is_withdrawn_is_there_when_it_is_published_again(stores: &Stores) {
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let cache = &stores.configuration;
    let withdrawn = async || {
        let [acme, globex] = [&acme, &globex].map(|tenant| cache.is_withdrawn(tenant));
        (acme.await.unwrap(), globex.await.unwrap())
    };
    assert_eq!(withdrawn().await, (false, false), "nobody knows them yet");
    cache.withdraw(&acme).await.unwrap();
    assert_eq!(withdrawn().await, (true, false));
    for tenant in [&acme, &globex] {
        cache.publish(state(tenant, at(5, 3), 2)).await.unwrap();
    }
    assert_eq!(withdrawn().await, (false, false));
    cache.publish(changes(&acme, at(5, 3), 4, vec![document("Sales", 4, Some("{}"))])).await.unwrap();
    cache.withdraw(&acme).await.unwrap();
    cache.withdraw(&acme).await.unwrap();
    assert_eq!(withdrawn().await, (true, false));
    assert_eq!(cache.tenants().await.unwrap(), [(globex.clone(), at(5, 3))], "the others stay");
    let read = cache.read(&acme, None, Duration::ZERO).await;
    assert!(matches!(read, Err(StoreError::Missing { .. })), "{read:?}");
    let changed = cache.publish(changes(&acme, at(5, 4), 5, vec![document("Sales", 5, Some("{}"))])).await;
    assert!(is_conflict(&changed), "{changed:?}");
    // It may begin with an earlier generation: nobody who has read the later one goes on with it.
    let again = state(&acme, at(2, 1), 1);
    cache.publish(again.clone()).await.unwrap();
    assert_is_one_of(&self::read(stores, &acme, None).await, &[again]);
    assert_eq!(withdrawn().await, (false, false));
    assert_eq!(cache.tenants().await.unwrap().len(), 2);
    assert_eq!(self::read(stores, &globex, None).await.documents.len(), 2);
}
