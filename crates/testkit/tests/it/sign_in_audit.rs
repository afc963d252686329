//! What is noted of signing in: who, from where, by which way and what came of it; read by REST and by the command line.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::visitor::CurlAnswer;
use testkit::{Authenticator, Installation, Visitor, wait};

const API: &str = "/agent-setup/api/v1/example/sign-ins";
const SECOND_FACTOR: &str = "/auth/v3/second-factor";
const CHANGE: &str = "/auth/v3/change-password";
const WRONG: &str = "tall green kettle";
const ANOTHER: &str = "slow brown teapot";
/// A password that was typed into the field of the name.
const MISTYPED: &str = "wide.white.saucer";
const SOON: Duration = Duration::from_secs(30);
/// A tenant whose administrator has nothing to do with the first.
const GLOBEX: &str = r#"tenant: globex
name: Globex
realm: globex.invalid
hold_music: music
prompts: {music: music.wav}
people:
  - {user: greta, first_name: Greta, last_name: Other, password: "wide white saucer", privileges: [administrator]}
"#;

/// The output of a command on the site.
fn said(site: &Installation, arguments: &[&str]) -> Result<String> {
    let output = Command::new(testkit::installation::binary()?)
        .args(arguments)
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn token(site: &Installation, tenant: &str, scope: &str) -> Result<String> {
    said(site, &["token", "--tenant", tenant, "--scope", scope, "--sub", "tool/audit"])
}

fn items(answer: &CurlAnswer) -> Result<Vec<Value>> {
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(answer.json()?["items"].as_array().context("no items")?.clone())
}

/// The first of the items with that event and way.
fn first<'a>(items: &'a [Value], event: &str, way: &str) -> Option<&'a Value> {
    items.iter().find(|item| item["event"] == event && item["way"] == way)
}

/// Until all of those events are noted: the requests do not wait for that.
fn until_noted(site: &Installation, token: &str, expected: &[(&str, &str)]) -> Result<Vec<Value>> {
    let mut seen = Vec::new();
    let noted = wait::until(SOON, || {
        seen = items(&Visitor::new(site)?.bearing(API, token)?)?;
        let is_complete = expected.iter().all(|(event, way)| first(&seen, event, way).is_some());
        Ok(is_complete.then(|| seen.clone()))
    });
    noted.with_context(|| format!("not all of {expected:?} is in {seen:#?}"))
}

/// The key that a page shows, as its form has it.
fn key(page: &CurlAnswer) -> Result<String> {
    let rest = page.body.split("name=\"secret\" value=\"").nth(1).with_context(|| format!("no key: {}", page.body))?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}

/// Somebody mistypes, signs in, changes the password, takes an app over and signs out; somebody else guesses the app's code. Returns
/// all that is secret in it.
fn a_day_of(site: &Installation) -> Result<Vec<String>> {
    let user = &site.demo.users[0];
    let (desk, guesser) = (Visitor::new(site)?, Visitor::new(site)?);
    ensure!(desk.sign_in(MISTYPED, WRONG)?.status == 401, "anybody may sign in");
    ensure!(desk.sign_in(&user.user, WRONG)?.status == 401, "any password is right");
    ensure!(desk.sign_in(&user.user.to_uppercase(), &user.password)?.status == 303, "the password is refused");
    let body = json!({ "data": { "oldPassword": user.password, "newPassword": ANOTHER } }).to_string();
    let changed = desk.ask(CHANGE, &["--header", "Content-Type: application/json", "--data", &body])?;
    ensure!(changed.status == 200, "{} {}", changed.status, changed.body);

    let page = desk.ask(SECOND_FACTOR, &[])?;
    let key = key(&page)?;
    let mut app = Authenticator::new(&key)?;
    let code = app.code()?;
    let done = desk.send_form(&page, "value=\"enrol\"", &[("password", ANOTHER), ("code", &code)])?;
    ensure!(done.status == 200, "{} {}", done.status, done.body);
    let wrong = app.wrong_code()?;
    let asked = guesser.sign_in(&user.user, ANOTHER)?;
    let guessed = guesser.send_form(&asked, "name=\"half\"", &[("code", &wrong)])?;
    ensure!(guessed.status == 401, "{} {}", guessed.status, guessed.body);
    desk.ask("/auth/v3/sign-out", &[])?;
    let texts = [MISTYPED, WRONG, user.password.as_str(), ANOTHER, key.as_str(), code.as_str(), wrong.as_str()];
    Ok(texts.map(str::to_owned).into())
}

/// own-08: it is written to the database.
#[test]
fn what_happens_at_signing_in_is_noted_without_secrets_for_its_tenant_alone() -> Result<()> {
    let site = Installation::start()?;
    let secrets = a_day_of(&site)?;
    let reader = token(&site, "example", "config:read")?;
    let noted = until_noted(
        &site,
        &reader,
        &[
            ("signed_in", "password"),
            ("refused", "password"),
            ("refused", "second_factor"),
            ("password_changed", ""),
            ("second_factor_set", "second_factor"),
            ("signed_out", ""),
        ],
    )?;
    let person = format!("person/{}", site.demo.users[0].user);
    let signed_in = first(&noted, "signed_in", "password").context("no sign-in")?;
    ensure!(signed_in["subject"] == person.as_str() && signed_in["times"] == 1, "{signed_in}");
    ensure!(signed_in["user_agent"].as_str().is_some_and(|agent| agent.starts_with("curl/")), "{signed_in}");
    ensure!(signed_in["source"].as_str().is_some_and(|source| source.starts_with("127.")), "{signed_in}");
    let signed_out = first(&noted, "signed_out", "").context("no sign-out")?;
    let has_session = signed_in["session"].as_str().is_some_and(|session| !session.is_empty());
    ensure!(has_session && signed_out["session"] == signed_in["session"], "{signed_in} {signed_out}");
    ensure!(noted.is_sorted_by_key(|item| std::cmp::Reverse(item["at"].to_string())), "{noted:#?}");
    let about = |event: &str| {
        noted.iter().filter(|item| item["event"] == event).map(|item| &item["subject"]).collect::<Vec<_>>()
    };
    ensure!(about("refused").iter().filter(|subject| ***subject == "").count() == 1, "the name of nobody: {noted:#?}");
    ensure!(about("refused").iter().filter(|subject| ***subject == person.as_str()).count() == 2, "{noted:#?}");
    let text = serde_json::to_string(&noted)?;
    for secret in &secrets {
        ensure!(!text.contains(secret.as_str()), "{secret} is noted: {text}");
    }
    narrowed(&site, &reader, &person)?;
    by_the_command_line(&site, &secrets)?;
    of_another_tenant(&site)
}

fn narrowed(site: &Installation, reader: &str, person: &str) -> Result<()> {
    let visitor = Visitor::new(site)?;
    let user = person.trim_start_matches("person/").to_uppercase();
    let refused = items(&visitor.bearing(&format!("{API}?person={user}&event=refused"), reader)?)?;
    ensure!(refused.len() == 2 && refused.iter().all(|item| item["subject"] == person), "{refused:?}");
    let page = visitor.bearing(&format!("{API}?page_size=2"), reader)?.json()?;
    let next = page["next_page_token"].as_str().context("no token")?;
    let further = items(&visitor.bearing(&format!("{API}?page_size=2&page_token={next}"), reader)?)?;
    ensure!(further.len() == 2 && page["items"][1] != further[0], "{page} {further:?}");
    ensure!(items(&visitor.bearing(&format!("{API}?since=2999-01-01T00:00:00Z"), reader)?)?.is_empty(), "since");
    for wrong in ["event=telepathy", "since=yesterday", "page_token=x"] {
        let answer = visitor.bearing(&format!("{API}?{wrong}"), reader)?;
        ensure!(answer.status == 400, "{wrong}: {} {}", answer.status, answer.body);
    }
    Ok(())
}

fn by_the_command_line(site: &Installation, secrets: &[String]) -> Result<()> {
    let user = &site.demo.users[0].user;
    let table = said(site, &["tenant", "sign-ins", "example", "--person", user, "--since", "1h"])?;
    ensure!(table.contains("signed_in") && table.contains(&format!("person/{user}  password")), "{table}");
    let csv = said(site, &["tenant", "sign-ins", "example", "--format", "csv"])?;
    ensure!(csv.starts_with("at,event,way,subject,") && csv.contains(",password_changed,"), "{csv}");
    let lines = said(site, &["tenant", "sign-ins", "example", "--event", "signed_out", "--format", "json"])?;
    let line: Value = serde_json::from_str(lines.lines().next().context("no line")?)?;
    ensure!(line["event"] == "signed_out" && line["subject"] == format!("person/{user}"), "{line}");
    ensure!(secrets.iter().all(|secret| !table.contains(secret) && !csv.contains(secret)), "a secret is shown");
    Ok(())
}

fn of_another_tenant(site: &Installation) -> Result<()> {
    site.import_text(GLOBEX)?;
    let visitor = Visitor::new(site)?;
    let stranger = token(site, "globex", "config:read")?;
    let refused = visitor.bearing(API, &stranger)?;
    ensure!(matches!(refused.status, 403 | 404), "{} {}", refused.status, refused.body);
    let own = items(&visitor.bearing("/agent-setup/api/v1/globex/sign-ins", &stranger)?)?;
    ensure!(own.is_empty(), "{own:?}");
    let unprivileged = token(site, "example", "config:write")?;
    ensure!(visitor.bearing(API, &unprivileged)?.status == 403, "any scope is enough");
    ensure!(visitor.ask(API, &[])?.status == 401, "nobody is let in");
    Ok(())
}

/// The embedded database compares letters beyond ASCII as they are.
#[test]
fn a_person_is_found_in_whatever_case() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let object = json!({ "user_name": "j\u{f6}rg", "first_name": "J\u{f6}rg", "last_name": "Adler" });
    let edit = json!({ "kind": "person", "id": "j\u{f6}rg", "action": "put", "object": object });
    let writer = format!("authorization: bearer {}", token(&site, "example", "config:write")?);
    let body = json!({ "edits": [edit] }).to_string();
    let sent = ["--header", &writer, "--header", "content-type: application/json", "--data-binary", &body];
    let made = visitor.ask("/agent-setup/api/v1/example/changes", &sent)?;
    ensure!(made.status == 200, "{} {}", made.status, made.body);
    ensure!(visitor.sign_in("j\u{f6}rg", WRONG)?.status == 401, "anybody may sign in");
    let reader = token(&site, "example", "config:read")?;
    until_noted(&site, &reader, &[("refused", "password")])?;
    for name in ["j%C3%B6rg", "J%C3%96RG"] {
        let found = items(&visitor.bearing(&format!("{API}?person={name}"), &reader)?)?;
        ensure!(found.len() == 1 && found[0]["subject"] == "person/j\u{f6}rg", "{name}: {found:?}");
    }
    Ok(())
}

/// A program that asks for tokens all the time is noted once at first, and then with a count.
#[test]
fn a_program_that_signs_in_again_and_again_is_one_line() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    for _ in 0..3 {
        let answer = visitor.token(&[("grant_type", "client_credentials")])?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    }
    let reader = token(&site, "example", "config:read")?;
    let noted = until_noted(&site, &reader, &[("client_token", "")])?;
    let tokens: Vec<_> = noted.iter().filter(|item| item["event"] == "client_token").collect();
    ensure!(tokens.len() == 1 && tokens[0]["subject"] == "client/demo", "{noted:#?}");
    Ok(())
}
