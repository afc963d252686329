//! What ingress asks auth for an API key (own-11): the token for which it is exchanged (RFC 8693). The key is its own proof, and who asks
//! is told along, so that auth counts guesses by where they come from.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use identity::api_key::TOKEN_TYPE;
use identity::client::GrantType;
use net::http::{Client, WebClient};
use runtime::RoleContext;
use serde::Deserialize;

use super::places::{KeyAnswer, KeyRefusal};
use crate::ingress::routes;

const TOKEN: &str = "/auth/v3/oauth/token";
const FORM: &str = "application/x-www-form-urlencoded";
/// The most characters of what somebody calls itself that are told later.
const USER_AGENT_MAX: usize = 128;
/// A token that is good for less is not used any more: it has still to arrive.
const UNUSED_BEFORE: Duration = Duration::from_secs(5);
/// For how long a key that was refused is not asked about again.
const REFUSED_FOR: Duration = Duration::from_secs(5);
/// The same where nothing was said of it: those who wait for the answer get this one.
pub(super) const UNANSWERED_FOR: Duration = Duration::from_secs(1);

/// Asks auth. Cheap to clone.
#[derive(Clone)]
pub(super) struct TokenExchange(Client);

/// Who shows a key.
pub(super) struct KeyBearer {
    client: Option<WebClient>,
    user_agent: Option<HeaderValue>,
}

/// The answer with a token (RFC 6749 section 5.1).
#[derive(Deserialize)]
struct ExchangedToken {
    access_token: String,
    expires_in: u64,
}

impl KeyBearer {
    /// The far end of a request.
    pub fn of(request: &Request) -> Self {
        let user_agent = request.headers().get(header::USER_AGENT).cloned();
        Self { client: request.extensions().get().copied(), user_agent }
    }

    /// Its address, if it is known.
    pub fn address(&self) -> Option<IpAddr> {
        self.client.map(|client| client.address)
    }

    /// What it calls itself: the first characters of it.
    pub fn named(&self) -> String {
        let said = self.user_agent.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()));
        said.map(|said| said.chars().take(USER_AGENT_MAX).collect()).unwrap_or_default()
    }
}

#[cfg(test)]
impl KeyBearer {
    /// One at that address who says nothing of itself.
    pub fn at(address: IpAddr) -> Self {
        Self { client: Some(WebClient { address, is_secure: true, is_passed_on: false }), user_agent: None }
    }
}

impl TokenExchange {
    /// Asks as the role.
    ///
    /// # Errors
    /// If ingress does not declare the connection.
    pub fn new(ctx: &RoleContext) -> Result<Self> {
        Ok(Self(Client::new(ctx, routes::leads_to(runtime::issuer::PATH)?.connection)?))
    }

    /// What asks auth, for other requests.
    pub fn client(&self) -> Client {
        self.0.clone()
    }

    /// What auth says of a key, and for how long that counts.
    pub async fn exchanged(&self, key: &str, bearer: &KeyBearer) -> (KeyAnswer, Duration) {
        let fields = [
            ("grant_type", GrantType::TokenExchange.as_str()),
            ("subject_token", key),
            ("subject_token_type", TOKEN_TYPE),
        ];
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut call = self.0.post(TOKEN).without_token().body(FORM, form);
        if let Some(client) = bearer.client {
            call = call.relayed_for(&client);
        }
        if let Some(user_agent) = &bearer.user_agent {
            call = call.header(header::USER_AGENT, user_agent.clone());
        }
        match call.send_any().await {
            Ok(answer) => read(answer.status, &answer.body),
            Err(error) => {
                tracing::warn!(%error, "auth cannot be reached for an API key");
                (KeyAnswer::Refused(KeyRefusal::Away), UNANSWERED_FOR)
            }
        }
    }
}

fn read(status: StatusCode, body: &[u8]) -> (KeyAnswer, Duration) {
    match status {
        StatusCode::OK => {
            if let Some(exchanged) = token(body) {
                return exchanged;
            }
            tracing::warn!("auth has answered with a token that cannot be read");
        }
        StatusCode::BAD_REQUEST => return (KeyAnswer::Refused(KeyRefusal::Unknown), REFUSED_FOR),
        StatusCode::TOO_MANY_REQUESTS => return (KeyAnswer::Refused(KeyRefusal::Wait), UNANSWERED_FOR),
        _ => tracing::warn!(status = status.as_u16(), "auth exchanges no API keys now"),
    }
    (KeyAnswer::Refused(KeyRefusal::Away), UNANSWERED_FOR)
}

/// The token as a header that no log shows, and how long it is used.
fn token(body: &[u8]) -> Option<(KeyAnswer, Duration)> {
    let exchanged: ExchangedToken = serde_json::from_slice(body).ok()?;
    let mut shown = HeaderValue::try_from(format!("Bearer {}", exchanged.access_token)).ok()?;
    shown.set_sensitive(true);
    Some((KeyAnswer::Token(shown), Duration::from_secs(exchanged.expires_in).saturating_sub(UNUSED_BEFORE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_until_shortly_before_its_end_and_shows_itself_in_no_log() {
        let body = br#"{"access_token":"abc","token_type":"bearer","expires_in":600,"scope":"webhooks"}"#;
        let (answer, lasting) = read(StatusCode::OK, body);
        assert_eq!(lasting, Duration::from_secs(595));
        let KeyAnswer::Token(shown) = answer else { panic!("{answer:?}") };
        assert_eq!((shown.to_str().unwrap(), format!("{shown:?}").as_str()), ("Bearer abc", "Sensitive"));
        let short = br#"{"access_token":"abc","expires_in":3}"#;
        assert_eq!(read(StatusCode::OK, short).1, Duration::ZERO);
    }

    #[test]
    fn a_refusal_is_remembered_for_a_while_and_an_outage_for_a_moment() {
        let refused = br#"{"error":"invalid_grant"}"#;
        for (status, refusal, lasting) in [
            (StatusCode::BAD_REQUEST, KeyRefusal::Unknown, REFUSED_FOR),
            (StatusCode::TOO_MANY_REQUESTS, KeyRefusal::Wait, UNANSWERED_FOR),
            (StatusCode::SERVICE_UNAVAILABLE, KeyRefusal::Away, UNANSWERED_FOR),
            (StatusCode::OK, KeyRefusal::Away, UNANSWERED_FOR),
        ] {
            assert_eq!(read(status, refused), (KeyAnswer::Refused(refusal), lasting), "{status}");
        }
    }
}
