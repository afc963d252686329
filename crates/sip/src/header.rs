//! Header names, and the typed values of the headers that a SIP element processes, one file per family.

pub mod auth;
pub mod content;
pub mod cseq;
pub mod list;
pub mod name;
pub mod name_addr;
pub mod number;
pub mod params;
pub mod via;

pub use cseq::CSeq;
pub use list::Elements;
pub use name::HeaderName;
pub use name_addr::{Contact, NameAddr};
pub use params::{Param, Params};
pub use via::Via;
