//! `trunkline demo`: a working contact centre.

use clap::Args;
use runtime::exit::{Exit, ExitError};

use super::InstallationOptions;
use super::run;
use crate::demo::{Example, Load, Show};

pub const EXAMPLES: &str = "Examples:\n  trunkline demo\n  trunkline demo --agents 20 --rate 1\n  \
                            trunkline demo --calls 200 --rate 10 --agents 40 --talk 1.5..2.5 --wrap 0.5 --exit\n  \
                            trunkline demo --processes --replicas 2 --set stores.mode=real";

/// No call of a demo is worth waiting for, and the log is not the answer. The user's own `--set` wins.
const SETTINGS: [&str; 2] = ["process.log=error", "process.drain_deadline=3s"];

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    load: Load,
    /// End after the last call, compare all records of the calls, and fail unless they agree (needs --calls)
    #[arg(long)]
    exit: bool,
    /// The result as JSON instead of tables (needs --exit)
    #[arg(long)]
    json: bool,
    /// A supervised process for each role and replica; needs stores that processes share (stores.mode)
    #[arg(long)]
    processes: bool,
    /// Number of replicas of sip-cluster, sip-vq, dialplan, config and frontend
    #[arg(long, value_name = "N", requires = "processes", value_parser = clap::value_parser!(u8).range(1..=254))]
    replicas: Option<u8>,
}

/// Starts everything and shows it.
pub fn run(options: &InstallationOptions, arguments: Arguments) -> anyhow::Result<Exit> {
    let usage = |message: &str| Err(ExitError::new(Exit::Usage, message).into());
    if arguments.exit && arguments.load.is_endless() {
        return usage("--exit needs --calls: a demo without end comes to no result");
    }
    if arguments.json && !arguments.exit {
        return usage("--json needs --exit: a demo that goes on has no result");
    }
    let mut options = options.clone();
    options.set.splice(0..0, SETTINGS.map(str::to_owned));
    let show = Example::Robots(Box::new(Show::new(arguments.load, arguments.exit, arguments.json)?));
    if arguments.processes { run::up_processes(&options, show, arguments.replicas) } else { run::up(&options, show) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use super::super::{Cli, Command};

    #[test]
    fn in_a_demo_whoever_answers_must_be_heard_within_a_second() {
        let Command::Demo(arguments) = Cli::try_parse_from(["trunkline", "demo"]).unwrap().command else {
            panic!("another command");
        };
        assert_eq!(arguments.load.plan().hear_within, Duration::from_secs(1));
    }
}
