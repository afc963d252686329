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
}

impl Encryption {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Off, Self::Offered, Self::Required];

    /// The published name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Offered => "offered",
            Self::Required => "required",
        }
    }

    /// The one of a published name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encryption| encryption.as_str() == name)
    }
}
