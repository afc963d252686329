//! Monitoring at the node: what media is told of the supervisor's leg, and restarts in between.

use std::time::Duration;

use ivr::msml::{Command, JoinStreams};
use model::plan::Destination;
use model::request::{MonitorMode, MonitorType, RequestKind, RouteTo};
use model::{ConnId, Dn, LegId, Timestamp};
use sip::LocalTag;

use super::bench::{Bench, Peer, phone, point, seal};
use super::calls::{request, talking};
use super::restart::restart;
use crate::monitors::Monitor;

fn dn(text: &str) -> Dn {
    Dn::parse(text).expect("a DN")
}

/// 7102 asks to monitor the phone at 7101.
fn monitor(bench: &mut Bench, conn_id: ConnId, mode: MonitorMode) {
    let asked = request(conn_id, "7102", |id| RequestKind::MonitorCall(id, dn("7101"), mode));
    bench.node.request(asked, bench.now).expect("the call is here");
    bench.run();
}

fn plan_supervisor(bench: &mut Bench) {
    plan_phone(bench, "7102");
}

fn plan_phone(bench: &mut Bench, number: &str) {
    let Destination::Extension { contacts, no_answer_ms, .. } = phone(15_000) else { unreachable!("it is a phone") };
    bench.plan(Destination::Extension { dn: dn(number), contacts, no_answer_ms });
}

/// What media was last told of the supervisor's part: the streams with its room, and whom it coaches.
fn part(bench: &Bench) -> (Option<JoinStreams>, Option<&str>) {
    let supervisor = bench.media_dialogs.get(2).copied();
    let of_it = bench.played.iter().filter(|(dialog, _)| Some(*dialog) == supervisor);
    of_it.fold((None, None), |part, (_, command)| match command {
        Command::Join { streams, .. } => (Some(*streams), None),
        Command::Coach { heard_by, .. } => (part.0, Some(heard_by)),
        _ => part,
    })
}

#[test]
fn nobody_hears_a_supervisor_even_before_it_answers() {
    let (mut bench, conn_id) = talking();
    monitor(&mut bench, conn_id, MonitorMode::Mute);
    plan_supervisor(&mut bench);
    assert_eq!(part(&bench), (Some(JoinStreams::HearsOnly), None));
}

#[test]
fn media_is_told_of_each_change_and_whom_a_supervisor_coaches() {
    let (mut bench, conn_id) = talking();
    monitor(&mut bench, conn_id, MonitorMode::Mute);
    plan_supervisor(&mut bench);
    bench.phone_rings();
    bench.phone_answers();
    monitor(&mut bench, conn_id, MonitorMode::Coach);
    let (streams, coached) = part(&bench);
    assert_eq!(streams, Some(JoinStreams::HearsOnly));
    let coached = coached.and_then(|tag| LocalTag::decode(tag, &seal())).map(|tag| (tag.call, tag.leg));
    assert_eq!(coached, Some((conn_id, LegId(LocalTag::WITH_NODE + 2))));
    monitor(&mut bench, conn_id, MonitorMode::Connect);
    assert_eq!(part(&bench), (Some(JoinStreams::Both), None));
    bench.bye(Peer::Caller);
    bench.bye(Peer::Phone);
    assert_eq!(bench.node.calls(), 0, "{:?}", bench.story);
}

#[test]
fn a_call_is_monitored_after_a_restart_between_any_two_steps() {
    for failed_at in 0..4 {
        let (mut bench, conn_id) = talking();
        let again = |bench: &mut Bench, step: usize| {
            if step == failed_at {
                bench.orders.clear();
                restart(bench, conn_id);
            }
        };
        monitor(&mut bench, conn_id, MonitorMode::Coach);
        again(&mut bench, 0);
        plan_supervisor(&mut bench);
        again(&mut bench, 1);
        bench.phone_rings();
        again(&mut bench, 2);
        bench.phone_answers();
        let told = bench.played.len();
        again(&mut bench, 3);
        let entry = bench.node.table().get(&conn_id).expect("the call");
        let call = entry.thread.first();
        assert_eq!(call.parties.len(), 3, "{failed_at}: {:?}", bench.story);
        assert!(entry.legs.iter().all(|leg| leg.seat == entry.seat_of(leg.id)), "{failed_at}");
        assert!(part(&bench).1.is_some(), "{failed_at}");
        assert_eq!(bench.played.len(), told, "{failed_at}: media has it where it is");
        bench.bye(Peer::Caller);
        assert_eq!(bench.node.calls(), 0, "{failed_at}");
    }
}

fn supervisor(id: u64, kind: MonitorType) -> Monitor {
    let (mode, until) = (MonitorMode::Mute, Timestamp::MAX);
    Monitor { id, supervisor: dn("7102"), dn: dn("7101"), mode, kind, until }
}

/// Tells the node who monitors, and answers the dial plan's question if the supervisor is to be rung. Returns whether it is.
fn rings_after(bench: &mut Bench, monitors: Vec<Monitor>) -> bool {
    let tenant = bench.node.tenants().pop_first().expect("a call");
    bench.node.monitors_read(&tenant, monitors, bench.now);
    bench.run();
    is_being_rung(bench)
}

fn is_being_rung(bench: &Bench) -> bool {
    bench.node.table().values().any(|entry| entry.thread.first().invitation.is_some())
}

/// The number of a monitor that began now.
fn now(bench: &Bench) -> u64 {
    bench.now.as_micros() + 1
}

#[test]
fn a_supervisor_is_rung_for_the_call_in_progress_or_for_those_that_come() {
    for (kind, rung) in [(MonitorType::Current, true), (MonitorType::OneCall, false), (MonitorType::AllCalls, false)] {
        let (mut bench, _) = talking();
        let monitors = vec![supervisor(now(&bench), kind)];
        assert_eq!(rings_after(&mut bench, monitors), rung, "{kind:?}");
    }
    for kind in MonitorType::ALL {
        let mut bench = Bench::new();
        let conn_id = bench.call("9000", point());
        let monitors = vec![supervisor(now(&bench), kind)];
        assert!(!rings_after(&mut bench, monitors), "nobody talks yet");
        let route =
            request(conn_id, "9000", |id| RequestKind::RouteCall(id, RouteTo::Dn { dn: dn("7101"), agent: None }));
        bench.node.request(route, bench.now).expect("the call is here");
        bench.run();
        bench.plan(phone(15_000));
        bench.phone_rings();
        bench.phone_answers();
        assert!(is_being_rung(&bench), "{kind:?}");
    }
}

#[test]
fn a_supervisor_is_rung_once_for_a_call() {
    let (mut bench, _) = talking();
    let monitors = vec![supervisor(now(&bench), MonitorType::Current)];
    assert!(rings_after(&mut bench, monitors.clone()));
    plan_supervisor(&mut bench);
    bench.phone_rings();
    bench.pass(Duration::from_secs(16));
    assert!(!is_being_rung(&bench));
    let others = vec![supervisor(now(&bench) + 1, MonitorType::AllCalls), monitors[0].clone()];
    assert!(!rings_after(&mut bench, others), "the first has been tried, the second is for calls that come");
    let expired = Monitor { until: bench.now, ..supervisor(now(&bench) + 2, MonitorType::Current) };
    assert!(!rings_after(&mut bench, vec![expired]));
}

#[test]
fn a_supervisor_is_not_rung_for_whoever_has_the_call_next_whatever_scope_was_asked_for() {
    for scope in ["call", "agent"] {
        let (mut bench, conn_id) = talking();
        let mut asked = request(conn_id, "7102", |id| RequestKind::MonitorCall(id, dn("7101"), MonitorMode::Mute));
        asked.extensions.push("MonitorScope", scope);
        bench.node.request(asked, bench.now).expect("the call is here");
        bench.run();
        plan_supervisor(&mut bench);
        bench.phone_rings();
        bench.phone_answers();
        let transfer = request(conn_id, "7101", |id| RequestKind::SingleStepTransfer(id, dn("7103")));
        bench.node.request(transfer, bench.now).expect("the call is here");
        bench.run();
        plan_phone(&mut bench, "7103");
        bench.phone_rings();
        bench.phone_answers();
        let call = bench.node.table().get(&conn_id).expect("the call").thread.first();
        let there = ["7101", "7102", "7103"].map(|number| call.party_at(&dn(number)).is_some());
        assert_eq!((there, call.invitation.is_some()), ([false, false, true], false), "{scope}: {:?}", bench.story);
    }
}

#[test]
fn a_supervisor_who_waits_while_another_one_rings_is_rung_after_a_restart() {
    // agent-state forgets who wanted one call as soon as that supervisor rings.
    for first_is_forgotten in [false, true] {
        let (mut bench, conn_id) = talking();
        let first = supervisor(now(&bench), MonitorType::Current);
        let second = Monitor { supervisor: dn("7103"), id: first.id + 1, ..first.clone() };
        assert!(rings_after(&mut bench, vec![first.clone(), second.clone()]));
        plan_supervisor(&mut bench);
        bench.phone_rings();
        bench.pass(Duration::from_secs(1));
        restart(&mut bench, conn_id);
        let known = if first_is_forgotten { vec![second] } else { vec![first, second] };
        assert!(rings_after(&mut bench, known), "the first still rings");
        bench.phone_answers();
        let call = bench.node.table().get(&conn_id).expect("the call").thread.first().clone();
        assert_eq!(call.parties.len(), 3, "{:?}", bench.story);
        let rung = call.invitation.map(|open| open.asked.this_dn);
        assert_eq!(rung, Some(dn("7103")), "{first_is_forgotten}");
    }
}

#[test]
fn hundreds_of_supervisors_whom_the_call_refuses_cost_no_depth() {
    let told = || {
        let (mut bench, _) = talking();
        let first = now(&bench);
        let monitor = |n: u64| Monitor {
            supervisor: dn(&(8_000 + n).to_string()),
            ..supervisor(first + n, MonitorType::Current)
        };
        let monitors: Vec<Monitor> = (0..500).map(monitor).collect();
        assert!(rings_after(&mut bench, monitors));
        // The call is monitored by as many as may; all that follow are refused at once.
        for n in 0..10 {
            assert!(is_being_rung(&bench), "{n}");
            plan_phone(&mut bench, &(8_000 + n).to_string());
            bench.phone_rings();
            bench.phone_answers();
        }
        let call = bench.node.table().values().next().expect("the call").thread.first().clone();
        assert_eq!((call.parties.len(), is_being_rung(&bench)), (12, false));
        bench.bye(Peer::Caller);
        assert_eq!(bench.node.calls(), 0, "{:?}", bench.story);
    };
    let on_small_stack = std::thread::Builder::new().stack_size(512 * 1_024).spawn(told);
    on_small_stack.expect("a thread").join().expect("it ends in order");
}
