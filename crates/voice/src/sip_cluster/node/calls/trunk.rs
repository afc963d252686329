//! What concerns the trunk of a call: its settings and limits, its rules about headers, and what its carrier is told.

mod audio;
mod diversion;
pub mod header_rules;
pub mod identity;
mod keys;
pub mod limits;
pub mod location;
pub mod proxy_choice;
pub mod settings;
mod spending;
mod terms;
