//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

const USAGE: &str =
    "usage: trunkline-upgrade --old PROGRAM [--new PROGRAM] [--from NAME] [--to NAME] [--people N] [--seconds S]
                         [--instance N] [--markdown FILE] [--keep FOLDER]";

/// Fewer are no load for a table, and of more the import alone takes minutes.
const PEOPLE: std::ops::RangeInclusive<u32> = 500..=50_000;
/// Seconds of a load.
const SECONDS: std::ops::RangeInclusive<u64> = 5..=600;

/// The parsed options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeOptions {
    /// The program of the release before.
    pub old: PathBuf,
    /// The program of the present build; none: the one beside this program.
    pub new: Option<PathBuf>,
    /// What the release before is called in the report.
    pub from: String,
    /// What the present build is called there.
    pub to: String,
    /// People of the generated tenant.
    pub people: u32,
    /// Duration of the load in each step that has one, in seconds.
    pub seconds: u64,
    /// The instance number.
    pub instance: u8,
    /// File for the report as Markdown.
    pub markdown: Option<PathBuf>,
    /// Folder for the logs of all runs.
    pub keep: Option<PathBuf>,
}

impl UpgradeOptions {
    /// Parses the command line.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            old: PathBuf::new(),
            new: None,
            from: "the build before".to_owned(),
            to: "this build".to_owned(),
            people: 3_000,
            seconds: 20,
            instance: 231,
            markdown: None,
            keep: None,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            ensure!(argument.starts_with("--"), "{argument} is no option\n{USAGE}");
            let value = || arguments.next().with_context(|| format!("{argument} needs a value\n{USAGE}"));
            options.take(&argument, value)?;
        }
        ensure!(!options.old.as_os_str().is_empty(), "--old names the program of the release before\n{USAGE}");
        ensure!(PEOPLE.contains(&options.people), "--people is from {} to {}", PEOPLE.start(), PEOPLE.end());
        ensure!(SECONDS.contains(&options.seconds), "--seconds is from {} to {}", SECONDS.start(), SECONDS.end());
        Ok(options)
    }

    fn take(&mut self, name: &str, value: impl FnOnce() -> Result<String>) -> Result<()> {
        match name {
            "--old" => self.old = value()?.into(),
            "--new" => self.new = Some(value()?.into()),
            "--from" => self.from = value()?,
            "--to" => self.to = value()?,
            "--people" => self.people = value()?.parse().context("--people")?,
            "--seconds" => self.seconds = value()?.parse().context("--seconds")?,
            "--instance" => self.instance = value()?.parse().context("--instance")?,
            "--markdown" => self.markdown = Some(value()?.into()),
            "--keep" => self.keep = Some(value()?.into()),
            "--help" => bail!("{USAGE}"),
            _ => bail!("{name} is not known\n{USAGE}"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<UpgradeOptions> {
        UpgradeOptions::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_program_before_is_needed_and_nothing_unknown_is_taken() {
        let options = read("--old /x/trunkline --people 5000 --seconds 7").unwrap();
        assert_eq!((options.old, options.people, options.seconds), (PathBuf::from("/x/trunkline"), 5_000, 7));
        for wrong in ["", "--old", "--old x --people 3", "--old x --seconds 0", "--old x --colour red", "--old x y"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
