//! What people have open of media, and operations for Interaction Server: gws-interaction is asked (own-36).

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use model::TenantId;
use net::http::{Answer, Call, CallError, Client, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::RoleContext;
use serde_json::Value;

use super::behind::{InteractionFault, InteractionQuestion, InteractionSide};
use super::metrics::{AskOutcome, Metrics};
use crate::interaction_api::InteractionOperation;

/// Time for an answer, and how long one replica may be silent while another has not been asked: more than Redis has.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
const SILENT_MAX: Duration = Duration::from_millis(1_500);

/// The client.
#[derive(Clone)]
pub(super) struct InteractionClient {
    client: Client,
    metrics: Metrics,
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Where something of a person is.
fn path_of(tenant: &TenantId, user: &str, below: &str) -> String {
    format!("/interaction/v3/{}/people/{}/{below}", encoded(tenant.as_str()), encoded(user))
}

impl InteractionClient {
    /// By the role's connection to gws-interaction.
    ///
    /// # Errors
    /// If the role does not declare it.
    pub fn new(ctx: &RoleContext, metrics: Metrics) -> anyhow::Result<Self> {
        Ok(Self { client: Client::new(ctx, "own-36")?, metrics })
    }

    fn call(&self, tenant: &TenantId, user: &str, question: InteractionQuestion) -> Call {
        let at = |below: &str| path_of(tenant, user, below);
        match question {
            InteractionQuestion::Open => self.client.get(&at("interactions")).idempotent(),
            InteractionQuestion::Note(opened) => self.client.post(&at("interactions")).json(&opened).idempotent(),
            InteractionQuestion::Forget { media_type, id } => {
                let below = format!("interactions/{}/{}", encoded(&media_type), encoded(&id));
                self.client.delete(&at(&below)).idempotent()
            }
            // What is refused here is refused by the next replica, too.
            InteractionQuestion::Operate(operation) => {
                self.client.post(&at("operations")).json(&InteractionOperation { operation })
            }
        }
    }
}

/// What an answer says. One of 503 has the reason, as that of a service that is missing.
fn read(answered: Result<Answer, CallError>) -> Result<Value, InteractionFault> {
    let away = |error: CallError| {
        tracing::debug!(%error, "gws-interaction does not answer");
        InteractionFault::Away
    };
    let answer = answered.map_err(away)?;
    if answer.status.is_server_error() && answer.status != StatusCode::SERVICE_UNAVAILABLE {
        tracing::warn!(problem = %answer.problem(), "gws-interaction fails");
        return Err(InteractionFault::Away);
    }
    if !answer.status.is_success() {
        return Err(InteractionFault::Refused(answer.problem()));
    }
    if answer.body.is_empty() { Ok(Value::Null) } else { answer.json().map_err(away) }
}

impl InteractionSide for InteractionClient {
    fn ask(
        &self,
        tenant: TenantId,
        user: String,
        question: InteractionQuestion,
    ) -> BoxFuture<'static, Result<Value, InteractionFault>> {
        let call = self.call(&tenant, &user, question).deadline(ANSWER_WITHIN).silent_max(SILENT_MAX);
        let asks = self.metrics.interaction_asks.clone();
        async move {
            let told = read(call.send_any().await);
            asks.inc(match &told {
                Ok(_) => AskOutcome::Taken,
                Err(InteractionFault::Refused(_)) => AskOutcome::Refused,
                Err(InteractionFault::Away) => AskOutcome::Unanswered,
            });
            told
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use net::http::Problem;

    use super::*;

    fn answered(status: StatusCode, body: &'static str) -> Result<Value, InteractionFault> {
        read(Ok(Answer { status, headers: axum::http::HeaderMap::new(), body: body.into() }))
    }

    #[test]
    fn whatever_a_person_is_called_is_one_part_of_the_path() {
        let acme = TenantId::parse("acme").unwrap();
        assert_eq!(path_of(&acme, "a/b c", "interactions"), "/interaction/v3/acme/people/a%2Fb%20c/interactions");
    }

    #[test]
    fn what_is_missing_is_told_and_what_fails_is_not() {
        assert_eq!(answered(StatusCode::NO_CONTENT, ""), Ok(Value::Null));
        let missing = Problem::unavailable("interaction-server: there is none");
        let body = r#"{"type":"unavailable","title":"Not available now","status":503,"detail":"interaction-server: there is none"}"#;
        assert_eq!(answered(StatusCode::SERVICE_UNAVAILABLE, body), Err(InteractionFault::Refused(missing)));
        assert_eq!(answered(StatusCode::INTERNAL_SERVER_ERROR, "{}"), Err(InteractionFault::Away));
        assert_eq!(answered(StatusCode::OK, "no JSON"), Err(InteractionFault::Away));
        assert_eq!(read(Err(CallError::Nowhere("gws-interaction"))), Err(InteractionFault::Away));
    }
}
