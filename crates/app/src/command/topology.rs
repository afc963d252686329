//! `trunkline topology`: asks every role of the instance for its connections.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use infra::SystemClock;
use runtime::RoleSpec;
use runtime::admin::{OPERATE_SCOPE, TopologyReport};
use runtime::exit::{Exit, ExitError};
use runtime::meter::{ConnectionReport, Side, State};
use runtime::process::sections;
use runtime::{address, data_dir, token};

use super::{Site, executor};
use crate::roles;

/// A role that does not answer in this time is not there.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Life of the token that the command makes for itself.
const TOKEN_LIFE: Duration = Duration::from_secs(60);

#[derive(Args)]
pub struct Arguments {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Exit with 6 while a role is not ready, or a connection that running roles should have fails or is missing
    #[arg(long)]
    check: bool,
}

/// Prints the connections of the running instance.
#[allow(clippy::print_stdout, reason = "this is the command's answer")]
pub fn run(site: &Site, arguments: &Arguments) -> anyhow::Result<Exit> {
    let values = site.values()?;
    let tokens = data_dir::tokens(&site.data_dir(), Arc::new(SystemClock::start()))?;
    let token = tokens.issue(None, "operator/cli", OPERATE_SCOPE, token::EVERY_ROLE, TOKEN_LIFE)?;
    let replicas =
        roles::TABLE.iter().flat_map(|spec| (1..=sections::replica_count(&values, spec.name)).map(move |k| (*spec, k)));
    let asked = replicas.map(|(spec, k)| ask(spec, address::of_replica(site.instance, spec.number, k), &token));
    let answers = executor()?.block_on(futures::future::join_all(asked));
    let running: Vec<TopologyReport> = answers.into_iter().flatten().collect();
    if running.is_empty() {
        let message = format!("no role of instance {} answers: it does not run", site.instance);
        return Err(ExitError::new(Exit::NotRunning, message).into());
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&running)?);
    } else {
        running.iter().for_each(|role| print!("{}", table(role)));
    }
    let faults = if arguments.check { faults(&running) } else { Vec::new() };
    if faults.is_empty() { Ok(Exit::Done) } else { Err(ExitError::new(Exit::CheckFailed, faults.join("\n")).into()) }
}

async fn ask(spec: &RoleSpec, address: IpAddr, token: &str) -> Option<TopologyReport> {
    let to = SocketAddr::new(address, spec.admin_port);
    let answer = tokio::time::timeout(ANSWER_WITHIN, net::http::get_once(to, "/topology", token)).await;
    answer.ok()?.ok()?.json().ok()
}

fn table(role: &TopologyReport) -> String {
    let ready = if role.ready { "ready".to_owned() } else { format!("not ready: {}", role.missing.join("; ")) };
    let mut text = format!("{} ({ready})\n", role.node);
    for row in &role.connections {
        let sum = |count: fn(&runtime::meter::PeerReport) -> u64| row.peers.iter().map(count).sum::<u64>();
        let side = if row.side == Side::Opens { "opens" } else { "accepts" };
        text.push_str(&format!(
            "  {:<14} {side:<8} {:<9} open {:<4} requests {:<9} in {:<11} out {:<11} errors {}\n",
            row.id,
            state(row.state),
            sum(|p| p.open),
            sum(|p| p.requests),
            sum(|p| p.bytes_in),
            sum(|p| p.bytes_out),
            sum(|p| p.errors),
        ));
    }
    text
}

const fn state(state: State) -> &'static str {
    match state {
        State::Unused => "unused",
        State::Open => "open",
        State::Idle => "idle",
        State::Failing => "failing",
        State::Embedded => "embedded",
    }
}

/// Roles that are not ready, connections that fail, and kept connections that are not there.
fn faults(running: &[TopologyReport]) -> Vec<String> {
    let mut faults = Vec::new();
    for role in running {
        if !role.ready {
            faults.push(format!("{} is not ready: {}", role.node, role.missing.join("; ")));
        }
        let failing = role.connections.iter().filter(|row| row.state == State::Failing);
        faults.extend(failing.map(|row| format!("{}: {} fails", role.node, row.id)));
        faults.extend(missing(role, running).map(|id| format!("{}: {id} is missing", role.node)));
    }
    faults
}

/// Connections that are opened at start and kept, whose other side runs, and that do not stand.
fn missing<'a>(role: &'a TopologyReport, running: &'a [TopologyReport]) -> impl Iterator<Item = &'static str> + 'a {
    let opens = roles::find(&role.role).map(|spec| spec.opens).unwrap_or_default();
    opens.iter().copied().filter(|id| {
        let Some(row) = runtime::connections::find(id) else { return false };
        let is_kept = row.protocol.starts_with("sip/tcp");
        let target_runs = running.iter().any(|other| other.role == row.to);
        let stands = |c: &ConnectionReport| c.id == *id && c.side == Side::Opens && c.state == State::Open;
        is_kept && target_runs && !role.connections.iter().any(stands)
    })
}
