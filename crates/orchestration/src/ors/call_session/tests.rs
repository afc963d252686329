//! Calls under the example applications and under broken ones.

mod leaving;
mod recording;
mod secret;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use contracts::v1;
use contracts::v1::queue_command::Command as QueueCommand;
use contracts::v1::queue_outcome::Outcome;
use infra::{Clock, Position, SystemClock};
use model::event::{CallRef, ErrorCode};
use model::request::{RequestKind, RouteTo, Treatment};
use model::{CallType, CallUuid, ConnId, Dn, DnRole, Event as Fact, EventName, ReferenceId, Timestamp, UserData};
use scxml::{LimitKind, Session};

use super::{CallSession, Caller, Command, Ended, Fault, Stage, start_parameters};
use crate::ecmascript::{Ecmascript, PlatformObjects, ReadTenant, ScriptLimits};
use crate::ors::applications::load_document;
use crate::ors::records;

const SALES: &str = include_str!("../../../../../data/applications/sales.scxml");
const SUPPORT: &str = include_str!("../../../../../data/applications/support.scxml");
const MENU: &str = include_str!("../../../../../data/applications/menu.scxml");
const ECHO: &str = include_str!("../../../../../data/applications/echo.scxml");
const CLOSED: &str = include_str!("../../../../../data/applications/closed.scxml");

const CONN: ConnId = ConnId(0x0070_0392_f1a4_c001);

/// A call and a simulated switch.
struct Bench {
    session: CallSession,
    document: Arc<scxml::Document>,
    now: Timestamp,
    minor: u64,
    commands: Vec<Command>,
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::start())
}

fn caller(user_data: UserData) -> Caller {
    let call = CallRef {
        conn_id: CONN,
        uuid: CallUuid(7),
        thread: CallUuid(7),
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: Some("+4930123456".to_owned()),
        dnis: Some("+15550100".to_owned()),
    };
    let this_dn = Dn::parse("9000").expect("a DN");
    Caller { call, this_dn, application: "test".to_owned(), user_data, owner: None }
}

fn data(caller: &Caller) -> (Ecmascript, Rc<RefCell<PlatformObjects>>) {
    let platform = Rc::new(RefCell::new(PlatformObjects::default()));
    let tenant: ReadTenant = Rc::new(|| None);
    let (limits, parameters) = (ScriptLimits::default(), start_parameters(caller));
    let data = Ecmascript::new(limits, clock(), parameters, Rc::clone(&platform), &tenant, &Arc::default());
    (data.expect("the language fits"), platform)
}

impl Bench {
    fn new(text: &str) -> Self {
        Self::with_data(text, UserData::new())
    }

    fn with_data(text: &str, user_data: UserData) -> Self {
        let document = load_document(text, clock(), ScriptLimits::default());
        let document = Arc::new(document.unwrap_or_else(|e| panic!("{:#}", anyhow::Error::new(e))));
        let (caller, now) = (caller(user_data), Timestamp::from_millis(1_763_622_000_000));
        let (data, platform) = data(&caller);
        let id = format!("{CONN}-0-1");
        let session = CallSession::start(Arc::clone(&document), data, platform, caller, &id, now);
        let mut bench = Self { session, document, now, minor: 0, commands: Vec::new() };
        bench.drain();
        bench
    }

    /// Takes the commands, then restores the session from its record: every test also tests restoring.
    fn drain(&mut self) {
        while let Some(command) = self.session.poll_command() {
            self.commands.push(command);
        }
        if self.session.is_over() {
            return;
        }
        let snapshot = self.session.machine.snapshot().expect("JSON data");
        let bytes = records::encode(&self.session, &snapshot, 1);
        let record = records::decode(&bytes).expect("a record");
        let caller = records::caller(&record).expect("a call");
        let (data, platform) = data(&caller);
        let machine = records::machine(&record).expect("a machine");
        assert_eq!(machine, snapshot);
        let machine = Session::restore(machine, Arc::clone(&self.document), Box::new(data), self.now).expect("it fits");
        let mut again = CallSession::with_machine(machine, platform, caller);
        records::fill(&mut again, record).expect("a whole record");
        assert_eq!(again.next_timeout(), self.session.next_timeout());
        let photo = again.machine.snapshot().expect("JSON data");
        assert_eq!(records::encode(&again, &photo, 1), bytes);
        self.session = again;
    }

    fn fact(&mut self, name: EventName, reference: u64, fill: impl FnOnce(&mut Fact)) {
        let mut fact = Fact::new(name);
        fact.call = Some(self.session.caller.call.clone());
        fact.this_dn = Some(Dn::parse("9000").expect("a DN"));
        fact.user_data = self.session.caller.user_data.clone();
        fact.reference = ReferenceId(reference);
        fact.requester = Some("ors/ors-1".to_owned());
        fill(&mut fact);
        self.minor += 1;
        let position = Position { major: 0, minor: self.minor };
        self.session.handle_fact(position, &fact, self.now);
        self.drain();
    }

    fn outcome(&mut self, outcome: Outcome) {
        let request_id = self.submitted().request_id;
        self.session.handle_outcome(v1::QueueOutcome { request_id, outcome: Some(outcome) }, self.now);
        self.drain();
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.session.next_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.session.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    /// The last request, with its reference.
    fn last(&self) -> (u64, RequestKind) {
        let requests = self.commands.iter().rev().filter_map(|c| match c {
            Command::Request { reference, kind } => Some((*reference, kind.clone())),
            _ => None,
        });
        requests.into_iter().next().expect("a request was made")
    }

    fn last_treatment(&self) -> (u64, Treatment) {
        match self.last() {
            (reference, RequestKind::ApplyTreatment(CONN, treatment, None)) => (reference, treatment),
            other => panic!("no treatment: {other:?}"),
        }
    }

    fn submitted(&self) -> v1::Submit {
        let submits = self.commands.iter().rev().filter_map(|c| match c {
            Command::Queue(QueueCommand::Submit(submit)) => Some(submit.clone()),
            _ => None,
        });
        submits.into_iter().next().expect("a queue request was made")
    }

    fn ended(&self) -> Option<&Ended> {
        self.commands.iter().find_map(|c| match c {
            Command::Ended(how) => Some(how),
            _ => None,
        })
    }

    fn fault(&self) -> Option<Fault> {
        match self.ended() {
            Some(Ended::Failed { fault, .. }) => Some(*fault),
            _ => None,
        }
    }

    /// The current treatment starts and ends.
    fn played(&mut self, digits: Option<&str>) {
        let (reference, _) = self.last_treatment();
        self.fact(EventName::TreatmentApplied, reference, |_| {});
        let digits = digits.map(str::to_owned);
        self.fact(EventName::TreatmentEnd, reference, |f| {
            f.extensions.set("Result", "Completed");
            f.collected_digits = digits;
        });
    }

    fn selected(&mut self) -> (u64, RequestKind) {
        self.outcome(Outcome::Selected(v1::Selected {
            agent: "1001".to_owned(),
            dn: "7101".to_owned(),
            queue: "sales".to_owned(),
            reserved_until_us: 0,
            decision: None,
        }));
        self.last()
    }
}

fn route_to(number: &str, agent: Option<&str>) -> RequestKind {
    let dn = Dn::parse(number).expect("a DN");
    let agent = agent.map(|a| model::AgentId::parse(a).expect("an agent"));
    RequestKind::RouteCall(CONN, RouteTo::Dn { dn, agent })
}

fn announcement(name: &str) -> Treatment {
    Treatment::PlayAnnouncement { prompts: vec![name.to_owned()] }
}

fn music(seconds: u64) -> Treatment {
    Treatment::Music { resource: "music".to_owned(), duration_ms: Some(seconds * 1_000) }
}

#[test]
fn sales_announces_queues_with_music_and_routes_to_the_agent() {
    let mut bench = Bench::new(SALES);
    assert_eq!(bench.last_treatment().1, announcement("sales-welcome"));
    bench.played(None);
    let submit = bench.submitted();
    assert_eq!((submit.queue.as_str(), submit.skill_expression.as_str()), ("sales", "Sales >= 1"));
    assert_eq!((submit.ani.as_deref(), submit.dnis.as_deref()), (Some("+4930123456"), Some("+15550100")));
    assert_eq!(submit.waiting_since_us, bench.now.as_micros());
    assert_eq!(bench.last_treatment().1, music(20));
    bench.outcome(Outcome::Accepted(v1::Accepted { position: 1, agents_logged_in: 4 }));
    assert_eq!(bench.last_treatment().1, music(20));
    bench.played(None);
    assert_eq!(bench.last_treatment().1, announcement("all-busy"));
    bench.played(None);
    assert_eq!(bench.last_treatment().1, music(20));
    let (reference, request) = bench.selected();
    assert_eq!(request, route_to("7101", Some("1001")));
    bench.fact(EventName::RouteUsed, reference, |f| f.third_party_dn = Some("7101".to_owned()));
    assert_eq!(bench.session.stage, Stage::Offered);
    assert_eq!(bench.ended(), None);
    bench.fact(EventName::Established, 0, |f| {
        f.this_dn = Dn::parse("7101").ok();
        f.this_role = Some(DnRole::Destination);
    });
    assert_eq!(bench.ended(), Some(&Ended::Through));
}

#[test]
fn nobody_logged_in_is_told_at_once_and_the_call_waits_on() {
    let mut bench = Bench::new(SALES);
    bench.played(None);
    bench.outcome(Outcome::Accepted(v1::Accepted { position: 1, agents_logged_in: 0 }));
    assert_eq!(bench.last_treatment().1, announcement("all-busy"));
    bench.played(None);
    assert_eq!(bench.last_treatment().1, announcement("all-busy"), "the queue's own list goes on");
    bench.played(None);
    assert_eq!(bench.last_treatment().1, music(20));
    assert!(bench.session.queueing.is_some());
    bench.wait(Duration::from_secs(60));
    assert!(bench.commands.iter().any(|c| matches!(c, Command::Queue(QueueCommand::Update(u)) if u.priority == 5)));
}

#[test]
fn a_call_that_no_node_has_ends_its_session() {
    let mut bench = Bench::new(SALES);
    bench.played(None);
    let request_id = bench.submitted().request_id;
    for after_ms in [0, 1_200, 2_400] {
        assert!(!bench.session.is_over(), "a call that changes hands is nowhere for a moment");
        bench.now = bench.now + Duration::from_millis(after_ms);
        let selected = v1::Selected {
            agent: "1001".to_owned(),
            dn: "7101".to_owned(),
            queue: "sales".to_owned(),
            reserved_until_us: 0,
            decision: None,
        };
        let outcome = Some(Outcome::Selected(selected));
        bench.session.handle_outcome(v1::QueueOutcome { request_id: request_id.clone(), outcome }, bench.now);
        bench.commands.extend(std::iter::from_fn(|| bench.session.poll_command()));
        bench.session.request_refused(bench.last().0, "56", "no such call here", bench.now);
        bench.commands.extend(std::iter::from_fn(|| bench.session.poll_command()));
    }
    assert!(bench.ended().is_some(), "nobody is offered a call that is gone");
}

#[test]
fn an_agent_who_does_not_answer_gives_the_call_back_with_its_age() {
    let mut bench = Bench::new(SALES);
    bench.played(None);
    let (reference, _) = bench.selected();
    bench.fact(EventName::RouteUsed, reference, |f| f.third_party_dn = Some("7101".to_owned()));
    bench.now = bench.now + Duration::from_secs(15);
    bench.fact(EventName::RouteRequest, 0, |f| f.extensions.set("FailedCallState", "NoAnswer"));
    let back = bench.commands.iter().rev().find_map(|c| match c {
        Command::Queue(QueueCommand::Return(back)) => Some(back.clone()),
        _ => None,
    });
    let back = back.expect("the request went back to rq");
    assert_eq!(
        (back.request_id, back.agent.as_str(), back.reason.as_str()),
        (bench.submitted().request_id, "1001", "no-answer")
    );
    assert!(matches!(bench.last_treatment().1, Treatment::PlayAnnouncement { .. } | Treatment::Music { .. }));
    assert_eq!((bench.session.stage, bench.ended()), (Stage::Waiting, None));
    assert_eq!(bench.selected().1, route_to("7101", Some("1001")), "the next selection routes again");
}

#[test]
fn the_next_selection_may_come_before_the_fact_that_the_agent_did_not_answer() {
    let mut bench = Bench::new(SALES);
    bench.played(None);
    let (reference, _) = bench.selected();
    bench.fact(EventName::RouteUsed, reference, |f| f.third_party_dn = Some("7101".to_owned()));
    let next = v1::Selected { agent: "1002".to_owned(), dn: "7102".to_owned(), ..v1::Selected::default() };
    bench.outcome(Outcome::Selected(next));
    bench.fact(EventName::RouteRequest, 0, |f| f.extensions.set("FailedCallState", "NoAnswer"));
    let returned = |agent: &str| {
        let is = |c: &&Command| matches!(c, Command::Queue(QueueCommand::Return(b)) if b.agent == agent);
        bench.commands.iter().filter(is).count()
    };
    assert_eq!((returned("1001"), returned("1002")), (1, 0));
    assert_eq!(bench.session.queueing.as_ref().and_then(|q| q.selected.clone()).unwrap().0.as_str(), "1002");
}

#[test]
fn a_route_that_the_switch_refuses_returns_the_agent() {
    let mut bench = Bench::new(SALES);
    bench.played(None);
    let (reference, _) = bench.selected();
    bench.fact(EventName::Error, reference, |f| {
        f.error = Some((ErrorCode::OUT_OF_SERVICE, "not registered".to_owned()))
    });
    assert!(bench.commands.iter().any(|c| matches!(c, Command::Queue(QueueCommand::Return(b)) if b.agent == "1001")));
    assert_eq!(bench.ended(), None);
}

#[test]
fn a_caller_who_hangs_up_in_any_state_ends_the_session_and_is_no_withdrawal() {
    for steps in 0..3 {
        let mut bench = Bench::new(SALES);
        if steps > 0 {
            bench.played(None);
        }
        if steps > 1 {
            bench.selected();
        }
        bench.fact(EventName::Abandoned, 0, |_| {});
        assert_eq!(bench.ended(), Some(&Ended::Through), "after {steps} steps");
        let cancelled = bench.commands.iter().any(|c| matches!(c, Command::Queue(QueueCommand::Cancel(_))));
        assert!(!cancelled, "rq reads from the same fact that the caller has left");
        assert!(!bench.commands.contains(&Command::DefaultRoute));
    }
}

#[test]
fn support_asks_for_the_callers_language() {
    for (language, expected) in [(None, "English"), (Some("Spanish"), "Spanish"), (Some("Klingon"), "English")] {
        let mut pairs = UserData::new();
        if let Some(language) = language {
            pairs.set("Language", language);
        }
        let mut bench = Bench::with_data(SUPPORT, pairs);
        bench.played(None);
        assert_eq!(bench.submitted().skill_expression, format!("Support >= 3 & {expected} >= 1"));
    }
}

#[test]
fn the_menu_routes_by_digit_and_to_sales_without_one() {
    for (presses, expected) in [
        (vec![Some("2")], "9001"),
        (vec![Some("1")], "9000"),
        (vec![Some("7"), Some("2")], "9001"),
        (vec![Some("7"), Some("7")], "9000"),
        (vec![Some("")], "9000"),
        (vec![None], "9000"),
    ] {
        let mut bench = Bench::new(MENU);
        for digits in presses {
            bench.played(digits);
        }
        let (reference, request) = bench.last();
        assert_eq!(request, route_to(expected, None));
        bench.fact(EventName::RouteUsed, reference, |f| f.third_party_dn = Some(expected.to_owned()));
        assert_eq!(bench.ended(), Some(&Ended::Through));
    }
}

#[test]
fn closed_plays_and_releases_and_echo_echoes() {
    let mut bench = Bench::new(CLOSED);
    assert_eq!(bench.last_treatment().1, announcement("closed"));
    bench.played(None);
    assert_eq!(bench.last().1, RequestKind::RouteCall(CONN, RouteTo::Disconnect));
    let mut bench = Bench::new(ECHO);
    let (reference, treatment) = bench.last_treatment();
    assert_eq!(treatment, Treatment::Echo);
    bench.fact(EventName::TreatmentApplied, reference, |_| {});
    bench.wait(Duration::from_secs(601));
    assert!(
        bench
            .commands
            .iter()
            .any(|c| matches!(c, Command::Request { kind: RequestKind::RouteCall(CONN, RouteTo::Disconnect), .. }))
    );
}

#[test]
fn a_request_that_nobody_answers_fails_in_time() {
    let mut bench = Bench::new(CLOSED);
    bench.wait(Duration::from_secs(10));
    assert_eq!(bench.last().1, RequestKind::RouteCall(CONN, RouteTo::Disconnect), "error.dialog was taken");
    bench.wait(Duration::from_secs(10));
    assert_eq!(bench.fault(), Some(Fault::EndedEarly));
    assert!(bench.commands.contains(&Command::DefaultRoute));
}

fn broken(body: &str) -> Bench {
    Bench::new(&format!(
        "<scxml version='1.0' datamodel='ecmascript' xmlns:dialog='urn:trunkline:dialog' xmlns:queue='urn:trunkline:queue'>{body}</scxml>"
    ))
}

#[test]
fn each_fault_of_an_application_gives_the_call_its_default() {
    for (body, fault) in [
        (
            "<state><transition event='interaction.present'><script>no.such()</script></transition></state>",
            Fault::UnhandledError,
        ),
        (
            "<state><transition event='interaction.present'><script>for (;;);</script></transition></state>",
            Fault::Limit(LimitKind::ScriptTime),
        ),
        (
            "<state><transition event='interaction.present' target='b'/></state><state id='b'><transition target='c'/></state><state id='c'><transition target='b'/></state>",
            Fault::Limit(LimitKind::Microsteps),
        ),
        ("<state><transition event='interaction.present' target='f'/></state><final id='f'/>", Fault::EndedEarly),
        (
            "<state><transition event='interaction.present'><dialog:play prompts='[]'/></transition></state>",
            Fault::UnhandledError,
        ),
        ("<state><transition event='interaction.present'><queue:submit/></transition></state>", Fault::UnhandledError),
        (
            "<state><transition event='interaction.present'><dialog:play prompts='[]'/></transition><transition event='error.dialog'><dialog:play prompts='[]'/></transition></state>",
            Fault::Limit(LimitKind::EventsPerInput),
        ),
        (
            "<datamodel><data id='o' expr='{}'/></datamodel><state><transition event='interaction.present'/></state>",
            Fault::Stalled,
        ),
    ] {
        let mut bench = broken(body);
        bench.wait(Duration::from_secs(31));
        assert_eq!(bench.fault(), Some(fault), "{body}");
        assert!(bench.commands.contains(&Command::DefaultRoute), "{body}");
        let told = bench.commands.iter().any(|c| matches!(c, Command::Request { kind: RequestKind::UpdateUserData(_, pairs), .. } if pairs.text("RStrategyError") == Some(fault.as_str())));
        assert!(told, "the call's data say why");
        assert_eq!(bench.session.next_timeout(), None);
    }
}

#[test]
fn facts_that_come_again_change_nothing() {
    let mut bench = Bench::new(SALES);
    let (reference, _) = bench.last_treatment();
    bench.played(None);
    let commands = bench.commands.len();
    bench.minor -= 1;
    bench.fact(EventName::TreatmentEnd, reference, |f| f.extensions.set("Result", "Completed"));
    assert_eq!(bench.commands.len(), commands);
}

#[test]
fn a_treatment_that_cannot_play_is_not_asked_for_in_a_storm() {
    let mut bench = Bench::new(SALES);
    bench.played(None);
    let before = bench.commands.len();
    let (reference, _) = bench.last_treatment();
    bench.fact(EventName::TreatmentNotApplied, reference, |_| {});
    assert_eq!(bench.commands.len(), before);
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.last_treatment().1, announcement("all-busy"));
}

#[test]
fn the_queues_refusal_reaches_the_application() {
    let mut bench = Bench::new(SALES);
    bench.played(None);
    bench.outcome(Outcome::Refused(v1::Refused { code: 53, message: "no such skill".to_owned(), at: Some(0) }));
    assert_eq!(bench.last_treatment().1, music(5));
    bench.wait(Duration::from_secs(5));
    assert_eq!(bench.submitted().queue, "sales");
}

#[test]
fn a_route_request_elsewhere_ends_the_session_once_the_call_has_left() {
    let mut bench = Bench::new(SALES);
    bench.played(None);
    let elsewhere = |fact: &mut Fact| fact.this_dn = Dn::parse("9001").ok();
    bench.fact(EventName::RouteRequest, 0, elsewhere);
    assert_eq!(bench.ended(), None, "the call came from there");
    let (reference, _) = bench.selected();
    bench.fact(EventName::RouteUsed, reference, |f| f.third_party_dn = Some("9001".to_owned()));
    bench.fact(EventName::RouteRequest, 0, elsewhere);
    assert_eq!(bench.ended(), Some(&Ended::Through));
}

#[test]
fn a_repeated_submission_is_the_same_request() {
    let mut bench = Bench::new(SALES);
    bench.played(None);
    assert_eq!(bench.session.resubmissions(), [QueueCommand::Submit(bench.submitted())]);
    bench.selected();
    assert_eq!(bench.session.resubmissions(), []);
}

#[test]
fn a_target_has_an_expression_or_the_name_of_a_group() {
    let session = |targets: &str| {
        broken(&format!(
            "<datamodel><data id='r'/></datamodel><state><transition event='interaction.present'><queue:submit requestid='r'><queue:targets>{targets}</queue:targets></queue:submit></transition></state>"
        ))
    };
    let group = "<queue:target type=\"'agentgroup'\" name=\"'Night shift'\"/>";
    assert_eq!(session(group).submitted().skill_expression, "\"group:Night shift\" >= 1");
    let both = format!("{group}<queue:target skillexpr=\"'Sales &gt;= 1'\"/>");
    assert_eq!(session(&both).submitted().skill_expression, "(\"group:Night shift\" >= 1) | (Sales >= 1)");
    for faulty in [
        "<queue:target/>",
        "<queue:target name=\"'a'\" skillexpr=\"'Sales &gt;= 1'\"/>",
        "<queue:target name=\"'a&quot;b'\"/>",
    ] {
        assert_eq!(session(faulty).fault(), Some(Fault::UnhandledError), "{faulty}");
    }
}
