//! The time of each agent in each state, for reporting (voice-55): one record when the state ends. A state that begins and ends within one
//! turn took no time and is not reported.

use std::collections::HashMap;

use call::agent::{AgentSnapshot, state_name};
use contracts::json::{rfc3339, user_data_to_json};
use model::{AgentId, AgentState, Dn, TenantId, Timestamp, UserData, WorkMode};
use serde_json::{Value as Json, json};

/// The record's type.
const NAME: &str = "AgentInterval";

/// A finished interval, as a record.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Interval {
    pub agent: AgentId,
    pub ended_at: Timestamp,
    pub data: Json,
}

/// An agent's present state, and since when.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Present {
    state: AgentState,
    mode: WorkMode,
    reasons: UserData,
    dn: Option<Dn>,
    since: Timestamp,
}

/// The present states of a tenant's agents; at most the agents of the table.
#[derive(Debug, Default)]
pub(super) struct Intervals {
    of: HashMap<AgentId, Present>,
    over: Vec<Interval>,
}

impl Intervals {
    /// Continues with an agent from its record. The record does not contain when mode and reasons changed within a state. The interval
    /// therefore continues from the last event, so that no time is reported twice.
    pub fn restore(&mut self, agent: &AgentSnapshot) {
        self.of.insert(agent.agent.clone(), Present::of(agent, agent.since.max(agent.last_at)));
    }

    /// Compares an agent that may have changed.
    pub fn observe(&mut self, agent: &AgentSnapshot, now: Timestamp) {
        let same = |before: &Present| {
            (before.state, before.mode, &before.dn, &before.reasons)
                == (agent.state, agent.mode, &agent.dn, &agent.reasons)
        };
        if self.of.get(&agent.agent).is_some_and(same) {
            return;
        }
        let Some(before) = self.of.get(&agent.agent) else {
            self.of.insert(agent.agent.clone(), Present::of(agent, agent.since));
            return;
        };
        let began = if before.state == agent.state { now } else { agent.since };
        let began = began.max(before.since);
        if before.state != AgentState::LoggedOut {
            let data = before.told(&agent.agent, began);
            self.over.push(Interval { agent: agent.agent.clone(), ended_at: began, data });
        }
        self.of.insert(agent.agent.clone(), Present::of(agent, began));
    }

    /// Forgets an agent's present state, and its unstored intervals of this turn.
    pub fn forget(&mut self, agent: &AgentId) {
        self.of.remove(agent);
        self.over.retain(|interval| interval.agent != *agent);
    }

    /// The intervals finished since the last call; report them after the commit.
    pub fn take(&mut self) -> Vec<Interval> {
        std::mem::take(&mut self.over)
    }
}

impl Present {
    fn of(agent: &AgentSnapshot, since: Timestamp) -> Self {
        let (state, mode) = (agent.state, agent.mode);
        Self { state, mode, reasons: agent.reasons.clone(), dn: agent.dn.clone(), since }
    }

    fn told(&self, agent: &AgentId, until: Timestamp) -> Json {
        json!({
            "AgentID": agent.as_str(),
            "ThisDN": self.dn.as_ref().map(Dn::as_str),
            "State": state_name(self.state),
            "AgentWorkMode": contracts::wire::work_mode_name(self.mode),
            "Reasons": user_data_to_json(&self.reasons),
            "BeganAt": rfc3339(self.since),
            "EndedAt": rfc3339(until),
            "DurationMs": u64::try_from(until.since(self.since).as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// Reports the intervals to the reporting log.
pub(super) fn tell(reporter: &crate::reporting::Reporter, tenant: &TenantId, over: Vec<Interval>) {
    for Interval { agent, ended_at, data } in over {
        reporter.report(tenant, NAME, agent.as_str(), ended_at, data);
    }
}

#[cfg(test)]
mod tests {
    use call::agent::{NoAnswerAction, Profile};
    use model::Token;

    use super::*;

    fn agent(state: AgentState, since_ms: u64) -> AgentSnapshot {
        let id = AgentId::parse("1001").unwrap();
        AgentSnapshot {
            tenant: TenantId::parse("t1").unwrap(),
            agent: id.clone(),
            token: Token(1),
            seq: 1,
            last_at: Timestamp::from_millis(since_ms),
            profile: Profile {
                agent: id,
                wrap_up_ms: 0,
                no_answer: NoAnswerAction::None,
                logout_on_out_of_service: false,
            },
            dn: Dn::parse("7101").ok(),
            state,
            since: Timestamp::from_millis(since_ms),
            mode: WorkMode::ManualIn,
            reasons: UserData::new(),
            calls: Vec::new(),
            due: None,
        }
    }

    fn told(intervals: &mut Intervals) -> Vec<(String, u64)> {
        let one = |i: Interval| (i.data["State"].as_str().unwrap().to_owned(), i.data["DurationMs"].as_u64().unwrap());
        intervals.take().into_iter().map(one).collect()
    }

    #[test]
    fn the_intervals_of_a_session_add_up_to_it_and_being_logged_out_is_none() {
        let mut intervals = Intervals::default();
        let at = Timestamp::from_millis;
        intervals.restore(&agent(AgentState::LoggedOut, 1_000));
        intervals.observe(&agent(AgentState::NotReady, 5_000), at(5_000));
        intervals.observe(&agent(AgentState::NotReady, 5_000), at(6_000));
        assert_eq!(told(&mut intervals), []);
        intervals.observe(&agent(AgentState::Ready, 9_000), at(9_400));
        let lunch = |since| {
            let reasons = [("ReasonCode", "Lunch")].into_iter().collect();
            AgentSnapshot { mode: WorkMode::AuxWork, reasons, ..agent(AgentState::NotReady, since) }
        };
        intervals.observe(&lunch(10_000), at(10_000));
        intervals.observe(&AgentSnapshot { reasons: UserData::new(), ..lunch(10_000) }, at(12_000));
        intervals.observe(&agent(AgentState::LoggedOut, 13_000), at(13_000));
        let all = told(&mut intervals);
        let expected = [("NotReady", 4_000), ("Ready", 1_000), ("NotReady", 2_000), ("NotReady", 1_000)];
        assert_eq!(all, expected.map(|(state, ms)| (state.to_owned(), ms)));
        assert_eq!(all.iter().map(|(_, ms)| ms).sum::<u64>(), 13_000 - 5_000);
        intervals.observe(&agent(AgentState::NotReady, 20_000), at(20_000));
        assert_eq!(told(&mut intervals), [], "nothing is told of the time between two sessions");
    }

    #[test]
    fn who_goes_on_from_a_record_tells_no_time_twice() {
        let mut intervals = Intervals::default();
        let record = AgentSnapshot { last_at: Timestamp::from_millis(7_000), ..agent(AgentState::NotReady, 5_000) };
        intervals.restore(&record);
        intervals.observe(&agent(AgentState::Ready, 9_000), Timestamp::from_millis(9_000));
        assert_eq!(told(&mut intervals), [("NotReady".to_owned(), 2_000)]);
    }
}
