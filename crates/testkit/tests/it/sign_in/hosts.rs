//! Host names of tenants: at one of them nobody is asked for the tenant, and at no other.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::visitor::{CurlAnswer, attribute, path_of};
use testkit::{Installation, Visitor, wait};

const SOON: Duration = Duration::from_secs(60);
const SIGN_IN: &str = "/auth/v3/sign-in";
const TOKEN: &str = "/auth/v3/oauth/token";
const AT_HOST: [&str; 2] = ["--header", "Host: globex.example"];
/// A second tenant with a host name.
const GLOBEX: &str = r#"tenant: globex
name: Globex & Sons
realm: globex.invalid
hold_music: music
prompts: {music: music.wav}
sign_in: {hosts: [globex.example, localhost, phone.example]}
people:
  - user: ada.other
    first_name: Ada
    last_name: Other
    password: "wide white saucer"
    privileges: [supervisor]
clients:
  - id: probe
    name: Probe
    secret: "slow brown teapot"
    grants: [client_credentials]
    scopes: ["statistics:read"]
"#;

fn asks_for_the_tenant(page: &CurlAnswer) -> bool {
    page.body.contains("id=\"tenant\"")
}

/// Fills in the form of a page that was shown at the host, and sends it there.
fn sign_in_at_host(visitor: &Visitor<'_>, user: &str, password: &str) -> Result<CurlAnswer> {
    let page = visitor.ask(SIGN_IN, &AT_HOST)?;
    let form = page.body.split("<form").nth(1).context("no form")?;
    let action = attribute(form, "action").context("the form leads nowhere")?;
    let token = form.split("<input").find(|tag| tag.contains("name=\"form_token\"")).context("no token")?;
    let token = attribute(token, "value").context("an empty token")?;
    visitor.post(&action, &[("form_token", &token), ("username", user), ("password", password)], &AT_HOST)
}

#[test]
fn at_the_host_of_a_tenant_nobody_is_asked_for_it() -> Result<()> {
    let given = format!("auth.tenant_hosts={:?}", ["globex.example", "localhost"]);
    let site = Installation::start_with(&["--set", &given])?;
    let visitor = Visitor::new(&site)?;
    site.import_text(GLOBEX)?;
    let shown = wait::until(SOON, || {
        let page = visitor.ask(SIGN_IN, &AT_HOST)?;
        Ok((page.status == 200 && page.body.contains("Globex &amp; Sons")).then_some(page))
    });
    ensure!(!asks_for_the_tenant(&shown.context("the host is not known")?), "the tenant is asked for");
    let elsewhere = visitor.ask(SIGN_IN, &["--header", "Host: example.globex.example"])?;
    ensure!(asks_for_the_tenant(&elsewhere) && !elsewhere.body.contains("Globex"), "{}", elsewhere.body);
    // Where everybody comes no tenant keeps the others out, nor at a name that the operator has given to none.
    for host in ["localhost", "phone.example"] {
        let claimed = visitor.ask(SIGN_IN, &["--header", &format!("Host: {host}")])?;
        ensure!(asks_for_the_tenant(&claimed) && !claimed.body.contains("Globex"), "{host}: {}", claimed.body);
    }
    let own = visitor.ask(SIGN_IN, &[])?;
    ensure!(asks_for_the_tenant(&own), "two tenants, and nobody is asked: {}", own.body);
    // Who has begun at that host goes on at the issuer's, which hears of it by the request.
    let carried = visitor.ask(&format!("{SIGN_IN}?host=globex.example"), &[])?;
    ensure!(!asks_for_the_tenant(&carried) && carried.body.contains("Globex"), "{}", carried.body);
    // What only a program says of a host is no word of the edge's.
    let forged = visitor.ask(SIGN_IN, &["--header", "X-Forwarded-Host: globex.example"])?;
    ensure!(asks_for_the_tenant(&forged), "a header of the browser's names the tenant");

    people(&site)?;
    programs(&visitor)?;
    another_tenant(&site)?;
    let refused = site.change_example(|file| file.replacen('\n', "\nsign_in: {hosts: [globex.example]}\n", 1));
    let why = refused.err().context("two tenants have one host")?.to_string();
    ensure!(why.contains("sign_in.hosts: globex.example is a host name of another tenant"), "{why}");
    Ok(())
}

fn people(site: &Installation) -> Result<()> {
    let visitor = Visitor::new(site)?;
    let other = super::person(site, "supervisor")?;
    // Whose tenant is another one is nobody here.
    for name in [other.user.clone(), format!("example\\{}", other.user)] {
        let answer = sign_in_at_host(&visitor, &name, &other.password)?;
        ensure!(answer.status == 401, "{name}: {} {}", answer.status, answer.head);
    }
    let answer = sign_in_at_host(&visitor, "ada.other", "wide white saucer")?;
    ensure!(answer.status == 303, "{} {}", answer.status, answer.body);
    ensure!(visitor.ask("/auth/v3/ping", &AT_HOST)?.status == 200, "nobody is signed in");
    Ok(())
}

/// Who has signed in and wants another tenant is asked for it, and stays signed in meanwhile.
fn another_tenant(site: &Installation) -> Result<()> {
    let visitor = Visitor::new(site)?;
    let user = super::person(site, "supervisor")?;
    let signed_in = visitor.sign_in(&format!("example\\{}", user.user), &user.password)?;
    ensure!(signed_in.status == 303, "{} {}", signed_in.status, signed_in.body);
    let led = |path: &str| {
        let begun = visitor.ask(path, &[])?;
        visitor.ask(&path_of(begun.location().with_context(|| begun.head.clone())?), &[])
    };
    let quietly = led("/session/sign-in?to=/")?;
    ensure!(!quietly.asks_for_a_password(), "who has signed in is asked: {}", quietly.head);
    let asked = led("/session/sign-in?to=/&tenant=")?;
    ensure!(asked.asks_for_a_password(), "nobody is asked: {}", asked.head);
    let page = visitor.ask(&path_of(asked.location().context("no page")?), &[])?;
    ensure!(page.status == 200 && asks_for_the_tenant(&page), "{}", page.body);
    ensure!(visitor.ask("/auth/v3/ping", &[])?.status == 200, "the sign-in of before is over");
    Ok(())
}

/// A program need not name its tenant there, and may not name another one in its id.
fn programs(visitor: &Visitor<'_>) -> Result<()> {
    let ask = |client: &str, at: &[&str]| {
        let login = format!("{client}:slow brown teapot");
        visitor.post(TOKEN, &[("grant_type", "client_credentials")], &[&["--user", login.as_str()][..], at].concat())
    };
    ensure!(ask("probe", &AT_HOST)?.status == 200 && ask("globex/probe", &AT_HOST)?.status == 200, "no token");
    for (client, at) in [("probe", &[][..]), ("example/probe", &AT_HOST[..])] {
        ensure!(ask(client, at)?.error() == "invalid_client", "{client} is known at {at:?}");
    }
    Ok(())
}
