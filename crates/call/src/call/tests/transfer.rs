use std::time::Duration;

use model::event::ErrorCode;
use model::plan::{Destination, Service};
use model::request::RequestKind;
use model::{CallState, DnRole, EventName, LegId, ReferenceId};

use super::harness::{ANI, Bench, CONN, dn, phone, point};
use crate::call::{CALLER_LEG, Input, Output};

fn transfer(bench: &mut Bench, from: &str, to: &str) {
    bench.ask(RequestKind::SingleStepTransfer(CONN, dn(to)), from);
}

/// A caller from outside talks with 5001, which transfers the call to 5002; that one rings.
fn transferred() -> (Bench, LegId) {
    let (mut bench, _) = Bench::talking();
    bench.take();
    bench.news();
    transfer(&mut bench, "5001", "5002");
    let leg = bench.plan_rings("5002");
    (bench, leg)
}

/// 5001 has called 5002, which is on the leg, and they talk.
fn two_phones() -> (Bench, LegId) {
    let mut bench = Bench::internal("5002");
    let called = bench.plan_rings("5002");
    bench.give(Input::LegAnswered(called));
    bench.give(Input::LegAnswered(CALLER_LEG));
    bench.news();
    (bench, called)
}

#[test]
fn the_call_goes_on_without_who_transferred_it() {
    let (mut bench, agent) = Bench::talking();
    bench.take();
    bench.news();
    transfer(&mut bench, "5001", "5002");
    assert!(!bench.take().contains(&Output::ReleaseLeg(agent)), "connected until the destination is known");
    bench.plan(phone("5002", 1));
    let outputs = bench.take();
    assert!(outputs.contains(&Output::ReleaseLeg(agent)), "{outputs:?}");
    let Some(Output::RingLeg { leg, .. }) = outputs.iter().find(|o| matches!(o, Output::RingLeg { .. })) else {
        panic!("nobody rings: {outputs:?}")
    };
    let rings_back = |o: &Output| matches!(o, Output::StartTreatment { leg: CALLER_LEG, .. });
    assert!(outputs.iter().any(rings_back), "who stays hears ring-back");
    bench.give(Input::LegRinging(*leg));
    let ringing = bench.last();
    assert_eq!(
        (ringing.third_party_dn.as_deref(), ringing.third_party_role),
        (Some("5001"), Some(DnRole::TransferredBy))
    );
    assert_eq!((ringing.other_dn.as_deref(), ringing.call_state), (Some(ANI), Some(CallState::Transferred)));
    let released = bench.fact(EventName::Released);
    assert_eq!((released.reference, released.call_state), (ReferenceId(17), Some(CallState::Transferred)));
    bench.give(Input::LegAnswered(*leg));
    assert_eq!(bench.last().third_party_role, Some(DnRole::TransferredBy));
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(
        bench.news(),
        [
            "Released@5001 Transferred",
            "Ringing@5002 Transferred",
            "Established@5002",
            "Released@5002 RemoteRelease",
            "CallDeleted"
        ]
    );
}

#[test]
fn a_phone_of_the_tenant_that_stays_is_told() {
    let (mut bench, called) = two_phones();
    transfer(&mut bench, "5001", "5003");
    let leg = bench.plan_rings("5003");
    bench.give(Input::LegRinging(leg));
    let changed = bench.fact(EventName::PartyChanged);
    assert_eq!((changed.other_dn.as_deref(), changed.third_party_dn.as_deref()), (Some("5003"), Some("5001")));
    let ringing = bench.fact(EventName::Ringing);
    assert_eq!(ringing.other_dn.as_deref(), Some("5002"), "who stays, although the other one had called");
    bench.give(Input::LegAnswered(leg));
    bench.give(Input::LegReleased(called));
    assert_eq!(
        bench.news(),
        [
            "Released@5001 Transferred",
            "Ringing@5003 Transferred",
            "PartyChanged@5002 Transferred",
            "Established@5003",
            "Released@5002",
            "Released@5003 RemoteRelease",
            "CallDeleted",
        ]
    );
}

#[test]
fn who_is_transferred_to_a_service_is_told_and_sees_its_number() {
    let (mut bench, called) = two_phones();
    transfer(&mut bench, "5001", "8001");
    bench.plan(Destination::Service(Service::Echo));
    let changed = bench.fact(EventName::PartyChanged);
    assert_eq!((changed.other_dn.as_deref(), changed.third_party_dn.as_deref()), (Some("8001"), Some("5001")));
    bench.give(Input::LegReleased(called));
    let released = bench.fact(EventName::Released);
    assert_eq!(released.other_dn.as_deref(), Some("8001"));
    assert_eq!(
        bench.news(),
        ["Released@5001 Transferred", "PartyChanged@5002 Transferred", "Released@5002", "CallDeleted"]
    );
}

#[test]
fn a_transfer_that_nobody_takes_comes_back() {
    let (mut bench, leg) = transferred();
    bench.give(Input::LegRinging(leg));
    bench.news();
    bench.give(Input::LegFailed { leg, status: 486 });
    let back = bench.plan_rings("5001");
    bench.give(Input::LegRinging(back));
    assert_eq!(bench.last().extensions.text("RecalledFrom"), Some("5002"));
    bench.give(Input::LegAnswered(back));
    assert_eq!(bench.news(), ["Released@5002 Busy", "Ringing@5001", "Established@5001"]);
    assert!(!bench.over());
}

#[test]
fn who_transferred_and_is_busy_is_rung_again() {
    let (mut bench, leg) = transferred();
    bench.give(Input::LegFailed { leg, status: 486 });
    bench.news();
    for _ in 0..5 {
        let back = bench.plan_rings("5001");
        bench.give(Input::LegFailed { leg: back, status: 486 });
        bench.take();
        bench.pass(Duration::from_secs(3));
    }
    let back = bench.plan_rings("5001");
    bench.give(Input::LegFailed { leg: back, status: 486 });
    assert_eq!(bench.news(), ["Queued@9000", "RouteRequest@9000"], "at last it returns to its route point");
}

#[test]
fn who_transferred_and_refuses_with_its_key_is_not_rung_again() {
    let (mut bench, leg) = transferred();
    bench.give(Input::LegFailed { leg, status: 486 });
    bench.news();
    let back = bench.plan_rings("5001");
    bench.give(Input::LegRinging(back));
    bench.give(Input::LegFailed { leg: back, status: 486 });
    assert_eq!(bench.news(), ["Ringing@5001", "Released@5001 Busy", "Queued@9000", "RouteRequest@9000"]);
}

#[test]
fn who_transferred_and_refuses_is_not_rung_again() {
    let (mut bench, leg) = transferred();
    bench.give(Input::LegFailed { leg, status: 486 });
    bench.news();
    let back = bench.plan_rings("5001");
    bench.give(Input::LegFailed { leg: back, status: 603 });
    assert_eq!(bench.news(), ["Queued@9000", "RouteRequest@9000"]);
}

#[test]
fn a_call_that_cannot_come_back_returns_to_its_route_point() {
    let (mut bench, leg) = transferred();
    bench.give(Input::LegRinging(leg));
    bench.news();
    bench.give(Input::LegFailed { leg, status: 486 });
    bench.plan(phone("5001", 0));
    assert_eq!(bench.last().extensions.text("FailedDN"), Some("5001"));
    assert_eq!(bench.news(), ["Released@5002 Busy", "Queued@9000", "RouteRequest@9000"]);
}

#[test]
fn who_waits_for_the_destination_may_leave() {
    let (mut bench, leg) = transferred();
    bench.give(Input::LegRinging(leg));
    bench.news();
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(bench.news(), ["Abandoned@5002", "CallDeleted"]);
    assert!(bench.take().contains(&Output::CancelLeg(leg)));
}

#[test]
fn a_call_is_transferred_to_a_route_point() {
    let (mut bench, _) = Bench::talking();
    bench.news();
    transfer(&mut bench, "5001", "9001");
    bench.plan(point("9001", None));
    assert_eq!(bench.news(), ["Released@5001 Transferred", "Queued@9001", "RouteRequest@9001"]);
}

#[test]
fn a_destination_that_cannot_take_it_is_refused_and_nothing_changes() {
    let (mut bench, agent) = Bench::talking();
    transfer(&mut bench, "5001", "5002");
    bench.plan(phone("5002", 0));
    assert_eq!(bench.error(), ErrorCode::OUT_OF_SERVICE);
    transfer(&mut bench, "5001", "5002");
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.error(), ErrorCode::TIMEOUT);
    transfer(&mut bench, "5001", "5001");
    assert_eq!(bench.error(), ErrorCode::INVALID_DESTINATION);
    transfer(&mut bench, "5007", "5002");
    assert_eq!(bench.error(), ErrorCode::INVALID_CALL_STATE);
    assert!(!bench.over() && !bench.take().contains(&Output::ReleaseLeg(agent)));
}

#[test]
fn a_call_that_ends_during_the_look_up_refuses_the_transfer() {
    let (mut bench, _) = Bench::talking();
    transfer(&mut bench, "5001", "5002");
    bench.news();
    bench.give(Input::LegReleased(CALLER_LEG));
    assert_eq!(bench.news(), ["Error@5001", "Released@5001 RemoteRelease", "CallDeleted"]);
}

#[test]
fn a_phone_transfers_by_itself_and_is_told_how_it_goes() {
    let (mut bench, agent) = Bench::talking();
    bench.take();
    bench.give(Input::LegTransfers { leg: agent, to: dn("5002") });
    bench.plan(phone("5002", 0));
    assert_eq!(bench.take().last(), Some(&Output::TransferOutcome { leg: agent, status: 480 }));
    bench.give(Input::LegTransfers { leg: CALLER_LEG, to: dn("5002") });
    assert_eq!(bench.take(), [Output::TransferOutcome { leg: CALLER_LEG, status: 603 }], "not from behind a trunk");
    bench.give(Input::LegTransfers { leg: agent, to: dn("5002") });
    bench.plan(phone("5002", 1));
    let outputs = bench.take();
    let at = |wanted: &Output| outputs.iter().position(|output| output == wanted);
    let told = at(&Output::TransferOutcome { leg: agent, status: 200 });
    assert!(told.is_some() && told < at(&Output::ReleaseLeg(agent)), "{outputs:?}");
    assert_eq!(bench.fact(EventName::Released).reference, ReferenceId(0));
}

#[test]
fn a_transferred_call_that_is_sent_on_while_it_rings_still_comes_back() {
    let (mut bench, leg) = transferred();
    bench.give(Input::LegRinging(leg));
    bench.ask(RequestKind::RedirectCall(CONN, dn("5003")), "5002");
    let leg = bench.plan_rings("5003");
    bench.give(Input::LegRinging(leg));
    bench.news();
    bench.give(Input::LegFailed { leg, status: 486 });
    let back = bench.plan_rings("5001");
    bench.give(Input::LegAnswered(back));
    assert_eq!(bench.news(), ["Released@5003 Busy", "Ringing@5001", "Established@5001"]);
}

#[test]
fn what_is_late_from_a_caller_who_has_transferred_its_call_changes_nothing() {
    let mut bench = Bench::internal("5002");
    let called = bench.plan_rings("5002");
    bench.give(Input::LegAnswered(called));
    bench.give(Input::LegAnswered(CALLER_LEG));
    assert!(bench.call.first().presents_caller());
    transfer(&mut bench, "5001", "5003");
    bench.plan_rings("5003");
    assert!(!bench.call.first().presents_caller());
    for input in [Input::LegFailed { leg: CALLER_LEG, status: 503 }, Input::LegReleased(CALLER_LEG)] {
        bench.give(input);
    }
    assert!(!bench.over());
}
