//! The ledgers of calls, agents, sessions and media sessions.

use std::collections::HashSet;

use contracts::v1;
use contracts::v1::effect::Effect;
use futures::FutureExt;
use model::{AgentId, ConnId, Owner, Stamped, TenantId, Timestamp};

use super::state::position_of;
use super::streams::NEW_CALLS;
use super::table::{RowWrite, Table};
use super::tenant::TenantState;
use super::{Embedded, Inner};
use crate::ledger::{AgentLedger, CallLedger, MediaLedger, SessionLedger};
use crate::record::{Claim, Claimed, Consumed, Holding, Loaded, Record, RecordKey, Written};
use crate::{
    AgentBatch, Answer, CallWrite, DialogKey, MediaSessionId, MediaWrite, NewCall, Position, Result, SessionBatch,
    SessionId, StoreError, bounds, wire,
};

/// Which of a tenant's tables.
type Pick = fn(&TenantState) -> &Table;

/// A turn under way: effects that are journalled together.
#[derive(Default)]
struct Turn {
    effects: Vec<Effect>,
    /// Keys and links that the effects touch: the checks read the state before the turn.
    touched: HashSet<(TenantId, String)>,
}

/// What one write brings along beside its state.
struct Along<'a> {
    events: &'a [Stamped],
    new_call: Option<&'a NewCall>,
    /// An entry of the stream of new calls that it acknowledges.
    acknowledges: Option<Position>,
}

impl Turn {
    /// Checks a write and takes its effects in.
    fn take(&mut self, inner: &mut Inner, pick: Pick, row: RowWrite<'_>, along: &Along<'_>) -> Result<Written> {
        let tenant = row.tenant.clone();
        let names: Vec<String> = std::iter::once(row.key.to_owned()).chain(row.links.iter().cloned()).collect();
        if names.iter().any(|name| self.touched.contains(&(tenant.clone(), name.clone()))) {
            self.flush(inner)?;
        }
        let table = pick(inner.state.tenant(&tenant));
        if let Some(refusal) = table.taken(row.key, &row.links) {
            return Ok(refusal);
        }
        let effect = match table.check(row)? {
            Ok(effect) => effect,
            Err(refusal) => return Ok(refusal),
        };
        let before = self.effects.len();
        self.effects.extend(effect);
        match self.add_along(inner, &tenant, along) {
            Ok(position) => {
                self.touched.extend(names.into_iter().map(|name| (tenant.clone(), name)));
                Ok(Written::Done { position })
            }
            Err(error) => {
                self.effects.truncate(before);
                Err(error)
            }
        }
    }

    fn add_along(&mut self, inner: &mut Inner, tenant: &TenantId, along: &Along<'_>) -> Result<Option<Position>> {
        let position = inner.state.add_events(tenant, along.events, &mut self.effects)?;
        if let Some(call) = along.new_call {
            let waiting = inner.state.tenant(tenant).work.get(NEW_CALLS).map_or(0, |w| w.entries.len());
            if waiting >= bounds::NEW_CALLS_MAX {
                return Err(StoreError::Full { what: "the stream of new calls", bound: bounds::NEW_CALLS_MAX as u64 });
            }
            self.effects.push(Effect::WorkAdded(v1::WorkAdded {
                tenant: tenant.to_string(),
                stream: NEW_CALLS.to_owned(),
                position: inner.state.next_position(),
                body: wire::new_call_to_wire(call),
            }));
        }
        if let Some(position) = along.acknowledges {
            self.effects.push(Effect::WorkGone(v1::WorkGone {
                tenant: tenant.to_string(),
                stream: NEW_CALLS.to_owned(),
                position: position.minor,
            }));
        }
        Ok(position)
    }

    fn consumed(&mut self, tenant: &TenantId, consumed: Option<&Consumed>) {
        self.effects.extend(consumed.map(|consumed| consumed_effect(tenant, consumed)));
    }

    fn flush(&mut self, inner: &mut Inner) -> Result<()> {
        self.touched.clear();
        inner.commit(std::mem::take(&mut self.effects))
    }
}

/// The effect of a view's progress.
pub(super) fn consumed_effect(tenant: &TenantId, consumed: &Consumed) -> Effect {
    Effect::Consumed(v1::ConsumedTo {
        tenant: tenant.to_string(),
        view: consumed.view.to_owned(),
        position: consumed.position.minor,
    })
}

/// The index entry of a dialog; a line break is in neither part.
fn dialog_link(dialog: &DialogKey) -> String {
    format!("{}\n{}", dialog.call_id, dialog.from_tag)
}

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
                inner.commit(effect.into_iter().collect())?;
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
            let mut answers = Vec::with_capacity(batch.len());
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
                    links: write.dialogs.iter().map(dialog_link).collect(),
                    remembered_until: Some(until),
                };
                let along = Along { events: &write.events, new_call: write.new_call.as_ref(), acknowledges: None };
                answers.push(turn.take(inner, |state| &state.calls, row, &along)?);
            }
            turn.flush(inner)?;
            Ok(answers)
        })
        .boxed()
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

    fn lookup<'a>(&'a self, tenant: &'a TenantId, dialog: &'a DialogKey) -> Answer<'a, Option<ConnId>> {
        async move {
            let mut inner = self.lock();
            let state = inner.state.tenant(tenant);
            state.expire(self.clock.now());
            Ok(state.calls.linked(&dialog_link(dialog)).into_iter().next())
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
            let mut answers = Vec::with_capacity(batch.writes.len());
            for write in batch.writes {
                let row = RowWrite {
                    tenant: &batch.tenant,
                    key: write.agent.as_str(),
                    owner: &batch.owner,
                    token: write.token,
                    change: write.change,
                    due: write.due,
                    links: Vec::new(),
                    remembered_until: None,
                };
                let along = Along { events: &write.events, new_call: None, acknowledges: None };
                answers.push(turn.take(inner, |state| &state.agents, row, &along)?);
            }
            turn.consumed(&batch.tenant, batch.consumed.as_ref());
            turn.flush(inner)?;
            Ok(answers)
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
            let mut answers = Vec::with_capacity(batch.writes.len());
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
                };
                // Several sessions may serve one call, so its link is none that only one may have.
                let row = RowWrite {
                    links: write.conn_id.iter().map(|id| format!("{id}\n{}", write.session.0)).collect(),
                    ..row
                };
                let along = Along { events: &write.events, new_call: None, acknowledges: write.began_with };
                answers.push(turn.take(inner, |state| &state.sessions, row, &along)?);
            }
            turn.consumed(&batch.tenant, batch.consumed.as_ref());
            turn.flush(inner)?;
            Ok(answers)
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
            let mut answers = Vec::with_capacity(batch.len());
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
                };
                let along = Along { events: &[], new_call: None, acknowledges: None };
                answers.push(turn.take(inner, |state| &state.media, row, &along)?);
            }
            turn.flush(inner)?;
            Ok(answers)
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
