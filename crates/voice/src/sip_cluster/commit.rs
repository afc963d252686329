//! A turn's batch for the ledger, and what its answers mean.

use infra::{CallWrite, Change, Written};
use model::ConnId;

use super::entry::{Order, Stored};
use super::node::Node;
use super::records;

impl Node {
    /// What has changed since the last batch. The answers go to [`Node::committed`], in the same order.
    pub fn batch(&mut self) -> Vec<CallWrite> {
        let changed = std::mem::take(&mut self.changed);
        let mut batch = Vec::with_capacity(changed.len());
        for conn_id in changed {
            self.tell_routing(conn_id);
            if let Some(write) = self.write(conn_id) {
                batch.push(write);
            }
            self.drop_closed(conn_id);
        }
        if !batch.is_empty() {
            self.metrics.turn(batch.len());
        }
        batch
    }

    fn write(&mut self, conn_id: ConnId) -> Option<CallWrite> {
        let entry = self.calls.get_mut(&conn_id)?;
        entry.dirty = false;
        let over = entry.call.is_over();
        match entry.stored {
            Stored::Ended => return None,
            Stored::No if over => {
                // Refused before anything came of it: it costs nothing and leaves nothing.
                entry.events.clear();
                self.metrics.call_refused();
                return None;
            }
            Stored::No if entry.call.state().stage_is_asking() => return None,
            Stored::No | Stored::Live => {}
        }
        let entry = self.calls.get(&conn_id)?;
        let state = || records::encode(entry, &self.agent, |link| self.edge(link));
        // As long as somebody has not answered our BYE the record stays: should we die now, our next life says it again.
        let ended = over && entry.legs.is_empty();
        let change = match (entry.stored, ended) {
            (_, true) => Change::End,
            (Stored::No, false) => Change::Create { state: state(), intentions: bytes::Bytes::new() },
            (_, false) => Change::Save { state: state(), intentions: bytes::Bytes::new() },
        };
        let token = entry.call.state().token;
        let due = entry.call.next_timeout();
        let entry = self.calls.get_mut(&conn_id)?;
        let dialogs = if entry.stored == Stored::No { vec![entry.invite.clone()] } else { Vec::new() };
        entry.stored = if ended { Stored::Ended } else { Stored::Live };
        Some(CallWrite {
            tenant: entry.tenant.clone(),
            conn_id,
            owner: self.owner.clone(),
            token,
            change,
            due,
            dialogs,
            events: std::mem::take(&mut entry.events),
            new_call: entry.new_call.take(),
        })
    }

    /// The ledger's answers. A call that somebody else has is forgotten: what it wanted to send is not ours to send.
    pub fn committed(&mut self, answers: impl IntoIterator<Item = (ConnId, Written)>) {
        let mut lost = 0;
        for (conn_id, written) in answers {
            match written {
                Written::Done { .. } => continue,
                Written::Fenced { owner, .. } | Written::Exists { owner, .. } => {
                    tracing::debug!(%conn_id, %owner, "a call belongs to somebody else");
                }
                Written::Ended | Written::Unknown => tracing::debug!(%conn_id, "a call is over elsewhere"),
            }
            self.forget(conn_id);
            lost += 1;
        }
        if lost > 0 {
            tracing::warn!(calls = lost, "calls are somebody else's now, or over: this node forgets them");
        }
    }

    fn forget(&mut self, conn_id: ConnId) {
        self.metrics.call_fenced();
        // Whoever has the call tells what becomes of it.
        self.orders.retain(|order| !matches!(order, Order::TellRouting { conn_id: told, .. } if *told == conn_id));
        let Some(entry) = self.calls.remove(&conn_id) else {
            return;
        };
        if let Some(armed) = entry.armed {
            self.due.remove(&(armed, conn_id));
        }
        for dialog in entry.dialogs() {
            self.dialogs.remove(&dialog);
            self.agent.forget(dialog);
        }
        self.metrics.calls.set(i64::try_from(self.calls.len()).unwrap_or(i64::MAX));
    }
}
