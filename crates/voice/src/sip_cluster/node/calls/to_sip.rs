//! Carries out what a call wants, as SIP: rings, answers, refuses and hangs up legs, and requests each leg's audio from media.

use bytes::Bytes;
use call::call::{HoldWay, Seat, TypedPin, feature_requester};
use call::{Input, Output};
use contracts::provisioning::DtmfForm;
use infra::NewCall;
use media::codec::Codec;
use model::event::Stamped;
use model::plan::{Caller, Occasion};
use model::{AddressFamily, ConnId, Dn, Encryption, EventName, LegId, TenantId, Timestamp};
use runtime::trace::What;
use sip::agent::{CommandError, DialogTerms, Invite, LocalIdentity, Provisionals, Reply};
use sip::dialog::MAX_FORWARDS;
use sip::{ConnectionId, Flow, HeaderName, StatusCode};

use super::call::Stored;
use super::family::family_of_offer;
use super::incoming::RETRY_AFTER_S;
use super::leg::{AudioPath, Leg, LegStage, MEDIA_TAG, Place, Side, Target};
use super::rooms::room;
use super::sips::RingBy;
use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::order::{Number, Order};

/// Host name of media: the proxy chooses a node by the conference's name.
const MEDIA_HOST: &str = "media.trunkline.invalid";

impl Node {
    /// Carries out one output of the thread, of one of its calls.
    pub(in crate::sip_cluster::node) fn carry_out(
        &mut self,
        conn_id: ConnId,
        call: ConnId,
        output: Output,
        now: Timestamp,
    ) {
        match output {
            Output::Fact(fact) => self.keep_fact(conn_id, call, fact),
            Output::AskDialPlan { ask, by, dialled, occasion, forwarded_by } => {
                let instance = self.calls.get(&conn_id).and_then(|entry| entry.instance_asked(ask));
                let shows = self.shown_by(conn_id, call, &dialled, occasion);
                self.ask_dial_plan(conn_id, ask, by, Number { dialled, instance, occasion, forwarded_by, shows });
            }
            Output::Note(text) => {
                if let Some(entry) = self.calls.get(&conn_id) {
                    self.trace.note_with(&entry.tenant, conn_id, now, || What::Note { text });
                }
            }
            Output::NewCall { point, application } => self.new_call(conn_id, call, &point, &application, now),
            Output::AskPin { ask, typed } => self.ask_pin(conn_id, call, ask, typed),
            Output::AgentRequest(request) => {
                debug_assert_eq!(request.requester, feature_requester(call));
                // Its outcome is for this call, which need not be the thread's first.
                self.orders.push_back(Order::AgentRequest { conn_id: call, request });
            }
            Output::AlertCaller(leg) => self.alert_caller(conn_id, leg, now),
            Output::PlayEarly { leg, rings } => self.play_early(conn_id, leg, rings, now),
            Output::AnswerCaller(leg) => self.open_caller_audio(conn_id, leg, now),
            Output::RejectCaller { leg, status } => self.hang_up(conn_id, leg, status, now),
            Output::RingLeg { leg, dn, contact, shows, trunk, try_ms, is_emergency, limits } => {
                let contact = if trunk.is_none() { self.draining_last(contact) } else { contact };
                let early_speech = self.takes_early_speech(conn_id, trunk.as_deref());
                let insists = is_emergency || !self.asks_by_options(conn_id, trunk.as_deref());
                let mut target =
                    Target { dn, contact, shows, trunk, try_ms, limits, early_speech, insists, is_emergency };
                let (barrier, by) = match is_emergency {
                    true => (None, RingBy::AnyWay),
                    false => (self.barrier(conn_id, leg, &target, now), self.ring_by(conn_id)),
                };
                // It has been counted, or the next trunk's turn does it; a successor knows it as counted, too.
                target.limits.counts = false;
                self.prepare_phone(conn_id, leg, target, (barrier, by), now)
            }
            Output::LegSilent(leg) => self.note_unheard(conn_id, leg),
            Output::CancelLeg(leg) | Output::ReleaseLeg(leg) => self.hang_up(conn_id, leg, 480, now),
            Output::AskAnswer(leg) => self.ask_answer(conn_id, leg, now),
            Output::HoldLeg(leg) => self.ask_hold(conn_id, leg, HoldWay::Hold, now),
            Output::RetrieveLeg(leg) => self.ask_hold(conn_id, leg, HoldWay::Retrieve, now),
            Output::StopAsking(leg) => self.stop_asking(conn_id, leg, now),
            Output::SendKeys { leg, digits } => self.send_keys(conn_id, leg, &digits, now),
            Output::TransferOutcome { leg, status } => self.tell_transfer(conn_id, leg, StatusCode(status), now),
            Output::StartTreatment { leg, id, treatment } => {
                let treatment = self.as_chosen(conn_id, id, treatment);
                self.start_treatment(conn_id, leg, id, &treatment, now);
            }
            Output::StopTreatment { leg, id } => self.stop_treatment(conn_id, leg, id, now),
            // The batch writes the end; the entry stays until its dialogs are gone.
            Output::Over => {}
        }
    }

    /// Keeps a fact for the next commit.
    fn keep_fact(&mut self, conn_id: ConnId, call: ConnId, fact: Stamped) {
        if let Some(entry) = self.calls.get_mut(&conn_id) {
            let what = || What::Event(Box::new((&fact.event).into()));
            self.trace.note_with(&entry.tenant, conn_id, fact.at, what);
            if call != conn_id && fact.event.name == EventName::CallCreated {
                self.trace.lead(&entry.tenant, call, conn_id, fact.at);
            }
            entry.events.push(fact);
        }
    }

    /// The number that a call made by request is to show, where its own number is looked up.
    fn shown_by(&self, conn_id: ConnId, call: ConnId, dialled: &str, occasion: Occasion) -> Option<String> {
        let first = self.calls.get(&conn_id)?.thread.first();
        let is_own = first.conn_id == call && first.dialled == dialled && occasion == Occasion::Called;
        first.shows.clone().filter(|_| is_own)
    }

    fn ask_dial_plan(&mut self, conn_id: ConnId, ask: u32, caller: Caller, number: Number) {
        let Some(entry) = self.calls.get(&conn_id) else {
            return;
        };
        self.orders.push_back(Order::AskDialPlan { tenant: entry.tenant.clone(), conn_id, ask, caller, number });
    }

    fn ask_pin(&mut self, conn_id: ConnId, call: ConnId, ask: u32, typed: Option<TypedPin>) {
        let Some(entry) = self.calls.get(&conn_id) else {
            return;
        };
        // Only phones reach feature codes.
        if let Some(Caller::Phone(dn)) = entry.thread.call(call).map(|call| &call.caller) {
            let (tenant, dn) = (entry.tenant.clone(), dn.clone());
            self.orders.push_back(Order::AskPin { tenant, conn_id, ask, dn, typed });
        }
    }

    fn new_call(&mut self, conn_id: ConnId, call: ConnId, point: &Dn, application: &str, now: Timestamp) {
        let owner = self.ids.owner().to_string();
        let Some(entry) = self.calls.get_mut(&conn_id) else {
            return;
        };
        let Some(state) = entry.thread.call(call) else {
            return;
        };
        let body = super::records::new_call(state, point, application, owner, now);
        entry.new_calls.push_back(NewCall { conn_id: call, trace: state.uuid, at: now, body });
    }

    pub(super) fn alert_caller(&mut self, conn_id: ConnId, leg: LegId, now: Timestamp) {
        // One that is about to hear the call gets a session instead: at a 180 without one many phones play a ringing tone of their own.
        let is_direct = |leg: &Leg, stage: LegStage| leg.stage == stage && leg.path == AudioPath::Direct;
        let rings_directly = |leg: &Leg| !leg.is_callers() && is_direct(leg, LegStage::Ringing);
        let is_heard = self.calls.get(&conn_id).is_some_and(|entry| entry.legs.iter().any(rings_directly));
        let hears_directly = |leg: &Leg| is_heard && is_direct(leg, LegStage::Early);
        let is_told = |leg: &&Leg| leg.stage != LegStage::PreparingEarly && !hears_directly(leg);
        if let Some(dialog) = self.leg(conn_id, leg).filter(is_told).and_then(|leg| leg.phone) {
            let mut reply = Reply::new(StatusCode::RINGING);
            reply.headers.extend(self.trace_header(conn_id));
            let sent = self.agent.provisional(dialog, reply, now);
            note("a 180", sent);
        }
    }

    /// Requests media's side of the caller's audio; the answer to the caller follows.
    fn open_caller_audio(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        let before = std::mem::replace(&mut leg.stage, LegStage::Preparing);
        match (before, leg.early.take()) {
            (LegStage::Early, Some(early)) => return self.answer_caller(conn_id, id, early.sdp, now),
            // What media is about to answer goes into our answer to the caller.
            (LegStage::PreparingEarly, _) => return,
            _ => {}
        }
        if let Some(sdp) = self.direct_answer(conn_id, id) {
            if let Some(leg) = self.leg_mut(conn_id, id) {
                leg.path = AudioPath::Direct;
            }
            return self.answer_caller(conn_id, id, sdp, now);
        }
        let Some(leg) = self.leg(conn_id, id) else { return };
        let Some(phone) = leg.phone else {
            return;
        };
        let offer = self.agent.leg(phone).and_then(|state| state.offer_answer.open().cloned());
        if self.invite_media(conn_id, id, offer, now).is_err() {
            self.feed(conn_id, Input::LegFailed { leg: id, status: 503 }, now);
        }
    }

    pub(super) fn invite_media(
        &mut self,
        conn_id: ConnId,
        id: LegId,
        offer: Option<Bytes>,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        let place = Place { conn_id, leg: id, side: Side::Media };
        let Some(entry) = self.calls.get(&conn_id) else {
            return Err(CommandError::Gone);
        };
        let Some(link) = entry.leg(id).map(|leg| leg.link) else {
            return Err(CommandError::Gone);
        };
        // Any proxy reaches media.
        let is_there = |link: &ConnectionId| self.proxies.is_up(*link);
        let link = Some(link).filter(is_there).or_else(|| self.proxies.any()).unwrap_or(link);
        let by_name = self.media_by_name(conn_id, id);
        let host = match entry.media_owner.as_ref().or(by_name.as_ref()) {
            Some(owner) => format!("{owner}.{MEDIA_HOST}"),
            None => MEDIA_HOST.to_owned(),
        };
        let at = entry.seat_of(id).map(|seat| seat.room).unwrap_or_default();
        let codecs = codecs_param(&self.codecs_beside_caller(conn_id, id));
        let encryption = encryption_param(self.encryption(conn_id, id));
        let dtmf = dtmf_param(entry.leg(id).and_then(|leg| leg.dtmf));
        let family = entry.leg(id).and_then(|leg| leg.target.as_ref()).map(family_param).unwrap_or_default();
        let target = format!("sip:conf={}@{host}{codecs}{encryption}{dtmf}{family}", room(conn_id, at));
        let mut headers = vec![(sip::proxy::headers::TENANT, entry.tenant.to_string())];
        headers.extend(self.trace_header(conn_id));
        headers.extend(entry.leg(id).and_then(party_header));
        let local = self.identity(entry.tenant.clone(), place, link);
        let invite = Invite {
            flow: Flow::Stream { connection: link },
            to: format!("<{target}>"),
            target,
            from: format!("<sip:{}@trunkline.invalid>", self.ids.owner().node),
            call_id: format!("{conn_id}.{}.{:x}@{}", id.0, self.ids.random(), self.ids.owner().node),
            local,
            routes: Vec::new(),
            headers,
            offer,
            max_forwards: MAX_FORWARDS,
            parts: Vec::new(),
            provisionals: Provisionals::Plain,
            account: None,
            terms: DialogTerms::default(),
        };
        let dialog = self.agent.invite(invite, now)?;
        self.calls.bind(dialog, place);
        if let Some(leg) = self.leg_mut(conn_id, id) {
            leg.media = Some(dialog);
            leg.seat = Some(Seat::open(at));
        }
        Ok(())
    }

    /// The same for every call: media may have refused it for a while.
    pub(in crate::sip_cluster::node) fn tell_owed_again(&mut self, now: Timestamp) {
        let is_heard = |leg: &Leg| matches!(leg.stage, LegStage::Ringing | LegStage::Up);
        let waits = |leg: &&Leg| is_heard(leg) && leg.owed.as_ref().is_some_and(|owed| !owed.sent);
        let legs = self
            .calls
            .iter()
            .flat_map(|(conn_id, entry)| entry.legs.iter().filter(waits).map(|leg| (*conn_id, leg.id)));
        let mut waiting: Vec<(ConnId, LegId)> = legs.collect();
        waiting.sort_unstable();
        for (conn_id, leg) in waiting {
            self.attempt_for(Some(conn_id), now, |node| node.tell_owed(conn_id, leg, now));
        }
    }

    /// Ends a leg from our side, at any stage. `status` is for a caller that was not answered.
    pub(in crate::sip_cluster::node) fn hang_up(&mut self, conn_id: ConnId, id: LegId, status: u16, now: Timestamp) {
        let warning = self.calls.get_mut(&conn_id).and_then(|entry| entry.warning.take());
        // Nobody could be rung by TLS: that is no failure of ours to the caller, who may call again by `sip:`.
        let has_no_tls = warning.as_deref() == Some(super::sips::NOT_ALLOWED) && status == 503;
        let status = if has_no_tls { StatusCode::TEMPORARILY_UNAVAILABLE.0 } else { status };
        let mut refusal = Reply::new(StatusCode(status));
        refusal.headers.extend(self.trace_header(conn_id));
        let warning = warning.filter(|warning| has_no_tls || warning != super::sips::NOT_ALLOWED);
        let warning = warning.or_else(|| super::caller_status::warning(status).map(str::to_owned));
        refusal.headers.extend(warning.map(|warning| (HeaderName::Warning, warning)));
        // A carrier would send nothing at all for that time (RFC 3261 section 21.5.4): it is another trunk that takes no call.
        let calls_in = |entry: &super::call::Entry| matches!(entry.thread.first().caller, Caller::Trunk { .. });
        let waits = status == StatusCode::SERVICE_UNAVAILABLE.0 && !self.calls.get(&conn_id).is_some_and(calls_in);
        refusal.headers.extend(waits.then(|| (HeaderName::RetryAfter, RETRY_AFTER_S.to_owned())));
        let reason = self.calls.get(&conn_id).map(|entry| entry.reason_for(id)).unwrap_or_default();
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        let is_caller = leg.is_callers();
        let before = std::mem::replace(&mut leg.stage, LegStage::Closing);
        if let Some(phone) = leg.phone {
            let ended = match before {
                LegStage::Offered | LegStage::PreparingEarly | LegStage::Early | LegStage::Preparing if is_caller => {
                    self.agent.reject(phone, refusal, now)
                }
                LegStage::Ringing => self.agent.cancel(phone, reason, now),
                // Its 200 may still wait for a PRACK: then it is refused.
                _ if is_caller => {
                    self.agent.bye(phone, reason, now).or_else(|_| self.agent.reject(phone, refusal, now))
                }
                _ => self.agent.bye(phone, reason, now),
            };
            note("the end of a leg", ended);
        }
        self.close_media(conn_id, id, now);
    }

    /// Ends the leg's media dialog.
    pub(in crate::sip_cluster::node) fn close_media(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        let Some(leg) = self.leg_mut(conn_id, id) else {
            return;
        };
        let owed = std::mem::take(&mut leg.owes_media);
        let Some(media) = leg.media else {
            return self.drop_closed(conn_id);
        };
        let Some(state) = self.agent.leg(media) else {
            // The dialog is gone already and reports nothing any more.
            self.calls.unbind(media);
            if let Some(leg) = self.leg_mut(conn_id, id) {
                leg.media = None;
            }
            return self.drop_closed(conn_id);
        };
        let ended = match state.phase {
            sip::agent::LegPhase::Inviting if !owed => self.agent.cancel(media, Vec::new(), now),
            sip::agent::LegPhase::Leaving => Ok(()),
            _ => {
                if owed {
                    // Its 2xx needs an ACK, and its offer an answer (RFC 3261 section 13.2.2.4): no stream.
                    note("the ACK to media", self.agent.ack(media, Bytes::from_static(NO_STREAM), now));
                }
                self.agent.bye(media, Vec::new(), now)
            }
        };
        note("the end of a media dialog", ended);
    }

    /// Asks a phone to hold or to retrieve: offers our current session again with another direction.
    pub(super) fn ask_hold(&mut self, conn_id: ConnId, id: LegId, way: HoldWay, now: Timestamp) {
        if let Some(leg) = self.leg_mut(conn_id, id)
            && leg.path != AudioPath::Media
        {
            // Asked once it has come to media.
            leg.asked = Some(way);
            return;
        }
        let Some((phone, offer)) = self.leg(conn_id, id).and_then(|leg| leg.phone).and_then(|phone| {
            let local = self.agent.leg(phone)?.offer_answer.local()?;
            Some((phone, super::session::with_direction(local, way)?))
        }) else {
            return self.feed(conn_id, Input::HoldRefused(id), now);
        };
        match self.agent.reinvite(phone, Some(offer), Vec::new(), now) {
            Ok(()) => {
                if let Some(leg) = self.leg_mut(conn_id, id) {
                    leg.asked = Some(way);
                }
            }
            Err(error) => {
                tracing::debug!(%conn_id, %id, %error, "a phone cannot be asked to hold now");
                self.feed(conn_id, Input::HoldRefused(id), now);
            }
        }
    }

    fn stop_asking(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        let waits = |leg: &&mut Leg| leg.path != AudioPath::Media;
        if self.leg_mut(conn_id, id).filter(waits).and_then(|leg| leg.asked.take()).is_some() {
            return self.feed(conn_id, Input::HoldRefused(id), now);
        }
        if let Some(phone) = self.leg(conn_id, id).filter(|leg| leg.asked.is_some()).and_then(|leg| leg.phone) {
            self.agent.cancel_reinvite(phone, now);
        }
    }

    /// Our tag and Contact in a dialog. Both name call, leg and owner; the Contact is reached at the proxy's edge.
    pub(in crate::sip_cluster::node) fn identity(
        &self,
        tenant: TenantId,
        place: Place,
        link: ConnectionId,
    ) -> LocalIdentity {
        let leg = match place.side {
            Side::Phone => place.leg,
            Side::Media => LegId(place.leg.0 | MEDIA_TAG),
        };
        let tag = self.ids.tag(place.conn_id, leg, tenant);
        // RFC 3261 section 12.1.1: who has called `sips:`, or is called there, gets such a Contact.
        let in_sips = place.side == Side::Phone && self.leg(place.conn_id, place.leg).is_some_and(|leg| leg.sips);
        let scheme = if in_sips { "sips" } else { "sip" };
        let contact = format!("<{scheme}:{tag}@{}>", self.proxies.edge(link));
        LocalIdentity { tag, contact }
    }

    /// Whether the audio of a leg is encrypted.
    pub(super) fn encryption(&self, conn_id: ConnId, id: LegId) -> Encryption {
        self.leg(conn_id, id).map(|leg| leg.encryption).unwrap_or_default()
    }

    pub(in crate::sip_cluster::node) fn leg(&self, conn_id: ConnId, id: LegId) -> Option<&Leg> {
        self.calls.leg(conn_id, id)
    }

    pub(in crate::sip_cluster::node) fn leg_mut(&mut self, conn_id: ConnId, id: LegId) -> Option<&mut Leg> {
        self.calls.leg_mut(conn_id, id)
    }

    /// Removes legs without dialogs, and a call without legs whose end is stored.
    pub(in crate::sip_cluster::node) fn drop_closed(&mut self, conn_id: ConnId) {
        let Some(entry) = self.calls.get_mut(&conn_id) else {
            return;
        };
        entry.legs.retain(|leg| leg.stage != LegStage::Closing || leg.phone.is_some() || leg.media.is_some());
        let over = entry.stored == Stored::Ended || (entry.stored == Stored::No && entry.thread.is_over());
        if over && entry.legs.is_empty() && !entry.dirty {
            self.calls.remove(conn_id);
            self.pending.forget(conn_id);
            self.metrics.calls.set(i64::try_from(self.calls.len()).unwrap_or(i64::MAX));
        }
    }
}

/// A command that came too late is no fault: the end of the dialog is about to be reported.
pub(in crate::sip_cluster::node) fn note(what: &'static str, outcome: Result<(), CommandError>) {
    if let Err(error) = outcome {
        tracing::debug!(what, %error, "the dialog is not in a state for it");
    }
}

/// Tells media the host of the party whose signalling names an address for its audio.
pub(in crate::sip_cluster::node) fn party_header(leg: &Leg) -> Option<(HeaderName, String)> {
    Some((sip::proxy::headers::PARTY, leg.party?.to_string()))
}

/// The parameter that tells media what is spoken with the party, preferred first.
fn codecs_param(codecs: &[Codec]) -> String {
    let names: Vec<&str> = codecs.iter().map(|codec| codec.name()).collect();
    if names.is_empty() { String::new() } else { format!(";codecs={}", names.join("+")) }
}

/// The parameter that tells media whether the audio of the party is encrypted.
fn encryption_param(encryption: Encryption) -> String {
    match encryption {
        Encryption::Off => String::new(),
        other => format!(";encryption={}", other.as_str()),
    }
}

/// The parameter that tells media how keys go to the party.
fn dtmf_param(dtmf: Option<DtmfForm>) -> String {
    dtmf.map_or_else(String::new, |form| format!(";dtmf={}", form.as_str()))
}

/// The parameter that tells media by which family the party is reached, where that is not the usual one.
fn family_param(target: &Target) -> &'static str {
    match family_of_offer(target) {
        AddressFamily::V4 => "",
        AddressFamily::V6 => ";family=ip6",
    }
}

/// An SDP answer that accepts no stream.
pub(super) const NO_STREAM: &[u8] = b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n";
