//! A replica that ends lets its phones go one after the other: each asks at once for another ticket, a WebSocket and a registration, and
//! all of them together would ask for as much in one moment as in the first minutes of a day.

use std::time::Duration;

use model::Timestamp;
use sip::ConnectionId;

use super::exchange::Towards;
use super::flows::FlowKey;
use super::{Gateway, GatewayOutput};

/// The time between two phones: 10,000 have gone after 10 s.
const EACH: Duration = Duration::from_millis(1);
/// How often it is looked who is to go.
const LOOK_EACH: Duration = Duration::from_millis(20);

/// The phones that are let go.
#[derive(Debug)]
pub(super) struct LeavingPhones {
    since: Timestamp,
    /// The time between two of them.
    each: Duration,
    looked_at: Timestamp,
    all: usize,
    /// The WebSockets whose turn is yet to come, in no order.
    left: Vec<ConnectionId>,
    /// Those whose turn came while a request was under way.
    busy: Vec<ConnectionId>,
}

impl LeavingPhones {
    /// All have gone once half of the time until the end is over.
    fn new(left: Vec<ConnectionId>, ends_at: Timestamp, now: Timestamp) -> Self {
        let all = left.len();
        let half = ends_at.since(now) / 2;
        let each = EACH.min(half / u32::try_from(all).unwrap_or(u32::MAX).max(1));
        Self { since: now, each, looked_at: now, all, left, busy: Vec::new() }
    }

    /// Those whose turn has come, and those who were busy then.
    fn turn(&mut self, now: Timestamp) -> Vec<ConnectionId> {
        self.looked_at = now;
        let due = now.since(self.since).as_micros() / self.each.as_micros().max(1);
        let stay = self.all.saturating_sub(usize::try_from(due).unwrap_or(usize::MAX));
        let mut turn = std::mem::take(&mut self.busy);
        turn.extend(self.left.split_off(stay.min(self.left.len())));
        turn
    }

    fn is_over(&self) -> bool {
        self.left.is_empty() && self.busy.is_empty()
    }
}

impl Gateway {
    /// Nothing begins from now on: phones are to come by another replica. They are let go until then.
    pub fn drain(&mut self, ends_at: Timestamp, now: Timestamp) {
        if self.leaving.is_none() {
            self.leaving = Some(LeavingPhones::new(self.flows.sockets().collect(), ends_at, now));
        }
    }

    /// Whether all phones have gone, and no request waits for its answer. That of a phone that has gone does not come by us.
    pub fn is_idle(&self) -> bool {
        let waits = |key| self.flows.get(key).is_some_and(|flow| flow.socket.is_some());
        self.leaving.as_ref().is_none_or(LeavingPhones::is_over)
            && self
                .exchanges
                .iter()
                .all(|(_, one)| one.is_answered || (one.towards == Towards::Phone && !waits(one.flow)))
    }

    /// When the next ones are let go.
    pub(super) fn next_leaves(&self) -> Option<Timestamp> {
        self.leaving.as_ref().filter(|leaving| !leaving.is_over()).map(|leaving| leaving.looked_at + LOOK_EACH)
    }

    /// Closes the WebSockets whose turn has come, but those by which something is asked or answered just now.
    pub(super) fn let_go(&mut self, now: Timestamp) {
        let Some(turn) = self.leaving.as_mut().map(|leaving| leaving.turn(now)) else { return };
        for connection in turn {
            let Some(key) = self.flows.of_socket(connection) else { continue };
            if self.is_asking_or_asked(key) {
                if let Some(leaving) = &mut self.leaving {
                    leaving.busy.push(connection);
                }
                continue;
            }
            self.outputs.push_back(GatewayOutput::Close(connection));
            self.handle_closed(connection, now);
        }
    }

    fn is_asking_or_asked(&self, key: FlowKey) -> bool {
        let mut exchanges = self.exchanges.of_flow(key).into_iter().filter_map(|id| self.exchanges.get(id));
        exchanges.any(|exchange| !exchange.is_answered)
    }
}
