//! The bounds of a node, in one place.

use std::time::Duration;

/// What a node takes at most, and how long it waits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Legs at once; the next one is answered 503.
    pub legs_max: usize,
    /// After how long without a packet a phone's owner is told.
    pub quiet_after: Duration,
    /// The session interval that we ask for (RFC 4028), in seconds: what frees the leg of an owner that vanished.
    pub session_expires_s: u32,
    /// How long a proxy that was lost may take to come back before its dialogs go on by another.
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

/// Messages from proxies, and news of legs, that one turn takes: few enough to keep the keep-alives on time.
pub const INPUTS_PER_TURN: usize = 64;
/// Ends of records that wait while the ledger takes nothing: as many as end in an hour at 18 a second.
pub const ENDS_MAX: usize = 65_536;
/// Reports of faults that wait for the loop: more in one turn tell nothing new.
pub const FAULTS_REPORTED_MAX: usize = 16;
/// Longest description in a body, in bytes.
pub const BODY_BYTES_MAX: usize = 32_768;
