//! The real stores, a module each. Used by the composition alone.

pub mod elasticsearch;
pub mod kafka;
pub mod postgres;
pub mod provisioning;
pub mod redis;
pub mod sqlite;
