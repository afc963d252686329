//! Agents by their ids, and by the DNs of their default places.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use contracts::configuration::Listed;
use contracts::provisioning::{Agent, ObjectKind};
use model::{AgentId, Dn, SharedMap, SharedSet};

/// Agents by login name.
type Agents = SharedMap<String, Arc<Agent>>;
/// The DNs of places.
type Places = SharedMap<String, Arc<[String]>>;

/// The agents of a tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct AgentIndex {
    /// The login name of each.
    by_id: SharedMap<AgentId, String>,
    /// The DNs of default places, each with the agents who belong there. No agent comes before every agent: there a search begins.
    by_dn: SharedSet<(Dn, Option<AgentId>)>,
    /// Default places, each with the login names of who belongs there.
    by_place: SharedSet<(String, String)>,
    /// Login codes of agents' own settings, each with the login names of who has it.
    by_code: SharedSet<(String, String)>,
}

impl AgentIndex {
    /// The login name of an agent.
    pub(super) fn person(&self, id: &AgentId) -> Option<&String> {
        self.by_id.get(id)
    }

    /// The login name of the agent who has that login code: with two always the same one, the first by its login name.
    pub(super) fn person_with_code(&self, code: &str) -> Option<&String> {
        let first = (code.to_owned(), String::new());
        let ((of, person), ()) = self.by_code.range_from(Bound::Included(&first)).next()?;
        (of == code).then_some(person)
    }

    /// The agent whose default place has the DN: with two at one place always the same one, the first by its id.
    pub(super) fn agent_at(&self, dn: &Dn) -> Option<&AgentId> {
        let first: (Dn, Option<AgentId>) = (dn.clone(), None);
        let ((at, agent), ()) = self.by_dn.range_from(Bound::Included(&first)).next()?;
        agent.as_ref().filter(|_| at == dn)
    }

    /// All ids, with the login names.
    #[cfg(test)]
    pub(super) fn ids(&self) -> impl Iterator<Item = (&AgentId, &String)> {
        self.by_id.iter()
    }

    /// The login names of those whom changes concern: changed people, and who belongs at changed places.
    pub(super) fn concerned<'a>(&self, changed: impl Iterator<Item = &'a Listed>) -> BTreeSet<String> {
        let mut people = BTreeSet::new();
        for listed in changed {
            match listed.kind {
                ObjectKind::Person => drop(people.insert(listed.id.clone())),
                ObjectKind::Place => {
                    let first = (listed.id.clone(), String::new());
                    let there = self.by_place.range_from(Bound::Included(&first)).map(|(pair, ())| pair);
                    let there = there.take_while(|(place, _)| *place == listed.id);
                    people.extend(there.map(|(_, person)| person.clone()));
                }
                _ => {}
            }
        }
        people
    }

    /// Notes a person as it is now, if it is an agent.
    pub(super) fn note(&mut self, person: &str, agents: &Agents, places: &Places) {
        let Some(agent) = agents.get(person) else { return };
        if let Some(place) = &agent.default_place {
            self.by_place.insert((place.clone(), person.to_owned()), ());
        }
        let Ok(id) = AgentId::parse(&agent.id) else { return };
        for dn in dns(agent, places) {
            self.by_dn.insert((dn, Some(id.clone())), ());
        }
        self.by_code.insert((agent.login_code.clone(), person.to_owned()), ());
        self.by_id.insert(id, person.to_owned());
    }

    /// Forgets what was noted of a person as it is still known.
    pub(super) fn forget(&mut self, person: &str, agents: &Agents, places: &Places) {
        let Some(agent) = agents.get(person) else { return };
        if let Some(place) = &agent.default_place {
            self.by_place.remove(&(place.clone(), person.to_owned()));
        }
        let Ok(id) = AgentId::parse(&agent.id) else { return };
        for dn in dns(agent, places) {
            self.by_dn.remove(&(dn, Some(id.clone())));
        }
        self.by_code.remove(&(agent.login_code.clone(), person.to_owned()));
        self.by_id.remove(&id);
    }
}

/// The DNs of an agent's default place.
fn dns(agent: &Agent, places: &Places) -> impl Iterator<Item = Dn> {
    let place = agent.default_place.as_ref().and_then(|place| places.get(place));
    place.into_iter().flat_map(|dns| dns.iter()).filter_map(|dn| Dn::parse(dn).ok())
}
