//! The second factor: an authenticator app and recovery codes, taken over by people and asked for by tenants.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::installation::DemoUser;
use testkit::visitor::{CurlAnswer, REDIRECT, SESSION, VERIFIER, path_of, value};
use testkit::{Authenticator, Installation, Visitor, wait};

const PAGE: &str = "/auth/v3/second-factor";
const CHANGE: &str = "/auth/v3/change-password";
/// A change of the configuration is there.
const SOON: Duration = Duration::from_secs(45);
/// Wrong codes that are looked at before the first wait.
const FREE_TRIES: usize = 5;

fn is_signed_in(visitor: &Visitor<'_>) -> Result<bool> {
    Ok(visitor.ask("/auth/v3/ping", &[])?.status == 200)
}

/// The key that a page shows, as its form has it.
fn key(page: &CurlAnswer) -> Result<String> {
    let rest = page.body.split("name=\"secret\" value=\"").nth(1).with_context(|| format!("no key: {}", page.body))?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}

/// The recovery codes that a page shows.
fn recovery_codes(page: &CurlAnswer) -> Result<Vec<String>> {
    let rows = page.body.split("<li><code>").skip(1).filter_map(|rest| rest.split('<').next());
    let codes: Vec<String> = rows.map(str::to_owned).collect();
    ensure!(page.status == 200 && codes.len() == 10, "{} {}", page.status, page.body);
    Ok(codes)
}

/// Somebody who is signed in takes an app over.
fn takes_over(visitor: &Visitor<'_>, password: &str) -> Result<(Authenticator, Vec<String>)> {
    let page = visitor.ask(PAGE, &[])?;
    let mut app = Authenticator::new(&key(&page)?)?;
    let done = visitor.send_form(&page, "value=\"enrol\"", &[("password", password), ("code", &app.code()?)])?;
    Ok((app, recovery_codes(&done)?))
}

/// Signs in by the password and that code.
fn signs_in(visitor: &Visitor<'_>, user: &DemoUser, code: &str) -> Result<CurlAnswer> {
    let asked = visitor.sign_in(&user.user, &user.password)?;
    ensure!(asked.status == 200 && !is_signed_in(visitor)?, "{} {}", asked.status, asked.body);
    visitor.send_form(&asked, "name=\"half\"", &[("code", code)])
}

fn claims(token: &str) -> Result<Value> {
    let payload = token.split('.').nth(1).context("no payload")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?)
}

#[test]
fn a_person_takes_an_app_over_and_signs_in_with_its_codes() -> Result<()> {
    let site = Installation::start()?;
    let user = &site.demo.users[0];
    let (desk, home, other) = (Visitor::new(&site)?, Visitor::new(&site)?, Visitor::new(&site)?);
    let nobody = desk.ask(PAGE, &[])?;
    ensure!(nobody.location().is_some_and(|to| to.ends_with("sign-in?then=second-factor")), "{}", nobody.head);
    desk.sign_in(&user.user, &user.password)?;
    let elsewhere = Visitor::new(&site)?;
    elsewhere.sign_in(&user.user, &user.password)?;

    let page = desk.ask(PAGE, &[])?;
    ensure!(page.status == 200 && page.body.contains("otpauth://totp/Trunkline:example%2F"), "{}", page.body);
    ensure!(page.body.contains("<svg") && !page.body.contains("<script"), "{}", page.body);
    let mut app = Authenticator::new(&key(&page)?)?;
    let (code, wrong) = (app.code()?, app.wrong_code()?);
    for (password, code, status) in
        [(user.password.as_str(), wrong.as_str(), 400), ("tall green kettle", code.as_str(), 401)]
    {
        let refused = desk.send_form(&page, "value=\"enrol\"", &[("password", password), ("code", code)])?;
        ensure!(refused.status == status && key(&refused)? == key(&page)?, "{} {}", refused.status, refused.body);
    }
    let forged = home.send_form(&page, "value=\"enrol\"", &[("password", &user.password), ("code", &code)])?;
    ensure!(forged.status == 303, "a form of another browser: {}", forged.status);
    let done = desk.send_form(&page, "value=\"enrol\"", &[("password", &user.password), ("code", &code)])?;
    recovery_codes(&done)?;
    ensure!(is_signed_in(&desk)? && !is_signed_in(&elsewhere)?, "what the password alone has opened goes on");

    // The code that has shown that the app works signs nobody in.
    ensure!(signs_in(&home, user, &code)?.status == 401, "a code is good twice");
    let asked = home.sign_in(&user.user, &user.password)?;
    ensure!(home.cookie(SESSION)?.is_none(), "half of a sign-in has a session");
    let code = app.code()?;
    let stolen = other.send_form(&asked, "name=\"half\"", &[("code", &code)])?;
    ensure!(stolen.status == 403 && !is_signed_in(&other)?, "{} {}", stolen.status, stolen.body);
    let signed_in = home.send_form(&asked, "name=\"half\"", &[("code", &code)])?;
    ensure!(signed_in.status == 303 && is_signed_in(&home)?, "{} {}", signed_in.status, signed_in.body);
    let again = home.send_form(&asked, "name=\"half\"", &[("code", &code)])?;
    ensure!(again.status != 303, "a code is good twice: {}", again.head);

    // What shows a name and a password alone gets nothing.
    ensure!(home.by_password(&user.user, &user.password)?.error() == "invalid_grant", "a password is enough");
    let chosen =
        json!({ "data": { "userName": user.user, "oldPassword": user.password, "newPassword": "slow brown teapot" } });
    let changed = other.ask(CHANGE, &["--header", "Content-Type: application/json", "--data", &chosen.to_string()])?;
    ensure!(changed.status == 403, "{} {}", changed.status, changed.body);
    Ok(())
}

#[test]
fn a_program_learns_by_what_somebody_has_signed_in() -> Result<()> {
    let site = Installation::start()?;
    let user = &site.demo.users[0];
    let (desk, home) = (Visitor::new(&site)?, Visitor::new(&site)?);
    let before = claims(&desk.redeem(&desk.code(&user.user, &user.password)?, VERIFIER)?.token("id_token")?)?;
    ensure!(before["amr"] == json!(["pwd"]), "{before}");
    let (mut app, _) = takes_over(&desk, &user.password)?;

    let begun = home.authorize(&[])?;
    let asked = home.fill_in(&path_of(begun.location().context("no page")?), &user.user, &user.password, &[])?;
    let mut answer = home.send_form(&asked, "name=\"half\"", &[("code", &app.code()?)])?;
    if answer.sent_to(REDIRECT).is_none() {
        answer = home.ask(&path_of(answer.location().with_context(|| answer.body.clone())?), &[])?;
    }
    let back = answer.sent_to(REDIRECT).with_context(|| format!("{} {}", answer.head, answer.body))?;
    let tokens = home.redeem(value(&back, "code").context("no code")?, VERIFIER)?;
    let after = claims(&tokens.token("id_token")?)?;
    ensure!(after["amr"] == json!(["pwd", "otp"]), "{after}");
    let refreshed = home.refresh(&tokens.token("refresh_token")?)?;
    ensure!(claims(&refreshed.token("id_token")?)?["amr"] == after["amr"], "{}", refreshed.body);
    Ok(())
}

#[test]
fn a_recovery_code_is_good_once_and_no_secret_is_anywhere() -> Result<()> {
    let site = Installation::start()?;
    let user = &site.demo.users[0];
    let (desk, home) = (Visitor::new(&site)?, Visitor::new(&site)?);
    desk.sign_in(&user.user, &user.password)?;
    let page = desk.ask(PAGE, &[])?;
    let key = key(&page)?;
    let mut app = Authenticator::new(&key)?;
    let first = desk.send_form(&page, "value=\"enrol\"", &[("password", &user.password), ("code", &app.code()?)])?;
    let codes = recovery_codes(&first)?;

    let typed = codes[0].to_uppercase().replace('-', " ");
    ensure!(signs_in(&home, user, &typed)?.status == 303 && is_signed_in(&home)?, "it is refused");
    ensure!(signs_in(&Visitor::new(&site)?, user, &codes[0])?.status == 401, "it is good twice");
    let page = desk.ask(PAGE, &[])?;
    ensure!(page.body.contains("Recovery codes left: 9."), "{}", page.body);

    let renewed = desk.send_form(&page, "value=\"codes\"", &[("present", &codes[1])])?;
    let others = recovery_codes(&renewed)?;
    ensure!(signs_in(&Visitor::new(&site)?, user, &codes[2])?.status == 401, "one of before is good");

    let mut export = String::new();
    site.change_example(|file| {
        file.clone_into(&mut export);
        file.to_owned()
    })?;
    ensure!(export.contains("second_factor: "), "the export is without it: {export}");
    let log = site.log().join("\n");
    for secret in codes.iter().chain(&others).chain([&key]) {
        ensure!(!log.contains(secret.as_str()) && !export.contains(secret.as_str()), "a secret is shown");
    }
    // An import of what was exported leaves it as it was.
    ensure!(signs_in(&Visitor::new(&site)?, user, &others[0])?.status == 303, "the import has changed it");

    let page = desk.ask(PAGE, &[])?;
    let removed = desk.send_form(&page, "value=\"remove\"", &[("present", &app.code()?)])?;
    ensure!(removed.status == 200, "{} {}", removed.status, removed.body);
    ensure!(Visitor::new(&site)?.sign_in(&user.user, &user.password)?.status == 303, "it is still asked for");
    Ok(())
}

/// Who knows the password and guesses codes gets no more tries by coming from elsewhere.
#[test]
fn guessed_codes_cost_waits_from_wherever_they_come() -> Result<()> {
    let site = Installation::start()?;
    let user = &site.demo.users[0];
    let desk = Visitor::new(&site)?;
    desk.sign_in(&user.user, &user.password)?;
    let (app, recovery) = takes_over(&desk, &user.password)?;
    let wrong = app.wrong_code()?;
    // From here a code was right: who guesses elsewhere keeps nobody out here.
    ensure!(signs_in(&Visitor::new(&site)?, user, &recovery[0])?.status == 303, "a recovery code is refused");
    let mut looked_at = 0;
    for from in (1..=2).cycle().take(2 * FREE_TRIES) {
        let guesser = Visitor::at(&site, site.stranger_address(from))?;
        let answer = signs_in(&guesser, user, &wrong)?;
        if answer.status == 429 {
            ensure!(answer.header("retry-after").is_some(), "{}", answer.head);
            ensure!(looked_at >= FREE_TRIES, "{looked_at} were looked at");
            let answer = signs_in(&Visitor::new(&site)?, user, &recovery[1])?;
            ensure!(answer.status == 303, "{} {}", answer.status, answer.body);
            return Ok(());
        }
        ensure!(answer.status == 401, "{} {}", answer.status, answer.body);
        looked_at += 1;
    }
    anyhow::bail!("{looked_at} guesses were looked at")
}

/// People whom the tenant asks for it set it up at the sign-in, keep it, and get another one when it was reset.
#[test]
fn a_tenant_asks_for_a_second_factor_and_takes_one_away() -> Result<()> {
    let site = Installation::start()?;
    let user = site.demo.users.iter().find(|user| user.kind == "administrator").context("no administrator")?;
    let other = site.demo.users.iter().find(|user| user.kind == "agent").context("no agent")?;
    let (before, agent, program) = (Visitor::new(&site)?, Visitor::new(&site)?, Visitor::new(&site)?);
    let tokens = program.redeem(&program.code(&user.user, &user.password)?, VERIFIER)?;
    let refresh_token = tokens.token("refresh_token")?;
    ensure!(program.introspect(&refresh_token)?.json()?["active"] == true, "a refresh token is not active");
    before.sign_in(&user.user, &user.password)?;
    agent.sign_in(&other.user, &other.password)?;
    site.change_example(|file| file.replacen('\n', "\nrequire_second_factor: [administrator]\n", 1))?;
    let asks = |title: &str| {
        wait::until(SOON, || {
            let visitor = Visitor::new(&site)?;
            let page = visitor.sign_in(&user.user, &user.password)?;
            Ok(page.body.contains(title).then_some((visitor, page)))
        })
    };
    let (desk, page) = asks("Set up a second factor")?;
    ensure!(desk.cookie(SESSION)?.is_none(), "the password alone has a session");
    ensure!(program.introspect(&refresh_token)?.json()?["active"] == false, "what is not exchanged any more is active");
    ensure!(program.refresh(&refresh_token)?.error() == "invalid_grant", "a refresh token of before is exchanged");
    ensure!(!is_signed_in(&before)? && is_signed_in(&agent)?, "the session of before goes on");
    ensure!(desk.by_password(&user.user, &user.password)?.error() == "invalid_grant", "a password is enough");
    let mut app = Authenticator::new(&key(&page)?)?;
    let wrong = desk.send_form(&page, "name=\"half\"", &[("code", &app.wrong_code()?)])?;
    ensure!(wrong.status == 401 && key(&wrong)? == key(&page)?, "{} {}", wrong.status, wrong.body);
    let done = desk.send_form(&wrong, "name=\"half\"", &[("code", &app.code()?)])?;
    recovery_codes(&done)?;
    ensure!(is_signed_in(&desk)?, "it is set up, and nobody is signed in");
    ensure!(Visitor::new(&site)?.sign_in(&other.user, &other.password)?.status == 303, "others are asked too");

    let own = desk.ask(PAGE, &[])?;
    ensure!(!own.body.contains("value=\"remove\""), "it may be given up: {}", own.body);
    let (home, asked) = asks("Enter your code")?;
    ensure!(home.send_form(&asked, "name=\"half\"", &[("code", &app.code()?)])?.status == 303, "it is refused");

    site.change_example(|file| {
        let line = |line: &str| match line.split_once("second_factor: ").filter(|_| line.contains(&user.user)) {
            Some((front, rest)) => {
                let end = rest.find(", ").or_else(|| rest.rfind('}')).unwrap_or(rest.len());
                format!("{front}second_factor: reset{}\n", &rest[end..])
            }
            None => format!("{line}\n"),
        };
        file.lines().map(line).collect()
    })?;
    let (_, page) = asks("Set up a second factor")?;
    ensure!(key(&page)? != key(&wrong)?, "it is the key of before");
    Ok(())
}
