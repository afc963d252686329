//! What came of attempts to forward batches, and how the collector stands by it. The log tells each trouble once, and that it is over once
//! it has not come again for a while: a collector that takes some batches and others not would fill the log otherwise.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::telemetry::otlp::OtlpSignal;
use axum::http::StatusCode;
use tokio::time::Instant;

/// Attempts in a row without any answer after which the collector counts as away.
const UNANSWERED_AWAY: u32 = 3;
/// For how long a trouble must not have come again before it is over.
const OVER_AFTER: Duration = Duration::from_secs(60);

/// What came of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ForwardAttempt {
    Taken,
    /// Nothing, by the deadline: it is worth another try.
    Unanswered(String),
    /// The collector has no room now, or what stands before it does not reach it: it is worth another try.
    Busy(StatusCode),
    /// It is not worth one: the collector finds that batch wrong, as its client made it.
    Faulty(StatusCode),
    /// It is not: the collector has failed with it.
    Failed(StatusCode),
    /// It is not, and no other is: the collector is another one than the settings mean, or asks for what it is not given.
    Refused(StatusCode),
}

impl ForwardAttempt {
    /// By the status of an answer.
    pub fn answered(status: StatusCode) -> Self {
        match status.as_u16() {
            200..300 => Self::Taken,
            // OTLP/HTTP: these alone are tried again.
            429 | 502 | 503 | 504 => Self::Busy(status),
            // What is in the batch, its size and its media type are its client's.
            400 | 413 | 415 | 422 => Self::Faulty(status),
            500..600 => Self::Failed(status),
            _ => Self::Refused(status),
        }
    }
}

/// How the collector stands.
#[derive(Debug, Default)]
pub(super) struct CollectorStanding {
    /// Attempts without any answer since the last one that had one.
    unanswered: AtomicU32,
    unreached: LoggedTrouble,
    busy: LoggedTrouble,
    failed: LoggedTrouble,
    /// In the order of [`OtlpSignal::ALL`].
    refused: [LoggedTrouble; OtlpSignal::ALL.len()],
}

impl CollectorStanding {
    /// Whether it answers nothing at all. One that is busy answers.
    pub fn is_away(&self) -> bool {
        self.unanswered.load(Relaxed) >= UNANSWERED_AWAY
    }

    /// Notes what came of an attempt with a batch of that signal, and logs what is new of it.
    pub fn note(&self, collector: &str, signal: OtlpSignal, came: &ForwardAttempt) {
        if let ForwardAttempt::Unanswered(error) = came {
            self.unanswered.fetch_add(1, Relaxed);
            if self.unreached.comes() {
                tracing::warn!(
                    collector,
                    error,
                    "OpenTelemetry of clients does not reach the collector: see the setting telemetry.collector"
                );
            }
            return;
        }
        self.unanswered.store(0, Relaxed);
        if self.unreached.ends() {
            tracing::info!(collector, "OpenTelemetry of clients reaches the collector again");
        }
        match came {
            ForwardAttempt::Taken => self.note_taken(collector, signal),
            ForwardAttempt::Busy(status) if self.busy.comes() => {
                tracing::warn!(collector, %status, "the collector has no room for OpenTelemetry of clients: its own log tells why");
            }
            ForwardAttempt::Faulty(status) => {
                tracing::debug!(collector, %status, "the collector finds a batch of a client wrong");
            }
            ForwardAttempt::Failed(status) if self.failed.comes() => {
                tracing::warn!(collector, %status, "the collector fails with OpenTelemetry of clients: its own log tells why");
            }
            ForwardAttempt::Refused(status) if self.refused(signal).is_some_and(LoggedTrouble::comes) => {
                tracing::warn!(
                    collector,
                    signal = signal.as_str(),
                    %status,
                    "the collector takes no OpenTelemetry of clients: see the setting telemetry.collector"
                );
            }
            // The log has said so.
            ForwardAttempt::Unanswered(_)
            | ForwardAttempt::Busy(_)
            | ForwardAttempt::Failed(_)
            | ForwardAttempt::Refused(_) => {}
        }
    }

    fn note_taken(&self, collector: &str, signal: OtlpSignal) {
        if self.busy.ends() {
            tracing::info!(collector, "the collector has room for OpenTelemetry of clients again");
        }
        if self.failed.ends() {
            tracing::info!(collector, "the collector fails no more with OpenTelemetry of clients");
        }
        if self.refused(signal).is_some_and(LoggedTrouble::ends) {
            tracing::info!(collector, signal = signal.as_str(), "the collector takes OpenTelemetry of clients again");
        }
    }

    fn refused(&self, signal: OtlpSignal) -> Option<&LoggedTrouble> {
        OtlpSignal::ALL.iter().zip(&self.refused).find(|(of, _)| **of == signal).map(|(_, refused)| refused)
    }
}

/// A trouble of which the log has told, with when it came last.
#[derive(Debug, Default)]
struct LoggedTrouble(Mutex<Option<Instant>>);

impl LoggedTrouble {
    /// It comes; returns whether the log has not told of it yet.
    fn comes(&self) -> bool {
        self.lock().replace(Instant::now()).is_none()
    }

    /// All went well; returns whether it is over by that.
    fn ends(&self) -> bool {
        self.lock().take_if(|last| last.elapsed() >= OVER_AFTER).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16) -> ForwardAttempt {
        ForwardAttempt::answered(StatusCode::from_u16(status).unwrap())
    }

    #[test]
    fn what_a_client_got_wrong_is_told_from_a_collector_that_takes_nothing() {
        assert_eq!([200, 202].map(answered), [ForwardAttempt::Taken, ForwardAttempt::Taken]);
        for of_batch in [400, 413, 415, 422] {
            assert!(matches!(answered(of_batch), ForwardAttempt::Faulty(_)), "{of_batch}");
        }
        for of_all in [301, 401, 403, 404, 405] {
            assert!(matches!(answered(of_all), ForwardAttempt::Refused(_)), "{of_all}");
        }
        for later in [429, 502, 503, 504] {
            assert!(matches!(answered(later), ForwardAttempt::Busy(_)), "{later}");
        }
        for no_fault_of_settings in [500, 501] {
            assert!(matches!(answered(no_fault_of_settings), ForwardAttempt::Failed(_)), "{no_fault_of_settings}");
        }
    }

    #[test]
    fn a_collector_that_answers_is_not_away_whatever_it_answers() {
        let standing = CollectorStanding::default();
        let note = |came: ForwardAttempt| standing.note("http://otel:4318", OtlpSignal::Logs, &came);
        let unanswered = || ForwardAttempt::Unanswered("refused".to_owned());
        for _ in 0..100 {
            note(answered(429));
            note(unanswered());
            assert!(!standing.is_away());
        }
        for _ in 1..UNANSWERED_AWAY {
            note(unanswered());
        }
        assert!(standing.is_away());
        note(answered(500));
        assert!(!standing.is_away());
    }

    #[tokio::test(start_paused = true)]
    async fn a_trouble_that_comes_and_goes_is_told_once_until_it_is_over() {
        let trouble = LoggedTrouble::default();
        assert!(!trouble.ends(), "there is none");
        let mut told = Vec::new();
        for _ in 0..100 {
            told.push((trouble.comes(), trouble.ends()));
            tokio::time::advance(OVER_AFTER / 2).await;
            told.push((false, trouble.ends()));
        }
        assert_eq!(told.iter().filter(|(comes, ends)| *comes || *ends).count(), 1, "{told:?}");
        tokio::time::advance(OVER_AFTER / 2).await;
        assert_eq!([trouble.ends(), trouble.ends(), trouble.comes()], [true, false, true]);
    }

    #[test]
    fn a_signal_that_is_refused_is_told_alone() {
        let standing = CollectorStanding::default();
        let comes = |signal| standing.refused(signal).is_some_and(LoggedTrouble::comes);
        assert_eq!(OtlpSignal::ALL.map(comes), [true; 3]);
        assert_eq!(OtlpSignal::ALL.map(comes), [false; 3]);
    }
}
