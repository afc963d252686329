//! INVITEs that join a call which is there: in another phone's place, by picking it up, from a park slot.

use std::time::Duration;

use infra::{Record, Written};
use model::plan::Destination;
use model::request::RequestKind;
use model::{ConnId, Token};
use sip::agent::{DialogId, DialogTerms, Event, Invite, LocalIdentity, Provisionals};
use sip::proxy::headers;
use sip::{ConnectionId, HeaderName, StatusCode};

use super::bench::{Bench, EDGE, LINK, PHONE_SDP, Peer, owner, phone};
use super::calls::{request, talking};
use super::restart::claimed;
use crate::sip_cluster::node::order::Order;

fn dn(number: &str) -> model::Dn {
    model::Dn::parse(number).expect("a DN")
}

/// The phone at `from` sends an INVITE of its own.
fn invites(bench: &mut Bench, from: &str, number: &str, further: Vec<(HeaderName, String)>) -> DialogId {
    let source = vec![(headers::TENANT, "t1".to_owned()), (headers::SOURCE, format!("phone;dn={from}"))];
    let invite = Invite {
        flow: LINK,
        target: format!("sip:{number}@{EDGE}"),
        from: format!("<sip:{from}@{EDGE}>"),
        to: format!("<sip:{number}@{EDGE}>"),
        call_id: format!("{from}-to-{number}"),
        local: LocalIdentity { tag: format!("own{number}"), contact: format!("<sip:{from}@192.0.2.7>") },
        routes: Vec::new(),
        headers: source.into_iter().chain(further).collect(),
        offer: Some(PHONE_SDP.into()),
        max_forwards: sip::dialog::MAX_FORWARDS,
        parts: Vec::new(),
        provisionals: Provisionals::Plain,
        account: None,
        terms: DialogTerms::default(),
    };
    let now = bench.now;
    let dialog = bench.agent(Peer::Phone).invite(invite, now).expect("an INVITE");
    bench.run();
    dialog
}

/// What names the dialog of the phone in the call.
fn replaces(bench: &mut Bench) -> Vec<(HeaderName, String)> {
    let dialog = bench.phone_dialog.expect("a dialog");
    let dialog = &bench.agent(Peer::Phone).leg(dialog).expect("a dialog").dialog;
    let value = format!("{};to-tag={};from-tag={}", dialog.call_id, dialog.remote_tag, dialog.local_tag);
    vec![(HeaderName::Replaces, value), (HeaderName::Require, "replaces".to_owned())]
}

fn is_answered(bench: &Bench, dialog: DialogId) -> bool {
    bench.saw(Peer::Phone, |event| matches!(event, Event::Answered { dialog: of, .. } if *of == dialog))
}

fn status_of(bench: &Bench, dialog: DialogId) -> Option<StatusCode> {
    bench.seen.iter().find_map(|(_, event)| match event {
        Event::Failed { dialog: of, status, .. } if *of == dialog => Some(*status),
        _ => None,
    })
}

fn rests_after_the_caller_has_left(mut bench: Bench) {
    bench.bye(Peer::Caller);
    bench.pass(Duration::from_secs(40));
    assert!(bench.is_clear(), "{:?}", bench.story);
}

#[test]
fn an_invite_with_replaces_takes_the_place_of_the_phones_dialog() {
    let (mut bench, conn_id) = talking();
    let named = replaces(&mut bench);
    let calls = bench.node.calls();
    let own = invites(&mut bench, "7101", "7101", named);
    assert!(is_answered(&bench, own));
    assert!(
        !bench.orders.iter().any(|order| matches!(order, Order::AskDialPlan { .. })),
        "the dial plan has no part in it"
    );
    assert_eq!(bench.node.calls(), calls, "{conn_id}");
    let old = bench.phone_dialog.expect("a dialog");
    assert!(bench.saw(Peer::Phone, |event| matches!(event, Event::Released { dialog, .. } if *dialog == old)));
    rests_after_the_caller_has_left(bench);
}

#[test]
fn what_replaces_no_dialog_of_ours_is_481_and_a_trunk_replaces_nothing() {
    let (mut bench, _) = talking();
    let mut named = replaces(&mut bench);
    let own = invites(&mut bench, "7105", "7101", vec![(HeaderName::Replaces, "x;to-tag=1;from-tag=2".to_owned())]);
    assert_eq!(status_of(&bench, own), Some(StatusCode::CALL_DOES_NOT_EXIST));
    named[0].1 = named[0].1.replacen(';', "x;", 1);
    let own = invites(&mut bench, "7105", "7102", named);
    assert_eq!(status_of(&bench, own), Some(StatusCode::CALL_DOES_NOT_EXIST));
    rests_after_the_caller_has_left(bench);
}

/// The phone at 7105 dials the code; the dial plan says what it means.
fn dials_code(bench: &mut Bench, destination: Destination) -> DialogId {
    let own = invites(bench, "7105", "*8", Vec::new());
    bench.plan(destination);
    own
}

#[test]
fn a_phone_picks_up_a_call_that_rings_at_another_one() {
    let mut bench = Bench::new();
    bench.call("7101", phone(60_000));
    bench.phone_rings();
    let own = dials_code(&mut bench, Destination::Pickup { dn: dn("7101") });
    assert!(is_answered(&bench, own));
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. })));
    let told = ["Ringing@7101", "Released@7101", "Ringing@7105", "Established@7105"];
    assert!(bench.story.ends_with(&told.map(str::to_owned)), "{:?}", bench.story);
    assert_eq!(bench.node.calls(), 1);
    rests_after_the_caller_has_left(bench);
}

#[test]
fn a_phone_that_talks_picks_up_a_further_call() {
    let (mut bench, _) = talking();
    let (dialog, now) = (bench.phone_dialog.expect("a dialog"), bench.now);
    let held = format!("{PHONE_SDP}a=sendonly\r\n");
    bench.agent(Peer::Phone).reinvite(dialog, Some(held.into()), Vec::new(), now).expect("a dialog");
    bench.run();
    let own = invites(&mut bench, "7101", "*8", Vec::new());
    bench.plan(Destination::Pickup { dn: dn("7102") });
    assert_eq!(status_of(&bench, own), Some(StatusCode(480)), "nothing rings there");
    assert_eq!(bench.node.calls(), 1);
    rests_after_the_caller_has_left(bench);
}

#[test]
fn a_phone_that_talks_picks_up_a_call_of_others_and_keeps_its_own() {
    let (mut bench, _) = talking();
    let first = bench.phone_dialog;
    invites(&mut bench, "7106", "7102", Vec::new());
    let Destination::Extension { contacts, no_answer_ms, .. } = phone(60_000) else { unreachable!("it is a phone") };
    bench.plan(Destination::Extension { dn: dn("7102"), contacts, no_answer_ms });
    assert_ne!(bench.phone_dialog, first);
    bench.phone_rings();
    let own = invites(&mut bench, "7101", "*8", Vec::new());
    // Another change of its thread is stored before the dial plan answers.
    bench.pass(Duration::from_secs(1));
    bench.plan(Destination::Pickup { dn: dn("7102") });
    assert!(is_answered(&bench, own));
    assert_eq!(bench.node.calls(), 2, "{:?}", bench.story);
    let told = ["Released@7102", "Ringing@7101", "Established@7106", "Established@7101"];
    assert!(bench.story.ends_with(&told.map(str::to_owned)), "{:?}", bench.story);
}

#[test]
fn a_node_that_is_drained_lets_phones_join_the_calls_that_it_has() {
    let mut bench = Bench::new();
    bench.call("7101", phone(60_000));
    bench.phone_rings();
    bench.node.drain();
    let own = invites(&mut bench, "7105", "*8", Vec::new());
    assert_eq!(status_of(&bench, own), Some(StatusCode(503)), "it takes no new call");
    let own = invites(&mut bench, "7106", "*8", vec![(headers::OWNER, "sip-cluster-1.1".to_owned())]);
    bench.node.found(&sought(&bench), &crate::sip_cluster::node::lookup::Found::Unknown, bench.now);
    bench.run();
    bench.plan(Destination::Pickup { dn: dn("7101") });
    assert!(is_answered(&bench, own));
    rests_after_the_caller_has_left(bench);
}

#[test]
fn a_call_is_parked_and_fetched() {
    let (mut bench, conn_id) = talking();
    let slot = || Destination::Park { slot: dn("*5901") };
    let transfer = |conn_id: ConnId| RequestKind::SingleStepTransfer(conn_id, dn("*5901"));
    bench.node.request(request(conn_id, "7101", transfer), bench.now).expect("the call is here");
    bench.run();
    bench.plan(slot());
    bench.pass(Duration::from_secs(60));
    let own = dials_code(&mut bench, slot());
    assert!(is_answered(&bench, own));
    assert!(bench.story.ends_with(&["Ringing@7105", "Established@7105"].map(str::to_owned)), "{:?}", bench.story);
    let own = invites(&mut bench, "7106", "*59", Vec::new());
    bench.plan(slot());
    assert_eq!(status_of(&bench, own), Some(StatusCode(480)), "it was fetched");
    rests_after_the_caller_has_left(bench);
}

#[test]
fn calls_that_two_nodes_have_parked_at_one_slot_are_fetched_one_after_the_other() {
    let slot = || Destination::Park { slot: dn("*5901") };
    let park = |bench: &mut Bench, conn_id| {
        let transfer = request(conn_id, "7101", |id| RequestKind::SingleStepTransfer(id, dn("*5901")));
        bench.node.request(transfer, bench.now).expect("the call is here");
        bench.run();
        bench.plan(slot());
    };
    let waiting =
        |bench: &Bench| bench.node.table().values().filter(|entry| entry.thread.is_parked_at(&dn("*5901"))).count();
    let (mut bench, first) = talking();
    park(&mut bench, first);
    // Another node has it, which this one does not ask before it parks a second one.
    let record = Record { token: Token(3), ..claimed(&bench, first) };
    let other = owner("sip-cluster-2", 1);
    bench.node.committed([(first, Written::Fenced { owner: other, token: Token(2) })]);
    let second = bench.call("7101", phone(15_000));
    bench.phone_rings();
    bench.phone_answers();
    park(&mut bench, second);
    assert_eq!(waiting(&bench), 1, "{:?}", bench.story);
    // That node fails, and this one takes its call over.
    bench.node.orphans_claimed(&[record], bench.now);
    bench.run();
    assert_eq!(waiting(&bench), 2, "{:?}", bench.story);
    for (left, from, code) in [(1, "7105", "*591"), (0, "7106", "*592")] {
        let own = invites(&mut bench, from, code, Vec::new());
        bench.plan(slot());
        assert!(is_answered(&bench, own), "{left}");
        assert_eq!(waiting(&bench), left, "{:?}", bench.story);
    }
    let own = invites(&mut bench, "7107", "*593", Vec::new());
    bench.plan(slot());
    assert_eq!(status_of(&bench, own), Some(StatusCode(480)), "both were fetched");
}

#[test]
fn what_is_not_here_is_sought_at_each_other_node_once() {
    let mut bench = Bench::new();
    let live = ["sip-cluster-0", "sip-cluster-1", "sip-cluster-2"].map(|node| owner(node, 1)).to_vec();
    bench.node.sees_live(ConnectionId(1), live, bench.now);
    let own = dials_code(&mut bench, Destination::Pickup { dn: dn("7101") });
    let moved = bench.seen.iter().find_map(|(_, event)| match event {
        Event::Failed { dialog, response: Some(response), .. } if *dialog == own => response.header(&headers::OWNER),
        _ => None,
    });
    assert_eq!(moved, Some("sip-cluster-0.1"));
    assert_eq!(bench.node.calls(), 0);
    let sent_on = vec![(headers::OWNER, "sip-cluster-1.1".to_owned())];
    let own = invites(&mut bench, "7106", "*8", sent_on);
    bench.node.found(&sought(&bench), &crate::sip_cluster::node::lookup::Found::Unknown, bench.now);
    bench.run();
    bench.plan(Destination::Pickup { dn: dn("7101") });
    let moved = bench.seen.iter().find_map(|(_, event)| match event {
        Event::Failed { dialog, response: Some(response), .. } if *dialog == own => response.header(&headers::OWNER),
        _ => None,
    });
    assert_eq!(moved, Some("sip-cluster-2.1"));
}

fn sought(bench: &Bench) -> infra::CallIndex {
    let sought = bench.orders.iter().find_map(|order| match order {
        Order::Find(sought) => Some(sought.named.clone()),
        _ => None,
    });
    sought.expect("a lookup")
}
