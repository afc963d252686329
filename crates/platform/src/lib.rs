//! Roles around the voice system: agent-setup, auth, ingress, telemetry.
pub mod agent_setup;
pub mod auth;
pub mod ingress;
mod pages_client;
mod session_cookie;
pub mod telemetry;
pub mod trace;
