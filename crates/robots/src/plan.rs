//! What the robots shall do, and the dice that they throw.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use model::Entropy;

/// A duration drawn evenly between two, in seconds: `1.5..2.5`; a single number is both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// At least, s.
    pub min: f64,
    /// At most, s.
    pub max: f64,
}

/// Longest duration of a plan: an hour, s.
const SECONDS_MAX: f64 = 3_600.0;

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            |part: &str| part.trim().parse::<f64>().map_err(|_| format!("{part:?} is not a number of seconds"));
        let (min, max) = match text.split_once("..") {
            Some((min, max)) => (number(min)?, number(max)?),
            None => (number(text)?, number(text)?),
        };
        if !(0.0..=SECONDS_MAX).contains(&min) || !(min..=SECONDS_MAX).contains(&max) {
            return Err(format!("{text:?}: give MIN..MAX in seconds, from 0 to {SECONDS_MAX}, the smaller first"));
        }
        Ok(Self { min, max })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.min, self.max)
    }
}

impl Range {
    /// One duration.
    pub(crate) fn draw(self, dice: &mut dyn Entropy) -> Duration {
        Duration::from_secs_f64(self.min + (self.max - self.min) * unit(dice))
    }
}

/// Arrivals that swell and ebb, so that queues form and clear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rhythm {
    /// From one swell to the next, s.
    pub period_s: f64,
    /// How far the rate leaves its mean: 0 is steady, 1 goes down to nothing and up to twice the mean.
    pub depth: f64,
}

/// The task.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many calls; none: without end.
    pub calls: Option<u32>,
    /// Mean of calls a second; arrivals are random (Poisson).
    pub rate: f64,
    /// How the rate changes.
    pub rhythm: Rhythm,
    /// Agents at work; the first so many of the site.
    pub agents: usize,
    /// How long a phone rings before the agent answers.
    pub ring: Range,
    /// How long a conversation lasts.
    pub talk: Range,
    /// How long an agent works after a call.
    pub wrap: Range,
    /// How long a caller waits before giving up.
    pub patience: Range,
    /// The share of conversations, 0 to 1, in which the agent holds the caller for a while.
    pub holds: f64,
    /// Who answered must be heard within this time, and the caller by whom answered.
    pub hear_within: Duration,
    /// Begins the sequence of random choices.
    pub seed: u64,
}

/// A number evenly from 0 to 1.
pub(crate) fn unit(dice: &mut dyn Entropy) -> f64 {
    const BITS: u32 = 53;
    (dice.next_u64() >> (64 - BITS)) as f64 / (1_u64 << BITS) as f64
}

/// The time to the next arrival of a Poisson process with that rate.
pub(crate) fn until_next(rate: f64, dice: &mut dyn Entropy) -> Duration {
    /// At a rate of almost nothing the next look comes after a second.
    const LONGEST_S: f64 = 60.0;
    let gap = -(1.0 - unit(dice)).ln() / rate.max(1e-3);
    Duration::from_secs_f64(gap.min(LONGEST_S))
}

impl Plan {
    /// Calls a second at a time after the beginning.
    pub(crate) fn rate_at(&self, since: Duration) -> f64 {
        let turn = since.as_secs_f64() / self.rhythm.period_s * std::f64::consts::TAU;
        self.rate * (1.0 + self.rhythm.depth * turn.sin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::entropy::Seeded;

    #[test]
    fn ranges_are_read_and_faults_told() {
        assert_eq!("1.5..2.5".parse(), Ok(Range { min: 1.5, max: 2.5 }));
        assert_eq!("3".parse(), Ok(Range { min: 3.0, max: 3.0 }));
        for wrong in ["2..1", "-1..1", "a..b", "1..9999", "", "NaN"] {
            assert!(wrong.parse::<Range>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn arrivals_come_at_the_rate_asked_for_and_a_draw_stays_in_its_range() {
        let mut dice = Seeded::new(7);
        let total: f64 = (0..10_000).map(|_| until_next(50.0, &mut dice).as_secs_f64()).sum();
        assert!((total - 200.0).abs() < 10.0, "10,000 arrivals at 50/s took {total} s");
        let range = Range { min: 1.0, max: 2.0 };
        assert!((0..1_000).all(|_| (1.0..=2.0).contains(&range.draw(&mut dice).as_secs_f64())));
    }

    #[test]
    fn the_rhythm_swells_and_ebbs_about_its_mean() {
        let plan = Plan {
            calls: None,
            rate: 2.0,
            rhythm: Rhythm { period_s: 100.0, depth: 0.5 },
            agents: 1,
            ring: Range { min: 0.0, max: 0.0 },
            talk: Range { min: 0.0, max: 0.0 },
            wrap: Range { min: 0.0, max: 0.0 },
            patience: Range { min: 0.0, max: 0.0 },
            holds: 0.0,
            hear_within: Duration::from_secs(1),
            seed: 0,
        };
        let at = |s| (plan.rate_at(Duration::from_secs(s)) * 100.0).round();
        assert_eq!((at(0), at(25), at(50), at(75)), (200.0, 300.0, 200.0, 100.0));
    }
}
