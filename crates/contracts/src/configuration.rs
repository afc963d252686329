//! Answers of config (9100) that are not objects as they are stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::provisioning::{ObjectKind, Secret};

/// `GET /versions`: which version each tenant's configuration has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Names this whole state: handed back, the answer waits until the state differs.
    pub etag: String,
    /// By tenant, `generation-revision`.
    pub tenants: BTreeMap<String, String>,
}

/// `GET /tenants/{tenant}/objects`: every object, or what changed after a version; with `from` in pages, which belong together if their
/// versions are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The version after these objects.
    pub version: String,
    /// Whether these are all objects: others are gone.
    pub whole: bool,
    /// Objects as they are now; secrets are blank.
    pub objects: Vec<Listed>,
    /// Objects that are gone.
    pub gone: Vec<Listed>,
    /// Behind which object the next page begins; none on the last page, and where no pages were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An object in a list of several kinds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name, number or code.
    pub id: String,
    /// The object; null for one that is gone.
    pub object: Json,
}

/// `GET /tenants/{tenant}/route-points/{dn}`: a route point with what it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutePoint {
    /// Its number.
    pub dn: String,
    /// The application's name.
    pub application: String,
    /// Where a call goes when no instruction comes in time.
    pub default_dn: Option<String>,
    /// The SCXML document.
    pub document: String,
}

/// `GET /tenants/{tenant}/credentials/{dn}`: what a phone's digest is checked against.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The phone's number and SIP user.
    pub dn: String,
    /// The realm of the hashes.
    pub realm: String,
    /// H(user:realm:password) with MD5, in lower-case hexadecimal.
    pub md5: String,
    /// The same with SHA-256.
    pub sha256: String,
}

/// `POST /tenants/{tenant}/credentials`: the credentials of several phones at once, at most [`CREDENTIALS_MAX`]. The answer is a
/// list of [`Credentials`], without numbers that are no phones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialsQuestion {
    /// The phones' numbers.
    pub of: Vec<String>,
}

/// The most phones of one question.
pub const CREDENTIALS_MAX: usize = 128;

/// `POST /tenants/{tenant}/pins/{dn}`: a question about the PIN of the agent whose default place has the phone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinQuestion {
    /// What was typed; without it how many digits the PIN has is asked.
    pub typed: Option<Secret>,
}

/// The answer to a [`PinQuestion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum PinAnswer {
    /// It has so many digits.
    Digits {
        /// How many.
        digits: u8,
    },
    /// That is it.
    Right,
    /// That is not it.
    Wrong,
    /// There is no such agent, or the agent has no PIN.
    None,
    /// Too many were wrong: no PIN of this phone is looked at for a while.
    Wait,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("dn", &self.dn).field("realm", &self.realm).finish_non_exhaustive()
    }
}
