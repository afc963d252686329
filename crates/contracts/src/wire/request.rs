//! Requests.

mod argument;

use model::request::{DigitsWanted, Request, RequestKind, Treatment};
use model::{ReferenceId, TenantId};

use super::WireError;
use super::event::{optional_data, user_data_from_wire};
use crate::v1;
use crate::v1::request::Kind;
use argument::WireArgument;

/// Writes a request.
pub fn request_to_wire(request: &Request) -> v1::Request {
    v1::Request {
        tenant: request.tenant.to_string(),
        requester: request.requester.clone(),
        reference: request.reference.0,
        this_dn: request.this_dn.to_string(),
        reasons: optional_data(&request.reasons),
        extensions: optional_data(&request.extensions),
        kind: Some(kind_to_wire(&request.kind)),
    }
}

/// Reads a request.
///
/// # Errors
/// Names the field that is absent or not valid.
pub fn request_from_wire(request: v1::Request) -> Result<Request, WireError> {
    let kind = request.kind.ok_or_else(|| WireError::field("kind", "it is absent"))?;
    Ok(Request {
        tenant: TenantId::parse(&request.tenant).map_err(|e| WireError::field("tenant", e))?,
        requester: request.requester,
        reference: ReferenceId(request.reference),
        this_dn: WireArgument::from_wire(request.this_dn, "this_dn")?,
        kind: kind_from_wire(kind)?,
        reasons: user_data_from_wire(request.reasons)?,
        extensions: user_data_from_wire(request.extensions)?,
    })
}

/// The value of a field of `Request.kind`: a message with the arguments, or the only argument itself.
macro_rules! kind_value {
    (bare $argument:ident) => { $argument.to_wire() };
    ($message:ident $($argument:ident)*) => { v1::$message { $($argument: $argument.to_wire()),* } };
}

/// An argument out of such a value.
macro_rules! argument {
    (bare $value:ident $argument:ident) => {
        WireArgument::from_wire($value, stringify!($argument))?
    };
    ($message:ident $value:ident $argument:ident) => {
        WireArgument::from_wire($value.$argument, stringify!($argument))?
    };
}

macro_rules! conversions {
    (
        calls { $(
            $(#[$call_doc:meta])+
            $call:ident $(( $($call_argument:ident: $call_type:ty = $call_fields:tt),+ $(,)? ))?
                : $call_message:ident, $call_names:tt, $call_concern:ident => $call_answer:ident;
        )+ }
        others { $(
            $(#[$other_doc:meta])+
            $other:ident $(( $($other_argument:ident: $other_type:ty = $other_fields:tt),+ $(,)? ))?
                : $other_message:ident, $other_names:tt, $other_concern:ident => $other_answer:ident;
        )+ }
    ) => {
        fn kind_to_wire(kind: &RequestKind) -> Kind {
            match kind {
                $( RequestKind::$call(conn_id $($(, $call_argument)+)?) => {
                    Kind::$call(kind_value!($call_message conn_id $($($call_argument)+)?))
                } )+
                $( RequestKind::$other $(( $($other_argument),+ ))? => {
                    Kind::$other(kind_value!($other_message $($($other_argument)+)?))
                } )+
            }
        }

        fn kind_from_wire(kind: Kind) -> Result<RequestKind, WireError> {
            Ok(match kind {
                $( Kind::$call(value) => RequestKind::$call(
                    argument!($call_message value conn_id) $($(, argument!($call_message value $call_argument))+)?
                ), )+
                $( Kind::$other(_value) => RequestKind::$other $(( $(argument!($other_message _value $other_argument)),+ ))?, )+
            })
        }
    };
}

model::with_requests!(conversions);

/// Writes a treatment.
pub fn treatment_to_wire(treatment: &Treatment) -> v1::Treatment {
    use v1::treatment::Kind;
    let kind = match treatment {
        Treatment::PlayAnnouncement { prompts } => Kind::PlayAnnouncement(v1::Prompts { prompts: prompts.clone() }),
        Treatment::Music { resource, duration_ms } => {
            Kind::Music(v1::Music { resource: resource.clone(), duration_ms: *duration_ms })
        }
        Treatment::PlayAndCollect {
            prompts,
            max_digits,
            first_digit_timeout_ms,
            inter_digit_timeout_ms,
            terminator,
            secret,
        } => Kind::PlayAndCollect(v1::PlayAndCollect {
            prompts: prompts.clone(),
            max_digits: (*max_digits).into(),
            first_digit_timeout_ms: *first_digit_timeout_ms,
            inter_digit_timeout_ms: *inter_digit_timeout_ms,
            terminator: terminator.map(String::from),
            secret: *secret,
        }),
        Treatment::Echo => Kind::Echo(v1::Nothing {}),
        Treatment::RingBack => Kind::RingBack(v1::Nothing {}),
        Treatment::Busy => Kind::Busy(v1::Nothing {}),
        Treatment::FastBusy => Kind::FastBusy(v1::Nothing {}),
        Treatment::Silence => Kind::Silence(v1::Nothing {}),
        Treatment::RecordUserAnnouncement { prompts, terminator, silence_ms, max_ms } => {
            Kind::RecordUserAnnouncement(v1::RecordAnnouncement {
                prompts: prompts.clone(),
                terminator: terminator.map(String::from),
                silence_ms: *silence_ms,
                max_ms: *max_ms,
            })
        }
        Treatment::DeleteUserAnnouncement { announcement } => Kind::DeleteUserAnnouncement(announcement.clone()),
    };
    v1::Treatment { kind: Some(kind) }
}

/// Reads a treatment.
///
/// # Errors
/// Names the field that is absent or not valid.
pub fn treatment_from_wire(treatment: v1::Treatment) -> Result<Treatment, WireError> {
    use v1::treatment::Kind;
    Ok(match treatment.kind.ok_or_else(|| WireError::field("treatment", "it is absent"))? {
        Kind::PlayAnnouncement(p) => Treatment::PlayAnnouncement { prompts: p.prompts },
        Kind::Music(m) => Treatment::Music { resource: m.resource, duration_ms: m.duration_ms },
        Kind::PlayAndCollect(p) => {
            let is_secret = p.secret;
            let treatment = Treatment::from(digits_from_wire(p)?);
            if is_secret { treatment.in_secret() } else { treatment }
        }
        Kind::Echo(_) => Treatment::Echo,
        Kind::RingBack(_) => Treatment::RingBack,
        Kind::Busy(_) => Treatment::Busy,
        Kind::FastBusy(_) => Treatment::FastBusy,
        Kind::Silence(_) => Treatment::Silence,
        Kind::RecordUserAnnouncement(r) => Treatment::RecordUserAnnouncement {
            prompts: r.prompts,
            terminator: r.terminator.map(|t| one_char(&t)).transpose()?,
            silence_ms: r.silence_ms,
            max_ms: r.max_ms,
        },
        Kind::DeleteUserAnnouncement(announcement) => Treatment::DeleteUserAnnouncement { announcement },
    })
}

/// Writes what digits are wanted.
fn digits_to_wire(wanted: &DigitsWanted) -> v1::PlayAndCollect {
    v1::PlayAndCollect {
        prompts: wanted.prompts.clone(),
        max_digits: wanted.max_digits.into(),
        first_digit_timeout_ms: wanted.first_digit_timeout_ms,
        inter_digit_timeout_ms: wanted.inter_digit_timeout_ms,
        terminator: wanted.terminator.map(String::from),
        secret: false,
    }
}

/// Reads what digits are wanted.
fn digits_from_wire(p: v1::PlayAndCollect) -> Result<DigitsWanted, WireError> {
    Ok(DigitsWanted {
        prompts: p.prompts,
        max_digits: u8::try_from(p.max_digits).map_err(|e| WireError::field("max_digits", e))?,
        first_digit_timeout_ms: p.first_digit_timeout_ms,
        inter_digit_timeout_ms: p.inter_digit_timeout_ms,
        terminator: p.terminator.map(|t| one_char(&t)).transpose()?,
    })
}

fn one_char(text: &str) -> Result<char, WireError> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(WireError::field("terminator", "it is not one character")),
    }
}
