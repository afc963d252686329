//! The real binary as its users see it: exit codes, messages, admin HTTP.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod admin;
mod alone;
mod backups;
mod binary;
mod empty;
mod exit_codes;
mod headers;
mod object_histories;
mod snapshots;
mod tenant_histories;
