//! Our own registrations with carriers: those of the trunks with `register: true`, each by one replica of this role.
//!
//! A REGISTER goes out at the edge of a sip-proxy, whose address is in its Contact: the carrier's calls come to that edge. Which replica has
//! a trunk follows from its name and from the replicas that the proxies see live, by the rule by which proxies choose nodes.

mod telling;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::{Entropy, Owner, TenantId, Timestamp};
use sip::own_registration::{self, Account, EdgeAddresses, OwnRegistration, RegistrationOutcome, State};
use sip::proxy::headers;
use sip::{ConnectionId, HeaderName, Message, proxy};
use tracing::error;

use super::admin::ToldRegistrations;
use super::metrics::Metrics;
use super::trunks::Accounts;
use ways::HeldWay;
pub(super) use ways::{LeftToRead, RouteToStore};

/// The most registrations of one replica, those that are being removed among them; further trunks are left out.
const TRUNKS_MAX: usize = 1_000;
/// Edges of proxies, those that are gone among them, at which carriers may still have us; those met first are forgotten.
const EDGES_MAX: usize = 32;

/// A request to send.
pub(super) struct CarrierRequest {
    /// The request, as responses and failures name it.
    pub number: u64,
    /// The connection to the proxy.
    pub link: ConnectionId,
    /// The branch of its Via.
    pub branch: String,
    /// The request.
    pub message: Message,
}

/// A trunk's registration.
struct HeldRegistration {
    tenant: TenantId,
    trunk: String,
    registration: OwnRegistration,
    /// The number of its last request.
    asked: u64,
    /// Our connection to the proxy, and the number of the proxy's own by which it is registered, where that is one over TLS: the carrier calls
    /// by it.
    flow: Option<(ConnectionId, String)>,
    /// Whether the trunk still wants it; if not, it is being removed.
    is_wanted: bool,
    /// What was told to operators last, and since when a round of requests was under way then.
    told: Option<(State, Option<RegistrationOutcome>, Option<Timestamp>)>,
    /// The way that the carrier wants for calls.
    way: HeldWay,
}

impl HeldRegistration {
    /// The trunk may have got another name: its registration goes on, here or at the replica that has trunks of that name. Whether it has.
    fn follow_name(&mut self, trunks: &Accounts) -> bool {
        let is_ours = |trunk: &String| {
            let account = trunks.get(&(self.tenant.clone(), trunk.clone()));
            account.is_some_and(|account| is_same(account, self.registration.account()))
        };
        if is_ours(&self.trunk) {
            return false;
        }
        let mut names = trunks.keys().filter(|(tenant, _)| *tenant == self.tenant).map(|(_, trunk)| trunk);
        let Some(name) = names.find(|trunk| is_ours(trunk)).cloned() else { return false };
        self.trunk = name;
        true
    }
}

/// The registrations of this replica.
pub(super) struct Carriers {
    us: Owner,
    sent_by: String,
    /// What all tenants want.
    trunks: Accounts,
    entropy: Box<dyn Fn() -> Box<dyn Entropy> + Send>,
    draws: Box<dyn Entropy>,
    /// By number.
    held: BTreeMap<u64, HeldRegistration>,
    /// Those of them to which something has happened: operators may have to be told.
    touched: BTreeSet<u64>,
    /// Those of them that may have a request to send.
    ready: BTreeSet<u64>,
    /// Those of them whose way may have to be stored.
    ways_due: BTreeSet<u64>,
    /// Those of them of which was not asked yet what was left of them at the carrier.
    lefts_due: BTreeSet<u64>,
    /// The last request of each, while it waits for an answer: whose it is, and by which connection it went. An answer to an earlier one, which a
    /// proxy that drains may still bring, is none to this.
    asked: BTreeMap<u64, (u64, ConnectionId)>,
    /// Tenants of whose registrations operators do not know yet.
    changed: BTreeSet<TenantId>,
    /// Counts registrations and requests.
    numbers: u64,
    /// Connections to proxies that are up: each proxy's edge, and the replicas of this role that it sees live.
    up: BTreeMap<ConnectionId, (EdgeAddresses, Vec<Owner>)>,
    /// Those of them whose proxies drain: they refuse the calls of carriers.
    draining: BTreeSet<ConnectionId>,
    /// The edges of the proxies that are or were up.
    edges: Vec<EdgeAddresses>,
    /// The connection by which requests go.
    way: Option<ConnectionId>,
    is_draining: bool,
    metrics: Metrics,
    told: ToldRegistrations,
}

// === impl Carriers: inputs ===

impl Carriers {
    /// No registrations yet.
    pub fn new(
        (us, sent_by): (Owner, String),
        entropy: Box<dyn Fn() -> Box<dyn Entropy> + Send>,
        (metrics, told): (Metrics, ToldRegistrations),
    ) -> Self {
        let draws = entropy();
        Self {
            us,
            sent_by,
            trunks: Accounts::new(),
            entropy,
            draws,
            held: BTreeMap::new(),
            touched: BTreeSet::new(),
            ready: BTreeSet::new(),
            ways_due: BTreeSet::new(),
            lefts_due: BTreeSet::new(),
            asked: BTreeMap::new(),
            changed: BTreeSet::new(),
            numbers: 0,
            up: BTreeMap::new(),
            draining: BTreeSet::new(),
            edges: Vec::new(),
            way: None,
            is_draining: false,
            metrics,
            told,
        }
    }

    /// The trunks of all tenants that want to be registered, by any replica.
    pub fn set_trunks(&mut self, trunks: Accounts, now: Timestamp) {
        self.trunks = trunks;
        self.look(now);
    }

    /// A proxy has accepted this node; it may drain already.
    pub fn came_up(&mut self, link: ConnectionId, edge: EdgeAddresses, drains: bool, live: &[Owner], now: Timestamp) {
        self.edges.retain(|known| *known != edge);
        if self.edges.len() >= EDGES_MAX {
            self.edges.remove(0);
        }
        self.edges.push(edge.clone());
        self.up.insert(link, (edge, self.replicas(live)));
        if drains {
            self.draining.insert(link);
        }
        self.choose_way(now);
        self.look(now);
    }

    /// A connection to a proxy broke.
    pub fn broke(&mut self, link: ConnectionId, now: Timestamp) {
        self.up.remove(&link);
        self.draining.remove(&link);
        // Another proxy may have the same edge: then the Contact stays, and the connections of this one are gone.
        self.lose_flows(|(by, _)| *by == link, now);
        if self.way == Some(link) {
            self.way = None;
            self.way = self.best_way();
            self.lead(OwnRegistration::handle_break, now);
        }
    }

    /// Whether the proxy at a connection drains, as it says with each keep-alive.
    pub fn proxy_drains(&mut self, link: ConnectionId, drains: bool, now: Timestamp) {
        if drains && self.up.contains_key(&link) {
            self.draining.insert(link);
        } else {
            self.draining.remove(&link);
        }
        self.choose_way(now);
    }

    /// A proxy has told which nodes it sees live.
    pub fn saw(&mut self, link: ConnectionId, live: &[Owner], now: Timestamp) {
        let replicas = self.replicas(live);
        let Some((_, known)) = self.up.get_mut(&link) else { return };
        if *known != replicas {
            *known = replicas;
            self.look(now);
        }
    }

    /// A response to a request of ours.
    pub fn answered(&mut self, request: u64, response: &Message, now: Timestamp) {
        let Some(status) = response.status().filter(|status| status.is_final()) else { return };
        let Some((number, link)) = self.take_asked(request) else { return };
        let Some(held) = self.held.get_mut(&number) else { return };
        held.registration.handle_response(response, &self.edges, now);
        if status.is_success() {
            held.flow = response.header(&headers::FLOW).map(|flow| (link, flow.to_owned()));
        }
        self.touch(number);
        self.learn_way(number, now);
    }

    /// A request of ours gets no answer.
    pub fn unanswered(&mut self, request: u64, now: Timestamp) {
        let Some((number, _)) = self.take_asked(request) else { return };
        if let Some(held) = self.held.get_mut(&number) {
            held.registration.handle_silence(now);
        }
        self.touch(number);
    }

    /// The registration that waits for the end of this request, and by which connection it went; none if the request was given up.
    fn take_asked(&mut self, request: u64) -> Option<(u64, ConnectionId)> {
        let (number, link) = self.asked.remove(&request)?;
        self.held.get(&number).filter(|held| held.registration.is_asked()).map(|_| (number, link))
    }

    /// A proxy's connection has closed by which trunks are registered.
    pub fn flow_closed(&mut self, link: ConnectionId, flow: &str, now: Timestamp) {
        self.lose_flows(|(by, known)| *by == link && known == flow, now);
    }

    /// All trunks of a carrier may be by one connection.
    fn lose_flows(&mut self, is_lost: impl Fn(&(ConnectionId, String)) -> bool, now: Timestamp) {
        let is_by = |held: &HeldRegistration| held.flow.as_ref().is_some_and(&is_lost);
        let within = own_registration::spread(self.held.values().filter(|held| is_by(held)).count());
        for held in self.held.values_mut().filter(|held| is_by(held)) {
            held.flow = None;
            held.registration.handle_closed(within, now);
        }
    }

    /// The role stops. The registrations are removed, unless another replica goes on with them.
    pub fn drain(&mut self, now: Timestamp) {
        self.is_draining = true;
        let others = self.live().len() > 1;
        for (number, held) in &mut self.held {
            held.is_wanted = false;
            self.touched.insert(*number);
            self.ready.insert(*number);
            if others { held.registration.leave() } else { held.registration.end(now) }
        }
    }

    /// Whether nothing is left to be done.
    pub fn is_over(&self) -> bool {
        self.held.is_empty()
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.held.values().filter_map(|held| held.registration.next_timeout()).min()
    }

    /// Begins what is due, and tells what has changed.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        for (number, held) in &mut self.held {
            let is_due = held.registration.next_timeout().is_some_and(|due| due <= now);
            let has_ended = matches!(held.told, Some((State::Registered, ..))) && !held.registration.is_registered(now);
            if is_due {
                held.registration.handle_timeout(now);
                self.ready.insert(*number);
            }
            if is_due || has_ended {
                self.touched.insert(*number);
            }
        }
        self.tell(now);
    }

    /// The next request to send.
    pub fn poll_request(&mut self) -> Option<CarrierRequest> {
        let link = self.way?;
        while let Some(number) = self.ready.pop_first() {
            let Some(held) = self.held.get_mut(&number) else { continue };
            let Some(mut message) = held.registration.poll_request() else { continue };
            self.numbers += 1;
            self.asked.remove(&held.asked);
            self.asked.insert(self.numbers, (number, link));
            held.asked = self.numbers;
            self.touched.insert(number);
            let branch = format!("z9hG4bK{:016x}{:016x}", self.draws.next_u64(), self.draws.next_u64());
            message.set(&headers::TENANT, &held.tenant);
            message.push_front(&HeaderName::Via, format_args!("SIP/2.0/TCP {};branch={branch}", self.sent_by));
            return Some(CarrierRequest { number: self.numbers, link, branch, message });
        }
        None
    }

    fn touch(&mut self, number: u64) {
        self.touched.insert(number);
        self.ready.insert(number);
    }
}

// === impl Carriers: which trunks, by which way ===

impl Carriers {
    /// Compares what is held with what is wanted.
    fn look(&mut self, now: Timestamp) {
        if self.is_draining {
            return;
        }
        let live = self.live();
        let is_ours = |(tenant, trunk): &(TenantId, String)| is_held_by(&self.us, &live, tenant, trunk);
        let mut wanted = self.trunks.clone();
        wanted.retain(|key, _| is_ours(key));
        for (number, held) in self.held.iter_mut().filter(|(_, held)| held.is_wanted) {
            if held.follow_name(&self.trunks) {
                self.ways_due.insert(*number);
                self.changed.insert(held.tenant.clone());
            }
            let key = (held.tenant.clone(), held.trunk.clone());
            let is_same = |account: &&Account| is_same(account, held.registration.account());
            if wanted.get(&key).filter(is_same).is_some() {
                let password = wanted.remove(&key).map(|wanted| wanted.credentials.password);
                held.registration.handle_password(password.unwrap_or_default(), now);
                continue;
            }
            held.is_wanted = false;
            self.changed.insert(held.tenant.clone());
            self.touched.insert(*number);
            self.ready.insert(*number);
            // Another replica goes on with it, or nobody wants it any more.
            match self.trunks.get(&key) {
                Some(account) if is_same(&account) => held.registration.leave(),
                Some(_) => held.registration.give_way(now),
                None => held.registration.end(now),
            }
        }
        let herds = Herds::of(wanted.values());
        for ((tenant, trunk), account) in wanted {
            let within = herds.spread(&account);
            self.take((tenant, trunk), account, within, now);
        }
    }

    /// The replicas of this role that any proxy sees live, this one among them.
    fn live(&self) -> Vec<Owner> {
        let mut live: Vec<Owner> = self.up.values().flat_map(|(_, live)| live.iter().cloned()).collect();
        live.push(self.us.clone());
        live.sort();
        live.dedup_by(|one, other| one.node == other.node);
        live
    }

    fn replicas(&self, live: &[Owner]) -> Vec<Owner> {
        let role = |owner: &Owner| owner.node.as_str().rsplit_once('-').map(|(role, _)| role.to_owned());
        let ours = role(&self.us);
        live.iter().filter(|owner| role(owner) == ours).cloned().collect()
    }

    fn take(&mut self, (tenant, trunk): (TenantId, String), account: Account, within: Duration, now: Timestamp) {
        // A removal that comes late would take the new registration's Contact too: it is waited for.
        let is_user = |held: &HeldRegistration| held.registration.account().user == account.user;
        if self.held.values().any(|held| !held.is_wanted && held.tenant == tenant && is_user(held)) {
            return;
        }
        if self.held.len() >= TRUNKS_MAX {
            self.metrics.trunk_left_out();
            error!(%tenant, trunk, most = TRUNKS_MAX, "too many trunks register: this one does not; start more replicas of registrar");
            return;
        }
        self.numbers += 1;
        let mut registration = OwnRegistration::new(account, (self.entropy)());
        registration.handle_way(self.edge().as_ref(), within, now);
        let (is_wanted, way) = (true, HeldWay::default());
        let held = HeldRegistration { tenant, trunk, registration, asked: 0, flow: None, is_wanted, told: None, way };
        self.held.insert(self.numbers, held);
        self.touched.insert(self.numbers);
        self.lefts_due.insert(self.numbers);
    }

    fn edge(&self) -> Option<EdgeAddresses> {
        self.way.and_then(|link| self.up.get(&link)).map(|(edge, _)| edge.clone())
    }

    fn choose_way(&mut self, now: Timestamp) {
        let way = self.best_way();
        if self.way != way {
            self.way = way;
            self.lead(OwnRegistration::handle_way, now);
        }
    }

    /// The present way, unless its proxy drains and another one does not.
    fn best_way(&self) -> Option<ConnectionId> {
        let stays = |link: &ConnectionId| !self.draining.contains(link);
        if self.way.as_ref().is_some_and(stays) {
            return self.way;
        }
        let better = self.up.keys().copied().find(stays);
        better.or(self.way).or_else(|| self.up.keys().next().copied())
    }

    /// Tells all registrations where the way leads out now, by that input of theirs.
    fn lead(&mut self, by: LeadInput, now: Timestamp) {
        let edge = self.edge();
        let herds = Herds::of(self.held.values().map(|held| held.registration.account()));
        for (number, held) in &mut self.held {
            let within = herds.spread(held.registration.account());
            by(&mut held.registration, edge.as_ref(), within, now);
            self.touched.insert(*number);
        }
    }
}

/// An input of a registration about the way out.
type LeadInput = fn(&mut OwnRegistration, Option<&EdgeAddresses>, Duration, Timestamp);

/// How many of the accounts that begin together each registrar has.
struct Herds(BTreeMap<String, usize>);

impl Herds {
    fn of<'a>(accounts: impl Iterator<Item = &'a Account>) -> Self {
        let mut herds: BTreeMap<String, usize> = BTreeMap::new();
        for account in accounts {
            *herds.entry(account.registrar.clone()).or_default() += 1;
        }
        Self(herds)
    }

    /// Over how long those of this account's registrar are spread.
    fn spread(&self, account: &Account) -> Duration {
        own_registration::spread(self.0.get(&account.registrar).copied().unwrap_or_default())
    }
}

/// Whether this replica has a trunk.
fn is_held_by(us: &Owner, live: &[Owner], tenant: &TenantId, trunk: &str) -> bool {
    proxy::holder(live, &format!("{tenant}/{trunk}")).is_none_or(|owner| owner.node == us.node)
}

fn is_same(account: &Account, other: &Account) -> bool {
    let known = |account: &Account| (account.registrar.clone(), account.domain.clone(), account.user.clone());
    known(account) == known(other) && account.credentials.user == other.credentials.user
}

#[cfg(test)]
mod tests;
