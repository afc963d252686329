//! Where tries come from. Those of strangers are counted over all names and tenants, by their source and by the network that one customer
//! has (IPv6): there are no fresh tries in each part of it, nor does one customer fill the store with counts. Returns from the provider of
//! a tenant are counted for that tenant: what its provider refuses keeps nobody out of another one.

use std::sync::Arc;
use std::time::Duration;

use identity::lockout::{NETWORK_TRIES, SOURCE_TRIES, SourceAttempts};
use identity::secret::Digest;
use infra::{Clock, StoreError};
use model::{TenantId, Timestamp};

use super::super::answers::Trouble;
use super::super::outside::OF_TENANT_AT_ONCE;
use super::super::request::source::RequestSource;
use super::super::store::{SignInStore, TRIES_MAX};
use super::guess_turns::{GuessTurn, GuessTurns};
use super::{WAITING_MAX, kept_until};

/// Tries of strangers from one source that are looked at at a time: one source alone does not fill the queue of hashes.
pub(super) const OF_SOURCE_AT_ONCE: usize = 8;
/// Browsers that come back from a tenant's provider to one source, of which the provider is asked at a time: as many as it is asked about
/// for the tenant, so that a shift behind one address has all of them, and one that makes up codes is never far before others.
const RETURNS_AT_ONCE: usize = OF_TENANT_AT_ONCE;
/// Further ones that wait for that: a shift signs in at once.
const RETURNS_WAITING_MAX: usize = 256;
/// How many times more have a turn of a network of many sources.
const OF_NETWORK: usize = 2;
// Those that have a turn count in one place: of each round of these one is through.
const _: () = assert!(OF_NETWORK * RETURNS_AT_ONCE <= TRIES_MAX && OF_NETWORK * OF_SOURCE_AT_ONCE <= TRIES_MAX);
/// The pauses before it is tried again to give back what was counted: the store does not answer, or other replicas count all the time.
const AGAIN_AFTER: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5)];

/// Where the tries of a source are counted.
pub(super) struct SourceKeys {
    /// Of the source itself.
    pub own: String,
    /// Of the network that has it, where that has others, too.
    network: Option<String>,
}

impl SourceKeys {
    /// Where those of that sort are counted.
    pub fn of(sort: &str, source: &RequestSource) -> Self {
        let network = source.network().map(|network| format!("{sort}/{network}"));
        Self { own: format!("{sort}/{}", source.address), network }
    }

    /// The keys, each with the tries that it has. What the network has used up is not counted for the source.
    fn counts(&self) -> impl Iterator<Item = (&str, u32)> {
        let network = self.network.as_deref().map(|network| (network, NETWORK_TRIES));
        network.into_iter().chain([(self.own.as_str(), SOURCE_TRIES)])
    }
}

/// A stranger's turn; it ends when this is dropped.
pub(super) struct SourceTurn {
    _of_network: Option<GuessTurn>,
    _of_source: GuessTurn,
}

/// Turns of sources, and of their networks.
struct SourceTurns {
    of_sources: GuessTurns,
    of_networks: GuessTurns,
}

impl SourceTurns {
    fn new(at_once: usize, waiting_max: usize) -> Self {
        let of_networks = GuessTurns::new(OF_NETWORK * at_once, waiting_max);
        Self { of_sources: GuessTurns::new(at_once, waiting_max), of_networks }
    }

    async fn wait_for(&self, keys: &SourceKeys) -> Result<SourceTurn, Trouble> {
        // First that of the source: who waits for it holds nobody else up.
        let of_source = self.of_sources.wait_for(&keys.own).await?;
        let of_network = match &keys.network {
            Some(network) => Some(self.of_networks.wait_for(network).await?),
            None => None,
        };
        Ok(SourceTurn { _of_network: of_network, _of_source: of_source })
    }
}

/// A browser that has come back from a tenant's provider, and may go on now.
pub(in crate::auth) struct ProviderReturn {
    keys: SourceKeys,
    at: Timestamp,
    turn: SourceTurn,
}

/// All sources.
pub(in crate::auth) struct GuessSources {
    store: SignInStore,
    clock: Arc<dyn Clock>,
    /// Under this one is counted what is of no tenant.
    nowhere: TenantId,
    tries: SourceTurns,
    returns: SourceTurns,
}

impl GuessSources {
    pub fn new(store: SignInStore, clock: Arc<dyn Clock>, nowhere: TenantId) -> Self {
        let tries = SourceTurns::new(OF_SOURCE_AT_ONCE, WAITING_MAX);
        let returns = SourceTurns::new(RETURNS_AT_ONCE, RETURNS_WAITING_MAX);
        Self { store, clock, nowhere, tries, returns }
    }

    /// Waits for a turn of that source, and of its network.
    ///
    /// # Errors
    /// [`Trouble::Busy`] if too many wait already.
    pub(super) async fn wait_for(&self, keys: &SourceKeys) -> Result<SourceTurn, Trouble> {
        self.tries.wait_for(keys).await
    }

    /// Waits for the turn of a browser that has come back from the tenant's provider with a code, or says how long none is taken from
    /// there. It is not counted yet.
    ///
    /// # Errors
    /// [`Trouble::Busy`] if too many wait already.
    pub async fn wait_for_return(
        &self,
        tenant: &TenantId,
        source: &RequestSource,
    ) -> Result<Result<ProviderReturn, Duration>, Trouble> {
        // Keys are short, and names of tenants need not be.
        let sort = format!("provider/{}", Digest::of(tenant.as_str()).text());
        let keys = SourceKeys::of(&sort, source);
        let turn = self.returns.wait_for(&keys).await?;
        let at = self.clock.now();
        Ok(match self.wait(&keys, at).await? {
            Some(wait) => Err(wait),
            None => Ok(ProviderReturn { keys, at, turn }),
        })
    }

    /// Counts it as wrong, which it stays unless it is given back; or says how long none is taken from there.
    pub async fn count_return(&self, back: &ProviderReturn) -> Result<Option<Duration>, Trouble> {
        Ok(self.count(&back.keys, back.at).await?)
    }

    /// The provider has not refused what it came with. If the store does not answer for some seconds the return counts as wrong.
    pub async fn give_back_return(&self, back: ProviderReturn) {
        let ProviderReturn { keys, at, turn } = back;
        let mut turn = Some(turn);
        for (key, _) in keys.counts() {
            if let Err(error) = self.give_back_at_last(key, at, &mut turn).await {
                tracing::warn!(%error, "a return from a provider that was not wrong counts as wrong");
            }
        }
    }

    /// Gives it back, again after pauses, for which others do not wait.
    async fn give_back_at_last(
        &self,
        key: &str,
        at: Timestamp,
        turn: &mut Option<SourceTurn>,
    ) -> Result<(), StoreError> {
        for pause in AGAIN_AFTER {
            if self.give_back_to(key, at).await.is_ok() {
                return Ok(());
            }
            *turn = None;
            tokio::time::sleep(pause).await;
        }
        self.give_back_to(key, at).await
    }

    /// How long nothing of strangers is taken from there; none if it is taken now.
    pub(super) async fn wait(&self, keys: &SourceKeys, at: Timestamp) -> Result<Option<Duration>, StoreError> {
        for (key, tries) in keys.counts() {
            let attempts: SourceAttempts = self.store.attempts(&self.nowhere, key).await?;
            if let Some(wait) = attempts.wait(tries, at) {
                return Ok(Some(wait));
            }
        }
        Ok(None)
    }

    /// Counts a try, and says how long none is taken from there; none if this one is. One that is not taken counts nowhere.
    pub(super) async fn count(&self, keys: &SourceKeys, at: Timestamp) -> Result<Option<Duration>, StoreError> {
        let mut counted = None;
        for (key, tries) in keys.counts() {
            let change = move |attempts: SourceAttempts| match attempts.wait(tries, at) {
                Some(wait) => Err(wait),
                None => {
                    let next = attempts.tried(at);
                    Ok((next, next.forgotten_at()))
                }
            };
            let refused = self.store.change_attempts(&self.nowhere, key, change).await;
            if !matches!(refused, Ok(None)) {
                if let Some(counted) = counted {
                    self.give_back_to(counted, at).await?;
                }
                return refused;
            }
            counted = Some(key);
        }
        Ok(None)
    }

    /// A try that was counted then was right, or was not looked at.
    pub(super) async fn give_back(&self, keys: &SourceKeys, at: Timestamp) -> Result<(), StoreError> {
        for (key, _) in keys.counts() {
            self.give_back_to(key, at).await?;
        }
        Ok(())
    }

    async fn give_back_to(&self, key: &str, at: Timestamp) -> Result<(), StoreError> {
        let change = |attempts: SourceAttempts| {
            let next = attempts.given_back(at);
            Ok((next, kept_until(self.clock.now(), next.failures, next.forgotten_at())))
        };
        self.store.change_attempts(&self.nowhere, key, change).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use infra::bounds;
    use infra::conformance::SetClock;
    use tokio::sync::Semaphore;
    use tokio::task::JoinSet;

    use super::super::{Guess, Guesses};
    use super::*;

    fn guesses() -> (Guesses, SignInStore, Arc<SetClock>) {
        let clock = SetClock::at(Timestamp::from_millis(1_700_000_000_000));
        let store = SignInStore::in_memory(clock.clone());
        (Guesses::new(store.clone(), clock.clone()).unwrap(), store, clock)
    }

    fn source(address: &str) -> RequestSource {
        RequestSource {
            address: address.to_owned(),
            sender: None,
            is_secure: true,
            user_agent: String::new(),
            host: String::new(),
        }
    }

    async fn is_taken(guesses: &Guesses, name: &str, from: &RequestSource) -> bool {
        let acme = TenantId::parse("acme").unwrap();
        matches!(guesses.of_person(&acme, name, from).await.unwrap(), Guess::Taken(_))
    }

    #[tokio::test]
    async fn a_network_has_no_fresh_tries_in_each_part_of_it() {
        let (guesses, store, _) = guesses();
        let (home, nowhere) = (source("2001:db8:1:7::"), guesses.nowhere().clone());
        let acme = TenantId::parse("acme").unwrap();
        let Guess::Taken(right) = guesses.of_person(&acme, "ann", &home).await.unwrap() else { panic!() };
        right.right().await.unwrap();
        for n in 0..NETWORK_TRIES {
            let part = source(&format!("2001:db8:1:{:x}::", n % 50));
            assert!(is_taken(&guesses, &format!("name {n}"), &part).await, "{n}");
        }
        let fresh = source("2001:db8:1:ff::");
        assert!(!is_taken(&guesses, "another", &fresh).await, "the network has used up its tries");
        assert!(guesses.count_device(&fresh).await.unwrap().is_none(), "devices are counted apart");
        assert!(!store.is_marked(&nowhere, &SourceKeys::of("source", &fresh).own).await.unwrap(), "it leaves a count");
        assert!(is_taken(&guesses, "ann", &home).await, "who is known there is kept out");
        assert!(is_taken(&guesses, "another", &source("2001:db8:2::")).await, "another customer is kept out");
    }

    #[tokio::test]
    async fn one_part_of_a_network_that_goes_on_trying_does_not_use_up_the_rest() {
        let (guesses, _, clock) = guesses();
        let (loud, quiet) = (source("2001:db8:1:7::"), source("2001:db8:1:8::"));
        for n in 0..2 * NETWORK_TRIES {
            let wait = guesses.count_device(&loud).await.unwrap();
            assert_eq!(wait.is_some(), n >= SOURCE_TRIES, "{n}");
        }
        assert!(guesses.count_device(&quiet).await.unwrap().is_none());
        // Also of tries that come at once, and find each that there is one left.
        let (keys, at) = (SourceKeys::of("device", &loud), clock.now());
        for n in 0..2 * NETWORK_TRIES {
            assert!(guesses.sources().count(&keys, at).await.unwrap().is_some(), "{n}");
        }
        assert!(guesses.count_device(&quiet).await.unwrap().is_none());
    }

    /// How many returns to acme from there count as wrong.
    async fn counted_wrong(guesses: &Guesses, from: &RequestSource) -> u32 {
        let (sources, sort) = (guesses.sources(), format!("provider/{}", Digest::of("acme").text()));
        let key = SourceKeys::of(&sort, from).own;
        sources.store.attempts::<SourceAttempts>(&sources.nowhere, &key).await.unwrap().failures
    }

    /// A browser that has come back, and is counted.
    async fn counted(guesses: &Guesses, tenant: &str, from: &RequestSource) -> Option<ProviderReturn> {
        let tenant = TenantId::parse(tenant).unwrap();
        let back = guesses.sources().wait_for_return(&tenant, from).await.unwrap().ok()?;
        guesses.sources().count_return(&back).await.unwrap().is_none().then_some(back)
    }

    #[tokio::test]
    async fn returns_from_providers_are_counted_apart_and_those_that_were_not_wrong_not_at_all() {
        let (guesses, _, _) = guesses();
        let from = source("192.0.2.1");
        let acme = TenantId::parse("acme").unwrap();
        for n in 0..2 * SOURCE_TRIES {
            let Some(back) = counted(&guesses, "acme", &from).await else { panic!("{n}") };
            guesses.sources().give_back_return(back).await;
            assert!(guesses.sources().wait_for_return(&acme, &from).await.unwrap().is_ok(), "one that is not counted");
        }
        for n in 0..SOURCE_TRIES {
            assert!(counted(&guesses, "acme", &from).await.is_some(), "{n}");
        }
        assert!(guesses.sources().wait_for_return(&acme, &from).await.unwrap().is_err());
        assert!(counted(&guesses, "acme", &source("192.0.2.2")).await.is_some(), "another source");
        assert!(counted(&guesses, "globex", &from).await.is_some(), "another tenant");
        assert!(counted(&guesses, &"t".repeat(255), &source("2001:db8:1:7::")).await.is_some(), "a long name");
        assert!(is_taken(&guesses, "ann", &from).await, "passwords are counted apart");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_shift_that_comes_back_at_once_is_taken() {
        let guesses = Arc::new(guesses().0);
        let asked = Arc::new(Semaphore::new(OF_TENANT_AT_ONCE));
        let mut shift = JoinSet::new();
        for n in 0..2 * SOURCE_TRIES {
            let (guesses, asked) = (guesses.clone(), asked.clone());
            shift.spawn(async move {
                let office = source("192.0.2.1");
                let Some(back) = counted(&guesses, "acme", &office).await else { panic!("{n}") };
                let place = asked.try_acquire_owned();
                assert!(place.is_ok(), "more have a turn than the provider is asked about");
                tokio::task::yield_now().await;
                drop(place);
                guesses.sources().give_back_return(back).await;
            });
        }
        while let Some(one) = shift.join_next().await {
            one.unwrap();
        }
        assert_eq!(counted_wrong(&guesses, &source("192.0.2.1")).await, 0);
    }

    #[tokio::test]
    async fn who_has_a_turn_keeps_those_of_another_tenant_from_nothing() {
        let (guesses, _, _) = guesses();
        let (acme, office) = (TenantId::parse("acme").unwrap(), source("192.0.2.1"));
        let mut back = Vec::new();
        for n in 0..RETURNS_AT_ONCE {
            let Some(one) = counted(&guesses, "acme", &office).await else { panic!("{n}") };
            back.push(one);
        }
        let mut waits = Box::pin(guesses.sources().wait_for_return(&acme, &office));
        assert!(waits.as_mut().now_or_never().is_none(), "all turns are taken");
        assert!(counted(&guesses, "globex", &office).await.is_some(), "of another tenant too");
        for one in back {
            guesses.sources().give_back_return(one).await;
        }
        assert!(waits.await.unwrap().is_ok(), "it has the next one");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_given_back_at_once_is_so_later() {
        let (guesses, store, clock) = guesses();
        let (acme, office, nowhere) = (TenantId::parse("acme").unwrap(), source("192.0.2.1"), guesses.nowhere());
        let back = guesses.sources().wait_for_return(&acme, &office).await.unwrap().ok().unwrap();
        let key = back.keys.own.clone();
        for n in 0..bounds::SIGN_INS_MAX {
            store.mark(nowhere, &n.to_string(), clock.now() + Duration::from_secs(600)).await.unwrap();
        }
        let mut given_back = Box::pin(guesses.sources().give_back_return(back));
        assert!(given_back.as_mut().now_or_never().is_none(), "the store is full");
        clock.advance(Duration::from_secs(601));
        given_back.await;
        assert!(store.is_marked(nowhere, &key).await.unwrap(), "it was tried once");
    }

    #[tokio::test]
    async fn a_try_whose_source_cannot_be_counted_is_none_of_its_name() {
        let (guesses, store, clock) = guesses();
        let (acme, from, nowhere) = (TenantId::parse("acme").unwrap(), source("192.0.2.1"), guesses.nowhere().clone());
        let until = clock.now() + Duration::from_secs(600);
        for n in 0..bounds::SIGN_INS_MAX {
            store.mark(&nowhere, &n.to_string(), until).await.unwrap();
        }
        for _ in 0..10 {
            assert!(guesses.of_person(&acme, "ann", &from).await.is_err(), "the store is full");
        }
        clock.advance(Duration::from_secs(601));
        for _ in 0..5 {
            assert!(is_taken(&guesses, "ann", &from).await, "what was not looked at costs a wait");
        }
    }
}
