//! All objects of a tenant together.

use std::collections::BTreeMap;

use super::*;

/// All objects of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantObjects {
    /// The tenant itself.
    pub tenant: Tenant,
    /// Skills.
    pub skills: Vec<Skill>,
    /// Prompts.
    pub prompts: Vec<Prompt>,
    /// Applications.
    pub applications: Vec<Application>,
    /// Parts of the DNs.
    pub switches: Vec<Switch>,
    /// DNs.
    pub dns: Vec<Dn>,
    /// Places.
    pub places: Vec<Place>,
    /// People.
    pub people: Vec<Person>,
    /// Further codes with which people log in as agents.
    pub agent_logins: Vec<AgentLogin>,
    /// Numbers.
    pub numbers: Vec<Number>,
    /// Trunks.
    pub trunks: Vec<Trunk>,
    /// Feature codes.
    pub feature_codes: Vec<FeatureCode>,
    /// Schedules.
    pub schedules: Vec<Schedule>,
    /// Rules about dialled numbers, in the order in which they apply.
    pub dial_rules: Vec<DialRule>,
    /// Programs that get tokens.
    pub clients: Vec<OAuthClient>,
    /// Groups of agents.
    pub agent_groups: Vec<AgentGroup>,
    /// Reasons for which agents are not ready.
    pub action_codes: Vec<ActionCode>,
    /// Lists in which programs look values up.
    pub lists: Vec<LookupList>,
    /// Business attributes.
    pub business_attributes: Vec<BusinessAttribute>,
    /// Groups of places.
    pub place_groups: Vec<PlaceGroup>,
    /// Capacity rules.
    pub capacity_rules: Vec<CapacityRule>,
    /// Groups of DNs.
    pub dn_groups: Vec<DnGroup>,
    /// Groups of trunks.
    pub trunk_groups: Vec<TrunkGroup>,
    /// Calling lists.
    pub calling_lists: Vec<CallingList>,
    /// Campaigns.
    pub campaigns: Vec<Campaign>,
    /// Campaigns with their agents.
    pub campaign_groups: Vec<CampaignGroup>,
    /// Profiles of services that talk with callers by themselves.
    pub ivr_profiles: Vec<IvrProfile>,
    /// Statistics that the tenant defines.
    pub statistic_definitions: Vec<StatisticDefinition>,
    /// Named properties that programs look up, by what they are.
    pub transactions: Vec<TransactionObject>,
    /// Groups of people who have permissions together.
    pub access_groups: Vec<AccessGroup>,
    /// Roles.
    pub roles: Vec<PrivilegeRole>,
    /// Folders.
    pub folders: Vec<Folder>,
    /// What objects have besides the fields of their kinds, of those that have something: none is empty.
    pub annexes: BTreeMap<ObjectKey, ObjectAnnex>,
}

impl TenantObjects {
    /// A tenant without objects.
    pub const fn new(tenant: Tenant) -> Self {
        Self {
            tenant,
            skills: Vec::new(),
            prompts: Vec::new(),
            applications: Vec::new(),
            switches: Vec::new(),
            dns: Vec::new(),
            places: Vec::new(),
            people: Vec::new(),
            agent_logins: Vec::new(),
            numbers: Vec::new(),
            trunks: Vec::new(),
            feature_codes: Vec::new(),
            schedules: Vec::new(),
            dial_rules: Vec::new(),
            clients: Vec::new(),
            agent_groups: Vec::new(),
            action_codes: Vec::new(),
            lists: Vec::new(),
            business_attributes: Vec::new(),
            place_groups: Vec::new(),
            capacity_rules: Vec::new(),
            dn_groups: Vec::new(),
            trunk_groups: Vec::new(),
            calling_lists: Vec::new(),
            campaigns: Vec::new(),
            campaign_groups: Vec::new(),
            ivr_profiles: Vec::new(),
            statistic_definitions: Vec::new(),
            transactions: Vec::new(),
            access_groups: Vec::new(),
            roles: Vec::new(),
            folders: Vec::new(),
            annexes: BTreeMap::new(),
        }
    }

    /// Every object, in the order of [`ObjectKind::ALL`].
    pub fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        std::iter::once(Object::Tenant(Box::new(self.tenant.clone())))
            .chain(self.skills.iter().cloned().map(Object::Skill))
            .chain(self.prompts.iter().cloned().map(Object::Prompt))
            .chain(self.applications.iter().cloned().map(Object::Application))
            .chain(self.capacity_rules.iter().cloned().map(Object::CapacityRule))
            .chain(self.switches.iter().cloned().map(Object::Switch))
            .chain(self.dns.iter().cloned().map(Object::Dn))
            .chain(self.places.iter().cloned().map(Box::new).map(Object::Place))
            .chain(self.people.iter().cloned().map(Box::new).map(Object::Person))
            .chain(self.agent_logins.iter().cloned().map(Object::AgentLogin))
            .chain(self.numbers.iter().cloned().map(Object::Number))
            .chain(self.trunks.iter().cloned().map(Box::new).map(Object::Trunk))
            .chain(self.feature_codes.iter().cloned().map(Object::FeatureCode))
            .chain(self.schedules.iter().cloned().map(Object::Schedule))
            .chain(self.dial_rules.iter().cloned().map(Object::DialRule))
            .chain(self.clients.iter().cloned().map(Object::Client))
            .chain(self.agent_groups.iter().cloned().map(Box::new).map(Object::AgentGroup))
            .chain(self.action_codes.iter().cloned().map(Object::ActionCode))
            .chain(self.lists.iter().cloned().map(Box::new).map(Object::List))
            .chain(self.business_attributes.iter().cloned().map(Object::BusinessAttribute))
            .chain(self.place_groups.iter().cloned().map(Object::PlaceGroup))
            .chain(self.dn_groups.iter().cloned().map(Object::DnGroup))
            .chain(self.trunk_groups.iter().cloned().map(Object::TrunkGroup))
            .chain(self.calling_lists.iter().cloned().map(Box::new).map(Object::CallingList))
            .chain(self.campaigns.iter().cloned().map(Object::Campaign))
            .chain(self.campaign_groups.iter().cloned().map(Box::new).map(Object::CampaignGroup))
            .chain(self.ivr_profiles.iter().cloned().map(Box::new).map(Object::IvrProfile))
            .chain(self.statistic_definitions.iter().cloned().map(Box::new).map(Object::StatisticDefinition))
            .chain(self.transactions.iter().cloned().map(Box::new).map(Object::Transaction))
            .chain(self.access_groups.iter().cloned().map(Box::new).map(Object::AccessGroup))
            .chain(self.roles.iter().cloned().map(Box::new).map(Object::Role))
            .chain(self.folders.iter().cloned().map(Box::new).map(Object::Folder))
    }

    /// What an object has besides the fields of its kind becomes this.
    pub fn put_annex(&mut self, key: ObjectKey, annex: ObjectAnnex) {
        if annex.is_empty() {
            self.annexes.remove(&key);
        } else {
            self.annexes.insert(key, annex);
        }
    }
}
