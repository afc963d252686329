//! Targets, users and statistics, over HTTP and as sessions are told them.

use super::super::reporter::StatisticsReporter;
use super::*;

const OWN: &str = r#"{"data": {"statistics": [{"objectId": "1001", "objectType": "Agent", "name": "CallsHandled"}]}}"#;

impl ServedWorkspace {
    pub(super) async fn with_body(&self, method: Method, path: &str, cookie: &str, body: &str) -> (u16, Value) {
        read(self.ask_with(method, path, &[(header::COOKIE, cookie)], Body::from(body.to_owned())).await).await
    }

    pub(super) async fn session_of(&self, scope: &str) -> String {
        let cookie = self.initialised_by(&self.token(ApiFamily::Gws, "person/ann", scope)).await;
        settle().await;
        cookie
    }
}

#[tokio::test]
async fn a_target_has_its_availability_and_without_statistics_it_is_found_all_the_same() {
    let served = served();
    let cookie = served.session_of("workspace:use").await;
    for path in ["/targets?searchTerm=bob", "/targets/agent/bob", "/targets/AGENT/bob/"] {
        let (status, found) = served.with_body(Method::GET, path, &cookie, "").await;
        let target = &found["data"]["targets"][0];
        assert_eq!((status, &found["data"]["totalMatches"]), (200, &json!(1)), "{path}: {found}");
        assert_eq!(target["availability"]["channels"][0]["phoneNumber"], "7202", "{path}: {target}");
    }
    *served.roles.is_without_values.lock().unwrap() = true;
    let (status, found) = served.with_body(Method::GET, "/targets?searchTerm=bob", &cookie, "").await;
    assert_eq!((status, found["data"]["targets"][0].get("availability")), (200, None));
    for path in ["/targets", "/targets?searchTerm=*&types=robot", "/targets/robot/7"] {
        assert_eq!(served.with_body(Method::GET, path, &cookie, "").await.0, 400, "{path}");
    }
}

/// The search is that of gws-data-collector, with the states that it has; where it is away, the configuration's, and the answer says so.
#[tokio::test]
async fn a_search_is_answered_by_the_collector_and_without_it_by_the_configuration() {
    let served = served();
    let cookie = served.session_of("workspace:use").await;
    let get = async |path: &str| served.with_body(Method::GET, path, &cookie, "").await;
    let (status, found) = get("/targets?searchTerm=bob").await;
    assert_eq!((status, &found["data"]["targets"][0]["userName"]), (200, &json!("bob")));
    assert!(found["status"]["message"].as_str().unwrap().contains("data collector is away"), "{found}");
    assert_eq!(served.workspace.parts.metrics.searches_elsewhere.get(), 1);
    assert_eq!(get("/targets?continueFrom=x").await.0, 503, "nobody else can go on");

    let statistic = WantedStatistic::named("Agent", "1004", "CurrentAgentState");
    let value = ReadValue { timestamp: json!(5), value: json!({"status": "WaitForNextCall", "dn": "7404"}) };
    let states = ReadStatistics { values: [(statistic, Arc::new(value))].into(), ..ReadStatistics::default() };
    let dan = json!({"DBID": 9, "type": "agent", "userName": "dan", "employeeId": "1004"});
    let found = FoundEntries { entries: vec![dan], total: 3 };
    let collected = CollectedEntries { found, states, continue_from: Some("behind dan".to_owned()) };
    *served.roles.collected.lock().unwrap() = Some(collected);
    let questions = *served.roles.questions.lock().unwrap();
    for path in ["/targets?searchTerm=dan", "/targets?continueFrom=behind%20ann"] {
        let (status, found) = get(path).await;
        assert_eq!((status, &found["status"]), (200, &json!({"code": 0})), "{found}");
        let target = &found["data"]["targets"][0];
        assert_eq!(target["availability"]["channels"][0]["phoneNumber"], "7404", "{target}");
        assert_eq!((&found["data"]["totalMatches"], &found["data"]["continueFrom"]), (&json!(3), &json!("behind dan")));
    }
    assert_eq!(*served.roles.questions.lock().unwrap(), questions, "the states were there");
    // Of one whose state is not collected, gws-statistics is asked.
    let (_, bob) = get("/targets/agent/bob").await;
    assert_eq!(bob["data"]["targets"][0]["availability"]["channels"][0]["phoneNumber"], "7202");
    assert_eq!(*served.roles.questions.lock().unwrap(), questions + 1);
}

#[tokio::test]
async fn a_supervisor_lists_agents_by_state_and_sets_it_without_a_phone() {
    let served = served();
    let agent = served.session_of("workspace:use agents:control").await;
    for (method, path) in
        [(Method::GET, "/users"), (Method::POST, "/users/bob/voice/logout"), (Method::POST, "/supervisor/voice/logout")]
    {
        let body = r#"{"data": {"userName": "bob"}}"#;
        assert_eq!(served.with_body(method, path, &agent, body).await.0, 403, "{path}");
    }
    let cookie = served.session_of("workspace:use agents:supervise").await;
    let (_, all) = served.with_body(Method::GET, "/users", &cookie, "").await;
    assert_eq!((&all["data"]["totalMatches"], all["data"]["users"].as_array().unwrap().len()), (&json!(2), 2));
    let (_, gone) = served.with_body(Method::GET, "/users?states=loggedout", &cookie, "").await;
    assert_eq!((&gone["data"]["totalMatches"], &gone["data"]["users"][0]["userName"]), (&json!(1), &json!("eve")));
    assert_eq!(served.with_body(Method::GET, "/users?states=Busy", &cookie, "").await.0, 400);

    let by_name = r#"{"data": {"userName": "bob"}}"#;
    for (path, body) in [("/users/bob/voice/not-ready", ""), ("/supervisor/voice/not-ready", by_name)] {
        let (status, answer) = served.with_body(Method::POST, path, &cookie, body).await;
        assert_eq!((status, &answer["status"]["code"]), (200, &json!(1)), "{path}: {answer}");
        let frame = served.roles.frames.lock().unwrap().pop().unwrap();
        // Where the agent is logged in, whatever phone is at the place.
        assert_eq!((&frame["OtherDN"], &frame["AgentState"]), (&json!("7202"), &json!("NotReady")), "{path}");
    }
    let elsewhere = r#"{"data": {"userName": "bob", "dn": "7102"}}"#;
    for (path, body, due) in [
        ("/users/nobody/voice/logout", "", 404),
        ("/users/7/voice/logout", "", 409),
        ("/supervisor/voice/logout", elsewhere, 409),
    ] {
        assert_eq!(served.with_body(Method::POST, path, &cookie, body).await.0, due, "{path}");
    }
    *served.roles.further_users.lock().unwrap() = 1;
    assert_eq!(served.with_body(Method::GET, "/users?states=loggedout", &cookie, "").await.0, 400);
    *served.roles.further_users.lock().unwrap() = 0;
    *served.roles.is_without_values.lock().unwrap() = true;
    assert_eq!(served.with_body(Method::GET, "/users?states=loggedout", &cookie, "").await.0, 503);
    assert_eq!(served.with_body(Method::GET, "/users", &cookie, "").await.0, 200);
    // At the phone of the place another agent may sit.
    assert_eq!(served.with_body(Method::POST, "/users/bob/voice/logout", &cookie, "").await.0, 503);
    assert!(served.roles.frames.lock().unwrap().is_empty());
    *served.roles.is_without_values.lock().unwrap() = false;
    assert_eq!(served.with_body(Method::POST, "/users/bob/voice/sing", &cookie, "").await.0, 501);
}

#[tokio::test]
async fn a_supervisor_sees_why_a_call_waits_and_sends_it_elsewhere() {
    let served = served();
    let one = "/supervisor/waiting-calls/00000000000000AA";
    let to_bob = r#"{"data": {"destination": "7102"}}"#;
    let agent = served.session_of("workspace:use agents:control calls:control").await;
    for (method, path) in [(Method::GET, "/supervisor/waiting-calls".to_owned()), (Method::POST, format!("{one}/move"))]
    {
        assert_eq!(served.with_body(method, &path, &agent, to_bob).await.0, 403, "{path}");
    }
    let cookie = served.session_of("workspace:use agents:supervise calls:control").await;
    let (status, all) = served.with_body(Method::GET, "/supervisor/waiting-calls", &cookie, "").await;
    assert_eq!((status, &all["data"]["calls"][0]["queues"][0]), (200, &json!("sales")), "{all}");
    let known = "/supervisor/waiting-calls/00000000000000aa";
    let (status, why) = served.with_body(Method::GET, known, &cookie, "").await;
    assert_eq!((status, &why["data"]["call"]["waiting"]), (200, &json!(41)), "{why}");
    let gone = "/supervisor/waiting-calls/00000000000000bb";
    assert_eq!(served.with_body(Method::GET, gone, &cookie, "").await.0, 404);

    let (status, moved) = served.with_body(Method::POST, &format!("{one}/move"), &cookie, to_bob).await;
    assert_eq!((status, &moved["status"]["code"]), (200, &json!(1)), "{moved}");
    let mut frame = served.roles.frames.lock().unwrap().pop().unwrap();
    frame.as_object_mut().unwrap().remove("ReferenceID");
    let wanted = json!({"req": "TRouteCall", "ThisDN": "9000", "ConnID": "00000000000000aa", "OtherDN": "7102"});
    assert_eq!(frame, wanted);
    assert_eq!(served.with_body(Method::POST, &format!("{one}/move"), &cookie, "").await.0, 400);
    assert_eq!(served.with_body(Method::POST, &format!("{gone}/move"), &cookie, to_bob).await.0, 404);
    // Of a call that is none of the own DN nobody learns the course.
    assert_eq!(served.with_body(Method::GET, "/voice/calls/00000000000000aa/course", &cookie, "").await.0, 404);
}

#[tokio::test]
async fn a_subscription_is_opened_looked_at_and_closed() {
    let served = served();
    let cookie = served.session_of("workspace:use").await;
    let path = "/reporting/subscriptions";
    let (status, opened) = served.with_body(Method::POST, path, &cookie, OWN).await;
    assert_eq!((status, &opened["data"]["statistics"][0]["value"]), (200, &json!(1)), "{opened}");
    let one = format!("{path}/{}", opened["data"]["subscriptionId"].as_str().unwrap());
    let (_, peeked) = served.with_body(Method::GET, &one, &cookie, "").await;
    assert_eq!(peeked["data"], opened["data"]);
    let (_, all) = served.with_body(Method::GET, path, &cookie, "").await;
    assert_eq!(all["data"]["subscriptions"][0], opened["data"]);
    // The published library puts an object into the path.
    let object = format!("{path}/%5Bobject%20Object%5D");
    assert_eq!(served.with_body(Method::DELETE, &object, &cookie, "").await.0, 404);
    assert_eq!(served.with_body(Method::DELETE, &one, &cookie, "").await, (200, json!({"status": {"code": 0}})));
    assert_eq!(served.with_body(Method::GET, &one, &cookie, "").await.0, 404);
}

#[tokio::test]
async fn numbers_of_another_agent_are_for_who_looks_after_agents_and_what_is_refused_is_said() {
    let served = served();
    let (path, post) = ("/reporting/subscriptions", Method::POST);
    let others = OWN.replace("1001", "1002");
    let queue = OWN.replace("1001", "sales").replace("Agent", "Queue");
    let agent = served.session_of("workspace:use").await;
    assert_eq!(served.with_body(post.clone(), path, &agent, &others).await.0, 403);
    for kind in ["Queue", "RoutePoint", "GroupAgents", "GroupPlaces", "GroupQueues"] {
        let body = queue.replace("Queue", kind);
        assert_eq!(served.with_body(post.clone(), path, &agent, &body).await.0, 200, "{kind}");
    }
    // What is not known may be a person's.
    for kind in ["RegDN", "Place", "agent", "Tenant", "queue"] {
        let body = queue.replace("Queue", kind);
        assert_eq!(served.with_body(post.clone(), path, &agent, &body).await.0, 403, "{kind}");
    }
    let supervisor = served.session_of("workspace:use calls:monitor").await;
    assert_eq!(served.with_body(post.clone(), path, &supervisor, &others).await.0, 200);
    let nobody = OWN.replace("1001", "nobody");
    let (status, refused) = served.with_body(post.clone(), path, &supervisor, &nobody).await;
    let message = refused["status"]["message"].as_str().unwrap();
    assert!(status == 400 && message.contains("there is no agent nobody"), "{status} {message}");
    *served.roles.is_without_values.lock().unwrap() = true;
    assert_eq!(served.with_body(post, path, &agent, OWN).await.0, 503);
}

/// Tenant finds agents by their employee ids first.
#[tokio::test]
async fn whoever_asks_by_a_user_name_that_is_anothers_employee_id_gets_the_own_numbers() {
    let served = served();
    let cookie = served.initialised_by(&served.token(ApiFamily::Gws, "person/1003", "workspace:use")).await;
    settle().await;
    let by_name = OWN.replace("1001", "1003");
    let (status, opened) = served.with_body(Method::POST, "/reporting/subscriptions", &cookie, &by_name).await;
    let shown = &opened["data"]["statistics"][0];
    assert_eq!((status, &shown["objectId"], &shown["value"]), (200, &json!("1001"), &json!(1)), "{opened}");
}

#[tokio::test]
async fn a_later_sign_in_with_fewer_scopes_closes_what_may_be_seen_no_longer() {
    let clock = clock();
    let store = DeskStore::in_memory(clock.clone());
    let (one, two) = (believing("one.1", &clock, &store), believing("two.1", &clock, &store));
    let by = |scopes: &str| {
        let mut sign_in = DeskSignIn::of_test("ann");
        sign_in.person.scopes = scopes.split(' ').map(str::to_owned).collect();
        sign_in
    };
    let (session, value) = one.begun(by("workspace:use statistics:read"), None, None).await.unwrap();
    settle().await;
    let of = |agents: &[&str]| {
        let asked = |agent: &&str| WantedStatistic::named("Agent", agent, "CallsHandled").asked(agent);
        let body = json!({"statistics": agents.iter().map(asked).collect::<Vec<_>>()});
        session.visible_statistics(super::super::reporting::statistics_of(&body).unwrap())
    };
    for (id, agents) in [("both", &["1001", "1002"][..]), ("others", &["1002"][..])] {
        session.open_statistics(id.to_owned(), of(agents).unwrap(), &ReadStatistics::default()).unwrap();
    }
    session.keep_reporting().await;
    one.begun(by("workspace:use"), Some(&value), None).await.unwrap();
    assert!(of(&["1002"]).is_err());
    let mut wanted = std::collections::BTreeSet::new();
    assert!(session.subscriptions() == ["both"] && session.add_wanted_statistics(&mut wanted, true));
    let own = WantedStatistic::named("Agent", "1001", "CallsHandled");
    assert_eq!(wanted, std::collections::BTreeSet::from([own]));
    // The record of what is open is still that of before.
    one.sessions.hand_over().await;
    let moved = two.session(&SessionCookie::read(&value).unwrap()).await.unwrap();
    assert_eq!(moved.subscriptions(), ["both"]);
}

#[tokio::test]
async fn who_listens_is_told_of_changes_and_a_replica_that_takes_over_goes_on() {
    let clock = clock();
    let store = DeskStore::in_memory(clock.clone());
    let (one, two) = (believing("one.1", &clock, &store), believing("two.1", &clock, &store));
    let (session, cookie) = begin(&one, "ann").await;
    let statistic = WantedStatistic::named("Queue", "sales", "CurrentCallsWaiting");
    let opened = super::super::reporting::statistics_of(&json!({"statistics": [statistic.asked("s")]})).unwrap();
    session.open_statistics("sub".to_owned(), opened, &ReadStatistics::default()).unwrap();
    session.keep_reporting().await;
    drop(session);
    one.sessions.hand_over().await;

    let session = two.session(&cookie).await.unwrap();
    let mut wanted = std::collections::BTreeSet::new();
    assert!(session.add_wanted_statistics(&mut wanted, true));
    assert_eq!(wanted, std::collections::BTreeSet::from([statistic]));
    let hello = json!([{
        "id": "1", "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"],
    }]);
    let client = send(&session, &hello).await[0]["clientId"].as_str().unwrap().to_owned();
    let wish = json!([{
        "id": "2", "channel": "/meta/subscribe", "clientId": client, "subscription": "/workspace/v3/reporting",
    }]);
    send(&session, &wish).await;
    let reporter = StatisticsReporter { held: two.sessions.held.clone(), statistics: two.parts.statistics.clone() };
    reporter.turn().await;
    let poll = json!([{
        "id": "3", "channel": "/meta/connect", "clientId": client, "connectionType": "long-polling",
        "advice": {"timeout": 0},
    }]);
    let told = send(&session, &poll).await;
    let message = told.as_array().unwrap().iter().find(|it| it["channel"] == "/workspace/v3/reporting").unwrap();
    let statistics = &message["data"]["subscriptions"][0];
    assert_eq!((&statistics["subscriptionId"], &statistics["statistics"][0]["value"]), (&json!("sub"), &json!(1)));
}

/// gws-statistics that says nothing of the tenant acme.
#[derive(Default)]
struct SilentOfAcme {
    /// How often it was asked about each tenant.
    asked: Mutex<std::collections::BTreeMap<String, usize>>,
}

impl StatisticsSide for SilentOfAcme {
    fn values(
        &self,
        tenant: TenantId,
        _: Vec<WantedStatistic>,
    ) -> BoxFuture<'static, Result<ReadStatistics, StatisticsAway>> {
        *self.asked.lock().unwrap().entry(tenant.to_string()).or_default() += 1;
        if tenant.as_str() == "acme" {
            return futures::future::pending().boxed();
        }
        futures::future::ready(Ok(ReadStatistics::default())).boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_tenant_delays_no_other_and_what_nobody_hears_is_asked_for_seldom() {
    let clock = clock();
    let store = DeskStore::in_memory(clock.clone());
    let one = believing("one.1", &clock, &store);
    for tenant in ["acme", "globex"] {
        let mut sign_in = DeskSignIn::of_test("ann");
        sign_in.person.tenant = TenantId::parse(tenant).unwrap();
        let (session, _) = one.begun(sign_in, None, None).await.unwrap();
        let statistic = WantedStatistic::named("Queue", "sales", "CurrentCallsWaiting").asked("s");
        let opened = super::super::reporting::statistics_of(&json!({"statistics": [statistic]})).unwrap();
        session.open_statistics("sub".to_owned(), opened, &ReadStatistics::default()).unwrap();
    }
    let (statistics, drain) = (Arc::new(SilentOfAcme::default()), Drain::new(Duration::from_secs(1)));
    let reporter = StatisticsReporter { held: one.sessions.held.clone(), statistics: statistics.clone() };
    let running = tokio::spawn(reporter.run(drain.clone()));
    let asked = |tenant: &str| statistics.asked.lock().unwrap()[tenant];
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((asked("acme"), asked("globex")), (1, 3));
    // Nobody listens, and nobody has asked for values lately: each fifth time.
    clock.advance(Duration::from_secs(31));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!((asked("acme"), asked("globex")), (1, 4));
    drain.begin(clock.now());
    running.await.unwrap().unwrap();
}
