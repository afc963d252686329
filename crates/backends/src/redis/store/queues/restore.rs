//! Writes a tenant's queues again that Redis has lost: in parts, of which readers see nothing until all are there.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;
use infra::{QueueBatch, Result, StoreError, Written};

use crate::redis::RedisStores;
use crate::redis::connection::reply;
use crate::redis::scripts::Call;
use crate::redis::store::records::written;

/// Rows that one script stages: some milliseconds.
const STAGED_ROWS: usize = 2_000;
/// Bytes of those after which the next part begins.
const STAGED_BYTES: usize = 1 << 20;
/// How long a part stays if none follows it: longer than the next one may take, and the process has died then.
const STAGED_MS: u64 = 30_000;

/// No two attempts of a process share what they stage.
static ATTEMPTS: AtomicU64 = AtomicU64::new(0);

/// A row by its id.
type NamedRow<'a> = (&'a str, &'a Bytes);

impl RedisStores {
    /// Writes the queues again. Nothing is done if there are some: their owner has written since, or another one has claimed them.
    pub(in crate::redis) async fn restore_queues(&self, whole: &QueueBatch) -> Result<()> {
        let attempt = ATTEMPTS.fetch_add(1, Relaxed);
        let requests = whole.requests.iter().filter_map(|(id, body)| Some((id.as_str(), body.as_ref()?)));
        let reservations = whole.reservations.iter().filter_map(|(id, body)| Some((id.as_str(), body.as_ref()?)));
        let (requests, reservations): (Vec<NamedRow<'_>>, Vec<NamedRow<'_>>) =
            (requests.collect(), reservations.collect());
        for (name, rows) in [("requests", &requests), ("reservations", &reservations)] {
            for part in parts(rows) {
                let mut call = self.restoring("stage", whole, attempt);
                call.arg(name).arg(STAGED_MS).arg(part.len());
                for (id, body) in part {
                    call.arg(*id).bytes(body);
                }
                if !self.is_taken(&call).await? {
                    return Ok(());
                }
            }
        }
        let mut call = self.restoring("flip", whole, attempt);
        call.arg(whole.state.as_deref().unwrap_or_default()).arg(requests.len()).arg(reservations.len());
        self.is_taken(&call).await.map(drop)
    }

    /// A call of the script, up to the arguments of that step.
    fn restoring(&self, step: &str, whole: &QueueBatch, attempt: u64) -> Call<'_> {
        let mut call = Call::on(&self.scripts.queues_restore, &whole.tenant);
        call.arg(step).arg(whole.owner.to_string()).arg(whole.token.0).arg(attempt);
        call
    }

    /// Whether a step is done; it is not if there are queues.
    async fn is_taken(&self, call: &Call<'_>) -> Result<bool> {
        let answer = call.send(self).await;
        self.outage.note_answer(&answer);
        let answer = answer?;
        if reply::text(reply::list(&answer)?.first())? == "lost" {
            let reason = "Redis has lost a part of the queues while they were written again".to_owned();
            return Err(StoreError::Unavailable { reason });
        }
        Ok(matches!(written(&answer)?, Written::Done { .. }))
    }
}

/// The rows in parts, one for each script.
fn parts<'a, 'b>(mut rows: &'b [NamedRow<'a>]) -> Vec<&'b [NamedRow<'a>]> {
    let mut parts = Vec::new();
    while !rows.is_empty() {
        let mut bytes = 0;
        let has_room = |(id, body): &&NamedRow<'_>| {
            let before = bytes;
            bytes += id.len() + body.len();
            before < STAGED_BYTES
        };
        let (part, rest) = rows.split_at(rows.iter().take(STAGED_ROWS).take_while(has_room).count());
        parts.push(part);
        rows = rest;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_has_more_rows_or_bytes_than_may_hold_others_up() {
        let (small, large) = (Bytes::from_static(b"row"), Bytes::from(vec![0; STAGED_BYTES / 2]));
        let lengths = |rows: Vec<NamedRow<'_>>| parts(&rows).into_iter().map(<[_]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(Vec::new()), Vec::<usize>::new());
        assert_eq!(lengths(vec![("a", &small); 2 * STAGED_ROWS + 1]), [STAGED_ROWS, STAGED_ROWS, 1]);
        assert_eq!(lengths(vec![("a", &large); 5]), [2, 2, 1]);
    }
}
