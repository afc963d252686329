//! Gateways of ours: each asks us by OPTIONS once a second, and one that falls silent is gone.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use model::Timestamp;

/// Silence after which one is gone: some of its questions may be lost.
const SILENT_MAX: Duration = Duration::from_secs(5);
/// Gateways that are remembered: many times the replicas of an installation.
const GATEWAYS_MAX: usize = 256;
/// The silence after which one gives its place to another: no phone is registered by it any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(7_200);

/// When each was heard last.
#[derive(Debug, Default)]
pub(super) struct HeardGateways {
    heard: HashMap<SocketAddr, Timestamp>,
}

impl HeardGateways {
    /// Notes a message of one.
    pub(super) fn note(&mut self, gateway: SocketAddr, now: Timestamp) {
        if self.heard.len() >= GATEWAYS_MAX && !self.heard.contains_key(&gateway) {
            self.heard.retain(|_, heard| now.since(*heard) <= FORGOTTEN_AFTER);
        }
        if self.heard.len() < GATEWAYS_MAX || self.heard.contains_key(&gateway) {
            self.heard.insert(gateway, now);
        }
    }

    /// Whether one was there and is not any more. Of one that was never heard nothing is known: it may yet ask us for the first time.
    pub(super) fn is_gone(&self, gateway: SocketAddr, now: Timestamp) -> bool {
        self.heard.get(&gateway).is_some_and(|heard| now.since(*heard) > SILENT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_remembered_are_bounded_and_the_silent_make_room() {
        let at = |n: u16| SocketAddr::from(([127, 0, 14, 1], n));
        let now = Timestamp::from_millis(1_000_000);
        let mut gateways = HeardGateways::default();
        (1..=400).for_each(|n| gateways.note(at(n), now));
        assert_eq!(gateways.heard.len(), GATEWAYS_MAX);
        let later = now + FORGOTTEN_AFTER + Duration::from_secs(1);
        assert!(gateways.is_gone(at(1), later) && !gateways.is_gone(at(400), later), "that one is not known");
        gateways.note(at(400), later);
        assert!(gateways.heard.len() == 1 && !gateways.is_gone(at(400), later));
    }
}
