//! SIP as state machines: message, transaction, dialog, offer/answer, user agent and proxy. No I/O.

pub mod agent;
pub mod build;
pub mod dialog;
pub mod digest;
pub mod flow;
pub mod framer;
pub mod header;
pub mod limits;
pub mod list;
pub mod local_tag;
pub mod message;
pub mod method;
pub mod offer_answer;
pub mod own_registration;
pub mod params;
pub mod parse;
pub mod proxy;
pub mod registration;
pub mod replaces;
pub mod rule;
pub mod seal;
pub mod status;
pub mod transaction;
pub mod uri;

pub use build::Builder;
pub use flow::{ConnectionId, Flow, Transmit};
pub use framer::{Frame, Framer};
pub use header::{CSeq, Contact, HeaderError, HeaderName, NameAddr, Via};
pub use local_tag::LocalTag;
pub use message::{Fault, Message, ParseError, ParseErrorKind, Start};
pub use method::Method;
pub use replaces::Replaces;
pub use rule::Rule;
pub use seal::Seal;
pub use status::StatusCode;
pub use uri::{OwnedUri, Uri};
