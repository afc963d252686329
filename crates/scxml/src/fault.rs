//! A fault of a document.

use std::fmt;

/// One fault of a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Line of the element, from 1.
    pub line: u32,
    /// The element's name as written.
    pub element: String,
    /// The rule that is violated.
    pub rule: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, <{}>: {}", self.line, self.element, self.rule)
    }
}
