//! What of a tenant's objects rq is told: agents with their skills, and with the groups that they are in, each as a skill. A change costs
//! what it changes, whatever the size of the tenant; that of a group's expression costs a look at each agent.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use contracts::provisioning::{Agent, AgentGroup, Object, ObjectKey, ObjectKind, TenantObjects};
use contracts::v1;
use infra::Revision;
use model::{SharedMap, SharedSet};
use routing::SkillExpression;

/// The kinds of objects that agents are made of.
const KINDS: [ObjectKind; 4] = [ObjectKind::Tenant, ObjectKind::Place, ObjectKind::Person, ObjectKind::AgentGroup];

/// The objects that agents are made of. Copies share what is the same in them.
#[derive(Clone, Default)]
pub(in crate::role) struct AgentObjects {
    objects: SharedMap<ObjectKey, Arc<Object>>,
    /// Each place with the people whose default place it is.
    at_places: SharedSet<(String, String)>,
    /// Each person with the groups that name that person as an agent.
    in_groups: SharedSet<(String, String)>,
    /// The expressions of groups, by the names of these.
    expressions: SharedMap<String, Arc<SkillExpression>>,
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
        if let Some(group) = self.objects.get(key).cloned().as_deref().and_then(group_of) {
            self.forget_group(group);
        }
        match object {
            Some(object) => {
                if let Some(group) = group_of(object) {
                    self.note_group(group);
                }
                if let Some(place) = default_place(object) {
                    self.at_places.insert((place.to_owned(), key.id.clone()), ());
                }
                self.objects.insert(key.clone(), Arc::new(object.clone().without_secrets()));
            }
            None => drop(self.objects.remove(key)),
        }
    }

    fn forget_group(&mut self, group: &AgentGroup) {
        for agent in &group.agents {
            self.in_groups.remove(&(agent.clone(), group.name.clone()));
        }
        self.expressions.remove(&group.name);
    }

    fn note_group(&mut self, group: &AgentGroup) {
        for agent in &group.agents {
            self.in_groups.insert((agent.clone(), group.name.clone()), ());
        }
        if let Some(expression) = expression_of(group) {
            self.expressions.insert(group.name.clone(), Arc::new(expression));
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
                ObjectKind::AgentGroup => {
                    let both = [difference.before, difference.now].map(|object| object.and_then(|held| group_of(held)));
                    people.extend(both.into_iter().flatten().flat_map(|group| group.agents.iter().map(String::as_str)));
                    let [was, is] = both.map(|group| group.and_then(expression_of));
                    if was != is {
                        let moves = |person: &&str| self.fits(person, was.as_ref()) != self.fits(person, is.as_ref());
                        people.extend(self.people().filter(moves));
                    }
                }
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
        let skills = agent.skills.iter().map(|s| v1::SkillLevel { skill: s.skill.clone(), level: s.level.into() });
        let groups = self.groups_of(&person.user_name, agent);
        let member = |group: &str| v1::SkillLevel { skill: AgentGroup::member_skill(group), level: 1 };
        Some(v1::AgentProfile {
            agent: agent.id.clone(),
            skills: skills.chain(groups.map(member)).collect(),
            wrap_up_ms: u64::from(wrap_up_s) * 1_000,
            default_dns,
        })
    }
}

impl AgentObjects {
    /// The groups in which an agent is: those that name the person, then those whose expressions the agent fits.
    fn groups_of<'a>(&'a self, person: &'a str, agent: &'a Agent) -> impl Iterator<Item = &'a str> {
        let first = (person.to_owned(), String::new());
        let pairs = self.in_groups.range_from(Bound::Included(&first)).map(|(pair, ())| pair);
        let named = pairs.take_while(move |(of, _)| of == person).map(|(_, group)| group.as_str());
        let fitting = self.expressions.iter().filter(move |(_, expression)| is_fit(agent, expression));
        named.chain(fitting.map(|(group, _)| group.as_str()))
    }

    /// Whether a person is an agent who fits an expression; nobody fits none.
    fn fits(&self, person: &str, expression: Option<&SkillExpression>) -> bool {
        let Some(Object::Person(person)) = self.get(ObjectKind::Person, person) else { return false };
        person.agent.as_ref().zip(expression).is_some_and(|(agent, expression)| is_fit(agent, expression))
    }
}

fn is_fit(agent: &Agent, expression: &SkillExpression) -> bool {
    let level =
        |skill: &str| agent.skills.iter().find(|held| held.skill == skill).map_or(0, |held| i64::from(held.level));
    expression.matches(level)
}

fn group_of(object: &Object) -> Option<&AgentGroup> {
    match object {
        Object::AgentGroup(group) => Some(&**group),
        _ => None,
    }
}

/// None as well of an expression that cannot be read: its group has no agents.
fn expression_of(group: &AgentGroup) -> Option<SkillExpression> {
    SkillExpression::parse(group.expression.as_deref()?).ok()
}

fn default_place(object: &Object) -> Option<&str> {
    match object {
        Object::Person(person) => person.agent.as_ref()?.default_place.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
