//! The wallboard's role.

pub mod board;
