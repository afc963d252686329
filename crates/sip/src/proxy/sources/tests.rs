use super::*;

fn source(n: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, n])
}

fn limits() -> Limits {
    Limits { source_requests_per_s: 10, sources: 4, ..Limits::default() }
}

#[test]
fn a_flood_is_refused_then_dropped_and_another_source_is_served() {
    let mut sources = Sources::new(limits());
    let now = Timestamp::from_millis(1_000);
    let outcomes: Vec<_> = (0..30).map(|_| sources.admit(source(1), Rate::Anybody, now)).collect();
    assert!(outcomes[..10].iter().all(|o| *o == RateVerdict::Admitted));
    assert!(outcomes[10..20].iter().all(|o| *o == RateVerdict::Refused));
    assert!(outcomes[20..].iter().all(|o| *o == RateVerdict::Dropped));
    assert_eq!(sources.admit(source(2), Rate::Anybody, now), RateVerdict::Admitted);
    assert_eq!(sources.admit(source(1), Rate::Anybody, now + Duration::from_millis(101)), RateVerdict::Admitted);
}

#[test]
fn the_table_of_sources_does_not_grow() {
    let mut sources = Sources::new(limits());
    for n in 0..200 {
        sources.admit(source(n), Rate::Anybody, Timestamp::from_millis(u64::from(n)));
    }
    assert!((2..=4).contains(&sources.len()));
}

#[test]
fn one_ipv6_network_is_one_source() {
    let mut sources = Sources::new(Limits { source_requests_per_s: 1, ..limits() });
    let now = Timestamp::from_millis(1_000);
    assert_eq!(sources.admit("2001:db8::1".parse().unwrap(), Rate::Anybody, now), RateVerdict::Admitted);
    assert_eq!(sources.admit("2001:db8::2".parse().unwrap(), Rate::Anybody, now), RateVerdict::Refused);
    // IPv4 peers of a dual-stack listener are separate sources.
    assert_eq!(sources.admit("::ffff:192.0.2.1".parse().unwrap(), Rate::Anybody, now), RateVerdict::Admitted);
    assert_eq!(sources.admit("::ffff:192.0.2.2".parse().unwrap(), Rate::Anybody, now), RateVerdict::Admitted);
}
