//! `trunkline-reconcile`: compares the testimonies of four witnesses about the same calls.
//!
//! The witnesses are the robots (actions and audio of callers and agents), the event stream (port 8000), the reporting
//! log (on disk or in Kafka) and the wallboard. This program shares no code with any of them except the generated
//! messages of port 8000, so that it does not repeat their mistakes.

#![allow(clippy::disallowed_methods, reason = "it shares no code with the others, their clock included")]

mod compare;
mod fact;
mod http;
mod reporting;
mod robots;
mod stream;
mod verdict;
mod wallboard;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

/// Compares the robots, the event stream, the reporting log and the wallboard on the same calls.
///
/// It watches a running installation, prints "watching", and waits on stdin for the path of the robots' result (as
/// `trunkline robots --json` prints it). Then it waits until the last facts have arrived and compares. It exits with 0
/// if all agree, with 6 if they do not, and with 1 if it could not compare.
#[derive(Parser)]
#[command(
    name = "trunkline-reconcile",
    version,
    after_help = "Example:\n  trunkline-reconcile --instance 0 --data-dir ~/.local/share/trunkline/instance-0"
)]
struct Arguments {
    /// Number of the installation on this machine
    #[arg(long, value_name = "N", default_value_t = 0)]
    instance: u8,
    /// The installation's data directory, with demo.json and the reporting log
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Read the reporting log from Kafka instead of the data directory: brokers, separated by commas
    #[arg(long, value_name = "BROKERS")]
    kafka: Option<String>,
    /// The result as JSON instead of the table
    #[arg(long)]
    json: bool,
    /// End without a result if stdin ends before it has delivered one
    #[arg(long, hide = true)]
    with_stdin: bool,
}

/// Everything agrees.
const AGREED: u8 = 0;
/// The comparison failed.
const FAILED: u8 = 1;
/// The exit code of `trunkline` when a check finds faults.
const DISAGREED: u8 = 6;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let verdict = executor.context("the executor").and_then(|executor| {
        let brokers = arguments.kafka.as_deref();
        executor.block_on(watch::run(arguments.instance, &arguments.data_dir, brokers, arguments.with_stdin))
    });
    ExitCode::from(match verdict {
        Ok(Some(verdict)) => {
            verdict.print(arguments.json);
            if verdict.agreed() { AGREED } else { DISAGREED }
        }
        Ok(None) => FAILED,
        Err(error) => {
            eprintln!("trunkline-reconcile: {error:#}");
            FAILED
        }
    })
}
