//! Callers and agents that are programs: user agents with audio, who know a contact centre by its SIP edge, its numbers,
//! their passwords and the public request API, as strangers do.
//!
//! One thread runs all of them. SIP comes by readiness; audio goes by one wheel with a turn of 20 ms, in which a leg reads
//! what has come and sends its packet. Every call plays a pair of tones of its own in each direction, and each side
//! listens for the pair of the other: a call that hears nothing, or somebody else, has failed.

#![allow(clippy::disallowed_methods, reason = "a program of its own, which has no clock but the machine's")]

mod agent;
mod audio;
mod caller;
mod ear;
mod floor;
mod opening;
mod phone;
mod plan;
mod requests;
mod results;
mod site;
mod timers;
mod tones;

pub use floor::{Stop, run};
pub use plan::{Plan, Range, Rhythm};
pub use results::{AgentRow, CallRow, Outcome, Results, Run, Totals, Waits};
pub use site::{Edge, RobotAgent, Site};
