//! What must hold for groups of DNs, and wherever a DN of some types is needed.

use std::collections::{HashMap, HashSet};

use contracts::provisioning::{DnGroup, FaultCode, ObjectKind, TenantObjects};

use super::{BrokenRule, Rules};

/// The most bytes of the numbers of a group's members: its document stays well below what an object's may have, whatever in them is escaped
/// there.
const DN_GROUP_BYTES_MAX: usize = 512 << 10;

impl Rules<'_> {
    pub(super) fn dn_groups(&mut self) {
        let objects = self.objects;
        if objects.dn_groups.is_empty() {
            return;
        }
        let types = types_of_dns(objects);
        for group in &objects.dn_groups {
            let bytes: usize = group.members.iter().map(|member| member.dn.len()).sum();
            if bytes > DN_GROUP_BYTES_MAX {
                let words = format!("the numbers of its members have more than {DN_GROUP_BYTES_MAX} bytes");
                let rule = BrokenRule::new(FaultCode::TooLarge, words);
                self.dn_group_fault(group, rule.naming("most", DN_GROUP_BYTES_MAX.to_string()));
            }
            let mut members = HashSet::new();
            for dn in group.members.iter().map(|member| member.dn.as_str()) {
                if !members.insert(dn) {
                    let rule = BrokenRule::new(FaultCode::Twice, format!("the DN {dn} stands there twice"));
                    self.dn_group_fault(group, rule.naming("name", dn));
                } else if let Some(rule) = dn_fault(&types, dn, group.group_type.dn_types()) {
                    self.dn_group_fault(group, rule);
                }
            }
        }
    }

    fn dn_group_fault(&mut self, group: &DnGroup, rule: BrokenRule) {
        self.fault(ObjectKind::DnGroup, &group.name, format!("dn_groups.{}.members", group.name), rule);
    }
}

/// The types of all DNs, by their numbers.
pub(super) fn types_of_dns(objects: &TenantObjects) -> HashMap<&str, &'static str> {
    objects.dns.iter().map(|dn| (dn.number.as_str(), dn.kind.as_str())).collect()
}

/// Why a DN cannot be there, if it cannot: it has to be of one of these types.
pub(super) fn dn_fault(types: &HashMap<&str, &'static str>, dn: &str, wanted: &[&str]) -> Option<BrokenRule> {
    match types.get(dn) {
        None => Some(BrokenRule::unknown(ObjectKind::Dn, dn)),
        Some(of) if wanted.contains(of) => None,
        Some(of) => {
            let names = wanted.join(", ");
            let words = format!("the DN {dn} is of type {of}, and here may be {names}");
            Some(BrokenRule::new(FaultCode::DnType, words).naming("id", dn).naming("names", names))
        }
    }
}
