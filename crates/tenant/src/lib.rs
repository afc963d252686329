//! The tenant role: the tenant's file, its persistent configuration, call events and requests.

pub mod api_keys;
pub mod backup;
mod broken_rule;
pub mod file;
pub mod import;
pub mod import_from;
pub mod life;
pub mod lost_secrets;
mod names;
pub mod objects;
pub mod people;
pub mod role;
pub mod shifts;
pub mod snapshots;

pub use role::SPEC;
