//! How often a client may send: a few batches at once, then so many a minute. Clients are told apart up to a bound.

use std::collections::HashMap;
use std::time::Duration;

use model::Timestamp;

use crate::limits::{BATCHES_AT_ONCE, CLIENT_SILENCE_MAX, CLIENTS_MAX};

/// The wait that a client is told for whom there is no place.
const NO_PLACE_WAIT: Duration = Duration::from_secs(10);

/// The allowance of every client. A client is a person or program, in one session.
#[derive(Debug)]
pub struct ClientRates {
    clients: HashMap<u64, ClientAllowance>,
    /// The time after which one more batch may come.
    each: Duration,
    clients_max: usize,
}

#[derive(Clone, Copy, Debug)]
struct ClientAllowance {
    /// When a client that sent nothing more would have its whole allowance again.
    full_at: Timestamp,
    seen: Timestamp,
}

/// Why a batch is not taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateRefusal {
    /// The client sends too often.
    TooOften(Duration),
    /// There are too many clients.
    TooManyClients(Duration),
}

impl RateRefusal {
    /// After which time it is worth another try.
    pub const fn wait(self) -> Duration {
        match self {
            Self::TooOften(wait) | Self::TooManyClients(wait) => wait,
        }
    }
}

impl ClientRates {
    /// Allowances of so many batches a minute.
    pub fn per_minute(batches: u32) -> Self {
        Self { clients: HashMap::new(), each: Duration::from_secs(60) / batches.max(1), clients_max: CLIENTS_MAX }
    }

    /// A client sends a batch. Clients are known by a hash: two of one hash share an allowance.
    ///
    /// # Errors
    /// How long the client is to wait.
    pub fn take(&mut self, client: u64, now: Timestamp) -> Result<(), RateRefusal> {
        if !self.clients.contains_key(&client) && self.clients.len() >= self.clients_max {
            self.forget_silent(now);
            if self.clients.len() >= self.clients_max {
                return Err(RateRefusal::TooManyClients(NO_PLACE_WAIT));
            }
        }
        let allowance = self.clients.entry(client).or_insert(ClientAllowance { full_at: now, seen: now });
        allowance.seen = now;
        let full_at = allowance.full_at.max(now) + self.each;
        let ahead = full_at.since(now);
        let ahead_max = self.each * BATCHES_AT_ONCE;
        if ahead > ahead_max {
            return Err(RateRefusal::TooOften(ahead - ahead_max));
        }
        allowance.full_at = full_at;
        Ok(())
    }

    /// Forgets the clients that are gone; returns how many there are.
    pub fn forget_silent(&mut self, now: Timestamp) -> usize {
        self.clients.retain(|_, client| now.since(client.seen) < CLIENT_SILENCE_MAX || client.full_at > now);
        self.clients.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000_000 + millis)
    }

    #[test]
    fn a_client_sends_some_at_once_and_then_waits() {
        let mut rates = ClientRates::per_minute(60);
        for _ in 0..BATCHES_AT_ONCE {
            assert_eq!(rates.take(1, at(0)), Ok(()));
        }
        assert_eq!(rates.take(1, at(400)), Err(RateRefusal::TooOften(Duration::from_millis(600))));
        assert_eq!(rates.take(2, at(400)), Ok(()), "others are not touched");
        assert_eq!(rates.take(1, at(1_000)), Ok(()));
    }

    #[test]
    fn a_client_more_than_there_is_place_for_waits_until_others_are_gone() {
        let mut rates = ClientRates { clients_max: 2, ..ClientRates::per_minute(60) };
        assert_eq!((rates.take(1, at(0)), rates.take(2, at(50_000))), (Ok(()), Ok(())));
        assert!(matches!(rates.take(3, at(59_000)), Err(RateRefusal::TooManyClients(_))));
        assert_eq!(rates.take(3, at(61_000)), Ok(()));
        assert_eq!(rates.forget_silent(at(61_000)), 2);
    }

    proptest! {
        #[test]
        fn no_client_sends_more_than_its_rate(gaps in proptest::collection::vec(0_u64..3_000, 1..300)) {
            let mut rates = ClientRates::per_minute(60);
            let (mut now, mut taken) = (0, 0_u64);
            for gap in gaps {
                now += gap;
                taken += u64::from(rates.take(1, at(now)).is_ok());
            }
            prop_assert!(taken <= u64::from(BATCHES_AT_ONCE) + now / 1_000 + 1);
        }
    }
}
