//! Limits of documents and sessions; a test reaches each of them.

use std::fmt;
use std::time::Duration;

/// Limits of documents and sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a document.
    pub document_bytes: usize,
    /// States of a document.
    pub states: usize,
    /// Nesting depth of elements: bounds the recursion of every walk over the tree.
    pub nesting: usize,
    /// Target states of one transition: each is compared with the others.
    pub targets: usize,
    /// Attributes of one element.
    pub attributes: usize,
    /// Bytes of a namespace's name: every element in it has a copy.
    pub namespace_bytes: usize,
    /// Microsteps that one event may cause: ends an eventless loop.
    pub microsteps: usize,
    /// Steps of one input: executable elements (each round of a loop counts), conditions, and states exited and entered.
    pub steps: usize,
    /// Transitions that one input may compare with an event or with each other: a search is work even if it finds
    /// nothing.
    pub comparisons: usize,
    /// Events waiting in the internal or the external queue.
    pub queue: usize,
    /// Events that one input may cause in the session's own external queue.
    pub events_per_input: usize,
    /// Delayed events pending at a time.
    pub delayed: usize,
    /// Delayed events that a session may send itself in a burst.
    pub own_events: u32,
    /// Interval after which one more of these is allowed: the sustained rate of a session that wakes itself.
    pub own_event_pace: Duration,
    /// Outputs of one input.
    pub outputs: usize,
    /// Bytes that one input puts into events and actions: they are outside the data model's memory.
    pub payload_bytes: usize,
    /// Bytes of a logged text; the rest is truncated.
    pub log_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // The largest generated call flows seen in the field have about 150 kB.
            document_bytes: 512 * 1024,
            states: 2_000,
            // A state, its handler, nested conditions: hand-written documents stay under 15.
            nesting: 48,
            // One for each region of a parallel state that a transition enters; such states have a handful.
            targets: 32,
            attributes: 64,
            namespace_bytes: 256,
            microsteps: 1_000,
            steps: 20_000,
            // Fifty for each step: an application with 2,000 states that uses all its steps stays under a fifth of it.
            comparisons: 1_000_000,
            queue: 256,
            events_per_input: 256,
            delayed: 128,
            // Twice the number that can be pending at a time; then ten a second, as often as a person watching a call
            // would look. Each is a step of its own with a record to be written.
            own_events: 256,
            own_event_pace: Duration::from_millis(100),
            outputs: 256,
            // The maximum size of a whole record: more could not be stored.
            payload_bytes: 1 << 20,
            log_bytes: 1_024,
        }
    }
}

/// The limit that a session reached, which ended it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LimitKind {
    /// [`Limits::microsteps`].
    Microsteps,
    /// [`Limits::steps`] or [`Limits::comparisons`].
    Steps,
    /// [`Limits::queue`].
    Queue,
    /// [`Limits::events_per_input`].
    EventsPerInput,
    /// [`Limits::delayed`].
    Delayed,
    /// [`Limits::own_events`].
    OwnEvents,
    /// [`Limits::outputs`].
    Outputs,
    /// [`Limits::payload_bytes`].
    Payload,
    /// The data model's time for one evaluation or one input.
    ScriptTime,
    /// The data model's memory.
    ScriptMemory,
    /// The data model's stack.
    ScriptStack,
}

impl LimitKind {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Microsteps,
        Self::Steps,
        Self::Queue,
        Self::EventsPerInput,
        Self::Delayed,
        Self::OwnEvents,
        Self::Outputs,
        Self::Payload,
        Self::ScriptTime,
        Self::ScriptMemory,
        Self::ScriptStack,
    ];

    /// Its name in logs and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Microsteps => "microsteps",
            Self::Steps => "steps",
            Self::Queue => "queue",
            Self::EventsPerInput => "events_per_input",
            Self::Delayed => "delayed",
            Self::OwnEvents => "own_events",
            Self::Outputs => "outputs",
            Self::Payload => "payload",
            Self::ScriptTime => "script_time",
            Self::ScriptMemory => "script_memory",
            Self::ScriptStack => "script_stack",
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
