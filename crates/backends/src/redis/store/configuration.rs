//! The cache of configuration.
//!
//! A whole state is published and read in parts, because one command blocks Redis for all others: staged beside the one that is read and
//! put in its place at once, and read page by page with what changes meanwhile.

use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use infra::{Answer, ConfigCache, ConfigVersion, Document, Extent, Publication, Reading, Result, StoreError, bounds};
use model::TenantId;

use super::wait::Found;
use crate::redis::connection::reply;
use crate::redis::scripts::Call;
use crate::redis::{RedisStores, tag};

/// The list of tenants that have a configuration.
const CONFIGURED: &str = "configured";
/// There when all of that list are published; it is lost with them.
const COMPLETE: &str = "tenants:configured:complete";

/// Versions of tenants that are asked for at a time: with thousands of them, each by itself would take seconds.
const AT_ONCE: usize = 64;

/// Documents that one script writes of a whole state: a hundredth of a second.
const BATCH_DOCUMENTS: usize = 2_000;
/// Bytes of those after which the next batch begins.
const BATCH_BYTES: usize = 1 << 20;
/// Documents that the first script reads of a whole state, about; their size is not known yet.
const FIRST_PAGE: usize = 64;
/// The most that one reads.
const PAGE_DOCUMENTS: usize = 1_000;
/// Bytes that a page is to have.
const PAGE_BYTES: usize = 1 << 20;
/// How long a part of a whole state stays if none follows it: longer than the next one may take, and the publisher has died then.
const STAGED_MS: u64 = 30_000;
/// How often the reading of a whole state begins, if it is published anew meanwhile.
const BEGINNINGS_MAX: usize = 3;
/// How long that may take.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// Separates kind and id in a document's name; neither contains it.
const BETWEEN: char = '\n';

impl ConfigCache for RedisStores {
    fn publish(&self, publication: Publication) -> Answer<'_, ()> {
        async move {
            publication.check()?;
            // Each time, because it is rare: readers find a tenant by the list alone, and Redis may have been emptied since.
            self.list(CONFIGURED, &publication.tenant).await?;
            match publication.base {
                Some(base) => self.publish_changes(&publication, base).await,
                None => self.publish_whole(&publication).await,
            }
        }
        .boxed()
    }

    fn withdraw<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, ()> {
        async move {
            let mut call = Call::on(&self.scripts.publish, tenant);
            call.arg("withdraw").arg(0).arg(0).send(self).await?;
            // Behind the state: a publisher that lists the tenant in between finds that it is not listed, and publishes it again.
            let list = format!("tenants:{CONFIGURED}");
            self.connections.command(redis::cmd("SREM").arg(list).arg(tenant.as_str())).await?;
            Ok(())
        }
        .boxed()
    }

    fn is_withdrawn<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, bool> {
        async move {
            let key = format!("cfg:{}:state", tag(tenant));
            let answer = self.connections.command(redis::cmd("HMGET").arg(key).arg(&["g", "x"])).await?;
            let words = reply::list(&answer)?;
            Ok(reply::text(words.first())?.is_empty() && reply::text(words.get(1))? == "1")
        }
        .boxed()
    }

    fn complete(&self) -> Answer<'_, ()> {
        async move {
            self.connections.command(redis::cmd("SET").arg(COMPLETE).arg(1)).await?;
            Ok(())
        }
        .boxed()
    }

    fn is_complete(&self) -> Answer<'_, bool> {
        async move {
            let there = self.connections.command(redis::cmd("EXISTS").arg(COMPLETE)).await?;
            Ok(reply::number(Some(&there))? == 1)
        }
        .boxed()
    }

    fn tenants(&self) -> Answer<'_, Vec<(TenantId, ConfigVersion)>> {
        async move {
            let versions = self.listed(CONFIGURED).await?.into_iter().map(|tenant| self.configured(tenant));
            let found: Vec<Option<_>> = futures::stream::iter(versions).buffered(AT_ONCE).try_collect().await?;
            Ok(found.into_iter().flatten().collect())
        }
        .boxed()
    }

    fn read<'a>(&'a self, tenant: &'a TenantId, after: Option<ConfigVersion>, wait: Duration) -> Answer<'a, Reading> {
        let look = move || async move {
            // Generation 0 does not exist: it requests everything.
            let since = after.unwrap_or_default();
            let (version, documents) = match self.changed_since(tenant, since).await? {
                FoundChanges::Missing if wait.is_zero() => return Err(missing(tenant)),
                FoundChanges::Missing => return Ok((nothing(after), Found::Nothing)),
                FoundChanges::All { version, documents, .. } => (version, documents),
                FoundChanges::TooMany { .. } => self.read_whole(tenant).await?,
            };
            let is_known = since.generation == version.generation && since.revision <= version.revision;
            let extent = if is_known { Extent::Changes } else { Extent::Whole };
            // Deletions are reported to readers that had the documents, and to no others.
            let wanted = |document: &Document| match extent {
                Extent::Changes => document.revision > since.revision,
                Extent::Whole => document.body.is_some(),
            };
            let mut documents: Vec<_> = documents.into_iter().filter(wanted).collect();
            documents.sort_by(|a, b| (&a.kind, &a.id).cmp(&(&b.kind, &b.id)));
            Ok((Reading { version, extent, documents }, Found::from(after != Some(version))))
        };
        self.wait_for(tenant, "cfg", wait, look).boxed()
    }
}

/// What has changed since a version.
enum FoundChanges {
    /// Nothing is published of the tenant.
    Missing,
    /// The changes.
    All {
        version: ConfigVersion,
        /// How many documents this generation has, with those that are deleted.
        count: u64,
        documents: Vec<Document>,
    },
    /// They do not fit into one answer, or are not known.
    TooMany { version: ConfigVersion },
}

// Publishing.
impl RedisStores {
    async fn publish_changes(&self, publication: &Publication, base: ConfigVersion) -> Result<()> {
        let mut call = self.publishing("changes", publication);
        call.arg(base.generation).arg(base.revision);
        add_documents(&mut call, &publication.documents);
        accepted(publication, &call.send(self).await?).map(drop)
    }

    async fn publish_whole(&self, publication: &Publication) -> Result<()> {
        // No two publications share what they stage, and what comes late of one does not reach the next.
        let number = accepted(publication, &self.publishing("begin", publication).send(self).await?)?;
        let published = self.stage_and_flip(publication, number).await;
        if published.is_err() {
            // It would expire, but the next attempt may come before that.
            let (tag, generation) = (tag(&publication.tenant), publication.version.generation);
            let staged = format!("cfg:{tag}:staged:{generation}:{number}");
            drop(self.connections.command(redis::cmd("UNLINK").arg(staged)).await);
        }
        published
    }

    async fn stage_and_flip(&self, publication: &Publication, number: u64) -> Result<()> {
        let mut staged = 0;
        let mut rest = &publication.documents[..];
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(batch_length(rest));
            let mut call = self.publishing("stage", publication);
            call.arg(number).arg(STAGED_MS);
            add_documents(&mut call, batch);
            staged += accepted(publication, &call.send(self).await?)?;
            rest = others;
        }
        let mut call = self.publishing("flip", publication);
        call.arg(number).arg(staged);
        accepted(publication, &call.send(self).await?).map(drop)
    }

    /// A call of the script that publishes, up to the arguments of that step.
    fn publishing(&self, step: &str, publication: &Publication) -> Call<'_> {
        let mut call = Call::on(&self.scripts.publish, &publication.tenant);
        call.arg(step).arg(publication.version.generation).arg(publication.version.revision);
        call
    }
}

/// How many of the documents make the next batch.
fn batch_length(documents: &[Document]) -> usize {
    let mut bytes = 0;
    let has_room = |document: &&Document| {
        let before = bytes;
        bytes += document.size();
        before < BATCH_BYTES
    };
    documents.iter().take(BATCH_DOCUMENTS).take_while(has_room).count()
}

/// The number of documents, then each.
fn add_documents(call: &mut Call<'_>, documents: &[Document]) {
    call.arg(documents.len());
    for document in documents {
        call.arg(format!("{}{BETWEEN}{}", document.kind, document.id)).arg(document.revision);
        call.arg(u8::from(document.body.is_some())).arg(document.body.as_deref().unwrap_or_default());
    }
}

/// The number in the answer of a step; 0 if it has none.
fn accepted(publication: &Publication, answer: &redis::Value) -> Result<u64> {
    let words = reply::texts(answer)?;
    let number = words.get(1).and_then(|text| text.parse().ok()).unwrap_or_default();
    let tenant = &publication.tenant;
    match words.first().map(String::as_str) {
        Some("done") => Ok(number),
        Some("conflict") => {
            let expected = publication.base.unwrap_or(publication.version).revision;
            Err(StoreError::Conflict { key: format!("configuration of {tenant}"), expected, actual: number })
        }
        Some("lost") => {
            let reason = format!("Redis has lost a part of the configuration of {tenant} while it was published");
            Err(StoreError::Unavailable { reason })
        }
        _ => Err(reply::corrupt("the answer of a script", words.join(" "))),
    }
}

// Reading.
impl RedisStores {
    /// A tenant with its version, if it has one.
    async fn configured(&self, tenant: TenantId) -> Result<Option<(TenantId, ConfigVersion)>> {
        let key = format!("cfg:{}:state", tag(&tenant));
        let answer = self.connections.command(redis::cmd("HMGET").arg(key).arg(&["g", "r"])).await?;
        let words = reply::list(&answer)?;
        if reply::text(words.first())?.is_empty() {
            return Ok(None);
        }
        Ok(Some((tenant, version(words.first(), words.get(1))?)))
    }

    async fn changed_since(&self, tenant: &TenantId, since: ConfigVersion) -> Result<FoundChanges> {
        let mut call = Call::on(&self.scripts.read_configuration, tenant);
        call.arg(since.generation).arg(since.revision);
        call.arg(bounds::CONFIG_CHANGES_MAX).arg(bounds::CONFIG_CHANGES_BYTES);
        let answer = call.send(self).await?;
        let words = reply::list(&answer)?;
        let kind = reply::text(words.first())?;
        if kind == "missing" {
            return Ok(FoundChanges::Missing);
        }
        let version = version(words.get(1), words.get(2))?;
        if kind == "whole" {
            return Ok(FoundChanges::TooMany { version });
        }
        let documents = documents_of(words.get(4..).unwrap_or_default())?;
        Ok(FoundChanges::All { version, count: reply::number(words.get(3))?, documents })
    }

    /// All documents of one version, those that are deleted too.
    async fn read_whole(&self, tenant: &TenantId) -> Result<(ConfigVersion, Vec<Document>)> {
        tokio::time::timeout(READ_WITHIN, self.read_until_whole(tenant)).await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable { reason: format!("the configuration of {tenant} takes too long to read") })
        })
    }

    async fn read_until_whole(&self, tenant: &TenantId) -> Result<(ConfigVersion, Vec<Document>)> {
        for _ in 0..BEGINNINGS_MAX {
            if let Some(all) = self.read_pages(tenant).await? {
                return Ok(all);
            }
        }
        let reason = format!("the configuration of {tenant} is published anew each time while it is read");
        Err(StoreError::Unavailable { reason })
    }

    /// The same; none if another generation came meanwhile, or another master of Redis that has less.
    async fn read_pages(&self, tenant: &TenantId) -> Result<Option<(ConfigVersion, Vec<Document>)>> {
        let begun = match self.changed_since(tenant, ConfigVersion::default()).await? {
            FoundChanges::Missing => return Err(missing(tenant)),
            FoundChanges::All { version, .. } | FoundChanges::TooMany { version } => version,
        };
        let (mut documents, mut cursor, mut count) = (Vec::new(), "0".to_owned(), FIRST_PAGE);
        loop {
            let mut call = Call::on(&self.scripts.configuration_page, tenant);
            call.arg(begun.generation).arg(cursor.as_str()).arg(count);
            let answer = call.send(self).await?;
            let words = reply::list(&answer)?;
            if reply::text(words.first())? != "page" {
                return Ok(None);
            }
            let page = words.get(2).map(reply::list).transpose()?;
            let page = documents_of(page.unwrap_or_default())?;
            count = next_page(count, page.iter().map(Document::size).sum());
            documents.extend(page);
            cursor = reply::text(words.get(1))?;
            if cursor == "0" {
                break;
            }
        }
        // A page may have what has changed since the first one, or not: the changes since then make all of one version.
        let ended = self.changed_since(tenant, begun).await?;
        let FoundChanges::All { version, count, documents: changes } = ended else { return Ok(None) };
        documents.extend(changes);
        Ok(complete(documents, version, count).map(|documents| (version, documents)))
    }
}

/// How many documents the page behind one of this size is to have: twice as many at most, as long as they are not too large for one script.
fn next_page(documents: usize, bytes: usize) -> usize {
    let fit = documents.saturating_mul(PAGE_BYTES) / bytes.max(1);
    fit.clamp(1, documents.saturating_mul(2).clamp(1, PAGE_DOCUMENTS))
}

/// The latest of each document. None if they are not as many as there are, or some are of a later version: another master of Redis, which
/// does not know the cursor of the one before, has answered in between.
fn complete(mut documents: Vec<Document>, version: ConfigVersion, count: u64) -> Option<Vec<Document>> {
    documents.sort_by(|a, b| (&a.kind, &a.id, b.revision).cmp(&(&b.kind, &b.id, a.revision)));
    documents.dedup_by(|older, latest| (&older.kind, &older.id) == (&latest.kind, &latest.id));
    let is_whole = documents.len() as u64 == count;
    (is_whole && documents.iter().all(|document| document.revision <= version.revision)).then_some(documents)
}

fn missing(tenant: &TenantId) -> StoreError {
    StoreError::Missing { key: format!("configuration of {tenant}") }
}

fn nothing(after: Option<ConfigVersion>) -> Reading {
    Reading { version: after.unwrap_or_default(), extent: Extent::Changes, documents: Vec::new() }
}

fn version(generation: Option<&redis::Value>, revision: Option<&redis::Value>) -> Result<ConfigVersion> {
    Ok(ConfigVersion { generation: reply::number(generation)?, revision: reply::number(revision)? })
}

/// Documents as a name and what is written of it, in turns.
fn documents_of(words: &[redis::Value]) -> Result<Vec<Document>> {
    words.chunks(2).map(document).collect()
}

/// A name and `<revision> <whether there is a body> <body>`.
fn document(words: &[redis::Value]) -> Result<Document> {
    let damaged = || reply::corrupt("a document of the configuration", "it is not written as documents are");
    let name = reply::text(words.first())?;
    let (kind, id) = name.split_once(BETWEEN).ok_or_else(damaged)?;
    let written = reply::bytes(words.get(1))?;
    let mut parts = written.splitn(3, |byte| *byte == b' ');
    let revision = parts.next().and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).ok_or_else(damaged)?;
    let has_body = parts.next().ok_or_else(damaged)? == b"1";
    let body = Bytes::copy_from_slice(parts.next().ok_or_else(damaged)?);
    Ok(Document { kind: kind.to_owned(), id: id.to_owned(), revision, body: has_body.then_some(body) })
}

#[cfg(test)]
mod tests;
