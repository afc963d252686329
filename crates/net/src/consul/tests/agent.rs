//! A Consul agent in memory: the five calls with their indexes, blocking queries and TTL checks, in the time of the test's executor.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::calls::WAIT;
use super::*;

/// The unit of the times in registrations.
const TTL_UNIT: &str = "s";
/// The index of an answer of a server that contradicts the others: an earlier one.
const EARLIER: u64 = 1;

#[derive(Clone)]
pub struct MemoryAgent {
    state: Arc<Mutex<AgentState>>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct AgentState {
    services: BTreeMap<String, MemoryService>,
    is_away: bool,
    wrong: Option<Vec<IpAddr>>,
    /// What access control leaves in the answers.
    shown: Option<Vec<IpAddr>>,
    /// How long a registration takes.
    registers_within: Duration,
    /// What it has been told, once that was done.
    log: Vec<&'static str>,
}

struct MemoryService {
    name: String,
    address: String,
    port: u64,
    instance: String,
    status: String,
    ttl: Duration,
    ends: Instant,
}

impl MemoryService {
    fn status(&self) -> &str {
        if Instant::now() < self.ends { &self.status } else { "critical" }
    }
}

impl MemoryAgent {
    pub fn start() -> Self {
        Self { state: Arc::default(), changed: watch::Sender::new(10) }
    }

    fn state(&self) -> MutexGuard<'_, AgentState> {
        self.state.lock().unwrap()
    }

    fn change<T>(&self, change: impl FnOnce(&mut AgentState) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.send_modify(|index| *index += 1);
        changed
    }

    pub fn client_of(&self, replica: JoiningReplica) -> Arc<dyn SourceClient> {
        client_at(Box::new(self.clone()), replica)
    }

    /// Access control leaves only these in the answers; nothing out if none.
    pub fn shows_only(&self, replicas: Option<&[IpAddr]>) {
        self.change(|state| state.shown = replicas.map(<[IpAddr]>::to_vec));
    }

    /// Each registration takes so long, whether somebody waits for it or not.
    pub fn takes_its_time(&self, time: Duration) {
        self.state().registers_within = time;
    }

    /// What it has been told, in order.
    pub fn log(&self) -> Vec<&'static str> {
        self.state().log.clone()
    }

    /// The ids of the services that are not critical.
    pub fn registered(&self) -> Vec<String> {
        let state = self.state();
        let alive = state.services.iter().filter(|(_, service)| service.status() != "critical");
        alive.map(|(id, _)| id.clone()).collect()
    }

    pub fn loses_its_data(&self) {
        self.change(|state| state.services.clear());
    }

    fn register(&self, body: &Value) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let ttl = text(&body["Check"]["TTL"]).trim_end_matches(TTL_UNIT).parse().map(Duration::from_secs).unwrap();
        // What Consul does: a check that has failed stays so until it is renewed.
        let was_critical = self.state().services.get(&text(&body["ID"])).is_some_and(|one| one.status() == "critical");
        let ends = if was_critical { Instant::now() } else { Instant::now() + ttl };
        let service = MemoryService {
            name: text(&body["Name"]),
            address: text(&body["Address"]),
            port: body["Port"].as_u64().unwrap(),
            instance: text(&body["Meta"]["instance"]),
            status: text(&body["Check"]["Status"]),
            ttl,
            ends,
        };
        self.change(|state| state.services.insert(text(&body["ID"]), service));
    }

    fn update(&self, check: &str, body: &Value) -> StatusCode {
        let mut state = self.state();
        let known = check.strip_prefix("service:").and_then(|id| state.services.get_mut(id));
        let Some(service) = known else { return StatusCode::NOT_FOUND };
        let was_critical = service.status() == "critical";
        body["Status"].as_str().unwrap().clone_into(&mut service.status);
        service.ends = Instant::now() + service.ttl;
        drop(state);
        if was_critical {
            self.changed.send_modify(|index| *index += 1);
        }
        StatusCode::OK
    }

    fn health(&self, name: &str) -> Value {
        let entry = |address: &str, port: u64, instance: &str, status: &str| {
            let service = json!({"Address": address, "Port": port, "Meta": {"instance": instance}});
            json!({"Service": service, "Checks": [{"Status": status}]})
        };
        let state = self.state();
        if let Some(wrong) = &state.wrong {
            let named = wrong.iter().map(|address| announced(*address));
            return named.map(|at| entry(&at.ip().to_string(), at.port().into(), "0", "passing")).collect();
        }
        let is_shown = |service: &&MemoryService| {
            let shown = state.shown.as_ref();
            shown.is_none_or(|shown| shown.iter().any(|address| address.to_string() == service.address))
        };
        let of_name = state.services.values().filter(|service| service.name == name).filter(is_shown);
        of_name.map(|service| entry(&service.address, service.port, &service.instance, service.status())).collect()
    }

    /// Waits until something has changed since that index, a check has ended, or the wait is over.
    async fn wait(&self, after: u64) {
        let mut changes = self.changed.subscribe();
        let end = {
            let (now, state) = (Instant::now(), self.state());
            let ends = state.services.values().map(|service| service.ends).filter(|ends| *ends > now);
            ends.chain([now + WAIT]).min().unwrap()
        };
        let _ = tokio::time::timeout_at(end, changes.wait_for(|index| *index > after)).await;
    }

    async fn answer(&self, call: ConsulCall) -> Result<ConsulAnswer, SourceFault> {
        let away = || SourceFault::Away("it is away".to_owned());
        if self.state().is_away {
            return Err(away());
        }
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let rest = |prefix: &str| path.strip_prefix(prefix).map(str::to_owned);
        let (mut status, mut answer) = (StatusCode::OK, Value::Null);
        if let Some(name) = rest("/v1/health/service/") {
            assert_eq!(call.method, Method::GET);
            let after = query.split('&').find_map(|pair| pair.strip_prefix("index=")?.parse().ok());
            if let Some(after) = after {
                self.wait(after).await;
                if self.state().is_away {
                    return Err(away());
                }
            }
            answer = self.health(&name);
        } else if rest("/v1/agent/service/register").is_some() {
            let within = self.state().registers_within;
            tokio::time::sleep(within).await;
            self.register(&body);
            self.state().log.push("register");
        } else if let Some(check) = rest("/v1/agent/check/update/") {
            status = self.update(&check, &body);
            self.state().log.push("renew");
        } else if let Some(id) = rest("/v1/agent/service/deregister/") {
            let gone = self.change(|state| state.services.remove(&id));
            status = gone.map_or(StatusCode::NOT_FOUND, |_| StatusCode::OK);
            self.state().log.push("deregister");
        } else {
            status = StatusCode::NOT_FOUND;
        }
        let is_wrong = self.state().wrong.is_some();
        let is_filtered = self.state().shown.is_some();
        let index = if is_wrong { EARLIER } else { *self.changed.borrow() };
        Ok(ConsulAnswer { status, index, is_filtered, body: answer.to_string().into() })
    }
}

impl ConsulAgent for MemoryAgent {
    fn send(&self, call: ConsulCall) -> BoxFuture<'_, Result<ConsulAnswer, SourceFault>> {
        let within = call.within;
        let late = || SourceFault::Away("no answer".to_owned());
        // It goes on with a call that nobody waits for any more.
        let agent = self.clone();
        let answering = tokio::spawn(async move { agent.answer(call).await });
        Box::pin(async move { tokio::time::timeout(within, answering).await.map_err(|_| late())?.unwrap() })
    }
}

impl SourceWorld for MemoryAgent {
    fn client(&self) -> Arc<dyn SourceClient> {
        self.client_of(proxy())
    }

    fn has(&self, replicas: &[IpAddr]) {
        let service = |address: &IpAddr| MemoryService {
            name: format!("trunkline-{ROLE}"),
            address: address.to_string(),
            port: announced(*address).port().into(),
            instance: "0".to_owned(),
            status: "passing".to_owned(),
            ttl: MINUTE,
            ends: Instant::now() + 60 * MINUTE,
        };
        self.change(|state| {
            state.services = replicas.iter().map(|address| (address.to_string(), service(address))).collect();
        });
    }

    fn is_away(&self, is_away: bool) {
        self.change(|state| state.is_away = is_away);
    }

    fn contradicts(&self, replicas: Option<&[IpAddr]>) {
        self.change(|state| state.wrong = replicas.map(<[IpAddr]>::to_vec));
    }

    fn lag(&self) -> Duration {
        Duration::ZERO
    }
}

/// Agents behind one address, which take turns and know nothing of one another.
#[derive(Clone)]
pub struct AgentsBehind {
    pub all: Vec<MemoryAgent>,
    asked: Arc<AtomicUsize>,
    is_at_once: bool,
}

impl AgentsBehind {
    pub fn start(agents: usize) -> Self {
        let all = (0..agents).map(|_| MemoryAgent::start()).collect();
        Self { all, asked: Arc::default(), is_at_once: false }
    }

    /// None of them waits for a change.
    pub fn answering_at_once(self) -> Self {
        Self { is_at_once: true, ..self }
    }

    pub fn client_of(&self, replica: JoiningReplica) -> Arc<dyn SourceClient> {
        client_at(Box::new(self.clone()), replica)
    }

    /// How many calls have come.
    pub fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }

    pub fn each(&self, what: impl Fn(&MemoryAgent)) {
        self.all.iter().for_each(what);
    }
}

impl ConsulAgent for AgentsBehind {
    fn send(&self, mut call: ConsulCall) -> BoxFuture<'_, Result<ConsulAnswer, SourceFault>> {
        let turn = self.asked.fetch_add(1, Relaxed);
        if self.is_at_once
            && let Some((path, _)) = call.path.split_once("&index=")
        {
            call.path = path.to_owned();
        }
        self.all[turn % self.all.len()].send(call)
    }
}

impl SourceWorld for AgentsBehind {
    fn client(&self) -> Arc<dyn SourceClient> {
        self.client_of(proxy())
    }

    fn has(&self, replicas: &[IpAddr]) {
        self.each(|agent| agent.has(replicas));
    }

    fn is_away(&self, is_away: bool) {
        self.each(|agent| agent.is_away(is_away));
    }

    fn contradicts(&self, replicas: Option<&[IpAddr]>) {
        self.all[0].contradicts(replicas);
    }

    fn lag(&self) -> Duration {
        if self.is_at_once { followed::PAUSE_MAX } else { WAIT }
    }
}

fn client_at(agent: Box<dyn ConsulAgent>, replica: JoiningReplica) -> Arc<dyn SourceClient> {
    let settings = DiscoverySettings::default();
    Arc::new(ConsulClient { calls: ConsulCalls::new(&settings, replica), url: settings.consul_url, agent })
}

/// Whoever follows the role.
fn proxy() -> JoiningReplica {
    let address = (IpAddr::from([127, 0, 20, 1]), 8_080).into();
    JoiningReplica { role: "gws-proxy", node: "gws-proxy-1".to_owned(), instance: 0, address }
}
