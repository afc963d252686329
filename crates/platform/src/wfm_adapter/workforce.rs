//! What of a tenant's configuration concerns its workforce: agents and queues.

use std::collections::{BTreeMap, BTreeSet};

use contracts::provisioning::{Dn, DnKind, Object, ObjectKind, Person, SERVICE_LEVEL_S, SHORT_ABANDON_S, SkillLevel};
use infra::HistoryPoint;
use net::tenant::FollowedChange;
use stats::ObjectType;

/// The kinds of objects that are read.
pub(super) const KINDS: [ObjectKind; 2] = [ObjectKind::Dn, ObjectKind::Person];

/// The types of DNs that are read: a tenant has far more phones.
pub(super) const DN_TYPES: [&str; 4] = ["route_point", "virtual_queue", "echo", "announcement"];

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WorkforceAgent {
    pub user_name: String,
    pub first_name: String,
    pub last_name: String,
    pub is_disabled: bool,
    pub skills: Vec<SkillLevel>,
}

/// A route point or virtual queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WorkforceQueue {
    pub kind: ObjectType,
    /// A call that is answered within this number of seconds is answered in time.
    pub service_level_s: u32,
    /// A call that is abandoned within this number of seconds does not count for the service level.
    pub short_abandon_s: u32,
}

/// Agents and queues of a tenant, at a point of its history.
#[derive(Clone, Debug, Default)]
pub(super) struct Workforce {
    pub point: HistoryPoint,
    /// By their ids.
    pub agents: BTreeMap<String, WorkforceAgent>,
    /// By their numbers and names.
    pub queues: BTreeMap<String, WorkforceQueue>,
    /// The DNs that answer automatically.
    pub services: BTreeSet<String>,
    /// The agents' ids by user names: an object that is gone says its name alone.
    agent_of: BTreeMap<String, String>,
}

impl Workforce {
    /// Whether calls that wait there wait at a route point.
    pub fn is_route_point(&self, number: &str) -> bool {
        self.queues.get(number).is_some_and(|queue| queue.kind == ObjectType::RoutePoint)
    }

    /// Takes over a whole change.
    pub fn change(&mut self, change: FollowedChange) {
        self.point = change.point;
        for object in change.objects {
            let Some(kind) = ObjectKind::parse(&object.kind) else { continue };
            self.remove(kind, &object.id);
            if object.json.is_empty() {
                continue;
            }
            match Object::from_json(kind, object.json.as_bytes()) {
                Ok(Object::Person(person)) => self.put_person(*person),
                Ok(Object::Dn(dn)) => self.put_dn(dn),
                Ok(_) => {}
                Err(error) => tracing::error!(?kind, id = %object.id, %error, "an object cannot be read"),
            }
        }
    }

    fn remove(&mut self, kind: ObjectKind, id: &str) {
        match kind {
            ObjectKind::Person => {
                let Some(agent) = self.agent_of.remove(id) else { return };
                // Somebody else may have the agent's id by now.
                if self.agents.get(&agent).is_some_and(|known| known.user_name == id) {
                    self.agents.remove(&agent);
                }
            }
            ObjectKind::Dn => {
                self.queues.remove(id);
                self.services.remove(id);
            }
            _ => {}
        }
    }

    fn put_person(&mut self, person: Person) {
        let Some(agent) = person.agent else { return };
        self.agent_of.insert(person.user_name.clone(), agent.id.clone());
        let known = WorkforceAgent {
            user_name: person.user_name,
            first_name: person.first_name,
            last_name: person.last_name,
            is_disabled: person.disabled,
            skills: agent.skills,
        };
        self.agents.insert(agent.id, known);
    }

    fn put_dn(&mut self, dn: Dn) {
        let queue = match dn.kind {
            DnKind::RoutePoint { service_level_s, short_abandon_s, .. } => {
                WorkforceQueue { kind: ObjectType::RoutePoint, service_level_s, short_abandon_s }
            }
            DnKind::VirtualQueue => WorkforceQueue {
                kind: ObjectType::Queue,
                service_level_s: SERVICE_LEVEL_S,
                short_abandon_s: SHORT_ABANDON_S,
            },
            DnKind::Echo | DnKind::Announcement { .. } => {
                self.services.insert(dn.number);
                return;
            }
            DnKind::Extension { .. } => return,
        };
        self.queues.insert(dn.number, queue);
    }
}

#[cfg(test)]
mod tests {
    use contracts::v1;
    use infra::Revision;

    use super::*;

    fn changed(revision: u64, objects: Vec<v1::ConfigObject>) -> FollowedChange {
        FollowedChange { point: HistoryPoint::unstamped(Revision(revision)), is_whole: false, objects }
    }

    fn object(kind: &str, id: &str, json: &str) -> v1::ConfigObject {
        v1::ConfigObject { kind: kind.to_owned(), id: id.to_owned(), json: json.to_owned() }
    }

    fn person(user: &str, agent: Option<&str>) -> v1::ConfigObject {
        let agent = agent.map_or("null".to_owned(), |id| {
            format!(r#"{{"id":"{id}","login_code":"1","pin":null,"default_place":null,"wrap_up_s":null,"skills":[]}}"#)
        });
        let json = format!(r#"{{"user_name":"{user}","first_name":"F","last_name":"L","agent":{agent}}}"#);
        object("person", user, &json)
    }

    fn users(workforce: &Workforce) -> Vec<(&str, &str)> {
        workforce.agents.iter().map(|(id, agent)| (id.as_str(), agent.user_name.as_str())).collect()
    }

    #[test]
    fn an_agents_id_that_moves_between_people_is_lost_by_none_of_them() {
        let mut workforce = Workforce::default();
        let mut change = |objects| {
            workforce.change(changed(workforce.point.revision.0 + 1, objects));
            workforce.clone()
        };
        change(vec![person("ada", Some("1001")), person("bob", Some("1002"))]);
        let swapped = change(vec![person("ada", Some("1002")), person("bob", Some("1001"))]);
        assert_eq!(users(&swapped), [("1001", "bob"), ("1002", "ada")]);
        let moved = change(vec![person("abe", Some("1002")), object("person", "ada", "")]);
        assert_eq!(users(&moved), [("1001", "bob"), ("1002", "abe")]);
        let fewer = change(vec![person("abe", None), object("person", "bob", "")]);
        assert!(users(&fewer).is_empty());
    }

    #[test]
    fn people_who_are_agents_and_dns_that_are_queues_are_known_until_they_are_gone() {
        let ada = r#"{"user_name":"ada","first_name":"Ada","last_name":"L","agent":{"id":"1001","login_code":"1","pin":null,
            "default_place":null,"wrap_up_s":null,"skills":[{"skill":"sales","level":5}]}}"#;
        let bob = r#"{"user_name":"bob","first_name":"Bob","last_name":"B","agent":null}"#;
        let point =
            r#"{"number":"9000","type":"route_point","application":"sales","default_dn":null,"service_level_s":30}"#;
        let mut workforce = Workforce::default();
        let objects = vec![
            object("person", "ada", ada),
            object("person", "bob", bob),
            object("dn", "9000", point),
            object("dn", "sales", r#"{"number":"sales","type":"virtual_queue"}"#),
            object("dn", "9999", r#"{"number":"9999","type":"echo"}"#),
        ];
        workforce.change(changed(3, objects));
        assert_eq!(workforce.agents.keys().collect::<Vec<_>>(), ["1001"]);
        assert_eq!(workforce.agents["1001"].skills[0].level, 5);
        assert_eq!(workforce.queues["9000"].service_level_s, 30);
        assert_eq!(workforce.queues["sales"].kind, ObjectType::Queue);
        assert!(workforce.services.contains("9999"));

        let gone = vec![object("person", "ada", ""), object("dn", "9000", "")];
        workforce.change(changed(4, gone));
        assert!(workforce.agents.is_empty() && !workforce.queues.contains_key("9000"));
        assert_eq!(workforce.point.revision, Revision(4));
    }
}
