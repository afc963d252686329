//! Who sent a new request of the edge: a phone that proves it, a trunk known by its source, or nobody we serve.

use model::{Dn, TenantId, Timestamp};

use super::answer::Answer;
use super::exchange::{Origin, Stage};
use super::settings::{Credentials, Hashes, RETRY_AFTER_S};
use super::target::{Destination, REGISTRAR};
use super::{Attempt, AttemptCaller, Output, Proxy, flow_token, headers};
use crate::digest::{self, Algorithm, Challenge, NonceVerdict, Secret};
use crate::header::HeaderName;
use crate::header::params::quote;
use crate::message::Message;
use crate::method::Method;
use crate::status::StatusCode;
use crate::transaction::ServerId;
use crate::uri::{Uri, escape};

/// Who it is.
enum Source {
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

/// What a check of a password says.
enum Proof {
    Given,
    Missing,
    Stale,
    Wrong,
}

impl Proxy {
    /// The credentials of a request that waits for them have come.
    pub(super) fn resume(&mut self, lookup: u64, credentials: Credentials, now: Timestamp) {
        let Some(held) = self.exchanges.get_mut(lookup) else { return };
        if !matches!(held.stage, Stage::Lookup(_)) {
            return;
        }
        let stage = std::mem::replace(&mut held.stage, Stage::Answered { client_open: false });
        let (server, origin) = (held.server, held.origin);
        self.lookups = self.lookups.saturating_sub(1);
        let Stage::Lookup(message) = stage else { return };
        // Held again under a number of its own when it goes on, else over with its answer.
        self.exchanges.remove(lookup);
        self.layer.own(server, 0);
        self.admit_new(server, *message, origin, credentials, now);
    }

    /// Decides about a new request: From-user is a phone → it proves that; else the source is a trunk's; else 403.
    pub(super) fn admit_new(
        &mut self,
        server: ServerId,
        mut message: Message,
        origin: Origin,
        credentials: Credentials,
        now: Timestamp,
    ) {
        match self.identify(&message, origin, credentials, now) {
            Err(answer) if server == ServerId::NONE => self.answer_stranger(origin.flow(), &message, &answer),
            // Its source was no trunk's when it came: what is sent again is let in.
            Ok(_) if server == ServerId::NONE => {
                self.answer_stranger(origin.flow(), &message, &Answer::unavailable());
            }
            Ok(source) => {
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
        origin: Origin,
        credentials: Credentials,
        now: Timestamp,
    ) -> Result<Source, Answer> {
        let register = message.method() == Method::Register;
        let remote = self.remote_of(origin);
        let trunk = remote.and_then(|r| self.trunk_of(r.ip()));
        let trunk =
            trunk.filter(|_| !register).map(|t| Source::Trunk { tenant: t.tenant.clone(), name: t.name.clone() });
        let phone = match credentials {
            Credentials::Phone(phone) => Ok(phone),
            Credentials::Unavailable => return trunk.ok_or_else(Answer::unavailable),
            // Whoever tries numbers is asked for the password of each, and learns of none whether there is such a phone.
            Credentials::Unknown { realm: Some(realm) } if register && let Some(dn) = claimed_dn(message) => {
                Err((dn, realm, self.no_ones_hashes()))
            }
            Credentials::Unknown { .. } => {
                return trunk.ok_or_else(|| {
                    self.counts.unknown_sources += 1;
                    Answer::new(StatusCode::FORBIDDEN)
                });
            }
        };
        let header = if register { HeaderName::Authorization } else { HeaderName::ProxyAuthorization };
        let refused = remote.and_then(|r| self.sources.refused_for(r.ip(), now));
        if let Some(wait) = refused.filter(|_| message.header(&header).is_some()) {
            self.counts.wrong_password_refused += 1;
            let seconds = wait.as_secs().max(1).min(u64::from(RETRY_AFTER_S) * 60);
            return Err(Answer::new(StatusCode::SERVICE_UNAVAILABLE).with(HeaderName::RetryAfter, seconds));
        }
        let (dn, realm, hashes) = match &phone {
            Ok(phone) => (&phone.dn, phone.realm.as_str(), &phone.hashes),
            Err((dn, realm, hashes)) => (dn, realm.as_str(), hashes),
        };
        match self.prove(message, header, dn, realm, hashes, now) {
            Proof::Given => match &phone {
                Ok(phone) => Ok(Source::Phone { tenant: phone.tenant.clone(), dn: phone.dn.clone() }),
                Err(_) => Err(Answer::new(StatusCode::FORBIDDEN)),
            },
            Proof::Wrong => {
                self.counts.wrong_passwords += 1;
                if let Some(remote) = remote {
                    self.sources.wrong_password(remote.ip(), now);
                }
                Err(self.challenge(realm, register, Stale::No, now))
            }
            Proof::Missing => Err(self.challenge(realm, register, Stale::No, now)),
            Proof::Stale => Err(self.challenge(realm, register, Stale::Yes, now)),
        }
    }

    /// Hashes that no password has.
    fn no_ones_hashes(&mut self) -> Hashes {
        let mut hash = || format!("{:016x}{:016x}", self.entropy.next_u64(), self.entropy.next_u64());
        Hashes { md5: hash(), sha256: hash() + &hash() }
    }

    fn prove(
        &mut self,
        message: &Message,
        header: HeaderName,
        dn: &Dn,
        realm: &str,
        hashes: &Hashes,
        now: Timestamp,
    ) -> Proof {
        let method = message.method();
        let mut verdict = Proof::Missing;
        for given in message.authorizations(header).filter_map(Result::ok).filter(|g| g.realm == realm) {
            // A phone may answer only what it was asked (RFC 8760 §2.4).
            if given.username != dn.as_str() || !self.settings.algorithms.contains(&given.algorithm) {
                verdict = Proof::Wrong;
                continue;
            }
            let ha1 = match given.algorithm {
                Algorithm::Md5 => &hashes.md5,
                Algorithm::Sha256 => &hashes.sha256,
                // Not among those that can be asked for.
                _ => continue,
            };
            match self.nonces.check(&given.nonce, realm, now) {
                NonceVerdict::Foreign => verdict = Proof::Missing,
                _ if !digest::verify(&given, method.as_str(), Secret::Ha1(ha1)) => verdict = Proof::Wrong,
                NonceVerdict::Stale => verdict = Proof::Stale,
                NonceVerdict::Fresh(nonce) if self.nonce_uses.spend(nonce, given.nc, now) => return Proof::Given,
                // Used before, as by somebody who has overheard it.
                NonceVerdict::Fresh(_) => verdict = Proof::Stale,
            }
        }
        verdict
    }

    /// 401 or 407 with a challenge for each hash, the preferred one first (RFC 8760 §2.3).
    fn challenge(&mut self, realm: &str, register: bool, stale: Stale, now: Timestamp) -> Answer {
        self.counts.challenges += 1;
        self.nonce_uses.issued(now);
        let (status, header) = if register {
            (StatusCode::UNAUTHORIZED, HeaderName::WwwAuthenticate)
        } else {
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, HeaderName::ProxyAuthenticate)
        };
        let mut answer = Answer::new(status);
        for algorithm in &self.settings.algorithms {
            let challenge = Challenge {
                realm: realm.to_owned(),
                nonce: self.nonces.issue(realm, now, self.entropy.as_mut()),
                opaque: None,
                algorithm: *algorithm,
                qop_auth: true,
                stale: stale == Stale::Yes,
            };
            answer = answer.with(header.clone(), challenge);
        }
        answer
    }

    /// Names tenant and source for the node and chooses it.
    fn accept(
        &mut self,
        message: &mut Message,
        origin: Origin,
        source: Source,
        now: Timestamp,
    ) -> Result<Destination, Answer> {
        let register = message.method() == Method::Register;
        // What proved the phone to us is nobody else's business.
        message.remove(&HeaderName::Authorization);
        message.remove(&HeaderName::ProxyAuthorization);
        let (tenant, destination) = match source {
            Source::Phone { tenant, dn } if register => {
                self.note_phone(origin.flow(), &tenant, &dn, now);
                self.note_home(origin.flow(), message);
                message.append(&headers::SOURCE, format_args!("phone;dn={}", value(dn.as_str())));
                self.add_path(message, origin);
                let destination = self.to_role(REGISTRAR, &format!("{tenant}/{dn}"))?;
                (tenant, destination)
            }
            Source::Phone { tenant, dn } => {
                self.note_phone(origin.flow(), &tenant, &dn, now);
                message.append(&headers::SOURCE, format_args!("phone;dn={}", value(dn.as_str())));
                (tenant, self.for_new_call(message, false)?)
            }
            Source::Trunk { tenant, name } => {
                message.append(&headers::SOURCE, format_args!("trunk;name={}", value(&name)));
                (tenant, self.for_new_call(message, true)?)
            }
        };
        message.append(&headers::TENANT, tenant);
        Ok(destination)
    }

    /// RFC 3327 §5.2: what is sent to this phone later comes through us, down this flow.
    fn add_path(&self, message: &mut Message, origin: Origin) {
        self.remove_own_paths(message);
        let token = flow_token::seal(origin.flow(), self.stream_owner(origin.flow()), &self.seal);
        message.push_front(&HeaderName::Path, format_args!("<sip:{token}@{};lr>", self.settings.edge));
    }

    pub(super) fn remote_of(&self, origin: Origin) -> Option<std::net::SocketAddr> {
        match origin.flow() {
            crate::flow::Flow::Udp { remote, .. } => Some(remote),
            crate::flow::Flow::Stream { connection } => self.connections.get(&connection).map(|p| p.remote),
        }
    }
}

/// The number that a REGISTER is about.
fn claimed_dn(message: &Message) -> Option<Dn> {
    let to = message.to().ok()?;
    let uri = Uri::parse(to.raw_uri()).ok()?;
    Dn::parse(&escape::unescape(uri.user()?)).ok()
}

/// Whether a REGISTER has come without any credentials, outside of any dialog. A wrong password has a
/// transaction, whose answer is remembered, so that one that is repeated counts once.
pub(super) fn proves_nothing(message: &Message) -> bool {
    message.method() == Method::Register
        && message.header(&HeaderName::Authorization).is_none()
        && message.to().is_ok_and(|to| to.tag().is_none())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stale {
    Yes,
    No,
}

/// A parameter's value: quoted where it is no token.
fn value(text: &str) -> String {
    if crate::parse::is_token(text) { text.to_owned() } else { quote(text) }
}
