use std::sync::atomic::Ordering::SeqCst;

use infra::HistoryStamp;
use tonic::Code;

use super::*;
use crate::role::configuration::Secrets;
use crate::role::test_database::{TestDatabase, tenant};

fn point(revision: u64, stamp: u64) -> HistoryPoint {
    HistoryPoint { revision: Revision(revision), stamp: HistoryStamp(stamp) }
}

fn object(id: usize, bytes: usize) -> v1::ConfigObject {
    v1::ConfigObject { kind: "application".to_owned(), id: id.to_string(), json: "x".repeat(bytes) }
}

#[test]
fn many_documents_come_in_messages_that_are_read_and_the_last_names_their_revision() {
    let objects: Vec<_> = (0..60).map(|id| object(id, if id % 7 == 0 { 3 << 20 } else { 150_000 })).collect();
    let parts = parts((point(4, 40), point(9, 90)), true, objects.clone().into_iter());
    assert!(parts.iter().all(|part| part.encoded_len() < 4 << 20 && !part.objects.is_empty()));
    let (last, others) = parts.split_last().unwrap();
    assert!(last.revision == 9 && last.history == 90 && !last.unfinished);
    assert!(others.iter().all(|part| part.revision == 4 && part.history == 40 && part.unfinished));
    assert!(parts.iter().all(|part| part.whole));
    let told: Vec<_> = parts.iter().flat_map(|part| part.objects.clone()).collect();
    assert_eq!(told, objects);
}

#[test]
fn that_nothing_has_changed_is_one_message() {
    let told = parts((point(9, 90), point(9, 90)), false, std::iter::empty());
    assert_eq!(told, [v1::FollowResponse { revision: 9, history: 90, ..Default::default() }]);
}

/// A database with globex, and with another tenant, at these revisions.
fn stored(globex: u64, other: u64) -> StoredTenants {
    StoredTenants::known([(tenant("globex"), point(globex, 0)), (tenant("other"), point(other, 0))])
}

type Told<T> = mpsc::Receiver<Result<T, Status>>;

async fn tenants(told: &mut Told<v1::FollowTenantsResponse>) -> Vec<String> {
    told.recv().await.unwrap().unwrap().tenants
}

#[tokio::test(start_paused = true)]
async fn tenants_are_told_when_all_of_them_are_known_and_again_when_they_are_others() {
    let (tell, listed) = watch::channel(StoredTenants::default());
    let (answers, mut told) = mpsc::channel(2);
    let telling = tokio::spawn(tell_tenants(answers, listed, None, ToldHosts::default()));
    let early = tokio::time::timeout(SILENCE_MAX * 3, told.recv()).await;
    assert!(early.is_err(), "a list before the database has answered: {early:?}");
    tell.send_replace(stored(1, 1));
    assert_eq!(tenants(&mut told).await, ["globex", "other"]);
    tell.send_replace(stored(2, 1));
    let same = tokio::time::timeout(SILENCE_MAX / 2, told.recv()).await;
    assert!(same.is_err(), "another revision is no other tenant: {same:?}");
    assert_eq!(tenants(&mut told).await, ["globex", "other"], "a follower hears that the stream lives");
    tell.send_replace(StoredTenants::known([(tenant("globex"), point(2, 0))]));
    assert_eq!(tenants(&mut told).await, ["globex"]);
    drop(tell);
    telling.await.unwrap();
    assert!(told.recv().await.is_none(), "the stream ends with the role");
}

#[tokio::test(start_paused = true)]
async fn who_may_know_one_tenant_is_told_of_that_one() {
    let (tell, listed) = watch::channel(stored(1, 1));
    let (answers, mut told) = mpsc::channel(2);
    tokio::spawn(tell_tenants(answers, listed, Some(tenant("other")), ToldHosts::default()));
    assert_eq!(tenants(&mut told).await, ["other"]);
    tell.send_replace(StoredTenants::known([(tenant("globex"), point(1, 0))]));
    assert_eq!(tenants(&mut told).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn hosts_are_told_to_who_asks_for_them_and_of_the_tenants_that_are_told() {
    let (tell, listed) = watch::channel(stored(1, 1));
    let (answers, mut told) = mpsc::channel(2);
    let database = TestDatabase::new(None);
    tokio::spawn(tell_tenants(answers, listed, Some(tenant("globex")), ToldHosts::of(database, KnownHosts::default())));
    let hosts = told.recv().await.unwrap().unwrap().hosts;
    let hosts: Vec<_> = hosts.iter().map(|told| (told.host.as_str(), told.tenant.as_str())).collect();
    assert_eq!(hosts, [("globex.example", "globex")]);
    tell.send_replace(StoredTenants::known([(tenant("other"), point(1, 0))]));
    assert!(told.recv().await.unwrap().unwrap().hosts.is_empty(), "of another tenant nothing is told");
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_the_database_is_away_is_told_the_hosts_that_are_known_and_never_that_there_are_none() {
    let (_tell, listed) = watch::channel(stored(1, 1));
    let (database, known) = (TestDatabase::new(None), KnownHosts::default());
    let follows = || {
        let (answers, told) = mpsc::channel(2);
        tokio::spawn(tell_tenants(answers, listed.clone(), None, ToldHosts::of(database.clone(), known.clone())));
        told
    };
    database.is_away.store(true, SeqCst);
    let mut early = follows();
    let told = tokio::time::timeout(SILENCE_MAX * 3, early.recv()).await;
    assert!(told.is_err(), "a list before the database has named the hosts: {told:?}");
    database.is_away.store(false, SeqCst);
    assert_eq!(early.recv().await.unwrap().unwrap().hosts.len(), 1, "of globex, since there is no acme");

    database.is_away.store(true, SeqCst);
    assert_eq!(follows().recv().await.unwrap().unwrap().hosts.len(), 1, "one that begins while it is away");
    assert_eq!(early.recv().await.unwrap().unwrap().hosts.len(), 1, "one that has begun before");
}

/// Follows the skills of globex.
fn follow(
    database: &Arc<TestDatabase>,
    stored: watch::Receiver<StoredTenants>,
    after: HistoryPoint,
) -> Told<v1::FollowResponse> {
    let view = View { tenant: tenant("globex"), kinds: vec!["skill".to_owned()], secrets: Secrets::None, person: None };
    let (answers, told) = mpsc::channel(2);
    let filter = FollowFilter::default();
    let follower =
        ObjectFollower { store: database.clone(), stored, view, filter, told: ToldToPerson::default(), after };
    tokio::spawn(follower.tell(answers));
    told
}

async fn skills(told: &mut Told<v1::FollowResponse>) -> (u64, Vec<String>) {
    let answer = told.recv().await.unwrap().unwrap();
    (answer.revision, answer.objects.into_iter().map(|object| object.id).collect())
}

#[tokio::test(start_paused = true)]
async fn the_database_is_asked_when_the_tenants_own_revision_has_moved() {
    let database = TestDatabase::new(None);
    let (tell, listed) = watch::channel(stored(1, 1));
    let mut told = follow(&database, listed, point(1, 0));
    assert_eq!(skills(&mut told).await, (1, Vec::new()));
    for other in 2..20 {
        tell.send_replace(stored(1, other));
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        assert_eq!(skills(&mut told).await, (1, Vec::new()), "a follower hears that the stream lives");
    }
    assert_eq!(database.asked_for_changes.load(SeqCst), 1);
    database.adds("Patience");
    tell.send_replace(stored(2, 20));
    assert_eq!(skills(&mut told).await, (2, vec!["Patience".to_owned()]));
    assert_eq!(database.asked_for_changes.load(SeqCst), 2);
    drop(tell);
    assert!(told.recv().await.is_none(), "the stream ends with the role");
    assert_eq!(database.asked_for_changes.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_older_than_what_was_told_has_nobody_ask_all_the_time() {
    let database = TestDatabase::new(None);
    database.adds("Patience");
    let (tell, listed) = watch::channel(stored(1, 1));
    let mut told = follow(&database, listed, point(0, 0));
    assert_eq!(skills(&mut told).await.0, 2);
    assert_eq!(skills(&mut told).await, (2, Vec::new()));
    assert_eq!(database.asked_for_changes.load(SeqCst), 1);
    tell.send_replace(stored(2, 1));
    assert_eq!(skills(&mut told).await, (2, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_database_that_was_put_back_ends_the_stream() {
    let database = TestDatabase::new(None);
    database.adds("Patience");
    let (tell, listed) = watch::channel(stored(2, 1));
    let mut told = follow(&database, listed, point(2, 0));
    assert_eq!(skills(&mut told).await, (2, Vec::new()));
    database.states.lock().unwrap().pop();
    tell.send_replace(stored(1, 1));
    let refused = told.recv().await.unwrap().unwrap_err();
    assert!(refused.code() == Code::OutOfRange && refused.message().starts_with("after_revision: "), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_follower_hears_everything_once_the_database_has_another_history() {
    let database = TestDatabase::new(None);
    database.is_put_back(1);
    database.adds("Patience");
    let (tell, listed) = watch::channel(StoredTenants::known(database.points().await.unwrap()));
    let mut told = follow(&database, listed.clone(), database.point_at(1));
    assert_eq!(skills(&mut told).await, (2, vec!["Patience".to_owned()]));
    let ahead = database.point_at(2);

    // Changed anew, it has come to the same revision before anybody looks.
    database.is_put_back(1);
    database.adds("Humour");
    tell.send_replace(StoredTenants::known(database.points().await.unwrap()));
    let all = ["English", "Humour", "Sales"];
    for mut told in [told, follow(&database, listed, ahead)] {
        let answer = told.recv().await.unwrap().unwrap();
        let mut ids: Vec<_> = answer.objects.iter().map(|object| object.id.as_str()).collect();
        ids.sort_unstable();
        assert_eq!((ids.as_slice(), answer.whole, answer.unfinished), (&all[..], true, false));
        assert_eq!((answer.revision, answer.history), (2, database.point_at(2).stamp.0));
        assert_eq!(skills(&mut told).await, (2, Vec::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_hears_of_the_ids_and_types_that_it_wants_and_when_they_are_others() {
    let database = TestDatabase::new(None);
    let (tell, stored) = watch::channel(stored(1, 1));
    let view = View { tenant: tenant("globex"), kinds: vec!["dn".to_owned()], secrets: Secrets::None, person: None };
    let filter = FollowFilter::of("71", vec!["extension".to_owned()]).unwrap();
    let (answers, mut told) = mpsc::channel(2);
    let follower = ObjectFollower {
        store: database.clone(),
        stored,
        view,
        filter,
        told: ToldToPerson::default(),
        after: point(0, 0),
    };
    tokio::spawn(follower.tell(answers));
    let (_, mut numbers) = skills(&mut told).await;
    numbers.sort_unstable();
    assert_eq!(numbers, ["7101", "7102"], "the others are not told");

    let mut next = database.states.lock().unwrap()[0].clone();
    for dn in &mut next.dns {
        if ["7101", "a"].contains(&dn.number.as_str()) {
            dn.kind = DnKind::Echo;
        }
    }
    database.states.lock().unwrap().push(next);
    tell.send_replace(self::stored(2, 1));
    let answer = told.recv().await.unwrap().unwrap();
    let gone = v1::ConfigObject { kind: "dn".to_owned(), id: "7101".to_owned(), json: String::new() };
    assert_eq!((answer.revision, answer.objects), (2, vec![gone]));
}

#[test]
fn what_a_follower_cannot_want_is_refused_with_its_field() {
    let refused = |prefix: &str, types: &[&str]| {
        let types = types.iter().map(ToString::to_string).collect();
        FollowFilter::of(prefix, types).unwrap_err().message().to_owned()
    };
    assert!(refused(&"7".repeat(256), &[]).starts_with("id_prefix: "));
    assert!(refused("", &["phone"]).starts_with("types: each is one of extension, "));
    assert!(refused("", &["echo"; 6]).starts_with("types: there are more than 5"));
}
