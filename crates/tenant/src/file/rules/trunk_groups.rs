//! What must hold for groups of trunks.

use std::collections::{HashMap, HashSet};

use contracts::provisioning::{FaultCode, ObjectKind, Trunk, TrunkGroup};

use super::dialling::is_dialled;
use super::{BrokenRule, Rules};

impl Rules<'_> {
    /// A group has trunks by which calls go out, each once.
    pub(super) fn trunk_groups(&mut self) {
        let objects = self.objects;
        let trunks: HashMap<&str, &Trunk> = objects.trunks.iter().map(|trunk| (trunk.name.as_str(), trunk)).collect();
        for group in &objects.trunk_groups {
            if group.prefix.is_empty() {
                self.trunk_group_fault(group, "prefix", BrokenRule::needed());
            } else if !group.prefix.bytes().all(is_dialled) {
                let rule = BrokenRule::new(FaultCode::Dialled, "it may have digits, +, * and #");
                self.trunk_group_fault(group, "prefix", rule);
            }
            if group.members.is_empty() {
                let rule = BrokenRule::new(FaultCode::Needed, "it names no trunk");
                self.trunk_group_fault(group, "members", rule);
            }
            let mut members = HashSet::new();
            for name in group.members.iter().map(|member| member.trunk.as_str()) {
                let known = trunks.get(name);
                if !members.insert(name) {
                    let rule = BrokenRule::new(FaultCode::Twice, format!("the trunk {name} stands there twice"));
                    self.trunk_group_fault(group, "members", rule.naming("name", name));
                } else if known.is_none() {
                    self.trunk_group_fault(group, "members", BrokenRule::unknown(ObjectKind::Trunk, name));
                } else if known.is_some_and(|trunk| trunk.outgoing().is_none()) {
                    let words = format!("no call goes out by the trunk {name}: it needs `contact` and `prefix`");
                    self.trunk_group_fault(group, "members", BrokenRule::new(FaultCode::NoWayOut, words));
                }
            }
        }
    }

    fn trunk_group_fault(&mut self, group: &TrunkGroup, field: &str, rule: BrokenRule) {
        self.fault(ObjectKind::TrunkGroup, &group.name, format!("trunk_groups.{}.{field}", group.name), rule);
    }
}
