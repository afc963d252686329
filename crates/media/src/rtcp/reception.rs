//! Reception statistics of one stream: RFC 3550 §A.1 (sequence), §A.3 (loss) and §A.8 (jitter).

use model::Timestamp;

use super::{ReportBlock, short_span};

/// Reception statistics of one synchronisation source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reception {
    state: ReceptionSnapshot,
}

/// A [`Reception`] as plain data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReceptionSnapshot {
    /// The source.
    pub ssrc: u32,
    /// Units of its timestamps in a second.
    pub clock: u32,
    /// First sequence number.
    pub base: u16,
    /// Highest sequence number with its cycles.
    pub highest: u32,
    /// Packets received, duplicates included.
    pub received: u64,
    /// Packets expected at the last report.
    pub expected_prior: u64,
    /// Packets received at the last report.
    pub received_prior: u64,
    /// Jitter in 1/16 timestamp units.
    pub jitter_16: u32,
    /// Transit time of the last packet, modulo 2^32.
    pub transit: u32,
    /// Middle 32 bits of the last sender report's NTP time, and when it came.
    pub sender_report: Option<(u32, Timestamp)>,
}

/// A jump ahead of more than this is a restart of the stream (RFC 3550 §A.1).
const DROPOUT_MAX: u16 = 3_000;
/// A packet up to this far behind is late, not a restart.
const MISORDER_MAX: u16 = 100;

impl Reception {
    /// Starts with the first packet.
    pub fn new(ssrc: u32, clock: u32, (sequence, rtp_timestamp): (u16, u32), now: Timestamp) -> Self {
        Self {
            state: ReceptionSnapshot {
                ssrc,
                clock,
                base: sequence,
                highest: u32::from(sequence),
                received: 1,
                expected_prior: 0,
                received_prior: 0,
                jitter_16: 0,
                transit: arrival(now, clock).wrapping_sub(rtp_timestamp),
                sender_report: None,
            },
        }
    }

    /// Continues from `snapshot`.
    pub fn restore(snapshot: ReceptionSnapshot) -> Self {
        Self { state: snapshot }
    }

    /// The statistics as plain data.
    pub fn snapshot(&self) -> ReceptionSnapshot {
        self.state
    }

    /// The source.
    pub fn ssrc(&self) -> u32 {
        self.state.ssrc
    }

    /// Counts one more packet.
    pub fn handle(&mut self, sequence: u16, rtp_timestamp: u32, now: Timestamp) {
        if self.count(sequence, rtp_timestamp, now) == Continuity::Restarted {
            return;
        }
        let state = &mut self.state;
        let transit = arrival(now, state.clock).wrapping_sub(rtp_timestamp);
        let difference = (transit.wrapping_sub(state.transit) as i32).unsigned_abs();
        state.transit = transit;
        // J += |D| - J/16, in units of 1/16 (§A.8); a jump of the clock must not overflow it.
        let next = i64::from(state.jitter_16) + i64::from(difference) - (i64::from(state.jitter_16) + 8) / 16;
        state.jitter_16 = u32::try_from(next.max(0)).unwrap_or(u32::MAX);
    }

    /// Counts one more packet whose timestamp is not its sampling time: it says nothing about jitter.
    pub fn handle_untimed(&mut self, sequence: u16, rtp_timestamp: u32, now: Timestamp) {
        self.count(sequence, rtp_timestamp, now);
    }

    fn count(&mut self, sequence: u16, rtp_timestamp: u32, now: Timestamp) -> Continuity {
        let state = &mut self.state;
        let ahead = sequence.wrapping_sub(state.highest as u16);
        if ahead < DROPOUT_MAX {
            state.highest = state.highest.wrapping_add(u32::from(ahead));
        } else if ahead <= u16::MAX - MISORDER_MAX {
            // The stream restarted with the same SSRC: restart the statistics here.
            let ReceptionSnapshot { ssrc, clock, sender_report, .. } = *state;
            *self = Self::new(ssrc, clock, (sequence, rtp_timestamp), now);
            self.state.sender_report = sender_report;
            return Continuity::Restarted;
        }
        state.received += 1;
        Continuity::Continued
    }

    /// Notes a sender report of the source.
    pub fn handle_sender_report(&mut self, ntp: u64, now: Timestamp) {
        self.state.sender_report = Some(((ntp >> 16) as u32, now));
    }

    /// Packets received.
    pub fn received(&self) -> u64 {
        self.state.received
    }

    /// Packets lost since the start; negative with duplicates (§A.3).
    pub fn lost(&self) -> i64 {
        self.expected() as i64 - self.state.received as i64
    }

    /// Interarrival jitter in units of 1/8000 s.
    pub fn jitter_8000(&self) -> u32 {
        self.state.jitter_16 / 16 / (self.state.clock / 8_000).max(1)
    }

    /// The current report block; starts a new interval for the fraction lost.
    pub fn report(&mut self, now: Timestamp) -> ReportBlock {
        let expected = self.expected();
        let state = &mut self.state;
        let expected_interval = expected.saturating_sub(state.expected_prior);
        let received_interval = state.received.saturating_sub(state.received_prior);
        (state.expected_prior, state.received_prior) = (expected, state.received);
        let lost_interval = expected_interval.saturating_sub(received_interval);
        let fraction = (lost_interval << 8).checked_div(expected_interval).unwrap_or(0);
        let (last, delay) = match state.sender_report {
            Some((middle, when)) => (middle, short_span(now.since(when))),
            None => (0, 0),
        };
        let lost = (expected as i64 - state.received as i64).clamp(-0x80_0000, 0x7F_FFFF);
        ReportBlock {
            ssrc: state.ssrc,
            fraction_lost: fraction.min(255) as u8,
            cumulative_lost: lost as i32,
            highest_sequence: state.highest,
            jitter: state.jitter_16 / 16,
            last_sender_report: last,
            delay_since: delay,
        }
    }

    fn expected(&self) -> u64 {
        u64::from(self.state.highest.wrapping_sub(u32::from(self.state.base))) + 1
    }
}

/// Arrival time in timestamp units, modulo 2^32. The clocks are multiples of 8000.
fn arrival(now: Timestamp, clock: u32) -> u32 {
    let units = u64::from(clock / 8_000).max(1);
    (now.as_micros().wrapping_mul(units) / 125) as u32
}

/// How a packet stands to those before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Continuity {
    Continued,
    /// The statistics begin with this packet.
    Restarted,
}

#[cfg(test)]
mod tests;
