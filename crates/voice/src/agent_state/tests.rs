//! The claim and the tenant's agents on the embedded stores, with a clock moved by hand.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use contracts::configuration::{Changes, Listed};
use contracts::provisioning::ObjectKind;
use infra::conformance::SetClock;
use infra::{Loaded, Posted, Repair, RepairAction, Stores, Written};
use model::event::CallRef;
use model::request::{LoginPassword, MonitorMode, MonitorType};
use model::{
    AgentId, AgentState, CallState, CallType, CallUuid, ConnId, Dn, DnRole, Epoch, Event, EventId, EventName, NodeId,
    Owner, ReferenceId, Request, RequestKind, Seq, Stamped, Subject, TenantId, Token, UserData, WorkMode,
};
use runtime::fact_in_hand::{FactsInHand, FoldsFacts};
use serde_json::json;

use super::handler::TenantAgents;
use super::people::People;
use super::{SPEC, metrics, records, tenant_loop};
use crate::test_stores::{set_clock, stores};

mod addresses;
mod continuing;
mod leavers;

pub(super) struct Site {
    pub(super) clock: Arc<SetClock>,
    pub(super) stores: Stores,
    pub(super) tenant: TenantId,
    metrics: metrics::Metrics,
    seq: u64,
}

fn owner(number: u8) -> Owner {
    Owner { node: NodeId::parse(&format!("agent-state-{number}")).unwrap(), epoch: Epoch(7) }
}

pub(super) fn people() -> Arc<People> {
    let person = |name: &str, agent: &str, place: &str| {
        let agent = json!({"id": agent, "login_code": "1", "default_place": place, "wrap_up_s": 10, "skills": []});
        let object = json!({"user_name": name, "first_name": "A", "last_name": "B", "agent": agent});
        Listed { kind: ObjectKind::Person, id: name.to_owned(), object }
    };
    let place = |name: &str, dn: &str| {
        let object = json!({"name": name, "dns": [dn]});
        Listed { kind: ObjectKind::Place, id: name.to_owned(), object }
    };
    let dn = |number: &str, object: serde_json::Value| Listed { kind: ObjectKind::Dn, id: number.to_owned(), object };
    let phone = |number: &str| {
        let call_waiting = !["7102", "7103"].contains(&number);
        dn(number, json!({"number": number, "type": "extension", "password": "x", "call_waiting": call_waiting}))
    };
    let point = json!({"number": "9000", "type": "route_point", "application": "sales", "wrap_up_s": 25});
    let mut objects =
        vec![person("anna", "a1", "d1"), person("bert", "a2", "d2"), place("d1", "7101"), place("d2", "7102")];
    objects.extend(["7101", "7102", "7103", "7130"].map(phone));
    objects.push(dn("9000", point));
    let mut people = People::default();
    people.take(Changes { version: "1-1".to_owned(), whole: true, objects, gone: Vec::new(), next: None });
    Arc::new(people)
}

impl Site {
    pub(super) fn new() -> Self {
        let clock = set_clock();
        Self {
            stores: stores(clock.clone()),
            clock,
            tenant: TenantId::parse("t1").unwrap(),
            metrics: metrics::Metrics::register(&runtime::Metrics::default()),
            seq: 0,
        }
    }

    fn now(&self) -> model::Timestamp {
        self.stores.clock.now()
    }

    /// Claims the tenant's agents for a node that has a lease.
    pub(super) async fn claim(&self, number: u8) -> Option<TenantAgents> {
        let owner = owner(number);
        self.stores.leases.renew(&owner, SPEC.name, infra::bounds::LEASE).await.unwrap();
        let claimed = tenant_loop::claim(&self.stores, &self.tenant, &owner, &self.metrics, self.now()).await.unwrap();
        claimed.map(|mut agents| {
            agents.people_changed(people(), self.now());
            agents
        })
    }

    pub(super) async fn turn(&self, agents: &mut TenantAgents) -> Vec<Written> {
        let Some(batch) = agents.turn(self.now()) else { return Vec::new() };
        let answers = self.stores.agents.commit(batch.clone()).await.unwrap();
        tenant_loop::settle(&self.stores, agents, &batch, &answers).await.unwrap();
        answers
    }

    /// Sends a request whose resulting write the store refuses.
    pub(super) async fn ask_too_much(&self, agents: &mut TenantAgents, kind: RequestKind) {
        self.ask_too_much_of(agents, "7101", kind).await;
    }

    /// The same, of another phone.
    pub(super) async fn ask_too_much_of(&self, agents: &mut TenantAgents, dn: &str, kind: RequestKind) {
        let mut extensions = UserData::new();
        extensions.push("Long", "x".repeat(infra::bounds::FACT_MAX));
        let request = Request {
            tenant: self.tenant.clone(),
            requester: "desk-of-anna".to_owned(),
            reference: ReferenceId(18),
            this_dn: Dn::parse(dn).unwrap(),
            kind,
            reasons: UserData::new(),
            extensions,
        };
        agents.posted(Posted::Request(request), self.now());
        let answers = self.turn(agents).await;
        assert!(answers.iter().any(|written| matches!(written, Written::Refused(_))), "{answers:?}");
    }

    pub(super) async fn ask(&self, agents: &mut TenantAgents, dn: &str, kind: RequestKind) {
        self.post(agents, dn, kind);
        assert!(self.turn(agents).await.iter().all(|written| matches!(written, Written::Done { .. })));
    }

    pub(super) fn post(&self, agents: &mut TenantAgents, dn: &str, kind: RequestKind) {
        let request = Request {
            tenant: self.tenant.clone(),
            requester: "desk-of-anna".to_owned(),
            reference: ReferenceId(17),
            this_dn: Dn::parse(dn).unwrap(),
            kind,
            reasons: UserData::new(),
            extensions: UserData::new(),
        };
        agents.posted(Posted::Request(request), self.now());
    }

    async fn log_in(&self, agents: &mut TenantAgents) {
        self.ask(agents, "7101", RequestKind::AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent)).await;
    }

    async fn call(&mut self, agents: &mut TenantAgents, name: EventName, state: CallState) {
        let entry = self.entry(name, state);
        agents.observe(&[entry], self.now());
        self.turn(agents).await;
    }

    /// A call's event, as read from the stream.
    fn entry(&mut self, name: EventName, state: CallState) -> infra::EventEntry {
        let mut event = Event::new(name);
        event.call = Some(CallRef {
            conn_id: ConnId(5),
            uuid: CallUuid(5),
            thread: CallUuid(5),
            previous: None,
            call_type: CallType::Inbound,
            propagated_type: None,
            ani: None,
            dnis: None,
        });
        event.this_dn = Some(Dn::parse("7101").unwrap());
        event.call_state = Some(state);
        event.extensions.push(call::call::BUSINESS_CALL, 1);
        self.seq += 1;
        let id = EventId { subject: Subject::Call(ConnId(5)), token: Token(1), seq: Seq(self.seq) };
        let stamped = Stamped { id, tenant: self.tenant.clone(), at: self.now(), trace: None, event };
        let position = infra::Position { major: 0, minor: 1_000 + self.seq };
        infra::EventEntry { position, event: Arc::new(stamped), owner: None }
    }

    async fn state(&self, agent: &str) -> Option<AgentState> {
        match self.stores.agents.load(&self.tenant, &AgentId::parse(agent).unwrap()).await.unwrap() {
            Loaded::Live(record) => Some(records::decode(&self.tenant, &record.state).unwrap().agent.state),
            Loaded::Ended | Loaded::Unknown => None,
        }
    }

    pub(super) async fn story(&self) -> Vec<Arc<Stamped>> {
        let events = &self.stores.events;
        let read = events.read(&self.tenant, infra::Position::START, 1_000, Duration::ZERO).await.unwrap();
        read.into_iter().map(|entry| entry.event).collect()
    }

    pub(super) async fn names(&self) -> Vec<EventName> {
        self.story().await.iter().map(|stamped| stamped.event.name).collect()
    }
}

#[tokio::test]
async fn a_feature_code_and_a_named_login_lead_to_the_same_agent() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.log_in(&mut agents).await;
    site.ask(&mut agents, "7101", RequestKind::AgentLogout).await;
    let named = RequestKind::AgentLogin(Some(AgentId::parse("a1").unwrap()), WorkMode::ManualIn, LoginPassword::Absent);
    site.ask(&mut agents, "7101", named).await;
    assert_eq!(site.state("a1").await, Some(AgentState::NotReady));
    let a1 = Subject::Agent(AgentId::parse("a1").unwrap());
    let story = site.story().await;
    assert!(story.iter().all(|stamped| stamped.id.subject == a1));
    assert_eq!(story.iter().map(|stamped| stamped.id.seq.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(story[0].event.requester.as_deref(), Some("desk-of-anna"));
    assert_eq!(story[0].event.reference, ReferenceId(17));
}

#[tokio::test]
async fn an_agent_may_log_in_on_a_phone_that_is_not_of_its_place() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    let named = RequestKind::AgentLogin(Some(AgentId::parse("a2").unwrap()), WorkMode::AutoIn, LoginPassword::Absent);
    site.ask(&mut agents, "7101", named).await;
    // A request from the phone concerns the agent logged in on it, not the agent whose place it is.
    site.ask(&mut agents, "7101", RequestKind::AgentNotReady(WorkMode::AuxWork)).await;
    assert_eq!((site.state("a2").await, site.state("a1").await), (Some(AgentState::NotReady), None));
}

#[tokio::test]
async fn a_request_of_no_agent_is_answered_by_an_error_of_the_dn() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    for _ in 0..2 {
        site.ask(&mut agents, "7103", RequestKind::AgentReady(WorkMode::ManualIn)).await;
    }
    let story = site.story().await;
    assert_eq!(story.len(), 2);
    for stamped in &story {
        assert_eq!(stamped.id.subject, Subject::Dn(Dn::parse("7103").unwrap()));
        assert_eq!(stamped.event.error.as_ref().map(|(code, _)| code.0), Some(53));
        assert_eq!(stamped.event.requester.as_deref(), Some("desk-of-anna"));
    }
    assert_ne!(story[0].id, story[1].id, "each refusal has its own identity");
    let before = story[1].id.clone();
    drop(agents);
    let mut agents = site.claim(1).await.unwrap();
    site.ask(&mut agents, "7103", RequestKind::AgentReady(WorkMode::ManualIn)).await;
    assert!(site.story().await[2].id.token > before.token, "also after a restore");
}

#[tokio::test]
async fn a_refused_request_of_an_agent_is_an_error_of_the_agent() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.ask(&mut agents, "7101", RequestKind::AgentReady(WorkMode::ManualIn)).await;
    let story = site.story().await;
    assert_eq!(story[0].id.subject, Subject::Agent(AgentId::parse("a1").unwrap()));
    assert_eq!(story[0].event.error.as_ref().map(|(code, _)| code.0), Some(93));
}

#[tokio::test]
async fn a_business_call_makes_busy_then_wraps_up_for_the_configured_time() {
    let mut site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.log_in(&mut agents).await;
    site.call(&mut agents, EventName::Ringing, CallState::Ok).await;
    site.call(&mut agents, EventName::Established, CallState::Ok).await;
    assert!(matches!(site.state("a1").await, Some(AgentState::Busy(_))));
    site.call(&mut agents, EventName::Released, CallState::Ok).await;
    assert_eq!(site.state("a1").await, Some(AgentState::AfterCallWork));
    assert_eq!(agents.next_timeout(), Some(site.now() + Duration::from_secs(10)));
    site.clock.advance(Duration::from_secs(10));
    site.turn(&mut agents).await;
    assert_eq!(site.state("a1").await, Some(AgentState::Ready));
}

#[tokio::test]
async fn a_successor_goes_on_with_agents_timers_and_position_once_the_lease_is_out() {
    let mut site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.log_in(&mut agents).await;
    for name in [EventName::Ringing, EventName::Established, EventName::Released] {
        site.call(&mut agents, name, CallState::Ok).await;
    }
    let position = agents.position();
    assert!(site.claim(2).await.is_none(), "the owner lives");
    site.clock.advance(infra::bounds::LEASE + Duration::from_millis(1));
    let mut successor = site.claim(2).await.unwrap();
    assert_eq!(successor.position(), position);
    // The former owner has not failed, it is only slow: its writes are refused.
    agents.posted(restate(), site.now());
    let written = site.turn(&mut agents).await;
    assert!(written.iter().all(|written| matches!(written, Written::Fenced { .. })), "{written:?}");
    site.clock.advance(Duration::from_secs(10));
    site.turn(&mut successor).await;
    assert_eq!(site.state("a1").await, Some(AgentState::Ready));
    let story = site.story().await;
    let last = &story.last().unwrap().id;
    assert_eq!((last.token, last.seq), (Token(2), Seq(1)), "numbered anew under the successor's token");
}

fn restate() -> Posted {
    let subject = Subject::Agent(AgentId::parse("a1").unwrap());
    Posted::Repair(Repair { subject, action: RepairAction::Restate, why: "a test".to_owned() })
}

#[tokio::test]
async fn a_restored_table_goes_on_as_the_one_that_wrote_it() {
    let mut site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.log_in(&mut agents).await;
    site.call(&mut agents, EventName::Ringing, CallState::Ok).await;
    drop(agents);
    let mut again = site.claim(1).await.unwrap();
    site.call(&mut again, EventName::Released, CallState::NoAnswer).await;
    assert_eq!(site.state("a1").await, Some(AgentState::NotReady), "the no-answer action");
    let story = site.story().await;
    let seqs: Vec<(u64, u64)> = story.iter().map(|stamped| (stamped.id.token.0, stamped.id.seq.0)).collect();
    assert_eq!(seqs, [(1, 1), (1, 2), (1, 3)], "the same life of the node counts on");
    let reason = story[2].event.reasons.text("ReasonCode").map(str::to_owned);
    assert_eq!(reason.as_deref(), Some("NoAnswer"));
}

#[tokio::test]
async fn a_phone_out_of_service_makes_its_agent_not_ready() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.log_in(&mut agents).await;
    let dn = Dn::parse("7101").unwrap();
    let event = Event { this_dn: Some(dn.clone()), ..Event::new(EventName::DNOutOfService) };
    let id = EventId { subject: Subject::Dn(dn), token: Token(1), seq: Seq(1) };
    let stamped = Stamped { id, tenant: site.tenant.clone(), at: site.now(), trace: None, event };
    let position = infra::Position { major: 0, minor: 99 };
    agents.observe(&[infra::EventEntry { position, event: Arc::new(stamped), owner: None }], site.now());
    site.turn(&mut agents).await;
    assert_eq!(site.state("a1").await, Some(AgentState::NotReady));
}

#[tokio::test]
async fn a_repair_frees_who_counts_a_call_that_there_is_not_and_says_why() {
    for answered in [true, false] {
        let mut site = Site::new();
        let mut agents = site.claim(1).await.unwrap();
        site.log_in(&mut agents).await;
        site.call(&mut agents, EventName::Ringing, CallState::Ok).await;
        if answered {
            site.call(&mut agents, EventName::Established, CallState::Ok).await;
        }
        let told = site.names().await.len();
        let subject = Subject::Call(ConnId(5));
        let repair = Repair { subject, action: RepairAction::Free, why: "there is no such call".to_owned() };
        agents.posted(Posted::Repair(repair.clone()), site.now());
        site.turn(&mut agents).await;
        let expected = if answered { AgentState::AfterCallWork } else { AgentState::Ready };
        assert_eq!(site.state("a1").await, Some(expected));
        let story = site.story().await;
        assert_eq!(story.len(), told + 1, "one event");
        let why = story[told].event.extensions.text("Repair").map(str::to_owned);
        assert_eq!(why.as_deref(), Some("there is no such call"));
        agents.posted(Posted::Repair(repair), site.now());
        site.turn(&mut agents).await;
        assert_eq!(site.story().await.len(), told + 1, "a repeat does nothing");
    }
}

#[tokio::test]
async fn a_late_repair_does_not_free_an_agent_of_a_real_call() {
    let mut site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.log_in(&mut agents).await;
    site.call(&mut agents, EventName::Established, CallState::Ok).await;
    for subject in [Subject::Call(ConnId(4)), Subject::Agent(AgentId::parse("a1").unwrap())] {
        let repair = Repair { subject, action: RepairAction::Free, why: "late".to_owned() };
        agents.posted(Posted::Repair(repair), site.now());
        site.turn(&mut agents).await;
    }
    assert!(matches!(site.state("a1").await, Some(AgentState::Busy(_))));
}

#[tokio::test]
async fn an_unreadable_record_costs_its_session_and_nothing_else() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.log_in(&mut agents).await;
    drop(agents);
    let change = infra::Change::Save { state: bytes::Bytes::from_static(b"\xff\xff"), intentions: bytes::Bytes::new() };
    let write = infra::AgentWrite {
        agent: AgentId::parse("a1").unwrap(),
        token: Token(1),
        change,
        due: None,
        events: Vec::new(),
    };
    let (tenant, writes) = (site.tenant.clone(), vec![write]);
    let batch = infra::AgentBatch { tenant, owner: owner(1), writes, consumed: None, number: 0 };
    site.stores.agents.commit(batch).await.unwrap();
    site.clock.advance(infra::bounds::LEASE + Duration::from_millis(1));
    let mut successor = site.claim(2).await.unwrap();
    site.log_in(&mut successor).await;
    assert_eq!(site.state("a1").await, Some(AgentState::Ready));
}

#[tokio::test]
async fn what_was_refused_is_not_performed_and_its_requester_hears_so() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    let login = RequestKind::AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent);
    site.ask_too_much(&mut agents, login).await;
    site.turn(&mut agents).await;
    let story = site.story().await;
    assert_eq!(story.len(), 1);
    assert_eq!((story[0].event.name, story[0].event.reference), (EventName::Error, ReferenceId(18)));
    assert_eq!(story[0].event.requester.as_deref(), Some("desk-of-anna"));
    assert_eq!((site.state("a1").await, agents.intervals()), (None, Vec::new()));
    // The next login creates the record, with all its facts.
    site.log_in(&mut agents).await;
    assert_eq!(site.state("a1").await, Some(AgentState::Ready));
    assert_eq!(site.names().await[1..], [EventName::AgentLogin, EventName::AgentReady]);
    // A refused change: the agent returns to its last stored state, and its facts continue without a gap.
    site.ask_too_much(&mut agents, RequestKind::AgentNotReady(WorkMode::AuxWork)).await;
    site.turn(&mut agents).await;
    site.ask(&mut agents, "7101", RequestKind::AgentLogout).await;
    let a1 = Subject::Agent(AgentId::parse("a1").unwrap());
    let story = site.story().await;
    let of_a1 = story.iter().filter(|stamped| stamped.id.subject == a1);
    assert_eq!(
        of_a1.map(|stamped| stamped.id.seq.0).collect::<Vec<_>>(),
        (1..=story.len() as u64 - 2).collect::<Vec<_>>()
    );
    assert_eq!(story.iter().filter(|stamped| stamped.event.reference == ReferenceId(18)).count(), 2);
    assert_eq!(site.state("a1").await, Some(AgentState::LoggedOut));
}

#[tokio::test]
async fn a_panic_costs_what_it_was_done_for_and_nothing_else() {
    let mut site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.log_in(&mut agents).await;
    assert!(!agents.attempt("a test", |_| panic!("a fault")));
    site.call(&mut agents, EventName::Ringing, CallState::Ok).await;
    site.call(&mut agents, EventName::Established, CallState::Ok).await;
    site.call(&mut agents, EventName::Released, CallState::Ok).await;
    assert_eq!(site.state("a1").await, Some(AgentState::AfterCallWork), "facts are folded as before");
}

/// Agents that one kind of fact makes fail, half way.
struct FaultyAgents(TenantAgents);

impl FoldsFacts for FaultyAgents {
    fn fold(&mut self, entry: &infra::EventEntry, now: model::Timestamp) {
        self.0.fold(entry, now);
        assert!(entry.event.event.name != EventName::Established, "a fault");
    }

    fn skip(&mut self, position: infra::Position) {
        self.0.skip(position);
    }
}

#[tokio::test]
async fn a_fact_with_which_folding_fails_twice_is_skipped_and_the_agents_go_on() {
    let mut site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.log_in(&mut agents).await;
    let facts = [EventName::Ringing, EventName::Established, EventName::Released].map(|n| site.entry(n, CallState::Ok));
    let folder = tempfile::tempdir().unwrap();
    let mut fact = FactsInHand::open(folder.path(), "agent-state-1", &runtime::Metrics::default()).of(&site.tenant);
    let mut agents = FaultyAgents(agents);
    let mut failures = 0;
    while agents.0.position() < facts[2].position {
        let unread: Vec<_> = facts.iter().filter(|entry| entry.position > agents.0.position()).cloned().collect();
        let folded = catch_unwind(AssertUnwindSafe(|| {
            fact.fold(&mut agents, &unread, site.now());
            fact.put_down();
        }));
        if folded.is_ok() {
            site.turn(&mut agents.0).await;
        } else {
            failures += 1;
            agents = FaultyAgents(site.claim(1).await.unwrap());
            fact.state_rebuilt();
        }
    }
    assert_eq!(failures, 2);
    assert_eq!(site.state("a1").await, Some(AgentState::Ready), "the call was never established");
    for name in [EventName::Ringing, EventName::Established, EventName::Released] {
        site.call(&mut agents.0, name, CallState::Ok).await;
    }
    assert_eq!(site.state("a1").await, Some(AgentState::AfterCallWork), "facts are folded as before");
}

fn monitor_calls(of: &str, kind: MonitorType) -> RequestKind {
    RequestKind::MonitorNextCall(Dn::parse(of).unwrap(), MonitorMode::Coach, kind)
}

#[tokio::test]
async fn who_monitors_calls_is_stored_and_told_at_both_phones() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.ask(&mut agents, "7130", monitor_calls("7101", MonitorType::AllCalls)).await;
    let told: Vec<_> =
        site.story().await.iter().map(|fact| (fact.event.this_dn.clone(), fact.event.reference.0)).collect();
    assert_eq!(told, [(Dn::parse("7130").ok(), 17), (Dn::parse("7101").ok(), 0)]);
    let monitors = crate::monitors::read(&site.stores, &site.tenant).await.unwrap();
    assert_eq!((monitors.len(), monitors[0].mode, monitors[0].dn.as_str()), (1, MonitorMode::Coach, "7101"));
    // A request again takes the place of the one before.
    site.ask(&mut agents, "7130", monitor_calls("7101", MonitorType::OneCall)).await;
    assert_eq!(crate::monitors::read(&site.stores, &site.tenant).await.unwrap().len(), 1);
    site.ask(&mut agents, "7130", RequestKind::CancelMonitoring(Dn::parse("7101").unwrap())).await;
    assert_eq!(crate::monitors::read(&site.stores, &site.tenant).await.unwrap(), []);
    assert_eq!(site.names().await[4..], [EventName::MonitoringCancelled; 2]);
    for wrong in
        [RequestKind::CancelMonitoring(Dn::parse("7101").unwrap()), monitor_calls("7130", MonitorType::OneCall)]
    {
        site.ask(&mut agents, "7130", wrong).await;
        assert_eq!(site.names().await.last(), Some(&EventName::Error));
    }
}

#[tokio::test]
async fn a_supervisor_who_wanted_one_call_has_it_when_its_phone_rings() {
    for (kind, left) in [(MonitorType::OneCall, 0), (MonitorType::Current, 0), (MonitorType::AllCalls, 1)] {
        let mut site = Site::new();
        let mut agents = site.claim(1).await.unwrap();
        site.ask(&mut agents, "7130", monitor_calls("7101", kind)).await;
        let mut ringing = site.entry(EventName::Ringing, CallState::Ok);
        let fact = Arc::make_mut(&mut ringing.event);
        fact.event.this_dn = Dn::parse("7130").ok();
        fact.event.other_dn = Some("7101".to_owned());
        fact.event.this_role = Some(DnRole::Observer);
        agents.observe(&[ringing], site.now());
        site.turn(&mut agents).await;
        assert_eq!(crate::monitors::read(&site.stores, &site.tenant).await.unwrap().len(), left, "{kind:?}");
    }
}

#[tokio::test]
async fn a_successor_knows_who_monitors_calls() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.ask(&mut agents, "7130", monitor_calls("7101", MonitorType::AllCalls)).await;
    drop(agents);
    let mut agents = site.claim(1).await.unwrap();
    site.ask(&mut agents, "7130", RequestKind::CancelMonitoring(Dn::parse("7101").unwrap())).await;
    assert_eq!(site.names().await.last(), Some(&EventName::MonitoringCancelled));
}

#[tokio::test]
async fn a_user_event_is_told_at_its_dn() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    let pairs: UserData = [("Screen", "Order 7")].into_iter().collect();
    site.ask(&mut agents, "7101", RequestKind::UserEvent(pairs.clone())).await;
    let story = site.story().await;
    let told = story.last().unwrap();
    assert_eq!((told.event.name, told.event.reference), (EventName::UserEvent, ReferenceId(17)));
    assert_eq!(told.event.user_data, pairs);
    assert_eq!(told.id.subject, Subject::Dn(Dn::parse("7101").unwrap()));
}

#[tokio::test]
async fn a_burst_of_large_user_events_is_stored_in_several_batches() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.turn(&mut agents).await;
    let large: UserData = [("Long", "x".repeat(60_000).as_str())].into_iter().collect();
    for _ in 0..100 {
        site.post(&mut agents, "7101", RequestKind::UserEvent(large.clone()));
    }
    loop {
        let answers = site.turn(&mut agents).await;
        assert!(answers.iter().all(|written| matches!(written, Written::Done { .. })), "{answers:?}");
        if answers.is_empty() {
            break;
        }
    }
    let all = site.stores.events.read(&site.tenant, infra::Position::START, 1_000, Duration::ZERO).await.unwrap();
    let told = all.iter().filter(|entry| entry.event.event.name == EventName::UserEvent).count();
    assert_eq!(told, 100);
}
