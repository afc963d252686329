//! An installation with servers as stores: Redis, Pulse's Redis and PostgreSQL, read with redis-cli and psql; and one
//! with a process for each role.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::agents::baresip_agent;
use testkit::caller::{Caller, prompt_samples};
use testkit::installation::binary;
use testkit::process::{is_gone, signal};
use testkit::{Answer, Installation, Servers, kernel, wait};

use crate::outgoing::is_heard_in;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(60);
/// Samples in a second.
pub const SECOND: usize = 8_000;
const REDIS: u16 = 6_379;
const REDIS_OF_PULSE: u16 = 6_380;
const POSTGRESQL: u16 = 5_432;

fn trunkline(site: &Installation, arguments: &[&str]) -> Result<Output> {
    let output = Command::new(binary()?)
        .args(arguments)
        .args(["--instance", &site.demo.instance.to_string(), "--set", "stores.mode=real", "--data-dir"])
        .arg(site.data_dir())
        .output()?;
    Ok(output)
}

/// The names of a server's clients by their addresses, as listed by the server's own tool.
fn named(servers: &Servers) -> Result<BTreeMap<SocketAddr, String>> {
    let mut names = BTreeMap::new();
    for port in [REDIS, REDIS_OF_PULSE] {
        for line in servers.redis_cli(port, &["CLIENT", "LIST"])?.lines() {
            let field = |name: &str| line.split(' ').find_map(|word| word.strip_prefix(name)).unwrap_or_default();
            names.insert(field("addr=").parse()?, field("name=").to_owned());
        }
    }
    let sql = "select host(client_addr) || ':' || client_port || ' ' || application_name from pg_stat_activity \
               where client_addr is not null";
    for line in servers.psql(sql)?.lines() {
        let (address, name) = line.split_once(' ').context("a connection without a name")?;
        names.insert(address.parse()?, name.to_owned());
    }
    Ok(names)
}

#[test]
fn each_connection_to_a_server_carries_the_name_of_its_rows() -> Result<()> {
    let mut site = Installation::start_on_servers(&[])?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;

    let (pid, mut wrong, mut seen) = (site.pid(), Vec::new(), BTreeMap::new());
    // Repeated until both show the same time: connections come and go.
    wait::until(LATER, || {
        let shown = trunkline(&site, &["topology", "--json"])?;
        let document: serde_json::Value = serde_json::from_slice(&shown.stdout)?;
        let names = named(site.servers()?)?;
        (wrong, seen) = (Vec::new(), BTreeMap::new());
        for socket in kernel::connections(pid)? {
            let port = socket.remote.port();
            if ![REDIS, REDIS_OF_PULSE, POSTGRESQL].contains(&port)
                || !socket.remote.ip().to_string().ends_with(".255.1")
            {
                continue;
            }
            let name = names.get(&socket.local).cloned().unwrap_or_default();
            let rows_of = name.split('/').nth(2).filter(|_| name.starts_with("trunkline/"));
            match rows_of {
                None => wrong.push(format!("{} → {}: {name:?}", socket.local, socket.remote)),
                Some("none") => wrong.push(format!("{name} belongs to no row")),
                Some(ids) if socket.sent > 0 && socket.received > 0 => {
                    seen.extend(ids.split('+').map(|id| (id.to_owned(), name.clone())));
                }
                Some(_) => {}
            }
        }
        let rows = document["connections"].as_array().context("no connections")?;
        wrong.extend(rows.iter().filter_map(|row| differs(row, &seen)));
        Ok(wrong.is_empty().then_some(()))
    })
    .with_context(|| format!("{}\nseen: {seen:#?}", wrong.join("\n")))?;
    agent.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    Ok(())
}

/// The difference between a row of the table and the names of the sockets. Each row shown open must have a socket
/// with its name, and each name's row must be shown open.
fn differs(row: &serde_json::Value, seen: &BTreeMap<String, String>) -> Option<String> {
    let id = row["id"].as_str().unwrap_or_default();
    let to_server = ["redis", "postgresql"].iter().any(|server| row["to"] == *server || row["from"] == *server);
    let is_drawn_twice = row["sameAs"].as_array().is_some_and(|same| !same.is_empty());
    let agrees = row["state"] != "embedded" && (row["state"] == "open") == seen.contains_key(id);
    (to_server && !is_drawn_twice && !agrees).then(|| format!("{id} is {}", row["state"]))
}

#[test]
fn what_happens_is_in_the_servers_and_nothing_of_it_in_the_data_directory() -> Result<()> {
    let mut site = Installation::start_on_servers(&[])?;
    let number = site.number("echo")?.to_owned();
    let caller = Caller::dial(&site, "caller-when-told.xml", 1, &number, &[])?;
    caller.answered(SOON)?;
    let servers = site.servers()?;
    let calls = wait::until(SOON, || {
        let ids = servers.redis_cli(REDIS, &["ZRANGE", "ids:{example}:call", "0", "-1"])?;
        Ok((!ids.is_empty()).then_some(ids))
    })?;
    let owner = servers.redis_cli(REDIS, &["HGET", &format!("call:{{example}}:{calls}"), "o"])?;
    ensure!(owner.starts_with("sip-cluster-1."), "{owner}");
    caller.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    let servers = site.servers()?;
    let facts = || Ok((servers.redis_cli(REDIS, &["XLEN", "ev:{example}"])?.parse::<u64>()? >= 2).then_some(()));
    wait::until(SOON, facts).context("the facts of the call are not in Redis")?;
    ensure!(servers.psql("select name from tenant where id = 'example'")?.len() > 2);
    let numbers: usize = servers.psql("select count(*) from number where tenant = 'example'")?.parse()?;
    ensure!(numbers == site.demo.numbers.len(), "{numbers} numbers");
    for name in ["stores", "reporting", "configuration.sqlite"] {
        ensure!(!site.data_dir().join(name).exists(), "{name} is in the data directory");
    }
    site.is_at_rest()
}

#[test]
fn calls_go_on_while_redis_is_away_and_end_when_their_parties_end_them() -> Result<()> {
    let mut site = Installation::start_on_servers(&[])?;
    conversation_over_a_failure(&mut site, |servers| {
        servers.kill_redis()?;
        Ok(())
    })
}

#[test]
fn calls_go_on_when_redis_comes_back_empty() -> Result<()> {
    let mut site = Installation::start_on_servers(&[])?;
    conversation_over_a_failure(&mut site, |servers| {
        servers.kill_redis()?;
        servers.empty_redis()
    })?;
    // The agent is still logged in: the next call comes without a request of the agent.
    Ok(())
}

/// A conversation goes on during and after Redis' failure; then the caller hangs up and all facts are sent.
fn conversation_over_a_failure(site: &mut Installation, fail: impl Fn(&mut Servers) -> Result<()>) -> Result<()> {
    let mut agent = baresip_agent(site, 10, "7101", Answer::Auto)?;
    let mut caller = Caller::dial(site, "caller-when-told.xml", 1, site.number("sales")?, &[])?;
    let media = caller.answered(SOON)?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    caller.audio.say(&prompt_samples("announcement")?.repeat(20), media)?;
    hears_more(&caller, 2 * SECOND)?;
    fail(site.servers()?)?;
    hears_more(&caller, 2 * SECOND)?;
    // A call that needs no agent is served during the failure.
    let announced = Caller::dial(site, "caller-until-bye.xml", 3, site.number("announcement")?, &[])?;
    announced.finish(LATER)?.1.expect_success().context("a new call while Redis is away")?;
    site.servers()?.start_redis()?;
    // The owner writes its record again, whether Redis had it or not.
    let servers = site.servers()?;
    let calls = wait::until(LATER, || {
        // One call: the announced one is over, and its record is soon ended.
        let ids = servers.redis_cli(REDIS, &["ZRANGE", "ids:{example}:call", "0", "-1"])?;
        Ok((ids.lines().count() == 1).then_some(ids))
    })
    .context("the call's record is not in Redis again")?;
    let owner = servers.redis_cli(REDIS, &["HGET", &format!("call:{{example}}:{calls}"), "o"])?;
    ensure!(owner.starts_with("sip-cluster-1."), "{owner}");
    let (before, said) = (caller.audio.received().samples.len(), prompt_samples("support-welcome")?);
    hears_more(&caller, said.len() + SECOND)?;
    caller.hang_up()?;
    let (audio, outcome) = caller.finish(LATER)?;
    outcome.expect_success()?;
    agent.wait_for("CALL_CLOSED", SOON)?;
    ensure!(is_heard_in(&said, &audio.received().samples[before..]), "the caller does not hear the agent");
    site.is_at_rest()?;
    let next = Caller::dial(site, "caller-until-bye.xml", 2, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER).context("the next call")?;
    agent.hang_up()?;
    next.finish(LATER)?.1.expect_success()?;
    site.is_at_rest()
}

pub fn hears_more(caller: &Caller, samples: usize) -> Result<()> {
    let before = caller.audio.received().samples.len();
    wait::until(LATER, || Ok((caller.audio.received().samples.len() >= before + samples).then_some(())))
        .with_context(|| format!("{} samples heard, {before} of them before", caller.audio.received().samples.len()))
}

#[test]
fn calls_need_nothing_of_postgresql() -> Result<()> {
    let mut site = Installation::start_on_servers(&[])?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    site.servers()?.end_postgres()?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    agent.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    site.servers()?.start_postgres()?;
    // A change after the restart arrives.
    let before = site.servers()?.psql("select revision from tenant where id = 'example'")?;
    wait::until(LATER, || {
        let changed = site.import_changed(|folder| {
            let file = folder.join("example-tenant.yaml");
            let text = std::fs::read_to_string(&file)?;
            Ok(std::fs::write(&file, text.replacen("wrap_up_s: 1\n", "wrap_up_s: 2\n", 1))?)
        });
        Ok(changed.ok())
    })?;
    ensure!(site.servers()?.psql("select revision from tenant where id = 'example'")? != before);
    site.is_at_rest()
}

#[test]
fn a_server_that_is_away_is_waited_for_and_a_wrong_one_is_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let run = |set: &str| {
        let output = Command::new(binary()?)
            .args(["up", "--instance", "218", "--set", "stores.mode=real", "--set", "stores.start_within=1s"])
            .args(["--set", set, "--data-dir"])
            .arg(folder.path())
            .output()?;
        anyhow::Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let (code, said) = run("stores.redis=redis://ann:secret@127.218.255.1:6379")?;
    ensure!(code == Some(12), "{code:?} {said}");
    ensure!(said.contains("waiting for") && said.contains("has not answered within 1 s"), "{said}");
    ensure!(!said.contains("secret"), "{said}");
    let (code, said) = run("stores.redis=http://127.218.255.1")?;
    ensure!(code == Some(3) && said.contains("stores.redis"), "{code:?} {said}");
    Ok(())
}

// === a process for each role ===

/// The processes started by a supervisor, with their command lines.
fn children(supervisor: u32) -> Result<BTreeMap<u32, String>> {
    let listed = Command::new("ps").args(["-o", "pid=,args=", "--ppid", &supervisor.to_string()]).output()?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let child = |line: &str| {
        let (pid, command) = line.trim().split_once(' ')?;
        Some((pid.parse().ok()?, command.to_owned()))
    };
    Ok(text.lines().filter_map(child).collect())
}

/// Waits until the processes have their connections: on a busy machine, some minutes for a hundred of them.
fn are_connected(site: &Installation) -> Result<()> {
    let replicas = ["sip_cluster", "dialplan", "config", "frontend"].map(|role| format!("replicas.{role}=2"));
    let mut arguments = vec!["topology", "--check"];
    for set in &replicas {
        arguments.extend(["--set", set]);
    }
    let mut last = String::new();
    let connected = wait::until(LATER * 4, || {
        let check = trunkline(site, &arguments)?;
        last = String::from_utf8_lossy(&check.stdout).into_owned();
        Ok(check.status.success().then_some(()))
    });
    connected.with_context(|| format!("topology --check: {last}"))
}

#[test]
fn a_process_for_each_role_serves_calls_and_ends_in_order() -> Result<()> {
    // A busy machine needs longer for so many processes than an installation has by default, which would end with another exit code.
    let arguments = ["--processes", "--replicas", "2", "--set", "process.drain_deadline=100s"];
    let mut site = Installation::start_on_servers(&arguments)?;
    let started = children(site.pid())?;
    for role in ["sip-proxy", "sip-cluster", "dialplan", "tenant", "rq", "ors", "pulse"] {
        ensure!(
            started.values().any(|command| command.contains(&format!(" run {role} "))),
            "no {role} in {started:#?}"
        );
    }
    let nodes = started.values().filter(|command| command.contains(" run sip-cluster ")).count();
    ensure!(nodes == 2, "{nodes} processes of sip-cluster");
    are_connected(&site)?;
    let mut agent = baresip_agent(&site, 10, "7101", Answer::Auto)?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 1, site.number("sales")?, &[])?;
    agent.wait_for("CALL_ESTABLISHED", LATER)?;
    agent.hang_up()?;
    caller.finish(LATER)?.1.expect_success()?;
    drop(agent);
    let log = site.log();
    ensure!(log.iter().any(|line| line.starts_with("{\"process\":\"sip-cluster-2\"")), "no line of sip-cluster-2");
    ensure!(site.stop()? == 0, "the exit code of the supervisor");
    for (pid, command) in started {
        ensure!(is_gone(pid), "{command} still runs");
    }
    Ok(())
}

#[test]
fn a_role_that_is_killed_is_started_again_and_a_killed_supervisor_leaves_nobody() -> Result<()> {
    let mut site = Installation::start_on_servers(&["--processes", "--set", "process.drain_deadline=5s"])?;
    let started = children(site.pid())?;
    let of = |role: &str, all: &BTreeMap<u32, String>| {
        all.iter().find(|(_, command)| command.contains(&format!(" run {role} "))).map(|(pid, _)| *pid)
    };
    let dialplan = of("dialplan", &started).context("no dialplan")?;
    signal(dialplan, "KILL")?;
    let again = wait::until(LATER, || Ok(of("dialplan", &children(site.pid())?).filter(|pid| *pid != dialplan)))?;
    ensure!(!is_gone(again));
    let number = site.number("announcement")?.to_owned();
    // A call that begins while it starts may take as long as a call waits for an answer.
    wait::until(2 * LATER, || {
        let caller = Caller::dial(&site, "caller-until-bye.xml", 1, &number, &[])?;
        Ok(caller.finish(LATER)?.1.expect_success().ok())
    })?;
    let last = children(site.pid())?;
    site.crash()?;
    wait::until(LATER, || Ok(last.keys().all(|pid| is_gone(*pid)).then_some(()))).context("processes that are left")
}

/// A role without a connection to PostgreSQL is restarted while PostgreSQL is unavailable, and calls work.
#[test]
fn a_role_that_is_killed_while_postgresql_is_away_is_started_again() -> Result<()> {
    let mut site = Installation::start_on_servers(&["--processes", "--set", "process.restart_after=100ms"])?;
    site.servers()?.end_postgres()?;
    let of_media = || -> Result<Option<u32>> {
        Ok(children(site.pid())?.iter().find(|(_, command)| command.contains(" run media ")).map(|(pid, _)| *pid))
    };
    let before = of_media()?.context("no media")?;
    signal(before, "KILL")?;
    let again = wait::until(LATER, || Ok(of_media()?.filter(|pid| *pid != before)))?;
    let number = site.number("announcement")?.to_owned();
    wait::until(LATER, || {
        let caller = Caller::dial(&site, "caller-until-bye.xml", 1, &number, &[])?;
        Ok(caller.finish(LATER)?.1.expect_success().ok())
    })?;
    // It does not end later either: its wait for a connection would be over by now.
    let mut lasting = Caller::dial(&site, "caller.xml", 2, site.number("echo")?, &["-d", "8000"])?;
    let media = lasting.answered(LATER)?;
    lasting.audio.say(&prompt_samples("announcement")?, media)?;
    lasting.finish(LATER)?.1.expect_success()?;
    ensure!(of_media()? == Some(again), "media was started once more");
    site.servers()?.start_postgres()
}

#[test]
fn a_supervisor_that_was_killed_is_started_again_at_once() -> Result<()> {
    // Longer than it takes until the new supervisor looks for them: the call below, and not this, ends their drain.
    let arguments = ["--processes", "--set", "process.drain_deadline=150s"];
    let site = Installation::start_on_servers(&arguments)?;
    let groups = children(site.pid())?.keys().map(|pid| group(*pid)).collect::<Result<Vec<_>>>()?;
    ensure!(!groups.contains(&group(site.pid())?), "Ctrl-C is for the supervisor, which ends the others in order");
    // A call that keeps orphaned processes from ending by themselves.
    let mut lasting = Caller::dial(&site, "caller-when-told.xml", 1, site.number("echo")?, &[])?;
    let media = lasting.answered(LATER)?;
    // Who is silent for long is asked whether it is alive.
    lasting.audio.say(&prompt_samples("announcement")?.repeat(40), media)?;
    let second = Command::new(testkit::installation::binary()?)
        .args(["up", "--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .args(arguments)
        .output()?;
    let said = String::from_utf8_lossy(&second.stderr);
    ensure!(second.status.code() == Some(5) && said.contains(&format!("process {} runs", site.pid())), "{said}");
    let mut has_waited = false;
    let site = site.crash_and_restart_while(&arguments, |log| {
        let waits = |line: &String| line.contains("processes of the previous supervisor still drain");
        if !has_waited && log.iter().any(waits) {
            has_waited = true;
            lasting.hang_up()?;
        }
        Ok(())
    })?;
    ensure!(has_waited, "it has not waited: {:#?}", site.log());
    lasting.finish(LATER)?.1.expect_success().context("the call of the processes that drain")?;
    let caller = Caller::dial(&site, "caller-until-bye.xml", 2, site.number("announcement")?, &[])?;
    caller.finish(LATER)?.1.expect_success()
}

/// The process group of a process.
fn group(pid: u32) -> Result<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').context("no name")?.1;
    Ok(fields.split_whitespace().nth(2).context("no group")?.parse()?)
}
