//! The worked example: six calls in a virtual queue and one agent's morning.

use super::*;
use Action::{
    ACWCompleted, AfterCallWork, CallAbandoned, CallAnswered, CallCleared, CallEntered, CallInbound, CallReleased,
    CallRinging, CallWait, LoggedIn, NotReadyForNextCall, WaitForNextCall,
};

const QUEUE: &str = "VQ";

/// A call that waits in the queue, is offered at `offered`, answered at `answered` and released at `released`.
fn answered(bench: &mut Bench, call: u64, (dn, agent): (&'static str, &str), times: [Timestamp; 4]) {
    let [queued, offered, answered, released] = times;
    let agent = AgentId::parse(agent).unwrap();
    let with_agent = |event: &mut Event| {
        event.agent = Some(agent.clone());
        event.this_queue = Some("RP".to_owned());
    };
    bench.call(queued, call, EventName::CallCreated, "", nothing);
    bench.queue(queued, call, EventName::Queued, QUEUE, nothing);
    bench.queue(offered, call, EventName::Diverted, QUEUE, to(dn));
    bench.call(offered, call, EventName::Ringing, dn, with_agent);
    bench.call(answered, call, EventName::Established, dn, with_agent);
    bench.call(released, call, EventName::Released, dn, with_agent);
    bench.call(released, call, EventName::CallDeleted, "", nothing);
}

/// The engine at 09:10:00, with the statistics that `open` has opened before the first event.
fn example<T>(open: impl FnOnce(&mut Bench) -> T) -> (Bench, T) {
    let mut bench = Bench::new();
    let opened = open(&mut bench);
    bench.agent(at(-5, 0), "A", EventName::AgentLogin, "5001", WorkMode::Unknown);
    bench.agent(at(-5, 0), "A", EventName::AgentNotReady, "5001", WorkMode::Unknown);
    bench.agent(at(-4, 0), "A", EventName::AgentReady, "5001", WorkMode::ManualIn);
    answered(&mut bench, 1, ("5001", "A"), [at(0, 10), at(0, 20), at(0, 25), at(2, 25)]);
    bench.agent(at(2, 25), "A", EventName::AgentNotReady, "5001", WorkMode::AfterCallWork);
    bench.agent(at(2, 55), "A", EventName::AgentReady, "5001", WorkMode::ManualIn);
    answered(&mut bench, 2, ("5002", "B"), [at(1, 0), at(1, 40), at(1, 40), at(5, 0)]);
    for (call, queued, left) in [(3, at(2, 0), at(2, 3)), (4, at(3, 0), at(3, 50))] {
        bench.call(queued, call, EventName::CallCreated, "", nothing);
        bench.queue(queued, call, EventName::Queued, QUEUE, nothing);
        bench.queue(left, call, EventName::Abandoned, QUEUE, nothing);
        bench.call(left, call, EventName::CallDeleted, "", nothing);
    }
    bench.call(at(4, 0), 5, EventName::CallCreated, "", nothing);
    bench.queue(at(4, 0), 5, EventName::Queued, QUEUE, nothing);
    bench.queue(at(4, 30), 5, EventName::Diverted, QUEUE, |event: &mut Event| {
        event.call_state = Some(CallState::Redirected);
        event.third_party_dn = Some("5009".to_owned());
    });
    bench.call(at(9, 0), 6, EventName::CallCreated, "", nothing);
    bench.queue(at(9, 0), 6, EventName::Queued, QUEUE, nothing);
    (bench, opened)
}

/// The value of one statistic of the queue at 09:10:00.
fn of_queue(category: Category, main: &[Action], change: impl FnOnce(Request) -> Request) -> Value {
    let request = change(day(ObjectType::Queue, QUEUE, category, main));
    let (bench, id) = example(|bench| bench.open(request));
    bench.engine.value(id, at(10, 0))
}

fn relative_to(actions: &'static [Action]) -> impl FnOnce(Request) -> Request {
    move |mut request| {
        request.definition.relative = mask(actions);
        request
    }
}

fn as_it_is(request: Request) -> Request {
    request
}

fn percent(value: &Value) -> f64 {
    (value.ratio().unwrap() * 10.0).round() / 10.0
}

#[test]
fn the_queue_has_the_numbers_of_the_table() {
    for (category, actions, wanted) in [
        (Category::TotalNumber, &[CallEntered][..], Value::Number(6)),
        (Category::TotalNumber, &[CallAnswered], Value::Number(2)),
        (Category::TotalNumber, &[CallAbandoned], Value::Number(2)),
        (Category::TotalNumber, &[CallCleared], Value::Number(1)),
        (Category::CurrentNumber, &[CallWait], Value::Number(1)),
        (Category::CurrentMaxTime, &[CallWait], secs(60)),
        (Category::CurrentTime, &[CallWait], secs(60)),
        (Category::AverageTime, &[CallAnswered], Value::Time(Duration::from_millis(27_500))),
        (Category::AverageTime, &[CallAbandoned], Value::Time(Duration::from_millis(26_500))),
        (Category::AverageTime, &[CallReleased], secs(160)),
        (Category::AverageTime, &[ACWCompleted], secs(30)),
        (Category::TotalNumber, &[ACWCompleted], Value::Number(1)),
        (Category::MaxTime, &[CallAnswered], secs(40)),
        (Category::MinTime, &[CallAnswered], secs(15)),
        (Category::MaxNumber, &[CallWait], Value::Number(1)),
        (Category::TotalTime, &[CallWait], secs(10 + 40 + 3 + 50 + 30)),
        (Category::TotalAdjustedTime, &[CallWait], secs(10 + 40 + 3 + 50 + 30 + 60)),
    ] {
        assert_eq!(of_queue(category, actions, as_it_is), wanted, "{category} {actions:?}");
    }
    let short = of_queue(Category::TotalNumberInTimeRange, &[CallAbandoned], |r| r.range(TimeRange::up_to_secs(5)));
    assert_eq!(short, Value::Number(1));
}

#[test]
fn the_service_level_leaves_short_abandons_out() {
    let within = |request: Request| request.range(TimeRange::up_to_secs(20));
    let level = of_queue(Category::ServiceFactor1, &[CallAnswered], |r| {
        within(relative_to(&[CallAbandoned])(r)).second_range(TimeRange::up_to_secs(5))
    });
    assert_eq!(percent(&level), 33.3);
    let with_short = of_queue(Category::ServiceFactor1, &[CallAnswered], |r| within(relative_to(&[CallAbandoned])(r)));
    assert_eq!(percent(&with_short), 25.0);
    let answered = of_queue(Category::TotalNumberInTimeRange, &[CallAnswered], within).number();
    assert_eq!(percent(&Value::Ratio(100.0 * f64::from(u32::try_from(answered).unwrap()) / 6.0)), 16.7);
}

#[test]
fn shares_and_handling_time_are_those_of_the_table() {
    let of_both =
        of_queue(Category::RelativeNumberPercentage, &[CallAbandoned], relative_to(&[CallAnswered, CallAbandoned]));
    assert_eq!(percent(&of_both), 50.0);
    let of_entered = of_queue(Category::RelativeNumberPercentage, &[CallAbandoned], relative_to(&[CallEntered]));
    assert_eq!(percent(&of_entered), 33.3);
    let handling = of_queue(Category::AverageTime, &[CallReleased, ACWCompleted], relative_to(&[CallReleased]));
    assert_eq!(handling, secs(175));
}

#[test]
fn nothing_to_divide_by_has_no_value() {
    let mut bench = Bench::new();
    let level = Definition::new(&[ObjectType::Queue], Category::ServiceFactor1, Of::DNAction, mask(&[CallAnswered]))
        .relative(mask(&[CallAbandoned]));
    let level = Request::new(level, ObjectId::new(ObjectType::Queue, QUEUE), Profile::day());
    let level = bench.open(level.range(TimeRange::up_to_secs(20)));
    let average = bench.open(day(ObjectType::Queue, QUEUE, Category::AverageTime, &[CallAnswered]));
    assert_eq!(bench.engine.value(level, at(0, 0)), Value::None);
    assert_eq!(bench.engine.value(average, at(0, 0)), secs(0));
}

#[test]
fn the_agents_morning_adds_up_to_the_login() {
    let wanted = [
        (LoggedIn, 900),
        (NotReadyForNextCall, 60),
        (CallRinging, 5),
        (CallInbound, 120),
        (AfterCallWork, 30),
        (WaitForNextCall, 685),
    ];
    for subject in [Of::DNAction, Of::AgentStatus] {
        let (bench, ids) = example(|bench| {
            wanted.map(|(action, _)| {
                let definition =
                    Definition::new(&[ObjectType::Agent], Category::TotalAdjustedTime, subject, mask(&[action]));
                let object = ObjectId::new(ObjectType::Agent, "A");
                bench.open(Request::new(definition, object, Profile::SinceLogin))
            })
        });
        for ((action, seconds), id) in wanted.into_iter().zip(ids) {
            // In the status every other action of the agent hides `LoggedIn`.
            let seconds = if subject == Of::AgentStatus && action == LoggedIn { 0 } else { seconds };
            assert_eq!(bench.engine.value(id, at(10, 0)), secs(seconds), "{subject} {action}");
        }
    }
    let occupancy = 100.0 * f64::from(5 + 120 + 30) / f64::from(900 - 60);
    assert_eq!(percent(&Value::Ratio(occupancy)), 18.5);
}

#[test]
fn an_agents_state_is_the_highest_action_and_since_when_it_is() {
    let mut bench = Bench::new();
    let definition = Definition::new(&[ObjectType::Agent], Category::CurrentState, Of::AgentStatus, Mask::NONE);
    let state = Request::new(definition, ObjectId::new(ObjectType::Agent, "A"), Profile::day());
    let state = bench.open(state);
    let is = |bench: &Bench, wanted: Action, since: Timestamp| {
        let Value::State(state) = bench.engine.value(state, at(60, 0)) else { panic!("no state") };
        assert_eq!((state.status, state.since), (wanted, Some(since)));
    };
    let with_agent = |event: &mut Event| {
        event.agent = Some(AgentId::parse("A").unwrap());
        event.this_queue = Some("RP".to_owned());
    };
    bench.agent(at(0, 0), "A", EventName::AgentLogin, "5001", WorkMode::Unknown);
    bench.agent(at(1, 0), "A", EventName::AgentReady, "5001", WorkMode::ManualIn);
    is(&bench, WaitForNextCall, at(1, 0));
    // A repair that repeats the state changes nothing.
    bench.agent(at(1, 30), "A", EventName::AgentReady, "5001", WorkMode::ManualIn);
    is(&bench, WaitForNextCall, at(1, 0));
    bench.call(at(2, 0), 1, EventName::CallCreated, "", nothing);
    bench.call(at(2, 0), 1, EventName::Ringing, "5001", with_agent);
    is(&bench, CallRinging, at(2, 0));
    bench.call(at(2, 5), 1, EventName::Established, "5001", with_agent);
    is(&bench, CallInbound, at(2, 5));
    bench.call(at(3, 0), 1, EventName::Held, "5001", with_agent);
    is(&bench, Action::CallOnHold, at(3, 0));
    bench.call(at(4, 0), 1, EventName::Retrieved, "5001", with_agent);
    is(&bench, CallInbound, at(4, 0));
    bench.call(at(5, 0), 1, EventName::Released, "5001", with_agent);
    bench.agent(at(5, 0), "A", EventName::AgentNotReady, "5001", WorkMode::AfterCallWork);
    is(&bench, AfterCallWork, at(5, 0));
    bench.agent(at(6, 0), "A", EventName::AgentLogout, "5001", WorkMode::Unknown);
    is(&bench, Action::LoggedOut, at(6, 0));
}
