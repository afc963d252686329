//! What is spoken with the party of a leg: as its trunk is set, else as its tenant is.

use contracts::provisioning::DtmfForm;
use media::codec::Codec;
use model::plan::Caller;
use model::{ConnId, LegId, TenantId};

use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::calls::call::Entry;
use crate::sip_cluster::node::calls::session::Spoken;

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
