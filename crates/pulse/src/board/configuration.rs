//! The tenant's objects that the wallboard needs: names, thresholds, agents and queues.

use std::collections::{BTreeMap, BTreeSet};

use contracts::provisioning::{DnKind, Object, ObjectKey, ObjectKind};
use infra::HistoryPoint;
use net::tenant::FollowedChange;

/// The kinds of objects that are read.
pub(super) const KINDS: &[ObjectKind] = &[
    ObjectKind::Tenant,
    ObjectKind::Application,
    ObjectKind::Dn,
    ObjectKind::Place,
    ObjectKind::Person,
    ObjectKind::Number,
];

/// The kinds of objects that route points are made of.
pub(super) const POINT_KINDS: [ObjectKind; 3] = [ObjectKind::Application, ObjectKind::Dn, ObjectKind::Number];

/// The kinds of objects that agents are made of.
pub(super) const AGENT_KINDS: [ObjectKind; 2] = [ObjectKind::Place, ObjectKind::Person];

/// The kinds of which some object is another one than before.
pub(super) type ChangedKinds = BTreeSet<ObjectKind>;

/// The types of DNs that are read: a tenant has far more phones.
pub(super) const DN_TYPES: [&str; 3] = ["route_point", "echo", "announcement"];

/// A route point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) name: String,
    /// A call answered within this number of seconds counts as in time.
    pub(super) service_level_s: u32,
    /// A caller that hangs up within this number of seconds does not count for the service level.
    pub(super) short_abandon_s: u32,
    /// Whether its application makes calls wait for agents.
    pub(super) queues: bool,
}

/// An agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    /// The phone of the agent's default place.
    pub(super) extension: Option<String>,
}

/// A tenant's objects, as far as they have been read.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    pub(super) point: HistoryPoint,
    objects: BTreeMap<ObjectKey, Object>,
}

impl Configuration {
    /// Takes over a change. Returns of which kinds something is different: tenant tells of each changed phone that there is no route point
    /// of that number.
    pub(super) fn change(&mut self, change: FollowedChange) -> ChangedKinds {
        self.point = change.point;
        let mut changed = ChangedKinds::new();
        if change.is_whole {
            self.objects.clear();
            changed.extend(KINDS);
        }
        for object in change.objects {
            let Some(kind) = ObjectKind::parse(&object.kind) else { continue };
            let key = ObjectKey { kind, id: object.id };
            if object.json.is_empty() {
                changed.extend(self.objects.remove(&key).map(|_| kind));
                continue;
            }
            match Object::from_json(kind, object.json.as_bytes()) {
                Ok(read) if self.objects.get(&key) == Some(&read) => {}
                Ok(read) => {
                    self.objects.insert(key, read);
                    changed.insert(kind);
                }
                Err(error) => tracing::error!(?kind, id = %key.id, %error, "an object cannot be read"),
            }
        }
        changed
    }

    fn of_kind(&self, kind: ObjectKind) -> impl Iterator<Item = &Object> {
        let first = ObjectKey { kind, id: String::new() };
        self.objects.range(first..).take_while(move |(key, _)| key.kind == kind).map(|(_, object)| object)
    }

    /// The tenant's display name.
    pub(super) fn name(&self) -> Option<&str> {
        self.tenant().map(|tenant| tenant.name.as_str())
    }

    /// The tenant's time zone.
    pub(super) fn time_zone(&self) -> Option<&str> {
        self.tenant()?.time_zone.as_deref()
    }

    fn tenant(&self) -> Option<&contracts::provisioning::Tenant> {
        self.of_kind(ObjectKind::Tenant).find_map(|object| match object {
            Object::Tenant(tenant) => Some(&**tenant),
            _ => None,
        })
    }

    /// The route points, by number.
    pub(super) fn points(&self) -> BTreeMap<String, Point> {
        let queueing: BTreeSet<&str> = self
            .of_kind(ObjectKind::Application)
            .filter_map(|object| match object {
                Object::Application(application) if submits(&application.document) => Some(application.name.as_str()),
                _ => None,
            })
            .collect();
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        for object in self.of_kind(ObjectKind::Number) {
            if let Object::Number(number) = object {
                names.entry(&number.dn).or_insert(&number.name);
            }
        }
        self.of_kind(ObjectKind::Dn)
            .filter_map(|object| {
                let Object::Dn(dn) = object else { return None };
                let DnKind::RoutePoint { application, service_level_s, short_abandon_s, .. } = &dn.kind else {
                    return None;
                };
                let name = names.get(dn.number.as_str()).copied().unwrap_or(application.as_str());
                let point = Point {
                    name: name.to_owned(),
                    service_level_s: *service_level_s,
                    short_abandon_s: *short_abandon_s,
                    queues: queueing.contains(application.as_str()),
                };
                Some((dn.number.clone(), point))
            })
            .collect()
    }

    /// The DNs that answer automatically: prompts and echo.
    pub(super) fn services(&self) -> Vec<String> {
        let services = self.of_kind(ObjectKind::Dn).filter_map(|object| match object {
            Object::Dn(dn) if matches!(dn.kind, DnKind::Echo | DnKind::Announcement { .. }) => Some(dn.number.clone()),
            _ => None,
        });
        services.collect()
    }

    /// The agents, by id.
    pub(super) fn agents(&self) -> BTreeMap<String, Person> {
        let places: BTreeMap<&str, &[String]> = self
            .of_kind(ObjectKind::Place)
            .filter_map(|object| match object {
                Object::Place(place) => Some((place.name.as_str(), place.dns.as_slice())),
                _ => None,
            })
            .collect();
        self.of_kind(ObjectKind::Person)
            .filter_map(|object| {
                let Object::Person(person) = object else { return None };
                let agent = person.agent.as_ref()?;
                let dns = agent.default_place.as_deref().and_then(|place| places.get(place));
                let extension = dns.and_then(|dns| dns.first()).cloned();
                let name = format!("{} {}", person.first_name, person.last_name);
                Some((agent.id.clone(), Person { name, extension }))
            })
            .collect()
    }
}

/// Whether an application makes calls wait for an agent: it contains a `submit`, with any prefix of the queue's namespace.
fn submits(document: &str) -> bool {
    let mut rest = document;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            let Some(end) = comment.find("-->") else { return false };
            rest = &comment[end + 3..];
            continue;
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == '>' || c == '/').unwrap_or(rest.len());
        let tag = &rest[..end];
        if tag.rsplit_once(':').is_some_and(|(_, name)| name == "submit") {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use contracts::v1;
    use infra::{HistoryStamp, Revision};

    use super::*;

    #[test]
    fn a_restored_configuration_takes_the_place_of_the_one_that_was_ahead() {
        let point = |revision, stamp| HistoryPoint { revision: Revision(revision), stamp: HistoryStamp(stamp) };
        let echo = |number: &str| v1::ConfigObject {
            kind: "dn".to_owned(),
            id: number.to_owned(),
            json: format!(r#"{{"number":"{number}","type":"echo"}}"#),
        };
        let mut configuration = Configuration::default();
        let mut services = |point, is_whole, numbers: &[&str]| {
            let objects = numbers.iter().map(|number| echo(number)).collect();
            configuration.change(FollowedChange { point, is_whole, objects });
            (configuration.point, configuration.services())
        };
        services(point(5, 50), true, &["1", "2"]);
        assert_eq!(services(point(6, 60), false, &["3"]).1, ["1", "2", "3"]);
        let restored = services(point(4, 41), true, &["1"]);
        assert_eq!(restored, (point(4, 41), vec!["1".to_owned()]));
    }

    #[test]
    fn what_is_as_it_was_is_no_change() {
        let object = |kind: &str, id: &str, json: &str| v1::ConfigObject {
            kind: kind.to_owned(),
            id: id.to_owned(),
            json: json.to_owned(),
        };
        let mut configuration = Configuration::default();
        let mut changed = |is_whole, objects| {
            let changed = configuration.change(FollowedChange { is_whole, objects, ..FollowedChange::default() });
            changed.into_iter().collect::<Vec<_>>()
        };
        let echo = || object("dn", "1", r#"{"number":"1","type":"echo"}"#);
        assert_eq!(changed(true, vec![echo()]).len(), KINDS.len());
        assert_eq!(changed(false, vec![echo(), object("dn", "7101", ""), object("person", "nobody", "")]), []);
        let prompts = object("dn", "1", r#"{"number":"1","type":"announcement","prompts":[]}"#);
        assert_eq!(changed(false, vec![prompts]), [ObjectKind::Dn]);
        assert_eq!(changed(false, vec![object("dn", "1", "")]), [ObjectKind::Dn]);
    }

    #[test]
    fn an_application_that_submits_has_calls_wait() {
        for (document, wanted) in [
            ("<scxml><queue:submit queue=\"'sales'\"/></scxml>", true),
            ("<scxml xmlns:q=\"x\"><q:submit\n requestid=\"r\"></q:submit></scxml>", true),
            ("<scxml><!-- <queue:submit/> --><queue:cancel/></scxml>", false),
            ("<scxml><!-- <queue:submit/>", false),
            ("<scxml><transition event=\"queue.submit.done\"/></scxml>", false),
        ] {
            assert_eq!(submits(document), wanted, "{document}");
        }
    }
}
