//! The payload types of a media section.

use crate::codec::{Codec, OpusTerms};
use crate::sdp::Media;

/// The payload type of each codec that is agreed, and of telephone-event (RFC 4733) by its clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PayloadTypes {
    /// PCMU
    pub pcmu: Option<u8>,
    /// PCMA
    pub pcma: Option<u8>,
    /// G722
    pub g722: Option<u8>,
    /// opus
    pub opus: Option<u8>,
    /// telephone-event/8000
    pub event: Option<u8>,
    /// telephone-event/48000
    pub event_full: Option<u8>,
}

impl PayloadTypes {
    /// Those of a section.
    pub(super) fn of_section(media: &Media) -> Self {
        let mut numbers = Self::default();
        for number in media.payload_types() {
            let Some(encoding) = media.encoding(number) else { continue };
            let place = match Codec::from_encoding(encoding) {
                Some(codec) => numbers.place(codec),
                None => match encoding.to_ascii_lowercase().as_str() {
                    "telephone-event/8000" | "telephone-event/8000/1" => &mut numbers.event,
                    "telephone-event/48000" | "telephone-event/48000/1" => &mut numbers.event_full,
                    _ => continue,
                },
            };
            place.get_or_insert(number);
        }
        numbers
    }

    fn place(&mut self, codec: Codec) -> &mut Option<u8> {
        match codec {
            Codec::Pcmu => &mut self.pcmu,
            Codec::Pcma => &mut self.pcma,
            Codec::G722 => &mut self.g722,
            Codec::Opus => &mut self.opus,
        }
    }

    /// That of a codec.
    pub fn of(&self, codec: Codec) -> Option<u8> {
        match codec {
            Codec::Pcmu => self.pcmu,
            Codec::Pcma => self.pcma,
            Codec::G722 => self.g722,
            Codec::Opus => self.opus,
        }
    }

    /// That of telephone-event at this clock.
    pub fn event(&self, clock: u32) -> Option<u8> {
        match clock {
            8_000 => self.event,
            48_000 => self.event_full,
            _ => None,
        }
    }

    /// The codec of a payload type.
    pub fn codec(&self, number: u8) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| self.of(*codec) == Some(number))
    }

    /// The clock of telephone-event, if a payload type is one.
    pub fn event_clock(&self, number: u8) -> Option<u32> {
        [8_000, 48_000].into_iter().find(|clock| self.event(*clock) == Some(number))
    }
}

/// The peer's terms for Opus: parameters of `a=fmtp` (RFC 7587 §6.1). What cannot be read is as if it were not there.
pub(super) fn opus_terms(media: &Media, number: u8) -> OpusTerms {
    let mut terms = OpusTerms::default();
    let of_opus = |value: &str| -> Option<String> {
        let (format, parameters) = value.trim().split_once(' ')?;
        (format.parse() == Ok(number)).then(|| parameters.to_ascii_lowercase())
    };
    let lines = media.attributes().filter(|attribute| attribute.name == "fmtp");
    for parameters in lines.filter_map(|line| of_opus(line.value.as_deref()?)) {
        for (name, value) in parameters.split(';').filter_map(|parameter| parameter.split_once('=')) {
            match (name.trim(), value.trim().parse::<u32>()) {
                ("maxplaybackrate", Ok(hz)) if hz >= 8_000 => terms.playback_hz = hz.min(48_000),
                ("maxaveragebitrate", Ok(bits)) if bits >= 6_000 => terms.bits_max = Some(bits),
                ("useinbandfec", Ok(takes)) => terms.takes_repair = takes == 1,
                _ => {}
            }
        }
    }
    terms
}
