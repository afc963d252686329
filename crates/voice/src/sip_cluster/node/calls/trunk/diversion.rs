//! What an INVITE of ours says of the way of its call: who has diverted it, as its own carrier has said and by the tenant's phones and
//! numbers behind that; and what the caller's application gives to that of who is called.

use call::CallSnapshot;
use call::call::{Offer, PartyNo, Stage};
use contracts::provisioning::DiversionForm;
use model::plan::Caller;
use model::request::ForwardMode;
use model::{ConnId, LegId, Timestamp};
use runtime::trace::What;
use sip::HeaderName;
use sip::agent::ExtraHeaders;
use sip::diversion::{DIVERSIONS_MAX, DiversionReason, Diversions};
use sip::user_to_user::USER_TO_USER;

use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::calls::call::Entry;
use crate::sip_cluster::node::calls::leg::Target;

impl Node {
    /// Who has diverted the call that rings on this leg by a trunk; none where nobody has.
    fn diversions(&self, conn_id: ConnId, id: LegId, target: &Target) -> Option<Diversions> {
        target.trunk.as_ref()?;
        let entry = self.calls.get(&conn_id)?;
        let first = entry.thread.first();
        let (call, offer) = entry.thread.calls().find_map(|call| Some((call, offer_of(call, id)?)))?;
        // What a person transfers is no diversion; what a phone makes of it behind that is one.
        let is_transferred = offer.transferred_by.is_some() || offer.recalled_from.is_some();
        let is_first = call.conn_id == first.conn_id;
        let mut diversions = if is_first { entry.diverted.clone() } else { Diversions::default() };
        // Carriers know the number that was called, and the one that the trunk shows; a DN is neither.
        let is_from_outside = matches!(call.caller, Caller::Trunk { .. });
        let mut called = (is_from_outside && !is_transferred).then_some(call.dialled.as_str());
        for by in &offer.forwarded_by {
            let number = called.take().or(target.shows.as_deref()).unwrap_or(by.dn.as_str());
            diversions.push(number, reason(by.mode));
        }
        if let Some(called) = called {
            // No phone has forwarded it: the dial plan or an application sends out what has come in.
            diversions.push(called, DiversionReason::Unconditional);
        }
        Some(diversions).filter(|diversions| !diversions.entries.is_empty())
    }

    /// Whether a call has been diverted more often than a call is: it goes in a circle of several switches.
    pub(in crate::sip_cluster::node::calls) fn is_diverted_too_often(
        &self,
        conn_id: ConnId,
        id: LegId,
        target: &Target,
    ) -> bool {
        self.diversions(conn_id, id, target).is_some_and(|diversions| diversions.count() > DIVERSIONS_MAX)
    }

    /// The headers that tell a trunk's carrier who has diverted the call, in the form that the tenant has set for the trunk.
    pub(in crate::sip_cluster::node::calls) fn told_diversions(
        &self,
        conn_id: ConnId,
        id: LegId,
        target: &Target,
        edge: &str,
    ) -> ExtraHeaders {
        let diversions = self.diversions(conn_id, id, target).filter(|diversions| !diversions.hidden);
        let tenant = self.calls.get(&conn_id).map(|entry| &entry.tenant);
        let (Some(diversions), Some(tenant), Some(trunk)) = (diversions, tenant, &target.trunk) else {
            return ExtraHeaders::new();
        };
        let rules = (self.trunks)(tenant, trunk);
        let host = rules.domain.as_deref().unwrap_or(edge);
        headers(&diversions, rules.diversion, target.dn.as_str(), host)
    }

    /// What the caller's application gives to that of who is called, for this leg: to the tenant's phones, and to carriers that may have it.
    pub(in crate::sip_cluster::node::calls) fn told_user_to_user(
        &self,
        conn_id: ConnId,
        id: LegId,
        target: &Target,
    ) -> ExtraHeaders {
        let Some(entry) = self.calls.get(&conn_id) else { return ExtraHeaders::new() };
        let may = |trunk: &str| (self.trunks)(&entry.tenant, trunk).user_to_user;
        let given = given_to(entry, id).filter(|_| target.trunk.as_deref().is_none_or(may)).unwrap_or_default();
        given.iter().map(|value| (USER_TO_USER, value.clone())).collect()
    }

    /// Notes for who reads a trace what a call's carrier says of its way.
    pub(in crate::sip_cluster::node::calls) fn explain_diversions(&self, conn_id: ConnId, now: Timestamp) {
        let Some(entry) = self.calls.get(&conn_id).filter(|entry| !entry.diverted.entries.is_empty()) else { return };
        let in_words = || {
            let by = entry.diverted.entries.iter().map(|by| format!("{} ({})", by.number, by.reason.as_str()));
            What::Note { text: format!("diverted before it came, by {}", by.collect::<Vec<_>>().join(", then ")) }
        };
        self.trace.note_with(&entry.tenant, conn_id, now, in_words);
    }
}

/// The offer that rings on a leg.
fn offer_of(call: &CallSnapshot, id: LegId) -> Option<&Offer> {
    match &call.stage {
        Stage::Offering(offer) => Some(offer).filter(|offer| offer.legs.contains(&id)),
        _ => None,
    }
}

/// What who has called gives to the party that rings on a leg. Who is asked into the call, or monitors it, is not the one for whom it was
/// meant; nor is whom the caller calls in a further call by the same dialog.
fn given_to(entry: &Entry, id: LegId) -> Option<&[String]> {
    let call = entry.thread.calls().find(|call| offer_of(call, id).is_some())?;
    let caller = call.party(PartyNo::CALLER)?.leg;
    let calls = |call: &&CallSnapshot| call.party(PartyNo::CALLER).is_some_and(|party| party.leg == caller);
    let is_its_call = entry.thread.calls().find(calls).is_some_and(|first| first.conn_id == call.conn_id);
    entry.leg(caller).filter(|_| is_its_call).map(|leg| leg.user_to_user.as_slice())
}

fn headers(diversions: &Diversions, form: DiversionForm, called: &str, host: &str) -> ExtraHeaders {
    let mut headers = ExtraHeaders::new();
    if form.has_diversion() {
        headers.extend(diversions.diversion_values(host).into_iter().map(|value| (HeaderName::Diversion, value)));
    }
    if form.has_history() {
        headers.extend(diversions.history_value(called, host).map(|value| (HeaderName::HistoryInfo, value)));
    }
    headers
}

/// Why a phone forwards a call, in the words of RFC 5806.
const fn reason(mode: ForwardMode) -> DiversionReason {
    match mode {
        ForwardMode::Unconditional | ForwardMode::SendAllCalls => DiversionReason::Unconditional,
        ForwardMode::OnBusy => DiversionReason::UserBusy,
        ForwardMode::OnNoAnswer => DiversionReason::NoAnswer,
        ForwardMode::OnUnregistered => DiversionReason::Unavailable,
        ForwardMode::None | ForwardMode::OnBusyAndNoAnswer => DiversionReason::Unknown,
    }
}
