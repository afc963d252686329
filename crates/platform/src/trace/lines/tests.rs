use super::*;
use crate::trace::document::{Note, Party};

fn note(at: f64, text: &str) -> Note {
    Note { at, node: "rq-1".to_owned(), text: text.to_owned() }
}

#[test]
fn a_line_is_told_once_and_what_comes_late_is_told_too() {
    let mut told = PrintedLines::default();
    let mut trace = Trace { notes: vec![note(2.0, "b"), note(1.0, "a")], ..Trace::default() };
    let texts = |lines: Vec<Line>| lines.into_iter().map(|line| line.text).collect::<Vec<_>>();
    assert_eq!(texts(told.fresh(&trace)), ["rq-1: a", "rq-1: b"]);
    assert_eq!(texts(told.fresh(&trace)), Vec::<String>::new());
    trace.notes.push(note(1.5, "late"));
    trace.notes.push(note(2.0, "at the same time"));
    assert_eq!(texts(told.fresh(&trace)), ["rq-1: late", "rq-1: at the same time"]);
    trace.notes[1].text = "a, in other words".to_owned();
    assert_eq!(texts(told.fresh(&trace)), Vec::<String>::new());
}

#[test]
fn a_message_names_both_ends_as_the_ladder_does() {
    let mut trace = Trace::default();
    let (id, name) = ("192.0.2.7:5060".to_owned(), "caller ***00".to_owned());
    trace.ladder.parties.push(Party { id: id.clone(), name, inside: false });
    let to = "sip-proxy-1".to_owned();
    trace.ladder.messages.push(Message { from: id, to, label: "INVITE".to_owned(), sdp: true, ..Message::default() });
    assert_eq!(of(&trace)[0].text, "caller ***00 -> sip-proxy-1: INVITE +SDP");
}
