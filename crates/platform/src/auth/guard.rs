//! Keeps guessing slow: waits for one name from one source, and a limit for one source over many names, of whatever tenant (`sources`). No
//! hash is computed for a try that was not counted before, whether tenant and name exist or not. Few tries of a name or a source are
//! looked at at a time (`guess_turns`), and few hashes are computed (`hashing`).

mod guess_turns;
pub(super) mod hashing;
mod sources;

use std::sync::Arc;
use std::time::Duration;

use identity::lockout::{Attempts, KNOWN_FOR};
use identity::login_name;
use identity::secret::Digest;
use infra::{Clock, StoreError};
use model::{TenantId, Timestamp};
use runtime::token::ANY_TENANT;

use super::answers::Trouble;
use super::request::source::RequestSource;
use super::store::SignInStore;
use guess_turns::{GuessTurn, GuessTurns};
pub(super) use sources::ProviderReturn;
use sources::{GuessSources, SourceKeys, SourceTurn};

/// Tries of one name from one source that are looked at at a time: fewer than cost a wait, so that a program whose requests come together
/// is not taken for somebody who guesses.
const OF_NAME_AT_ONCE: usize = 4;
/// Further ones of a name or a source that wait for that.
const WAITING_MAX: usize = 64;
/// What is looked up before it is counted, of all sources at a time: whoever shows wrong API keys, from however many addresses, leaves the
/// database time for others.
const LOOK_UPS_AT_ONCE: usize = 32;
/// Further ones that wait for that. A look-up is short, and each source has few of them.
const LOOK_UPS_WAITING_MAX: usize = 1_024;
/// The key of the turns of all.
const OF_ALL: &str = "";

/// How long a count of nothing stays. It is replaced and not removed, so that nobody's try that is counted meanwhile is lost; it does not stay
/// for an hour, or tries that nobody has looked at would fill the store.
const NOTHING_KEPT: Duration = Duration::from_secs(1);

/// Whose secret is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GuessedKind {
    Person,
    Client,
    /// The code of a device, which this person enters.
    UserCode,
    /// The code of an app, a recovery code, or a passkey, after the password.
    SecondFactor,
    /// An API key that is wrong: its id is the name.
    ApiKey,
    /// A passkey alone.
    Passkey,
}

impl GuessedKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Client => "client",
            Self::UserCode => "user code",
            Self::SecondFactor => "second factor",
            Self::ApiKey => "api key",
            Self::Passkey => "passkey",
        }
    }
}

/// The guard over all names and sources.
pub(super) struct Guesses {
    store: SignInStore,
    clock: Arc<dyn Clock>,
    of_names: GuessTurns,
    sources: GuessSources,
    look_ups: GuessTurns,
    /// Under this one is counted what is of no tenant: sources, and names in tenants that do not exist.
    nowhere: TenantId,
}

/// What comes of somebody who wants to try.
pub(super) enum Guess<'a> {
    /// Nothing is taken from there for so long.
    Wait(Duration),
    /// It may be looked at.
    Taken(TakenGuess<'a>),
}

/// A try that is looked at; it is counted as wrong, and stays so unless it is said to be otherwise.
pub(super) struct TakenGuess<'a> {
    guesses: &'a Guesses,
    counted: Box<GuessKeys>,
    is_known: bool,
    at: Timestamp,
    _turns: (Option<SourceTurn>, GuessTurn),
}

/// Somebody's turn to have something looked up; it ends when this is dropped.
pub(super) struct LookUpTurn {
    _of_source: SourceTurn,
    _of_all: GuessTurn,
}

/// Where a try is counted.
struct GuessKeys {
    kind: GuessedKind,
    tenant: TenantId,
    /// For who has been right from that source lately.
    name_if_known: String,
    /// For all others.
    name_of_strangers: String,
    source: SourceKeys,
    known: String,
}

impl GuessKeys {
    fn of(kind: GuessedKind, tenant: &TenantId, name: &str, source: &RequestSource) -> Self {
        // Names come from outside and may be long or secret (a password typed into the wrong field): keys have digests of them.
        let name = login_name::folded(name);
        let digest = |from: &str| Digest::of(&format!("{tenant}\0{}/{name}\0{from}", kind.as_str())).text();
        let here = digest(&source.address);
        // Whoever gets as far as a second factor knows the password: from another address there are no fresh tries. A source from which a
        // code was right has its own: who guesses elsewhere does not keep the person out there.
        let strangers = if kind == GuessedKind::SecondFactor { digest("") } else { here.clone() };
        Self {
            kind,
            tenant: tenant.clone(),
            name_if_known: format!("name/{here}"),
            name_of_strangers: format!("name/{strangers}"),
            source: SourceKeys::of("source", source),
            known: format!("known/{here}"),
        }
    }

    fn name(&self, is_known: bool) -> &str {
        if is_known { &self.name_if_known } else { &self.name_of_strangers }
    }
}

impl Guesses {
    /// A guard that counts in that store.
    ///
    /// # Errors
    /// Never: the name that stands for no tenant is a valid one.
    pub fn new(store: SignInStore, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let of_names = GuessTurns::new(OF_NAME_AT_ONCE, WAITING_MAX);
        let look_ups = GuessTurns::new(LOOK_UPS_AT_ONCE, LOOK_UPS_WAITING_MAX);
        let nowhere = TenantId::parse(ANY_TENANT)?;
        let sources = GuessSources::new(store.clone(), clock.clone(), nowhere.clone());
        Ok(Self { store, clock, of_names, sources, look_ups, nowhere })
    }

    /// Where browsers come back from that a provider has sent.
    pub const fn sources(&self) -> &GuessSources {
        &self.sources
    }

    /// What stands for a tenant that does not exist: in it, nobody is found.
    pub const fn nowhere(&self) -> &TenantId {
        &self.nowhere
    }

    /// Somebody wants to try a person's password, whoever types the name in whatever case, and whether the person exists or not.
    pub async fn of_person(&self, tenant: &TenantId, user: &str, source: &RequestSource) -> Result<Guess<'_>, Trouble> {
        self.take(GuessKeys::of(GuessedKind::Person, tenant, user, source)).await
    }

    /// Somebody wants to try a client's secret.
    pub async fn of_client(&self, tenant: &TenantId, id: &str, source: &RequestSource) -> Result<Guess<'_>, Trouble> {
        self.take(GuessKeys::of(GuessedKind::Client, tenant, id, source)).await
    }

    /// Counts a device that wants to show a code, and says how long none may from there; none if this one may.
    pub async fn count_device(&self, source: &RequestSource) -> Result<Option<Duration>, Trouble> {
        let keys = SourceKeys::of("device", source);
        let _turn = self.sources.wait_for(&keys).await?;
        let at = self.clock.now();
        // What is not taken is read alone.
        Ok(match self.sources.wait(&keys, at).await? {
            None => self.sources.count(&keys, at).await?,
            wait => wait,
        })
    }

    /// Somebody who is signed in wants to enter a code that a device shows.
    pub async fn of_user_code(
        &self,
        tenant: &TenantId,
        user: &str,
        source: &RequestSource,
    ) -> Result<Guess<'_>, Trouble> {
        self.take(GuessKeys::of(GuessedKind::UserCode, tenant, user, source)).await
    }

    /// Somebody wants to sign in by the passkey of that id alone, whether there is one or not.
    pub async fn of_passkey(&self, id: &str, source: &RequestSource) -> Result<Guess<'_>, Trouble> {
        self.take(GuessKeys::of(GuessedKind::Passkey, &self.nowhere, id, source)).await
    }

    /// Somebody who has shown a person's password wants to try a code, or a passkey.
    pub async fn of_second_factor(
        &self,
        tenant: &TenantId,
        user: &str,
        source: &RequestSource,
    ) -> Result<Guess<'_>, Trouble> {
        self.take(GuessKeys::of(GuessedKind::SecondFactor, tenant, user, source)).await
    }

    /// A turn of somebody who shows what is looked up before it is counted: so many at a time of one source, and of all.
    pub async fn turn_to_look_up(&self, source: &RequestSource) -> Result<LookUpTurn, Trouble> {
        // First that of the source: who waits for it holds nobody else up.
        let of_source = self.sources.wait_for(&SourceKeys::of("look-up", source)).await?;
        let of_all = self.look_ups.wait_for(OF_ALL).await?;
        Ok(LookUpTurn { _of_source: of_source, _of_all: of_all })
    }

    /// Somebody has shown a wrong API key: it stays counted. Its id says nothing of its tenant.
    pub async fn of_api_key(&self, id: &str, source: &RequestSource) -> Result<Guess<'_>, Trouble> {
        self.take(GuessKeys::of(GuessedKind::ApiKey, &self.nowhere, id, source)).await
    }

    async fn take(&self, counted: GuessKeys) -> Result<Guess<'_>, Trouble> {
        let is_known = self.store.is_marked(&counted.tenant, &counted.known).await?;
        let of_source = if is_known { None } else { Some(self.sources.wait_for(&counted.source).await?) };
        // The digest in it is of the tenant too.
        let turns = (of_source, self.of_names.wait_for(counted.name(is_known)).await?);
        let at = self.clock.now();
        if !is_known && let Some(wait) = self.sources.wait(&counted.source, at).await? {
            return Ok(Guess::Wait(wait));
        }
        let mut wait = self.count_name(&counted, is_known, at).await?;
        if wait.is_none() && !is_known {
            let of_source = self.sources.count(&counted.source, at).await;
            if !matches!(of_source, Ok(None)) {
                // It is not looked at. Where the store is full of counts of others, it takes the change of one that is there all the same.
                self.give_back_to_name(&counted, is_known).await?;
            }
            wait = of_source?;
        }
        Ok(match wait {
            Some(wait) => Guess::Wait(wait),
            None => Guess::Taken(TakenGuess { guesses: self, counted: Box::new(counted), is_known, at, _turns: turns }),
        })
    }

    async fn count_name(
        &self,
        counted: &GuessKeys,
        is_known: bool,
        at: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        let change = |attempts: Attempts| match attempts.wait(at) {
            Some(wait) => Err(wait),
            None => {
                let next = attempts.tried(at);
                Ok((next, next.forgotten_at()))
            }
        };
        match self.store.change_attempts(&counted.tenant, counted.name(is_known), change).await {
            // Strangers who have filled the store keep nobody out who has signed in from there.
            Err(StoreError::Full { .. }) if is_known => {
                tracing::warn!(tenant = %counted.tenant, "the store is full: a try of somebody known is not counted");
                Ok(None)
            }
            counted => counted,
        }
    }

    async fn give_back_to_name(&self, counted: &GuessKeys, is_known: bool) -> Result<(), StoreError> {
        let change = |attempts: Attempts| {
            let next = attempts.given_back();
            Ok((next, kept_until(self.clock.now(), next.failures, next.forgotten_at())))
        };
        self.store.change_attempts(&counted.tenant, counted.name(is_known), change).await.map(drop)
    }
}

/// Until when a count stays of which one was given back.
fn kept_until(now: Timestamp, failures: u32, forgotten_at: Timestamp) -> Timestamp {
    let soon = now + NOTHING_KEPT;
    if failures == 0 { soon } else { forgotten_at.max(soon) }
}

impl TakenGuess<'_> {
    /// Whether the name was right from that source lately.
    pub const fn is_known(&self) -> bool {
        self.is_known
    }

    /// It was right: mistyping is forgotten, and the source is known for this name.
    pub async fn right(self) -> Result<(), Trouble> {
        let (store, counted) = (&self.guesses.store, &self.counted);
        store.forget_attempts(&counted.tenant, counted.name(self.is_known)).await?;
        if !self.is_known {
            self.guesses.sources.give_back(&counted.source, self.at).await?;
        }
        // Programs show their secret with each request: what is known of them is not written again each time.
        if counted.kind != GuessedKind::Client || !self.is_known {
            store.mark(&counted.tenant, &counted.known, self.guesses.clock.now() + KNOWN_FOR).await?;
        }
        Ok(())
    }

    /// It was not looked at. If the store does not answer it counts as wrong.
    pub async fn undone(self) {
        let (guesses, counted) = (self.guesses, &self.counted);
        let given_back = async {
            guesses.give_back_to_name(counted, self.is_known).await?;
            if self.is_known { Ok(()) } else { guesses.sources.give_back(&counted.source, self.at).await }
        };
        if let Err(error) = given_back.await {
            tracing::debug!(%error, "a try that was not looked at counts as wrong");
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::join_all;
    use identity::lockout::{SOURCE_TRIES, TRIES_UNTIL_WAIT};
    use infra::conformance::SetClock;

    use super::sources::OF_SOURCE_AT_ONCE;
    use super::*;

    fn guesses() -> Guesses {
        let clock = SetClock::at(Timestamp::from_millis(1_700_000_000_000));
        let store = SignInStore::in_memory(clock.clone());
        Guesses::new(store, clock).unwrap()
    }

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
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

    /// Tries that are wrong, all at a time: how many of them were looked at.
    async fn wrong(guesses: &Guesses, tenant: &TenantId, names: &[String], from: &str) -> usize {
        let source = &source(from);
        let tries = names.iter().map(|name| async move {
            let guess = guesses.of_person(tenant, name, source).await.unwrap();
            // Others come while it is looked at.
            tokio::task::yield_now().await;
            matches!(guess, Guess::Taken(_))
        });
        join_all(tries).await.into_iter().filter(|taken| *taken).count()
    }

    #[tokio::test]
    async fn of_many_guesses_at_a_time_no_more_are_taken_than_one_after_the_other() {
        let guesses = guesses();
        let names: Vec<String> = (0..40).map(|n| if n % 2 == 0 { "ann" } else { "ANN" }.to_owned()).collect();
        assert_eq!(wrong(&guesses, &acme(), &names, "192.0.2.1").await, TRIES_UNTIL_WAIT as usize);
        assert_eq!(wrong(&guesses, &acme(), &names[..1], "192.0.2.2").await, 1, "another source");
    }

    #[tokio::test]
    async fn what_does_not_exist_is_guarded_as_what_does() {
        let guesses = guesses();
        let names: Vec<String> = (0..40).map(|_| "ann".to_owned()).collect();
        let nowhere = guesses.nowhere().clone();
        assert_eq!(wrong(&guesses, &nowhere, &names, "192.0.2.1").await, TRIES_UNTIL_WAIT as usize);
        let left = SOURCE_TRIES as usize - TRIES_UNTIL_WAIT as usize;
        for (n, tenant) in (0..left).map(|n| (n, if n % 2 == 0 { acme() } else { nowhere.clone() })) {
            assert_eq!(wrong(&guesses, &tenant, &[format!("name {n}")], "192.0.2.1").await, 1, "{n}");
        }
        assert_eq!(
            wrong(&guesses, &acme(), &["another".to_owned()], "192.0.2.1").await,
            0,
            "one count over all tenants"
        );
        assert_eq!(wrong(&guesses, &nowhere, &["another".to_owned()], "192.0.2.1").await, 0);
    }

    #[tokio::test]
    async fn whoever_uses_up_an_address_keeps_out_nobody_who_is_known_there() {
        let (guesses, office) = (guesses(), source("192.0.2.1"));
        let known = guesses.of_person(&acme(), "ann", &office).await.unwrap();
        let Guess::Taken(known) = known else { panic!("nobody has guessed yet") };
        known.right().await.unwrap();
        for n in 0..SOURCE_TRIES {
            assert_eq!(wrong(&guesses, &acme(), &[format!("name {n}")], "192.0.2.1").await, 1, "{n}");
        }
        let stranger = guesses.of_person(&acme(), "bob", &office).await.unwrap();
        assert!(matches!(stranger, Guess::Wait(_)), "the tries are used up");
        let known = guesses.of_person(&acme(), "Ann", &office).await.unwrap();
        assert!(matches!(known, Guess::Taken(_)), "the office is locked out");
    }

    #[tokio::test]
    async fn what_is_looked_up_before_it_is_counted_is_bounded_for_a_source_and_for_all() {
        let guesses = guesses();
        let mut held = Vec::new();
        for n in 0..LOOK_UPS_AT_ONCE {
            let from = source(&format!("192.0.2.{}", n / OF_SOURCE_AT_ONCE));
            held.push(guesses.turn_to_look_up(&from).await.ok().unwrap());
        }
        let (busy, other) = (source("192.0.2.0"), source("198.51.100.1"));
        assert!(guesses.turn_to_look_up(&busy).now_or_never().is_none(), "its source has all its turns");
        let mut waits = Box::pin(guesses.turn_to_look_up(&other));
        assert!(waits.as_mut().now_or_never().is_none(), "all turns are taken");
        drop(held.pop());
        assert!(waits.await.is_ok(), "it has the next one");
    }

    #[tokio::test]
    async fn codes_of_a_person_are_counted_over_all_sources_but_those_that_are_known() {
        let (guesses, mut taken) = (guesses(), 0);
        let desk = source("198.51.100.1");
        let Guess::Taken(right) = guesses.of_second_factor(&acme(), "ann", &desk).await.unwrap() else { panic!() };
        right.right().await.unwrap();
        for n in 0..20 {
            let from = source(&format!("192.0.2.{n}"));
            let guess = guesses.of_second_factor(&acme(), "ann", &from).await.unwrap();
            taken += usize::from(matches!(guess, Guess::Taken(_)));
        }
        assert_eq!(taken, TRIES_UNTIL_WAIT as usize);
        let Guess::Taken(right) = guesses.of_second_factor(&acme(), "ann", &desk).await.unwrap() else {
            panic!("who guesses elsewhere keeps the person out")
        };
        right.right().await.unwrap();
        let elsewhere = guesses.of_second_factor(&acme(), "ann", &source("192.0.2.99")).await.unwrap();
        assert!(matches!(elsewhere, Guess::Wait(_)), "and gets no further tries by it");
        let mut own = 0;
        for _ in 0..20 {
            let guess = guesses.of_second_factor(&acme(), "ann", &desk).await.unwrap();
            own += usize::from(matches!(guess, Guess::Taken(_)));
        }
        assert_eq!(own, TRIES_UNTIL_WAIT as usize, "a known source is guarded too");
    }

    #[tokio::test]
    async fn what_was_not_looked_at_leaves_no_record() {
        let clock = SetClock::at(Timestamp::from_millis(1_700_000_000_000));
        let store = SignInStore::in_memory(clock.clone());
        let guesses = Guesses::new(store.clone(), clock.clone()).unwrap();
        let (acme, from) = (acme(), source("192.0.2.1"));
        let keys = GuessKeys::of(GuessedKind::Person, &acme, "ann", &from);
        let Guess::Taken(first) = guesses.of_person(&acme, "ann", &from).await.unwrap() else { panic!() };
        let Guess::Taken(second) = guesses.of_person(&acme, "ann", &from).await.unwrap() else { panic!() };
        first.undone().await;
        clock.advance(Duration::from_secs(2));
        assert!(store.is_marked(&acme, keys.name(false)).await.unwrap(), "one is counted still");
        second.undone().await;
        clock.advance(Duration::from_secs(2));
        assert!(!store.is_marked(&acme, keys.name(false)).await.unwrap());
        assert!(!store.is_marked(guesses.nowhere(), &keys.source.own).await.unwrap());
    }

    #[tokio::test]
    async fn what_is_right_or_not_looked_at_costs_nothing() {
        let (guesses, office) = (guesses(), source("192.0.2.1"));
        for n in 0..3 * SOURCE_TRIES {
            let Guess::Taken(guess) = guesses.of_client(&acme(), "app", &office).await.unwrap() else { panic!("{n}") };
            assert_eq!(guess.is_known(), n > 1);
            if n == 0 { guess.undone().await } else { guess.right().await.unwrap() }
        }
        let together = (0..30).map(|_| async {
            let Guess::Taken(guess) = guesses.of_client(&acme(), "app", &office).await.unwrap() else { panic!() };
            tokio::task::yield_now().await;
            guess.right().await.unwrap();
        });
        join_all(together).await;
    }
}
