//! `trunkline settings`.

use std::path::PathBuf;

use clap::Args;
use runtime::exit::Exit;
use runtime::process::sections;
use runtime::settings::{Sources, reference};

use super::{InstallationOptions, read_settings};
use crate::roles;

#[derive(Args)]
pub struct Arguments {
    /// Check this file and print every fault
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// Print the values in force as TOML, secrets masked
    #[arg(long, conflicts_with = "check")]
    in_force: bool,
}

/// Prints the reference, checks a file, or prints the present values.
pub fn run(options: &InstallationOptions, arguments: &Arguments) -> anyhow::Result<Exit> {
    let all = sections::all(roles::TABLE);
    if let Some(path) = &arguments.check {
        let sources = Sources { files: vec![read_settings(path)?], ..Sources::default() };
        runtime::settings::load(&all, &sources)?;
        eprintln!("no faults in {}", path.display());
    } else if arguments.in_force {
        say!("{}", reference::in_force(&all, &options.values()?));
    } else {
        say!("{}", reference::markdown(&all));
    }
    Ok(Exit::Done)
}
