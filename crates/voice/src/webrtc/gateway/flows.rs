//! The flows: each is one phone in a browser, whichever WebSocket it has now.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;

use bytes::Bytes;
use model::{Dn, TenantId, Timestamp};
use runtime::token::Claims;
use sip::ConnectionId;
use sip::transaction::ServerId;

/// The most flows, those that wait for their phones included: as many as there are WebSockets, and as many again.
pub(super) const FLOWS_MAX: usize = 20_000;
/// Flows that have become one with another, and still lead to it, for each: pages loaded again whose calls have begun before they were known.
const JOINED_MAX: usize = 8;
/// Messages that wait for a phone that is away: the answers to what it has sent, and what acknowledges its own.
pub(super) const WAITING_MAX: usize = 16;

/// Whose a flow is, by a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FlowHolder {
    /// The tenant.
    pub tenant: TenantId,
    /// The phone.
    pub dn: Dn,
    /// The subject of the person, as in a token.
    pub subject: String,
    /// The sign-in.
    pub sign_in: Option<String>,
    /// Which page of it.
    pub device: String,
}

/// What a ticket came from, and ends with: as the claims of tokens, for both are revoked in one way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TicketRights {
    /// The sign-in.
    pub sign_in: Claims,
    /// The right of the desktop to the phone.
    pub phone: Claims,
}

/// One phone, as it has registered: whose number, and which of several.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RegisteredPhone {
    /// `user@host`, the host in lower case.
    pub aor: Box<str>,
    /// Its instance (RFC 5626).
    pub instance: Box<str>,
}

/// By what we answer challenges for a phone.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneCredentials {
    /// The digest realm.
    pub realm: String,
    /// H(number:realm:password) with MD5.
    pub md5: String,
    /// The same with SHA-256.
    pub sha256: String,
}

impl std::fmt::Debug for PhoneCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PhoneCredentials(..)")
    }
}

/// Stands for a flow for as long as it lasts: the number of its first WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey(pub(in crate::webrtc) ConnectionId);

/// A phone.
#[derive(Debug)]
pub(super) struct PhoneFlow {
    /// The user part of our Contact for it.
    pub name: Box<str>,
    /// Its WebSocket; none while it is away.
    pub socket: Option<ConnectionId>,
    /// The address that it has.
    pub client: IpAddr,
    /// Whose it is by a ticket.
    pub holder: Option<FlowHolder>,
    /// What the last ticket came from.
    pub rights: Option<Box<TicketRights>>,
    /// Whether the right to the phone has ended: nothing begins there any more.
    pub is_barred: bool,
    /// As what it has registered.
    pub phone: Option<RegisteredPhone>,
    /// The number with its host that has proved itself on it.
    pub aor: Option<Box<str>>,
    /// The name of its way as the phone has proved itself: that of a page that has become one with it, or its own of before.
    pub proved_as: Option<Box<str>>,
    /// Its own Contact, as it has written it last.
    pub contact: Option<Box<str>>,
    /// Since when requests do not reach it.
    pub gone_at: Option<Timestamp>,
    /// Whether requests reach it: after it has come back, once it has registered.
    pub is_settled: bool,
    /// Whether its WebSocket seems open, and it answers nothing: its machine sleeps, or the path is dead.
    pub is_silent: bool,
    /// What waits until it is back.
    pub waiting: VecDeque<Bytes>,
    /// By what challenges are answered.
    pub credentials: Option<PhoneCredentials>,
    /// Those by which a challenge was answered in vain.
    pub refused: Option<PhoneCredentials>,
    /// Whether credentials were asked for, and are not there yet.
    pub is_asking: bool,
    /// Requests of it that have no answer yet.
    pub under_way: usize,
    /// Messages of it that were refused one after the other, before anybody has proved to be a phone on it.
    pub refusals: u8,
    /// Its INVITEs that were refused last, and may have yet to be acknowledged.
    pub unacknowledged: VecDeque<ServerId>,
    /// Its other names, the latest last.
    joined: VecDeque<JoinedFlow>,
}

/// A flow that has become one with another.
#[derive(Debug)]
struct JoinedFlow {
    key: FlowKey,
    name: Box<str>,
}

impl PhoneFlow {
    pub(super) fn new(name: Box<str>, socket: ConnectionId, client: IpAddr, holder: Option<FlowHolder>) -> Self {
        Self {
            name,
            socket: Some(socket),
            client,
            holder,
            rights: None,
            is_barred: false,
            phone: None,
            aor: None,
            proved_as: None,
            contact: None,
            gone_at: None,
            is_settled: true,
            is_silent: false,
            waiting: VecDeque::new(),
            credentials: None,
            refused: None,
            is_asking: false,
            under_way: 0,
            refusals: 0,
            unacknowledged: VecDeque::new(),
            joined: VecDeque::new(),
        }
    }

    /// What sip-proxy is told as the name of its way: it counts wrong passwords of others apart from those on the way that was proved.
    pub(super) fn way(&self) -> &str {
        self.proved_as.as_deref().unwrap_or(&self.name)
    }

    /// Whether it is worth waiting for: somebody has proved to be a phone there.
    pub(super) const fn is_proved(&self) -> bool {
        self.aor.is_some()
    }

    /// Whether it is no stranger's: it has proved itself, or has a ticket.
    pub(super) const fn is_known(&self) -> bool {
        self.is_proved() || self.holder.is_some()
    }
}

/// All of them, and what leads to them.
#[derive(Debug, Default)]
pub(super) struct FlowTable {
    flows: HashMap<FlowKey, PhoneFlow>,
    by_socket: HashMap<ConnectionId, FlowKey>,
    by_name: HashMap<Box<str>, FlowKey>,
    by_holder: HashMap<FlowHolder, FlowKey>,
    by_phone: HashMap<RegisteredPhone, FlowKey>,
    /// By those that have become one with it.
    by_joined: HashMap<FlowKey, FlowKey>,
    /// Those that requests do not reach: away, or back without a word.
    unsettled: HashSet<FlowKey>,
}

impl FlowTable {
    pub(super) fn is_full(&self) -> bool {
        self.flows.len() >= FLOWS_MAX
    }

    /// How many there are, and how many of them are away.
    pub(super) fn sizes(&self) -> (usize, usize) {
        let is_away = |key: &&FlowKey| self.flows.get(*key).is_some_and(|flow| flow.socket.is_none());
        (self.flows.len(), self.unsettled.iter().filter(is_away).count())
    }

    pub(super) fn add(&mut self, flow: PhoneFlow, socket: ConnectionId) -> FlowKey {
        let key = FlowKey(socket);
        self.by_socket.insert(socket, key);
        self.by_name.insert(flow.name.clone(), key);
        if let Some(holder) = &flow.holder {
            self.by_holder.insert(holder.clone(), key);
        }
        self.flows.insert(key, flow);
        key
    }

    pub(super) fn get(&self, key: FlowKey) -> Option<&PhoneFlow> {
        self.flows.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: FlowKey) -> Option<&mut PhoneFlow> {
        self.flows.get_mut(&key)
    }

    /// The flow that this one has become; itself, as long as it has become no other.
    pub(super) fn now_of(&self, key: FlowKey) -> FlowKey {
        self.by_joined.get(&key).copied().unwrap_or(key)
    }

    /// Their WebSockets.
    pub(super) fn sockets(&self) -> impl Iterator<Item = ConnectionId> {
        self.by_socket.keys().copied()
    }

    pub(super) fn of_socket(&self, socket: ConnectionId) -> Option<FlowKey> {
        self.by_socket.get(&socket).copied()
    }

    pub(super) fn of_name(&self, name: &str) -> Option<FlowKey> {
        self.by_name.get(name).copied()
    }

    pub(super) fn of_holder(&self, holder: &FlowHolder) -> Option<FlowKey> {
        self.by_holder.get(holder).copied()
    }

    pub(super) fn of_phone(&self, phone: &RegisteredPhone) -> Option<FlowKey> {
        self.by_phone.get(phone).copied()
    }

    /// Notes as what a flow has registered.
    pub(super) fn registered(&mut self, key: FlowKey, aor: Box<str>, phone: Option<RegisteredPhone>) {
        let Some(flow) = self.flows.get_mut(&key) else { return };
        flow.aor = Some(aor);
        let former = std::mem::replace(&mut flow.phone, phone.clone());
        if let Some(former) = former.filter(|former| self.by_phone.get(former) == Some(&key)) {
            self.by_phone.remove(&former);
        }
        if let Some(phone) = phone {
            self.by_phone.insert(phone, key);
        }
    }

    /// Gives a flow another WebSocket; returns the one that it has had.
    pub(super) fn give_socket(
        &mut self,
        key: FlowKey,
        socket: ConnectionId,
        client: IpAddr,
        now: Timestamp,
    ) -> Option<ConnectionId> {
        let flow = self.flows.get_mut(&key)?;
        let former = flow.socket.replace(socket);
        (flow.client, flow.is_silent) = (client, false);
        self.unsettle(key, now);
        if let Some(former) = former {
            self.by_socket.remove(&former);
        }
        self.by_socket.insert(socket, key);
        former
    }

    /// A WebSocket has closed; returns the flow that is away now.
    pub(super) fn closed(&mut self, socket: ConnectionId, now: Timestamp) -> Option<FlowKey> {
        let key = self.by_socket.remove(&socket)?;
        let flow = self.flows.get_mut(&key)?;
        (flow.socket, flow.is_silent) = (None, false);
        self.unsettle(key, now);
        Some(key)
    }

    /// A phone answers nothing by its WebSocket, and has done so since it was asked.
    pub(super) fn fell_silent(&mut self, key: FlowKey, asked_at: Timestamp) {
        if let Some(flow) = self.flows.get_mut(&key).filter(|flow| flow.is_settled && flow.socket.is_some()) {
            flow.is_silent = true;
            self.unsettle(key, asked_at);
        }
    }

    /// Requests reach it no more. A page that comes and goes without a word is away since it went first.
    fn unsettle(&mut self, key: FlowKey, now: Timestamp) {
        if let Some(flow) = self.flows.get_mut(&key) {
            flow.is_settled = false;
            flow.gone_at.get_or_insert(now);
            self.unsettled.insert(key);
        }
    }

    /// Requests reach it from now on; returns its WebSocket and what has waited for it. `None` if they did before, or it is away.
    pub(super) fn settle(&mut self, key: FlowKey) -> Option<(ConnectionId, VecDeque<Bytes>)> {
        let flow = self.flows.get_mut(&key).filter(|flow| !flow.is_settled)?;
        let socket = flow.socket?;
        (flow.is_settled, flow.is_silent, flow.gone_at) = (true, false, None);
        self.unsettled.remove(&key);
        Some((socket, std::mem::take(&mut flow.waiting)))
    }

    /// A flow is one with another from now on, which has its names: what is under way, and calls that have begun, go on there.
    pub(super) fn join(&mut self, key: FlowKey, with: FlowKey) {
        if key == with || !self.flows.contains_key(&with) {
            return;
        }
        let Some(mut flow) = self.remove(key) else { return };
        if let Some(whole) = self.flows.get_mut(&with) {
            whole.under_way += flow.under_way;
        }
        for one in std::mem::take(&mut flow.joined) {
            self.lead(one, with);
        }
        self.lead(JoinedFlow { key, name: flow.name }, with);
    }

    /// Gives a flow the name of one that is gone: by that name it has registered. By its own one it is reached too.
    pub(super) fn inherit(&mut self, key: FlowKey, gone: FlowKey, name: Box<str>) {
        let Some(flow) = self.flows.get_mut(&key) else { return };
        let own = std::mem::replace(&mut flow.name, name.clone());
        self.by_name.insert(name, key);
        self.lead(JoinedFlow { key: gone, name: own }, key);
    }

    /// What leads to one leads to another from now on.
    fn lead(&mut self, one: JoinedFlow, to: FlowKey) {
        let Some(flow) = self.flows.get_mut(&to) else { return };
        self.by_joined.insert(one.key, to);
        self.by_name.insert(one.name.clone(), to);
        flow.joined.push_back(one);
        if flow.joined.len() > JOINED_MAX
            && let Some(eldest) = flow.joined.pop_front()
        {
            self.by_joined.remove(&eldest.key);
            self.by_name.remove(&eldest.name);
        }
    }

    pub(super) fn remove(&mut self, key: FlowKey) -> Option<PhoneFlow> {
        let flow = self.flows.remove(&key)?;
        self.unsettled.remove(&key);
        for joined in &flow.joined {
            self.by_joined.remove(&joined.key);
            self.by_name.remove(&joined.name);
        }
        if let Some(socket) = flow.socket {
            self.by_socket.remove(&socket);
        }
        self.by_name.remove(&flow.name);
        if let Some(holder) = &flow.holder
            && self.by_holder.get(holder) == Some(&key)
        {
            self.by_holder.remove(holder);
        }
        if let Some(phone) = &flow.phone
            && self.by_phone.get(phone) == Some(&key)
        {
            self.by_phone.remove(phone);
        }
        Some(flow)
    }

    /// What stands for each in our Contacts.
    #[cfg(test)]
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.by_name.keys().map(|name| name.as_ref().to_owned()).collect();
        names.sort_unstable();
        names
    }

    /// Those that requests do not reach, each with since when.
    pub(super) fn unsettled(&self) -> impl Iterator<Item = (FlowKey, &PhoneFlow, Timestamp)> {
        self.unsettled.iter().filter_map(|key| {
            let flow = self.flows.get(key)?;
            Some((*key, flow, flow.gone_at?))
        })
    }

    /// Those with a ticket.
    pub(super) fn held(&self) -> impl Iterator<Item = (FlowKey, &TicketRights)> {
        self.by_holder.values().filter_map(|key| Some((*key, self.flows.get(key)?.rights.as_deref()?)))
    }
}
