use call::agent::Profile;
use model::TenantId;

use super::*;

fn agent(state: AgentState, since_ms: u64) -> AgentSnapshot {
    let id = AgentId::parse("1001").unwrap();
    let at = Timestamp::from_millis(since_ms);
    AgentSnapshot {
        seq: 1,
        dn: Dn::parse("7101").ok(),
        state,
        mode: WorkMode::ManualIn,
        ..AgentSnapshot::logged_out(TenantId::parse("t1").unwrap(), Profile::new(id), at)
    }
}

/// The intervals that finished since the last call, and how long they were.
fn told(intervals: &mut Intervals) -> Vec<(String, u64)> {
    let one = |record: &LogRecord| {
        let json: Json = serde_json::from_str(&record.json).unwrap();
        (json["data"]["State"].as_str().unwrap().to_owned(), json["data"]["DurationMs"].as_u64().unwrap())
    };
    let told = intervals.waiting().map(one).collect();
    intervals.finished.clear();
    told
}

#[test]
fn the_intervals_of_a_session_add_up_to_it_and_being_logged_out_is_none() {
    let mut intervals = Intervals::default();
    let at = Timestamp::from_millis;
    intervals.restore(&agent(AgentState::LoggedOut, 1_000), None, Vec::new());
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
fn who_goes_on_from_a_record_of_an_earlier_version_tells_no_time_twice() {
    let mut intervals = Intervals::default();
    let record = AgentSnapshot { last_at: Timestamp::from_millis(7_000), ..agent(AgentState::NotReady, 5_000) };
    intervals.restore(&record, None, Vec::new());
    intervals.observe(&agent(AgentState::Ready, 9_000), Timestamp::from_millis(9_000));
    assert_eq!(told(&mut intervals), [("NotReady".to_owned(), 2_000)]);
}

#[test]
fn who_goes_on_from_a_record_goes_on_with_its_interval() {
    let mut intervals = Intervals::default();
    let record = AgentSnapshot { last_at: Timestamp::from_millis(7_000), ..agent(AgentState::NotReady, 5_000) };
    intervals.restore(&record, Some(Timestamp::from_millis(6_000)), Vec::new());
    let since = intervals.observe(&agent(AgentState::Ready, 9_000), Timestamp::from_millis(9_000));
    assert_eq!(since, Timestamp::from_millis(9_000));
    assert_eq!(told(&mut intervals), [("NotReady".to_owned(), 3_000)]);
}

#[test]
fn a_state_without_duration_is_not_told() {
    let mut intervals = Intervals::default();
    let at = Timestamp::from_millis(5_000);
    intervals.observe(&agent(AgentState::NotReady, 5_000), at);
    intervals.observe(&agent(AgentState::Ready, 5_000), at);
    assert_eq!(told(&mut intervals), []);
}

#[test]
fn finished_intervals_are_intentions_and_their_number_is_bounded() {
    let mut intervals = Intervals::default();
    let id = AgentId::parse("1001").unwrap();
    assert!(intervals.intentions(&id).is_empty());
    for second in 0..100 {
        let state = if second % 2 == 0 { AgentState::NotReady } else { AgentState::Ready };
        intervals.observe(&agent(state, 1_000 * second), Timestamp::from_millis(1_000 * second));
    }
    let waiting: Vec<LogRecord> = intervals.waiting().cloned().collect();
    assert_eq!(waiting.len(), WAITING_MAX);
    assert_eq!(waiting.last().unwrap().id, "agent:1001:interval:98000000");
    assert_eq!(records::decode_intervals(&intervals.intentions(&id)).unwrap(), waiting);
}
