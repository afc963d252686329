//! The Voice roles.
