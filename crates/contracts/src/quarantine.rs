//! Records in quarantine, as operators see them over HTTP.

use serde::{Deserialize, Serialize};

/// A quarantined record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AsideRow {
    /// Its id.
    pub id: u64,
    /// The ledger that contained it: `call`, `agent`, `session` or `media`.
    pub ledger: String,
    /// Its key there.
    pub key: String,
    /// Its last owner.
    pub owner: String,
    /// That owner's token.
    pub token: u64,
    /// Why it was quarantined.
    pub why: String,
    /// When it was quarantined, in milliseconds since 1970.
    pub since: u64,
    /// When it is dropped, in milliseconds since 1970.
    pub until: u64,
    /// Size of its state, in bytes.
    pub bytes: usize,
}

/// A quarantined record with its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AsideRecord {
    /// Its entry in the list.
    #[serde(flatten)]
    pub row: AsideRow,
    /// Its state as it was stored, in base64.
    pub state: String,
}
