//! Registration: where an address of record can be reached (RFC 3261 §10.3, RFC 3327), by which flows (RFC 5626 §6), and the GRUUs of
//! its phones (RFC 5627 §5). It keeps no state: known bindings come in with the REGISTER; the new bindings and the answer go out.

use std::borrow::Cow;
use std::time::Duration;

use model::Timestamp;

use crate::header::{Contact, HeaderName, NameAddr};
use crate::instance::{Instance, flow_of};
use crate::message::Capabilities;
use crate::params::quote;
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
    /// When it expires.
    pub expires_at: Timestamp,
    /// Preference in thousandths; 1000 where none was given.
    pub q: u16,
    /// The phone's User-Agent.
    pub user_agent: Option<String>,
    /// The phone, if it has named itself.
    pub instance: Option<Instance>,
    /// The flow of that phone which the binding is (RFC 5626 §4.2); without one it is a Contact, as RFC 3261 has it.
    pub reg_id: Option<u32>,
}

impl Binding {
    /// Whether both are flows of one phone.
    pub fn is_flow_beside(&self, other: &Self) -> bool {
        self.reg_id.is_some() && other.reg_id.is_some() && self.instance.is_some() && self.instance == other.instance
    }
}

/// What a registrar allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The shortest expiration that may be requested; less is answered 423.
    pub expires_min: Duration,
    /// The longest expiration that is granted; more is reduced to it.
    pub expires_max: Duration,
    /// The expiration granted when none is requested.
    pub expires_default: Duration,
    /// The most phones of one address of record; beyond it, the oldest are removed. The flows of a phone count as one, and so does a
    /// Contact that is no flow.
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

/// The outcome of a REGISTER.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The bindings from now on, newest first. Nothing needs to be stored if they equal the known ones.
    Accepted(Vec<Binding>),
    /// Nothing changes.
    Refused(StatusCode),
    /// Nothing changes: the request exceeds a limit on one phone's data. Answered 400, with the limit.
    Excessive(Excess),
}

/// The limit that a REGISTER exceeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Excess {
    /// More than [`CONTACTS_MAX`] Contacts.
    Contacts,
    /// A Contact URI of more than [`CONTACT_BYTES_MAX`].
    Contact,
    /// More than [`PATHS_MAX`] Paths, or more than [`PATH_BYTES_MAX`] of them.
    Path,
    /// A Call-ID of more than [`CALL_ID_BYTES_MAX`].
    CallId,
}

/// The most Contacts of one REGISTER, and of one address of record whatever the policy says: each is compared with every known
/// one. No user is known to have more devices.
pub const CONTACTS_MAX: usize = 16;
/// The most flows of one phone; beyond it, the oldest are removed. RFC 5626 §4.2 wants two, and a phone that goes by more servers than
/// four gains nothing.
pub const FLOWS_MAX: usize = 4;
/// The most bytes of a Contact URI. Those of mobile phones contain a push token of some hundred bytes.
pub const CONTACT_BYTES_MAX: usize = 2_048;
/// The most elements of Path: each becomes a Route of every call to the phone. A few edges may stand in a row, not nine.
pub const PATHS_MAX: usize = 8;
/// The most bytes of all of them. Ours, a sealed token with an address, has some hundred.
pub const PATH_BYTES_MAX: usize = 4_096;
/// The most bytes of a Call-ID, which is stored in each binding. Phones use some tens.
pub const CALL_ID_BYTES_MAX: usize = 1_024;
/// The most bytes kept of a User-Agent; the rest is cut off.
pub const USER_AGENT_BYTES_MAX: usize = 256;

/// The option tag of flows (RFC 5626 §11.4).
const OUTBOUND: &str = "outbound";
/// Methods that a registrar understands.
const METHODS: [Method; 1] = [Method::Register];
/// Extensions that a registrar understands.
const EXTENSIONS: [&str; 3] = ["gruu", "outbound", "path"];

/// Applies a REGISTER to the known bindings.
pub fn register(request: &Message, known: &[Binding], policy: &Policy, now: Timestamp) -> Outcome {
    match bindings_after(request, known, policy, now) {
        Ok(bindings) => Outcome::Accepted(bindings),
        Err(outcome) => outcome,
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
        Outcome::Excessive(excess) => {
            let answer = Message::response_to(request, StatusCode::BAD_REQUEST).to_tag(to_tag);
            return answer.header(&HeaderName::Warning, format_args!("399 registrar \"{}\"", excess.rule())).build();
        }
    };
    let mut answer = Message::response_to(request, StatusCode::OK).to_tag(to_tag);
    let aor = request.to().ok().filter(|_| request.has_token(&HeaderName::Supported, "gruu"));
    let aor = aor.as_ref().and_then(|to| to.uri().ok());
    for binding in bindings {
        answer = answer.header(&HeaderName::Contact, contact(binding, aor.as_ref(), now));
    }
    if wants_flow(request) {
        // §6: so the phone knows that its flows count as such.
        answer = answer.header(&HeaderName::Require, OUTBOUND);
    }
    // RFC 3327 §5.3: the response repeats the Path of the request if the phone supports it.
    if request.has_token(&HeaderName::Supported, "path") {
        for path in request.elements(&HeaderName::Path) {
            answer = answer.header(&HeaderName::Path, path);
        }
    }
    answer.build()
}

/// A binding as the answer has it. A phone finds its own by the instance, and its GRUU there (RFC 5627 §5.1).
fn contact(binding: &Binding, aor: Option<&Uri<'_>>, now: Timestamp) -> String {
    let left = binding.expires_at.since(now).as_secs();
    let flow = binding.reg_id.map(|reg_id| format!(";reg-id={reg_id}")).unwrap_or_default();
    let instance = binding.instance.as_ref();
    let named = instance.map(|instance| format!(";+sip.instance={}", quote(&format!("<{instance}>"))));
    let gruu = instance.zip(aor).and_then(|(instance, aor)| instance.public_gruu(aor));
    let gruu = gruu.map(|gruu| format!(";pub-gruu={}", quote(&gruu)));
    format!("<{}>;expires={left}{}{flow}{}", binding.uri, named.unwrap_or_default(), gruu.unwrap_or_default())
}

/// Whether the request makes, refreshes or removes a flow: one of a phone that knows them, by an edge that keeps them (RFC 5626 §6).
/// Where the edge does not, the Contact is one as any other, and the answer says so by its silence.
fn wants_flow(request: &Message) -> bool {
    let is_kept = |path: &str| {
        let path = NameAddr::parse(path).ok();
        path.and_then(|path| path.uri().ok()).is_some_and(|uri| uri.params().contains("ob"))
    };
    request.has_token(&HeaderName::Supported, OUTBOUND)
        && request.elements(&HeaderName::Path).next().is_some_and(is_kept)
        && request.contacts().filter_map(Result::ok).any(|contact| contact.address().and_then(flow_of).is_some())
}

/// Why a registrar refuses the request, with the header that says what it supports.
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
) -> Result<Vec<Binding>, Outcome> {
    const BAD: Outcome = Outcome::Refused(StatusCode::BAD_REQUEST);
    const OVERTAKEN: Outcome = Outcome::Refused(StatusCode::SERVER_INTERNAL_ERROR);
    let said = Said::of(request)?;
    // §10.2.1.1: a malformed value counts as one hour.
    let expires = request.expires().unwrap_or(Some(EXPIRES_MALFORMED));
    let live = known.iter().filter(|binding| binding.expires_at > now).map(Cow::Borrowed);
    let mut bindings: Vec<Cow<'_, Binding>> = live.take(CONTACTS_MAX).collect();
    if said.contacts.iter().any(|contact| matches!(contact, Contact::Star)) {
        // §10.3 step 6: `*` must be alone, and only removes everything.
        if said.contacts.len() > 1 || expires != Some(0) {
            return Err(BAD);
        }
        if bindings.iter().any(|binding| said.is_overtaken(binding)) {
            return Err(OVERTAKEN);
        }
        return Ok(Vec::new());
    }
    // Bindings of this request stand in front.
    let mut written = 0;
    for contact in &said.contacts {
        let Contact::Address(address) = contact else { continue };
        let uri = address.uri().map_err(|_| BAD)?;
        let place = said.place(address, uri);
        let replaced: Vec<usize> = (0..bindings.len()).filter(|at| place.is_of(&bindings[*at])).collect();
        if replaced.iter().any(|at| *at >= written && said.is_overtaken(&bindings[*at])) {
            // §10.3 step 7: an outdated REGISTER changes nothing.
            return Err(OVERTAKEN);
        }
        let granted = granted(address.expires().or(expires), policy).map_err(Outcome::Refused)?;
        for at in replaced.into_iter().rev() {
            bindings.remove(at);
            written -= usize::from(at < written);
        }
        let Some(granted) = granted else { continue };
        if !uri.is_sip() {
            // Such a Contact could not be called: the phone must be told.
            return Err(Outcome::Refused(StatusCode::UNSUPPORTED_URI_SCHEME));
        }
        bindings.insert(0, Cow::Owned(said.binding(place, address, now, granted)?));
        written += 1;
    }
    Ok(newest(bindings, policy.contacts_max))
}

/// The newest phones, and of each its newest flows.
fn newest(bindings: Vec<Cow<'_, Binding>>, phones_max: usize) -> Vec<Binding> {
    let mut kept: Vec<Cow<'_, Binding>> = Vec::with_capacity(bindings.len());
    let mut phones = 0;
    for binding in bindings {
        let flows = kept.iter().filter(|other| other.is_flow_beside(&binding)).count();
        let is_kept = if flows == 0 { phones < phones_max } else { flows < FLOWS_MAX };
        if is_kept {
            phones += usize::from(flows == 0);
            kept.push(binding);
        }
    }
    kept.truncate(CONTACTS_MAX);
    kept.into_iter().map(Cow::into_owned).collect()
}

/// What binding a Contact is: it replaces that one, and nothing else.
struct BindingKey<'a> {
    uri: Uri<'a>,
    flow: Option<(Instance, u32)>,
}

impl BindingKey<'_> {
    /// Whether the binding is the one of this place. A flow is its phone's whatever its URI (RFC 5626 §6). It also takes the place of a
    /// Contact that was no flow, with its URI or of its phone; and a Contact that is none is meant by its URI alone.
    fn is_of(&self, binding: &Binding) -> bool {
        let has_uri = || Uri::parse(&binding.uri).is_ok_and(|known| known.equivalent(&self.uri));
        match (&self.flow, binding.reg_id) {
            (Some((instance, reg_id)), Some(known)) => *reg_id == known && binding.instance.as_ref() == Some(instance),
            // The phone registered otherwise before, as by an edge that knew of no flows: it would ring twice.
            (Some((instance, _)), None) => has_uri() || binding.instance.as_ref() == Some(instance),
            (None, _) => has_uri(),
        }
    }
}

/// The contents of a REGISTER that concern all its Contacts, within the limits.
struct Said<'a> {
    contacts: Vec<Contact<'a>>,
    call_id: &'a str,
    cseq: u32,
    path: Vec<&'a str>,
    user_agent: Option<&'a str>,
    /// Whether its Contacts may be flows.
    has_flows: bool,
}

impl<'a> Said<'a> {
    fn of(request: &'a Message) -> Result<Self, Outcome> {
        const BAD: Outcome = Outcome::Refused(StatusCode::BAD_REQUEST);
        let contacts: Vec<Contact<'_>> =
            request.contacts().take(CONTACTS_MAX + 1).collect::<Result<_, _>>().map_err(|_| BAD)?;
        if contacts.len() > CONTACTS_MAX {
            return Err(Outcome::Excessive(Excess::Contacts));
        }
        let path: Vec<&str> = request.elements(&HeaderName::Path).take(PATHS_MAX + 1).collect();
        if path.len() > PATHS_MAX || path.iter().map(|path| path.len()).sum::<usize>() > PATH_BYTES_MAX {
            return Err(Outcome::Excessive(Excess::Path));
        }
        let call_id = request.call_id().map_err(|_| BAD)?;
        if call_id.len() > CALL_ID_BYTES_MAX {
            return Err(Outcome::Excessive(Excess::CallId));
        }
        let has_flows = wants_flow(request);
        let all = request.expires().unwrap_or_default();
        let is_made = |contact: &&NameAddr<'_>| flow_of(contact).is_some() && contact.expires().or(all) != Some(0);
        if has_flows && contacts.iter().filter_map(Contact::address).filter(is_made).count() > 1 {
            // RFC 5626 §6: one request came by one flow.
            return Err(BAD);
        }
        let cseq = request.cseq().map_err(|_| BAD)?.number;
        let user_agent = request.header(&HeaderName::UserAgent);
        let user_agent = user_agent.map(|text| &text[..text.floor_char_boundary(USER_AGENT_BYTES_MAX)]);
        Ok(Self { contacts, call_id, cseq, path, user_agent, has_flows })
    }

    fn place<'u>(&self, contact: &NameAddr<'_>, uri: Uri<'u>) -> BindingKey<'u> {
        BindingKey { uri, flow: flow_of(contact).filter(|_| self.has_flows) }
    }

    fn binding(
        &self,
        place: BindingKey<'_>,
        contact: &NameAddr<'_>,
        now: Timestamp,
        granted: Duration,
    ) -> Result<Binding, Outcome> {
        let BindingKey { uri, flow } = place;
        let uri = uri.to_string();
        let reg_id = flow.as_ref().map(|(_, reg_id)| *reg_id);
        let instance = flow.map(|(instance, _)| instance).or_else(|| Instance::of(contact));
        if uri.len() > CONTACT_BYTES_MAX {
            return Err(Outcome::Excessive(Excess::Contact));
        }
        Ok(Binding {
            uri,
            path: self.path.iter().map(|&path| path.to_owned()).collect(),
            call_id: self.call_id.to_owned(),
            cseq: self.cseq,
            refreshed_at: now,
            expires_at: now + granted,
            q: contact.q().unwrap_or(1_000),
            user_agent: self.user_agent.map(str::to_owned),
            instance,
            reg_id,
        })
    }

    /// §10.3 step 7: whether the known binding is newer.
    fn is_overtaken(&self, binding: &Binding) -> bool {
        binding.call_id == self.call_id && self.cseq <= binding.cseq
    }
}

impl Excess {
    /// The limit as text for the phone.
    fn rule(self) -> String {
        match self {
            Self::Contacts => format!("At most {CONTACTS_MAX} Contacts"),
            Self::Contact => format!("A Contact has at most {CONTACT_BYTES_MAX} bytes"),
            Self::Path => format!("At most {PATHS_MAX} Paths of {PATH_BYTES_MAX} bytes together"),
            Self::CallId => format!("A Call-ID has at most {CALL_ID_BYTES_MAX} bytes"),
        }
    }
}

/// Why a Contact is refused (RFC 3261 §20.43).
const UNCALLABLE: &str = "399 registrar \"Only a sip: Contact can be called\"";

/// The expiration in seconds that a malformed one counts as (RFC 3261 section 10.2.1.1).
const EXPIRES_MALFORMED: u32 = 3_600;

/// The expiration that a binding gets; `None` removes it.
fn granted(asked: Option<u32>, policy: &Policy) -> Result<Option<Duration>, StatusCode> {
    match asked.map(u64::from).map(Duration::from_secs) {
        None => Ok(Some(policy.expires_default)),
        Some(Duration::ZERO) => Ok(None),
        Some(asked) if asked < policy.expires_min => Err(StatusCode::INTERVAL_TOO_BRIEF),
        Some(asked) => Ok(Some(asked.min(policy.expires_max))),
    }
}

#[cfg(test)]
mod tests;
