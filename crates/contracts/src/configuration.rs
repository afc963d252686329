//! Answers of config (9100) that are not stored objects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::provisioning::{ObjectKind, Secret};

/// `GET /versions`: the version of each tenant's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Names this whole state. A request that returns it waits until the state differs.
    pub etag: String,
    /// By tenant, `generation-revision`.
    pub tenants: BTreeMap<String, String>,
}

/// `GET /tenants/{tenant}/objects`: every object, or the changes after a version. With `from` in pages, which belong together if their
/// versions are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The version after these objects.
    pub version: String,
    /// Whether these are all objects: any other is deleted.
    pub whole: bool,
    /// Objects as they are now; secrets are blank.
    pub objects: Vec<Listed>,
    /// Deleted objects.
    pub gone: Vec<Listed>,
    /// The object after which the next page begins; none on the last page, and if no pages were requested.
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
    /// The object; null if it is deleted.
    pub object: Json,
}

/// `GET /tenants/{tenant}/route-points/{dn}`: a route point with its application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutePoint {
    /// Its number.
    pub dn: String,
    /// The application's name.
    pub application: String,
    /// The DN to which a call goes when no instruction comes in time.
    pub default_dn: Option<String>,
    /// The SCXML document.
    pub document: String,
}

/// `GET /tenants/{tenant}/credentials/{dn}`: the hashes that a phone's digest is checked against.
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

/// `GET /tenants/{tenant}/trunk-credentials`: what answers the challenges of carriers, and signs calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkCredentials {
    /// The tenant's version.
    pub version: String,
    /// The trunks that have credentials.
    pub trunks: Vec<TrunkAccount>,
    /// The keys with which calls by trunks are signed; the release before tells none.
    #[serde(default)]
    pub keys: Vec<TrunkKey>,
}

/// The key with which calls by a trunk are signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkKey {
    /// The trunk's name.
    pub trunk: String,
    /// The key, as PEM.
    pub private_key: Secret,
}

/// The credentials of a trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkAccount {
    /// The trunk's name.
    pub trunk: String,
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// `GET /tenants/{tenant}/trunk-digests`: against what the passwords of those are checked who call by trunks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkDigests {
    /// The tenant's version.
    pub version: String,
    /// The trunks that ask for a password.
    pub trunks: Vec<TrunkDigest>,
}

/// The hashes that the digest of who calls by a trunk is checked against.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkDigest {
    /// The trunk's name.
    pub trunk: String,
    /// The user name.
    pub user: String,
    /// The realm of the hashes: that of the tenant's phones.
    pub realm: String,
    /// H(user:realm:password) with MD5, in lower-case hexadecimal.
    pub md5: String,
    /// The same with SHA-256.
    pub sha256: String,
}

/// `POST /tenants/{tenant}/pins/{dn}`: a question about the PIN of the agent whose default place has the phone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinQuestion {
    /// The typed digits; without them the question is how many digits the PIN has.
    pub typed: Option<Secret>,
}

/// `POST /tenants/{tenant}/logins`: a question about the password of a login, which is the agent's PIN.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginQuestion {
    /// The DN.
    pub dn: String,
    /// The agent's id, or one of the agent's login codes; without it the one whose default place has the DN is meant.
    pub agent: Option<String>,
    /// The password.
    pub password: Secret,
}

/// The answer to a [`LoginQuestion`]: what is said of the password, and of whose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginAnswer {
    /// Whether it is right.
    #[serde(flatten)]
    pub verdict: PinAnswer,
    /// The id of the agent whose PIN it is, if it is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Then the wrap-up time in seconds of the code by which the agent was named, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrap_up_s: Option<u32>,
}

impl LoginAnswer {
    /// A verdict that names nobody.
    pub const fn of(verdict: PinAnswer) -> Self {
        Self { verdict, agent: None, wrap_up_s: None }
    }
}

/// The answer to a [`PinQuestion`], and the verdict of a [`LoginAnswer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum PinAnswer {
    /// The length of the PIN.
    Digits {
        /// Number of digits.
        digits: u8,
    },
    /// The PIN is right.
    Right,
    /// The PIN is wrong.
    Wrong,
    /// There is no such agent, or the agent has no PIN.
    None,
    /// Too many PINs were wrong: no PIN of this phone is checked for a while.
    Wait,
}

impl std::fmt::Debug for TrunkDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrunkDigest").field("trunk", &self.trunk).field("user", &self.user).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("dn", &self.dn).field("realm", &self.realm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_about_a_login_has_the_verdict_and_the_agent_side_by_side() {
        let right =
            LoginAnswer { agent: Some("a1".to_owned()), wrap_up_s: Some(20), ..LoginAnswer::of(PinAnswer::Right) };
        let json = serde_json::json!({"answer": "right", "agent": "a1", "wrap_up_s": 20});
        assert_eq!(serde_json::to_value(&right).unwrap(), json);
        assert_eq!(serde_json::from_value::<LoginAnswer>(json).unwrap(), right);
        for verdict in [PinAnswer::Right, PinAnswer::Wrong, PinAnswer::None, PinAnswer::Wait] {
            // As the release before answers.
            let alone = serde_json::to_value(verdict).unwrap();
            assert_eq!(serde_json::from_value::<LoginAnswer>(alone).unwrap(), LoginAnswer::of(verdict));
        }
    }
}
