//! By which sip-proxy a call goes out: by all of them in turn, and by another one where the first has not reached the carrier, which has not
//! got the call then. A trunk that registers goes by the one that has been there for longest, as its REGISTER does: its carrier may take calls
//! from that address alone.

use model::ConnId;
use model::plan::Way;
use sip::proxy::headers::NOT_REACHED;
use sip::{ConnectionId, Message, Unreached};

use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::calls::call::NotReached;
use crate::sip_cluster::node::calls::leg::{Leg, LegStage, Place, Side, Target};

impl Node {
    /// The connection to the proxy by which a leg goes to a carrier: one that has not failed to reach it for this call before others. The
    /// further ways of an emergency go by other proxies than those before.
    pub(in crate::sip_cluster::node::calls) fn link_outward(
        &mut self,
        conn_id: ConnId,
        target: &Target,
    ) -> Option<ConnectionId> {
        let (entry, trunk) = (self.calls.get(&conn_id)?, target.trunk.as_deref()?);
        let registers = (self.trunks)(&entry.tenant, trunk).registers;
        let is_for_help = |leg: &&Leg| leg.target.as_ref().is_some_and(|target| target.is_emergency);
        let used = |link: ConnectionId| {
            let failed = entry.not_reached.iter().filter(|failed| failed.by == link);
            let for_help = entry.legs.iter().filter(is_for_help).filter(|leg| leg.link == link);
            let for_others = if registers { 0 } else { failed.clone().count() + for_help.count() };
            (failed.filter(|failed| failed.trunk == trunk).count(), for_others)
        };
        self.proxies.outward(!registers, used)
    }

    /// The way of a leg whose carrier was not reached by its proxy, and may be by another one that has not been tried for it: each is tried
    /// once for a trunk in turn.
    pub(in crate::sip_cluster::node::calls) fn take_not_reached(
        &mut self,
        Place { conn_id, leg, side }: Place,
        response: Option<&Message>,
    ) -> Option<Way> {
        let entry = self.calls.get_mut(&conn_id).filter(|_| side == Side::Phone)?;
        let leg = entry.leg(leg).filter(|leg| leg.stage != LegStage::Closing)?;
        let (by, way) = (leg.link, leg.target.as_ref()?.way()?);
        let why = response.and_then(|response| response.header(&NOT_REACHED)).and_then(Unreached::parse);
        let may_differ = why.is_some_and(Unreached::may_differ_elsewhere);
        let trunk = &way.trunk;
        entry.not_reached.push(NotReached { trunk: trunk.clone(), by });
        let tried =
            |link: ConnectionId| entry.not_reached.iter().any(|failed| failed.trunk == *trunk && failed.by == link);
        if !may_differ || !self.proxies.is_one_untried(tried) {
            // Its carrier has the call, or nobody reaches it: what is tried later begins anew.
            entry.not_reached.retain(|failed| failed.trunk != *trunk);
            return None;
        }
        Some(way)
    }
}
