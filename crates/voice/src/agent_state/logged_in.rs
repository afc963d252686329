//! Who is logged in at a phone, in the phone's record: dialplan counts what an agent spends on calls outside, at whichever phone.
//!
//! It is kept for tenants with a rule that limits what agents spend alone: no other login costs a write more.

use std::collections::BTreeSet;

use model::{AgentId, Dn};

use super::handler::TenantAgents;
use crate::phone_settings;

impl TenantAgents {
    /// Notes it for all phones: whether there is such a rule has changed.
    pub(super) fn note_all_logged_in(&mut self) {
        let noted = self.phones.iter().filter(|(_, phone)| phone.record.agent.is_some()).map(|(dn, _)| dn.clone());
        let used = self.table.iter().filter(|_| self.people.limits_agents()).filter_map(|agent| agent.dn.clone());
        for dn in noted.chain(used).collect::<BTreeSet<Dn>>() {
            self.note_who_is_logged_in(&dn);
        }
    }

    /// Where an agent is logged in.
    pub(super) fn dn_of(&self, agent: &AgentId) -> Option<Dn> {
        self.table.agent(agent)?.dn.clone()
    }

    /// Notes it for the phone where an agent was, and for that where the agent is now: what had become of the agent was not stored.
    pub(super) fn note_logged_in_again(&mut self, agent: &AgentId, was_at: Option<Dn>) {
        for dn in was_at.into_iter().chain(self.dn_of(agent)) {
            self.note_who_is_logged_in(&dn);
        }
    }

    /// Notes who is logged in at a phone.
    pub(super) fn note_who_is_logged_in(&mut self, dn: &Dn) {
        let agent = self.table.on_dn(dn).filter(|_| self.people.limits_agents()).map(|session| session.agent.clone());
        let noted = self.phones.get(dn).and_then(|phone| phone.record.agent.as_ref());
        if agent.as_ref() == noted || phone_settings::key(dn).is_none() {
            return;
        }
        let phone = self.phones.entry(dn.clone()).or_default();
        phone.record.agent = agent;
        phone.unwritten.get_or_insert_default();
    }
}

#[cfg(test)]
mod tests;
