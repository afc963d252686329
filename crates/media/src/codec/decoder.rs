//! Decoders, and what stands for packets that are lost.

use std::fmt;

use super::resample::Resampler;
use super::{Codec, SampleRate};
use crate::g711::Law;
use crate::g722;

/// The longest Opus packet at the highest rate, in samples: 120 ms.
const OPUS_SAMPLES_MAX: usize = 5_760;

/// The decoder of one stream.
pub struct Decoder {
    codec: Codec,
    rate: SampleRate,
    state: State,
    /// The last packet at the decoder's rate: it conceals the next one where the codec has nothing better.
    last: Vec<i16>,
    /// Samples at the codec's own rate, kept for their room.
    own: Vec<i16>,
}

enum State {
    G711(Law, Resampler),
    G722(Box<g722::Decoder>, Resampler),
    /// `None` if libopus has no memory: then nothing is heard.
    Opus(Option<opus::Decoder>),
}

impl Decoder {
    /// A decoder that gives samples at `rate`.
    pub fn new(codec: Codec, rate: SampleRate) -> Self {
        let state = match codec {
            Codec::Pcmu => State::G711(Law::Mu, Resampler::new(SampleRate::Narrow, rate)),
            Codec::Pcma => State::G711(Law::A, Resampler::new(SampleRate::Narrow, rate)),
            Codec::G722 => State::G722(Box::default(), Resampler::new(SampleRate::Wide, rate)),
            Codec::Opus => State::Opus(opus::Decoder::new(rate.hz(), opus::Channels::Mono).ok()),
        };
        Self { codec, rate, state, last: Vec::new(), own: Vec::new() }
    }

    /// The codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The rate of what it gives.
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// The samples of the packet decoded last.
    pub fn last(&self) -> &[i16] {
        &self.last
    }

    /// Decodes a packet; its samples are then those of [`Decoder::last`]. One that cannot be decoded has none.
    pub fn decode(&mut self, payload: &[u8]) -> &[i16] {
        self.last.clear();
        if payload.is_empty() {
            // To libopus, that is a lost packet.
            return &self.last;
        }
        match &mut self.state {
            State::G711(law, Resampler::Same) => self.last.extend(payload.iter().map(|code| law.decode(*code))),
            State::G711(law, resampler) => {
                self.own.clear();
                self.own.extend(payload.iter().map(|code| law.decode(*code)));
                resampler.run(&self.own, &mut self.last);
            }
            State::G722(decoder, resampler) => {
                self.own.clear();
                payload.iter().for_each(|code| self.own.extend(decoder.decode(*code)));
                resampler.run(&self.own, &mut self.last);
            }
            State::Opus(decoder) => opus(decoder.as_mut(), payload, OPUS_SAMPLES_MAX, Repair::No, &mut self.last),
        }
        &self.last
    }

    /// Gives about `samples` samples for what is lost before `next`, the packet that came instead: Opus may carry a repair within it.
    pub fn conceal(&mut self, samples: usize, next: &[u8], out: &mut Vec<i16>) {
        // Opus conceals whole steps of 2.5 ms.
        let steps = samples.is_multiple_of(self.rate.hz() as usize / 400);
        if let (State::Opus(Some(decoder)), true) = (&mut self.state, steps) {
            // The repair is that of the packet just before; of more lost packets the others are guessed.
            let of_next = decoder.get_nb_samples(next).unwrap_or_default();
            let repaired = if of_next <= samples { of_next } else { 0 };
            for (length, from, repair) in [(samples - repaired, &[][..], Repair::No), (repaired, next, Repair::Yes)] {
                if length > 0 {
                    opus(Some(decoder), from, length, repair, out);
                }
            }
        } else if self.last.is_empty() {
            out.extend(std::iter::repeat_n(0, samples));
        } else {
            out.extend(self.last.iter().cycle().take(samples).map(|sample| sample / 2));
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("codec", &self.codec).field("rate", &self.rate).finish_non_exhaustive()
    }
}

/// Whether the repair of the packet before is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repair {
    Yes,
    No,
}

/// Appends what a packet gives, or a guess where it is empty: at most `most` samples.
fn opus(decoder: Option<&mut opus::Decoder>, packet: &[u8], most: usize, repair: Repair, out: &mut Vec<i16>) {
    let Some(decoder) = decoder else { return };
    let before = out.len();
    out.resize(before + most, 0);
    let room = out.get_mut(before..).unwrap_or_default();
    let given = decoder.decode(packet, room, repair == Repair::Yes).unwrap_or_default();
    out.truncate(before + given);
}
