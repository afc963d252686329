//! `trunkline up --example` without load: memory and time until ready; duration of `trunkline demo`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::Options;
use crate::process::{Process, wait_until};
use crate::report::{Figure, Goal, Report};

const MEMORY_MAX_MB: f64 = 150.0;
const READY_MAX_S: f64 = 2.0;
const DEMO_MAX_S: f64 = 3.0;
const UP: &[&str] = &["up", "--example"];
const DEMO: &[&str] = &["demo"];
const START_LIMIT: Duration = Duration::from_secs(60);
/// Waits for memory that is soon returned after a start, and for one-time work.
const SETTLE: Duration = Duration::from_secs(3);
const OBSERVED: Duration = Duration::from_secs(5);

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    // A first start warms the disk's cache and creates the keys in the data directory.
    let (_, first) = start(UP, options, folder)?;
    let (process, ready) = start(UP, options, folder)?;
    std::thread::sleep(SETTLE);
    let before = process.cpu()?;
    std::thread::sleep(OBSERVED);
    let share = process.cpu()?.since(before).as_secs_f64() / OBSERVED.as_secs_f64();
    report.add(Figure {
        bench: "idle",
        what: "memory (PSS) of `up --example`, all roles".to_owned(),
        unit: "MB",
        ours: process.memory() as f64 / 1e6,
        peer: None,
        goal: Goal::AtMost(MEMORY_MAX_MB),
        note: format!("CPU while idle: {:.1} % of a core", share * 100.0),
        void: Vec::new(),
    });
    report.add(Figure {
        bench: "idle",
        what: "from its start until every role is ready".to_owned(),
        unit: "s",
        ours: ready.as_secs_f64(),
        peer: None,
        goal: Goal::AtMost(READY_MAX_S),
        note: format!("into a new data directory: {:.2} s", first.as_secs_f64()),
        void: Vec::new(),
    });
    drop(process);
    demo(options, folder, report)
}

/// The demo is up when it has written `demo.json`, just before it prints the number to dial.
fn demo(options: &Options, folder: &Path, report: &mut Report) -> Result<()> {
    let folder = folder.join("demo");
    std::fs::create_dir_all(&folder)?;
    let (_, first) = start(DEMO, options, &folder)?;
    let (_, ready) = start(DEMO, options, &folder)?;
    report.add(Figure {
        bench: "idle",
        what: "from the start of `demo` until `demo.json` is there, warm".to_owned(),
        unit: "s",
        ours: ready.as_secs_f64(),
        peer: None,
        goal: Goal::AtMost(DEMO_MAX_S),
        note: format!("into a new data directory: {:.2} s", first.as_secs_f64()),
        void: Vec::new(),
    });
    Ok(())
}

fn start(what: &[&str], options: &Options, folder: &Path) -> Result<(Process, Duration)> {
    let (data, said) = (folder.join("data"), folder.join("data/demo.json"));
    let _ = std::fs::remove_file(&said);
    let mut command = Command::new(crate::binary());
    command.args(what).args(["--instance", &options.instance.to_string(), "--data-dir"]).arg(&data);
    command.args(["--set", "process.drain_deadline=1s"]);
    let began = Instant::now();
    let mut process = Process::start("trunkline", &mut command, &folder.join("started.log"))?;
    wait_until("trunkline is ready", START_LIMIT, || {
        process.expect_running()?;
        Ok(said.exists())
    })?;
    Ok((process, began.elapsed()))
}
