//! The cache of configuration.

use std::time::Duration;

use contracts::v1;
use contracts::v1::effect::Effect;
use futures::FutureExt;
use model::TenantId;

use super::reader_wakeups::Topic;
use super::tenant::TenantState;
use super::{Embedded, Found};
use crate::configuration::{ConfigCache, ConfigVersion, Document, Extent, Publication, Reading};
use crate::{Answer, StoreError};

impl ConfigCache for Embedded {
    fn publish(&self, publication: Publication) -> Answer<'_, ()> {
        self.write(move |inner| {
            publication.check()?;
            let held = inner.state.tenant(&publication.tenant).configuration.version;
            let base = publication.base;
            let is_late = match base {
                Some(base) => base != held || publication.version <= held,
                None => publication.version.generation <= held.generation,
            };
            if is_late {
                return Err(StoreError::Conflict {
                    key: format!("configuration of {}", publication.tenant),
                    expected: base.unwrap_or(publication.version).revision,
                    actual: held.revision,
                });
            }
            let tenant = publication.tenant.to_string();
            let ConfigVersion { generation, revision } = publication.version;
            let whole = base.is_none();
            let head = v1::ConfigHead { tenant: tenant.clone(), generation, revision, whole };
            let documents = publication.documents.into_iter().map(|d| {
                let Document { kind, id, revision, body } = d;
                Effect::ConfigDocument(v1::ConfigDocument { tenant: tenant.clone(), kind, id, revision, body })
            });
            inner.commit(std::iter::once(Effect::ConfigHead(head)).chain(documents).collect())
        })
        .boxed()
    }

    fn withdraw<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, ()> {
        self.write(move |inner| {
            if inner.state.find(tenant).is_some_and(|state| state.configuration.is_withdrawn()) {
                return Ok(());
            }
            // No publication has generation 0.
            let head = v1::ConfigHead { tenant: tenant.to_string(), generation: 0, revision: 0, whole: true };
            inner.commit(vec![Effect::ConfigHead(head)])
        })
        .boxed()
    }

    fn is_withdrawn<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, bool> {
        async move { Ok(self.lock().state.find(tenant).is_some_and(|state| state.configuration.is_withdrawn())) }
            .boxed()
    }

    fn complete(&self) -> Answer<'_, ()> {
        async move {
            self.lock().configured = true;
            Ok(())
        }
        .boxed()
    }

    fn is_complete(&self) -> Answer<'_, bool> {
        async move { Ok(self.lock().configured) }.boxed()
    }

    fn tenants(&self) -> Answer<'_, Vec<(TenantId, ConfigVersion)>> {
        async move {
            let inner = self.lock();
            let published = inner.state.tenants.iter().filter(|(_, state)| is_published(state));
            Ok(published.map(|(tenant, s)| (tenant.clone(), s.configuration.version)).collect())
        }
        .boxed()
    }

    fn read<'a>(&'a self, tenant: &'a TenantId, after: Option<ConfigVersion>, wait: Duration) -> Answer<'a, Reading> {
        self.wait_for(Topic::configuration(tenant), wait, move |inner| {
            let Some(state) = inner.state.find(tenant).filter(|state| is_published(state)) else {
                let missing = StoreError::Missing { key: format!("configuration of {tenant}") };
                return if wait.is_zero() { Err(missing) } else { Ok((nothing(after), Found::Nothing)) };
            };
            let config = &state.configuration;
            Ok((config.reading(after), Found::from(after != Some(config.version))))
        })
        .boxed()
    }
}

/// Whether anything is published of a tenant.
const fn is_published(state: &TenantState) -> bool {
    state.configuration.version.generation > 0
}

fn nothing(after: Option<ConfigVersion>) -> Reading {
    Reading { version: after.unwrap_or_default(), extent: Extent::Changes, documents: Vec::new() }
}
