//! Intervals: whose end tells of which statistics, other clocks, and how many different profiles there may be.

use super::*;
use crate::definition::Refused;
use crate::engine::{Output, store::PROFILES_MAX};
use Action::{CallEntered, CallWait};

const SALES: &str = "9000";

fn over(category: Category, actions: &[Action], profile: Profile) -> Request {
    let request = day(ObjectType::RoutePoint, SALES, category, actions);
    Request { profile, ..request }
}

fn entered(profile: Profile) -> Request {
    over(Category::TotalNumber, &[CallEntered], profile)
}

fn enters(bench: &mut Bench, when: Timestamp, call: u64) {
    bench.call(when, call, EventName::CallCreated, "", nothing);
    bench.call(when, call, EventName::Queued, SALES, nothing);
}

fn outputs(bench: &mut Bench) -> Vec<Output> {
    std::iter::from_fn(|| bench.engine.poll_output()).collect()
}

fn hours_ahead(hours: i32) -> Zone {
    Zone::new(vec![(Timestamp::ZERO, hours * 3_600)])
}

#[test]
fn the_end_of_an_interval_tells_of_its_own_statistics_as_long_as_they_have_something_in_it() {
    let mut bench = Bench::new();
    let _day = bench.open(entered(Profile::day()));
    let sliding = bench.open(entered(Profile::Sliding { window_s: 20, step_s: 10 }));
    let _empty = bench.open(over(Category::TotalNumber, &[CallWait], Profile::Sliding { window_s: 20, step_s: 10 }));
    bench.engine.handle_timeout(at(0, 0));
    enters(&mut bench, at(0, 1), 1);
    outputs(&mut bench);
    let mut told = Vec::new();
    for seconds in [10, 20, 30, 40] {
        assert_eq!(bench.engine.next_timeout(), Some(at(0, seconds)));
        bench.engine.handle_timeout(at(0, seconds));
        told.push(outputs(&mut bench));
    }
    let with = [Output::Rolled, Output::Changed(sliding)];
    assert_eq!(told, [with.to_vec(), with.to_vec(), vec![Output::Rolled], vec![Output::Rolled]]);
    assert_eq!(bench.engine.next_expiry(), None, "the end of an interval is nothing to be kept");
}

#[test]
fn a_roll_that_comes_late_tells_of_what_has_left_the_window_by_then() {
    let mut bench = Bench::new();
    let sliding = bench.open(entered(Profile::Sliding { window_s: 20, step_s: 10 }));
    bench.engine.handle_timeout(at(0, 0));
    enters(&mut bench, at(0, 35), 1);
    outputs(&mut bench);
    bench.engine.handle_timeout(at(2, 0));
    assert_eq!(outputs(&mut bench), [Output::Rolled, Output::Changed(sliding)]);
    assert_eq!(bench.engine.value(sliding, at(2, 0)), Value::Number(0));
}

#[test]
fn a_day_that_began_earlier_by_other_clocks_counts_from_their_change() {
    let mut bench = Bench::new();
    let of_day = bench.open(entered(Profile::day()));
    let of_hour = bench.open(entered(Profile::growing("00:00+1:00").unwrap()));
    enters(&mut bench, at(1, 0), 1);
    // The day began at midnight UTC; in the other zone it began nine hours before.
    bench.engine.set_zone(hours_ahead(9));
    assert_eq!(bench.engine.value(of_day, at(2, 0)), Value::Number(0));
    assert_eq!(bench.engine.value(of_hour, at(2, 0)), Value::Number(1), "the same hour in both zones");
    enters(&mut bench, at(3, 0), 2);
    assert_eq!(bench.engine.value(of_day, at(4, 0)), Value::Number(1));
    assert_eq!(bench.engine.value(of_hour, at(4, 0)), Value::Number(2));
}

#[test]
fn a_day_by_other_clocks_than_when_it_was_stored_counts_too() {
    let mut bench = Bench::new();
    bench.open(entered(Profile::day()));
    enters(&mut bench, at(1, 0), 1);
    bench.engine = Engine::restore(bench.engine.snapshot(), hours_ahead(9));
    let of_day = bench.open(entered(Profile::day()));
    assert_eq!(bench.engine.value(of_day, at(2, 0)), Value::Number(0));
    enters(&mut bench, at(3, 0), 2);
    assert_eq!(bench.engine.value(of_day, at(4, 0)), Value::Number(1));
}

#[test]
fn profiles_without_end_are_refused() {
    let mut bench = Bench::new();
    let sliding = |steps: u32| entered(Profile::Sliding { window_s: steps * 5, step_s: 5 });
    let mut ids: Vec<StatisticId> = (1..=PROFILES_MAX as u32).map(|steps| bench.open(sliding(steps))).collect();
    let more = sliding(PROFILES_MAX as u32 + 1);
    assert_eq!(bench.engine.open(more.clone()), Err(Refused::ManyProfiles(PROFILES_MAX)));
    assert!(bench.engine.open(over(Category::CurrentNumber, &[CallWait], Profile::day())).is_ok(), "it has none");
    let known = over(Category::TotalNumber, &[CallWait], Profile::Sliding { window_s: 5, step_s: 5 });
    assert!(bench.engine.open(known).is_ok());
    bench.engine.close(ids.pop().unwrap());
    assert!(bench.engine.open(more).is_ok());
    assert!(bench.engine.open(entered(Profile::day())).is_ok(), "there is always room for the day");
}
