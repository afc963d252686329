//! `trunkline-reconcile`: what four witnesses say of the same calls, and where they disagree.
//!
//! The witnesses are the robots (what callers and agents did and heard), the event stream (port 8000), the reporting log (on
//! disk or in Kafka) and the wallboard. This program shares no code with any of them but the generated messages of port 8000, so that a
//! mistake of theirs is not made here again.

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

/// Compares what the robots, the event stream, the reporting log and the wallboard say of the same calls.
///
/// It watches an installation that runs, prints "watching", and waits on stdin for the path of the robots' result (as
/// `trunkline robots --json` prints it). Then it waits until the last facts have come and compares. It ends with 0 if all
/// agree, with 6 if they do not, and with 1 if it could not compare.
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
    /// End without a result when stdin ends before it has brought one
    #[arg(long, hide = true)]
    with_stdin: bool,
}

/// Everything agrees.
const AGREED: u8 = 0;
/// It could not be compared.
const FAILED: u8 = 1;
/// As `trunkline` ends when a check found faults.
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
