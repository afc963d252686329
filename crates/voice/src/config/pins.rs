//! PINs that agents type at a phone, or that a program sends with a login. They are compared here, so that no PIN leaves this role: with
//! hashes, a few at a time, beside the thread that answers phones. Wrong ones make the phone, or the agent's logins, wait.

mod guessers;
mod turns;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use contracts::configuration::{LoginAnswer, LoginQuestion, PinAnswer};
use contracts::provisioning::{Agent, Object, ObjectKind, Secret};
use identity::pin;
use infra::Clock;
use model::TenantId;
use runtime::Problem;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use super::copies::TenantCopy;
use super::metrics::Metrics;
use guessers::{Guesser, GuesserKey, Guessers};
use turns::ComparingTurns;

/// Compares PINs and counts the wrong ones of each phone and of each agent's logins.
#[derive(Clone)]
pub(super) struct Pins {
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    guessers: Arc<Mutex<Guessers>>,
    turns: Arc<ComparingTurns>,
}

impl Pins {
    pub fn new(clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        let (guessers, turns) = (Arc::new(Mutex::new(Guessers::new())), Arc::new(ComparingTurns::new()));
        Self { clock, metrics, guessers, turns }
    }

    /// Checks whether `typed` is the PIN of the agent whose default place has the phone `dn`; without `typed` returns the PIN's length.
    ///
    /// # Errors
    /// 503 if too many are compared or wait for it, or the turn does not come in time.
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
    /// 503 if too many are compared or wait for it, or the turn does not come in time.
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
        if self.must_wait(&key) {
            return Ok(PinAnswer::Wait);
        }
        let Some(pin) = pin else { return Ok(PinAnswer::None) };
        let Some(typed) = typed else {
            return Ok(digits_of(pin).map_or(PinAnswer::None, |digits| PinAnswer::Digits { digits }));
        };
        let Some(turn) = self.turns.take(&key).await else {
            self.metrics.pin_unlooked();
            return Err(Problem::unavailable("too many PINs are compared at this moment"));
        };
        let (pins, pin, typed) = (self.clone(), pin.clone(), typed.clone());
        let looked = spawn_blocking(move || {
            // It ends with the work, also if nobody waits for the answer any more; so the answer counts all the same.
            let _turn = turn;
            pins.look(&key, &pin, &typed)
        });
        // It fails when the process ends.
        looked.await.map_err(|_| Problem::unavailable("PINs cannot be compared now"))
    }

    /// Compares, in a turn of this guesser: no other of its PINs is looked at meanwhile.
    fn look(&self, key: &GuesserKey, pin: &Secret, typed: &Secret) -> PinAnswer {
        // Those that came before it in the queue may have been wrong.
        if self.must_wait(key) {
            return PinAnswer::Wait;
        }
        if is_right(typed, pin) {
            self.guessers().was_right(key);
            return PinAnswer::Right;
        }
        self.metrics.pin_wrong();
        if self.guessers().was_wrong(key, self.clock.now()) {
            self.metrics.guesser_given_up();
        }
        PinAnswer::Wrong
    }

    /// Whether no PIN is looked at now, after too many wrong ones.
    fn must_wait(&self, key: &GuesserKey) -> bool {
        let must_wait = self.guessers().must_wait(key, self.clock.now());
        if must_wait {
            self.metrics.pin_refused();
        }
        must_wait
    }

    fn guessers(&self) -> MutexGuard<'_, Guessers> {
        self.guessers.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The agent whose default place has the phone; of several the one with the first id, as in agent-state.
fn agent_at<'a>(copy: &'a TenantCopy, dn: &str) -> Option<&'a Agent> {
    copy.person_at(dn).and_then(agent_of)
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
    let by_id = copy.person_with_agent_id(named).and_then(agent_of);
    by_id.map(NamedAgent::of).or_else(|| match copy.get(ObjectKind::AgentLogin, named) {
        Some(Object::AgentLogin(login)) if login.disabled => None,
        Some(Object::AgentLogin(login)) => {
            let agent = copy.get(ObjectKind::Person, login.person.as_deref()?).and_then(agent_of)?;
            Some(NamedAgent { agent, wrap_up_s: login.wrap_up_s })
        }
        _ => copy.person_with_login_code(named).and_then(agent_of).map(NamedAgent::of),
    })
}

fn agent_of(object: &Object) -> Option<&Agent> {
    match object {
        Object::Person(person) => person.agent.as_ref(),
        _ => None,
    }
}

fn pin_of(agent: Option<&Agent>) -> Option<&Secret> {
    agent.and_then(|agent| agent.pin.as_ref()).filter(|pin| !pin.reveal().is_empty())
}

#[cfg(test)]
mod tests;
