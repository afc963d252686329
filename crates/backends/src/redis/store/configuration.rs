//! The cache of configuration.

use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use infra::{Answer, ConfigCache, ConfigVersion, Document, Extent, Publication, Reading, Result, StoreError};
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

/// Separates kind and id in a document's name; neither contains it.
const BETWEEN: char = '\n';

impl ConfigCache for RedisStores {
    fn publish(&self, publication: Publication) -> Answer<'_, ()> {
        async move {
            let ConfigVersion { generation, revision } = publication.version;
            // Each time, because it is rare: readers find a tenant by the list alone, and Redis may have been emptied since.
            self.list(CONFIGURED, &publication.tenant).await?;
            let mut call = Call::on(&self.scripts.publish, &publication.tenant);
            call.arg(generation).arg(revision).arg(u8::from(publication.extent == Extent::Whole));
            call.arg(publication.documents.len());
            for document in &publication.documents {
                call.arg(format!("{}{BETWEEN}{}", document.kind, document.id)).arg(document.revision);
                call.arg(u8::from(document.body.is_some())).arg(document.body.as_deref().unwrap_or_default());
            }
            let words = reply::texts(&call.send(self).await?)?;
            if words.first().is_some_and(|word| word == "conflict") {
                let actual = words.get(1).and_then(|text| text.parse().ok()).unwrap_or_default();
                let key = format!("configuration of {}", publication.tenant);
                return Err(StoreError::Conflict { key, expected: revision, actual });
            }
            Ok(())
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
            let mut call = Call::on(&self.scripts.read_configuration, tenant);
            let since = after.unwrap_or_default();
            // Generation 0 does not exist: it requests everything.
            let answer = call.arg(since.generation).arg(since.revision).send(self).await?;
            let words = reply::list(&answer)?;
            let kind = reply::text(words.first())?;
            if kind == "missing" {
                let missing = StoreError::Missing { key: format!("configuration of {tenant}") };
                return if wait.is_zero() { Err(missing) } else { Ok((nothing(after), Found::Nothing)) };
            }
            let version = version(words.get(1), words.get(2))?;
            let extent = if kind == "changes" { Extent::Changes } else { Extent::Whole };
            let documents = words.iter().skip(3).map(document).collect::<Result<Vec<_>>>()?;
            // Deletions are reported to readers that had the documents, and to no others.
            let wanted = |document: &Document| extent == Extent::Changes || document.body.is_some();
            let mut documents: Vec<_> = documents.into_iter().filter(wanted).collect();
            documents.sort_by(|a, b| (&a.kind, &a.id).cmp(&(&b.kind, &b.id)));
            Ok((Reading { version, extent, documents }, Found::from(after != Some(version))))
        };
        self.wait_for(tenant, "cfg", wait, look).boxed()
    }
}

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
}

fn nothing(after: Option<ConfigVersion>) -> Reading {
    Reading { version: after.unwrap_or_default(), extent: Extent::Changes, documents: Vec::new() }
}

fn version(generation: Option<&redis::Value>, revision: Option<&redis::Value>) -> Result<ConfigVersion> {
    Ok(ConfigVersion { generation: reply::number(generation)?, revision: reply::number(revision)? })
}

/// A name and `<revision> <whether there is a body> <body>`.
fn document(value: &redis::Value) -> Result<Document> {
    let damaged = || reply::corrupt("a document of the configuration", "it is not written as documents are");
    let words = reply::list(value)?;
    let name = reply::text(words.first())?;
    let (kind, id) = name.split_once(BETWEEN).ok_or_else(damaged)?;
    let written = reply::bytes(words.get(1))?;
    let mut parts = written.splitn(3, |byte| *byte == b' ');
    let revision = parts.next().and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).ok_or_else(damaged)?;
    let has_body = parts.next().ok_or_else(damaged)? == b"1";
    let body = Bytes::copy_from_slice(parts.next().ok_or_else(damaged)?);
    Ok(Document { kind: kind.to_owned(), id: id.to_owned(), revision, body: has_body.then_some(body) })
}
