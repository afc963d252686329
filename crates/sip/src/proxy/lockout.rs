//! Wrong passwords: who has to wait, and who never does.
//!
//! Somebody who guesses is to be slow, wherever he sits, and nobody else is to pay for it: not the office that shares an
//! address with one misconfigured phone, and not the phone whose number is guessed elsewhere. So a wrong password is counted
//! where it was said, three times:
//!
//! - for the *number at its source*: after some that are free each costs a wait, which doubles;
//! - for the *source*: numbers that fail there at once, a budget; beyond it each further one costs the source's other numbers
//!   a wait, which is how somebody who tries a password on every number is slowed down;
//! - for the *number*, wherever it is said, slowly: somebody who has many addresses does not guess faster for it.
//!
//! A number that has proved itself lately from a source has none of these waits there. Guesses at it from the same address
//! are looked at once a second when there are too many, other than those by the flow by which it has proved itself; the rest
//! is challenged anew, not refused.
//!
//! A source is an address, without its port: a phone that starts again comes by another one. What is counted is a password
//! that was said with a nonce issued to that address ([`crate::digest::NonceSource`]), so packets with a forged one count for
//! nobody. The tables are bounded; those that strangers fill forget whoever failed longest ago, which costs them a wrong
//! password from a source or for a number of its own each time, and who has proved himself stands in a table which nobody
//! without a password can write to.

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
/// Numbers that may fail at one source at once before the others that are unknown there have to wait: in an office of a thousand
/// phones one in thirty may be misconfigured.
const FAILING_MAX: usize = 32;
/// How long a number that failed once has its place among them: who tries a password on every number of a site gets on by two
/// of them a minute.
const FAILING_FOR: Duration = Duration::from_secs(900);
/// Numbers whose wrong passwords from everywhere are remembered: those of the largest installation that was measured, three times.
const NUMBERS_MAX: usize = 65_536;
/// Wrong passwords for one number from everywhere before sources where it is unknown have to wait: more than one source alone
/// comes to, which has to wait on its own account.
const NUMBER_WRONG_MAX: u32 = 100;
/// After so long one of them is forgotten.
const NUMBER_FORGOTTEN: Duration = Duration::from_secs(36);
/// Numbers that have proved themselves; only a right password writes here.
const PROVED_MAX: usize = 65_536;
/// Sources from which one number has proved itself: a desk phone, a softphone at home and on the move, and some that have
/// changed their address since. Whoever knows a password fills the places of its number and no others.
const PROVED_SOURCES_MAX: usize = 8;
/// How long ago "lately" is: a phone that is switched off over a weekend is still known on Monday.
const PROVED_FOR: Duration = Duration::from_secs(72 * 3_600);
/// Wrong passwords for a number at a source where it has proved itself that are looked at at once.
const GUESSES_BURST: u32 = 60;
/// Beyond these one is looked at each second.
const GUESS_EVERY: Duration = Duration::from_secs(1);
/// After so long without a wrong password one of them is forgotten.
const WRONG_FORGOTTEN: Duration = Duration::from_secs(60);
/// How often a wait doubles at most, which also bounds how long a source pays for its past.
const DOUBLINGS_MAX: u8 = 16;

/// A number of a realm as the tables know it: keyed, so that nobody chooses two that are one, and short, whatever is named.
type Number = [u8; SEAL_BYTES];

/// A number at a source, and by which way it speaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Party {
    number: Number,
    source: IpAddr,
    /// None where it may be another's.
    flow: Option<Flow>,
}

impl Party {
    pub(super) fn new(seal: &Seal, realm: &str, dn: &str, source: IpAddr, flow: Option<Flow>) -> Self {
        let mut text = Vec::with_capacity(realm.len() + dn.len() + 1);
        text.extend_from_slice(realm.as_bytes());
        // In neither of them.
        text.push(0);
        text.extend_from_slice(dn.as_bytes());
        Self { number: seal.sign(Purpose::Lockout, &text), source: block(source), flow }
    }
}

/// What is done with a password before it is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Look {
    /// It is looked at.
    Now,
    /// It is asked for again: too many are being guessed where the number is known.
    Again,
    /// It is refused unseen for so long.
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

/// Where a number has proved itself.
#[derive(Clone, Copy, Debug)]
struct Proved {
    source: IpAddr,
    flow: Option<Flow>,
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

/// How often something went wrong lately, and until when it has to wait.
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

    /// Whether a password of `party` is looked at.
    pub(super) fn look(&self, party: &Party, now: Timestamp) -> Look {
        if let Some(proved) = self.proved(party, now) {
            let same_way = party.flow.is_some() && party.flow == proved.flow;
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
            // What it has failed before is forgotten, and the source with the last of its numbers.
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
            // The last is the latest.
            known.remove(0);
        }
        known.push(Proved { source: party.source, flow: party.flow, at: now, guesses_full });
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
    /// One more; the wait doubles with each that is not free.
    fn count(&mut self, free: u8, max: Duration, now: Timestamp) {
        self.wrong = (self.left(now)).saturating_add(1).min(free.saturating_add(DOUBLINGS_MAX + 1));
        self.at = now;
        if let Some(doubled) = self.wrong.checked_sub(free).and_then(|beyond| beyond.checked_sub(1)) {
            self.until = now + (Duration::from_secs(1) * (1 << doubled.min(DOUBLINGS_MAX))).min(max);
        }
    }

    /// How many are not forgotten yet.
    fn left(&self, now: Timestamp) -> u8 {
        let forgotten = now.since(self.at).as_secs() / WRONG_FORGOTTEN.as_secs();
        self.wrong.saturating_sub(u8::try_from(forgotten).unwrap_or(u8::MAX))
    }

    fn is_forgotten(&self, now: Timestamp) -> bool {
        self.left(now) == 0 && self.until <= now
    }
}

/// Takes one of an allowance of `burst`, of which one comes back `every` so long.
fn take_one(every: Duration, burst: u32, full_at: &mut Timestamp, now: Timestamp) {
    *full_at = ((*full_at).max(now) + every).min(now + every * burst);
}

/// How long until an allowance has one again.
fn wait_for_one(every: Duration, burst: u32, full_at: Timestamp, now: Timestamp) -> Duration {
    full_at.since(now + every * (burst - 1))
}

#[cfg(test)]
mod tests;
