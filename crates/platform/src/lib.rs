//! Roles around the voice system: ingress.
pub mod ingress;
pub mod trace;
