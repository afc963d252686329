//! Circles of default DNs. Which of its members is told of a circle depends on all that lead into it.

use std::collections::{BTreeSet, HashSet};

use contracts::provisioning::{DnKind, Object, ObjectKey, ObjectKind};

use super::{ChangeSide, ChangedTenant, Sides};
use crate::objects::indexed::Slot;
use crate::objects::ties::TieMark;

impl<'a> ChangedTenant<'a> {
    /// The DNs of circles to which changed DNs lead, before or after, and all that lead into them. Mostly there is none.
    pub(super) fn around_circles(&self) -> BTreeSet<Slot> {
        let changed = self.changed.values().flat_map(Sides::both).filter_map(number_of);
        let starts: BTreeSet<&'a str> = changed.collect();
        let mut waiting: Vec<&'a str> = Vec::new();
        for side in [ChangeSide::Before, ChangeSide::After] {
            waiting.extend(self.circles_from(&starts, side));
        }
        let mut around = BTreeSet::new();
        if waiting.is_empty() {
            return around;
        }
        waiting.extend(starts);
        let mut seen = HashSet::new();
        while let Some(number) = waiting.pop() {
            if !seen.insert(number) {
                continue;
            }
            around.extend(self.held.slot(&dn(number)));
            let leading = self.held.holders(&TieMark::refers_to(ObjectKind::Dn, number));
            let leading = leading.filter_map(|slot| self.held.object(slot));
            waiting.extend(leading.filter(|object| default_of(object) == Some(number)).filter_map(number_of));
        }
        around
    }

    /// The members of the circles to which these DNs lead on a side.
    fn circles_from(&self, starts: &BTreeSet<&'a str>, side: ChangeSide) -> Vec<&'a str> {
        let (mut seen, mut circles) = (HashSet::new(), Vec::new());
        for start in starts {
            let (mut way, mut at) = (Vec::new(), Some(*start));
            while let Some(here) = at.filter(|here| seen.insert(*here)) {
                way.push(here);
                at = self.default_at(here, side);
            }
            if let Some(begin) = at.and_then(|here| way.iter().position(|number| *number == here)) {
                circles.extend(way.into_iter().skip(begin));
            }
        }
        circles
    }

    /// The default DN of a DN on a side.
    fn default_at(&self, number: &str, side: ChangeSide) -> Option<&'a str> {
        let object = match self.held.slot(&dn(number)) {
            Some(slot) => self.object(slot, side),
            // It is new, or not there at all.
            None => self.new_dns.get(number).copied().filter(|_| side == ChangeSide::After),
        };
        object.and_then(default_of)
    }
}

fn dn(number: &str) -> ObjectKey {
    ObjectKey { kind: ObjectKind::Dn, id: number.to_owned() }
}

fn number_of(object: &Object) -> Option<&str> {
    match object {
        Object::Dn(dn) => Some(&dn.number),
        _ => None,
    }
}

fn default_of(object: &Object) -> Option<&str> {
    match object {
        Object::Dn(dn) => match &dn.kind {
            DnKind::RoutePoint { default_dn, .. } => default_dn.as_deref(),
            _ => None,
        },
        _ => None,
    }
}
