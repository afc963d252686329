use call::agent::Profile;

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
