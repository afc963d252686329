//! The load that robots put on an installation, as options of a command line.

use std::time::Duration;

use clap::Args;
use robots::{Plan, Range, Rhythm};

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
    /// Share of the conversations, 0 to 1, in which the agent consults, transfers or confers if another one is free
    #[arg(long, value_name = "P", default_value_t = MOVES, value_parser = share)]
    moves: f64,
    /// Time after the answer within which all parties must be heard, s
    #[arg(long, value_name = "S", default_value = "1")]
    hear_within: Range,
    /// Seed of the random choices: the same seed, the same choices [default: another each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// The share of conversations that are put on hold.
const HOLDS: f64 = 0.15;
/// The share of conversations in which an agent consults, transfers or confers: with ten agents some calls a minute.
const MOVES: f64 = 0.2;
/// The time of agents that such a conversation takes beyond that of one without, relative to it: the other agent's.
const MOVE_TAKES: f64 = 0.7;
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

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("from 0 to 1".to_owned()) }
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
        let handling = (middle(ring) + middle(talk) + middle(wrap)) * (1.0 + self.moves * MOVE_TAKES);
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
            moves: self.moves,
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
            format!("--moves={}", plan.moves),
            format!("--hear-within={}", self.hear_within),
            format!("--seed={}", plan.seed),
        ];
        arguments.extend(self.calls.map(|calls| format!("--calls={calls}")));
        arguments
    }
}
