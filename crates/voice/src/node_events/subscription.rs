//! A subscription in progress: reads the tenant's stream, and delivers what the node's sieve lets pass.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use contracts::v1::delivery::What;
use contracts::{v1, wire};
use infra::{Clock, EventEntry, EventStream, Position, StoreError};
use model::TenantId;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;

use super::{KnownFacts, Metrics, Sieve, status};

/// Facts per read: few, since all of them are in memory for each reader.
const BATCH: usize = 64;
/// How long a read waits for a fact.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest pause between deliveries.
const SILENCE_MAX: Duration = Duration::from_secs(4);
/// How long a reader may take nothing while deliveries wait for it.
const SLOW_MAX: Duration = Duration::from_secs(30);
/// How far before its beginning a subscription looks for facts of nodes that have failed since, in milliseconds (a real store's positions are
/// times).
const EARLIER_MS: u64 = 60_000;
/// The same in facts, for the embedded store.
const EARLIER_FACTS: u64 = 4_096;

pub(super) struct NodeSubscription<S> {
    pub sieve: S,
    pub events: Arc<dyn EventStream>,
    pub clock: Arc<dyn Clock>,
    pub tenant: TenantId,
    /// The reader: references of others' requests are hidden from it.
    pub subject: String,
    pub dns: HashSet<String>,
    pub known: KnownFacts,
    /// The position of the last delivery.
    pub shown: Position,
    pub deliveries: mpsc::Sender<Result<v1::Delivery, Status>>,
    pub metrics: Metrics,
}

/// The reader has disconnected, or took nothing for too long.
struct Gone;

impl<S: Sieve> NodeSubscription<S> {
    /// Delivers until the reader disconnects or the stream fails.
    pub async fn run(mut self, mut after: Position) {
        let reader = self.deliveries.clone();
        let looked = tokio::select! {
            biased;
            () = reader.closed() => return,
            looked = self.look_back(after) => looked,
        };
        drop(reader);
        if let Err(error) = looked {
            return drop(self.deliveries.send(Err(status(error))).await);
        }
        let mut delivered_at = Instant::now();
        loop {
            let read = self.events.read(&self.tenant, after, BATCH, LOOK_EVERY);
            let entries = tokio::select! {
                () = self.deliveries.closed() => return,
                entries = read => entries,
            };
            let entries = match entries {
                Ok(entries) => entries,
                Err(error) => return drop(self.deliveries.send(Err(status(error))).await),
            };
            let (now, mut chosen) = (self.clock.now(), Vec::new());
            self.sieve.look(now, &mut chosen);
            for entry in entries {
                after = entry.position;
                self.sieve.take(entry, now, &mut chosen);
            }
            for entry in chosen {
                let Some(event) = self.show(&entry) else { continue };
                if let Err(Gone) = self.send(What::Event(event)).await {
                    return;
                }
                self.metrics.delivered.inc();
                delivered_at = Instant::now();
            }
            if delivered_at.elapsed() >= SILENCE_MAX {
                self.shown = after;
                if let Err(Gone) = self.send(What::Reached(after.to_string())).await {
                    return;
                }
                delivered_at = Instant::now();
            }
        }
    }

    /// Shows the sieve the facts that stand shortly before the beginning.
    async fn look_back(&mut self, until: Position) -> infra::Result<()> {
        let mut after = earlier(until);
        while after < until {
            let entries = match self.events.read(&self.tenant, after, BATCH, Duration::ZERO).await {
                Err(StoreError::Trimmed { gone }) if after < gone && gone <= until => {
                    after = gone;
                    continue;
                }
                other => other?,
            };
            let Some(last) = entries.last() else { return Ok(()) };
            after = last.position;
            let now = self.clock.now();
            for entry in entries.into_iter().filter(|entry| entry.position <= until) {
                self.sieve.take_earlier(entry, now);
            }
        }
        Ok(())
    }

    async fn send(&self, what: What) -> Result<(), Gone> {
        let delivery = Ok(v1::Delivery { what: Some(what) });
        match tokio::time::timeout(SLOW_MAX, self.deliveries.send(delivery)).await {
            Ok(sent) => sent.map_err(|_| Gone),
            Err(_) => {
                self.metrics.slow.inc();
                tracing::warn!(tenant = %self.tenant, subject = self.subject, "a subscriber takes no deliveries: its subscription ends");
                // It finds this behind what already waits for it.
                let told = Status::resource_exhausted("nothing was taken for 30 s: resume after the last position");
                let _ = tokio::time::timeout(SLOW_MAX, self.deliveries.send(Err(told))).await;
                Err(Gone)
            }
        }
    }

    /// The fact as the reader sees it; none if it is not concerned or has it. One that was held back has the position of the delivery before
    /// it: whoever resumes there gets it again.
    fn show(&mut self, entry: &EventEntry) -> Option<v1::PositionedEvent> {
        let event = &entry.event;
        let is_wanted =
            self.dns.is_empty() || event.event.this_dn.as_ref().is_some_and(|dn| self.dns.contains(dn.as_str()));
        if !is_wanted || self.known.contains(&event.id) {
            return None;
        }
        let mut envelope = wire::told_to_wire(event);
        envelope.owner = entry.owner.as_ref().map(ToString::to_string).unwrap_or_default();
        if let Some(event) = &mut envelope.event
            && event.requester.as_deref() != Some(&self.subject)
        {
            event.reference = 0;
        }
        self.shown = self.shown.max(entry.position);
        Some(v1::PositionedEvent { position: self.shown.to_string(), envelope: Some(envelope) })
    }
}

/// Where looking back begins.
fn earlier(position: Position) -> Position {
    match position.major {
        0 => Position { major: 0, minor: position.minor.saturating_sub(EARLIER_FACTS) },
        major => Position { major: major.saturating_sub(EARLIER_MS), minor: 0 },
    }
}
