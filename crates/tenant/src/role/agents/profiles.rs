//! What of a tenant's objects rq is told: agents with their skills. A change costs what it changes, whatever the size of the tenant.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use contracts::provisioning::{Object, ObjectKey, ObjectKind, TenantObjects};
use contracts::v1;
use infra::Revision;
use model::{SharedMap, SharedSet};

/// The kinds of objects that agents are made of.
const KINDS: [ObjectKind; 3] = [ObjectKind::Tenant, ObjectKind::Place, ObjectKind::Person];

/// The objects that agents are made of. Copies share what is the same in them.
#[derive(Clone, Default)]
pub(in crate::role) struct AgentObjects {
    objects: SharedMap<ObjectKey, Arc<Object>>,
    /// Each place with the people whose default place it is.
    at_places: SharedSet<(String, String)>,
}

impl AgentObjects {
    /// Those of a tenant.
    pub fn of(objects: &TenantObjects) -> Self {
        let mut all = Self::default();
        for object in objects.objects() {
            all.change(&object.key(), Some(&object));
        }
        all
    }

    /// Takes over an object as it is now; none if it was removed.
    pub fn change(&mut self, key: &ObjectKey, object: Option<&Object>) {
        if !KINDS.contains(&key.kind) {
            return;
        }
        let place_before = self.objects.get(key).and_then(|held| default_place(held)).map(str::to_owned);
        if let Some(place) = place_before {
            self.at_places.remove(&(place, key.id.clone()));
        }
        match object {
            Some(object) => {
                if let Some(place) = default_place(object) {
                    self.at_places.insert((place.to_owned(), key.id.clone()), ());
                }
                self.objects.insert(key.clone(), Arc::new(object.clone().without_secrets()));
            }
            None => drop(self.objects.remove(key)),
        }
    }

    /// What rq is told, after it was told `before`: everything at first.
    pub fn update(&self, revision: Revision, before: Option<&Self>) -> v1::AgentsUpdate {
        let (mut agents, mut gone) = (Vec::new(), BTreeSet::new());
        match before {
            None => agents.extend(self.people().filter_map(|person| self.profile(person))),
            Some(before) => {
                for person in self.differing(before) {
                    let (was, is) = (before.profile(person), self.profile(person));
                    if was != is {
                        gone.extend(was.map(|profile| profile.agent));
                        agents.extend(is);
                    }
                }
                // Somebody else may have the agent's id now.
                for profile in &agents {
                    gone.remove(&profile.agent);
                }
            }
        }
        let gone = gone.into_iter().collect();
        v1::AgentsUpdate { revision: revision.0, whole: before.is_none(), agents, gone, unfinished: false }
    }

    /// The people whose profiles may differ from those of an earlier state.
    fn differing<'a>(&'a self, before: &'a Self) -> BTreeSet<&'a str> {
        let mut people = BTreeSet::new();
        for difference in self.objects.differences(&before.objects, Arc::ptr_eq) {
            let id = difference.key.id.as_str();
            match difference.key.kind {
                ObjectKind::Person => drop(people.insert(id)),
                ObjectKind::Place => people.extend(self.people_at(id)),
                // Its wrap-up time is that of agents without one of their own.
                ObjectKind::Tenant => people.extend(self.people()),
                _ => {}
            }
        }
        people
    }

    fn people(&self) -> impl Iterator<Item = &str> {
        let first = ObjectKey { kind: ObjectKind::Person, id: String::new() };
        let keys = self.objects.range_from(Bound::Included(&first)).map(|(key, _)| key);
        keys.take_while(|key| key.kind == ObjectKind::Person).map(|key| key.id.as_str())
    }

    /// The people whose default place this is.
    fn people_at<'a>(&'a self, place: &'a str) -> impl Iterator<Item = &'a str> {
        let first = (place.to_owned(), String::new());
        let pairs = self.at_places.range_from(Bound::Included(&first)).map(|(pair, ())| pair);
        pairs.take_while(move |(at, _)| at == place).map(|(_, person)| person.as_str())
    }

    fn get(&self, kind: ObjectKind, id: &str) -> Option<&Object> {
        self.objects.get(&ObjectKey { kind, id: id.to_owned() }).map(|object| &**object)
    }

    /// The profile of a person who is an agent.
    fn profile(&self, person: &str) -> Option<v1::AgentProfile> {
        let Object::Person(person) = self.get(ObjectKind::Person, person)? else { return None };
        let agent = person.agent.as_ref()?;
        let default_dns = match agent.default_place.as_deref().and_then(|place| self.get(ObjectKind::Place, place)) {
            Some(Object::Place(place)) => place.dns.clone(),
            _ => Vec::new(),
        };
        let wrap_up_s = agent.wrap_up_s.unwrap_or_else(|| match self.get(ObjectKind::Tenant, "") {
            Some(Object::Tenant(tenant)) => tenant.wrap_up_s,
            _ => 0,
        });
        let skills = agent.skills.iter();
        Some(v1::AgentProfile {
            agent: agent.id.clone(),
            skills: skills.map(|s| v1::SkillLevel { skill: s.skill.clone(), level: s.level.into() }).collect(),
            wrap_up_ms: u64::from(wrap_up_s) * 1_000,
            default_dns,
        })
    }
}

fn default_place(object: &Object) -> Option<&str> {
    match object {
        Object::Person(person) => person.agent.as_ref()?.default_place.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
