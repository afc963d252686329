//! Errors as SCIM tells them (RFC 7644 section 3.12): of the role that answers, and of the edge in front of it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use net::http::Problem;
use serde_json::{Map, Value, json};

/// The media type of SCIM.
pub const MEDIA_TYPE: &str = "application/scim+json";
const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// What is wrong with a request, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScimType {
    /// A filter that cannot be read, or asks for what is not supported.
    InvalidFilter,
    /// More than a request may concern.
    TooMany,
    /// There is such a resource already.
    Uniqueness,
    /// An attribute that does not change so.
    Mutability,
    /// A body that cannot be read.
    InvalidSyntax,
    /// A path that cannot be read, or leads nowhere.
    InvalidPath,
    /// A path without a value to operate on.
    NoTarget,
    /// A value that is missing or breaks a rule.
    InvalidValue,
}

impl ScimType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
        }
    }
}

/// The error of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScimError {
    status: StatusCode,
    kind: Option<ScimType>,
    detail: String,
}

impl ScimError {
    /// An error with a status alone.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, kind: None, detail: detail.into() }
    }

    /// 400 of that kind.
    pub fn bad(kind: ScimType, detail: impl Into<String>) -> Self {
        Self { kind: Some(kind), ..Self::new(StatusCode::BAD_REQUEST, detail) }
    }

    /// 400: an attribute without a value that it could have.
    pub fn value(attribute: &str, rule: &str) -> Self {
        Self::bad(ScimType::InvalidValue, format!("{attribute}: {rule}"))
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 409: there is such a resource already.
    pub fn taken(detail: impl Into<String>) -> Self {
        Self { kind: Some(ScimType::Uniqueness), ..Self::new(StatusCode::CONFLICT, detail) }
    }

    /// The document that tells it.
    pub fn document(&self) -> Value {
        let mut told = Map::new();
        told.insert("schemas".to_owned(), json!([SCHEMA]));
        if let Some(kind) = self.kind {
            told.insert("scimType".to_owned(), json!(kind.as_str()));
        }
        told.insert("detail".to_owned(), json!(self.detail));
        told.insert("status".to_owned(), json!(self.status.as_str()));
        Value::Object(told)
    }
}

impl From<Problem> for ScimError {
    fn from(problem: Problem) -> Self {
        let status = problem.status_code();
        Self::new(status, problem.detail.unwrap_or(problem.title))
    }
}

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.document().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        match self.status {
            // RFC 6750 section 3.
            StatusCode::UNAUTHORIZED => {
                drop(headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            // RFC 9110 section 10.2.3.
            StatusCode::SERVICE_UNAVAILABLE => drop(headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"))),
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_its_status_as_text_and_its_type_if_there_is_one() {
        let told = ScimError::taken("userName: there is such a user already").document();
        assert_eq!(told["schemas"], json!([SCHEMA]));
        assert_eq!((&told["status"], &told["scimType"]), (&json!("409"), &json!("uniqueness")));
        let told = ScimError::from(Problem::unauthorized("no token")).document();
        assert_eq!((&told["status"], &told["detail"]), (&json!("401"), &json!("no token")));
        assert!(told.get("scimType").is_none());
        let response = ScimError::new(StatusCode::UNAUTHORIZED, "no token").into_response();
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}
