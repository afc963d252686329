//! The trunks at the edge: which one a sender is, whether their carriers are there, calls by our registrations with them, and calls
//! that may be for several of them.

pub(super) mod account;
pub(super) mod carriers;
pub(super) mod contact;
pub(super) mod contest;
pub(super) mod outbound;
pub(super) mod registered;
pub(super) mod registered_accounts;
pub(super) mod sender;
