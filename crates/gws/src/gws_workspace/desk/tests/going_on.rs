//! A desk that goes on in another process.

use super::*;

const MAIN: &str = "00000000000000a1";
const OTHER: &str = "00000000000000b2";

/// The same session in another process, with the same client.
fn moved(bench: &Bench) -> Bench {
    let desk = Desk::restore(ann(&AGENT), settings(), bench.desk.snapshot(), bench.now);
    let mut next = Bench::around(desk);
    (next.client, next.positions, next.now) = (bench.client.clone(), bench.positions, bench.now);
    next.replies_begun = bench.replies_begun;
    next.exchanges = bench.exchanges;
    next.carry();
    next
}

fn followed(bench: &Bench) -> Option<Option<String>> {
    bench.others.iter().find_map(|output| match output {
        DeskOutput::Follow { after, .. } => Some(after.clone()),
        _ => None,
    })
}

#[test]
fn it_wants_the_configuration_follows_its_dn_and_tells_nothing_twice() {
    let mut bench = Bench::with_calls(&[call(MAIN, "Established")]);
    bench.hears_at("5", 0, "", VoiceNews::Dn(dn(Some("1001"), "Ready")));
    bench.settles();
    let mut next = moved(&bench);
    assert!(next.has(&DeskOutput::WantConfiguration));
    assert_eq!(followed(&next), Some(Some("3".to_owned())), "what came at 5 may not be all of it");
    next.is_configured();
    next.hears_at("5", 0, "", VoiceNews::Dn(dn(Some("1001"), "Ready")));
    assert_eq!(next.news(), Vec::<Value>::new());
    next.hears_at("5", 0, "", VoiceNews::Dn(dn(Some("1001"), "NotReady")));
    assert_eq!(shorts(&next.news()), ["dn NotReady"]);
    assert_eq!(next.desk.current_session()["user"]["activeSession"]["calls"][0]["id"], MAIN);
}

#[test]
fn what_the_client_may_not_have_is_told_again() {
    let mut bench = Bench::with_calls(&[call(MAIN, "Established")]);
    bench.hears_at("7", 0, "", VoiceNews::Call { call: call(MAIN, "Held"), notification: "StateChange" });
    let mut next = moved(&bench);
    assert_eq!(next.desk.calls()["calls"][0]["state"], "Established");
    next.hears_at("7", 0, "", VoiceNews::Call { call: call(MAIN, "Held"), notification: "StateChange" });
    assert_eq!(shorts(&next.news()), [format!("call {MAIN} Held StateChange")]);
}

/// A desk with a client that polls and one that is silent, and who they are, in that order.
fn with_a_silent_client() -> (Bench, String, String) {
    let mut bench = Bench::active();
    let silent = bench.client.clone();
    bench.connects();
    bench.subscribes("/workspace/v3/voice");
    bench.settles();
    let live = bench.client.clone();
    (bench, live, silent)
}

#[test]
fn a_client_that_has_all_is_told_nothing_again_while_another_one_is_silent() {
    let (mut bench, live, silent) = with_a_silent_client();
    let states = ["Ringing", "Established", "Released"];
    for state in states {
        bench.hears_call(call(MAIN, state));
    }
    assert_eq!(bench.news().len(), 3);
    // The last one has not arrived for certain.
    bench.hears_call(call(OTHER, "Ringing"));
    let last = bench.positions;
    let mut next = moved(&bench);
    assert!(followed(&next).unwrap().is_some());
    next.is_configured();
    let comes_again = |next: &mut Bench, from: u64| {
        for (state, position) in states.iter().zip(from..) {
            let news = VoiceNews::Call { call: call(MAIN, state), notification: "StateChange" };
            next.hears_at(&position.to_string(), 0, "", news);
        }
    };
    comes_again(&mut next, last - 3);
    // It dies in the middle of it, too.
    let mut third = moved(&next);
    third.is_configured();
    comes_again(&mut third, last - 3);
    third.hears_at(
        &last.to_string(),
        0,
        "",
        VoiceNews::Call { call: call(OTHER, "Ringing"), notification: "StateChange" },
    );
    assert_eq!(shorts(&third.news()), [format!("call {OTHER} Ringing StateChange")]);
    third.client = silent;
    let told: Vec<String> = states.iter().map(|state| format!("call {MAIN} {state} StateChange")).collect();
    let news = shorts(&third.news());
    assert!(news.ends_with(&[&told[..], &[format!("call {OTHER} Ringing StateChange")]].concat()), "{news:?}");
    third.client = live;
    third.hears_call(call(OTHER, "Established"));
    assert_eq!(shorts(&third.news()), [format!("call {OTHER} Established StateChange")]);
}

#[test]
fn a_picture_is_told_to_all_however_far_they_were() {
    let (mut bench, _, _) = with_a_silent_client();
    bench.hears_call(call(MAIN, "Ringing"));
    bench.news();
    let mut next = moved(&bench);
    next.is_configured();
    next.hears(VoiceNews::Picture { dn: dn(Some("1001"), "NotReady"), calls: vec![call(MAIN, "Established")] });
    assert_eq!(shorts(&next.news()), [format!("call {MAIN} Established CallRecovered")]);
    next.hears_call(call(MAIN, "Held"));
    assert_eq!(shorts(&next.news()), [format!("call {MAIN} Held StateChange")]);
}

#[test]
fn after_a_gap_the_differences_are_told() {
    let bench = Bench::with_calls(&[call(MAIN, "Established")]);
    let mut next = moved(&bench);
    next.is_configured();
    let calls = vec![call(OTHER, "Ringing")];
    next.hears(VoiceNews::Picture { dn: dn(Some("1001"), "Ready"), calls });
    let wanted = [
        "dn Ready".to_owned(),
        format!("call {MAIN} Released StateChange"),
        format!("call {OTHER} Ringing CallRecovered"),
    ];
    assert_eq!(shorts(&next.news()), wanted);
}

#[test]
fn behind_a_logout_calls_of_others_stay_untold() {
    let mut bench = Bench::with_calls(&[call(MAIN, "Established")]);
    bench.hears(VoiceNews::Dn(dn(None, "LoggedOut")));
    bench.hears_call(call(OTHER, "Ringing"));
    bench.settles();
    let mut next = moved(&bench);
    assert_eq!(followed(&next), Some(None), "what was not told is known by the picture alone");
    next.is_configured();
    let calls = vec![call(MAIN, "Established"), call(OTHER, "Established")];
    next.hears(VoiceNews::Picture { dn: dn(None, "LoggedOut"), calls });
    assert_eq!(next.news(), Vec::<Value>::new());
    next.hears(VoiceNews::Dn(dn(Some("1001"), "Ready")));
    assert_eq!(shorts(&next.news()), ["dn Ready", &format!("call {OTHER} Established CallRecovered")]);
}

#[test]
fn an_operation_keeps_its_id_and_an_end_logs_out() {
    let mut bench = Bench::active();
    bench.asks_for("ready", &json!({"operationId": "op"}));
    let reference = bench.takes();
    let mut next = moved(&bench);
    next.is_configured();
    next.hears_as(reference, ANN, VoiceNews::Dn(dn(Some("1001"), "Ready")));
    assert_eq!(next.news()[0]["operationId"], "op");
    next.asks_for("not-ready", &json!({}));
    assert!(next.asks.last().unwrap().0 > reference);
    next.ends(DeskEnd::Logout);
    assert_eq!(next.frame()["req"], "TAgentLogout");
}

#[test]
fn a_client_that_never_had_the_outcome_gets_it() {
    let mut bench = Bench::new();
    bench.desk.initialise(NOW);
    bench.connects();
    bench.subscribes("/workspace/v3/initialization");
    bench.is_configured();
    let mut next = moved(&bench);
    next.is_configured();
    assert_eq!(next.news().pop().unwrap()["state"], "Complete");

    bench.settles();
    let mut next = moved(&bench);
    next.is_configured();
    assert_eq!(next.news(), Vec::<Value>::new());
}

#[test]
fn an_initialisation_that_is_not_done_is_begun_again() {
    let mut bench = Bench::new();
    bench.connects();
    bench.subscribes("/workspace/v3/initialization");
    for phase in [DeskPhase::New, DeskPhase::Initialising, DeskPhase::Failed("away".to_owned())] {
        let snapshot = DeskSnapshot { phase, ..bench.desk.snapshot() };
        let mut next = Bench::around(Desk::restore(ann(&["workspace:use"]), settings(), snapshot, NOW));
        next.client = bench.client.clone();
        next.carry();
        assert!(next.has(&DeskOutput::WantConfiguration));
        next.is_configured();
        assert_eq!(next.news().pop().unwrap()["state"], "Complete");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_then_is_asked_for_again() {
    let mut next = moved(&Bench::active());
    next.desk.configuration_failed("away".to_owned(), NOW);
    next.others.clear();
    next.waits(Duration::from_secs(5));
    assert!(next.has(&DeskOutput::WantConfiguration));
    assert_eq!(next.desk.current_session()["pending-login-async"]["state"], "Executing");
}

#[test]
fn what_is_stored_is_stored_before_it_is_answered() {
    let mut bench = Bench::new();
    let handshake = json!([{
        "id": "1", "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"],
    }]);
    let batch = Batch::read(handshake.to_string().as_bytes()).unwrap();
    bench.desk.bayeux(Exchange(1), batch, &mut bench.entropy, NOW);
    assert_eq!(bench.desk.poll_output(), Some(DeskOutput::Store));
    assert!(matches!(bench.desk.poll_output(), Some(DeskOutput::Answer { .. })));
}

#[test]
fn how_far_events_were_told_is_written_some_time_soon_and_what_answers_rest_on_at_once() {
    let mut bench = Bench::active();
    bench.hears_call(call(MAIN, "Ringing"));
    bench.others.clear();
    assert_eq!(bench.news().len(), 1);
    assert!(bench.has(&DeskOutput::StoreSoon) && !bench.has(&DeskOutput::Store));
    bench.subscribes("/workspace/v3/reporting");
    assert!(bench.has(&DeskOutput::Store));
}

#[test]
fn calls_without_room_in_the_record_are_asked_for() {
    let mut large = call(MAIN, "Established");
    large["userData"] = json!([{"key": "a", "type": "str", "value": "x".repeat(20_000)}]);
    let bench = Bench::with_calls(&[large.clone()]);
    let mut next = moved(&bench);
    assert_eq!(followed(&next), Some(None));
    next.is_configured();
    next.hears(VoiceNews::Picture { dn: dn(Some("1001"), "NotReady"), calls: vec![large] });
    assert_eq!(shorts(&next.news()), [format!("call {MAIN} Established AttachedDataChanged")]);
}

#[test]
fn an_end_that_another_process_has_begun_goes_on_and_first_sees_who_is_there() {
    let mut bench = Bench::active();
    bench.ends(DeskEnd::Idle);
    let mut next = moved(&bench);
    assert!(next.desk.is_ending() && next.asks.is_empty());
    assert_eq!((&next.others[0], followed(&next)), (&DeskOutput::Store, Some(None)), "nobody else goes on with it");
    next.goes_on_until(next.now + Duration::from_secs(3));
    assert_eq!(next.frame()["req"], "TAgentLogout");
    let late = next.asks_for("ready", &json!({}));
    assert_eq!(next.reply(late), (403, json!(603)));
    next.hears(VoiceNews::Picture { dn: dn(None, "LoggedOut"), calls: Vec::new() });
    assert!(next.has(&DeskOutput::Ended(DeskEnd::Idle)));

    // Somebody else sits there by now.
    let mut other = moved(&bench);
    other.hears(VoiceNews::Picture { dn: dn(Some("1002"), "Ready"), calls: Vec::new() });
    assert!(other.asks.is_empty() && other.has(&DeskOutput::Ended(DeskEnd::Idle)));
}

#[test]
fn a_login_is_in_the_record_before_it_is_asked_for() {
    let mut bench = Bench::initialised();
    bench.replies_begun += 1;
    let body = ActivateBody::read(&json!({"data": {"dn": "7101"}})).unwrap();
    bench.desk.activate(body, "7101".to_owned(), None, ReplyId(1), bench.now);
    while bench.desk.poll_output().is_some() {}
    let picture = VoiceNews::Picture { dn: dn(None, "LoggedOut"), calls: Vec::new() };
    let message = VoiceMessage { position: "1".to_owned(), reference: 0, requester: String::new(), news: picture };
    bench.desk.hear(message, bench.now);
    assert!(bench.desk.snapshot().channel.unwrap().owns_login);
    let outputs: Vec<DeskOutput> = std::iter::from_fn(|| bench.desk.poll_output()).collect();
    let stored = outputs.iter().position(|output| *output == DeskOutput::Store).unwrap();
    let asked = outputs.iter().position(|output| matches!(output, DeskOutput::Ask { .. })).unwrap();
    assert!(stored < asked, "{outputs:?}");
}

#[test]
fn an_operation_waits_for_a_call_of_which_the_record_does_not_say_yet() {
    let bench = Bench::active();
    let hold = format!("calls/{MAIN}/hold");
    let mut next = moved(&bench);
    let waits = next.asks_for(&hold, &json!({}));
    assert!(next.asks.is_empty() && next.replies.is_empty(), "{:?}", next.replies);
    next.hears_call(call(OTHER, "Ringing"));
    assert!(next.replies.is_empty(), "it is another call");
    next.hears_call(call(MAIN, "Established"));
    assert_eq!((next.frame()["req"].as_str(), next.frame()["ConnID"].as_str()), (Some("THoldCall"), Some(MAIN)));
    next.takes();
    assert_eq!(next.reply(waits).0, 200);

    let mut alone = moved(&bench);
    let refused = alone.asks_for(&hold, &json!({}));
    alone.waits(Duration::from_secs(3));
    assert_eq!(alone.reply(refused).0, 500, "there is none");
    let at_once = alone.asks_for(&hold, &json!({}));
    assert_eq!(alone.reply(at_once).0, 500);
}
