use bytes::Bytes;
use contracts::v1::{self, AgentRecordState, PartyState, call_model_record::Stage};
use infra::embedded::Embedded;
use infra::{
    AgentBatch, AgentLedger, AgentWrite, Binding, CallLedger, CallWrite, Change, Outbox as _, QueueBatch, QueueLedger,
    RegistrationWrite, Registrations, SystemClock,
};
use model::plan::Contact;
use model::{
    AgentId, CallUuid, ConnId, Dn, Event, EventId, EventName, NodeId, Owner, Seq, Stamped, Subject, Timestamp, Token,
};
use prost::Message as _;

use super::super::filter::SubscriptionFilter;
use super::*;

struct Site {
    store: Arc<Embedded>,
    views: Views,
    counted: runtime::Metrics,
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn owner() -> Owner {
    Owner { node: NodeId::parse("test-1").unwrap(), epoch: model::Epoch(5) }
}

fn sealed(kind: &str, body: &impl prost::Message) -> Bytes {
    v1::StateRecord { kind: kind.to_owned(), version: 1, body: body.encode_to_vec().into() }.encode_to_vec().into()
}

fn stamped(subject: Subject, seq: u64, event: Event) -> Stamped {
    let id = EventId { subject, token: Token(1), seq: Seq(seq) };
    Stamped { id, tenant: acme(), at: Timestamp::from_millis(1_700_000_000_000), trace: None, event }
}

impl Site {
    fn new() -> Self {
        let store = Arc::new(Embedded::in_memory(Arc::new(SystemClock::start())));
        let counted = runtime::Metrics::default();
        Self { views: Self::views(&store, &counted), store, counted }
    }

    fn views(store: &Arc<Embedded>, counted: &runtime::Metrics) -> Views {
        let sources = Sources {
            events: store.clone(),
            agents: store.clone(),
            calls: store.clone(),
            queues: store.clone(),
            registrations: store.clone(),
        };
        Views::new(sources, Metrics::register(counted))
    }

    /// Restarts the role.
    fn begin_again(&mut self) {
        self.counted = runtime::Metrics::default();
        self.views = Self::views(&self.store, &self.counted);
    }

    async fn snapshot(&self) -> v1::Snapshot {
        self.views
            .snapshot(&acme(), |view, position| view.snapshot(position, &SubscriptionFilter::default()))
            .await
            .unwrap()
    }

    async fn agent(&self, id: &str, state: Bytes, change: fn(Bytes) -> Change, event: Option<(u64, EventName)>) {
        let agent = AgentId::parse(id).unwrap();
        let event = event.map(|(seq, name)| {
            let event = Event { agent: Some(agent.clone()), this_dn: Some(dn("7101")), ..Event::new(name) };
            stamped(Subject::Agent(agent.clone()), seq, event)
        });
        let events = event.into_iter().collect();
        let write = AgentWrite { agent, token: Token(1), change: change(state), due: None, events };
        let batch = AgentBatch { tenant: acme(), owner: owner(), writes: vec![write], consumed: None, number: 0 };
        AgentLedger::commit(&*self.store, batch).await.unwrap();
    }

    async fn call(&self, id: u64, state: Bytes, events: Vec<Stamped>) {
        let write = CallWrite {
            tenant: acme(),
            conn_id: ConnId(id),
            owner: owner(),
            token: Token(1),
            change: Change::Create { state, intentions: Bytes::new() },
            due: None,
            index: Vec::new(),
            events,
            new_call: None,
            absorbs: None,
        };
        CallLedger::commit(&*self.store, vec![write]).await.unwrap();
    }

    /// Calls wait in virtual queues: queue, call, and since when.
    async fn queues(&self, waiting: &[(&str, u64, u64)]) {
        let claimed = QueueLedger::claim(&*self.store, &owner(), &acme(), None).await.unwrap().unwrap();
        let row = |(queue, conn_id, queued_at_us): &(&str, u64, u64)| {
            let body = v1::RequestRecord {
                conn_id: *conn_id,
                queue: (*queue).to_owned(),
                queued_at_us: *queued_at_us,
                stage: v1::RequestStage::Waiting.into(),
                ..Default::default()
            };
            (format!("{queue} {conn_id}"), Some(sealed("queue", &body)))
        };
        let batch = QueueBatch {
            tenant: acme(),
            owner: owner(),
            token: claimed.token,
            requests: waiting.iter().map(row).collect(),
            reservations: Vec::new(),
            state: None,
            events: Vec::new(),
            consumed: None,
            number: 0,
        };
        QueueLedger::commit(&*self.store, batch).await.unwrap();
    }

    /// Publishes so many events that the stream keeps no earlier ones.
    async fn much_happens(&self) {
        for id in 1_000..1_080 {
            let mut event = Event::new(EventName::CallDeleted);
            event.extensions.set("Large", "x".repeat(1 << 19).as_str());
            self.call(id, Bytes::from_static(b"\xff"), vec![stamped(Subject::Call(ConnId(id)), 1, event)]).await;
        }
        let lease = self.store.take(&acme(), &owner(), Duration::from_secs(60)).await.unwrap().unwrap();
        let end = self.store.end(&acme()).await.unwrap();
        self.store.exported(&acme(), lease.token, end).await.unwrap();
        let from_start = self.store.read(&acme(), Position::START, 1, Duration::ZERO).await;
        assert!(matches!(from_start, Err(StoreError::Trimmed { .. })));
    }
}

fn dn(text: &str) -> Dn {
    Dn::parse(text).unwrap()
}

fn create(state: Bytes) -> Change {
    Change::Create { state, intentions: Bytes::new() }
}

fn save(state: Bytes) -> Change {
    Change::Save { state, intentions: Bytes::new() }
}

fn agent_record(id: &str, state: AgentRecordState) -> Bytes {
    let body = v1::AgentRecord {
        agent: id.to_owned(),
        dn: "7101".to_owned(),
        state: state.into(),
        since_us: 77,
        mode: v1::WorkMode::ManualIn.into(),
        ..Default::default()
    };
    sealed("agent", &body)
}

fn call_record(id: u64, caller: Result<&str, &str>, stage: Stage) -> Bytes {
    let model = v1::CallModelRecord {
        tenant: "acme".to_owned(),
        conn_id: id,
        uuid: contracts::wire::uuid_to_wire(CallUuid(9)),
        last_at_us: 55,
        caller_dn: caller.ok().map(str::to_owned),
        caller_number: caller.err().unwrap_or_default().to_owned(),
        dialled: "8000".to_owned(),
        caller_leg: v1::ConnectionRecord::Answered.into(),
        caller_established: true,
        stage: Some(stage),
        ..Default::default()
    };
    sealed("call", &v1::CallRecord { model: Some(model), ..Default::default() })
}

fn point() -> Option<v1::PointRecord> {
    Some(v1::PointRecord { dn: "8000".to_owned(), ..Default::default() })
}

/// DN, state, other DN and queue of each party.
fn parties(call: &v1::CallStatus) -> Vec<(&str, PartyState, Option<&str>, Option<&str>)> {
    assert!(call.parties.iter().all(|party| party.since_us == 55), "the record's last fact");
    call.parties.iter().map(|p| (p.dn.as_str(), p.state(), p.other_dn.as_deref(), p.this_queue.as_deref())).collect()
}

#[tokio::test]
async fn who_has_been_silent_for_longer_than_the_stream_reaches_back_is_in_the_snapshot_after_a_restart() {
    let mut site = Site::new();
    site.agent("ann", agent_record("ann", AgentRecordState::BusyReady), create, Some((1, EventName::AgentReady))).await;
    site.agent("bob", agent_record("bob", AgentRecordState::LoggedOut), create, None).await;
    site.agent(
        "desk",
        sealed("agent-desk", &v1::AgentDeskRecord { last_refusal: 1, ..v1::AgentDeskRecord::default() }),
        create,
        None,
    )
    .await;
    let contact = Contact::new("sip:7101@192.0.2.1".to_owned(), Vec::new());
    let at = Timestamp::from_millis;
    let (call_id, user_agent) = ("a".to_owned(), None);
    let binding = Binding {
        contact,
        call_id,
        cseq: 1,
        refreshed_at: at(1),
        expires_at: at(2),
        q: 1_000,
        user_agent,
        instance: None,
        reg_id: None,
    };
    for (number, bindings) in [("7101", vec![binding]), ("7102", Vec::new())] {
        let write = RegistrationWrite { tenant: acme(), dn: dn(number), expected: 0, bindings, events: Vec::new() };
        Registrations::commit(&*site.store, vec![write]).await.unwrap();
    }
    let talks = v1::OfferRecord { dn: "7101".to_owned(), held: true, point: point(), ..Default::default() };
    site.call(1, call_record(1, Err("+15550100"), Stage::TalkingWith(talks)), Vec::new()).await;
    let waits = v1::WaitingRecord { point: point(), routing: None };
    site.call(2, call_record(2, Ok("7105"), Stage::Waiting(waits)), Vec::new()).await;
    site.much_happens().await;

    site.begin_again();
    let shown = site.snapshot().await;
    let agents: Vec<_> = shown.agents.iter().map(|a| (a.agent.as_str(), a.dn.as_str(), a.ready, a.since_us)).collect();
    assert_eq!(agents, [("ann", "7101", true, 77)]);
    assert_eq!(shown.dns_in_service, ["7101"]);
    assert_eq!(shown.calls.len(), 2, "those whose records cannot be read are left out");
    let held = ("7101", PartyState::Held, Some("+15550100"), Some("8000"));
    assert_eq!(parties(&shown.calls[0]), [held]);
    let (calls, queued) = (("7105", PartyState::Connected), ("8000", PartyState::Queued));
    let wanted = [(calls.0, calls.1, Some("8000"), None), (queued.0, queued.1, Some("7105"), Some("8000"))];
    assert_eq!(parties(&shown.calls[1]), wanted);
    let call = shown.calls[0].call.as_ref().unwrap();
    assert_eq!((call.ani.as_deref(), call.dnis.as_deref()), (Some("+15550100"), Some("8000")));
    let text = site.counted.encode(runtime::metrics::Format::OpenMetrics);
    assert!(text.contains("tenant_records_skipped_total 80"), "{text}");
    assert_eq!(shown.position, site.store.end(&acme()).await.unwrap().to_string());
}

#[tokio::test]
async fn consultations_and_virtual_queues_are_in_the_snapshot_after_a_restart() {
    let site = Site::new();
    let connected = v1::ConnectionRecord::Answered.into();
    let party = |number, dn: &str, held| v1::PartyRecord {
        number,
        dn: Some(dn.to_owned()),
        connection: connected,
        established: true,
        held,
        ..Default::default()
    };
    let talking = Some(Stage::Talking(v1::NothingRecord {}));
    let first = v1::CallModelRecord {
        conn_id: 1,
        uuid: contracts::wire::uuid_to_wire(CallUuid(9)),
        caller_number: "+15550100".to_owned(),
        dialled: "8000".to_owned(),
        parties: vec![party(2, "7101", true)],
        stage: talking.clone(),
        ..Default::default()
    };
    let about = v1::ConsultsForRecord {
        conn_id: 1,
        call_type: contracts::wire::call_type_to_wire(model::CallType::Inbound),
        thread: contracts::wire::uuid_to_wire(CallUuid(9)),
    };
    let gone = v1::PartyRecord { connection: v1::ConnectionRecord::Gone.into(), ..party(3, "7103", false) };
    let consultation = v1::CallModelRecord {
        conn_id: 2,
        uuid: contracts::wire::uuid_to_wire(CallUuid(10)),
        caller_dn: Some("7101".to_owned()),
        dialled: "7102".to_owned(),
        parties: vec![party(1, "7101", false), party(2, "7102", false), gone],
        consults_for: Some(about),
        stage: talking,
        ..Default::default()
    };
    let not_told = v1::CallModelRecord { conn_id: 3, unannounced: true, ..consultation.clone() };
    let thread = v1::CallRecord { model: Some(first), further: vec![consultation, not_told], ..Default::default() };
    site.call(1, sealed("call", &thread), Vec::new()).await;
    site.queues(&[("VQ_Sales", 1, 77), ("VQ_Sales", 99, 78)]).await;

    let calls = site.snapshot().await.calls;
    let ids: Vec<_> = calls.iter().map(|call| call.call.clone().unwrap()).collect();
    let shown: Vec<_> = ids.iter().map(|id| (id.conn_id, id.previous, id.thread == ids[0].uuid)).collect();
    assert_eq!(shown, [(1, None, true), (2, Some(1), true)], "a row of a call that is gone brings none back");
    let parties = |call: &v1::CallStatus| {
        let party = |party: &v1::PartyStatus| (party.dn.clone(), party.state(), party.since_us);
        call.parties.iter().map(party).collect::<Vec<_>>()
    };
    let waits = ("VQ_Sales".to_owned(), PartyState::Queued, 77);
    assert_eq!(parties(&calls[0]), [("7101".to_owned(), PartyState::Held, 0), waits]);
    let connected = |dn: &str| (dn.to_owned(), PartyState::Connected, 0);
    assert_eq!(parties(&calls[1]), [connected("7101"), connected("7102")]);
}

#[tokio::test]
async fn who_logs_out_in_the_part_of_the_stream_that_is_gone_is_not_in_the_next_snapshot() {
    let site = Site::new();
    site.agent("ann", agent_record("ann", AgentRecordState::Ready), create, Some((1, EventName::AgentReady))).await;
    assert_eq!(site.snapshot().await.agents.len(), 1);
    site.agent("ann", agent_record("ann", AgentRecordState::LoggedOut), save, Some((2, EventName::AgentLogout))).await;
    site.much_happens().await;
    assert!(site.snapshot().await.agents.is_empty());
}

#[tokio::test]
async fn what_comes_after_the_records_were_read_is_folded_in() {
    let site = Site::new();
    site.agent("ann", agent_record("ann", AgentRecordState::Ready), create, Some((1, EventName::AgentReady))).await;
    assert!(site.snapshot().await.agents[0].ready);
    let not_ready = agent_record("ann", AgentRecordState::NotReady);
    site.agent("ann", not_ready, save, Some((2, EventName::AgentNotReady))).await;
    let shown = site.snapshot().await;
    assert!(!shown.agents[0].ready);
    let text = site.counted.encode(runtime::metrics::Format::OpenMetrics);
    assert!(text.contains("tenant_views_begun_total 1"), "the records are read once: {text}");
}

#[tokio::test]
async fn who_asks_for_one_tenant_waits_for_no_other() {
    let site = Site::new();
    let slow = site.views.kept(&acme()).unwrap();
    let _begins = slow.folded.lock().await;
    let other = TenantId::parse("globex").unwrap();
    let shown = site
        .views
        .snapshot(&other, |view, position| view.snapshot(position, &SubscriptionFilter::default()))
        .await
        .unwrap();
    assert!(shown.agents.is_empty());
}

#[tokio::test]
async fn a_snapshot_of_some_dns_shows_what_is_on_them() {
    let site = Site::new();
    site.agent("ann", agent_record("ann", AgentRecordState::Ready), create, Some((1, EventName::AgentReady))).await;
    let waits = v1::WaitingRecord { point: point(), routing: None };
    site.call(2, call_record(2, Ok("7105"), Stage::Waiting(waits)), Vec::new()).await;
    for (dn, agents, calls) in [("7101", 1, 0), ("7105", 0, 1), ("8000", 0, 1), ("7199", 0, 0)] {
        let asked = v1::SubscribeRequest { dns: vec![dn.to_owned()], ..Default::default() };
        let filter = SubscriptionFilter::read(&asked, None).unwrap();
        let shown = site.views.snapshot(&acme(), |view, position| view.snapshot(position, &filter)).await.unwrap();
        assert_eq!((shown.agents.len(), shown.calls.len()), (agents, calls), "{dn}");
    }
}

#[tokio::test]
async fn a_snapshot_of_some_agents_shows_their_calls() {
    let site = Site::new();
    site.agent("ann", agent_record("ann", AgentRecordState::Ready), create, Some((1, EventName::AgentReady))).await;
    let talks = v1::OfferRecord { dn: "7101".to_owned(), ..Default::default() };
    site.call(1, call_record(1, Err("+15550100"), Stage::TalkingWith(talks)), Vec::new()).await;
    for (agent, agents, calls) in [("ann", 1, 1), ("bob", 0, 0)] {
        let asked = v1::SubscribeRequest { agents: vec![agent.to_owned()], ..Default::default() };
        let filter = SubscriptionFilter::read(&asked, None).unwrap();
        let shown = site.views.snapshot(&acme(), |view, position| view.snapshot(position, &filter)).await.unwrap();
        assert_eq!((shown.agents.len(), shown.calls.len()), (agents, calls), "{agent}");
    }
}
