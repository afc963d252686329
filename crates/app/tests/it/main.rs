//! The real binary as its users meet it: exit codes, words, admin HTTP.

mod admin;
mod binary;
mod exit_codes;
