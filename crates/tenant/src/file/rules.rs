//! Checks between objects: every referenced name exists, and names that must be unique are unique.

mod action_codes;
mod agent_logins;
mod annexes;
mod attributes;
mod campaigns;
mod capacity;
mod dialling;
mod dn_groups;
mod groups;
mod ivr_profiles;
mod lookup;
mod permissions;
mod prompt_audio;
mod statistic_definitions;
mod switches;
mod transactions;
mod trunk_groups;
mod trunks;

use std::collections::{HashMap, HashSet};

use contracts::provisioning::{
    Dn, DnKind, FaultCode, FeatureAction, FeatureCode, Location, ObjectKey, ObjectKind, TenantObjects, UnfittingNumber,
};

use super::generated::{PHONE_PASSWORD_LEAST, is_generated, short_passwords};
use super::shape::join;
use super::{BrokenRule, Fault, access, pins, sign_in};

/// The lines of objects, by their keys: ids folded, but for those of DNs.
pub(super) type Lines = HashMap<ObjectKey, usize>;

/// Adds every broken rule to `faults`.
pub(super) fn check(objects: &TenantObjects, lines: &Lines, faults: &mut Vec<Fault>) {
    let mut rules = Rules::new(objects, lines, faults);
    rules.tenant();
    rules.prompts();
    rules.prompt_audio();
    rules.feature_codes();
    rules.dns();
    rules.defaults();
    rules.places();
    rules.people();
    rules.agent_logins();
    rules.access();
    rules.numbers();
    rules.trunks();
    rules.locations();
    rules.schedules();
    rules.dial_rules();
    rules.skill_names();
    rules.agent_groups();
    rules.action_codes();
    rules.lists();
    rules.application_options();
    rules.switches();
    rules.business_attributes();
    rules.place_groups();
    rules.dn_groups();
    rules.trunk_groups();
    rules.calling_lists();
    rules.campaigns();
    rules.campaign_groups();
    rules.ivr_profiles();
    rules.statistic_definitions();
    rules.capacity_rules();
    rules.transactions();
    rules.access_groups();
    rules.roles();
    rules.folders();
    rules.annexes();
    rules.own_permissions();
}

/// Adds it where the tenant claims the host of the issuer.
pub(super) fn own_host(objects: &TenantObjects, lines: &Lines, own: &str, faults: &mut Vec<Fault>) {
    if let Some(rule) = sign_in::own_host_fault(&objects.tenant.sign_in.hosts, own) {
        Rules::new(objects, lines, faults).fault(ObjectKind::Tenant, "", "sign_in.hosts".to_owned(), rule);
    }
}

/// Adds the settings of the file that have no effect, or another one than is expected, and passwords that are soon guessed.
pub(super) fn without_effect(objects: &TenantObjects, lines: &Lines, notices: &mut Vec<Fault>) {
    let mut rules = Rules::new(objects, lines, notices);
    for trunk in &objects.trunks {
        for (key, why) in trunk.without_effect() {
            let rule = BrokenRule::other(format!("it has no effect: {why}"));
            rules.fault(ObjectKind::Trunk, &trunk.name, format!("trunks.{}.{key}", trunk.name), rule);
        }
    }
    for trunk in &objects.trunks {
        for wide in trunk.wide_networks().filter(|wide| !wide.is_everybody) {
            let words =
                format!("{} is wider than any carrier's network: whoever is in it calls as this carrier", wide.text);
            let rule = BrokenRule::other(words);
            rules.fault(ObjectKind::Trunk, &trunk.name, format!("trunks.{}.allow", trunk.name), rule);
        }
    }
    for number in short_passwords(objects) {
        let words = format!("its password has fewer than {PHONE_PASSWORD_LEAST} characters, and is soon guessed");
        rules.fault(ObjectKind::Dn, number, format!("{number}.password"), BrokenRule::other(words));
    }
    for UnfittingNumber { trunk, key, why } in objects.unfitting_numbers() {
        let rule = BrokenRule::other(why);
        match trunk {
            Some(trunk) => rules.fault(ObjectKind::Trunk, trunk, format!("trunks.{trunk}.{key}"), rule),
            None => rules.fault(ObjectKind::Tenant, "", key.to_owned(), rule),
        }
    }
}

pub(super) struct Rules<'a> {
    pub(super) objects: &'a TenantObjects,
    lines: &'a Lines,
    pub(super) dns: HashSet<&'a str>,
    prompts: HashSet<&'a str>,
    skills: HashSet<&'a str>,
    applications: HashSet<&'a str>,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Rules<'a> {
    fn new(objects: &'a TenantObjects, lines: &'a Lines, faults: &'a mut Vec<Fault>) -> Self {
        Self {
            objects,
            lines,
            dns: objects.dns.iter().map(|dn| dn.number.as_str()).collect(),
            prompts: objects.prompts.iter().map(|prompt| prompt.name.as_str()).collect(),
            skills: objects.skills.iter().map(|skill| skill.name.as_str()).collect(),
            applications: objects.applications.iter().map(|application| application.name.as_str()).collect(),
            faults,
        }
    }

    pub(super) fn fault(&mut self, kind: ObjectKind, id: &str, key: String, rule: BrokenRule) {
        let of = ObjectKey { kind, id: id.to_owned() };
        let line = self.lines.get(&of.folded()).copied().unwrap_or(1);
        self.faults.push(Fault { line, key, rule });
    }

    fn tenant(&mut self) {
        let tenant = &self.objects.tenant;
        if let Some(zone) = &tenant.time_zone
            && jiff::tz::TimeZone::get(zone).is_err()
        {
            let words = format!("there is no time zone {zone:?}: it is a name as \"Europe/Berlin\" or \"UTC\"");
            self.fault(ObjectKind::Tenant, "", "time_zone".to_owned(), BrokenRule::time_zone(zone, words));
        }
        let is_id = |text: &str| {
            text.len() <= 63 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !is_id(&tenant.id) {
            let words = "it may have at most 63 lower-case letters, digits and dashes";
            self.fault(ObjectKind::Tenant, "", "tenant".to_owned(), BrokenRule::new(FaultCode::TenantId, words));
        }
        let is_host = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
        if !is_host(&tenant.realm) {
            let rule = BrokenRule::new(FaultCode::HostName, "it is not a host name").naming("name", &tenant.realm);
            self.fault(ObjectKind::Tenant, "", "realm".to_owned(), rule);
        }
        let prompts = [
            ("hold_music", Some(&tenant.hold_music)),
            ("confirmation_prompt", tenant.confirmation_prompt.as_ref()),
            ("refusal_prompt", tenant.refusal_prompt.as_ref()),
        ];
        for (key, prompt) in prompts {
            if let Some(prompt) = prompt.filter(|p| !p.is_empty() && !self.prompts.contains(p.as_str())) {
                let rule = BrokenRule::unknown(ObjectKind::Prompt, prompt);
                self.fault(ObjectKind::Tenant, "", key.to_owned(), rule);
            }
        }
    }

    /// Media finds a prompt by its name alone, so the name must be valid there.
    fn prompts(&mut self) {
        let can_be_asked_for = |name: &str| {
            name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        for prompt in &self.objects.prompts {
            let key = format!("prompts.{}", prompt.name);
            if !can_be_asked_for(&prompt.name) {
                let words = "its name may have at most 64 letters, digits, - and _";
                self.fault(ObjectKind::Prompt, &prompt.name, key, BrokenRule::new(FaultCode::PromptName, words));
            } else if prompt.file.strip_suffix(".wav") != Some(&prompt.name) {
                let file = format!("{}.wav", prompt.name);
                let words = format!("a prompt is found by its name: call the file {file}");
                let rule = BrokenRule::new(FaultCode::PromptFile, words).naming("file", file);
                self.fault(ObjectKind::Prompt, &prompt.name, key, rule);
            }
        }
    }

    /// If a login code asks for PINs, every PIN must be one that a phone can type.
    fn feature_codes(&mut self) {
        let objects = self.objects;
        let mut asked = false;
        let is_dn = |code: &&FeatureCode| self.dns.contains(code.code.as_str());
        let of_dns: Vec<&FeatureCode> = objects.feature_codes.iter().filter(is_dn).collect();
        for code in of_dns {
            let key = format!("feature_codes.{}", code.code);
            let rule = BrokenRule::new(FaultCode::IsDn, "there is a DN of that number");
            self.fault(ObjectKind::FeatureCode, &code.code, key, rule);
        }
        for code in objects.feature_codes.iter().filter(|code| code.ask_pin) {
            asked = true;
            if code.action != FeatureAction::Login {
                let key = format!("feature_codes.{}.ask_pin", code.code);
                let words = "the PIN is asked for where an agent logs in, nowhere else";
                let rule = BrokenRule::new(FaultCode::PinElsewhere, words);
                self.fault(ObjectKind::FeatureCode, &code.code, key, rule);
            }
        }
        for person in objects.people.iter().filter(|_| asked) {
            let pin = person.agent.as_ref().and_then(|agent| agent.pin.as_ref());
            // What is sealed was checked when it was stored.
            if pin.is_some_and(|pin| !is_generated(pin) && !pin.is_sealed() && !pins::can_be_typed(pin)) {
                let key = format!("people.{}.agent.pin", person.user_name);
                let most = pins::DIGITS_MAX;
                let words = format!("a PIN that is typed at a phone has 1 to {most} digits and nothing else");
                let rule = BrokenRule::new(FaultCode::PinDigits, words).naming("most", most.to_string());
                self.fault(ObjectKind::Person, &person.user_name, key, rule);
            }
        }
    }

    fn dns(&mut self) {
        for dn in &self.objects.dns {
            match &dn.kind {
                DnKind::RoutePoint { application, default_dn, .. } => {
                    if !application.is_empty() && !self.applications.contains(application.as_str()) {
                        let rule = BrokenRule::unknown(ObjectKind::Application, application);
                        self.dn_fault(&dn.number, "application", rule);
                    }
                    if let Some(default) = default_dn.as_ref().filter(|d| !self.dns.contains(d.as_str())) {
                        self.dn_fault(&dn.number, "default_dn", BrokenRule::unknown(ObjectKind::Dn, default));
                    }
                }
                DnKind::Announcement { prompts } => {
                    if prompts.is_empty() {
                        let rule = BrokenRule::new(FaultCode::Needed, "an announcement needs at least one");
                        self.dn_fault(&dn.number, "prompts", rule);
                    }
                    for prompt in prompts.iter().filter(|p| !self.prompts.contains(p.as_str())).collect::<Vec<_>>() {
                        self.dn_fault(&dn.number, "prompts", BrokenRule::unknown(ObjectKind::Prompt, prompt));
                    }
                }
                DnKind::Extension { .. } | DnKind::VirtualQueue | DnKind::Echo => {}
            }
        }
    }

    /// Finds circles of default DNs: a call without instructions would loop through them forever.
    fn defaults(&mut self) {
        let next: HashMap<&str, &str> =
            self.objects.dns.iter().filter_map(|dn| Some((&*dn.number, default_of(dn)?))).collect();
        let mut seen = HashSet::new();
        for dn in &self.objects.dns {
            let mut way: Vec<&str> = Vec::new();
            let mut at = Some(dn.number.as_str());
            while let Some(here) = at.filter(|here| seen.insert(*here)) {
                way.push(here);
                at = next.get(here).copied();
            }
            // Each circle is reported once, at the first of its members in the file.
            if let Some(begin) = at.and_then(|here| way.iter().position(|w| *w == here)) {
                let circle = way.iter().skip(begin).chain(way.get(begin)).copied().collect::<Vec<_>>().join(" to ");
                let first = way.get(begin).copied().unwrap_or_default();
                let rule = BrokenRule::new(FaultCode::Circle, format!("it leads in a circle: {circle}"));
                self.dn_fault(first, "default_dn", rule.naming("way", circle));
            }
        }
    }

    fn dn_fault(&mut self, number: &str, key: &str, rule: BrokenRule) {
        self.fault(ObjectKind::Dn, number, format!("{number}.{key}"), rule);
    }

    fn places(&mut self) {
        let mut at: HashMap<&str, &str> = HashMap::new();
        for place in &self.objects.places {
            for dn in &place.dns {
                let key = format!("places.{}.dns", place.name);
                if !self.dns.contains(dn.as_str()) {
                    self.fault(ObjectKind::Place, &place.name, key, BrokenRule::unknown(ObjectKind::Dn, dn));
                } else if at.get(dn.as_str()) == Some(&place.name.as_str()) {
                    let rule = BrokenRule::new(FaultCode::Twice, format!("the DN {dn} stands there twice"));
                    self.fault(ObjectKind::Place, &place.name, key, rule.naming("name", dn));
                } else if let Some(other) = at.insert(dn, &place.name) {
                    let words = format!("the DN {dn} is in place {other} already");
                    let rule = BrokenRule::held(ObjectKind::Place, other, dn, words);
                    self.fault(ObjectKind::Place, &place.name, key, rule);
                }
            }
        }
    }

    /// What people sign in with, and clients.
    fn access(&mut self) {
        for (key, rule) in sign_in::faults(&self.objects.tenant.sign_in) {
            self.fault(ObjectKind::Tenant, "", key.to_owned(), rule);
        }
        for person in &self.objects.people {
            let fault = person.password.as_ref().and_then(|secret| access::password_fault(secret, &person.user_name));
            if let Some(rule) = fault {
                let key = format!("people.{}.password", person.user_name);
                self.fault(ObjectKind::Person, &person.user_name, key, rule);
            }
            let pin = person.agent.as_ref().and_then(|agent| agent.pin.as_ref());
            if let Some(rule) = pin.and_then(pins::hash_fault) {
                let key = format!("people.{}.agent.pin", person.user_name);
                self.fault(ObjectKind::Person, &person.user_name, key, rule);
            }
            if let Some(rule) = person.second_factor.as_ref().and_then(access::second_factor_fault) {
                let key = format!("people.{}.second_factor", person.user_name);
                self.fault(ObjectKind::Person, &person.user_name, key, rule);
            }
            for rule in permissions::privilege_faults(&person.privileges) {
                let key = format!("people.{}.privileges", person.user_name);
                self.fault(ObjectKind::Person, &person.user_name, key, rule);
            }
        }
        for client in &self.objects.clients {
            for (key, rule) in access::client_faults(client) {
                self.fault(ObjectKind::Client, &client.id, format!("clients.{}.{key}", client.id), rule);
            }
        }
    }

    fn people(&mut self) {
        let places: HashSet<&str> = self.objects.places.iter().map(|place| place.name.as_str()).collect();
        let (mut ids, mut codes, mut seats) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut externals = HashMap::new();
        for person in &self.objects.people {
            let user = person.user_name.as_str();
            if let Some(external) = person.external_id.as_deref()
                && let Some(other) = externals.insert(external, user)
            {
                let words = format!("{other} has the external id {external} already");
                let rule = BrokenRule::held(ObjectKind::Person, other, external, words);
                self.fault(ObjectKind::Person, user, format!("people.{user}.external_id"), rule);
            }
            let Some(agent) = &person.agent else { continue };
            let mut fault = |key: &str, rule: BrokenRule| {
                let key = format!("people.{}.agent.{key}", person.user_name);
                self.fault(ObjectKind::Person, &person.user_name, key, rule);
            };
            let held = |by: &str, value: &str, what: &str| {
                BrokenRule::held(ObjectKind::Person, by, value, format!("{by} has the {what} {value} already"))
            };
            if let Some(other) = ids.insert(agent.id.as_str(), user) {
                fault("id", held(other, &agent.id, "id"));
            }
            if let Some(other) = codes.insert(agent.login_code.as_str(), user) {
                fault("login_code", held(other, &agent.login_code, "login code"));
            }
            if let Some(place) = agent.default_place.as_deref() {
                if !places.contains(place) {
                    fault("place", BrokenRule::unknown(ObjectKind::Place, place));
                } else if let Some(other) = seats.insert(place, user) {
                    fault("place", held(other, place, "place"));
                }
            }
            let unknown: Vec<_> = agent.skills.iter().filter(|l| !self.skills.contains(l.skill.as_str())).collect();
            for level in unknown {
                let key = format!("people.{user}.agent.skills.{}", level.skill);
                self.fault(ObjectKind::Person, user, key, BrokenRule::unknown(ObjectKind::Skill, &level.skill));
            }
        }
    }

    fn numbers(&mut self) {
        for number in &self.objects.numbers {
            if !self.dns.contains(number.dn.as_str()) {
                let key = format!("numbers.{}.dn", number.number);
                let rule = BrokenRule::unknown(ObjectKind::Dn, &number.dn);
                self.fault(ObjectKind::Number, &number.number, key, rule);
            }
        }
    }

    /// An address that nobody finds is worse than none: it is corrected now, not in an emergency.
    fn locations(&mut self) {
        let objects = self.objects;
        if let Some(location) = &objects.tenant.location {
            self.location(location, ObjectKind::Tenant, "", "location");
        }
        for place in &objects.places {
            let Some(location) = &place.location else { continue };
            self.location(location, ObjectKind::Place, &place.name, &format!("places.{}.location", place.name));
        }
        for dn in &objects.dns {
            let DnKind::Extension { location: Some(location), .. } = &dn.kind else { continue };
            self.location(location, ObjectKind::Dn, &dn.number, &format!("{}.location", dn.number));
        }
    }

    fn location(&mut self, location: &Location, kind: ObjectKind, id: &str, at: &str) {
        let Some((key, words)) = location.fault() else { return };
        let most = |most: &str| BrokenRule::new(FaultCode::Degrees, words).naming("most", most);
        let rule = match (key, &location.latitude, &location.longitude) {
            ("country", ..) => BrokenRule::new(FaultCode::Country, words),
            ("latitude", Some(_), _) => most("90"),
            ("longitude", _, Some(_)) => most("180"),
            ("latitude", None, _) => BrokenRule::needed_with("location.longitude", words),
            ("longitude", _, None) => BrokenRule::needed_with("location.latitude", words),
            _ => BrokenRule::new(FaultCode::Address, words),
        };
        self.fault(kind, id, if key.is_empty() { at.to_owned() } else { join(at, key) }, rule);
    }
}

fn default_of(dn: &Dn) -> Option<&str> {
    match &dn.kind {
        DnKind::RoutePoint { default_dn, .. } => default_dn.as_deref(),
        _ => None,
    }
}
