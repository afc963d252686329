//! How keys go to a carrier and come from it.

use serde::{Deserialize, Serialize};

/// The one way of the keys of a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DtmfForm {
    /// Telephone events in the audio's path (RFC 4733).
    Events,
    /// SIP INFO with `application/dtmf-relay`.
    Info,
    /// Tones in the audio.
    Tones,
}

impl DtmfForm {
    const ALL: [Self; 3] = [Self::Events, Self::Info, Self::Tones];

    /// Their names in the tenant's file, in the store and to media.
    pub const NAMES: [&'static str; 3] = [Self::Events.as_str(), Self::Info.as_str(), Self::Tones.as_str()];

    /// Its name in the tenant's file, in the store and to media.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Info => "info",
            Self::Tones => "tones",
        }
    }

    /// The one of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == name)
    }

    /// Whether telephone events are offered and taken.
    pub const fn has_events(self) -> bool {
        matches!(self, Self::Events)
    }
}
