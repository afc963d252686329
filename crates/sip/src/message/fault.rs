//! Faults of a message that could be parsed, and the response to them.

use super::{Message, StartLine};
use crate::header::HeaderError;
use crate::header::HeaderName;
use crate::limits::LIST_MAX;
use crate::method::Method;
use crate::rule::Rule;
use crate::status::StatusCode;
use crate::uri::Uri;

/// A fault of the peer's message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The status of the answer.
    pub status: StatusCode,
    /// The faulty header, and its fault; none if the Request-URI is at fault.
    pub cause: Option<HeaderError>,
}

impl From<HeaderError> for Fault {
    fn from(cause: HeaderError) -> Self {
        Self { status: StatusCode::BAD_REQUEST, cause: Some(cause) }
    }
}

impl Fault {
    /// The response, if one can be made: never to an ACK or a response, and not without Via, From, To, Call-ID and CSeq.
    pub fn response(&self, message: &Message) -> Option<Message> {
        message.is_answerable().then(|| Message::response_to(message, self.status).build())
    }
}

impl Message {
    /// The first fault that makes the message unusable for any element: compulsory headers missing, repeated or
    /// malformed. A request with a fault is answered with [`Fault::response`]; a response with one is dropped.
    pub fn fault(&self) -> Option<Fault> {
        self.check().err()
    }

    /// Whether it can be answered: a request other than ACK, with the headers that a response needs.
    pub(crate) fn is_answerable(&self) -> bool {
        let StartLine::Request { method, .. } = &self.start else { return false };
        *method != Method::Ack
            && self.top_via().is_ok()
            && [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq]
                .iter()
                .all(|name| self.header(name).is_some())
    }

    fn check(&self) -> Result<(), Fault> {
        let mut vias = 0;
        for via in self.vias() {
            via?;
            vias += 1;
            if vias > LIST_MAX {
                return Err(HeaderError::new(HeaderName::Via, Rule::TooMany).into());
            }
        }
        if vias == 0 {
            return Err(HeaderError::new(HeaderName::Via, Rule::Missing).into());
        }
        for (name, address) in [(HeaderName::From, self.from()?), (HeaderName::To, self.to()?)] {
            address.uri().map_err(|rule| HeaderError::new(name, rule))?;
        }
        self.call_id()?;
        let cseq = self.cseq()?;
        if let StartLine::Request { method, uri } = &self.start {
            if *method != cseq.method {
                return Err(HeaderError::new(HeaderName::CSeq, Rule::MethodMismatch).into());
            }
            self.check_request_uri(self.text(*uri))?;
            self.max_forwards()?;
        }
        self.check_lists()
    }

    /// RFC 3261 §19.1.1 allows neither headers nor a `method` parameter in a Request-URI. The parameter is common and harmless;
    /// headers would require action.
    fn check_request_uri(&self, text: &str) -> Result<(), Fault> {
        let bad = Fault { status: StatusCode::BAD_REQUEST, cause: None };
        let Ok(uri) = Uri::parse(text) else { return Err(bad) };
        if uri.is_sip() && !uri.headers().is_empty() {
            return Err(bad);
        }
        Ok(())
    }

    fn check_lists(&self) -> Result<(), Fault> {
        for (count, contact) in self.contacts().enumerate() {
            if let Some(address) = contact?.address() {
                address.uri().map_err(|rule| HeaderError::new(HeaderName::Contact, rule))?;
            }
            if count == LIST_MAX {
                return Err(HeaderError::new(HeaderName::Contact, Rule::TooMany).into());
            }
        }
        for name in [HeaderName::Route, HeaderName::RecordRoute, HeaderName::Path] {
            for (count, address) in self.addresses(name.clone()).enumerate() {
                address?.uri().map_err(|rule| HeaderError::new(name.clone(), rule))?;
                if count == LIST_MAX {
                    return Err(HeaderError::new(name, Rule::TooMany).into());
                }
            }
        }
        // A malformed Expires is not a fault: it counts as an hour where it matters (RFC 4475 §3.1.2.4). Nor is a malformed
        // Date (§3.1.2.12), which is never read here: a phone that names its own time zone must be able to answer.
        self.min_expires()?;
        Ok(())
    }
}
