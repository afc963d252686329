//! PINs that agents type at a phone, or that a program sends with a login. They are compared here, so that no PIN leaves this role. Wrong
//! ones make the phone, or the agent's logins, wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::configuration::{LoginQuestion, PinAnswer};
use contracts::provisioning::{Agent, Object, ObjectKind, Secret};
use infra::Clock;
use model::{TenantId, Timestamp};
use sha2::{Digest as _, Sha256};

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

/// Compares PINs and counts the wrong ones of each phone and of each agent's logins.
#[derive(Clone)]
pub(super) struct Pins {
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    guessers: Arc<Mutex<HashMap<(TenantId, Guesser), Wrong>>>,
}

impl Pins {
    pub fn new(clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self { clock, metrics, guessers: Arc::default() }
    }

    /// Checks whether `typed` is the PIN of the agent whose default place has the phone `dn`; without `typed` returns the PIN's length.
    pub fn ask(&self, tenant: &TenantId, copy: &TenantCopy, dn: &str, typed: Option<&Secret>) -> PinAnswer {
        self.compare((tenant.clone(), Guesser::Phone(dn.to_owned())), pin_of(agent_at(copy, dn)), typed)
    }

    /// Checks whether the password of a login is the PIN of its agent.
    pub fn ask_login(&self, tenant: &TenantId, copy: &TenantCopy, question: &LoginQuestion) -> PinAnswer {
        let agent = match &question.agent {
            Some(named) => agent_named(copy, named),
            None => agent_at(copy, &question.dn),
        };
        let Some(agent) = agent else { return PinAnswer::None };
        let guesser = Guesser::LoginsOf(agent.id.clone());
        self.compare((tenant.clone(), guesser), pin_of(Some(agent)), Some(&question.password))
    }

    fn compare(&self, key: (TenantId, Guesser), pin: Option<&Secret>, typed: Option<&Secret>) -> PinAnswer {
        let now = self.clock.now();
        let mut guessers = self.guessers.lock().unwrap_or_else(PoisonError::into_inner);
        guessers.retain(|_, wrong| now < wrong.waits_until + FORGET_AFTER);
        let known = guessers.get(&key).copied();
        if known.is_some_and(|wrong| now < wrong.waits_until) || (known.is_none() && guessers.len() >= GUESSERS_MAX) {
            self.metrics.pin_refused();
            return PinAnswer::Wait;
        }
        let Some(pin) = pin else { return PinAnswer::None };
        let Some(typed) = typed else {
            return PinAnswer::Digits { digits: u8::try_from(pin.reveal().len()).unwrap_or(u8::MAX) };
        };
        // Compares digests, so that the time taken does not reveal where the PINs differ.
        if Sha256::digest(typed.reveal()) == Sha256::digest(pin.reveal()) {
            guessers.remove(&key);
            return PinAnswer::Right;
        }
        self.metrics.pin_wrong();
        let in_a_row = known.map_or(0, |wrong| wrong.in_a_row).saturating_add(1);
        guessers.insert(key, Wrong { in_a_row, waits_until: now + wait_after(in_a_row) });
        PinAnswer::Wrong
    }
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

/// The agent of an id or of a login code, as in agent-state: an id goes first.
fn agent_named<'a>(copy: &'a TenantCopy, named: &str) -> Option<&'a Agent> {
    let by_id = agents(copy).find(|agent| agent.id == named);
    by_id.or_else(|| match copy.get(ObjectKind::AgentLogin, named) {
        Some(Object::AgentLogin(login)) => match copy.get(ObjectKind::Person, login.person.as_deref()?)? {
            Object::Person(person) if !login.disabled => person.agent.as_ref(),
            _ => None,
        },
        _ => agents(copy).find(|agent| agent.login_code == named),
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
