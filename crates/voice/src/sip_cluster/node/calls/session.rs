//! Session descriptions, as far as a call reads them: whether they give audio, and which side holds.

use bytes::Bytes;
use call::call::HoldWay;
use contracts::provisioning::DtmfForm;
use media::codec::Codec;
use media::sdp::{
    self, Description, Line, LocalAudio, LocalEncryption, NegotiationError, Origin, Preference, negotiation,
};
use model::{AddressFamily, Encryption};
use sip::agent::Reply;
use sip::{HeaderName, StatusCode};

/// What an offer of ours to a party may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spoken {
    /// The codecs, preferred first; empty means no restriction.
    pub codecs: Vec<Codec>,
    /// How keys go; none: as is negotiated.
    pub dtmf: Option<DtmfForm>,
}

impl Spoken {
    /// The offer that takes the place of `before`. Of its codecs the one that is spoken comes first.
    fn next_offer(&self, before: &Description, stream: &LocalAudio) -> Description {
        let codecs = &self.codecs;
        let spoken = negotiation::first_codec(before).filter(|codec| codecs.is_empty() || codecs.contains(codec));
        let codec = spoken.or(codecs.first().copied()).unwrap_or(Preference::default().codec);
        let next = negotiation::next_offer(before, stream, Preference { codec, ..Preference::default() }, codecs);
        if self.dtmf.is_none_or(DtmfForm::has_events) { next } else { negotiation::without_events(next) }
    }
}

/// Status and reason of a refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// Its reason phrase, where that is not the usual one.
    pub phrase: Option<&'static str>,
    /// The value of a Warning header that says why (RFC 3261 section 20.43).
    pub warning: Option<String>,
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self { status, phrase: None, warning: None }
    }
}

impl From<Refusal> for Reply {
    fn from(Refusal { status, phrase, warning }: Refusal) -> Self {
        let mut reply = Self { phrase, ..Self::new(status) };
        reply.headers.extend(warning.map(|warning| (HeaderName::Warning, warning)));
        reply
    }
}

/// How an offer without usable audio is refused: 400 if it is no description, 488 if it names nothing that we support.
///
/// `codecs` are those of the trunk or the tenant; empty means no restriction.
pub fn refusal(offer: &[u8], codecs: &[Codec], encryption: Encryption) -> Option<Refusal> {
    let Ok(offer) = sdp::parse::parse(offer) else {
        return Some(StatusCode::BAD_REQUEST.into());
    };
    let error = negotiation::check_offer(&negotiation::speaking(offer, codecs), encryption).err()?;
    Some(Refusal { warning: Some(error.warning()), ..StatusCode::NOT_ACCEPTABLE_HERE.into() })
}

/// Whether an answer takes the audio of an offer of ours, judged as media will judge it.
///
/// `codecs` are those to which media holds the party; empty means no restriction.
pub fn takes_audio(offer: &[u8], answer: &[u8], codecs: &[Codec]) -> bool {
    misfit(offer, answer, codecs).is_none()
}

/// Why an answer does not take the audio of an offer of ours. A codec that was not offered is no reason where media speaks it all the same;
/// of an answer that has nothing but others than `codecs`, media takes nothing. If the offer has none of them, the configuration has changed
/// since, and those of the offer count.
pub fn misfit(offer: &[u8], answer: &[u8], codecs: &[Codec]) -> Option<NegotiationError> {
    let (Ok(offer), Ok(answer)) = (sdp::parse::parse(offer), sdp::parse::parse(answer)) else {
        return Some(NegotiationError::Mismatch);
    };
    let offered: Vec<Codec> = codecs_of(&offer).collect();
    let is_changed = !codecs.is_empty() && !offered.iter().any(|codec| codecs.contains(codec));
    let taken = if is_changed { &offered } else { codecs };
    negotiation::accept_answer(&offer, &negotiation::speaking(answer, taken), Preference::default()).err()
}

/// The codecs that a description names.
fn codecs_of(description: &Description) -> impl Iterator<Item = Codec> + '_ {
    let audio = description.audio().into_iter();
    audio.flat_map(|audio| audio.payload_types().filter_map(|number| Codec::from_encoding(audio.encoding(number)?)))
}

/// The order in which a party is offered codecs, beside somebody who has described its audio so: what both may have comes first, as the other
/// one prefers it, so that nothing has to be transcoded. The laws of G.711 count as one, and keep their order.
///
/// `codecs` empty means no restriction, and so does the result.
pub fn in_order_of(described: &[u8], codecs: &[Codec]) -> Vec<Codec> {
    let Ok(described) = sdp::parse::parse(described) else { return codecs.to_vec() };
    let spoken: &[Codec] = if codecs.is_empty() { &Codec::ALL } else { codecs };
    let preferred: Vec<Codec> = codecs_of(&described).collect();
    let place = |codec: &Codec| preferred.iter().position(|one| one.converts_to(*codec)).unwrap_or(preferred.len());
    let mut ordered = spoken.to_vec();
    ordered.sort_by_key(place);
    if ordered == spoken { codecs.to_vec() } else { ordered }
}

/// The family of addresses in which the author of a description wants its audio, if it says so.
pub fn family(description: &[u8]) -> Option<AddressFamily> {
    negotiation::family_of(&sdp::parse::parse(description).ok()?)
}

/// Whether the author of a description holds. None if it is no description: media reports that to its sender.
pub fn holds(description: &[u8]) -> Option<bool> {
    sdp::parse::parse(description).ok().map(|description| description.is_hold())
}

/// Our own description with the direction that asks the peer to hold or to retrieve.
pub fn with_direction(description: &[u8], way: HoldWay) -> Option<Bytes> {
    let mut description = sdp::parse::parse(description).ok()?;
    let wanted = match way {
        // We do not want its audio: the phone must stop sending (RFC 3264 section 8.4).
        HoldWay::Hold => "inactive",
        HoldWay::Retrieve => "sendrecv",
    };
    let audio = description.audio_at().and_then(|at| description.media.get_mut(at))?;
    let is_direction = |line: &Line| matches!(line, Line::Attribute(a) if ["sendrecv", "sendonly", "recvonly", "inactive"].contains(&a.name.as_str()));
    audio.lines.retain(|line| !is_direction(line));
    audio.lines.push(Line::flag(wanted));
    let version = description.origin.version + 1;
    Some(Bytes::from(description.with_version(version).to_string()))
}

/// An offer of what we want now, for the same stream as `local`, our side of the last agreement: that may be a hold, and name
/// fewer codecs than we support. The codec that is spoken stays the preferred one.
pub fn fresh_offer(local: &[u8], spoken: &Spoken) -> Option<Bytes> {
    let local = sdp::parse::parse(local).ok()?;
    let audio = local.audio()?;
    let stream = LocalAudio {
        address: local.address_of(audio)?,
        port: audio.port,
        session_id: local.origin.session_id,
        version: local.origin.version + 1,
        encryption: LocalEncryption::Off,
    };
    let mut next = spoken.next_offer(&local, &stream);
    negotiation::encryption::keep(&mut next, &local);
    Some(Bytes::from(next.to_string()))
}

/// Our description as the next one after `before`: an unchanged one keeps its version, any other gets the next version of the same session
/// (RFC 3264 section 8).
pub fn following(before: &[u8], description: &[u8]) -> Option<Bytes> {
    let (before, mut description) = (sdp::parse::parse(before).ok()?, sdp::parse::parse(description).ok()?);
    description.origin = before.origin.clone();
    if description != before {
        description.origin.version += 1;
    }
    Some(Bytes::from(description.to_string()))
}

/// The offer to a party that media's audio takes the place of `before`, our side of the last agreement with it.
pub fn moved(before: &[u8], medias: &[u8], spoken: &Spoken) -> Option<Bytes> {
    let (before, medias) = (sdp::parse::parse(before).ok()?, sdp::parse::parse(medias).ok()?);
    let audio = medias.audio()?;
    let stream = LocalAudio {
        address: medias.address_of(audio)?,
        port: audio.port,
        session_id: before.origin.session_id,
        version: before.origin.version + 1,
        encryption: LocalEncryption::Off,
    };
    let mut next = spoken.next_offer(&before, &stream);
    negotiation::encryption::keep(&mut next, &medias);
    next.origin = Origin { version: stream.version, ..before.origin };
    Some(Bytes::from(next.to_string()))
}

/// The audio of an answer, for media, whose offer had nothing else.
pub fn audio_alone(answer: &[u8]) -> Option<Bytes> {
    let mut answer = sdp::parse::parse(answer).ok()?;
    let at = answer.audio_at()?;
    answer.media = vec![answer.media.swap_remove(at)];
    Some(Bytes::from(answer.to_string()))
}

/// The largest number of a session, or of a version of it, from which we count on.
const NUMBER_MAX: u64 = 1 << 62;

/// Whether a party's description can become ours towards another party, whose later versions we count (RFC 3264 section 8).
pub fn may_be_continued(description: &[u8]) -> bool {
    let origin = sdp::parse::parse(description).map(|description| description.origin);
    origin.is_ok_and(|origin| origin.session_id <= NUMBER_MAX && origin.version <= NUMBER_MAX)
}

/// Whether two descriptions of a party say the same, whatever their versions are.
pub fn is_same(before: &[u8], description: &[u8]) -> bool {
    let (Ok(before), Ok(description)) = (sdp::parse::parse(before), sdp::parse::parse(description)) else {
        return false;
    };
    let version = before.origin.version;
    description.with_version(version) == before
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Our answer to a phone that offers encrypted audio first, then plain audio, then video.
    fn of_three_sections() -> (String, String) {
        let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";
        let sections = "m=audio 4002 RTP/SAVP 8\r\nm=audio 4000 RTP/AVP 8\r\nm=video 4004 RTP/AVP 31\r\n";
        let theirs = format!("{head}{sections}");
        let local = LocalAudio {
            address: [192, 0, 2, 1].into(),
            port: 20_000,
            session_id: 7,
            version: 1,
            encryption: LocalEncryption::Off,
        };
        let offer = sdp::parse::parse(theirs.as_bytes()).unwrap();
        let (ours, _) = negotiation::answer(&offer, &local, Preference::default()).unwrap();
        (theirs, ours.to_string())
    }

    fn ports(description: &[u8]) -> Vec<u16> {
        sdp::parse::parse(description).unwrap().media.iter().map(|media| media.port).collect()
    }

    #[test]
    fn hold_refresh_and_a_fresh_offer_are_about_the_section_that_is_spoken() {
        let (theirs, ours) = of_three_sections();
        assert_eq!(ports(ours.as_bytes()), [0, 20_000, 0]);
        let held = with_direction(ours.as_bytes(), HoldWay::Hold).unwrap();
        assert_eq!(holds(&held), Some(true));
        assert_eq!(ports(&held), [0, 20_000, 0]);
        let fresh = fresh_offer(ours.as_bytes(), &Spoken::default()).unwrap();
        assert_eq!(ports(&fresh), [0, 20_000, 0], "as many sections as before");
        // To our refresh, or fresh offer, the phone answers with the sections that it has.
        for offer in [ours.as_bytes(), &fresh] {
            assert!(takes_audio(offer, theirs.replace("m=audio 4002 RTP/SAVP", "m=audio 0 RTP/SAVP").as_bytes(), &[]));
            assert!(!takes_audio(offer, theirs.replace("m=audio 4000", "m=audio 0").as_bytes(), &[]));
        }
    }

    #[test]
    fn an_answer_is_held_to_the_codecs_of_its_party_as_media_holds_it() {
        let described = |formats: &str| {
            format!(
                "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP {formats}\r\n"
            )
        };
        let misfit =
            |answer: &str, codecs: &[Codec]| misfit(described("8").as_bytes(), described(answer).as_bytes(), codecs);
        assert_eq!(misfit("0", &[Codec::Pcma]), Some(NegotiationError::NoCodec));
        assert_eq!(misfit("0 8", &[Codec::Pcma]), None, "media takes the one that it may");
        assert_eq!(misfit("0", &[]), None, "it was not offered, but media speaks it");
        assert_eq!(misfit("8", &[Codec::Pcmu]), None, "it was offered, before the configuration changed");
    }

    #[test]
    fn what_both_have_is_offered_first_and_the_laws_keep_their_order() {
        use Codec::{G722, Opus, Pcma, Pcmu};
        let in_order = |formats: &str, codecs: &[Codec]| {
            let described = format!(
                "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
                 m=audio 4000 RTP/AVP {formats}\r\na=rtpmap:111 opus/48000/2\r\n"
            );
            in_order_of(described.as_bytes(), codecs)
        };
        assert_eq!(in_order("111", &Codec::ALL), [Opus, Pcma, Pcmu, G722]);
        assert_eq!(in_order("111", &[]), [Opus, Pcma, Pcmu, G722], "a tenant that is not known speaks all");
        assert_eq!(in_order("111 9 0", &[Pcma, G722, Opus]), [Opus, G722, Pcma]);
        assert_eq!(in_order("111", &[Pcma, Pcmu]), [Pcma, Pcmu], "nothing is spoken that may not be");
        assert_eq!(in_order("0", &[Pcma, Pcmu]), [Pcma, Pcmu], "one law is made of the other for nothing");
        assert!(in_order("0", &[]).is_empty(), "no restriction, as before");
        assert_eq!(in_order_of(b"nonsense", &[Pcmu]), [Pcmu]);
    }

    #[test]
    fn an_offer_that_cannot_be_taken_is_refused_with_the_reason() {
        let offer = |address: &str, media: &str| {
            let text =
                format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm={media}\r\n");
            refusal(text.as_bytes(), &[], Encryption::Off)
                .map(|refusal| (refusal.status.0, refusal.warning.unwrap_or_default()))
        };
        assert_eq!(offer("192.0.2.9", "audio 4000 RTP/AVP 0"), None);
        let cases = [
            ("phone.example.com", "audio 4000 RTP/AVP 0", "301 trunkline \"the audio needs a numeric"),
            ("224.2.1.1/127", "audio 4000 RTP/AVP 0", "301 "),
            ("192.0.2.9", "audio 4000 RTP/AVP 18", "305 "),
            ("192.0.2.9", "video 4000 RTP/AVP 31", "304 "),
            ("192.0.2.9", "audio 4000 RTP/SAVP 0", "304 "),
        ];
        for (address, media, warning) in cases {
            let (status, says) = offer(address, media).expect("refused");
            assert!(status == 488 && says.starts_with(warning), "{address} {media}: {status} {says}");
        }
        let a_law =
            b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
        assert_eq!(refusal(a_law, &[Codec::Pcma], Encryption::Off), None);
        assert!(
            refusal(a_law, &[Codec::Pcmu], Encryption::Off)
                .is_some_and(|refusal| refusal.warning.is_some_and(|w| w.starts_with("305 ")))
        );
        assert_eq!(refusal(b"nonsense", &[], Encryption::Off), Some(StatusCode::BAD_REQUEST.into()));
    }
}
