//! Headers that no rule changes, and why: calls would fail in ways that nobody finds in a list of rules.

use super::EditAction;
use crate::header::HeaderName;
use crate::proxy::headers::is_ours;

/// What the header is for, if it is protected from this action.
pub(super) fn why(header: &HeaderName, action: EditAction) -> Option<&'static str> {
    use HeaderName as H;
    let why = match header {
        // RFC 8224: a changed signature does not hold, and one that a rule adds is about another call.
        H::Identity if action != EditAction::Remove => "it is a signature, which a rule can only remove",
        H::Via | H::Route | H::RecordRoute | H::MaxForwards | H::Path | H::ServiceRoute => {
            "it leads messages on their way"
        }
        H::From | H::To | H::CallId | H::CSeq | H::Contact | H::Replaces => "it names the dialog and its parties",
        H::ContentDisposition
        | H::ContentEncoding
        | H::ContentLanguage
        | H::ContentLength
        | H::ContentType
        | H::MimeVersion => "it describes the body",
        H::Authorization
        | H::ProxyAuthorization
        | H::WwwAuthenticate
        | H::ProxyAuthenticate
        | H::AuthenticationInfo
        | H::ProxyAuthenticationInfo => "it proves who knows a password",
        H::Require
        | H::ProxyRequire
        | H::Supported
        | H::Unsupported
        | H::Allow
        | H::RAck
        | H::RSeq
        | H::SessionExpires
        | H::MinSe
        | H::Expires
        | H::MinExpires => "it says what both sides keep to",
        H::Other(name) if name.get(..11).is_some_and(|start| start.eq_ignore_ascii_case("geolocation")) => {
            "it belongs to the location in the body"
        }
        H::Other(name) if is_ours(name) => "proxies and nodes tell each other by it",
        // RFC 3911 and RFC 4538: they lead an INVITE into another dialog. RFC 3261 leaves room for further headers of the body.
        H::Other(name) if ["join", "target-dialog"].iter().any(|known| name.eq_ignore_ascii_case(known)) => {
            "it names another dialog"
        }
        H::Other(name) if name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("content-")) => {
            "it describes the body"
        }
        _ => return None,
    };
    Some(why)
}
