//! The rules of the tenant's file for objects that do not come from a file: what each of them breaks, by object and field.

use std::collections::HashSet;
use std::fmt;

use contracts::provisioning::{ATTACHED_DEFAULTS_MAX, DnKind, FaultCode, Object, ObjectKey, ObjectKind, TenantObjects};

use super::gather::gathered;
use super::groups::EXPRESSIONS_MAX;
use super::rules::{self, Lines};
use super::{BrokenRule, Fault, access, declaration, shape, tree, write};
use crate::names::name_fault;

/// A rule that an object breaks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectFault {
    /// The object.
    pub key: ObjectKey,
    /// The field of its document, as `agent.skills`; empty for the object as a whole.
    pub field: String,
    /// The rule.
    pub rule: BrokenRule,
}

impl fmt::Display for ObjectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key.kind.as_str())?;
        for part in [&self.key.id, &self.field].into_iter().filter(|part| !part.is_empty()) {
            write!(f, " {part}")?;
        }
        write!(f, ": {}", self.rule)
    }
}

/// Every rule that the objects of a tenant break: rules between objects for all of them, rules about one object alone for those that
/// `is_changed` names. The cost is that of one pass over all objects: the tables are neither read nor written.
pub fn object_faults(objects: &TenantObjects, is_changed: impl Fn(&ObjectKey) -> bool) -> Vec<ObjectFault> {
    let keys: Vec<ObjectKey> = objects.objects().map(|object| object.key()).collect();
    let mut faults = same_but_for_case(&keys);
    let mut found = Vec::new();
    // The place of an object stands for its line in a file; the tenant's is 1, as there.
    let lines: Lines = (1..).zip(&keys).map(|(line, key)| (key.folded(), line)).collect();
    rules::check(objects, &lines, &mut found);
    for Fault { line, key, rule } in found {
        let Some(of) = keys.get(line.saturating_sub(1)) else { continue };
        faults.push(ObjectFault { key: of.clone(), field: field(of, &key), rule });
    }
    faults.extend(of_shape(objects, is_changed));
    faults.sort();
    faults.dedup();
    faults
}

/// Objects whose names differ in nothing but upper and lower case.
fn same_but_for_case(keys: &[ObjectKey]) -> Vec<ObjectFault> {
    let mut seen = HashSet::new();
    let twice = keys.iter().filter(|key| !seen.insert(key.folded()));
    let words = "there is one already whose name differs in upper and lower case alone";
    let rule = BrokenRule::new(FaultCode::NameTaken, words);
    twice.map(|key| ObjectFault { key: key.clone(), field: String::new(), rule: rule.clone() }).collect()
}

/// The names of a file that no new object may have.
pub(super) fn name_faults(objects: &TenantObjects, lines: &Lines) -> Vec<Fault> {
    let faulty = objects.objects().filter_map(|object| {
        let (key, section) = (object.key(), section(&object)?);
        let rule = name_fault(&key.id)?;
        let line = lines.get(&key.folded()).copied().unwrap_or(1);
        Some(Fault { line, key: shape::join(section, &key.id), rule })
    });
    faulty.collect()
}

/// The hashes of a file that cost more than those that are given anew may.
pub(super) fn hash_faults(objects: &TenantObjects, lines: &Lines) -> Vec<Fault> {
    let mut faults = Vec::new();
    for object in objects.objects() {
        let (key, Some(section)) = (object.key(), section(&object)) else { continue };
        let line = lines.get(&key.folded()).copied().unwrap_or(1);
        let fault =
            |(field, rule): (&str, BrokenRule)| Fault { line, key: format!("{section}.{}.{field}", key.id), rule };
        faults.extend(access::costly_hashes(&object, None).into_iter().map(fault));
    }
    faults
}

// === rules about one object alone ===

/// The changed objects are written as a file, and checked as one.
fn of_shape(objects: &TenantObjects, is_changed: impl Fn(&ObjectKey) -> bool) -> Vec<ObjectFault> {
    let changed = objects.objects().filter(|object| is_changed(&object.key()));
    let mut changed = gathered(objects.tenant.clone(), changed);
    let annexes = objects.annexes.iter().filter(|(key, _)| is_changed(key));
    changed.annexes = annexes.map(|(key, annex)| (key.clone(), annex.clone())).collect();
    let tenant = || ObjectKey { kind: ObjectKind::Tenant, id: String::new() };
    let root = match tree::parse(&write(&changed).yaml) {
        Ok(root) => root,
        Err(fault) => return vec![ObjectFault { key: tenant(), field: fault.key, rule: fault.rule }],
    };
    let mut found = Vec::new();
    shape::check(&root, &declaration::TENANT, "", &mut found);
    let sections = Sections::of(&changed);
    let fault = |Fault { key, rule, .. }: Fault| {
        let (of, rest) = sections.find(&key).unwrap_or_else(|| (tenant(), key.as_str()));
        ObjectFault { field: renamed(of.kind, rest), key: of, rule }
    };
    found.into_iter().map(fault).collect()
}

/// The keys of the objects in the lists of a file.
struct Sections(Vec<(&'static str, Vec<ObjectKey>)>);

impl Sections {
    fn of(objects: &TenantObjects) -> Self {
        let mut sections: Vec<(&'static str, Vec<ObjectKey>)> = Vec::new();
        for object in objects.objects() {
            let Some(name) = section(&object) else { continue };
            match sections.iter_mut().find(|(known, _)| *known == name) {
                Some((_, keys)) => keys.push(object.key()),
                None => sections.push((name, vec![object.key()])),
            }
        }
        Self(sections)
    }

    /// The object that a key as `people[3].agent.pin` or `prompts.music` is about, and the rest of the key.
    fn find<'a>(&self, key: &'a str) -> Option<(ObjectKey, &'a str)> {
        self.0.iter().find_map(|(name, keys)| {
            let rest = key.strip_prefix(name)?;
            if let Some(rest) = rest.strip_prefix('[') {
                let (index, rest) = rest.split_once(']')?;
                let of = keys.get(index.parse::<usize>().ok()?)?;
                return Some((of.clone(), rest.trim_start_matches('.')));
            }
            let named = rest.strip_prefix('.')?;
            let behind = |of: &ObjectKey| named.strip_prefix(of.id.as_str())?.strip_prefix('.');
            let exact = keys.iter().find(|of| of.id == named).map(|of| (of.clone(), ""));
            exact.or_else(|| keys.iter().find_map(|of| Some((of.clone(), behind(of)?))))
        })
    }
}

/// What groups of agents with an expression count as besides their section.
const EXPRESSIONS: &str = "agent_groups.expression";

/// What business attributes with whose defaults calls begin count as besides their section.
const ATTACHED_DEFAULTS: &str = "business_attributes.attach_default";

/// What an object counts as where a tenant has a bounded number: one of its section and, if it is a group of agents with an expression or
/// an attribute with whose default calls begin, one of these.
pub(crate) fn counted(object: &Object) -> impl Iterator<Item = &'static str> + use<> {
    let besides = match object {
        Object::AgentGroup(group) if group.expression.is_some() => Some(EXPRESSIONS),
        Object::BusinessAttribute(attribute) if attribute.attach_default => Some(ATTACHED_DEFAULTS),
        _ => None,
    };
    section(object).into_iter().chain(besides)
}

/// The most objects of a tenant that may count as this.
pub(crate) fn counted_max(counted: &str) -> Option<usize> {
    match counted {
        EXPRESSIONS => Some(EXPRESSIONS_MAX),
        ATTACHED_DEFAULTS => Some(ATTACHED_DEFAULTS_MAX),
        section => shape::most(&declaration::TENANT, section),
    }
}

/// The section of a file in which an object stands.
fn section(object: &Object) -> Option<&'static str> {
    Some(match object {
        Object::Tenant(_) => return None,
        Object::Skill(_) => "skills",
        Object::Prompt(_) => "prompts",
        Object::Application(_) => "applications",
        Object::Switch(_) => "switches",
        Object::Dn(dn) => match dn.kind {
            DnKind::Extension { .. } => "phones",
            DnKind::RoutePoint { .. } => "route_points",
            DnKind::VirtualQueue => "queues",
            DnKind::Echo | DnKind::Announcement { .. } => "services",
        },
        Object::Place(_) => "places",
        Object::Person(_) => "people",
        Object::AgentLogin(_) => "agent_logins",
        Object::Number(_) => "numbers",
        Object::Trunk(_) => "trunks",
        Object::FeatureCode(_) => "feature_codes",
        Object::Schedule(_) => "schedules",
        Object::DialRule(_) => "dial_rules",
        Object::Client(_) => "clients",
        Object::AgentGroup(_) => "agent_groups",
        Object::ActionCode(_) => "action_codes",
        Object::List(_) => "lists",
        Object::BusinessAttribute(_) => "business_attributes",
        Object::PlaceGroup(_) => "place_groups",
        Object::CapacityRule(_) => "capacity_rules",
        Object::DnGroup(_) => "dn_groups",
        Object::TrunkGroup(_) => "trunk_groups",
        Object::CallingList(_) => "calling_lists",
        Object::Campaign(_) => "campaigns",
        Object::CampaignGroup(_) => "campaign_groups",
        Object::IvrProfile(_) => "ivr_profiles",
        Object::StatisticDefinition(_) => "statistic_definitions",
        Object::Transaction(_) => "transactions",
        Object::AccessGroup(_) => "access_groups",
        Object::Role(_) => "roles",
        Object::Folder(_) => "folders",
    })
}

// === fields ===

/// The field of a rule's key: `people.ann.agent.id` and `7101.password` name the object at their beginning, DNs without a section.
fn field(of: &ObjectKey, key: &str) -> String {
    let at_id = match of.kind {
        ObjectKind::Tenant => return renamed(of.kind, key),
        ObjectKind::Dn => Some(key),
        _ => key.split_once('.').map(|(_section, rest)| rest),
    };
    let rest = at_id.and_then(|text| text.strip_prefix(of.id.as_str()));
    renamed(of.kind, rest.map_or(key, |rest| rest.trim_start_matches('.')))
}

/// The field of a document for a key of a file: a few have other names.
fn renamed(kind: ObjectKind, key: &str) -> String {
    match (kind, key) {
        (ObjectKind::Tenant, "tenant") => "id",
        (ObjectKind::Person, "user") => "user_name",
        (ObjectKind::Person, "agent.place") => "agent.default_place",
        (ObjectKind::DialRule, "caller_id") => "shows",
        _ => key,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::{ActionCode, Agent, Person, Secret, Skill, SkillLevel};

    use super::*;

    fn told(objects: &TenantObjects) -> Vec<String> {
        object_faults(objects, |_| true).iter().map(ToString::to_string).collect()
    }

    /// The example of the conformance suite is made for tables: some of its references are no good ones.
    fn example() -> TenantObjects {
        let text = include_str!("../../../../data/example-tenant.yaml");
        crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example")
    }

    #[test]
    fn the_example_breaks_no_rule() {
        assert_eq!(told(&example()), [""; 0]);
    }

    #[test]
    fn rules_name_the_object_and_its_field() {
        let mut objects = example();
        let person = &mut objects.people[0];
        let user = person.user_name.clone();
        person.password = Some(Secret("short".to_owned()));
        let agent = person.agent.as_mut().expect("an agent");
        agent.default_place = Some("nowhere".to_owned());
        agent.skills.push(SkillLevel { skill: "Patience".to_owned(), level: 3 });
        let faults = object_faults(&objects, |_| true);
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert!(faults.iter().all(|fault| fault.key.id == user), "{faults:?}");
        assert_eq!(fields, ["agent.default_place", "agent.skills.Patience", "password"]);
        assert!(told(&objects)[1].ends_with("agent.skills.Patience: there is no skill Patience"));
        let codes: Vec<FaultCode> = faults.iter().map(|fault| fault.rule.code).collect();
        assert_eq!(codes, [FaultCode::Unknown, FaultCode::Unknown, FaultCode::TooShort]);
        assert_eq!(faults[1].rule.values, [("kind", "skill".to_owned()), ("id", "Patience".to_owned())]);
    }

    #[test]
    fn shapes_name_the_object_and_its_field() {
        let mut objects = example();
        objects.people.push(Person {
            user_name: "new".to_owned(),
            first_name: String::new(),
            last_name: "New".to_owned(),
            agent: Some(Agent {
                id: "n1".to_owned(),
                login_code: "n1".to_owned(),
                pin: None,
                default_place: None,
                wrap_up_s: Some(1_000_000),
                legal_guard_s: None,
                no_answer_action: None,
                skills: Vec::new(),
                capacity_rule: None,
            }),
            ..Person::default()
        });
        let said = told(&objects);
        assert_eq!(said[0], "person new agent.wrap_up_s: 1000000 is not from 0 to 3600");
        assert_eq!(said[1], "person new first_name: it is empty");
        let found = object_faults(&objects, |_| true);
        assert_eq!(found[0].rule.values, [("least", "0".to_owned()), ("most", "3600".to_owned())]);
        assert_eq!(
            found.iter().map(|fault| fault.rule.code).collect::<Vec<_>>(),
            [FaultCode::OutOfRange, FaultCode::Needed]
        );
        assert_eq!(object_faults(&objects, |key| key.id != "new"), [], "it has not been changed");
    }

    #[test]
    fn an_id_that_begins_its_section_is_not_taken_for_it() {
        let kinds = ObjectKind::ALL.into_iter().filter(|kind| *kind != ObjectKind::Tenant);
        for kind in kinds {
            let section = format!("{}s", kind.as_str());
            let ids = (1..=section.len()).map(|bytes| section[..bytes].to_owned());
            for id in ids.chain([format!("{section}.x"), "field".to_owned()]) {
                let of = ObjectKey { kind, id };
                let key = if kind == ObjectKind::Dn { of.id.clone() } else { format!("{section}.{}", of.id) };
                assert_eq!(field(&of, &format!("{key}.field")), "field", "{of:?}");
                assert_eq!(field(&of, &key), "", "{of:?}");
            }
        }
        let mut objects = example();
        let code = |code: &str, name: &str| ActionCode {
            code: code.to_owned(),
            name: name.to_owned(),
            ..ActionCode::default()
        };
        objects.action_codes.extend([code("first", "twice"), code("a", "twice")]);
        let faults = object_faults(&objects, |_| true);
        let told: Vec<_> = faults.iter().map(|fault| (fault.key.id.as_str(), fault.field.as_str())).collect();
        assert_eq!(told, [("a", "name")]);
    }

    #[test]
    fn a_name_in_another_case_is_taken() {
        let mut objects = example();
        let name = objects.skills[0].name.to_uppercase();
        objects.skills.push(Skill { name: name.clone() });
        let faults = object_faults(&objects, |_| true);
        let told = faults.iter().map(|fault| (fault.key.id.as_str(), fault.rule.code)).collect::<Vec<_>>();
        assert_eq!(told, [(name.as_str(), FaultCode::NameTaken)]);
        assert!(faults[0].rule.words.contains("case alone"), "{faults:?}");
    }
}
