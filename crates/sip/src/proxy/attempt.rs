//! What becomes of calls that begin at the edge: told once, with their final response, for whoever reports it.

use model::{Dn, TenantId, Timestamp};

use super::{Output, Proxy};
use crate::message::Message;
use crate::status::StatusCode;
use crate::uri::{Uri, escape};

/// A call that somebody whom we know has begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// Whose call it is.
    pub tenant: TenantId,
    /// Who calls.
    pub caller: AttemptCaller,
    /// The user part of From: the number that is presented.
    pub from: String,
    /// The user part of the Request-URI: what is dialled.
    pub dialled: String,
    /// The INVITE's Call-ID.
    pub call_id: String,
    /// When the INVITE was let in.
    pub began_at: Timestamp,
}

/// How a caller is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AttemptCaller {
    /// A phone that has proved who it is.
    Phone(Dn),
    /// A trunk, by its source.
    Trunk(String),
}

impl Attempt {
    pub(super) fn of(invite: &Message, tenant: TenantId, caller: AttemptCaller, now: Timestamp) -> Box<Self> {
        let from = invite.from().ok().and_then(|from| user(from.raw_uri()));
        let dialled = invite.request_uri().and_then(user);
        Box::new(Self {
            tenant,
            caller,
            from: from.unwrap_or_default(),
            dialled: dialled.unwrap_or_default(),
            call_id: invite.call_id().unwrap_or_default().to_owned(),
            began_at: now,
        })
    }
}

impl Proxy {
    /// The exchange of a call that begins has its final response: the first one counts.
    pub(super) fn attempt_over(&mut self, id: u64, status: StatusCode) {
        if let Some(attempt) = self.exchanges.get_mut(id).and_then(|held| held.attempt.take()) {
            self.outputs.push_back(Output::Attempted { attempt, status });
        }
    }
}

fn user(uri: &str) -> Option<String> {
    Some(escape::unescape(Uri::parse(uri).ok()?.user()?).into_owned())
}
