//! The sessions of our pages in the store (own-23), each under the digest of its cookie, and whose turn it is to renew one.

use std::sync::Arc;

use bytes::Bytes;
use identity::secret::Digest;
use identity::session_cookie::SessionCookie;
use infra::{SignInKey, SignInKind, SignIns, StoreError};
use model::Timestamp;
use runtime::RoleContext;
use runtime::installation_key::InstallationKey;

use super::record::PageSession;

/// The most sessions of a person: in more browsers nobody is at work.
pub(super) const OF_PERSON_MAX: usize = 100;

type Result<T> = std::result::Result<T, StoreError>;

/// The store. Cheap to clone.
#[derive(Clone)]
pub(super) struct PageSessionStore {
    records: Arc<dyn SignIns>,
    key: InstallationKey,
}

/// A session as read, to be replaced.
pub(super) struct ReadPageSession {
    pub session: PageSession,
    seen: Bytes,
}

fn key_of(cookie: &SessionCookie) -> SignInKey {
    SignInKey::new(SignInKind::Page, cookie.digest.text())
}

fn turn_of(cookie: &SessionCookie) -> SignInKey {
    SignInKey::new(SignInKind::Page, format!("turn/{}", cookie.digest.text()))
}

/// Sessions of a person are listed apart from what auth keeps of the person.
fn owner(user: &str) -> String {
    format!("pages/{}", Digest::of(user).text())
}

impl PageSessionStore {
    /// The store of the role, sealed with the installation's key.
    pub fn of_role(ctx: &RoleContext) -> Self {
        Self { records: ctx.stores.sign_ins.clone(), key: ctx.installation_key.clone() }
    }

    fn sealed(&self, cookie: &SessionCookie, session: &PageSession) -> Result<Bytes> {
        let unsealed = || StoreError::Unavailable { reason: "a session cannot be sealed".to_owned() };
        session.seal(&self.key, &cookie.digest.text()).ok_or_else(unsealed)
    }

    /// Keeps a new session. Whoever has as many as there may be loses what would end first, which was used longest ago: returns those.
    pub async fn begin(&self, cookie: &SessionCookie, session: &PageSession) -> Result<Vec<PageSession>> {
        let (value, owner) = (self.sealed(cookie, session)?, owner(&session.user));
        let owned = self.records.owned(&cookie.tenant, &owner).await?;
        let surplus = (owned.len() + 1).saturating_sub(OF_PERSON_MAX);
        let mut ended = Vec::new();
        for (key, sealed) in owned.into_iter().take(surplus) {
            self.records.remove(&cookie.tenant, &key).await?;
            ended.extend(PageSession::open(&self.key, &key.id, &sealed));
        }
        self.records.put(&cookie.tenant, &key_of(cookie), Some(&owner), value, session.until).await?;
        Ok(ended)
    }

    /// The session of a cookie.
    pub async fn read(&self, cookie: &SessionCookie) -> Result<Option<ReadPageSession>> {
        let seen = self.records.read(&cookie.tenant, &key_of(cookie)).await?;
        Ok(seen.and_then(|seen| {
            let session = PageSession::open(&self.key, &cookie.digest.text(), &seen)?;
            Some(ReadPageSession { session, seen })
        }))
    }

    /// Replaces a session as it was read; `false` if it has changed, or has ended.
    pub async fn replace(&self, cookie: &SessionCookie, read: &ReadPageSession, next: &PageSession) -> Result<bool> {
        let value = self.sealed(cookie, next)?;
        self.records.replace(&cookie.tenant, &key_of(cookie), &read.seen, value, next.until).await
    }

    /// Ends a session.
    pub async fn end(&self, cookie: &SessionCookie) -> Result<()> {
        self.records.remove(&cookie.tenant, &key_of(cookie)).await
    }

    /// Takes the turn to renew a session, until then; `false` if somebody else has it.
    pub async fn takes_turn(&self, cookie: &SessionCookie, until: Timestamp) -> Result<bool> {
        self.records.claim(&cookie.tenant, &turn_of(cookie), Bytes::from_static(b"1"), until).await
    }

    /// Gives the turn back.
    pub async fn ends_turn(&self, cookie: &SessionCookie) -> Result<()> {
        self.records.remove(&cookie.tenant, &turn_of(cookie)).await
    }
}

#[cfg(test)]
impl PageSessionStore {
    /// One in memory.
    pub fn in_memory(clock: Arc<infra::conformance::SetClock>) -> Self {
        let records = Arc::new(infra::embedded::Embedded::in_memory(clock));
        Self { records, key: InstallationKey::from_bytes([7; 32]) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use infra::Clock as _;
    use infra::conformance::SetClock;
    use model::TenantId;

    use super::*;

    fn cookie(secret: &str) -> SessionCookie {
        SessionCookie { tenant: TenantId::parse("acme").unwrap(), digest: Digest::of(secret) }
    }

    #[tokio::test]
    async fn whoever_has_as_many_sessions_as_there_may_be_loses_the_first_and_nobody_else_does() {
        let clock = SetClock::at(Timestamp::from_millis(1_700_000_000_000));
        let (store, now) = (PageSessionStore::in_memory(clock.clone()), clock.now());
        let session = |user: &str, n: usize| PageSession {
            user: user.to_owned(),
            refresh_token: n.to_string(),
            ..PageSession::of_test(now + Duration::from_secs(3_600 + n as u64))
        };
        store.begin(&cookie("bob"), &session("person/bob", 0)).await.unwrap();
        for n in 0..OF_PERSON_MAX + 2 {
            let ended = store.begin(&cookie(&n.to_string()), &session("person/ann", n)).await.unwrap();
            let ended: Vec<String> = ended.into_iter().map(|session| session.refresh_token).collect();
            let surplus: Vec<String> =
                n.checked_sub(OF_PERSON_MAX).map(|first| first.to_string()).into_iter().collect();
            assert_eq!(ended, surplus, "{n}");
        }
        for (secret, is_there) in [("0", false), ("1", false), ("2", true), ("bob", true)] {
            assert_eq!(store.read(&cookie(secret)).await.unwrap().is_some(), is_there, "{secret}");
        }
    }
}
