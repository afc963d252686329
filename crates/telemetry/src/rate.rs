//! How often a client may send: a few batches at once, then so many a minute; and how many bytes of lines come of them. Clients are told
//! apart up to a bound, in which each tenant has its share.

use std::collections::HashMap;
use std::time::Duration;

use model::{TenantId, Timestamp};

use crate::limits::{BATCHES_AT_ONCE, CLIENT_SILENCE_MAX, CLIENTS_MAX};
use crate::line_budget::{LineBudget, LineDebt, LineRoom};
use crate::shed::{Importance, QueueFill};

/// The wait that a client is told for whom there is no place.
const NO_PLACE_WAIT: Duration = Duration::from_secs(10);

/// The SHA-256 of a token: no token lies in memory longer than its request.
pub type TokenDigest = [u8; 32];

/// A client: whoever shows this token. One program may run at thousands of desks, each with a token of its own.
#[derive(Clone, Copy, Debug)]
pub struct ClientName<'a> {
    /// Its tenant.
    pub tenant: &'a TenantId,
    /// Its token.
    pub token: TokenDigest,
}

/// The allowance of every client.
#[derive(Debug)]
pub struct ClientRates {
    tenants: HashMap<TenantId, TenantClients>,
    /// How many clients all tenants have.
    clients: usize,
    /// The time after which one more batch may come.
    each: Duration,
    clients_max: usize,
}

/// The clients of a tenant, by their tokens.
#[derive(Debug, Default)]
struct TenantClients {
    clients: HashMap<TokenDigest, ClientAllowance>,
    lines: LineDebt,
}

#[derive(Clone, Copy, Debug)]
struct ClientAllowance {
    /// When a client that sent nothing more would have its whole allowance again.
    full_at: Timestamp,
    seen: Timestamp,
    lines: LineDebt,
}

/// Why a batch is not taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateRefusal {
    /// The client sends too often.
    TooOften(Duration),
    /// There are too many clients, or too many of its tenant.
    TooManyClients(Duration),
}

impl ClientRates {
    /// Allowances of so many batches a minute.
    pub fn per_minute(batches: u32) -> Self {
        let each = Duration::from_secs(60) / batches.max(1);
        Self { tenants: HashMap::new(), clients: 0, each, clients_max: CLIENTS_MAX }
    }

    /// A client sends a batch.
    ///
    /// # Errors
    /// How long the client is to wait.
    pub fn take(&mut self, client: ClientName<'_>, now: Timestamp) -> Result<(), RateRefusal> {
        if !self.knows(client) {
            if !self.has_place(client.tenant) {
                self.forget_silent(now);
                if !self.has_place(client.tenant) {
                    return Err(RateRefusal::TooManyClients(NO_PLACE_WAIT));
                }
            }
            self.clients += 1;
        }
        let clients = &mut self.tenants.entry(client.tenant.clone()).or_default().clients;
        let fresh = ClientAllowance { full_at: now, seen: now, lines: LineDebt::default() };
        let allowance = clients.entry(client.token).or_insert(fresh);
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

    /// What of lines a client may cause now.
    pub fn line_room(&self, client: ClientName<'_>, now: Timestamp) -> LineRoom {
        let tenant = self.tenants.get(client.tenant);
        let own = tenant.and_then(|tenant| tenant.clients.get(&client.token)).map(|client| client.lines);
        LineRoom::of(own.unwrap_or_default(), tenant.map(|tenant| tenant.lines).unwrap_or_default(), now)
    }

    /// A batch of a client has become lines of so many bytes.
    pub fn charge_lines(&mut self, client: ClientName<'_>, bytes: usize, now: Timestamp) {
        let Some(tenant) = self.tenants.get_mut(client.tenant) else { return };
        LineBudget::OF_TENANT.charge(&mut tenant.lines, bytes, now);
        if let Some(own) = tenant.clients.get_mut(&client.token) {
            LineBudget::OF_CLIENT.charge(&mut own.lines, bytes, now);
        }
    }

    /// Forgets the clients that are gone; returns how many there are.
    pub fn forget_silent(&mut self, now: Timestamp) -> usize {
        for tenant in self.tenants.values_mut() {
            tenant.clients.retain(|_, client| client.is_there(now));
        }
        self.tenants.retain(|_, tenant| !tenant.clients.is_empty() || !tenant.lines.is_paid(now));
        self.clients = self.tenants.values().map(|tenant| tenant.clients.len()).sum();
        self.clients
    }

    fn knows(&self, client: ClientName<'_>) -> bool {
        self.tenants.get(client.tenant).is_some_and(|tenant| tenant.clients.contains_key(&client.token))
    }

    /// Whether one more client of a tenant is told apart: a tenant has three quarters of the places that nobody else uses.
    fn has_place(&self, tenant: &TenantId) -> bool {
        let own = self.tenants.get(tenant).map_or(0, |tenant| tenant.clients.len());
        QueueFill { own, waiting: self.clients, room: self.clients_max }.takes(Importance::Grave, 1)
    }
}

impl ClientAllowance {
    /// Whether it must be remembered: its client was here a moment ago, or has not its whole allowance yet.
    fn is_there(&self, now: Timestamp) -> bool {
        now.since(self.seen) < CLIENT_SILENCE_MAX || self.full_at > now || !self.lines.is_paid(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::{CLIENT_LINES_ROOM, TENANT_LINES_ROOM};

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000_000 + millis)
    }

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    /// The digest of a token of that name.
    fn token(name: &str) -> TokenDigest {
        let mut digest = [0; 32];
        digest[..name.len()].copy_from_slice(name.as_bytes());
        digest
    }

    /// Clients of one tenant.
    fn rates_of_one(batches: u32) -> (ClientRates, TenantId) {
        (ClientRates::per_minute(batches), tenant("acme"))
    }

    #[test]
    fn a_client_sends_some_at_once_and_then_waits() {
        let (mut rates, acme) = rates_of_one(60);
        let ann = ClientName { tenant: &acme, token: token("ann") };
        for _ in 0..BATCHES_AT_ONCE {
            assert_eq!(rates.take(ann, at(0)), Ok(()));
        }
        assert_eq!(rates.take(ann, at(400)), Err(RateRefusal::TooOften(Duration::from_millis(600))));
        let (bob, other) = (ClientName { token: token("bob"), ..ann }, tenant("other"));
        assert_eq!(rates.take(bob, at(400)), Ok(()), "others are not touched");
        assert_eq!(
            rates.take(ClientName { tenant: &other, ..ann }, at(400)),
            Ok(()),
            "nor who has such a token elsewhere"
        );
        assert_eq!(rates.take(ann, at(1_000)), Ok(()));
    }

    #[test]
    fn a_client_more_than_there_is_place_for_waits_until_others_are_gone() {
        let (mut rates, acme) = rates_of_one(60);
        rates.clients_max = 4;
        let mut take = |name, millis| rates.take(ClientName { tenant: &acme, token: token(name) }, at(millis));
        assert_eq!((take("a", 0), take("b", 50_000), take("c", 50_000)), (Ok(()), Ok(()), Ok(())));
        assert!(matches!(take("d", 59_000), Err(RateRefusal::TooManyClients(_))));
        assert_eq!(take("d", 61_000), Ok(()));
        assert_eq!(rates.forget_silent(at(61_000)), 3);
        assert_eq!(rates.forget_silent(at(200_000)), 0);
        assert!(rates.tenants.is_empty());
    }

    #[test]
    fn a_tenant_with_ever_new_tokens_takes_no_place_from_others() {
        let (mut rates, greedy) = rates_of_one(60);
        rates.clients_max = 100;
        let mut take = |tenant: &TenantId, name: &str| rates.take(ClientName { tenant, token: token(name) }, at(0));
        let taken = (0_u32..200).filter(|number| take(&greedy, &number.to_string()).is_ok());
        assert_eq!(taken.count(), 75);
        let other = tenant("other");
        for name in ["a", "b", "c"] {
            assert_eq!(take(&other, name), Ok(()));
        }
    }

    #[test]
    fn the_lines_of_a_client_are_its_own_and_its_tenants() {
        let (mut rates, acme) = rates_of_one(60);
        let (ann, bob) =
            (ClientName { tenant: &acme, token: token("ann") }, ClientName { tenant: &acme, token: token("bob") });
        assert_eq!((rates.take(ann, at(0)), rates.take(bob, at(0))), (Ok(()), Ok(())));
        let takes = |rates: &ClientRates, client: ClientName<'_>, millis| {
            rates.line_room(client, at(millis)).takes(Importance::Grave, 1 << 20)
        };
        rates.charge_lines(ann, CLIENT_LINES_ROOM, at(0));
        assert!(!takes(&rates, ann, 0) && takes(&rates, bob, 0));
        assert_eq!(rates.forget_silent(at(61_000)), 1, "who owes is not forgotten");
        assert!(takes(&rates, bob, 61_000));
        rates.charge_lines(ann, TENANT_LINES_ROOM, at(61_000));
        assert!(!takes(&rates, bob, 61_000), "the tenant owes too much");
    }

    #[test]
    fn ten_thousand_clients_of_a_tenant_that_send_each_ten_seconds_meet_no_budget() {
        const BATCH_LINES_BYTES: usize = 10 * 2_048;
        let (mut rates, acme) = rates_of_one(60);
        let tokens: Vec<TokenDigest> = (0..10_000_u32).map(|number| token(&number.to_string())).collect();
        for round in 0..3_u64 {
            for (token, place) in tokens.iter().zip(0_u64..) {
                let (client, now) = (ClientName { tenant: &acme, token: *token }, at(round * 10_000 + place));
                assert_eq!(rates.take(client, now), Ok(()));
                assert!(rates.line_room(client, now).takes(Importance::Detail, BATCH_LINES_BYTES), "{round} {place}");
                rates.charge_lines(client, BATCH_LINES_BYTES, now);
            }
        }
    }

    proptest! {
        #[test]
        fn no_client_sends_more_than_its_rate(gaps in proptest::collection::vec(0_u64..3_000, 1..300)) {
            let (mut rates, acme) = rates_of_one(60);
            let ann = ClientName { tenant: &acme, token: token("ann") };
            let (mut now, mut taken) = (0, 0_u64);
            for gap in gaps {
                now += gap;
                taken += u64::from(rates.take(ann, at(now)).is_ok());
            }
            prop_assert!(taken <= u64::from(BATCHES_AT_ONCE) + now / 1_000 + 1);
        }
    }
}
