//! The table of an agent's states (`docs/for-agents.md`), against which random histories are compared.

use super::*;

/// What happens to an agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Trigger {
    LoginManual,
    LoginAuto,
    Logout,
    Ready,
    NotReady,
    AfterCallWork,
    Established,
    CallOver,
    NotAnswered,
    TimeIsUp,
    PhoneLost,
}

const TRIGGERS: [Trigger; 11] = [
    Trigger::LoginManual,
    Trigger::LoginAuto,
    Trigger::Logout,
    Trigger::Ready,
    Trigger::NotReady,
    Trigger::AfterCallWork,
    Trigger::Established,
    Trigger::CallOver,
    Trigger::NotAnswered,
    Trigger::TimeIsUp,
    Trigger::PhoneLost,
];

/// The agent as the table of 1.8 has it: its state, whether it is on a business call, and whether its wrap-up has an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Expected {
    state: AgentState,
    on_call: bool,
    timed: bool,
}

/// The row of the table: the next state, and the events.
fn row(at: Expected, trigger: Trigger) -> (Expected, &'static [&'static str]) {
    use AfterBusy as After;
    use AgentState::{AfterCallWork, Busy, LoggedOut, NotReady, Ready};
    let to = |state| Expected { state, timed: false, ..at };
    let wraps_up = |timed| Expected { state: AfterCallWork, on_call: false, timed };
    let off = |state| Expected { state, on_call: false, timed: false };
    match (at.state, trigger) {
        (LoggedOut, Trigger::LoginManual) => (off(NotReady), &["AgentLogin", "AgentNotReady"]),
        (LoggedOut, Trigger::LoginAuto) => (off(Ready), &["AgentLogin", "AgentReady"]),
        (LoggedOut, Trigger::Logout | Trigger::Ready | Trigger::NotReady | Trigger::AfterCallWork) => (at, &["Error"]),
        (LoggedOut, _) => (at, &[]),
        // A repeat is answered by the present state.
        (Ready | Busy(After::Ready), Trigger::LoginManual | Trigger::LoginAuto) => (at, &["AgentReady"]),
        (_, Trigger::LoginManual | Trigger::LoginAuto) => (at, &["AgentNotReady"]),
        (_, Trigger::Logout) => (off(LoggedOut), &["AgentLogout"]),
        (Busy(_), Trigger::Ready) => (to(Busy(After::Ready)), &["AgentReady"]),
        (_, Trigger::Ready) => (to(Ready), &["AgentReady"]),
        (Busy(_), Trigger::NotReady) => (to(Busy(After::NotReady)), &["AgentNotReady"]),
        (_, Trigger::NotReady) => (to(NotReady), &["AgentNotReady"]),
        (Busy(_), Trigger::AfterCallWork) => (to(Busy(After::AfterCallWork)), &["AgentNotReady"]),
        // More of it, without an end.
        (AfterCallWork, Trigger::AfterCallWork) => (wraps_up(false), &["AgentNotReady"]),
        (_, Trigger::AfterCallWork) => (wraps_up(true), &["AgentNotReady"]),
        (Ready, Trigger::Established) => (Expected { on_call: true, ..to(Busy(After::Ready)) }, &[]),
        (NotReady, Trigger::Established) => (Expected { on_call: true, ..to(Busy(After::NotReady)) }, &[]),
        (AfterCallWork, Trigger::Established) => {
            let after = if at.timed { After::Ready } else { After::AfterCallWork };
            (Expected { on_call: true, ..to(Busy(after)) }, &[])
        }
        (Busy(After::Ready), Trigger::CallOver) => (wraps_up(true), &["AgentNotReady"]),
        (Busy(After::NotReady), Trigger::CallOver) => (off(NotReady), &[]),
        (Busy(After::AfterCallWork), Trigger::CallOver) => (wraps_up(false), &["AgentNotReady"]),
        (Ready, Trigger::NotAnswered) => (off(NotReady), &["AgentNotReady"]),
        (AfterCallWork, Trigger::TimeIsUp) if at.timed => (off(Ready), &["AgentReady"]),
        (Busy(After::Ready | After::AfterCallWork), Trigger::PhoneLost) => {
            (to(Busy(After::NotReady)), &["AgentNotReady"])
        }
        (Ready | AfterCallWork, Trigger::PhoneLost) => (off(NotReady), &["AgentNotReady"]),
        (
            _,
            Trigger::Established | Trigger::CallOver | Trigger::NotAnswered | Trigger::TimeIsUp | Trigger::PhoneLost,
        ) => (at, &[]),
    }
}

fn apply(bench: &mut Bench, trigger: Trigger) {
    match trigger {
        Trigger::LoginManual => {
            bench.ask("a1", "5001", RequestKind::AgentLogin(None, WorkMode::ManualIn, LoginPassword::Absent))
        }
        Trigger::LoginAuto => {
            bench.ask("a1", "5001", RequestKind::AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent))
        }
        Trigger::Logout => bench.ask("a1", "5001", RequestKind::AgentLogout),
        Trigger::Ready => bench.ask("a1", "5001", RequestKind::AgentReady(WorkMode::ManualIn)),
        Trigger::NotReady => bench.ask("a1", "5001", RequestKind::AgentNotReady(WorkMode::AuxWork)),
        Trigger::AfterCallWork => bench.ask("a1", "5001", RequestKind::AgentNotReady(WorkMode::AfterCallWork)),
        Trigger::Established => {
            bench.call(EventName::Ringing, "5001", CallState::Ok, true);
            bench.call(EventName::Established, "5001", CallState::Ok, true);
        }
        Trigger::CallOver => bench.call(EventName::Released, "5001", CallState::Ok, true),
        Trigger::NotAnswered => {
            // Of another call.
            let event = |name, state| {
                let mut event = call_event(name, "5001", state, true);
                event.call.as_mut().expect("a call").conn_id = ConnId(6);
                event
            };
            bench.give(Input::Call(&event(EventName::Ringing, CallState::Ok)));
            bench.give(Input::Call(&event(EventName::Released, CallState::NoAnswer)));
        }
        Trigger::TimeIsUp => bench.pass(Duration::from_secs(2)),
        Trigger::PhoneLost => bench.give(Input::PhoneLost(dn("5001"))),
    }
}

proptest! {
    #[test]
    fn a_session_follows_the_table(triggers in prop::collection::vec(prop::sample::select(&TRIGGERS[..]), 1..60)) {
        let mut bench = Bench::new();
        // So that there is a session.
        bench.ask("a1", "5001", RequestKind::AgentLogout);
        let mut at = Expected { state: AgentState::LoggedOut, on_call: false, timed: false };
        for trigger in triggers {
            let (next, events) = row(at, trigger);
            bench.facts.clear();
            apply(&mut bench, trigger);
            let told: Vec<&str> = bench
                .facts
                .iter()
                .map(|fact| fact.event.name.as_str().trim_start_matches("Event"))
                .collect();
            prop_assert_eq!(&told[..], events, "{:?} in {:?}", trigger, at);
            prop_assert_eq!(bench.state("a1"), next.state, "{:?} in {:?}", trigger, at);
            let session = bench.session();
            prop_assert_eq!(session.due.is_some(), next.timed, "{:?} in {:?}", trigger, at);
            prop_assert_eq!(session.dn.is_some(), next.state != AgentState::LoggedOut);
            at = next;
        }
    }
}
