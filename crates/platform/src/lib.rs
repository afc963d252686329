//! Roles around the voice system: agent-setup, auth, bds, ingress, salesforce-adapter, telemetry, wfm-adapter.
pub mod agent_setup;
mod asked_origin;
pub mod auth;
pub mod bds;
mod csv;
mod described_operation;
pub mod ingress;
mod key_uses;
mod pages_client;
mod people_table;
mod prompt_upload;
pub mod salesforce_adapter;
mod scim_error;
mod shift_table;
pub mod telemetry;
pub mod trace;
pub mod wfm_adapter;
