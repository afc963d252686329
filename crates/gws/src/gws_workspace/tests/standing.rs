//! What the person of a session may follows what auth says, and no session lasts for ever.

use identity::grant::SIGN_IN_LIFE;

use super::super::standing_checks;
use super::*;

fn now_may(scopes: &[&str], dn: Option<&str>) -> SignInStanding {
    SignInStanding::GoesOn(SignInNow {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        dn: dn.map(str::to_owned),
        credential: Some("one".to_owned()),
    })
}

/// A supervisor's session, whose page asks by that cookie.
async fn supervisor() -> (ServedWorkspace, Arc<DeskSession>, String) {
    let served = served();
    let token = served.token(ApiFamily::Gws, "person/sue", "workspace:use agents:supervise");
    let cookie = served.initialised_by(&token).await;
    let session = served.workspace.sessions.held.all().pop().unwrap();
    (served, session, cookie)
}

impl ServedWorkspace {
    fn says(&self, standing: SignInStanding) {
        *self.roles.standing.lock().unwrap() = Some(standing);
    }

    async fn status(&self, path: &str, cookie: &str) -> u16 {
        self.ask(Method::GET, path, &[(header::COOKIE, cookie)]).await.status().as_u16()
    }
}

#[tokio::test]
async fn who_is_no_supervisor_any_more_is_none_at_the_desktop_either_and_again_one_later() {
    let (served, session, cookie) = supervisor().await;
    assert_eq!(served.status("/users", &cookie).await, 200);
    standing_checks::check_all(&served.workspace).await;
    assert_eq!(served.status("/users", &cookie).await, 200, "nobody has answered");
    standing_checks::check_all(&served.workspace).await;
    assert_eq!(*served.roles.standing_questions.lock().unwrap(), 1, "it is asked again later");

    served.says(now_may(&["workspace:use"], None));
    session.renew(session.sign_in());
    standing_checks::check_all(&served.workspace).await;
    assert_eq!(served.status("/users", &cookie).await, 403);

    served.says(now_may(&["workspace:use", "agents:supervise", "operate"], None));
    session.renew(session.sign_in());
    standing_checks::check_all(&served.workspace).await;
    assert_eq!(served.status("/users", &cookie).await, 200);
    assert_eq!(session.sign_in().person.scopes, ["workspace:use", "agents:supervise"], "no more than it had");
}

#[tokio::test]
async fn a_page_that_keeps_its_sign_in_alive_learns_that_it_is_over() {
    let (served, session, cookie) = supervisor().await;
    served.says(now_may(&["workspace:use", "agents:supervise"], None));
    assert_eq!(served.status("/auth-keep-alive", &cookie).await, 200);
    assert_eq!(served.status("/auth-keep-alive", &cookie).await, 200);
    assert_eq!(*served.roles.standing_questions.lock().unwrap(), 1, "auth has just said it");
    for over in [SignInStanding::Over, now_may(&["agents:supervise"], None)] {
        let (served, session, cookie) = supervisor().await;
        served.says(over);
        assert_eq!(served.status("/auth-keep-alive", &cookie).await, 403);
        settle().await;
        assert!(session.is_over());
    }
    // With a token it goes on by that one.
    let token = served.token(ApiFamily::Gws, "person/sue", "workspace:use");
    let shown = [(header::COOKIE, cookie.as_str()), (header::AUTHORIZATION, token.as_str())];
    assert_eq!(served.ask(Method::GET, "/auth-keep-alive", &shown).await.status(), StatusCode::OK);
    assert_eq!(session.sign_in().person.scopes, ["workspace:use"]);
}

#[tokio::test]
async fn a_session_ends_after_a_month_though_its_page_polls() {
    let clock = clock();
    let store = DeskStore::in_memory(clock.clone());
    let one = believing("one.1", &clock, &store);
    let (session, cookie) = begin(&one, "ann").await;
    for _ in 0..SIGN_IN_LIFE.as_secs() / 1_500 {
        clock.advance(Duration::from_secs(1_500));
        assert!(session.is_used());
        one.on_tick(true);
        settle().await;
    }
    assert!(!session.is_over());
    clock.advance(Duration::from_secs(1_500));
    assert!(session.is_used());
    one.on_tick(true);
    settle().await;
    assert!(session.is_over());
    assert_eq!(one.session(&cookie).await.err(), Some(ApiRefusal::without_session()));
}

#[tokio::test]
async fn a_page_at_a_dn_for_which_its_sign_in_is_no_more_leaves_it_once_no_call_is_there() {
    let clock = clock();
    let store = DeskStore::in_memory(clock.clone());
    let one = believing("one.1", &clock, &store);
    let (session, _) = begin(&one, "ann").await;
    let body = desk::ActivateBody::read(&json!({"data": {"dn": "7101"}})).unwrap();
    let _reply = session.operate(|desk, reply, now| desk.activate(body, "7101".to_owned(), None, reply, now));
    settle().await;
    let all = ["workspace:use", "agents:control", "calls:control"];
    for (dn, stays) in [(Some("7101"), true), (None, true), (Some("7102"), false)] {
        let asked = session.sign_in();
        session.stands(&asked, now_may(&all, dn));
        one.on_tick(true);
        settle().await;
        assert_eq!(session.is_used(), stays, "{dn:?}");
    }
}
