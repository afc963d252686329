//! The ear of one side of a conversation.

use std::time::{Duration, Instant};

use media::g711::Law;

use crate::tones::{FRAME, Filter, Pair, Sound, strongest};

/// Consecutive packets after which a pair counts as heard: 200 ms.
const HEARD: u32 = 10;
/// Other packets after the pair was heard that are tolerated: the edges of a switch-over, 100 ms.
const OTHER_MAX: u32 = 5;

/// Listens for one pair.
#[derive(Clone, Debug)]
pub struct Ear {
    filter: Filter,
    since: Instant,
    row: u32,
    is_open: bool,
    /// Packets received while listening.
    packets: u32,
    /// The longest time from the beginning or resumption of listening until the pair was heard.
    heard_after: Option<Duration>,
    /// Whether it waits to hear the pair, for the first time or again.
    waits: bool,
    others: u32,
    instead: Option<Pair>,
}

/// Result of listening.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AudioCheck {
    /// Time from the answer, or at worst from a retrieval, until the pair was heard; none if it was not.
    pub after: Option<Duration>,
    /// Other packets after the pair was heard, beyond those of a switch-over.
    pub others: u32,
    /// A pair of another call, if one was heard.
    pub instead: Option<Pair>,
    /// Packets in all.
    pub packets: u32,
}

impl Ear {
    /// Listens from `now` on.
    pub fn new(pair: Pair, now: Instant) -> Self {
        Self {
            filter: Filter::new(pair),
            since: now,
            row: 0,
            is_open: true,
            packets: 0,
            heard_after: None,
            waits: true,
            others: 0,
            instead: None,
        }
    }

    /// Stops listening while the call is held.
    pub fn close(&mut self) {
        self.is_open = false;
    }

    /// Resumes listening: the pair must be heard again.
    pub fn open(&mut self, now: Instant) {
        self.is_open = true;
        self.since = now;
        self.waits = true;
        self.row = 0;
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
        match self.filter.judge(samples) {
            Sound::Pair => {
                self.row += 1;
                if self.waits && self.row >= HEARD {
                    self.waits = false;
                    let after = now.saturating_duration_since(self.since);
                    self.heard_after = Some(self.heard_after.map_or(after, |worst| worst.max(after)));
                }
            }
            Sound::Silence => self.row = 0,
            Sound::Other => {
                self.row = 0;
                self.instead = self.instead.or_else(|| strongest(samples));
                if !self.waits {
                    self.others += 1;
                }
            }
        }
    }

    /// The result so far. A pair that was not heard again after a hold counts as not heard.
    pub fn heard(&self) -> AudioCheck {
        let missed = self.waits && self.is_open;
        AudioCheck {
            after: self.heard_after.filter(|_| !missed),
            others: self.others.saturating_sub(OTHER_MAX),
            instead: self.instead,
            packets: self.packets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Pair = Pair { low: 500, high: 1_500 };
    const FOREIGN: Pair = Pair { low: 650, high: 1_750 };

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
        let mut ear = Ear::new(OWN, start);
        listen(&mut ear, start, &[(OWN, 50)]);
        let heard = ear.heard();
        assert_eq!((heard.after, heard.others, heard.instead), (Some(Duration::from_millis(200)), 0, None));
    }

    #[test]
    fn a_cross_connected_call_hears_the_pair_of_another() {
        let start = Instant::now();
        let mut ear = Ear::new(OWN, start);
        listen(&mut ear, start, &[(FOREIGN, 60)]);
        assert_eq!((ear.heard().after, ear.heard().instead), (None, Some(FOREIGN)));
        let mut ear = Ear::new(OWN, start);
        listen(&mut ear, start, &[(OWN, 20), (FOREIGN, 60)]);
        assert_eq!((ear.heard().others, ear.heard().instead), (55, Some(FOREIGN)));
    }

    #[test]
    fn a_deaf_side_hears_nothing_and_a_short_word_is_not_enough() {
        let start = Instant::now();
        let mut ear = Ear::new(OWN, start);
        assert_eq!(ear.heard().after, None);
        listen(&mut ear, start, &[(OWN, 9)]);
        assert_eq!(ear.heard().after, None);
    }

    #[test]
    fn after_a_hold_the_pair_must_be_heard_again_and_music_meanwhile_does_not_count() {
        let start = Instant::now();
        let mut ear = Ear::new(OWN, start);
        let now = listen(&mut ear, start, &[(OWN, 20)]);
        ear.close();
        let now = listen(&mut ear, now, &[(FOREIGN, 30)]);
        assert_eq!(ear.heard().after, Some(Duration::from_millis(200)), "ending while held is no fault");
        ear.open(now);
        assert_eq!(ear.heard().after, None);
        listen(&mut ear, now, &[(FOREIGN, 5), (OWN, 10)]);
        assert_eq!((ear.heard().after, ear.heard().others), (Some(Duration::from_millis(300)), 0));
    }
}
