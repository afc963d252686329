//! Readers that wait: a write wakes only those for which it has news.
//!
//! Most writes are records for which nobody waits, and roles run on threads of their own: a needless wake-up costs more
//! than the write. An installation of many tenants has readers for each of them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use contracts::v1::effect::Effect;
use model::TenantId;
use tokio::sync::watch;

/// Topic for which a reader may wait.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Topic {
    kind: Kind,
    tenant: String,
    /// The stream, for work; else empty.
    stream: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Kind {
    Facts,
    Work,
    Configuration,
}

/// ReaderWakeups without readers are forgotten when there are this many, or twice as many as stayed the last time.
const SWEPT_AT: usize = 1_024;

/// The wakings of all waiting readers.
#[derive(Default)]
pub(super) struct ReaderWakeups(Mutex<Held>);

#[derive(Default)]
struct Held {
    senders: HashMap<Topic, watch::Sender<u64>>,
    /// How many stayed the last time.
    stayed: usize,
}

impl Topic {
    /// Facts of a tenant.
    pub(super) fn facts(tenant: &TenantId) -> Self {
        Self { kind: Kind::Facts, tenant: tenant.to_string(), stream: String::new() }
    }

    /// Entries of a stream that consumers share.
    pub(super) fn work(tenant: &TenantId, stream: &str) -> Self {
        Self { kind: Kind::Work, tenant: tenant.to_string(), stream: stream.to_owned() }
    }

    /// A tenant's configuration.
    pub(super) fn configuration(tenant: &TenantId) -> Self {
        Self { kind: Kind::Configuration, tenant: tenant.to_string(), stream: String::new() }
    }

    /// The news of an effect.
    pub(super) fn of(effect: &Effect) -> Option<Self> {
        let (kind, tenant, stream) = match effect {
            Effect::Event(added) => (Kind::Facts, &added.tenant, ""),
            Effect::WorkAdded(added) => (Kind::Work, &added.tenant, added.stream.as_str()),
            Effect::ConfigHead(head) => (Kind::Configuration, &head.tenant, ""),
            Effect::ConfigDocument(document) => (Kind::Configuration, &document.tenant, ""),
            _ => return None,
        };
        Some(Self { kind, tenant: tenant.clone(), stream: stream.to_owned() })
    }
}

impl ReaderWakeups {
    /// Wakes the readers that wait for any of it.
    pub(super) fn wake(&self, brought: &[Topic]) {
        if brought.is_empty() {
            return;
        }
        let held = self.held();
        for sender in brought.iter().filter_map(|news| held.senders.get(news)) {
            sender.send_modify(|turn| *turn = turn.wrapping_add(1));
        }
    }

    /// Notifies of every write from now on that brings `news`.
    pub(super) fn subscribe(&self, news: Topic) -> watch::Receiver<u64> {
        let mut held = self.held();
        if held.senders.len() >= SWEPT_AT.max(held.stayed * 2) {
            held.senders.retain(|_, sender| sender.receiver_count() > 0);
            held.stayed = held.senders.len();
        }
        held.senders.entry(news).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Whole after every step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
