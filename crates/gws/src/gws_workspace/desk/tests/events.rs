//! What the client is told: of the initialisation, of the channel, and of surprises.

use super::*;

const MAIN: &str = "00000000000000a1";
const OTHER: &str = "00000000000000b2";

fn error(code: u32) -> VoiceNews {
    VoiceNews::Error { code, message: "no".to_owned() }
}

// === initialisation ===

#[test]
fn the_initialisation_is_told_whenever_the_client_subscribes_and_once() {
    let mut early = Bench::new();
    early.desk.initialise(NOW);
    early.carry();
    assert!(early.has(&DeskOutput::WantConfiguration));
    early.connects();
    early.subscribes("/workspace/v3/initialization");
    assert_eq!(early.news()[0]["state"], "Executing");
    early.is_configured();
    let told = early.news();
    assert_eq!((told.len(), &told[0]["state"]), (1, &json!("Complete")));
    assert_eq!(told[0]["messageType"], "WorkspaceInitializationComplete");
    assert_eq!(told[0]["data"]["user"]["agentLogin"], "1001");

    let mut late = Bench::new();
    late.desk.initialise(NOW);
    late.is_configured();
    late.connects();
    late.subscribes("/workspace/v3/initialization");
    assert_eq!(late.news()[0]["state"], "Complete");
    late.desk.initialise(NOW);
    late.subscribes("/workspace/v3/initialization");
    late.is_configured();
    assert_eq!(late.news(), Vec::<Value>::new(), "a client begins anew at each outcome");
}

#[test]
fn a_client_that_subscribes_to_everything_is_told_the_outcome_and_an_adopted_one_has_had_it() {
    let mut own = Bench::new();
    own.desk.initialise(NOW);
    own.is_configured();
    own.connects();
    own.subscribes("/**");
    assert_eq!(own.news()[0]["messageType"], "WorkspaceInitializationComplete");

    let hub = HubSettings { unknown_client: UnknownClient::Adopt, ..settings().hub };
    let mut adopting = Bench::around(Desk::new(ann(&["workspace:use"]), DeskSettings { hub }));
    adopting.desk.initialise(NOW);
    adopting.is_configured();
    adopting.client = "stranger".to_owned();
    assert_eq!(adopting.news(), Vec::<Value>::new());
    adopting.subscribes("/**");
    assert_eq!(adopting.news(), Vec::<Value>::new());
}

#[test]
fn a_configuration_that_is_too_large_for_a_message_is_said_so_and_can_be_read_part_by_part() {
    let mut bench = Bench::new();
    bench.desk.initialise(NOW);
    bench.connects();
    bench.subscribes("/workspace/v3/initialization");
    let large = json!({"actionCodes": [], "settings": ["x".repeat(2 << 20)]});
    bench.desk.configured(json!({"userName": "ann", "agentLogin": "1001"}), large, NOW);
    bench.carry();
    let told = bench.news().pop().unwrap();
    assert_eq!((&told["messageType"], &told["state"]), (&json!("WorkspaceInitializationComplete"), &json!("Failed")));
    assert!(told["errors"][0]["message"].as_str().unwrap().contains("optimize_config=true"), "{told}");
    // Its client goes on, and so does the session.
    bench.subscribes("/workspace/v3/voice");
    let taken = bench.activates(&json!({"data": {"dn": "7101"}}));
    bench.hears(VoiceNews::Picture { dn: dn(None, "LoggedOut"), calls: Vec::new() });
    let login = bench.takes();
    bench.hears_as(login, ANN, VoiceNews::Dn(dn(Some("1001"), "NotReady")));
    assert_eq!((bench.reply(taken).0, shorts(&bench.news()).pop()), (200, Some("dn NotReady".to_owned())));
    bench.desk.optimise(true);
    bench.desk.initialise(bench.now);
    bench.is_configured();
    assert_eq!(bench.news().pop().unwrap()["state"], "Complete", "it is asked for in the other form");
}

#[test]
fn a_configuration_that_cannot_be_read_is_told_and_asked_for_again() {
    let mut bench = Bench::new();
    bench.desk.initialise(NOW);
    bench.connects();
    bench.subscribes("/workspace/v3/initialization");
    bench.desk.configuration_failed("away".to_owned(), NOW);
    bench.carry();
    let told = bench.news();
    assert_eq!((&told[1]["state"], &told[1]["errors"][0]["message"]), (&json!("Failed"), &json!("away")));
    assert_eq!(bench.desk.current_session()["pending-login-async"]["state"], "Failed");
    bench.desk.initialise(NOW);
    bench.is_configured();
    assert_eq!(bench.news().pop().unwrap()["state"], "Complete");
    assert!(bench.desk.current_session().get("pending-login-async").is_none());
}

// === the channel ===

#[test]
fn an_activation_before_the_configuration_waits_for_it() {
    let mut early = Bench::new();
    early.desk.initialise(NOW);
    early.activates(&json!({"data": {"dn": "7101"}}));
    assert!(early.replies.is_empty());
    early.is_configured();
    early.hears(VoiceNews::Picture { dn: dn(None, "LoggedOut"), calls: Vec::new() });
    early.takes();

    let mut never = Bench::new();
    never.desk.initialise(NOW);
    never.activates(&json!({"data": {"dn": "7101"}}));
    let due = never.desk.next_timeout().unwrap();
    never.desk.handle_timeout(due);
    never.carry();
    assert_eq!(never.replies.len(), 1, "nobody waits for ever");
}

#[test]
fn an_activation_follows_the_dn_logs_in_and_is_answered_by_0() {
    let mut bench = Bench::initialised();
    let body = json!({"operationId": "op", "data": {"agentId": "1001", "dn": "7101", "agentWorkMode": "ManualIn"}});
    let reply = bench.activates(&body);
    assert!(bench.has(&DeskOutput::Follow { dn: "7101".to_owned(), after: None }));
    assert!(bench.asks.is_empty(), "nobody would be told of a refusal");
    bench.hears(VoiceNews::Picture { dn: dn(None, "LoggedOut"), calls: Vec::new() });
    let frame = json!({"req": "TAgentLogin", "ThisDN": "7101", "AgentID": "1001", "AgentWorkMode": "ManualIn"});
    assert_eq!(bench.frame(), frame);
    let login = bench.takes();
    assert!(bench.replies.is_empty(), "what comes of it is not known");
    assert_eq!(bench.news(), Vec::<Value>::new(), "what was before the login is nobody's business");
    bench.hears_as(login, ANN, VoiceNews::Dn(dn(Some("1001"), "LoggedIn")));
    assert_eq!(bench.reply(reply), (200, json!(0)));
    bench.hears(VoiceNews::Dn(dn(Some("1001"), "NotReady")));
    let told = bench.news();
    assert_eq!(shorts(&told), ["dn LoggedIn", "dn NotReady"]);
    assert_eq!((&told[0]["operationId"], told[1].get("operationId")), (&json!("op"), None));
    assert_eq!(told[0]["dn"]["switchName"], "sip");
    assert_eq!(bench.desk.current_session()["user"]["activeSession"]["dn"]["agentState"], "NotReady");
}

fn no_picture() -> VoiceNews {
    VoiceNews::NoPicture { code: 59, message: "7101 is no DN of the tenant".to_owned() }
}

#[test]
fn an_activation_of_a_dn_that_cannot_be_followed_fails_at_once_and_says_why() {
    let mut bench = Bench::initialised();
    let reply = bench.activates(&json!({"data": {"dn": "7101"}}));
    bench.hears(no_picture());
    assert_eq!((bench.reply(reply), bench.asks.len()), ((409, json!(409)), 0));
    let words = bench.replies[0].2["status"]["message"].as_str().unwrap();
    assert!(words.contains("7101") && words.contains("is no DN of the tenant"), "{words}");
    assert!(bench.has(&DeskOutput::Unfollow { dn: "7101".to_owned() }));

    // Where the login was asked for by then, nobody leaves before it is known what came of it.
    let mut late = Bench::initialised();
    let reply = late.activates(&json!({"data": {"dn": "7101"}}));
    late.waits(Duration::from_secs(2));
    late.takes();
    late.hears(no_picture());
    late.hears(no_picture());
    assert_eq!(late.reply(reply), (409, json!(409)));
    assert_eq!(shorts(&late.news()), ["error 59"], "once");
    assert!(!late.has(&DeskOutput::Unfollow { dn: "7101".to_owned() }));
    late.ends(DeskEnd::Logout);
    assert_eq!(late.frame(), logout());
}

#[test]
fn a_login_that_fails_is_told_and_the_dn_is_left() {
    let mut bench = Bench::initialised();
    let reply = bench.activates(&json!({"operationId": "op", "data": {"dn": "7101"}}));
    bench.hears(VoiceNews::Picture { dn: dn(Some("1002"), "Ready"), calls: vec![call(MAIN, "Established")] });
    let login = bench.takes();
    assert_eq!(bench.desk.calls(), json!({"calls": []}));
    bench.hears_as(login, ANN, error(231));
    assert_eq!(bench.reply(reply), (409, json!(409)));
    let words = bench.replies[0].2["status"]["message"].as_str().unwrap().to_owned();
    assert!(words.contains("no") && words.contains("231"), "{words}");
    let told = bench.news();
    assert_eq!((shorts(&told), &told[0]["operationId"]), (vec!["error 231".to_owned()], &json!("op")));
    assert!(bench.has(&DeskOutput::Unfollow { dn: "7101".to_owned() }));
    bench.hears_call(call(MAIN, "Held"));
    assert_eq!(bench.news(), Vec::<Value>::new(), "nothing of another agent's calls is told");
    bench.desk.end_for(None, DeskEnd::Logout, NOW);
    bench.asks.clear();
    bench.carry();
    assert!(bench.asks.is_empty() && bench.has(&DeskOutput::Ended(DeskEnd::Logout)));
}

#[test]
fn a_login_that_is_not_taken_or_never_happens_leaves_the_dn() {
    let mut refused = Bench::initialised();
    let reply = refused.activates(&json!({"data": {"dn": "7999"}}));
    refused.hears(error(59));
    refused.refuses(422);
    assert_eq!(refused.reply(reply), (400, json!(400)));
    assert!(refused.has(&DeskOutput::Unfollow { dn: "7999".to_owned() }));

    let mut silent = Bench::initialised();
    let reply = silent.activates(&json!({"data": {"dn": "7101"}}));
    silent.waits(Duration::from_millis(1_999));
    assert!(silent.asks.is_empty());
    silent.waits(Duration::from_millis(1));
    silent.takes();
    silent.waits(Duration::from_millis(2_999));
    assert!(silent.replies.is_empty());
    silent.waits(Duration::from_millis(1));
    assert_eq!(silent.reply(reply), (200, json!(0)), "it may succeed still");
    silent.waits(Duration::from_secs(55));
    assert_eq!(shorts(&silent.news()), ["error 57"]);
    // What has become of it is not known: wherever the session goes on, or ends, the agent is not to stay there.
    for goes_on in [true, false] {
        let mut silent = moved_on(&silent);
        if goes_on {
            silent.is_configured();
            silent.activates(&json!({"data": {"dn": "7102"}}));
            assert!(silent.has(&DeskOutput::Unfollow { dn: "7101".to_owned() }));
        } else {
            silent.ends(DeskEnd::Logout);
        }
        assert_eq!(silent.frame(), logout());
    }
}

/// The same session in another process.
fn moved_on(bench: &Bench) -> Bench {
    let mut next = Bench::around(Desk::restore(ann(&AGENT), settings(), bench.desk.snapshot(), bench.now));
    (next.client, next.now) = (bench.client.clone(), bench.now);
    next.carry();
    next
}

#[test]
fn a_login_that_is_refused_behind_the_answer_is_an_event_alone() {
    let mut bench = Bench::initialised();
    let reply = bench.activates(&json!({"operationId": "op", "data": {"dn": "7101"}}));
    bench.hears(VoiceNews::Picture { dn: dn(None, "LoggedOut"), calls: Vec::new() });
    let login = bench.takes();
    bench.waits(Duration::from_secs(3));
    assert_eq!(bench.reply(reply), (200, json!(0)));
    bench.hears_as(login, ANN, error(527));
    let told = bench.news();
    assert_eq!((shorts(&told), &told[0]["operationId"]), (vec!["error 527".to_owned()], &json!("op")));
    assert_eq!(bench.replies.len(), 1);
}

#[test]
fn an_agent_who_is_there_already_answers_the_activation() {
    let there = || VoiceNews::Picture { dn: dn(Some("1001"), "NotReady"), calls: Vec::new() };
    // Its picture has come too late to be waited for.
    let mut late = Bench::initialised();
    let reply = late.activates(&json!({"data": {"dn": "7101"}}));
    late.waits(Duration::from_secs(2));
    late.takes();
    late.hears(there());
    assert_eq!(late.reply(reply), (200, json!(0)));
    // A login that is repeated is told as it is.
    let mut again = Bench::initialised();
    let reply = again.activates(&json!({"data": {"dn": "7101"}}));
    again.hears(there());
    let login = again.takes();
    assert!(again.replies.is_empty());
    again.hears_as(login, ANN, VoiceNews::Dn(dn(Some("1001"), "NotReady")));
    assert_eq!(again.reply(reply), (200, json!(0)));
}

#[test]
fn an_activation_that_waits_is_answered_whatever_comes() {
    let mut bench = Bench::initialised();
    let first = bench.activates(&json!({"data": {"dn": "7101"}}));
    let second = bench.activates(&json!({"data": {"dn": "7101"}}));
    let elsewhere = bench.activates(&json!({"data": {"dn": "7102"}}));
    assert_eq!(bench.reply(elsewhere), (409, json!(409)));
    bench.hears(VoiceNews::Picture { dn: dn(None, "LoggedOut"), calls: Vec::new() });
    let logins: Vec<u64> = bench.asks.iter().map(|(reference, _)| *reference).collect();
    assert_eq!(logins.len(), 2);
    for login in logins {
        bench.answers(login, Ok(()));
        bench.hears_as(login, ANN, VoiceNews::Dn(dn(Some("1001"), "NotReady")));
    }
    assert_eq!((bench.reply(first), bench.reply(second)), ((200, json!(0)), (200, json!(0))));

    let mut ends = Bench::initialised();
    let reply = ends.activates(&json!({"data": {"dn": "7101"}}));
    ends.desk.end_for(None, DeskEnd::Logout, NOW);
    ends.carry();
    assert_eq!(ends.reply(reply), (403, json!(603)));
    assert!(ends.asks.is_empty() && ends.has(&DeskOutput::Ended(DeskEnd::Logout)), "nobody was logged in");
}

#[test]
fn a_session_is_for_its_own_agent() {
    let mut bench = Bench::initialised();
    let other = bench.activates(&json!({"data": {"dn": "7101", "agentId": "1002"}}));
    assert_eq!(bench.reply(other), (403, json!(403)));
    let employee = bench.activates(&json!({"data": {"dn": "7101", "agentId": "E-1"}}));
    bench.hears(VoiceNews::Picture { dn: dn(None, "LoggedOut"), calls: Vec::new() });
    assert_eq!(bench.frame()["AgentID"], "1001");
    let login = bench.takes();
    bench.hears_as(login, ANN, VoiceNews::Dn(dn(Some("1001"), "NotReady")));
    assert_eq!(bench.reply(employee), (200, json!(0)));
    let elsewhere = bench.activates(&json!({"data": {"dn": "7102"}}));
    assert_eq!(bench.reply(elsewhere), (409, json!(409)));

    let mut nobody = Bench::new();
    nobody.desk.configured(json!({"userName": "sue", "employeeId": "sue"}), json!({}), NOW);
    let reply = nobody.activates(&json!({"data": {"dn": "7101"}}));
    assert_eq!(nobody.reply(reply), (403, json!(403)));
}

#[test]
fn an_agent_who_logs_out_keeps_the_dn_until_another_one_comes() {
    let mut bench = Bench::with_calls(&[call(MAIN, "Established")]);
    bench.hears(VoiceNews::Dn(dn(None, "LoggedOut")));
    bench.hears_call(call(MAIN, "Held"));
    assert_eq!(shorts(&bench.news()), ["dn LoggedOut", &format!("call {MAIN} Held StateChange")]);
    bench.hears(VoiceNews::Dn(dn(Some("1002"), "Ready")));
    bench.hears_call(call(MAIN, "Established"));
    bench.hears(VoiceNews::Event(json!({"messageType": "EventUserEvent", "userData": []})));
    assert_eq!(shorts(&bench.news()).last().unwrap(), &format!("call {MAIN} Released StateChange"));
    let reply = bench.asks_for("ready", &json!({}));
    assert_eq!(bench.reply(reply), (409, json!(409)));
    bench.hears(VoiceNews::Dn(dn(Some("1001"), "Ready")));
    assert_eq!(shorts(&bench.news()), ["dn Ready", &format!("call {MAIN} Established CallRecovered")]);
}

#[test]
fn a_call_behind_the_logout_is_somebody_elses() {
    let mut bench = Bench::with_calls(&[call(MAIN, "Established")]);
    bench.hears(VoiceNews::Dn(dn(None, "LoggedOut")));
    bench.hears_call(call(OTHER, "Ringing"));
    bench.hears(VoiceNews::Event(json!({"messageType": "EventUserEvent", "userData": []})));
    bench.hears_call(call(MAIN, "Released"));
    bench.hears_call(call(OTHER, "Established"));
    bench.hears(VoiceNews::Picture { dn: dn(None, "LoggedOut"), calls: vec![call(OTHER, "Established")] });
    assert_eq!(shorts(&bench.news()), ["dn LoggedOut", &format!("call {MAIN} Released StateChange")]);
    assert_eq!(bench.desk.calls(), json!({"calls": []}));
    bench.asks.clear();
    let hold = bench.asks_for(&format!("calls/{OTHER}/hold"), &json!({}));
    let own = bench.asks_for("make-call", &json!({"data": {"destination": "7102"}}));
    assert_eq!((bench.reply(hold), bench.reply(own)), ((500, json!(500)), (409, json!(409))));
    assert!(bench.asks.is_empty());
    bench.connects();
    bench.subscribes("/workspace/v3/voice");
    assert_eq!(shorts(&bench.news()), ["dn LoggedOut"], "a page that comes later is told no more");
    bench.hears(VoiceNews::Dn(dn(Some("1001"), "Ready")));
    assert_eq!(shorts(&bench.news()), ["dn Ready", &format!("call {OTHER} Established CallRecovered")]);
}

#[test]
fn a_call_of_before_the_logout_is_told_on_whatever_becomes_of_it() {
    let mut bench = Bench::with_calls(&[call(MAIN, "Held")]);
    bench.hears(VoiceNews::Dn(dn(None, "LoggedOut")));
    let mut consultation = call(OTHER, "Dialing");
    (consultation["callType"], consultation["parentConnId"]) = (json!("Consult"), json!(MAIN));
    bench.hears_call(consultation);
    let mut joined = call("00000000000000c3", "Established");
    joined["previousConnId"] = json!(MAIN);
    bench.hears_call(joined);
    let wanted = [
        "dn LoggedOut".to_owned(),
        format!("call {OTHER} Dialing StateChange"),
        "call 00000000000000c3 Established StateChange".to_owned(),
    ];
    assert_eq!(shorts(&bench.news()), wanted);
    bench.asks_for("calls/00000000000000c3/release", &json!({}));
    assert_eq!(bench.frame()["req"], "TReleaseCall");
}

#[test]
fn a_client_that_subscribes_later_is_told_how_things_are() {
    let mut bench = Bench::with_calls(&[call(MAIN, "Established")]);
    bench.connects();
    bench.subscribes("/workspace/v3/**");
    let told: Vec<String> = bench.news().iter().skip(1).map(short).collect();
    assert_eq!(told, ["dn NotReady".to_owned(), format!("call {MAIN} Established CallRecovered")]);
    bench.subscribes("/workspace/v3/**");
    assert_eq!(bench.news(), Vec::<Value>::new());
}

#[test]
fn leaving_the_channel_ends_it_with_the_logout() {
    let mut bench = Bench::active();
    let reply = bench.asks_for("deactivate", &json!({}));
    let logout = bench.asks.last().unwrap().0;
    bench.hears_as(logout, ANN, VoiceNews::Dn(dn(None, "LoggedOut")));
    assert_eq!(bench.reply(reply), (200, json!(1)));
    assert_eq!(shorts(&bench.news()), ["dn LoggedOut"]);
    assert!(bench.has(&DeskOutput::Unfollow { dn: "7101".to_owned() }));
    let again = bench.asks_for("ready", &json!({}));
    assert_eq!(bench.reply(again), (409, json!(409)));
}

// === operations ===

#[test]
fn the_http_answer_goes_before_the_event_even_if_the_event_is_first() {
    let mut bench = Bench::active();
    let reply = bench.asks_for("ready", &json!({"operationId": "op"}));
    let reference = bench.asks.last().unwrap().0;
    bench.hears_as(reference, ANN, VoiceNews::Dn(dn(Some("1001"), "Ready")));
    assert_eq!(bench.reply(reply), (200, json!(1)));
    bench.answers(reference, Ok(()));
    bench.answers(reference, Err(AskFault { status: 503, code: None, message: "late".to_owned() }));
    assert_eq!(bench.replies.len(), 1);
    assert_eq!(bench.news()[0]["operationId"], "op");
}

#[test]
fn a_failure_that_comes_later_is_an_event_with_the_operation() {
    let mut bench = Bench::active();
    bench.asks_for("make-call", &json!({"operationId": "op", "data": {"destination": "1"}}));
    let reference = bench.takes();
    bench.hears_as(reference, "person/bob", error(59));
    bench.hears_as(reference, ANN, error(415));
    let told = bench.news();
    assert_eq!((shorts(&told), &told[0]["operationId"]), (vec!["error 415".to_owned()], &json!("op")));
}

#[test]
fn the_reference_of_another_requester_is_no_operation_of_this_session() {
    let mut bench = Bench::active();
    bench.asks_for("ready", &json!({"operationId": "op"}));
    let reference = bench.takes();
    bench.hears_as(reference, "person/bob", VoiceNews::Dn(dn(Some("1001"), "Ready")));
    assert_eq!(bench.news()[0].get("operationId"), None);
}

// === completion ===

#[test]
fn a_released_call_goes_by_itself_unless_the_agent_completes_calls() {
    let mut bench = Bench::with_calls(&[call(MAIN, "Established")]);
    bench.hears_call(call(MAIN, "Released"));
    let told = bench.news();
    assert_eq!(
        (shorts(&told)[0].as_str(), &told[0]["call"]["capabilities"]),
        ("call 00000000000000a1 Released StateChange", &json!([]))
    );
    assert_eq!(bench.desk.calls(), json!({"calls": []}));
    let reply = bench.asks_for(&format!("calls/{MAIN}/complete"), &json!({}));
    assert_eq!(bench.reply(reply), (500, json!(500)));
}

fn completing() -> Bench {
    let mut bench = Bench::initialised();
    bench.activates(&json!({"data": {"dn": "7101", "autoCompleteCall": false}}));
    bench.hears(VoiceNews::Picture { dn: dn(None, "LoggedOut"), calls: vec![call(MAIN, "Established")] });
    let login = bench.takes();
    bench.hears_as(login, ANN, VoiceNews::Dn(dn(Some("1001"), "NotReady")));
    bench.settles();
    bench
}

#[test]
fn a_call_that_the_agent_completes_stays_until_then() {
    let mut bench = completing();
    let active = bench.asks_for(&format!("calls/{MAIN}/complete"), &json!({}));
    assert_eq!(bench.reply(active), (409, json!(409)));
    bench.hears_call(call(MAIN, "Released"));
    assert_eq!(bench.news()[0]["call"]["capabilities"][0], "complete");
    assert_eq!(bench.desk.calls()["calls"][0]["state"], "Released");
    let reply = bench.asks_for(&format!("calls/{MAIN}/complete"), &json!({"operationId": "op"}));
    assert_eq!((bench.reply(reply), bench.asks.len()), ((200, json!(1)), 0));
    let told = bench.news();
    assert_eq!((&told[0]["call"]["state"], &told[0]["operationId"]), (&json!("Completed"), &json!("op")));
    assert_eq!(bench.desk.calls(), json!({"calls": []}));
}

/// A desk whose agent completes calls, and has a released one.
fn released() -> Bench {
    let mut bench = completing();
    bench.hears_call(call(MAIN, "Released"));
    bench.settles();
    bench
}

#[test]
fn what_is_written_after_a_call_stands_among_the_facts_and_leaves_the_call_as_it_is() {
    let data = json!([{"key": "Notes", "type": "str", "value": "calls back"}]);
    let body = json!({"operationId": "op", "data": {"userData": data, "extensions": {"Form": "7"}}});
    for operation in ["attach-user-data", "update-user-data"] {
        let mut bench = released();
        let reply = bench.asks_for(&format!("calls/{MAIN}/{operation}"), &body);
        let noted = json!({
            "req": "TSendUserEvent", "ThisDN": "7101", "UserData": {"Notes": "calls back", "ConnID": MAIN},
            "Extensions": {"NoteOfCall": MAIN, "Form": "7"},
        });
        assert_eq!(bench.frame(), noted);
        bench.takes();
        assert_eq!((bench.reply(reply), bench.asks.len()), ((200, json!(1)), 1), "others may have the call now");
        let news = bench.news();
        let last = news.last().unwrap();
        assert_eq!((&last["notificationType"], &last["operationId"]), (&json!("AttachedDataChanged"), &json!("op")));
        assert_eq!((&last["call"]["state"], &last["call"]["userData"][0]), (&json!("Released"), &data[0]));

        let mut bench = released();
        let reply = bench.asks_for(&format!("calls/{MAIN}/{operation}"), &body);
        bench.refuses(422);
        assert_eq!(bench.reply(reply).0, 400);
        assert!(bench.news().is_empty(), "what is not accepted is not shown");
    }
}

#[test]
fn whoever_has_left_a_call_does_nothing_else_with_it() {
    let data = json!([{"key": "Notes", "type": "str", "value": "x"}]);
    for (operation, fields) in [
        ("delete-user-data-pair", json!({"key": "Notes"})),
        ("single-step-transfer", json!({"destination": "7102", "userData": data})),
        ("clear", json!({})),
        ("stop-recording", json!({})),
    ] {
        let mut bench = released();
        assert!(!bench.desk.calls()["calls"][0]["capabilities"].as_array().unwrap().contains(&json!(operation)));
        let reply = bench.asks_for(&format!("calls/{MAIN}/{operation}"), &json!({"data": fields}));
        assert_eq!((bench.reply(reply), bench.asks.len()), ((409, json!(409)), 0), "{operation}");
    }
}

#[test]
fn nobody_passes_an_event_off_as_a_note_of_a_call() {
    let pairs = |key: &str| json!([{"key": key, "type": "str", "value": MAIN}]);
    for (path, body) in [
        ("send-user-event".to_owned(), json!({"data": {"userData": pairs("connid")}})),
        ("send-user-event".to_owned(), json!({"data": {"userData": pairs("a"), "extensions": pairs("NoteOfCall")}})),
        (format!("calls/{MAIN}/update-user-data"), json!({"data": {"userData": pairs("ConnId")}})),
        (format!("calls/{MAIN}/complete"), json!({"data": {"userData": pairs("ConnID")}})),
        (
            format!("calls/{MAIN}/attach-user-data"),
            json!({"data": {"userData": pairs("a"), "extensions": pairs("noteOfCall")}}),
        ),
    ] {
        let mut bench = released();
        let reply = bench.asks_for(&path, &body);
        assert_eq!((bench.reply(reply), bench.asks.len()), ((400, json!(400)), 0), "{path} {body}");
    }
}

#[test]
fn data_of_a_completion_is_noted_first_and_the_call_is_completed_though_that_fails() {
    let body = json!({"data": {"userData": [{"key": "Result", "type": "str", "value": "sold"}]}});
    for has_failed in [false, true] {
        let mut bench = released();
        let reply = bench.asks_for(&format!("calls/{MAIN}/complete"), &body);
        let frame = bench.frame();
        assert_eq!((&frame["req"], &frame["UserData"]["Result"]), (&json!("TSendUserEvent"), &json!("sold")));
        if has_failed {
            bench.refuses(503);
        } else {
            bench.takes();
        }
        assert_eq!(bench.reply(reply), (200, json!(1)));
        let told = bench.news();
        assert!(has_failed == shorts(&told).contains(&"error 56".to_owned()), "{told:?}");
        let completed = told.last().unwrap();
        assert_eq!(
            (&completed["call"]["state"], &completed["call"]["userData"][0]["value"]),
            (&json!("Completed"), &json!("sold"))
        );
    }
}

#[test]
fn an_operation_that_was_not_made_in_time_fails_and_its_clients_are_told() {
    let mut bench = Bench::active();
    let reply = bench.asks_for("ready", &json!({"operationId": "op"}));
    let reference = bench.asks.last().unwrap().0;
    bench.desk.ask_late(reference, bench.now);
    bench.carry();
    assert_eq!(bench.reply(reply), (503, json!(503)));
    let told = bench.news();
    assert_eq!((shorts(&told)[0].as_str(), &told[0]["operationId"]), ("error 57", &json!("op")));
    // A login that was not made has not happened.
    let mut late = Bench::initialised();
    late.activates(&json!({"data": {"dn": "7101"}}));
    late.hears(VoiceNews::Picture { dn: dn(None, "LoggedOut"), calls: Vec::new() });
    let login = late.asks.last().unwrap().0;
    late.desk.ask_late(login, late.now);
    late.carry();
    assert!(late.has(&DeskOutput::Unfollow { dn: "7101".to_owned() }));
}

// === the service and the end ===

#[test]
fn a_gws_voice_that_is_away_is_told_and_so_is_its_return() {
    let mut bench = Bench::active();
    bench.asks_for("ready", &json!({}));
    bench.refuses(503);
    assert_eq!(shorts(&bench.news()), ["voice UNAVAILABLE"]);
    bench.hears(VoiceNews::Dn(dn(Some("1001"), "Ready")));
    assert_eq!(shorts(&bench.news()), ["voice AVAILABLE", "dn Ready"]);
}

#[test]
fn messages_that_do_not_come_are_told_whatever_becomes_of_requests() {
    let mut bench = Bench::active();
    bench.desk.link_is(false, NOW);
    bench.desk.link_is(false, NOW);
    assert_eq!(shorts(&bench.news()), ["voice UNAVAILABLE"]);
    bench.asks_for("ready", &json!({}));
    bench.takes();
    assert_eq!(bench.news(), Vec::<Value>::new(), "what comes of it is not known");
    bench.desk.link_is(true, NOW);
    assert_eq!(shorts(&bench.news()), ["voice AVAILABLE"]);
}

const ENDED: DeskOutput = DeskOutput::Ended(DeskEnd::Idle);

#[test]
fn the_end_logs_the_agent_out_that_the_session_has_logged_in() {
    let mut bench = Bench::active();
    let waiting = bench.asks_for("ready", &json!({}));
    bench.ends(DeskEnd::Idle);
    assert_eq!((bench.frame(), bench.reply(waiting)), (logout(), (403, json!(603))));
    let late = bench.asks_for("ready", &json!({}));
    assert_eq!(bench.reply(late), (403, json!(603)));
    let reference = bench.takes();
    assert!(!bench.has(&ENDED), "what comes of it is not known yet");
    bench.hears_as(reference, ANN, VoiceNews::Dn(dn(None, "LoggedOut")));
    assert!(bench.has(&ENDED));

    // Whoever has asked for it is answered once the record says it.
    let mut asked = Bench::active();
    asked.desk.end_for(Some(ReplyId(7)), DeskEnd::Logout, asked.now);
    let outputs: Vec<DeskOutput> = std::iter::from_fn(|| asked.desk.poll_output()).collect();
    assert!(matches!(
        &outputs[..],
        [DeskOutput::Store, DeskOutput::Reply { reply: ReplyId(7), status: 200, .. }, DeskOutput::AskOthers { .. }]
    ));
    let ending = asked.desk.snapshot().ending.unwrap();
    assert_eq!((ending.dn.as_str(), ending.agent.as_deref()), ("7101", Some("1001")));
}

#[test]
fn a_logout_is_tried_until_the_agent_is_logged_out_however_long_gws_voice_is_away() {
    let mut bench = Bench::active();
    bench.ends(DeskEnd::Idle);
    let begun = bench.now;
    for status in [503, 504, 502, 500, 429] {
        bench.refuses(status);
        let asked = bench.asks.len();
        bench.goes_on_until(bench.now + Duration::from_secs(61));
        assert!(bench.asks.len() > asked && !bench.has(&ENDED), "{status}");
        assert_eq!(bench.frame(), logout());
    }
    // Nobody answers for some hours.
    bench.goes_on_until(begun + Duration::from_secs(4 * 3_600));
    let asked = bench.asks.len();
    assert!((200..400).contains(&asked), "it is not asked for without pause: {asked}");
    bench.takes();
    bench.goes_on_until(bench.now + Duration::from_secs(70));
    assert!(bench.asks.len() > asked, "nothing has come of it");
    bench.hears(VoiceNews::Dn(dn(None, "LoggedOut")));
    assert!(bench.has(&ENDED));

    let mut never = Bench::active();
    never.ends(DeskEnd::Idle);
    never.goes_on_until(never.now + Duration::from_secs(25 * 3_600));
    assert!(never.has(&ENDED), "after a day it is given up");
}

#[test]
fn a_logout_ends_with_its_refusal_and_with_whoever_else_is_at_the_dn() {
    let of_another = VoiceNews::Dn(dn(Some("1002"), "Ready"));
    for (news, is_answer, ends) in
        [(error(93), true, true), (error(93), false, false), (error(57), true, false), (of_another, false, true)]
    {
        let mut bench = Bench::active();
        bench.ends(DeskEnd::Idle);
        let reference = bench.takes();
        bench.hears_as(if is_answer { reference } else { 0 }, ANN, news.clone());
        assert_eq!(bench.has(&ENDED), ends, "{news:?}");
    }
    let mut refused = Bench::active();
    refused.ends(DeskEnd::Idle);
    refused.refuses(422);
    assert!(refused.has(&ENDED));
}

#[test]
fn a_login_that_is_under_way_at_the_end_is_followed_by_a_logout_until_it_can_come_no_more() {
    let mut bench = Bench::initialised();
    bench.activates(&json!({"data": {"dn": "7101"}}));
    bench.hears(VoiceNews::Picture { dn: dn(None, "LoggedOut"), calls: Vec::new() });
    bench.ends(DeskEnd::Idle);
    let early = bench.takes();
    bench.hears_as(early, ANN, error(93));
    assert!(!bench.has(&ENDED), "the login may come behind it");
    bench.goes_on_until(bench.now + Duration::from_secs(16));
    let late = bench.takes();
    assert!(late > early);
    bench.hears_as(late, ANN, error(93));
    assert!(bench.has(&ENDED));
}

#[test]
fn of_two_sessions_of_a_person_the_last_one_that_ends_logs_the_agent_out() {
    let (mut one, mut other) = (Bench::active(), Bench::active());
    // The other one has logged in, too, which is told again, and sets the agent ready.
    for state in ["NotReady", "Ready"] {
        one.hears_as(99, ANN, VoiceNews::Dn(dn(Some("1001"), state)));
    }
    one.desk.end_for(None, DeskEnd::Idle, one.now);
    one.carry();
    assert!(one.has(&DeskOutput::AskOthers { dn: "7101".to_owned() }));
    one.is_the_last(Some(false));
    assert!(one.asks.is_empty() && one.has(&ENDED));
    other.ends(DeskEnd::Idle);
    assert_eq!(other.frame(), logout());

    // Where the store does not say, it is asked again for a while.
    let mut unknown = Bench::active();
    unknown.desk.end_for(None, DeskEnd::Idle, unknown.now);
    unknown.is_the_last(None);
    assert!(unknown.asks.is_empty());
    unknown.waits(Duration::from_secs(11));
    unknown.is_the_last(None);
    assert_eq!(unknown.frame(), logout());
}

#[test]
fn an_agent_who_is_seen_logged_out_or_was_never_logged_in_by_the_session_is_not_logged_out_at_the_end() {
    let mut bench = Bench::active();
    bench.hears(VoiceNews::Dn(dn(None, "LoggedOut")));
    bench.hears(VoiceNews::Dn(dn(Some("1001"), "Ready")));
    bench.desk.end_for(None, DeskEnd::Idle, bench.now);
    bench.carry();
    assert!(bench.asks.is_empty() && bench.has(&ENDED), "another program, or the phone, has logged the agent in");
}

#[test]
fn a_parked_poll_is_answered_at_the_end() {
    let mut bench = Bench::active();
    let connect = json!([{
        "id": "9", "channel": "/meta/connect", "clientId": bench.client, "connectionType": "long-polling",
    }]);
    bench.exchanges += 1;
    let batch = Batch::read(connect.to_string().as_bytes()).unwrap();
    bench.desk.bayeux(Exchange(bench.exchanges), batch, &mut bench.entropy, NOW);
    assert_eq!(bench.desk.poll_output(), None);
    bench.desk.end_for(None, DeskEnd::SignedOut, NOW);
    bench.desk.others_told(Some(true), NOW);
    let outputs: Vec<DeskOutput> = std::iter::from_fn(|| bench.desk.poll_output()).collect();
    assert!(outputs.iter().any(|output| matches!(output, DeskOutput::Answer { .. })), "{outputs:?}");
    assert_eq!(outputs.last(), Some(&DeskOutput::Ended(DeskEnd::SignedOut)));
}

/// The logout of the session's agent.
fn logout() -> Value {
    json!({"req": "TAgentLogout", "ThisDN": "7101", "Extensions": {"AgentID": "1001"}})
}
