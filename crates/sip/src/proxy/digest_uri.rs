//! Whether credentials were made for their request (RFC 7616 §3.4.6). Otherwise credentials that were overheard, and kept from
//! us, could be used to call another number.
//!
//! RFC 3261 §22.4 leaves it to the server how strictly `uri` is compared, since a proxy in between may have changed the
//! Request-URI. The request is for a number; the rest of the URI only leads to us. So the numbers must be equal, and the hosts
//! must be equal or both name us. Variants tested or known from the field: the Request-URI itself (baresip, linphone, most desk
//! phones); the same without its port or its `transport` and `user` parameters; the server alone, as `sip:192.0.2.1:5060`, for
//! every request (SIPp without `-auth_uri`), which gives its sender no protection; that is the sender's choice.

use super::Proxy;
use crate::message::Message;
use crate::method::Method;
use crate::uri::{Scheme, Uri, escape};

/// The longest `uri` that is compared with an unequal Request-URI, in bytes, so that comparing is cheap. Phones dial far
/// shorter ones.
const COMPARED_MAX: usize = 1_024;
/// Parameters that make a URI mean another resource if only one URI has them or they differ (RFC 3261 §19.1.4). `transport` and
/// `user` are in that list too, but only tell how we are reached and how a number is written.
const TELLING: [&str; 3] = ["maddr", "method", "ttl"];

impl Proxy {
    /// Whether the `uri` of credentials for `realm` means the target of `message`.
    pub(super) fn is_meant(&self, uri: &str, message: &Message, realm: &str) -> bool {
        let asked = message.request_uri().unwrap_or_default();
        if uri == asked {
            return true;
        }
        if uri.len().max(asked.len()) > COMPARED_MAX {
            return false;
        }
        let (Ok(meant), Ok(asked)) = (Uri::parse(uri), Uri::parse(asked)) else { return false };
        match (meant.scheme(), asked.scheme()) {
            (Scheme::Sip, Scheme::Sip) | (Scheme::Sips, Scheme::Sips) => {}
            _ => return false,
        }
        let here =
            |uri: &Uri<'_>| self.is_us(uri) || uri.host().is_some_and(|host| host.as_str().eq_ignore_ascii_case(realm));
        let same_place = (here(&meant) && here(&asked)) || is_one_place(&meant, &asked);
        // A REGISTER addresses no user in its Request-URI (RFC 3261 §10.2); some phones write their number there all the same.
        let same_user =
            message.method() == Method::Register || meant.user().is_none() || number(&meant) == number(&asked);
        same_place && same_user && TELLING.iter().all(|name| is_same_param(name, &meant, &asked))
    }
}

/// The same host, and the same port if both give one.
fn is_one_place(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    a.host() == b.host() && a.port().zip(b.port()).is_none_or(|(a, b)| a == b)
}

/// The user part as the dial plan reads it: escaped or not, it is the same number.
fn number<'a>(uri: &Uri<'a>) -> Option<std::borrow::Cow<'a, str>> {
    uri.user().map(escape::unescape)
}

fn is_same_param(name: &str, a: &Uri<'_>, b: &Uri<'_>) -> bool {
    match (a.params().get(name), b.params().get(name)) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        (None, None) => true,
        _ => false,
    }
}
