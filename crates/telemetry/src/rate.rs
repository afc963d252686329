//! How often a client may send: a few batches at once, then so many a minute; and how many bytes of lines come of them. All clients of one
//! person may as much as a few desks. Clients are told apart up to a bound, in which each tenant has its share.

use std::collections::HashMap;
use std::time::Duration;

use model::{TenantId, Timestamp};

use crate::limits::{BATCHES_AT_ONCE, CLIENT_SILENCE_MAX, CLIENTS_MAX, PERSON_DESKS, PERSON_TOKENS_AT_ONCE};
use crate::line_budget::{LineBudget, LineDebt, LineRoom};
use crate::shed::{Importance, QueueFill};

/// The wait that a client is told for whom there is no place.
const NO_PLACE_WAIT: Duration = Duration::from_secs(10);

/// The SHA-256 of a token: no token lies in memory longer than its request.
pub type TokenDigest = [u8; 32];

/// A client: whoever shows this token. One program may run at thousands of desks, each with a token of its own. A person gets as many
/// tokens as they ask for, and may with all of them no more than a few desks.
#[derive(Clone, Copy, Debug)]
pub struct ClientName<'a> {
    /// Its tenant.
    pub tenant: &'a TenantId,
    /// Its token.
    pub token: TokenDigest,
    /// The person whose token it is; nobody, where it is a program's.
    pub person: Option<&'a str>,
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

/// The clients of a tenant, by their tokens, and the people whose they are.
#[derive(Debug, Default)]
struct TenantClients {
    clients: HashMap<TokenDigest, UsedAllowance>,
    people: HashMap<String, PersonAllowance>,
    lines: LineDebt,
}

/// What a client has used of its allowance, or a person with all tokens.
#[derive(Clone, Copy, Debug, Default)]
struct UsedAllowance {
    batches: Pace,
    seen: Timestamp,
    lines: LineDebt,
}

/// What a person has used.
#[derive(Clone, Copy, Debug, Default)]
struct PersonAllowance {
    all: UsedAllowance,
    /// New tokens.
    tokens: Pace,
}

/// How far somebody is ahead of what comes one by one.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// When whoever sent nothing more would have the whole allowance again.
    full_at: Timestamp,
}

/// Why a batch is not taken now, and how long its client is to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateRefusal {
    /// The client sends too often.
    TooOften(Duration),
    /// Its person does, with all tokens, or by too many new ones.
    PersonTooOften(Duration),
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
        let is_new = !self.knows(client);
        let person = client.person.map(|name| self.person(client.tenant, name).with_batch(self.each, is_new, now));
        let person = person.transpose()?;
        if is_new {
            if !self.has_place(client.tenant) {
                self.forget_silent(now);
                if !self.has_place(client.tenant) {
                    return Err(RateRefusal::TooManyClients(NO_PLACE_WAIT));
                }
            }
            self.clients += 1;
        }
        let tenant = self.tenants.entry(client.tenant.clone()).or_default();
        let own = tenant.clients.entry(client.token).or_default();
        own.seen = now;
        own.batches = own.batches.with_one(self.each, BATCHES_AT_ONCE, now).map_err(RateRefusal::TooOften)?;
        if let Some((name, person)) = client.person.zip(person) {
            tenant.people.insert(name.to_owned(), person);
        }
        Ok(())
    }

    /// What of lines a client may cause now.
    pub fn line_room(&self, client: ClientName<'_>, now: Timestamp) -> LineRoom {
        let tenant = self.tenants.get(client.tenant);
        let own = tenant.and_then(|tenant| tenant.clients.get(&client.token)).map(|own| own.lines);
        let person = client.person.map(|name| self.person(client.tenant, name).all.lines);
        let [own, person, tenant] = [own, person, tenant.map(|tenant| tenant.lines)].map(Option::unwrap_or_default);
        LineRoom::of(own, person, tenant, now)
    }

    /// A batch of a client has become lines of so many bytes.
    pub fn charge_lines(&mut self, client: ClientName<'_>, bytes: usize, now: Timestamp) {
        let Some(tenant) = self.tenants.get_mut(client.tenant) else { return };
        LineBudget::OF_TENANT.charge(&mut tenant.lines, bytes, now);
        if let Some(own) = tenant.clients.get_mut(&client.token) {
            LineBudget::OF_CLIENT.charge(&mut own.lines, bytes, now);
        }
        if let Some(name) = client.person
            && let Some(person) = tenant.people.get_mut(name)
        {
            LineBudget::OF_PERSON.charge(&mut person.all.lines, bytes, now);
        }
    }

    /// Forgets the clients that are gone; returns how many there are.
    pub fn forget_silent(&mut self, now: Timestamp) -> usize {
        for tenant in self.tenants.values_mut() {
            tenant.clients.retain(|_, client| client.is_there(now));
            // The new tokens of whoever was silent for so long are allowed again.
            tenant.people.retain(|_, person| person.all.is_there(now));
        }
        self.tenants.retain(|_, tenant| tenant.places() > 0 || !tenant.lines.is_paid(now));
        self.clients = self.tenants.values().map(|tenant| tenant.clients.len()).sum();
        self.clients
    }

    fn knows(&self, client: ClientName<'_>) -> bool {
        self.tenants.get(client.tenant).is_some_and(|tenant| tenant.clients.contains_key(&client.token))
    }

    /// What a person has used so far.
    fn person(&self, tenant: &TenantId, name: &str) -> PersonAllowance {
        self.tenants.get(tenant).and_then(|tenant| tenant.people.get(name)).copied().unwrap_or_default()
    }

    /// Whether one more client of a tenant is told apart: a tenant has three quarters of the places that nobody else uses.
    fn has_place(&self, tenant: &TenantId) -> bool {
        let own = self.tenants.get(tenant).map_or(0, TenantClients::places);
        QueueFill { own, waiting: self.clients, room: self.clients_max }.takes(Importance::Grave, 1)
    }
}

impl TenantClients {
    /// The places that it takes: of its clients, or of its people, of whom some are remembered for longer.
    fn places(&self) -> usize {
        self.clients.len().max(self.people.len())
    }
}

impl UsedAllowance {
    /// Whether it must be remembered: its client was here a moment ago, or has not its whole allowance yet.
    fn is_there(&self, now: Timestamp) -> bool {
        now.since(self.seen) < CLIENT_SILENCE_MAX || self.batches.full_at > now || !self.lines.is_paid(now)
    }
}

impl PersonAllowance {
    /// With one more batch, by a token that is new or not.
    fn with_batch(mut self, each: Duration, is_new: bool, now: Timestamp) -> Result<Self, RateRefusal> {
        let batches = self.all.batches.with_one(each / PERSON_DESKS, BATCHES_AT_ONCE * PERSON_DESKS, now);
        self.all.batches = batches.map_err(RateRefusal::PersonTooOften)?;
        if is_new {
            let tokens = self.tokens.with_one(CLIENT_SILENCE_MAX / PERSON_TOKENS_AT_ONCE, PERSON_TOKENS_AT_ONCE, now);
            self.tokens = tokens.map_err(RateRefusal::PersonTooOften)?;
        }
        self.all.seen = now;
        Ok(self)
    }
}

impl Pace {
    /// With one more, where one may come after each such time, and so many may come at once; or the wait until it may.
    fn with_one(self, each: Duration, at_once: u32, now: Timestamp) -> Result<Self, Duration> {
        let full_at = self.full_at.max(now) + each;
        let (ahead, ahead_max) = (full_at.since(now), each * at_once);
        if ahead > ahead_max {
            return Err(ahead - ahead_max);
        }
        Ok(Self { full_at })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::{CLIENT_LINES_ROOM, PERSON_LINES_ROOM, TENANT_LINES_ROOM};

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

    /// A program by its token.
    fn program<'a>(tenant: &'a TenantId, name: &str) -> ClientName<'a> {
        ClientName { tenant, token: token(name), person: None }
    }

    /// Clients of one tenant.
    fn rates_of_one(batches: u32) -> (ClientRates, TenantId) {
        (ClientRates::per_minute(batches), tenant("acme"))
    }

    #[test]
    fn a_client_sends_some_at_once_and_then_waits() {
        let (mut rates, acme) = rates_of_one(60);
        let ann = program(&acme, "ann");
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
        let mut take = |name, millis| rates.take(program(&acme, name), at(millis));
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
        let mut take = |tenant: &TenantId, name: &str| rates.take(program(tenant, name), at(0));
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
        let (ann, bob) = (program(&acme, "ann"), program(&acme, "bob"));
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
    fn a_person_with_ever_new_tokens_may_no_more_than_a_few_desks() {
        let (mut rates, acme) = rates_of_one(60);
        let mut take = |person, number: u32| {
            let client = ClientName { tenant: &acme, token: token(&number.to_string()), person };
            rates.take(client, at(0))
        };
        let ann = Some("ann");
        let of_new = (0..200).filter(|number| take(ann, *number).is_ok()).count();
        assert_eq!(of_new, PERSON_TOKENS_AT_ONCE as usize);
        assert_eq!(take(ann, 200), Err(RateRefusal::PersonTooOften(CLIENT_SILENCE_MAX / PERSON_TOKENS_AT_ONCE)));
        let of_known = (0..PERSON_TOKENS_AT_ONCE).filter(|number| take(ann, *number).is_ok()).count();
        assert_eq!(of_new + of_known, (PERSON_DESKS * BATCHES_AT_ONCE) as usize);
        assert_eq!(take(ann, 0), Err(RateRefusal::PersonTooOften(Duration::from_millis(125))));
        assert_eq!(take(Some("bob"), 300), Ok(()), "colleagues are not touched");
        assert!((1_000..1_200).all(|number| take(None, number).is_ok()), "nor are the desks of a program");
        assert_eq!(rates.forget_silent(at(59_000)), of_new + 1 + 200);
        assert_eq!(rates.forget_silent(at(61_000)), 0);
        assert!(rates.tenants.is_empty());
    }

    #[test]
    fn the_lines_of_a_person_are_those_of_all_tokens() {
        let (mut rates, acme) = rates_of_one(60);
        let of = |name, person| ClientName { tenant: &acme, token: token(name), person };
        let (first, second) = (of("first", Some("ann")), of("second", Some("ann")));
        let others = [of("third", Some("bob")), of("fourth", None)];
        for client in [first, second].into_iter().chain(others) {
            assert_eq!(rates.take(client, at(0)), Ok(()));
        }
        rates.charge_lines(first, PERSON_LINES_ROOM, at(0));
        let takes = |client| rates.line_room(client, at(0)).takes(Importance::Grave, 1 << 20);
        assert!(!takes(second) && others.into_iter().all(takes));
    }

    #[test]
    fn ten_thousand_clients_of_a_tenant_that_send_each_ten_seconds_meet_no_budget() {
        const BATCH_LINES_BYTES: usize = 10 * 2_048;
        let (mut rates, acme) = rates_of_one(60);
        let tokens: Vec<TokenDigest> = (0..10_000_u32).map(|number| token(&number.to_string())).collect();
        for round in 0..3_u64 {
            for (token, place) in tokens.iter().zip(0_u64..) {
                let client = ClientName { tenant: &acme, token: *token, person: None };
                let now = at(round * 10_000 + place);
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
            let ann = program(&acme, "ann");
            let (mut now, mut taken) = (0, 0_u64);
            for gap in gaps {
                now += gap;
                taken += u64::from(rates.take(ann, at(now)).is_ok());
            }
            prop_assert!(taken <= u64::from(BATCHES_AT_ONCE) + now / 1_000 + 1);
        }

        #[test]
        fn no_person_sends_more_than_a_few_desks(steps in proptest::collection::vec((0_u64..500, 0_u32..50), 1..400)) {
            let (mut rates, acme) = rates_of_one(60);
            let (mut now, mut taken) = (0, 0_u64);
            for (gap, number) in steps {
                now += gap;
                let client = ClientName { tenant: &acme, token: token(&number.to_string()), person: Some("ann") };
                taken += u64::from(rates.take(client, at(now)).is_ok());
            }
            prop_assert!(taken <= u64::from(PERSON_DESKS) * (u64::from(BATCHES_AT_ONCE) + now / 1_000 + 1));
        }
    }
}
