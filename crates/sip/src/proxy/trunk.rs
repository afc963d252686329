//! The trunks at the edge: which one a sender is, whether their carriers are there, and calls by our registrations with them.

pub(super) mod account;
pub(super) mod carriers;
pub(super) mod contact;
pub(super) mod outbound;
pub(super) mod registered;
pub(super) mod registered_accounts;
pub(super) mod sender;
