//! API keys at the web edge. A request that shows one gets the token for which auth exchanges it (own-11), so that a key goes no further
//! than this, and every role behind the edge verifies tokens alone. The gate judges the token as any other: when the key is revoked, auth
//! tells every role, and this one with them. Uses for which auth is not asked are told to it later.

mod exchange;
mod lookups;
mod places;
mod turns;
mod uses;

use std::sync::Arc;

use anyhow::Result;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use identity::api_key::{self, ShownApiKey};
use identity::secret::Digest;
use infra::Clock;
use model::Timestamp;
use net::http::Problem;
use prometheus_client::metrics::counter::Counter;
use runtime::RoleContext;
use runtime::around::{Answering, Entrance, around};
use runtime::metrics::{CounterBy, Label};
use runtime::token::TokenError;

use super::routes;
use exchange::{KeyBearer, TokenExchange};
use lookups::KeyLookups;
use places::{KeyAnswer, KeyRefusal};
use uses::KeyUses;

runtime::metrics! {
    /// Metrics of API keys at the web edge.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// API keys that auth was asked about, by what it has said. A good one is exchanged once for ten minutes.
        exchanged: CounterBy<KeyOutcome> = "ingress_api_keys_exchanged";
        /// Uses of API keys out of tokens that the edge had, of which auth could not be told before the end, or for which there was no
        /// room: they are not noted. Those of one key before the end count as one.
        untold: Counter = "ingress_api_key_uses_untold";
    }
}

/// What auth has said of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyOutcome {
    /// It was exchanged.
    Granted,
    /// It is not known, is over, or was revoked.
    Refused,
    /// It was not looked at: too many wrong ones came before.
    LockedOut,
    /// auth does not answer.
    Away,
}

impl Label for KeyOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Granted, Self::Refused, Self::LockedOut, Self::Away];

    fn text(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::LockedOut => "locked_out",
            Self::Away => "away",
        }
    }
}

impl KeyOutcome {
    const fn of(answer: &KeyAnswer) -> Self {
        match answer {
            KeyAnswer::Token(_) => Self::Granted,
            KeyAnswer::Refused(KeyRefusal::Unknown) => Self::Refused,
            KeyAnswer::Refused(KeyRefusal::Wait) => Self::LockedOut,
            KeyAnswer::Refused(KeyRefusal::Away) => Self::Away,
        }
    }
}

/// Exchanges the keys of requests.
pub(super) struct ApiKeysAtEdge {
    auth: TokenExchange,
    lookups: KeyLookups,
    uses: Arc<KeyUses>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

/// The token that a request gets for its key.
struct LentToken {
    /// As the header that shows it.
    header: HeaderValue,
    /// Whether auth has just given it: then it has noted that the key is used.
    is_new: bool,
}

impl ApiKeysAtEdge {
    /// Asks auth as the role.
    ///
    /// # Errors
    /// If ingress does not declare the connection.
    pub fn new(ctx: &RoleContext) -> Result<Arc<Self>> {
        let (auth, uses) = (TokenExchange::new(ctx)?, Arc::<KeyUses>::default());
        let metrics = Metrics::register(&ctx.metrics);
        let told = uses::run(ctx.clone(), uses.clone(), auth.client(), metrics.untold.clone());
        ctx.spawn("uses of API keys", told);
        let (lookups, clock) = (KeyLookups::new(ctx.clock.clone()), ctx.clock.clone());
        Ok(Arc::new(Self { auth, lookups, uses, clock, metrics }))
    }

    /// What requests pass, so that what is behind is asked with keys as with tokens.
    pub fn around(self: &Arc<Self>, behind: impl Into<Entrance>) -> Entrance {
        let keys = self.clone();
        around(behind, move |request: Request, behind: &Entrance| -> Answering {
            if shown_key(request.uri().path(), request.headers()).is_none() {
                return behind.enter(request);
            }
            Box::pin(lend_token(keys.clone(), request, behind.clone()))
        })
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The token of a key.
    async fn token_of(&self, key: &str, digest: Digest, bearer: &KeyBearer) -> Result<LentToken, Problem> {
        let asked = async {
            let (answer, lasting) = self.auth.exchanged(key, bearer).await;
            self.metrics.exchanged.inc(KeyOutcome::of(&answer));
            (answer, lasting)
        };
        let found = self.lookups.find(digest, bearer.address(), asked).await;
        let found = found.ok_or_else(|| Problem::unavailable("too many API keys are being looked up"))?;
        Ok(LentToken { header: found.answer.told()?, is_new: found.is_new })
    }
}

/// The key that a request to an API shows.
fn shown_key<'r>(path: &str, headers: &'r HeaderMap) -> Option<&'r str> {
    let (scheme, text) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let key = text.trim();
    let is_meant = scheme.eq_ignore_ascii_case("bearer") && api_key::is_meant(key);
    (is_meant && routes::is_of_api(path)).then_some(key)
}

/// Puts the token into the place of the key.
async fn lend_token(keys: Arc<ApiKeysAtEdge>, mut request: Request, behind: Entrance) -> Response {
    let Some(key) = shown_key(request.uri().path(), request.headers()) else { return behind.enter(request).await };
    // What cannot be a key is not asked about.
    let Some(shown) = ShownApiKey::read(key) else { return KeyRefusal::Unknown.problem().into_response() };
    let (id, digest, bearer) = (shown.id.to_owned(), shown.digest, KeyBearer::of(&request));
    let LentToken { header: token, is_new } = match keys.token_of(key, digest, &bearer).await {
        Ok(token) => token,
        Err(problem) => return problem.into_response(),
    };
    if is_new {
        keys.uses.exchanged(id.clone(), &bearer, keys.now());
    }
    request.headers_mut().insert(header::AUTHORIZATION, token.clone());
    let answer = behind.enter(request).await;
    // It was revoked alone, or with its key: the next request asks auth what is so now. One that is shown at another API stays as it is.
    let is_for_others = matches!(answer.extensions().get::<TokenError>(), Some(TokenError::Audience(_)));
    if answer.status() == StatusCode::UNAUTHORIZED && !is_for_others {
        keys.lookups.places.forget(digest, &token).await;
    } else if !is_new && !keys.uses.used(id, &bearer, keys.now()) {
        keys.metrics.untold.inc();
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_looked_for_where_a_token_is_shown_to_an_api() {
        let shown = |path: &str, value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            shown_key(path, &headers).map(str::to_owned)
        };
        for path in ["/api/voice/v1/acme/calls", "/agent-setup/api/v1/acme/history", "/scim/v2/acme/Users", "/api/x"] {
            assert_eq!(shown(path, "bearer tlk_1_2").as_deref(), Some("tlk_1_2"), "{path}");
        }
        assert_eq!(shown("/api/x", "Bearer  tlk_ ").as_deref(), Some("tlk_"), "the form is judged later");
        for (path, value) in [
            ("/api/x", "Bearer eyJ0eXAi.x.y"),
            ("/api/x", "Basic tlk_1_2"),
            ("/api/x", "tlk_1_2"),
            ("/auth/v3/oauth/token", "Bearer tlk_1_2"),
            ("/", "Bearer tlk_1_2"),
        ] {
            assert_eq!(shown(path, value), None, "{path} {value}");
        }
        assert_eq!(shown_key("/api/x", &HeaderMap::new()), None);
    }
}
