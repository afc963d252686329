//! What concerns the trunk of a call: its limits, its rules about headers, and what its carrier is told.

mod diversion;
pub mod header_rules;
pub mod identity;
pub mod limits;
pub mod location;
mod spending;
