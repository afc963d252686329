//! The audio session of a leg: RTP and RTCP in, RTP and RTCP out, treatments, digits, statistics. No I/O.
//!
//! The phone sees one stream for the whole life of the leg: one SSRC, sequence numbers to which we add no gap, and
//! timestamps that follow the clock, whether a treatment plays or another leg is relayed ([`Session::relay`]). Call
//! `handle_rtp`, `relay` and, when due, `handle_timeout`; then `poll_event` until it is empty. Packets to send come
//! from `relay` and `poll_transmit`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use model::Timestamp;

use crate::dtmf::Digit;
use crate::g711::Law;
use crate::rtcp::{self, SenderInfo};
use crate::rtp::{self, PACKET_BYTES_MAX};
use crate::sdp::{AudioStream, Direction};

mod inbound;
mod keys;
mod outbound;
mod rate;
mod repack;
mod snapshot;
mod source;
mod treatment;

use inbound::Inbound;
use keys::Keys;
use outbound::Outbound;
use rate::Rate;
pub use snapshot::{
    Candidate, InboundSnapshot, OutboundSnapshot, Progress, Run, SessionSnapshot, Source, Totals, TreatmentSnapshot,
};
pub use source::UNPROVEN_BYTES_MAX;
use treatment::Running;
pub use treatment::{Collect, CollectEnd, Outcome, Phase, PlayEnd, Prompt, Repeat, Treatment};

/// Length of a packet that we send, unless the phone asked for another.
pub const FRAME: Duration = Duration::from_millis(20);
/// Samples of a packet of [`FRAME`].
pub const FRAME_SAMPLES: usize = 160;
/// Digits kept while nothing collects them.
pub const DIGITS_BUFFERED_MAX: usize = 32;
/// Events waiting for `poll_event`: a leg makes one or two per input.
const EVENTS_MAX: usize = 16;
/// Most packets that are due in one turn: a treatment and a key, each several [`FRAME`]s late, and a report. More are
/// a fault of this program and end the session.
pub const STEPS_MAX: usize = 64;
/// Packets accepted from a phone: burst, then rate per second. Packets of 5 ms make 200 a second. Two legs whose
/// phones name each other's ports loop at this rate at most.
const PACKETS: (u32, u32) = (500, 250);
/// Keys accepted from a phone: burst, then rate per second. Nobody dials faster, and each key wakes the call's owner.
const KEYS: (u32, u32) = (64, 20);
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

/// An event that the leg's owner must act on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The phone's packets come from this address.
    Learned(SocketAddr),
    /// [`UNPROVEN_BYTES_MAX`] has been sent to this address; no more is sent before something arrives from it.
    Withheld(SocketAddr),
    /// A key was pressed.
    Digit(Digit),
    /// A treatment ended by itself.
    Ended(Outcome),
    /// Nothing has come from the phone since `since`.
    Quiet {
        /// The last sign of life.
        since: Timestamp,
        /// The phone need not send (hold), so its silence proves little; the event is reported because the phone may have vanished.
        held: bool,
    },
    /// The phone is heard again after [`Event::Quiet`].
    Resumed,
    /// A turn needed more than [`STEPS_MAX`] steps, or had no end. The session sends nothing more; its leg must be
    /// ended.
    Runaway,
}

/// A received packet that may be relayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// Its header as it came.
    pub header: rtp::Header,
    /// Audio or telephone event.
    pub content: Content,
    /// The payload.
    pub payload: &'a [u8],
    /// Packets from the same source since its last frame that are not relayed (usually comfort noise).
    pub left_out: u16,
}

/// The kind of a frame's payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// Companded audio.
    Audio(Law),
    /// A telephone event.
    Event,
}

/// A packet to send, written to the start of the caller's buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// The destination.
    pub to: SocketAddr,
    /// The local port to send from.
    pub channel: Channel,
    /// Its length in bytes.
    pub length: usize,
}

/// The two ports of a leg.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Channel {
    /// The even port.
    Rtp,
    /// The port above; unused with RTCP multiplexed (RFC 5761).
    Rtcp,
}

/// The buffer that packets are written to.
pub type PacketBuffer = [u8; PACKET_BYTES_MAX];

/// Statistics of a leg's audio.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Packets accepted from the phone.
    pub received: u64,
    /// Their payload bytes.
    pub received_octets: u64,
    /// Packets from the phone that were lost; negative with duplicates.
    pub lost: i64,
    /// Interarrival jitter in units of 1/8000 s.
    pub jitter: u32,
    /// Packets from sources that are not the phone's, dropped.
    pub strangers: u64,
    /// Packets dropped because they are not RTP or RTCP, or have a payload type that was not negotiated.
    pub invalid: u64,
    /// When the first packet came.
    pub first_packet: Option<Timestamp>,
    /// Where the phone's audio comes from.
    pub learned: Option<SocketAddr>,
    /// Packets sent.
    pub sent: u64,
    /// Fraction of our packets lost on the way to the phone, in 1/256, from its last report.
    pub remote_fraction_lost: u8,
    /// Packets of another leg that could not be sent to this phone.
    pub unrelayed: u64,
    /// When the last accepted packet of the phone came.
    pub last_packet: Option<Timestamp>,
    /// The phone's last RTCP reception report; `None` if none came.
    pub told: Option<ReceptionReport>,
}

/// A phone's reception report (RFC 3550 §6.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceptionReport {
    /// Packets lost since the start.
    pub lost: i32,
    /// Interarrival jitter in units of 1/8000 s.
    pub jitter: u32,
    /// Round-trip time, if the phone has received a report of ours.
    pub round_trip: Option<Duration>,
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
#[derive(Clone, Debug)]
pub struct Session {
    cname: String,
    quiet_after: Duration,
    stream: Option<AudioStream>,
    inbound: Inbound,
    outbound: Outbound,
    treatment: Option<Running>,
    digits: VecDeque<Digit>,
    keys: Keys,
    alive: Timestamp,
    quiet: bool,
    timers: Timers,
    events: VecDeque<Event>,
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
            treatment: None,
            digits: VecDeque::new(),
            keys: Keys::default(),
            alive: now,
            quiet: false,
            timers: Timers { report: now + report_interval(ssrc, 0), quiet: now + quiet_after },
            events: VecDeque::new(),
            packet_rate: Rate::new(PACKETS.0, PACKETS.1),
            key_rate: Rate::new(KEYS.0, KEYS.1),
        }
    }

    /// Applies a newly negotiated stream. A source that is being heard is kept; the described source has precedence.
    pub fn negotiate(&mut self, stream: AudioStream, now: Timestamp) {
        self.inbound.source.negotiate(self.stream.as_ref(), &stream, now);
        self.outbound.negotiate(self.stream.as_ref(), &stream);
        self.stream = Some(stream);
        self.alive = now;
        self.quiet = false;
        self.timers.quiet = now + self.quiet_after;
    }

    /// The agreed stream.
    pub fn stream(&self) -> Option<&AudioStream> {
        self.stream.as_ref()
    }

    /// Processes a packet of the RTP port. A returned frame can be relayed to another leg.
    pub fn handle_rtp<'a>(&mut self, bytes: &'a [u8], from: SocketAddr, now: Timestamp) -> Option<Frame<'a>> {
        if rtp::is_rtcp(bytes) {
            self.handle_rtcp(bytes, from, now);
            return None;
        }
        let stream = self.stream.as_ref()?;
        let before = self.inbound.heard_from();
        let frame = self.inbound.handle(stream, bytes, from, now)?;
        self.note_life(now);
        if before != Some(from) {
            self.tell(Event::Learned(from));
        }
        if !self.packet_rate.allows(now) {
            return None;
        }
        let pressed = match frame.content {
            Content::Event => self.inbound.key(&frame),
            Content::Audio(law) if self.listens_inband() => self.inbound.inband_key(law, frame.payload),
            Content::Audio(_) => None,
        };
        if let Some(digit) = pressed {
            self.handle_digit(digit, now);
        }
        Some(frame)
    }

    /// Processes a packet of the RTCP port.
    pub fn handle_rtcp(&mut self, bytes: &[u8], from: SocketAddr, now: Timestamp) {
        let Some(stream) = self.stream.as_ref() else { return };
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
        if frame.content == Content::Event && stream.telephone_event.is_none() {
            self.keys.hear(&frame.header, frame.payload, now);
            self.outbound.leave_out(frame);
            return None;
        }
        if self.keys.is_sounding() {
            self.outbound.end_run();
            return None;
        }
        let length = self.outbound.relay(stream, frame, now, out)?;
        Some(self.audio_to(to, length))
    }

    /// Returns a further packet made of the frame given to [`Session::relay`], for a phone that wants another packet
    /// length. Call until `None`.
    pub fn relay_next(&mut self, now: Timestamp, out: &mut PacketBuffer) -> Option<Transmit> {
        let to = self.destination()?;
        let length = self.outbound.next_repacked(self.stream.as_ref()?, now, out)?;
        Some(self.audio_to(to, length))
    }

    /// The phone has reported a key by its signalling, not in its audio.
    pub fn pressed(&mut self, digit: Digit, now: Timestamp) {
        self.handle_digit(digit, now);
    }

    /// Sends the phone a key: as a telephone event if it accepts them, else as a tone. A treatment has precedence.
    /// Returns whether the key will be sent.
    pub fn send_key(&mut self, digit: Digit, duration: Duration, now: Timestamp) -> bool {
        !self.is_treated() && self.destination().is_some() && self.keys.press(digit, duration, now)
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
        if self.is_treated() {
            self.keys.clear();
        }
        self.settle(now);
    }

    /// Stops the treatment and returns its outcome so far.
    pub fn stop(&mut self, now: Timestamp) -> Option<Outcome> {
        Some(self.treatment.take()?.stopped(now))
    }

    /// The id of the running treatment.
    pub fn treatment(&self) -> Option<u64> {
        self.treatment.as_ref().map(Running::id)
    }

    /// Does everything that is due except sending, which [`Session::poll_transmit`] does.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.settle(now);
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
        let samples = self.stream.as_ref().map_or(FRAME_SAMPLES, AudioStream::packet_samples);
        while let Some(frame) = self.treatment.as_mut().and_then(|t| t.next_frame(samples, now)) {
            let sent = self.destination().zip(self.stream.as_ref());
            let Some((to, stream)) = sent else { continue };
            let length = self.outbound.play(stream, frame.samples(), frame.due, out);
            return Some(self.audio_to(to, length));
        }
        if let Some(transmit) = self.poll_key(now, out) {
            return Some(transmit);
        }
        self.settle(now);
        if self.timers.report > now {
            return None;
        }
        self.timers.report = now + report_interval(self.outbound.ssrc(), self.outbound.packets());
        self.report(now, out, false)
    }

    /// The last report, with BYE (RFC 3550 §6.6), for a leg that ends.
    pub fn goodbye(&mut self, now: Timestamp, out: &mut PacketBuffer) -> Option<Transmit> {
        self.report(now, out, true)
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
        (self.stream, self.treatment) = (None, None);
        self.keys.clear();
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
        treatment.min(self.keys.next_timeout()).min(self.timers.report).min(self.timers.quiet)
    }

    /// The statistics so far.
    pub fn statistics(&self) -> Statistics {
        let mut figures = self.inbound.statistics();
        figures.sent = u64::from(self.outbound.packets());
        figures.unrelayed = self.outbound.unrelayed();
        figures
    }

    /// Whether a treatment is playing to the phone.
    fn is_treated(&self) -> bool {
        self.treatment.as_ref().is_some_and(Running::is_playing)
    }

    fn poll_key(&mut self, now: Timestamp, out: &mut PacketBuffer) -> Option<Transmit> {
        if self.keys.next_timeout() > now {
            return None;
        }
        let Some((to, stream)) = self.destination().zip(self.stream.as_ref()) else {
            // The phone has been put on hold: late keys would be wrong.
            self.keys.clear();
            return None;
        };
        let step = self.keys.next(stream.telephone_event.is_some(), stream.packet_samples() as u16, now)?;
        let (length, began) = self.outbound.key(stream, step, out)?;
        if let Some(began) = began {
            self.keys.began_at(began);
        }
        Some(self.audio_to(to, length))
    }

    fn settle(&mut self, now: Timestamp) {
        let Some(running) = self.treatment.as_mut() else { return };
        if let Some(outcome) = running.advance(&mut self.digits, now) {
            self.treatment = None;
            self.tell(Event::Ended(outcome));
        }
    }

    fn handle_digit(&mut self, digit: Digit, now: Timestamp) {
        if !self.key_rate.allows(now) {
            return;
        }
        if self.digits.len() < DIGITS_BUFFERED_MAX {
            self.digits.push_back(digit);
        }
        self.tell(Event::Digit(digit));
        if let Some(running) = self.treatment.as_mut() {
            running.handle_digit(now);
        }
        self.settle(now);
    }

    /// Keys are detected in the audio only while a treatment waits for digits and the phone has no telephone events.
    fn listens_inband(&self) -> bool {
        self.stream.as_ref().is_some_and(|s| s.telephone_event.is_none())
            && self.treatment.as_ref().is_some_and(Running::wants_digits)
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

    fn audio_to(&mut self, to: SocketAddr, length: usize) -> Transmit {
        self.note_sent(to, length);
        Transmit { to, channel: Channel::Rtp, length }
    }

    fn note_sent(&mut self, to: SocketAddr, length: usize) {
        if self.stream.as_ref().is_some_and(|stream| self.inbound.source.sent(stream, to, length)) {
            self.tell(Event::Withheld(to));
        }
    }

    fn report(&mut self, now: Timestamp, out: &mut PacketBuffer, goodbye: bool) -> Option<Transmit> {
        let stream = self.stream.as_ref()?;
        stream.remote?;
        let to = self.inbound.source.rtcp_destination(stream)?;
        let channel = if stream.rtcp_mux { Channel::Rtp } else { Channel::Rtcp };
        let sender = self.outbound.sent_since_report().then(|| SenderInfo {
            ntp: rtcp::ntp(now),
            rtp_timestamp: self.outbound.timestamp_at(now),
            packets: self.outbound.packets(),
            octets: self.outbound.octets(),
        });
        let block = self.inbound.report(now);
        let report = rtcp::Report { ssrc: self.outbound.ssrc(), sender, block, cname: &self.cname, goodbye };
        let bytes = report.to_bytes();
        out.get_mut(..bytes.len())?.copy_from_slice(&bytes);
        self.note_sent(to, bytes.len());
        Some(Transmit { to, channel, length: bytes.len() })
    }

    fn tell(&mut self, event: Event) {
        // A leg that is not polled loses its oldest events instead of using more memory.
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

/// 2.5 to 7.5 s (RFC 3550 §6.2 and §6.3.1), spread by a hash of our SSRC and the packets sent: reports of many legs
/// must not be synchronised. It need not be unguessable.
fn report_interval(ssrc: u32, packets: u32) -> Duration {
    let mixed = (u64::from(ssrc) << 32 | u64::from(packets)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Duration::from_millis(2_500 + (mixed >> 40) % 5_000)
}

#[cfg(test)]
mod tests;
