//! Inputs of the loop beside SIP: answers, requests, repairs.

use std::collections::BTreeSet;

use call::call::PinAnswer;
use infra::{CallIndex, Record, Repair};
use model::event::ErrorCode;
use model::plan::{Destination, PlanAnswer};
use model::{ConnId, Owner, Request, Timestamp, UserData};
use sip::agent::IncomingId;
use tokio::sync::{mpsc, oneshot};

use super::certificates::Fetched;
use super::limits::INBOX_MAX;
use super::node::lookup::Found;
use super::node::spending::{Added, Spender};
use crate::monitors::Monitor;

/// An input of the loop.
#[derive(Debug)]
pub enum InboxMessage {
    /// The dial plan's answer.
    DialPlan {
        /// The call that asked.
        conn_id: ConnId,
        /// The number of its query.
        ask: u32,
        /// The answer.
        answer: PlanAnswer,
    },
    /// The dial plan's answer for an OPTIONS.
    Reach {
        /// The OPTIONS.
        request: IncomingId,
        /// The answer.
        destination: Destination,
    },
    /// Config's answer about a PIN.
    PinAnswered {
        /// The call that asked.
        conn_id: ConnId,
        /// The number of its query.
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
        /// Whether the call is here; sent after the commit.
        reply: oneshot::Sender<Result<(), ErrorCode>>,
    },
    /// Query the user data of a call.
    UserData {
        /// Its tenant.
        tenant: model::TenantId,
        /// The call.
        conn_id: ConnId,
        /// Its user data, if it is here.
        reply: oneshot::Sender<Option<UserData>>,
    },
    /// Which call a request about two calls lacks.
    Lacks {
        /// The request.
        request: Box<Request>,
        /// The other call, if it alone is not here.
        reply: oneshot::Sender<Option<ConnId>>,
    },
    /// Another node wants a call.
    HandOver {
        /// The call.
        conn_id: ConnId,
        /// That node.
        to: Owner,
        /// Until when it counts on it.
        until: Timestamp,
    },
    /// The ledger's answer about a call that was to be handed over.
    HandedOver {
        /// Its tenant.
        tenant: model::TenantId,
        /// The call.
        thread: ConnId,
        /// Whether the other node has it.
        is_given: bool,
    },
    /// The result of a lookup for a call's owner.
    Found {
        /// How the messages name the call.
        named: CallIndex,
        /// The ledger's answer.
        found: Found,
    },
    /// Calls claimed from failed nodes.
    Inherited(Vec<Record<ConnId>>),
    /// The record of a call that could not be ended: it goes into quarantine.
    Unendable {
        /// As the ledger has it.
        record: Box<Record<ConnId>>,
        /// Why.
        why: String,
    },
    /// The result of moving a record to quarantine.
    Quarantined {
        /// The call.
        conn_id: ConnId,
        /// Whether it is there; otherwise another node has the call, or it was over.
        done: bool,
    },
    /// The store's answer about what was spent on calls outside.
    Spent {
        /// Who has spent it.
        spender: Spender,
        /// What became of it.
        added: Added,
    },
    /// The certificate for which an INVITE waits.
    CertificateFetched {
        /// The number of the INVITE.
        id: u64,
        /// The certificate, or why there is none.
        fetched: Fetched,
    },
    /// rq may have restarted: it needs the tenant's calls.
    RoutingAgain {
        /// The tenant.
        tenant: model::TenantId,
    },
    /// Query the tenants that have calls here.
    Tenants(oneshot::Sender<BTreeSet<model::TenantId>>),
    /// The supervisors that monitor calls of a tenant's agents.
    Monitors {
        /// The tenant.
        tenant: model::TenantId,
        /// All of them.
        monitors: Vec<Monitor>,
    },
    /// A repair of the auditor.
    Repair {
        /// What to do.
        repair: Repair,
        /// The call, if its owner has failed and it was claimed for the repair.
        orphan: Option<Record<ConnId>>,
        /// Notified after the commit.
        done: oneshot::Sender<()>,
    },
}

/// The sending side of the loop's inbox.
#[derive(Clone, Debug)]
pub struct Inbox(mpsc::Sender<InboxMessage>);

impl Inbox {
    /// A sender and its receiver.
    pub fn new() -> (Self, mpsc::Receiver<InboxMessage>) {
        let (sender, receiver) = mpsc::channel(INBOX_MAX);
        (Self(sender), receiver)
    }

    /// The dial plan's answer. Waits while the inbox is full; a loop that has ended needs no answer.
    pub async fn dial_plan(&self, conn_id: ConnId, ask: u32, answer: PlanAnswer) {
        let _ = self.0.send(InboxMessage::DialPlan { conn_id, ask, answer }).await;
    }

    /// The dial plan's answer for an OPTIONS.
    pub async fn reach(&self, request: IncomingId, destination: Destination) {
        let _ = self.0.send(InboxMessage::Reach { request, destination }).await;
    }

    /// Config's answer about a PIN.
    pub async fn pin_answered(&self, conn_id: ConnId, ask: u32, answer: PinAnswer) {
        let _ = self.0.send(InboxMessage::PinAnswered { conn_id, ask, answer }).await;
    }

    /// The outcome of a feature code.
    pub async fn agent_answered(&self, conn_id: ConnId, done: bool) {
        let _ = self.0.send(InboxMessage::AgentAnswered { conn_id, done }).await;
    }

    /// The result of a lookup for a call's owner.
    pub async fn found(&self, named: CallIndex, found: Found) {
        let _ = self.0.send(InboxMessage::Found { named, found }).await;
    }

    /// Calls claimed from failed nodes.
    pub async fn orphans_claimed(&self, records: Vec<Record<ConnId>>) {
        let _ = self.0.send(InboxMessage::Inherited(records)).await;
    }

    /// The record of a call that could not be ended.
    pub async fn unendable(&self, record: Record<ConnId>, why: String) {
        let _ = self.0.send(InboxMessage::Unendable { record: Box::new(record), why }).await;
    }

    /// Another node has the record that was to be quarantined.
    pub async fn not_quarantined(&self, conn_id: ConnId) {
        self.quarantined(conn_id, false).await;
    }

    /// The result of moving a record to quarantine: whether it is there.
    pub async fn quarantined(&self, conn_id: ConnId, done: bool) {
        let _ = self.0.send(InboxMessage::Quarantined { conn_id, done }).await;
    }

    /// The store's answer about what was spent on calls outside.
    pub async fn spent(&self, spender: Spender, added: Added) {
        let _ = self.0.send(InboxMessage::Spent { spender, added }).await;
    }

    /// The certificate for which an INVITE waits.
    pub async fn certificate_fetched(&self, id: u64, fetched: Fetched) {
        let _ = self.0.send(InboxMessage::CertificateFetched { id, fetched }).await;
    }

    /// rq may have restarted: it needs the tenant's calls.
    pub async fn routing_again(&self, tenant: model::TenantId) {
        let _ = self.0.send(InboxMessage::RoutingAgain { tenant }).await;
    }

    /// The tenants that have calls here; none if the loop has ended.
    pub async fn tenants(&self) -> BTreeSet<model::TenantId> {
        let (reply, answer) = oneshot::channel();
        let _ = self.0.send(InboxMessage::Tenants(reply)).await;
        answer.await.unwrap_or_default()
    }

    /// The supervisors that monitor calls of a tenant's agents.
    pub async fn monitors(&self, tenant: model::TenantId, monitors: Vec<Monitor>) {
        let _ = self.0.send(InboxMessage::Monitors { tenant, monitors }).await;
    }

    /// The user data of a call; none if it is not here, the inbox is full or the loop has ended.
    pub async fn user_data(&self, tenant: model::TenantId, conn_id: ConnId) -> Option<UserData> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(InboxMessage::UserData { tenant, conn_id, reply }).ok()?;
        answer.await.ok()?
    }

    /// The other call of a request about two, if that one alone is not here.
    pub async fn lacks(&self, request: &Request) -> Option<ConnId> {
        request.kind.other_call()?;
        let (reply, answer) = oneshot::channel();
        self.0.try_send(InboxMessage::Lacks { request: Box::new(request.clone()), reply }).ok()?;
        answer.await.ok()?
    }

    /// Another node wants a call; false if the loop has ended.
    pub async fn hand_over(&self, conn_id: ConnId, to: Owner, until: Timestamp) -> bool {
        self.0.send(InboxMessage::HandOver { conn_id, to, until }).await.is_ok()
    }

    /// The ledger's answer about a call that was to be handed over.
    pub async fn handed_over(&self, tenant: model::TenantId, thread: ConnId, is_given: bool) {
        let _ = self.0.send(InboxMessage::HandedOver { tenant, thread, is_given }).await;
    }

    /// A request; the answer says whether the call is here. None if the inbox is full or the loop has ended.
    pub async fn request(&self, request: Request) -> Option<Result<(), ErrorCode>> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(InboxMessage::Request { request: Box::new(request), reply }).ok()?;
        answer.await.ok()
    }

    /// A repair, with the record of its call if it was claimed for that. Returns once it is stored; false if the loop has ended.
    pub async fn repair(&self, repair: Repair, orphan: Option<Record<ConnId>>) -> bool {
        let (done, stored) = oneshot::channel();
        self.0.send(InboxMessage::Repair { repair, orphan, done }).await.is_ok() && stored.await.is_ok()
    }
}
