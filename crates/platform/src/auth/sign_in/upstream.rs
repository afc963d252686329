//! The OpenID Providers of tenants, as far as they are asked from here: their descriptions and keys, and their codes, which are redeemed for
//! ID tokens.
//!
//! It is written by hand since the crate `openidconnect` verifies by the `rsa` and elliptic curve crates of RustCrypto, beside aws-lc-rs
//! that all else is verified by, and would leave to us what is the larger part here all the same: addresses that may not be asked, bounds
//! of answers, descriptions and keys that are kept while a provider is away. ID tokens are read and verified by the code that judges the
//! assertions of clients (`signed_token`), so that there is one such code and not two.

mod description;
mod keys;
pub(super) mod pending;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use contracts::provisioning::{Secret, UpstreamProvider};
use identity::percent;
use identity::provider::fetching::{FetchStep, FetchTimes, WantedKeys};
use identity::provider::id_token::ExpectedClaims;
use identity::provider::url;
use infra::Clock;
use model::{TenantId, Timestamp};
use serde_json::Value;
use tokio::time::Instant;

use super::super::answers::{self, Trouble};
use super::super::outside::{OutsideClient, OutsideFault, OutsidePlace};
use description::ProviderDescription;
use keys::{ProviderKeys, TokenFault, checked_claims};
use pending::PendingUpstream;

/// Time for one answer of a provider.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_500);
/// Time for all that is asked of it for one request of a browser: ingress waits 5 s.
const ALL_WITHIN: Duration = Duration::from_secs(4);
/// Time from when a browser has come back until all that is asked of it for that is there: what comes then takes little of ingress's 5 s.
const REDEEMED_WITHIN: Duration = Duration::from_millis(4_500);
/// Time, from then too, until the code is on its way: so there is left what an answer may take.
pub(in crate::auth) const TURN_WITHIN: Duration = Duration::from_secs(3);
const _: () = assert!(TURN_WITHIN.as_millis() + ANSWER_WITHIN.as_millis() <= REDEEMED_WITHIN.as_millis());
/// The longest reason of a provider that goes to the log, in bytes.
const REASON_MAX: usize = 100;

/// Why a provider has told nothing. The text is for the log.
#[derive(Debug)]
pub(in crate::auth) enum ProviderFault {
    /// It does not answer, or its description cannot be used.
    Away(String),
    /// It has answered, and what the browser has come back with signs nobody in.
    Refused(String),
    /// It has answered, and would refuse whatever the browser came back with: our secret is wrong by now, or the client is not there.
    RefusedUs(String),
}

impl fmt::Display for ProviderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Away(why) | Self::Refused(why) | Self::RefusedUs(why)) = self;
        f.write_str(why)
    }
}

impl From<OutsideFault> for ProviderFault {
    fn from(error: OutsideFault) -> Self {
        Self::Away(error.to_string())
    }
}

/// What a provider has told of itself.
struct ToldDocuments {
    description: ProviderDescription,
    keys: ProviderKeys,
}

/// What is known of one provider.
#[derive(Default)]
struct KnownProvider {
    times: FetchTimes,
    told: Option<Arc<ToldDocuments>>,
}

/// A tenant's provider.
struct AskedProvider {
    issuer: String,
    client: OutsideClient,
    known: Mutex<KnownProvider>,
    /// Held while it is asked, so that many who sign in ask once.
    turn: tokio::sync::Mutex<()>,
}

/// The providers.
pub(in crate::auth) struct Upstream {
    client: OutsideClient,
    /// Where browsers come back to, without the tenant.
    callback: String,
    clock: Arc<dyn Clock>,
    asked: Mutex<HashMap<TenantId, Arc<AskedProvider>>>,
}

/// Where the browser goes, and what it keeps until it comes back.
pub(in crate::auth) struct UpstreamRequest<'a> {
    /// What it keeps.
    pub pending: &'a PendingUpstream,
    /// Whether the person has to sign in there again.
    pub signs_in_again: bool,
    /// Who is expected.
    pub login_hint: Option<&'a str>,
}

/// A browser's turn to have its code redeemed.
pub(in crate::auth) struct RedeemTurn {
    place: OutsidePlace,
    /// All that is asked is there until then.
    until: Instant,
}

/// What an ID token of a provider has said.
pub(in crate::auth) struct ProviderSaid {
    /// Its claims.
    pub claims: Value,
    /// When the person has signed in there.
    pub authenticated_at: Timestamp,
}

impl Upstream {
    /// Providers that send browsers back to this issuer's host.
    pub fn new(client: OutsideClient, issuer: &str, clock: Arc<dyn Clock>) -> Self {
        Self { client, callback: format!("{issuer}{CALLBACK}"), clock, asked: Mutex::default() }
    }

    /// Where the tenant's provider sends browsers back to. Each tenant has a place of its own: else a provider that one tenant names could
    /// get the codes that the provider of another has made (RFC 9700 section 4.4.2).
    fn redirect_uri(&self, tenant: &TenantId) -> String {
        format!("{}/{}", self.callback, percent::encoded(tenant.as_str()))
    }

    /// The address to which the browser is sent.
    pub async fn authorization(
        &self,
        tenant: &TenantId,
        provider: &UpstreamProvider,
        request: &UpstreamRequest<'_>,
    ) -> Result<String, ProviderFault> {
        let told = in_time(self.told(tenant, provider, WantedKeys::Any)).await?;
        let pending = request.pending;
        // S256 is what a digest is (RFC 7636 section 4.2).
        let challenge = identity::secret::Digest::of(&pending.verifier).text();
        let (scope, redirect_uri) = (provider.asked_scopes(), self.redirect_uri(tenant));
        let max_age = pending.max_age_s.map(|seconds| seconds.to_string());
        let parameters = [
            ("response_type", Some("code")),
            ("client_id", Some(provider.client_id.as_str())),
            ("redirect_uri", Some(redirect_uri.as_str())),
            ("scope", Some(scope.as_str())),
            ("state", Some(pending.state.as_str())),
            ("nonce", Some(pending.nonce.as_str())),
            ("code_challenge", Some(challenge.as_str())),
            ("code_challenge_method", Some(identity::pkce::METHOD)),
            ("prompt", request.signs_in_again.then_some("login")),
            ("max_age", max_age.as_deref()),
            ("login_hint", request.login_hint),
        ];
        Ok(answers::with_query(&told.description.authorization_endpoint, &parameters))
    }

    /// Whether the provider's answers name it always.
    pub async fn says_iss(&self, tenant: &TenantId, provider: &UpstreamProvider) -> Result<bool, ProviderFault> {
        Ok(in_time(self.told(tenant, provider, WantedKeys::Any)).await?.description.says_iss)
    }

    /// Waits for the turn of a browser that came back at that time. The provider's description has been read before (`says_iss`): none is
    /// fetched for which there is no place left.
    ///
    /// # Errors
    /// [`Trouble::Busy`] if its turn does not come in time: nothing was asked then.
    pub async fn turn_to_redeem(
        &self,
        tenant: &TenantId,
        provider: &UpstreamProvider,
        came: Instant,
    ) -> Result<RedeemTurn, Trouble> {
        let client = self.asked(tenant, provider).client.clone();
        let place = client.place((came + TURN_WITHIN).saturating_duration_since(Instant::now())).await;
        let place = place.map_err(|fault| {
            tracing::info!(%tenant, %fault, "a sign-in at a provider was put off");
            Trouble::Busy
        })?;
        Ok(RedeemTurn { place, until: came + REDEEMED_WITHIN })
    }

    /// Redeems a code; what its ID token says, which is checked.
    pub async fn redeem(
        &self,
        tenant: &TenantId,
        provider: &UpstreamProvider,
        pending: &PendingUpstream,
        code: &str,
        turn: RedeemTurn,
    ) -> Result<ProviderSaid, ProviderFault> {
        let late = || ProviderFault::Away("it did not answer in time".to_owned());
        let asking = self.redeem_now(tenant, provider, pending, code, turn.place);
        tokio::time::timeout_at(turn.until, asking).await.unwrap_or_else(|_| Err(late()))
    }

    async fn redeem_now(
        &self,
        tenant: &TenantId,
        provider: &UpstreamProvider,
        pending: &PendingUpstream,
        code: &str,
        place: OutsidePlace,
    ) -> Result<ProviderSaid, ProviderFault> {
        let told = self.told(tenant, provider, WantedKeys::Any).await?;
        // The place is free again then: the keys may have to be fetched.
        let token = self.id_token(tenant, provider, &told.description, pending, code, place).await?;
        let refused = |why: String| ProviderFault::Refused(why);
        let claims = match told.keys.claims(&token) {
            Ok(claims) => claims,
            Err(TokenFault::Wrong(why)) => return Err(refused(format!("ID token: {why}"))),
            // The provider may have a new key.
            Err(TokenFault::OtherKey) => {
                let told = self.told(tenant, provider, WantedKeys::OtherKey).await?;
                let claims = told.keys.claims(&token);
                claims.map_err(|_| refused("ID token: it is signed by none of the provider's keys".to_owned()))?
            }
        };
        let checked = checked_claims(&claims).ok_or_else(|| refused("ID token: a claim is missing".to_owned()))?;
        let expected = ExpectedClaims {
            issuer: &provider.issuer,
            client: &provider.client_id,
            nonce: &pending.nonce,
            signed_in_since_s: pending.signed_in_since_s(),
        };
        let now = self.clock.now();
        checked.check(&expected, now).map_err(|fault| refused(format!("ID token: {fault}")))?;
        Ok(ProviderSaid { claims, authenticated_at: checked.authenticated_at(now) })
    }

    /// The ID token of a code (OpenID Connect Core section 3.1.3).
    async fn id_token(
        &self,
        tenant: &TenantId,
        provider: &UpstreamProvider,
        description: &ProviderDescription,
        pending: &PendingUpstream,
        code: &str,
        place: OutsidePlace,
    ) -> Result<String, ProviderFault> {
        let secret = provider.client_secret.as_ref().map(Secret::reveal);
        let redirect_uri = self.redirect_uri(tenant);
        let by_basic = secret.filter(|_| !description.wants_secret_in_form());
        let form = answers::with_pairs(&[
            ("grant_type", Some("authorization_code")),
            ("code", Some(code)),
            ("redirect_uri", Some(redirect_uri.as_str())),
            ("code_verifier", Some(pending.verifier.as_str())),
            ("client_id", Some(provider.client_id.as_str()).filter(|_| by_basic.is_none())),
            ("client_secret", secret.filter(|_| by_basic.is_none())),
        ]);
        let authorization = by_basic.and_then(|secret| basic(&provider.client_id, secret));
        let client = self.asked(tenant, provider).client.clone();
        let endpoint = &description.token_endpoint;
        let answer = client.post_form_at(place, endpoint, form, authorization, ANSWER_WITHIN).await?;
        let said: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let text = |name: &str| said.as_ref().and_then(|said| said.get(name)?.as_str().map(str::to_owned));
        match answer.status {
            StatusCode::OK => {
                text("id_token").ok_or_else(|| ProviderFault::Refused("its answer has no ID token".to_owned()))
            }
            status => Err(not_redeemed(status, text("error").unwrap_or_default())),
        }
    }

    /// What the provider has told of itself, fetched when it is due. The fetch goes on when who has asked for it has gone.
    async fn told(
        &self,
        tenant: &TenantId,
        provider: &UpstreamProvider,
        wanted: WantedKeys,
    ) -> Result<Arc<ToldDocuments>, ProviderFault> {
        let asked = self.asked(tenant, provider);
        let (step, told) = asked.step(wanted, self.clock.now());
        let clock = self.clock.clone();
        match step {
            FetchStep::Use => told.ok_or_else(away),
            FetchStep::Fail => Err(away()),
            FetchStep::UseAndFetch => {
                // Somebody who fetches them already has the turn.
                if asked.turn.try_lock().is_ok() {
                    tokio::spawn(asked.fetch(wanted, clock));
                }
                told.ok_or_else(away)
            }
            FetchStep::Fetch => tokio::spawn(asked.fetch(wanted, clock)).await.unwrap_or_else(|_| Err(away())),
        }
    }

    /// The tenant's provider; another one than before is begun with anew.
    fn asked(&self, tenant: &TenantId, provider: &UpstreamProvider) -> Arc<AskedProvider> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = asked.get(tenant)
            && held.issuer == provider.issuer
        {
            return held.clone();
        }
        let client = asked.get(tenant).map_or_else(|| self.client.of_tenant(), |held| held.client.clone());
        let (known, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        let fresh = Arc::new(AskedProvider { issuer: provider.issuer.clone(), client, known, turn });
        asked.insert(tenant.clone(), fresh.clone());
        fresh
    }
}

impl AskedProvider {
    fn lock(&self) -> MutexGuard<'_, KnownProvider> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has to be done before what it has told is used.
    fn step(&self, wanted: WantedKeys, now: Timestamp) -> (FetchStep, Option<Arc<ToldDocuments>>) {
        let known = self.lock();
        (known.times.step(wanted, now), known.told.clone())
    }

    /// Asks it, unless somebody else has done so meanwhile.
    async fn fetch(
        self: Arc<Self>,
        wanted: WantedKeys,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<ToldDocuments>, ProviderFault> {
        let _turn = self.turn.lock().await;
        match self.step(wanted, clock.now()) {
            (FetchStep::Use, told) => return told.ok_or_else(away),
            (FetchStep::Fail, _) => return Err(away()),
            (FetchStep::UseAndFetch | FetchStep::Fetch, _) => {}
        }
        let fetched = fetched(&self.client, &self.issuer).await.map(Arc::new);
        let mut known = self.lock();
        match &fetched {
            Ok(told) => {
                known.times.fetched(clock.now());
                known.told = Some(told.clone());
            }
            Err(_) => known.times.failed(clock.now()),
        }
        drop(known);
        fetched
    }
}

fn away() -> ProviderFault {
    ProviderFault::Away("it did not answer a moment ago".to_owned())
}

/// Why a token endpoint has given nothing, by its status and the error that it names (RFC 6749 section 5.2).
fn not_redeemed(status: StatusCode, mut error: String) -> ProviderFault {
    error.truncate(error.floor_char_boundary(REASON_MAX));
    let is_of_client = status == StatusCode::UNAUTHORIZED && error != "invalid_grant";
    let is_of_us = is_of_client || matches!(error.as_str(), "invalid_client" | "unauthorized_client");
    let why = format!("its token endpoint answers with status {} {error:?}", status.as_u16());
    if !status.is_client_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return ProviderFault::Away(why);
    }
    // Not every provider calls a code that it has not given `invalid_grant`: what is not known to be of us counts.
    if is_of_us { ProviderFault::RefusedUs(why) } else { ProviderFault::Refused(why) }
}

/// Where providers send browsers back to, below the issuer and before the tenant.
pub(in crate::auth) const CALLBACK: &str = "/sign-in/callback";
/// Where a browser begins, below the issuer.
pub(in crate::auth) const BEGIN: &str = "/sign-in/provider";

async fn in_time<T>(asking: impl Future<Output = Result<T, ProviderFault>>) -> Result<T, ProviderFault> {
    let late = || ProviderFault::Away(format!("it did not answer within {} s", ALL_WITHIN.as_secs()));
    tokio::time::timeout(ALL_WITHIN, asking).await.unwrap_or_else(|_| Err(late()))
}

async fn fetched(client: &OutsideClient, issuer: &str) -> Result<ToldDocuments, ProviderFault> {
    let body = document(client, "its description", &url::description_of(issuer)).await?;
    let description = ProviderDescription::read(&body, issuer).map_err(ProviderFault::Away)?;
    let body = document(client, "its keys", &description.jwks_uri).await?;
    let keys = ProviderKeys::read(&body).map_err(ProviderFault::Away)?;
    Ok(ToldDocuments { description, keys })
}

async fn document(client: &OutsideClient, what: &str, url: &str) -> Result<Bytes, ProviderFault> {
    let answer = client.get(url, ANSWER_WITHIN).await?;
    match answer.status {
        StatusCode::OK => Ok(answer.body),
        // A redirection is not followed: where it leads to was not named.
        status => Err(ProviderFault::Away(format!("{what}: status {}", status.as_u16()))),
    }
}

/// `Authorization` with our secret: both parts coded as in a form (RFC 6749 section 2.3.1).
fn basic(client: &str, secret: &str) -> Option<HeaderValue> {
    let coded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let text = format!("Basic {}", STANDARD.encode(format!("{}:{}", coded(client), coded(secret))));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests;
