//! Access groups that lead to each other. Whether a group is in a circle depends on all to which it leads.

use std::collections::BTreeSet;

use contracts::provisioning::{Object, ObjectKey, ObjectKind};

use super::{ChangeSide, ChangedTenant};
use crate::objects::indexed::Slot;

impl ChangedTenant<'_> {
    /// The access groups to which changed ones lead, before or after: a circle that a change makes is among them.
    pub(super) fn around_access_groups(&self) -> BTreeSet<Slot> {
        let changed = self.changed.keys().copied();
        let mut waiting: Vec<Slot> = changed.filter(|slot| self.both(*slot).any(is_access_group)).collect();
        let mut around = BTreeSet::new();
        while let Some(slot) = waiting.pop() {
            if !around.insert(slot) {
                continue;
            }
            let groups = self.both(slot).flat_map(groups_of);
            waiting.extend(groups.filter_map(|group| self.slot_of_group(group)));
        }
        around
    }

    fn slot_of_group(&self, name: &str) -> Option<Slot> {
        let key = ObjectKey { kind: ObjectKind::AccessGroup, id: name.to_owned() };
        self.held.slot(&key).or_else(|| {
            // It is new.
            let is_meant =
                |slot: &Slot| self.object(*slot, ChangeSide::After).is_some_and(|object| object.key() == key);
            self.changed.keys().copied().find(is_meant)
        })
    }
}

fn is_access_group(object: &Object) -> bool {
    matches!(object, Object::AccessGroup(_))
}

fn groups_of(object: &Object) -> &[String] {
    match object {
        Object::AccessGroup(group) => &group.groups,
        _ => &[],
    }
}
