//! Rules about headers of the trunk `ruled`: its carrier is played by the bench's phone, and by the bench's caller where calls come in.

use std::sync::Arc;

use model::plan::Destination;
use sip::agent::Event;
use sip::header_rules::{EditAction, HeaderEdit, HeaderRules, RuleDirection, RuleText};
use sip::{HeaderName, Message};

use super::bench::{Bench, PHONE_SDP, Peer, by_two_trunks, phone};
use super::restart::restart;
use crate::sip_cluster::node::order::Order;

/// The rules of a trunk.
pub fn of(trunk: &str) -> Option<Arc<HeaderRules>> {
    let rule = |on, action, header, value| RuleText { on, action, header, value, pattern: None, replace: None };
    let called = RuleText {
        pattern: Some("^tel:(.*)$"),
        replace: Some("<sip:$1@carrier.example>"),
        ..rule(RuleDirection::Received, EditAction::Rewrite, "P-Called-Party-ID", None)
    };
    let rules = [
        rule(RuleDirection::Sent, EditAction::Set, "X-Call", Some("{call} {caller} {called} {trunk}")),
        rule(RuleDirection::Sent, EditAction::Set, "User-Agent", Some("PBX")),
        rule(RuleDirection::Received, EditAction::Set, "P-Asserted-Identity", Some("{header:Remote-Party-ID}")),
        called,
    ];
    let edits = rules.iter().map(|rule| HeaderEdit::compile(rule).expect("a rule")).collect();
    (trunk == "ruled").then(|| Arc::new(HeaderRules::new(trunk, edits)))
}

/// The INVITEs that the carrier has got, re-INVITEs too.
fn invites(bench: &Bench) -> Vec<&Message> {
    let got = bench.seen.iter().filter_map(|(peer, event)| match event {
        Event::Incoming { request, .. } | Event::Offered { request, .. } if *peer == Peer::Phone => Some(&**request),
        _ => None,
    });
    got.collect()
}

#[test]
fn what_goes_to_a_carrier_is_changed_last_and_by_no_other_trunk() {
    let mut bench = Bench::new();
    let conn_id = bench.call("7101", by_two_trunks("ruled", "two"));
    let [invite] = &*invites(&bench) else { panic!("an INVITE") };
    let said = invite.header(&HeaderName::other("X-Call")).map(str::to_owned);
    assert_eq!(said, Some(format!("{conn_id} +4930123456 +4930123 ruled")));
    assert_eq!(invite.headers(&HeaderName::UserAgent).collect::<Vec<_>>(), ["PBX"]);
    let mut other = Bench::new();
    other.call("7101", by_two_trunks("two", "ruled"));
    let [invite] = &*invites(&other) else { panic!("an INVITE") };
    assert_eq!(invite.header(&HeaderName::UserAgent), Some("Trunkline"));
}

#[test]
fn a_reinvite_is_changed_too_by_a_successor_as_well() {
    let mut bench = Bench::new();
    let conn_id = bench.call("7101", by_two_trunks("ruled", "two"));
    bench.phone_rings();
    bench.phone_answers();
    restart(&mut bench, conn_id);
    // Its own silence makes the node ask: the session is refreshed.
    bench.pass(std::time::Duration::from_secs(950));
    let refreshed: Vec<_> = invites(&bench).iter().filter_map(|invite| invite.header(&HeaderName::UserAgent)).collect();
    assert!(!refreshed.is_empty() && refreshed.iter().all(|agent| *agent == "PBX"), "{refreshed:?}");
}

#[test]
fn what_comes_from_a_carrier_is_changed_before_it_is_read() {
    let mut bench = Bench::new();
    let headers = vec![
        (HeaderName::other("Remote-Party-ID"), "<sip:+4989555@carrier.example>".to_owned()),
        (HeaderName::other("P-Called-Party-ID"), "tel:+15550123".to_owned()),
    ];
    bench.dial_with("account", "trunk;name=ruled", Some(PHONE_SDP.into()), headers.clone());
    let asked = bench.orders.iter().find_map(|order| match order {
        Order::AskDialPlan { caller, number, .. } => Some((format!("{caller:?}"), number.dialled.clone())),
        _ => None,
    });
    let (caller, dialled) = asked.expect("a question");
    assert!(caller.contains("+4989555"), "{caller}");
    assert_eq!(dialled, "+15550123");
    bench.plan(phone(15_000));
    let mut other = Bench::new();
    other.dial_with("account", "trunk;name=other", Some(PHONE_SDP.into()), headers);
    let asked = other
        .orders
        .iter()
        .any(|order| matches!(order, Order::AskDialPlan { number, .. } if number.dialled == "account"));
    assert!(asked, "without a rule about it the header is not what is called");
    let nobody = Destination::Reject { status: 404, reason: "no".to_owned() };
    other.plan(nobody);
}
