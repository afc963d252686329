//! sip-proxy, the edge of the SIP side: phones and carriers on 5060 and 5061, phones by WebSocket on 5066 and 7443, and through ingress on
//! 5067, nodes on 5080; phones in browsers that webrtc passes on from our own address, port 5070.
//!
//! RFC 3261 §16 (stateful, record-routing), RFC 3327 (Path), RFC 3581 (rport), RFC 5626 (flows), RFC 5923 (connection reuse).
//! [`sip::proxy::Proxy`] decides. This role adds sockets, time, tokens, the tenants' phones and trunks from config (voice-23),
//! and reports of the edge to the reporting log (voice-60). One task owns everything, so nothing is locked and order is kept.

mod authority;
mod certificates;
mod clients;
mod event_loop;
mod faults;
mod gateways;
mod held_tenants;
mod inbox;
mod inputs;
mod known_credentials;
mod listeners;
mod message_trace;
mod meters;
mod metrics;
mod names;
mod refusals;
mod registers;
mod reporting;
mod settings;
mod trunk_digests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use net::sip::{Counters, Forwards, TcpTable};
use runtime::settings::Values;
use runtime::{Drain, Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};
use sip::Seal;
use sip::proxy::{Network, Proxy, Settings as ProxySettings, TurnLoad};

pub use certificates::{CertificateFiles, OWN_FILE};

use authority::TokenAuthority;
use certificates::Certificates;
use clients::Users;
use event_loop::EventLoop;
use gateways::Gateways;
use listeners::{ListenAddresses, StreamListener, StreamListeners, UdpListeners};
use names::Names;
use settings::Settings;

/// What sip-proxy declares.
pub const SPEC: RoleSpec = RoleSpec {
    name: "sip-proxy",
    number: 1,
    summary: "the edge for phones and carriers; gives every dialog to the node that owns it",
    listens: &[
        Listen {
            name: "sip-udp",
            protocol: Protocol::SipUdp,
            port: 5060,
            place: Place::Edge,
            accepts: &["own-17", "own-18"],
        },
        Listen {
            name: "sip-tcp",
            protocol: Protocol::SipTcp,
            port: 5060,
            place: Place::Edge,
            accepts: &["own-17", "own-18"],
        },
        Listen {
            name: "sip-tls",
            protocol: Protocol::SipTls,
            port: 5061,
            place: Place::Edge,
            accepts: &["own-17", "own-18"],
        },
        Listen { name: "sip-ws", protocol: Protocol::SipWs, port: 5066, place: Place::Edge, accepts: &["own-17"] },
        Listen { name: "sip-wss", protocol: Protocol::SipWss, port: 7443, place: Place::Edge, accepts: &["own-17"] },
        Listen {
            name: "nodes",
            protocol: Protocol::SipTcp,
            port: 5080,
            place: Place::Cluster,
            accepts: &["voice-51", "voice-58", "own-01"],
        },
        Listen { name: "ingress", protocol: Protocol::SipWs, port: 5067, place: Place::Cluster, accepts: &["own-24"] },
    ],
    opens: &["voice-23", "voice-57", "voice-59", "voice-60"],
    settings: Settings::TABLE,
    metrics: &[
        metrics::declared,
        crate::reporting::Metrics::declared,
        faults::Counted::declared,
        net::configuration::Metrics::declared,
    ],
    admin_port: 11400,
    starts: Starts::InTurn,
    drains: Drains::Signalling,
    replicas: Replicas::Single,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// How often the kernel's count of dropped datagrams is read.
const DROPS_EACH: Duration = Duration::from_secs(5);
/// Connections that a run may number for each millisecond until the next run begins, as a power of two.
const CONNECTIONS_BITS: u32 = 18;

async fn run(ctx: RoleContext) -> Result<()> {
    let settings: Settings = ctx.settings()?;
    let addresses = ListenAddresses::of(&ctx)?;
    let listeners = StreamListeners::of(&addresses);
    let counters = Arc::new(Counters::default());
    let limits = settings.socket_limits();
    let udp = UdpListeners::bind(&addresses.udp, &limits, &counters)?;
    let gateways = Gateways::bind(&ctx, &limits, &counters)?;
    ctx.spawn("drops of the kernel", watch_drops(udp.local(), counters.clone(), ctx.drain.clone()));
    let meters = meters::Meters::new(&ctx);
    let mut tcp = TcpTable::new(limits, counters.clone(), meters.of_connections(&ctx, listeners.clone()));
    tcp.number_from(ctx.epoch.0 << CONNECTIONS_BITS);
    tcp.believe_forwarders(forwarders(&ctx, listeners.clone(), settings.web_proxies()?));
    listeners.bind(&mut tcp)?;
    let proxy_settings = ProxySettings {
        edge: addresses.udp.first.advertise.to_string(),
        other_edges: addresses.other_edges(),
        udp_listeners: addresses.udp.all().map(|at| at.listen).collect(),
        aliases: [addresses.aliases(), vec![gateways.name()]].concat(),
        cluster: addresses.nodes.to_string(),
        static_route: settings.static_route()?,
        algorithms: settings.algorithms()?,
        limits: settings.proxy_limits(),
    };
    let seal = Seal::new(ctx.installation_key.bytes());
    let authority = Box::new(TokenAuthority::new(&ctx)?);
    let proxy = Proxy::new(proxy_settings, seal.clone(), authority, ctx.entropy());
    let metrics = metrics::Metrics::register(&ctx.metrics, counters, udp.receive_buffer());
    let names = addresses.certificate_names();
    let certificates = Certificates::new(settings.certificate_files(), &ctx.data_dir, names, metrics.certificates());
    let certificates = certificates::watch(&ctx, certificates).context("the certificates of the edge")?;
    tcp.use_tls(certificates.borrow().clone());
    ctx.ready.require("nodes");
    ctx.ready.require("phones and trunks");
    let users = Users::start(&ctx, settings.credentials_cache).context("the client of config")?;
    let names = Names::new(&settings.name_servers()?, ctx.entropy()).context("name_servers")?;
    ctx.ready.started();
    let passages = message_trace::MessageTrace::new(ctx.trace.clone(), ctx.directory.clone(), seal);
    let reporter = crate::reporting::Reporter::start(&ctx, "voice-60", contracts::reporting::EDGE);
    let registers = registers::Registers::default();
    let reports = reporting::Reports::new(reporter, ctx.clock.now());
    let inbox = inbox::Inbox::default();
    let faults = faults::Faults::new(&ctx);
    let event_loop = EventLoop {
        ctx,
        proxy,
        udp,
        gateways,
        inbox,
        tcp,
        certificates,
        users,
        names,
        meters,
        metrics,
        addresses,
        listeners,
        passages,
        reports,
        registers,
        load: TurnLoad::default(),
        refused_logged: 0,
        faults,
    };
    event_loop.run().await
}

/// Whoever is believed from whom it passes a WebSocket on: ingress at its own listener, and these.
fn forwarders(ctx: &RoleContext, listeners: StreamListeners, web_proxies: Vec<Network>) -> Forwards {
    let directory = ctx.directory.clone();
    Box::new(move |listener, address| {
        let is_ingress = || directory.role_at(address) == Some("ingress");
        let from_ingress = listeners.kind(listener) == Some(StreamListener::Ingress) && is_ingress();
        from_ingress || web_proxies.iter().any(|network| network.contains(address))
    })
}

/// The files of the certificates, for whoever checks them; `None` if the settings are faulty.
pub fn certificate_files(values: &Values) -> Option<CertificateFiles> {
    Some(values.read::<Settings>(SPEC.name).ok()?.certificate_files())
}

/// The name servers that are asked about carriers, for whoever tries one; `None` if the settings are faulty.
pub fn name_servers(values: &Values) -> Option<Vec<SocketAddr>> {
    values.read::<Settings>(SPEC.name).ok()?.name_servers().ok()
}

/// Counts datagrams that the kernel drops at these sockets, until the role has ended.
async fn watch_drops(sockets: Vec<SocketAddr>, counters: Arc<Counters>, drain: Drain) -> Result<()> {
    loop {
        tokio::select! {
            () = tokio::time::sleep(DROPS_EACH) => {}
            () = drain.ended() => return Ok(()),
        }
        let sockets = sockets.clone();
        let dropped = move || sockets.into_iter().map(net::sip::drops::dropped).sum::<std::io::Result<u64>>();
        // Some thousand lines where media has as many ports.
        if let Ok(Ok(dropped)) = tokio::task::spawn_blocking(dropped).await {
            counters.datagrams_dropped.more(dropped.saturating_sub(counters.datagrams_dropped.value()));
        }
    }
}

/// An address and port as settings take it; empty is none.
fn optional_address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| format!("{text:?} is not an address with a port"))
}
