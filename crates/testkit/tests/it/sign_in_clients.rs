//! Programs with keys of their own, which openssl has made: how they prove themselves (RFC 7523, `private_key_jwt`), and ask for people
//! whom they name (`jwt-bearer`).

mod program_key;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use program_key::{ProgramKey, changed, claims, key_set, now_s};
use serde_json::{Value, json};
use testkit::installation::DemoUser;
use testkit::visitor::{CurlAnswer, Fields};
use testkit::{Installation, Visitor, browser, wait};

const TOKEN: &str = "/auth/v3/oauth/token";
const ASSERTION_TYPE: (&str, &str) =
    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
const OWN: (&str, &str) = ("grant_type", "client_credentials");
const FOR_PERSON: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
/// The program with keys.
const ROBOT: &str = "robot";
/// A change of the configuration is there, or what has happened is noted.
const SOON: Duration = Duration::from_secs(30);
const WALKED: Duration = Duration::from_secs(120);

/// Adds a client with these keys to the example tenant.
fn add_client(site: &Installation, id: &str, grants: &str, keys: &[&ProgramKey]) -> Result<()> {
    let client = format!(
        "\nclients:\n  - {{id: {id}, name: Robot, grants: [{grants}], scopes: [\"statistics:read\", \"calls:read\"], {}}}\n",
        key_set(keys)
    );
    site.change_example(|file| file.replacen("\nclients:\n", &client, 1))
}

/// Posts a form with that assertion.
fn shows(visitor: &Visitor<'_>, path: &str, assertion: &str, fields: Fields<'_>) -> Result<CurlAnswer> {
    let own = [ASSERTION_TYPE, ("client_assertion", assertion)];
    visitor.post(path, &[fields, &own[..]].concat(), &[])
}

#[test]
fn a_program_proves_itself_by_its_keys_and_by_each_assertion_once() -> Result<()> {
    let site = Installation::start()?;
    let keys = [ProgramKey::on_p256("a")?, ProgramKey::of_rsa("b")?, ProgramKey::on_ed25519("c")?];
    add_client(&site, ROBOT, "client_credentials, device_code", &keys.each_ref())?;
    let visitor = Visitor::new(&site)?;
    let issuer = site.demo.issuer.as_str();
    let endpoint = format!("{issuer}/oauth/token");
    let endpoint = endpoint.as_str();
    for key in &keys {
        for (name, audience) in [(ROBOT, issuer), (ROBOT, endpoint), ("example/robot", issuer)] {
            let assertion = key.signs(&claims(name, name, audience)?)?;
            let given = shows(&visitor, TOKEN, &assertion, &[OWN, ("scope", "statistics:read")])?;
            ensure!(given.json()?["scope"] == "statistics:read", "{} {name}: {}", key.kid, given.body);
            let again = shows(&visitor, TOKEN, &assertion, &[OWN])?;
            ensure!(again.error() == "invalid_client", "{} is good twice: {}", key.kid, again.body);
        }
    }
    let several = changed(claims(ROBOT, ROBOT, issuer)?, &json!({ "aud": [issuer, endpoint] }));
    let named = [OWN, ("client_id", ROBOT)];
    ensure!(shows(&visitor, TOKEN, &keys[0].signs(&several)?, &named)?.status == 200, "two names of ours");
    around(&visitor, &keys[0], issuer)?;
    refused(&site, &visitor, &keys[0])
}

/// The other endpoints.
fn around(visitor: &Visitor<'_>, key: &ProgramKey, issuer: &str) -> Result<()> {
    let fresh = || key.signs(&claims(ROBOT, ROBOT, issuer)?);
    let token = shows(visitor, TOKEN, &fresh()?, &[OWN])?.token("access_token")?;
    let token = token.as_str();
    let about =
        |endpoint: &str, fields: Fields<'_>| shows(visitor, &format!("/auth/v3/oauth/{endpoint}"), &fresh()?, fields);
    let told = about("introspect", &[("token", token)])?.json()?;
    ensure!(told["active"] == true && told["client_id"] == ROBOT, "{told}");
    let device = about("device_authorization", &[])?;
    ensure!(device.json()?["user_code"].is_string(), "{}", device.body);
    ensure!(about("revoke", &[("token", token)])?.status == 200, "its token is not given back");
    ensure!(about("introspect", &[("token", token)])?.json()?["active"] == false, "it goes on");
    let document = visitor.ask("/auth/v3/.well-known/openid-configuration", &[])?.json()?;
    let methods = document["token_endpoint_auth_methods_supported"].as_array().context("no methods")?;
    ensure!(methods.contains(&json!("private_key_jwt")), "{document}");
    Ok(())
}

/// What proves nothing. Whatever is wrong, the answer is that of a client that does not exist.
fn refused(site: &Installation, visitor: &Visitor<'_>, key: &ProgramKey) -> Result<()> {
    let (issuer, now_s) = (site.demo.issuer.as_str(), now_s()?);
    let good = || claims(ROBOT, ROBOT, issuer);
    let unknown = shows(visitor, TOKEN, &key.signs(&claims("nobody", "nobody", issuer)?)?, &[OWN])?;
    ensure!(unknown.status == 401 && unknown.error() == "invalid_client", "{} {}", unknown.status, unknown.body);
    let is_refused = |what: &str, answer: CurlAnswer| {
        ensure!((answer.status, &answer.body) == (401, &unknown.body), "{what}: {} {}", answer.status, answer.body);
        anyhow::Ok(())
    };
    let changes = [
        json!({ "exp": now_s - 120 }),
        json!({ "exp": now_s + 3_600 }),
        json!({ "exp": Value::Null }),
        json!({ "nbf": now_s + 3_600 }),
        json!({ "aud": "https://other.example" }),
        json!({ "aud": [issuer, "https://other.example"] }),
        json!({ "iss": "other" }),
        json!({ "sub": "demo" }),
        json!({ "jti": Value::Null }),
    ];
    for change in &changes {
        let assertion = key.signs(&changed(good()?, change))?;
        let fields = [OWN, ("client_id", ROBOT)];
        is_refused(&change.to_string(), shows(visitor, TOKEN, &assertion, &fields)?)?;
    }
    let head = |algorithm: Algorithm, kid: Option<&str>| {
        let mut head = Header::new(algorithm);
        head.kid = kid.map(str::to_owned);
        head
    };
    let foreign = ProgramKey::on_p256("a")?;
    let mut other_kind = head(Algorithm::ES256, Some("a"));
    other_kind.typ = Some("at+jwt".to_owned());
    // RFC 8725 section 2.1: the public key, taken for a secret.
    let by_secret = EncodingKey::from_secret(&key.public);
    let confused = jsonwebtoken::encode(&head(Algorithm::HS256, Some("a")), &good()?, &by_secret)?;
    for (what, assertion) in [
        ("somebody else's key", foreign.signs(&good()?)?),
        ("the name of another key", key.signs_with(&head(Algorithm::ES256, Some("b")), &good()?)?),
        ("the name of no key", key.signs_with(&head(Algorithm::ES256, Some("x")), &good()?)?),
        ("another kind of token", key.signs_with(&other_kind, &good()?)?),
        ("the public key as a secret", confused),
        ("no token", "a.b.c".to_owned()),
    ] {
        let fields = [OWN, ("client_id", ROBOT)];
        is_refused(what, shows(visitor, TOKEN, &assertion, &fields)?)?;
    }
    is_refused("nothing", visitor.post(TOKEN, &[OWN, ("client_id", ROBOT)], &[])?)?;
    let secret = [OWN, ("client_id", ROBOT), ("client_secret", "tall green kettle")];
    is_refused("a secret", visitor.post(TOKEN, &secret, &[])?)?;
    let of_demo = key.signs(&claims("demo", "demo", issuer)?)?;
    is_refused("a client with a secret", shows(visitor, TOKEN, &of_demo, &[OWN])?)?;
    let both = [OWN, ("client_secret", "tall green kettle")];
    let both = shows(visitor, TOKEN, &key.signs(&good()?)?, &both)?;
    ensure!(both.status == 400 && both.error() == "invalid_request", "{} {}", both.status, both.body);
    Ok(())
}

/// openid-client, as it is published, with a key in the place of a secret.
#[test]
fn openid_client_proves_itself_by_a_key() -> Result<()> {
    let site = Installation::start()?;
    let key = ProgramKey::on_p256("a")?;
    add_client(&site, ROBOT, "client_credentials", &[&key])?;
    let pem = STANDARD.encode(&key.pem);
    let mut told = vec![
        ("OPENID_ISSUER", site.demo.issuer.as_str()),
        ("OPENID_CLIENT", ROBOT),
        ("OPENID_KEY", pem.as_str()),
        ("OPENID_KEY_NAME", key.kid),
    ];
    let authority = site.demo.webs_ca.as_deref().and_then(std::path::Path::to_str);
    told.extend(authority.map(|authority| ("NODE_EXTRA_CA_CERTS", authority)));
    let said = browser::run_script("openid_keys.mjs", &told, WALKED)?;
    let step = |line: &String| serde_json::from_str::<Value>(line).map(|said| said["step"].clone());
    let steps: Vec<Value> = said.iter().map(step).collect::<Result<_, _>>()?;
    ensure!(steps == ["discovery", "client_credentials", "introspection", "revocation"], "{said:?}");
    Ok(())
}

// === for people ===

/// The first person of that kind who signs in.
fn person<'a>(site: &'a Installation, kind: &str) -> Result<&'a DemoUser> {
    site.demo.users.iter().find(|user| user.kind == kind).with_context(|| format!("no {kind} signs in"))
}

/// The robot proves itself, and asks for whom that assertion names.
fn asks(
    site: &Installation,
    visitor: &Visitor<'_>,
    key: &ProgramKey,
    assertion: &str,
    further: Fields<'_>,
) -> Result<CurlAnswer> {
    let proof = key.signs(&claims(ROBOT, ROBOT, &site.demo.issuer)?)?;
    shows(visitor, TOKEN, &proof, &[&[FOR_PERSON, ("assertion", assertion)][..], further].concat())
}

#[test]
fn a_trusted_program_names_people_and_gets_what_both_may() -> Result<()> {
    let site = Installation::start()?;
    let (key, other) = (ProgramKey::on_p256("a")?, ProgramKey::on_ed25519("b")?);
    add_client(&site, "other", "client_credentials", &[&other])?;
    add_client(&site, ROBOT, "jwt_bearer", &[&key])?;
    let visitor = Visitor::new(&site)?;
    let issuer = site.demo.issuer.as_str();
    let (agent, supervisor) = (person(&site, "agent")?, person(&site, "supervisor")?);
    let about = |user: &str| key.signs(&claims(ROBOT, user, issuer)?);
    for (user, asked, scope) in [
        (agent, "", "calls:read"),
        (supervisor, "", "calls:read statistics:read"),
        (supervisor, "openid offline_access statistics:read agents:supervise", "statistics:read"),
    ] {
        let given = asks(&site, &visitor, &key, &about(&user.user.to_uppercase())?, &[("scope", asked)])?.json()?;
        ensure!(given["scope"] == scope, "{}: {}", user.kind, given["scope"]);
        ensure!(given.get("id_token").is_none() && given.get("refresh_token").is_none(), "somebody has signed in");
        let token = given["access_token"].as_str().context("no token")?;
        let told = visitor.introspect(token)?.json()?;
        ensure!(told["active"] == true && told["username"] == user.user.as_str(), "{told}");
        ensure!(told["client_id"] == ROBOT && told["sub"] == format!("person/{}", user.user), "{told}");
        ensure!(told["dn"].as_str() == user.dn.as_deref().filter(|_| user.kind == "agent"), "an agent is tied: {told}");
    }
    names_nobody(&site, &visitor, &key, &other)?;
    is_noted(&site, &visitor, supervisor)?;
    is_switched(&site, &visitor, &key)?;
    loses_people(&site, &visitor, &key)
}

/// What gives no token.
fn names_nobody(site: &Installation, visitor: &Visitor<'_>, key: &ProgramKey, other: &ProgramKey) -> Result<()> {
    let (issuer, user) = (site.demo.issuer.as_str(), person(site, "supervisor")?.user.as_str());
    let good = || claims(ROBOT, user, issuer);
    let unknown = asks(site, visitor, key, &key.signs(&claims(ROBOT, "nobody", issuer)?)?, &[])?;
    ensure!(unknown.status == 400 && unknown.error() == "invalid_grant", "{} {}", unknown.status, unknown.body);
    let once = key.signs(&good()?)?;
    ensure!(asks(site, visitor, key, &once, &[])?.status == 200, "it is refused");
    let mut of_proof = Header::new(Algorithm::ES256);
    of_proof.typ = Some("client-authentication+jwt".to_owned());
    for (what, assertion) in [
        ("a second time", once),
        ("the program itself", key.signs(&claims(ROBOT, ROBOT, issuer)?)?),
        ("a key of another program", other.signs(&good()?)?),
        ("the name of another program", key.signs(&claims("other", user, issuer)?)?),
        ("a name that only looks like an agent's", key.signs(&claims(ROBOT, "ben.broo\u{212a}", issuer)?)?),
        ("another audience", key.signs(&claims(ROBOT, user, "https://other.example")?)?),
        ("for too long", key.signs(&changed(good()?, &json!({ "exp": now_s()? + 3_600 })))?),
        ("without a name", key.signs(&changed(good()?, &json!({ "jti": Value::Null })))?),
        ("another kind of assertion", key.signs_with(&of_proof, &good()?)?),
        ("no assertion", "a.b.c".to_owned()),
    ] {
        let refused = asks(site, visitor, key, &assertion, &[])?;
        ensure!((refused.status, &refused.body) == (400, &unknown.body), "{what}: {}", refused.body);
    }
    let missing = asks(site, visitor, key, "", &[])?;
    ensure!(missing.error() == "invalid_request", "{}", missing.body);
    // The one that proves the program is not taken a second time to name somebody, nor the other way round.
    let named = key.signs(&good()?)?;
    let fields = [FOR_PERSON, ("client_id", ROBOT), ("assertion", named.as_str())];
    ensure!(visitor.post(TOKEN, &fields, &[])?.error() == "invalid_client", "nobody proves to be the program");
    ensure!(shows(visitor, TOKEN, &named, &fields)?.error() == "invalid_client", "it proves the program");
    let proof = other.signs(&claims("other", "other", issuer)?)?;
    let of_other = other.signs(&claims("other", user, issuer)?)?;
    let untrusted = shows(visitor, TOKEN, &proof, &[FOR_PERSON, ("assertion", of_other.as_str())])?;
    ensure!(untrusted.error() == "unauthorized_client", "{}", untrusted.body);
    Ok(())
}

/// Administrators see for whom a program has got a token.
fn is_noted(site: &Installation, visitor: &Visitor<'_>, user: &DemoUser) -> Result<()> {
    let administrator = person(site, "administrator")?;
    let token = visitor.by_password(&administrator.user, &administrator.password)?.token("access_token")?;
    let noted = |subject: &str, event: &str| {
        wait::until(SOON, || {
            let listed = visitor.bearing("/agent-setup/api/v1/example/sign-ins?page_size=500", &token)?.json()?;
            let is_it = |item: &&Value| {
                let is_way = item["way"] == "jwt_bearer" && item["client"] == ROBOT;
                is_way && item["event"] == event && item["subject"].as_str().unwrap_or_default() == subject
            };
            Ok(listed["items"].as_array().into_iter().flatten().find(is_it).map(drop))
        })
        .with_context(|| format!("{event} is not noted"))
    };
    noted(&format!("person/{}", user.user), "signed_in")?;
    noted("", "refused")
}

/// A tenant lets no program name people, and lets them again.
fn is_switched(site: &Installation, visitor: &Visitor<'_>, key: &ProgramKey) -> Result<()> {
    let user = person(site, "supervisor")?.user.as_str();
    let asked = || asks(site, visitor, key, &key.signs(&claims(ROBOT, user, &site.demo.issuer)?)?, &[]);
    site.change_example(|file| file.replacen('\n', "\nsign_in: {published_grants: false}\n", 1))?;
    let refused = wait::until(SOON, || Ok(Some(asked()?).filter(|answer| answer.error() == "unauthorized_client")));
    let refused = refused.context("a program names people still")?;
    ensure!(refused.status == 400, "{} {}", refused.status, refused.body);
    // Whom it names is not looked at: it learns nothing of people.
    let nobody = asks(site, visitor, key, "a.b.c", &[])?;
    ensure!(nobody.body == refused.body, "{}", nobody.body);
    site.change_example(|file| file.replacen("published_grants: false", "published_grants: true", 1))?;
    let given = wait::until(SOON, || Ok(Some(asked()?).filter(|answer| answer.status == 200)));
    given.map(drop).context("the tenant lets programs name people again, and they are refused")
}

/// People whom nobody may name any more.
fn loses_people(site: &Installation, visitor: &Visitor<'_>, key: &ProgramKey) -> Result<()> {
    let (agent, supervisor) = (person(site, "agent")?, person(site, "supervisor")?);
    let until_refused = |user: &str, why: &str| {
        wait::until(SOON, || {
            let assertion = key.signs(&claims(ROBOT, user, &site.demo.issuer)?)?;
            let answer = asks(site, visitor, key, &assertion, &[])?;
            let is_refused = answer.error() == "invalid_grant" && answer.body.contains(why);
            Ok(is_refused.then_some(()))
        })
    };
    site.change_example(|file| file.replacen('\n', "\nrequire_second_factor: [supervisor]\n", 1))?;
    until_refused(&supervisor.user, "second factor").context("without the second factor")?;
    let named = format!("{{user: {},", agent.user);
    site.change_example(|file| file.replacen(&named, &format!("{named} disabled: true,"), 1))?;
    until_refused(&agent.user, "may not sign in").context("somebody disabled")
}
