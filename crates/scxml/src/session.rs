//! A session: one run of a document (W3C SCXML Appendix D), as a state machine without I/O.
//!
//! Drive loop: [`Session::handle`] or [`Session::handle_timeout`], then [`Session::poll_output`] until it is empty,
//! then wait until [`Session::next_timeout`]. Take a snapshot after draining the outputs; it does not contain them.

mod content;
mod enter;
mod select;
mod send;
mod snapshot;
mod step;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use model::Timestamp;

pub use snapshot::{RestoreError, Snapshot, SnapshotDelayed};
pub use step::Step;

use crate::datamodel::{Datamodel, EvalError};
use crate::document::{Binding, Document, StateIx};
use crate::event::{Event, EventKind};
use crate::limits::LimitKind;
use crate::value::Value;

/// One run of a document.
pub struct Session {
    document: Arc<Document>,
    data: Box<dyn Datamodel>,
    id: String,
    phase: Phase,
    configuration: BTreeSet<StateIx>,
    /// Whether the data model knows the current configuration.
    active_told: bool,
    history: BTreeMap<StateIx, Vec<StateIx>>,
    /// States entered before: their data exists already (late binding).
    entered: BTreeSet<StateIx>,
    internal: VecDeque<Event>,
    external: VecDeque<Event>,
    delayed: Vec<Delayed>,
    /// Time up to which the delayed events already delivered count against [`crate::Limits::own_events`].
    own_pace: Timestamp,
    next_id: u64,
    outputs: VecDeque<Output>,
    steps: VecDeque<step::Taken>,
    meter: Meter,
    now: Timestamp,
}

/// An output of a session for its host.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// An element of the host's vocabulary was reached.
    Action(Action),
    /// `<log>`.
    Log {
        /// The `label` attribute.
        label: String,
        /// The value of the `level` attribute, if present.
        level: Option<f64>,
        /// The value, cut to [`crate::Limits::log_bytes`].
        text: String,
    },
    /// An error event that no transition handled; W3C ignores it, a host may not want to.
    UnhandledError(Event),
    /// The session is over; this is the last output.
    Done(End),
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// In a top-level final state, with its `donedata`.
    Final(Value),
    /// By [`Session::terminate`].
    Terminated,
    /// It reached a limit; its `onexit` handlers did not run.
    Limit(LimitKind),
}

/// An element of the host with evaluated attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// Unique within the session; stored at the location that `requestid` names.
    pub request_id: String,
    /// The element.
    pub node: ActionNode,
    /// Its line in the document.
    pub line: u32,
}

/// An element with evaluated attributes, parameters and children.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActionNode {
    /// The module's name in the vocabulary.
    pub module: String,
    /// The element's local name.
    pub name: String,
    /// Attributes that are present.
    pub attributes: Vec<(String, Value)>,
    /// `<param>` children.
    pub params: Vec<(String, Value)>,
    /// Child elements of the host.
    pub children: Vec<ActionNode>,
}

impl ActionNode {
    /// The value of an attribute; `None` if it is absent or has no value.
    pub fn attribute(&self, name: &str) -> Option<&Value> {
        let value = self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value)?;
        (!matches!(value, Value::Undefined | Value::Null)).then_some(value)
    }

    /// Children of this name in any module.
    pub fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Running,
    Over,
}

/// A delayed event.
#[derive(Clone, Debug)]
struct Delayed {
    due: Timestamp,
    /// Orders events due at the same time: the order of sending.
    order: u64,
    event: Event,
    internal: bool,
}

/// Resources used by the current input.
#[derive(Clone, Copy, Default)]
struct Meter {
    steps: usize,
    comparisons: usize,
    events: usize,
    outputs: usize,
    payload_bytes: usize,
}

/// Aborts an input: a limit was reached.
struct Cut(LimitKind);

type Run<T = ()> = Result<T, Cut>;

impl Session {
    /// Starts a session and runs it to its first stable configuration.
    ///
    /// `id` must be unique among the host's sessions: `_sessionid` and request ids are made from it.
    pub fn start(document: Arc<Document>, data: Box<dyn Datamodel>, id: &str, now: Timestamp) -> Self {
        let mut session = Self::blank(document, data, id, now);
        session.run(|session| {
            session.prepare_data()?;
            session.enter_initial()
        });
        session
    }

    fn blank(document: Arc<Document>, data: Box<dyn Datamodel>, id: &str, now: Timestamp) -> Self {
        Self {
            document,
            data,
            id: id.to_owned(),
            phase: Phase::Running,
            configuration: BTreeSet::new(),
            active_told: false,
            history: BTreeMap::new(),
            entered: BTreeSet::new(),
            internal: VecDeque::new(),
            external: VecDeque::new(),
            delayed: Vec::new(),
            own_pace: Timestamp::from_micros(0),
            next_id: 1,
            outputs: VecDeque::new(),
            steps: VecDeque::new(),
            meter: Meter::default(),
            now,
        }
    }

    /// Processes an external event and runs to the next stable configuration.
    pub fn handle(&mut self, event: Event, now: Timestamp) {
        self.now = now;
        self.run(|session| {
            session.deliver_due()?;
            session.push_external(event)
        });
    }

    /// Delivers the delayed events that are due at `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.now = now;
        if self.next_timeout().is_some_and(|due| due <= now) {
            self.run(Self::deliver_due);
        }
    }

    /// When the next delayed event is due.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.delayed.iter().map(|d| d.due).min()
    }

    /// The next output. Call until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Ends the session from outside: the `onexit` handlers of all active states run.
    pub fn terminate(&mut self, now: Timestamp) {
        self.now = now;
        if self.phase == Phase::Over {
            return;
        }
        self.meter = Meter::default();
        self.data.begin_input();
        match self.exit_all() {
            Ok(_) => self.finish(End::Terminated),
            Err(Cut(limit)) => self.finish(End::Limit(limit)),
        }
    }

    /// Whether the session is over.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// The ids of the active states in document order; states without an id show as `#n`.
    pub fn active(&self) -> Vec<String> {
        self.configuration.iter().map(|s| self.document.state(*s).id.clone()).collect()
    }

    /// The session's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether delayed events are pending: the session will continue without an external input.
    pub fn has_timers(&self) -> bool {
        !self.delayed.is_empty()
    }

    // ---- one input ----

    /// Runs `begin` and then everything that follows from it; reaching a limit ends the session.
    fn run(&mut self, begin: impl FnOnce(&mut Self) -> Run) {
        if self.phase == Phase::Over {
            return;
        }
        self.meter = Meter::default();
        self.data.begin_input();
        if let Err(Cut(limit)) = begin(self).and_then(|()| self.main_loop()) {
            self.finish(End::Limit(limit));
        }
    }

    /// Macrosteps until nothing is left to do.
    fn main_loop(&mut self) -> Run {
        loop {
            self.macrostep()?;
            if self.phase == Phase::Over {
                return Ok(());
            }
            if self.stopped() {
                let donedata = self.exit_all()?;
                self.finish(End::Final(donedata));
                return Ok(());
            }
            let Some(event) = self.external.pop_front() else { return Ok(()) };
            self.meter.events += 1;
            if self.meter.events > self.document.limits.events_per_input {
                return Err(Cut(LimitKind::EventsPerInput));
            }
            self.take_event(event)?;
        }
    }

    /// Microsteps until no eventless transition is enabled and the internal queue is empty.
    fn macrostep(&mut self) -> Run {
        let mut microsteps = 0;
        while !self.stopped() {
            let enabled = self.select(None)?;
            if !enabled.is_empty() {
                self.microstep(&enabled)?;
            } else {
                let Some(event) = self.internal.pop_front() else { return Ok(()) };
                self.take_event(event)?;
            }
            microsteps += 1;
            if microsteps > self.document.limits.microsteps {
                return Err(Cut(LimitKind::Microsteps));
            }
        }
        Ok(())
    }

    fn take_event(&mut self, event: Event) -> Run {
        let bound = self.data.bind_event(&event);
        self.settle(bound, 0)?;
        let enabled = self.select(Some(&event.name))?;
        self.note_event(&event, !enabled.is_empty());
        if !enabled.is_empty() {
            return self.microstep(&enabled);
        }
        if event.is_error() {
            self.emit(Output::UnhandledError(event))?;
        }
        Ok(())
    }

    /// Whether a top-level final state is active.
    fn stopped(&self) -> bool {
        use crate::document::StateKind;
        self.configuration.iter().any(|s| {
            let state = self.document.state(*s);
            state.kind == StateKind::Final && state.parent == Some(StateIx(0))
        })
    }

    fn prepare_data(&mut self) -> Run {
        let bound = self.data.bind_session(&self.id, &self.document.name);
        self.settle(bound, 1)?;
        let document = Arc::clone(&self.document);
        // Every variable exists from the start; late binding delays its value (W3C SCXML 5.3.3).
        for data in document.states.iter().flat_map(|s| &s.data) {
            let declared = self.data.declare(&data.id);
            self.settle(declared, data.line)?;
        }
        let early = if document.binding == Binding::Early { document.states.len() } else { 1 };
        for at in 0..early {
            self.initialise(StateIx(at))?;
        }
        if let Some(script) = &document.script {
            let done = self.data.execute(script);
            self.settle(done, script.line)?;
        }
        Ok(())
    }

    // ---- queues and outputs ----

    fn push_external(&mut self, event: Event) -> Run {
        if self.external.len() >= self.document.limits.queue {
            return Err(Cut(LimitKind::Queue));
        }
        self.external.push_back(event);
        Ok(())
    }

    fn push_internal(&mut self, event: Event) -> Run {
        if self.internal.len() >= self.document.limits.queue {
            return Err(Cut(LimitKind::Queue));
        }
        self.internal.push_back(event);
        Ok(())
    }

    fn deliver_due(&mut self) -> Run {
        while let Some(at) = self
            .delayed
            .iter()
            .enumerate()
            .filter(|(_, d)| d.due <= self.now)
            .min_by_key(|(_, d)| (d.due, d.order))
            .map(|(at, _)| at)
        {
            let due = self.delayed.remove(at);
            self.keep_pace()?;
            match due.internal {
                true => self.push_internal(due.event)?,
                false => self.push_external(due.event)?,
            }
        }
        Ok(())
    }

    /// Counts a delayed event. Each starts an input of its own, so limits per input alone would let a session run on
    /// its own sends forever.
    fn keep_pace(&mut self) -> Run {
        let limits = &self.document.limits;
        let allowance = limits.own_event_pace * limits.own_events;
        // It cannot be further ahead than the allowance, unless the clock was set back.
        let ahead = self.own_pace.since(self.now);
        let from = if ahead > allowance { self.now } else { self.own_pace.max(self.now) };
        self.own_pace = from + limits.own_event_pace;
        if self.own_pace.since(self.now) > allowance { Err(Cut(LimitKind::OwnEvents)) } else { Ok(()) }
    }

    /// Counts steps of this input.
    fn charge(&mut self, steps: usize) -> Run {
        self.meter.steps += steps;
        if self.meter.steps > self.document.limits.steps { Err(Cut(LimitKind::Steps)) } else { Ok(()) }
    }

    /// Counts compared transitions.
    fn charge_comparisons(&mut self, transitions: usize) -> Run {
        self.meter.comparisons += transitions;
        let within = self.meter.comparisons <= self.document.limits.comparisons;
        if within { Ok(()) } else { Err(Cut(LimitKind::Steps)) }
    }

    /// Counts the size of a value that leaves the data model.
    fn charge_payload(&mut self, value: &Value) -> Run {
        self.meter.payload_bytes += value.bytes();
        let within = self.meter.payload_bytes <= self.document.limits.payload_bytes;
        if within { Ok(()) } else { Err(Cut(LimitKind::Payload)) }
    }

    fn emit(&mut self, output: Output) -> Run {
        self.meter.outputs += 1;
        if self.meter.outputs > self.document.limits.outputs {
            return Err(Cut(LimitKind::Outputs));
        }
        self.note_output(&output);
        self.outputs.push_back(output);
        Ok(())
    }

    fn finish(&mut self, end: End) {
        self.phase = Phase::Over;
        self.internal.clear();
        self.external.clear();
        self.delayed.clear();
        self.outputs.push_back(Output::Done(end));
    }

    /// The number for the next id; ids are never reused in a session.
    fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Turns a data model's error into `error.execution`; a limit ends the session.
    fn settle<T>(&mut self, result: Result<T, EvalError>, line: u32) -> Run<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(EvalError::Limit(limit)) => Err(Cut(limit)),
            Err(EvalError::Execution(reason)) => {
                self.raise_error("error.execution", &reason, line, None)?;
                Ok(None)
            }
        }
    }

    fn raise_error(&mut self, name: &str, reason: &str, line: u32, send_id: Option<String>) -> Run {
        let data = Value::Map(vec![
            ("reason".to_owned(), Value::from(reason)),
            ("line".to_owned(), Value::Number(f64::from(line))),
        ]);
        let mut event = Event::of(EventKind::Platform, name, data);
        event.send_id = send_id;
        self.push_internal(event)
    }

    /// Tells the data model the configuration before it evaluates something.
    fn tell_active(&mut self) {
        if !self.active_told {
            self.data.set_active(self.active());
            self.active_told = true;
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("active", &self.active()).finish_non_exhaustive()
    }
}
