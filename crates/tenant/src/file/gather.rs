//! All objects of a tenant from single ones, and single ones from all. None is looked for or copied: that costs what there is, once.

use contracts::provisioning::{Object, Tenant, TenantObjects};

/// The objects of a tenant, each kind in the order in which they come. No two may have the same key.
pub(crate) fn gathered(tenant: Tenant, objects: impl IntoIterator<Item = Object>) -> TenantObjects {
    let mut all = TenantObjects::new(tenant);
    objects.into_iter().for_each(|object| push(&mut all, object));
    all
}

/// Adds an object without a search for one of its key: a large tenant would take long.
pub(crate) fn push(all: &mut TenantObjects, object: Object) {
    match object {
        Object::Tenant(o) => all.tenant = *o,
        Object::Skill(o) => all.skills.push(o),
        Object::Prompt(o) => all.prompts.push(o),
        Object::Application(o) => all.applications.push(o),
        Object::Switch(o) => all.switches.push(o),
        Object::Dn(o) => all.dns.push(o),
        Object::Place(o) => all.places.push(*o),
        Object::Person(o) => all.people.push(*o),
        Object::AgentLogin(o) => all.agent_logins.push(o),
        Object::Number(o) => all.numbers.push(o),
        Object::Trunk(o) => all.trunks.push(*o),
        Object::FeatureCode(o) => all.feature_codes.push(o),
        Object::Schedule(o) => all.schedules.push(o),
        Object::DialRule(o) => all.dial_rules.push(o),
        Object::Client(o) => all.clients.push(o),
        Object::AgentGroup(o) => all.agent_groups.push(*o),
        Object::ActionCode(o) => all.action_codes.push(o),
        Object::List(o) => all.lists.push(*o),
        Object::BusinessAttribute(o) => all.business_attributes.push(o),
        Object::PlaceGroup(o) => all.place_groups.push(o),
        Object::CapacityRule(o) => all.capacity_rules.push(o),
        Object::DnGroup(o) => all.dn_groups.push(o),
        Object::TrunkGroup(o) => all.trunk_groups.push(o),
        Object::CallingList(o) => all.calling_lists.push(*o),
        Object::Campaign(o) => all.campaigns.push(o),
        Object::CampaignGroup(o) => all.campaign_groups.push(*o),
        Object::IvrProfile(o) => all.ivr_profiles.push(*o),
        Object::StatisticDefinition(o) => all.statistic_definitions.push(*o),
        Object::Transaction(o) => all.transactions.push(*o),
        Object::AccessGroup(o) => all.access_groups.push(*o),
        Object::Role(o) => all.roles.push(*o),
        Object::Folder(o) => all.folders.push(*o),
    }
}

/// Every object, in the order of [`contracts::provisioning::ObjectKind::ALL`]; what objects have besides the fields of their kinds is left out.
pub(crate) fn into_single(all: TenantObjects) -> impl Iterator<Item = Object> {
    std::iter::once(Object::Tenant(Box::new(all.tenant)))
        .chain(all.skills.into_iter().map(Object::Skill))
        .chain(all.prompts.into_iter().map(Object::Prompt))
        .chain(all.applications.into_iter().map(Object::Application))
        .chain(all.capacity_rules.into_iter().map(Object::CapacityRule))
        .chain(all.switches.into_iter().map(Object::Switch))
        .chain(all.dns.into_iter().map(Object::Dn))
        .chain(all.places.into_iter().map(Box::new).map(Object::Place))
        .chain(all.people.into_iter().map(Box::new).map(Object::Person))
        .chain(all.agent_logins.into_iter().map(Object::AgentLogin))
        .chain(all.numbers.into_iter().map(Object::Number))
        .chain(all.trunks.into_iter().map(Box::new).map(Object::Trunk))
        .chain(all.feature_codes.into_iter().map(Object::FeatureCode))
        .chain(all.schedules.into_iter().map(Object::Schedule))
        .chain(all.dial_rules.into_iter().map(Object::DialRule))
        .chain(all.clients.into_iter().map(Object::Client))
        .chain(all.agent_groups.into_iter().map(Box::new).map(Object::AgentGroup))
        .chain(all.action_codes.into_iter().map(Object::ActionCode))
        .chain(all.lists.into_iter().map(Box::new).map(Object::List))
        .chain(all.business_attributes.into_iter().map(Object::BusinessAttribute))
        .chain(all.place_groups.into_iter().map(Object::PlaceGroup))
        .chain(all.dn_groups.into_iter().map(Object::DnGroup))
        .chain(all.trunk_groups.into_iter().map(Object::TrunkGroup))
        .chain(all.calling_lists.into_iter().map(Box::new).map(Object::CallingList))
        .chain(all.campaigns.into_iter().map(Object::Campaign))
        .chain(all.campaign_groups.into_iter().map(Box::new).map(Object::CampaignGroup))
        .chain(all.ivr_profiles.into_iter().map(Box::new).map(Object::IvrProfile))
        .chain(all.statistic_definitions.into_iter().map(Box::new).map(Object::StatisticDefinition))
        .chain(all.transactions.into_iter().map(Box::new).map(Object::Transaction))
        .chain(all.access_groups.into_iter().map(Box::new).map(Object::AccessGroup))
        .chain(all.roles.into_iter().map(Box::new).map(Object::Role))
        .chain(all.folders.into_iter().map(Box::new).map(Object::Folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_apart_is_put_together_again() {
        let text = include_str!("../../../../data/example-tenant.yaml");
        let whole = crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example");
        let single: Vec<Object> = into_single(whole.clone()).collect();
        assert!(single.iter().eq(whole.objects().collect::<Vec<_>>().iter()));
        let mut together = gathered(whole.tenant.clone(), single);
        together.annexes = whole.annexes.clone();
        assert_eq!(together, whole);
    }
}
