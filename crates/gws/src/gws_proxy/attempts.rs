//! One request and the replicas that it may be sent to, one after the other.

use std::net::SocketAddr;
use std::time::Duration;

use net::http::CallError;
use runtime::metrics::Label;
use tokio::time::Instant;

/// Replicas that one request is sent to at most. Where so many are away at once, the client asks again.
const REPLICAS_ASKED_MAX: usize = 4;

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The replica takes no connections, or none is known: nothing was sent.
    NotConnected,
    /// The replica says that it has done nothing of it, and takes no more.
    NotTaken,
    /// The connection broke: it may have been carried out.
    Broken,
    /// No answer in time: it may have been carried out.
    Late,
    /// It waited for an event, and the role ends.
    Released,
    /// It cannot be sent as it is.
    Unsendable,
}

impl Unanswered {
    /// That of a failed call.
    pub const fn of(error: &CallError) -> Self {
        match error {
            CallError::Nowhere(_) | CallError::Connect(..) => Self::NotConnected,
            CallError::Broken(..) => Self::Broken,
            CallError::Deadline(_) => Self::Late,
            CallError::Refused(_) | CallError::Shape(_) => Self::Unsendable,
        }
    }
}

impl Label for Unanswered {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] =
        &[Self::NotConnected, Self::NotTaken, Self::Broken, Self::Late, Self::Released, Self::Unsendable];

    fn text(self) -> &'static str {
        match self {
            Self::NotConnected => "not_connected",
            Self::NotTaken => "not_taken",
            Self::Broken => "broken",
            Self::Late => "late",
            Self::Released => "released",
            Self::Unsendable => "unsendable",
        }
    }
}

/// The replicas that a request may be sent to.
pub(super) struct RankedAttempts<'r> {
    /// In this order.
    pub replicas: &'r [SocketAddr],
    /// Whether it may be sent again where it may have been carried out.
    pub may_repeat: bool,
    /// How long one may be silent while another one has not been asked what may be sent again; any time where silence says nothing.
    pub silent_max: Option<Duration>,
    /// The end of all attempts together.
    pub deadline: Instant,
}

impl RankedAttempts<'_> {
    /// The answer of the first replica that gives one. An attempt is told the time that is left for it.
    ///
    /// # Errors
    /// Why the last attempt has none.
    pub async fn first_answer<T, F>(&self, attempt: impl Fn(SocketAddr, Duration) -> F) -> Result<T, Unanswered>
    where
        F: Future<Output = Result<T, Unanswered>>,
    {
        let mut why = Unanswered::NotConnected;
        let asked_max = self.replicas.len().min(REPLICAS_ASKED_MAX);
        for (before, replica) in self.replicas.iter().take(asked_max).enumerate() {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let is_another_left = self.may_repeat && before + 1 < asked_max;
            let silent_max = self.silent_max.filter(|silent_max| is_another_left && *silent_max < left);
            match attempt(*replica, silent_max.unwrap_or(left)).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => why = failed,
            }
            let goes_on = match why {
                Unanswered::NotConnected | Unanswered::NotTaken => true,
                Unanswered::Broken => self.may_repeat,
                Unanswered::Late => silent_max.is_some(),
                Unanswered::Released | Unanswered::Unsendable => false,
            };
            if !goes_on {
                break;
            }
        }
        Err(why)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const WITHIN: Duration = Duration::from_secs(75);

    fn replica(n: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 27, n], 8080))
    }

    /// Who was asked, in turn, and what came of it, where each of these replicas fails so or answers.
    async fn asked(
        fails: &[Option<Unanswered>],
        may_repeat: bool,
        each_takes: Duration,
    ) -> (Vec<SocketAddr>, Result<SocketAddr, Unanswered>) {
        let replicas: Vec<SocketAddr> = (1..).map(replica).take(fails.len()).collect();
        let seen = RefCell::new(Vec::new());
        let deadline = Instant::now() + WITHIN;
        let attempts = RankedAttempts { replicas: &replicas, may_repeat, silent_max: None, deadline };
        let answer = attempts.first_answer(|to, left| {
            let at = seen.borrow().len();
            seen.borrow_mut().push(to);
            async move {
                tokio::time::sleep(each_takes.min(left)).await;
                fails[at].map_or(Ok(to), Err)
            }
        });
        let answer = answer.await;
        (seen.into_inner(), answer)
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_takes_no_connections_or_no_requests_is_passed_over_whatever_is_asked() {
        let (away, ends, none) = (Some(Unanswered::NotConnected), Some(Unanswered::NotTaken), Duration::ZERO);
        for may_repeat in [false, true] {
            let (who, answer) = asked(&[away, ends, None, None], may_repeat, none).await;
            assert_eq!((who, answer), (vec![replica(1), replica(2), replica(3)], Ok(replica(3))));
        }
        assert_eq!(asked(&[ends], false, none).await.1, Err(Unanswered::NotTaken));
        let (who, answer) = asked(&[away; 9], true, none).await;
        assert_eq!((who.len(), answer), (REPLICAS_ASKED_MAX, Err(Unanswered::NotConnected)));
        assert_eq!(asked(&[], true, none).await, (vec![], Err(Unanswered::NotConnected)), "none is known");
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_have_been_carried_out_goes_to_another_replica_only_where_it_may_be_repeated() {
        let (broken, none) = (Some(Unanswered::Broken), Duration::ZERO);
        let (who, answer) = asked(&[broken, None], false, none).await;
        assert_eq!((who, answer), (vec![replica(1)], Err(Unanswered::Broken)));
        let (who, answer) = asked(&[broken, None], true, none).await;
        assert_eq!((who, answer), (vec![replica(1), replica(2)], Ok(replica(2))));
        for last in [Unanswered::Late, Unanswered::Unsendable] {
            let (who, answer) = asked(&[Some(last), None], true, none).await;
            assert_eq!((who, answer), (vec![replica(1)], Err(last)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_replica_is_passed_over_soon_where_the_request_may_be_repeated() {
        const SILENT_MAX: Duration = Duration::from_secs(3);
        for (may_repeat, count, expected) in [
            (true, 2, (Ok(replica(2)), SILENT_MAX.as_secs())),
            (true, 1, (Err(Unanswered::Late), WITHIN.as_secs())),
            (false, 2, (Err(Unanswered::Late), WITHIN.as_secs())),
        ] {
            let replicas: Vec<SocketAddr> = (1..).map(replica).take(count).collect();
            let (began, silent_max) = (Instant::now(), Some(SILENT_MAX));
            let attempts = RankedAttempts { replicas: &replicas, may_repeat, silent_max, deadline: began + WITHIN };
            let answer = attempts.first_answer(|to, left| async move {
                if to != replica(1) {
                    return Ok(to);
                }
                tokio::time::sleep(left).await;
                Err(Unanswered::Late)
            });
            assert_eq!((answer.await, began.elapsed().as_secs()), expected, "{may_repeat}, {count} replicas");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_attempts_together_have_one_deadline() {
        let broken = Some(Unanswered::Broken);
        let began = Instant::now();
        let (who, answer) = asked(&[broken; 4], true, Duration::from_secs(50)).await;
        assert_eq!((who.len(), answer), (2, Err(Unanswered::Broken)));
        assert!(began.elapsed() >= WITHIN && began.elapsed() < WITHIN + Duration::from_secs(1));
    }
}
