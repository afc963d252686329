//! Programs with keys of their own, which openssl has made: how they prove themselves (RFC 7523, `private_key_jwt`).

mod program_key;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use program_key::{ProgramKey, changed, claims, key_set, now_s};
use serde_json::{Value, json};
use testkit::visitor::{CurlAnswer, Fields};
use testkit::{Installation, Visitor, browser};

const TOKEN: &str = "/auth/v3/oauth/token";
const ASSERTION_TYPE: (&str, &str) =
    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
const OWN: (&str, &str) = ("grant_type", "client_credentials");
/// The program with keys.
const ROBOT: &str = "robot";
const WALKED: Duration = Duration::from_secs(120);

/// Adds a client with these keys to the example tenant.
fn add_client(site: &Installation, id: &str, grants: &str, keys: &[&ProgramKey]) -> Result<()> {
    let client = format!(
        "\nclients:\n  - {{id: {id}, name: Robot, grants: [{grants}], scopes: [\"statistics:read\"], {}}}\n",
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
            let given = shows(&visitor, TOKEN, &assertion, &[OWN])?;
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
    let about =
        |endpoint: &str, fields: Fields<'_>| shows(visitor, &format!("/auth/v3/oauth/{endpoint}"), &fresh()?, fields);
    let told = about("introspect", &[("token", &token)])?.json()?;
    ensure!(told["active"] == true && told["client_id"] == ROBOT, "{told}");
    let device = about("device_authorization", &[])?;
    ensure!(device.json()?["user_code"].is_string(), "{}", device.body);
    ensure!(about("revoke", &[("token", &token)])?.status == 200, "its token is not given back");
    ensure!(about("introspect", &[("token", &token)])?.json()?["active"] == false, "it goes on");
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
