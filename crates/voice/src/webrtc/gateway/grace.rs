//! A phone whose WebSocket breaks is waited for: its page is loaded again, its machine sleeps for a moment, its network changes. Its
//! calls go on meanwhile, and what it has missed is sent to it once it is back.

use std::net::IpAddr;
use std::time::Duration;

use model::Timestamp;
use sip::transaction::ClientState;
use sip::{ConnectionId, Message, Method, StatusCode};

use super::exchange::{PhoneExchange, Towards};
use super::flows::{FlowKey, PhoneFlow};
use super::rewriting::is_in_dialog;
use super::{Gateway, GatewayOutput};

/// How long an exchange may last: longer than any phone may ring. By then the other side has forgotten it.
const EXCHANGE_LIFE: Duration = Duration::from_secs(900);

/// How much longer it may take to be cancelled (64·T1).
const CANCELLED_WITHIN: Duration = Duration::from_secs(32);

/// How much longer than the grace a phone may take that has come back and has yet to register: requests do not reach it.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

impl Gateway {
    /// Gives a flow to another WebSocket of the same phone. Requests reach it once it has registered, or asked for something else.
    pub(super) fn resume(&mut self, key: FlowKey, socket: ConnectionId, client: IpAddr, now: Timestamp) {
        self.counts.resumed += 1;
        if let Some(former) = self.flows.give_socket(key, socket, client, now) {
            self.outputs.push_back(GatewayOutput::Close(former));
        }
    }

    /// A phone is back, and it is known how it is addressed now.
    pub(super) fn come_back(&mut self, key: FlowKey, now: Timestamp) {
        let Some((connection, waiting)) = self.flows.settle(key) else { return };
        for bytes in waiting {
            self.outputs.push_back(GatewayOutput::ToPhone { connection, bytes });
        }
        let is_pending = |one: &PhoneExchange| one.towards == Towards::Phone && !one.is_answered && !one.is_unwanted();
        for id in self.exchanges.of_flow(key) {
            if self.exchanges.get(id).is_some_and(is_pending) {
                self.ask_again(id, key);
            }
        }
        self.settle(now);
    }

    /// Sends a request once more, in the same transaction: a page that has had it answers as before, another one rings.
    fn ask_again(&mut self, id: u64, key: FlowKey) {
        let Some(client) = self.exchanges.get(id).and_then(|exchange| exchange.client) else { return };
        let waits = matches!(
            self.layer.client_state(client),
            Some(ClientState::Calling | ClientState::Trying | ClientState::Proceeding)
        );
        let Ok(mut message) = Message::parse(self.layer.request_of(client)) else { return };
        if !waits {
            return;
        }
        self.to_own_contact(&mut message, key);
        self.send_to_phone(key, message.to_bytes());
    }

    /// Forgets a flow: what was asked of its phone is answered, what its phone has asked is taken back.
    pub(super) fn end(&mut self, key: FlowKey, now: Timestamp) {
        self.forget_unacknowledged(key);
        let Some(flow) = self.flows.remove(key) else { return };
        for id in self.exchanges.of_flow(key) {
            let Some(exchange) = self.exchanges.get_mut(id) else { continue };
            let is_invite = exchange.asked.method() == Method::Invite;
            match exchange.towards {
                // Nobody waits for its answer. One that was not sent would wait for ever, and those of strangers, who may come again at
                // once, would fill the table. An INVITE that was sent may ring somewhere.
                Towards::Proxy if exchange.client.is_none() || (!is_invite && !flow.is_known()) => {
                    self.answer_instead(id, StatusCode::REQUEST_TERMINATED, now);
                }
                _ if exchange.is_answered => {}
                Towards::Phone => {
                    let status = if is_in_dialog(&exchange.asked) {
                        StatusCode::CALL_DOES_NOT_EXIST
                    } else {
                        StatusCode::TEMPORARILY_UNAVAILABLE
                    };
                    self.answer_instead(id, status, now);
                }
                Towards::Proxy if is_invite => {
                    exchange.want_end();
                    self.pass_cancel(id, now);
                }
                Towards::Proxy => {}
            }
        }
    }

    /// Phones that have not come back in time, and those that are back and say nothing.
    pub(super) fn give_up_away(&mut self, now: Timestamp) {
        let grace = self.settings.grace;
        let is_late = |flow: &PhoneFlow, since| {
            let settles = flow.socket.is_some() && !flow.is_silent;
            let within = if settles { grace + SETTLED_WITHIN } else { grace };
            now.since(since) >= within
        };
        let late = self.flows.unsettled().filter(|(_, flow, since)| is_late(flow, *since));
        let late: Vec<(FlowKey, Option<ConnectionId>)> = late.map(|(key, flow, _)| (key, flow.socket)).collect();
        for (key, socket) in late {
            self.outputs.extend(socket.map(GatewayOutput::Close));
            self.counts.given_up += 1;
            self.end(key, now);
        }
    }

    /// Exchanges that nobody waits for any more. An INVITE is cancelled first, so that nothing rings on: its answer is waited for.
    pub(super) fn give_up_exchanges(&mut self, now: Timestamp) {
        let late = self.exchanges.iter().take_while(|(_, one)| now.since(one.begun_at) >= EXCHANGE_LIFE);
        let late: Vec<u64> = late.map(|(id, _)| id).collect();
        for id in late {
            let Some(exchange) = self.exchanges.get_mut(id) else { continue };
            let is_ringing = exchange.asked.method() == Method::Invite && !exchange.is_answered;
            if is_ringing && now.since(exchange.begun_at) < EXCHANGE_LIFE + CANCELLED_WITHIN {
                exchange.want_end();
                self.pass_cancel(id, now);
            } else {
                self.answer_instead(id, StatusCode::SERVICE_UNAVAILABLE, now);
            }
        }
    }
}
