//! Profiles of services that talk with callers by themselves.

use serde::{Deserialize, Serialize};

use super::wire_names::wire_names;

/// A service that talks with callers by itself: what it runs, and what it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IvrProfile {
    /// Its name.
    pub name: String,
    /// What it runs.
    pub service_type: IvrServiceType,
    /// For VoiceXML: the address of its first page.
    #[serde(default)]
    pub initial_page_url: Option<String>,
    /// For SCXML: the application of the tenant.
    #[serde(default)]
    pub application: Option<String>,
    /// What it may.
    #[serde(default)]
    pub policies: IvrPolicies,
}

wire_names! {
    /// What a service runs.
    IvrServiceType {
        /// Pages of VoiceXML, beginning with one at an address.
        VoiceXml "voicexml",
        /// An application of the tenant.
        Scxml "scxml",
    }
}

/// What a service may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IvrPolicies {
    /// How many calls it takes at a time; none without a limit.
    pub calls_max: Option<u32>,
    /// How long a call may be with it, in seconds; none without a limit.
    pub duration_max_s: Option<u32>,
    /// Whether it may transfer calls.
    pub transfers: bool,
    /// Whether it may make calls.
    pub outgoing_calls: bool,
}

impl Default for IvrPolicies {
    fn default() -> Self {
        Self { calls_max: None, duration_max_s: None, transfers: true, outgoing_calls: false }
    }
}
