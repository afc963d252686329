//! What programs of the published API ask beside the grants of OAuth, and how a tenant refuses those that sign people in without the page.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::visitor::{REDIRECT, VERIFIER};
use testkit::{Installation, Visitor, wait};

use super::person;

const SOON: Duration = Duration::from_secs(60);

#[test]
fn what_published_programs_ask_is_there() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    for path in ["/auth/profile.js", "/auth/telemetry.js", "/ui/wwe/profile.js"] {
        let file = visitor.ask(path, &[])?;
        let kind = file.header("content-type").unwrap_or_default();
        ensure!(
            file.status == 200 && file.body == "{}" && kind.starts_with("text/javascript"),
            "{path}: {}",
            file.head
        );
    }
    ensure!(visitor.ask("/auth/host-mapping", &[])?.json()? == json!({}), "hosts are mapped");
    let page = visitor.ask("/auth/sign-in.html?tenant=example", &[])?;
    ensure!(page.location() == Some("/auth/v3/sign-in?tenant=example"), "{}", page.head);
    for other in ["/auth/", "/auth/other.js"] {
        ensure!(visitor.ask(other, &[])?.status >= 400, "{other} is there");
    }
    by_json(&site, &visitor)?;
    records(&site, &visitor)
}

/// A code as JSON is worth what it is as a form: the client proves itself.
fn by_json(site: &Installation, visitor: &Visitor<'_>) -> Result<()> {
    let user = person(site, "supervisor")?;
    let client = site.demo.clients.first().context("the demo has no client")?;
    let login = format!("{}:{}", client.id, client.secret);
    let send = |body: &str, further: &[&str]| {
        let said = ["--request", "POST", "--header", "Content-Type: application/json", "--data", body];
        visitor.ask("/auth/v3/token", &[&said[..], further].concat())
    };
    let code = visitor.code(&user.user, &user.password)?;
    let body = json!({ "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER }).to_string();
    ensure!(send(&body, &[])?.error() == "invalid_client", "a code alone is enough");
    let tokens = send(&body, &["--user", &login])?;
    ensure!(tokens.status == 200 && tokens.header("cache-control") == Some("no-store"), "{}", tokens.body);
    ensure!(visitor.bearing("/auth/v3/ping", &tokens.token("access_token")?)?.status == 200, "its token opens nothing");
    for wrong in ["", "[]", "code=x", r#"{"code":1}"#] {
        ensure!(send(wrong, &["--user", &login])?.error() == "invalid_request", "{wrong}");
    }
    Ok(())
}

/// The records say what somebody may do, and for which program.
fn records(site: &Installation, visitor: &Visitor<'_>) -> Result<()> {
    let user = person(site, "supervisor")?;
    let token = visitor.by_password(&user.user, &user.password)?.token("access_token")?;
    for path in ["/auth/v3/userinfo", "/auth/v3/openid/userinfo"] {
        let record = visitor.bearing(path, &token)?.json()?;
        let authorities = record["authorities"].as_array().context("no authorities")?;
        let supervisor = authorities.iter().find(|one| one["name"] == "ROLE_SUPERVISOR").context("no supervisor")?;
        let may = supervisor["privileges"].as_array().context("no privileges")?;
        ensure!(may.contains(&json!("statistics:read")), "{path}: {record}");
    }
    let claims = visitor.bearing("/auth/v3/openid/userinfo", &token)?.json()?;
    ensure!(claims["aud"] == "demo", "{claims}");
    Ok(())
}

#[test]
fn a_tenant_refuses_programs_that_sign_people_in_without_the_page() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let user = person(&site, "supervisor")?;
    let before = visitor.by_password(&user.user, &user.password)?;
    ensure!(before.status == 200, "{}", before.body);
    site.change_example(|file| file.replacen('\n', "\nsign_in: {published_grants: false}\n", 1))?;
    wait::until(SOON, || {
        let answer = visitor.by_password(&user.user, &user.password)?;
        Ok((answer.status == 400 && answer.error() == "unauthorized_client").then_some(()))
    })
    .context("a program still signs people in")?;
    // A wrong password is not looked at: nobody guesses by it.
    let wrong = visitor.by_password(&user.user, "tall green kettle")?;
    ensure!(wrong.error() == "unauthorized_client", "{}", wrong.body);
    // The page, and what was begun before, go on.
    ensure!(visitor.refresh(&before.token("refresh_token")?)?.status == 200, "a sign-in of before is over");
    let tokens = visitor.redeem(&visitor.code(&user.user, &user.password)?, VERIFIER)?;
    ensure!(tokens.status == 200, "{}", tokens.body);
    Ok(())
}
