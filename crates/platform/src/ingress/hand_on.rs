//! Hands a request on to the role that answers it, with the proofs that the caller brings and none of our own.
//!
//! No crate of reverse proxies is used: those bring an HTTP client of their own, while `net::http::Client`, by which all roles ask each
//! other, finds the replicas, asks another one where that is safe, keeps the deadline and counts each connection on its row of the table.
//! What is left beside that client is the list of headers that may pass, which is a matter of each API.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use net::http::{CallError, Client, Problem, WebClient};
use runtime::RoleContext;

use super::{Settings, routes};

/// What is told of a request that was handed on and not answered: whoever repeats it must know that it may happen twice.
pub(super) const UNANSWERED: &str = "The request may have been carried out";

/// Headers of an answer that concern our own hop to the role.
const OF_THE_HOP: [HeaderName; 5] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::DATE, header::UPGRADE];

/// A role behind the edge.
#[derive(Clone)]
pub(super) struct RoleBehind {
    client: Client,
    role: &'static str,
    /// Headers forwarded with a request; the others concern one hop, or say what ingress knows better.
    passed_on: &'static [HeaderName],
    /// Time for an answer, where it is not the usual one.
    within: Option<Duration>,
    /// How long a replica may be silent before another one is asked what may be repeated; any time where silence says nothing.
    silent_max: Option<Duration>,
}

impl RoleBehind {
    /// The role to which the row of that path leads.
    ///
    /// # Errors
    /// If there is no such row, or ingress does not declare its connection.
    pub fn new(ctx: &RoleContext, path: &str, passed_on: &'static [HeaderName]) -> anyhow::Result<Self> {
        let at = routes::leads_to(path)?;
        let settings: Settings = ctx.settings()?;
        let client = Client::new(ctx, at.connection)?;
        client.watch_replicas();
        Ok(Self { client, role: at.role, passed_on, within: None, silent_max: Some(settings.silent_max) })
    }

    /// The same with another time for its answers.
    #[must_use]
    pub fn answering_within(self, within: Duration) -> Self {
        Self { within: Some(within), ..self }
    }

    /// The same for requests that wait for events: a replica may be silent meanwhile.
    #[must_use]
    pub fn silent_for_long(self) -> Self {
        Self { silent_max: None, ..self }
    }

    /// The client of that role.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Hands a request on, with further headers of ours, and returns the answer.
    pub async fn hand_on(
        &self,
        request: Request,
        further: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Response {
        let (head, body) = request.into_parts();
        // The limits of the listener have read it whole and within its bound.
        let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
            return Problem::bad_request("the body broke off").into_response();
        };
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let may_repeat = routes::may_repeat(&head.method, head.uri.path());
        // What a replica that hangs has not answered by now it does not answer.
        let mut call = self.client.call(head.method, path).without_token().raw_body(body).leaves_hung();
        if may_repeat {
            call = call.idempotent();
        }
        if let Some(silent_max) = self.silent_max {
            call = call.silent_max(silent_max);
        }
        if let Some(within) = self.within {
            call = call.deadline(within);
        }
        for name in self.passed_on {
            if let Some(value) = head.headers.get(name) {
                call = call.header(name.clone(), value.clone());
            }
        }
        if let Some(client) = head.extensions.get::<WebClient>() {
            call = call.relayed_for(client);
        }
        for (name, value) in further {
            call = call.header(name, value);
        }
        match call.send_any().await {
            Ok(answer) => {
                let mut response = Response::new(Body::from(answer.body));
                *response.status_mut() = answer.status;
                *response.headers_mut() = answer.headers;
                for name in &OF_THE_HOP {
                    response.headers_mut().remove(name);
                }
                response
            }
            Err(CallError::Deadline(_)) => late(self.role, may_repeat && self.silent_max.is_none()),
            Err(CallError::Broken(..)) => away(self.role, StatusCode::BAD_GATEWAY, UNANSWERED, "has broken off"),
            Err(error) => {
                tracing::warn!(role = self.role, %error, "a role behind the edge cannot be reached");
                away(self.role, StatusCode::BAD_GATEWAY, "The request was not handed on", "cannot be reached")
            }
        }
    }
}

/// No answer has come in time. Whoever has waited for events alone has lost nothing, and asks again: one that goes to another replica late
/// has less time there than it would wait.
fn late(role: &str, has_waited: bool) -> Response {
    match has_waited {
        true => away(role, StatusCode::SERVICE_UNAVAILABLE, "Nothing has come", "does not answer: ask again"),
        false => away(role, StatusCode::GATEWAY_TIMEOUT, UNANSWERED, "does not answer"),
    }
}

fn away(role: &str, status: StatusCode, title: &str, what: &str) -> Response {
    Problem::new(status, &format!("{role}-away"), title).detail(format!("{role} {what}")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_waited_for_events_in_vain_is_to_ask_again_and_others_learn_that_it_may_have_been_done() {
        for (has_waited, status) in [(true, 503), (false, 504)] {
            let told = late("gws-proxy", has_waited);
            assert_eq!(told.status().as_u16(), status);
            assert_eq!(told.headers().contains_key(header::RETRY_AFTER), has_waited);
        }
    }
}
