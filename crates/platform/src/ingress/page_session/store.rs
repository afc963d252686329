//! The sessions of our pages in the store (own-23), each under the digest of its cookie, and whose turn it is to renew one.

use std::sync::Arc;

use bytes::Bytes;
use infra::{SignInKey, SignInKind, SignIns, StoreError};
use model::Timestamp;
use runtime::RoleContext;
use runtime::installation_key::InstallationKey;

use super::record::PageSession;
use crate::session_cookie::SessionCookie;

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

impl PageSessionStore {
    /// The store of the role, sealed with the installation's key.
    pub fn of_role(ctx: &RoleContext) -> Self {
        Self { records: ctx.stores.sign_ins.clone(), key: ctx.installation_key.clone() }
    }

    fn sealed(&self, cookie: &SessionCookie, session: &PageSession) -> Result<Bytes> {
        let unsealed = || StoreError::Unavailable { reason: "a session cannot be sealed".to_owned() };
        session.seal(&self.key, &cookie.digest.text()).ok_or_else(unsealed)
    }

    /// Keeps a new session.
    pub async fn begin(&self, cookie: &SessionCookie, session: &PageSession, until: Timestamp) -> Result<()> {
        let value = self.sealed(cookie, session)?;
        self.records.put(&cookie.tenant, &key_of(cookie), None, value, until).await
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
    pub async fn replace(
        &self,
        cookie: &SessionCookie,
        read: &ReadPageSession,
        next: &PageSession,
        until: Timestamp,
    ) -> Result<bool> {
        let value = self.sealed(cookie, next)?;
        self.records.replace(&cookie.tenant, &key_of(cookie), &read.seen, value, until).await
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
