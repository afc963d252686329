//! Who asked for something.

use model::event::ErrorCode;
use model::plan::Destination;
use model::{Dn, ReferenceId, Request, UserData, Value};

/// The extension of a request that says how long a number may ring, in seconds.
const NO_ANSWER_TIMEOUT: &str = "NO_ANSWER_TIMEOUT";
/// The most seconds that a request may ask for.
const NO_ANSWER_S_MAX: i64 = 600;

/// The extension of a request that says which number a call shows outside.
const SHOWN_NUMBER: &str = "CPNDigits";
/// The longest number that a request may want to be shown, in bytes.
const SHOWN_BYTES_MAX: usize = 32;

/// The origin of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The DN that the request names as its own (`ThisDN`).
    pub this_dn: Dn,
    /// The subject of the client's token.
    pub requester: String,
    /// The reference number that the client chose.
    pub reference: ReferenceId,
    /// Why it is requested, as the client says: part of the event that answers the request.
    pub reasons: UserData,
    /// How long the number of the request may ring, in milliseconds, if not as long as the dial plan says.
    pub no_answer_ms: Option<u64>,
}

impl Asked {
    /// The origin of this request.
    pub fn by(request: &Request) -> Self {
        Self {
            this_dn: request.this_dn.clone(),
            requester: request.requester.clone(),
            reference: request.reference,
            reasons: request.reasons.clone(),
            no_answer_ms: no_answer_ms(request).unwrap_or_default(),
        }
    }
}

/// The destination of a request's number; it rings as long as the request says. A phone may have begun the same by itself: then there is
/// no request.
pub(super) fn rings_as_asked(asked: Option<&Asked>, mut destination: Destination) -> Destination {
    if let Some(wanted) = asked.and_then(|asked| asked.no_answer_ms) {
        match &mut destination {
            Destination::Extension { no_answer_ms, .. } => *no_answer_ms = wanted,
            Destination::Outside(outside) => outside.no_answer_ms = wanted,
            _ => {}
        }
    }
    destination
}

/// How long the number of a request may ring, in milliseconds.
///
/// # Errors
/// Error 53 if the request does not say it as a whole number of seconds.
pub fn no_answer_ms(request: &Request) -> Result<Option<u64>, (ErrorCode, &'static str)> {
    match request.extensions.get(NO_ANSWER_TIMEOUT) {
        None => Ok(None),
        Some(Value::Int(seconds @ 1..=NO_ANSWER_S_MAX)) => Ok(Some(seconds.unsigned_abs() * 1_000)),
        Some(_) => Err((ErrorCode::INVALID_ATTRIBUTE, "NO_ANSWER_TIMEOUT is a number of seconds from 1 to 600")),
    }
}

/// The number that a call made by this request is to show outside, if it says one. Whether it may, the dial plan knows.
///
/// # Errors
/// Error 53 if it is no number.
pub fn shown_number(request: &Request) -> Result<Option<String>, (ErrorCode, &'static str)> {
    let is_number = |text: &str| {
        let digits = text.strip_prefix('+').unwrap_or(text);
        !digits.is_empty() && text.len() <= SHOWN_BYTES_MAX && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    match request.extensions.get(SHOWN_NUMBER) {
        None => Ok(None),
        Some(Value::Text(number)) if is_number(number) => Ok(Some(number.clone())),
        Some(_) => Err((ErrorCode::INVALID_ATTRIBUTE, "CPNDigits is a number of digits, with or without + before it")),
    }
}
