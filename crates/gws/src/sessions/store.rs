//! The sessions of an API in the store, each under the digest of its cookie, sealed.
//!
//! One replica has a session, and alone writes its record: each write replaces the value that was seen last. Whoever takes the session over
//! writes it anew, and so the one before finds that it has it no longer. A record that is not there at all was lost by the store, as one
//! that was emptied: whoever has the session writes it again. Of a session that has ended a mark stays, so that it is not taken for a lost
//! one.

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use identity::secret::Digest;
use identity::session_cookie::SessionCookie;
use infra::{SignInKey, SignIns, StoreError};
use model::{TenantId, Timestamp};
use runtime::installation_key::InstallationKey;
use runtime::sealed;

use super::record::SessionRecord;

/// The most sessions of a person or a program: more nobody works with.
pub(crate) const OF_OWNER_MAX: usize = 20;
/// The value of a session that has ended. It opens as none, and is among those of nobody.
const ENDED: &[u8] = b"ended";

/// Under which tenant sessions that end are noted, whosever they are: no tenant is called so.
const EVERYWHERE: &str = "*";
/// How many lists of them there are: one has room for a thousand.
pub(crate) const ENDING_LISTS: usize = 16;

type Result<T> = std::result::Result<T, StoreError>;

/// The store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SessionStore<R> {
    records: Arc<dyn SignIns>,
    key: InstallationKey,
    of: PhantomData<fn() -> R>,
}

/// A session as read, to be replaced.
pub(crate) struct ReadSession<R> {
    /// The session.
    pub kept: R,
    /// Its value in the store.
    pub seen: Bytes,
}

fn key_of<R: SessionRecord>(cookie: &SessionCookie) -> SignInKey {
    SignInKey::new(R::KIND, cookie.digest.text())
}

fn owner_of<R: SessionRecord>(owner: &str) -> String {
    format!("{}/{}", R::LISTED_AS, Digest::of(owner).text())
}

fn name_beside(cookie: &SessionCookie, name: &str) -> String {
    format!("{}/{name}", cookie.digest.text())
}

fn key_beside<R: SessionRecord>(cookie: &SessionCookie, name: &str) -> SignInKey {
    SignInKey::new(R::KIND, name_beside(cookie, name))
}

fn ending_key<R: SessionRecord>(cookie: &SessionCookie) -> Option<(TenantId, SignInKey)> {
    Some((TenantId::parse(EVERYWHERE).ok()?, key_of::<R>(cookie)))
}

fn ending_list<R: SessionRecord>(list: usize) -> String {
    format!("{}-ending/{list}", R::LISTED_AS)
}

/// The list that has a session.
fn list_of(cookie: &SessionCookie) -> usize {
    cookie.digest.text().bytes().map(usize::from).sum::<usize>() % ENDING_LISTS
}

impl<R: SessionRecord> SessionStore<R> {
    /// Records in that store, sealed with the installation's key.
    pub(crate) fn new(records: Arc<dyn SignIns>, key: InstallationKey) -> Self {
        Self { records, key, of: PhantomData }
    }

    /// Seals a text for another use, with the same key; `None` if the machine has no randomness.
    pub(crate) fn seal(&self, bound_to: &[u8], plain: Vec<u8>) -> Option<Vec<u8>> {
        sealed::seal(&self.key, bound_to, plain)
    }

    fn sealed(&self, cookie: &SessionCookie, kept: &R) -> Result<Bytes> {
        let unsealed = || StoreError::Unavailable { reason: "a session cannot be sealed".to_owned() };
        kept.seal(&self.key, &cookie.digest.text()).ok_or_else(unsealed)
    }

    /// Keeps a session that has no record: a new one, or one that the store has lost. Returns its value.
    pub(crate) async fn keep(&self, cookie: &SessionCookie, kept: &R, until: Timestamp) -> Result<Bytes> {
        let (value, owner) = (self.sealed(cookie, kept)?, owner_of::<R>(kept.owner()));
        self.records.put(&cookie.tenant, &key_of::<R>(cookie), Some(&owner), value.clone(), until).await?;
        Ok(value)
    }

    /// The sessions of a person or program that are to end, so that there is room for one more: those that would end first, for they were
    /// used longest ago.
    pub(crate) async fn surplus(&self, tenant: &TenantId, owner: &str) -> Result<Vec<SessionCookie>> {
        let owned = self.records.owned(tenant, &owner_of::<R>(owner)).await?;
        let surplus = (owned.len() + 1).saturating_sub(OF_OWNER_MAX);
        let digests = owned.iter().take(surplus).filter_map(|(key, _)| Digest::read(&key.id));
        Ok(digests.map(|digest| SessionCookie { tenant: tenant.clone(), digest }).collect())
    }

    /// The other sessions of whoever has that one.
    pub(crate) async fn others(&self, cookie: &SessionCookie, owner: &str) -> Result<Vec<R>> {
        let owned = self.records.owned(&cookie.tenant, &owner_of::<R>(owner)).await?;
        let others = owned.into_iter().filter_map(|(key, value)| {
            let digest = Digest::read(&key.id).filter(|digest| *digest != cookie.digest)?;
            self.opened(&SessionCookie { tenant: cookie.tenant.clone(), digest }, &value)
        });
        Ok(others.collect())
    }

    // === sessions whose end asks for something ===

    /// Notes that a session ends, and that its end asks for something which outlives who has it now.
    pub(crate) async fn note_ending(&self, cookie: &SessionCookie, until: Timestamp) -> Result<()> {
        let Some((everywhere, key)) = ending_key::<R>(cookie) else { return Ok(()) };
        let (owner, tenant) = (ending_list::<R>(list_of(cookie)), cookie.tenant.to_string());
        self.records.put(&everywhere, &key, Some(&owner), tenant.into(), until).await
    }

    /// Forgets that: it has ended.
    pub(crate) async fn forget_ending(&self, cookie: &SessionCookie) -> Result<()> {
        let Some((everywhere, key)) = ending_key::<R>(cookie) else { return Ok(()) };
        self.records.remove(&everywhere, &key).await
    }

    /// The sessions of any tenant that end, of one of the [`ENDING_LISTS`] lists of them.
    pub(crate) async fn ending(&self, list: usize) -> Result<Vec<SessionCookie>> {
        let Ok(everywhere) = TenantId::parse(EVERYWHERE) else { return Ok(Vec::new()) };
        let noted = self.records.owned(&everywhere, &ending_list::<R>(list)).await?;
        let cookies = noted.into_iter().filter_map(|(key, tenant)| {
            let tenant = TenantId::parse(std::str::from_utf8(&tenant).ok()?).ok()?;
            Some(SessionCookie { tenant, digest: Digest::read(&key.id)? })
        });
        Ok(cookies.collect())
    }

    // === records ===

    /// The session of a cookie. What cannot be read is none.
    pub(crate) async fn read(&self, cookie: &SessionCookie) -> Result<Option<ReadSession<R>>> {
        let seen = self.value(cookie).await?;
        Ok(seen.and_then(|seen| {
            let kept = self.opened(cookie, &seen)?;
            Some(ReadSession { kept, seen })
        }))
    }

    /// Its value, sealed.
    pub(crate) async fn value(&self, cookie: &SessionCookie) -> Result<Option<Bytes>> {
        self.records.read(&cookie.tenant, &key_of::<R>(cookie)).await
    }

    /// Whether it is that value still, which need not be read for it.
    pub(crate) async fn is_still(&self, cookie: &SessionCookie, seen: &Bytes) -> Result<bool> {
        self.records.is_still(&cookie.tenant, &key_of::<R>(cookie), seen).await
    }

    /// What is in a value; none for what cannot be read.
    pub(crate) fn opened(&self, cookie: &SessionCookie, value: &[u8]) -> Option<R> {
        R::open(&self.key, &cookie.tenant, &cookie.digest.text(), value)
    }

    /// Writes a session whose value is `seen`, and returns the new one; none if it has changed or ended.
    pub(crate) async fn replace(
        &self,
        cookie: &SessionCookie,
        seen: &Bytes,
        kept: &R,
        until: Timestamp,
    ) -> Result<Option<Bytes>> {
        let value = self.sealed(cookie, kept)?;
        let is_done = self.records.replace(&cookie.tenant, &key_of::<R>(cookie), seen, value.clone(), until).await?;
        Ok(is_done.then_some(value))
    }

    /// Ends a session with the records beside it. The mark stays until then: as long as somebody may still have the session in memory.
    pub(crate) async fn end(&self, cookie: &SessionCookie, until: Timestamp) -> Result<()> {
        let mark = Bytes::from_static(ENDED);
        self.records.put(&cookie.tenant, &key_of::<R>(cookie), None, mark, until).await?;
        for name in R::BESIDE {
            self.records.remove(&cookie.tenant, &key_beside::<R>(cookie, name)).await?;
        }
        Ok(())
    }

    // === records beside ===

    /// Writes a record beside that of a session, sealed for `bound_to`, in the place of `seen` or where there is nothing, and returns its
    /// new value; none if there is another one than was seen.
    pub(crate) async fn keep_beside(
        &self,
        cookie: &SessionCookie,
        (name, bound_to): (&str, &str),
        seen: Option<&Bytes>,
        plain: Vec<u8>,
        until: Timestamp,
    ) -> Result<Option<Bytes>> {
        let unsealed = || StoreError::Unavailable { reason: "a record beside a session cannot be sealed".to_owned() };
        let bound_to = format!("{bound_to} {}", name_beside(cookie, name));
        let value = sealed::seal(&self.key, bound_to.as_bytes(), plain).ok_or_else(unsealed)?;
        let (tenant, key, value) = (&cookie.tenant, key_beside::<R>(cookie, name), Bytes::from(value));
        let is_done = match seen {
            Some(seen) => self.records.replace(tenant, &key, seen, value.clone(), until).await?,
            None => self.records.claim(tenant, &key, value.clone(), until).await?,
        };
        Ok(is_done.then_some(value))
    }

    /// The record beside that of a session, sealed.
    pub(crate) async fn beside(&self, cookie: &SessionCookie, name: &str) -> Result<Option<Bytes>> {
        self.records.read(&cookie.tenant, &key_beside::<R>(cookie, name)).await
    }

    /// What is in that; what cannot be read is nothing.
    pub(crate) fn opened_beside(
        &self,
        cookie: &SessionCookie,
        (name, bound_to): (&str, &str),
        value: &Bytes,
    ) -> Option<Vec<u8>> {
        sealed::open(&self.key, format!("{bound_to} {}", name_beside(cookie, name)).as_bytes(), value)
    }
}

#[cfg(test)]
impl<R: SessionRecord> SessionStore<R> {
    /// One in memory.
    pub(crate) fn in_memory(clock: Arc<infra::conformance::SetClock>) -> Self {
        Self::of_test(Arc::new(infra::embedded::Embedded::in_memory(clock)))
    }

    /// One whose records are there.
    pub(crate) fn of_test(records: Arc<dyn SignIns>) -> Self {
        Self::new(records, InstallationKey::from_bytes([7; 32]))
    }

    /// How many sessions somebody has.
    pub(crate) async fn count_of(&self, tenant: &TenantId, owner: &str) -> usize {
        self.records.owned(tenant, &owner_of::<R>(owner)).await.map_or(0, |owned| owned.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use infra::Clock as _;
    use infra::conformance::SetClock;

    use super::super::test_sessions::PlainRecord;
    use super::*;

    const NOTES: (&str, &str) = ("notes", "plain notes");

    fn cookie(secret: &str) -> SessionCookie {
        SessionCookie { tenant: TenantId::parse("acme").unwrap(), digest: Digest::of(secret) }
    }

    fn setup() -> (Arc<SetClock>, SessionStore<PlainRecord>) {
        let clock = SetClock::at(Timestamp::from_millis(1_700_000_000_000));
        (clock.clone(), SessionStore::in_memory(clock))
    }

    #[tokio::test]
    async fn who_writes_a_session_that_another_has_taken_over_writes_nothing() {
        let (clock, store) = setup();
        let (one, until) = (cookie("one"), clock.now() + Duration::from_secs(60));
        let of = |holder: &str| PlainRecord::of("ann", holder, clock.now());
        let first = store.keep(&one, &of("a"), until).await.unwrap();
        assert_eq!(store.value(&one).await.unwrap(), Some(first.clone()));
        let second = store.replace(&one, &first, &of("b"), until).await.unwrap().unwrap();
        assert_eq!(store.replace(&one, &first, &of("a"), until).await.unwrap(), None);
        let read = store.read(&one).await.unwrap().unwrap();
        assert_eq!((read.kept.holder.as_str(), &read.seen), ("b", &second));
        store.end(&one, until).await.unwrap();
        assert!(store.read(&one).await.unwrap().is_none());
        assert_eq!(store.replace(&one, &second, &of("b"), until).await.unwrap(), None, "what has ended stays so");
        assert!(store.value(&one).await.unwrap().is_some(), "it is not lost");
        assert_eq!(store.count_of(&one.tenant, "ann").await, 0);
    }

    #[tokio::test]
    async fn a_record_beside_is_kept_apart_and_ends_with_the_session() {
        let (clock, store) = setup();
        let (one, until) = (cookie("one"), clock.now() + Duration::from_secs(60));
        store.keep(&one, &PlainRecord::of("ann", "a", clock.now()), until).await.unwrap();
        assert_eq!(store.beside(&one, "notes").await.unwrap(), None);
        let first = store.keep_beside(&one, NOTES, None, b"open".to_vec(), until).await.unwrap().unwrap();
        assert_eq!(store.beside(&one, "notes").await.unwrap(), Some(first.clone()));
        assert_eq!(store.opened_beside(&one, NOTES, &first).as_deref(), Some(&b"open"[..]));
        assert_eq!(store.opened_beside(&cookie("two"), NOTES, &first), None);
        assert_eq!(store.count_of(&one.tenant, "ann").await, 1, "it is no session");
        let second = store.keep_beside(&one, NOTES, Some(&first), b"more".to_vec(), until).await.unwrap().unwrap();
        for seen in [None, Some(&first)] {
            let late = store.keep_beside(&one, NOTES, seen, b"late".to_vec(), until).await.unwrap();
            assert_eq!(late, None, "whoever has seen something else writes nothing");
        }
        assert_eq!(store.beside(&one, "notes").await.unwrap(), Some(second));
        assert_eq!(store.beside(&cookie("two"), "notes").await.unwrap(), None);
        store.end(&one, until).await.unwrap();
        assert_eq!(store.beside(&one, "notes").await.unwrap(), None);
    }

    #[tokio::test]
    async fn of_as_many_sessions_as_somebody_may_have_the_first_are_to_end_for_one_more() {
        let (clock, store) = setup();
        let now = clock.now();
        let after = |seconds: usize| now + Duration::from_secs(3_600 + seconds as u64);
        let acme = TenantId::parse("acme").unwrap();
        store.keep(&cookie("bob"), &PlainRecord::of("bob", "a", now), after(0)).await.unwrap();
        for n in 0..=OF_OWNER_MAX {
            let surplus = store.surplus(&acme, "ann").await.unwrap();
            assert_eq!(surplus, if n < OF_OWNER_MAX { vec![] } else { vec![cookie("0")] });
            store.keep(&cookie(&n.to_string()), &PlainRecord::of("ann", "a", now), after(n)).await.unwrap();
        }
        assert_eq!(store.surplus(&acme, "ann").await.unwrap(), [cookie("0"), cookie("1")]);
        assert_eq!(store.surplus(&acme, "bob").await.unwrap(), []);
    }

    #[tokio::test]
    async fn sessions_that_end_are_found_whosever_they_are_until_they_have_ended() {
        let (clock, store) = setup();
        let until = clock.now() + Duration::from_secs(60);
        let of_other = SessionCookie { tenant: TenantId::parse("globex").unwrap(), digest: Digest::of("two") };
        for cookie in [&cookie("one"), &of_other] {
            store.note_ending(cookie, until).await.unwrap();
        }
        let mut found = Vec::new();
        for list in 0..ENDING_LISTS {
            found.extend(store.ending(list).await.unwrap());
        }
        assert!(found.len() == 2 && found.contains(&cookie("one")) && found.contains(&of_other));
        store.forget_ending(&of_other).await.unwrap();
        assert!(!store.ending(list_of(&of_other)).await.unwrap().contains(&of_other));
        assert!(store.ending(list_of(&cookie("one"))).await.unwrap().contains(&cookie("one")));
    }

    #[tokio::test]
    async fn the_other_sessions_of_somebody_are_found() {
        let (clock, store) = setup();
        let until = clock.now() + Duration::from_secs(60);
        for (secret, owner) in [("one", "ann"), ("two", "ann"), ("three", "bob")] {
            store.keep(&cookie(secret), &PlainRecord::of(owner, secret, clock.now()), until).await.unwrap();
        }
        let others = store.others(&cookie("one"), "ann").await.unwrap();
        assert_eq!(others.iter().map(|other| other.holder.as_str()).collect::<Vec<_>>(), ["two"]);
    }
}
