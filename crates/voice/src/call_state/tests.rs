//! Folding and auditing on the embedded stores, with a clock moved by hand.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use contracts::v1;
use infra::conformance::SetClock;
use infra::{AgentBatch, AgentWrite, CallWrite, Change, Position, QueueBatch, Stores};
use model::event::CallRef;
use model::{
    AgentId, CallType, CallUuid, ConnId, Epoch, Event, EventId, EventName, NodeId, Owner, Seq, Stamped, Subject,
    TenantId, Timestamp, Token,
};
use prost::Message as _;

use super::audit::{Auditor, Fault, TenantSnapshot};
use super::metrics::Metrics;
use super::snapshot::{self, Known};
use super::threads::Closing;
use super::view::View;
use crate::test_stores::{set_clock, stores};

mod continuing;

struct Site {
    clock: Arc<SetClock>,
    stores: Stores,
    tenant: TenantId,
    view: View,
    position: Position,
}

fn node() -> Owner {
    Owner { node: NodeId::parse("sip-cluster-1").unwrap(), epoch: Epoch(3) }
}

/// A view of nothing.
fn anew() -> View {
    let metrics = Metrics::register(&runtime::Metrics::default());
    View::restore(&TenantId::parse("t1").unwrap(), Position::START, Vec::new(), metrics)
}

fn sealed(kind: &str, body: &impl prost::Message) -> Bytes {
    let record = v1::StateRecord { kind: kind.into(), version: 1, body: body.encode_to_vec().into() };
    record.encode_to_vec().into()
}

impl Site {
    fn new() -> Self {
        let clock = set_clock();
        Self {
            stores: stores(clock.clone()),
            clock,
            tenant: TenantId::parse("t1").unwrap(),
            view: anew(),
            position: Position::START,
        }
    }

    fn now(&self) -> Timestamp {
        self.stores.clock.now()
    }

    fn event(&self, call: u64, seq: u64, name: EventName) -> Stamped {
        let mut event = Event::new(name);
        event.call = Some(CallRef {
            conn_id: ConnId(call),
            uuid: CallUuid(call.into()),
            thread: CallUuid(call.into()),
            previous: None,
            call_type: CallType::Inbound,
            propagated_type: None,
            ani: Some("+15550123".to_owned()),
            dnis: None,
        });
        let id = EventId { subject: Subject::Call(ConnId(call)), token: Token(1), seq: Seq(seq) };
        Stamped { id, tenant: self.tenant.clone(), at: self.now(), trace: None, event }
    }

    async fn write(&self, call: u64, change: Change, events: Vec<Stamped>) {
        let write = CallWrite {
            tenant: self.tenant.clone(),
            conn_id: ConnId(call),
            owner: node(),
            token: Token(1),
            change,
            due: None,
            index: Vec::new(),
            events,
            new_call: None,
            absorbs: None,
        };
        self.stores.calls.commit(vec![write]).await.unwrap();
    }

    /// Creates a call in the ledger.
    async fn begin(&self, call: u64) {
        let change = Change::Create { state: Bytes::from_static(b"c"), intentions: Bytes::new() };
        self.write(call, change, vec![self.event(call, 1, EventName::CallCreated)]).await;
    }

    async fn end(&self, call: u64) {
        self.write(call, Change::End, vec![self.event(call, 2, EventName::CallDeleted)]).await;
    }

    /// Creates an agent whose record counts a call.
    async fn agent_on(&self, call: u64) {
        let record = v1::AgentRecord {
            agent: "a1".to_owned(),
            token: 1,
            seq: 2,
            dn: "7101".to_owned(),
            state: v1::AgentRecordState::BusyReady.into(),
            calls: vec![v1::AgentCallRecord { conn_id: call, business: true, established: true }],
            ..v1::AgentRecord::default()
        };
        let write = AgentWrite {
            agent: AgentId::parse("a1").unwrap(),
            token: Token(1),
            change: Change::Create { state: sealed("agent", &record), intentions: Bytes::new() },
            due: None,
            events: Vec::new(),
        };
        let batch =
            AgentBatch { tenant: self.tenant.clone(), owner: node(), writes: vec![write], consumed: None, number: 0 };
        self.stores.agents.commit(batch).await.unwrap();
    }

    /// Creates a request of routing for a call.
    async fn queued(&self, call: u64) {
        let claimed = self.stores.queues.claim(&node(), &self.tenant, None).await.unwrap().unwrap();
        let record = v1::RequestRecord { conn_id: call, ..v1::RequestRecord::default() };
        let batch = QueueBatch {
            tenant: self.tenant.clone(),
            owner: node(),
            token: claimed.token,
            requests: vec![("r1".to_owned(), Some(sealed("queue", &record)))],
            reservations: Vec::new(),
            state: None,
            events: Vec::new(),
            consumed: None,
            number: 0,
        };
        self.stores.queues.commit(batch).await.unwrap();
    }

    async fn fold(&mut self) {
        let entries = self.stores.events.read(&self.tenant, self.position, 1_000, Duration::ZERO).await.unwrap();
        self.view.fold(&entries);
        self.position = entries.last().map_or(self.position, |entry| entry.position);
    }

    fn close(&mut self, now: Timestamp) -> Vec<infra::LogRecord> {
        self.view.close(&self.tenant, now, Closing::All)
    }

    async fn look(&mut self) -> TenantSnapshot {
        self.fold().await;
        let view = &self.view;
        let known = Known { threads: &view.threads, told: &view.told };
        snapshot::look(&self.stores, &self.tenant, known, self.stores.clock.now()).await.unwrap()
    }

    /// The faults confirmed in the next `rounds` rounds, one every 10 s.
    async fn rounds(&mut self, auditor: &mut Auditor, rounds: usize) -> Vec<Fault> {
        let mut faults = Vec::new();
        for _ in 0..rounds {
            let picture = self.look().await;
            faults.extend(auditor.round(&picture, self.now()).into_iter().map(|finding| finding.fault));
            self.clock.advance(super::audit::ROUND);
        }
        faults
    }
}

#[tokio::test]
async fn a_call_with_agent_and_queue_is_in_order() {
    let mut site = Site::new();
    site.begin(1).await;
    site.agent_on(1).await;
    site.queued(1).await;
    let picture = site.look().await;
    assert_eq!(picture.calls.len(), 1);
    assert_eq!(picture.agents.len(), 1);
    assert!(picture.queued.contains(&ConnId(1)) && picture.threads.contains(&ConnId(1)));
    assert_eq!(site.rounds(&mut Auditor::default(), 20).await, []);
}

#[tokio::test]
async fn whoever_counts_a_call_that_is_over_is_found_in_the_second_round() {
    let mut site = Site::new();
    site.begin(1).await;
    site.agent_on(1).await;
    site.queued(1).await;
    site.end(1).await;
    let mut auditor = Auditor::default();
    assert_eq!(site.rounds(&mut auditor, 1).await, []);
    assert_eq!(site.rounds(&mut auditor, 1).await, [Fault::AgentOnMissingCall, Fault::QueuedMissingCall]);
}

#[tokio::test]
async fn an_ended_thread_gives_its_record_once() {
    let mut site = Site::new();
    site.begin(1).await;
    site.clock.advance(Duration::from_secs(20));
    site.end(1).await;
    site.fold().await;
    assert_eq!(site.close(site.now()).len(), 0, "not before the grace is over");
    site.clock.advance(super::threads::GRACE);
    let records = site.close(site.now());
    let [detail, record] = records.as_slice() else { panic!("two records: {records:?}") };
    let json: serde_json::Value = serde_json::from_str(&record.json).unwrap();
    assert_eq!((record.topic, json["type"].as_str()), ("voice-callthread", Some("CallThread")));
    assert_eq!(json["data"]["DurationMs"], 20_000);
    assert_eq!(json["data"]["Outcome"], "ended");
    assert_eq!(record.key, format!("t1:{}", CallUuid(1)));
    let json: serde_json::Value = serde_json::from_str(&detail.json).unwrap();
    assert_eq!((detail.key.as_str(), json["type"].as_str()), (record.key.as_str(), Some("CallDetail")));
    assert_eq!(json["id"], format!("call:{}:detail", ConnId(1)));
    assert_eq!((&json["data"]["DurationMs"], &json["data"]["Complete"]), (&20_000.into(), &true.into()));
    assert!(site.close(site.now() + Duration::from_secs(60)).is_empty());
}

#[tokio::test]
async fn a_view_that_begins_anew_gives_the_same_records() {
    let mut site = Site::new();
    site.begin(1).await;
    site.end(1).await;
    let mut twice = Vec::new();
    for _ in 0..2 {
        site.view = anew();
        site.position = Position::START;
        site.fold().await;
        twice.push(site.close(site.now() + Duration::from_secs(60)));
    }
    assert_eq!(twice[0], twice[1]);
    assert_eq!(twice[0].len(), 2);
}
