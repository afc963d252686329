//! Records of signing in.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use model::{TenantId, Timestamp};

use super::SetClock;
use super::fixtures::tenant;
use crate::{Clock, Result, SignInKey, SignInKind, StoreError, Stores, bounds};

const HOUR: Duration = Duration::from_secs(3_600);
/// Long enough for a server, whose time passes beside the clock of the suite.
const MINUTE: Duration = Duration::from_secs(60);
const ALICE: &str = "person/alice";
/// How many act at once.
const AT_ONCE: usize = 20;

/// Empty stores, their clock, and a tenant.
pub(super) struct SignInCase {
    stores: Stores,
    clock: Arc<SetClock>,
    acme: TenantId,
}

fn session(id: &str) -> SignInKey {
    SignInKey::new(SignInKind::Session, id)
}

fn code(id: &str) -> SignInKey {
    SignInKey::new(SignInKind::Code, id)
}

fn value(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn is_full<T>(answer: &Result<T>) -> bool {
    matches!(answer, Err(StoreError::Full { .. }))
}

impl SignInCase {
    pub(super) fn new(stores: Stores, clock: Arc<SetClock>) -> Self {
        Self { stores, clock, acme: tenant("acme") }
    }

    fn after(&self, time: Duration) -> Timestamp {
        self.clock.now() + time
    }

    async fn put(&self, key: &SignInKey, owner: Option<&str>, text: &str, lasting: Duration) {
        self.stores.sign_ins.put(&self.acme, key, owner, value(text), self.after(lasting)).await.unwrap();
    }

    async fn read(&self, key: &SignInKey) -> Option<Bytes> {
        self.stores.sign_ins.read(&self.acme, key).await.unwrap()
    }

    async fn claim(&self, key: &SignInKey, text: &str) -> bool {
        self.stores.sign_ins.claim(&self.acme, key, value(text), self.after(HOUR)).await.unwrap()
    }

    async fn replace(&self, key: &SignInKey, seen: &str, text: &str) -> bool {
        let until = self.after(HOUR);
        self.stores.sign_ins.replace(&self.acme, key, &value(seen), value(text), until).await.unwrap()
    }

    /// The ids of an owner's records with their values.
    async fn owned(&self, owner: &str) -> Vec<(SignInKey, String)> {
        let owned = self.stores.sign_ins.owned(&self.acme, owner).await.unwrap();
        owned.into_iter().map(|(key, value)| (key, String::from_utf8(value.into()).unwrap())).collect()
    }

    pub(super) async fn what_is_put_is_read_until_its_time(&self) {
        let (one, other) = (session("one"), session("other"));
        assert_eq!(self.read(&one).await, None);
        self.put(&one, None, "first", HOUR).await;
        let bytes = Bytes::from_static(b"\0\xff\r\n");
        self.stores.sign_ins.put(&self.acme, &other, None, bytes.clone(), self.after(HOUR)).await.unwrap();
        assert_eq!(self.read(&one).await, Some(value("first")));
        assert_eq!(self.read(&other).await, Some(bytes), "any bytes");
        self.clock.advance(HOUR / 2);
        self.put(&one, None, "second", HOUR).await;
        self.clock.advance(HOUR / 2);
        assert_eq!(self.read(&other).await, None, "its time is over");
        assert_eq!(self.read(&one).await, Some(value("second")), "its time counts from the second write");
        let is_still = async |text: &str| self.stores.sign_ins.is_still(&self.acme, &one, &value(text)).await.unwrap();
        assert!(is_still("second").await && !is_still("first").await && !is_still("second to none").await);
        assert!(!is_still("").await && !self.stores.sign_ins.is_still(&self.acme, &other, &value("")).await.unwrap());
        self.clock.advance(HOUR / 2);
        assert_eq!(self.read(&one).await, None);
        self.put(&one, None, "", HOUR).await;
        assert_eq!(self.read(&one).await, Some(Bytes::new()), "an empty value is one");
        for _ in 0..2 {
            self.stores.sign_ins.remove(&self.acme, &one).await.unwrap();
            assert_eq!(self.read(&one).await, None);
        }
    }

    pub(super) async fn what_is_over_when_it_comes_is_not_kept(&self) {
        let (key, now) = (session("one"), self.clock.now());
        self.put(&key, Some(ALICE), "x", HOUR).await;
        self.put(&key, Some(ALICE), "y", Duration::ZERO).await;
        assert_eq!(self.read(&key).await, None, "nor what was there before");
        assert_eq!(self.owned(ALICE).await, []);
        let store = &self.stores.sign_ins;
        assert!(store.claim(&self.acme, &key, value("x"), now - HOUR).await.unwrap());
        assert!(store.claim(&self.acme, &key, value("x"), now).await.unwrap());
        self.put(&key, None, "x", HOUR).await;
        assert!(store.replace(&self.acme, &key, &value("x"), value("y"), now).await.unwrap());
        assert_eq!(self.read(&key).await, None);
    }

    pub(super) async fn one_of_many_claims_it(&self) {
        let key = SignInKey::new(SignInKind::Used, "one");
        let texts: Vec<String> = (0..AT_ONCE).map(|n| n.to_string()).collect();
        let answers = join_all(texts.iter().map(|text| self.claim(&key, text))).await;
        let won: Vec<_> = texts.iter().zip(&answers).filter(|(_, won)| **won).map(|(text, _)| text).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        assert_eq!(self.read(&key).await, Some(value(won[0])), "what the others bring is not stored");
        self.clock.advance(HOUR - MINUTE);
        assert!(!self.claim(&key, "early").await, "a claim that failed has not put it off");
        self.clock.advance(MINUTE);
        assert!(self.claim(&key, "again").await);
    }

    pub(super) async fn one_of_many_replaces_it(&self) {
        let key = SignInKey::new(SignInKind::Refresh, "one");
        self.put(&key, Some(ALICE), "seen", HOUR).await;
        let texts: Vec<String> = (0..AT_ONCE).map(|n| n.to_string()).collect();
        let answers = join_all(texts.iter().map(|text| self.replace(&key, "seen", text))).await;
        let won: Vec<_> = texts.iter().zip(&answers).filter(|(_, won)| **won).map(|(text, _)| text).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        assert_eq!(self.read(&key).await, Some(value(won[0])));
        assert_eq!(self.owned(ALICE).await, [(key, won[0].clone())], "its owner stays");
    }

    pub(super) async fn what_is_not_as_seen_stays(&self) {
        let key = session("one");
        for seen in ["", "x"] {
            assert!(!self.replace(&key, seen, "y").await, "there is none");
        }
        assert_eq!(self.read(&key).await, None);
        self.put(&key, None, "x", HOUR).await;
        for seen in ["", "X", "xx"] {
            assert!(!self.replace(&key, seen, "y").await);
        }
        assert_eq!(self.read(&key).await, Some(value("x")));
        self.clock.advance(HOUR - MINUTE);
        assert!(self.replace(&key, "x", "y").await);
        self.clock.advance(HOUR - MINUTE);
        assert_eq!(self.read(&key).await, Some(value("y")), "it has the time of the second write");
        self.clock.advance(MINUTE);
        assert!(!self.replace(&key, "y", "z").await, "its time is over");
    }

    pub(super) async fn an_owner_has_what_is_there_and_theirs(&self) {
        let (bob, refresh) = ("person/bob", SignInKey::new(SignInKind::Refresh, "a:b"));
        assert_eq!(self.owned(ALICE).await, []);
        self.put(&session("long"), Some(ALICE), "1", 3 * HOUR).await;
        self.put(&session("short"), Some(ALICE), "2", HOUR).await;
        self.put(&refresh, Some(ALICE), "3", 2 * HOUR).await;
        self.put(&session("his"), Some(bob), "4", HOUR).await;
        self.put(&session("nobody's"), None, "5", HOUR).await;
        let of_alice = [(session("short"), "2"), (refresh.clone(), "3"), (session("long"), "1")];
        let of_alice = of_alice.map(|(key, text)| (key, text.to_owned()));
        assert_eq!(self.owned(ALICE).await, of_alice, "those first that end first");
        assert_eq!(self.owned(bob).await, [(session("his"), "4".to_owned())]);
        let other = self.stores.sign_ins.owned(&tenant("other"), ALICE).await.unwrap();
        assert_eq!(other, [], "another tenant's Alice is another");
        self.clock.advance(HOUR);
        assert_eq!(self.owned(ALICE).await, of_alice[1..]);
        assert_eq!(self.owned(bob).await, []);
        self.stores.sign_ins.remove(&self.acme, &refresh).await.unwrap();
        assert_eq!(self.owned(ALICE).await, of_alice[2..]);
        self.clock.advance(2 * HOUR);
        assert_eq!(self.owned(ALICE).await, []);
    }

    pub(super) async fn what_changes_hands_is_listed_once(&self) {
        let (key, bob) = (session("one"), "person/bob");
        for (owner, text) in [(ALICE, "1"), (ALICE, "2"), (bob, "3")] {
            self.put(&key, Some(owner), text, HOUR).await;
            assert_eq!(self.owned(owner).await, [(key.clone(), text.to_owned())]);
        }
        assert_eq!(self.owned(ALICE).await, []);
        self.put(&key, None, "4", HOUR).await;
        assert_eq!(self.owned(bob).await, []);
        // Not taken for the record of whoever had that id before.
        self.put(&key, Some(ALICE), "5", HOUR).await;
        self.clock.advance(HOUR);
        self.put(&key, None, "6", HOUR).await;
        assert_eq!(self.owned(ALICE).await, []);
    }

    pub(super) async fn tenants_and_kinds_are_apart(&self) {
        let (other, until) = (tenant("other"), self.after(HOUR));
        for kind in SignInKind::ALL {
            let key = SignInKey::new(kind, "one");
            assert!(self.stores.sign_ins.claim(&self.acme, &key, value(kind.as_str()), until).await.unwrap(), "{kind}");
        }
        for kind in SignInKind::ALL {
            let key = SignInKey::new(kind, "one");
            assert_eq!(self.stores.sign_ins.read(&other, &key).await.unwrap(), None);
            self.stores.sign_ins.remove(&other, &key).await.unwrap();
            assert!(self.stores.sign_ins.claim(&other, &key, value("theirs"), until).await.unwrap());
            assert_eq!(self.read(&key).await, Some(value(kind.as_str())));
        }
    }

    pub(super) async fn what_is_too_large_or_too_long_is_refused(&self) {
        let (store, acme, until) = (&self.stores.sign_ins, &self.acme, self.after(bounds::SIGN_IN_KEPT_MAX));
        let longest = "i".repeat(bounds::SIGN_IN_ID_MAX);
        let largest = Bytes::from(vec![b'x'; bounds::SIGN_IN_VALUE_MAX]);
        let key = session(&longest);
        store.put(acme, &key, Some(&longest), largest.clone(), until).await.unwrap();
        assert_eq!(store.owned(acme, &longest).await.unwrap(), [(key.clone(), largest.clone())]);
        let larger = Bytes::from(vec![b'x'; bounds::SIGN_IN_VALUE_MAX + 1]);
        assert!(is_full(&store.put(acme, &key, None, larger.clone(), until).await));
        assert!(is_full(&store.claim(acme, &code("one"), larger.clone(), until).await));
        assert!(is_full(&store.replace(acme, &key, &largest, larger, until).await));
        let longer = format!("{longest}i");
        for (key, owner, until) in [
            (session(""), None, until),
            (session(&longer), None, until),
            (session("one"), Some(""), until),
            (session("one"), Some(longer.as_str()), until),
            (session("one"), None, until + MINUTE),
        ] {
            let refused = store.put(acme, &key, owner, value("x"), until).await;
            assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
            assert_eq!(self.read(&key).await, None);
        }
        for refused in [
            store.claim(acme, &session(&longer), value("x"), until).await.map(drop),
            store.claim(acme, &code("one"), value("x"), until + MINUTE).await.map(drop),
            store.claim(acme, &session(""), value("x"), until).await.map(drop),
            store.replace(acme, &key, &largest, value("x"), until + MINUTE).await.map(drop),
        ] {
            assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
        }
        assert_eq!(self.read(&key).await, Some(largest), "it is as it was");
    }
}

pub(super) async fn an_owner_who_has_enough_gets_no_more(stores: &Stores) {
    let (acme, until) = (tenant("acme"), stores.clock.now() + HOUR);
    let put = async |id: usize, owner| {
        let key = SignInKey::new(SignInKind::Refresh, id.to_string());
        stores.sign_ins.put(&acme, &key, Some(owner), value("x"), until).await
    };
    for id in 0..bounds::SIGN_INS_OWNED_MAX {
        put(id, ALICE).await.unwrap();
    }
    let more = bounds::SIGN_INS_OWNED_MAX;
    assert!(is_full(&put(more, ALICE).await));
    put(more, "person/bob").await.unwrap();
    assert!(is_full(&put(more, ALICE).await), "what another has cannot be had either");
    put(0, ALICE).await.unwrap();
    assert_eq!(stores.sign_ins.owned(&acme, ALICE).await.unwrap().len(), bounds::SIGN_INS_OWNED_MAX);
    stores.sign_ins.remove(&acme, &SignInKey::new(SignInKind::Refresh, "7")).await.unwrap();
    put(more, ALICE).await.unwrap();
    assert_eq!(stores.sign_ins.owned(&acme, ALICE).await.unwrap().len(), bounds::SIGN_INS_OWNED_MAX);
}
