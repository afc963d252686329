//! Authorization requests: which are refused, which go on, and with what the program gets its answer (OpenID Connect Core section 3.1.2,
//! RFC 9700).

use anyhow::{Context, Result, ensure};
use testkit::visitor::{self, CHALLENGE, CurlAnswer, Fields, REDIRECT, VERIFIER, attribute};
use testkit::{Installation, Visitor};

use super::{add_clients, person};

/// Requests that are sent nowhere: client or redirect URI are not right. Whatever else is wrong with them is not said.
const SHOWN: [Fields<'static>; 18] = [
    &[("client_id", "")],
    &[("client_id", "nobody")],
    &[("client_id", "other/demo")],
    &[("client_id", "demo"), ("tenant", "other")],
    &[("redirect_uri", "")],
    &[("redirect_uri", "https://evil.example/callback")],
    &[("redirect_uri", "//evil.example/callback")],
    &[("redirect_uri", "http://127.0.0.1:9/callback/")],
    &[("redirect_uri", "http://127.0.0.1:9/x/../callback")],
    &[("redirect_uri", "http://127.0.0.1:9/callback?next=https://evil.example")],
    &[("redirect_uri", "http://127.0.0.1:9/callback#x")],
    &[("redirect_uri", "http://127.0.0.1:9@evil.example/callback")],
    &[("redirect_uri", "http://127.0.0.1.evil.example/callback")],
    &[("redirect_uri", "http://ann@127.0.0.1/callback")],
    // A name may lead elsewhere: its port is that of the registered one.
    &[("redirect_uri", "http://localhost:9/callback")],
    &[("redirect_uri", "http://127.0.0.1:9/callback\r\nx: y")],
    &[("redirect_uri", "javascript:alert(1)")],
    &[("redirect_uri", "https://evil.example/callback"), ("response_type", "token"), ("prompt", "none")],
];

/// Requests whose fault is sent to the program, and its name.
const SENT_ON: [(&str, Fields<'static>); 20] = [
    ("invalid_request", &[("response_mode", "form_post")]),
    ("unsupported_response_type", &[("response_type", "token")]),
    ("unsupported_response_type", &[("response_type", "id_token")]),
    ("unsupported_response_type", &[("response_type", "code id_token")]),
    ("unsupported_response_type", &[("response_type", "none")]),
    ("invalid_request", &[("response_type", "")]),
    ("invalid_request", &[("code_challenge_method", "plain")]),
    ("invalid_request", &[("code_challenge_method", "plain"), ("code_challenge", VERIFIER)]),
    ("invalid_request", &[("code_challenge_method", "s256")]),
    // Without a method, `plain` is meant.
    ("invalid_request", &[("code_challenge_method", "")]),
    ("invalid_request", &[("code_challenge", "")]),
    ("invalid_request", &[("code_challenge", "short")]),
    ("invalid_request", &[("client_id", "desk"), ("code_challenge", ""), ("code_challenge_method", "")]),
    ("unauthorized_client", &[("client_id", "reports")]),
    ("invalid_request", &[("prompt", "none login")]),
    ("login_required", &[("prompt", "none")]),
    ("request_not_supported", &[("request", "eyJhbGciOiJub25lIn0.e30.")]),
    ("request_uri_not_supported", &[("request_uri", "https://evil.example/request")]),
    ("request_uri_not_supported", &[("request_uri", "http://169.254.169.254/latest")]),
    ("unsupported_response_type", &[("response_type", "token"), ("prompt", "none")]),
];

fn is_shown(answer: &CurlAnswer) -> bool {
    answer.status == 400
        && answer.location().is_none()
        && answer.header("content-type").is_some_and(|of| of.starts_with("text/html"))
}

#[test]
fn requests_are_refused_where_they_must_be_and_answered_with_what_they_brought() -> Result<()> {
    let site = Installation::start()?;
    add_clients(&site)?;
    refused(&site)?;
    too_much(&site)?;
    signed_in_again(&site)?;
    hinted(&site)?;
    carried(&site)
}

fn refused(site: &Installation) -> Result<()> {
    let visitor = Visitor::new(site)?;
    for changes in SHOWN {
        let answer = visitor.authorize(changes)?;
        ensure!(is_shown(&answer), "{changes:?}: {} {}", answer.status, answer.head);
    }
    for (error, changes) in SENT_ON {
        let answer = visitor.authorize(changes)?;
        let sent =
            answer.sent_to(REDIRECT).with_context(|| format!("{changes:?}: {} {}", answer.status, answer.head))?;
        let told = ["error", "state", "iss", "code"].map(|name| visitor::value(&sent, name));
        ensure!(told == [Some(error), Some("s1"), Some(site.demo.issuer.as_str()), None], "{changes:?}: {sent:?}");
    }
    Ok(())
}

/// What comes twice or is too long.
fn too_much(site: &Installation) -> Result<()> {
    let visitor = Visitor::new(site)?;
    let query = format!(
        "response_type=code&client_id=demo&redirect_uri={REDIRECT}&code_challenge={CHALLENGE}&code_challenge_method=S256"
    );
    for twice in [
        "redirect_uri=https://evil.example/callback",
        "client_id=nobody",
        "code_challenge_method=plain",
        "state=s1&state=s2",
    ] {
        let answer = visitor.ask(&format!("/auth/v3/oauth/authorize?{query}&{twice}"), &[])?;
        ensure!(is_shown(&answer), "{twice}: {} {}", answer.status, answer.head);
    }
    let answer = visitor.authorize(&[("nonce", &"x".repeat(1_100))])?;
    let sent = answer.sent_to(REDIRECT).with_context(|| format!("{} {}", answer.status, answer.head))?;
    ensure!(visitor::value(&sent, "error") == Some("invalid_request"), "a long nonce: {sent:?}");
    for length in [5_000, 20_000] {
        let answer = visitor.authorize(&[("state", &"x".repeat(length))])?;
        ensure!((400..500).contains(&answer.status), "{length} bytes of state: {}", answer.status);
        ensure!(answer.location().is_none(), "{}", answer.head);
    }
    Ok(())
}

/// Who is asked for a password although somebody is signed in.
fn signed_in_again(site: &Installation) -> Result<()> {
    let user = person(site, "supervisor")?;
    let visitor = Visitor::new(site)?;
    let first = visitor.code(&user.user, &user.password)?;
    let first = visitor.redeem(&first, VERIFIER)?.token("id_token")?;
    for quietly in [
        &[("prompt", "none")][..],
        &[("max_age", "600")],
        &[("scope", "openid not-a-scope")],
        &[("ui_locales", "de"), ("display", "page"), ("acr_values", "1"), ("claims_locales", "de"), ("x", "y")],
    ] {
        let answer = visitor.authorize(quietly)?;
        let sent = answer.sent_to(REDIRECT).unwrap_or_default();
        ensure!(visitor::value(&sent, "code").is_some(), "{quietly:?}: {} {}", answer.status, answer.head);
    }
    for asked in [&[("prompt", "login")][..], &[("max_age", "0")], &[("max_age", "soon")]] {
        ensure!(visitor.authorize(asked)?.asks_for_a_password(), "{asked:?}: nobody is asked");
    }
    let answer = visitor.authorize(&[("prompt", "none"), ("max_age", "0")])?;
    let sent = answer.sent_to(REDIRECT).unwrap_or_default();
    ensure!(visitor::value(&sent, "error") == Some("login_required"), "{}", answer.head);
    // A wrong password is no way round it.
    let page = visitor::path_of(visitor.authorize(&[("prompt", "login")])?.location().context("no page")?);
    ensure!(visitor.fill_in(&page, &user.user, "tall green kettle", &[])?.status == 401, "a wrong password is taken");
    let again = visitor.code_for(&[("prompt", "login")], &user.user, &user.password)?;
    let again = visitor.redeem(&again, VERIFIER)?.token("id_token")?;
    let time_of = |token: &str| anyhow::Ok(super::forgeries::claims(token)?["auth_time"].as_u64());
    ensure!(time_of(&again)? >= time_of(&first)? && time_of(&first)?.is_some(), "the time of the password is not said");
    // Of a scope nothing is left: the program hears it.
    let answer = visitor.authorize(&[("scope", "not-a-scope")])?;
    let sent = answer.sent_to(REDIRECT).unwrap_or_default();
    ensure!(visitor::value(&sent, "error") == Some("invalid_scope"), "{}", answer.head);
    Ok(())
}

/// `login_hint` and `id_token_hint`.
fn hinted(site: &Installation) -> Result<()> {
    let (user, other) = (person(site, "supervisor")?, person(site, "agent")?);
    let visitor = Visitor::new(site)?;
    let page = visitor.authorize(&[("login_hint", r#"<ann> "at" desk"#)])?;
    let page = visitor.ask(&visitor::path_of(page.location().context("no page")?), &[])?;
    let field = page.body.split("<input").find(|tag| tag.contains("name=\"username\"")).context("no user name")?;
    ensure!(attribute(field, "value").as_deref() == Some(r#"<ann> "at" desk"#), "{field}");

    let token_of = |visitor: &Visitor<'_>, user: &str, password: &str| {
        visitor.redeem(&visitor.code(user, password)?, VERIFIER)?.token("id_token")
    };
    let own = token_of(&visitor, &user.user, &user.password)?;
    let others = token_of(&Visitor::new(site)?, &other.user, &other.password)?;
    for (hint, error) in
        [(own.as_str(), None), (others.as_str(), Some("login_required")), ("nonsense", Some("login_required"))]
    {
        let answer = visitor.authorize(&[("prompt", "none"), ("id_token_hint", hint)])?;
        let sent = answer.sent_to(REDIRECT).with_context(|| answer.head.clone())?;
        ensure!(visitor::value(&sent, "error") == error, "{hint}: {sent:?}");
    }
    Ok(())
}

/// `state`, `nonce` and `iss` come back as they went; without PKCE a program with a secret may do; the request may be a form.
fn carried(site: &Installation) -> Result<()> {
    let user = person(site, "supervisor")?;
    let visitor = Visitor::new(site)?;
    let state = "a&b=c %+é\"<x>#?";
    let nonce = "n&2 %\"";
    let back = visitor.comes_back(&[("state", state), ("nonce", nonce)], &user.user, &user.password)?;
    ensure!(visitor::value(&back, "state") == Some(state), "{back:?}");
    ensure!(visitor::value(&back, "iss") == Some(site.demo.issuer.as_str()), "{back:?}");
    let tokens = visitor.redeem(visitor::value(&back, "code").context("no code")?, VERIFIER)?;
    ensure!(super::forgeries::claims(&tokens.token("id_token")?)?["nonce"] == nonce, "{}", tokens.body);

    let bare = [("state", ""), ("nonce", ""), ("code_challenge", ""), ("code_challenge_method", "")];
    let back = visitor.comes_back(&bare, &user.user, &user.password)?;
    ensure!(visitor::value(&back, "state").is_none(), "{back:?}");
    let tokens = visitor.redeem(visitor::value(&back, "code").context("no code")?, "")?;
    ensure!(super::forgeries::claims(&tokens.token("id_token")?)?.get("nonce").is_none(), "{}", tokens.body);

    let without_openid = visitor.code_for(&[("scope", "calls:read")], &user.user, &user.password)?;
    let tokens = visitor.redeem(&without_openid, VERIFIER)?.json()?;
    ensure!(tokens["scope"] == "calls:read" && tokens.get("id_token").is_none(), "{}", tokens["scope"]);

    let posted = visitor.post("/auth/v3/oauth/authorize", &visitor::REQUEST, &[])?;
    let sent = posted.sent_to(REDIRECT).unwrap_or_default();
    ensure!(visitor::value(&sent, "code").is_some(), "{} {}", posted.status, posted.head);
    Ok(())
}
