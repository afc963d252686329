//! The table of a tenant's records of signing in.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use contracts::v1;
use contracts::v1::effect::Effect;
use model::{TenantId, Timestamp};

use crate::sign_ins::{SignInKey, SignInKind};
use crate::{Result, StoreError, bounds};

/// How many a write drops of those that are over: some milliseconds under the lock that all roles share. One comes with each write.
const DROPPED_AT_ONCE: usize = 1_000;

/// A tenant's records of signing in. Those that are over may still be here; no look finds them.
#[derive(Default)]
pub(super) struct SignInTable {
    held: BTreeMap<SignInKey, SignIn>,
    ends: BTreeSet<(Timestamp, SignInKey)>,
    owned: HashMap<String, BTreeSet<(Timestamp, SignInKey)>>,
    counts: HashMap<SignInKind, usize>,
}

/// A record.
#[derive(Clone)]
pub(super) struct SignIn {
    pub(super) owner: Option<String>,
    pub(super) value: Bytes,
    pub(super) until: Timestamp,
}

impl SignInTable {
    /// The record, unless it is over.
    pub(super) fn live(&self, key: &SignInKey, now: Timestamp) -> Option<&SignIn> {
        self.held.get(key).filter(|held| held.until > now)
    }

    /// Those of an owner that are not over.
    pub(super) fn owned(&self, owner: &str, now: Timestamp) -> Vec<(SignInKey, Bytes)> {
        let keys = self.owned.get(owner).into_iter().flatten().map(|(_, key)| key);
        let live = keys.filter_map(|key| Some((key.clone(), self.live(key, now)?.value.clone())));
        live.take(bounds::SIGN_INS_OWNED_MAX).collect()
    }

    /// Whether there is room for a record, after [`Self::expire`].
    pub(super) fn room(&self, key: &SignInKey, owner: Option<&str>, now: Timestamp) -> Result<()> {
        let of_kind = self.counts.get(&key.kind).copied().unwrap_or_default();
        if of_kind >= bounds::SIGN_INS_MAX && !self.held.contains_key(key) {
            return Err(StoreError::Full { what: "the sign-ins of a kind", bound: bounds::SIGN_INS_MAX as u64 });
        }
        let present = self.live(key, now).and_then(|present| present.owner.as_deref());
        let is_another = |owner: &&str| present != Some(*owner);
        let of_owner = owner.filter(is_another).and_then(|owner| self.owned.get(owner));
        let live = of_owner.into_iter().flatten().rev().take_while(|(until, _)| *until > now);
        if live.count() >= bounds::SIGN_INS_OWNED_MAX {
            let bound = bounds::SIGN_INS_OWNED_MAX as u64;
            return Err(StoreError::Full { what: "the sign-ins of one owner", bound });
        }
        Ok(())
    }

    /// Drops some of what is over. It is over after a restart too, so this is not journalled.
    pub(super) fn expire(&mut self, now: Timestamp) {
        for _ in 0..DROPPED_AT_ONCE {
            if self.ends.first().is_none_or(|(until, _)| *until > now) {
                return;
            }
            let Some((_, key)) = self.ends.pop_first() else { return };
            self.forget(&key);
        }
    }

    // === effects ===

    /// The effect of keeping a record; of removing it, if it is over.
    pub(super) fn put(&self, tenant: &TenantId, key: &SignInKey, held: SignIn, now: Timestamp) -> Option<Effect> {
        if held.until <= now { self.removal(tenant, key) } else { Some(put(tenant, key, held)) }
    }

    /// The effect of removing a record, if there is one.
    pub(super) fn removal(&self, tenant: &TenantId, key: &SignInKey) -> Option<Effect> {
        self.held.contains_key(key).then(|| gone(tenant, key))
    }

    pub(super) fn apply_put(&mut self, put: v1::SignInPut) {
        // A later release may have journalled another kind.
        let Some(kind) = SignInKind::named(&put.kind) else { return };
        let key = SignInKey { kind, id: put.id };
        self.forget(&key);
        let until = Timestamp::from_micros(put.until_us);
        let owner = Some(put.owner).filter(|owner| !owner.is_empty());
        if let Some(owner) = &owner {
            self.owned.entry(owner.clone()).or_default().insert((until, key.clone()));
        }
        self.ends.insert((until, key.clone()));
        *self.counts.entry(kind).or_default() += 1;
        self.held.insert(key, SignIn { owner, value: put.value, until });
    }

    pub(super) fn apply_gone(&mut self, gone: v1::SignInGone) {
        let Some(kind) = SignInKind::named(&gone.kind) else { return };
        self.forget(&SignInKey { kind, id: gone.id });
    }

    /// The effects that recreate this table.
    pub(super) fn dump<'a>(&'a self, tenant: &'a TenantId) -> impl Iterator<Item = Effect> + 'a {
        self.held.iter().map(|(key, held)| put(tenant, key, held.clone()))
    }

    /// Removes a record from everywhere.
    fn forget(&mut self, key: &SignInKey) {
        let Some(held) = self.held.remove(key) else { return };
        if let Some(count) = self.counts.get_mut(&key.kind) {
            *count -= 1;
        }
        let end = (held.until, key.clone());
        self.ends.remove(&end);
        let Some(owner) = held.owner else { return };
        if let Some(owned) = self.owned.get_mut(&owner) {
            owned.remove(&end);
            if owned.is_empty() {
                self.owned.remove(&owner);
            }
        }
    }
}

fn put(tenant: &TenantId, key: &SignInKey, held: SignIn) -> Effect {
    Effect::SignIn(v1::SignInPut {
        tenant: tenant.to_string(),
        kind: key.kind.to_string(),
        id: key.id.clone(),
        owner: held.owner.unwrap_or_default(),
        value: held.value,
        until_us: held.until.as_micros(),
    })
}

fn gone(tenant: &TenantId, key: &SignInKey) -> Effect {
    Effect::SignInGone(v1::SignInGone { tenant: tenant.to_string(), kind: key.kind.to_string(), id: key.id.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When all records of a test are over.
    const END: Timestamp = Timestamp::from_micros(10);
    const BEFORE: Timestamp = Timestamp::from_micros(9);

    fn table(kind: SignInKind, count: usize, owner: Option<&str>) -> SignInTable {
        let mut table = SignInTable::default();
        for id in 0..count {
            table.apply_put(v1::SignInPut {
                tenant: "acme".to_owned(),
                kind: kind.to_string(),
                id: id.to_string(),
                owner: owner.unwrap_or_default().to_owned(),
                value: Bytes::new(),
                until_us: END.as_micros(),
            });
        }
        table
    }

    fn is_full(answer: &Result<()>) -> bool {
        matches!(answer, Err(StoreError::Full { .. }))
    }

    #[test]
    fn a_kind_that_is_full_takes_nothing_new_and_the_others_do() {
        let mut table = table(SignInKind::Attempts, bounds::SIGN_INS_MAX, None);
        let another = SignInKey::new(SignInKind::Attempts, "another");
        assert!(is_full(&table.room(&another, None, BEFORE)));
        table.room(&SignInKey::new(SignInKind::Attempts, "7"), None, BEFORE).unwrap();
        table.room(&SignInKey::new(SignInKind::Session, "7"), Some("person/alice"), BEFORE).unwrap();
        table.expire(BEFORE);
        assert!(is_full(&table.room(&another, None, BEFORE)));
        table.expire(END);
        table.room(&another, None, END).unwrap();
        assert_eq!(table.held.len(), bounds::SIGN_INS_MAX - DROPPED_AT_ONCE, "not all at once");
        for _ in 0..bounds::SIGN_INS_MAX / DROPPED_AT_ONCE {
            table.expire(END);
        }
        assert!(table.held.is_empty() && table.ends.is_empty());
    }

    #[test]
    fn an_owner_who_has_enough_gets_no_more_and_others_do() {
        let (owner, max) = ("client/reports", bounds::SIGN_INS_OWNED_MAX);
        let mut table = table(SignInKind::Refresh, max, Some(owner));
        let another = SignInKey::new(SignInKind::Refresh, "another");
        assert!(is_full(&table.room(&another, Some(owner), BEFORE)));
        table.room(&another, Some("client/other"), BEFORE).unwrap();
        table.room(&another, None, BEFORE).unwrap();
        table.room(&SignInKey::new(SignInKind::Refresh, "7"), Some(owner), BEFORE).unwrap();
        table.room(&another, Some(owner), END).unwrap();
        assert_eq!((table.owned(owner, BEFORE).len(), table.owned(owner, END).len()), (max, 0), "they are still there");
        table.apply_gone(v1::SignInGone { tenant: "acme".to_owned(), kind: "refresh".to_owned(), id: "7".to_owned() });
        table.room(&another, Some(owner), BEFORE).unwrap();
        table.expire(END);
        assert!(table.owned.is_empty(), "no name stays");
    }
}
