//! What of a tenant's objects rq is told: agents with their skills, with the groups that they are in, each as a skill, and with how many
//! calls they get at a time. A change costs what it changes, whatever the size of the tenant; that of a group's expression or of a capacity
//! rule costs a look at each agent, as does the beginning.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use contracts::provisioning::{Agent, AgentGroup, Object, ObjectKey, ObjectKind, SkillLevel, TenantObjects};
use contracts::v1;
use infra::Revision;
use model::{SharedMap, SharedSet};
use routing::SkillExpression;

/// The kinds of objects that agents are made of.
const KINDS: [ObjectKind; 5] =
    [ObjectKind::Tenant, ObjectKind::Place, ObjectKind::Person, ObjectKind::AgentGroup, ObjectKind::CapacityRule];

/// The objects that agents are made of. Copies share what is the same in them.
#[derive(Clone, Default)]
pub(in crate::role) struct AgentObjects {
    objects: SharedMap<ObjectKey, Arc<Object>>,
    /// Each place with the people whose default place it is.
    at_places: SharedSet<(String, String)>,
    /// Each person with the groups that name that person as an agent.
    in_groups: SharedSet<(String, String)>,
    /// The expressions of groups, by the names of these.
    expressions: SharedMap<Arc<str>, Arc<SkillExpression>>,
}

/// What rq was told last.
#[derive(Clone, Default)]
pub(in crate::role) struct ToldAgents {
    objects: AgentObjects,
    /// Each person with the groups whose expressions that agent fits, if there are any.
    fitting: SharedMap<String, FittingGroups>,
}

/// Names of groups, in their order.
type FittingGroups = Arc<[Arc<str>]>;

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
        self.expressions.remove(group.name.as_str());
    }

    fn note_group(&mut self, group: &AgentGroup) {
        for agent in &group.agents {
            self.in_groups.insert((agent.clone(), group.name.clone()), ());
        }
        if let Some(expression) = expression_of(group) {
            self.expressions.insert(group.name.as_str().into(), Arc::new(expression));
        }
    }

    /// What rq is told after it was told `before`, everything at first; and what it knows then. Each agent that has changed is compared
    /// with all expressions, and each expression that has changed with all agents: that takes its time, and is nothing for a role's thread.
    pub fn update(&self, revision: Revision, before: Option<&ToldAgents>) -> (v1::AgentsUpdate, ToldAgents) {
        let whole = before.is_none();
        let nothing = ToldAgents::default();
        let before = before.unwrap_or(&nothing);
        let now = ToldAgents { objects: self.clone(), fitting: self.fitting(before) };
        let (mut agents, mut gone) = (Vec::new(), BTreeSet::new());
        for person in now.differing(before) {
            let (was, is) = (before.profile(person), now.profile(person));
            if was != is {
                gone.extend(was.map(|profile| profile.agent));
                agents.extend(is);
            }
        }
        // Somebody else may have the agent's id now.
        for profile in &agents {
            gone.remove(&profile.agent);
        }
        let gone = gone.into_iter().collect();
        (v1::AgentsUpdate { revision: revision.0, whole, agents, gone, unfinished: false }, now)
    }

    /// Each person with the groups whose expressions that agent fits.
    fn fitting(&self, before: &ToldAgents) -> SharedMap<String, FittingGroups> {
        let mut fitting = before.fitting.clone();
        let differences = self.objects.differences(&before.objects.objects, Arc::ptr_eq);
        let people = differences.into_iter().filter(|difference| difference.key.kind == ObjectKind::Person);
        let people: BTreeSet<&str> = people.map(|difference| difference.key.id.as_str()).collect();
        for person in &people {
            let groups = self.agent(person).map(|agent| {
                let levels = levels_of(agent);
                let fit = self.expressions.iter().filter(|(_, expression)| is_fit(&levels, expression));
                fit.map(|(group, _)| Arc::clone(group)).collect::<Vec<_>>()
            });
            note(&mut fitting, person, groups.unwrap_or_default());
        }
        let changed = self.expressions.differences(&before.objects.expressions, |was, is| was == is);
        let changed: BTreeMap<&Arc<str>, Option<&Arc<SkillExpression>>> =
            changed.into_iter().map(|difference| (difference.key, difference.now)).collect();
        if changed.is_empty() {
            return fitting;
        }
        for person in self.people().filter(|person| !people.contains(person)) {
            let Some(agent) = self.agent(person) else { continue };
            let levels = levels_of(agent);
            let held = fitting.get(person).cloned().unwrap_or_default();
            let stay = held.iter().filter(|group| !changed.contains_key(group));
            let fit = changed.iter().filter(|(_, expression)| expression.is_some_and(|one| is_fit(&levels, one)));
            let groups = stay.chain(fit.map(|(group, _)| *group)).cloned().collect();
            note(&mut fitting, person, groups);
        }
        fitting
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

    fn agent(&self, person: &str) -> Option<&Agent> {
        match self.get(ObjectKind::Person, person)? {
            Object::Person(person) => person.agent.as_ref(),
            _ => None,
        }
    }

    /// The groups that name a person.
    fn groups_naming<'a>(&'a self, person: &'a str) -> impl Iterator<Item = &'a str> {
        let first = (person.to_owned(), String::new());
        let pairs = self.in_groups.range_from(Bound::Included(&first)).map(|(pair, ())| pair);
        pairs.take_while(move |(of, _)| of == person).map(|(_, group)| group.as_str())
    }
}

impl ToldAgents {
    /// The people whose profiles may differ from those of an earlier state.
    fn differing<'a>(&'a self, before: &'a Self) -> BTreeSet<&'a str> {
        let moved = self.fitting.differences(&before.fitting, |was, is| was == is);
        let mut people: BTreeSet<&str> = moved.into_iter().map(|difference| difference.key.as_str()).collect();
        for difference in self.objects.objects.differences(&before.objects.objects, Arc::ptr_eq) {
            let id = difference.key.id.as_str();
            let both = [difference.before, difference.now].map(|object| object.map(|held| &**held));
            match difference.key.kind {
                ObjectKind::Person => drop(people.insert(id)),
                ObjectKind::Place => people.extend(self.objects.people_at(id)),
                // It is that of agents without one of their own.
                ObjectKind::Tenant => {
                    let [was, is] = both.map(|tenant| tenant.map_or(0, wrap_up_s));
                    if was != is {
                        people.extend(self.objects.people());
                    }
                }
                // Who has it is not noted.
                ObjectKind::CapacityRule => {
                    let [was, is] = both.map(|rule| rule.and_then(calls_max));
                    if was != is {
                        people.extend(self.objects.people());
                    }
                }
                ObjectKind::AgentGroup => {
                    let named = both.into_iter().flatten().filter_map(group_of).flat_map(|group| &group.agents);
                    people.extend(named.map(String::as_str));
                }
                _ => {}
            }
        }
        people
    }

    /// The profile of a person who is an agent.
    fn profile(&self, person: &str) -> Option<v1::AgentProfile> {
        let agent = self.objects.agent(person)?;
        let place = agent.default_place.as_deref().and_then(|place| self.objects.get(ObjectKind::Place, place));
        let (default_dns, places_rule) = match place {
            Some(Object::Place(place)) => (place.dns.clone(), place.capacity_rule.as_deref()),
            _ => (Vec::new(), None),
        };
        let rule = agent.capacity_rule.as_deref().or(places_rule);
        let rule = rule.and_then(|rule| self.objects.get(ObjectKind::CapacityRule, rule));
        let wrap_up_s =
            agent.wrap_up_s.unwrap_or_else(|| self.objects.get(ObjectKind::Tenant, "").map_or(0, wrap_up_s));
        let skills = skills_of(agent).map(|s| v1::SkillLevel { skill: s.skill.clone(), level: s.level.into() });
        let fitting = self.fitting.get(person).into_iter().flat_map(|groups| &**groups).map(|group| &**group);
        let member = |group: &str| v1::SkillLevel { skill: AgentGroup::member_skill(group), level: 1 };
        Some(v1::AgentProfile {
            agent: agent.id.clone(),
            skills: skills.chain(self.objects.groups_naming(person).chain(fitting).map(member)).collect(),
            wrap_up_ms: u64::from(wrap_up_s) * 1_000,
            default_dns,
            calls_max: rule.and_then(calls_max),
        })
    }
}

/// Notes the groups whose expressions a person fits.
fn note(fitting: &mut SharedMap<String, FittingGroups>, person: &str, mut groups: Vec<Arc<str>>) {
    groups.sort();
    if groups.is_empty() {
        fitting.remove(person);
    } else if fitting.get(person).is_none_or(|held| **held != *groups) {
        fitting.insert(person.to_owned(), groups.into());
    }
}

/// An agent's skills. Builds of before took names of skills that stand for members of groups now: those make nobody a member.
fn skills_of(agent: &Agent) -> impl Iterator<Item = &SkillLevel> {
    agent.skills.iter().filter(|level| !level.skill.starts_with(AgentGroup::SKILL_PREFIX))
}

fn levels_of(agent: &Agent) -> HashMap<&str, i64> {
    skills_of(agent).map(|level| (level.skill.as_str(), i64::from(level.level))).collect()
}

fn is_fit(levels: &HashMap<&str, i64>, expression: &SkillExpression) -> bool {
    expression.matches(|skill| levels.get(skill).copied().unwrap_or_default())
}

/// The after-call work of a tenant's agents without one of their own.
fn wrap_up_s(object: &Object) -> u32 {
    match object {
        Object::Tenant(tenant) => tenant.wrap_up_s,
        _ => 0,
    }
}

/// How many calls at a time a capacity rule lets somebody have.
fn calls_max(object: &Object) -> Option<u32> {
    match object {
        Object::CapacityRule(rule) => Some(rule.calls_max()),
        _ => None,
    }
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
