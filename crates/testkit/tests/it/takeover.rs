//! A sip-cluster node is killed and its calls continue at the other one: a short form of `script/chaos`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sip::{LocalTag, Seal};
use testkit::agents::baresip_agent;
use testkit::caller::{CALLER, Caller};
use testkit::process::signal;
use testkit::sipp::Running;
use testkit::{Answer, Installation, Sipp, kernel, wait};

const SOON: Duration = Duration::from_secs(45);
/// Four pauses, and retransmissions.
const LATER: Duration = Duration::from_secs(90);
const PAUSE_MS: &str = "2500";
/// The port of sip-cluster for frontend's requests.
const REQUESTS_PORT: u16 = 11_300;

/// Callers who refresh their session three times and hang up: each request must be answered by 200.
fn steady(site: &Installation, host: u8, number: &str, calls: u32) -> Result<Running> {
    let address = site.peer_address(host).to_string();
    Sipp::new("caller-steady.xml", site.peer_address(host), &site.sip())
        .with(&["-key", "caller", CALLER, "-key", "rtp_host", &address, "-key", "rtp_port", "31000"])
        .with(&["-d", PAUSE_MS, "-trace_msg"])
        .dial(site.number(number)?)
        .calls(calls, 20, calls)
        .start()
}

/// The tag of each answered call, in order of the answers.
fn tags(messages: &str, seal: &Seal) -> Vec<LocalTag> {
    let acks = messages.lines().filter_map(|line| line.strip_prefix("ACK sip:"));
    acks.filter_map(|ack| LocalTag::decode(ack.split('@').next()?, seal)).collect()
}

/// The node in the tag of each answered call, in order of the answers.
fn nodes(messages: &str, seal: &Seal) -> Vec<String> {
    tags(messages, seal).into_iter().map(|tag| tag.owner.node.to_string()).collect()
}

/// The Call-ID of a caller.
fn call_id(messages: &str) -> Option<String> {
    messages.lines().find_map(|line| Some(line.strip_prefix("Call-ID:")?.trim().to_owned()))
}

/// Two replicas of each role that may have several; a killed one stays down for the duration of the test's calls.
fn two_of_each() -> Result<Installation> {
    let settings = ["process.restart_after=15s", "process.drain_deadline=10s"];
    let set = settings.iter().flat_map(|setting| ["--set", setting]);
    Installation::start_on_servers(&["--processes", "--replicas", "2"].into_iter().chain(set).collect::<Vec<_>>())
}

#[test]
fn calls_of_a_killed_node_go_on_at_the_other_one() -> Result<()> {
    let site = two_of_each()?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    // One caller talks to the agent, who hangs up at the end; one waits for the agent; the others have no agent.
    let talking = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    let waiting = Caller::dial(&site, "caller-until-bye.xml", 2, site.number("sales")?, &[])?;
    waiting.answered(SOON)?;
    let loads = [(steady(&site, 3, "echo", 12)?, "echo"), (steady(&site, 4, "menu", 8)?, "menu")];
    let (mut all, seal) = (Vec::new(), site.seal()?);
    wait::until(SOON, || {
        all = loads.iter().flat_map(|(load, _)| nodes(&load.traces("_messages.log"), &seal)).collect();
        Ok((all.len() >= 20).then_some(()))
    })
    .with_context(|| format!("answered: {all:?}"))?;
    // The node of the conversation; it also has other calls, by the hash of their Call-IDs.
    let node = nodes(&talking.messages(), &seal).pop().context("no node in the conversation's tag")?;
    let of_node = all.iter().filter(|other| **other == node).count();
    ensure!(of_node > 0 && of_node < all.len(), "{of_node} of {} calls are with {node}", all.len());
    let pid = *kernel::processes(site.pid())?.get(&node).with_context(|| format!("no process {node}"))?;
    signal(pid, "KILL")?;

    for (load, what) in loads {
        load.finish(LATER)?.expect_success().with_context(|| format!("callers of {what}"))?;
    }
    agent.hang_up().context("the agent hangs up")?;
    let call_id = call_id(&talking.messages()).context("the conversation's Call-ID")?;
    talking.finish(LATER)?.1.expect_success().context("the caller of the conversation")?;
    agent.wait_for("CALL_ESTABLISHED", LATER).context("who waited comes to the agent")?;
    agent.hang_up()?;
    waiting.finish(LATER)?.1.expect_success().context("who waited")?;
    let successor = if node.ends_with('1') { 2 } else { 1 };
    // The command did not get the number of replicas.
    let mut told = String::new();
    wait::until(LATER, || {
        told = super::trace::trace(&site, &[&call_id])?["missing"].to_string();
        let names_both = told.contains(&format!("sip-cluster-{successor}.")) && told.contains("took it over");
        Ok(names_both.then_some(()))
    })
    .with_context(|| told)?;
    wait::until(LATER, || {
        let left = site.metric_of("sip-cluster", successor, "sipcluster_calls")?;
        Ok((left == 0.0).then_some(()))
    })
    .context("calls that are left")
}

/// Bytes sent by frontend to the nodes.
fn sent_to_nodes(site: &Installation) -> Result<u64> {
    let mut sent = 0;
    for (_, pid) in kernel::processes(site.pid())?.into_iter().filter(|(name, _)| name.starts_with("frontend-")) {
        let sockets = kernel::connections(pid)?;
        sent += sockets.iter().filter(|of| of.remote.port() == REQUESTS_PORT).map(|of| of.sent).sum::<u64>();
    }
    Ok(sent)
}

#[test]
fn what_a_killed_node_was_just_being_asked_its_successor_does() -> Result<()> {
    let site = two_of_each()?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let talking = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    let tag = tags(&talking.messages(), &site.seal()?).pop().context("no tag in the conversation")?;
    let (node, call) = (tag.owner.node.to_string(), tag.call.to_string());
    let pid = *kernel::processes(site.pid())?.get(&node).with_context(|| format!("no process {node}"))?;
    let frame = json!({"req": "TAttachUserData", "ThisDN": "7101", "ConnID": call, "UserData": {"Note": "seen"}});

    let before = sent_to_nodes(&site)?;
    signal(pid, "STOP")?;
    let answer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let token = site.demo.tokens.get("operator").context("no operator's token")?;
            let headers = format!("Authorization: Bearer {token}\r\n");
            let web = site.demo.web.trim_start_matches("http://").parse()?;
            site.http_with(web, "POST", "/api/voice/v1/example/requests", &headers, &frame.to_string())
        });
        let is_asked = wait::until(SOON, || Ok((sent_to_nodes(&site)? > before).then_some(())));
        signal(pid, "KILL")?;
        is_asked.context("the node is not asked")?;
        asked.join().expect("it does not panic")
    })?;
    // On a slow machine the request timed out before the node counted as failed.
    ensure!(answer.status == 202 || answer.body.contains("in time"), "{} {}", answer.status, answer.body);
    agent.hang_up()?;
    talking.finish(LATER)?.1.expect_success()
}
