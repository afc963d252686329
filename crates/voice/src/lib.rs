//! The Voice roles.
pub mod agent_state;
pub mod call_state;
pub mod config;
pub mod dialog_records;
pub mod dialplan;
mod emergency_numbers;
mod events;
pub mod frontend;
pub mod media_server;
mod monitors;
mod node_events;
mod path_segment;
mod phone_settings;
mod quarantine;
mod record_cipher;
pub mod registrar;
mod reporting;
pub mod rq;
mod served_tenants;
mod service_routes;
pub mod sip_cluster;
pub mod sip_proxy;
pub mod sip_vq;
#[cfg(test)]
mod test_stores;
mod trunk_accounts;
pub mod webrtc;
