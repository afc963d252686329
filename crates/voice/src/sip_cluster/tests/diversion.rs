//! Calls that go out by a trunk because somebody has diverted them: the carrier is played by the bench's phone.

use model::plan::{Destination, ForwardedBy, PlanAnswer};
use model::request::ForwardMode;
use sip::agent::{Event, Reply};
use sip::{HeaderName, Message, StatusCode};

use super::bench::{Bench, EDGE, PHONE_SDP, Peer, by_two_trunks, phone};
use super::restart::restart;

const TRUNK: &str = "trunk;name=other";
const BEFORE: &str = "<sip:+4989555@carrier.example>;reason=no-answer;counter=2";

/// Outside, as these phones forward it.
fn forwarded(trunk: &str, by: &[(&str, ForwardMode)]) -> PlanAnswer {
    let by = by.iter().map(|(dn, mode)| ForwardedBy { dn: model::Dn::parse(dn).expect("a DN"), mode: *mode });
    PlanAnswer { forwarded_by: by.collect(), ..by_two_trunks(trunk, "two").into() }
}

/// Outside, with this number shown.
fn showing(answer: PlanAnswer, number: &str) -> PlanAnswer {
    let Destination::Outside(mut outside) = answer.destination else { unreachable!("it is outside") };
    outside.way.caller_id = Some(number.to_owned());
    PlanAnswer { destination: Destination::Outside(outside), ..answer }
}

fn comes(source: &str, headers: &[(HeaderName, &str)], answer: PlanAnswer) -> Bench {
    let mut bench = Bench::new();
    let headers = headers.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect();
    bench.dial_with("7101", source, Some(PHONE_SDP.into()), headers);
    bench.plan(answer);
    bench
}

fn invites(bench: &Bench) -> Vec<&Message> {
    let incoming = bench.seen.iter().filter_map(|(peer, event)| match event {
        Event::Incoming { request, .. } if *peer == Peer::Phone => Some(&**request),
        _ => None,
    });
    incoming.collect()
}

fn told(bench: &Bench, header: HeaderName) -> Vec<String> {
    invites(bench).last().expect("an INVITE").headers(&header).map(str::to_owned).collect()
}

#[test]
fn a_call_that_a_phone_forwards_says_who_diverted_it_and_who_had_before() {
    let answer = forwarded("wide", &[("7101", ForwardMode::OnBusy), ("7102", ForwardMode::OnUnregistered)]);
    let bench = comes(TRUNK, &[(HeaderName::Diversion, BEFORE)], showing(answer, "+15550100"));
    let expected = [
        format!("<sip:+15550100@{EDGE}>;reason=unavailable;counter=1;privacy=off"),
        format!("<sip:7101@{EDGE}>;reason=user-busy;counter=1;privacy=off"),
        format!("<sip:+4989555@{EDGE}>;reason=no-answer;counter=2;privacy=off"),
    ];
    assert_eq!(told(&bench, HeaderName::Diversion), expected);
    assert_eq!(told(&bench, HeaderName::HistoryInfo), Vec::<String>::new());
}

#[test]
fn the_trunk_says_in_which_form_it_is_told() {
    let both = comes(TRUNK, &[], forwarded("both", &[("7101", ForwardMode::Unconditional)]));
    assert_eq!(told(&both, HeaderName::Diversion).len(), 1);
    let history = format!("<sip:7101@{EDGE}>;index=1, <sip:+4930123@{EDGE};cause=302>;index=1.1;mp=1");
    assert_eq!(told(&both, HeaderName::HistoryInfo), [history]);
    let silent = comes(TRUNK, &[(HeaderName::Diversion, BEFORE)], forwarded("silent", &[]));
    assert_eq!(told(&silent, HeaderName::Diversion), Vec::<String>::new());
}

#[test]
fn an_outside_call_that_the_plan_sends_out_is_diverted_by_the_number_that_was_called() {
    let bench = comes(TRUNK, &[], forwarded("wide", &[]));
    let expected = format!("<sip:7101@{EDGE}>;reason=unconditional;counter=1;privacy=off");
    assert_eq!(told(&bench, HeaderName::Diversion), [expected]);
    let own = comes("phone;dn=7102", &[(HeaderName::Diversion, BEFORE)], forwarded("wide", &[]));
    assert_eq!(told(&own, HeaderName::Diversion), Vec::<String>::new(), "a phone's own call is diverted by nobody");
}

#[test]
fn what_is_private_stays_so() {
    let private = format!("{BEFORE};privacy=full");
    let bench = comes(TRUNK, &[(HeaderName::Diversion, &private)], forwarded("wide", &[]));
    assert!(told(&bench, HeaderName::Diversion).last().is_some_and(|last| last.ends_with("privacy=full")));
    let headers = [(HeaderName::Diversion, BEFORE), (HeaderName::Privacy, "history")];
    let hidden = comes(TRUNK, &headers, forwarded("both", &[("7101", ForwardMode::OnBusy)]));
    assert_eq!(told(&hidden, HeaderName::Diversion), Vec::<String>::new());
    assert_eq!(told(&hidden, HeaderName::HistoryInfo), Vec::<String>::new());
}

#[test]
fn a_call_that_goes_in_a_circle_of_switches_is_refused() {
    let nine = "<sip:+4989555@carrier.example>;reason=unknown;counter=9";
    let bench = comes(TRUNK, &[(HeaderName::Diversion, nine)], forwarded("wide", &[]));
    assert_eq!(told(&bench, HeaderName::Diversion).len(), 2);
    let ten = "<sip:+4989555@carrier.example>;reason=unknown;counter=10";
    let mut bench = comes(TRUNK, &[(HeaderName::Diversion, ten)], forwarded("wide", &[]));
    assert!(invites(&bench).is_empty());
    assert!(bench.refusal().is_some());
    bench.dial_as("7101", "phone;dn=7102", "caller-1b");
    bench.plan(phone(15_000));
    assert_eq!(invites(&bench).len(), 1, "other calls go on");
}

#[test]
fn a_successor_and_the_next_trunk_know_it_too() {
    let mut bench = Bench::new();
    bench.dial_with("7101", TRUNK, Some(PHONE_SDP.into()), vec![(HeaderName::Diversion, BEFORE.to_owned())]);
    let conn_id = bench.plan(forwarded("wide", &[("7101", ForwardMode::OnNoAnswer)]));
    let before = told(&bench, HeaderName::Diversion);
    assert_eq!(before.len(), 2);
    restart(&mut bench, conn_id);
    let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
    bench.agent(Peer::Phone).reject(dialog, Reply::new(StatusCode::SERVICE_UNAVAILABLE), now).expect("an INVITE");
    bench.run();
    assert_eq!(invites(&bench).len(), 2, "the next trunk is tried");
    assert_eq!(told(&bench, HeaderName::Diversion), before);
}
