//! Nobody learns from auth who there is: whoever names somebody that there is not gets the answers of whoever names somebody that there is,
//! and has as many slow hashes computed. The hashes are counted, not timed.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::installation::DemoUser;
use testkit::visitor::{CurlAnswer, Visitor};
use testkit::{Authenticator, Installation};

const SIGN_IN: &str = "/auth/v3/sign-in";
const CHANGE: &str = "/auth/v3/change-password";
const DEVICE: &str = "/auth/v3/device";
const SECOND_FACTOR: &str = "/auth/v3/second-factor";
const HASHES: &str = "auth_hashes_computed_total";
const WRONG: &str = "tall green kettle";
/// The longest password that is looked at has 256 bytes.
const TOO_LONG: usize = 257;
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What an answer gives away, and what was done for it.
#[derive(Debug, PartialEq)]
struct ToldAnswer {
    status: u16,
    /// The names of its headers.
    headers: Vec<String>,
    /// Without what was typed, and without the secrets of forms.
    body: String,
    hashes: f64,
}

/// What is told to whoever asks so; `typed` is what the answer may repeat.
fn told(site: &Installation, typed: &[&str], ask: impl FnOnce() -> Result<CurlAnswer>) -> Result<ToldAnswer> {
    let before = site.metric("auth", HASHES)?;
    let answer = ask()?;
    let hashes = site.metric("auth", HASHES)? - before;
    let mut headers: Vec<String> =
        answer.head.lines().filter_map(|line| Some(line.split_once(':')?.0.to_ascii_lowercase())).collect();
    headers.sort();
    let body = typed
        .iter()
        .filter(|typed| !typed.is_empty())
        .fold(without_hidden(&answer.body), |body, typed| body.replace(typed, "TYPED"));
    Ok(ToldAnswer { status: answer.status, headers, body, hashes })
}

/// A page without the hidden fields of its forms: each has a secret of its own.
fn without_hidden(page: &str) -> String {
    let mut parts = page.split("<input");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (tag, rest) = part.split_once('>').unwrap_or((part, ""));
        if !tag.contains("type=\"hidden\"") {
            kept.extend(["<input", tag, ">"]);
        }
        kept.push_str(rest);
    }
    kept
}

/// Fails unless all are told the same, which is a refusal for which so many hashes were computed.
fn are_alike(what: &str, told: &[ToldAnswer], status: u16, hashes: f64) -> Result<()> {
    let first = told.first().with_context(|| format!("{what}: nothing was tried"))?;
    ensure!(told.iter().all(|other| other == first), "{what}: answers differ: {told:#?}");
    ensure!(first.status == status && first.hashes.total_cmp(&hashes).is_eq(), "{what}: {first:#?}");
    Ok(())
}

fn user(site: &Installation) -> Result<&DemoUser> {
    site.demo.users.first().context("the demo has no user")
}

/// The names that are tried, of which the first is somebody's.
fn names(site: &Installation) -> Result<Vec<String>> {
    let known = user(site)?.user.clone();
    Ok(vec![
        known.clone(),
        "nobody.known".to_owned(),
        "nowhere\\ann".to_owned(),
        format!("nowhere\\{known}"),
        "n".repeat(100),
    ])
}

/// A visitor from an address of its own: no other's guesses count there.
fn stranger<'s>(site: &'s Installation, number: &mut u16) -> Result<Visitor<'s>> {
    *number += 1;
    Visitor::at(site, site.stranger_address(*number))
}

fn changes(visitor: &Visitor<'_>, name: &str, password: &str) -> Result<CurlAnswer> {
    let body = json!({ "data": { "userName": name, "oldPassword": password, "newPassword": "slow brown teapot" } })
        .to_string();
    let header = "Content-Type: application/json";
    visitor.ask(CHANGE, &["--request", "POST", "--header", header, "--data", &body])
}

/// The page, the grant by password, and the change of a password, each with a wrong password and with one that is too long to be anybody's.
#[test]
fn a_wrong_password_and_an_unknown_person_are_told_alike_for_the_same_work() -> Result<()> {
    let site = Installation::start()?;
    let mut number = 0;
    // The secret of the program is hashed too: once before, so that it costs the same each time.
    let first = stranger(&site, &mut number)?.by_password(&user(&site)?.user, &user(&site)?.password)?;
    ensure!(first.status == 200, "{} {}", first.status, first.body);
    let long = "k".repeat(TOO_LONG);
    for password in [WRONG, long.as_str(), ""] {
        let (mut by_page, mut by_program, mut by_change) = (Vec::new(), Vec::new(), Vec::new());
        for name in names(&site)? {
            let typed = [name.as_str()];
            let visitor = stranger(&site, &mut number)?;
            by_page.push(told(&site, &typed, || visitor.fill_in(SIGN_IN, &name, password, &[]))?);
            let visitor = stranger(&site, &mut number)?;
            by_program.push(told(&site, &typed, || visitor.by_password(&name, password))?);
            let visitor = stranger(&site, &mut number)?;
            by_change.push(told(&site, &typed, || changes(&visitor, &name, password))?);
        }
        are_alike("the page", &by_page, 401, 1.0)?;
        are_alike("the change of a password", &by_change, 401, 1.0)?;
        let of_program = by_program.first().map(|told| told.hashes).unwrap_or_default();
        ensure!(of_program >= 1.0, "the grant by password computes {of_program} hashes");
        are_alike("the grant by password", &by_program, 400, of_program)?;
    }
    Ok(())
}

/// A program that there is not, and one of a tenant that there is not.
#[test]
fn a_wrong_secret_and_an_unknown_program_are_told_alike_for_the_same_work() -> Result<()> {
    let site = Installation::start()?;
    let mut number = 0;
    let known = site.demo.clients.first().context("the demo has no client")?.id.clone();
    let programs = [known.clone(), "unknown".to_owned(), format!("nowhere/{known}"), "nowhere/unknown".to_owned()];
    for path in ["/auth/v3/oauth/token", "/auth/v3/oauth/introspect", "/auth/v3/oauth/revoke"] {
        let mut all = Vec::new();
        for program in &programs {
            let login = format!("{program}:{WRONG}");
            let fields = [("grant_type", "client_credentials"), ("token", "none")];
            let visitor = stranger(&site, &mut number)?;
            all.push(told(&site, &[program.as_str()], || visitor.post(path, &fields, &["--user", &login]))?);
        }
        are_alike(path, &all, 401, 1.0)?;
    }
    Ok(())
}

/// Between password and second factor: a wrong code of an app and a wrong recovery code, of either shape. No slow hash is in it.
#[test]
fn a_wrong_code_and_a_wrong_recovery_code_are_told_alike() -> Result<()> {
    let site = Installation::start()?;
    let user = user(&site)?;
    let desk = Visitor::new(&site)?;
    ensure!(desk.sign_in(&user.user, &user.password)?.status == 303, "no sign-in");
    let page = desk.ask(SECOND_FACTOR, &[])?;
    let key = page.body.split("name=\"secret\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let mut app = Authenticator::new(key.with_context(|| format!("no key: {}", page.body))?)?;
    let code = app.code()?;
    let done = desk.send_form(&page, "value=\"enrol\"", &[("password", &user.password), ("code", &code)])?;
    let shown = done.body.split("<li><code>").nth(1).and_then(|rest| rest.split('<').next());
    let recovery = shown.with_context(|| format!("no recovery code: {} {}", done.status, done.body))?;
    // As long as a right one, of the same signs.
    let other: String = recovery.chars().rev().collect();
    let wrong = app.wrong_code()?;
    let mut all = Vec::new();
    for (number, code) in [wrong.as_str(), other.as_str(), "no code at all"].into_iter().enumerate() {
        let visitor = Visitor::at(&site, site.stranger_address(1 + u16::try_from(number)?))?;
        let asked = visitor.sign_in(&user.user, &user.password)?;
        ensure!(asked.status == 200, "{} {}", asked.status, asked.body);
        all.push(told(&site, &[code], || visitor.send_form(&asked, "name=\"half\"", &[("code", code)]))?);
    }
    are_alike("the second factor", &all, 401, 0.0)
}

/// A code that no device shows, one that another tenant's could show, and what is no code at all: whoever enters it learns the same, and so
/// does a device about a secret that there is not.
#[test]
fn a_code_that_no_device_shows_and_no_code_at_all_are_told_alike() -> Result<()> {
    let site = Installation::start()?;
    let user = user(&site)?;
    let person = Visitor::new(&site)?;
    ensure!(person.sign_in(&user.user, &user.password)?.status == 303, "no sign-in");
    let mut entered = Vec::new();
    for code in ["BBBB-BBBB", "BCDF-GHJK", "qqq"] {
        let (action, hidden) = person.form(DEVICE)?;
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fields: Vec<(&str, &str)> = hidden.chain([("user_code", code)]).collect();
        entered.push(told(&site, &[code], || person.post(&action, &fields, &[]))?);
    }
    are_alike("the code of a device", &entered, 400, 0.0)?;

    // The program has shown its secret before.
    let device = Visitor::new(&site)?;
    let asks = |secret: &str| device.token(&[("grant_type", DEVICE_GRANT), ("device_code", secret)]);
    asks("qqq")?;
    let unknown = "A".repeat(43);
    let mut polled = Vec::new();
    for secret in ["qqq", unknown.as_str()] {
        polled.push(told(&site, &[secret], || asks(secret))?);
    }
    let hashes = polled.first().map(|told| told.hashes).unwrap_or_default();
    are_alike("the secret of a device", &polled, 400, hashes)
}
