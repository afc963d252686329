//! The faults caused while calls are up.

use std::time::Duration;

use anyhow::Result;

use crate::absence::ProxyAbsence;
use crate::clock::{self, Micros};
use crate::load::Load;
use crate::options::Options;
use crate::site::{NODES, Site};
use crate::told::Told;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// A sip-cluster node is killed.
    Kill,
    /// A sip-cluster node is stopped for ten seconds.
    Stop,
    /// Each sip-cluster node is drained with SIGTERM, one after the other.
    Rolling,
    /// Redis is restarted.
    RedisRestart,
    /// Redis is restarted without its data.
    RedisEmpty,
    /// Kafka is unavailable for a minute.
    KafkaDown,
    /// PostgreSQL is unavailable for a minute.
    PostgresDown,
    /// One process of each other role is killed, one after the other.
    Others,
}

/// Every scenario, in the order of a whole run.
pub const ALL: [Scenario; 8] = [
    Scenario::Kill,
    Scenario::Stop,
    Scenario::Rolling,
    Scenario::RedisRestart,
    Scenario::RedisEmpty,
    Scenario::KafkaDown,
    Scenario::PostgresDown,
    Scenario::Others,
];

/// Roles whose failure is measured. sip-proxy comes last: where there is one, nothing that a call needs has a way until it is back, 15 s
/// later; where there are two, callers take the other one.
const OTHERS: [&str; 10] =
    ["frontend", "dialplan", "config", "registrar", "agent-state", "call-state", "ors", "rq", "tenant", PROXY];
/// The role by whose end phones and carriers lose their way.
pub const PROXY: &str = "sip-proxy";
/// Pause between two faults: the process is back, and other calls are in each state.
const GAP: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(500);
const STOPPED: Duration = Duration::from_secs(10);
const AWAY: Duration = Duration::from_secs(60);
const BACK_WITHIN: Duration = Duration::from_secs(150);
/// Kills fall within a burst of INVITEs, at multiples of this.
const STEP: Duration = Duration::from_millis(10);
const STEPS: u64 = 20;

impl Scenario {
    /// The scenario with this name.
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|scenario| scenario.name() == name)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Rolling => "rolling",
            Self::RedisRestart => "redis-restart",
            Self::RedisEmpty => "redis-empty",
            Self::KafkaDown => "kafka-down",
            Self::PostgresDown => "postgres-down",
            Self::Others => "others",
        }
    }

    /// How long the supervisor waits before it restarts a process.
    pub const fn restart_after(self) -> &'static str {
        match self {
            Self::Kill | Self::Others => "15s",
            _ => "500ms",
        }
    }

    /// How many replicas of ors run. A second one continues the sessions of a killed one, as operators should have it; alone it leaves
    /// callers without instructions until it is back.
    pub const fn replicas_of_ors(self) -> u8 {
        match self {
            Self::Others => 2,
            _ => 1,
        }
    }

    /// Whether every caller must be answered and treatments must continue where they were: not while Redis is
    /// unavailable, nor when the role that gives the instructions fails.
    pub const fn is_unnoticed(self) -> bool {
        !matches!(self, Self::RedisRestart | Self::RedisEmpty | Self::Others)
    }

    /// Whether the calls of a failed node are judged.
    pub const fn has_successors(self) -> bool {
        matches!(self, Self::Kill | Self::Stop)
    }
}

/// A fault that was caused.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Time of the fault.
    pub at: Micros,
    /// Its description.
    pub what: String,
    /// The failed sip-cluster node, whose calls need a successor.
    pub node: Option<String>,
    /// The failed sip-proxy, if there is another one.
    pub absence: Option<ProxyAbsence>,
    /// The processes' counters before and after it.
    pub census: Vec<(&'static str, String)>,
}

/// Random times: xorshift, so that the same seed gives the same run.
pub struct Moments(u64);

impl Moments {
    /// Times from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below the bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// A running scenario.
pub struct Run<'a> {
    /// The installation.
    pub site: &'a Site,
    /// The calls.
    pub load: &'a mut Load,
    /// The subscription to facts.
    pub told: &'a mut Told,
    /// The options of the command line.
    pub options: &'a Options,
    /// The random times.
    pub moments: Moments,
    /// The faults so far.
    pub faults: Vec<Fault>,
}

impl Run<'_> {
    /// Runs the whole scenario.
    pub fn play(&mut self, scenario: Scenario) -> Result<()> {
        match scenario {
            Scenario::Kill => self.kills(),
            Scenario::Stop => self.stops(),
            Scenario::Rolling => self.rolling(),
            Scenario::RedisRestart => self.server("restart", "redis", "Redis is started again"),
            Scenario::RedisEmpty => self.server("empty", "redis", "Redis is started again, empty"),
            Scenario::KafkaDown => self.away("kafka", "Kafka is away for a minute"),
            Scenario::PostgresDown => self.away("postgresql", "PostgreSQL is away for a minute"),
            Scenario::Others => self.others(),
        }
    }

    /// Waits, and keeps the subscription to facts alive.
    fn pass(&mut self, time: Duration) -> Result<()> {
        let until = clock::now() + u64::try_from(time.as_micros()).unwrap_or_default();
        while clock::now() < until {
            self.told.keep_up(self.site);
            let left = Duration::from_micros(until.saturating_sub(clock::now()));
            clock::pass(left.min(LOOK))?;
        }
        Ok(())
    }

    /// Records the time of a fault, and the processes' counters around it.
    fn done(&mut self, what: String, node: Option<String>, act: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        let before = self.site.census(None);
        if node.is_some() {
            let share = self.options.rate / 20.0;
            self.load.burst(&self.site.installation, share)?;
            clock::pass(STEP * u32::try_from(self.moments.below(STEPS))?)?;
        }
        let at = clock::now();
        act(self)?;
        self.pass(Duration::from_secs(2))?;
        let after = self.site.census(node.as_deref());
        eprintln!("chaos: {what}\n  before {before}\n  after  {after}");
        self.faults.push(Fault { at, what, node, absence: None, census: vec![("before", before), ("after", after)] });
        Ok(())
    }

    fn a_node(&mut self) -> String {
        format!("sip-cluster-{}", 1 + self.moments.below(u64::from(NODES)))
    }

    fn kills(&mut self) -> Result<()> {
        for _ in 0..self.options.kills {
            let node = self.a_node();
            let old = self.site.processes()?.get(&node).copied().unwrap_or_default();
            self.done(format!("{node} is killed"), Some(node.clone()), |run| run.site.signal(&node, "KILL").map(drop))?;
            self.site.is_back(&node, old, BACK_WITHIN)?;
            self.pass(GAP / 2)?;
        }
        Ok(())
    }

    fn stops(&mut self) -> Result<()> {
        for _ in 0..self.options.kills {
            let node = self.a_node();
            self.done(format!("{node} is stopped for ten seconds"), Some(node.clone()), |run| {
                run.site.signal(&node, "STOP")?;
                Ok(())
            })?;
            self.pass(STOPPED.saturating_sub(Duration::from_secs(2)))?;
            self.site.signal(&node, "CONT")?;
            self.pass(Duration::from_secs(2))?;
            let back = self.site.census(None);
            eprintln!("  back   {back}");
            if let Some(fault) = self.faults.last_mut() {
                fault.census.push(("back for two seconds", back));
            }
            self.pass(GAP / 2)?;
        }
        Ok(())
    }

    fn rolling(&mut self) -> Result<()> {
        for number in 1..=NODES {
            let node = format!("sip-cluster-{number}");
            let old = self.site.processes()?.get(&node).copied().unwrap_or_default();
            self.done(format!("{node} is told to end"), None, |run| run.site.signal(&node, "TERM").map(drop))?;
            self.site.is_back(&node, old, BACK_WITHIN)?;
            self.pass(GAP / 3)?;
        }
        Ok(())
    }

    fn server(&mut self, what: &str, name: &str, words: &str) -> Result<()> {
        self.done(words.to_owned(), None, |run| run.site.server(what, name))?;
        self.pass(GAP)?;
        Ok(())
    }

    fn away(&mut self, name: &str, words: &str) -> Result<()> {
        self.done(words.to_owned(), None, |run| run.site.server("stop", name))?;
        self.pass(AWAY)?;
        self.site.server("start", name)?;
        self.pass(GAP / 2)?;
        Ok(())
    }

    fn others(&mut self) -> Result<()> {
        for role in OTHERS {
            let node = format!("{role}-1");
            let old = self.site.processes()?.get(&node).copied().unwrap_or_default();
            self.done(format!("{node} is killed"), None, |run| run.site.signal(&node, "KILL").map(drop))?;
            let edge = self.site.edges.first().filter(|_| role == PROXY && self.site.edges.len() > 1).cloned();
            if let Some(edge) = edge {
                self.go_elsewhere(edge, &node, old)?;
            } else {
                self.site.is_back(&node, old, BACK_WITHIN)?;
            }
            self.pass(GAP / 3)?;
        }
        Ok(())
    }

    /// Callers go by another sip-proxy from when they have noticed that the first one is away until it is back.
    fn go_elsewhere(&mut self, edge: String, node: &str, old: u32) -> Result<()> {
        let Some(from) = self.faults.last().map(|fault| fault.at) else { return Ok(()) };
        self.load.leave_first_edge(&self.site.installation)?;
        self.site.is_back(node, old, BACK_WITHIN)?;
        let absence = ProxyAbsence { edge, from, back: clock::now() };
        if let Some(fault) = self.faults.last_mut() {
            fault.absence = Some(absence);
        }
        self.load.return_to_first_edge(&self.site.installation)?;
        // What callers and phones repeat is answered in this time.
        self.pass(GAP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_moments_again() {
        let moments = |seed| {
            let mut moments = Moments::new(seed);
            (0..20).map(|_| moments.below(STEPS)).collect::<Vec<_>>()
        };
        assert_eq!(moments(7), moments(7));
        assert_ne!(moments(7), moments(8));
    }

    #[test]
    fn every_scenario_is_found_by_its_name() {
        for scenario in ALL {
            assert_eq!(Scenario::named(scenario.name()), Some(scenario));
        }
        assert_eq!(Scenario::named("murder"), None);
    }
}
