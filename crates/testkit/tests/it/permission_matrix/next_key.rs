//! The next key that signs tokens is made while the roles run, as role auth makes one each 30 days: nobody waits for that here, since it is
//! made by a clock that is ahead. What the key of before has signed stays good, and what the next one signs is good within seconds.

use std::sync::Arc;
use std::time::Duration;

use ::infra::{Clock, SystemClock};
use anyhow::{Context, Result, ensure};
use model::Timestamp;
use runtime::key_files;
use runtime::token::ACCESS_TOKEN;
use testkit::{Installation, Visitor, wait};

use crate::conference::SOON;
use crate::sign_in::forgeries::claims;

/// Auth looks for keys that others have made each minute.
const LATER: Duration = Duration::from_secs(120);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// By then the next key is due; it signs an hour later.
const DUE: u32 = 30;
/// By then it signs.
const SIGNS: u32 = 31;
/// What an administrator may read, at roles that verify for themselves.
const OPENED: [&str; 3] = [
    "/pulse/api/v1/example/wallboard",
    "/agent-setup/api/v1/example/history?page_size=1",
    "/api/operations/v1/example/traces?limit=1",
];

/// A clock that is ahead by so many days.
struct DaysAhead(SystemClock, u32);

impl Clock for DaysAhead {
    fn now(&self) -> Timestamp {
        self.0.now() + DAY * self.1
    }
}

/// What an administrator's token says, signed by the key of before and by the next one.
pub struct TokensOfTwoKeys {
    before: String,
    next: String,
}

/// Makes the next key, and waits until all roles believe it.
pub fn made(site: &Installation, administrator: &str) -> Result<TokensOfTwoKeys> {
    let ahead = |days| -> Arc<dyn Clock> { Arc::new(DaysAhead(SystemClock::start(), days)) };
    let issuer = key_files::issuer(site.data_dir(), ahead(DUE))?;
    ensure!(key_files::rotate(site.data_dir(), &issuer)?, "no key was due");
    let issuer = key_files::issuer(site.data_dir(), ahead(SIGNS))?;
    let next = issuer.sign(&claims(administrator)?, ACCESS_TOKEN)?;
    let tokens = TokensOfTwoKeys { before: administrator.to_owned(), next };
    ensure!(key(&tokens.before)? != key(&tokens.next)?, "both are signed by one key");
    wait::until(SOON, || Ok(opens_all(site, &tokens.next)?.then_some(()))).context("the next key is not believed")?;
    Ok(tokens)
}

/// Both are good, and whoever asks for the keys gets both.
pub fn are_good(site: &Installation, tokens: &TokensOfTwoKeys) -> Result<()> {
    ensure!(opens_all(site, &tokens.before)?, "the key of before is not believed any more");
    ensure!(opens_all(site, &tokens.next)?, "the next key is not believed any more");
    let (visitor, both) = (Visitor::new(site)?, [key(&tokens.before)?, key(&tokens.next)?]);
    let published = wait::until(LATER, || {
        let shown = visitor.ask("/auth/v3/oauth/jwks", &[])?.json()?;
        let shown: Vec<&str> =
            shown["keys"].as_array().into_iter().flatten().filter_map(|key| key["kid"].as_str()).collect();
        Ok(both.iter().all(|key| shown.contains(&key.as_str())).then_some(()))
    });
    published.with_context(|| format!("not both of {both:?} are published"))
}

fn opens_all(site: &Installation, token: &str) -> Result<bool> {
    let visitor = Visitor::new(site)?;
    for path in OPENED {
        if visitor.bearing(path, token)?.status != 200 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The name of the key that has signed a token.
fn key(token: &str) -> Result<String> {
    jsonwebtoken::decode_header(token)?.kid.context("a token that names no key")
}
