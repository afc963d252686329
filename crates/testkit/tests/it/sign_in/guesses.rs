//! Guessed passwords: who guesses waits, the person gets in from elsewhere, and nobody learns whether there is such a person.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::visitor::CurlAnswer;
use testkit::{Installation, Visitor, wait};

use super::person;

const SIGN_IN: &str = "/auth/v3/sign-in";
const WRONG: &str = "tall green kettle";
const SOON: Duration = Duration::from_secs(60);
/// What an address may try of all names before strangers wait there.
const TRIES: u32 = 100;
const KEY_GRANT: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
const KEY_TYPE: (&str, &str) = ("subject_token_type", "urn:trunkline:params:oauth:token-type:api-key");
/// How long a wrong password must still cost a wait for the right one to be tried within it, in seconds.
const WAITS_STILL: u64 = 6;

/// How long an answer asks to wait, in seconds.
fn wait_of(answer: &CurlAnswer) -> Option<u64> {
    answer.header("retry-after").filter(|_| answer.status == 429)?.parse().ok()
}

/// Guesses until a wait begins, of so many seconds at least.
fn guess(visitor: &Visitor<'_>, user: &str, at_least: u64) -> Result<()> {
    let waits = wait::until(SOON, || {
        let answer = visitor.by_password(user, WRONG)?;
        ensure!([400, 429].contains(&answer.status), "{user}: {} {}", answer.status, answer.body);
        Ok(wait_of(&answer).filter(|seconds| *seconds >= at_least))
    });
    waits.map(drop).with_context(|| format!("{user} may be guessed"))
}

#[test]
fn who_guesses_waits_and_the_person_gets_in_from_elsewhere() -> Result<()> {
    let site = Installation::start()?;
    let (user, other) = (person(&site, "agent")?, person(&site, "supervisor")?);
    let guesser = Visitor::at(&site, site.stranger_address(1))?;
    // What the guesser says of its address counts for nothing.
    let disguised = ["--header", "X-Forwarded-For: 192.0.2.1", "--header", "Forwarded: for=192.0.2.1"];

    guess(&guesser, &user.user, WAITS_STILL)?;
    for name in [&user.user, &user.user.to_uppercase(), &format!("example\\{}", user.user)] {
        let right = guesser.by_password(name, &user.password)?;
        ensure!(wait_of(&right).is_some(), "{name} gets in: {} {}", right.status, right.body);
    }
    let page = guesser.fill_in(SIGN_IN, &user.user, &user.password, &disguised)?;
    ensure!(wait_of(&page).is_some() && page.location().is_none(), "the page: {} {}", page.status, page.head);

    let elsewhere = Visitor::at(&site, site.stranger_address(2))?;
    let right = elsewhere.by_password(&user.user, &user.password)?;
    ensure!(right.status == 200, "the person does not get in from elsewhere: {} {}", right.status, right.body);
    let beside = guesser.by_password(&other.user, &other.password)?;
    ensure!(beside.status == 200, "who sits beside the guesser does not get in: {} {}", beside.status, beside.body);

    // Somebody who does not exist waits as well.
    guess(&guesser, "nobody.known", 1)?;
    an_office_is_never_locked_out(&site)
}

/// Whoever uses up the tries of an address keeps out nobody who has signed in from there lately.
fn an_office_is_never_locked_out(site: &Installation) -> Result<()> {
    let (known, new) = (person(site, "agent")?, person(site, "supervisor")?);
    let office = Visitor::at(site, site.stranger_address(3))?;
    let first = office.by_password(&known.user, &known.password)?;
    ensure!(first.status == 200, "{} {}", first.status, first.body);
    // API keys count as passwords do, and cost no slow hash; each has a name of its own, which has no wait yet.
    let mut tries = 0;
    loop {
        let key = format!("tlk_{tries:011}_{}", "0".repeat(43));
        let grant = [KEY_GRANT, KEY_TYPE, ("subject_token", key.as_str())];
        let answer = office.post("/auth/v3/oauth/token", &grant, &[])?;
        if wait_of(&answer).is_some() {
            break;
        }
        ensure!(answer.error() == "invalid_grant" && tries < TRIES, "{tries}: {} {}", answer.status, answer.body);
        tries += 1;
    }
    ensure!(tries == TRIES, "the address waits after {tries}");
    let refused = office.by_password(&new.user, &new.password)?;
    ensure!(wait_of(&refused).is_some(), "a stranger there is looked at: {} {}", refused.status, refused.body);
    let right = office.by_password(&known.user, &known.password)?;
    ensure!(right.status == 200, "a program keeps the office out: {} {}", right.status, right.body);
    let page = office.sign_in(&known.user, &known.password)?;
    ensure!(page.status == 303, "the page keeps the office out: {} {}", page.status, page.body);
    let elsewhere = Visitor::at(site, site.stranger_address(4))?.by_password(&new.user, &new.password)?;
    ensure!(elsewhere.status == 200, "elsewhere: {} {}", elsewhere.status, elsewhere.body);
    Ok(())
}
