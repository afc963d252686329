//! Whether the audio of a phone or a trunk is encrypted, on the wire.

use serde::{Deserialize, Serialize};

/// What a tenant has set; see [`model::Encryption`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// In clear.
    #[default]
    Off,
    /// Encrypted if the other side can.
    Offered,
    /// Encrypted, or no audio.
    Required,
    /// Encrypted, with keys agreed by a handshake.
    Dtls,
}

impl Encryption {
    /// The one of a published name.
    pub fn parse(name: &str) -> Option<Self> {
        model::Encryption::parse(name).map(Self::from)
    }

    /// The published name.
    pub fn as_str(self) -> &'static str {
        model::Encryption::from(self).as_str()
    }
}

impl From<Encryption> for model::Encryption {
    fn from(encryption: Encryption) -> Self {
        match encryption {
            Encryption::Off => Self::Off,
            Encryption::Offered => Self::Offered,
            Encryption::Required => Self::Required,
            Encryption::Dtls => Self::Dtls,
        }
    }
}

impl From<model::Encryption> for Encryption {
    fn from(encryption: model::Encryption) -> Self {
        match encryption {
            model::Encryption::Off => Self::Off,
            model::Encryption::Offered => Self::Offered,
            model::Encryption::Required => Self::Required,
            model::Encryption::Dtls => Self::Dtls,
        }
    }
}
