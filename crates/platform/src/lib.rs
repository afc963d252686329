//! Roles around the voice system: auth, ingress.
pub mod auth;
pub mod ingress;
pub mod trace;
