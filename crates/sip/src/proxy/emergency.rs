//! Calls for help, as far as they are known before the tenant's rules.

use crate::message::Message;
use crate::method::Method;
use crate::uri::Uri;

/// Whether a call may be one for help: it is to the emergency service itself, or to as few digits as emergency numbers have. Which of these
/// are some, the tenant's rules say later.
pub(super) fn may_be_for_help(request: &Message) -> bool {
    let is_short = |user: &str| (2..=3).contains(&user.len()) && user.bytes().all(|byte| byte.is_ascii_digit());
    let uri = request.request_uri().and_then(|uri| Uri::parse(uri).ok());
    let is_called = |uri: Uri<'_>| uri.is_emergency() || uri.user().is_some_and(is_short);
    request.method() == Method::Invite && uri.is_some_and(is_called)
}
