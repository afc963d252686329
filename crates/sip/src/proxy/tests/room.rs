//! Messages at the limits of the parser: a forwarded message can be parsed by its receiver, too ([`Lab::drain`] parses it).

use super::*;
use crate::limits::{HEAD_MAX, HEADERS_MAX, LINE_MAX, MESSAGE_MAX};

fn sends(lab: &mut Lab, more: &str, body: usize, number: usize) -> Vec<u16> {
    let branch = format!("z9hG4bK-room{number}");
    let text = Ask { branch: &branch, call: &branch, more, ..Ask::default() }.text();
    let text = text.replace("Content-Length: 0", &format!("Content-Length: {body}")) + &"x".repeat(body);
    lab.from(TRUNK, &text);
    lab.statuses()
}

#[test]
fn what_is_passed_on_to_a_node_can_be_read_there() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let mut refused = 0;
    let lines = (HEADERS_MAX - 30..HEADERS_MAX).map(|lines| ("X-A: b\n".repeat(lines), 0));
    let long = (LINE_MAX - 300..LINE_MAX).step_by(7).map(|length| (format!("X-A: {}\n", "x".repeat(length)), 0));
    let heads = (HEAD_MAX - 6_000..HEAD_MAX).step_by(131).map(|length| {
        let line = format!("X-A: {}\n", "x".repeat(4_090));
        (line.repeat(length / line.len()) + &format!("X-A: {}\n", "x".repeat(length % line.len())), 0)
    });
    let bodies = (MESSAGE_MAX - 6_000..MESSAGE_MAX).step_by(131).map(|length| (String::new(), length));
    for (number, (more, body)) in lines.chain(long).chain(heads).chain(bodies).enumerate() {
        let statuses = sends(&mut lab, &more, body, number);
        assert!(statuses.iter().all(|status| matches!(status, 400 | 513)), "{statuses:?}");
        refused += statuses.len();
    }
    assert!(refused > 20, "{refused} were refused");
}

#[test]
fn a_via_that_grows_by_where_it_came_from_stays_readable() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    for length in (LINE_MAX - 400..LINE_MAX).step_by(7) {
        let branch = format!("z9hG4bK-{length};rport;x={}", "x".repeat(length - 60));
        let text = Ask { branch: &branch, call: &format!("via-{length}"), ..Ask::default() }.text();
        lab.from(TRUNK, &text);
        lab.take();
    }
}

#[test]
fn what_came_as_latin_1_stays_readable_however_much_of_it_is_written_anew() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let mut refused = 0;
    for length in (6_000..LINE_MAX - 400).step_by(97) {
        let odd = "\u{e9}".repeat(length);
        let call = format!("latin-{length}");
        let ask = Ask { call: &call, branch: &call, ..Ask::default() };
        let named = ask.text().replacen("From: ", &format!("From: \"{odd}\" "), 1);
        let via = ask.text().replacen(";branch=", &format!(";rport;x={odd};branch=z9hG4bKv"), 1);
        for text in [named, via] {
            lab.latin_from(TRUNK, &text);
            refused += lab.statuses().iter().filter(|status| **status == 513).count();
        }
    }
    assert!(refused > 20, "{refused} were refused");
}
