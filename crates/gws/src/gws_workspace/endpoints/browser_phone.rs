//! The ticket by which a page opens the WebSocket of its own phone: the agent needs no password of it.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::browser_phone_ticket::{BOUND_TO, BrowserPhoneTicket, TICKET_LIFE};
use model::{Dn, Timestamp};
use net::http::WebClient;
use serde_json::{Value, json};

use super::super::desk::Desk;
use super::super::desk_sign_in::DeskSignIn;
use super::super::request::DeskRequest;
use super::super::{Workspace, page_origin};
use super::configuration::refused;
use crate::sessions::answers::{self, ApiRefusal, read_body};
use crate::stable_hash;

/// Where ingress passes WebSockets on to webrtc.
const PATH: &str = "/webrtc";
/// The longest name of a page, in characters.
const DEVICE_MAX: usize = 64;

/// `POST /browser-phone`: a ticket for the DN at which the session works, if that is a phone in a browser.
pub(in crate::gws_workspace) async fn ticket(
    State(workspace): State<Arc<Workspace>>,
    client: Option<Extension<WebClient>>,
    request: DeskRequest,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let client = client.map(|Extension(client)| client);
    let device = device_in(&read_body(&body)?)?;
    let sign_in = request.session.sign_in();
    let dn = request.session.shown(|desk: &Desk| desk.working_dn().map(str::to_owned));
    let nowhere = || ApiRefusal::conflict("the session works at no DN: activate one first");
    let dn = dn.ok_or_else(nowhere)?;
    if !sign_in.is_for_dn(&dn) {
        return Err(ApiRefusal::forbidden("dn: the sign-in is for another DN"));
    }
    let phone = workspace.parts.configuration.browser_phone(sign_in.person.tenant.clone(), dn.clone()).await;
    let phone = phone.map_err(|fault| refused(&fault))?;
    // Before the time of the ticket: where the right ends meanwhile, the ticket is none.
    let now = workspace.parts.now();
    let right = request.session.phone_right(&dn).ok_or_else(nowhere)?;
    let ticket = ticket_of(&sign_in, &phone.number, device, right, now)?;
    let sealed = workspace.parts.replica.store.seal(BOUND_TO, ticket.to_bytes()).ok_or_else(ApiRefusal::internal)?;
    let at = page_origin::web_socket_at(PATH, &headers, client.as_ref(), &workspace.base);
    Ok(answers::data(&json!({
        "url": format!("{at}?ticket={}&flow={}", URL_SAFE_NO_PAD.encode(sealed), ticket.flow),
        "realm": phone.realm,
        "number": phone.number,
        "expiresIn": TICKET_LIFE.as_secs(),
    })))
}

/// What the page calls itself: empty if it does not say.
fn device_in(body: &Value) -> Result<String, ApiRefusal> {
    match &body["data"]["device"] {
        Value::Null => Ok(String::new()),
        Value::String(device) if device.chars().count() <= DEVICE_MAX => Ok(device.clone()),
        _ => Err(ApiRefusal::bad_request(format!("device: it is no text of at most {DEVICE_MAX} characters"))),
    }
}

fn ticket_of(
    sign_in: &DeskSignIn,
    number: &str,
    device: String,
    right: String,
    now: Timestamp,
) -> Result<BrowserPhoneTicket, ApiRefusal> {
    let mut ticket = BrowserPhoneTicket {
        tenant: sign_in.person.tenant.clone(),
        dn: Dn::parse(number).map_err(|error| ApiRefusal::conflict(format!("dn: {error}")))?,
        subject: sign_in.person.subject(),
        sign_in: sign_in.person.sign_in.clone(),
        token_id: sign_in.person.token_id.clone(),
        device,
        right,
        flow: String::new(),
        issued_at: sign_in.person.issued_at,
        until: now + TICKET_LIFE,
    };
    ticket.flow = replica_key(&ticket);
    Ok(ticket)
}

/// What leads the phone of one page to the same replica of webrtc, with whatever ticket; it tells nothing of whose it is.
fn replica_key(ticket: &BrowserPhoneTicket) -> String {
    let BrowserPhoneTicket { tenant, dn, subject, sign_in, device, .. } = ticket;
    let sign_in = sign_in.as_deref().unwrap_or_default();
    let parts = [tenant.as_str(), dn.as_str(), subject.as_str(), sign_in, device.as_str()];
    format!("{:016x}", stable_hash::of(&parts.map(str::as_bytes)))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn a_page_names_itself_in_few_words_or_not_at_all() {
        assert_eq!(device_in(&Value::Null).unwrap(), "");
        assert_eq!(device_in(&json!({"data": {"device": "tab"}})).unwrap(), "tab");
        for bad in [json!({"data": {"device": 7}}), json!({"data": {"device": "x".repeat(65)}})] {
            assert_eq!(device_in(&bad).unwrap_err().status(), StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn tickets_of_one_page_lead_to_one_replica() {
        let of = |device: &str, millis| {
            let now = Timestamp::from_millis(millis);
            ticket_of(&DeskSignIn::of_test("ann"), "7301", device.to_owned(), "r".to_owned(), now).unwrap()
        };
        assert_eq!(of("tab", 1).flow, of("tab", 2).flow);
        assert_ne!(of("tab", 1).flow, of("other", 1).flow);
        let ticket = of("tab", 1_000);
        assert!(ticket.is_good_at(Timestamp::from_millis(1_000)));
        assert_eq!((ticket.subject.as_str(), ticket.issued_at), ("person/ann", 1_800_000_000));
    }
}
