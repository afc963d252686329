//! The calls of a former life of this node: claimed, read, and gone on with.

use infra::{CallLedger, Record};
use model::{ConnId, Owner, TenantId, Timestamp};
use sip::Flow;
use sip::agent::{DialogSnapshot, Restore};

use super::entry::{Entry, LegStage};
use super::node::{Lost, NO_EDGE, Node, Place, Side};
use super::records::{self, Decoded};

impl Node {
    /// Goes on with a claimed call. Needs the connection to its proxy, so that its messages find their way.
    ///
    /// A call whose record cannot be read is left to the auditor, who sees an owner without the call.
    pub fn restore(&mut self, record: &Record<ConnId>, now: Timestamp) -> bool {
        let conn_id = record.key;
        let Decoded { mut entry, dialogs } = match records::decode(&record.state, |edge| self.link_at(edge, now)) {
            Ok(decoded) => decoded,
            Err(error) => {
                tracing::error!(%conn_id, %error, "a call's record cannot be read");
                return false;
            }
        };
        if entry.call.state().token != record.token {
            entry.call.claim(record.token);
        }
        for (at, (phone, media)) in dialogs.into_iter().enumerate() {
            self.restore_leg(&mut entry, at, conn_id, phone, media, now);
        }
        self.trace_call(&entry, true, now);
        self.calls.insert(conn_id, entry);
        self.metrics.calls.set(i64::try_from(self.calls.len()).unwrap_or(i64::MAX));
        self.metrics.call_claimed();
        if let Some(entry) = self.calls.get_mut(&conn_id) {
            entry.call.ask_again();
        }
        self.call_changed(conn_id, now);
        self.ask_again(conn_id, now);
        self.settle(now);
        true
    }

    fn restore_leg(
        &mut self,
        entry: &mut Entry,
        at: usize,
        conn_id: ConnId,
        phone: Option<DialogSnapshot>,
        media: Option<DialogSnapshot>,
        now: Timestamp,
    ) {
        let Some(leg) = entry.legs.get_mut(at) else {
            return;
        };
        // Every commit came before its messages, so the sequence numbers stand; what was sent last may be lost.
        let how = Restore { stream: Some(Flow::Stream { connection: leg.link }), resend: true, cseq_jump: 0 };
        for (side, snapshot) in [(Side::Phone, phone), (Side::Media, media)] {
            let Some(snapshot) = snapshot else {
                continue;
            };
            match self.agent.restore(vec![snapshot], how, now).map(|mut ids| ids.pop()) {
                Ok(Some(dialog)) => {
                    self.dialogs.insert(dialog, Place { conn_id, leg: leg.id, side });
                    match side {
                        Side::Phone => leg.phone = Some(dialog),
                        Side::Media => leg.media = Some(dialog),
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%conn_id, %error, "a dialog cannot be gone on with"),
            }
        }
        // Silence is counted from here: the party could not reach us while we were away.
        leg.heard_at = now;
        if leg.phone.is_none() && leg.stage == LegStage::Up {
            leg.stage = LegStage::Closing;
        }
    }

    /// The connection to the proxy with that edge. Where there is none yet the call waits for it, as it does for one that broke:
    /// another proxy knows nothing of its requests, so that a CANCEL there would be of no call.
    fn link_at(&mut self, edge: &str, now: Timestamp) -> u64 {
        let own = self.links.iter().find(|(_, at)| at.as_str() == edge).map(|(link, _)| *link);
        if let Some(link) = own.or_else(|| self.lost.get(edge).map(|lost| lost.link)) {
            return link;
        }
        if edge == NO_EDGE {
            return self.links.keys().next().copied().unwrap_or(0);
        }
        self.never_up += 1;
        let link = NEVER_UP | self.never_up;
        self.lost.insert(edge.to_owned(), Lost { link, until: now + self.limits.proxy_return });
        link
    }
}

/// Marks numbers of connections that have not been up in this life: no real one is so high.
const NEVER_UP: u64 = 1 << 63;

/// Claims what former lives of this node have left in the ledger.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn claim_former(
    calls: &dyn CallLedger,
    us: &Owner,
    tenants: &[TenantId],
) -> infra::Result<Vec<Record<ConnId>>> {
    let mut claimed = Vec::new();
    for tenant in tenants {
        for holding in calls.owners(tenant).await? {
            let former = holding.owner;
            if former.node != us.node || former.epoch >= us.epoch {
                continue;
            }
            let orphans = || calls.orphans(tenant, &former, infra::bounds::CLAIM_BATCH);
            claimed.extend(infra::claim_all(tenant, orphans, |claims| calls.claim(us, claims)).await?);
        }
    }
    Ok(claimed)
}
