//! The ear of one side of a conversation.

use std::time::{Duration, Instant};

use media::g711::Law;

use crate::tones::{FRAME, Filter, Pair, Sound, judge, strongest};

/// Consecutive packets after which a pair counts as heard: 200 ms.
const HEARD: u32 = 10;
/// Other packets after the pair was heard that are tolerated: the edges of a switch-over, 100 ms.
const OTHER_MAX: u32 = 5;

/// The most parties that are heard at once: those of a call of three, without the listener.
pub const VOICES_MAX: usize = 2;

/// Listens for the pair of the other side, or in a conference for the pairs of both others at once.
#[derive(Clone, Debug)]
pub struct Ear {
    /// All who were to be heard so far.
    voices: Vec<Voice>,
    since: Instant,
    is_open: bool,
    /// Packets received while listening.
    packets: u32,
    others: u32,
    instead: Option<Pair>,
}

/// A pair that is, or was, to be heard.
#[derive(Clone, Debug)]
struct Voice {
    pair: Pair,
    filter: Filter,
    /// Whether it is to be heard now.
    is_expected: bool,
    row: u32,
    /// The longest time from the beginning or resumption of listening until it was heard.
    heard_after: Option<Duration>,
    /// Whether it is still to be heard, for the first time or again.
    waits: bool,
    /// It was to be heard, and was not while there was time.
    missed: bool,
}

/// Result of listening.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AudioCheck {
    /// Time from the answer, or at worst from a later change, until everybody was heard; none if somebody was not.
    pub after: Option<Duration>,
    /// Other packets after the pair was heard, beyond those of a switch-over.
    pub others: u32,
    /// A pair of another call, if one was heard.
    pub instead: Option<Pair>,
    /// Packets in all.
    pub packets: u32,
}

impl Ear {
    /// Listens to nobody yet.
    pub const fn new(now: Instant) -> Self {
        Self { voices: Vec::new(), since: now, is_open: false, packets: 0, others: 0, instead: None }
    }

    /// Listens for these pairs from `now` on, each of which must be heard (again); to nobody if there are none.
    pub fn listen(&mut self, pairs: &[Pair], now: Instant) {
        self.close();
        for voice in &mut self.voices {
            voice.is_expected = pairs.contains(&voice.pair);
        }
        for pair in pairs.iter().take(VOICES_MAX) {
            if !self.voices.iter().any(|voice| voice.pair == *pair) {
                self.voices.push(Voice::new(*pair));
            }
        }
        if !pairs.is_empty() {
            self.open(now);
        }
    }

    /// Whether it listens for these and nobody else.
    pub fn listens_for(&self, pairs: &[Pair]) -> bool {
        let expected = self.voices.iter().filter(|voice| voice.is_expected && self.is_open);
        expected.clone().count() == pairs.len() && expected.into_iter().all(|voice| pairs.contains(&voice.pair))
    }

    /// Stops listening, while the call is held or changes.
    pub fn close(&mut self) {
        for voice in self.voices.iter_mut().filter(|voice| voice.is_expected && self.is_open) {
            voice.missed |= voice.waits;
        }
        self.is_open = false;
    }

    /// Resumes listening: everybody must be heard again.
    pub fn open(&mut self, now: Instant) {
        self.is_open = true;
        self.since = now;
        for voice in self.voices.iter_mut().filter(|voice| voice.is_expected) {
            (voice.waits, voice.row) = (true, 0);
        }
    }

    /// Processes the payload of a packet.
    pub fn hear(&mut self, payload: &[u8], law: Law, now: Instant) {
        if !self.is_open {
            return;
        }
        for frame in payload.chunks_exact(FRAME) {
            let mut samples = [0.0; FRAME];
            for (sample, code) in samples.iter_mut().zip(frame) {
                *sample = f32::from(law.decode(*code));
            }
            self.packets += 1;
            self.take(&samples, now);
        }
    }

    fn take(&mut self, samples: &[f32; FRAME], now: Instant) {
        let after = now.saturating_duration_since(self.since);
        let mut expected = self.voices.iter_mut().filter(|voice| voice.is_expected);
        let (sound, all_heard) = match (expected.next(), expected.next()) {
            (Some(one), None) => {
                let (sound, [first]) = judge([&one.filter], samples);
                one.note(first, after);
                (sound, !one.waits)
            }
            (Some(one), Some(two)) => {
                let (sound, [first, second]) = judge([&one.filter, &two.filter], samples);
                one.note(first, after);
                two.note(second, after);
                (sound, !one.waits && !two.waits)
            }
            _ => return,
        };
        if sound == Sound::Other {
            self.instead = self.instead.or_else(|| strongest(samples));
            self.others += u32::from(all_heard);
        }
    }

    /// The result so far. A pair that was not heard again after a hold or another change counts as not heard.
    pub fn heard(&self) -> AudioCheck {
        let is_missed = |voice: &Voice| voice.missed || (voice.waits && voice.is_expected && self.is_open);
        let times = self.voices.iter().map(|voice| voice.heard_after.filter(|_| !is_missed(voice)));
        let all: Option<Vec<Duration>> = times.collect();
        AudioCheck {
            after: all.and_then(|times| times.into_iter().max()),
            others: self.others.saturating_sub(OTHER_MAX),
            instead: self.instead,
            packets: self.packets,
        }
    }
}

impl Voice {
    fn new(pair: Pair) -> Self {
        let filter = Filter::new(pair);
        Self { pair, filter, is_expected: true, row: 0, heard_after: None, waits: true, missed: false }
    }

    fn note(&mut self, is_there: bool, after: Duration) {
        self.row = if is_there { self.row + 1 } else { 0 };
        if self.waits && self.row >= HEARD {
            self.waits = false;
            self.heard_after = Some(self.heard_after.map_or(after, |worst| worst.max(after)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Pair = Pair { low: 500, high: 1_500 };
    const FOREIGN: Pair = Pair { low: 650, high: 1_750 };

    fn listening(pairs: &[Pair], now: Instant) -> Ear {
        let mut ear = Ear::new(now);
        ear.listen(pairs, now);
        ear
    }

    fn listen(ear: &mut Ear, from: Instant, packets: &[(Pair, u32)]) -> Instant {
        let mut now = from;
        for (pair, count) in packets {
            for _ in 0..*count {
                now += Duration::from_millis(20);
                ear.hear(&pair.frame(Law::A), Law::A, now);
            }
        }
        now
    }

    #[test]
    fn the_pair_is_heard_after_two_tenths_of_a_second_and_nothing_else() {
        let start = Instant::now();
        let mut ear = listening(&[OWN], start);
        listen(&mut ear, start, &[(OWN, 50)]);
        let heard = ear.heard();
        assert_eq!((heard.after, heard.others, heard.instead), (Some(Duration::from_millis(200)), 0, None));
    }

    #[test]
    fn a_cross_connected_call_hears_the_pair_of_another() {
        let start = Instant::now();
        let mut ear = listening(&[OWN], start);
        listen(&mut ear, start, &[(FOREIGN, 60)]);
        assert_eq!((ear.heard().after, ear.heard().instead), (None, Some(FOREIGN)));
        let mut ear = listening(&[OWN], start);
        listen(&mut ear, start, &[(OWN, 20), (FOREIGN, 60)]);
        assert_eq!((ear.heard().others, ear.heard().instead), (55, Some(FOREIGN)));
    }

    #[test]
    fn a_deaf_side_hears_nothing_and_a_short_word_is_not_enough() {
        let start = Instant::now();
        let mut ear = listening(&[OWN], start);
        assert_eq!(ear.heard().after, None);
        listen(&mut ear, start, &[(OWN, 9)]);
        assert_eq!(ear.heard().after, None);
    }

    #[test]
    fn after_a_hold_the_pair_must_be_heard_again_and_music_meanwhile_does_not_count() {
        let start = Instant::now();
        let mut ear = listening(&[OWN], start);
        let now = listen(&mut ear, start, &[(OWN, 20)]);
        ear.close();
        let now = listen(&mut ear, now, &[(FOREIGN, 30)]);
        assert_eq!(ear.heard().after, Some(Duration::from_millis(200)), "ending while held is no fault");
        ear.open(now);
        assert_eq!(ear.heard().after, None);
        listen(&mut ear, now, &[(FOREIGN, 5), (OWN, 10)]);
        assert_eq!((ear.heard().after, ear.heard().others), (Some(Duration::from_millis(300)), 0));
    }

    #[test]
    fn in_a_conference_both_others_must_be_heard_and_whoever_leaves_no_more() {
        let start = Instant::now();
        let mut ear = listening(&[OWN], start);
        let now = listen(&mut ear, start, &[(OWN, 20)]);
        ear.listen(&[OWN, FOREIGN], now);
        let frames = (OWN.frame(Law::A), FOREIGN.frame(Law::A));
        let mix = |n: usize| Law::A.encode(Law::A.decode(frames.0[n]).saturating_add(Law::A.decode(frames.1[n])));
        let mixed: [u8; FRAME] = std::array::from_fn(mix);
        assert_eq!(ear.heard().after, None);
        let mut later = now;
        for _ in 0..15 {
            later += Duration::from_millis(20);
            ear.hear(&mixed, Law::A, later);
        }
        assert_eq!((ear.heard().after, ear.heard().others), (Some(Duration::from_millis(200)), 0));
        ear.listen(&[FOREIGN], later);
        listen(&mut ear, later, &[(FOREIGN, 20)]);
        assert_eq!((ear.heard().after, ear.heard().others), (Some(Duration::from_millis(200)), 0));
    }

    #[test]
    fn one_of_two_who_is_not_heard_before_the_call_changes_is_missed_for_good() {
        let start = Instant::now();
        let mut ear = listening(&[OWN, FOREIGN], start);
        let now = listen(&mut ear, start, &[(OWN, 20)]);
        ear.listen(&[OWN], now);
        listen(&mut ear, now, &[(OWN, 20)]);
        assert_eq!(ear.heard().after, None);
    }
}
