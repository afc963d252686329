use model::request::{MonitorMode, MonitorType};
use model::{UserData, WorkMode};

use super::*;

#[test]
fn an_agent_survives_its_record_in_every_state() {
    let tenant = TenantId::parse("t1").unwrap();
    let agent = AgentId::parse("a-7101").unwrap();
    for state in [
        AgentState::LoggedOut,
        AgentState::NotReady,
        AgentState::Ready,
        AgentState::AfterCallWork,
        AgentState::Busy(AfterBusy::Ready),
        AgentState::Busy(AfterBusy::NotReady),
        AgentState::Busy(AfterBusy::AfterCallWork),
    ] {
        let snapshot = AgentSnapshot {
            tenant: tenant.clone(),
            agent: agent.clone(),
            token: Token(3),
            seq: 9,
            last_at: Timestamp::from_millis(4),
            profile: Profile {
                agent: agent.clone(),
                wrap_up_ms: 10_000,
                untimed_wrap_up_s: 900,
                idle_wrap_up: IdleWrapUp { untimed: true, leads_back: true },
                legal_guard_ms: 3_000,
                no_answer: NoAnswerAction::Logout,
                logout_on_out_of_service: true,
                auto_logout: AutoLogout { after_ms: 60_000, ready_too: true },
                login_needs_password: true,
            },
            dn: (state != AgentState::LoggedOut).then(|| Dn::parse("7101").unwrap()),
            state,
            since: Timestamp::from_millis(2),
            active_at: Timestamp::from_millis(3),
            mode: WorkMode::AuxWork,
            reasons: [("ReasonCode", "Lunch")].into_iter().collect::<UserData>(),
            calls: vec![OnCall { conn_id: ConnId(7), business: true, established: false }],
            due: Some(Timestamp::from_millis(5)),
            login_wrap_up_s: Some(20),
            asked_wrap_up_s: Some(0),
            then: Some(Pause { mode: WorkMode::WalkAway, reasons: UserData::new() }),
        };
        let since = Timestamp::from_millis(6);
        let stored = StoredAgent { agent: snapshot.clone(), interval_since: Some(since) };
        assert_eq!(decode(&tenant, &encode(&snapshot, since)).unwrap(), stored);
    }
}

#[test]
fn a_record_of_an_earlier_version_gets_the_defaults_of_this_one() {
    let record = v1::AgentRecord {
        agent: "a1".to_owned(),
        wrap_up_ms: 7,
        state: v1::AgentRecordState::Ready.into(),
        since_us: 9,
        ..v1::AgentRecord::default()
    };
    let stored = decode(&TenantId::parse("t1").unwrap(), &seal(AGENT, &record)).unwrap();
    let StoredAgent { agent, interval_since } = stored;
    assert_eq!(interval_since, None);
    let expected = Profile { wrap_up_ms: 7, ..Profile::new(AgentId::parse("a1").unwrap()) };
    assert_eq!((agent.profile, agent.active_at), (expected, Timestamp::from_micros(9)));
}

#[test]
fn a_record_of_another_kind_or_a_later_version_is_refused() {
    let tenant = TenantId::parse("t1").unwrap();
    assert!(decode(&tenant, &encode_owner_record(&OwnerRecord::default())).is_err());
    let later = v1::StateRecord { kind: AGENT.into(), version: VERSION + 1, body: Bytes::new() };
    let refused = decode(&tenant, &later.encode_to_vec()).unwrap_err();
    assert_eq!(refused.to_string(), "a record of agent-state cannot be read: its version is 2, this program knows 1");
    let monitor = Monitor {
        id: 7,
        supervisor: Dn::parse("7130").unwrap(),
        dn: Dn::parse("7101").unwrap(),
        mode: MonitorMode::Coach,
        kind: MonitorType::AllCalls,
        until: Timestamp::from_millis(9),
    };
    let record = OwnerRecord { last_token: Token(8), monitors: vec![monitor] };
    assert_eq!(decode_owner_record(&encode_owner_record(&record)).unwrap(), record);
}
