//! The ledger of media sessions.

use futures::FutureExt as _;
use infra::{
    Answer, Claim, Claimed, Holding, Loaded, MediaLedger, MediaSessionId, MediaWrite, Record, RecordKey as _, Written,
};
use model::{Owner, TenantId};

use super::kind::MEDIA;
use super::ledger::by_tenant;
use super::row::Row;
use crate::redis::RedisStores;
use crate::redis::store::Facts;

impl MediaLedger for RedisStores {
    fn commit(&self, batch: Vec<MediaWrite>) -> Answer<'_, Vec<Written>> {
        async move {
            let rows = batch.into_iter().map(|write| Row {
                key: write.session.text(),
                tenant: write.tenant,
                owner: write.owner,
                token: write.token,
                change: write.change,
                due: write.due,
                links: Vec::new(),
                facts: Facts::default(),
                new_call: None,
                began_with: None,
                number: 0,
                absorbs: None,
            });
            let write = |tenant, rows| async move { self.commit_rows(MEDIA, &tenant, rows, None).await };
            by_tenant(rows.collect(), write).await
        }
        .boxed()
    }

    fn claim<'a>(
        &'a self,
        by: &'a Owner,
        claims: Vec<Claim<MediaSessionId>>,
    ) -> Answer<'a, Vec<Claimed<MediaSessionId>>> {
        self.claim_rows(MEDIA, by, claims).boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId, session: &'a MediaSessionId) -> Answer<'a, Loaded<MediaSessionId>> {
        self.load_one(MEDIA, tenant, session).boxed()
    }

    fn orphans<'a>(
        &'a self,
        tenant: &'a TenantId,
        of: &'a Owner,
        max: usize,
    ) -> Answer<'a, Vec<Record<MediaSessionId>>> {
        self.load_owned(MEDIA, tenant, of, max).boxed()
    }

    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>> {
        self.owners_of(MEDIA, tenant).boxed()
    }
}
