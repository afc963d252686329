//! What every request of a listener passes, whichever route it takes.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Map};
use tower::Service;

/// An answer on its way.
pub type Answering = BoxFuture<'static, Response>;

/// What the requests of a listener pass: functions, the one put around last first, and a router behind them. Cheap to clone.
///
/// A function decides when a request comes. Where it has nothing to do it goes on to what is behind, and costs no more than its call; only
/// one that changes the answer, or waits, makes a future of its own. So ten of them cost less than one layer of a router, which makes a
/// copy of itself and of all below it for each request.
#[derive(Clone)]
pub struct Entrance(Arc<EntrancePart>);

/// A function that requests pass, with what is behind it.
type Pass = Box<dyn Fn(Request, &Entrance) -> Answering + Send + Sync>;

enum EntrancePart {
    /// A function, and what is behind it.
    Pass(Pass, Entrance),
    /// The last part.
    Routes(Router),
}

impl Entrance {
    /// Lets a request in.
    pub fn enter(&self, request: Request) -> Answering {
        match &*self.0 {
            EntrancePart::Pass(pass, behind) => pass(request, behind),
            EntrancePart::Routes(router) => {
                let answer = router.clone().call(request);
                // A router never fails: its error type has no values.
                Box::pin(async move { answer.await.unwrap_or_else(|never| match never {}) })
            }
        }
    }
}

impl From<Router> for Entrance {
    fn from(router: Router) -> Self {
        Self(Arc::new(EntrancePart::Routes(router)))
    }
}

/// For where a router is asked for: all that is around it costs a layer of that router.
impl From<Entrance> for Router {
    fn from(entrance: Entrance) -> Self {
        Self::new().fallback_service(entrance)
    }
}

impl Service<Request> for Entrance {
    type Response = Response;
    type Error = Infallible;
    type Future = Map<Answering, fn(Response) -> Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let whole: fn(Response) -> Result<Response, Infallible> = Ok;
        self.enter(request).map(whole)
    }
}

/// What is behind a function that each request passes. The function lets requests in with [`Entrance::enter`], or answers itself.
pub fn around<F>(behind: impl Into<Entrance>, pass: F) -> Entrance
where
    F: Fn(Request, &Entrance) -> Answering + Send + Sync + 'static,
{
    Entrance(Arc::new(EntrancePart::Pass(Box::new(pass), behind.into())))
}

/// An answer that is there already.
pub fn answered(response: Response) -> Answering {
    Box::pin(std::future::ready(response))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Path;
    use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
    use axum::response::IntoResponse as _;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    fn request(method: &Method, path: &str) -> Request {
        Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
    }

    fn mark(request: Request, behind: &Entrance) -> Answering {
        let answer = behind.enter(request);
        Box::pin(async move {
            let mut response = answer.await;
            response.headers_mut().append("passed", HeaderValue::from_static("yes"));
            response
        })
    }

    /// A pass that writes its name into the request and into the answer.
    fn named(name: &'static str) -> impl Fn(Request, &Entrance) -> Answering + Send + Sync + 'static {
        move |mut request, behind| {
            request.headers_mut().append("asked", HeaderValue::from_static(name));
            let answer = behind.enter(request);
            Box::pin(async move {
                let mut response = answer.await;
                response.headers_mut().append("answered", HeaderValue::from_static(name));
                response
            })
        }
    }

    fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    async fn text(response: Response) -> String {
        let read = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
        String::from_utf8(read.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn all_requests_pass_those_without_a_route_too_and_routes_are_found_as_before() {
        let router = Router::new().route("/of/{name}", get(async |Path(name): Path<String>| name));
        let entrance = around(around(router, mark), mark);
        for (method, path, status, body) in [
            (Method::GET, "/of/ann", StatusCode::OK, "ann"),
            (Method::HEAD, "/of/ann", StatusCode::OK, ""),
            (Method::POST, "/of/ann", StatusCode::METHOD_NOT_ALLOWED, ""),
            (Method::GET, "/else", StatusCode::NOT_FOUND, ""),
        ] {
            let response = entrance.enter(request(&method, path)).await;
            assert_eq!(response.status(), status, "{method} {path}");
            assert_eq!(all(response.headers(), "passed").len(), 2, "{method} {path}");
            assert_eq!(response.headers().contains_key("allow"), status == StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(text(response).await, body, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn what_was_put_around_last_is_passed_first_and_sees_the_answer_last() {
        let tells = get(async |headers: HeaderMap| all(&headers, "asked").join(" "));
        let entrance = around(around(around(Router::new().route("/", tells), named("c")), named("b")), named("a"));
        let response = entrance.enter(request(&Method::GET, "/")).await;
        assert_eq!(all(response.headers(), "answered"), ["c", "b", "a"]);
        assert_eq!(text(response).await, "a b c");
    }

    #[tokio::test]
    async fn a_pass_that_answers_itself_lets_nothing_in_and_those_around_it_see_its_answer() {
        let refuses = |request: Request, behind: &Entrance| match request.uri().path() {
            "/closed" => answered(StatusCode::FORBIDDEN.into_response()),
            _ => behind.enter(request),
        };
        let entrance = around(around(around(Router::new(), named("inner")), refuses), named("outer"));
        let refused = entrance.enter(request(&Method::GET, "/closed")).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        assert_eq!(all(refused.headers(), "answered"), ["outer"]);
        let passed = entrance.enter(request(&Method::GET, "/open")).await;
        assert_eq!(passed.status(), StatusCode::NOT_FOUND);
        assert_eq!(all(passed.headers(), "answered"), ["inner", "outer"]);
    }

    #[tokio::test]
    async fn a_pass_may_wait_before_it_lets_a_request_in() {
        let waits = |request: Request, behind: &Entrance| -> Answering {
            let behind = behind.clone();
            Box::pin(async move {
                tokio::task::yield_now().await;
                behind.enter(request).await
            })
        };
        let router = Router::new().route("/", get(async || "there"));
        let entrance = around(around(router, named("inner")), waits);
        assert!(entrance.enter(request(&Method::GET, "/")).now_or_never().is_none(), "it waits");
        assert_eq!(text(entrance.enter(request(&Method::GET, "/")).await).await, "there");
    }

    #[tokio::test]
    async fn as_a_router_or_a_service_it_answers_the_same() {
        let entrance = around(Router::new().route("/", get(async || "there")), mark);
        let by_service = entrance.clone().oneshot(request(&Method::GET, "/")).await.unwrap();
        let router = Router::new().route("/other", get(async || "other")).fallback_service(Router::from(entrance));
        let by_router = router.oneshot(request(&Method::GET, "/")).await.unwrap();
        for response in [by_service, by_router] {
            assert_eq!(all(response.headers(), "passed"), ["yes"]);
            assert_eq!(text(response).await, "there");
        }
    }
}
