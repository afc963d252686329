//! After a takeover requests and facts arrive out of order: clients submit again what they have, each at its own moment, and facts tell what
//! has happened meanwhile. Serving requests as they arrive would overtake older ones that are not resubmitted yet, and a reservation whose
//! agent has answered long ago would end as overdue.

use std::collections::HashSet;

use model::Timestamp;

use super::{Rank, Router};
use crate::request::{RequestId, Stage};

impl Router {
    /// From now on nothing is offered and no timer ends anything, until [`Self::serve`].
    pub const fn gather(&mut self) {
        self.gathers = true;
    }

    /// Ends the gathering: offers every waiting request in the order of its priority and age.
    pub fn serve(&mut self, now: Timestamp) {
        if !std::mem::take(&mut self.gathers) {
            return;
        }
        let waiting = self.requests.iter().filter(|(_, waiting)| waiting.stage == Stage::Waiting);
        let mut waiting: Vec<(Rank, RequestId)> = waiting.map(|(id, waiting)| (waiting.rank(), id.clone())).collect();
        waiting.sort_unstable();
        // Agents only become fewer here: targets that nobody free fits need no second search.
        let mut nobody = HashSet::new();
        for (_, id) in waiting {
            if self.agents.available().is_empty() {
                return;
            }
            let Some(targets) = self.requests.get(&id).map(|waiting| waiting.keys.clone()) else { continue };
            if nobody.contains(&targets) {
                continue;
            }
            self.find_agent(&id, now);
            let still = self.requests.get(&id);
            // Another request with these targets may not exclude whom this one does.
            if still.is_some_and(|waiting| waiting.stage == Stage::Waiting && waiting.excludes_nobody()) {
                nobody.insert(targets);
            }
        }
    }
}
