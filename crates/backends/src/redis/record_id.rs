//! What identifies a record among all that a client has written.

use model::TenantId;

/// A record's name among all.
pub(super) type RecordId = (&'static str, TenantId, String);
