//! The ledger of calls.

use std::sync::atomic::Ordering::Relaxed;

use futures::FutureExt as _;
use infra::{
    Answer, CallIndex, CallLedger, CallWrite, Claim, Claimed, Holding, Loaded, Record, RecordKey as _, Written,
};
use model::{ConnId, Owner, TenantId};

use super::kind::CALL;
use super::ledger::by_tenant;
use super::row::Row;
use crate::redis::RedisStores;
use crate::redis::connection::reply;
use crate::redis::scripts::Call;
use crate::redis::store::encoded;

impl CallLedger for RedisStores {
    fn commit(&self, batch: Vec<CallWrite>) -> Answer<'_, Vec<Written>> {
        async move {
            let rows = batch.into_iter().map(row_of_call).collect();
            by_tenant(rows, |tenant, rows| async move { self.commit_rows(CALL, &tenant, rows, None).await }).await
        }
        .boxed()
    }

    fn confirm(&self, batch: Vec<CallWrite>) -> Answer<'_, Vec<Written>> {
        async move {
            let rows = batch.into_iter().map(row_of_call).collect();
            by_tenant(rows, |tenant, rows| async move { self.confirm_rows(CALL, &tenant, rows).await }).await
        }
        .boxed()
    }

    fn has_room(&self) -> bool {
        !self.outage.full.load(Relaxed)
    }

    fn claim<'a>(&'a self, by: &'a Owner, claims: Vec<Claim<ConnId>>) -> Answer<'a, Vec<Claimed<ConnId>>> {
        self.claim_rows(CALL, by, claims).boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId, conn_id: ConnId) -> Answer<'a, Loaded<ConnId>> {
        async move { self.load_one(CALL, tenant, &conn_id).await }.boxed()
    }

    fn orphans<'a>(&'a self, tenant: &'a TenantId, of: &'a Owner, max: usize) -> Answer<'a, Vec<Record<ConnId>>> {
        self.load_owned(CALL, tenant, of, max).boxed()
    }

    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>> {
        self.owners_of(CALL, tenant).boxed()
    }

    fn lookup<'a>(&'a self, tenant: &'a TenantId, index: &'a CallIndex) -> Answer<'a, Option<ConnId>> {
        async move {
            let mut call = Call::on(&self.scripts.lookup, tenant);
            call.arg(index.text());
            let id = reply::text(Some(&call.send(self).await?))?;
            if id.is_empty() {
                self.nothing_waits_or_is_lost(CALL).await?;
            }
            Ok(ConnId::parse(&id))
        }
        .boxed()
    }

    fn list<'a>(&'a self, tenant: &'a TenantId, after: Option<ConnId>, max: usize) -> Answer<'a, Vec<Record<ConnId>>> {
        async move { self.load_page(CALL, tenant, after.as_ref(), max).await }.boxed()
    }
}

fn row_of_call(write: CallWrite) -> Row {
    Row {
        key: write.conn_id.text(),
        tenant: write.tenant,
        owner: write.owner.clone(),
        token: write.token,
        change: write.change,
        due: write.due,
        links: write.index.iter().map(CallIndex::text).collect(),
        facts: encoded(&write.events, Some(&write.owner)),
        new_call: write.new_call,
        began_with: None,
        number: 0,
        absorbs: write.absorbs.map(|absorbed| (absorbed.conn_id.text(), absorbed.token)),
    }
}
