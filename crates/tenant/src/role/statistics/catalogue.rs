//! What of a tenant's objects its statistics need: whom and what they are of, how it is called, and who is in which group. A change costs what
//! it changes, whatever the size of the tenant.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use contracts::provisioning::{AgentGroup, DnKind, Object, ObjectKey, ObjectKind, Person, StatisticDefinition};
use infra::{HistoryPoint, ObjectChanges, ToldChange};
use routing::SkillExpression;
use stats::{ObjectId, ObjectType};

/// Those of a virtual queue, for which the configuration has none.
const USUAL_LEVELS: ServiceLevels = ServiceLevels { in_time_s: 20, short_abandon_s: 5 };

/// Within which times a call of a queue counts as answered in time, and as abandoned too early to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServiceLevels {
    pub(super) in_time_s: u32,
    pub(super) short_abandon_s: u32,
}

/// What a DN is to statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DnUse {
    RoutePoint(ServiceLevels),
    VirtualQueue,
    /// Prompts and echo.
    Service,
    Other,
}

/// Somebody who is an agent.
#[derive(Clone, Debug)]
struct AgentNames {
    /// The employee id, by which facts name the agent.
    id: String,
    login_code: String,
    /// Skills with their levels.
    skills: HashMap<String, i64>,
}

/// What a change was about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ChangedParts {
    /// Whether anything is another one than before that statistics need.
    pub(super) any: bool,
    /// Whether definitions of statistics are.
    pub(super) definitions: bool,
}

/// A tenant's objects, as far as its statistics need them.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub(super) point: HistoryPoint,
    pub(super) time_zone: Option<String>,
    /// Agents by the names by which they sign in.
    agents: HashMap<String, AgentNames>,
    /// Whose employee id it is.
    ids: HashMap<String, String>,
    /// Whose login code it is.
    login_codes: HashMap<String, String>,
    /// Whose further login code it is.
    logins: HashMap<String, String>,
    groups: HashMap<String, AgentGroup>,
    /// The members of groups that were asked for, until people or groups change.
    members: RefCell<HashMap<String, Arc<[String]>>>,
    dns: BTreeMap<String, DnUse>,
    definitions: HashMap<String, StatisticDefinition>,
}

impl Catalogue {
    /// Takes over changes of the tenant's objects.
    pub(super) fn change(&mut self, changes: ObjectChanges) -> ChangedParts {
        let mut changed = ChangedParts { any: changes.is_whole, definitions: changes.is_whole };
        if changes.is_whole {
            *self = Self::default();
        }
        self.point = changes.point;
        for change in changes.changes {
            let kind = change.key().kind;
            match change {
                ToldChange::Put(object) => self.put(object),
                ToldChange::Delete(key) => self.remove(&key),
            }
            changed.definitions |= kind == ObjectKind::StatisticDefinition;
            let is_of_members = matches!(kind, ObjectKind::Person | ObjectKind::AgentGroup);
            if is_of_members {
                self.members.get_mut().clear();
            }
            changed.any |= is_of_members
                || matches!(
                    kind,
                    ObjectKind::Tenant | ObjectKind::Dn | ObjectKind::AgentLogin | ObjectKind::StatisticDefinition
                );
        }
        changed
    }

    fn put(&mut self, object: Object) {
        self.remove(&object.key());
        match object {
            Object::Tenant(tenant) => self.time_zone = tenant.time_zone,
            Object::Person(person) => self.put_person(*person),
            Object::AgentLogin(login) => {
                self.logins.extend(login.person.map(|person| (login.code, person)));
            }
            Object::AgentGroup(group) => drop(self.groups.insert(group.name.clone(), *group)),
            Object::Dn(dn) => {
                self.dns.insert(dn.number, use_of(&dn.kind));
            }
            Object::StatisticDefinition(definition) => {
                self.definitions.insert(definition.name.clone(), *definition);
            }
            _ => {}
        }
    }

    fn put_person(&mut self, person: Person) {
        let Some(agent) = person.agent else { return };
        let user = person.user_name;
        self.ids.insert(agent.id.clone(), user.clone());
        self.login_codes.insert(agent.login_code.clone(), user.clone());
        // Names of skills that stand for members of groups make nobody a member.
        let own = agent.skills.into_iter().filter(|level| !level.skill.starts_with(AgentGroup::SKILL_PREFIX));
        let skills = own.map(|level| (level.skill, i64::from(level.level))).collect();
        self.agents.insert(user, AgentNames { id: agent.id, login_code: agent.login_code, skills });
    }

    fn remove(&mut self, key: &ObjectKey) {
        match key.kind {
            ObjectKind::Tenant => self.time_zone = None,
            ObjectKind::Person => {
                let Some(agent) = self.agents.remove(&key.id) else { return };
                // Somebody else may have these by now.
                for (names, name) in [(&mut self.ids, agent.id), (&mut self.login_codes, agent.login_code)] {
                    if names.get(&name) == Some(&key.id) {
                        names.remove(&name);
                    }
                }
            }
            ObjectKind::AgentLogin => drop(self.logins.remove(&key.id)),
            ObjectKind::AgentGroup => drop(self.groups.remove(&key.id)),
            ObjectKind::Dn => {
                self.dns.remove(&key.id);
            }
            ObjectKind::StatisticDefinition => drop(self.definitions.remove(&key.id)),
            _ => {}
        }
    }

    /// The employee id of an agent by that, a login code or the name by which the person signs in: of names that several have, the first
    /// of these counts.
    fn agent(&self, name: &str) -> Option<&str> {
        let user = [&self.ids, &self.login_codes, &self.logins].into_iter().find_map(|names| names.get(name));
        let agent = self.agents.get(user.map_or(name, String::as_str))?;
        Some(&agent.id)
    }

    /// Whether that is the employee id of an agent.
    pub(super) fn is_agent(&self, id: &str) -> bool {
        self.ids.contains_key(id)
    }

    /// The object of that name, by the name that facts have for it; none if the tenant has no such one.
    pub(super) fn find(&self, of: ObjectType, name: &str) -> Option<ObjectId> {
        let kind = self.dns.get(name);
        let is_there = match of {
            ObjectType::Agent => return Some(ObjectId::new(of, self.agent(name)?)),
            ObjectType::GroupAgents => self.groups.contains_key(name),
            ObjectType::Queue => kind == Some(&DnUse::VirtualQueue),
            ObjectType::RoutePoint => matches!(kind, Some(DnUse::RoutePoint(_))),
            ObjectType::RegDN => kind.is_some(),
            _ => false,
        };
        is_there.then(|| ObjectId::new(of, name))
    }

    /// The agents of a group, as objects.
    pub(super) fn members(&self, group: &str) -> Vec<ObjectId> {
        self.member_ids(group).iter().map(|id| ObjectId::new(ObjectType::Agent, id)).collect()
    }

    /// How many agents a group has.
    pub(super) fn member_count(&self, group: &str) -> usize {
        self.member_ids(group).len()
    }

    /// The employee ids of a group's agents.
    fn member_ids(&self, group: &str) -> Arc<[String]> {
        let known = self.members.borrow().get(group).cloned();
        known.unwrap_or_else(|| {
            let found: Arc<[String]> =
                self.groups.get(group).map(|group| self.members_of(group)).unwrap_or_default().into();
            self.members.borrow_mut().insert(group.to_owned(), found.clone());
            found
        })
    }

    /// The employee ids of who is in a group, in order. One whose expression cannot be read has nobody.
    fn members_of(&self, group: &AgentGroup) -> Vec<String> {
        let expression = group.expression.as_deref().map(SkillExpression::parse);
        let mut ids: Vec<String> = match expression {
            None => group.agents.iter().filter_map(|user| Some(self.agents.get(user)?.id.clone())).collect(),
            Some(Err(_)) => Vec::new(),
            Some(Ok(expression)) => {
                let level = |agent: &AgentNames, skill: &str| agent.skills.get(skill).copied().unwrap_or_default();
                let fit = self.agents.values().filter(|agent| expression.matches(|skill| level(agent, skill)));
                fit.map(|agent| agent.id.clone()).collect()
            }
        };
        ids.sort_unstable();
        ids
    }

    /// The definition of the tenant's own statistic of that name.
    pub(super) fn definition(&self, name: &str) -> Option<&StatisticDefinition> {
        self.definitions.get(name)
    }

    /// The service levels of a queue or a route point.
    pub(super) fn levels(&self, queue: &str) -> ServiceLevels {
        match self.dns.get(queue) {
            Some(DnUse::RoutePoint(levels)) => *levels,
            _ => USUAL_LEVELS,
        }
    }

    /// The route points and virtual queues.
    pub(super) fn queues(&self) -> impl Iterator<Item = ObjectId> {
        self.dns.iter().filter_map(|(number, of)| match of {
            DnUse::RoutePoint(_) => Some(ObjectId::new(ObjectType::RoutePoint, number)),
            DnUse::VirtualQueue => Some(ObjectId::new(ObjectType::Queue, number)),
            DnUse::Service | DnUse::Other => None,
        })
    }

    /// The DNs that answer by themselves.
    pub(super) fn services(&self) -> impl Iterator<Item = String> {
        self.dns.iter().filter(|(_, of)| **of == DnUse::Service).map(|(number, _)| number.clone())
    }

    /// Whether calls wait there at a route point, and not in a virtual queue.
    pub(super) fn is_route_point(&self, dn: &str) -> bool {
        matches!(self.dns.get(dn), Some(DnUse::RoutePoint(_)))
    }
}

fn use_of(kind: &DnKind) -> DnUse {
    match kind {
        DnKind::RoutePoint { service_level_s, short_abandon_s, .. } => {
            DnUse::RoutePoint(ServiceLevels { in_time_s: *service_level_s, short_abandon_s: *short_abandon_s })
        }
        DnKind::VirtualQueue => DnUse::VirtualQueue,
        DnKind::Echo | DnKind::Announcement { .. } => DnUse::Service,
        _ => DnUse::Other,
    }
}

#[cfg(test)]
pub(super) mod tests;
