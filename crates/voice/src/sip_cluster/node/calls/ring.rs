//! Begins a leg and rings its phone.

use bytes::Bytes;
use call::call::PartyNo;
use call::{CallSnapshot, Input};
use model::{ConnId, LegId, Timestamp};
use sip::agent::{Invite, Provisionals};
use sip::dialog::MAX_FORWARDS;
use sip::proxy::headers::{ELSEWHERE, INSIST};
use sip::uri::escape::escape_user;
use sip::{Flow, HeaderName, StatusCode};

use super::incoming::ANONYMOUS;
use super::leg::{AudioPath, Leg, LegStage, Place, Side, Target};
use super::sips::{self, RingBy};
use super::to_sip::{NO_STREAM, note};
use super::trunk::limits::{Barrier, may_be_put_off};
use super::unasked::NOT_SENT;
use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::proxies::NO_CONNECTION;
use crate::trunk_accounts;

impl Node {
    /// Begins a leg: requests an offer from media, with which the phone is rung, unless it is rung with that of the caller.
    pub(super) fn prepare_phone(
        &mut self,
        conn_id: ConnId,
        id: LegId,
        target: Target,
        (barrier, by): (Option<Barrier>, RingBy),
        now: Timestamp,
    ) {
        // The flow of a phone ends at its proxy; the way of a carrier begins outside, which any proxy may reach.
        let is_outside = target.trunk.is_some();
        let link = if is_outside { self.link_outward(conn_id, &target) } else { self.proxies.link_of(&target.contact) };
        let direct = self.direct_offer(conn_id, &target).filter(|_| link.is_some());
        let tenant = self.calls.get(&conn_id).map(|entry| &entry.tenant);
        let encryption = tenant.map(|tenant| self.encryption_of_target(tenant, &target)).unwrap_or_default();
        let dtmf = tenant.and_then(|tenant| self.dtmf_of_trunk(tenant, target.trunk.as_deref()));
        let Some(entry) = self.calls.get_mut(&conn_id) else {
            return;
        };
        let mut leg = Leg::new(id, link.unwrap_or(NO_CONNECTION), LegStage::Preparing, now);
        super::explain::leg(&self.trace, entry, id, &target, now);
        leg.sips = sips::is_called_so(&target, by);
        (leg.target, leg.encryption, leg.dtmf) = (Some(target), encryption, dtmf);
        if direct.is_some() {
            leg.path = AudioPath::Direct;
        }
        entry.legs.push(leg);
        // A phone whose proxy is away cannot be rung through another one: its flow ends at that proxy.
        self.calls.know_phone(conn_id, id);
        self.note_tls(conn_id, barrier == Some(Barrier::NoTls));
        if let Some(barrier) = barrier {
            return self.fail_leg(conn_id, id, barrier.failure(id), now);
        }
        if let Some(offer) = direct {
            return self.ring_phone(conn_id, id, offer, now);
        }
        let begun = link.is_some() && self.invite_media(conn_id, id, None, now).is_ok();
        if !begun && !self.waits_to_ask(conn_id, id, NOT_SENT, now) {
            self.flow_fails(conn_id, id, 430, now);
        }
    }

    /// Rings the phone with an offer: that of media, or of a caller whose audio goes directly.
    ///
    /// Media's 200 is acknowledged at once, without a stream, and the phone's answer follows as a new offer. An ACK that waits
    /// for the phone would save one transaction, but media repeats its 200 until then and gives up after 64*T1 (RFC 3261 section
    /// 13.3.1.4): no phone could ring for longer than 32 s. Besides, a request is repeated if media fails at that point and comes
    /// back; an ACK is not.
    pub(in crate::sip_cluster::node) fn ring_phone(
        &mut self,
        conn_id: ConnId,
        id: LegId,
        offer: Bytes,
        now: Timestamp,
    ) {
        if let Some(leg) = self.leg_mut(conn_id, id)
            && let Some(media) = leg.media
        {
            leg.owes_media = false;
            note("the ACK to media", self.agent.ack(media, Bytes::from_static(NO_STREAM), now));
        }
        let place = Place { conn_id, leg: id, side: Side::Phone };
        let Some(entry) = self.calls.get(&conn_id) else { return };
        let Some((leg, target)) = entry.leg(id).and_then(|leg| Some((leg, leg.target.as_ref()?))) else {
            return;
        };
        let (link, by) = (leg.link, self.rings_by(conn_id, leg, target));
        let state = entry.thread.call_with(id).unwrap_or(entry.thread.first());
        let callers = state.party(PartyNo::CALLER).and_then(|caller| entry.leg(caller.leg));
        let hops_left = callers.map_or(MAX_FORWARDS, |leg| leg.hops_left);
        let edge = self.proxies.edge(link);
        self.trace_trunk_asked(entry, target, shown_number(target, state), now);
        let ShownCaller { from, privacy, asserted } = self.shown_caller(conn_id, target, state, edge);
        let insists = target.insists.then(|| (INSIST, "1".to_owned()));
        let elsewhere = may_be_put_off(entry, state, target).then(|| (ELSEWHERE, "1".to_owned()));
        let by_itself = state.rings_at_origin().then(|| super::originate::answer_by_itself(edge));
        let of_us = self.trace_header(conn_id).into_iter().chain(insists).chain(elsewhere).chain(sips::told_proxy(by));
        let of_caller = by_itself.into_iter().chain(privacy).chain(asserted);
        let diverted = self.told_diversions(conn_id, id, target, edge);
        let given = self.told_user_to_user(conn_id, id, target);
        let signed = self.told_identity(conn_id, target, state, now);
        let verified = self.told_verstat(conn_id, target, state, edge);
        let (located, parts) = self.told_location(conn_id, id, state, &from, now);
        let told = [diverted, given, signed, verified, located];
        let invite = Invite {
            flow: Flow::Stream { connection: link },
            target: sips::request_uri(target, by).into_owned(),
            from,
            to: format!("<sip:{}@{edge}>", escape_user(target.dn.as_str())),
            call_id: self.ids.call_id(conn_id, id),
            local: self.identity(entry.tenant.clone(), place, link),
            routes: self.routes_to(target, entry),
            headers: of_us.chain(of_caller).chain(told.into_iter().flatten()).collect(),
            offer: Some(offer),
            parts,
            max_forwards: hops_left.saturating_sub(1),
            provisionals: Provisionals::Reliable,
            account: target.trunk.as_deref().map(|trunk| trunk_accounts::name(&entry.tenant, trunk)),
            terms: self.dialog_terms(&entry.tenant, target.trunk.as_deref()),
        };
        match self.agent.invite(invite, now) {
            Ok(dialog) => {
                self.calls.bind(dialog, place);
                if let Some(leg) = self.leg_mut(conn_id, id) {
                    leg.phone = Some(dialog);
                    leg.stage = LegStage::Ringing;
                }
                self.watch_flow(conn_id, id, now);
                // A supervisor must not be heard when it answers.
                self.join_rooms(conn_id, now);
            }
            Err(error) => {
                tracing::warn!(%conn_id, %id, %error, "a phone could not be rung");
                self.flow_fails(conn_id, id, 503, now);
            }
        }
    }

    /// How who calls is shown to a phone or carrier.
    fn shown_caller(&self, conn_id: ConnId, target: &Target, state: &CallSnapshot, edge: &str) -> ShownCaller {
        let entry = self.calls.get(&conn_id);
        let number = shown_number(target, state);
        if number == ANONYMOUS {
            // RFC 3323 section 4.1.1.3.
            let from = format!("\"Anonymous\" <sip:{ANONYMOUS}@anonymous.invalid>");
            return ShownCaller { from, privacy: Some((HeaderName::Privacy, "id".to_owned())), asserted: None };
        }
        let is_own = target.shows.is_none() && state.presents_caller() && state.conn_id == conn_id;
        let name = match entry.map_or("", |entry| entry.caller_name.as_str()) {
            name if is_own && !name.is_empty() => format!("{} ", sip::params::quote(name)),
            _ => String::new(),
        };
        let rules = entry.zip(target.trunk.as_deref()).map(|(entry, trunk)| (self.trunks)(&entry.tenant, trunk));
        let domain = rules.as_ref().and_then(|rules| rules.domain.clone());
        let host = domain.as_deref().unwrap_or(edge);
        let from = format!("{name}<sip:{}@{host}>", escape_user(number));
        // RFC 3325 section 5: the carrier trusts us, as it has been agreed.
        let asserts = rules.is_some_and(|rules| rules.asserts_identity);
        let asserted = asserts.then(|| (HeaderName::PAssertedIdentity, from.clone()));
        ShownCaller { from, privacy: None, asserted }
    }

    /// The phone cannot be rung by the flow of this leg: it is by its next one, if it has another.
    fn flow_fails(&mut self, conn_id: ConnId, id: LegId, status: u16, now: Timestamp) {
        let next = self.leg(conn_id, id).and_then(Leg::by_next_flow);
        let shown = super::caller_status::status_for_caller(StatusCode(status)).0;
        let unreachable = Input::LegUnreachable { leg: id, status: shown };
        self.fail_leg(conn_id, id, next.map_or(unreachable, |next| Input::FlowFailed { leg: id, next }), now);
    }

    /// Ends a leg whose phone has not been rung. It must not stay: a call ends with its last leg.
    fn fail_leg(&mut self, conn_id: ConnId, id: LegId, failure: Input, now: Timestamp) {
        if let Some(leg) = self.leg_mut(conn_id, id) {
            leg.stage = LegStage::Closing;
        }
        self.close_media(conn_id, id, now);
        self.feed(conn_id, failure, now);
    }
}

/// The headers that show who calls.
struct ShownCaller {
    from: String,
    privacy: Option<(HeaderName, String)>,
    asserted: Option<(HeaderName, String)>,
}

/// The number that a phone or carrier is shown.
fn shown_number<'a>(target: &'a Target, state: &'a CallSnapshot) -> &'a str {
    target.shows.as_deref().unwrap_or_else(|| state.presented_number())
}
