//! The wallboard's roles.

pub mod board;
