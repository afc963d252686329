//! What is revoked, as the other roles see it.

use anyhow::{Result, ensure};
use testkit::{Installation, Visitor, wait};

use super::person;
use crate::conference::SOON;
use crate::doctor;

/// What an administrator may read.
const WALLBOARD: &str = "/pulse/api/v1/example/wallboard";

/// What is given back opens nothing at the other roles either, and takes no other sign-in with it.
#[test]
fn a_revoked_token_is_refused_by_every_role() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let user = person(&site, "administrator")?;
    let signed_in = || visitor.by_password(&user.user, &user.password)?.token("access_token");
    let (given_back, kept) = (signed_in()?, signed_in()?);
    let opens = |token: &str| anyhow::Ok(visitor.bearing(WALLBOARD, token)?.status);
    ensure!(opens(&given_back)? == 200 && opens(&kept)? == 200, "a token opens nothing");
    let answer = visitor.revoke(&given_back)?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    wait::until(SOON, || Ok((opens(&given_back)? == 401).then_some(())))?;
    ensure!(opens(&kept)? == 200, "another sign-in has ended too");

    // Its keys: one for people and programs, which a stranger finds by discovery.
    let keys = visitor.ask("/auth/v3/oauth/jwks", &[])?.json()?;
    ensure!(keys["keys"].as_array().is_some_and(|keys| keys.len() == 1), "{keys}");
    Ok(())
}

/// A tab signs out with a refresh token that another tab has exchanged meanwhile: the sign-in ends all the same.
#[test]
fn an_exchanged_refresh_token_that_is_given_back_ends_its_sign_in() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let user = person(&site, "agent")?;
    let first = visitor.by_password(&user.user, &user.password)?.token("refresh_token")?;
    let exchanged = visitor.refresh(&first)?;
    let (access, next) = (exchanged.token("access_token")?, exchanged.token("refresh_token")?);
    ensure!(visitor.revoke("no.token")?.status == 200, "a token that is not known is refused");
    ensure!(visitor.bearing("/auth/v3/ping", &access)?.status == 200, "it has ended already");
    let answer = visitor.revoke(&first)?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    ensure!(visitor.refresh(&next)?.error() == "invalid_grant", "its refresh token lives on");
    ensure!(visitor.bearing("/auth/v3/ping", &access)?.status != 200, "its access token lives on");
    Ok(())
}

/// While the other roles cannot be told, nobody is told that a token is revoked; once they can, it is.
#[test]
fn a_revocation_that_cannot_be_written_is_not_confirmed() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let user = person(&site, "administrator")?;
    let token = visitor.by_password(&user.user, &user.password)?.token("access_token")?;
    // Nothing can be written in the place of a folder.
    let file = site.data_dir().join("keys/public/revoked.json");
    let _ = std::fs::remove_file(&file);
    std::fs::create_dir(&file)?;
    for _ in 0..2 {
        let answer = visitor.revoke(&token)?;
        ensure!(answer.status == 503, "{} {}", answer.status, answer.body);
        ensure!(answer.header("retry-after").is_some(), "{}", answer.head);
    }
    ensure!(site.metric("auth", "auth_revocations_unwritten")? >= 1.0, "it is not counted");
    std::fs::remove_dir(&file)?;
    wait::until(SOON, || Ok((visitor.revoke(&token)?.status == 200).then_some(())))?;
    site.metric_becomes("auth", "auth_revocations_unwritten", 0.0, SOON)?;
    let opens = || anyhow::Ok(visitor.bearing(WALLBOARD, &token)?.status);
    wait::until(SOON, || Ok((opens()? == 401).then_some(())))
}

/// Whatever becomes of the file, what was revoked stays so; the operator is told, and auth writes it anew.
#[test]
fn what_was_revoked_stays_so_when_the_file_is_damaged() -> Result<()> {
    const AGE: &str = "token_revocations_age_seconds";
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let user = person(&site, "administrator")?;
    let signed_in = || visitor.by_password(&user.user, &user.password)?.token("access_token");
    let (first, second) = (signed_in()?, signed_in()?);
    let opens = |token: &str| anyhow::Ok(visitor.bearing(WALLBOARD, token)?.status);
    ensure!(visitor.revoke(&first)?.status == 200, "it is not revoked");
    wait::until(SOON, || Ok((opens(&first)? == 401).then_some(())))?;

    std::fs::write(site.data_dir().join("keys/public/revoked.json"), "{")?;
    wait::until(SOON, || Ok((site.metric("pulse", AGE)? >= 3.0).then_some(())))?;
    ensure!(opens(&first)? == 401, "what was revoked is good again");
    ensure!(opens(&second)? == 200, "what was not revoked is refused");
    let visit = doctor::visit(&site, &[])?;
    ensure!(visit.has("tokens", "revoked.json"), "{:?}", visit.of("tokens"));

    ensure!(visitor.revoke(&second)?.status == 200, "nothing can be revoked any more");
    wait::until(SOON, || Ok((opens(&second)? == 401).then_some(())))?;
    ensure!(opens(&first)? == 401, "what was revoked before is lost");
    wait::until(SOON, || Ok((site.metric("pulse", AGE)? < 3.0).then_some(())))?;
    let visit = doctor::visit(&site, &[])?;
    ensure!(visit.of("tokens").is_empty(), "{:?}", visit.of("tokens"));
    Ok(())
}
