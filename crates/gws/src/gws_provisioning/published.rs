//! The published shapes and what they stand for in a tenant's configuration, without I/O.

pub(super) mod multipart;
pub(super) mod object;
pub(super) mod object_query;
pub(super) mod query;
pub(super) mod table;
pub(super) mod user;
pub(super) mod user_body;
pub(super) mod user_query;
pub(super) mod whitelist;
