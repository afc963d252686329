//! The kinds of objects, and any object.

use serde::{Deserialize, Serialize};

use super::*;

/// The kinds of objects. Each has a name on the wire, and a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// The tenant itself.
    Tenant,
    /// Skills.
    Skill,
    /// Prompts.
    Prompt,
    /// Applications.
    Application,
    /// Capacity rules.
    CapacityRule,
    /// Parts of the DNs.
    Switch,
    /// DNs.
    Dn,
    /// Places.
    Place,
    /// People.
    Person,
    /// Further codes with which people log in as agents.
    AgentLogin,
    /// Numbers.
    Number,
    /// Trunks.
    Trunk,
    /// Feature codes.
    FeatureCode,
    /// Schedules.
    Schedule,
    /// Rules about dialled numbers.
    DialRule,
    /// Programs that get tokens.
    Client,
    /// Groups of agents.
    AgentGroup,
    /// Reasons for which agents are not ready.
    ActionCode,
    /// Lists in which programs look values up.
    List,
    /// Business attributes.
    BusinessAttribute,
    /// Groups of places.
    PlaceGroup,
    /// Groups of DNs.
    DnGroup,
    /// Groups of trunks.
    TrunkGroup,
    /// Calling lists.
    CallingList,
    /// Campaigns.
    Campaign,
    /// Campaigns with their agents.
    CampaignGroup,
    /// Profiles of services that talk with callers by themselves.
    IvrProfile,
    /// Statistics that the tenant defines.
    StatisticDefinition,
    /// Named properties that programs look up, by what they are.
    Transaction,
    /// Groups of people who have permissions together.
    AccessGroup,
    /// Roles: privileges that people have together.
    Role,
    /// Folders with permissions.
    Folder,
}

impl ObjectKind {
    /// All kinds, ordered so that every object comes after those that it names.
    pub const ALL: [Self; 32] = [
        Self::Tenant,
        Self::Skill,
        Self::Prompt,
        Self::Application,
        Self::CapacityRule,
        Self::Switch,
        Self::Dn,
        Self::Place,
        Self::Person,
        Self::AgentLogin,
        Self::Number,
        Self::Trunk,
        Self::FeatureCode,
        Self::Schedule,
        Self::DialRule,
        Self::Client,
        Self::AgentGroup,
        Self::ActionCode,
        Self::List,
        Self::BusinessAttribute,
        Self::PlaceGroup,
        Self::DnGroup,
        Self::TrunkGroup,
        Self::CallingList,
        Self::Campaign,
        Self::CampaignGroup,
        Self::IvrProfile,
        Self::StatisticDefinition,
        Self::Transaction,
        Self::AccessGroup,
        Self::Role,
        Self::Folder,
    ];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Skill => "skill",
            Self::Prompt => "prompt",
            Self::Application => "application",
            Self::Switch => "switch",
            Self::Dn => "dn",
            Self::Place => "place",
            Self::Person => "person",
            Self::AgentLogin => "agent_login",
            Self::Number => "number",
            Self::Trunk => "trunk",
            Self::FeatureCode => "feature_code",
            Self::Schedule => "schedule",
            Self::DialRule => "dial_rule",
            Self::Client => "client",
            Self::AgentGroup => "agent_group",
            Self::ActionCode => "action_code",
            Self::List => "list",
            Self::BusinessAttribute => "business_attribute",
            Self::PlaceGroup => "place_group",
            Self::CapacityRule => "capacity_rule",
            Self::DnGroup => "dn_group",
            Self::TrunkGroup => "trunk_group",
            Self::CallingList => "calling_list",
            Self::Campaign => "campaign",
            Self::CampaignGroup => "campaign_group",
            Self::IvrProfile => "ivr_profile",
            Self::StatisticDefinition => "statistic_definition",
            Self::Transaction => "transaction",
            Self::AccessGroup => "access_group",
            Self::Role => "role",
            Self::Folder => "folder",
        }
    }

    /// Finds it by its name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl DnKind {
    /// The names of the types of DNs on the wire.
    pub const NAMES: [&str; 5] = ["extension", "route_point", "virtual_queue", "echo", "announcement"];

    /// Its name on the wire, as `type` of a DN's document says it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Extension { .. } => "extension",
            Self::RoutePoint { .. } => "route_point",
            Self::VirtualQueue => "virtual_queue",
            Self::Echo => "echo",
            Self::Announcement { .. } => "announcement",
        }
    }
}

/// Names an object within its tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name, number or code; empty for the tenant itself.
    pub id: String,
}

/// Any object. The kinds with many fields are behind a pointer: there are far more DNs than trunks, and each takes as much room as the
/// largest kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// The tenant itself.
    Tenant(Box<Tenant>),
    /// A skill.
    Skill(Skill),
    /// A prompt.
    Prompt(Prompt),
    /// An application.
    Application(Application),
    /// A part of the DNs.
    Switch(Switch),
    /// A DN.
    Dn(Dn),
    /// A place.
    Place(Box<Place>),
    /// A person.
    Person(Box<Person>),
    /// A further code with which a person logs in as an agent.
    AgentLogin(AgentLogin),
    /// A number.
    Number(Number),
    /// A trunk.
    Trunk(Box<Trunk>),
    /// A feature code.
    FeatureCode(FeatureCode),
    /// A schedule.
    Schedule(Schedule),
    /// A rule about dialled numbers.
    DialRule(DialRule),
    /// A program that gets tokens.
    Client(OAuthClient),
    /// A group of agents.
    AgentGroup(Box<AgentGroup>),
    /// A reason for which agents are not ready.
    ActionCode(ActionCode),
    /// A list in which programs look values up.
    List(Box<LookupList>),
    /// A business attribute.
    BusinessAttribute(BusinessAttribute),
    /// A group of places.
    PlaceGroup(PlaceGroup),
    /// A capacity rule.
    CapacityRule(CapacityRule),
    /// A group of DNs.
    DnGroup(DnGroup),
    /// A group of trunks.
    TrunkGroup(TrunkGroup),
    /// A calling list.
    CallingList(Box<CallingList>),
    /// A campaign.
    Campaign(Campaign),
    /// A campaign with its agents.
    CampaignGroup(Box<CampaignGroup>),
    /// A profile of a service that talks with callers by itself.
    IvrProfile(Box<IvrProfile>),
    /// A statistic that the tenant defines.
    StatisticDefinition(Box<StatisticDefinition>),
    /// Named properties that programs look up.
    Transaction(Box<TransactionObject>),
    /// A group of people who have permissions together.
    AccessGroup(Box<AccessGroup>),
    /// A role.
    Role(Box<PrivilegeRole>),
    /// A folder with permissions.
    Folder(Box<Folder>),
}

/// Takes away the secret with which we prove ourselves to the tenant's OpenID Provider.
fn hide_provider(tenant: &mut Tenant) {
    if let Some(provider) = &mut tenant.sign_in.upstream {
        provider.client_secret = None;
    }
}

impl Object {
    /// Its name within the tenant.
    pub fn key(&self) -> ObjectKey {
        let (kind, id) = match self {
            Self::Tenant(_) => (ObjectKind::Tenant, ""),
            Self::Skill(o) => (ObjectKind::Skill, o.name.as_str()),
            Self::Prompt(o) => (ObjectKind::Prompt, o.name.as_str()),
            Self::Application(o) => (ObjectKind::Application, o.name.as_str()),
            Self::Switch(o) => (ObjectKind::Switch, o.name.as_str()),
            Self::Dn(o) => (ObjectKind::Dn, o.number.as_str()),
            Self::Place(o) => (ObjectKind::Place, o.name.as_str()),
            Self::Person(o) => (ObjectKind::Person, o.user_name.as_str()),
            Self::AgentLogin(o) => (ObjectKind::AgentLogin, o.code.as_str()),
            Self::Number(o) => (ObjectKind::Number, o.number.as_str()),
            Self::Trunk(o) => (ObjectKind::Trunk, o.name.as_str()),
            Self::FeatureCode(o) => (ObjectKind::FeatureCode, o.code.as_str()),
            Self::Schedule(o) => (ObjectKind::Schedule, o.name.as_str()),
            Self::DialRule(o) => (ObjectKind::DialRule, o.name.as_str()),
            Self::Client(o) => (ObjectKind::Client, o.id.as_str()),
            Self::AgentGroup(o) => (ObjectKind::AgentGroup, o.name.as_str()),
            Self::ActionCode(o) => (ObjectKind::ActionCode, o.code.as_str()),
            Self::List(o) => (ObjectKind::List, o.name.as_str()),
            Self::BusinessAttribute(o) => (ObjectKind::BusinessAttribute, o.name.as_str()),
            Self::PlaceGroup(o) => (ObjectKind::PlaceGroup, o.name.as_str()),
            Self::CapacityRule(o) => (ObjectKind::CapacityRule, o.name.as_str()),
            Self::DnGroup(o) => (ObjectKind::DnGroup, o.name.as_str()),
            Self::TrunkGroup(o) => (ObjectKind::TrunkGroup, o.name.as_str()),
            Self::CallingList(o) => (ObjectKind::CallingList, o.name.as_str()),
            Self::Campaign(o) => (ObjectKind::Campaign, o.name.as_str()),
            Self::CampaignGroup(o) => (ObjectKind::CampaignGroup, o.name.as_str()),
            Self::IvrProfile(o) => (ObjectKind::IvrProfile, o.name.as_str()),
            Self::StatisticDefinition(o) => (ObjectKind::StatisticDefinition, o.name.as_str()),
            Self::Transaction(o) => (ObjectKind::Transaction, o.name.as_str()),
            Self::AccessGroup(o) => (ObjectKind::AccessGroup, o.name.as_str()),
            Self::Role(o) => (ObjectKind::Role, o.name.as_str()),
            Self::Folder(o) => (ObjectKind::Folder, o.path.as_str()),
        };
        ObjectKey { kind, id: id.to_owned() }
    }

    /// The object as those see it who may not see secrets.
    pub fn without_secrets(mut self) -> Self {
        match &mut self {
            Self::Dn(dn) => match &mut dn.kind {
                DnKind::Extension { password, .. } => *password = Secret::default(),
                DnKind::RoutePoint { .. } | DnKind::VirtualQueue | DnKind::Echo | DnKind::Announcement { .. } => {}
            },
            Self::Person(person) => {
                (person.password, person.second_factor) = (None, None);
                if let Some(agent) = &mut person.agent {
                    agent.pin = None;
                }
            }
            Self::Client(client) => client.secret = None,
            Self::Trunk(trunk) => {
                (trunk.password, trunk.inbound_password) = (None, None);
                if let Some(sign) = &mut trunk.stir.sign {
                    sign.private_key = None;
                }
            }
            Self::Tenant(tenant) => hide_provider(tenant),
            // They have none. A kind that is added must be named, so that its secrets are thought of.
            Self::Skill(_)
            | Self::Prompt(_)
            | Self::Application(_)
            | Self::Switch(_)
            | Self::Place(_)
            | Self::AgentLogin(_)
            | Self::Number(_)
            | Self::FeatureCode(_)
            | Self::Schedule(_)
            | Self::DialRule(_)
            | Self::AgentGroup(_)
            | Self::ActionCode(_)
            | Self::List(_)
            | Self::BusinessAttribute(_)
            | Self::PlaceGroup(_)
            | Self::CapacityRule(_)
            | Self::DnGroup(_)
            | Self::TrunkGroup(_)
            | Self::CallingList(_)
            | Self::Campaign(_)
            | Self::CampaignGroup(_)
            | Self::IvrProfile(_)
            | Self::StatisticDefinition(_)
            | Self::Transaction(_)
            | Self::AccessGroup(_)
            | Self::Role(_)
            | Self::Folder(_) => {}
        }
        self
    }

    /// The object as those roles see it that need passwords of phones and of carriers, but sign nobody in: without the hashes of people's
    /// passwords and of clients' secrets, and without second factors.
    pub fn without_hashes(mut self) -> Self {
        match &mut self {
            Self::Person(person) => (person.password, person.second_factor) = (None, None),
            Self::Client(client) => client.secret = None,
            Self::Tenant(tenant) => hide_provider(tenant),
            _ => {}
        }
        self
    }

    /// The object as a JSON document.
    pub fn to_json(&self) -> Vec<u8> {
        let written = match self {
            Self::Tenant(o) => serde_json::to_vec(o),
            Self::Skill(o) => serde_json::to_vec(o),
            Self::Prompt(o) => serde_json::to_vec(o),
            Self::Application(o) => serde_json::to_vec(o),
            Self::Switch(o) => serde_json::to_vec(o),
            Self::Dn(o) => serde_json::to_vec(o),
            Self::Place(o) => serde_json::to_vec(o),
            Self::Person(o) => serde_json::to_vec(o),
            Self::AgentLogin(o) => serde_json::to_vec(o),
            Self::Number(o) => serde_json::to_vec(o),
            Self::Trunk(o) => serde_json::to_vec(o),
            Self::FeatureCode(o) => serde_json::to_vec(o),
            Self::Schedule(o) => serde_json::to_vec(o),
            Self::DialRule(o) => serde_json::to_vec(o),
            Self::Client(o) => serde_json::to_vec(o),
            Self::AgentGroup(o) => serde_json::to_vec(o),
            Self::ActionCode(o) => serde_json::to_vec(o),
            Self::List(o) => serde_json::to_vec(o),
            Self::BusinessAttribute(o) => serde_json::to_vec(o),
            Self::PlaceGroup(o) => serde_json::to_vec(o),
            Self::CapacityRule(o) => serde_json::to_vec(o),
            Self::DnGroup(o) => serde_json::to_vec(o),
            Self::TrunkGroup(o) => serde_json::to_vec(o),
            Self::CallingList(o) => serde_json::to_vec(o),
            Self::Campaign(o) => serde_json::to_vec(o),
            Self::CampaignGroup(o) => serde_json::to_vec(o),
            Self::IvrProfile(o) => serde_json::to_vec(o),
            Self::StatisticDefinition(o) => serde_json::to_vec(o),
            Self::Transaction(o) => serde_json::to_vec(o),
            Self::AccessGroup(o) => serde_json::to_vec(o),
            Self::Role(o) => serde_json::to_vec(o),
            Self::Folder(o) => serde_json::to_vec(o),
        };
        // Plain structs with text keys: serialising them cannot fail.
        written.unwrap_or_default()
    }

    /// Reads a JSON document of that kind.
    ///
    /// # Errors
    /// The first fault that serde finds.
    pub fn from_json(kind: ObjectKind, json: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            ObjectKind::Tenant => Self::Tenant(serde_json::from_slice(json)?),
            ObjectKind::Skill => Self::Skill(serde_json::from_slice(json)?),
            ObjectKind::Prompt => Self::Prompt(serde_json::from_slice(json)?),
            ObjectKind::Application => Self::Application(serde_json::from_slice(json)?),
            ObjectKind::Switch => Self::Switch(serde_json::from_slice(json)?),
            ObjectKind::Dn => Self::Dn(serde_json::from_slice(json)?),
            ObjectKind::Place => Self::Place(serde_json::from_slice(json)?),
            ObjectKind::Person => Self::Person(serde_json::from_slice(json)?),
            ObjectKind::AgentLogin => Self::AgentLogin(serde_json::from_slice(json)?),
            ObjectKind::Number => Self::Number(serde_json::from_slice(json)?),
            ObjectKind::Trunk => Self::Trunk(serde_json::from_slice(json)?),
            ObjectKind::FeatureCode => Self::FeatureCode(serde_json::from_slice(json)?),
            ObjectKind::Schedule => Self::Schedule(serde_json::from_slice(json)?),
            ObjectKind::DialRule => Self::DialRule(serde_json::from_slice(json)?),
            ObjectKind::Client => Self::Client(serde_json::from_slice(json)?),
            ObjectKind::AgentGroup => Self::AgentGroup(serde_json::from_slice(json)?),
            ObjectKind::ActionCode => Self::ActionCode(serde_json::from_slice(json)?),
            ObjectKind::List => Self::List(serde_json::from_slice(json)?),
            ObjectKind::BusinessAttribute => Self::BusinessAttribute(serde_json::from_slice(json)?),
            ObjectKind::PlaceGroup => Self::PlaceGroup(serde_json::from_slice(json)?),
            ObjectKind::CapacityRule => Self::CapacityRule(serde_json::from_slice(json)?),
            ObjectKind::DnGroup => Self::DnGroup(serde_json::from_slice(json)?),
            ObjectKind::TrunkGroup => Self::TrunkGroup(serde_json::from_slice(json)?),
            ObjectKind::CallingList => Self::CallingList(serde_json::from_slice(json)?),
            ObjectKind::Campaign => Self::Campaign(serde_json::from_slice(json)?),
            ObjectKind::CampaignGroup => Self::CampaignGroup(serde_json::from_slice(json)?),
            ObjectKind::IvrProfile => Self::IvrProfile(serde_json::from_slice(json)?),
            ObjectKind::StatisticDefinition => Self::StatisticDefinition(serde_json::from_slice(json)?),
            ObjectKind::Transaction => Self::Transaction(serde_json::from_slice(json)?),
            ObjectKind::AccessGroup => Self::AccessGroup(serde_json::from_slice(json)?),
            ObjectKind::Role => Self::Role(serde_json::from_slice(json)?),
            ObjectKind::Folder => Self::Folder(serde_json::from_slice(json)?),
        })
    }
}
