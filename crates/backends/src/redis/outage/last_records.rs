//! The last written state of every record that this client owns.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use infra::{Change, Written, bounds};
use model::{Owner, TenantId, Timestamp, Token};

use super::{OutageState, lock};
use crate::redis::store::Facts;
use crate::redis::store::records::{Kind, RecordId, Row};

/// The last state that was written of a record.
pub(super) struct LastRecord {
    owner: Owner,
    token: Token,
    state: Bytes,
    intentions: Bytes,
    due: Option<Timestamp>,
    links: Vec<String>,
    /// When Redis last confirmed the record; for a record that Redis does not have yet, when it was first noted.
    known_at: Timestamp,
}

impl OutageState {
    /// Remembers a record that was claimed; forgets one of this client that was claimed for another owner, to whom it was given.
    pub(in crate::redis) fn claimed(&self, kind: Kind, row: Row, known_at: Timestamp) {
        let id = (kind.name, row.tenant.clone(), row.key.clone());
        if lock(&self.records).get(&id).is_some_and(|kept| kept.owner != row.owner) {
            self.forget(&id);
            return lock(&self.recent_facts).forget(&id);
        }
        if let Change::Create { state, intentions } | Change::Save { state, intentions } = row.change {
            let Row { owner, token, due, links, .. } = row;
            let kept = LastRecord { owner, token, state, intentions, due, links, known_at };
            lock(&self.records).insert(id, kept);
        }
    }

    /// Remembers a written row and its facts.
    pub(super) fn wrote(&self, kind: Kind, row: &Row, written: &Written, now: Timestamp) {
        self.note(kind, row, written, now);
        let id = (kind.name, row.tenant.clone(), row.key.clone());
        match written {
            Written::Done { .. } => {
                if let Some(kept) = lock(&self.records).get_mut(&id) {
                    kept.known_at = now;
                }
                lock(&self.recent_facts).add(id, row.facts.clone());
            }
            Written::Refused(_) => {}
            _ => lock(&self.recent_facts).forget(&id),
        }
    }

    /// Forgets a record that this client no longer owns.
    pub(in crate::redis) fn forget(&self, id: &RecordId) {
        lock(&self.records).remove(id);
    }

    /// Remembers the state that was written, or that waits to be.
    pub(in crate::redis) fn note(&self, kind: Kind, row: &Row, written: &Written, now: Timestamp) {
        let id = || (kind.name, row.tenant.clone(), row.key.clone());
        let mut kept = lock(&self.records);
        match (written, &row.change) {
            (Written::Done { .. }, Change::Create { state, intentions } | Change::Save { state, intentions }) => {
                let absorbed = row.absorbs.as_ref().map(|(key, _)| (kind.name, row.tenant.clone(), key.clone()));
                let absorbed = absorbed.and_then(|id| kept.remove(&id)).map(|absorbed| absorbed.links);
                let entry = kept.entry(id()).or_insert_with(|| LastRecord {
                    owner: row.owner.clone(),
                    token: row.token,
                    state: Bytes::new(),
                    intentions: Bytes::new(),
                    due: None,
                    links: Vec::new(),
                    known_at: now,
                });
                (entry.owner, entry.token, entry.due) = (row.owner.clone(), row.token, row.due);
                (entry.state, entry.intentions) = (state.clone(), intentions.clone());
                let had: HashSet<&String> = entry.links.iter().collect();
                let links = row.links.iter().chain(absorbed.iter().flatten());
                let new: Vec<String> = links.filter(|link| !had.contains(link)).cloned().collect();
                entry.links.extend(new);
            }
            // A refused write has changed nothing.
            (Written::Done { .. }, Change::Keep) | (Written::Refused(_), _) => {}
            _ => drop(kept.remove(&id())),
        }
    }

    /// The record as last written, as a row that creates it again.
    pub(super) fn anew(&self, kind: Kind, tenant: &TenantId, key: &str) -> Option<Row> {
        let kept = lock(&self.records);
        let held = kept.get(&(kind.name, tenant.clone(), key.to_owned()))?;
        Some(anew(tenant, key, held))
    }

    /// Whether Redis would still have the record's tombstone, if another owner had ended it since Redis last confirmed it.
    pub(super) fn would_be_remembered(&self, kind: Kind, tenant: &TenantId, key: &str, now: Timestamp) -> bool {
        let kept = lock(&self.records);
        let held = kept.get(&(kind.name, tenant.clone(), key.to_owned()));
        held.is_some_and(|held| now.since(held.known_at) < bounds::TOMBSTONE)
    }

    /// The record's present state, as a row that its owner saves.
    pub(in crate::redis) fn last_state(&self, kind: Kind, tenant: &TenantId, key: &str) -> Option<Row> {
        let row = self.anew(kind, tenant, key)?;
        let Change::Create { state, intentions } = row.change else { return None };
        Some(Row { change: Change::Save { state, intentions }, ..row })
    }

    /// The facts of a record that Redis may have lost before all readers had received them.
    pub(super) fn latest_of(&self, kind: Kind, tenant: &TenantId, key: &str) -> Vec<Bytes> {
        lock(&self.recent_facts).of(&(kind.name, tenant.clone(), key.to_owned()))
    }

    /// The keys of every record, by kind and tenant.
    pub(super) fn all_keys(&self) -> Vec<((&'static str, TenantId), Vec<String>)> {
        let mut all: HashMap<(&'static str, TenantId), Vec<String>> = HashMap::new();
        for (kind, tenant, key) in lock(&self.records).keys() {
            all.entry((kind, tenant.clone())).or_default().push(key.clone());
        }
        all.into_iter().collect()
    }
}

fn anew(tenant: &TenantId, key: &str, held: &LastRecord) -> Row {
    Row {
        tenant: tenant.clone(),
        key: key.to_owned(),
        owner: held.owner.clone(),
        token: held.token,
        change: Change::Create { state: held.state.clone(), intentions: held.intentions.clone() },
        due: held.due,
        links: held.links.clone(),
        facts: Facts::default(),
        new_call: None,
        began_with: None,
        number: 0,
        absorbs: None,
    }
}
