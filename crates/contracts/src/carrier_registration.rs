//! What registrar tells operators about our registrations with carriers: `GET /carriers/{tenant}` on its admin port.

use serde::{Deserialize, Serialize};

/// The registration of one trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarrierRegistration {
    /// The trunk's name.
    pub trunk: String,
    /// Where it registers.
    pub registrar: String,
    /// Its user.
    pub user: String,
    /// `registered`, `trying`, `wrong_password`, `refused` or `unreachable`.
    pub state: String,
    /// Until when the carrier keeps it, in ms since the Unix epoch.
    pub registered_until_ms: Option<u64>,
    /// When the last answer came or was given up, in ms since the Unix epoch.
    pub last_at_ms: Option<u64>,
    /// The last answer, as `401 Unauthorized`; none if none came.
    pub last_answer: Option<String>,
    /// What was wrong with it, in words.
    pub problem: Option<String>,
    /// What to do about that.
    pub remedy: Option<String>,
    /// When the next REGISTER is sent, in ms since the Unix epoch; none while one is under way, or no sip-proxy is connected.
    pub next_try_ms: Option<u64>,
    /// Since when a REGISTER is under way, with those that answer its challenges, in ms since the Unix epoch.
    #[serde(default)]
    pub asked_since_ms: Option<u64>,
    /// The way that the carrier wants for calls (RFC 3608), if it is followed.
    #[serde(default)]
    pub service_route: Vec<String>,
    /// Why it is not, in words.
    #[serde(default)]
    pub service_route_fault: Option<String>,
}
