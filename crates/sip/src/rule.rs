//! Rules of the grammar. The peer is to blame for each violation.

use thiserror::Error;

/// A rule of the grammar that was broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Rule {
    /// The header is compulsory and absent (RFC 3261 §8.1.1).
    #[error("is missing")]
    Missing,
    /// The header may occur only once, and occurs more often.
    #[error("stands more than once")]
    Repeated,
    /// The value is empty.
    #[error("is empty")]
    Empty,
    /// A token was expected (RFC 3261 §25.1).
    #[error("has no token where one must stand")]
    Token,
    /// A quoted string does not end.
    #[error("has a quoted string without an end")]
    Quote,
    /// Angle brackets do not match, or a URI with `?`, `,` or `;` is not enclosed in them (§20.10).
    #[error("has wrong angle brackets")]
    Brackets,
    /// A parameter is malformed.
    #[error("has a malformed parameter")]
    Param,
    /// A URI is malformed (§19.1).
    #[error("has a malformed URI")]
    Uri,
    /// A host is malformed.
    #[error("has a malformed host")]
    Host,
    /// A port is malformed.
    #[error("has a malformed port")]
    Port,
    /// A number is malformed or out of range.
    #[error("has a malformed number")]
    Number,
    /// The protocol name or version is not `SIP/2.0`.
    #[error("has another protocol version")]
    Version,
    /// The method differs from that of the start line (§8.1.1.5).
    #[error("names another method than the start line")]
    MethodMismatch,
    /// Something follows the end of the value.
    #[error("has something after its end")]
    Trailing,
    /// Authentication data are malformed or lack a compulsory parameter.
    #[error("has malformed authentication data")]
    Auth,
    /// More list elements or parameters than [`crate::limits::LIST_MAX`].
    #[error("has too many elements")]
    TooMany,
}
