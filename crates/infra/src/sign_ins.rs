//! Short-lived records of signing in: sessions, codes, refresh tokens, attempts. Key `auth:{tenant}:<kind>:<id>`.
//!
//! All of them end by themselves. A server that was emptied has none of them: who was signed in signs in again.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use model::{TenantId, Timestamp};

use crate::{Answer, Result, StoreError, bounds};

/// What a record of signing in is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SignInKind {
    /// Somebody is signed in.
    Session,
    /// A code that a program exchanges for tokens, once (RFC 6749 §4.1.2).
    Code,
    /// A refresh token (RFC 6749 §6).
    Refresh,
    /// How often somebody was refused lately.
    Attempts,
    /// What was revoked before its time was over (RFC 7009).
    Revoked,
    /// What may be used once, and was (`jti`, RFC 7519 §4.1.7).
    Used,
    /// A device that waits for a person to let it in, or the code that the person enters for that (RFC 8628).
    Device,
    /// A browser in which our own pages act for somebody who is signed in.
    Page,
    /// A desktop of an agent at the published Workspace API.
    Workspace,
    /// A client of the published Statistics API.
    Statistics,
    /// A program at the published Provisioning API.
    Provisioning,
    /// Where a search of somebody goes on.
    Search,
    /// Which interactions of media somebody has open.
    Interactions,
}

impl SignInKind {
    /// All kinds.
    pub const ALL: [Self; 13] = [
        Self::Session,
        Self::Code,
        Self::Refresh,
        Self::Attempts,
        Self::Revoked,
        Self::Used,
        Self::Device,
        Self::Page,
        Self::Workspace,
        Self::Statistics,
        Self::Provisioning,
        Self::Search,
        Self::Interactions,
    ];

    /// Its name in keys.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Code => "code",
            Self::Refresh => "refresh",
            Self::Attempts => "attempts",
            Self::Revoked => "revoked",
            Self::Used => "used",
            Self::Device => "device",
            Self::Page => "page",
            Self::Workspace => "workspace",
            Self::Statistics => "statistics",
            Self::Provisioning => "provisioning",
            Self::Search => "search",
            Self::Interactions => "interactions",
        }
    }

    /// The kind of that name; a later release may know others.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for SignInKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The key of a record. `Debug` shows its kind alone: an id may be what somebody signs in with.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignInKey {
    /// What it is about.
    pub kind: SignInKind,
    /// Which one, in 1 to [`bounds::SIGN_IN_ID_MAX`] bytes. Servers show keys to their operators: of what opens a door, give a digest.
    pub id: String,
}

impl SignInKey {
    /// A key.
    pub fn new(kind: SignInKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }
}

impl fmt::Debug for SignInKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInKey").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The records of signing in. Each call is one step that no other call comes between.
///
/// A record ends at its `until`, and is from then on as if it had never been. How long that is counts from the call, by the clock of
/// the store's client, and then by the store alone. What is written with an `until` that is over is removed at once.
///
/// After [`StoreError::Unavailable`] it is open whether a write was done. [`Self::put`] and [`Self::remove`] may be repeated. The others
/// must not be taken for repeatable: a second `claim` or `replace` finds what the first has written. Who gets no answer to one of them
/// lets nobody in.
///
/// Writes fail with [`StoreError::Full`] when a value has more than [`bounds::SIGN_IN_VALUE_MAX`] bytes, when the tenant has
/// [`bounds::SIGN_INS_MAX`] records of the kind, or the owner has [`bounds::SIGN_INS_OWNED_MAX`]; what is stored can still be changed and
/// removed. They fail with [`StoreError::Invalid`] when id or owner are empty or too long, or when the record would stay for more than
/// [`bounds::SIGN_IN_KEPT_MAX`].
pub trait SignIns: Send + Sync {
    /// Stores a record until `until`, in place of any before. With an owner (a person's or a program's subject) it is listed by
    /// [`Self::owned`].
    fn put<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a SignInKey,
        owner: Option<&'a str>,
        value: Bytes,
        until: Timestamp,
    ) -> Answer<'a, ()>;

    /// Stores a record only where there is none. `false`: there was one, which has not changed.
    fn claim<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a SignInKey,
        value: Bytes,
        until: Timestamp,
    ) -> Answer<'a, bool>;

    /// Reads a record.
    fn read<'a>(&'a self, tenant: &'a TenantId, key: &'a SignInKey) -> Answer<'a, Option<Bytes>>;

    /// Whether a record has that value still. It may be told by how the value begins and by its length, so that it need not be read: of
    /// values that differ somewhere else alone this says nothing. Sealed ones begin with a number that comes once.
    fn is_still<'a>(&'a self, tenant: &'a TenantId, key: &'a SignInKey, seen: &'a Bytes) -> Answer<'a, bool> {
        async move { Ok(self.read(tenant, key).await?.as_ref() == Some(seen)) }.boxed()
    }

    /// Replaces a record whose value is `seen`; its owner stays. `false`: there is another value, or none, and nothing has changed.
    /// Writers that may not both win give values that differ.
    fn replace<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a SignInKey,
        seen: &'a Bytes,
        value: Bytes,
        until: Timestamp,
    ) -> Answer<'a, bool>;

    /// Removes a record, if there is one.
    fn remove<'a>(&'a self, tenant: &'a TenantId, key: &'a SignInKey) -> Answer<'a, ()>;

    /// The records of an owner with their values, those first that end first.
    fn owned<'a>(&'a self, tenant: &'a TenantId, owner: &'a str) -> Answer<'a, Vec<(SignInKey, Bytes)>>;
}

/// Checks what a write brings; `lasting` is for how long.
///
/// # Errors
/// As [`SignIns`] says of writes.
pub fn accepted(key: &SignInKey, owner: Option<&str>, value: &[u8], lasting: Duration) -> Result<()> {
    let fits = |text: &str| (1..=bounds::SIGN_IN_ID_MAX).contains(&text.len());
    if !fits(&key.id) || !owner.is_none_or(fits) {
        let max = bounds::SIGN_IN_ID_MAX;
        return Err(StoreError::Invalid(format!("a {} has an id or an owner that has not 1 to {max} bytes", key.kind)));
    }
    if lasting > bounds::SIGN_IN_KEPT_MAX {
        let days = bounds::SIGN_IN_KEPT_MAX.as_secs() / 86_400;
        return Err(StoreError::Invalid(format!("a {} would be kept for more than {days} days", key.kind)));
    }
    if value.len() > bounds::SIGN_IN_VALUE_MAX {
        let bound = bounds::SIGN_IN_VALUE_MAX as u64;
        return Err(StoreError::Full { what: "the value of a sign-in", bound });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_name() {
        for kind in SignInKind::ALL {
            assert_eq!(SignInKind::named(kind.as_str()), Some(kind));
        }
        assert_eq!(SignInKind::named("owner"), None);
    }

    #[test]
    fn no_log_shows_an_id() {
        let key = SignInKey::new(SignInKind::Session, "open-sesame");
        assert_eq!(format!("{key:?}"), "SignInKey { kind: Session, .. }");
    }
}
