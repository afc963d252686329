//! Passkeys: made by people who are signed in, shown after the password or alone, and refused where they are not theirs, not of now, or a copy.

mod at_sign_in;
mod security_key;

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use security_key::{AnswersAs, AskedByPage, Filled, SecurityKey};
use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::installation::DemoUser;
use testkit::visitor::{CurlAnswer, REDIRECT, SESSION, VERIFIER, attribute, path_of, value};
use testkit::{Authenticator, Installation, Visitor, wait};

const PAGE: &str = "/auth/v3/second-factor";
const ALONE: &str = "/auth/v3/sign-in/passkey";
const API: &str = "/agent-setup/api/v1/example/sign-ins";
/// The cookie of forms.
const FORM: &str = "trunkline-form";
/// Where the pages are, as browsers say it.
const HERE: &str = "http://localhost:8080";
/// A change of the configuration, or a record, is there.
const SOON: Duration = Duration::from_secs(45);
/// The browser has done it all.
const IN_BROWSER: Duration = Duration::from_secs(240);

const TOUCHED: AnswersAs<'static> = AnswersAs { origin: HERE, verified: false, counter: None };
const VERIFIED: AnswersAs<'static> = AnswersAs { verified: true, ..TOUCHED };

/// A tenant at which the passkeys of the first sign nobody in.
const GLOBEX: &str = r#"tenant: globex
name: Globex
realm: globex.invalid
hold_music: music
prompts: {music: music.wav}
"#;
/// A provider that is the only first step; nobody asks it.
const ONLY: &str = "\nsign_in: {upstream: {name: Acme ID, issuer: \"https://id.acme.example\", client_id: trunkline, \
     client_secret: hush, only: true}}\n";

/// An installation whose issuer has a name: browsers make no passkeys for addresses.
fn site() -> Result<Installation> {
    Installation::start_with(&["--set", &format!("auth.issuer={HERE}/auth/v3")])
}

fn is_signed_in(visitor: &Visitor<'_>) -> Result<bool> {
    Ok(visitor.ask("/auth/v3/ping", &[])?.status == 200)
}

/// Sends the form that makes a passkey, or shows one, with what the script would fill in.
fn sends(
    visitor: &Visitor<'_>,
    page: &CurlAnswer,
    what: &str,
    filled: &[(&'static str, String)],
) -> Result<CurlAnswer> {
    let fields: Vec<(&str, &str)> = filled.iter().map(|(name, value)| (*name, value.as_str())).collect();
    visitor.send_form(page, &format!("data-passkey=\"{what}\""), &fields)
}

/// Somebody who is signed in makes a passkey.
fn makes(visitor: &Visitor<'_>, key: &mut SecurityKey) -> Result<CurlAnswer> {
    let page = visitor.ask(PAGE, &[])?;
    let mut filled = key.makes(&AskedByPage::read(&page, "make")?, VERIFIED)?;
    filled.push(("name", "My <key>".to_owned()));
    sends(visitor, &page, "make", &filled)
}

/// Answers a page that asks for a passkey.
fn answers(visitor: &Visitor<'_>, page: &CurlAnswer, key: &mut SecurityKey, as_: AnswersAs<'_>) -> Result<CurlAnswer> {
    let filled = key.shows(&AskedByPage::read(page, "show")?, as_)?;
    sends(visitor, page, "show", &filled)
}

/// Shows the password; the page that asks for more.
fn half(visitor: &Visitor<'_>, user: &DemoUser) -> Result<CurlAnswer> {
    let asked = visitor.sign_in(&user.user, &user.password)?;
    ensure!(asked.status == 200 && !is_signed_in(visitor)?, "{} {}", asked.status, asked.body);
    Ok(asked)
}

/// The whole way by a passkey alone.
fn alone(visitor: &Visitor<'_>, key: &mut SecurityKey, as_: AnswersAs<'_>) -> Result<CurlAnswer> {
    answers(visitor, &visitor.ask(ALONE, &[])?, key, as_)
}

fn recovery_codes(page: &CurlAnswer) -> Result<Vec<String>> {
    let rows = page.body.split("<li><code>").skip(1).filter_map(|rest| rest.split('<').next());
    let codes: Vec<String> = rows.map(str::to_owned).collect();
    ensure!(page.status == 200 && codes.len() == 10, "{} {}", page.status, page.body);
    Ok(codes)
}

/// Somebody signs in and makes a first passkey.
fn with_passkey<'a>(site: &'a Installation, user: &DemoUser) -> Result<(Visitor<'a>, SecurityKey, Vec<String>)> {
    let (desk, mut key) = (Visitor::new(site)?, SecurityKey::new()?);
    desk.sign_in(&user.user, &user.password)?;
    let codes = recovery_codes(&makes(&desk, &mut key)?)?;
    Ok((desk, key, codes))
}

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

/// Until that event is noted of a passkey alone, about nobody, and of no tenant.
fn noted_of_installation(site: &Installation, event: &str) -> Result<()> {
    wait::until(SOON, || {
        let lines = said(site, &["tenant", "sign-ins", "*", "--event", event, "--format", "json"])?;
        let items = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
        let is_there = items.iter().any(|item| item["way"] == "passkey_alone" && item["subject"].is_null());
        Ok(is_there.then_some(()))
    })
    .with_context(|| format!("no {event} is noted of the installation"))
}

/// What is noted of that event by that way, as soon as there is something.
fn noted(site: &Installation, event: &str, way: &str) -> Result<Vec<Value>> {
    let token = said(site, &["token", "--tenant", "example", "--scope", "config:read", "--sub", "tool/audit"])?;
    wait::until(SOON, || {
        let answer = Visitor::new(site)?.bearing(&format!("{API}?event={event}"), &token)?;
        let items = answer.json()?["items"].as_array().cloned().unwrap_or_default();
        let items: Vec<Value> = items.into_iter().filter(|item| item["way"] == way).collect();
        Ok((!items.is_empty()).then_some(items))
    })
    .with_context(|| format!("no {event} by {way} is noted"))
}

#[test]
fn a_passkey_is_a_second_factor_behind_the_password() -> Result<()> {
    let site = site()?;
    let user = &site.demo.users[0];
    let elsewhere = Visitor::new(&site)?;
    elsewhere.sign_in(&user.user, &user.password)?;
    let (desk, mut key, codes) = with_passkey(&site, user)?;
    ensure!(is_signed_in(&desk)? && !is_signed_in(&elsewhere)?, "what the password alone has opened goes on");
    let own = desk.ask(PAGE, &[])?;
    ensure!(own.body.contains("<strong>My &lt;key&gt;</strong>"), "{}", own.body);
    ensure!(
        own.header("content-security-policy").is_some_and(|rules| rules.contains("script-src 'self'")),
        "{}",
        own.head
    );
    let script = desk.ask("/auth/v3/passkey.js", &[])?;
    ensure!(script.status == 200 && script.body.contains("navigator.credentials"), "{}", script.head);

    let home = Visitor::new(&site)?;
    let asked = half(&home, user)?;
    ensure!(home.cookie(SESSION)?.is_none() && AskedByPage::read(&asked, "show")?.ids == key.id(), "{}", asked.body);
    ensure!(home.by_password(&user.user, &user.password)?.error() == "invalid_grant", "a password is enough");
    let cookie = home.cookie(FORM)?.context("no cookie")?;
    let filled = key.shows(&AskedByPage::read(&asked, "show")?, TOUCHED)?;
    let stolen = sends(&Visitor::new(&site)?, &asked, "show", &filled)?;
    ensure!(stolen.status == 403, "another browser: {} {}", stolen.status, stolen.body);
    let signed_in = sends(&home, &asked, "show", &filled)?;
    ensure!(signed_in.status == 303 && is_signed_in(&home)?, "{} {}", signed_in.status, signed_in.body);
    // Even with the cookie of before.
    home.plant(FORM, &cookie)?;
    let again = sends(&home, &asked, "show", &filled)?;
    ensure!(again.status == 401 && !is_signed_in(&home)?, "an answer is good twice: {}", again.status);

    let lost = Visitor::new(&site)?;
    let asked = half(&lost, user)?;
    let by_code = lost.send_form(&asked, "name=\"code\"", &[("code", &codes[0])])?;
    ensure!(by_code.status == 303 && is_signed_in(&lost)?, "{} {}", by_code.status, by_code.body);

    let mut export = String::new();
    site.change_example(|file| {
        file.clone_into(&mut export);
        file.to_owned()
    })?;
    let log = site.log().join("\n");
    for text in [key.id(), key.public_key()] {
        ensure!(!export.contains(&text) && !log.contains(&text), "{text} is in an export or in the log");
    }
    noted(&site, "signed_in", "passkey")?;
    noted(&site, "second_factor_set", "passkey")?;
    Ok(())
}

#[test]
fn a_passkey_that_is_wrong_is_refused_and_one_whose_counter_goes_back_is_noted() -> Result<()> {
    let site = site()?;
    let (user, other) = (&site.demo.users[0], &site.demo.users[1]);
    let (_, mut key, _) = with_passkey(&site, user)?;
    let (_, mut of_other, _) = with_passkey(&site, other)?;
    let home = Visitor::new(&site)?;
    let elsewhere = AnswersAs { origin: "http://localhost:8081", ..TOUCHED };
    let refused = answers(&home, &half(&home, user)?, &mut key, elsewhere)?;
    ensure!(refused.status == 401, "another origin: {} {}", refused.status, refused.body);
    let refused = answers(&home, &half(&home, user)?, &mut of_other, TOUCHED)?;
    ensure!(refused.status == 401, "somebody else's: {} {}", refused.status, refused.body);
    let empty = sends(&home, &half(&home, user)?, "show", &[])?;
    ensure!(empty.status == 400, "no script: {} {}", empty.status, empty.body);
    let taken = answers(&home, &half(&home, user)?, &mut key, AnswersAs { counter: Some(7), ..TOUCHED })?;
    ensure!(taken.status == 303 && is_signed_in(&home)?, "{} {}", taken.status, taken.body);

    let other_browser = Visitor::new(&site)?;
    for counter in [7, 6] {
        let back = AnswersAs { counter: Some(counter), ..TOUCHED };
        let refused = answers(&other_browser, &half(&other_browser, user)?, &mut key, back)?;
        ensure!(refused.status == 401 && !is_signed_in(&other_browser)?, "{counter} after 7: {}", refused.status);
    }
    let copied = noted(&site, "passkey_copied", "passkey")?;
    let subject = format!("person/{}", user.user);
    ensure!(copied.iter().all(|item| item["subject"] == subject.as_str()), "{copied:?}");
    let taken =
        answers(&other_browser, &half(&other_browser, user)?, &mut key, AnswersAs { counter: Some(8), ..TOUCHED })?;
    ensure!(taken.status == 303 && key.counter() == 8, "{} {}", taken.status, taken.body);
    Ok(())
}

#[test]
fn a_passkey_alone_signs_in_where_the_authenticator_knows_who_it_is() -> Result<()> {
    let site = site()?;
    let (user, other) = (&site.demo.users[0], &site.demo.users[1]);
    let (_, mut key, _) = with_passkey(&site, user)?;
    let (_, mut of_other, _) = with_passkey(&site, other)?;
    let home = Visitor::new(&site)?;
    let page = home.ask("/auth/v3/sign-in", &[])?;
    let link = page.body.split("<a ").find(|tag| tag.contains("/sign-in/passkey"));
    ensure!(
        link.and_then(|tag| attribute(tag, "href")).as_deref() == Some(format!("{HERE}{ALONE}").as_str()),
        "{}",
        page.body
    );
    let touched = alone(&home, &mut key, TOUCHED)?;
    ensure!(touched.status == 401, "without a PIN: {} {}", touched.status, touched.body);
    let foreign = alone(&home, &mut key, AnswersAs { origin: "https://localhost:8080", ..VERIFIED })?;
    ensure!(foreign.status == 401, "another origin: {} {}", foreign.status, foreign.body);
    let mut unknown = SecurityKey::new()?;
    ensure!(alone(&home, &mut unknown, VERIFIED)?.status == 401, "a key that nobody has made");
    // The key of the one under the name of the other.
    let page = home.ask(ALONE, &[])?;
    let asked = AskedByPage::read(&page, "show")?;
    let (mine, theirs) = (key.shows(&asked, VERIFIED)?, of_other.shows(&asked, VERIFIED)?);
    let mixed: Filled = [&theirs[..4], &mine[4..]].concat();
    ensure!(sends(&home, &page, "show", &mixed)?.status == 401 && !is_signed_in(&home)?, "a handle of somebody else");

    let signed_in = alone(&home, &mut key, VERIFIED)?;
    ensure!(signed_in.status == 303 && is_signed_in(&home)?, "{} {}", signed_in.status, signed_in.body);
    let program = Visitor::new(&site)?;
    let begun = path_of(program.authorize(&[])?.location().context("no page")?);
    let query = begun.split_once('?').map_or("", |(_, query)| query);
    let page = program.ask(&format!("{ALONE}?{query}"), &[])?;
    let on = answers(&program, &page, &mut key, VERIFIED)?;
    let back = program.ask(&path_of(on.location().with_context(|| on.body.clone())?), &[])?;
    let back = back.sent_to(REDIRECT).with_context(|| format!("{} {}", back.head, back.body))?;
    let tokens = program.redeem(value(&back, "code").context("no code")?, VERIFIER)?;
    let token = tokens.token("id_token")?;
    let claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).context("no claims")?)?)?;
    ensure!(claims["sub"] == format!("person/{}", user.user) && claims["amr"] == json!(["mfa"]), "{claims}");
    noted(&site, "signed_in", "passkey_alone")?;

    site.change_example(|file| file.replacen('\n', "\nsign_in: {passkeys_need_password: true}\n", 1))?;
    wait::until(SOON, || {
        let page = Visitor::new(&site)?.ask("/auth/v3/sign-in", &[])?;
        Ok((!page.body.contains("/sign-in/passkey")).then_some(()))
    })?;
    let visitor = Visitor::new(&site)?;
    ensure!(visitor.ask(ALONE, &[])?.status == 403, "a passkey alone is asked for");
    let taken = answers(&visitor, &half(&visitor, user)?, &mut key, TOUCHED)?;
    ensure!(taken.status == 303 && is_signed_in(&visitor)?, "{} {}", taken.status, taken.body);
    Ok(())
}

#[test]
fn a_passkey_that_was_removed_or_reset_signs_nobody_in() -> Result<()> {
    let site = site()?;
    let user = &site.demo.users[0];
    let (desk, mut first, _) = with_passkey(&site, user)?;
    let mut second = SecurityKey::new()?;
    let added = makes(&desk, &mut second)?;
    ensure!(added.status == 303, "{} {}", added.status, added.body);
    let taken = makes(&desk, &mut second)?;
    ensure!(taken.status == 409, "an id is taken twice: {} {}", taken.status, taken.body);
    let home = Visitor::new(&site)?;
    ensure!(alone(&home, &mut first, VERIFIED)?.status == 303, "the first is refused");
    ensure!(alone(&Visitor::new(&site)?, &mut second, VERIFIED)?.status == 303, "the second is refused");

    let own = desk.ask(PAGE, &[])?;
    let removed = desk.send_form(&own, &format!("value=\"{}\"", first.id()), &[])?;
    ensure!(removed.status == 303, "{} {}", removed.status, removed.body);
    ensure!(is_signed_in(&desk)? && !is_signed_in(&home)?, "what a passkey has opened that was removed goes on");
    let refused = alone(&Visitor::new(&site)?, &mut first, VERIFIED)?;
    ensure!(refused.status == 401, "it was removed: {} {}", refused.status, refused.body);
    let visitor = Visitor::new(&site)?;
    ensure!(answers(&visitor, &half(&visitor, user)?, &mut first, TOUCHED)?.status == 401, "it was removed");
    ensure!(answers(&visitor, &half(&visitor, user)?, &mut second, TOUCHED)?.status == 303, "the other one is not");

    // With the last one goes the second factor.
    let own = desk.ask(PAGE, &[])?;
    let removed = desk.send_form(&own, &format!("value=\"{}\"", second.id()), &[])?;
    ensure!(removed.status == 200 && removed.body.contains("no second factor"), "{} {}", removed.status, removed.body);
    ensure!(Visitor::new(&site)?.sign_in(&user.user, &user.password)?.status == 303, "a passkey is still asked for");

    let mut third = SecurityKey::new()?;
    let again = Visitor::new(&site)?;
    again.sign_in(&user.user, &user.password)?;
    recovery_codes(&makes(&again, &mut third)?)?;
    let mut before = String::new();
    site.change_example(|file| {
        file.clone_into(&mut before);
        let line = |line: &str| match line.split_once("second_factor: ").filter(|_| line.contains(&user.user)) {
            Some((front, rest)) => {
                let end = rest.find(", ").or_else(|| rest.rfind('}')).unwrap_or(rest.len());
                format!("{front}second_factor: reset{}\n", &rest[end..])
            }
            None => format!("{line}\n"),
        };
        file.lines().map(line).collect()
    })?;
    wait::until(SOON, || {
        let answer = Visitor::new(&site)?.sign_in(&user.user, &user.password)?;
        Ok((answer.status == 303).then_some(()))
    })
    .context("it is reset, and still asked for")?;
    ensure!(alone(&Visitor::new(&site)?, &mut third, VERIFIED)?.status == 401, "it was reset");

    site.change_example(|_| before)?;
    wait::until(SOON, || Ok((Visitor::new(&site)?.sign_in(&user.user, &user.password)?.status == 200).then_some(())))
        .context("an older export brings no second factor back")?;
    ensure!(alone(&Visitor::new(&site)?, &mut third, VERIFIED)?.status == 401, "an older export makes it good again");
    Ok(())
}

#[test]
fn a_passkey_alone_is_refused_elsewhere_of_who_is_disabled_and_where_a_provider_is_the_only_way() -> Result<()> {
    let site = site()?;
    let (user, other) = (&site.demo.users[0], &site.demo.users[1]);
    let (desk, mut key, _) = with_passkey(&site, user)?;
    let (_, mut of_other, _) = with_passkey(&site, other)?;
    site.import_text(GLOBEX)?;
    let visitor = Visitor::new(&site)?;
    let page = visitor.ask(&format!("{ALONE}?tenant=globex"), &[])?;
    let refused = answers(&visitor, &page, &mut key, VERIFIED)?;
    ensure!(refused.status == 401 && !is_signed_in(&visitor)?, "another tenant: {} {}", refused.status, refused.body);
    let taken = alone(&visitor, &mut key, VERIFIED)?;
    ensure!(taken.status == 303 && is_signed_in(&visitor)?, "{} {}", taken.status, taken.body);
    // With two tenants, this sign-in is for none.
    ensure!(
        alone(&Visitor::new(&site)?, &mut SecurityKey::new()?, VERIFIED)?.status == 401,
        "a key that nobody has made"
    );
    noted_of_installation(&site, "refused")?;

    let name = &user.user;
    site.change_example(|file| {
        file.replacen(&format!("{{user: {name},"), &format!("{{user: {name}, disabled: true,"), 1)
    })?;
    wait::until(SOON, || Ok((alone(&Visitor::new(&site)?, &mut key, VERIFIED)?.status == 401).then_some(())))
        .context("a disabled person is let in")?;
    let subject = format!("person/{name}");
    let refusals = noted(&site, "refused", "passkey_alone")?;
    ensure!(refusals.iter().any(|item| item["subject"] == subject.as_str()), "{refusals:?}");
    // Whose session has ended signs in at the same tenant: there are two by now.
    let away = desk.ask(PAGE, &[])?;
    let to_sign_in = away.location().is_some_and(|to| to.ends_with("sign-in?tenant=example&then=second-factor"));
    ensure!(away.status == 303 && to_sign_in, "{} {}", away.status, away.head);

    site.change_example(|file| file.replacen('\n', ONLY, 1))?;
    let (visitor, refused) = wait::until(SOON, || {
        let visitor = Visitor::new(&site)?;
        let answer = alone(&visitor, &mut of_other, VERIFIED)?;
        Ok((answer.status == 403).then_some((visitor, answer)))
    })
    .context("the provider is passed by")?;
    ensure!(refused.body.contains("A passkey alone is not enough here"), "{}", refused.body);
    ensure!(!is_signed_in(&visitor)?, "the provider is passed by");
    Ok(())
}

#[test]
fn a_browser_makes_a_passkey_and_signs_in_with_it() -> Result<()> {
    let site = site()?;
    let user = &site.demo.users[0];
    Browser::run("passkey", &site, "wallboard", &[user.user.clone(), user.password.clone()], IN_BROWSER)
}

/// An app and passkeys stand beside each other, and whoever has signed in long ago, or by the app alone, signs in again before a change.
#[test]
fn a_passkey_stands_beside_an_app() -> Result<()> {
    let site = site()?;
    let user = &site.demo.users[0];
    let (desk, mut key, _) = with_passkey(&site, user)?;
    let page = desk.ask(PAGE, &[])?;
    let secret = page.body.split("name=\"secret\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let mut app = Authenticator::new(secret.context("no key")?)?;
    let enrolled = desk.send_form(&page, "value=\"enrol\"", &[("password", &user.password), ("code", &app.code()?)])?;
    recovery_codes(&enrolled)?;
    let by_app = Visitor::new(&site)?;
    let asked = half(&by_app, user)?;
    let done = by_app.send_form(&asked, "name=\"code\"", &[("code", &app.code()?)])?;
    ensure!(done.status == 303 && is_signed_in(&by_app)?, "{} {}", done.status, done.body);
    let by_key = Visitor::new(&site)?;
    ensure!(answers(&by_key, &half(&by_key, user)?, &mut key, TOUCHED)?.status == 303, "the passkey is over");
    ensure!(alone(&Visitor::new(&site)?, &mut key, VERIFIED)?.status == 303, "the passkey is over");

    let again = by_key.ask("/auth/v3/sign-in?then=second-factor&prompt=login", &[])?;
    ensure!(again.status == 200 && again.body.contains("id=\"password\""), "{} {}", again.status, again.body);
    let own = by_key.ask(PAGE, &[])?;
    let forged = by_key.send_form(&own, "data-passkey=\"make\"", &[("handle", "AAAA")])?;
    ensure!(forged.status == 403, "the form of somebody else: {} {}", forged.status, forged.body);
    Ok(())
}
