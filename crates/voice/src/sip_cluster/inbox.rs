//! What comes to the loop beside SIP: answers, requests, repairs.

use call::call::PinAnswer;
use infra::{Record, Repair};
use model::event::ErrorCode;
use model::plan::Destination;
use model::{ConnId, Request};
use sip::agent::IncomingId;
use tokio::sync::{mpsc, oneshot};

use super::heirs::{Found, Named};
use super::limits::INBOX_MAX;

/// One thing for the loop.
#[derive(Debug)]
pub enum Letter {
    /// The dial plan's answer.
    DialPlan {
        /// The call that asked.
        conn_id: ConnId,
        /// Its question.
        ask: u32,
        /// The answer.
        destination: Destination,
    },
    /// The dial plan's answer for an OPTIONS.
    Reach {
        /// The OPTIONS.
        request: IncomingId,
        /// The answer.
        destination: Destination,
    },
    /// What config says about a PIN.
    PinAnswered {
        /// The call that asked.
        conn_id: ConnId,
        /// Its question.
        ask: u32,
        /// The answer.
        answer: PinAnswer,
    },
    /// The outcome of a feature code.
    AgentAnswered {
        /// The feature code's call.
        conn_id: ConnId,
        /// Whether it was carried out.
        done: bool,
    },
    /// A request of frontend.
    Request {
        /// The request.
        request: Box<Request>,
        /// Whether the call is here; told after the commit.
        reply: oneshot::Sender<Result<(), ErrorCode>>,
    },
    /// Whose a call is.
    Found {
        /// What was asked for.
        named: Named,
        /// The ledger's answer.
        found: Found,
    },
    /// Calls of nodes that are gone, claimed.
    Inherited(Vec<Record<ConnId>>),
    /// The record of a call that could not be ended: it goes into quarantine.
    Unendable {
        /// As the ledger has it.
        record: Box<Record<ConnId>>,
        /// Why.
        why: String,
    },
    /// What became of a record that was to go into quarantine.
    PutAside {
        /// The call.
        conn_id: ConnId,
        /// Whether it is there; else somebody else has the call, or it was over.
        done: bool,
    },
    /// rq begins anew: it is to hear of the tenant's calls.
    RoutingAgain {
        /// The tenant.
        tenant: model::TenantId,
    },
    /// A repair of the auditor.
    Repair {
        /// What to do.
        repair: Repair,
        /// The call, if its owner is dead and it was claimed to be repaired.
        orphan: Option<Record<ConnId>>,
        /// Told after the commit.
        done: oneshot::Sender<()>,
    },
}

/// The loop's letter box.
#[derive(Clone, Debug)]
pub struct Inbox(mpsc::Sender<Letter>);

impl Inbox {
    /// A letter box and its reader.
    pub fn new() -> (Self, mpsc::Receiver<Letter>) {
        let (sender, receiver) = mpsc::channel(INBOX_MAX);
        (Self(sender), receiver)
    }

    /// The dial plan's answer. Waits when the box is full; a loop that has ended needs none.
    pub async fn dial_plan(&self, conn_id: ConnId, ask: u32, destination: Destination) {
        let _ = self.0.send(Letter::DialPlan { conn_id, ask, destination }).await;
    }

    /// The dial plan's answer for an OPTIONS.
    pub async fn reach(&self, request: IncomingId, destination: Destination) {
        let _ = self.0.send(Letter::Reach { request, destination }).await;
    }

    /// What config says about a PIN.
    pub async fn pin_answered(&self, conn_id: ConnId, ask: u32, answer: PinAnswer) {
        let _ = self.0.send(Letter::PinAnswered { conn_id, ask, answer }).await;
    }

    /// The outcome of a feature code.
    pub async fn agent_answered(&self, conn_id: ConnId, done: bool) {
        let _ = self.0.send(Letter::AgentAnswered { conn_id, done }).await;
    }

    /// Whose a call is.
    pub async fn found(&self, named: Named, found: Found) {
        let _ = self.0.send(Letter::Found { named, found }).await;
    }

    /// Calls of nodes that are gone, claimed.
    pub async fn inherited(&self, records: Vec<Record<ConnId>>) {
        let _ = self.0.send(Letter::Inherited(records)).await;
    }

    /// The record of a call that could not be ended.
    pub async fn unendable(&self, record: Record<ConnId>, why: String) {
        let _ = self.0.send(Letter::Unendable { record: Box::new(record), why }).await;
    }

    /// What became of a record that was to go into quarantine.
    pub async fn put_aside(&self, conn_id: ConnId, done: bool) {
        let _ = self.0.send(Letter::PutAside { conn_id, done }).await;
    }

    /// rq begins anew with the tenant's calls.
    pub async fn routing_again(&self, tenant: model::TenantId) {
        let _ = self.0.send(Letter::RoutingAgain { tenant }).await;
    }

    /// A request; the answer says whether the call is here. None when the box is full or the loop has ended.
    pub async fn request(&self, request: Request) -> Option<Result<(), ErrorCode>> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(Letter::Request { request: Box::new(request), reply }).ok()?;
        answer.await.ok()
    }

    /// A repair, with the record of its call if it was claimed for that; returns when it is stored.
    pub async fn repair(&self, repair: Repair, orphan: Option<Record<ConnId>>) -> bool {
        let (done, stored) = oneshot::channel();
        self.0.send(Letter::Repair { repair, orphan, done }).await.is_ok() && stored.await.is_ok()
    }
}
