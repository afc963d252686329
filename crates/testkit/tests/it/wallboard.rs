//! The wallboard: real calls, and numbers equal to those of SIPp and of port 8000.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::agents::{baresip_agent, sipp_agent};
use testkit::caller::{Caller, sipp};
use testkit::facts::Fact;
use testkit::wallboard::{Shown, Wallboard};
use testkit::{Answer, Endpoint, Installation, Watch, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);
const LONG: Duration = Duration::from_secs(900);
const SALES: &str = "9000";

/// The totals of a queue, counted from the facts alone.
#[derive(Debug, Default, PartialEq)]
struct Sum {
    entered: u64,
    answered: u64,
    abandoned: u64,
    short: u64,
    in_time: u64,
    answer_ms: u64,
}

fn time_us(fact: &Fact) -> u64 {
    let part = |key: &str| fact.frame["time"][key].as_u64().unwrap_or_default();
    part("s") * 1_000_000 + part("us")
}

/// Counts the calls of one route point; none may be in it any more.
fn sum(facts: &[Fact], point: &str) -> Result<Sum> {
    let mut calls: BTreeMap<&str, Vec<&Fact>> = BTreeMap::new();
    for fact in facts.iter().filter(|fact| fact.id.starts_with("call:")) {
        calls.entry(fact.text("ConnID")).or_default().push(fact);
    }
    let mut sum = Sum::default();
    let mut answer_us = 0;
    for (id, call) in calls {
        let Some(began) = call.iter().find(|f| f.name == "EventQueued" && f.dn() == point) else { continue };
        sum.entered += 1;
        let after = |fact: &Fact| time_us(fact) - time_us(began);
        let answered = call.iter().find(|f| f.name == "EventEstablished" && f.text("ThisQueue") == point);
        if let Some(answered) = answered {
            sum.answered += 1;
            answer_us += after(answered);
            sum.in_time += u64::from(after(answered) <= 20_000_000);
        } else {
            let end = call.iter().find(|f| f.name == "EventAbandoned" || f.name == "EventCallDeleted");
            let end = end.with_context(|| format!("{id} is not over"))?;
            sum.abandoned += 1;
            sum.short += u64::from(after(end) <= 5_000_000);
        }
    }
    sum.answer_ms = (answer_us / 1_000).checked_div(sum.answered).unwrap_or(0);
    Ok(sum)
}

fn number(row: &Value, key: &str) -> u64 {
    row[key].as_u64().unwrap_or(u64::MAX)
}

/// Whether a row shows these totals and no call waits.
fn shows(row: &Value, sum: &Sum) -> bool {
    let counts = ["waiting", "entered", "answered", "abandoned", "shortAbandoned"].map(|key| number(row, key));
    let of = sum.answered + sum.abandoned - sum.short;
    let level = row["serviceLevel"].as_f64();
    let wanted = (of > 0).then(|| {
        100.0 * f64::from(u32::try_from(sum.in_time).unwrap_or(0)) / f64::from(u32::try_from(of).unwrap_or(1))
    });
    let speed = row["averageSpeedOfAnswerMs"].as_u64();
    counts == [0, sum.entered, sum.answered, sum.abandoned, sum.short]
        && level.zip(wanted).map_or(level.is_none() && wanted.is_none(), |(a, b)| (a - b).abs() < 1e-9)
        && speed == (sum.answered > 0).then_some(sum.answer_ms)
        && row["longestWaitSince"].is_null()
}

fn state_of(shown: &Shown, agent: &str) -> Option<(String, u64)> {
    let row = shown.agents.get(agent)?;
    Some((row["state"].as_str()?.to_owned(), row["since"].as_u64()?))
}

fn agent_is(board: &Wallboard, agent: &str, state: &str) -> Result<u64> {
    board.becomes(&format!("{agent} {state}"), LATER, |shown| {
        state_of(shown, agent).filter(|(is, _)| is == state).map(|(_, since)| since)
    })
}

/// The time of a fact, in milliseconds.
fn ms(fact: &Fact) -> u64 {
    time_us(fact) / 1_000
}

#[test]
fn numbers_and_states_follow_a_call_and_outlive_a_crash() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let board = Wallboard::listen(&site, None)?;
    let first = board.becomes("a snapshot", SOON, |shown| (!shown.messages.is_empty()).then(|| shown.clone()))?;
    assert_eq!((first.messages[0].as_str(), first.head["tenant"].as_str()), ("snapshot", Some("example")));
    // Route points in which calls wait are queues; the menu, the closed desk and the echo are not.
    assert_eq!(first.queues.keys().map(String::as_str).collect::<Vec<_>>(), ["9000", "9001"]);
    assert_eq!(
        (&first.queues[SALES]["name"], first.queues[SALES]["history"].as_array().map(Vec::len)),
        (&"sales".into(), Some(30))
    );
    // One call waits and is abandoned.
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    let queued = watch.wait_for("Queued@9000", SOON)?;
    let since = board.becomes("a call that waits", SOON, |shown| shown.queues[SALES]["longestWaitSince"].as_u64())?;
    assert_eq!(since, ms(&queued));
    // Longer than the 5 s within which a call that is given up counts as short.
    wait::until(LATER, || Ok((caller.audio.received().samples.len() > 7 * 8_000).then_some(())))?;
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    board.becomes("nobody waiting", SOON, |shown| {
        shows(&shown.queues[SALES], &sum(&watch.facts(), SALES).ok()?).then_some(())
    })?;
    // One call is answered, held, resumed.
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let since = agent_is(&board, "1001", "ready")?;
    assert_eq!(since, ms(&watch.wait_for("AgentReady@7101", SOON)?));
    let caller = Caller::dial(&site, "caller-until-bye.xml", 2, site.number("sales")?, &[])?;
    let established = watch.wait_for("Established@7101", LATER)?;
    assert_eq!(agent_is(&board, "1001", "inbound")?, ms(&established));
    agent.wait_for("CALL_ESTABLISHED", SOON)?;
    agent.hold()?;
    assert_eq!(agent_is(&board, "1001", "onHold")?, ms(&watch.wait_for("Held@7101", SOON)?));
    agent.resume()?;
    assert_eq!(agent_is(&board, "1001", "inbound")?, ms(&watch.wait_for("Retrieved@7101", SOON)?));
    agent.hang_up()?;
    caller.finish(SOON)?.1.expect_success()?;
    let wanted = wait::until(LATER, || Ok(sum(&watch.facts(), SALES).ok().filter(|sum| sum.answered == 1)))?;
    board.becomes("the sum", SOON, |shown| shows(&shown.queues[SALES], &wanted).then_some(()))?;
    let ready = agent_is(&board, "1001", "ready")?;
    let before = board.shown();
    assert_eq!(before.head["totals"]["answered"], 1);
    assert_eq!(
        (&before.head["states"]["ready"], &before.queues[SALES]["history"][29]["from"].is_u64()),
        (&1.into(), &true)
    );
    // Killed and restarted: the day's totals continue.
    drop((board, watch));
    let site = site.crash_and_restart()?;
    let board = Wallboard::listen(&site, Some(&before.last_id))?;
    board.becomes("the sum of before", SOON, |shown| {
        shown.queues.get(SALES).is_some_and(|row| shows(row, &wanted)).then_some(())
    })?;
    assert_eq!(agent_is(&board, "1001", "ready")?, ready, "the agent is ready since then");
    let caller = Caller::dial(&site, "caller-until-bye.xml", 3, site.number("sales")?, &[])?;
    agent_is(&board, "1001", "inbound")?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    agent.hang_up()?;
    caller.finish(SOON)?.1.expect_success()?;
    board.becomes("one more", SOON, |shown| (number(&shown.queues[SALES], "answered") == 2).then_some(()))?;
    site.is_at_rest()
}

#[test]
fn an_import_leaves_the_numbers_of_the_day() -> Result<()> {
    let site = Installation::start()?;
    let board = Wallboard::listen(&site, None)?;
    let caller = Caller::dial(&site, "caller.xml", 1, site.number("sales")?, &["-d", "12000"])?;
    caller.finish(LATER)?.1.expect_success()?;
    let gave_up = |shown: &Shown| {
        let row = shown.queues.get(SALES)?;
        Some((number(row, "entered"), number(row, "abandoned")))
    };
    board.becomes("a call that gave up", SOON, |shown| (gave_up(shown) == Some((1, 1))).then_some(()))?;
    site.import_changed(|folder| {
        let file = folder.join("example-tenant.yaml");
        let text = std::fs::read_to_string(&file)?;
        ensure!(text.contains("name: sales, dn") && text.contains("service_level_s: 20"), "the example has changed");
        let text =
            text.replace("name: sales, dn", "name: buyers, dn").replace("service_level_s: 20", "service_level_s: 30");
        Ok(std::fs::write(&file, text)?)
    })?;
    let shown = board.becomes("the other name", SOON, |shown| {
        (shown.queues.get(SALES)?["name"] == "buyers").then(|| shown.clone())
    })?;
    assert_eq!((gave_up(&shown), number(&shown.queues[SALES], "serviceLevelThreshold")), (Some((1, 1)), 30));
    // Values that depend on the threshold count from its change on.
    assert_eq!(shown.queues[SALES]["serviceLevel"], Value::Null);
    site.is_at_rest()
}

#[test]
fn a_wallboard_that_comes_back_goes_on_and_strangers_learn_nothing() -> Result<()> {
    let site = Installation::start()?;
    let board = Wallboard::listen(&site, None)?;
    let last = board.becomes("a snapshot", SOON, |s| (!s.last_id.is_empty()).then(|| s.last_id.clone()))?;
    Caller::dial(&site, "caller.xml", 1, site.number("sales")?, &["-d", "1000"])?.finish(LATER)?.1.expect_success()?;
    let told = board.becomes("it", SOON, |s| (s.queues[SALES]["abandoned"] == 1).then(|| s.clone()))?;
    drop(board);
    // From its last message if that is still stored; else from a snapshot.
    let again = Wallboard::listen(&site, Some(&told.last_id))?;
    let other = Wallboard::listen(&site, Some("0-1"))?;
    other.becomes("a snapshot", SOON, |s| (s.messages.first()? == "snapshot").then_some(()))?;
    Caller::dial(&site, "caller.xml", 1, site.number("sales")?, &["-d", "1000"])?.finish(LATER)?.1.expect_success()?;
    let shown = again.becomes("two", SOON, |s| (s.queues.get(SALES)?["abandoned"] == 2).then(|| s.clone()))?;
    assert!(shown.messages.iter().all(|name| name == "change"), "{:?}", shown.messages);
    assert_ne!(last, shown.last_id);
    let place = site.demo.web.trim_start_matches("http://").parse()?;
    let ask = |headers: &str, path: &str| site.http_with(place, "GET", path, headers, "").map(|answer| answer.status);
    for path in ["/pulse/api/v1/example/wallboard", "/pulse/api/v1/example/wallboard/stream", "/pulse/x"] {
        assert_eq!(ask("", path)?, 401, "{path}");
        assert_eq!(ask("Authorization: Bearer x.y.z\r\n", path)?, 401, "{path}");
    }
    // A browser that follows a link gets a page; a program gets none.
    assert_eq!(ask("", "/nothing")?, 401);
    for api in
        ["/api/x", "/api/voice/v1/x/y", "/api/operations/v1/x", "/agent-setup/api/v1/x", "/telemetry/v1/x", "/wfm/v1/x"]
    {
        assert_eq!(ask("", api)?, 401, "{api}");
    }
    let page = site.http_with(place, "GET", "/nothing", "Accept: text/html,*/*\r\n", "")?;
    assert!(page.status == 404 && page.body.starts_with("<!doctype html>"), "{}", page.body);
    assert_eq!(ask("Accept: text/html\r\n", "/pulse/x")?, 401, "data is no page");
    let wallboard = format!("Authorization: Bearer {}\r\n", site.demo.tokens["wallboard"]);
    assert_eq!(ask(&wallboard, "/pulse/api/v1/example/wallboard")?, 200);
    assert_eq!(ask(&wallboard, "/pulse/api/v1/other/wallboard")?, 403);
    assert_eq!(ask(&wallboard, "/pulse/api/v1/other/wallboard/stream")?, 403);
    assert_eq!(ask(&wallboard, "/api/nothing")?, 404);
    // Pages are public, if the program contains them; the paths that the pages read themselves lead to the same page.
    let page = ask("", "/")?;
    assert!([200, 503].contains(&page), "{page}");
    assert_eq!((ask("", "/trace/0123456789abcdef")?, ask("", "/topology")?), (page, page));
    assert_eq!(ask("", "/assets/nothing.js")?, 401, "which pages there are is not told to strangers");
    drop((again, other));
    site.metric_becomes("pulse", "pulse_subscribers", 0.0, SOON)?;
    site.metric_becomes("ingress", "ingress_streams", 0.0, SOON)?;
    Ok(())
}

#[test]
fn five_hundred_calls_add_up() -> Result<()> {
    const CALLS: u32 = 500;
    const AGENTS: u8 = 12;
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let board = Wallboard::listen(&site, None)?;
    let mut phones = Vec::new();
    for agent in 0..AGENTS {
        let audio = Endpoint::listen(site.peer_address(100 + agent).into())?;
        let extension = format!("71{:02}", agent + 1);
        phones.push((sipp_agent(&site, 10 + agent, &extension, "agent.xml", &audio, &[])?, audio));
    }
    board.becomes("all ready", LATER, |s| (s.head["states"]["ready"] == u64::from(AGENTS)).then_some(()))?;
    let ears = Endpoint::listen(site.peer_address(2).into())?;
    let callers =
        sipp(&site, "caller.xml", 1, &ears).dial(site.number("sales")?).calls(CALLS, 8, 150).with(&["-d", "9000"]);
    callers.run(LONG)?.expect_success()?;
    watch.wait_for_count("CallDeleted", CALLS as usize, LATER)?;
    site.is_at_rest()?;
    let wanted = sum(&watch.facts(), SALES)?;
    assert_eq!(wanted.entered, u64::from(CALLS), "SIPp made so many calls");
    let answered: usize = phones.iter().map(|(phone, _)| phone.acknowledged()).sum();
    // A phone may answer at the same time as the caller leaves, even before it has said that it rings: it is acknowledged and
    // released without a conversation.
    let (counted, abandoned) = (usize::try_from(wanted.answered)?, usize::try_from(wanted.abandoned)?);
    assert!((counted..=counted + abandoned).contains(&answered), "phones answered {answered}: {wanted:?}");
    assert_eq!(wanted.answered + wanted.abandoned, wanted.entered);
    // On an idle machine it is more than a hundred.
    assert!(wanted.answered >= u64::from(AGENTS), "{wanted:?}");
    board.becomes(&format!("{wanted:?}"), LATER, |shown| shows(&shown.queues[SALES], &wanted).then_some(()))?;
    board.becomes(&format!("{wanted:?} in all"), SOON, |shown| shows(&shown.head["totals"], &wanted).then_some(()))?;
    let shown = board.shown();
    let history = shown.queues[SALES]["history"].as_array().context("no history")?;
    for (key, total) in [("entered", wanted.entered), ("answered", wanted.answered), ("abandoned", wanted.abandoned)] {
        let in_bins: u64 = history.iter().map(|bin| number(bin, key)).sum();
        ensure!(in_bins == total, "{key}: {in_bins} in the history, {total} in all");
    }
    // A page opened now sees the same.
    let fresh = Wallboard::listen(&site, None)?;
    fresh.becomes("the same", SOON, |s| s.queues.get(SALES).is_some_and(|row| shows(row, &wanted)).then_some(()))
}
