//! How many TLS handshakes a source may begin: each costs us a signature, and the source nothing. No I/O; time comes in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::source_block::block;

/// Sources that are remembered; of more, those are forgotten that have begun none for a while.
const SOURCES_MAX: usize = 20_000;

/// The handshakes of each source.
#[derive(Debug)]
pub(crate) struct HandshakeRates {
    /// As many at once, after a pause.
    burst: u32,
    /// The time after which there may be one more.
    each: Duration,
    /// When each source would have all of its burst again.
    full_at: HashMap<IpAddr, Instant>,
}

impl HandshakeRates {
    /// A source may begin `burst` at once, and `per_second` in each second after that.
    pub(crate) fn new(burst: usize, per_second: u32) -> Self {
        let burst = u32::try_from(burst).unwrap_or(u32::MAX).max(1);
        Self { burst, each: Duration::from_secs(1) / per_second.max(1), full_at: HashMap::new() }
    }

    /// Whether a source may begin another handshake.
    pub(crate) fn may_begin(&mut self, peer: IpAddr, now: Instant) -> bool {
        if self.full_at.len() >= SOURCES_MAX {
            self.full_at.retain(|_, full_at| now < *full_at);
        }
        let source = block(peer);
        let full_at = self.full_at.get(&source).copied().unwrap_or(now).max(now) + self.each;
        let is_within = full_at.saturating_duration_since(now) <= self.each * self.burst;
        // Sources that nobody has room to remember have begun none lately.
        if is_within && (self.full_at.len() < SOURCES_MAX || self.full_at.contains_key(&source)) {
            self.full_at.insert(source, full_at);
        }
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_a_burst_and_then_one_at_a_time() {
        let (mut rates, now) = (HandshakeRates::new(3, 10), Instant::now());
        let peer = |last: u8| IpAddr::from([192, 0, 2, last]);
        let begun = (0..9).filter(|_| rates.may_begin(peer(1), now)).count();
        assert_eq!(begun, 3);
        assert!(rates.may_begin(peer(2), now), "another source has its own");
        let later = now + Duration::from_millis(200);
        assert_eq!((0..9).filter(|_| rates.may_begin(peer(1), later)).count(), 2);
        let rested = later + Duration::from_secs(60);
        assert_eq!((0..9).filter(|_| rates.may_begin(peer(1), rested)).count(), 3);
    }
}
