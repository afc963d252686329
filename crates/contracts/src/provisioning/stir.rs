//! How calls by a trunk are signed, and signatures of those that come verified (STIR/SHAKEN).

use serde::{Deserialize, Serialize};

use super::Secret;

/// What is set for a trunk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stir {
    /// With what calls to its carrier are signed; none: they are not.
    #[serde(default)]
    pub sign: Option<StirSign>,
    /// What is done with the signatures of calls that come from it.
    #[serde(default)]
    pub verify: StirVerify,
    /// The certificates of the authorities that vouch for who signs, as PEM.
    #[serde(default)]
    pub authorities: Option<String>,
}

/// What is done with signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StirVerify {
    /// They are not looked at.
    #[default]
    Off,
    /// Calls go on with what was found.
    Report,
    /// Calls that are not signed well are refused.
    Require,
}

impl StirVerify {
    const ALL: [Self; 3] = [Self::Off, Self::Report, Self::Require];

    /// Their names in the tenant's file and in the store.
    pub const NAMES: [&'static str; 3] = [Self::Off.as_str(), Self::Report.as_str(), Self::Require.as_str()];

    /// Its name in the tenant's file and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Report => "report",
            Self::Require => "require",
        }
    }

    /// The one of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verify| verify.as_str() == name)
    }
}

/// A key, and where its certificate is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StirSign {
    /// Where whoever verifies fetches the certificate.
    pub certificate_url: String,
    /// The private key, as PEM. Absent where secrets are not shown.
    #[serde(default)]
    pub private_key: Option<Secret>,
    /// The certificate, as PEM, so that it can be checked here.
    #[serde(default)]
    pub certificate: Option<String>,
}
