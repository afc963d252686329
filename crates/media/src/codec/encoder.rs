//! Encoders.

use std::fmt;

use super::resample::Resampler;
use super::{Codec, OpusTerms, SampleRate};
use crate::g711::Law;
use crate::g722;

/// Bits in a second of Opus for speech (RFC 7587 §3.1.1), by the rate of the audio.
const OPUS_BITS: [(SampleRate, u32); 3] =
    [(SampleRate::Narrow, 16_000), (SampleRate::Wide, 24_000), (SampleRate::Full, 36_000)];
/// How thoroughly Opus searches, of 10: above it each step costs more than it can be heard on the telephone.
const OPUS_COMPLEXITY: i32 = 5;
/// The loss that Opus prepares for where the phone takes repairs, in percent.
const OPUS_LOSS: i32 = 5;
/// The longest Opus packet that is written: 60 ms at the highest rate are shorter by far.
const OPUS_BYTES_MAX: usize = 1_275;

/// The encoder of one stream.
pub struct Encoder {
    codec: Codec,
    rate: SampleRate,
    state: State,
    /// Samples at the codec's own rate, kept for their room.
    own: Vec<i16>,
}

enum State {
    G711(Law, Resampler),
    G722(Box<g722::Encoder>, Resampler),
    /// `None` if libopus has no memory: then nothing is sent.
    Opus(Option<opus::Encoder>, OpusTerms),
}

impl Encoder {
    /// An encoder for samples at `rate`.
    pub fn new(codec: Codec, rate: SampleRate, terms: OpusTerms) -> Self {
        let state = match codec {
            Codec::Pcmu => State::G711(Law::Mu, Resampler::new(rate, SampleRate::Narrow)),
            Codec::Pcma => State::G711(Law::A, Resampler::new(rate, SampleRate::Narrow)),
            Codec::G722 => State::G722(Box::default(), Resampler::new(rate, SampleRate::Wide)),
            Codec::Opus => State::Opus(opus_encoder(rate, terms).ok(), terms),
        };
        Self { codec, rate, state, own: Vec::new() }
    }

    /// The codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The rate of what it takes.
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Encodes whole milliseconds of audio into `out`, and returns the length; Opus takes 10, 20, 40 or 60 of them. 0 if it cannot be.
    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> usize {
        match &mut self.state {
            State::G711(law, Resampler::Same) => put(out, samples.iter().map(|sample| law.encode(*sample))),
            State::G711(law, resampler) => {
                self.own.clear();
                resampler.run(samples, &mut self.own);
                put(out, self.own.iter().map(|sample| law.encode(*sample)))
            }
            State::G722(encoder, resampler) => {
                self.own.clear();
                resampler.run(samples, &mut self.own);
                put(out, self.own.as_chunks::<2>().0.iter().map(|pair| encoder.encode(*pair)))
            }
            State::Opus(encoder, _) => {
                let room = out.len().min(OPUS_BYTES_MAX);
                let Some((encoder, room)) = encoder.as_mut().zip(out.get_mut(..room)) else { return 0 };
                encoder.encode(samples, room).unwrap_or_default()
            }
        }
    }

    /// An encoder that goes on for one of several listeners whose audio parts from what the others hear. `before` are the samples encoded
    /// last: Opus has no state that could be copied, so it begins anew with them.
    pub fn part(&self, before: &[i16]) -> Self {
        let state = match &self.state {
            State::G711(law, resampler) => State::G711(*law, resampler.clone()),
            State::G722(encoder, resampler) => State::G722(encoder.clone(), resampler.clone()),
            State::Opus(_, terms) => {
                let mut parted = Self::new(self.codec, self.rate, *terms);
                parted.encode(before, &mut [0; OPUS_BYTES_MAX]);
                return parted;
            }
        };
        Self { codec: self.codec, rate: self.rate, state, own: Vec::new() }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("codec", &self.codec).field("rate", &self.rate).finish_non_exhaustive()
    }
}

fn opus_encoder(rate: SampleRate, terms: OpusTerms) -> opus::Result<opus::Encoder> {
    let mut encoder = opus::Encoder::new(rate.hz(), opus::Channels::Mono, opus::Application::Voip)?;
    let bits = OPUS_BITS.iter().find(|(of, _)| *of == rate).map_or(36_000, |(_, bits)| *bits);
    let bits = terms.bits_max.map_or(bits, |most| bits.min(most)).clamp(6_000, 510_000);
    encoder.set_bitrate(opus::Bitrate::Bits(bits as i32))?;
    encoder.set_complexity(OPUS_COMPLEXITY)?;
    encoder.set_signal(opus::Signal::Voice)?;
    let widest = match terms.playback_hz {
        ..12_000 => opus::Bandwidth::Narrowband,
        12_000..16_000 => opus::Bandwidth::Mediumband,
        16_000..24_000 => opus::Bandwidth::Wideband,
        24_000..48_000 => opus::Bandwidth::Superwideband,
        _ => opus::Bandwidth::Fullband,
    };
    encoder.set_max_bandwidth(widest)?;
    if terms.takes_repair {
        encoder.set_inband_fec(true)?;
        encoder.set_packet_loss_perc(OPUS_LOSS)?;
    }
    Ok(encoder)
}

fn put(out: &mut [u8], codes: impl ExactSizeIterator<Item = u8>) -> usize {
    let length = codes.len().min(out.len());
    out.iter_mut().zip(codes).for_each(|(to, code)| *to = code);
    length
}
