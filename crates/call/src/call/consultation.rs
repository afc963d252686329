//! Consultation: a party holds the call and calls another number about it. What concerns both calls is in [`crate::thread`].

use model::plan::{Caller, Destination};
use model::request::{Request, RequestKind, Treatment};
use model::{CallState, CallUuid, ConnId, Dn, EventName, LegId, Timestamp, UserData};

use super::asked::{Asked, no_answer_ms};
use super::facts::answering;
use super::in_thread::{ConsultsFor, NewConsultation};
use super::party::{LegProgress, Party, PartyNo};
use super::playing::Purpose;
use super::point::Point;
use super::recording::{RECORDING_ID, RECORDING_STATE};
use super::state::{CallSnapshot, InService, Offer, Recall, Stage, Transfer};
use super::timer::{DIAL_PLAN, LIFETIME, Timer};
use super::{Call, Forwarded, Incoming, Output};
use model::event::ErrorCode;

/// A consultation whose destination is known.
#[derive(Clone, Debug)]
pub(crate) struct Consultation {
    /// Its call.
    pub(crate) call: CallSnapshot,
    /// The requester.
    pub(crate) asked: Option<Asked>,
    /// What the dial plan says of its number.
    pub(crate) destination: Destination,
    /// Who forwards it there.
    pub(crate) forwarded: Forwarded,
    /// Whether the call that it is about is transferred to it at once.
    pub(crate) mute: bool,
}

/// When the timers of ringing are due.
type RingDues = [(Timer, Option<Timestamp>); 2];

/// What a call had beside the party that merges it into another call.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is handed from one call to the other at once")]
pub(crate) enum Rest {
    /// Who had answered.
    Party(Party),
    /// Phones that ring, until when, and until when by this trunk.
    Offer(Offer, RingDues),
    /// The route point where it waited.
    Point(Point),
    /// A service.
    Service(InService),
}

impl Rest {
    /// Its number.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Party(party) => party.address().to_owned(),
            Self::Offer(offer, _) => offer.dn.to_string(),
            Self::Point(point) => point.dn.to_string(),
            Self::Service(served) => served.number.clone(),
        }
    }
}

/// Its leg is in the room of its own consultation.
pub(crate) const CONSULTS_IN_TURN: (ErrorCode, &str) =
    (ErrorCode::CANNOT_COMPLETE_TRANSFER, "who was consulted consults in turn: that consultation must end first");

impl Call {
    // ---- the call that is consulted about

    /// A request to consult. Who asks stays connected until the destination is known.
    pub(super) fn consult(&mut self, request: Request, conn_id: ConnId, uuid: CallUuid, now: Timestamp) {
        let asked = Asked::by(&request);
        if let Err((code, text)) = no_answer_ms(&request) {
            return self.refuse_asked(&asked, code, text, now);
        }
        let (to, user_data, mute) = match request.kind {
            RequestKind::InitiateTransfer(_, to, user_data) => (to, user_data, false),
            RequestKind::MuteTransfer(_, to, user_data) => (to, user_data, true),
            _ => return,
        };
        if self.s.transfer.as_ref().is_some_and(|open| open.asked.as_ref() == Some(&asked) && open.to == to) {
            return;
        }
        let connected = self.s.party_at(&asked.this_dn).filter(|party| party.away || !party.held);
        let party = connected.map(|party| party.number);
        // What would keep the transfer from being completed is refused before anything has changed.
        if mute
            && let Some(party) = party
            && (self.s.talkers().count() != 2 || self.s.is_one_away(party))
        {
            let text = "only a call of two parties who hear each other can be transferred so";
            return self.refuse_asked(&asked, ErrorCode::CANNOT_INITIATE_TRANSFER, text, now);
        }
        let consultation = NewConsultation { conn_id, uuid, user_data, mute };
        if let Err((code, text)) = self.look_up_transfer(party, to, Some(asked.clone()), Some(consultation), now) {
            self.refuse_asked(&asked, code, text, now);
        }
    }

    /// The destination is known: who consults holds this call.
    pub(super) fn begin_consultation(&mut self, transfer: Transfer, destination: Destination, now: Timestamp) {
        let Transfer { party, to, asked, consultation, .. } = transfer;
        let Some((party, new)) = self.s.party(party).cloned().zip(consultation) else { return };
        self.send_away(party.leg, None, now);
        let incoming = Incoming {
            tenant: self.s.tenant.clone(),
            conn_id: new.conn_id,
            uuid: new.uuid,
            token: self.s.token,
            caller: party.device.clone(),
            dialled: to.to_string(),
        };
        let mut user_data = without_recording(self.s.user_data.clone());
        add_pairs(&mut user_data, &new.user_data, UserData::update);
        let consults_for =
            ConsultsFor { conn_id: self.s.conn_id, call_type: self.s.call_type(), thread: self.s.thread() };
        let mut call = CallSnapshot::new(incoming, now);
        call.consults_for = Some(consults_for);
        call.user_data = user_data;
        for consulting in &mut call.parties {
            (consulting.leg, consulting.progress) = (party.leg, LegProgress::Answered);
            consulting.agent = party.agent.clone();
        }
        let forwarded = std::mem::take(&mut self.forwarded);
        self.begun = Some(Box::new(Consultation { call, asked, destination, forwarded, mute: new.mute }));
    }

    // ---- the consultation

    /// The call of a consultation; `number` is its number within the thread. [`Call::begin_consulting`] begins it.
    pub(crate) const fn of(mut call: CallSnapshot, number: u16) -> Self {
        call.number = number;
        Self::restore(call)
    }

    /// Calls the destination.
    pub(crate) fn begin_consulting(
        &mut self,
        asked: Option<&Asked>,
        destination: Destination,
        forwarded: Forwarded,
        now: Timestamp,
    ) {
        self.s.timers.arm(Timer::Lifetime, now + LIFETIME);
        self.announce(now);
        let caller = self.s.party(PartyNo::CALLER);
        if let Some(dialing) = caller.and_then(|caller| self.party_event(EventName::Dialing, caller)) {
            let dialing = match asked {
                Some(asked) => answering(dialing, asked),
                None => dialing,
            };
            self.fact(dialing, now);
        }
        self.forwarded = forwarded;
        self.first_destination(destination, now);
        self.forwarded = Forwarded::default();
    }

    /// Whoever consults or calls by request hears the other side already: no answer to it is awaited.
    pub(super) fn establish_connected(&mut self, now: Timestamp) {
        if self.s.caller_progress() == LegProgress::Answered {
            self.establish_caller(now);
        }
    }

    // ---- merging

    /// The route point, the phone or the party to which the call leads, beside the party `by`. An error says why it cannot be merged.
    pub(crate) fn can_merge(&self, by: PartyNo) -> Result<(), (ErrorCode, &'static str)> {
        let has_left = |party: &&Party| party.number != by && party.progress == LegProgress::Answered;
        let others = self.s.talkers().filter(has_left).count();
        if self.s.is_one_away(by) {
            return Err(CONSULTS_IN_TURN);
        }
        match &self.s.stage {
            Stage::Talking if others == 1 => Ok(()),
            Stage::Offering(_) | Stage::Waiting(_) | Stage::Service(_) if others == 0 => Ok(()),
            _ => Err((ErrorCode::CANNOT_COMPLETE_TRANSFER, "the consultation leads to nobody")),
        }
    }

    /// Ends the call, which who consulted has left, and gives what it had. [`Call::deleted`] follows.
    pub(crate) fn dissolve(&mut self, now: Timestamp) -> Option<Rest> {
        self.refuse_requests(now);
        self.refuse_transfer(now);
        self.refuse_hold(now);
        self.cancel_invitation(now);
        self.refuse_replacement(480);
        self.observers_leave(None, CallState::RemoteRelease, now);
        self.stop_all(now);
        let dues = [Timer::NoAnswer, Timer::Trunk].map(|timer| (timer, self.s.timers.due(timer)));
        let rest = match std::mem::replace(&mut self.s.stage, Stage::Over) {
            Stage::Talking => self.s.parties.pop().map(Rest::Party),
            Stage::Offering(offer) => Some(Rest::Offer(offer, dues)),
            Stage::Waiting(waiting) => {
                let mut diverted = self.point_event(EventName::Diverted, &waiting.point);
                diverted.call_state = Some(CallState::Transferred);
                self.fact(diverted, now);
                Some(Rest::Point(waiting.point))
            }
            Stage::Service(served) => Some(Rest::Service(served)),
            _ => None,
        };
        self.s.timers.clear();
        self.s.playing.clear();
        rest
    }

    /// Publishes the end of a call that was merged into another one.
    pub(crate) fn deleted(&mut self, why: CallState, now: Timestamp) {
        let mut deleted = self.event(EventName::CallDeleted);
        deleted.call_state = Some(why);
        self.fact(deleted, now);
        self.push(Output::Over);
    }

    /// Goes on with what the consultation `of` had, in the place of `by`, which has departed.
    pub(crate) fn take_rest(&mut self, rest: Rest, of: &CallSnapshot, by: Party, now: Timestamp) {
        let Some(dn) = by.dn().cloned() else { return };
        self.stop_all(now);
        match rest {
            Rest::Party(party) => self.take_party(party, of.conn_id, &dn, by.point, now),
            Rest::Offer(offer, dues) => self.take_offer(offer, dues, of.conn_id, by, now),
            Rest::Point(point) => {
                let to = point.dn.clone();
                self.wait_at_point(point, UserData::new(), now);
                self.tell_moved(to.as_str(), &dn, now);
            }
            Rest::Service(served) => {
                let to = served.number.clone();
                self.serve(served, now);
                self.tell_moved(&to, &dn, now);
            }
        }
        self.take_data(&of.user_data, dn.as_str(), now);
    }

    /// Adds the data of a consultation: the call's own pairs win.
    pub(super) fn take_data(&mut self, of: &UserData, by: &str, now: Timestamp) {
        let before = self.s.user_data.clone();
        add_pairs(&mut self.s.user_data, &without_recording(of.clone()), keep_own);
        if self.s.user_data == before {
            return;
        }
        for mut event in self.event_for_each_dn(EventName::AttachedDataChanged) {
            event.third_party_dn = Some(by.to_owned());
            self.fact(event, now);
        }
    }

    /// A party of another call becomes one of this call. Its number needs not be brought in any more.
    pub(super) fn adopt(&mut self, party: Party, point: Option<Point>, now: Timestamp) -> PartyNo {
        if self.s.invited().is_some_and(|offer| offer.dn.as_str() == party.address()) {
            self.cancel_invitation(now);
        }
        let last = self.s.parties.iter().map(|party| party.number.0).max().unwrap_or(0);
        let number = PartyNo(last.saturating_add(1));
        let point = party.point.clone().or(point);
        self.s.parties.push(Party { number, away: false, point, ..party });
        number
    }

    fn take_party(&mut self, party: Party, from: ConnId, by: &Dn, point: Option<Point>, now: Timestamp) {
        let to = party.dn().cloned();
        let number = self.adopt(party, point, now);
        if let Some(to) = &to {
            self.tell_moved_except(number, to.as_str(), by, now);
        }
        if let Some(mut changed) =
            self.s.party(number).and_then(|party| self.party_event(EventName::PartyChanged, party))
        {
            came_from(&mut changed, from, by);
            self.fact(changed, now);
        }
        self.refresh_hold_music(now);
    }

    fn take_offer(&mut self, offer: Offer, dues: RingDues, from: ConnId, by: Party, now: Timestamp) {
        let Some(dn) = by.dn().cloned() else { return };
        let point = offer.point.clone().or(by.point);
        let offer = Offer { point, transferred_by: Some(dn.clone()), recalled_from: None, ..offer };
        for (timer, due) in dues {
            if let Some(due) = due {
                self.s.timers.arm(timer, due);
            }
        }
        if offer.forwarding.is_some() {
            self.s.timers.arm(Timer::DialPlan, now + DIAL_PLAN);
        }
        let rang = offer.rang;
        self.s.stage = Stage::Offering(offer);
        for leg in self.s.parties.iter().map(|party| party.leg).collect::<Vec<_>>() {
            self.play(leg, Treatment::RingBack, Purpose::RingBack, now);
        }
        let changed = match &self.s.stage {
            Stage::Offering(offer) if rang => self.offer_event(EventName::PartyChanged, offer),
            _ => return,
        };
        if let Some(mut changed) = changed {
            came_from(&mut changed, from, &dn);
            self.fact(changed, now);
        }
        self.tell_transfer(now);
    }

    // ---- who consults hangs up

    /// A party hangs up its phone while it holds this call: the call rings there again.
    pub(crate) fn recall_held(&mut self, leg: LegId, how: CallState, now: Timestamp) {
        let Some(party) = self.s.live_party_on(leg).cloned() else { return };
        let Caller::Phone(dn) = &party.device else { return };
        if self.s.stage != Stage::Talking || self.s.talkers().count() > 2 || self.s.is_one_away(party.number) {
            return self.leg_gone(leg, how, now);
        }
        self.refuse_transfer(now);
        self.cancel_invitation(now);
        self.drop_hold_request(leg, now);
        self.observers_leave(None, CallState::RemoteRelease, now);
        self.tell_party(party.number, EventName::Released, how, now);
        self.s.parties.retain(|other| other.number != party.number);
        self.stop_all(now);
        let ask = self.look_up_phone(dn, now);
        self.s.stage =
            Stage::Recalling(Recall { ask: Some(ask), to: dn.clone(), from: dn.clone(), point: party.point, tries: 0 });
    }
}

/// Says in an event of a party from which call it came.
pub(super) fn came_from(event: &mut model::Event, previous: ConnId, by: &Dn) {
    event.call_state = Some(CallState::Transferred);
    event.third_party_dn = Some(by.to_string());
    event.third_party_role = Some(model::DnRole::TransferredBy);
    if let Some(call) = &mut event.call {
        call.previous = Some(previous);
    }
}

/// Changes a call's data by that of another call, unless it would then exceed what a call may have.
fn add_pairs(data: &mut UserData, other: &UserData, add: impl FnOnce(&mut UserData, &UserData)) {
    let mut all = data.clone();
    add(&mut all, other);
    if all.pairs() <= UserData::PAIRS_MAX && all.bytes() <= UserData::BYTES_MAX {
        *data = all;
    }
}

/// The data of a call for another one, which is not recorded with it.
fn without_recording(mut data: UserData) -> UserData {
    for key in [RECORDING_ID, RECORDING_STATE] {
        data.remove(key);
    }
    data
}

/// Adds the pairs whose keys are not there.
fn keep_own(data: &mut UserData, other: &UserData) {
    for (key, value) in other.iter().filter(|(key, _)| data.get(key).is_none()).collect::<Vec<_>>() {
        data.push(key, value.clone());
    }
}
