//! What is revoked, as the other roles see it.

use anyhow::{Result, ensure};
use testkit::{Installation, Visitor, wait};

use super::person;
use crate::conference::SOON;

/// What is given back opens nothing at the other roles either, and takes no other sign-in with it.
#[test]
fn a_revoked_token_is_refused_by_every_role() -> Result<()> {
    let site = Installation::start()?;
    let visitor = Visitor::new(&site)?;
    let user = person(&site, "administrator")?;
    let signed_in = || visitor.by_password(&user.user, &user.password)?.token("access_token");
    let (given_back, kept) = (signed_in()?, signed_in()?);
    let opens = |token: &str| anyhow::Ok(visitor.bearing("/api/operations/v1/topology", token)?.status);
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
