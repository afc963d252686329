//! The kinds of records.

use std::time::Duration;

use infra::{LedgerKind, bounds};

/// A ledger, and how long it remembers ended records.
#[derive(Clone, Copy)]
pub(in crate::redis) struct Kind {
    pub(in crate::redis) name: &'static str,
    pub(in crate::redis) remembers: Duration,
    /// Whether its owners continue while Redis is unavailable.
    pub(in crate::redis) continues_in_outage: bool,
}

pub(in crate::redis) const CALL: Kind = Kind { name: "call", remembers: bounds::TOMBSTONE, continues_in_outage: true };
pub(in crate::redis) const AGENT: Kind = Kind { name: "agent", remembers: Duration::ZERO, continues_in_outage: false };
pub(in crate::redis) const SESSION: Kind =
    Kind { name: "session", remembers: bounds::TOMBSTONE, continues_in_outage: false };
pub(in crate::redis) const MEDIA: Kind = Kind { name: "media", remembers: Duration::ZERO, continues_in_outage: true };

impl Kind {
    pub(in crate::redis) const fn of(ledger: LedgerKind) -> Self {
        match ledger {
            LedgerKind::Call => CALL,
            LedgerKind::Agent => AGENT,
            LedgerKind::Session => SESSION,
            LedgerKind::Media => MEDIA,
        }
    }

    pub(in crate::redis) fn named(name: &str) -> Option<Self> {
        [CALL, AGENT, SESSION, MEDIA].into_iter().find(|kind| kind.name == name)
    }
}
