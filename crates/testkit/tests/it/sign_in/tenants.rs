//! Two tenants: what is of one is, for a token of the other, as what does not exist.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::v1;
use contracts::v1::configuration_client::ConfigurationClient;
use contracts::v1::events_client::EventsClient;
use testkit::facts::{bearing, connect, runtime, tenant_role};
use testkit::visitor::{CurlAnswer, REDIRECT, VERIFIER};
use testkit::{Installation, Visitor, wait};
use tonic::metadata::MetadataValue;

use super::forgeries::{CONFIGURATION, EVENTS};
use super::person;

const SOON: Duration = Duration::from_secs(60);
const PROGRAM: (&str, &str) = ("globex/probe", "slow brown teapot");
/// A second tenant, whose program may do all that programs may, and whose person has a name of the first.
const GLOBEX: &str = r#"tenant: globex
name: Globex
realm: globex.invalid
hold_music: music
prompts: {music: music.wav}
people:
  - user: ada.adler
    first_name: Ada
    last_name: Other
    password: "wide white saucer"
    privileges: [supervisor, administrator]
clients:
  - id: probe
    name: Probe
    secret: "slow brown teapot"
    grants: [authorization_code, refresh_token, client_credentials, password]
    redirect_uris: ["http://127.0.0.1/callback", "https://globex.example/callback"]
    scopes:
      - calls:read
      - calls:control
      - agents:control
      - config:read
      - statistics:read
      - trace:read
      - webhooks
"#;
/// Interfaces of a tenant, which stands for `{}`.
const INTERFACES: [(&str, &str, &str); 6] = [
    ("GET", "/api/voice/v1/{}/events", ""),
    ("POST", "/api/voice/v1/{}/requests", r#"{"req":"TAgentLogout","ThisDN":"7140"}"#),
    ("GET", "/api/voice/v1/{}/webhooks", ""),
    ("GET", "/api/operations/v1/{}/traces", ""),
    ("GET", "/api/operations/v1/{}/traces/0000000000000001", ""),
    ("GET", "/pulse/api/v1/{}/wallboard/stream", ""),
];
/// A tenant that there is not; its name is as long as `example`.
const NOWHERE: &str = "nowhere";

#[test]
fn what_is_of_another_tenant_does_not_exist() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let user = person(&site, "supervisor")?;
    // Of the first tenant, while it is the only one: nobody need name it.
    let first = visitor.redeem(&visitor.code(&user.user, &user.password)?, VERIFIER)?;
    let code = visitor.code(&user.user, &user.password)?;
    site.import_text(GLOBEX)?;
    let own = wait::until(SOON, || {
        let answer = visitor.token_as(PROGRAM.0, PROGRAM.1, &[("grant_type", "client_credentials")])?;
        Ok((answer.status == 200).then_some(answer))
    });
    let token = own.context("the second tenant is not known")?.token("access_token")?;
    at_interfaces(&site, &token)?;
    at_ports(&site, &token)?;
    of_tokens(&visitor, &first, &code)?;
    of_people(&site, &visitor)?;
    out_of_the_tenant(&site)
}

/// The same answer for the other tenant as for one that does not exist, but for its name.
fn at_interfaces(site: &Installation, token: &str) -> Result<()> {
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let headers = format!("Authorization: Bearer {token}\r\n");
    for (method, path, body) in INTERFACES {
        let ask = |tenant: &str| site.http_with(web, method, &path.replace("{}", tenant), &headers, body);
        let (other, none) = (ask("example")?, ask(NOWHERE)?);
        ensure!(other.status == 403 || other.status == 404, "{method} {path}: {} {}", other.status, other.body);
        let said = other.body.replace("example", NOWHERE);
        ensure!(
            (other.status, said.as_str()) == (none.status, none.body.as_str()),
            "{method} {path}: {other:?}, {none:?}"
        );
    }
    Ok(())
}

/// The ports of tenant, which are told the tenant in metadata.
fn at_ports(site: &Installation, token: &str) -> Result<()> {
    let ask = |tenant: &'static str| {
        runtime()?.block_on(async {
            let named = MetadataValue::from_static(tenant);
            let kinds = vec!["person".to_owned()];
            let mut asked = bearing(v1::ReadObjectsRequest { kinds, id: "ada.adler".to_owned() }, token)?;
            asked.metadata_mut().insert("trunkline-tenant", named.clone());
            let mut configuration = ConfigurationClient::new(connect(tenant_role(site, CONFIGURATION)).await?);
            let read = configuration.read_objects(asked).await.err().context("port 8888 answers")?;
            let mut asked = bearing(v1::SubscribeRequest::default(), token)?;
            asked.metadata_mut().insert("trunkline-tenant", named);
            let mut events = EventsClient::new(connect(tenant_role(site, EVENTS)).await?);
            let subscribed = events.subscribe(asked).await.err().context("port 8000 answers")?;
            let said = [read, subscribed].map(|status| (status.code(), status.message().replace(tenant, NOWHERE)));
            anyhow::Ok(said)
        })
    };
    let (other, none) = (ask("example")?, ask(NOWHERE)?);
    ensure!(other == none, "{other:?}, {none:?}");
    Ok(())
}

/// Tokens and codes of the other tenant, shown to auth.
fn of_tokens(visitor: &Visitor<'_>, first: &CurlAnswer, code: &str) -> Result<()> {
    let (client, secret) = PROGRAM;
    let same = |what: &str, other: &CurlAnswer, none: &CurlAnswer| {
        let is_same = (other.status, &other.body) == (none.status, &none.body);
        ensure!(is_same, "{what}: {} {}, {} {}", other.status, other.body, none.status, none.body);
        Ok(())
    };
    let (access, refresh) = (first.token("access_token")?, first.token("refresh_token")?);
    for token in [&access, &refresh] {
        for endpoint in ["introspect", "revoke"] {
            let other = visitor.about_as(client, secret, endpoint, token)?;
            same(endpoint, &other, &visitor.about_as(client, secret, endpoint, "no.token")?)?;
        }
    }
    let exchange = |name: &str, value: &str, grant: &str| {
        let fields = [("grant_type", grant), (name, value), ("redirect_uri", REDIRECT), ("code_verifier", VERIFIER)];
        visitor.token_as(client, secret, &fields)
    };
    let (other, none) = (
        exchange("refresh_token", &refresh, "refresh_token")?,
        exchange("refresh_token", "no.token", "refresh_token")?,
    );
    same("a refresh token", &other, &none)?;
    let (other, none) =
        (exchange("code", code, "authorization_code")?, exchange("code", "none", "authorization_code")?);
    same("a code", &other, &none)?;
    // Nothing of it has been spoiled.
    ensure!(visitor.bearing("/auth/v3/openid/userinfo", &access)?.status == 200, "another tenant ends a sign-in");
    let login = [("tenant", "example"), ("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    ensure!(visitor.token(&login)?.status == 200, "another tenant ends a refresh token");
    Ok(())
}

/// People: one who is signed in is nobody in the other tenant, and a password is tried in one tenant alone.
fn of_people(site: &Installation, visitor: &Visitor<'_>) -> Result<()> {
    let (client, secret) = PROGRAM;
    let agent = person(site, "agent")?;
    let begun = visitor.authorize(&[("client_id", client)])?;
    ensure!(begun.asks_for_a_password(), "who is signed in is known to another tenant: {}", begun.head);
    let silent = visitor.authorize(&[("client_id", client), ("prompt", "none")])?;
    let sent = silent.sent_to(REDIRECT).unwrap_or_default();
    ensure!(testkit::visitor::value(&sent, "error") == Some("login_required"), "{}", silent.head);
    let by_password = |user: &str, password: &str| {
        let fields = [("grant_type", "password"), ("username", user), ("password", password)];
        visitor.token_as(client, secret, &fields)
    };
    let none = by_password("nobody.known", "tall green kettle")?;
    for (user, password) in [
        (format!("example\\{}", agent.user), agent.password.as_str()),
        (format!("{NOWHERE}\\{}", agent.user), agent.password.as_str()),
        // The same name in the own tenant has another password.
        (agent.user.clone(), agent.password.as_str()),
        ("example\\ada.adler".to_owned(), "wide white saucer"),
    ] {
        let other = by_password(&user, password)?;
        ensure!((other.status, &other.body) == (none.status, &none.body), "{user}: {} {}", other.status, other.body);
    }
    ensure!(by_password("ada.adler", "wide white saucer")?.status == 200, "the own person does not get in");
    Ok(())
}

/// Signing out leads to redirect URIs of the tenant alone, and a page of the tenant to its own programs.
fn out_of_the_tenant(site: &Installation) -> Result<()> {
    let visitor = Visitor::new(site)?;
    let user = person(site, "agent")?;
    let name = format!("example\\{}", user.user);
    let signed_in = visitor.sign_in(&name, &user.password)?;
    ensure!(signed_in.status == 303, "{} {}", signed_in.status, signed_in.body);
    let out = visitor.query("/auth/v3/sign-out", &[("redirectUri", "https://globex.example/callback")])?;
    ensure!(out.status == 400 && out.location().is_none(), "signing out leads to another tenant: {}", out.head);
    ensure!(visitor.ask("/auth/v3/ping", &[])?.status == 403, "it signs nobody out");
    Ok(())
}
