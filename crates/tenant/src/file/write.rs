//! Writes objects back to a tenant's file.

use std::fmt::Write;
use std::path::PathBuf;

use contracts::provisioning::{
    AgentRules, Application, DiversionForm, DnKind, DtmfForm, Encryption, ObjectKey, ObjectKind, Person, Secret,
    Tenant, TenantObjects, Trunk,
};

use super::access;
use super::action_codes;
use super::agent_logins;
use super::annexes::{self, onto, short_entry};
use super::attributes;
use super::campaigns;
use super::capacity;
use super::dialling;
use super::dn_groups;
use super::groups;
use super::headers;
use super::ivr_profiles;
use super::location;
use super::lookup;
use super::permissions;
use super::prompt_audio;
use super::scalar::{flow, optional, text};
use super::sign_in;
use super::statistic_definitions;
use super::stir;
use super::switches;
use super::transactions;
use super::trunk_groups;

/// A tenant as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The tenant's file.
    pub yaml: String,
    /// The applications' files, by their paths in the tenant's file.
    pub documents: Vec<(PathBuf, String)>,
}

/// Writes a tenant as files that read back to the same objects.
pub fn write(objects: &TenantObjects) -> Exported {
    let mut yaml = String::new();
    head(&mut yaml, &objects.tenant);
    own_properties(&mut yaml, objects);
    names(&mut yaml, "skills", objects.skills.iter().map(|skill| named(objects, ObjectKind::Skill, &skill.name, "")));
    let filed = |kind: ObjectKind, name: &str, file: &str, more: &str| {
        format!("{}: {}", text(name), short_entry(objects, kind, name, ("file", file), more))
    };
    let prompts = objects.prompts.iter().map(|p| filed(ObjectKind::Prompt, &p.name, &p.file, &prompt_audio::line(p)));
    section(&mut yaml, "prompts", prompts);
    let path = |name: &str| format!("applications/{}.scxml", file_name(name));
    section(
        &mut yaml,
        "applications",
        objects.applications.iter().map(|a| filed(ObjectKind::Application, &a.name, &path(&a.name), &options(a))),
    );
    let switches = objects.switches.iter();
    let switches = switches.map(|one| onto(objects, ObjectKind::Switch, &one.name, switches::switch_line(one)));
    section(&mut yaml, "switches", switches);
    dns(&mut yaml, objects);
    section(
        &mut yaml,
        "places",
        objects.places.iter().map(|place| {
            let more =
                location::line(place.location.as_ref()) + &optional("capacity_rule", place.capacity_rule.as_deref());
            let line =
                format!("- {{name: {}, dns: {}{more}}}", text(&place.name), flow(place.dns.iter().map(String::as_str)));
            onto(objects, ObjectKind::Place, &place.name, line)
        }),
    );
    let people = objects.people.iter().map(|one| onto(objects, ObjectKind::Person, &one.user_name, person(one)));
    section(&mut yaml, "people", people);
    let login = agent_logins::agent_login_line;
    let logins = objects.agent_logins.iter().map(|one| onto(objects, ObjectKind::AgentLogin, &one.code, login(one)));
    section(&mut yaml, "agent_logins", logins);
    section(
        &mut yaml,
        "numbers",
        objects.numbers.iter().map(|n| {
            let hours = optional("schedule", n.schedule.as_deref()) + &optional("closed_dn", n.closed_dn.as_deref());
            let line =
                format!("- {{number: {}, name: {}, dn: {}{hours}}}", text(&n.number), text(&n.name), text(&n.dn));
            onto(objects, ObjectKind::Number, &n.number, line)
        }),
    );
    let trunks = objects.trunks.iter().map(|one| onto(objects, ObjectKind::Trunk, &one.name, trunk(one)));
    section(&mut yaml, "trunks", trunks);
    section(
        &mut yaml,
        "feature_codes",
        objects.feature_codes.iter().map(|code| {
            let (action, ask_pin) = (code.action.as_str(), code.ask_pin);
            let line = format!("- {{code: {}, action: {action}, ask_pin: {ask_pin}}}", text(&code.code));
            onto(objects, ObjectKind::FeatureCode, &code.code, line)
        }),
    );
    let (schedules, rules) = dialling::lines(objects);
    section(&mut yaml, "schedules", schedules.into_iter());
    section(&mut yaml, "dial_rules", rules.into_iter());
    documents_of_kinds(&mut yaml, objects);
    let documents = objects.applications.iter().map(|a| (PathBuf::from(path(&a.name)), a.document.clone()));
    Exported { yaml, documents: documents.collect() }
}

/// The sections of clients and of the kinds that are one document each.
fn documents_of_kinds(yaml: &mut String, all: &TenantObjects) {
    let clients = all.clients.iter().map(|o| onto(all, ObjectKind::Client, &o.id, access::client_line(o)));
    section(yaml, "clients", clients);
    let groups =
        all.agent_groups.iter().map(|o| onto(all, ObjectKind::AgentGroup, &o.name, groups::agent_group_line(o)));
    section(yaml, "agent_groups", groups);
    let codes =
        all.action_codes.iter().map(|o| onto(all, ObjectKind::ActionCode, &o.code, action_codes::action_code_line(o)));
    section(yaml, "action_codes", codes);
    section(yaml, "lists", all.lists.iter().map(|o| onto(all, ObjectKind::List, &o.name, lookup::lookup_list_line(o))));
    let attribute = attributes::business_attribute_line;
    let attributes =
        all.business_attributes.iter().map(|o| onto(all, ObjectKind::BusinessAttribute, &o.name, attribute(o)));
    section(yaml, "business_attributes", attributes);
    let places =
        all.place_groups.iter().map(|o| onto(all, ObjectKind::PlaceGroup, &o.name, groups::place_group_line(o)));
    section(yaml, "place_groups", places);
    further(yaml, all);
}

/// Those of the kinds that are neither calls' nor agents' own.
fn further(yaml: &mut String, all: &TenantObjects) {
    let group = dn_groups::dn_group_line;
    section(yaml, "dn_groups", all.dn_groups.iter().map(|o| onto(all, ObjectKind::DnGroup, &o.name, group(o))));
    let group = trunk_groups::trunk_group_line;
    let groups = all.trunk_groups.iter().map(|o| onto(all, ObjectKind::TrunkGroup, &o.name, group(o)));
    section(yaml, "trunk_groups", groups);
    let list = campaigns::calling_list_line;
    let lists = all.calling_lists.iter().map(|o| onto(all, ObjectKind::CallingList, &o.name, list(o)));
    section(yaml, "calling_lists", lists);
    let campaign = campaigns::campaign_line;
    section(yaml, "campaigns", all.campaigns.iter().map(|o| onto(all, ObjectKind::Campaign, &o.name, campaign(o))));
    let group = campaigns::campaign_group_line;
    let groups = all.campaign_groups.iter().map(|o| onto(all, ObjectKind::CampaignGroup, &o.name, group(o)));
    section(yaml, "campaign_groups", groups);
    let profile = ivr_profiles::ivr_profile_line;
    let profiles = all.ivr_profiles.iter().map(|o| onto(all, ObjectKind::IvrProfile, &o.name, profile(o)));
    section(yaml, "ivr_profiles", profiles);
    let statistic = statistic_definitions::statistic_definition_line;
    let statistics = all.statistic_definitions.iter();
    let statistics = statistics.map(|o| onto(all, ObjectKind::StatisticDefinition, &o.name, statistic(o)));
    section(yaml, "statistic_definitions", statistics);
    let transaction = transactions::transaction_line;
    let transactions = all.transactions.iter().map(|o| onto(all, ObjectKind::Transaction, &o.name, transaction(o)));
    section(yaml, "transactions", transactions);
    let rule = capacity::capacity_rule_line;
    let rules = all.capacity_rules.iter().map(|o| onto(all, ObjectKind::CapacityRule, &o.name, rule(o)));
    section(yaml, "capacity_rules", rules);
    let group = permissions::access_group_line;
    let groups = all.access_groups.iter().map(|o| onto(all, ObjectKind::AccessGroup, &o.name, group(o)));
    section(yaml, "access_groups", groups);
    section(yaml, "roles", all.roles.iter().map(|o| onto(all, ObjectKind::Role, &o.name, permissions::role_line(o))));
    let folders = all.folders.iter().map(|o| onto(all, ObjectKind::Folder, &o.path, permissions::folder_line(o)));
    section(yaml, "folders", folders);
}

/// Those of the tenant itself.
fn own_properties(yaml: &mut String, objects: &TenantObjects) {
    if let Some(annex) = objects.annexes.get(&ObjectKey { kind: ObjectKind::Tenant, id: String::new() }) {
        if let Some(folder) = &annex.folder {
            let _ = writeln!(yaml, "folder: {}", text(folder));
        }
        if !annex.user_properties.is_empty() {
            let _ = writeln!(yaml, "user_properties: {}", annexes::properties(annex));
        }
    }
}

/// An object that is its name alone, or its name with `more` of it.
fn named(objects: &TenantObjects, kind: ObjectKind, name: &str, more: &str) -> String {
    short_entry(objects, kind, name, ("name", name), more)
}

/// What an application looks up while it runs.
fn options(application: &Application) -> String {
    match application.options.is_empty() {
        true => String::new(),
        false => format!(", options: {{{}}}", lookup::sections_record(&application.options)),
    }
}

fn head(yaml: &mut String, tenant: &Tenant) {
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(yaml, "{key}: {value}");
        }
    };
    put("tenant", Some(text(&tenant.id)));
    put("name", Some(text(&tenant.name)));
    put("realm", Some(text(&tenant.realm)));
    put("codecs", Some(flow(tenant.codecs.iter().map(String::as_str))));
    put("hold_music", Some(text(&tenant.hold_music)));
    put("no_answer_s", Some(tenant.no_answer_s.to_string()));
    put("wrap_up_s", Some(tenant.wrap_up_s.to_string()));
    put("confirmation_prompt", tenant.confirmation_prompt.as_deref().map(text));
    put("refusal_prompt", tenant.refusal_prompt.as_deref().map(text));
    put("country_prefix", tenant.country_prefix.as_deref().map(text));
    put("national_prefix", tenant.national_prefix.as_deref().map(text));
    put("international_prefix", tenant.international_prefix.as_deref().map(text));
    put("time_zone", tenant.time_zone.as_deref().map(text));
    put("outgoing_max", tenant.outgoing_max.map(|most| most.to_string()));
    let required = &tenant.require_second_factor;
    put("require_second_factor", (!required.is_empty()).then(|| access::privilege_list(required)));
    put("sign_in", sign_in::record(&tenant.sign_in));
    put("location", tenant.location.as_ref().map(location::record));
    put("agents", (tenant.agents != AgentRules::default()).then(|| agent_rules(&tenant.agents)));
}

fn agent_rules(rules: &AgentRules) -> String {
    format!(
        "{{no_answer_action: {}, legal_guard_s: {}, logout_on_out_of_service: {}, auto_logout_min: {}, auto_logout_ready: {}, \
         untimed_wrap_up_s: {}, timed_acw_in_idle: {}, acw_in_idle_force_ready: {}, login_password: {}{}}}",
        rules.no_answer_action.as_str(),
        rules.legal_guard_s,
        rules.logout_on_out_of_service,
        rules.auto_logout_min,
        rules.auto_logout_ready,
        rules.untimed_wrap_up_s,
        rules.timed_acw_in_idle,
        rules.acw_in_idle_force_ready,
        rules.login_password.as_str(),
        if rules.strict_action_codes { ", strict_action_codes: true" } else { "" },
    )
}

/// Audio without media, of a trunk and of a phone.
const DIRECT: &str = ", direct_media: true";

/// Encrypted audio, of a trunk and of a phone.
fn encryption(encryption: Encryption) -> String {
    optional("encryption", Some(encryption.as_str()).filter(|_| encryption != Encryption::Off))
}

fn dns(yaml: &mut String, objects: &TenantObjects) {
    let (mut phones, mut points, mut services, mut queues) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for dn in &objects.dns {
        let number = text(&dn.number);
        let switch = optional("switch", dn.switch.as_deref());
        let of = |line: String| onto(objects, ObjectKind::Dn, &dn.number, format!("{line}{switch}}}"));
        match &dn.kind {
            DnKind::Extension {
                password,
                no_answer_s,
                call_waiting,
                outgoing_max,
                direct_media,
                encryption: secured,
                location: at,
            } => {
                let mut more = set("no_answer_s", *no_answer_s) + &set("outgoing_max", *outgoing_max);
                more.extend((!call_waiting).then_some(", call_waiting: false"));
                more.extend(direct_media.then_some(DIRECT));
                more.push_str(&encryption(*secured));
                more.push_str(&location::line(at.as_deref()));
                phones.push(of(format!("- {{number: {number}, password: {}{more}", text(password.reveal()))));
            }
            DnKind::RoutePoint { application, default_dn, service_level_s, short_abandon_s, wrap_up_s } => {
                let default = optional("default_dn", default_dn.as_deref());
                let mut level = format!(", service_level_s: {service_level_s}, short_abandon_s: {short_abandon_s}");
                level.extend(wrap_up_s.map(|s| format!(", wrap_up_s: {s}")));
                points.push(of(format!("- {{number: {number}, application: {}{default}{level}", text(application))));
            }
            DnKind::Echo => services.push(of(format!("- {{number: {number}, type: echo"))),
            DnKind::Announcement { prompts } => {
                let prompts = flow(prompts.iter().map(String::as_str));
                services.push(of(format!("- {{number: {number}, type: announcement, prompts: {prompts}")));
            }
            DnKind::VirtualQueue => queues.push(named(objects, ObjectKind::Dn, &dn.number, &switch)),
        }
    }
    section(yaml, "phones", phones.into_iter());
    section(yaml, "route_points", points.into_iter());
    section(yaml, "services", services.into_iter());
    names(yaml, "queues", queues.into_iter());
}

/// Each field is named here, so that a new one does not compile before it is written.
fn trunk(trunk: &Trunk) -> String {
    let Trunk {
        name,
        allow,
        certificate_names,
        inbound_user,
        inbound_password,
        contact,
        prefix,
        caller_id,
        priority,
        weight,
        try_s,
        user,
        password,
        calls_max,
        early_speech,
        direct_media,
        options,
        register,
        encryption: secured,
        codecs,
        dtmf,
        session_expires_s,
        reliable,
        calls_per_second,
        drain,
        asserts_identity,
        auth_user,
        domain,
        diversion: diverted,
        user_to_user,
        location,
        headers: rules,
        stir: signed,
    } = trunk;
    let allow = flow(allow.iter().map(String::as_str));
    let more = listed("certificate_names", certificate_names)
        + &optional("inbound_user", inbound_user.as_deref())
        + &optional("inbound_password", inbound_password.as_ref().map(Secret::reveal))
        + &optional("contact", contact.as_deref())
        + &optional("prefix", prefix.as_deref())
        + &optional("caller_id", caller_id.as_deref())
        + &set("priority", *priority)
        + &set("weight", *weight)
        + &set("try_s", *try_s)
        + &optional("user", user.as_deref())
        + &optional("password", password.as_ref().map(Secret::reveal))
        + &optional("auth_user", auth_user.as_deref())
        + &optional("domain", domain.as_deref())
        + &set("calls_max", *calls_max)
        + &set("calls_per_second", *calls_per_second)
        + if *drain { ", drain: true" } else { "" }
        + if *user_to_user { ", user_to_user: true" } else { "" }
        + if *location { ", location: true" } else { "" }
        + if *asserts_identity { ", asserts_identity: true" } else { "" }
        + if *early_speech { ", early_speech: true" } else { "" }
        + if *direct_media { DIRECT } else { "" }
        + if *options { ", options: true" } else { "" }
        + if *register { ", register: true" } else { "" }
        + &encryption(*secured)
        + &listed("codecs", codecs)
        + &optional("dtmf", dtmf.map(DtmfForm::as_str))
        + &set("session_expires_s", *session_expires_s)
        + &reliable.map(|reliable| format!(", reliable: {reliable}")).unwrap_or_default()
        + &diversion(*diverted)
        + &headers::line(rules)
        + &stir::line(signed);
    format!("- {{name: {}, allow: {allow}{more}}}", text(name))
}

/// Nothing for an empty list.
fn listed(key: &str, entries: &[String]) -> String {
    match entries {
        [] => String::new(),
        entries => format!(", {key}: {}", flow(entries.iter().map(String::as_str))),
    }
}

/// Nothing for what holds without it.
fn diversion(form: DiversionForm) -> String {
    optional("diversion", (form != DiversionForm::default()).then_some(form.as_str()))
}

fn person(person: &Person) -> String {
    let agent = person.agent.as_ref().map(|agent| {
        let levels: Vec<_> = agent.skills.iter().map(|l| format!("{}: {}", text(&l.skill), l.level)).collect();
        let mut rules = agent.wrap_up_s.map(|s| format!(", wrap_up_s: {s}")).unwrap_or_default();
        rules.extend(agent.legal_guard_s.map(|s| format!(", legal_guard_s: {s}")));
        rules.extend(agent.no_answer_action.map(|action| format!(", no_answer_action: {}", action.as_str())));
        rules.push_str(&optional("capacity_rule", agent.capacity_rule.as_deref()));
        format!(
            ", agent: {{id: {}, login_code: {}{}{}{rules}, skills: {{{}}}}}",
            text(&agent.id),
            text(&agent.login_code),
            optional("pin", agent.pin.as_ref().map(contracts::provisioning::Secret::reveal)),
            optional("place", agent.default_place.as_deref()),
            levels.join(", "),
        )
    });
    format!(
        "- {{user: {}, first_name: {}, last_name: {}{}{}}}",
        text(&person.user_name),
        text(&person.first_name),
        text(&person.last_name),
        agent.unwrap_or_default(),
        access::person_line(person),
    )
}

fn section(yaml: &mut String, key: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(yaml, "\n{key}:");
    for line in lines {
        let _ = writeln!(yaml, "  {line}");
    }
}

/// Entries that are written already, on one line.
fn names(yaml: &mut String, key: &str, names: impl Iterator<Item = String>) {
    let names: Vec<_> = names.collect();
    if !names.is_empty() {
        let _ = writeln!(yaml, "\n{key}: [{}]", names.join(", "));
    }
}

fn set(key: &str, value: Option<u32>) -> String {
    value.map(|value| format!(", {key}: {value}")).unwrap_or_default()
}

/// A file name that every file system accepts, different for each name.
fn file_name(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "_{byte:02x}");
        }
    }
    out
}
