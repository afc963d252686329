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
