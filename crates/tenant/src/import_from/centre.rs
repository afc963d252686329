//! What configurations of queues have in common, and how it becomes a tenant.
//!
//! A queue becomes a skill, a virtual queue and a route point with an application; an agent becomes a person with levels of those skills,
//! at the place of a phone.

use std::collections::{BTreeMap, HashSet};

use contracts::provisioning::{
    Agent, AgentRules, Application, Dn, DnKind, Encryption, FeatureAction, FeatureCode, Person, Place, Privilege,
    Prompt, SERVICE_LEVEL_S, SHORT_ABANDON_S, Secret, SignInRules, Skill, SkillLevel, Tenant, TenantObjects, Trunk,
};

use super::TenantNames;
use super::application::document;
use super::remarks::{Remarks, Spot};
use crate::file::GENERATED;

/// The number of the first route point; the others follow.
const FIRST_ROUTE_POINT: u64 = 9_000;
/// How long a phone rings where the configuration does not say it, in seconds.
const NO_ANSWER_S: u32 = 15;
/// The level of who is asked first. Each step behind it is one less, down to 1.
const LEVEL_MAX: u32 = 10;

/// A contact centre, as another program describes it.
#[derive(Default)]
pub(super) struct Centre {
    pub realm: Option<String>,
    pub no_answer_s: Option<u32>,
    pub phones: Vec<SourcePhone>,
    pub agents: Vec<SourceAgent>,
    pub queues: Vec<SourceQueue>,
    pub trunks: Vec<Trunk>,
}

/// A phone that registers.
pub(super) struct SourcePhone {
    pub number: String,
    pub password: Option<Secret>,
    pub no_answer_s: Option<u32>,
    pub call_waiting: bool,
    pub direct_media: bool,
    pub encryption: Encryption,
    /// The name of who has it.
    pub caller: Option<String>,
}

impl SourcePhone {
    pub fn new(number: &str) -> Self {
        Self {
            number: number.to_owned(),
            password: None,
            no_answer_s: None,
            call_waiting: true,
            direct_media: false,
            encryption: Encryption::Off,
            caller: None,
        }
    }
}

/// Somebody, or a phone, to whom queues give calls.
pub(super) struct SourceAgent {
    pub id: String,
    pub caller: Option<String>,
    pub phone: Option<String>,
    pub wrap_up_s: Option<u32>,
    /// Names of queues, and how many steps behind the first each is asked there.
    pub queues: BTreeMap<String, u32>,
    pub at: Spot,
}

/// A queue.
pub(super) struct SourceQueue {
    pub name: String,
    pub most_wait_s: Option<u32>,
    pub service_level_s: Option<u32>,
    pub wrap_up_s: Option<u32>,
    pub at: Spot,
}

impl Centre {
    /// The phone of that number, which is new if there is none.
    pub fn phone(&mut self, number: &str) -> &mut SourcePhone {
        let at = self.phones.iter().position(|phone| phone.number == number).unwrap_or_else(|| {
            self.phones.push(SourcePhone::new(number));
            self.phones.len() - 1
        });
        &mut self.phones[at]
    }

    /// The tenant.
    pub fn objects(self, names: &TenantNames, remarks: &mut Remarks) -> TenantObjects {
        let realm = names.realm.clone().or(self.realm).unwrap_or_else(|| format!("{}.invalid", names.id));
        let mut objects = TenantObjects::new(tenant(names, realm, self.no_answer_s));
        objects.prompts = ["music", "all-busy"].map(prompt).into();
        objects.feature_codes = feature_codes();
        let callers: BTreeMap<String, String> =
            self.phones.iter().filter_map(|phone| Some((phone.number.clone(), phone.caller.clone()?))).collect();
        let mut taken: HashSet<String> = self.phones.iter().map(|phone| phone.number.clone()).collect();
        for phone in self.phones {
            objects.places.push(Place {
                name: place_of(&phone.number),
                dns: vec![phone.number.clone()],
                location: None,
                capacity_rule: None,
            });
            objects.dns.push(dn(phone));
        }
        let mut skills = BTreeMap::new();
        for queue in self.queues {
            let skill = skill_of(&queue, &mut objects, remarks);
            skills.insert(queue.name.clone(), skill.clone());
            add_queue(queue, skill, &mut objects, &mut taken, remarks);
        }
        // As a tenant's file has them.
        objects.dns.sort_by_key(|dn| dn.kind == DnKind::VirtualQueue);
        let mut seats = HashSet::new();
        for agent in self.agents {
            objects.people.push(person(agent, &skills, &callers, &mut seats, remarks));
        }
        objects.trunks = self.trunks;
        objects
    }
}

fn tenant(names: &TenantNames, realm: String, no_answer_s: Option<u32>) -> Tenant {
    Tenant {
        id: names.id.clone(),
        name: names.name.clone(),
        realm,
        codecs: ["PCMA", "PCMU", "G722", "opus"].map(str::to_owned).into(),
        hold_music: "music".to_owned(),
        no_answer_s: no_answer_s.unwrap_or(NO_ANSWER_S),
        wrap_up_s: 0,
        confirmation_prompt: None,
        refusal_prompt: None,
        country_prefix: None,
        national_prefix: None,
        international_prefix: None,
        time_zone: None,
        outgoing_max: None,
        agents: AgentRules::default(),
        location: None,
        require_second_factor: Vec::new(),
        sign_in: SignInRules::default(),
    }
}

/// One of the prompts that come with the program.
fn prompt(name: &str) -> Prompt {
    Prompt::of_file(name.to_owned(), format!("{name}.wav"))
}

/// Without codes nobody could log in by phone; these are the example's.
fn feature_codes() -> Vec<FeatureCode> {
    let codes = [
        ("*50", FeatureAction::Login),
        ("*51", FeatureAction::Logout),
        ("*52", FeatureAction::Ready),
        ("*53", FeatureAction::NotReady),
    ];
    codes.map(|(code, action)| FeatureCode { code: code.to_owned(), action, ask_pin: false }).into()
}

fn place_of(number: &str) -> String {
    format!("P{number}")
}

fn dn(phone: SourcePhone) -> Dn {
    let kind = DnKind::Extension {
        password: phone.password.unwrap_or_else(|| Secret(GENERATED.to_owned())),
        no_answer_s: phone.no_answer_s,
        call_waiting: phone.call_waiting,
        outgoing_max: None,
        direct_media: phone.direct_media,
        encryption: phone.encryption,
        location: None,
    };
    Dn::new(phone.number, kind)
}

/// The queue's skill, whose name an expression can name.
fn skill_of(queue: &SourceQueue, objects: &mut TenantObjects, remarks: &mut Remarks) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut name: String = queue.name.chars().map(letter).collect();
    // A number, or a word of the expressions' language, would not be taken for a skill.
    let is_word = ["and", "or", "not", "skill"].contains(&name.to_lowercase().as_str());
    if is_word || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert_str(0, "Queue_");
    }
    while objects.skills.iter().any(|skill| skill.name.eq_ignore_ascii_case(&name)) {
        name.push('_');
    }
    if name != queue.name {
        remarks.add(&queue.at, "queue", &queue.name, format!("its skill is called {name}, which expressions can name"));
    }
    objects.skills.push(Skill { name: name.clone() });
    name
}

fn add_queue(
    queue: SourceQueue,
    skill: String,
    objects: &mut TenantObjects,
    taken: &mut HashSet<String>,
    remarks: &mut Remarks,
) {
    let mut counted = queue.name.clone();
    while taken.contains(&counted) {
        counted.insert_str(0, "queue-");
    }
    if counted != queue.name {
        remarks.add(
            &queue.at,
            "queue",
            &queue.name,
            format!("there is a phone of that number: the virtual queue is {counted}"),
        );
    }
    taken.insert(counted.clone());
    let free = (FIRST_ROUTE_POINT..).map(|number| number.to_string()).find(|number| !taken.contains(number));
    let number = free.unwrap_or_default();
    taken.insert(number.clone());
    remarks.add(
        &queue.at,
        "queue",
        &queue.name,
        format!(
            "its route point is {number}: the dial plan was not read, so let `numbers` of the tenant's file lead there"
        ),
    );
    let document = document(&counted, &skill, queue.most_wait_s);
    objects.applications.push(Application::new(skill.clone(), document));
    objects.dns.push(Dn::new(counted, DnKind::VirtualQueue));
    let kind = DnKind::RoutePoint {
        application: skill,
        default_dn: None,
        service_level_s: queue.service_level_s.unwrap_or(SERVICE_LEVEL_S),
        short_abandon_s: SHORT_ABANDON_S,
        wrap_up_s: queue.wrap_up_s,
    };
    objects.dns.push(Dn::new(number, kind));
}

fn person(
    agent: SourceAgent,
    skills: &BTreeMap<String, String>,
    callers: &BTreeMap<String, String>,
    seats: &mut HashSet<String>,
    remarks: &mut Remarks,
) -> Person {
    let caller = agent.caller.or_else(|| callers.get(agent.phone.as_deref()?).cloned());
    let (first_name, last_name) = names_of(caller.as_deref(), &agent.id);
    let place = agent.phone.filter(|phone| is_seat_free(phone, seats, &agent.id, &agent.at, remarks));
    let mut levels = Vec::new();
    for (queue, steps) in agent.queues {
        match skills.get(&queue) {
            Some(skill) => levels.push(SkillLevel { skill: skill.clone(), level: level_of(steps) }),
            None => remarks.add(&agent.at, "queue", &queue, "left out: there is no such queue"),
        }
    }
    Person {
        user_name: agent.id.clone(),
        first_name,
        last_name,
        agent: Some(Agent {
            login_code: agent.id.clone(),
            id: agent.id,
            pin: None,
            default_place: place.as_deref().map(place_of),
            wrap_up_s: agent.wrap_up_s,
            legal_guard_s: None,
            no_answer_action: None,
            skills: levels,
            capacity_rule: None,
        }),
        privileges: vec![Privilege::Agent],
        ..Person::default()
    }
}

/// Whether nobody else has that phone.
fn is_seat_free(phone: &str, seats: &mut HashSet<String>, agent: &str, at: &Spot, remarks: &mut Remarks) -> bool {
    let is_free = seats.insert(phone.to_owned());
    if !is_free {
        remarks.add(at, "agent", agent, format!("another agent has phone {phone}: this one has no place"));
    }
    is_free
}

fn level_of(steps: u32) -> u16 {
    u16::try_from(LEVEL_MAX.saturating_sub(steps).max(1)).unwrap_or(1)
}

fn names_of(caller: Option<&str>, id: &str) -> (String, String) {
    let mut words = caller.unwrap_or_default().split_whitespace();
    match (words.next(), words.collect::<Vec<_>>().join(" ")) {
        (None, _) => ("Agent".to_owned(), id.to_owned()),
        (Some(only), rest) if rest.is_empty() => (only.to_owned(), id.to_owned()),
        (Some(first), rest) => (first.to_owned(), rest),
    }
}
