use super::*;
use crate::sip_proxy::held_tenants::Held;

/// These tenants, and nothing outdated.
fn news(tenants: impl IntoIterator<Item = Arc<Held>>) -> News {
    News::Tenants(tenants.into_iter().collect(), Outdated::default())
}

fn told(wanted: Wanted, credentials: Credentials) -> News {
    News::Phone { wanted, credentials, is_current: true }
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
    let held = Held::of_phones(("acme", "1"), "acme.example", &["7101"]);
    let Ok(held) = Arc::try_unwrap(held) else { panic!("nobody else has it") };
    let held = Held { emergency_numbers: Arc::new([Box::<str>::from("112")]), ..held };
    answers.send(news([Arc::new(held)])).await.unwrap();
    let Found::Tenants { emergency_numbers, .. } = users.next().await else { panic!("config has answered") };
    assert!(emergency_numbers.contains("112"));
    assert_eq!(asked.recv().await.unwrap().key.1.as_str(), "7101");
    let Found::User { lookup: 2, credentials: Credentials::Unknown { realm } } = users.next().await else {
        panic!("nobody is known as that")
    };
    assert_eq!(realm.as_deref(), Some("acme.example"));
}

#[tokio::test]
async fn credentials_are_kept_until_they_are_outdated_and_never_more_than_may_be() {
    let (mut users, mut asked, answers) = started();
    let acme = TenantId::parse("acme").unwrap();
    let held = |version: &str| [Held::of_phones(("acme", version), "acme.example", &["7101", "7102", "7103"])];
    answers.send(news(held("1"))).await.unwrap();
    assert!(matches!(users.next().await, Found::Tenants { .. }));
    for (lookup, user) in (1_u64..).zip(["7101", "7102", "7103"]) {
        assert!(users.look_up(lookup, user, "192.0.2.1", &[]).is_none());
        let wanted = asked.recv().await.unwrap();
        let (tenant, dn) = wanted.key.clone();
        let hashes = Hashes { md5: "m".to_owned(), sha256: "s".to_owned() };
        let phone = Phone { tenant, dn, realm: "acme.example".to_owned(), hashes };
        answers.send(told(wanted, Credentials::Phone(Arc::new(phone)))).await.unwrap();
        assert!(matches!(users.next().await, Found::User { credentials: Credentials::Phone(_), .. }));
        assert!(users.look_up(9, user, "acme.example", &[]).is_some());
    }
    assert_eq!(users.known.len(), 2);
    let phone = Outdated { phones: vec![(acme.clone(), "7103".to_owned())], ..Outdated::default() };
    answers.send(News::Tenants(held("2").into_iter().collect(), phone)).await.unwrap();
    assert!(matches!(users.next().await, Found::Tenants { .. }));
    assert_eq!(users.known.len(), 1, "the change of one phone is none of another");
    assert!(users.look_up(10, "7102", "acme.example", &[]).is_some());
    assert!(users.look_up(11, "7103", "acme.example", &[]).is_none());
    let all = Outdated { tenants: vec![acme], ..Outdated::default() };
    answers.send(News::Tenants(held("3").into_iter().collect(), all)).await.unwrap();
    assert!(matches!(users.next().await, Found::Tenants { .. }));
    assert_eq!(users.known.len(), 0);
}

#[tokio::test]
async fn credentials_of_a_replica_that_is_behind_are_used_once() {
    let (mut users, mut asked, answers) = started();
    answers.send(news([Held::of_phones(("acme", "1-2"), "acme.example", &["7101"])])).await.unwrap();
    assert!(matches!(users.next().await, Found::Tenants { .. }));
    assert!(users.look_up(1, "7101", "acme.example", &[]).is_none());
    let wanted = asked.recv().await.unwrap();
    let credentials = Credentials::Unknown { realm: None };
    answers.send(News::Phone { wanted, credentials, is_current: false }).await.unwrap();
    assert!(matches!(users.next().await, Found::User { lookup: 1, .. }));
    assert!(users.look_up(2, "7101", "acme.example", &[]).is_none(), "config is asked again");
}

#[tokio::test]
async fn a_number_that_comes_by_a_trunk_is_a_phone_of_the_trunks_tenant_or_of_the_domain_it_names() {
    let (mut users, mut asked, answers) = started();
    let [acme, other, third] = ["acme", "other", "third"].map(|id| TenantId::parse(id).unwrap());
    let held = |id: &TenantId, phones: &[&str]| Held::of_phones((id.as_str(), "1"), &format!("{id}.example"), phones);
    let tenants = [held(&acme, &["7101"]), held(&other, &["7101", "7201"]), held(&third, &["7301"])];
    answers.send(news(tenants)).await.unwrap();
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
    let held = Held::of_phones(("acme", "1"), "acme.example", &["7101", "7102"]);
    answers.send(news([held])).await.unwrap();
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
    answers.send(told(wanted, Credentials::Unknown { realm: None })).await.unwrap();
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
