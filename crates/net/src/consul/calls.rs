//! The calls of Consul's HTTP API that are used, and what their answers say. No I/O.
//!
//! Source: Consul's API documentation, "Agent HTTP API" (services and checks), "Health HTTP API", "Blocking Queries".

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use runtime::discovery::{DiscoverySettings, JoiningReplica, ReplicaHealth, RoleAnswer, SourceFault};
use serde::{Deserialize, Serialize};

/// After this time without a renewal Consul takes a replica for failed, and others ask it no more. Three times as long as a replica waits
/// between two renewals (`runtime::discovery::announced::RENEW_EVERY`).
const TTL: Duration = Duration::from_secs(15);
/// After this time Consul forgets a failed replica, so that the list of services has no dead ones of last year.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// How long a blocking query waits for a change.
pub(super) const WAIT: Duration = Duration::from_secs(30);
/// The deadline of a call, connecting included.
pub(super) const CALL_WITHIN: Duration = Duration::from_secs(5);
/// That of a blocking query: Consul adds up to a sixteenth of the wait.
const BLOCKING_WITHIN: Duration = WAIT.saturating_add(Duration::from_secs(2)).saturating_add(CALL_WITHIN);
/// The longest text of a check, in bytes, and of what is repeated of an answer.
const TEXT_MAX: usize = 400;
/// Names of what is kept beside a service.
const INSTANCE: &str = "instance";
const NODE: &str = "node";

/// What Consul before 1.11 says of a check that it does not know: without access control, and with it.
const UNKNOWN_CHECK: [&str; 2] = ["does not have associated TTL", "Unknown check"];

/// A request to an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConsulCall {
    pub method: Method,
    /// With its query.
    pub path: String,
    /// JSON, or nothing.
    pub body: Bytes,
    /// The deadline of the answer.
    pub within: Duration,
}

/// Its answer.
#[derive(Clone, Debug)]
pub(super) struct ConsulAnswer {
    pub status: StatusCode,
    /// The header `X-Consul-Index`; 0 where there is none.
    pub index: u64,
    /// Whether access control has left something out: the header `X-Consul-Results-Filtered-By-ACLs`. Consul gives it to requests with a
    /// token alone.
    pub is_filtered: bool,
    pub body: Bytes,
}

/// Makes the calls of one replica.
#[derive(Clone, Debug)]
pub(super) struct ConsulCalls {
    prefix: String,
    datacenter: String,
    replica: JoiningReplica,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ServiceRegistration {
    #[serde(rename = "ID")]
    id: String,
    name: String,
    address: String,
    port: u16,
    meta: BTreeMap<&'static str, String>,
    check: TtlCheck,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TtlCheck {
    #[serde(rename = "CheckID")]
    check_id: String,
    name: &'static str,
    #[serde(rename = "TTL")]
    ttl: String,
    status: &'static str,
    notes: String,
    deregister_critical_service_after: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CheckUpdate {
    status: &'static str,
    output: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HealthEntry {
    service: HealthService,
    checks: Option<Vec<HealthCheck>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HealthService {
    address: String,
    /// Whatever somebody has registered: no port can make the whole answer unreadable.
    #[serde(default)]
    port: i64,
    meta: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HealthCheck {
    status: String,
}

impl ConsulCalls {
    pub fn new(settings: &DiscoverySettings, replica: JoiningReplica) -> Self {
        let (prefix, datacenter) = (settings.consul_prefix.clone(), settings.consul_datacenter.clone());
        Self { prefix, datacenter, replica }
    }

    /// Several instances may use one agent.
    fn service_id(&self) -> String {
        format!("{}{}-{}", self.prefix, self.replica.instance, self.replica.node)
    }

    fn check_id(&self) -> String {
        format!("service:{}", self.service_id())
    }

    /// Registers the replica, with its check. Whatever was registered by that name before is replaced.
    pub fn register(&self, health: &ReplicaHealth) -> ConsulCall {
        let JoiningReplica { role, node, instance, address } = &self.replica;
        let (status, notes) = told(health);
        let registration = ServiceRegistration {
            id: self.service_id(),
            name: format!("{}{role}", self.prefix),
            address: address.ip().to_string(),
            port: address.port(),
            meta: BTreeMap::from([(INSTANCE, instance.to_string()), (NODE, node.clone())]),
            check: TtlCheck {
                check_id: self.check_id(),
                name: "ready",
                ttl: seconds(TTL),
                status,
                notes,
                deregister_critical_service_after: seconds(FORGOTTEN_AFTER),
            },
        };
        put("/v1/agent/service/register?replace-existing-checks=true".to_owned(), json(&registration))
    }

    /// Renews the check.
    pub fn renew(&self, health: &ReplicaHealth) -> ConsulCall {
        let (status, output) = told(health);
        put(format!("/v1/agent/check/update/{}", self.check_id()), json(&CheckUpdate { status, output }))
    }

    /// Takes the replica out.
    pub fn deregister(&self) -> ConsulCall {
        put(format!("/v1/agent/service/deregister/{}", self.service_id()), Bytes::new())
    }

    /// Asks for the replicas of a role: at once, or when something has changed after that index. Any server may answer, also one without a
    /// leader: an answer that is a little old is better than none.
    pub fn replicas(&self, role: &str, after: Option<u64>) -> ConsulCall {
        let mut path = format!("/v1/health/service/{}{role}?stale", self.prefix);
        if !self.datacenter.is_empty() {
            path.push_str(&format!("&dc={}", self.datacenter));
        }
        let within = match after {
            Some(index) => {
                path.push_str(&format!("&index={index}&wait={}", seconds(WAIT)));
                BLOCKING_WITHIN
            }
            None => CALL_WITHIN,
        };
        ConsulCall { method: Method::GET, path, body: Bytes::new(), within }
    }

    /// The replicas of this instance that no check calls critical.
    pub fn read_replicas(&self, answer: &ConsulAnswer) -> Result<RoleAnswer, SourceFault> {
        taken(answer)?;
        let entries: Vec<HealthEntry> =
            serde_json::from_slice(&answer.body).map_err(|error| SourceFault::Shape(error.to_string()))?;
        let own = self.replica.instance.to_string();
        let is_ours = |entry: &&HealthEntry| {
            entry.service.meta.as_ref().and_then(|meta| meta.get(INSTANCE)).is_some_and(|instance| *instance == own)
        };
        let alive = entries.iter().filter(is_ours).filter(|entry| !is_critical(entry));
        let read: Vec<Option<SocketAddr>> = alive.map(address_of).collect();
        Ok(RoleAnswer {
            index: answer.index,
            unreadable: read.iter().filter(|address| address.is_none()).count(),
            replicas: read.into_iter().flatten().collect(),
            incomplete: answer.is_filtered.then(|| self.missing_rights()),
        })
    }

    /// What a person has to do where access control leaves replicas out.
    fn missing_rights(&self) -> String {
        format!(
            "Consul's access control (ACLs) has left something out of the answer: give the token of discovery.consul_token or \
             consul_token_file service:read for service_prefix \"{}\" and node:read for every node",
            self.prefix
        )
    }
}

fn is_critical(entry: &HealthEntry) -> bool {
    entry.checks.iter().flatten().any(|check| check.status == "critical")
}

/// The address; none if it is a name or has no port, as no replica registers it.
fn address_of(entry: &HealthEntry) -> Option<SocketAddr> {
    let address: IpAddr = entry.service.address.parse().ok()?;
    let port = u16::try_from(entry.service.port).ok().filter(|port| *port > 0)?;
    Some(SocketAddr::new(address, port))
}

/// A replica that waits for something is there all the same: `warning`.
fn told(health: &ReplicaHealth) -> (&'static str, String) {
    match health {
        ReplicaHealth::Ready => ("passing", String::new()),
        ReplicaHealth::Waiting(why) => ("warning", line(why)),
    }
}

/// The registration was taken.
pub(super) fn taken(answer: &ConsulAnswer) -> Result<(), SourceFault> {
    if answer.status.is_success() {
        return Ok(());
    }
    let said = format!("{}: {}", answer.status.as_u16(), line(&String::from_utf8_lossy(&answer.body)));
    Err(match answer.status {
        StatusCode::TOO_MANY_REQUESTS => SourceFault::Away(said),
        status if status.is_server_error() => SourceFault::Away(said),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            SourceFault::Refused(format!("{said} (see discovery.consul_token and its policy)"))
        }
        _ => SourceFault::Refused(said),
    })
}

/// The check was renewed. 404 says that the agent does not know it: it has lost its data, somebody has taken the service out, or it is
/// another agent. Consul before 1.11 says so by 500 and words.
pub(super) fn renewed(answer: &ConsulAnswer) -> Result<(), SourceFault> {
    let says = |words: &str| answer.body.windows(words.len()).any(|part| part == words.as_bytes());
    let is_unknown = match answer.status {
        StatusCode::NOT_FOUND => true,
        StatusCode::INTERNAL_SERVER_ERROR => UNKNOWN_CHECK.iter().any(|words| says(words)),
        _ => false,
    };
    if is_unknown { Err(SourceFault::Unknown) } else { taken(answer) }
}

/// The service was taken out, or was not there.
pub(super) fn withdrawn(answer: &ConsulAnswer) -> Result<(), SourceFault> {
    if answer.status == StatusCode::NOT_FOUND { Ok(()) } else { taken(answer) }
}

fn put(path: String, body: Bytes) -> ConsulCall {
    ConsulCall { method: Method::PUT, path, body, within: CALL_WITHIN }
}

fn json<T: Serialize>(body: &T) -> Bytes {
    // Text and numbers alone: it cannot fail.
    serde_json::to_vec(body).map(Bytes::from).unwrap_or_default()
}

fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}

/// One line of text, not too long.
fn line(text: &str) -> String {
    let mut line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    line.truncate(line.floor_char_boundary(TEXT_MAX));
    line
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn calls(datacenter: &str) -> ConsulCalls {
        let settings = DiscoverySettings { consul_datacenter: datacenter.to_owned(), ..DiscoverySettings::default() };
        let address = "127.5.27.2:8080".parse().unwrap();
        ConsulCalls::new(
            &settings,
            JoiningReplica { role: "gws-workspace", node: "gws-workspace-2".to_owned(), instance: 5, address },
        )
    }

    fn answer(status: u16, index: u64, body: &Value) -> ConsulAnswer {
        let (status, body) = (StatusCode::from_u16(status).unwrap(), body.to_string().into());
        ConsulAnswer { status, index, is_filtered: false, body }
    }

    #[test]
    fn a_replica_registers_with_a_check_that_it_renews() {
        let call = calls("").register(&ReplicaHealth::Waiting("config: not\nyet".to_owned()));
        assert_eq!((call.method, call.within), (Method::PUT, CALL_WITHIN));
        assert_eq!(call.path, "/v1/agent/service/register?replace-existing-checks=true");
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let check = json!({
            "CheckID": "service:trunkline-5-gws-workspace-2", "Name": "ready", "TTL": "15s", "Status": "warning",
            "Notes": "config: not yet", "DeregisterCriticalServiceAfter": "600s",
        });
        let due = json!({
            "ID": "trunkline-5-gws-workspace-2", "Name": "trunkline-gws-workspace", "Address": "127.5.27.2", "Port": 8_080,
            "Meta": {"instance": "5", "node": "gws-workspace-2"}, "Check": check,
        });
        assert_eq!(body, due);
        let call = calls("").renew(&ReplicaHealth::Ready);
        assert_eq!(call.path, "/v1/agent/check/update/service:trunkline-5-gws-workspace-2");
        assert_eq!(serde_json::from_slice::<Value>(&call.body).unwrap(), json!({"Status": "passing", "Output": ""}));
        assert_eq!(calls("").deregister().path, "/v1/agent/service/deregister/trunkline-5-gws-workspace-2");
    }

    #[test]
    fn a_query_blocks_only_after_an_answer_and_has_a_longer_deadline_then() {
        let first = calls("").replicas("gws-voice", None);
        assert_eq!((first.path.as_str(), first.within), ("/v1/health/service/trunkline-gws-voice?stale", CALL_WITHIN));
        let next = calls("dc-2").replicas("gws-voice", Some(17));
        assert_eq!(next.path, "/v1/health/service/trunkline-gws-voice?stale&dc=dc-2&index=17&wait=30s");
        assert!(next.within > WAIT + WAIT / 16);
    }

    #[test]
    fn those_that_are_critical_of_another_instance_or_without_an_address_are_left_out() {
        let entry = |address: &str, instance: &str, status: &str| {
            json!({
                "Node": {"Address": "192.0.2.1"},
                "Service": {"Address": address, "Port": 8_080, "Meta": {"instance": instance}},
                "Checks": [{"Status": "passing"}, {"Status": status}],
            })
        };
        let bare = json!({"Service": {"Address": "127.5.24.9", "Meta": null}, "Checks": null});
        let with_port =
            |port: i64| json!({"Service": {"Address": "127.5.24.4", "Port": port, "Meta": {"instance": "5"}}});
        let body = json!([
            entry("127.5.24.1", "5", "passing"),
            entry("127.5.24.2", "5", "warning"),
            entry("127.5.24.3", "5", "critical"),
            entry("127.6.24.1", "6", "passing"),
            entry("a-name", "5", "passing"),
            entry("", "5", "passing"),
            with_port(0),
            with_port(-1),
            with_port(70_000),
            bare,
        ]);
        let read = calls("").read_replicas(&answer(200, 9, &body)).unwrap();
        let due: [SocketAddr; 2] = ["127.5.24.1:8080", "127.5.24.2:8080"].map(|address| address.parse().unwrap());
        assert_eq!(read, RoleAnswer { index: 9, replicas: due.to_vec(), unreadable: 5, incomplete: None });
    }

    #[test]
    fn an_answer_of_which_access_control_has_left_something_out_says_what_to_do() {
        let filtered = ConsulAnswer { is_filtered: true, ..answer(200, 9, &json!([])) };
        let read = calls("").read_replicas(&filtered).unwrap();
        let why = read.incomplete.unwrap();
        assert!(why.contains("service:read for service_prefix \"trunkline-\"") && why.contains("node:read"), "{why}");
        assert!(why.contains("discovery.consul_token") && read.replicas.is_empty(), "{why}");
    }

    #[test]
    fn a_refusal_says_why_and_who_is_to_see_to_it() {
        let of = |status: u16| calls("").read_replicas(&answer(status, 0, &json!("Permission denied"))).unwrap_err();
        assert!(matches!(of(403), SourceFault::Refused(why) if why.contains("403") && why.contains("consul_token")));
        assert!(matches!(of(500), SourceFault::Away(why) if why.contains("Permission denied")));
        assert!(matches!(of(429), SourceFault::Away(_)));
        assert!(matches!(of(400), SourceFault::Refused(_)));
        assert!(matches!(of(200), SourceFault::Shape(_)));
        let unknown = answer(404, 0, &json!("Unknown check ID"));
        assert_eq!(renewed(&unknown), Err(SourceFault::Unknown));
        for older in ["CheckID \"service:x\" does not have associated TTL", "Unknown check \"service:x\""] {
            assert_eq!(renewed(&answer(500, 0, &json!(older))), Err(SourceFault::Unknown));
        }
        assert!(matches!(renewed(&answer(500, 0, &json!("No cluster leader"))), Err(SourceFault::Away(_))));
        assert_eq!((withdrawn(&unknown), taken(&answer(200, 0, &json!("")))), (Ok(()), Ok(())));
        assert!(line(&"\u{e4}".repeat(900)).len() <= TEXT_MAX);
    }
}
