//! webrtc: phones in browsers. SIP over WebSocket (RFC 7118) comes through ingress (own-33), and goes on to sip-proxy as SIP by datagrams
//! (voice-57).
//!
//! [`gateway::Gateway`] decides. What it is for beside the WebSockets of sip-proxy itself: a page whose phone has a ticket of its desktop's
//! session needs no password, for which this role answers challenges by what config has (own-07); and a phone whose WebSocket breaks is
//! waited for, so that its calls outlive a page that is loaded again. Audio goes between browser and media.

mod credentials;
mod event_loop;
mod faults;
mod gateway;
mod metrics;
mod tickets;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use net::sip::tcp::MeterOf;
use net::sip::{Counters, Forwards, Limits, Peers, TcpTable, UdpEndpoint};
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};
use sip::Transport;

use credentials::CredentialsAsker;
use event_loop::EventLoop;
use gateway::{Gateway, GatewaySettings};
use metrics::Metrics;
use tickets::TicketReader;

/// What webrtc declares.
pub const SPEC: RoleSpec = RoleSpec {
    name: "webrtc",
    number: 14,
    summary: "phones in browsers: SIP by WebSocket, with a ticket of the desktop or a password",
    listens: &[
        Listen {
            name: "sip-udp",
            protocol: Protocol::SipUdp,
            port: 5070,
            place: Place::Cluster,
            accepts: &["voice-57"],
        },
        Listen { name: "ingress", protocol: Protocol::SipWs, port: 5071, place: Place::Cluster, accepts: &["own-33"] },
    ],
    opens: &["own-07"],
    settings: Settings::TABLE,
    metrics: &[metrics::Metrics::declared, faults::FaultCount::declared],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Several,
};

/// The role.
pub const ROLE: Role = Role { spec: &SPEC, start: |ctx| Box::pin(run(ctx)) };

/// The role from which WebSockets come.
const INGRESS: &str = "ingress";
/// The role to which requests go, and its port.
const PROXY: &str = "sip-proxy";
const PROXY_PORT: u16 = 5_070;

/// Shorter, and a page that is loaded again loses its call.
const GRACE_MIN: Duration = Duration::from_secs(1);
/// Longer, and what is asked of the phone meanwhile is over before it is back: whoever asks waits 32 s (64·T1, RFC 3261 §17), as we do.
const GRACE_MAX: Duration = Duration::from_secs(30);

runtime::settings! {
    /// Settings of webrtc.
    pub struct Settings {
        /// How long a phone is waited for whose WebSocket has broken, or that answers nothing by it, as while its machine sleeps; its calls go on
        /// meanwhile. Then its calls end.
        grace: Duration = Duration::from_secs(30), |v| runtime::settings::declare::within(v, &GRACE_MIN, &GRACE_MAX);
        /// WebSockets at once.
        connections: usize = 10_000, |v| at_least_one(*v);
        /// WebSockets at once from one address on which no phone has authenticated; for IPv6, from one /64.
        connections_per_source: usize = 256, |v| at_least_one(*v);
    }
}

fn at_least_one(value: usize) -> Result<(), String> {
    if value > 0 { Ok(()) } else { Err("must be at least 1".to_owned()) }
}

async fn run(ctx: RoleContext) -> Result<()> {
    let settings: Settings = ctx.settings()?;
    let limits = Limits {
        connections: settings.connections,
        connections_per_source: settings.connections_per_source,
        ..Limits::default()
    };
    let counters = Arc::new(Counters::default());
    let at = ctx.bound("sip-udp")?.listen;
    let udp = UdpEndpoint::bind(at, &limits, counters.clone());
    let udp = udp.map_err(|error| runtime::listener::in_words("udp", at, &error))?;
    let meter = ctx.meter("own-33");
    let directory = ctx.directory.clone();
    let meter_of: MeterOf = Box::new(move |remote, _| Some(meter.peer(&directory.node_at(remote.ip()))));
    let mut sockets = TcpTable::new(limits, counters, meter_of);
    sockets.number_from(ctx.epoch.0 << CONNECTIONS_BITS);
    sockets.believe_forwarders(forwarders(&ctx));
    let web = ctx.bound("ingress")?.listen;
    let bound = sockets.listen_for(Transport::Ws, web, Peers::Strangers);
    bound.map_err(|error| runtime::listener::in_words("tcp", web, &error))?;
    let gateway = Gateway::new(GatewaySettings { address: at, grace: settings.grace }, ctx.entropy());
    ctx.ready.require("sip-proxy");
    let event_loop = EventLoop {
        credentials: CredentialsAsker::start(&ctx)?,
        tickets: TicketReader::new(&ctx),
        metrics: Metrics::register(&ctx.metrics),
        told: gateway::GatewayCounts::default(),
        faults: faults::GatewayFaults::new(&ctx),
        gateway,
        udp,
        sockets,
        ctx,
    };
    event_loop.ctx.ready.started();
    event_loop.run().await
}

/// Connections that a run may number for each millisecond until the next run begins, as a power of two.
const CONNECTIONS_BITS: u32 = 18;

/// Ingress alone is believed from whom a WebSocket is.
fn forwarders(ctx: &RoleContext) -> Forwards {
    let directory = ctx.directory.clone();
    Box::new(move |listener, address| listener.is_some() && directory.role_at(address) == Some(INGRESS))
}
