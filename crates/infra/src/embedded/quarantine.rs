//! Quarantined records.

use std::collections::BTreeMap;

use bytes::Bytes;
use contracts::v1;
use contracts::v1::effect::Effect;
use futures::FutureExt;
use model::{Owner, TenantId, Timestamp, Token};

use super::table::{Entry, RowWrite, Table};
use super::tenant::TenantState;
use super::{Embedded, Inner};
use crate::quarantine::{Aside, AsideId, AsideState, LedgerKind, PutAside, Quarantine, released};
use crate::record::{Change, Written};
use crate::{Answer, Room, bounds};

/// A tenant's records in quarantine.
#[derive(Default)]
pub(super) struct Asides {
    held: BTreeMap<u64, Held>,
    /// The last id that was given.
    last: u64,
    dropped: u64,
}

struct Held {
    ledger: LedgerKind,
    key: String,
    owner: Owner,
    token: Token,
    why: String,
    report: Bytes,
    state: Bytes,
    intentions: Bytes,
    due: Option<Timestamp>,
    links: Vec<String>,
    at: Timestamp,
}

impl Held {
    fn bytes(&self) -> usize {
        self.state.len() + self.intentions.len() + self.report.len() + self.why.len()
    }

    fn listed(&self, id: u64) -> Aside {
        Aside {
            id: AsideId(id),
            ledger: self.ledger,
            key: self.key.clone(),
            owner: self.owner.clone(),
            token: self.token,
            why: self.why.clone(),
            at: self.at,
            expires_at: self.at + bounds::QUARANTINE_KEPT,
            bytes: self.bytes(),
        }
    }

    fn put(&self, tenant: &TenantId, id: u64) -> Effect {
        Effect::Aside(v1::AsidePut {
            tenant: tenant.to_string(),
            id,
            table: table_kind(self.ledger).into(),
            key: self.key.clone(),
            owner: self.owner.to_string(),
            token: self.token.0,
            why: self.why.clone(),
            report: self.report.clone(),
            state: self.state.clone(),
            intentions: self.intentions.clone(),
            due_us: self.due.map(Timestamp::as_micros),
            links: self.links.clone(),
            at_us: self.at.as_micros(),
        })
    }
}

impl Asides {
    /// The ids to drop when `more` is added, oldest first: expired records, and records for which there is no room.
    fn going(&self, more: Option<&Held>, now: Timestamp) -> Vec<u64> {
        let mut count = self.held.len() + usize::from(more.is_some());
        let mut bytes = self.held.values().chain(more).map(Held::bytes).sum::<usize>();
        let mut going = Vec::new();
        for (id, held) in &self.held {
            let is_over = held.at + bounds::QUARANTINE_KEPT <= now;
            if !is_over && count <= bounds::QUARANTINE_MAX && bytes <= bounds::QUARANTINE_BYTES {
                break;
            }
            going.push(*id);
            (count, bytes) = (count - 1, bytes - held.bytes());
        }
        going
    }

    /// The effects that drop records.
    fn drops(&self, tenant: &TenantId, ids: Vec<u64>) -> Vec<Effect> {
        let gone = ids.into_iter().zip(self.dropped + 1..).map(|(id, dropped)| gone(tenant, id, dropped));
        gone.collect()
    }

    pub(super) fn apply_put(&mut self, put: v1::AsidePut) {
        self.last = self.last.max(put.id);
        let (Some(ledger), Ok(owner)) = (ledger_of(put.table), put.owner.parse()) else { return };
        let held = Held {
            ledger,
            key: put.key,
            owner,
            token: Token(put.token),
            why: put.why,
            report: put.report,
            state: put.state,
            intentions: put.intentions,
            due: put.due_us.map(Timestamp::from_micros),
            links: put.links,
            at: Timestamp::from_micros(put.at_us),
        };
        self.held.insert(put.id, held);
    }

    pub(super) fn apply_gone(&mut self, gone: &v1::AsideGone) {
        self.last = self.last.max(gone.id);
        self.dropped = self.dropped.max(gone.dropped);
        self.held.remove(&gone.id);
    }

    /// The effects that recreate this quarantine.
    pub(super) fn dump<'a>(&'a self, tenant: &'a TenantId) -> impl Iterator<Item = Effect> + 'a {
        let counts = (self.last > 0).then(|| gone(tenant, self.last, self.dropped));
        counts.into_iter().chain(self.held.iter().map(|(id, held)| held.put(tenant, *id)))
    }
}

fn gone(tenant: &TenantId, id: u64, dropped: u64) -> Effect {
    Effect::AsideGone(v1::AsideGone { tenant: tenant.to_string(), id, dropped })
}

const fn table_kind(ledger: LedgerKind) -> v1::LedgerTable {
    match ledger {
        LedgerKind::Call => v1::LedgerTable::Call,
        LedgerKind::Agent => v1::LedgerTable::Agent,
        LedgerKind::Session => v1::LedgerTable::Session,
        LedgerKind::Media => v1::LedgerTable::Media,
    }
}

fn ledger_of(kind: i32) -> Option<LedgerKind> {
    LedgerKind::ALL.into_iter().find(|ledger| i32::from(table_kind(*ledger)) == kind)
}

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
fn effects_of(inner: &mut Inner, aside: &PutAside, now: Timestamp) -> std::result::Result<Vec<Effect>, Written> {
    let PutAside { tenant, ledger, key, owner, token, .. } = aside;
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
    fn put_aside(&self, mut aside: PutAside) -> Answer<'_, Written> {
        aside.bound();
        let now = self.clock.now();
        self.write(move |inner| {
            let mut effects = match effects_of(inner, &aside, now) {
                Ok(effects) => effects,
                Err(refusal) => return Ok(refusal),
            };
            let position = match inner.state.add_events(&aside.tenant, &aside.events, Room::Ends, &mut effects) {
                Ok(position) => position,
                Err(refusal) => return Ok(Written::Refused(refusal)),
            };
            inner.commit_or_go_on(effects)?;
            Ok(Written::Done { position })
        })
        .boxed()
    }

    fn list<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Aside>> {
        self.write(move |inner| {
            let Some(state) = self.swept(inner, tenant)? else { return Ok(Vec::new()) };
            Ok(state.asides.held.iter().map(|(id, held)| held.listed(*id)).collect())
        })
        .boxed()
    }

    fn read<'a>(&'a self, tenant: &'a TenantId, id: AsideId) -> Answer<'a, Option<AsideState>> {
        self.write(move |inner| {
            let Some(state) = self.swept(inner, tenant)? else { return Ok(None) };
            Ok(state.asides.held.get(&id.0).map(|held| AsideState {
                aside: held.listed(id.0),
                report: held.report.clone(),
                state: held.state.clone(),
                intentions: held.intentions.clone(),
                due: held.due,
            }))
        })
        .boxed()
    }

    fn release<'a>(&'a self, tenant: &'a TenantId, id: AsideId, by: &'a str) -> Answer<'a, bool> {
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
            inner.commit(vec![back, gone(tenant, id.0, dropped)])?;
            Ok(true)
        })
        .boxed()
    }

    fn discard<'a>(&'a self, tenant: &'a TenantId, id: AsideId, by: &'a str) -> Answer<'a, bool> {
        self.write(move |inner| {
            let Some(state) = self.swept(inner, tenant)? else { return Ok(false) };
            let Some(held) = state.asides.held.get(&id.0) else { return Ok(false) };
            tracing::info!(%tenant, %id, ledger = %held.ledger, record = held.key, by, "a record in quarantine is discarded");
            let dropped = state.asides.dropped;
            inner.commit_or_go_on(vec![gone(tenant, id.0, dropped)])?;
            Ok(true)
        })
        .boxed()
    }

    fn dropped<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, u64> {
        async move { Ok(self.lock().state.find(tenant).map_or(0, |state| state.asides.dropped)) }.boxed()
    }
}
