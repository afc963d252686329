//! What auth is asked (gws-14): whether a token is still good, what a person may by a sign-in whose token is over, the token for a code of our
//! own client, and to tell every role that the right of a page to a phone has ended.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use identity::browser_phone_ticket::RIGHT_HINT;
use identity::built_in_client::SessionClient;
use model::TenantId;
use net::http::Client;
use runtime::RoleContext;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::behind::TokenAuthority;
use super::desk_sign_in::{DeskSignIn, SignInNow, SignInStanding};
use super::metrics::Metrics;
use crate::sessions::session_code::{CodeFault, CodeRedeemer, ShownCode, form};
use crate::sessions::token_standing::{StandingAtAuth, TokenStanding};

/// Where rights to phones end, as tokens do (RFC 7009).
const REVOKE_PATH: &str = "/auth/v3/oauth/revoke";
const FORM: &str = "application/x-www-form-urlencoded";
/// The most rights that are ended at a time: where a shift ends the others wait, and auth writes what came meanwhile at once.
const ENDED_AT_ONCE_MAX: usize = 64;
/// Time for one: auth waits until every role can read it.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

/// Asks auth.
pub(super) struct AskedAuth {
    auth: Client,
    standing: StandingAtAuth,
    codes: CodeRedeemer,
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
        let codes = CodeRedeemer::new(SessionClient::Workspace, auth.clone());
        let ending = Arc::new(Semaphore::new(ENDED_AT_ONCE_MAX));
        Ok(Self { standing: StandingAtAuth::new(auth.clone()), auth, codes, ending, metrics })
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
        let codes = self.codes.clone();
        async move { codes.redeem(&tenant, &shown).await }.boxed()
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
}
