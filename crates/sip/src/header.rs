//! Header names, and the typed values of the headers that a SIP element processes, one file per family.

pub mod auth;
pub mod content;
pub mod cseq;
mod error;
pub mod name;
pub mod name_addr;
pub mod number;
pub mod via;

pub use crate::list::Elements;
pub use cseq::CSeq;
pub use error::HeaderError;
pub use name::HeaderName;
pub use name_addr::{Contact, NameAddr};
pub use via::Via;

/// Refers to locations (RFC 6442).
pub const GEOLOCATION: HeaderName = HeaderName::other("Geolocation");
