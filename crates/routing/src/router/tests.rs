use model::event::{CallRef, CallType};
use model::plan::CALLS_AT_ONCE;
use model::{CallState, CallUuid, Dn, Event, EventName, SkillName, TenantId};
use proptest::prelude::*;

use super::*;
use crate::decision::{Decision, PassedOver, Rule};
use crate::expression::SkillExpression;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + seconds * 1_000)
}

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

fn phone(name: &str) -> Dn {
    Dn::parse(&format!("dn-{name}")).unwrap()
}

fn profile(name: &str, skills: &[(&str, u16)]) -> AgentProfile {
    AgentProfile {
        tenant: TenantId::parse("t").unwrap(),
        agent: agent(name),
        skills: skills.iter().map(|(skill, level)| (SkillName::parse(skill).unwrap(), *level)).collect(),
        calls_max: CALLS_AT_ONCE,
    }
}

fn agent_event(name: EventName, who: &str) -> Event {
    Event { agent: Some(agent(who)), this_dn: Some(phone(who)), ..Event::new(name) }
}

fn call_event(name: EventName, who: &str, call: u64, state: Option<CallState>) -> Event {
    let call = CallRef {
        conn_id: ConnId(call),
        uuid: CallUuid(u128::from(call)),
        thread: CallUuid(u128::from(call)),
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: None,
        dnis: None,
    };
    Event { call: Some(call), this_dn: Some(phone(who)), call_state: state, ..Event::new(name) }
}

fn submission(call: u64, expression: &str, priority: i32, queued_at: Timestamp) -> Submission {
    Submission {
        id: RequestId(format!("r{call}")),
        call: ConnId(call),
        trace: CallUuid(u128::from(call)),
        ani: None,
        dnis: None,
        queue: QueueName::parse("VQ_Sales").unwrap(),
        targets: vec![Target::Skills(SkillExpression::parse(expression).unwrap())],
        priority,
        queued_at,
        times_out_at: None,
        excluded: vec![],
    }
}

fn id(call: u64) -> RequestId {
    RequestId(format!("r{call}"))
}

fn outputs(router: &mut Router) -> Vec<Output> {
    std::iter::from_fn(|| router.poll_output()).collect()
}

fn offers(router: &mut Router) -> Vec<(u64, String)> {
    outputs(router)
        .into_iter()
        .filter_map(|output| match output {
            Output::Offered { call, agent, .. } => Some((call.0, agent.to_string())),
            _ => None,
        })
        .collect()
}

/// X (Sales 7, Spanish 5), Y (Sales 9, Spanish 2), Z (Sales 5, Spanish 4), logged in, not ready.
fn three() -> Router {
    let mut router = Router::new();
    for (name, sales, spanish) in [("X", 7, 5), ("Y", 9, 2), ("Z", 5, 4)] {
        router.set_profile(&profile(name, &[("Sales", sales), ("Spanish", spanish)]), at(0));
        router.observe(&agent_event(EventName::AgentLogin, name), at(0), at(0));
    }
    router
}

fn ready(router: &mut Router, who: &str, when: Timestamp) {
    router.observe(&agent_event(EventName::AgentReady, who), when, when);
}

#[test]
fn the_longest_idle_fitting_agent_gets_the_call_then_the_next() {
    let mut router = three();
    ready(&mut router, "X", at(10));
    ready(&mut router, "Z", at(40));
    ready(&mut router, "Y", at(5));
    router.submit(submission(1, "Spanish>3 & Sales>=5", 0, at(50)), at(50)).unwrap();
    router.submit(submission(2, "Spanish>3 & Sales>=5", 0, at(51)), at(51)).unwrap();
    let third = router.submit(submission(3, "Spanish>3 & Sales>=5", 0, at(52)), at(52)).unwrap();
    assert_eq!(offers(&mut router), [(1, "X".into()), (2, "Z".into())]);
    assert_eq!((third.position, third.logged_in, third.stage), (1, 2, Stage::Waiting));
}

/// The profile that X has in [`three`], with so many calls at a time.
fn with_calls(calls_max: u32) -> AgentProfile {
    AgentProfile { calls_max, ..profile("X", &[("Sales", 7), ("Spanish", 5)]) }
}

#[test]
fn an_agent_has_as_many_calls_as_may_be_and_who_has_fewer_comes_first() {
    let mut router = three();
    router.set_profile(&with_calls(2), at(1));
    ready(&mut router, "X", at(10));
    for (call, seconds) in [(1, 20), (2, 30)] {
        router.submit(submission(call, "Sales>0", 0, at(seconds)), at(seconds)).unwrap();
        assert_eq!(offers(&mut router), [(call, "X".into())]);
        let answered = call_event(EventName::Established, "X", call, Some(CallState::Ok));
        router.observe(&answered, at(seconds + 5), at(seconds + 5));
    }
    router.submit(submission(3, "Sales>0", 0, at(40)), at(40)).unwrap();
    assert!(offers(&mut router).is_empty(), "two are all");
    ready(&mut router, "Y", at(50));
    assert_eq!(offers(&mut router), [(3, "Y".into())]);
    router.observe(&call_event(EventName::Released, "X", 1, Some(CallState::Ok)), at(60), at(60));
    ready(&mut router, "Z", at(70));
    router.submit(submission(4, "Sales>0", 0, at(80)), at(80)).unwrap();
    assert_eq!(offers(&mut router), [(4, "Z".into())], "X could take it, and has a call already");
    router.submit(submission(5, "Sales>0", 0, at(81)), at(81)).unwrap();
    assert_eq!(offers(&mut router), [(5, "X".into())]);
}

#[test]
fn who_has_another_call_gets_no_further_one_before_the_session_says_what_follows_the_one_that_ended() {
    for wraps_up in [true, false] {
        let mut router = three();
        router.set_profile(&with_calls(2), at(1));
        ready(&mut router, "X", at(10));
        for (call, seconds) in [(1, 20), (2, 30)] {
            router.submit(submission(call, "Sales>0", 0, at(seconds)), at(seconds)).unwrap();
            let answered = call_event(EventName::Established, "X", call, Some(CallState::Ok));
            router.observe(&answered, at(seconds + 5), at(seconds + 5));
        }
        router.submit(submission(3, "Sales>0", 0, at(38)), at(38)).unwrap();
        assert_eq!(offers(&mut router), [(1, "X".into()), (2, "X".into())]);
        let released = Event {
            agent: Some(agent("X")),
            this_queue: Some("9000".to_owned()),
            ..call_event(EventName::Released, "X", 1, Some(CallState::Ok))
        };
        router.observe(&released, at(40), at(40));
        assert!(offers(&mut router).is_empty(), "the first call may have to be wrapped up");
        let next = if wraps_up { EventName::AgentNotReady } else { EventName::AgentReady };
        router.observe(&agent_event(next, "X"), at(41), at(41));
        assert_eq!(offers(&mut router).len(), usize::from(!wraps_up));
    }
}

#[test]
fn who_does_not_take_a_further_call_gets_no_other_one_at_once() {
    for says_not_ready in [true, false] {
        let mut router = three();
        router.set_profile(&with_calls(2), at(1));
        ready(&mut router, "X", at(10));
        router.submit(submission(1, "Sales>0", 0, at(20)), at(20)).unwrap();
        router.observe(&call_event(EventName::Established, "X", 1, Some(CallState::Ok)), at(21), at(21));
        for call in [2, 3] {
            router.submit(submission(call, "Sales>0", 0, at(22)), at(22)).unwrap();
        }
        router.observe(&call_event(EventName::Ringing, "X", 2, Some(CallState::Ok)), at(23), at(23));
        assert_eq!(offers(&mut router), [(1, "X".into()), (2, "X".into())]);
        router.observe(&call_event(EventName::Released, "X", 2, Some(CallState::NoAnswer)), at(40), at(40));
        assert!(offers(&mut router).is_empty(), "the third call does not ring in its turn");
        if says_not_ready {
            router.observe(&agent_event(EventName::AgentNotReady, "X"), at(41), at(41));
        }
        router.handle_timeout(at(40) + DECLINED_FOR);
        let again = if says_not_ready { vec![] } else { vec![(2, "X".to_owned())] };
        assert_eq!(offers(&mut router), again);
    }
}

#[test]
fn who_is_to_have_no_calls_gets_none() {
    let mut router = three();
    router.set_profile(&with_calls(0), at(1));
    ready(&mut router, "X", at(10));
    router.submit(submission(1, "Sales>0", 0, at(20)), at(20)).unwrap();
    assert_eq!(offers(&mut router), []);
    let kept = router.kept_from(&id(1), 3).by_reason;
    let without = kept.iter().find(|of| of.reason == Some(PassedOver::NoCapacity)).map(|of| of.named.clone());
    assert_eq!(without, Some(vec![agent("X")]));
    let mut router = Router::restore(router.snapshot());
    assert!(offers(&mut router).is_empty(), "nor after a restart");
    router.set_profile(&with_calls(1), at(30));
    assert_eq!(offers(&mut router), [(1, "X".into())]);
}

#[test]
fn a_free_agent_gets_the_highest_priority_then_the_longest_wait() {
    let mut router = three();
    router.submit(submission(1, "Sales>0", 0, at(10)), at(10)).unwrap();
    router.submit(submission(2, "Sales>0", 5, at(30)), at(30)).unwrap();
    router.submit(submission(3, "Spanish>0", 0, at(5)), at(31)).unwrap();
    ready(&mut router, "X", at(40));
    ready(&mut router, "Y", at(41));
    ready(&mut router, "Z", at(42));
    assert_eq!(offers(&mut router), [(2, "X".into()), (3, "Y".into()), (1, "Z".into())]);
}

#[test]
fn a_decision_says_why_each_other_agent_was_passed_over() {
    let mut router = three();
    ready(&mut router, "X", at(1));
    ready(&mut router, "Y", at(2));
    router.submit(submission(1, "Sales>0", 0, at(3)), at(3)).unwrap();
    let Some(Output::Offered { decision, .. }) =
        outputs(&mut router).into_iter().find(|output| matches!(output, Output::Offered { .. }))
    else {
        panic!("no offer")
    };
    let reasons: Vec<_> = decision.candidates.iter().map(|c| (c.agent.as_str().to_owned(), c.passed_over)).collect();
    assert_eq!(decision.rule, Rule::LongestIdleAgent);
    assert_eq!(
        reasons,
        [
            ("X".to_owned(), None),
            ("Y".to_owned(), Some(PassedOver::IdleShorter)),
            ("Z".to_owned(), Some(PassedOver::NotReady))
        ]
    );
}

#[test]
fn a_decision_says_which_skills_matched_how_long_the_agent_was_ready_and_how_long_the_call_waited() {
    let decided = |router: &mut Router| {
        outputs(router).into_iter().find_map(|output| match output {
            Output::Offered { decision, .. } => Some(decision),
            _ => None,
        })
    };
    let held = |decision: &Decision| -> Vec<(String, i64)> {
        decision.skills.iter().map(|matched| (matched.skill.clone(), matched.level)).collect()
    };
    let mut router = three();
    ready(&mut router, "X", at(10));
    let either = Submission {
        targets: ["Sales > 8", "Spanish > 3 & Sales >= 5 & French < 1"]
            .map(|text| Target::Skills(SkillExpression::parse(text).unwrap()))
            .to_vec(),
        ..submission(1, "Sales>0", 0, at(9))
    };
    router.submit(either, at(50)).unwrap();
    let decision = decided(&mut router).unwrap();
    assert_eq!(held(&decision), [("Spanish".to_owned(), 5), ("Sales".to_owned(), 7)], "by the target that X fits");
    assert_eq!((decision.ready_for().as_secs(), decision.waited.as_secs()), (40, 41));
    let for_one = Submission { targets: vec![Target::Agent(agent("Y"))], ..submission(2, "Sales>0", 0, at(50)) };
    router.submit(for_one, at(50)).unwrap();
    ready(&mut router, "Y", at(60));
    let decision = decided(&mut router).unwrap();
    assert_eq!((held(&decision), decision.ready_for().as_secs()), (Vec::new(), 0), "Y has just come free");
    assert_eq!(decision.waited.as_secs(), 10);
}

/// The decisions of the offers that have come, each with the number of other calls that waited.
fn waited(router: &mut Router) -> Vec<(u64, u32)> {
    let offered = outputs(router).into_iter().filter_map(|output| match output {
        Output::Offered { call, decision, .. } => Some((call.0, decision.waiting)),
        _ => None,
    });
    offered.collect()
}

#[test]
fn a_decision_counts_the_other_calls_that_waited_each_once() {
    let mut router = three();
    let of = |call: u64, number: u64, expressions: &[&str]| Submission {
        id: RequestId(format!("r{call}-{number}")),
        targets: expressions.iter().map(|of| Target::Skills(SkillExpression::parse(of).unwrap())).collect(),
        ..submission(call, "Sales>0", 0, at(call))
    };
    // Call 1 waits twice, and its second request for two targets that the agent fits.
    for asked in [of(1, 1, &["Sales>0"]), of(1, 2, &["Sales>1", "Spanish>0"]), of(2, 1, &["Sales>0", "Spanish>0"])] {
        let now = asked.queued_at;
        router.submit(asked, now).unwrap();
    }
    ready(&mut router, "X", at(10));
    assert_eq!(waited(&mut router), [(1, 1)]);

    let mut alone = three();
    ready(&mut alone, "X", at(1));
    alone.submit(of(1, 1, &["Sales>0", "Spanish>0"]), at(2)).unwrap();
    assert_eq!(waited(&mut alone), [(1, 0)], "the call itself is none of the others");

    let mut crowded = three();
    for call in 1..=100 {
        crowded.submit(of(call, 1, &["Sales>0"]), at(call)).unwrap();
    }
    ready(&mut crowded, "X", at(200));
    assert_eq!(waited(&mut crowded), [(1, 99)]);
}

#[test]
fn all_who_fit_a_waiting_request_are_counted_by_what_keeps_them_from_it() {
    let mut router = three();
    for number in 0..100 {
        router.set_profile(&profile(&format!("out-{number}"), &[("Sales", 1)]), at(0));
        router.set_profile(&profile(&format!("other-{number}"), &[("Spanish", 1)]), at(0));
    }
    ready(&mut router, "X", at(1));
    router.observe(&call_event(EventName::Established, "X", 9, None), at(2), at(2));
    let excluded = vec![agent("Y")];
    router.submit(Submission { excluded, ..submission(1, "Sales>0", 0, at(3)) }, at(3)).unwrap();
    ready(&mut router, "Y", at(4));
    let kept = router.kept_from(&id(1), 2);
    let told: Vec<_> = kept.by_reason.iter().map(|of| (of.reason, of.agents, of.named.len())).collect();
    let wanted = [
        (Some(PassedOver::LoggedOut), 100, 2),
        (Some(PassedOver::NotReady), 1, 1),
        (Some(PassedOver::OnCall), 1, 1),
        (Some(PassedOver::Excluded), 1, 1),
    ];
    assert_eq!((told, kept.fitting), (wanted.to_vec(), 103));
    // One who becomes free while nothing is offered yet, after a takeover.
    let mut taken_over = Router::restore(router.snapshot());
    taken_over.gather();
    ready(&mut taken_over, "Z", at(5));
    let free = taken_over.kept_from(&id(1), 2).by_reason.into_iter().find(|of| of.reason.is_none());
    assert_eq!(free, Some(crate::KeptAgents { reason: None, agents: 1, named: vec![agent("Z")] }));
    assert_eq!(taken_over.kept_from(&id(2), 2), crate::KeptFromRequest::default());
}

/// What is counted without a look at each agent is what a look at each comes to, whatever has happened.
#[test]
fn agents_are_counted_by_what_keeps_them_as_they_are_one_by_one() {
    let mut router = three();
    let mut dice = 7_u64;
    let mut rolled = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    router.submit(submission(900, "Sales>0", 0, at(0)), at(0)).unwrap();
    for turn in 1..2_000 {
        let name = format!("a{}", rolled(12));
        let now = at(turn);
        match rolled(12) {
            skilled @ 0..=2 => {
                let skill = if skilled < 2 { "Sales" } else { "Spanish" };
                router.set_profile(&profile(&name, &[(skill, 1)]), now);
            }
            3 => router.forget_profile(&agent(&name)),
            4..=6 => ready(&mut router, &name, now),
            7 => router.observe(&agent_event(EventName::AgentNotReady, &name), now, now),
            8 => router.observe(&agent_event(EventName::AgentLogout, &name), now, now),
            9 => {
                let state = if rolled(2) == 0 { EventName::Established } else { EventName::Released };
                router.observe(&call_event(state, &name, rolled(3), None), now, now);
            }
            10 => {
                let names = [
                    EventName::DNOutOfService,
                    EventName::DNBackInService,
                    EventName::DNDOn,
                    EventName::DNDOff,
                    EventName::ForwardCancel,
                ];
                let name_of_event = names[usize::try_from(rolled(5)).unwrap()];
                router.observe(&agent_event(name_of_event, &name), now, now);
            }
            _ => {
                router.decline(&id(900), &agent(&name), now);
            }
        }
        if turn % 200 == 0 {
            router = Router::restore(router.snapshot());
        }
        while router.poll_output().is_some() {}
        are_counted_as_they_are(&router, turn);
    }
}

fn are_counted_as_they_are(router: &Router, turn: u64) {
    let kept = router.kept_from(&id(900), usize::MAX);
    let mut told = BTreeMap::new();
    for of in &kept.by_reason {
        assert_eq!(of.agents, of.named.len() as u64, "{turn}");
        told.extend(of.named.iter().map(|agent| (agent.clone(), of.reason)));
    }
    let everyone = router.everyone_for(&id(900), usize::MAX);
    let fitting = everyone.into_iter().filter(|one| one.passed_over != Some(PassedOver::Skills));
    let due: BTreeMap<_, _> =
        fitting.map(|one| (one.agent, one.passed_over.filter(|reason| *reason != PassedOver::IdleShorter))).collect();
    // One who is chosen is no waiting one's, but reserved.
    assert_eq!((told, kept.fitting), (due.clone(), due.len() as u64), "{turn}");
    assert_eq!(router.agents(), router.profiles().count() as u64, "{turn}");
}

#[test]
fn no_answer_returns_the_call_with_its_age_and_excludes_the_agent() {
    let mut router = three();
    ready(&mut router, "X", at(1));
    router.submit(submission(1, "Sales>0", 0, at(2)), at(2)).unwrap();
    router.observe(&call_event(EventName::Ringing, "X", 1, None), at(3), at(3));
    router.submit(submission(2, "Sales>0", 0, at(4)), at(4)).unwrap();
    router.observe(&call_event(EventName::Released, "X", 1, Some(CallState::NoAnswer)), at(18), at(18));
    let request = router.request(&id(1)).unwrap();
    assert_eq!((request.submission.queued_at, request.stage), (at(2), Stage::Waiting));
    assert_eq!(request.declined, [Declined { agent: agent("X"), until: at(18) + DECLINED_FOR }]);
    // X did not answer call 1, but is still ready: X gets call 2, and the next agent gets call 1.
    ready(&mut router, "Y", at(20));
    assert_eq!(offers(&mut router), [(1, "X".into()), (2, "X".into()), (1, "Y".into())]);
}

#[test]
fn a_call_that_one_queue_distributes_has_left_the_others() {
    let ends = |router: &mut Router| {
        let ended = outputs(router).into_iter().filter_map(|output| match output {
            Output::Ended { request, queued, reason, .. } => Some((request.0, queued, reason)),
            _ => None,
        });
        ended.collect::<Vec<_>>()
    };
    let second = |expression: &str| Submission { id: RequestId("other".into()), ..submission(1, expression, 0, at(2)) };
    for client_cancels in [true, false] {
        let mut router = three();
        ready(&mut router, "X", at(1));
        router.submit(submission(1, "Sales>0", 0, at(2)), at(2)).unwrap();
        router.submit(second("French>0"), at(2)).unwrap();
        if client_cancels {
            assert!(router.cancel(&RequestId("other".into()), at(3)));
            assert_eq!(ends(&mut router), [("other".to_owned(), true, EndReason::Redirected)]);
        }
        router.observe(&call_event(EventName::Established, "X", 1, None), at(4), at(4));
        let ended = ends(&mut router);
        assert_eq!(ended[0], ("r1".to_owned(), false, EndReason::Answered));
        let left = ("other".to_owned(), true, EndReason::Redirected);
        assert_eq!(ended[1..], if client_cancels { vec![] } else { vec![left] });
        assert!(router.is_empty());
    }
    // Where no queue has distributed the call it is only taken out.
    let mut router = three();
    router.submit(submission(1, "Sales>0", 0, at(2)), at(2)).unwrap();
    router.submit(second("French>0"), at(2)).unwrap();
    router.cancel(&RequestId("other".into()), at(3));
    assert_eq!(ends(&mut router), [("other".to_owned(), true, EndReason::Cancelled)]);
}

#[test]
fn the_only_agent_is_tried_again_when_it_says_ready_or_after_a_while() {
    for says_ready in [true, false] {
        let mut router = three();
        ready(&mut router, "X", at(1));
        router.submit(submission(1, "Sales>6 & Spanish>4", 0, at(2)), at(2)).unwrap();
        assert!(router.give_back(&id(1), at(5)));
        assert_eq!(offers(&mut router), [(1, "X".into())]);
        if says_ready {
            router.observe(&agent_event(EventName::AgentNotReady, "X"), at(6), at(6));
            ready(&mut router, "X", at(7));
        } else {
            router.handle_timeout(at(5) + DECLINED_FOR);
        }
        assert_eq!(offers(&mut router), [(1, "X".into())]);
    }
}

#[test]
fn an_agent_on_a_call_is_free_when_it_ends() {
    let mut router = three();
    ready(&mut router, "X", at(1));
    router.submit(submission(1, "Sales>0", 0, at(2)), at(2)).unwrap();
    router.observe(&call_event(EventName::Ringing, "X", 1, None), at(3), at(3));
    router.observe(&call_event(EventName::Established, "X", 1, None), at(4), at(4));
    assert!(router.request(&id(1)).is_none());
    router.submit(submission(2, "Sales>0", 0, at(5)), at(5)).unwrap();
    assert_eq!(offers(&mut router), [(1, "X".into())]);
    router.observe(&call_event(EventName::Released, "X", 1, Some(CallState::Ok)), at(60), at(60));
    assert_eq!(offers(&mut router), [(2, "X".into())]);
}

#[test]
fn a_restored_router_frees_those_who_shared_a_call_in_the_same_order() {
    let mut router = three();
    for who in ["Z", "X"] {
        ready(&mut router, who, at(1));
        router.observe(&call_event(EventName::Established, who, 1, None), at(2), at(2));
    }
    router.submit(submission(2, "Sales>0", 0, at(3)), at(3)).unwrap();
    let mut restored = Router::restore(router.snapshot());
    for router in [&mut router, &mut restored] {
        router.observe(&call_event(EventName::CallDeleted, "nobody", 1, None), at(60), at(60));
        assert_eq!(offers(router), [(2, "X".into())]);
    }
}

#[test]
fn a_promise_that_no_phone_confirms_expires() {
    let mut router = three();
    ready(&mut router, "X", at(1));
    ready(&mut router, "Y", at(2));
    router.submit(submission(1, "Sales>0", 0, at(2)), at(2)).unwrap();
    assert_eq!(router.next_timeout(), Some(at(2) + OFFER_EXPIRY));
    router.handle_timeout(at(12));
    assert_eq!(offers(&mut router), [(1, "X".into()), (1, "Y".into())]);
    // X remains available for other calls.
    router.submit(submission(2, "Sales>0", 0, at(13)), at(13)).unwrap();
    assert_eq!(offers(&mut router), [(2, "X".into())]);
}

#[test]
fn a_phone_that_says_nothing_has_the_time_of_a_ringing_one_and_its_failure_finds_the_next_agent() {
    let mut router = three();
    ready(&mut router, "X", at(1));
    router.submit(submission(1, "Sales>0", 0, at(2)), at(2)).unwrap();
    let routed = Event {
        third_party_dn: Some("dn-X".into()),
        ..call_event(EventName::RouteUsed, "9000", 1, Some(CallState::Ok))
    };
    router.observe(&routed, at(3), at(3));
    ready(&mut router, "Y", at(4));
    router.handle_timeout(at(14));
    assert_eq!(offers(&mut router), [(1, "X".into())], "X is still being called");
    let mut back = call_event(EventName::RouteRequest, "9000", 1, None);
    back.extensions.push("FailedDN", "dn-X");
    router.observe(&back, at(18), at(18));
    assert_eq!(offers(&mut router), [(1, "Y".into())]);
}

#[test]
fn a_caller_who_leaves_between_choice_and_ringing_frees_the_agent() {
    let mut router = three();
    ready(&mut router, "X", at(1));
    router.submit(submission(1, "Sales>0", 0, at(2)), at(2)).unwrap();
    router.observe(&call_event(EventName::CallDeleted, "nobody", 1, None), at(3), at(3));
    router.submit(submission(2, "Sales>0", 0, at(4)), at(4)).unwrap();
    assert_eq!(offers(&mut router), [(1, "X".into()), (2, "X".into())]);
    assert!(router.request(&id(1)).is_none());
}

#[test]
fn timeout_is_told_once_and_the_request_waits_on() {
    let mut router = three();
    let mut first = submission(1, "Sales>0", 0, at(1));
    first.times_out_at = Some(at(30));
    router.submit(first, at(1)).unwrap();
    outputs(&mut router);
    router.handle_timeout(at(30));
    assert_eq!(outputs(&mut router), [Output::TimedOut(id(1), ConnId(1))]);
    router.handle_timeout(at(90));
    assert_eq!(outputs(&mut router), []);
    ready(&mut router, "Z", at(91));
    assert_eq!(offers(&mut router), [(1, "Z".into())]);
}

#[test]
fn a_phone_out_of_service_takes_its_agent_out_of_selection() {
    let mut router = three();
    ready(&mut router, "X", at(1));
    let gone = Event { this_dn: Some(phone("X")), ..Event::new(EventName::DNOutOfService) };
    router.observe(&gone, at(2), at(2));
    router.submit(submission(1, "Sales>0", 0, at(3)), at(3)).unwrap();
    assert_eq!(offers(&mut router), []);
    let back = Event { this_dn: Some(phone("X")), ..Event::new(EventName::DNBackInService) };
    router.observe(&back, at(4), at(4));
    assert_eq!(offers(&mut router), [(1, "X".into())]);
}

#[test]
fn a_phone_at_which_no_call_rings_takes_its_agent_out_of_selection() {
    let of_phone = |name, mode: Option<&str>| {
        let mut event = Event { this_dn: Some(phone("X")), ..Event::new(name) };
        if let Some(mode) = mode {
            event.extensions.push("ForwardMode", mode);
        }
        event
    };
    let forwards = of_phone(EventName::ForwardSet, Some("Unconditional"));
    for (closed, open) in [(of_phone(EventName::DNDOn, None), EventName::DNDOff), (forwards, EventName::ForwardCancel)]
    {
        let mut router = three();
        ready(&mut router, "X", at(1));
        router.observe(&closed, at(2), at(2));
        router.submit(submission(1, "Sales>0", 0, at(3)), at(3)).unwrap();
        assert_eq!(offers(&mut router), []);
        let mut router = Router::restore(router.snapshot());
        ready(&mut router, "X", at(3));
        assert_eq!(offers(&mut router), [], "also after a restart");
        router.observe(&of_phone(open, None), at(4), at(4));
        assert_eq!(offers(&mut router), [(1, "X".into())]);
    }
    let mut router = three();
    ready(&mut router, "X", at(1));
    router.observe(&of_phone(EventName::ForwardSet, Some("OnBusy")), at(2), at(2));
    router.submit(submission(1, "Sales>0", 0, at(3)), at(3)).unwrap();
    assert_eq!(offers(&mut router), [(1, "X".into())], "its own calls alone are forwarded");
}

#[test]
fn update_changes_skills_and_priority_but_not_the_age() {
    let mut router = three();
    router.submit(submission(1, "Sales>8", 0, at(1)), at(1)).unwrap();
    ready(&mut router, "X", at(2));
    assert_eq!(offers(&mut router), []);
    let wider = vec![Target::Skills(SkillExpression::parse("Sales>1").unwrap())];
    assert_eq!(router.update(&id(1), Some(9), Some(wider), at(3)), Ok(true));
    assert_eq!(offers(&mut router), [(1, "X".into())]);
    assert_eq!(router.request(&id(1)).unwrap().submission.queued_at, at(1));
}

#[test]
fn submissions_beyond_the_limits_are_refused_by_name() {
    let mut router = three();
    let mut none = submission(1, "Sales>0", 0, at(1));
    none.targets.clear();
    assert_eq!(router.submit(none, at(1)), Err(SubmitError::Targets));
    let mut many = submission(1, "Sales>0", 0, at(1));
    many.excluded = (0..=EXCLUDED_MAX).map(|n| agent(&n.to_string())).collect();
    assert_eq!(router.submit(many, at(1)), Err(SubmitError::Excluded));
}

// === Laws ===

#[derive(Clone, Debug)]
enum Step {
    Submit { call: u64, expression: usize, priority: i32 },
    Cancel(u64),
    GiveBack(u64),
    Session { who: usize, name: EventName },
    Call { who: usize, call: u64, name: EventName, state: CallState },
    Delete(u64),
    Service { who: usize, name: EventName },
    Skills { who: usize, level: u16 },
    Forget(usize),
    Wait,
}

const WHO: [&str; 4] = ["X", "Y", "Z", "W"];
const EXPRESSIONS: [&str; 4] = ["Sales>0", "Sales>=5", "Spanish>3 | Sales>8", "!(Sales>5)"];

fn step() -> impl Strategy<Value = Step> {
    let sessions = prop_oneof![
        Just(EventName::AgentLogin),
        Just(EventName::AgentReady),
        Just(EventName::AgentReady),
        Just(EventName::AgentNotReady),
        Just(EventName::AgentLogout)
    ];
    let calls = prop_oneof![
        Just(EventName::Ringing),
        Just(EventName::Established),
        Just(EventName::Released),
        Just(EventName::Abandoned)
    ];
    let states = prop_oneof![Just(CallState::Ok), Just(CallState::NoAnswer)];
    let services = prop_oneof![
        Just(EventName::DNOutOfService),
        Just(EventName::DNBackInService),
        Just(EventName::DNDOn),
        Just(EventName::DNDOff)
    ];
    prop_oneof![
        4 => (0..8u64, 0..4usize, -2..3i32)
            .prop_map(|(call, expression, priority)| Step::Submit { call, expression, priority }),
        1 => (0..8u64).prop_map(Step::Cancel),
        1 => (0..8u64).prop_map(Step::GiveBack),
        4 => (0..4usize, sessions).prop_map(|(who, name)| Step::Session { who, name }),
        4 => (0..4usize, 0..8u64, calls, states)
            .prop_map(|(who, call, name, state)| Step::Call { who, call, name, state }),
        1 => (0..8u64).prop_map(Step::Delete),
        1 => (0..4usize, services).prop_map(|(who, name)| Step::Service { who, name }),
        1 => (0..4usize, 0..10u16).prop_map(|(who, level)| Step::Skills { who, level }),
        1 => (0..4usize).prop_map(Step::Forget),
        2 => Just(Step::Wait),
    ]
}

fn apply(router: &mut Router, step: &Step, now: Timestamp) {
    match step {
        Step::Submit { call, expression, priority } => {
            let _ = router.submit(submission(*call, EXPRESSIONS[*expression], *priority, now), now);
        }
        Step::Cancel(call) => {
            router.cancel(&id(*call), now);
        }
        Step::GiveBack(call) => {
            router.give_back(&id(*call), now);
        }
        Step::Session { who, name } => router.observe(&agent_event(*name, WHO[*who]), now, now),
        Step::Call { who, call, name, state } => {
            router.observe(&call_event(*name, WHO[*who], *call, Some(*state)), now, now);
        }
        Step::Delete(call) => router.observe(&call_event(EventName::CallDeleted, "nobody", *call, None), now, now),
        Step::Service { who, name } => {
            let event = Event { this_dn: Some(phone(WHO[*who])), ..Event::new(*name) };
            router.observe(&event, now, now);
        }
        Step::Skills { who, level } => {
            router.set_profile(&profile(WHO[*who], &[("Sales", *level), ("Spanish", 9 - *level)]), now);
        }
        Step::Forget(who) => router.forget_profile(&agent(WHO[*who])),
        Step::Wait => router.handle_timeout(now),
    }
}

/// No agent is reserved twice, and no agent is idle while a call waits that it fits.
fn check(router: &Router) {
    let promised: Vec<AgentId> = router.requests.keys().filter_map(|id| router.promised_to(id)).collect();
    let distinct: BTreeSet<&AgentId> = promised.iter().collect();
    assert_eq!(distinct.len(), promised.len(), "an agent is promised twice");
    for (index, row) in router.agents.rows() {
        assert_eq!(row.reserved, promised.contains(&row.id), "{:?}", row.id);
        if !router.agents.is_available(index) {
            continue;
        }
        for (id, waiting) in router.requests.iter().filter(|(_, waiting)| waiting.stage == Stage::Waiting) {
            let fits = waiting.keys.iter().any(|key| router.pools.get(key).unwrap().members().contains(index));
            assert!(!fits || router.excludes(id, index), "{:?} idles while {id:?} waits", row.id);
        }
    }
    let waiting = router.requests.values().filter(|waiting| waiting.stage == Stage::Waiting).count();
    assert_eq!(waiting, router.queues.values().map(BTreeSet::len).sum::<usize>());
}

/// Each request enters and leaves its queue alternately, and ends once.
fn check_outputs(log: &[Output]) {
    let mut counted: HashMap<&RequestId, bool> = HashMap::new();
    for output in log {
        match output {
            Output::Queued(id, ..) => assert_ne!(counted.insert(id, true), Some(true)),
            Output::Offered { request, .. } => assert_eq!(counted.insert(request, false), Some(true)),
            Output::Ended { request, queued, .. } => assert_eq!(counted.remove(request), Some(*queued)),
            Output::Returned(..) | Output::TimedOut(..) => {}
        }
    }
}

#[test]
fn a_call_that_asks_for_agents_without_end_is_refused() {
    let mut router = Router::new();
    let asks =
        |number: usize| Submission { id: RequestId(format!("r{number}")), ..submission(7, "Sales > 0", 0, at(0)) };
    for number in 0..REQUESTS_OF_CALL_MAX {
        assert!(router.submit(asks(number), at(0)).is_ok());
    }
    assert_eq!(router.submit(asks(REQUESTS_OF_CALL_MAX), at(0)), Err(SubmitError::TooManyOfCall));
    assert!(router.submit(submission(8, "Sales > 0", 0, at(0)), at(0)).is_ok(), "others are not concerned");
    router.cancel(&RequestId("r0".into()), at(1));
    assert!(router.submit(asks(REQUESTS_OF_CALL_MAX), at(1)).is_ok());
}

#[test]
fn times_that_are_over_together_are_told_in_several_turns() {
    let mut router = Router::new();
    for call in 0..=TIMERS_PER_TURN as u64 {
        // Some had timed out before they arrived.
        let times_out_at = Some(at(call % 10));
        router.submit(Submission { times_out_at, ..submission(call, "Sales > 0", 0, at(5)) }, at(5)).unwrap();
    }
    let told = |router: &mut Router| {
        let outputs = std::iter::from_fn(|| router.poll_output());
        outputs.filter(|output| matches!(output, Output::TimedOut(..))).count()
    };
    router.handle_timeout(at(10));
    assert_eq!(told(&mut router), TIMERS_PER_TURN);
    assert!(router.next_timeout().is_some_and(|due| due <= at(10)), "the next turn comes at once");
    router.handle_timeout(at(10));
    assert_eq!(told(&mut router), 1);
    assert_eq!(router.next_timeout(), None);
}

#[test]
fn a_phone_with_calls_without_end_fills_no_row() {
    let mut router = Router::new();
    router.set_profile(&profile("ann", &[("Sales", 5)]), at(0));
    router.observe(&agent_event(EventName::AgentReady, "ann"), at(0), at(0));
    for call in 0..1_000 {
        router.observe(&call_event(EventName::Dialing, "ann", call, None), at(1), at(1));
    }
    assert_eq!(router.agent(&agent("ann")).unwrap().calls.len(), crate::agents::CALLS_MAX);
    assert_eq!(router.submit(submission(5_000, "Sales > 0", 0, at(2)), at(2)).unwrap().stage, Stage::Waiting);
}

#[test]
fn agents_who_are_gone_leave_their_room_to_others() {
    let mut router = Router::new();
    for number in 0..crate::agents::AGENTS_MAX {
        assert!(router.set_profile(&profile(&number.to_string(), &[]), at(0)));
    }
    assert!(!router.set_profile(&profile("one more", &[]), at(0)));
    router.forget_profile(&agent("0"));
    assert!(router.set_profile(&profile("one more", &[]), at(0)));
}

#[test]
fn the_row_of_a_former_agent_goes_when_nothing_is_left_of_the_agent() {
    let mut router = three();
    ready(&mut router, "X", at(1));
    router.submit(submission(1, "Sales>0", 0, at(2)), at(2)).unwrap();
    router.forget_profile(&agent("X"));
    router.observe(&agent_event(EventName::AgentLogout, "X"), at(3), at(3));
    let mut restored = Router::restore(router.snapshot());
    for router in [&mut router, &mut restored] {
        assert!(router.agent(&agent("X")).is_some(), "still reserved");
        router.take_changes();
        router.cancel(&id(1), at(4));
        assert!(router.agent(&agent("X")).is_none());
        assert_eq!(router.take_changes().agents, [agent("X")], "its row is removed");
        router.observe(&agent_event(EventName::AgentLogout, "X"), at(5), at(5));
        assert_eq!(router.take_changes(), Changes::default(), "and does not come back");
    }
}

#[test]
fn an_agent_who_is_told_again_as_before_changes_no_row() {
    let mut router = three();
    router.take_changes();
    let told = profile("X", &[("Spanish", 5), ("Sales", 7)]);
    router.set_profile(&told, at(1));
    assert_eq!(router.take_changes(), Changes::default());
    let mut restored = Router::restore(router.snapshot());
    restored.set_profile(&told, at(1));
    assert_eq!(restored.take_changes(), Changes::default(), "the rows are as they were written");
    for other in [profile("X", &[("Sales", 7)]), profile("X", &[("Sales", 8)]), profile("X", &[("Spanish", 8)])] {
        router.set_profile(&other, at(1));
        assert_eq!(router.take_changes().agents, [agent("X")]);
    }
}

#[test]
fn a_row_that_was_not_stored_is_written_again_unless_the_agent_is_gone() {
    let mut router = three();
    router.take_changes();
    router.touch_agent(&agent("X"));
    router.touch_agent(&agent("nobody"));
    assert_eq!(router.take_changes().agents, [agent("X")]);
    router.forget_profile(&agent("X"));
    router.observe(&agent_event(EventName::AgentLogout, "X"), at(1), at(1));
    assert_eq!(router.take_changes().agents, [agent("X")], "its row is removed");
    router.touch_agent(&agent("X"));
    assert_eq!(router.take_changes(), Changes::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn laws_hold_after_every_step_and_a_restored_router_goes_on_alike(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let mut router = three();
        let mut restored = Router::restore(router.snapshot());
        let mut log = Vec::new();
        for (turn, step) in steps.iter().enumerate() {
            let now = at(100 + 4 * turn as u64);
            apply(&mut router, step, now);
            apply(&mut restored, step, now);
            check(&router);
            let out = outputs(&mut router);
            prop_assert_eq!(&out, &outputs(&mut restored));
            prop_assert_eq!(router.snapshot(), restored.snapshot());
            log.extend(out);
            restored = Router::restore(router.snapshot());
        }
        check_outputs(&log);
    }
}

#[test]
fn after_a_takeover_all_are_heard_before_anybody_is_served() {
    let mut router = three();
    ready(&mut router, "X", at(1));
    router.gather();
    let submit = |router: &mut Router, call, priority, queued| {
        router.submit(submission(call, "Sales>0", priority, at(queued)), at(10)).unwrap();
    };
    submit(&mut router, 1, 0, 9);
    submit(&mut router, 2, 0, 5);
    submit(&mut router, 3, 1, 8);
    ready(&mut router, "Y", at(11));
    assert_eq!(offers(&mut router), []);
    router.handle_timeout(at(19));
    assert_eq!(offers(&mut router), []);
    router.serve(at(20));
    assert_eq!(offers(&mut router), [(3, "X".into()), (2, "Y".into())], "the priority first, then the age");
    ready(&mut router, "Z", at(21));
    assert_eq!(offers(&mut router), [(1, "Z".into())], "from now on at once");
}

#[test]
fn after_a_takeover_no_reservation_ends_before_the_facts_are_known() {
    let mut router = three();
    ready(&mut router, "X", at(1));
    router.submit(submission(1, "Sales>0", 0, at(1)), at(1)).unwrap();
    assert_eq!(offers(&mut router), [(1, "X".into())]);
    let mut taken_over = Router::restore(router.snapshot());
    taken_over.gather();
    let late = at(1) + OFFER_EXPIRY + OFFER_EXPIRY;
    assert_eq!(taken_over.next_timeout(), None);
    taken_over.handle_timeout(late);
    assert_eq!(taken_over.status(&id(1)).map(|status| matches!(status.stage, Stage::Offered { .. })), Some(true));
    taken_over.serve(late);
    taken_over.handle_timeout(late);
    assert_eq!(taken_over.status(&id(1)).map(|status| status.stage), Some(Stage::Waiting));
}

#[test]
fn the_pool_of_a_request_that_was_offered_stays_until_it_is_over() {
    let mut router = three();
    ready(&mut router, "X", at(1));
    router.submit(submission(1, "Sales>0", 0, at(1)), at(1)).unwrap();
    assert_eq!(offers(&mut router), [(1, "X".into())]);
    for level in 0..=crate::pool::POOLS_MAX as u64 {
        let call = level + 2;
        router.submit(submission(call, &format!("Sales>{}", level + 1_000), 0, at(2)), at(2)).ok();
        router.cancel(&id(call), at(2));
    }
    router.give_back(&id(1), at(3));
    offers(&mut router);
    ready(&mut router, "Y", at(4));
    assert_eq!(offers(&mut router), [(1, "Y".into())]);
}

#[test]
fn rows_with_impossible_or_equal_numbers_of_arrival_are_numbered_anew() {
    let mut router = three();
    for call in 1..=4 {
        router.submit(submission(call, "Sales>0", 0, at(call)), at(call)).unwrap();
    }
    let mut snapshot = router.snapshot();
    snapshot.requests[0].arrival = u64::MAX;
    snapshot.requests[2].arrival = snapshot.requests[1].arrival;
    snapshot.requests.push(snapshot.requests[3].clone());
    let mut restored = Router::restore(snapshot);
    check(&restored);
    restored.submit(submission(5, "Sales>0", 0, at(5)), at(5)).unwrap();
    check(&restored);
    for (call, who) in [(1, "X"), (2, "Y"), (3, "Z")] {
        ready(&mut restored, who, at(10 + call));
        assert!(offers(&mut restored).contains(&(call, who.into())), "{call} for {who}");
    }
}

#[test]
fn an_agent_is_declined_only_while_the_request_is_promised_to_that_agent() {
    let mut router = three();
    ready(&mut router, "X", at(1));
    ready(&mut router, "Y", at(2));
    router.submit(submission(1, "Sales>6", 0, at(3)), at(3)).unwrap();
    assert!(router.decline(&id(1), &agent("X"), at(5)));
    assert!(!router.decline(&id(1), &agent("X"), at(5)), "said late: the next agent keeps the call");
    assert_eq!(offers(&mut router), [(1, "X".into()), (1, "Y".into())]);
    assert!(matches!(router.status(&id(1)).unwrap().stage, Stage::Offered { agent, .. } if agent.as_str() == "Y"));
}
