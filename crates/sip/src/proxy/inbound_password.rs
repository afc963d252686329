//! Trunks by which nobody calls without a password: its address, or its certificate, is not enough for whoever sends the request. Until it has
//! given the password, who comes from the address has the limits of strangers. A request within a dialog is not asked for it: only who has begun
//! the dialog knows its tags.

use std::net::SocketAddr;
use std::sync::Arc;

use model::Timestamp;

use super::admission::{CREDENTIALS_MAX, Claim, Claimant, Source};
use super::answer::Answer;
use super::trunk::sender::Sender;
use super::{InboundPassword, Output, Proxy, Trunk};
use crate::flow::Flow;
use crate::header::HeaderName;
use crate::message::Message;

impl Proxy {
    /// The trunk by which a request comes, if its sender has given the password that is wanted there; else the answer that asks for it.
    pub(super) fn prove_trunk(
        &mut self,
        message: &Message,
        trunk: Arc<Trunk>,
        (flow, from): (Flow, Option<SocketAddr>),
        now: Timestamp,
    ) -> Result<Source, Answer> {
        let Some(from) = from.map(|from| from.ip()) else { return Err(Answer::unavailable()) };
        let trunk = self.trunk_of_user(message, self.sender(flow, from), &trunk).unwrap_or(trunk);
        match &trunk.inbound {
            InboundPassword::NotAsked => {}
            InboundPassword::Unread => return Err(Answer::unavailable()),
            InboundPassword::Asked(account) => {
                let (claimant, user, realm) = (Claimant::Trunk(&trunk), account.user.as_str(), account.realm.as_str());
                let claim = Claim { claimant, user, realm, hashes: &account.hashes, from };
                self.demand(message, &claim, flow, now)?;
                self.note_trunk_proof(flow, now);
            }
        }
        Ok(Source::Trunk { tenant: trunk.tenant.clone(), name: trunk.name.clone() })
    }

    /// From now on who sends on this flow is known as the trunk's carrier: by its address alone it was not.
    fn note_trunk_proof(&mut self, flow: Flow, now: Timestamp) {
        self.allowance.proved_trunk(flow, now);
        if let Flow::Stream { connection } = flow
            && self.connections.contains_key(&connection)
        {
            self.outputs.push_back(Output::TrunkProved { connection });
        }
    }

    /// Of the tenant's trunks that a sender may be, the one whose user it gives a password for: several PBXs may share an address.
    fn trunk_of_user(&self, message: &Message, sender: Sender<'_>, trunk: &Trunk) -> Option<Arc<Trunk>> {
        let InboundPassword::Asked(account) = &trunk.inbound else { return None };
        let mut all =
            message.authorizations(HeaderName::ProxyAuthorization).take(CREDENTIALS_MAX).filter_map(Result::ok);
        let given = all.find(|given| given.realm == account.realm.as_str())?;
        let has_user = |other: &&Arc<Trunk>| match &other.inbound {
            InboundPassword::Asked(account) => other.tenant == trunk.tenant && given.username == account.user.as_str(),
            InboundPassword::NotAsked | InboundPassword::Unread => false,
        };
        self.trunks.of_sender(sender).find(has_user).cloned()
    }
}
