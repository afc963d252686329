//! Refusals, each with the field and the rule.

use std::time::Duration;

use ::telemetry::FieldFault;
use ::telemetry::batch::BatchFault;
use ::telemetry::limits::{ITEMS_MAX, PERSON_DESKS, PERSON_TOKENS_AT_ONCE};
use ::telemetry::otlp::OtlpFault;
use ::telemetry::rate::RateRefusal;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use net::http::{Problem, StatusCode};

use super::metrics::BatchOutcome;

/// Why a batch is not taken.
#[derive(Debug)]
pub(super) struct BatchRefusal {
    problem: Problem,
    /// How it is counted.
    pub outcome: BatchOutcome,
    retry_after: Option<Duration>,
}

impl BatchRefusal {
    pub fn new(problem: Problem, outcome: BatchOutcome) -> Self {
        Self { problem, outcome, retry_after: None }
    }

    /// 429: too often, or there is no room.
    pub fn wait(detail: &str, outcome: BatchOutcome, wait: Duration) -> Self {
        let retry_after = Some(wait);
        Self { retry_after, ..Self::new(Problem::too_many(detail), outcome) }
    }

    /// 413.
    pub fn too_large(detail: impl Into<String>) -> Self {
        let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The batch is too large").detail(detail);
        Self::new(problem, BatchOutcome::TooLarge)
    }

    /// 400: it cannot be read.
    pub fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(Problem::bad_request(detail), BatchOutcome::Faulty)
    }
}

impl From<RateRefusal> for BatchRefusal {
    fn from(refusal: RateRefusal) -> Self {
        match refusal {
            RateRefusal::TooOften(wait) => {
                Self::wait("batches: more than telemetry.batches_per_minute", BatchOutcome::TooOften, wait)
            }
            RateRefusal::PersonTooOften(wait) => {
                let rule = format!(
                    "person: all tokens send more than {PERSON_DESKS} times telemetry.batches_per_minute, \
                     or more than {PERSON_TOKENS_AT_ONCE} are new"
                );
                Self::wait(&rule, BatchOutcome::TooOften, wait)
            }
            RateRefusal::TooManyClients(wait) => {
                Self::wait("clients: more than are told apart", BatchOutcome::TooManyClients, wait)
            }
        }
    }
}

impl From<FieldFault> for BatchRefusal {
    fn from(fault: FieldFault) -> Self {
        Self::new(Problem::unprocessable(fault.to_string()), BatchOutcome::Faulty)
    }
}

impl From<BatchFault> for BatchRefusal {
    fn from(fault: BatchFault) -> Self {
        match fault {
            BatchFault::Field(fault) => fault.into(),
            BatchFault::TooMany(items) => Self::too_many_items(items),
        }
    }
}

impl From<OtlpFault> for BatchRefusal {
    fn from(fault: OtlpFault) -> Self {
        match fault {
            OtlpFault::Malformed(_) => Self::unreadable(fault.to_string()),
            OtlpFault::TooMany(items) => Self::too_many_items(items),
        }
    }
}

impl BatchRefusal {
    fn too_many_items(items: usize) -> Self {
        Self::too_large(format!("items: it has {items}, and at most {ITEMS_MAX} are taken"))
    }
}

impl IntoResponse for BatchRefusal {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response();
        if let Some(wait) = self.retry_after {
            // A wait of less than a second is one.
            let seconds = wait.as_millis().div_ceil(1_000).max(1);
            response.headers_mut().insert(header::RETRY_AFTER, u64::try_from(seconds).unwrap_or(u64::MAX).into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_whole_seconds() {
        let told = |millis| {
            let refusal = BatchRefusal::from(RateRefusal::TooOften(Duration::from_millis(millis)));
            let response = refusal.into_response();
            (response.status().as_u16(), response.headers()[header::RETRY_AFTER].to_str().unwrap().to_owned())
        };
        assert_eq!(told(0), (429, "1".to_owned()));
        assert_eq!(told(1_001), (429, "2".to_owned()));
        assert_eq!(BatchRefusal::from(OtlpFault::TooMany(2_000)).into_response().status(), 413);
    }

    #[test]
    fn a_client_without_a_place_is_not_counted_as_one_that_sends_too_often() {
        let outcome = |refusal: RateRefusal| BatchRefusal::from(refusal).outcome;
        assert_eq!(outcome(RateRefusal::TooManyClients(Duration::ZERO)), BatchOutcome::TooManyClients);
        assert_eq!(outcome(RateRefusal::TooOften(Duration::ZERO)), BatchOutcome::TooOften);
        assert_eq!(outcome(RateRefusal::PersonTooOften(Duration::ZERO)), BatchOutcome::TooOften);
    }
}
