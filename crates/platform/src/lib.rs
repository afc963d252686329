//! Roles around the voice system: auth, bds, ingress, telemetry, wfm-adapter.
pub mod auth;
pub mod bds;
mod csv;
pub mod ingress;
pub mod telemetry;
mod tenant_list;
pub mod trace;
pub mod wfm_adapter;
