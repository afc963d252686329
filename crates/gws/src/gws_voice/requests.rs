//! Requests of desktops: as gws-workspace sends them, as tenant takes them, and what a refusal says.

use contracts::json::read_request;
use contracts::{v1, wire};
use model::event::ErrorCode;
use model::{ConnId, Dn, TenantId};
use net::grpc::{for_tenant, is_answer_lost};
use net::http::{Problem, StatusCode};
use net::requester::{self, REQUESTER};
use serde::Deserialize;
use serde_json::Value;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Status};

/// The request that sends pairs to those who follow a DN. At desktops it may name a call, by `ConnID`: then it goes to each DN of it.
const USER_EVENT: &str = "TSendUserEvent";

/// The body of a request.
#[derive(Deserialize)]
pub(super) struct VoiceRequest {
    /// The subject of the person at the desktop, as `person/ann`.
    requester: String,
    /// The request as frontend takes it (docs/requests.md).
    frame: Value,
}

impl VoiceRequest {
    /// As tenant takes it.
    ///
    /// # Errors
    /// Which field breaks which rule (422), with the published number where it is one of the frame.
    pub fn read(&self, tenant: &TenantId) -> Result<tonic::Request<v1::AskRequest>, Problem> {
        let requester = self.requester()?;
        let read = read_request(&self.frame, tenant, &self.requester)
            .map_err(|error| Problem::unprocessable(error.to_string()).code(u32::from(error.code.0)))?;
        let asked = v1::AskRequest { request: Some(wire::request_to_wire(&read.request)) };
        let mut asked = for_tenant(tonic::Request::new(asked), tenant);
        asked.metadata_mut().insert(REQUESTER, requester);
        Ok(asked)
    }

    /// Takes out of a user event the call to whose other DNs it goes, too; none where it names none.
    ///
    /// # Errors
    /// If it is no id of a call (56).
    pub fn take_call(&mut self) -> Result<Option<ConnId>, Problem> {
        let Value::Object(fields) = &mut self.frame else { return Ok(None) };
        if fields.get("req").and_then(Value::as_str) != Some(USER_EVENT) {
            return Ok(None);
        }
        let Some(named) = fields.remove("ConnID") else { return Ok(None) };
        let call = named.as_str().and_then(|id| id.parse::<ConnId>().ok());
        let wrong = || Problem::unprocessable("ConnID: it is no call").code(u32::from(ErrorCode::INVALID_CONN_ID.0));
        call.map(Some).ok_or_else(wrong)
    }

    /// The DN in whose name it is made; empty where it names none.
    pub fn this_dn(&self) -> &str {
        self.frame["ThisDN"].as_str().unwrap_or_default()
    }

    /// The same at another DN, where it answers nobody.
    pub fn at(&self, dn: &Dn) -> Self {
        let mut frame = self.frame.clone();
        if let Value::Object(fields) = &mut frame {
            fields.insert("ThisDN".to_owned(), Value::String(dn.to_string()));
            fields.remove("ReferenceID");
        }
        Self { requester: self.requester.clone(), frame }
    }

    fn requester(&self) -> Result<MetadataValue<Ascii>, Problem> {
        let written = requester::encoded(&self.requester).and_then(|written| MetadataValue::try_from(written).ok());
        written.ok_or_else(|| Problem::unprocessable(format!("requester: {}", requester::rule())))
    }
}

/// Why a request was not taken, as it is told to gws-workspace.
pub(super) fn problem_of(status: &Status) -> Problem {
    let words = status.message();
    // A fault of tenant's comes from anywhere in its work: frontend may have the request by then.
    if is_answer_lost(status)
        || matches!(status.code(), Code::Internal | Code::Unknown | Code::DataLoss | Code::Aborted)
    {
        let late = Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "No answer in time");
        return late.detail("the request may have been taken").code(u32::from(ErrorCode::TIMEOUT.0));
    }
    let code = net::grpc::error_code(status);
    let problem = match status.code() {
        Code::FailedPrecondition if code == Some(u32::from(ErrorCode::INVALID_CONN_ID.0)) => Problem::not_found(words),
        Code::FailedPrecondition | Code::InvalidArgument => Problem::unprocessable(words),
        Code::PermissionDenied => Problem::forbidden(words),
        Code::ResourceExhausted => Problem::too_many(words),
        _ => Problem::unavailable(words),
    };
    match code {
        Some(code) => problem.code(code),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(requester: &str, frame: Value) -> VoiceRequest {
        serde_json::from_value(json!({"requester": requester, "frame": frame})).unwrap()
    }

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    #[test]
    fn a_request_keeps_its_frame_and_names_tenant_and_person() {
        let frame = json!({"req": "THoldCall", "ThisDN": "7101", "ConnID": "00700392f1a4c001", "ReferenceID": 123});
        let asked = request("person/ann", frame).read(&acme()).unwrap();
        let named = |key: &str| asked.metadata().get(key).and_then(|value| value.to_str().ok()).map(str::to_owned);
        assert_eq!(named("trunkline-requester").as_deref(), Some("person/ann"));
        assert_eq!(named("trunkline-tenant").as_deref(), Some("acme"));
        let read = asked.get_ref().request.clone().unwrap();
        assert_eq!((read.reference, read.this_dn.as_str()), (123, "7101"));
        let held = v1::OfCall { conn_id: 0x0070_0392_f1a4_c001 };
        assert_eq!(read.kind, Some(v1::request::Kind::HoldCall(held)));
    }

    #[test]
    fn a_user_event_that_names_a_call_is_one_for_each_of_its_dns() {
        let event = json!({"req": "TSendUserEvent", "ThisDN": "7101", "ReferenceID": 7, "UserData": {"Note": "hot"}});
        let mut named = event.clone();
        named["ConnID"] = json!("00700392f1a4c001");
        let mut asked = request("person/ann", named);
        assert_eq!(asked.take_call().unwrap(), Some(ConnId(0x0070_0392_f1a4_c001)));
        assert_eq!((&asked.frame, asked.this_dn()), (&event, "7101"), "tenant gets it as any other");
        let other = asked.at(&Dn::parse("7102").unwrap());
        let wanted = json!({"req": "TSendUserEvent", "ThisDN": "7102", "UserData": {"Note": "hot"}});
        assert_eq!((other.frame, other.requester.as_str()), (wanted, "person/ann"));
        assert_eq!(request("person/ann", event).take_call().unwrap(), None);
        let mut hold = request("person/ann", json!({"req": "THoldCall", "ThisDN": "7101", "ConnID": "1"}));
        assert_eq!((hold.take_call().unwrap(), &hold.frame["ConnID"]), (None, &json!("1")));
        let wrong = json!({"req": "TSendUserEvent", "ThisDN": "7101", "ConnID": "?"});
        assert_eq!(request("person/ann", wrong).take_call().unwrap_err().code, Some(56));
    }

    #[test]
    fn what_is_wrong_with_a_frame_has_its_published_number() {
        let asked = request("person/ann", json!({"req": "TDance", "ThisDN": "7101"})).read(&acme());
        let problem = asked.unwrap_err();
        assert_eq!((problem.status, problem.code), (422, Some(51)), "{problem}");
        let asked = request("person/ann", json!({"req": "THoldCall", "ThisDN": "7101", "ConnID": "?"})).read(&acme());
        assert_eq!(asked.unwrap_err().code, Some(56));
    }

    #[test]
    fn a_person_has_a_name_in_any_script() {
        let frame = json!({"req": "TQueryAddress", "ThisDN": "7101"});
        let asked = request("person/\u{e4}nne", frame).read(&acme()).unwrap();
        assert_eq!(asked.metadata().get("trunkline-requester").unwrap().to_str().unwrap(), "person/%C3%A4nne");
    }

    #[test]
    fn a_request_without_a_name_that_fits_is_refused() {
        let frame = json!({"req": "TQueryAddress", "ThisDN": "7101"});
        for wrong in ["", "person/a\nb", &"a".repeat(requester::REQUESTER_BYTES_MAX + 1)] {
            let problem = request(wrong, frame.clone()).read(&acme()).unwrap_err();
            let detail = problem.detail.unwrap_or_default();
            assert!(problem.status == 422 && detail.starts_with("requester: "), "{detail}");
        }
    }

    #[test]
    fn a_refusal_of_tenant_is_told_with_its_number() {
        let numbered = |code| net::grpc::with_error_code(Status::failed_precondition("no"), code);
        for (status, told, code) in [
            (numbered(56), 404, Some(56)),
            (numbered(59), 422, Some(59)),
            (Status::failed_precondition("no"), 422, None),
            (Status::invalid_argument("no"), 422, None),
            (Status::permission_denied("no"), 403, None),
            (Status::resource_exhausted("no"), 429, None),
            (Status::unavailable("no"), 503, None),
            (Status::internal("no"), 504, Some(57)),
            (Status::unknown("no"), 504, Some(57)),
            (Status::deadline_exceeded("no"), 504, Some(57)),
        ] {
            let problem = problem_of(&status);
            assert_eq!((problem.status, problem.code), (told, code), "{status}");
        }
    }
}
