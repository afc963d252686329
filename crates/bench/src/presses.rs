//! From a press of a key at the desktop to the next paint, while fifty events a second come in: Chromium shows the built pages, and a mock server
//! tells the events.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::Options;
use crate::process::find;
use crate::report::{Figure, Goal, Report};

const EVENTS_PER_S: u32 = 50;
const CHROMIUM: &str = "chromium";
/// What stands in the place of a peer: the most that the 95th percentile may be.
const LIMIT: &str = "the limit";

/// Runs the benchmark.
pub fn run(options: &Options, report: &mut Report, _: &Path) -> Result<()> {
    for program in [CHROMIUM, "npm"] {
        if find(program).is_none() {
            report.missing("presses", program);
            return Ok(());
        }
    }
    let seconds = if options.quick { 5 } else { 30 };
    let output = Command::new(crate::files().join("../script/web"))
        .args(["presses", &seconds.to_string(), &EVENTS_PER_S.to_string()])
        .output()
        .context("script/web cannot be started")?;
    ensure!(output.status.success(), "the page: {}", String::from_utf8_lossy(&output.stderr));
    let measured: Value = serde_json::from_slice(&output.stdout).context("script/web presses")?;
    let of = |key: &str| measured[key].as_f64().with_context(|| format!("no {key} in {measured}"));
    report.add(Figure {
        bench: "presses",
        what: format!("from a press at the desktop to the next paint, p95; {EVENTS_PER_S} events/s"),
        unit: "ms",
        ours: of("p95")?,
        peer: Some((LIMIT, of("limit")?)),
        goal: Goal::Ratio(1.0),
        note: format!(
            "p50 {:.0}, p99 {:.0}, longest {:.0}, of {:.0} presses, with {:.0} events/s as they came; none below 16 ms is told; Chromium and \
             the server of the events share the machine",
            of("p50")?,
            of("p99")?,
            of("max")?,
            of("presses")?,
            of("events")?
        ),
        void: Vec::new(),
    });
    Ok(())
}
