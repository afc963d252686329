//! The trace of a call's application, to explain the call: states, events, actions, errors.

use model::{TenantId, Timestamp};
use runtime::trace::What;
use runtime::trace::entry::Step;
use runtime::{Recorder, RoleContext};
use scxml::{Action, Event, Value};

use super::call_session::{CallSession, Caller, Command, Ended};
use super::hidden_digits;

/// Longest text of one step, in characters.
const TEXT_MAX: usize = 240;
/// Fields of an event's data that describe its outcome. Collected digits are not among them.
const TOLD: [&str; 8] =
    ["result", "error", "description", "position", "agents", "state", DN, "targetcomponentselected"];
/// The one that says a number of ours.
const DN: &str = "dn";

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
    let typed = if session.heard_secret { TypedDigits::Secret } else { TypedDigits::Plain };
    while let Some(taken) = session.machine.poll_step() {
        trace.note_with(tenant, conn_id, now, || in_words(taken, typed));
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

/// What the caller has typed for the application until now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TypedDigits {
    /// Nothing that it has marked.
    Plain,
    /// A secret among them: then no digit is told that may come from there.
    Secret,
}

impl TypedDigits {
    /// A value that the application has made.
    fn shown(self, value: &Value) -> String {
        match value {
            Value::Text(text) if self == Self::Secret => hidden_digits::without_any(text),
            value => value.to_display(),
        }
    }
}

fn in_words(taken: scxml::Step, typed: TypedDigits) -> What {
    match taken {
        scxml::Step::Event { event, taken } => step("event", &event.name, outcome(&event, taken, typed), None),
        scxml::Step::Left(state) => step("left", &state, String::new(), None),
        scxml::Step::Entered(state) => step("state", &state, String::new(), None),
        scxml::Step::Action(action) => {
            let name = format!("{}.{}", action.node.module, action.node.name);
            step("action", &name, attributes(&action, typed), Some(action.line))
        }
        scxml::Step::Log(text) if typed == TypedDigits::Secret => {
            step("log", "", hidden_digits::without_any(&text), None)
        }
        scxml::Step::Log(text) => step("log", "", hidden_digits::without_runs(&text), None),
    }
}

fn step(step: &str, name: &str, text: String, line: Option<u32>) -> What {
    let text = match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    };
    What::Step(Step { step: step.to_owned(), name: name.to_owned(), text, line: line.filter(|line| *line > 0) })
}

fn outcome(event: &Event, taken: bool, typed: TypedDigits) -> String {
    let mut words: Vec<String> = Vec::new();
    if let Value::Map(data) = &event.data {
        let told = data.iter().filter(|(key, _)| TOLD.contains(&key.as_str()));
        let shown = |key: &str, value: &Value| if key == DN { value.to_display() } else { typed.shown(value) };
        words.extend(told.map(|(key, value)| format!("{key}={}", shown(key, value))));
    }
    if !taken {
        words.push("(nothing waits for it)".to_owned());
    }
    words.join(" ")
}

/// The attributes of an action. Parameters by name alone: their values may be sensitive.
fn attributes(action: &Action, typed: TypedDigits) -> String {
    let node = &action.node;
    let attribute = |(key, value): &(String, Value)| format!("{key}={}", typed.shown(value));
    let mut words: Vec<String> = node.attributes.iter().map(attribute).collect();
    if !node.params.is_empty() {
        let names: Vec<&str> = node.params.iter().map(|(name, _)| name.as_str()).collect();
        words.push(format!("params: {}", names.join(", ")));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests;
