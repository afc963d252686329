//! sip-cluster: the back-to-back user agent that owns calls (RFC 3261, 3264, 3725, 4028, 4240, 5707, 5923).
//!
//! Connections: SIP to every sip-proxy (voice-51), the dial plan (voice-27), config (voice-28), requests from frontend on 11300
//! (voice-39), subscriptions to its calls' events on 8000 (pulse-10), events and new calls to the stream (voice-40, voice-49), records (voice-41), details of waiting calls to rq (voice-25),
//! facts to the reporting log (voice-50).
//!
//! `node` owns the calls and does no I/O. Everything beside it is its shell: `event_loop` drives it, and the others talk to other roles.

mod attributes;
mod certificate_fetches;
mod certificates;
mod clients;
mod event_loop;
mod events;
mod export;
mod identities;
mod inbox;
mod ledger;
mod limits;
mod login_password;
mod lookup_turns;
mod metrics;
mod node;
mod operate;
mod party_rules;
mod prompts;
mod repairs;
mod routing_link;
mod searches;
mod server;
mod supervisors;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use contracts::provisioning::ObjectKind;
use net::configuration::Configuration;
use net::document::DocumentClient;
use net::public_address::Reach;
use net::sip::{Counters, NodeLinks};
use runtime::settings::Values;
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};

use crate::record_cipher::RecordCipher;
use crate::trunk_accounts::{Secrets, TrunkAccounts};
use certificate_fetches::CertificateFetches;
use certificates::Certificates;
use clients::Clients;
use event_loop::EventLoop;
use inbox::Inbox;
use limits::Limits;
use metrics::Metrics;
use node::lookup::SeenLive;
use node::{Node, Parts};

/// What sip-cluster declares.
pub const SPEC: RoleSpec = RoleSpec {
    name: "sip-cluster",
    number: 2,
    summary: "owns calls: a back-to-back user agent with the call model",
    listens: &[
        Listen { name: "http", protocol: Protocol::Http, port: 11_300, place: Place::Cluster, accepts: &["voice-39"] },
        Listen { name: "events", protocol: Protocol::Grpc, port: 8_000, place: Place::Cluster, accepts: &["pulse-10"] },
    ],
    opens: &["voice-51", "voice-25", "voice-27", "voice-28", "voice-40", "voice-41", "voice-49", "voice-50"],
    settings: Settings::TABLE,
    metrics: &[
        Metrics::declared,
        export::Metrics::declared,
        crate::node_events::Metrics::declared,
        net::configuration::Metrics::declared,
    ],
    admin_port: 11_300,
    starts: Starts::InTurn,
    drains: Drains::CallOwner,
    replicas: Replicas::Several,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

runtime::settings! {
    /// Settings of sip-cluster.
    pub struct Settings {
        /// Calls at once. The next one is answered 503.
        calls_max: usize = 5_000;
        /// The session interval that sip-cluster requests (RFC 4028), in seconds.
        session_expires_s: u32 = 1_800, |v| {
            if (90..=86_400).contains(v) { Ok(()) } else { Err("it must be 90 to 86400".to_owned()) }
        };
        /// Silence in signalling after which a party is probed. A party whose audio stops is probed at once.
        probe_after: Duration = Duration::from_secs(600), |v| {
            if *v >= Duration::from_secs(10) { Ok(()) } else { Err("it must be at least 10s".to_owned()) }
        };
        /// Whether certificates of those who sign for callers (STIR) may come from addresses that are not of the public Internet.
        certificate_private: bool = false;
        /// PEM files of the authorities that vouch for the hosts of those certificates. If there is none, those of the system.
        certificate_authorities: Vec<String> = Vec::new(), |v| {
            if v.iter().any(String::is_empty) { Err("each must be a path".to_owned()) } else { Ok(()) }
        };
    }
}

/// The objects that it reads: what a tenant has chosen to play, what is set for trunks and phones, which trunks have accounts, which
/// numbers are its own, where its phones are, and which values the user data of calls may have.
const KINDS: &[ObjectKind] = &[
    ObjectKind::Tenant,
    ObjectKind::Trunk,
    ObjectKind::Dn,
    ObjectKind::Place,
    ObjectKind::DialRule,
    ObjectKind::Number,
    ObjectKind::BusinessAttribute,
];

/// The condition that at least one proxy has accepted this node.
const PROXY: &str = "sip-proxy";

async fn run(ctx: RoleContext) -> anyhow::Result<()> {
    let settings: Settings = ctx.settings()?;
    ctx.ready.require(PROXY);
    let (inbox, inbox_messages) = Inbox::new();
    let (live, seen_live) = tokio::sync::watch::channel(SeenLive::default());
    let configuration = Configuration::follow(&ctx, "voice-28", KINDS)?;
    let ways = server::RequestContext {
        inbox: inbox.clone(),
        live: seen_live.clone(),
        searches: Arc::default(),
        config: net::http::Client::new(&ctx, "voice-28")?,
        configuration: configuration.clone(),
        stores: ctx.stores.clone(),
        owner: ctx.owner(),
        spans: ctx.trace.spans().clone(),
    };
    let routes = server::router(ways).merge(operate::router(ctx.stores.quarantine.clone()));
    net::http::serve(&ctx, "http", routes).await?;
    runtime::lease::keep(&ctx);
    events::serve(&ctx).await?;
    let certificates = Certificates::new(documents(&settings)?, ctx.clock.clone());
    let fetches = CertificateFetches::new(certificates, inbox.clone());
    let clients = Clients::new(&ctx, inbox.clone(), seen_live, configuration.clone())?;
    let limits = Limits {
        calls_max: settings.calls_max,
        session_expires_s: settings.session_expires_s,
        probe_after: settings.probe_after,
        ..Limits::default()
    };
    let metrics = Metrics::register(&ctx.metrics);
    let accounts = TrunkAccounts::follow(&ctx, "voice-28", configuration.clone(), Secrets::PasswordsAndKeys)?;
    let routing = routing_link::RoutingLinks::new(ctx.clone(), inbox.clone(), metrics.clone());
    let node = Node::new(Parts {
        owner: ctx.owner(),
        replica: ctx.replica,
        seal: sip::Seal::new(ctx.installation_key.bytes()),
        cipher: RecordCipher::of(&ctx.installation_key),
        limits,
        metrics,
        sent_by: ctx.address.to_string(),
        entropy: ctx.entropy(),
        agent_entropy: ctx.entropy(),
        trace: ctx.trace.clone(),
        trunks: party_rules::trunks(configuration.clone()),
        received: party_rules::received(configuration.clone()),
        header_rules: party_rules::header_rules(configuration.clone()),
        phones: party_rules::phones(configuration.clone()),
        locations: party_rules::locations(configuration.clone()),
        defaults: attributes::defaults(configuration.clone()),
        identities: Box::new(identities::Identities::new(configuration.clone(), accounts.clone())),
        prompts: prompts::from(configuration),
        accounts: accounts.by_name(),
    });
    supervisors::watch(&ctx, inbox.clone());
    repairs::watch(&ctx, clients.clone(), inbox);
    ctx.spawn("export", export::run(ctx.clone()));
    ctx.ready.started();
    let former = calls_of_previous_run(&ctx, &clients).await?;
    // Not before: the first message of a proxy may belong to one of those calls.
    let links = NodeLinks::of_role(&ctx, net::sip::Limits::default(), Arc::new(Counters::default()))?;
    let turned_at = ctx.clock.now();
    EventLoop { ctx, node, links, clients, fetches, routing, inbox_messages, live, former, turned_at }.run().await
}

/// What fetches certificates of those who sign for callers, for whoever tries an address; by the defaults if the settings are faulty.
///
/// # Errors
/// If the authorities cannot be read.
pub fn certificate_client(values: &Values) -> anyhow::Result<DocumentClient> {
    documents(&values.read::<Settings>(SPEC.name).unwrap_or_default())
}

/// Fetches certificates of those who sign for callers: where they are, an INVITE says.
fn documents(settings: &Settings) -> anyhow::Result<DocumentClient> {
    let reach = if settings.certificate_private { Reach::Everywhere } else { Reach::Public };
    let roots = if settings.certificate_authorities.is_empty() {
        net::tls::authorities::of_system().0
    } else {
        net::tls::authorities::of_files(&settings.certificate_authorities)?
    };
    Ok(DocumentClient::new(reach, roots)?)
}

/// How long config may take to name the tenants at start. After that the node starts without the calls of its previous run.
const TENANTS_WITHIN: Duration = Duration::from_secs(15);
/// Interval of these requests to config.
const TENANTS_AGAIN: Duration = Duration::from_millis(100);

async fn calls_of_previous_run(
    ctx: &RoleContext,
    clients: &Clients,
) -> anyhow::Result<Vec<infra::Record<model::ConnId>>> {
    let asking = async {
        loop {
            match clients.tenants().await {
                Ok(tenants) => return tenants,
                Err(_) => tokio::time::sleep(TENANTS_AGAIN).await,
            }
        }
    };
    let tenants = tokio::select! {
        tenants = tokio::time::timeout(TENANTS_WITHIN, asking) => tenants,
        () = ctx.drain.begun() => return Ok(Vec::new()),
    };
    let Ok(tenants) = tenants else {
        tracing::error!("config does not name the tenants: calls of the previous run are not restored");
        return Ok(Vec::new());
    };
    let former = ledger::former::claim_former(&*ctx.stores.calls, &ctx.owner(), &tenants).await?;
    if !former.is_empty() {
        tracing::info!(calls = former.len(), "calls of the previous run are restored");
    }
    Ok(former)
}
