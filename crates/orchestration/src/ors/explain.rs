//! The trace of a call's application, to explain the call: states, events, actions, errors.

use model::{TenantId, Timestamp};
use runtime::trace::What;
use runtime::trace::entry::Step;
use runtime::{Recorder, RoleContext};
use scxml::{Action, Event, Value};

use super::call_session::{CallSession, Caller, Command, Ended};

/// Longest text of one step, in characters.
const TEXT_MAX: usize = 240;
/// Shortest run of digits in an application's texts that is masked, since it may be user input.
const DIGITS_MIN: usize = 3;
/// Fields of an event's data that describe its outcome. Collected digits are not among them.
const TOLD: [&str; 8] =
    ["result", "error", "description", "position", "agents", "state", "dn", "targetcomponentselected"];

/// An application starts or continues.
pub(super) fn began(trace: &Recorder, tenant: &TenantId, caller: &Caller, how: &str, now: Timestamp) {
    trace.identify(tenant, caller.call.conn_id, caller.call.uuid, now);
    let step = || step("application", &caller.application, format!("{how} on route point {}", caller.this_dn), None);
    trace.note_with(tenant, caller.call.conn_id, now, step);
}

/// An application cannot be run.
pub(super) fn not_loaded(ctx: &RoleContext, tenant: &TenantId, caller: &Caller, reason: &str) {
    ctx.trace.identify(tenant, caller.call.conn_id, caller.call.uuid, ctx.clock.now());
    let text = || format!("it cannot be loaded, and the call takes the route point's default: {reason}");
    ctx.trace
        .note_with(tenant, caller.call.conn_id, ctx.clock.now(), || step("error", &caller.application, text(), None));
}

/// Traces the results of an input.
pub(super) fn steps(
    trace: &Recorder,
    tenant: &TenantId,
    session: &mut CallSession,
    commands: &[Command],
    now: Timestamp,
) {
    let conn_id = session.caller.call.conn_id;
    while let Some(taken) = session.machine.poll_step() {
        trace.note_with(tenant, conn_id, now, || in_words(taken));
    }
    for command in commands {
        let what = match command {
            Command::DefaultRoute => {
                step("error", "default route", "the call goes where the route point says".to_owned(), None)
            }
            Command::Ended(Ended::Through) => step("end", "through", String::new(), None),
            Command::Ended(Ended::Failed { fault, reason }) => step("error", fault.as_str(), reason.clone(), None),
            // Requests are traced by frontend, queue requests by rq.
            Command::Request { .. } | Command::Queue(_) | Command::Log { .. } => continue,
        };
        trace.note(tenant, conn_id, now, what);
    }
}

fn in_words(taken: scxml::Step) -> What {
    match taken {
        scxml::Step::Event { event, taken } => step("event", &event.name, outcome(&event, taken), None),
        scxml::Step::Left(state) => step("left", &state, String::new(), None),
        scxml::Step::Entered(state) => step("state", &state, String::new(), None),
        scxml::Step::Action(action) => {
            let name = format!("{}.{}", action.node.module, action.node.name);
            step("action", &name, attributes(&action), Some(action.line))
        }
        scxml::Step::Log(text) => step("log", "", without_digits(&text), None),
    }
}

fn step(step: &str, name: &str, text: String, line: Option<u32>) -> What {
    let text = match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    };
    What::Step(Step { step: step.to_owned(), name: name.to_owned(), text, line: line.filter(|line| *line > 0) })
}

fn outcome(event: &Event, taken: bool) -> String {
    let mut words: Vec<String> = Vec::new();
    if let Value::Map(data) = &event.data {
        let told = data.iter().filter(|(key, _)| TOLD.contains(&key.as_str()));
        words.extend(told.map(|(key, value)| format!("{key}={}", value.to_display())));
    }
    if !taken {
        words.push("(nothing waits for it)".to_owned());
    }
    words.join(" ")
}

/// The attributes of an action. Parameters by name alone: their values may be sensitive.
fn attributes(action: &Action) -> String {
    let node = &action.node;
    let attribute = |(key, value): &(String, Value)| format!("{key}={}", value.to_display());
    let mut words: Vec<String> = node.attributes.iter().map(attribute).collect();
    if !node.params.is_empty() {
        let names: Vec<&str> = node.params.iter().map(|(name, _)| name.as_str()).collect();
        words.push(format!("params: {}", names.join(", ")));
    }
    words.join(" ")
}

/// Masks digits: an application may log user input, such as a PIN or a card number.
fn without_digits(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        out.push_str(before);
        out.push_str(if digits.len() >= DIGITS_MIN { "***" } else { digits });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
