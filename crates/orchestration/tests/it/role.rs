//! The role over real sockets: the test plays config, frontend and rq.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path as UrlPath, Query};
use axum::routing::{get, post};
use bytes::Bytes;
use contracts::v1::routing_server::{Routing, RoutingServer};
use contracts::{v1, wire};
use futures::StreamExt as _;
use infra::conformance::NoProvisioning;
use infra::embedded::{Embedded, FileLog};
use infra::{
    Answer, CallWrite, Change, Claim, Claimed, Holding, Loaded, NewCall, Position, Record, SessionBatch, SessionId,
    SessionLedger, SessionWrite, StoreError, Stores, SystemClock, Written,
};
use model::event::CallRef;
use model::{
    CallType, CallUuid, ConnId, Dn, DnRole, Epoch, Event, EventId, EventName, NodeId, Owner, QueueName, ReferenceId,
    Seq, Stamped, Subject, TenantId, Token,
};
use prost::Message as _;
use runtime::process::stores::{Clients, Composed, Server};
use runtime::process::{self, Plan, Replica};
use runtime::{Drains, Listen, Place, Protocol, Replicas, Role, RoleContext, RoleSpec, Starts};
use serde_json::{Value as JsonValue, json};
use tokio::sync::mpsc;

/// An instance number of its own, so that its sockets differ from other tests'.
const INSTANCE: u8 = 111;
const CONN: ConnId = ConnId(0x0070_0392_f1a4_c009);

/// Frames received by frontend, with their idempotency keys.
static FRAMES: OnceLock<mpsc::Sender<(String, JsonValue)>> = OnceLock::new();

const CONFIG: RoleSpec = RoleSpec {
    name: "config",
    number: 6,
    summary: "plays config",
    listens: &[Listen {
        name: "http",
        protocol: Protocol::Http,
        port: 9100,
        place: Place::Cluster,
        accepts: &["voice-34"],
    }],
    opens: &[],
    settings: &[],
    metrics: &[],
    admin_port: 9090,
    starts: Starts::First,
    drains: Drains::Last,
    replicas: Replicas::Single,
};

const FRONTEND: RoleSpec = RoleSpec {
    name: "frontend",
    number: 7,
    summary: "plays frontend",
    listens: &[Listen {
        name: "http",
        protocol: Protocol::Http,
        port: 9101,
        place: Place::Cluster,
        accepts: &["voice-38"],
    }],
    opens: &[],
    settings: &[],
    metrics: &[],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::Last,
    replicas: Replicas::Single,
};

const RQ: RoleSpec = RoleSpec {
    name: "rq",
    number: 10,
    summary: "plays rq",
    listens: &[Listen {
        name: "routing",
        protocol: Protocol::Grpc,
        port: 12100,
        place: Place::Cluster,
        accepts: &["voice-30"],
    }],
    opens: &[],
    settings: &[],
    metrics: &[],
    admin_port: 9090,
    starts: Starts::InTurn,
    drains: Drains::CallService,
    replicas: Replicas::Single,
};

/// Grows beyond the maximum size of a record and requests a prompt in the same turn.
const HUGE: &str = "<scxml version='1.0' datamodel='ecmascript' xmlns:dialog='urn:trunkline:dialog'><datamodel><data id='text'/></datamodel>
    <state><transition event='interaction.present'><assign location='text' expr=\"'x'.repeat(1500000)\"/><dialog:play prompts=\"['welcome']\"/></transition></state></scxml>";

/// Sends the call where a list says.
const LOOKS_UP: &str = "<scxml version='1.0' datamodel='ecmascript' xmlns:ixn='urn:trunkline:interaction'><state>
    <transition event='interaction.present'><ixn:redirect to=\"_genesys.list('Ways', 'acme', 'closed')\"/></transition>
    <transition event='*'/></state></scxml>";

async fn play_config(ctx: RoleContext) -> anyhow::Result<()> {
    async fn application(UrlPath((_, name)): UrlPath<(String, String)>) -> Json<JsonValue> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/applications");
        let document = match name.as_str() {
            "broken" => "<scxml version='1.0'><nonsense/></scxml>".to_owned(),
            "huge" => HUGE.to_owned(),
            "looks-up" => LOOKS_UP.to_owned(),
            name => std::fs::read_to_string(folder.join(format!("{name}.scxml"))).expect("an example"),
        };
        Json(json!({ "name": name, "document": document }))
    }
    async fn point(UrlPath((_, number)): UrlPath<(String, String)>) -> Json<JsonValue> {
        Json(json!({ "number": number, "type": "route_point", "application": "x", "default_dn": "7199" }))
    }
    async fn versions(Query(query): Query<HashMap<String, String>>) -> Json<JsonValue> {
        if query.contains_key("etag") {
            // Nothing changes.
            std::future::pending::<()>().await;
        }
        Json(json!({ "etag": "first", "tenants": { "acme": "1-1" } }))
    }
    async fn objects(Query(query): Query<HashMap<String, String>>) -> Json<JsonValue> {
        assert_eq!(query["kinds"], "list,business_attribute,schedule,tenant");
        let ways = json!({ "name": "Ways", "sections": { "acme": { "closed": "7177" } } });
        let listed = json!({ "kind": "list", "id": "Ways", "object": ways });
        Json(json!({ "version": "1-1", "whole": true, "objects": [listed], "gone": [] }))
    }
    let router = axum::Router::new()
        .route("/versions", get(versions))
        .route("/tenants/{tenant}/objects", get(objects))
        .route("/tenants", get(|| async { Json(json!(["acme"])) }))
        .route("/tenants/{tenant}/applications/{name}", get(application))
        .route("/tenants/{tenant}/dns/{dn}", get(point));
    net::http::serve(&ctx, "http", router).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}

async fn play_frontend(ctx: RoleContext) -> anyhow::Result<()> {
    async fn take(headers: http::HeaderMap, Json(frame): Json<JsonValue>) -> (http::StatusCode, Json<JsonValue>) {
        let key = headers["idempotency-key"].to_str().unwrap_or_default().to_owned();
        let reference = frame["ReferenceID"].clone();
        FRAMES.get().expect("set by the test").send((key, frame)).await.expect("the test listens");
        (http::StatusCode::ACCEPTED, Json(json!({ "ReferenceID": reference })))
    }
    let router = axum::Router::new().route("/api/voice/v1/{tenant}/requests", post(take));
    net::http::serve(&ctx, "http", router).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}

struct Rq;

type Stream<T> = std::pin::Pin<Box<dyn futures::Stream<Item = Result<T, tonic::Status>> + Send>>;

#[tonic::async_trait]
impl Routing for Rq {
    type QueueStream = Stream<v1::QueueOutcome>;
    async fn queue(
        &self,
        request: tonic::Request<tonic::Streaming<v1::QueueCommand>>,
    ) -> Result<tonic::Response<Self::QueueStream>, tonic::Status> {
        assert_eq!(net::grpc::tenant(&request)?.as_str(), "acme");
        let outcomes = request.into_inner().flat_map(|command| {
            let request_id = match command.ok().and_then(|c| c.command) {
                Some(v1::queue_command::Command::Submit(submit)) => submit.request_id,
                _ => return futures::stream::iter(Vec::new()),
            };
            let selected = v1::Selected { agent: "1001".into(), dn: "7101".into(), ..v1::Selected::default() };
            let outcomes = [
                v1::queue_outcome::Outcome::Accepted(v1::Accepted { position: 1, agents_logged_in: 1 }),
                v1::queue_outcome::Outcome::Selected(selected),
            ];
            let of = |outcome| Ok(v1::QueueOutcome { request_id: request_id.clone(), outcome: Some(outcome) });
            futures::stream::iter(outcomes.map(of).to_vec())
        });
        Ok(tonic::Response::new(Box::pin(outcomes)))
    }

    type PushAgentsStream = Stream<v1::AgentsTaken>;
    async fn push_agents(
        &self,
        _: tonic::Request<tonic::Streaming<v1::AgentsUpdate>>,
    ) -> Result<tonic::Response<Self::PushAgentsStream>, tonic::Status> {
        Err(tonic::Status::unimplemented("not played"))
    }

    type PushCallsStream = Stream<v1::CallsTaken>;
    async fn push_calls(
        &self,
        _: tonic::Request<tonic::Streaming<v1::CallDetails>>,
    ) -> Result<tonic::Response<Self::PushCallsStream>, tonic::Status> {
        Err(tonic::Status::unimplemented("not played"))
    }

    async fn explain(
        &self,
        _: tonic::Request<v1::ExplainRequest>,
    ) -> Result<tonic::Response<v1::ExplainResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("not played"))
    }
}

async fn play_rq(ctx: RoleContext) -> anyhow::Result<()> {
    net::grpc::serve(&ctx, "routing", tonic::service::Routes::new(RoutingServer::new(Rq))).await?;
    ctx.ready.started();
    ctx.drain.begun().await;
    Ok(())
}

/// A ledger with faults: it never accepts the sessions of one call, and fails the first look-up of another call's sessions.
struct Faulty {
    inner: Arc<dyn SessionLedger>,
    never: ConnId,
    unknown: ConnId,
    looked_up: AtomicUsize,
    /// Whether it hides the sessions of failed nodes.
    hidden: AtomicBool,
    /// Whether the next claim of the role is done but its answer lost.
    loses_claim: AtomicBool,
}

impl SessionLedger for Faulty {
    fn commit(&self, batch: SessionBatch) -> Answer<'_, Vec<Written>> {
        if batch.writes.iter().any(|write| write.conn_id == Some(self.never)) {
            return Box::pin(async { Err(StoreError::Full { what: "a record's state", bound: 1 }) });
        }
        self.inner.commit(batch)
    }
    fn claim<'a>(&'a self, by: &'a Owner, claims: Vec<Claim<SessionId>>) -> Answer<'a, Vec<Claimed<SessionId>>> {
        Box::pin(async move {
            let is_role = by.node.as_str() != "ors-9" && !claims.is_empty();
            let answer = self.inner.claim(by, claims).await;
            match is_role && self.loses_claim.swap(false, Relaxed) {
                true => Err(StoreError::Unavailable { reason: "a test".to_owned() }),
                false => answer,
            }
        })
    }
    fn load<'a>(&'a self, tenant: &'a TenantId, session: &'a SessionId) -> Answer<'a, Loaded<SessionId>> {
        self.inner.load(tenant, session)
    }
    fn of_call<'a>(&'a self, tenant: &'a TenantId, conn_id: ConnId) -> Answer<'a, Vec<Record<SessionId>>> {
        if conn_id == self.unknown && self.looked_up.fetch_add(1, Relaxed) == 0 {
            return Box::pin(async { Err(StoreError::Unavailable { reason: "a test".to_owned() }) });
        }
        self.inner.of_call(tenant, conn_id)
    }
    fn orphans<'a>(&'a self, tenant: &'a TenantId, of: &'a Owner, max: usize) -> Answer<'a, Vec<Record<SessionId>>> {
        self.inner.orphans(tenant, of, max)
    }
    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>> {
        if self.hidden.load(Relaxed) {
            return Box::pin(async { Ok(Vec::new()) });
        }
        self.inner.owners(tenant)
    }
    fn consumed<'a>(&'a self, tenant: &'a TenantId, view: &'static str) -> Answer<'a, Position> {
        self.inner.consumed(tenant, view)
    }
}

static FAULTY: OnceLock<Arc<Faulty>> = OnceLock::new();

/// One set of stores for every role.
struct InMemory(Stores);

impl Composed for InMemory {
    fn held_by(&self, _: Server) -> bool {
        false
    }

    fn of_replica(&self, _: &Clients) -> anyhow::Result<Stores> {
        Ok(self.0.clone())
    }

    fn of_process(&self) -> anyhow::Result<Stores> {
        Ok(self.0.clone())
    }
}

/// The call's owner, in place of sip-cluster.
struct Switch {
    stores: Stores,
    call: CallRef,
    seq: u64,
}

impl Switch {
    fn owner() -> Owner {
        Owner { node: NodeId::parse("sip-cluster-1").expect("a node"), epoch: Epoch(1) }
    }

    async fn commit(&self, change: Change, events: Vec<Stamped>, new_call: Option<NewCall>) {
        let write = CallWrite {
            tenant: tenant(),
            conn_id: self.call.conn_id,
            owner: Self::owner(),
            token: Token(1),
            change,
            due: None,
            index: Vec::new(),
            events,
            new_call,
            absorbs: None,
        };
        let written = self.stores.calls.commit(vec![write]).await.expect("the store writes");
        assert!(matches!(written[0], Written::Done { .. }), "{written:?}");
    }

    async fn enters(&mut self, application: &str) {
        let record = v1::NewCallRecord {
            call: Some(wire::call_ref_to_wire(&self.call)),
            this_dn: "9000".to_owned(),
            application: application.to_owned(),
            user_data: None,
            owner: Self::owner().to_string(),
            at_us: 1,
        };
        let at = self.stores.clock.now();
        let body = Bytes::from(record.encode_to_vec());
        let new_call = NewCall { conn_id: self.call.conn_id, trace: self.call.uuid, at, body };
        let change = Change::Create { state: Bytes::from_static(b"x"), intentions: Bytes::new() };
        self.commit(change, Vec::new(), Some(new_call)).await;
    }

    async fn says(&mut self, name: EventName, reference: u64, fill: impl FnOnce(&mut Event)) {
        let mut event = Event::new(name);
        event.call = Some(self.call.clone());
        event.this_dn = Dn::parse("9000").ok();
        event.reference = ReferenceId(reference);
        event.requester = Some("ors/ors-1".to_owned());
        fill(&mut event);
        self.seq += 1;
        let id = EventId { subject: Subject::Call(self.call.conn_id), token: Token(1), seq: Seq(self.seq) };
        self.tells(id, event).await;
    }

    /// A fact of a queue that knows the call's ids alone.
    async fn is_named_by_a_queue(&self) {
        let mut event = Event::new(EventName::Abandoned);
        event.call = Some(CallRef { uuid: CallUuid(0), thread: CallUuid(0), ani: None, ..self.call.clone() });
        let subject = Subject::Queue(QueueName::parse("VQ_Sales").expect("a queue"));
        self.tells(EventId { subject, token: Token(1), seq: Seq(1) }, event).await;
    }

    async fn tells(&self, id: EventId, event: Event) {
        let stamped = Stamped { id, tenant: tenant(), at: self.stores.clock.now(), trace: Some(self.call.uuid), event };
        self.commit(Change::Keep, vec![stamped], None).await;
    }
}

/// The reporting log stores all facts of a session under one key, which is made from the thread.
async fn facts_of_sessions_name_one_thread(stores: &Stores, of: &CallRef) {
    let entries = stores.events.read(&tenant(), Position::START, 1_000, Duration::ZERO).await.expect("readable");
    let of_session = |stamped: &Stamped| {
        let call = stamped.event.call.as_ref().filter(|call| call.conn_id == of.conn_id)?;
        matches!(stamped.id.subject, Subject::Session(_)).then_some(call.thread)
    };
    let threads: Vec<_> = entries.iter().filter_map(|entry| of_session(&entry.event)).collect();
    assert!(threads.len() > 1 && threads.iter().all(|thread| *thread == of.thread), "{threads:?}");
}

fn tenant() -> TenantId {
    TenantId::parse("acme").expect("a tenant")
}

fn call(conn_id: ConnId) -> CallRef {
    CallRef {
        conn_id,
        uuid: CallUuid(9),
        thread: CallUuid(9),
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: Some("+4930123456".to_owned()),
        dnis: Some("+15550100".to_owned()),
    }
}

/// Runs the four roles; returns the stores once they are ready.
async fn installation() -> Stores {
    const ROLES: [Role; 4] = [
        orchestration::ors::ROLE,
        Role { spec: &CONFIG, start: |ctx| Box::pin(play_config(ctx)) },
        Role { spec: &FRONTEND, start: |ctx| Box::pin(play_frontend(ctx)) },
        Role { spec: &RQ, start: |ctx| Box::pin(play_rq(ctx)) },
    ];
    static TABLE: [&RoleSpec; 4] = Role::specs(&ROLES);
    let sections = process::sections::all(&TABLE);
    let values =
        runtime::settings::load(&sections, &runtime::settings::Sources::default()).expect("defaults are valid");
    let data_dir = std::env::temp_dir().join(format!("ors-role-test-{}", std::process::id()));
    let plan = Plan {
        instance: INSTANCE,
        table: &TABLE,
        replicas: ROLES.iter().map(|role| Replica { role: *role, number: 1 }).collect(),
        values,
        data_dir: data_dir.clone(),
        sharing: runtime::data_dir::Sharing::Alone,
        log_level: runtime::log::LogLevel::fixed(),
        clock: Arc::new(SystemClock::start()),
        directory_source: Arc::new(runtime::discovery::StaticSource),
    };
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let ready = Mutex::new(Some(ready));
    let open: process::OpenStores = Box::new(move |installation| {
        Box::pin(async move {
            let embedded = Arc::new(Embedded::in_memory(installation.clock.clone()));
            let reporting = Arc::new(FileLog::open(&data_dir.join("reporting"), installation.clock.clone())?);
            let mut stores = Stores::of(embedded, reporting, Arc::new(NoProvisioning), installation.clock);
            let (inner, looked_up) = (stores.sessions.clone(), AtomicUsize::default());
            let (never, unknown) = (ConnId(CONN.0 + 3), ConnId(CONN.0 + 4));
            stores.sessions = FAULTY
                .get_or_init(|| {
                    Arc::new(Faulty {
                        inner,
                        never,
                        unknown,
                        looked_up,
                        hidden: AtomicBool::default(),
                        loses_claim: AtomicBool::default(),
                    })
                })
                .clone();
            Ok(Arc::new(InMemory(stores)) as Arc<dyn Composed>)
        })
    });
    let when_ready: process::WhenReady = Box::new(move |_, stores| {
        Box::pin(async move {
            if let Some(ready) = ready.lock().ok().and_then(|mut r| r.take()) {
                let _ = ready.send(stores);
            }
            Ok(())
        })
    });
    tokio::spawn(process::run(plan, open, when_ready));
    tokio::time::timeout(Duration::from_secs(30), is_ready).await.expect("ready in time").expect("it runs")
}

async fn next(frames: &mut mpsc::Receiver<(String, JsonValue)>) -> (String, JsonValue) {
    tokio::time::timeout(Duration::from_secs(20), frames.recv()).await.expect("a request in time").expect("a request")
}

/// A session whose record belongs to a node without a lease is taken over, and its call continues, even if the claim's answer is lost.
async fn taken_over(stores: &Stores, frames: &mut mpsc::Receiver<(String, JsonValue)>) {
    let conn_id = ConnId(CONN.0 + 2);
    let mut switch = Switch { stores: stores.clone(), call: call(conn_id), seq: 0 };
    switch.enters("closed").await;
    let (_, frame) = next(frames).await;
    let reference = frame["ReferenceID"].as_u64().expect("a reference");
    let [record] = &stores.sessions.of_call(&tenant(), conn_id).await.expect("readable")[..] else {
        panic!("no record")
    };
    let dead = Owner { node: NodeId::parse("ors-9").expect("a node"), epoch: Epoch(1) };
    let loses_claim = &FAULTY.get().expect("set").loses_claim;
    loses_claim.store(true, Relaxed);
    let claim = Claim { tenant: tenant(), key: record.key.clone(), seen: None };
    let claimed = stores.sessions.claim(&dead, vec![claim]).await.expect("claimed");
    assert!(matches!(claimed[0], Claimed::Yours(_)));
    // The successor repeats the requests of the last commit under the same keys.
    let (_, again) = next(frames).await;
    assert_eq!(again, frame);
    assert!(!loses_claim.load(Relaxed), "the answer was lost");
    switch.says(EventName::TreatmentEnd, reference, |e| e.extensions.set("Result", "Completed")).await;
    let (_, released) = next(frames).await;
    assert_eq!(
        (released["req"].as_str(), released["RouteType"].as_str()),
        (Some("TRouteCall"), Some("CallDisconnect"))
    );
}

/// An application has the tenant's lists from its first line on.
async fn goes_where_a_list_says(stores: &Stores, frames: &mut mpsc::Receiver<(String, JsonValue)>) {
    let conn_id = ConnId(CONN.0 + 9);
    let mut switch = Switch { stores: stores.clone(), call: call(conn_id), seq: 0 };
    switch.enters("looks-up").await;
    let (_, frame) = next(frames).await;
    assert_eq!((frame["req"].as_str(), frame["OtherDN"].as_str()), (Some("TRouteCall"), Some("7177")));
    // The call has left, and its session with it.
    let reference = frame["ReferenceID"].as_u64().expect("a reference");
    switch.says(EventName::RouteUsed, reference, |_| {}).await;
}

/// Records that cannot be restored: one that is damaged, one that is unreadable, and one that crashed two processes.
/// They are moved to quarantine, and the calls that can still be identified take their default.
async fn put_aside(stores: &Stores, frames: &mut mpsc::Receiver<(String, JsonValue)>) {
    let dead = |number: u64| Owner { node: NodeId::parse("ors-9").expect("a node"), epoch: Epoch(number) };
    let session = |number: u64| SessionId(format!("{}-1-1", ConnId(CONN.0 + number)));
    let state = |number: u64, damage: &[u8]| {
        let record = v1::SessionRecord {
            call: Some(wire::call_ref_to_wire(&call(ConnId(CONN.0 + number)))),
            this_dn: "9000".to_owned(),
            application: "closed".to_owned(),
            ..v1::SessionRecord::default()
        };
        let body = [record.encode_to_vec(), damage.to_vec()].concat().into();
        v1::StateRecord { kind: "session".to_owned(), version: 1, body }.encode_to_vec().into()
    };
    let write = |number: u64, state: Bytes| SessionWrite {
        session: session(number),
        conn_id: Some(ConnId(CONN.0 + number)),
        token: Token(1),
        change: Change::Create { state, intentions: Bytes::new() },
        due: None,
        events: Vec::new(),
        began_with: None,
    };
    let writes = vec![write(6, state(6, b"\xff\xff")), write(7, Bytes::from_static(b"\xff")), write(8, state(8, b""))];
    // The last one has crashed two processes and would be claimed a third time.
    let batch = |writes| SessionBatch { tenant: tenant(), owner: dead(1), writes, consumed: None, number: 0 };
    let hidden = &FAULTY.get().expect("set").hidden;
    hidden.store(true, Relaxed);
    stores.sessions.commit(batch(writes)).await.expect("written");
    for epoch in [2, 3] {
        let claim = Claim { tenant: tenant(), key: session(8), seen: None };
        stores.sessions.claim(&dead(epoch), vec![claim]).await.expect("claimed");
    }
    hidden.store(false, Relaxed);
    let mut to_default = Vec::new();
    while to_default.len() < 2 {
        let (_, frame) = next(frames).await;
        let of = frame["ConnID"].as_str().and_then(|id| id.split('@').next()).expect("a call").to_owned();
        // Other calls of this test time out on their treatments, each at its own time.
        if [6, 8].iter().any(|number| ConnId(CONN.0 + number).to_string() == of) {
            assert_eq!((frame["req"].as_str(), frame["OtherDN"].as_str()), (Some("TRouteCall"), Some("7199")));
            to_default.push(of);
        }
    }
    to_default.sort();
    assert_eq!(to_default, [6, 8].map(|number| ConnId(CONN.0 + number).to_string()));
    let held = stores.quarantine.list(&tenant()).await.expect("readable");
    let mut keys: Vec<_> = held.iter().map(|one| one.key.clone()).collect();
    keys.sort();
    assert_eq!(keys, [6, 7, 8].map(|number| session(number).0));
    let why = |number| &held.iter().find(|one| one.key == session(number).0).expect("it is there").why;
    assert!(why(6).starts_with("it cannot be read") && why(8).starts_with("two processes"), "{held:?}");
}

/// A session that the store never accepts, and one that is too large for it. Both calls take their default, their
/// applications' actions are not carried out, and another call of the same tenant goes on.
async fn refused_by_the_store(stores: &Stores, frames: &mut mpsc::Receiver<(String, JsonValue)>) {
    for (number, application) in [(3, "closed"), (5, "huge")] {
        let conn_id = ConnId(CONN.0 + number);
        let beside = ConnId(CONN.0 + 100 + number);
        let mut refused = Switch { stores: stores.clone(), call: call(conn_id), seq: 0 };
        refused.enters(application).await;
        let mut honest = Switch { stores: stores.clone(), call: call(beside), seq: 0 };
        honest.enters("closed").await;
        let mut of_refused = Vec::new();
        let mut treated = false;
        while !(treated && of_refused.last() == Some(&"TRouteCall".to_owned())) {
            let (_, frame) = next(frames).await;
            let request = frame["req"].as_str().expect("a request").to_owned();
            if frame["ConnID"].as_str().is_some_and(|id| id.starts_with(&conn_id.to_string())) {
                assert!(request != "TRouteCall" || frame["OtherDN"] == "7199", "{frame}");
                of_refused.push(request);
            } else {
                treated |= request == "TApplyTreatment";
            }
        }
        assert_eq!(of_refused, ["TUpdateUserData", "TRouteCall"], "{application}");
        assert!(stores.sessions.of_call(&tenant(), conn_id).await.expect("readable").is_empty());
    }
}

/// While the store cannot say whether a call has a session, none starts; the call is not forgotten.
async fn not_found_by_a_store_that_is_away(stores: &Stores, frames: &mut mpsc::Receiver<(String, JsonValue)>) {
    let conn_id = ConnId(CONN.0 + 4);
    let mut switch = Switch { stores: stores.clone(), call: call(conn_id), seq: 0 };
    switch.enters("closed").await;
    // Other calls of this test time out on their treatments, each at its own time.
    while !next(frames).await.1["ConnID"].as_str().is_some_and(|id| id.starts_with(&conn_id.to_string())) {}
    assert!(FAULTY.get().expect("set").looked_up.load(Relaxed) > 1, "it began before anybody knew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_runs_its_application_to_the_agent_and_a_broken_one_takes_the_default() {
    let (sender, mut frames) = mpsc::channel(64);
    FRAMES.set(sender).expect("one test uses it");
    let stores = installation().await;
    goes_where_a_list_says(&stores, &mut frames).await;

    let mut switch = Switch { stores: stores.clone(), call: call(CONN), seq: 0 };
    switch.enters("sales").await;
    let (key, frame) = next(&mut frames).await;
    assert_eq!(
        (frame["req"].as_str(), frame["TreatmentType"].as_str()),
        (Some("TApplyTreatment"), Some("PlayAnnouncement"))
    );
    assert_eq!(frame["ConnID"], format!("{CONN}@sip-cluster-1.1"));
    assert!(key.starts_with(&format!("{CONN}-")), "{key}");
    let reference = frame["ReferenceID"].as_u64().expect("a reference");
    switch.says(EventName::TreatmentApplied, reference, |_| {}).await;
    switch.says(EventName::TreatmentEnd, reference, |e| e.extensions.set("Result", "Completed")).await;

    // Music, then the agent that rq selects: user data, then the route.
    let (_, music) = next(&mut frames).await;
    assert_eq!(music["TreatmentType"], "Music");
    let (_, pairs) = next(&mut frames).await;
    assert_eq!(
        (pairs["req"].as_str(), pairs["UserData"]["RTargetAgentSelected"].as_str()),
        (Some("TUpdateUserData"), Some("1001"))
    );
    let (_, route) = next(&mut frames).await;
    assert_eq!(
        (route["req"].as_str(), route["OtherDN"].as_str(), route["AgentID"].as_str()),
        (Some("TRouteCall"), Some("7101"), Some("1001"))
    );
    assert_eq!(stores.sessions.of_call(&tenant(), CONN).await.expect("readable").len(), 1);

    switch.is_named_by_a_queue().await;
    let reference = route["ReferenceID"].as_u64().expect("a reference");
    switch.says(EventName::RouteUsed, reference, |e| e.third_party_dn = Some("7101".to_owned())).await;
    switch
        .says(EventName::Established, 0, |e| {
            e.this_dn = Dn::parse("7101").ok();
            e.this_role = Some(DnRole::Destination);
        })
        .await;
    let gone = async {
        while !stores.sessions.of_call(&tenant(), CONN).await.expect("readable").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the session ends when the agent has answered");
    facts_of_sessions_name_one_thread(&stores, &switch.call).await;

    taken_over(&stores, &mut frames).await;
    put_aside(&stores, &mut frames).await;

    let other = ConnId(CONN.0 + 1);
    let mut switch = Switch { stores: stores.clone(), call: call(other), seq: 0 };
    switch.enters("broken").await;
    let (_, frame) = next(&mut frames).await;
    assert_eq!((frame["req"].as_str(), frame["OtherDN"].as_str()), (Some("TRouteCall"), Some("7199")));
    assert_eq!(frame["ConnID"], format!("{other}@sip-cluster-1.1"));

    refused_by_the_store(&stores, &mut frames).await;
    not_found_by_a_store_that_is_away(&stores, &mut frames).await;
}
