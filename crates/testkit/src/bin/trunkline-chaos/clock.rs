//! The wall clock, by which SIPp, the facts and this program are put together.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Microseconds since 1970.
pub type Micros = u64;

/// A second.
pub const SECOND: Micros = 1_000_000;

/// Now.
#[allow(clippy::disallowed_methods, reason = "whole processes live in real time")]
pub fn now() -> Micros {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// Lets time pass: the load goes on meanwhile.
#[allow(clippy::disallowed_methods, reason = "the moments are what a seed has chosen")]
pub fn pass(time: Duration) {
    std::thread::sleep(time);
}
