//! Measures the built binary and its peers, in one run on one machine: `script/bench`.
//!
//! Figures of different machines, or of a shared machine at different times, cannot be compared. A ratio of two
//! programs that ran one after the other under the same load can, and so can one to the machine's floor in the same run.
//! CPU is the kernel's user and system time of all processes of the measured program.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod asterisk;
mod auth;
mod bare_agents;
mod cluster;
mod conference;
mod demo;
mod desktops;
mod edge;
mod flat;
mod floor;
mod http;
mod idle;
mod kamailio;
mod machine;
mod memory;
mod parser;
mod percentile;
mod persistence;
mod phones;
mod presses;
mod process;
mod provisioning;
mod proxy;
mod registrar;
mod relay;
mod report;
mod routed;
mod secure;
mod servers;
mod sipp;
mod site;
mod staff;
mod subscribers;
mod takeover;
mod telemetry;
mod tls;
mod transcoding;
mod transfer;
mod udp;
mod wallboard;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use machine::{Speed, SpeedSpan};
use report::{Circumstances, Report};
use site::Site;

/// Runs one benchmark.
type Bench = fn(&Options, &mut Report, &Path) -> Result<()>;

/// All benchmarks by name, in the order of their runs.
const BENCHES: &[(&str, Bench)] = &[
    ("parser", parser::run),
    ("idle", idle::run),
    ("sip-proxy", proxy::run),
    ("tls", tls::run),
    ("phones", phones::run),
    ("registrar", registrar::run),
    ("relay", relay::run),
    ("srtp", relay::run_encrypted),
    ("conference", conference::run),
    ("transcoding", transcoding::run),
    ("routed", routed::run),
    ("transfer", transfer::run),
    ("memory", memory::run),
    ("flat", flat::run),
    ("subscribers", subscribers::run),
    ("demo", demo::run),
    ("persistence", persistence::run),
    ("wallboard", wallboard::run),
    ("presses", presses::run),
    ("edge", edge::run),
    ("auth", auth::run),
    ("provisioning", provisioning::run),
    ("telemetry", telemetry::run),
    ("desktops", desktops::run),
];

/// Measures trunkline beside its peers and prints the ratios of this run
#[derive(Parser)]
#[command(
    after_help = "Examples:\n  script/bench\n  script/bench sip-proxy --quick\n  script/bench --json bench.json\n\n\
    Exit status: 0 every figure counts; 1 a benchmark did not come to its end; 3 some rows are void, each with the reason"
)]
pub struct Options {
    /// Which benchmarks; all without a name
    #[arg(value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(BENCHES.iter().map(|(name, _)| *name)))]
    names: Vec<String>,
    /// Short loads: to see that it works, not for figures
    #[arg(long)]
    quick: bool,
    /// Writes the figures into a file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Number of the instance: the addresses of a run are 127.N.x.y
    #[arg(long, value_name = "N", default_value_t = 230)]
    instance: u8,
    /// Leaves the pages of docs/ as they are
    #[arg(long)]
    no_pages: bool,
    /// Keeps the files of the run
    #[arg(long)]
    keep: bool,
}

impl Options {
    /// Duration of a load.
    const fn seconds(&self) -> u32 {
        if self.quick { 3 } else { 10 }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(Ended::Whole) => ExitCode::SUCCESS,
        Ok(Ended::Void) => ExitCode::from(VOID),
        Ok(Ended::Broken) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The host of our instance at which the machine's speed is read.
const SPEED_HOST: u8 = 9;

/// The exit status of a run with void rows.
const VOID: u8 = 3;

/// The result of a run.
enum Ended {
    /// Every figure is present and valid.
    Whole,
    /// Every figure is present; some are void.
    Void,
    /// A benchmark failed.
    Broken,
}

fn run(options: &Options) -> Result<Ended> {
    let mut report = Report::default();
    for (name, bench) in BENCHES {
        if !options.names.is_empty() && !options.names.iter().any(|wanted| wanted == name) {
            continue;
        }
        eprintln!("== {name}");
        let mut folder = tempfile::Builder::new().prefix(&format!("trunkline-bench-{name}-")).tempdir()?;
        folder.disable_cleanup(options.keep);
        if options.keep {
            eprintln!("files in {}", folder.path().display());
        }
        let address = Site::peer_of(options.instance, SPEED_HOST).into();
        let before = Speed::read(address)?;
        if let Err(error) = bench(options, &mut report, folder.path()) {
            report.failed(name, &error);
        }
        report.judge(name, SpeedSpan { before, after: Speed::read(address)? });
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let command = format!("script/bench {}", words.join(" ")).trim_end().to_owned();
    let about = Circumstances::now(command, &root(), peers());
    print(&report.page(&about));
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_string_pretty(&report.json(&about))?)?;
    }
    let is_complete = options.names.is_empty() && !options.quick && !options.no_pages;
    if is_complete && report.is_whole() {
        report.write(&about, &root())?;
    }
    Ok(match (report.is_whole(), report.has_void()) {
        (false, _) => Ended::Broken,
        (true, true) => Ended::Void,
        (true, false) => Ended::Whole,
    })
}

#[allow(clippy::print_stdout, reason = "this is the program's answer")]
fn print(text: &str) {
    println!("{text}");
}

fn peers() -> String {
    let all = [kamailio::version(), relay::peer_version(), asterisk::version(), edge::peer_versions()];
    all.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The root of the checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of configurations and scenarios.
pub fn files() -> PathBuf {
    root().join("bench")
}

/// The measured binary, next to this one.
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.with_file_name("trunkline")
}
