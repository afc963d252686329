//! The table of a tenant's quarantined records.

use std::collections::BTreeMap;

use bytes::Bytes;
use contracts::v1;
use contracts::v1::effect::Effect;
use model::{Owner, TenantId, Timestamp, Token};

use crate::bounds;
use crate::quarantine::{LedgerKind, QuarantineId, QuarantinedRecord};

/// A tenant's records in quarantine.
#[derive(Default)]
pub(super) struct QuarantinedRecords {
    pub(super) held: BTreeMap<u64, Held>,
    /// The last id that was given.
    pub(super) last: u64,
    pub(super) dropped: u64,
}

/// A record in quarantine.
pub(super) struct Held {
    pub(super) ledger: LedgerKind,
    pub(super) key: String,
    pub(super) owner: Owner,
    pub(super) token: Token,
    pub(super) why: String,
    pub(super) report: Bytes,
    pub(super) state: Bytes,
    pub(super) intentions: Bytes,
    pub(super) due: Option<Timestamp>,
    pub(super) links: Vec<String>,
    pub(super) at: Timestamp,
}

impl Held {
    fn bytes(&self) -> usize {
        self.state.len() + self.intentions.len() + self.report.len() + self.why.len()
    }

    pub(super) fn listed(&self, id: u64) -> QuarantinedRecord {
        QuarantinedRecord {
            id: QuarantineId(id),
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

    pub(super) fn put(&self, tenant: &TenantId, id: u64) -> Effect {
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

impl QuarantinedRecords {
    /// The ids to drop when `more` is added, oldest first: expired records, and records for which there is no room.
    pub(super) fn going(&self, more: Option<&Held>, now: Timestamp) -> Vec<u64> {
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
    pub(super) fn drops(&self, tenant: &TenantId, ids: Vec<u64>) -> Vec<Effect> {
        let gone = ids.into_iter().zip(self.dropped + 1..).map(|(id, dropped)| removal(tenant, id, dropped));
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
        let counts = (self.last > 0).then(|| removal(tenant, self.last, self.dropped));
        counts.into_iter().chain(self.held.iter().map(|(id, held)| held.put(tenant, *id)))
    }
}

pub(super) fn removal(tenant: &TenantId, id: u64, dropped: u64) -> Effect {
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
