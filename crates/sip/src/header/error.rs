//! A header that breaks a rule.

use thiserror::Error;

use super::HeaderName;
use crate::rule::Rule;

/// A header that breaks a rule.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("header {header} {rule}")]
pub struct HeaderError {
    /// Which header.
    pub header: HeaderName,
    /// Which rule.
    pub rule: Rule,
}

impl HeaderError {
    /// An error about `header`.
    pub const fn new(header: HeaderName, rule: Rule) -> Self {
        Self { header, rule }
    }
}
