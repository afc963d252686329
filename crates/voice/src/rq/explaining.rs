//! How much of its time a tenant's loop gives to questions why calls wait. Routing goes first: the thread decides for all tenants, and
//! whoever is not answered asks again.

use std::time::Duration;

use contracts::v1;
use model::{ConnId, Timestamp};
use tokio::time::Instant;

use super::handler::TenantQueues;
use super::metrics::Metrics;

/// The span for which questions are counted.
const SPAN: Duration = Duration::from_millis(100);
/// The most requests that are explained in it, beside the further ones of the last question. One takes a dozen operations on sets of agents
/// and the names of some (`cargo bench -p trunkline-routing --bench decisions`), whatever the number of those who ask.
const REQUESTS_MAX: usize = 20;

/// The questions of a tenant.
pub(super) struct Explaining {
    places: ExplainingPlaces,
    metrics: Metrics,
}

impl Explaining {
    /// Nobody has asked yet.
    pub fn new(metrics: Metrics) -> Self {
        Self { places: ExplainingPlaces::default(), metrics }
    }

    /// Why a call waits; none where too many have asked a moment ago.
    pub fn answer(&mut self, queues: &TenantQueues, call: ConnId, now: Timestamp) -> Option<v1::ExplainResponse> {
        if !self.places.has_room(now) {
            self.metrics.question_refused();
            return None;
        }
        let begun = Instant::now();
        let explained = queues.explain(call);
        self.places.took(explained.waiting.len());
        self.metrics.question_answered(explained.waiting.len(), begun.elapsed());
        Some(explained)
    }
}

/// How many requests were explained in the present span.
#[derive(Debug, Default)]
struct ExplainingPlaces {
    begun_at: Timestamp,
    requests: usize,
}

impl ExplainingPlaces {
    /// Whether a question is answered now.
    fn has_room(&mut self, now: Timestamp) -> bool {
        // Behind a clock that was put back a span begins, too.
        if now < self.begun_at || now >= self.begun_at + SPAN {
            *self = Self { begun_at: now, requests: 0 };
        }
        self.requests < REQUESTS_MAX
    }

    /// So many requests were explained for one; a question about a call without any counts, too.
    fn took(&mut self, requests: usize) {
        self.requests = self.requests.saturating_add(requests.max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn so_many_requests_are_explained_in_a_span_and_others_in_the_next() {
        let mut places = ExplainingPlaces::default();
        for _ in 0..REQUESTS_MAX {
            assert!(places.has_room(at(0)));
            places.took(0);
        }
        assert!(!places.has_room(at(99)));
        assert!(places.has_room(at(100)));
        places.took(REQUESTS_MAX - 1);
        assert!(places.has_room(at(150)));
        places.took(16);
        assert!(!places.has_room(at(199)));
        assert!(places.has_room(at(0)), "the clock was put back");
    }
}
