//! The life of a whole tenant by the command line, beside a running installation: made, listed, deleted, restored, and made again.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::caller::Caller;
use testkit::{Installation, Visitor, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
const KEYS: &str = "/agent-setup/api/v1/acme/api-keys";
const HOOKS: &str = "/api/voice/v1/acme/webhooks";
const ADMINISTRATOR: &str = "acme\\administrator";
/// What the form for another password has.
const NEW_PASSWORD: &str = "name=\"steps\"";

fn run(site: &Installation, arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(testkit::installation::binary()?)
        .args(arguments)
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .env("LOGNAME", "tester")
        .stdin(Stdio::null())
        .output()?)
}

/// What a command that succeeds prints.
fn said(site: &Installation, arguments: &[&str]) -> Result<String> {
    let output = run(site, arguments)?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The exit code and the message of a command that fails.
fn refusal(site: &Installation, arguments: &[&str]) -> Result<(i32, String)> {
    let output = run(site, arguments)?;
    let code = output.status.code().context("it was killed")?;
    ensure!(code != 0, "{arguments:?} succeeds");
    Ok((code, String::from_utf8(output.stderr)?))
}

fn lines(text: &str) -> Result<Vec<Value>> {
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// What `trunkline tenant list` says of acme.
fn listed(site: &Installation) -> Result<Option<Value>> {
    let all = lines(&said(site, &["tenant", "list", "--json"])?)?;
    ensure!(all.iter().any(|tenant| tenant["tenant"] == "example"), "{all:?}");
    Ok(all.into_iter().find(|tenant| tenant["tenant"] == "acme"))
}

/// Makes acme and returns the password of its administrator.
fn create(site: &Installation) -> Result<String> {
    let made: Value = serde_json::from_str(&said(site, &["tenant", "create", "acme", "--name", "Acme", "--json"])?)?;
    ensure!(made["administrator"] == "administrator" && made["revision"] == 1, "{made}");
    Ok(made["password"].as_str().context("no password")?.to_owned())
}

fn is_signed_in(visitor: &Visitor<'_>) -> Result<bool> {
    Ok(visitor.ask("/auth/v3/ping", &[])?.status == 200)
}

/// Signs the administrator in, as soon as the tenant is known.
fn signed_in<'a>(site: &'a Installation, password: &str) -> Result<Visitor<'a>> {
    is_let_in(site, || token(site), true)?;
    // Auth hears of the tenant a moment later. Too many refusals shut the door, so each try comes from elsewhere.
    let mut tries = 0;
    let (visitor, mut answer) = wait::until(SOON, || {
        tries = (tries + 1) % Installation::STRANGERS_MAX;
        let visitor = Visitor::at(site, site.stranger_address(tries))?;
        let answer = visitor.sign_in(ADMINISTRATOR, password)?;
        let is_known = answer.body.contains(NEW_PASSWORD) || is_signed_in(&visitor)?;
        Ok(is_known.then_some((visitor, answer)))
    })?;
    // The password that was printed is good for one sign-in.
    if answer.body.contains(NEW_PASSWORD) {
        ensure!(!is_signed_in(&visitor)?, "the session has begun already");
        let own = chosen(password);
        answer = visitor.send_form(&answer, NEW_PASSWORD, &[("new_password", &own), ("again", &own)])?;
    }
    ensure!(is_signed_in(&visitor)?, "{} {}", answer.status, answer.body);
    Ok(visitor)
}

/// What the administrator chooses instead of the password that was printed.
fn chosen(password: &str) -> String {
    format!("{password} of my own")
}

fn token(site: &Installation) -> Result<String> {
    said(site, &["token", "--tenant", "acme", "--sub", "tool/boss", "--scope", "config:read"])
}

/// Asks about the webhooks of acme, which is there.
fn webhooks(site: &Installation, method: &str, body: &str) -> Result<(u16, Value)> {
    let web = site.demo.web.trim_start_matches("http://").parse()?;
    // The edge hears of a new tenant a moment later than others. A token of the second in which a tenant of the id has ended is that one's.
    wait::until(SOON, || {
        let token = said(site, &["token", "--tenant", "acme", "--sub", "tool/hooks", "--scope", "webhooks"])?;
        let answer = site.http_with(web, method, HOOKS, &format!("Authorization: Bearer {token}\r\n"), body)?;
        let is_known = !matches!(answer.status, 401 | 404 | 503);
        Ok(is_known.then(|| serde_json::from_str(&answer.body).map(|told| (answer.status, told))).transpose()?)
    })
}

/// Has a webhook made.
fn make_webhook(site: &Installation) -> Result<()> {
    let (status, made) = webhooks(site, "POST", r#"{"url": "https://crm.example/hook", "enabled": false}"#)?;
    ensure!(status == 201, "{status} {made}");
    ensure!(listed_webhooks(site)? == 1, "it is not listed");
    Ok(())
}

/// How many webhooks acme has.
fn listed_webhooks(site: &Installation) -> Result<usize> {
    let (status, told) = webhooks(site, "GET", "")?;
    ensure!(status == 200, "{status} {told}");
    Ok(told["webhooks"].as_array().context("no list")?.len())
}

/// Waits until who shows that is let in to the tenant, or is not any more.
fn is_let_in(site: &Installation, shows: impl Fn() -> Result<String>, wanted: bool) -> Result<()> {
    wait::until(SOON, || {
        let answer = Visitor::new(site)?.bearing(KEYS, &shows()?)?;
        let is_that = if wanted { answer.status == 200 } else { answer.status == 401 };
        Ok(is_that.then_some(()))
    })
    .with_context(|| format!("whether it is let in: {wanted}"))
}

#[test]
fn a_tenant_is_made_deleted_beside_a_call_of_another_restored_and_made_anew() -> Result<()> {
    let files = tempfile::tempdir()?;
    let site = Installation::start_with(&["--set", "process.log=info"])?;
    let file = files.path().join("acme.trunkline").to_string_lossy().into_owned();
    let password = create(&site)?;
    let (code, told) = refusal(&site, &["tenant", "create", "acme"])?;
    ensure!(code == 6 && told.contains("there is a tenant acme already"), "{code} {told}");
    let shown = listed(&site)?.context("it is not listed")?;
    ensure!(shown["name"] == "Acme" && shown["people"] == 1 && shown["dns"] == 0, "{shown}");
    let visitor = signed_in(&site, &password)?;
    let password = chosen(&password);
    let key = said(&site, &["tenant", "api-key", "create", "acme", "--name", "board", "--scope", "config:read"])?;
    let (key, old_token) = (|| Ok(key.clone()), token(&site)?);
    is_let_in(&site, key, true)?;
    make_webhook(&site)?;

    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("echo")?, &[])?;
    caller.answered(SOON)?;

    // It is asked for twice: whether, and what becomes of it.
    let (code, told) = refusal(&site, &["tenant", "delete", "acme", "--yes"])?;
    ensure!(code == 2 && told.contains("--without-backup"), "{code} {told}");
    let (code, told) = refusal(&site, &["tenant", "delete", "acme", "--backup", &file])?;
    ensure!(code == 2 && told.contains("that is not acme"), "{code} {told}");
    ensure!(is_signed_in(&visitor)? && listed(&site)?.is_some(), "nothing was deleted");
    let done: Value = serde_json::from_str(&said(&site, &["tenant", "delete", "acme", "--backup", &file, "--yes"])?)?;
    ensure!(done["revision"] == 3 && done["rows"].as_u64() > Some(5), "{done}");

    // Everything of it answers as for something that is not there.
    ensure!(listed(&site)?.is_none(), "it is listed");
    for gone in
        [&["tenant", "list", "acme"][..], &["tenant", "show", "acme", "tenant", "-"], &["tenant", "delete", "acme"]]
    {
        let (code, told) = refusal(&site, gone)?;
        ensure!(code == 10, "{gone:?}: {code} {told}");
    }
    is_let_in(&site, key, false)?;
    is_let_in(&site, || Ok(old_token.clone()), false)?;
    wait::until(SOON, || Ok((!is_signed_in(&visitor)?).then_some(())))?;
    // What auth has just read of somebody it believes for a second. Who gets in by that is out again with the next look.
    let stranger = Visitor::new(&site)?;
    stranger.sign_in(ADMINISTRATOR, &password)?;
    let is_out = wait::until(SOON, || Ok((!is_signed_in(&stranger)?).then_some(())));
    is_out.context("somebody is signed in at a tenant that is gone")?;
    let late = Visitor::new(&site)?;
    late.sign_in(ADMINISTRATOR, &password)?;
    ensure!(!is_signed_in(&late)?, "somebody signs in at a tenant that is gone");
    let withdrawn = |line: &String| line.contains("its configuration is withdrawn") && line.contains("acme");
    wait::until(SOON, || Ok(site.log_lines().iter().any(withdrawn).then_some(())))?;
    let ended = lines(&said(&site, &["tenant", "list", "--ended", "--json"])?)?;
    ensure!(ended[0]["tenant"] == "acme" && ended[0]["ended_by"] == "user/tester" && ended[0]["removed"] == true);
    let history = lines(&said(&site, &["tenant", "history", "acme", "--json"])?)?;
    ensure!(history[0]["kind"] == "tenant" && history[0]["after"].is_null(), "{history:?}");

    // Whoever was on the phone elsewhere has noticed nothing.
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;

    comes_back(&site, &file, &password, &old_token)?;
    is_let_in(&site, key, false)?;
    begins_clean(&site, &password, &visitor)
}

/// The backup brings it back: objects and passwords, and no token of before.
fn comes_back(site: &Installation, file: &str, password: &str, old_token: &str) -> Result<()> {
    said(site, &["restore", file, "--tenant", "acme"])?;
    let shown = listed(site)?.context("it is not listed")?;
    ensure!(shown["people"] == 1 && shown["revision"] == 2, "{shown}");
    signed_in(site, password)?;
    is_let_in(site, || Ok(old_token.to_owned()), false)?;
    ensure!(listed_webhooks(site)? == 0, "a webhook of before is there");
    make_webhook(site)?;
    let keys: Vec<String> = said(site, &["tenant", "api-key", "list", "acme"])?.lines().map(str::to_owned).collect();
    ensure!(keys.is_empty(), "API keys are made anew: {keys:?}");
    let history = lines(&said(site, &["tenant", "history", "acme", "--json"])?)?;
    ensure!(
        history.iter().all(|entry| entry["revision"].as_u64() <= Some(2)),
        "the end is none of its history: {history:?}"
    );
    Ok(())
}

/// Another tenant with the id has nothing of the one before.
fn begins_clean(site: &Installation, password: &str, before: &Visitor<'_>) -> Result<()> {
    said(site, &["tenant", "delete", "acme", "--without-backup", "--yes"])?;
    let new = create(site)?;
    ensure!(new != password, "it is the password of before");
    let visitor = signed_in(site, &new)?;
    ensure!(
        listed_webhooks(site)? == 0,
        "a webhook of before is there, though nobody may have seen that there was no acme"
    );
    ensure!(!is_signed_in(before)?, "a session of before goes on");
    let stranger = Visitor::new(site)?;
    stranger.sign_in(ADMINISTRATOR, password)?;
    ensure!(!is_signed_in(&stranger)? && is_signed_in(&visitor)?, "the password of before is good");
    let history = lines(&said(site, &["tenant", "history", "acme", "--json"])?)?;
    ensure!(
        !history.is_empty() && history.iter().all(|entry| entry["before"].is_null() || entry["revision"] == 2),
        "{history:?}"
    );
    let noted = lines(&said(site, &["tenant", "sign-ins", "acme", "--format", "json"])?)?;
    ensure!(noted.iter().all(|record| record["event"] != "api_key_created"), "of the one before: {noted:?}");
    Ok(())
}
