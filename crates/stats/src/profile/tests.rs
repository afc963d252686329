use proptest::prelude::*;

use super::*;

const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

/// One hour ahead of UTC until 2026-03-29 01:00 UTC, two until 2026-10-25 01:00 UTC, then one.
fn zone() -> Zone {
    Zone::new(vec![(at(1_761_440_400), 3_600), (at(1_774_746_000), 7_200), (at(1_792_890_000), 3_600)])
}

#[test]
fn a_growing_profile_begins_at_the_tenants_midnight() {
    // 2026-03-10 00:30 local time is 2026-03-09 23:30 UTC.
    let (begin, end) = Profile::interval(&[0], &zone(), at(1_773_099_000));
    assert_eq!((begin, end), (at(1_773_097_200), at(1_773_183_600)));
}

#[test]
fn the_day_of_a_change_of_clocks_has_23_or_25_hours() {
    for (noon, hours) in [(1_774_778_400, 23), (1_792_926_000, 25)] {
        let (begin, end) = Profile::interval(&[0], &zone(), at(noon));
        assert_eq!(end.since(begin), Duration::from_secs(hours * 3_600), "{noon}");
    }
}

#[test]
fn a_reset_that_the_clocks_skip_comes_at_the_change() {
    // 02:30 does not exist on 2026-03-29.
    let (begin, _) = Profile::interval(&[9_000], &zone(), at(1_774_778_400));
    assert_eq!(begin, at(1_774_746_000));
}

#[test]
fn periods_are_spelt_out() {
    assert_eq!(Profile::growing("00:00 +6:00"), Ok(Profile::Growing { resets: vec![0, 21_600, 43_200, 64_800] }));
    assert_eq!(Profile::growing("08:30, 17:00"), Ok(Profile::Growing { resets: vec![30_600, 61_200] }));
    for bad in ["", "25:00", "08:61", "00:00 +0:00", "x"] {
        assert!(Profile::growing(bad).is_err(), "{bad}");
    }
}

/// The interval by looking at every reset of the days around.
fn interval_by_all(resets: &[u32], zone: &Zone, at: Timestamp) -> (Timestamp, Timestamp) {
    let local = i64::try_from(at.as_micros()).unwrap() + zone.offset_us(at);
    let midnight = local.div_euclid(DAY_US) * DAY_US;
    let days = [-1, 0, 1, 2].into_iter();
    let moments: Vec<Timestamp> = days
        .flat_map(|day| resets.iter().map(move |reset| midnight + day * DAY_US + i64::from(*reset) * 1_000_000))
        .map(|local| zone.moment(local))
        .collect();
    let begin = moments.iter().copied().filter(|moment| *moment <= at).max();
    let end = moments.iter().copied().filter(|moment| *moment > at).min();
    (begin.unwrap_or(Timestamp::ZERO), end.unwrap_or(Timestamp::MAX))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Also around the changes of clocks, for which half of the times are near them.
    #[test]
    fn an_interval_is_the_one_that_all_resets_give(
        resets in proptest::collection::btree_set(0_u32..86_400, 1..20),
        near in proptest::sample::select(vec![1_774_746_000_u64, 1_792_890_000, 1_773_099_000, 1_780_000_000]),
        off in 0_u64..400_000,
    ) {
        let resets: Vec<u32> = resets.into_iter().collect();
        let now = at(near + off - 200_000);
        prop_assert_eq!(Profile::interval(&resets, &zone(), now), interval_by_all(&resets, &zone(), now));
    }
}
