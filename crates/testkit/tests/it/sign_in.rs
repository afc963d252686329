//! People and programs sign in at the web edge: asked by curl with its cookies as a browser would have them, and by a client library that is
//! not ours.

mod flow;
mod forgeries;
mod guesses;
mod page;
mod requests;
mod revocation;
mod tenants;
mod token_endpoint;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::installation::DemoUser;
use testkit::{Installation, browser};

const WALKED: Duration = Duration::from_secs(120);

/// The first person of that kind who signs in.
fn person<'a>(site: &'a Installation, kind: &str) -> Result<&'a DemoUser> {
    site.demo.users.iter().find(|user| user.kind == kind).with_context(|| format!("no {kind} signs in"))
}

/// Further clients of the example tenant, beside the demo's: one without a secret, one for people with a secret, and one for itself.
fn add_clients(site: &Installation) -> Result<()> {
    const CLIENTS: &str = r#"
clients:
  - id: desk
    name: Desk
    grants: [authorization_code, refresh_token]
    redirect_uris: ["http://127.0.0.1/callback"]
  - id: crm
    name: CRM
    secret: "slow brown teapot"
    grants: [authorization_code, refresh_token]
    redirect_uris: ["http://127.0.0.1/callback", "https://crm.example/callback"]
  - id: reports
    name: Reports
    secret: "wide white saucer"
    grants: [client_credentials]
    redirect_uris: ["http://127.0.0.1/callback"]
    scopes: ["statistics:read"]
"#;
    site.change_example(|file| file.replacen("\nclients:\n", CLIENTS, 1))
}

/// openid-client, as it is published, knows nothing of us.
#[test]
fn openid_client_walks_unchanged() -> Result<()> {
    let site = Installation::start()?;
    let user = person(&site, "supervisor")?;
    let client = site.demo.clients.first().context("the demo has no client")?;
    let authority =
        site.demo.webs_ca.as_deref().and_then(Path::to_str).context("the edge has no certificate of its own")?;
    let told = [
        ("NODE_EXTRA_CA_CERTS", authority),
        ("OPENID_ISSUER", site.demo.issuer.as_str()),
        ("OPENID_CLIENT", client.id.as_str()),
        ("OPENID_SECRET", client.secret.as_str()),
        ("OPENID_USER", user.user.as_str()),
        ("OPENID_PASSWORD", user.password.as_str()),
    ];
    let said = browser::run_script("openid.mjs", &told, WALKED)?;
    let steps: Vec<String> = said
        .iter()
        .map(|line| anyhow::Ok(serde_json::from_str::<Value>(line)?["step"].as_str().context("no step")?.to_owned()))
        .collect::<Result<_>>()?;
    let all = [
        "discovery",
        "authorization_code",
        "userinfo",
        "silent",
        "refresh",
        "introspection",
        "revocation",
        "client_credentials",
        "end_session",
    ];
    assert_eq!(steps, all);
    let log = [site.log(), said].concat().join("\n");
    for secret in [&client.secret, &user.password] {
        ensure!(!log.contains(secret.as_str()), "a secret is in what was said");
    }
    Ok(())
}

/// What is given back opens nothing at the other roles either, and takes no other sign-in with it.
#[test]
fn a_revoked_token_is_refused_by_every_role() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let user = site.demo.users.iter().find(|user| user.kind == "administrator").context("no administrator")?;
    let signed_in = || {
        let fields = [("grant_type", "password"), ("username", &*user.user), ("password", &*user.password)];
        visitor.token(&fields)?.token("access_token")
    };
    let (given_back, kept) = (signed_in()?, signed_in()?);
    let opens = |token: &str| anyhow::Ok(visitor.bearing("/api/operations/v1/topology", token)?.status);
    ensure!(opens(&given_back)? == 200 && opens(&kept)? == 200, "a token opens nothing");
    let client = site.demo.clients.first().context("no client")?;
    let (login, token) = (format!("{}:{}", client.id, client.secret), format!("token={given_back}"));
    let answer = visitor.ask("/auth/v3/oauth/revoke", &["--user", &login, "--data-urlencode", &token])?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    wait::until(SOON, || Ok((opens(&given_back)? == 401).then_some(())))?;
    ensure!(opens(&kept)? == 200, "another sign-in has ended too");

    // Its keys: one for people and programs, which a stranger finds by discovery.
    let keys = visitor.ask("/auth/v3/oauth/jwks", &[])?.json()?;
    ensure!(keys["keys"].as_array().is_some_and(|keys| keys.len() == 1), "{keys}");
    Ok(())
}
