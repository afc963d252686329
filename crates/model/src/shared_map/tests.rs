use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Each chunk has entries and not too many, and no two neighbours are small.
fn is_sound<K: Ord, V>(map: &SharedMap<K, V>) -> bool {
    let sizes: Vec<usize> = map.chunks.iter().map(|chunk| chunk.len()).collect();
    let keys: Vec<&K> = map.keys().collect();
    sizes.iter().all(|size| (1..=CHUNK_MAX).contains(size))
        && sizes.windows(2).all(|pair| pair[0] + pair[1] > PAIR_MIN)
        && sizes.iter().sum::<usize>() == map.len()
        && keys.windows(2).all(|pair| pair[0] < pair[1])
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u16, u8),
    Remove(u16),
    /// A whole range goes, or comes in order.
    Clear(u16),
    Fill(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0_u16..1_500;
    prop_oneof![
        8 => (key.clone(), any::<u8>()).prop_map(|(key, value)| Step::Insert(key, value)),
        6 => key.clone().prop_map(Step::Remove),
        1 => key.clone().prop_map(Step::Clear),
        2 => key.prop_map(Step::Fill),
    ]
}

fn apply(step: &Step, map: &mut SharedMap<u16, u8>, model: &mut BTreeMap<u16, u8>) {
    match *step {
        Step::Insert(key, value) => assert_eq!(map.insert(key, value), model.insert(key, value)),
        Step::Remove(key) => assert_eq!(map.remove(&key), model.remove(&key)),
        Step::Clear(from) => {
            for key in from..from + 300 {
                assert_eq!(map.remove(&key), model.remove(&key));
            }
        }
        Step::Fill(from) => {
            for key in from..from + 400 {
                assert_eq!(map.insert(key, 7), model.insert(key, 7));
            }
        }
    }
}

proptest! {
    #[test]
    fn it_is_what_an_ordered_map_is(steps in prop::collection::vec(step(), 1..60), from in 0_u16..1_600) {
        let (mut map, mut model) = (SharedMap::new(), BTreeMap::new());
        for step in &steps {
            apply(step, &mut map, &mut model);
            prop_assert!(is_sound(&map));
        }
        prop_assert!(map.iter().eq(model.iter()));
        prop_assert!(map.range_from(Bound::Included(&from)).eq(model.range(from..)));
        prop_assert!(map.range_from(Bound::Excluded(&from)).eq(model.range((Bound::Excluded(from), Bound::Unbounded))));
        prop_assert_eq!(map.get(&from), model.get(&from));
        prop_assert_eq!(&map, &model.into_iter().collect::<SharedMap<u16, u8>>());
    }

    #[test]
    fn what_differs_is_found_and_the_state_before_stays_as_it_was(
        first in prop::collection::vec(step(), 1..30),
        then in prop::collection::vec(step(), 0..30),
    ) {
        let (mut map, mut model) = (SharedMap::new(), BTreeMap::new());
        for step in &first {
            apply(step, &mut map, &mut model);
        }
        let (before, model_before) = (map.clone(), model.clone());
        for step in &then {
            apply(step, &mut map, &mut model);
        }
        prop_assert!(before.iter().eq(model_before.iter()));
        let all: std::collections::BTreeSet<u16> = model.keys().chain(model_before.keys()).copied().collect();
        let expected: Vec<_> = all.iter().map(|key| (*key, model_before.get(key), model.get(key))).collect();
        let expected: Vec<_> = expected.into_iter().filter(|(_, before, now)| before != now).collect();
        let found = map.differences(&before, |one, other| one == other);
        let found: Vec<_> = found.iter().map(|found| (*found.key, found.before, found.now)).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_change_copies_one_chunk_and_is_found_without_a_look_at_the_others() {
    let before: SharedMap<u32, u32> = (0..100_000).map(|number| (number, number)).collect();
    assert_eq!(before.chunks.len(), 100_000_usize.div_ceil(CHUNK_MAX), "what comes in order fills its chunks");
    let mut now = before.clone();
    now.insert(70_000, 1);
    let is_shared = |(one, other): &(&Chunk<u32, u32>, &Chunk<u32, u32>)| Arc::ptr_eq(one, other);
    let shared = now.chunks.iter().zip(before.chunks.iter()).filter(is_shared).count();
    assert_eq!(shared + 1, before.chunks.len());
    let compared = std::cell::Cell::new(0);
    let found = now.differences(&before, |one, other| {
        compared.set(compared.get() + 1);
        one == other
    });
    assert_eq!(found, [Difference { key: &70_000, before: Some(&70_000), now: Some(&1) }]);
    assert!(compared.get() <= CHUNK_MAX);
}

#[test]
fn an_inserted_entry_leaves_the_chunks_behind_it_shared() {
    let before: SharedMap<u32, u32> = (0..10_000).map(|number| (number * 2, number)).collect();
    let mut now = before.clone();
    now.insert(1_001, 0);
    let compared = std::cell::Cell::new(0);
    let found = now.differences(&before, |_, _| {
        compared.set(compared.get() + 1);
        true
    });
    assert_eq!(found, [Difference { key: &1_001, before: None, now: Some(&0) }]);
    assert!(compared.get() <= CHUNK_MAX, "{}", compared.get());
}
