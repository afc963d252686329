//! Changed configuration of agents, applied to those that are known.

use std::sync::Arc;

use call::agent::Input;
use model::Timestamp;

use super::handler::TenantAgents;
use super::people::People;

/// How many agents one turn gives changed configuration.
const PROFILES_PER_TURN: usize = 100;

impl TenantAgents {
    /// Takes over the agents' configuration and applies changes to the known agents.
    pub fn people_changed(&mut self, people: Arc<People>, now: Timestamp) {
        let before = std::mem::replace(&mut self.people, people.clone());
        if people.has_other_wrap_up_times(&before) {
            self.table.handle(Input::WrapUpTimes(people.wrap_up_times()), now);
        }
        for phone in people.phones_now_without_call_waiting(&before) {
            self.note_whether_in_call(&phone);
        }
        // Before the first configuration a phone's record says what held for the owner before.
        if !before.is_known() || before.limits_agents() != people.limits_agents() {
            self.note_all_logged_in();
        }
        match people.changed_agents(&before) {
            Some(changed) => self.profiles_due.extend(changed),
            None => self.profiles_due = self.table.iter().map(|agent| agent.agent.clone()).collect(),
        }
    }

    /// Applies changed configuration to the next agents: a rule of the tenant may concern all of them, and one batch holds up the store.
    pub(super) fn apply_profiles(&mut self, now: Timestamp) {
        let mut changed = 0;
        while changed < PROFILES_PER_TURN
            && let Some(agent) = self.profiles_due.pop_front()
        {
            let Some(known) = self.table.agent(&agent).map(|session| &session.profile) else { continue };
            match self.people.profile(&agent) {
                Some(fresh) if fresh != *known => {
                    self.table.handle(Input::ProfileChanged(fresh), now);
                    changed += 1;
                }
                Some(_) => {}
                None => self.note_leaver(&agent, now),
            }
        }
    }
}
