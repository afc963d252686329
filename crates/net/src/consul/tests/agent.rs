//! A Consul agent in memory: the five calls with their indexes, blocking queries and TTL checks, in the time of the test's executor.

use std::collections::BTreeMap;
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

struct AgentState {
    services: BTreeMap<String, MemoryService>,
    is_away: bool,
    wrong: Option<Vec<IpAddr>>,
}

struct MemoryService {
    name: String,
    address: String,
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
        let state = AgentState { services: BTreeMap::new(), is_away: false, wrong: None };
        Self { state: Arc::new(Mutex::new(state)), changed: watch::Sender::new(10) }
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
        let settings = DiscoverySettings::default();
        let calls = ConsulCalls::new(&settings, replica);
        Arc::new(ConsulClient { url: settings.consul_url, calls, agent: Box::new(self.clone()) })
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
        let entry = |address: &str, instance: &str, status: &str| {
            let service = json!({"Address": address, "Meta": {"instance": instance}});
            json!({"Service": service, "Checks": [{"Status": status}]})
        };
        let state = self.state();
        if let Some(wrong) = &state.wrong {
            return wrong.iter().map(|address| entry(&address.to_string(), "0", "passing")).collect();
        }
        let of_name = state.services.values().filter(|service| service.name == name);
        of_name.map(|service| entry(&service.address, &service.instance, service.status())).collect()
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
            self.register(&body);
        } else if let Some(check) = rest("/v1/agent/check/update/") {
            status = self.update(&check, &body);
        } else if let Some(id) = rest("/v1/agent/service/deregister/") {
            let gone = self.change(|state| state.services.remove(&id));
            status = gone.map_or(StatusCode::NOT_FOUND, |_| StatusCode::OK);
        } else {
            status = StatusCode::NOT_FOUND;
        }
        let is_wrong = self.state().wrong.is_some();
        let index = if is_wrong { EARLIER } else { *self.changed.borrow() };
        Ok(ConsulAnswer { status, index, body: answer.to_string().into() })
    }
}

impl ConsulAgent for MemoryAgent {
    fn send(&self, call: ConsulCall) -> BoxFuture<'_, Result<ConsulAnswer, SourceFault>> {
        let within = call.within;
        let late = || SourceFault::Away("no answer".to_owned());
        Box::pin(async move { tokio::time::timeout(within, self.answer(call)).await.map_err(|_| late())? })
    }
}

impl SourceWorld for MemoryAgent {
    fn client(&self) -> Arc<dyn SourceClient> {
        let address = (IpAddr::from([127, 0, 20, 1]), 8_080).into();
        self.client_of(JoiningReplica { role: "gws-proxy", node: "gws-proxy-1".to_owned(), instance: 0, address })
    }

    fn has(&self, replicas: &[IpAddr]) {
        let service = |address: &IpAddr| MemoryService {
            name: format!("trunkline-{ROLE}"),
            address: address.to_string(),
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
}
