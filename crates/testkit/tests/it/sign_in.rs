//! People and programs sign in at the web edge: asked by curl with its cookies as a browser would have them, and by a client library of
//! others.

mod basic_profile;
mod flow;
pub(crate) mod forgeries;
mod guesses;
mod hosts;
mod page;
mod published;
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
    let mut told = vec![
        ("OPENID_ISSUER", site.demo.issuer.as_str()),
        ("OPENID_CLIENT", client.id.as_str()),
        ("OPENID_SECRET", client.secret.as_str()),
        ("OPENID_USER", user.user.as_str()),
        ("OPENID_PASSWORD", user.password.as_str()),
    ];
    // By HTTPS with a certificate of its own making, the installation says what to trust.
    let authority = site.demo.webs_ca.as_deref().and_then(Path::to_str);
    told.extend(authority.map(|authority| ("NODE_EXTRA_CA_CERTS", authority)));
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
    let log = [site.log_lines(), said].concat().join("\n");
    for secret in [&client.secret, &user.password] {
        ensure!(!log.contains(secret.as_str()), "a secret is in what was said");
    }
    Ok(())
}
