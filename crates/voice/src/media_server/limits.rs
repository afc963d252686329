//! The limits of a node.

use std::time::Duration;

/// The size limits and timeouts of a node.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most legs at once; further INVITEs are answered 503.
    pub legs_max: usize,
    /// After this time without a packet from a phone, its owner is notified.
    pub quiet_after: Duration,
    /// The session interval that we request (RFC 4028), in seconds: it frees the leg of an owner that vanished.
    pub session_expires_s: u32,
    /// How long a lost proxy may take to return before its dialogs move to another.
    pub proxy_return: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            legs_max: 4_000,
            quiet_after: Duration::from_secs(20),
            session_expires_s: 1_800,
            proxy_return: Duration::from_secs(2),
        }
    }
}

/// The most messages from proxies, and the most news of legs, in one turn: few enough to send keep-alives in time.
pub const INPUTS_PER_TURN: usize = 64;
/// The most ends of records that wait while the ledger is unavailable: an hour's at 18 per second.
pub const ENDS_MAX: usize = 65_536;
/// The most fault reports that wait for the loop: further ones of the same turn add nothing new.
pub const FAULTS_REPORTED_MAX: usize = 16;
/// Longest description in a body, in bytes.
pub const BODY_BYTES_MAX: usize = 32_768;
/// The most recordings in progress: each has 3 MB of samples at most.
pub const RECORDINGS_MAX: usize = 64;
/// The most of them of one tenant, so that there is room for others.
pub const TENANT_RECORDINGS_MAX: usize = 16;
/// The most recorded announcements of a tenant: one for each of its people, with some to spare.
pub const ANNOUNCEMENTS_MAX: usize = 1_000;
/// Their most bytes: four and a half hours.
pub const ANNOUNCEMENT_BYTES_MAX: u64 = 256 << 20;
