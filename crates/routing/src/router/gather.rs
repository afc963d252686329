//! After a takeover everybody comes at once: clients submit again what they have, each at its own moment, and facts tell what has happened
//! meanwhile. Whoever were served at once would pass over those who have waited for longer.

use model::Timestamp;

use super::{Rank, Router};
use crate::request::{RequestId, Stage};

impl Router {
    /// Offers nothing until then; then every waiting request in the order of its priority and age.
    pub fn gather(&mut self, until: Timestamp) {
        self.gathers_until = Some(until);
    }

    /// Ends the time in which nothing is offered, if it is over.
    pub(super) fn end_gathering(&mut self, now: Timestamp) {
        if self.gathers_until.is_none_or(|until| until > now) {
            return;
        }
        self.gathers_until = None;
        let waiting = self.requests.iter().filter(|(_, waiting)| waiting.stage == Stage::Waiting);
        let mut waiting: Vec<(Rank, RequestId)> = waiting.map(|(id, waiting)| (waiting.rank(), id.clone())).collect();
        waiting.sort_unstable();
        for (_, id) in waiting {
            if self.agents.available().is_empty() {
                return;
            }
            self.find_agent(&id, now);
        }
    }
}
