//! Codes by which sessions of the published APIs begin: those of the API's built-in client, which its role redeems at auth.

use std::sync::Arc;
use std::time::Duration;

use identity::built_in_client::SessionClient;
use identity::session_cookie::SessionCookie;
use model::TenantId;
use net::http::{Client, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::answers::ApiRefusal;

/// Where codes are redeemed (RFC 6749 section 4.1.3). The role proves itself by its own token.
const TOKEN_PATH: &str = "/auth/v3/oauth/token";
const FORM: &str = "application/x-www-form-urlencoded";
/// The most codes that are redeemed at a time; whoever brings one more waits for a turn, is then told to ask again, and keeps it.
const REDEEMED_AT_ONCE_MAX: usize = 64;
/// How long a code waits for its turn: a shift begins at one minute, and a client may take 503 for the end of its sign-in.
const TURN_WITHIN: Duration = Duration::from_secs(2);
/// Time for a token, with the wait for a turn: auth asks tenant for the person and the clients.
const TOKEN_WITHIN: Duration = Duration::from_secs(10);
/// The longest code and the longest address that are looked at, in bytes.
const CODE_BYTES_MAX: usize = 1_024;
const URI_BYTES_MAX: usize = 4_096;
/// The longest verifier of a code, in bytes (RFC 7636 section 4.1).
const VERIFIER_BYTES_MAX: usize = 128;

/// A code of a built-in client, with what is shown beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownCode {
    /// The code.
    pub code: String,
    /// Where it was sent.
    pub redirect_uri: String,
    /// What proves that whoever shows it has asked for it (RFC 7636), where it was asked for so.
    pub verifier: Option<String>,
}

/// Why auth gives no token for a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodeFault {
    /// It is not known, was redeemed before, or was sent elsewhere.
    #[error("code: it is not good, or not for this redirect_uri and code_verifier")]
    Refused,
    /// Nobody has answered.
    #[error("codes cannot be redeemed now")]
    Away,
}

impl From<CodeFault> for ApiRefusal {
    fn from(fault: CodeFault) -> Self {
        match fault {
            CodeFault::Refused => Self::unauthorized(fault.to_string()),
            CodeFault::Away => Self::unavailable(fault.to_string()),
        }
    }
}

/// What a request brings to begin a session without a token, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BroughtCode {
    /// The code.
    pub code: Option<String>,
    /// Where it was sent.
    pub redirect_uri: Option<String>,
    /// Its verifier.
    pub verifier: Option<String>,
}

impl BroughtCode {
    /// The code of that client, which names its tenant as a cookie does.
    ///
    /// # Errors
    /// 401 if there is none, 400 with what is wrong.
    pub(crate) fn read(self, client: SessionClient) -> Result<(TenantId, ShownCode), ApiRefusal> {
        let code = self.code.filter(|code| !code.is_empty());
        let code = code.ok_or_else(|| ApiRefusal::unauthorized("there is no token in Authorization, and no code"))?;
        let redirect_uri = self.redirect_uri.unwrap_or_default();
        if redirect_uri.is_empty() || redirect_uri.len() > URI_BYTES_MAX {
            let rule = format!("redirect_uri: it is missing, or has more than {URI_BYTES_MAX} bytes");
            return Err(ApiRefusal::bad_request(rule));
        }
        let named = Some(code.as_str()).filter(|code| code.len() <= CODE_BYTES_MAX).and_then(SessionCookie::read);
        let unknown = || ApiRefusal::bad_request(format!("code: it is none of the client {}", client.id()));
        let tenant = named.ok_or_else(unknown)?.tenant;
        let verifier = self.verifier.filter(|verifier| !verifier.is_empty());
        if verifier.as_ref().is_some_and(|verifier| verifier.len() > VERIFIER_BYTES_MAX) {
            let rule = format!("code_verifier: it has more than {VERIFIER_BYTES_MAX} bytes");
            return Err(ApiRefusal::bad_request(rule));
        }
        Ok((tenant, ShownCode { code, redirect_uri, verifier }))
    }
}

/// Redeems codes of a client at auth. Cheap to clone.
#[derive(Clone)]
pub(crate) struct CodeRedeemer {
    client: SessionClient,
    auth: Client,
    turns: Arc<Semaphore>,
}

impl CodeRedeemer {
    /// By the connection of the client's role to auth.
    pub(crate) fn new(client: SessionClient, auth: Client) -> Self {
        Self { client, auth, turns: Arc::new(Semaphore::new(REDEEMED_AT_ONCE_MAX)) }
    }

    /// The access token for a code.
    ///
    /// # Errors
    /// If auth does not give one.
    pub(crate) async fn redeem(&self, tenant: &TenantId, shown: &ShownCode) -> Result<String, CodeFault> {
        let begun = Instant::now();
        let _turn = turn(&self.turns).await.ok_or(CodeFault::Away)?;
        let within = TOKEN_WITHIN.saturating_sub(begun.elapsed());
        let form = redemption(self.client, tenant, shown);
        // Never twice: a code that comes again ends what it gave.
        let answer = self.auth.post(TOKEN_PATH).body(FORM, form).deadline(within).send_any().await;
        let answer = answer.map_err(|error| {
            tracing::debug!(%error, "auth does not redeem a code");
            CodeFault::Away
        })?;
        match answer.status {
            status if status.is_success() => {
                let told: Value = answer.json().unwrap_or_default();
                told["access_token"].as_str().map(str::to_owned).ok_or(CodeFault::Away)
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => Err(CodeFault::Away),
            _ => Err(CodeFault::Refused),
        }
    }
}

/// A turn, if there is one soon.
async fn turn(turns: &Semaphore) -> Option<SemaphorePermit<'_>> {
    tokio::time::timeout(TURN_WITHIN, turns.acquire()).await.ok()?.ok()
}

/// What auth is shown for a code.
fn redemption(client: SessionClient, tenant: &TenantId, shown: &ShownCode) -> String {
    let mut parameters = vec![
        ("grant_type", "authorization_code"),
        ("client_id", client.id()),
        ("tenant", tenant.as_str()),
        ("code", shown.code.as_str()),
        ("redirect_uri", shown.redirect_uri.as_str()),
    ];
    parameters.extend(shown.verifier.as_deref().map(|verifier| ("code_verifier", verifier)));
    form(&parameters)
}

/// Parameters as the body of a form.
pub(crate) fn form(parameters: &[(&str, &str)]) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_code_waits_a_while_for_its_turn() {
        let turns = Semaphore::new(1);
        let first = turn(&turns).await;
        assert!(first.is_some());
        let (second, ()) = tokio::join!(turn(&turns), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(second.is_some(), "there is one soon");
        assert!(turn(&turns).await.is_none(), "there is none for long");
    }

    #[test]
    fn a_code_is_shown_with_all_that_was_shown_beside_it() {
        let acme = TenantId::parse("acme").unwrap();
        let mut shown =
            ShownCode { code: "a.b".to_owned(), redirect_uri: "https://desk.example/".to_owned(), verifier: None };
        let form = redemption(SessionClient::Provisioning, &acme, &shown);
        assert!(!form.contains("code_verifier") && form.contains("client_id=trunkline%2Dprovisioning"), "{form}");
        shown.verifier = Some("v&v".to_owned());
        let form = redemption(SessionClient::Workspace, &acme, &shown);
        assert!(form.contains("code=a%2Eb") && form.ends_with("&code_verifier=v%26v"), "{form}");
    }

    #[test]
    fn a_code_names_its_tenant_and_comes_with_where_it_was_sent() {
        let brought = |code: &str, redirect_uri: &str, verifier: &str| {
            let [code, redirect_uri, verifier] = [code, redirect_uri, verifier].map(|text| Some(text.to_owned()));
            BroughtCode { code, redirect_uri, verifier }.read(SessionClient::Provisioning)
        };
        let (tenant, shown) = brought("YWNtZQ.secret", "https://hr.example/", "").unwrap();
        assert_eq!((tenant.as_str(), shown.code.as_str(), shown.verifier), ("acme", "YWNtZQ.secret", None));
        for (code, uri, verifier, status, named) in [
            ("", "https://hr.example/", "", 401, "there is no token"),
            ("YWNtZQ.secret", "", "", 400, "redirect_uri: "),
            ("of-another-client", "https://hr.example/", "", 400, "code: "),
            ("YWNtZQ.secret", "https://hr.example/", &"x".repeat(VERIFIER_BYTES_MAX + 1), 400, "code_verifier: "),
        ] {
            let refused = brought(code, uri, verifier).unwrap_err();
            assert!(refused.status().as_u16() == status && refused.message().starts_with(named), "{refused:?}");
        }
    }
}
