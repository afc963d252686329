//! Whose a desktop is: how its session begins, what its cookie says, what it opens, and how it ends.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::agents::baresip_phone;
use testkit::installation::DemoUser;
use testkit::visitor::{CurlAnswer, REDIRECT, VERIFIER, value};
use testkit::{Answer, Installation, Visitor, Watch, wait};

use super::desk::{PlainDesk, asked, cookie_header, cookie_of, initialised, is_without_session, token};
use super::{OTHER, OWN, agent};
use crate::web_edge::curl;

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(90);
/// A second tenant, with a program for its people.
const GLOBEX: &str = r#"tenant: globex
name: Globex
realm: globex.invalid
hold_music: music
prompts: {music: music.wav}
people:
  - {user: gina.green, first_name: Gina, last_name: Green, password: "wide white saucer", privileges: [supervisor]}
clients:
  - {id: probe, name: Probe, secret: "slow brown teapot", grants: [password], scopes: ["workspace:use", "calls:control"]}
"#;
/// What needs a session: all of it but its beginning.
const WITH_SESSION: [(&str, &str); 9] = [
    ("GET", "current-session"),
    ("GET", "userinfo"),
    ("GET", "configuration"),
    ("GET", "voice/calls"),
    ("GET", "auth-keep-alive"),
    ("POST", "activate-channels"),
    ("POST", "voice/ready"),
    ("POST", "notifications/handshake"),
    ("POST", "logout"),
];

fn person<'a>(site: &'a Installation, kind: &str) -> Result<&'a DemoUser> {
    site.demo.users.iter().find(|user| user.kind == kind).with_context(|| format!("no {kind} signs in"))
}

/// The attributes of the cookie that is set, in lower case, without the value.
fn attributes(answer: &CurlAnswer) -> Result<Vec<String>> {
    let set = answer.header("set-cookie").with_context(|| format!("no cookie: {}", answer.head))?;
    Ok(set.split(';').skip(1).map(|attribute| attribute.trim().to_ascii_lowercase()).collect())
}

#[test]
fn a_session_begins_by_a_token_and_its_cookie_is_for_the_path_it_came_by() -> Result<()> {
    let site = Installation::start()?;
    let token = token(&site, agent(&site, 0)?)?;
    let begun = initialised(&site, &token, &[])?;
    ensure!(begun.status == 200 && begun.json()? == json!({"status": {"code": 1}}), "{} {}", begun.head, begun.body);
    let set = attributes(&begun)?;
    for due in ["path=/", "httponly", "samesite=lax"] {
        ensure!(set.iter().any(|attribute| attribute == due), "{due} is not among {set:?}");
    }
    // Programs keep a cookie with Secure to themselves, and take none for another host.
    ensure!(!set.iter().any(|one| one == "secure" || one.starts_with("domain")), "{set:?}");
    // Clients want the cookie each time.
    let cookie = cookie_of(&begun)?;
    let again = initialised(&site, &token, &["--header", cookie_header(&cookie).trim()])?;
    ensure!(again.status == 200 && !cookie_of(&again)?.is_empty(), "{}", again.head);

    let trusted = site.demo.webs_ca.as_ref().context("demo.json tells no certificate")?.display().to_string();
    let bearer = format!("authorization: bearer {token}");
    let url = format!("{}/workspace/v3/initialize-workspace", site.demo.webs);
    let secure = curl(&["--cacert", &trusted, "--request", "POST", "--header", &bearer, &url])?;
    let head = secure.head.to_ascii_lowercase();
    let set = head.lines().find(|line| line.starts_with("set-cookie:")).context("no cookie by HTTPS")?;
    ensure!(secure.status == "HTTP/2 200" && set.contains("; secure"), "{}", secure.head);

    for (who, token) in [("nobody", None), ("garbage", Some("none.of.ours".to_owned()))] {
        let headers = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let (status, body) = asked(&site, &headers, "POST", "initialize-workspace", &Value::Null)?;
        ensure!([401, 403].contains(&status), "{who}: {status} {body}");
    }
    let visitor = Visitor::new(&site)?;
    let administrator = person(&site, "administrator")?;
    let program = [("grant_type", "client_credentials"), ("scope", "statistics:read")];
    let others = [
        visitor.by_password(&administrator.user, &administrator.password)?.token("access_token")?,
        visitor.token(&program)?.token("access_token")?,
        site.demo.tokens.get("operator").context("no operator's token")?.clone(),
    ];
    for other in others {
        let refused = initialised(&site, &other, &[])?;
        ensure!([401, 403].contains(&refused.status), "{} {}", refused.status, refused.body);
        ensure!(refused.header("set-cookie").is_none(), "{}", refused.head);
        ensure!(refused.json()?["status"]["code"].as_u64() == Some(refused.status.into()), "{}", refused.body);
    }
    Ok(())
}

#[test]
fn a_call_that_is_asked_for_twice_under_one_id_is_made_once() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let _other = baresip_phone(&site, 11, OTHER, Answer::Auto)?;
    let user = agent(&site, 0)?;
    let mut desk = PlainDesk::begun(&site, user)?;
    desk.activates(user)?;
    desk.operates("ready", &json!({}))?;
    desk.comes_to_be("Ready")?;
    let body = json!({"data": {"destination": OTHER}, "operationId": "once"});
    for _ in 0..2 {
        let answer = desk.succeeds("POST", "voice/make-call", &body, 1)?;
        ensure!(answer["operationId"] == "once", "{answer}");
    }
    watch.wait_for("Established@7130", SOON)?;
    let dialled = watch.facts().iter().filter(|fact| fact.brief() == "Dialing@7101").count();
    ensure!(dialled == 1, "{dialled} calls were made");
    let refused = json!({"data": {"destination": OTHER, "outboundCallerId": "a name"}});
    let (status, answer) = desk.ask("POST", "voice/make-call", &refused)?;
    let message = answer["status"]["message"].as_str().unwrap_or_default();
    ensure!(status == 400 && message.starts_with("outboundCallerId: "), "{status} {answer}");
    Ok(())
}

#[test]
fn an_event_that_names_a_call_reaches_each_dn_of_it() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let _own = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let _other = baresip_phone(&site, 11, OTHER, Answer::Auto)?;
    let user = agent(&site, 0)?;
    let mut desk = PlainDesk::begun(&site, user)?;
    desk.activates(user)?;
    desk.operates("ready", &json!({}))?;
    desk.comes_to_be("Ready")?;
    desk.succeeds("POST", "voice/make-call", &json!({"data": {"destination": OTHER}}), 1)?;
    watch.wait_for("Established@7130", SOON)?;
    let uuid = wait::until(SOON, || {
        let calls = desk.succeeds("GET", "voice/calls", &Value::Null, 0)?;
        Ok(calls["data"]["calls"][0]["callUuid"].as_str().map(|uuid| json!(uuid)))
    })?;
    let event = |named: &Value| json!({"data": {"userData": [{"key": "Note", "type": "str", "value": "hot"}], "callUuid": named}});
    let (status, refused) = desk.ask("POST", "voice/send-user-event", &event(&json!("of-nobody")))?;
    ensure!(status >= 400, "{status} {refused}");
    desk.succeeds("POST", "voice/send-user-event", &event(&uuid), 1)?;
    for dn in [OWN, OTHER] {
        let told = watch.wait_for(&format!("UserEvent@{dn}"), SOON)?;
        ensure!(told.frame["UserData"]["Note"] == "hot", "{told:?}");
    }
    Ok(())
}

#[test]
fn without_a_session_nothing_is_answered_and_pages_of_others_change_nothing() -> Result<()> {
    let site = Installation::start()?;
    let token = token(&site, agent(&site, 0)?)?;
    let garbage = cookie_header("ZXhhbXBsZQ.none-of-ours");
    // A token begins a session, and is none.
    for headers in [String::new(), garbage, format!("Authorization: Bearer {token}\r\n")] {
        for (method, path) in WITH_SESSION {
            let body = if method == "POST" { json!([]) } else { Value::Null };
            let answer = asked(&site, &headers, method, path, &body)?;
            ensure!(is_without_session(&answer), "{method} {path}: {answer:?}");
        }
    }
    told_of_the_service(&site, &token)?;
    let user = agent(&site, 0)?;
    let desk = PlainDesk::new(&site, user)?;
    desk.activates(user)?;
    let from = |origin: &str| {
        let headers = format!("{}Origin: {origin}\r\n", cookie_header(&desk.cookie));
        asked(&site, &headers, "POST", "voice/not-ready", &json!({}))
    };
    let (status, body) = from("https://evil.example")?;
    ensure!(status == 403, "a page of another host works at the desk: {status} {body}");
    let (status, body) = from(&site.demo.web)?;
    ensure!(status == 200, "a page of this host does not: {status} {body}");
    Ok(())
}

/// What the service is, whoever could begin a session is told too.
fn told_of_the_service(site: &Installation, token: &str) -> Result<()> {
    let administrator = person(site, "administrator")?;
    let other = Visitor::new(site)?.by_password(&administrator.user, &administrator.password)?.token("access_token")?;
    for path in ["info", "version", "doc"] {
        let ask = |headers: &str| asked(site, headers, "GET", path, &Value::Null);
        let bearing = |token: &str| ask(&format!("Authorization: Bearer {token}\r\n"));
        let (status, body) = bearing(token)?;
        ensure!(status == 200, "{path}: {status} {body}");
        ensure!(is_without_session(&ask("")?), "{path} is told to everybody");
        let (status, body) = bearing(&other)?;
        ensure!([401, 403].contains(&status), "{path} is told to an administrator: {status} {body}");
    }
    Ok(())
}

#[test]
fn operations_say_that_they_are_accepted_or_what_is_wrong_with_them() -> Result<()> {
    let site = Installation::start()?;
    let user = agent(&site, 0)?;
    let _phone = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let mut desk = PlainDesk::begun(&site, user)?;
    desk.activates(user)?;
    let named = json!({"operationId": "op-7", "data": {}});
    let answer = desk.succeeds("POST", "voice/ready", &named, 1)?;
    ensure!(answer["operationId"] == "op-7", "{answer}");
    desk.comes_to_be("Ready")?;
    desk.succeeds("GET", "voice/calls", &Value::Null, 0)?;
    let session = desk.succeeds("GET", "current-session", &Value::Null, 0)?;
    let told = &session["data"]["user"];
    ensure!(told["userName"] == json!(user.user) && told["activeSession"]["dn"]["number"] == OWN, "{session}");

    let unknown_call = "voice/calls/00ff00ff00ff00ff/hold";
    for (path, body, status, words) in [
        ("voice/no-such-operation", json!({}), 501, ""),
        (unknown_call, json!({}), 500, ""),
        ("voice/make-call", json!({"data": {}}), 400, "destination"),
        ("media/chat/ready", json!({}), 503, ""),
    ] {
        let (got, answer) = desk.ask("POST", path, &body)?;
        let told = &answer["status"];
        ensure!(got == status && told["code"] == status, "{path}: {got} {answer}");
        ensure!(told["message"].as_str().is_some_and(|message| message.contains(words)), "{path}: {answer}");
    }
    // What fails later is told later: nobody is registered at that number.
    desk.succeeds("POST", "voice/make-call", &json!({"operationId": "op-8", "data": {"destination": "7139"}}), 1)?;
    let refused = desk.comes("the refusal", |data| data["messageType"] == "EventError")?;
    ensure!(refused["error"]["errorCode"] == 58 && refused["operationId"] == "op-8", "{refused}");
    Ok(())
}

#[test]
fn a_login_that_is_refused_answers_the_activation() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let (ada, ben) = (agent(&site, 0)?, agent(&site, 1)?);
    let dn = ben.dn.as_deref().context("the agent has no phone")?;
    site.request(&json!({"req": "TAgentLogin", "ThisDN": dn, "AgentID": ada.agent}))?;
    watch.wait_for(&format!("AgentLogin@{dn}"), SOON)?;
    let mut desk = PlainDesk::begun(&site, ben)?;
    let data = json!({"operationId": "op-9", "data": {"agentId": ben.agent, "dn": dn}});
    let (status, answer) = desk.ask("POST", "activate-channels", &data)?;
    let words = answer["status"]["message"].as_str().unwrap_or_default();
    ensure!(status == 409 && answer["status"]["code"] == 409 && words.contains("231"), "{status} {answer}");
    let told = desk.comes("the refusal", |data| data["messageType"] == "EventError")?;
    ensure!(told["error"]["errorCode"] == 231 && told["operationId"] == "op-9", "{told}");
    let (status, answer) = desk.ask("POST", "voice/ready", &json!({}))?;
    ensure!(status == 409, "another agent's phone is this one's: {status} {answer}");
    Ok(())
}

#[test]
fn a_desktop_is_its_persons_alone() -> Result<()> {
    let site = Installation::start()?;
    let (ada, ben) = (agent(&site, 0)?, agent(&site, 1)?);
    let (first, token_of_ben) = (PlainDesk::new(&site, ada)?, token(&site, ben)?);
    let user_of = |desk: &PlainDesk<'_>| -> Result<String> {
        let session = desk.succeeds("GET", "current-session", &Value::Null, 0)?;
        Ok(session["data"]["user"]["userName"].as_str().unwrap_or_default().to_owned())
    };
    // Who shows a cookie of somebody else beside a token has a session of their own, and the one before ends: somebody else sits there.
    let beside = ["--header", cookie_header(&first.cookie).trim()].map(str::to_owned);
    let begun = initialised(&site, &token_of_ben, &beside.each_ref().map(String::as_str))?;
    ensure!(begun.status == 200 && cookie_of(&begun)? != first.cookie, "{} {}", begun.status, begun.body);
    let over = || Ok(is_without_session(&first.ask("GET", "current-session", &Value::Null)?).then_some(()));
    wait::until(SOON, over).context("the session before goes on")?;
    let first = PlainDesk::new(&site, ada)?;
    let second = PlainDesk::by_token(&site, &token_of_ben)?;
    ensure!(user_of(&first)? == ada.user && user_of(&second)? == ben.user, "sessions are mixed up");
    // The page of whoever was here before gets nothing of the session of now, and changes nothing in it.
    let of_page = |user: &str| format!("{}X-Trunkline-Subject: {user}\r\n", cookie_header(&second.cookie));
    for (method, path) in [("GET", "current-session"), ("POST", "notifications/handshake"), ("POST", "logout")] {
        let body = if method == "POST" { json!([]) } else { Value::Null };
        let (status, answer) = asked(&site, &of_page(&ada.user), method, path, &body)?;
        ensure!(status == 412 && answer["status"]["code"] == 412, "{method} {path}: {status} {answer}");
    }
    let (status, answer) = asked(&site, &of_page(&ben.user), "GET", "current-session", &Value::Null)?;
    ensure!(status == 200, "the page of the session's own person: {status} {answer}");
    // Another agent's id, and another agent's phone.
    for (agent, dn) in [(&ada.agent, &ben.dn), (&ben.agent, &ada.dn)] {
        let body = json!({"data": {"agentId": agent, "dn": dn}});
        let (status, answer) = second.ask("POST", "activate-channels", &body)?;
        ensure!([400, 403].contains(&status), "{body}: {status} {answer}");
    }
    of_another_tenant(&site, &first, ada)
}

/// The desktop of somebody of another tenant, which the site gets for that.
pub(super) fn desk_of_globex(site: &Installation) -> Result<PlainDesk<'_>> {
    site.import_text(GLOBEX)?;
    let visitor = Visitor::new(site)?;
    let fields = [("grant_type", "password"), ("username", "gina.green"), ("password", "wide white saucer")];
    let token = wait::until(SOON, || {
        let answer = visitor.token_as("globex/probe", "slow brown teapot", &fields)?;
        Ok((answer.status == 200).then_some(answer))
    });
    let token = token.context("nobody of globex signs in")?.token("access_token")?;
    // It may be known to auth a moment sooner than to others.
    wait::until(SOON, || Ok(PlainDesk::by_token(site, &token).ok())).context("globex has no desktops")
}

/// A session of another tenant knows nothing of this one, and the cookie of this one opens nothing there.
fn of_another_tenant(site: &Installation, first: &PlainDesk<'_>, ada: &DemoUser) -> Result<()> {
    let other = desk_of_globex(site)?;
    let body = json!({"data": {"agentId": ada.agent, "dn": ada.dn}});
    let (status, answer) = other.ask("POST", "activate-channels", &body)?;
    ensure!((400..500).contains(&status), "{status} {answer}");
    let (_, secret) = first.cookie.split_once('.').context("a cookie names the tenant")?;
    let elsewhere = format!("{}.{secret}", URL_SAFE_NO_PAD.encode("globex"));
    let answer = asked(site, &cookie_header(&elsewhere), "GET", "current-session", &Value::Null)?;
    ensure!(is_without_session(&answer), "a secret is good in another tenant: {answer:?}");
    first.succeeds("GET", "current-session", &Value::Null, 0).map(drop)
}

#[test]
fn a_session_ends_with_its_logout_and_with_the_sign_in() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let user = agent(&site, 0)?;
    let _phone = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let is_over = |desk: &PlainDesk<'_>| {
        let answer = desk.ask("GET", "current-session", &Value::Null)?;
        anyhow::Ok(is_without_session(&answer).then_some(()))
    };
    let desk = PlainDesk::begun(&site, user)?;
    desk.activates(user)?;
    watch.wait_for("AgentLogin@7101", SOON)?;
    let (status, answer) = desk.ask("POST", "logout", &json!({}))?;
    ensure!(status == 200, "{status} {answer}");
    wait::until(SOON, || is_over(&desk)).context("the session stays behind its logout")?;
    watch.wait_for("AgentLogout@7101", SOON)?;

    let token = token(&site, user)?;
    let desk = PlainDesk::by_token(&site, &token)?;
    desk.activates(user)?;
    watch.wait_for_count("AgentLogin@7101", 2, SOON)?;
    let bearer = format!("authorization: Bearer {token}");
    let out = Visitor::new(&site)?.ask("/auth/v3/sign-out", &["--request", "POST", "--header", &bearer])?;
    ensure!(out.status < 400, "{} {}", out.head, out.body);
    // Nobody asks any more: the session ends by itself.
    watch.wait_for_count("AgentLogout@7101", 2, LATER)?;
    wait::until(SOON, || is_over(&desk)).context("the session stays behind the sign-out")
}

/// The request of a program that has a session begun by a code: for the client that is built in, for all scopes.
const BY_CODE: [(&str, &str); 2] = [("client_id", "trunkline-workspace"), ("scope", "")];
/// The same without PKCE.
const WITHOUT_PKCE: [(&str, &str); 2] = [("code_challenge", ""), ("code_challenge_method", "")];

#[test]
fn a_session_begins_by_a_code_which_is_good_for_nobody_else_and_ends_with_the_sign_in() -> Result<()> {
    let site = Installation::start()?;
    let user = agent(&site, 0)?;
    let browser = Visitor::new(&site)?;
    let code = browser.code_for(&BY_CODE, &user.user, &user.password)?;
    let begin = |code: &str, redirect: &str| {
        let proof = format!("code_verifier={VERIFIER}");
        begun_by(&site, code, redirect, &proof)
    };
    let begun = begin(&code, REDIRECT)?;
    ensure!(begun.status == 200, "{} {}", begun.head, begun.body);
    let cookie = cookie_of(&begun)?;
    let (status, session) = asked(&site, &cookie_header(&cookie), "GET", "current-session", &Value::Null)?;
    ensure!(status == 200 && session["data"]["user"]["userName"] == json!(user.user), "{status} {session}");

    // The browser is signed in, and gets further codes without a page.
    let second = browser.code_for(&BY_CODE, &user.user, &user.password)?;
    let elsewhere = begin(&second, "http://127.0.0.1:9/other")?;
    ensure!(elsewhere.status == 401, "a code goes to another address: {} {}", elsewhere.head, elsewhere.body);
    let third = browser.code_for(&BY_CODE, &user.user, &user.password)?;
    let grant = [
        ("grant_type", "authorization_code"),
        ("client_id", "trunkline-workspace"),
        ("code", third.as_str()),
        ("redirect_uri", REDIRECT),
    ];
    let stranger = Visitor::new(&site)?.post("/auth/v3/oauth/token", &grant, &[])?;
    ensure!(stranger.error() == "invalid_client", "a stranger redeems it: {}", stranger.body);
    let refused = browser.authorize(&[&BY_CODE[..], &[("redirect_uri", "https://evil.example/")]].concat())?;
    ensure!(refused.status == 400, "it would be sent anywhere: {}", refused.head);
    // Another program of the machine may listen there.
    let refused = browser.authorize(&[&BY_CODE[..], &WITHOUT_PKCE[..]].concat())?;
    let sent = refused.sent_to(REDIRECT).context("it is not sent on")?;
    ensure!(value(&sent, "error") == Some("invalid_request"), "a code goes to a program without PKCE: {sent:?}");
    let unproved = browser.code_for(&BY_CODE, &user.user, &user.password)?;
    let refused = begun_by(&site, &unproved, REDIRECT, "")?;
    ensure!(refused.status == 401, "a code is good without its verifier: {} {}", refused.head, refused.body);

    browser.ask("/auth/v3/sign-out", &["--request", "POST"])?;
    wait::until(LATER, || {
        let answer = asked(&site, &cookie_header(&cookie), "GET", "current-session", &Value::Null)?;
        Ok(is_without_session(&answer).then_some(()))
    })
    .context("the session outlives the sign-in")
}

/// Begins a session by a code, with a further parameter.
fn begun_by(site: &Installation, code: &str, redirect: &str, proof: &str) -> Result<CurlAnswer> {
    let query = format!("code={code}&redirect_uri={}&{proof}", redirect.replace(':', "%3A").replace('/', "%2F"));
    Visitor::new(site)?.ask(&format!("/workspace/v3/initialize-workspace?{query}"), &["--request", "POST"])
}

/// Further clients: one whose people may begin sessions and do no more, and one that may have no such token.
const BOUNDED: &str = r#"
clients:
  - {id: board, name: Board, grants: [authorization_code], redirect_uris: ["https://board.example/in"], scopes: ["calls:read"]}
  - {id: viewer, name: Viewer, grants: [authorization_code], redirect_uris: ["https://viewer.example/in"], scopes: ["workspace:use"]}
"#;

#[test]
fn a_session_by_a_code_has_no_more_scopes_than_the_client_to_which_the_code_goes() -> Result<()> {
    let site = Installation::start()?;
    let user = agent(&site, 0)?;
    site.change_example(|file| file.replacen("\nclients:\n", BOUNDED, 1))?;
    let browser = Visitor::new(&site)?;
    let to = |uri: &'static str| [&BY_CODE[..], &WITHOUT_PKCE[..], &[("redirect_uri", uri)]].concat();
    let viewer = to("https://viewer.example/in");
    wait::until(SOON, || Ok(browser.authorize(&viewer)?.asks_for_a_password().then_some(())))
        .context("no code goes to a client that may have it")?;
    let refused = browser.authorize(&to("https://board.example/in"))?;
    ensure!(refused.status == 400, "a code goes to a client that may not begin sessions: {}", refused.head);

    let code = browser.code_for(&viewer, &user.user, &user.password)?;
    let begun = begun_by(&site, &code, "https://viewer.example/in", "")?;
    ensure!(begun.status == 200, "{} {}", begun.head, begun.body);
    let headers = cookie_header(&cookie_of(&begun)?);
    let body = json!({"data": {"agentId": user.agent, "dn": user.dn}});
    let (status, answer) = asked(&site, &headers, "POST", "activate-channels", &body)?;
    ensure!(status == 403, "the session may more than the client: {status} {answer}");
    Ok(())
}

#[test]
fn a_desktop_that_asks_for_as_little_as_it_can_reads_the_configuration_part_by_part() -> Result<()> {
    let site = Installation::start()?;
    let token = token(&site, agent(&site, 0)?)?;
    let bearer = format!("authorization: Bearer {token}");
    let asked_for = "/workspace/v3/initialize-workspace?optimize_config=true";
    let begun = Visitor::new(&site)?.ask(asked_for, &["--request", "POST", "--header", &bearer])?;
    let headers = cookie_header(&cookie_of(&begun)?);
    let configuration = wait::until(SOON, || {
        let (_, session) = asked(&site, &headers, "GET", "current-session", &Value::Null)?;
        Ok(session["data"]["configuration"].as_object().cloned())
    })?;
    let parts: Vec<&str> = configuration.keys().map(String::as_str).collect();
    ensure!(parts == ["agentGroups", "environment"], "{parts:?}");
    let (status, codes) = asked(&site, &headers, "GET", "configuration/action-codes", &Value::Null)?;
    let codes = codes["data"].as_array().with_context(|| codes.to_string())?;
    ensure!(status == 200 && !codes.is_empty(), "{codes:?}");
    ensure!(codes.iter().all(|code| code["userProperties"].is_object()), "{codes:?}");
    Ok(())
}
