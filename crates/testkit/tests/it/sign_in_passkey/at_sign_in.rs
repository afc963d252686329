//! The first second factor of somebody who must have one: a passkey or an app, set up at the sign-in.

use anyhow::{Context, Result, ensure};
use testkit::browser::Browser;
use testkit::installation::DemoUser;
use testkit::visitor::{CurlAnswer, SESSION};
use testkit::{Authenticator, Installation, Visitor, wait};

use super::security_key::{AnswersAs, AskedByPage, SecurityKey};
use super::{IN_BROWSER, SOON, TOUCHED, answers, half, is_signed_in, noted, recovery_codes, sends, site};

const TITLE: &str = "Set up a second factor";

/// An installation whose administrators and supervisors must have a second factor, as its sign-in page knows by now.
fn strict_site() -> Result<Installation> {
    let site = site()?;
    site.change_example(|file| file.replacen('\n', "\nrequire_second_factor: [administrator, supervisor]\n", 1))?;
    let user = person(&site, "administrator")?;
    wait::until(SOON, || {
        let page = Visitor::new(&site)?.sign_in(&user.user, &user.password)?;
        Ok(page.body.contains(TITLE).then_some(()))
    })
    .context("nobody is asked for a second factor")?;
    Ok(site)
}

fn person<'s>(site: &'s Installation, kind: &str) -> Result<&'s DemoUser> {
    site.demo.users.iter().find(|user| user.kind == kind).with_context(|| format!("no {kind}"))
}

/// The key of the app that a page shows, as its forms have it.
fn app_of(page: &CurlAnswer) -> Result<String> {
    let rest = page.body.split("name=\"secret\" value=\"").nth(1).with_context(|| format!("no key: {}", page.body))?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}

#[test]
fn who_must_have_a_second_factor_makes_a_passkey_at_the_sign_in() -> Result<()> {
    let site = strict_site()?;
    let user = person(&site, "administrator")?;
    let (desk, mut key) = (Visitor::new(&site)?, SecurityKey::new()?);
    let page = half(&desk, user)?;
    ensure!(desk.cookie(SESSION)?.is_none(), "the password alone has a session");
    let policy = page.header("content-security-policy").unwrap_or_default();
    ensure!(
        page.body.contains("<h2>An authenticator app</h2>") && policy.contains("script-src 'self'"),
        "{}",
        page.head
    );

    // Without a script nothing is filled in: the page says so, and stays that of the same app.
    let empty = sends(&desk, &page, "make", &[])?;
    ensure!(empty.status == 400 && empty.body.contains("Does it run scripts?"), "{} {}", empty.status, empty.body);
    ensure!(app_of(&empty)? == app_of(&page)?, "it is another app");
    let elsewhere = AnswersAs { origin: "http://localhost:8081", ..TOUCHED };
    let filled = key.makes(&AskedByPage::read(&empty, "make")?, elsewhere)?;
    let refused = sends(&desk, &empty, "make", &filled)?;
    ensure!(refused.status == 400 && !is_signed_in(&desk)?, "another origin: {} {}", refused.status, refused.body);

    // Shown before there is a passkey, in another browser: nobody has answered to it.
    let (again, other) = (Visitor::new(&site)?, Visitor::new(&site)?);
    let (unused, unused_app) = (half(&again, user)?, half(&other, user)?);
    let filled = key.makes(&AskedByPage::read(&refused, "make")?, TOUCHED)?;
    let stolen = sends(&Visitor::new(&site)?, &refused, "make", &filled)?;
    ensure!(stolen.status == 403, "another browser: {} {}", stolen.status, stolen.body);
    let made = sends(&desk, &refused, "make", &filled)?;
    recovery_codes(&made)?;
    ensure!(is_signed_in(&desk)?, "it is made, and nobody is signed in");
    noted(&site, "second_factor_set", "passkey")?;
    noted(&site, "signed_in", "passkey")?;

    // The form of before is none of somebody who has a second factor by now.
    let mut second = SecurityKey::new()?;
    let filled = second.makes(&AskedByPage::read(&unused, "make")?, TOUCHED)?;
    let late = sends(&again, &unused, "make", &filled)?;
    ensure!(late.status == 403 && !is_signed_in(&again)?, "{} {}", late.status, late.body);
    let mut app = Authenticator::new(&app_of(&unused_app)?)?;
    let by_app = other.send_form(&unused_app, "id=\"code\"", &[("code", &app.code()?)])?;
    ensure!(by_app.status == 403 && !is_signed_in(&other)?, "{} {}", by_app.status, by_app.body);

    let home = Visitor::new(&site)?;
    let asked = half(&home, user)?;
    ensure!(AskedByPage::read(&asked, "show")?.ids == key.id(), "{}", asked.body);
    let taken = answers(&home, &asked, &mut key, TOUCHED)?;
    ensure!(taken.status == 303 && is_signed_in(&home)?, "{} {}", taken.status, taken.body);
    Ok(())
}

/// The same page, and no script anywhere.
#[test]
fn who_has_no_passkey_takes_an_app_over_at_the_sign_in() -> Result<()> {
    let site = strict_site()?;
    let user = person(&site, "supervisor")?;
    let desk = Visitor::new(&site)?;
    let page = half(&desk, user)?;
    let mut app = Authenticator::new(&app_of(&page)?)?;
    let wrong = desk.send_form(&page, "id=\"code\"", &[("code", &app.wrong_code()?)])?;
    ensure!(wrong.status == 401 && app_of(&wrong)? == app_of(&page)?, "{} {}", wrong.status, wrong.body);
    let done = desk.send_form(&wrong, "id=\"code\"", &[("code", &app.code()?)])?;
    recovery_codes(&done)?;
    ensure!(is_signed_in(&desk)?, "it is set up, and nobody is signed in");
    let home = Visitor::new(&site)?;
    let asked = half(&home, user)?;
    ensure!(asked.body.contains("Enter your code") && !asked.body.contains("<script"), "{}", asked.body);
    Ok(())
}

#[test]
fn a_browser_makes_the_first_passkey_at_the_sign_in() -> Result<()> {
    let site = strict_site()?;
    let user = person(&site, "administrator")?;
    Browser::run("firstPasskey", &site, "wallboard", &[user.user.clone(), user.password.clone()], IN_BROWSER)
}
