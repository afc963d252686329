//! Where a caller is, for calls whose carrier has to know it (RFC 6442): a document beside the session description (PIDF-LO, RFC 4119), to
//! which `Geolocation` refers. A location is personal data: it is in no log and no `Debug`.

mod document;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

pub use crate::header::GEOLOCATION;
use crate::header::HeaderName;
use crate::message::Message;
use crate::multipart::{self, BodyPart, Part};
use crate::parse;
use crate::status::StatusCode;
use crate::uri::escape::unescape;
pub use document::{CivicElement, GeoPoint, KnownLocation, Subject};

/// Whether a request may be routed by the location in it.
pub const GEOLOCATION_ROUTING: HeaderName = HeaderName::other("Geolocation-Routing");
/// The most bytes of a document; a longer one is left out.
pub const LOCATION_BYTES_MAX: usize = 8_192;
/// The most values of `Geolocation` that are looked at. RFC 6442 §4.1 expects one by value.
const VALUES_MAX: usize = 4;

/// A location as it goes on: that of configuration, or what a caller has said.
#[derive(Clone, PartialEq, Eq)]
pub struct Geolocation {
    /// The document.
    pub document: Bytes,
    /// Whether the request may be routed by it; `None` if nothing is said, which means no (RFC 6442 §4.2).
    pub may_route: Option<bool>,
}

impl fmt::Debug for Geolocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Geolocation({} bytes)", self.document.len())
    }
}

impl Geolocation {
    /// The location in an INVITE that has come, if it has one by value. One by reference is not fetched.
    pub fn read(invite: &Message) -> Option<Self> {
        let ids: Vec<Cow<'_, str>> =
            invite.elements(&GEOLOCATION).take(VALUES_MAX).filter_map(content_id).map(unescape).collect();
        if ids.is_empty() {
            return None;
        }
        let kind = invite.content_type().ok()??;
        let parts = multipart::parts(invite.body_bytes(), &multipart::boundary(&kind)?);
        let is_meant = |part: &Part| part.is_location() && id_of(part).is_some_and(|id| ids.iter().any(|i| i == id));
        let document = parts.into_iter().find(|part| is_meant(part) && can_go_on(part))?.content;
        let may_route = match invite.header(&GEOLOCATION_ROUTING) {
            Some(word) if word.eq_ignore_ascii_case("yes") => Some(true),
            Some(word) if word.eq_ignore_ascii_case("no") => Some(false),
            _ => None,
        };
        Some(Self { document, may_route })
    }

    /// What an INVITE gets that carries it: the headers, and the part behind its session description. `id` is a Content-ID that no other
    /// part in the world has (RFC 2392), of characters that a URI may have.
    pub fn attach(&self, id: String) -> (Vec<(HeaderName, String)>, BodyPart) {
        let mut headers = vec![(GEOLOCATION, format!("<cid:{id}>"))];
        let word = |may: bool| if may { "yes" } else { "no" };
        headers.extend(self.may_route.map(|may| (GEOLOCATION_ROUTING, word(may).to_owned())));
        headers.push((HeaderName::Supported, "geolocation".to_owned()));
        let content_type = Cow::Borrowed("application/pidf+xml");
        (headers, BodyPart { content_type, content_id: Some(id), content: self.document.clone() })
    }
}

/// Whether an INVITE with a location may have been refused because of what it carries: the call goes out without it then. That is each
/// answer about the request, and none about who is called or the way there.
pub(crate) const fn may_be_to_blame(status: StatusCode) -> bool {
    matches!(status.0, 400 | 406 | 413 | 415 | 420 | 421 | 424 | 488 | 493 | 500 | 501 | 513 | 606)
}

/// Leaves the location out of an INVITE of ours; whether it had one.
pub(crate) fn leave_out(invite: &mut Message) -> bool {
    if !invite.remove(&GEOLOCATION) {
        return false;
    }
    invite.remove(&GEOLOCATION_ROUTING);
    *invite = invite.clone().unpacked();
    true
}

/// The id of the part to which a value of `Geolocation` refers; `None` for a location somewhere else.
fn content_id(value: &str) -> Option<&str> {
    let (_, uri) = value.split_once('<')?;
    let (uri, _) = uri.split_once('>')?;
    let (scheme, id) = parse::trim(uri).split_once(':')?;
    scheme.eq_ignore_ascii_case("cid").then_some(id)
}

fn id_of(part: &Part) -> Option<&str> {
    part.header("Content-ID", "Content-ID")?.strip_prefix('<')?.strip_suffix('>')
}

/// Whether it can be passed on as it is: text that is not too long, and in no other encoding.
fn can_go_on(part: &Part) -> bool {
    let encoding = part.header("Content-Transfer-Encoding", "Content-Transfer-Encoding");
    let is_plain = |name: &str| ["7bit", "8bit", "binary"].iter().any(|plain| name.eq_ignore_ascii_case(plain));
    (1..=LOCATION_BYTES_MAX).contains(&part.content.len())
        && encoding.is_none_or(is_plain)
        && std::str::from_utf8(&part.content).is_ok_and(says_where)
}

/// Whether a document says where somebody is. One that is none, or whose location is still to be found, must not take the place of what is
/// known; and nobody is given declarations to expand.
fn says_where(document: &str) -> bool {
    let location = document.split_once("location-info").map(|(_, rest)| rest);
    let has_element = |name: &str| location.is_some_and(|location| location.contains(name));
    !document.contains("<!") && ["civicAddress", "pos>", "posList"].iter().any(|name| has_element(name))
}

#[cfg(test)]
mod tests;
