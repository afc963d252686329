//! Tasks of the node for its shell.

use std::collections::VecDeque;
use std::sync::Arc;

use call::call::TypedPin;
use infra::Record;
use model::event::Stamped;
use model::plan::{ForwardedBy, Occasion};
use model::{ConnId, Dn, Owner, TenantId, Token};
use sip::Instance;
use sip::agent::IncomingId;
use sip::stir::Authorities;

use super::lookup::Lookup;
use super::spending::SpentBatch;

/// A number to look up.
#[derive(Clone, Debug, Default)]
pub struct Number {
    /// As it was dialled.
    pub dialled: String,
    /// The one phone of the number that is meant (RFC 5627).
    pub instance: Option<Instance>,
    /// Why it is looked up.
    pub occasion: Occasion,
    /// The phones that have forwarded the call so far.
    pub forwarded_by: Vec<ForwardedBy>,
    /// The number that whoever calls wants to show outside.
    pub shows: Option<String>,
}

/// A task for the node's shell, carried out after the commit.
#[derive(Debug)]
pub enum Order {
    /// Ask the dial plan.
    AskDialPlan {
        /// The tenant.
        tenant: TenantId,
        /// The call that needs the answer.
        conn_id: ConnId,
        /// The number of the query.
        ask: u32,
        /// The caller.
        caller: model::plan::Caller,
        /// The number to look up.
        number: Number,
    },
    /// Ask the dial plan about an OPTIONS, which is no call.
    AskReach {
        /// The OPTIONS.
        request: IncomingId,
        /// The tenant.
        tenant: TenantId,
        /// The sender of the OPTIONS.
        caller: model::plan::Caller,
        /// The number to look up.
        number: Number,
    },
    /// Ask config about a PIN.
    AskPin {
        /// The tenant.
        tenant: TenantId,
        /// The call that needs the answer.
        conn_id: ConnId,
        /// The number of the query.
        ask: u32,
        /// The phone.
        dn: Dn,
        /// The typed PIN, if any.
        typed: Option<TypedPin>,
    },
    /// Post a request about an agent, and wait for its outcome.
    AgentRequest {
        /// The call of the feature code.
        conn_id: ConnId,
        /// The request.
        request: model::Request,
    },
    /// Tell rq about a call.
    TellRouting {
        /// The tenant.
        tenant: TenantId,
        /// The call.
        conn_id: ConnId,
        /// The details to send.
        details: Box<contracts::v1::CallDetails>,
    },
    /// Look up the owner of a call; its messages wait.
    Find(Lookup),
    /// Move a record into quarantine.
    Quarantine(Box<Quarantining>),
    /// Read the record of a call that could not be ended, for quarantine.
    ReadAside {
        /// The tenant.
        tenant: TenantId,
        /// The call.
        conn_id: ConnId,
        /// Why.
        why: String,
    },
    /// Store a fault report.
    Report(Box<runtime::fault::FaultReport>),
    /// Give a call that is no longer here to another node.
    HandOver {
        /// The tenant.
        tenant: TenantId,
        /// The call.
        thread: ConnId,
        /// The token that this node holds.
        token: Token,
        /// The other node.
        to: Owner,
    },
    /// Add to what is spent on calls outside.
    Spend(SpentBatch),
    /// Fetch the certificate of who has signed for a caller; an INVITE waits.
    FetchCertificate {
        /// The number of the INVITE.
        id: u64,
        /// Whose call it is: tenants do not share what is kept, and what may be fetched at once.
        tenant: TenantId,
        /// Where it is: by https. Whether its host may be asked is for the shell to know.
        url: String,
        /// Those of whom one has to have signed for it.
        authorities: Arc<Authorities>,
        /// Whether what came before does not fit: if that was kept, it may be renewed by now.
        again: bool,
    },
    /// The caller of the INVITE has given up: nobody wants its certificate.
    StopFetch {
        /// The number of the INVITE.
        id: u64,
    },
    /// Claim the calls of failed nodes.
    Inherit {
        /// The owners that proxies see live.
        live: Vec<Owner>,
    },
}

/// Orders, first in, first out.
pub type Orders = VecDeque<Order>;

/// A record being moved to quarantine.
#[derive(Debug)]
pub struct Quarantining {
    /// As the ledger has it.
    pub record: Record<ConnId>,
    /// The reason.
    pub why: String,
    /// The facts of its end, as far as it can be read; at least that it is over.
    pub events: Vec<Stamped>,
}
