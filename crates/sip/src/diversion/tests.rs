use proptest::prelude::*;

use super::*;

fn invite(headers: &str) -> Message {
    let text = format!(
        "INVITE sip:1@b SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\nFrom: <sip:2@a>;tag=a\nTo: <sip:1@b>\nCall-ID: a\n\
         CSeq: 1 INVITE\n{headers}Content-Length: 0\n\n"
    );
    Message::parse(text.replace('\n', "\r\n").into()).unwrap()
}

fn read(headers: &str) -> Vec<(String, &'static str, u32, bool)> {
    let entries = Diversions::read(&invite(headers)).entries.into_iter();
    entries.map(|entry| (entry.number, entry.reason.as_str(), entry.counter, entry.is_private)).collect()
}

#[test]
fn diversion_is_read_from_the_oldest_on() {
    let headers = "Diversion: \"Bob\" <sip:+4930%231@a>;reason=user-busy;privacy=full;counter=2, <tel:+49301>;reason=\"no-answer\"\n\
                   Diversion: <sip:+49302;npdi@a;user=phone>;reason=odd;counter=99;privacy=\"off\"\nDiversion: <sip:a.example>\n";
    let expected = [
        ("+49302".to_owned(), "unknown", 10, false),
        ("+49301".to_owned(), "no-answer", 1, false),
        ("+4930#1".to_owned(), "user-busy", 2, true),
    ];
    assert_eq!(read(headers), expected);
}

#[test]
fn history_info_is_read_by_its_causes() {
    // The form of RFC 7544, with a proxy's own step that diverts nothing.
    let headers = "History-Info: <sip:+49301@a?Privacy=history>;index=1, <sip:+49302@a;cause=302>;index=1.1.1;mp=1,\n \
                   <sip:+49302@gw.a>;index=1.1.1.1;rc=1.1.1, <sip:+49303@b;cause=486>;index=1.1.1.2;mp=1.1.1\n";
    let expected = [("+49301".to_owned(), "unconditional", 2, true), ("+49302".to_owned(), "user-busy", 1, false)];
    assert_eq!(read(headers), expected);
    // The form of RFC 7044: why it was left.
    let headers = "History-Info: <sip:+49301@a?Reason=SIP%3Bcause%3D408%3Btext%3D%22no%22>;index=1\n\
                   History-Info: <sip:+49302@a>;index=1.1;mp=1\n";
    assert_eq!(read(headers), [("+49301".to_owned(), "no-answer", 1, false)]);
    assert_eq!(read("History-Info: <sip:+49301@a>;index=1, <sip:+49301@b>;index=1.1;rc=1\n"), []);
    assert_eq!(read("History-Info: <sip:+49301@a>;index=x, nonsense\n"), []);
}

#[test]
fn a_caller_who_hides_the_history_is_heard() {
    assert!(Diversions::read(&invite("Privacy: id;history\n")).hidden);
    assert!(!Diversions::read(&invite("Privacy: id\n")).hidden);
}

#[test]
fn more_than_the_most_are_counted_by_the_first_that_is_kept() {
    let headers: String = (0..14).map(|n| format!("Diversion: <sip:{n}@a>;reason=unknown\n")).collect();
    let read = Diversions::read(&invite(&headers));
    assert_eq!((read.entries.len(), read.count()), (10, 14));
    assert_eq!((read.entries[0].number.as_str(), read.entries[0].counter), ("9", 5));
    assert_eq!(read.entries[9].number, "0", "the last to divert is the first line");
}

#[test]
fn both_forms_say_who_diverted_and_why() {
    let mut diversions = Diversions::default();
    diversions.push("+49301", DiversionReason::NoAnswer);
    diversions.push("+49302", DiversionReason::UserBusy);
    diversions.push("+49302", DiversionReason::Unconditional);
    assert_eq!(
        diversions.diversion_values("edge.example:5060"),
        [
            "<sip:+49302@edge.example:5060>;reason=unconditional;counter=2;privacy=off",
            "<sip:+49301@edge.example:5060>;reason=no-answer;counter=1;privacy=off",
        ]
    );
    assert_eq!(
        diversions.history_value("+43199", "e").as_deref(),
        Some(
            "<sip:+49301@e>;index=1, <sip:+49302@e;cause=408>;index=1.1;mp=1, \
             <sip:+43199@e;cause=302>;index=1.1.1.1;mp=1.1"
        )
    );
    assert_eq!(Diversions::default().history_value("1", "e"), None);
}

fn diversion() -> impl Strategy<Value = Diversion> {
    let reasons: Vec<DiversionReason> = DiversionReason::ALL.iter().map(|(reason, ..)| *reason).collect();
    ("[ -~]{1,12}", prop::sample::select(reasons), 1..=10_u32, any::<bool>())
        .prop_map(|(number, reason, counter, is_private)| Diversion { number, reason, counter, is_private })
}

proptest! {
    /// What is written in either form is read again: in History-Info, reasons with the same cause are one.
    #[test]
    fn what_is_written_is_read_again(entries in prop::collection::vec(diversion(), 1..=10)) {
        // A semicolon begins the parameters of a number.
        prop_assume!(entries.iter().all(|entry| !entry.number.contains(';')));
        let written = Diversions { entries, hidden: false };
        let lines: String =
            written.diversion_values("host").iter().map(|value| format!("Diversion: {value}\n")).collect();
        prop_assert_eq!(&Diversions::read(&invite(&lines)), &written);
        let value = written.history_value("+1", "host").unwrap_or_default();
        let mut expected = written;
        for entry in &mut expected.entries {
            entry.reason = DiversionReason::of_cause(entry.reason.cause());
        }
        prop_assert_eq!(Diversions::read(&invite(&format!("History-Info: {value}\n"))), expected);
    }

    /// Nothing that a carrier sends makes more than the most.
    #[test]
    fn whatever_comes_is_bounded(text in "[ -~]{0,200}") {
        let read = Diversions::read(&invite(&format!("Diversion: {text}\nHistory-Info: {text}\n")));
        prop_assert!(read.entries.len() <= DIVERSIONS_MAX as usize);
    }
}
