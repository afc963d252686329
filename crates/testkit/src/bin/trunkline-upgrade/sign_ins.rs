//! People who sign in, and what is noted of that.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::installation::DemoUser;
use testkit::visitor::CurlAnswer;
use testkit::{Installation, Visitor, wait};

use crate::site::{Build, UpgradeSite};

const WRONG: &str = "tall green kettle";
/// Requests do not wait until what they do is noted.
const NOTED_WITHIN: Duration = Duration::from_secs(45);
const SIGNED_IN: &str = "signed_in";
/// What both builds know: a later one may note more.
const KNOWN_TO_BOTH: [&str; 2] = [SIGNED_IN, "refused"];

/// What is known of signing in.
#[derive(Default)]
pub struct SignInTrace {
    noted: BTreeSet<String>,
    refresh_token: Option<String>,
}

impl SignInTrace {
    /// Somebody signs in, the first time after a mistake; returns when that is noted.
    pub fn sign_in(&mut self, site: &UpgradeSite, build: Build) -> Result<()> {
        let before = signed_in(&noted(site, build)?);
        let installation = site.installation()?;
        let DemoUser { user, password, .. } = installation.demo.users.first().context("nobody signs in")?;
        let visitor = Visitor::new(installation)?;
        // Who mistypes more often has to wait.
        if self.noted.is_empty() {
            let refused = by_password(&visitor, installation, user, WRONG)?;
            ensure!(
                refused.error() == "invalid_grant",
                "a wrong password of {user}: {} {}",
                refused.status,
                refused.body
            );
        }
        let tokens = by_password(&visitor, installation, user, password)?;
        self.refresh_token = Some(tokens.token("refresh_token").context("the sign-in")?);
        let after = wait::until(NOTED_WITHIN, || Ok(Some(noted(site, build)?).filter(|now| signed_in(now) > before)));
        self.noted.extend(after.context("the sign-in is not noted")?);
        Ok(())
    }

    /// Whoever signed in last gets the next token.
    pub fn go_on(&mut self, site: &UpgradeSite) -> Result<()> {
        let Some(token) = self.refresh_token.take() else { return Ok(()) };
        let installation = site.installation()?;
        let grant = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
        let next = asked(&Visitor::new(installation)?, installation, &grant)?;
        self.refresh_token = Some(next.token("refresh_token").context("the next token of who signed in before")?);
        Ok(())
    }

    /// What was noted and is not told by this build.
    pub fn lost(&self, site: &UpgradeSite, build: Build) -> Result<Vec<String>> {
        let told = noted(site, build)?;
        Ok(self.noted.difference(&told).map(|line| format!("{build:?} build does not tell {line}")).collect())
    }

    /// How much is noted.
    pub fn count(&self) -> usize {
        self.noted.len()
    }
}

fn by_password(visitor: &Visitor<'_>, site: &Installation, user: &str, password: &str) -> Result<CurlAnswer> {
    asked(visitor, site, &[("grant_type", "password"), ("username", user), ("password", password)])
}

/// What the demo's client is answered. It names its tenant, since there is another one.
fn asked(visitor: &Visitor<'_>, site: &Installation, grant: &[(&str, &str)]) -> Result<CurlAnswer> {
    let client = site.demo.clients.first().context("the demo has no client")?;
    visitor.token_as(&format!("example/{}", client.id), &client.secret, grant)
}

/// What a build tells, each as time, event and subject: a later build may tell more of it.
fn noted(site: &UpgradeSite, build: Build) -> Result<BTreeSet<String>> {
    let said = site.said(build, &["tenant", "sign-ins", "example", "--limit", "5000", "--format", "json"])?;
    let mut lines = said.lines().map(line_of).collect::<Result<BTreeSet<String>>>()?;
    lines.retain(|line| KNOWN_TO_BOTH.contains(&event_of(line)));
    Ok(lines)
}

fn line_of(said: &str) -> Result<String> {
    let record: Value = serde_json::from_str(said).with_context(|| said.to_owned())?;
    let text = |field: &str| record[field].as_str().unwrap_or("-").to_owned();
    Ok(format!("{} {} {}", text("at"), text("event"), text("subject")))
}

fn signed_in(lines: &BTreeSet<String>) -> usize {
    lines.iter().filter(|line| event_of(line) == SIGNED_IN).count()
}

fn event_of(line: &str) -> &str {
    line.split(' ').nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_known_by_time_event_and_subject() {
        let said = r#"{"at":"2026-11-20T07:00:00Z","event":"signed_in","way":"password","subject":"person/ann"}"#;
        let line = line_of(said).unwrap();
        assert_eq!(line, "2026-11-20T07:00:00Z signed_in person/ann");
        assert_eq!(signed_in(&BTreeSet::from([line])), 1);
    }
}
