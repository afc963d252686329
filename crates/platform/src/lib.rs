//! Roles around the voice system: agent-setup, auth, bds, ingress, telemetry, wfm-adapter.
pub mod agent_setup;
pub mod auth;
pub mod bds;
mod csv;
pub mod ingress;
mod key_uses;
mod pages_client;
mod people_table;
mod scim_error;
mod session_cookie;
pub mod telemetry;
pub mod trace;
pub mod wfm_adapter;
