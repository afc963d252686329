//! Session descriptions, as far as a call looks into them: whether they bring audio about, and who holds.

use bytes::Bytes;
use call::call::HoldWay;
use media::sdp::{self, Line, Preference, negotiation};
use sip::StatusCode;

/// How an offer is refused that cannot become audio: 400 for what is no description, 488 for what we do not speak.
pub fn refusal(offer: &[u8]) -> Option<StatusCode> {
    match sdp::parse::parse(offer) {
        Err(_) => Some(StatusCode::BAD_REQUEST),
        Ok(offer) => negotiation::check_offer(&offer).err().map(|_| StatusCode::NOT_ACCEPTABLE_HERE),
    }
}

/// Whether an answer takes the audio of an offer of ours, judged as media will judge it.
pub fn takes_audio(offer: &[u8], answer: &[u8]) -> bool {
    let (Ok(offer), Ok(answer)) = (sdp::parse::parse(offer), sdp::parse::parse(answer)) else {
        return false;
    };
    negotiation::accept_answer(&offer, &answer, Preference::default()).is_ok()
}

/// Whether the author of a description holds. None when it is no description: media says so to who sent it.
pub fn holds(description: &[u8]) -> Option<bool> {
    sdp::parse::parse(description).ok().map(|description| description.is_hold())
}

/// Our own description with the direction that asks the peer to hold or to go on.
pub fn with_direction(description: &[u8], way: HoldWay) -> Option<Bytes> {
    let mut description = sdp::parse::parse(description).ok()?;
    let wanted = match way {
        // We do not want to hear it: the phone is to stop sending (RFC 3264 section 8.4).
        HoldWay::Hold => "inactive",
        HoldWay::Retrieve => "sendrecv",
    };
    let audio = description.media.iter_mut().find(|media| media.kind == "audio")?;
    let is_direction = |line: &Line| matches!(line, Line::Attribute(a) if ["sendrecv", "sendonly", "recvonly", "inactive"].contains(&a.name.as_str()));
    audio.lines.retain(|line| !is_direction(line));
    audio.lines.push(Line::flag(wanted));
    let version = description.origin.version + 1;
    Some(Bytes::from(description.with_version(version).to_string()))
}
