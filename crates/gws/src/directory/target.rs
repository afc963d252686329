//! A target: what can be called, or given a call.

use std::collections::HashMap;

use infra::{TargetDocument, folded, spellings};
use serde_json::{Map, Value, json};

use super::text;
use crate::object_number;

/// The types of targets that there are here, by their published names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TargetType {
    /// A person who takes calls.
    Agent,
    /// A group of agents.
    AgentGroup,
    /// A queue in which calls are counted.
    AcdQueue,
    /// A DN at which an application decides.
    RoutePoint,
    /// A skill.
    Skill,
}

impl TargetType {
    const ALL: [Self; 5] = [Self::Agent, Self::AgentGroup, Self::AcdQueue, Self::RoutePoint, Self::Skill];

    /// Its published name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::AgentGroup => "agent-group",
            Self::AcdQueue => "acd-queue",
            Self::RoutePoint => "route-point",
            Self::Skill => "skill",
        }
    }

    /// The type of that name. Some clients write it in capitals, with lines below.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase().replace('_', "-");
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// The kind of object whose number it has.
    const fn kind(self) -> &'static str {
        match self {
            Self::Agent => "person",
            Self::AgentGroup => "agent_group",
            Self::AcdQueue | Self::RoutePoint => "dn",
            Self::Skill => "skill",
        }
    }
}

/// What of a person the directory has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TargetPerson {
    first_name: String,
    last_name: String,
    /// The id of the person as an agent.
    agent: String,
    email: Option<String>,
    place: Option<String>,
    /// Skills with their levels.
    skills: Vec<(String, i64)>,
}

/// A target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DirectoryTarget {
    /// Its type.
    pub target_type: TargetType,
    /// What the object is found by: the user name, the name, or the number of a DN.
    key: String,
    /// What people call it.
    label: String,
    /// What is dialled to reach it.
    dialled: Option<String>,
    switch: Option<String>,
    person: Option<TargetPerson>,
    /// What of it is searched and by what it is sorted: each letter that somebody types is compared with it.
    lowered: LoweredTarget,
}

/// A target as it is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct LoweredTarget {
    /// The fields that may be searched, by their published names, in each of their spellings.
    fields: Vec<(&'static str, String)>,
    /// The last name first, for people; folded.
    sorted: String,
    /// In lower case.
    key: String,
}

impl DirectoryTarget {
    /// A person who is an agent and may sign in.
    pub fn of_person(person: &Value, phones: &HashMap<String, String>) -> Option<Self> {
        let agent = text(person, "/agent/id")?.to_owned();
        if person.get("disabled").and_then(Value::as_bool).unwrap_or_default() {
            return None;
        }
        let key = text(person, "/user_name")?.to_owned();
        let (first_name, last_name) =
            (text(person, "/first_name").unwrap_or_default(), text(person, "/last_name").unwrap_or_default());
        let label = format!("{first_name} {last_name}").trim().to_owned();
        let place = text(person, "/agent/default_place").map(str::to_owned);
        let skill = |skill: &Value| Some((skill.get("skill")?.as_str()?.to_owned(), skill.get("level")?.as_i64()?));
        let skills = person.pointer("/agent/skills").and_then(Value::as_array).into_iter().flatten();
        let target = Self {
            target_type: TargetType::Agent,
            lowered: LoweredTarget::default(),
            label: if label.is_empty() { key.clone() } else { label },
            key,
            dialled: place.as_ref().and_then(|place| phones.get(&place.to_lowercase())).cloned(),
            switch: None,
            person: Some(TargetPerson {
                first_name: first_name.to_owned(),
                last_name: last_name.to_owned(),
                agent,
                email: text(person, "/email").map(str::to_owned),
                place,
                skills: skills.filter_map(skill).collect(),
            }),
        };
        Some(target.lowered())
    }

    /// An object with a name alone.
    pub fn named(target_type: TargetType, document: &Value) -> Option<Self> {
        let key = text(document, "/name")?.to_owned();
        let label = key.clone();
        let lowered = LoweredTarget::default();
        Some(Self { target_type, label, key, dialled: None, switch: None, person: None, lowered }.lowered())
    }

    /// A queue or a route point. What the outside calls the number that leads there names it.
    pub fn of_dn(dn: &Value, names: &HashMap<&str, &str>, default_switch: &str) -> Option<Self> {
        let target_type = match text(dn, "/type")? {
            "virtual_queue" => TargetType::AcdQueue,
            "route_point" => TargetType::RoutePoint,
            _ => return None,
        };
        let key = text(dn, "/number")?.to_owned();
        let target = Self {
            target_type,
            lowered: LoweredTarget::default(),
            label: names.get(key.as_str()).map_or_else(|| key.clone(), |name| (*name).to_owned()),
            dialled: Some(key.clone()),
            key,
            switch: Some(text(dn, "/switch").unwrap_or(default_switch).to_owned()),
            person: None,
        };
        Some(target.lowered())
    }

    /// With what is compared.
    fn lowered(mut self) -> Self {
        let spelt = |(name, value): (&'static str, &str)| {
            spellings(value).into_iter().map(move |text| (name, text)).collect::<Vec<_>>()
        };
        let fields = self.fields().into_iter().flat_map(spelt).collect();
        let sorted = match &self.person {
            Some(person) => folded(&format!("{} {}", person.last_name, person.first_name)),
            None => folded(&self.label),
        };
        self.lowered = LoweredTarget { fields, sorted, key: self.key.to_lowercase() };
        self
    }

    /// The number of the object (`DBID`).
    pub fn number(&self) -> u64 {
        object_number::of(self.target_type.kind(), &self.key)
    }

    /// Whether the object is called so, without regard to case: agents by their ids, too.
    pub fn is_called(&self, name: &str) -> bool {
        let is_agent = self.person.as_ref().is_some_and(|person| person.agent == name);
        is_agent || self.lowered.key == name.to_lowercase()
    }

    /// What the object is found by, in lower case.
    pub fn lowered_key(&self) -> &str {
        &self.lowered.key
    }

    /// The level of a skill; 0 without it.
    pub fn level(&self, skill: &str) -> i64 {
        let mut skills = self.person.iter().flat_map(|person| &person.skills);
        skills.find(|(name, _)| name == skill).map_or(0, |(_, level)| *level)
    }

    /// Its fields that may be searched, by their published names.
    fn fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields = vec![("name", self.label.as_str())];
        match &self.person {
            Some(person) => {
                fields.extend([
                    ("firstName", person.first_name.as_str()),
                    ("lastName", person.last_name.as_str()),
                    ("userName", self.key.as_str()),
                    ("employeeId", person.agent.as_str()),
                ]);
                fields.extend(person.email.as_deref().map(|email| ("emailAddress", email)));
            }
            None => fields.push(("name", self.key.as_str())),
        }
        fields.extend(self.dialled.as_deref().map(|number| ("number", number)));
        fields
    }

    /// The same as it is compared.
    pub fn searched(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.lowered.fields.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// By what it is sorted: the last name first, for people.
    pub fn sorted_by(&self) -> (&str, &str, TargetType) {
        (&self.lowered.sorted, &self.lowered.key, self.target_type)
    }

    /// In the form in which it is searched elsewhere, as a member of these groups.
    pub fn document(&self, groups: Vec<String>) -> TargetDocument {
        TargetDocument {
            key: format!("{}/{}", self.target_type.as_str(), self.lowered.key),
            target_type: self.target_type.as_str().to_owned(),
            fields: self.fields().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            groups,
            sorted_by: self.lowered.sorted.clone(),
            shown: self.shown().to_string(),
        }
    }

    /// The published `target`, without what changes from moment to moment.
    pub fn shown(&self) -> Value {
        let mut shown = Map::from_iter([
            ("DBID".to_owned(), json!(self.number())),
            ("type".to_owned(), json!(self.target_type.as_str())),
            ("name".to_owned(), json!(self.label)),
        ]);
        if let Some(person) = &self.person {
            for (field, value) in [
                ("firstName", &person.first_name),
                ("lastName", &person.last_name),
                ("userName", &self.key),
                ("employeeId", &person.agent),
            ] {
                shown.insert(field.to_owned(), json!(value));
            }
        }
        for (field, value) in [("number", &self.dialled), ("switchName", &self.switch)] {
            shown.extend(value.as_ref().map(|value| (field.to_owned(), json!(value))));
        }
        Value::Object(shown)
    }

    /// An agent among the `users` of a supervisor.
    pub fn shown_as_user(&self) -> Value {
        let mut shown = Map::from_iter([
            ("dbid".to_owned(), json!(self.number())),
            ("DBID".to_owned(), json!(self.number())),
            ("userName".to_owned(), json!(self.key)),
        ]);
        if let Some(person) = &self.person {
            for (field, value) in [
                ("firstName", &person.first_name),
                ("lastName", &person.last_name),
                ("employeeId", &person.agent),
                ("agentLogin", &person.agent),
            ] {
                shown.insert(field.to_owned(), json!(value));
            }
            shown.extend(person.place.as_ref().map(|place| ("defaultPlace".to_owned(), json!(place))));
        }
        shown.extend(self.dialled.as_ref().map(|number| ("number".to_owned(), json!(number))));
        Value::Object(shown)
    }
}
