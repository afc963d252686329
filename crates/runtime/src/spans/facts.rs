//! Spans from recorded entries of a call: each role records its own part, and its spans are derived from that.

use model::{ConnId, Timestamp};
use opentelemetry::{Array, StringValue, Value};

use super::calls::{CALL, Calls, Opening};
use super::{Happened, Ids, KeyValue, Span};
use crate::trace_data::entry::{Audio, Call, Event, Figures, Routing, Step};
use crate::trace_data::{What, mask};

/// A phone rings.
const RINGING: &str = "ringing";
/// A called party talks.
const TALKING: &str = "talking";
/// A party holds.
const HELD: &str = "held";
/// A call waits for an agent.
const QUEUE: &str = "queue";
/// The router's choice.
const DECISION: &str = "decision";
/// The audio of a leg.
pub const AUDIO: &str = "audio";
/// An announcement or digit collection on a leg: `<leg>.<number>`.
pub const TREATMENT: &str = "treatment";
/// A session of an application, its states, and its requests.
const APPLICATION: &str = "application";
const STATE: &str = "state";
const ACTION: &str = "action";
/// Maximum of passed-over agents that a decision lists.
const NAMED_MAX: usize = 20;

/// Derives spans from one recorded entry.
pub(super) fn noted(calls: &mut Calls, ids: &Ids, conn_id: ConnId, at: u64, what: &What, ended: &mut Vec<Span>) {
    let mut telling = SpanBuilder { calls, ids, conn_id, at, ended };
    match what {
        What::Call(call) => telling.call(call),
        What::Event(event) => telling.event(event),
        What::Audio(audio) => telling.audio(audio),
        What::Learned { leg, from } => {
            telling.during(AUDIO, Some(&leg.to_string()), "heard", vec![KeyValue::new("client.address", from.clone())]);
        }
        What::Quiet { leg, .. } => telling.during(AUDIO, Some(&leg.to_string()), "quiet", Vec::new()),
        What::Resumed { leg } => telling.during(AUDIO, Some(&leg.to_string()), "resumed", Vec::new()),
        What::Figures(figures) => telling.figures(figures),
        What::Step(step) => telling.step(step),
        What::Routing(routing) => telling.routing(routing),
        What::Note { text } => {
            telling.during(CALL, None, "note", vec![KeyValue::new("trunkline.text", mask::text(text))]);
        }
        // Messages go to [`super::invites`]; frontend times requests.
        What::Message(_) | What::Leg(_) | What::Request(_) => {}
    }
}

struct SpanBuilder<'a> {
    calls: &'a mut Calls,
    ids: &'a Ids,
    conn_id: ConnId,
    at: u64,
    ended: &'a mut Vec<Span>,
}

impl SpanBuilder<'_> {
    fn open(
        &mut self,
        what: &'static str,
        which: &str,
        attributes: Vec<KeyValue>,
        within: Option<(&'static str, String)>,
    ) {
        let at = Timestamp::from_micros(self.at);
        let opening = Opening { what, which: which.to_owned(), name: what.into(), within, at, attributes };
        self.calls.open(self.ids, self.conn_id, opening);
    }

    fn close(&mut self, what: &str, which: &str, known: Vec<KeyValue>) {
        self.ended.extend(self.calls.close(self.conn_id, what, which, self.at, known));
    }

    fn during(&mut self, what: &str, which: Option<&str>, name: &'static str, attributes: Vec<KeyValue>) {
        self.calls.happened(self.conn_id, what, which, Happened { at: self.at, name: name.into(), attributes });
    }

    // ---- sip-cluster

    fn call(&mut self, call: &Call) {
        let mut attributes = vec![
            KeyValue::new("trunkline.caller", mask::user(&call.caller)),
            KeyValue::new("trunkline.dialled", mask::user(&call.dialled)),
            KeyValue::new("trunkline.owner", call.printed.clone()),
        ];
        attributes.extend(call.trunk.clone().map(|trunk| KeyValue::new("trunkline.trunk", trunk)));
        let at = Timestamp::from_micros(call.began);
        let opening = Opening { what: CALL, which: String::new(), name: CALL.into(), within: None, at, attributes };
        self.calls.open(self.ids, self.conn_id, opening);
        if call.taken_over {
            self.during(CALL, None, "taken over", Vec::new());
        }
    }

    fn event(&mut self, event: &Event) {
        let dn = event.this_dn.as_deref().unwrap_or_default();
        let mut known = vec![KeyValue::new("trunkline.dn", mask::text(dn))];
        known.extend(event.agent.clone().map(|agent| KeyValue::new("trunkline.agent", agent)));
        known.extend(event.state.clone().map(|state| KeyValue::new("trunkline.state", state)));
        let happened = Happened { at: self.at, name: event.name.clone().into(), attributes: known.clone() };
        self.calls.happened(self.conn_id, CALL, None, happened);
        let was_called = event.role.as_deref() == Some("Destination");
        match event.name.as_str() {
            "EventRinging" if was_called => self.open(RINGING, dn, known, None),
            "EventEstablished" if was_called => {
                self.close(RINGING, dn, vec![KeyValue::new("trunkline.outcome", "answered")]);
                self.open(TALKING, dn, known, None);
            }
            "EventHeld" => self.open(HELD, dn, known, Some((TALKING, dn.to_owned()))),
            "EventRetrieved" => self.close(HELD, dn, Vec::new()),
            "EventReleased" | "EventAbandoned" | "EventDestinationBusy" => {
                let outcome = KeyValue::new("trunkline.outcome", event.name.clone());
                self.close(HELD, dn, Vec::new());
                self.close(TALKING, dn, vec![outcome.clone()]);
                self.close(RINGING, dn, vec![outcome]);
            }
            "EventCallDeleted" => self.calls.close_all(self.conn_id, self.at, self.ended),
            _ => {}
        }
    }

    // ---- media

    fn audio(&mut self, audio: &Audio) {
        let leg = audio.leg.to_string();
        let mut attributes = vec![
            KeyValue::new("trunkline.leg", leg.clone()),
            KeyValue::new("trunkline.codec", audio.codec.clone()),
            KeyValue::new("trunkline.direction", audio.direction.clone()),
            KeyValue::new("server.address", audio.local.clone()),
        ];
        attributes.extend(audio.offered.clone().map(|offered| KeyValue::new("trunkline.offered", offered)));
        self.during(AUDIO, Some(&leg), "agreed", attributes.clone());
        self.open(AUDIO, &leg, attributes, None);
    }

    fn figures(&mut self, figures: &Figures) {
        if !figures.ended {
            return;
        }
        let count = |key, value: u64| KeyValue::new(key, i64::try_from(value).unwrap_or(i64::MAX));
        let known = vec![
            count("trunkline.packets.received", figures.received),
            count("trunkline.packets.sent", figures.sent),
            KeyValue::new("trunkline.packets.lost", figures.lost),
            count("trunkline.jitter_us", figures.jitter_us),
        ];
        let leg = figures.leg.to_string();
        // Treatments still open on the leg end with it.
        let is_of = |which: &String| which.split_once('.').is_some_and(|(of, _)| of == leg);
        for treatment in self.calls.open_as(self.conn_id, TREATMENT).into_iter().filter(is_of) {
            self.close(TREATMENT, &treatment, Vec::new());
        }
        self.close(AUDIO, &leg, known);
    }

    // ---- ors

    fn step(&mut self, step: &Step) {
        let text = mask::text(&step.text);
        match step.step.as_str() {
            "application" => {
                let attributes = vec![
                    KeyValue::new("trunkline.application", step.name.clone()),
                    KeyValue::new("trunkline.text", text),
                ];
                self.open(APPLICATION, "", attributes, None);
            }
            "state" => {
                let named = vec![KeyValue::new("trunkline.state", step.name.clone())];
                self.open(STATE, &step.name, named, Some((APPLICATION, String::new())));
            }
            "left" => self.close(STATE, &step.name, Vec::new()),
            "action" => self.action(step, text),
            "event" => self.answered(&step.name, text),
            "log" => self.during(APPLICATION, None, "log", vec![KeyValue::new("trunkline.text", text)]),
            "error" => self.error(&step.name, text),
            "end" => self.calls.close_all(self.conn_id, self.at, self.ended),
            _ => {}
        }
    }

    /// An action lasts until the event that answers it.
    fn action(&mut self, step: &Step, text: String) {
        let mut attributes = vec![KeyValue::new("trunkline.text", text)];
        attributes.extend(step.line.map(|line| KeyValue::new("code.line.number", i64::from(line))));
        let state = self.calls.open_as(self.conn_id, STATE).into_iter().next();
        let within = state.map_or((APPLICATION, String::new()), |state| (STATE, state));
        let opening = Opening {
            what: ACTION,
            which: step.name.clone(),
            name: step.name.clone().into(),
            within: Some(within),
            at: Timestamp::from_micros(self.at),
            attributes,
        };
        self.calls.open(self.ids, self.conn_id, opening);
    }

    fn answered(&mut self, event: &str, text: String) {
        let plain = event.strip_prefix("error.").unwrap_or(event);
        let is_of = |action: &String| plain.strip_prefix(action.as_str()).is_some_and(|rest| rest.starts_with('.'));
        let action = self.calls.open_as(self.conn_id, ACTION).into_iter().find(is_of);
        let named = vec![KeyValue::new("trunkline.event", event.to_owned()), KeyValue::new("trunkline.text", text)];
        match action {
            Some(action) => self.close(ACTION, &action, named),
            None => self.during(APPLICATION, None, "event", named),
        }
    }

    /// An error of a session: the session ends with it, or it never began.
    fn error(&mut self, name: &str, text: String) {
        let why = format!("{name}: {text}");
        if self.calls.open_as(self.conn_id, APPLICATION).is_empty() {
            let opening = Opening {
                what: APPLICATION,
                which: String::new(),
                name: APPLICATION.into(),
                within: None,
                at: Timestamp::from_micros(self.at),
                attributes: vec![KeyValue::new("trunkline.application", name.to_owned())],
            };
            let failed = |span| Span { failed: Some(why.clone()), ..span };
            self.ended.extend(self.calls.instant(self.ids, self.conn_id, opening).map(failed));
            return;
        }
        self.calls.failed(self.conn_id, APPLICATION, why.clone());
        self.during(APPLICATION, None, "error", vec![KeyValue::new("trunkline.text", why)]);
    }

    // ---- rq

    fn routing(&mut self, routing: &Routing) {
        let request = routing.request.as_str();
        let queue = KeyValue::new("trunkline.queue", routing.queue.clone());
        match routing.step.as_str() {
            "queued" => self.open(QUEUE, request, vec![queue], None),
            "offered" => {
                let mut attributes = decision(routing);
                attributes.push(queue);
                let opening = Opening {
                    what: DECISION,
                    which: String::new(),
                    name: DECISION.into(),
                    within: Some((QUEUE, request.to_owned())),
                    at: Timestamp::from_micros(self.at),
                    attributes,
                };
                self.ended.extend(self.calls.instant(self.ids, self.conn_id, opening));
            }
            "returned" => self.during(QUEUE, Some(request), "returned", Vec::new()),
            "timed-out" => self.during(QUEUE, Some(request), "timed out", Vec::new()),
            "ended" => {
                let outcome = routing.outcome.clone().unwrap_or_default();
                self.close(QUEUE, request, vec![KeyValue::new("trunkline.outcome", outcome)]);
            }
            _ => {}
        }
    }
}

/// The chosen agent, and why the others were passed over.
fn decision(routing: &Routing) -> Vec<KeyValue> {
    let text = |key, value: &Option<String>| value.clone().map(|value| KeyValue::new(key, value));
    let passed_over = routing.candidates.iter().filter_map(|one| {
        let why = one.passed_over.as_deref()?;
        Some(StringValue::from(format!("{}: {why}", one.agent)))
    });
    let passed_over: Vec<StringValue> = passed_over.take(NAMED_MAX).collect();
    let considered = routing.candidates.len() as u64 + routing.more;
    [
        text("trunkline.agent", &routing.agent),
        text("trunkline.dn", &routing.dn),
        text("trunkline.rule", &routing.rule),
        Some(KeyValue::new("trunkline.considered", i64::try_from(considered).unwrap_or(i64::MAX))),
        Some(KeyValue::new("trunkline.passed_over", Value::Array(Array::String(passed_over)))),
    ]
    .into_iter()
    .flatten()
    .collect()
}
