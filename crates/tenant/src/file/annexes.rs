//! What entries of any kind may have besides the keys of their kind: reading and writing.

use std::collections::BTreeMap;

use contracts::provisioning::{ObjectAnnex, ObjectKey, ObjectKind, TenantObjects};

use super::permissions::{own_permissions, own_permissions_key};
use super::scalar::{optional, text as scalar};
use super::tree::{Entry, Node, list, short, text};

/// The sections of a file whose entries are a list: the kind of their objects, and the key of their ids.
const LISTS: [(&str, ObjectKind, &str); 31] = [
    ("skills", ObjectKind::Skill, "name"),
    ("switches", ObjectKind::Switch, "name"),
    ("phones", ObjectKind::Dn, "number"),
    ("route_points", ObjectKind::Dn, "number"),
    ("services", ObjectKind::Dn, "number"),
    ("queues", ObjectKind::Dn, "name"),
    ("places", ObjectKind::Place, "name"),
    ("people", ObjectKind::Person, "user"),
    ("agent_logins", ObjectKind::AgentLogin, "code"),
    ("numbers", ObjectKind::Number, "number"),
    ("trunks", ObjectKind::Trunk, "name"),
    ("feature_codes", ObjectKind::FeatureCode, "code"),
    ("schedules", ObjectKind::Schedule, "name"),
    ("dial_rules", ObjectKind::DialRule, "name"),
    ("clients", ObjectKind::Client, "id"),
    ("agent_groups", ObjectKind::AgentGroup, "name"),
    ("action_codes", ObjectKind::ActionCode, "code"),
    ("lists", ObjectKind::List, "name"),
    ("business_attributes", ObjectKind::BusinessAttribute, "name"),
    ("place_groups", ObjectKind::PlaceGroup, "name"),
    ("dn_groups", ObjectKind::DnGroup, "name"),
    ("trunk_groups", ObjectKind::TrunkGroup, "name"),
    ("calling_lists", ObjectKind::CallingList, "name"),
    ("campaigns", ObjectKind::Campaign, "name"),
    ("campaign_groups", ObjectKind::CampaignGroup, "name"),
    ("ivr_profiles", ObjectKind::IvrProfile, "name"),
    ("statistic_definitions", ObjectKind::StatisticDefinition, "name"),
    ("capacity_rules", ObjectKind::CapacityRule, "name"),
    ("transactions", ObjectKind::Transaction, "name"),
    ("access_groups", ObjectKind::AccessGroup, "name"),
    ("roles", ObjectKind::Role, "name"),
];
/// Those of folders, which are in no other folder than their path says.
const FOLDERS: (&str, ObjectKind, &str) = ("folders", ObjectKind::Folder, "path");
/// The sections whose entries stand by their ids.
const MAPS: [(&str, ObjectKind); 2] = [("prompts", ObjectKind::Prompt), ("applications", ObjectKind::Application)];

// === reading ===

/// Adds the annexes of a file to the objects that were read from it.
pub(super) fn read(root: &Node, objects: &mut TenantObjects) {
    objects.put_annex(ObjectKey { kind: ObjectKind::Tenant, id: String::new() }, annex(root));
    for (section, kind, key) in LISTS.into_iter().chain([FOLDERS]) {
        for item in list(root, section) {
            if let Some(id) = short(item, key) {
                put(objects, kind, id, item);
            }
        }
    }
    for (section, kind) in MAPS {
        for Entry { key, node, .. } in root.get(section).map(Node::entries).unwrap_or_default() {
            put(objects, kind, key, node);
        }
    }
}

fn put(objects: &mut TenantObjects, kind: ObjectKind, id: &str, item: &Node) {
    let annex = annex(item);
    if !annex.is_empty() {
        objects.put_annex(ObjectKey { kind, id: id.to_owned() }, annex);
    }
}

fn annex(item: &Node) -> ObjectAnnex {
    let sections = item.get("user_properties").map(Node::entries).unwrap_or_default();
    let section = |section: &Entry| {
        let values = section.node.entries().iter();
        let value = |entry: &Entry| Some((entry.key.clone(), entry.node.text()?.to_owned()));
        let values: BTreeMap<String, String> = values.filter_map(value).collect();
        (!values.is_empty()).then(|| (section.key.clone(), values))
    };
    ObjectAnnex {
        folder: text(item, "folder"),
        user_properties: sections.iter().filter_map(section).collect(),
        own_permissions: own_permissions(item),
    }
}

/// The section of a kind, as faults name it.
pub(super) fn section_of(kind: ObjectKind) -> &'static str {
    let lists = LISTS.into_iter().chain([FOLDERS]).map(|(section, kind, _)| (section, kind));
    lists.chain(MAPS).find(|(_, known)| *known == kind).map_or("", |(section, _)| section)
}

// === writing ===

/// The keys of an object's annex behind others, as `, folder: Berlin`; nothing if it has none.
pub(super) fn keys(objects: &TenantObjects, kind: ObjectKind, id: &str) -> String {
    // Most tenants have none: no key is made for each object.
    if objects.annexes.is_empty() {
        return String::new();
    }
    let Some(annex) = objects.annexes.get(&ObjectKey { kind, id: id.to_owned() }) else { return String::new() };
    let properties = match annex.user_properties.is_empty() {
        true => String::new(),
        false => format!(", user_properties: {}", properties(annex)),
    };
    optional("folder", annex.folder.as_deref()) + &properties + &own_permissions_key(&annex.own_permissions)
}

/// The own properties of an object as a record.
pub(super) fn properties(annex: &ObjectAnnex) -> String {
    let section = |(name, values): (&String, &BTreeMap<String, String>)| {
        let values: Vec<_> = values.iter().map(|(key, value)| format!("{}: {}", scalar(key), scalar(value))).collect();
        format!("{}: {{{}}}", scalar(name), values.join(", "))
    };
    format!("{{{}}}", annex.user_properties.iter().map(section).collect::<Vec<_>>().join(", "))
}

/// The line of an object's record with its annex.
pub(super) fn onto(objects: &TenantObjects, kind: ObjectKind, id: &str, mut line: String) -> String {
    let keys = keys(objects, kind, id);
    if !keys.is_empty() && line.pop().is_some() {
        line.push_str(&keys);
        line.push('}');
    }
    line
}

/// The entry of an object that is one value, or a record where there is `more` of it, as `, switch: Paris`, or it has an annex.
pub(super) fn short_entry(
    objects: &TenantObjects,
    kind: ObjectKind,
    id: &str,
    (key, value): (&str, &str),
    more: &str,
) -> String {
    match keys(objects, kind, id) {
        keys if keys.is_empty() && more.is_empty() => scalar(value),
        keys => format!("{{{key}: {}{more}{keys}}}", scalar(value)),
    }
}

#[cfg(test)]
mod tests;
