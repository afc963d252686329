use std::time::Duration;

use bayeux::ChannelName;
use infra::Clock as _;
use infra::conformance::SetClock;
use model::TenantId;
use runtime::token::{Believed, Revocation};
use serde_json::{Value, json};

use super::super::import_history::ImportHistory;
use super::super::records::ObjectWatch;
use super::super::test_objects::{KnownObjects, ada};
use super::*;
use crate::sessions::held::{FoundPlace, HeldLimits, HeldSession as _, HeldSessions};
use crate::sessions::replica::not_used;
use crate::sessions::store::SessionStore;
use crate::test_records::{StoreTrouble, TroubledRecords};

/// Numbers one after the other.
struct Counted(u64);

impl Entropy for Counted {
    fn next_u64(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// Two replicas with one store.
struct Site {
    clock: Arc<SetClock>,
    records: Arc<TroubledRecords>,
    replicas: [Arc<ProvisioningParts>; 2],
    believed: tokio::sync::watch::Sender<Believed>,
    cookie: SessionCookie,
}

impl Site {
    fn new() -> Self {
        let clock = SetClock::at(Timestamp::from_millis(1_700_000_000_000));
        let records = TroubledRecords::new(&clock);
        let store = SessionStore::<KeptProvisioning>::of_test(records.clone());
        let page = |objects: Value| json!({"objects": objects, "nextPageToken": ""});
        let document = json!({"user_name": "ann", "first_name": "Ann"});
        let ann = json!({"kind": "person", "id": "ann", "dbid": 17, "revision": 1, "document": document});
        let configuration = || KnownObjects {
            answers: vec![
                ("objects/person", page(json!([ann]))),
                ("objects/agent%5Fgroup", page(json!([]))),
                ("objects/access%5Fgroup", page(json!([]))),
            ],
            ..KnownObjects::default()
        };
        let (believed, seen) = tokio::sync::watch::channel(Believed::default());
        let parts = |holder: &str, seed: u64| {
            let shared = ReplicaParts {
                entropy: std::sync::Mutex::new(Box::new(Counted(seed))),
                ..ReplicaParts::of_test(&clock, &store, holder)
            };
            ProvisioningParts {
                replica: Arc::new(shared),
                configuration: Arc::new(configuration()),
                tokens: TokenVerifier::new(seen.clone(), &[], clock.clone()),
                metrics: Metrics::register(&runtime::Metrics::default()),
                operating: OperationPlaces::default(),
            }
        };
        let replicas = [Arc::new(parts("a.1", 0)), Arc::new(parts("b.1", 1_000))];
        let value = SessionCookie::write(&TenantId::parse("acme").unwrap(), "secret");
        Self { clock, records, replicas, believed, cookie: SessionCookie::read(&value).unwrap() }
    }

    /// The sign-in by which sessions of a test begin is revoked.
    fn revoke_sign_in(&self) {
        let now = self.clock.now();
        let (id, until) = ("sign-in of ada".to_owned(), now.as_secs() + 600);
        let revocation = Revocation { tenant: "acme".to_owned(), id, issued_before: None, until };
        self.believed.send_modify(|believed| {
            believed.revoked.add(revocation, now);
        });
    }

    /// When the record says that it was seen last that the session may go on.
    async fn kept_checked_at(&self) -> Timestamp {
        self.replicas[0].replica.store.read(&self.cookie).await.unwrap().unwrap().kept.checked_at
    }

    async fn begun(&self) -> Arc<ProvisioningSession> {
        let now = self.clock.now();
        let kept = KeptProvisioning::begun(ProvisioningSignIn::of_test("ada"), "a.1".to_owned(), now);
        let until = self.replicas[0].replica.kept_until(now);
        let seen = self.replicas[0].replica.store.keep(&self.cookie, &kept, until).await.unwrap();
        ProvisioningSession::new(self.replicas[0].clone(), self.cookie.clone(), kept, seen)
    }

    /// The session at the other replica, which takes it over by its record.
    async fn adopted(&self) -> Arc<ProvisioningSession> {
        let other = &self.replicas[1];
        let read = other.replica.store.read(&self.cookie).await.unwrap().unwrap();
        let kept = KeptProvisioning { holder: "b.1".to_owned(), ..read.kept };
        let until = other.replica.kept_until(self.clock.now());
        let seen = other.replica.store.replace(&self.cookie, &read.seen, &kept, until).await.unwrap().unwrap();
        ProvisioningSession::new(other.clone(), self.cookie.clone(), kept, seen)
    }
}

fn batch(message: Value) -> Batch {
    Batch::read(json!([message]).to_string().as_bytes()).unwrap()
}

async fn said(session: &ProvisioningSession, message: Value) -> Vec<Value> {
    let (_, answer) = session.bayeux(batch(message)).await.unwrap();
    serde_json::from_str(&answer.await.unwrap()).unwrap()
}

/// A client that has subscribed as the published one does.
async fn client(session: &ProvisioningSession) -> String {
    let types = ["long-polling"];
    let hands = json!({"id": "1", "version": "1.0", "channel": "/meta/handshake", "supportedConnectionTypes": types});
    let shaken = said(session, hands).await;
    let id = shaken[0]["clientId"].as_str().unwrap().to_owned();
    let wish = json!({"id": "2", "channel": "/meta/subscribe", "clientId": id, "subscription": "/*"});
    let subscribed = said(session, wish).await;
    assert_eq!(subscribed[0]["successful"], true);
    id
}

fn connect(client: &str) -> Value {
    json!({"id": "3", "channel": "/meta/connect", "clientId": client, "connectionType": "long-polling"})
}

/// Polls until something is told on a channel.
async fn told(session: &ProvisioningSession, client: &str, channel: &str) -> Value {
    loop {
        let messages = said(session, connect(client)).await;
        if let Some(message) = messages.iter().find(|message| message["channel"] == channel) {
            return message["data"].clone();
        }
    }
}

#[tokio::test]
async fn the_outcome_of_an_operation_is_told_to_who_has_asked() {
    let site = Site::new();
    let session = site.begun().await;
    let client = client(&session).await;
    session.begin_operation("a-1".to_owned(), "get-users", Vec::new()).await.unwrap();
    let told = told(&session, &client, "/operations").await;
    assert_eq!((&told["channel"], &told["data"]["id"]), (&json!("operations"), &json!("a-1")));
    let inner: Value = serde_json::from_str(told["data"]["data"]["data"].as_str().unwrap()).unwrap();
    assert_eq!((&inner["status"]["code"], &inner["data"]["users"][0]["userName"]), (&json!(0), &json!("ann")));
}

#[tokio::test]
async fn another_replica_tells_again_what_the_client_may_not_have_and_knows_the_client() {
    let site = Site::new();
    let session = site.begun().await;
    let client = client(&session).await;
    session.begin_operation("a-1".to_owned(), "get-users", Vec::new()).await.unwrap();
    // The first replica is gone before anybody has fetched the outcome.
    let next = site.adopted().await;
    let told = told(&next, &client, "/operations").await;
    assert_eq!(told["data"]["id"], "a-1");
    assert_eq!((session.is_still_held().await, session.is_gone()), (false, true), "the first replica has it no longer");
    assert!(next.is_still_held().await && next.is_used().await && !session.is_used().await);
}

#[tokio::test]
async fn an_operation_waits_until_there_is_a_client_with_room_for_its_outcome() {
    let site = Site::new();
    let session = site.begun().await;
    session.begin_operation("a-1".to_owned(), "get-users", Vec::new()).await.unwrap();
    assert!(session.state.lock().await.next_operation().is_none(), "there is no client");
    let client = client(&session).await;
    {
        let mut state = session.state.lock().await;
        assert!(state.next_operation().is_some());
        // So much is told besides that half of what may wait does.
        let (channel, now) = (ChannelName::parse("/operations").unwrap(), site.clock.now());
        for _ in 0..HUB.queue_messages_max / 2 {
            state.hub.publish(&channel, &json!({"channel": "other"}), None, now);
        }
        assert!(state.next_operation().is_none());
    }
    // The next poll confirms what has come by this one: it has an id of its own, and comes later.
    said(&session, connect(&client)).await;
    site.clock.advance(Duration::from_millis(10));
    let mut next = connect(&client);
    next["id"] = json!("4");
    let (_, answer) = session.bayeux(batch(next)).await.unwrap();
    session.begin_work().await;
    let messages: Vec<Value> = serde_json::from_str(&answer.await.unwrap()).unwrap();
    assert!(messages.iter().any(|message| message["data"]["data"]["id"] == "a-1"), "{messages:?}");
}

#[tokio::test]
async fn operations_are_bounded_until_their_outcomes_are_fetched() {
    let site = Site::new();
    let session = site.begun().await;
    client(&session).await;
    let mut refused = 0;
    for n in 0..20 {
        refused += usize::from(session.begin_operation(n.to_string(), "get-users", Vec::new()).await.is_err());
    }
    assert_eq!(refused, 4);
}

#[tokio::test]
async fn changes_are_told_once_and_the_next_replica_goes_on_behind_them() {
    let site = Site::new();
    let session = site.begun().await;
    let client = client(&session).await;
    let watch = ObjectWatch { kinds: vec!["person".to_owned()], after: 5, since: 4 };
    session.change(|kept| kept.watch = Some(watch.clone())).await.unwrap();
    let entry =
        |number: u64, kind: &str| json!({"number": number, "kind": kind, "id": "eve", "dbid": 3, "isThere": true});
    session.tell_changes(&watch, vec![entry(6, "skill"), entry(7, "person")], 9).await;
    let next = site.adopted().await;
    let told = told(&next, &client, "/objects").await;
    assert_eq!((&told["data"]["type"], &told["data"]["operation"]), (&json!("users"), &json!("created")));
    let behind = |kept: &KeptProvisioning| kept.watch.as_ref().map(|watch| (watch.after, watch.since));
    assert_eq!(next.shown(behind).await, Some((7, 9)));
}

#[tokio::test]
async fn changes_are_looked_for_behind_another_revision_alone_and_while_there_is_a_client() {
    let site = Site::new();
    let session = site.begun().await;
    let watch = ObjectWatch { since: 4, ..ObjectWatch::default() };
    session.change(|kept| kept.watch = Some(watch.clone())).await.unwrap();
    assert!(session.begin_watching().is_none(), "there is no client");
    client(&session).await;
    let behind = |kept: &KeptProvisioning| kept.watch.as_ref().map(|watch| (watch.after, watch.since));
    // The configuration of the test knows no history: who asked for it would not get on.
    for (revision, due) in [(None, (0, 4)), (Some(4), (0, 4)), (Some(5), (0, 4)), (Some(3), (0, 3))] {
        assert!(session.begin_watching().is_some() && session.begin_watching().is_none(), "once at a time");
        session.look_for_changes(revision).await;
        assert_eq!(session.shown(behind).await, Some(due), "{revision:?}");
    }
    // More than are told at once: the others are told behind them, and until then the revision is not done with.
    let entries = (1..=20).map(|number| json!({"number": number, "kind": "skill", "id": "French", "isThere": true}));
    let watch = session.shown(|kept| kept.watch.clone()).await.unwrap();
    session.tell_changes(&watch, entries.collect(), 6).await;
    assert_eq!(session.shown(behind).await, Some((16, 3)));
}

#[tokio::test]
async fn what_is_asked_of_a_session_that_another_replica_has_is_for_that_one_and_nothing_is_done() {
    let site = Site::new();
    let for_another = Some(ApiRefusal::elsewhere());
    let mut later = ProvisioningSignIn::of_test("ada");
    later.person.issued_at = 1_700_000_001;
    let (imports, noted) = ImportHistory::of_test(site.clock.clone());
    for n in 0..4 {
        let session = site.begun().await;
        let next = site.adopted().await;
        // Each is the first that finds it.
        let refused = match n {
            0 => session.change(|kept| kept.last_export += 1).await.err(),
            1 => session.renew(&later).await.err(),
            2 => session.begin_operation("a-1".to_owned(), "get-users", Vec::new()).await.err(),
            _ => session
                .begin_import("userName\nann\n".to_owned(), ada(), imports.note_of_test("ada", "1", 1))
                .await
                .err(),
        };
        assert_eq!(refused, for_another, "{n}");
        assert_eq!(
            next.shown(|kept| (kept.last_export, kept.operations.len(), kept.import.clone())).await,
            (0, 0, None)
        );
    }
    assert!(noted.all.lock().unwrap().is_empty(), "what was not begun is noted");
}

#[tokio::test]
async fn an_import_is_noted_with_how_it_came_out_and_told_by_the_session_only_then() {
    let site = Site::new();
    let (imports, noted) = ImportHistory::of_test(site.clock.clone());
    let session = site.begun().await;
    let begin =
        |id: &str| session.begin_import("userName\nann\n".to_owned(), ada(), imports.note_of_test("ada", id, 1));
    let ended = async || {
        while session.shown(|kept| kept.import.as_ref().is_none_or(|import| import.is_under_way)).await {
            tokio::task::yield_now().await;
        }
    };
    begin("1").await.unwrap();
    ended().await;
    let end = noted.all.lock().unwrap()["1"].end.clone().unwrap();
    let told = session.shown(|kept| kept.import.clone()).await.unwrap();
    assert_eq!((end.taken, &end.faults), (told.succeeded, &told.failed));
    noted.is_away.store(true, std::sync::atomic::Ordering::SeqCst);
    begin("2").await.unwrap();
    ended().await;
    let told = session.shown(|kept| kept.import.clone()).await.unwrap();
    assert!(told.succeeded == 0 && told.failed[0].contains("cannot be noted"), "{told:?}");
}

#[tokio::test]
async fn a_session_that_has_ended_is_nobodys_any_more() {
    let site = Site::new();
    let session = site.begun().await;
    session.end(SessionEnd::Logout).await;
    assert_eq!((session.is_still_held().await, session.is_used().await, session.is_gone()), (false, false, true));
    assert!(site.replicas[1].replica.store.read(&site.cookie).await.unwrap().is_none());
    assert!(session.bayeux(batch(connect("c1"))).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_ended_is_not_found_again_by_a_record_that_could_not_be_ended() {
    let site = Site::new();
    let held = HeldSessions::new(HeldLimits { sessions_max: 2, tenants_share: 1 });
    let session = site.begun().await;
    let FoundPlace::Own(turn) = held.seek(&site.cookie) else { panic!("there is room") };
    turn.holds(session.clone());
    site.records.have(StoreTrouble::Away);
    session.end(SessionEnd::Logout).await;
    site.records.have(StoreTrouble::Nothing);
    held.forget_ended();
    let found = held.find(&site.cookie).unwrap();
    assert!(found.is_still_held().await && !found.is_used().await);
    assert_eq!(not_used(&*found), ApiRefusal::without_session());
    let store = &site.replicas[1].replica.store;
    assert!(store.read(&site.cookie).await.unwrap().is_some());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(store.read(&site.cookie).await.unwrap().is_none(), "it is tried again");
    held.forget_ended();
    assert!(held.find(&site.cookie).is_none() && held.all().is_empty());
}

#[tokio::test]
async fn a_session_that_is_always_at_something_ends_with_its_sign_in_and_with_its_day() {
    for is_revoked in [true, false] {
        let site = Site::new();
        let session = site.begun().await;
        if is_revoked {
            site.revoke_sign_in();
        } else {
            site.clock.advance(Duration::from_secs(12 * 3_600));
        }
        // Whoever looks from time to time finds it busy each time.
        let busy = session.state.lock().await;
        session.look(true);
        drop(busy);
        assert!(!session.is_used().await, "{is_revoked}");
        while !session.is_gone() {
            tokio::task::yield_now().await;
        }
        let why = if is_revoked { SessionEnd::Revoked } else { SessionEnd::Old };
        assert_eq!(site.replicas[0].metrics.ended.get(why), 1);
    }
}

#[tokio::test]
async fn a_write_does_not_say_that_somebody_has_looked_whether_the_sign_in_is_revoked() {
    let site = Site::new();
    let (session, begun) = (site.begun().await, site.clock.now());
    site.clock.advance(Duration::from_secs(120));
    session.change(|kept| kept.last_export += 1).await.unwrap();
    assert_eq!(site.kept_checked_at().await, begun);
    assert!(session.is_used().await);
    session.change(|kept| kept.last_export += 1).await.unwrap();
    assert_eq!(site.kept_checked_at().await, site.clock.now());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_holds_a_session_up_once() {
    let site = Site::new();
    let session = site.begun().await;
    site.records.have(StoreTrouble::Hung);
    let began = tokio::time::Instant::now();
    for _ in 0..3 {
        assert!(session.is_still_held().await);
    }
    session.change(|kept| kept.last_export += 1).await.unwrap();
    let held_up = began.elapsed();
    assert!(held_up < Duration::from_millis(900), "{held_up:?}");
    site.records.have(StoreTrouble::Nothing);
    site.clock.advance(Duration::from_secs(1));
    session.handle_timeout().await;
    let next = site.adopted().await;
    assert_eq!(next.shown(|kept| kept.last_export).await, 1, "it is written");
    assert!(!session.is_still_held().await && next.is_still_held().await, "it is looked at again");
}
