//! Answers: documents of objects, and refusals of tenant as problems (RFC 9457) with what is wrong as members.

use std::collections::{BTreeMap, HashMap};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contracts::provisioning::{FaultCode, ObjectKind};
use contracts::v1;
use net::http::Problem;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tonic::{Code, Status};

/// The id of the tenant itself, which has none: in a path something has to stand.
const ITSELF: &str = "-";

/// What is said where nobody knows what has become of a request.
pub(super) const UNKNOWN_OUTCOME: &str =
    "tenant has not answered: whether a change was made is not known; the same request_id sent again counts once";

/// A rule that an object would break.
#[derive(Serialize, JsonSchema)]
pub(super) struct ShownFault {
    kind: String,
    id: String,
    /// The field of the document, as `agent.skills`; empty for the object as a whole.
    field: String,
    /// The rule, for a human reader.
    rule: String,
    /// Which rule it is, for programs.
    code: FaultCode,
    /// What the rule names, by the names that belong to the code.
    values: BTreeMap<String, String>,
}

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct SetupRefusal(Box<RefusedSetup>);

#[derive(Debug)]
struct RefusedSetup {
    problem: Problem,
    /// What it says besides.
    members: Map<String, Value>,
}

impl SetupRefusal {
    fn with(problem: Problem, members: Value) -> Self {
        let members = if let Value::Object(members) = members { members } else { Map::new() };
        Self(Box::new(RefusedSetup { problem, members }))
    }

    /// 422 with one fault of an object.
    pub fn fault(kind: &str, id: &str, field: &str, rule: &str) -> Self {
        let [kind, id, field, rule] = [kind, id, field, rule].map(str::to_owned);
        let problem = Problem::unprocessable(format!("{kind} {id} {field}: {rule}"));
        // A program's mistake: no page sends such an edit.
        let shown = ShownFault { kind, id, field, rule, code: FaultCode::Other, values: BTreeMap::new() };
        Self::with(problem, json!({ "faults": [shown] }))
    }
}

impl From<Problem> for SetupRefusal {
    fn from(problem: Problem) -> Self {
        Self::with(problem, Value::Null)
    }
}

impl From<Status> for SetupRefusal {
    fn from(status: Status) -> Self {
        let message = status.message().to_owned();
        let v1::ObjectFaults { faults, more } = net::grpc::object_faults(&status);
        if net::grpc::is_answer_lost(&status) {
            tracing::warn!(%status, "tenant has not answered agent-setup");
            let problem = Problem::new(StatusCode::GATEWAY_TIMEOUT, "no-answer", "No answer came in time");
            return problem.detail(UNKNOWN_OUTCOME).into();
        }
        match status.code() {
            Code::NotFound => Problem::not_found(message).into(),
            Code::PermissionDenied => Self::with(Problem::forbidden(message), named(&faults, more)),
            Code::Unauthenticated => Problem::unauthorized(message).into(),
            Code::Aborted => stale(message, &faults),
            Code::InvalidArgument if faults.is_empty() => Problem::bad_request(message).into(),
            Code::InvalidArgument | Code::FailedPrecondition => {
                Self::with(Problem::unprocessable(message), named(&faults, more))
            }
            Code::ResourceExhausted => Problem::unavailable(message).into(),
            Code::DataLoss => {
                let title = "The tenant's configuration is damaged";
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", title).detail(message).into()
            }
            Code::Unavailable => {
                tracing::warn!(%status, "tenant does not answer agent-setup");
                Problem::unavailable("tenant does not answer now").into()
            }
            _ => {
                tracing::warn!(%status, "tenant has refused what agent-setup asks for");
                let problem =
                    Problem::new(StatusCode::BAD_GATEWAY, "tenant-refuses", "The request was not carried out");
                problem.into()
            }
        }
    }
}

impl IntoResponse for SetupRefusal {
    fn into_response(self) -> Response {
        let RefusedSetup { problem, members } = *self.0;
        let status = problem.status_code();
        if members.is_empty() {
            return problem.into_response();
        }
        let mut body = serde_json::to_value(&problem).unwrap_or_default();
        if let Value::Object(body) = &mut body {
            body.extend(members);
        }
        let json = HeaderValue::from_static("application/problem+json");
        (status, [(header::CONTENT_TYPE, json)], body.to_string()).into_response()
    }
}

/// 409: the object is at another revision; which it is.
fn stale(message: String, faults: &[v1::ObjectFault]) -> SetupRefusal {
    let members = faults.first().map_or(Value::Null, |first| {
        let revision = first.present_revision.unwrap_or_default();
        json!({ "kind": first.kind, "id": id_in_path(&first.kind, &first.id), "revision": revision })
    });
    SetupRefusal::with(Problem::conflict(message), members)
}

/// The members that name faults, and how many others there are; none without a fault.
fn named(faults: &[v1::ObjectFault], more: u32) -> Value {
    let faults: Vec<ShownFault> = faults.iter().map(told).collect();
    match (faults.is_empty(), more) {
        (true, _) => Value::Null,
        (false, 0) => json!({ "faults": faults }),
        (false, more) => json!({ "faults": faults, "more": more }),
    }
}

fn told(fault: &v1::ObjectFault) -> ShownFault {
    ShownFault {
        id: id_in_path(&fault.kind, &fault.id),
        kind: fault.kind.clone(),
        field: fault.field.clone(),
        rule: fault.rule.clone(),
        code: FaultCode::named(&fault.code),
        values: told_values(&fault.values),
    }
}

/// What a rule names, in one order.
pub(super) fn told_values(values: &HashMap<String, String>) -> BTreeMap<String, String> {
    values.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn is_tenant(kind: &str) -> bool {
    kind == ObjectKind::Tenant.as_str()
}

/// The id of an object as it stands in paths and answers.
pub(super) fn id_in_path(kind: &str, id: &str) -> String {
    if is_tenant(kind) { ITSELF.to_owned() } else { id.to_owned() }
}

/// The id of an object as tenant takes it.
pub(super) fn id_of_path(kind: &str, id: String) -> String {
    if is_tenant(kind) && id == ITSELF { String::new() } else { id }
}

/// Whether a value says nothing, and may be left out of an answer.
pub(super) fn is_nothing<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The document of an object; none if it does not exist.
pub(super) fn document(json: &str) -> Option<Value> {
    if json.is_empty() { None } else { serde_json::from_str(json).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: Code, present_revision: Option<u64>) -> Status {
        let fault = v1::ObjectFault {
            kind: "person".to_owned(),
            id: "ann".to_owned(),
            field: "agent.skills".to_owned(),
            rule: "there is no skill Patience".to_owned(),
            present_revision,
            code: "unknown".to_owned(),
            values: [("kind", "skill"), ("id", "Patience")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        };
        let status = Status::new(code, "person ann agent.skills: there is no skill Patience");
        net::grpc::with_object_faults(status, &v1::ObjectFaults { faults: vec![fault], more: 2 })
    }

    async fn answered(status: Status) -> (u16, Value) {
        let response = SetupRefusal::from(status).into_response();
        let code = response.status().as_u16();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (code, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_refusal_names_object_field_and_rule() {
        let (code, problem) = answered(status(Code::InvalidArgument, None)).await;
        assert_eq!((code, &problem["type"]), (422, &json!("faulty")));
        let fault = json!({
            "kind": "person", "id": "ann", "field": "agent.skills", "rule": "there is no skill Patience",
            "code": "unknown", "values": {"id": "Patience", "kind": "skill"}
        });
        assert_eq!((&problem["faults"], &problem["more"]), (&json!([fault]), &json!(2)));
        assert_eq!(answered(status(Code::FailedPrecondition, None)).await.0, 422);
        let (code, problem) = answered(status(Code::PermissionDenied, None)).await;
        assert_eq!((code, &problem["type"]), (403, &json!("forbidden")));
        assert_eq!((&problem["faults"][0]["field"], &problem["more"]), (&json!("agent.skills"), &json!(2)));
    }

    #[test]
    fn a_rule_of_another_release_is_said_by_its_words_alone() {
        for code in ["", "of_a_later_release"] {
            let fault = v1::ObjectFault { code: code.to_owned(), rule: "new".to_owned(), ..v1::ObjectFault::default() };
            let shown = told(&fault);
            assert_eq!((shown.code, shown.rule.as_str()), (FaultCode::Other, "new"));
        }
    }

    #[tokio::test]
    async fn a_conflict_says_at_which_revision_the_object_is() {
        let (code, problem) = answered(status(Code::Aborted, Some(7))).await;
        assert_eq!((code, &problem["type"]), (409, &json!("conflict")));
        assert_eq!(
            (&problem["kind"], &problem["id"], &problem["revision"]),
            (&json!("person"), &json!("ann"), &json!(7))
        );
    }

    #[tokio::test]
    async fn other_refusals_have_their_status() {
        for (code, status) in [
            (Code::NotFound, 404),
            (Code::PermissionDenied, 403),
            (Code::Unauthenticated, 401),
            (Code::InvalidArgument, 400),
            (Code::ResourceExhausted, 503),
            (Code::Unavailable, 503),
            (Code::Cancelled, 504),
            (Code::DeadlineExceeded, 504),
            (Code::DataLoss, 500),
            (Code::Internal, 502),
        ] {
            let (answered, problem) = answered(Status::new(code, "x")).await;
            assert_eq!((answered, problem.get("faults")), (status, None), "{code:?}");
        }
    }

    #[test]
    fn the_tenant_itself_is_a_dash_in_paths() {
        assert_eq!((id_in_path("tenant", ""), id_of_path("tenant", "-".to_owned())), ("-".to_owned(), String::new()));
        assert_eq!((id_in_path("dn", "7101"), id_of_path("dn", "-".to_owned())), ("7101".to_owned(), "-".to_owned()));
    }
}
