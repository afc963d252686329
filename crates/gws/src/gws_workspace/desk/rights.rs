//! What becomes of what somebody does who may do it no more: auth has said so since it began.

use model::Timestamp;
use runtime::scope::CALLS_MONITOR;
use serde_json::Value;

use super::picture::{call_id, is_released};
use super::{Desk, SessionLife, frames};

impl Desk {
    /// Ends the monitoring of a person who may monitor no more: of the calls that are listened to now, and of those to come.
    pub fn keep_to_rights(&mut self, now: Timestamp) {
        let is_open = matches!(self.life, SessionLife::Open);
        let Some(channel) = self.channel.as_mut().filter(|_| is_open && !self.who.may(CALLS_MONITOR)) else { return };
        let mut requests = Vec::new();
        if let Some(monitored) = channel.monitored.take() {
            requests.push(frames::cancel_monitoring(&channel.dn, &monitored));
        }
        let is_listened_to =
            |call: &&Value| !is_released(call) && call.get("isMonitoredByMe").and_then(Value::as_bool) == Some(true);
        let listened_to = channel.picture.calls.iter().filter(is_listened_to);
        requests.extend(listened_to.map(|call| frames::release(&channel.dn, call_id(call))));
        for frame in requests {
            let reference = self.next_reference(now);
            self.send(frame, reference);
        }
        self.settle(now);
    }

    /// Whether the person may be at the session's DN no more, and has no call there: then the agent is logged out.
    pub fn is_to_leave(&self) -> bool {
        let Some(channel) = &self.channel else { return false };
        let may_be_there = self.may_activate().is_ok() && self.who.dn.as_ref().is_none_or(|dn| *dn == channel.dn);
        !may_be_there && channel.picture.calls.iter().all(is_released)
    }
}
