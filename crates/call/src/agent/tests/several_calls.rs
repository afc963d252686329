//! An agent who has several business calls at a time.

use super::*;

/// An event of the call of that number, which routing gives to a1.
fn event(name: EventName, call: u64, state: CallState) -> Event {
    let mut event = call_event(name, "5001", state, true);
    event.call.as_mut().expect("a call").conn_id = ConnId(call);
    event.agent = Some(id("a1"));
    event
}

/// Agent a1, on the calls 1 and 2.
fn on_two(profile: Profile) -> Bench {
    let mut bench = Bench::ready();
    bench.configure(profile);
    for call in [1, 2] {
        bench.give(Input::Call(&event(EventName::Ringing, call, CallState::Ok)));
        bench.give(Input::Call(&event(EventName::Established, call, CallState::Ok)));
    }
    assert_eq!(bench.state("a1"), AgentState::Busy(AfterBusy::Ready));
    bench
}

impl Bench {
    fn ends(&mut self, call: u64) {
        self.give(Input::Call(&event(EventName::Released, call, CallState::Ok)));
    }
}

#[test]
fn who_does_not_take_a_further_call_gets_none_and_is_not_ready_after_the_present_one() {
    for (no_answer, story) in [
        (NoAnswerAction::None, vec![]),
        (NoAnswerAction::NotReady, vec!["AgentNotReady AuxWork"]),
        (NoAnswerAction::Logout, vec!["AgentNotReady AuxWork"]),
    ] {
        for returns in [false, true] {
            let mut bench = Bench::ready();
            bench.configure(Profile { no_answer, ..profile("a1") });
            bench.give(Input::Call(&event(EventName::Established, 1, CallState::Ok)));
            if returns {
                let mut back = call_event(EventName::RouteRequest, "9000", CallState::Ok, false);
                back.extensions.push("FailedDN", "5001");
                back.extensions.push("FailedAgentID", "a1");
                back.extensions.push("FailedCallState", "NoAnswer");
                bench.give(Input::Call(&back));
            } else {
                bench.give(Input::Call(&event(EventName::Ringing, 2, CallState::Ok)));
                bench.give(Input::Call(&event(EventName::Released, 2, CallState::NoAnswer)));
            }
            assert_eq!(bench.story(), story, "{no_answer:?}, returns: {returns}");
            if no_answer == NoAnswerAction::None {
                continue;
            }
            assert_eq!(bench.facts[0].event.reasons.text("ReasonCode"), Some("NoAnswer"));
            assert_eq!(bench.state("a1"), AgentState::Busy(AfterBusy::NotReady), "the call goes on");
            bench.ends(1);
            assert_eq!(bench.state("a1"), AgentState::NotReady);
        }
    }
}

#[test]
fn who_is_busy_stays_as_it_is_when_a_call_rings_in_vain_that_routing_has_not_given() {
    let mut bench = Bench::ready();
    bench.give(Input::Call(&event(EventName::Established, 1, CallState::Ok)));
    for (name, state) in [(EventName::Ringing, CallState::Ok), (EventName::Released, CallState::NoAnswer)] {
        bench.give(Input::Call(&Event { agent: None, ..event(name, 2, state) }));
    }
    assert_eq!((bench.story(), bench.state("a1")), (vec![], AgentState::Busy(AfterBusy::Ready)));
}

#[test]
fn what_is_due_after_one_of_two_calls_follows_the_last_one_and_until_then_there_is_no_further_call() {
    let mut bench = on_two(profile("a1"));
    bench.ends(1);
    assert_eq!(bench.story(), ["AgentNotReady AfterCallWork"], "no further call");
    assert_eq!(bench.state("a1"), AgentState::Busy(AfterBusy::AfterCallWork));
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.state("a1"), AgentState::Busy(AfterBusy::AfterCallWork), "the second call goes on");
    bench.ends(2);
    assert_eq!(bench.state("a1"), AgentState::AfterCallWork);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.story(), ["AgentNotReady AfterCallWork", "AgentNotReady AfterCallWork", "AgentReady ManualIn"]);
}

#[test]
fn the_rest_after_calls_follows_the_last_one_too() {
    let mut bench = on_two(Profile { wrap_up_ms: 0, legal_guard_ms: 3_000, ..profile("a1") });
    bench.ends(1);
    assert_eq!(bench.state("a1"), AgentState::Busy(AfterBusy::AfterCallWork));
    bench.ends(2);
    assert!(bench.session().is_guarded());
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.state("a1"), AgentState::Ready);
}

#[test]
fn who_has_nothing_to_wrap_up_is_told_ready_after_each_call_and_who_says_ready_goes_on() {
    let mut bench = on_two(Profile { wrap_up_ms: 0, ..profile("a1") });
    bench.ends(1);
    assert_eq!(bench.story(), ["AgentReady AutoIn"], "routing may give the next call");
    assert_eq!(bench.state("a1"), AgentState::Busy(AfterBusy::Ready));

    let mut bench = on_two(profile("a1"));
    bench.ends(1);
    bench.ask("a1", "5001", RequestKind::AgentReady(WorkMode::ManualIn));
    assert_eq!(bench.state("a1"), AgentState::Busy(AfterBusy::Ready));
}
