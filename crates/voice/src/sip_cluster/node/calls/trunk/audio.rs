//! What is spoken with the party of a leg: as its trunk is set, else as its tenant is.

use bytes::Bytes;
use call::call::PartyNo;
use contracts::provisioning::DtmfForm;
use media::codec::Codec;
use model::plan::Caller;
use model::{ConnId, LegId, TenantId};

use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::calls::call::Entry;
use crate::sip_cluster::node::calls::session::{self, Spoken};

impl Entry {
    /// The trunk behind which the party of a leg is; none for a phone.
    pub(in crate::sip_cluster::node::calls) fn trunk_of(&self, id: LegId) -> Option<&str> {
        if let Some(target) = self.leg(id).and_then(|leg| leg.target.as_ref()) {
            return target.trunk.as_deref();
        }
        let party = self.thread.calls().find_map(|call| call.party_on(id))?;
        trunk_of_caller(&party.device)
    }
}

impl Node {
    /// The codecs that are spoken with the party of a leg, preferred first.
    pub(in crate::sip_cluster::node) fn codecs(&self, conn_id: ConnId, id: LegId) -> Vec<Codec> {
        let Some(entry) = self.calls.get(&conn_id) else { return Vec::new() };
        self.codecs_with(&entry.tenant, entry.trunk_of(id))
    }

    /// The codecs of which media is told for a leg that begins, preferred first: those that its caller has, too, come before others.
    pub(in crate::sip_cluster::node::calls) fn codecs_beside_caller(&self, conn_id: ConnId, id: LegId) -> Vec<Codec> {
        let codecs = self.codecs(conn_id, id);
        match self.caller_describes(conn_id, id) {
            Some(described) => session::in_order_of(described, &codecs),
            None => codecs,
        }
    }

    /// How the caller of the call in which a leg is has described its audio; nothing where the leg is the caller's own.
    fn caller_describes(&self, conn_id: ConnId, id: LegId) -> Option<&Bytes> {
        let entry = self.calls.get(&conn_id)?;
        let state = entry.thread.call_with(id).unwrap_or(entry.thread.first());
        let caller = entry.leg(state.party(PartyNo::CALLER)?.leg).filter(|caller| caller.id != id)?;
        let session = &self.agent.leg(caller.phone?)?.offer_answer;
        session.offered_by_peer().or(session.remote())
    }

    /// What an offer to the party of a leg may have.
    pub(in crate::sip_cluster::node::calls) fn spoken(&self, conn_id: ConnId, id: LegId) -> Spoken {
        Spoken { codecs: self.codecs(conn_id, id), dtmf: self.leg(conn_id, id).and_then(|leg| leg.dtmf) }
    }

    /// How keys go to who calls and come from there.
    pub(in crate::sip_cluster::node::calls) fn dtmf_of_caller(
        &self,
        tenant: &TenantId,
        caller: &Caller,
    ) -> Option<DtmfForm> {
        self.dtmf_of_trunk(tenant, trunk_of_caller(caller))
    }

    /// How keys go to a trunk's carrier and come from it, for a leg that begins.
    pub(in crate::sip_cluster::node::calls) fn dtmf_of_trunk(
        &self,
        tenant: &TenantId,
        trunk: Option<&str>,
    ) -> Option<DtmfForm> {
        (self.trunks)(tenant, trunk?).dtmf
    }

    /// The codecs that are spoken with who calls.
    pub(in crate::sip_cluster::node::calls) fn codecs_of_caller(
        &self,
        tenant: &TenantId,
        caller: &Caller,
    ) -> Vec<Codec> {
        self.codecs_with(tenant, trunk_of_caller(caller))
    }

    fn codecs_with(&self, tenant: &TenantId, trunk: Option<&str>) -> Vec<Codec> {
        let of_trunk = trunk.map(|trunk| (self.trunks)(tenant, trunk).codecs).unwrap_or_default();
        if of_trunk.is_empty() { (self.prompts)(tenant).codecs } else { of_trunk }
    }
}

/// The trunk by which somebody calls; none for a phone.
pub(super) fn trunk_of_caller(caller: &Caller) -> Option<&str> {
    match caller {
        Caller::Trunk { trunk, .. } => Some(trunk),
        Caller::Phone(_) => None,
    }
}
