//! Roles around the voice system: ingress.
pub mod ingress;
