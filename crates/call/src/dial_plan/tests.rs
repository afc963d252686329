use super::*;

fn dn(text: &str) -> Dn {
    Dn::parse(text).expect("a DN")
}

fn plan() -> TenantPlan {
    TenantPlan {
        numbers: [
            ("+15550100".to_owned(), NumberTarget::Dn(dn("9000"))),
            ("+15550103".to_owned(), NumberTarget::Service(Service::Echo)),
        ]
        .into(),
        extensions: [("7101".to_owned(), Extension { dn: dn("7101"), no_answer_ms: 15_000 })].into(),
        route_points: [(
            "9000".to_owned(),
            RoutePoint { dn: dn("9000"), application: "sales".to_owned(), default_dn: None },
        )]
        .into(),
        feature_codes: [("*50".to_owned(), DialledCode { code: FeatureCode::Login, ask_pin: true })].into(),
        country_prefix: Some("+1".to_owned()),
        national_prefix: Some("0".to_owned()),
        international_prefix: Some("00".to_owned()),
        trunks: Vec::new(),
    }
}

fn outside() -> Caller {
    Caller::Trunk { trunk: "carrier".to_owned(), number: "+4930123456".to_owned() }
}

fn contact() -> Vec<Contact> {
    vec![Contact { uri: "sip:7101@192.0.2.7".to_owned(), path: Vec::new() }]
}

#[test]
fn every_way_of_writing_a_number_leads_to_the_same_destination() {
    let point = Destination::RoutePoint { dn: dn("9000"), application: "sales".to_owned(), default_dn: None };
    for written in [
        "+15550100",
        "tel:+1-555-0100",
        "TEL:+1(555)0100;phone-context=example.com",
        "sip:+15550100@example.com;user=phone",
        "0015550100",
        "05550100",
        "9000",
    ] {
        assert_eq!(resolve(&plan(), &outside(), written, |_| Vec::new()), point, "{written}");
    }
}

#[test]
fn an_extension_brings_its_registrations() {
    let got = resolve(&plan(), &Caller::Phone(dn("7102")), "7101", |asked| {
        assert_eq!(asked.as_str(), "7101");
        contact()
    });
    assert_eq!(got, Destination::Extension { dn: dn("7101"), contacts: contact(), no_answer_ms: 15_000 });
}

#[test]
fn a_service_number_needs_no_application() {
    assert_eq!(resolve(&plan(), &outside(), "+15550103", |_| Vec::new()), Destination::Service(Service::Echo));
}

#[test]
fn feature_codes_are_for_phones_alone() {
    let phone = Caller::Phone(dn("7101"));
    let login = Destination::FeatureCode { code: FeatureCode::Login, ask_pin: true };
    assert_eq!(resolve(&plan(), &phone, "*50", |_| Vec::new()), login);
    assert!(matches!(resolve(&plan(), &outside(), "*50", |_| Vec::new()), Destination::Reject { status: 403, .. }));
}

#[test]
fn an_unknown_number_is_404() {
    for dialled in ["1234", "", "@", "tel:", &"9".repeat(DIALLED_MAX + 1)] {
        assert!(
            matches!(resolve(&plan(), &outside(), dialled, |_| Vec::new()), Destination::Reject { status: 404, .. }),
            "{dialled}"
        );
    }
}

fn trunk(name: &str, prefix: &str, caller_id: Option<&str>) -> OutsideTrunk {
    OutsideTrunk {
        name: name.to_owned(),
        prefix: prefix.to_owned(),
        contact: format!("{name}.example:5060"),
        caller_id: caller_id.map(str::to_owned),
    }
}

/// The trunk and the URI to which a phone's call goes.
fn goes_out(plan: &TenantPlan, dialled: &str) -> Option<(String, String)> {
    match resolve(plan, &Caller::Phone(dn("7101")), dialled, |_| contact()) {
        Destination::Outside(outside) => {
            assert!(outside.contact.path.is_empty());
            Some((outside.trunk, outside.contact.uri))
        }
        _ => None,
    }
}

#[test]
fn a_number_outside_goes_to_the_trunk_with_the_longest_prefix() {
    let mut plan = plan();
    assert_eq!(goes_out(&plan, "+4930123456"), None, "without a trunk there is no way out");
    plan.trunks =
        vec![trunk("world", "+", Some("+15550100")), trunk("berlin", "+4930", None), trunk("again", "+4930", None)];
    let to = |trunk: &str, number: &str| Some((trunk.to_owned(), format!("sip:{number}@{trunk}.example:5060")));
    assert_eq!(goes_out(&plan, "004989123456"), to("world", "+4989123456"));
    assert_eq!(goes_out(&plan, "+49 30 / 12".replace('/', "-").as_str()), to("berlin", "+493012"), "the first of two");
    assert_eq!(goes_out(&plan, "05550199"), to("world", "+15550199"));
    assert_eq!(goes_out(&plan, "+15550100"), None, "the tenant's own numbers stay inside");
    assert_eq!(goes_out(&plan, "7199"), None, "it begins with no trunk's prefix");
    assert_eq!(goes_out(&plan, "+49;x"), to("world", "+49"));
    assert_eq!(goes_out(&plan, "+4930a%0d"), None, "it is no number");
    assert_eq!(goes_out(&plan, "+"), None);
}

#[test]
fn who_calls_from_outside_does_not_go_out_again() {
    let mut plan = plan();
    plan.trunks = vec![trunk("world", "+", None)];
    assert!(matches!(
        resolve(&plan, &outside(), "+4930123456", |_| Vec::new()),
        Destination::Reject { status: 403, .. }
    ));
}
