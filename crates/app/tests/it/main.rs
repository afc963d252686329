//! The real binary as its users meet it: exit codes, words, admin HTTP.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod admin;
mod alone;
mod binary;
mod empty;
mod exit_codes;
