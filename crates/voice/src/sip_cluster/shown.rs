//! What a caller may see of the end that a leg to somebody else has come to.

use sip::StatusCode;

/// The status for the caller, of one that a phone or the way to it has given to us.
///
/// We are the phone's caller: what it says of its person goes on to ours; what it says of our request is between it and
/// us, and means nothing without the headers that belong to it (Contact, challenges, Unsupported, Allow). As a proxy would
/// do (RFC 3261 section 16.7), a failure of the way counts as our own, so that nobody takes us for being down.
///
/// | the phone | the caller |
/// |---|---|
/// | 404, 408, 410, 480, 486, 600, 603, 604: nobody is there, or does not want to | the same |
/// | 403: not from you | the same |
/// | 488, 606; 406, 415: this audio cannot be spoken | 488 or 606, 488; with a Warning |
/// | 5xx: it, or a server on the way, is broken | 500 |
/// | 3xx (we follow no forwarding), 401, 407, 420, 421, 405, 430 and every other | 480 |
pub fn to_caller(status: StatusCode) -> StatusCode {
    match status.code() {
        403 | 404 | 408 | 410 | 480 | 486 | 488 | 600 | 603 | 604 | 606 => status,
        406 | 415 => StatusCode::NOT_ACCEPTABLE_HERE,
        500..=599 => StatusCode::SERVER_INTERNAL_ERROR,
        _ => StatusCode::TEMPORARILY_UNAVAILABLE,
    }
}

/// The Warning that goes with a status, where media gives none of its own (RFC 3261 section 21.4.26).
pub const fn warning(status: u16) -> Option<&'static str> {
    match status {
        488 | 606 => Some("399 trunkline \"the audio that is offered cannot be spoken with the called party\""),
        _ => None,
    }
}
