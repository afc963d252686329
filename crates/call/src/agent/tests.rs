use std::time::Duration;

use model::event::CallRef;
use model::request::{LoginPassword, RequestKind};
use model::{CallType, CallUuid, ConnId, ReferenceId};
use proptest::prelude::*;

use super::*;
use crate::call::BUSINESS_CALL;

mod reference;
mod several_calls;
mod wrap_up;

const CONN: ConnId = ConnId(5);

fn dn(text: &str) -> Dn {
    Dn::parse(text).expect("a DN")
}

fn id(text: &str) -> AgentId {
    AgentId::parse(text).expect("an agent")
}

fn profile(agent: &str) -> Profile {
    Profile { wrap_up_ms: 1_000, ..Profile::new(id(agent)) }
}

/// Handles the timers that are due, as many as one turn does.
fn handle_due(table: &mut AgentTable, now: Timestamp) {
    for agent in table.due(now) {
        table.handle_due(&agent, now);
    }
}

/// The table finds its agents as a look at each of them does.
fn assert_indexed(table: &AgentTable) {
    assert_eq!(table.next_timeout(), table.iter().filter_map(AgentSnapshot::next_due).min());
    assert_eq!(table.logged_in(), table.iter().filter(|session| session.state != AgentState::LoggedOut).count());
    let calls: BTreeSet<ConnId> = table.iter().flat_map(|session| &session.calls).map(|call| call.conn_id).collect();
    for call in calls.into_iter().chain([CONN]) {
        let is_on = |session: &&AgentSnapshot| session.calls.iter().any(|on| on.conn_id == call);
        assert!(table.on_call(call).eq(table.iter().filter(is_on)), "{call}");
    }
}

struct Bench {
    table: AgentTable,
    now: Timestamp,
    facts: Vec<Stamped>,
    refused: Vec<ErrorCode>,
}

impl Bench {
    fn new() -> Self {
        Self {
            table: AgentTable::new(TenantId::parse("t1").expect("a tenant")),
            now: Timestamp::from_millis(1_000),
            facts: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Agent a1, ready on 5001.
    fn ready() -> Self {
        let mut bench = Self::new();
        bench.ask("a1", "5001", RequestKind::AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent));
        bench.facts.clear();
        bench
    }

    fn give(&mut self, input: Input<'_>) {
        self.now = self.now + Duration::from_millis(1);
        let mut twin = AgentTable::new(self.table.tenant.clone());
        twin.handle(Input::WrapUpTimes(self.table.wrap_up_times.clone()), self.now);
        for session in self.table.iter() {
            twin.restore(session.clone());
        }
        twin.handle(input.clone(), self.now);
        self.table.handle(input, self.now);
        let mut ours = self.table.clone();
        while let Some(output) = ours.poll_output() {
            assert_eq!(Some(output), twin.poll_output(), "a restored table behaves as one that went on");
        }
        for session in self.table.iter() {
            assert_eq!(Some(session), twin.agent(&session.agent));
        }
        assert_indexed(&self.table);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.table.poll_output() {
            match output {
                Output::Fact(fact) => self.facts.push(fact),
                Output::Refused { code, .. } => self.refused.push(code),
            }
        }
    }

    fn ask(&mut self, agent: &str, at: &str, kind: RequestKind) {
        self.ask_with(agent, at, kind, UserData::new());
    }

    /// The profile of a request is the one that the table has, as long as configuration says nothing new.
    fn ask_with(&mut self, agent: &str, at: &str, kind: RequestKind, extensions: UserData) {
        let held = self.table.agent(&id(agent)).map_or_else(|| profile(agent), |session| session.profile.clone());
        let request = Request {
            tenant: self.table.tenant.clone(),
            requester: "desk".to_owned(),
            reference: ReferenceId(3),
            this_dn: dn(at),
            kind,
            reasons: UserData::new(),
            extensions,
        };
        self.give(Input::Request { request, profile: Some(held) });
    }

    fn call(&mut self, name: EventName, at: &str, state: CallState, business: bool) {
        let event = call_event(name, at, state, business);
        self.give(Input::Call(&event));
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        let mut twin = AgentTable::new(self.table.tenant.clone());
        for session in self.table.iter() {
            twin.restore(session.clone());
        }
        handle_due(&mut twin, self.now);
        handle_due(&mut self.table, self.now);
        for session in self.table.iter() {
            assert_eq!(
                Some(session),
                twin.agent(&session.agent),
                "a restored table's time passes as one's that went on"
            );
        }
        assert_indexed(&self.table);
        self.drain();
    }

    fn configure(&mut self, profile: Profile) {
        self.give(Input::ProfileChanged(profile));
    }

    /// A business call of a1 at 5001, until its end.
    fn business_call(&mut self) {
        self.call(EventName::Ringing, "5001", CallState::Ok, true);
        self.call(EventName::Established, "5001", CallState::Ok, true);
        self.call(EventName::Released, "5001", CallState::Ok, true);
    }

    fn session(&self) -> &AgentSnapshot {
        self.table.agent(&id("a1")).expect("a session")
    }

    fn state(&self, agent: &str) -> AgentState {
        self.table.agent(&id(agent)).expect("a session").state
    }

    fn story(&self) -> Vec<String> {
        self.facts
            .iter()
            .map(|fact| {
                let name = fact.event.name.as_str().trim_start_matches("Event");
                match (&fact.event.error, fact.event.work_mode) {
                    (Some((code, _)), _) => format!("{name} {}", code.0),
                    (None, Some(mode)) => format!("{name} {mode:?}"),
                    (None, None) => name.to_owned(),
                }
            })
            .collect()
    }
}

use model::CallState;

fn call_event(name: EventName, at: &str, state: CallState, business: bool) -> Event {
    let mut event = Event::new(name);
    event.call = Some(CallRef {
        conn_id: CONN,
        uuid: CallUuid(1),
        thread: CallUuid(1),
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: None,
        dnis: None,
    });
    event.this_dn = Some(dn(at));
    event.call_state = Some(state);
    if business {
        event.extensions.push(BUSINESS_CALL, 1);
    }
    event
}

#[test]
fn login_ready_not_ready_logout_are_told_in_order() {
    let mut bench = Bench::new();
    bench.ask("a1", "5001", RequestKind::AgentLogin(None, WorkMode::ManualIn, LoginPassword::Absent));
    bench.ask("a1", "5001", RequestKind::AgentReady(WorkMode::ManualIn));
    bench.ask("a1", "5001", RequestKind::AgentNotReady(WorkMode::AuxWork));
    bench.ask("a1", "5001", RequestKind::AgentLogout);
    assert_eq!(
        bench.story(),
        [
            "AgentLogin ManualIn",
            "AgentNotReady ManualIn",
            "AgentReady ManualIn",
            "AgentNotReady AuxWork",
            "AgentLogout"
        ]
    );
    assert_eq!(bench.facts[0].event.reference, ReferenceId(3));
    assert_eq!(bench.facts[1].event.reference, ReferenceId(0), "one event answers the request");
    let seqs: Vec<u64> = bench.facts.iter().map(|fact| fact.id.seq.0).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
}

#[test]
fn an_agent_logs_in_on_one_phone_only() {
    let mut bench = Bench::ready();
    bench.ask("a1", "5002", RequestKind::AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent));
    bench.ask("a2", "5001", RequestKind::AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent));
    assert_eq!(bench.story(), ["Error 527", "Error 231"]);
    bench.facts.clear();
    bench.ask("a1", "5001", RequestKind::AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent));
    assert_eq!(bench.story(), ["AgentReady AutoIn"], "a repeat is answered by the state");
}

#[test]
fn a_business_call_makes_busy_then_wraps_up_then_ready() {
    let mut bench = Bench::ready();
    bench.call(EventName::Ringing, "5001", CallState::Ok, true);
    assert!(!bench.table.agent(&id("a1")).expect("a session").is_available());
    bench.call(EventName::Established, "5001", CallState::Ok, true);
    assert_eq!(bench.state("a1"), AgentState::Busy(AfterBusy::Ready));
    assert!(bench.facts.is_empty(), "busy is derived, not told");
    bench.call(EventName::Released, "5001", CallState::Ok, true);
    assert_eq!(bench.state("a1"), AgentState::AfterCallWork);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.story(), ["AgentNotReady AfterCallWork", "AgentReady ManualIn"]);
    assert!(bench.table.agent(&id("a1")).expect("a session").is_available());
}

#[test]
fn the_calls_own_wrap_up_time_wins() {
    let mut bench = Bench::ready();
    bench.call(EventName::Ringing, "5001", CallState::Ok, true);
    bench.call(EventName::Established, "5001", CallState::Ok, true);
    let mut released = call_event(EventName::Released, "5001", CallState::Ok, true);
    released.user_data.set(WRAP_UP_TIME, "0");
    bench.give(Input::Call(&released));
    assert_eq!(bench.story(), ["AgentReady ManualIn"]);
}

#[test]
fn a_direct_call_does_not_make_busy_but_unavailable() {
    let mut bench = Bench::ready();
    bench.call(EventName::Ringing, "5001", CallState::Ok, false);
    bench.call(EventName::Established, "5001", CallState::Ok, false);
    assert_eq!(bench.state("a1"), AgentState::Ready);
    assert!(!bench.table.agent(&id("a1")).expect("a session").is_available());
    bench.call(EventName::Released, "5001", CallState::Ok, false);
    assert!(bench.facts.is_empty());
    assert!(bench.table.agent(&id("a1")).expect("a session").is_available());
}

#[test]
fn not_ready_during_a_call_holds_after_it() {
    let mut bench = Bench::ready();
    bench.call(EventName::Ringing, "5001", CallState::Ok, true);
    bench.call(EventName::Established, "5001", CallState::Ok, true);
    bench.ask("a1", "5001", RequestKind::AgentNotReady(WorkMode::AuxWork));
    bench.call(EventName::Released, "5001", CallState::Ok, true);
    assert_eq!(bench.state("a1"), AgentState::NotReady);
}

#[test]
fn an_agent_that_does_not_answer_is_made_not_ready() {
    for (state, reason) in [(CallState::NoAnswer, "NoAnswer"), (CallState::Busy, "Rejected")] {
        let mut bench = Bench::ready();
        bench.call(EventName::Ringing, "5001", CallState::Ok, true);
        bench.call(EventName::Released, "5001", state, true);
        assert_eq!(bench.story(), ["AgentNotReady AuxWork"]);
        assert_eq!(bench.facts[0].event.reasons.text("ReasonCode"), Some(reason));
    }
}

#[test]
fn an_agent_whose_call_somebody_else_takes_stays_ready() {
    for state in [CallState::PickedUp, CallState::Redirected] {
        let mut bench = Bench::ready();
        bench.call(EventName::Ringing, "5001", CallState::Ok, true);
        bench.call(EventName::Released, "5001", state, true);
        assert_eq!(bench.state("a1"), AgentState::Ready, "{state:?}");
    }
}

#[test]
fn a_phone_that_never_rang_makes_its_agent_not_ready() {
    let mut bench = Bench::ready();
    let mut event = call_event(EventName::RouteRequest, "9000", CallState::Ok, false);
    event.extensions.push("FailedDN", "5001");
    event.extensions.push("FailedCallState", "GeneralError");
    bench.give(Input::Call(&event));
    assert_eq!(bench.facts[0].event.reasons.text("ReasonCode"), Some("Unreachable"));
}

#[test]
fn a_failure_of_ours_leaves_the_agent_ready() {
    let mut bench = Bench::ready();
    let mut event = call_event(EventName::RouteRequest, "9000", CallState::Ok, false);
    event.extensions.push("FailedDN", "5001");
    event.extensions.push("FailedCallState", "SystemError");
    bench.give(Input::Call(&event));
    assert_eq!(bench.state("a1"), AgentState::Ready);
}

#[test]
fn a_caller_who_gives_up_leaves_the_agent_ready() {
    let mut bench = Bench::ready();
    bench.call(EventName::Ringing, "5001", CallState::Ok, true);
    bench.call(EventName::Abandoned, "5001", CallState::Ok, true);
    assert_eq!(bench.state("a1"), AgentState::Ready);
    assert!(bench.facts.is_empty());
}

#[test]
fn a_lost_release_heals_when_the_call_is_deleted() {
    let mut bench = Bench::ready();
    bench.call(EventName::Ringing, "5001", CallState::Ok, true);
    bench.call(EventName::Established, "5001", CallState::Ok, true);
    bench.call(EventName::CallDeleted, "9000", CallState::Ok, false);
    assert_eq!(bench.state("a1"), AgentState::AfterCallWork);
}

#[test]
fn a_lost_phone_makes_not_ready_or_logs_out() {
    let mut bench = Bench::ready();
    bench.give(Input::PhoneLost(dn("5001")));
    assert_eq!(bench.facts[0].event.reasons.text("ReasonCode"), Some("OutOfService"));
    let leaves = Profile { logout_on_out_of_service: true, ..profile("a1") };
    bench.give(Input::ProfileChanged(leaves));
    bench.give(Input::PhoneLost(dn("5001")));
    assert_eq!(bench.state("a1"), AgentState::LoggedOut);
    assert!(bench.table.on_dn(&dn("5001")).is_none());
}

#[test]
fn a_phone_with_calls_without_end_fills_no_record() {
    let mut bench = Bench::ready();
    for conn_id in 0..10 * CALLS_MAX as u64 {
        let mut event = call_event(EventName::Dialing, "5001", CallState::Ok, false);
        event.call.as_mut().expect("a call").conn_id = ConnId(conn_id);
        bench.give(Input::Call(&event));
    }
    let session = bench.table.agent(&id("a1")).expect("the agent is logged in");
    assert_eq!(session.calls.len(), CALLS_MAX);
    assert!(!session.is_available());
}

#[test]
fn many_after_call_works_that_end_together_end_in_several_turns() {
    let mut table = AgentTable::new(TenantId::parse("t1").expect("a tenant"));
    let due = Timestamp::from_millis(1_000);
    for number in 0..=WRAPPED_UP_PER_TURN {
        let agent = AgentSnapshot::logged_out(table.tenant.clone(), profile(&format!("a{number}")), due);
        table.restore(AgentSnapshot { state: AgentState::AfterCallWork, due: Some(due), ..agent });
    }
    handle_due(&mut table, due);
    assert_eq!(table.take_changed().len(), WRAPPED_UP_PER_TURN);
    assert_eq!(table.next_timeout(), Some(due), "the others at once");
    handle_due(&mut table, due);
    assert_eq!((table.take_changed().len(), table.next_timeout()), (1, None));
}

#[test]
fn former_agents_leave_room_for_as_many_others() {
    let mut bench = Bench::new();
    for number in 0..AGENTS_MAX - 1 {
        let name = format!("former-{number}");
        bench.table.restore(AgentSnapshot::logged_out(bench.table.tenant.clone(), profile(&name), bench.now));
    }
    assert!(bench.table.agents.len() >= model::plan::PEOPLE_MAX);
    let mut log_in = |agent: &str, at: &str| {
        let request = Request {
            tenant: bench.table.tenant.clone(),
            requester: "desk".to_owned(),
            reference: ReferenceId(3),
            this_dn: dn(at),
            kind: RequestKind::AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent),
            reasons: UserData::new(),
            extensions: UserData::new(),
        };
        bench.table.handle(Input::Request { request, profile: Some(profile(agent)) }, bench.now);
        bench.drain();
    };
    log_in("ann", "5001");
    log_in("bob", "5002");
    assert_eq!(bench.state("ann"), AgentState::Ready);
    assert_eq!(bench.refused, [ErrorCode::OUT_OF_SERVICE], "the table is full");
}

#[test]
fn the_auditor_frees_an_agent_from_a_call_that_is_gone() {
    let mut bench = Bench::ready();
    bench.call(EventName::Ringing, "5001", CallState::Ok, true);
    bench.call(EventName::Established, "5001", CallState::Ok, true);
    bench.give(Input::Free { agent: id("a1"), why: "no such call".to_owned() });
    assert_eq!(bench.story(), ["AgentReady ManualIn"]);
    assert!(bench.table.agent(&id("a1")).expect("a session").is_available());
}

#[test]
fn a_request_on_a_phone_without_agent_is_refused() {
    let mut bench = Bench::new();
    bench.ask("a1", "5001", RequestKind::AgentReady(WorkMode::ManualIn));
    assert_eq!(bench.story(), ["Error 93"]);
}

proptest! {
    /// After any sequence of inputs events are numbered without gaps, an agent is on one phone, and no session stays busy once its calls
    /// are over.
    #[test]
    fn agents_never_stay_stuck(steps in prop::collection::vec((0u8..12, 0u8..2, 0u8..2), 1..60)) {
        let mut bench = Bench::new();
        for (what, agent, at) in steps {
            let (agent, at) = (["a1", "a2"][usize::from(agent)], ["5001", "5002"][usize::from(at)]);
            match what {
                0 | 1 => bench.ask(agent, at, RequestKind::AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent)),
                2 => bench.ask(agent, at, RequestKind::AgentLogout),
                3 => bench.ask(agent, at, RequestKind::AgentReady(WorkMode::ManualIn)),
                4 => bench.ask(agent, at, RequestKind::AgentNotReady(WorkMode::AfterCallWork)),
                5 | 6 => bench.call(EventName::Ringing, at, CallState::Ok, true),
                7 | 8 => bench.call(EventName::Established, at, CallState::Ok, true),
                9 => bench.call(EventName::Released, at, CallState::NoAnswer, true),
                10 => bench.give(Input::PhoneLost(dn(at))),
                _ => bench.pass(Duration::from_secs(1)),
            }
        }
        bench.call(EventName::CallDeleted, "9000", CallState::Ok, false);
        for agent in ["a1", "a2"] {
            let seqs: Vec<u64> = bench
                .facts
                .iter()
                .filter(|fact| fact.id.subject == model::Subject::Agent(id(agent)))
                .map(|fact| fact.id.seq.0)
                .collect();
            prop_assert!(seqs.iter().enumerate().all(|(at, seq)| at as u64 + 1 == *seq));
            if let Some(session) = bench.table.agent(&id(agent)) {
                prop_assert!(!matches!(session.state, AgentState::Busy(_)), "stuck: {:?}", session);
                prop_assert_eq!(session.dn.is_some(), session.state != AgentState::LoggedOut);
            }
        }
    }
}

#[test]
fn a_wrong_password_logs_nobody_in_and_an_absent_one_where_it_is_needed() {
    let login = |password| RequestKind::AgentLogin(None, WorkMode::AutoIn, password);
    for (needs, password, passes) in [
        (false, LoginPassword::Absent, true),
        (false, LoginPassword::Right, true),
        (false, LoginPassword::Wrong, false),
        (true, LoginPassword::Absent, false),
        (true, LoginPassword::Right, true),
        (true, LoginPassword::Wrong, false),
        (false, LoginPassword::Typed("1234".to_owned()), false),
    ] {
        let mut bench = Bench::ready();
        bench.ask("a1", "5001", RequestKind::AgentLogout);
        bench.configure(Profile { login_needs_password: needs, ..profile("a1") });
        bench.facts.clear();
        bench.ask("a1", "5001", login(password.clone()));
        let told = if passes { bench.state("a1") == AgentState::Ready } else { bench.story() == ["Error 119"] };
        assert!(told, "{needs} {password:?}: {:?}", bench.story());
        assert_eq!(bench.state("a1") == AgentState::LoggedOut, !passes);
    }
}
