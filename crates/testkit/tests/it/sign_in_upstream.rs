//! Signing in with the company's own OpenID Provider, and what programs are told when a sign-in has ended.

mod provider;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use provider::{CLIENT, FakeProvider, SECRET, Says};
use serde_json::{Value, json};
use testkit::visitor::{CurlAnswer, REDIRECT, SESSION, VERIFIER, path_of, value};
use testkit::{Authenticator, Installation, Visitor, wait};

const BEGIN: &str = "/auth/v3/sign-in/provider";
const CALLBACK: &str = "/auth/v3/sign-in/callback/example";
/// That of another tenant.
const OTHER_CALLBACK: &str = "/auth/v3/sign-in/callback/globex";
const SIGN_IN: &str = "/auth/v3/sign-in";
/// A change of the configuration is there.
const SOON: Duration = Duration::from_secs(30);
/// The last octet of the provider's address.
const HOST: u8 = 77;
/// Whom the provider names.
const EMAIL: &str = "ada@acme.example";

/// An installation whose sign-in is at the browser's machine, and which asks providers there.
fn site() -> Result<Installation> {
    Installation::start_numbered(|instance| {
        let issuer = format!("auth.issuer=http://127.{instance}.0.1:8080/auth/v3");
        ["--set", issuer.as_str(), "--set", "auth.private_servers=true"].map(str::to_owned).to_vec()
    })
}

/// Gives the tenant that provider, with further settings of it, and the first person an address.
fn with_provider(site: &Installation, provider: &FakeProvider, further: &str) -> Result<()> {
    let user = &site.demo.users[0].user;
    let upstream = format!(
        "name: Acme ID, issuer: \"{}\", client_id: {CLIENT}, client_secret: \"{SECRET}\"{further}",
        provider.issuer()
    );
    site.change_example(|file| {
        let kept: String =
            file.lines().filter(|line| !line.starts_with("sign_in:")).map(|line| format!("{line}\n")).collect();
        let mut addressed = kept;
        if !addressed.contains(EMAIL) {
            addressed =
                addressed.replacen(&format!("{{user: {user},"), &format!("{{user: {user}, email: \"{EMAIL}\","), 1);
        }
        addressed.replacen('\n', &format!("\nsign_in: {{upstream: {{{upstream}}}}}\n"), 1)
    })
}

/// What a browser was sent to the provider with.
struct Sent {
    parameters: Vec<(String, String)>,
}

impl Sent {
    fn read(begun: &CurlAnswer, provider: &FakeProvider) -> Result<Self> {
        let at = format!("{}/authorize", provider.issuer());
        let parameters = begun.sent_to(&at).with_context(|| format!("{} {}", begun.head, begun.body))?;
        Ok(Self { parameters })
    }

    fn get(&self, name: &str) -> Result<&str> {
        value(&self.parameters, name).with_context(|| format!("no {name} in {:?}", self.parameters))
    }

    /// Who has signed in there is named by these claims.
    fn says(&self, claims: Value, foreign: bool) -> Result<Says> {
        let (challenge, nonce) = (self.get("code_challenge")?.to_owned(), self.get("nonce")?.to_owned());
        Ok(Says { claims, foreign, challenge, nonce })
    }
}

/// Begins as soon as the tenant has the provider.
fn begins(visitor: &Visitor<'_>, provider: &FakeProvider, path: &str) -> Result<Sent> {
    wait::until(SOON, || {
        let begun = visitor.ask(path, &[])?;
        Ok((begun.status == 303).then_some(begun))
    })
    .and_then(|begun| Sent::read(&begun, provider))
}

fn comes_back(visitor: &Visitor<'_>, state: &str, issuer: &str) -> Result<CurlAnswer> {
    visitor.query(CALLBACK, &[("code", "c1"), ("state", state), ("iss", issuer)])
}

/// The whole way: the provider names who has signed in by these claims.
fn signs_in(visitor: &Visitor<'_>, provider: &FakeProvider, claims: Value, foreign: bool) -> Result<CurlAnswer> {
    let sent = begins(visitor, provider, BEGIN)?;
    provider.says(sent.says(claims, foreign)?);
    comes_back(visitor, sent.get("state")?, provider.issuer())
}

fn is_signed_in(visitor: &Visitor<'_>) -> Result<bool> {
    Ok(visitor.ask("/auth/v3/ping", &[])?.status == 200)
}

fn claims(token: &str) -> Result<Value> {
    let payload = token.split('.').nth(1).context("no payload")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?)
}

#[test]
fn a_program_gets_its_code_by_way_of_the_provider() -> Result<()> {
    let site = site()?;
    let provider = FakeProvider::start(site.peer_address(HOST))?;
    with_provider(&site, &provider, "")?;
    let visitor = Visitor::new(&site)?;
    let begun = visitor.authorize(&[])?;
    let page = path_of(begun.location().context("no page")?);
    let shown = wait::until(SOON, || {
        let shown = visitor.ask(&page, &[])?;
        Ok(shown.body.contains("Continue with Acme ID").then_some(shown))
    })?;
    ensure!(shown.body.contains("id=\"password\""), "{}", shown.body);
    let query = page.split_once('?').map_or("", |(_, query)| query);
    let sent = begins(&visitor, &provider, &format!("{BEGIN}?{query}"))?;
    ensure!(sent.get("scope")? == "openid profile email" && sent.get("code_challenge_method")? == "S256", "{query}");
    ensure!(sent.get("client_id")? == CLIENT && sent.get("redirect_uri")?.ends_with(CALLBACK), "{query}");
    provider.says(sent.says(json!({ "email": EMAIL.to_uppercase() }), false)?);
    let back = comes_back(&visitor, sent.get("state")?, provider.issuer())?;
    ensure!(back.status == 303, "{} {}", back.status, back.body);
    let on = visitor.ask(&path_of(back.location().context("it leads nowhere")?), &[])?;
    let code = on.sent_to(REDIRECT).with_context(|| format!("{} {}", on.head, on.body))?;
    let tokens = visitor.redeem(value(&code, "code").context("no code")?, VERIFIER)?;
    let told = claims(&tokens.token("id_token")?)?;
    ensure!(told["sub"] == json!(format!("person/{}", site.demo.users[0].user)) && told.get("amr").is_none(), "{told}");
    let open = visitor.bearing("/auth/v3/sessions", &tokens.token("access_token")?)?;
    ensure!(open.body.contains("\"provider\":\"Acme ID\""), "{}", open.body);
    let again = comes_back(&visitor, sent.get("state")?, provider.issuer())?;
    ensure!(again.status == 400, "an answer is good twice: {}", again.status);
    ensure!(!site.log().join("\n").contains(SECRET), "the secret is in the log");
    Ok(())
}

#[test]
fn nobody_is_let_in_by_an_answer_that_is_wrong() -> Result<()> {
    let site = site()?;
    let provider = FakeProvider::start(site.peer_address(HOST))?;
    with_provider(&site, &provider, "")?;
    let good = || json!({ "email": EMAIL });
    for (what, claims, foreign, status) in [
        ("another nonce", json!({ "email": EMAIL, "nonce": "x" }), false, 403),
        ("another audience", json!({ "email": EMAIL, "aud": "other" }), false, 403),
        ("another issuer", json!({ "email": EMAIL, "iss": "https://evil.example" }), false, 403),
        ("it is over", json!({ "email": EMAIL, "exp": 1 }), false, 403),
        ("a foreign key", good(), true, 403),
        ("somebody unknown", json!({ "email": "eve@acme.example" }), false, 401),
        ("nobody", json!({}), false, 401),
        ("an address that is not verified", json!({ "email": EMAIL, "email_verified": false }), false, 401),
    ] {
        let visitor = Visitor::new(&site)?;
        let refused = signs_in(&visitor, &provider, claims, foreign)?;
        ensure!(refused.status == status, "{what}: {} {}", refused.status, refused.body);
        ensure!(visitor.cookie(SESSION)?.is_none() && !is_signed_in(&visitor)?, "{what}: somebody is signed in");
    }
    let (visitor, other) = (Visitor::new(&site)?, Visitor::new(&site)?);
    let sent = begins(&visitor, &provider, BEGIN)?;
    let state = sent.get("state")?;
    provider.says(sent.says(good(), false)?);
    for (what, refused) in [
        ("another browser", comes_back(&other, state, provider.issuer())?),
        ("another provider", comes_back(&visitor, state, "https://evil.example")?),
    ] {
        ensure!(refused.status == 400, "{what}: {} {}", refused.status, refused.body);
    }
    let mixed_up = Visitor::new(&site)?;
    let sent = begins(&mixed_up, &provider, BEGIN)?;
    provider.says(sent.says(good(), false)?);
    let answer = [("code", "c1"), ("state", sent.get("state")?), ("iss", provider.issuer())];
    let refused = mixed_up.query(OTHER_CALLBACK, &answer)?;
    ensure!(refused.status == 400, "the place of another tenant: {} {}", refused.status, refused.body);
    ensure!(mixed_up.cookie(SESSION)?.is_none() && !is_signed_in(&mixed_up)?, "the place of another tenant");
    let sent = begins(&visitor, &provider, BEGIN)?;
    let no = [("error", "access_denied"), ("state", sent.get("state")?), ("iss", provider.issuer())];
    let no = visitor.query(CALLBACK, &no)?;
    ensure!(no.status == 403, "{} {}", no.status, no.body);
    let again = comes_back(&visitor, sent.get("state")?, provider.issuer())?;
    ensure!(again.status == 400 && !is_signed_in(&visitor)?, "the cookie went with its answer: {}", again.status);
    let later = begins(&visitor, &provider, BEGIN)?;
    provider.says(later.says(good(), false)?);
    for earlier in [state, sent.get("state")?] {
        let refused = comes_back(&visitor, earlier, provider.issuer())?;
        ensure!(refused.status == 400 && !is_signed_in(&visitor)?, "the state of another tab: {}", refused.status);
    }
    let back = comes_back(&visitor, later.get("state")?, provider.issuer())?;
    ensure!(back.status == 303 && is_signed_in(&visitor)?, "another tab has ended it: {} {}", back.status, back.body);

    let user = &site.demo.users[0].user;
    site.change_example(|file| {
        file.replacen(&format!("{{user: {user},"), &format!("{{user: {user}, disabled: true,"), 1)
    })?;
    wait::until(SOON, || {
        let refused = signs_in(&Visitor::new(&site)?, &provider, good(), false)?;
        Ok((refused.status == 401).then_some(()))
    })
    .context("a disabled person is let in")
}

#[test]
fn whoever_comes_back_with_what_the_provider_refuses_waits_at_last() -> Result<()> {
    let site = site()?;
    let provider = FakeProvider::start(site.peer_address(HOST))?;
    with_provider(&site, &provider, "")?;
    let returns = |claims| signs_in(&Visitor::new(&site)?, &provider, claims, false);
    let (good, bad) = (json!({ "email": EMAIL }), json!({ "email": EMAIL, "nonce": "x" }));
    ensure!(returns(good.clone())?.status == 303, "a good one is refused");
    for wrong in 0..=100 {
        let refused = returns(bad.clone())?;
        match refused.status {
            403 if wrong < 100 => {}
            429 if wrong == 100 && refused.header("retry-after").is_some() => {}
            other => anyhow::bail!("{other} after {wrong}: {}", refused.body),
        }
    }
    // Whose it is, the provider alone could tell. Passwords are counted apart.
    ensure!(returns(good)?.status == 429, "the provider is asked on");
    let user = &site.demo.users[0];
    ensure!(Visitor::new(&site)?.sign_in(&user.user, &user.password)?.status == 303, "the password is refused");
    Ok(())
}

#[test]
#[allow(clippy::disallowed_methods, reason = "tests of whole processes live in real time")]
fn a_program_that_asks_for_a_recent_sign_in_gets_one_of_the_provider() -> Result<()> {
    let site = site()?;
    let provider = FakeProvider::start(site.peer_address(HOST))?;
    with_provider(&site, &provider, "")?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    for (what, claims, status) in [
        ("no auth_time", json!({ "email": EMAIL }), 403),
        ("an auth_time of long ago", json!({ "email": EMAIL, "auth_time": now_s - 3_600 }), 403),
        ("an auth_time of now", json!({ "email": EMAIL, "auth_time": now_s }), 303),
    ] {
        let visitor = Visitor::new(&site)?;
        let sent = begins(&visitor, &provider, &format!("{BEGIN}?max_age=60"))?;
        ensure!(sent.get("max_age")? == "60", "the provider does not hear of it");
        provider.says(sent.says(claims, false)?);
        let back = comes_back(&visitor, sent.get("state")?, provider.issuer())?;
        ensure!(back.status == status, "{what}: {} {}", back.status, back.body);
    }
    Ok(())
}

#[test]
fn a_provider_that_is_away_leaves_the_password_unless_it_is_the_only_way() -> Result<()> {
    let site = site()?;
    let user = &site.demo.users[0];
    let provider = FakeProvider::start(site.peer_address(HOST))?;
    provider.set_away(true);
    with_provider(&site, &provider, "")?;
    let visitor = Visitor::new(&site)?;
    let page = wait::until(SOON, || {
        let page = visitor.ask(BEGIN, &[])?;
        Ok((page.status == 503).then_some(page))
    })?;
    ensure!(page.body.contains("Acme ID does not answer now. You can sign in with your password."), "{}", page.body);
    ensure!(visitor.sign_in(&user.user, &user.password)?.status == 303 && is_signed_in(&visitor)?, "it is refused");

    with_provider(&site, &provider, ", only: true")?;
    let page = wait::until(SOON, || {
        let page = visitor.ask(BEGIN, &[])?;
        Ok((page.status == 503 && !page.body.contains("with your password")).then_some(page))
    })?;
    ensure!(!page.body.contains("id=\"password\""), "{}", page.body);
    let program = Visitor::new(&site)?;
    ensure!(program.by_password(&user.user, &user.password)?.error() == "invalid_grant", "a password is enough");
    provider.set_away(false);
    let back = signs_in(&Visitor::new(&site)?, &provider, json!({ "email": EMAIL }), false)?;
    ensure!(back.status == 303, "{} {}", back.status, back.body);
    Ok(())
}

#[test]
fn a_provider_that_is_away_when_the_browser_comes_back_is_what_the_person_hears_of() -> Result<()> {
    let site = site()?;
    let provider = FakeProvider::start(site.peer_address(HOST))?;
    with_provider(&site, &provider, "")?;
    let visitor = Visitor::new(&site)?;
    let sent = begins(&visitor, &provider, BEGIN)?;
    provider.set_away(true);
    // The state is good once: were the request repeated on its way, it would be of a sign-in that is over.
    let away = comes_back(&visitor, sent.get("state")?, provider.issuer())?;
    ensure!(away.status == 503 && away.body.contains("Acme ID does not answer now."), "{} {}", away.status, away.body);
    provider.set_away(false);
    let back = signs_in(&visitor, &provider, json!({ "email": EMAIL }), false)?;
    ensure!(back.status == 303 && is_signed_in(&visitor)?, "{} {}", back.status, back.body);
    Ok(())
}

#[test]
fn a_second_factor_is_asked_for_unless_the_providers_is_trusted() -> Result<()> {
    let site = site()?;
    let user = &site.demo.users[0];
    let provider = FakeProvider::start(site.peer_address(HOST))?;
    let desk = Visitor::new(&site)?;
    desk.sign_in(&user.user, &user.password)?;
    let page = desk.ask("/auth/v3/second-factor", &[])?;
    let key = page.body.split("name=\"secret\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let mut app = Authenticator::new(key.context("no key")?)?;
    let enrolled = desk.send_form(&page, "value=\"enrol\"", &[("password", &user.password), ("code", &app.code()?)])?;
    ensure!(enrolled.status == 200, "{} {}", enrolled.status, enrolled.body);

    with_provider(&site, &provider, "")?;
    let home = Visitor::new(&site)?;
    let asked = signs_in(&home, &provider, json!({ "email": EMAIL }), false)?;
    ensure!(asked.status == 200 && asked.body.contains("Enter your code"), "{} {}", asked.status, asked.body);
    ensure!(!is_signed_in(&home)?, "the provider alone is enough");
    let done = home.send_form(&asked, "name=\"half\"", &[("code", &app.code()?)])?;
    ensure!(done.status == 303 && is_signed_in(&home)?, "{} {}", done.status, done.body);

    with_provider(&site, &provider, ", trusted_factor: true")?;
    wait::until(SOON, || {
        let visitor = Visitor::new(&site)?;
        let back = signs_in(&visitor, &provider, json!({ "email": EMAIL }), false)?;
        Ok((back.status == 303 && is_signed_in(&visitor)?).then_some(()))
    })
    .context("a code is asked for")?;
    ensure!(Visitor::new(&site)?.ask(SIGN_IN, &[])?.body.contains("Continue with Acme ID"), "no way to the provider");
    Ok(())
}

/// The claims of a logout token, verified as a program does it: by the keys that discovery leads to.
fn verified(visitor: &Visitor<'_>, token: &str) -> Result<Value> {
    let head = jsonwebtoken::decode_header(token)?;
    ensure!(head.typ.as_deref() == Some("logout+jwt"), "{head:?}");
    let keys = visitor.ask("/auth/v3/oauth/jwks", &[])?.json()?;
    let named = |key: &&Value| key["kid"].as_str() == head.kid.as_deref();
    let key = keys["keys"].as_array().into_iter().flatten().find(named).context("no such key")?;
    let coordinate = |name: &str| key[name].as_str().context("no coordinate");
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_audience(&["demo"]);
    let key = DecodingKey::from_ec_components(coordinate("x")?, coordinate("y")?)?;
    Ok(jsonwebtoken::decode::<Value>(token, &key, &rules)?.claims)
}

#[test]
fn a_program_is_told_that_its_sign_in_has_ended() -> Result<()> {
    let site = site()?;
    let user = &site.demo.users[0];
    let program = FakeProvider::start(site.peer_address(HOST))?;
    let ended = format!(", backchannel_logout_uri: \"{}/ended\"", program.issuer());
    site.change_example(|file| {
        let line = |line: &str| match line.trim_start().starts_with("- {id: demo,") {
            true => format!("{}{ended}}}\n", line.trim_end().trim_end_matches('}')),
            false => format!("{line}\n"),
        };
        file.lines().map(line).collect()
    })?;
    let visitor = Visitor::new(&site)?;
    let tokens = visitor.redeem(&visitor.code(&user.user, &user.password)?, VERIFIER)?;
    let told = claims(&tokens.token("id_token")?)?;
    let discovery = visitor.ask("/auth/v3/.well-known/openid-configuration", &[])?.json()?;
    ensure!(discovery["backchannel_logout_supported"] == json!(true), "{discovery}");
    visitor.ask("/auth/v3/sign-out", &["--request", "POST"])?;
    let token = wait::until(SOON, || Ok(program.logout_tokens().into_iter().next()))?;
    let said = verified(&visitor, &token)?;
    ensure!(said["sid"] == told["sid"] && said["sub"] == told["sub"] && said["iss"] == told["iss"], "{said} {told}");
    ensure!(said["events"]["http://schemas.openid.net/event/backchannel-logout"] == json!({}), "{said}");
    ensure!(said.get("nonce").is_none() && said["jti"].is_string(), "{said}");
    ensure!(visitor.bearing("/auth/v3/ping", &token)?.status != 200, "a logout token opens something");
    Ok(())
}
