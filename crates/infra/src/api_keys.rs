//! API keys of tenants: what is kept of each is a digest of its secret, who has made it, what it may do and until when.

use model::{TenantId, Timestamp};

use crate::{Answer, ChangeNote, ChangeOrigin};

/// An API key, without its secret and its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, unique in the installation. It is no secret.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The client for which it is; none: for the tenant as a whole.
    pub client: Option<String>,
    /// What its bearer may at most.
    pub scopes: Vec<String>,
    /// Who has made it: a token's subject, or the user of the machine.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// When it ends by itself.
    pub ends_at: Timestamp,
    /// When it was last used, to about two minutes.
    pub used_at: Option<Timestamp>,
    /// From where, as the latest record of its uses has it ([`crate::SignInAudit`]); none where that is gone, or says nothing of it.
    pub used_from: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it is good at that time.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.ends_at
    }
}

/// A key that is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// The key; neither used nor revoked.
    pub key: ApiKey,
    /// The digest of its secret, as text.
    pub digest: String,
    /// Names the request: the same one of the same maker makes no second key.
    pub request: Option<String>,
    /// Requests before this time do not count as the same.
    pub request_since: Timestamp,
    /// From where it was made.
    pub origin: ChangeOrigin,
}

/// A key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptApiKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// The key.
    pub key: ApiKey,
    /// The digest of its secret, as text.
    pub digest: String,
}

/// API keys. That one is made or revoked is noted with what happens at signing in, in the same write. What is read from here signs nobody
/// in by itself: the caller compares the digest, and looks whether the key is good. Whoever deletes a client revokes its keys by the same
/// write, so that a later one of that id has none of them.
pub trait ApiKeys: Send + Sync {
    /// Keeps a key, and of those of the tenant that have ended no more than [`crate::bounds::API_KEYS_ENDED_MAX`], the latest. Returns the
    /// key that the same request has made before, in whose place nothing is kept. [`crate::StoreError::Full`]: the tenant has
    /// [`crate::bounds::API_KEYS_MAX`] that are good at the time at which this one is made.
    fn keep_api_key<'a>(&'a self, tenant: &'a TenantId, key: &'a NewApiKey) -> Answer<'a, Option<ApiKey>>;

    /// The keys of a tenant, also those that have ended, the latest first.
    fn api_keys<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<ApiKey>>;

    /// The key with that id, of whatever tenant.
    fn find_api_key<'a>(&'a self, id: &'a str) -> Answer<'a, Option<KeptApiKey>>;

    /// Notes that a key is used at that time, if it was not noted since `unless_since`.
    fn note_api_key_use<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a str,
        at: Timestamp,
        unless_since: Timestamp,
    ) -> Answer<'a, ()>;

    /// Revokes a key. One that is revoked already stays so. Returns whether the tenant has that key.
    fn revoke_api_key<'a>(&'a self, tenant: &'a TenantId, id: &'a str, note: &'a ChangeNote) -> Answer<'a, bool>;

    /// The keys of all tenants that were revoked at that time and later, the latest first, and at most so many.
    fn revoked_api_keys(&self, since: Timestamp, at_most: u32) -> Answer<'_, Vec<(TenantId, String)>>;

    /// Forgets keys of all tenants that ended before that time, at most so many. Returns how many were forgotten.
    fn forget_api_keys(&self, ended_before: Timestamp, at_most: u32) -> Answer<'_, u64>;
}
