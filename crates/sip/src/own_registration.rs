//! Our registration at somebody else's registrar, as a carrier's (RFC 3261 §10.2): it is made, refreshed well before its end, tried again
//! after failures, and removed.
//!
//! Drive loop: `handle_*(input, now)`; then [`OwnRegistration::poll_request`] until it is `None`, each request with a Via of the shell's own;
//! then wait until [`OwnRegistration::next_timeout`] or the next input. One request at a time waits for its answer.

mod back_off;
mod round;
mod status;

use std::time::Duration;

use model::{Entropy, Timestamp};

use crate::agent::{ALLOW, AgentCredentials};
use crate::digest;
use crate::grant::{EXPIRES_MAX, granted};
use crate::header::{CSeq, HeaderName};
use crate::message::Message;
use crate::method::Method;
use crate::service_route::{self, Unfollowed};
use crate::status::StatusCode;
use crate::uri::escape::escape_user;
use back_off::BackOff;
pub use back_off::{LAST_PAUSE, WRONG_PASSWORD_PAUSE};
use round::Round;
pub use status::{Problem, RegistrationOutcome, RegistrationStatus, State};

/// The registration that is asked for.
pub const EXPIRES_ASKED: Duration = Duration::from_secs(3_600);
/// A granted registration is refreshed no sooner than this, however short it is.
pub const REFRESH_MIN: Duration = Duration::from_secs(5);
/// How long after its last answer a registrar is asked again at the earliest because a connection has closed: one that closes each of them
/// would be asked without end.
pub const AGAIN_MIN: Duration = Duration::from_secs(60);
/// Nonces whose uses are counted: that of a proxy and that of the registrar behind it.
const NONCES_MAX: usize = 2;

/// Where to register, and as whom.
#[derive(Clone, Debug)]
pub struct Account {
    /// The registrar: `host:port`, with URI parameters as `;transport=tcp` behind it.
    pub registrar: String,
    /// The domain of the account, where that is not the registrar's host.
    pub domain: Option<String>,
    /// The user of the account.
    pub user: String,
    /// The user name and the password that answer challenges.
    pub credentials: AgentCredentials,
}

/// What is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Goal {
    Registered,
    Removed,
}

/// What is going on.
#[derive(Debug)]
enum RegistrationPhase {
    /// No way leads out.
    Cut,
    /// The next request is due then.
    Waiting { due: Timestamp },
    /// A request is to be sent.
    Ready(Box<Round>),
    /// A request waits for its answer.
    Asked(Box<Round>),
    /// It is over.
    Over,
}

/// One registration.
pub struct OwnRegistration {
    account: Account,
    goal: Goal,
    phase: RegistrationPhase,
    /// Where we are reached, `host:port`; none while no way leads out.
    edge: Option<String>,
    /// The Contact that the registrar knows, and until when.
    bound: Option<(String, Timestamp)>,
    /// The way by which the registrar wants our requests to go (RFC 3608), for as long as that lasts, or why it is not followed.
    service_route: Result<Vec<String>, Unfollowed>,
    /// What is asked for; a registrar may want more.
    expires: Duration,
    back_off: BackOff,
    /// A registrar that has refused us is not asked before.
    not_before: Timestamp,
    /// Whether the password has changed or the connection has closed while a request waited: a failure of that one says nothing, and the next
    /// follows at once.
    is_excused: bool,
    /// Whether the registrar has taken this password: what it refuses then is rather its own confusion.
    is_proved: bool,
    call_id: String,
    tag: String,
    cseq: u32,
    nonces: Vec<(String, u32)>,
    last: Option<RegistrationOutcome>,
    entropy: Box<dyn Entropy>,
}

// === impl OwnRegistration: lifecycle ===

impl OwnRegistration {
    /// A registration that begins as soon as a way leads out. `host` is the right side of its Call-ID.
    pub fn new(account: Account, host: &str, mut entropy: Box<dyn Entropy>) -> Self {
        let call_id = format!("{:016x}{:016x}@{host}", entropy.next_u64(), entropy.next_u64());
        let tag = format!("{:016x}", entropy.next_u64());
        Self {
            account,
            goal: Goal::Registered,
            phase: RegistrationPhase::Cut,
            edge: None,
            bound: None,
            service_route: Ok(Vec::new()),
            expires: EXPIRES_ASKED,
            back_off: BackOff::default(),
            not_before: Timestamp::default(),
            is_excused: false,
            is_proved: false,
            call_id,
            tag,
            cseq: 0,
            nonces: Vec::new(),
            last: None,
            entropy,
        }
    }

    /// The account.
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// Its present state.
    pub fn status(&self, now: Timestamp) -> RegistrationStatus {
        let registered_until = self.bound.as_ref().map(|(_, until)| *until).filter(|until| *until > now);
        let state = match &self.last {
            _ if registered_until.is_some() => State::Registered,
            None => State::Trying,
            Some(outcome) => State::of(outcome),
        };
        let next_try = match &self.phase {
            RegistrationPhase::Waiting { due } => Some(*due),
            RegistrationPhase::Ready(_) | RegistrationPhase::Asked(_) => Some(now),
            RegistrationPhase::Cut | RegistrationPhase::Over => None,
        };
        RegistrationStatus { state, registered_until, last: self.last.clone(), next_try }
    }

    /// The routes by which the registrar wants our requests to go, nearest first, or why they are not followed; and when the registration
    /// ends that they came with. `None` if there is no registration.
    pub fn service_route(&self, now: Timestamp) -> Option<(Result<&[String], Unfollowed>, Timestamp)> {
        let (_, until) = self.bound.as_ref().filter(|(_, until)| *until > now)?;
        Some((self.service_route.as_deref().map_err(|why| *why), *until))
    }

    /// Whether nothing is to be done any more: it was to be removed, and is or cannot be.
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, RegistrationPhase::Over)
    }

    /// When to call [`Self::handle_timeout`] next.
    pub const fn next_timeout(&self) -> Option<Timestamp> {
        match &self.phase {
            RegistrationPhase::Waiting { due } => Some(*due),
            _ => None,
        }
    }
}

// === impl OwnRegistration: inputs ===

impl OwnRegistration {
    /// The way out now: the address at which we are reached, or none. Another way than before is registered at once; so is the same one
    /// after it was gone, since a carrier may send calls by the connection that broke.
    pub fn handle_way(&mut self, edge: Option<&str>, now: Timestamp) {
        if self.edge.as_deref() == edge || self.is_over() {
            return;
        }
        self.edge = edge.map(str::to_owned);
        let soon = now + self.jitter(back_off::AT_ONCE);
        self.phase = match (&self.edge, self.goal) {
            (None, Goal::Removed) => RegistrationPhase::Over,
            (None, Goal::Registered) => RegistrationPhase::Cut,
            (Some(_), _) => RegistrationPhase::Waiting { due: soon.max(self.not_before) },
        };
    }

    /// The connection by which we are registered has closed, and a carrier that calls by it does not reach us: it is registered again at once.
    pub fn handle_closed(&mut self, now: Timestamp) {
        let again = self.last.as_ref().map_or(now, |last| last.at + AGAIN_MIN);
        let soon = (now + self.jitter(back_off::AT_ONCE)).max(again).max(self.not_before);
        match &mut self.phase {
            RegistrationPhase::Waiting { due } => *due = soon.min(*due),
            // It may have gone by that connection.
            RegistrationPhase::Asked(_) => self.is_excused = true,
            RegistrationPhase::Ready(_) | RegistrationPhase::Cut | RegistrationPhase::Over => {}
        }
    }

    /// Another password: it is tried at once.
    pub fn handle_password(&mut self, password: String, now: Timestamp) {
        if self.account.credentials.password == password {
            return;
        }
        self.account.credentials.password = password;
        (self.back_off, self.not_before, self.is_proved) = (BackOff::default(), now, false);
        match &mut self.phase {
            RegistrationPhase::Waiting { due } => *due = now,
            RegistrationPhase::Ready(_) | RegistrationPhase::Asked(_) => self.is_excused = true,
            RegistrationPhase::Cut | RegistrationPhase::Over => {}
        }
    }

    /// It is not wanted any more: it is removed from the registrar, with one round of requests.
    pub fn end(&mut self, now: Timestamp) {
        self.goal = Goal::Removed;
        let is_known = self.bound.as_ref().is_some_and(|(_, until)| *until > now);
        match &self.phase {
            // Its answer decides.
            RegistrationPhase::Asked(_) | RegistrationPhase::Over => {}
            RegistrationPhase::Cut => self.phase = RegistrationPhase::Over,
            RegistrationPhase::Waiting { .. } | RegistrationPhase::Ready(_) if is_known => {
                self.phase = RegistrationPhase::Waiting { due: now }
            }
            RegistrationPhase::Waiting { .. } | RegistrationPhase::Ready(_) => self.phase = RegistrationPhase::Over,
        }
        self.handle_timeout(now);
    }

    /// It is not wanted any more here, and stays at the registrar: somebody else goes on with it.
    pub fn leave(&mut self) {
        (self.goal, self.phase) = (Goal::Removed, RegistrationPhase::Over);
    }

    /// Begins what is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if matches!(self.phase, RegistrationPhase::Waiting { due } if due <= now) {
            self.phase = match (self.round(now), self.goal) {
                (Some(round), _) => RegistrationPhase::Ready(Box::new(round)),
                (None, Goal::Registered) => RegistrationPhase::Cut,
                (None, Goal::Removed) => RegistrationPhase::Over,
            };
        }
    }

    /// The request to send now, without a Via.
    pub fn poll_request(&mut self) -> Option<Message> {
        let phase = std::mem::replace(&mut self.phase, RegistrationPhase::Cut);
        let RegistrationPhase::Ready(mut round) = phase else {
            self.phase = phase;
            return None;
        };
        self.cseq = self.cseq % CSeq::MAX + 1;
        round.request.set(&HeaderName::CSeq, CSeq { number: self.cseq, method: Method::Register });
        let request = round.request.clone();
        self.phase = RegistrationPhase::Asked(round);
        Some(request)
    }

    /// A response to the request that waits; provisional ones decide nothing.
    pub fn handle_response(&mut self, response: &Message, now: Timestamp) {
        let Some(status) = response.status().filter(|status| status.is_final()) else { return };
        let phase = std::mem::replace(&mut self.phase, RegistrationPhase::Cut);
        let RegistrationPhase::Asked(round) = phase else {
            self.phase = phase;
            return;
        };
        if status.is_success() {
            self.last = Some(RegistrationOutcome::answer(response, status, now));
            return self.succeeded(response, &round, now);
        }
        let removes = round.removes;
        match self.after(round, response, status) {
            Ok(round) => self.phase = RegistrationPhase::Ready(round),
            Err(problem) => {
                let outcome = RegistrationOutcome {
                    problem: Some(problem),
                    ..RegistrationOutcome::answer(response, status, now)
                };
                self.failed(outcome, removes, retry_after(response), now);
            }
        }
    }

    /// The request that waits gets no answer.
    pub fn handle_silence(&mut self, now: Timestamp) {
        if let RegistrationPhase::Asked(round) = &self.phase {
            let removes = round.removes;
            self.failed(RegistrationOutcome::silence(now), removes, None, now);
        }
    }
}

// === impl OwnRegistration: outcomes ===

impl OwnRegistration {
    fn succeeded(&mut self, response: &Message, round: &Round, now: Timestamp) {
        (self.back_off, self.is_excused, self.is_proved) = (BackOff::default(), false, true);
        if round.removes {
            self.bound = None;
            self.phase = RegistrationPhase::Over;
            return;
        }
        let granted = granted(response, &round.contact).unwrap_or(self.expires).min(EXPIRES_MAX);
        if granted.is_zero() {
            self.bound = None;
            let outcome = RegistrationOutcome {
                problem: Some(Problem::EndedAtOnce),
                ..RegistrationOutcome::answer(response, StatusCode::OK, now)
            };
            return self.failed(outcome, false, None, now);
        }
        self.bound = Some((round.contact.clone(), now + granted));
        // §6.1 of RFC 3608: that of each answer takes the place of the one before.
        let is_secure = transport_of(&self.account.registrar).is_some_and(|name| name.eq_ignore_ascii_case("tls"));
        self.service_route = service_route::of(response).and_then(|routes| {
            let is_in_the_clear = is_secure && !routes.is_empty() && !service_route::begins_secure(&routes);
            if is_in_the_clear { Err(Unfollowed::InTheClear) } else { Ok(routes) }
        });
        // Half of the time is left for further attempts; an unanswered request takes 32 s of it.
        let due = now + (granted / 2).max(REFRESH_MIN) + self.jitter(granted / 10);
        self.phase = RegistrationPhase::Waiting { due };
        self.go_on(now);
    }

    fn failed(&mut self, outcome: RegistrationOutcome, removes: bool, at_least: Option<Duration>, now: Timestamp) {
        let state = State::of(&outcome);
        self.last = Some(outcome);
        if self.goal == Goal::Removed {
            self.phase = if removes { RegistrationPhase::Over } else { RegistrationPhase::Waiting { due: now } };
            return self.end(now);
        }
        let pause = match std::mem::take(&mut self.is_excused) {
            true => Duration::ZERO,
            false => {
                let is_confused = state == State::WrongPassword && self.is_proved;
                let taken_for = if is_confused { State::Refused } else { state };
                self.back_off.next(taken_for, self.entropy.as_mut()).max(at_least.unwrap_or_default())
            }
        };
        let due = now + pause;
        // A registrar that has refused us, or has said when, is not asked sooner because a way out has changed.
        self.not_before = if state == State::Unreachable && at_least.is_none() { now } else { due };
        self.phase = if self.edge.is_some() { RegistrationPhase::Waiting { due } } else { RegistrationPhase::Cut };
    }

    /// What was decided while a request waited.
    fn go_on(&mut self, now: Timestamp) {
        match (self.goal, &self.edge, &self.bound) {
            (Goal::Removed, ..) => self.end(now),
            (Goal::Registered, Some(_), Some((bound, _))) if self.contact().as_ref() != Some(bound) => {
                self.phase = RegistrationPhase::Waiting { due: now };
            }
            (Goal::Registered, None, _) => self.phase = RegistrationPhase::Cut,
            (Goal::Registered, ..) => {}
        }
    }

    fn jitter(&mut self, most: Duration) -> Duration {
        let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.entropy.below(millis + 1))
    }
}

// === impl OwnRegistration: requests ===

impl OwnRegistration {
    /// A round that registers the present Contact, or removes the one that the registrar knows.
    fn round(&self, now: Timestamp) -> Option<Round> {
        let removes = self.goal == Goal::Removed;
        let known = self.bound.as_ref().filter(|(_, until)| *until > now).map(|(contact, _)| contact.as_str());
        let contact = if removes { known?.to_owned() } else { self.contact()? };
        // §10.2: the address of record has no port.
        let Account { registrar, domain, user, .. } = &self.account;
        let host = domain.as_deref().unwrap_or_else(|| host_of(registrar));
        let record = format!("<sip:{}@{host}>", escape_user(user));
        let mut request =
            Message::request(Method::Register, format_args!("sip:{}", domain.as_ref().unwrap_or(registrar)))
                .header(&HeaderName::MaxForwards, 70)
                .header(&HeaderName::From, format_args!("{record};tag={}", self.tag))
                .header(&HeaderName::To, &record)
                .header(&HeaderName::CallId, &self.call_id)
                .header(&HeaderName::CSeq, CSeq { number: self.cseq, method: Method::Register })
                .header(&HeaderName::Contact, format_args!("<{contact}>"))
                // A carrier that answers no OPTIONS may still register.
                .header(&crate::proxy::headers::INSIST, 1);
        // The registrar of another domain is on the way there.
        if domain.is_some() {
            request = request.header(&HeaderName::Route, format_args!("<sip:{registrar};lr>"));
        }
        // Where calls no longer reach us, none may be sent to.
        if let Some(former) = known.filter(|known| *known != contact) {
            request = request.header(&HeaderName::Contact, format_args!("<{former}>;expires=0"));
        }
        let expires = if removes { 0 } else { self.expires.as_secs() };
        let request = request.header(&HeaderName::Expires, expires).header(&HeaderName::Allow, ALLOW).build();
        Some(Round { request, contact, removes, challenges: 0, is_lengthened: false, is_moved: false })
    }

    /// Where we are reached now.
    fn contact(&self) -> Option<String> {
        let edge = self.edge.as_deref()?;
        let uri = format!("sip:{}@{edge}", escape_user(&self.account.user));
        let transport = transport_of(&self.account.registrar);
        Some(if transport.is_some_and(|t| t.eq_ignore_ascii_case("tcp")) { uri + ";transport=tcp" } else { uri })
    }

    fn uses(&mut self, nonce: &str) -> u32 {
        let known = self.nonces.iter().position(|(used, _)| used == nonce);
        let count = known.map_or(0, |at| self.nonces.remove(at).1).saturating_add(1);
        if self.nonces.len() >= NONCES_MAX {
            self.nonces.remove(0);
        }
        self.nonces.push((nonce.to_owned(), count));
        count
    }

    /// Puts credentials into a request that was challenged.
    fn authorize(&mut self, request: &mut Message, response: &Message) -> Result<(), digest::Unanswered> {
        let AgentCredentials { user, password } = self.account.credentials.clone();
        digest::authorize(request, response, |challenge, request| {
            let cnonce = format!("{:016x}", self.entropy.next_u64());
            let count = self.uses(&challenge.nonce);
            let uri = request.request_uri().unwrap_or_default();
            digest::respond(challenge, &user, &password, Method::Register.as_str(), uri, &cnonce, count).to_string()
        })
    }
}

fn retry_after(response: &Message) -> Option<Duration> {
    let seconds = response.retry_after().ok().flatten()?;
    Some(Duration::from_secs(seconds.into()).min(LAST_PAUSE))
}

/// The host of `host:port;parameters`.
fn host_of(registrar: &str) -> &str {
    let address = registrar.split(';').next().unwrap_or_default();
    match address.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => address,
    }
}

fn transport_of(registrar: &str) -> Option<&str> {
    registrar.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("transport="))
}

impl std::fmt::Debug for OwnRegistration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnRegistration").field("account", &self.account).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
