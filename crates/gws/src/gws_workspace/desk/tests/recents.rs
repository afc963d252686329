//! Which calls come among the recents, and how.

use proptest::prelude::*;

use super::*;

const MAIN: &str = "00000000000000a1";
const BEGAN_MS: u64 = 1_700_000_000_500;

/// A call with somebody outside.
fn with(number: &str, state: &str) -> Value {
    let mut call = call(MAIN, state);
    (call["phoneNumber"], call["startedAt"]) = (json!(number), json!("2023-11-14T22:13:20.500Z"));
    call
}

/// The calls that were noted since the last time.
fn noted(bench: &mut Bench) -> Vec<RecentCall> {
    let others = std::mem::take(&mut bench.others);
    let noted = others.into_iter().filter_map(|output| match output {
        DeskOutput::NoteRecent(recent) => Some(recent),
        _ => None,
    });
    noted.collect()
}

fn recent(number: &str, is_missed: bool) -> RecentCall {
    let (number, call_type) = (number.to_owned(), "Inbound".to_owned());
    RecentCall { number, call_type, at: Timestamp::from_millis(BEGAN_MS), is_missed }
}

/// What is noted of a call that goes through these states.
fn of_course(states: &[&str]) -> Vec<RecentCall> {
    let mut bench = Bench::active();
    states.iter().for_each(|state| bench.hears_call(with("0301", state)));
    noted(&mut bench)
}

#[test]
fn a_call_is_noted_once_when_it_is_answered_or_missed() {
    for (states, is_missed) in [
        (&["Ringing", "Established", "Held", "Established", "Released"][..], false),
        (&["Ringing", "Released"][..], true),
        (&["Dialing", "Established", "Released"][..], false),
        (&["Dialing", "Released"][..], false),
        (&["Established", "Released"][..], false),
        (&["Ringing", "Held"][..], false),
    ] {
        assert_eq!(of_course(states), [recent("0301", is_missed)], "{states:?}");
    }
    for none in [&["Ringing"][..], &["Dialing"], &["Released"]] {
        assert_eq!(of_course(none), [], "{none:?}");
    }
}

#[test]
fn who_sends_a_call_away_has_not_missed_it() {
    let mut bench = Bench::with_calls(&[with("0301", "Ringing")]);
    bench.asks_for(&format!("calls/{MAIN}/release"), &json!({}));
    let release = bench.takes();
    let call = with("0301", "Released");
    bench.hears_as(release, ANN, VoiceNews::Call { call, notification: "StateChange" });
    assert_eq!(noted(&mut bench), [recent("0301", false)]);
}

#[test]
fn nobody_is_noted_without_a_number_or_by_listening_in() {
    let mut bench = Bench::active();
    bench.hears_call(call(MAIN, "Ringing"));
    bench.hears_call(call(MAIN, "Released"));
    let mut monitored = with("7102", "Established");
    monitored["isMonitoredByMe"] = json!(true);
    bench.hears_call(monitored);
    assert_eq!(noted(&mut bench), []);
}

#[test]
fn a_call_under_another_id_is_noted_where_it_is_with_somebody_else() {
    for (number, due) in [("0301", vec![]), ("0302", vec![recent("0302", false)])] {
        let mut bench = Bench::with_calls(&[with("0301", "Established")]);
        let mut moved = with(number, "Established");
        (moved["id"], moved["previousConnId"]) = (json!("00000000000000c3"), json!(MAIN));
        bench.hears_call(moved);
        assert_eq!(noted(&mut bench), due);
    }
}

#[test]
fn nothing_of_an_agent_who_is_not_there_is_noted() {
    let mut bench = Bench::active();
    bench.hears(VoiceNews::Dn(dn(None, "LoggedOut")));
    bench.hears_call(with("0301", "Ringing"));
    bench.hears_call(with("0301", "Released"));
    assert_eq!(noted(&mut bench), []);
}

#[test]
fn a_call_that_went_while_nobody_listened_was_missed() {
    let mut bench = Bench::with_calls(&[with("0301", "Ringing")]);
    bench.hears(VoiceNews::Picture { dn: dn(Some("1001"), "NotReady"), calls: Vec::new() });
    assert_eq!(noted(&mut bench), [recent("0301", true)]);
}

proptest! {
    #[test]
    fn whatever_becomes_of_a_call_it_is_noted_once(
        early in proptest::collection::vec(prop_oneof![Just("Ringing"), Just("Dialing")], 1..4),
        talks in proptest::collection::vec(prop_oneof![Just("Established"), Just("Held")], 0..5),
    ) {
        let states: Vec<&str> = early.iter().chain(&talks).copied().chain(["Released"]).collect();
        let is_missed = talks.is_empty() && early.last() == Some(&"Ringing");
        prop_assert_eq!(of_course(&states), [recent("0301", is_missed)]);
    }
}
