//! What auth is asked (gws-14): whether a token is still good, what a person may by a sign-in whose token is over, the token for a code of our
//! own client, and to tell every role that the right of a page to a phone has ended.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use identity::browser_phone_ticket::RIGHT_HINT;
use identity::built_in_client;
use model::TenantId;
use net::http::{Client, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use runtime::RoleContext;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::behind::{CodeFault, ShownCode, TokenAuthority};
use super::desk_sign_in::{DeskSignIn, SignInNow, SignInStanding};
use super::metrics::Metrics;
use crate::sessions::token_standing::{StandingAtAuth, TokenStanding};

/// Where codes are redeemed (RFC 6749 section 4.1.3). This role proves itself by its own token.
const TOKEN_PATH: &str = "/auth/v3/oauth/token";
/// Where rights to phones end, as tokens do (RFC 7009).
const REVOKE_PATH: &str = "/auth/v3/oauth/revoke";
const FORM: &str = "application/x-www-form-urlencoded";
/// The most codes that are redeemed at a time; whoever brings one more waits for a turn, is then told to ask again, and keeps it.
const REDEEMED_AT_ONCE_MAX: usize = 64;
/// How long a code waits for its turn: a shift begins at one minute, and a client may take 503 for the end of its sign-in.
const TURN_WITHIN: Duration = Duration::from_secs(2);
/// Time for a token, with the wait for a turn: auth asks tenant for the person and the clients.
const TOKEN_WITHIN: Duration = Duration::from_secs(10);
/// The most rights that are ended at a time: where a shift ends the others wait, and auth writes what came meanwhile at once.
const ENDED_AT_ONCE_MAX: usize = 64;
/// Time for one: auth waits until every role can read it.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

/// Asks auth.
pub(super) struct AskedAuth {
    auth: Client,
    standing: StandingAtAuth,
    redeeming: Arc<Semaphore>,
    ending: Arc<Semaphore>,
    metrics: Metrics,
}

impl AskedAuth {
    /// By the role's connection to auth.
    ///
    /// # Errors
    /// If the role does not declare it.
    pub fn new(ctx: &RoleContext, metrics: Metrics) -> anyhow::Result<Self> {
        let auth = Client::new(ctx, "gws-14")?;
        let redeeming = Arc::new(Semaphore::new(REDEEMED_AT_ONCE_MAX));
        let ending = Arc::new(Semaphore::new(ENDED_AT_ONCE_MAX));
        Ok(Self { standing: StandingAtAuth::new(auth.clone()), auth, redeeming, ending, metrics })
    }
}

impl TokenAuthority for AskedAuth {
    fn is_good(&self, token: String) -> BoxFuture<'static, bool> {
        let (standing, metrics) = (self.standing.clone(), self.metrics.clone());
        async move {
            let standing = standing.of(&token).await;
            metrics.auth_calls.inc(standing);
            standing.is_good_enough()
        }
        .boxed()
    }

    fn standing(&self, sign_in: &DeskSignIn) -> BoxFuture<'static, SignInStanding> {
        let (standing, metrics, question) = (self.standing.clone(), self.metrics.clone(), claims_of(sign_in));
        async move {
            let (standing, told) = standing.told(question).await;
            metrics.auth_calls.inc(standing);
            match standing {
                TokenStanding::Good => now_of(&told).map_or(SignInStanding::Unanswered, SignInStanding::GoesOn),
                TokenStanding::Over => SignInStanding::Over,
                TokenStanding::Unanswered => SignInStanding::Unanswered,
            }
        }
        .boxed()
    }

    fn end_phone_right(&self, tenant: TenantId, right: String, before: u64) -> BoxFuture<'static, bool> {
        let (auth, ending) = (self.auth.clone(), self.ending.clone());
        async move {
            // It is never closed.
            let _ending = ending.acquire().await;
            let before = before.to_string();
            let form = form(&[
                ("token", right.as_str()),
                ("token_type_hint", RIGHT_HINT),
                ("tenant", tenant.as_str()),
                ("given_before", before.as_str()),
            ]);
            let asked = auth.post(REVOKE_PATH).body(FORM, form).idempotent().deadline(ENDED_WITHIN);
            let answer = asked.send_any().await;
            if let Err(error) = &answer {
                tracing::debug!(%error, "auth does not end a right to a phone");
            }
            answer.is_ok_and(|answer| answer.status.is_success())
        }
        .boxed()
    }

    fn redeem(&self, tenant: TenantId, shown: ShownCode) -> BoxFuture<'static, Result<String, CodeFault>> {
        let (auth, redeeming) = (self.auth.clone(), self.redeeming.clone());
        async move {
            let begun = Instant::now();
            let _redeeming = turn(&redeeming).await.ok_or(CodeFault::Away)?;
            let within = TOKEN_WITHIN.saturating_sub(begun.elapsed());
            let form = redemption(&tenant, &shown);
            // Never twice: a code that comes again ends what it gave.
            let answer = auth.post(TOKEN_PATH).body(FORM, form).deadline(within).send_any().await;
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
        .boxed()
    }
}

/// How a sign-in is named to auth: by what its token has said.
fn claims_of(sign_in: &DeskSignIn) -> String {
    let (subject, scope) = (sign_in.person.subject(), sign_in.granted.join(" "));
    let mut parameters =
        vec![("tenant", sign_in.person.tenant.as_str()), ("sub", subject.as_str()), ("scope", scope.as_str())];
    parameters.extend(sign_in.client.as_deref().map(|client| ("client_id", client)));
    parameters.extend(sign_in.person.sign_in.as_deref().map(|sign_in| ("sid", sign_in)));
    form(&parameters)
}

/// What auth has said of it; none if it has not said what the person may.
fn now_of(told: &Value) -> Option<SignInNow> {
    let text = |name: &str| told[name].as_str().map(str::to_owned);
    let scopes = told["scope"].as_str()?.split_whitespace().map(str::to_owned).collect();
    Some(SignInNow { scopes, dn: text("dn"), credential: text("credential") })
}

/// A turn, if there is one soon.
async fn turn(redeeming: &Semaphore) -> Option<SemaphorePermit<'_>> {
    tokio::time::timeout(TURN_WITHIN, redeeming.acquire()).await.ok()?.ok()
}

/// What auth is shown for a code.
fn redemption(tenant: &TenantId, shown: &ShownCode) -> String {
    let mut parameters = vec![
        ("grant_type", "authorization_code"),
        ("client_id", built_in_client::WORKSPACE),
        ("tenant", tenant.as_str()),
        ("code", shown.code.as_str()),
        ("redirect_uri", shown.redirect_uri.as_str()),
    ];
    parameters.extend(shown.verifier.as_deref().map(|verifier| ("code_verifier", verifier)));
    form(&parameters)
}

/// Parameters as the body of a form.
fn form(parameters: &[(&str, &str)]) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_is_named_by_what_its_token_opened_and_told_by_what_it_opens_now() {
        let mut ann = DeskSignIn::of_test("ann");
        ann.person.scopes.clear();
        ann.client = Some("desk".to_owned());
        let wanted = "tenant=acme&sub=person%2Fann&scope=workspace%3Ause%20agents%3Acontrol%20calls%3Acontrol\
                      &client_id=desk&sid=sign%2Din%20of%20ann";
        assert_eq!(claims_of(&ann), wanted);
        let told = serde_json::json!({"active": true, "scope": "openid workspace:use", "dn": "7101"});
        let scopes = ["openid", "workspace:use"].map(str::to_owned).to_vec();
        assert_eq!(now_of(&told), Some(SignInNow { scopes, dn: Some("7101".to_owned()), credential: None }));
        assert_eq!(now_of(&serde_json::json!({"active": true})), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_code_waits_a_while_for_its_turn() {
        let redeeming = Semaphore::new(1);
        let first = turn(&redeeming).await;
        assert!(first.is_some());
        let (second, ()) = tokio::join!(turn(&redeeming), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(second.is_some(), "there is one soon");
        assert!(turn(&redeeming).await.is_none(), "there is none for long");
    }

    #[test]
    fn a_code_is_shown_with_all_that_was_shown_beside_it() {
        let acme = TenantId::parse("acme").unwrap();
        let mut shown =
            ShownCode { code: "a.b".to_owned(), redirect_uri: "https://desk.example/".to_owned(), verifier: None };
        assert!(!redemption(&acme, &shown).contains("code_verifier"));
        shown.verifier = Some("v&v".to_owned());
        let form = redemption(&acme, &shown);
        assert!(form.contains("code=a%2Eb") && form.ends_with("&code_verifier=v%26v"), "{form}");
    }
}
