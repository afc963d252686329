//! Which pages may read our answers from a browser (CORS, Fetch section 3.2): what a client is told, those at the origins of
//! its redirect URIs. No answer to a cookie is among it.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use identity::redirect_uri;

/// For what anybody may read.
pub(in crate::auth) const ANYBODY: (HeaderName, &str) = (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
/// How long a browser need not ask again whether it may ask, in seconds.
const ALLOWED_FOR_S: u64 = 600;

/// The redirect URIs of the client that an answer is for.
#[derive(Clone)]
struct OfClient(Vec<String>);

/// The answer to a client with those redirect URIs.
pub(in crate::auth) fn for_client(mut response: Response, redirect_uris: Vec<String>) -> Response {
    response.extensions_mut().insert(OfClient(redirect_uris));
    response
}

/// Whether a page asks, and not a program.
pub(in crate::auth) fn is_of_page(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN)
}

/// Says which page may read the answer.
pub(in crate::auth) async fn share(request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else { return next.run(request).await };
    if request.method() == Method::OPTIONS {
        return allowed_to_ask(origin);
    }
    let mut response = next.run(request).await;
    let of_client = response.extensions_mut().remove::<OfClient>();
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let is_of_client =
        |OfClient(uris): OfClient| origin.to_str().is_ok_and(|origin| redirect_uri::is_origin_of(&uris, origin));
    if of_client.is_some_and(is_of_client) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    response
}

/// Any page may ask, as any program may: without cookies, and what is answered it reads only if it is the client's.
fn allowed_to_ask(origin: HeaderValue) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, ALLOWED_FOR_S.into());
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    response
}
