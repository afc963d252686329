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

    /// Adds an object or replaces the one of its key.
    pub fn put(&mut self, object: Object) {
        fn set<T>(list: &mut Vec<T>, object: T, same: impl Fn(&T, &T) -> bool) {
            match list.iter_mut().find(|o| same(o, &object)) {
                Some(at) => *at = object,
                None => list.push(object),
            }
        }
        match object {
            Object::Tenant(o) => self.tenant = *o,
            Object::Skill(o) => set(&mut self.skills, o, |a, b| a.name == b.name),
            Object::Prompt(o) => set(&mut self.prompts, o, |a, b| a.name == b.name),
            Object::Application(o) => set(&mut self.applications, o, |a, b| a.name == b.name),
            Object::Switch(o) => set(&mut self.switches, o, |a, b| a.name == b.name),
            Object::Dn(o) => set(&mut self.dns, o, |a, b| a.number == b.number),
            Object::Place(o) => set(&mut self.places, *o, |a, b| a.name == b.name),
            Object::Person(o) => set(&mut self.people, *o, |a, b| a.user_name == b.user_name),
            Object::AgentLogin(o) => set(&mut self.agent_logins, o, |a, b| a.code == b.code),
            Object::Number(o) => set(&mut self.numbers, o, |a, b| a.number == b.number),
            Object::Trunk(o) => set(&mut self.trunks, *o, |a, b| a.name == b.name),
            Object::FeatureCode(o) => set(&mut self.feature_codes, o, |a, b| a.code == b.code),
            Object::Schedule(o) => set(&mut self.schedules, o, |a, b| a.name == b.name),
            Object::DialRule(o) => {
                set(&mut self.dial_rules, o, |a, b| a.name == b.name);
                self.dial_rules.sort_by_key(|rule| rule.place);
            }
            Object::Client(o) => set(&mut self.clients, o, |a, b| a.id == b.id),
            Object::AgentGroup(o) => set(&mut self.agent_groups, *o, |a, b| a.name == b.name),
            Object::ActionCode(o) => set(&mut self.action_codes, o, |a, b| a.code == b.code),
            Object::List(o) => set(&mut self.lists, *o, |a, b| a.name == b.name),
            Object::BusinessAttribute(o) => set(&mut self.business_attributes, o, |a, b| a.name == b.name),
            Object::PlaceGroup(o) => set(&mut self.place_groups, o, |a, b| a.name == b.name),
            Object::CapacityRule(o) => set(&mut self.capacity_rules, o, |a, b| a.name == b.name),
            Object::DnGroup(o) => set(&mut self.dn_groups, o, |a, b| a.name == b.name),
            Object::CallingList(o) => set(&mut self.calling_lists, *o, |a, b| a.name == b.name),
            Object::Campaign(o) => set(&mut self.campaigns, o, |a, b| a.name == b.name),
            Object::CampaignGroup(o) => set(&mut self.campaign_groups, *o, |a, b| a.name == b.name),
            Object::IvrProfile(o) => set(&mut self.ivr_profiles, *o, |a, b| a.name == b.name),
            Object::StatisticDefinition(o) => set(&mut self.statistic_definitions, *o, |a, b| a.name == b.name),
            Object::Transaction(o) => set(&mut self.transactions, *o, |a, b| a.name == b.name),
            Object::AccessGroup(o) => set(&mut self.access_groups, *o, |a, b| a.name == b.name),
            Object::Role(o) => set(&mut self.roles, *o, |a, b| a.name == b.name),
            Object::Folder(o) => set(&mut self.folders, *o, |a, b| a.path == b.path),
        }
    }

    /// What an object has besides the fields of its kind becomes this.
    pub fn put_annex(&mut self, key: ObjectKey, annex: ObjectAnnex) {
        if annex.is_empty() {
            self.annexes.remove(&key);
        } else {
            self.annexes.insert(key, annex);
        }
    }

    /// Removes an object with its annex; the tenant itself stays.
    pub fn remove(&mut self, key: &ObjectKey) {
        if key.kind != ObjectKind::Tenant {
            self.annexes.remove(key);
        }
        match key.kind {
            ObjectKind::Tenant => {}
            ObjectKind::Skill => self.skills.retain(|o| o.name != key.id),
            ObjectKind::Prompt => self.prompts.retain(|o| o.name != key.id),
            ObjectKind::Application => self.applications.retain(|o| o.name != key.id),
            ObjectKind::Switch => self.switches.retain(|o| o.name != key.id),
            ObjectKind::Dn => self.dns.retain(|o| o.number != key.id),
            ObjectKind::Place => self.places.retain(|o| o.name != key.id),
            ObjectKind::Person => self.people.retain(|o| o.user_name != key.id),
            ObjectKind::AgentLogin => self.agent_logins.retain(|o| o.code != key.id),
            ObjectKind::Number => self.numbers.retain(|o| o.number != key.id),
            ObjectKind::Trunk => self.trunks.retain(|o| o.name != key.id),
            ObjectKind::FeatureCode => self.feature_codes.retain(|o| o.code != key.id),
            ObjectKind::Schedule => self.schedules.retain(|o| o.name != key.id),
            ObjectKind::DialRule => self.dial_rules.retain(|o| o.name != key.id),
            ObjectKind::Client => self.clients.retain(|o| o.id != key.id),
            ObjectKind::AgentGroup => self.agent_groups.retain(|o| o.name != key.id),
            ObjectKind::ActionCode => self.action_codes.retain(|o| o.code != key.id),
            ObjectKind::List => self.lists.retain(|o| o.name != key.id),
            ObjectKind::BusinessAttribute => self.business_attributes.retain(|o| o.name != key.id),
            ObjectKind::PlaceGroup => self.place_groups.retain(|o| o.name != key.id),
            ObjectKind::CapacityRule => self.capacity_rules.retain(|o| o.name != key.id),
            ObjectKind::DnGroup => self.dn_groups.retain(|o| o.name != key.id),
            ObjectKind::CallingList => self.calling_lists.retain(|o| o.name != key.id),
            ObjectKind::Campaign => self.campaigns.retain(|o| o.name != key.id),
            ObjectKind::CampaignGroup => self.campaign_groups.retain(|o| o.name != key.id),
            ObjectKind::IvrProfile => self.ivr_profiles.retain(|o| o.name != key.id),
            ObjectKind::StatisticDefinition => self.statistic_definitions.retain(|o| o.name != key.id),
            ObjectKind::Transaction => self.transactions.retain(|o| o.name != key.id),
            ObjectKind::AccessGroup => self.access_groups.retain(|o| o.name != key.id),
            ObjectKind::Role => self.roles.retain(|o| o.name != key.id),
            ObjectKind::Folder => self.folders.retain(|o| o.path != key.id),
        }
    }
}
