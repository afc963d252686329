//! Chats, work items, contacts and mailboxes, over HTTP: with the services that have them, and without.

use net::http::Problem;

use super::*;

impl ServedWorkspace {
    async fn operate(&self, path: &str, cookie: &str, body: &Value) -> (u16, Value) {
        let headers = [(header::COOKIE, cookie)];
        read(self.ask_with(Method::POST, path, &headers, Body::from(body.to_string())).await).await
    }

    async fn get(&self, path: &str, cookie: &str) -> (u16, Value) {
        read(self.ask(Method::GET, path, &[(header::COOKIE, cookie)]).await).await
    }

    fn peers_answer(&self, answer: Result<Value, PeerFault>) {
        *self.roles.peers_answer.lock().unwrap() = Some(answer);
    }

    /// The last question to a service beside GWS.
    fn last_question(&self) -> PeerQuestion {
        self.roles.peers_asked.lock().unwrap().last().cloned().unwrap()
    }
}

fn words(told: &Value) -> &str {
    told["status"]["message"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn without_a_service_each_operation_is_refused_with_what_is_missing() {
    let served = served();
    let cookie = served.initialised().await;
    settle().await;
    for path in [
        "/media/chat/interactions/1/send-message",
        "/iwd/work-items/1/assign",
        "/ucs/contacts/search",
        "/ucs/responses/categories/7/get-details/",
        "/ucs/get-agent-history",
    ] {
        let (status, told) = served.operate(path, &cookie, &json!({})).await;
        assert!(status == 503 && words(&told).starts_with("the service: "), "{path}: {status} {told}");
    }
    for path in [
        "/media/chat/interactions/1/messages",
        "/iwd/work-items",
        "/iwd/work-items/1",
        "/voicemail/mailboxes",
        "/ucs/responses/1/attachments/2",
    ] {
        let (status, told) = served.get(path, &cookie).await;
        assert!(status == 503 && words(&told).starts_with("the service: "), "{path}: {status} {told}");
    }
    for (path, operation) in [
        ("/media/chat/ready", "media/chat/ready"),
        ("/media/chat/interactions/1/complete", "media/chat/interactions/1/complete"),
        ("/workbins/get-workbins/", "workbins/get-workbins"),
        ("/media-management/get-snapshot", "media-management/get-snapshot"),
    ] {
        let (status, told) = served.operate(path, &cookie, &json!({})).await;
        assert_eq!((status, words(&told)), (503, format!("interaction-server: {operation}").as_str()), "{path}");
    }
    for path in
        ["/ucs/sing", "/ucs/contacts/7/sing", "/iwd/work-items/1/sing", "/media/chat/interactions/1/sing", "/media"]
    {
        assert_eq!(served.operate(path, &cookie, &json!({})).await.0, 501, "{path}");
    }
    assert_eq!(served.get("/ucs/contacts/1/delete/2", &cookie).await.0, 501);
    let shown = [(header::COOKIE, cookie.as_str())];
    for path in ["/media/chat/ready", "/workbins/get-workbins", "/users/7/media/ready"] {
        let refused = served.ask(Method::GET, path, &shown).await;
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(refused.headers()[header::ALLOW], "POST", "{path}");
    }
}

#[tokio::test]
async fn an_operation_goes_to_its_service_as_it_came_and_its_events_to_who_listens() {
    let served = served();
    let cookie = served.initialised().await;
    settle().await;
    let session_cookie = SessionCookie::read(cookie.split_once('=').unwrap().1).unwrap();
    let session = served.workspace.session(&session_cookie).await.unwrap();
    let client = listener(&session).await;
    let wish = json!([{
        "id": "3", "channel": "/meta/subscribe", "clientId": client, "subscription": "/workspace/v3/contacts",
    }]);
    send(&session, &wish).await;
    let found = json!({"name": "EventSearchContact", "totalCount": 1});
    served.peers_answer(Ok(json!({"events": [found, "no event"]})));
    let asked = json!({"operationId": "op-7", "data": {"query": "Miller"}});
    let (status, told) = served.operate("/ucs/contacts/search", &cookie, &asked).await;
    assert_eq!((status, told), (200, json!({"status": {"code": 1}, "operationId": "op-7"})));
    let question = served.last_question();
    assert_eq!((question.service, question.below.as_str()), (PeerService::Ucs, "contacts/search"));
    assert_eq!(question.body, asked);
    let poll = json!([{
        "id": "4", "channel": "/meta/connect", "clientId": client, "connectionType": "long-polling",
        "advice": {"timeout": 0},
    }]);
    let told = send(&session, &poll).await;
    let events: Vec<&Value> =
        told.as_array().unwrap().iter().filter(|message| message["channel"] == "/workspace/v3/contacts").collect();
    let wanted =
        json!({"messageType": "UcsMessage", "name": "EventSearchContact", "totalCount": 1, "operationId": "op-7"});
    assert_eq!((events.len(), &events[0]["data"]), (1, &wanted));

    // Whoever names none gets an id all the same; what a client is called is one part of the path.
    let (_, told) = served.operate("/ucs/contacts/a%2Fb/delete", &cookie, &Value::Null).await;
    assert_eq!(told["operationId"].as_str().unwrap().len(), 16);
    assert_eq!(served.last_question().below, "contacts/a%2Fb/delete");
    for wrong in [json!([]), json!({"data": 7}), json!({"operationId": 7}), json!({"operationId": "x".repeat(101)})] {
        assert_eq!(served.operate("/ucs/contacts/search", &cookie, &wrong).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn what_a_service_refuses_is_told_and_what_it_may_have_done_is_not_said_to_be_undone() {
    let served = served();
    let cookie = served.initialised().await;
    settle().await;
    for (fault, status) in [
        (PeerFault::Refused(Problem::not_found("there is no contact 7")), 404),
        (PeerFault::Refused(Problem::unprocessable("query: it is missing")), 400),
        (PeerFault::Away("ucs"), 503),
        (PeerFault::Late("ucs"), 504),
    ] {
        served.peers_answer(Err(fault.clone()));
        assert_eq!(served.operate("/ucs/contacts/7/delete", &cookie, &json!({})).await.0, status, "{fault}");
    }
    served.peers_answer(Ok(json!({"data": {"messages": [{"index": 1}]}})));
    let (status, told) = served.get("/media/chat/interactions/1/messages", &cookie).await;
    assert_eq!((status, &told["data"]["messages"][0]["index"]), (200, &json!(1)));
    assert_eq!(served.get("/iwd/work-items?queue=a%20b&limit=5", &cookie).await.0, 200);
    assert_eq!(served.last_question().below, "work-items?queue=a%20b&limit=5");
    assert_eq!(served.get(&format!("/iwd/work-items?{}", "x".repeat(2_000)), &cookie).await.0, 400);
}

#[tokio::test]
async fn what_is_accepted_and_assigned_is_open_until_it_is_left_and_completed() {
    let served = served();
    let cookie = served.initialised().await;
    settle().await;
    served.peers_answer(Ok(json!({"data": {"subject": "an order"}})));
    for path in ["/media/chat/interactions/c1/accept", "/iwd/work-items/w1/assign"] {
        let (status, told) = served.operate(path, &cookie, &json!({})).await;
        assert_eq!((status, &told["data"]["subject"]), (200, &json!("an order")), "{path}");
    }
    let (status, told) = served.get("/media/interactions", &cookie).await;
    let open = &told["data"]["interactions"];
    assert_eq!((status, &open[0]["mediatype"], &open[1]["id"]), (200, &json!("chat"), &json!("w1")));
    assert_eq!(open[1]["subject"], "an order");
    for path in ["/media/chat/interactions/c1/leave", "/iwd/work-items/w1/complete"] {
        assert_eq!(served.operate(path, &cookie, &json!({})).await.0, 200, "{path}");
    }
    assert!(served.roles.open.lock().unwrap().is_empty());
}
