//! The agents of a tenant and their phones: people and places, read from config (voice-35).

use std::collections::{HashMap, HashSet};

use call::agent::{NoAnswerAction, Profile};
use contracts::configuration::{Changes, Listed};
use contracts::provisioning::{Agent, DnKind, Object, ObjectKind};
use model::{AgentId, Dn, Request, RequestKind, TenantId};
use net::configuration::Objects;
use net::http::CallError;

/// The kinds of objects that are read.
pub(super) const KINDS: &[ObjectKind] = &[ObjectKind::Tenant, ObjectKind::Person, ObjectKind::Place, ObjectKind::Dn];
/// The most agents, places and phones of one tenant; ten times the largest tenant that the design allows for.
const OBJECTS_MAX: usize = 100_000;

/// A tenant's people and places.
#[derive(Clone, Debug, Default)]
pub(super) struct People {
    /// The version of configuration that was read last, as config names it.
    version: Option<String>,
    wrap_up_s: u32,
    /// By the person's login name.
    agents: HashMap<String, Agent>,
    places: HashMap<String, Vec<String>>,
    by_id: HashMap<AgentId, String>,
    by_dn: HashMap<Dn, AgentId>,
    phones: HashSet<String>,
}

impl People {
    /// Queries config for changes; returns whether there were any.
    ///
    /// # Errors
    /// When config is unavailable or its answer is malformed; the known state stays.
    pub async fn refresh(&mut self, config: &Objects, tenant: &TenantId) -> Result<bool, CallError> {
        let changes = config.after(tenant.as_str(), self.version.as_deref()).await?;
        Ok(self.take(changes))
    }

    /// Takes over an answer of config; returns whether anything changed.
    pub fn take(&mut self, changes: Changes) -> bool {
        if self.version.as_ref() == Some(&changes.version) {
            return false;
        }
        if changes.whole {
            *self = Self::default();
        }
        self.version = Some(changes.version);
        for gone in &changes.gone {
            match gone.kind {
                ObjectKind::Person => drop(self.agents.remove(&gone.id)),
                ObjectKind::Place => drop(self.places.remove(&gone.id)),
                ObjectKind::Dn => drop(self.phones.remove(&gone.id)),
                _ => {}
            }
        }
        for listed in changes.objects {
            self.put(listed);
        }
        self.index();
        true
    }

    fn put(&mut self, listed: Listed) {
        if !KINDS.contains(&listed.kind) {
            return;
        }
        let object = match Object::from_json(listed.kind, listed.object.to_string().as_bytes()) {
            Ok(object) => object,
            Err(error) => {
                tracing::error!(kind = listed.kind.as_str(), id = listed.id, %error, "an object cannot be read");
                return;
            }
        };
        match object {
            Object::Tenant(tenant) => self.wrap_up_s = tenant.wrap_up_s,
            Object::Dn(dn) => match dn.kind {
                DnKind::Extension { .. } if self.phones.len() < OBJECTS_MAX => drop(self.phones.insert(dn.number)),
                _ => drop(self.phones.remove(&dn.number)),
            },
            Object::Place(place) if self.places.len() < OBJECTS_MAX => {
                self.places.insert(place.name, place.dns);
            }
            Object::Person(person) => match person.agent {
                Some(agent) if self.agents.len() < OBJECTS_MAX => {
                    self.agents.insert(person.user_name, agent);
                }
                _ => drop(self.agents.remove(&person.user_name)),
            },
            _ => {}
        }
    }

    fn index(&mut self) {
        self.by_id.clear();
        self.by_dn.clear();
        for (name, agent) in &self.agents {
            let Ok(id) = AgentId::parse(&agent.id) else { continue };
            let place = agent.default_place.as_ref().and_then(|place| self.places.get(place));
            for dn in place.into_iter().flatten().filter_map(|dn| Dn::parse(dn).ok()) {
                // With two agents at one place, always choose the same one, whatever the order of the map.
                let first = self.by_dn.get(&dn).is_none_or(|other| id < *other);
                if first {
                    self.by_dn.insert(dn, id.clone());
                }
            }
            self.by_id.insert(id, name.clone());
        }
    }

    /// Whether config has answered.
    pub fn is_known(&self) -> bool {
        self.version.is_some()
    }

    /// Whether a DN is a phone.
    pub fn is_phone(&self, dn: &Dn) -> bool {
        self.phones.contains(dn.as_str())
    }

    /// An agent's settings from configuration.
    pub fn profile(&self, id: &AgentId) -> Option<Profile> {
        let agent = self.agents.get(self.by_id.get(id)?)?;
        let wrap_up_s = agent.wrap_up_s.unwrap_or(self.wrap_up_s);
        Some(Profile {
            agent: id.clone(),
            wrap_up_ms: u64::from(wrap_up_s) * 1_000,
            no_answer: NoAnswerAction::default(),
            logout_on_out_of_service: false,
        })
    }

    /// The agent that a request concerns: the one that a login names, else the one whose default place has the DN.
    pub fn concerned(&self, request: &Request) -> Option<Profile> {
        match &request.kind {
            RequestKind::AgentLogin(Some(agent), _) => self.profile(agent),
            _ => self.profile(self.by_dn.get(&request.this_dn)?),
        }
    }
}

#[cfg(test)]
mod tests;
