//! Checks between objects: every referenced name exists, and names that must be unique are unique.

mod action_codes;
mod attributes;
mod dialling;
mod groups;
mod lookup;

use std::collections::{HashMap, HashSet};

use contracts::provisioning::networks::network;
use contracts::provisioning::{
    Dn, DnKind, FeatureAction, Location, ObjectKey, ObjectKind, TenantObjects, Trunk, UnfittingNumber,
};

use super::generated::is_generated;
use super::shape::join;
use super::{Fault, access, sign_in};

/// The lines of objects, by their keys: ids folded, but for those of DNs.
pub(super) type Lines = HashMap<ObjectKey, usize>;

/// Adds every broken rule to `faults`.
pub(super) fn check(objects: &TenantObjects, lines: &Lines, faults: &mut Vec<Fault>) {
    let mut rules = Rules::new(objects, lines, faults);
    rules.tenant();
    rules.prompts();
    rules.feature_codes();
    rules.dns();
    rules.defaults();
    rules.places();
    rules.people();
    rules.access();
    rules.numbers_and_trunks();
    rules.locations();
    rules.schedules();
    rules.dial_rules();
    rules.skill_names();
    rules.agent_groups();
    rules.action_codes();
    rules.lists();
    rules.business_attributes();
    rules.place_groups();
}

/// Adds the settings of the file that have no effect, or another one than is expected.
pub(super) fn without_effect(objects: &TenantObjects, lines: &Lines, notices: &mut Vec<Fault>) {
    let mut rules = Rules::new(objects, lines, notices);
    for trunk in &objects.trunks {
        for (key, why) in trunk.without_effect() {
            let reason = format!("it has no effect: {why}");
            rules.fault(ObjectKind::Trunk, &trunk.name, format!("trunks.{}.{key}", trunk.name), reason);
        }
    }
    for trunk in &objects.trunks {
        for wide in trunk.wide_networks().filter(|wide| !wide.is_everybody) {
            let reason =
                format!("{} is wider than any carrier's network: whoever is in it calls as this carrier", wide.text);
            rules.fault(ObjectKind::Trunk, &trunk.name, format!("trunks.{}.allow", trunk.name), reason);
        }
    }
    for UnfittingNumber { trunk, key, why } in objects.unfitting_numbers() {
        match trunk {
            Some(trunk) => rules.fault(ObjectKind::Trunk, trunk, format!("trunks.{trunk}.{key}"), why),
            None => rules.fault(ObjectKind::Tenant, "", key.to_owned(), why),
        }
    }
}

/// The longest PIN that a phone may be asked for; media collects at most this number of digits at once.
const PIN_DIGITS_MAX: usize = 16;

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

    pub(super) fn fault(&mut self, kind: ObjectKind, id: &str, key: String, reason: String) {
        let of = ObjectKey { kind, id: id.to_owned() };
        let line = self.lines.get(&of.folded()).copied().unwrap_or(1);
        self.faults.push(Fault { line, key, reason });
    }

    fn tenant(&mut self) {
        let tenant = &self.objects.tenant;
        if let Some(zone) = &tenant.time_zone
            && jiff::tz::TimeZone::get(zone).is_err()
        {
            let reason = format!("there is no time zone {zone:?}: it is a name as \"Europe/Berlin\" or \"UTC\"");
            self.fault(ObjectKind::Tenant, "", "time_zone".to_owned(), reason);
        }
        let is_id = |text: &str| {
            text.len() <= 63 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !is_id(&tenant.id) {
            let reason = "it may have at most 63 lower-case letters, digits and dashes".to_owned();
            self.fault(ObjectKind::Tenant, "", "tenant".to_owned(), reason);
        }
        let is_host = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
        if !is_host(&tenant.realm) {
            self.fault(ObjectKind::Tenant, "", "realm".to_owned(), "it is not a host name".to_owned());
        }
        let prompts = [
            ("hold_music", Some(&tenant.hold_music)),
            ("confirmation_prompt", tenant.confirmation_prompt.as_ref()),
            ("refusal_prompt", tenant.refusal_prompt.as_ref()),
        ];
        for (key, prompt) in prompts {
            if let Some(prompt) = prompt.filter(|p| !p.is_empty() && !self.prompts.contains(p.as_str())) {
                self.fault(ObjectKind::Tenant, "", key.to_owned(), format!("there is no prompt {prompt}"));
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
                let reason = "its name may have at most 64 letters, digits, - and _".to_owned();
                self.fault(ObjectKind::Prompt, &prompt.name, key, reason);
            } else if prompt.file.strip_suffix(".wav") != Some(&prompt.name) {
                let reason = format!("a prompt is found by its name: call the file {}.wav", prompt.name);
                self.fault(ObjectKind::Prompt, &prompt.name, key, reason);
            }
        }
    }

    /// If a login code asks for PINs, every PIN must be one that a phone can type.
    fn feature_codes(&mut self) {
        let objects = self.objects;
        let mut asked = false;
        for code in objects.feature_codes.iter().filter(|code| self.dns.contains(code.code.as_str())) {
            let (key, reason) = (format!("feature_codes.{}", code.code), "there is a DN of that number".to_owned());
            let of = ObjectKey { kind: ObjectKind::FeatureCode, id: code.code.clone() };
            let line = self.lines.get(&of.folded()).copied().unwrap_or(1);
            self.faults.push(Fault { line, key, reason });
        }
        for code in objects.feature_codes.iter().filter(|code| code.ask_pin) {
            asked = true;
            if code.action != FeatureAction::Login {
                let key = format!("feature_codes.{}.ask_pin", code.code);
                let reason = "the PIN is asked for where an agent logs in, nowhere else".to_owned();
                self.fault(ObjectKind::FeatureCode, &code.code, key, reason);
            }
        }
        let can_be_typed =
            |pin: &str| (1..=PIN_DIGITS_MAX).contains(&pin.len()) && pin.bytes().all(|b| b.is_ascii_digit());
        for person in objects.people.iter().filter(|_| asked) {
            let pin = person.agent.as_ref().and_then(|agent| agent.pin.as_ref());
            if pin.is_some_and(|pin| !is_generated(pin) && !can_be_typed(pin.reveal())) {
                let key = format!("people.{}.agent.pin", person.user_name);
                let reason =
                    format!("a PIN that is typed at a phone has 1 to {PIN_DIGITS_MAX} digits and nothing else");
                self.fault(ObjectKind::Person, &person.user_name, key, reason);
            }
        }
    }

    fn dns(&mut self) {
        for dn in &self.objects.dns {
            match &dn.kind {
                DnKind::RoutePoint { application, default_dn, .. } => {
                    if !application.is_empty() && !self.applications.contains(application.as_str()) {
                        self.dn_fault(&dn.number, "application", format!("there is no application {application}"));
                    }
                    if let Some(default) = default_dn.as_ref().filter(|d| !self.dns.contains(d.as_str())) {
                        self.dn_fault(&dn.number, "default_dn", format!("there is no DN {default}"));
                    }
                }
                DnKind::Announcement { prompts } => {
                    if prompts.is_empty() {
                        self.dn_fault(&dn.number, "prompts", "an announcement needs at least one".to_owned());
                    }
                    for prompt in prompts.iter().filter(|p| !self.prompts.contains(p.as_str())).collect::<Vec<_>>() {
                        self.dn_fault(&dn.number, "prompts", format!("there is no prompt {prompt}"));
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
                let circle = way.iter().skip(begin).chain(way.get(begin)).copied().collect::<Vec<_>>();
                let first = way.get(begin).copied().unwrap_or_default();
                self.dn_fault(first, "default_dn", format!("it leads in a circle: {}", circle.join(" to ")));
            }
        }
    }

    fn dn_fault(&mut self, number: &str, key: &str, reason: String) {
        self.fault(ObjectKind::Dn, number, format!("{number}.{key}"), reason);
    }

    fn places(&mut self) {
        let mut at: HashMap<&str, &str> = HashMap::new();
        for place in &self.objects.places {
            for dn in &place.dns {
                let key = format!("places.{}.dns", place.name);
                if !self.dns.contains(dn.as_str()) {
                    self.fault(ObjectKind::Place, &place.name, key, format!("there is no DN {dn}"));
                } else if at.get(dn.as_str()) == Some(&place.name.as_str()) {
                    self.fault(ObjectKind::Place, &place.name, key, format!("the DN {dn} stands there twice"));
                } else if let Some(other) = at.insert(dn, &place.name) {
                    self.fault(ObjectKind::Place, &place.name, key, format!("the DN {dn} is in place {other} already"));
                }
            }
        }
    }

    /// What people sign in with, and clients.
    fn access(&mut self) {
        for (key, reason) in sign_in::faults(&self.objects.tenant.sign_in) {
            self.fault(ObjectKind::Tenant, "", key.to_owned(), reason);
        }
        for person in &self.objects.people {
            let fault = person.password.as_ref().and_then(|secret| access::password_fault(secret, &person.user_name));
            if let Some(reason) = fault {
                let key = format!("people.{}.password", person.user_name);
                self.fault(ObjectKind::Person, &person.user_name, key, reason);
            }
            if let Some(reason) = person.second_factor.as_ref().and_then(access::second_factor_fault) {
                let key = format!("people.{}.second_factor", person.user_name);
                self.fault(ObjectKind::Person, &person.user_name, key, reason);
            }
        }
        for client in &self.objects.clients {
            for (key, reason) in access::client_faults(client) {
                self.fault(ObjectKind::Client, &client.id, format!("clients.{}.{key}", client.id), reason);
            }
        }
    }

    fn people(&mut self) {
        let places: HashSet<&str> = self.objects.places.iter().map(|place| place.name.as_str()).collect();
        let (mut ids, mut codes, mut seats) = (HashMap::new(), HashMap::new(), HashMap::new());
        for person in &self.objects.people {
            let Some(agent) = &person.agent else { continue };
            let mut fault = |key: &str, reason: String| {
                let key = format!("people.{}.agent.{key}", person.user_name);
                self.fault(ObjectKind::Person, &person.user_name, key, reason);
            };
            let user = person.user_name.as_str();
            if let Some(other) = ids.insert(agent.id.as_str(), user) {
                fault("id", format!("{other} has the id {} already", agent.id));
            }
            if let Some(other) = codes.insert(agent.login_code.as_str(), user) {
                fault("login_code", format!("{other} has the login code {} already", agent.login_code));
            }
            if let Some(place) = agent.default_place.as_deref() {
                if !places.contains(place) {
                    fault("place", format!("there is no place {place}"));
                } else if let Some(other) = seats.insert(place, user) {
                    fault("place", format!("{other} has the place {place} already"));
                }
            }
            let unknown: Vec<_> = agent.skills.iter().filter(|l| !self.skills.contains(l.skill.as_str())).collect();
            for level in unknown {
                let key = format!("people.{user}.agent.skills.{}", level.skill);
                self.fault(ObjectKind::Person, user, key, format!("there is no skill {}", level.skill));
            }
        }
    }

    fn numbers_and_trunks(&mut self) {
        for number in &self.objects.numbers {
            if !self.dns.contains(number.dn.as_str()) {
                let key = format!("numbers.{}.dn", number.number);
                self.fault(ObjectKind::Number, &number.number, key, format!("there is no DN {}", number.dn));
            }
        }
        for trunk in &self.objects.trunks {
            for source in trunk.allow.iter().filter(|source| network(source).is_none()) {
                let key = format!("trunks.{}.allow", trunk.name);
                let reason = format!("{source} is not an address or a network as 192.0.2.0/24");
                self.fault(ObjectKind::Trunk, &trunk.name, key, reason);
            }
            for wide in trunk.wide_networks().filter(|wide| wide.is_everybody) {
                let key = format!("trunks.{}.allow", trunk.name);
                let reason = format!(
                    "{} is everybody: name the carrier's networks, or ask for a password (`inbound_user`) or a certificate (`certificate_names`) besides",
                    wide.text
                );
                self.fault(ObjectKind::Trunk, &trunk.name, key, reason);
            }
            for name in trunk.wrong_certificate_names() {
                let key = format!("trunks.{}.certificate_names", trunk.name);
                let reason = format!("{name} is not a host name as sbc.carrier.example, in full and without *");
                self.fault(ObjectKind::Trunk, &trunk.name, key, reason);
            }
            if let Some(reason) = trunk.contact_with_scheme() {
                self.fault(ObjectKind::Trunk, &trunk.name, format!("trunks.{}.contact", trunk.name), reason);
            }
            self.account(trunk);
            self.inbound_account(trunk);
            self.headers(trunk);
            self.stir(trunk);
        }
        self.registers_once();
        self.inbound_users_once();
    }

    /// Of trunks that share an address the user tells which one calls.
    fn inbound_users_once(&mut self) {
        let mut known = HashMap::new();
        for trunk in &self.objects.trunks {
            let Some(user) = trunk.inbound_user.as_deref() else { continue };
            if let Some(other) = known.insert(user, &trunk.name) {
                let key = format!("trunks.{}.inbound_user", trunk.name);
                self.fault(ObjectKind::Trunk, &trunk.name, key, format!("the trunk {other} has it already"));
            }
        }
    }

    /// A registration that one trunk removes would be that of the other.
    fn registers_once(&mut self) {
        let mut known = std::collections::BTreeMap::new();
        for trunk in &self.objects.trunks {
            let Some(account) = trunk.registers() else { continue };
            if let Some(other) = known.insert(account, &trunk.name) {
                let key = format!("trunks.{}.register", trunk.name);
                let reason = format!("the trunk {other} registers the same account");
                self.fault(ObjectKind::Trunk, &trunk.name, key, reason);
            }
        }
    }

    fn headers(&mut self, trunk: &Trunk) {
        for (place, rule) in trunk.headers.iter().enumerate() {
            if let Err(error) = net::header_rules::compile(rule) {
                let key = format!("trunks.{}.headers[{place}]", trunk.name);
                self.fault(ObjectKind::Trunk, &trunk.name, key, error.to_string());
            }
        }
    }

    fn stir(&mut self, trunk: &Trunk) {
        if let Err(fault) = net::stir::check_signing(&trunk.stir) {
            let key = format!("trunks.{}.stir.sign.{}", trunk.name, fault.key());
            self.fault(ObjectKind::Trunk, &trunk.name, key, fault.to_string());
        }
        if let Err(reason) = net::stir::authorities(&trunk.stir) {
            let key = format!("trunks.{}.stir.authorities", trunk.name);
            self.fault(ObjectKind::Trunk, &trunk.name, key, reason);
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
        if let Some((key, reason)) = location.fault() {
            let key = if key.is_empty() { at.to_owned() } else { join(at, key) };
            self.fault(kind, id, key, reason.to_owned());
        }
    }

    /// Who calls is known by something else first: a password alone would have to be asked of everybody who sends us a request.
    fn inbound_account(&mut self, trunk: &Trunk) {
        let lacking = match (trunk.inbound_user.as_deref(), trunk.inbound_password.as_ref()) {
            (Some(_), None) => Some(("inbound_password", "a trunk with `inbound_user` needs it")),
            (None, Some(_)) => Some(("inbound_user", "a trunk with `inbound_password` needs it")),
            (Some(""), _) => Some(("inbound_user", "it is empty")),
            (_, Some(password)) if password.reveal().is_empty() => Some(("inbound_password", "it is empty")),
            (Some(_), _) if !trunk.is_recognised() => Some((
                "allow",
                "a trunk with `inbound_user` needs it: only calls from its networks are asked for the password",
            )),
            _ => None,
        };
        if let Some((key, reason)) = lacking {
            self.fault(ObjectKind::Trunk, &trunk.name, format!("trunks.{}.{key}", trunk.name), reason.to_owned());
        }
    }

    /// The carrier has given both, user and password.
    fn account(&mut self, trunk: &Trunk) {
        let lacking = match (trunk.user.as_deref(), trunk.password.as_ref()) {
            (Some(_), None) => Some(("password", "a trunk with `user` needs it")),
            (None, Some(_)) => Some(("user", "a trunk with `password` needs it")),
            (Some(""), _) => Some(("user", "it is empty")),
            (_, Some(password)) if password.reveal().is_empty() => Some(("password", "it is empty")),
            (_, Some(password)) if is_generated(password) => {
                Some(("password", "the carrier gives it: it cannot be generated"))
            }
            (None, _) if trunk.auth_user.is_some() => Some(("user", "a trunk with `auth_user` needs it")),
            _ if !trunk.has_good_domain() => Some(("domain", "it is neither a host name nor an address")),
            (None, None) if trunk.register => Some(("user", "a trunk with `register` needs it")),
            _ if trunk.register && trunk.contact.is_none() => {
                Some(("contact", "a trunk with `register` needs it: the address of the carrier's registrar"))
            }
            _ => None,
        };
        if let Some((key, reason)) = lacking {
            self.fault(ObjectKind::Trunk, &trunk.name, format!("trunks.{}.{key}", trunk.name), reason.to_owned());
        }
    }
}

fn default_of(dn: &Dn) -> Option<&str> {
    match &dn.kind {
        DnKind::RoutePoint { default_dn, .. } => default_dn.as_deref(),
        _ => None,
    }
}
