//! The command line.

use anyhow::{Context, Result, bail, ensure};

use crate::faults::{ALL, Scenario};

const USAGE: &str =
    "usage: trunkline-chaos [SCENARIO...] [--seconds S] [--rate R] [--seed N] [--kills K] [--instance N]
                       [--proxies 1|2] [--smoke] [--json FILE] [--markdown FILE] [--keep FOLDER]
scenarios: kill stop rolling redis-restart redis-empty kafka-down postgres-down others   (none named: all)";

/// As many sip-proxies as the load knows to use.
const PROXIES_MAX: u8 = 2;

/// The parsed options.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The scenarios, in order.
    pub scenarios: Vec<Scenario>,
    /// Duration of the load of each scenario, in seconds; a scenario that needs longer takes it.
    pub seconds: u64,
    /// New calls each second.
    pub rate: f64,
    /// Seed of the random times.
    pub seed: u64,
    /// Number of kills, in scenarios with several.
    pub kills: usize,
    /// The instance number.
    pub instance: u8,
    /// Number of sip-proxies, 1 or 2. Phones are registered by each, and carriers send to each.
    pub proxies: u8,
    /// Few calls: there is no minimum number of calls in each state.
    pub smoke: bool,
    /// File for the results as JSON.
    pub json: Option<String>,
    /// File for the table as Markdown.
    pub markdown: Option<String>,
    /// Folder for the logs of all programs.
    pub keep: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scenarios: Vec::new(),
            seconds: 150,
            rate: 20.0,
            seed: 1,
            kills: 3,
            instance: 230,
            proxies: PROXIES_MAX,
            smoke: false,
            json: None,
            markdown: None,
            keep: None,
        }
    }
}

impl Options {
    /// Parses the command line.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            if let Some(scenario) = Scenario::named(&argument) {
                options.scenarios.push(scenario);
                continue;
            }
            if argument == "--smoke" {
                options.smoke = true;
                continue;
            }
            ensure!(argument.starts_with("--"), "{argument} is no scenario\n{USAGE}");
            let value = || arguments.next().with_context(|| format!("{argument} needs a value\n{USAGE}"));
            options.take(&argument, value)?;
        }
        if options.scenarios.is_empty() {
            options.scenarios = ALL.to_vec();
        }
        ensure!(options.rate > 0.0 && options.rate <= 200.0, "--rate is from above 0 to 200");
        ensure!(options.seconds >= 20, "--seconds is at least 20");
        ensure!(options.kills >= 1, "--kills is at least 1");
        ensure!((1..=PROXIES_MAX).contains(&options.proxies), "--proxies is 1 or {PROXIES_MAX}");
        Ok(options)
    }

    fn take(&mut self, name: &str, value: impl FnOnce() -> Result<String>) -> Result<()> {
        match name {
            "--seconds" => self.seconds = value()?.parse().context("--seconds")?,
            "--rate" => self.rate = value()?.parse().context("--rate")?,
            "--seed" => self.seed = value()?.parse().context("--seed")?,
            "--kills" => self.kills = value()?.parse().context("--kills")?,
            "--instance" => self.instance = value()?.parse().context("--instance")?,
            "--proxies" => self.proxies = value()?.parse().context("--proxies")?,
            "--json" => self.json = Some(value()?),
            "--markdown" => self.markdown = Some(value()?),
            "--keep" => self.keep = Some(value()?),
            "--help" => bail!("{USAGE}"),
            _ => bail!("{name} is not known\n{USAGE}"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options> {
        Options::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn scenarios_and_numbers_are_read_and_nothing_else_is_taken() {
        let options = read("kill redis-empty --rate 5 --seed 7 --smoke").unwrap();
        assert_eq!(options.scenarios, [Scenario::Kill, Scenario::RedisEmpty]);
        assert_eq!((options.rate, options.seed, options.smoke), (5.0, 7, true));
        assert_eq!(read("").unwrap().scenarios, ALL);
        assert_eq!((read("").unwrap().proxies, read("--proxies 1").unwrap().proxies), (2, 1));
        for wrong in
            ["murder", "--rate", "--rate 0", "--rate x", "--colour red", "--kills 0", "--proxies 0", "--proxies 3"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
