//! `GET /session/sign-in` and `GET /session/callback`: the code flow with PKCE, state and nonce (OAuth 2.1, OpenID Connect), by which
//! somebody signs in at our pages.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use identity::grant::SIGN_IN_LIFE;
use identity::secret::Digest;
use identity::session_cookie::SessionCookie;
use net::http::{Problem, Query, WebClient, cookies};
use runtime::listener::HostPort;
use serde::Deserialize;

use super::pending::{self, PendingSignIn};
use super::tokens::{PageTokens, TokenRefusal};
use super::{PageSessions, SIGN_IN, cookie_name, cookie_of, is_secure, own_path, session_of, unread};
use crate::pages_client::{self, CALLBACK, CLIENT};

const AUTHORIZE: &str = "/auth/v3/oauth/authorize";
/// What our pages ask for: who it is, and all that the person may do.
const SCOPE: &str = "openid profile *";
/// The longest cookie of a sign-in that is looked at, in bytes.
const COOKIE_BYTES_MAX: usize = 4_096;
const HTTPS_PORT: u16 = 443;
const STALE: &str = "It was open for too long, or in another browser.";

/// What the sign-in is asked for.
#[derive(Deserialize)]
pub(super) struct SignInQuery {
    /// Where the person goes on to.
    to: Option<String>,
    /// The tenant, where there are several; without it that of the host or of who is signed in, else the person is asked. Without a value the
    /// person is asked, also one who is signed in: to sign in for another tenant.
    tenant: Option<String>,
    /// At which host the sign-in began, where it goes on at the base.
    host: Option<String>,
}

/// What auth sends the browser back with.
#[derive(Deserialize)]
pub(super) struct CallbackQuery {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    tenant: Option<String>,
}

const fn pending_name(is_secure: bool) -> &'static str {
    if is_secure { "__Host-trunkline-page-sign-in" } else { "trunkline-page-sign-in" }
}

/// Where a code goes: to the edge's own address, or without TLS to the one that was asked, if that is the browser's own machine. None if
/// the browser has asked at another host: what it is to keep until then, it would not send there.
fn callback(base: &str, headers: &HeaderMap, is_secure: bool) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    if is_secure {
        return is_at(base, host).then(|| format!("{base}{CALLBACK}"));
    }
    pages_client::is_this_machine(host).then(|| format!("http://{host}{CALLBACK}"))
}

/// Whether somebody who asks that host by TLS is at the base. Cookies are of a host whatever its port (RFC 6265 section 8.5), and web
/// servers in front may leave the port out.
fn is_at(base: &str, host: &str) -> bool {
    let name = |authority: &str| HostPort::parse(authority, HTTPS_PORT).ok().map(|at| at.host.to_ascii_lowercase());
    let own = base.strip_prefix("https://").and_then(|rest| rest.split('/').next()).and_then(name);
    own.is_some() && own == name(host)
}

/// A redirect that no cache keeps.
fn redirect(to: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Result<Response, Problem> {
    let location = HeaderValue::from_str(to).map_err(|_| Problem::internal())?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    let head = response.headers_mut();
    head.insert(header::LOCATION, location);
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in cookies {
        head.append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The same sign-in at the base. The host may name the tenant, which is known there.
fn at_base(base: &str, to: &str, tenant: Option<&str>, host: Option<&str>) -> String {
    let mut pairs = vec![("to", to)];
    pairs.extend(tenant.map(|tenant| ("tenant", tenant)));
    pairs.extend(host.map(|host| ("host", host)));
    format!("{base}{SIGN_IN}?{}", query(&pairs))
}

/// What auth is told of the tenant. One without a value has the person asked, whoever is signed in; the session of before lasts until another
/// one has begun.
fn about_tenant<'a>(tenant: Option<&'a str>, host: Option<&'a str>) -> Vec<(&'static str, &'a str)> {
    let anew = tenant.is_some_and(str::is_empty).then_some(("prompt", "login"));
    let tenant = tenant.map(|tenant| ("tenant", tenant));
    tenant.into_iter().chain(host.map(|host| ("host", host))).chain(anew).collect()
}

/// Begins a sign-in.
pub(super) async fn begin(
    State(pages): State<Arc<PageSessions>>,
    client: Option<Extension<WebClient>>,
    headers: HeaderMap,
    Query(asked): Query<SignInQuery>,
) -> Result<Response, Problem> {
    let is_secure = is_secure(client.as_ref().map(|Extension(client)| client));
    let to = asked.to.unwrap_or_else(|| "/".to_owned());
    if !own_path::is_own(&to) {
        return Err(Problem::bad_request("to: it is not a path of this host, as /agent-setup/"));
    }
    let Some(redirect_uri) = callback(&pages.base, &headers, is_secure) else {
        return match pages.base.starts_with("https://") || is_secure {
            true => {
                // Who names a tenant means that one at any host.
                let said = headers.get(header::HOST).filter(|_| asked.tenant.is_none());
                let host = said.and_then(|host| host.to_str().ok());
                redirect(&at_base(&pages.base, &to, asked.tenant.as_deref(), host), [])
            }
            false => Err(Problem::forbidden("people sign in by HTTPS, or on this machine")),
        };
    };
    let pending = PendingSignIn {
        state: pages.secret(),
        nonce: pages.secret(),
        verifier: pages.secret(),
        redirect_uri,
        to,
        until_us: (pages.now() + pending::LIFE).as_micros(),
    };
    // S256 is what a digest is (RFC 7636 section 4.2).
    let challenge = Digest::of(&pending.verifier).text();
    let mut fields = vec![
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", pending.redirect_uri.as_str()),
        ("scope", SCOPE),
        ("state", pending.state.as_str()),
        ("nonce", pending.nonce.as_str()),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    fields.extend(about_tenant(asked.tenant.as_deref(), asked.host.as_deref()));
    let sealed = pending.seal(&pages.ctx.installation_key).ok_or_else(Problem::internal)?;
    let life = format!("; Max-Age={}", pending::LIFE.as_secs());
    let cookie = cookies::set_cookie(pending_name(is_secure), &sealed, &life, is_secure);
    redirect(&format!("{AUTHORIZE}?{}", query(&fields)), cookie)
}

/// Ends a sign-in: the browser has come back from auth.
pub(super) async fn come_back(
    State(pages): State<Arc<PageSessions>>,
    client: Option<Extension<WebClient>>,
    headers: HeaderMap,
    Query(said): Query<CallbackQuery>,
) -> Result<Response, Problem> {
    let is_secure = is_secure(client.as_ref().map(|Extension(client)| client));
    let sealed = cookies::find(&headers, pending_name(is_secure), COOKIE_BYTES_MAX);
    let pending = sealed.and_then(|sealed| PendingSignIn::open(&pages.ctx.installation_key, sealed, pages.now()));
    let Some(pending) = pending.filter(|pending| is_answer(pending, &said, pages.ctx.tokens.issuer())) else {
        return Ok(fault(StatusCode::BAD_REQUEST, STALE));
    };
    let Some(code) = &said.code else {
        return Ok(fault(StatusCode::FORBIDDEN, "You are not signed in."));
    };
    let tenant = said.tenant.as_deref().unwrap_or_default();
    let tokens = match pages.tokens.redeem(tenant, code, &pending.verifier, &pending.redirect_uri).await {
        Ok(tokens) if tokens.nonce.as_ref() == Some(&pending.nonce) => tokens,
        Ok(_) | Err(TokenRefusal::Over) => return Ok(fault(StatusCode::BAD_REQUEST, STALE)),
        Err(TokenRefusal::Away) => {
            return Ok(fault(StatusCode::SERVICE_UNAVAILABLE, "It is not available now. Try again in a moment."));
        }
    };
    if let Some(before) = cookie_of(&headers, is_secure)
        && let Err(problem) = pages.end(&before).await
    {
        tracing::debug!(%problem, "the session before this one ends by itself");
    }
    let value = kept(&pages, tokens).await?;
    let cookies = [
        cookies::set_cookie(cookie_name(is_secure), &value, "", is_secure),
        cookies::set_cookie(pending_name(is_secure), "", "; Max-Age=0", is_secure),
    ];
    redirect(&pending.to, cookies.into_iter().flatten())
}

/// Keeps a new session under a new name; the value of its cookie.
async fn kept(pages: &PageSessions, tokens: PageTokens) -> Result<String, Problem> {
    let (secret, now) = (pages.secret(), pages.now());
    let cookie = SessionCookie { tenant: tokens.tenant.clone(), digest: Digest::of(&secret) };
    // However often it is used, it ends with its sign-in at auth.
    let session = session_of(tokens, now, now + SIGN_IN_LIFE).lasting_until(now + pages.life);
    let ended = pages.store.begin(&cookie, &session).await.map_err(|error| unread(&error))?;
    pages.metrics.begun.inc();
    pages.lookups.remember(&cookie);
    for session in ended {
        tracing::info!(tenant = %cookie.tenant, user = session.user, "somebody has as many sessions of our pages as there may be: the first of them has ended");
        if pages.tokens.revoke(&cookie.tenant, &session.refresh_token).await.is_err() {
            tracing::warn!(tenant = %cookie.tenant, "tokens of a session that has ended could not be revoked: they run out");
        }
    }
    Ok(SessionCookie::write(&cookie.tenant, &secret))
}

/// Whether it is the answer to that sign-in, and from our own auth (RFC 9207).
fn is_answer(pending: &PendingSignIn, said: &CallbackQuery, issuer: &str) -> bool {
    said.state.as_ref() == Some(&pending.state) && said.iss.as_deref() == Some(issuer)
}

/// A sign-in that leads nowhere, for the person.
fn fault(status: StatusCode, why: &str) -> Response {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>This sign-in cannot go on · Trunkline</title>\n\
         <h1>This sign-in cannot go on</h1>\n<p role=\"alert\">{why}</p>\n<p><a href=\"{SIGN_IN}\">Sign in</a></p>\n</html>\n"
    );
    let head = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, head, page).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_goes_to_the_edge_or_to_this_machine() {
        let to = |host: &'static str, is_secure| {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            callback("https://centre.example", &headers, is_secure)
        };
        for own in ["centre.example", "Centre.example:443", "centre.example:8443"] {
            assert_eq!(to(own, true).as_deref(), Some("https://centre.example/session/callback"), "{own}");
        }
        for alias in ["localhost:8443", "192.0.2.1:8443", "evil.example", "centre.example.evil.example", ""] {
            assert_eq!(to(alias, true), None, "{alias}: the browser has to go to the edge's own address first");
        }
        assert_eq!(to("127.3.0.1:8080", false).as_deref(), Some("http://127.3.0.1:8080/session/callback"));
        assert_eq!((to("centre.example", false), to("127.0.0.1@evil.example", false)), (None, None));
    }

    #[test]
    fn the_way_to_the_base_keeps_what_was_asked() {
        let to = at_base("https://centre.example", "/trace?x=1", Some("acme"), None);
        assert_eq!(to, "https://centre.example/session/sign-in?to=%2Ftrace%3Fx%3D1&tenant=acme");
        let to = at_base("https://centre.example", "/", None, Some("acme.example:8443"));
        assert_eq!(to, "https://centre.example/session/sign-in?to=%2F&host=acme.example%3A8443");
        assert!(is_at("https://[2001:db8::1]:8443", "[2001:db8::1]:8443"));
        assert!(!is_at("http://127.0.0.1:8080", "127.0.0.1:8080"), "it has no TLS");
    }

    #[test]
    fn who_wants_another_tenant_is_asked_for_it() {
        assert_eq!(about_tenant(Some("acme"), None), [("tenant", "acme")]);
        assert_eq!(about_tenant(Some(""), None), [("tenant", ""), ("prompt", "login")]);
        assert_eq!(about_tenant(None, Some("acme.example")), [("host", "acme.example")]);
        assert!(about_tenant(None, None).is_empty());
    }

    #[test]
    fn an_answer_to_another_sign_in_or_of_another_server_is_none() {
        let pending = PendingSignIn {
            state: "s".to_owned(),
            nonce: String::new(),
            verifier: String::new(),
            redirect_uri: String::new(),
            to: "/".to_owned(),
            until_us: 0,
        };
        let said = |state: Option<&str>, iss: Option<&str>| CallbackQuery {
            code: None,
            state: state.map(str::to_owned),
            iss: iss.map(str::to_owned),
            tenant: None,
        };
        assert!(is_answer(&pending, &said(Some("s"), Some("i")), "i"));
        for (state, iss) in [(Some("t"), Some("i")), (None, Some("i")), (Some("s"), Some("j")), (Some("s"), None)] {
            assert!(!is_answer(&pending, &said(state, iss), "i"), "{state:?} {iss:?}");
        }
    }
}
