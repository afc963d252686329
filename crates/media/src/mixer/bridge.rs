//! From a mix to a relay: the mix is later by what waits in its input, which a relay leaves out. The first packet of the relay is replaced by
//! one that fades from the one to the other, so that the step is not heard as a click.

use crate::codec::{Codec, Decoder, Encoder, OpusTerms};

/// See the module.
#[derive(Debug)]
pub(crate) struct Bridge {
    decoder: Decoder,
    waiting: Vec<i16>,
}

impl Bridge {
    pub(super) fn new(decoder: Decoder, waiting: Vec<i16>) -> Self {
        Self { decoder, waiting }
    }

    /// The packet in place of the first that is relayed, of the same length; `None` if it is of another codec.
    pub(crate) fn packet(mut self, codec: Codec, terms: OpusTerms, payload: &[u8], room: &mut [u8]) -> Option<usize> {
        if self.decoder.codec() != codec {
            return None;
        }
        let rate = self.decoder.rate();
        let to = self.decoder.decode(payload);
        let length = to.len().max(1) as i32;
        let from = self.waiting.iter().copied().chain(std::iter::repeat(0));
        let faded = to.iter().zip(from).zip(0..).map(|((to, from), n)| {
            let sample = (i32::from(*to) * n + i32::from(from) * (length - n)) / length;
            i16::try_from(sample).unwrap_or_default()
        });
        let samples: Vec<i16> = faded.collect();
        let written = Encoder::new(codec, rate, terms).encode(&samples, room);
        (written > 0).then_some(written)
    }
}
