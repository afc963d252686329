//! The reason for a call's end, passed from one leg to the other (RFC 3326).

use super::command::ExtraHeaders;
use crate::Message;
use crate::header::HeaderName;

/// The Reason for cancelling a phone when another has answered: it shows no missed call.
pub const COMPLETED_ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// The most Reason values that are passed on: one of SIP and one of the telephone network (Q.850).
const REASONS_MAX: usize = 2;
/// The longest of them, in bytes.
const REASON_BYTES_MAX: usize = 256;

/// The Reason values of a CANCEL, a BYE or a response, to be passed on.
pub fn reasons_of(message: &Message) -> ExtraHeaders {
    let values = message.elements(&HeaderName::Reason).filter(|value| value.len() <= REASON_BYTES_MAX);
    values.take(REASONS_MAX).map(|value| (HeaderName::Reason, value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_on_is_bounded() {
        let long = "x".repeat(REASON_BYTES_MAX);
        let text = format!(
            "CANCEL sip:a@b SIP/2.0\r\nReason: SIP;cause=200;text=\"a, b\", {long}y\r\nReason: Q.850;cause=16, SIP;cause=1\r\n\r\n"
        );
        let reasons = reasons_of(&Message::parse(text.into()).unwrap());
        let values: Vec<&str> = reasons.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["SIP;cause=200;text=\"a, b\"", "Q.850;cause=16"]);
    }
}
