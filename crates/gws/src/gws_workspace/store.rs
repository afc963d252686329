//! The sessions of desktops in the store (gws-18). What a session has open of statistics stands in a record beside its own, which has no
//! room for it.

use bytes::Bytes;
use identity::session_cookie::SessionCookie;
use infra::StoreError;
use model::Timestamp;

use super::records::{KeptSession, REPORTING};
use crate::sessions::store::SessionStore;

/// The store. Cheap to clone.
pub(super) type DeskStore = SessionStore<KeptSession>;

type Result<T> = std::result::Result<T, StoreError>;

impl DeskStore {
    /// Writes what a session has open of statistics in the place of `seen`, or where there is nothing, and returns the new value; none if
    /// there is another one than was seen.
    pub(super) async fn keep_reporting(
        &self,
        cookie: &SessionCookie,
        seen: Option<&Bytes>,
        kept: Vec<u8>,
        until: Timestamp,
    ) -> Result<Option<Bytes>> {
        self.keep_beside(cookie, REPORTING, seen, kept, until).await
    }

    /// What a session has open of statistics, sealed.
    pub(super) async fn reporting(&self, cookie: &SessionCookie) -> Result<Option<Bytes>> {
        self.beside(cookie, REPORTING.0).await
    }

    /// What is in that; what cannot be read is nothing.
    pub(super) fn opened_reporting(&self, cookie: &SessionCookie, value: &Bytes) -> Option<Vec<u8>> {
        self.opened_beside(cookie, REPORTING, value)
    }
}
