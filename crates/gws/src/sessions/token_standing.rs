//! Whether a token is still good: auth is asked. Our own verification has seen its signature, its time and what was revoked; that its
//! person is gone, auth alone knows.

use std::sync::Arc;
use std::time::Duration;

use net::http::Client;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::metrics::Label;
use serde_json::Value;
use tokio::sync::Semaphore;

/// Where auth is asked (RFC 7662).
const PATH: &str = "/auth/v3/oauth/introspect";
/// The most questions at a time; for further tokens their signature and time suffice until there is room.
const ASKED_AT_ONCE_MAX: usize = 64;
/// Time for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What auth has said of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenStanding {
    /// It is good.
    Good,
    /// It is not good any more.
    Over,
    /// It was not asked, or has not answered.
    Unanswered,
}

impl TokenStanding {
    /// Whether a session begins by it; so it does too where nobody answers.
    pub(crate) fn is_good_enough(self) -> bool {
        self != Self::Over
    }
}

impl Label for TokenStanding {
    const NAME: &'static str = "answer";
    const ALL: &'static [Self] = &[Self::Good, Self::Over, Self::Unanswered];

    fn text(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Over => "over",
            Self::Unanswered => "unanswered",
        }
    }
}

/// Asks auth. Cheap to clone.
#[derive(Clone)]
pub(crate) struct StandingAtAuth {
    auth: Client,
    asking: Arc<Semaphore>,
}

impl StandingAtAuth {
    /// By a role's connection to auth.
    pub(crate) fn new(auth: Client) -> Self {
        Self { auth, asking: Arc::new(Semaphore::new(ASKED_AT_ONCE_MAX)) }
    }

    /// What auth says of a token now.
    pub(crate) async fn of(&self, token: &str) -> TokenStanding {
        self.told(format!("token={}", utf8_percent_encode(token, NON_ALPHANUMERIC))).await.0
    }

    /// What auth says to a question, which is a form, and its answer; null where there is none.
    pub(crate) async fn told(&self, form: String) -> (TokenStanding, Value) {
        let Ok(_asking) = self.asking.try_acquire() else { return (TokenStanding::Unanswered, Value::Null) };
        let asked = self.auth.post(PATH).body("application/x-www-form-urlencoded", form);
        match asked.deadline(ANSWER_WITHIN).idempotent().fetch::<Value>().await {
            Ok(answer) => {
                let standing = match answer["active"].as_bool() {
                    Some(true) => TokenStanding::Good,
                    Some(false) => TokenStanding::Over,
                    None => TokenStanding::Unanswered,
                };
                (standing, answer)
            }
            Err(error) => {
                tracing::debug!(%error, "auth does not say whether a token is still good");
                (TokenStanding::Unanswered, Value::Null)
            }
        }
    }
}
