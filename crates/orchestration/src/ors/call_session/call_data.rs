//! What a session tells about its call.

use contracts::json::user_data_to_json;
use serde_json::{Value, json};

use super::CallSession;

impl CallSession {
    /// The call's data, for media's IVR sessions.
    pub(in crate::ors) fn call_data(&self) -> Value {
        let caller = &self.caller;
        let queue = self.queueing.as_ref().map(|queueing| {
            json!({
                "Name": queueing.queue,
                "Priority": queueing.priority,
                "WaitingSinceMs": queueing.since.as_millis(),
            })
        });
        json!({
            "SessionID": self.machine.id(),
            "Application": caller.application,
            "RoutePoint": caller.this_dn.as_str(),
            "ConnID": caller.call.conn_id.to_string(),
            "ANI": caller.call.ani,
            "DNIS": caller.call.dnis,
            "Queue": queue,
            "UserData": user_data_to_json(&caller.user_data),
        })
    }
}
