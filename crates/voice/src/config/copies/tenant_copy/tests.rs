use std::collections::BTreeMap;

use infra::Document;
use proptest::prelude::*;

use super::*;

fn key(number: u8) -> ObjectKey {
    ObjectKey { kind: ObjectKind::Skill, id: number.to_string() }
}

/// The objects that a revision changes: whether each is there then.
fn revision() -> impl Strategy<Value = Vec<(u8, bool)>> {
    prop::collection::vec((0_u8..12, any::<bool>()), 0..5)
}

fn document(number: u8, revision: u64, is_there: bool) -> Document {
    let body = is_there.then(|| format!(r#"{{"name":"{number}"}}"#).into_bytes().into());
    Document { kind: "skill".to_owned(), id: number.to_string(), revision, body }
}

proptest! {
    #[test]
    fn what_changed_after_a_version_is_told_or_everything(
        history in prop::collection::vec(revision(), 1..20), whole_at in 0_u64..10,
    ) {
        let mut model: BTreeMap<u8, (u64, bool)> = BTreeMap::new();
        let mut copy: Option<TenantCopy> = None;
        for (number, changes) in (1_u64..).zip(history) {
            for (object, is_there) in changes {
                model.insert(object, (number, is_there));
            }
            if number < whole_at {
                continue;
            }
            let version = ConfigVersion { generation: 3, revision: number };
            let extent = if copy.is_some() { Extent::Changes } else { Extent::Whole };
            let is_read = |(_, (at, is_there)): &(&u8, &(u64, bool))| match extent {
                Extent::Whole => *is_there,
                Extent::Changes => *at == number,
            };
            let read = model.iter().filter(is_read).map(|(object, (at, is_there))| document(*object, *at, *is_there));
            copy = Some(TenantCopy::after(copy.as_ref(), Reading { version, extent, documents: read.collect() }));
            let Some(copy) = &copy else { continue };
            for after in 0..=number + 1 {
                let version = ConfigVersion { generation: 3, revision: after };
                let told = copy.changed_after(version);
                prop_assert_eq!(told.is_some(), after >= whole_at.max(1) && after <= number, "after {}", after);
                let Some(told) = told else { continue };
                let told: Vec<_> = told.into_iter().map(|(key, object)| (key.clone(), object.is_some())).collect();
                let later = model.iter().filter(|(_, (at, _))| *at > after);
                let mut expected: Vec<_> = later.map(|(object, (_, is_there))| (key(*object), *is_there)).collect();
                expected.sort();
                prop_assert_eq!(told, expected);
            }
            let mut there: Vec<_> = model.iter().filter(|(_, (_, is_there))| *is_there).map(|(o, _)| key(*o)).collect();
            there.sort();
            prop_assert!(copy.keys().eq(there.iter()));
        }
    }
}

#[test]
fn of_another_generation_everything_is_told() {
    let reading = |generation| Reading {
        version: ConfigVersion { generation, revision: 4 },
        extent: Extent::Whole,
        documents: vec![document(1, 4, true)],
    };
    let first = TenantCopy::after(None, reading(1));
    assert!(first.changed_after(ConfigVersion { generation: 1, revision: 4 }).is_some_and(|told| told.is_empty()));
    let then = TenantCopy::after(Some(&first), reading(2));
    assert!(then.changed_after(ConfigVersion { generation: 1, revision: 4 }).is_none());
    assert!(then.changed_after(ConfigVersion { generation: 2, revision: 3 }).is_none(), "who knows what went before");
}
