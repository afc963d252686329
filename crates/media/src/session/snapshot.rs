//! A session as plain data, for the record from which another process continues.

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
    Agreement, Collect, DIGITS_BUFFERED_MAX, Guard, Inbound, KEYS, Outbound, PACKETS, Prompt, QUIET_AFTER, REPORT_MAX,
    Repeat, Running, Session, Timers,
};
use crate::dtmf::{Digit, EventKey};
use crate::rtcp::ReceptionSnapshot;
use crate::sdp::AudioStream;
use crate::srtp::SourceIndex;

/// A [`Session`] as plain data. Events not yet polled are not part of it: poll before you take it. Neither is a key
/// being detected in the audio (which takes 25 ms) or sent to the phone, nor audio that does not fill a packet yet, nor whether the phone
/// gets keys by signalling, nor a treatment that records: its owner is told that it has failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionSnapshot {
    /// When it was taken.
    pub at: Timestamp,
    /// Our canonical name.
    pub cname: String,
    /// See [`super::Setup`].
    pub quiet_after: Duration,
    /// The negotiated stream.
    pub stream: Option<AudioStream>,
    /// The phone's side.
    pub inbound: InboundSnapshot,
    /// Our side.
    pub outbound: OutboundSnapshot,
    /// How far the sources of encrypted packets are.
    pub sources: Vec<SourceIndex>,
    /// Encrypted packets refused as forged, and as there before.
    pub refused: (u64, u64),
    /// The running treatment.
    pub treatment: Option<TreatmentSnapshot>,
    /// Keys not yet collected.
    pub digits: Vec<Digit>,
    /// When the phone was last heard.
    pub alive: Timestamp,
    /// Whether the phone was reported quiet.
    pub quiet: bool,
    /// When the next report is due.
    pub report_due: Timestamp,
    /// When to check whether the phone is quiet.
    pub quiet_due: Timestamp,
}

/// The phone's side of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InboundSnapshot {
    /// The source whose packets are accepted, and our destination.
    pub source: Source,
    /// Reception statistics.
    pub reception: Option<ReceptionSnapshot>,
    /// The phone's last telephone event.
    pub last_key: Option<EventKey>,
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
    /// The timestamp that belongs to `anchor`.
    pub anchor_timestamp: u32,
    /// When the audio of `anchor_timestamp` was sent, or due.
    pub anchor: Timestamp,
    /// The source being relayed.
    pub run: Option<Run>,
    /// Whether the last packet sent was a treatment's.
    pub playing: bool,
    /// Packets sent, modulo 2^32.
    pub packets: u32,
    /// Payload bytes sent, modulo 2^32.
    pub octets: u32,
    /// Packets sent until the last report.
    pub packets_at_report: u32,
    /// Packets of another leg that could not be sent to this phone.
    pub unrelayed: u64,
}

/// A treatment: its prompts by name, and its progress.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TreatmentSnapshot {
    /// The names of the prompts.
    pub prompts: Vec<Arc<str>>,
    /// How often the prompts are played.
    pub repeat: Repeat,
    /// Whether a key stops the play.
    pub interruptible: bool,
    /// Which digits are collected.
    pub collect: Option<Collect>,
    /// The progress of the treatment.
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
            sources: self.guard.sources(),
            refused: self.guard.refused(),
            treatment: self.treatment.as_ref().filter(|running| running.record().is_none()).map(Running::snapshot),
            digits: self.digits.iter().copied().collect(),
            alive: self.alive,
            quiet: self.quiet,
            report_due: self.timers.report,
            quiet_due: self.timers.quiet,
        }
    }

    /// Continues from `snapshot`; `prompt` finds prompts by name. The phone heard silence in between: it gets the full time to be heard
    /// again, a treatment continues where it was, and what plays without end where it would be by now.
    ///
    /// Whatever times the snapshot contains, nothing is due later than it could be by now. An encrypted stream goes on under `fresh`, which must
    /// be random: see [`super::protection`]. So does one that `may_be_encrypted`: it may have become so after the snapshot.
    pub fn restore(
        snapshot: SessionSnapshot,
        (fresh, may_be_encrypted): (u64, bool),
        now: Timestamp,
        prompt: impl Fn(&str) -> Option<Prompt>,
    ) -> Self {
        let gap = now.since(snapshot.at);
        let quiet_after = snapshot.quiet_after.clamp(QUIET_AFTER.0, QUIET_AFTER.1);
        let mut digits: VecDeque<_> = snapshot.digits.into();
        digits.truncate(DIGITS_BUFFERED_MAX);
        let mut outbound = Outbound::restore(snapshot.outbound, snapshot.stream.as_ref(), gap, now);
        let agreed = snapshot.stream.as_ref().and_then(|stream| stream.protection.as_ref());
        if agreed.is_some() || may_be_encrypted {
            outbound.begin_anew(fresh);
        }
        let awaits_keys = snapshot.stream.as_ref().is_some_and(|stream| stream.association.is_some());
        let guard = Guard::resume((agreed, awaits_keys), outbound.ssrc(), &snapshot.sources, snapshot.refused);
        Self {
            cname: snapshot.cname,
            quiet_after,
            inbound: Inbound::restore(snapshot.inbound, now),
            outbound,
            guard,
            agreement: Agreement::resume(snapshot.stream.as_ref(), now),
            stream: snapshot.stream,
            treatment: snapshot.treatment.map(|t| Running::restore(t, gap, now, prompt)),
            recorder: None,
            digits,
            keys: super::Keys::default(),
            signals_keys: false,
            alive: (snapshot.alive + gap).min(now),
            quiet: snapshot.quiet,
            timers: Timers {
                report: snapshot.report_due.min(now + REPORT_MAX),
                quiet: snapshot.quiet_due.min(now + quiet_after * 5 / 2),
            },
            events: VecDeque::new(),
            is_uncounted: false,
            counted_until: Timestamp::ZERO,
            packet_rate: Rate::new(PACKETS.0, PACKETS.1),
            key_rate: Rate::new(KEYS.0, KEYS.1),
        }
    }
}
