//! Outcomes of calls that begin at the edge: each is reported once, with the call's final response.

use model::{Dn, TenantId, Timestamp};

use super::{Output, Proxy};
use crate::message::Message;
use crate::status::StatusCode;
use crate::uri::{Uri, escape};

/// A call that an identified caller has begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// The tenant of the call.
    pub tenant: TenantId,
    /// The caller.
    pub caller: AttemptCaller,
    /// The user part of From: the presented number.
    pub from: String,
    /// The user part of the Request-URI: the dialled number. The whole URI if that is the emergency service.
    pub dialled: String,
    /// The INVITE's Call-ID.
    pub call_id: String,
    /// When the INVITE was admitted.
    pub began_at: Timestamp,
}

/// How a caller is identified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AttemptCaller {
    /// A phone that has authenticated.
    Phone(Dn),
    /// A trunk, by its source.
    Trunk(String),
}

impl Attempt {
    pub(super) fn of(invite: &Message, tenant: TenantId, caller: AttemptCaller, now: Timestamp) -> Box<Self> {
        let from = invite.from().ok().and_then(|from| user(from.raw_uri()));
        let dialled = invite.request_uri().and_then(|uri| user(uri).or_else(|| service(uri)));
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
    /// Reports the final response of a call's exchange; only the first one counts.
    pub(super) fn attempt_over(&mut self, id: u64, status: StatusCode) {
        if let Some(attempt) = self.exchanges.get_mut(id).and_then(|held| held.attempt.take()) {
            self.outputs.push_back(Output::Attempted { attempt, status });
        }
    }
}

fn service(uri: &str) -> Option<String> {
    Uri::parse(uri).ok().filter(Uri::is_emergency).map(|uri| uri.as_str().to_owned())
}

fn user(uri: &str) -> Option<String> {
    Some(escape::unescape(Uri::parse(uri).ok()?.user()?).into_owned())
}
