//! Orchestration: the role that runs a tenant's applications, and the language that they are written in.

pub mod ecmascript;
pub mod ors;
