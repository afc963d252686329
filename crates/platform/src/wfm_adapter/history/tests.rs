use model::event::CallRef;
use model::{AgentId, CallType, CallUuid, ConnId, Dn, Event, EventId, EventName, Seq, Token};

use super::super::agent_states::StateWindow;
use super::*;

/// A quarter of an hour.
const QUARTER: u64 = 900;

fn at(seconds: u64) -> Timestamp {
    // Far enough from the epoch for two days before it.
    Timestamp::from_millis((1_000_000 * QUARTER + seconds) * 1_000)
}

const fn place(minor: u64) -> Position {
    Position { major: 0, minor }
}

fn changed(revision: u64, objects: Vec<v1::ConfigObject>) -> FollowedChange {
    FollowedChange { point: HistoryPoint::unstamped(Revision(revision)), is_whole: false, objects }
}

struct Bench {
    history: TenantHistory,
    /// The minor part of the last position.
    next: u64,
    seqs: HashMap<model::Subject, u64>,
}

impl Bench {
    fn new() -> Self {
        let metrics = Metrics::register(&runtime::Metrics::default());
        let history = TenantHistory::new(&TenantId::parse("acme").unwrap(), metrics);
        let mut bench = Self { history, next: 0, seqs: HashMap::new() };
        bench.configure(vec![agent("1001"), agent("1002"), agent("1003"), point(30)]);
        bench
    }

    fn configure(&mut self, objects: Vec<v1::ConfigObject>) {
        let revision = self.history.workforce.point.revision.0 + 1;
        self.history.configure(changed(revision, objects), at(0));
    }

    fn fold(&mut self, subject: model::Subject, seconds: u64, event: Event) {
        self.next += 1;
        let seq = self.seqs.entry(subject.clone()).or_default();
        *seq += 1;
        let id = EventId { subject, token: Token(1), seq: Seq(*seq) };
        let tenant = TenantId::parse("acme").unwrap();
        let stamped = Stamped { id, tenant, at: at(seconds), trace: None, event };
        self.history.fold(&stamped, at(seconds));
        self.history.passed(place(self.next), at(seconds));
    }

    fn agent(&mut self, seconds: u64, agent: &str, name: EventName) {
        let agent = AgentId::parse(agent).unwrap();
        let mut event = Event::new(name);
        event.this_dn = Dn::parse(&format!("7{}", &agent.as_str()[1..])).ok();
        event.agent = Some(agent.clone());
        self.fold(model::Subject::Agent(agent), seconds, event);
    }

    /// Another call comes to the route point.
    fn queued(&mut self, seconds: u64) {
        let conn_id = ConnId(self.next + 1);
        let mut event = Event::new(EventName::Queued);
        event.call = Some(call_ref(conn_id));
        event.this_dn = Dn::parse("9000").ok();
        self.fold(model::Subject::Call(conn_id), seconds, event);
    }

    fn states(&self, agent: &str) -> Vec<(&'static str, Timestamp, Option<Timestamp>)> {
        let window = StateWindow { from: at(0) - KEPT_FOR, to: at(1_000_000), after: None };
        self.history.states.of_agent(agent, &window).map(|is| (is.state.as_str(), is.begin, is.end)).collect()
    }

    fn offered(&self, now: u64) -> (Vec<u64>, Timestamp) {
        let (steps, begins) = self.history.steps_of("9000", at(now)).unwrap();
        (steps.iter().map(|step| step.offered).collect(), begins)
    }
}

fn object(kind: &str, id: &str, json: String) -> v1::ConfigObject {
    v1::ConfigObject { kind: kind.to_owned(), id: id.to_owned(), json }
}

fn agent(id: &str) -> v1::ConfigObject {
    let json = format!(
        r#"{{"user_name":"u{id}","first_name":"F","last_name":"L","agent":{{"id":"{id}","login_code":"1","pin":null,
        "default_place":null,"wrap_up_s":null,"skills":[]}}}}"#
    );
    object("person", &format!("u{id}"), json)
}

fn point(service_level_s: u32) -> v1::ConfigObject {
    let json = format!(
        r#"{{"number":"9000","type":"route_point","application":"sales","default_dn":null,
        "service_level_s":{service_level_s}}}"#
    );
    object("dn", "9000", json)
}

fn logged_in(agent: &str, ready: bool, since: u64) -> v1::AgentStatus {
    let dn = format!("7{}", &agent[1..]);
    v1::AgentStatus { agent: agent.to_owned(), dn, ready, work_mode: None, since_us: at(since).as_micros() }
}

fn call_ref(conn_id: ConnId) -> CallRef {
    CallRef {
        conn_id,
        uuid: CallUuid(1),
        thread: CallUuid(1),
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: None,
        dnis: None,
    }
}

/// A conversation of a phone.
fn talk(dn: &str, since: u64) -> v1::CallStatus {
    let party = v1::PartyStatus { dn: dn.to_owned(), state: v1::PartyState::Connected.into(), ..Default::default() };
    v1::CallStatus {
        call: Some(contracts::wire::call_ref_to_wire(&call_ref(ConnId(77)))),
        parties: vec![party],
        user_data: None,
        changed_at_us: at(since).as_micros(),
    }
}

fn snapshot(position: u64, agents: Vec<v1::AgentStatus>, calls: Vec<v1::CallStatus>) -> v1::Snapshot {
    v1::Snapshot { position: place(position).to_string(), calls, agents, ..Default::default() }
}

#[test]
fn a_history_whose_first_facts_are_gone_has_no_steps_before_the_next_fact() {
    let mut bench = Bench::new();
    bench.queued(0);
    assert_eq!(bench.offered(0).0.len(), 193);
    bench.next = 9;
    bench.history.begin_after(place(9), snapshot(11, Vec::new(), Vec::new()), at(10 * QUARTER));
    bench.queued(QUARTER + 60);
    bench.history.caught_up();
    assert!(!bench.history.is_present, "the facts have not come to the state ahead");
    bench.queued(2 * QUARTER + 60);
    bench.history.caught_up();
    assert!(bench.history.is_present);
    assert_eq!(bench.offered(3 * QUARTER), (vec![1, 1, 0], at(QUARTER + 60)));
    assert_eq!(bench.history.begins(at(3 * QUARTER)), at(QUARTER + 60));
}

#[test]
fn a_queue_with_other_thresholds_has_no_steps_before_them() {
    let mut bench = Bench::new();
    bench.queued(60);
    bench.history.caught_up();
    let revision = bench.history.workforce.point.revision.0 + 1;
    bench.history.configure(changed(revision, vec![point(10)]), at(2 * QUARTER + 60));
    assert_eq!(bench.offered(3 * QUARTER), (vec![0, 0], at(2 * QUARTER + 60)));
}

#[test]
fn agents_whose_facts_are_gone_are_as_the_snapshot_has_them() {
    let mut bench = Bench::new();
    bench.next = 9;
    let agents = vec![logged_in("1001", false, 10), logged_in("1002", true, 20), logged_in("1003", true, 130)];
    let calls = vec![talk("7002", 90)];
    bench.history.begin_after(place(9), snapshot(11, agents, calls), at(200));
    bench.agent(100, "1003", EventName::AgentNotReady);
    assert_eq!(bench.states("1001"), [("not_ready", at(10), None)]);
    bench.agent(130, "1003", EventName::AgentReady);
    assert_eq!(bench.states("1003"), [("not_ready", at(100), Some(at(130))), ("ready", at(130), None)]);
    let of_1002 = bench.states("1002");
    assert_eq!(of_1002.last().map(|state| state.0), Some("inbound_call"), "{of_1002:?}");
}

#[test]
fn who_logs_out_in_a_gap_is_not_ready_after_it() {
    let mut bench = Bench::new();
    for agent in ["1001", "1002"] {
        bench.agent(10, agent, EventName::AgentReady);
    }
    bench.agent(100, "1003", EventName::AgentReady);
    bench.next = 50;
    bench.history.begin_after(place(50), snapshot(50, vec![logged_in("1002", true, 10)], Vec::new()), at(500));
    let before = [("ready", at(10), Some(at(100))), ("unknown", at(100), Some(at(500)))];
    assert_eq!(bench.states("1001"), [before[0], before[1], ("logged_out", at(500), None)]);
    assert_eq!(bench.states("1002"), [before[0], before[1], ("ready", at(500), None)]);
}

#[test]
fn a_configuration_that_is_read_anew_closes_nothing_that_it_still_has() {
    let mut bench = Bench::new();
    bench.agent(10, "1001", EventName::AgentReady);
    bench.history.configuration_was_reset();
    bench.configure(vec![agent("1001"), point(30)]);
    assert_eq!(bench.states("1001"), [("ready", at(10), None)]);
    assert!(bench.history.workforce.agents.len() == 1 && bench.history.workforce.point.revision == Revision(1));
}

#[test]
fn a_restored_configuration_takes_the_place_of_the_one_that_was_ahead() {
    let mut bench = Bench::new();
    bench.agent(10, "1001", EventName::AgentReady);
    bench.agent(10, "1002", EventName::AgentReady);
    let restored = FollowedChange { is_whole: true, ..changed(1, vec![agent("1001"), point(30)]) };
    bench.history.configure(restored, at(100));
    assert_eq!(bench.history.workforce.agents.keys().collect::<Vec<_>>(), ["1001"]);
    assert_eq!(bench.states("1001"), [("ready", at(10), None)], "who is in both is as before");
    assert_eq!(bench.states("1002"), [("ready", at(10), Some(at(100)))]);
}

#[test]
fn an_agent_who_comes_back_to_the_configuration_is_in_the_state_that_facts_have_told() {
    let mut bench = Bench::new();
    bench.agent(10, "1001", EventName::AgentReady);
    let revision = bench.history.workforce.point.revision.0;
    bench.history.configure(changed(revision + 1, vec![object("person", "u1001", String::new())]), at(100));
    bench.history.configure(changed(revision + 2, vec![agent("1001")]), at(200));
    assert_eq!(bench.states("1001"), [("ready", at(10), Some(at(100))), ("ready", at(200), None)]);
}
