use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn changes_are_those_that_a_look_at_everything_finds(
        history in prop::collection::vec(prop::collection::vec((0_u8..10, any::<bool>()), 0..4), 1..20),
        whole_at in prop::collection::btree_set(1_u64..20, 0..3),
        restored_at in 0_u64..20,
    ) {
        let mut state = ConfigState::default();
        let mut model: BTreeMap<DocumentKey, WrittenDocument> = BTreeMap::new();
        for (revision, documents) in (1_u64..).zip(history) {
            let whole = whole_at.contains(&revision);
            let version = ConfigVersion { generation: 1, revision };
            state.begin(version, whole);
            if whole {
                model.clear();
            }
            for (id, is_there) in documents {
                let (key, written) = (("skill".to_owned(), id.to_string()), (revision, is_there.then(Bytes::new)));
                state.put(key.clone(), written.clone());
                model.insert(key, written);
            }
            if revision == restored_at {
                let mut restored = ConfigState::default();
                restored.begin(version, true);
                for (key, written) in state.documents() {
                    restored.put(key.clone(), written.clone());
                }
                state = restored;
            }
            for after in 0..=revision {
                let reading = state.reading(Some(ConfigVersion { generation: 1, revision: after }));
                let later = model.iter().filter(|(_, (at, _))| *at > after);
                prop_assert_eq!(reading.documents, later.map(document).collect::<Vec<_>>());
                prop_assert_eq!((reading.extent, reading.version), (Extent::Changes, version));
            }
            let whole = state.reading(None);
            let there = model.iter().filter(|(_, (_, body))| body.is_some()).map(document);
            prop_assert_eq!((whole.extent, whole.documents), (Extent::Whole, there.collect::<Vec<_>>()));
        }
    }
}
