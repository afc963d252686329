//! Replicas that find one another by Consul: each registers and follows the others by a connection of its own, one that is killed is missed
//! and comes back, a Consul that is away keeps nobody from anything, and what others write there leads nobody astray.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::process::signal;
use testkit::{Consul, Installation, Visitor, kernel, wait};

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(120);
/// The rows of the drawing, by the role; every other role has ours.
const DRAWN: [(&str, &str); 3] = [("gws-proxy", "gws-03"), ("gws-workspace", "gws-19"), ("gws-provisioning", "gws-22")];
const PLATFORM: &str = "gws-08";
const EVERY_ROLE: &str = "own-13";
/// Two replicas of which one may be killed; it stays away for longer than Consul takes to notice that.
const TWO: [&str; 5] = ["--processes", "--set", "replicas.gws_workspace=2", "--set", "process.restart_after=75s"];
const KILLED: &str = "gws-workspace-2";
const COOKIE: &str = "WORKSPACE_SESSIONID=";

/// The row by which a role uses Consul.
fn row_of(role: &str) -> &'static str {
    match DRAWN.iter().find(|(drawn, _)| *drawn == role) {
        Some((_, row)) => row,
        None if role.starts_with("gws-") => PLATFORM,
        None => EVERY_ROLE,
    }
}

/// A session of an agent, whose requests go through gws-proxy.
struct AgentSession<'a> {
    site: &'a Installation,
    web: SocketAddr,
    cookie: String,
}

impl<'a> AgentSession<'a> {
    fn begin(site: &'a Installation) -> Result<Self> {
        let user = site.demo.users.iter().find(|user| user.kind == "agent").context("no agent signs in")?;
        let visitor = Visitor::new(site)?;
        let token = visitor.by_password(&user.user, &user.password)?.token("access_token")?;
        let bearer = format!("authorization: Bearer {token}");
        let begun = visitor.ask("/workspace/v3/initialize-workspace", &["--request", "POST", "--header", &bearer])?;
        let set = begun.header("set-cookie").with_context(|| format!("no cookie: {} {}", begun.head, begun.body))?;
        let cookie = set.split(';').next().filter(|cookie| cookie.starts_with(COOKIE)).context("another cookie")?;
        let (cookie, web) = (cookie.to_owned(), site.demo.web.trim_start_matches("http://").parse()?);
        Ok(Self { site, web, cookie })
    }

    /// Asks for the session, which has to be there.
    fn goes_on(&self) -> Result<()> {
        let headers = format!("Cookie: {}\r\n", self.cookie);
        let answer = self.site.http_with(self.web, "GET", "/workspace/v3/current-session", &headers, "")?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
        Ok(())
    }
}

fn topology(site: &Installation) -> Result<Value> {
    let output = Command::new(testkit::installation::binary()?)
        .args(["topology", "--json", "--instance", &site.demo.instance.to_string(), "--data-dir"])
        .arg(site.data_dir())
        .args(site.stores())
        .output()?;
    ensure!(!output.stdout.is_empty(), "topology: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Role, node and address of every replica.
fn replicas(topology: &Value) -> Result<Vec<(String, String, IpAddr)>> {
    let text = |row: &Value, name: &str| row[name].as_str().map(str::to_owned).with_context(|| row.to_string());
    let rows = topology["roles"].as_array().context("no roles")?;
    rows.iter().map(|row| Ok((text(row, "role")?, text(row, "node")?, text(row, "address")?.parse()?))).collect()
}

/// What differs between the rows to Consul as the topology tells them and the kernel's table.
fn differences(site: &Installation, consul: &Consul) -> Result<Vec<String>> {
    let (topology, sockets) = (topology(site)?, kernel::connections(site.pid())?);
    let rows = topology["connections"].as_array().context("no connections")?;
    let mut differences = Vec::new();
    for (role, node, address) in replicas(&topology)? {
        let id = row_of(&role);
        let has_bytes = |socket: &&kernel::Socket| {
            socket.local.ip() == address && socket.remote == consul.address() && socket.sent > 0 && socket.received > 0
        };
        if !sockets.iter().any(|socket| has_bytes(&socket)) {
            differences.push(format!("{id}: the kernel has no bytes between {node} and Consul"));
        }
        let row = rows.iter().find(|row| row["id"] == id).with_context(|| format!("no {id}"))?;
        let peers = row["peers"].as_array().into_iter().flatten();
        let mut own = peers.filter(|peer| peer["node"] == *node && peer["side"] == "opens");
        let is_open = own.any(|peer| peer["open"].as_u64() > Some(0) && peer["bytesIn"].as_u64() > Some(0));
        if row["state"] != "open" || !is_open {
            differences.push(format!("{id} is not open at {node}: {}", row["state"]));
        }
    }
    Ok(differences)
}

fn each_row_is_open_and_has_bytes(site: &Installation, consul: &Consul) -> Result<()> {
    let mut last = Vec::new();
    let agree = wait::until(SOON, || {
        last = differences(site, consul)?;
        Ok(last.is_empty().then_some(()))
    });
    agree.with_context(|| last.join("\n"))
}

/// Waits until the check of each of these passes and nobody else is there.
fn all_pass(consul: &Consul, nodes: &BTreeSet<String>) -> Result<()> {
    let mut last = BTreeSet::new();
    let all = wait::until(SOON, || {
        last = consul.passing()?;
        Ok((last == *nodes).then_some(()))
    });
    all.with_context(|| format!("{last:?} pass, not {nodes:?}"))
}

/// gws-03, gws-08, gws-19, gws-22 and own-13: Consul knows of every replica what only that one could tell it, by its own connection.
#[test]
fn every_role_registers_and_follows_the_others_by_its_own_connection() -> Result<()> {
    let (mut site, consul) = Installation::start_with_consul(&[])?;
    let nodes: BTreeSet<String> = replicas(&topology(&site)?)?.into_iter().map(|(_, node, _)| node).collect();
    ensure!(nodes.contains("gws-proxy-1") && nodes.contains("sip-cluster-1"), "{nodes:?}");
    all_pass(&consul, &nodes)?;
    each_row_is_open_and_has_bytes(&site, &consul)?;
    let workspace = consul.get("/v1/health/service/trunkline-gws-workspace")?;
    let due = site.admin("gws-workspace")?.ip().to_string();
    ensure!(workspace[0]["Service"]["Address"] == *due, "{workspace}");

    ensure!(site.stop()? == 0, "it does not drain");
    let left = consul.registered()?;
    ensure!(left.is_empty(), "they have not withdrawn: {left:?}");
    Ok(())
}

#[test]
fn a_consul_that_is_away_changes_nothing_and_hears_of_everybody_when_it_is_back() -> Result<()> {
    let (site, consul) = Installation::start_with_consul(&[])?;
    let nodes: BTreeSet<String> = replicas(&topology(&site)?)?.into_iter().map(|(_, node, _)| node).collect();
    let session = AgentSession::begin(&site)?;
    all_pass(&consul, &nodes)?;
    let failed = || site.metric("gws-proxy", "discovery_announcements_total{outcome=\"failed\"}");
    let changed = || site.metric("gws-proxy", "discovery_answers_total{outcome=\"changed\"}");
    let (failed_before, changed_before) = (failed()?, changed()?);
    consul.stop()?;
    // Several times each: it stays away for longer than a replica may be silent.
    wait::until(LATER, || {
        session.goes_on()?;
        Ok((failed()? >= failed_before + 6.0).then_some(()))
    })
    .context("nobody notices that Consul is away")?;
    for role in ["gws-proxy", "gws-workspace", "sip-cluster", "tenant"] {
        let ready = site.http(site.admin(role)?, "GET", "/ready", "")?;
        ensure!(ready.status == 200, "{role} is not ready: {}", ready.status);
    }
    consul.start_again()?;
    all_pass(&consul, &nodes)?;
    each_row_is_open_and_has_bytes(&site, &consul)?;
    session.goes_on()?;
    ensure!(changed()? <= changed_before, "an address was forgotten meanwhile");
    Ok(())
}

#[test]
fn a_replica_that_is_killed_is_missed_and_used_again_when_it_is_back() -> Result<()> {
    let (site, consul) = Installation::start_with_consul(&TWO)?;
    let session = AgentSession::begin(&site)?;
    let knows = |node: &str| anyhow::Ok(consul.passing()?.contains(node));
    wait::until(SOON, || Ok((knows("gws-workspace-1")? && knows(KILLED)?).then_some(()))).context("not registered")?;
    let changed = || site.metric("gws-proxy", "discovery_answers_total{outcome=\"changed\"}");
    let before = changed()?;
    session.goes_on()?;
    let pid = *kernel::processes(site.pid())?.get(KILLED).context("it has no process of its own")?;
    signal(pid, "KILL")?;
    wait::until(LATER, || {
        session.goes_on()?;
        Ok((!knows(KILLED)?).then_some(()))
    })
    .context("Consul does not miss it")?;
    let forgotten = wait::until(LATER, || {
        session.goes_on()?;
        Ok((changed()? > before).then_some(changed()?))
    })
    .context("gws-proxy does not forget it")?;

    wait::until(LATER, || {
        session.goes_on()?;
        Ok(knows(KILLED)?.then_some(()))
    })
    .context("it does not come back")?;
    let served =
        || site.metric_of("gws-workspace", 2, "connection_requests_total{connection=\"gws-06\",side=\"accepts\"}");
    wait::until(LATER, || {
        session.goes_on()?;
        // Without a session the replicas take turns.
        site.http_with(session.web, "GET", "/workspace/v3/current-session", "", "")?;
        // Without a request there is no such row yet.
        Ok((changed()? > forgotten && served().is_ok_and(|served| served > 0.0)).then_some(()))
    })
    .context("gws-proxy does not use it again")
}

/// Whoever may write into Consul is asked for nothing because of that, and is not taken for a role.
#[test]
fn a_service_that_somebody_else_registers_gets_no_request_and_one_that_is_taken_out_is_back() -> Result<()> {
    const DROPPED: &str = "discovery_addresses_dropped_total";
    let (site, consul) = Installation::start_with_consul(&[])?;
    let session = AgentSession::begin(&site)?;
    let own: SocketAddr = site.admin("gws-workspace")?;
    let registered = consul.get("/v1/health/service/trunkline-gws-workspace")?;
    let port = registered[0]["Service"]["Port"].as_u64().and_then(|port| u16::try_from(port).ok());
    let port = port.with_context(|| registered.to_string())?;
    let (stranger, instance) = (site.peer_address(66), site.demo.instance);
    // What gws-proxy and ingress ask gws-workspace by.
    let listeners = [(stranger, port), (stranger, own.port())].map(TcpListener::bind);
    let listeners: Vec<TcpListener> = match listeners {
        // One port for both.
        [first, _] if port == own.port() => vec![first?],
        [first, second] => vec![first?, second?],
    };
    listeners.iter().try_for_each(|listener| listener.set_nonblocking(true))?;
    for (id, address, port) in [("elsewhere", stranger.to_string(), port), ("other-port", own.ip().to_string(), 9)] {
        let service = json!({
            "ID": id, "Name": "trunkline-gws-workspace", "Address": address, "Port": port,
            "Meta": {"instance": instance.to_string(), "node": "gws-workspace-9"},
        });
        consul.put("/v1/agent/service/register", &service)?;
    }
    // In one process, one of those that ask gws-workspace follows it for all.
    let roles: BTreeSet<String> = replicas(&topology(&site)?)?.into_iter().map(|(role, ..)| role).collect();
    let dropped = || roles.iter().map(|role| site.metric(role, DROPPED)).sum::<Result<f64>>();
    wait::until(SOON, || {
        session.goes_on()?;
        Ok((dropped()? >= 2.0).then_some(()))
    })
    .context("nobody counts it")?;
    wait::throughout(Duration::from_secs(20), || {
        session.goes_on()?;
        site.http_with(session.web, "GET", "/workspace/v3/current-session", "", "").map(drop)
    })?;
    ensure!(listeners.iter().all(|listener| listener.accept().is_err()), "somebody has asked the stranger");
    let named = format!("{stranger}:{port}");
    let told = site.log_lines().iter().filter(|line| line.contains(&named)).count();
    ensure!(told == 1, "the log names it {told} times");
    ensure!(differences(&site, &consul)?.is_empty(), "the rows to Consul are not as before");

    consul.put(&format!("/v1/agent/service/deregister/trunkline-{instance}-gws-workspace-1"), &json!(null))?;
    wait::until(SOON, || {
        session.goes_on()?;
        let is_back = consul.registered()?.contains("gws-workspace-1") && consul.passing()?.contains("gws-workspace-1");
        Ok(is_back.then_some(()))
    })
    .context("it does not register again")
}

#[test]
fn a_setting_that_names_no_consul_is_refused_with_what_it_should_be() -> Result<()> {
    for (key, wrong, said) in [
        ("source", "etcd", "neither \"static\" nor \"consul\""),
        ("consul_url", "http://127.0.0.1", "as http://127.0.0.1:8500"),
        ("consul_prefix", "A_", "a-z, 0-9 and -"),
    ] {
        let error = Installation::start_with(&["--set", &format!("discovery.{key}={wrong}")]).err();
        let told = format!("{:#}", error.context("it started")?);
        ensure!(told.contains(&format!("discovery.{key}")) && told.contains(said), "{told}");
    }
    Ok(())
}
