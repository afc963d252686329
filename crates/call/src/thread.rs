//! A thread: the calls that came from one first call. The unit of ownership: one record, one owner, one commit.
//!
//! The calls share their legs. A phone that consults has one dialog, and so one leg, in two calls: it is in the room of one of them, and is
//! away from the other, which it holds. Drive loop: as that of a [`Call`]; every output names the call that it comes from.

use std::collections::VecDeque;

use model::event::ErrorCode;
use model::request::RequestKind;
use model::{CallState, ConnId, Dn, LegId, Request, Timestamp, Token, UserData};

use crate::call::{
    Asked, Call, CallSnapshot, HoldWay, Incoming, Input, LegProgress, Limit, NextNumbers, Output, Party, PartyNo,
    Playing, Replaced, Stage,
};

mod consultation;
mod meeting;

/// The most calls of a thread at a time to which phones add further ones.
const CALLS_MAX: usize = 8;

/// What a request comes to: an error has its number and a text for people.
type Outcome = Result<(), (ErrorCode, &'static str)>;

/// A thread. See the module for its drive loop.
#[derive(Clone, Debug)]
pub struct Thread {
    /// In the order in which they began. The first one names the thread; it stays when it is over, the others do not.
    calls: Vec<Call>,
    outputs: VecDeque<(ConnId, Output)>,
}

impl Thread {
    /// A new call, the first of its thread; its first outputs ask the dial plan.
    pub fn new(incoming: Incoming, now: Timestamp) -> Self {
        let mut thread = Self { calls: vec![Call::new(incoming, now)], outputs: VecDeque::new() };
        thread.collect(0, &[]);
        thread
    }

    /// A call made by request from the phone at `asked.this_dn`, the first of its thread; its first outputs ask the dial plan.
    pub fn originate(incoming: Incoming, asked: Asked, user_data: UserData, now: Timestamp) -> Self {
        let mut thread =
            Self { calls: vec![Call::originate(incoming, asked, user_data, now)], outputs: VecDeque::new() };
        thread.collect(0, &[]);
        thread
    }

    /// A predictive call, made for the route point at `asked.this_dn`; its first outputs ask the dial plan.
    pub fn predict(incoming: Incoming, asked: Asked, user_data: UserData, now: Timestamp) -> Self {
        let mut thread = Self { calls: vec![Call::predict(incoming, asked, user_data, now)], outputs: VecDeque::new() };
        thread.collect(0, &[]);
        thread
    }

    /// The same, and it is to be known who answers.
    pub fn predict_class(incoming: Incoming, asked: Asked, user_data: UserData, now: Timestamp) -> Self {
        let mut thread = Self::predict(incoming, asked, user_data, now);
        thread.calls.iter_mut().for_each(Call::classify);
        thread
    }

    /// Its first call shows that number outside, if the dial plan lets it.
    pub fn show(&mut self, number: String) {
        if let Some(first) = self.calls.first_mut() {
            first.show(number);
        }
    }

    /// A phone of the thread makes a further call by itself, by a dialog of its own. Returns its leg; the outputs that follow ask the
    /// dial plan.
    pub fn add(&mut self, incoming: Incoming, now: Timestamp) -> LegId {
        let mut numbers = self.first().numbers;
        let (leg, number) = (LegId(numbers.leg), numbers.call);
        numbers.leg = numbers.leg.saturating_add(1);
        numbers.call = number.saturating_add(1);
        self.set_numbers(numbers);
        self.calls.push(Call::on_leg(incoming, leg, number, now));
        self.act(self.calls.len() - 1, |call| call.begin(now));
        leg
    }

    /// Lets no route point answer the caller: what it hears there does, or who answers it.
    pub fn answer_late(&mut self) {
        self.act(0, |call| call.answer_late());
    }

    /// Gives the first call data that are known of it before it goes anywhere.
    pub fn bring(&mut self, user_data: UserData) {
        self.act(0, |call| call.bring(user_data));
    }

    /// Continues from the snapshots of its calls, the first one first. The first wake-up handles the timers that are due already.
    pub fn restore(first: CallSnapshot, others: Vec<CallSnapshot>) -> Self {
        let calls = std::iter::once(first).chain(others).map(Call::restore).collect();
        Self { calls, outputs: VecDeque::new() }
    }

    /// The first call. Its numbers are those of the whole thread.
    pub fn first(&self) -> &CallSnapshot {
        #[expect(clippy::indexing_slicing, reason = "a thread has a first call from its making on")]
        self.calls[0].state()
    }

    /// The calls that are not over, and the first one.
    pub fn calls(&self) -> impl Iterator<Item = &CallSnapshot> {
        self.calls.iter().map(Call::state)
    }

    /// A call.
    pub fn call(&self, conn_id: ConnId) -> Option<&CallSnapshot> {
        self.calls().find(|call| call.conn_id == conn_id)
    }

    /// The call in whose room a leg is.
    pub fn call_with(&self, leg: LegId) -> Option<&CallSnapshot> {
        self.calls().find(|call| is_present(call, leg))
    }

    /// The phone on this leg, one that has called.
    pub fn dn_on(&self, leg: LegId) -> Option<&Dn> {
        self.calls().find_map(|call| {
            let replaces = call.replacement.as_ref().filter(|open| open.leg == leg).map(|open| &open.dn);
            call.party_on(leg).and_then(Party::dn).or(replaces)
        })
    }

    /// The leg that rings at this phone.
    pub fn ringing_at(&self, dn: &Dn) -> Option<LegId> {
        let rings = |call: &CallSnapshot| match &call.stage {
            Stage::Offering(offer) if offer.dn == *dn && offer.trunk.is_none() => offer.legs.first().copied(),
            _ => None,
        };
        self.calls().find_map(rings)
    }

    /// Whether one of its calls is parked at this slot.
    pub fn is_parked_at(&self, slot: &Dn) -> bool {
        self.parked_slots().any(|parked| parked == slot)
    }

    /// The slots at which its calls are parked.
    pub fn parked_slots(&self) -> impl Iterator<Item = &Dn> {
        self.calls().filter_map(CallSnapshot::parked_slot)
    }

    /// The leg on which a phone has made a call of which nothing is known but that it has asked the dial plan this question.
    pub fn asks_on(&self, ask: u32) -> Option<LegId> {
        let asks = |call: &&CallSnapshot| call.stage == Stage::Asking { ask };
        self.calls().find(asks).and_then(|call| call.party(PartyNo::CALLER)).map(|caller| caller.leg)
    }

    /// The leg of the phone for whose transfer the dial plan is asked.
    pub fn transfers_on(&self, ask: u32) -> Option<LegId> {
        let mut transfers = self.calls().filter_map(|call| Some((call, call.transfer.as_ref()?)));
        let (call, transfer) = transfers.find(|(_, transfer)| transfer.ask == ask && transfer.asked.is_none())?;
        call.party(transfer.party).map(|party| party.leg)
    }

    /// Forgets the call that a phone has begun on this leg, of which nothing is known yet.
    pub fn withdraw(&mut self, leg: LegId) {
        let first = self.first().conn_id;
        let is_it = |call: &Call| call.s.conn_id != first && call.s.stage_is_asking() && call.s.calls_on(leg);
        self.calls.retain(|call| !is_it(call));
    }

    /// A phone calls to take the place of another one. Returns its leg; the outputs that follow answer it. `None`
    /// if it cannot do that.
    pub fn replace(&mut self, of: Replaced, dn: &Dn) -> Option<LegId> {
        let (Replaced::Ringing(leg) | Replaced::Leg(leg)) = of else { return None };
        let at = self.place_of(leg).filter(|_| !self.is_shared(leg))?;
        self.replace_in(at, of, dn)
    }

    /// A phone calls to join who is parked at a slot. As [`Thread::replace`].
    pub fn fetch(&mut self, slot: &Dn, dn: &Dn) -> Option<LegId> {
        let at = self.calls.iter().position(|call| call.s.parked_slot() == Some(slot))?;
        self.replace_in(at, Replaced::Parked, dn)
    }

    fn replace_in(&mut self, at: usize, of: Replaced, dn: &Dn) -> Option<LegId> {
        if !self.calls.get(at)?.s.can_be_replaced(of, dn) {
            return None;
        }
        let mut leg = None;
        self.act(at, |call| leg = Some(call.replace(of, dn.clone())));
        leg
    }

    /// Whether a further call that this phone makes by itself belongs to the thread: it talks in one of its calls, and may be about to
    /// transfer that one. Once the thread has had very many calls, a further one is a thread of its own.
    pub fn takes_call_of(&self, dn: &Dn) -> bool {
        let talks = |call: &CallSnapshot| {
            let party = call.party_at(dn).filter(|party| party.observes.is_none());
            call.stage == Stage::Talking && party.is_some_and(|party| party.progress == LegProgress::Answered)
        };
        self.calls.len() < CALLS_MAX && self.first().numbers.has_calls_left() && self.calls().any(talks)
    }

    /// The owner's fencing token.
    pub fn token(&self) -> Token {
        self.first().token
    }

    /// Continues under a new owner: events are numbered from 1 under its token.
    ///
    /// A call that came from another thread may have had a later token there: its own never goes back.
    pub fn claim(&mut self, token: Token) {
        for call in &mut self.calls {
            let next = Token(call.s.token.0.saturating_add(1));
            call.claim(token.max(next));
        }
    }

    /// Whether every call is over.
    pub fn is_over(&self) -> bool {
        self.calls.iter().all(Call::is_over)
    }

    /// The next output, in order, and the call that it comes from.
    pub fn poll_output(&mut self) -> Option<(ConnId, Output)> {
        let next = self.outputs.pop_front();
        if next.is_none() {
            // A call is quiet for most of its life, and the room for a few outputs is a tenth of its memory.
            self.outputs = VecDeque::new();
        }
        next
    }

    /// A limit that has just ended a call, given once: for a metric and a line in the log.
    pub fn take_limit(&mut self) -> Option<Limit> {
        self.calls.iter_mut().find_map(Call::take_limit)
    }

    /// When [`Thread::handle_timeout`] must be called next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.calls.iter().filter_map(Call::next_timeout).min()
    }

    /// Repeats open questions to the dial plan: their answers went to an owner that has failed.
    pub fn ask_again(&mut self) {
        for at in 0..self.calls.len() {
            self.act(at, Call::ask_again);
        }
    }

    /// Handles every timer that is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        for at in 0..self.calls.len() {
            if self.calls.get(at).and_then(Call::next_timeout).is_some_and(|due| due <= now) {
                self.act(at, |call| call.handle_timeout(now));
            }
        }
        self.drop_ended();
    }

    /// Handles an input.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        match input {
            Input::Fault => self.all(&input, now),
            Input::DialPlan { .. } | Input::PinAnswered { .. } => self.all(&input, now),
            Input::TreatmentStarted { id } | Input::TreatmentRecords { id } | Input::TreatmentEnded { id, .. } => {
                let hears = |call: &Call| call.s.playing.iter().any(|playing| playing.id == id);
                self.give(self.calls.iter().position(hears), input, now);
            }
            Input::Request(request) => self.request(request, now),
            Input::Consult { request, conn_id, uuid } => self.consult(request, conn_id, uuid, now),
            Input::AgentAnswered { conn_id, .. } => {
                if let Some(at) = self.at(conn_id) {
                    self.give(Some(at), input, now);
                }
            }
            Input::LegReleased(leg) => self.leg_gone(leg, &input, CallState::Ok, now),
            Input::LegDead(leg)
            | Input::LegFailed { leg, .. }
            | Input::LegUnreachable { leg, .. }
            | Input::LegPutOff { leg, .. }
            | Input::LegNotReached { leg, .. } => {
                self.leg_gone(leg, &input, CallState::Dropped, now);
            }
            Input::LegHeld(leg) => self.leg_hold(leg, HoldWay::Hold, now),
            Input::LegRetrieved(leg) => self.leg_hold(leg, HoldWay::Retrieve, now),
            Input::LegTransfersTo { leg, other } => self.leg_transfers_to(leg, other, now),
            Input::LegTransfers { leg, .. } if self.is_shared(leg) => {
                self.give_output(self.place_of(leg), Output::TransferOutcome { leg, status: 603 });
            }
            Input::LegRinging(leg)
            | Input::LegProgresses(leg)
            | Input::LegPlaysEarly { leg, .. }
            | Input::FlowFailed { leg, .. }
            | Input::FlowSilent { leg, .. }
            | Input::LegPrevails { leg, .. }
            | Input::LegAnswered(leg)
            | Input::LegTransfers { leg, .. }
            | Input::HoldRefused(leg)
            | Input::AnswerRefused(leg) => self.give(self.place_of(leg), input, now),
        }
        self.drop_ended();
    }

    // ---- which call

    /// The call that a leg's own input concerns: in whose room it is, or else one that it is away from.
    fn place_of(&self, leg: LegId) -> Option<usize> {
        let at = self.calls.iter().position(|call| is_present(&call.s, leg));
        at.or_else(|| self.calls.iter().position(|call| call.s.has_leg(leg)))
    }

    /// Whether more than one call has a party on this leg, or one that is away from its call.
    fn is_shared(&self, leg: LegId) -> bool {
        let parties = self.calls.iter().filter_map(|call| call.s.live_party_on(leg));
        let (many, away) = parties.fold((0, false), |(many, away), party| (many + 1, away || party.away));
        many > 1 || away
    }

    fn at(&self, conn_id: ConnId) -> Option<usize> {
        self.calls.iter().position(|call| call.s.conn_id == conn_id)
    }

    /// Gives an input to a call, or to the first one if none is meant.
    fn give(&mut self, at: Option<usize>, input: Input, now: Timestamp) {
        self.act(at.unwrap_or_default(), |call| call.handle(input, now));
    }

    fn all(&mut self, input: &Input, now: Timestamp) {
        for at in 0..self.calls.len() {
            self.act(at, |call| call.handle(input.clone(), now));
        }
    }

    // ---- legs

    /// A phone has hung up, is lost or has refused. A call that it holds from afar rings there again; a consultation of that kind ends.
    fn leg_gone(&mut self, leg: LegId, input: &Input, how: CallState, now: Timestamp) {
        let present = self.calls.iter().position(|call| is_present(&call.s, leg));
        let is_away = |call: &Call| call.s.live_party_on(leg).is_some_and(|party| party.away);
        let left: Vec<usize> = (0..self.calls.len()).filter(|at| self.calls.get(*at).is_some_and(is_away)).collect();
        if present.is_some() || left.is_empty() {
            self.give(present, input.clone(), now);
        }
        for at in left {
            self.act(at, |call| match call.s.consults_for {
                None => call.recall_held(leg, how, now),
                Some(_) => call.handle(input.clone(), now),
            });
        }
    }

    /// A phone has held or retrieved by itself. One that is in no call takes back the only call that it holds.
    fn leg_hold(&mut self, leg: LegId, way: HoldWay, now: Timestamp) {
        let input = if way == HoldWay::Hold { Input::LegHeld(leg) } else { Input::LegRetrieved(leg) };
        if self.call_with(leg).is_some() || !self.is_shared(leg) {
            return self.give(self.place_of(leg), input, now);
        }
        let mut held = (0..self.calls.len()).filter(|at| self.has(*at, leg));
        if let (HoldWay::Retrieve, Some(at), None) = (way, held.next(), held.next()) {
            self.act(at, |call| call.bring_back(leg, None, now));
        }
    }

    fn has(&self, at: usize, leg: LegId) -> bool {
        self.calls.get(at).is_some_and(|call| call.s.live_party_on(leg).is_some())
    }

    // ---- outputs

    /// Lets a call do something, with the numbers of the thread, and takes its outputs.
    fn act(&mut self, at: usize, act: impl FnOnce(&mut Call)) {
        let (numbers, is_alone) = (self.first().numbers, self.calls.len() == 1);
        let Some(call) = self.calls.get_mut(at) else { return };
        // Only a leg that outlives its call must be told to fall silent.
        let heard = if is_alone { Vec::new() } else { call.s.playing.clone() };
        call.s.numbers = numbers;
        act(call);
        let (numbers, begun) = (call.s.numbers, call.take_consultation());
        self.set_numbers(numbers);
        self.collect(at, &heard);
        if let Some(consultation) = begun {
            self.begin(*consultation);
        }
    }

    fn set_numbers(&mut self, numbers: NextNumbers) {
        if let Some(first) = self.calls.first_mut() {
            first.s.numbers = numbers;
        }
    }

    /// Takes a call's outputs. A leg that another call has is not released; what it heard of a call that is over is stopped.
    fn collect(&mut self, at: usize, heard: &[Playing]) {
        let Some(call) = self.calls.get_mut(at) else { return };
        let (conn_id, over) = (call.s.conn_id, call.is_over());
        for output in std::mem::take(&mut call.outputs) {
            match output {
                Output::ReleaseLeg(leg) if (0..self.calls.len()).any(|at| self.has(at, leg)) => {
                    let plays = |playing: &&Playing| over && playing.leg == leg && playing.issued;
                    for Playing { id, .. } in heard.iter().filter(plays) {
                        self.outputs.push_back((conn_id, Output::StopTreatment { leg, id: *id }));
                    }
                }
                output => self.outputs.push_back((conn_id, output)),
            }
        }
    }

    fn give_output(&mut self, at: Option<usize>, output: Output) {
        let call = at.and_then(|at| self.calls.get(at)).map_or(self.first().conn_id, |call| call.s.conn_id);
        self.outputs.push_back((call, output));
    }

    /// Forgets calls that are over; the first one stays, for it names the thread.
    fn drop_ended(&mut self) {
        let first = self.first().conn_id;
        self.calls.retain(|call| call.s.conn_id == first || !call.is_over());
    }
}

/// Whether the leg is in the room of this call.
fn is_present(call: &CallSnapshot, leg: LegId) -> bool {
    call.has_leg(leg) && call.live_party_on(leg).is_none_or(|party| !party.away)
}

/// The connected party of a request, in a call.
fn party_of(call: &CallSnapshot, asked: &Asked) -> Result<(PartyNo, LegId), (ErrorCode, &'static str)> {
    let party = call.party_at(&asked.this_dn).filter(|party| party.progress == LegProgress::Answered);
    party
        .map(|party| (party.number, party.leg))
        .ok_or((ErrorCode::INVALID_CALL_STATE, "this DN is not connected in the call"))
}
