use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

fn value(status: Action, seconds: u64, reason: Option<&str>) -> StateValue {
    StateValue { status, since: Some(at(seconds)), reason: reason.map(str::to_owned), dn: None }
}

/// An agent comes into a state when it begins.
fn comes(states: &mut AgentStates, agent: &str, status: Action, seconds: u64) {
    states.is_in(agent, &value(status, seconds, None), at(seconds));
}

fn window(from: u64, to: u64) -> StateWindow {
    StateWindow { from: at(from), to: at(to), after: None }
}

fn brief<'a>(states: impl IntoIterator<Item = AgentInterval<'a>>) -> Vec<String> {
    let brief = |is: AgentInterval<'_>| {
        let end = is.end.map(|end| end.as_secs().to_string()).unwrap_or_default();
        format!("{} {} {}-{end}", is.agent, is.state.as_str(), is.begin.as_secs())
    };
    states.into_iter().map(brief).collect()
}

fn all(states: &AgentStates) -> Vec<String> {
    brief(states.within(&window(0, 1_000_000)))
}

#[test]
fn a_state_ends_where_the_next_begins() {
    let mut states = AgentStates::default();
    comes(&mut states, "1001", Action::WaitForNextCall, 10);
    comes(&mut states, "1001", Action::WaitForNextCall, 10);
    states.is_in("1002", &value(Action::NotReadyForNextCall, 12, Some("lunch")), at(12));
    comes(&mut states, "1001", Action::CallInbound, 30);
    states.is_in("1002", &value(Action::NotReadyForNextCall, 40, Some("training")), at(40));
    let wanted = ["1001 ready 10-30", "1002 not_ready 12-40", "1001 inbound_call 30-", "1002 not_ready 40-"];
    assert_eq!(all(&states), wanted);
    assert_eq!(states.within(&window(0, 100)).nth(1).and_then(|is| is.reason), Some("lunch"));
    assert_eq!(brief(states.within(&window(30, 40))), wanted[1..3]);
    assert_eq!(brief(states.of_agent("1002", &window(39, 100))), [wanted[1], wanted[3]]);
    assert_eq!(states.present("1001").map(|is| is.state), Some(WorkforceState::InboundCall));
}

#[test]
fn pages_have_every_state_once_and_in_order() {
    let mut states = AgentStates::default();
    for second in 0..60 {
        for agent in ["1001", "1002", "1003"] {
            let status = if second % 2 == 0 { Action::WaitForNextCall } else { Action::CallInbound };
            comes(&mut states, agent, status, 10 * second);
        }
    }
    let mut asked = window(95, 405);
    let whole = brief(states.within(&asked));
    assert_eq!(whole.len(), 3 * 32);
    let mut paged = Vec::new();
    loop {
        let page: Vec<_> = states.within(&asked).take(7).collect();
        let Some(last) = page.last() else { break };
        asked.after = Some((last.begin, last.agent.to_owned()));
        paged.extend(brief(page));
    }
    assert_eq!(paged, whole);
    // A token that is none of this window ends it.
    asked.after = Some((at(9_999), "1001".to_owned()));
    assert_eq!(states.within(&asked).count() + states.of_agent("1001", &asked).count(), 0);
}

#[test]
fn what_is_older_than_two_days_is_forgotten_and_what_lasts_is_not() {
    let mut states = AgentStates::default();
    comes(&mut states, "1001", Action::WaitForNextCall, 10);
    comes(&mut states, "1001", Action::LoggedOut, 20);
    states.forget(at(20) + KEPT_FOR);
    assert_eq!(all(&states).len(), 2);
    states.forget(at(21) + KEPT_FOR);
    assert_eq!(all(&states), ["1001 logged_out 20-"]);
    states.gone("1001", at(50));
    assert_eq!(all(&states), ["1001 logged_out 20-50"]);
    states.forget(at(51) + KEPT_FOR);
    assert!(states.lines.is_empty() && states.order.is_empty());
}

#[test]
fn an_agent_of_whom_nothing_is_known_has_no_state() {
    let mut states = AgentStates::default();
    states.is_in("1001", &StateValue { status: Action::LoggedOut, since: None, reason: None, dn: None }, at(5));
    assert!(states.present("1001").is_none());
}

#[test]
fn a_state_that_began_before_a_known_one_counts_from_when_it_is_known() {
    let mut states = AgentStates::default();
    comes(&mut states, "1001", Action::WaitForNextCall, 10);
    comes(&mut states, "1001", Action::CallInbound, 20);
    // A snapshot at 60 says so.
    states.is_in("1001", &value(Action::NotReadyForNextCall, 15, None), at(60));
    assert_eq!(all(&states), ["1001 ready 10-20", "1001 inbound_call 20-60", "1001 not_ready 60-"]);
}

#[test]
fn who_was_logged_in_before_a_gap_is_in_no_known_state_until_it_is_told() {
    let mut states = AgentStates::default();
    for agent in ["1001", "1002"] {
        comes(&mut states, agent, Action::WaitForNextCall, 10);
    }
    comes(&mut states, "1003", Action::LoggedOut, 10);
    states.unknown_from(at(100));
    assert_eq!(states.unknown().iter().map(|agent| &**agent).collect::<Vec<_>>(), ["1001", "1002"]);
    states.is_in("1001", &value(Action::WaitForNextCall, 10, None), at(300));
    states.has_logged_out("1002", at(300));
    let of = |agent: &str| brief(states.of_agent(agent, &window(0, 1_000)));
    assert_eq!(of("1001"), ["1001 ready 10-100", "1001 unknown 100-300", "1001 ready 300-"]);
    assert_eq!(of("1002"), ["1002 ready 10-100", "1002 unknown 100-300", "1002 logged_out 300-"]);
    assert_eq!(of("1003"), ["1003 logged_out 10-"]);
}

#[test]
fn an_agent_with_too_many_states_loses_its_own_alone() {
    let mut states = AgentStates { bounds: StateBounds { of_agent: 3, all: 100 }, ..AgentStates::default() };
    comes(&mut states, "1001", Action::WaitForNextCall, 1);
    comes(&mut states, "1001", Action::LoggedOut, 2);
    for second in 10..20 {
        let status = if second % 2 == 0 { Action::WaitForNextCall } else { Action::NotReadyForNextCall };
        comes(&mut states, "1002", status, second);
    }
    let wanted =
        ["1001 ready 1-2", "1001 logged_out 2-", "1002 not_ready 17-18", "1002 ready 18-19", "1002 not_ready 19-"];
    assert_eq!(brief(states.within(&window(0, 17))), wanted[..2]);
    assert_eq!(all(&states), wanted);
    assert_eq!((states.take_evicted(), states.take_evicted()), (7, 0));
}

#[test]
fn with_too_many_states_in_all_the_oldest_go_and_those_that_last_stay() {
    let mut states = AgentStates { bounds: StateBounds { of_agent: 100, all: 4 }, ..AgentStates::default() };
    comes(&mut states, "1001", Action::WaitForNextCall, 1);
    for (agent, second) in [("1002", 2), ("1003", 3)] {
        comes(&mut states, agent, Action::WaitForNextCall, second);
        comes(&mut states, agent, Action::CallInbound, 10 * second);
    }
    assert_eq!(all(&states), ["1001 ready 1-", "1003 ready 3-30", "1002 inbound_call 20-", "1003 inbound_call 30-"]);
    assert_eq!(states.take_evicted(), 1);
}

#[test]
fn a_long_reason_is_shortened_at_a_character() {
    let mut states = AgentStates::default();
    states.is_in("1001", &value(Action::NotReadyForNextCall, 1, Some(&"é".repeat(300))), at(1));
    assert_eq!(states.present("1001").and_then(|is| is.reason).map(str::len), Some(REASON_BYTES_MAX));
}
