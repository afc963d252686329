//! A request makes a call: the phone that calls is rung first.

use call::call::{Asked, classifies, no_answer_ms, shown_number};
use call::{Incoming, Thread};
use model::event::ErrorCode;
use model::plan::Caller;
use model::request::RequestKind;
use model::{ConnId, Request, Timestamp, UserData};
use sip::header::HeaderName;

use super::call::Entry;
use crate::sip_cluster::node::Node;

/// What begins a call by request.
type Begin = fn(Incoming, Asked, UserData, Timestamp) -> Thread;

impl Node {
    /// Opens a call for a request. It is stored at once, so that the request has an outcome even if this node fails.
    ///
    /// # Errors
    /// When this node takes no calls (58), or the request cannot be one (51, 53).
    pub(in crate::sip_cluster::node) fn originate(
        &mut self,
        request: Request,
        now: Timestamp,
    ) -> Result<ConnId, ErrorCode> {
        let asked = Asked::by(&request);
        no_answer_ms(&request).map_err(|(code, _)| code)?;
        let classifies = classifies(&request).map_err(|(code, _)| code)?;
        let shows = shown_number(&request).map_err(|(code, _)| code)?;
        let (to, user_data, begin): (_, _, Begin) = match request.kind {
            RequestKind::MakeCall(to, user_data) => (to, user_data, Thread::originate),
            RequestKind::MakePredictiveCall(to, user_data) if classifies => (to, user_data, Thread::predict_class),
            RequestKind::MakePredictiveCall(to, user_data) => (to, user_data, Thread::predict),
            _ => return Err(ErrorCode::UNSUPPORTED),
        };
        if user_data.pairs() > UserData::PAIRS_MAX || user_data.bytes() > UserData::BYTES_MAX {
            return Err(ErrorCode::INVALID_ATTRIBUTE);
        }
        if !self.takes_calls() {
            return Err(ErrorCode::OUT_OF_SERVICE);
        }
        let conn_id = self.ids.next_conn_id(now);
        let incoming = Incoming {
            tenant: request.tenant.clone(),
            conn_id,
            uuid: self.ids.next_uuid(),
            token: model::Token(1),
            caller: Caller::Phone(request.this_dn),
            dialled: to.to_string(),
        };
        let mut thread = begin(incoming, asked, user_data, now);
        if let Some(number) = shows {
            thread.show(number);
        }
        self.begin_call(conn_id, Entry::new(request.tenant, thread, Vec::new()), now);
        self.call_changed(conn_id, now);
        Ok(conn_id)
    }
}

/// Asks a phone to answer by itself: its user has asked for the call. A phone that does not know this rings.
pub(super) fn answer_by_itself(edge: &str) -> (HeaderName, String) {
    (HeaderName::CallInfo, format!("<sip:{edge}>;answer-after=0"))
}
