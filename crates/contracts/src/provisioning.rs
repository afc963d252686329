//! The objects of a tenant's configuration, as stored, cached, read over REST (config, 9100) and exported.
//!
//! Field names are the keys of the JSON documents; the name of a duration ends with its unit. Readers ignore unknown keys.

mod access;
mod agent_logins;
mod agents;
mod annex;
mod campaigns;
mod capacity;
mod codes;
mod dialling;
mod diversion;
mod dn_groups;
mod dtmf;
mod encryption;
mod fault_codes;
mod full_numbers;
mod groups;
mod headers;
mod ivr_profiles;
mod kinds;
mod location;
mod lookup;
mod names;
pub mod networks;
mod outgoing;
mod permissions;
mod privilege;
mod prompt_audio;
mod secrets;
mod sign_in;
mod statistic_definitions;
mod stir;
mod switches;
mod tenant_objects;
mod transactions;
mod trunk_groups;
mod wire_names;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use access::{ClientKey, ClientKeySet, Grant, OAuthClient};
pub use agent_logins::AgentLogin;
pub use agents::{Agent, AgentRules, LoginPasswordRule, NoAnswerAction};
pub use annex::ObjectAnnex;
pub use campaigns::{
    CallingList, Campaign, CampaignCallingList, CampaignGroup, DEFAULT_ATTEMPTS, DialingMode, DialingResult,
    PacingMeasure, RecordField, RecordFieldType, RecordTreatment, TreatmentAction,
};
pub use capacity::{CapacityMedia, CapacityRule};
pub use codes::{ACTION_CODES_MAX, ActionCode, CodedAction, FeatureAction, FeatureCode, SUBCODES_MAX, Subcode};
pub use dialling::{DialAction, DialRule, Schedule, Spender};
pub use diversion::DiversionForm;
pub use dn_groups::{DEFAULT_WEIGHT, DnGroup, DnGroupMember, DnGroupType};
pub use dtmf::DtmfForm;
pub use encryption::Encryption;
pub use fault_codes::FaultCode;
pub use full_numbers::UnfittingNumber;
pub use groups::{AgentGroup, PlaceGroup};
pub use headers::{HeaderRule, HeaderRuleAction, HeaderRuleOn};
pub use ivr_profiles::{IvrPolicies, IvrProfile, IvrServiceType};
pub use kinds::{Object, ObjectKey, ObjectKind};
pub use location::Location;
pub use lookup::{ATTACHED_DEFAULTS_MAX, AttributeValue, BusinessAttribute, LookupList};
pub use names::{AM, BySpelling, folded_name};
pub use outgoing::TRUNK_TRY_S;
pub use permissions::{AccessGroup, Folder, FolderPermission, FolderRight, ObjectPermission, PrivilegeRole};
pub use privilege::Privilege;
pub use prompt_audio::{PROMPT_LANGUAGE_BYTES_MAX, PROMPT_LANGUAGES_MAX, PromptAudio};
pub use secrets::ReadableSecrets;
pub use sign_in::{PersonField, SignInRules, UpstreamProvider};
pub use statistic_definitions::{StatisticDefinition, StatisticProfile};
pub use stir::{Stir, StirSign, StirVerify};
pub use switches::{Switch, SwitchAccessCode};
pub use tenant_objects::TenantObjects;
pub use transactions::{TransactionObject, TransactionType};
pub use trunk_groups::{TrunkGroup, TrunkGroupMember};

/// A password or PIN: serialised as it is, never printed.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// The text, for the one place that checks or derives from it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Settings of the tenant as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// The tenant's id.
    pub id: String,
    /// The name shown to people.
    pub name: String,
    /// Realm of the phones' digests and host part of their addresses.
    pub realm: String,
    /// Codecs in order of preference, as `PCMU` and `PCMA`.
    pub codecs: Vec<String>,
    /// The prompt that a held party hears.
    pub hold_music: String,
    /// How long a phone rings before the call goes elsewhere, in seconds.
    pub no_answer_s: u32,
    /// After-call work of agents without a time of their own, in seconds; 0 means none.
    pub wrap_up_s: u32,
    /// The prompt that confirms a feature code.
    pub confirmation_prompt: Option<String>,
    /// The prompt that refuses a feature code.
    pub refusal_prompt: Option<String>,
    /// Prefix of a national number that is dialled in full, as `+49`.
    pub country_prefix: Option<String>,
    /// Dialled prefix of a national number, as `0`.
    pub national_prefix: Option<String>,
    /// Dialled prefix of an international number, as `00`.
    pub international_prefix: Option<String>,
    /// The IANA name of the time zone of the tenant's clocks, as `Europe/Berlin`; none means UTC.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// How many calls outside a phone without a limit of its own may have at a time; none without a limit.
    #[serde(default)]
    pub outgoing_max: Option<u32>,
    /// The privileges whose people sign in with a second factor: who has none yet gets one at the next sign-in.
    #[serde(default)]
    pub require_second_factor: Vec<Privilege>,
    /// How people sign in besides by their passwords.
    #[serde(default)]
    pub sign_in: SignInRules,
    /// What holds for its agents.
    #[serde(default)]
    pub agents: AgentRules,
    /// Where its phones are, for emergency calls, if neither they nor their places say so.
    #[serde(default)]
    pub location: Option<Location>,
}

/// A skill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skill {
    /// Its name.
    pub name: String,
}

/// A skill that an agent has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkillLevel {
    /// The skill's name.
    pub skill: String,
    /// The level, from 1 up; an agent has level 0 in a skill that is not listed.
    pub level: u16,
}

/// A person of the tenant.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Person {
    /// The name by which the person signs in; unique in the tenant, without regard to case.
    pub user_name: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// The person's settings as an agent, if the person is one.
    pub agent: Option<Agent>,
    /// The address for mail.
    #[serde(default)]
    pub email: Option<String>,
    /// The password as an Argon2id hash in PHC form; a person without one cannot sign in at pages.
    #[serde(default)]
    pub password: Option<Secret>,
    /// What the person shows besides the password, sealed with the installation's key; none for the password alone.
    #[serde(default)]
    pub second_factor: Option<Secret>,
    /// What the person may do.
    #[serde(default)]
    pub privileges: Vec<Privilege>,
    /// Whether the person may not sign in.
    #[serde(default)]
    pub disabled: bool,
    /// What another directory calls the person; unique in the tenant, case counts.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Whether the person chooses another password at the next sign-in with the present one.
    #[serde(default)]
    pub change_password: bool,
}

/// A seat with its DNs; a DN is in at most one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// Its DNs.
    pub dns: Vec<String>,
    /// Where it is, for emergency calls; none means where the tenant is.
    #[serde(default)]
    pub location: Option<Location>,
    /// The capacity rule of whoever sits there, if the person has none.
    #[serde(default)]
    pub capacity_rule: Option<String>,
}

/// A directory number of the tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dn {
    /// The number (for a virtual queue: its name).
    pub number: String,
    /// The name of its switch; none means the tenant's default one, if any.
    #[serde(default)]
    pub switch: Option<String>,
    /// The kind of the DN, with its settings.
    #[serde(flatten)]
    pub kind: DnKind,
}

impl Dn {
    /// A DN that names no switch.
    pub const fn new(number: String, kind: DnKind) -> Self {
        Self { number, switch: None, kind }
    }
}

/// The kind of a DN, with its settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DnKind {
    /// A phone that registers.
    Extension {
        /// Its SIP password; its SIP user is the number.
        password: Secret,
        /// How long it rings, in seconds; none means the tenant's.
        no_answer_s: Option<u32>,
        /// Whether another call rings while it is in one; otherwise it is busy.
        #[serde(default = "call_waiting")]
        call_waiting: bool,
        /// How many calls outside it may have at a time; none means the tenant's.
        #[serde(default)]
        outgoing_max: Option<u32>,
        /// Whether its audio may go to another party directly, without media.
        #[serde(default)]
        direct_media: bool,
        /// Whether its audio is encrypted.
        #[serde(default)]
        encryption: Encryption,
        /// Where it is, for emergency calls; none means where its place is.
        #[serde(default)]
        location: Option<Box<Location>>,
    },
    /// Calls wait here while an application decides.
    RoutePoint {
        /// The application's name.
        application: String,
        /// The DN to which the call goes when no instruction comes in time.
        default_dn: Option<String>,
        /// A call answered within this number of seconds is answered in time.
        #[serde(default = "service_level_s")]
        service_level_s: u32,
        /// A call abandoned within this number of seconds does not count for the service level.
        #[serde(default = "short_abandon_s")]
        short_abandon_s: u32,
        /// After-call work of its calls in seconds; none means the agent's.
        #[serde(default)]
        wrap_up_s: Option<u32>,
    },
    /// A virtual queue, in which calls are counted.
    VirtualQueue,
    /// The caller hears itself.
    Echo,
    /// Prompts one after the other, then the call is released.
    Announcement {
        /// Names of prompts.
        prompts: Vec<String>,
    },
}

/// Default of a route point's service level, in seconds.
pub const SERVICE_LEVEL_S: u32 = 20;
/// Default of the time within which an abandoned call is a short one, in seconds.
pub const SHORT_ABANDON_S: u32 = 5;

const fn call_waiting() -> bool {
    true
}

const fn service_level_s() -> u32 {
    SERVICE_LEVEL_S
}

const fn short_abandon_s() -> u32 {
    SHORT_ABANDON_S
}

/// An external number that callers dial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// In E.164 form, as `+15550100`.
    pub number: String,
    /// Its meaning, as `sales`.
    pub name: String,
    /// The DN that takes the call.
    pub dn: String,
    /// The name of the schedule that says when the number is open; none: always.
    #[serde(default)]
    pub schedule: Option<String>,
    /// The DN that takes calls while it is closed.
    #[serde(default)]
    pub closed_dn: Option<String>,
}

/// A line to a carrier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trunk {
    /// Its name.
    pub name: String,
    /// Source addresses of its calls, as `127.0.0.0/8`.
    pub allow: Vec<String>,
    /// The domains of which the certificate of who calls by it must have one, as `sbc.carrier.example`; none if no certificate is needed.
    #[serde(default)]
    pub certificate_names: Vec<String>,
    /// The user name for which who calls by it has to give a password; none if no password is asked for.
    #[serde(default)]
    pub inbound_user: Option<String>,
    /// The password of that user. Absent where secrets are not shown.
    #[serde(default)]
    pub inbound_password: Option<Secret>,
    /// Where it takes calls: `203.0.113.9:5060`, with `;transport=tcp` for a connection, `;transport=tls` for an encrypted one.
    pub contact: Option<String>,
    /// What the numbers that lead to it begin with, as `+`.
    pub prefix: Option<String>,
    /// The number that is shown to who is called; none shows that of the phone.
    #[serde(default)]
    pub caller_id: Option<String>,
    /// Its place among trunks of one prefix: the lowest is tried first.
    #[serde(default)]
    pub priority: Option<u32>,
    /// Its share of the calls among trunks of one prefix and priority.
    #[serde(default)]
    pub weight: Option<u32>,
    /// How long it may say nothing before the next trunk is tried, in seconds.
    #[serde(default)]
    pub try_s: Option<u32>,
    /// The user name of the account.
    #[serde(default)]
    pub user: Option<String>,
    /// The password of that user. Absent where secrets are not shown.
    #[serde(default)]
    pub password: Option<Secret>,
    /// How many calls it takes at a time, in and out; none without a limit.
    #[serde(default)]
    pub calls_max: Option<u32>,
    /// Whether its carrier hears who calls before it answers.
    #[serde(default)]
    pub early_speech: bool,
    /// Whether audio may go between its carrier and a phone directly, without media.
    #[serde(default)]
    pub direct_media: bool,
    /// Whether its carrier is asked by OPTIONS whether it is there.
    #[serde(default)]
    pub options: bool,
    /// Whether we register with its carrier, under its user.
    #[serde(default)]
    pub register: bool,
    /// Whether the audio with its carrier is encrypted.
    #[serde(default)]
    pub encryption: Encryption,
    /// The codecs that are spoken with its carrier, in order of preference, as `PCMA` and `opus`; none: the tenant's.
    #[serde(default)]
    pub codecs: Vec<String>,
    /// How keys go to its carrier and come from it; none: as is negotiated.
    #[serde(default)]
    pub dtmf: Option<DtmfForm>,
    /// The session interval that is asked of its carrier and granted to it, in seconds (RFC 4028); none: the installation's.
    #[serde(default)]
    pub session_expires_s: Option<u32>,
    /// Whether its carrier is told that we support reliable provisional responses (RFC 3262); none: it is.
    #[serde(default)]
    pub reliable: Option<bool>,
    /// How many calls a second go out by it; none without a limit.
    #[serde(default)]
    pub calls_per_second: Option<u32>,
    /// Whether no further calls go out by it.
    #[serde(default)]
    pub drain: bool,
    /// Whether its carrier is told the number that calls by P-Asserted-Identity.
    #[serde(default)]
    pub asserts_identity: bool,
    /// The user name that answers its challenges, where that is not `user`.
    #[serde(default)]
    pub auth_user: Option<String>,
    /// Its carrier's domain, where that is not the host of `contact`.
    #[serde(default)]
    pub domain: Option<String>,
    /// How its carrier is told who has diverted a call.
    #[serde(default)]
    pub diversion: DiversionForm,
    /// Whether its carrier gets what the caller's application gives to that of who is called (User-to-User).
    #[serde(default)]
    pub user_to_user: bool,
    /// Whether its carrier is told where the caller of an emergency call is.
    #[serde(default)]
    pub location: bool,
    /// Rules that change headers of its INVITEs, in the order in which they apply.
    #[serde(default)]
    pub headers: Vec<HeaderRule>,
    /// How calls to it are signed, and signatures of those from it verified.
    #[serde(default)]
    pub stir: Stir,
}

/// A routing application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Its name.
    pub name: String,
    /// The SCXML document.
    pub document: String,
    /// What the document looks up while it runs.
    #[serde(default)]
    pub options: ApplicationOptions,
}

impl Application {
    /// An application without options.
    pub const fn new(name: String, document: String) -> Self {
        Self { name, document, options: BTreeMap::new() }
    }

    /// Bytes of the names of the sections of its options, of their keys and of their values.
    pub fn option_bytes(&self) -> usize {
        lookup::bytes_of_sections(&self.options)
    }
}

/// Options of an application: values by section and key.
pub type ApplicationOptions = BTreeMap<String, BTreeMap<String, String>>;

/// A recorded prompt or music.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// Its name.
    pub name: String,
    /// The sound file, relative to the folder of prompts.
    pub file: String,
    /// What was uploaded of it, a recording for each language, the one that is played where none is asked for first. Without any the file is
    /// played.
    #[serde(default)]
    pub audio: Vec<PromptAudio>,
}
