//! A trace as single lines in order of time: printed live by `trunkline trace --follow`.

use std::collections::HashMap;

use serde::Serialize;

use super::document::{Message, Trace};
use super::text;

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// When, in milliseconds since 1970.
    pub at: f64,
    /// `sip`, `event`, `audio`, `application`, `request`, `routing`, `note`.
    pub kind: &'static str,
    /// Description.
    pub text: String,
}

/// All lines of a trace.
pub fn of(trace: &Trace) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |at: f64, kind, text: String| lines.push(Line { at, kind, text });
    let names: HashMap<&str, &str> =
        trace.ladder.parties.iter().map(|party| (party.id.as_str(), party.name.as_str())).collect();
    for message in &trace.ladder.messages {
        add(message.at, "sip", in_words(message, &names));
    }
    for event in &trace.events {
        let dn = event.event.this_dn.as_deref().unwrap_or("-");
        add(event.at, "event", format!("{} {dn} {}", event.event.name, text::event(&event.event)));
    }
    for leg in &trace.media {
        let who = if leg.caller { format!("caller {}", leg.party) } else { leg.party.clone() };
        if let Some(at) = leg.first_packet_at {
            let from = leg.learned.as_deref().unwrap_or("-");
            add(at, "audio", format!("the first packet of {who} comes from {from} ({})", leg.codec));
        }
        if let Some(at) = leg.ended_at.filter(|_| leg.measured) {
            add(at, "audio", format!("{who}: {}", leg.verdict));
        }
    }
    for step in &trace.application.steps {
        add(step.at, "application", text::step(&step.step));
    }
    for request in &trace.requests {
        add(request.at, "request", text::request(&request.request));
    }
    for decision in &trace.routing {
        add(decision.at, "routing", decision.text.clone());
    }
    for note in &trace.notes {
        add(note.at, "note", format!("{}: {}", note.node, note.text));
    }
    for line in &mut lines {
        line.text = line.text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    // A stable sort: entries of one kind with the same time keep their order.
    lines.sort_by(|a, b| a.at.total_cmp(&b.at));
    lines
}

fn in_words(message: &Message, names: &HashMap<&str, &str>) -> String {
    let name = |id: &str| names.get(id).copied().unwrap_or(id).to_owned();
    let sdp = if message.sdp { " +SDP" } else { "" };
    let again = if message.repeat { " again" } else { "" };
    format!("{} -> {}: {}{sdp}{again}", name(&message.from), name(&message.to), message.label)
}

/// Counts the printed lines of a call.
#[derive(Clone, Debug, Default)]
pub struct PrintedLines(HashMap<(u64, &'static str), usize>);

impl PrintedLines {
    /// The new lines of the trace. A printed line is not repeated in other words: a party that gets a name changes the
    /// text of its earlier lines.
    pub fn fresh(&mut self, trace: &Trace) -> Vec<Line> {
        let mut seen: HashMap<(u64, &'static str), usize> = HashMap::new();
        let mut fresh = Vec::new();
        for line in of(trace) {
            let key = (line.at.to_bits(), line.kind);
            let count = seen.entry(key).or_default();
            *count += 1;
            if *count > self.0.get(&key).copied().unwrap_or_default() {
                fresh.push(line);
            }
        }
        for (key, count) in seen {
            let told = self.0.entry(key).or_default();
            *told = count.max(*told);
        }
        fresh
    }
}

#[cfg(test)]
mod tests;
