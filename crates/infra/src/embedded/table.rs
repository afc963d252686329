//! A ledger's records of one tenant, with owner sets, tombstones and the index of links.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use contracts::v1;
use model::{Owner, TenantId, Timestamp, Token};

use crate::record::{Change, Claimed, Holding, Loaded, Record, RecordKey, Written};
use crate::{CallIndex, Refusal, bounds};

/// A live record.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) owner: Owner,
    pub(super) token: Token,
    pub(super) claims: u32,
    pub(super) state: Bytes,
    pub(super) intentions: Bytes,
    pub(super) due: Option<Timestamp>,
    pub(super) links: Vec<String>,
}

impl Entry {
    pub(super) fn record<K: RecordKey>(&self, tenant: &TenantId, key: K) -> Record<K> {
        Record {
            tenant: tenant.clone(),
            key,
            owner: self.owner.clone(),
            token: self.token,
            state: self.state.clone(),
            intentions: self.intentions.clone(),
            due: self.due,
            claims: self.claims,
        }
    }
}

struct Tombstone {
    until: Timestamp,
    links: Vec<String>,
}

/// A write to one record, in the same form for all ledgers.
pub(super) struct RowWrite<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) key: &'a str,
    pub(super) owner: &'a Owner,
    pub(super) token: Token,
    pub(super) change: Change,
    pub(super) due: Option<Timestamp>,
    /// Links to add.
    pub(super) links: Vec<String>,
    /// Until when it is remembered after its end.
    pub(super) remembered_until: Option<Timestamp>,
    /// The record that becomes part of it, and the token that the writer holds of that one.
    pub(super) absorbs: Option<(String, Token)>,
}

/// The records of one ledger and tenant.
pub(super) struct Table {
    kind: v1::LedgerTable,
    live: BTreeMap<String, Entry>,
    ended: HashMap<String, Tombstone>,
    ends: BTreeSet<(Timestamp, String)>,
    owned: BTreeMap<Owner, BTreeSet<String>>,
    links: BTreeMap<String, BTreeSet<String>>,
}

impl Table {
    pub(super) fn new(kind: v1::LedgerTable) -> Self {
        Self {
            kind,
            live: BTreeMap::new(),
            ended: HashMap::new(),
            ends: BTreeSet::new(),
            owned: BTreeMap::new(),
            links: BTreeMap::new(),
        }
    }

    // === checks ===

    /// The effect of a write, or the answer that refuses it.
    pub(super) fn check(&self, write: RowWrite<'_>) -> Result<Option<v1::effect::Effect>, Written> {
        let held = self.live.get(write.key);
        let (state, intentions) = match (write.change, held) {
            (Change::Create { .. }, Some(entry)) => return Err(exists(entry)),
            (Change::Create { .. }, None) if self.ended.contains_key(write.key) => return Err(Written::Ended),
            (Change::Create { state, intentions }, None) => {
                if self.live.len() + self.ended.len() >= bounds::RECORDS_MAX {
                    let (what, bound) = ("the ledger", bounds::RECORDS_MAX as u64);
                    return Err(Written::Refused(Refusal::NoRoom { what, bound }));
                }
                (state, intentions)
            }
            (_, None) if self.ended.contains_key(write.key) => return Err(Written::Ended),
            (_, None) => return Err(self.absorbed(write.key)),
            (_, Some(entry)) if entry.token != write.token || entry.owner != *write.owner => {
                return Err(Written::Fenced { owner: entry.owner.clone(), token: entry.token });
            }
            (Change::Save { state, intentions }, Some(_)) => (state, intentions),
            (Change::Keep, Some(_)) => return Ok(None),
            (Change::End, Some(_)) => {
                let until = write.remembered_until.map_or(0, Timestamp::as_micros);
                return Ok(Some(self.removal(write.tenant, write.key, until, Vec::new())));
            }
        };
        let mut links = held.map(|entry| entry.links.clone()).unwrap_or_default();
        let absorbed = write.absorbs.and_then(|(key, _)| self.live.get(&key)).map(|entry| entry.links.clone());
        for link in write.links.into_iter().chain(absorbed.unwrap_or_default()) {
            if !links.contains(&link) {
                links.push(link);
            }
        }
        Ok(Some(v1::effect::Effect::RecordPut(v1::RecordPut {
            table: self.kind.into(),
            tenant: write.tenant.to_string(),
            key: write.key.to_owned(),
            owner: write.owner.to_string(),
            token: write.token.0,
            state,
            intentions,
            due_us: write.due.map(Timestamp::as_micros),
            links,
            claims: 0,
        })))
    }

    /// The answer for a record that is unknown, unless it has become part of another one: then the owner of that one has it.
    fn absorbed(&self, key: &str) -> Written {
        let by = self.links.get(&CallIndex::of_key(key)).and_then(|others| others.first());
        match by.map(|other| self.live.get(other)) {
            Some(Some(entry)) => Written::Fenced { owner: entry.owner.clone(), token: entry.token },
            Some(None) => Written::Ended,
            None => Written::Unknown,
        }
    }

    /// The effect that removes a record which becomes part of the written one. One that is unknown is none: there is nothing to remove.
    pub(super) fn absorption(&self, write: &RowWrite<'_>) -> Result<Option<v1::effect::Effect>, Written> {
        let Some((key, token)) = &write.absorbs else { return Ok(None) };
        match self.live.get(key) {
            Some(entry) if entry.owner == *write.owner && entry.token == *token => {
                Ok(Some(self.removal(write.tenant, key, 0, Vec::new())))
            }
            None if !self.ended.contains_key(key) => Ok(None),
            _ => Err(Written::NotAbsorbed),
        }
    }

    /// The answer if a record other than `key` already has one of these links.
    pub(super) fn taken(&self, key: &str, links: &[String]) -> Option<Written> {
        let other = links.iter().filter_map(|link| self.links.get(link)).flatten().find(|k| *k != key)?;
        Some(self.live.get(other).map_or(Written::Ended, exists))
    }

    /// The effect of a claim, if it changes anything, and its answer.
    pub(super) fn claim<K: RecordKey>(
        &self,
        tenant: &TenantId,
        key: &K,
        seen: Option<Token>,
        by: &Owner,
    ) -> (Option<v1::effect::Effect>, Claimed<K>) {
        let text = key.text();
        let Some(entry) = self.live.get(&text) else {
            let answer = if self.ended.contains_key(&text) { Claimed::Ended } else { Claimed::Unknown };
            return (None, answer);
        };
        if entry.owner == *by {
            return (None, Claimed::Yours(entry.record(tenant, key.clone())));
        }
        if seen.is_some_and(|seen| seen != entry.token) {
            return (None, Claimed::Raced { owner: entry.owner.clone(), token: entry.token });
        }
        let claims = entry.claims.saturating_add(1);
        let taken = Entry { owner: by.clone(), token: Token(entry.token.0 + 1), claims, ..entry.clone() };
        let effect = self.put(tenant, &text, &taken);
        (Some(effect), Claimed::Yours(taken.record(tenant, key.clone())))
    }

    // === reads ===

    pub(super) fn load<K: RecordKey>(&self, tenant: &TenantId, key: &K) -> Loaded<K> {
        let text = key.text();
        match self.live.get(&text) {
            Some(entry) => Loaded::Live(entry.record(tenant, key.clone())),
            None if self.ended.contains_key(&text) => Loaded::Ended,
            None => Loaded::Unknown,
        }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.live.get(key)
    }

    pub(super) fn of<K: RecordKey>(&self, tenant: &TenantId, owner: &Owner, max: usize) -> Vec<Record<K>> {
        let keys = self.owned.get(owner).into_iter().flatten().take(max);
        keys.filter_map(|key| self.record(tenant, key)).collect()
    }

    pub(super) fn owners(&self) -> Vec<Holding> {
        self.owned.iter().map(|(owner, keys)| Holding { owner: owner.clone(), records: keys.len() }).collect()
    }

    pub(super) fn list<K: RecordKey>(&self, tenant: &TenantId, after: Option<&K>, max: usize) -> Vec<Record<K>> {
        let from = after.map_or(std::ops::Bound::Unbounded, |key| std::ops::Bound::Excluded(key.text()));
        let range = self.live.range::<String, _>((from, std::ops::Bound::Unbounded));
        range.take(max).filter_map(|(key, entry)| Some(entry.record(tenant, K::parse(key)?))).collect()
    }

    pub(super) fn linked<K: RecordKey>(&self, link: &str) -> Vec<K> {
        self.links.get(link).into_iter().flatten().filter_map(|key| K::parse(key)).collect()
    }

    /// The keys behind all links that begin with `prefix`.
    pub(super) fn linked_below(&self, prefix: &str) -> Vec<String> {
        let range = self.links.range(prefix.to_owned()..).take_while(|(link, _)| link.starts_with(prefix));
        range.flat_map(|(_, keys)| keys.iter().cloned()).collect()
    }

    pub(super) fn record<K: RecordKey>(&self, tenant: &TenantId, key: &str) -> Option<Record<K>> {
        Some(self.live.get(key)?.record(tenant, K::parse(key)?))
    }

    // === effects ===

    /// Applies a put.
    pub(super) fn apply_put(&mut self, put: v1::RecordPut) {
        let Ok(owner) = put.owner.parse::<Owner>() else { return };
        self.forget(&put.key);
        // A released record replaces the tombstone of its end.
        if let Some(tombstone) = self.ended.remove(&put.key) {
            self.ends.remove(&(tombstone.until, put.key.clone()));
            self.unlink(&put.key, &tombstone.links);
        }
        for link in &put.links {
            self.links.entry(link.clone()).or_default().insert(put.key.clone());
        }
        self.owned.entry(owner.clone()).or_default().insert(put.key.clone());
        let entry = Entry {
            owner,
            token: Token(put.token),
            claims: put.claims,
            state: put.state,
            intentions: put.intentions,
            due: put.due_us.map(Timestamp::from_micros),
            links: put.links,
        };
        self.live.insert(put.key, entry);
    }

    /// Applies an end.
    pub(super) fn apply_gone(&mut self, gone: v1::RecordGone) {
        let mut links = self.forget(&gone.key);
        links.extend(gone.links);
        if gone.remembered_until_us == 0 {
            return;
        }
        for link in &links {
            self.links.entry(link.clone()).or_default().insert(gone.key.clone());
        }
        let until = Timestamp::from_micros(gone.remembered_until_us);
        self.ends.insert((until, gone.key.clone()));
        self.ended.insert(gone.key, Tombstone { until, links });
    }

    /// Drops expired tombstones. They expire after a restart too, so this is not journalled.
    pub(super) fn expire(&mut self, now: Timestamp) {
        while self.ends.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, key)) = self.ends.pop_first() else { return };
            let Some(tombstone) = self.ended.remove(&key) else { continue };
            self.unlink(&key, &tombstone.links);
        }
    }

    /// The effects that recreate this table.
    pub(super) fn dump<'a>(&'a self, tenant: &'a TenantId) -> impl Iterator<Item = v1::effect::Effect> + 'a {
        let live = self.live.iter().map(move |(key, entry)| self.put(tenant, key, entry));
        let ended =
            self.ended.iter().map(move |(key, t)| self.removal(tenant, key, t.until.as_micros(), t.links.clone()));
        live.chain(ended)
    }

    /// The effect that writes a record as it is now.
    pub(super) fn put(&self, tenant: &TenantId, key: &str, entry: &Entry) -> v1::effect::Effect {
        v1::effect::Effect::RecordPut(v1::RecordPut {
            table: self.kind.into(),
            tenant: tenant.to_string(),
            key: key.to_owned(),
            owner: entry.owner.to_string(),
            token: entry.token.0,
            state: entry.state.clone(),
            intentions: entry.intentions.clone(),
            due_us: entry.due.map(Timestamp::as_micros),
            links: entry.links.clone(),
            claims: entry.claims,
        })
    }

    fn removal(&self, tenant: &TenantId, key: &str, until: u64, links: Vec<String>) -> v1::effect::Effect {
        v1::effect::Effect::RecordGone(v1::RecordGone {
            table: self.kind.into(),
            tenant: tenant.to_string(),
            key: key.to_owned(),
            remembered_until_us: until,
            links,
        })
    }

    /// Removes a live record from all indexes; returns its links.
    fn forget(&mut self, key: &str) -> Vec<String> {
        let Some(entry) = self.live.remove(key) else { return Vec::new() };
        if let Some(keys) = self.owned.get_mut(&entry.owner) {
            keys.remove(key);
            if keys.is_empty() {
                self.owned.remove(&entry.owner);
            }
        }
        self.unlink(key, &entry.links);
        entry.links
    }

    fn unlink(&mut self, key: &str, links: &[String]) {
        for link in links {
            if let Some(keys) = self.links.get_mut(link) {
                keys.remove(key);
                if keys.is_empty() {
                    self.links.remove(link);
                }
            }
        }
    }
}

fn exists(entry: &Entry) -> Written {
    Written::Exists { owner: entry.owner.clone(), token: entry.token }
}
