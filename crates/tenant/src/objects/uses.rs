//! What refers to an object: whatever would break a rule without it. So a reference that a rule knows is found, and none is listed twice.
//! Applications follow whose documents name it.

mod named;

use std::collections::HashSet;

use contracts::provisioning::{ObjectKey, ObjectKind};
use infra::ObjectChange;

use super::ObjectFault;
use super::affected::broken;
use super::indexed::IndexedTenant;

/// A reference to an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectUse {
    /// Who refers.
    pub key: ObjectKey,
    /// The field of its document, as `agent.skills.Sales`; of what an application's document names the element, as `dialog:play prompts`.
    pub field: String,
    /// No rule knows it: the document of an application names it.
    pub is_named: bool,
}

/// What refers to an object, in the order of objects, of at most so many objects that do; then as many places at most at which applications
/// name it. Nothing refers to the tenant itself.
pub fn uses(held: &IndexedTenant, key: &ObjectKey, referrers_max: usize) -> Vec<ObjectUse> {
    let Some(of) = held.get(key).filter(|_| key.kind != ObjectKind::Tenant) else { return Vec::new() };
    let gone = [ObjectChange::Delete(of.key())];
    let broken = broken(held, &gone, &HashSet::new(), referrers_max).into_iter().filter(|fault| fault.key != *key);
    let mut uses: Vec<ObjectUse> = broken.map(referring).collect();
    uses.sort();
    uses.dedup();
    uses.extend(named::in_applications(held, &of.key(), referrers_max));
    uses
}

fn referring(fault: ObjectFault) -> ObjectUse {
    ObjectUse { key: fault.key, field: fault.field, is_named: false }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use infra::{HistoryPoint, Revision, VersionedObjects};

    use super::*;

    #[test]
    fn who_refers_is_named_with_the_field() {
        let text = include_str!("../../../../data/example-tenant.yaml");
        let objects = crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example");
        let point = HistoryPoint::unstamped(Revision(7));
        let read = VersionedObjects { point, objects, revisions: HashMap::new() };
        let held = IndexedTenant::of(read);
        let of = |kind, id: &str| uses(&held, &ObjectKey { kind, id: id.to_owned() }, usize::MAX);
        let sales = of(ObjectKind::Skill, "Sales");
        assert!(!sales.is_empty() && sales.iter().all(|one| one.field == "agent.skills.Sales"), "{sales:?}");
        let key = ObjectKey { kind: ObjectKind::Skill, id: "Sales".to_owned() };
        assert_eq!(uses(&held, &key, 2).len(), 2, "no more than are asked for");
        let place = of(ObjectKind::Place, "P7101");
        assert_eq!(place.iter().map(|one| one.key.id.as_str()).collect::<Vec<_>>(), ["ada.adler"]);
        assert_eq!((of(ObjectKind::Tenant, ""), of(ObjectKind::Person, "ada.adler")), (Vec::new(), Vec::new()));
    }

    #[test]
    fn an_application_that_names_a_prompt_follows_and_no_rule_is_broken_without_it() {
        let text = include_str!("../../../../data/example-tenant.yaml");
        let document = r#"<scxml><dialog:play prompts="['sales-welcome']"/></scxml>"#;
        let objects = crate::file::read(text, |_| Ok(document.to_owned())).expect("the example");
        let point = HistoryPoint::unstamped(Revision(7));
        let held = IndexedTenant::of(VersionedObjects { point, objects, revisions: HashMap::new() });
        let key = ObjectKey { kind: ObjectKind::Prompt, id: "sales-welcome".to_owned() };
        let found = uses(&held, &key, usize::MAX);
        let named: Vec<_> = found.iter().filter(|one| one.is_named).collect();
        assert!(!named.is_empty() && named.iter().all(|one| one.key.kind == ObjectKind::Application), "{found:?}");
        assert!(named.iter().all(|one| one.field == "dialog:play prompts"), "{named:?}");
        assert!(found.iter().all(|one| one.is_named), "{found:?}");
    }
}
