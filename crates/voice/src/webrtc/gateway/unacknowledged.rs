//! INVITEs of phones that were refused, and have yet to be acknowledged. Each holds a transaction of the table that both sides share, for
//! half a minute if its phone never acknowledges.

use model::Timestamp;
use sip::transaction::ServerId;
use sip::{Message, Method, StatusCode};

use super::Gateway;
use super::flows::FlowKey;

/// Those of one phone: as many calls as fail at once.
const OF_PHONE_MAX: usize = 8;
/// Those of one flow on which nobody has proved to be a phone: its INVITEs lead nowhere.
const OF_STRANGER_MAX: usize = 1;

impl Gateway {
    /// Answers a request of a phone that goes no further.
    pub(super) fn refuse_phone(
        &mut self,
        key: FlowKey,
        server: ServerId,
        request: &Message,
        status: StatusCode,
        now: Timestamp,
    ) {
        self.refuse(server, request, status, now);
        if request.method() == Method::Invite {
            self.await_ack(key, server);
        }
    }

    /// An INVITE of a phone was refused. Of more than it may have, the earliest are forgotten: on a WebSocket nobody repeats them.
    pub(super) fn await_ack(&mut self, key: FlowKey, server: ServerId) {
        let Some(flow) = self.flows.get_mut(key) else { return self.layer.drop_server(server) };
        let max = if flow.is_known() { OF_PHONE_MAX } else { OF_STRANGER_MAX };
        flow.unacknowledged.push_back(server);
        while flow.unacknowledged.len() > max {
            let Some(earliest) = flow.unacknowledged.pop_front() else { return };
            self.layer.drop_server(earliest);
        }
    }

    /// Nobody is there any more who could acknowledge those of a flow.
    pub(super) fn forget_unacknowledged(&mut self, key: FlowKey) {
        let Some(flow) = self.flows.get_mut(key) else { return };
        for server in std::mem::take(&mut flow.unacknowledged) {
            self.layer.drop_server(server);
        }
    }
}
