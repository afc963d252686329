//! What several members hear alike is encoded once.
//!
//! Phones decode by what they have heard before (but for G.711), so members change between an encoder of their own and the shared one only
//! where it is not heard: to the shared one after they have heard the same for a while, and back with its state.

use super::{Format, PAYLOAD_MAX};
use crate::codec::{Encoder, SampleRate};
use crate::session::FRAME_SAMPLES;

/// Frames that a member has heard what others hear before it gets the same packets: half a second, after which two encoders hardly differ.
const SETTLED: u32 = 25;

/// What several members can hear alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Alike {
    /// All who speak.
    Sum,
    /// Nobody.
    Silence,
}

/// What is encoded, and how.
pub(super) type Key = (Alike, Format);

/// The part of a member in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    /// What it would share, and for how many frames that has been so.
    would: Option<(Key, u32)>,
    /// What it shares.
    does: Option<Key>,
}

/// An encoder for several members.
#[derive(Debug)]
pub(super) struct SharedEncoder {
    key: Key,
    encoder: Encoder,
    before: Vec<i16>,
    payload: Box<[u8; PAYLOAD_MAX]>,
    /// The length of this frame's payload, once it has been encoded.
    length: Option<usize>,
}

impl Share {
    /// Decides whether the member shares in this frame. One that parts from others gets an encoder that goes on from theirs.
    pub fn settle(
        &mut self,
        alike: Option<Alike>,
        format: Option<Format>,
        is_even: bool,
        shared: &[SharedEncoder],
    ) -> Option<Encoder> {
        let format = format.filter(|format| is_even && format.samples == FRAME_SAMPLES);
        let would = alike.zip(format);
        let frames = self.would.filter(|(key, _)| Some(*key) == would).map_or(0, |(_, frames)| frames);
        self.would = would.map(|key| (key, frames.saturating_add(1)));
        // G.711 has no state.
        let settled = |key: &Key, frames: u32| key.1.codec.law().is_some() || frames >= SETTLED;
        let does = self.would.filter(|(key, frames)| settled(key, *frames)).map(|(key, _)| key);
        let before = std::mem::replace(&mut self.does, does);
        let left = before.filter(|before| does != Some(*before))?;
        let of = shared.iter().find(|shared| shared.key == left)?;
        Some(of.encoder.part(&of.before))
    }

    /// What it shares in this frame.
    pub fn key(&self) -> Option<Key> {
        self.does
    }
}

/// The place of the shared encoder for a key. Where there is none, that of the first member goes on as everybody's.
pub(super) fn place(shared: &mut Vec<SharedEncoder>, key: Key, rate: SampleRate, own: &mut Option<Encoder>) -> usize {
    let own = own.take();
    shared.iter().position(|shared| shared.key == key).unwrap_or_else(|| {
        let Format { codec, terms, .. } = key.1;
        let fits = |encoder: &Encoder| encoder.codec() == codec && encoder.rate() == rate;
        let encoder = own.filter(fits).unwrap_or_else(|| Encoder::new(codec, rate, terms));
        let payload = Box::new([0; PAYLOAD_MAX]);
        shared.push(SharedEncoder { key, encoder, before: Vec::new(), payload, length: None });
        shared.len() - 1
    })
}

impl SharedEncoder {
    /// The payload of this frame, which all who share it hear.
    pub fn payload(&mut self, samples: &[i16]) -> &[u8] {
        let length = match self.length {
            Some(length) => length,
            None => {
                self.before.clear();
                self.before.extend_from_slice(samples);
                let length = self.encoder.encode(samples, &mut *self.payload);
                *self.length.insert(length)
            }
        };
        self.payload.get(..length).unwrap_or_default()
    }

    /// Ends the frame; whether it was heard in it.
    pub fn end_frame(&mut self) -> bool {
        self.length.take().is_some()
    }
}
