//! The status that a caller sees when another party's leg fails.

use sip::StatusCode;

/// The caller's status for one that came from a phone or from the path to it.
///
/// We are the phone's caller. A status about the called person is passed on to our caller. A status about our request concerns
/// only the phone and us, and means nothing without its headers (Contact, challenges, Unsupported, Allow). As in a proxy (RFC
/// 3261 section 16.7), a failure on the path counts as our own, so that nobody takes us for being down.
///
/// | the phone | the caller |
/// |---|---|
/// | 404, 408, 410, 480, 486, 600, 603, 604: nobody is there, or does not want to | the same |
/// | 403: not from you | the same |
/// | 488, 606; 406, 415: this audio cannot be spoken | 488 or 606, 488; with a Warning |
/// | 5xx: it, or a server on the path, is broken | 500 |
/// | 3xx (we follow no forwarding), 401, 407, 420, 421, 405, 430 and every other | 480 |
pub fn status_for_caller(status: StatusCode) -> StatusCode {
    match status.code() {
        403 | 404 | 408 | 410 | 480 | 486 | 488 | 600 | 603 | 604 | 606 => status,
        406 | 415 => StatusCode::NOT_ACCEPTABLE_HERE,
        500..=599 => StatusCode::SERVER_INTERNAL_ERROR,
        _ => StatusCode::TEMPORARILY_UNAVAILABLE,
    }
}

/// The Warning that goes with a status when media gives none (RFC 3261 section 21.4.26).
pub const fn warning(status: u16) -> Option<&'static str> {
    match status {
        488 | 606 => Some("399 trunkline \"the audio that is offered cannot be spoken with the called party\""),
        _ => None,
    }
}
