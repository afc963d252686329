//! Requests about addresses, options of the tenant, and requests of supervisors.

use call::agent::NoAnswerAction as Action;
use model::Value;
use model::request::ForcedState;

use super::*;

impl Site {
    /// The event that answers the last request.
    async fn answer(&self) -> Event {
        self.story().await.last().expect("an answer").event.clone()
    }

    async fn error(&self) -> Option<u16> {
        self.answer().await.error.map(|(code, _)| code.0)
    }
}

fn calls(event: &Event) -> Vec<(String, UserData)> {
    let Some(Value::List(calls)) = event.extensions.get("Calls") else { return Vec::new() };
    let each = calls.iter().map(|(conn_id, party)| match party {
        Value::List(party) => (conn_id.to_owned(), party.clone()),
        other => panic!("{other:?}"),
    });
    each.collect()
}

#[tokio::test]
async fn a_registration_is_answered_by_what_is_on_the_dn() {
    let mut site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.log_in(&mut agents).await;
    site.call(&mut agents, EventName::Ringing, CallState::Ok).await;
    site.call(&mut agents, EventName::Established, CallState::Ok).await;
    site.ask(&mut agents, "7101", RequestKind::RegisterAddress).await;
    let snapshot = site.answer().await;
    assert_eq!((snapshot.name, snapshot.reference), (EventName::Registered, ReferenceId(17)));
    let text = |key| snapshot.extensions.text(key);
    assert_eq!(
        [text("AddressType"), text("AddressStatus"), text("AgentState")],
        [Some("DN"), Some("Talking"), Some("BusyReady")]
    );
    assert_eq!(snapshot.agent.as_ref().map(ToString::to_string).as_deref(), Some("a1"));
    let calls = calls(&snapshot);
    assert_eq!((calls.len(), calls[0].0.as_str()), (1, "0000000000000005"));
    assert_eq!(calls[0].1.get("PartyStateNumber"), Some(&Value::Int(0xc)));
    let position = agents.position().to_string();
    assert_eq!(text("Position"), Some(position.as_str()), "what follows it comes on top");

    site.ask(&mut agents, "7102", RequestKind::QueryAddress).await;
    let empty = site.answer().await;
    assert_eq!((empty.name, empty.extensions.text("AddressStatus")), (EventName::AddressInfo, Some("Idle")));
    assert_eq!((empty.agent, empty.extensions.get("CallsOnDN")), (None, Some(&Value::Int(0))));
    site.ask(&mut agents, "9000", RequestKind::QueryAddress).await;
    assert_eq!(site.answer().await.extensions.text("AddressType"), Some("RouteDN"));
    site.ask(&mut agents, "7101", RequestKind::UnregisterAddress).await;
    assert_eq!(site.answer().await.name, EventName::Unregistered);
    site.ask(&mut agents, "7101", RequestKind::QueryServer).await;
    let server = site.answer().await;
    assert_eq!((server.name, server.extensions.get("Calls")), (EventName::ServerInfo, Some(&Value::Int(1))));
    assert_eq!(server.extensions.get("AgentsLoggedIn"), Some(&Value::Int(1)));
}

#[tokio::test]
async fn a_successor_knows_registered_phones_and_calls_from_their_records() {
    let site = Site::new();
    let model = contracts::v1::CallModelRecord {
        tenant: "t1".to_owned(),
        conn_id: 9,
        stage: Some(contracts::v1::call_model_record::Stage::Talking(contracts::v1::NothingRecord {})),
        parties: vec![contracts::v1::PartyRecord {
            number: 2,
            dn: Some("7102".to_owned()),
            established: true,
            ..Default::default()
        }],
        ..Default::default()
    };
    let body = contracts::v1::CallRecord { model: Some(model), ..Default::default() };
    let body = prost::Message::encode_to_vec(&body).into();
    let state = contracts::v1::StateRecord { kind: "call".to_owned(), version: 1, body };
    let write = infra::CallWrite {
        tenant: site.tenant.clone(),
        conn_id: ConnId(9),
        owner: Owner { node: NodeId::parse("sip-cluster-1").unwrap(), epoch: Epoch(7) },
        token: Token(1),
        change: infra::Change::Create {
            state: prost::Message::encode_to_vec(&state).into(),
            intentions: bytes::Bytes::new(),
        },
        due: None,
        index: Vec::new(),
        events: Vec::new(),
        new_call: None,
        absorbs: None,
    };
    let written = site.stores.calls.commit(vec![write]).await.unwrap();
    assert!(matches!(written[..], [Written::Done { .. }]), "{written:?}");
    let mut agents = site.claim(1).await.unwrap();
    site.ask(&mut agents, "7102", RequestKind::QueryAddress).await;
    let info = site.answer().await;
    assert_eq!(info.extensions.text("AddressStatus"), Some("Talking"), "{info:?}");
    assert_eq!(calls(&info)[0].0, "0000000000000009");
}

#[tokio::test]
async fn a_dn_that_is_not_configured_is_error_59_and_an_agent_logs_in_at_a_phone() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    let login = RequestKind::AgentLogin(AgentId::parse("a1").ok(), WorkMode::AutoIn, LoginPassword::Absent);
    for kind in [RequestKind::QueryAddress, RequestKind::RegisterAddress, login.clone()] {
        site.ask(&mut agents, "7999", kind).await;
        assert_eq!(site.error().await, Some(59));
    }
    site.ask(&mut agents, "9000", login.clone()).await;
    assert_eq!(site.error().await, Some(53));
    let nobody = RequestKind::AgentLogin(AgentId::parse("a9").ok(), WorkMode::AutoIn, LoginPassword::Absent);
    site.ask(&mut agents, "7101", nobody).await;
    assert_eq!(site.error().await, Some(53));
    site.ask(&mut agents, "7101", login.clone()).await;
    assert_eq!(site.error().await, None);
    site.ask(&mut agents, "7102", login).await;
    assert_eq!(site.error().await, Some(527));
}

#[tokio::test]
async fn a_supervisor_logs_an_agent_out_from_another_phone() {
    let site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.log_in(&mut agents).await;
    let force = RequestKind::ForceAgentState(Dn::parse("7101").unwrap(), ForcedState::LoggedOut);
    site.ask(&mut agents, "7130", force.clone()).await;
    let logout = site.answer().await;
    assert_eq!((logout.name, logout.reference), (EventName::AgentLogout, ReferenceId(17)));
    assert_eq!(logout.this_dn, Dn::parse("7101").ok());
    assert_eq!(logout.third_party_dn.as_deref(), Some("7130"));
    assert_eq!(site.state("a1").await, Some(AgentState::LoggedOut));
    site.ask(&mut agents, "7130", force).await;
    assert_eq!(site.error().await, Some(93));
}

#[tokio::test]
async fn the_route_point_says_how_long_its_calls_are_wrapped_up() {
    let mut site = Site::new();
    let mut agents = site.claim(1).await.unwrap();
    site.log_in(&mut agents).await;
    for name in [EventName::Ringing, EventName::Established, EventName::Released] {
        let mut entry = site.entry(name, CallState::Ok);
        let mut stamped = (*entry.event).clone();
        stamped.event.this_queue = Some("9000".to_owned());
        entry.event = Arc::new(stamped);
        agents.observe(&[entry], site.now());
    }
    assert_eq!(agents.next_timeout(), Some(site.now() + Duration::from_secs(25)));
}

#[tokio::test]
async fn options_of_the_tenant_hold_for_agents_without_their_own() {
    let tenant = json!({
        "id": "t1", "name": "T", "realm": "t1", "codecs": [], "hold_music": "m", "no_answer_s": 15, "wrap_up_s": 4,
        "agents": {"legal_guard_s": 3, "no_answer_action": "logout", "auto_logout_min": 2, "timed_acw_in_idle": false},
    });
    let person = |name: &str, agent: serde_json::Value| {
        let object = json!({"user_name": name, "first_name": "A", "last_name": "B", "agent": agent});
        Listed { kind: ObjectKind::Person, id: name.to_owned(), object }
    };
    let own = json!({
        "id": "a2", "login_code": "2", "skills": [], "legal_guard_s": 0, "no_answer_action": "none", "wrap_up_s": 9,
    });
    let objects = vec![
        Listed { kind: ObjectKind::Tenant, id: String::new(), object: tenant },
        person("anna", json!({"id": "a1", "login_code": "1", "skills": []})),
        person("bert", own),
    ];
    let mut people = People::default();
    people.take(Changes { version: "1-1".to_owned(), whole: true, objects, gone: Vec::new(), next: None });
    let [anna, bert] = ["a1", "a2"].map(|id| people.profile(&AgentId::parse(id).unwrap()).unwrap());
    assert_eq!((anna.wrap_up_ms, anna.legal_guard_ms, anna.no_answer), (4_000, 3_000, Action::Logout));
    assert_eq!((bert.wrap_up_ms, bert.legal_guard_ms, bert.no_answer), (9_000, 0, Action::None));
    assert_eq!((anna.auto_logout.after_ms, anna.idle_wrap_up.untimed), (120_000, true));
    assert!(!anna.idle_wrap_up.leads_back && anna.untimed_wrap_up_s == 1_000);
}
