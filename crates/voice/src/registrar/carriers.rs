//! Our own registrations with carriers: those of the trunks with `register: true`, each by one replica of this role.
//!
//! A REGISTER goes out at the edge of a sip-proxy, whose address is in its Contact: the carrier's calls come to that edge. Which replica has
//! a trunk follows from its name and from the replicas that the proxies see live, by the rule by which proxies choose nodes.

mod ways;

use std::collections::{BTreeMap, BTreeSet};

use contracts::carrier_registration::CarrierRegistration;
use model::{Entropy, Owner, TenantId, Timestamp};
use sip::own_registration::{Account, OwnRegistration, RegistrationOutcome, RegistrationStatus, State};
use sip::proxy::headers;
use sip::{ConnectionId, HeaderName, Message, StatusCode, proxy};
use tracing::{error, info, warn};

use super::admin::ToldRegistrations;
use super::metrics::Metrics;
use super::trunks::Accounts;
use ways::HeldWay;
pub(super) use ways::RouteToStore;

/// The most registrations of one replica, those that are being removed among them; further trunks are left out.
const TRUNKS_MAX: usize = 1_000;

/// A request to send.
pub(super) struct CarrierRequest {
    /// The registration, as responses and failures name it.
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
    /// The number of the proxy's connection by which it is registered, where that is one over TLS: the carrier calls by it.
    flow: Option<String>,
    /// Whether the trunk still wants it; if not, it is being removed.
    is_wanted: bool,
    /// What was told to operators last.
    told: Option<(State, Option<RegistrationOutcome>)>,
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
    /// Those of them whose way may have to be stored.
    ways_due: BTreeSet<u64>,
    numbers: u64,
    /// Connections to proxies that are up: each proxy's edge, and the replicas of this role that it sees live.
    up: BTreeMap<ConnectionId, (String, Vec<Owner>)>,
    /// Those of them whose proxies drain: they refuse the calls of carriers.
    draining: BTreeSet<ConnectionId>,
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
            ways_due: BTreeSet::new(),
            numbers: 0,
            up: BTreeMap::new(),
            draining: BTreeSet::new(),
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

    /// A proxy has accepted this node.
    pub fn came_up(&mut self, link: ConnectionId, edge: String, live: &[Owner], now: Timestamp) {
        self.up.insert(link, (edge, self.replicas(live)));
        self.choose_way(now);
        self.look(now);
    }

    /// A connection to a proxy broke.
    pub fn broke(&mut self, link: ConnectionId, now: Timestamp) {
        self.up.remove(&link);
        self.draining.remove(&link);
        if self.way == Some(link) {
            self.way = None;
            self.lead_by(None, now);
        }
        self.choose_way(now);
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
    pub fn answered(&mut self, number: u64, response: &Message, now: Timestamp) {
        if let Some(held) = self.held.get_mut(&number) {
            held.registration.handle_response(response, now);
            if response.status().is_some_and(StatusCode::is_success) {
                held.flow = response.header(&headers::FLOW).map(str::to_owned);
            }
        }
        self.learn_way(number, now);
    }

    /// A proxy's connection has closed by which trunks are registered.
    pub fn flow_closed(&mut self, flow: &str, now: Timestamp) {
        for held in self.held.values_mut().filter(|held| held.flow.as_deref() == Some(flow)) {
            held.flow = None;
            held.registration.handle_closed(now);
        }
    }

    /// A request of ours gets no answer.
    pub fn unanswered(&mut self, number: u64, now: Timestamp) {
        if let Some(held) = self.held.get_mut(&number) {
            held.registration.handle_silence(now);
        }
    }

    /// The role stops. The registrations are removed, unless another replica goes on with them.
    pub fn drain(&mut self, now: Timestamp) {
        self.is_draining = true;
        let others = self.live().len() > 1;
        for held in self.held.values_mut() {
            held.is_wanted = false;
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
        for held in self.held.values_mut() {
            held.registration.handle_timeout(now);
        }
        self.tell(now);
    }

    /// The next request to send.
    pub fn poll_request(&mut self) -> Option<CarrierRequest> {
        let link = self.way?;
        let polled = self.held.iter_mut().find_map(|(number, held)| Some((*number, held.registration.poll_request()?)));
        let (number, mut message) = polled?;
        let branch = format!("z9hG4bK{:016x}{:016x}", self.draws.next_u64(), self.draws.next_u64());
        message.push_front(&HeaderName::Via, format_args!("SIP/2.0/TCP {};branch={branch}", self.sent_by));
        Some(CarrierRequest { number, link, branch, message })
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
            }
            let key = (held.tenant.clone(), held.trunk.clone());
            let is_same = |account: &&Account| is_same(account, held.registration.account());
            if wanted.get(&key).filter(is_same).is_some() {
                let password = wanted.remove(&key).map(|wanted| wanted.credentials.password);
                held.registration.handle_password(password.unwrap_or_default(), now);
                continue;
            }
            held.is_wanted = false;
            // Another replica goes on with it, or nobody wants it any more.
            let is_moved = self.trunks.get(&key).filter(is_same).is_some();
            if is_moved { held.registration.leave() } else { held.registration.end(now) }
        }
        for ((tenant, trunk), account) in wanted {
            self.take(tenant, trunk, account, now);
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

    fn take(&mut self, tenant: TenantId, trunk: String, account: Account, now: Timestamp) {
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
        let mut registration = OwnRegistration::new(account, &self.us.node.to_string(), (self.entropy)());
        registration.handle_way(self.edge().as_deref(), now);
        let (is_wanted, way) = (true, HeldWay::default());
        let held = HeldRegistration { tenant, trunk, registration, flow: None, is_wanted, told: None, way };
        self.held.insert(self.numbers, held);
    }

    fn edge(&self) -> Option<String> {
        self.way.and_then(|link| self.up.get(&link)).map(|(edge, _)| edge.clone())
    }

    /// Stays with the present way, unless its proxy drains and another one does not.
    fn choose_way(&mut self, now: Timestamp) {
        let stays = |link: &ConnectionId| !self.draining.contains(link);
        if self.way.as_ref().is_some_and(stays) {
            return;
        }
        let better = self.up.keys().copied().find(stays);
        let way = better.or(self.way).or_else(|| self.up.keys().next().copied());
        if self.way != way {
            self.way = way;
            self.lead_by(self.edge().as_deref(), now);
        }
    }

    fn lead_by(&mut self, edge: Option<&str>, now: Timestamp) {
        for held in self.held.values_mut() {
            held.registration.handle_way(edge, now);
        }
    }
}

// === impl Carriers: what operators are told ===

impl Carriers {
    fn tell(&mut self, now: Timestamp) {
        let mut is_changed = false;
        for held in self.held.values_mut() {
            let RegistrationStatus { state, registered_until, last, next_try } = held.registration.status(now);
            if held.told.as_ref().is_some_and(|told| *told == (state, last.clone())) {
                continue;
            }
            is_changed = true;
            let before = held.told.replace((state, last.clone()));
            let known = before.as_ref().map(|(state, last)| (*state, last.as_ref().and_then(|last| last.problem)));
            let problem = last.as_ref().and_then(|last| last.problem);
            if problem.is_some() {
                self.metrics.trunk_failed();
            }
            if known == Some((state, problem)) {
                continue;
            }
            let (tenant, trunk) = (&held.tenant, &held.trunk);
            let seconds = |at: Option<Timestamp>| at.map(|at| at.since(now).as_secs());
            match problem {
                Some(problem) => {
                    let answer = last.and_then(|last| last.answer).map(in_line).unwrap_or_default();
                    let (why, again_in_s) = (problem.in_words(), seconds(next_try));
                    warn!(%tenant, trunk, answer, why, "do" = problem.remedy(), again_in_s, "no registration with the carrier");
                }
                None if state == State::Registered => {
                    info!(%tenant, trunk, for_s = seconds(registered_until), "registered with the carrier");
                }
                None => {}
            }
        }
        let before = self.held.len();
        self.held.retain(|_, held| !held.registration.is_over());
        if before != self.held.len() {
            // There is room for trunks that were left out, or that waited for a removal.
            self.look(now);
        }
        if is_changed || before != self.held.len() {
            self.publish(now);
        }
    }

    fn publish(&self, now: Timestamp) {
        let mut rows: BTreeMap<TenantId, Vec<CarrierRegistration>> = BTreeMap::new();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for held in self.held.values().filter(|held| held.is_wanted) {
            let status = held.registration.status(now);
            *counts.entry(status.state.as_str()).or_default() += 1;
            rows.entry(held.tenant.clone()).or_default().push(row(held, status));
        }
        for state in State::ALL {
            self.metrics.trunks(*state, counts.get(state.as_str()).copied().unwrap_or_default());
        }
        self.told.publish(rows);
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

fn row(held: &HeldRegistration, status: RegistrationStatus) -> CarrierRegistration {
    let RegistrationStatus { state, registered_until, last, next_try } = status;
    let way = Some(&held.way).filter(|_| registered_until.is_some());
    let (account, problem) = (held.registration.account(), last.as_ref().and_then(|last| last.problem));
    CarrierRegistration {
        trunk: held.trunk.clone(),
        registrar: account.registrar.clone(),
        user: account.user.clone(),
        state: state.as_str().to_owned(),
        registered_until_ms: registered_until.map(Timestamp::as_millis),
        last_at_ms: last.as_ref().map(|last| last.at.as_millis()),
        last_answer: last.and_then(|last| last.answer).map(in_line),
        problem: problem.map(|problem| problem.in_words().to_owned()),
        remedy: problem.map(|problem| problem.remedy().to_owned()),
        next_try_ms: next_try.map(Timestamp::as_millis),
        service_route: way.map(|way| way.followed().to_vec()).unwrap_or_default(),
        service_route_fault: way.and_then(HeldWay::fault).map(|why| why.in_words().to_owned()),
    }
}

fn in_line((status, phrase): (u16, String)) -> String {
    format!("{status} {phrase}")
}

#[cfg(test)]
mod tests;
