//! How calls by a trunk are signed, and signatures of those that come verified (STIR/SHAKEN).

use serde::{Deserialize, Serialize};

use super::Secret;

/// What is set for a trunk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stir {
    /// With what calls to its carrier are signed; none: they are not.
    #[serde(default)]
    pub sign: Option<StirSign>,
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
