//! Requests that wait for their users' credentials. Those that certainly come by a trunk have places of their own: while config does not
//! answer, strangers must not stop the calls of carriers.

use std::sync::Arc;

use bytes::Bytes;
use model::{TenantId, Timestamp};

use super::exchange::{Origin, Stage};
use super::request::user_of;
use super::settings::LOOKUP_TIME;
use super::{Output, Proxy};
use crate::message::Message;
use crate::transaction::ServerId;

/// The number of requests that wait.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WaitingForCredentials {
    by_trunk: usize,
    others: usize,
}

impl WaitingForCredentials {
    const fn of(&mut self, by_trunk: bool) -> &mut usize {
        if by_trunk { &mut self.by_trunk } else { &mut self.others }
    }
}

impl Proxy {
    /// Whether one more request may wait for its user's credentials.
    pub(super) const fn may_look_up(&self, by_trunk: bool) -> bool {
        let (limits, waiting) = (&self.settings.limits, &self.waiting_for_credentials);
        if by_trunk { waiting.by_trunk < limits.trunk_lookups } else { waiting.others < limits.lookups }
    }

    /// Holds a request and requests the credentials of the user that it names; [`Self::resume`] goes on. `among` are the tenants of the trunk by
    /// which it may come, if there is one; `by_trunk` says whether it certainly comes by one.
    pub(super) fn wait_for_credentials(
        &mut self,
        (server, invite): (ServerId, bool),
        message: Message,
        origin: Origin,
        (among, by_trunk): (Arc<[TenantId]>, bool),
        now: Timestamp,
    ) {
        let (user, host) = user_of(&message);
        let from = self.source_of(&message, origin);
        let stage = Stage::Lookup { message: Box::new(message), from, by_trunk };
        let Some(lookup) = self.hold(server, invite, origin, stage, Bytes::new()) else { return };
        self.wake(lookup, now + LOOKUP_TIME);
        *self.waiting_for_credentials.of(by_trunk) += 1;
        self.outputs.push_back(Output::NeedCredentials { lookup, user, host, among });
    }

    /// A request waits for its user's credentials no more.
    pub(super) const fn end_lookup(&mut self, by_trunk: bool) {
        let waiting = self.waiting_for_credentials.of(by_trunk);
        *waiting = waiting.saturating_sub(1);
    }
}
