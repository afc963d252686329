use super::*;

#[test]
fn numbers_with_signs_are_one_segment() {
    assert_eq!(segment("+1 555/*50"), "%2B1%20555%2F%2A50");
}

/// Users before config's first answer, the phones that they request, and the sender of news.
fn started() -> (Users, mpsc::Receiver<Wanted>, mpsc::Sender<News>) {
    let (answers, news) = mpsc::channel(8);
    let (wanted, asked) = mpsc::channel(8);
    let (known, asked_for) = (KnownCredentials::new(2), HashMap::new());
    let (early, found, _answers) = (Vec::new(), VecDeque::new(), answers.clone());
    let users = Users { tenants: None, known, asked: asked_for, early, found, wanted, news, _answers };
    (users, asked, answers)
}

#[tokio::test]
async fn who_comes_before_config_has_answered_waits_for_it() {
    let (mut users, mut asked, answers) = started();
    assert!(users.look_up(1, "7101", "acme.example", &[]).is_none());
    assert!(users.look_up(2, "nobody", "acme.example", &[]).is_none());
    let held = Held {
        id: TenantId::parse("acme").unwrap(),
        version: "1".into(),
        realm: "acme.example".into(),
        phones: HashSet::from(["7101".to_owned()]),
        trunks: Vec::new(),
        numbers: Arc::default(),
        digests: None,
        emergency_numbers: vec!["112".into()],
    };
    answers.send(News::Tenants(HeldTenants::from_iter([Arc::new(held)]))).await.unwrap();
    let Found::Tenants { emergency_numbers, .. } = users.next().await else { panic!("config has answered") };
    assert!(emergency_numbers.contains("112"));
    assert_eq!(asked.recv().await.unwrap().key.1.as_str(), "7101");
    let Found::User { lookup: 2, credentials: Credentials::Unknown { realm } } = users.next().await else {
        panic!("nobody is known as that")
    };
    assert_eq!(realm.as_deref(), Some("acme.example"));
}

#[tokio::test]
async fn credentials_are_kept_until_their_tenant_changes_and_never_more_than_may_be() {
    let (mut users, mut asked, answers) = started();
    let acme = TenantId::parse("acme").unwrap();
    let held = |version: &str| {
        let phones = ["7101", "7102", "7103"].map(str::to_owned).into();
        let (version, realm) = (version.to_owned(), "acme.example".to_owned());
        let (trunks, emergency_numbers) = (Vec::new(), Vec::new());
        let held = Held {
            id: acme.clone(),
            version,
            realm,
            phones,
            trunks,
            numbers: Arc::default(),
            digests: None,
            emergency_numbers,
        };
        News::Tenants(HeldTenants::from_iter([Arc::new(held)]))
    };
    answers.send(held("1")).await.unwrap();
    assert!(matches!(users.next().await, Found::Tenants { .. }));
    for (lookup, user) in (1_u64..).zip(["7101", "7102", "7103"]) {
        assert!(users.look_up(lookup, user, "192.0.2.1", &[]).is_none());
        let wanted = asked.recv().await.unwrap();
        let (tenant, dn) = wanted.key.clone();
        let hashes = Hashes { md5: "m".to_owned(), sha256: "s".to_owned() };
        let phone = Phone { tenant, dn, realm: "acme.example".to_owned(), hashes };
        let credentials = Credentials::Phone(Arc::new(phone));
        answers.send(News::Phone(wanted, credentials)).await.unwrap();
        assert!(matches!(users.next().await, Found::User { credentials: Credentials::Phone(_), .. }));
        assert!(users.look_up(9, user, "acme.example", &[]).is_some());
    }
    assert_eq!(users.known.len(), 2);
    answers.send(held("2")).await.unwrap();
    assert!(matches!(users.next().await, Found::Tenants { .. }));
    assert_eq!(users.known.len(), 0);
    assert!(users.look_up(10, "7103", "acme.example", &[]).is_none());
}

#[tokio::test]
async fn a_number_that_comes_by_a_trunk_is_a_phone_of_the_trunks_tenant_or_of_the_domain_it_names() {
    let (mut users, mut asked, answers) = started();
    let [acme, other, third] = ["acme", "other", "third"].map(|id| TenantId::parse(id).unwrap());
    let held = |id: &TenantId, phones: &[&str]| {
        let phones = phones.iter().map(|phone| (*phone).to_owned()).collect();
        let (version, realm) = ("1".to_owned(), format!("{id}.example"));
        let (trunks, emergency_numbers) = (Vec::new(), Vec::new());
        Arc::new(Held {
            id: id.clone(),
            version,
            realm,
            phones,
            trunks,
            numbers: Arc::default(),
            digests: None,
            emergency_numbers,
        })
    };
    let tenants = [held(&acme, &["7101"]), held(&other, &["7101", "7201"]), held(&third, &["7301"])];
    answers.send(News::Tenants(HeldTenants::from_iter(tenants))).await.unwrap();
    assert!(matches!(users.next().await, Found::Tenants { .. }));
    // Number and host of a caller, the tenants of its trunk, and the tenant whose phone the caller must prove to be.
    let cases: [(&str, &str, &[&TenantId], Option<&TenantId>); 11] = [
        ("7101", "192.0.2.1", &[&acme], Some(&acme)),
        ("7201", "192.0.2.1", &[&acme], None),
        ("7201", "carrier.example", &[&acme], None),
        ("7301", "192.0.2.1", &[&acme, &other], None),
        ("7201", "192.0.2.1", &[&acme, &other], Some(&other)),
        ("7101", "192.0.2.1", &[&other], Some(&other)),
        ("7101", "carrier.example", &[&third], None),
        ("7201", "OTHER.example", &[&acme], Some(&other)),
        ("7101", "third.example", &[&acme], Some(&acme)),
        ("7201", "192.0.2.1", &[], Some(&other)),
        ("7999", "192.0.2.1", &[], None),
    ];
    for (user, host, among, whose) in cases {
        let among: Vec<TenantId> = among.iter().map(|id| (*id).clone()).collect();
        let found = users.look_up(1, user, host, &among);
        let wanted = asked.try_recv().ok().map(|wanted| wanted.key.0);
        assert_eq!(wanted.as_ref(), whose, "{user}@{host} {among:?}");
        assert_eq!(found.is_none(), whose.is_some(), "{user}@{host} {among:?}");
        users.asked.clear();
    }
}

#[tokio::test]
async fn look_ups_of_one_phone_are_one_question_and_leave_places_to_others() {
    let (mut users, mut asked, answers) = started();
    let held = Held {
        id: TenantId::parse("acme").unwrap(),
        version: "1".into(),
        realm: "acme.example".into(),
        phones: ["7101", "7102"].map(str::to_owned).into(),
        trunks: Vec::new(),
        numbers: Arc::default(),
        digests: None,
        emergency_numbers: Vec::new(),
    };
    answers.send(News::Tenants(HeldTenants::from_iter([Arc::new(held)]))).await.unwrap();
    assert!(matches!(users.next().await, Found::Tenants { .. }));
    let lookups = 1..=OF_PHONE_MAX as u64;
    for lookup in lookups.clone() {
        assert!(users.look_up(lookup, "7101", "acme.example", &[]).is_none());
    }
    assert!(matches!(users.look_up(900, "7101", "192.0.2.1", &[]), Some(Credentials::Unavailable)));
    assert!(users.look_up(901, "7102", "acme.example", &[]).is_none(), "another one");
    let wanted = asked.recv().await.unwrap();
    let other = asked.recv().await.unwrap();
    assert_eq!([&wanted, &other].map(|wanted| wanted.key.1.as_str()), ["7101", "7102"]);
    answers.send(News::Phone(wanted, Credentials::Unknown { realm: None })).await.unwrap();
    for lookup in lookups {
        let Found::User { lookup: told, credentials: Credentials::Unknown { .. } } = users.next().await else {
            panic!("config has answered")
        };
        assert_eq!(told, lookup);
    }
    assert_eq!(users.asked.len(), 1, "the other one still waits");
}

#[tokio::test(start_paused = true)]
async fn who_comes_first_waits_no_longer_than_for_an_answer() {
    let (mut users, _asked, _answers) = started();
    let began = Instant::now();
    assert!(users.look_up(1, "7101", "acme.example", &[]).is_none());
    assert!(matches!(users.next().await, Found::User { lookup: 1, credentials: Credentials::Unavailable }));
    assert!(began.elapsed() >= LOOKUP_TIME);
}

#[test]
fn a_trunk_keeps_the_networks_that_are_networks() {
    let trunk = TrunkObject {
        name: "carrier".into(),
        allow: vec!["127.0.0.0/8".into(), "everywhere".into()],
        certificate_names: Vec::new(),
        inbound_user: None,
        inbound_password: None,
        contact: None,
        prefix: None,
        caller_id: None,
        priority: None,
        weight: None,
        try_s: None,
        user: None,
        password: None,
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
        stir: contracts::provisioning::Stir::default(),
    };
    let tenant = TenantId::parse("acme").unwrap();
    let allowed = Network::parse("127.0.0.0/8").unwrap();
    let known = trunk_of(&tenant, &trunk);
    assert_eq!((known.allow, known.user), (vec![allowed], None));
    // Where it registers is a source of its calls.
    let contact = Some("203.0.113.9:5060".to_owned());
    let registers = TrunkObject { register: true, contact, user: Some("we".into()), ..trunk };
    let known = trunk_of(&tenant, &registers);
    let registrar = Network::parse("203.0.113.9").unwrap();
    assert_eq!((known.allow, known.user.as_deref()), (vec![allowed, registrar], Some("we")));
    let within = TrunkObject { allow: vec!["203.0.113.0/24".into()], ..registers };
    assert_eq!(trunk_of(&tenant, &within).allow, [Network::parse("203.0.113.0/24").unwrap()]);
    let named = TrunkObject { certificate_names: vec!["SBC.carrier.example".into()], ..within };
    assert_eq!(trunk_of(&tenant, &named).certificate_names, [Box::<str>::from("sbc.carrier.example")]);
    let registrar = |trunk: &TrunkObject| trunk_of(&tenant, trunk).registrar;
    assert_eq!(registrar(&named).as_deref(), Some("203.0.113.9"));
    let by_name = TrunkObject { contact: Some("SIP.carrier.example;transport=tls".into()), ..named.clone() };
    assert_eq!(registrar(&by_name).as_deref(), Some("sip.carrier.example"));
    assert_eq!(registrar(&TrunkObject { register: false, ..by_name }), None);
    // Without its networks a trunk would take the certificate from anywhere.
    let nowhere = trunk_of(&tenant, &TrunkObject { allow: vec!["everywhere".into()], ..named });
    assert!(nowhere.allow.is_empty() && nowhere.certificate_names.is_empty(), "{nowhere:?}");
}

#[test]
fn a_trunk_gets_the_hashes_of_its_password_when_they_come_although_its_version_is_the_same() {
    let acme = TenantId::parse("acme").unwrap();
    let tenant = serde_json::json!({
        "id": "acme", "name": "Acme", "realm": "acme.example", "codecs": [], "hold_music": "m", "no_answer_s": 20, "wrap_up_s": 0
    });
    let mut objects = contracts::provisioning::TenantObjects::new(serde_json::from_value(tenant).unwrap());
    objects.trunks =
        vec![TrunkObject { name: "carrier".into(), inbound_user: Some("pbx".into()), ..TrunkObject::default() }];
    let tenants: Tenants = Arc::new(HashMap::from([(acme.clone(), Arc::new(TenantConfig::of(&objects)))]));
    let digest = contracts::configuration::TrunkDigest {
        trunk: "carrier".into(),
        user: "pbx".into(),
        realm: "acme.example".into(),
        md5: "m".into(),
        sha256: "s".into(),
    };
    let told = contracts::configuration::TrunkDigests { version: String::new(), trunks: vec![digest] };
    let digests = DigestsByTenant::from([(acme.clone(), Arc::new(TenantDigests::of(told)))]);
    let inbound = |held: &BTreeMap<TenantId, Arc<Held>>| held[&acme].trunks[0].inbound.clone();
    let first = held_after(&BTreeMap::new(), &tenants, &DigestsByTenant::new());
    assert_eq!(inbound(&first), sip::proxy::InboundPassword::Unread, "nobody gets in meanwhile");
    let then = held_after(&first, &tenants, &digests);
    assert!(matches!(inbound(&then), sip::proxy::InboundPassword::Asked(account) if account.user == "pbx"));
    let again = held_after(&then, &tenants, &digests);
    assert!(Arc::ptr_eq(&again[&acme], &then[&acme]), "it is not read again");
}

#[test]
fn the_numbers_of_a_tenant_are_kept_as_carriers_may_write_them() {
    let acme = TenantId::parse("acme").unwrap();
    let tenant = serde_json::json!({
        "id": "acme", "name": "Acme", "realm": "acme.example", "codecs": [], "hold_music": "m", "no_answer_s": 20, "wrap_up_s": 0
    });
    let mut objects = contracts::provisioning::TenantObjects::new(serde_json::from_value(tenant).unwrap());
    objects.numbers = vec![contracts::provisioning::Number {
        number: "+15550100".into(),
        name: "sales".into(),
        dn: "8000".into(),
        schedule: None,
        closed_dn: None,
    }];
    let held = held_of(&acme, &TenantConfig::of(&objects), None).unwrap();
    assert_eq!(held.numbers.iter().map(|number| &**number).collect::<Vec<_>>(), ["15550100"]);
    assert!(KINDS.contains(&ObjectKind::Number), "config is asked for them");
}
