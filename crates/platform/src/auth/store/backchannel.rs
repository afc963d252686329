//! Tells programs that sign-ins of theirs have ended (OpenID Connect Back-Channel Logout 1.0): a signed token is posted to where the client
//! says, soon, and a few times if nobody takes it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::http::StatusCode;
use identity::grant::refresh::Family;
use model::{TenantId, Timestamp};
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::super::metrics::LogoutOutcome;
use super::super::outside::OutsideClient;
use super::super::{Auth, answers, people};

/// Ends that wait to be looked at.
const WAITING_MAX: usize = 2_048;
/// Ends that programs are being told of, or will be told of again.
const IN_HAND_MAX: usize = 8_192;
/// Those of one tenant, so that programs of it that do not answer keep no other tenant's from being told.
const IN_HAND_OF_TENANT_MAX: usize = IN_HAND_MAX / 4;
/// Programs of one tenant that are told at a time.
const OF_TENANT_AT_ONCE: usize = 4;
/// How long a program may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The waits before the attempts.
const WAITS: [Duration; 4] = [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(15), Duration::from_secs(60)];
/// How long a token is good (section 2.4: two minutes at most).
const LIFE: Duration = Duration::from_secs(120);
/// `typ` of the tokens (section 2.4). It opens nothing: it is no access token.
const LOGOUT_TOKEN: &str = "logout+jwt";
/// The event that a token tells (section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A sign-in at a program that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::auth) struct EndedSignIn {
    tenant: TenantId,
    client: String,
    audience: String,
    user: String,
    sign_in: String,
}

impl EndedSignIn {
    /// That of those refresh tokens.
    pub fn of(tenant: &TenantId, family: &Family) -> Self {
        let audience = if family.audience.is_empty() { &family.client } else { &family.audience };
        Self {
            tenant: tenant.clone(),
            client: family.client.clone(),
            audience: audience.clone(),
            user: family.user.clone(),
            sign_in: family.sign_in.clone(),
        }
    }
}

/// Takes ends of sign-ins. Cheap to clone.
#[derive(Clone)]
pub(in crate::auth) struct EndedSignIns {
    waiting: mpsc::Sender<EndedSignIn>,
    dropped: Counter,
}

impl EndedSignIns {
    /// With what comes out of it.
    pub fn new(dropped: Counter) -> (Self, mpsc::Receiver<EndedSignIn>) {
        let (waiting, ended) = mpsc::channel(WAITING_MAX);
        (Self { waiting, dropped }, ended)
    }

    /// One of which nobody is told.
    #[cfg(test)]
    pub fn untold() -> Self {
        Self::new(Counter::default()).0
    }

    /// A sign-in has ended. Whoever ends it waits for no program.
    pub fn tell(&self, ended: EndedSignIn) {
        if self.waiting.try_send(ended).is_err() {
            self.dropped.inc();
        }
    }
}

/// The claims of a token (section 2.4). It has no `nonce`, so that it is taken for no ID token.
#[derive(Serialize)]
struct LogoutClaims<'a> {
    iss: &'a str,
    sub: String,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: String,
    sid: &'a str,
    events: Value,
}

impl<'a> LogoutClaims<'a> {
    fn of(ended: &'a EndedSignIn, iss: &'a str, jti: String, now: Timestamp) -> Self {
        Self {
            iss,
            sub: people::subject_of(&ended.user),
            aud: &ended.audience,
            iat: now.as_secs(),
            exp: (now + LIFE).as_secs(),
            jti,
            sid: &ended.sign_in,
            events: json!({ EVENT: {} }),
        }
    }
}

/// The places of ends in hand: of all tenants together, and of each.
struct EndPlaces {
    of_all: Arc<Semaphore>,
    of_tenants: HashMap<TenantId, Arc<Semaphore>>,
}

/// The place of one end; it is free again when this is dropped.
struct EndPlace {
    _of_tenant: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl EndPlaces {
    fn new() -> Self {
        Self { of_all: Arc::new(Semaphore::new(IN_HAND_MAX)), of_tenants: HashMap::new() }
    }

    /// A place for an end of that tenant; `None` if too many are in hand.
    fn take(&mut self, tenant: &TenantId) -> Option<EndPlace> {
        let of_tenant =
            self.of_tenants.entry(tenant.clone()).or_insert_with(|| Arc::new(Semaphore::new(IN_HAND_OF_TENANT_MAX)));
        let of_tenant = of_tenant.clone().try_acquire_owned().ok()?;
        let of_all = self.of_all.clone().try_acquire_owned().ok()?;
        Some(EndPlace { _of_tenant: of_tenant, _of_all: of_all })
    }
}

/// The programs of a tenant.
#[derive(Clone)]
struct TenantPrograms {
    client: OutsideClient,
    places: Arc<Semaphore>,
}

/// Tells programs until the role ends.
pub(in crate::auth) async fn run(auth: Arc<Auth>, mut ended: mpsc::Receiver<EndedSignIn>) -> Result<()> {
    let mut programs: HashMap<TenantId, TenantPrograms> = HashMap::new();
    let mut places = EndPlaces::new();
    let mut told = JoinSet::new();
    loop {
        tokio::select! {
            () = auth.ctx.drain.ended() => return Ok(()),
            Some(_) = told.join_next(), if !told.is_empty() => {}
            Some(ended) = ended.recv() => {
                let Some(place) = places.take(&ended.tenant) else {
                    auth.metrics.logouts_dropped.inc();
                    continue;
                };
                let of_tenant = programs.entry(ended.tenant.clone()).or_insert_with(|| TenantPrograms {
                    client: auth.outside.of_tenant(),
                    places: Arc::new(Semaphore::new(OF_TENANT_AT_ONCE)),
                });
                told.spawn(tell(auth.clone(), of_tenant.clone(), ended, place));
            }
        }
    }
}

/// Tells a program of one end, if it wants to know.
async fn tell(auth: Arc<Auth>, programs: TenantPrograms, ended: EndedSignIn, _place: EndPlace) {
    let (tenant, client) = (&ended.tenant, ended.client.as_str());
    for wait in WAITS {
        tokio::time::sleep(wait).await;
        // Looked up each time: it may be elsewhere by now.
        let Ok(found) = auth.people.client(tenant, client).await else { continue };
        let Some(uri) = found.and_then(|found| found.backchannel_logout_uri) else { return };
        let Ok(_turn) = programs.places.acquire().await else { return };
        match attempt(&auth, &programs.client, &uri, &ended).await {
            Attempted::Done(outcome) => return auth.metrics.logouts_told.inc(outcome),
            Attempted::Again(why) => {
                tracing::debug!(%tenant, client, why, "a program could not be told that a sign-in has ended");
            }
        }
    }
    auth.metrics.logouts_told.inc(LogoutOutcome::Unreached);
    tracing::warn!(%tenant, client, "a program was not told that a sign-in has ended: it could not be reached");
}

/// What came of an attempt.
enum Attempted {
    Done(LogoutOutcome),
    /// It is worth another one.
    Again(String),
}

async fn attempt(auth: &Auth, client: &OutsideClient, uri: &str, ended: &EndedSignIn) -> Attempted {
    let claims = LogoutClaims::of(ended, auth.issuer(), auth.id(), auth.now());
    let token = match auth.token_issuer.sign(&claims, LOGOUT_TOKEN) {
        Ok(token) => token,
        Err(error) => return Attempted::Again(error.to_string()),
    };
    let form = answers::with_pairs(&[("logout_token", Some(token.as_str()))]);
    match client.post_form(uri, form, None, ANSWER_WITHIN).await {
        Ok(answer) => outcome(answer.status),
        Err(error) => Attempted::Again(error.to_string()),
    }
}

/// What a status says (section 2.8). A redirection is not followed: where it leads to was not named.
fn outcome(status: StatusCode) -> Attempted {
    match status {
        status if status.is_success() => Attempted::Done(LogoutOutcome::Taken),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Attempted::Again(status.to_string()),
        status if status.is_server_error() => Attempted::Again(status.to_string()),
        _ => Attempted::Done(LogoutOutcome::Refused),
    }
}

#[cfg(test)]
mod tests {
    use identity::secret::Digest;

    use super::*;

    fn ended(audience: &str) -> EndedSignIn {
        let family = Family {
            client: "desk".to_owned(),
            user: "ann".to_owned(),
            credential: Digest::of("hash"),
            scope: String::new(),
            sign_in: "s1".to_owned(),
            session: None,
            authenticated_at: Timestamp::ZERO,
            by_two_factors: false,
            by_provider_or_passkey: false,
            audience: audience.to_owned(),
            ends_at: Timestamp::ZERO,
            current: Digest::of("token"),
            until: Timestamp::ZERO,
            superseded: Vec::new(),
        };
        EndedSignIn::of(&TenantId::parse("acme").unwrap(), &family)
    }

    #[test]
    fn a_token_says_whose_sign_in_has_ended_and_is_no_id_token() {
        let (ended, now) = (ended("acme/desk"), Timestamp::from_millis(1_700_000_000_000));
        let claims = LogoutClaims::of(&ended, "https://centre.example/auth/v3", "j".to_owned(), now);
        let told = serde_json::to_value(&claims).unwrap();
        assert_eq!(
            told,
            json!({
                "iss": "https://centre.example/auth/v3", "sub": "person/ann", "aud": "acme/desk", "sid": "s1", "jti": "j",
                "iat": 1_700_000_000, "exp": 1_700_000_120,
                "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
            })
        );
    }

    #[test]
    fn a_record_of_before_names_its_client() {
        assert_eq!(ended("").audience, "desk");
    }

    #[test]
    fn who_refuses_is_asked_no_more_and_who_is_away_again() {
        for (status, is_again) in [(200, false), (204, false), (400, false), (302, false), (429, true), (503, true)] {
            let outcome = outcome(StatusCode::from_u16(status).unwrap());
            assert_eq!(matches!(outcome, Attempted::Again(_)), is_again, "{status}");
        }
    }

    #[test]
    fn a_tenant_whose_programs_do_not_answer_leaves_places_for_others() {
        let (mut places, [acme, bolt]) = (EndPlaces::new(), ["acme", "bolt"].map(|id| TenantId::parse(id).unwrap()));
        let mut of_acme: Vec<EndPlace> = std::iter::from_fn(|| places.take(&acme)).collect();
        assert_eq!(of_acme.len(), IN_HAND_OF_TENANT_MAX);
        assert!(places.take(&bolt).is_some(), "one tenant has all places");
        of_acme.truncate(1);
        assert!(places.take(&acme).is_some(), "a place stays taken");
    }

    #[test]
    fn too_many_ends_are_counted_and_hold_nobody_up() {
        let dropped: Counter = Counter::default();
        let (tell, _kept) = EndedSignIns::new(dropped.clone());
        for _ in 0..=WAITING_MAX {
            tell.tell(ended(""));
        }
        assert_eq!(dropped.get(), 1);
    }
}
