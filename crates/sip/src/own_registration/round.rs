//! One round of a registration: a REGISTER, and the further ones that its answers demand at once.

use std::time::Duration;

use model::Timestamp;

use super::OwnRegistration;
use super::account::{Account, host_of};
use super::status::Problem;
use crate::agent::{ALLOW, AgentCredentials};
use crate::build::Builder;
use crate::digest::{self, Unanswered};
use crate::flow::Transport;
use crate::grant::EXPIRES_MAX;
use crate::header::{CSeq, HeaderName};
use crate::message::Message;
use crate::method::Method;
use crate::proxy::headers;
use crate::status::StatusCode;
use crate::unreached::Unreached;
use crate::uri::escape::escape_user;
use crate::uri::{Uri, are_one_contact};

/// The most challenges that are answered in a round: one of a proxy, one of the registrar behind it, and one after a stale nonce.
const CHALLENGES_MAX: u8 = 3;
/// Nonces whose uses are counted: that of a proxy and that of the registrar behind it.
const NONCES_MAX: usize = 2;

/// What a round is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Aim {
    /// The present Contact is registered, and former ones are ended.
    Present,
    /// Former ones are ended, since a request that registers the present one too was refused.
    Former,
    /// The present one is registered, and nothing is said of former ones.
    Alone,
    /// All that the registrar knows is ended.
    Removal,
}

impl Aim {
    /// Whether no Contact is registered.
    pub(super) const fn removes(self) -> bool {
        matches!(self, Self::Former | Self::Removal)
    }
}

/// A round.
#[derive(Debug)]
pub(super) struct Round {
    /// The request, as it is sent or was sent last.
    pub(super) request: Message,
    /// When it began.
    pub(super) since: Timestamp,
    /// What for.
    pub(super) aim: Aim,
    /// Its first Contact, as the registrar has it.
    pub(super) contact: String,
    /// Challenges answered.
    pub(super) challenges: u8,
    /// Whether the registrar has asked for a longer time.
    pub(super) is_lengthened: bool,
    /// Whether it has led to another place of its own.
    pub(super) is_moved: bool,
}

impl Round {
    /// Whether it registers the present Contact and ends others.
    pub(super) fn replaces(&self) -> bool {
        self.aim == Aim::Present && self.request.headers(&HeaderName::Contact).nth(1).is_some()
    }

    /// Whether it ends this Contact.
    pub(super) fn ends(&self, contact: &str) -> bool {
        let registered = usize::from(!self.aim.removes());
        let ended = self.request.contacts().skip(registered).filter_map(Result::ok);
        ended
            .filter_map(|ended| ended.address().map(|address| address.raw_uri()))
            .any(|ended| are_one_contact(ended, contact))
    }

    /// Whether a Contact that was registered before it stays at the registrar, unless that wants one alone.
    pub(super) fn leaves(&self, contact: &str) -> bool {
        self.aim == Aim::Present && !are_one_contact(&self.contact, contact) && !self.ends(contact)
    }

    /// Whether its last request went by TLS, as far as the proxy has told.
    fn went_by_tls(&self) -> bool {
        Uri::parse(&self.contact).is_ok_and(|uri| Transport::of(&uri) == Some(Transport::Tls))
    }
}

/// Credentials are for one request: a Request-URI and a count of the nonce (RFC 7616 §3.4).
fn without_credentials(request: &mut Message) {
    request.remove(&HeaderName::Authorization);
    request.remove(&HeaderName::ProxyAuthorization);
}

impl OwnRegistration {
    /// A round; none without a way out, or if there is nothing to end.
    pub(super) fn round(&self, aim: Aim, now: Timestamp) -> Option<Round> {
        let (present, known) = (self.contact(), self.known(now));
        let is_former = |contact: &&str| present.as_deref().is_none_or(|present| !are_one_contact(present, contact));
        let former = known.iter().copied().filter(is_former);
        // Where calls no longer reach us, none may be sent to.
        let contacts: Vec<&str> = match aim {
            Aim::Present => std::iter::once(present.as_deref()?).chain(former).collect(),
            Aim::Former => former.collect(),
            Aim::Alone => vec![present.as_deref()?],
            Aim::Removal => known,
        };
        let (contact, ended) = contacts.split_first()?;
        let mut request = self.head().header(&HeaderName::Contact, format_args!("<{contact}>"));
        for contact in ended {
            request = request.header(&HeaderName::Contact, format_args!("<{contact}>;expires=0"));
        }
        let expires = if aim.removes() { 0 } else { self.expires.as_secs() };
        let request = request.header(&HeaderName::Expires, expires).header(&HeaderName::Allow, ALLOW).build();
        let (contact, is_lengthened, is_moved) = ((*contact).to_owned(), false, false);
        Some(Round { request, since: now, aim, contact, challenges: 0, is_lengthened, is_moved })
    }

    /// A REGISTER without its Contacts.
    fn head(&self) -> Builder {
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
                // A carrier that answers no OPTIONS may still register.
                .header(&headers::INSIST, 1);
        if !self.lacks_flows {
            request = request.header(&headers::INSTANCE, &self.account.instance);
        }
        // The registrar of another domain is on the way there.
        if domain.is_some() {
            request = request.header(&HeaderName::Route, format_args!("<sip:{registrar};lr>"));
        }
        request
    }

    /// What follows a failure response: another request, or the end of the round.
    pub(super) fn after(
        &mut self,
        mut round: Box<Round>,
        response: &Message,
        status: StatusCode,
    ) -> Result<Box<Round>, Problem> {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                if round.challenges >= CHALLENGES_MAX {
                    return Err(Problem::WrongPassword);
                }
                round.challenges += 1;
                self.authorize(&mut round.request, response).map_err(|unanswered| match unanswered {
                    Unanswered::Refused => Problem::WrongPassword,
                    Unanswered::NoChallenge | Unanswered::TooLong => Problem::UnknownChallenge,
                })?;
            }
            StatusCode::INTERVAL_TOO_BRIEF if !round.is_lengthened && !round.aim.removes() => {
                let wanted = response.min_expires().ok().flatten().map(|seconds| Duration::from_secs(seconds.into()));
                let wanted =
                    wanted.filter(|wanted| (self.expires..=EXPIRES_MAX).contains(wanted) && *wanted != self.expires);
                self.expires = wanted.ok_or(Problem::TooBrief)?;
                round.is_lengthened = true;
                round.request.set(&HeaderName::Expires, self.expires.as_secs());
                without_credentials(&mut round.request);
            }
            // RFC 5626 §6: it is registered as one that knows no flows.
            StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT if !self.lacks_flows => {
                self.lacks_flows = true;
                round.request.remove(&headers::INSTANCE);
                without_credentials(&mut round.request);
            }
            StatusCode::MOVED_PERMANENTLY | StatusCode::MOVED_TEMPORARILY if !round.is_moved => {
                let place = self.own_place(&round, response)?;
                round.is_moved = true;
                match self.account().domain {
                    Some(_) => round.request.set(&HeaderName::Route, format_args!("<{place};lr>")),
                    None => round.request.set_request_uri(place),
                }
                without_credentials(&mut round.request);
            }
            _ => {
                // Only a proxy of ours can say so: it removes such a header from what others say.
                let unreached = response.header(&headers::NOT_REACHED).and_then(Unreached::parse);
                return Err(match unreached {
                    Some(Unreached::Silence) => Problem::Silence,
                    Some(why) => Problem::Unreached(why),
                    None => Problem::of(status, round.challenges > 0),
                });
            }
        }
        Ok(round)
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
    fn authorize(&mut self, request: &mut Message, response: &Message) -> Result<(), Unanswered> {
        let AgentCredentials { user, password } = self.account.credentials.clone();
        digest::authorize(request, response, |challenge, request| {
            let cnonce = format!("{:016x}", self.entropy.next_u64());
            let count = self.uses(&challenge.nonce);
            let uri = request.request_uri().unwrap_or_default();
            digest::respond(challenge, &user, &password, Method::Register.as_str(), uri, &cnonce, count).to_string()
        })
    }

    /// Where a redirection leads, if that is another port or transport of the same host. Anywhere else may be anybody: what it asks is
    /// answered with a hash of the password. Nor is that, or the registration, sent in the clear once it has gone by TLS (RFC 3261 §26.2.2).
    fn own_place(&self, round: &Round, response: &Message) -> Result<String, Problem> {
        let host = host_of(&self.account.registrar);
        let needs_tls = self.account.transport() == Transport::Tls || round.went_by_tls();
        let mut problem = Problem::Moved;
        for contact in response.contacts().filter_map(Result::ok) {
            let Some((place, by)) = contact.address().and_then(|address| place_at(host, address.raw_uri())) else {
                continue;
            };
            if by.is_secure() || !needs_tls {
                return Ok(place);
            }
            problem = Problem::MovedInTheClear;
        }
        Err(problem)
    }
}

/// The place of that host to which a URI leads, and by which transport; none if it leads to another host. `sips:` is written as TLS, as
/// everywhere ([`Transport::uri_parameter`]): it would demand a Contact of `sips:`, and TLS on each further hop of each call.
fn place_at(host: &str, uri: &str) -> Option<(String, Transport)> {
    let uri = Uri::parse(uri).ok().filter(Uri::is_sip)?;
    let by = Transport::of(&uri).filter(|by| !by.is_web_socket())?;
    let parameter = match by {
        // Without it the host's name may lead to another transport.
        Transport::Udp if uri.transport().is_some() => ";transport=udp",
        _ => by.uri_parameter(),
    };
    let port = uri.port().map_or_else(String::new, |port| format!(":{port}"));
    let is_same = uri.host()?.as_str().eq_ignore_ascii_case(host);
    is_same.then(|| (format!("sip:{host}{port}{parameter}"), by))
}
