//! What the variables of a rule stand for in a message.

use model::ConnId;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::RuleDirection;
use crate::header::NameAddr;
use crate::message::Message;
use crate::uri::escape::unescape;
use crate::uri::{Scheme, Uri};

/// All but the characters that mean nothing else at any place of a header: a caller's number must not end a quoted text, an address or
/// an element of a list.
const NOT_PLAIN: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'*').remove(b'+');

/// The values of a message before the first rule.
pub(super) struct Facts {
    /// The number that calls.
    pub(super) caller: Option<String>,
    /// The number that is called.
    pub(super) called: Option<String>,
    /// The trunk's name.
    pub(super) trunk: String,
    /// The call's ConnID.
    pub(super) call: Option<String>,
}

impl Facts {
    pub(super) fn of(message: &Message, trunk: &str, call: Option<ConnId>, on: RuleDirection) -> Self {
        let caller = message.from().ok().and_then(|from| number(&from));
        let to = || message.to().ok().and_then(|to| number(&to));
        let called = match on {
            // To has the number in full, in a re-INVITE too, whose Request-URI is the carrier's Contact.
            RuleDirection::Sent => to(),
            RuleDirection::Received => {
                let uri = message.request_uri().and_then(|uri| Uri::parse(uri).ok());
                uri.as_ref().and_then(user).or_else(to)
            }
        };
        Self { caller, called, trunk: plain(trunk), call: call.map(|call| call.to_string()) }
    }
}

fn number(address: &NameAddr<'_>) -> Option<String> {
    user(&address.uri().ok()?)
}

/// The user part, or the number of a tel URI, without parameters (RFC 3966 §3).
fn user(uri: &Uri<'_>) -> Option<String> {
    let tel = || (uri.scheme() == Scheme::Tel).then(|| uri.opaque().split(';').next()).flatten();
    let user = uri.user().and_then(|user| user.split(';').next()).or_else(tel)?;
    Some(plain(&unescape(user))).filter(|user| !user.is_empty())
}

fn plain(text: &str) -> String {
    utf8_percent_encode(text, &NOT_PLAIN).to_string()
}
