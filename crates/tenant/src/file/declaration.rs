//! The declaration of the tenant's file.

use contracts::provisioning::networks::CERTIFICATE_NAMES_MAX;
use contracts::provisioning::{DiversionForm, DtmfForm};
use model::plan::PEOPLE_MAX;
use serde_json::{Value as Json, json};

use super::access::{
    CHANGE_PASSWORD, CLIENTS, DISABLED, EMAIL, EXTERNAL_ID, PERSONS_PASSWORD, PERSONS_PRIVILEGES,
    PERSONS_SECOND_FACTOR, REQUIRE_SECOND_FACTOR,
};
use super::action_codes::ACTION_CODES;
use super::agent_logins::AGENT_LOGINS;
use super::agents::{AGENTS, NO_ANSWER_ACTION, THRESHOLD, WRAP_UP};
use super::attributes::BUSINESS_ATTRIBUTES;
use super::campaigns::{CALLING_LISTS, CAMPAIGN_GROUPS, CAMPAIGNS};
use super::capacity::{AGENTS_RULE, CAPACITY_RULES, PLACES_RULE};
use super::dialling::{DIAL_RULES, SCHEDULES};
use super::dn_groups::DN_GROUPS;
use super::feature_codes::FEATURE_CODES;
use super::groups::{AGENT_GROUPS, PLACE_GROUPS};
use super::headers::HEADERS;
use super::ivr_profiles::IVR_PROFILES;
use super::location::LOCATION;
use super::lookup::{LISTS, OPTIONS};
use super::permissions::{ACCESS_GROUPS, FOLDERS, ROLES};
use super::prompt_audio::AUDIO;
use super::shape::Need::{Optional, Required};
use super::shape::{NAME, Shape, USER_PROPERTIES, field, schema};
use super::sign_in::SIGN_IN;
use super::statistic_definitions::STATISTIC_DEFINITIONS;
use super::stir::STIR;
use super::switches::{DNS_SWITCH, SWITCHES};
use super::transactions::TRANSACTIONS;
use super::trunk_groups::TRUNK_GROUPS;

const NAMES: Shape = Shape::List { of: &NAME, max: 1_000 };
const CERTIFICATE_NAMES: Shape = Shape::List { of: &NAME, max: CERTIFICATE_NAMES_MAX };
const SECRET: Shape = Shape::Secret { max: 128 };
const PATH: Shape = Shape::Text { max: 1_024 };

/// The most phones, DNs of another type, places and numbers: of each as many.
const DNS_MAX: usize = 400_000;
/// The most skills.
const SKILLS_MAX: usize = 10_000;

/// A tenant's file.
pub(super) static TENANT: Shape = Shape::Record(&[
    field("tenant", Required, &NAME, "The tenant's id: in keys, tokens and paths. It cannot be changed later."),
    field("name", Required, &NAME, "What people call the tenant."),
    field("realm", Required, &NAME, "Realm of the phones' digests and host part of their addresses."),
    field("codecs", Optional, &CODECS, "Codecs in order of preference; without it PCMA, PCMU, G722, opus."),
    field("hold_music", Required, &NAME, "The prompt that a held party hears."),
    field("no_answer_s", Optional, &RING, "How long a phone rings before the call goes elsewhere; without it 15."),
    field("wrap_up_s", Optional, &WRAP_UP, "After-call work in seconds; without it 0, which is none."),
    field(
        "confirmation_prompt",
        Optional,
        &NAME,
        "The prompt that confirms a feature code; without it logged-in, logged-out, ready and not-ready, which come with the program.",
    ),
    field(
        "refusal_prompt",
        Optional,
        &NAME,
        "The prompt that refuses a feature code; without it error, which comes with the program.",
    ),
    field("country_prefix", Optional, &NAME, "What a national number begins with when dialled in full, as \"+49\"."),
    field("national_prefix", Optional, &NAME, "What stands before a national number, as \"0\"."),
    field("international_prefix", Optional, &NAME, "What stands before an international number, as \"00\"."),
    field(
        "time_zone",
        Optional,
        &NAME,
        "The time zone of the tenant's clocks by its IANA name, as Europe/Berlin: the wallboard's day begins at its midnight. Without it UTC.",
    ),
    field(
        "outgoing_max",
        Optional,
        &CALLS,
        "How many calls outside a phone may have at a time, if it has no limit of its own; without it as many as it likes.",
    ),
    REQUIRE_SECOND_FACTOR,
    SIGN_IN,
    field("agents", Optional, &AGENTS, "What holds for all agents."),
    field(
        "location",
        Optional,
        &LOCATION,
        "Where its phones are, for emergency calls by trunks with `location: true`, if neither they nor their places say so.",
    ),
    field("skills", Optional, &SKILLS, "Names of skills."),
    field(
        "prompts",
        Optional,
        &PROMPTS,
        "Prompts and music by name. The file is the name with .wav: in prompts/<tenant> or prompts of the data directory, else that of the program.",
    ),
    field("applications", Optional, &APPLICATIONS, "Applications by name: the SCXML file, relative to this file."),
    SWITCHES,
    field("phones", Optional, &PHONES, "Phones that register."),
    field("route_points", Optional, &ROUTE_POINTS, "DNs at which calls wait while an application decides."),
    field("services", Optional, &SERVICES, "DNs that need no application."),
    field("queues", Optional, &QUEUES, "Virtual queues, in which waiting calls are counted."),
    field("places", Optional, &PLACES, "Seats with their DNs; a DN is in at most one."),
    field("people", Optional, &PEOPLE, "The people of the tenant."),
    AGENT_LOGINS,
    field("numbers", Optional, &NUMBERS, "Numbers that the outside dials."),
    field("trunks", Optional, &TRUNKS, "Lines to carriers."),
    field("feature_codes", Optional, &FEATURE_CODES, "Codes that agents dial."),
    field("schedules", Optional, &SCHEDULES, "When numbers are open."),
    field(
        "dial_rules",
        Optional,
        &DIAL_RULES,
        "Rules about numbers. Of each action, the first that is about a number applies; of limits and routes, all do.",
    ),
    field("clients", Optional, &CLIENTS, "Programs that get tokens, for people or for themselves."),
    AGENT_GROUPS,
    ACTION_CODES,
    LISTS,
    BUSINESS_ATTRIBUTES,
    PLACE_GROUPS,
    DN_GROUPS,
    TRUNK_GROUPS,
    CALLING_LISTS,
    CAMPAIGNS,
    CAMPAIGN_GROUPS,
    IVR_PROFILES,
    STATISTIC_DEFINITIONS,
    CAPACITY_RULES,
    TRANSACTIONS,
    ACCESS_GROUPS,
    ROLES,
    FOLDERS,
    USER_PROPERTIES,
]);

static SKILLS: Shape = Shape::List { of: &NAMED, max: SKILLS_MAX };
static QUEUES: Shape = Shape::List { of: &QUEUE, max: DNS_MAX };
static NAMED: Shape = Shape::ShortObject { value: &NAME, key: "name", doc: "Its name.", more: &[] };
static QUEUE: Shape = Shape::ShortObject { value: &NAME, key: "name", doc: "Its name.", more: &[DNS_SWITCH] };
static PROMPT: Shape = Shape::ShortObject { value: &PATH, key: "file", doc: "Its file.", more: &[AUDIO] };
static APPLICATION: Shape = Shape::ShortObject { value: &PATH, key: "file", doc: "Its file.", more: &[OPTIONS] };
static CODEC: Shape = Shape::OneOf(&["PCMU", "PCMA", "G722", "opus"]);
static CODECS: Shape = Shape::List { of: &CODEC, max: 4 };
static TRUNK_CODECS: Shape = Shape::Choice { of: &CODEC, max: 4 };
static RING: Shape = Shape::Number { min: 1, max: 600 };
static ENCRYPTION: Shape = Shape::OneOf(&["off", "offered", "required", "dtls"]);
static PROMPTS: Shape = Shape::Named { of: &PROMPT, max: 10_000 };
static APPLICATIONS: Shape = Shape::Named { of: &APPLICATION, max: 1_000 };

static PHONES: Shape = Shape::List {
    of: &Shape::Object(&[
        field("number", Required, &NAME, "Its number, which is its SIP user too."),
        field(
            "password",
            Required,
            &SECRET,
            "Its SIP password. `generated` makes one at the first import, which later imports keep and `trunkline tenant export --reveal-secrets` shows.",
        ),
        field("no_answer_s", Optional, &RING, "How long it rings; without it as the tenant says."),
        field(
            "call_waiting",
            Optional,
            &Shape::Flag,
            "Whether another call rings while it is in one, as without this key; otherwise it is busy then.",
        ),
        field(
            "outgoing_max",
            Optional,
            &CALLS,
            "How many calls outside it may have at a time; without it as the tenant says.",
        ),
        field(
            "direct_media",
            Optional,
            &Shape::Flag,
            "Whether its audio may go to another party directly; without it false: through media. Has no effect where `encryption` is not off.",
        ),
        field(
            "encryption",
            Optional,
            &ENCRYPTION,
            "Whether its audio is encrypted (SRTP): offered, if the phone can; required, or the call is refused; dtls, the same with keys agreed by DTLS as browsers do it; without it off.",
        ),
        field("location", Optional, &LOCATION, "Where it is, for emergency calls; without it as its place says."),
        DNS_SWITCH,
    ]),
    max: DNS_MAX,
};

static ROUTE_POINTS: Shape = Shape::List {
    of: &Shape::Object(&[
        field("number", Required, &NAME, "Its number."),
        field("application", Required, &NAME, "The application that it runs."),
        field("default_dn", Optional, &NAME, "Where a call goes when no instruction comes in time."),
        field(
            "service_level_s",
            Optional,
            &THRESHOLD,
            "A call that is answered within so many seconds is answered in time, as the wallboard counts; without it 20.",
        ),
        field(
            "short_abandon_s",
            Optional,
            &THRESHOLD,
            "A caller who gives up within so many seconds does not count for the service level; without it 5.",
        ),
        field("wrap_up_s", Optional, &WRAP_UP, "After-call work of its calls in seconds; without it as the agent has."),
        DNS_SWITCH,
    ]),
    max: DNS_MAX,
};

static SERVICES: Shape = Shape::List {
    of: &Shape::Object(&[
        field("number", Required, &NAME, "Its number."),
        field("type", Required, &Shape::OneOf(&["echo", "announcement"]), "What the caller hears."),
        field("prompts", Optional, &NAMES, "For an announcement: prompts one after the other."),
        DNS_SWITCH,
    ]),
    max: DNS_MAX,
};

static PLACES: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field("dns", Required, &NAMES, "Its DNs."),
        field("location", Optional, &LOCATION, "Where it is, for emergency calls; without it as the tenant says."),
        PLACES_RULE,
    ]),
    max: DNS_MAX,
};

static PEOPLE: Shape = Shape::List {
    of: &Shape::Object(&[
        field("user", Required, &NAME, "The name by which the person signs in."),
        field("first_name", Required, &NAME, "First name."),
        field("last_name", Required, &NAME, "Last name."),
        field("agent", Optional, &AGENT, "The person's work as an agent."),
        EMAIL,
        PERSONS_PASSWORD,
        PERSONS_SECOND_FACTOR,
        PERSONS_PRIVILEGES,
        DISABLED,
        EXTERNAL_ID,
        CHANGE_PASSWORD,
    ]),
    max: PEOPLE_MAX,
};

static AGENT: Shape = Shape::Record(&[
    field("id", Required, &NAME, "The employee id."),
    field("login_code", Optional, &NAME, "The login code on the switch; without it the id."),
    field(
        "pin",
        Optional,
        &SECRET,
        "What the agent types to log in by phone: the import keeps its Argon2id hash alone, with the number of digits behind it. A text that begins with $argon2id$ is such a hash. `generated` makes one of six digits, which the import that makes it shows, and nothing later.",
    ),
    field("place", Optional, &NAME, "The place whose phone logs this agent in."),
    field("wrap_up_s", Optional, &WRAP_UP, "After-call work in seconds; without it as the tenant says."),
    field(
        "legal_guard_s",
        Optional,
        &WRAP_UP,
        "The rest after a business call in seconds; without it as the tenant says.",
    ),
    field(
        "no_answer_action",
        Optional,
        &NO_ANSWER_ACTION,
        "What happens after a call that was not answered; without it as the tenant says.",
    ),
    field("skills", Optional, &LEVELS, "Skills and levels; a skill that is not listed is 0."),
    AGENTS_RULE,
]);

static LEVELS: Shape = Shape::Named { of: &Shape::Number { min: 1, max: 1_000 }, max: 1_000 };

static NUMBERS: Shape = Shape::List {
    of: &Shape::Object(&[
        field("number", Required, &NAME, "In E.164 form, as \"+15550100\"."),
        field("name", Required, &NAME, "What is meant by it, as \"sales\"."),
        field("dn", Required, &NAME, "The DN that takes the call."),
        field("schedule", Optional, &NAME, "The schedule that says when the number is open; without it always."),
        field("closed_dn", Optional, &NAME, "The DN that takes calls while it is closed."),
    ]),
    max: DNS_MAX,
};

static TRUNKS: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field("allow", Required, &NAMES, "Sources from which its calls come, as 127.0.0.0/8."),
        field(
            "certificate_names",
            Optional,
            &CERTIFICATE_NAMES,
            "Domains, as sbc.carrier.example: its calls come by TLS from whoever shows a certificate for one of them, from the sources in `allow` or, where that is empty, from anywhere.",
        ),
        field(
            "inbound_user",
            Optional,
            &NAME,
            "The user name with which who calls by it answers our challenge (407), beside its address or certificate.",
        ),
        field(
            "inbound_password",
            Optional,
            &SECRET,
            "The password of inbound_user. `generated` makes one at the first import, as for phones.",
        ),
        field(
            "contact",
            Optional,
            &NAME,
            "Where it takes calls: a name or an address, as \"sip.carrier.example\" or \"203.0.113.9:5060\", with \";transport=udp\", \"tcp\" or \"tls\" where one is wanted.",
        ),
        field(
            "prefix",
            Optional,
            &NAME,
            "What the numbers that lead to it begin with, as \"+\". Of several trunks, those with the longest prefix take a call.",
        ),
        field(
            "priority",
            Optional,
            &SMALL,
            "Its place among trunks of one prefix: the lowest is tried first, the next one if it does not take the call. Without it 0.",
        ),
        field(
            "weight",
            Optional,
            &SMALL,
            "Its share of the calls among trunks of one prefix and priority. Without it 0: it takes calls that no other takes, in the order of the file.",
        ),
        field(
            "try_s",
            Optional,
            &TRY,
            "How long it may say nothing before the next trunk is tried, in seconds; without it 10.",
        ),
        field(
            "caller_id",
            Optional,
            &NAME,
            "The number that is shown to who is called. Without it, that of the phone, or of who was transferred.",
        ),
        field("user", Optional, &NAME, "The user name for a carrier that asks for a password (401, 407)."),
        field("password", Optional, &SECRET, "The password of that user, as the carrier has given it."),
        field(
            "auth_user",
            Optional,
            &NAME,
            "The user name for the password, where the carrier has given another one for that (authentication name, auth id).",
        ),
        field(
            "domain",
            Optional,
            &NAME,
            "The carrier's domain (realm, SIP domain), where that is not the host of contact: it stands behind our numbers and the account.",
        ),
        field(
            "calls_max",
            Optional,
            &CALLS,
            "How many calls it takes at a time, those in and those out together; without it as many as come.",
        ),
        field(
            "calls_per_second",
            Optional,
            &CALLS,
            "How many calls a second go out by it; one more takes the next trunk. Without it as many as come.",
        ),
        field(
            "drain",
            Optional,
            &Shape::Flag,
            "Whether no further calls go out by it; those that it has go on. For work on its carrier's side.",
        ),
        field(
            "asserts_identity",
            Optional,
            &Shape::Flag,
            "Whether its carrier is told the number that calls by P-Asserted-Identity, beside From.",
        ),
        field(
            "diversion",
            Optional,
            &DIVERSION,
            "How its carrier is told who has diverted a call that goes out again: none, diversion, history-info or both; without it diversion.",
        ),
        field(
            "user_to_user",
            Optional,
            &Shape::Flag,
            "Whether its carrier gets what the caller's application gives to that of who is called (User-to-User); without it false.",
        ),
        field(
            "location",
            Optional,
            &Shape::Flag,
            "Whether its carrier is told where the caller of an emergency call is (PIDF-LO); without it false.",
        ),
        field(
            "headers",
            Optional,
            &HEADERS,
            "Rules that change headers of its INVITEs. Each applies to what the ones before have left.",
        ),
        field(
            "stir",
            Optional,
            &STIR,
            "How calls to its carrier are signed, and signatures of those from it verified (STIR/SHAKEN).",
        ),
        field(
            "early_speech",
            Optional,
            &Shape::Flag,
            "Whether its carrier hears who calls before it answers, as some need that take keys then; without it false: speech goes out from the answer on.",
        ),
        field(
            "direct_media",
            Optional,
            &Shape::Flag,
            "Whether audio may go between its carrier and a phone directly; without it false: through media. Has no effect where `encryption` is not off, or with `codecs`, or with `dtmf` that is info or tones.",
        ),
        field(
            "codecs",
            Optional,
            &TRUNK_CODECS,
            "The codecs that are offered to its carrier, in this order, and taken from it, and no others; without it the tenant's.",
        ),
        field(
            "dtmf",
            Optional,
            &DTMF,
            "How keys go to its carrier and come from it: as telephone events (RFC 4733), by SIP INFO, or as tones in the audio; without it as is negotiated.",
        ),
        field(
            "session_expires_s",
            Optional,
            &SESSION,
            "The session interval that is asked of its carrier and granted to it, in seconds (RFC 4028); without it that of the installation.",
        ),
        field(
            "reliable",
            Optional,
            &Shape::Flag,
            "Whether its carrier is told that we support reliable provisional responses (100rel, RFC 3262); without it true. A carrier that requires them gets them.",
        ),
        field(
            "encryption",
            Optional,
            &ENCRYPTION,
            "Whether the audio with its carrier is encrypted (SRTP): offered, if the carrier can; required, or the call is refused; dtls, the same with keys agreed by DTLS; without it off.",
        ),
        field(
            "options",
            Optional,
            &Shape::Flag,
            "Whether its carrier is asked by OPTIONS every 10 s whether it is there, so that calls go by the next trunk at once while it is not; without it false: a call finds out.",
        ),
        field(
            "register",
            Optional,
            &Shape::Flag,
            "Whether Trunkline registers at `contact` under `user`, as carriers want that send calls to registered accounts; without it false.",
        ),
    ]),
    max: 10_000,
};

static CALLS: Shape = Shape::Number { min: 0, max: 100_000 };
static SMALL: Shape = Shape::Number { min: 0, max: 65_535 };
static TRY: Shape = Shape::Number { min: 1, max: 60 };

static SESSION: Shape = Shape::Number { min: 90, max: 86_400 };
static DTMF: Shape = Shape::OneOf(&DtmfForm::NAMES);
static DIVERSION: Shape = Shape::OneOf(&DiversionForm::NAMES);

/// The JSON Schema (2020-12) of the tenant's file.
pub fn json_schema() -> Json {
    let mut root =
        json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A tenant of Trunkline" });
    if let (Json::Object(root), Json::Object(shape)) = (&mut root, schema(&TENANT)) {
        root.extend(shape);
    }
    root
}
