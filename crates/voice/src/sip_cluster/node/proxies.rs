//! The connections to proxies.

use model::Timestamp;

/// An edge whose connection broke.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    /// Number of the broken connection; legs refer to it.
    pub link: u64,
    /// Until when requests through that proxy wait for a response.
    pub until: Timestamp,
}

/// Placeholder for the edge of a proxy that will not return.
pub const NO_EDGE: &str = "edge.trunkline.invalid";
