//! States of agents as intervals, in the order in which they ended, for two days.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::Timestamp;
use stats::{Action, StateValue};

/// For how long a state that is over is kept.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(48 * 3_600);
/// The most states of a tenant that are kept; then the oldest go.
const STATES_MAX: usize = 100_000;

/// The state that has reasons.
const NOT_READY: &str = "not_ready";

/// A state of an agent, from its begin to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AgentInterval {
    pub agent: String,
    pub state: &'static str,
    /// The reason code of a not-ready state.
    pub reason: Option<String>,
    pub begin: Timestamp,
    /// `None` while it lasts.
    pub end: Option<Timestamp>,
}

/// The states of a tenant's agents.
#[derive(Debug, Default)]
pub(super) struct AgentStates {
    present: BTreeMap<String, AgentInterval>,
    over: VecDeque<AgentInterval>,
}

impl AgentStates {
    /// An agent is in this state.
    pub fn is_in(&mut self, agent: &str, value: &StateValue) {
        // No event has ever concerned the agent.
        let Some(begin) = value.since else { return };
        let state = name_of(value.status);
        // An agent who is not ready has the reason during a call too.
        let reason = value.reason.clone().filter(|_| state == NOT_READY);
        if self.present.get(agent).is_some_and(|is| is.state == state && is.reason == reason) {
            return;
        }
        let next = AgentInterval { agent: agent.to_owned(), state, reason, begin, end: None };
        if let Some(mut before) = self.present.insert(agent.to_owned(), next)
            && before.begin < begin
        {
            before.end = Some(begin);
            self.keep(before);
        }
    }

    fn keep(&mut self, over: AgentInterval) {
        if self.over.len() >= STATES_MAX {
            self.over.pop_front();
        }
        self.over.push_back(over);
    }

    /// Forgets what is older than [`KEPT_FOR`].
    pub fn forget(&mut self, now: Timestamp) {
        let is_old = |over: &AgentInterval| over.end.is_some_and(|end| end + KEPT_FOR < now);
        while self.over.front().is_some_and(is_old) {
            self.over.pop_front();
        }
    }

    /// An agent is in the configuration no more: its state ends where it is known last.
    pub fn gone(&mut self, agent: &str, now: Timestamp) {
        if let Some(mut last) = self.present.remove(agent) {
            last.end = Some(now.max(last.begin));
            self.keep(last);
        }
    }

    /// The present state of an agent.
    pub fn present(&self, agent: &str) -> Option<&AgentInterval> {
        self.present.get(agent)
    }

    /// The states that have a part in `[from, to)`, in the order of begin and agent.
    pub fn within(&self, from: Timestamp, to: Timestamp) -> Vec<&AgentInterval> {
        let has_part = |state: &&AgentInterval| state.begin < to && state.end.is_none_or(|end| end > from);
        let mut found: Vec<_> = self.over.iter().chain(self.present.values()).filter(has_part).collect();
        found.sort_by(|a, b| (a.begin, &a.agent).cmp(&(b.begin, &b.agent)));
        found
    }
}

const fn name_of(status: Action) -> &'static str {
    match status {
        Action::WaitForNextCall => "ready",
        Action::NotReadyForNextCall | Action::LoggedIn => NOT_READY,
        Action::AfterCallWork => "after_call_work",
        Action::CallRinging => "ringing",
        Action::CallDialing => "dialing",
        Action::CallOnHold => "on_hold",
        Action::CallInbound => "inbound_call",
        Action::CallOutbound => "outbound_call",
        Action::CallInternal => "internal_call",
        Action::CallConsult => "consultation",
        Action::LoggedOut => "logged_out",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn value(status: Action, seconds: u64, reason: Option<&str>) -> StateValue {
        StateValue { status, since: Some(at(seconds)), reason: reason.map(str::to_owned), dn: None }
    }

    fn brief(states: &[&AgentInterval]) -> Vec<String> {
        let brief = |is: &&AgentInterval| {
            let end = is.end.map(|end| end.as_secs().to_string()).unwrap_or_default();
            format!("{} {} {}-{end}", is.agent, is.state, is.begin.as_secs())
        };
        states.iter().map(brief).collect()
    }

    #[test]
    fn a_state_ends_where_the_next_begins() {
        let mut states = AgentStates::default();
        states.is_in("1001", &value(Action::WaitForNextCall, 10, None));
        states.is_in("1001", &value(Action::WaitForNextCall, 10, None));
        states.is_in("1002", &value(Action::NotReadyForNextCall, 12, Some("lunch")));
        states.is_in("1001", &value(Action::CallInbound, 30, None));
        states.is_in("1002", &value(Action::NotReadyForNextCall, 40, Some("training")));
        let all = states.within(at(0), at(100));
        let wanted = ["1001 ready 10-30", "1002 not_ready 12-40", "1001 inbound_call 30-", "1002 not_ready 40-"];
        assert_eq!(brief(&all), wanted);
        assert_eq!(all[1].reason.as_deref(), Some("lunch"));
        assert_eq!(brief(&states.within(at(30), at(40))), wanted[1..3]);
        assert_eq!(states.present("1001").map(|is| is.state), Some("inbound_call"));
    }

    #[test]
    fn what_is_older_than_two_days_is_forgotten_and_what_lasts_is_not() {
        let mut states = AgentStates::default();
        states.is_in("1001", &value(Action::WaitForNextCall, 10, None));
        states.is_in("1001", &value(Action::LoggedOut, 20, None));
        states.forget(at(20) + KEPT_FOR);
        assert_eq!(states.within(at(0), at(100)).len(), 2);
        states.forget(at(21) + KEPT_FOR);
        assert_eq!(brief(&states.within(at(0), at(100))), ["1001 logged_out 20-"]);
        states.gone("1001", at(50));
        assert_eq!(brief(&states.within(at(0), at(100))), ["1001 logged_out 20-50"]);
    }

    #[test]
    fn an_agent_of_whom_nothing_is_known_has_no_state() {
        let mut states = AgentStates::default();
        states.is_in("1001", &StateValue { status: Action::LoggedOut, since: None, reason: None, dn: None });
        assert!(states.present("1001").is_none());
    }
}
