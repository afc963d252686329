//! The rows of the Statistics API, each proven by what it carries: the bytes of a content grow on its sockets in the kernel's table. For
//! the row to Redis the server itself tells what was said.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Installation, wait};

use super::agent;
use super::client::PlainClient;
use crate::carried::{Bytes, carried};
use crate::rows::monitor::{Monitor, clients_of};

const SOON: Duration = Duration::from_secs(60);
const HTTP: u16 = 8_080;
const STATISTICS: u16 = 2_060;
const REDIS: u16 = 6_379;
/// Statistics of a subscription, and bytes of the filter of each.
const OPENED: usize = 50;
const FILTER_BYTES: usize = 150;
/// Bytes of an answer to each statistic at least: to the client, and by tenant.
const VALUE_BYTES: usize = 60;
const READING_BYTES: usize = 6;

/// How often a token is asked about, and bytes of each question and of each answer at least.
const QUESTIONS: usize = 10;
const QUESTION_BYTES: usize = 100;

/// A row by its id, the roles at its ends and the port.
type Row = (&'static str, &'static str, &'static str, u16);

const PROXIED: Row = ("gws-02", "gws-proxy", "gws-statistics", HTTP);
const TOLD: Row = ("tenant-09", "gws-statistics", "tenant", STATISTICS);
const ASKED: Row = ("gws-11", "gws-statistics", "auth", HTTP);

fn now(site: &Installation, (_, from, to, port): Row) -> Result<Bytes> {
    carried(site, from, to, port)
}

/// Waits until a row has sent and received so many bytes more than before.
fn has_grown(site: &Installation, row: Row, before: Bytes, [sent, received]: [usize; 2]) -> Result<()> {
    let (sent, received) = (u64::try_from(sent)?, u64::try_from(received)?);
    let mut seen = before;
    wait::until(SOON, || {
        seen = now(site, row)?;
        Ok((seen.sent >= before.sent + sent && seen.received >= before.received + received).then_some(()))
    })
    .with_context(|| format!("{}: {before:?}, then {seen:?}", row.0))
}

/// A count of calls of a language that nobody speaks, each of them another one.
fn counted(n: usize) -> Value {
    let filter = format!("PairExists(\"Language\",\"{n:0FILTER_BYTES$}\")");
    let definition = json!({"category": "TotalNumber", "mainMask": "CallEntered", "filter": filter});
    json!({"statisticId": n.to_string(), "objectType": "Queue", "objectId": super::QUEUE, "definition": definition})
}

/// gws-02: what a client asks for goes to gws-statistics, and the values come back. tenant-09: the same to tenant, which counts them.
#[test]
fn a_subscription_goes_by_every_role_and_its_updates_come_back() -> Result<()> {
    let site = Installation::start()?;
    let client = PlainClient::begun(&site, agent(&site, 0)?)?;
    // Its connection stands from then on.
    let (status, answer) = client.subscribes("first", &json!([counted(0)]))?;
    ensure!(status == 200, "{status} {answer}");
    let before = [now(&site, PROXIED)?, now(&site, TOLD)?];
    let many: Vec<Value> = (1..=OPENED).map(counted).collect();
    let (status, answer) = client.subscribes("many", &json!(many))?;
    ensure!(status == 200 && answer["errors"].is_null(), "{status} {answer}");
    let told = answer["data"]["statistics"].as_array().context("no statistics")?;
    ensure!(told.len() == OPENED && told.iter().all(|one| one["value"] == 0), "{answer}");
    has_grown(&site, TOLD, before[1], [OPENED * FILTER_BYTES, OPENED * READING_BYTES])?;
    has_grown(&site, PROXIED, before[0], [OPENED * FILTER_BYTES, OPENED * VALUE_BYTES])
}

/// gws-11: auth is asked about each token once, and answers.
#[test]
fn auth_is_asked_once_about_each_token_that_somebody_shows() -> Result<()> {
    const GOOD: &str = "gws_statistics_auth_calls_total{answer=\"good\"}";
    let site = Installation::start()?;
    let user = agent(&site, 0)?;
    // The connection stands from then on.
    let first = PlainClient::begun(&site, user)?;
    let before = now(&site, ASKED)?;
    let asked_before = site.metric("gws-statistics", GOOD)?;
    for _ in 0..QUESTIONS {
        PlainClient::begun(&site, user)?;
    }
    has_grown(&site, ASKED, before, [QUESTIONS * QUESTION_BYTES; 2])?;
    for _ in 0..QUESTIONS {
        let (status, answer) = first.ask("GET", "info", &Value::Null)?;
        ensure!(status == 200, "{status} {answer}");
    }
    let asked = site.metric("gws-statistics", GOOD)? - asked_before;
    ensure!(asked == QUESTIONS as f64, "{QUESTIONS} tokens, and {asked} questions");
    Ok(())
}

/// own-32: the session is in Redis, sealed, and another process finds there what it has open.
#[test]
fn a_session_is_in_redis_and_whoever_comes_after_a_crash_reads_it_there() -> Result<()> {
    const KEYS: &str = "auth:{example}:statistics:*";
    let mut site = Installation::start_on_servers(&[])?;
    let heard = Monitor::start(&site, REDIS)?;
    let user = agent(&site, 0)?.clone();
    ensure!(site.servers()?.redis_cli(REDIS, &["KEYS", KEYS])?.is_empty(), "there is a session already");
    let client = PlainClient::begun(&site, &user)?;
    let (status, answer) = client.subscribes("mine", &json!([counted(0)]))?;
    ensure!(status == 200, "{status} {answer}");
    let cookie = client.cookie.clone();
    let key = wait::until(SOON, || {
        let keys = site.servers()?.redis_cli(REDIS, &["KEYS", KEYS])?;
        Ok((!keys.is_empty()).then_some(keys))
    });
    let key = key.context("no session is in Redis")?;
    let clients = clients_of(&mut site, REDIS, "own-32")?;
    let said = format!("\"{key}\"");
    wait::until(SOON, || Ok(heard.has_said(0, &clients, &[&said]).then_some(())))
        .with_context(|| format!("none of {clients:?} has said {said}"))?;
    let (_, secret) = cookie.split_once('.').context("a cookie has a secret")?;
    let value = site.servers()?.redis_cli(REDIS, &["HGET", &key, "v"])?;
    ensure!(!value.is_empty() && !value.contains(super::QUEUE), "it is not sealed");
    ensure!(!key.contains(secret) && !value.contains(secret), "the secret is in Redis");

    let site = site.crash_and_restart()?;
    let again = PlainClient::with_cookie(&site, &user, &cookie)?;
    let peeked = wait::until(SOON, || {
        let (status, answer) = again.ask("GET", "subscriptions/mine/statistic-values", &Value::Null)?;
        ensure!(status == 200, "{status} {answer}");
        Ok(answer["data"]["statistics"].as_array().is_some_and(|told| told.len() == 1).then_some(()))
    });
    peeked.context("what was open is not told")
}
