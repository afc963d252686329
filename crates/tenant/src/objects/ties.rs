//! What ties an object to others: the objects that it refers to, and what no other one may have.

use contracts::provisioning::{
    AccessGroup, AgentGroup, AgentLogin, CampaignGroup, DialAction, DialRule, Dn, DnKind, Folder, Object, ObjectAnnex,
    ObjectKey, ObjectKind, Person, Switch, Tenant, Trunk,
};
use routing::SkillExpression;

use crate::names::reason_words;

/// How an object is tied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Tie {
    /// It refers to the object of that kind and name.
    RefersTo(ObjectKind),
    /// It is the agent whose seat is that place.
    Seat,
    /// It is the agent with that id.
    AgentId,
    /// It is the agent with that login code.
    LoginCode,
    /// It is the switch of the DNs that name none.
    DefaultSwitch,
    /// It is the person whom another directory calls so.
    ExternalId,
    /// It is the trunk whose callers give that user name.
    InboundUser,
    /// It is the trunk that registers that account.
    Registration,
    /// It is a feature code that asks for PINs.
    AsksPin,
    /// It is a rule about emergency calls.
    Emergency,
    /// It is a role of everyone.
    OfEveryone,
    /// It is a switch with access codes.
    AccessCodes,
    /// It is the reason that has that code, or that name.
    ReasonWord,
}

/// One tie of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TieMark {
    tie: Tie,
    text: Box<str>,
}

impl TieMark {
    fn new(tie: Tie, text: &str) -> Self {
        Self { tie, text: text.into() }
    }

    /// That of who refers to an object.
    pub fn refers_to(kind: ObjectKind, id: &str) -> Self {
        Self::new(Tie::RefersTo(kind), id)
    }

    /// That of a feature code that asks for PINs.
    pub fn asks_pin() -> Self {
        Self::new(Tie::AsksPin, "")
    }

    /// That of a rule about emergency calls.
    pub fn emergency() -> Self {
        Self::new(Tie::Emergency, "")
    }

    /// That of a role that everyone has.
    pub fn of_everyone() -> Self {
        Self::new(Tie::OfEveryone, "")
    }

    /// That of a switch with access codes.
    pub fn access_codes() -> Self {
        Self::new(Tie::AccessCodes, "")
    }

    /// The object that is referred to.
    pub fn named(&self) -> Option<ObjectKey> {
        match self.tie {
            Tie::RefersTo(kind) => Some(ObjectKey { kind, id: self.text.to_string() }),
            _ => None,
        }
    }

    /// Whether one object alone may have it.
    pub const fn is_for_one(&self) -> bool {
        match self.tie {
            Tie::Seat
            | Tie::AgentId
            | Tie::LoginCode
            | Tie::DefaultSwitch
            | Tie::ExternalId
            | Tie::InboundUser
            | Tie::Registration
            | Tie::ReasonWord => true,
            Tie::RefersTo(_) | Tie::AsksPin | Tie::Emergency | Tie::OfEveryone | Tie::AccessCodes => false,
        }
    }
}

/// The ties of an object. A rule between objects that is added needs its tie here.
pub(super) fn marks(object: &Object) -> Vec<TieMark> {
    match object {
        Object::Tenant(tenant) => of_tenant(tenant),
        Object::Dn(dn) => of_dn(dn),
        Object::Place(place) => {
            let dns = place.dns.iter().map(|dn| TieMark::refers_to(ObjectKind::Dn, dn));
            dns.chain(of_capacity_rule(place.capacity_rule.as_ref())).collect()
        }
        Object::Person(person) => of_person(person),
        Object::AgentLogin(login) => of_agent_login(login),
        Object::Switch(switch) => of_switch(switch),
        Object::Number(number) => {
            let dns = [Some(&number.dn), number.closed_dn.as_ref()].into_iter().flatten();
            let schedule = number.schedule.iter().map(|name| TieMark::refers_to(ObjectKind::Schedule, name));
            dns.map(|dn| TieMark::refers_to(ObjectKind::Dn, dn)).chain(schedule).collect()
        }
        Object::Trunk(trunk) => of_trunk(trunk),
        Object::FeatureCode(code) => {
            // There must be no DN of that number.
            let dn = TieMark::refers_to(ObjectKind::Dn, &code.code);
            std::iter::once(dn).chain(code.ask_pin.then(TieMark::asks_pin)).collect()
        }
        Object::DialRule(rule) => of_dial_rule(rule),
        Object::AgentGroup(group) => of_agent_group(group),
        Object::PlaceGroup(group) => {
            group.places.iter().map(|place| TieMark::refers_to(ObjectKind::Place, place)).collect()
        }
        Object::ActionCode(reason) => {
            reason_words(reason).into_iter().map(|word| TieMark::new(Tie::ReasonWord, &word)).collect()
        }
        Object::AccessGroup(group) => members(&group.people, &group.groups).collect(),
        Object::Role(role) => {
            let is_of_everyone = role.groups.iter().any(|group| group == AccessGroup::EVERYONE);
            members(&role.people, &role.groups).chain(is_of_everyone.then(TieMark::of_everyone)).collect()
        }
        Object::Folder(folder) => of_folder(folder),
        Object::DnGroup(group) => {
            group.members.iter().map(|member| TieMark::refers_to(ObjectKind::Dn, &member.dn)).collect()
        }
        Object::TrunkGroup(group) => {
            group.members.iter().map(|member| TieMark::refers_to(ObjectKind::Trunk, &member.trunk)).collect()
        }
        Object::CallingList(list) => {
            list.schedule.iter().map(|name| TieMark::refers_to(ObjectKind::Schedule, name)).collect()
        }
        Object::Campaign(campaign) => {
            let lists = campaign.calling_lists.iter().map(|list| &list.calling_list);
            lists.map(|name| TieMark::refers_to(ObjectKind::CallingList, name)).collect()
        }
        Object::CampaignGroup(group) => of_campaign_group(group),
        Object::IvrProfile(profile) => {
            profile.application.iter().map(|name| TieMark::refers_to(ObjectKind::Application, name)).collect()
        }
        Object::CapacityRule(_)
        | Object::StatisticDefinition(_)
        | Object::Transaction(_)
        | Object::List(_)
        | Object::BusinessAttribute(_)
        | Object::Skill(_)
        | Object::Prompt(_)
        | Object::Application(_)
        | Object::Schedule(_)
        | Object::Client(_) => Vec::new(),
    }
}

/// The ties of an annex.
pub(super) fn annex_marks(annex: &ObjectAnnex) -> Vec<TieMark> {
    let folder = annex.folder.iter().map(|path| TieMark::refers_to(ObjectKind::Folder, path));
    let entries = annex.own_permissions.iter();
    folder.chain(entries.flat_map(|entry| members(entry.person.as_slice(), entry.group.as_slice()))).collect()
}

/// People and access groups. Those that are built in are no objects.
fn members(people: &[String], groups: &[String]) -> impl Iterator<Item = TieMark> {
    let people = people.iter().map(|person| TieMark::refers_to(ObjectKind::Person, person));
    let groups = groups.iter().filter(|group| !AccessGroup::is_built_in(group));
    people.chain(groups.map(|group| TieMark::refers_to(ObjectKind::AccessGroup, group)))
}

fn of_folder(folder: &Folder) -> Vec<TieMark> {
    let entries = folder.permissions.iter();
    entries.flat_map(|entry| members(entry.person.as_slice(), entry.group.as_slice())).collect()
}

fn of_agent_group(group: &AgentGroup) -> Vec<TieMark> {
    let people =
        group.agents.iter().chain(&group.managers).map(|person| TieMark::refers_to(ObjectKind::Person, person));
    // One that cannot be read names nothing, as the rules see it.
    let expression = group.expression.as_deref().and_then(|text| SkillExpression::parse(text).ok());
    let skills = expression.as_ref().map(SkillExpression::skills).unwrap_or_default();
    people.chain(skills.into_iter().map(|skill| TieMark::refers_to(ObjectKind::Skill, skill))).collect()
}

fn of_campaign_group(group: &CampaignGroup) -> Vec<TieMark> {
    let named = [
        TieMark::refers_to(ObjectKind::Campaign, &group.campaign),
        TieMark::refers_to(ObjectKind::AgentGroup, &group.agent_group),
    ];
    let point = group.route_point.iter().map(|dn| TieMark::refers_to(ObjectKind::Dn, dn));
    named.into_iter().chain(point).collect()
}

fn of_tenant(tenant: &Tenant) -> Vec<TieMark> {
    let prompts = [Some(&tenant.hold_music), tenant.confirmation_prompt.as_ref(), tenant.refusal_prompt.as_ref()];
    prompts.into_iter().flatten().map(|prompt| TieMark::refers_to(ObjectKind::Prompt, prompt)).collect()
}

/// No person has its code, neither as id nor as login code.
fn of_agent_login(login: &AgentLogin) -> Vec<TieMark> {
    let codes = [TieMark::new(Tie::AgentId, &login.code), TieMark::new(Tie::LoginCode, &login.code)];
    let person = login.person.iter().map(|person| TieMark::refers_to(ObjectKind::Person, person));
    codes.into_iter().chain(person).collect()
}

fn of_switch(switch: &Switch) -> Vec<TieMark> {
    let others = switch.access_codes.iter().map(|to| TieMark::refers_to(ObjectKind::Switch, &to.switch));
    let codes = (!switch.access_codes.is_empty()).then(TieMark::access_codes);
    others.chain(switch.default.then(|| TieMark::new(Tie::DefaultSwitch, ""))).chain(codes).collect()
}

fn of_dn(dn: &Dn) -> Vec<TieMark> {
    let switch = dn.switch.iter().map(|name| TieMark::refers_to(ObjectKind::Switch, name));
    switch.chain(of_dn_kind(&dn.kind)).collect()
}

fn of_dn_kind(kind: &DnKind) -> Vec<TieMark> {
    match kind {
        DnKind::RoutePoint { application, default_dn, .. } => {
            let default = default_dn.iter().map(|default| TieMark::refers_to(ObjectKind::Dn, default));
            std::iter::once(TieMark::refers_to(ObjectKind::Application, application)).chain(default).collect()
        }
        DnKind::Announcement { prompts } => {
            prompts.iter().map(|prompt| TieMark::refers_to(ObjectKind::Prompt, prompt)).collect()
        }
        DnKind::Extension { .. } | DnKind::VirtualQueue | DnKind::Echo => Vec::new(),
    }
}

fn of_person(person: &Person) -> Vec<TieMark> {
    let external = person.external_id.iter().map(|id| TieMark::new(Tie::ExternalId, id));
    let mut marks: Vec<TieMark> = external.collect();
    let Some(agent) = &person.agent else { return marks };
    marks.extend([TieMark::new(Tie::AgentId, &agent.id), TieMark::new(Tie::LoginCode, &agent.login_code)]);
    marks.extend(
        agent
            .default_place
            .iter()
            .flat_map(|place| [TieMark::refers_to(ObjectKind::Place, place), TieMark::new(Tie::Seat, place)]),
    );
    marks.extend(agent.skills.iter().map(|level| TieMark::refers_to(ObjectKind::Skill, &level.skill)));
    marks.extend(of_capacity_rule(agent.capacity_rule.as_ref()));
    marks
}

fn of_capacity_rule(named: Option<&String>) -> Option<TieMark> {
    named.map(|name| TieMark::refers_to(ObjectKind::CapacityRule, name))
}

fn of_trunk(trunk: &Trunk) -> Vec<TieMark> {
    let user = trunk.inbound_user.iter().map(|user| TieMark::new(Tie::InboundUser, user));
    let account =
        trunk.registers().map(|(contact, user)| TieMark::new(Tie::Registration, &format!("{contact}\n{user}")));
    user.chain(account).collect()
}

fn of_dial_rule(rule: &DialRule) -> Vec<TieMark> {
    let mut marks: Vec<TieMark> =
        rule.action.trunk().map(|trunk| TieMark::refers_to(ObjectKind::Trunk, trunk)).into_iter().collect();
    match &rule.action {
        DialAction::Emergency { .. } => marks.push(TieMark::emergency()),
        DialAction::Route { schedule: Some(schedule), .. } => {
            marks.push(TieMark::refers_to(ObjectKind::Schedule, schedule));
        }
        _ => {}
    }
    marks
}
