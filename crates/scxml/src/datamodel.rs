//! The interface of a data model (W3C SCXML 5).

mod null;

pub use null::NullDatamodel;

use crate::document::Expr;
use crate::event::Event;
use crate::limits::LimitKind;
use crate::value::Value;

/// Why an operation of the data model failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EvalError {
    /// The document's fault: `error.execution`.
    #[error("{0}")]
    Execution(String),
    /// A limit was reached: the session is over.
    #[error("the limit {0} was reached")]
    Limit(LimitKind),
}

/// A data model of one session.
pub trait Datamodel {
    /// Begins a new input: the time allowed for one input starts again.
    fn begin_input(&mut self);

    /// Sets the system variables of the session (`_sessionid`, `_name`, `_ioprocessors`).
    fn bind_session(&mut self, session_id: &str, name: &str) -> Result<(), EvalError>;

    /// Sets `_event`.
    fn bind_event(&mut self, event: &Event) -> Result<(), EvalError>;

    /// Tells which states are active, for `In()`.
    fn set_active(&mut self, ids: Vec<String>);

    /// Creates a variable without a value.
    fn declare(&mut self, id: &str) -> Result<(), EvalError>;

    /// Evaluates an expression.
    fn evaluate(&mut self, expr: &Expr) -> Result<Value, EvalError>;

    /// Evaluates an expression as a condition.
    fn condition(&mut self, expr: &Expr) -> Result<bool, EvalError>;

    /// Assigns the value of an expression to an existing location.
    fn assign(&mut self, location: &Expr, expr: &Expr) -> Result<(), EvalError>;

    /// Assigns a value to an existing location.
    fn assign_value(&mut self, location: &Expr, value: &Value) -> Result<(), EvalError>;

    /// Runs statements.
    fn execute(&mut self, script: &Expr) -> Result<(), EvalError>;

    /// The value of text inside an element: JSON, or else the text with normalised white space.
    fn literal(&mut self, text: &str) -> Value;

    /// Copies an array for a loop; returns its number of items. Loops nest.
    fn open_loop(&mut self, array: &Expr) -> Result<usize, EvalError>;

    /// Sets the loop's variables to the item at `at`, creating them if they are new.
    fn bind_item(&mut self, at: usize, item: &str, index: Option<&str>) -> Result<(), EvalError>;

    /// Ends the innermost loop.
    fn close_loop(&mut self);

    /// All variables as JSON text.
    fn snapshot(&mut self) -> Result<String, EvalError>;

    /// Sets all variables from JSON text that [`Datamodel::snapshot`] made.
    fn restore(&mut self, text: &str) -> Result<(), EvalError>;
}
