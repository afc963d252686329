//! Records in quarantine, as operators see them over HTTP.

use serde::{Deserialize, Serialize};

/// A record that was put aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AsideRow {
    /// By what it is named.
    pub id: u64,
    /// Which ledger had it: `call`, `agent`, `session` or `media`.
    pub ledger: String,
    /// Its key there.
    pub key: String,
    /// Who owned it.
    pub owner: String,
    /// By which token.
    pub token: u64,
    /// Why it was put aside.
    pub why: String,
    /// When, in milliseconds since 1970.
    pub since: u64,
    /// When it goes by itself.
    pub until: u64,
    /// How long its state is, in bytes.
    pub bytes: usize,
}

/// A record that was put aside, with what stands in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AsideRecord {
    /// What is known of it.
    #[serde(flatten)]
    pub row: AsideRow,
    /// Its state as it was stored, in base64.
    pub state: String,
}
