//! Each operation as a request, and its answer over HTTP.

use super::*;

const MAIN: &str = "00000000000000a1";
const OTHER: &str = "00000000000000b2";

#[test]
fn a_session_works_at_a_dn_once_its_agent_is_there_and_no_longer() {
    let mut bench = Bench::initialised();
    bench.activates(&json!({"data": {"dn": "7101"}}));
    bench.hears(VoiceNews::Picture { dn: dn(Some("1002"), "Ready"), calls: Vec::new() });
    assert_eq!(bench.desk.working_dn(), None, "another agent is there, and the login may be refused");
    let login = bench.takes();
    bench.hears_as(login, ANN, VoiceNews::Dn(dn(Some("1001"), "NotReady")));
    assert_eq!(bench.desk.working_dn(), Some("7101"));
    bench.hears(VoiceNews::Dn(dn(Some("1002"), "Ready")));
    assert_eq!(bench.desk.working_dn(), None);
}

#[test]
fn operations_of_the_dn_become_requests() {
    let user_data = json!([{"key": "Order", "type": "int", "value": 4711}]);
    for (path, body, frame) in [
        ("login", json!(null), json!({"req": "TAgentLogin", "AgentID": "1001"})),
        (
            "login",
            json!({"data": {"agentWorkMode": "AutoIn"}}),
            json!({"req": "TAgentLogin", "AgentID": "1001", "AgentWorkMode": "AutoIn"}),
        ),
        ("logout", json!(null), json!({"req": "TAgentLogout", "Extensions": {"AgentID": "1001"}})),
        ("deactivate", json!({}), json!({"req": "TAgentLogout", "Extensions": {"AgentID": "1001"}})),
        ("ready", json!(null), json!({"req": "TAgentSetReady"})),
        (
            "ready",
            json!({"data": {"agentWorkMode": "AutoIn", "extensions": [{"key": "a", "type": "str", "value": "b"}]}}),
            json!({"req": "TAgentSetReady", "AgentWorkMode": "AutoIn", "Extensions": {"a": "b"}}),
        ),
        (
            "not-ready",
            json!({"data": {}, "reasonCode": "Lunch"}),
            json!({"req": "TAgentSetNotReady", "Reasons": {"ReasonCode": "Lunch"}}),
        ),
        (
            "not-ready",
            json!({"data": {"agentWorkMode": "AfterCallWork"}}),
            json!({"req": "TAgentSetNotReady", "AgentWorkMode": "AfterCallWork"}),
        ),
        ("dnd-on", json!(null), json!({"req": "TSetDNDOn"})),
        ("dnd-off", json!(null), json!({"req": "TSetDNDOff"})),
        (
            "set-forward",
            json!({"data": {"forwardTo": "7102"}}),
            json!({"req": "TCallSetForward", "OtherDN": "7102", "ForwardMode": "Unconditional"}),
        ),
        ("cancel-forward", json!(null), json!({"req": "TCallCancelForward"})),
        (
            "make-call",
            json!({"data": {"destination": "7102", "userData": user_data}}),
            json!({"req": "TMakeCall", "OtherDN": "7102", "UserData": {"Order": 4711}}),
        ),
        (
            "make-call",
            json!({"data": {"destination": "+4930", "outboundCallerId": "+15550100", "extensions": {"a": "b"}}}),
            json!({"req": "TMakeCall", "OtherDN": "+4930", "Extensions": {"CPNDigits": "+15550100", "a": "b"}}),
        ),
        (
            "fetch-parked",
            json!({"data": {"connId": MAIN.to_ascii_uppercase()}}),
            json!({"req": "TRetrieveCall", "ConnID": MAIN}),
        ),
        (
            "send-user-event",
            json!({"data": {"userData": user_data}}),
            json!({"req": "TSendUserEvent", "UserData": {"Order": 4711}}),
        ),
    ] {
        let mut bench = Bench::active();
        let reply = bench.asks_for(path, &body);
        let mut frame = frame;
        frame["ThisDN"] = json!("7101");
        assert_eq!(bench.frame(), frame, "{path}");
        assert!(bench.replies.is_empty());
        bench.takes();
        assert_eq!(bench.reply(reply), (200, json!(1)), "{path}");
    }
}

#[test]
fn an_event_that_names_a_call_of_the_own_dn_goes_to_all_that_are_in_it() {
    let data = json!([{"key": "Note", "type": "str", "value": "hot"}]);
    let mut other = call(OTHER, "Released");
    other["callUuid"] = json!("V");
    let calls = [call(MAIN, "Established"), other];
    for named in
        [json!({"connId": MAIN.to_uppercase()}), json!({"callUuid": "U"}), json!({"connId": MAIN, "callUuid": "u"})]
    {
        let mut bench = Bench::with_calls(&calls);
        let mut body = json!({"data": named});
        body["data"]["userData"] = data.clone();
        let reply = bench.asks_for("send-user-event", &body);
        let wanted = json!({"req": "TSendUserEvent", "ThisDN": "7101", "UserData": {"Note": "hot"}, "ConnID": MAIN});
        assert_eq!(bench.frame(), wanted, "{body}");
        bench.takes();
        assert_eq!(bench.reply(reply), (200, json!(1)));
    }
    for named in [json!({"connId": "00cc"}), json!({"callUuid": "w"}), json!({"connId": MAIN, "callUuid": "V"})] {
        let mut bench = Bench::with_calls(&calls);
        let mut body = json!({"data": named});
        body["data"]["userData"] = data.clone();
        let reply = bench.asks_for("send-user-event", &body);
        assert!(bench.reply(reply).0 >= 400 && bench.asks.is_empty(), "it is no call of this DN: {body}");
    }
}

#[test]
fn operations_on_a_call_become_requests() {
    let (data, framed) = (json!([{"key": "a", "type": "str", "value": "b"}]), json!({"a": "b"}));
    for (path, body, frame) in [
        ("answer", json!({}), json!({"req": "TAnswerCall"})),
        ("release", json!({}), json!({"req": "TReleaseCall"})),
        ("clear", json!({}), json!({"req": "TClearCall"})),
        ("hold", json!(null), json!({"req": "THoldCall"})),
        ("retrieve", json!({"data": {"reasons": data}}), json!({"req": "TRetrieveCall", "Reasons": framed})),
        ("redirect", json!({"data": {"destination": "9"}}), json!({"req": "TRedirectCall", "OtherDN": "9"})),
        (
            "initiate-transfer",
            json!({"data": {"destination": "9", "userData": data}}),
            json!({"req": "TInitiateTransfer", "OtherDN": "9", "UserData": framed}),
        ),
        (
            "initiate-conference",
            json!({"data": {"destination": "9"}}),
            json!({"req": "TInitiateConference", "OtherDN": "9"}),
        ),
        (
            "single-step-transfer",
            json!({"data": {"destination": "9"}}),
            json!({"req": "TSingleStepTransfer", "OtherDN": "9"}),
        ),
        (
            "single-step-conference",
            json!({"data": {"destination": "9"}}),
            json!({"req": "TSingleStepConference", "OtherDN": "9"}),
        ),
        (
            "delete-from-conference",
            json!({"data": {"dnToDrop": "9"}}),
            json!({"req": "TDeleteFromConference", "OtherDN": "9"}),
        ),
        ("send-dtmf", json!({"data": {"dtmfDigits": "12#"}}), json!({"req": "TSendDTMF", "Digits": "12#"})),
        (
            "attach-user-data",
            json!({"data": {"userData": data}}),
            json!({"req": "TAttachUserData", "UserData": framed}),
        ),
        (
            "update-user-data",
            json!({"data": {"userData": data}}),
            json!({"req": "TUpdateUserData", "UserData": framed}),
        ),
        ("delete-user-data-pair", json!({"key": "a"}), json!({"req": "TDeletePair", "Key": "a"})),
        ("start-recording", json!(null), json!({"req": "TStartRecording"})),
        ("stop-recording", json!(null), json!({"req": "TStopRecording"})),
        ("pause-recording", json!(null), json!({"req": "TPauseRecording"})),
        ("resume-recording", json!(null), json!({"req": "TResumeRecording"})),
        ("alternate", json!({"data": {"heldConnId": OTHER}}), json!({"req": "TAlternateCall", "HeldConnID": OTHER})),
        ("merge", json!({"data": {"otherConnId": OTHER}}), json!({"req": "TMergeCalls", "HeldConnID": OTHER})),
        ("reconnect", json!({"data": {"heldConnId": OTHER}}), json!({"req": "TReconnectCall", "HeldConnID": OTHER})),
    ] {
        let mut bench = Bench::with_calls(&[call(MAIN, "Established"), call(OTHER, "Held")]);
        let reply = bench.asks_for(&format!("calls/{}/{path}", MAIN.to_uppercase()), &body);
        let mut frame = frame;
        (frame["ThisDN"], frame["ConnID"]) = (json!("7101"), json!(MAIN));
        assert_eq!(bench.frame(), frame, "{path}");
        bench.takes();
        assert_eq!(bench.reply(reply), (200, json!(1)), "{path}");
    }
}

#[test]
fn a_consultation_is_completed_with_the_call_that_it_is_about() {
    let mut consultation = call(OTHER, "Established");
    (consultation["callType"], consultation["parentConnId"]) = (json!("Consult"), json!(MAIN));
    for (path, body, request) in [
        ("complete-transfer", json!({}), "TCompleteTransfer"),
        ("complete-conference", json!({"data": {"parentConnId": MAIN}}), "TCompleteConference"),
    ] {
        let mut bench = Bench::with_calls(&[call(MAIN, "Held"), consultation.clone()]);
        bench.asks_for(&format!("calls/{OTHER}/{path}"), &body);
        let frame = json!({"req": request, "ThisDN": "7101", "ConnID": MAIN, "TransferConnID": OTHER});
        assert_eq!(bench.frame(), frame);
        let reply = bench.asks_for(&format!("calls/{MAIN}/{path}"), &json!({}));
        assert_eq!(bench.reply(reply), (400, json!(400)), "no consultation, and no call named");
    }
}

#[test]
fn data_of_a_step_is_attached_before_it_and_the_answer_comes_after_both() {
    let mut bench = Bench::with_calls(&[call(MAIN, "Established")]);
    let data = json!([{"key": "a", "type": "str", "value": "b"}]);
    let body = json!({"operationId": "op", "data": {"destination": "9", "userData": data}});
    let reply = bench.asks_for(&format!("calls/{MAIN}/single-step-transfer"), &body);
    assert_eq!(bench.frame()["req"], "TAttachUserData");
    let first = bench.takes();
    assert_eq!((bench.frame()["req"].clone(), bench.replies.len()), (json!("TSingleStepTransfer"), 0));
    let second = bench.takes();
    assert_eq!(bench.reply(reply), (200, json!(1)));
    assert!(first < second);
    let changed = VoiceNews::Call { call: call(MAIN, "Established"), notification: "AttachedDataChanged" };
    bench.hears_as(first, ANN, changed);
    bench.hears_as(second, ANN, VoiceNews::Call { call: call(MAIN, "Released"), notification: "StateChange" });
    let operations: Vec<Value> = bench.news().iter().map(|event| event["operationId"].clone()).collect();
    assert_eq!(operations, [json!("op"), json!("op")]);
}

#[test]
fn an_operation_needs_the_scope_of_what_it_is_about() {
    let of_call = format!("calls/{MAIN}/hold");
    let of_data = format!("calls/{MAIN}/attach-user-data");
    let body = json!({"data": {
        "dn": "7101", "destination": "9", "forwardTo": "9", "userData": [{"key": "a", "type": "str", "value": "b"}],
    }});
    let (agents, calls) = (["workspace:use", "agents:control"], ["workspace:use", "calls:control"]);
    for (path, needed, of_others) in [
        ("ready", agents, calls),
        ("not-ready", agents, calls),
        ("login", agents, calls),
        ("logout", agents, calls),
        ("deactivate", agents, calls),
        ("dnd-on", agents, calls),
        ("dnd-off", agents, calls),
        ("set-forward", agents, calls),
        ("cancel-forward", agents, calls),
        ("send-user-event", agents, calls),
        ("make-call", calls, agents),
        (of_call.as_str(), calls, agents),
        (of_data.as_str(), calls, agents),
    ] {
        let mut bench = Bench::with_calls(&[call(MAIN, "Established")]);
        for scopes in [&["workspace:use"][..], &of_others] {
            bench.desk.renew(ann(scopes));
            let refused = bench.asks_for(path, &body);
            assert_eq!(bench.reply(refused), (403, json!(403)), "{path} by {scopes:?}");
        }
        assert!(bench.asks.is_empty());
        bench.desk.renew(ann(&needed));
        bench.asks_for(path, &body);
        assert_eq!(bench.asks.len(), 1, "{path}");
    }
}

#[test]
fn who_has_no_scope_about_dns_takes_none() {
    for scopes in [&["workspace:use"][..], &["workspace:use", "agents:control"], &["workspace:use", "calls:control"]] {
        let mut bench = Bench::initialised();
        bench.desk.renew(ann(scopes));
        let refused = bench.activates(&json!({"data": {"dn": "7101"}}));
        assert_eq!(bench.reply(refused), (403, json!(403)), "{scopes:?}");
        let words = bench.replies[0].2["status"]["message"].as_str().unwrap().to_owned();
        assert!(words.contains("default place"), "{words}");
        let refused = bench.asks_for("activate", &json!({"data": {"dn": "7101"}}));
        assert_eq!(bench.reply(refused), (403, json!(403)), "{scopes:?}");
        assert!(bench.asks.is_empty() && bench.others.is_empty());
    }
}

#[test]
fn monitoring_and_supervising_need_their_scopes() {
    let monitored = json!({"data": {"phoneNumberToMonitor": "7102", "monitoringMode": "Coach",
        "monitoringNextCallType": "AllCalls", "monitoringScope": "Call"}});
    let mut bench = Bench::with_calls(&[call(MAIN, "Established")]);
    let supervise = || VoiceOperation::read_supervisor("logout", &json!({"data": {"dn": "7102"}})).unwrap();
    let begin = bench.asks_for("start-monitoring", &monitored);
    let end = bench.asks_for("stop-monitoring", &json!({"data": {"phoneNumber": "7102"}}));
    let switch = bench.asks_for(&format!("calls/{MAIN}/switch-to-coaching"), &json!({}));
    let logout = bench.operates(supervise());
    for reply in [begin, end, switch, logout] {
        assert_eq!(bench.reply(reply), (403, json!(403)));
    }
    assert!(bench.asks.is_empty());

    bench.desk.renew(ann(&["workspace:use", "calls:monitor", "agents:supervise"]));
    let reply = bench.asks_for(&format!("calls/{MAIN}/switch-to-listen-in"), &json!({}));
    assert_eq!(bench.reply(reply), (409, json!(409)), "nobody is monitored");
    bench.asks_for("start-monitoring", &monitored);
    let frame = json!({"req": "TMonitorNextCall", "ThisDN": "7101", "OtherDN": "7102", "MonitorMode": "coach",
        "MonitorType": "AllCalls"});
    assert_eq!(bench.frame(), frame);
    for (path, mode) in
        [("switch-to-listen-in", "mute"), ("switch-to-coaching", "coach"), ("switch-to-barge-in", "connect")]
    {
        bench.asks_for(&format!("calls/{MAIN}/{path}"), &json!({}));
        let frame = json!({"req": "TMonitorCall", "ThisDN": "7101", "ConnID": MAIN, "OtherDN": "7102",
            "MonitorMode": mode});
        assert_eq!(bench.frame(), frame);
    }
    for scope in ["Agent", "Call"] {
        let body = json!({"data": {"monitoringScope": scope}});
        bench.asks_for(&format!("calls/{MAIN}/switch-to-barge-in"), &body);
        let frame = bench.frame();
        assert_eq!((&frame["MonitorMode"], frame.get("Extensions")), (&json!("connect"), None), "{scope}");
    }
    bench.asks_for("stop-monitoring", &json!({"data": {"phoneNumber": "7102"}}));
    assert_eq!(bench.frame(), json!({"req": "TCancelMonitoring", "ThisDN": "7101", "OtherDN": "7102"}));
    bench.operates(supervise());
    let frame = json!({"req": "TForceAgentState", "ThisDN": "7101", "OtherDN": "7102", "AgentState": "LoggedOut"});
    assert_eq!(bench.frame(), frame);
}

#[test]
fn a_supervisor_without_a_phone_sets_the_state_of_an_agent_all_the_same() {
    let mut bench = Bench::initialised();
    let body = json!({"data": {"dn": "7102", "reasonCode": "Training"}});
    let supervise = || VoiceOperation::read_supervisor("not-ready", &body).unwrap();
    let refused = bench.operates(supervise());
    assert_eq!(bench.reply(refused), (403, json!(403)));
    bench.desk.renew(ann(&["workspace:use", "agents:supervise"]));
    bench.operates(supervise());
    let frame = json!({"req": "TForceAgentState", "ThisDN": "7102", "OtherDN": "7102", "AgentState": "NotReady",
        "Reasons": {"ReasonCode": "Training"}});
    assert_eq!(bench.frame(), frame);
}

#[test]
fn a_call_that_waits_is_moved_in_the_name_of_its_route_point_with_and_without_a_phone() {
    let body = json!({"data": {"destination": "7102"}});
    let operation = || VoiceOperation::read_move(&MAIN.to_ascii_uppercase(), "9000", &body).unwrap();
    for mut bench in [Bench::initialised(), Bench::active()] {
        bench.desk.renew(ann(&["workspace:use", "agents:supervise"]));
        let refused = bench.operates(operation());
        assert_eq!(bench.reply(refused), (403, json!(403)));
        bench.desk.renew(ann(&["workspace:use", "agents:supervise", "calls:control"]));
        bench.operates(operation());
        let frame = json!({"req": "TRouteCall", "ThisDN": "9000", "ConnID": MAIN, "OtherDN": "7102"});
        assert_eq!(bench.frame(), frame);
    }
    let refused = VoiceOperation::read_move(MAIN, "9000", &json!({})).unwrap_err();
    assert!(refused.message.starts_with("destination: "), "{}", refused.message);
}

#[test]
fn who_listens_to_statistics_is_told_of_them_and_of_all_at_first() {
    let mut bench = Bench::initialised();
    let message = |n: u32| json!({"messageType": "StatisticsChanged", "subscriptions": [n]});
    bench.desk.wants_all_statistics();
    assert!(bench.desk.report(&message(1), bench.now), "nobody listens, and nobody is left out");
    assert!(!bench.desk.wants_all_statistics());
    bench.subscribes("/workspace/v3/reporting");
    assert!(bench.desk.wants_all_statistics() && !bench.desk.wants_all_statistics());
    assert!(bench.desk.report(&message(2), bench.now));
    bench.carry();
    let told = bench.news();
    assert_eq!(told, [message(2)]);
}

#[test]
fn the_own_agent_is_known_by_employee_id_and_user_name_once_the_configuration_is() {
    let own = Bench::initialised().desk.own_names().unwrap();
    assert_eq!((own.id.as_str(), own.user.as_str()), ("1001", "ann"));
    assert_eq!(Bench::new().desk.own_names(), None);
}

#[test]
fn monitoring_is_offered_to_those_who_may() {
    let offered = |scopes: &[&str], agent: Option<&str>, state: &str| {
        let mut bench = Bench::active();
        bench.desk.renew(ann(scopes));
        let mut shown = dn(agent, state);
        shown["capabilities"] = json!(["ready", "start-monitoring", "stop-monitoring"]);
        bench.hears(VoiceNews::Dn(shown));
        bench.news().pop().unwrap()["dn"]["capabilities"].take()
    };
    let supervisor = ["workspace:use", "agents:control", "calls:control", "calls:monitor"];
    let (agent, all) = (Some("1001"), json!(["ready", "start-monitoring", "stop-monitoring"]));
    assert_eq!(offered(&AGENT, agent, "Ready"), json!(["ready"]));
    assert_eq!(offered(&supervisor, agent, "Ready"), all);
    assert_eq!(offered(&supervisor, None, "LoggedOut"), json!(["ready", "stop-monitoring"]));
}

#[test]
fn whom_a_supervisor_switches_is_told_by_the_call() {
    let mut observed = call(MAIN, "Established");
    observed["monitoringInfo"] = json!({"monitoredDN": "7103", "monitorMode": "Mute"});
    let mut bench = Bench::with_calls(&[observed]);
    bench.desk.renew(ann(&["calls:monitor"]));
    bench.asks_for(&format!("calls/{MAIN}/switch-to-barge-in"), &json!({}));
    assert_eq!(bench.frame()["OtherDN"], "7103");
}

#[test]
fn a_call_that_the_dn_does_not_have_is_unknown_whatever_is_asked_about_it() {
    let mut bench = Bench::with_calls(&[call(MAIN, "Established")]);
    for (path, body) in [
        ("calls/ff/hold".to_owned(), json!({})),
        ("calls/ff/complete".to_owned(), json!({})),
        (format!("calls/{MAIN}/alternate"), json!({"data": {"heldConnId": "ff"}})),
        (format!("calls/{MAIN}/complete-transfer"), json!({"data": {"parentConnId": "ff"}})),
    ] {
        let reply = bench.asks_for(&path, &body);
        assert_eq!(bench.reply(reply), (500, json!(500)), "{path}");
    }
    assert!(bench.asks.is_empty());
}

#[test]
fn what_gws_voice_does_not_take_is_refused_with_its_status() {
    for (status, told) in
        [(404, 500), (422, 400), (403, 403), (429, 429), (503, 503), (504, 504), (500, 504), (502, 504), (418, 502)]
    {
        let mut bench = Bench::with_calls(&[call(MAIN, "Established")]);
        let reply = bench.asks_for(&format!("calls/{MAIN}/hold"), &json!({}));
        bench.refuses(status);
        assert_eq!(bench.reply(reply), (told, json!(told)), "{status}");
    }
}

#[test]
fn an_operation_that_is_not_answered_is_refused_in_the_end() {
    let mut bench = Bench::active();
    let reply = bench.asks_for("ready", &json!({}));
    let late = bench.asks.last().unwrap().0;
    bench.waits(Duration::from_secs(59));
    assert!(bench.replies.is_empty());
    bench.waits(Duration::from_secs(1));
    assert_eq!(bench.reply(reply), (504, json!(504)));
    bench.answers(late, Ok(()));
    assert_eq!(bench.replies.len(), 1);
}

#[test]
fn too_many_operations_at_a_time_are_refused() {
    let mut bench = Bench::active();
    let replies: Vec<ReplyId> = (0..65).map(|_| bench.asks_for("ready", &json!({}))).collect();
    assert_eq!(bench.reply(replies[64]), (429, json!(429)));
    assert_eq!(bench.asks.len(), 64);
}

#[test]
fn without_an_active_channel_nothing_is_asked() {
    let mut bench = Bench::initialised();
    for path in ["ready", "make-call", "calls/a1/hold", "login"] {
        let reply = bench.asks_for(path, &json!({"data": {"destination": "7102"}}));
        assert_eq!(bench.reply(reply), (409, json!(409)), "{path}");
    }
    assert_eq!((bench.asks.len(), bench.desk.calls()), (0, json!({"calls": []})));
}

#[test]
fn an_answer_has_the_operations_id_or_a_new_one() {
    let mut bench = Bench::active();
    bench.asks_for("ready", &json!({"operationId": "mine"}));
    bench.takes();
    bench.asks_for("dnd-on", &json!({}));
    bench.takes();
    let ids: Vec<String> =
        bench.replies.iter().map(|(.., body)| body["operationId"].as_str().unwrap().to_owned()).collect();
    assert!(ids[0] == "mine" && ids[1].len() == 16, "{ids:?}");
}
