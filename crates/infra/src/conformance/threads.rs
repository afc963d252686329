//! The open call threads.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::{CallUuid, Owner, Token};

use super::fixtures::{owner, tenant};
use crate::{Consumed, Position, Refusal, Stores, ThreadBatch, Written, bounds};

const VIEW: &str = "call-state";

fn batch(by: &Owner, token: u64, threads: Vec<(CallUuid, Option<Bytes>)>, minor: u64) -> ThreadBatch {
    let consumed = Some(Consumed { view: VIEW, position: Position { major: 0, minor } });
    ThreadBatch { tenant: tenant("acme"), owner: by.clone(), token: Token(token), threads, consumed, number: 0 }
}

fn thread(id: u128, body: &'static str) -> (CallUuid, Option<Bytes>) {
    (CallUuid(id), Some(Bytes::from_static(body.as_bytes())))
}

/// All threads, over all pages.
async fn all(stores: &Stores) -> BTreeMap<CallUuid, Bytes> {
    let (mut threads, mut from) = (BTreeMap::new(), Some(0));
    while let Some(place) = from {
        let page = stores.threads.list(&tenant("acme"), place).await.unwrap();
        threads.extend(page.threads);
        from = page.next;
    }
    threads
}

pub(super) async fn a_tenants_threads_have_one_writer(stores: &Stores) {
    let (acme, first, second) = (tenant("acme"), owner("call-state-1.5"), owner("call-state-2.6"));
    let commit = |by: &Owner, token, threads, minor| stores.threads.commit(batch(by, token, threads, minor));
    assert_eq!(commit(&first, 1, vec![thread(1, "a")], 1).await.unwrap(), Written::Unknown);
    let claim = stores.threads.claim(&first, &acme, VIEW).await.unwrap();
    assert_eq!((claim.token, claim.consumed), (Token(1), Position::START));
    let written = commit(&first, 1, vec![thread(1, "a"), thread(2, "b")], 7).await.unwrap();
    assert_eq!(written, Written::Done { position: None });
    let claim = stores.threads.claim(&second, &acme, VIEW).await.unwrap();
    assert_eq!((claim.token, claim.consumed), (Token(2), Position { major: 0, minor: 7 }));
    let late = commit(&first, 1, vec![(CallUuid(1), None)], 8).await.unwrap();
    assert_eq!(late, Written::Fenced { owner: second.clone(), token: Token(2) });
    let expected = [thread(1, "a"), thread(2, "b")].map(|(id, body)| (id, body.unwrap()));
    assert_eq!(all(stores).await, BTreeMap::from(expected));
    // Its own next run fences the one before.
    let claim = stores.threads.claim(&second, &acme, VIEW).await.unwrap();
    assert_eq!((claim.token, claim.consumed), (Token(3), Position { major: 0, minor: 7 }));
    let late = commit(&second, 2, Vec::new(), 9).await.unwrap();
    assert_eq!(late, Written::Fenced { owner: second, token: Token(3) });
}

pub(super) async fn threads_and_position_change_together_or_not_at_all(stores: &Stores) {
    let (acme, me) = (tenant("acme"), owner("call-state-1.5"));
    stores.threads.claim(&me, &acme, VIEW).await.unwrap();
    stores.threads.commit(batch(&me, 1, vec![thread(1, "a"), thread(2, "b")], 1)).await.unwrap();
    let large = (CallUuid(3), Some(Bytes::from(vec![b'x'; bounds::STATE_MAX + 1])));
    let refused = stores.threads.commit(batch(&me, 1, vec![(CallUuid(1), None), large], 2)).await.unwrap();
    assert!(matches!(refused, Written::Refused(Refusal::TooLarge { .. })), "{refused:?}");
    let sum = (1..=5).map(|id| (CallUuid(id), Some(Bytes::from(vec![b'x'; bounds::STATE_MAX])))).collect();
    let refused = stores.threads.commit(batch(&me, 1, sum, 2)).await.unwrap();
    assert!(matches!(refused, Written::Refused(Refusal::TooLarge { .. })), "{refused:?}");
    assert_eq!(all(stores).await.len(), 2);
    assert_eq!(stores.agents.consumed(&acme, VIEW).await.unwrap(), Position { major: 0, minor: 1 });
    let written = stores.threads.commit(batch(&me, 1, vec![(CallUuid(1), None), thread(2, "c")], 2)).await.unwrap();
    assert_eq!(written, Written::Done { position: None });
    assert_eq!(all(stores).await, BTreeMap::from([(CallUuid(2), Bytes::from_static(b"c"))]));
    let claim = stores.threads.claim(&me, &acme, VIEW).await.unwrap();
    assert_eq!(claim.consumed, Position { major: 0, minor: 2 });
}

/// More than one page of any store.
const MANY: u128 = 1_500;

pub(super) async fn all_threads_are_listed(stores: &Stores) {
    let (acme, me) = (tenant("acme"), owner("call-state-1.5"));
    assert_eq!(all(stores).await, BTreeMap::new());
    stores.threads.claim(&me, &acme, VIEW).await.unwrap();
    // Long enough for a table, where short ones would stand in one page.
    let body = Bytes::from(vec![b'x'; 100]);
    let many = (1..=MANY).map(|id| (CallUuid(id), Some(body.clone()))).collect();
    stores.threads.commit(batch(&me, 1, many, 1)).await.unwrap();
    assert!(all(stores).await.into_keys().eq((1..=MANY).map(CallUuid)));
}
