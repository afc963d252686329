//! Where the phone's packets come from and where ours go.
//!
//! A source is *named* where the phone's description or its signalling says so: by address and port, or by the host
//! alone, as behind a NAT. A named source is taken at once where nobody is heard. Another one, and one that is to take
//! the place of the source that is heard, is on probation first: [`PROBATION`] consecutive packets, while the source
//! that is heard is silent. A new description does not open a stream that flows.
//!
//! To a host that did not do the signalling and was never heard goes [`UNPROVEN_BYTES_MAX`], and no more before
//! something comes from there: nobody can have us send to a third.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use model::Timestamp;

use crate::sdp::AudioStream;

/// Consecutive packets that a source on probation has to send: 100 ms of audio, more than a stray packet or two and
/// hardly heard where it happens (RFC 3550 §A.1 asks for two).
const PROBATION: u8 = 5;
/// So long has to be silent what is heard, before another source of its standing may come on probation; and so long is
/// waited after a description for the source that it names.
const SOURCE_SILENCE: Duration = Duration::from_millis(500);
/// So long has to be silent a source that was named, before one that nobody has named may: phones that send nothing
/// while nobody speaks are silent for seconds.
const NAMED_SILENCE: Duration = Duration::from_secs(2);
/// Silence after which the same address may go on under another SSRC: devices that restart their stream do so without
/// a new description.
const SSRC_CHANGE_SILENCE: Duration = Duration::from_millis(200);
/// What a leg sends in its life to hosts that have not shown that they want it: 10 s of G.711 in packets of 20 ms. A
/// phone that is called says something or reports within 5 s (RFC 3550 §6.2), and one that only listens has done the
/// signalling from the same host.
pub const UNPROVEN_BYTES_MAX: u32 = 100_000;
/// What IP and UDP add to a packet: many small ones are no way around the limit.
const PACKET_OVERHEAD: u32 = 28;

/// Who is heard, and who is sent to: as plain data, and its own snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    /// Where ours goes, once the phone was heard.
    pub learned: Option<SocketAddr>,
    /// Where our reports go, once the phone has sent one.
    pub learned_rtcp: Option<SocketAddr>,
    /// Address and SSRC that are heard.
    pub lock: Option<(SocketAddr, u32)>,
    /// When it was heard last.
    pub last_packet: Timestamp,
    /// When the description came into force.
    pub described: Timestamp,
    /// Who is on probation.
    pub candidate: Option<Candidate>,
    /// The host that was heard last.
    pub answered: Option<IpAddr>,
    /// What may still go to hosts that have not been heard, in bytes.
    pub unproven_left: u32,
}

/// A source on probation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Its address.
    pub address: SocketAddr,
    /// Its SSRC.
    pub ssrc: u32,
    /// The sequence number that would be consecutive.
    pub next: u16,
    /// How many have been.
    pub count: u8,
    /// When the last one came.
    pub at: Timestamp,
}

/// How an address stands to what the phone has said of itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Standing {
    /// Nobody has named it.
    Unnamed,
    /// Another port of a host that the description or the signalling names.
    Host,
    /// What the description says.
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
    /// Another description is in force.
    pub fn negotiate(&mut self, before: Option<&AudioStream>, stream: &AudioStream, now: Timestamp) {
        if now.since(self.last_packet) >= SOURCE_SILENCE {
            self.lock = None;
        }
        (self.described, self.candidate) = (now, None);
        // An unspecified address is a hold, and says nothing of where the phone is.
        let same = stream.remote.is_none() || before.is_some_and(|before| before.remote == stream.remote);
        // Behind a NAT the described address cannot be reached: what was learned is still the best that is known.
        let hidden = is_hidden(stream) && self.learned.is_some_and(|at| standing(stream, at) > Standing::Unnamed);
        if !same && !hidden {
            (self.learned, self.learned_rtcp) = (None, None);
        }
    }

    /// As it goes on from a snapshot: nothing has been heard after now.
    pub fn restored(self, now: Timestamp) -> Self {
        Self { last_packet: self.last_packet.min(now), described: self.described.min(now), ..self }
    }

    /// Whether a packet of the phone's kind is to be taken from there.
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

    /// Whether a report is to be heeded; `proves` says that it names our own stream, which only who hears it knows.
    pub fn admits_report(&mut self, stream: &AudioStream, from: SocketAddr, (ssrc, proves): (u32, bool)) -> bool {
        let known = match self.lock {
            Some((address, locked)) if same_host(address.ip(), from.ip()) => {
                let place =
                    if stream.rtcp_mux { from == address } else { self.learned_rtcp.is_none_or(|at| at == from) };
                place && (ssrc == locked || proves)
            }
            // It only listens: nothing but its report says that it does.
            _ => proves && standing(stream, from) > Standing::Unnamed,
        };
        if known {
            // A carrier may hear at one host and speak from another: who reports our stream hears it where it goes.
            let hears = stream.remote.filter(|_| proves && self.learned.is_none()).map(|at| reachable(stream, at));
            self.answered = Some(hears.unwrap_or(from).ip());
            if !stream.rtcp_mux {
                self.learned_rtcp = Some(from);
            }
        }
        known
    }

    /// Comfort noise came from there (RFC 3389): it is not played, but shows, as audio would, that somebody there is in the call. A
    /// carrier whose caller says nothing sends nothing else.
    pub fn hears_noise(&mut self, stream: &AudioStream, from: SocketAddr) {
        if standing(stream, from) > Standing::Unnamed {
            self.answered = Some(from.ip());
        }
    }

    /// Where our audio goes; nowhere while nothing may.
    pub fn destination(&self, stream: &AudioStream) -> Option<SocketAddr> {
        let described = stream.remote?;
        let to = self.learned.unwrap_or_else(|| reachable(stream, described));
        self.may_send(stream, to).then_some(to)
    }

    /// Where our reports go: where the phone's come from, else what it described; behind a NAT, beside its audio.
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

    /// So many bytes went there. Returns whether they were the last that may.
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

    /// Whether somebody there has shown that our audio is wanted.
    fn is_proven(&self, stream: &AudioStream, host: IpAddr) -> bool {
        let heard = [stream.party, self.answered, self.learned.map(|at| at.ip())];
        heard.into_iter().flatten().any(|known| same_host(known, host))
    }

    fn take(&mut self, stream: &AudioStream, stands: Standing, lock: (SocketAddr, u32), now: Timestamp) {
        let from = lock.0;
        let fresh = self.lock.is_none_or(|(address, _)| address != from);
        (self.lock, self.last_packet, self.candidate) = (Some(lock), now, None);
        self.answered = Some(from.ip());
        // Packets that were under way when the description came say nothing of where the phone is now.
        let settled = fresh || now.since(self.described) >= SOURCE_SILENCE;
        let unnamed = |at: SocketAddr| standing(stream, at) == Standing::Unnamed;
        let leads = stands > Standing::Unnamed
            || ((is_hidden(stream) || self.unproven_left == 0) && self.learned.is_none_or(unnamed));
        if settled && leads {
            self.learned = Some(from);
        }
    }

    /// Notes a packet of a source on probation; whether it has passed.
    fn passes(
        &mut self,
        stream: &AudioStream,
        address: SocketAddr,
        (ssrc, sequence): (u32, u16),
        now: Timestamp,
    ) -> bool {
        let count = match self.candidate {
            Some(it) if (it.address, it.ssrc, it.next) == (address, ssrc, sequence) => it.count.saturating_add(1),
            // Who is named better is not thrown out by who is not.
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

/// The loopback addresses are one host.
fn same_host(one: IpAddr, other: IpAddr) -> bool {
    one == other || (one.is_loopback() && other.is_loopback())
}

/// Whether the described address cannot be the phone's for us: a private one of somebody whose signalling comes from
/// elsewhere.
fn is_hidden(stream: &AudioStream) -> bool {
    let described = stream.remote.map(|at| at.ip());
    described.is_some_and(|host| is_private(host) && stream.party.is_none_or(|party| !same_host(party, host)))
}

/// A described address as it can be reached: for a private one whose signalling comes from a public one, the host of
/// the signalling. Among private ones nobody can tell a NAT from a gateway with two addresses.
fn reachable(stream: &AudioStream, described: SocketAddr) -> SocketAddr {
    let host = described.ip();
    match stream.party {
        Some(party) if is_hidden(stream) && (!is_private(party) || host.is_loopback()) => {
            SocketAddr::new(party, described.port())
        }
        _ => described,
    }
}

/// RFC 1918, RFC 6598, RFC 4193, and what is valid on one link or host alone.
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
