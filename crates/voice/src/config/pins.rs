//! PINs that agents type at a phone, or that a program sends with a login. They are compared here, so that no PIN leaves this role: with
//! hashes, a few at a time, beside the thread that answers phones. Wrong ones make the phone, or the agent's logins, wait.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use contracts::configuration::{LoginAnswer, LoginQuestion, PinAnswer};
use contracts::provisioning::{Agent, Object, ObjectKind, Secret};
use identity::pin;
use infra::Clock;
use model::{TenantId, Timestamp};
use runtime::Problem;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::copies::TenantCopy;
use super::metrics::Metrics;

/// The most wrong PINs in a row before a phone must wait: as many as one call may try.
const WRONG_FREE: u32 = 3;
/// The wait after those; each further wrong PIN doubles it.
const WAIT_FIRST: Duration = Duration::from_secs(60);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(3_600);
/// How long after its last wrong PIN, or the end of its wait, a phone's count restarts.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);
/// The most phones and agents with wrong PINs in memory; PINs of further ones are not checked until some are forgotten.
const GUESSERS_MAX: usize = 10_000;
/// The most PINs that are compared or wait for it. Each takes some 30 ms, so that even on one processor the last of them is compared before
/// whoever asks stops waiting.
const COMPARED_MAX: usize = 32;

/// Whose wrong PINs are counted together.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Guesser {
    /// A phone, at which they are typed.
    Phone(String),
    /// The logins of an agent, from wherever.
    LoginsOf(String),
}

/// One that has sent wrong PINs.
#[derive(Clone, Copy)]
struct Wrong {
    in_a_row: u32,
    waits_until: Timestamp,
}

/// One of a tenant.
type GuesserKey = (TenantId, Guesser);

/// Turns to compare: on half of the processors, so that calls have the others. Those of one phone, or of one agent's logins, come one after
/// the other, so that of many at a time no more are looked at than one by one.
struct ComparingTurns {
    admitted: Arc<Semaphore>,
    lanes: Vec<tokio::sync::Mutex<()>>,
    hasher: RandomState,
}

impl ComparingTurns {
    fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let lanes = (0..(processors / 2).max(1)).map(|_| tokio::sync::Mutex::default()).collect();
        Self { admitted: Arc::new(Semaphore::new(COMPARED_MAX)), lanes, hasher: RandomState::new() }
    }

    fn lane_of(&self, key: &GuesserKey) -> &tokio::sync::Mutex<()> {
        let count = u64::try_from(self.lanes.len()).unwrap_or(1);
        let at = usize::try_from(self.hasher.hash_one(key) % count).unwrap_or_default();
        &self.lanes[at]
    }
}

/// Compares PINs and counts the wrong ones of each phone and of each agent's logins.
#[derive(Clone)]
pub(super) struct Pins {
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    guessers: Arc<Mutex<HashMap<GuesserKey, Wrong>>>,
    turns: Arc<ComparingTurns>,
}

impl Pins {
    pub fn new(clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self { clock, metrics, guessers: Arc::default(), turns: Arc::new(ComparingTurns::new()) }
    }

    /// Checks whether `typed` is the PIN of the agent whose default place has the phone `dn`; without `typed` returns the PIN's length.
    ///
    /// # Errors
    /// 503 if too many are compared at a time.
    pub async fn ask(
        &self,
        tenant: &TenantId,
        copy: &TenantCopy,
        dn: &str,
        typed: Option<&Secret>,
    ) -> Result<PinAnswer, Problem> {
        self.compare((tenant.clone(), Guesser::Phone(dn.to_owned())), pin_of(agent_at(copy, dn)), typed).await
    }

    /// Checks whether the password of a login is the PIN of its agent, and says who that is: other roles may have another version of the
    /// configuration, in which a code is somebody else's.
    ///
    /// # Errors
    /// 503 if too many are compared at a time.
    pub async fn ask_login(
        &self,
        tenant: &TenantId,
        copy: &TenantCopy,
        question: &LoginQuestion,
    ) -> Result<LoginAnswer, Problem> {
        let named = match &question.agent {
            Some(named) => agent_named(copy, named),
            None => agent_at(copy, &question.dn).map(NamedAgent::of),
        };
        let Some(NamedAgent { agent, wrap_up_s }) = named else { return Ok(LoginAnswer::of(PinAnswer::None)) };
        let guesser = Guesser::LoginsOf(agent.id.clone());
        let verdict = self.compare((tenant.clone(), guesser), pin_of(Some(agent)), Some(&question.password)).await?;
        Ok(match verdict {
            PinAnswer::Right => LoginAnswer { verdict, agent: Some(agent.id.clone()), wrap_up_s },
            _ => LoginAnswer::of(verdict),
        })
    }

    async fn compare(
        &self,
        key: GuesserKey,
        pin: Option<&Secret>,
        typed: Option<&Secret>,
    ) -> Result<PinAnswer, Problem> {
        if self.must_wait(&self.guessers(), &key) {
            return Ok(PinAnswer::Wait);
        }
        let Some(pin) = pin else { return Ok(PinAnswer::None) };
        let Some(typed) = typed else {
            return Ok(digits_of(pin).map_or(PinAnswer::None, |digits| PinAnswer::Digits { digits }));
        };
        let busy = |_| Problem::unavailable("too many PINs are compared at this moment");
        let admitted = self.turns.admitted.clone().try_acquire_owned().map_err(busy)?;
        let _turn = self.turns.lane_of(&key).lock().await;
        if !self.count(&key) {
            return Ok(PinAnswer::Wait);
        }
        let (pin, typed) = (pin.clone(), typed.clone());
        let compared = spawn_blocking(move || {
            // The place is given back when the work is done, also if nobody waits for it any more.
            let _admitted = admitted;
            is_right(&typed, &pin)
        });
        // It fails when the process ends.
        if compared.await.map_err(|_| Problem::unavailable("PINs cannot be compared now"))? {
            self.guessers().remove(&key);
            return Ok(PinAnswer::Right);
        }
        self.metrics.pin_wrong();
        Ok(PinAnswer::Wrong)
    }

    /// Counts a try as wrong, before it is looked at: whoever does not wait for the answer is counted too. `false` if it must not be
    /// looked at.
    fn count(&self, key: &GuesserKey) -> bool {
        let mut guessers = self.guessers();
        if self.must_wait(&guessers, key) {
            return false;
        }
        let in_a_row = guessers.get(key).map_or(0, |wrong| wrong.in_a_row).saturating_add(1);
        guessers.insert(key.clone(), Wrong { in_a_row, waits_until: self.clock.now() + wait_after(in_a_row) });
        true
    }

    /// Whether no PIN is looked at now: after too many wrong ones, and of anybody new while too many others have sent wrong ones.
    fn must_wait(&self, guessers: &HashMap<GuesserKey, Wrong>, key: &GuesserKey) -> bool {
        let must_wait = match guessers.get(key) {
            Some(wrong) => self.clock.now() < wrong.waits_until,
            None => guessers.len() >= GUESSERS_MAX,
        };
        if must_wait {
            self.metrics.pin_refused();
        }
        must_wait
    }

    /// Those who are not forgotten by now.
    fn guessers(&self) -> MutexGuard<'_, HashMap<GuesserKey, Wrong>> {
        let now = self.clock.now();
        let mut guessers = self.guessers.lock().unwrap_or_else(PoisonError::into_inner);
        guessers.retain(|_, wrong| now < wrong.waits_until + FORGET_AFTER);
        guessers
    }
}

/// The number of digits after which a phone has the whole PIN; none if it cannot be typed there.
fn digits_of(pin: &Secret) -> Option<u8> {
    if pin.is_meant_as_hash() {
        return pin::digits(pin.reveal());
    }
    Some(u8::try_from(pin.reveal().len()).unwrap_or(u8::MAX))
}

/// Whether that is the PIN. One that a release before has stored is not hashed before the next import of its tenant.
fn is_right(typed: &Secret, pin: &Secret) -> bool {
    if pin.is_meant_as_hash() {
        return pin::verify(typed.reveal(), pin.reveal());
    }
    // Compares digests, so that the time taken does not reveal where the PINs differ.
    Sha256::digest(typed.reveal()) == Sha256::digest(pin.reveal())
}

fn wait_after(wrong: u32) -> Duration {
    match wrong.checked_sub(WRONG_FREE) {
        None => Duration::ZERO,
        Some(further) => WAIT_FIRST.saturating_mul(2_u32.saturating_pow(further)).min(WAIT_MAX),
    }
}

/// The agent whose default place has the phone; of several the one with the first id, as in agent-state.
fn agent_at<'a>(copy: &'a TenantCopy, dn: &str) -> Option<&'a Agent> {
    let here: Vec<&str> = copy
        .of_kind(ObjectKind::Place)
        .filter_map(|object| match object {
            Object::Place(place) if place.dns.iter().any(|at| at == dn) => Some(place.name.as_str()),
            _ => None,
        })
        .collect();
    let at = agents(copy).filter(|agent| agent.default_place.as_deref().is_some_and(|place| here.contains(&place)));
    at.min_by(|one, other| one.id.cmp(&other.id))
}

/// Whom a login means.
struct NamedAgent<'a> {
    agent: &'a Agent,
    /// The wrap-up time of the code that was named, in seconds, if it has one.
    wrap_up_s: Option<u32>,
}

impl<'a> NamedAgent<'a> {
    const fn of(agent: &'a Agent) -> Self {
        Self { agent, wrap_up_s: None }
    }
}

/// The agent of an id or of a login code, as in agent-state: an id goes first.
fn agent_named<'a>(copy: &'a TenantCopy, named: &str) -> Option<NamedAgent<'a>> {
    let by_id = agents(copy).find(|agent| agent.id == named).map(NamedAgent::of);
    by_id.or_else(|| match copy.get(ObjectKind::AgentLogin, named) {
        Some(Object::AgentLogin(login)) => match copy.get(ObjectKind::Person, login.person.as_deref()?)? {
            Object::Person(person) if !login.disabled => {
                Some(NamedAgent { agent: person.agent.as_ref()?, wrap_up_s: login.wrap_up_s })
            }
            _ => None,
        },
        _ => agents(copy).find(|agent| agent.login_code == named).map(NamedAgent::of),
    })
}

fn agents(copy: &TenantCopy) -> impl Iterator<Item = &Agent> {
    copy.of_kind(ObjectKind::Person).filter_map(|object| match object {
        Object::Person(person) => person.agent.as_ref(),
        _ => None,
    })
}

fn pin_of(agent: Option<&Agent>) -> Option<&Secret> {
    agent.and_then(|agent| agent.pin.as_ref()).filter(|pin| !pin.reveal().is_empty())
}

#[cfg(test)]
mod tests;
