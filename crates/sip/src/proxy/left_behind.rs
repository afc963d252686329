//! A late response from an address the INVITE has already failed over from, since that said nothing in time. A carrier that has got the
//! INVITE twice takes the first, and refuses the second with 482 (RFC 3261 §8.2.2.2): whichever rings or answers first has the call, and the
//! other one is cancelled as soon as it may be (§16.7 step 10). A 100 decides nothing: it tells of the next hop alone (§16.7 step 5).

use model::Timestamp;

use super::Proxy;
use super::exchange::{Cancelled, Exchange, Stage, Target};
use super::tries::LeftBehind;
use crate::flow::Flow;
use crate::message::Message;
use crate::status::StatusCode;
use crate::transaction::ClientId;

impl Proxy {
    /// The place where an INVITE is now, as one that it is about to leave.
    pub(super) fn about_to_leave(&self, id: u64) -> Option<Box<LeftBehind>> {
        let held = self.exchanges.get(id).filter(|held| held.invite)?;
        let Stage::Forwarded { client, target: Target::Edge(flow), .. } = held.stage else { return None };
        let hop = held.hops.as_ref().and_then(|hops| hops.current);
        let (recorded, responses) = (held.recorded.clone(), held.responses);
        Some(Box::new(LeftBehind { client, flow, hop, recorded, responses, is_given_up: false }))
    }

    /// Keeps the place that an INVITE has left; one that it had left before is cancelled and forgotten.
    pub(super) fn leave_behind(&mut self, id: u64, left: Box<LeftBehind>, now: Timestamp) {
        let forgotten = match self.exchanges.get_mut(id) {
            Some(held) => held.left.replace(left),
            None => Some(left),
        };
        if let Some(forgotten) = forgotten {
            if !forgotten.is_given_up {
                self.layer.cancel(forgotten.client, &[], now);
            }
            self.layer.abandon(forgotten.client);
        }
    }

    /// Nothing more comes from the place that the INVITE has left. False if it is another one.
    pub(super) fn forget_left(&mut self, id: u64, client: ClientId) -> bool {
        let left = self.exchanges.get_mut(id).and_then(|held| held.left.take_if(|left| left.client == client));
        if left.is_some() {
            self.end_if_over(id);
        }
        left.is_some()
    }

    /// Returns a response, unless it comes from a place that the INVITE has left and does not go back to.
    pub(super) fn unless_left_behind(
        &mut self,
        id: u64,
        client: ClientId,
        message: Message,
        flow: Flow,
        now: Timestamp,
    ) -> Option<Message> {
        let status = message.status()?;
        let left = self.exchanges.get_mut(id).and_then(|held| held.left.as_mut());
        let Some(left) = left.filter(|left| left.client == client) else { return Some(message) };
        left.responses = left.responses.saturating_add(1);
        if status.is_final() && !status.is_success() {
            left.is_given_up = true;
            return None;
        }
        if status != StatusCode::TRYING
            && let Some(left) = self.return_to_left(id, now)
        {
            self.leave_behind(id, left, now);
            return Some(message);
        }
        if status.is_success() {
            self.stray_response(message, flow, now);
        } else if !self.may_return(id) {
            self.cancel_left(id, now);
        }
        None
    }

    /// Whether the INVITE may still go back to the place that it has left: the one where it is may have refused it as one that has come by
    /// two ways.
    fn may_return(&self, id: u64) -> bool {
        let is_open = |held: &Exchange| {
            held.cancelled == Cancelled::No && matches!(held.stage, Stage::Forwarded { progressed: false, .. })
        };
        self.exchanges.get(id).is_some_and(is_open)
    }

    /// The place where the INVITE is has got it by another way already, as it says: it waits for the answer by the way that it has left.
    pub(super) fn is_merged_with_left(&mut self, id: u64, status: StatusCode, now: Timestamp) -> bool {
        status == StatusCode::LOOP_DETECTED && self.return_to_left(id, now).is_some()
    }

    /// Nothing more comes from the place where the INVITE is: where that which it has left has said 100, the call goes on there.
    pub(super) fn falls_back_to_left(&mut self, id: u64, now: Timestamp) -> bool {
        let left = self.exchanges.get(id).and_then(|held| held.left.as_ref());
        left.is_some_and(|left| left.responses > 0) && self.return_to_left(id, now).is_some()
    }

    /// The INVITE is again at the place that it has left, unless it rings where it is; returns that.
    fn return_to_left(&mut self, id: u64, now: Timestamp) -> Option<Box<LeftBehind>> {
        let held = self.exchanges.get_mut(id)?;
        let Stage::Forwarded { client, target: Target::Edge(flow), progressed: false } = held.stage else {
            return None;
        };
        let is_wanted = held.cancelled == Cancelled::No;
        let mut left = held.left.take_if(|left| is_wanted && !left.is_given_up)?;
        held.stage = Stage::Forwarded { client: left.client, target: Target::Edge(left.flow), progressed: false };
        std::mem::swap(&mut held.responses, &mut left.responses);
        (left.client, left.flow) = (client, flow);
        std::mem::swap(&mut held.recorded, &mut left.recorded);
        if let Some(hops) = &mut held.hops {
            hops.is_trial = false;
            std::mem::swap(&mut hops.current, &mut left.hop);
        }
        self.restart_timer_c(id, now);
        Some(left)
    }

    /// Cancels the INVITE at the place that it has left, where somebody has said something there.
    pub(super) fn cancel_left(&mut self, id: u64, now: Timestamp) {
        let Some(held) = self.exchanges.get_mut(id) else { return };
        if let Some(left) = held.left.as_mut().filter(|left| !left.is_given_up) {
            left.is_given_up = self.layer.cancel(left.client, &held.reasons, now);
        }
    }
}
