//! Rows to objects.
//!
//! Every statement names its columns. With `*` a column added by a later release would change what a statement returns, and PostgreSQL refuses
//! such a change to a statement that a connection has prepared: the release that still serves would read nothing more.

use std::collections::HashMap;

use contracts::provisioning::{
    Agent, AgentRules, DialAction, DialRule, DiversionForm, Dn, DnKind, DtmfForm, Encryption, FeatureAction,
    FeatureCode, HeaderRule, HeaderRuleAction, HeaderRuleOn, Location, LoginPasswordRule, NoAnswerAction, Number,
    Person, Place, SERVICE_LEVEL_S, SHORT_ABANDON_S, Schedule, Secret, Skill, SkillLevel, Spender, Stir, StirSign,
    StirVerify, Tenant, TenantObjects, Trunk,
};
use infra::{Result, StoreError};
use model::TenantId;

use super::{FromField, Row, Turn, applications, prompt_rows, query};

/// All objects of a tenant that exists.
pub(super) async fn objects(db: &mut dyn Turn, tenant: &TenantId) -> Result<TenantObjects> {
    let mut objects = settings(db, tenant).await?;
    let mut lists = Lists::of_phones_and_people(db, tenant).await?;
    for row in rows(db, applications::ALL, tenant).await? {
        objects.applications.push(applications::application(&row)?);
    }
    for row in rows(db, DNS, tenant).await? {
        objects.dns.push(dn(&row, &mut lists)?);
    }
    for row in
        rows(db, "SELECT name, location, capacity_rule FROM place WHERE tenant = ? ORDER BY dbid", tenant).await?
    {
        let (name, location) = (text(&row, "name")?, location(&row, "table place")?);
        let (dns, capacity_rule) = (lists.place_dns.remove(&name).unwrap_or_default(), get(&row, "capacity_rule")?);
        objects.places.push(Place { name, dns, location, capacity_rule });
    }
    for row in rows(db, PEOPLE, tenant).await? {
        objects.people.push(person(&row, &mut lists)?);
    }
    for row in rows(db, NUMBERS, tenant).await? {
        objects.numbers.push(number(&row)?);
    }
    objects.clients = super::sign_in::clients(db, tenant).await?;
    super::documents::read(db, tenant, &mut objects).await?;
    super::annexes::read(db, tenant, &mut objects).await?;
    Ok(objects)
}

/// The objects of the kinds of which a tenant has few, and its own record: no applications, DNs, places, people, numbers,
/// clients or objects that are one document.
pub(super) async fn settings(db: &mut dyn Turn, tenant: &TenantId) -> Result<TenantObjects> {
    let mut lists = Lists::of_settings(db, tenant).await?;
    let row = rows(db, TENANT, tenant).await?;
    let row = row.first().ok_or_else(|| StoreError::Missing { key: format!("tenant {tenant}") })?;
    let mut objects = TenantObjects::new(tenant_object(row, &mut lists)?);
    for row in rows(db, "SELECT name FROM skill WHERE tenant = ? ORDER BY dbid", tenant).await? {
        objects.skills.push(Skill { name: text(&row, "name")? });
    }
    for row in rows(db, "SELECT name, file, audio FROM prompt WHERE tenant = ? ORDER BY dbid", tenant).await? {
        objects.prompts.push(prompt_rows::prompt(&row)?);
    }
    for row in rows(db, TRUNKS, tenant).await? {
        objects.trunks.push(trunk(&row, &mut lists)?);
    }
    let sql = "SELECT code, action, ask_pin FROM feature_code WHERE tenant = ? ORDER BY dbid";
    for row in rows(db, sql, tenant).await? {
        let action = action(&text(&row, "action")?)?;
        objects.feature_codes.push(FeatureCode { code: text(&row, "code")?, action, ask_pin: get(&row, "ask_pin")? });
    }
    for row in rows(db, "SELECT name, time_zone FROM schedule WHERE tenant = ? ORDER BY dbid", tenant).await? {
        let name = text(&row, "name")?;
        let open = lists.hours.remove(&(name.clone(), true)).unwrap_or_default();
        let exceptions = lists.hours.remove(&(name.clone(), false)).unwrap_or_default();
        objects.schedules.push(Schedule { name, time_zone: get(&row, "time_zone")?, open, exceptions });
    }
    for row in rows(db, DIAL_RULES, tenant).await? {
        objects.dial_rules.push(dial_rule(&row)?);
    }
    Ok(objects)
}

/// The tables that contain lists, by the object that each list belongs to.
#[derive(Default)]
pub(super) struct Lists {
    codecs: Vec<String>,
    prompts: HashMap<String, Vec<String>>,
    place_dns: HashMap<String, Vec<String>>,
    levels: HashMap<String, Vec<SkillLevel>>,
    sources: HashMap<String, Vec<String>>,
    certificate_names: HashMap<String, Vec<String>>,
    headers: HashMap<String, Vec<HeaderRule>>,
    /// The host names of the tenant.
    hosts: Vec<String>,
    /// The lines of schedules: of hours, and of exceptions.
    hours: HashMap<(String, bool), Vec<String>>,
}

impl Lists {
    /// A row of the skills of people.
    pub fn take_level(&mut self, row: &Row) -> Result<()> {
        let level = SkillLevel { skill: text(row, "skill")?, level: get(row, "level")? };
        self.levels.entry(text(row, "user_name")?).or_default().push(level);
        Ok(())
    }

    /// A row of the prompts of DNs.
    pub fn take_prompt(&mut self, row: &Row) -> Result<()> {
        self.prompts.entry(text(row, "number")?).or_default().push(text(row, "prompt")?);
        Ok(())
    }

    async fn of_phones_and_people(db: &mut dyn Turn, tenant: &TenantId) -> Result<Self> {
        let mut lists = Self::default();
        for row in rows(db, "SELECT number, prompt FROM dn_prompt WHERE tenant = ? ORDER BY place", tenant).await? {
            lists.take_prompt(&row)?;
        }
        for row in rows(db, "SELECT name, dn FROM place_dn WHERE tenant = ? ORDER BY place", tenant).await? {
            lists.place_dns.entry(text(&row, "name")?).or_default().push(text(&row, "dn")?);
        }
        let sql = "SELECT user_name, skill, level FROM person_skill WHERE tenant = ? ORDER BY place";
        for row in rows(db, sql, tenant).await? {
            lists.take_level(&row)?;
        }
        Ok(lists)
    }

    async fn of_settings(db: &mut dyn Turn, tenant: &TenantId) -> Result<Self> {
        let codecs = rows(db, "SELECT codec FROM tenant_codec WHERE tenant = ? ORDER BY place", tenant).await?;
        let mut lists =
            Self { codecs: codecs.iter().map(|row| text(row, "codec")).collect::<Result<_>>()?, ..Self::default() };
        for row in rows(db, "SELECT host FROM tenant_host WHERE tenant = ? ORDER BY host", tenant).await? {
            lists.hosts.push(text(&row, "host")?);
        }
        for row in rows(db, "SELECT name, source FROM trunk_source WHERE tenant = ? ORDER BY place", tenant).await? {
            lists.sources.entry(text(&row, "name")?).or_default().push(text(&row, "source")?);
        }
        let sql = "SELECT name, certificate_name FROM trunk_certificate_name WHERE tenant = ? ORDER BY place";
        for row in rows(db, sql, tenant).await? {
            lists.certificate_names.entry(text(&row, "name")?).or_default().push(text(&row, "certificate_name")?);
        }
        for row in rows(db, HEADER_RULES, tenant).await? {
            lists.headers.entry(text(&row, "name")?).or_default().push(header_rule(&row)?);
        }
        let sql = "SELECT name, kind, line FROM schedule_line WHERE tenant = ? ORDER BY place";
        for row in rows(db, sql, tenant).await? {
            let of = (text(&row, "name")?, text(&row, "kind")? == "open");
            lists.hours.entry(of).or_default().push(text(&row, "line")?);
        }
        Ok(lists)
    }
}

const TENANT: &str = "SELECT id, name, realm, hold_music, no_answer_s, wrap_up_s, confirmation_prompt, refusal_prompt,
        country_prefix, national_prefix, international_prefix, time_zone, outgoing_max, no_answer_action, legal_guard_s,
        logout_on_out_of_service, auto_logout_min, auto_logout_ready, untimed_wrap_up_s, timed_acw_in_idle,
        acw_in_idle_force_ready, login_password, strict_action_codes, location, require_second_factor, sign_in,
        later_second_factor
    FROM tenant WHERE id = ?";

fn tenant_object(row: &Row, lists: &mut Lists) -> Result<Tenant> {
    Ok(Tenant {
        id: text(row, "id")?,
        name: text(row, "name")?,
        realm: text(row, "realm")?,
        codecs: std::mem::take(&mut lists.codecs),
        hold_music: text(row, "hold_music")?,
        no_answer_s: get(row, "no_answer_s")?,
        wrap_up_s: get(row, "wrap_up_s")?,
        confirmation_prompt: get(row, "confirmation_prompt")?,
        refusal_prompt: get(row, "refusal_prompt")?,
        country_prefix: get(row, "country_prefix")?,
        national_prefix: get(row, "national_prefix")?,
        international_prefix: get(row, "international_prefix")?,
        time_zone: get(row, "time_zone")?,
        outgoing_max: get(row, "outgoing_max")?,
        require_second_factor: super::sign_in::privileges(
            get(row, "require_second_factor")?,
            get(row, "later_second_factor")?,
        )?,
        sign_in: super::sign_in::rules_with_hosts(get(row, "sign_in")?, std::mem::take(&mut lists.hosts))?,
        agents: agent_rules(row)?,
        location: location(row, "table tenant")?,
    })
}

fn agent_rules(row: &Row) -> Result<AgentRules> {
    let default = AgentRules::default();
    let number = |column: &str, absent: u32| Ok::<_, StoreError>(get::<Option<u32>>(row, column)?.unwrap_or(absent));
    let flag = |column: &str, absent: bool| number(column, absent.into()).map(|number| number != 0);
    Ok(AgentRules {
        no_answer_action: no_answer_action(row, "table tenant")?.unwrap_or(default.no_answer_action),
        legal_guard_s: number("legal_guard_s", default.legal_guard_s)?,
        logout_on_out_of_service: flag("logout_on_out_of_service", default.logout_on_out_of_service)?,
        auto_logout_min: number("auto_logout_min", default.auto_logout_min)?,
        auto_logout_ready: flag("auto_logout_ready", default.auto_logout_ready)?,
        untimed_wrap_up_s: number("untimed_wrap_up_s", default.untimed_wrap_up_s)?,
        timed_acw_in_idle: flag("timed_acw_in_idle", default.timed_acw_in_idle)?,
        acw_in_idle_force_ready: flag("acw_in_idle_force_ready", default.acw_in_idle_force_ready)?,
        login_password: login_password(row)?.unwrap_or(default.login_password),
        strict_action_codes: flag("strict_action_codes", default.strict_action_codes)?,
    })
}

fn login_password(row: &Row) -> Result<Option<LoginPasswordRule>> {
    let Some(name) = get::<Option<String>>(row, "login_password")? else { return Ok(None) };
    let corrupt = || StoreError::Corrupt { what: "table tenant".into(), reason: format!("login_password {name}") };
    LoginPasswordRule::parse(&name).map(Some).ok_or_else(corrupt)
}

fn no_answer_action(row: &Row, table: &str) -> Result<Option<NoAnswerAction>> {
    let Some(name) = get::<Option<String>>(row, "no_answer_action")? else { return Ok(None) };
    let corrupt = || StoreError::Corrupt { what: table.to_owned(), reason: format!("no_answer_action {name}") };
    NoAnswerAction::parse(&name).map(Some).ok_or_else(corrupt)
}

fn encryption(row: &Row, table: &str) -> Result<Encryption> {
    let Some(name) = get::<Option<String>>(row, "encryption")? else { return Ok(Encryption::Off) };
    let corrupt = || StoreError::Corrupt { what: table.to_owned(), reason: format!("encryption {name}") };
    Encryption::parse(&name).ok_or_else(corrupt)
}

/// Stored as the JSON of its contract.
pub(super) fn location(row: &Row, table: &str) -> Result<Option<Location>> {
    let Some(json) = get::<Option<String>>(row, "location")? else { return Ok(None) };
    // The reason does not repeat what stands there: it is somebody's address.
    let corrupt = |_| StoreError::Corrupt { what: table.to_owned(), reason: "location is not one as JSON".to_owned() };
    serde_json::from_str(&json).map(Some).map_err(corrupt)
}

/// A flag that absent means no.
fn is_set(row: &Row, column: &str) -> Result<bool> {
    Ok(get::<Option<u32>>(row, column)?.is_some_and(|flag| flag != 0))
}

macro_rules! dns {
    ($which:literal) => {
        concat!(
            "SELECT number, type, password, no_answer_s, call_waiting, outgoing_max, direct_media, encryption,
                location, application, default_dn, service_level_s, short_abandon_s, wrap_up_s, switch
            FROM dn WHERE tenant = ? ",
            $which
        )
    };
}
const DNS: &str = dns!("ORDER BY dbid");
pub(super) const DN: &str = dns!("AND number = ?");

pub(super) fn dn(row: &Row, lists: &mut Lists) -> Result<Dn> {
    let number = text(row, "number")?;
    let kind = match text(row, "type")?.as_str() {
        "extension" => DnKind::Extension {
            password: Secret(get::<Option<String>>(row, "password")?.unwrap_or_default()),
            no_answer_s: get(row, "no_answer_s")?,
            call_waiting: get::<Option<u32>>(row, "call_waiting")?.is_none_or(|flag| flag != 0),
            outgoing_max: get(row, "outgoing_max")?,
            direct_media: is_set(row, "direct_media")?,
            encryption: encryption(row, "table dn")?,
            location: location(row, "table dn")?.map(Box::new),
        },
        "route_point" => DnKind::RoutePoint {
            application: get::<Option<String>>(row, "application")?.unwrap_or_default(),
            default_dn: get(row, "default_dn")?,
            service_level_s: get::<Option<u32>>(row, "service_level_s")?.unwrap_or(SERVICE_LEVEL_S),
            short_abandon_s: get::<Option<u32>>(row, "short_abandon_s")?.unwrap_or(SHORT_ABANDON_S),
            wrap_up_s: get(row, "wrap_up_s")?,
        },
        "announcement" => DnKind::Announcement { prompts: lists.prompts.remove(&number).unwrap_or_default() },
        "echo" => DnKind::Echo,
        _ => DnKind::VirtualQueue,
    };
    Ok(Dn { number, switch: get(row, "switch")?, kind })
}

macro_rules! people {
    ($which:literal) => {
        concat!(
            "SELECT user_name, first_name, last_name, agent_id, login_code, pin, default_place, wrap_up_s, legal_guard_s,
                no_answer_action, email, password, second_factor, privileges, disabled, capacity_rule, later_privileges,
                external_id, change_password
            FROM person WHERE tenant = ? ",
            $which
        )
    };
}
const PEOPLE: &str = people!("ORDER BY dbid");
pub(super) const PERSON: &str = people!("AND user_name = ?");

pub(super) fn person(row: &Row, lists: &mut Lists) -> Result<Person> {
    let user_name = text(row, "user_name")?;
    let skills = lists.levels.remove(&user_name).unwrap_or_default();
    let agent = match get::<Option<String>>(row, "agent_id")? {
        Some(id) => Some(Agent {
            id,
            login_code: get::<Option<String>>(row, "login_code")?.unwrap_or_default(),
            pin: get::<Option<String>>(row, "pin")?.map(Secret),
            default_place: get(row, "default_place")?,
            wrap_up_s: get(row, "wrap_up_s")?,
            legal_guard_s: get(row, "legal_guard_s")?,
            no_answer_action: no_answer_action(row, "table person")?,
            skills,
            capacity_rule: get(row, "capacity_rule")?,
        }),
        None => None,
    };
    Ok(Person {
        user_name,
        first_name: text(row, "first_name")?,
        last_name: text(row, "last_name")?,
        agent,
        email: get(row, "email")?,
        password: get::<Option<String>>(row, "password")?.map(Secret),
        second_factor: get::<Option<String>>(row, "second_factor")?.map(Secret),
        privileges: super::sign_in::privileges(get(row, "privileges")?, get(row, "later_privileges")?)?,
        disabled: is_set(row, "disabled")?,
        external_id: get(row, "external_id")?,
        change_password: is_set(row, "change_password")?,
    })
}

macro_rules! numbers {
    ($which:literal) => {
        concat!("SELECT number, name, dn, schedule, closed_dn FROM number WHERE tenant = ? ", $which)
    };
}
const NUMBERS: &str = numbers!("ORDER BY dbid");
pub(super) const NUMBER: &str = numbers!("AND number = ?");

pub(super) fn number(row: &Row) -> Result<Number> {
    Ok(Number {
        number: text(row, "number")?,
        name: text(row, "name")?,
        dn: text(row, "dn")?,
        schedule: get(row, "schedule")?,
        closed_dn: get(row, "closed_dn")?,
    })
}

const TRUNKS: &str = "SELECT name, inbound_user, inbound_password, contact, prefix, caller_id, priority, weight, try_s,
        user_name, password, calls_max, early_speech, direct_media, options, registers, encryption, calls_per_second,
        drain, asserts_identity, auth_user, domain, diversion, user_to_user, stir_certificate_url, stir_private_key,
        stir_certificate, stir_verify, stir_authorities, tells_location, codecs, dtmf, session_expires_s, reliable
    FROM trunk WHERE tenant = ? ORDER BY dbid";

fn trunk(row: &Row, lists: &mut Lists) -> Result<Trunk> {
    let name = text(row, "name")?;
    let headers = lists.headers.remove(&name).unwrap_or_default();
    Ok(Trunk {
        allow: lists.sources.remove(&name).unwrap_or_default(),
        certificate_names: lists.certificate_names.remove(&name).unwrap_or_default(),
        name,
        inbound_user: get(row, "inbound_user")?,
        inbound_password: get::<Option<String>>(row, "inbound_password")?.map(Secret),
        contact: get(row, "contact")?,
        prefix: get(row, "prefix")?,
        caller_id: get(row, "caller_id")?,
        priority: get(row, "priority")?,
        weight: get(row, "weight")?,
        try_s: get(row, "try_s")?,
        user: get(row, "user_name")?,
        password: get::<Option<String>>(row, "password")?.map(Secret),
        calls_max: get(row, "calls_max")?,
        early_speech: is_set(row, "early_speech")?,
        direct_media: is_set(row, "direct_media")?,
        options: is_set(row, "options")?,
        register: is_set(row, "registers")?,
        encryption: encryption(row, "table trunk")?,
        codecs: codecs(row)?,
        dtmf: dtmf(row)?,
        session_expires_s: get(row, "session_expires_s")?,
        reliable: get::<Option<u32>>(row, "reliable")?.map(|flag| flag != 0),
        calls_per_second: get(row, "calls_per_second")?,
        drain: is_set(row, "drain")?,
        asserts_identity: is_set(row, "asserts_identity")?,
        auth_user: get(row, "auth_user")?,
        domain: get(row, "domain")?,
        diversion: diversion(row)?,
        user_to_user: is_set(row, "user_to_user")?,
        location: is_set(row, "tells_location")?,
        headers,
        stir: stir(row)?,
    })
}

/// Stored as their names, with a space between two.
fn codecs(row: &Row) -> Result<Vec<String>> {
    let names = get::<Option<String>>(row, "codecs")?.unwrap_or_default();
    Ok(names.split_whitespace().map(str::to_owned).collect())
}

fn dtmf(row: &Row) -> Result<Option<DtmfForm>> {
    let Some(name) = get::<Option<String>>(row, "dtmf")? else { return Ok(None) };
    let unknown = || StoreError::Corrupt { what: "table trunk".to_owned(), reason: format!("dtmf {name}") };
    DtmfForm::parse(&name).map(Some).ok_or_else(unknown)
}

fn diversion(row: &Row) -> Result<DiversionForm> {
    let Some(name) = get::<Option<String>>(row, "diversion")? else { return Ok(DiversionForm::default()) };
    let unknown = || StoreError::Corrupt { what: "table trunk".to_owned(), reason: format!("diversion {name}") };
    DiversionForm::parse(&name).ok_or_else(unknown)
}

fn stir(row: &Row) -> Result<Stir> {
    let sign = match get::<Option<String>>(row, "stir_certificate_url")? {
        Some(certificate_url) => Some(StirSign {
            certificate_url,
            private_key: get::<Option<String>>(row, "stir_private_key")?.map(Secret),
            certificate: get(row, "stir_certificate")?,
        }),
        None => None,
    };
    let verify = match get::<Option<String>>(row, "stir_verify")? {
        Some(name) => StirVerify::parse(&name).ok_or_else(|| StoreError::Corrupt {
            what: "table trunk".to_owned(),
            reason: format!("stir_verify {name}"),
        })?,
        None => StirVerify::default(),
    };
    Ok(Stir { sign, verify, authorities: get(row, "stir_authorities")? })
}

const HEADER_RULES: &str = "SELECT name, direction, action, header, value, pattern, replacement
    FROM trunk_header WHERE tenant = ? ORDER BY place";

fn header_rule(row: &Row) -> Result<HeaderRule> {
    let unknown = |name: &str| {
        let reason = format!("{name} of a rule about headers");
        StoreError::Corrupt { what: "table trunk_header".to_owned(), reason }
    };
    let (on, action) = (text(row, "direction")?, text(row, "action")?);
    Ok(HeaderRule {
        on: HeaderRuleOn::parse(&on).ok_or_else(|| unknown(&on))?,
        action: HeaderRuleAction::parse(&action).ok_or_else(|| unknown(&action))?,
        header: text(row, "header")?,
        value: get(row, "value")?,
        pattern: get(row, "pattern")?,
        replace: get(row, "replacement")?,
    })
}

const DIAL_RULES: &str = "SELECT name, place, pattern, action, reason, remove_first, add_before, shows, trunk, spender,
        calls_a_day, minutes_a_day, cost, schedule, by_agent
    FROM dial_rule WHERE tenant = ? ORDER BY place, dbid";

fn dial_rule(row: &Row) -> Result<DialRule> {
    let or_empty = |column: &str| Ok::<_, StoreError>(get::<Option<String>>(row, column)?.unwrap_or_default());
    let action = match text(row, "action")?.as_str() {
        "emergency" => DialAction::Emergency { trunk: get(row, "trunk")? },
        "block" => DialAction::Block { reason: or_empty("reason")? },
        "translate" => DialAction::Translate { remove: removed(row)?, add: or_empty("add_before")? },
        "caller_id" => DialAction::CallerId { shows: or_empty("shows")?, trunk: get(row, "trunk")? },
        "send" => DialAction::Send { remove: removed(row)?, add: or_empty("add_before")?, trunk: get(row, "trunk")? },
        "receive" => {
            DialAction::Receive { remove: removed(row)?, add: or_empty("add_before")?, trunk: get(row, "trunk")? }
        }
        "route" => DialAction::Route {
            trunk: or_empty("trunk")?,
            cost: get::<Option<u32>>(row, "cost")?.unwrap_or_default(),
            schedule: get(row, "schedule")?,
        },
        "limit" => DialAction::Limit {
            per: match spender(&or_empty("spender")?)? {
                Spender::Phone if is_set(row, "by_agent")? => Spender::Agent,
                other => other,
            },
            calls: get(row, "calls_a_day")?,
            minutes: get(row, "minutes_a_day")?,
        },
        other => {
            let reason = format!("action {other}");
            return Err(StoreError::Corrupt { what: "table dial_rule".to_owned(), reason });
        }
    };
    Ok(DialRule { name: text(row, "name")?, place: get(row, "place")?, pattern: text(row, "pattern")?, action })
}

fn removed(row: &Row) -> Result<u32> {
    Ok(get::<Option<u32>>(row, "remove_first")?.unwrap_or_default())
}

fn spender(name: &str) -> Result<Spender> {
    let unknown = || StoreError::Corrupt { what: "table dial_rule".to_owned(), reason: format!("spender {name}") };
    Spender::parse(name).ok_or_else(unknown)
}

fn action(name: &str) -> Result<FeatureAction> {
    let unknown = || StoreError::Corrupt { what: "table feature_code".to_owned(), reason: format!("action {name}") };
    FeatureAction::parse(name).ok_or_else(unknown)
}

async fn rows(db: &mut dyn Turn, sql: &'static str, tenant: &TenantId) -> Result<Vec<Row>> {
    db.rows(query(sql).bind(tenant.as_str())).await
}

fn text(row: &Row, column: &str) -> Result<String> {
    row.text(column)
}

fn get<T: FromField>(row: &Row, column: &str) -> Result<T> {
    row.get(column)
}
