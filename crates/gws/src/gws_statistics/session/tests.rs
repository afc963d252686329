use contracts::v1;
use contracts::v1::statistic_reading::Value as Reading;
use identity::secret::Digest;
use infra::conformance::SetClock;
use model::TenantId;
use serde_json::json;

use super::super::asked::{AskedStatistic, read_all};
use super::super::statistics_sign_in::StatisticsSignIn;
use super::super::subscriptions::ShownStatistic;
use super::super::tenant_statistics::StatisticsOwner;
use super::super::visibility::AgentSight;
use super::*;
use crate::sessions::held::HeldSession as _;
use crate::sessions::store::SessionStore;
use crate::test_records::{StoreTrouble, TroubledRecords};

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A replica that has one tenant, whose stream the test is.
struct Replica {
    parts: Arc<StatisticsParts>,
    followed: FollowedTenant,
}

impl Replica {
    fn new(holder: &str, clock: &Arc<SetClock>, store: &SessionStore<KeptSession>) -> Self {
        let metrics = Metrics::register(&runtime::Metrics::default());
        let shared = ReplicaParts {
            idle_max: Duration::from_secs(300),
            counts: metrics.counts(),
            ..ReplicaParts::of_test(clock, store, holder)
        };
        let parts =
            StatisticsParts { replica: Arc::new(shared), metrics, channels: StatisticsChannels::new().unwrap() };
        Self { parts: Arc::new(parts), followed: FollowedTenant::new(clock.clone()) }
    }

    async fn begun(&self, cookie: &SessionCookie) -> Arc<StatisticsSession> {
        let kept = KeptSession::of_test("person/ann", &self.parts.replica.holder, self.parts.now());
        let until = self.parts.replica.kept_until(self.parts.now());
        let seen = self.parts.replica.store.keep(cookie, &kept, until).await.unwrap();
        self.with(cookie, kept, seen, UnknownClient::Adopt)
    }

    /// The session that another replica has.
    async fn adopted(&self, cookie: &SessionCookie) -> Arc<StatisticsSession> {
        let seen = self.parts.replica.store.value(cookie).await.unwrap().unwrap();
        let kept = self.parts.replica.store.opened(cookie, &seen).unwrap();
        let kept = KeptSession { holder: self.parts.replica.holder.clone(), ..kept };
        let until = self.parts.replica.kept_until(self.parts.now());
        let seen = self.parts.replica.store.replace(cookie, &seen, &kept, until).await.unwrap().unwrap();
        self.with(cookie, kept, seen, UnknownClient::Adopt)
    }

    fn with(
        &self,
        cookie: &SessionCookie,
        kept: KeptSession,
        seen: Bytes,
        unknown_client: UnknownClient,
    ) -> Arc<StatisticsSession> {
        let (parts, followed) = (self.parts.clone(), self.followed.clone());
        StatisticsSession::new(parts, cookie.clone(), kept, seen, followed, unknown_client)
    }

    /// What is to be opened and closed at tenant.
    fn asked(&self) -> (Vec<v1::OpenStatistic>, Vec<u64>) {
        let (mut open, mut close) = (Vec::new(), Vec::new());
        while let Some(message) = self.followed.next_message(0) {
            open.extend(message.open);
            close.extend(message.close);
        }
        (open, close)
    }

    fn tells(&self, reference: u64, number: u64) {
        let value = v1::StatisticReading { at_us: 7_000, value: Some(Reading::Number(number)), counts_since_us: None };
        let told = v1::StatisticTold { reference, value: Some(value) };
        self.followed.told(0, v1::FollowStatisticsResponse { values: vec![told], ..Default::default() });
    }

    fn refuses(&self, reference: u64) {
        let refused = v1::StatisticRefused { reference, message: "there is no such agent".to_owned(), why: 3 };
        self.followed.told(0, v1::FollowStatisticsResponse { refused: vec![refused], ..Default::default() });
    }
}

fn cookie() -> SessionCookie {
    SessionCookie { tenant: TenantId::parse("acme").unwrap(), digest: Digest::of("one") }
}

fn agents(ids: &[&str]) -> Vec<AskedStatistic> {
    let one = |id: &&str| json!({"statisticId": id, "objectId": id, "objectType": "Agent", "name": "CallsHandled"});
    read_all(&ids.iter().map(one).collect(), "statistics").unwrap()
}

/// What a batch of messages is answered at once.
fn sent(session: &Arc<StatisticsSession>, batch: &Value) -> Vec<Value> {
    let batch = Batch::read(batch.to_string().as_bytes()).unwrap();
    let (_, mut answered) = session.bayeux(batch).unwrap();
    serde_json::from_str(&answered.try_recv().unwrap()).unwrap()
}

/// A client that has subscribed to both channels.
fn client(session: &Arc<StatisticsSession>) -> String {
    let shaken = sent(session, &json!([{"channel": "/meta/handshake", "id": "1"}]));
    let id = shaken[0]["clientId"].as_str().unwrap().to_owned();
    for channel in ["/statistics/v3/updates", "/statistics/v3/service"] {
        let subscribed =
            sent(session, &json!([{"channel": "/meta/subscribe", "clientId": id, "subscription": channel}]));
        assert_eq!(subscribed[0]["successful"], true);
    }
    id
}

/// What waits for a client, without the replies of the protocol.
fn polled(session: &Arc<StatisticsSession>, client: &str) -> Vec<(String, Value)> {
    // Each has an id of its own: so it confirms what came before.
    let id = session.lock().exchanges.to_string();
    let connect = json!([{"channel": "/meta/connect", "id": id, "clientId": client, "advice": {"timeout": 1_000}}]);
    let batch = Batch::read(connect.to_string().as_bytes()).unwrap();
    let (_, mut answered) = session.bayeux(batch).unwrap();
    let Ok(answer) = answered.try_recv() else { return Vec::new() };
    let messages: Vec<Value> = serde_json::from_str(&answer).unwrap();
    let told = messages.into_iter().filter(|message| message.get("data").is_some());
    told.map(|message| (message["channel"].as_str().unwrap().to_owned(), message["data"]["data"].clone())).collect()
}

fn setup() -> (Arc<SetClock>, SessionStore<KeptSession>) {
    let clock = SetClock::at(START);
    (clock.clone(), SessionStore::in_memory(clock))
}

#[tokio::test(start_paused = true)]
async fn a_client_is_told_values_and_their_changes_and_whether_they_come() {
    let (clock, store) = setup();
    let replica = Replica::new("one", &clock, &store);
    let session = replica.begun(&cookie()).await;
    let ann = client(&session);
    let opening = session.subscribe("mine".to_owned(), agents(&["1001", "1002"]));
    let telling = async {
        tokio::task::yield_now().await;
        let (open, _) = replica.asked();
        replica.tells(open[0].reference, 4);
        replica.refuses(open[1].reference);
    };
    let (opened, ()) = tokio::join!(opening, telling);
    let opened = opened.unwrap();
    assert_eq!((opened.statistics[0]["value"].clone(), opened.statistics.len()), (json!(4), 1));
    assert_eq!(opened.refused[0].message(), "1002: there is no such agent");
    assert_eq!((replica.asked().1, replica.followed.count()), (vec![], 1), "what is refused is let go of");
    session.look();
    let told = polled(&session, &ann);
    assert_eq!(told[0], ("/statistics/v3/service".to_owned(), json!({"serviceState": "Available"})));
    assert_eq!(told[1].1["statistics"][0]["subscriptionId"], "mine");

    replica.tells(1, 5);
    replica.tells(1, 6);
    replica.followed.broken(0);
    session.look();
    let told = polled(&session, &ann);
    assert_eq!(told.len(), 2);
    let values: Vec<&Value> = told.iter().filter_map(|(_, data)| data.get("statistics")).collect();
    assert_eq!((values[0].as_array().unwrap().len(), &values[0][0]["value"]), (1, &json!(6)), "the last one");
    assert!(told.iter().any(|(_, data)| data["serviceState"] == "Unavailable"));
    let peeked = session.peek("mine", &["1001".to_owned()], ShownStatistic::Brief).unwrap();
    assert_eq!(peeked.statistics, [json!({"statisticId": "1001", "timestamp": 7, "value": 6})]);
    assert!(session.peek("other", &[], ShownStatistic::Whole).is_none());
    replica.refuses(1);
    session.look();
    let told = polled(&session, &ann);
    let is_gone = |data: &Value| data.pointer("/statistics/0/status/code") == Some(&json!(404));
    assert!(told.iter().any(|(_, data)| is_gone(data)), "{told:?}");
    let peeked = session.peek("mine", &[], ShownStatistic::Whole).unwrap();
    assert_eq!((peeked.statistics.len(), peeked.refused[0].message()), (0, "1001: there is no such agent"));
    replica.tells(1, 7);
    session.unsubscribe("mine").await.unwrap();
    assert_eq!(replica.asked().1, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_gets_the_last_values_once_it_does() {
    let (clock, store) = setup();
    let replica = Replica::new("one", &clock, &store);
    let session = replica.begun(&cookie()).await;
    let ann = client(&session);
    session.subscribe("mine".to_owned(), agents(&["1001"])).await.unwrap();
    let (open, _) = replica.asked();
    for number in 0..100 {
        replica.tells(open[0].reference, number);
        session.look();
    }
    assert!(session.lock().hub.knows(&ClientId::parse(&ann).unwrap()), "it is not dropped");
    let mut last = Value::Null;
    for _ in 0..3 {
        for (_, data) in polled(&session, &ann) {
            if let Some(value) = data.pointer("/statistics/0/value") {
                last = value.clone();
            }
        }
        session.look();
    }
    assert_eq!(last, 99);
}

#[tokio::test(start_paused = true)]
async fn another_replica_goes_on_with_what_was_open_and_the_one_before_sees_it() {
    let (clock, store) = setup();
    let (one, two) = (Replica::new("one", &clock, &store), Replica::new("second", &clock, &store));
    let session = one.begun(&cookie()).await;
    let ann = client(&session);
    session.subscribe("mine".to_owned(), agents(&["1001"])).await.unwrap();
    let taken = two.adopted(&cookie()).await;
    let (open, _) = two.asked();
    assert_eq!(open[0].request.as_ref().unwrap().object_id, "1001");
    two.tells(open[0].reference, 9);
    // Its connect tells which client it is: it is taken under its id.
    let told = polled(&taken, &ann);
    assert!(told.iter().any(|(_, data)| data.pointer("/statistics/0/value") == Some(&json!(9))), "{told:?}");
    assert!(!session.is_still_held().await && session.is_over());
    assert!(session.subscribe("late".to_owned(), agents(&["1002"])).await.is_err());
    assert!(taken.is_still_held().await);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_room_at_another_replica_stays_in_the_record_and_is_opened_later() {
    let (clock, store) = setup();
    let (one, two) = (Replica::new("one", &clock, &store), Replica::new("second", &clock, &store));
    one.begun(&cookie()).await.subscribe("mine".to_owned(), agents(&["1001"])).await.unwrap();
    let ann = StatisticsOwner::Subject("person/ann".into());
    let is_held = |n: &usize| {
        let asked = AskedStatistic::named("CallsHandled", &format!("other-{n}"), "Agent").unwrap();
        two.followed.hold(&asked.request, &ann).is_ok()
    };
    assert_eq!((0..).take_while(is_held).count(), two.followed.count());
    two.asked();
    let taken = two.adopted(&cookie()).await;
    assert!(two.asked().0.is_empty());
    taken.write().await.unwrap();
    let seen = store.value(&cookie()).await.unwrap().unwrap();
    let kept = store.opened(&cookie(), &seen).unwrap();
    assert_eq!(kept.subscriptions, [("mine".to_owned(), agents(&["1001"]))]);

    clock.advance(Duration::from_secs(61));
    two.followed.handle_timeout();
    taken.look();
    let (open, _) = two.asked();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].request.as_ref().unwrap().object_id, "1001");
}

#[tokio::test(start_paused = true)]
async fn what_a_request_has_begun_to_open_is_closed_where_it_is_given_up() {
    let (clock, store) = setup();
    let replica = Replica::new("one", &clock, &store);
    let session = replica.begun(&cookie()).await;
    session.subscribe("mine".to_owned(), agents(&["1001"])).await.unwrap();
    replica.asked();
    let given_up = session.subscribe("other".to_owned(), agents(&["1001", "1002"]));
    tokio::time::timeout(Duration::from_millis(10), given_up).await.map(drop).unwrap_err();
    assert_eq!(replica.followed.count(), 1, "what is in a subscription stays open");
    assert!(session.peek("other", &[], ShownStatistic::Whole).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_its_person_may_see_no_longer_is_closed_and_told_as_gone() {
    let (clock, store) = setup();
    let replica = Replica::new("one", &clock, &store);
    let session = replica.begun(&cookie()).await;
    let ann = client(&session);
    session.subscribe("mine".to_owned(), agents(&["1001", "1002"])).await.unwrap();
    session.subscribe("other".to_owned(), agents(&["1002"])).await.unwrap();
    replica.asked();
    let mut own = StatisticsSignIn::of_test("ann", "workspace:use agents:supervise");
    own.agent = Some("1001".to_owned());
    session.close_hidden(&AgentSight::of_test(&own)).await.unwrap();
    assert_eq!(replica.followed.count(), 2, "a supervisor sees them");
    own.sees_others = false;
    session.close_hidden(&AgentSight::of_test(&own)).await.unwrap();
    assert_eq!((replica.asked().1, replica.followed.count()), (vec![2], 1));
    let told = polled(&session, &ann);
    let is_hidden = |data: &Value| data.pointer("/statistics/1/status/code") == Some(&json!(403));
    assert!(told.iter().any(|(_, data)| is_hidden(data)), "{told:?}");
    let seen = store.value(&cookie()).await.unwrap().unwrap();
    let kept = store.opened(&cookie(), &seen).unwrap();
    assert_eq!(kept.subscriptions, [("mine".to_owned(), agents(&["1001"])), ("other".to_owned(), Vec::new())]);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_with_its_last_client_or_unused() {
    let (clock, store) = setup();
    let replica = Replica::new("one", &clock, &store);
    let session = replica.begun(&cookie()).await;
    let ann = client(&session);
    session.subscribe("mine".to_owned(), agents(&["1001"])).await.unwrap();
    replica.asked();
    let left = sent(&session, &json!([{"channel": "/meta/disconnect", "clientId": ann}]));
    assert_eq!(left[0]["successful"], true);
    assert!(session.is_over());
    assert_eq!(replica.asked().1, [1]);

    let unused = replica.begun(&SessionCookie { digest: Digest::of("two"), ..cookie() }).await;
    clock.advance(Duration::from_secs(301));
    assert!(!unused.is_over());
    unused.look();
    assert!(unused.is_over());
}

#[tokio::test(start_paused = true)]
async fn a_session_has_as_much_open_as_its_record_takes() {
    let (clock, store) = setup();
    let replica = Replica::new("one", &clock, &store);
    let session = replica.begun(&cookie()).await;
    let many = |from: usize| {
        let ids: Vec<String> = (from..from + 100).map(|n| format!("an-agent-with-quite-a-long-name-{n:08}")).collect();
        agents(&ids.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert!(session.subscribe("a".to_owned(), many(0)).await.is_ok());
    assert!(session.subscribe("b".to_owned(), many(1_000)).await.is_err());
    assert_eq!(replica.followed.count(), 100, "nothing stays open of what there was no room for");
    assert!(session.subscribe("a".to_owned(), agents(&["1001"])).await.is_ok());
    assert_eq!(replica.followed.count(), 1, "the one before was closed");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_ended_is_not_found_again_by_a_record_that_could_not_be_ended() {
    let clock = SetClock::at(START);
    let records = TroubledRecords::new(&clock);
    let store = SessionStore::of_test(records.clone());
    let session = Replica::new("one", &clock, &store).begun(&cookie()).await;
    records.have(StoreTrouble::Away);
    session.end(StatisticsSessionEnd::Disconnected);
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    records.have(StoreTrouble::Nothing);
    assert!(session.is_over() && !session.is_gone() && session.is_still_held().await && !session.is_used());
    assert!(store.read(&cookie()).await.unwrap().is_some(), "who takes it over by that would have it again");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(session.is_gone() && store.read(&cookie()).await.unwrap().is_none(), "it is tried again");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_holds_a_session_up_once() {
    let clock = SetClock::at(START);
    let records = TroubledRecords::new(&clock);
    let store = SessionStore::of_test(records.clone());
    let (one, two) = (Replica::new("one", &clock, &store), Replica::new("second", &clock, &store));
    let session = one.begun(&cookie()).await;
    records.have(StoreTrouble::Hung);
    let began = tokio::time::Instant::now();
    for _ in 0..3 {
        assert!(session.is_still_held().await);
    }
    let held_up = began.elapsed();
    assert!(held_up < Duration::from_millis(900), "{held_up:?}");
    records.have(StoreTrouble::Nothing);
    clock.advance(Duration::from_secs(1));
    session.look();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    let taken = two.adopted(&cookie()).await;
    assert!(!session.is_still_held().await && taken.is_still_held().await, "it is looked at again");
}

#[tokio::test]
async fn a_client_of_a_session_that_is_over_is_told_to_shake_hands_where_a_socket_begins_another_one() {
    let (clock, store) = setup();
    let replica = Replica::new("one", &clock, &store);
    let kept = KeptSession::of_test("person/ann", "one", START);
    let begun = replica.with(&cookie(), kept, Bytes::new(), UnknownClient::Refuse);
    let connect = json!([{"channel": "/meta/connect", "id": "9", "clientId": "earlier"}]);
    let told = sent(&begun, &connect);
    assert_eq!((&told[0]["successful"], &told[0]["advice"]["reconnect"]), (&json!(false), &json!("handshake")));
    let ann = client(&begun);
    assert!(begun.lock().hub.knows(&ClientId::parse(&ann).unwrap()), "who shakes hands is there");
}
