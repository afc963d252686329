//! Whose a call is: calls of failed nodes, of this node's previous run, those of others, and records that nobody can handle.

pub mod confirm;
pub mod hand_over;
pub mod held;
pub mod quarantine;
mod repair;
mod restore;
pub mod search;
pub mod takeover;
