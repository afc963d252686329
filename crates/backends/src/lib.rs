//! The real stores, a module each. Used by the composition alone.

pub mod redis;
pub mod sqlite;
