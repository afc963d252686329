//! The facts of a tenant: from port 8000, from the reporting log, and the laws for both.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use contracts::v1;
use contracts::v1::delivery::What;
use contracts::v1::events_client::EventsClient;
use serde_json::Value;
use tokio::runtime::Runtime;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;

use crate::{Installation, wait};

const CONNECT_LIMIT: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(45);

/// A fact with its position in the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// Its position on port 8000; empty in the reporting log.
    pub position: String,
    /// Its identity: subject, token and number.
    pub id: String,
    /// Its name, such as `EventRinging`.
    pub name: String,
    /// The event frame.
    pub frame: Value,
}

impl Fact {
    /// From a CloudEvent of port 8000 or of the reporting log.
    pub fn of_cloud_event(position: String, event: &Value) -> Result<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned).with_context(|| format!("in {event}"));
        Ok(Self { position, id: text(&event["id"])?, name: text(&event["type"])?, frame: event["data"].clone() })
    }

    /// An attribute as text; empty if it is absent.
    pub fn text(&self, attribute: &str) -> &str {
        self.frame[attribute].as_str().unwrap_or_default()
    }

    /// The DN that it is for.
    pub fn dn(&self) -> &str {
        self.text("ThisDN")
    }

    /// Its short form: `Ringing@7101`, or `CallCreated` without a DN.
    pub fn brief(&self) -> String {
        let name = self.name.trim_start_matches("Event");
        if self.dn().is_empty() { name.to_owned() } else { format!("{name}@{}", self.dn()) }
    }
}

/// A runtime for a gRPC client.
pub fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

/// An address of the tenant role.
pub fn tenant_role(site: &Installation, port: u16) -> SocketAddr {
    (Ipv4Addr::new(127, site.demo.instance, 16, 1), port).into()
}

/// Connects to this address.
pub async fn connect(place: SocketAddr) -> Result<Channel> {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{place}"))?.connect_timeout(CONNECT_LIMIT);
    Ok(endpoint.connect().await?)
}

/// A request with a token.
pub fn bearing<T>(message: T, token: &str) -> Result<tonic::Request<T>> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("authorization", MetadataValue::try_from(format!("Bearer {token}"))?);
    Ok(request)
}

/// A subscription on port 8000 that records the facts; it ends when dropped.
pub struct Watch {
    told: Arc<Mutex<Told>>,
    _runtime: Runtime,
}

#[derive(Default)]
struct Told {
    snapshot: Option<v1::Snapshot>,
    facts: Vec<Fact>,
    position: String,
    ended: Option<String>,
}

impl Watch {
    /// Subscribes as the operator after a position; if that is empty, with a snapshot. Waits until the subscription is active.
    pub fn start(site: &Installation, after: &str) -> Result<Self> {
        Self::of(site, ("tenant", 1), v1::SubscribeRequest { after: after.to_owned(), ..Default::default() })
    }

    /// The same at a replica of a role, with this request.
    pub fn of(site: &Installation, (role, replica): (&str, u8), request: v1::SubscribeRequest) -> Result<Self> {
        let token = site.demo.tokens.get("operator").context("no operator's token")?;
        let request = bearing(request, token)?;
        let runtime = runtime()?;
        let place = SocketAddr::new(site.admin_of(role, replica)?.ip(), 8_000);
        let mut deliveries = runtime.block_on(async {
            let answer = EventsClient::new(connect(place).await?).subscribe(request).await?;
            anyhow::Ok(answer.into_inner())
        })?;
        let told: Arc<Mutex<Told>> = Arc::default();
        let notes = Arc::clone(&told);
        runtime.spawn(async move {
            let ended = loop {
                let noted = match deliveries.message().await {
                    Ok(Some(delivery)) => note(&notes, delivery),
                    Ok(None) => break "it ended".to_owned(),
                    Err(status) => break status.to_string(),
                };
                if let Err(error) = noted {
                    break format!("{error:#}");
                }
            };
            notes.lock().unwrap_or_else(PoisonError::into_inner).ended = Some(ended);
        });
        Ok(Self { told, _runtime: runtime })
    }

    /// The facts received so far, in order.
    pub fn facts(&self) -> Vec<Fact> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).facts.clone()
    }

    /// Those behind the first `count`.
    pub fn facts_from(&self, count: usize) -> Vec<Fact> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.facts.get(count..).map(<[Fact]>::to_vec).unwrap_or_default()
    }

    /// Whether the subscription is over.
    pub fn has_ended(&self) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).ended.is_some()
    }

    /// Why the subscription is over, if it is.
    pub fn ended(&self) -> Option<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).ended.clone()
    }

    /// The position of the last delivery, of whatever kind.
    pub fn position(&self) -> String {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).position.clone()
    }

    /// The first snapshot, once it has arrived.
    pub fn snapshot(&self) -> Result<v1::Snapshot> {
        wait::until(SOON, || Ok(self.told.lock().unwrap_or_else(PoisonError::into_inner).snapshot.clone()))
    }

    /// Waits for a fact in its short form, such as `Ringing@7101`; returns the first.
    pub fn wait_for(&self, brief: &str, limit: Duration) -> Result<Fact> {
        self.wait_for_count(brief, 1, limit)
    }

    /// Waits until it has arrived `count` times; returns the last.
    pub fn wait_for_count(&self, brief: &str, count: usize, limit: Duration) -> Result<Fact> {
        let come = wait::until(limit, || {
            if let Some(ended) = &self.told.lock().unwrap_or_else(PoisonError::into_inner).ended {
                bail!("the subscription is over: {ended}");
            }
            Ok(self.facts().into_iter().filter(|fact| fact.brief() == brief).nth(count - 1))
        });
        come.with_context(|| format!("no {brief} ({count}); told: {:?}", briefs(&self.facts())))
    }

    /// Waits for the answer to a request; returns the answering fact.
    pub fn answer_to(&self, reference: u64, limit: Duration) -> Result<Fact> {
        let come = wait::until(limit, || Ok(self.facts().into_iter().find(|f| f.frame["ReferenceID"] == reference)));
        come.with_context(|| format!("no answer to {reference}; told: {:?}", briefs(&self.facts())))
    }
}

fn note(notes: &Mutex<Told>, delivery: v1::Delivery) -> Result<()> {
    let mut told = notes.lock().unwrap_or_else(PoisonError::into_inner);
    match delivery.what.context("an empty delivery")? {
        What::Snapshot(snapshot) => {
            ensure!(told.snapshot.is_none() && told.facts.is_empty(), "a snapshot that does not come first");
            told.position.clone_from(&snapshot.position);
            told.snapshot = Some(snapshot);
        }
        What::Event(event) => {
            let stamped = contracts::wire::stamped_from_wire(event.envelope.context("an event without envelope")?)?;
            told.position.clone_from(&event.position);
            told.facts.push(Fact::of_cloud_event(event.position, &contracts::json::cloud_event(&stamped))?);
        }
        What::Reached(position) => told.position = position,
    }
    Ok(())
}

/// The short forms of all facts.
pub fn briefs(facts: &[Fact]) -> Vec<String> {
    facts.iter().map(Fact::brief).collect()
}

/// The facts of one topic of the reporting log, in its order, without summaries of call threads and without an
/// exporter's repeats after a crash.
pub fn logged(site: &Installation, topic: &str) -> Result<Vec<Fact>> {
    let mut days: Vec<PathBuf> = match std::fs::read_dir(site.data_dir().join("reporting").join(topic)) {
        Ok(files) => files.flatten().map(|file| file.path()).collect(),
        Err(_) => return Ok(Vec::new()),
    };
    days.sort();
    let (mut facts, mut seen) = (Vec::new(), HashSet::new());
    for day in days {
        let text = std::fs::read_to_string(&day)?;
        // The last line may be on its way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            let event: Value = serde_json::from_str(line).with_context(|| format!("{} has {line}", day.display()))?;
            ensure!(event["specversion"] == "1.0" && event["source"] == "/tenants/example", "{event}");
            if event["type"] == "CallThread" || event["type"] == "CallDetail" {
                continue;
            }
            let fact = Fact::of_cloud_event(String::new(), &event)?;
            if seen.insert(fact.id.clone()) {
                facts.push(fact);
            }
        }
    }
    Ok(facts)
}

/// Waits until the reporting log has the facts of port 8000, and checks both: the same facts in the same order by
/// topic, and every law. With servers as stores the log is Kafka, which has its own tests: only the laws are checked.
pub fn check_log_and_laws(site: &Installation, told: &[Fact]) -> Result<()> {
    let topics: &[&str] = if site.is_on_servers() { &[] } else { &["voice-callthread", "voice-agentstate"] };
    for topic in topics.iter().copied() {
        let of_agents = topic == "voice-agentstate";
        let is_copied = |fact: &Fact| fact.name.starts_with("EventMute") || fact.name.starts_with("EventListen");
        let here = |fact: &&Fact| {
            let is_of_agents = fact.id.starts_with("agent:") || fact.id.starts_with("dn:");
            is_of_agents == of_agents || of_agents && is_copied(fact)
        };
        let wanted: Vec<&str> = told.iter().filter(here).map(|fact| fact.id.as_str()).collect();
        let kept = wait::until(SOON, || {
            let kept = logged(site, topic)?;
            Ok((kept.len() >= wanted.len()).then_some(kept))
        });
        let kept = kept.with_context(|| {
            format!("{topic} lacks facts: it has {}", briefs(&logged(site, topic).unwrap_or_default()).len())
        })?;
        let kept_ids: Vec<&str> = kept.iter().map(|fact| fact.id.as_str()).take(wanted.len()).collect();
        ensure!(kept_ids == wanted, "{topic} has {kept_ids:?}, told was {wanted:?}");
        for (kept, told) in kept.iter().zip(told.iter().filter(here)) {
            // A subscriber sees the references of its own requests only.
            let mut shown = kept.frame.clone();
            if shown["Requester"] != "operator/demo" {
                shown["ReferenceID"] = Value::from(0);
            }
            ensure!(shown == told.frame, "{shown} was told as {}", told.frame);
        }
    }
    let broken = broken_laws(told);
    ensure!(broken.is_empty(), "{broken:#?}\nin {:#?}", briefs(told));
    Ok(())
}

/// [`check_log_and_laws`] of what a subscription has been told, once every call is told to its end: the last facts may come when the
/// installation is at rest already. A law that is broken stays broken, and is said.
pub fn check_to_the_end(site: &Installation, watch: &Watch) -> Result<()> {
    let _ = wait::until(SOON, || Ok(broken_laws(&watch.facts()).is_empty().then_some(())));
    check_log_and_laws(site, &watch.facts())
}

/// The violated laws of facts (after every call is over), one line each.
pub fn broken_laws(facts: &[Fact]) -> Vec<String> {
    let mut broken = identities(facts);
    broken.extend(positions(facts));
    broken.extend(parties(facts));
    broken.extend(data(facts));
    broken
}

/// Numbers are gapless from 1 within subject and token, tokens only grow, identities are unique, and times never go
/// back within a call.
fn identities(facts: &[Fact]) -> Vec<String> {
    let mut broken = Vec::new();
    let (mut last, mut times) = (HashMap::new(), HashMap::new());
    for fact in facts {
        let number = |key: &str| fact.frame[key].as_u64().unwrap_or_default();
        let (subject, token, seq) = (fact.text("subject"), number("token"), number("seq"));
        if fact.id != format!("{subject}:{token}:{seq}") {
            broken.push(format!("{} is not the identity of {subject} {token} {seq}", fact.id));
        }
        let (last_token, last_seq) = last.insert(subject, (token, seq)).unwrap_or((token, 0));
        let follows = if token == last_token { seq == last_seq + 1 } else { token > last_token && seq == 1 };
        if !follows {
            broken.push(format!("{} follows {subject}:{last_token}:{last_seq}", fact.id));
        }
        let time = (fact.frame["time"]["s"].as_u64(), fact.frame["time"]["us"].as_u64());
        let earlier = times.insert(subject, time).is_some_and(|before| before > time);
        if earlier && subject.starts_with("call:") {
            broken.push(format!("{} is earlier than the fact before it", fact.id));
        }
    }
    broken
}

/// Positions increase.
fn positions(facts: &[Fact]) -> Vec<String> {
    let parsed = |fact: &Fact| {
        let (major, minor) = fact.position.split_once('-')?;
        Some((major.parse::<u64>().ok()?, minor.parse::<u64>().ok()?))
    };
    let pairs = facts.windows(2).filter(|pair| parsed(&pair[0]) >= parsed(&pair[1]) && !pair[0].position.is_empty());
    pairs.map(|pair| format!("{} stands before {}", pair[0].position, pair[1].position)).collect()
}

/// Each state entered is left once: queues by `Diverted` or `Abandoned`, ringing by an answer or a release, a
/// connection by a release. A call starts and ends once, and no fact of it follows its end.
fn parties(facts: &[Fact]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut open: BTreeMap<(String, String), &'static str> = BTreeMap::new();
    let (mut created, mut deleted) = (HashSet::new(), HashSet::new());
    let of_calls = facts.iter().filter(|f| !f.text("ConnID").is_empty() && !f.id.starts_with("agent:"));
    for fact in of_calls {
        let call = fact.text("ConnID").to_owned();
        let key = (call.clone(), fact.dn().to_owned());
        let at = format!("{} ({})", fact.brief(), fact.id);
        let known = match fact.name.as_str() {
            "EventCallCreated" => Some(&mut created),
            "EventCallDeleted" => Some(&mut deleted),
            _ => None,
        };
        if let Some(known) = known {
            if !known.insert(call) {
                broken.push(format!("{at} again"));
            }
            continue;
        }
        // A party that the call does not have yet has come from the previous call.
        if fact.name == "EventPartyChanged" && !open.contains_key(&key) {
            let before = open.remove(&(fact.text("PreviousConnID").to_owned(), key.1.clone()));
            match before {
                Some(state) => drop(open.insert(key, state)),
                None => broken.push(format!("{at} of nobody")),
            }
            continue;
        }
        // Who takes a party into a call comes back to it without a fact of its own.
        if fact.name == "EventPartyAdded" && fact.text("ThirdPartyDN") == fact.dn() {
            open.insert(key, "connected");
            continue;
        }
        let Some((wanted, after)) = step(&fact.name) else { continue };
        let before = open.get(&key).copied();
        if !wanted.contains(&before) {
            broken.push(format!("{at} although {before:?}"));
        }
        let is_queue_of_routing = fact.id.starts_with("queue:");
        if deleted.contains(&key.0) && !is_queue_of_routing {
            broken.push(format!("{at} after the end of its call"));
        }
        match after {
            After::Is(state) => drop(open.insert(key, state)),
            After::Left => drop(open.remove(&key)),
            After::Same => {}
        }
    }
    broken.extend(open.iter().map(|((call, dn), state)| format!("{dn} is left {state} in call {call}")));
    broken.extend(created.difference(&deleted).map(|call| format!("call {call} has no end")));
    broken.extend(deleted.difference(&created).map(|call| format!("call {call} has no beginning")));
    broken
}

/// The state of a party after an event.
enum After {
    Is(&'static str),
    Left,
    Same,
}

/// The states of a party in which an event may occur, and the state after it; `None` for events that do not concern its state.
fn step(event: &str) -> Option<(&'static [Option<&'static str>], After)> {
    Some(match event {
        // A route point dials where a predictive call is made for it.
        "EventQueued" => (&[None, Some("dialing")], After::Is("queued")),
        "EventRouteRequest" | "EventRouteUsed" => (&[Some("queued")], After::Same),
        "EventTreatmentApplied" | "EventTreatmentEnd" => (&[Some("queued"), Some("connected")], After::Same),
        "EventDigitsCollected" => (&[Some("connected")], After::Same),
        "EventDiverted" => (&[Some("queued")], After::Left),
        "EventDialing" => (&[None], After::Is("dialing")),
        "EventRinging" => (&[None], After::Is("ringing")),
        "EventEstablished" => (&[Some("ringing"), Some("dialing")], After::Is("connected")),
        "EventHeld" => (&[Some("connected")], After::Is("held")),
        "EventRetrieved" => (&[Some("held")], After::Is("connected")),
        "EventAbandoned" => (&[Some("queued"), Some("ringing")], After::Left),
        "EventReleased" => (&[Some("ringing"), Some("dialing"), Some("connected"), Some("held")], After::Left),
        _ => return None,
    })
}

/// A change of data has all the data; names and states are the published ones; a DN has its role.
fn data(facts: &[Fact]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut known: HashMap<&str, &Value> = HashMap::new();
    for fact in facts {
        let call = fact.text("ConnID");
        if fact.id.starts_with("call:") {
            if fact.name == "EventAttachedDataChanged" {
                known.insert(call, &fact.frame["UserData"]);
            } else if known.get(call).is_some_and(|data| **data != fact.frame["UserData"]) {
                broken.push(format!("{} carries other data than its call has", fact.id));
            }
            for attribute in ["ConnID", "CallUUID", "CallThreadID", "CallType"] {
                if fact.text(attribute).is_empty() {
                    broken.push(format!("{} has no {attribute}", fact.id));
                }
            }
            let is_answer = matches!(fact.name.as_str(), "EventError" | "EventACK" | "EventPartyInfo");
            let of_a_party = !fact.dn().is_empty() && !is_answer;
            if of_a_party && (fact.text("ThisDNRole").is_empty() || fact.text("CallState").is_empty()) {
                broken.push(format!("{} has no ThisDNRole or no CallState", fact.id));
            }
        }
        if fact.name == "EventRouteRequest" && fact.text("ThisQueue") != fact.dn() {
            broken.push(format!("{} is not for its own queue", fact.id));
        }
        if fact.name == "EventError"
            && (fact.frame["ErrorCode"].as_u64().is_none() || fact.text("ErrorMessage").is_empty())
        {
            broken.push(format!("{} says nothing", fact.id));
        }
    }
    broken
}

#[cfg(test)]
mod tests;
