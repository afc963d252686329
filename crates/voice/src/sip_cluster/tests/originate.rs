//! Calls made by request at the node: what rings first, what is stored, a restart between any two steps.

use infra::Change;
use model::event::ErrorCode;
use model::plan::{Destination, Service};
use model::request::RequestKind;
use model::{ConnId, Dn, UserData, Value};
use sip::HeaderName;
use sip::agent::Event;

use super::bench::{Bench, Peer, phone};
use super::calls::request;
use super::restart::restart;
use crate::sip_cluster::node::order::Order;

/// 7101 calls 7102 by request; nothing has rung.
fn made() -> (Bench, ConnId) {
    let mut bench = Bench::new();
    let to = Dn::parse("7102").expect("a DN");
    let data: UserData = [("Order", "4711")].into_iter().collect();
    let make = request(ConnId(0), "7101", |_| RequestKind::MakeCall(to.clone(), data.clone()));
    bench.node.request(make, bench.now).expect("the node takes calls");
    bench.run();
    let conn_id = bench.writes.first().expect("stored at once").conn_id;
    (bench, conn_id)
}

/// What the dial plan is asked, each with the number that is to be shown.
fn asked(bench: &Bench) -> Vec<(String, Option<String>)> {
    let asked = bench.orders.iter().filter_map(|order| match order {
        Order::AskDialPlan { number, .. } => Some((number.dialled.clone(), number.shows.clone())),
        _ => None,
    });
    asked.collect()
}

#[test]
fn the_number_to_be_shown_is_asked_about_with_the_one_that_is_called_also_after_a_restart() {
    let to = Dn::parse("+4989123").expect("a DN");
    let make = |shows: Value| {
        let mut make = request(ConnId(0), "7101", |_| RequestKind::MakeCall(to.clone(), UserData::new()));
        make.extensions.push("CPNDigits", shows);
        make
    };
    let mut bench = Bench::new();
    for wrong in [Value::from("Ann"), Value::from("+"), Value::from("+1 555"), Value::from(15_550_103_i64)] {
        assert_eq!(bench.node.request(make(wrong), bench.now), Err(ErrorCode::INVALID_ATTRIBUTE));
    }
    bench.node.request(make(Value::from("+15550103")), bench.now).expect("the node takes calls");
    bench.run();
    let conn_id = bench.writes.first().expect("stored at once").conn_id;
    let with_number = [("+4989123".to_owned(), Some("+15550103".to_owned()))];
    assert_eq!(asked(&bench), with_number);
    bench.orders.clear();
    restart(&mut bench, conn_id);
    assert_eq!(asked(&bench), with_number);
    bench.plan(other_phone());
    assert_eq!(asked(&bench), [("7101".to_owned(), None)], "the own phone is no destination");
}

fn other_phone() -> Destination {
    let Destination::Extension { contacts, no_answer_ms, .. } = phone(15_000) else { unreachable!("it is a phone") };
    Destination::Extension { dn: Dn::parse("7102").expect("a DN"), contacts, no_answer_ms }
}

/// The INVITEs that phones have got.
fn invites(bench: &Bench) -> Vec<&sip::Message> {
    let of_phone = bench.seen.iter().filter(|(peer, _)| *peer == Peer::Phone);
    let invites = of_phone.filter_map(|(_, event)| match event {
        Event::Incoming { request, .. } => Some(&**request),
        _ => None,
    });
    invites.collect()
}

/// The whole call; `between` comes after each step, with its number.
fn through(mut between: impl FnMut(&mut Bench, ConnId, usize)) -> Bench {
    let (mut bench, conn_id) = made();
    between(&mut bench, conn_id, 0);
    bench.plan(other_phone());
    between(&mut bench, conn_id, 1);
    bench.plan(phone(15_000));
    between(&mut bench, conn_id, 2);
    bench.phone_rings();
    between(&mut bench, conn_id, 3);
    let own = bench.phone_dialog;
    bench.phone_answers();
    between(&mut bench, conn_id, 4);
    bench.plan(other_phone());
    between(&mut bench, conn_id, 5);
    bench.phone_rings();
    bench.phone_answers();
    between(&mut bench, conn_id, STEPS - 1);
    assert_ne!(bench.phone_dialog, own, "two phones have been rung");
    bench
}

const STEPS: usize = 7;

fn ends(mut bench: Bench) {
    bench.bye(Peer::Phone);
    assert!(bench.is_clear());
    assert_eq!(
        bench.story,
        [
            "Dialing@7101",
            "Ringing@7102",
            "Established@7101",
            "Established@7102",
            "Released@7101",
            "Released@7102",
            "CallDeleted"
        ]
    );
}

#[test]
fn the_phone_that_calls_rings_with_the_number_that_it_will_call() {
    let bench = through(|_, _, _| {});
    let invites = invites(&bench);
    let from: Vec<_> = invites
        .iter()
        .map(|invite| invite.from().expect("From").uri().expect("a URI").user().map(str::to_owned))
        .collect();
    assert_eq!(from, [Some("7102".to_owned()), Some("7101".to_owned())]);
    let by_itself = |invite: &&sip::Message| {
        invite.header(&HeaderName::CallInfo).is_some_and(|info| info.ends_with("answer-after=0"))
    };
    assert!(by_itself(&invites[0]) && !by_itself(&invites[1]), "only who asked for the call need not answer it");
    assert!(matches!(bench.writes[0].change, Change::Create { .. }));
    ends(bench);
}

#[test]
fn it_goes_on_after_a_restart_between_any_two_steps() {
    for failed_at in 0..STEPS {
        let bench = through(|bench, conn_id, step| {
            if step == failed_at {
                // The answer to an open question went to the run that has failed.
                bench.orders.clear();
                restart(bench, conn_id);
            }
        });
        ends(bench);
    }
}

#[test]
fn a_service_answers_the_phone_that_called_it() {
    let (mut bench, _) = made();
    bench.plan(Destination::Service(Service::Echo));
    bench.plan(phone(15_000));
    bench.phone_rings();
    bench.phone_answers();
    bench.plan(Destination::Service(Service::Echo));
    assert!(bench.played.iter().any(|(_, command)| matches!(command, ivr::msml::Command::Echo { .. })));
    bench.bye(Peer::Phone);
    assert!(bench.is_clear());
}

#[test]
fn the_phone_that_calls_refuses() {
    let (mut bench, conn_id) = made();
    bench.plan(other_phone());
    bench.plan(phone(15_000));
    let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
    bench.agent(Peer::Phone).reject(dialog, sip::agent::Reply::new(sip::StatusCode(486)), now).expect("an INVITE");
    bench.run();
    assert!(bench.is_clear(), "{conn_id}");
    assert_eq!(bench.story, ["Dialing@7101", "Released@7101", "CallDeleted"]);
}

#[test]
fn a_number_that_does_not_exist_is_an_error_that_is_stored() {
    let (mut bench, _) = made();
    bench.plan(Destination::Reject { status: 404, reason: String::new() });
    assert_eq!(bench.story, ["Error@7101", "CallDeleted"]);
    assert!(bench.is_clear() && invites(&bench).is_empty());
}

#[test]
fn a_node_that_drains_or_a_request_that_is_none_opens_no_call() {
    let mut bench = Bench::new();
    let to = Dn::parse("7102").expect("a DN");
    let much: UserData = (0..=UserData::PAIRS_MAX).map(|n| (n.to_string(), "x".to_owned())).collect();
    let now = bench.now;
    let mut make = |kind: RequestKind| bench.node.request(request(ConnId(0), "7101", |_| kind.clone()), now);
    assert_eq!(make(RequestKind::MakeCall(to.clone(), much)), Err(ErrorCode::INVALID_ATTRIBUTE));
    assert_eq!(make(RequestKind::AgentLogout), Err(ErrorCode::UNSUPPORTED));
    assert!(bench.node.drain());
    let make = request(ConnId(0), "7101", |_| RequestKind::MakeCall(to.clone(), UserData::new()));
    assert_eq!(bench.node.request(make, now), Err(ErrorCode::OUT_OF_SERVICE));
    assert!(bench.is_clear() && bench.writes.is_empty());
}
