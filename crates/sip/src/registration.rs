//! Registration: where an address of record can be reached (RFC 3261 §10.3, RFC 3327). No state of its own: the bindings
//! that are known come in with the REGISTER, the bindings from now on and the answer go out.

use std::borrow::Cow;
use std::time::Duration;

use model::Timestamp;

use crate::header::{Contact, HeaderName};
use crate::message::Capabilities;
use crate::uri::Uri;
use crate::{Message, Method, StatusCode};

/// One place where an address of record can be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Binding {
    /// The contact URI.
    pub uri: String,
    /// The proxies that lead to it, outermost last (RFC 3327).
    pub path: Vec<String>,
    /// The Call-ID of the REGISTER that made it.
    pub call_id: String,
    /// The CSeq number of that REGISTER.
    pub cseq: u32,
    /// When it was made or refreshed.
    pub refreshed_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Preference in thousandths; 1000 where none was given.
    pub q: u16,
    /// What the phone says that it is.
    pub user_agent: Option<String>,
}

/// What a registrar allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The shortest time that a binding may be asked for; less is answered 423.
    pub expires_min: Duration,
    /// The longest time that is granted; more is cut down to it.
    pub expires_max: Duration,
    /// The time granted where none is asked for.
    pub expires_default: Duration,
    /// Contacts of one address of record; with more, the oldest go.
    pub contacts_max: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            expires_min: Duration::from_secs(30),
            expires_max: Duration::from_secs(3_600),
            expires_default: Duration::from_secs(600),
            contacts_max: 1,
        }
    }
}

/// What became of a REGISTER.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The bindings from now on, newest first. Nothing needs to be stored when they are those that were known.
    Accepted(Vec<Binding>),
    /// Nothing changes.
    Refused(StatusCode),
}

/// Methods that a registrar understands.
const METHODS: [Method; 1] = [Method::Register];
/// Extensions that it understands.
const EXTENSIONS: [&str; 1] = ["path"];

/// Applies a REGISTER to the bindings that are known.
pub fn register(request: &Message, known: &[Binding], policy: &Policy, now: Timestamp) -> Outcome {
    match bindings_after(request, known, policy, now) {
        Ok(bindings) => Outcome::Accepted(bindings),
        Err(status) => Outcome::Refused(status),
    }
}

/// The answer to a REGISTER, with a To tag.
pub fn answer(request: &Message, outcome: &Outcome, policy: &Policy, to_tag: &str, now: Timestamp) -> Message {
    let bindings = match outcome {
        Outcome::Accepted(bindings) => bindings,
        Outcome::Refused(status) => {
            let answer = Message::response_to(request, *status).to_tag(to_tag);
            return match *status {
                StatusCode::INTERVAL_TOO_BRIEF => {
                    answer.header(&HeaderName::MinExpires, policy.expires_min.as_secs()).build()
                }
                StatusCode::UNSUPPORTED_URI_SCHEME => answer.header(&HeaderName::Warning, UNCALLABLE).build(),
                _ => answer.build(),
            };
        }
    };
    let mut answer = Message::response_to(request, StatusCode::OK).to_tag(to_tag);
    for binding in bindings {
        let left = binding.expires_at.since(now).as_secs();
        answer = answer.header(&HeaderName::Contact, format_args!("<{}>;expires={left}", binding.uri));
    }
    // RFC 3327 §5.3: the Path of the request goes into the response for those who know it.
    if request.has_token(&HeaderName::Supported, "path") {
        for path in request.elements(&HeaderName::Path) {
            answer = answer.header(&HeaderName::Path, path);
        }
    }
    answer.build()
}

/// Why the request is none that a registrar serves, with the header that says what it would serve.
pub fn unserved(request: &Message) -> Option<crate::message::Refusal> {
    request.refusal(&Capabilities {
        required_by: &HeaderName::Require,
        extensions: &EXTENSIONS,
        methods: &METHODS,
        bodies: &[],
    })
}

fn bindings_after(
    request: &Message,
    known: &[Binding],
    policy: &Policy,
    now: Timestamp,
) -> Result<Vec<Binding>, StatusCode> {
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    let contacts: Vec<Contact<'_>> = request.contacts().collect::<Result<_, _>>().map_err(|_| BAD)?;
    let call_id = request.call_id().map_err(|_| BAD)?;
    let cseq = request.cseq().map_err(|_| BAD)?.number;
    // §10.2.1.1: a malformed value counts as an hour.
    let expires = request.expires().unwrap_or(Some(EXPIRES_MALFORMED));
    let live = known.iter().filter(|binding| binding.expires_at > now).map(Cow::Borrowed);
    let mut bindings: Vec<Cow<'_, Binding>> = live.collect();
    if contacts.iter().any(|contact| matches!(contact, Contact::Star)) {
        // §10.3 step 6: `*` stands alone, and only for the removal of everything.
        if contacts.len() > 1 || expires != Some(0) {
            return Err(BAD);
        }
        if bindings.iter().any(|binding| is_out_of_order(binding, call_id, cseq)) {
            return Err(StatusCode::SERVER_INTERNAL_ERROR);
        }
        return Ok(Vec::new());
    }
    for contact in &contacts {
        let Contact::Address(address) = contact else { continue };
        let uri = address.uri().map_err(|_| BAD)?;
        let at = bindings.iter().position(|binding| is_same(&binding.uri, &uri));
        if at.is_some_and(|at| is_out_of_order(&bindings[at], call_id, cseq)) {
            // §10.3 step 7: an overtaken REGISTER changes nothing at all.
            return Err(StatusCode::SERVER_INTERNAL_ERROR);
        }
        let granted = granted(address.expires().or(expires), policy)?;
        if let Some(at) = at {
            bindings.remove(at);
        }
        if granted.is_some() && !uri.is_sip() {
            // Nobody could be called there: the phone that registers it is to know.
            return Err(StatusCode::UNSUPPORTED_URI_SCHEME);
        }
        if let Some(granted) = granted {
            let binding = Binding {
                uri: uri.to_string(),
                path: request.elements(&HeaderName::Path).map(str::to_owned).collect(),
                call_id: call_id.to_owned(),
                cseq,
                refreshed_at: now,
                expires_at: now + granted,
                q: address.q().unwrap_or(1_000),
                user_agent: request.header(&HeaderName::UserAgent).map(str::to_owned),
            };
            bindings.insert(0, Cow::Owned(binding));
        }
    }
    bindings.truncate(policy.contacts_max);
    Ok(bindings.into_iter().map(Cow::into_owned).collect())
}

/// Why a Contact is refused (RFC 3261 §20.43).
const UNCALLABLE: &str = "399 registrar \"Only a sip: Contact can be called\"";

/// What a malformed expiration time counts as, in seconds (RFC 3261 section 10.2.1.1).
const EXPIRES_MALFORMED: u32 = 3_600;

/// The time that a binding gets; `None` removes it.
fn granted(asked: Option<u32>, policy: &Policy) -> Result<Option<Duration>, StatusCode> {
    match asked.map(u64::from).map(Duration::from_secs) {
        None => Ok(Some(policy.expires_default)),
        Some(Duration::ZERO) => Ok(None),
        Some(asked) if asked < policy.expires_min => Err(StatusCode::INTERVAL_TOO_BRIEF),
        Some(asked) => Ok(Some(asked.min(policy.expires_max))),
    }
}

fn is_out_of_order(binding: &Binding, call_id: &str, cseq: u32) -> bool {
    binding.call_id == call_id && cseq <= binding.cseq
}

fn is_same(known: &str, uri: &Uri<'_>) -> bool {
    Uri::parse(known).is_ok_and(|known| known.equivalent(uri))
}

#[cfg(test)]
mod tests;
