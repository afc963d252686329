//! `trunkline robots`: robot callers and agents.

use std::io::Read as _;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use robots::{Plan, Range, Rhythm, Site, Stop};
use runtime::exit::{Exit, ExitError};
use tokio::signal::unix::{SignalKind, signal};

use super::executor;

pub const EXAMPLES: &str = "Examples:\n  trunkline robots --site ~/.local/share/trunkline/instance-0/robots.json\n  \
                            trunkline robots --site robots.json --calls 200 --rate 10 --agents 10 --json";

#[derive(Args)]
pub struct Arguments {
    /// The robots' description of the installation; `trunkline demo` writes it to robots.json in its data directory.
    /// The demo's own robots use the same phones: run these against `trunkline up --example`, or when the demo has
    /// ended
    #[arg(long, value_name = "FILE")]
    site: PathBuf,
    #[command(flatten)]
    load: Load,
    /// Every call and every sum as JSON instead of the table
    #[arg(long)]
    json: bool,
    /// End when stdin ends, which it does with the process that started this one
    #[arg(long, hide = true)]
    with_stdin: bool,
}

/// The load.
#[derive(Args, Clone, Debug)]
pub struct Load {
    /// Number of calls, then the end; without it there is no end
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    calls: Option<u32>,
    /// Calls a second on average, arriving at random [default: slightly less than the agents can take]
    #[arg(long, value_name = "R", value_parser = rate)]
    rate: Option<f64>,
    /// Number of agents: extensions 7001 to 7010, then 8001 upward
    #[arg(long, value_name = "A", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    agents: u16,
    /// Length of a conversation, s [default: 10..45, with --calls 2..4]
    #[arg(long, value_name = "MIN..MAX")]
    talk: Option<Range>,
    /// Work after a call, s [default: 3..8, with --calls 0.5]
    #[arg(long, value_name = "S")]
    wrap: Option<Range>,
    /// How long a phone rings before it is answered, s [default: 1..4, with --calls 0.2..0.6]
    #[arg(long, value_name = "MIN..MAX")]
    ring: Option<Range>,
    /// How long a caller waits before giving up, s [default: 25..90, with --calls 60..120]
    #[arg(long, value_name = "MIN..MAX")]
    patience: Option<Range>,
    /// Time after the answer within which both parties must be heard, s
    #[arg(long, value_name = "S", default_value = "1")]
    hear_within: Range,
    /// Seed of the random choices: the same seed, the same choices [default: another each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// The share of conversations that are put on hold.
const HOLDS: f64 = 0.15;
/// The share of the agents' time that the default rate uses.
const DEFAULT_LOAD: f64 = 0.85;
/// Period of the rate's swell in an endless run, s, and its amplitude relative to the mean.
const SWELL_S: f64 = 300.0;
const SWELL_DEPTH: f64 = 0.7;
/// A machine that runs both sides cannot carry more calls a second than this.
const RATE_MAX: f64 = 1_000.0;

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if rate > 0.0 && rate <= RATE_MAX { Ok(rate) } else { Err(format!("above 0, at most {RATE_MAX}")) }
}

impl Load {
    /// Whether there is no end.
    pub const fn is_endless(&self) -> bool {
        self.calls.is_none()
    }

    /// How many agents.
    pub fn agents(&self) -> usize {
        usize::from(self.agents)
    }

    /// Calls a second on average.
    pub fn rate(&self) -> f64 {
        self.plan().rate
    }

    /// The full plan.
    pub fn plan(&self) -> Plan {
        let endless = self.is_endless();
        let or = |given: Option<Range>, endlessly: (f64, f64), else_: (f64, f64)| {
            let (min, max) = if endless { endlessly } else { else_ };
            given.unwrap_or(Range { min, max })
        };
        let (ring, talk) = (or(self.ring, (1.0, 4.0), (0.2, 0.6)), or(self.talk, (10.0, 45.0), (2.0, 4.0)));
        let wrap = or(self.wrap, (3.0, 8.0), (0.5, 0.5));
        let middle = |range: Range| (range.min + range.max) / 2.0;
        let handling = middle(ring) + middle(talk) + middle(wrap);
        let seconds = || infra::Clock::now(&infra::SystemClock::start()).as_millis() / 1_000;
        Plan {
            calls: self.calls,
            rate: self.rate.unwrap_or(f64::from(self.agents) / handling.max(0.1) * DEFAULT_LOAD),
            rhythm: Rhythm { period_s: SWELL_S, depth: if endless { SWELL_DEPTH } else { 0.0 } },
            agents: self.agents(),
            ring,
            talk,
            wrap,
            patience: or(self.patience, (25.0, 90.0), (60.0, 120.0)),
            holds: HOLDS,
            hear_within: Duration::from_secs_f64(self.hear_within.max),
            seed: self.seed.unwrap_or_else(seconds),
        }
    }

    /// The same, as arguments of a command line.
    pub fn arguments(&self) -> Vec<String> {
        let plan = self.plan();
        let mut arguments = vec![
            format!("--rate={}", plan.rate),
            format!("--agents={}", plan.agents),
            format!("--talk={}", plan.talk),
            format!("--wrap={}", plan.wrap),
            format!("--ring={}", plan.ring),
            format!("--patience={}", plan.patience),
            format!("--hear-within={}", self.hear_within),
            format!("--seed={}", plan.seed),
        ];
        arguments.extend(self.calls.map(|calls| format!("--calls={calls}")));
        arguments
    }
}

/// Without this check, an installation that does not run would be reported after a minute as phones that do not answer.
fn expect_running(site: &Site) -> Result<(), ExitError> {
    const WITHIN: Duration = Duration::from_secs(5);
    let place = site.web.trim_start_matches("http://").trim_end_matches('/');
    let addresses = place.to_socket_addrs().into_iter().flatten();
    let mut why = "it is no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, WITHIN) {
            Ok(_) => return Ok(()),
            Err(error) => why = error.to_string(),
        }
    }
    let message =
        format!("nothing answers at {}: {why}; is the installation of tenant {} running?", site.web, site.tenant);
    Err(ExitError::new(Exit::NotRunning, message))
}

/// Runs the robots until the plan is done, or a signal comes.
pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let site = Site::read(&arguments.site).map_err(|error| ExitError::new(Exit::Usage, format!("{error:#}")))?;
    expect_running(&site)?;
    let plan = arguments.load.plan();
    let stop = Stop::default();
    if arguments.with_stdin {
        let stop = stop.clone();
        std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            // The input is ignored; only its end matters.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            stop.stop();
        })?;
    }
    let results = executor()?.block_on(async {
        let at_signal = stop.clone();
        let mut working = tokio::task::spawn_blocking(move || {
            robots::run(site, plan, &stop, &mut |text| eprintln!("robots: {text}"))
        });
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        loop {
            tokio::select! {
                done = &mut working => return done?,
                Some(()) = terminate.recv() => at_signal.stop(),
                Some(()) = interrupt.recv() => at_signal.stop(),
            }
        }
    })?;
    if arguments.json {
        say_line!("{}", serde_json::to_string(&results)?);
    } else {
        say!("{}", results.table());
    }
    Ok(if results.is_flawless() { Exit::Done } else { Exit::CheckFailed })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Cli, Command};
    use super::*;

    fn load(line: &[&str]) -> Load {
        let start = ["trunkline", "robots", "--site", "robots.json"];
        match Cli::try_parse_from(start.iter().chain(line)).unwrap().command {
            Command::Robots(arguments) => arguments.load,
            _ => panic!("another command"),
        }
    }

    #[test]
    fn whoever_answers_must_be_heard_within_a_second_unless_told_otherwise() {
        assert_eq!(load(&[]).plan().hear_within, Duration::from_secs(1));
        assert_eq!(load(&["--calls", "5"]).plan().hear_within, Duration::from_secs(1));
        assert_eq!(load(&["--hear-within", "2.5"]).plan().hear_within, Duration::from_millis(2_500));
    }

    #[test]
    fn robots_that_a_demo_starts_have_its_whole_plan() {
        let line =
            ["--calls", "9", "--rate", "2", "--agents", "4", "--talk", "1..2", "--hear-within", "3", "--seed", "7"];
        let told = load(&line);
        let arguments = told.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert_eq!(format!("{:?}", load(&arguments).plan()), format!("{:?}", told.plan()));
    }
}
