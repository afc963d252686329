//! INVITEs of trunks of which config has not told this node yet: sip-proxy may have heard of a trunk sooner. Nothing is known of what is set
//! for such a trunk, as that who calls must be verified or audio be encrypted, so the INVITE waits a little, and is refused if that stays so.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use call::Input;
use model::plan::Caller;
use model::{TenantId, Timestamp};
use sip::agent::{DialogId, Reply};
use sip::location::Geolocation;
use sip::{ConnectionId, Flow, Message, StatusCode};

use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::calls::incoming::InviteSource;
use crate::sip_cluster::node::calls::leg::Place;

/// The most INVITEs that wait for their trunk; further ones are refused. Config tells all roles of a trunk within some milliseconds.
pub const EARLY_MAX: usize = 200;
/// Those of one tenant: its trunk must not take the place of others.
pub const EARLY_OF_TENANT_MAX: usize = 100;
/// How long one waits.
pub const EARLY_FOR: Duration = Duration::from_secs(2);
/// How often it is seen whether the trunk is known.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often the log says of a trunk that its calls are refused.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// The most trunks of which it says so in that time; the metric counts the calls of all.
const TOLD_MAX: usize = 100;

/// An INVITE, as it came.
struct EarlyInvite {
    trunk: (TenantId, String),
    dialog: DialogId,
    request: Message,
    location: Option<Geolocation>,
    flow: Flow,
    until: Timestamp,
}

/// Those that wait, in the order in which they came.
#[derive(Default)]
pub struct EarlyInvites {
    waiting: VecDeque<EarlyInvite>,
    look_at: Timestamp,
    /// Trunks of which the log has said that their calls are refused, and when.
    told: HashMap<(TenantId, String), Timestamp>,
}

impl EarlyInvites {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When it is seen again whether their trunks are known.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        (!self.waiting.is_empty()).then_some(self.look_at)
    }

    /// They go by another connection from now on.
    pub fn move_links(&mut self, old: Flow, new: ConnectionId) {
        let flows = self.waiting.iter_mut().map(|invite| &mut invite.flow);
        flows.filter(|flow| **flow == old).for_each(|flow| *flow = Flow::Stream { connection: new });
    }

    fn has_room(&self, tenant: &TenantId) -> bool {
        let of_tenant = || self.waiting.iter().filter(|invite| invite.trunk.0 == *tenant).count();
        self.waiting.len() < EARLY_MAX && of_tenant() < EARLY_OF_TENANT_MAX
    }

    /// Whether the log is to say that calls of a trunk are refused.
    fn is_to_be_told(&mut self, trunk: &(TenantId, String), now: Timestamp) -> bool {
        self.told.retain(|_, at| now.since(*at) < TOLD_EVERY);
        self.told.len() < TOLD_MAX && !self.told.contains_key(trunk) && self.told.insert(trunk.clone(), now).is_none()
    }

    /// Its caller has given up.
    pub fn forget(&mut self, dialog: DialogId) {
        self.waiting.retain(|invite| invite.dialog != dialog);
    }
}

impl Node {
    /// The trunk of an INVITE, if config has not told of it.
    pub(in crate::sip_cluster::node::calls) fn untold_trunk(&self, request: &Message) -> Option<(TenantId, String)> {
        let InviteSource { tenant, caller: Caller::Trunk { trunk, .. } } = InviteSource::of(request)? else {
            return None;
        };
        (!(self.trunks)(&tenant, &trunk).is_known).then_some((tenant, trunk))
    }

    /// An INVITE waits until config has told of its trunk.
    pub(in crate::sip_cluster::node::calls) fn wait_for_trunk(
        &mut self,
        trunk: (TenantId, String),
        (dialog, request, location, flow): (DialogId, &Message, Option<Geolocation>, Flow),
        now: Timestamp,
    ) {
        let invite = EarlyInvite { trunk, dialog, request: request.clone(), location, flow, until: now + EARLY_FOR };
        if !self.early_invites.has_room(&invite.trunk.0) {
            return self.refuse_early(&invite, now);
        }
        if self.early_invites.waiting.is_empty() {
            self.early_invites.look_at = now + LOOK_EVERY;
        }
        self.early_invites.waiting.push_back(invite);
    }

    /// Begins the calls of those whose trunks are known now, and refuses those that have waited long enough.
    pub(in crate::sip_cluster::node) fn look_for_trunks(&mut self, now: Timestamp) {
        if self.early_invites.next_timeout().is_none_or(|at| now < at) {
            return;
        }
        self.early_invites.look_at = now + LOOK_EVERY;
        for _ in 0..self.early_invites.len() {
            let Some(invite) = self.early_invites.waiting.pop_front() else { return };
            if self.untold_trunk(&invite.request).is_none() {
                self.begin_at_last(invite, now);
            } else if invite.until <= now {
                self.refuse_early(&invite, now);
            } else {
                self.early_invites.waiting.push_back(invite);
            }
        }
    }

    /// A fault costs this call alone. Its INVITE is not the message in hand, which would be answered then.
    fn begin_at_last(&mut self, invite: EarlyInvite, now: Timestamp) {
        let EarlyInvite { dialog, request, location, flow, .. } = invite;
        let mut is_done = false;
        self.attempt_for(None, now, |node| {
            node.incoming(dialog, &request, location, flow, now);
            is_done = true;
        });
        match self.calls.place_of(dialog) {
            _ if is_done => {}
            Some(Place { conn_id, .. }) => {
                self.attempt_for(Some(conn_id), now, |node| node.feed(conn_id, Input::Fault, now));
            }
            None => self.refuse_call(dialog, Reply::new(StatusCode::SERVER_INTERNAL_ERROR), now),
        }
    }

    /// Without Retry-After: for that time its carrier would send no call by any other trunk either, nor any to another tenant (RFC 3261
    /// section 21.5.4).
    fn refuse_early(&mut self, invite: &EarlyInvite, now: Timestamp) {
        self.metrics.early_refused();
        let ((tenant, trunk), call_id) = (&invite.trunk, invite.request.call_id().unwrap_or_default());
        if self.early_invites.is_to_be_told(&invite.trunk, now) {
            tracing::warn!(%tenant, trunk, call_id,
                "calls are refused: config has not told of their trunk (said once a minute)");
        }
        self.refuse_call(invite.dialog, Reply::new(StatusCode::SERVICE_UNAVAILABLE), now);
    }
}
