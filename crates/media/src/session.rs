//! The audio session of a leg: RTP and RTCP in, RTP and RTCP out, treatments, digits, statistics. No I/O.
//!
//! The phone sees one stream for the whole life of the leg: one SSRC (another one after an encrypted session has moved to another
//! process), sequence numbers to which we add no gap, and timestamps that follow the clock, whether a treatment plays or another leg is relayed ([`Session::relay`]). Call
//! `handle_rtp`, `relay` and, when due, `handle_timeout`; then `poll_event` until it is empty. Packets to send come
//! from `relay` and `poll_transmit`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use model::Timestamp;

use crate::dtmf::Digit;
use crate::rtp;
use crate::sdp::{AudioStream, Direction};

mod agreement;
mod digits;
mod event;
mod frame;
mod inbound;
mod keys;
mod outbound;
mod protection;
mod rate;
mod recording;
mod repack;
mod report;
mod snapshot;
mod source;
mod statistics;
mod treatment;

use agreement::Agreement;
pub use digits::DIGITS_BUFFERED_MAX;
pub use event::Event;
pub use frame::{Channel, Content, FRAME, FRAME_SAMPLES, Frame, PacketBuffer, Transmit};
use inbound::Inbound;
use keys::Keys;
use outbound::Outbound;
use protection::{Guard, Opened};
use rate::Rate;
use recording::Recorder;
pub use recording::{RecordedSpeech, RecordingEnd, RecordingOptions};
use report::{ReportCause, report_interval};
pub use snapshot::{
    Candidate, InboundSnapshot, OutboundSnapshot, Progress, Run, SessionSnapshot, Source, Totals, TreatmentSnapshot,
};
pub use source::UNPROVEN_BYTES_MAX;
pub use statistics::{ReceptionReport, Statistics};
use treatment::Running;
pub use treatment::{Collect, CollectEnd, Outcome, Phase, PlayEnd, Prompt, Repeat, Treatment};

/// Events waiting for `poll_event`: a leg makes one or two per input.
const EVENTS_MAX: usize = 16;
/// A sample of 8 kHz audio, in microseconds.
const SAMPLE_US: u64 = 125;
/// Most packets that are due in one turn: a treatment and a key, each several [`FRAME`]s late, and a report. More are
/// a fault of this program and end the session.
pub const STEPS_MAX: usize = 64;
/// Packets accepted from a phone: burst, then rate per second. Packets of 5 ms make 200 a second. Two legs whose
/// phones name each other's ports loop at this rate at most.
const PACKETS: (u32, u32) = (500, 250);
/// Keys accepted from a phone: burst, then rate per second. Nobody dials faster, and each key wakes the call's owner.
const KEYS: (u32, u32) = (64, 20);
/// How often a successor is to learn how far the sources of an encrypted stream are: whoever has the key could make each packet one.
const COUNTED_EACH: Duration = Duration::from_secs(1);
/// Bounds of [`Setup::quiet_after`].
const QUIET_AFTER: (Duration, Duration) = (Duration::from_millis(100), Duration::from_hours(1));
/// Longest interval between RTCP reports.
const REPORT_MAX: Duration = Duration::from_millis(7_500);

/// How a session is set up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setup {
    /// Our synchronisation source: random (RFC 3550 §8).
    pub ssrc: u32,
    /// First sequence number: random.
    pub sequence: u16,
    /// First timestamp: random.
    pub timestamp: u32,
    /// Our canonical name in RTCP.
    pub cname: String,
    /// Silence of a phone that was heard before, after which [`Event::Quiet`] is reported. A phone that was never
    /// heard gets 5/2 of it, and so does each repeated report: it may have nothing to say.
    pub quiet_after: Duration,
}

/// The timers of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Timers {
    /// The next RTCP report is due (RFC 3550 §6.2: 5 s, randomised).
    report: Timestamp,
    /// When to check whether the phone is quiet.
    quiet: Timestamp,
}

/// The audio session of a leg.
#[derive(Debug)]
pub struct Session {
    cname: String,
    quiet_after: Duration,
    stream: Option<AudioStream>,
    inbound: Inbound,
    outbound: Outbound,
    guard: Guard,
    agreement: Agreement,
    treatment: Option<Running>,
    /// What follows a treatment that records.
    recorder: Option<Recorder>,
    digits: VecDeque<Digit>,
    keys: Keys,
    /// Whether the phone gets keys by signalling.
    signals_keys: bool,
    alive: Timestamp,
    quiet: bool,
    timers: Timers,
    events: VecDeque<Event>,
    /// Whether a source has begun or rolled over since [`Event::Counted`], and when that may be told again.
    is_uncounted: bool,
    counted_until: Timestamp,
    packet_rate: Rate,
    key_rate: Rate,
}

// === impl Session ===

impl Session {
    /// Creates a session without a stream: nothing is accepted or sent until [`Session::negotiate`].
    pub fn new(setup: Setup, now: Timestamp) -> Self {
        let Setup { ssrc, sequence, timestamp, cname, quiet_after } = setup;
        let quiet_after = quiet_after.clamp(QUIET_AFTER.0, QUIET_AFTER.1);
        Self {
            cname,
            quiet_after,
            stream: None,
            inbound: Inbound::default(),
            outbound: Outbound::new(ssrc, sequence, timestamp, now),
            guard: Guard::default(),
            agreement: Agreement::default(),
            treatment: None,
            recorder: None,
            digits: VecDeque::new(),
            keys: Keys::default(),
            signals_keys: false,
            alive: now,
            quiet: false,
            timers: Timers { report: now + report_interval(ssrc, 0), quiet: now + quiet_after },
            events: VecDeque::new(),
            is_uncounted: false,
            counted_until: Timestamp::ZERO,
            packet_rate: Rate::new(PACKETS.0, PACKETS.1),
            key_rate: Rate::new(KEYS.0, KEYS.1),
        }
    }

    /// Applies a newly negotiated stream. A source that is being heard is kept; the described source has precedence.
    pub fn negotiate(&mut self, mut stream: AudioStream, now: Timestamp) {
        self.agreement.negotiate(self.stream.as_ref(), &mut stream, now);
        self.inbound.source.negotiate(self.stream.as_ref(), &stream, now);
        self.outbound.negotiate(self.stream.as_ref(), &stream);
        self.begin_source_anew(&stream);
        let awaits_keys = stream.association.is_some();
        self.guard.negotiate(stream.protection.as_ref(), awaits_keys, self.outbound.ssrc());
        self.stream = Some(stream);
        self.alive = now;
        self.quiet = false;
        self.timers.quiet = now + self.quiet_after;
    }

    /// The agreed stream.
    pub fn stream(&self) -> Option<&AudioStream> {
        self.stream.as_ref()
    }

    /// Processes a packet of the RTP port, which is decrypted in place. A returned frame can be relayed to another leg.
    pub fn handle_rtp<'a>(&mut self, bytes: &'a mut [u8], from: SocketAddr, now: Timestamp) -> Option<Frame<'a>> {
        if self.handle_agreement(bytes, from, now) {
            return None;
        }
        if rtp::is_rtcp(bytes) {
            self.handle_rtcp(bytes, from, now);
            return None;
        }
        let stream = self.stream.as_ref()?;
        let Opened { bytes, has_rolled } = self.guard.open(bytes)?;
        self.is_uncounted |= has_rolled;
        if self.is_uncounted && self.counted_until <= now {
            (self.is_uncounted, self.counted_until) = (false, now + COUNTED_EACH);
            tell(&mut self.events, Event::Counted);
        }
        let before = self.inbound.heard_from();
        let frame = self.inbound.handle(stream, bytes, from, now)?;
        self.note_life(now);
        if before != Some(from) {
            self.tell(Event::Learned(from));
        }
        if !self.packet_rate.allows(now) {
            return None;
        }
        if let (Some(recorder), Content::Audio(codec)) = (self.recorder.as_mut(), frame.content) {
            recorder.take(codec, &frame, now);
        }
        let pressed = match frame.content {
            Content::Event { .. } => self.inbound.key(&frame),
            Content::Audio(codec) if self.listens_inband() => self.inbound.inband_key(codec, frame.payload),
            Content::Audio(_) => {
                self.inbound.end_listening();
                None
            }
        };
        if let Some(digit) = pressed {
            self.handle_digit(digit, now);
        }
        Some(frame)
    }

    /// Processes a packet of the RTCP port, which is decrypted in place.
    pub fn handle_rtcp(&mut self, bytes: &mut [u8], from: SocketAddr, now: Timestamp) {
        let Some(stream) = self.stream.as_ref() else { return };
        let Some(bytes) = self.guard.open_report(bytes) else { return };
        if self.inbound.handle_rtcp(stream, bytes, from, self.outbound.ssrc(), now) {
            self.note_life(now);
        }
    }

    /// Sends a frame of another leg (or of this one, for echo) to the phone. A treatment has precedence.
    pub fn relay(&mut self, frame: &Frame<'_>, now: Timestamp, out: &mut PacketBuffer) -> Option<Transmit> {
        if self.is_treated() {
            self.outbound.end_run();
            return None;
        }
        let Some((to, stream)) = self.destination().zip(self.stream.as_ref()) else {
            // Frames that are skipped now must not leave a gap in our sequence numbers that looks like loss.
            self.outbound.end_run();
            return None;
        };
        if let Content::Event { clock } = frame.content
            && stream.event().is_none_or(|(_, ours)| ours != clock)
        {
            self.keys.hear(&frame.header, clock, frame.payload, now);
            self.outbound.leave_out(frame);
            return None;
        }
        if self.keys.is_sounding() && !self.signals_keys {
            self.outbound.end_run();
            return None;
        }
        let length = self.outbound.relay(stream, frame, now, out)?;
        self.audio_to(to, length, out)
    }

    /// Returns a further packet made of the frame given to [`Session::relay`], for a phone that wants another packet
    /// length. Call until `None`.
    pub fn relay_next(&mut self, now: Timestamp, out: &mut PacketBuffer) -> Option<Transmit> {
        let to = self.destination()?;
        let length = self.outbound.next_repacked(self.stream.as_ref()?, now, out)?;
        self.audio_to(to, length, out)
    }

    /// How this phone takes the mix of a conference; `None` while something else is sent. A treatment has precedence, and the tone of a key; a
    /// key as a telephone event leaves the audio as it is.
    pub fn takes_mix(&self) -> Option<&AudioStream> {
        let stream = self.stream.as_ref()?;
        let sounds = self.keys.is_sounding() && stream.event().is_none() && !self.signals_keys;
        (!self.is_treated() && !sounds && self.destination().is_some()).then_some(stream)
    }

    /// Sends a packet of the mix of a conference: its payload, in the codec of [`Session::takes_mix`], with the units of time that it lasts, and
    /// when it begins.
    pub fn mixed(&mut self, payload: (&[u8], u32), begins: Timestamp, out: &mut PacketBuffer) -> Option<Transmit> {
        let (to, stream) = self.destination().zip(self.stream.as_ref())?;
        let length = self.outbound.encoded(stream, payload, begins, out);
        self.audio_to(to, length, out)
    }

    /// Starts a treatment. A running treatment is dropped without an event, since its owner knows.
    pub fn play(&mut self, id: u64, treatment: Treatment, now: Timestamp) {
        if treatment.collect.as_ref().is_some_and(|c| c.clear_buffer) {
            self.digits.clear();
        }
        let mut running = Running::start(id, treatment, self.outbound.next_frame_at(now));
        if !self.digits.is_empty() {
            // Keys pressed ahead count as pressed now.
            running.handle_digit(now);
        }
        self.treatment = Some(running);
        self.recorder = None;
        if self.is_treated() {
            self.keys.clear();
        }
        self.settle(now);
    }

    /// Stops the treatment and returns its outcome so far.
    pub fn stop(&mut self, now: Timestamp) -> Option<Outcome> {
        if let Some(recorder) = self.recorder.take() {
            return Some(recorder.stopped(now));
        }
        Some(self.treatment.take()?.stopped(now))
    }

    /// The id of the running treatment.
    pub fn treatment(&self) -> Option<u64> {
        self.treatment.as_ref().map(Running::id).or_else(|| self.recorder.as_ref().map(Recorder::id))
    }

    /// Whether the running treatment records, now or after its prompts.
    pub fn records(&self) -> bool {
        self.recorder.is_some() || self.treatment.as_ref().is_some_and(|running| running.record().is_some())
    }

    /// Does everything that is due except sending, which [`Session::poll_transmit`] does.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.settle(now);
        self.agree_in_time(now);
        if self.timers.quiet <= now {
            let held = !self.expects_audio();
            let is_short = self.inbound.heard_from().is_some() && !self.quiet && !held;
            let patience = if is_short { self.quiet_after } else { self.long_quiet() };
            let due = self.alive + patience;
            if due > now && !self.quiet {
                self.timers.quiet = due;
            } else {
                self.timers.quiet = now + self.long_quiet();
                self.quiet |= !held;
                self.tell(Event::Quiet { since: self.alive, held });
            }
        }
    }

    /// The silence allowed to a phone that was never heard, is on hold, or was reported before.
    fn long_quiet(&self) -> Duration {
        self.quiet_after * 5 / 2
    }

    /// The next packet that is due, written to `out`. Call until `None`.
    pub fn poll_transmit(&mut self, now: Timestamp, out: &mut PacketBuffer) -> Option<Transmit> {
        if let Some(transmit) = self.agreement.poll_transmit(out) {
            return Some(transmit);
        }
        let samples = self.stream.as_ref().map_or(FRAME_SAMPLES, AudioStream::packet_samples);
        while let Some(frame) = self.treatment.as_mut().and_then(|t| t.next_frame(samples, now)) {
            let sent = self.destination().zip(self.stream.as_ref());
            let Some((to, stream)) = sent else { continue };
            let length = self.outbound.play(stream, frame.samples(), frame.due, out);
            return self.audio_to(to, length, out);
        }
        if let Some(transmit) = self.poll_key(now, out) {
            return Some(transmit);
        }
        self.settle(now);
        if self.timers.report > now {
            return None;
        }
        self.timers.report = now + report_interval(self.outbound.ssrc(), self.outbound.packets());
        self.report(now, out, ReportCause::Interval)
    }

    /// Does all that is due and passes the packets to `send`.
    pub fn handle_due(
        &mut self,
        now: Timestamp,
        out: &mut PacketBuffer,
        mut send: impl FnMut(Transmit, &PacketBuffer),
    ) {
        self.handle_timeout(now);
        for _ in 0..STEPS_MAX {
            let Some(transmit) = self.poll_transmit(now, out) else { break };
            send(transmit, out);
        }
        if self.next_timeout() <= now {
            self.halt();
        }
    }

    /// Stops the session: nothing is accepted, sent or due any more.
    fn halt(&mut self) {
        (self.stream, self.treatment, self.recorder) = (None, None, None);
        self.keys.clear();
        self.agreement.end();
        self.timers = Timers { report: Timestamp::MAX, quiet: Timestamp::MAX };
        self.tell(Event::Runaway);
    }

    /// The next event. Call until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Session::handle_timeout`] and [`Session::poll_transmit`] are due next.
    pub fn next_timeout(&self) -> Timestamp {
        let treatment = self.treatment.as_ref().map_or(Timestamp::MAX, Running::next_timeout);
        let recorder = self.recorder.as_ref().map_or(Timestamp::MAX, Recorder::next_timeout);
        let agreement = self.agreement.next_timeout();
        treatment
            .min(recorder)
            .min(agreement)
            .min(self.keys.next_timeout())
            .min(self.timers.report)
            .min(self.timers.quiet)
    }

    /// The statistics so far.
    pub fn statistics(&self) -> Statistics {
        let mut figures = self.inbound.statistics();
        figures.sent = u64::from(self.outbound.packets());
        figures.unrelayed = self.outbound.unrelayed();
        (figures.forged, figures.replayed) = self.guard.refused();
        figures
    }

    /// Encrypted packets of the phone refused as forged, and as there before.
    pub const fn refused(&self) -> (u64, u64) {
        self.guard.refused()
    }

    /// Whether a treatment is playing to the phone.
    fn is_treated(&self) -> bool {
        self.treatment.as_ref().is_some_and(Running::is_playing)
    }

    fn settle(&mut self, now: Timestamp) {
        if let Some(outcome) = self.recorder.as_mut().and_then(|recorder| recorder.advance(&mut self.digits, now)) {
            self.recorder = None;
            self.tell(Event::Ended(outcome));
        }
        let Some(running) = self.treatment.as_mut() else { return };
        let Some(outcome) = running.advance(&mut self.digits, now) else { return };
        let record = running.record();
        self.treatment = None;
        match record {
            Some(record) => self.begin_recording(record, outcome, now),
            None => self.tell(Event::Ended(outcome)),
        }
    }

    /// Keys of before have no part in it.
    fn begin_recording(&mut self, record: RecordingOptions, play: Outcome, now: Timestamp) {
        self.digits.clear();
        self.tell(Event::Recording(play.id));
        self.recorder = Some(Recorder::begin(record, play, now));
    }

    /// A phone on hold may be silent; one in a conversation may not.
    fn expects_audio(&self) -> bool {
        self.stream.as_ref().is_some_and(|s| s.direction == Direction::SendRecv && s.remote.is_some())
    }

    fn note_life(&mut self, now: Timestamp) {
        self.alive = now;
        if std::mem::take(&mut self.quiet) {
            self.tell(Event::Resumed);
        }
    }

    /// Where audio goes now; `None` while the phone does not want any.
    fn destination(&self) -> Option<SocketAddr> {
        let stream = self.stream.as_ref().filter(|s| s.direction.sends())?;
        self.inbound.source.destination(stream)
    }

    /// The packet in the first `length` bytes on its way, encrypted if that is agreed.
    fn audio_to(&mut self, to: SocketAddr, length: usize, out: &mut PacketBuffer) -> Option<Transmit> {
        let length = self.guard.seal(out, length)?;
        self.note_sent(to, length);
        Some(Transmit { to, channel: Channel::Rtp, length })
    }

    fn note_sent(&mut self, to: SocketAddr, length: usize) {
        if self.stream.as_ref().is_some_and(|stream| self.inbound.source.sent(stream, to, length)) {
            self.tell(Event::Withheld(to));
        }
    }

    fn tell(&mut self, event: Event) {
        tell(&mut self.events, event);
    }
}

fn tell(events: &mut VecDeque<Event>, event: Event) {
    // A leg that is not polled loses its oldest events instead of using more memory.
    if events.len() == EVENTS_MAX {
        events.pop_front();
    }
    events.push_back(event);
}

#[cfg(test)]
mod tests;
