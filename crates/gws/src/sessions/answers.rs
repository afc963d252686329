//! The answers of the published APIs: an object with a status, for refusals too.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use net::http::Problem;
use serde_json::{Value, json};

use crate::replica_choice::NOT_TAKEN;

/// The code of an answer to somebody without a session, as the published services have it.
const WITHOUT_SESSION: u16 = 603;

/// Why a request, or a part of it, is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiRefusal {
    status: StatusCode,
    code: u16,
    message: String,
    /// Whether nothing was done of the request, and another replica may take it.
    is_for_another: bool,
    /// Whether nobody knows if the request was carried out: whoever was asked has not answered to the end.
    may_be_done: bool,
}

impl ApiRefusal {
    fn of(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, code: status.as_u16(), message: message.into(), is_for_another: false, may_be_done: false }
    }

    /// With a code of its own; an HTTP status that there is not is 500.
    pub(crate) fn with_code(status: u16, code: u16, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { code, ..Self::of(status, message) }
    }

    /// 403: there is no session, or none any more.
    pub(crate) fn without_session() -> Self {
        Self { code: WITHOUT_SESSION, ..Self::of(StatusCode::FORBIDDEN, "Unauthorized") }
    }

    /// 400: the request cannot be read; the message names what is wrong with what.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::of(StatusCode::BAD_REQUEST, message)
    }

    /// 401: the token is not good here.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::of(StatusCode::UNAUTHORIZED, message)
    }

    /// 403: whoever asks may not.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::of(StatusCode::FORBIDDEN, message)
    }

    /// 404: there is no such thing.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::of(StatusCode::NOT_FOUND, message)
    }

    /// 409: the present state does not allow it.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::of(StatusCode::CONFLICT, message)
    }

    /// 412: the page that asks is of another person than the session. Nothing was done.
    pub(crate) fn another_person() -> Self {
        Self::of(StatusCode::PRECONDITION_FAILED, "the page is of another person than the session of this browser")
    }

    /// 429: too much at once.
    pub(crate) fn too_many(message: impl Into<String>) -> Self {
        Self::of(StatusCode::TOO_MANY_REQUESTS, message)
    }

    /// 501: there is no such operation, or not in this way.
    pub(crate) fn not_implemented(message: impl Into<String>) -> Self {
        Self::of(StatusCode::NOT_IMPLEMENTED, message)
    }

    /// 501: there is no such operation.
    pub(crate) fn unknown_operation() -> Self {
        Self::not_implemented("there is no such operation")
    }

    /// 500: the fault is ours.
    pub(crate) fn internal() -> Self {
        Self::of(StatusCode::INTERNAL_SERVER_ERROR, "something went wrong here")
    }

    /// 503: not now.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::of(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// 503: not here; another replica takes it.
    pub(crate) fn for_another(message: impl Into<String>) -> Self {
        Self { is_for_another: true, ..Self::unavailable(message) }
    }

    /// 503: the session has just ended or moved, and nothing was done.
    pub(crate) fn elsewhere() -> Self {
        Self::for_another("the session is not here any more: ask again")
    }

    /// 503: whoever was asked has not answered to the end; it may have been carried out.
    pub(crate) fn unanswered(message: impl Into<String>) -> Self {
        Self { may_be_done: true, ..Self::unavailable(message) }
    }

    /// 504: nobody has answered in time; it may have been carried out.
    pub(crate) fn late() -> Self {
        let message = "no answer in time: it may have been carried out all the same";
        Self { may_be_done: true, ..Self::of(StatusCode::GATEWAY_TIMEOUT, message) }
    }

    /// The same of one thing among several.
    #[must_use]
    pub(crate) fn about(mut self, id: &str) -> Self {
        self.message = format!("{id}: {}", self.message);
        self
    }

    /// Its HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Its words.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Whether nobody knows if the request was carried out.
    pub(crate) fn may_be_done(&self) -> bool {
        self.may_be_done
    }

    /// The envelope.
    pub(crate) fn body(&self) -> Value {
        json!({"status": {"code": self.code, "message": self.message}})
    }
}

impl From<Problem> for ApiRefusal {
    fn from(problem: Problem) -> Self {
        Self::of(problem.status_code(), problem.detail.unwrap_or(problem.title))
    }
}

impl IntoResponse for ApiRefusal {
    fn into_response(self) -> Response {
        let mut response = answer(self.status, &self.body());
        let told = match self.status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")),
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "1")),
            _ => None,
        };
        if let Some((name, value)) = told {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        if self.is_for_another {
            response.headers_mut().insert(NOT_TAKEN, HeaderValue::from_static("1"));
        }
        response
    }
}

/// An answer that nobody keeps.
pub(crate) fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// It is done.
pub(crate) fn done() -> Response {
    answer(StatusCode::OK, &json!({"status": {"code": 0}}))
}

/// It is begun, and what comes of it is told by an event or a notification.
pub(crate) fn begun() -> Response {
    answer(StatusCode::OK, &json!({"status": {"code": 1}}))
}

/// Which build answers.
pub(crate) fn build() -> Response {
    answer(StatusCode::OK, &json!({"status": {"code": 0}, "version": env!("CARGO_PKG_VERSION")}))
}

/// What was asked for, in its envelope.
pub(crate) fn enveloped(data: &Value) -> Value {
    json!({"status": {"code": 0}, "data": data})
}

/// What was asked for.
pub(crate) fn data(data: &Value) -> Response {
    answer(StatusCode::OK, &enveloped(data))
}

/// What was asked for, with a word about how it came.
pub(crate) fn data_with_message(data: &Value, message: &str) -> Response {
    let mut body = enveloped(data);
    body["status"]["message"] = message.into();
    answer(StatusCode::OK, &body)
}

/// What was asked for, beside the refusals of parts of it.
pub(crate) fn data_beside(data: &Value, refused: &[ApiRefusal]) -> Response {
    let mut body = enveloped(data);
    if !refused.is_empty() {
        body["errors"] = refused.iter().map(ApiRefusal::body).collect();
    }
    answer(StatusCode::OK, &body)
}

/// To another place.
///
/// # Errors
/// 400 if no header can have it.
pub(crate) fn found(location: &str) -> Result<Response, ApiRefusal> {
    let location = HeaderValue::from_str(location)
        .map_err(|_| ApiRefusal::bad_request("redirect_uri: it has what no header may have"))?;
    let mut response = StatusCode::FOUND.into_response();
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The body of a request; null where there is none: clients send none, and say that it is JSON.
///
/// # Errors
/// 400 if it is not JSON.
pub(crate) fn read_body(body: &[u8]) -> Result<Value, ApiRefusal> {
    if body.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).map_err(|error| ApiRefusal::bad_request(format!("body: it is not JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(response: Response) -> Value {
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn a_refusal_has_the_shape_of_every_answer_and_its_status_as_code() {
        let response = ApiRefusal::bad_request("destination is missing").into_response();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let wanted = json!({"status": {"code": 400, "message": "destination is missing"}});
        assert_eq!(read(response).await, wanted);
        let refused = ApiRefusal::from(Problem::conflict("person ann: it is at revision 7, not 5"));
        assert_eq!(refused.status(), StatusCode::CONFLICT);
        let wanted = json!({"status": {"code": 409, "message": "person ann: it is at revision 7, not 5"}});
        assert_eq!(refused.body(), wanted);
        let nobody = ApiRefusal::without_session().into_response();
        assert_eq!(nobody.status(), StatusCode::FORBIDDEN);
        assert_eq!(read(nobody).await, json!({"status": {"code": 603, "message": "Unauthorized"}}));
        let later = ApiRefusal::unavailable("x").into_response();
        assert_eq!(later.headers()[header::RETRY_AFTER], "1");
        assert!(!later.headers().contains_key(NOT_TAKEN));
        let elsewhere = ApiRefusal::for_another("x").into_response();
        assert_eq!(
            (elsewhere.status(), &elsewhere.headers()[NOT_TAKEN]),
            (later.status(), &HeaderValue::from_static("1"))
        );
        assert_eq!(ApiRefusal::with_code(1, 9, "x").status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[tokio::test]
    async fn what_is_done_what_is_begun_and_what_is_read_differ_by_the_code() {
        assert_eq!(read(done()).await, json!({"status": {"code": 0}}));
        assert_eq!(read(begun()).await, json!({"status": {"code": 1}}));
        assert_eq!(read(data(&json!({"calls": []}))).await, json!({"status": {"code": 0}, "data": {"calls": []}}));
        assert!(found("/a\nb").is_err());
    }

    #[tokio::test]
    async fn parts_that_are_refused_stand_beside_those_that_are_not() {
        let refused = ApiRefusal::not_found("there is no agent 1").about("s2");
        let told = read(data_beside(&json!({"statistics": []}), &[refused])).await;
        let errors = json!([{"status": {"code": 404, "message": "s2: there is no agent 1"}}]);
        assert_eq!(told, json!({"status": {"code": 0}, "data": {"statistics": []}, "errors": errors}));
        assert!(read(data_beside(&json!({}), &[])).await.get("errors").is_none());
    }

    #[test]
    fn no_body_is_none_and_one_that_is_no_json_is_named() {
        for none in [&b""[..], b"  ", b"\r\n"] {
            assert_eq!(read_body(none).unwrap(), Value::Null);
        }
        assert_eq!(read_body(b"{}").unwrap(), json!({}));
        assert_eq!(read_body(b"{").unwrap_err().status(), StatusCode::BAD_REQUEST);
    }
}
