//! Typed access to headers, parsed on demand.

use super::Message;
use crate::digest::{Challenge, Credentials};
use crate::header::HeaderError;
use crate::header::auth::AuthValue;
use crate::header::content::MediaType;
use crate::header::cseq::RAck;
use crate::header::{CSeq, Contact, HeaderName, NameAddr, Via, number};
use crate::parse;
use crate::rule::Rule;

type Typed<T> = Result<T, HeaderError>;

impl Message {
    /// The topmost Via.
    pub fn top_via(&self) -> Typed<Via<'_>> {
        self.vias().next().unwrap_or(Err(HeaderError::new(HeaderName::Via, Rule::Missing)))
    }

    /// Every Via, topmost first.
    pub fn vias(&self) -> impl Iterator<Item = Typed<Via<'_>>> {
        self.elements(&HeaderName::Via).map(|e| Via::parse(e).map_err(at(HeaderName::Via)))
    }

    /// The branch set by the original sender, whatever path the message took: that of the last Via (RFC 3261 §16.6, 8).
    pub fn senders_branch(&self) -> Option<&str> {
        self.vias().last()?.ok()?.branch()
    }

    /// From.
    pub fn from(&self) -> Typed<NameAddr<'_>> {
        NameAddr::parse(self.only(HeaderName::From)?).map_err(at(HeaderName::From))
    }

    /// To.
    pub fn to(&self) -> Typed<NameAddr<'_>> {
        NameAddr::parse(self.only(HeaderName::To)?).map_err(at(HeaderName::To))
    }

    /// Every Contact.
    pub fn contacts(&self) -> impl Iterator<Item = Typed<Contact<'_>>> {
        self.elements(&HeaderName::Contact).map(|e| Contact::parse(e).map_err(at(HeaderName::Contact)))
    }

    /// CSeq.
    pub fn cseq(&self) -> Typed<CSeq> {
        CSeq::parse(self.only(HeaderName::CSeq)?).map_err(at(HeaderName::CSeq))
    }

    /// RAck.
    pub fn rack(&self) -> Typed<RAck> {
        RAck::parse(self.only(HeaderName::RAck)?).map_err(at(HeaderName::RAck))
    }

    /// Call-ID.
    pub fn call_id(&self) -> Typed<&str> {
        self.only(HeaderName::CallId)
    }

    /// Max-Forwards, if there is one.
    pub fn max_forwards(&self) -> Typed<Option<u8>> {
        self.optional(HeaderName::MaxForwards, number::max_forwards)
    }

    /// Route, topmost first.
    pub fn routes(&self) -> impl Iterator<Item = Typed<NameAddr<'_>>> {
        self.addresses(HeaderName::Route)
    }

    /// Record-Route, topmost first.
    pub fn record_routes(&self) -> impl Iterator<Item = Typed<NameAddr<'_>>> {
        self.addresses(HeaderName::RecordRoute)
    }

    /// Path (RFC 3327), topmost first.
    pub fn paths(&self) -> impl Iterator<Item = Typed<NameAddr<'_>>> {
        self.addresses(HeaderName::Path)
    }

    /// The elements of any header of addresses (Refer-To, P-Asserted-Identity, Diversion, ...).
    pub fn addresses(&self, name: HeaderName) -> impl Iterator<Item = Typed<NameAddr<'_>>> {
        self.elements(&name).map(move |e| NameAddr::parse(e).map_err(at(name.clone())))
    }

    /// Expires in seconds, if there is one.
    pub fn expires(&self) -> Typed<Option<u32>> {
        self.optional(HeaderName::Expires, number::seconds)
    }

    /// Flow-Timer in seconds (RFC 5626 §10), if there is one.
    pub fn flow_timer(&self) -> Typed<Option<u32>> {
        self.optional(HeaderName::FlowTimer, number::seconds)
    }

    /// Min-Expires in seconds, if there is one.
    pub fn min_expires(&self) -> Typed<Option<u32>> {
        self.optional(HeaderName::MinExpires, number::seconds)
    }

    /// RSeq (RFC 3262), if there is one.
    pub fn rseq(&self) -> Typed<Option<u32>> {
        self.optional(HeaderName::RSeq, number::seconds)
    }

    /// Retry-After in seconds, if there is one.
    pub fn retry_after(&self) -> Typed<Option<u32>> {
        self.optional(HeaderName::RetryAfter, number::retry_after)
    }

    /// Content-Type, if there is one.
    pub fn content_type(&self) -> Typed<Option<MediaType<'_>>> {
        match self.header(&HeaderName::ContentType) {
            Some(value) => MediaType::parse(value).map(Some).map_err(at(HeaderName::ContentType)),
            None => Ok(None),
        }
    }

    /// Digest credentials of Authorization or Proxy-Authorization (`name`); other schemes are left out.
    pub fn authorizations(&self, name: HeaderName) -> impl Iterator<Item = Typed<Credentials<'_>>> {
        self.headers(&name).filter(|v| is_digest(v)).map(move |v| Credentials::parse(v).map_err(at(name.clone())))
    }

    /// Digest challenges of WWW-Authenticate or Proxy-Authenticate (`name`); other schemes are left out.
    pub fn challenges(&self, name: HeaderName) -> impl Iterator<Item = Typed<Challenge>> {
        self.headers(&name).filter(|v| is_digest(v)).map(move |v| Challenge::parse(v).map_err(at(name.clone())))
    }

    /// The option tags of Require, Proxy-Require, Supported or Unsupported (`name`) that `known` does not contain.
    pub fn unknown_options<'a>(&'a self, name: &HeaderName, known: &[&str]) -> Vec<&'a str> {
        self.elements(name).filter(|tag| !known.iter().any(|k| k.eq_ignore_ascii_case(tag))).collect()
    }

    /// Whether the list header `name` (Supported, Allow, Require, ...) has `token`; case is ignored.
    pub fn has_token(&self, name: &HeaderName, token: &str) -> bool {
        self.elements(name).any(|t| t.eq_ignore_ascii_case(token))
    }

    fn only(&self, name: HeaderName) -> Typed<&str> {
        let rule = match self.only_value(&name) {
            Ok("") => Rule::Empty,
            Ok(value) => return Ok(value),
            Err(rule) => rule,
        };
        Err(HeaderError::new(name, rule))
    }

    fn optional<T>(&self, name: HeaderName, parse: fn(&str) -> Result<T, Rule>) -> Typed<Option<T>> {
        self.header(&name).map(parse).transpose().map_err(at(name))
    }
}

fn at(name: HeaderName) -> impl FnOnce(Rule) -> HeaderError {
    move |rule| HeaderError::new(name, rule)
}

/// Whether a value has the Digest scheme, or no valid scheme, which parsing will report.
fn is_digest(value: &str) -> bool {
    let scheme = AuthValue::scheme_of(value);
    scheme.eq_ignore_ascii_case("digest") || !parse::is_token(scheme)
}
