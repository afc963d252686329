//! SCXML: loads documents and runs sessions (W3C State Chart XML 1.0), without I/O, clock or threads.
//!
//! One [`Document`] serves many [`Session`]s. A session takes events ([`Session::handle`]) and time
//! ([`Session::handle_timeout`]), runs to a stable configuration and leaves [`Output`]s to be polled. A [`Datamodel`]
//! evaluates expressions; the ECMAScript one is outside, this crate has the null data model (W3C SCXML B.1).
//!
//! The host declares action elements of the platform's own namespaces as a [`Vocabulary`]. They become
//! [`Output::Action`] with every attribute evaluated. Elements in neither W3C's list nor the vocabulary are refused
//! by name when the document is loaded.

pub mod datamodel;
mod delay;
pub mod document;
pub mod event;
mod fault;
pub mod limits;
pub mod session;
pub mod value;
pub mod vocabulary;
mod xml;

pub use datamodel::{Datamodel, EvalError, NullDatamodel};
pub use document::{Document, Expr, LoadError};
pub use event::{Event, EventKind};
pub use limits::{LimitKind, Limits};
pub use session::{Action, ActionNode, End, Output, RestoreError, Session, Snapshot, SnapshotDelayed, Step};
pub use value::Value;
pub use vocabulary::Vocabulary;
