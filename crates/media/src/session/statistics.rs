//! The statistics of a leg's audio.

use std::net::SocketAddr;
use std::time::Duration;

use model::Timestamp;

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
    /// Encrypted packets dropped because they are not authentic, or not encrypted.
    pub forged: u64,
    /// Encrypted packets dropped because they were there before.
    pub replayed: u64,
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
