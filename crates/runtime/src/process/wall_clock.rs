//! Whether the machine's clock was set after this process began. The process goes on by the time that it began with: a step would let all
//! timers and sessions run out at once, or stand still. So the operator is told to restart it, and all others with it: one that begins alone has
//! another time than those with which it shares registrations, tokens and days.

use std::sync::Arc;
use std::time::Duration;

use infra::Clock;
use model::Timestamp;

/// How often the clocks are compared.
const COMPARED_EVERY: Duration = Duration::from_secs(60);
/// The most by which they may differ.
const APART_MAX: Duration = Duration::from_secs(5);
/// How often it is told that they differ by more.
const TOLD_EVERY: Duration = Duration::from_secs(3_600);

/// Compares the clocks for as long as the process runs; never returns.
pub async fn compare(clock: Arc<dyn Clock>) {
    let mut comparison = Comparison::default();
    loop {
        if let Some(apart) = comparison.apart(clock.now(), clock.wall()) {
            tracing::error!(
                seconds = apart.as_secs(),
                "the machine's clock was set after this process began, which goes on by the time that it had: days, tokens and the times \
                 of calls are wrong by that much. Let a time server keep the clock; once it is right, restart all processes of the \
                 installation together when it is quiet. Do not restart this one alone: registrations of phones would end"
            );
        }
        tokio::time::sleep(COMPARED_EVERY).await;
    }
}

/// What was told.
#[derive(Debug, Default)]
struct Comparison {
    told: Option<Timestamp>,
}

impl Comparison {
    /// By how much the clocks differ, if that is to be told now.
    fn apart(&mut self, now: Timestamp, wall: Timestamp) -> Option<Duration> {
        let apart = now.since(wall).max(wall.since(now));
        let is_told = self.told.is_some_and(|told| now.since(told) < TOLD_EVERY);
        if apart <= APART_MAX || is_told {
            return None;
        }
        self.told = Some(now);
        Some(apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_told_once_an_hour() {
        let (mut comparison, start) = (Comparison::default(), Timestamp::from_millis(1_000_000_000));
        let month = Duration::from_secs(30 * 86_400);
        assert_eq!(comparison.apart(start, start + APART_MAX), None, "time servers move it by as much");
        assert_eq!(comparison.apart(start, start + month), Some(month));
        let later = start + Duration::from_secs(3_599);
        assert_eq!(comparison.apart(later, later + month), None);
        let later = start + TOLD_EVERY;
        assert_eq!(comparison.apart(later, later - Duration::from_secs(60)), Some(Duration::from_secs(60)), "set back");
    }
}
