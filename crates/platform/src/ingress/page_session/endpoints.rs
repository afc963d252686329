//! `GET /session`: who is signed in. `POST /session/sign-out`: the end of it.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use contracts::json::rfc3339;
use identity::session_cookie::SessionCookie;
use net::http::{Problem, WebClient, cookies};
use runtime::ApiFamily;
use runtime::token::TokenError;
use serde_json::{Value, json};

use super::record::SessionUse;
use super::{PageSessions, cookie_name, cookie_of, is_secure, link, own_page, unread};
use crate::ingress::auth;

/// What a page adds that asks by itself, as it does while the server is away.
const BY_PAGE: &str = "by=page";

/// Who asks: pages do when they are opened, when somebody comes back to them, and by themselves, which they say.
fn use_of(query: Option<&str>) -> SessionUse {
    let is_by_page = query.is_some_and(|query| query.split('&').any(|pair| pair == BY_PAGE));
    if is_by_page { SessionUse::ByOpenPage } else { SessionUse::ByPerson }
}

/// Who is signed in.
pub(super) async fn show(
    State(pages): State<Arc<PageSessions>>,
    client: Option<Extension<WebClient>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let client = client.map(|Extension(client)| client);
    let told = match cookie_of(&headers, is_secure(client.as_ref())) {
        Some(cookie) => told(&pages, &cookie, use_of(query.as_deref()), client).await?,
        None => None,
    };
    let told = told.unwrap_or_else(|| json!({ "signed_in": false }));
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(told)).into_response())
}

async fn told(
    pages: &Arc<PageSessions>,
    cookie: &SessionCookie,
    used: SessionUse,
    client: Option<WebClient>,
) -> Result<Option<Value>, Problem> {
    let Some(session) = pages.current(cookie, used, client).await? else { return Ok(None) };
    let role = pages.ctx.spec.name;
    if pages.ctx.tokens.verify(&session.access_token, role, &ApiFamily::ALL).err() == Some(TokenError::Revoked) {
        pages.store.end(cookie).await.map_err(|error| unread(&error))?;
        return Ok(None);
    }
    let scopes = session.scope.split_whitespace().filter(|scope| !identity::scope::OF_IDENTITY.contains(scope));
    Ok(Some(json!({
        "signed_in": true,
        "tenant": cookie.tenant.as_str(),
        "user": session.user.strip_prefix("person/").unwrap_or(&session.user),
        "name": session.name,
        "privileges": session.privileges,
        "scopes": scopes.collect::<Vec<_>>(),
        "until": rfc3339(session.until),
    })))
}

/// Ends the session, what came of it, and the sign-in of this browser.
pub(super) async fn sign_out(
    State(pages): State<Arc<PageSessions>>,
    client: Option<Extension<WebClient>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let client = client.map(|Extension(client)| client);
    let is_secure = is_secure(client.as_ref());
    if !own_page::is_of_own_page(&headers, is_secure) {
        pages.metrics.foreign.inc();
        return Err(Problem::forbidden("a page of this host signs out, and no other"));
    }
    let mut response = match ended(&pages, &headers, client, is_secure).await {
        Ok(forgotten) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            for cookie in forgotten {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(problem) => problem.into_response(),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let session = cookies::set_cookie(cookie_name(is_secure), "", "; Max-Age=0", is_secure);
    for cookie in session.into_iter().chain(link::all_forgotten(&headers, is_secure)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The cookies of auth that the browser is to forget.
async fn ended(
    pages: &PageSessions,
    headers: &HeaderMap,
    client: Option<WebClient>,
    is_secure: bool,
) -> Result<Vec<HeaderValue>, Problem> {
    if let Some(cookie) = cookie_of(headers, is_secure) {
        pages.end(&cookie).await?;
    }
    let Some(cookies) = auth::cookies(headers) else { return Ok(Vec::new()) };
    let ended = pages.tokens.sign_out(cookies, client).await;
    ended.map_err(|_| Problem::unavailable("the session has ended, but the sign-in could not be ended now"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_asks_by_itself_who_is_signed_in_says_so() {
        for by_page in ["by=page", "x=1&by=page"] {
            assert_eq!(use_of(Some(by_page)), SessionUse::ByOpenPage, "{by_page}");
        }
        for by_person in [None, Some(""), Some("by=pages"), Some("by=person")] {
            assert_eq!(use_of(by_person), SessionUse::ByPerson, "{by_person:?}");
        }
    }
}
