//! What a person has open: sessions and sign-ins, how they end, and what a new password does to them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::visitor::{CurlAnswer, VERIFIER, Visitor};
use testkit::{Installation, wait};

const SESSIONS: &str = "/auth/v3/sessions";
const CHANGE: &str = "/auth/v3/change-password";
const ANOTHER: &str = "slow brown teapot";
const SOON: Duration = Duration::from_secs(45);

fn is_signed_in(visitor: &Visitor<'_>) -> Result<bool> {
    Ok(visitor.ask("/auth/v3/ping", &[])?.status == 200)
}

/// The rows of the list, of which each says whether it is the one that asks.
fn listed(answer: &CurlAnswer) -> Result<Vec<Value>> {
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(answer.json()?["data"]["sessions"].as_array().context("no list")?.clone())
}

fn change(visitor: &Visitor<'_>, authorization: Option<&str>, data: &Value) -> Result<CurlAnswer> {
    let body = json!({ "data": data, "operationId": "7" }).to_string();
    let authorization = authorization.map(|token| format!("Authorization: Bearer {token}"));
    let mut arguments = vec!["--header", "Content-Type: application/json", "--data", &body];
    if let Some(authorization) = &authorization {
        arguments.extend(["--header", authorization.as_str()]);
    }
    visitor.ask(CHANGE, &arguments)
}

#[test]
fn a_person_sees_what_is_open_and_ends_it() -> Result<()> {
    let site = Installation::start()?;
    let (user, other) = (&site.demo.users[0], &site.demo.users[1]);
    let (desk, home, stranger) = (Visitor::new(&site)?, Visitor::new(&site)?, Visitor::new(&site)?);
    let tokens = desk.redeem(&desk.code(&user.user, &user.password)?, VERIFIER)?;
    home.sign_in(&user.user, &user.password)?;
    stranger.sign_in(&other.user, &other.password)?;
    let nobody = Visitor::new(&site)?.ask(SESSIONS, &[])?;
    ensure!(nobody.status == 401, "{}", nobody.status);

    let rows = listed(&desk.ask(SESSIONS, &[])?)?;
    ensure!(rows.len() == 3, "{rows:?}");
    let of = |kind: &str, current: bool| {
        let row = rows.iter().find(|row| row["kind"] == kind && row["current"] == current);
        row.and_then(|row| row["id"].as_str()).with_context(|| format!("no {kind} in {rows:?}"))
    };
    let (this, at_home, program) = (of("browser", true)?, of("browser", false)?, of("program", false)?);
    let by_token = listed(&home.bearing(SESSIONS, &tokens.token("access_token")?)?)?;
    let asking: Vec<_> = by_token.iter().filter(|row| row["current"] == true).collect();
    ensure!(asking.len() == 1 && asking[0]["id"] == program && asking[0]["browser"] == this, "{by_token:?}");

    let delete = |visitor: &Visitor<'_>, id: &str, more: &[&str]| {
        visitor.ask(&format!("{SESSIONS}/{id}"), &[&["--request", "DELETE"][..], more].concat())
    };
    ensure!(delete(&stranger, at_home, &[])?.status == 404, "somebody else ends a session");
    let foreign = delete(&desk, at_home, &["--header", "Origin: https://evil.example"])?;
    ensure!(foreign.status == 403 && is_signed_in(&home)?, "a page of another host ends a session");
    ensure!(delete(&desk, at_home, &[])?.status == 200 && !is_signed_in(&home)?, "it lives on");
    ensure!(delete(&desk, at_home, &[])?.status == 404, "it ends twice");

    // The page does the same by its form.
    let page = desk.ask(SESSIONS, &["--header", "Accept: text/html"])?;
    ensure!(page.status == 200 && page.body.contains(program) && !page.body.contains("<script"), "{}", page.body);
    ensure!(desk.post(SESSIONS, &[("id", program)], &[])?.status == 403, "without the form");
    let token = page.body.split("name=\"form_token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let fields = [("form_token", token.context("no token")?), ("id", this)];
    ensure!(desk.post(SESSIONS, &fields, &[])?.status == 303 && !is_signed_in(&desk)?, "it lives on");
    let refreshed = desk.refresh(&tokens.token("refresh_token")?)?;
    ensure!(refreshed.error() == "invalid_grant", "what came of it lives on: {}", refreshed.body);
    Ok(())
}

#[test]
fn whoever_changes_the_password_stays_and_all_else_ends() -> Result<()> {
    let site = Installation::start()?;
    let (user, other) = (&site.demo.users[0], &site.demo.users[1]);
    let (desk, home) = (Visitor::new(&site)?, Visitor::new(&site)?);
    let own = desk.redeem(&desk.code(&user.user, &user.password)?, VERIFIER)?.token("refresh_token")?;
    home.sign_in(&user.user, &user.password)?;
    let program = home.by_password(&user.user, &user.password)?.token("refresh_token")?;

    let asked = |before: &str, chosen: &str| json!({ "oldPassword": before, "newPassword": chosen });
    for (before, chosen, status) in [
        (user.password.as_str(), "password1", 400),
        (user.password.as_str(), user.password.as_str(), 400),
        (user.password.as_str(), "short", 400),
        ("tall green kettle", ANOTHER, 401),
    ] {
        let answer = change(&desk, None, &asked(before, chosen))?;
        ensure!(answer.status == status, "{chosen}: {} {}", answer.status, answer.body);
    }
    let of_other = json!({ "userName": other.user, "oldPassword": other.password, "newPassword": ANOTHER });
    ensure!(change(&desk, None, &of_other)?.status == 403, "the password of somebody else is changed");
    ensure!(desk.ask(CHANGE, &["--data", "{}"])?.status == 400, "any body is one");

    let done = change(&desk, None, &asked(&user.password, ANOTHER))?;
    ensure!(done.status == 200 && done.json()?["operationId"] == "7", "{} {}", done.status, done.body);
    ensure!(is_signed_in(&desk)? && !is_signed_in(&home)?, "the wrong sessions have ended");
    ensure!(desk.refresh(&own)?.status == 200, "what came of the session has ended with it");
    ensure!(home.refresh(&program)?.error() == "invalid_grant", "a sign-in by the old password lives on");
    ensure!(home.by_password(&user.user, &user.password)?.error() == "invalid_grant", "the old password is good");

    // A program that shows the person's token, and one that shows nothing but name and password.
    let token = home.by_password(&user.user, ANOTHER)?.token("access_token")?;
    let again = change(&home, Some(&token), &asked(ANOTHER, "wide white saucer"))?;
    ensure!(again.status == 200 && !is_signed_in(&desk)?, "{} {}", again.status, again.body);
    let named = json!({ "userName": user.user, "oldPassword": "wide white saucer", "newPassword": "thin blue spoon" });
    let stranger = Visitor::new(&site)?;
    ensure!(change(&stranger, None, &named)?.status == 200, "a name and a password are not enough");
    ensure!(stranger.by_password(&user.user, "thin blue spoon")?.status == 200, "the new password is not good");
    let log = site.log().join("\n");
    for secret in [ANOTHER, "wide white saucer", "thin blue spoon"] {
        ensure!(!log.contains(secret), "a password is in the log");
    }
    Ok(())
}

/// An operator who imports another password ends what was opened by the one before.
#[test]
fn an_imported_password_ends_what_was_open() -> Result<()> {
    let site = Installation::start()?;
    let user = &site.demo.users[0];
    let visitor = Visitor::new(&site)?;
    let token = visitor.redeem(&visitor.code(&user.user, &user.password)?, VERIFIER)?.token("refresh_token")?;
    let named = format!("user: {},", user.user);
    site.change_example(|file| {
        let changed = |line: &str| match (line.contains(&named), line.split_once("password: ")) {
            (true, Some((front, rest))) => {
                // A hash has commas, but none with a blank after it.
                let end = rest.find(", ").or_else(|| rest.rfind('}')).unwrap_or(rest.len());
                format!("{front}password: {ANOTHER}{}\n", &rest[end..])
            }
            _ => format!("{line}\n"),
        };
        file.lines().map(changed).collect()
    })?;
    wait::until(SOON, || Ok((!is_signed_in(&visitor)?).then_some(()))).context("the session of the old password")?;
    let refreshed = visitor.refresh(&token)?;
    ensure!(refreshed.error() == "invalid_grant", "a sign-in by the old password lives on: {}", refreshed.body);
    ensure!(visitor.by_password(&user.user, ANOTHER)?.status == 200, "the new password is not good");
    Ok(())
}
