//! The ledgers of calls, agents, sessions and media sessions: one form of record for all.

mod agents;
mod answer;
mod calls;
mod kind;
mod ledger;
mod media;
mod row;
mod sessions;

pub(in crate::redis) use answer::written;
#[cfg(test)]
pub(in crate::redis) use kind::CALL;
pub(in crate::redis) use kind::{AGENT, Kind};
#[cfg(test)]
pub(in crate::redis) use row::row_of_size;
pub(in crate::redis) use row::{Row, refuse_too_large};

use model::TenantId;

/// A record's name among all.
pub(in crate::redis) type RecordId = (&'static str, TenantId, String);
