//! Who may ask, and whose numbers somebody gets.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::{Installation, Visitor, wait};

use super::client::{COOKIE, PlainClient, asked, bearer, named, token};
use super::{QUEUE, agent};

const SOON: Duration = Duration::from_secs(60);
/// Every path of the API, with its method.
const PATHS: [(&str, &str); 8] = [
    ("POST", "subscriptions"),
    ("DELETE", "subscriptions/x"),
    ("GET", "subscriptions/x/statistic-values"),
    ("GET", "statistic-values/CallsHandled?objectId=1001&objectType=Agent"),
    ("POST", "operations/get-statistic-ex"),
    ("POST", "notifications/handshake"),
    ("GET", "info"),
    ("GET", "doc"),
];

#[test]
fn nobody_without_a_token_that_opens_it_is_answered() -> Result<()> {
    let site = Installation::start()?;
    let wallboard = bearer(site.demo.tokens.get("wallboard").context("no token")?);
    for (method, path) in PATHS {
        for headers in ["", "Authorization: Bearer x\r\n", wallboard.as_str()] {
            let (status, answer) = asked(&site, headers, method, path, &json!({}))?;
            ensure!(status == 401 && answer["status"]["code"] == 401, "{method} {path}: {status} {answer}");
        }
    }
    // What is for roles is closed to everybody else.
    let ann = bearer(&token(&site, agent(&site, 0)?)?);
    let (status, answer) = asked(&site, &ann, "POST", "example/values", &json!({}))?;
    ensure!(status == 401, "{status} {answer}");
    let (status, answer) = asked(&site, &ann, "GET", "info", &Value::Null)?;
    ensure!(status == 200 && answer["version"].is_string(), "{status} {answer}");
    let (status, answer) = asked(&site, &ann, "GET", "nothing", &Value::Null)?;
    ensure!(status == 501, "{status} {answer}");
    Ok(())
}

/// Waits until the values of exactly these statistics are told of the subscription `all`.
fn are_told(client: &PlainClient<'_>, ids: &[&str]) -> Result<()> {
    let mut seen = Value::Null;
    wait::until(SOON, || {
        let (status, answer) = client.ask("GET", "subscriptions/all/statistic-values", &Value::Null)?;
        ensure!(status == 200, "{status} {answer}");
        seen = answer;
        let told = seen["data"]["statistics"].as_array().into_iter().flatten();
        let told: Vec<&str> = told.filter_map(|one| one["statisticId"].as_str()).collect();
        Ok((told == ids).then_some(()))
    })
    .with_context(|| format!("{ids:?} are due: {seen}"))
}

#[test]
fn an_agent_gets_its_own_numbers_and_a_supervisor_those_of_all() -> Result<()> {
    let site = Installation::start()?;
    let (first, second) = (agent(&site, 0)?, agent(&site, 1)?);
    let ids = [first, second].map(|user| user.agent.clone().unwrap_or_default());
    let [own, other] = ids.each_ref().map(|id| named(id, "CallsHandled", "Agent", id));
    let queue = named("queue", "CurrentCallsWaiting", "Queue", QUEUE);
    let ann = PlainClient::begun(&site, first)?;
    let (status, answer) = ann.subscribes("all", &json!([own, other, queue]))?;
    ensure!(status == 200 && answer["data"]["subscriptionId"] == "all", "{status} {answer}");
    are_told(&ann, &[&ids[0], "queue"])?;
    ensure!(answer["errors"][0]["status"]["code"] == 403, "{answer}");
    let (status, answer) = ann.subscribes("other", &json!([other]))?;
    ensure!(status == 403, "{status} {answer}");

    let supervisor = site.demo.users.iter().find(|user| user.kind == "supervisor").context("no supervisor")?;
    let sue = PlainClient::begun(&site, supervisor)?;
    let (status, answer) = sue.subscribes("all", &json!([own, other, queue]))?;
    ensure!(status == 200 && answer["errors"].is_null(), "{status} {answer}");
    are_told(&sue, &[&ids[0], &ids[1], "queue"])?;

    // A session is one person's.
    let mixed = format!("{}Cookie: {COOKIE}={}\r\n", bearer(&token(&site, supervisor)?), ann.cookie);
    let (status, answer) = asked(&site, &mixed, "GET", "subscriptions/all/statistic-values", &Value::Null)?;
    ensure!(status == 403 && answer["status"]["code"] == 403, "{status} {answer}");
    let without = bearer(&token(&site, first)?);
    let (status, answer) = asked(&site, &without, "GET", "subscriptions/all/statistic-values", &Value::Null)?;
    ensure!(status == 403 && answer["status"]["code"] == 603, "{status} {answer}");
    Ok(())
}

/// The session of whoever has signed out ends, though nobody asks for it any more.
#[test]
fn a_session_ends_with_its_sign_in() -> Result<()> {
    const REVOKED: &str = "gws_statistics_sessions_ended_total{why=\"revoked\"}";
    let site = Installation::start()?;
    let user = agent(&site, 0)?;
    let (gone, stays) = (PlainClient::begun(&site, user)?, PlainClient::begun(&site, user)?);
    let queue = named("queue", "CurrentCallsWaiting", "Queue", QUEUE);
    for client in [&gone, &stays] {
        let (status, answer) = client.subscribes("all", &json!([queue]))?;
        ensure!(status == 200, "{status} {answer}");
    }
    let bearer = format!("authorization: Bearer {}", gone.token);
    let out = Visitor::new(&site)?.ask("/auth/v3/sign-out", &["--request", "POST", "--header", &bearer])?;
    ensure!(out.status < 400, "{} {}", out.head, out.body);
    site.metric_becomes("gws-statistics", REVOKED, 1.0, SOON)?;
    // Also for a later sign-in of the same person.
    let again = PlainClient::with_cookie(&site, user, &gone.cookie)?;
    let (status, answer) = again.ask("GET", "subscriptions/all/statistic-values", &Value::Null)?;
    ensure!(status == 403 && answer["status"]["code"] == 603, "{status} {answer}");
    are_told(&stays, &["queue"])
}
