//! The calls that the node owns, with their dialogs, their timers and the list of those that the next batch stores.

use std::collections::{BTreeSet, HashMap, hash_map};

use call::CallSnapshot;
use infra::CallIndex;
use model::{ConnId, Dn, LegId, TenantId, Timestamp};
use sip::agent::DialogId;

use super::call::{Entry, Stored};
use super::leg::{Leg, Place};
use super::leg_counts::{LegCounts, LegPurpose};

/// The calls.
#[derive(Default)]
pub struct Calls {
    entries: HashMap<ConnId, Entry>,
    /// The threads that a phone is or was in, or that are or were parked at a slot.
    phones: HashMap<(TenantId, Dn), Vec<ConnId>>,
    /// The thread of each further call.
    threads: HashMap<ConnId, ConnId>,
    /// The leg of each dialog.
    dialogs: HashMap<DialogId, Place>,
    /// Calls with a timer, by due time.
    due: BTreeSet<(Timestamp, ConnId)>,
    /// Calls that the next batch stores.
    changed: Vec<ConnId>,
    /// For what legs count.
    counts: LegCounts,
}

impl Calls {
    /// A call.
    pub fn get(&self, conn_id: &ConnId) -> Option<&Entry> {
        self.entries.get(conn_id)
    }

    /// A call.
    pub fn get_mut(&mut self, conn_id: &ConnId) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(conn_id)?;
        self.counts.touch(*conn_id);
        Some(entry)
    }

    /// Whether the call is here.
    pub fn contains_key(&self, conn_id: &ConnId) -> bool {
        self.entries.contains_key(conn_id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All calls, in no order.
    pub fn iter(&self) -> hash_map::Iter<'_, ConnId, Entry> {
        self.entries.iter()
    }

    /// All calls, in no order.
    pub fn values(&self) -> hash_map::Values<'_, ConnId, Entry> {
        self.entries.values()
    }

    /// How many legs count for that, those that are being hung up excluded.
    pub fn count(&mut self, counted: &LegPurpose) -> u32 {
        self.count_anew();
        self.counts.of(counted)
    }

    /// Counts the threads that may have changed.
    fn count_anew(&mut self) {
        for conn_id in self.counts.take_stale() {
            if let Some(entry) = self.entries.get(&conn_id) {
                self.counts.count(conn_id, entry);
            }
        }
    }

    /// A leg of a call.
    pub fn leg(&self, conn_id: ConnId, id: LegId) -> Option<&Leg> {
        self.get(&conn_id)?.leg(id)
    }

    /// A leg of a call.
    pub fn leg_mut(&mut self, conn_id: ConnId, id: LegId) -> Option<&mut Leg> {
        self.get_mut(&conn_id)?.leg_mut(id)
    }

    /// Adds a call.
    pub fn insert(&mut self, conn_id: ConnId, entry: Entry) {
        let legs: Vec<LegId> = entry.legs.iter().map(|leg| leg.id).collect();
        self.entries.insert(conn_id, entry);
        self.counts.touch(conn_id);
        legs.into_iter().for_each(|leg| self.know_phone(conn_id, leg));
    }

    /// Removes a call and its timer.
    pub fn remove(&mut self, conn_id: ConnId) -> Option<Entry> {
        let entry = self.entries.remove(&conn_id)?;
        self.counts.forget(conn_id);
        for name in &entry.names {
            if self.threads.get(name) == Some(&conn_id) {
                self.threads.remove(name);
            }
        }
        for dn in &entry.phones {
            self.forget_phone((entry.tenant.clone(), dn.clone()), conn_id);
        }
        if let Some(armed) = entry.armed {
            self.due.remove(&(armed, conn_id));
        }
        Some(entry)
    }

    /// Removes a thread whose calls go on in another one.
    pub fn take_out(&mut self, conn_id: ConnId) -> Option<Entry> {
        self.unmark(conn_id);
        self.remove(conn_id)
    }

    /// The ids that lead to a thread: its own and those of further calls, also of some that are over.
    pub fn names_of(&self, thread: ConnId) -> Vec<ConnId> {
        let further = self.entries.get(&thread).map(|entry| entry.names.as_slice()).unwrap_or_default();
        std::iter::once(thread).chain(further.iter().copied()).collect()
    }

    /// What led to the thread `from` leads to this one, here and in the index of the ledger, which moves the other keys by itself.
    pub fn know_names(&mut self, conn_id: ConnId, from: ConnId, names: &[ConnId]) {
        for name in names {
            self.lead(*name, conn_id);
        }
        if let Some(entry) = self.entries.get_mut(&conn_id) {
            entry.index.push(CallIndex::Call(from));
        }
    }

    /// The id of a further call, or of a thread that another one has taken in, leads to a thread. Returns whether it has not done so before.
    pub fn lead(&mut self, name: ConnId, thread: ConnId) -> bool {
        let Some(entry) = self.entries.get_mut(&thread) else { return false };
        let is_new = self.threads.insert(name, thread) != Some(thread);
        if is_new {
            entry.names.push(name);
        }
        is_new
    }

    /// The thread to which a call belongs, by the ConnID of its first call.
    pub fn thread_of(&self, conn_id: ConnId) -> Option<ConnId> {
        let first = self.entries.contains_key(&conn_id).then_some(conn_id);
        first.or_else(|| self.threads.get(&conn_id).copied())
    }

    /// Makes the further calls of a thread known by their own ids, here and in the index of the ledger; not those that the dial plan may
    /// still refuse.
    pub fn know_calls_of(&mut self, conn_id: ConnId) {
        let Some(entry) = self.entries.get(&conn_id) else { return };
        let further = |call: &&CallSnapshot| call.conn_id != conn_id && !call.stage_is_asking();
        let names: Vec<ConnId> = entry.thread.calls().filter(further).map(|call| call.conn_id).collect();
        let slots: Vec<Dn> = entry.thread.parked_slots().cloned().collect();
        for call in names {
            if self.lead(call, conn_id)
                && let Some(entry) = self.entries.get_mut(&conn_id)
            {
                entry.index.push(CallIndex::Call(call));
            }
        }
        for slot in slots {
            self.know_number(conn_id, slot);
        }
    }

    // ---- phones

    /// A leg is that of a phone, which may make further calls.
    pub fn know_phone(&mut self, conn_id: ConnId, leg: LegId) {
        let Some(entry) = self.entries.get_mut(&conn_id) else { return };
        let target = entry.leg(leg).and_then(|leg| leg.target.as_ref()).map(|target| target.dn.clone());
        let Some(dn) = target.or_else(|| entry.thread.dn_on(leg).cloned()) else { return };
        self.know_number(conn_id, dn);
    }

    /// A number leads to the thread: that of a phone, or of a slot at which a call is parked.
    fn know_number(&mut self, conn_id: ConnId, dn: Dn) {
        let Some(entry) = self.entries.get_mut(&conn_id) else { return };
        if !entry.phones.contains(&dn) {
            entry.phones.push(dn.clone());
            self.phones.entry((entry.tenant.clone(), dn)).or_default().push(conn_id);
        }
    }

    fn forget_phone(&mut self, key: (TenantId, Dn), conn_id: ConnId) {
        if let hash_map::Entry::Occupied(mut threads) = self.phones.entry(key) {
            threads.get_mut().retain(|thread| *thread != conn_id);
            if threads.get().is_empty() {
                threads.remove();
            }
        }
    }

    /// The latest thread in which a phone talks, and which takes a further call of it.
    pub fn thread_of_phone(&self, tenant: &TenantId, dn: &Dn) -> Option<ConnId> {
        let threads = self.phones.get(&(tenant.clone(), dn.clone()))?;
        let takes = |conn_id: &&ConnId| {
            let takes = |entry: &Entry| entry.stored == Stored::Live && entry.thread.takes_call_of(dn);
            self.get(conn_id).is_some_and(takes)
        };
        threads.iter().rev().find(takes).copied()
    }

    /// The thread and the leg that ring at a phone, the one that has rung for longest.
    pub fn ringing_at(&self, tenant: &TenantId, dn: &Dn) -> Option<(ConnId, LegId)> {
        let threads = self.phones.get(&(tenant.clone(), dn.clone()))?;
        threads.iter().find_map(|thread| Some((*thread, self.get(thread)?.thread.ringing_at(dn)?)))
    }

    /// The thread with a call that is parked at that slot.
    pub fn parked_at(&self, tenant: &TenantId, slot: &Dn) -> Option<ConnId> {
        let threads = self.phones.get(&(tenant.clone(), slot.clone()))?;
        let is_it = |thread: &&ConnId| self.get(thread).is_some_and(|entry| entry.thread.is_parked_at(slot));
        threads.iter().find(is_it).copied()
    }

    // ---- dialogs

    /// The leg that a dialog belongs to.
    pub fn place_of(&self, dialog: DialogId) -> Option<Place> {
        self.dialogs.get(&dialog).copied()
    }

    /// A leg has a dialog.
    pub fn bind(&mut self, dialog: DialogId, place: Place) {
        self.dialogs.insert(dialog, place);
    }

    /// A dialog is over, or no longer waited for.
    pub fn unbind(&mut self, dialog: DialogId) {
        self.dialogs.remove(&dialog);
    }

    /// The same for every dialog of a call.
    pub fn unbind_all_of(&mut self, conn_id: ConnId) {
        self.dialogs.retain(|_, place| place.conn_id != conn_id);
    }

    // ---- timers

    /// Arms the timer of the call's model as it is now.
    pub fn arm(&mut self, conn_id: ConnId) {
        let Some(entry) = self.entries.get_mut(&conn_id) else { return };
        let next = entry.thread.next_timeout();
        if entry.armed != next {
            if let Some(armed) = entry.armed {
                self.due.remove(&(armed, conn_id));
            }
            if let Some(next) = next {
                self.due.insert((next, conn_id));
            }
            entry.armed = next;
        }
    }

    /// When the next timer is due.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The timers that are due, at most so many.
    pub fn due(&self, now: Timestamp, most: usize) -> Vec<(Timestamp, ConnId)> {
        self.due.iter().take_while(|(due, _)| *due <= now).take(most).copied().collect()
    }

    /// A timer is being served.
    pub fn disarm(&mut self, timer: (Timestamp, ConnId)) {
        self.due.remove(&timer);
    }

    // ---- changes

    /// Adds the call to the next batch.
    pub fn mark(&mut self, conn_id: ConnId) {
        if let Some(entry) = self.entries.get_mut(&conn_id)
            && !std::mem::replace(&mut entry.dirty, true)
        {
            self.changed.push(conn_id);
        }
    }

    /// Removes a call that is no longer here from the next batch.
    pub fn unmark(&mut self, conn_id: ConnId) {
        self.changed.retain(|changed| *changed != conn_id);
    }

    /// Whether the next batch stores something.
    pub const fn is_one_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Takes the calls that the batch stores.
    pub fn take_changed(&mut self) -> Vec<ConnId> {
        std::mem::take(&mut self.changed)
    }

    /// Whether what legs count for is as if all were counted now.
    #[cfg(test)]
    pub fn counts_are_right(&mut self) -> bool {
        self.count_anew();
        self.counts.are_those_of(self.entries.values())
    }

    /// Whether what the legs of a call count for is to be counted anew.
    #[cfg(test)]
    pub fn is_one_stale(&self) -> bool {
        self.counts.is_one_stale()
    }

    /// How many dialogs and timers there are.
    #[cfg(test)]
    pub fn dialogs_and_timers(&self) -> (usize, usize) {
        (self.dialogs.len(), self.due.len())
    }
}
