//! The directory of a tenant: whom and what a call can be given to, as desktops search it. It is read whole at tenant: by
//! gws-data-collector, which keeps it where it is searched, and by gws-configuration, which answers where that is away.
//!
//! Everybody finds everything in it, as with the published product: folder rights are about changes of objects, and colleagues are no
//! secret.

mod group;
mod search;
mod target;

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use infra::{TargetDocument, TargetSearch};
use model::TenantId;
use net::http::Problem;
use serde_json::{Value, json};

use crate::tenant_reader::TenantReader;
use group::DirectoryGroup;
use target::DirectoryTarget;

pub(crate) use search::{DirectoryQuery, UserQuery, UserSearch};
pub(crate) use target::TargetType;

/// What of people is read.
const PERSON_FIELDS: [&str; 8] =
    ["user_name", "first_name", "last_name", "email", "disabled", "agent.id", "agent.default_place", "agent.skills"];
/// The other kinds, and what of them is read.
const OTHER_KINDS: [&str; 6] = ["agent_group", "dn", "number", "place", "skill", "switch"];
const OTHER_FIELDS: [&str; 10] =
    ["name", "agents", "expression", "managers", "number", "type", "switch", "dns", "dn", "default"];

/// All targets of a tenant, and its groups of agents.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    targets: Vec<DirectoryTarget>,
    groups: Vec<DirectoryGroup>,
}

/// What a search has found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FoundEntries {
    /// As the published API has them, without their availability.
    pub targets: Vec<Value>,
    /// How many there are, those included that are not among `targets`.
    pub total: usize,
}

impl Directory {
    /// Reads the tenant's.
    pub async fn read(reader: &TenantReader, tenant: &TenantId) -> Result<Self, Problem> {
        let people = reader.list(tenant, &["person"], &PERSON_FIELDS).await?;
        let others = reader.list(tenant, &OTHER_KINDS, &OTHER_FIELDS).await?;
        Ok(Self::of_documents(tenant, people.iter().chain(&others)))
    }

    /// The directory of objects, each with the name of its kind.
    pub(crate) fn of_documents<'a>(
        tenant: &TenantId,
        objects: impl Iterator<Item = &'a (String, Value)> + Clone,
    ) -> Self {
        let of_kind = |wanted: &'static str| {
            objects.clone().filter(move |(kind, _)| kind == wanted).map(|(_, document)| document)
        };
        let places = PhonesOfPlaces::of_documents(of_kind("place"), of_kind("dn"));
        let names: HashMap<&str, &str> =
            of_kind("number").filter_map(|number| Some((text(number, "/dn")?, text(number, "/name")?))).collect();
        let is_default = |switch: &&Value| switch.get("default").and_then(Value::as_bool).unwrap_or_default();
        let default_switch = of_kind("switch").find(is_default).and_then(|switch| text(switch, "/name"));
        let default_switch = default_switch.unwrap_or(tenant.as_str());
        let mut targets: Vec<DirectoryTarget> = Vec::new();
        targets.extend(of_kind("person").filter_map(|person| DirectoryTarget::of_person(person, &places.0)));
        targets
            .extend(of_kind("agent_group").filter_map(|group| DirectoryTarget::named(TargetType::AgentGroup, group)));
        targets.extend(of_kind("skill").filter_map(|skill| DirectoryTarget::named(TargetType::Skill, skill)));
        targets.extend(of_kind("dn").filter_map(|dn| DirectoryTarget::of_dn(dn, &names, default_switch)));
        let groups = of_kind("agent_group").filter_map(DirectoryGroup::of_document).collect();
        Self { targets, groups }
    }

    /// The targets that fit a search, as many as it wants.
    pub fn search(&self, asked: &TargetSearch) -> FoundEntries {
        let among = search::counted_groups(asked, &self.groups);
        let fitting = self.targets.iter().filter_map(|target| Some((search::rank(asked, target)?, target)));
        let mut found: Vec<(u8, &DirectoryTarget)> = fitting.filter(|(_, target)| among.admit(target)).collect();
        found.sort_by_key(|(rank, target)| (Reverse(*rank), target.sorted_by()));
        if asked.is_descending {
            found.reverse();
        }
        let total = found.len();
        let told = found.into_iter().take(asked.limit).map(|(_, target)| target.shown());
        FoundEntries { targets: told.collect(), total }
    }

    /// How many targets there are.
    pub fn count(&self) -> usize {
        self.targets.len()
    }

    /// Its targets from one of them on, as many, in the form in which they are searched elsewhere.
    pub fn documents(&self, from: usize, count: usize) -> Vec<TargetDocument> {
        let some = self.targets.iter().skip(from).take(count);
        some.map(|target| target.document(self.groups_of(target))).collect()
    }

    /// What the groups that a target is in are meant by.
    fn groups_of(&self, target: &DirectoryTarget) -> Vec<String> {
        if target.target_type != TargetType::Agent {
            return Vec::new();
        }
        self.groups.iter().filter(|group| group.has(target)).flat_map(DirectoryGroup::meant_by).collect()
    }

    /// The targets of a type that are called so, or else those with that number, which a few may share.
    pub fn targets(&self, target_type: TargetType, id: &str) -> FoundEntries {
        let mut targets = self.those(target_type, |target| target.is_called(id));
        if targets.is_empty() {
            targets = self.those(target_type, |target| target.number().to_string() == id);
        }
        FoundEntries { total: targets.len(), targets }
    }

    fn those(&self, target_type: TargetType, is_meant: impl Fn(&DirectoryTarget) -> bool) -> Vec<Value> {
        let of_type = self.targets.iter().filter(|target| target.target_type == target_type);
        of_type.filter(|target| is_meant(target)).map(DirectoryTarget::shown).collect()
    }

    /// The agents whom somebody looks after: those of the groups that the person manages, or all where the person manages none.
    pub fn users(&self, asked: &UserSearch) -> FoundEntries {
        let groups = asked.groups(&self.groups);
        let fits = |target: &&DirectoryTarget| groups.admit(target) && asked.fits(target);
        let mut found: Vec<&DirectoryTarget> = self.targets.iter().filter(fits).collect();
        found.sort_by_cached_key(|target| target.sorted_by());
        if asked.is_descending() {
            found.reverse();
        }
        let total = found.len();
        let page = found.into_iter().skip(asked.offset).take(asked.limit());
        FoundEntries { targets: page.map(DirectoryTarget::shown_as_user).collect(), total }
    }
}

impl FoundEntries {
    /// As it is answered under a name.
    pub fn answer(&self, name: &str) -> Value {
        json!({name: self.targets, "totalMatches": self.total})
    }
}

/// The phone of each place: its first extension.
struct PhonesOfPlaces(HashMap<String, String>);

impl PhonesOfPlaces {
    fn of_documents<'a>(places: impl Iterator<Item = &'a Value>, dns: impl Iterator<Item = &'a Value>) -> Self {
        let is_extension = |dn: &&Value| text(dn, "/type") == Some("extension");
        let phones: HashSet<&str> = dns.filter(is_extension).filter_map(|dn| text(dn, "/number")).collect();
        let phone = |place: &Value| {
            let mut own = place.get("dns").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let phone = own.find(|number| phones.contains(number))?;
            Some((text(place, "/name")?.to_lowercase(), phone.to_owned()))
        };
        Self(places.filter_map(phone).collect())
    }
}

fn text<'a>(document: &'a Value, pointer: &str) -> Option<&'a str> {
    document.pointer(pointer).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
