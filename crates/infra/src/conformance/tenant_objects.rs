//! A tenant's objects that are changed one by one in memory, as a database would change them.

use contracts::provisioning::{Object, ObjectKey, ObjectKind, TenantObjects};

/// Adds an object or replaces the one of its key.
pub fn put(objects: &mut TenantObjects, object: Object) {
    fn set<T>(list: &mut Vec<T>, object: T, same: impl Fn(&T, &T) -> bool) {
        match list.iter_mut().find(|o| same(o, &object)) {
            Some(at) => *at = object,
            None => list.push(object),
        }
    }
    match object {
        Object::Tenant(o) => objects.tenant = *o,
        Object::Skill(o) => set(&mut objects.skills, o, |a, b| a.name == b.name),
        Object::Prompt(o) => set(&mut objects.prompts, o, |a, b| a.name == b.name),
        Object::Application(o) => set(&mut objects.applications, o, |a, b| a.name == b.name),
        Object::Switch(o) => set(&mut objects.switches, o, |a, b| a.name == b.name),
        Object::Dn(o) => set(&mut objects.dns, o, |a, b| a.number == b.number),
        Object::Place(o) => set(&mut objects.places, *o, |a, b| a.name == b.name),
        Object::Person(o) => set(&mut objects.people, *o, |a, b| a.user_name == b.user_name),
        Object::AgentLogin(o) => set(&mut objects.agent_logins, o, |a, b| a.code == b.code),
        Object::Number(o) => set(&mut objects.numbers, o, |a, b| a.number == b.number),
        Object::Trunk(o) => set(&mut objects.trunks, *o, |a, b| a.name == b.name),
        Object::FeatureCode(o) => set(&mut objects.feature_codes, o, |a, b| a.code == b.code),
        Object::Schedule(o) => set(&mut objects.schedules, o, |a, b| a.name == b.name),
        Object::DialRule(o) => {
            set(&mut objects.dial_rules, o, |a, b| a.name == b.name);
            objects.dial_rules.sort_by_key(|rule| rule.place);
        }
        Object::Client(o) => set(&mut objects.clients, o, |a, b| a.id == b.id),
        Object::AgentGroup(o) => set(&mut objects.agent_groups, *o, |a, b| a.name == b.name),
        Object::ActionCode(o) => set(&mut objects.action_codes, o, |a, b| a.code == b.code),
        Object::List(o) => set(&mut objects.lists, *o, |a, b| a.name == b.name),
        Object::BusinessAttribute(o) => set(&mut objects.business_attributes, o, |a, b| a.name == b.name),
        Object::PlaceGroup(o) => set(&mut objects.place_groups, o, |a, b| a.name == b.name),
        Object::CapacityRule(o) => set(&mut objects.capacity_rules, o, |a, b| a.name == b.name),
        Object::DnGroup(o) => set(&mut objects.dn_groups, o, |a, b| a.name == b.name),
        Object::TrunkGroup(o) => set(&mut objects.trunk_groups, o, |a, b| a.name == b.name),
        Object::CallingList(o) => set(&mut objects.calling_lists, *o, |a, b| a.name == b.name),
        Object::Campaign(o) => set(&mut objects.campaigns, o, |a, b| a.name == b.name),
        Object::CampaignGroup(o) => set(&mut objects.campaign_groups, *o, |a, b| a.name == b.name),
        Object::IvrProfile(o) => set(&mut objects.ivr_profiles, *o, |a, b| a.name == b.name),
        Object::StatisticDefinition(o) => set(&mut objects.statistic_definitions, *o, |a, b| a.name == b.name),
        Object::Transaction(o) => set(&mut objects.transactions, *o, |a, b| a.name == b.name),
        Object::AccessGroup(o) => set(&mut objects.access_groups, *o, |a, b| a.name == b.name),
        Object::Role(o) => set(&mut objects.roles, *o, |a, b| a.name == b.name),
        Object::Folder(o) => set(&mut objects.folders, *o, |a, b| a.path == b.path),
    }
}

/// Removes an object with its annex; the tenant itself stays.
pub fn remove(objects: &mut TenantObjects, key: &ObjectKey) {
    if key.kind != ObjectKind::Tenant {
        objects.annexes.remove(key);
    }
    match key.kind {
        ObjectKind::Tenant => {}
        ObjectKind::Skill => objects.skills.retain(|o| o.name != key.id),
        ObjectKind::Prompt => objects.prompts.retain(|o| o.name != key.id),
        ObjectKind::Application => objects.applications.retain(|o| o.name != key.id),
        ObjectKind::Switch => objects.switches.retain(|o| o.name != key.id),
        ObjectKind::Dn => objects.dns.retain(|o| o.number != key.id),
        ObjectKind::Place => objects.places.retain(|o| o.name != key.id),
        ObjectKind::Person => objects.people.retain(|o| o.user_name != key.id),
        ObjectKind::AgentLogin => objects.agent_logins.retain(|o| o.code != key.id),
        ObjectKind::Number => objects.numbers.retain(|o| o.number != key.id),
        ObjectKind::Trunk => objects.trunks.retain(|o| o.name != key.id),
        ObjectKind::FeatureCode => objects.feature_codes.retain(|o| o.code != key.id),
        ObjectKind::Schedule => objects.schedules.retain(|o| o.name != key.id),
        ObjectKind::DialRule => objects.dial_rules.retain(|o| o.name != key.id),
        ObjectKind::Client => objects.clients.retain(|o| o.id != key.id),
        ObjectKind::AgentGroup => objects.agent_groups.retain(|o| o.name != key.id),
        ObjectKind::ActionCode => objects.action_codes.retain(|o| o.code != key.id),
        ObjectKind::List => objects.lists.retain(|o| o.name != key.id),
        ObjectKind::BusinessAttribute => objects.business_attributes.retain(|o| o.name != key.id),
        ObjectKind::PlaceGroup => objects.place_groups.retain(|o| o.name != key.id),
        ObjectKind::CapacityRule => objects.capacity_rules.retain(|o| o.name != key.id),
        ObjectKind::DnGroup => objects.dn_groups.retain(|o| o.name != key.id),
        ObjectKind::TrunkGroup => objects.trunk_groups.retain(|o| o.name != key.id),
        ObjectKind::CallingList => objects.calling_lists.retain(|o| o.name != key.id),
        ObjectKind::Campaign => objects.campaigns.retain(|o| o.name != key.id),
        ObjectKind::CampaignGroup => objects.campaign_groups.retain(|o| o.name != key.id),
        ObjectKind::IvrProfile => objects.ivr_profiles.retain(|o| o.name != key.id),
        ObjectKind::StatisticDefinition => objects.statistic_definitions.retain(|o| o.name != key.id),
        ObjectKind::Transaction => objects.transactions.retain(|o| o.name != key.id),
        ObjectKind::AccessGroup => objects.access_groups.retain(|o| o.name != key.id),
        ObjectKind::Role => objects.roles.retain(|o| o.name != key.id),
        ObjectKind::Folder => objects.folders.retain(|o| o.path != key.id),
    }
}
