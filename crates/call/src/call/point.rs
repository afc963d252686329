//! A route point that has or had a call.

use model::Dn;

/// A route point, as the dial plan described it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Point {
    /// Its number.
    pub dn: Dn,
    /// The application that it runs.
    pub application: String,
    /// Where calls go when no instruction comes.
    pub default_dn: Option<Dn>,
}
