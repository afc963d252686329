//! Calls for help, as far as they are known before the tenant's rules: they are let in where others are refused.

use std::collections::HashSet;
use std::net::SocketAddr;

use model::Timestamp;

use super::{Proxy, headers};
use crate::flow::Flow;
use crate::message::Message;
use crate::method::Method;
use crate::uri::Uri;

impl Proxy {
    /// Replaces the numbers that phones dial for help, of all tenants.
    pub fn set_emergency_numbers(&mut self, numbers: HashSet<Box<str>>) {
        self.emergency_numbers = numbers;
    }

    /// Whether a call may be one for help: to the emergency service itself, or to an emergency number of some tenant. Which tenant calls is
    /// known later, and its rules decide.
    pub(super) fn may_be_for_help(&self, request: &Message) -> bool {
        let uri = request.request_uri().and_then(|uri| Uri::parse(uri).ok());
        let is_number = |uri: Uri<'_>| uri.user().is_some_and(|user| self.emergency_numbers.contains(user));
        request.method() == Method::Invite && uri.is_some_and(|uri| uri.is_emergency() || is_number(uri))
    }

    /// Whether a phone that has authenticated may call for help although there is no time or room. What answers our challenge has been let
    /// in with the INVITE that was challenged.
    pub(super) fn is_let_in_for_help(
        &mut self,
        request: &Message,
        (flow, remote): (Flow, SocketAddr),
        now: Timestamp,
    ) -> bool {
        let answers = self.shows_fresh_nonce(request, remote, now);
        // One phone's password says nothing of the others behind its gateway.
        let behind = request.header(&headers::CLIENT_FLOW).filter(|_| flow.is_of_gateway());
        self.allowance.may_call_for_help(flow, behind, answers, now)
    }
}
