//! Hands what is below `/auth/v3` to auth (own-11), with the proofs that the caller brings and none of our own; but not what roles of the
//! installation ask it for among themselves (own-15), which is not there for others.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use net::http::FORWARDED_HOST;
use runtime::RoleContext;
use runtime::issuer::{METADATA, PUBLISHED_PAGES};

use super::hand_on::RoleBehind;
use super::{pages, routes};

/// Below it roles ask, and nobody else (`runtime::key_files::PATH`).
const OF_ROLES: &str = "/auth/v3/roles";
/// Headers forwarded with a request; the others concern one hop, or say what ingress knows better.
static PASSED_ON: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::ORIGIN,
    header::REFERER,
    header::USER_AGENT,
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("x-request-id"),
];

pub(super) fn router(ctx: &RoleContext) -> anyhow::Result<Router> {
    let auth = RoleBehind::new(ctx, runtime::issuer::PATH, &PASSED_ON)?;
    Ok(routed(&any(to_auth)).with_state(auth))
}

/// The paths that are handed on, and those that are not.
fn routed<S: Clone + Send + Sync + 'static>(to_auth: &MethodRouter<S>) -> Router<S> {
    let below = routes::all_below(runtime::issuer::PATH);
    let paths = [below.as_str()].into_iter().chain(METADATA).chain(PUBLISHED_PAGES);
    let router = paths.fold(Router::new(), |router, path| router.route(path, to_auth.clone()));
    let nothing = || any(async || pages::no_such_path());
    router.route(OF_ROLES, nothing()).route(&routes::all_below(OF_ROLES), nothing())
}

async fn to_auth(State(auth): State<RoleBehind>, request: Request) -> Response {
    let cookies = cookies(request.headers()).map(|cookies| (header::COOKIE, cookies));
    // A host may name the tenant.
    let host = request.headers().get(header::HOST).cloned().map(|host| (FORWARDED_HOST, host));
    auth.hand_on(request, cookies.into_iter().chain(host)).await
}

/// The cookies as one header: HTTP/2 may send one each (RFC 9113 section 8.2.3).
pub(super) fn cookies(headers: &HeaderMap) -> Option<HeaderValue> {
    let each: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if each.is_empty() { None } else { HeaderValue::from_bytes(&each.join(b"; ".as_slice())).ok() }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use runtime::around::Entrance;

    use super::*;

    #[tokio::test]
    async fn what_roles_ask_auth_for_is_not_there_for_others() {
        assert!(runtime::key_files::PATH.starts_with(OF_ROLES));
        let edge = Entrance::from(routed(&any(async || "of auth")));
        let nothing = [runtime::key_files::PATH, "/auth/v3/roles", "/auth/v3/roles/keys?x=1", "/auth/v3/roles/other/x"];
        let handed_on = ["/auth/v3/oauth/token", "/auth/v3/roles-of-people", METADATA[0], PUBLISHED_PAGES[0]];
        let due = nothing.map(|path| (path, StatusCode::NOT_FOUND)).into_iter();
        for (path, status) in due.chain(handed_on.map(|path| (path, StatusCode::OK))) {
            for method in ["GET", "POST"] {
                let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
                assert_eq!(edge.enter(request).await.status(), status, "{method} {path}");
            }
        }
    }

    #[test]
    fn cookies_that_come_apart_go_on_as_one() {
        let mut headers = HeaderMap::new();
        assert_eq!(cookies(&headers), None);
        headers.append(header::COOKIE, HeaderValue::from_static("a=1"));
        headers.append(header::COOKIE, HeaderValue::from_static("b=2"));
        assert_eq!(cookies(&headers).unwrap(), "a=1; b=2");
    }
}
