//! The ledger of sessions.

use futures::FutureExt as _;
use infra::{
    Answer, Claim, Claimed, Holding, Loaded, Position, Record, RecordKey as _, SessionBatch, SessionId, SessionLedger,
    Written,
};
use model::{ConnId, Owner, TenantId};

use super::kind::SESSION;
use super::row::{Row, numbers_from};
use crate::redis::RedisStores;
use crate::redis::store::encoded;

impl SessionLedger for RedisStores {
    fn commit(&self, batch: SessionBatch) -> Answer<'_, Vec<Written>> {
        async move {
            let SessionBatch { tenant, owner, writes, consumed, number } = batch;
            let rows = writes.into_iter().zip(numbers_from(number)).map(|(write, number)| Row {
                tenant: tenant.clone(),
                key: write.session.text(),
                owner: owner.clone(),
                token: write.token,
                change: write.change,
                due: write.due,
                links: write.conn_id.iter().map(ToString::to_string).collect(),
                facts: encoded(&write.events, Some(&owner)),
                new_call: None,
                began_with: write.began_with,
                number,
                absorbs: None,
            });
            self.commit_rows(SESSION, &tenant, rows.collect(), consumed.as_ref()).await
        }
        .boxed()
    }

    fn claim<'a>(&'a self, by: &'a Owner, claims: Vec<Claim<SessionId>>) -> Answer<'a, Vec<Claimed<SessionId>>> {
        self.claim_rows(SESSION, by, claims).boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId, session: &'a SessionId) -> Answer<'a, Loaded<SessionId>> {
        self.load_one(SESSION, tenant, session).boxed()
    }

    fn of_call<'a>(&'a self, tenant: &'a TenantId, conn_id: ConnId) -> Answer<'a, Vec<Record<SessionId>>> {
        async move { self.load_many(SESSION, tenant, &["link", &conn_id.to_string()]).await }.boxed()
    }

    fn orphans<'a>(&'a self, tenant: &'a TenantId, of: &'a Owner, max: usize) -> Answer<'a, Vec<Record<SessionId>>> {
        self.load_owned(SESSION, tenant, of, max).boxed()
    }

    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>> {
        self.owners_of(SESSION, tenant).boxed()
    }

    fn consumed<'a>(&'a self, tenant: &'a TenantId, view: &'static str) -> Answer<'a, Position> {
        self.consumed_to(tenant, view).boxed()
    }
}
