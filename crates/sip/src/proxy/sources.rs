//! The rate limit of one source: requests a second.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use model::Timestamp;

use super::generations::Generations;
use super::settings::Limits;

/// The treatment of a request, by its source alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RateVerdict {
    /// It is processed.
    Admitted,
    /// The rate is exceeded: refused with 503.
    Refused,
    /// The rate is far exceeded: dropped, since answering a flood is a flood.
    Dropped,
}

/// The rate that applies to a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rate {
    /// Anybody's.
    Anybody,
    /// A trunk's.
    Trunk,
}

/// The rates of all sources; those silent longest are forgotten ([`Limits::sources`]).
#[derive(Debug)]
pub struct Sources {
    limits: Limits,
    // Evicts without a search, so that a flood from very many addresses costs the same per packet.
    known: Generations<IpAddr, Source>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Source {
    // When the source's allowance is full again (the virtual scheduling form of a token bucket).
    requests_full: Timestamp,
    refusals_full: Timestamp,
}

// A source may use one second of its rate in advance.
const BURST: Duration = Duration::from_secs(1);
// Refusals sent to a source each second before it is ignored.
const REFUSALS_PER_S: u32 = 10;

impl Sources {
    /// Without any source.
    pub fn new(limits: Limits) -> Self {
        Self { limits, known: Generations::new(limits.sources) }
    }

    /// Counts a request.
    pub fn admit(&mut self, source: IpAddr, rate: Rate, now: Timestamp) -> RateVerdict {
        let per_s = match rate {
            Rate::Anybody => self.limits.source_requests_per_s,
            Rate::Trunk => self.limits.trunk_requests_per_s,
        };
        let source = self.known.entry(block(source));
        if take(&mut source.requests_full, per_s, now) {
            RateVerdict::Admitted
        } else if take(&mut source.refusals_full, REFUSALS_PER_S, now) {
            RateVerdict::Refused
        } else {
            RateVerdict::Dropped
        }
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

pub(super) fn take(full: &mut Timestamp, per_s: u32, now: Timestamp) -> bool {
    let next = (*full).max(now) + Duration::from_secs(1) / per_s.max(1);
    if next > now + BURST {
        return false;
    }
    *full = next;
    true
}

/// The unit that counts as a source: an IPv6 peer has a /64 to itself. An IPv4 address is the same in either notation;
/// otherwise all IPv4 peers of a dual-stack listener would be one source.
pub fn block(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests;
