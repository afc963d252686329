//! Dialogs (RFC 3261 §12): the two parties, the route and the order of requests.
//!
//! A [`Dialog`] is plain data with the rules of the RFC as methods; events inside a dialog are up to the user agent. Texts are
//! shared, so that a clone (one after every input) costs a few reference counts.

use std::sync::Arc;

use crate::header::{CSeq, HeaderName};
use crate::{Builder, Contact, Flow, HeaderError, Message, Method, Rule, Uri};

/// The most Route entries that a dialog keeps; more would not fit a datagram beside the rest.
pub const ROUTES_MAX: usize = 32;

/// The most bytes of all Route entries.
pub const ROUTES_BYTES_MAX: usize = 4_096;
/// The most bytes that the peer's headers contribute to a dialog: Call-ID, From or To, Contact and the route set. Every request
/// of ours carries them.
pub const PEER_BYTES_MAX: usize = 8_192;

/// The state of a dialog, early or confirmed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dialog {
    /// Call-ID.
    pub call_id: Arc<str>,
    /// Our tag.
    pub local_tag: Arc<str>,
    /// The peer's tag; empty while none is known (and for RFC 2543 peers).
    pub remote_tag: Arc<str>,
    /// Our From or To value with its tag.
    pub local: Arc<str>,
    /// The peer's To or From value with its tag, if known.
    pub remote: Arc<str>,
    /// Our Contact value.
    pub contact: Arc<str>,
    /// The peer's contact URI; before it is known, the Request-URI of our INVITE.
    pub remote_target: Arc<str>,
    /// Route values, nearest first.
    pub routes: Arc<[Box<str>]>,
    /// The last sequence number that we used; 0: none yet.
    pub local_cseq: u32,
    /// The last sequence number that the peer used.
    pub remote_cseq: Option<u32>,
    /// The flow to send requests on.
    pub flow: Flow,
}

/// How a request's sequence number relates to what the dialog has seen (§12.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// It is new.
    Next,
    /// It was seen already, in another transaction.
    Repeated,
    /// It is older: 500.
    Late,
}

impl Dialog {
    /// The dialog of an incoming INVITE (§12.1.1), before it has our tag and contact.
    ///
    /// # Errors
    /// When a header needed for a dialog is missing or malformed: 400.
    pub fn of_request(request: &Message, flow: Flow) -> Result<Self, HeaderError> {
        let from = request.from()?;
        let target = contact_uri(request)?.ok_or(HeaderError::new(HeaderName::Contact, Rule::Missing))?;
        Ok(Self {
            call_id: request.call_id()?.into(),
            local_tag: "".into(),
            remote_tag: from.tag().unwrap_or_default().into(),
            local: request.header(&HeaderName::To).unwrap_or_default().into(),
            remote: request.header(&HeaderName::From).unwrap_or_default().into(),
            contact: "".into(),
            remote_target: target.into(),
            routes: record_routes(request, Direction::AsWritten)?,
            local_cseq: 0,
            remote_cseq: Some(request.cseq()?.number),
            flow,
        })
    }

    /// Gives an incoming dialog our tag and contact.
    pub fn identify(&mut self, tag: &str, contact: &str) {
        if self.local_tag.is_empty() {
            self.local = format!("{};tag={tag}", self.local).into();
            self.local_tag = tag.into();
        }
        self.contact = contact.into();
    }

    /// Completes a dialog begun by us with a response that has a To tag (§12.1.2).
    ///
    /// # Errors
    /// When the response has a malformed header.
    pub fn establish(&mut self, response: &Message) -> Result<(), HeaderError> {
        let to = response.to()?;
        self.remote_tag = to.tag().unwrap_or_default().into();
        self.remote = response.header(&HeaderName::To).unwrap_or_default().into();
        self.routes = record_routes(response, Direction::Reversed)?;
        self.refresh_target(response)?;
        if self.peer_bytes() > PEER_BYTES_MAX {
            return Err(HeaderError::new(HeaderName::To, Rule::TooMany));
        }
        Ok(())
    }

    /// The bytes that the peer's headers contribute.
    pub(crate) fn peer_bytes(&self) -> usize {
        let texts = [&self.call_id, &self.remote_tag, &self.remote, &self.remote_target];
        texts.iter().map(|text| text.len()).sum::<usize>() + self.routes.iter().map(|route| route.len()).sum::<usize>()
    }

    /// Adopts the Contact of a target refresh: INVITE, UPDATE and their 2xx (§12.2, RFC 3311 §4).
    ///
    /// # Errors
    /// When the Contact is malformed, or makes the dialog too large. A missing one changes nothing.
    pub fn refresh_target(&mut self, message: &Message) -> Result<(), HeaderError> {
        if let Some(uri) = contact_uri(message)?
            && uri != &*self.remote_target
        {
            if self.peer_bytes() - self.remote_target.len() + uri.len() > PEER_BYTES_MAX {
                return Err(HeaderError::new(HeaderName::Contact, Rule::TooMany));
            }
            self.remote_target = uri.into();
        }
        Ok(())
    }

    /// Whether a request from the peer belongs to this dialog.
    pub fn matches_request(&self, request: &Message) -> bool {
        request.call_id().is_ok_and(|id| id == &*self.call_id)
            && request.from().is_ok_and(|from| from.tag().unwrap_or_default() == &*self.remote_tag)
    }

    /// Compares the request's sequence number with the last one, and stores it if it is newer.
    pub fn order(&mut self, number: u32) -> Order {
        match self.remote_cseq {
            Some(last) if number == last => Order::Repeated,
            Some(last) if number < last => Order::Late,
            _ => {
                self.remote_cseq = Some(number);
                Order::Next
            }
        }
    }

    /// A request with the next sequence number (§12.2.1.1).
    pub fn request(&mut self, method: Method, via: &str) -> Builder {
        let cseq = self.next_cseq();
        self.request_numbered(method, via, cseq)
    }

    /// Takes the next sequence number; it stays at the maximum once reached (RFC 3261 §8.1.1.5).
    pub(crate) fn next_cseq(&mut self) -> u32 {
        self.local_cseq = self.local_cseq.saturating_add(1).min(CSeq::MAX);
        self.local_cseq
    }

    /// The ACK to a 2xx: the INVITE's sequence number (§13.2.2.4).
    pub fn ack(&self, via: &str, cseq: u32) -> Builder {
        self.request_numbered(Method::Ack, via, cseq)
    }

    fn request_numbered(&self, method: Method, via: &str, cseq: u32) -> Builder {
        let (uri, strict) = self.request_uri();
        let token = method.as_str().to_owned();
        let mut request = Message::request(method, uri).header(&HeaderName::Via, via);
        let routes = if strict { self.routes.get(1..).unwrap_or_default() } else { &self.routes };
        for route in routes {
            request = request.header(&HeaderName::Route, route);
        }
        if strict {
            request = request.header(&HeaderName::Route, format_args!("<{}>", self.remote_target));
        }
        request
            .header(&HeaderName::MaxForwards, MAX_FORWARDS)
            .header(&HeaderName::From, &self.local)
            .header(&HeaderName::To, &self.remote)
            .header(&HeaderName::CallId, &self.call_id)
            .header(&HeaderName::CSeq, format_args!("{cseq} {token}"))
    }

    /// The Request-URI, and whether it is a strict router's; then the target is the last Route (§12.2.1.1).
    fn request_uri(&self) -> (&str, bool) {
        let Some(first) = self.routes.first() else { return (&self.remote_target, false) };
        let Ok(address) = crate::NameAddr::parse(first) else { return (&self.remote_target, false) };
        match Uri::parse(address.raw_uri()) {
            Ok(uri) if !uri.is_loose_router() => (address.raw_uri(), true),
            _ => (&self.remote_target, false),
        }
    }
}

/// The Max-Forwards of our requests (RFC 3261 §8.1.1.6).
pub const MAX_FORWARDS: u8 = 70;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    AsWritten,
    Reversed,
}

/// The route set given by Record-Route headers.
pub(crate) fn record_routes(message: &Message, direction: Direction) -> Result<Arc<[Box<str>]>, HeaderError> {
    let mut routes: Vec<Box<str>> = message.elements(&HeaderName::RecordRoute).map(Into::into).collect();
    if routes.len() > ROUTES_MAX || routes.iter().map(|route| route.len()).sum::<usize>() > ROUTES_BYTES_MAX {
        return Err(HeaderError::new(HeaderName::RecordRoute, Rule::TooMany));
    }
    if direction == Direction::Reversed {
        routes.reverse();
    }
    Ok(routes.into())
}

/// The URI of the first Contact.
pub(crate) fn contact_uri(message: &Message) -> Result<Option<&str>, HeaderError> {
    match message.contacts().next() {
        // A dialog's Contact must not contain headers (RFC 3261 §19.1.1): every proxy would refuse it as a Request-URI.
        Some(Ok(Contact::Address(address))) if address.uri().is_ok_and(|uri| !uri.headers().is_empty()) => {
            Err(HeaderError::new(HeaderName::Contact, Rule::Uri))
        }
        Some(Ok(Contact::Address(address))) => Ok(Some(address.raw_uri())),
        Some(Ok(Contact::Star)) => Err(HeaderError::new(HeaderName::Contact, Rule::Uri)),
        Some(Err(error)) => Err(error),
        None => Ok(None),
    }
}
