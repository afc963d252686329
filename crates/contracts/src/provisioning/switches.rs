//! The switches of a tenant: names for parts of its DNs.

use serde::{Deserialize, Serialize};

/// A part of a tenant's DNs, as another switch has them, and how they dial those of other parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Its name.
    pub name: String,
    /// Whether it is that of the DNs that name none. One switch of a tenant at most is.
    #[serde(default)]
    pub default: bool,
    /// What its DNs dial before the number of a DN of another switch.
    #[serde(default)]
    pub access_codes: Vec<SwitchAccessCode>,
}

/// What DNs of a switch dial before the number of a DN of another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchAccessCode {
    /// The name of the other switch.
    pub switch: String,
    /// The digits, of which the rest is the DN's number.
    pub code: String,
}
