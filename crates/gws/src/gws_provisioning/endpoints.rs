//! What each path of the Provisioning API does, in the groups of its published description.

pub(super) mod imports;
pub(super) mod named_settings;
pub(super) mod notifications;
pub(super) mod objects;
pub(super) mod operations;
pub(super) mod rules;
pub(super) mod session;
pub(super) mod settings;
pub(super) mod statistic_files;
pub(super) mod transfers;
pub(super) mod users;
pub(super) mod whitelist;
