//! Carries out the auditor's repairs.

use call::Input;
use infra::{Repair, RepairAction};
use model::request::RequestKind;
use model::{ReferenceId, Request, Subject, Timestamp, UserData};

use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::calls::call::{Entry, Stored};
use crate::sip_cluster::node::faults::Doing;

impl Node {
    /// Carries a repair out; the events that follow say why.
    pub fn repair(&mut self, repair: &Repair, now: Timestamp) {
        let Subject::Call(conn_id) = repair.subject else {
            return;
        };
        // A call that is over only waits for the answer to a BYE.
        let Some(thread) = self.calls.thread_of(conn_id) else { return };
        let is_live = |entry: &&Entry| {
            let call = entry.thread.call(conn_id);
            entry.stored == Stored::Live && call.is_some_and(|call| !call.is_over())
        };
        let Some(entry) = self.calls.get(&thread).filter(is_live) else {
            return;
        };
        tracing::warn!(%conn_id, why = %repair.why, action = ?repair.action, "a repair");
        let text = format!("the auditor repairs it ({:?}): {}", repair.action, repair.why);
        self.trace.note_with(&entry.tenant, thread, now, || runtime::trace::What::Note { text });
        let kind = match repair.action {
            RepairAction::Clear | RepairAction::Free => RequestKind::ClearCall(conn_id),
            RepairAction::Restate => RequestKind::QueryCall(conn_id),
        };
        let Some(this_dn) = model::Dn::parse("auditor").ok() else {
            return;
        };
        let reasons: UserData = [("Repair", repair.why.as_str())].into_iter().collect();
        let request = Request {
            tenant: entry.tenant.clone(),
            requester: "auditor".to_owned(),
            reference: ReferenceId(0),
            this_dn,
            kind,
            reasons,
            extensions: UserData::new(),
        };
        self.attempt(Doing::OtherInput("a repair"), now, |node| {
            node.feed(thread, Input::Request(request), now);
            node.settle(now);
        });
    }
}
