//! Converts the tree to objects. Values that the shape check has reported are left out here and not reported again.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use contracts::provisioning::{
    Agent, AgentRules, Application, DiversionForm, Dn, DnKind, DtmfForm, Encryption, FeatureAction, FeatureCode,
    LoginPasswordRule, NoAnswerAction, Number, Object, ObjectKey, ObjectKind, Person, Place, Prompt, SERVICE_LEVEL_S,
    SHORT_ABANDON_S, Secret, Skill, SkillLevel, Tenant, TenantObjects, Trunk,
};

use super::action_codes;
use super::agent_logins;
use super::annexes;
use super::attributes;
use super::campaigns;
use super::capacity;
use super::dialling;
use super::dn_groups;
use super::gather::push;
use super::groups;
use super::headers;
use super::ivr_profiles;
use super::location;
use super::lookup;
use super::permissions;
use super::prompt_audio;
use super::sign_in;
use super::statistic_definitions;
use super::stir;
use super::switches;
use super::transactions;
use super::tree::{Node, Value, flag, list, number, short, text, texts};
use super::trunk_groups;
use super::{BrokenRule, Fault, access};

/// What a tenant speaks without a setting, the most wanted first.
const CODECS: [&str; 4] = ["PCMA", "PCMU", "G722", "opus"];
/// How long a phone rings without a setting, in seconds.
const NO_ANSWER_S: u32 = 15;

/// The objects of a file and their lines.
pub(super) struct Read {
    pub(super) objects: TenantObjects,
    pub(super) lines: HashMap<ObjectKey, usize>,
}

impl Read {
    /// The line of a prompt that was read.
    pub(super) fn line_of_prompt(&self, name: &str) -> usize {
        let key = ObjectKey { kind: ObjectKind::Prompt, id: name.to_owned() };
        self.lines.get(&key.folded()).copied().unwrap_or(1)
    }
}

/// Returns the text of an application's file; its path, key and line are for the faults.
pub(super) type Documents<'a> = dyn FnMut(&str, String, usize, &mut Vec<Fault>) -> String + 'a;

/// Converts a tree to objects; faults are duplicate names and unreadable documents.
pub(super) fn objects(root: &Node, documents: &mut Documents<'_>, faults: &mut Vec<Fault>) -> Read {
    let mut reader = Reader { objects: TenantObjects::new(tenant(root)), lines: HashMap::new(), faults };
    reader.names_and_files(root, documents);
    reader.dns(root);
    reader.places_and_people(root);
    reader.clients(root);
    reader.numbers_and_lines(root);
    reader.dialling(root);
    reader.groups_and_codes(root);
    reader.further(root);
    annexes::read(root, &mut reader.objects);
    Read { objects: reader.objects, lines: reader.lines }
}

fn tenant(root: &Node) -> Tenant {
    let codecs: Vec<String> = texts(root, "codecs");
    Tenant {
        id: text(root, "tenant").unwrap_or_default(),
        name: text(root, "name").unwrap_or_default(),
        realm: text(root, "realm").unwrap_or_default(),
        codecs: if codecs.is_empty() { CODECS.map(str::to_owned).to_vec() } else { codecs },
        hold_music: text(root, "hold_music").unwrap_or_default(),
        no_answer_s: number(root, "no_answer_s").unwrap_or(NO_ANSWER_S),
        wrap_up_s: number(root, "wrap_up_s").unwrap_or_default(),
        confirmation_prompt: text(root, "confirmation_prompt"),
        refusal_prompt: text(root, "refusal_prompt"),
        country_prefix: text(root, "country_prefix"),
        national_prefix: text(root, "national_prefix"),
        international_prefix: text(root, "international_prefix"),
        time_zone: text(root, "time_zone"),
        outgoing_max: number(root, "outgoing_max"),
        require_second_factor: access::read_privileges(root, "require_second_factor"),
        sign_in: sign_in::read(root),
        agents: root.get("agents").map(agent_rules).unwrap_or_default(),
        location: location::read(root),
    }
}

fn agent_rules(item: &Node) -> AgentRules {
    let default = AgentRules::default();
    AgentRules {
        no_answer_action: no_answer_action(item).unwrap_or(default.no_answer_action),
        legal_guard_s: number(item, "legal_guard_s").unwrap_or(default.legal_guard_s),
        logout_on_out_of_service: flag(item, "logout_on_out_of_service").unwrap_or(default.logout_on_out_of_service),
        auto_logout_min: number(item, "auto_logout_min").unwrap_or(default.auto_logout_min),
        auto_logout_ready: flag(item, "auto_logout_ready").unwrap_or(default.auto_logout_ready),
        untimed_wrap_up_s: number(item, "untimed_wrap_up_s").unwrap_or(default.untimed_wrap_up_s),
        timed_acw_in_idle: flag(item, "timed_acw_in_idle").unwrap_or(default.timed_acw_in_idle),
        acw_in_idle_force_ready: flag(item, "acw_in_idle_force_ready").unwrap_or(default.acw_in_idle_force_ready),
        login_password: text(item, "login_password")
            .and_then(|name| LoginPasswordRule::parse(&name))
            .unwrap_or(default.login_password),
        strict_action_codes: flag(item, "strict_action_codes").unwrap_or(default.strict_action_codes),
    }
}

struct Reader<'a> {
    objects: TenantObjects,
    lines: HashMap<ObjectKey, usize>,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    /// Stores the line of an object; a second object of its name is a fault and is left out.
    fn first(&mut self, kind: ObjectKind, id: &str, line: usize, key: String) -> bool {
        // Names of skills, places and people must differ by more than case.
        let key_of = ObjectKey { kind, id: id.to_owned() };
        match self.lines.entry(key_of.folded()) {
            Entry::Vacant(free) => {
                free.insert(line);
                true
            }
            Entry::Occupied(before) => {
                let rule = BrokenRule::other(format!("the name stands on line {} already", before.get()));
                self.faults.push(Fault { line, key, rule });
                false
            }
        }
    }

    fn names_and_files(&mut self, root: &Node, documents: &mut Documents<'_>) {
        for (index, item) in list(root, "skills").iter().enumerate() {
            if let Some(name) = short(item, "name")
                && self.first(ObjectKind::Skill, name, item.line, format!("skills[{index}]"))
            {
                self.objects.skills.push(Skill { name: name.to_owned() });
            }
        }
        for entry in root.get("prompts").map(Node::entries).unwrap_or_default() {
            if let Some(file) = short(&entry.node, "file")
                && self.first(ObjectKind::Prompt, &entry.key, entry.line, format!("prompts.{}", entry.key))
            {
                let (name, file) = (entry.key.clone(), file.to_owned());
                self.objects.prompts.push(Prompt { name, file, audio: prompt_audio::recordings(&entry.node) });
            }
        }
        for entry in root.get("applications").map(Node::entries).unwrap_or_default() {
            let key = format!("applications.{}", entry.key);
            let Some(file) = short(&entry.node, "file") else { continue };
            if !self.first(ObjectKind::Application, &entry.key, entry.line, key.clone()) {
                continue;
            }
            let document = documents(file, key, entry.node.line, self.faults);
            let options = lookup::sections_at(&entry.node, "options");
            self.objects.applications.push(Application { name: entry.key.clone(), document, options });
        }
    }

    fn dns(&mut self, root: &Node) {
        for (index, item) in list(root, "phones").iter().enumerate() {
            let password = Secret(text(item, "password").unwrap_or_default());
            let kind = DnKind::Extension {
                password,
                no_answer_s: number(item, "no_answer_s"),
                call_waiting: flag(item, "call_waiting").unwrap_or(true),
                outgoing_max: number(item, "outgoing_max"),
                direct_media: flag(item, "direct_media").unwrap_or_default(),
                encryption: encryption(item),
                location: location::read(item).map(Box::new),
            };
            self.dn(item, format!("phones[{index}]"), kind);
        }
        for (index, item) in list(root, "route_points").iter().enumerate() {
            let application = text(item, "application").unwrap_or_default();
            let kind = DnKind::RoutePoint {
                application,
                default_dn: text(item, "default_dn"),
                service_level_s: number(item, "service_level_s").unwrap_or(SERVICE_LEVEL_S),
                short_abandon_s: number(item, "short_abandon_s").unwrap_or(SHORT_ABANDON_S),
                wrap_up_s: number(item, "wrap_up_s"),
            };
            self.dn(item, format!("route_points[{index}]"), kind);
        }
        for (index, item) in list(root, "services").iter().enumerate() {
            let kind = match text(item, "type").as_deref() {
                Some("announcement") => DnKind::Announcement { prompts: texts(item, "prompts") },
                _ => DnKind::Echo,
            };
            self.dn(item, format!("services[{index}]"), kind);
        }
        for (index, item) in list(root, "queues").iter().enumerate() {
            if let Some(name) = short(item, "name")
                && self.first(ObjectKind::Dn, name, item.line, format!("queues[{index}]"))
            {
                let (number, switch) = (name.to_owned(), text(item, "switch"));
                self.objects.dns.push(Dn { number, switch, kind: DnKind::VirtualQueue });
            }
        }
    }

    fn dn(&mut self, item: &Node, key: String, kind: DnKind) {
        if let Some(number) = text(item, "number")
            && self.first(ObjectKind::Dn, &number, item.line, key)
        {
            self.objects.dns.push(Dn { number, switch: text(item, "switch"), kind });
        }
    }

    fn places_and_people(&mut self, root: &Node) {
        for (index, item) in list(root, "places").iter().enumerate() {
            if let Some(name) = text(item, "name")
                && self.first(ObjectKind::Place, &name, item.line, format!("places[{index}]"))
            {
                let (dns, location) = (texts(item, "dns"), location::read(item));
                let capacity_rule = text(item, "capacity_rule");
                self.objects.places.push(Place { name, dns, location, capacity_rule });
            }
        }
        for (index, item) in list(root, "people").iter().enumerate() {
            if let Some(user_name) = text(item, "user")
                && self.first(ObjectKind::Person, &user_name, item.line, format!("people[{index}]"))
            {
                let mut person = Person {
                    user_name,
                    first_name: text(item, "first_name").unwrap_or_default(),
                    last_name: text(item, "last_name").unwrap_or_default(),
                    agent: item.get("agent").and_then(agent),
                    ..Person::default()
                };
                access::read_person(item, &mut person);
                self.objects.people.push(person);
            }
        }
    }

    fn clients(&mut self, root: &Node) {
        for (index, item) in list(root, "clients").iter().enumerate() {
            if let Some(client) = access::read_client(item)
                && self.first(ObjectKind::Client, &client.id, item.line, format!("clients[{index}]"))
            {
                self.objects.clients.push(client);
            }
        }
    }

    fn numbers_and_lines(&mut self, root: &Node) {
        for (index, item) in list(root, "numbers").iter().enumerate() {
            if let (Some(number), Some(name), Some(dn)) = (text(item, "number"), text(item, "name"), text(item, "dn"))
                && self.first(ObjectKind::Number, &number, item.line, format!("numbers[{index}]"))
            {
                let (schedule, closed_dn) = (text(item, "schedule"), text(item, "closed_dn"));
                self.objects.numbers.push(Number { number, name, dn, schedule, closed_dn });
            }
        }
        for (index, item) in list(root, "trunks").iter().enumerate() {
            if let Some(name) = text(item, "name")
                && self.first(ObjectKind::Trunk, &name, item.line, format!("trunks[{index}]"))
            {
                self.objects.trunks.push(Trunk {
                    name,
                    allow: texts(item, "allow"),
                    certificate_names: texts(item, "certificate_names"),
                    inbound_user: text(item, "inbound_user"),
                    inbound_password: text(item, "inbound_password").map(Secret),
                    contact: text(item, "contact"),
                    prefix: text(item, "prefix"),
                    caller_id: text(item, "caller_id"),
                    priority: number(item, "priority"),
                    weight: number(item, "weight"),
                    try_s: number(item, "try_s"),
                    user: text(item, "user"),
                    password: text(item, "password").map(Secret),
                    calls_max: number(item, "calls_max"),
                    early_speech: flag(item, "early_speech").unwrap_or_default(),
                    direct_media: flag(item, "direct_media").unwrap_or_default(),
                    options: flag(item, "options").unwrap_or_default(),
                    register: flag(item, "register").unwrap_or_default(),
                    encryption: encryption(item),
                    codecs: texts(item, "codecs"),
                    dtmf: text(item, "dtmf").as_deref().and_then(DtmfForm::parse),
                    session_expires_s: number(item, "session_expires_s"),
                    reliable: flag(item, "reliable"),
                    calls_per_second: number(item, "calls_per_second"),
                    drain: flag(item, "drain").unwrap_or_default(),
                    asserts_identity: flag(item, "asserts_identity").unwrap_or_default(),
                    auth_user: text(item, "auth_user"),
                    domain: text(item, "domain"),
                    diversion: diversion(item),
                    user_to_user: flag(item, "user_to_user").unwrap_or_default(),
                    location: flag(item, "location").unwrap_or_default(),
                    headers: headers::rules(item),
                    stir: stir::stir(item),
                });
            }
        }
        for (index, item) in list(root, "feature_codes").iter().enumerate() {
            if let (Some(code), Some(action)) =
                (text(item, "code"), text(item, "action").as_deref().and_then(FeatureAction::parse))
                && self.first(ObjectKind::FeatureCode, &code, item.line, format!("feature_codes[{index}]"))
            {
                let ask_pin = flag(item, "ask_pin").unwrap_or_default();
                self.objects.feature_codes.push(FeatureCode { code, action, ask_pin });
            }
        }
    }
}

impl Reader<'_> {
    fn dialling(&mut self, root: &Node) {
        for (index, item) in list(root, "schedules").iter().enumerate() {
            if let Some(schedule) = dialling::schedule(item)
                && self.first(ObjectKind::Schedule, &schedule.name, item.line, format!("schedules[{index}]"))
            {
                self.objects.schedules.push(schedule);
            }
        }
        for (index, item) in list(root, "dial_rules").iter().enumerate() {
            if let Some(rule) = dialling::dial_rule(item, index)
                && self.first(ObjectKind::DialRule, &rule.name, item.line, format!("dial_rules[{index}]"))
            {
                self.objects.dial_rules.push(rule);
            }
        }
    }

    fn groups_and_codes(&mut self, root: &Node) {
        for (index, item) in list(root, "action_codes").iter().enumerate() {
            if let Some(code) = action_codes::action_code(item)
                && self.first(ObjectKind::ActionCode, &code.code, item.line, format!("action_codes[{index}]"))
            {
                self.objects.action_codes.push(code);
            }
        }
        for (index, item) in list(root, "place_groups").iter().enumerate() {
            if let Some(group) = groups::place_group(item)
                && self.first(ObjectKind::PlaceGroup, &group.name, item.line, format!("place_groups[{index}]"))
            {
                self.objects.place_groups.push(group);
            }
        }
        for (index, item) in list(root, "lists").iter().enumerate() {
            if let Some(lookup) = lookup::lookup_list(item)
                && self.first(ObjectKind::List, &lookup.name, item.line, format!("lists[{index}]"))
            {
                self.objects.lists.push(lookup);
            }
        }
        for (index, item) in list(root, "business_attributes").iter().enumerate() {
            if let Some(attribute) = attributes::business_attribute(item)
                && self.first(
                    ObjectKind::BusinessAttribute,
                    &attribute.name,
                    item.line,
                    format!("business_attributes[{index}]"),
                )
            {
                self.objects.business_attributes.push(attribute);
            }
        }
        for (index, item) in list(root, "agent_groups").iter().enumerate() {
            if let Some(group) = groups::agent_group(item)
                && self.first(ObjectKind::AgentGroup, &group.name, item.line, format!("agent_groups[{index}]"))
            {
                self.objects.agent_groups.push(group);
            }
        }
    }
}

impl Reader<'_> {
    fn further(&mut self, root: &Node) {
        self.section(root, "switches", switches::switch);
        self.section(root, "agent_logins", agent_logins::agent_login);
        self.section(root, "dn_groups", dn_groups::dn_group);
        self.section(root, "trunk_groups", trunk_groups::trunk_group);
        self.section(root, "calling_lists", campaigns::calling_list);
        self.section(root, "campaigns", campaigns::campaign);
        self.section(root, "campaign_groups", campaigns::campaign_group);
        self.section(root, "ivr_profiles", ivr_profiles::ivr_profile);
        self.section(root, "statistic_definitions", statistic_definitions::statistic_definition);
        self.section(root, "capacity_rules", capacity::capacity_rule);
        self.section(root, "transactions", transactions::transaction);
        self.section(root, "access_groups", permissions::access_group);
        self.section(root, "roles", permissions::role);
        self.section(root, "folders", permissions::folder);
    }

    /// The objects of a section that is a list.
    fn section(&mut self, root: &Node, section: &str, read: fn(&Node) -> Option<Object>) {
        for (index, item) in list(root, section).iter().enumerate() {
            let Some(object) = read(item) else { continue };
            let ObjectKey { kind, id } = object.key();
            if self.first(kind, &id, item.line, format!("{section}[{index}]")) {
                push(&mut self.objects, object);
            }
        }
    }
}

fn agent(item: &Node) -> Option<Agent> {
    let id = text(item, "id")?;
    let levels = item.get("skills").map(Node::entries).unwrap_or_default();
    let skills = levels.iter().filter_map(|entry| match entry.node.value {
        Value::Number(level) => Some(SkillLevel { skill: entry.key.clone(), level: u16::try_from(level).ok()? }),
        _ => None,
    });
    Some(Agent {
        login_code: text(item, "login_code").unwrap_or_else(|| id.clone()),
        pin: text(item, "pin").map(Secret),
        default_place: text(item, "place"),
        wrap_up_s: number(item, "wrap_up_s"),
        legal_guard_s: number(item, "legal_guard_s"),
        no_answer_action: no_answer_action(item),
        skills: skills.collect(),
        capacity_rule: text(item, "capacity_rule"),
        id,
    })
}

fn encryption(node: &Node) -> Encryption {
    text(node, "encryption").and_then(|name| Encryption::parse(&name)).unwrap_or_default()
}

fn diversion(node: &Node) -> DiversionForm {
    text(node, "diversion").and_then(|name| DiversionForm::parse(&name)).unwrap_or_default()
}

fn no_answer_action(node: &Node) -> Option<NoAnswerAction> {
    NoAnswerAction::parse(node.get("no_answer_action")?.text()?)
}
