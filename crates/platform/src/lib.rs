//! Roles around the voice system: auth, bds, ingress, telemetry.
pub mod auth;
pub mod bds;
pub mod ingress;
pub mod telemetry;
mod tenant_list;
pub mod trace;
