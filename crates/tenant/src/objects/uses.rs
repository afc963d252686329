//! What refers to an object: whatever would break a rule without it. So a reference that a rule knows is found, and none is listed twice.

use std::collections::HashSet;

use contracts::provisioning::{ObjectKey, ObjectKind, TenantObjects};

use super::ObjectFault;
use crate::file::object_faults;

/// A reference to an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectUse {
    /// Who refers.
    pub key: ObjectKey,
    /// The field of its document, as `agent.skills.Sales`.
    pub field: String,
}

/// What refers to an object, in the order of objects. Nothing refers to the tenant itself.
pub fn uses(held: &TenantObjects, key: &ObjectKey) -> Vec<ObjectUse> {
    if key.kind == ObjectKind::Tenant {
        return Vec::new();
    }
    let before: HashSet<ObjectFault> = object_faults(held, |_| false).into_iter().collect();
    let mut without = held.clone();
    without.remove(key);
    let broken = object_faults(&without, |_| false).into_iter();
    let broken = broken.filter(|fault| fault.key != *key && !before.contains(fault));
    let mut uses: Vec<ObjectUse> = broken.map(|fault| ObjectUse { key: fault.key, field: fault.field }).collect();
    uses.sort();
    uses.dedup();
    uses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_refers_is_named_with_the_field() {
        let text = include_str!("../../../../data/example-tenant.yaml");
        let held = crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example");
        let of = |kind, id: &str| uses(&held, &ObjectKey { kind, id: id.to_owned() });
        let sales = of(ObjectKind::Skill, "Sales");
        assert!(!sales.is_empty() && sales.iter().all(|one| one.field == "agent.skills.Sales"), "{sales:?}");
        let place = of(ObjectKind::Place, "P7101");
        assert_eq!(place.iter().map(|one| one.key.id.as_str()).collect::<Vec<_>>(), ["ada.adler"]);
        assert_eq!((of(ObjectKind::Tenant, ""), of(ObjectKind::Person, "ada.adler")), (Vec::new(), Vec::new()));
    }
}
