//! Sessions over HTTP and in two replicas at one store, without gws-voice, gws-configuration and auth.

use std::net::IpAddr;
use std::sync::Mutex;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bayeux::Batch;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use infra::Clock as _;
use infra::conformance::SetClock;
use model::{Dn, TenantId, Timestamp};
use runtime::around::Entrance;
use runtime::caller::Tie;
use runtime::token::{Audience, Believed, Revocation, TokenIssuer};
use runtime::{ApiFamily, Directory, Drain};
use serde_json::{Value, json};

use super::behind::{
    BrowserPhone, CollectedEntries, CollectorFault, CollectorSide, ConfigurationFault, ConfigurationSide, ConfiguredDn,
    DesktopConfiguration, DnReader, FollowedDn, FoundEntries, InteractionFault, InteractionQuestion, InteractionSide,
    PeerFault, PeerQuestion, PeerService, PeerSide, ReaderId, SettingFault, SettingQuestion, SettingSide,
    StatisticsAway, StatisticsSide, VoiceLook, VoiceSide,
};
use super::desk::AskFault;
use super::desk_sign_in::{SignInNow, SignInStanding};
use super::metrics::{Metrics, SessionEnd};
use super::reporting::{ReadStatistics, ReadValue, WantedStatistic};
use super::store::DeskStore;
use super::*;
use crate::contact_api::{ContactChange, ContactEntry, changed_since};
use crate::interaction_api::{InteractionList, OpenInteraction};
use crate::replica_choice;
use crate::sessions::held::{HeldSession as _, HeldSessions};
use crate::sessions::notifications::{BayeuxSession as _, WaitingCaller};
use crate::sessions::session_code::{CodeFault, ShownCode};

mod contacts;
mod logouts;
mod managed;
mod peers;
mod standing;
mod statistics;
mod store_troubles;

/// gws-voice, gws-configuration, gws-statistics, gws-setting and auth, which agree to everything.
#[derive(Default)]
struct AgreeingRoles {
    frames: Mutex<Vec<Value>>,
    /// How often values were asked for: each statistic has that number.
    questions: Mutex<u64>,
    /// Whether no values come.
    is_without_values: Mutex<bool>,
    /// How many users there are beyond those that are told.
    further_users: Mutex<u64>,
    /// The only one whom supervisors look after; without it all.
    managed: Mutex<Option<&'static str>>,
    /// What gws-data-collector finds; away without it.
    collected: Mutex<Option<CollectedEntries>>,
    /// The access token that auth gives for a code.
    redeemed: Mutex<Option<String>>,
    /// The codes that it was shown.
    shown_codes: Mutex<Vec<ShownCode>>,
    /// The DNs that are followed, by whom.
    followed: Mutex<Vec<(String, ReaderId)>>,
    /// Who follows them.
    readers: Mutex<Vec<std::sync::Weak<dyn DnReader>>>,
    /// With what status gws-voice refuses requests, if it does.
    refusal: Mutex<Option<u16>>,
    /// The contacts that gws-setting keeps: everybody sees them.
    contacts: Mutex<Vec<ContactEntry>>,
    /// Whether gws-setting is away.
    is_without_settings: Mutex<bool>,
    /// What gws-interaction knows as open.
    open: Mutex<Vec<OpenInteraction>>,
    /// What services beside GWS answer; without it there are none.
    peers_answer: Mutex<Option<Result<Value, PeerFault>>>,
    /// What they were asked.
    peers_asked: Mutex<Vec<PeerQuestion>>,
    /// What auth says of sign-ins; nothing without it.
    standing: Mutex<Option<SignInStanding>>,
    /// How often it was asked that.
    standing_questions: Mutex<u64>,
    /// The rights to phones that have ended, and what was given before which second.
    ended_rights: Mutex<Vec<(String, u64)>>,
}

impl VoiceSide for AgreeingRoles {
    fn ask(&self, _: TenantId, _: String, frame: Value) -> BoxFuture<'static, Result<(), AskFault>> {
        self.frames.lock().unwrap().push(frame);
        let refusal = *self.refusal.lock().unwrap();
        let fault = |status| Err(AskFault { status, code: None, message: "it is away".to_owned() });
        futures::future::ready(refusal.map_or(Ok(()), fault)).boxed()
    }

    fn look(&self, _: TenantId, what: VoiceLook) -> BoxFuture<'static, Result<Value, AskFault>> {
        let waits = json!({"id": "00000000000000aa", "routePoint": "9000", "queues": ["sales"], "waiting": 41});
        let told = match what {
            VoiceLook::Waiting => Ok(json!({"calls": [waits], "totalMatches": 1})),
            VoiceLook::Course(_) => Ok(json!({"steps": [], "leftOut": 0, "isWhole": true})),
            VoiceLook::WaitingCall(call) if call == "00000000000000aa" => Ok(json!({"call": waits, "requests": []})),
            VoiceLook::WaitingCall(_) => {
                Err(AskFault { status: 404, code: None, message: "there is no such call".to_owned() })
            }
        };
        futures::future::ready(told).boxed()
    }

    fn follow(&self, dn: FollowedDn, _: Option<String>, id: ReaderId, reader: std::sync::Weak<dyn DnReader>) {
        self.followed.lock().unwrap().push((dn.dn, id));
        self.readers.lock().unwrap().push(reader);
    }

    fn unfollow(&self, dn: &FollowedDn, id: ReaderId) {
        self.followed.lock().unwrap().retain(|followed| *followed != (dn.dn.clone(), id));
    }
}

impl ConfigurationSide for AgreeingRoles {
    fn desktop(
        &self,
        _: TenantId,
        user: String,
    ) -> BoxFuture<'static, Result<DesktopConfiguration, ConfigurationFault>> {
        let user = json!({"userName": user, "agentLogin": "1001"});
        futures::future::ready(Ok(DesktopConfiguration { user, configuration: json!({"actionCodes": []}) })).boxed()
    }

    fn place(&self, _: TenantId, _: String) -> BoxFuture<'static, Result<Vec<ConfiguredDn>, ConfigurationFault>> {
        futures::future::ready(Ok(Vec::new())).boxed()
    }

    fn browser_phone(
        &self,
        _: TenantId,
        number: String,
    ) -> BoxFuture<'static, Result<BrowserPhone, ConfigurationFault>> {
        let phone = BrowserPhone { number, realm: "acme.example".to_owned() };
        futures::future::ready(Ok(phone)).boxed()
    }

    fn dn(&self, _: TenantId, number: String) -> BoxFuture<'static, Result<ConfiguredDn, ConfigurationFault>> {
        futures::future::ready(Ok(ConfiguredDn { number, ..ConfiguredDn::default() })).boxed()
    }

    fn targets(
        &self,
        tenant: TenantId,
        _: Vec<(&'static str, String)>,
    ) -> BoxFuture<'static, Result<FoundEntries, ConfigurationFault>> {
        self.target(tenant, "agent".to_owned(), "bob".to_owned())
    }

    fn target(
        &self,
        _: TenantId,
        target_type: String,
        id: String,
    ) -> BoxFuture<'static, Result<FoundEntries, ConfigurationFault>> {
        let bob = json!({"DBID": 7, "type": target_type, "userName": id, "employeeId": "1002", "number": "7102"});
        let found = match id.as_str() {
            "bob" => vec![bob],
            "7" => vec![bob.clone(), bob],
            _ => Vec::new(),
        };
        let total = found.len() as u64;
        futures::future::ready(Ok(FoundEntries { entries: found, total })).boxed()
    }

    fn users(
        &self,
        _: TenantId,
        asked: Vec<(&'static str, String)>,
    ) -> BoxFuture<'static, Result<FoundEntries, ConfigurationFault>> {
        let user = |name: &str, id: &str| json!({"dbid": 7, "userName": name, "employeeId": id});
        let mut entries = vec![user("bob", "1002"), user("eve", "1003")];
        let has = |name: &str| asked.iter().any(|(asked, _)| *asked == name);
        if has("searchTerm") {
            entries[0]["number"] = json!("7102");
        }
        let managed = self.managed.lock().unwrap().filter(|_| has("manager"));
        entries.retain(|entry| managed.is_none_or(|only| entry["userName"] == only));
        let total = entries.len() as u64 + *self.further_users.lock().unwrap();
        futures::future::ready(Ok(FoundEntries { entries, total })).boxed()
    }

    fn shifts(
        &self,
        _: TenantId,
        people: Vec<String>,
        (from, to): (u64, u64),
    ) -> BoxFuture<'static, Result<Vec<Value>, ConfigurationFault>> {
        let shift = |user: String| json!({"userName": user, "begin": from, "end": to, "activities": []});
        futures::future::ready(Ok(people.into_iter().map(shift).collect())).boxed()
    }
}

impl CollectorSide for AgreeingRoles {
    fn search(
        &self,
        _: TenantId,
        _: String,
        _: Vec<(&'static str, String)>,
    ) -> BoxFuture<'static, Result<CollectedEntries, CollectorFault>> {
        let collected = self.collected.lock().unwrap().clone();
        futures::future::ready(collected.ok_or(CollectorFault::Away)).boxed()
    }

    fn states(&self, _: TenantId, wanted: Vec<WantedStatistic>) -> BoxFuture<'static, ReadStatistics> {
        let known = self.collected.lock().unwrap().clone().unwrap_or_default().states;
        let values = known.values.into_iter().filter(|(statistic, _)| wanted.contains(statistic)).collect();
        futures::future::ready(ReadStatistics { values, ..ReadStatistics::default() }).boxed()
    }
}

impl StatisticsSide for AgreeingRoles {
    fn values(
        &self,
        _: TenantId,
        wanted: Vec<WantedStatistic>,
    ) -> BoxFuture<'static, Result<ReadStatistics, StatisticsAway>> {
        *self.questions.lock().unwrap() += 1;
        let number = *self.questions.lock().unwrap();
        let mut read = ReadStatistics::default();
        for statistic in wanted {
            let value = match statistic.object_id.as_str() {
                "nobody" => {
                    read.refused.insert(statistic, "there is no agent nobody".to_owned());
                    continue;
                }
                "1002" => json!({"status": "WaitForNextCall", "dn": "7202"}),
                "1003" => json!({"status": "LoggedOut"}),
                _ => json!(number),
            };
            read.values.insert(statistic, Arc::new(ReadValue { timestamp: json!(number), value }));
        }
        let is_away = *self.is_without_values.lock().unwrap();
        futures::future::ready(if is_away { Err(StatisticsAway) } else { Ok(read) }).boxed()
    }
}

impl SettingSide for AgreeingRoles {
    fn ask(
        &self,
        _: TenantId,
        _: String,
        question: SettingQuestion,
    ) -> BoxFuture<'static, Result<Value, SettingFault>> {
        let mut contacts = self.contacts.lock().unwrap();
        let is_away = *self.is_without_settings.lock().unwrap();
        let told = match question {
            _ if is_away => Err(SettingFault::Away),
            SettingQuestion::Contacts(wanted) => wanted
                .read()
                .map(|wanted| json!(wanted.of(contacts.clone(), Vec::new(), 0)))
                .map_err(|rule| SettingFault::Refused(net::http::Problem::unprocessable(rule))),
            SettingQuestion::Contact(id) => {
                let found = contacts.iter().find(|entry| entry.id == id).map(|entry| json!(entry));
                found.ok_or_else(|| SettingFault::Refused(net::http::Problem::not_found("there is no such contact")))
            }
            SettingQuestion::AddContact(entry) => {
                contacts.push(*entry);
                Ok(Value::Null)
            }
            SettingQuestion::ChangeContact(change) => {
                let ContactChange { expected_at, contact } = *change;
                let is_meant = |held: &&mut ContactEntry| held.id == contact.id && held.changed_at == expected_at;
                match contacts.iter_mut().find(is_meant) {
                    Some(held) => {
                        *held = contact;
                        Ok(Value::Null)
                    }
                    None => Err(SettingFault::Refused(net::http::Problem::conflict(changed_since(expected_at)))),
                }
            }
            SettingQuestion::RemoveContact { id, .. } => {
                contacts.retain(|other| other.id != id);
                Ok(Value::Null)
            }
            _ => Ok(Value::Null),
        };
        futures::future::ready(told).boxed()
    }
}

impl InteractionSide for AgreeingRoles {
    fn ask(
        &self,
        _: TenantId,
        _: String,
        question: InteractionQuestion,
    ) -> BoxFuture<'static, Result<Value, InteractionFault>> {
        let mut open = self.open.lock().unwrap();
        let told = match question {
            InteractionQuestion::Open => {
                Ok(serde_json::to_value(InteractionList { interactions: open.clone() }).unwrap())
            }
            InteractionQuestion::Note(opened) => {
                open.push(opened);
                Ok(Value::Null)
            }
            InteractionQuestion::Forget { media_type, id } => {
                open.retain(|other| !other.is(&media_type, &id));
                Ok(Value::Null)
            }
            InteractionQuestion::Operate(operation) => {
                let words = format!("interaction-server: {operation}");
                Err(InteractionFault::Refused(net::http::Problem::unavailable(words)))
            }
        };
        futures::future::ready(told).boxed()
    }
}

impl PeerSide for AgreeingRoles {
    fn is_set(&self, _: PeerService) -> bool {
        self.peers_answer.lock().unwrap().is_some()
    }

    fn ask(&self, _: TenantId, _: String, question: PeerQuestion) -> BoxFuture<'static, Result<Value, PeerFault>> {
        self.peers_asked.lock().unwrap().push(question);
        let answer = self.peers_answer.lock().unwrap().clone();
        futures::future::ready(answer.unwrap_or(Err(PeerFault::Unset("the service", "its_setting")))).boxed()
    }
}

impl TokenAuthority for AgreeingRoles {
    fn is_good(&self, _: String) -> BoxFuture<'static, bool> {
        futures::future::ready(true).boxed()
    }

    fn standing(&self, _: &DeskSignIn) -> BoxFuture<'static, SignInStanding> {
        *self.standing_questions.lock().unwrap() += 1;
        let standing = self.standing.lock().unwrap().clone();
        futures::future::ready(standing.unwrap_or(SignInStanding::Unanswered)).boxed()
    }

    fn end_phone_right(&self, _: TenantId, right: String, before: u64) -> BoxFuture<'static, bool> {
        self.ended_rights.lock().unwrap().push((right, before));
        futures::future::ready(true).boxed()
    }

    fn redeem(&self, _: TenantId, shown: ShownCode) -> BoxFuture<'static, Result<String, CodeFault>> {
        self.shown_codes.lock().unwrap().push(shown);
        let redeemed = self.redeemed.lock().unwrap().take();
        futures::future::ready(redeemed.ok_or(CodeFault::Refused)).boxed()
    }
}

fn clock() -> Arc<SetClock> {
    SetClock::at(Timestamp::from_millis(1_800_000_000_000))
}

fn replica(holder: &str, clock: &Arc<SetClock>, store: &DeskStore, tokens: TokenVerifier) -> Arc<Workspace> {
    replica_of(Arc::default(), holder, clock, store, tokens)
}

fn replica_of(
    roles: Arc<AgreeingRoles>,
    holder: &str,
    clock: &Arc<SetClock>,
    store: &DeskStore,
    tokens: TokenVerifier,
) -> Arc<Workspace> {
    let number = if holder.starts_with("one") { 1 } else { 2 };
    let metrics = Metrics::register(&runtime::Metrics::default());
    let shared = ReplicaParts { counts: metrics.counts(), ..ReplicaParts::of_test(clock, store, holder) };
    let shared = Arc::new(shared);
    let parts = DeskParts {
        replica: shared.clone(),
        voice: roles.clone(),
        configuration: roles.clone(),
        collector: roles.clone(),
        setting: roles.clone(),
        statistics: roles.clone(),
        interaction: roles.clone(),
        peers: roles.clone(),
        authority: roles.clone(),
        configurations: shared_configurations::SharedConfigurations::default(),
        metrics,
    };
    let sessions = ReplicaSessions {
        held: HeldSessions::new(HELD),
        parts: shared,
        role: SPEC.name,
        directory: Directory::of_instance(0, &[&SPEC], |_| 2),
        address: IpAddr::from([127, 0, SPEC.number, number]),
        drain: Drain::new(Duration::from_secs(1)),
    };
    Arc::new(Workspace {
        parts: Arc::new(parts),
        sessions,
        tokens,
        authority: roles,
        base: "https://centre.example".to_owned(),
    })
}

/// One that believes everybody.
fn believing(holder: &str, clock: &Arc<SetClock>, store: &DeskStore) -> Arc<Workspace> {
    let (_, believed) = tokio::sync::watch::channel(Believed::default());
    replica(holder, clock, store, TokenVerifier::new(believed, &[], clock.clone()))
}

async fn begin(workspace: &Workspace, user: &str) -> (Arc<DeskSession>, SessionCookie) {
    let (session, value) = workspace.begun(DeskSignIn::of_test(user), None, None).await.unwrap();
    settle().await;
    (session, SessionCookie::read(&value).unwrap())
}

async fn send(session: &DeskSession, messages: &Value) -> Value {
    let (_, answered) = session.bayeux(Batch::read(messages.to_string().as_bytes()).unwrap()).unwrap();
    serde_json::from_str(&answered.await.unwrap()).unwrap()
}

/// A client that has shaken hands and listens to calls; its id.
async fn listener(session: &DeskSession) -> String {
    let hello = json!([{
        "id": "1", "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"],
    }]);
    let client = send(session, &hello).await[0]["clientId"].as_str().unwrap().to_owned();
    let wish = json!([{
        "id": "2", "channel": "/meta/subscribe", "clientId": client, "subscription": "/workspace/v3/voice",
    }]);
    assert_eq!(send(session, &wish).await[0]["successful"], true);
    client
}

fn subscriptions(session: &DeskSession) -> Vec<(String, Vec<String>)> {
    let clients = session.shown(|desk| desk.snapshot().hub.clients);
    let of = |client: &bayeux::ClientSnapshot| {
        let patterns = client.subscriptions.iter().map(|pattern| pattern.as_str().to_owned());
        (client.id.as_str().to_owned(), patterns.collect())
    };
    clients.iter().map(of).collect()
}

/// Lets what was begun beside go on.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

// === two replicas ===

#[tokio::test]
async fn a_replica_takes_a_session_over_with_its_clients_and_the_one_before_lets_go() {
    let clock = clock();
    let store = DeskStore::in_memory(clock.clone());
    let (one, other) = (believing("one.1", &clock, &store), believing("other.1", &clock, &store));
    let (first, cookie) = begin(&one, "ann").await;
    let client = listener(&first).await;
    settle().await;
    let second = other.session(&cookie).await.unwrap();
    settle().await;
    assert_eq!(subscriptions(&second), [(client.clone(), vec!["/workspace/v3/voice".to_owned()])]);
    assert_eq!(other.parts.metrics.adopted.get(), 1);
    assert!(!first.is_still_held().await && first.is_over());
    assert_eq!(one.parts.metrics.ended.get(SessionEnd::Moved), 1);
    let third = one.session(&cookie).await.unwrap();
    settle().await;
    assert_eq!(subscriptions(&third), subscriptions(&second), "the way back is the same");
    assert!(!Arc::ptr_eq(&first, &third) && third.is_still_held().await && !second.is_still_held().await);
}

#[tokio::test]
async fn of_many_requests_one_takes_a_session_over_and_all_get_it() {
    let clock = clock();
    let store = DeskStore::in_memory(clock.clone());
    let (one, other) = (believing("one.1", &clock, &store), believing("other.1", &clock, &store));
    let (_, cookie) = begin(&one, "ann").await;
    let found = futures::future::join_all((0..8).map(|_| other.session(&cookie))).await;
    let sessions: Vec<Arc<DeskSession>> = found.into_iter().map(Result::unwrap).collect();
    assert!(sessions.iter().all(|session| Arc::ptr_eq(session, &sessions[0])));
    assert_eq!(other.parts.metrics.adopted.get(), 1);
}

#[tokio::test]
async fn a_session_that_was_handed_over_goes_on_elsewhere_and_who_waits_is_sent_there() {
    let clock = clock();
    let store = DeskStore::in_memory(clock.clone());
    let (one, other) = (believing("one.1", &clock, &store), believing("other.1", &clock, &store));
    let (first, cookie) = begin(&one, "ann").await;
    let client = listener(&first).await;
    let poll = |id: &str, timeout: u64| {
        json!([{
            "id": id, "channel": "/meta/connect", "clientId": client, "connectionType": "long-polling",
            "advice": {"timeout": timeout},
        }])
    };
    send(&first, &poll("3", 0)).await;
    let parked = Batch::read(poll("4", 60_000).to_string().as_bytes()).unwrap();
    let (_, waits) = first.bayeux(parked).unwrap();
    one.sessions.drain.begin(clock.now());
    one.sessions.hand_over().await;
    assert!(waits.await.is_err() && first.is_over());
    // Nothing is done here any more: gws-proxy asks the other one.
    let refused = first.operate(|_, _, _| ()).err();
    for refused in
        [refused, one.session(&cookie).await.err(), one.begun(DeskSignIn::of_test("bob"), None, None).await.err()]
    {
        assert!(refused.unwrap().into_response().headers().contains_key(replica_choice::NOT_TAKEN));
    }
    assert_eq!(subscriptions(&other.session(&cookie).await.unwrap())[0].0, client);
}

#[tokio::test]
async fn events_that_nobody_has_taken_come_again() {
    let clock = clock();
    let one = believing("one.1", &clock, &DeskStore::in_memory(clock.clone()));
    let (session, _) = begin(&one, "ann").await;
    let client = listener(&session).await;
    let wish = json!([{
        "id": "3", "channel": "/meta/subscribe", "clientId": client, "subscription": "/workspace/v3/initialization",
    }]);
    send(&session, &wish).await;
    let poll = |id: &str| {
        let poll = json!([{
            "id": id, "channel": "/meta/connect", "clientId": client, "connectionType": "long-polling",
        }]);
        session.bayeux(Batch::read(poll.to_string().as_bytes()).unwrap()).unwrap()
    };
    let (exchange, answered) = poll("4");
    let told = answered.await.unwrap();
    assert!(told.contains("Complete"), "{told}");
    // Its request was dropped when the answer was there.
    session.hung_up(exchange);
    let (exchange, answered) = poll("5");
    let told = answered.await.unwrap();
    assert!(told.contains("Complete"), "{told}");
    drop(WaitingCaller::new(session.clone(), exchange).answered(told));
    let (exchange, answered) = poll("6");
    let told = answered.await.unwrap();
    assert!(told.contains("Complete"), "its answer was not written: {told}");
    assert_eq!(read(WaitingCaller::new(session.clone(), exchange).answered(told)).await.0, 200);
    settle().await;
    let (_, mut answered) = poll("7");
    settle().await;
    assert!(!answered.try_recv().is_ok_and(|told| told.contains("Complete")), "this one was");
}

#[tokio::test]
async fn cookies_of_nobody_have_no_session() {
    let clock = clock();
    let store = DeskStore::in_memory(clock.clone());
    let one = believing("one.1", &clock, &store);
    let made_up = SessionCookie::read(&SessionCookie::write(&TenantId::parse("acme").unwrap(), "made up")).unwrap();
    let refused = one.session(&made_up).await.err().unwrap();
    assert_eq!(refused, ApiRefusal::without_session());
    let (_, cookie) = begin(&one, "ann").await;
    let elsewhere = SessionCookie { tenant: TenantId::parse("other").unwrap(), ..cookie };
    assert!(one.session(&elsewhere).await.is_err(), "a cookie is good for its tenant alone");
}

#[tokio::test]
async fn a_session_is_led_to_who_has_begun_it_and_whoever_takes_it_over_goes_on_with_its_initialisation() {
    let clock = clock();
    let store = DeskStore::in_memory(clock.clone());
    let (one, other) = (believing("one.1", &clock, &store), believing("other.1", &clock, &store));
    for workspace in [&one, &other] {
        for _ in 0..8 {
            let (_, value) = workspace.begun(DeskSignIn::of_test("ann"), None, None).await.unwrap();
            let replicas = workspace.sessions.directory.addresses(SPEC.name, 0);
            assert_eq!(replica_choice::ranked(&value, replicas)[0].ip(), workspace.sessions.address);
            let read = store.read(&SessionCookie::read(&value).unwrap()).await.unwrap().unwrap();
            assert_eq!(read.kept.desk.phase, desk::DeskPhase::Initialising, "what is written first says so");
        }
    }
}

// === the end ===

#[tokio::test]
async fn a_session_without_a_request_ends_and_its_record_goes() {
    let clock = clock();
    let store = DeskStore::in_memory(clock.clone());
    let one = believing("one.1", &clock, &store);
    let (session, cookie) = begin(&one, "ann").await;
    clock.advance(Duration::from_secs(1_799));
    one.on_tick(true);
    settle().await;
    assert!(!session.is_over());
    clock.advance(Duration::from_secs(2));
    one.on_tick(true);
    settle().await;
    assert!(session.is_over() && store.read(&cookie).await.unwrap().is_none());
    assert_eq!(one.parts.metrics.ended.get(SessionEnd::Idle), 1);
    assert!(one.session(&cookie).await.is_err());
}

#[tokio::test]
async fn a_session_ends_with_its_sign_in_wherever_it_is() {
    let clock = clock();
    let store = DeskStore::in_memory(clock.clone());
    let (sender, believed) = tokio::sync::watch::channel(Believed::default());
    let verifier = || TokenVerifier::new(believed.clone(), &[], clock.clone());
    let (one, other) = (replica("one.1", &clock, &store, verifier()), replica("other.1", &clock, &store, verifier()));
    let (of_ann, _) = begin(&one, "ann").await;
    let (of_bob, bobs) = begin(&one, "bob").await;
    sender.send_modify(|believed| {
        let until = clock.now().as_secs() + 600;
        let id = "sign-in of ann".to_owned();
        let revocation = Revocation { tenant: "acme".to_owned(), id, issued_before: None, until };
        believed.revoked.add(revocation, clock.now());
    });
    one.on_tick(true);
    assert!(of_ann.is_over() && !of_bob.is_over());
    assert_eq!(one.parts.metrics.ended.get(SessionEnd::Revoked), 1);
    // Whoever sleeps for nine minutes while its replica ends goes on.
    clock.advance(Duration::from_secs(540));
    assert!(other.session(&bobs).await.is_ok());
    settle().await;
    // The ones who would have noticed are gone, and nobody has looked since.
    clock.advance(UNCHECKED_MAX + Duration::from_secs(1));
    let third = replica("one.2", &clock, &store, verifier());
    assert_eq!(third.session(&bobs).await.err(), Some(ApiRefusal::without_session()));
}

#[tokio::test]
async fn the_same_person_goes_on_with_a_later_sign_in_and_another_one_gets_another_session() {
    let clock = clock();
    let store = DeskStore::in_memory(clock.clone());
    let one = believing("one.1", &clock, &store);
    let (session, value) = one.begun(DeskSignIn::of_test("ann"), None, None).await.unwrap();
    settle().await;
    let mut later = DeskSignIn::of_test("ann");
    later.person.sign_in = Some("later".to_owned());
    let (again, same) = one.begun(later, Some(&value), None).await.unwrap();
    assert!(Arc::ptr_eq(&session, &again) && value == same);
    assert_eq!(again.sign_in().person.sign_in.as_deref(), Some("later"));
    let (of_bob, other) = one.begun(DeskSignIn::of_test("bob"), Some(&value), None).await.unwrap();
    settle().await;
    assert!(!Arc::ptr_eq(&session, &of_bob) && value != other && session.is_over());
}

// === over HTTP ===

struct ServedWorkspace {
    entrance: Entrance,
    issuer: TokenIssuer,
    roles: Arc<AgreeingRoles>,
    workspace: Arc<Workspace>,
}

fn served() -> ServedWorkspace {
    let clock = clock();
    let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
    let store = DeskStore::in_memory(clock.clone());
    let roles: Arc<AgreeingRoles> = Arc::default();
    let workspace = replica_of(roles.clone(), "one.1", &clock, &store, TokenVerifier::of(&issuer, &[]));
    ServedWorkspace { entrance: Entrance::from(server::router(workspace.clone())), issuer, roles, workspace }
}

impl ServedWorkspace {
    fn token(&self, family: ApiFamily, sub: &str, scope: &str) -> String {
        self.tied_token(family, None, sub, scope)
    }

    fn tied_token(&self, family: ApiFamily, tie: Option<&Tie>, sub: &str, scope: &str) -> String {
        let (acme, life) = (TenantId::parse("acme").unwrap(), Duration::from_secs(60));
        let token = self.issuer.issue_for(Audience::of_families([family]), Some(&acme), tie, sub, scope, life);
        format!("bearer {}", token.unwrap())
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(header::HeaderName, &str)]) -> Response {
        self.ask_with(method, path, headers, Body::empty()).await
    }

    async fn ask_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(header::HeaderName, &str)],
        body: Body,
    ) -> Response {
        let mut request = Request::builder().method(method).uri(format!("{PATH}{path}")).body(body).unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        self.entrance.enter(request).await
    }

    /// Begins a session; its cookie.
    async fn initialised(&self) -> String {
        self.initialised_by(&self.token(ApiFamily::Gws, "person/ann", "workspace:use")).await
    }

    async fn initialised_by(&self, token: &str) -> String {
        let begun = self.ask(Method::POST, "/initialize-workspace", &[(header::AUTHORIZATION, token)]).await;
        let cookie = begun.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        assert_eq!(read(begun).await, (200, json!({"status": {"code": 1}})));
        assert!(cookie.starts_with("WORKSPACE_SESSIONID=") && !cookie.contains("Secure") && !cookie.contains("Domain"));
        cookie.split(';').next().unwrap().to_owned()
    }
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn a_session_begins_by_a_token_and_goes_on_by_its_cookie() {
    let served = served();
    let cookie = served.initialised().await;
    let shown = [(header::COOKIE, cookie.as_str())];
    for path in ["/current-session", "/current-session/", "/userinfo"] {
        let (status, body) = read(served.ask(Method::GET, path, &shown).await).await;
        assert_eq!((status, &body["status"]["code"]), (200, &json!(0)), "{path}");
        assert_eq!(body["data"]["user"]["userName"], "ann", "{path}");
    }
    let (status, body) = read(served.ask(Method::GET, "/configuration/action-codes", &shown).await).await;
    assert_eq!((status, body), (200, json!({"status": {"code": 0}, "data": []})));
    assert_eq!(read(served.ask(Method::GET, "/auth-keep-alive", &shown).await).await.0, 200);
    assert_eq!(read(served.ask(Method::POST, "/logout", &shown).await).await.0, 200);
    let wanted = (403, json!({"status": {"code": 603, "message": "Unauthorized"}}));
    assert_eq!(read(served.ask(Method::GET, "/current-session", &shown).await).await, wanted);
}

#[tokio::test]
async fn no_path_says_anything_to_somebody_without_a_session() {
    let served = served();
    let wanted = (403, json!({"status": {"code": 603, "message": "Unauthorized"}}));
    for (method, path) in [
        (Method::GET, "/current-session"),
        (Method::GET, "/info"),
        (Method::GET, "/doc/"),
        (Method::GET, "/version"),
        (Method::GET, "/voice/calls"),
        (Method::GET, "/configuration/places/x/dns/"),
        (Method::POST, "/notifications"),
        (Method::POST, "/notifications/"),
        (Method::POST, "/notifications/connect"),
        (Method::POST, "/voice/ready"),
        (Method::POST, "/voice/calls/00ab/hold"),
        (Method::POST, "/supervisor/voice/logout"),
        (Method::GET, "/supervisor/waiting-calls"),
        (Method::POST, "/supervisor/waiting-calls/00ab/move"),
        (Method::GET, "/voice/calls/00ab/course"),
        (Method::GET, "/users"),
        (Method::POST, "/users/7/voice/logout"),
        (Method::GET, "/targets"),
        (Method::GET, "/targets/agent/7/"),
        (Method::GET, "/reporting/subscriptions"),
        (Method::POST, "/reporting/subscriptions"),
        (Method::DELETE, "/reporting/subscriptions/x"),
        (Method::POST, "/activate-channels"),
        (Method::POST, "/browser-phone"),
        (Method::POST, "/media/chat/ready"),
        (Method::GET, "/media/interactions"),
        (Method::POST, "/media/chat/interactions/1/accept"),
        (Method::GET, "/iwd/work-items"),
        (Method::POST, "/ucs/contacts/search"),
        (Method::GET, "/voicemail/mailboxes"),
        (Method::GET, "/nothing"),
    ] {
        assert_eq!(read(served.ask(method, path, &[]).await).await, wanted, "{path}");
        let made_up = [(header::COOKIE, "WORKSPACE_SESSIONID=YWNtZQ.x")];
        assert_eq!(read(served.ask(Method::GET, "/current-session", &made_up).await).await, wanted);
    }
}

#[tokio::test]
async fn what_is_no_token_of_a_person_for_the_api_begins_nothing() {
    let served = served();
    for (token, status) in [
        (served.token(ApiFamily::Voice, "person/ann", "workspace:use"), 401),
        (served.token(ApiFamily::Gws, "person/ann", "calls:control"), 403),
        (served.token(ApiFamily::Gws, "client/crm", "workspace:use"), 403),
        ("Bearer nonsense".to_owned(), 401),
        ("Basic YTpi".to_owned(), 401),
    ] {
        let refused = served.ask(Method::POST, "/initialize-workspace", &[(header::AUTHORIZATION, &token)]).await;
        assert!(!refused.headers().contains_key(header::SET_COOKIE));
        assert_eq!(refused.status().as_u16(), status, "{token}");
    }
    let code = "YWNtZQ.secret";
    for (query, status, named) in [
        (String::new(), 401, "there is no token"),
        ("?code=abc&redirect_uri=x".to_owned(), 400, "code: "),
        (format!("?code={code}"), 400, "redirect_uri: "),
        (format!("?code={code}&redirect_uri=x"), 401, "code: it is not good"),
    ] {
        let refused = served.ask(Method::POST, &format!("/initialize-workspace{query}"), &[]).await;
        let (told, body) = read(refused).await;
        let message = body["status"]["message"].as_str().unwrap();
        assert!(told == status && message.starts_with(named), "{query}: {told} {message}");
    }
}

#[tokio::test]
async fn a_session_begins_by_a_code_once() {
    let served = served();
    let token = served.token(ApiFamily::Gws, "person/ann", "workspace:use");
    *served.roles.redeemed.lock().unwrap() = token.strip_prefix("bearer ").map(str::to_owned);
    let path = "/initialize-workspace?code=YWNtZQ.secret&redirect_uri=https%3A%2F%2Fdesk.example%2F";
    let begun = served.ask(Method::POST, path, &[]).await;
    let cookie = begun.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    assert_eq!(read(begun).await, (200, json!({"status": {"code": 1}})));
    let (_, session) = read(served.ask(Method::GET, "/userinfo", &[(header::COOKIE, &cookie)]).await).await;
    assert_eq!(session["data"]["user"]["userName"], "ann");
    assert_eq!(served.ask(Method::POST, path, &[]).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_verifier_of_a_code_is_shown_to_auth() {
    let served = served();
    let path = "/initialize-workspace?code=YWNtZQ.secret&redirect_uri=http%3A%2F%2F127.0.0.1%2F";
    let in_body = || Body::from(r#"{"data": {"code_verifier": "abc"}}"#);
    for (path, body) in [
        (format!("{path}&code_verifier=abc"), Body::empty()),
        (path.to_owned(), in_body()),
        (path.to_owned(), Body::from("code_verifier=xyz")),
    ] {
        served.ask_with(Method::POST, &path, &[], body).await;
    }
    let shown = std::mem::take(&mut *served.roles.shown_codes.lock().unwrap());
    let verifiers: Vec<Option<&str>> = shown.iter().map(|shown| shown.verifier.as_deref()).collect();
    assert_eq!(verifiers, [Some("abc"), Some("abc"), None]);
    let long = format!("{path}&code_verifier={}", "x".repeat(129));
    assert_eq!(served.ask(Method::POST, &long, &[]).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_replica_that_ends_takes_no_code_which_is_good_but_once_and_uses_one_that_it_has_taken() {
    let served = served();
    let ann = DeskSignIn::of_test("ann");
    let place = served.workspace.sessions.place(&ann.person.tenant).unwrap();
    served.workspace.sessions.drain.begin(served.workspace.parts.now());
    let path = "/initialize-workspace?code=YWNtZQ.secret&redirect_uri=https%3A%2F%2Fdesk.example%2F";
    let refused = served.ask(Method::POST, path, &[]).await;
    assert!(refused.headers().contains_key(replica_choice::NOT_TAKEN), "gws-proxy shows it to another replica");
    assert!(served.roles.shown_codes.lock().unwrap().is_empty(), "auth would end the sign-in when it comes again");
    assert!(served.workspace.begun(ann, None, Some(place)).await.is_ok(), "its code is redeemed");
}

#[tokio::test]
async fn nobody_takes_a_dn_without_the_right_to_it() {
    let served = served();
    let tie = Tie { dn: Dn::parse("7101").unwrap(), agent: None };
    let all = "workspace:use agents:control calls:control";
    for (tie, scope, words) in [
        (None, "workspace:use", "default place"),
        (Some(&tie), "workspace:use agents:control", "calls:control"),
        (Some(&tie), all, "another DN"),
    ] {
        let cookie = served.initialised_by(&served.tied_token(ApiFamily::Gws, tie, "person/ann", scope)).await;
        for path in ["/activate-channels", "/voice/activate"] {
            let shown = [(header::COOKIE, cookie.as_str())];
            let body = Body::from(json!({"data": {"dn": "7102"}}).to_string());
            let (status, told) = read(served.ask_with(Method::POST, path, &shown, body).await).await;
            let message = told["status"]["message"].as_str().unwrap();
            assert!(status == 403 && message.contains(words), "{path} by {scope}: {status} {message}");
        }
    }
}

#[tokio::test]
async fn a_ticket_for_a_phone_is_for_the_dn_of_the_session_alone() {
    let served = served();
    let cookie = served.initialised().await;
    let shown = [(header::COOKIE, cookie.as_str())];
    let (status, told) = read(served.ask(Method::POST, "/browser-phone", &shown).await).await;
    let message = told["status"]["message"].as_str().unwrap();
    assert!(status == 409 && message.contains("activate"), "{status} {message}");
}

#[tokio::test]
async fn a_page_of_another_host_changes_nothing_and_a_program_does() {
    let served = served();
    let cookie = served.initialised().await;
    let evil =
        [(header::COOKIE, cookie.as_str()), (header::ORIGIN, "https://evil.example"), (header::HOST, "a.example")];
    for path in ["/logout", "/voice/sing", "/notifications/handshake"] {
        assert_eq!(served.ask(Method::POST, path, &evil).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(served.ask(Method::GET, "/logout", &evil).await.status(), StatusCode::FORBIDDEN);
    let own = [(header::COOKIE, cookie.as_str()), (header::ORIGIN, "https://centre.example")];
    assert_eq!(served.ask(Method::POST, "/voice/sing", &own).await.status(), StatusCode::NOT_IMPLEMENTED);
    let program = [(header::COOKIE, cookie.as_str())];
    assert_eq!(served.ask(Method::POST, "/media/chat/ready", &program).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(served.ask(Method::POST, "/nothing", &program).await.status(), StatusCode::NOT_IMPLEMENTED);
    let elsewhere = "/logout?redirect_uri=https%3A%2F%2Fevil.example%2F";
    assert_eq!(served.ask(Method::GET, elsewhere, &program).await.status(), StatusCode::BAD_REQUEST);
    let gone_on = served.ask(Method::GET, "/logout?redirect_uri=%2Fui%2F", &program).await;
    assert_eq!(
        (gone_on.status(), &gone_on.headers()[header::LOCATION]),
        (StatusCode::FOUND, &HeaderValue::from_static("/ui/"))
    );
}

#[tokio::test]
async fn a_page_of_the_person_before_gets_nothing_of_the_session_of_now() {
    let served = served();
    let cookie = served.initialised_by(&served.token(ApiFamily::Gws, "person/bob", "workspace:use")).await;
    let of = |user: &'static str| {
        [(header::COOKIE, cookie.as_str()), (header::HeaderName::from_static("x-trunkline-subject"), user)]
    };
    for (method, path) in [
        (Method::GET, "/current-session"),
        (Method::POST, "/notifications/connect"),
        (Method::POST, "/voice/ready"),
        (Method::POST, "/browser-phone"),
        (Method::POST, "/logout"),
    ] {
        let (status, body) = read(served.ask(method, path, &of("ann")).await).await;
        assert_eq!((status, &body["status"]["code"]), (412, &json!(412)), "{path}");
    }
    let (status, session) = read(served.ask(Method::GET, "/current-session", &of("bob")).await).await;
    assert_eq!((status, &session["data"]["user"]["userName"]), (200, &json!("bob")), "ann's page did not log bob out");
}

#[tokio::test]
async fn a_login_leads_to_the_sign_in_with_all_that_it_has() {
    let served = served();
    let led = served.ask(Method::GET, "/login?redirect_uri=%2Fui&client_id=desk&type=token", &[]).await;
    assert_eq!(led.status(), StatusCode::FOUND);
    let to = led.headers()[header::LOCATION].to_str().unwrap();
    assert!(to.ends_with("/oauth/authorize?response_type=token&redirect_uri=%2Fui&client_id=desk"), "{to}");
    assert_eq!(served.ask(Method::GET, "/login", &[]).await.status(), StatusCode::BAD_REQUEST);
    let own = served.ask(Method::GET, "/login?redirect_uri=%2Fui", &[]).await;
    let to = own.headers()[header::LOCATION].to_str().unwrap();
    assert!(to.ends_with("?response_type=code&redirect_uri=%2Fui&client_id=trunkline-workspace"), "{to}");
}
