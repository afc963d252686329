//! Rules about headers of trunks: what goes to a carrier is changed by them last, what comes from it first.

use std::sync::Arc;

use model::TenantId;
use model::plan::Caller;
use sip::agent::InviteEdits;
use sip::header_rules::{EditOutcome, Effect, HeaderRules, RuleDirection};
use sip::uri::escape::escape_user;
use sip::{HeaderName, LocalTag, Message, Seal};

use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::calls::incoming::{InviteSource, number_of};
use crate::sip_cluster::node::calls::sips;
use crate::trunk_accounts;

/// Reads the rules about headers of a trunk; none: it has none.
pub type ReadHeaderRules = Arc<dyn Fn(&TenantId, &str) -> Option<Arc<HeaderRules>> + Send + Sync>;

/// The number that was called, where the Request-URI is the account's (RFC 7315 section 4.2).
const P_CALLED_PARTY_ID: HeaderName = HeaderName::other("P-Called-Party-ID");

/// The rules for what goes to carriers, for the user agent. Which call an INVITE is of stands in our tag, which `seal` opens.
pub(in crate::sip_cluster::node) fn edits(rules: ReadHeaderRules, seal: Seal) -> InviteEdits {
    InviteEdits::new(move |account, invite| {
        let Some((tenant, trunk)) = trunk_accounts::trunk_of(account) else { return };
        if let Some(rules) = rules(&tenant, trunk) {
            let tag = invite.from().ok().and_then(|from| LocalTag::decode(from.tag()?, &seal));
            report(&tenant, trunk, &rules.apply(RuleDirection::Sent, invite, tag.map(|tag| tag.call)));
        }
    })
}

impl Node {
    /// An INVITE of a trunk as the trunk's rules change it; none if there is nothing to change.
    pub(in crate::sip_cluster::node::calls) fn by_header_rules(&self, request: &Message) -> Option<Message> {
        let InviteSource { tenant, caller: Caller::Trunk { trunk, .. } } = InviteSource::of(request)? else {
            return None;
        };
        let rules = (self.header_rules)(&tenant, &trunk)?;
        let mut request = request.clone();
        report(&tenant, &trunk, &rules.apply(RuleDirection::Received, &mut request, None));
        // Many carriers send this header, and not always with what should be called: it counts for whom it was written down.
        if rules.is_about(RuleDirection::Received, &P_CALLED_PARTY_ID) {
            let called =
                request.addresses(P_CALLED_PARTY_ID).filter_map(Result::ok).find_map(|called| number_of(&called));
            if let Some(called) = called {
                let scheme = sips::scheme_of(&request);
                request.set_request_uri(format_args!("{scheme}:{}@called.invalid", escape_user(&called)));
            }
        }
        Some(request)
    }
}

/// A rule that could not be applied changes nothing, and calls go on: its author has to know.
fn report(tenant: &TenantId, trunk: &str, effects: &[Effect]) {
    for Effect { place, outcome } in effects {
        if let EditOutcome::Refused(why) = outcome {
            tracing::warn!(%tenant, trunk, rule = place + 1, %why, "a header rule was not applied");
        }
    }
}
