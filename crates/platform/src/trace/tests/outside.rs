//! Calls of 7101 to a number outside, by trunks.

use super::*;
use crate::trace::document::Severity;

const NUMBER: &str = "+4930123454";
const PHONE: &str = "192.0.2.1:5060";
const SENT: &str = "\r\nProxy-Authorization: ***";

/// An INVITE to the carrier of a leg, with more headers.
fn asks(seconds: f64, leg: u16, cseq: u32, more: &str) -> Entry {
    let first = format!("INVITE sip:{NUMBER}@carrier SIP/2.0{more}");
    sip(seconds, &carrier(leg), None, false, &first, &format!("{cseq} INVITE"), &of_leg(leg))
}

/// The carrier's response.
fn says(seconds: f64, leg: u16, cseq: u32, status: &str) -> Entry {
    sip(seconds, &carrier(leg), None, true, &format!("SIP/2.0 {status}"), &format!("{cseq} INVITE"), &of_leg(leg))
}

fn carrier(leg: u16) -> String {
    format!("203.0.113.{leg}:5060")
}

fn of_leg(leg: u16) -> String {
    format!("ours-{leg}")
}

fn note(seconds: f64, text: &str) -> Entry {
    at(seconds, What::Note { text: text.to_owned() })
}

/// The explanation of a call by these trunks, of which the first is the leg 2. The phone is told `told` in the end, unless that is empty.
fn called(trunks: &[&str], told: &str, carriers: Vec<Entry>, notes: Vec<Entry>) -> Trace {
    let asks = |seconds, cseq: &str, more: &str| {
        sip(seconds, PHONE, None, true, &format!("INVITE sip:{NUMBER}@edge SIP/2.0{more}"), cseq, "theirs")
    };
    let is_told = |seconds, status: &str, cseq: &str| {
        sip(seconds, PHONE, None, false, &format!("SIP/2.0 {status}"), cseq, "theirs")
    };
    let challenge = is_told(1.0, "407 Proxy Authentication Required", "1 INVITE");
    let mut proxy = vec![asks(1.0, "1 INVITE", ""), challenge, asks(1.0, "2 INVITE", SENT)];
    proxy.extend(carriers);
    let call = entry::Call {
        uuid: "A".repeat(32),
        printed: format!("{CALL}@sip-cluster-1.7"),
        caller: "7101".to_owned(),
        trunk: None,
        dialled: NUMBER.to_owned(),
        began: SECOND,
        taken_over: false,
    };
    let caller = Leg { leg: 1, party: "7101".to_owned(), caller: true, contact: None, trunk: None };
    let mut cluster = vec![at(1.0, What::Call(call)), at(1.0, What::Leg(caller))];
    for (leg, trunk) in (2..).zip(trunks) {
        let (party, trunk) = (NUMBER.to_owned(), Some((*trunk).to_owned()));
        cluster.push(at(1.0, What::Leg(Leg { leg, party, caller: false, contact: None, trunk })));
    }
    cluster.extend(notes);
    if !told.is_empty() {
        proxy.push(is_told(20.0, told, "2 INVITE"));
    }
    if told.starts_with("200") {
        let established = entry::Event {
            name: "EventEstablished".to_owned(),
            this_dn: Some("7101".to_owned()),
            role: Some("Origination".to_owned()),
            other_dn: Some(NUMBER.to_owned()),
            ..entry::Event::default()
        };
        cluster.push(at(20.0, What::Event(Box::new(established))));
    } else if !told.is_empty() {
        cluster.push(event(20.0, "EventCallDeleted", "7101", None));
    }
    super::told(&[answer("sip-proxy", proxy), answer("sip-cluster", cluster)])
}

fn story(trace: &Trace) -> String {
    trace.verdict.summary.join(" ")
}

fn findings(trace: &Trace) -> Vec<(Severity, &str)> {
    trace.verdict.findings.iter().map(|finding| (finding.severity, finding.text.as_str())).collect()
}

#[test]
fn a_challenge_that_was_answered_is_no_refusal() {
    let carriers = || {
        let challenge = says(1.1, 2, 1, "407 Proxy Authentication Required");
        vec![asks(1.0, 2, 1, ""), challenge, asks(1.2, 2, 2, SENT), says(2.0, 2, 2, "180 Ringing")]
    };
    let rings = called(&["main"], "", carriers(), Vec::new());
    assert!(story(&rings).contains("+4930123454 rings by the trunk main."), "{}", story(&rings));
    assert!(!story(&rings).contains("password") && findings(&rings).is_empty(), "{rings:?}");
    let mut answered = carriers();
    answered.push(says(5.0, 2, 2, "200 OK"));
    let answered = called(&["main"], "200 OK", answered, Vec::new());
    let told = "+4930123454 answered by the trunk main after 3.0 s of ringing. They have been connected";
    assert!(story(&answered).contains(told), "{}", story(&answered));
    assert_eq!(findings(&answered), []);
}

#[test]
fn a_password_that_the_carrier_does_not_take_is_named_with_its_trunk() {
    let challenge = |at, cseq| says(at, 2, cseq, "407 Proxy Authentication Required");
    let twice = vec![asks(1.0, 2, 1, ""), challenge(1.1, 1), asks(1.2, 2, 2, SENT), challenge(1.3, 2)];
    let trace = called(&["main"], "480 Temporarily Unavailable", twice, Vec::new());
    assert!(story(&trace).contains("The trunk main does not take our user and password"), "{}", story(&trace));
    let wrong =
        "the carrier of the trunk main does not take its `user` and `password` (407 Proxy Authentication Required)";
    assert!(findings(&trace).contains(&(Severity::Fault, wrong)), "{trace:?}");
    let once = vec![asks(1.0, 2, 1, ""), challenge(1.1, 1)];
    let trace = called(&["main"], "480 Temporarily Unavailable", once, Vec::new());
    assert!(story(&trace).contains("asked for a user and a password and got none"), "{}", story(&trace));
}

#[test]
fn a_password_that_is_asked_for_as_the_caller_hangs_up_is_no_fault() {
    let cancel = |at| sip(at, PHONE, None, true, &format!("CANCEL sip:{NUMBER}@edge SIP/2.0"), "2 CANCEL", "theirs");
    let challenged = || vec![asks(1.0, 2, 1, ""), says(1.1, 2, 1, "407 Proxy Authentication Required")];
    let taken_back = [challenged(), vec![cancel(1.2)]].concat();
    let trace = called(&["main"], "487 Request Terminated", taken_back, Vec::new());
    let told = "The trunk main asked for a user and a password (407 Proxy Authentication Required) when the call was taken back.";
    assert!(story(&trace).contains(told) && findings(&trace).is_empty(), "{trace:?}");
    let late = [challenged(), vec![cancel(15.0)]].concat();
    let trace = called(&["main"], "487 Request Terminated", late, Vec::new());
    assert!(findings(&trace).iter().any(|(severity, _)| *severity == Severity::Fault), "it went on without: {trace:?}");
}

#[test]
fn a_trunk_whose_time_is_over_is_not_waited_for_while_people_talk() {
    let timeout = "SIP/2.0 408 Request Timeout";
    let carriers = vec![
        asks(1.0, 2, 1, ""),
        asks(11.0, 3, 1, ""),
        says(15.0, 3, 1, "200 OK"),
        sip(33.0, "192.0.2.20:5060", Some("sip-cluster-1"), false, timeout, "1 INVITE", &of_leg(2)),
    ];
    let trace = called(&["main", "spare"], "200 OK", carriers, Vec::new());
    assert!(story(&trace).contains("The trunk main was asked and said nothing."), "{}", story(&trace));
    // Who has called may leave when it has transferred its call.
    let bye = sip(2.0, PHONE, None, true, &format!("BYE sip:{NUMBER}@edge SIP/2.0"), "3 BYE", "theirs");
    let carriers = vec![asks(1.0, 2, 1, ""), says(1.5, 2, 1, "180 Ringing"), bye];
    let trace = called(&["main"], "", carriers, Vec::new());
    assert!(story(&trace).contains("+4930123454 rings by the trunk main."), "{}", story(&trace));
}

#[test]
fn an_emergency_that_a_trunk_was_not_asked_for_yet_is_told_of_that_attempt_alone() {
    let carriers = vec![asks(1.2, 3, 1, ""), says(1.3, 3, 1, "503 Service Unavailable"), asks(1.4, 4, 1, "")];
    let put_off = "the trunk main was not asked yet: its carrier has not answered lately; it is tried after the others";
    let trace = called(&["main", "spare", "main"], "408 Request Timeout", carriers, vec![note(1.1, put_off)]);
    let words = "The trunk main was not asked yet: its carrier has not answered lately; it is tried after the others. The trunk spare answered \
                 503 Service Unavailable. The trunk main was asked and said nothing.";
    assert!(story(&trace).contains(words), "{}", story(&trace));
}

#[test]
fn each_trunk_is_told_with_what_its_carrier_has_answered_itself() {
    let carriers = vec![
        asks(1.0, 2, 1, ""),
        says(1.1, 2, 1, "503 Service Unavailable"),
        asks(1.3, 4, 1, ""),
        says(9.3, 4, 1, "404 Not Found"),
    ];
    let notes = vec![note(1.2, "the trunk spare was not asked: its carrier wants no calls for a while")];
    let trace = called(&["main", "spare", "third"], "404 Not Found", carriers, notes);
    let words = "The trunk main answered 503 Service Unavailable. The trunk spare was not asked: its carrier wants no calls for a while. The \
                 trunk third answered 404 Not Found. It was refused: 404 Not Found.";
    assert!(story(&trace).contains(words), "{}", story(&trace));
    let main = (Severity::Warning, "the trunk main answered 503 Service Unavailable");
    assert!(findings(&trace).contains(&main), "{trace:?}");
    let page = text::page(&trace);
    assert!(page.contains("-- Notes") && page.contains("00:00:01.200 the trunk spare was not asked"), "{page}");
}

#[test]
fn a_carrier_that_says_nothing_is_no_phone() {
    let trace = called(&["main"], "408 Request Timeout", vec![asks(1.0, 2, 1, "")], Vec::new());
    assert!(story(&trace).contains("The trunk main was asked and said nothing."), "{}", story(&trace));
    assert!(!story(&trace).contains("phone"), "{}", story(&trace));
    let trace = called(&["main"], "", vec![asks(1.0, 2, 1, "")], Vec::new());
    assert!(story(&trace).contains("has said nothing yet.") && findings(&trace).is_empty(), "{}", story(&trace));
    let notes = vec![note(1.1, "the trunk main was not reached: there is no connection with its carrier")];
    let trace = called(&["main"], "500 Server Internal Error", vec![asks(1.0, 2, 1, "")], notes);
    assert!(
        story(&trace).contains("was not reached: there is no connection") && !story(&trace).contains("said nothing")
    );
}

#[test]
fn who_is_busy_is_no_fault() {
    let carriers = vec![asks(1.0, 2, 1, ""), says(1.1, 2, 1, "486 Busy Here")];
    let trace = called(&["main"], "486 Busy Here", carriers, Vec::new());
    assert!(story(&trace).contains("+4930123454 is busy (486 Busy Here, by the trunk main)."), "{}", story(&trace));
    assert_eq!(findings(&trace), []);
}

#[test]
fn a_location_that_is_taken_back_and_a_limit_that_is_reached_are_told() {
    let carriers = vec![
        asks(1.0, 2, 1, "\r\nGeolocation: ***"),
        says(1.1, 2, 1, "500 Server Internal Error"),
        asks(1.2, 2, 2, ""),
        says(2.0, 2, 2, "200 OK"),
    ];
    let trace = called(&["main"], "200 OK", carriers, Vec::new());
    let words = "The trunk main answered 500 Server Internal Error, and was asked again, without the location. +4930123454 answered";
    assert!(story(&trace).contains(words), "{}", story(&trace));
    let notes = vec![note(1.0, "the trunk main was not asked: what the rule premium allows for a day is used up")];
    let trace = called(&["main"], "403 Forbidden", Vec::new(), notes);
    let refused = "the call was refused with 403 Forbidden: what the rule premium allows for a day is used up";
    assert!(findings(&trace).contains(&(Severity::Fault, refused)), "{trace:?}");
}

#[test]
fn the_signature_of_a_number_that_calls_is_told() {
    let notes = vec![note(1.0, "who calls: TN-Validation-Passed, attestation A, origin 1")];
    let trace = called(&[], "", Vec::new(), notes);
    assert!(story(&trace).contains("The signature of the caller's number: TN-Validation-Passed"), "{}", story(&trace));
}

#[test]
fn the_warning_of_a_refusal_says_why() {
    let told = "403 Forbidden\r\nWarning: 399 trunkline \"premium-rate numbers are not called\"";
    let trace = called(&[], told, Vec::new(), Vec::new());
    let words = "It was refused: 403 Forbidden (premium-rate numbers are not called).";
    assert!(story(&trace).contains(words), "{}", story(&trace));
}
