//! Session descriptions, as far as a call looks into them: who holds.

use bytes::Bytes;
use call::call::HoldWay;
use media::sdp::{self, Line};

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
