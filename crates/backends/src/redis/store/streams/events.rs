//! The stream of facts.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use infra::{Answer, EventEntry, EventStream, Matter, OutEntry, Position, Result, StoreError, bounds};
use model::{Owner, Stamped, TenantId};

use super::at;
use super::audience::Audience;
use crate::redis::RedisStores;
use crate::redis::connection::reply::{self, position, refused};
use crate::redis::scripts::{Call, PART_ROWS};
use crate::redis::store::wait::Found;
use crate::redis::tag;

impl RedisStores {
    /// The chosen ones of the entries after `after` that this release knows. Where none is chosen it goes on: a reader that got an empty
    /// answer for others would never get past them.
    async fn known_events(
        &self,
        tenant: &TenantId,
        mut after: Position,
        max: usize,
        choose: impl Fn(Position, Vec<KnownEntry>) -> Vec<KnownEntry>,
    ) -> Result<Vec<OutEntry>> {
        loop {
            let mut call = Call::on(&self.scripts.read_events, tenant);
            let answer = call.about(Matter::Facts).arg(after.to_string()).arg(max).send(self).await?;
            let words = reply::list(&answer)?;
            if reply::text(words.first())? == "trimmed" {
                return Err(StoreError::Trimmed { gone: at(words.get(1))? });
            }
            let born = position(&reply::text(words.get(1))?)?.unwrap_or(Position::START);
            let entries = words.iter().skip(2).map(entry).collect::<Result<Vec<_>>>()?;
            let Some((last, ..)) = entries.last() else { return Ok(Vec::new()) };
            after = *last;
            let count = entries.len();
            let known: Vec<KnownEntry> = entries.into_iter().filter_map(known).collect();
            if known.len() < count {
                let passed_over = count - known.len();
                tracing::warn!(%tenant, before = %after, passed_over, "facts cannot be read, or are of a later release");
            }
            let chosen = choose(born, known);
            if !chosen.is_empty() {
                let out = |known: KnownEntry| OutEntry {
                    entry: known.entry,
                    is_correction: known.for_whom == Audience::LogCorrection,
                };
                return Ok(chosen.into_iter().map(out).collect());
            }
        }
    }

    /// Those of the entries that are for who follows the stream and was at `after`: repeats only if they are news to it.
    fn news(
        &self,
        tenant: &TenantId,
        after: Position,
        born: Position,
        mut entries: Vec<KnownEntry>,
    ) -> Vec<KnownEntry> {
        let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let gap = received.gap(tenant, after, born);
        entries.retain(|KnownEntry { entry, for_whom }| match for_whom {
            Audience::All => {
                received.note(&entry.event, entry.position);
                true
            }
            Audience::Repeat => received.is_news(&entry.event, entry.position, gap),
            Audience::LogCorrection => false,
        });
        if let Some(last) = entries.last() {
            received.go_on(tenant, last.entry.position, gap);
        }
        entries
    }

    /// Adds encoded facts that were published before, or come too late, for some of the stream's readers. A full stream drops them:
    /// nothing else is to wait until there is room.
    pub(in crate::redis) async fn tell_if_room(
        &self,
        tenant: &TenantId,
        facts: &[Bytes],
        for_whom: Audience,
    ) -> Result<()> {
        match self.tell(tenant, facts, for_whom).await {
            Err(error @ StoreError::Full { bound: 1.., .. }) => {
                tracing::error!(%tenant, %error, ?for_whom, facts = facts.len(), "facts are dropped");
                Ok(())
            }
            told => told,
        }
    }

    async fn tell(&self, tenant: &TenantId, facts: &[Bytes], for_whom: Audience) -> Result<()> {
        for part in facts.chunks(PART_ROWS) {
            let mut call = Call::on(&self.scripts.tell, tenant);
            call.arg(for_whom.field()).arg(bounds::STREAM_BYTES_HARD);
            call.about(Matter::Facts).list(part.iter().map(|fact| &fact[..]));
            let words = reply::texts(&call.send(self).await?)?;
            if words.first().map(String::as_str) != Some("done") {
                return Err(refused(&words));
            }
        }
        Ok(())
    }
}

impl EventStream for RedisStores {
    fn read<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Position,
        max: usize,
        wait: Duration,
    ) -> Answer<'a, Vec<EventEntry>> {
        let look = move || async move {
            let choose = |born, entries| self.news(tenant, after, born, entries);
            let known = self.known_events(tenant, after, max, choose).await?;
            let found = Found::from(!known.is_empty());
            Ok((known.into_iter().map(|known| known.entry).collect(), found))
        };
        self.wait_for(tenant, "ev", wait, look).boxed()
    }

    fn read_out<'a>(&'a self, tenant: &'a TenantId, after: Position, max: usize) -> Answer<'a, Vec<OutEntry>> {
        self.known_events(tenant, after, max, |_, entries| entries).boxed()
    }

    fn end<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Position> {
        async move {
            let key = format!("evmeta:{}", tag(tenant));
            let end = self.connections.command(redis::cmd("HGET").arg(key).arg("end")).await?;
            Ok(position(&reply::text(Some(&end))?)?.unwrap_or(Position::START))
        }
        .boxed()
    }
}

/// An entry that this release knows.
struct KnownEntry {
    entry: EventEntry,
    for_whom: Audience,
}

fn known((position, for_whom, event): (Position, Audience, Option<GivenFact>)) -> Option<KnownEntry> {
    let (event, owner) = event?;
    Some(KnownEntry { entry: EventEntry { position, event, owner }, for_whom })
}

/// A fact, and who gave it.
type GivenFact = (Arc<Stamped>, Option<Owner>);

/// An entry; without its event if a later release has written it.
fn entry(value: &redis::Value) -> Result<(Position, Audience, Option<GivenFact>)> {
    let words = reply::list(value)?;
    let for_whom = reply::text(words.get(2)).ok().and_then(|field| Audience::of_field(&field));
    let event = for_whom.and_then(|_| contracts::wire::decode_entry(reply::bytes(words.get(1)).ok()?).ok());
    let event = event.map(|(event, owner)| (Arc::new(event), owner));
    Ok((at(words.first())?, for_whom.unwrap_or(Audience::All), event))
}
