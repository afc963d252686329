//! The sender of an initial request from the edge: a phone that authenticates, a trunk known by its source and perhaps a password, or unknown.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use model::{AddressFamily, Dn, TenantId, Timestamp};

use super::answer::Answer;
use super::exchange::{Origin, Stage};
use super::lockout::{Look, Party};
use super::own_routes::OVER_IPV6;
use super::settings::{Credentials, Hashes, NAMES_TOLD_MAX, REFUSED_TOLD_EACH, RETRY_AFTER_S};
use super::sources::block;
use super::target::{Destination, REGISTRAR};
use super::trunk::sender::may_be_trunks;
use super::{Attempt, AttemptCaller, Lacking, Output, Proxy, Trunk, flow_token, headers};
use crate::digest::{self, Algorithm, Challenge, Issued, NonceVerdict, Secret};
use crate::flow::Flow;
use crate::header::{Contact, HeaderName};
use crate::instance::flow_of;
use crate::message::Message;
use crate::method::Method;
use crate::params::quote;
use crate::status::StatusCode;
use crate::transaction::ServerId;
use crate::uri::{Uri, escape};

/// An accepted sender.
pub(super) enum Source {
    Phone { tenant: TenantId, dn: Dn },
    Trunk { tenant: TenantId, name: String },
}

impl Source {
    fn attempt(&self, invite: &Message, now: Timestamp) -> Box<Attempt> {
        let (tenant, caller) = match self {
            Self::Phone { tenant, dn } => (tenant, AttemptCaller::Phone(dn.clone())),
            Self::Trunk { tenant, name } => (tenant, AttemptCaller::Trunk(name.clone())),
        };
        Attempt::of(invite, tenant.clone(), caller, now)
    }
}

/// The result of a password check.
#[derive(Debug)]
enum Proof {
    Given,
    Missing,
    Stale,
    Wrong,
    /// It was not checked, and will not be for this long.
    Refused(Duration),
}

/// Whose password is requested.
#[derive(Clone, Copy)]
pub(super) enum Claimant<'a> {
    Phone(&'a Dn),
    Trunk(&'a Arc<Trunk>),
}

/// What a sender claims to be by giving a password.
pub(super) struct Claim<'a> {
    pub(super) claimant: Claimant<'a>,
    pub(super) user: &'a str,
    pub(super) realm: &'a str,
    pub(super) hashes: &'a Hashes,
    /// The address that it comes from.
    pub(super) from: IpAddr,
}

impl Claim<'_> {
    /// What stands for it where wrong passwords are counted. No number begins with the zero byte.
    fn counted_as(&self) -> Cow<'_, str> {
        match self.claimant {
            Claimant::Phone(dn) => Cow::Borrowed(dn.as_str()),
            Claimant::Trunk(_) => Cow::Owned(format!("\0{}", self.user)),
        }
    }

    fn was_wrong(&self) -> Output {
        match self.claimant {
            Claimant::Phone(dn) => Output::WrongPassword { from: self.from, dn: dn.clone() },
            Claimant::Trunk(trunk) => Output::WrongTrunkPassword { from: self.from, trunk: trunk.clone() },
        }
    }
}

/// The most credentials checked in one message. A message may pass other proxies with their own realms, and some phones
/// repeat their credentials for those.
pub(super) const CREDENTIALS_MAX: usize = 8;

impl Proxy {
    /// Continues a request whose credentials have arrived.
    pub(super) fn resume(&mut self, lookup: u64, credentials: Credentials, now: Timestamp) {
        let Some(held) = self.exchanges.get_mut(lookup) else { return };
        if !matches!(held.stage, Stage::Lookup { .. }) {
            return;
        }
        let stage = std::mem::replace(&mut held.stage, Stage::Answered { client_open: false });
        let (server, origin) = (held.server, held.origin);
        let Stage::Lookup { message, from, by_trunk } = stage else { return };
        self.end_lookup(by_trunk);
        // If it goes on, it is held again under a new number; otherwise it ends with its answer.
        self.exchanges.remove(lookup);
        self.layer.own(server, 0);
        self.admit_new(server, *message, (origin, from), credentials, now);
    }

    /// Decides on an initial request: if the From user is a phone, it must authenticate; else the source must be a
    /// trunk's; else 403.
    pub(super) fn admit_new(
        &mut self,
        server: ServerId,
        mut message: Message,
        (origin, from): (Origin, Option<SocketAddr>),
        credentials: Credentials,
        now: Timestamp,
    ) {
        match self.identify(&message, (origin, from), credentials, now) {
            Err(answer) if server == ServerId::NONE => self.answer_stranger(origin.flow(), &message, &answer),
            // The source was no trunk's when the request came; a repeat will be admitted.
            Ok(_) if server == ServerId::NONE => {
                self.answer_stranger(origin.flow(), &message, &Answer::unavailable());
            }
            Ok(source) => {
                if let (Source::Trunk { .. }, Some(from)) = (&source, from) {
                    self.call_number_of_account(&mut message, self.sender(origin.flow(), from.ip()), now);
                }
                let invite = message.method() == Method::Invite;
                let attempt = invite.then(|| source.attempt(&message, now));
                match self.accept(&mut message, origin, source, now) {
                    Ok(destination) => self.start_attempt(server, message, origin, (destination, attempt), now),
                    Err(answer) => {
                        self.counts.no_node += 1;
                        self.answer(server, &message, &answer, now);
                        let status = answer.status;
                        self.outputs.extend(attempt.map(|attempt| Output::Attempted { attempt, status }));
                    }
                }
            }
            Err(answer) => self.answer(server, &message, &answer, now),
        }
    }

    fn identify(
        &mut self,
        message: &Message,
        (origin, remote): (Origin, Option<SocketAddr>),
        credentials: Credentials,
        now: Timestamp,
    ) -> Result<Source, Answer> {
        let register = message.method() == Method::Register;
        let at_trunk = remote.filter(|_| may_be_trunks(origin.flow()));
        let trunk = at_trunk.and_then(|r| self.trunk_of_call(message, self.sender(origin.flow(), r.ip()), now));
        let trunk = trunk.filter(|_| !register).cloned();
        let phone = match credentials {
            Credentials::Phone(phone) => Ok(phone),
            Credentials::Unavailable => {
                let trunk = trunk.ok_or_else(Answer::unavailable)?;
                return self.prove_trunk(message, trunk, (origin.flow(), remote), now);
            }
            // A guessed number is always challenged, so that no answer shows whether the phone exists.
            Credentials::Unknown { realm: Some(realm) } if register && let Some(dn) = claimed_dn(message) => {
                Err((dn, realm, self.no_ones_hashes()))
            }
            Credentials::Unknown { .. } => {
                let Some(trunk) = trunk else { return Err(self.refuse_caller(message, (origin.flow(), remote), now)) };
                return self.prove_trunk(message, trunk, (origin.flow(), remote), now);
            }
        };
        let Some(remote) = remote else { return Err(Answer::unavailable()) };
        let (dn, realm, hashes) = match &phone {
            Ok(phone) => (&phone.dn, phone.realm.as_str(), &phone.hashes),
            Err((dn, realm, hashes)) => (dn, realm.as_str(), hashes),
        };
        let (claimant, user) = (Claimant::Phone(dn), dn.as_str());
        self.demand(message, &Claim { claimant, user, realm, hashes, from: remote.ip() }, origin.flow(), now)?;
        match &phone {
            Ok(phone) => Ok(Source::Phone { tenant: phone.tenant.clone(), dn: phone.dn.clone() }),
            Err(_) => Err(Answer::new(StatusCode::FORBIDDEN)),
        }
    }

    /// Demands the password of `claim`, unless it is in the message.
    pub(super) fn demand(
        &mut self,
        message: &Message,
        claim: &Claim<'_>,
        flow: Flow,
        now: Timestamp,
    ) -> Result<(), Answer> {
        let register = message.method() == Method::Register;
        match self.prove(message, claim, flow, now) {
            Proof::Given => Ok(()),
            Proof::Refused(wait) => Err(self.refuse_password(wait)),
            Proof::Stale => Err(self.challenge(claim, register, Stale::Yes, now)),
            Proof::Missing | Proof::Wrong => Err(self.challenge(claim, register, Stale::No, now)),
        }
    }

    /// 403 for a sender that is neither a phone nor a trunk. One that could be a trunk is told what it lacks, and so is the operator.
    pub(super) fn refuse_unknown(&mut self, (flow, from): (Flow, Option<SocketAddr>), now: Timestamp) -> Answer {
        let answer = Answer::new(StatusCode::FORBIDDEN);
        let from = from.filter(|_| may_be_trunks(flow)).map(|from| from.ip());
        let Some((from, (trunk, lacks))) =
            from.and_then(|from| Some((from, self.trunks.lacking(self.sender(flow, from))?)))
        else {
            self.counts.unknown_sources += 1;
            if let Some(from) = from.filter(|_| self.unknown_told <= now) {
                self.unknown_told = now + REFUSED_TOLD_EACH;
                let shown = self.shown_by(flow, from);
                self.outputs.push_back(Output::UnknownSource { from, shown });
            }
            return answer;
        };
        let trunk = trunk.clone();
        self.counts.trunks_unproved += 1;
        if self.lacking_told <= now {
            self.lacking_told = now + REFUSED_TOLD_EACH;
            let shown = self.shown_by(flow, from);
            self.outputs.push_back(Output::TrunkUnproved { from, trunk, lacks, shown });
        }
        answer.with(
            HeaderName::Warning,
            match lacks {
                Lacking::Certificate => "399 sip-proxy \"the trunk of this address has to show its certificate\"",
                Lacking::OtherCertificate => {
                    "399 sip-proxy \"the certificate shown is not that of the trunk of this address\""
                }
                Lacking::Address => "399 sip-proxy \"the trunk of this certificate may not call from this address\"",
            },
        )
    }

    /// The names in the certificate of a sender, as far as an operator is told of them.
    fn shown_by(&self, flow: Flow, from: IpAddr) -> Vec<Box<str>> {
        self.sender(flow, from).domains.iter().take(NAMES_TOLD_MAX).cloned().collect()
    }

    /// 500 for a password that was not checked. After a 503 a phone would send nothing for that time (RFC 3261 §21.5.4), not for its other
    /// lines either.
    fn refuse_password(&mut self, wait: Duration) -> Answer {
        self.counts.wrong_password_refused += 1;
        let seconds = wait.as_secs().max(1).min(u64::from(RETRY_AFTER_S) * 60);
        Answer::new(StatusCode::SERVER_INTERNAL_ERROR).with(HeaderName::RetryAfter, seconds)
    }

    /// The tenants among whose phones the sender is searched: those of the trunk, if the request may come from one.
    /// Their phones must authenticate there, too; a number that is a phone of another tenant is an ordinary caller of
    /// the trunk. A REGISTER never comes from a trunk.
    pub(super) fn tenants_of(&self, message: &Message, origin: Origin) -> Arc<[TenantId]> {
        let may_be = message.method() != Method::Register && may_be_trunks(origin.flow());
        let remote = self.remote_of(origin).filter(|_| may_be);
        // Two tenants may share a carrier; which of them is called is not known yet.
        let of_trunks = remote.map(|remote| self.trunks.tenants(self.sender(origin.flow(), remote.ip())));
        of_trunks.unwrap_or_default()
    }

    /// Hashes that match no password.
    fn no_ones_hashes(&mut self) -> Hashes {
        let mut hash = || format!("{:016x}{:016x}", self.entropy.next_u64(), self.entropy.next_u64());
        Hashes { md5: hash(), sha256: hash() + &hash() }
    }

    /// Checks the password of `claim` in a message. At most one is checked: a phone answers one challenge (RFC 8760
    /// §2.4), and an attacker must not get more than one guess per message.
    fn prove(&mut self, message: &Message, claim: &Claim<'_>, flow: Flow, now: Timestamp) -> Proof {
        let header = match message.method() {
            Method::Register => HeaderName::Authorization,
            _ => HeaderName::ProxyAuthorization,
        };
        let mut proof = Proof::Missing;
        let all = message.authorizations(header).take(CREDENTIALS_MAX).filter_map(Result::ok);
        for given in all.filter(|given| given.realm == claim.realm) {
            match self.nonces.check(&given.nonce, claim.realm, block(claim.from), now) {
                NonceVerdict::Foreign | NonceVerdict::Stale => proof = Proof::Stale,
                // A phone may answer only the challenge it got (RFC 8760 §2.4).
                NonceVerdict::Fresh(_) if !self.settings.algorithms.contains(&given.algorithm) => {}
                NonceVerdict::Fresh(_) if !self.is_meant(&given.uri, message, claim.realm) => {
                    self.counts.credentials_misdirected += 1;
                }
                NonceVerdict::Fresh(nonce) => return self.look_at(&given, nonce, message, claim, flow, now),
            }
        }
        proof
    }

    fn look_at(
        &mut self,
        given: &digest::Credentials<'_>,
        nonce: Issued,
        message: &Message,
        claim: &Claim<'_>,
        flow: Flow,
        now: Timestamp,
    ) -> Proof {
        // That of a gateway is many senders', which it tells apart.
        let behind = message.header(&headers::CLIENT_FLOW).filter(|_| flow.is_of_gateway());
        let is_own = is_senders(message, flow) && (behind.is_some() || !flow.is_of_gateway());
        let party = Party::new(&self.seal, claim.realm, &claim.counted_as(), claim.from, is_own.then_some(flow));
        let party = behind.map_or(party, |name| party.behind(&self.seal, name));
        match self.lockout.look(&party, now) {
            Look::Now => {}
            Look::Again => return Proof::Stale,
            Look::After(wait) => return Proof::Refused(wait),
        }
        let ha1 = match given.algorithm {
            Algorithm::Sha256 => &claim.hashes.sha256,
            // No other algorithm can be offered.
            _ => &claim.hashes.md5,
        };
        let right = given.username == claim.user && digest::verify(given, message.method().as_str(), Secret::Ha1(ha1));
        if !right {
            self.counts.wrong_passwords += 1;
            self.lockout.was_wrong(&party, now);
            self.outputs.push_back(claim.was_wrong());
            return Proof::Wrong;
        }
        if !self.nonce_uses.spend(nonce, given.nc, now) {
            // Used before, for example by an eavesdropper.
            return Proof::Stale;
        }
        self.lockout.proved_itself(&party, now);
        Proof::Given
    }

    /// Whether a REGISTER outside dialogs carries no credentials for a nonce of ours. A wrong password gets a
    /// transaction, which keeps its answer, so that a repeat counts once.
    pub(super) fn is_bare_register(&self, message: &Message, remote: SocketAddr, now: Timestamp) -> bool {
        message.method() == Method::Register
            && message.to().is_ok_and(|to| to.tag().is_none())
            && !self.shows_nonce(message, HeaderName::Authorization, remote, now)
    }

    /// Whether a request carries credentials with a nonce of any age that was issued to its source.
    pub(super) fn shows_nonce(
        &self,
        message: &Message,
        header: HeaderName,
        remote: SocketAddr,
        now: Timestamp,
    ) -> bool {
        self.verdicts(message, header, remote, now).any(|verdict| verdict != NonceVerdict::Foreign)
    }

    /// Whether a request other than a REGISTER carries credentials with a nonce that was issued to its source lately.
    pub(super) fn shows_fresh_nonce(&self, message: &Message, remote: SocketAddr, now: Timestamp) -> bool {
        let mut verdicts = self.verdicts(message, HeaderName::ProxyAuthorization, remote, now);
        verdicts.any(|verdict| matches!(verdict, NonceVerdict::Fresh(_)))
    }

    fn verdicts(
        &self,
        message: &Message,
        header: HeaderName,
        remote: SocketAddr,
        now: Timestamp,
    ) -> impl Iterator<Item = NonceVerdict> {
        let peer = block(remote.ip());
        let given = message.authorizations(header).take(CREDENTIALS_MAX).filter_map(Result::ok);
        given.map(move |given| self.nonces.check(&given.nonce, &given.realm, peer, now))
    }

    /// 401 or 407 with a challenge for each hash, the preferred one first (RFC 8760 §2.3).
    fn challenge(&mut self, claim: &Claim<'_>, register: bool, stale: Stale, now: Timestamp) -> Answer {
        self.counts.challenges += 1;
        let (status, header) = if register {
            (StatusCode::UNAUTHORIZED, HeaderName::WwwAuthenticate)
        } else {
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, HeaderName::ProxyAuthenticate)
        };
        let mut answer = Answer::new(status);
        for algorithm in &self.settings.algorithms {
            let challenge = Challenge {
                realm: claim.realm.to_owned(),
                nonce: self.nonces.issue(claim.realm, block(claim.from), now, self.entropy.as_mut()),
                opaque: None,
                algorithm: *algorithm,
                qop_auth: true,
                stale: stale == Stale::Yes,
            };
            answer = answer.with(header.clone(), challenge);
        }
        answer
    }

    /// Writes tenant and source into the request for the node, and chooses the node.
    fn accept(
        &mut self,
        message: &mut Message,
        origin: Origin,
        source: Source,
        now: Timestamp,
    ) -> Result<Destination, Answer> {
        let register = message.method() == Method::Register;
        // The phone's credentials concern only this proxy.
        message.remove(&HeaderName::Authorization);
        message.remove(&HeaderName::ProxyAuthorization);
        let behind = message.header(&headers::CLIENT_FLOW).map(str::to_owned);
        message.remove(&headers::CLIENT_FLOW);
        let (tenant, destination) = match source {
            Source::Phone { tenant, dn } if register => {
                self.note_proof(origin.flow(), behind.as_deref(), &tenant, &dn, now);
                self.note_home(origin.flow(), message);
                message.append(&headers::SOURCE, format_args!("phone;dn={}", value(dn.as_str())));
                self.add_path(message, origin);
                let destination = self.to_role(REGISTRAR, &format!("{tenant}/{dn}"))?;
                (tenant, destination)
            }
            Source::Phone { tenant, dn } => {
                self.note_proof(origin.flow(), behind.as_deref(), &tenant, &dn, now);
                message.append(&headers::SOURCE, format_args!("phone;dn={}", value(dn.as_str())));
                let destination = self.for_call_of_phone(message, &format!("{tenant}/{dn}"), origin.flow())?;
                (tenant, destination)
            }
            Source::Trunk { tenant, name } => {
                self.note_certified(origin.flow(), &tenant, &name);
                message.append(&headers::SOURCE, format_args!("trunk;name={}", value(&name)));
                (tenant, self.for_call_of_trunk(message)?)
            }
        };
        message.append(&headers::TENANT, tenant);
        Ok(destination)
    }

    fn note_proof(&mut self, flow: Flow, behind: Option<&str>, tenant: &TenantId, dn: &Dn, now: Timestamp) {
        let phone = self.note_phone(flow, behind, tenant, dn, now).number();
        let is_told = match flow {
            Flow::Stream { connection } => self.connections.contains_key(&connection),
            Flow::Udp { remote, .. } => self.trunks.contains(remote.ip()),
        };
        if is_told {
            self.outputs.push_back(Output::Proved { flow, phone });
        }
    }

    /// RFC 3327 §5.2: later requests to this phone come through us and go down this flow. With `ob` we promise to send them nowhere else
    /// (RFC 5626 §5.1): the phone has others, and the registrar knows them.
    fn add_path(&self, message: &mut Message, origin: Origin) {
        self.remove_own_paths(message);
        let outbound = if is_of_flow(message) { ";ob" } else { "" };
        // Audio goes to the client itself: the family of a gateway between says nothing of it.
        let from = self.source_of(message, origin);
        let family = match from.map_or(self.settings.family(), |from| AddressFamily::of(from.ip())) {
            AddressFamily::V4 => String::new(),
            AddressFamily::V6 => format!(";{OVER_IPV6}"),
        };
        let token = flow_token::seal(origin.flow(), self.stream_owner(origin.flow()), &self.seal);
        message
            .push_front(&HeaderName::Path, format_args!("<sip:{token}@{};lr{family}{outbound}>", self.settings.edge));
    }

    /// The address from which a request has come; of one that a gateway has passed on, that of its client.
    pub(super) fn source_of(&self, message: &Message, origin: Origin) -> Option<SocketAddr> {
        let remote = self.remote_of(origin)?;
        let client = message.header(&headers::PARTY).filter(|_| origin.flow().is_of_gateway());
        Some(client.and_then(|client| client.parse().ok()).map_or(remote, |ip| SocketAddr::new(ip, remote.port())))
    }

    pub(super) fn remote_of(&self, origin: Origin) -> Option<SocketAddr> {
        self.remote_at(origin.flow())
    }
}

/// Whether the request's flow certainly belongs to its sender: without rport, the sender may have named another port.
fn is_senders(message: &Message, flow: Flow) -> bool {
    flow.is_reliable() || message.top_via().is_ok_and(|via| via.rport().is_some())
}

/// Whether a REGISTER comes from a phone that knows flows, without a proxy between it and us: else the flow would be that proxy's.
fn is_of_flow(register: &Message) -> bool {
    let names_one = |contact: Contact<'_>| contact.address().and_then(flow_of).is_some();
    register.has_token(&HeaderName::Supported, "outbound")
        && register.elements(&HeaderName::Via).nth(1).is_none()
        && register.contacts().filter_map(Result::ok).any(names_one)
}

/// The number that a REGISTER is for.
fn claimed_dn(message: &Message) -> Option<Dn> {
    let to = message.to().ok()?;
    let uri = Uri::parse(to.raw_uri()).ok()?;
    Dn::parse(&escape::unescape(uri.user()?)).ok()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stale {
    Yes,
    No,
}

/// A parameter's value, quoted if it is no token.
fn value(text: &str) -> String {
    if crate::parse::is_token(text) { text.to_owned() } else { quote(text) }
}
