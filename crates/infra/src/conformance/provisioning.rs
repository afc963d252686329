//! The persistent configuration: what every database must do. `store` is empty.

mod archive;
mod folders;
mod further;
mod history;
mod hosts;
mod kinds;
mod named;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use contracts::provisioning::{
    ActionCode, Agent, AgentRules, Application, AttributeValue, BusinessAttribute, ClientKey, ClientKeySet,
    CodedAction, DialAction, DialRule, DiversionForm, Dn, DnKind, DtmfForm, Encryption, FeatureAction, FeatureCode,
    Grant, HeaderRule, HeaderRuleAction, HeaderRuleOn, Location, LoginPasswordRule, LookupList, NoAnswerAction, Number,
    OAuthClient, Object, ObjectKey, ObjectKind, Person, PersonField, Place, Privilege, Prompt, Schedule, Secret,
    SignInRules, Skill, SkillLevel, Spender, Stir, StirSign, StirVerify, Subcode, Tenant, TenantObjects, Trunk,
    UpstreamProvider,
};
use model::{TenantId, Timestamp};

use crate::{
    ChangeNote, ChangeOrigin, ChangeWay, HistoryPoint, ObjectChange, ProvisioningStore, Revision, StoreError,
    TenantArchive, ToldChange,
};

/// Who changes what no test asks about.
pub fn note() -> &'static ChangeNote {
    static NOTE: LazyLock<ChangeNote> = LazyLock::new(|| ChangeNote {
        by: "tester".to_owned(),
        way: ChangeWay::Import,
        origin: ChangeOrigin::default(),
        at: Timestamp::from_millis(1_700_000_000_000),
        request: None,
    });
    &NOTE
}

/// A location with every key.
fn location(room: &str) -> Location {
    Location {
        country: Some("DE".into()),
        region: Some("Berlin".into()),
        city: Some("Berlin".into()),
        street: Some("Straße \"Am Ufer\"".into()),
        house_number: Some("7a".into()),
        floor: Some("4".into()),
        room: Some(room.into()),
        postal_code: Some("10115".into()),
        name: Some("Acme".into()),
        latitude: Some("52.520008".into()),
        longitude: Some("-13.404954".into()),
    }
}

/// A key with every member.
fn client_key(kid: &str) -> ClientKey {
    ClientKey {
        kty: "EC".into(),
        crv: Some("P-256".into()),
        x: Some("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU".into()),
        y: Some("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0".into()),
        n: Some("AQ".into()),
        e: Some("AQAB".into()),
        kid: Some(kid.into()),
        alg: Some("ES256".into()),
        purpose: Some("sig".into()),
    }
}

/// A tenant with an object of each kind, its columns full and empty.
pub fn objects(tenant: &str) -> TenantObjects {
    let mut objects = TenantObjects::new(Tenant {
        id: tenant.into(),
        name: "Acme".into(),
        realm: "acme.invalid".into(),
        codecs: vec!["PCMU".into(), "PCMA".into()],
        hold_music: "music".into(),
        no_answer_s: 15,
        wrap_up_s: 1,
        confirmation_prompt: None,
        refusal_prompt: Some("no".into()),
        country_prefix: None,
        national_prefix: None,
        international_prefix: None,
        time_zone: Some("Europe/Berlin".to_owned()),
        outgoing_max: Some(5),
        require_second_factor: vec![
            Privilege::Administrator,
            Privilege::FolderAdministrator,
            Privilege::ViewDashboard,
            Privilege::Supervisor,
        ],
        sign_in: SignInRules {
            upstream: Some(UpstreamProvider {
                name: "Acme ID".into(),
                issuer: "https://id.acme.example".into(),
                client_id: "trunkline".into(),
                client_secret: Some(Secret("hush".into())),
                scopes: vec!["openid".into()],
                claim: Some("upn".into()),
                person: PersonField::UserName,
                only: true,
                trusted_factor: true,
            }),
            passkeys_need_password: true,
            published_grants: false,
            hosts: vec![format!("{tenant}.example")],
            addresses: vec!["203.0.113.0/24".into(), "2001:db8::/32".into()],
            addresses_only: true,
        },
        agents: AgentRules {
            no_answer_action: NoAnswerAction::Logout,
            legal_guard_s: 5,
            logout_on_out_of_service: true,
            auto_logout_min: 30,
            auto_logout_ready: true,
            untimed_wrap_up_s: 900,
            timed_acw_in_idle: false,
            acw_in_idle_force_ready: false,
            login_password: LoginPasswordRule::Required,
            strict_action_codes: true,
        },
        location: Some(Location { country: Some("FR".into()), ..Location::default() }),
    });
    objects.skills = vec![Skill { name: "Sales".into() }, Skill { name: "English".into() }];
    objects.prompts = vec![Prompt::of_file("music".into(), "music.wav".into())];
    let phone = |number: &str, call_waiting: bool| Dn {
        number: number.into(),
        switch: call_waiting.then(|| "Berlin".into()),
        kind: DnKind::Extension {
            password: Secret("secret".into()),
            no_answer_s: Some(20),
            call_waiting,
            outgoing_max: Some(2),
            direct_media: !call_waiting,
            encryption: if call_waiting { Encryption::Offered } else { Encryption::Required },
            location: call_waiting.then(|| Box::new(location("4.12"))),
        },
    };
    let announcement = Dn::new("a".into(), DnKind::Announcement { prompts: vec!["music".into()] });
    let queue = Dn { switch: Some("Paris".into()), ..Dn::new("q".into(), DnKind::VirtualQueue) };
    let point = Dn {
        number: "9000".into(),
        switch: None,
        kind: DnKind::RoutePoint {
            application: "sales".into(),
            default_dn: None,
            service_level_s: 20,
            short_abandon_s: 5,
            wrap_up_s: Some(12),
        },
    };
    let value = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let values = BTreeMap::from([value("open", "09:00"), value("\"", "ß")]);
    let sections = BTreeMap::from([("berlin".to_owned(), values)]);
    objects.applications =
        vec![Application { options: sections.clone(), ..Application::new("sales".into(), "<scxml/>".into()) }];
    objects.dns = vec![phone("7101", true), phone("7102", false), queue, announcement, point];
    let place = |name: &str, dn: &str, location: Option<Location>| {
        let capacity_rule = location.is_some().then(|| "one call".to_owned());
        Place { name: name.into(), dns: vec![dn.into()], location, capacity_rule }
    };
    objects.places = vec![place("P1", "7101", None), place("P2", "7102", Some(location("hall")))];
    objects.people = vec![Person {
        user_name: "ann".into(),
        first_name: "Ann".into(),
        last_name: "Adams".into(),
        agent: Some(Agent {
            id: "1001".into(),
            login_code: "1001".into(),
            pin: Some(Secret("1234".into())),
            default_place: Some("P1".into()),
            wrap_up_s: None,
            legal_guard_s: Some(3),
            no_answer_action: Some(NoAnswerAction::None),
            skills: vec![SkillLevel { skill: "Sales".into(), level: 5 }],
            capacity_rule: Some("one call".into()),
        }),
        email: Some("ann@d.example".into()),
        password: Some(Secret("$argon2id$of-ann".into())),
        second_factor: Some(Secret("sealed:of-ann".into())),
        privileges: vec![
            Privilege::FolderAdministrator,
            Privilege::Agent,
            Privilege::ManageUsers,
            Privilege::Supervisor,
        ],
        disabled: true,
        external_id: Some("00ujl29u".into()),
        change_password: true,
    }];
    objects.clients = vec![OAuthClient {
        id: "Desk".into(),
        name: "The desktop".into(),
        secret: Some(Secret("$argon2id$of-desk".into())),
        jwks: Some(ClientKeySet { keys: vec![client_key("a"), client_key("b")] }),
        grants: vec![Grant::AuthorizationCode, Grant::RefreshToken],
        redirect_uris: vec!["https://desk.example/in".into(), "http://127.0.0.1/in".into()],
        scopes: vec!["calls:read".into(), "calls:control".into()],
        backchannel_logout_uri: Some("https://desk.example/ended".into()),
        frontchannel_logout_uri: Some("https://desk.example/out".into()),
        frontchannel_logout_session_required: Some(false),
    }];
    let number = |number: &str, schedule: Option<&str>, closed_dn: Option<&str>| Number {
        number: number.into(),
        name: "q".into(),
        dn: "q".into(),
        schedule: schedule.map(Into::into),
        closed_dn: closed_dn.map(Into::into),
    };
    objects.numbers = vec![number("+15550100", None, None), number("+15550101", Some("office"), Some("a"))];
    objects.trunks = vec![Trunk {
        name: "T".into(),
        allow: vec!["127.0.0.0/8".into()],
        certificate_names: vec!["sbc.d.example".into(), "a.d.example".into()],
        inbound_user: Some("i".into()),
        inbound_password: Some(Secret("t".into())),
        contact: None,
        prefix: Some("0".into()),
        caller_id: Some("+15550100".into()),
        priority: Some(1),
        weight: None,
        try_s: Some(3),
        user: Some("u".into()),
        password: Some(Secret("s".into())),
        calls_max: Some(30),
        early_speech: true,
        direct_media: true,
        options: true,
        register: true,
        encryption: Encryption::Required,
        codecs: vec!["opus".into(), "PCMA".into()],
        dtmf: Some(DtmfForm::Info),
        session_expires_s: Some(600),
        reliable: Some(false),
        calls_per_second: Some(10),
        drain: true,
        asserts_identity: true,
        auth_user: Some("a".into()),
        domain: Some("d.example".into()),
        diversion: DiversionForm::Both,
        user_to_user: true,
        location: true,
        headers: vec![
            HeaderRule {
                on: HeaderRuleOn::Received,
                action: HeaderRuleAction::Rewrite,
                header: "X-B".into(),
                value: None,
                pattern: Some("(a)".into()),
                replace: Some("$1".into()),
            },
            HeaderRule {
                on: HeaderRuleOn::Sent,
                action: HeaderRuleAction::Set,
                header: "X-A".into(),
                value: Some("{caller}".into()),
                pattern: None,
                replace: None,
            },
        ],
        stir: Stir {
            sign: Some(StirSign {
                certificate_url: "https://certificates.example/shaken.pem".into(),
                private_key: Some(Secret("hush\nhush\n".into())),
                certificate: Some("-----BEGIN CERTIFICATE-----\n".into()),
            }),
            verify: StirVerify::Require,
            authorities: Some("-----BEGIN CERTIFICATE-----\nroot\n".into()),
        },
    }];
    let code =
        |(action, name): &(FeatureAction, &str)| FeatureCode { code: (*name).into(), action: *action, ask_pin: true };
    objects.feature_codes = FeatureAction::ALL.iter().map(code).collect();
    objects.schedules = vec![Schedule {
        name: "office".into(),
        time_zone: None,
        open: vec!["Mon-Fri 08:00-18:00".into(), "Sat 09:00-12:00".into()],
        exceptions: vec!["2026-12-25 closed".into()],
    }];
    let actions = [
        DialAction::Emergency { trunk: Some("T".into()) },
        DialAction::Block { reason: "no".into() },
        DialAction::Translate { remove: 1, add: String::new() },
        DialAction::CallerId { shows: "+15550100".into(), trunk: None },
        DialAction::Limit { per: Spender::Tenant, calls: Some(500), minutes: None },
        DialAction::Route { trunk: "T".into(), cost: 12, schedule: None },
        DialAction::Send { remove: 3, add: "0".into(), trunk: Some("T".into()) },
        DialAction::Receive { remove: 0, add: String::new(), trunk: None },
        DialAction::Limit { per: Spender::Phone, calls: None, minutes: Some(0) },
        DialAction::Limit { per: Spender::Agent, calls: Some(3), minutes: None },
    ];
    // Their order is not that of their names.
    let rule = |(place, action): (u32, DialAction)| DialRule {
        name: format!("r{}", 99 - place),
        place,
        pattern: "1.".into(),
        action,
    };
    objects.dial_rules = (0..).zip(actions).map(rule).collect();
    objects.action_codes = vec![
        ActionCode { code: "2".into(), name: "Lunch".into(), order: Some(1), ..ActionCode::default() },
        ActionCode {
            code: "1".into(),
            name: "End of the shift".into(),
            order: None,
            action: CodedAction::Logout,
            subcodes: vec![Subcode { code: "a".into(), name: "Early".into() }],
        },
    ];
    objects.lists = vec![LookupList { name: "branches".into(), sections }];
    let language =
        |value: &str, name: Option<&str>| AttributeValue { value: value.into(), display_name: name.map(Into::into) };
    objects.business_attributes = vec![BusinessAttribute {
        name: "Language".into(),
        values: vec![language("en", None), language("de", Some("German"))],
        default: Some("en".into()),
        enforced: true,
        attach_default: true,
    }];
    folders::add(&mut objects);
    further::add(&mut objects);
    objects
}

/// The same without groups and whatever else names people: they may go.
pub fn objects_with_free_people(tenant: &str) -> TenantObjects {
    TenantObjects {
        agent_logins: Vec::new(),
        agent_groups: Vec::new(),
        campaign_groups: Vec::new(),
        access_groups: Vec::new(),
        roles: Vec::new(),
        folders: Vec::new(),
        ..objects(tenant)
    }
}

fn put_all(objects: &TenantObjects) -> Vec<ObjectChange> {
    objects.objects().map(ObjectChange::Put).collect()
}

fn told_all(objects: &TenantObjects) -> Vec<ToldChange> {
    objects.objects().map(ToldChange::Put).collect()
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

/// Runs every case, each with a tenant of its own.
pub async fn run(store: &dyn ProvisioningStore) {
    a_tenant_comes_back_as_it_was_stored(store).await;
    an_update_needs_the_present_revision(store).await;
    a_changed_trunk_comes_back_as_it_was_changed(store).await;
    a_changed_person_and_client_come_back_as_they_were_changed(store).await;
    one_object_is_found_by_its_name(store).await;
    changes_are_read_since_a_revision(store).await;
    a_point_of_another_history_gets_all_objects(store).await;
    a_broken_rule_is_the_callers_fault_and_changes_nothing(store).await;
    a_dn_may_move_between_places_in_one_update(store).await;
    names_that_differ_in_case_alone_are_the_same(store).await;
    of_many_writers_at_the_same_revision_one_wins(store).await;
    no_generation_is_given_twice(store).await;
    history::run(store).await;
    hosts::run(store).await;
    kinds::run(store).await;
    named::run(store).await;
}

async fn no_generation_is_given_twice(store: &dyn ProvisioningStore) {
    let (acme, globex) = (tenant("generations"), tenant("generations-too"));
    assert_eq!(store.generation(&acme).await.unwrap(), 0);
    assert_eq!(store.next_generation(&acme, 1_700_000_000_000).await.unwrap(), 1_700_000_000_000);
    // The clock was set back.
    assert_eq!(store.next_generation(&acme, 1_600_000_000_000).await.unwrap(), 1_700_000_000_001);
    assert_eq!(store.next_generation(&acme, 1_700_000_000_001).await.unwrap(), 1_700_000_000_002);
    assert_eq!(store.next_generation(&globex, 7).await.unwrap(), 7, "each tenant has its own");
    assert_eq!(store.generation(&acme).await.unwrap(), 1_700_000_000_002);
}

/// Runs every case of archives and snapshots, each with tenants of its own.
pub async fn run_archive(store: &dyn TenantArchive) {
    archive::run(store).await;
    folders::run(store).await;
}

async fn a_tenant_comes_back_as_it_was_stored(store: &dyn ProvisioningStore) {
    let acme = tenant("round");
    assert_eq!(store.load(&acme).await.unwrap(), None);
    let revision = store.update(&acme, Revision(0), put_all(&objects("round")), note()).await.unwrap();
    assert_eq!(revision, Revision(1));
    assert_eq!(store.load(&acme).await.unwrap(), Some((Revision(1), objects("round"))));
    assert_eq!(store.revision(&acme).await.unwrap(), Some(Revision(1)));
    assert!(store.tenants().await.unwrap().contains(&(acme, Revision(1))));
    assert_eq!(store.revision(&tenant("round-not")).await.unwrap(), None);
}

async fn an_update_needs_the_present_revision(store: &dyn ProvisioningStore) {
    let acme = tenant("conflict");
    store.update(&acme, Revision(0), put_all(&objects("conflict")), note()).await.unwrap();
    let stale = store.update(&acme, Revision(0), put_all(&objects("conflict")), note()).await;
    assert!(matches!(stale, Err(StoreError::Conflict { expected: 0, actual: 1, .. })), "{stale:?}");
}

/// Its keys are set at first, none then, and all again: one that an update forgets stays as it was.
async fn a_changed_trunk_comes_back_as_it_was_changed(store: &dyn ProvisioningStore) {
    let acme = tenant("trunk");
    store.update(&acme, Revision(0), put_all(&objects("trunk")), note()).await.unwrap();
    let full = objects("trunk").trunks.remove(0);
    let bare = Trunk { name: full.name.clone(), ..Trunk::default() };
    for (revision, trunk) in [(1, bare), (2, full)] {
        let put = ObjectChange::Put(Object::Trunk(Box::new(trunk.clone())));
        store.update(&acme, Revision(revision), vec![put], note()).await.unwrap();
        let (_, held) = store.load(&acme).await.unwrap().unwrap();
        assert_eq!(held.trunks, [trunk]);
    }
}

/// As with trunks: an update that forgets a column leaves it as it was.
async fn a_changed_person_and_client_come_back_as_they_were_changed(store: &dyn ProvisioningStore) {
    let acme = tenant("access");
    store.update(&acme, Revision(0), put_all(&objects("access")), note()).await.unwrap();
    let (person, client) = (objects("access").people.remove(0), objects("access").clients.remove(0));
    let bare_person = Person { user_name: person.user_name.clone(), ..Person::default() };
    let bare_client = OAuthClient { id: client.id.clone(), name: client.name.clone(), ..OAuthClient::default() };
    for (revision, person, client) in [(1, bare_person, bare_client), (2, person, client)] {
        let puts = [Object::Person(Box::new(person.clone())), Object::Client(client.clone())].map(ObjectChange::Put);
        store.update(&acme, Revision(revision), puts.into(), note()).await.unwrap();
        let (_, held) = store.load(&acme).await.unwrap().unwrap();
        assert_eq!((held.people, held.clients), (vec![person], vec![client]));
    }
    let gone = ObjectChange::Delete(ObjectKey { kind: ObjectKind::Client, id: "Desk".into() });
    store.update(&acme, Revision(3), vec![gone], note()).await.unwrap();
    assert_eq!(store.load(&acme).await.unwrap().unwrap().1.clients, []);
}

async fn one_object_is_found_by_its_name(store: &dyn ProvisioningStore) {
    let (acme, other) = (tenant("found"), tenant("found-not"));
    let all = objects("found");
    store.update(&acme, Revision(0), put_all(&all), note()).await.unwrap();
    for object in all.objects() {
        assert_eq!(store.find(&acme, &object.key()).await.unwrap(), Some(object));
    }
    let key = |kind, id: &str| ObjectKey { kind, id: id.into() };
    let ann = store.find(&acme, &key(ObjectKind::Person, "ANN")).await.unwrap();
    assert_eq!(ann, Some(Object::Person(Box::new(all.people[0].clone()))));
    let desk = store.find(&acme, &key(ObjectKind::Client, "desk")).await.unwrap();
    assert_eq!(desk, Some(Object::Client(all.clients[0].clone())));
    for kind in ObjectKind::ALL {
        assert_eq!(store.find(&acme, &key(kind, "nobody")).await.unwrap(), None);
        assert_eq!(store.find(&other, &key(kind, "ann")).await.unwrap(), None);
    }
}

async fn changes_are_read_since_a_revision(store: &dyn ProvisioningStore) {
    let acme = tenant("changes");
    store.update(&acme, Revision(0), put_all(&objects("changes")), note()).await.unwrap();
    let english = ObjectKey { kind: ObjectKind::Skill, id: "English".into() };
    let german = Object::Skill(Skill { name: "German".into() });
    let changes = vec![ObjectChange::Delete(english.clone()), ObjectChange::Put(german.clone())];
    store.update(&acme, Revision(1), changes, note()).await.unwrap();
    let unstamped = |revision| HistoryPoint::unstamped(Revision(revision));
    let read = store.changes(&acme, unstamped(1)).await.unwrap();
    assert_eq!((read.point.revision, read.is_whole), (Revision(2), false));
    assert_eq!(read.changes, [ToldChange::Delete(english), ToldChange::Put(german)]);
    assert_eq!(store.changes(&acme, unstamped(2)).await.unwrap().changes, []);
    let everything = store.changes(&acme, HistoryPoint::default()).await.unwrap();
    let (_, held) = store.load(&acme).await.unwrap().unwrap();
    assert!(everything.is_whole);
    assert_eq!(everything.changes, told_all(&held));
    let missing = store.changes(&tenant("nobody"), HistoryPoint::default()).await;
    assert!(matches!(missing, Err(StoreError::Missing { .. })), "{missing:?}");
}

/// Two tenants with the same revisions stand for one whose database was put back, and then changed anew.
async fn a_point_of_another_history_gets_all_objects(store: &dyn ProvisioningStore) {
    let (acme, globex) = (tenant("history-one"), tenant("history-two"));
    let german = || Object::Skill(Skill { name: "German".into() });
    let mut points = Vec::new();
    for of in [&acme, &globex] {
        assert_eq!(store.point(of).await.unwrap(), None);
        store.update(of, Revision(0), put_all(&objects(of.as_str())), note()).await.unwrap();
        let first = store.point(of).await.unwrap().unwrap();
        store.update(of, Revision(1), vec![ObjectChange::Put(german())], note()).await.unwrap();
        let second = store.point(of).await.unwrap().unwrap();
        assert!(first.stamp.is_known() && second.stamp.is_known() && first.stamp != second.stamp);
        assert_eq!((first.revision, second.revision), (Revision(1), Revision(2)));
        points.push((first, second));
    }
    let [(first, second), (other_first, other_second)] = points[..] else { panic!("{points:?}") };
    assert!(store.points().await.unwrap().contains(&(acme.clone(), second)));
    assert_eq!(store.versioned(&acme).await.unwrap().unwrap().point, second);
    let own = store.changes(&acme, first).await.unwrap();
    assert_eq!((own.point, own.is_whole, own.changes), (second, false, vec![ToldChange::Put(german())]));
    let own = store.changes(&acme, second).await.unwrap();
    assert_eq!((own.point, own.is_whole, own.changes), (second, false, Vec::new()));
    let (_, held) = store.load(&acme).await.unwrap().unwrap();
    let later = HistoryPoint { revision: Revision(7), ..other_second };
    for other in [other_first, other_second, later] {
        let all = store.changes(&acme, other).await.unwrap();
        assert_eq!((all.point, all.is_whole), (second, true), "{other:?}");
        assert_eq!(all.changes, told_all(&held));
    }
}

async fn a_broken_rule_is_the_callers_fault_and_changes_nothing(store: &dyn ProvisioningStore) {
    let acme = tenant("rules");
    store.update(&acme, Revision(0), put_all(&objects("rules")), note()).await.unwrap();
    let used = ObjectChange::Delete(ObjectKey { kind: ObjectKind::Skill, id: "Sales".into() });
    let refused = store.update(&acme, Revision(1), vec![used], note()).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    let (name, dns) = ("P3".into(), vec!["7101".into()]);
    let twice = Object::Place(Box::new(Place { name, dns, location: None, capacity_rule: None }));
    let refused = store.update(&acme, Revision(1), vec![ObjectChange::Put(twice)], note()).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    assert_eq!(store.load(&acme).await.unwrap(), Some((Revision(1), objects("rules"))));
}

async fn a_dn_may_move_between_places_in_one_update(store: &dyn ProvisioningStore) {
    let acme = tenant("move");
    store.update(&acme, Revision(0), put_all(&objects("move")), note()).await.unwrap();
    let place = |name: &str, dn: &str| {
        let place = Place { name: name.into(), dns: vec![dn.into()], location: None, capacity_rule: None };
        ObjectChange::Put(Object::Place(Box::new(place)))
    };
    store.update(&acme, Revision(1), vec![place("P1", "7102"), place("P2", "7101")], note()).await.unwrap();
    let (_, held) = store.load(&acme).await.unwrap().unwrap();
    assert_eq!(held.places[0].dns, ["7102"]);
}

async fn names_that_differ_in_case_alone_are_the_same(store: &dyn ProvisioningStore) {
    let acme = tenant("case");
    store.update(&acme, Revision(0), put_all(&objects("case")), note()).await.unwrap();
    let upper = ObjectChange::Put(Object::Skill(Skill { name: "SALES".into() }));
    store.update(&acme, Revision(1), vec![upper], note()).await.unwrap();
    let (_, held) = store.load(&acme).await.unwrap().unwrap();
    let names: Vec<&str> = held.skills.iter().map(|skill| skill.name.as_str()).collect();
    assert_eq!(names, ["SALES", "English"]);
}

async fn of_many_writers_at_the_same_revision_one_wins(store: &dyn ProvisioningStore) {
    let acme = tenant("race");
    let all = objects("race");
    let writes = (0..8).map(|_| store.update(&acme, Revision(0), put_all(&all), note()));
    let answers = futures::future::join_all(writes).await;
    let done = answers.iter().filter(|answer| matches!(answer, Ok(Revision(1)))).count();
    let late = answers.iter().filter(|answer| matches!(answer, Err(StoreError::Conflict { actual: 1, .. }))).count();
    assert_eq!((done, late), (1, 7), "{answers:?}");
}
