//! What the roles need from storage, as traits with domain verbs; the embedded implementations; their conformance suite.

pub mod clock;

pub use clock::{Clock, SystemClock};
