//! Carries facts from a tenant's stream into the reporting log: one exporter at a time, at least once.

use std::time::Duration;

use contracts::json;
use contracts::reporting::{AGENT_STATE, CALL_THREAD};
use model::{EventName, Owner, Stamped, Subject, TenantId, Token};

use crate::{LogRecord, OutEntry, Position, Refused, Result, StoreError, Stores};

/// Facts per turn.
const BATCH: usize = 500;
/// How long the right to export lasts without a renewal.
const LEASE: Duration = Duration::from_secs(5);
/// Interval of its renewals while the log takes its time.
const RENEW: Duration = Duration::from_secs(1);

/// The result of a turn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Exported {
    /// Another exporter has the stream.
    Elsewhere,
    /// This node had the stream.
    Here {
        /// Facts that were exported.
        facts: usize,
        /// Facts that the log will never accept; they were skipped.
        refused: Vec<Refused>,
        /// Whether there are more in the stream.
        more: bool,
    },
}

/// Exports a tenant's stream, if no other node does.
///
/// The right is renewed for as long as the log takes. An exporter that has lost it stops at once. Records that it was about to write may
/// still arrive; they repeat what its successor writes.
///
/// # Errors
/// Those of the stores. The next turn continues where the last position was stored, so a fact may be exported twice.
pub async fn export_turn(stores: &Stores, tenant: &TenantId, by: &Owner) -> Result<Exported> {
    let Some(lease) = stores.outbox.take(tenant, by, LEASE).await? else { return Ok(Exported::Elsewhere) };
    let entries = read(stores, tenant, lease.position).await?;
    let Some(last) = entries.last().map(|out| out.entry.position) else {
        return Ok(Exported::Here { facts: 0, refused: Vec::new(), more: false });
    };
    let records = entries.iter().flat_map(log_records).collect();
    let Some(refused) = append(stores, tenant, by, lease.token, records).await? else {
        return Ok(Exported::Elsewhere);
    };
    stores.outbox.exported(tenant, lease.token, last).await?;
    Ok(Exported::Here { facts: entries.len().saturating_sub(refused.len()), refused, more: entries.len() == BATCH })
}

async fn read(stores: &Stores, tenant: &TenantId, after: Position) -> Result<Vec<OutEntry>> {
    match stores.events.read_out(tenant, after, BATCH).await {
        Err(StoreError::Trimmed { gone }) => {
            // Only a store that was emptied and filled again can cause this: the remaining facts are exported.
            tracing::error!(%tenant, %after, %gone, "facts were trimmed from the stream before they were in the reporting log");
            stores.events.read_out(tenant, gone, BATCH).await
        }
        read => read,
    }
}

/// Appends, and keeps the right to export during that time; none if it was lost.
async fn append(
    stores: &Stores,
    tenant: &TenantId,
    by: &Owner,
    token: Token,
    records: Vec<LogRecord>,
) -> Result<Option<Vec<Refused>>> {
    let mut appending = stores.reporting.append(records);
    loop {
        tokio::select! {
            biased;
            done = &mut appending => return done.map(Some),
            () = tokio::time::sleep(RENEW) => match stores.outbox.take(tenant, by, LEASE).await {
                Ok(Some(lease)) if lease.token == token => {}
                Ok(_) => return Ok(None),
                // If the right expires, the position that is stored at the end is refused.
                Err(error) => tracing::debug!(%tenant, %error, "the right to export cannot be renewed"),
            },
        }
    }
}

/// A fact as records of the topics where readers expect it: agents and phones separate from calls and their queues. What tells in a call who is
/// mute or deaf stands in both.
fn log_records(out: &OutEntry) -> impl Iterator<Item = LogRecord> {
    let record = log_record(out);
    let event = &out.entry.event.event;
    let is_of_phone = matches!(out.entry.event.id.subject, Subject::Call(_)) && is_of_agents_phone(event.name);
    let who = event.agent.as_ref().map(ToString::to_string).or_else(|| event.this_dn.as_ref().map(ToString::to_string));
    let copy = who.filter(|_| is_of_phone).map(|who| LogRecord {
        topic: AGENT_STATE,
        key: format!("{}:{who}", out.entry.event.tenant),
        ..record.clone()
    });
    [Some(record), copy].into_iter().flatten()
}

const fn is_of_agents_phone(name: EventName) -> bool {
    matches!(
        name,
        EventName::MuteOn | EventName::MuteOff | EventName::ListenDisconnected | EventName::ListenReconnected
    )
}

fn log_record(out: &OutEntry) -> LogRecord {
    let stamped: &Stamped = &out.entry.event;
    let tenant = &stamped.tenant;
    let (topic, key) = match (&stamped.id.subject, &stamped.event.call) {
        (Subject::Agent(agent), _) => (AGENT_STATE, format!("{tenant}:{agent}")),
        (Subject::Dn(dn), _) => (AGENT_STATE, format!("{tenant}:{dn}")),
        (_, Some(call)) => (CALL_THREAD, format!("{tenant}:{}", call.thread)),
        (subject, None) => (CALL_THREAD, format!("{tenant}:{subject}")),
    };
    let id = format!("{}:{}:{}", stamped.id.subject, stamped.id.token.0, stamped.id.seq.0);
    let event = if out.is_correction { json::correction(stamped) } else { json::cloud_event(stamped) };
    LogRecord { topic, key, id, json: event.to_string() }
}

#[cfg(test)]
mod tests;
