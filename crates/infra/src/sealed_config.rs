//! The cache of configuration with sealed secrets: it has none in clear, nor do the files and copies of its server.

use std::sync::Arc;
use std::time::Duration;

use contracts::provisioning::{Object, ObjectKind};
use futures::FutureExt as _;
use model::TenantId;

use crate::{Answer, ConfigCache, ConfigVersion, Document, Publication, Reading, Result, SecretSeals, StoreError};

/// Documents that are sealed or opened without a thread of their own.
const DOCUMENTS_AT_ONCE: usize = 256;

/// Seals what is published into a cache, and opens what is read from it.
pub struct SealedConfigCache {
    cache: Arc<dyn ConfigCache>,
    seals: SecretSeals,
}

impl SealedConfigCache {
    /// A cache whose secrets these seals seal and open.
    pub fn of(cache: Arc<dyn ConfigCache>, seals: SecretSeals) -> Self {
        Self { cache, seals }
    }
}

impl ConfigCache for SealedConfigCache {
    fn publish(&self, publication: Publication) -> Answer<'_, ()> {
        async move {
            let (seals, tenant) = (self.seals.clone(), publication.tenant.clone());
            let Publication { tenant: of, version, base, documents } = publication;
            let documents = turned(documents, move |document| sealed(&seals, &tenant, document)).await?;
            let publication = Publication { tenant: of, version, base, documents };
            if !publication.fits_one_write() {
                // Sealed they are larger: as after any conflict, the whole state is published.
                let (key, at) = (format!("configuration of {}", publication.tenant), version.revision);
                return Err(StoreError::Conflict { key, expected: at, actual: at });
            }
            self.cache.publish(publication).await
        }
        .boxed()
    }

    fn withdraw<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, ()> {
        self.cache.withdraw(tenant)
    }

    fn is_withdrawn<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, bool> {
        self.cache.is_withdrawn(tenant)
    }

    fn complete(&self) -> Answer<'_, ()> {
        self.cache.complete()
    }

    fn is_complete(&self) -> Answer<'_, bool> {
        self.cache.is_complete()
    }

    fn tenants(&self) -> Answer<'_, Vec<(TenantId, ConfigVersion)>> {
        self.cache.tenants()
    }

    fn read<'a>(&'a self, tenant: &'a TenantId, after: Option<ConfigVersion>, wait: Duration) -> Answer<'a, Reading> {
        async move {
            let Reading { version, extent, documents } = self.cache.read(tenant, after, wait).await?;
            let (seals, tenant) = (self.seals.clone(), tenant.clone());
            let documents = turned(documents, move |document| opened(&seals, &tenant, document)).await?;
            Ok(Reading { version, extent, documents })
        }
        .boxed()
    }
}

/// The documents, each of them turned. Those of a large tenant keep no executor.
async fn turned(
    documents: Vec<Document>,
    turn: impl Fn(Document) -> Result<Document> + Send + 'static,
) -> Result<Vec<Document>> {
    let is_large = documents.len() > DOCUMENTS_AT_ONCE;
    let all = move || documents.into_iter().map(turn).collect::<Result<Vec<_>>>();
    if !is_large {
        return all();
    }
    // It fails when the process ends.
    let done = tokio::task::spawn_blocking(all).await;
    done.map_err(|error| StoreError::Unavailable { reason: error.to_string() })?
}

/// The object of a document that may have secrets; none of any other, and of what a later release has written.
fn with_secrets(document: &Document) -> Option<Object> {
    let kind = ObjectKind::parse(&document.kind)?;
    if !matches!(kind, ObjectKind::Tenant | ObjectKind::Dn | ObjectKind::Person | ObjectKind::Trunk) {
        return None;
    }
    let mut object = Object::from_json(kind, document.body.as_deref()?).ok()?;
    if object.readable_secrets().is_empty() { None } else { Some(object) }
}

fn sealed(seals: &SecretSeals, tenant: &TenantId, document: Document) -> Result<Document> {
    let Some(object) = with_secrets(&document) else { return Ok(document) };
    // The database has said which cannot be opened: nobody uses them.
    let mut object = object.without_sealed();
    seals.seal(tenant, &mut object)?;
    Ok(Document { body: Some(object.to_json().into()), ..document })
}

/// A document with secrets in clear is of a release before. It is not read, so that the tenant role publishes it anew.
fn opened(seals: &SecretSeals, tenant: &TenantId, document: Document) -> Result<Document> {
    let Some(mut object) = with_secrets(&document) else { return Ok(document) };
    if seals.are_there() && object.readable_secrets().iter().any(|(_, secret)| !secret.is_sealed()) {
        let what = format!("{} {} of {tenant} in the cache", document.kind, document.id);
        return Err(StoreError::Corrupt { what, reason: "its secrets stand there in clear".to_owned() });
    }
    // What the database has and nobody can open is not published: this is the key of another installation.
    seals.open(tenant, &mut object)?;
    Ok(Document { body: Some(object.to_json().into()), ..document })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::provisioning;
    use crate::conformance::secrets::LegibleCipher;
    use crate::embedded::Embedded;
    use crate::{Extent, SystemClock};

    fn document(object: &Object) -> Document {
        let key = object.key();
        Document { kind: key.kind.as_str().to_owned(), id: key.id, revision: 1, body: Some(object.to_json().into()) }
    }

    fn published(tenant: &TenantId, generation: u64) -> Publication {
        Publication {
            tenant: tenant.clone(),
            version: ConfigVersion { generation, revision: 1 },
            base: None,
            documents: provisioning::objects("acme").objects().map(|object| document(&object)).collect(),
        }
    }

    async fn read(cache: &dyn ConfigCache, tenant: &TenantId) -> Result<Reading> {
        cache.read(tenant, None, Duration::ZERO).await
    }

    #[tokio::test]
    async fn readers_have_what_was_published_and_the_cache_has_no_secret() {
        let (acme, cache) =
            (TenantId::parse("acme").unwrap(), Arc::new(Embedded::in_memory(Arc::new(SystemClock::start()))));
        let sealing = SealedConfigCache::of(cache.clone(), SecretSeals::of(Arc::new(LegibleCipher)));
        sealing.publish(published(&acme, 1)).await.unwrap();
        let sorted = |mut documents: Vec<Document>| {
            documents.sort_by(|one, other| (&one.kind, &one.id).cmp(&(&other.kind, &other.id)));
            documents
        };
        let seen = read(&sealing, &acme).await.unwrap();
        assert_eq!(seen.extent, Extent::Whole);
        assert_eq!(sorted(seen.documents), sorted(published(&acme, 1).documents));
        let mut count = 0;
        for held in read(&*cache, &acme).await.unwrap().documents {
            let Some(mut object) = with_secrets(&held) else { continue };
            for (field, secret) in object.readable_secrets() {
                assert!(secret.is_sealed(), "{} {} {field}", held.kind, held.id);
                count += 1;
            }
        }
        assert!(count >= 5, "{count}");
    }

    #[tokio::test]
    async fn a_pin_that_is_kept_as_a_hash_stands_in_the_cache_as_it_is() {
        let (acme, cache) =
            (TenantId::parse("acme").unwrap(), Arc::new(Embedded::in_memory(Arc::new(SystemClock::start()))));
        let sealing = SealedConfigCache::of(cache.clone(), SecretSeals::of(Arc::new(LegibleCipher)));
        let mut person = provisioning::objects("acme").people.remove(0);
        let pin = person.agent.as_mut().and_then(|agent| agent.pin.as_mut()).unwrap();
        *pin = contracts::provisioning::Secret("$argon2id$of-a-pin#4".to_owned());
        let kept = document(&Object::Person(Box::new(person)));
        let publication = Publication { documents: vec![kept.clone()], ..published(&acme, 1) };
        sealing.publish(publication).await.unwrap();
        for cache in [&sealing as &dyn ConfigCache, &*cache] {
            assert_eq!(read(cache, &acme).await.unwrap().documents, std::slice::from_ref(&kept));
        }
    }

    #[tokio::test]
    async fn what_a_release_before_has_published_in_clear_is_published_again() {
        let (acme, cache) =
            (TenantId::parse("acme").unwrap(), Arc::new(Embedded::in_memory(Arc::new(SystemClock::start()))));
        let sealing = SealedConfigCache::of(cache.clone(), SecretSeals::of(Arc::new(LegibleCipher)));
        cache.publish(published(&acme, 1)).await.unwrap();
        assert!(matches!(read(&sealing, &acme).await, Err(StoreError::Corrupt { .. })));
        sealing.publish(published(&acme, 2)).await.unwrap();
        assert!(read(&sealing, &acme).await.is_ok());
    }

    #[tokio::test]
    async fn a_secret_that_nobody_can_open_is_not_published_and_keeps_no_reader_from_its_tenant() {
        let (acme, cache) =
            (TenantId::parse("acme").unwrap(), Arc::new(Embedded::in_memory(Arc::new(SystemClock::start()))));
        let sealing = SealedConfigCache::of(cache.clone(), SecretSeals::of(Arc::new(LegibleCipher)));
        let mut trunk = provisioning::objects("acme").trunks.remove(0);
        trunk.password = Some(contracts::provisioning::Secret::of_sealed("damaged"));
        let damaged = Object::Trunk(Box::new(trunk.clone()));
        let publication = Publication { documents: vec![document(&damaged)], ..published(&acme, 1) };
        sealing.publish(publication).await.unwrap();
        trunk.password = None;
        let without = Object::Trunk(Box::new(trunk));
        assert_eq!(read(&sealing, &acme).await.unwrap().documents, [document(&without)]);
    }
}
