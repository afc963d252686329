//! Refresh tokens: each is good for once and gives the next (RFC 9700 section 4.14.2). All that came of one sign-in are a family; a
//! token that is shown again after its time ends the family, since either its thief or its owner shows it.

use std::time::Duration;

use model::Timestamp;

use super::SIGN_IN_LIFE;
use crate::secret::Digest;

/// How long a token may be shown again after it was exchanged: its answer may have been lost, or two tabs have shown it at a time.
pub const GRACE: Duration = Duration::from_secs(10);

/// Superseded tokens that are remembered for their grace; with more of them the oldest loses it.
pub const SUPERSEDED_MAX: usize = 4;

/// All refresh tokens of one sign-in, as they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// The client that it belongs to.
    pub client: String,
    /// The person: the user name.
    pub user: String,
    /// The digest of the hash of the person's password at the sign-in: with another one, the family ends.
    pub credential: Digest,
    /// The granted scope, blanks between.
    pub scope: String,
    /// The id of the sign-in: `sid` of all its tokens.
    pub sign_in: String,
    /// The browser's session that it came from; none for a password that a program showed.
    pub session: Option<String>,
    /// When the person showed the password.
    pub authenticated_at: Timestamp,
    /// Whether the person showed a second factor too.
    pub by_two_factors: bool,
    /// Whether a provider or a passkey has said who the person is, in the place of the password.
    pub by_provider_or_passkey: bool,
    /// How the client calls itself: `aud` of what it is told; empty in records of before.
    pub audience: String,
    /// The end of the family, however often its tokens are exchanged: [`SIGN_IN_LIFE`] after it began.
    pub ends_at: Timestamp,
    /// The token that is good now.
    pub current: Digest,
    /// Until when that one may be exchanged.
    pub until: Timestamp,
    /// Those before it, while they have their grace.
    pub superseded: Vec<Superseded>,
}

/// A token that was exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// Its digest.
    pub digest: Digest,
    /// When.
    pub at: Timestamp,
}

/// What comes of a token that is shown.
#[allow(clippy::large_enum_variant, reason = "there is one in a request: a box would only cost an allocation")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// It is exchanged: this is the family with the next one.
    Exchanged(Family),
    /// It was exchanged before, or never was of this family: the family ends.
    Reused,
    /// It, or its family, is too old.
    Expired,
    /// It belongs to another client.
    OtherClient,
}

impl Family {
    /// When the sign-in at the client began: its person may have been authenticated long before.
    pub fn begun_at(&self) -> Timestamp {
        self.ends_at - SIGN_IN_LIFE
    }

    /// Exchanges a token for the next, which is good for `life`.
    pub fn exchange(
        &self,
        client: &str,
        shown: Digest,
        next: Digest,
        now: Timestamp,
        life: Duration,
    ) -> RefreshOutcome {
        if self.client != client {
            return RefreshOutcome::OtherClient;
        }
        if now >= self.ends_at || now >= self.until {
            return RefreshOutcome::Expired;
        }
        let mut superseded = self.superseded.clone();
        superseded.retain(|old| now.since(old.at) <= GRACE);
        let is_known = shown == self.current || superseded.iter().any(|old| old.digest == shown);
        if !is_known {
            return RefreshOutcome::Reused;
        }
        if superseded.len() >= SUPERSEDED_MAX {
            superseded.remove(0);
        }
        // Whichever was shown, the one that was good is no longer: of two who show tokens, one shows an old one in the end.
        superseded.push(Superseded { digest: self.current, at: now });
        let until = (now + life).min(self.ends_at);
        RefreshOutcome::Exchanged(Self { current: next, until, superseded, ..self.clone() })
    }

    /// Whether that token could be exchanged now: for introspection.
    pub fn is_good(&self, shown: Digest, now: Timestamp) -> bool {
        shown == self.current && now < self.until && now < self.ends_at
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIFE: Duration = Duration::from_secs(3_600);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn token(number: usize) -> Digest {
        Digest::of(&format!("token {number}"))
    }

    fn family() -> Family {
        Family {
            client: "app".to_owned(),
            user: "ann".to_owned(),
            credential: Digest::of("hash"),
            scope: "openid".to_owned(),
            sign_in: "i".to_owned(),
            session: None,
            authenticated_at: at(0),
            by_two_factors: false,
            by_provider_or_passkey: false,
            audience: "app".to_owned(),
            ends_at: at(100_000),
            current: token(0),
            until: at(3_600),
            superseded: Vec::new(),
        }
    }

    fn exchanged(family: &Family, shown: usize, next: usize, now: u64) -> Family {
        match family.exchange("app", token(shown), token(next), at(now), LIFE) {
            RefreshOutcome::Exchanged(family) => family,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_gives_the_next_and_only_within_its_grace_another() {
        let family = exchanged(&family(), 0, 1, 100);
        assert!(family.is_good(token(1), at(101)) && !family.is_good(token(0), at(101)));
        let again = exchanged(&family, 0, 2, 105);
        assert!(again.is_good(token(2), at(106)), "the answer was lost");
        assert_eq!(family.exchange("app", token(0), token(2), at(111), LIFE), RefreshOutcome::Reused);
        assert_eq!(family.exchange("app", token(7), token(2), at(101), LIFE), RefreshOutcome::Reused);
    }

    #[test]
    fn of_an_owner_and_a_thief_one_ends_the_family() {
        let stolen = exchanged(&family(), 0, 1, 100);
        let both = exchanged(&stolen, 0, 2, 101);
        let thiefs = exchanged(&both, 2, 3, 200);
        assert_eq!(thiefs.exchange("app", token(1), token(4), at(201), LIFE), RefreshOutcome::Reused);
    }

    #[test]
    fn a_family_ends_with_its_time_and_serves_no_other_client() {
        assert_eq!(family().exchange("app", token(0), token(1), at(3_600), LIFE), RefreshOutcome::Expired);
        assert_eq!(family().exchange("other", token(0), token(1), at(1), LIFE), RefreshOutcome::OtherClient);
        let late = Family { until: at(100_000), ..family() };
        assert_eq!(exchanged(&late, 0, 1, 99_990).until, at(100_000));
        assert_eq!(late.exchange("app", token(0), token(1), at(100_000), LIFE), RefreshOutcome::Expired);
    }

    proptest! {
        /// Whatever is shown when: a token that was exchanged longer ago than the grace never gives another, and exactly one is good.
        #[test]
        fn no_old_token_is_ever_exchanged(steps in proptest::collection::vec((0_usize..12, 0_u64..15), 1..40)) {
            let (mut family, mut now, mut exchanged_at) = (family(), 0, std::collections::HashMap::new());
            for (next, (back, pause)) in (1_usize..).zip(steps) {
                now += pause;
                let shown = next.saturating_sub(1 + back);
                let outcome = family.exchange("app", token(shown), token(next), at(now), LIFE);
                let RefreshOutcome::Exchanged(after) = outcome else { break };
                if let Some(before) = exchanged_at.get(&shown) {
                    prop_assert!(now - before <= GRACE.as_secs(), "token {} of {} at {}", shown, before, now);
                }
                exchanged_at.entry(next - 1).or_insert(now);
                prop_assert!(after.superseded.len() <= SUPERSEDED_MAX);
                let good: Vec<usize> = (0..=next).filter(|n| after.is_good(token(*n), at(now))).collect();
                prop_assert_eq!(good, vec![next]);
                family = after;
            }
        }
    }
}
