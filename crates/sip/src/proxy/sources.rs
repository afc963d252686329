//! What one source may ask for: requests a second, and passwords that are wrong.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use model::Timestamp;

use super::generations::Generations;
use super::settings::Limits;

/// What becomes of a request, by its source alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Admission {
    /// It is looked at.
    Admitted,
    /// It is too much: refused with 503.
    Refused,
    /// It is far too much: dropped, since answering a flood is a flood.
    Dropped,
}

/// Whose rate holds for a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rate {
    /// Anybody's.
    Anybody,
    /// A trunk's.
    Trunk,
}

#[derive(Debug)]
pub(super) struct Sources {
    limits: Limits,
    // Forgets without a search: who comes from very many addresses makes each packet cost the same.
    known: Generations<IpAddr, Source>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Source {
    // When the source's allowance is full again (the virtual scheduling form of a token bucket).
    requests_full: Timestamp,
    refusals_full: Timestamp,
    wrong: u8,
    wrong_at: Timestamp,
    refused_until: Timestamp,
}

// A source may come one second's worth ahead of its rate.
const BURST: Duration = Duration::from_secs(1);
// Answers that a source is sent each second before it is ignored.
const REFUSALS_PER_S: u32 = 10;
// After so long without a wrong password one of them is forgotten.
const WRONG_FORGOTTEN: Duration = Duration::from_secs(60);

impl Sources {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, known: Generations::new(limits.sources) }
    }

    /// Counts a request.
    pub(super) fn admit(&mut self, source: IpAddr, rate: Rate, now: Timestamp) -> Admission {
        let per_s = match rate {
            Rate::Anybody => self.limits.source_requests_per_s,
            Rate::Trunk => self.limits.trunk_requests_per_s,
        };
        let source = self.known.entry(block(source));
        if take(&mut source.requests_full, per_s, now) {
            Admission::Admitted
        } else if take(&mut source.refusals_full, REFUSALS_PER_S, now) {
            Admission::Refused
        } else {
            Admission::Dropped
        }
    }

    /// Counts a wrong password; the wait doubles with each that is not free.
    pub(super) fn wrong_password(&mut self, source: IpAddr, now: Timestamp) {
        let (free, max) = (self.limits.wrong_passwords_free, self.limits.wrong_password_wait_max);
        let source = self.known.entry(block(source));
        source.forget_wrong(now);
        source.wrong = source.wrong.saturating_add(1);
        source.wrong_at = now;
        if source.wrong > free {
            let doubled = u32::from(source.wrong - free - 1).min(16);
            source.refused_until = now + (Duration::from_secs(1) * (1 << doubled)).min(max);
        }
    }

    /// How long passwords from that source are still refused unseen.
    pub(super) fn refused_for(&mut self, source: IpAddr, now: Timestamp) -> Option<Duration> {
        let until = self.known.get(block(source))?.refused_until;
        (until > now).then(|| until.since(now))
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

impl Source {
    fn forget_wrong(&mut self, now: Timestamp) {
        let forgotten = now.since(self.wrong_at).as_secs() / WRONG_FORGOTTEN.as_secs();
        self.wrong = self.wrong.saturating_sub(u8::try_from(forgotten).unwrap_or(u8::MAX));
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

/// An IPv6 peer has a /64 to itself, so that is what counts as a source.
pub(super) fn block(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    fn limits() -> Limits {
        Limits { source_requests_per_s: 10, sources: 4, ..Limits::default() }
    }

    #[test]
    fn a_flood_is_refused_then_dropped_and_another_source_is_served() {
        let mut sources = Sources::new(limits());
        let now = Timestamp::from_millis(1_000);
        let outcomes: Vec<_> = (0..30).map(|_| sources.admit(source(1), Rate::Anybody, now)).collect();
        assert!(outcomes[..10].iter().all(|o| *o == Admission::Admitted));
        assert!(outcomes[10..20].iter().all(|o| *o == Admission::Refused));
        assert!(outcomes[20..].iter().all(|o| *o == Admission::Dropped));
        assert_eq!(sources.admit(source(2), Rate::Anybody, now), Admission::Admitted);
        assert_eq!(sources.admit(source(1), Rate::Anybody, now + Duration::from_millis(101)), Admission::Admitted);
    }

    #[test]
    fn the_table_of_sources_does_not_grow() {
        let mut sources = Sources::new(limits());
        for n in 0..200 {
            sources.admit(source(n), Rate::Anybody, Timestamp::from_millis(u64::from(n)));
        }
        assert!((2..=4).contains(&sources.len()));
    }

    #[test]
    fn wrong_passwords_cost_more_and_more_time_and_are_forgotten() {
        let mut sources = Sources::new(limits());
        let mut now = Timestamp::from_millis(1_000);
        for _ in 0..5 {
            sources.wrong_password(source(1), now);
        }
        assert_eq!(sources.refused_for(source(1), now), None);
        for seconds in [1, 2, 4, 8] {
            sources.wrong_password(source(1), now);
            assert_eq!(sources.refused_for(source(1), now), Some(Duration::from_secs(seconds)));
            assert_eq!(sources.refused_for(source(2), now), None);
        }
        for _ in 0..20 {
            sources.wrong_password(source(1), now);
        }
        assert_eq!(sources.refused_for(source(1), now), Some(Duration::from_secs(64)));
        now = now + Duration::from_secs(3_600);
        sources.wrong_password(source(1), now);
        assert_eq!(sources.refused_for(source(1), now), None);
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let mut sources = Sources::new(Limits { source_requests_per_s: 1, ..limits() });
        let now = Timestamp::from_millis(1_000);
        assert_eq!(sources.admit("2001:db8::1".parse().unwrap(), Rate::Anybody, now), Admission::Admitted);
        assert_eq!(sources.admit("2001:db8::2".parse().unwrap(), Rate::Anybody, now), Admission::Refused);
    }
}
