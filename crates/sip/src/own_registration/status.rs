//! The state of a registration, for operators.

use model::Timestamp;

use crate::header::Contact;
use crate::message::{Message, Start};
use crate::status::StatusCode;
use crate::unreached::Unreached;
use crate::uri::Uri;

/// The longest reason phrase that is kept, in bytes.
const PHRASE_MAX: usize = 64;
/// The longest host that is named, in bytes: no name is longer.
const HOST_MAX: usize = 255;

/// The state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// The registrar sends calls to us.
    Registered,
    /// Nothing has been answered yet.
    Trying,
    /// The user or the password is wrong.
    WrongPassword,
    /// The registrar does not want us.
    Refused,
    /// It does not answer, or has no time.
    Unreachable,
}

impl State {
    /// Every state.
    pub const ALL: &'static [Self] =
        &[Self::Registered, Self::Trying, Self::WrongPassword, Self::Refused, Self::Unreachable];

    /// As a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Trying => "trying",
            Self::WrongPassword => "wrong_password",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
        }
    }

    /// The state after an outcome without which nothing is registered.
    pub(super) fn of(outcome: &RegistrationOutcome) -> Self {
        match outcome.problem {
            // A registration that has run out since.
            None => Self::Trying,
            Some(Problem::Silence | Problem::Unreached(_) | Problem::Unavailable) => Self::Unreachable,
            Some(Problem::WrongPassword | Problem::Forbidden) => Self::WrongPassword,
            Some(_) => Self::Refused,
        }
    }
}

/// Why a round of requests has failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Problem {
    /// No answer came.
    Silence,
    /// A proxy of ours has not reached the registrar.
    Unreached(Unreached),
    /// The registrar has a failure or no time (408, 480, 5xx).
    Unavailable,
    /// It does not take the credentials.
    WrongPassword,
    /// It has forbidden what it was asked with credentials (403).
    Forbidden,
    /// It asks for something other than a digest that we know.
    UnknownChallenge,
    /// It wants a longer registration than is believed, or one that it does not name (423).
    TooBrief,
    /// It sends us to another host, or on a second time (3xx).
    Moved,
    /// It sends us to a place without TLS, where the registration goes by TLS (3xx).
    MovedInTheClear,
    /// It does not know the user (404).
    UnknownUser,
    /// It accepts the registration for no time at all.
    EndedAtOnce,
    /// Any other refusal.
    Refused,
}

impl Problem {
    /// What a failure status means that demands no further request at once.
    pub const fn of(status: StatusCode, with_credentials: bool) -> Self {
        match status.code() {
            300..=399 => Self::Moved,
            403 if with_credentials => Self::Forbidden,
            404 | 604 => Self::UnknownUser,
            423 => Self::TooBrief,
            408 | 480 | 500..=599 => Self::Unavailable,
            _ => Self::Refused,
        }
    }

    /// In plain words.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Silence => "the carrier says nothing",
            Self::Unreached(why) => why.in_words(),
            Self::Unavailable => "the carrier has a failure or no time",
            Self::WrongPassword => "the carrier does not take the user and password",
            Self::Forbidden => {
                "the carrier forbids it: many do so for a wrong password, or for an account that is locked"
            }
            Self::UnknownChallenge => "the carrier asks for a proof that is no digest with MD5, SHA-256 or SHA-512/256",
            Self::TooBrief => "the carrier wants a longer registration than a day, or does not say which",
            Self::Moved => "the carrier redirects the registration: that is followed once, and on the same host alone",
            Self::MovedInTheClear => "the carrier leads to a place without TLS, and the registration goes by TLS",
            Self::UnknownUser => "the carrier does not know the user",
            Self::EndedAtOnce => "the carrier ended the registration at once",
            Self::Refused => "the carrier refuses the registration",
        }
    }

    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Silence => {
                "check `contact` (address, port, transport) and what stands in between: firewall, NAT, the carrier's list of allowed addresses"
            }
            Self::Unreached(why) => why.remedy(),
            Self::Unavailable => "nothing, if it passes; else ask the carrier",
            Self::WrongPassword => {
                "correct `user` and `password` of the trunk and import the tenant: the new password is tried at once"
            }
            Self::Forbidden => {
                "check `user` and `password` of the trunk, and ask the carrier whether the account is locked"
            }
            Self::UnknownChallenge => "ask the carrier for registration with digest authentication",
            Self::TooBrief => "ask the carrier for the interval of registrations that it wants",
            Self::Moved => "write the host that the carrier names into `contact`, if it is the carrier's",
            Self::MovedInTheClear => {
                "ask the carrier to lead to a place with TLS (`sips:` or `;transport=tls`): nothing is sent there in the clear"
            }
            Self::UnknownUser => {
                "check `user`, and that `contact` is the registrar that the carrier has named for this account"
            }
            Self::EndedAtOnce => "ask the carrier why, and whether something else registers under this user",
            Self::Refused => "ask the carrier what it misses",
        }
    }
}

/// The last outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegistrationOutcome {
    /// When.
    pub at: Timestamp,
    /// The status line's code and phrase, of a redirection with the host to which it leads; none if no answer came.
    pub answer: Option<(u16, String)>,
    /// What was wrong; none for a success.
    pub problem: Option<Problem>,
}

impl RegistrationOutcome {
    pub(super) fn answer(response: &Message, status: StatusCode, at: Timestamp) -> Self {
        let phrase = match response.start() {
            Start::Response { reason, .. } => reason,
            Start::Request { .. } => "",
        };
        let mut phrase = phrase[..phrase.floor_char_boundary(PHRASE_MAX)].to_owned();
        if let Some(host) = host_of_redirection(response, status) {
            phrase = format!("{phrase}, to {host}");
        }
        Self { at, answer: Some((status.code(), phrase)), problem: None }
    }

    /// The registrar has not answered.
    pub(super) const fn without_answer(problem: Problem, at: Timestamp) -> Self {
        Self { at, answer: None, problem: Some(problem) }
    }
}

/// The host to which a redirection leads.
fn host_of_redirection(response: &Message, status: StatusCode) -> Option<String> {
    let mut contacts = response.contacts().filter(|_| matches!(status.code(), 300..=399)).filter_map(Result::ok);
    contacts.find_map(|contact| {
        let Contact::Address(address) = contact else { return None };
        let host = Uri::parse(address.raw_uri()).ok()?.host()?.as_str().to_owned();
        Some(host).filter(|host| host.len() <= HOST_MAX)
    })
}

/// What is known about a registration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegistrationStatus {
    /// The state.
    pub state: State,
    /// Until when the registrar keeps it.
    pub registered_until: Option<Timestamp>,
    /// The last outcome.
    pub last: Option<RegistrationOutcome>,
    /// When the next request is sent; none while one is under way, or no way leads out.
    pub next_try: Option<Timestamp>,
    /// Since when a round of requests is under way.
    pub asked_since: Option<Timestamp>,
}
