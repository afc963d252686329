//! Route points: answered, abandoned and returning calls, and the values of past buckets.

use super::*;
use crate::definition::{Notification, Refused};
use crate::engine::Output;
use Action::{
    CallAbandoned, CallAbandonedFromRinging, CallAnswered, CallCleared, CallDistributedToQueue, CallEntered,
    CallMissed, CallWait,
};

const SALES: &str = "9000";

fn total(bench: &mut Bench, dn: &str, actions: &[Action]) -> StatisticId {
    bench.open(day(ObjectType::RoutePoint, dn, Category::TotalNumber, actions))
}

fn enters(bench: &mut Bench, when: Timestamp, call: u64) {
    bench.call(when, call, EventName::CallCreated, "", nothing);
    bench.call(when, call, EventName::Queued, SALES, nothing);
}

#[test]
fn a_call_that_nobody_answers_comes_back_with_its_age_and_counts_once() {
    let mut bench = Bench::new();
    let entered = total(&mut bench, SALES, &[CallEntered]);
    let answered = total(&mut bench, SALES, &[CallAnswered]);
    let missed = total(&mut bench, SALES, &[CallMissed]);
    let waiting = bench.open(day(ObjectType::RoutePoint, SALES, Category::CurrentNumber, &[CallWait]));
    let oldest = bench.open(day(ObjectType::RoutePoint, SALES, Category::CurrentMaxTime, &[CallWait]));
    let speed = bench.open(day(ObjectType::RoutePoint, SALES, Category::AverageTime, &[CallAnswered]));
    let waited = bench.open(day(ObjectType::RoutePoint, SALES, Category::TotalTime, &[CallWait]));
    enters(&mut bench, at(0, 0), 1);
    bench.call(at(0, 10), 1, EventName::Diverted, SALES, to("5001"));
    bench.call(at(0, 10), 1, EventName::Ringing, "5001", from_queue(SALES));
    assert_eq!(bench.engine.value(waiting, at(0, 12)), Value::Number(0));
    bench.call(at(0, 25), 1, EventName::Released, "5001", |event: &mut Event| {
        event.this_queue = Some(SALES.to_owned());
        event.call_state = Some(CallState::NoAnswer);
    });
    bench.call(at(0, 25), 1, EventName::Queued, SALES, nothing);
    assert_eq!(bench.engine.value(waiting, at(0, 30)), Value::Number(1));
    assert_eq!(bench.engine.value(oldest, at(0, 30)), secs(30));
    assert_eq!(bench.engine.since(oldest, at(0, 30)), Some(at(0, 0)));
    bench.call(at(0, 40), 1, EventName::Diverted, SALES, to("5002"));
    bench.call(at(0, 40), 1, EventName::Ringing, "5002", from_queue(SALES));
    bench.call(at(0, 45), 1, EventName::Established, "5002", from_queue(SALES));
    let value = |id| bench.engine.value(id, at(1, 0));
    assert_eq!(value(entered), Value::Number(1));
    assert_eq!(value(answered), Value::Number(1));
    assert_eq!(value(missed), Value::Number(1));
    assert_eq!(value(speed), secs(45));
    assert_eq!(value(waited), secs(10 + 15));
}

#[test]
fn giving_up_counts_in_the_queue_while_it_rings_and_before_it_rings() {
    let mut bench = Bench::new();
    let waiting = total(&mut bench, SALES, &[CallAbandoned]);
    let ringing = total(&mut bench, SALES, &[CallAbandonedFromRinging]);
    let cleared = total(&mut bench, SALES, &[CallCleared]);
    bench.engine.set_services(["9004".to_owned()]);
    // In the queue.
    enters(&mut bench, at(0, 0), 1);
    bench.call(at(0, 3), 1, EventName::Abandoned, SALES, nothing);
    bench.call(at(0, 3), 1, EventName::CallDeleted, "", nothing);
    // While the phone rings.
    enters(&mut bench, at(0, 0), 2);
    bench.call(at(0, 5), 2, EventName::Diverted, SALES, to("5001"));
    bench.call(at(0, 5), 2, EventName::Ringing, "5001", from_queue(SALES));
    bench.call(at(0, 9), 2, EventName::Abandoned, "5001", from_queue(SALES));
    bench.call(at(0, 9), 2, EventName::CallDeleted, "", nothing);
    // Before the phone rings.
    enters(&mut bench, at(0, 0), 3);
    bench.call(at(0, 5), 3, EventName::Diverted, SALES, to("5001"));
    bench.call(at(0, 6), 3, EventName::CallDeleted, "", nothing);
    // At an announcement to which the call was sent.
    enters(&mut bench, at(0, 0), 4);
    bench.call(at(0, 5), 4, EventName::Diverted, SALES, to("9004"));
    bench.call(at(0, 6), 4, EventName::CallDeleted, "", nothing);
    // Turned away.
    enters(&mut bench, at(0, 0), 5);
    bench.call(at(0, 5), 5, EventName::Diverted, SALES, why(CallState::Dropped));
    bench.call(at(0, 5), 5, EventName::CallDeleted, "", why(CallState::Dropped));
    let value = |id| bench.engine.value(id, at(1, 0));
    assert_eq!(
        (value(waiting), value(ringing), value(cleared)),
        (Value::Number(2), Value::Number(1), Value::Number(1))
    );
}

#[test]
fn a_menu_that_sends_a_call_on_has_not_answered_it() {
    let mut bench = Bench::new();
    let menu = "9002";
    let of_menu =
        [CallEntered, CallAnswered, CallAbandoned, CallDistributedToQueue].map(|a| total(&mut bench, menu, &[a]));
    let of_sales = [CallEntered, CallAnswered, CallAbandoned].map(|a| total(&mut bench, SALES, &[a]));
    let speed = bench.open(day(ObjectType::RoutePoint, SALES, Category::AverageTime, &[CallAnswered]));
    bench.call(at(0, 0), 1, EventName::CallCreated, "", nothing);
    bench.call(at(0, 0), 1, EventName::Queued, menu, nothing);
    bench.call(at(0, 20), 1, EventName::Diverted, menu, to(SALES));
    bench.call(at(0, 20), 1, EventName::Queued, SALES, nothing);
    bench.call(at(0, 30), 1, EventName::Diverted, SALES, to("5001"));
    bench.call(at(0, 30), 1, EventName::Ringing, "5001", from_queue(SALES));
    bench.call(at(0, 35), 1, EventName::Established, "5001", from_queue(SALES));
    bench.call(at(2, 0), 1, EventName::Released, "5001", from_queue(SALES));
    bench.call(at(2, 0), 1, EventName::CallDeleted, "", nothing);
    let value = |id: StatisticId| bench.engine.value(id, at(3, 0)).number();
    assert_eq!(of_menu.map(value), [1, 0, 0, 1]);
    assert_eq!(of_sales.map(value), [1, 1, 0]);
    assert_eq!(bench.engine.value(speed, at(3, 0)), secs(15));
}

#[test]
fn the_history_has_a_bin_for_each_minute() {
    let mut bench = Bench::new();
    let sliding = |category, actions: &[Action]| {
        let definition = Definition::new(&[ObjectType::RoutePoint], category, Of::DNAction, mask(actions));
        let object = ObjectId::new(ObjectType::RoutePoint, SALES);
        Request::new(definition, object, Profile::Sliding { window_s: 300, step_s: 60 })
    };
    let entered = bench.open(sliding(Category::TotalNumber, &[CallEntered]));
    let most = bench.open(sliding(Category::MaxNumber, &[CallWait]));
    for (call, minutes, seconds) in [(1, 0, 10), (2, 0, 50), (3, 1, 5)] {
        enters(&mut bench, at(minutes, seconds), call);
    }
    for call in [1, 2] {
        bench.call(at(3, 30), call, EventName::Abandoned, SALES, nothing);
    }
    let numbers = |id, now| bench.engine.bins(id, now).iter().map(|bin| bin.number).collect::<Vec<_>>();
    assert_eq!(numbers(entered, at(4, 0)), [2, 1, 0, 0, 0]);
    assert_eq!(numbers(most, at(4, 0)), [2, 3, 3, 3, 1]);
    assert_eq!(bench.engine.bins(entered, at(4, 59)).first().map(|bin| bin.from), Some(at(0, 0)));
    assert_eq!(bench.engine.value(entered, at(4, 59)), Value::Number(3));
    // A minute later the first one is out of the window.
    assert_eq!(numbers(entered, at(5, 0)), [1, 0, 0, 0, 0]);
    assert_eq!(bench.engine.value(entered, at(5, 0)), Value::Number(1));
    assert_eq!(numbers(most, at(9, 0)), [1, 1, 1, 1, 1]);
}

#[test]
fn a_new_day_begins_at_nothing_and_says_so() {
    let mut bench = Bench::new();
    let entered = total(&mut bench, SALES, &[CallEntered]);
    bench.engine.handle_timeout(at(0, 0));
    enters(&mut bench, at(1, 0), 1);
    assert_eq!(bench.engine.value(entered, at(14 * 60 + 59, 59)), Value::Number(1));
    let midnight = at(15 * 60, 0);
    assert_eq!(bench.engine.next_timeout(), Some(midnight));
    while bench.engine.poll_output().is_some() {}
    bench.engine.handle_timeout(midnight);
    assert_eq!(bench.engine.poll_output(), Some(Output::Rolled));
    assert_eq!(bench.engine.value(entered, midnight), Value::Number(0));
    // An event from before midnight that arrives after it does not count for the new day.
    enters(&mut bench, midnight, 2);
    enters(&mut bench, midnight - Duration::from_millis(1), 3);
    assert_eq!(bench.engine.value(entered, midnight), Value::Number(1));
}

#[test]
fn an_event_tells_of_the_statistics_that_it_changes_and_no_others() {
    let mut bench = Bench::new();
    let entered = total(&mut bench, SALES, &[CallEntered]);
    let answered = total(&mut bench, SALES, &[CallAnswered]);
    let elsewhere = total(&mut bench, "9001", &[CallEntered]);
    let mut coarse = day(ObjectType::RoutePoint, SALES, Category::CurrentNumber, &[CallWait]);
    coarse.notification = Notification::Change { insensitivity: 2 };
    let coarse = bench.open(coarse);
    let changed = |bench: &mut Bench| std::iter::from_fn(|| bench.engine.poll_output()).collect::<Vec<_>>();
    enters(&mut bench, at(0, 0), 1);
    assert_eq!(changed(&mut bench), [Output::Changed(entered), Output::Changed(coarse)]);
    enters(&mut bench, at(0, 1), 2);
    assert_eq!(changed(&mut bench), [Output::Changed(entered)]);
    enters(&mut bench, at(0, 2), 3);
    assert_eq!(changed(&mut bench), [Output::Changed(entered), Output::Changed(coarse)]);
    assert_eq!(bench.engine.value(answered, at(1, 0)), Value::Number(0));
    assert_eq!(bench.engine.value(elsewhere, at(1, 0)), Value::Number(0));
}

#[test]
fn what_is_published_together_counts_from_its_oldest_fact_and_the_next_begins_anew() {
    let mut bench = Bench::new();
    assert_eq!(bench.engine.take_oldest(), None, "nothing has happened");
    enters(&mut bench, at(0, 20), 1);
    enters(&mut bench, at(0, 10), 2);
    enters(&mut bench, at(0, 30), 3);
    assert_eq!(bench.engine.take_oldest(), Some(at(0, 10)));
    assert_eq!(bench.engine.take_oldest(), None, "all of it is published");
    // A late fact, older than those published: it was not among them.
    enters(&mut bench, at(0, 5), 4);
    assert_eq!(bench.engine.take_oldest(), Some(at(0, 5)));
}

#[test]
fn a_fact_that_waits_for_its_predecessor_is_published_with_its_own_time() {
    let mut bench = Bench::new();
    let mut pen = Pen::default();
    let first = pen.call(at(0, 10), 1, EventName::Queued, "9000", nothing);
    let second = pen.call(at(0, 12), 1, EventName::Diverted, "9000", nothing);
    bench.feed(&first);
    bench.engine.take_oldest();
    let third = pen.call(at(0, 14), 1, EventName::Released, "9000", nothing);
    bench.feed(&third);
    assert_eq!(bench.engine.take_oldest(), None, "it is not counted yet");
    bench.feed(&second);
    assert_eq!(bench.engine.take_oldest(), Some(at(0, 12)));
}

#[test]
fn the_same_statistic_is_opened_once_and_closed_by_the_last() {
    let mut bench = Bench::new();
    let (first, second) = (total(&mut bench, SALES, &[CallEntered]), total(&mut bench, SALES, &[CallEntered]));
    assert_eq!((first, bench.engine.statistics()), (second, 1));
    enters(&mut bench, at(0, 0), 1);
    bench.engine.close(first);
    assert_eq!(bench.engine.value(second, at(1, 0)), Value::Number(1));
    bench.engine.close(second);
    assert_eq!((bench.engine.value(second, at(1, 0)), bench.engine.statistics()), (Value::None, 0));
}

#[test]
fn what_is_not_implemented_is_refused_by_name() {
    let mut bench = Bench::new();
    let mut refused = |request: Request| bench.engine.open(request).unwrap_err().to_string();
    let queue = |category| day(ObjectType::RoutePoint, SALES, category, &[CallEntered]);
    assert_eq!(refused(queue(Category::EstimWaitTime)), "category EstimWaitTime is not implemented");
    let mut group = queue(Category::TotalNumber);
    group.object.of = ObjectType::GroupQueues;
    assert_eq!(refused(group), "object GroupQueues is not implemented");
    let mut status = queue(Category::TotalNumber);
    status.definition.subject = Of::GroupStatus;
    assert_eq!(refused(status), "subject GroupStatus is not implemented");
    let mut selection = queue(Category::TotalNumber);
    selection.profile = Profile::Selection { last: 5 };
    assert_eq!(refused(selection), "profile Selection is not implemented");
    assert_eq!(refused(queue(Category::ServiceFactor1)), "category ServiceFactor1 needs a relative mask");
    let unknown = bench.engine.open(queue(Category::JavaCategory)).unwrap_err();
    assert!(matches!(unknown, Refused::NotImplemented { .. }));
}

#[test]
fn a_filter_counts_what_it_admits() {
    let mut bench = Bench::new();
    let mut request = day(ObjectType::RoutePoint, SALES, Category::TotalNumber, &[CallEntered]);
    request.filter = Some(crate::Filter::parse("PairExists(\"Language\",\"Spanish\")").unwrap());
    let spanish = bench.open(request);
    enters(&mut bench, at(0, 0), 1);
    bench.call(at(0, 1), 2, EventName::CallCreated, "", nothing);
    bench.call(at(0, 1), 2, EventName::Queued, SALES, |event: &mut Event| event.user_data.set("Language", "Spanish"));
    assert_eq!(bench.engine.value(spanish, at(1, 0)), Value::Number(1));
}

#[test]
fn a_consultation_becomes_a_transfer_or_a_conference() {
    for (state, role, made, taken) in [
        (CallState::Transferred, model::DnRole::TransferredBy, Action::CallTransferMade, Action::CallTransferTaken),
        (
            CallState::Conferenced,
            model::DnRole::ConferencedBy,
            Action::CallConferenceMade,
            Action::CallConferenceJoined,
        ),
    ] {
        let mut bench = Bench::new();
        let mut of = |dn: &str, action| bench.open(day(ObjectType::RegDN, dn, Category::TotalNumber, &[action]));
        let (by, to) = (of("5001", made), of("5002", taken));
        let consulted = of("5002", Action::CallConsultCompleted);
        let talk = bench.open(day(ObjectType::RegDN, "5002", Category::CurrentNumber, &[Action::CallInbound]));
        let held = bench.open(day(ObjectType::RegDN, "5001", Category::CurrentNumber, &[Action::CallOnHold]));
        let consult = |event: &mut Event| {
            event.call.as_mut().expect("a call").call_type = model::CallType::Consult;
        };
        let merged = |event: &mut Event| {
            event.call.as_mut().expect("a call").previous = Some(model::ConnId(2));
            (event.call_state, event.third_party_role) = (Some(state), Some(role));
        };
        enters(&mut bench, at(0, 0), 1);
        bench.call(at(0, 10), 1, EventName::Diverted, SALES, to_5001);
        bench.call(at(0, 10), 1, EventName::Ringing, "5001", from_queue(SALES));
        bench.call(at(0, 15), 1, EventName::Established, "5001", from_queue(SALES));
        bench.call(at(0, 20), 1, EventName::Held, "5001", nothing);
        bench.call(at(0, 20), 2, EventName::Dialing, "5001", consult);
        bench.call(at(0, 21), 2, EventName::Ringing, "5002", consult);
        bench.call(at(0, 25), 2, EventName::Established, "5001", consult);
        bench.call(at(0, 25), 2, EventName::Established, "5002", consult);
        bench.call(at(0, 40), 2, EventName::Released, "5001", |event: &mut Event| {
            consult(event);
            event.call_state = Some(state);
        });
        if state == CallState::Transferred {
            bench.call(at(0, 40), 1, EventName::Released, "5001", why(state));
        } else {
            let itself = |event: &mut Event| event.third_party_dn = Some("5001".to_owned());
            bench.call(at(0, 40), 1, EventName::PartyAdded, "5001", itself);
        }
        bench.call(at(0, 40), 1, EventName::PartyChanged, "5002", merged);
        bench.call(at(0, 40), 2, EventName::CallDeleted, "", consult);
        let values = [by, to, consulted, talk, held].map(|id| bench.engine.value(id, at(1, 0)));
        assert_eq!(values, [1, 1, 1, 1, 0].map(Value::Number), "{state}");
    }
}

#[test]
fn who_monitors_a_call_has_not_taken_it() {
    let mut bench = Bench::new();
    let mut of = |dn: &str| bench.open(day(ObjectType::RegDN, dn, Category::CurrentNumber, &[Action::CallInbound]));
    let (agent, supervisor) = (of("5001"), of("5004"));
    let rings = bench.open(day(ObjectType::RegDN, "5004", Category::TotalNumber, &[Action::CallRinging]));
    let observes = |event: &mut Event| event.this_role = Some(model::DnRole::Observer);
    enters(&mut bench, at(0, 0), 1);
    bench.call(at(0, 10), 1, EventName::Diverted, SALES, to_5001);
    bench.call(at(0, 15), 1, EventName::Established, "5001", from_queue(SALES));
    bench.call(at(0, 16), 1, EventName::Ringing, "5004", observes);
    bench.call(at(0, 20), 1, EventName::Established, "5004", observes);
    let values = [agent, supervisor, rings].map(|id| bench.engine.value(id, at(1, 0)));
    assert_eq!(values, [1, 0, 0].map(Value::Number));
}

#[test]
fn monitoring_and_coaching_count_for_both_sides() {
    let mut bench = Bench::new();
    let mut of = |dn: &str, category, action| bench.open(day(ObjectType::RegDN, dn, category, &[action]));
    let now = Category::CurrentNumber;
    let observing = ["5004", "5005"].map(|dn| of(dn, now, Action::CallObserving));
    let (monitored, coached) = (of("5001", now, Action::BeingMonitored), of("5001", now, Action::BeingCoached));
    let time = of("5001", Category::TotalTime, Action::BeingMonitored);
    let observes = |mode: &'static str| {
        move |event: &mut Event| {
            event.this_role = Some(model::DnRole::Observer);
            event.other_dn = Some("5001".to_owned());
            event.extensions.push("MonitorMode", mode);
        }
    };
    let shown = |bench: &mut Bench, at| {
        [observing[0], observing[1], monitored, coached].map(|id| match bench.engine.value(id, at) {
            Value::Number(number) => number,
            other => panic!("{other:?}"),
        })
    };
    enters(&mut bench, at(0, 0), 1);
    bench.call(at(0, 10), 1, EventName::Diverted, SALES, to_5001);
    bench.call(at(0, 15), 1, EventName::Established, "5001", from_queue(SALES));
    bench.call(at(0, 20), 1, EventName::Established, "5004", observes("mute"));
    bench.call(at(0, 30), 1, EventName::Established, "5005", observes("mute"));
    assert_eq!(shown(&mut bench, at(0, 31)), [1, 1, 1, 0]);
    bench.call(at(0, 40), 1, EventName::ACK, "5005", observes("coach"));
    assert_eq!(shown(&mut bench, at(0, 41)), [1, 1, 1, 1], "one listens, the other one coaches");
    bench.call(at(0, 50), 1, EventName::Released, "5004", observes("mute"));
    assert_eq!(shown(&mut bench, at(0, 51)), [0, 1, 0, 1]);
    assert_eq!(bench.engine.value(time, at(0, 51)), Value::Time(std::time::Duration::from_secs(30)));
    bench.call(at(1, 0), 1, EventName::CallDeleted, "", |_| {});
    assert_eq!(shown(&mut bench, at(1, 1)), [0, 0, 0, 0], "with the call all of it is over");
}

fn to_5001(event: &mut Event) {
    to("5001")(event);
}

#[test]
fn a_transfer_counts_for_who_made_it_and_for_who_took_it() {
    let mut bench = Bench::new();
    let mut of = |dn: &str, action| bench.open(day(ObjectType::RegDN, dn, Category::TotalNumber, &[action]));
    let (made, taken) = (of("5001", Action::CallTransferMade), of("5002", Action::CallTransferTaken));
    let taken_before = of("5001", Action::CallTransferTaken);
    let by_transfer = |event: &mut Event| event.third_party_role = Some(model::DnRole::TransferredBy);
    enters(&mut bench, at(0, 0), 1);
    bench.call(at(0, 10), 1, EventName::Diverted, SALES, to("5001"));
    bench.call(at(0, 10), 1, EventName::Ringing, "5001", from_queue(SALES));
    bench.call(at(0, 15), 1, EventName::Established, "5001", from_queue(SALES));
    bench.call(at(1, 0), 1, EventName::Released, "5001", why(CallState::Transferred));
    bench.call(at(1, 1), 1, EventName::Ringing, "5002", by_transfer);
    bench.call(at(1, 9), 1, EventName::Established, "5002", by_transfer);
    let values = [made, taken, taken_before].map(|id| bench.engine.value(id, at(2, 0)));
    assert_eq!(values, [Value::Number(1), Value::Number(1), Value::Number(0)]);
}

#[test]
fn who_is_brought_into_a_call_by_one_request_has_joined_a_conference() {
    let mut bench = Bench::new();
    let mut of = |dn: &str, action| bench.open(day(ObjectType::RegDN, dn, Category::TotalNumber, &[action]));
    let (made, joined) = (of("5001", Action::CallConferenceMade), of("5002", Action::CallConferenceJoined));
    let nobody_else = of("5001", Action::CallConferenceJoined);
    let by_5001 = |event: &mut Event| {
        event.call_state = Some(CallState::Conferenced);
        event.third_party_dn = Some("5001".to_owned());
        event.third_party_role = Some(model::DnRole::AddedBy);
    };
    enters(&mut bench, at(0, 0), 1);
    bench.call(at(0, 10), 1, EventName::Diverted, SALES, to_5001);
    bench.call(at(0, 10), 1, EventName::Ringing, "5001", from_queue(SALES));
    bench.call(at(0, 15), 1, EventName::Established, "5001", from_queue(SALES));
    bench.call(at(0, 20), 1, EventName::Ringing, "5002", by_5001);
    bench.call(at(0, 25), 1, EventName::Established, "5002", why(CallState::Conferenced));
    bench.call(at(0, 25), 1, EventName::PartyAdded, "5001", by_5001);
    let values = [made, joined, nobody_else].map(|id| bench.engine.value(id, at(1, 0)));
    assert_eq!(values, [1, 1, 0].map(Value::Number));
}
