//! Which sources a leg accepts packets from, and where it sends.
//!
//! A source is *named* if the phone's description or its signalling names it: by address and port, or by the host
//! alone, as behind a NAT. A named source is accepted at once if no source is being heard. Every other source, and
//! one that would replace the source being heard, is on probation first: [`PROBATION`] consecutive packets, while the
//! source being heard is silent. A new description does not open a stream that flows.
//!
//! A host that did not do the signalling and was never heard is sent [`UNPROVEN_BYTES_MAX`] and no more before
//! something arrives from it: no client can make us flood a third party.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use model::Timestamp;

use crate::sdp::AudioStream;

/// Consecutive packets that a source on probation must send: 100 ms of audio, more than a stray packet or two and
/// hardly audible (RFC 3550 §A.1 asks for two).
const PROBATION: u8 = 5;
/// Silence of the source being heard before another source of equal standing may start probation; also the time to
/// wait after a description for the source that it names.
const SOURCE_SILENCE: Duration = Duration::from_millis(500);
/// Silence of a named source before an unnamed one may start probation. Phones that suppress silence send nothing for
/// seconds.
const NAMED_SILENCE: Duration = Duration::from_secs(2);
/// Silence after which the same address may continue with another SSRC: some devices restart their stream without a
/// new description.
const SSRC_CHANGE_SILENCE: Duration = Duration::from_millis(200);
/// Bytes that a leg may send in total to hosts that have not shown that they want audio: 10 s of G.711 in packets of
/// 20 ms. A called phone sends audio or a report within 5 s (RFC 3550 §6.2); one that only listens has done the
/// signalling from the same host.
pub const UNPROVEN_BYTES_MAX: u32 = 100_000;
/// IP and UDP header bytes per packet: counted so that many small packets do not bypass the limit.
const PACKET_OVERHEAD: u32 = 28;

/// The source being heard and the destination, as plain data that is its own snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    /// Where our audio goes, once the phone was heard.
    pub learned: Option<SocketAddr>,
    /// Where our reports go, once the phone has sent one.
    pub learned_rtcp: Option<SocketAddr>,
    /// Address and SSRC being heard.
    pub lock: Option<(SocketAddr, u32)>,
    /// When the source was last heard.
    pub last_packet: Timestamp,
    /// When the current description took effect.
    pub described: Timestamp,
    /// The source on probation.
    pub candidate: Option<Candidate>,
    /// The host that was heard last.
    pub answered: Option<IpAddr>,
    /// Bytes that may still be sent to hosts that have not been heard.
    pub unproven_left: u32,
}

/// A source on probation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Its address.
    pub address: SocketAddr,
    /// Its SSRC.
    pub ssrc: u32,
    /// The sequence number that would be the next consecutive one.
    pub next: u16,
    /// Consecutive packets so far.
    pub count: u8,
    /// When the last one came.
    pub at: Timestamp,
}

/// How well an address agrees with the phone's description and signalling.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Standing {
    /// Neither names it.
    Unnamed,
    /// Another port of a host that the description or the signalling names.
    Host,
    /// The address and port of the description.
    Described,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            learned: None,
            learned_rtcp: None,
            lock: None,
            last_packet: Timestamp::ZERO,
            described: Timestamp::ZERO,
            candidate: None,
            answered: None,
            unproven_left: UNPROVEN_BYTES_MAX,
        }
    }
}

impl Source {
    /// Applies a new description.
    pub fn negotiate(&mut self, before: Option<&AudioStream>, stream: &AudioStream, now: Timestamp) {
        // Of the other family nothing comes any more: this leg has other sockets, which nobody knew before.
        let is_of_family = |at: SocketAddr| stream.remote.is_none_or(|remote| remote.is_ipv4() == at.is_ipv4());
        let is_left = self.lock.is_some_and(|(address, _)| !is_of_family(address));
        if is_left || now.since(self.last_packet) >= SOURCE_SILENCE {
            self.lock = None;
        }
        (self.described, self.candidate) = (now, None);
        // An unspecified address means hold and does not change where the phone is.
        let same = stream.remote.is_none() || before.is_some_and(|before| before.remote == stream.remote);
        // Behind a NAT the described address cannot be reached: the learned address remains the best one known.
        let is_known = |at: SocketAddr| is_of_family(at) && standing(stream, at) > Standing::Unnamed;
        let hidden = is_hidden(stream, stream.remote) && self.learned.is_some_and(is_known);
        if !same && !hidden {
            (self.learned, self.learned_rtcp) = (None, None);
        }
    }

    /// Whoever knows the session's password is at this address.
    pub fn find(&mut self, at: SocketAddr) {
        (self.learned, self.answered) = (Some(at), Some(at.ip()));
    }

    /// Restores from a snapshot; no packet counts as received after `now`.
    pub fn restored(self, now: Timestamp) -> Self {
        Self { last_packet: self.last_packet.min(now), described: self.described.min(now), ..self }
    }

    /// Whether a packet with a negotiated payload type is accepted from this address.
    pub fn admits(
        &mut self,
        stream: &AudioStream,
        from: SocketAddr,
        (ssrc, sequence): (u32, u16),
        now: Timestamp,
    ) -> bool {
        let silence = now.since(self.last_packet);
        let stands = standing(stream, from);
        let admitted = match self.lock {
            Some((address, locked)) if address == from => locked == ssrc || silence >= SSRC_CHANGE_SILENCE,
            Some((address, _)) => {
                let other = standing(stream, address);
                let patience = if stands < other { NAMED_SILENCE } else { SOURCE_SILENCE };
                let named_at_last = other == Standing::Unnamed && stands > other;
                let may = stands > other || silence >= patience;
                named_at_last || (may && self.passes(stream, from, (ssrc, sequence), now))
            }
            None => {
                let may = now.since(self.described) >= SOURCE_SILENCE;
                stands > Standing::Unnamed || (may && self.passes(stream, from, (ssrc, sequence), now))
            }
        };
        if admitted {
            self.take(stream, stands, (from, ssrc), now);
        }
        admitted
    }

    /// Whether a report is accepted; `proves` says that it names our own SSRC, which only a receiver of our stream knows.
    pub fn admits_report(&mut self, stream: &AudioStream, from: SocketAddr, (ssrc, proves): (u32, bool)) -> bool {
        let known = match self.lock {
            Some((address, locked)) if same_host(address.ip(), from.ip()) => {
                let place =
                    if stream.rtcp_mux { from == address } else { self.learned_rtcp.is_none_or(|at| at == from) };
                place && (ssrc == locked || proves)
            }
            // The phone only listens: only its reports show that it is there.
            _ => proves && standing(stream, from) > Standing::Unnamed,
        };
        if known {
            // A carrier may receive at one host and send from another: a host that reports on our stream receives it at its destination.
            let hears = stream.remote.filter(|_| proves && self.learned.is_none()).map(|at| reachable(stream, at));
            self.answered = Some(hears.unwrap_or(from).ip());
            if !stream.rtcp_mux {
                self.learned_rtcp = Some(from);
            }
        }
        known
    }

    /// Comfort noise came from this address (RFC 3389). It is not played but proves, as audio does, that the host
    /// takes part in the call. A carrier with a silent caller sends nothing else.
    pub fn hears_noise(&mut self, stream: &AudioStream, from: SocketAddr) {
        if standing(stream, from) > Standing::Unnamed {
            self.answered = Some(from.ip());
        }
    }

    /// Where our audio goes; `None` while nothing may be sent.
    pub fn destination(&self, stream: &AudioStream) -> Option<SocketAddr> {
        let described = stream.remote?;
        let to = self.learned.unwrap_or_else(|| reachable(stream, described));
        self.may_send(stream, to).then_some(to)
    }

    /// Where our reports go: to the source of the phone's reports, else as described; behind a NAT, next to its audio.
    pub fn rtcp_destination(&self, stream: &AudioStream) -> Option<SocketAddr> {
        if stream.rtcp_mux {
            return self.destination(stream);
        }
        let beside = self
            .learned
            .filter(|learned| Some(*learned) != stream.remote)
            .and_then(|learned| Some(SocketAddr::new(learned.ip(), learned.port().checked_add(1)?)));
        let described = || stream.remote_rtcp.map(|at| reachable(stream, at));
        let to = self.learned_rtcp.or(beside).or_else(described)?;
        self.may_send(stream, to).then_some(to)
    }

    /// Counts `bytes` sent to `to`. Returns whether they used up the allowance.
    pub fn sent(&mut self, stream: &AudioStream, to: SocketAddr, bytes: usize) -> bool {
        if self.is_proven(stream, to.ip()) || self.unproven_left == 0 {
            return false;
        }
        let cost = u32::try_from(bytes).unwrap_or(u32::MAX).saturating_add(PACKET_OVERHEAD);
        self.unproven_left = self.unproven_left.saturating_sub(cost);
        self.unproven_left == 0
    }

    fn may_send(&self, stream: &AudioStream, to: SocketAddr) -> bool {
        self.unproven_left > 0 || self.is_proven(stream, to.ip())
    }

    /// Whether this host has shown that it wants our audio.
    fn is_proven(&self, stream: &AudioStream, host: IpAddr) -> bool {
        let heard = [stream.party, self.answered, self.learned.map(|at| at.ip())];
        heard.into_iter().flatten().any(|known| same_host(known, host))
    }

    fn take(&mut self, stream: &AudioStream, stands: Standing, lock: (SocketAddr, u32), now: Timestamp) {
        let from = lock.0;
        let fresh = self.lock.is_none_or(|(address, _)| address != from);
        (self.lock, self.last_packet, self.candidate) = (Some(lock), now, None);
        self.answered = Some(from.ip());
        // Packets that were under way when the description came do not show where the phone is now.
        let settled = fresh || now.since(self.described) >= SOURCE_SILENCE;
        let unnamed = |at: SocketAddr| standing(stream, at) == Standing::Unnamed;
        let leads = stands > Standing::Unnamed
            || ((is_hidden(stream, stream.remote) || self.unproven_left == 0) && self.learned.is_none_or(unnamed));
        if settled && leads {
            self.learned = Some(from);
        }
    }

    /// Counts a packet of a source on probation; returns whether it has passed.
    fn passes(
        &mut self,
        stream: &AudioStream,
        address: SocketAddr,
        (ssrc, sequence): (u32, u16),
        now: Timestamp,
    ) -> bool {
        let count = match self.candidate {
            Some(it) if (it.address, it.ssrc, it.next) == (address, ssrc, sequence) => it.count.saturating_add(1),
            // A source of lower standing does not displace one of higher standing.
            Some(it)
                if it.address != address
                    && now.since(it.at) < SOURCE_SILENCE
                    && standing(stream, it.address) > standing(stream, address) =>
            {
                return false;
            }
            _ => 1,
        };
        self.candidate = Some(Candidate { address, ssrc, next: sequence.wrapping_add(1), count, at: now });
        count >= PROBATION
    }
}

fn standing(stream: &AudioStream, from: SocketAddr) -> Standing {
    let hosts = [stream.remote.map(|at| at.ip()), stream.party];
    if stream.remote == Some(from) {
        Standing::Described
    } else if hosts.into_iter().flatten().any(|host| same_host(host, from.ip())) {
        Standing::Host
    } else {
        Standing::Unnamed
    }
}

/// Whether the phone's description or its signalling names the host of an address.
pub(super) fn is_named(stream: &AudioStream, from: SocketAddr) -> bool {
    standing(stream, from) > Standing::Unnamed
}

/// All loopback addresses count as one host.
fn same_host(one: IpAddr, other: IpAddr) -> bool {
    one == other || (one.is_loopback() && other.is_loopback())
}

/// Whether a described address is unreachable for us: a private one while the signalling comes from another host.
fn is_hidden(stream: &AudioStream, described: Option<SocketAddr>) -> bool {
    described
        .map(|at| at.ip())
        .is_some_and(|host| is_private(host) && stream.party.is_none_or(|party| !same_host(party, host)))
}

/// A described address as we can reach it: for a private one with signalling from a public one, the signalling host.
/// Among private addresses a NAT cannot be told from a gateway with two addresses; and the signalling may come by the other family, to
/// which this leg's socket cannot send.
fn reachable(stream: &AudioStream, described: SocketAddr) -> SocketAddr {
    let host = described.ip();
    match stream.party {
        Some(party)
            if party.is_ipv4() == host.is_ipv4()
                && is_hidden(stream, Some(described))
                && (!is_private(party) || host.is_loopback()) =>
        {
            SocketAddr::new(party, described.port())
        }
        _ => described,
    }
}

/// RFC 1918, RFC 6598, RFC 4193, and addresses valid only on one link or host.
fn is_private(host: IpAddr) -> bool {
    match host {
        IpAddr::V4(host) => {
            let [first, second, ..] = host.octets();
            host.is_private()
                || host.is_loopback()
                || host.is_link_local()
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(host) => host.is_loopback() || host.is_unique_local() || host.is_unicast_link_local(),
    }
}
