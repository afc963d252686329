//! What programs look up in a tenant's configuration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A list in which programs look values up, by section and key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupList {
    /// Its name.
    pub name: String,
    /// The values of each section, by their keys.
    #[serde(default)]
    pub sections: BTreeMap<String, BTreeMap<String, String>>,
}

impl LookupList {
    /// Bytes of the names of its sections, of its keys and of its values.
    pub fn bytes(&self) -> usize {
        bytes_of_sections(&self.sections)
    }
}

/// Bytes of the names of sections, of their keys and of their values.
pub(super) fn bytes_of_sections(sections: &BTreeMap<String, BTreeMap<String, String>>) -> usize {
    let of_section = |(name, values): (&String, &BTreeMap<String, String>)| {
        name.len() + values.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
    };
    sections.iter().map(of_section).sum()
}

/// The most business attributes of a tenant with whose defaults calls begin.
pub const ATTACHED_DEFAULTS_MAX: usize = 32;

/// Something that a tenant tells calls and customers apart by, as a language, with the values that it may have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusinessAttribute {
    /// Its name, as `Language`: a key of user data.
    pub name: String,
    /// Its values, in the order in which people choose among them.
    #[serde(default)]
    pub values: Vec<AttributeValue>,
    /// The value where nobody has said another one.
    #[serde(default)]
    pub default: Option<String>,
    /// Whether no request attaches another value to a call.
    #[serde(default)]
    pub enforced: bool,
    /// Whether calls from outside begin with the default in their user data.
    #[serde(default)]
    pub attach_default: bool,
}

impl BusinessAttribute {
    /// Whether a value is one of its values; upper and lower case count.
    pub fn allows(&self, value: &str) -> bool {
        self.values.iter().any(|one| one.value == value)
    }
}

/// A value of a business attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeValue {
    /// What user data have, as `de`.
    pub value: String,
    /// What people read, as `German`; none: the value itself.
    #[serde(default)]
    pub display_name: Option<String>,
}
