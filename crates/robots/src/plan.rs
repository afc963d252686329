//! The robots' plan, and its random draws.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use model::Entropy;

/// A duration drawn uniformly between two, in seconds: `1.5..2.5`; a single number is both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Minimum, s.
    pub min: f64,
    /// Maximum, s.
    pub max: f64,
}

/// Maximum duration in a plan: an hour, s.
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
    /// Draws one duration.
    pub(crate) fn draw(self, dice: &mut dyn Entropy) -> Duration {
        Duration::from_secs_f64(self.min + (self.max - self.min) * unit(dice))
    }
}

/// Arrivals with a periodic rate, so that queues form and clear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rhythm {
    /// Period of the rate, s.
    pub period_s: f64,
    /// Amplitude relative to the mean: 0 is steady, 1 varies between zero and twice the mean.
    pub depth: f64,
}

/// The plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Number of calls; none: endless.
    pub calls: Option<u32>,
    /// Mean of calls a second; arrivals are random (Poisson).
    pub rate: f64,
    /// The variation of the rate.
    pub rhythm: Rhythm,
    /// Number of agents at work; the first ones of the site.
    pub agents: usize,
    /// How long a phone rings before the agent answers.
    pub ring: Range,
    /// How long a conversation lasts.
    pub talk: Range,
    /// How long an agent works after a call.
    pub wrap: Range,
    /// How long a caller waits before giving up.
    pub patience: Range,
    /// The share of conversations, 0 to 1, in which the agent holds the caller.
    pub holds: f64,
    /// The share of conversations, 0 to 1, in which the agent consults, transfers or confers, if another one is free.
    pub moves: f64,
    /// Time after the answer within which each party must hear the other.
    pub hear_within: Duration,
    /// Seed of the random choices.
    pub seed: u64,
}

/// A uniform number from 0 to 1.
pub(crate) fn unit(dice: &mut dyn Entropy) -> f64 {
    const BITS: u32 = 53;
    (dice.next_u64() >> (64 - BITS)) as f64 / (1_u64 << BITS) as f64
}

impl Plan {
    /// The time to the next arrival: a Poisson process with a varying rate, by thinning one with its highest rate
    /// (Lewis and Shedler 1979).
    pub(crate) fn until_next(&self, since: Duration, dice: &mut dyn Entropy) -> Duration {
        /// Maximum time between two calls; keeps a rate of zero from lasting for ever.
        const LONGEST_S: f64 = 86_400.0;
        let highest = self.rate * (1.0 + self.rhythm.depth);
        let begin = since.as_secs_f64();
        let mut at = begin;
        while at < begin + LONGEST_S {
            at -= (1.0 - unit(dice)).ln() / highest;
            if unit(dice) * highest < self.rate_at(at) {
                break;
            }
        }
        Duration::from_secs_f64((at - begin).min(LONGEST_S))
    }

    /// Calls a second at `since_s` seconds after the beginning.
    fn rate_at(&self, since_s: f64) -> f64 {
        let turn = since_s / self.rhythm.period_s * std::f64::consts::TAU;
        self.rate * (1.0 + self.rhythm.depth * turn.sin())
    }
}

#[cfg(test)]
pub mod tests {
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
    fn a_draw_stays_in_its_range() {
        let mut dice = Seeded::new(7);
        let range = Range { min: 1.0, max: 2.0 };
        assert!((0..1_000).all(|_| (1.0..=2.0).contains(&range.draw(&mut dice).as_secs_f64())));
    }

    /// A plan in which nothing happens.
    pub(crate) fn plan() -> Plan {
        steady(1.0, Rhythm { period_s: 100.0, depth: 0.0 })
    }

    fn steady(rate: f64, rhythm: Rhythm) -> Plan {
        Plan {
            calls: None,
            rate,
            rhythm,
            agents: 1,
            ring: Range { min: 0.0, max: 0.0 },
            talk: Range { min: 0.0, max: 0.0 },
            wrap: Range { min: 0.0, max: 0.0 },
            patience: Range { min: 0.0, max: 0.0 },
            holds: 0.0,
            moves: 0.0,
            hear_within: Duration::from_secs(1),
            seed: 0,
        }
    }

    /// The times of the first `count` calls.
    fn arrivals(plan: &Plan, count: usize) -> Vec<f64> {
        let mut dice = Seeded::new(7);
        let mut since = Duration::ZERO;
        let next = || {
            since += plan.until_next(since, &mut dice);
            since.as_secs_f64()
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    #[test]
    fn arrivals_come_at_the_rate_asked_for_however_low() {
        for rate in [50.0, 0.005] {
            let even = steady(rate, Rhythm { period_s: 100.0, depth: 0.0 });
            let took = arrivals(&even, 10_000).pop().unwrap_or_default();
            assert!((took * rate / 10_000.0 - 1.0).abs() < 0.05, "10,000 arrivals at {rate}/s took {took} s");
        }
    }

    #[test]
    fn arrivals_swell_and_ebb_about_their_mean() {
        // The rate falls to zero in the second half of each period; one agent has few calls.
        for rate in [2.0, 0.024] {
            let rhythm = Rhythm { period_s: 10_000.0, depth: 1.0 };
            let all = arrivals(&steady(rate, rhythm), 20_000);
            let took = all.last().copied().unwrap_or_default();
            assert!((took * rate / 20_000.0 - 1.0).abs() < 0.15, "20,000 arrivals at {rate}/s took {took} s");
            let ebb = all.iter().filter(|at| (7_000.0..8_000.0).contains(&(**at % 10_000.0))).count();
            let swell = all.iter().filter(|at| (2_000.0..3_000.0).contains(&(**at % 10_000.0))).count();
            assert!(swell > 50 * ebb.max(1), "{swell} in the swell, {ebb} in the ebb");
        }
    }
}
