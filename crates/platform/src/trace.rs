//! Explanation of a call: combines what every role recorded, evaluates it and puts it into words.
//!
//! [`explain`] is pure: the roles' answers in, one document out. [`ask`] queries the roles, [`text`] prints.

pub mod ask;
pub mod document;
pub mod lines;
mod media;
mod routing;
pub mod serve;
mod sip;
pub mod text;
mod thread;
mod trunks;
mod verdict;

use std::collections::BTreeSet;

use runtime::trace::entry::{RoleTrace, What};

pub use document::Trace;
use document::{Call, Event, Note, Request, Step, ms};
pub use media::mos;
use sip::{LegNames, Recorded};

/// Answer of one replica.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its role.
    pub role: String,
    /// Its node.
    pub node: String,
    /// Its record of the call, or why it has not answered.
    pub known: Result<RoleTrace, String>,
}

/// Roles whose answers are needed, with the part of a call that is missing without them.
const NEEDED: [(&str, &str); 6] = [
    ("sip-proxy", "SIP messages"),
    ("sip-cluster", "the call's legs and events"),
    ("media", "the paths of its audio"),
    ("ors", "the application's steps"),
    ("rq", "the router's decisions"),
    ("frontend", "the requests"),
];

/// Combines the answers. `None` if no role knows the call. `now` in milliseconds since 1970.
pub fn explain(tenant: &str, answers: &[Answer], masked: bool, now: f64) -> Option<Trace> {
    let mut entries: Vec<(String, u64, &What)> = Vec::new();
    for (answer, known) in answers.iter().filter_map(|answer| Some((answer, answer.known.as_ref().ok()?))) {
        entries.extend(known.entries.iter().map(|entry| (answer.node.clone(), entry.at, &entry.what)));
    }
    if entries.is_empty() {
        return None;
    }
    // A stable sort: entries with the same time keep the order of their role.
    entries.sort_by_key(|(_, at, _)| *at);
    let names = leg_names(&entries);
    let mut trace = Trace { masked, ..Trace::default() };
    trace.call = call(tenant, answers, &entries);
    fill(&mut trace, &entries);
    let messages: Vec<Recorded<'_>> = entries
        .iter()
        .filter_map(|(by, at, what)| match what {
            What::Message(message) => Some(Recorded { at: *at, by, message }),
            _ => None,
        })
        .collect();
    trace.ladder = sip::ladder(&messages, &names);
    trace.routing = routing::decisions(&entries);
    routing::say_unreached(&mut trace.routing, &trace.events);
    let ladder = &trace.ladder;
    let ended = |leg: u16| verdict::leg_ended(ladder, leg).or(trace.call.ended_at);
    let signalling = |leg: u16| verdict::signalling(ladder, leg);
    trace.media = media::legs(&entries, &names, ended, signalling, now);
    trace.thread = thread::turns(&trace);
    trace.missing = missing(answers, &trace);
    let tries = trunks::tries(&trace, &names, &trunks::names(&entries));
    trace.verdict = verdict::verdict(&trace, &names, &tries, now);
    Some(trace)
}

fn call(tenant: &str, answers: &[Answer], entries: &[(String, u64, &What)]) -> Call {
    let mut call = Call { tenant: tenant.to_owned(), ..Call::default() };
    let mut call_ids = BTreeSet::new();
    for known in answers.iter().filter_map(|answer| answer.known.as_ref().ok()) {
        call_ids.extend(known.call_ids.iter().cloned());
        if let (true, Some(conn_id)) = (call.conn_id.is_empty(), known.conn_ids.first()) {
            call.conn_id.clone_from(conn_id);
        }
        if let (true, Some(uuid)) = (call.uuid.is_empty(), known.uuids.first()) {
            call.uuid.clone_from(uuid);
        }
    }
    call.call_ids = call_ids.into_iter().collect();
    let outside: Vec<&str> = entries.iter().filter_map(|(_, _, what)| what.party_outside()).collect();
    let mut going_on = BTreeSet::new();
    for (_, at, what) in entries {
        match what {
            What::Call(known) => {
                call.printed.clone_from(&known.printed);
                call.uuid.clone_from(&known.uuid);
                call.from.clone_from(&known.caller);
                call.to.clone_from(&known.dialled);
                call.trunk.clone_from(&known.trunk);
                call.began_at = Some(ms(known.began));
            }
            What::Event(event) if event.answered_by(&outside).is_some() => {
                call.answered_at = call.answered_at.or(Some(ms(*at)));
            }
            What::Event(event) if event.name == "EventCallDeleted" => {
                going_on.remove(&event.conn_id);
                call.ended_at = Some(ms(*at));
            }
            What::Event(event) if event.name == "EventCallCreated" => drop(going_on.insert(&event.conn_id)),
            _ => {}
        }
    }
    // A consultation ends before the call that it is about.
    if !going_on.is_empty() {
        call.ended_at = None;
    }
    call
}

fn leg_names(entries: &[(String, u64, &What)]) -> LegNames {
    let leg = |what: &What| match what {
        What::Leg(leg) => Some((leg.leg, (leg.party.clone(), leg.caller))),
        _ => None,
    };
    entries.iter().filter_map(|(_, _, what)| leg(what)).collect()
}

fn fill(trace: &mut Trace, entries: &[(String, u64, &What)]) {
    for (node, at, what) in entries {
        let at = ms(*at);
        match what {
            What::Event(event) => trace.events.push(Event { at, event: (**event).clone() }),
            What::Step(step) => {
                if step.step == "application" {
                    trace.application.name = Some(step.name.clone());
                }
                trace.application.steps.push(Step { at, step: step.clone() });
            }
            What::Request(request) => trace.requests.push(Request { at, request: request.clone() }),
            What::Note { text } => trace.notes.push(Note { at, node: node.clone(), text: text.clone() }),
            What::Quiet { .. } | What::Resumed { .. } => {
                let text = match what {
                    What::Quiet { .. } => "a phone that should send has fallen silent",
                    _ => "a phone is heard again",
                };
                trace.notes.push(Note { at, node: node.clone(), text: text.to_owned() });
            }
            _ => {}
        }
    }
}

/// The owners that have taken over the call from a failed one, as `node.epoch`.
fn successors(answers: &[Answer]) -> impl Iterator<Item = &str> {
    let known = answers.iter().filter_map(|answer| answer.known.as_ref().ok());
    known.flat_map(|known| &known.entries).filter_map(|entry| match &entry.what {
        What::Call(call) if call.taken_over => call.printed.split_once('@').map(|(_, owner)| owner),
        _ => None,
    })
}

/// The missing parts of the call, and why.
fn missing(answers: &[Answer], trace: &Trace) -> Vec<String> {
    let mut missing = Vec::new();
    missing.extend(successors(answers).map(|successor| {
        format!(
            "the call's owner failed during the call, and {successor} took it over: what only the failed node had recorded is lost"
        )
    }));
    for (role, what) in NEEDED {
        let of_role: Vec<&Answer> = answers.iter().filter(|answer| answer.role == role).collect();
        if of_role.is_empty() {
            missing.push(format!("no {role} was asked: {what} are not known"));
        }
        for answer in of_role {
            match &answer.known {
                Err(why) => missing
                    .push(format!("{} has not answered ({why}): what it knows of {what} is missing", answer.node)),
                Ok(known) => missing.extend(gaps(answer, known, what, trace)),
            }
        }
    }
    if !trace.call.conn_id.is_empty() && trace.ladder.messages.is_empty() {
        missing.push("no SIP message of the call is remembered".to_owned());
    }
    missing
}

fn gaps(answer: &Answer, known: &RoleTrace, what: &str, trace: &Trace) -> Vec<String> {
    let mut gaps = Vec::new();
    match known.since {
        None => gaps.push(format!("{} does not record (trace.record is off): {what} are not known", answer.node)),
        Some(since) if trace.call.began_at.is_some_and(|began| began < ms(since)) => gaps.push(format!(
            "{} remembers only from {} on, when it started; the call began before: {what} until then are missing",
            answer.node,
            text::clock(ms(since)),
        )),
        Some(_) => {}
    }
    if known.left_out > 0 {
        gaps.push(format!(
            "{} has left out {} entries: the call had more than it keeps of one",
            answer.node, known.left_out
        ));
    }
    gaps
}

/// The leg in whose dialog a message is; a dialog that no owner has named is the caller's, leg 1. `None` between nodes.
fn leg_of(message: &document::Message) -> Option<u16> {
    match message.leg {
        Some(0) => None,
        known => Some(known.unwrap_or(1)),
    }
}

#[cfg(test)]
mod tests;
