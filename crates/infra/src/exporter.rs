//! Carries facts from a tenant's stream into the reporting log: one exporter at a time, at least once.

use std::time::Duration;

use model::{Owner, Stamped, Subject, TenantId};

use crate::{LogRecord, Result, Stores};

/// Facts per turn.
const BATCH: usize = 500;

/// How long the right to export is held without being renewed.
const LEASE: Duration = Duration::from_secs(5);

/// What a turn came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exported {
    /// Another exporter has the stream.
    Elsewhere,
    /// So many facts went out, and there are none left.
    All(usize),
    /// So many facts went out, and there are more.
    Part(usize),
}

/// Exports what a tenant's stream has, if nobody else does.
///
/// # Errors
/// Those of the stores; the next turn goes on where the last position was stored, so a fact may go out twice.
pub async fn export_turn(stores: &Stores, tenant: &TenantId, by: &Owner) -> Result<Exported> {
    let Some(lease) = stores.outbox.take(tenant, by, LEASE).await? else { return Ok(Exported::Elsewhere) };
    let entries = stores.events.read(tenant, lease.position, BATCH, Duration::ZERO).await?;
    let Some(last) = entries.last().map(|entry| entry.position) else { return Ok(Exported::All(0)) };
    let count = entries.len();
    stores.reporting.append(entries.iter().map(|entry| log_record(&entry.event)).collect()).await?;
    stores.outbox.exported(tenant, lease.token, last).await?;
    Ok(if count == BATCH { Exported::Part(count) } else { Exported::All(count) })
}

/// A fact as a record of the topic where readers expect it: agents and phones apart from calls and their queues.
fn log_record(stamped: &Stamped) -> LogRecord {
    let tenant = &stamped.tenant;
    let (topic, key) = match (&stamped.id.subject, &stamped.event.call) {
        (Subject::Agent(agent), _) => ("voice-agentstate", format!("{tenant}:{agent}")),
        (Subject::Dn(dn), _) => ("voice-agentstate", format!("{tenant}:{dn}")),
        (_, Some(call)) => ("voice-callthread", format!("{tenant}:{}", call.thread)),
        (subject, None) => ("voice-callthread", format!("{tenant}:{subject}")),
    };
    let id = format!("{}:{}:{}", stamped.id.subject, stamped.id.token.0, stamped.id.seq.0);
    LogRecord { topic, key, id, json: contracts::json::cloud_event(stamped).to_string() }
}
