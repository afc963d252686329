//! Wrap-up, the rest after it, automatic and forced logout.

use model::request::ForcedState;

use super::*;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn wrap_up_time(seconds: i64) -> UserData {
    let mut extensions = UserData::new();
    extensions.push(WRAP_UP_TIME, seconds);
    extensions
}

/// How long the present wrap-up lasts, in seconds.
fn left(bench: &Bench) -> Option<u64> {
    assert_eq!(bench.state("a1"), AgentState::AfterCallWork);
    bench.session().due.map(|due| due.since(bench.now).as_secs())
}

/// A business call that came from the route point 9000, with these user data.
fn call_from_point(bench: &mut Bench, user_data: &UserData) {
    bench.call(EventName::Ringing, "5001", CallState::Ok, true);
    bench.call(EventName::Established, "5001", CallState::Ok, true);
    let mut released = call_event(EventName::Released, "5001", CallState::Ok, true);
    released.this_queue = Some("9000".to_owned());
    released.user_data = user_data.clone();
    bench.give(Input::Call(&released));
}

#[test]
fn the_first_of_call_route_point_login_and_configuration_says_how_long_wrap_up_lasts() {
    let none = UserData::new();
    let said: UserData = [(WRAP_UP_TIME, "40")].into_iter().collect();
    let point = BTreeMap::from([("9000".to_owned(), 30)]);
    for (user_data, points, login, expected) in [
        (&said, &point, 20, 40),
        (&none, &point, 20, 30),
        (&none, &BTreeMap::new(), 20, 20),
        (&[(WRAP_UP_TIME, "soon")].into_iter().collect(), &BTreeMap::new(), 20, 20),
    ] {
        let mut bench = Bench::new();
        bench.give(Input::WrapUpTimes(points.clone()));
        let login = wrap_up_time(login);
        bench.ask_with("a1", "5001", RequestKind::AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent), login);
        call_from_point(&mut bench, user_data);
        assert_eq!(left(&bench), Some(expected));
    }
    let mut bench = Bench::ready();
    call_from_point(&mut bench, &none);
    assert_eq!(left(&bench), Some(1), "the agent's own");
}

#[test]
fn what_the_agent_asks_for_during_the_call_wins_over_all() {
    let said: UserData = [(WRAP_UP_TIME, "40")].into_iter().collect();
    for (asked, expected) in [(Some(50), Some(50)), (None, None), (Some(5_000), None)] {
        let mut bench = Bench::ready();
        bench.call(EventName::Ringing, "5001", CallState::Ok, true);
        bench.call(EventName::Established, "5001", CallState::Ok, true);
        let extensions = asked.map(wrap_up_time).unwrap_or_default();
        bench.ask_with("a1", "5001", RequestKind::AgentNotReady(WorkMode::AfterCallWork), extensions);
        assert_eq!(bench.state("a1"), AgentState::Busy(AfterBusy::AfterCallWork));
        let mut released = call_event(EventName::Released, "5001", CallState::Ok, true);
        released.user_data = said.clone();
        bench.give(Input::Call(&released));
        assert_eq!(left(&bench), expected, "{asked:?}");
    }
    let mut bench = Bench::ready();
    bench.call(EventName::Established, "5001", CallState::Ok, true);
    let none = wrap_up_time(0);
    bench.ask_with("a1", "5001", RequestKind::AgentNotReady(WorkMode::AfterCallWork), none);
    bench.call(EventName::Released, "5001", CallState::Ok, true);
    assert_eq!(bench.state("a1"), AgentState::Ready, "none was asked for");
}

#[test]
fn a_wrap_up_time_from_the_threshold_on_has_no_end() {
    let mut bench = Bench::ready();
    let said: UserData = [(WRAP_UP_TIME, "1000")].into_iter().collect();
    call_from_point(&mut bench, &said);
    assert_eq!(left(&bench), None);
    bench.pass(seconds(100_000));
    assert_eq!(bench.state("a1"), AgentState::AfterCallWork);
    bench.ask("a1", "5001", RequestKind::AgentReady(WorkMode::ManualIn));
    assert_eq!(bench.state("a1"), AgentState::Ready);
}

#[test]
fn who_is_ready_without_a_mode_is_so_manually() {
    let mut bench = Bench::ready();
    bench.ask("a1", "5001", RequestKind::AgentReady(WorkMode::Unknown));
    assert_eq!(bench.session().mode, WorkMode::ManualIn);
}

#[test]
fn wrap_up_is_extended_asked_about_and_ended_early() {
    let mut bench = Bench::ready();
    bench.business_call();
    assert_eq!(left(&bench), Some(1));
    let ask = RequestKind::AgentNotReady(WorkMode::AfterCallWork);
    for _ in 0..2 {
        bench.ask_with("a1", "5001", ask.clone(), wrap_up_time(30));
        assert_eq!(left(&bench), Some(30), "a repeat adds nothing");
    }
    bench.pass(seconds(10));
    bench.ask_with("a1", "5001", ask.clone(), wrap_up_time(0));
    assert_eq!(left(&bench), Some(19));
    let told = bench.facts.last().expect("an answer");
    assert_eq!(told.event.extensions.get(WRAP_UP_TIME), Some(&model::Value::Int(19)), "what is left");
    bench.ask("a1", "5001", RequestKind::AgentNotReady(WorkMode::AuxWork));
    assert_eq!(bench.state("a1"), AgentState::NotReady);
    bench.pass(seconds(60));
    assert_eq!(bench.state("a1"), AgentState::NotReady, "the earlier end is forgotten");
    let mut bench = Bench::ready();
    bench.business_call();
    bench.ask("a1", "5001", ask);
    assert_eq!(left(&bench), None, "without a time it has no end");
}

#[test]
fn wrap_up_without_a_call_leads_to_ready_or_back() {
    let ask = RequestKind::AgentNotReady(WorkMode::AfterCallWork);
    let mut bench = Bench::ready();
    bench.ask("a1", "5001", ask.clone());
    assert_eq!(left(&bench), Some(1), "the agent's own time");
    bench.pass(seconds(1));
    assert_eq!(bench.story(), ["AgentNotReady AfterCallWork", "AgentReady ManualIn"]);

    let idle_wrap_up = IdleWrapUp { leads_back: true, ..IdleWrapUp::default() };
    bench.configure(Profile { idle_wrap_up, ..profile("a1") });
    bench.ask("a1", "5001", RequestKind::AgentNotReady(WorkMode::WalkAway));
    bench.ask_with("a1", "5001", ask.clone(), wrap_up_time(5));
    bench.facts.clear();
    bench.pass(seconds(5));
    assert_eq!(bench.story(), ["AgentNotReady WalkAway"], "back to where it was");

    bench.configure(Profile { idle_wrap_up: IdleWrapUp { untimed: true, ..idle_wrap_up }, ..profile("a1") });
    bench.ask("a1", "5001", ask.clone());
    assert_eq!(left(&bench), None);
    bench.ask("a1", "5001", RequestKind::AgentReady(WorkMode::ManualIn));
    bench.facts.clear();
    bench.ask_with("a1", "5001", ask, wrap_up_time(0));
    assert_eq!(bench.story(), ["Error 53"]);
}

#[test]
fn a_call_during_wrap_up_is_followed_by_what_was_to_follow() {
    let idle_wrap_up = IdleWrapUp { leads_back: true, ..IdleWrapUp::default() };
    let mut bench = Bench::ready();
    bench.configure(Profile { idle_wrap_up, ..profile("a1") });
    bench.ask("a1", "5001", RequestKind::AgentNotReady(WorkMode::WalkAway));
    bench.ask("a1", "5001", RequestKind::AgentNotReady(WorkMode::AfterCallWork));
    bench.business_call();
    assert_eq!((bench.state("a1"), bench.session().mode), (AgentState::NotReady, WorkMode::WalkAway));
}

#[test]
fn a_rest_follows_the_call_or_its_wrap_up_and_the_agent_may_end_it() {
    let guarded = |wrap_up_ms| Profile { wrap_up_ms, legal_guard_ms: 3_000, ..profile("a1") };
    let mut bench = Bench::ready();
    bench.configure(guarded(1_000));
    bench.business_call();
    bench.pass(seconds(1));
    assert!(bench.session().is_guarded() && !bench.session().is_available());
    bench.pass(seconds(3));
    assert_eq!(bench.story(), ["AgentNotReady AfterCallWork", "AgentNotReady LegalGuard", "AgentReady ManualIn"]);

    bench.configure(guarded(0));
    bench.facts.clear();
    bench.business_call();
    bench.ask("a1", "5001", RequestKind::AgentReady(WorkMode::ManualIn));
    assert_eq!(bench.story(), ["AgentNotReady LegalGuard", "AgentReady ManualIn"]);
    bench.business_call();
    bench.ask("a1", "5001", RequestKind::AgentNotReady(WorkMode::AuxWork));
    bench.pass(seconds(10));
    assert_eq!((bench.state("a1"), bench.session().is_guarded()), (AgentState::NotReady, false));
    bench.ask("a1", "5001", RequestKind::AgentReady(WorkMode::ManualIn));
    bench.business_call();
    bench.give(Input::PhoneLost(dn("5001")));
    bench.pass(seconds(10));
    assert_eq!(bench.session().reasons.text("ReasonCode"), Some("OutOfService"), "no ready agent without a phone");
}

#[test]
fn the_rest_is_begun_by_the_program_alone_and_modes_must_fit() {
    let mut bench = Bench::ready();
    for kind in [
        RequestKind::AgentNotReady(WorkMode::LegalGuard),
        RequestKind::AgentNotReady(WorkMode::AutoIn),
        RequestKind::AgentReady(WorkMode::AuxWork),
        RequestKind::AgentLogin(None, WorkMode::AfterCallWork, LoginPassword::Absent),
    ] {
        bench.facts.clear();
        bench.ask("a1", "5001", kind.clone());
        assert_eq!(bench.story(), ["Error 53"], "{kind:?}");
    }
    bench.facts.clear();
    bench.ask("a1", "5001", RequestKind::AgentNotReady(WorkMode::WalkAway));
    bench.ask("a1", "5001", RequestKind::AgentReady(WorkMode::ReturnBack));
    assert_eq!(bench.story(), ["AgentNotReady WalkAway", "AgentReady ReturnBack"]);
}

#[test]
fn an_agent_that_does_nothing_is_logged_out() {
    let auto_logout = AutoLogout { after_ms: 60_000, ready_too: false };
    let mut bench = Bench::ready();
    bench.configure(Profile { auto_logout, ..profile("a1") });
    bench.pass(seconds(600));
    assert_eq!(bench.state("a1"), AgentState::Ready, "who is ready waits for calls");
    bench.ask("a1", "5001", RequestKind::AgentNotReady(WorkMode::AuxWork));
    bench.pass(seconds(59));
    bench.call(EventName::Dialing, "5001", CallState::Ok, false);
    bench.pass(seconds(600));
    assert_eq!(bench.state("a1"), AgentState::NotReady, "nobody is logged out during a call");
    bench.call(EventName::Released, "5001", CallState::Ok, false);
    assert_eq!(bench.table.next_timeout(), Some(bench.now + seconds(60)));
    bench.facts.clear();
    bench.pass(seconds(60));
    assert_eq!(bench.story(), ["AgentLogout"]);
    assert_eq!(bench.facts[0].event.reasons.text("ReasonCode"), Some("AutoLogout"));
    assert_eq!(bench.table.next_timeout(), None);

    bench.configure(Profile { auto_logout: AutoLogout { ready_too: true, ..auto_logout }, ..profile("a1") });
    bench.ask("a1", "5001", RequestKind::AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent));
    bench.pass(seconds(61));
    assert_eq!(bench.state("a1"), AgentState::LoggedOut);
}

#[test]
fn a_supervisor_sets_the_state_of_an_agent_at_another_phone() {
    let mut bench = Bench::ready();
    let force = |state| RequestKind::ForceAgentState(dn("5001"), state);
    for (state, story) in [
        (ForcedState::NotReady, "AgentNotReady AuxWork"),
        (ForcedState::Ready, "AgentReady ManualIn"),
        (ForcedState::LoggedOut, "AgentLogout"),
    ] {
        bench.facts.clear();
        bench.ask("a9", "5009", force(state));
        assert_eq!(bench.story(), [story]);
        let event = &bench.facts[0].event;
        assert_eq!((event.this_dn.as_ref(), event.third_party_dn.as_deref()), (Some(&dn("5001")), Some("5009")));
        assert_eq!((event.reference, event.requester.as_deref()), (ReferenceId(3), Some("desk")));
    }
    bench.ask("a9", "5009", force(ForcedState::Ready));
    assert_eq!(bench.refused, [ErrorCode::INVALID_CALL_STATE], "nobody is there any more");
    assert!(bench.table.agent(&id("a9")).is_none(), "the supervisor is no agent of it");
}

#[test]
fn a_forced_state_during_a_call_holds_after_it() {
    let mut bench = Bench::ready();
    bench.call(EventName::Established, "5001", CallState::Ok, true);
    bench.ask("a9", "5009", RequestKind::ForceAgentState(dn("5001"), ForcedState::NotReady));
    assert_eq!(bench.state("a1"), AgentState::Busy(AfterBusy::NotReady));
    bench.call(EventName::Released, "5001", CallState::Ok, true);
    assert_eq!(bench.state("a1"), AgentState::NotReady);
}

#[test]
fn an_unanswered_call_does_what_is_configured() {
    for (no_answer, story) in [
        (NoAnswerAction::None, vec![]),
        (NoAnswerAction::NotReady, vec!["AgentNotReady AuxWork"]),
        (NoAnswerAction::Logout, vec!["AgentLogout"]),
    ] {
        let mut bench = Bench::ready();
        bench.configure(Profile { no_answer, ..profile("a1") });
        bench.call(EventName::Ringing, "5001", CallState::Ok, true);
        bench.call(EventName::Released, "5001", CallState::NoAnswer, true);
        assert_eq!(bench.story(), story);
        let reasons: Vec<_> = bench.facts.iter().map(|fact| fact.event.reasons.text("ReasonCode")).collect();
        assert!(reasons.iter().all(|reason| *reason == Some("NoAnswer")), "{reasons:?}");
    }
}

#[test]
fn an_agent_is_ready_for_calls_and_for_no_other_medium_yet() {
    let mut bench = Bench::ready();
    let medium = |name: &str| [(MEDIA_TYPE, name)].into_iter().collect::<UserData>();
    bench.ask_with("a1", "5001", RequestKind::AgentNotReady(WorkMode::AuxWork), medium("chat"));
    assert_eq!((bench.story(), bench.state("a1")), (vec!["Error 51".to_owned()], AgentState::Ready));
    bench.ask_with("a1", "5001", RequestKind::AgentNotReady(WorkMode::AuxWork), medium("voice"));
    assert_eq!(bench.state("a1"), AgentState::NotReady);
}

#[test]
fn a_request_that_names_its_agent_changes_nothing_for_another_one_at_that_phone() {
    let mut bench = Bench::ready();
    let of = |agent: &str| [(model::request::OF_AGENT, agent)].into_iter().collect::<UserData>();
    for kind in [RequestKind::AgentLogout, RequestKind::AgentNotReady(WorkMode::AuxWork)] {
        bench.facts.clear();
        bench.ask_with("a2", "5001", kind, of("a2"));
        assert_eq!((bench.story(), bench.state("a1")), (vec!["Error 93".to_owned()], AgentState::Ready));
    }
    bench.ask_with("a1", "5001", RequestKind::AgentLogout, of("a1"));
    assert_eq!(bench.state("a1"), AgentState::LoggedOut);
}

#[test]
fn reasons_are_told_and_kept_in_every_state() {
    let mut bench = Bench::ready();
    let lunch: UserData = [("ReasonCode", "Lunch")].into_iter().collect();
    for kind in [
        RequestKind::AgentNotReady(WorkMode::AuxWork),
        RequestKind::AgentNotReady(WorkMode::AfterCallWork),
        RequestKind::AgentReady(WorkMode::ManualIn),
        RequestKind::AgentLogout,
    ] {
        let request = Request {
            tenant: bench.table.tenant.clone(),
            requester: "desk".to_owned(),
            reference: ReferenceId(4),
            this_dn: dn("5001"),
            kind,
            reasons: lunch.clone(),
            extensions: UserData::new(),
        };
        bench.facts.clear();
        bench.give(Input::Request { request, profile: None });
        assert_eq!(bench.facts[0].event.reasons, lunch);
    }
}
