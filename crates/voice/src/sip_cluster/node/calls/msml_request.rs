//! Requests to media about a leg, as MSML in its media dialog (RFC 5707).

use ivr::msml::{self, Command, Notice};
use model::{ConnId, LegId, Timestamp};
use sip::agent::{Body, DialogId, RequestId};
use sip::header::HeaderName;
use sip::{Message, StatusCode};

use crate::sip_cluster::node::Node;

impl Node {
    /// A leg's media dialog and its name in MSML: our tag, which media got with the INVITE.
    pub(super) fn media_of(&self, conn_id: ConnId, leg: LegId) -> Option<(DialogId, String)> {
        let media = self.leg(conn_id, leg)?.media?;
        let tag = self.agent.leg(media)?.dialog.local_tag.to_string();
        Some((media, tag))
    }

    pub(super) fn send_msml(
        &mut self,
        media: DialogId,
        commands: &[Command],
        headers: Vec<(HeaderName, String)>,
        now: Timestamp,
    ) -> Option<RequestId> {
        let body = Body::new(msml::CONTENT_TYPE, msml::build_request(commands));
        match self.agent.info(media, body, headers, now) {
            Ok(request) => Some(request),
            Err(error) => {
                tracing::debug!(%error, "media cannot be reached now");
                None
            }
        }
    }
}

/// Media's result, if its answer has one.
pub(super) fn result_code(response: Option<&Message>) -> Option<u16> {
    match msml::parse_notice(response?.body()).ok()? {
        Notice::Result(result) => Some(result.code),
        Notice::Event(_) => None,
    }
}

/// Whether a status may come from a proxy that has lost media, which may have carried the request out.
pub(super) const fn may_be_done(status: StatusCode) -> bool {
    matches!(status.0, 408 | 430 | 500 | 503 | 504)
}
