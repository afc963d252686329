//! Calls that may be for several tenants: they are refused, and the operator is told between whom.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use model::{SharedMap, SharedSet, TenantId, Timestamp};

use super::account::{CalledTrunk, Contest};
use super::sender::may_be_trunks;
use crate::flow::Flow;
use crate::header::HeaderName;
use crate::message::Message;
use crate::method::Method;
use crate::proxy::answer::Answer;
use crate::proxy::settings::{NAMES_TOLD_MAX, REFUSED_TOLD_EACH};
use crate::proxy::{Output, Proxy, Trunk};
use crate::status::StatusCode;

/// The numbers of tenants, without the `+` in front of them.
#[derive(Debug, Default)]
pub(in crate::proxy) struct NumbersOfTenants(SharedMap<TenantId, SharedSet<Box<str>>>);

impl NumbersOfTenants {
    /// Whether a number is the tenant's, written with or without `+`.
    pub(super) fn has(&self, tenant: &TenantId, number: &str) -> bool {
        self.0.get(tenant).is_some_and(|numbers| numbers.contains_key(number.trim_start_matches('+')))
    }
}

impl Proxy {
    /// Replaces the numbers at which tenants are called, each without the `+` in front of it.
    pub fn set_numbers(&mut self, numbers: SharedMap<TenantId, SharedSet<Box<str>>>) {
        self.numbers = NumbersOfTenants(numbers);
    }

    /// 403 for a sender that is no phone, and no trunk or one of several.
    pub(in crate::proxy) fn refuse_caller(
        &mut self,
        message: &Message,
        (flow, from): (Flow, Option<SocketAddr>),
        now: Timestamp,
    ) -> Answer {
        let may_be = from.filter(|_| message.method() != Method::Register && may_be_trunks(flow));
        let contest = may_be.and_then(|from| match self.called_trunk(message, self.sender(flow, from.ip()), now) {
            CalledTrunk::Contested(why, trunks) => Some((from.ip(), why, one_of_each_tenant(&trunks))),
            CalledTrunk::One(_) | CalledTrunk::Nobodys => None,
        });
        match contest {
            Some((from, why, trunks)) => self.refuse_contested(from, (why, trunks), now),
            None => self.refuse_unknown((flow, from), now),
        }
    }

    /// 403 for a call that may be for several tenants; who has sent it is told, and so is the operator.
    fn refuse_contested(&mut self, from: IpAddr, (why, trunks): (Contest, Vec<Arc<Trunk>>), now: Timestamp) -> Answer {
        self.counts.calls_contested += 1;
        if self.contest_told <= now {
            self.contest_told = now + REFUSED_TOLD_EACH;
            self.outputs.push_back(Output::CallContested { from, why, trunks });
        }
        let text = match why {
            Contest::Unregistered => {
                "399 sip-proxy \"several tenants name the account, and none has registered it here\""
            }
            Contest::Registered => "399 sip-proxy \"several tenants have registered the account\"",
            Contest::Number => {
                "399 sip-proxy \"several tenants name this carrier, and the number is not one tenant's\""
            }
        };
        Answer::new(StatusCode::FORBIDDEN).with(HeaderName::Warning, text)
    }
}

/// A trunk of each tenant, as many as are told.
fn one_of_each_tenant(trunks: &[&Arc<Trunk>]) -> Vec<Arc<Trunk>> {
    let mut known = HashSet::new();
    let of_each = trunks.iter().copied().filter(|trunk| known.insert(&trunk.tenant));
    of_each.take(NAMES_TOLD_MAX).cloned().collect()
}
