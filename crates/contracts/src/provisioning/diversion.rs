//! How a carrier is told who has diverted a call.

use serde::{Deserialize, Serialize};

/// The headers in which it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiversionForm {
    /// It is not told.
    None,
    /// In Diversion (RFC 5806): what most carriers read, and without it many refuse a caller's number that is not the customer's.
    #[default]
    Diversion,
    /// In History-Info (RFC 7044).
    HistoryInfo,
    /// In both.
    Both,
}

impl DiversionForm {
    const ALL: [Self; 4] = [Self::None, Self::Diversion, Self::HistoryInfo, Self::Both];

    /// Their names in the tenant's file and in the store.
    pub const NAMES: [&'static str; 4] =
        [Self::None.as_str(), Self::Diversion.as_str(), Self::HistoryInfo.as_str(), Self::Both.as_str()];

    /// Its name in the tenant's file and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Diversion => "diversion",
            Self::HistoryInfo => "history-info",
            Self::Both => "both",
        }
    }

    /// The one of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == name)
    }

    /// Whether Diversion is one of them.
    pub const fn has_diversion(self) -> bool {
        matches!(self, Self::Diversion | Self::Both)
    }

    /// Whether History-Info is one of them.
    pub const fn has_history(self) -> bool {
        matches!(self, Self::HistoryInfo | Self::Both)
    }
}
