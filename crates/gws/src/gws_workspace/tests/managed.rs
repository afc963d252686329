//! Whoever manages groups has no say over the agents of others.

use super::*;

impl ServedWorkspace {
    async fn posted(&self, path: &str, cookie: &str, body: &Value) -> (u16, String) {
        let shown = [(header::COOKIE, cookie)];
        let (status, told) = read(self.ask_with(Method::POST, path, &shown, Body::from(body.to_string())).await).await;
        (status, told["status"]["message"].as_str().unwrap_or_default().to_owned())
    }

    fn manages(&self, only: &'static str) {
        *self.roles.managed.lock().unwrap() = Some(only);
    }
}

#[tokio::test]
async fn a_supervisor_sets_the_state_of_those_alone_who_are_shown() {
    let served = served();
    let token = served.token(ApiFamily::Gws, "person/sue", "workspace:use agents:supervise");
    let cookie = served.initialised_by(&token).await;
    // Bob works at 7202, and eve nowhere.
    let ways = [
        ("/users/bob/voice/not-ready", json!({})),
        ("/supervisor/voice/not-ready", json!({"data": {"userName": "bob"}})),
        ("/supervisor/voice/not-ready", json!({"data": {"dn": "7202"}})),
        ("/supervisor/voice/not-ready", json!({"data": {"dn": 7202}})),
    ];
    for (path, body) in &ways {
        served.manages("eve");
        let (status, message) = served.posted(path, &cookie, body).await;
        assert!(status == 403 && message.contains("that you manage"), "{path} {body}: {status} {message}");
        assert!(served.roles.frames.lock().unwrap().is_empty());
        served.manages("bob");
        assert_eq!(served.posted(path, &cookie, body).await.0, 200, "{path} {body}");
        settle().await;
        assert_eq!(served.roles.frames.lock().unwrap().pop().unwrap()["OtherDN"], "7202");
    }
    let elsewhere = json!({"data": {"dn": "7203"}});
    assert_eq!(served.posted("/supervisor/voice/not-ready", &cookie, &elsewhere).await.0, 403);
    *served.roles.is_without_values.lock().unwrap() = true;
    assert_eq!(served.posted("/supervisor/voice/not-ready", &cookie, &elsewhere).await.0, 503);
    // Who manages no group looks after all.
    *served.roles.managed.lock().unwrap() = None;
    assert_eq!(served.posted("/supervisor/voice/not-ready", &cookie, &elsewhere).await.0, 200);
}

#[tokio::test]
async fn nobody_listens_to_those_of_others_or_sends_calls_to_their_phones() {
    let served = served();
    let scopes = "workspace:use agents:supervise calls:monitor calls:control agents:control";
    let cookie = served.initialised_by(&served.token(ApiFamily::Gws, "person/sue", scopes)).await;
    let monitored = json!({"data": {"phoneNumberToMonitor": "7202"}});
    let move_to = |number: &str| json!({"data": {"destination": number}});
    let waiting = "/supervisor/waiting-calls/00000000000000aa/move";
    served.manages("eve");
    let (status, message) = served.posted("/voice/start-monitoring", &cookie, &monitored).await;
    assert!(status == 403 && message.starts_with("phoneNumberToMonitor: "), "{status} {message}");
    let (status, message) = served.posted(waiting, &cookie, &move_to("7102")).await;
    assert!(status == 403 && message.starts_with("destination: "), "{status} {message}");
    assert_eq!(served.posted(waiting, &cookie, &move_to("+15550100")).await.0, 200, "it is no phone of an agent");
    served.manages("bob");
    assert_eq!(served.posted("/voice/start-monitoring", &cookie, &monitored).await.0, 409, "there is no phone");
    assert_eq!(served.posted(waiting, &cookie, &move_to("7102")).await.0, 200);
}
