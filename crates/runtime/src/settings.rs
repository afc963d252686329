//! Settings: declared once, with default, doc and check; read from TOML, environment and flags.
//!
//! Every fault is collected and reported with its key and the reason; an undeclared key is a fault.

pub mod declare;
mod near_miss;
pub mod reference;
pub mod source;
pub mod value;

use std::collections::BTreeMap;
use std::fmt;

pub use declare::{Section, SectionSettings, Setting};
pub use near_miss::nearest;
pub use source::{Sources, load, load_sound};
pub use value::{ByteSize, Secret, ServerUrl, SettingValue};

/// A fault of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The full key, `section.key`.
    pub key: String,
    /// The reason, and where the value came from.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}

/// All faults of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = if self.0.len() == 1 { "fault" } else { "faults" };
        write!(f, "{} {faults} in the settings:", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for Faults {}

/// The values that were set, by section and key. Other keys have their default.
#[derive(Clone, Debug, Default)]
pub struct Values(pub(crate) BTreeMap<String, BTreeMap<String, toml::Value>>);

impl Values {
    /// The value of a key, if one was set.
    pub fn get(&self, section: &str, key: &str) -> Option<&toml::Value> {
        self.0.get(section)?.get(key)
    }

    /// Reads the settings of a section.
    pub fn read<S: SectionSettings>(&self, section: &str) -> Result<S, Faults> {
        S::read(self, section)
    }
}

/// A text as a value of settings: for command lines that accept the same types.
pub fn text(text: &str) -> toml::Value {
    toml::Value::String(text.to_owned())
}
