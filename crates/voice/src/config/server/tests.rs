use contracts::provisioning::{Application, Skill};

use super::*;

#[test]
fn the_etag_of_thousands_of_tenants_is_short_and_tells_every_change() {
    let mut versions: BTreeMap<String, String> =
        (0..10_000).map(|n| (format!("tenant-{n}"), "1-1".to_owned())).collect();
    let before = etag(&versions);
    assert_eq!(before.len(), 2 * ETAG_BYTES);
    versions.insert("tenant-7".to_owned(), "1-2".to_owned());
    assert_ne!(etag(&versions), before);
}

/// A tenant with this number of applications of 150 kB, half of them of revision 2, and a removed skill.
fn large(applications: u64) -> TenantCopy {
    let document = "<!-- \u{1} -->".repeat(15_000);
    let objects = (0..applications).map(|n| {
        let name = format!("application {n:03}/é");
        (1 + n % 2, Object::Application(Application::new(name, document.clone())))
    });
    let skill = (1, Object::Skill(Skill { name: "sales".to_owned() }));
    let gone = [(2, ObjectKey { kind: ObjectKind::Prompt, id: "welcome".to_owned() })];
    let version = ConfigVersion { generation: 1, revision: 2 };
    TenantCopy::of(version, objects.chain([skill]), gone)
}

fn all_pages(copy: &TenantCopy, after: Option<&str>) -> (Vec<String>, usize) {
    let (mut from, mut seen, mut greatest) = (Some(String::new()), Vec::new(), 0);
    while from.is_some() {
        let query = ObjectsQuery { after: after.map(ToOwned::to_owned), kinds: None, from };
        let page = changes(copy, &Wanted::of(&query).unwrap());
        greatest = greatest.max(serde_json::to_vec(&page).unwrap().len());
        seen.extend(page.objects.iter().chain(&page.gone).map(|listed| listed.id.clone()));
        from = page.next;
    }
    (seen, greatest)
}

#[test]
fn a_tenants_objects_come_in_pages_that_can_be_read() {
    let copy = large(115);
    let (mut seen, greatest) = all_pages(&copy, None);
    assert!(greatest < 8 << 20, "a page has {greatest} bytes");
    seen.sort_unstable();
    let mut expected: Vec<String> = copy.keys().map(|key| key.id.clone()).collect();
    expected.sort_unstable();
    assert_eq!(seen, expected, "each object once");

    let (changed, _) = all_pages(&copy, Some("1-1"));
    assert_eq!(changed.len(), 57 + 1, "what came with revision 2, and what went");
}

#[test]
fn the_password_of_a_trunk_is_in_no_list_of_objects() {
    let trunk = contracts::provisioning::Trunk {
        name: "carrier".to_owned(),
        allow: Vec::new(),
        certificate_names: Vec::new(),
        inbound_user: Some("pbx".to_owned()),
        inbound_password: Some(contracts::provisioning::Secret("hush-hush".to_owned())),
        contact: None,
        prefix: None,
        caller_id: None,
        priority: None,
        weight: None,
        try_s: None,
        user: Some("trunk-user".to_owned()),
        password: Some(contracts::provisioning::Secret("hush-hush".to_owned())),
        calls_max: None,
        early_speech: false,
        direct_media: false,
        options: false,
        register: false,
        encryption: contracts::provisioning::Encryption::Off,
        codecs: Vec::new(),
        dtmf: None,
        session_expires_s: None,
        reliable: None,
        calls_per_second: None,
        drain: false,
        asserts_identity: false,
        auth_user: None,
        domain: None,
        diversion: contracts::provisioning::DiversionForm::default(),
        user_to_user: false,
        location: false,
        headers: Vec::new(),
        stir: contracts::provisioning::Stir {
            sign: Some(contracts::provisioning::StirSign {
                certificate_url: "https://certificates.example/shaken.pem".to_owned(),
                private_key: Some(contracts::provisioning::Secret("hush-hush".to_owned())),
                certificate: None,
            }),
            ..contracts::provisioning::Stir::default()
        },
    };
    let object = Object::Trunk(Box::new(trunk));
    let version = ConfigVersion { generation: 1, revision: 1 };
    let copy = TenantCopy::of(version, [(1, object.clone())], []);
    let query = ObjectsQuery { after: None, kinds: None, from: None };
    let page = serde_json::to_string(&changes(&copy, &Wanted::of(&query).unwrap())).unwrap();
    assert!(page.contains("trunk-user"));
    let digests = digests_of_trunks(&copy, "acme.example");
    let digest = &digests.trunks[0];
    assert_eq!(
        (digest.trunk.as_str(), digest.user.as_str(), digest.realm.as_str()),
        ("carrier", "pbx", "acme.example")
    );
    assert_eq!(digest.md5, ha1(Algorithm::Md5, "pbx", "acme.example", "hush-hush"));
    assert_eq!(digest.sha256, ha1(Algorithm::Sha256, "pbx", "acme.example", "hush-hush"));
    let in_words = format!("{digests:?}");
    assert!(!in_words.contains(&digest.md5), "{in_words}");
    let as_json = serde_json::to_string(&digests).unwrap();
    for told in [page, json_of(&object).to_string(), format!("{object:?}"), in_words, as_json] {
        assert!(!told.contains("hush-hush"), "{told}");
    }
    for with_keys in [true, false] {
        let told = secrets_of_trunks(&copy, with_keys);
        assert_eq!((told.trunks.len(), told.keys.len()), (1, usize::from(with_keys)));
    }
}

#[test]
fn who_waits_as_long_as_may_be_is_answered_before_the_listener_gives_up() {
    assert!(WAIT_MAX < net::http::Limits::default().answer_within);
}

#[test]
fn who_needs_no_documents_gets_none() {
    let query = ObjectsQuery { after: None, kinds: Some("skill,dn".to_owned()), from: Some(String::new()) };
    let page = changes(&large(115), &Wanted::of(&query).unwrap());
    assert_eq!(page.objects.iter().map(|listed| listed.id.as_str()).collect::<Vec<_>>(), ["sales"]);
    assert_eq!(page.next, None);
}

#[test]
fn a_phone_without_a_password_has_no_credentials() {
    let phone = |password: &str| {
        let json = format!(r#"{{"number":"7101","type":"extension","no_answer_s":20,"password":"{password}"}}"#);
        let object = Object::from_json(ObjectKind::Dn, json.as_bytes()).unwrap();
        let version = ConfigVersion { generation: 1, revision: 1 };
        TenantCopy::of(version, [(1, object)], [])
    };
    assert!(credentials_of(&phone("hush"), "acme.example", "7101").is_ok());
    assert!(credentials_of(&phone(""), "acme.example", "7101").is_err(), "anybody registers with an empty one");
}
