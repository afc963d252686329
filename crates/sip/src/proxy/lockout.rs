//! Wrong passwords: which numbers have to wait, and which never do.
//!
//! An attacker must be slow from any address, and nobody else must pay for it: not the office that shares an address
//! with one misconfigured phone, and not the phone whose number is guessed elsewhere. So each wrong password is counted
//! three times:
//!
//! - for the *number at its source*: after some free ones each costs a wait, which doubles;
//! - for the *source*: a budget of numbers that fail there at once. Beyond it each further one costs the source's other
//!   numbers a wait. This slows an attacker who tries a password on every number;
//! - for the *number* from all sources, slowly: an attacker with many addresses does not guess faster.
//!
//! A number that has recently authenticated from a source never waits there. If there are too many guesses at it from
//! that address, one a second is checked, except on the flow on which it authenticated; the rest are challenged again,
//! not refused.
//!
//! A source is an address without its port, since a restarted phone uses another one. Only passwords with a nonce
//! issued to that address count ([`crate::digest::NonceSource`]), so packets with a forged address count for nobody.
//! The tables are bounded. Those that strangers can fill evict the oldest failure, which costs them one wrong password
//! from a new source or for a new number each time. Numbers that have authenticated are in a table that only a right
//! password can write to.

use std::net::IpAddr;
use std::time::Duration;

use model::Timestamp;

use super::recent::Recent;
use super::settings::Limits;
use super::sources::block;
use crate::flow::Flow;
use crate::seal::{Purpose, SEAL_BYTES, Seal};

/// Sources of wrong passwords that are remembered; with [`FAILING_MAX`] numbers each at most 12 MB.
const SOURCES_MAX: usize = 8_192;
/// Numbers that may fail at one source at once before the other numbers unknown there have to wait: in an office of a
/// thousand phones one in thirty may be misconfigured.
const FAILING_MAX: usize = 32;
/// How long a failed number keeps its place among them: an attacker who tries a password on every number of a site gets
/// two of them a minute.
const FAILING_FOR: Duration = Duration::from_secs(900);
/// Numbers whose wrong passwords from all sources are remembered: three times those of the largest measured
/// installation.
const NUMBERS_MAX: usize = 65_536;
/// Wrong passwords for one number from all sources before sources where it is unknown have to wait. One source alone
/// does not reach this, since it has to wait by its own count.
const NUMBER_WRONG_MAX: u32 = 100;
/// The time after which one of them is forgotten.
const NUMBER_FORGOTTEN: Duration = Duration::from_secs(36);
/// Numbers that have authenticated; only a right password writes here.
const PROVED_MAX: usize = 65_536;
/// Sources from which one number has authenticated: a desk phone, a softphone at home and on the move, and some former
/// addresses. Knowing a password fills the places of its own number only.
const PROVED_SOURCES_MAX: usize = 8;
/// How long an authentication counts as recent: a phone switched off over a weekend is still known on Monday.
const PROVED_FOR: Duration = Duration::from_secs(72 * 3_600);
/// Wrong passwords checked in a burst for a number at a source where it has authenticated.
const GUESSES_BURST: u32 = 60;
/// Beyond the burst, one is checked in each such interval.
const GUESS_EVERY: Duration = Duration::from_secs(1);
/// The time without a wrong password after which one of them is forgotten.
const WRONG_FORGOTTEN: Duration = Duration::from_secs(60);
/// The most doublings of a wait; this also bounds how long a source pays for its past.
const DOUBLINGS_MAX: u8 = 16;

/// A number of a realm as the tables store it: keyed, so that nobody can construct a collision, and short for any name.
type Number = [u8; SEAL_BYTES];

/// A number at a source, and the flow that it uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Party {
    number: Number,
    source: IpAddr,
    /// None if the flow may be another peer's.
    flow: Option<Flow>,
    /// Which phone it is of those that a gateway has on that flow.
    behind: Option<Number>,
}

impl Party {
    /// `name` is a phone's number, or what stands for a trunk's user.
    pub(super) fn new(seal: &Seal, realm: &str, name: &str, source: IpAddr, flow: Option<Flow>) -> Self {
        let mut text = Vec::with_capacity(realm.len() + name.len() + 1);
        text.extend_from_slice(realm.as_bytes());
        // Occurs neither in a realm nor in a number.
        text.push(0);
        text.extend_from_slice(name.as_bytes());
        Self { number: seal.sign(Purpose::Lockout, &text), source: block(source), flow, behind: None }
    }

    /// One whose flow is a gateway's, with the name that the gateway has for the phone's own way to it.
    pub(super) fn behind(self, seal: &Seal, name: &str) -> Self {
        Self { behind: Some(seal.sign(Purpose::Lockout, name.as_bytes())), ..self }
    }

    /// Whether it sends by the way on which it has authenticated.
    fn is_on_way_of(&self, proved: &Proved) -> bool {
        self.flow.is_some() && (self.flow, self.behind) == (proved.flow, proved.behind)
    }
}

/// The decision about a password before it is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    /// It is checked.
    Now,
    /// It is requested again: there are too many guesses where the number is known.
    Again,
    /// It is refused unchecked for this long.
    After(Duration),
}

#[derive(Debug)]
pub(super) struct Lockout {
    wrong_free: u8,
    wait_max: Duration,
    proved: Recent<Number, Vec<Proved>>,
    sources: Recent<IpAddr, Failing>,
    /// For each number, when its allowance of wrong passwords is full again (the virtual scheduling form of a token bucket).
    numbers: Recent<Number, Timestamp>,
}

/// A source from which a number has authenticated.
#[derive(Clone, Copy, Debug)]
struct Proved {
    source: IpAddr,
    flow: Option<Flow>,
    behind: Option<Number>,
    at: Timestamp,
    /// As [`Lockout::numbers`], for the guesses made from this source.
    guesses_full: Timestamp,
}

/// A source of wrong passwords.
#[derive(Debug, Default)]
struct Failing {
    numbers: Vec<(Number, Waits)>,
    /// For numbers beyond the budget.
    beyond: Waits,
}

/// The number of recent failures, and the end of the wait.
#[derive(Clone, Copy, Debug, Default)]
struct Waits {
    wrong: u8,
    at: Timestamp,
    until: Timestamp,
}

// === impl Lockout ===

impl Lockout {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            wrong_free: limits.wrong_passwords_free,
            wait_max: limits.wrong_password_wait_max,
            proved: Recent::new(PROVED_MAX),
            sources: Recent::new(SOURCES_MAX),
            numbers: Recent::new(NUMBERS_MAX),
        }
    }

    /// Whether a password of `party` is checked.
    pub(super) fn look(&self, party: &Party, now: Timestamp) -> Look {
        if let Some(proved) = self.proved(party, now) {
            let same_way = party.is_on_way_of(proved);
            let many = !wait_for_one(GUESS_EVERY, GUESSES_BURST, proved.guesses_full, now).is_zero();
            return if many && !same_way { Look::Again } else { Look::Now };
        }
        let here = self.sources.get(&party.source);
        let until = here.map(|here| here.waits_of(&party.number).unwrap_or(&here.beyond).until).unwrap_or_default();
        let everywhere = self.numbers.get(&party.number).copied().unwrap_or_default();
        let wait = until.since(now).max(wait_for_one(NUMBER_FORGOTTEN, NUMBER_WRONG_MAX, everywhere, now));
        if wait.is_zero() { Look::Now } else { Look::After(wait) }
    }

    /// The password of `party` was right.
    pub(super) fn proved_itself(&mut self, party: &Party, now: Timestamp) {
        if let Some(here) = self.sources.get(&party.source) {
            // Its earlier failures are forgotten, and the source with the last of its numbers.
            let alone = here.numbers.iter().all(|(number, _)| *number == party.number);
            if alone && here.beyond.is_forgotten(now) {
                self.sources.remove(&party.source);
            } else {
                self.sources.touch(party.source).numbers.retain(|(number, _)| *number != party.number);
            }
        }
        let known = self.proved.touch(party.number);
        let guesses_full = known.iter().find(|p| p.source == party.source).map(|p| p.guesses_full).unwrap_or_default();
        known.retain(|p| p.source != party.source);
        if known.len() >= PROVED_SOURCES_MAX {
            // The first is the oldest.
            known.remove(0);
        }
        let Party { source, flow, behind, .. } = *party;
        known.push(Proved { source, flow, behind, at: now, guesses_full });
    }

    /// The password of `party` was wrong.
    pub(super) fn was_wrong(&mut self, party: &Party, now: Timestamp) {
        if self.proved(party, now).is_some() {
            let here = self.proved.touch(party.number).iter_mut().find(|p| p.source == party.source);
            if let Some(here) = here {
                take_one(GUESS_EVERY, GUESSES_BURST, &mut here.guesses_full, now);
            }
            return;
        }
        take_one(NUMBER_FORGOTTEN, NUMBER_WRONG_MAX, self.numbers.touch(party.number), now);
        let (free, max) = (self.wrong_free, self.wait_max);
        let here = self.sources.touch(party.source);
        here.numbers.retain(|(_, waits)| now.since(waits.at) < FAILING_FOR || !waits.is_forgotten(now));
        if let Some((_, waits)) = here.numbers.iter_mut().find(|(number, _)| *number == party.number) {
            return waits.count(free, max, now);
        }
        if here.numbers.len() >= FAILING_MAX {
            here.beyond.count(0, max, now);
            if let Some(oldest) = (0..here.numbers.len()).min_by_key(|at| here.numbers[*at].1.at) {
                here.numbers.swap_remove(oldest);
            }
        }
        let mut waits = Waits::default();
        waits.count(free, max, now);
        here.numbers.push((party.number, waits));
    }

    fn proved(&self, party: &Party, now: Timestamp) -> Option<&Proved> {
        let known = self.proved.get(&party.number)?;
        known.iter().find(|p| p.source == party.source && now.since(p.at) <= PROVED_FOR)
    }
}

// === impl Failing ===

impl Failing {
    fn waits_of(&self, number: &Number) -> Option<&Waits> {
        self.numbers.iter().find(|(known, _)| known == number).map(|(_, waits)| waits)
    }
}

// === impl Waits ===

impl Waits {
    /// Counts one more; the wait doubles with each that is not free.
    fn count(&mut self, free: u8, max: Duration, now: Timestamp) {
        self.wrong = (self.left(now)).saturating_add(1).min(free.saturating_add(DOUBLINGS_MAX + 1));
        self.at = now;
        if let Some(doubled) = self.wrong.checked_sub(free).and_then(|beyond| beyond.checked_sub(1)) {
            self.until = now + (Duration::from_secs(1) * (1 << doubled.min(DOUBLINGS_MAX))).min(max);
        }
    }

    /// The failures that are not forgotten yet.
    fn left(&self, now: Timestamp) -> u8 {
        let forgotten = now.since(self.at).as_secs() / WRONG_FORGOTTEN.as_secs();
        self.wrong.saturating_sub(u8::try_from(forgotten).unwrap_or(u8::MAX))
    }

    fn is_forgotten(&self, now: Timestamp) -> bool {
        self.left(now) == 0 && self.until <= now
    }
}

/// Takes one from an allowance of `burst`, which regains one per `every`.
fn take_one(every: Duration, burst: u32, full_at: &mut Timestamp, now: Timestamp) {
    *full_at = ((*full_at).max(now) + every).min(now + every * burst);
}

/// The time until an allowance has one again.
fn wait_for_one(every: Duration, burst: u32, full_at: Timestamp, now: Timestamp) -> Duration {
    full_at.since(now + every * (burst - 1))
}

#[cfg(test)]
mod tests;
