//! Refusals below the published APIs that no endpoint has worded: those of the router, of what reads a request, of the gate and of the
//! limits. Clients of these APIs read every answer as an object with a `status`, and none as problem details.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use runtime::Problem;
use runtime::around::{Answering, Entrance, around};
use serde_json::{Value, json};

/// The longest problem that is told anew, in bytes.
const PROBLEM_BYTES_MAX: usize = 64 << 10;

/// Puts around `behind` that problem details about requests of published APIs, which `are_published` tells from others, become the envelope
/// of those: `{"status": {"code", "message", "detail"}}`. Status and headers stay.
pub fn with_published_refusals(behind: impl Into<Entrance>, are_published: fn(&Method, &str) -> bool) -> Entrance {
    around(behind, move |request: Request, behind: &Entrance| -> Answering {
        let is_published = are_published(request.method(), request.uri().path());
        let answer = behind.enter(request);
        if !is_published {
            return answer;
        }
        Box::pin(async move {
            let response = answer.await;
            if is_problem(&response) { as_published(response).await } else { response }
        })
    })
}

fn is_problem(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes() == b"application/problem+json")
}

async fn as_published(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, PROBLEM_BYTES_MAX).await.unwrap_or_default();
    let envelope = envelope(head.status, serde_json::from_slice(&bytes).ok(), &head.headers);
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Response::from_parts(head, Body::from(envelope.to_string()))
}

/// The message names what of the request is wrong, as endpoints do; the detail says more where there is more to say.
fn envelope(status: StatusCode, problem: Option<Problem>, headers: &HeaderMap) -> Value {
    let usual = || status.canonical_reason().unwrap_or("the request is refused").to_owned();
    let (message, detail) = match (status, problem) {
        (StatusCode::PAYLOAD_TOO_LARGE, _) => ("body: it is too large".to_owned(), None),
        (StatusCode::REQUEST_TIMEOUT, _) => ("body: it did not come in time".to_owned(), None),
        (StatusCode::METHOD_NOT_ALLOWED, _) => {
            let known = headers.get(header::ALLOW).and_then(|known| known.to_str().ok());
            ("method: the path does not know it".to_owned(), known.map(|known| format!("it knows {known}")))
        }
        (_, Some(Problem { title, detail: Some(detail), .. })) => (detail, Some(title)),
        (_, Some(problem)) => (problem.title, None),
        (_, None) => (usual(), None),
    };
    let mut told = json!({"code": status.as_u16(), "message": message});
    if let Some(detail) = detail {
        told["detail"] = detail.into();
    }
    json!({ "status": told })
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::response::IntoResponse as _;
    use axum::routing::get;

    use super::*;

    async fn refuses() -> Problem {
        Problem::bad_request("query: limit: it is no number")
    }

    fn entrance() -> Entrance {
        let router = Router::new()
            .route("/published/list", get(refuses))
            .route("/published/other", get(async || "there"))
            .route("/own/list", get(refuses));
        with_published_refusals(router, |_, path| path.starts_with("/published/"))
    }

    async fn asked(path: &str) -> (Response, Value) {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let (head, body) = entrance().enter(request).await.into_parts();
        let bytes = axum::body::to_bytes(body, 1_000).await.unwrap();
        (Response::from_parts(head, Body::empty()), serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn published(problem: Problem) -> (Response, Value) {
        let (head, body) = as_published(problem.into_response()).await.into_parts();
        let bytes = axum::body::to_bytes(body, 1_000).await.unwrap();
        (Response::from_parts(head, Body::empty()), serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn problems_below_published_paths_alone_are_told_in_the_envelope() {
        let (response, told) = asked("/published/list").await;
        assert_eq!((response.status().as_u16(), &response.headers()[header::CONTENT_TYPE]), (400, &json_type()));
        let wanted = json!({
            "code": 400, "message": "query: limit: it is no number", "detail": "The request cannot be read",
        });
        assert_eq!(told, json!({ "status": wanted }));
        let (response, told) = asked("/own/list").await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(told["detail"], "query: limit: it is no number");
        assert_eq!(asked("/published/other").await.0.status(), StatusCode::OK);
    }

    fn json_type() -> HeaderValue {
        HeaderValue::from_static("application/json")
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_and_headers_stay() {
        let (_, told) =
            published(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large")).await;
        assert_eq!(told, json!({"status": {"code": 413, "message": "body: it is too large"}}));
        let (response, told) = published(Problem::unavailable("too many requests at once")).await;
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(told["status"]["message"], "too many requests at once");
        let mut method = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "x").into_response();
        method.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
        let response = as_published(method).await;
        assert_eq!(response.headers()[header::ALLOW], "GET,HEAD");
        let bytes = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
        let told: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(told["status"]["detail"], "it knows GET,HEAD");
    }

    #[test]
    fn a_problem_that_cannot_be_read_is_told_by_its_status() {
        let told = envelope(StatusCode::BAD_GATEWAY, None, &HeaderMap::new());
        assert_eq!(told, json!({"status": {"code": 502, "message": "Bad Gateway"}}));
    }
}
