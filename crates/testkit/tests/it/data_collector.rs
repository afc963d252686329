//! The directory as desktops search it: collected in memory or in an OpenSearch, with the states of who is in it; and what desktops find
//! where it is not there. Each row is proven by what it carries: bytes of its content on its sockets in the kernel's table, and the other
//! side knows what only this row could tell it.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::agents::baresip_phone;
use testkit::process::signal;
use testkit::{Answer, Installation, OpenSearch, Watch, kernel, wait};

use crate::carried::{Bytes, carried};
use crate::rows::monitor::{Monitor, clients_of};
use crate::workspace::agent;
use crate::workspace::desk::{PlainDesk, asked, cookie_header, token};

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(120);
const HTTP: u16 = 8_080;
const REDIS: u16 = 6_379;
/// The phone of the first agent of the demo.
const OWN: &str = "7101";
/// Skills that an import adds, and bytes of each of them that are found, at least.
const SKILLS: usize = 40;
const SKILL_BYTES: u64 = 40;
/// How often a content is carried at most until its bytes are seen.
const ATTEMPTS: u32 = 5;
/// A killed process stays away long enough for somebody to search meanwhile.
const AWAY: [&str; 3] = ["--processes", "--set", "process.restart_after=20s"];

/// What a search answers.
fn search(desk: &PlainDesk<'_>, query: &str) -> Result<Value> {
    desk.succeeds("GET", &format!("targets?{query}"), &Value::Null, 0)
}

/// Whether it was gws-data-collector that has found it: else the answer says so.
fn is_collected(answer: &Value) -> bool {
    answer["status"].get("message").is_none() && answer["data"].get("searchedIn").is_none()
}

/// Waits until a search is answered by gws-data-collector, or without it, and finds something that fits.
fn found(desk: &PlainDesk<'_>, query: &str, by_collector: bool, fits: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut last = Value::Null;
    let answer = wait::until(LATER, || {
        last = search(desk, query)?;
        Ok((is_collected(&last) == by_collector && fits(&last["data"])).then(|| last.clone()))
    });
    answer.with_context(|| format!("{query}, collected: {by_collector}: {last}"))
}

fn names(data: &Value) -> Vec<&str> {
    let targets = data["targets"].as_array().into_iter().flatten();
    targets.filter_map(|target| target["name"].as_str()).collect()
}

fn finds(name: &str) -> impl Fn(&Value) -> bool {
    move |data| names(data).contains(&name)
}

/// The state of the agent of the demo's first phone, as its channel of calls has it.
fn state(data: &Value) -> Option<&str> {
    data["targets"][0]["availability"]["channels"][0]["userState"]["state"].as_str()
}

/// Adds skills to the example tenant.
fn add_skills(site: &Installation, skills: &[String]) -> Result<()> {
    site.change_example(|file| {
        let names: String = skills.iter().map(|skill| format!("\"{skill}\", ")).collect();
        file.replacen("\nskills: [", &format!("\nskills: [{names}"), 1)
    })
}

/// Skills that are there for one attempt, all of which the search finds that is told beside them.
fn proof(attempt: u32) -> (Vec<String>, String) {
    let name = |n: usize| format!("Proof{attempt}Of a row that carries what it says {n:02}");
    ((0..SKILLS).map(name).collect(), format!("searchTerm=proof{attempt}of&types=skill&limit=500"))
}

/// Whether all of them are there.
fn has_all(skills: &[String]) -> impl Fn(&Value) -> bool {
    move |data| {
        let names = names(data);
        skills.iter().all(|skill| names.contains(&skill.as_str()))
    }
}

/// An agent finds people, groups, queues and skills by parts of their names, however they are written, and sees who is there.
fn finds_and_sees(site: &Installation, desk: &PlainDesk<'_>) -> Result<()> {
    found(desk, "searchTerm=adler&types=agent", true, finds("Ada Adler"))?;
    found(desk, "searchTerm=obot&types=agent-group", true, finds("Robots"))?;
    found(desk, "searchTerm=sales&types=acd-queue", true, finds("sales"))?;
    add_skills(site, &["Französisch".to_owned()])?;
    for typed in ["franzo", "franzoe", "FRANZ%C3%96"] {
        let query = format!("searchTerm={typed}&types=skill");
        found(desk, &query, true, finds("Französisch"))?;
    }
    let robots = found(desk, "searchTerm=*&types=agent&restrictToGroup=Support%20team&limit=5", true, |_| true)?;
    ensure!(robots["data"]["totalMatches"].as_u64() > Some(0), "{robots}");

    let watch = Watch::start(site, "0-0")?;
    let own = "searchTerm=ada.adler&types=agent";
    found(desk, own, true, |data| state(data) == Some("LoggedOut"))?;
    let _phone = baresip_phone(site, 10, OWN, Answer::Auto)?;
    site.log_in(OWN)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    let ready = found(desk, own, true, |data| state(data) == Some("Ready"))?;
    let channel = &ready["data"]["targets"][0]["availability"]["channels"][0];
    ensure!(channel["phoneNumber"] == OWN && channel["available"] == true, "{channel}");
    Ok(())
}

#[test]
fn an_agent_finds_colleagues_and_sees_who_is_there() -> Result<()> {
    let site = Installation::start()?;
    let desk = PlainDesk::new(&site, agent(&site, 0)?)?;
    finds_and_sees(&site, &desk)?;
    let answered = site.metric("gws-data-collector", "gws_data_collector_searches_total{outcome=\"answered\"}")?;
    ensure!(answered > 0.0, "it was asked for nothing");
    Ok(())
}

/// One page after the other has everybody once, for whoever has begun to search alone.
#[test]
fn a_search_goes_on_page_by_page_for_whoever_has_begun_it() -> Result<()> {
    let site = Installation::start()?;
    let desk = PlainDesk::new(&site, agent(&site, 0)?)?;
    let all = found(&desk, "searchTerm=*&types=agent&limit=500", true, finds("Ada Adler"))?;
    let total = all["data"]["totalMatches"].as_u64().context("no total")?;
    let mut page = found(&desk, "searchTerm=*&types=agent&limit=3&pages=true", true, finds("Ada Adler"))?;
    let first = page["data"]["continueFrom"].as_str().context("it does not go on")?.to_owned();
    let mut seen: Vec<String> = names(&page["data"]).into_iter().map(str::to_owned).collect();
    while let Some(behind) = page["data"]["continueFrom"].as_str() {
        page = search(&desk, &format!("continueFrom={behind}"))?;
        seen.extend(names(&page["data"]).into_iter().map(str::to_owned));
        ensure!(seen.len() as u64 <= total, "{seen:?}");
    }
    let whole: Vec<String> = names(&all["data"]).into_iter().map(str::to_owned).collect();
    ensure!(seen == whole, "{seen:?}, not {whole:?}");
    let other = PlainDesk::new(&site, agent(&site, 1)?)?;
    let (status, refused) = other.ask("GET", &format!("targets?continueFrom={first}"), &Value::Null)?;
    ensure!(status == 410, "{status} {refused}");
    Ok(())
}

/// gws-15 is all that is gone: the desktop goes on with what the configuration has, and says so.
#[test]
fn without_the_data_collector_desktops_find_what_the_configuration_has() -> Result<()> {
    let site = Installation::start_on_servers(&AWAY)?;
    let desk = PlainDesk::new(&site, agent(&site, 0)?)?;
    let query = "searchTerm=adler&types=agent";
    found(&desk, query, true, finds("Ada Adler"))?;
    let pid = kernel::processes(site.pid())?.get("gws-data-collector-1").copied().context("no such process")?;
    signal(pid, "KILL")?;
    let without = found(&desk, query, false, finds("Ada Adler"))?;
    ensure!(without["status"]["message"].as_str().is_some_and(|text| text.contains("data collector")), "{without}");
    ensure!(without["data"]["searchedIn"] == "configuration", "{without}");
    found(&desk, query, true, finds("Ada Adler"))?;
    Ok(())
}

/// An installation whose directory is collected in an OpenSearch of its own.
fn with_opensearch() -> Result<(Installation, OpenSearch)> {
    let mut server = None;
    let site = Installation::start_numbered(|instance| {
        server = Some(OpenSearch::start(instance));
        vec!["--set".to_owned(), OpenSearch::setting(instance)]
    })?;
    Ok((site, server.context("OpenSearch was not started")??))
}

#[test]
fn in_opensearch_the_same_is_found_and_what_becomes_of_it_keeps_nobody_from_searching() -> Result<()> {
    let (site, server) = with_opensearch()?;
    let desk = PlainDesk::new(&site, agent(&site, 0)?)?;
    finds_and_sees(&site, &desk)?;
    let query = "searchTerm=adler&types=agent";
    server.kill()?;
    found(&desk, query, false, finds("Ada Adler"))?;
    server.start_again()?;
    found(&desk, query, true, finds("Ada Adler"))?;
    // What it has lost is collected anew, in the same form.
    server.empty()?;
    found(&desk, "searchTerm=franzoe&types=skill", true, finds("Französisch"))?;
    found(&desk, query, true, |data| state(data).is_some())?;
    Ok(())
}

/// gws-13: the directory and the states of who is in it are in OpenSearch, where gws-data-collector alone has written them, by connections
/// from its own address; and what a desktop finds comes from there.
#[test]
fn what_is_collected_is_in_opensearch_and_desktops_find_it_there() -> Result<()> {
    let (site, server) = with_opensearch()?;
    let desk = PlainDesk::new(&site, agent(&site, 0)?)?;
    found(&desk, "searchTerm=adler&types=agent", true, finds("Ada Adler"))?;
    let count = |query: &str| -> Result<u64> {
        let told = server.get(&format!("/trunkline-{query}"))?;
        told["count"].as_u64().with_context(|| told.to_string())
    };
    wait::until(SOON, || Ok((count("targets-1/_count?q=key:%22agent/ada.adler%22")? == 1).then_some(())))
        .context("the agent is not there")?;
    let state =
        wait::until(SOON, || Ok(server.get("/trunkline-states-1/_doc/example%2FAgent%2F1001?routing=example").ok()));
    let state = state.context("the state of the agent is not there")?;
    ensure!(state["_source"]["shown"].as_str().is_some_and(|shown| shown.contains("LoggedOut")), "{state}");

    let own = site.admin("gws-data-collector")?.ip();
    let to_server = || -> Result<Bytes> {
        let all = kernel::connections(site.pid())?;
        let is_of_row = |socket: &&kernel::Socket| socket.remote == server.address();
        let strangers: Vec<IpAddr> = all.iter().filter(is_of_row).map(|socket| socket.local.ip()).collect();
        ensure!(strangers.iter().all(|ip| *ip == own), "others than gws-data-collector are connected: {strangers:?}");
        Ok(all.iter().filter(is_of_row).fold(Bytes { sent: 0, received: 0 }, |sum, socket| Bytes {
            sent: sum.sent + socket.sent,
            received: sum.received + socket.received,
        }))
    };
    let bytes = SKILLS as u64 * SKILL_BYTES;
    let mut looks = Vec::new();
    for attempt in 0..ATTEMPTS {
        let (before, (skills, query)) = (to_server()?, proof(attempt));
        add_skills(&site, &skills)?;
        found(&desk, &query, true, has_all(&skills))?;
        let now = to_server()?;
        if now.sent >= before.sent + bytes && now.received >= before.received + bytes {
            ensure!(count("targets-1/_count?q=type:skill")? >= SKILLS as u64, "they are not in OpenSearch");
            return Ok(());
        }
        looks.push((before, now));
    }
    anyhow::bail!("gws-13 was never seen to carry {bytes} bytes: {looks:?}")
}

/// gws-15: skills that an import adds reach a desktop by gws-data-collector, whole; gws-configuration remembers the directory of a minute
/// ago, and has not been asked.
#[test]
fn what_a_desktop_searches_is_found_by_the_data_collector() -> Result<()> {
    let site = Installation::start()?;
    let desk = PlainDesk::new(&site, agent(&site, 0)?)?;
    found(&desk, "searchTerm=adler&types=agent", true, finds("Ada Adler"))?;
    let elsewhere = || site.metric("gws-workspace", "gws_workspace_searches_without_collector_total");
    let before_elsewhere = elsewhere()?;
    let row = || carried(&site, "gws-workspace", "gws-data-collector", HTTP);
    let bytes = SKILLS as u64 * SKILL_BYTES;
    let mut looks = Vec::new();
    for attempt in 0..ATTEMPTS {
        let (before, (skills, query)) = (row()?, proof(attempt));
        add_skills(&site, &skills)?;
        found(&desk, &query, true, has_all(&skills))?;
        let now = row()?;
        if now.received >= before.received + bytes && now.sent > before.sent {
            ensure!(elsewhere()? == before_elsewhere, "gws-configuration was asked");
            return Ok(());
        }
        looks.push((before, now));
    }
    anyhow::bail!("gws-15 was never seen to carry {bytes} bytes: {looks:?}")
}

/// gws-12: where a search goes on is in Redis, sealed, and another process finds it there.
#[test]
fn where_a_search_goes_on_is_in_redis_and_whoever_comes_after_a_crash_reads_it_there() -> Result<()> {
    const KEYS: &str = "auth:{example}:search:*";
    let mut site = Installation::start_on_servers(&[])?;
    let heard = Monitor::start(&site, REDIS)?;
    let user = agent(&site, 0)?.clone();
    let (cookie, behind, first) = {
        let desk = PlainDesk::by_token(&site, &token(&site, &user)?)?;
        found(&desk, "searchTerm=adler&types=agent", true, finds("Ada Adler"))?;
        let page = found(&desk, "searchTerm=*&types=agent&limit=3&pages=true", true, finds("Ada Adler"))?;
        let behind = page["data"]["continueFrom"].as_str().context("it does not go on")?.to_owned();
        let first: Vec<String> = names(&page["data"]).into_iter().map(str::to_owned).collect();
        (desk.cookie.clone(), behind, first)
    };
    let key = site.servers()?.redis_cli(REDIS, &["KEYS", KEYS])?;
    ensure!(!key.is_empty() && !key.contains('\n'), "one search goes on: {key}");
    let clients = clients_of(&mut site, REDIS, "gws-12")?;
    let said = format!("\"{key}\"");
    wait::until(SOON, || Ok(heard.has_said(0, &clients, &[&said]).then_some(())))
        .with_context(|| format!("none of {clients:?} has said {said}"))?;
    let value = site.servers()?.redis_cli(REDIS, &["HGET", &key, "v"])?;
    ensure!(!value.is_empty() && !value.contains(&user.user) && !value.contains("agent"), "it is not sealed: {value}");
    ensure!(!key.contains(&behind) && !value.contains(&behind), "what is shown for it is in Redis");

    let site = site.crash_and_restart()?;
    let path = format!("targets?continueFrom={behind}");
    let mut last = Value::Null;
    let page = wait::until(LATER, || {
        let (status, answer) = asked(&site, &cookie_header(&cookie), "GET", &path, &Value::Null)?;
        last = answer;
        // The tenant is collected anew first.
        Ok((status == 200).then(|| last.clone()))
    });
    let page = page.with_context(|| last.to_string())?;
    let next = names(&page["data"]);
    ensure!(!next.is_empty() && next.iter().all(|name| !first.iter().any(|seen| seen == name)), "{page}");
    Ok(())
}
