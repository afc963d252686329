//! The loop: passes sockets, time and credentials to the gateway, and what it decides to the sockets.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use anyhow::Result;
use model::Timestamp;
use net::sip::tcp::SendError;
use net::sip::{ProvenOwner, TcpEvent, TcpTable, UdpEndpoint};
use runtime::RoleContext;
use sip::{ConnectionId, Flow};
use tracing::{debug, warn};

use super::credentials::{CredentialsAsker, FoundCredentials};
use super::faults::{GatewayFaults, GatewayWork};
use super::gateway::{FlowKey, Gateway, GatewayCounts, GatewayOutput};
use super::metrics::Metrics;
use super::tickets::{EndedTicket, ShownTicket, TicketReader};
use super::{PROXY, PROXY_PORT};

/// Things of one kind that are taken in a turn.
const TAKEN_IN_A_TURN: usize = 256;
/// How often tickets are looked at again, metrics shown, and connections closed that are overdue.
const TICK: Duration = Duration::from_secs(1);
/// How long the loop sleeps at most, and at least: timers that are due close to each other are handled together.
const SLEEP_MAX: Duration = Duration::from_secs(1);
const SLEEP_MIN: Duration = Duration::from_millis(5);
/// The connection of the table to sip-proxy.
const CONNECTION: &str = "voice-57";

/// The loop and what it owns.
pub(super) struct EventLoop {
    pub ctx: RoleContext,
    pub gateway: Gateway,
    pub udp: UdpEndpoint,
    pub sockets: TcpTable,
    pub credentials: CredentialsAsker,
    pub tickets: TicketReader,
    pub metrics: Metrics,
    /// The counts that the metrics have.
    pub told: GatewayCounts,
    pub faults: GatewayFaults,
}

impl EventLoop {
    /// Serves until the role has drained.
    pub(super) async fn run(mut self) -> Result<()> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let drain = self.ctx.drain.clone();
        // Every one that there can be: whose datagrams count is not for a source of addresses to say, and which of them are there they tell
        // by their answers.
        self.gateway.set_proxies(&self.ctx.directory.of_settings(PROXY, PROXY_PORT));
        loop {
            let now = self.ctx.clock.now();
            let sleep = self.gateway.next_timeout(now).since(now).clamp(SLEEP_MIN, SLEEP_MAX);
            tokio::select! {
                readable = self.udp.readable() => readable?,
                event = self.sockets.next() => self.take_event(event),
                found = self.credentials.next() => self.take_credentials(found),
                _ = tick.tick() => self.look(),
                () = tokio::time::sleep(sleep) => {}
                () = drain.begun(), if !drain.is_draining() => {}
            }
            self.take_datagrams();
            self.take_events();
            let now = self.ctx.clock.now();
            if self.gateway.next_timeout(now) <= now {
                self.attempt(GatewayWork::Time, now, |this| this.gateway.handle_timeout(now));
            }
            self.sockets.flush();
            if drain.is_draining() {
                self.gateway.drain(drain.deadline().unwrap_or(now), now);
                // Ingress then tries the next replica: from a WebSocket that is taken and closed it would learn nothing.
                self.sockets.stop_accepting();
                let is_late = drain.deadline().is_some_and(|deadline| deadline <= now);
                if is_late || (self.gateway.is_idle() && self.sockets.flush_all()) {
                    return Ok(());
                }
            }
        }
    }

    fn take_datagrams(&mut self) {
        for _ in 0..TAKEN_IN_A_TURN {
            let Some(datagram) = self.udp.try_receive() else { return };
            self.count(datagram.remote, |peer| {
                peer.request();
                peer.bytes_in(datagram.bytes.len());
            });
            let (remote, bytes, now) = (datagram.remote, datagram.bytes, self.ctx.clock.now());
            let doing = GatewayWork::Message(bytes.clone(), Flow::Udp { listener: 0, remote });
            self.attempt(doing, now, |this| this.gateway.handle_datagram(remote, bytes, now));
        }
    }

    fn take_events(&mut self) {
        for _ in 0..TAKEN_IN_A_TURN {
            match self.sockets.try_take() {
                Some(Some(event)) => self.take_event(event),
                Some(None) => {}
                None => return,
            }
        }
    }

    fn take_event(&mut self, event: TcpEvent) {
        let now = self.ctx.clock.now();
        match event {
            TcpEvent::Opened { connection, remote, query, .. } => {
                let ticket = match self.tickets.read(&query, now) {
                    ShownTicket::None => None,
                    ShownTicket::Good(holder, rights) => Some((holder, rights)),
                    ShownTicket::Bad => {
                        self.metrics.bad_tickets.inc();
                        return self.sockets.close(connection);
                    }
                };
                let client = remote.ip().to_canonical();
                self.attempt(GatewayWork::Word("a connection's begin"), now, |this| {
                    this.gateway.handle_opened(connection, client, ticket, now);
                });
            }
            TcpEvent::Message { connection, message, .. } => {
                let doing = GatewayWork::Message(message.to_bytes(), Flow::Stream { connection });
                self.attempt(doing, now, |this| this.gateway.handle_message(connection, message, now));
            }
            TcpEvent::Malformed { connection, error } => {
                debug!(%error, "a phone in a browser sends what is no message");
                self.attempt(GatewayWork::Word("what is no message"), now, |this| {
                    this.gateway.handle_malformed(connection, &error, now);
                });
            }
            TcpEvent::Closed { connection, .. } => {
                let doing = GatewayWork::Word("a connection's end");
                self.attempt(doing, now, |this| this.gateway.handle_closed(connection, now));
            }
            TcpEvent::Pong(_) => {}
        }
    }

    fn take_credentials(&mut self, (flow, credentials): FoundCredentials) {
        let now = self.ctx.clock.now();
        self.attempt(GatewayWork::Word("an answer of config"), now, |this| {
            this.gateway.handle_credentials(flow, credentials, now);
        });
    }

    /// Looks whether what tickets came from still stands, and what may be shown.
    fn look(&mut self) {
        let now = self.ctx.clock.now();
        self.sockets.close_overdue();
        if self.tickets.has_news() {
            self.end_tickets(now);
        }
        self.credentials.retain(|flow| self.gateway.has_flow(flow));
        match self.gateway.has_proxy(now) {
            true => self.ctx.ready.holds("sip-proxy"),
            false => self.ctx.ready.fails("sip-proxy", "no sip-proxy answers"),
        }
        self.metrics.refresh(&self.gateway, &mut self.told);
    }

    /// Something was revoked: what came from it ends.
    fn end_tickets(&mut self, now: Timestamp) {
        let held = self.gateway.held();
        let ended = held.filter_map(|(key, rights)| Some((key, self.tickets.ended(rights)?)));
        let ended: Vec<(FlowKey, EndedTicket)> = ended.collect();
        for (key, what) in ended {
            self.attempt(GatewayWork::Word("a revocation"), now, |this| match what {
                EndedTicket::SignIn => this.gateway.revoke(key, now),
                EndedTicket::Phone => this.gateway.bar(key, now),
            });
        }
    }

    pub(super) fn perform(&mut self) {
        while let Some(output) = self.gateway.poll_output() {
            match output {
                GatewayOutput::ToPhone { connection, bytes } => self.send(connection, bytes),
                GatewayOutput::ToProxy { to, bytes } => {
                    self.count(to, |peer| {
                        peer.request();
                        peer.bytes_out(bytes.len());
                    });
                    self.udp.send(to, &bytes);
                }
                GatewayOutput::Close(connection) => self.sockets.close(connection),
                GatewayOutput::Proved(connection, phone) => {
                    self.sockets.prove(connection, ProvenOwner::Phone(phone));
                }
                GatewayOutput::NeedCredentials { flow, tenant, dn } => self.credentials.ask(flow, tenant, dn),
            }
        }
    }

    fn send(&mut self, connection: ConnectionId, bytes: bytes::Bytes) {
        if self.sockets.send(connection, bytes) == Err(SendError::Unread) {
            warn!(connection = connection.0, "a phone in a browser does not read; its WebSocket is closed");
            self.gateway.handle_closed(connection, self.ctx.clock.now());
        }
    }

    fn count(&self, at: SocketAddr, count: impl FnOnce(&runtime::PeerMeter)) {
        count(&self.ctx.meter(CONNECTION).peer(&self.ctx.directory.node_at(at.ip())));
    }
}

impl EventLoop {
    /// Handles an input, and does what the gateway decides.
    fn attempt(&mut self, doing: GatewayWork, now: Timestamp, work: impl FnOnce(&mut Self)) {
        let worked = catch_unwind(AssertUnwindSafe(|| {
            work(self);
            self.perform();
        }));
        let Err(panic) = worked else { return self.faults.went_well() };
        self.faults.note(panic, &doing, now);
        let answered = catch_unwind(AssertUnwindSafe(|| {
            if let GatewayWork::Message(bytes, flow) = doing {
                self.gateway.refuse_faulty(bytes, flow);
            }
            self.perform();
        }));
        if let Err(panic) = answered {
            self.faults.note(panic, &GatewayWork::Word("an answer"), now);
        }
    }
}
