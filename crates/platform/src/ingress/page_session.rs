//! Sessions of our own pages. Pages hold no tokens: the browser has a cookie, ingress keeps the tokens of whoever is signed in (own-23),
//! renews them at auth (own-11), and adds the access token to what pages ask for from the APIs of the edge.
//!
//! | path | answer |
//! |---|---|
//! | `GET /session` | who is signed in |
//! | `GET /session/sign-in?to=/path` | to the sign-in, and back to that path |
//! | `GET /session/callback` | where auth sends the browser back to |
//! | `POST /session/exchange` | a cookie for the token of a link, which the page then forgets |
//! | `POST /session/sign-out` | ends the session and the sign-in |

mod begin;
mod endpoints;
mod link;
mod lookup_places;
mod meant_person;
mod own_page;
mod own_path;
mod pending;
mod record;
mod store;
mod tokens;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use identity::session_cookie::SessionCookie;
use infra::StoreError;
use model::{Entropy, Timestamp};
use net::http::{Problem, WebClient, cookies};
use prometheus_client::metrics::counter::Counter;
use runtime::around::{Answering, Entrance, around};
use runtime::token::{TokenError, TokenVerifier};
use runtime::{ApiFamily, RoleContext};

use super::routes::{self, RouteFamily};
use crate::pages_client::CALLBACK;
use lookup_places::LookupPlaces;
use record::{PageSession, SessionUse};
use store::{PageSessionStore, ReadPageSession};
use tokens::{PageTokens, TokenRefusal, TokenSource};

/// The path of the sign-in.
const SIGN_IN: &str = "/session/sign-in";
/// The longest cookie of a session that is looked at, in bytes.
const COOKIE_BYTES_MAX: usize = 512;
/// An access token that is good for less is renewed.
const RENEWED_BEFORE: Duration = Duration::from_secs(120);
/// One that is good for less is not used any more: it has still to arrive.
const UNUSED_BEFORE: Duration = Duration::from_secs(5);
/// How long one who renews a session may keep others from it: longer than auth may take.
const TURN: Duration = Duration::from_secs(10);
/// How often, and after which pause, others look whether a session is renewed whose token is over: together longer than a turn.
const LOOKS_MAX: usize = 60;
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How often renewed tokens are written while the session's end is moved at the same time.
const REPLACES_MAX: usize = 8;

runtime::metrics! {
    /// Metrics of the sessions of our own pages.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Sessions of our own pages that have begun: somebody has signed in.
        begun: Counter = "ingress_page_sessions_begun";
        /// Times that the tokens of such a session were renewed.
        renewed: Counter = "ingress_page_sessions_renewed";
        /// Requests with the cookie of such a session that were refused, since no page of ours has sent them.
        foreign: Counter = "ingress_page_requests_foreign";
    }
}

/// The sessions.
pub(super) struct PageSessions {
    ctx: RoleContext,
    store: PageSessionStore,
    tokens: TokenSource,
    /// How long a session may lie unused.
    life: Duration,
    /// The address of the edge, as people know it.
    base: String,
    lookups: LookupPlaces,
    metrics: Metrics,
    entropy: Mutex<Box<dyn Entropy>>,
}

/// What is found of a cookie's session.
enum LookedUpSession {
    /// There is one, and its access token is good now.
    Good(Box<PageSession>),
    /// There is none, or none any more.
    Nobody,
    /// Its access token ends soon, and whoever has asked renews it.
    OwnTurn,
    /// Its access token is over, and somebody else renews it.
    TurnOfOther,
}

/// Whether a request has come by TLS.
fn is_secure(client: Option<&WebClient>) -> bool {
    client.is_some_and(|client| client.is_secure)
}

/// The name of the cookie. Over TLS nobody but this host can set one of that prefix (RFC 6265bis section 4.1.3.2).
const fn cookie_name(is_secure: bool) -> &'static str {
    if is_secure { "__Host-trunkline-page" } else { "trunkline-page" }
}

/// The cookie of a request.
fn cookie_of(headers: &HeaderMap, is_secure: bool) -> Option<SessionCookie> {
    cookies::find(headers, cookie_name(is_secure), COOKIE_BYTES_MAX).and_then(SessionCookie::read)
}

impl PageSessions {
    /// Those of the role.
    ///
    /// # Errors
    /// If ingress does not declare the connection to auth.
    pub fn new(ctx: &RoleContext, life: Duration) -> Result<Arc<Self>> {
        let issuer = ctx.tokens.issuer();
        Ok(Arc::new(Self {
            store: PageSessionStore::of_role(ctx),
            tokens: TokenSource::new(ctx)?,
            life,
            base: issuer.strip_suffix(runtime::issuer::PATH).unwrap_or(issuer).to_owned(),
            lookups: LookupPlaces::new(),
            metrics: Metrics::register(&ctx.metrics),
            entropy: Mutex::new(ctx.entropy()),
            ctx: ctx.clone(),
        }))
    }

    /// The routes of the session.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route(routes::SESSION, get(endpoints::show))
            .route(SIGN_IN, get(begin::begin))
            .route(CALLBACK, get(begin::come_back))
            .route("/session/exchange", post(link::exchange))
            .route("/session/sign-out", post(endpoints::sign_out))
            .with_state(self.clone())
    }

    /// What requests pass, so that our pages ask what is behind as whoever is signed in.
    pub fn around(self: &Arc<Self>, behind: impl Into<Entrance>) -> Entrance {
        let pages = self.clone();
        around(behind, move |request: Request, behind: &Entrance| -> Answering {
            // A session has a cookie.
            if !request.headers().contains_key(header::COOKIE) && !link::is_named(&request) {
                return behind.enter(request);
            }
            Box::pin(lend_token(pages.clone(), request, behind.clone()))
        })
    }

    fn now(&self) -> Timestamp {
        self.ctx.clock.now()
    }

    /// A new secret, as text.
    fn secret(&self) -> String {
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        identity::secret::drawn(&mut **entropy)
    }

    /// The session of a cookie, which is used so by that client, with an access token that is good now; none if there is none any more.
    async fn current(
        self: &Arc<Self>,
        cookie: &SessionCookie,
        used: SessionUse,
        client: Option<WebClient>,
    ) -> Result<Option<PageSession>, Problem> {
        for _ in 0..LOOKS_MAX {
            // While it waits, or auth is asked, it has no place among the lookups.
            match self.looked_up(cookie, used).await? {
                LookedUpSession::Good(session) => return Ok(Some(*session)),
                LookedUpSession::Nobody => return Ok(None),
                LookedUpSession::OwnTurn => return self.renewed_apart(cookie, used, client).await,
                LookedUpSession::TurnOfOther => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
        Err(Problem::unavailable("the session is being renewed"))
    }

    /// Reads the session of a cookie.
    async fn looked_up(&self, cookie: &SessionCookie, used: SessionUse) -> Result<LookedUpSession, Problem> {
        let place = self.lookups.take(cookie);
        let _place = place.ok_or_else(|| Problem::unavailable("too many sessions are being looked up"))?;
        let now = self.now();
        let read = self.store.read(cookie).await.map_err(|error| unread(&error))?;
        let Some(mut read) = read.filter(|read| now < read.session.ends_at) else {
            return Ok(LookedUpSession::Nobody);
        };
        self.lookups.remember(cookie);
        self.end_token_for_others(&mut read.session);
        if read.session.access_until > now + RENEWED_BEFORE {
            let session = self.moved(cookie, read, used, now).await;
            return Ok(LookedUpSession::Good(Box::new(session)));
        }
        if self.store.takes_turn(cookie, now + TURN).await.map_err(|error| unread(&error))? {
            return Ok(LookedUpSession::OwnTurn);
        }
        if read.session.access_until > now + UNUSED_BEFORE {
            return Ok(LookedUpSession::Good(Box::new(read.session)));
        }
        Ok(LookedUpSession::TurnOfOther)
    }

    fn end_token_for_others(&self, session: &mut PageSession) {
        end_token_for_others(&self.ctx.tokens, self.ctx.spec.name, session);
    }

    /// A session that is used, with its end moved where that is due. One that others change at the same time, they have moved.
    async fn moved(
        &self,
        cookie: &SessionCookie,
        read: ReadPageSession,
        used: SessionUse,
        now: Timestamp,
    ) -> PageSession {
        if !read.session.is_to_be_moved(used, now, self.life) {
            return read.session;
        }
        let next = read.session.clone().lasting_until(read.session.end_after(used, now, self.life));
        match self.store.replace(cookie, &read, &next).await {
            Ok(true) => next,
            Ok(false) => read.session,
            Err(error) => {
                tracing::debug!(%error, "the end of a session of our pages is moved at its next use");
                read.session
            }
        }
    }

    /// Renews a session, also when who has asked goes away: the refresh token that is shown is over then, and the next one has to be kept.
    async fn renewed_apart(
        self: &Arc<Self>,
        cookie: &SessionCookie,
        used: SessionUse,
        client: Option<WebClient>,
    ) -> Result<Option<PageSession>, Problem> {
        let (pages, cookie) = (self.clone(), cookie.clone());
        let renewing = tokio::spawn(async move {
            let renewed = pages.renewed(&cookie, used, client.as_ref()).await;
            if let Err(error) = pages.store.ends_turn(&cookie).await {
                tracing::debug!(%error, "the turn to renew a session ends by itself");
            }
            renewed
        });
        renewing.await.unwrap_or_else(|_| Err(Problem::internal()))
    }

    /// Renews a session, whose turn has been taken: one before may have done it meanwhile.
    async fn renewed(
        &self,
        cookie: &SessionCookie,
        used: SessionUse,
        client: Option<&WebClient>,
    ) -> Result<Option<PageSession>, Problem> {
        let Some(mut read) = self.store.read(cookie).await.map_err(|error| unread(&error))? else { return Ok(None) };
        self.end_token_for_others(&mut read.session);
        let now = self.now();
        if read.session.access_until > now + RENEWED_BEFORE {
            return Ok(Some(read.session));
        }
        let tokens = match self.tokens.refresh(&cookie.tenant, &read.session.refresh_token, client).await {
            Ok(tokens) => tokens,
            Err(TokenRefusal::Over) => {
                tracing::info!(tenant = %cookie.tenant, user = read.session.user, "a session of our pages has ended: its sign-in is over");
                self.store.end(cookie).await.map_err(|error| unread(&error))?;
                return Ok(None);
            }
            Err(TokenRefusal::Away) if read.session.access_until > now + UNUSED_BEFORE => {
                return Ok(Some(read.session));
            }
            Err(TokenRefusal::Away) => return Err(Problem::unavailable("the session cannot be renewed now")),
        };
        let renewed = session_of(tokens, now, read.session.ends_at);
        for _ in 0..REPLACES_MAX {
            // What the person may now decides whether the use moves the end.
            let next = renewed.clone().lasting_until(read.session.until);
            let end = next.end_after(used, now, self.life);
            let next = next.lasting_until(end);
            if self.store.replace(cookie, &read, &next).await.map_err(|error| unread(&error))? {
                self.metrics.renewed.inc();
                return Ok(Some(next));
            }
            // Perhaps its end alone was moved meanwhile: then its tokens are those still that were shown.
            match self.store.read(cookie).await.map_err(|error| unread(&error))? {
                Some(again) if again.session.refresh_token == read.session.refresh_token => read = again,
                _ => break,
            }
        }
        // Somebody has signed out meanwhile: nothing of it goes on.
        if self.tokens.revoke(&cookie.tenant, &renewed.refresh_token).await.is_err() {
            tracing::warn!(tenant = %cookie.tenant, "tokens of a session that has ended could not be revoked: they run out");
        }
        Ok(None)
    }

    /// Ends a session, here and at auth.
    async fn end(&self, cookie: &SessionCookie) -> Result<(), Problem> {
        let read = self.store.read(cookie).await.map_err(|error| unread(&error))?;
        self.store.end(cookie).await.map_err(|error| unread(&error))?;
        let Some(read) = read else { return Ok(()) };
        let revoked = self.tokens.revoke(&cookie.tenant, &read.session.refresh_token).await;
        revoked.map_err(|_| Problem::unavailable("the session has ended, but its sign-in could not be ended now"))
    }
}

/// An access token that is for none of our APIs counts as over, so that it is renewed: that of a session which has begun under an earlier
/// release was for everything, and no API takes it any more.
fn end_token_for_others(tokens: &TokenVerifier, role: &str, session: &mut PageSession) {
    let verified = tokens.verify(&session.access_token, role, &ApiFamily::ALL);
    if matches!(verified, Err(TokenError::Audience(_))) {
        session.access_until = Timestamp::ZERO;
    }
}

/// A session with these tokens.
fn session_of(tokens: PageTokens, now: Timestamp, ends_at: Timestamp) -> PageSession {
    PageSession {
        user: tokens.user,
        name: tokens.name,
        privileges: tokens.privileges,
        scope: tokens.scope,
        access_token: tokens.access_token,
        access_until: now + tokens.lasting,
        refresh_token: tokens.refresh_token,
        ends_at,
        until: ends_at,
    }
}

fn unread(error: &StoreError) -> Problem {
    tracing::warn!(%error, "sessions of our pages cannot be read or written");
    Problem::unavailable("sessions cannot be read now")
}

/// What a request to that path says of the person: what pages show that changes by itself they ask for as long as they are open, and they
/// tell of themselves.
fn use_of(path: &str) -> SessionUse {
    match RouteFamily::of(path) {
        RouteFamily::Wallboard | RouteFamily::Operations | RouteFamily::Telemetry => SessionUse::ByOpenPage,
        RouteFamily::Pages
        | RouteFamily::Voice
        | RouteFamily::Configuration
        | RouteFamily::Workforce
        | RouteFamily::Desktop
        | RouteFamily::Salesforce
        | RouteFamily::Auth
        | RouteFamily::Phones
        | RouteFamily::Probes
        | RouteFamily::Unknown => SessionUse::ByPerson,
    }
}

/// The cookie of a request that needs a token, and brings none of its own.
fn asked_by_cookie(request: &Request, is_secure: bool) -> Option<SessionCookie> {
    if !routes::takes_lent_token(request.uri().path()) || request.headers().contains_key(header::AUTHORIZATION) {
        return None;
    }
    cookie_of(request.headers(), is_secure)
}

/// Adds the token of the session to a request of a page of ours. The gate judges it as any other.
async fn lend_token(pages: Arc<PageSessions>, mut request: Request, behind: Entrance) -> Response {
    let client: Option<WebClient> = request.extensions().get().copied();
    let is_secure = is_secure(client.as_ref());
    if link::is_named(&request) {
        return link::lend_token(&pages, request, &behind, is_secure).await;
    }
    let Some(cookie) = asked_by_cookie(&request, is_secure) else { return behind.enter(request).await };
    let headers = request.headers();
    let needs_own = own_page::needs_own_page(request.method(), request.uri().path(), headers);
    let is_foreign =
        own_page::is_of_other_origin(headers, is_secure) || needs_own && !own_page::is_of_own_page(headers, is_secure);
    if is_foreign {
        pages.metrics.foreign.inc();
        return Problem::forbidden("a cookie is enough for pages of this host alone").into_response();
    }
    let used = use_of(request.uri().path());
    match pages.current(&cookie, used, client).await {
        Ok(Some(session)) => {
            if let Err(problem) = meant_person::check(request.method(), request.headers(), &session.user) {
                return problem.into_response();
            }
            if let Ok(mut token) = HeaderValue::try_from(format!("Bearer {}", session.access_token)) {
                token.set_sensitive(true);
                request.headers_mut().insert(header::AUTHORIZATION, token);
            }
        }
        // The gate refuses what has no token.
        Ok(None) => {}
        Err(problem) => return problem.into_response(),
    }
    behind.enter(request).await
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use infra::SystemClock;
    use runtime::token::{ACCESS_TOKEN, ISSUER, TokenIssuer};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_token_of_an_earlier_release_is_renewed_at_the_next_use_and_no_other_is() {
        let issuer = TokenIssuer::of_new_key(Arc::new(SystemClock::start())).unwrap();
        let tokens = TokenVerifier::of(&issuer, &[]);
        let until = Timestamp::from_millis(4_000_000_000_000);
        let ends = |aud: Value| {
            let claims = json!({
                "iss": ISSUER, "sub": "person/ann", "tenant": "acme", "scope": "config:read", "aud": aud,
                "exp": 4_000_000_000_u64,
            });
            let access_token = issuer.sign(&claims, ACCESS_TOKEN).unwrap();
            let mut session = PageSession { access_token, access_until: until, ..PageSession::of_test(until) };
            end_token_for_others(&tokens, "ingress", &mut session);
            session.access_until
        };
        assert_eq!(ends(json!("trunkline")), Timestamp::ZERO);
        assert_eq!(ends(json!(["voice", "tenant"])), until);
        assert_eq!(ends(json!("statistics")), until);
    }

    #[test]
    fn both_attempts_to_renew_fit_into_a_turn_and_into_the_grace_of_a_token() {
        let both = 2 * tokens::REFRESH_WITHIN;
        assert!(both < TURN && both < identity::grant::refresh::GRACE);
    }

    #[test]
    fn what_an_open_page_asks_by_itself_is_no_use_by_the_person() {
        for path in ["/pulse/api/v1/acme/wallboard/stream", "/api/operations/v1/topology", "/telemetry/v1/traces"] {
            assert_eq!(use_of(path), SessionUse::ByOpenPage, "{path}");
        }
        for path in ["/agent-setup/api/v1/acme/changes", "/api/voice/v1/acme/requests", "/session"] {
            assert_eq!(use_of(path), SessionUse::ByPerson, "{path}");
        }
    }

    fn is_asked_by_cookie(path: &str, said: &[(&str, &str)], is_secure: bool) -> bool {
        let mut request = Request::get(path);
        for (name, value) in said {
            request = request.header(*name, *value);
        }
        asked_by_cookie(&request.body(Body::empty()).unwrap(), is_secure).is_some()
    }

    #[test]
    fn a_cookie_counts_for_the_apis_alone_and_never_beside_a_token() {
        let (plain, secure) = ("trunkline-page=YWNtZQ.x", "__Host-trunkline-page=YWNtZQ.x");
        let topology = "/api/operations/v1/topology";
        assert!(is_asked_by_cookie(topology, &[("cookie", plain)], false));
        assert!(is_asked_by_cookie("/agent-setup/api/v1/acme/history", &[("cookie", secure)], true));
        assert!(!is_asked_by_cookie(topology, &[("cookie", plain)], true), "by TLS the other name counts");
        assert!(!is_asked_by_cookie(topology, &[("cookie", plain), ("authorization", "Bearer x")], false));
        for other in ["/", "/agent-setup/", "/auth/v3/userinfo", "/sip", "/session"] {
            assert!(!is_asked_by_cookie(other, &[("cookie", plain)], false), "{other}");
        }
    }
}
