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
