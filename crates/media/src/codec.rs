//! The codecs that are spoken, and their state: an [`Encoder`] towards a phone, a [`Decoder`] of what it sends.
//!
//! Both work on 16-bit samples at the rate of whoever uses them, whatever the codec's own rate is: a prompt has 8 kHz, a mix the rate of
//! its room.

mod decoder;
mod encoder;
mod resample;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub(crate) use resample::Resampler;

use crate::g711::Law;

/// A codec.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Codec {
    /// ITU-T G.711, µ-law.
    Pcmu,
    /// ITU-T G.711, A-law.
    Pcma,
    /// ITU-T G.722, at 64 kbit/s.
    G722,
    /// Opus (RFC 6716).
    Opus,
}

/// Samples in a second of audio.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum SampleRate {
    /// 8 kHz.
    #[default]
    Narrow,
    /// 16 kHz.
    Wide,
    /// 48 kHz.
    Full,
}

/// What a phone says of the Opus that it takes (RFC 7587 §6.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OpusTerms {
    /// The highest rate of samples that it plays (`maxplaybackrate`), in Hz.
    pub playback_hz: u32,
    /// The most bits in a second (`maxaveragebitrate`), if it names it.
    pub bits_max: Option<u32>,
    /// Whether it takes a packet's predecessor within a packet (`useinbandfec`).
    pub takes_repair: bool,
}

impl Default for OpusTerms {
    fn default() -> Self {
        Self { playback_hz: 48_000, bits_max: None, takes_repair: false }
    }
}

// === impl SampleRate ===

impl SampleRate {
    /// Samples in a second.
    pub const fn hz(self) -> u32 {
        match self {
            Self::Narrow => 8_000,
            Self::Wide => 16_000,
            Self::Full => 48_000,
        }
    }

    /// How often a sample of 8 kHz fits in.
    pub const fn times(self) -> usize {
        (self.hz() / 8_000) as usize
    }

    /// The highest rate that is not above these Hz.
    pub const fn within(hz: u32) -> Self {
        match hz {
            48_000.. => Self::Full,
            16_000.. => Self::Wide,
            _ => Self::Narrow,
        }
    }
}

// === impl Codec ===

impl Codec {
    /// All, in the order in which a tenant speaks them that has not chosen: G.711 first, since most phones and all trunks have it, and what
    /// both sides have needs no work.
    pub const ALL: [Self; 4] = [Self::Pcma, Self::Pcmu, Self::G722, Self::Opus];

    /// The codec of that name (RFC 3551 §6, RFC 7587 §7), in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| name.eq_ignore_ascii_case(codec.name()))
    }

    /// Its name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => Law::Mu.name(),
            Self::Pcma => Law::A.name(),
            Self::G722 => "G722",
            Self::Opus => "opus",
        }
    }

    /// The codec of an encoding of `a=rtpmap`: `opus/48000/2`.
    pub fn from_encoding(encoding: &str) -> Option<Self> {
        let (name, rest) = encoding.split_once('/')?;
        let codec = Self::from_name(name)?;
        let (clock, channels) = rest.split_once('/').unwrap_or((rest, "1"));
        let wanted = if codec == Self::Opus { "2" } else { "1" };
        (clock.parse() == Ok(codec.clock()) && channels == wanted).then_some(codec)
    }

    /// What follows its name in `a=rtpmap`.
    pub const fn encoding_parameters(self) -> &'static str {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => "8000",
            // Whatever is sent, mono too (RFC 7587 §7).
            Self::Opus => "48000/2",
        }
    }

    /// Units of its RTP timestamps in a second. G.722's is 8000 although it has 16 kHz (RFC 3551 §4.5.2).
    pub const fn clock(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8_000,
            Self::Opus => 48_000,
        }
    }

    /// The rate of the audio that it carries.
    pub const fn rate(self) -> SampleRate {
        match self {
            Self::Pcmu | Self::Pcma => SampleRate::Narrow,
            Self::G722 => SampleRate::Wide,
            Self::Opus => SampleRate::Full,
        }
    }

    /// Its payload type in our offers.
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => Law::Mu.payload_type(),
            Self::Pcma => Law::A.payload_type(),
            Self::G722 => 9,
            // The number that browsers use.
            Self::Opus => 111,
        }
    }

    /// Its law, if it is G.711.
    pub const fn law(self) -> Option<Law> {
        match self {
            Self::Pcmu => Some(Law::Mu),
            Self::Pcma => Some(Law::A),
            Self::G722 | Self::Opus => None,
        }
    }

    /// Whether packets of one can be made to packets of the other octet by octet.
    pub fn converts_to(self, other: Self) -> bool {
        self == other || (self.law().is_some() && other.law().is_some())
    }

    /// Whether each octet of a payload is a unit of time, so that payloads can be cut and joined.
    pub const fn has_octets(self) -> bool {
        !matches!(self, Self::Opus)
    }

    /// How long a payload lasts, in units of its timestamps; `None` if it is none of this codec.
    pub fn duration(self, payload: &[u8]) -> Option<u32> {
        match self {
            Self::Opus => opus_duration(payload),
            Self::Pcmu | Self::Pcma | Self::G722 => u32::try_from(payload.len()).ok(),
        }
    }

    /// The octet of silence, or nearly so.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Pcmu => Law::Mu.silence(),
            Self::Pcma => Law::A.silence(),
            // What an encoder gives for silence after its reset.
            Self::G722 | Self::Opus => 0xFA,
        }
    }
}

impl From<Law> for Codec {
    fn from(law: Law) -> Self {
        match law {
            Law::Mu => Self::Pcmu,
            Law::A => Self::Pcma,
        }
    }
}

/// The longest Opus packet (RFC 6716 §3.2.5: 120 ms), in units of 1/48000 s.
const OPUS_DURATION_MAX: u32 = 5_760;

/// The duration of an Opus packet by its first octets (RFC 6716 §3.1), in units of 1/48000 s.
fn opus_duration(packet: &[u8]) -> Option<u32> {
    let first = *packet.first()?;
    let configuration = first >> 3;
    let frame = match configuration {
        // SILK: 10, 20, 40, 60 ms; hybrid: 10, 20 ms; CELT: 2.5, 5, 10, 20 ms.
        0..12 => *[480, 960, 1_920, 2_880].get(usize::from(configuration % 4))?,
        12..16 => *[480, 960].get(usize::from(configuration % 2))?,
        _ => *[120, 240, 480, 960].get(usize::from(configuration % 4))?,
    };
    let frames = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3F),
    };
    Some(frame * frames).filter(|duration| (1..=OPUS_DURATION_MAX).contains(duration))
}

#[cfg(test)]
mod tests;
