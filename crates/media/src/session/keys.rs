//! Keys sent to the phone: as telephone events if it accepts them (RFC 4733), else as their two tones in the audio, or told to whoever
//! signals them.
//!
//! Most keys of the other leg are relayed packet by packet, since both phones have negotiated telephone events. This
//! module makes the others: keys that arrived by other means ([`Keys::press`]), and keys for a phone that takes tones
//! alone ([`Keys::hear`]).

use std::collections::VecDeque;
use std::f32::consts::TAU;
use std::time::Duration;

use model::Timestamp;

use crate::dtmf::{Digit, EventKey, EventPacket, Relation};
use crate::rtp::Header;
use crate::tone::SAMPLE_RATE;

/// Most keys waiting until the one before has been sent.
const WAITING_MAX: usize = 32;
/// Shortest tone of a key: 40 ms are recognised (ITU-T Q.24), and detectors need some more.
const SOUND_MIN: Duration = Duration::from_millis(80);
/// Longest tone of a key: an event's duration has 16 bits.
const SOUND_MAX: Duration = Duration::from_secs(6);
/// Silence between keys.
const PAUSE: Duration = Duration::from_millis(60);
/// How far a key may fall behind before the rest of it moves: a process that slept does not send at once what it missed.
const LATE_MAX: Duration = Duration::from_millis(100);
/// A key of the other leg counts as released after this time without packets, if its end was lost.
const RELEASED_AFTER: Duration = Duration::from_millis(150);
/// Times that the last packet of an event is sent (RFC 4733 §2.5.1.4).
const ENDS: u8 = 3;
/// Power of our events: -10 dBm0, the value that most phones send.
const VOLUME: u8 = 10;
/// Amplitude of the two tones together, as a 16-bit sample: about -9 dBm0.
const AMPLITUDE: f32 = 12_000.0;

/// The keys of one leg.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    waiting: VecDeque<(Digit, Duration)>,
    sounding: Option<Sounding>,
    /// No key starts before this time.
    free_at: Timestamp,
    /// The last event of the other leg.
    heard: Option<EventKey>,
}

#[derive(Clone, Debug)]
struct Sounding {
    digit: Digit,
    began: Timestamp,
    /// When it ends; unknown while the other leg's key is held.
    ends: Option<Timestamp>,
    /// When the other leg's last packet of it came.
    last_heard: Timestamp,
    /// When its next packet is due.
    due: Timestamp,
    /// Samples sent so far, or units of an event's duration.
    samples: u32,
    /// How often the last packet has been sent.
    ends_sent: u8,
    /// Whether the other leg's event has had a segment after its first.
    is_segmented: bool,
    /// Our timestamp of its start, once a packet has been sent.
    timestamp: Option<u32>,
}

/// A packet to send now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// A packet of an event.
    Event {
        /// Our timestamp of its start; `None` for the first packet.
        timestamp: Option<u32>,
        /// When it was due.
        due: Timestamp,
        /// The payload.
        packet: EventPacket,
    },
    /// A packet of audio.
    Tone {
        /// When it was due.
        due: Timestamp,
        /// The key.
        digit: Digit,
        /// Index of the packet's first sample within the tone.
        from: u32,
    },
}

impl Keys {
    /// Queues a key of this duration. Returns whether there is room for it.
    pub fn press(&mut self, digit: Digit, duration: Duration, now: Timestamp) -> bool {
        if self.waiting.len() >= WAITING_MAX {
            return false;
        }
        self.waiting.push_back((digit, duration.clamp(SOUND_MIN, SOUND_MAX)));
        self.begin_next(now);
        true
    }

    /// How many keys wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Processes a telephone event of the other leg, with its clock, that this phone cannot take as it is: the key sounds as long as it is
    /// held.
    pub fn hear(&mut self, header: &Header, clock: u32, payload: &[u8], now: Timestamp) {
        let Some(packet) = EventPacket::parse(payload) else { return };
        let Some(digit) = Digit::from_event(packet.code) else { return };
        let event = EventKey { ssrc: header.ssrc, timestamp: header.timestamp, code: packet.code };
        let length = Duration::from_micros(u64::from(packet.duration) * 1_000_000 / u64::from(clock.max(1)));
        let relation = event.relation_to(self.heard);
        if relation == Relation::Earlier {
            return;
        }
        self.heard = Some(event);
        if relation != Relation::New {
            if let Some(held) = self.sounding.as_mut().filter(|s| s.ends.is_none()) {
                held.last_heard = now;
                held.is_segmented |= relation == Relation::Segment;
                // The duration of a later segment is that of the segment alone.
                let lasted = if held.is_segmented { now.since(held.began) } else { length };
                held.ends = packet.end.then(|| held.began + lasted.clamp(SOUND_MIN, SOUND_MAX));
            }
            return;
        }
        let free = self.sounding.is_none() && self.waiting.is_empty() && self.free_at <= now;
        if !free || packet.end {
            // The previous key still sounds, or this one has ended already.
            self.press(digit, length, now);
        } else {
            self.sounding = Some(Sounding::new(digit, now, None));
        }
    }

    /// Drops the current key and the waiting ones, because other audio now goes to the phone.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.sounding = None;
    }

    /// Whether a key sounds; nothing else is sent meanwhile.
    pub fn is_sounding(&self) -> bool {
        self.sounding.is_some()
    }

    /// When [`Keys::next`] has something to do.
    pub fn next_timeout(&self) -> Timestamp {
        match &self.sounding {
            Some(sounding) => sounding.due,
            None if self.waiting.is_empty() => Timestamp::MAX,
            None => self.free_at,
        }
    }

    /// The next packet that is due, of `samples` samples at 8 kHz: an event with this clock, or a tone. Call until `None`.
    pub fn next(&mut self, event_clock: Option<u32>, samples: u16, now: Timestamp) -> Option<Step> {
        self.begin_next(now);
        let sounding = self.sounding.as_mut().filter(|s| s.due <= now)?;
        if sounding.ends.is_none() && now.since(sounding.last_heard) >= RELEASED_AFTER {
            sounding.ends = Some(sounding.last_heard + RELEASED_AFTER);
        }
        let late = now.since(sounding.due);
        if late > LATE_MAX {
            // A key keeps its length: of one cut short, too little may be left to be recognised.
            sounding.due = now;
            sounding.ends = sounding.ends.map(|ends| ends + late);
        }
        let span = Duration::from_micros(u64::from(samples) * 1_000_000 / u64::from(SAMPLE_RATE));
        let due = sounding.due;
        let over = sounding.ends.is_some_and(|ends| due >= ends);
        sounding.due = due + span;
        let Some(clock) = event_clock else {
            if over {
                self.finish(due);
                return self.next(event_clock, samples, now);
            }
            let from = sounding.samples;
            sounding.samples = from.saturating_add(u32::from(samples));
            return Some(Step::Tone { due, digit: sounding.digit, from });
        };
        // Counted in units of the event's clock.
        let units = u32::from(samples) * (clock / SAMPLE_RATE).max(1);
        let length = sounding.samples.saturating_add(units).min(u32::from(u16::MAX));
        // The packet whose duration reaches the end, or the most that a duration can say, is the last; it is sent three times.
        let is_full = sounding.samples.saturating_add(units) >= u32::from(u16::MAX);
        let end = sounding.ends_sent > 0 || is_full || sounding.ends.is_some_and(|ends| due + span >= ends);
        if sounding.ends_sent == 0 {
            sounding.samples = length;
        }
        sounding.ends_sent += u8::from(end);
        let packet = EventPacket {
            code: sounding.digit.event(),
            end,
            volume: VOLUME,
            duration: sounding.samples.min(u32::from(u16::MAX)) as u16,
        };
        let timestamp = sounding.timestamp;
        if sounding.ends_sent >= ENDS {
            self.finish(due + span);
        }
        Some(Step::Event { timestamp, due, packet })
    }

    /// The next key that is due, for a phone that gets keys by signalling, and how long it lasts: one that is held, once it is released.
    /// The keys keep the pace in which they were pressed.
    pub fn next_signalled(&mut self, now: Timestamp) -> Option<(Digit, Duration)> {
        self.begin_next(now);
        let sounding = self.sounding.as_mut().filter(|sounding| sounding.due <= now)?;
        let given_up = sounding.last_heard + RELEASED_AFTER;
        let Some(ends) = sounding.ends.or((given_up <= now).then_some(given_up)) else {
            sounding.due = given_up;
            return None;
        };
        let (digit, length) = (sounding.digit, ends.since(sounding.began));
        self.finish(ends.max(now));
        Some((digit, length.clamp(SOUND_MIN, SOUND_MAX)))
    }

    /// Sets the timestamp of the event that has just begun.
    pub fn began_at(&mut self, timestamp: u32) {
        if let Some(sounding) = self.sounding.as_mut() {
            sounding.timestamp = Some(timestamp);
        }
    }

    fn begin_next(&mut self, now: Timestamp) {
        if self.sounding.is_some() || self.free_at > now {
            return;
        }
        if let Some((digit, length)) = self.waiting.pop_front() {
            self.sounding = Some(Sounding::new(digit, now, Some(now + length)));
        }
    }

    fn finish(&mut self, at: Timestamp) {
        self.sounding = None;
        self.free_at = at + PAUSE;
    }
}

impl Sounding {
    fn new(digit: Digit, now: Timestamp, ends: Option<Timestamp>) -> Self {
        Self {
            digit,
            began: now,
            ends,
            last_heard: now,
            due: now,
            samples: 0,
            ends_sent: 0,
            is_segmented: false,
            timestamp: None,
        }
    }
}

/// Writes a section of a key's tone.
pub(super) fn sound(digit: Digit, from: u32, out: &mut [i16]) {
    let (low, high) = digit.tones();
    for (n, sample) in (from..).zip(out) {
        let wave = |hz: u16| {
            // The phase is taken modulo a second, so that a long tone loses no precision.
            let turns = (u64::from(hz) * u64::from(n % SAMPLE_RATE) % u64::from(SAMPLE_RATE)) as f32;
            (TAU * turns / SAMPLE_RATE as f32).sin()
        };
        *sample = (AMPLITUDE / 2.0 * (wave(low) + wave(high))) as i16;
    }
}
