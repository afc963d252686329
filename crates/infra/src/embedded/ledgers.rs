//! The ledgers of calls, agents, sessions and media sessions.

use futures::FutureExt;
use model::{AgentId, ConnId, Owner, TenantId, Timestamp};

use super::Embedded;
use super::state::position_of;
use super::table::RowWrite;
use super::turn::{Along, Pick, Turn};
use crate::ledger::{AgentLedger, CallLedger, MediaLedger, SessionLedger};
use crate::record::{Claim, Claimed, Holding, Loaded, Record, RecordKey, Written};
use crate::{
    AgentBatch, Answer, CallIndex, CallWrite, MediaSessionId, MediaWrite, Position, Result, SessionBatch, SessionId,
    bounds,
};

impl Embedded {
    async fn claim_records<K: RecordKey>(
        &self,
        pick: Pick,
        by: &Owner,
        claims: Vec<Claim<K>>,
    ) -> Result<Vec<Claimed<K>>> {
        self.write(|inner| {
            let now = self.clock.now();
            let mut answers = Vec::with_capacity(claims.len());
            for claim in claims {
                let tenant = inner.state.tenant(&claim.tenant);
                tenant.expire(now);
                let (effect, answer) = pick(tenant).claim(&claim.tenant, &claim.key, claim.seen, by);
                inner.commit_or_go_on(effect.into_iter().collect())?;
                answers.push(answer);
            }
            Ok(answers)
        })
        .await
    }

    fn load_record<K: RecordKey>(&self, pick: Pick, tenant: &TenantId, key: &K) -> Loaded<K> {
        let mut inner = self.lock();
        let state = inner.state.tenant(tenant);
        state.expire(self.clock.now());
        pick(state).load(tenant, key)
    }

    fn records_of<K: RecordKey>(&self, pick: Pick, tenant: &TenantId, of: &Owner, max: usize) -> Vec<Record<K>> {
        self.lock().state.find(tenant).map(|state| pick(state).of(tenant, of, max)).unwrap_or_default()
    }

    fn record_owners(&self, pick: Pick, tenant: &TenantId) -> Vec<Holding> {
        self.lock().state.find(tenant).map(|state| pick(state).owners()).unwrap_or_default()
    }

    fn list_records<K: RecordKey>(
        &self,
        pick: Pick,
        tenant: &TenantId,
        after: Option<&K>,
        max: usize,
    ) -> Vec<Record<K>> {
        self.lock().state.find(tenant).map(|state| pick(state).list(tenant, after, max)).unwrap_or_default()
    }

    fn consumed_to(&self, tenant: &TenantId, view: &str) -> Position {
        let inner = self.lock();
        let position = inner.state.find(tenant).and_then(|state| state.consumed.get(view).copied());
        position.map_or(Position::START, position_of)
    }

    fn remembered_until(&self) -> Timestamp {
        self.clock.now() + bounds::TOMBSTONE
    }
}

// === impl CallLedger ===

impl CallLedger for Embedded {
    fn commit(&self, batch: Vec<CallWrite>) -> Answer<'_, Vec<Written>> {
        let until = self.remembered_until();
        let now = self.clock.now();
        self.write(move |inner| {
            let mut turn = Turn::default();
            for write in batch {
                inner.state.tenant(&write.tenant).expire(now);
                let key = write.conn_id.text();
                let row = RowWrite {
                    tenant: &write.tenant,
                    key: &key,
                    owner: &write.owner,
                    token: write.token,
                    change: write.change,
                    due: write.due,
                    links: write.index.iter().map(CallIndex::text).collect(),
                    remembered_until: Some(until),
                    absorbs: write.absorbs.map(|absorbed| (absorbed.conn_id.text(), absorbed.token)),
                };
                let along = Along { events: &write.events, new_call: write.new_call.as_ref(), acknowledges: None };
                turn.take(inner, |state| &state.calls, row, &along)?;
            }
            turn.end(inner)
        })
        .boxed()
    }

    fn has_room(&self) -> bool {
        !self.lock().is_behind
    }

    fn claim<'a>(&'a self, by: &'a Owner, claims: Vec<Claim<ConnId>>) -> Answer<'a, Vec<Claimed<ConnId>>> {
        self.claim_records(|state| &state.calls, by, claims).boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId, conn_id: ConnId) -> Answer<'a, Loaded<ConnId>> {
        async move { Ok(self.load_record(|state| &state.calls, tenant, &conn_id)) }.boxed()
    }

    fn orphans<'a>(&'a self, tenant: &'a TenantId, of: &'a Owner, max: usize) -> Answer<'a, Vec<Record<ConnId>>> {
        async move { Ok(self.records_of(|state| &state.calls, tenant, of, max)) }.boxed()
    }

    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>> {
        async move { Ok(self.record_owners(|state| &state.calls, tenant)) }.boxed()
    }

    fn lookup<'a>(&'a self, tenant: &'a TenantId, index: &'a CallIndex) -> Answer<'a, Option<ConnId>> {
        async move {
            let mut inner = self.lock();
            let state = inner.state.tenant(tenant);
            state.expire(self.clock.now());
            Ok(state.calls.linked(&index.text()).into_iter().next())
        }
        .boxed()
    }

    fn list<'a>(&'a self, tenant: &'a TenantId, after: Option<ConnId>, max: usize) -> Answer<'a, Vec<Record<ConnId>>> {
        async move { Ok(self.list_records(|state| &state.calls, tenant, after.as_ref(), max)) }.boxed()
    }
}

// === impl AgentLedger ===

impl AgentLedger for Embedded {
    fn commit(&self, batch: AgentBatch) -> Answer<'_, Vec<Written>> {
        self.write(move |inner| {
            let mut turn = Turn::default();
            for write in batch.writes {
                if turn.is_next_fenced() {
                    continue;
                }
                let row = RowWrite {
                    tenant: &batch.tenant,
                    key: write.agent.as_str(),
                    owner: &batch.owner,
                    token: write.token,
                    change: write.change,
                    due: write.due,
                    links: Vec::new(),
                    remembered_until: None,
                    absorbs: None,
                };
                let along = Along { events: &write.events, new_call: None, acknowledges: None };
                turn.take(inner, |state| &state.agents, row, &along)?;
            }
            turn.finish(inner, &batch.tenant, batch.consumed.as_ref())
        })
        .boxed()
    }

    fn claim<'a>(&'a self, by: &'a Owner, claims: Vec<Claim<AgentId>>) -> Answer<'a, Vec<Claimed<AgentId>>> {
        self.claim_records(|state| &state.agents, by, claims).boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId, agent: &'a AgentId) -> Answer<'a, Loaded<AgentId>> {
        async move { Ok(self.load_record(|state| &state.agents, tenant, agent)) }.boxed()
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Option<&'a AgentId>,
        max: usize,
    ) -> Answer<'a, Vec<Record<AgentId>>> {
        async move { Ok(self.list_records(|state| &state.agents, tenant, after, max)) }.boxed()
    }

    fn orphans<'a>(&'a self, tenant: &'a TenantId, of: &'a Owner, max: usize) -> Answer<'a, Vec<Record<AgentId>>> {
        async move { Ok(self.records_of(|state| &state.agents, tenant, of, max)) }.boxed()
    }

    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>> {
        async move { Ok(self.record_owners(|state| &state.agents, tenant)) }.boxed()
    }

    fn consumed<'a>(&'a self, tenant: &'a TenantId, view: &'static str) -> Answer<'a, Position> {
        async move { Ok(self.consumed_to(tenant, view)) }.boxed()
    }
}

// === impl SessionLedger ===

impl SessionLedger for Embedded {
    fn commit(&self, batch: SessionBatch) -> Answer<'_, Vec<Written>> {
        let until = self.remembered_until();
        let now = self.clock.now();
        self.write(move |inner| {
            inner.state.tenant(&batch.tenant).expire(now);
            let mut turn = Turn::default();
            for write in batch.writes {
                let row = RowWrite {
                    tenant: &batch.tenant,
                    key: &write.session.0,
                    owner: &batch.owner,
                    token: write.token,
                    change: write.change,
                    due: write.due,
                    links: Vec::new(),
                    remembered_until: Some(until),
                    absorbs: None,
                };
                // Several sessions may serve one call, so the link names the session too.
                let row = RowWrite {
                    links: write.conn_id.iter().map(|id| format!("{id}\n{}", write.session.0)).collect(),
                    ..row
                };
                let along = Along { events: &write.events, new_call: None, acknowledges: write.began_with };
                turn.take(inner, |state| &state.sessions, row, &along)?;
            }
            turn.finish(inner, &batch.tenant, batch.consumed.as_ref())
        })
        .boxed()
    }

    fn claim<'a>(&'a self, by: &'a Owner, claims: Vec<Claim<SessionId>>) -> Answer<'a, Vec<Claimed<SessionId>>> {
        self.claim_records(|state| &state.sessions, by, claims).boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId, session: &'a SessionId) -> Answer<'a, Loaded<SessionId>> {
        async move { Ok(self.load_record(|state| &state.sessions, tenant, session)) }.boxed()
    }

    fn of_call<'a>(&'a self, tenant: &'a TenantId, conn_id: ConnId) -> Answer<'a, Vec<Record<SessionId>>> {
        async move {
            let inner = self.lock();
            let Some(state) = inner.state.find(tenant) else { return Ok(Vec::new()) };
            let keys = state.sessions.linked_below(&format!("{conn_id}\n"));
            Ok(keys.iter().filter_map(|key| state.sessions.record(tenant, key)).collect())
        }
        .boxed()
    }

    fn orphans<'a>(&'a self, tenant: &'a TenantId, of: &'a Owner, max: usize) -> Answer<'a, Vec<Record<SessionId>>> {
        async move { Ok(self.records_of(|state| &state.sessions, tenant, of, max)) }.boxed()
    }

    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>> {
        async move { Ok(self.record_owners(|state| &state.sessions, tenant)) }.boxed()
    }

    fn consumed<'a>(&'a self, tenant: &'a TenantId, view: &'static str) -> Answer<'a, Position> {
        async move { Ok(self.consumed_to(tenant, view)) }.boxed()
    }
}

// === impl MediaLedger ===

impl MediaLedger for Embedded {
    fn commit(&self, batch: Vec<MediaWrite>) -> Answer<'_, Vec<Written>> {
        self.write(move |inner| {
            let mut turn = Turn::default();
            for write in batch {
                let row = RowWrite {
                    tenant: &write.tenant,
                    key: &write.session.0,
                    owner: &write.owner,
                    token: write.token,
                    change: write.change,
                    due: write.due,
                    links: Vec::new(),
                    remembered_until: None,
                    absorbs: None,
                };
                let along = Along { events: &[], new_call: None, acknowledges: None };
                turn.take(inner, |state| &state.media, row, &along)?;
            }
            turn.end(inner)
        })
        .boxed()
    }

    fn claim<'a>(
        &'a self,
        by: &'a Owner,
        claims: Vec<Claim<MediaSessionId>>,
    ) -> Answer<'a, Vec<Claimed<MediaSessionId>>> {
        self.claim_records(|state| &state.media, by, claims).boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId, session: &'a MediaSessionId) -> Answer<'a, Loaded<MediaSessionId>> {
        async move { Ok(self.load_record(|state| &state.media, tenant, session)) }.boxed()
    }

    fn orphans<'a>(
        &'a self,
        tenant: &'a TenantId,
        of: &'a Owner,
        max: usize,
    ) -> Answer<'a, Vec<Record<MediaSessionId>>> {
        async move { Ok(self.records_of(|state| &state.media, tenant, of, max)) }.boxed()
    }

    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>> {
        async move { Ok(self.record_owners(|state| &state.media, tenant)) }.boxed()
    }
}

#[cfg(test)]
mod tests;
