//! Offer and answer (RFC 3264) for one audio stream: G.711 and G.722 (RFC 3551), Opus (RFC 7587) and telephone-event (RFC 4733) over
//! `RTP/AVP`, or encrypted: see [`encryption`].

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use model::Encryption;

use super::crypto::{LocalEncryption, Protection};
use super::{Association, Attribute, Connection, Description, Line, Media, Origin, address_type};
use crate::codec::{Codec, OpusTerms, SampleRate};

mod direction;
pub mod encryption;
mod family;
mod numbers;

pub use direction::Direction;
pub use family::family_of;
use family::same_family;
pub use numbers::PayloadTypes;

/// Our receiving address and the identity of our descriptions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LocalAudio {
    /// The advertised address.
    pub address: IpAddr,
    /// The RTP port, even; RTCP is one above.
    pub port: u16,
    /// `o=`'s session id: kept for the life of the dialog.
    pub session_id: u64,
    /// `o=`'s version.
    pub version: u64,
    /// Whether our audio is encrypted, and our keys.
    pub encryption: LocalEncryption,
}

/// What we prefer in an offer or answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Preference {
    /// The codec used by the other member of the conference, so that nothing needs transcoding.
    pub codec: Codec,
    /// Our direction.
    pub direction: Direction,
}

/// An agreed audio stream, seen from our side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AudioStream {
    /// Where the peer says it receives RTP; `None` while it holds with an unspecified address.
    pub remote: Option<SocketAddr>,
    /// The host that the peer's signalling comes from, if known. It is proven: the peer has answered us from there.
    pub party: Option<IpAddr>,
    /// Where the peer receives RTCP (RFC 3605, else one port above).
    pub remote_rtcp: Option<SocketAddr>,
    /// RTP and RTCP share a port (RFC 5761).
    pub rtcp_mux: bool,
    /// The codec that we send.
    pub codec: Codec,
    /// The payload types of the peer's description: those that we send.
    pub numbers: PayloadTypes,
    /// Those of our offer, which the peer may send, all codecs of it; none where the peer has offered.
    pub offered: PayloadTypes,
    /// The Opus that the peer takes.
    pub opus: OpusTerms,
    /// Our direction.
    pub direction: Direction,
    /// What the peer wants in a packet, in units of 1/8000 s: its `a=ptime`, limited by its `a=maxptime`; `None` if it names none.
    pub packet: Option<u16>,
    /// The keys of both sides; `None` in clear, or before the handshake has agreed on them.
    pub protection: Option<Protection>,
    /// The handshake that agrees on the keys.
    pub association: Option<Association>,
}

/// Why no stream was negotiated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NegotiationError {
    /// No audio section that we support: 488 (RFC 3261 §21.4.26).
    #[error("the description has no audio that we can take")]
    NoAudio,
    /// There is audio but no codec of ours: 488.
    #[error("no codec is offered that is spoken here")]
    NoCodec,
    /// The audio address is not a unicast IP address: a host name or a multicast group.
    #[error("the audio has no numeric unicast address")]
    NoAddress,
    /// The audio has no `c=` at all.
    #[error("the audio has no connection address")]
    NoConnection,
    /// The audio address is of the family that we do not use: IPv6 where we use IPv4, or the reverse.
    #[error("the audio has an address of another family than ours")]
    Family,
    /// The answer and our offer differ in their number of sections (RFC 3264 §6).
    #[error("the answer does not fit the offer")]
    Mismatch,
    /// There is encrypted audio only, and ours is not: 488.
    #[error("the audio is encrypted, which it is not here")]
    Encrypted,
    /// There is audio in clear only, and ours is encrypted: 488. For an answer of the peer the session must end.
    #[error("the audio is not encrypted, which is required here")]
    Clear,
    /// The audio is encrypted in no way that is known here: 488.
    #[error("no crypto suite is offered that is known here")]
    NoSuite,
}

// === impl NegotiationError ===

impl NegotiationError {
    /// The value of a Warning header that explains this to the peer (RFC 3261 §20.43): code, our pseudonym, text.
    pub fn warning(self) -> String {
        let (code, text) = match self {
            Self::NoAddress => (301, "the audio needs a numeric unicast address: names are not resolved"),
            Self::NoConnection => (301, "the audio has no connection address: there is no c= line"),
            Self::Family => (301, "the audio has an address of a family, IPv4 or IPv6, that is not here"),
            Self::NoCodec => {
                (305, "no codec is offered that is spoken here: PCMA, PCMU, G722 or opus, as tenant and trunk allow")
            }
            Self::NoAudio | Self::Mismatch => (304, "no audio over RTP/AVP or RTP/SAVP is offered"),
            Self::Encrypted => (302, "the audio is encrypted, and the setting here is encryption: off"),
            Self::Clear => (302, "the audio is not encrypted, and the setting here is encryption: required"),
            Self::NoSuite => (
                302,
                "no crypto suite or fingerprint is offered that is known here, like AES_CM_128_HMAC_SHA1_80 or sha-256",
            ),
        };
        format!("{code} trunkline \"{text}\"")
    }
}

// === impl AudioStream ===

impl AudioStream {
    /// Samples, at 8 kHz, of a packet that we send: as the peer wants, else 20 ms.
    pub fn packet_samples(&self) -> usize {
        let wanted = usize::from(self.packet.unwrap_or(PTIME * SAMPLES_PER_MS)).clamp(1, PACKET_SAMPLES_MAX);
        match (self.codec, wanted as u16 / SAMPLES_PER_MS) {
            // An Opus frame has one of few lengths (RFC 6716 §2.1.4).
            (Codec::Opus, ms) => {
                usize::from(SAMPLES_PER_MS * [60, 40, 20].into_iter().find(|frame| *frame <= ms).unwrap_or(10))
            }
            _ => wanted,
        }
    }

    /// The payload type of the codec that we send.
    pub fn number(&self) -> Option<u8> {
        self.numbers.of(self.codec)
    }

    /// The rate of the best audio that the peer can hear.
    pub fn rate(&self) -> SampleRate {
        match self.codec {
            Codec::Opus => SampleRate::within(self.opus.playback_hz),
            codec => codec.rate(),
        }
    }

    /// The payload type and the clock of our telephone events: those of the codec's clock if the peer has them (RFC 4733 §2.1).
    pub fn event(&self) -> Option<(u8, u32)> {
        let (of_codec, other) = match self.codec.clock() {
            48_000 => (48_000, 8_000),
            clock => (clock, 48_000),
        };
        [of_codec, other].into_iter().find_map(|clock| Some((self.numbers.event(clock)?, clock)))
    }

    /// Applies what was agreed about keys. Who looks for a way to us shows by ICE where it is, whatever its description says.
    fn agree(&mut self, (protection, association): encryption::Agreed) {
        if association.as_ref().is_some_and(|association| association.ice.is_some()) {
            (self.remote, self.remote_rtcp) = (None, None);
        }
        (self.protection, self.association) = (protection, association);
    }

    /// How long such a packet lasts.
    pub fn packet_time(&self) -> Duration {
        Duration::from_secs(self.packet_samples() as u64) / 8_000
    }
}

impl Default for Preference {
    fn default() -> Self {
        Self { codec: Codec::Pcmu, direction: Direction::SendRecv }
    }
}

// === offers and answers ===

/// Payload types of telephone-event in our offers, by clock.
const TELEPHONE_EVENTS_OFFERED: [(u32, u8); 2] = [(8_000, 101), (48_000, 110)];
/// Packet length of our offers, and of packets to a peer that names none, in ms.
const PTIME: u16 = 20;
/// Longest packet that is sent, in ms; its length is always a multiple of [`PTIME_STEP`].
const PTIME_MAX: u16 = 60;
/// Shortest packet that is sent, and the step between lengths, in ms: what G.711 devices use.
const PTIME_STEP: u16 = 10;
/// Samples of a millisecond of G.711.
const SAMPLES_PER_MS: u16 = 8;
/// Most samples of a packet that we send.
pub const PACKET_SAMPLES_MAX: usize = (PTIME_MAX * SAMPLES_PER_MS) as usize;

/// Our offer: these codecs, the preferred one first; all of ours if there are none. Telephone-event at each clock of theirs.
pub fn offer(local: &LocalAudio, preference: Preference, spoken: &[Codec]) -> Description {
    let spoken = if spoken.is_empty() { &Codec::ALL } else { spoken };
    let preferred = spoken.iter().filter(|codec| **codec == preference.codec);
    let others = spoken.iter().filter(|codec| **codec != preference.codec);
    let codecs: Vec<(u8, Codec)> = preferred.chain(others).map(|codec| (codec.payload_type(), *codec)).collect();
    let has = |clock: u32| codecs.iter().any(|(_, codec)| codec.clock() == clock);
    let events = TELEPHONE_EVENTS_OFFERED.into_iter().filter(|(clock, _)| *clock == 8_000 || has(*clock)).collect();
    let form = Form { events, direction: preference.direction, mux: true, ptime: PTIME };
    let mut section = audio_section(local, "RTP/AVP", &codecs, &form);
    encryption::offer(&mut section, local);
    describe(local, vec![section])
}

/// Our offer of another session in the place of `before`, which was agreed: it has as many sections (RFC 3264 §8).
pub fn next_offer(before: &Description, local: &LocalAudio, preference: Preference, spoken: &[Codec]) -> Description {
    let mut next = offer(local, preference, spoken);
    let Some(audio) = next.media.pop() else { return next };
    let at = before.audio_at().unwrap_or_default();
    next.media = before.media.iter().map(rejected).collect();
    match next.media.get_mut(at) {
        Some(place) => *place = audio,
        None => next.media.push(audio),
    }
    next
}

/// Our answer to an offer, and the resulting stream.
///
/// The first acceptable audio section is taken, an encrypted one first where ours is; every other section is rejected with port 0 (RFC
/// 3264 §6).
pub fn answer(
    offer: &Description,
    local: &LocalAudio,
    preference: Preference,
) -> Result<(Description, AudioStream), NegotiationError> {
    let (index, keys) = encryption::choose(offer, local.encryption.policy())?;
    let taken = offer.media.get(index).ok_or(NegotiationError::NoAudio)?;
    let mut stream = stream_of(offer, taken)?;
    stream.direction = preference.direction.both(offer.direction_of(taken).reversed());
    // We answer with one codec, so that the peer sends what we send: our preferred one if offered, else the peer's first.
    if stream.numbers.of(preference.codec).is_some() {
        stream.codec = preference.codec;
    }
    let codecs = [(stream.number().ok_or(NegotiationError::NoCodec)?, stream.codec)];
    let form = Form {
        events: stream.event().map(|(number, clock)| (clock, number)).into_iter().collect(),
        direction: stream.direction,
        mux: stream.rtcp_mux,
        // Many devices send what they read here, whatever they asked for: answer the same for both directions.
        ptime: stream.packet.map_or(PTIME, |samples| samples / SAMPLES_PER_MS),
    };
    let mut section = audio_section(local, &taken.protocol, &codecs, &form);
    stream.agree(encryption::reply(taken, keys, (local, &mut section))?);
    same_family(&stream, local.address)?;
    let mut media: Vec<Media> = offer.media.iter().map(rejected).collect();
    if let Some(place) = media.get_mut(index) {
        *place = section;
    }
    let mut described = describe(local, media);
    if !offer.attributes().any(|attribute| attribute.name == "group") {
        described.lines.retain(|line| !matches!(line, Line::Attribute(attribute) if attribute.name == "group"));
    }
    Ok((described, stream))
}

/// Whether [`answer`] would accept the offer, for a caller that has no ports yet.
///
/// # Errors
/// The error that [`answer`] would return.
pub fn check_offer(offer: &Description, policy: Encryption) -> Result<(), NegotiationError> {
    let (index, _) = encryption::choose(offer, policy)?;
    let taken = offer.media.get(index).ok_or(NegotiationError::NoAudio)?;
    stream_of(offer, taken).map(drop)
}

/// The stream that results from a peer's answer to our offer.
pub fn accept_answer(
    offered: &Description,
    answer: &Description,
    preference: Preference,
) -> Result<AudioStream, NegotiationError> {
    if answer.media.len() != offered.media.len() {
        return Err(NegotiationError::Mismatch);
    }
    // In a session that the peer has begun, its other sections stand beside ours, rejected.
    let at = offered.audio_at().ok_or(NegotiationError::NoAudio)?;
    let taken = answer.media.get(at).ok_or(NegotiationError::NoAudio)?;
    let ours = offered.media.get(at).ok_or(NegotiationError::NoAudio)?;
    let agreed = encryption::accept((offered, ours), (answer, taken))?;
    let mut stream = stream_of(answer, taken)?;
    stream.agree(agreed);
    if let Some(ours) = offered.address_of(ours) {
        same_family(&stream, ours)?;
    }
    stream.direction = preference.direction.both(answer.direction_of(taken).reversed());
    stream.offered = offered_by(offered);
    Ok(stream)
}

/// The payload types that an offer of ours lets the peer send.
pub fn offered_by(offer: &Description) -> PayloadTypes {
    offer.audio().map(PayloadTypes::of_section).unwrap_or_default()
}

/// Removes all codecs but these from a description: one that is not used there is neither offered nor accepted.
/// An empty list restricts nothing.
pub fn speaking(mut description: Description, codecs: &[Codec]) -> Description {
    if !codecs.is_empty() {
        let foreign = |encoding: &str| Codec::from_encoding(encoding).is_some_and(|codec| !codecs.contains(&codec));
        drop_formats(&mut description, foreign);
    }
    description
}

/// Removes telephone-event from a description: where keys go another way, it is neither offered nor accepted.
pub fn without_events(mut description: Description) -> Description {
    let is_event = |name: &str| name.eq_ignore_ascii_case("telephone-event");
    drop_formats(&mut description, |encoding| encoding.split('/').next().is_some_and(is_event));
    description
}

/// Removes the formats of audio that have such encodings.
fn drop_formats(description: &mut Description, has_to_go: impl Fn(&str) -> bool) {
    for media in description.media.iter_mut().filter(|media| media.kind == "audio") {
        let goes = |pt: &u8| media.encoding(*pt).is_some_and(&has_to_go);
        let dropped: Vec<u8> = media.payload_types().filter(goes).collect();
        let is_dropped = |word: &str| word.parse().is_ok_and(|pt: u8| dropped.contains(&pt));
        media.formats.retain(|format| !is_dropped(format));
        media.lines.retain(|line| match line {
            Line::Attribute(Attribute { name, value: Some(value) }) if name == "rtpmap" || name == "fmtp" => {
                !value.split(' ').next().is_some_and(is_dropped)
            }
            _ => true,
        });
    }
}

/// The preferred codec of the offer's author.
pub fn first_codec(offer: &Description) -> Option<Codec> {
    let media = offer.media.iter().find(|media| offer.is_usable(media))?;
    media.payload_types().find_map(|pt| media.encoding(pt).and_then(Codec::from_encoding))
}

/// The stream as its author describes it; `codec` is the author's first, `direction` is not set yet.
fn stream_of(description: &Description, media: &Media) -> Result<AudioStream, NegotiationError> {
    let address = description.address_of(media).ok_or_else(|| {
        let named = media.lines.iter().chain(&description.lines).any(|line| matches!(line, Line::Other('c', _)));
        if named { NegotiationError::NoAddress } else { NegotiationError::NoConnection }
    })?;
    // Packets to a multicast or broadcast address would reach hosts that did not ask for them.
    if !is_host(address) {
        return Err(NegotiationError::NoAddress);
    }
    let mut codecs = media.payload_types().filter_map(|pt| Codec::from_encoding(media.encoding(pt)?));
    let codec = codecs.next().ok_or(NegotiationError::NoCodec)?;
    let numbers = PayloadTypes::of_section(media);
    let rtcp_mux = media.attribute("rtcp-mux").is_some();
    let remote = (!address.is_unspecified()).then(|| SocketAddr::new(address, media.port));
    Ok(AudioStream {
        remote,
        party: None,
        remote_rtcp: remote.and_then(|r| rtcp_address(media, r, rtcp_mux)),
        rtcp_mux,
        codec,
        numbers,
        offered: PayloadTypes::default(),
        opus: numbers.opus.map(|number| numbers::opus_terms(media, number)).unwrap_or_default(),
        direction: Direction::SendRecv,
        packet: packet_of(media),
        protection: None,
        association: None,
    })
}

fn is_host(address: IpAddr) -> bool {
    !address.is_multicast() && !matches!(address, IpAddr::V4(all) if all.is_broadcast())
}

/// Samples that the author wants in a packet.
fn packet_of(media: &Media) -> Option<u16> {
    let ms = |name: &str| -> Option<u16> {
        let value = media.attribute(name)?.value.as_deref()?.trim();
        // Some devices write 20.0; the fraction does not matter for G.711.
        value.split('.').next()?.parse().ok().filter(|ms| *ms > 0)
    };
    let wanted = match (ms("ptime"), ms("maxptime")) {
        (Some(asked), most) => asked.min(most.unwrap_or(asked)),
        (None, Some(most)) if most < PTIME => most,
        (None, _) => return None,
    };
    Some((wanted / PTIME_STEP * PTIME_STEP).clamp(PTIME_STEP, PTIME_MAX) * SAMPLES_PER_MS)
}

/// `a=rtcp:PORT [IN IP4 ADDRESS]` (RFC 3605), else the port above.
fn rtcp_address(media: &Media, rtp: SocketAddr, mux: bool) -> Option<SocketAddr> {
    if mux {
        return Some(rtp);
    }
    let Some(Attribute { value: Some(value), .. }) = media.attribute("rtcp") else {
        return rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port));
    };
    let mut words = value.split_ascii_whitespace();
    let port = words.next()?.parse().ok().filter(|port| *port != 0)?;
    let address = words.nth(2).map_or(Some(rtp.ip()), |address| address.parse().ok())?;
    (is_host(address) && address.is_ipv4() == rtp.is_ipv4()).then(|| SocketAddr::new(address, port))
}

fn describe(local: &LocalAudio, media: Vec<Media>) -> Description {
    let of_session = media.iter().flat_map(encryption::of_session).collect::<Vec<_>>();
    let kind = address_type(local.address);
    Description {
        origin: Origin {
            user: "-".to_owned(),
            session_id: local.session_id,
            version: local.version,
            address: format!("IN {kind} {}", local.address),
        },
        name: Some("-".to_owned()),
        lines: [Line::Connection(Connection { address: local.address }), Line::Other('t', "0 0".to_owned())]
            .into_iter()
            .chain(of_session)
            .collect(),
        media,
    }
}

/// What our media section says besides its codecs.
struct Form {
    /// Clock and payload type of each telephone-event.
    events: Vec<(u32, u8)>,
    direction: Direction,
    mux: bool,
    /// In ms.
    ptime: u16,
}

fn audio_section(local: &LocalAudio, protocol: &str, codecs: &[(u8, Codec)], form: &Form) -> Media {
    let Form { events, direction, mux, ptime } = form;
    let mut formats: Vec<String> = codecs.iter().map(|(pt, _)| pt.to_string()).collect();
    let mut lines = Vec::new();
    for (pt, codec) in codecs {
        lines.push(Line::attribute("rtpmap", format_args!("{pt} {}/{}", codec.name(), codec.encoding_parameters())));
        if *codec == Codec::Opus {
            lines.push(Line::attribute("fmtp", format_args!("{pt} useinbandfec=1")));
        }
    }
    for (clock, pt) in events {
        formats.push(pt.to_string());
        lines.push(Line::attribute("rtpmap", format_args!("{pt} telephone-event/{clock}")));
        lines.push(Line::attribute("fmtp", format_args!("{pt} 0-15")));
    }
    lines.push(Line::attribute("ptime", ptime));
    if *mux {
        lines.push(Line::flag("rtcp-mux"));
    }
    lines.push(Line::flag(direction.as_str()));
    Media {
        kind: "audio".to_owned(),
        port: local.port,
        port_count: None,
        protocol: protocol.to_owned(),
        formats,
        lines,
    }
}

fn rejected(media: &Media) -> Media {
    let mut rejected = Media { port: 0, port_count: None, lines: Vec::new(), ..media.clone() };
    // An m= line without a format is invalid (RFC 8866 §5.14).
    if rejected.formats.is_empty() {
        rejected.formats.push("0".to_owned());
    }
    rejected
}
