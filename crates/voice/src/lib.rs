//! The Voice roles.
pub mod agent_state;
pub mod call_state;
mod lease;
#[cfg(test)]
mod test_stores;
pub mod dialog_records;
pub mod media_server;
pub mod rq;
pub mod sip_cluster;
pub mod frontend;
pub mod config;
pub mod dialplan;
pub mod sip_proxy;
pub mod registrar;
