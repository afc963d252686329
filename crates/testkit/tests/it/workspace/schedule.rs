//! When people work: workforce management sends the plan of a day, an agent's desktop shows the own one, a supervisor's what everybody
//! should do now.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testkit::Installation;

use super::agent;
use super::desk::PlainDesk;
use super::supervising::promote;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const HEAD: &str = "shift,person,begin,end,activity,activity_begin,activity_end,reason";

/// A time of the clocks of UTC, which are those of the example.
fn written(seconds: u64, format: &str) -> Result<String> {
    let output = Command::new("date").args(["-u", "-d", &format!("@{seconds}"), format]).output()?;
    ensure!(output.status.success(), "date: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// What a command of the installation prints.
fn said(site: &Installation, arguments: &[&str]) -> Result<String> {
    let output = Command::new(testkit::installation::binary()?)
        .args(arguments)
        .args(["--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn token(site: &Installation, scope: &str) -> Result<String> {
    said(site, &["token", "--tenant", "example", "--sub", "tool/planner", "--scope", scope])
}

/// What the history has about plans, the latest change first.
fn noted(site: &Installation) -> Result<Vec<Value>> {
    let told = said(site, &["tenant", "history", "example", "--json", "--limit", "1000"])?;
    let mut entries = told.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    entries.retain(|entry| entry["kind"] == "shifts");
    Ok(entries)
}

/// A plan as workforce management sends it.
struct Planner<'a> {
    site: &'a Installation,
    authorization: String,
    /// The days of the plan, as parameters.
    days: String,
}

impl<'a> Planner<'a> {
    fn new(site: &'a Installation, begin: u64) -> Result<Self> {
        let authorization = format!("Authorization: Bearer {}\r\n", token(site, "config:write statistics:read")?);
        let (from, to) = (written(begin, "+%F")?, written(begin + DAY, "+%F")?);
        Ok(Self { site, authorization, days: format!("from={from}&to={to}") })
    }

    fn sends(&self, table: &str, further: &str) -> Result<(u16, Value)> {
        let web: SocketAddr = self.site.demo.web.trim_start_matches("http://").parse()?;
        let path = format!("/wfm/v1/example/shifts?{}&format=csv{further}", self.days);
        let answer = self.site.http_with(web, "PUT", &path, &self.authorization, table)?;
        let read = serde_json::from_str(&answer.body);
        Ok((answer.status, read.with_context(|| format!("{path}: {} {}", answer.status, answer.body))?))
    }

    /// Sends a table that is taken, and says what became of shifts: added, changed, removed, unchanged.
    fn takes(&self, table: &str, further: &str) -> Result<[u64; 4]> {
        let (status, told) = self.sends(table, further)?;
        ensure!(status == 200, "{table}: {status} {told}");
        Ok(["added", "changed", "removed", "unchanged"].map(|count| told[count].as_u64().unwrap_or_default()))
    }
}

/// A shift of an agent around a moment, in the lunch of which the moment is.
fn table(user: &str, now: u64, reason: &str) -> Result<String> {
    let at = |seconds: u64| written(seconds, "+%FT%H:%M");
    let (begin, end) = (at(now - HOUR)?, at(now + 2 * HOUR)?);
    let (lunch, over) = (at(now - MINUTE)?, at(now + 20 * MINUTE)?);
    Ok(format!("{HEAD}\nday-1,{user},{begin},{end},lunch,{lunch},{over},{reason}\n"))
}

fn shifts(desk: &PlainDesk<'_>) -> Result<Vec<Value>> {
    let told = desk.succeeds("GET", "schedule", &Value::Null, 0)?;
    Ok(told["data"]["shifts"].as_array().with_context(|| told.to_string())?.clone())
}

#[test]
fn a_plan_that_is_sent_is_shown_to_the_agent_and_to_who_looks_after_the_agent() -> Result<()> {
    let site = Installation::start()?;
    let (ada, ben) = (agent(&site, 0)?, agent(&site, 1)?);
    let desk = PlainDesk::new(&site, ada)?;
    let told = desk.succeeds("GET", "schedule", &Value::Null, 0)?;
    ensure!(told["data"]["shifts"] == json!([]), "{told}");
    let now = told["data"]["now"].as_u64().context("no time")? / 1_000;
    let planner = Planner::new(&site, now - HOUR)?;
    let plan = table(&ada.user, now, "Lunch")?;

    ensure!(planner.takes(&plan, "&dry_run=true")? == [1, 0, 0, 0], "a trial counts");
    ensure!(shifts(&desk)?.is_empty(), "a trial has changed something");
    ensure!(planner.takes(&plan, "")? == [1, 0, 0, 0], "the plan is not taken");
    ensure!(planner.takes(&plan, "")? == [0, 0, 0, 1], "the same plan changes something");
    let shown = shifts(&desk)?;
    let lunch = &shown.first().context("no shift is shown")?["activities"][0];
    ensure!(shown.len() == 1 && shown[0]["id"] == "day-1" && shown[0]["timeZone"] == "UTC", "{shown:?}");
    ensure!(lunch["type"] == "lunch" && lunch["reasonCode"] == "Lunch", "{lunch}");

    // Nothing of a table with a fault is taken.
    let (status, refused) = planner.sends(&table(&ada.user, now, "Nap")?, "")?;
    let fault = &refused["faults"][0];
    ensure!(status == 422 && fault["line"] == 2 && fault["field"] == "reason", "{status} {refused}");
    ensure!(shifts(&desk)? == shown, "a faulty plan has changed something");
    let (status, refused) = desk.ask("GET", "supervisor/schedules", &Value::Null)?;
    ensure!(status == 403, "an agent sees what others should do: {refused}");

    // An import of the tenant leaves the plan as it is.
    promote(&site, &ben.user)?;
    let supervisor = PlainDesk::new(&site, ben)?;
    let path = format!("supervisor/schedules?searchTerm={}", ada.user);
    let told = supervisor.succeeds("GET", &path, &Value::Null, 0)?;
    let planned = &told["data"]["schedules"][0];
    ensure!(planned["userName"] == ada.user.as_str() && planned["type"] == "lunch", "{told}");

    ensure!(planner.takes(&format!("{HEAD}\n"), "")? == [0, 0, 1, 0], "a day without shifts leaves some");
    ensure!(shifts(&desk)?.is_empty(), "a shift is left");

    // Neither of the trial, nor of the same plan, nor of the faulty one.
    let noted = noted(&site)?;
    let [removed, added] = noted.as_slice() else { bail!("{noted:?}") };
    ensure!(added["changed_by"] == "tool/planner" && added["way"] == "grpc", "{added}");
    ensure!(added["before"]["shifts"] == 0 && added["after"]["shifts"] == 1 && added["after"]["added"] == 1, "{added}");
    ensure!(removed["before"]["shifts"] == 1 && removed["after"]["removed"] == 1, "{removed}");
    let day = removed["after"]["from"].as_str().and_then(|from| from.split_once('T')).context("no span")?.0;
    ensure!(planner.days.starts_with(&format!("from={day}&")), "{removed}, of {}", planner.days);
    Ok(())
}

#[test]
fn who_may_not_change_the_configuration_sends_no_plan() -> Result<()> {
    let site = Installation::start()?;
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let reader = token(&site, "statistics:read")?;
    let path = "/wfm/v1/example/shifts?from=2026-03-23&to=2026-03-24&format=csv";
    let put = |headers: &str| site.http_with(web, "PUT", path, headers, HEAD);
    ensure!(put(&format!("Authorization: Bearer {reader}\r\n"))?.status == 403, "a reader has sent a plan");
    ensure!(put("")?.status == 401, "nobody needs a token");
    Ok(())
}
