//! The connections of a node (sip-cluster, media, registrar) to every sip-proxy. The node opens them, both sides send
//! requests on them (RFC 5923), and an OPTIONS announces the node.
//!
//! The role's loop receives the proxy's keep-alives like any other request and answers them with
//! [`NodeIdentity::keep_alive_answer`]. A stuck loop answers nothing, so the proxy stops using the node.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use model::{Entropy, Owner};
use runtime::{PeerMeter, RoleContext};
use sip::proxy::headers;
use sip::{CSeq, ConnectionId, HeaderName, Message, Method, StatusCode};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::connection::{self, Carriage, Happened, MessageForm, Origin, Writer};
use super::tcp::SendError;
use super::{Counters, Limits};

/// The role that these connections lead to.
const PROXY: &str = "sip-proxy";

/// Gives the meter that counts the connection to a proxy.
type PeerMeterOf = Arc<dyn Fn(SocketAddr) -> Option<PeerMeter> + Send + Sync>;

/// The port on which a sip-proxy accepts connections of nodes.
pub const NODE_PORT: u16 = 5080;

/// An event on the connections to the proxies.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every one is a message; a box would cost an allocation each")]
pub enum LinkEvent {
    /// A proxy has accepted us: we may send to it, and it will send to us.
    Up {
        /// Which connection.
        link: ConnectionId,
        /// The proxy's address that we connected to.
        proxy: SocketAddr,
        /// The proxy's edge, `host:port`, as in Contact and Record-Route.
        edge: String,
        /// The same for TLS; none if the proxy, one of the release before, does not tell it.
        secure_edge: Option<String>,
        /// What it writes behind the `@` of a Contact, for each transport and family; none if the proxy, one of the release before, does not
        /// tell it.
        places: Vec<String>,
        /// The nodes that the proxy considers live.
        live: Vec<Owner>,
        /// Whether the proxy drains.
        drains: bool,
    },
    /// A message from a proxy, keep-alives included.
    Message {
        /// By which connection.
        link: ConnectionId,
        /// The message.
        message: Message,
    },
    /// The connection closed. It will be reopened under another number; no event with this number follows.
    Down {
        /// Which connection.
        link: ConnectionId,
    },
}

/// How a node identifies itself to the proxies.
#[derive(Clone)]
pub struct NodeIdentity {
    /// The role, as `sip-cluster`.
    pub role: &'static str,
    /// Node and epoch.
    pub owner: Owner,
    /// Gives the caller token for `Trunkline-Token`; called for each connection, since tokens expire.
    pub token: Arc<dyn Fn() -> String + Send + Sync>,
}

impl fmt::Debug for NodeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeIdentity").field("role", &self.role).field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// Whether a node takes new calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// It takes new calls.
    Accepted,
    /// It only finishes the calls it has.
    Draining,
}

/// The connections to all proxies, owned by the role's loop.
#[derive(Debug)]
pub struct NodeLinks {
    identity: NodeIdentity,
    writers: HashMap<ConnectionId, Up>,
    events: mpsc::Receiver<Raw>,
    supervisor: JoinHandle<()>,
    work: watch::Sender<Work>,
    /// Whether anything was sent in this turn.
    to_flush: bool,
}

#[derive(Debug)]
struct Up {
    writer: Arc<Writer>,
    edge: String,
    proxy: SocketAddr,
    to_flush: bool,
}

impl Drop for NodeLinks {
    fn drop(&mut self) {
        self.flush();
        self.supervisor.abort();
    }
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every one is a message; a box would cost an allocation each")]
enum Raw {
    Up(ConnectionId, SocketAddr, Arc<Writer>, Greeting),
    Message(ConnectionId, Message),
    Down(ConnectionId),
}

/// Contents of the proxy's 200.
#[derive(Debug)]
struct Greeting {
    edge: String,
    secure_edge: Option<String>,
    places: Vec<String>,
    live: Vec<Owner>,
    drains: bool,
}

// The first delay before reconnecting to a failed proxy; it doubles up to the maximum. A restarted proxy has its nodes
// back within a second; an unreachable address costs one SYN a second.
const BACK_OFF_FIRST: Duration = Duration::from_millis(50);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);
// The longest a proxy may take to answer the first OPTIONS.
const GREETING_TIME: Duration = Duration::from_secs(2);
// Room for messages delivered by the kernel in one turn, handed on together; the limit that matters is that of the
// event queue.
const TOGETHER: usize = 64;
// Keep-alives come every 300 ms; a connection silent for this long is considered broken.
const SILENCE_MAX: Duration = Duration::from_secs(3);

// === impl NodeIdentity ===

impl NodeIdentity {
    /// The answer to a proxy's keep-alive; `None` if `message` is something else. Called by the role's own loop.
    pub fn keep_alive_answer(&self, message: &Message, work: Work) -> Option<Bytes> {
        if message.method() != Method::Options || !message.is_request() || message.header(&headers::LIVE).is_none() {
            return None;
        }
        let answer = Message::response_to(message, StatusCode::OK).header(&headers::NODE, self.node_value(work));
        Some(answer.to_tag("node").build().to_bytes())
    }

    fn node_value(&self, work: Work) -> String {
        let draining = if work == Work::Draining { ";draining" } else { "" };
        format!("{};node={};epoch={}{draining}", self.role, self.owner.node, self.owner.epoch.0)
    }

    /// The OPTIONS that announces the node, or a change of its state.
    fn announcement(&self, local: IpAddr, sequence: u32, work: Work) -> Message {
        let host = if local.is_ipv6() { format!("[{local}]") } else { local.to_string() };
        let id = format!("{:x}-{sequence}", self.owner.epoch.0);
        let cseq = CSeq { number: sequence, method: Method::Options };
        Message::request(Method::Options, "sip:sip-proxy.trunkline.invalid")
            .header(&HeaderName::Via, format_args!("SIP/2.0/TCP {host};branch=z9hG4bKnode{id}"))
            .header(&HeaderName::MaxForwards, 70)
            .header(&HeaderName::From, format_args!("<sip:{}@trunkline.invalid>;tag={id}", self.owner.node))
            .header(&HeaderName::To, "<sip:sip-proxy.trunkline.invalid>")
            .header(&HeaderName::CallId, format_args!("{id}@{}", self.owner.node))
            .header(&HeaderName::CSeq, cseq)
            .header(&headers::TOKEN, (self.token)())
            .header(&headers::NODE, self.node_value(work))
            .build()
    }
}

/// The nodes that a proxy's OPTIONS or 200 lists as live.
pub fn live_nodes(message: &Message) -> Vec<Owner> {
    message.elements(&headers::LIVE).filter_map(|text| text.parse().ok()).collect()
}

// === impl NodeLinks ===

impl NodeLinks {
    /// Opens a connection from the role's address to port 5080 of every sip-proxy in the directory and follows the
    /// directory's changes. Traffic counts on the connection that the role declares. Must be called inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the role's spec declares no connection to sip-proxy.
    pub fn of_role(ctx: &RoleContext, limits: Limits, counters: Arc<Counters>) -> anyhow::Result<Self> {
        let mut opens = ctx.spec.opens.iter().copied();
        let id = opens.find(|id| runtime::connections::find(id).is_some_and(|c| c.to == PROXY));
        let id = id.with_context(|| format!("{} declares no connection to {PROXY}", ctx.spec.name))?;
        let (meter, directory, caller) = (ctx.meter(id), ctx.directory.clone(), ctx.clone());
        let token =
            move || caller.token_for(PROXY).inspect_err(|e| error!("no token for {PROXY}: {e:#}")).unwrap_or_default();
        let identity = NodeIdentity { role: ctx.spec.name, owner: ctx.owner(), token: Arc::new(token) };
        let meter_of: PeerMeterOf = Arc::new(move |proxy| Some(meter.peer(&directory.node_at(proxy.ip()))));
        Ok(Self::metered(identity, ctx.address, ctx.directory.watch(PROXY), limits, counters, meter_of, ctx.entropy()))
    }

    /// As [`Self::of_role`], from its parts and without a meter.
    pub fn start(
        identity: NodeIdentity,
        local: IpAddr,
        proxies: watch::Receiver<Vec<IpAddr>>,
        limits: Limits,
        counters: Arc<Counters>,
        entropy: Box<dyn Entropy>,
    ) -> Self {
        Self::metered(identity, local, proxies, limits, counters, Arc::new(|_| None), entropy)
    }

    fn metered(
        identity: NodeIdentity,
        local: IpAddr,
        proxies: watch::Receiver<Vec<IpAddr>>,
        limits: Limits,
        counters: Arc<Counters>,
        meter_of: PeerMeterOf,
        entropy: Box<dyn Entropy>,
    ) -> Self {
        let (sender, events) = mpsc::channel(limits.event_queue);
        let (work, follows) = watch::channel(Work::Accepted);
        // A proxy may vanish without closing the connection; silence shows it sooner than the general idle limit.
        let limits = Limits { idle: SILENCE_MAX, ..limits };
        let keeper =
            Keeper { identity: identity.clone(), local, limits, counters, meter_of, events: sender, work: follows };
        let supervisor = tokio::spawn(supervise(keeper, proxies, entropy));
        Self { identity, writers: HashMap::new(), events, supervisor, work, to_flush: false }
    }

    /// Writes pending messages and waits for the next event. Cancel-safe.
    pub async fn next(&mut self) -> LinkEvent {
        self.flush();
        loop {
            match self.events.recv().await {
                Some(raw) => {
                    if let Some(event) = self.take(raw) {
                        return event;
                    }
                }
                // The supervisor has ended, which happens only when it is dropped with us.
                None => std::future::pending().await,
            }
        }
    }

    /// An event that has already happened, if any. The caller limits how many it takes in one turn.
    pub fn try_next(&mut self) -> Option<LinkEvent> {
        loop {
            let raw = self.events.try_recv().ok()?;
            if let Some(event) = self.take(raw) {
                return Some(event);
            }
        }
    }

    /// Sends a message to a proxy with the next [`Self::flush`], which [`Self::next`] begins with: all messages of a
    /// turn go out in one write per proxy. A proxy that does not read loses its connection.
    ///
    /// # Errors
    /// [`SendError::Gone`] and [`SendError::Unread`].
    pub fn send(&mut self, link: ConnectionId, bytes: Bytes) -> Result<(), SendError> {
        let up = self.writers.get_mut(&link).ok_or(SendError::Gone)?;
        if up.writer.gather(bytes).is_ok() {
            (up.to_flush, self.to_flush) = (true, true);
            return Ok(());
        }
        // The connection's task notices that its writer is stuck and reports the end as usual.
        self.writers.remove(&link);
        Err(SendError::Unread)
    }

    /// Writes the messages of this turn.
    pub fn flush(&mut self) {
        if std::mem::take(&mut self.to_flush) {
            self.writers.retain(|_, up| !std::mem::take(&mut up.to_flush) || up.writer.flush().is_ok());
        }
    }

    /// All connections that are up, with the edges of their proxies (`host:port`, as in `Trunkline-Edge`).
    pub fn all(&self) -> impl Iterator<Item = (ConnectionId, SocketAddr, &str)> {
        self.writers.iter().map(|(link, up)| (*link, up.proxy, up.edge.as_str()))
    }

    /// Our identity.
    pub const fn identity(&self) -> &NodeIdentity {
        &self.identity
    }

    /// Notifies every proxy that the node takes no new calls, or takes them again; an unchanged state is not announced
    /// twice.
    pub fn announce(&self, work: Work) {
        self.work.send_if_modified(|said| std::mem::replace(said, work) != work);
    }

    /// The answer to a proxy's keep-alive, with the state announced last; `None` if `message` is something else.
    pub fn keep_alive_answer(&self, message: &Message) -> Option<Bytes> {
        self.identity.keep_alive_answer(message, *self.work.borrow())
    }

    /// Writes all pending messages; true when the kernel has taken all of them.
    pub fn flush_all(&self) -> bool {
        self.writers.values().all(|up| up.writer.flush().is_ok() && up.writer.is_flushed())
    }

    fn take(&mut self, raw: Raw) -> Option<LinkEvent> {
        match raw {
            Raw::Up(link, proxy, writer, greeting) => {
                let Greeting { edge, secure_edge, places, live, drains } = greeting;
                self.writers.insert(link, Up { writer, edge: edge.clone(), proxy, to_flush: false });
                Some(LinkEvent::Up { link, proxy, edge, secure_edge, places, live, drains })
            }
            Raw::Message(link, message) => Some(LinkEvent::Message { link, message }),
            Raw::Down(link) => {
                self.writers.remove(&link);
                Some(LinkEvent::Down { link })
            }
        }
    }
}

// === the tasks: one supervisor, one keeper for each proxy ===

#[derive(Clone)]
struct Keeper {
    identity: NodeIdentity,
    local: IpAddr,
    limits: Limits,
    counters: Arc<Counters>,
    meter_of: PeerMeterOf,
    events: mpsc::Sender<Raw>,
    work: watch::Receiver<Work>,
}

// Link numbers: the proxy's place in order of appearance, then the count of its connections.
const CONNECTIONS_BITS: u32 = 32;

async fn supervise(keeper: Keeper, mut proxies: watch::Receiver<Vec<IpAddr>>, mut entropy: Box<dyn Entropy>) {
    let mut keepers: HashMap<IpAddr, KeeperTask> = HashMap::new();
    let mut appeared: u64 = 0;
    loop {
        let wanted = proxies.borrow_and_update().clone();
        keepers.retain(|proxy, _| wanted.contains(proxy));
        for proxy in wanted {
            keepers.entry(proxy).or_insert_with(|| {
                appeared += 1;
                let first = appeared << CONNECTIONS_BITS;
                // Nodes that lost the same proxy must not all reconnect in the same millisecond.
                let jitter = Duration::from_micros(entropy.below(BACK_OFF_FIRST.as_micros() as u64));
                let stop = CancellationToken::new();
                tokio::spawn(keeper.clone().keep(SocketAddr::new(proxy, NODE_PORT), first, jitter, stop.clone()));
                KeeperTask(stop)
            });
        }
        if proxies.changed().await.is_err() {
            // A static directory never changes, but the keepers must live as long as this task.
            std::future::pending::<()>().await;
        }
    }
}

/// Makes the keeper of a proxy that is no longer listed report its connection as down, and end.
#[derive(Debug)]
struct KeeperTask(CancellationToken);

impl Drop for KeeperTask {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Keeper {
    async fn keep(self, proxy: SocketAddr, first: u64, jitter: Duration, stop: CancellationToken) {
        let mut link = ConnectionId(first);
        let mut back_off = BACK_OFF_FIRST;
        loop {
            link.0 += 1;
            if self.connected(proxy, link, &stop).await {
                back_off = BACK_OFF_FIRST;
                if self.events.send(Raw::Down(link)).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(back_off + jitter) => {}
                () = stop.cancelled() => return,
            }
            back_off = (back_off * 2).min(BACK_OFF_MAX);
        }
    }

    /// One connection, from opening to end; returns whether the proxy accepted us.
    async fn connected(&self, proxy: SocketAddr, link: ConnectionId, stop: &CancellationToken) -> bool {
        let (sender, mut happens) = mpsc::channel(TOGETHER);
        let origin =
            Origin::Connect { local: self.local, remote: proxy, within: self.limits.connect_time, is_trial: false };
        let (counters, meter) = (self.counters.clone(), (self.meter_of)(proxy));
        let carriage = Carriage { session: None, form: MessageForm::Stream };
        let writer = Arc::new(connection::spawn(origin, carriage, self.limits, counters, meter, sender, |h| h));
        // A change during the greeting is announced as soon as the proxy has answered.
        let mut work = self.work.clone();
        let now = *work.borrow_and_update();
        let Ok(Some(greeting)) = tokio::time::timeout(GREETING_TIME, self.greet(&writer, now, &mut happens)).await
        else {
            return false;
        };
        if self.events.send(Raw::Up(link, proxy, writer.clone(), greeting)).await.is_err() {
            return true;
        }
        let mut sequence = 1;
        let mut together = Vec::with_capacity(TOGETHER);
        loop {
            tokio::select! {
                taken = happens.recv_many(&mut together, TOGETHER) => if taken == 0 {
                    return true;
                },
                () = stop.cancelled() => return true,
                Ok(()) = work.changed() => {
                    sequence += 1;
                    let now = *work.borrow_and_update();
                    let _ = writer.send(self.identity.announcement(self.local, sequence, now).to_bytes());
                }
            }
            for happened in together.drain(..) {
                match happened {
                    Happened::Message(message, _) if is_answer_to_announcement(&message) => {}
                    Happened::Message(message, _) => {
                        if self.events.send(Raw::Message(link, message)).await.is_err() {
                            return true;
                        }
                    }
                    // A proxy that does not read loses its pong, and soon the connection.
                    Happened::Ping => drop(writer.pong()),
                    Happened::Opened { .. } | Happened::Pong => {}
                    // The sender gets no answer and times out.
                    Happened::Malformed(error) => tracing::warn!(%error, "a proxy has sent what is no message"),
                    Happened::Closed(_) => return true,
                }
            }
        }
    }

    async fn greet(&self, writer: &Writer, work: Work, happens: &mut mpsc::Receiver<Happened>) -> Option<Greeting> {
        writer.send(self.identity.announcement(self.local, 1, work).to_bytes()).ok()?;
        loop {
            match happens.recv().await? {
                Happened::Opened { .. } | Happened::Ping | Happened::Pong => {}
                Happened::Message(message, _) if is_answer_to_announcement(&message) => {
                    let accepted = message.status().is_some_and(StatusCode::is_success);
                    let edge = message.header(&headers::EDGE)?.to_owned();
                    let secure_edge = message.header(&headers::SECURE_EDGE).map(str::to_owned);
                    let places = message.elements(&headers::PLACES).map(str::to_owned).collect();
                    let drains = message.header(&headers::DRAINING).is_some();
                    let live = live_nodes(&message);
                    return accepted.then_some(Greeting { edge, secure_edge, places, live, drains });
                }
                // The proxy does not know us yet, so it has no other message for us. A peer that does not begin with
                // the answer is no proxy.
                Happened::Message(..) | Happened::Malformed(_) | Happened::Closed(_) => return None,
            }
        }
    }
}

fn is_answer_to_announcement(message: &Message) -> bool {
    !message.is_request()
        && message.top_via().is_ok_and(|via| via.branch().is_some_and(|b| b.starts_with("z9hG4bKnode")))
}
