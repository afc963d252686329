//! Challenges of sip-proxy to phones that have come by a ticket: they have no password, and we answer in their place by what config has.

use model::Timestamp;
use sip::digest::{self, Algorithm, Challenge, Secret, Unanswered};
use sip::{Flow, HeaderName, Message, StatusCode};

use super::flows::{FlowKey, PhoneCredentials};
use super::{Gateway, GatewayOutput, LISTENER};

/// Challenges to one request that are answered: the first, one after a nonce that was too old, and one after a password that has changed.
const ANSWERED_MAX: u8 = 3;

/// What becomes of a challenge.
enum Answering {
    /// The request goes again, with this.
    Again(Box<Message>),
    /// By what it is answered is looked up.
    Asks,
    /// It is for the phone.
    PassesOn,
}

impl Gateway {
    /// Has it looked up by what challenges to a phone with a ticket are answered.
    pub(super) fn ask_credentials(&mut self, key: FlowKey) {
        let Some(flow) = self.flows.get_mut(key).filter(|flow| !flow.is_asking) else { return };
        let Some(holder) = &flow.holder else { return };
        flow.is_asking = true;
        let (tenant, dn) = (holder.tenant.clone(), holder.dn.clone());
        self.outputs.push_back(GatewayOutput::NeedCredentials { flow: key, tenant, dn });
    }

    /// Whether a flow is there, which an answer may be for.
    pub fn has_flow(&self, key: FlowKey) -> bool {
        self.flows.get(key).is_some()
    }

    /// The answer to [`GatewayOutput::NeedCredentials`]; `None` if nobody has told, or there is no such phone.
    pub fn handle_credentials(&mut self, key: FlowKey, credentials: Option<PhoneCredentials>, now: Timestamp) {
        let Some(flow) = self.flows.get_mut(key) else { return };
        flow.is_asking = false;
        let is_another = |refused: &PhoneCredentials| credentials.as_ref().is_some_and(|now| now != refused);
        if flow.refused.as_ref().is_some_and(is_another) {
            // Whoever sets another password for a phone shuts out who is there. The page may ask for another ticket.
            return self.revoke(key, now);
        }
        flow.credentials = credentials;
        for id in self.exchanges.of_flow(key) {
            let Some(challenge) = self.exchanges.get_mut(id).and_then(|exchange| exchange.challenge.take()) else {
                continue;
            };
            match self.answering(id, &challenge) {
                Answering::Again(request) => self.again(id, *request, now),
                // Now it is known that there is nothing to answer by.
                Answering::Asks => self.answer_instead(id, StatusCode::SERVICE_UNAVAILABLE, now),
                Answering::PassesOn => self.respond(id, challenge, now),
            }
        }
        self.settle(now);
    }

    /// Whether a response is a challenge that is answered here.
    pub(super) fn authorizes(&mut self, id: u64, response: &Message, now: Timestamp) -> bool {
        let is_challenge = response.status().is_some_and(|status| {
            matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED)
        });
        if !is_challenge {
            return false;
        }
        match self.answering(id, response) {
            Answering::Again(request) => self.again(id, *request, now),
            Answering::Asks => {
                let Some(exchange) = self.exchanges.get_mut(id) else { return false };
                (exchange.challenge, exchange.client) = (Some(response.clone()), None);
                let key = exchange.flow;
                self.ask_credentials(key);
            }
            Answering::PassesOn => return false,
        }
        true
    }

    fn answering(&mut self, id: u64, response: &Message) -> Answering {
        let Some(exchange) = self.exchanges.get_mut(id) else { return Answering::PassesOn };
        let Some(mut request) = exchange.request.clone() else { return Answering::PassesOn };
        if exchange.challenges >= ANSWERED_MAX || exchange.is_unwanted() {
            return Answering::PassesOn;
        }
        let Some(flow) = self.flows.get_mut(exchange.flow) else { return Answering::PassesOn };
        let Some(holder) = &flow.holder else { return Answering::PassesOn };
        let Some(credentials) = &flow.credentials else {
            return Answering::Asks;
        };
        if !is_of_realm(response, &credentials.realm) {
            return Answering::PassesOn;
        }
        let cnonce = format!("{:016x}", self.entropy.next_u64());
        let answered = digest::authorize(&mut request, response, |challenge, request| {
            let (method, uri) = (request.method(), request.request_uri().unwrap_or_default());
            let secret = Secret::Ha1(hash_for(credentials, challenge));
            digest::respond_by(challenge, holder.dn.as_str(), secret, method.as_str(), uri, &cnonce, 1).to_string()
        });
        exchange.challenges += 1;
        match answered {
            Ok(()) => {
                exchange.request = Some(request.clone());
                Answering::Again(request.into())
            }
            // The password has changed since, perhaps.
            Err(Unanswered::Refused) if exchange.challenges < ANSWERED_MAX => {
                request.remove(&HeaderName::Authorization);
                request.remove(&HeaderName::ProxyAuthorization);
                exchange.request = Some(request);
                flow.refused = flow.credentials.take();
                Answering::Asks
            }
            Err(_) => Answering::PassesOn,
        }
    }

    fn again(&mut self, id: u64, request: Message, now: Timestamp) {
        let to = self.exchanges.get(id).and_then(|exchange| self.proxies.choice(exchange.flow, now));
        let Some(to) = to else {
            return self.answer_instead(id, StatusCode::SERVICE_UNAVAILABLE, now);
        };
        self.counts.answered += 1;
        self.send(id, request, Flow::Udp { listener: LISTENER, remote: to }, now);
    }
}

/// Whether all challenges are of that realm: another's is not ours to answer.
fn is_of_realm(response: &Message, realm: &str) -> bool {
    let of = |name| response.challenges(name).filter_map(Result::ok);
    let mut all = of(HeaderName::WwwAuthenticate).chain(of(HeaderName::ProxyAuthenticate));
    all.all(|challenge| challenge.realm == realm)
}

fn hash_for<'a>(credentials: &'a PhoneCredentials, challenge: &Challenge) -> &'a str {
    match challenge.algorithm {
        Algorithm::Md5 | Algorithm::Md5Sess => &credentials.md5,
        // sip-proxy offers no other.
        _ => &credentials.sha256,
    }
}
