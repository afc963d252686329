//! telemetry: what browsers and other clients tell of themselves. HTTP 8107, metrics 9107, paths under `/telemetry/v1`, through ingress
//! (telemetry-03).
//!
//! Contracts, personal data, rates and what goes first when there is too much are decided by crate `telemetry`. Here are the listener, the
//! question to auth whether a token is still good (telemetry-04), lines on stdout (telemetry-06), metrics, and the way of OpenTelemetry's
//! batches to a collector (own-25).

mod admission;
mod answers;
mod apdex_scores;
mod collector;
mod config;
mod cors;
mod gzip;
mod histograms;
mod lines;
mod metrics;
mod openapi;
mod otlp;
mod series;
mod server;
mod standing;
mod switch;
mod traces;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::telemetry::FieldFault;
use ::telemetry::contract::{Contract, read_list};
use ::telemetry::cors::TenantOrigins;
use ::telemetry::rate::ClientRates;
use anyhow::{Context as _, Result};
use model::Timestamp;
use net::http::{Capacity, Limits, Method};
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

pub use openapi::openapi;

/// Its declaration.
pub const SPEC: RoleSpec = RoleSpec {
    name: "telemetry",
    number: 42,
    summary: "what browsers and other clients tell of themselves: log lines, metrics, OpenTelemetry",
    listens: &[Listen {
        name: "telemetry",
        protocol: Protocol::Http,
        port: 8107,
        place: Place::Cluster,
        accepts: &["telemetry-03"],
    }],
    opens: &["telemetry-04", "telemetry-06", "own-25"],
    settings: Settings::TABLE,
    metrics: &[metrics::Metrics::declared],
    admin_port: 9107,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Single,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// The contracts of the pages of Trunkline itself, and of the phone in them.
const OWN_PAGES: &str = r#"[{
    "appName": "trunkline_pages",
    "properties": ["page", "browserSessionId", "message", "where", "status", "language", "browser"],
    "monitoredMetrics": [
        {"name": "interaction_delay_ms", "value": 500, "type": "gt"},
        {"name": "request_seconds", "value": 4, "type": "gt"}
    ],
    "monitoredEvents": ["error_.*", "connection_lost", "performance_worker_(major|severe)"],
    "apdex": {"metrics": {
        "page_shown_seconds": {"satisfiedTH": 1, "toleratedTH": 4, "isExtended": true},
        "interaction_delay_ms": {"satisfiedTH": 200, "toleratedTH": 500, "isExtended": true},
        "request_seconds": {"satisfiedTH": 1, "toleratedTH": 4, "isExtended": true}
    }}
}, {
    "appName": "softphone",
    "properties": ["codec", "why"],
    "monitoredEvents": ["error_.*", "phone_lost"],
    "monitoredMetrics": [
        {"name": "jitter", "value": 30, "type": "gt"},
        {"name": "packet_loss", "value": 3, "type": "gt"},
        {"name": "sip_call_mos", "value": 3.1, "type": "lt"}
    ],
    "apdex": {"metrics": {"sip_call_mos": {"satisfiedTH": 3.6, "toleratedTH": 3.1, "isExtended": true}}}
}]"#;

/// For what an ending role waits at most until the collector has what is on its way, and what it leaves of its own time.
const EMPTIED_WITHIN: Duration = Duration::from_secs(5);
const LAST_SECOND: Duration = Duration::from_secs(1);
/// How often clients that are gone are forgotten.
const TICK: Duration = Duration::from_secs(10);
/// Intervals at which clients may be told to send.
const FLUSH_MIN: Duration = Duration::from_secs(1);
const FLUSH_MAX: Duration = Duration::from_secs(600);
/// The longest id of a tenant, in bytes.
const TENANT_BYTES_MAX: usize = 63;
/// How long auth may go unasked about a token.
const CHECKED_MAX: Duration = Duration::from_secs(3_600);

runtime::settings! {
    /// Settings of telemetry.
    pub struct Settings {
        /// Contracts of client applications, as a JSON list. Empty: those of Trunkline's own pages alone, which are always there. Also from TELEMETRY_CONFIG_CONTRACTS.
        contracts: String = String::new(), |v| read_list(v).map(drop).map_err(|fault| fault.to_string());
        /// Pages of other origins that may send, as JSON: tenant to `{"urls": [], "domains": []}`. Empty: those of ingress alone. Also from TELEMETRY_CONFIG_CORS.
        cors: String = String::new(), |v| TenantOrigins::read(v).map(drop).map_err(|fault| fault.to_string());
        /// Tenants whose clients may send, as JSON: id to the name in lines and metrics. Empty: every tenant, by its id. Also from TELEMETRY_CONFIG_TENANTS.
        tenants: String = String::new(), |v| read_tenants(v).map(drop);
        /// Where batches of OpenTelemetry go, as `http://127.0.0.1:4318` or `https://collector.example:4318` (OTLP over HTTP). Empty: they are refused.
        collector: String = String::new(), |v| collector::check(v);
        /// The part of its usual items that a client is told to send, from 0 to 1; errors are always sent.
        sampling: f64 = 1.0, |v| runtime::settings::declare::within(v, &0.0, &1.0);
        /// How often a client is told to send.
        flush_interval: Duration = Duration::from_secs(10), |v| runtime::settings::declare::within(v, &FLUSH_MIN, &FLUSH_MAX);
        /// How many batches a client may send in a minute, after ten at once.
        batches_per_minute: u32 = 60, |v| runtime::settings::declare::within(v, &1, &6_000);
        /// For how long the answer of auth about a token is used again.
        checked_for: Duration = Duration::from_secs(120), |v| runtime::settings::declare::within(v, &Duration::from_secs(1), &CHECKED_MAX);
        /// Applications whose clients are told to send nothing, as from the start; `*` is every one.
        off: Vec<String> = Vec::new() => |all| check_off(all);
        /// Whether lines have the address that a client comes from.
        client_ip: bool = false;
    }
}

/// Tenants by id, with their names.
type TenantNames = BTreeMap<String, String>;

fn read_tenants(json: &str) -> Result<TenantNames, String> {
    if json.trim().is_empty() {
        return Ok(TenantNames::new());
    }
    let names: TenantNames =
        serde_json::from_str(json).map_err(|error| format!("it is not a JSON object of names: {error}"))?;
    // The rule for ids in files of tenants.
    let is_plain = |id: &str| id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    match names.keys().find(|id| id.is_empty() || id.len() > TENANT_BYTES_MAX || !is_plain(id)) {
        Some(id) => Err(format!("{id:?} is no id of a tenant: at most 63 lower-case letters, digits and dashes")),
        None => Ok(names),
    }
}

/// The contracts by which the role works.
fn contracts(settings: &Settings) -> Result<Vec<Contract>, FieldFault> {
    Ok(read_list(OWN_PAGES)?.into_iter().chain(read_list(&settings.contracts)?).collect())
}

/// Checks that what is off is known.
fn check_off(settings: &Settings) -> Result<(), String> {
    // What is wrong with the contracts is said of them.
    let Ok(contracts) = contracts(settings) else { return Ok(()) };
    let is_known = |app: &String| app == switch::ALL || contracts.iter().any(|contract| contract.app() == app);
    match settings.off.iter().find(|app| !is_known(app)) {
        Some(app) => Err(format!("{app:?} is neither * nor an application with a contract, see telemetry.contracts")),
        None => Ok(()),
    }
}

/// What every endpoint needs.
struct Telemetry {
    ctx: RoleContext,
    settings: Settings,
    contracts: BTreeMap<String, Contract>,
    origins: TenantOrigins,
    tenants: TenantNames,
    switch: switch::KillSwitch,
    standing: standing::TokenStanding,
    rates: Mutex<ClientRates>,
    lines: lines::LineQueue,
    collector: Option<collector::CollectorQueue>,
    metrics: metrics::Metrics,
}

impl Telemetry {
    fn new(ctx: &RoleContext) -> Result<Self> {
        let settings: Settings = ctx.settings()?;
        let metrics = metrics::Metrics::register(&ctx.metrics);
        metrics.apdex_scores.follow(ctx.clock.clone());
        let contracts = contracts(&settings)?.into_iter();
        let collector = (!settings.collector.is_empty())
            .then(|| collector::CollectorQueue::start(ctx, &settings.collector, metrics.clone()))
            .transpose()?;
        Ok(Self {
            contracts: contracts.map(|contract| (contract.app().to_owned(), contract)).collect(),
            origins: TenantOrigins::read(&settings.cors)?,
            tenants: read_tenants(&settings.tenants).map_err(anyhow::Error::msg).context("telemetry.tenants")?,
            switch: switch::KillSwitch::open(settings.off.iter().cloned(), &ctx.data_dir),
            standing: standing::TokenStanding::new(ctx, settings.checked_for, metrics.clone())?,
            rates: Mutex::new(ClientRates::per_minute(settings.batches_per_minute)),
            lines: lines::LineQueue::start(ctx, metrics.clone())?,
            collector,
            metrics,
            settings,
            ctx: ctx.clone(),
        })
    }

    fn now(&self) -> Timestamp {
        self.ctx.clock.now()
    }

    fn rates(&self) -> MutexGuard<'_, ClientRates> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A browser asks before a page of another origin sends something, and has no token then.
fn is_open(method: &Method, _: &str) -> bool {
    method == Method::OPTIONS
}

async fn run(ctx: RoleContext) -> Result<()> {
    let telemetry = Arc::new(Telemetry::new(&ctx)?);
    let limits = Limits {
        body_bytes_max: ::telemetry::limits::BATCH_BYTES_MAX,
        requests: Capacity { all: 1_024 },
        ..Limits::default()
    };
    let gated = net::http::gated(&ctx, "telemetry", server::router(telemetry.clone()), limits, is_open)?;
    net::http::bind_and_serve(&ctx, "telemetry", cors::around_gate(gated, telemetry.origins.clone())).await?;
    let apps: Vec<&str> = telemetry.contracts.keys().map(String::as_str).collect();
    telemetry.lines.own(telemetry.now(), "started", &serde_json::json!({ "apps": apps }));
    ctx.ready.started();
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            () = ctx.drain.begun() => break,
            _ = tick.tick() => telemetry.on_tick().await,
        }
    }
    tokio::join!(telemetry.lines.written(), telemetry.emptied());
    Ok(())
}

impl Telemetry {
    /// Waits until the collector has what is on its way, while the role may.
    async fn emptied(&self) {
        let Some(collector) = &self.collector else { return };
        let deadline = self.ctx.drain.deadline().unwrap_or_else(|| self.now() + EMPTIED_WITHIN);
        let left = deadline.since(self.now()).saturating_sub(LAST_SECOND);
        collector.emptied(left.min(EMPTIED_WITHIN)).await;
    }

    async fn on_tick(self: &Arc<Self>) {
        self.count_clients();
        let telemetry = self.clone();
        // A panic in it would have been reported where it happened.
        let _ = tokio::task::spawn_blocking(move || telemetry.switch.follow()).await;
    }

    fn count_clients(&self) {
        let clients = self.rates().forget_silent(self.now());
        self.metrics.active_clients.set(i64::try_from(clients).unwrap_or(i64::MAX));
        self.metrics.lines_waiting.set(i64::try_from(self.lines.waiting()).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_of_our_own_pages_are_right() {
        let contracts = read_list(OWN_PAGES).unwrap();
        assert!(contracts[0].allows("page") && contracts[0].allows("browser") && !contracts[0].allows("name"));
        for event in ["error_script", "error_request", "connection_lost", "performance_worker_major"] {
            assert!(contracts[0].event(event).is_some(), "{event}");
        }
        assert!(contracts[0].event("performance_worker_minor").is_none());
        for metric in ["page_shown_seconds", "interaction_delay_ms", "request_seconds"] {
            assert!(contracts[0].apdex(metric).is_some_and(|rule| rule.is_extended), "{metric}");
        }
        assert!(contracts[1].app() == "softphone" && contracts[1].allows("codec") && !contracts[1].allows("number"));
        assert!(contracts[1].event("error_phone").is_some() && contracts[1].event("phone_lost").is_some());
    }

    #[test]
    fn names_of_tenants_are_an_object() {
        assert_eq!(read_tenants(r#"{"acme": "Acme"}"#).unwrap()["acme"], "Acme");
        assert!(read_tenants(" ").unwrap().is_empty());
        assert!(read_tenants("[1]").is_err());
        for wrong in [r#"{"acme": "Acme", "Other": "x"}"#, r#"{"": "x"}"#] {
            assert!(read_tenants(wrong).unwrap_err().contains("is no id of a tenant"), "{wrong}");
        }
    }

    #[test]
    fn only_applications_with_a_contract_can_be_off() {
        let off = |app: &str| Settings {
            contracts: r#"[{"appName": "softphone"}]"#.to_owned(),
            off: vec![app.to_owned()],
            ..Settings::default()
        };
        for known in ["*", "softphone", "trunkline_pages"] {
            assert_eq!(check_off(&off(known)), Ok(()), "{known}");
        }
        assert!(check_off(&off("sofphone")).unwrap_err().starts_with("\"sofphone\" is neither * nor"));
    }
}
