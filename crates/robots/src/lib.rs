//! Robot callers and agents: user agents with audio. Like strangers, they know a contact centre only by its SIP edge,
//! its numbers, their passwords and the public request API.
//!
//! One thread runs all of them. SIP is driven by socket readiness; audio by one wheel with a turn of 20 ms, in which a
//! leg reads its packets and sends one. Every party of a call plays its own pair of tones, and each listens for the pairs
//! of the others: a call that hears nothing, or another call, has failed.

#![allow(clippy::disallowed_methods, reason = "a program of its own, which has no clock but the machine's")]

mod agent;
mod audio;
mod call;
mod desk;
mod ear;
mod floor;
mod follow;
mod moves;
mod phone;
mod plan;
mod requests;
mod results;
mod secure_line;
mod site;
mod timers;
mod tones;

pub use floor::{Stop, run};
pub use phone::CARRIER_PORT;
pub use plan::{Plan, Range, Rhythm};
pub use results::{
    AgentRow, CallRow, Came, MoveKind, MoveRow, MoveWay, Outcome, OutgoingRow, PartyRow, Results, Run, Totals, Waits,
};
pub use site::{Edge, OutsideCalls, RobotAgent, RobotDesk, SecureEdge, Site};
