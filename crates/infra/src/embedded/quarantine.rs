//! Moving records to quarantine, and back.

use contracts::v1::effect::Effect;
use futures::FutureExt;
use model::{TenantId, Timestamp, Token};

use super::quarantined::{Held, removal};
use super::table::{Entry, RowWrite, Table};
use super::tenant::TenantState;
use super::{Embedded, Inner};
use crate::quarantine::{
    LedgerKind, Quarantine, QuarantineId, QuarantineRequest, QuarantinedRecord, QuarantinedState, released,
};
use crate::record::{Change, Written};
use crate::{Answer, Room, bounds};

const fn table(state: &TenantState, ledger: LedgerKind) -> &Table {
    match ledger {
        LedgerKind::Call => &state.calls,
        LedgerKind::Agent => &state.agents,
        LedgerKind::Session => &state.sessions,
        LedgerKind::Media => &state.media,
    }
}

impl Embedded {
    /// Drops expired records, if there are any.
    fn swept<'a>(&self, inner: &'a mut Inner, tenant: &TenantId) -> crate::Result<Option<&'a TenantState>> {
        let now = self.clock.now();
        let Some(state) = inner.state.find(tenant) else { return Ok(None) };
        let drops = state.asides.drops(tenant, state.asides.going(None, now));
        inner.commit_or_go_on(drops)?;
        Ok(inner.state.find(tenant))
    }
}

/// The effects of moving a record to quarantine, or the answer that refuses it.
fn effects_of(
    inner: &mut Inner,
    aside: &QuarantineRequest,
    now: Timestamp,
) -> std::result::Result<Vec<Effect>, Written> {
    let QuarantineRequest { tenant, ledger, key, owner, token, .. } = aside;
    let state = inner.state.tenant(tenant);
    state.expire(now);
    let remembers = matches!(ledger, LedgerKind::Call | LedgerKind::Session);
    let end = RowWrite {
        tenant,
        key,
        owner,
        token: *token,
        change: Change::End,
        due: None,
        links: Vec::new(),
        absorbs: None,
        remembered_until: remembers.then(|| now + bounds::TOMBSTONE),
    };
    let records = table(state, *ledger);
    let mut effects: Vec<Effect> = records.check(end)?.into_iter().collect();
    let Some(entry) = records.entry(key) else { return Err(Written::Unknown) };
    let held = Held {
        ledger: *ledger,
        key: key.clone(),
        owner: owner.clone(),
        token: *token,
        why: aside.why.clone(),
        report: aside.report.clone(),
        state: entry.state.clone(),
        intentions: entry.intentions.clone(),
        due: entry.due,
        links: entry.links.clone(),
        at: now,
    };
    let drops = state.asides.drops(tenant, state.asides.going(Some(&held), now));
    if !drops.is_empty() {
        tracing::warn!(%tenant, records = drops.len(), "records in quarantine are dropped: there is no room for them, or their time is over");
    }
    effects.extend(drops);
    effects.push(held.put(tenant, state.asides.last + 1));
    Ok(effects)
}

// === impl Quarantine ===

impl Quarantine for Embedded {
    fn put_aside(&self, mut aside: QuarantineRequest) -> Answer<'_, Written> {
        aside.bound();
        let now = self.clock.now();
        self.write(move |inner| {
            let mut effects = match effects_of(inner, &aside, now) {
                Ok(effects) => effects,
                Err(refusal) => return Ok(refusal),
            };
            let position = match inner.state.add_events(
                &aside.tenant,
                Some(&aside.owner),
                &aside.events,
                Room::Ends,
                &mut effects,
            ) {
                Ok(position) => position,
                Err(refusal) => return Ok(Written::Refused(refusal)),
            };
            inner.commit_or_go_on(effects)?;
            Ok(Written::Done { position })
        })
        .boxed()
    }

    fn list<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<QuarantinedRecord>> {
        self.write(move |inner| {
            let Some(state) = self.swept(inner, tenant)? else { return Ok(Vec::new()) };
            Ok(state.asides.held.iter().map(|(id, held)| held.listed(*id)).collect())
        })
        .boxed()
    }

    fn read<'a>(&'a self, tenant: &'a TenantId, id: QuarantineId) -> Answer<'a, Option<QuarantinedState>> {
        self.write(move |inner| {
            let Some(state) = self.swept(inner, tenant)? else { return Ok(None) };
            Ok(state.asides.held.get(&id.0).map(|held| QuarantinedState {
                aside: held.listed(id.0),
                report: held.report.clone(),
                state: held.state.clone(),
                intentions: held.intentions.clone(),
                due: held.due,
            }))
        })
        .boxed()
    }

    fn release<'a>(&'a self, tenant: &'a TenantId, id: QuarantineId, by: &'a str) -> Answer<'a, bool> {
        self.write(move |inner| {
            let Some(state) = self.swept(inner, tenant)? else { return Ok(false) };
            let Some(held) = state.asides.held.get(&id.0) else { return Ok(false) };
            let records = table(state, held.ledger);
            if records.entry(&held.key).is_some() {
                return Ok(false);
            }
            // A dialog that belongs to another call by now stays with that call.
            let is_free = |link: &&String| records.taken(&held.key, std::slice::from_ref(*link)).is_none();
            let entry = Entry {
                owner: released(),
                token: Token(held.token.0 + 1),
                // Still suspect: its next owner takes it over in a claim of its own.
                claims: 1,
                state: held.state.clone(),
                intentions: held.intentions.clone(),
                due: held.due,
                links: held.links.iter().filter(is_free).cloned().collect(),
            };
            let back = records.put(tenant, &held.key, &entry);
            tracing::info!(%tenant, %id, ledger = %held.ledger, record = held.key, by, "a record is released from quarantine");
            let dropped = state.asides.dropped;
            inner.commit(vec![back, removal(tenant, id.0, dropped)])?;
            Ok(true)
        })
        .boxed()
    }

    fn discard<'a>(&'a self, tenant: &'a TenantId, id: QuarantineId, by: &'a str) -> Answer<'a, bool> {
        self.write(move |inner| {
            let Some(state) = self.swept(inner, tenant)? else { return Ok(false) };
            let Some(held) = state.asides.held.get(&id.0) else { return Ok(false) };
            tracing::info!(%tenant, %id, ledger = %held.ledger, record = held.key, by, "a record in quarantine is discarded");
            let dropped = state.asides.dropped;
            inner.commit_or_go_on(vec![removal(tenant, id.0, dropped)])?;
            Ok(true)
        })
        .boxed()
    }

    fn dropped<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, u64> {
        async move { Ok(self.lock().state.find(tenant).map_or(0, |state| state.asides.dropped)) }.boxed()
    }
}
