//! `trunkline topology`: every connection of the running instance, and the coverage of the table.

mod coverage;
pub(super) mod paint;
mod table;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use infra::SystemClock;
use net::admin::AdminClient;

use runtime::exit::{Exit, ExitError};
use runtime::process::sections;
use runtime::topology::Topology;
use runtime::{key_files, scope};

use super::{InstallationOptions, executor};
use crate::roles;

/// Lifetime of the token that a command makes for itself.
const TOKEN_LIFE: Duration = Duration::from_secs(60);

#[derive(Args)]
pub struct Arguments {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Exit with 6 while a role is not ready, or a connection that running roles should have fails or is missing
    #[arg(long, conflicts_with = "coverage")]
    check: bool,
    /// All published connections: proven by which test, declared, or not yet; needs no running instance
    #[arg(long)]
    coverage: bool,
}

/// Prints the connections of the running instance, or the coverage of the table.
pub fn run(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<Exit> {
    if arguments.coverage {
        return coverage::run(arguments.json);
    }
    let topology = of_running(options)?;
    if !topology.runs() {
        let message = format!("no role of instance {} answers: it does not run", options.instance);
        return Err(ExitError::new(Exit::NotRunning, message).into());
    }
    if arguments.json {
        say_line!("{}", serde_json::to_string_pretty(&topology)?);
    } else if !arguments.check {
        say!("{}", table::table(&topology, paint::Paint::of_stdout()));
    }
    if !arguments.check {
        return Ok(Exit::Done);
    }
    let faults = topology.faults();
    if !faults.is_empty() {
        return Err(ExitError::new(Exit::CheckFailed, faults.join("\n")).into());
    }
    eprintln!("{}", table::in_a_line(&topology));
    Ok(Exit::Done)
}

/// Queries the running instance of those options.
pub(super) fn of_running(options: &InstallationOptions) -> anyhow::Result<Topology> {
    let clock = Arc::new(SystemClock::start());
    let admin_client = admin_client(options, scope::TOPOLOGY_READ)?;
    Ok(executor()?.block_on(net::topology::observe(&admin_client, options.instance, roles::TABLE, &*clock)))
}

/// A client that queries every role of it, with the installation's own key.
pub(super) fn admin_client(options: &InstallationOptions, scope: &str) -> anyhow::Result<AdminClient> {
    let values = options.values_of_running()?;
    let issuer = key_files::issuer_of_existing(&options.data_dir(), Arc::new(SystemClock::start()))?;
    let token = issuer.issue(None, "operator/cli", scope, TOKEN_LIFE)?;
    Ok(AdminClient::of_operator(roles::TABLE, sections::directory(options.instance, roles::TABLE, &values)?, token))
}
