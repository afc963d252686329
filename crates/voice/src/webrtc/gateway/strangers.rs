//! Bounds of what browsers may send, before anything is kept of it: who has proved nothing takes neither the rate of others nor their places.

use model::Timestamp;
use sip::proxy::sources::{Rate, RateVerdict, block};
use sip::{ConnectionId, Message, Method, ParseError, StatusCode};

use super::flows::FlowKey;
use super::{Gateway, GatewayOutput, TRANSACTIONS_MAX};

/// The longest message of a phone, in bytes: an INVITE of a browser with all its addresses has a quarter of it. Each is kept up to four times.
const MESSAGE_BYTES_MAX: usize = 16 << 10;
/// Requests a second of one source on whose flows no phone has proved itself: as many as sip-proxy takes from it.
pub(super) const REQUESTS_OF_SOURCE_PER_S: u32 = 400;
/// Requests of such a source that are kept at once without an answer: it may have 256 WebSockets, with a REGISTER, its challenge and its
/// answer each.
const KEPT_OF_SOURCE_MAX: usize = 1_024;
/// The same of one such flow.
const KEPT_OF_FLOW_MAX: usize = 32;
/// Requests of such a flow that are refused one after the other; of further ones its phone hears nothing until one is taken again.
const REFUSED_OF_FLOW_MAX: u8 = 32;
/// Transactions of either side from which on strangers begin none: as many are left to phones.
const STRANGERS_MAX: usize = TRANSACTIONS_MAX / 2;

impl Gateway {
    /// What is no message has come by a WebSocket. It counts as a request of its source does, whoever sends it, and is answered where that
    /// can be done; beyond the rate its WebSocket is closed, since a library that writes SIP comes to one at most.
    pub fn handle_malformed(&mut self, connection: ConnectionId, error: &ParseError, now: Timestamp) {
        let Some(key) = self.flows.of_socket(connection) else { return };
        let Some(client) = self.flows.get(key).map(|flow| flow.client) else { return };
        self.counts.refused += 1;
        if self.sources.admit(client, Rate::Anybody, now) != RateVerdict::Admitted {
            self.outputs.push_back(GatewayOutput::Close(connection));
            return self.handle_closed(connection, now);
        }
        if let Some(answer) = error.response() {
            self.outputs.push_back(GatewayOutput::ToPhone { connection, bytes: answer.to_bytes() });
        }
    }

    /// Whether a message of a phone is taken. A request that is not is answered without a transaction: nobody repeats it on a WebSocket.
    pub(super) fn takes(&mut self, key: FlowKey, message: &Message, now: Timestamp) -> bool {
        let status = self.untaken(key, message, now);
        let is_told = self.counts_refusal(key, message, status.is_some());
        let Some(status) = status else { return true };
        self.counts.refused += 1;
        if is_told && message.is_request() && message.method() != Method::Ack && message.fault().is_none() {
            let answer = self.refusing(message, status);
            self.send_to_phone(key, answer.to_bytes());
        }
        false
    }

    /// Counts the refusals of a stranger. Returns whether one is told: answering a flood is a flood.
    fn counts_refusal(&mut self, key: FlowKey, message: &Message, is_refused: bool) -> bool {
        let Some(flow) = self.flows.get_mut(key).filter(|flow| !flow.is_known()) else { return true };
        if is_refused {
            flow.refusals = flow.refusals.saturating_add(1);
        } else if message.is_request() {
            flow.refusals = 0;
        }
        flow.refusals <= REFUSED_OF_FLOW_MAX
    }

    /// Why a message goes nowhere.
    fn untaken(&mut self, key: FlowKey, message: &Message, now: Timestamp) -> Option<StatusCode> {
        if message.to_bytes().len() > MESSAGE_BYTES_MAX {
            return Some(StatusCode::MESSAGE_TOO_LARGE);
        }
        let flow = self.flows.get(key).filter(|flow| !flow.is_known())?;
        let (client, under_way) = (flow.client, flow.under_way);
        // Answers too, though nothing is asked of a stranger.
        if self.sources.admit(client, Rate::Anybody, now) != RateVerdict::Admitted {
            return Some(StatusCode::SERVICE_UNAVAILABLE);
        }
        // What ends a request needs a place least of all.
        if !message.is_request() || matches!(message.method(), Method::Ack | Method::Cancel) {
            return None;
        }
        let (clients, servers) = self.layer.len();
        let is_full = clients.max(servers) >= STRANGERS_MAX || self.layer.is_short();
        let is_too_much =
            is_full || under_way >= KEPT_OF_FLOW_MAX || self.exchanges.of_source(block(client)) >= KEPT_OF_SOURCE_MAX;
        is_too_much.then_some(StatusCode::SERVICE_UNAVAILABLE)
    }
}
