mod bounds;
mod intervals;

use std::collections::HashMap;

use contracts::v1::statistic_reading::Value as Told;
use contracts::v1::{StatisticNotificationMode as Mode, StatisticRefusal as Why};
use model::event::CallRef;
use model::{
    AgentId, CallState, CallType, CallUuid, ConnId, Dn, Event, EventId, EventName, Seq, Subject, TenantId, Token,
    WorkMode,
};
use proptest::prelude::*;

use super::super::catalogue::tests::{example, whole};
use super::*;

/// 09:00:00 UTC of some day.
const NINE: u64 = 1_763_629_200;
const MIDNIGHT: u64 = NINE - 9 * 3_600;
const STREAM: StreamId = StreamId(1);

/// What a stream is told, by the reference of each statistic.
type Values = Vec<(u64, Told)>;
type Refusals = Vec<(u64, Why)>;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis((NINE + seconds) * 1_000)
}

/// A tenant's statistics, with who writes its facts.
struct Site {
    counts: TenantCounts,
    seqs: HashMap<Subject, u64>,
    facts: u64,
}

impl Site {
    fn new() -> Self {
        let counts = TenantCounts::restore(KeptCounts::default(), "0-0".to_owned());
        let mut site = Self { counts, seqs: HashMap::new(), facts: 0 };
        site.configure(whole(|_| {}));
        site.counts.begin_stream(STREAM);
        site.counts.is_at_present();
        site
    }

    fn configure(&mut self, changes: ObjectChanges) {
        self.configure_at(0, changes, 0);
    }

    /// The tenant's clocks are so many hours ahead of UTC.
    fn configure_at(&mut self, seconds: u64, changes: ObjectChanges, hours: i32) {
        let zone = stats::Zone::new(vec![(Timestamp::ZERO, hours * 3_600)]);
        self.counts.configure(changes, |_| zone, at(seconds));
    }

    fn fold(&mut self, subject: Subject, when: Timestamp, event: Event) {
        let seq = self.seqs.entry(subject.clone()).or_default();
        *seq += 1;
        let id = EventId { subject, token: Token(1), seq: Seq(*seq) };
        let tenant = TenantId::parse("acme").unwrap();
        self.counts.fold(&Stamped { id, tenant, at: when, trace: None, event }, when);
        self.facts += 1;
        self.counts.has_reached(format!("0-{}", self.facts));
    }

    fn agent(&mut self, seconds: u64, agent: &str, name: EventName, dn: &str) {
        let id = AgentId::parse(agent).unwrap();
        let mut event = Event::new(name);
        event.agent = Some(id.clone());
        event.this_dn = Dn::parse(dn).ok();
        event.work_mode = Some(WorkMode::ManualIn);
        self.fold(Subject::Agent(id), at(seconds), event);
    }

    fn call(&mut self, seconds: u64, call: u64, name: EventName, change: impl FnOnce(&mut Event)) {
        let mut event = Event::new(name);
        event.call = Some(CallRef {
            conn_id: ConnId(call),
            uuid: CallUuid(call.into()),
            thread: CallUuid(call.into()),
            previous: None,
            call_type: CallType::Inbound,
            propagated_type: None,
            ani: None,
            dnis: None,
        });
        event.call_state = Some(CallState::Ok);
        change(&mut event);
        self.fold(Subject::Call(ConnId(call)), at(seconds), event);
    }

    /// The agent 1001 talks at 7101 for a minute.
    fn handles(&mut self, seconds: u64, call: u64) {
        let at_phone = |event: &mut Event| {
            event.this_dn = Dn::parse("7101").ok();
            event.agent = AgentId::parse("1001").ok();
        };
        self.call(seconds, call, EventName::CallCreated, |_| {});
        self.call(seconds, call, EventName::Ringing, at_phone);
        self.call(seconds + 5, call, EventName::Established, at_phone);
        self.call(seconds + 65, call, EventName::Released, at_phone);
        self.call(seconds + 65, call, EventName::CallDeleted, |_| {});
    }

    fn ask(&mut self, seconds: u64, open: Vec<v1::OpenStatistic>, close: Vec<u64>) {
        self.counts.ask(STREAM, v1::FollowStatisticsRequest { open, close }, at(seconds));
    }

    /// What the stream is told: references with values, and refusals.
    fn told(&mut self, seconds: u64) -> (Values, Refusals) {
        let Some(message) = self.counts.take(STREAM, at(seconds)) else { return Default::default() };
        let value = |told: v1::StatisticTold| (told.reference, told.value.unwrap().value.unwrap());
        let why = |refused: v1::StatisticRefused| (refused.reference, refused.why());
        (message.values.into_iter().map(value).collect(), message.refused.into_iter().map(why).collect())
    }

    fn peeked(&mut self, seconds: u64, request: v1::StatisticRequest) -> v1::StatisticReading {
        let asked = v1::OpenStatistic { reference: 0, request: Some(request) };
        self.counts.peek(vec![asked], at(seconds)).values.remove(0).value.unwrap()
    }
}

fn named(name: &str, object_type: &str, object_id: &str) -> v1::StatisticRequest {
    v1::StatisticRequest {
        name: name.to_owned(),
        object_type: object_type.to_owned(),
        object_id: object_id.to_owned(),
        ..Default::default()
    }
}

/// Calls that the agent was offered: nobody counts them unless somebody asks.
fn offered() -> v1::StatisticRequest {
    let definition = v1::StatisticDefinition {
        category: "TotalNumber".to_owned(),
        subject: "DNAction".to_owned(),
        main_mask: vec!["CallRingingStarted".to_owned()],
        ..Default::default()
    };
    v1::StatisticRequest { definition: Some(definition), ..named("", "Agent", "1001") }
}

fn open(reference: u64, request: v1::StatisticRequest) -> v1::OpenStatistic {
    v1::OpenStatistic { reference, request: Some(request) }
}

fn notified(mode: Mode, insensitivity: u64, every_s: u32, request: v1::StatisticRequest) -> v1::StatisticRequest {
    let notification = Some(v1::StatisticNotification { mode: mode.into(), insensitivity, every_s });
    v1::StatisticRequest { notification, ..request }
}

fn status(told: &Told) -> &str {
    match told {
        Told::State(state) => &state.status,
        other => panic!("{other:?} is no state"),
    }
}

#[test]
fn the_value_comes_once_and_then_the_last_one_of_its_changes() {
    let mut site = Site::new();
    site.ask(0, vec![open(7, named("CurrentAgentState", "Agent", "ada.adler"))], vec![]);
    let (values, _) = site.told(0);
    assert_eq!((values.len(), values[0].0, status(&values[0].1)), (1, 7, "LoggedOut"));
    assert_eq!(site.told(1).0, []);
    site.agent(2, "1001", EventName::AgentLogin, "7101");
    site.agent(3, "1001", EventName::AgentNotReady, "7101");
    site.agent(4, "1001", EventName::AgentReady, "7101");
    let (values, _) = site.told(5);
    assert_eq!((values.len(), status(&values[0].1)), (1, "WaitForNextCall"));
    assert_eq!(site.told(6).0, []);
    site.ask(6, vec![], vec![7]);
    site.agent(7, "1001", EventName::AgentLogout, "7101");
    assert_eq!(site.told(8).0, []);
}

#[test]
fn numbers_of_the_day_count_before_somebody_asks() {
    let mut site = Site::new();
    site.agent(0, "1001", EventName::AgentLogin, "7101");
    site.agent(0, "1001", EventName::AgentReady, "7101");
    site.handles(10, 1);
    site.ask(
        100,
        vec![open(1, named("CallsHandled", "Agent", "1001")), open(2, named("TalkTime", "Agent", "1001"))],
        vec![],
    );
    let message = site.counts.take(STREAM, at(100)).unwrap();
    assert_eq!(message.position, format!("0-{}", site.facts));
    for (told, value) in message.values.iter().zip([Told::Number(1), Told::DurationUs(60_000_000)]) {
        let reading = told.value.as_ref().unwrap();
        assert_eq!(reading.value.as_ref(), Some(&value));
        assert_eq!(reading.counts_since_us, Some(MIDNIGHT * 1_000_000), "{reading:?}");
    }
    let ready = site.peeked(100, named("ReadyTime", "Agent", "1001"));
    assert_eq!(ready.value, Some(Told::DurationUs(35_000_000)));
}

#[test]
fn what_others_have_begun_goes_on_and_what_nobody_has_begins_with_the_question() {
    let mut site = Site::new();
    site.handles(10, 1);
    assert_eq!(site.peeked(100, offered()).value, Some(Told::Number(0)));
    assert_eq!(site.peeked(100, offered()).counts_since_us, Some(at(100).as_micros()));
    site.ask(100, vec![open(1, offered())], vec![]);
    site.handles(110, 2);
    site.ask(180, vec![open(2, offered())], vec![1]);
    assert_eq!(site.told(181).0, [(2, Told::Number(1))]);
    let peeked = site.peeked(181, offered());
    assert_eq!((peeked.value, peeked.counts_since_us), (Some(Told::Number(1)), Some(at(100).as_micros())));
}

#[test]
fn a_statistic_that_nobody_has_open_counts_for_a_day_and_through_a_restart() {
    let mut site = Site::new();
    site.handles(10, 1);
    site.ask(100, vec![open(1, offered())], vec![]);
    site.handles(110, 2);
    site.counts.end_stream(STREAM, at(200));
    let (kept, position) = site.counts.kept();
    site.counts = TenantCounts::restore(kept, position.clone());
    assert_eq!(site.counts.position(), position);
    site.configure(whole(|_| {}));
    site.handles(300, 3);
    let peeked = site.peeked(400, offered());
    assert_eq!((peeked.value, peeked.counts_since_us), (Some(Told::Number(2)), Some(at(100).as_micros())));
    let handled = site.peeked(400, named("CallsHandled", "Agent", "1001"));
    assert_eq!((handled.value, handled.counts_since_us), (Some(Told::Number(3)), Some(MIDNIGHT * 1_000_000)));
    assert_eq!(site.counts.statistics(), 1);
    let day = 86_400;
    site.counts.handle_timeout(at(100 + day));
    assert_eq!(site.counts.statistics(), 1, "it is not a day yet");
    site.counts.handle_timeout(at(200 + day + 600));
    assert_eq!(site.counts.statistics(), 0);
}

#[test]
fn what_is_told_at_intervals_comes_with_and_without_a_change() {
    let mut site = Site::new();
    let every = notified(Mode::Periodical, 0, 5, named("CallsHandled", "Agent", "1001"));
    site.ask(0, vec![open(1, every)], vec![]);
    assert_eq!(site.told(0).0, [(1, Told::Number(0))]);
    site.handles(1, 1);
    assert_eq!(site.told(4).0, [], "a change alone is not told");
    site.counts.handle_timeout(at(5));
    assert_eq!(site.told(5).0, [(1, Told::Number(1))]);
    site.counts.handle_timeout(at(10));
    assert_eq!(site.told(10).0, [(1, Told::Number(1))]);
    assert!(site.counts.periods.first().is_some_and(|(next, ..)| *next == at(15)));
    site.counts.handle_timeout(at(100));
    assert!(site.counts.periods.first().is_some_and(|(next, ..)| *next == at(105)), "what was missed is told once");
    site.ask(101, vec![], vec![1]);
    assert!(site.counts.periods.is_empty());
}

#[test]
fn small_changes_are_told_when_they_have_added_up() {
    let mut site = Site::new();
    let two = notified(Mode::Change, 2, 0, named("CallsHandled", "Agent", "1001"));
    let once = notified(Mode::None, 0, 0, named("CallsHandled", "Agent", "1001"));
    site.ask(0, vec![open(1, two), open(2, once)], vec![]);
    assert_eq!(site.told(0).0, [(1, Told::Number(0)), (2, Told::Number(0))]);
    site.handles(1, 1);
    assert_eq!(site.told(70).0, []);
    site.handles(100, 2);
    assert_eq!(site.told(170).0, [(1, Told::Number(2))]);
}

#[test]
fn a_group_has_the_numbers_of_its_agents() {
    let mut site = Site::new();
    let robots: Vec<String> = example(|_| {}).members("Robots").into_iter().map(|member| member.name).collect();
    site.ask(0, vec![open(1, named("CurrentReadyAgents", "GroupAgents", "Robots"))], vec![]);
    site.ask(0, vec![open(2, named("CurrentLoggedInAgents", "GroupAgents", "Robots"))], vec![]);
    assert_eq!(site.told(0).0, [(1, Told::Number(0)), (2, Told::Number(0))]);
    for (agent, dn) in robots.iter().zip(["7001", "7002"]) {
        site.agent(1, agent, EventName::AgentLogin, dn);
    }
    site.agent(2, &robots[0], EventName::AgentReady, "7001");
    site.agent(2, "1001", EventName::AgentReady, "7101");
    assert_eq!(site.told(3).0, [(1, Told::Number(1)), (2, Told::Number(2))]);
    // Who is ready leaves the group.
    site.configure(whole(|objects| {
        let group = objects.agent_groups.iter_mut().find(|group| group.name == "Robots").unwrap();
        let is_ready = |user: &String| {
            let mut people = objects.people.iter().filter(|person| person.user_name == *user);
            people.any(|person| person.agent.as_ref().is_some_and(|agent| agent.id == robots[0]))
        };
        group.agents.retain(|user| !is_ready(user));
    }));
    assert_eq!(site.told(4).0, [(1, Told::Number(0)), (2, Told::Number(1))]);
}

#[test]
fn a_caller_who_waits_is_counted_at_the_route_point() {
    let mut site = Site::new();
    let at_point = |event: &mut Event| event.this_dn = Dn::parse("9000").ok();
    let names = ["CurrentCallsWaiting", "LongestWait", "CallsAbandoned", "ServiceLevel"];
    let asked = names.iter().zip(1..).map(|(name, reference)| open(reference, named(name, "RoutePoint", "9000")));
    site.ask(0, asked.collect(), vec![]);
    let none = [(1, Told::Number(0)), (2, Told::DurationUs(0)), (3, Told::Number(0)), (4, Told::None(true))];
    assert_eq!(site.told(0).0, none);
    site.call(1, 1, EventName::CallCreated, |_| {});
    site.call(1, 1, EventName::Queued, at_point);
    assert_eq!(site.told(11).0, [(1, Told::Number(1)), (2, Told::DurationUs(10_000_000))]);
    site.call(31, 1, EventName::Abandoned, at_point);
    site.call(31, 1, EventName::CallDeleted, |_| {});
    let (values, _) = site.told(32);
    assert_eq!(values, [(1, Told::Number(0)), (2, Told::DurationUs(0)), (3, Told::Number(1)), (4, Told::Ratio(0.0))]);
}

#[test]
fn what_is_gone_is_refused_to_who_has_it_open() {
    let mut site = Site::new();
    site.ask(0, vec![open(1, named("CallsHandled", "Agent", "1001")), open(2, named("Fame", "Agent", "1001"))], vec![]);
    let (values, refused) = site.told(0);
    assert_eq!((values, refused), (vec![(1, Told::Number(0))], vec![(2, Why::Unknown)]));
    site.configure(whole(|objects| objects.people.retain(|person| person.user_name != "ada.adler")));
    assert_eq!(site.told(1), (vec![], vec![(1, Why::Unknown)]));
    assert_eq!(site.counts.statistics(), 0);
    // The reference is free again.
    site.ask(2, vec![open(1, named("CallsHandled", "Agent", "1002"))], vec![]);
    assert_eq!(site.told(2).0, [(1, Told::Number(0))]);
}

#[test]
fn a_stream_has_no_more_open_than_the_limit_and_no_reference_twice() {
    let mut site = Site::new();
    let many = (0..2_001).map(|reference| open(reference, named("CallsHandled", "Agent", "1001")));
    site.ask(0, many.collect(), vec![]);
    site.ask(0, vec![open(5, named("CallsHandled", "Agent", "1002"))], vec![]);
    let (values, refused) = site.told(0);
    assert_eq!((values.len(), refused), (2_000, vec![(2_000, Why::Full), (5, Why::Faulty)]));
    assert_eq!(site.counts.statistics(), 1, "equal ones are one");
    // What is closed makes room in the same message.
    site.ask(1, vec![open(2_000, named("CallsHandled", "Agent", "1001"))], vec![0]);
    assert_eq!(site.told(1), (vec![(2_000, Told::Number(0))], vec![]));
}

#[test]
fn nothing_is_told_before_the_present_is_reached_and_all_is_told_anew_after_a_gap() {
    let mut site = Site::new();
    site.ask(0, vec![open(1, offered())], vec![]);
    site.handles(1, 1);
    assert_eq!(site.told(70).0, [(1, Told::Number(1))]);
    site.counts.begin_anew(stats::Zone::utc(), at(80));
    assert_eq!(site.counts.position(), "");
    assert_eq!(site.told(81).0, []);
    site.counts.join("0-99".to_owned(), Joined::default(), at(82));
    assert!(site.counts.is_at_present());
    assert_eq!(site.told(82).0, [(1, Told::Number(0))]);
    site.seqs.clear();
    site.handles(90, 2);
    let peeked = site.peeked(160, offered());
    assert_eq!((peeked.value, peeked.counts_since_us), (Some(Told::Number(1)), Some(at(80).as_micros())));
}

proptest! {
    /// Whatever happens, and whenever the stream is read: in the end it was told the values as they are.
    #[test]
    fn what_was_told_last_is_what_is(
        steps in proptest::collection::vec((0..3_usize, 0..4_usize, any::<bool>(), any::<bool>()), 1..60),
    ) {
        let agents = [("1001", "7101"), ("1002", "7102"), ("1003", "7103")];
        let names =
            [EventName::AgentLogin, EventName::AgentReady, EventName::AgentNotReady, EventName::AgentLogout];
        let requests: Vec<v1::StatisticRequest> =
            agents.iter().map(|(agent, _)| named("CurrentAgentState", "Agent", agent)).collect();
        let mut site = Site::new();
        let asked = requests.iter().cloned().zip(0..).map(|(request, reference)| open(reference, request));
        site.ask(0, asked.collect(), vec![]);
        let mut shown = HashMap::new();
        for (seconds, (agent, name, is_read, is_kept)) in (1..).zip(steps) {
            site.agent(seconds, agents[agent].0, names[name], agents[agent].1);
            if is_read {
                shown.extend(site.told(seconds).0);
            }
            if is_kept {
                site.counts.kept();
            }
        }
        shown.extend(site.told(1_000).0);
        for (request, reference) in requests.into_iter().zip(0..) {
            prop_assert_eq!(shown.get(&reference).cloned(), site.peeked(1_000, request).value);
        }
    }
}
