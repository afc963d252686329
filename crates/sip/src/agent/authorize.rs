//! Credentials for our requests that are challenged (RFC 3261 §22, RFC 8760).
//!
//! Each request that fails with 401 or 407 is sent once more with credentials for the realms that ask for them. A realm that asks
//! again has refused them, unless it says that only the nonce was too old. An ACK gets no response and a CANCEL takes no
//! challenge, so neither is ever repeated; an ACK carries the credentials of its INVITE.

use super::UserAgent;
use super::command::{AgentCredentials, DialogId};
use super::state::{LegState, NonceUse};
use crate::digest::{self, Challenge};
use crate::header::HeaderName;
use crate::{Message, StatusCode};

/// The most retries of one request with credentials: one for a proxy, one for the server behind it, and one after a stale nonce. An INVITE
/// that needs another session interval shares them.
pub(super) const CHALLENGES_MAX: u8 = 3;

/// The longest answers to the challenges of one request, in bytes; they repeat each challenge's realm, nonce and opaque. They are stored with
/// the request.
const CREDENTIALS_BYTES_MAX: usize = 4_096;

/// The most challenges of one response that are read: three algorithms of four realms.
const CHALLENGES_READ_MAX: usize = 12;

/// The most nonces of one dialog whose uses are counted: that of a proxy and that of the server behind it.
const NONCES_MAX: usize = 2;

/// The headers of challenges, with those of their answers. A proxy that has forked a request gathers both kinds in one response (RFC 3261
/// §16.7).
const KINDS: [(HeaderName, HeaderName); 2] = [
    (HeaderName::WwwAuthenticate, HeaderName::Authorization),
    (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization),
];

/// A challenge, and the header of its answer.
struct Challenged {
    header: HeaderName,
    challenge: Challenge,
}

impl UserAgent {
    /// Adds credentials to a challenged request of a dialog, or of none; returns whether that was possible.
    pub(super) fn authorize(
        &mut self,
        dialog: Option<DialogId>,
        request: &mut Message,
        status: StatusCode,
        response: &Message,
    ) -> bool {
        if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED) {
            return false;
        }
        let (Some(credentials), Some(wanted)) = (self.credentials(dialog), wanted(request, response)) else {
            return false;
        };
        let mut bytes = 0;
        for Challenged { header, challenge } in wanted {
            let answer = self.answer_to(&challenge, dialog, &credentials, request);
            bytes += answer.len();
            if bytes > CREDENTIALS_BYTES_MAX {
                self.count_oversized();
                return false;
            }
            replace(request, &header, &challenge.realm, answer);
        }
        true
    }

    fn credentials(&self, dialog: Option<DialogId>) -> Option<AgentCredentials> {
        match dialog.and_then(|id| self.dialogs.get(id.0)?.state.account.as_deref()) {
            Some(account) => self.config.accounts.credentials(account),
            None => self.config.credentials.clone(),
        }
    }

    fn answer_to(
        &mut self,
        challenge: &Challenge,
        dialog: Option<DialogId>,
        credentials: &AgentCredentials,
        request: &Message,
    ) -> String {
        let cnonce = format!("{:016x}", self.entropy.next_u64());
        let leg = dialog.and_then(|id| self.dialogs.get_mut(id.0));
        let count = leg.map_or(1, |leg| leg.state.uses(&challenge.nonce));
        let uri = request.request_uri().unwrap_or_default();
        let AgentCredentials { user, password } = credentials;
        digest::respond(challenge, user, password, request.method().as_str(), uri, &cnonce, count).to_string()
    }
}

impl LegState {
    /// Counts another use of a nonce.
    fn uses(&mut self, nonce: &str) -> u32 {
        let known = self.nonces.iter().position(|used| *used.nonce == *nonce);
        let count = known.map_or(0, |at| self.nonces.remove(at).count).saturating_add(1);
        if self.nonces.len() >= NONCES_MAX {
            self.nonces.remove(0);
        }
        self.nonces.push(NonceUse { nonce: nonce.into(), count });
        count
    }
}

/// The challenges that are to be answered: of each realm the strongest that we know. None if there is none, or if a realm has refused what
/// the request had for it.
fn wanted(request: &Message, response: &Message) -> Option<Vec<Challenged>> {
    let mut wanted: Vec<Challenged> = Vec::new();
    for (asks, header) in KINDS {
        for challenge in response.challenges(asks).take(CHALLENGES_READ_MAX).filter_map(Result::ok) {
            let of_realm = |known: &&mut Challenged| known.header == header && known.challenge.realm == challenge.realm;
            match wanted.iter_mut().find(of_realm) {
                Some(known) if challenge.algorithm.strength() > known.challenge.algorithm.strength() => {
                    known.challenge = challenge;
                }
                Some(_) => {}
                None => wanted.push(Challenged { header: header.clone(), challenge }),
            }
        }
    }
    let is_refused = |Challenged { header, challenge }: &Challenged| {
        let mut given = request.authorizations(header.clone()).filter_map(Result::ok);
        !challenge.stale && given.any(|given| given.realm == challenge.realm)
    };
    (!wanted.is_empty() && !wanted.iter().any(is_refused)).then_some(wanted)
}

/// Puts credentials into a request, in place of older ones for the same realm.
fn replace(request: &mut Message, header: &HeaderName, realm: &str, credentials: String) {
    let others = request.authorizations(header.clone()).filter_map(Result::ok);
    let others: Vec<String> = others.filter(|other| other.realm != realm).map(|other| other.to_string()).collect();
    request.remove(header);
    for value in others.into_iter().chain([credentials]) {
        request.append(header, value);
    }
}
