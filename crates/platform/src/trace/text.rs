//! A trace as text for a terminal of 100 columns.

use std::fmt::Write as _;

use runtime::trace::entry;

use super::document::{Brief, Candidate, Ladder, Leg, Message, Severity, Stream, Trace, Traces, TurnKind};
use super::leg_of;

/// Width of the page in columns.
const WIDTH: usize = 100;
/// Columns for the time at the left of the ladder.
const TIME_WIDTH: usize = 13;
/// Maximum number of parties side by side.
const LANES_MAX: usize = 6;

/// The time of day in UTC with milliseconds, of milliseconds since 1970.
pub fn clock(ms: f64) -> String {
    let all = ms.max(0.0) as u64;
    let (seconds, millis) = (all / 1_000, all % 1_000);
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
}

/// The date of that time, as `2026-01-31` (proleptic Gregorian calendar, by the civil-from-days formula).
pub fn date(ms: f64) -> String {
    let days = (ms.max(0.0) as i64) / 86_400_000 + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The whole trace.
pub fn page(trace: &Trace) -> String {
    let mut out = String::new();
    head(&mut out, trace);
    thread(&mut out, trace);
    notes(&mut out, trace);
    ladder(&mut out, trace);
    events(&mut out, trace);
    media(&mut out, trace);
    application(&mut out, trace);
    routing(&mut out, trace);
    if !trace.missing.is_empty() {
        title(&mut out, "Not known");
        trace.missing.iter().for_each(|text| item(&mut out, "-", text));
    }
    out
}

/// The calls and the dialogs that were refused, a line each.
pub fn list(traces: &Traces) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{:<16}  {:<12}  {:<18}  {:<14}  {:<9}  last", "call", "began", "from", "to", "answered");
    for call in &traces.calls {
        let answered = call.answered_by.as_deref().unwrap_or("-");
        let last = call.last_event.as_deref().unwrap_or("-").trim_start_matches("Event");
        let (id, began) = (&call.conn_id, clock(call.began_at));
        let _ = writeln!(
            out,
            "{id:<16}  {began:<12}  {:<18}  {:<14}  {answered:<9}  {last}",
            cut(&call.from, 18),
            cut(&call.to, 14)
        );
    }
    traces.missing.iter().for_each(|text| item(&mut out, "!", text));
    refused(&mut out, &traces.refused);
    out
}

/// The dialogs that were refused before they became calls; nothing without any.
fn refused(out: &mut String, dialogs: &[Brief]) {
    if !dialogs.is_empty() {
        out.push_str("\nrefused before they became calls, by Call-ID\n");
    }
    for dialog in dialogs {
        let (began, status) = (clock(dialog.began_at), dialog.last_event.as_deref().unwrap_or("-"));
        let (from, to) = (cut(&dialog.from, 18), cut(&dialog.to, 14));
        let _ = writeln!(out, "{began:<12}  {from:<18}  {to:<14}  {:<25}  {}", cut(status, 25), dialog.conn_id);
    }
}

fn head(out: &mut String, trace: &Trace) {
    let call = &trace.call;
    let day = call.began_at.map(date).unwrap_or_default();
    let _ = writeln!(out, "Call {}  tenant {}  {day} (times in UTC)", or(&call.conn_id, "-"), call.tenant);
    let _ = writeln!(out, "     CallUUID and trace id {}", or(&call.uuid, "-"));
    out.push('\n');
    let story = trace.verdict.summary.join(" ");
    wrap(out, "", "", &story);
    if !trace.verdict.findings.is_empty() {
        title(out, "Findings");
    }
    for finding in &trace.verdict.findings {
        let mark = match finding.severity {
            Severity::Fault => "FAULT  ",
            Severity::Warning => "warning",
            Severity::Info => "note   ",
        };
        item(out, mark, &finding.text);
    }
}

/// Who talked with whom, and who moved where.
fn thread(out: &mut String, trace: &Trace) {
    if trace.thread.is_empty() {
        return;
    }
    title(out, "Who talked with whom");
    for turn in &trace.thread {
        let mark = if turn.kind == TurnKind::Talk { "|" } else { " " };
        let first = format!("{:<TIME_WIDTH$}{mark} ", clock(turn.at));
        wrap(out, &first, &format!("{:TIME_WIDTH$}{mark}   ", ""), &turn.text);
    }
}

/// What roles have noted: where the dial plan leads, the trunks that were tried, and all that has no place of its own.
fn notes(out: &mut String, trace: &Trace) {
    if trace.notes.is_empty() {
        return;
    }
    title(out, "Notes");
    for note in &trace.notes {
        wrap(out, &format!("{:<TIME_WIDTH$}", clock(note.at)), &" ".repeat(TIME_WIDTH + 2), &note.text);
    }
}

fn ladder(out: &mut String, trace: &Trace) {
    let ladder = &trace.ladder;
    if ladder.messages.is_empty() {
        return;
    }
    title(out, "SIP");
    let lanes: Vec<&str> = ladder.parties.iter().take(LANES_MAX).map(|party| party.id.as_str()).collect();
    let lane = (WIDTH - TIME_WIDTH) / lanes.len().max(1);
    let names = ladder.parties.iter().take(LANES_MAX).map(|party| center(&cut(&party.name, lane - 1), lane));
    let _ = writeln!(out, "{:TIME_WIDTH$}{}", "", names.collect::<String>().trim_end());
    for message in &ladder.messages {
        let at = |id: &str| lanes.iter().position(|lane| *lane == id);
        match (at(&message.from), at(&message.to)) {
            (Some(from), Some(to)) => {
                let _ =
                    writeln!(out, "{:<TIME_WIDTH$}{}", clock(message.at), arrow(message, from, to, lanes.len(), lane));
            }
            _ => {
                let _ = writeln!(
                    out,
                    "{:<TIME_WIDTH$}{} -> {}: {}",
                    clock(message.at),
                    message.from,
                    message.to,
                    message.label
                );
            }
        }
    }
    let rest = ladder.parties.len().saturating_sub(LANES_MAX);
    if rest > 0 {
        let _ = writeln!(out, "({rest} more took part; their messages are lines of text)");
    }
}

/// A message as an arrow between two lanes; the other lanes as vertical lines.
fn arrow(message: &Message, from: usize, to: usize, lanes: usize, lane: usize) -> String {
    let center_of = |at: usize| at * lane + lane / 2;
    let mut row: Vec<char> = vec![' '; lanes * lane];
    for at in 0..lanes {
        row[center_of(at)] = '|';
    }
    let (left, right) = (center_of(from.min(to)), center_of(from.max(to)));
    for cell in row.iter_mut().take(right).skip(left + 1) {
        *cell = '-';
    }
    if to > from {
        row[right - 1] = '>';
    } else {
        row[left + 1] = '<';
    }
    let mut label = message.label.replace(&format!(" ({})", message.method), "");
    if message.status.is_some() && message.method != "INVITE" {
        label = format!("{} ({})", label.split(' ').next().unwrap_or_default(), message.method);
    }
    if message.sdp {
        label.push_str(" +SDP");
    }
    if message.repeat {
        label.push_str(" again");
    }
    let room = (right - left).saturating_sub(4);
    let label = cut(&label, room);
    let start = left + 2 + (room - label.chars().count()) / 2;
    for (offset, c) in label.chars().enumerate() {
        row[start + offset] = c;
    }
    row.into_iter().collect::<String>().trim_end().to_owned()
}

fn events(out: &mut String, trace: &Trace) {
    if trace.events.is_empty() {
        return;
    }
    title(out, "Events");
    for event in &trace.events {
        let one = &event.event;
        let dn = one.this_dn.as_deref().unwrap_or("-");
        let line = format!("{:<TIME_WIDTH$}{:<26} {:<12} {}", clock(event.at), one.name, cut(dn, 12), self::event(one));
        let _ = writeln!(out, "{}", cut(line.trim_end(), WIDTH));
    }
}

/// The details of a fact besides its name and its DN.
pub(super) fn event(one: &entry::Event) -> String {
    let mut words = Vec::new();
    let mut add = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            words.push(format!("{name}{value}"));
        }
    };
    add("other ", &one.other_dn);
    add("third ", &one.third_party_dn);
    add("queue ", &one.queue);
    add("agent ", &one.agent);
    add("", &one.state.clone().filter(|state| state != "Ok"));
    add("error ", &one.error);
    if let Some(digits) = one.digits {
        words.push(format!("{digits} digits"));
    }
    words.join(", ")
}

fn media(out: &mut String, trace: &Trace) {
    if trace.media.is_empty() {
        return;
    }
    title(out, "Audio");
    let _ = writeln!(
        out,
        "{:<4}{:<15}{:<6}{:<13}{:>8}{:>8}{:>8}{:>5}{:>9}{:>8}{:>8}{:>5}",
        "leg", "party", "codec", "first", "from", "loss", "jitter", "MOS", "to", "loss", "jitter", "MOS"
    );
    for leg in &trace.media {
        one_leg(out, leg, encryption(&trace.ladder, leg.leg));
    }
}

/// Whether the audio of a leg is encrypted, by the last session description that has answered an offer.
fn encryption(ladder: &Ladder, leg: u16) -> &'static str {
    let answers = |message: &&Message| {
        message.sdp && message.status.is_some_and(|status| status < 300) && leg_of(message) == Some(leg)
    };
    let Some(answer) = ladder.messages.iter().rev().find(answers) else { return "" };
    let (_, session) = answer.text.split_once("\r\n\r\n").unwrap_or_default();
    let is_key = |line: &str| line.starts_with("a=crypto:") || (line.starts_with("m=audio ") && line.contains("/SAVP"));
    if session.lines().any(is_key) { ", encrypted" } else { ", not encrypted" }
}

fn one_leg(out: &mut String, leg: &Leg, encryption: &str) {
    let party = if leg.caller { format!("caller {}", leg.party) } else { leg.party.clone() };
    let first = leg.first_packet_at.map_or_else(|| "never".to_owned(), clock);
    let (from, to) = (figures(&leg.from_phone), figures(&leg.to_phone));
    let _ = writeln!(out, "{:<4}{:<15}{:<6}{first:<13}{from} {to}", leg.leg, cut(&party, 14), leg.codec);
    let addresses = format!(
        "offered {}, heard from {}, received at {} ({}){encryption}",
        leg.offered.as_deref().unwrap_or("nothing"),
        leg.learned.as_deref().unwrap_or("nowhere"),
        leg.local,
        leg.node
    );
    wrap(out, "    ", "    ", &addresses);
    wrap(out, "    => ", "       ", &leg.verdict);
}

fn figures(stream: &Stream) -> String {
    let percent = stream.loss_percent.map_or_else(|| "-".to_owned(), |loss| format!("{loss:.1}%"));
    let jitter = stream.jitter_ms.map_or_else(|| "-".to_owned(), |jitter| format!("{jitter:.1}ms"));
    let mos = stream.mos.map_or_else(|| "-".to_owned(), |mos| format!("{mos:.1}"));
    format!("{:>8}{percent:>8}{jitter:>8}{mos:>5}", stream.packets)
}

fn application(out: &mut String, trace: &Trace) {
    if trace.application.steps.is_empty() {
        return;
    }
    title(out, &format!("Application {}", trace.application.name.as_deref().unwrap_or("-")));
    for step in &trace.application.steps {
        let what = self::step(&step.step);
        wrap(out, &format!("{:<TIME_WIDTH$}", clock(step.at)), &" ".repeat(TIME_WIDTH + 3), what.trim_end());
    }
    for request in &trace.requests {
        let text = self::request(&request.request);
        wrap(out, &format!("{:<TIME_WIDTH$}", clock(request.at)), &" ".repeat(TIME_WIDTH + 3), &text);
    }
}

/// A step of an application in words.
pub(super) fn step(one: &entry::Step) -> String {
    let line = one.line.map(|line| format!(" (line {line})")).unwrap_or_default();
    match one.step.as_str() {
        "state" => format!("in state {}", one.name),
        "left" => format!("   left {}", one.name),
        "action" => format!("   does {} {}{line}", one.name, one.text),
        "event" => format!("event {} {}", one.name, one.text),
        "log" => format!("   says {}", one.text),
        "error" => format!("ERROR {} {}", one.name, one.text),
        "end" => format!("ended: {} {}", one.name, one.text),
        _ => format!("{} {}", one.name, one.text),
    }
}

/// A request and its outcome in words.
pub(super) fn request(one: &entry::Request) -> String {
    let outcome = if one.outcome == "accepted" { String::new() } else { format!(": REFUSED, {}", one.outcome) };
    format!("request {} by {}{outcome}", one.name, one.requester)
}

fn routing(out: &mut String, trace: &Trace) {
    if trace.routing.is_empty() {
        return;
    }
    title(out, "Routing");
    for decision in &trace.routing {
        wrap(out, &format!("{:<TIME_WIDTH$}", clock(decision.at)), &" ".repeat(TIME_WIDTH), &decision.text);
        candidates(out, &decision.candidates);
        if decision.more > 0 {
            let _ = writeln!(out, "{:TIME_WIDTH$}  and {} more", "", decision.more);
        }
        if decision.step == "offered" && decision.waiting > 0 {
            let calls = if decision.waiting == 1 { "call" } else { "calls" };
            let _ = writeln!(out, "{:TIME_WIDTH$}  {} other {calls} waited for this agent", "", decision.waiting);
        }
    }
}

/// A line for each candidate close to the choice, and one for all that share a reason.
fn candidates(out: &mut String, candidates: &[Candidate]) {
    const EACH_MAX: usize = 3;
    let mut told: Vec<&str> = Vec::new();
    for one in candidates.iter() {
        if told.contains(&one.text.as_str()) {
            continue;
        }
        let same: Vec<&str> =
            candidates.iter().filter(|other| other.text == one.text).map(|other| other.agent.as_str()).collect();
        let idle = candidates.iter().any(|other| other.text == one.text && other.idle_ms.is_some());
        if same.len() > EACH_MAX && !idle {
            told.push(&one.text);
            let text = format!("{} of whom each {}: {}", same.len(), one.text, same.join(", "));
            wrap(out, &" ".repeat(TIME_WIDTH + 2), &" ".repeat(TIME_WIDTH + 4), &text);
            continue;
        }
        let idle = one.idle_ms.map(|idle| format!(", idle for {}", super::media::seconds(idle))).unwrap_or_default();
        let mark = if one.text == "chosen" { ">" } else { " " };
        let _ = writeln!(out, "{:TIME_WIDTH$}{mark} {:<16} {}{idle}", "", cut(&one.agent, 16), one.text);
    }
}

fn title(out: &mut String, text: &str) {
    let _ = writeln!(out, "\n-- {text} {}", "-".repeat(WIDTH.saturating_sub(text.chars().count() + 4)));
}

fn item(out: &mut String, mark: &str, text: &str) {
    let first = format!("{mark} ");
    let rest = " ".repeat(first.chars().count());
    wrap(out, &first, &rest, text);
}

/// Writes the text in lines of at most the width.
fn wrap(out: &mut String, first: &str, rest: &str, text: &str) {
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + word.chars().count() >= WIDTH {
            let _ = writeln!(out, "{}", line.trim_end());
            line = rest.to_owned();
        } else if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        text.to_owned()
    } else {
        text.chars().take(room.saturating_sub(1)).chain(['~']).collect()
    }
}

fn center(text: &str, room: usize) -> String {
    let before = room.saturating_sub(text.chars().count()) / 2;
    format!("{}{text}{}", " ".repeat(before), " ".repeat(room.saturating_sub(text.chars().count() + before)))
}

/// The text with a capital letter at its beginning.
pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_those_of_the_calendar() {
        assert_eq!((date(0.0).as_str(), clock(0.0).as_str()), ("1970-01-01", "00:00:00.000"));
        assert_eq!(date(951_782_400_000.0), "2000-02-29");
        assert_eq!(
            (date(1_795_132_799_999.0), clock(1_795_132_799_999.0)),
            ("2026-11-19".to_owned(), "23:59:59.999".to_owned())
        );
    }

    #[test]
    fn audio_is_encrypted_if_the_answer_says_so() {
        let answer = |status, session: &str| Message {
            call_id: "theirs".to_owned(),
            status: Some(status),
            sdp: true,
            text: format!("SIP/2.0 {status} OK\r\nCall-ID: theirs\r\n\r\nv=0\r\n{session}"),
            ..Message::default()
        };
        let of = |messages| encryption(&Ladder { messages, ..Ladder::default() }, 1);
        let plain = "m=audio 4000 RTP/AVP 8\r\n";
        let keyed = "m=audio 4000 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***\r\n";
        assert_eq!(of(vec![answer(200, plain)]), ", not encrypted");
        assert_eq!(of(vec![answer(200, plain), answer(200, keyed), answer(488, plain)]), ", encrypted");
        assert_eq!(of(Vec::new()), "");
    }

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        let mut out = String::new();
        wrap(&mut out, "FAULT   ", "        ", &"some words that go on ".repeat(20));
        assert!(out.lines().all(|line| line.chars().count() <= WIDTH), "{out}");
        assert_eq!((cut("abcdef", 4), center("ab", 6)), ("abc~".to_owned(), "  ab  ".to_owned()));
    }
}
