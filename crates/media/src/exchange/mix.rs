//! Conferences that are mixed: when one is, at which rate, and who gets what from its mixer.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;

use super::{Exchange, KEY, Leg, MIXER, Outgoing, RECORDED_MAX, give, part};
use crate::codec::{Codec, SampleRate};
use crate::dtmf::Digit;
use crate::mixer::{Format, Heard, Listeners, MixPart, Mixed, Mixer, PAYLOAD_MAX, RecordedAudio, Recording};
use crate::session::{Content, FRAME, FRAME_SAMPLES, Frame, PacketBuffer};

/// How old the last packet of a phone may be for a mix to go on from it.
const RECENT: Duration = Duration::from_millis(100);

/// The last packet of a leg that is relayed.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Codec, source, timestamp, and when it came.
    of: Option<(Codec, u32, u32, Timestamp)>,
    payload: Vec<u8>,
}

/// The legs as those who listen to a mix.
struct Ears<'a, S> {
    legs: &'a mut [Option<Box<Leg>>],
    buffer: &'a mut PacketBuffer,
    in_hand: &'a mut Option<super::LegKey>,
    begins: Timestamp,
    recorded: &'a mut VecDeque<RecordedAudio>,
    dropped: &'a mut u64,
    send: &'a mut S,
}

impl<S: FnMut(Outgoing<'_>)> Listeners for Ears<'_, S> {
    fn format(&self, leg: u32) -> Option<Format> {
        let stream = self.legs.get(leg as usize)?.as_ref()?.session.takes_mix()?;
        Some(Format { codec: stream.codec, terms: stream.opus, samples: stream.packet_samples() })
    }

    fn send(&mut self, leg: u32, packet: Mixed<'_>) {
        let Some(Some(of)) = self.legs.get_mut(leg as usize) else { return };
        *self.in_hand = Some(of.key(leg));
        let end = (self.begins + FRAME).as_micros();
        let first = Timestamp::from_micros(end.saturating_sub(packet.waited.as_micros() as u64));
        if let Some(transmit) = of.session.mixed((packet.payload, packet.ticks), first, self.buffer) {
            give(leg, transmit, self.buffer, self.send);
        }
    }

    fn keep(&mut self, piece: RecordedAudio) {
        keep(self.recorded, piece, self.dropped);
    }
}

/// Hands a piece of a recording on. Who is to take it may stand still: then it is lost, and counted.
fn keep(recorded: &mut VecDeque<RecordedAudio>, piece: RecordedAudio, dropped: &mut u64) {
    if recorded.len() < RECORDED_MAX {
        recorded.push_back(piece);
    } else {
        *dropped += 1;
    }
}

impl Leg {
    /// The codec in which its phone speaks: what came last, else what was agreed.
    fn speaks(&self) -> Option<Codec> {
        self.recent.of.map(|(codec, ..)| codec).or_else(|| Some(self.session.stream()?.codec))
    }
}

impl Exchange {
    /// Takes a packet of audio: into the mix, or to go on from it if a mix begins.
    pub(super) fn hear(&mut self, index: u32, codec: Codec, frame: &Frame<'_>, now: Timestamp) {
        let Some(Some(leg)) = self.legs.get_mut(index as usize) else { return };
        let (source, timestamp) = (frame.header.ssrc, frame.header.timestamp);
        let is_other = leg.speaks() != Some(codec);
        leg.recent.of = Some((codec, source, timestamp, now));
        let Some((name, _)) = &leg.conference else { return };
        if is_other {
            let name = name.clone();
            self.connect(&name, Some(now));
        }
        let Some(Some(leg)) = self.legs.get_mut(index as usize) else { return };
        // What a phone plays to whom it holds is not for the others of a conference.
        let holds = leg.session.stream().is_none_or(|stream| !stream.direction.sends());
        if leg.mixer.is_none() {
            leg.recent.payload.clear();
            leg.recent.payload.extend_from_slice(frame.payload);
        } else if !holds {
            leg.recent.payload.clear();
            let slot = leg.mixer;
            let heard = Heard { codec, source, timestamp, payload: frame.payload };
            if let Some(mixer) = self.mixer_mut(slot) {
                mixer.take(index, heard);
            }
        }
    }

    /// Recomputes which members of a conference hear which: two who hear each other in one codec by relay, others by the mix. A deaf
    /// member gets silence from the mix. `joined` is the time when a member has joined or has changed its part; only then a mix begins.
    pub(super) fn connect(&mut self, name: &Arc<str>, joined: Option<Timestamp>) {
        let Some(conference) = self.conferences.get(name) else { return };
        let (members, before) = (conference.members.clone(), conference.mixer);
        let lines = part::mix_parts(&self.legs, &members);
        let recording = part::recording(&self.legs, &members);
        let is_mixed = recording.is_some() || self.is_mixed(&members, &lines);
        let mixer = if is_mixed { self.mixer_of(before, (&members, &lines), joined) } else { None };
        if let Some(slot) = before.filter(|_| mixer.is_none()) {
            self.end_mixer(slot, &members);
        }
        if let Some(slot) = mixer {
            self.record(slot, recording, joined);
        }
        if members.is_empty() {
            self.conferences.remove(name);
        } else if let Some(conference) = self.conferences.get_mut(name) {
            conference.mixer = mixer;
        }
        for index in &members {
            let Some(Some(leg)) = self.legs.get_mut(*index as usize) else { continue };
            leg.mixer = mixer;
            leg.heard_by.clear();
            if leg.echo {
                leg.heard_by.push(*index);
            }
            if mixer.is_none() {
                let line = lines.iter().find(|line| line.leg == *index);
                let hearers = lines.iter().filter(|other| line.is_some_and(|line| line.reaches(**other)));
                leg.heard_by.extend(hearers.map(|other| other.leg));
            }
        }
    }

    /// Whether these members are mixed: they are more than two, or one does not hear the other, or they speak different codecs.
    fn is_mixed(&self, members: &[u32], lines: &[MixPart]) -> bool {
        let [one, other] = members else { return members.len() > 2 };
        let leg = |index: &u32| self.legs.get(*index as usize)?.as_ref();
        let Some((one, other)) = leg(one).zip(leg(other)) else { return false };
        // A leg whose stream is not agreed yet may speak anything.
        let reaches = |from: &Leg, to: &Leg| {
            let codecs = from.speaks().zip(to.session.stream());
            codecs.is_none_or(|(codec, stream)| codec.converts_to(stream.codec))
        };
        !lines.iter().all(|line| line.is_open()) || !reaches(one, other) || !reaches(other, one)
    }

    /// The rate of a room: the best that two of its members have.
    fn rate_of(&self, members: &[u32]) -> SampleRate {
        let of = |index: &u32| Some(self.legs.get(*index as usize)?.as_ref()?.session.stream()?.rate());
        let mut rates: Vec<SampleRate> = members.iter().filter_map(of).collect();
        rates.sort_unstable_by_key(|rate| Reverse(*rate));
        rates.get(1).copied().unwrap_or_default()
    }

    // ---- mixers

    fn mixer_mut(&mut self, slot: Option<u32>) -> Option<&mut Mixer> {
        self.mixers.get_mut(slot? as usize)?.as_mut()
    }

    /// The slot of the mixer of these members: the one that the conference has, or a new one.
    fn mixer_of(
        &mut self,
        before: Option<u32>,
        (members, lines): (&[u32], &[MixPart]),
        joined: Option<Timestamp>,
    ) -> Option<u32> {
        let rate = self.rate_of(members);
        if let (Some(slot), Some(mixer)) = (before, self.mixer_mut(before)) {
            mixer.set_members(lines, rate);
            return Some(slot);
        }
        let now = joined?;
        let mut mixer = Mixer::new(lines, rate, now);
        for index in members {
            let Some(Some(leg)) = self.legs.get(*index as usize) else { continue };
            if let Some((codec, source, timestamp, at)) = leg.recent.of
                && now.since(at) <= RECENT
            {
                mixer.follow(*index, Heard { codec, source, timestamp, payload: &leg.recent.payload });
            }
        }
        let free = self.mixers.iter().position(Option::is_none).unwrap_or(self.mixers.len());
        let slot = free as u32;
        self.timers.push(Reverse((mixer.due, MIXER | slot)));
        match self.mixers.get_mut(free) {
            Some(place) => *place = Some(mixer),
            None => self.mixers.push(Some(mixer)),
        }
        Some(slot)
    }

    /// Sets what a mix is recorded as. A recording begins only where a member has joined or has changed its part.
    fn record(&mut self, slot: u32, recording: Option<Recording>, joined: Option<Timestamp>) {
        let Some(mixer) = self.mixer_mut(Some(slot)) else { return };
        let ended = match (recording, joined) {
            (None, _) => mixer.end_recording(),
            (Some(recording), Some(now)) => mixer.record(recording, now),
            (Some(_), None) => None,
        };
        if let Some(piece) = ended {
            keep(&mut self.recorded, piece, &mut self.dropped_events);
        }
    }

    /// Ends a mix; what these members have said and nobody has heard yet leads over to their relay.
    fn end_mixer(&mut self, slot: u32, members: &[u32]) {
        let Some(mut mixer) = self.mixers.get_mut(slot as usize).and_then(Option::take) else { return };
        if let Some(piece) = mixer.end_recording() {
            keep(&mut self.recorded, piece, &mut self.dropped_events);
        }
        for index in members {
            if let Some(Some(leg)) = self.legs.get_mut(*index as usize) {
                leg.bridge = mixer.bridge(*index);
            }
        }
    }

    /// Sends the hearer of a leg that was mixed until now a packet that leads over to the relay, in place of the frame. Returns whether it has.
    pub(super) fn lead_over(
        &mut self,
        index: u32,
        (hearers, frame): (&[u32], &Frame<'_>),
        now: Timestamp,
        send: &mut impl FnMut(Outgoing<'_>),
    ) -> bool {
        let Some(Some(leg)) = self.legs.get_mut(index as usize) else { return false };
        let (Some(bridge), Content::Audio(codec), [hearer]) = (leg.bridge.take(), frame.content, hearers) else {
            return false;
        };
        let Some(Some(leg)) = self.legs.get_mut(*hearer as usize) else { return false };
        self.in_hand = Some(leg.key(*hearer));
        let takes =
            leg.session.takes_mix().filter(|stream| stream.codec == codec && stream.packet_samples() == FRAME_SAMPLES);
        let (Some(stream), Some(ticks)) = (takes, codec.duration(frame.payload)) else { return false };
        let mut room = [0; PAYLOAD_MAX];
        let Some(length) = bridge.packet(codec, stream.opus, frame.payload, &mut room) else { return false };
        let payload = room.get(..length).unwrap_or_default();
        if let Some(transmit) = leg.session.mixed((payload, ticks), now, &mut self.buffer) {
            give(*hearer, transmit, &self.buffer, send);
        }
        true
    }

    /// Mixes a frame and sends each member its own. The entry of a mixer that has ended or begun anew is void.
    pub(super) fn mix(&mut self, entry: u32, (due, now): (Timestamp, Timestamp), send: &mut impl FnMut(Outgoing<'_>)) {
        let Self { legs, mixers, buffer, in_hand, timers, recorded, dropped_events, .. } = self;
        let Some(mixer) = mixers.get_mut((entry & !MIXER) as usize).and_then(Option::as_mut) else { return };
        if mixer.due != due {
            return;
        }
        let begins = mixer.begin_frame(now);
        // Before the members' sessions get their turn: a fault in one of them must not stop the mix.
        timers.push(Reverse((mixer.due, entry)));
        mixer.mix(&mut Ears { legs, buffer, in_hand, begins, recorded, dropped: dropped_events, send });
    }

    /// Gives a key of a member of a mix to the others.
    pub(super) fn press_in_mix(&mut self, index: u32, digit: Digit, now: Timestamp) {
        let Some(Some(leg)) = self.legs.get(index as usize) else { return };
        let Some(mixer) = self.mixer_mut(leg.mixer) else { return };
        // Of two that talk nobody else is silenced by the keys: recorded, they are dialled as in a call that is relayed.
        let is_conference = mixer.members() > 2;
        for other in mixer.hearers(index).collect::<Vec<_>>() {
            if let Some(Some(leg)) = self.legs.get_mut(other as usize) {
                self.in_hand = Some(leg.key(other));
                if is_conference {
                    leg.session.send_key_in_mix(digit, KEY, now);
                } else {
                    leg.session.send_key(digit, KEY, now);
                }
                self.arm(other);
            }
        }
    }
}
