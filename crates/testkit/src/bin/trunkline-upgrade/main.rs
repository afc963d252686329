//! `script/upgrade`: the tables of this build come while the build before serves under load; then all processes are replaced, back and
//! forth. Judges whether an acknowledged edit, an entry of the history, a snapshot, a sign-in or a call is lost. docs/upgrading.md has the
//! promises.

mod calls;
mod course;
mod editors;
mod group_editor;
mod judge;
mod large_tenant;
mod later_objects;
mod notes;
mod object_client;
mod options;
mod person_document;
mod report;
mod sign_ins;
mod site;

use std::process::ExitCode;

use anyhow::{Context, Result};
use testkit::clock;

use crate::options::UpgradeOptions;
use crate::report::UpgradeReport;

/// A rule was broken.
const BROKEN: u8 = 1;
/// A step could not be taken.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    clock::heed_signals();
    let run = UpgradeOptions::read(std::env::args().skip(1)).and_then(|options| run(&options));
    match run {
        Ok(report) if report.holds() => ExitCode::SUCCESS,
        Ok(report) if report.has_failed() => ExitCode::from(FAILED),
        Ok(_) => ExitCode::from(BROKEN),
        Err(error) => {
            eprintln!("upgrade: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

#[allow(clippy::print_stdout, reason = "the report is what the program is for")]
fn run(options: &UpgradeOptions) -> Result<UpgradeReport> {
    let report = course::run(options);
    let text = report.text();
    println!("{text}");
    if let Some(path) = &options.markdown {
        std::fs::write(path, &text).with_context(|| path.display().to_string())?;
    }
    Ok(report)
}
