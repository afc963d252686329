//! Roles around the voice system: auth, ingress, telemetry.
pub mod auth;
pub mod ingress;
pub mod telemetry;
pub mod trace;
