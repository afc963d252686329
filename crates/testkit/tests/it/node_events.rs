//! Port 8000 of sip-vq and of sip-cluster's nodes: what each owns, from a snapshot, from a position, and when a node is killed.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::v1;
use testkit::agents::baresip_agent;
use testkit::caller::{Caller, prompt_samples};
use testkit::facts::{Fact, briefs, broken_laws};
use testkit::process::signal;
use testkit::{Answer, Installation, Watch, kernel, wait};

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(90);

fn after(position: &str) -> v1::SubscribeRequest {
    v1::SubscribeRequest { after: position.to_owned(), ..v1::SubscribeRequest::default() }
}

/// A caller of the queue who waits.
fn waiting(site: &Installation, host: u8) -> Result<Caller> {
    let mut caller = Caller::dial(site, "caller-until-bye.xml", host, site.number("sales")?, &[])?;
    // A caller without audio would be checked for being alive, which SIPp does not expect.
    let media = caller.answered(SOON)?;
    caller.audio.say(&prompt_samples("announcement")?.repeat(40), media)?;
    site.metric_becomes("rq", "rq_requests_open", 1.0, LATER)?;
    Ok(caller)
}

/// An agent takes the waiting call and ends it.
fn answered_and_ended(site: &Installation, caller: Caller) -> Result<()> {
    let mut agent = baresip_agent(site, 10, "7101", Answer::Auto)?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    agent.hang_up()?;
    caller.finish(LATER)?.1.expect_success()
}

fn ids(facts: &[Fact], begin: &str) -> BTreeSet<String> {
    facts.iter().map(|fact| fact.id.clone()).filter(|id| id.starts_with(begin)).collect()
}

/// The DNs of a snapshot's calls with their states.
fn parties(snapshot: &v1::Snapshot) -> Vec<(String, v1::PartyState)> {
    let parties = snapshot.calls.iter().flat_map(|call| &call.parties);
    parties.map(|party| (party.dn.clone(), party.state())).collect()
}

#[test]
fn a_virtual_queue_is_told_on_port_8000_of_sip_vq() -> Result<()> {
    let site = Installation::start()?;
    let all = Watch::start(&site, "0-0")?;
    let queues = Watch::of(&site, ("sip-vq", 1), after(""))?;
    ensure!(queues.snapshot()?.calls.is_empty(), "{:?}", queues.snapshot()?);
    // A caller who hangs up has abandoned the virtual queue.
    let gives_up = Caller::dial(&site, "caller-when-told.xml", 2, site.number("sales")?, &[])?;
    queues.wait_for("Queued@sales", LATER)?;
    gives_up.hang_up()?;
    gives_up.finish(LATER)?.1.expect_success()?;
    queues.wait_for("Abandoned@sales", LATER)?;
    let caller = waiting(&site, 1)?;
    let queued = queues.wait_for_count("Queued@sales", 2, SOON)?;
    ensure!(queued.id.starts_with("queue:sales:") && queued.text("ThisQueue") == "sales", "{:?}", queued.frame);
    ensure!(queued.frame["Extensions"]["RVQID"].is_string(), "{:?}", queued.frame);
    let conn = queued.text("ConnID").to_owned();

    // Who comes now begins with the call that waits, and who was here resumes behind it.
    let late = Watch::of(&site, ("sip-vq", 1), after(""))?.snapshot()?;
    ensure!(parties(&late) == [("sales".to_owned(), v1::PartyState::Queued)], "{late:?}");
    let call = late.calls[0].call.clone().context("a call without its ids")?;
    ensure!(format!("{:016x}", call.conn_id) == conn && call.ani == queued.frame["ANI"].as_str().map(str::to_owned));
    site.metric_becomes("sip-vq", "sipvq_calls_waiting", 1.0, SOON)?;
    let resumed = Watch::of(&site, ("sip-vq", 1), after(&queued.position))?;
    answered_and_ended(&site, caller)?;
    let diverted = resumed.wait_for("Diverted@sales", SOON)?;
    ensure!((diverted.text("ThirdPartyDN"), diverted.text("AgentID")) == ("7101", "1001"), "{:?}", diverted.frame);
    all.wait_for_count("CallDeleted", 2, SOON)?;
    site.metric_becomes("sip-vq", "sipvq_calls_waiting", 0.0, SOON)?;
    let same = wait::until(SOON, || {
        let (here, there) = (ids(&queues.facts(), ""), ids(&all.facts(), "queue:"));
        Ok((here == there).then_some(()))
    });
    same.with_context(|| format!("{:?} are not those of tenant", briefs(&queues.facts())))?;
    ensure!(resumed.facts().iter().all(|fact| fact.id != queued.id), "it is told again");
    site.is_at_rest()
}

#[test]
fn a_nodes_calls_are_told_on_its_port_8000() -> Result<()> {
    let site = Installation::start()?;
    let all = Watch::start(&site, "0-0")?;
    let node = Watch::of(&site, ("sip-cluster", 1), after("0-0"))?;
    let caller = waiting(&site, 1)?;
    let request = node.wait_for("RouteRequest@9000", SOON)?;
    let late = Watch::of(&site, ("sip-cluster", 1), after(""))?;
    let snapshot = late.snapshot()?;
    ensure!(parties(&snapshot) == [("9000".to_owned(), v1::PartyState::Queued)], "{snapshot:?}");
    let known = snapshot.known.iter().find(|id| id.seq > 0 && id.token == 1).context("no fact is known")?;
    ensure!(known.seq >= request.frame["seq"].as_u64().unwrap_or_default(), "{known:?}");
    answered_and_ended(&site, caller)?;
    all.wait_for("CallDeleted", SOON)?;
    node.wait_for("CallDeleted", SOON)?;
    late.wait_for("CallDeleted", SOON)?;
    let same = || ids(&node.facts(), "") == ids(&all.facts(), "call:");
    wait::until(SOON, || Ok(same().then_some(())))
        .with_context(|| format!("{:?} are not those of tenant", briefs(&node.facts())))?;
    ensure!(broken_laws(&node.facts()).is_empty(), "{:#?}", broken_laws(&node.facts()));
    let first = late.facts().first().and_then(|fact| fact.frame["seq"].as_u64());
    ensure!(first.is_some_and(|seq| seq == known.seq + 1), "{first:?} does not follow {known:?}");
    Ok(())
}

/// Two nodes of each role. The one that owns a call is killed: its call goes on at the other one, whose subscribers miss nothing and find
/// nothing twice.
#[test]
fn a_killed_nodes_subscribers_go_on_at_another_node_without_a_gap() -> Result<()> {
    let arguments = ["--processes", "--replicas", "2", "--set", "process.restart_after=15s"];
    let site = Installation::start_on_servers(&arguments)?;
    let all = Watch::start(&site, "0-0")?;
    let nodes = [1, 2].map(|replica| Watch::of(&site, ("sip-cluster", replica), after("0-0")));
    let [first, second] = nodes;
    let nodes = [first?, second?];
    let queues = [Watch::of(&site, ("sip-vq", 1), after("0-0"))?, Watch::of(&site, ("sip-vq", 2), after("0-0"))?];
    let caller = waiting(&site, 1)?;
    let told = |watch: &Watch| watch.facts().iter().any(|fact| fact.brief() == "RouteRequest@9000");
    let owner = wait::until(SOON, || Ok(nodes.iter().position(told))).context("no node tells of the call")?;
    ensure!(nodes[1 - owner].facts().is_empty(), "both tell of one call: {:?}", briefs(&nodes[1 - owner].facts()));
    for queue in &queues {
        queue.wait_for("Queued@sales", SOON)?;
    }

    let processes = kernel::processes(site.pid())?;
    let killed = format!("sip-cluster-{}", owner + 1);
    for name in [killed.as_str(), "sip-vq-1"] {
        signal(*processes.get(name).with_context(|| format!("no process {name}"))?, "KILL")?;
    }
    let (gone, successor) = (&nodes[owner], &nodes[1 - owner]);
    wait::until(SOON, || Ok(gone.has_ended().then_some(()))).context("the killed node's subscription goes on")?;
    // The virtual queue's state outlives its node, whose next life begins with the call that waits; its subscriber resumes there.
    let again = wait::until(LATER, || Ok(Watch::of(&site, ("sip-vq", 1), after("")).ok()));
    let snapshot = again.context("sip-vq-1 does not come back")?.snapshot()?;
    ensure!(parties(&snapshot) == [("sales".to_owned(), v1::PartyState::Queued)], "{snapshot:?}");
    let resumed = Watch::of(&site, ("sip-vq", 1), after(&queues[0].position()))?;

    answered_and_ended(&site, caller)?;
    all.wait_for("CallDeleted", LATER)?;
    successor.wait_for("CallDeleted", LATER)?;

    let wanted = ids(&all.facts(), "call:");
    let both = || &ids(&gone.facts(), "call:") | &ids(&successor.facts(), "call:");
    wait::until(SOON, || Ok((both() == wanted).then_some(())))
        .with_context(|| format!("missing are {:?}", wanted.difference(&both()).collect::<Vec<_>>()))?;
    let facts = successor.facts();
    ensure!(ids(&facts, "").len() == facts.len(), "a fact comes twice: {:?}", briefs(&facts));
    let tokens: Vec<u64> = facts.iter().filter_map(|fact| fact.frame["token"].as_u64()).collect();
    ensure!(tokens.is_sorted() && tokens.last() > Some(&1), "{tokens:?}");

    for queue in [&queues[1], &resumed] {
        queue.wait_for("Diverted@sales", SOON)?;
    }
    Ok(())
}
