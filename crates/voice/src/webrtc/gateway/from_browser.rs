//! What phones send: requests, answers, acknowledgements.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use model::Timestamp;
use sip::proxy::headers;
use sip::proxy::sources::block;
use sip::transaction::NewRequest;
use sip::{Flow, HeaderName, Message, Method, StatusCode};

use super::exchange::{KnownFlow, PhoneExchange, Towards};
use super::flows::{FlowKey, RegisteredPhone};
use super::rewriting::{
    change_contacts, claimed_user, has_no_hop_left, is_in_dialog, is_same_phone, own_contact, registered_aor,
    registered_instance, take_vias, taken_back,
};
use super::{Gateway, GatewayOutput, LISTENER};

/// Requests of one phone that are under way at once.
const UNDER_WAY_MAX: usize = 64;

impl Gateway {
    pub(super) fn request_of_phone(&mut self, new: NewRequest, key: FlowKey, now: Timestamp) {
        let NewRequest { server, mut message, cancels, .. } = new;
        if message.method() == Method::Cancel {
            return self.cancel(server, &message, cancels.map(|(_, exchange)| exchange), now);
        }
        let asked = message.clone();
        let refused = self.refusal(key, &mut message);
        let to = self.proxies.choice(key, now).ok_or(StatusCode::SERVICE_UNAVAILABLE);
        let to = match refused.map_or(to, Err) {
            Ok(to) => to,
            Err(status) => return self.refuse_phone(key, server, &asked, status, now),
        };
        // The phone that a REGISTER is of may be known: then its Contact stays what it was.
        let known = self.known_phone(key, &asked);
        let contact_at = |key: FlowKey| self.flows.get(key)?.contact.clone();
        let before = contact_at(key).or_else(|| contact_at(known.as_ref()?.key));
        if let Some(flow) = self.flows.get_mut(key) {
            flow.contact = own_contact(&asked, before.as_deref());
            flow.under_way += 1;
        }
        if asked.method() != Method::Register {
            self.come_back(key, now);
        }
        self.as_of_phone(&mut message, key, known.as_ref());
        take_vias(&mut message);
        let mut exchange = PhoneExchange::new(key, Towards::Proxy, server, asked, now);
        exchange.known = known;
        exchange.way = message.header(&headers::CLIENT_FLOW).map(Into::into);
        exchange.stranger = self.flows.get(key).filter(|flow| !flow.is_known()).map(|flow| block(flow.client));
        exchange.request = self.flows.get(key).is_some_and(|flow| flow.holder.is_some()).then(|| message.clone());
        self.counts.from_phones += 1;
        let id = self.add(exchange);
        self.send(id, message, Flow::Udp { listener: LISTENER, remote: to }, now);
    }

    /// Why a request goes nowhere.
    fn refusal(&self, key: FlowKey, message: &mut Message) -> Option<StatusCode> {
        let flow = self.flows.get(key)?;
        if has_no_hop_left(message) {
            return Some(StatusCode::TOO_MANY_HOPS);
        }
        if flow.under_way >= UNDER_WAY_MAX {
            return Some(StatusCode::SERVICE_UNAVAILABLE);
        }
        if is_in_dialog(message) {
            return None;
        }
        if self.is_barred_from(key, message) {
            return Some(StatusCode::FORBIDDEN);
        }
        // A ticket is for one phone, and a WebSocket is of one.
        let is_anothers = match &flow.holder {
            Some(holder) => claimed_user(message).as_deref() != Some(holder.dn.as_str()),
            None if message.method() == Method::Register => {
                flow.aor.as_ref().is_some_and(|own| registered_aor(message).as_ref() != Some(own))
            }
            None => false,
        };
        is_anothers.then_some(StatusCode::FORBIDDEN)
    }

    /// The flow of the phone that a REGISTER is of, if it is another one than that by which it comes.
    fn known_phone(&self, key: FlowKey, register: &Message) -> Option<KnownFlow> {
        let known = self.flows.of_phone(&registered_phone(register)?)?;
        let name = self.flows.get(known).filter(|flow| flow.holder.is_none())?.name.clone();
        let has_ticket = self.flows.get(key)?.holder.is_some();
        (known != key && !has_ticket).then_some(KnownFlow { key: known, name })
    }

    /// What of a phone's message is not meant for sip-proxy, in our words: its Contact is that of the flow that is `known`, else its own.
    fn as_of_phone(&self, message: &mut Message, key: FlowKey, known: Option<&KnownFlow>) {
        let Some(flow) = self.flows.get(key) else { return };
        message.remove_where(headers::is_ours);
        let name = known.map_or(&flow.name, |known| &known.name);
        // Whoever redirects, or takes another phone's binding back, means another address than its own.
        if !message.status().is_some_and(|status| matches!(status.0, 300..=399)) {
            let own = flow.contact.as_deref().unwrap_or_default();
            let mut others = taken_back(message);
            others.retain(|taken| !is_same_phone(taken, own));
            let is_own = |uri: &str| !others.iter().any(|other| &**other == uri);
            change_contacts(message, &format!("sip:{name}@{}", self.us), is_own);
        }
        message.append(&headers::CLIENT, flow.client);
        if message.is_request() && !is_in_dialog(message) {
            message.append(&headers::CLIENT_FLOW, flow.way());
        }
    }

    /// An ACK to a 2xx.
    pub(super) fn ack_of_phone(&mut self, mut message: Message, key: FlowKey, now: Timestamp) {
        let Some(to) = self.proxies.choice(key, now).filter(|_| !has_no_hop_left(&mut message)) else { return };
        self.as_of_phone(&mut message, key, None);
        take_vias(&mut message);
        let branch = self.branch();
        message.push_front(&HeaderName::Via, format_args!("SIP/2.0/UDP {};branch={branch};rport", self.us));
        message.ensure_content_length();
        self.outputs.push_back(GatewayOutput::ToProxy { to, bytes: message.to_bytes() });
    }

    /// A phone's answer to a request of sip-proxy.
    pub(super) fn answer_of_phone(&mut self, id: u64, mut message: Message, now: Timestamp) {
        let Some(key) = self.exchanges.get(id).map(|exchange| exchange.flow) else { return };
        self.as_of_phone(&mut message, key, None);
        self.respond(id, message, now);
    }

    /// What sip-proxy has answered to a request of a phone.
    pub(super) fn answer_of_proxy(&mut self, id: u64, mut message: Message, now: Timestamp) {
        if self.authorizes(id, &message, now) {
            return;
        }
        let Some(exchange) = self.exchanges.get(id) else { return };
        let (key, is_register) = (exchange.flow, exchange.asked.method() == Method::Register);
        let is_success = message.status().is_some_and(StatusCode::is_success);
        if !is_register || !is_success {
            return self.respond(id, message, now);
        }
        let (asked, known, way) = (exchange.asked.clone(), exchange.known.clone(), exchange.way.clone());
        let name = known.as_ref().map(|known| &known.name).or(self.flows.get(key).map(|flow| &flow.name));
        if let Some(name) = name {
            // The phone looks for its own Contact among those that are registered.
            let own = format!("sip:{name}@");
            let before = self.flows.get(key).and_then(|flow| flow.contact.as_deref());
            let wrote = own_contact(&asked, before).unwrap_or_default();
            if !wrote.is_empty() {
                change_contacts(&mut message, &wrote, |uri| uri.starts_with(&own));
            }
        }
        self.respond(id, message, now);
        if let Some(whole) = self.registered(key, known, &asked, now)
            && let Some(flow) = self.flows.get_mut(whole)
        {
            flow.proved_as = way.or(flow.proved_as.take());
        }
    }

    /// A phone has registered, by this flow or by that of its own from before. Returns which one it has from now on.
    fn registered(
        &mut self,
        key: FlowKey,
        known: Option<KnownFlow>,
        register: &Message,
        now: Timestamp,
    ) -> Option<FlowKey> {
        let (socket, client) = self.flows.get(key).and_then(|flow| Some((flow.socket?, flow.client)))?;
        let key = match known.map(|known| (self.flows.now_of(known.key), known)) {
            Some((of_before, _)) if of_before == key => key,
            Some((of_before, _)) if self.flows.get(of_before).is_some() => {
                // It has come back, and has proved that it is the same one. What it has asked meanwhile goes on: it may be a call that
                // replaces the one that its page has had.
                self.forget_unacknowledged(key);
                self.flows.join(key, of_before);
                self.exchanges.move_to(key, of_before);
                self.resume(of_before, socket, client, now);
                of_before
            }
            Some((of_before, known)) => {
                // It was waited for no longer. What registrar knows is its name.
                self.flows.inherit(key, of_before, known.name);
                key
            }
            None => key,
        };
        let aor = registered_aor(register)?;
        let mut hasher = DefaultHasher::new();
        aor.hash(&mut hasher);
        self.outputs.push_back(GatewayOutput::Proved(socket, hasher.finish()));
        self.flows.registered(key, aor, registered_phone(register));
        self.exchanges.prove(key);
        if let Some(flow) = self.flows.get_mut(key) {
            flow.contact = own_contact(register, flow.contact.as_deref());
        }
        self.come_back(key, now);
        Some(key)
    }
}

/// Which phone a REGISTER is of; `None` if it does not say.
fn registered_phone(register: &Message) -> Option<RegisteredPhone> {
    if register.method() != Method::Register {
        return None;
    }
    Some(RegisteredPhone { aor: registered_aor(register)?, instance: registered_instance(register)? })
}
