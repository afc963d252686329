//! Which audio is encrypted, and how its keys come about: by descriptions (RFC 4568), or by a handshake in the audio's path (RFC 5763).
//! What we offer, choose and accept.
//!
//! | ours | we offer | of an offer we take | of an answer we take |
//! |---|---|---|---|
//! | off | `RTP/AVP` | audio in clear | audio in clear |
//! | offered | `RTP/AVP` with keys | encrypted audio if there is some, else in clear | with a key of ours, or in clear |
//! | required | `RTP/SAVP` with keys | encrypted audio | with a key of ours |
//! | dtls | `UDP/TLS/RTP/SAVPF` | encrypted audio | with a handshake |
//!
//! Keys beside `RTP/AVP` are what RFC 4568 has no name for and phones call "optional": a phone that does not know them ignores a line that it
//! does not know, and every call begins. `RTP/SAVP` would be refused by each of those, and a second section for it confuses phones that
//! answer both. A phone that encrypts with `RTP/SAVP` alone is called in clear, unless it is `required`.

use model::Encryption;

use super::{LocalAudio, NegotiationError};
use crate::ice::{IceCredentials, PRIORITY};
use crate::sdp::association::{Proposal, describe};
use crate::sdp::crypto::{CryptoLine, Protection};
use crate::sdp::{Association, Attribute, Description, Line, Media, RtpProfile};
use crate::srtp::SUITES;

/// What says how the audio of a section is encrypted.
const OF_SECTION: [&str; 7] = ["crypto", "fingerprint", "setup", "ice-ufrag", "ice-pwd", "candidate", "mid"];
/// The same of the session.
const OF_SESSION: [&str; 2] = ["ice-lite", "group"];
/// The name of our section in what we offer first.
const FIRST: &str = "0";

/// How the keys of a section come about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Keys {
    /// There are none.
    None,
    /// By a line of the description.
    Line(CryptoLine),
    /// By a handshake.
    Handshake(Proposal),
}

/// The keys that both sides have agreed on, or the handshake that will.
pub(super) type Agreed = (Option<Protection>, Option<Association>);

/// Makes a section of ours an offer of encrypted audio: with a key for each suite, or with a handshake.
pub(super) fn offer(section: &mut Media, local: &LocalAudio) {
    let Some(keys) = local.encryption.keys() else { return };
    match local.encryption.policy() {
        Encryption::Dtls => {
            "UDP/TLS/RTP/SAVPF".clone_into(&mut section.protocol);
            section.lines.push(Line::attribute("mid", FIRST));
            describe(section, &keys.fingerprint, None);
            return describe_way(section, local, &keys.ice());
        }
        Encryption::Required => "RTP/SAVP".clone_into(&mut section.protocol),
        Encryption::Off | Encryption::Offered => {}
    }
    let keyings = SUITES.into_iter().filter_map(|suite| keys.keying(suite));
    let lines = (1..).zip(keyings).map(|(tag, keying)| CryptoLine { tag, keying });
    section.lines.extend(lines.map(|line| Line::attribute("crypto", line)));
}

/// The section of an offer that is taken, and how it is encrypted.
pub(super) fn choose(offer: &Description, policy: Encryption) -> Result<(usize, Keys), NegotiationError> {
    let sections = || offer.media.iter().enumerate().filter_map(|(at, media)| Some((at, media, media.transport()?)));
    let clear = sections().find(|(.., transport)| *transport == RtpProfile::Clear).map(|(at, ..)| (at, Keys::None));
    let line = |media| CryptoLine::of(media).next().map(Keys::Line);
    let handshake = |media| Proposal::of(offer, media).map(Keys::Handshake);
    // The first line is the one that its author prefers (RFC 4568 section 5.1.1).
    let secure = sections().find_map(|(at, media, transport)| {
        let keys = match transport {
            RtpProfile::Clear => line(media),
            RtpProfile::Secure => line(media).or_else(|| handshake(media)),
            RtpProfile::Dtls => handshake(media),
        };
        Some((at, keys?))
    });
    let is_keyed = |media: &Media| media.attribute("crypto").is_some() || media.transport() == Some(RtpProfile::Dtls);
    let unknown = if sections().any(|(_, media, _)| is_keyed(media)) {
        NegotiationError::NoSuite
    } else {
        NegotiationError::NoAudio
    };
    match policy {
        Encryption::Off => clear.ok_or(if secure.is_some() { NegotiationError::Encrypted } else { unknown }),
        Encryption::Offered => secure.or(clear).ok_or(unknown),
        Encryption::Required | Encryption::Dtls => secure.ok_or(match (unknown, clear) {
            (NegotiationError::NoAudio, Some(_)) => NegotiationError::Clear,
            (unknown, _) => unknown,
        }),
    }
}

/// Completes our answer to a section: our key, or our side of the handshake.
pub(super) fn reply(
    taken: &Media,
    keys: Keys,
    (local, section): (&LocalAudio, &mut Media),
) -> Result<Agreed, NegotiationError> {
    let ours = local.encryption.keys();
    match keys {
        Keys::None => Ok((None, None)),
        Keys::Line(line) => {
            let keying = ours.and_then(|keys| keys.keying(line.keying.suite())).ok_or(NegotiationError::NoSuite)?;
            section.lines.push(Line::attribute("crypto", CryptoLine { tag: line.tag, keying }));
            Ok((Some(Protection { ours: keying, theirs: line.keying }), None))
        }
        Keys::Handshake(proposal) => {
            let ours = ours.ok_or(NegotiationError::NoSuite)?;
            let ice = proposal.fragment().map(|theirs| {
                let mut ours = ours.clone();
                ours.follow_peer(theirs);
                ours.ice()
            });
            let association = proposal.answered(ice, ours.has_begun);
            section.lines.extend(taken.attribute("mid").cloned().map(Line::Attribute));
            describe(section, &ours.fingerprint, Some(association.connects));
            if let Some(ice) = &association.ice {
                describe_way(section, local, ice);
            }
            Ok((None, Some(association)))
        }
    }
}

/// What the session has to say of a section of ours: that the peer is to look for the way (RFC 8839 §5.3), and that nothing else goes by it
/// (RFC 9143).
pub(super) fn of_session(section: &Media) -> Vec<Line> {
    let mut lines = Vec::new();
    if section.attribute("ice-ufrag").is_some() {
        lines.push(Line::flag("ice-lite"));
        let name = section.attribute("mid").and_then(|mid| mid.value.as_deref());
        lines.extend(name.map(|name| Line::attribute("group", format_args!("BUNDLE {name}"))));
    }
    lines
}

/// Where we are found, and the password of who looks.
fn describe_way(section: &mut Media, local: &LocalAudio, ice: &IceCredentials) {
    let (port, address) = (section.port, local.address);
    section.lines.push(Line::attribute("ice-ufrag", &ice.fragment));
    section.lines.push(Line::attribute("ice-pwd", &ice.password));
    let candidate = format_args!("1 1 UDP {PRIORITY} {address} {port} typ host");
    section.lines.push(Line::attribute("candidate", candidate));
}

/// By what we are found, as a section of ours describes it.
fn way_of(section: &Media) -> Option<IceCredentials> {
    let value = |name: &str| Some(section.attribute(name)?.value.as_deref()?.into());
    Some(IceCredentials { fragment: value("ice-ufrag")?, password: value("ice-pwd")? })
}

/// What an answer to our section agrees on; nothing in clear.
pub(super) fn accept(
    (offered, ours): (&Description, &Media),
    (answer, theirs): (&Description, &Media),
) -> Result<Agreed, NegotiationError> {
    let transport = theirs.transport().ok_or(NegotiationError::NoAudio)?;
    if Proposal::of(offered, ours).is_some() {
        let accepted = Proposal::of(answer, theirs).ok_or(NegotiationError::Clear)?;
        let association = accepted.accepted(way_of(ours)).ok_or(NegotiationError::Mismatch)?;
        return Ok((None, Some(association)));
    }
    accept_line(ours, theirs, transport).map(|protection| (protection, None))
}

fn accept_line(ours: &Media, answer: &Media, transport: RtpProfile) -> Result<Option<Protection>, NegotiationError> {
    let mut offered = CryptoLine::of(ours).peekable();
    if offered.peek().is_none() {
        return if transport == RtpProfile::Clear { Ok(None) } else { Err(NegotiationError::NoAudio) };
    }
    let mut keyed = answer.attributes().filter(|attribute| attribute.name == "crypto");
    let Some(line) = keyed.next() else {
        let must = ours.transport() != Some(RtpProfile::Clear) || transport != RtpProfile::Clear;
        return if must { Err(NegotiationError::Clear) } else { Ok(None) };
    };
    // Exactly one line, with the tag and the suite of one of ours (RFC 4568 section 5.1.3).
    let theirs = line.value.as_deref().and_then(|value| CryptoLine::parse(value).ok());
    let theirs = theirs.filter(|_| keyed.next().is_none()).ok_or(NegotiationError::Mismatch)?;
    let is_it = |line: &CryptoLine| line.tag == theirs.tag && line.keying.suite() == theirs.keying.suite();
    let ours = offered.find(is_it).ok_or(NegotiationError::Mismatch)?;
    Ok(Some(Protection { ours: ours.keying, theirs: theirs.keying }))
}

/// Encrypts the audio of an offer of ours as `before`, a description of ours, does: with its keys, which stay the same.
pub fn keep(next: &mut Description, before: &Description) {
    let Some(of) = before.audio() else { return };
    let kept = |lines: &[Line], names: &[&str]| {
        let is_it = |line: &&Line| matches!(line, Line::Attribute(Attribute { name, .. }) if names.contains(&&**name));
        lines.iter().filter(is_it).cloned().collect::<Vec<_>>()
    };
    let keys = kept(&of.lines, &OF_SECTION);
    if let Some(audio) = next.audio_at().and_then(|at| next.media.get_mut(at)).filter(|_| !keys.is_empty()) {
        audio.protocol.clone_from(&of.protocol);
        audio.lines.extend(keys);
        next.lines.extend(kept(&before.lines, &OF_SESSION));
    }
}

/// Gives our section in an offer the name that it has in `before`, a description of ours.
pub fn keep_name(next: &mut Description, before: &Description) {
    let name = before.audio().and_then(|audio| audio.attribute("mid")).cloned();
    let Some((name, audio)) = name.zip(next.audio_at().and_then(|at| next.media.get_mut(at))) else { return };
    for line in &mut audio.lines {
        if matches!(line, Line::Attribute(attribute) if attribute.name == "mid") {
            *line = Line::Attribute(name.clone());
        }
    }
    let session = of_session(audio);
    let is_ours =
        |line: &Line| matches!(line, Line::Attribute(Attribute { name, .. }) if OF_SESSION.contains(&&**name));
    next.lines.retain(|line| !is_ours(line));
    next.lines.extend(session);
}

#[cfg(test)]
mod tests;
