//! Which audio is encrypted (RFC 4568): what we offer, choose and accept.
//!
//! | ours | we offer | of an offer we take | of an answer we take |
//! |---|---|---|---|
//! | off | `RTP/AVP` | audio in clear | audio in clear |
//! | offered | `RTP/AVP` with keys | audio with keys if there is some, else in clear | with a key of ours, or in clear |
//! | required | `RTP/SAVP` | audio with keys | with a key of ours |
//!
//! Keys beside `RTP/AVP` are what RFC 4568 has no name for and phones call "optional": a phone that does not know them ignores a line that it
//! does not know, and every call begins. `RTP/SAVP` would be refused by each of those, and a second section for it confuses phones that
//! answer both. A phone that encrypts with `RTP/SAVP` alone is called in clear, unless it is `required`.

use model::Encryption;

use super::NegotiationError;
use crate::sdp::crypto::{CryptoLine, LocalEncryption, Protection};
use crate::sdp::{Attribute, Description, Line, Media, RtpProfile};
use crate::srtp::SUITES;

/// Makes a section of ours an offer of encrypted audio, with a key for each suite.
pub(super) fn offer(section: &mut Media, ours: &LocalEncryption) {
    let Some(keys) = ours.keys() else { return };
    if ours.policy() == Encryption::Required {
        "RTP/SAVP".clone_into(&mut section.protocol);
    }
    let keyings = SUITES.into_iter().filter_map(|suite| keys.keying(suite));
    let lines = (1..).zip(keyings).map(|(tag, keying)| CryptoLine { tag, keying });
    section.lines.extend(lines.map(|line| Line::attribute("crypto", line)));
}

/// The section of an offer that is taken, and the line of its that says how it is encrypted.
pub(super) fn choose(offer: &Description, policy: Encryption) -> Result<(usize, Option<CryptoLine>), NegotiationError> {
    let sections = || offer.media.iter().enumerate().filter_map(|(at, media)| Some((at, media, media.transport()?)));
    let clear = sections().find(|(.., transport)| *transport == RtpProfile::Clear).map(|(at, ..)| (at, None));
    // The first line is the one that its author prefers (RFC 4568 section 5.1.1).
    let secure = sections().find_map(|(at, media, _)| Some((at, Some(CryptoLine::of(media).next()?))));
    let is_keyed = |media: &Media| media.attribute("crypto").is_some();
    let unknown = if sections().any(|(_, media, _)| is_keyed(media)) {
        NegotiationError::NoSuite
    } else {
        NegotiationError::NoAudio
    };
    match policy {
        Encryption::Off => clear.ok_or(if secure.is_some() { NegotiationError::Encrypted } else { unknown }),
        Encryption::Offered => secure.or(clear).ok_or(unknown),
        Encryption::Required => secure.ok_or(match (unknown, clear) {
            (NegotiationError::NoAudio, Some(_)) => NegotiationError::Clear,
            (unknown, _) => unknown,
        }),
    }
}

/// The line of our answer to a line of an offer: its tag and suite, and our key.
pub(super) fn reply(line: Option<&CryptoLine>, ours: &LocalEncryption) -> Result<Option<CryptoLine>, NegotiationError> {
    let Some(line) = line else { return Ok(None) };
    let keying = ours.keys().and_then(|keys| keys.keying(line.keying.suite())).ok_or(NegotiationError::NoSuite)?;
    Ok(Some(CryptoLine { tag: line.tag, keying }))
}

/// The keys on which an answer to our section agrees; `None` in clear.
pub(super) fn accept(ours: &Media, answer: &Media) -> Result<Option<Protection>, NegotiationError> {
    let transport = answer.transport().ok_or(NegotiationError::NoAudio)?;
    let mut offered = CryptoLine::of(ours).peekable();
    if offered.peek().is_none() {
        return if transport == RtpProfile::Clear { Ok(None) } else { Err(NegotiationError::NoAudio) };
    }
    let mut keyed = answer.attributes().filter(|attribute| attribute.name == "crypto");
    let Some(line) = keyed.next() else {
        let must = ours.transport() == Some(RtpProfile::Secure) || transport == RtpProfile::Secure;
        return if must { Err(NegotiationError::Clear) } else { Ok(None) };
    };
    // Exactly one line, with the tag and the suite of one of ours (RFC 4568 section 5.1.3).
    let theirs = line.value.as_deref().and_then(|value| CryptoLine::parse(value).ok());
    let theirs = theirs.filter(|_| keyed.next().is_none()).ok_or(NegotiationError::Mismatch)?;
    let is_it = |line: &CryptoLine| line.tag == theirs.tag && line.keying.suite() == theirs.keying.suite();
    let ours = offered.find(is_it).ok_or(NegotiationError::Mismatch)?;
    Ok(Some(Protection { ours: ours.keying, theirs: theirs.keying }))
}

/// Encrypts the audio of an offer of ours as a section of ours is: with its keys, which stay the same.
pub fn keep(next: &mut Description, of: &Media) {
    let is_key = |line: &&Line| matches!(line, Line::Attribute(Attribute { name, .. }) if name == "crypto");
    let keys: Vec<Line> = of.lines.iter().filter(is_key).cloned().collect();
    if let Some(audio) = next.audio_at().and_then(|at| next.media.get_mut(at)).filter(|_| !keys.is_empty()) {
        audio.protocol.clone_from(&of.protocol);
        audio.lines.extend(keys);
    }
}

#[cfg(test)]
mod tests;
