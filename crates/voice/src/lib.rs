//! The Voice roles.
pub mod rq;
pub mod sip_cluster;
pub mod frontend;
