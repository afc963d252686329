//! Requests and answers of SCIM: bodies, versions, locations, and refusals of tenant.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use contracts::provisioning::FaultCode;
use contracts::v1;
use serde_json::{Map, Value};
use tonic::{Code, Status};

use crate::scim_error::{MEDIA_TYPE, ScimError, ScimType};

/// The body of a request: an object.
pub(super) struct ScimBody(pub Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for ScimBody {
    type Rejection = ScimError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ScimError> {
        if !is_json(request.headers()) {
            let detail = format!("the body must be {MEDIA_TYPE}");
            return Err(ScimError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|refused| ScimError::new(refused.status(), refused.body_text()))?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(body)) => Ok(Self(body)),
            Ok(_) => Err(ScimError::bad(ScimType::InvalidSyntax, "the body is not a JSON object")),
            Err(error) => {
                let detail = format!("the body is not JSON: line {}, column {}", error.line(), error.column());
                Err(ScimError::bad(ScimType::InvalidSyntax, detail))
            }
        }
    }
}

/// Whether the body is of a type that SCIM has. One that says nothing is read as one.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return true };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(MEDIA_TYPE) || kind.eq_ignore_ascii_case("application/json")
}

/// An answer with a document.
pub(super) fn document(status: StatusCode, document: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], document.to_string()).into_response()
}

// === versions ===

/// The version of a resource at a revision: a weak tag.
pub(super) fn version(revision: u64) -> String {
    format!("W/\"{revision}\"")
}

/// The answer with a resource's version in its head.
pub(super) fn tagged(mut response: Response, revision: u64) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&version(revision)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Which versions of a resource a request is meant for (RFC 7644 section 3.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// As the head of the request says.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut lists = headers.get_all(header::IF_MATCH).iter().peekable();
        if lists.peek().is_none() {
            return Self(None);
        }
        let tags = lists.filter_map(|list| list.to_str().ok()).flat_map(|list| list.split(','));
        Self(Some(tags.map(|tag| tag.trim().to_owned()).collect()))
    }

    /// Refuses another version with 412.
    ///
    /// # Errors
    /// If the resource is at another one.
    pub fn holds(&self, revision: u64) -> Result<(), ScimError> {
        let Some(tags) = &self.0 else { return Ok(()) };
        let own = format!("\"{revision}\"");
        if tags.iter().any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == own) {
            return Ok(());
        }
        let detail = format!("the user is at version {}", version(revision));
        Err(ScimError::new(StatusCode::PRECONDITION_FAILED, detail))
    }

    /// Refuses with 412 what is meant for some version of a resource that has none (RFC 9110 section 13.1.1).
    ///
    /// # Errors
    /// If the request names a version.
    pub fn holds_without_version(&self) -> Result<(), ScimError> {
        match &self.0 {
            Some(tags) if !tags.iter().any(|tag| tag == "*") => {
                Err(ScimError::new(StatusCode::PRECONDITION_FAILED, "groups have no versions: leave If-Match out"))
            }
            _ => Ok(()),
        }
    }
}

// === refusals of tenant ===

/// A refusal of tenant, with its faults by the names of SCIM.
pub(super) fn refused(status: &Status) -> ScimError {
    let message = status.message().to_owned();
    if net::grpc::is_answer_lost(status) {
        tracing::warn!(%status, "tenant has not answered agent-setup");
        let detail = "tenant has not answered: whether a change was made is not known";
        return ScimError::new(StatusCode::GATEWAY_TIMEOUT, detail);
    }
    match status.code() {
        Code::NotFound => ScimError::not_found(message),
        Code::PermissionDenied => ScimError::new(StatusCode::FORBIDDEN, message),
        Code::Unauthenticated => ScimError::new(StatusCode::UNAUTHORIZED, message),
        Code::Aborted | Code::FailedPrecondition => ScimError::new(StatusCode::CONFLICT, message),
        Code::InvalidArgument if is_taken(status) => ScimError::taken(faults_told(status).unwrap_or(message)),
        Code::InvalidArgument => ScimError::bad(ScimType::InvalidValue, faults_told(status).unwrap_or(message)),
        Code::ResourceExhausted => ScimError::new(StatusCode::SERVICE_UNAVAILABLE, message),
        Code::DataLoss => ScimError::new(StatusCode::INTERNAL_SERVER_ERROR, message),
        Code::Unavailable => {
            tracing::warn!(%status, "tenant does not answer agent-setup");
            ScimError::new(StatusCode::SERVICE_UNAVAILABLE, "tenant does not answer now")
        }
        _ => {
            tracing::warn!(%status, "tenant has refused what agent-setup asks for");
            ScimError::new(StatusCode::BAD_GATEWAY, "the request was not carried out")
        }
    }
}

/// Whether all that is wrong is that somebody else has what nobody else may have.
fn is_taken(status: &Status) -> bool {
    let faults = net::grpc::object_faults(status).faults;
    let is_taken = |fault: &v1::ObjectFault| fault.field == "external_id" && fault.code == FaultCode::Held.as_str();
    !faults.is_empty() && faults.iter().all(is_taken)
}

/// Each fault by its attribute, and of whom it is: a group changes many.
fn faults_told(status: &Status) -> Option<String> {
    let v1::ObjectFaults { faults, more } = net::grpc::object_faults(status);
    let one = |fault: &v1::ObjectFault| {
        let told = format!("{}: {}", attribute(&fault.field), fault.rule);
        match fault.kind.as_str() {
            "" => told,
            "person" => format!("{told} (user {})", fault.id),
            kind => format!("{told} ({kind} {})", fault.id),
        }
    };
    let mut told: Vec<String> = faults.iter().map(one).collect();
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    (!faults.is_empty()).then(|| told.join("; "))
}

/// The attribute for a field of a person's document.
fn attribute(field: &str) -> &str {
    match field {
        "user_name" | "" => "userName",
        "first_name" => "name.givenName",
        "last_name" => "name.familyName",
        "email" => "emails.value",
        "disabled" => "active",
        "privileges" => "groups",
        "external_id" => "externalId",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn if_match(value: &'static str) -> IfMatch {
        IfMatch::of(&HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_static(value))]))
    }

    #[test]
    fn a_request_for_another_version_is_refused() {
        assert!(IfMatch::of(&HeaderMap::new()).holds(7).is_ok());
        for meant in ["W/\"7\"", "\"7\"", "*", "W/\"6\", W/\"7\""] {
            assert!(if_match(meant).holds(7).is_ok(), "{meant}");
        }
        for other in ["W/\"6\"", "W/\"77\"", "7", ""] {
            let told = if_match(other).holds(7).unwrap_err().document();
            assert_eq!(told["status"], "412", "{other}");
        }
    }

    #[test]
    fn what_has_no_version_is_at_none_that_is_named() {
        assert!(IfMatch::of(&HeaderMap::new()).holds_without_version().is_ok());
        assert!(if_match("*").holds_without_version().is_ok());
        let told = if_match("W/\"7\"").holds_without_version().unwrap_err().document();
        assert_eq!(told["status"], "412");
    }

    #[test]
    fn bodies_are_of_scim_or_json() {
        for (kind, is) in [
            ("application/scim+json", true),
            ("application/json; charset=utf-8", true),
            ("Application/SCIM+json;charset=utf-8", true),
            ("text/plain", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
            assert_eq!(is_json(&headers), is, "{kind}");
        }
        assert!(is_json(&HeaderMap::new()));
    }

    #[test]
    fn faults_of_tenant_name_attributes_of_scim() {
        let fault = v1::ObjectFault {
            kind: "person".to_owned(),
            id: "ann".to_owned(),
            field: "password".to_owned(),
            rule: "it is too short".to_owned(),
            ..v1::ObjectFault::default()
        };
        let of_bob = v1::ObjectFault { id: "bob".to_owned(), field: "privileges".to_owned(), ..fault.clone() };
        let of_request = v1::ObjectFault { kind: String::new(), field: "first_name".to_owned(), ..fault.clone() };
        let faults = v1::ObjectFaults { faults: vec![fault, of_bob, of_request], more: 2 };
        let status = net::grpc::with_object_faults(Status::new(Code::InvalidArgument, "x"), &faults);
        let told = refused(&status).document();
        assert_eq!((&told["status"], &told["scimType"]), (&Value::from("400"), &Value::from("invalidValue")));
        let expected = "password: it is too short (user ann); groups: it is too short (user bob); \
                        name.givenName: it is too short; and 2 more";
        assert_eq!(told["detail"], expected);
    }

    #[test]
    fn an_external_id_of_somebody_else_is_a_conflict() {
        let fault = v1::ObjectFault {
            field: "external_id".to_owned(),
            rule: "bob has the external id 7 already".to_owned(),
            code: "held".to_owned(),
            ..v1::ObjectFault::default()
        };
        let told = |faults: Vec<v1::ObjectFault>| {
            let faults = v1::ObjectFaults { faults, more: 0 };
            refused(&net::grpc::with_object_faults(Status::new(Code::InvalidArgument, "x"), &faults)).document()
        };
        let taken = told(vec![fault.clone()]);
        assert_eq!((&taken["status"], &taken["scimType"]), (&Value::from("409"), &Value::from("uniqueness")));
        assert_eq!(taken["detail"], "externalId: bob has the external id 7 already");
        // Another name alone does not mend this one.
        let weak = v1::ObjectFault { field: "password".to_owned(), code: "too_short".to_owned(), ..fault.clone() };
        assert_eq!(told(vec![fault, weak])["scimType"], "invalidValue");
    }

    #[test]
    fn other_refusals_have_their_status() {
        for (code, status) in [
            (Code::NotFound, "404"),
            (Code::PermissionDenied, "403"),
            (Code::Unauthenticated, "401"),
            (Code::FailedPrecondition, "409"),
            (Code::ResourceExhausted, "503"),
            (Code::Unavailable, "503"),
            (Code::Cancelled, "504"),
            (Code::DeadlineExceeded, "504"),
            (Code::DataLoss, "500"),
            (Code::Internal, "502"),
        ] {
            assert_eq!(refused(&Status::new(code, "x")).document()["status"], status, "{code:?}");
        }
    }
}
