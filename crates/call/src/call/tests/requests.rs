use std::time::Duration;

use model::event::ErrorCode;
use model::request::{DigitsWanted, RequestKind, RouteTo, Treatment};
use model::{ConnId, EventName, LegId, ReferenceId, Request, UserData, Value};

use super::harness::{ANI, Bench, CONN, dn};
use crate::call::{CALLER_LEG, Ended, Input, Output};

#[test]
fn a_request_that_names_another_call_is_error_56() {
    let mut bench = Bench::waiting();
    bench.ask(RequestKind::ClearCall(ConnId(1)), "9000");
    assert_eq!(bench.error(), ErrorCode::INVALID_CONN_ID);
    assert_eq!(bench.last().reference, ReferenceId(17));
}

#[test]
fn a_dn_that_is_not_in_the_call_learns_nothing_of_it_by_a_refusal() {
    let (mut bench, _) = Bench::talking();
    let data: UserData = [("Order", "4711")].into_iter().collect();
    bench.ask(RequestKind::UpdateUserData(CONN, data.clone()), "5001");
    for (this_dn, sees) in [("5999", false), ("5001", true)] {
        bench.ask(RequestKind::RetrieveCall(CONN), this_dn);
        let error = bench.fact(EventName::Error);
        let call = error.call.as_ref().expect("its ids");
        assert_eq!((call.conn_id, call.ani.is_some(), call.dnis.is_some()), (CONN, sees, sees));
        assert_eq!(error.user_data.text("Order"), sees.then_some("4711"));
    }
}

#[test]
fn the_event_that_answers_a_request_has_its_reasons() {
    let (mut bench, _) = Bench::talking();
    let reasons: UserData = [("Why", "lunch")].into_iter().collect();
    let request = Request {
        tenant: bench.call.first().tenant.clone(),
        requester: "desk".to_owned(),
        reference: ReferenceId(18),
        this_dn: dn("5001"),
        kind: RequestKind::ReleaseCall(CONN),
        reasons: reasons.clone(),
        extensions: UserData::new(),
    };
    bench.give(Input::Request(request));
    assert_eq!(bench.fact(EventName::Released).reasons, reasons);
}

#[test]
fn routing_a_call_that_does_not_wait_is_error_93() {
    let (mut bench, _) = Bench::talking();
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Disconnect), "9000");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
    bench.ask(RequestKind::ApplyTreatment(CONN, Treatment::Silence, None), "9000");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
}

#[test]
fn routing_twice_at_once_is_error_93() {
    let mut bench = Bench::waiting();
    let route = |number| RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn(number), agent: None });
    bench.ask(route("5001"), "9000");
    bench.ask(route("5002"), "9000");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
}

#[test]
fn a_request_that_comes_again_while_it_is_carried_out_is_not_carried_out_twice() {
    let mut bench = Bench::waiting();
    let music = || Treatment::Music { resource: "music".to_owned(), duration_ms: Some(15_000) };
    let id = bench.treat(music());
    bench.give(Input::TreatmentStarted { id });
    bench.take();
    bench.news();
    bench.treat(music());
    assert_eq!((bench.take(), bench.news()), (Vec::new(), Vec::new()));
    // Another treatment replaces the first.
    bench.treat(Treatment::Silence);
    assert_eq!(bench.news(), ["TreatmentEnd@9000"]);
    let route = RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None });
    bench.ask(route.clone(), "9000");
    bench.take();
    bench.news();
    bench.ask(route, "9000");
    assert_eq!((bench.take(), bench.news()), (Vec::new(), Vec::new()));
}

#[test]
fn disconnect_leaves_the_queue_and_releases_the_caller() {
    let mut bench = Bench::waiting();
    bench.news();
    bench.take();
    bench.ask(RequestKind::RouteCall(CONN, RouteTo::Disconnect), "9000");
    assert_eq!(bench.news(), ["RouteUsed@9000 Dropped", "Diverted@9000 Dropped", "CallDeleted Dropped"]);
    assert_eq!(bench.take(), [Output::ReleaseLeg(CALLER_LEG), Output::Over]);
}

#[test]
fn release_by_request_is_answered_by_the_released_event() {
    let (mut bench, leg) = Bench::talking();
    bench.take();
    bench.ask(RequestKind::ReleaseCall(CONN), "5001");
    assert_eq!(bench.fact(EventName::Released).reference, ReferenceId(17));
    assert_eq!(bench.take(), [Output::ReleaseLeg(CALLER_LEG), Output::ReleaseLeg(leg), Output::Over]);
}

#[test]
fn clearing_a_call_releases_everybody() {
    let (mut bench, _) = Bench::talking();
    bench.news();
    bench.ask(RequestKind::ClearCall(CONN), "5001");
    assert_eq!(bench.news(), ["Released@5001 Cleared", "CallDeleted Cleared"]);
}

#[test]
fn a_new_treatment_takes_the_place_of_the_old_one() {
    let mut bench = Bench::waiting();
    let music = || Treatment::Music { resource: "music".to_owned(), duration_ms: None };
    let first = bench.treat(music());
    bench.give(Input::TreatmentStarted { id: first });
    bench.news();
    let second = bench.treat(Treatment::Music { resource: "jazz".to_owned(), duration_ms: None });
    bench.give(Input::TreatmentStarted { id: second });
    assert_eq!(bench.news(), ["TreatmentEnd@9000", "TreatmentApplied@9000"]);
}

#[test]
fn too_much_user_data_is_refused_and_changes_nothing() {
    let mut bench = Bench::waiting();
    let big: UserData = [("note", "x".repeat(UserData::BYTES_MAX))].into_iter().collect();
    bench.ask(RequestKind::UpdateUserData(CONN, big), "9000");
    assert_eq!(bench.error(), ErrorCode::INVALID_ATTRIBUTE);
    assert!(bench.call.first().user_data.is_empty());
}

#[test]
fn data_changed_for_a_dn_that_is_not_in_the_call_is_acknowledged() {
    let (mut bench, _) = Bench::talking();
    for this_dn in ["9000", "5009", "5001"] {
        bench.news();
        let data: UserData = [("note", this_dn)].into_iter().collect();
        bench.ask(RequestKind::UpdateUserData(CONN, data), this_dn);
        let answers = bench.facts.iter().filter(|fact| fact.event.requester.is_some()).count();
        assert_eq!(answers, 1, "{this_dn}");
        let name = if this_dn == "5001" { EventName::AttachedDataChanged } else { EventName::ACK };
        assert_eq!(bench.last().name, name);
    }
}

#[test]
fn a_request_after_the_end_is_error_56() {
    let mut bench = Bench::waiting();
    bench.give(Input::LegReleased(CALLER_LEG));
    bench.ask(RequestKind::ClearCall(CONN), "9000");
    assert_eq!(bench.error(), ErrorCode::INVALID_CONN_ID);
}

#[test]
fn a_claimed_call_numbers_its_events_anew_under_the_new_token() {
    let mut bench = Bench::waiting();
    bench.call.claim(model::Token(2));
    bench.facts.clear();
    bench.give(Input::LegReleased(CALLER_LEG));
    let ids: Vec<_> = bench.facts.iter().map(|fact| (fact.id.token.0, fact.id.seq.0)).collect();
    assert_eq!(ids, [(2, 1), (2, 2)]);
}

#[test]
fn digits_are_sent_for_a_party_and_no_fact_has_them() {
    let (mut bench, agent) = Bench::talking();
    bench.take();
    bench.ask(RequestKind::SendDtmf(CONN, "4711#".to_owned()), "5001");
    assert!(bench.take().contains(&Output::SendKeys { leg: agent, digits: "4711#".to_owned() }));
    let sent = bench.fact(EventName::DtmfSent);
    assert_eq!((sent.reference, sent.collected_digits.as_deref()), (ReferenceId(17), None));
    for (digits, this_dn, code) in [
        ("", "5001", ErrorCode::INVALID_DTMF),
        ("12x", "5001", ErrorCode::INVALID_DTMF),
        ("123456789012345678901234567890123", "5001", ErrorCode::INVALID_DTMF),
        ("1", "5002", ErrorCode::INVALID_CALL_STATE),
    ] {
        bench.ask(RequestKind::SendDtmf(CONN, digits.to_owned()), this_dn);
        assert_eq!(bench.error(), code, "{digits:?}");
    }
    bench.give(Input::LegHeld(agent));
    bench.ask(RequestKind::SendDtmf(CONN, "1".to_owned()), "5001");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE, "it holds the call");
}

#[test]
fn a_query_tells_of_every_party_with_state_flags_and_role() {
    let told = |bench: &mut Bench, at: &str| {
        bench.take();
        bench.ask(RequestKind::QueryCall(CONN), at);
        let info = bench.fact(EventName::PartyInfo);
        assert_eq!(info.reference, ReferenceId(17));
        let Some(Value::List(parties)) = info.extensions.get("Parties") else { panic!("no parties: {info:?}") };
        let number = |party: &UserData| match party.get("PartyStateNumber") {
            Some(Value::Int(number)) => *number,
            other => panic!("{other:?}"),
        };
        let told: Vec<(String, i64, Option<String>)> = parties
            .iter()
            .map(|(address, party)| match party {
                Value::List(party) => (address.to_owned(), number(party), party.text("PartyFlags").map(str::to_owned)),
                other => panic!("{other:?}"),
            })
            .collect();
        told
    };
    let (mut bench, agent) = Bench::talking();
    let talking = told(&mut bench, "5001");
    let numbers: Vec<i64> = talking.iter().map(|(_, number, _)| *number).collect();
    assert_eq!(numbers, [0xc, 0xc], "the caller outside, and the phone: {talking:?}");
    bench.ask(RequestKind::SetMuteOn(CONN, None), "5001");
    let muted = told(&mut bench, "5001");
    assert_eq!(muted[1], ("5001".to_owned(), 0x2c, Some("NoTalk".to_owned())));
    bench.give(Input::LegHeld(agent));
    assert_eq!(told(&mut bench, "5001")[1].1, 0x2e, "it holds the call");
    assert_eq!(bench.fact(EventName::PartyInfo).other_dn.as_deref(), Some(ANI), "whom it talks with");
    let mut waiting = Bench::waiting();
    let parties = told(&mut waiting, "9000");
    assert_eq!((parties[1].0.as_str(), parties[1].1 & 0xf), ("9000", 0x9), "{parties:?}");
}

/// The treatment that media was told to play last: its leg and its number.
fn begun(bench: &mut Bench) -> (LegId, u32) {
    let started = bench.take().into_iter().find_map(|output| match output {
        Output::StartTreatment { leg, id, .. } => Some((leg, id)),
        _ => None,
    });
    started.expect("a treatment")
}

fn prompt() -> Treatment {
    Treatment::PlayAnnouncement { prompts: vec!["menu".to_owned()] }
}

fn four_digits() -> DigitsWanted {
    DigitsWanted {
        prompts: vec!["menu".to_owned()],
        max_digits: 4,
        first_digit_timeout_ms: 5_000,
        inter_digit_timeout_ms: 2_000,
        terminator: Some('#'),
    }
}

#[test]
fn each_party_hears_music_for_the_time_that_was_asked_for() {
    let (mut bench, agent) = Bench::talking();
    bench.take();
    let music = |duration_ms| Treatment::Music { resource: "waltz".to_owned(), duration_ms };
    for (other, party, length) in [(None, agent, Some(5_000)), (Some(dn(ANI)), CALLER_LEG, Some(9_000))] {
        bench.ask(RequestKind::ApplyTreatment(CONN, music(length), other), "5001");
        let (leg, id) = begun(&mut bench);
        assert_eq!(leg, party);
        bench.give(Input::TreatmentStarted { id });
    }
    bench.news();
    bench.take();
    bench.pass(Duration::from_millis(5_001));
    assert_eq!(bench.fact(EventName::TreatmentEnd).other_dn, None, "that of the agent is over");
    bench.news();
    bench.pass(Duration::from_millis(4_001));
    assert_eq!(bench.fact(EventName::TreatmentEnd).other_dn.as_deref(), Some(ANI));
    assert_eq!(bench.news(), ["TreatmentEnd@5001"]);
}

#[test]
fn what_has_no_time_limit_goes_on_when_that_of_another_party_is_over() {
    let (mut bench, agent) = Bench::talking();
    bench.ask(RequestKind::ApplyTreatment(CONN, Treatment::Busy, Some(dn(ANI))), "5001");
    let music = Treatment::Music { resource: "waltz".to_owned(), duration_ms: Some(5_000) };
    bench.ask(RequestKind::ApplyTreatment(CONN, music, None), "5001");
    bench.take();
    bench.pass(Duration::from_millis(5_001));
    let stopped = bench.take().into_iter().filter_map(|output| match output {
        Output::StopTreatment { leg, .. } => Some(leg),
        _ => None,
    });
    assert_eq!(stopped.collect::<Vec<_>>(), [agent]);
}

#[test]
fn one_party_of_a_call_hears_a_prompt_and_its_start_and_end_are_told() {
    let (mut bench, agent) = Bench::talking();
    bench.take();
    bench.ask(RequestKind::ApplyTreatment(CONN, prompt(), None), "5001");
    let (leg, id) = begun(&mut bench);
    assert_eq!(leg, agent, "it asks for itself");
    bench.news();
    bench.give(Input::TreatmentStarted { id });
    assert_eq!(bench.fact(EventName::TreatmentApplied).reference, ReferenceId(17));
    bench.give(Input::TreatmentEnded { id, cause: Ended::Completed, digits: String::new() });
    assert_eq!(bench.news(), ["TreatmentApplied@5001", "TreatmentEnd@5001"]);
    // And the party on the other side.
    bench.ask(RequestKind::ApplyTreatment(CONN, Treatment::Busy, Some(dn(ANI))), "5001");
    let (leg, id) = begun(&mut bench);
    assert_eq!(leg, CALLER_LEG);
    bench.give(Input::TreatmentStarted { id });
    bench.ask(RequestKind::StopTreatment(CONN), "5001");
    assert_eq!(bench.news(), ["TreatmentApplied@5001", "TreatmentEnd@5001", "ACK@5001"]);
    bench.ask(RequestKind::StopTreatment(CONN), "5001");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE, "nothing plays any more");
}

#[test]
fn digits_of_a_party_are_the_answer_to_who_asked_for_them() {
    let (mut bench, agent) = Bench::talking();
    bench.take();
    bench.ask(RequestKind::CollectDigits(CONN, four_digits(), None), "5001");
    let (leg, id) = begun(&mut bench);
    assert_eq!(leg, agent);
    // A repeated request is the same.
    bench.ask(RequestKind::CollectDigits(CONN, four_digits(), None), "5001");
    assert!(bench.take().is_empty());
    bench.news();
    bench.give(Input::TreatmentStarted { id });
    bench.give(Input::TreatmentEnded { id, cause: Ended::Collected, digits: "4711".to_owned() });
    let collected = bench.fact(EventName::DigitsCollected);
    assert_eq!((collected.reference, collected.collected_digits.as_deref()), (ReferenceId(17), Some("4711")));
    assert_eq!(bench.news(), ["DigitsCollected@5001"]);
    bench.ask(RequestKind::CollectDigits(CONN, four_digits(), None), "5001");
    let (_, id) = begun(&mut bench);
    bench.give(Input::TreatmentEnded { id, cause: Ended::Failed, digits: String::new() });
    assert_eq!(bench.error(), ErrorCode::INTERNAL, "media cannot");
}

#[test]
fn what_cannot_be_played_to_a_party_is_refused() {
    let (mut bench, agent) = Bench::talking();
    let ask = |bench: &mut Bench, treatment: Treatment, this_dn: &str, other: Option<&str>| {
        bench.ask(RequestKind::ApplyTreatment(CONN, treatment, other.map(dn)), this_dn);
        bench.error()
    };
    assert_eq!(ask(&mut bench, Treatment::Echo, "5001", None), ErrorCode::INVALID_ATTRIBUTE);
    assert_eq!(ask(&mut bench, prompt(), "5002", None), ErrorCode::INVALID_CALL_STATE, "no party");
    assert_eq!(ask(&mut bench, prompt(), "5001", Some("5002")), ErrorCode::INVALID_CALLED_DN);
    bench.give(Input::LegHeld(agent));
    bench.take();
    assert_eq!(ask(&mut bench, prompt(), "5001", Some(ANI)), ErrorCode::INVALID_CALL_STATE, "it is held");
}
