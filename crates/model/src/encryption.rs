//! Whether the audio of a party is encrypted.

/// What a tenant has set for the audio of a phone or a trunk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Encryption {
    /// In clear; one that wants nothing but encrypted audio is refused.
    #[default]
    Off,
    /// Encrypted if the other side can, else in clear.
    Offered,
    /// Encrypted, or no audio at all.
    Required,
    /// As `Required`; and our offers have the keys agreed by a handshake in the audio's path (RFC 5763), as browsers want it.
    Dtls,
}

impl Encryption {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Off, Self::Offered, Self::Required, Self::Dtls];

    /// The published name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Offered => "offered",
            Self::Required => "required",
            Self::Dtls => "dtls",
        }
    }

    /// Whether there is no audio in clear.
    pub const fn is_compulsory(self) -> bool {
        matches!(self, Self::Required | Self::Dtls)
    }

    /// The one of a published name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encryption| encryption.as_str() == name)
    }
}
