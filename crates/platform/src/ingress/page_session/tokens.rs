//! What ingress asks auth for (own-11): tokens of the client of our own pages, and their end. It proves itself by its role's own token.

use std::time::Duration;

use anyhow::Result;
use axum::http::{HeaderValue, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::TenantId;
use net::http::{Answer, Call, CallError, Client, WebClient};
use runtime::RoleContext;
use serde::Deserialize;

use crate::ingress::routes;
use crate::pages_client::CLIENT;

const TOKEN: &str = "/auth/v3/oauth/token";
const REVOKE: &str = "/auth/v3/oauth/revoke";
const SIGN_OUT: &str = "/auth/v3/sign-out";
const FORM: &str = "application/x-www-form-urlencoded";
/// How long auth may take to renew tokens. It is asked twice within the turn of whoever renews them, and both times within its grace for a
/// token that is shown again.
pub(super) const REFRESH_WITHIN: Duration = Duration::from_secs(4);

/// Asks auth. Cheap to clone.
#[derive(Clone)]
pub(super) struct TokenSource(Client);

/// Why there are no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenRefusal {
    /// The code or the refresh token is not good, or not any more.
    Over,
    /// auth does not answer, or not as agreed.
    Away,
}

/// The tokens of somebody who is signed in.
pub(super) struct PageTokens {
    pub tenant: TenantId,
    pub user: String,
    pub name: String,
    pub privileges: Vec<String>,
    pub scope: String,
    pub nonce: Option<String>,
    pub access_token: String,
    pub refresh_token: String,
    /// For how long the access token is good.
    pub lasting: Duration,
}

/// The answer with tokens (RFC 6749 section 5.1).
#[derive(Deserialize)]
struct AnsweredTokens {
    access_token: String,
    refresh_token: String,
    id_token: String,
    scope: String,
    expires_in: u64,
}

/// What of an ID token is read. It comes from auth itself, so that nobody else can have written it (OpenID Connect Core section 3.1.3.7).
#[derive(Deserialize)]
struct SaidOfPerson {
    sub: String,
    tenant: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    privileges: Vec<String>,
}

/// The error of the token endpoint (RFC 6749 section 5.2).
#[derive(Deserialize)]
struct AnsweredError {
    error: String,
}

impl TokenSource {
    /// Asks as the role.
    ///
    /// # Errors
    /// If ingress does not declare the connection.
    pub fn new(ctx: &RoleContext) -> Result<Self> {
        Ok(Self(Client::new(ctx, routes::leads_to(runtime::issuer::PATH)?.connection)?))
    }

    /// Redeems a code.
    pub async fn redeem(
        &self,
        tenant: &str,
        code: &str,
        verifier: &str,
        redirect_uri: &str,
    ) -> Result<PageTokens, TokenRefusal> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT),
            ("tenant", tenant),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", redirect_uri),
        ];
        tokens(&self.sent(TOKEN, &fields).await?)
    }

    /// The next tokens, for whoever asks from there: a tenant may list the addresses of its people. If an answer is lost, auth is asked again
    /// at once: the token may be exchanged, and shown again later it would end the sign-in.
    pub async fn refresh(
        &self,
        tenant: &TenantId,
        refresh_token: &str,
        client: Option<&WebClient>,
    ) -> Result<PageTokens, TokenRefusal> {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT),
            ("tenant", tenant.as_str()),
            ("refresh_token", refresh_token),
        ];
        let ask = || {
            let call = self.form(TOKEN, &fields).deadline(REFRESH_WITHIN);
            client.into_iter().fold(call, Call::relayed_for).send_any()
        };
        tokens(&once_more_if_lost(ask).await.map_err(|error| away(&error))?)
    }

    /// Ends all that has come of a sign-in.
    pub async fn revoke(&self, tenant: &TenantId, refresh_token: &str) -> Result<(), TokenRefusal> {
        let fields = [("client_id", CLIENT), ("tenant", tenant.as_str()), ("token", refresh_token)];
        let answer = self.sent(REVOKE, &fields).await?;
        if answer.status.is_success() { Ok(()) } else { Err(TokenRefusal::Away) }
    }

    /// Ends the sign-in of the browser with these cookies: else the next sign-in of a page would ask for no password. Returns the cookies
    /// that it is to forget.
    pub async fn sign_out(
        &self,
        cookies: HeaderValue,
        client: Option<WebClient>,
    ) -> Result<Vec<HeaderValue>, TokenRefusal> {
        let mut call = self.0.post(SIGN_OUT).without_token().header(header::COOKIE, cookies);
        if let Some(client) = client {
            call = call.relayed_for(&client);
        }
        let answer = call.send_any().await.map_err(|error| away(&error))?;
        match answer.status.is_success() {
            true => Ok(answer.headers.get_all(header::SET_COOKIE).iter().cloned().collect()),
            false => Err(TokenRefusal::Away),
        }
    }

    fn form(&self, path: &str, fields: &[(&str, &str)]) -> Call {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.0.post(path).body(FORM, form)
    }

    async fn sent(&self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, TokenRefusal> {
        self.form(path, fields).send_any().await.map_err(|error| away(&error))
    }
}

/// What auth has answered; if it may have done what it was asked for and its answer is lost, what it answers to a second attempt.
async fn once_more_if_lost<T, F>(ask: impl Fn() -> F) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
{
    match ask().await {
        Err(CallError::Broken(..) | CallError::Deadline(_)) => ask().await,
        answered => answered,
    }
}

/// The tokens of an answer.
fn tokens(answer: &Answer) -> Result<PageTokens, TokenRefusal> {
    if answer.status == StatusCode::OK {
        return read(&answer.body).ok_or_else(|| {
            tracing::warn!("auth has answered with tokens that cannot be read");
            TokenRefusal::Away
        });
    }
    let said = serde_json::from_slice::<AnsweredError>(&answer.body).map(|said| said.error).unwrap_or_default();
    if said == "invalid_grant" || said == "invalid_scope" {
        return Err(TokenRefusal::Over);
    }
    tracing::warn!(status = answer.status.as_u16(), said, "auth gives our pages no tokens");
    Err(TokenRefusal::Away)
}

fn away(error: &CallError) -> TokenRefusal {
    tracing::warn!(%error, "auth cannot be reached for our pages");
    TokenRefusal::Away
}

fn read(body: &[u8]) -> Option<PageTokens> {
    let answered: AnsweredTokens = serde_json::from_slice(body).ok()?;
    let claims = URL_SAFE_NO_PAD.decode(answered.id_token.split('.').nth(1)?).ok()?;
    let said: SaidOfPerson = serde_json::from_slice(&claims).ok()?;
    Some(PageTokens {
        tenant: TenantId::parse(&said.tenant).ok()?,
        name: said.name.unwrap_or_else(|| said.sub.clone()),
        user: said.sub,
        privileges: said.privileges,
        scope: answered.scope,
        nonce: said.nonce,
        access_token: answered.access_token,
        refresh_token: answered.refresh_token,
        lasting: Duration::from_secs(answered.expires_in),
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::net::SocketAddr;

    use serde_json::json;

    use super::*;

    /// What comes of these answers, the last one first, and how many of them are not asked for.
    async fn outcome(answers: Vec<Result<u32, CallError>>) -> (Option<u32>, usize) {
        let left = RefCell::new(answers);
        let answer = once_more_if_lost(|| std::future::ready(left.borrow_mut().pop().unwrap())).await;
        (answer.ok(), left.into_inner().len())
    }

    #[tokio::test]
    async fn auth_is_asked_once_more_where_its_answer_is_lost_and_nowhere_else() {
        let lost = || Err(CallError::Deadline(SocketAddr::from(([127, 0, 11, 1], 8_080))));
        assert_eq!(outcome(vec![Ok(2), lost()]).await, (Some(2), 0));
        assert_eq!(outcome(vec![Ok(3), lost(), lost()]).await, (None, 1));
        assert_eq!(outcome(vec![Ok(2), Ok(1)]).await, (Some(1), 1));
        assert_eq!(outcome(vec![Ok(2), Err(CallError::Nowhere("auth"))]).await, (None, 1));
    }

    #[test]
    fn tokens_say_who_is_signed_in() {
        let claims = json!({"sub": "person/ann", "tenant": "acme", "nonce": "n", "privileges": ["agent"]});
        let id_token = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let answer = json!({
            "access_token": "a", "refresh_token": "r", "id_token": id_token, "scope": "openid", "expires_in": 600,
        });
        let tokens = read(answer.to_string().as_bytes()).unwrap();
        assert_eq!((tokens.tenant.as_str(), tokens.name.as_str()), ("acme", "person/ann"));
        assert_eq!((tokens.nonce.as_deref(), tokens.lasting.as_secs()), (Some("n"), 600));
        assert!(read(b"{}").is_none());
    }
}
