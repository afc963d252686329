//! A session as plain data, for the record from which another process goes on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;

pub use super::inbound::Totals;
pub use super::outbound::Run;
use super::rate::Rate;
pub use super::source::{Candidate, Source};
pub use super::treatment::Progress;
use super::{
    Collect, DIGITS_BUFFERED_MAX, Inbound, KEYS, Outbound, PACKETS, Prompt, QUIET_AFTER, REPORT_MAX, Repeat, Running,
    Session, Timers,
};
use crate::dtmf::Digit;
use crate::rtcp::ReceptionSnapshot;
use crate::sdp::AudioStream;

/// A [`Session`] as plain data. Events not yet polled are not part of it: poll before you take it. Nor is a key that is
/// being heard in the audio (it takes 25 ms to be found) or sent to the phone, nor audio that does not fill a packet yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionSnapshot {
    /// When it was taken.
    pub at: Timestamp,
    /// Our canonical name.
    pub cname: String,
    /// See [`super::Setup`].
    pub quiet_after: Duration,
    /// The agreed stream.
    pub stream: Option<AudioStream>,
    /// The phone's side.
    pub inbound: InboundSnapshot,
    /// Our side.
    pub outbound: OutboundSnapshot,
    /// What is played or collected.
    pub treatment: Option<TreatmentSnapshot>,
    /// Keys not yet collected.
    pub digits: Vec<Digit>,
    /// The phone's last sign of life.
    pub alive: Timestamp,
    /// Whether it was told to be quiet.
    pub quiet: bool,
    /// When the next report is due.
    pub report_due: Timestamp,
    /// When to look whether the phone is quiet.
    pub quiet_due: Timestamp,
}

/// The phone's side of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InboundSnapshot {
    /// Whose packets are taken, and where ours go.
    pub source: Source,
    /// Reception figures.
    pub reception: Option<ReceptionSnapshot>,
    /// RTP timestamp of its last telephone event.
    pub last_key: Option<u32>,
    /// Counters.
    pub totals: Totals,
}

/// Our side of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutboundSnapshot {
    /// Our synchronisation source.
    pub ssrc: u32,
    /// The next sequence number.
    pub next_sequence: u16,
    /// The timestamp that stands for `anchor`.
    pub anchor_timestamp: u32,
    /// When it was sent, or due.
    pub anchor: Timestamp,
    /// The source that is relayed.
    pub run: Option<Run>,
    /// Whether a treatment was sent last.
    pub playing: bool,
    /// Packets sent, modulo 2^32.
    pub packets: u32,
    /// Payload bytes sent, modulo 2^32.
    pub octets: u32,
    /// Packets sent at the last report.
    pub packets_at_report: u32,
    /// Packets that the phone could not take.
    pub unrelayed: u64,
}

/// A treatment: prompts by name, and how far it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreatmentSnapshot {
    /// The names of the prompts.
    pub prompts: Vec<Arc<str>>,
    /// How often.
    pub repeat: Repeat,
    /// Whether a key stops the play.
    pub interruptible: bool,
    /// What is collected.
    pub collect: Option<Collect>,
    /// How far it is.
    pub progress: Progress,
}

impl Session {
    /// The state as plain data.
    pub fn snapshot(&self, now: Timestamp) -> SessionSnapshot {
        SessionSnapshot {
            at: now,
            cname: self.cname.clone(),
            quiet_after: self.quiet_after,
            stream: self.stream.clone(),
            inbound: self.inbound.snapshot(),
            outbound: self.outbound.snapshot(),
            treatment: self.treatment.as_ref().map(Running::snapshot),
            digits: self.digits.iter().copied().collect(),
            alive: self.alive,
            quiet: self.quiet,
            report_due: self.timers.report,
            quiet_due: self.timers.quiet,
        }
    }

    /// Goes on where `snapshot` was taken; `prompt` finds prompts by name. Time that passed since was silence to the
    /// phone: a treatment goes on where it was, and the phone gets its whole time to be heard again.
    ///
    /// Whatever times the snapshot holds, nothing is due later than it could be by now.
    pub fn restore(snapshot: SessionSnapshot, now: Timestamp, prompt: impl Fn(&str) -> Option<Prompt>) -> Self {
        let gap = now.since(snapshot.at);
        let quiet_after = snapshot.quiet_after.clamp(QUIET_AFTER.0, QUIET_AFTER.1);
        let mut digits: VecDeque<_> = snapshot.digits.into();
        digits.truncate(DIGITS_BUFFERED_MAX);
        Self {
            cname: snapshot.cname,
            quiet_after,
            stream: snapshot.stream,
            inbound: Inbound::restore(snapshot.inbound, now),
            outbound: Outbound::restore(snapshot.outbound, gap, now),
            treatment: snapshot.treatment.map(|t| Running::restore(t, now, prompt)),
            digits,
            keys: super::Keys::default(),
            alive: (snapshot.alive + gap).min(now),
            quiet: snapshot.quiet,
            timers: Timers {
                report: snapshot.report_due.min(now + REPORT_MAX),
                quiet: snapshot.quiet_due.min(now + quiet_after * 5 / 2),
            },
            events: VecDeque::new(),
            packet_rate: Rate::new(PACKETS.0, PACKETS.1),
            key_rate: Rate::new(KEYS.0, KEYS.1),
        }
    }
}
