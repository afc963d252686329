//! What services beside GWS have said of an operation, on its way to the clients of the session.

use serde_json::Value;

use super::super::desk::MediaChannel;
use super::DeskSession;

impl DeskSession {
    /// Tells the clients that listen to that channel, in this order.
    pub fn tell_media(&self, channel: MediaChannel, messages: &[Value]) {
        let mut state = self.lock();
        if state.phase.is_over() {
            return;
        }
        let now = self.parts.now();
        for message in messages {
            if !state.desk.tell_media(channel, message, now) {
                tracing::debug!(tenant = %self.cookie.tenant, "a client has no room for what a service says");
            }
        }
        self.carry(&mut state);
    }
}
