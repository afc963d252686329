//! A document: states, transitions and executable content, checked once and shared by its sessions.

mod actions;
mod content;
mod load;

use std::sync::Arc;

use crate::event::Descriptors;
pub use crate::fault::Fault;
use crate::limits::Limits;
use crate::vocabulary::Vocabulary;

/// An expression, location or script with its line in the document. Equal texts are equal.
#[derive(Clone, Debug)]
pub struct Expr {
    /// The text.
    pub text: Arc<str>,
    /// The line of its element.
    pub line: u32,
}

/// How a piece of the data model's language is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syntax {
    /// A value.
    Expression,
    /// A location that can be assigned to.
    Location,
    /// Statements.
    Script,
}

/// Checks the syntax of a piece of the data model's language.
pub type SyntaxCheck<'a> = &'a mut dyn FnMut(Syntax, &str) -> Result<(), String>;

/// A document that cannot be run: its faults, at most [`LoadError::FAULTS_MAX`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", .faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct LoadError {
    /// In the order of the document.
    pub faults: Vec<Fault>,
}

impl LoadError {
    /// Most faults reported of one document.
    pub const FAULTS_MAX: usize = 32;
}

/// A loaded document.
#[derive(Debug)]
pub struct Document {
    pub(crate) name: String,
    pub(crate) datamodel: String,
    pub(crate) binding: Binding,
    pub(crate) script: Option<Expr>,
    /// In document order; the first is the root element itself.
    pub(crate) states: Vec<State>,
    pub(crate) transitions: Vec<Transition>,
    pub(crate) limits: Limits,
}

impl Document {
    /// Loads a document. `check` is called for each expression, so that a mistake shows now and not during a call.
    pub fn load<'a>(
        text: &str,
        vocabulary: &'a Vocabulary,
        limits: Limits,
        check: Option<SyntaxCheck<'a>>,
    ) -> Result<Self, LoadError> {
        load::load(text, vocabulary, limits, check)
    }

    /// The `name` attribute.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `datamodel` attribute: `ecmascript`, `null`, or empty if it is absent.
    pub fn datamodel(&self) -> &str {
        &self.datamodel
    }

    pub(crate) fn state(&self, at: StateIx) -> &State {
        // Indices come from the loader and never leave the crate.
        &self.states[at.0]
    }

    pub(crate) fn find(&self, id: &str) -> Option<StateIx> {
        self.states.iter().skip(1).position(|s| s.id == id).map(|at| StateIx(at + 1))
    }

    pub(crate) fn is_descendant(&self, state: StateIx, ancestor: StateIx) -> bool {
        state.0 > ancestor.0 && state.0 <= self.state(ancestor).last_descendant
    }

    /// Proper ancestors from the inside out, the root element included.
    pub(crate) fn ancestors(&self, state: StateIx) -> impl Iterator<Item = StateIx> {
        std::iter::successors(self.state(state).parent, |s| self.state(*s).parent)
    }
}

/// A state's index in document order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct StateIx(pub usize);

/// A transition's index in document order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct TransitionIx(pub usize);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Binding {
    Early,
    Late,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StateKind {
    Root,
    Atomic,
    Compound,
    Parallel,
    Final,
    ShallowHistory,
    DeepHistory,
}

#[derive(Debug)]
pub(crate) struct State {
    /// The author's id, or `#n` if there is none.
    pub id: String,
    pub kind: StateKind,
    pub parent: Option<StateIx>,
    /// States and finals, without histories.
    pub children: Vec<StateIx>,
    pub histories: Vec<StateIx>,
    pub last_descendant: usize,
    /// For a compound state or the root: its initial transition. For a history: its default.
    pub initial: Option<TransitionIx>,
    pub transitions: Vec<TransitionIx>,
    pub onentry: Vec<Vec<Content>>,
    pub onexit: Vec<Vec<Content>>,
    pub data: Vec<Data>,
    pub donedata: Option<Payload>,
}

#[derive(Debug)]
pub(crate) struct Transition {
    pub source: StateIx,
    pub events: Descriptors,
    pub cond: Option<Expr>,
    pub targets: Vec<StateIx>,
    pub internal: bool,
    pub content: Vec<Content>,
}

#[derive(Debug)]
pub(crate) struct Data {
    pub id: String,
    pub value: Option<ValueSource>,
    pub line: u32,
}

/// The source of a value.
#[derive(Debug)]
pub(crate) enum ValueSource {
    Expr(Expr),
    /// Text inside the element: JSON, or else plain text.
    Inline(String),
}

/// An attribute that is either a fixed text or an expression (`event` and `eventexpr`).
#[derive(Debug)]
pub(crate) enum Wording {
    Fixed(String),
    Expr(Expr),
}

/// Data that a `send` or `donedata` carries.
#[derive(Debug, Default)]
pub(crate) struct Payload {
    pub content: Option<ValueSource>,
    pub params: Vec<(String, Expr)>,
    /// The variables of a `namelist`: unlike a failed parameter, one that cannot be evaluated discards the whole message.
    pub namelist: Vec<(String, Expr)>,
}

/// An executable element.
#[derive(Debug)]
pub(crate) struct Content {
    pub line: u32,
    pub kind: ContentKind,
}

#[derive(Debug)]
pub(crate) enum ContentKind {
    Raise(String),
    Log { label: String, level: Option<Expr>, expr: Option<Expr> },
    Assign { location: Expr, value: ValueSource },
    Script(Expr),
    If(Vec<(Option<Expr>, Vec<Content>)>),
    Foreach { array: Expr, item: String, index: Option<String>, body: Vec<Content> },
    Send(Box<Send>),
    Cancel(Wording),
    Action(Box<ActionTemplate>),
}

#[derive(Debug)]
pub(crate) struct Send {
    pub event: Option<Wording>,
    pub target: Option<Wording>,
    pub processor: Option<Wording>,
    pub id: Option<SendId>,
    pub delay: Option<Wording>,
    pub payload: Payload,
}

#[derive(Debug)]
pub(crate) enum SendId {
    Given(String),
    Location(Expr),
}

/// An element of the host with unevaluated attributes.
#[derive(Debug)]
pub(crate) struct ActionTemplate {
    pub module: &'static str,
    pub name: &'static str,
    pub request_location: Option<Expr>,
    pub attributes: Vec<(String, Expr)>,
    pub params: Vec<(String, Expr)>,
    pub children: Vec<ActionTemplate>,
}
