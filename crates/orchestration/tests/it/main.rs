//! The ECMAScript data model under the interpreter: W3C's assertions, limits, photographs.

mod conformance;
mod harness;
mod hostile;
mod natives;
mod role;
mod scripts;
