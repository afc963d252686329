//! What ingress tells auth of uses of API keys for which it has not asked auth, since it had a token of them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Where auth takes it, below the issuer and below the host.
pub(crate) const BELOW_ISSUER: &str = "/api-keys/uses";
pub(crate) const PATH: &str = "/auth/v3/api-keys/uses";
/// The most keys of which is told in one request: each is looked up.
pub(crate) const KEYS_MAX: usize = 64;
/// The most addresses of one key that are told at a time.
pub(crate) const ADDRESSES_MAX: usize = 8;
/// The longest body of a request, in bytes: auth takes longer ones.
pub(crate) const BYTES_MAX: usize = 12 << 10;

/// A request.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ToldKeyUses {
    pub keys: Vec<UsedKey>,
}

/// A key that was used.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UsedKey {
    /// Its id.
    pub id: String,
    /// When it was used last, in milliseconds since 1970.
    pub used_ms: u64,
    /// From where, the latest last; nothing where that is known already.
    pub from: Vec<UseFrom>,
}

/// Uses of a key from one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UseFrom {
    pub address: IpAddr,
    /// What the latest of them calls itself.
    pub user_agent: String,
    /// When the latest was, in milliseconds since 1970.
    pub at_ms: u64,
    /// How many.
    pub times: u32,
}
