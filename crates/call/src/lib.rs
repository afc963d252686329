//! The call model: legs, parties, treatments, agent states, dial plan rules. No I/O.

pub mod address;
pub mod agent;
pub mod call;
pub mod dial_plan;
pub mod thread;

pub use call::{CallSnapshot, Incoming, Input, Output};
pub use thread::Thread;
