//! An element's capabilities, checked against a request's requirements (RFC 3261 §8.2, §16.3).

use super::Message;
use crate::header::HeaderName;
use crate::header::content::MediaType;
use crate::method::Method;
use crate::status::StatusCode;
use crate::uri::{Scheme, Uri};

/// An element's capabilities. An empty `methods` means every method.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities<'a> {
    /// The header that lists requirements: Require for a user agent server, Proxy-Require for a proxy.
    pub required_by: &'a HeaderName,
    /// The option tags it supports.
    pub extensions: &'a [&'a str],
    /// The methods it supports; a proxy lists none and accepts all.
    pub methods: &'a [Method],
    /// Media types of bodies, as `application/sdp`; empty: it does not check bodies.
    pub bodies: &'a [&'a str],
}

/// A refusal with the header that lists what is supported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// The header that goes with it: Unsupported, Allow or Accept.
    pub header: Option<(HeaderName, String)>,
}

impl Message {
    /// Why an element with these capabilities refuses the request: 405, 416, 420, 415 or 406, in the order of RFC 3261 §8.2. A
    /// 416 is for the target of the request: call this after processing the Route.
    pub fn refusal(&self, able: &Capabilities<'_>) -> Option<Refusal> {
        let uri = self.request_uri()?;
        let method = self.method();
        if !able.methods.is_empty() && !able.methods.contains(&method) {
            let allow = able.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
            // RFC 3261 §8.2.1: 405 for a method that is not allowed; 501 (§21.5.2) for an unknown one.
            let status = if method.is_known() { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::NOT_IMPLEMENTED };
            return Some(Refusal { status, header: Some((HeaderName::Allow, allow)) });
        }
        let is_foreign = |uri: Uri<'_>| matches!(uri.scheme(), Scheme::Other(_)) && !uri.is_emergency();
        if Uri::parse(uri).is_ok_and(is_foreign) {
            return Some(Refusal { status: StatusCode::UNSUPPORTED_URI_SCHEME, header: None });
        }
        self.extension_refusal(able, &method).or_else(|| self.body_refusal(able))
    }

    fn extension_refusal(&self, able: &Capabilities<'_>, method: &Method) -> Option<Refusal> {
        // RFC 3261 §8.2.2.3: Require is ignored in ACK and CANCEL.
        if matches!(method, Method::Ack | Method::Cancel) {
            return None;
        }
        let unknown = self.unknown_options(able.required_by, able.extensions);
        if unknown.is_empty() {
            return None;
        }
        let header = Some((HeaderName::Unsupported, unknown.join(", ")));
        Some(Refusal { status: StatusCode::BAD_EXTENSION, header })
    }

    fn body_refusal(&self, able: &Capabilities<'_>) -> Option<Refusal> {
        if able.bodies.is_empty() {
            return None;
        }
        let understood = |media: &MediaType<'_>| {
            able.bodies.iter().filter_map(|b| b.split_once('/')).any(|(kind, subtype)| media.is(kind, subtype))
        };
        let accept = Some((HeaderName::Accept, able.bodies.join(", ")));
        let optional = self
            .header(&HeaderName::ContentDisposition)
            .is_some_and(|d| d.to_ascii_lowercase().replace([' ', '\t'], "").contains("handling=optional"));
        if !self.body().is_empty() && !optional {
            match self.content_type() {
                Ok(Some(media)) if understood(&media) => {}
                _ => return Some(Refusal { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, header: accept }),
            }
        }
        let mut accepts = self.elements(&HeaderName::Accept).filter_map(|e| MediaType::parse(e).ok()).peekable();
        if self.method() == Method::Invite && accepts.peek().is_some() {
            let answerable = |m: MediaType<'_>| {
                able.bodies.iter().filter_map(|b| b.split_once('/')).any(|(kind, subtype)| {
                    (m.kind == "*" || m.kind.eq_ignore_ascii_case(kind))
                        && (m.subtype == "*" || m.subtype.eq_ignore_ascii_case(subtype))
                })
            };
            if !accepts.any(answerable) {
                return Some(Refusal { status: StatusCode::NOT_ACCEPTABLE, header: None });
            }
        }
        None
    }
}
