//! The mix of a conference of three and more: each member hears the sum of the others.
//!
//! Members send by their own clocks. What one sends waits in its [`Input`] until the mixer's clock takes [`FRAME`] of it, so that a
//! packet that is a little late is not missed. A lost packet is concealed by its predecessor, at half the amplitude.

use std::collections::VecDeque;
use std::time::Duration;

use model::Timestamp;

use crate::session::{FRAME, FRAME_SAMPLES};

/// Samples that a member who begins to speak must have sent before it is heard: 40 ms.
const DELAY: usize = 2 * FRAME_SAMPLES;
/// The most samples that wait; older ones are left out: 120 ms.
const WAITING_MAX: usize = 6 * FRAME_SAMPLES;
/// How far behind the last packet another one of its source may be to count as overtaken: one second. What is further behind begins anew.
const OVERTAKEN_MAX: u32 = 8_000;
/// How far the mix may fall behind before it skips ahead.
const LATE_MAX: Duration = Duration::from_millis(100);
/// The longest gap that is concealed: 40 ms. What comes after a longer one begins anew.
const CONCEALED_MAX: u32 = 2 * FRAME_SAMPLES as u32;

/// What a member has sent and has not been mixed yet.
#[derive(Debug, Default)]
struct Input {
    samples: VecDeque<i16>,
    /// The source (SSRC) and the RTP timestamp that follows its last sample.
    next: Option<(u32, u32)>,
    /// The last packet, for concealment.
    last: Vec<i16>,
    speaks: bool,
}

impl Input {
    fn take(&mut self, (source, timestamp): (u32, u32), samples: impl Iterator<Item = i16>) {
        // A phone that begins anew has another source, and any timestamp.
        let next = self.next.filter(|(of, _)| *of == source).map_or(timestamp, |(_, next)| next);
        let (gap, behind) = (timestamp.wrapping_sub(next), next.wrapping_sub(timestamp));
        if (1..=OVERTAKEN_MAX).contains(&behind) {
            // Its place has been concealed.
            return;
        }
        if (1..=CONCEALED_MAX).contains(&gap) && !self.last.is_empty() {
            let concealed = self.last.iter().cycle().take(gap as usize).map(|sample| sample / 2);
            self.samples.extend(concealed);
        }
        self.last.clear();
        self.last.extend(samples);
        self.samples.extend(&self.last);
        self.next = Some((source, timestamp.wrapping_add(self.last.len() as u32)));
        let ahead = self.samples.len().saturating_sub(WAITING_MAX);
        self.samples.drain(..ahead);
    }

    /// The next samples; `None` while it does not speak.
    fn next(&mut self) -> Option<[i16; FRAME_SAMPLES]> {
        if !self.speaks && self.samples.len() < DELAY {
            return None;
        }
        let mut frame = [0; FRAME_SAMPLES];
        let there = self.samples.len().min(FRAME_SAMPLES);
        frame.iter_mut().zip(self.samples.drain(..there)).for_each(|(to, sample)| *to = sample);
        self.speaks = there == FRAME_SAMPLES;
        (there > 0).then_some(frame)
    }
}

/// The part of a leg in a mix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MixPart {
    /// The leg.
    pub(crate) leg: u32,
    /// Who hears it.
    pub(crate) heard_by: Hearers,
    /// Whether it hears the others.
    pub(crate) hears: bool,
}

/// Who hears a leg of a mix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hearers {
    All,
    Nobody,
    Only(u32),
}

impl MixPart {
    /// Whether `other` hears this leg.
    pub(crate) fn reaches(self, other: Self) -> bool {
        let is_meant = match self.heard_by {
            Hearers::All => true,
            Hearers::Nobody => false,
            Hearers::Only(leg) => leg == other.leg,
        };
        is_meant && other.hears && self.leg != other.leg
    }

    /// Whether it is heard by all others and hears them.
    pub(crate) fn is_open(self) -> bool {
        self.heard_by == Hearers::All && self.hears
    }
}

/// A member of the mix.
#[derive(Debug)]
struct Member {
    line: MixPart,
    input: Input,
    frame: Option<[i16; FRAME_SAMPLES]>,
    /// The mix for it, until it fills one of its packets.
    output: Vec<i16>,
}

/// The mix of a conference.
#[derive(Debug)]
pub(crate) struct Mixer {
    members: Vec<Member>,
    /// When the next frame is mixed.
    pub(crate) due: Timestamp,
}

impl Mixer {
    /// A mix of these legs, from now on.
    pub(crate) fn new(lines: &[MixPart], now: Timestamp) -> Self {
        let mut mixer = Self { members: Vec::new(), due: now + FRAME };
        mixer.set_members(lines);
        mixer
    }

    /// Sets who is in it, and who hears whom. Who stays goes on without a gap.
    pub(crate) fn set_members(&mut self, lines: &[MixPart]) {
        self.members.retain(|member| lines.iter().any(|line| line.leg == member.line.leg));
        for line in lines {
            match self.members.iter_mut().find(|member| member.line.leg == line.leg) {
                Some(member) => member.line = *line,
                None => {
                    self.members.push(Member { line: *line, input: Input::default(), frame: None, output: Vec::new() });
                }
            }
        }
    }

    /// The members that hear a leg.
    pub(crate) fn hearers(&self, leg: u32) -> impl Iterator<Item = u32> {
        let from = self.members.iter().find(|member| member.line.leg == leg).map(|member| member.line);
        let hears = move |member: &&Member| from.is_some_and(|from| from.reaches(member.line));
        self.members.iter().filter(hears).map(|member| member.line.leg)
    }

    /// Takes a packet of a member; `from` is its source (SSRC) and timestamp.
    pub(crate) fn take(&mut self, leg: u32, from: (u32, u32), samples: impl Iterator<Item = i16>) {
        if let Some(member) = self.members.iter_mut().find(|member| member.line.leg == leg) {
            member.input.take(from, samples);
        }
    }

    /// Takes the next frame's time, and sets that of the one after. A thread that stood still does not catch up.
    pub(crate) fn begin_frame(&mut self, now: Timestamp) -> Timestamp {
        let begins = if now.since(self.due) > LATE_MAX { now } else { self.due };
        self.due = begins + FRAME;
        begins
    }

    /// Mixes the next frame. `send` gets a leg and the samples that wait for it until it has sent none of them; it returns how many it has
    /// sent.
    pub(crate) fn mix(&mut self, mut send: impl FnMut(u32, &[i16]) -> usize) {
        let mut sum = [0_i32; FRAME_SAMPLES];
        let mut privately: Vec<(u32, [i16; FRAME_SAMPLES])> = Vec::new();
        for member in &mut self.members {
            member.frame = member.input.next();
            match (&member.frame, member.line.heard_by) {
                (Some(frame), Hearers::All) => add(&mut sum, frame),
                (Some(frame), Hearers::Only(leg)) => privately.push((leg, *frame)),
                (Some(_), Hearers::Nobody) | (None, _) => {}
            }
        }
        for member in &mut self.members {
            let mut heard = if member.line.hears { sum } else { [0; FRAME_SAMPLES] };
            if member.line.is_open()
                && let Some(own) = &member.frame
            {
                heard.iter_mut().zip(own).for_each(|(heard, own)| *heard -= i32::from(*own));
            }
            let is_meant = |(leg, _): &&(u32, _)| *leg == member.line.leg && member.line.hears;
            privately.iter().filter(is_meant).for_each(|(_, frame)| add(&mut heard, frame));
            member.output.extend(
                heard
                    .iter()
                    .map(|sample| i16::try_from((*sample).clamp(i16::MIN.into(), i16::MAX.into())).unwrap_or_default()),
            );
            // Packets may be shorter than a frame.
            while !member.output.is_empty() {
                let sent = send(member.line.leg, &member.output).min(member.output.len());
                if sent == 0 {
                    break;
                }
                member.output.drain(..sent);
            }
            // A member that takes nothing, as one that holds, does not get what it has missed.
            let old = member.output.len().saturating_sub(WAITING_MAX);
            member.output.drain(..old);
        }
    }
}

fn add(sum: &mut [i32; FRAME_SAMPLES], frame: &[i16; FRAME_SAMPLES]) {
    sum.iter_mut().zip(frame).for_each(|(sum, sample)| *sum += i32::from(*sample));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(legs: &[u32]) -> Vec<MixPart> {
        legs.iter().map(|leg| MixPart { leg: *leg, heard_by: Hearers::All, hears: true }).collect()
    }

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn say(mixer: &mut Mixer, leg: u32, packet: u32, sample: i16) {
        mixer.take(leg, (leg, packet * FRAME_SAMPLES as u32), [sample; FRAME_SAMPLES].into_iter());
    }

    /// The middle sample that each leg hears in one frame.
    fn heard(mixer: &mut Mixer) -> Vec<(u32, i16)> {
        let mut heard = Vec::new();
        mixer.mix(|leg, samples| {
            heard.push((leg, samples[FRAME_SAMPLES / 2]));
            samples.len()
        });
        heard
    }

    #[test]
    fn each_hears_the_others_and_not_itself() {
        let mut mixer = Mixer::new(&open(&[1, 2, 3]), START);
        for packet in 0..4 {
            say(&mut mixer, 1, packet, 100);
            say(&mut mixer, 2, packet, 1_000);
        }
        assert_eq!(heard(&mut mixer), [(1, 1_000), (2, 100), (3, 1_100)]);
        mixer.set_members(&open(&[1, 3, 4]));
        assert_eq!(heard(&mut mixer), [(1, 0), (3, 100), (4, 100)], "who stays goes on");
    }

    #[test]
    fn a_mute_member_is_not_heard_a_deaf_one_hears_nobody_and_a_coach_is_heard_by_one() {
        let line = |leg, heard_by, hears| MixPart { leg, heard_by, hears };
        let cases = [
            (
                [line(1, Hearers::Nobody, true), line(2, Hearers::All, true), line(3, Hearers::All, true)],
                [1_100, 1_000, 100],
            ),
            ([line(1, Hearers::All, false), line(2, Hearers::All, true), line(3, Hearers::All, true)], [0, 1_010, 110]),
            (
                [line(1, Hearers::Only(3), true), line(2, Hearers::All, true), line(3, Hearers::All, true)],
                [1_100, 1_000, 110],
            ),
            (
                [line(1, Hearers::Only(3), true), line(2, Hearers::All, true), line(3, Hearers::Nobody, false)],
                [100, 0, 0],
            ),
            (
                [line(1, Hearers::Only(9), true), line(2, Hearers::All, true), line(3, Hearers::All, true)],
                [1_100, 1_000, 100],
            ),
        ];
        for (lines, expected) in cases {
            let mut mixer = Mixer::new(&lines, START);
            for packet in 0..3 {
                say(&mut mixer, 1, packet, 10);
                say(&mut mixer, 2, packet, 100);
                say(&mut mixer, 3, packet, 1_000);
            }
            let heard: Vec<i16> = heard(&mut mixer).into_iter().map(|(_, sample)| sample).collect();
            assert_eq!(heard, expected, "{lines:?}");
            for from in lines {
                let expected: Vec<u32> = lines.iter().filter(|to| from.reaches(**to)).map(|to| to.leg).collect();
                assert_eq!(mixer.hearers(from.leg).collect::<Vec<_>>(), expected);
            }
        }
    }

    #[test]
    fn a_loud_mix_is_clipped_and_not_wrapped() {
        let mut mixer = Mixer::new(&open(&[1, 2, 3]), START);
        for packet in 0..2 {
            say(&mut mixer, 1, packet, 30_000);
            say(&mut mixer, 2, packet, 30_000);
        }
        assert_eq!(heard(&mut mixer), [(1, 30_000), (2, 30_000), (3, i16::MAX)]);
    }

    #[test]
    fn a_lost_packet_is_concealed_and_a_late_one_left_out() {
        let mut mixer = Mixer::new(&open(&[1, 2, 3]), START);
        for packet in [0, 2, 1, 3] {
            say(&mut mixer, 1, packet, 1_000 * (packet as i16 + 1));
        }
        let of_third: Vec<i16> = (0..5).map(|_| heard(&mut mixer)[2].1).collect();
        assert_eq!(of_third, [1_000, 500, 3_000, 4_000, 0]);
    }

    #[test]
    fn a_phone_that_begins_anew_is_heard_whatever_its_timestamps() {
        for (source, timestamp) in [(9, 1_000), (1, 1_000)] {
            let mut mixer = Mixer::new(&open(&[1, 2, 3]), START);
            for packet in 0..3 {
                mixer.take(1, (1, 3_000_000 + packet * 160), [100; FRAME_SAMPLES].into_iter());
            }
            for packet in 0..3 {
                mixer.take(1, (source, timestamp + packet * 160), [200; FRAME_SAMPLES].into_iter());
            }
            let heard: Vec<i16> = (0..6).map(|_| heard(&mut mixer)[2].1).collect();
            assert_eq!(heard, [100, 100, 100, 200, 200, 200], "{source}");
        }
    }

    #[test]
    fn a_mix_that_stood_still_does_not_catch_up() {
        let mut mixer = Mixer::new(&open(&[1, 2, 3]), START);
        assert_eq!(mixer.begin_frame(START + FRAME * 3), START + FRAME, "a little late");
        let now = START + Duration::from_secs(3_600);
        assert_eq!((mixer.begin_frame(now), mixer.due), (now, now + FRAME));
    }

    #[test]
    fn packets_shorter_than_a_frame_are_sent_as_often_as_needed() {
        let mut mixer = Mixer::new(&open(&[1, 2, 3]), START);
        let mut sent = 0;
        for packet in 0..4 {
            say(&mut mixer, 1, packet, 7);
            mixer.mix(|leg, samples| {
                sent += usize::from(leg == 2 && samples.len() >= 80);
                80.min(samples.len())
            });
        }
        assert_eq!(sent, 8);
    }

    #[test]
    fn a_burst_does_not_delay_what_follows() {
        let mut mixer = Mixer::new(&open(&[1, 2, 3]), START);
        (0..50).for_each(|packet| say(&mut mixer, 1, packet, packet as i16));
        assert_eq!(heard(&mut mixer)[1], (2, 44), "the last 120 ms");
    }

    #[test]
    fn who_takes_nothing_keeps_no_backlog_and_long_packets_are_filled() {
        let mut mixer = Mixer::new(&open(&[1, 2, 3]), START);
        let mut lengths = Vec::new();
        for packet in 0..20 {
            say(&mut mixer, 1, packet, 7);
            mixer.mix(|leg, samples| match leg {
                2 if samples.len() >= 240 => {
                    lengths.push(samples.len());
                    240
                }
                _ => 0,
            });
        }
        assert!(mixer.members.iter().all(|member| member.output.len() <= WAITING_MAX));
        assert_eq!(lengths.iter().take(4).copied().collect::<Vec<_>>(), [320, 240, 320, 240]);
    }
}
