//! The published boards: the present state, and changes for the listeners.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use model::TenantId;
use net::grpc::{Permit, Streams};
use runtime::Problem;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};

use super::metrics::Metrics;
use super::rows::{AgentRow, Change, Head, QueueRow, Reached, Snapshot, difference};

/// The most wallboards connected at once, of all tenants.
const SUBSCRIBERS_MAX: usize = 2_000;
/// The most wallboards of one tenant, so that it leaves room for others: a screen for each supervisor of a large tenant.
const SUBSCRIBERS_OF_TENANT_MAX: usize = 500;
/// The most messages that wait for a slow wallboard: 12 s at the highest rate. A slower wallboard is disconnected and reconnects.
const BEHIND_MAX: usize = 256;
/// The most changes kept for wallboards that reconnect.
const KEPT_MAX: usize = 256;

/// A message of the stream, serialised once for all listeners.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) bytes: Bytes,
}

/// All boards.
#[derive(Clone)]
pub(super) struct Boards {
    boards: Arc<Mutex<HashMap<TenantId, Board>>>,
    permits: Arc<Semaphore>,
    pub(super) metrics: Metrics,
}

/// One tenant's board. Cheap to clone.
#[derive(Clone)]
pub(super) struct Board {
    shown: Arc<Mutex<Shown>>,
    messages: broadcast::Sender<Message>,
    permits: Arc<Semaphore>,
    /// By the subjects of their tokens, each of which may have as many as streams of events.
    of_callers: Streams,
    /// Whether it has ever reached the present.
    present: Arc<watch::Sender<bool>>,
    metrics: Metrics,
}

#[derive(Default)]
struct Shown {
    tenant: String,
    name: String,
    head: Head,
    queues: BTreeMap<String, QueueRow>,
    agents: BTreeMap<String, AgentRow>,
    /// The position of the first state. Listeners of an earlier run of the role may have the same, but not what this run has shown since.
    first_position: Option<String>,
    kept: VecDeque<(String, Message)>,
}

/// The start of a new listener.
pub(super) struct Subscription {
    /// The first messages.
    pub(super) first: Vec<Message>,
    pub(super) messages: broadcast::Receiver<Message>,
    pub(super) permits: SubscriberPermits,
}

/// The permits of a listener; dropping them returns them.
pub(super) struct SubscriberPermits {
    _of_caller: Permit,
    /// One of the tenant and one of all tenants.
    _of_all: [OwnedSemaphorePermit; 2],
}

impl Boards {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { boards: Arc::default(), permits: Arc::new(Semaphore::new(SUBSCRIBERS_MAX)), metrics }
    }

    /// The board of a tenant, created if missing.
    pub(super) fn of(&self, tenant: &TenantId) -> Board {
        let mut boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Board {
            shown: Arc::new(Mutex::new(Shown { tenant: tenant.to_string(), ..Shown::default() })),
            messages: broadcast::channel(BEHIND_MAX).0,
            permits: Arc::new(Semaphore::new(SUBSCRIBERS_OF_TENANT_MAX)),
            of_callers: Streams::with_max(SUBSCRIBERS_OF_TENANT_MAX),
            present: Arc::new(watch::Sender::new(false)),
            metrics: self.metrics.clone(),
        };
        boards.entry(tenant.clone()).or_insert_with(fresh).clone()
    }

    /// The board of a tenant, if it exists.
    pub(super) fn find(&self, tenant: &TenantId) -> Option<Board> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned()
    }

    /// Forgets a tenant.
    pub(super) fn forget(&self, tenant: &TenantId) {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }

    /// Subscribes a caller to a board, by the subject of its token, from the message after the id `last` if that is still kept.
    pub(super) fn listen(&self, board: &Board, subject: &str, last: Option<&str>) -> Result<Subscription, Problem> {
        let permit = |of: &Arc<Semaphore>, max: usize| {
            of.clone().try_acquire_owned().map_err(|_| {
                self.metrics.subscriber_refused();
                Problem::unavailable(format!("{max} wallboards listen already"))
            })
        };
        let of_all = [permit(&board.permits, SUBSCRIBERS_OF_TENANT_MAX)?, permit(&self.permits, SUBSCRIBERS_MAX)?];
        // Those of the tenant are not used up: what is refused here is too much of the caller.
        let of_caller = board.of_callers.open(None, subject).map_err(|full| {
            self.metrics.subscriber_refused();
            Problem::too_many(full.message())
        })?;
        let permits = SubscriberPermits { _of_caller: of_caller, _of_all: of_all };
        // Under the lock, so that no change is lost between the state and the first message.
        let shown = board.shown();
        let messages = board.messages.subscribe();
        let kept = last.and_then(|last| {
            let after = shown.kept.iter().position(|(id, _)| id == last)? + 1;
            Some(shown.kept.iter().skip(after).map(|(_, message)| message.clone()).collect())
        });
        let first = kept.unwrap_or_else(|| vec![message("snapshot", Some(&shown.head.position), &shown.snapshot())]);
        Ok(Subscription { first, messages, permits })
    }
}

impl Board {
    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has ever reached the present.
    pub(super) fn present(&self) -> watch::Receiver<bool> {
        self.present.subscribe()
    }

    /// The board as JSON.
    pub(super) fn snapshot(&self) -> Vec<u8> {
        let shown = self.shown();
        // Structs of texts and numbers always serialise.
        serde_json::to_vec(&shown.snapshot()).unwrap_or_default()
    }

    /// Publishes a new state with its differences.
    pub(super) fn show(
        &self,
        name: &str,
        head: Head,
        queues: &BTreeMap<String, QueueRow>,
        agents: &BTreeMap<String, AgentRow>,
    ) {
        let mut shown = self.shown();
        let shown = &mut *shown;
        let (changed_queues, changed_agents) = (difference(&shown.queues, queues), difference(&shown.agents, agents));
        let same_rows = changed_queues.is_empty() && changed_agents.is_empty();
        let same_head =
            Head { at: head.at, position: head.position.clone(), event_at: head.event_at, ..shown.head.clone() }
                == head;
        let renamed = shown.name != name;
        let (told_queues, told_agents) = (changed_queues.len(), changed_agents.len());
        if !(same_rows && same_head) {
            let change = Change { head: &head, queues: changed_queues, agents: changed_agents };
            let message = message("change", Some(&head.position), &change);
            let first = shown.first_position.get_or_insert_with(|| head.position.clone());
            if *first != head.position {
                shown.kept.push_back((head.position.clone(), message.clone()));
            }
            if shown.kept.len() > KEPT_MAX {
                shown.kept.pop_front();
            }
            self.metrics.published();
            // An error means that there are no listeners.
            let _ = self.messages.send(message);
        }
        if told_queues > 0 {
            shown.queues.clone_from(queues);
        }
        if told_agents > 0 {
            shown.agents.clone_from(agents);
        }
        if renamed {
            name.clone_into(&mut shown.name);
        }
        shown.head = head;
        if renamed && *self.present.borrow() {
            // Only the snapshot contains the name.
            shown.kept.clear();
            let _ = self.messages.send(message("snapshot", Some(&shown.head.position), &shown.snapshot()));
        }
        self.present.send_replace(true);
    }

    /// Publishes that nothing has changed up to `at`.
    pub(super) fn reached(&self, at: u64) {
        self.shown().head.at = at;
        let _ = self.messages.send(message("reached", None, &Reached { at }));
    }
}

impl Shown {
    fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            tenant: &self.tenant,
            name: &self.name,
            head: &self.head,
            queues: self.queues.values().collect(),
            agents: self.agents.values().collect(),
        }
    }
}

/// Formats an event of the stream (WHATWG HTML, section 9.2): JSON has no line breaks.
fn message(event: &str, id: Option<&str>, data: &impl Serialize) -> Message {
    let mut text = String::new();
    if let Some(id) = id {
        text.push_str(&format!("id: {id}\n"));
    }
    text.push_str(&format!("event: {event}\ndata: "));
    text.push_str(&serde_json::to_string(data).unwrap_or_default());
    text.push_str("\n\n");
    Message { bytes: text.into() }
}

#[cfg(test)]
mod tests {
    use net::grpc::STREAMS_OF_CALLER_MAX;

    use super::*;

    #[test]
    fn who_comes_from_an_earlier_run_with_the_first_position_gets_a_snapshot() {
        let boards = Boards::new(Metrics::register(&runtime::Metrics::default()));
        let board = boards.of(&TenantId::parse("acme").unwrap());
        let show = |position: &str, at: u64| {
            let head = Head { position: position.to_owned(), at, counts_since: at, ..Head::default() };
            board.show("Acme", head, &BTreeMap::new(), &BTreeMap::new());
        };
        let first_of = |last: &str| {
            let subscription = boards.listen(&board, "person/ann", Some(last)).unwrap();
            subscription.first.iter().map(|m| String::from_utf8_lossy(&m.bytes).into_owned()).collect::<Vec<_>>()
        };
        show("7-0", 1);
        // A timer changes the state, no fact does.
        show("7-0", 2);
        assert!(first_of("7-0")[0].contains("event: snapshot"), "{:?}", first_of("7-0"));
        show("8-0", 3);
        show("9-0", 4);
        assert!(first_of("7-0")[0].contains("event: snapshot"));
        let after = first_of("8-0");
        assert!(after.len() == 1 && after[0].contains("id: 9-0\nevent: change"), "{after:?}");
    }

    #[test]
    fn the_wallboards_of_one_tenant_take_none_from_another() {
        let boards = Boards::new(Metrics::register(&runtime::Metrics::default()));
        let board = |tenant: &str| boards.of(&TenantId::parse(tenant).unwrap());
        let (greedy, honest) = (board("greedy"), board("honest"));
        let listen = |board: &Board| boards.listen(board, "person/ann", None);
        let of_others = |n: usize| boards.listen(&greedy, &format!("person/{n}"), None).map_err(|p| p.to_string());
        let held: Vec<_> = (0..SUBSCRIBERS_OF_TENANT_MAX).map(of_others).collect();
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(listen(&greedy).err().map(|refused| refused.status), Some(503));
        assert!(listen(&honest).is_ok());
        drop(held);
        assert!(listen(&greedy).is_ok());
    }

    #[test]
    fn the_wallboards_of_one_caller_take_none_from_another() {
        let boards = Boards::new(Metrics::register(&runtime::Metrics::default()));
        let board = boards.of(&TenantId::parse("acme").unwrap());
        let listen = |subject: &str| boards.listen(&board, subject, None).map_err(|refused| refused.status);
        let mut held: Vec<_> = (0..STREAMS_OF_CALLER_MAX).map(|_| listen("wallboard/hall").unwrap()).collect();
        assert_eq!(listen("wallboard/hall").err(), Some(429));
        assert!(listen("person/ann").is_ok());
        held.pop();
        assert!(listen("wallboard/hall").is_ok());
    }
}
