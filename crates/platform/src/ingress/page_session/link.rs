//! `POST /session/exchange`: a page that was opened by a link with a token gives the token up for a cookie, and forgets it. The cookie has
//! the token sealed, so that no script reads it and nobody but this installation opens it; it is good for what the token is good for, as
//! long as that is. The page names it by an id in `Trunkline-Link`, which only a page of ours can send: another origin would have to ask
//! for it beforehand, and is told no.
//!
//! The token itself stays good: one link is opened on many screens, and again after each restart of a browser.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::secret::Digest;
use net::http::{Problem, WebClient, cookies};
use runtime::ApiFamily;
use runtime::around::{Answering, Entrance, answered};
use runtime::gate::refuse_token;
use runtime::installation_key::InstallationKey;
use runtime::sealed;
use serde_json::json;

use super::{PageSessions, is_secure, own_page};
use crate::ingress::{events, routes};

/// Names the link by whose token a page asks.
const HEADER: HeaderName = HeaderName::from_static("trunkline-link");
/// The longest token that is exchanged, in bytes: a browser keeps cookies of 4,096 bytes (RFC 6265 section 6.1).
const TOKEN_BYTES_MAX: usize = 2_048;
/// The longest cookie that is looked at, in bytes.
const COOKIE_BYTES_MAX: usize = 3_072;
/// Links of one browser; they come with each of its requests.
const LINKS_MAX: usize = 4;
/// The characters of an id. It is no secret, and tells the links of a browser apart.
const ID_CHARS: usize = 16;

/// What the names of the cookies begin with, before the id.
const fn prefix(is_secure: bool) -> &'static str {
    if is_secure { "__Host-trunkline-link-" } else { "trunkline-link-" }
}

fn name_of(id: &str, is_secure: bool) -> String {
    format!("{}{id}", prefix(is_secure))
}

fn id_of(token: &str) -> String {
    Digest::of(token).text().chars().take(ID_CHARS).collect()
}

fn is_id(id: &str) -> bool {
    id.len() == ID_CHARS && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// One cookie's value is of no use as another's.
fn bound_to(id: &str) -> Vec<u8> {
    format!("link of a page {id}").into_bytes()
}

fn seal(key: &InstallationKey, id: &str, token: &str) -> Option<String> {
    sealed::seal(key, &bound_to(id), token.as_bytes().to_vec()).map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
}

fn open(key: &InstallationKey, id: &str, value: &str) -> Option<String> {
    let sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
    String::from_utf8(sealed::open(key, &bound_to(id), &sealed)?).ok()
}

/// The ids of the links that the browser has.
fn ids(headers: &HeaderMap, is_secure: bool) -> Vec<&str> {
    let names = cookies::all(headers).map(|(name, _)| name);
    names.filter_map(|name| name.strip_prefix(prefix(is_secure))).filter(|id| is_id(id)).collect()
}

fn forgotten(id: &str, is_secure: bool) -> Option<HeaderValue> {
    cookies::set_cookie(&name_of(id, is_secure), "", "; Max-Age=0", is_secure)
}

/// The headers by which the browser forgets all its links.
pub(super) fn all_forgotten(headers: &HeaderMap, is_secure: bool) -> Vec<HeaderValue> {
    ids(headers, is_secure).into_iter().filter_map(|id| forgotten(id, is_secure)).collect()
}

/// The headers by which a browser with those links keeps this one, and no more than it may have.
fn kept(headers: &HeaderMap, id: &str, sealed: &str, is_secure: bool) -> Vec<HeaderValue> {
    let others: Vec<&str> = ids(headers, is_secure).into_iter().filter(|other| *other != id).collect();
    // Browsers send what they have had for longest first (RFC 6265 section 5.4).
    let surplus = (others.len() + 1).saturating_sub(LINKS_MAX);
    let own = cookies::set_cookie(&name_of(id, is_secure), sealed, "", is_secure);
    others.into_iter().take(surplus).filter_map(|other| forgotten(other, is_secure)).chain(own).collect()
}

/// Takes the token of a page's link, and gives the cookie that stands for it.
pub(super) async fn exchange(
    State(pages): State<Arc<PageSessions>>,
    client: Option<Extension<WebClient>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let is_secure = is_secure(client.as_ref().map(|Extension(client)| client));
    if !headers.contains_key(header::ORIGIN) || !own_page::is_of_own_page(&headers, is_secure) {
        pages.metrics.foreign.inc();
        return Err(Problem::forbidden("a page of this host exchanges the token of its link, and no other"));
    }
    let token = events::bearer(&headers).ok_or_else(|| Problem::unauthorized("no token to be exchanged"))?;
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Problem::bad_request(format!("the token has more than {TOKEN_BYTES_MAX} bytes")));
    }
    match pages.ctx.tokens.verify(token, pages.ctx.spec.name, &ApiFamily::ALL) {
        Ok(caller) if caller.role().is_some() => return Err(Problem::forbidden("a role opens no page")),
        Ok(_) => {}
        Err(error) => return Ok(refuse_token(error)),
    }
    let id = id_of(token);
    let sealed = seal(&pages.ctx.installation_key, &id, token).ok_or_else(Problem::internal)?;
    let mut response = Json(json!({ "link": id })).into_response();
    let head = response.headers_mut();
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in kept(&headers, &id, &sealed, is_secure) {
        head.append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Whether a request to an API, which brings no token, names a link.
pub(super) fn is_named(request: &Request) -> bool {
    let headers = request.headers();
    headers.contains_key(HEADER)
        && !headers.contains_key(header::AUTHORIZATION)
        && routes::is_of_api(request.uri().path())
}

/// Adds the token of the named link, whoever else has signed in in the browser. The gate judges it as any other, and refuses what has none.
pub(super) fn lend_token(pages: &PageSessions, mut request: Request, behind: &Entrance, is_secure: bool) -> Answering {
    if own_page::is_of_other_origin(request.headers(), is_secure) {
        pages.metrics.foreign.inc();
        return answered(Problem::forbidden("a link is for pages of this host alone").into_response());
    }
    if let Some(mut token) = shown(request.headers(), &pages.ctx.installation_key, is_secure) {
        token.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, token);
    }
    behind.enter(request)
}

/// The header with the token of the link that a request names, if the browser has its cookie.
fn shown(headers: &HeaderMap, key: &InstallationKey, is_secure: bool) -> Option<HeaderValue> {
    let id = headers.get(HEADER)?.to_str().ok().filter(|id| is_id(id))?;
    let value = cookies::find(headers, &name_of(id, is_secure), COOKIE_BYTES_MAX)?;
    HeaderValue::try_from(format!("Bearer {}", open(key, id, value)?)).ok()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn key() -> InstallationKey {
        InstallationKey::from_bytes([7; 32])
    }

    fn headers(cookies: &str, id: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, cookies.parse().unwrap()), (HEADER, id.parse().unwrap())])
    }

    #[test]
    fn a_link_gives_back_its_own_token_alone() {
        let (one, two) = (id_of("a.b.c"), id_of("d.e.f"));
        assert!(is_id(&one) && one != two);
        let sealed = seal(&key(), &one, "a.b.c").unwrap();
        assert!(!sealed.contains("a.b.c"));
        let cookies = format!("trunkline-link-{one}={sealed}; trunkline-link-{two}={sealed}");
        let token = |id: &str, is_secure| shown(&headers(&cookies, id), &key(), is_secure);
        assert_eq!(token(&one, false).unwrap(), "Bearer a.b.c");
        assert_eq!(token(&two, false), None, "it is sealed for the other one");
        assert_eq!(token(&one, true), None, "by TLS the other name counts");
        assert_eq!(token("x", false), None);
        assert_eq!(shown(&headers(&cookies, &one), &InstallationKey::from_bytes([8; 32]), false), None);
    }

    #[test]
    fn the_longest_token_fits_into_a_cookie() {
        let token = "x".repeat(TOKEN_BYTES_MAX);
        let sealed = seal(&key(), &id_of(&token), &token).unwrap();
        assert!(sealed.len() <= COOKIE_BYTES_MAX, "{}", sealed.len());
    }

    #[test]
    fn a_browser_keeps_its_latest_links() {
        let of: Vec<String> = (0..LINKS_MAX + 1).map(|n| id_of(&n.to_string())).collect();
        let cookies: Vec<String> = of.iter().map(|id| format!("__Host-trunkline-link-{id}=v")).collect();
        let cookies = HeaderMap::from_iter([(header::COOKIE, cookies.join("; ").parse().unwrap())]);
        let set = |id: &str| -> Vec<String> {
            kept(&cookies, id, "sealed", true).iter().map(|cookie| cookie.to_str().unwrap().to_owned()).collect()
        };
        let new = id_of("new");
        let told = set(&new);
        let gone: Vec<bool> = told.iter().map(|cookie| cookie.contains("Max-Age=0")).collect();
        assert_eq!(gone, [true, true, false], "{told:?}");
        assert!(told[0].contains(of[0].as_str()) && told[1].contains(of[1].as_str()), "{told:?}");
        assert_eq!(told[2], format!("__Host-trunkline-link-{new}=sealed; Path=/; HttpOnly; SameSite=Lax; Secure"));
        assert_eq!(set(&of[4]).len(), 2, "opened again");
        assert_eq!(all_forgotten(&cookies, true).len(), LINKS_MAX + 1);
        assert!(all_forgotten(&cookies, false).is_empty());
    }

    #[test]
    fn a_link_counts_for_the_apis_alone_and_never_beside_a_token() {
        let is_named = |path: &str, said: &[(&str, &str)]| {
            let request = said.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
            is_named(&request.body(Body::empty()).unwrap())
        };
        let wallboard = "/pulse/api/v1/acme/wallboard";
        assert!(is_named(wallboard, &[("trunkline-link", "x")]));
        assert!(!is_named(wallboard, &[]));
        assert!(!is_named(wallboard, &[("trunkline-link", "x"), ("authorization", "Bearer y")]));
        assert!(!is_named("/session", &[("trunkline-link", "x")]));
    }
}
