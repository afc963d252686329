//! Agents come to a call and leave it, and who hears whom meanwhile.

use std::time::Duration;

use model::Entropy as _;
use sip::agent::DialogId;

use super::{Due, Floor};
use crate::audio::{LegId, Say};
use crate::call::{Call, Mover, Seat, SeatPlace};
use crate::ear::{Ear, VOICES_MAX};
use crate::moves::{CallMove, MoveRequest, MoveStep};
use crate::plan::unit;
use crate::results::{Came, MoveKind, MoveRow, MoveWay};
use crate::tones::Pair;

/// Shorter conversations are not held.
const HOLD_FROM: Duration = Duration::from_secs(4);

impl Floor {
    // === Who hears whom ===

    /// Makes everybody in a call listen for those with whom they are now; for nobody while that is about to change.
    pub fn tune(&mut self, id: u32) {
        let Some(call) = self.calls.get(&id).filter(|call| call.is_talking()) else { return };
        let (parties, between) = (parties(call), call.step.is_between());
        for (leg, own, place) in &parties {
            let others = parties.iter().filter(|(_, pair, there)| there == place && pair != own);
            let others: Vec<Pair> = others.map(|(_, pair, _)| *pair).filter(|_| !between).take(VOICES_MAX).collect();
            let now = self.now;
            if let Some(leg) = self.legs.get(*leg) {
                let ear = leg.ear.get_or_insert_with(|| Ear::new(now));
                if !ear.listens_for(&others) {
                    ear.listen(&others, now);
                }
            }
        }
    }

    /// An agent has left the call, or is about to: what it has heard until now counts.
    pub fn hear_out(&mut self, id: u32, agent: usize) {
        let Some(seat) = self.calls.get_mut(&id).and_then(|call| call.seat_mut(agent)) else { return };
        let heard = seat.leg.and_then(|leg| self.legs.get(leg)).and_then(|leg| leg.heard());
        seat.heard = seat.heard.or(heard);
        (seat.place, seat.leg) = (SeatPlace::Gone, None);
    }

    // === Agents come and go ===

    /// An agent has answered a call.
    pub fn joined(&mut self, number: u32, agent: usize, leg_id: LegId, dialog: DialogId) {
        let came = self.comes(number, agent);
        let Some(call) = self.calls.get_mut(&number) else { return };
        let who = &self.agents[agent].who;
        let pair =
            if call.seats.is_empty() { self.grid.borrow(&[call.caller_pair]) } else { self.grid.borrow(&call.pairs()) };
        call.seats.push(Seat {
            agent,
            id: who.agent.clone(),
            extension: who.extension.clone(),
            came,
            place: if came == Came::Consulted { SeatPlace::Aside } else { SeatPlace::Call },
            leg: Some(leg_id),
            pair,
            heard: None,
        });
        if let Some(leg) = self.legs.get(leg_id) {
            leg.say(Say::Pair(pair));
        }
        if came == Came::Routed { self.conversation(number, agent, dialog) } else { self.came(number, came) }
    }

    /// Caller and agent are connected.
    fn conversation(&mut self, number: u32, agent: usize, dialog: DialogId) {
        let talk = self.plan.talk.draw(&mut self.dice);
        let (by_agent, holds) = (unit(&mut self.dice) < 0.5, unit(&mut self.dice) < self.plan.holds);
        let what = CallMove::of(&self.plan, number);
        let Some(call) = self.calls.get_mut(&number) else { return };
        call.answers += 1;
        call.answered = Some(self.now);
        (call.ends_by_agent, call.talk) = (by_agent, talk);
        call.mover = what.map(|what| Mover { what, by: agent, to: None, consultation: None });
        if what.is_some() {
            return self.move_ahead(number);
        }
        self.tune(number);
        self.timers.after(self.now, talk, Due::HangUp(number));
        if holds && talk >= HOLD_FROM {
            self.timers.after(self.now, talk.mul_f64(0.4), Due::Hold(agent, dialog));
            self.timers.after(self.now, talk.mul_f64(0.65), Due::Retrieve(agent, dialog));
        }
    }

    /// How an agent comes to a call that it answers.
    pub fn comes(&self, id: u32, agent: usize) -> Came {
        let Some(call) = self.calls.get(&id) else { return Came::Routed };
        match call.step {
            MoveStep::Requested(MoveRequest::Consult) if call.moves_to(agent) => Came::Consulted,
            MoveStep::Requested(MoveRequest::Confer) if call.moves_to(agent) => Came::Conferred,
            MoveStep::Requested(MoveRequest::Transfer) | MoveStep::Handed if call.moves_to(agent) => Came::Transferred,
            MoveStep::Handed => Came::Returned,
            _ => Came::Routed,
        }
    }

    /// An agent to whom the move has led has answered.
    pub fn came(&mut self, id: u32, came: Came) {
        match came {
            Came::Routed => {}
            Came::Consulted => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.seats
                        .iter_mut()
                        .filter(|seat| seat.place == SeatPlace::Call)
                        .for_each(|s| s.place = SeatPlace::Aside);
                }
                self.step(id, MoveStep::Aside);
            }
            Came::Conferred => {
                self.note_move(id, MoveKind::Conference);
                self.step(id, MoveStep::Three);
            }
            Came::Transferred | Came::Returned => {
                // The phone of who has handed it over may hear of it later.
                let by = self
                    .calls
                    .get(&id)
                    .filter(|call| call.step != MoveStep::Handed)
                    .and_then(|call| call.mover.as_ref());
                if let Some(by) = by.map(|mover| mover.by) {
                    self.hear_out(id, by);
                    self.note_move(id, MoveKind::Transfer);
                }
                self.step(id, MoveStep::Rest);
            }
        }
    }

    /// An agent has left a call.
    pub fn seat_left(&mut self, id: u32, agent: usize) {
        self.hear_out(id, agent);
        let Some(call) = self.calls.get(&id) else { return };
        let (by, over, empty) = (call.is_moved_by(agent), call.over.is_some(), call.present().next().is_none());
        match call.step {
            _ if over => {}
            MoveStep::Requested(MoveRequest::Complete) if by => {
                self.note_move(id, MoveKind::Transfer);
                self.all_with_caller(id);
                self.step(id, MoveStep::Rest);
            }
            MoveStep::Requested(MoveRequest::Transfer) if by => {
                self.note_move(id, MoveKind::Transfer);
                self.step(id, MoveStep::Handed);
            }
            // What the request leads to is told by an event.
            MoveStep::Requested(MoveRequest::Return) if !by => {}
            MoveStep::Aside => {
                self.call_fault(id, "one of two agents left the consultation".to_owned());
                self.give_up_move(id);
            }
            _ if empty => self.left(id),
            _ => self.tune(id),
        }
    }

    /// After a conference one of the two agents leaves.
    pub fn one_of_three_leaves(&mut self, id: u32) {
        let first = self.dice.next_u64().is_multiple_of(2);
        let Some(call) = self.calls.get(&id) else { return };
        let agents: Vec<usize> = call.present().map(|seat| seat.agent).collect();
        if let Some(agent) = if first { agents.first() } else { agents.last() }.copied() {
            self.hear_out(id, agent);
            self.hang_up_agent(agent);
        }
        self.step(id, MoveStep::Rest);
    }

    /// Who was aside is with the caller again, or for the first time.
    pub fn all_with_caller(&mut self, id: u32) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.seats
                .iter_mut()
                .filter(|seat| seat.place == SeatPlace::Aside)
                .for_each(|seat| seat.place = SeatPlace::Call);
        }
    }

    /// Writes down what the agent has done.
    pub fn note_move(&mut self, id: u32, kind: MoveKind) {
        let Some(mover) = self.calls.get(&id).and_then(|call| call.mover.clone()) else { return };
        let Some(to) = mover.to else { return };
        let way = match mover.what {
            CallMove::ConsultAndTransfer | CallMove::ConsultAndReturn | CallMove::ConsultAndConfer => MoveWay::TwoStep,
            CallMove::Transfer | CallMove::Confer => MoveWay::OneStep,
            CallMove::TransferByPhone => MoveWay::Phone,
        };
        let (by, to) = (self.agents[mover.by].who.extension.clone(), self.agents[to].who.extension.clone());
        if let Some(call) = self.calls.get_mut(&id) {
            call.moves.push(MoveRow { kind, way, by, to });
        }
    }

    /// No other agent is awaited any more.
    pub fn expect_nobody(&mut self, id: u32) {
        self.agents.iter_mut().filter(|agent| agent.awaited == Some(id)).for_each(|agent| agent.awaited = None);
    }
}

/// Leg, pair and place of everybody in the call.
fn parties(call: &Call) -> Vec<(LegId, Pair, SeatPlace)> {
    let agents = call.present().filter_map(|seat| Some((seat.leg?, seat.pair, seat.place)));
    std::iter::once((call.leg, call.caller_pair, SeatPlace::Call)).chain(agents).collect()
}
