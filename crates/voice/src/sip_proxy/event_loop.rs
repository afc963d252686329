//! The loop: passes sockets, time and look-ups to the core, and the core's outputs to the sockets.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::time::Duration;

use anyhow::Result;
use model::Timestamp;
use net::sip::tcp::SendError;
use net::sip::{Closed, Datagram, ProvenOwner, TcpEvent, TcpTable};
use net::tls::Tls;
use runtime::{Pii, RoleContext};
use sip::proxy::{NodeLoss, Output, Proxy, Side, TurnLoad};
use sip::{ConnectionId, Flow, Transmit, Unreached};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::clients::{Found, Users};
use super::faults::{Doing, Faults};
use super::gateways::Gateways;
use super::inbox::Inbox;
use super::inputs::{Rotation, TurnInput};
use super::listeners::{ListenAddresses, StreamListener, StreamListeners, UdpListeners};
use super::message_trace::MessageTrace;
use super::meters::Meters;
use super::metrics::Metrics;
use super::names::{Located, Names, log_carrier};
use super::refusals;
use super::registers::{Arrival, Arrived, Registers};
use super::reporting::Reports;

/// Datagrams read from the socket in a turn: about a millisecond's work.
const READS: usize = 512;
/// Datagrams of gateways that are taken in a turn.
const TAKEN_OF_GATEWAYS: usize = 64;
/// How often the metrics are refreshed and draining is checked.
const TICK: Duration = Duration::from_millis(500);
/// Timers of the core that are due closer to each other than this are handled together. They run for tenths of seconds and more;
/// transactions left by calls would wake the loop one by one.
const TIMER_GRAIN: Duration = Duration::from_millis(10);
/// The roles that every call and registration needs.
const NEEDED: [&str; 3] = ["sip-cluster", "media", "registrar"];

pub(super) struct EventLoop {
    pub ctx: RoleContext,
    pub proxy: Proxy,
    pub udp: UdpListeners,
    pub gateways: Gateways,
    pub inbox: Inbox,
    pub tcp: TcpTable,
    pub certificates: watch::Receiver<Tls>,
    pub users: Users,
    pub names: Names,
    pub meters: Meters,
    pub metrics: Metrics,
    pub addresses: ListenAddresses,
    pub listeners: StreamListeners,
    pub passages: MessageTrace,
    pub reports: Reports,
    pub registers: Registers,
    /// What this turn has had to do so far.
    pub load: TurnLoad,
    /// Requests refused because of overload, as last logged.
    pub refused_logged: u64,
    pub faults: Faults,
}

impl EventLoop {
    /// Serves until the role has drained.
    pub(super) async fn run(mut self) -> Result<()> {
        let drain = self.ctx.drain.clone();
        let mut timer = pin!(sleep_until(Instant::now()));
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        // When the timer is due. MAX disables it: a timer that has fired would fire again and again.
        let mut armed = Timestamp::MAX;
        let (mut rotation, mut more) = (Rotation::default(), false);
        self.show_nodes();
        loop {
            if more {
                // A socket that is never read empty must not keep the connections' tasks and the runtime's timers from their turn.
                tokio::task::yield_now().await;
            }
            // What comes seldom is first. The order of the others means nothing: each has its part of the turn below.
            tokio::select! {
                biased;
                () = drain.begun(), if !self.proxy.is_draining() => self.begin_draining(),
                Ok(()) = self.certificates.changed() => self.tcp.use_tls(self.certificates.borrow_and_update().clone()),
                _ = tick.tick() => if self.refresh() {
                    return Ok(());
                },
                () = &mut timer, if armed < Timestamp::MAX => armed = Timestamp::MAX,
                found = self.users.next() => self.take_found(found),
                located = self.names.next() => self.take_located(located),
                event = self.tcp.next() => self.take_event(event),
                readable = self.udp.readable() => readable?,
                readable = self.gateways.readable() => readable?,
                () = std::future::ready(()), if more => {}
            }
            self.read_datagrams();
            self.take_of_gateways();
            more = rotation.turn(|input| self.take_one(input))
                || self.udp.may_have_more()
                || self.gateways.may_have_more();
            let now = self.ctx.clock.now();
            let turn = TurnLoad { left: self.inbox.len() + self.tcp.backlog(), ..std::mem::take(&mut self.load) };
            self.proxy.note_turn(turn, now);
            self.take_due(now);
            if let Some(due) = self.next_wake(now).filter(|due| *due < armed) {
                armed = due;
                timer.as_mut().reset(Instant::now() + due.since(now));
            }
            self.tcp.flush();
        }
    }

    fn begin_draining(&mut self) {
        info!("no new calls from now on");
        let now = self.ctx.clock.now();
        self.attempt(Doing::Word("draining"), now, |this| this.proxy.drain(now));
    }

    /// Returns whether draining is over.
    fn refresh(&mut self) -> bool {
        self.metrics.refresh(&self.proxy, &self.tcp);
        self.log_overload();
        self.tcp.close_overdue();
        let over = self.has_drained();
        self.reports.refused(self.proxy.counts(), self.ctx.clock.now(), over);
        over
    }

    /// Handles what is due now: REGISTERs that have waited, and timers of the core.
    fn take_due(&mut self, now: Timestamp) {
        let registers = self.registers.take(now);
        self.take_all(registers, now);
        if self.proxy.next_timeout().is_some_and(|due| due <= now) {
            self.attempt(Doing::Time, now, |this| {
                this.proxy.handle_timeout(now);
                this.perform(now);
            });
        }
    }

    fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        let core = self.proxy.next_timeout().map(|due| due.max(now + TIMER_GRAIN));
        [core, self.registers.due()].into_iter().flatten().min()
    }

    /// Whether draining is over: all calls through this proxy have ended, or the deadline has passed.
    fn has_drained(&self) -> bool {
        let now = self.ctx.clock.now();
        let late = self.ctx.drain.deadline().is_some_and(|deadline| deadline <= now);
        late || (self.proxy.has_drained(now)
            && self.registers.due().is_none()
            && self.inbox.is_empty()
            && self.tcp.flush_all())
    }

    // === inputs ===

    /// Handles one thing of an input; returns whether there was one.
    fn take_one(&mut self, input: TurnInput) -> bool {
        match input {
            TurnInput::Datagrams => self.take_datagram(),
            TurnInput::Connections => self.take_from_connections(),
            TurnInput::Config => self.users.try_next().map(|found| self.take_found(found)).is_some(),
            TurnInput::NameServers => self.names.try_next().map(|located| self.take_located(located)).is_some(),
        }
    }

    /// Reads what the socket has, so that the kernel need not drop it.
    fn read_datagrams(&mut self) {
        let came = self.ctx.clock.now();
        for _ in 0..READS {
            if !self.inbox.has_room() {
                break;
            }
            let Some(datagram) = self.udp.try_receive() else { break };
            self.inbox.put(datagram, came);
        }
    }

    fn take_datagram(&mut self) -> bool {
        let now = self.ctx.clock.now();
        let waited = self.inbox.wait(now);
        let Some(datagram) = self.inbox.take() else { return false };
        self.note_taken(waited);
        self.come(Arrival::Datagram(datagram), now);
        true
    }

    /// Takes what gateways have sent.
    fn take_of_gateways(&mut self) {
        for _ in 0..TAKEN_OF_GATEWAYS {
            let Some(Datagram { remote, bytes }) = self.gateways.try_receive() else { return };
            let now = self.ctx.clock.now();
            self.note_taken(Duration::ZERO);
            let doing = Doing::Message(bytes.clone(), Flow::Udp { listener: Flow::GATEWAYS, remote });
            self.attempt(doing, now, |this| {
                this.passages.datagram(remote, &bytes, now);
                this.proxy.handle_passed_on(remote, bytes, now);
                this.perform(now);
            });
        }
    }

    /// Notes that something is taken that has waited for so long.
    fn note_taken(&mut self, waited: Duration) {
        self.load.waited = self.load.waited.max(waited);
        self.load.taken += 1;
    }

    fn log_overload(&mut self) {
        let refused = self.proxy.counts().overload_refused;
        if refused > self.refused_logged {
            let requests = refused - self.refused_logged;
            warn!(requests, "more comes than can be done: what begins something is refused");
            self.refused_logged = refused;
        }
    }

    fn come(&mut self, what: Arrival, at: Timestamp) {
        let arrived = Arrived { what, at };
        // A draining proxy refuses every REGISTER: waiting would delay its end.
        let at_once = if self.proxy.is_draining() { Some(arrived) } else { self.registers.keep(arrived) };
        if let Some(arrived) = at_once {
            self.take(arrived, at);
        }
    }

    fn take_all(&mut self, arrived: Vec<Arrived>, now: Timestamp) {
        arrived.into_iter().for_each(|arrived| self.take(arrived, now));
    }

    fn take(&mut self, Arrived { what, at }: Arrived, now: Timestamp) {
        match what {
            Arrival::Datagram(Datagram { remote, bytes }) => {
                let listener = self.udp.number_for(remote);
                let doing = Doing::Message(bytes.clone(), Flow::Udp { listener, remote });
                self.attempt(doing, now, |this| {
                    this.meters.received(remote, &bytes);
                    this.passages.datagram(remote, &bytes, at);
                    this.proxy.handle_datagram(listener, remote, bytes, now);
                    this.perform(now);
                });
            }
            Arrival::Message(connection, message) => {
                let doing = Doing::Message(message.to_bytes(), Flow::Stream { connection });
                self.attempt(doing, now, |this| {
                    this.passages.came(connection, &message, at);
                    this.proxy.handle_message(connection, message, now);
                    this.perform(now);
                });
            }
        }
    }

    fn take_from_connections(&mut self) -> bool {
        match self.tcp.try_take() {
            Some(Some(event)) => self.take_event(event),
            Some(None) => self.note_taken(Duration::ZERO),
            None => return false,
        }
        true
    }

    fn take_event(&mut self, event: TcpEvent) {
        let now = self.ctx.clock.now();
        self.note_taken(if let TcpEvent::Message { came, .. } = &event { came.elapsed() } else { Duration::ZERO });
        match event {
            TcpEvent::Opened { connection, remote, listener, shown, .. } => {
                let is_nodes = self.listeners.kind(listener) == Some(StreamListener::Nodes);
                let side = if is_nodes { Side::Cluster } else { Side::Edge };
                self.note_trunk(connection);
                self.attempt(Doing::Word("a connection's begin"), now, |this| {
                    this.passages.opened(connection, remote);
                    this.proxy.handle_opened(connection, remote, side);
                    let seconds = u64::try_from(shown.valid_to).unwrap_or_default();
                    let until = Timestamp::from_millis(seconds.saturating_mul(1_000));
                    this.proxy.handle_certificate(connection, shown.domains, until);
                    this.perform(now);
                });
            }
            TcpEvent::Message { connection, message, .. } => {
                self.note_trunk(connection);
                self.come(Arrival::Message(connection, message), now);
            }
            TcpEvent::Pong(connection) => self.proxy.handle_pong(connection),
            TcpEvent::Malformed { connection, error } => {
                self.nothing_waits(now);
                self.attempt(Doing::Word("what is no message"), now, |this| {
                    this.proxy.handle_malformed(connection, &error, now);
                    this.perform(now);
                });
            }
            TcpEvent::Closed { connection, why } => {
                self.nothing_waits(now);
                self.attempt(Doing::Word("a connection's end"), now, |this| {
                    match why {
                        Closed::NotOpened(why) => this.unopened(connection, why, now),
                        _ => this.closed(connection, now),
                    }
                    this.perform(now);
                });
            }
        }
    }

    /// The proof of a trunk is its address, which no connection forges, or its certificate; of one that needs both, both. One that needs a
    /// password gives it: see [`Output::TrunkProved`]. Its list may be read after the connection is opened, so each message shows it again.
    fn note_trunk(&mut self, connection: ConnectionId) {
        let is_known = self.tcp.remote(connection).is_some_and(|remote| self.meters.is_known(remote));
        // Carriers do not call by WebSocket: see the core.
        if !connection.transport().is_web_socket() && (is_known || self.proxy.is_certified(connection)) {
            self.tcp.prove(connection, ProvenOwner::Trunk);
        }
    }

    /// Handles waiting REGISTERs before the end of their connection: a phone may unregister and disconnect.
    fn nothing_waits(&mut self, now: Timestamp) {
        let registers = self.registers.take_all(now);
        self.take_all(registers, now);
    }

    fn take_found(&mut self, found: Found) {
        let now = self.ctx.clock.now();
        self.attempt(Doing::Word("an answer of config"), now, |this| {
            match found {
                Found::User { lookup, credentials } => this.proxy.handle_credentials(lookup, credentials, now),
                Found::Tenants { trunks, numbers, emergency_numbers } => {
                    this.meters.set_trunks(trunks.clone());
                    this.proxy.share_trunks(trunks, now);
                    this.proxy.set_numbers(numbers);
                    this.proxy.set_emergency_numbers(emergency_numbers);
                    this.ctx.ready.holds("phones and trunks");
                }
            }
            this.perform(now);
        });
    }

    fn take_located(&mut self, Located { lookup, hops }: Located) {
        let now = self.ctx.clock.now();
        self.attempt(Doing::Word("an answer of the name servers"), now, |this| {
            this.proxy.handle_hops(lookup, hops, now);
            this.perform(now);
        });
    }

    // === outputs ===

    pub(super) fn perform(&mut self, now: Timestamp) {
        while let Some(output) = self.proxy.poll_output() {
            match output {
                Output::Transmit(Transmit { flow: flow @ Flow::Udp { listener, remote }, bytes }) => {
                    self.passages.leaves(flow, &bytes, now);
                    self.send_datagram(listener, remote, &bytes);
                }
                Output::Transmit(Transmit { flow: flow @ Flow::Stream { connection }, bytes }) => {
                    self.passages.leaves(flow, &bytes, now);
                    if self.tcp.send(connection, bytes) == Err(SendError::Unread) {
                        warn!(connection = connection.0, "a peer does not read; its connection is closed");
                        self.closed(connection, now);
                    }
                }
                Output::Connect { connection, remote, name, is_trial } => {
                    self.passages.opened(connection, remote);
                    let Some(from) = self.addresses.source_for(remote) else {
                        self.unopened(connection, Unreached::NoWay, now);
                        continue;
                    };
                    let begun = match is_trial {
                        true => self.tcp.try_as(connection, remote, from),
                        false => self.tcp.open_as(connection, remote, from, &name),
                    };
                    if let Err(error) = begun {
                        warn!(%remote, name, %error, "no connection is opened to a carrier or phone");
                        let why = if error == SendError::NoName { Unreached::NoTls } else { Unreached::NoWay };
                        self.unopened(connection, why, now);
                    }
                }
                Output::Close { connection } => {
                    self.tcp.close(connection);
                    self.closed(connection, now);
                }
                Output::NeedCredentials { lookup, user, host, among } => {
                    if let Some(credentials) = self.users.look_up(lookup, &user, &host, &among) {
                        self.proxy.handle_credentials(lookup, credentials, now);
                    }
                }
                Output::NeedHops { lookup, place } => self.names.ask(lookup, place),
                Output::Carrier { host, hop, is_there } => log_carrier(&host, hop, is_there),
                Output::TrunkUnproved { from, trunk, lacks, shown } => {
                    refusals::log_unproved(from, &trunk, lacks, &shown)
                }
                Output::UnknownSource { from, shown } => refusals::log_unknown(from, &shown),
                Output::CallContested { from, why, trunks } => refusals::log_contested(from, why, &trunks),
                Output::WrongPassword { from, dn } => info!(%from, dn = %Pii(dn.as_str()), "wrong password"),
                Output::WrongTrunkPassword { from, trunk } => refusals::log_wrong_password(from, &trunk),
                Output::TrunkProved { connection } => self.tcp.prove(connection, ProvenOwner::Trunk),
                Output::Proved { flow: Flow::Stream { connection }, phone } => {
                    self.tcp.prove(connection, ProvenOwner::Phone(phone));
                }
                Output::Proved { flow: Flow::Udp { remote, .. }, .. } => self.meters.note_phone(remote),
                Output::Attempted { attempt, status } => self.reports.attempted(&attempt, status, now),
                Output::NodeUp(node) => {
                    info!(owner = %node.owner, role = %node.role, "a node is live");
                    self.show_nodes();
                }
                Output::NodeDown(owner, why) => {
                    match why {
                        NodeLoss::Ended => info!(%owner, "a node has ended"),
                        NodeLoss::Closed | NodeLoss::Silent => warn!(%owner, ?why, "a node is not live any more"),
                    }
                    self.show_nodes();
                }
            }
        }
    }

    fn send_datagram(&self, listener: u16, to: SocketAddr, bytes: &[u8]) {
        if listener == Flow::GATEWAYS {
            return self.gateways.send(to, bytes);
        }
        self.meters.sent(to, bytes);
        self.udp.send(listener, to, bytes);
    }

    /// Forgets a connection, whichever side has closed it.
    fn closed(&mut self, connection: ConnectionId, now: Timestamp) {
        self.passages.closed(connection);
        self.proxy.handle_closed(connection, now);
    }

    /// Forgets a connection that could not be opened.
    fn unopened(&mut self, connection: ConnectionId, why: Unreached, now: Timestamp) {
        self.passages.closed(connection);
        self.proxy.handle_unopened(connection, why, now);
    }

    /// Without a live node of each role, calls are refused or phones cannot register: a load balancer then must not choose this
    /// proxy.
    fn show_nodes(&self) {
        let is_live = |role: &str| self.proxy.live().any(|node| *node.role == *role);
        match NEEDED.iter().find(|role| !is_live(role)) {
            Some(missing) if !self.proxy.has_static_route() => {
                self.ctx.ready.fails("nodes", format!("no {missing} node is live"));
            }
            _ => self.ctx.ready.holds("nodes"),
        }
    }

    /// Handles an input.
    pub(super) fn attempt(&mut self, doing: Doing, now: Timestamp, work: impl FnOnce(&mut Self)) {
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(self))) else {
            return self.faults.in_a_row.went_well();
        };
        self.faults.note(panic, &doing, now);
        let answered = catch_unwind(AssertUnwindSafe(|| {
            if let Doing::Message(bytes, flow) = doing {
                self.proxy.refuse_faulty(bytes, flow);
            }
            self.perform(now);
        }));
        if let Err(panic) = answered {
            self.faults.note(panic, &Doing::Word("an answer"), now);
        }
    }
}
