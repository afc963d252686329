//! Tokens for some APIs alone: what they are asked for (`resource`, RFC 8707), and where they are refused.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::installation::DemoUser;
use testkit::visitor::{self, CurlAnswer, Fields, REDIRECT, VERIFIER};
use testkit::{Installation, Visitor, wait};

use crate::sign_in::forgeries::claims;

const OWN: (&str, &str) = ("grant_type", "client_credentials");
const PATIENCE: Duration = Duration::from_secs(45);
/// A wallboard has its numbers.
const SOON: Duration = Duration::from_secs(60);
const WALLBOARD: &str = "/pulse/api/v1/example/wallboard";
const SKILLS: &str = "/agent-setup/api/v1/example/objects/skill";
const TRACES: &str = "/api/operations/v1/example/traces?limit=1";
const DOCUMENT: &str = "/api/voice/v1/openapi.json";
const INVALID: &str = "Bearer error=\"invalid_token\"";

/// The scope and the audience that an answer gives.
fn given(answer: &CurlAnswer) -> Result<(Value, Value)> {
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    let told = claims(&answer.token("access_token")?)?;
    let scope = answer.json()?["scope"].clone();
    ensure!(told["scope"] == scope, "the token has another scope than the answer says: {told} {scope}");
    Ok((scope, told["aud"].clone()))
}

fn is_refused(what: &str, answer: &CurlAnswer) -> Result<()> {
    ensure!(answer.status == 400 && answer.error() == "invalid_target", "{what}: {} {}", answer.status, answer.body);
    Ok(())
}

/// Opens each of these paths at the web edge, and none of those.
fn opens(visitor: &Visitor<'_>, token: &str, open: &[&str], closed: &[&str]) -> Result<()> {
    for path in open {
        // A role may not be ready yet.
        let is_open = || Ok((visitor.bearing(path, token)?.status == 200).then_some(()));
        wait::until(SOON, is_open).with_context(|| format!("{path} stays closed"))?;
    }
    for path in closed {
        let answer = visitor.bearing(path, token)?;
        ensure!(answer.status == 401, "{path}: {} {}", answer.status, answer.body);
        ensure!(answer.header("www-authenticate") == Some(INVALID), "{path}: {}", answer.head);
    }
    Ok(())
}

/// The answer of a role itself, head and body.
fn at_role(site: &Installation, role: &str, port: u16, path: &str, token: &str) -> Result<String> {
    let place = SocketAddr::new(site.admin(role)?.ip(), port);
    let mut stream = TcpStream::connect(place)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!("Host: {place}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n");
    stream.write_all(format!("GET {path} HTTP/1.1\r\n{head}\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn person<'a>(site: &'a Installation, kind: &str) -> Result<&'a DemoUser> {
    site.demo.users.iter().find(|user| user.kind == kind).with_context(|| format!("no {kind} signs in"))
}

fn base(site: &Installation) -> Result<&str> {
    site.demo.issuer.strip_suffix("/auth/v3").context("the issuer has another path")
}

#[test]
fn a_token_for_one_api_is_refused_by_every_role_of_another() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let asked = |fields: Fields<'_>| visitor.token(&[&[OWN][..], fields].concat());

    let all = asked(&[])?;
    let (_, audience) = given(&all)?;
    ensure!(audience == json!(["voice", "tenant", "statistics", "gws", "operations"]), "{audience}");
    opens(&visitor, &all.token("access_token")?, &[WALLBOARD, SKILLS, TRACES, DOCUMENT], &[])?;

    let one = asked(&[("resource", "statistics")])?;
    ensure!(given(&one)? == (json!("statistics:read"), json!("statistics")), "{}", one.body);
    let token = one.token("access_token")?;
    opens(&visitor, &token, &[WALLBOARD], &[SKILLS, TRACES, DOCUMENT])?;
    let told = visitor.introspect(&token)?.json()?;
    ensure!(told["active"] == true && told["aud"] == "statistics", "{told}");
    for (role, port, path) in
        [("frontend", 9_101, DOCUMENT), ("agent-setup", 8_080, SKILLS), ("auth", 9_090, "/metrics")]
    {
        let refused = at_role(&site, role, port, path, &token)?;
        let is_told = refused.to_ascii_lowercase().contains(&format!("www-authenticate: {}", INVALID.to_lowercase()));
        ensure!(refused.starts_with("HTTP/1.1 401 ") && is_told, "{role}: {refused}");
    }
    let nobody = visitor.ask(SKILLS, &[])?;
    ensure!(nobody.header("www-authenticate") == Some("Bearer"), "no token is no wrong one: {}", nobody.head);

    let board = format!("{}/pulse", base(&site)?);
    let two = asked(&[("resource", "tenant"), ("resource", &board)])?;
    let wanted = (json!("config:read config:write statistics:read"), json!(["tenant", "statistics"]));
    ensure!(given(&two)? == wanted, "{}", two.body);
    opens(&visitor, &two.token("access_token")?, &[WALLBOARD, SKILLS], &[TRACES, DOCUMENT])?;
    unknown(&site, &visitor)
}

/// What is no API of the installation, or none that the client may use.
fn unknown(site: &Installation, visitor: &Visitor<'_>) -> Result<()> {
    let base = base(site)?;
    for resource in ["nothing", "trunkline", "frontend", base, "https://other.example/pulse"] {
        is_refused(resource, &visitor.token(&[OWN, ("resource", resource)])?)?;
    }
    is_refused("one of two", &visitor.token(&[OWN, ("resource", "voice"), ("resource", "nothing")])?)?;
    let elsewhere = [OWN, ("scope", "config:read"), ("resource", "voice")];
    is_refused("no scope of it", &visitor.token(&elsewhere)?)?;
    let told = visitor.ask("/.well-known/oauth-authorization-server", &[])?.json()?;
    let listed = told["protected_resources"].as_array().context("no protected_resources")?;
    ensure!(listed.contains(&json!(format!("{base}/api/voice/v1"))), "{told}");
    for resource in listed.iter().filter_map(Value::as_str) {
        let answer = visitor.token(&[OWN, ("resource", resource)])?;
        ensure!(answer.status == 200, "{resource}: {}", answer.body);
    }
    Ok(())
}

#[test]
fn a_sign_in_for_one_api_stays_one_and_a_refused_resource_spends_nothing() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let user = person(&site, "supervisor")?;

    let voice = format!("{}/api/voice/v1", base(&site)?);
    let request = [("scope", "openid calls:read statistics:read"), ("resource", voice.as_str())];
    let code = visitor.code_for(&request, &user.user, &user.password)?;
    let tokens = visitor.redeem(&code, VERIFIER)?;
    ensure!(given(&tokens)? == (json!("openid calls:read"), json!("voice")), "{}", tokens.body);
    ensure!(claims(&tokens.token("id_token")?)?["aud"] == "demo", "an ID token is for its client");
    let refresh = tokens.token("refresh_token")?;
    let refreshed = |token: &str, resource: &str| {
        visitor.token(&[("grant_type", "refresh_token"), ("refresh_token", token), ("resource", resource)])
    };
    is_refused("what was left out at the sign-in", &refreshed(&refresh, "statistics")?)?;
    is_refused("no API", &refreshed(&refresh, "nothing")?)?;
    let next = visitor.refresh(&refresh)?;
    ensure!(given(&next)?.1 == "voice", "{}", next.body);

    let wrong = visitor.authorize(&[("resource", "nothing"), ("prompt", "none")])?;
    let sent = wrong.sent_to(REDIRECT).with_context(|| wrong.head.clone())?;
    ensure!(visitor::value(&sent, "error") == Some("invalid_target"), "{sent:?}");
    ensure!(visitor::value(&sent, "state") == Some("s1"), "{sent:?}");

    // A token of a whole sign-in may be for less, and the next one for all again.
    let whole = visitor.by_password(&user.user, &user.password)?;
    ensure!(given(&whole)?.1 == json!(["voice", "statistics", "gws"]), "{}", whole.body);
    let less = refreshed(&whole.token("refresh_token")?, "statistics")?;
    ensure!(given(&less)? == (json!("statistics:read"), json!("statistics")), "{}", less.body);
    let again = visitor.refresh(&less.token("refresh_token")?)?;
    ensure!(given(&again)?.1 == json!(["voice", "statistics", "gws"]), "{}", again.body);
    ends_alone(&site, &less.token("access_token")?, &again.token("access_token")?)?;
    visitor.refresh(&again.token("refresh_token")?)?.token("access_token")?;
    telemetry(&visitor, user)
}

/// Whoever has got a token for one API has no say over the person's sign-ins.
fn ends_alone(site: &Installation, less: &str, whole: &str) -> Result<()> {
    let (visitor, sessions) = (Visitor::new(site)?, "/auth/v3/sessions");
    let asked = |method: &str, path: &str, token: &str| {
        visitor.ask(path, &["--request", method, "--header", &format!("authorization: bearer {token}")])
    };
    let nothing = format!("{sessions}/nothing");
    for (method, path, taken) in [("GET", sessions, 200), ("DELETE", nothing.as_str(), 404)] {
        for (token, status) in [(less, 401), (whole, taken)] {
            let answer = asked(method, path, token)?;
            ensure!(answer.status == status, "{method} {path}: {} {}", answer.status, answer.body);
        }
    }
    let signed_out = asked("POST", "/auth/v3/sign-out?global=true", less)?;
    ensure!(signed_out.status == 200, "{} {}", signed_out.status, signed_out.body);
    let userinfo = "/auth/v3/openid/userinfo";
    ensure!(visitor.bearing(userinfo, less)?.status == 401, "it goes on");
    ensure!(visitor.bearing(sessions, whole)?.status == 200, "it ends what it is not for");
    Ok(())
}

/// Telemetry asks for no scope: a token may be for it alone.
fn telemetry(visitor: &Visitor<'_>, user: &DemoUser) -> Result<()> {
    let grant = [("grant_type", "password"), ("username", &*user.user), ("password", &*user.password)];
    let alone = visitor.token(&[&grant[..], &[("resource", "telemetry")]].concat())?;
    ensure!(given(&alone)? == (json!(""), json!("telemetry")), "{}", alone.body);
    let token = alone.token("access_token")?;
    let config = "/telemetry/v1/config?app=nothing";
    ensure!(visitor.bearing(config, &token)?.status == 404, "telemetry does not let it in");
    opens(visitor, &token, &["/auth/v3/openid/userinfo"], &[WALLBOARD, DOCUMENT])?;
    let statistics = visitor.token(&[OWN, ("resource", "statistics")])?.token("access_token")?;
    ensure!(visitor.bearing(config, &statistics)?.status == 404, "telemetry does not take what any API takes");
    Ok(())
}
