use super::*;

#[test]
fn what_config_does_not_serve_is_behind_until_it_does() {
    let metrics = Metrics::register(&runtime::Metrics::default());
    let tenant = TenantId::parse("acme").unwrap();
    let published = Published::from([(tenant.clone(), ConfigVersion { generation: 2, revision: 3 })]);
    let mut behind = BTreeMap::new();
    let mut look = |version: Option<&str>, at_s: u64| {
        let tenants = version.map(|version| ("acme".to_owned(), version.to_owned())).into_iter().collect();
        let versions = Versions { etag: "x".to_owned(), tenants };
        compare(&published, &versions, &mut behind, Timestamp::from_millis(at_s * 1_000), &metrics);
        behind.get(&tenant).map(|behind| (behind.since.as_millis() / 1_000, behind.told))
    };
    assert_eq!(look(None, 1), Some((1, false)));
    assert_eq!(look(Some("1-9"), 5), Some((1, false)), "a restored tenant counts on from an earlier revision");
    assert_eq!(look(Some("nonsense"), 6), Some((1, true)));
    assert_eq!(look(Some("2-3"), 7), None);
    assert_eq!(look(Some("3-1"), 8), None);
    assert_eq!(metrics.served.get(), 2);
}
