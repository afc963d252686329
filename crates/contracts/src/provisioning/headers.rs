//! Rules that change headers of a trunk's INVITEs.

use serde::{Deserialize, Serialize};

/// A rule about a header, as it was written. `net::header_rules` makes it ready for use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderRule {
    /// Which INVITEs it is about.
    pub on: HeaderRuleOn,
    /// What it does.
    pub action: HeaderRuleAction,
    /// The header.
    pub header: String,
    /// The value that is added or set.
    #[serde(default)]
    pub value: Option<String>,
    /// What is looked for, as a regular expression.
    #[serde(default)]
    pub pattern: Option<String>,
    /// What takes the place of what was found; none: nothing.
    #[serde(default)]
    pub replace: Option<String>,
}

/// Which INVITEs a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderRuleOn {
    /// Those that go to the carrier.
    Sent,
    /// Those that come from the carrier.
    Received,
}

impl HeaderRuleOn {
    /// Their names in the tenant's file and in the store.
    pub const NAMES: [&'static str; 2] = [Self::Sent.as_str(), Self::Received.as_str()];

    /// Its name in the tenant's file and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }

    /// The one of a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Sent, Self::Received].into_iter().find(|on| on.as_str() == name)
    }
}

/// What a rule about a header does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderRuleAction {
    /// Adds a line.
    Add,
    /// Leaves one line, with this value.
    Set,
    /// Removes lines.
    Remove,
    /// Replaces what a pattern finds.
    Rewrite,
}

impl HeaderRuleAction {
    const ALL: [Self; 4] = [Self::Add, Self::Set, Self::Remove, Self::Rewrite];

    /// Their names in the tenant's file and in the store.
    pub const NAMES: [&'static str; 4] =
        [Self::Add.as_str(), Self::Set.as_str(), Self::Remove.as_str(), Self::Rewrite.as_str()];

    /// Its name in the tenant's file and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Set => "set",
            Self::Remove => "remove",
            Self::Rewrite => "rewrite",
        }
    }

    /// The one of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}
