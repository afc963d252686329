//! The ECMAScript data model in the interpreter: W3C's assertions, limits, snapshots.

mod conformance;
mod harness;
mod hostile;
mod lookups;
mod natives;
mod role;
mod scripts;
