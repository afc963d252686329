//! What each path of the Workspace API does, in the groups of its published description.

pub(super) mod browser_phone;
pub(super) mod configuration;
pub(super) mod contacts;
mod managed;
pub(super) mod notifications;
pub(super) mod operations;
pub(super) mod peers;
pub(super) mod personal;
pub(super) mod reporting;
pub(super) mod schedule;
pub(super) mod session;
pub(super) mod targets;
pub(super) mod users;
pub(super) mod waiting;
