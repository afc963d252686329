//! Robot agents consult, transfer and confer: they ask by the API, or by their phone, and follow what comes of it.

use std::time::Duration;

use model::Entropy as _;
use serde_json::{Value, json};
use sip::agent::DialogId;
use sip::{HeaderName, Message, StatusCode};

use super::{Due, Floor};
use crate::agent::Duty;
use crate::call::Call;
use crate::follow::FollowedEvent;
use crate::moves::{CallMove, HAPPENS_WITHIN, LOOK_AGAIN, LOOKS_MAX, MoveRequest, MoveStep, part};
use crate::results::MoveKind;

/// The other agent was busy, or did not answer: no fault, since a call may have come to that one meanwhile.
const NOT_TAKEN: [u64; 2] = [231, 232];

impl Floor {
    // === Steps ===

    /// Goes on to a step; its timers are those that carry the present number of steps.
    pub fn step(&mut self, id: u32, step: MoveStep) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.step = step;
        call.steps += 1;
        let (steps, part) = (call.steps, part(call.talk));
        let (after, due) = match step {
            MoveStep::Rest => (part, Due::HangUp(id)),
            MoveStep::Ahead { tries: 0 } => (part, Due::Move(id, steps)),
            MoveStep::Ahead { .. } => (LOOK_AGAIN, Due::Move(id, steps)),
            MoveStep::Aside | MoveStep::Three => (part, Due::Move(id, steps)),
            MoveStep::Requested(_) | MoveStep::Handed => (HAPPENS_WITHIN, Due::Overdue(id, steps)),
        };
        self.timers.after(self.now, after, due);
        self.tune(id);
    }

    /// A conversation begins in which something is to be done.
    pub fn move_ahead(&mut self, id: u32) {
        self.step(id, MoveStep::Ahead { tries: 0 });
    }

    /// The next thing is to be done.
    pub fn move_on(&mut self, id: u32, steps: u32) {
        let Some(call) = self.calls.get(&id).filter(|call| call.is_talking() && call.steps == steps) else { return };
        let Some(mover) = call.mover.clone() else { return };
        match (call.step, mover.what) {
            (MoveStep::Ahead { tries }, what) => self.begin(id, tries, what),
            (MoveStep::Aside, CallMove::ConsultAndTransfer) => {
                self.complete(id, MoveRequest::Complete, "TCompleteTransfer")
            }
            (MoveStep::Aside, CallMove::ConsultAndConfer) => {
                self.complete(id, MoveRequest::Join, "TCompleteConference")
            }
            (MoveStep::Aside, _) => self.reconnect(id),
            (MoveStep::Three, _) => self.one_of_three_leaves(id),
            (MoveStep::Rest | MoveStep::Requested(_) | MoveStep::Handed, _) => {}
        }
    }

    fn begin(&mut self, id: u32, tries: u32, what: CallMove) {
        let Some(by) = self.calls.get(&id).and_then(|call| Some(call.mover.as_ref()?.by)) else { return };
        let (named, to) = (self.calls.get(&id).is_some_and(|call| call.conn_id.is_some()), self.find_free(by));
        let Some(to) = to.filter(|_| named) else {
            if tries < LOOKS_MAX {
                return self.step(id, MoveStep::Ahead { tries: tries + 1 });
            }
            if !named {
                self.call_fault(id, "no event named the call".to_owned());
            }
            return self.step(id, MoveStep::Rest);
        };
        self.agents[to].awaited = Some(id);
        if let Some(mover) = self.calls.get_mut(&id).and_then(|call| call.mover.as_mut()) {
            mover.to = Some(to);
        }
        let number = self.agents[to].who.extension.clone();
        match what.begins_with() {
            Some((request, name)) => self.ask_about(id, request, name, json!({"OtherDN": number})),
            None => self.refer(id, by, &number),
        }
    }

    /// Another agent who has no call: rather one who works after a call, to whom no queue sends one now. While callers wait, only such a
    /// one.
    fn find_free(&mut self, by: usize) -> Option<usize> {
        let is_free = |at: &usize| {
            let agent = &self.agents[*at];
            *at != by && agent.duty == Duty::Working && agent.line.is_none() && agent.awaited.is_none()
        };
        let free: Vec<usize> = (0..self.agents.len()).filter(is_free).collect();
        let wrapping: Vec<usize> = free.iter().copied().filter(|at| self.agents[*at].wraps).collect();
        let is_calm = !self.calls.values().any(Call::is_waiting);
        let from = if wrapping.is_empty() && is_calm { free } else { wrapping };
        let draw = self.dice.next_u64();
        let at = draw.checked_rem(from.len() as u64)?;
        from.get(at as usize).copied()
    }

    // === Requests ===

    /// The agent who has the call asks for something about it.
    fn ask_about(&mut self, id: u32, request: MoveRequest, name: &str, further: Value) {
        let Some(call) = self.calls.get(&id) else { return };
        let (Some(mover), Some(conn_id)) = (&call.mover, &call.conn_id) else { return };
        let (by, mut frame) = (mover.by, json!({"req": name, "ConnID": conn_id}));
        self.references += 1;
        frame["ThisDN"] = self.agents[by].who.extension.clone().into();
        frame["ReferenceID"] = self.references.into();
        if let (Some(frame), Value::Object(further)) = (frame.as_object_mut(), further) {
            frame.extend(further);
        }
        self.by_reference.insert(self.references, id);
        self.requests.ask(by, &frame);
        self.step(id, MoveStep::Requested(request));
    }

    fn complete(&mut self, id: u32, request: MoveRequest, name: &str) {
        let consultation = self.consultation(id);
        self.ask_about(id, request, name, json!({"TransferConnID": consultation}));
    }

    fn reconnect(&mut self, id: u32) {
        let held = self.calls.get(&id).and_then(|call| call.conn_id.clone());
        let consultation = self.consultation(id);
        self.ask_about(id, MoveRequest::Return, "TReconnectCall", json!({"ConnID": consultation, "HeldConnID": held}));
    }

    fn consultation(&self, id: u32) -> Option<String> {
        self.calls.get(&id)?.mover.as_ref()?.consultation.clone()
    }

    /// The agent's phone hands the call over by itself.
    fn refer(&mut self, id: u32, by: usize, number: &str) {
        let at = self.timestamp();
        let edge = &self.site.sip;
        let to = format!("<sip:{number}@{}:{}>", edge.host, edge.port);
        let dialog = self.agents[by].line.as_ref().filter(|line| line.call == Some(id)).map(|line| line.dialog);
        let phone = &mut self.phones[by + 1];
        let sent = dialog.is_some_and(|dialog| phone.ua.refer(dialog, vec![(HeaderName::ReferTo, to)], at).is_ok());
        self.step(id, if sent { MoveStep::Requested(MoveRequest::Transfer) } else { MoveStep::Rest });
    }

    // === What came of them ===

    pub fn told(&mut self, told: &FollowedEvent) {
        let is_consultation = told.call_type == "Consult";
        if told.name == "EventEstablished"
            && !is_consultation
            && let Some(call) = self.by_number.get(&told.ani).and_then(|id| self.calls.get_mut(id))
        {
            call.conn_id.get_or_insert_with(|| told.conn_id.clone());
        }
        if told.name == "EventReleased" && is_consultation {
            return self.consultation_over(&told.conn_id);
        }
        let Some(id) = self.by_reference.get(&told.reference).copied() else { return };
        let Some(step) = self.calls.get(&id).map(|call| call.step) else { return };
        match (step, told.name.as_str()) {
            (MoveStep::Requested(request), "EventError") => {
                let (code, words) = told.error.clone().unwrap_or_default();
                self.not_done(id, request, code, &words);
            }
            (MoveStep::Requested(MoveRequest::Consult) | MoveStep::Aside, "EventDialing") => {
                if let Some(mover) = self.calls.get_mut(&id).and_then(|call| call.mover.as_mut()) {
                    mover.consultation = Some(told.conn_id.clone());
                }
                self.note_move(id, MoveKind::Consultation);
            }
            (MoveStep::Requested(MoveRequest::Return | MoveRequest::Retrieve), "EventRetrieved") => {
                // The phone of who was consulted may hear of it later.
                if let Some(to) = self.calls.get(&id).and_then(|call| call.mover.as_ref()?.to) {
                    self.hear_out(id, to);
                }
                self.all_with_caller(id);
                self.step(id, MoveStep::Rest);
            }
            (MoveStep::Requested(MoveRequest::Join), "EventPartyAdded") => {
                self.note_move(id, MoveKind::Conference);
                self.all_with_caller(id);
                self.step(id, MoveStep::Three);
            }
            _ => {}
        }
    }

    /// A consultation has ended. If nobody took it, the agent returns to the caller.
    fn consultation_over(&mut self, conn_id: &str) {
        let is_it = |id: &&u32| {
            self.calls.get(*id).is_some_and(|call| {
                let mover = call.mover.as_ref();
                call.step == MoveStep::Requested(MoveRequest::Consult)
                    && mover.is_some_and(|mover| mover.consultation.as_deref() == Some(conn_id))
            })
        };
        if let Some(id) = self.calls.keys().find(is_it).copied() {
            self.expect_nobody(id);
            self.ask_about(id, MoveRequest::Retrieve, "TRetrieveCall", json!({}));
        }
    }

    /// A request was refused, by the API or by an event.
    fn not_done(&mut self, id: u32, request: MoveRequest, code: u64, words: &str) {
        if !NOT_TAKEN.contains(&code) {
            self.call_fault(id, format!("a request was refused ({request:?}): {code} {words}"));
        }
        match request {
            MoveRequest::Consult | MoveRequest::Transfer | MoveRequest::Confer => {
                self.expect_nobody(id);
                self.step(id, MoveStep::Rest);
            }
            MoveRequest::Complete | MoveRequest::Return | MoveRequest::Retrieve | MoveRequest::Join => {
                self.give_up_move(id)
            }
        }
    }

    /// The API did not let a request in.
    pub fn not_let_in(&mut self, reference: u64, reason: &str) {
        let id = self.by_reference.get(&reference).copied();
        let step = id.and_then(|id| self.calls.get(&id)).map(|call| call.step);
        if let (Some(id), Some(MoveStep::Requested(request))) = (id, step) {
            self.not_done(id, request, 0, reason);
        }
    }

    /// The answer to a REFER, or a notice about it.
    pub fn refer_told(&mut self, agent: usize, dialog: DialogId, status: StatusCode) {
        let call = self.agents[agent].line.as_ref().filter(|line| line.dialog == dialog).and_then(|line| line.call);
        let step = call.and_then(|id| self.calls.get(&id)).map(|call| call.step);
        if let (Some(id), Some(MoveStep::Requested(MoveRequest::Transfer))) = (call, step)
            && status.is_final()
            && !status.is_success()
        {
            self.not_done(id, MoveRequest::Transfer, u64::from(status.code()), "by the phone");
        }
    }

    pub fn overdue(&mut self, id: u32, steps: u32) {
        let Some(call) = self.calls.get(&id).filter(|call| call.is_talking() && call.steps == steps) else { return };
        let what = format!("nothing came of {:?} within {} s", call.step, HAPPENS_WITHIN.as_secs());
        self.call_fault(id, what);
        self.give_up_move(id);
    }

    /// Everybody hangs up.
    pub fn give_up_move(&mut self, id: u32) {
        let present = self.calls.get(&id).map(|call| call.present().map(|seat| seat.agent).collect::<Vec<_>>());
        self.end_by_caller(id);
        present.into_iter().flatten().for_each(|agent| self.hang_up_agent(agent));
    }
}

/// The status that a notice about a REFER reports (RFC 3420).
pub(super) fn status_in(notice: &Message) -> Option<StatusCode> {
    let line = std::str::from_utf8(notice.body()).ok()?;
    line.strip_prefix("SIP/2.0 ")?.split(' ').next()?.trim().parse().ok().map(StatusCode)
}

/// The longest that a move may lengthen a conversation.
pub(super) fn longest(talk: Duration) -> Duration {
    part(talk) * 3 + LOOK_AGAIN * LOOKS_MAX + HAPPENS_WITHIN
}
