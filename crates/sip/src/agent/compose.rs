//! Composing our messages: the headers that all of a kind carry.

use bytes::Bytes;

use super::UserAgent;
use super::command::{ExtraHeaders, Reply};
use super::leg::Leg;
use crate::header::HeaderName;
use crate::header::content::MediaType;
use crate::multipart::{BodyPart, mixed};
use crate::{Builder, Flow, Message, StatusCode};

/// The methods that we understand (RFC 3261 §20.5).
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER";
/// The extensions that a peer may require of us.
pub(super) const EXTENSIONS: &[&str] = &["100rel", "replaces", "timer"];
/// The extensions that a peer may use with us (RFC 3261 §20.37).
pub const SUPPORTED: &str = "100rel, replaces, timer";
/// The same where reliable provisional responses are hidden.
pub(super) const SUPPORTED_PLAIN: &str = "replaces, timer";
/// The body type that we accept.
pub const SDP: &str = "application/sdp";

impl UserAgent {
    /// A Via value for a new transaction, with its branch.
    pub(super) fn new_via(&mut self, flow: Flow) -> (String, String) {
        let branch = format!("z9hG4bK{:016x}", self.entropy.next_u64());
        let via = format!("SIP/2.0/{} {};branch={branch};rport", flow.transport(), self.config.sent_by);
        (via, branch)
    }

    /// A random tag.
    pub(super) fn random_tag(&mut self) -> String {
        format!("{:016x}", self.entropy.next_u64())
    }

    /// A response with only the mandatory headers.
    pub(super) fn plain_response(&mut self, request: &Message, status: StatusCode, tag: &str) -> Builder {
        let response = Message::response_to(request, status);
        let response = match &self.config.product {
            Some(product) => response.header(&HeaderName::Server, product),
            None => response,
        };
        if status == StatusCode::TRYING {
            return response;
        }
        if tag.is_empty() {
            let random = self.random_tag();
            return response.to_tag(&random);
        }
        response.to_tag(tag)
    }

    /// The answer to a fault in a request, if it has one that concerns our capabilities.
    pub(super) fn fault_response(&mut self, request: &Message, tag: &str) -> Option<Message> {
        let unknown = request.unknown_options(&HeaderName::Require, EXTENSIONS);
        if !unknown.is_empty() {
            let unsupported = unknown.join(", ");
            let response = self.plain_response(request, StatusCode::BAD_EXTENSION, tag);
            return Some(response.header(&HeaderName::Unsupported, unsupported).build());
        }
        if request.header(&HeaderName::ContentEncoding).is_some_and(|e| !e.eq_ignore_ascii_case("identity")) {
            let response = self.plain_response(request, StatusCode::UNSUPPORTED_MEDIA_TYPE, tag);
            return Some(response.header(&HeaderName::AcceptEncoding, "identity").build());
        }
        None
    }

    /// As [`Self::fault_response`], for a request whose body must be a session description.
    pub(super) fn session_fault_response(&mut self, request: &Message, tag: &str) -> Option<Message> {
        if let Some(response) = self.fault_response(request, tag) {
            return Some(response);
        }
        let is_sdp = |kind: Option<MediaType<'_>>| kind.is_some_and(|k| k.is("application", "sdp"));
        if !request.body().is_empty() && !request.content_type().is_ok_and(is_sdp) {
            let response = self.plain_response(request, StatusCode::UNSUPPORTED_MEDIA_TYPE, tag);
            return Some(response.header(&HeaderName::Accept, SDP).build());
        }
        None
    }
}

/// Adds our capabilities, as every response above 100 to an INVITE or UPDATE must.
pub(super) fn with_capabilities(response: Builder, leg: &Leg) -> Builder {
    response
        .header(&HeaderName::Contact, &leg.state.dialog.contact)
        .header(&HeaderName::Allow, ALLOW)
        .header(&HeaderName::Supported, if leg.state.terms.hides_100rel { SUPPORTED_PLAIN } else { SUPPORTED })
}

/// Adds the application's headers and body.
pub(super) fn with_reply(response: Builder, reply: &Reply) -> Builder {
    let mut response = with_headers(response, &reply.headers);
    if let Some(phrase) = reply.phrase {
        response = response.reason(phrase);
    }
    match &reply.body {
        Some(body) => response.body(&body.content_type, body.bytes.clone()),
        None => response,
    }
}

pub(super) fn with_headers(mut message: Builder, headers: &ExtraHeaders) -> Builder {
    for (name, value) in headers {
        message = message.header(name, value);
    }
    message
}

pub(super) fn with_session(message: Builder, session: Option<&Bytes>) -> Builder {
    match session {
        Some(session) => message.body(SDP, session.clone()),
        None => message,
    }
}

/// Adds the session and what goes along with it; without a session that stays away.
pub(super) fn with_parts(message: Builder, session: Option<&Bytes>, parts: &[BodyPart]) -> Builder {
    match session {
        Some(session) if !parts.is_empty() => {
            let session = BodyPart { content_type: SDP.into(), content_id: None, content: session.clone() };
            let all: Vec<BodyPart> = std::iter::once(session).chain(parts.iter().cloned()).collect();
            let (content_type, body) = mixed(&all);
            message.header(&HeaderName::MimeVersion, "1.0").body(&content_type, body)
        }
        session => with_session(message, session),
    }
}

/// The body, if there is one.
pub(super) fn session_of(message: &Message) -> Option<&Bytes> {
    Some(message.body_bytes()).filter(|b| !b.is_empty())
}

/// Adapts a stored response to a request that was repeated with other Via headers.
pub(super) fn refit(response: &Bytes, request: &Message) -> Option<Message> {
    let mut response = Message::parse(response.clone()).ok()?;
    response.remove(&HeaderName::Via);
    let vias: Vec<&str> = request.headers(&HeaderName::Via).collect();
    for via in vias.into_iter().rev() {
        response.push_front(&HeaderName::Via, via);
    }
    Some(response)
}

/// The exclusive bound of the random Retry-After, as in RFC 3261 §14.2: 0 to 10 s.
pub(super) const RETRY_AFTER_BOUND_S: u64 = 11;
