//! From a fact of a call to the changed number in a browser: the demo's robots cause the facts, Chromium shows the
//! wallboard, and the page itself reports the age of each change when it was painted.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::Options;
use crate::process::{Process, find, wait_until};
use crate::report::{Figure, Goal, Report};

const AGENTS: u32 = 1_000;
const CALLS_PER_S: u32 = 6;
const LATENCY_P99_MAX_MS: f64 = 250.0;
const READY_LIMIT: Duration = Duration::from_secs(60);
const CHROMIUM: &str = "chromium";

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, folder: &Path) -> Result<()> {
    for program in [CHROMIUM, "npm"] {
        if find(program).is_none() {
            report.missing("wallboard", program);
            return Ok(());
        }
    }
    let _demo = start(options, folder)?;
    let link = link(&folder.join("data/demo.json"))?;
    let seconds = if options.quick { 10 } else { 45 };
    let output = Command::new(crate::files().join("../script/web"))
        .args(["latency", &link, &seconds.to_string(), &AGENTS.to_string()])
        .output()
        .context("script/web cannot be started")?;
    ensure!(output.status.success(), "the page: {}", String::from_utf8_lossy(&output.stderr));
    let measured: Value = serde_json::from_slice(&output.stdout).context("script/web latency")?;
    let ms = |key: &str| measured[key].as_f64().with_context(|| format!("no {key} in {measured}"));
    let changes = ms("changes")?;
    report.add(Figure {
        bench: "wallboard",
        what: format!("from a fact to its painted number, p99; {AGENTS} agents, {CALLS_PER_S} calls/s"),
        unit: "ms",
        ours: ms("p99")?,
        peer: None,
        goal: Goal::AtMost(LATENCY_P99_MAX_MS),
        note: format!(
            "p50 {:.0}, longest {:.0}, of {changes:.0} changes; robots, every role and Chromium share the machine",
            ms("p50")?,
            ms("max")?
        ),
        void: Vec::new(),
    });
    Ok(())
}

fn start(options: &Options, folder: &Path) -> Result<Process> {
    let mut command = Command::new(crate::binary());
    command.args(["demo", "--instance", &options.instance.to_string(), "--data-dir"]).arg(folder.join("data"));
    command.args(["--agents", &AGENTS.to_string(), "--rate", &CALLS_PER_S.to_string()]);
    command.args(["--talk", "6..12", "--wrap", "2..4"]);
    let process = Process::start("trunkline demo", &mut command, &folder.join("demo.log"))?;
    wait_until("trunkline demo is ready", READY_LIMIT, || Ok(folder.join("data/demo.json").exists()))?;
    Ok(process)
}

fn link(file: &Path) -> Result<String> {
    let demo: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("demo.json has another shape");
    Ok(format!("{}/#token={}", text(&demo["web"])?, text(&demo["tokens"]["wallboard"])?))
}
