//! The ledger of agents.

use futures::FutureExt as _;
use infra::{
    AgentBatch, AgentLedger, Answer, Claim, Claimed, Holding, Loaded, Position, Record, RecordKey as _, Written,
};
use model::{AgentId, Owner, TenantId};

use super::kind::AGENT;
use super::row::{Row, numbers_from};
use crate::redis::RedisStores;
use crate::redis::store::encoded;

impl AgentLedger for RedisStores {
    fn commit(&self, batch: AgentBatch) -> Answer<'_, Vec<Written>> {
        async move {
            let AgentBatch { tenant, owner, writes, consumed, number } = batch;
            let rows = writes.into_iter().zip(numbers_from(number)).map(|(write, number)| Row {
                tenant: tenant.clone(),
                key: write.agent.text(),
                owner: owner.clone(),
                token: write.token,
                change: write.change,
                due: write.due,
                links: Vec::new(),
                facts: encoded(&write.events, Some(&owner)),
                new_call: None,
                began_with: None,
                number,
                absorbs: None,
            });
            self.commit_rows(AGENT, &tenant, rows.collect(), consumed.as_ref()).await
        }
        .boxed()
    }

    fn claim<'a>(&'a self, by: &'a Owner, claims: Vec<Claim<AgentId>>) -> Answer<'a, Vec<Claimed<AgentId>>> {
        self.claim_rows(AGENT, by, claims).boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId, agent: &'a AgentId) -> Answer<'a, Loaded<AgentId>> {
        self.load_one(AGENT, tenant, agent).boxed()
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Option<&'a AgentId>,
        max: usize,
    ) -> Answer<'a, Vec<Record<AgentId>>> {
        self.load_page(AGENT, tenant, after, max).boxed()
    }

    fn orphans<'a>(&'a self, tenant: &'a TenantId, of: &'a Owner, max: usize) -> Answer<'a, Vec<Record<AgentId>>> {
        self.load_owned(AGENT, tenant, of, max).boxed()
    }

    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>> {
        self.owners_of(AGENT, tenant).boxed()
    }

    fn consumed<'a>(&'a self, tenant: &'a TenantId, view: &'static str) -> Answer<'a, Position> {
        self.consumed_to(tenant, view).boxed()
    }
}
