//! The call model: legs, parties, treatments, agent states, dial plan rules. No I/O.

pub mod agent;
pub mod call;
pub mod dial_plan;

pub use call::{Call, CallSnapshot, Incoming, Input, Output};
