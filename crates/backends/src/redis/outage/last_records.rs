//! The last written state of every record that this client owns.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use infra::{Change, Written, bounds};
use model::{Owner, TenantId, Timestamp, Token};

use super::kept_state::KeptState;
use super::{OutageState, lock};
use crate::redis::store::Facts;
use crate::redis::store::records::{Kind, RecordId, Row};

/// A record that nobody has written for this long is kept compressed. The transactions of a call's beginning change it for a second or two.
const QUIET_AFTER: Duration = Duration::from_secs(10);
/// The most records that one renewal of a lease compresses: about 5 ms.
const PACKED_AT_ONCE: usize = 256;

/// The last state that was written of a record.
pub(super) struct LastRecord {
    owner: Owner,
    token: Token,
    state: KeptState,
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
            let state = KeptState::Whole(state);
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
                    state: KeptState::Whole(Bytes::new()),
                    intentions: Bytes::new(),
                    due: None,
                    links: Vec::new(),
                    known_at: now,
                });
                (entry.owner, entry.token, entry.due) = (row.owner.clone(), row.token, row.due);
                (entry.state, entry.intentions) = (KeptState::Whole(state.clone()), intentions.clone());
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
        anew(tenant, key, held)
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

    /// Compresses the states that nobody has written for a while. Called with every renewal of a lease.
    pub(super) fn pack_quiet_records(&self, now: Timestamp) {
        let is_quiet = |kept: &LastRecord| now.since(kept.known_at) >= QUIET_AFTER;
        let to_pack = |(id, kept): (&RecordId, &LastRecord)| {
            kept.state.to_pack().filter(|_| is_quiet(kept)).map(|state| (id.clone(), state.clone()))
        };
        let quiet: Vec<(RecordId, Bytes)> =
            lock(&self.records).iter().filter_map(to_pack).take(PACKED_AT_ONCE).collect();
        for (id, state) in quiet {
            let packed = KeptState::packed(&state);
            if let Some(kept) = lock(&self.records).get_mut(&id).filter(|kept| kept.state.is(&state)) {
                kept.state = packed;
            }
        }
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

fn anew(tenant: &TenantId, key: &str, held: &LastRecord) -> Option<Row> {
    Some(Row {
        tenant: tenant.clone(),
        key: key.to_owned(),
        owner: held.owner.clone(),
        token: held.token,
        change: Change::Create { state: held.state.state()?, intentions: held.intentions.clone() },
        due: held.due,
        links: held.links.clone(),
        facts: Facts::default(),
        new_call: None,
        began_with: None,
        number: 0,
        absorbs: None,
    })
}

#[cfg(test)]
mod tests {
    use model::{Epoch, NodeId};

    use super::*;
    use crate::redis::store::records::CALL;

    fn row(state: &Bytes) -> Row {
        let owner = Owner { node: NodeId::parse("sip-cluster-1").unwrap(), epoch: Epoch(1) };
        let change = Change::Save { state: state.clone(), intentions: Bytes::new() };
        let known_at = Timestamp::from_millis(0);
        let tenant = TenantId::parse("acme").unwrap();
        let kept = LastRecord {
            owner,
            token: Token(1),
            state: KeptState::Whole(Bytes::new()),
            intentions: Bytes::new(),
            due: None,
            links: Vec::new(),
            known_at,
        };
        Row { change, ..anew(&tenant, "7", &kept).unwrap() }
    }

    #[test]
    fn what_nobody_writes_for_a_while_is_kept_compressed_and_given_back_whole() {
        let outage = OutageState::default();
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
        let states = ["first", "second"].map(|word| Bytes::from(word.repeat(500)));
        let given_back = || match outage.last_state(CALL, &TenantId::parse("acme").unwrap(), "7").map(|row| row.change)
        {
            Some(Change::Save { state, .. }) => state,
            _ => Bytes::new(),
        };
        let is_packed = || lock(&outage.records).values().all(|kept| matches!(kept.state, KeptState::Packed(_)));
        outage.claimed(CALL, row(&states[0]), at(0));
        outage.pack_quiet_records(at(9));
        assert!(!is_packed());
        outage.pack_quiet_records(at(10));
        assert!(is_packed());
        assert_eq!(given_back(), states[0]);
        outage.wrote(CALL, &row(&states[1]), &Written::Done { position: None }, at(11));
        outage.pack_quiet_records(at(20));
        assert!(!is_packed());
        assert_eq!(given_back(), states[1]);
    }
}
