//! The robot agents at their phones: they answer, talk, sometimes hold, hang up and do after-call work.

use std::time::{Duration, Instant};

use model::Entropy as _;
use sip::agent::{DialogId, Event, Reply, Session};
use sip::{Message, StatusCode};

use super::moves::status_in;
use super::{Due, Floor, Stage};
use crate::agent::{Change, Line};
use crate::audio::Say;
use crate::ear::Ear;

/// An agent whose call was not answered requests to be ready again after this time.
const READY_AGAIN: Duration = Duration::from_secs(1);
/// Maximum length of a conversation with a party that is no robot.
const STRANGER: Duration = Duration::from_secs(300);

impl Floor {
    /// Handles an event at an agent's phone.
    pub fn at_agent(&mut self, agent: usize, event: Event) {
        match event {
            Event::Incoming { dialog, request, .. } => self.rings(agent, dialog, &request),
            Event::Acknowledged { dialog, answer: Some(answer) } => self.answer_in_ack(agent, dialog, &answer),
            Event::Offered { dialog, offer, .. } => self.offered(agent, dialog, &offer),
            Event::Renegotiated { dialog, answer } => self.changed(agent, dialog, &answer),
            Event::Refused { dialog, status, .. } => self.change_refused(agent, dialog, status),
            Event::Info { request, .. } | Event::Request { request, .. } => {
                let at = self.timestamp();
                // It may have ended already.
                let _ = self.phones[agent + 1].ua.respond(request, Reply::new(StatusCode::OK), at);
            }
            Event::Responded { dialog: Some(dialog), status, .. } => self.refer_told(agent, dialog, status),
            Event::Notified { dialog, message } => {
                if let Some(status) = status_in(&message) {
                    self.refer_told(agent, dialog, status);
                }
            }
            Event::Responded { dialog: None, status, response, .. } => {
                self.registered(agent, status, response.as_deref());
            }
            Event::Released { dialog, .. } | Event::Failed { dialog, .. } => self.line_ended(agent, dialog),
            _ => {}
        }
    }

    fn rings(&mut self, agent: usize, dialog: DialogId, request: &Message) {
        let at = self.timestamp();
        let phone = &mut self.phones[agent + 1];
        if self.agents[agent].line.is_some() || self.stage == Stage::Closing {
            // It may have been cancelled already.
            let _ = phone.ua.reject(dialog, Reply::new(StatusCode::BUSY_HERE), at);
            return;
        }
        let user = self.agents[agent].who.extension.clone();
        let identity = phone.identity(&user);
        let rung = phone.ua.identify(dialog, identity);
        if rung.and_then(|()| phone.ua.provisional(dialog, Reply::new(StatusCode::RINGING), at)).is_err() {
            return;
        }
        let number = request.from().ok().and_then(|from| from.uri().ok()?.user().map(str::to_owned));
        let call = number.and_then(|number| self.call_of(&number));
        self.agents[agent].awaited = self.agents[agent].awaited.filter(|awaited| Some(*awaited) != call);
        let offer = (!request.body().is_empty()).then(|| request.body_bytes().clone());
        self.agents[agent].rang += 1;
        self.agents[agent].wraps = false;
        self.agents[agent].line = Some(Line { dialog, call, leg: None, offer, answered: None, changing: None });
        let after = self.plan.ring.draw(&mut self.dice);
        self.timers.after(self.now, after, Due::Answer(agent, dialog));
    }

    /// The call of a robot's number: of a caller, or of an agent who rings another one about it.
    fn call_of(&self, number: &str) -> Option<u32> {
        let by_agent = || self.agents.iter().find(|agent| agent.who.extension == number)?.line.as_ref()?.call;
        self.by_number.get(number).copied().or_else(by_agent)
    }

    /// The line of an agent, if this dialog is still on it.
    fn line(&mut self, agent: usize, dialog: DialogId) -> Option<&mut Line> {
        self.agents[agent].line.as_mut().filter(|line| line.dialog == dialog)
    }

    pub fn answer(&mut self, agent: usize, dialog: DialogId) {
        let Some(line) = self.line(agent, dialog) else { return };
        let (call, offer) = (line.call, line.offer.take());
        let is_open =
            |call: &crate::call::Call| call.is_waiting() || (call.is_talking() && call.step.expects_another());
        if call.is_some_and(|call| !self.calls.get(&call).is_some_and(is_open)) {
            // The caller has hung up: the phone is about to stop ringing.
            return;
        }
        let at = self.timestamp();
        let Ok(leg_id) = self.legs.open(self.dice.next_u64(), self.now) else { return };
        let Some(leg) = self.legs.get(leg_id) else { return };
        let sdp = match offer {
            Some(offer) => leg.answer(&offer).ok(),
            None => Some(leg.offer(media::sdp::Direction::SendRecv)),
        };
        let phone = &mut self.phones[agent + 1];
        let taken = sdp.is_some_and(|sdp| phone.ua.answer(dialog, Reply::session(sdp), at).is_ok());
        if !taken {
            let _ = phone.ua.reject(dialog, Reply::new(StatusCode::NOT_ACCEPTABLE_HERE), at);
            self.legs.close(leg_id);
            return;
        }
        let now = self.now;
        if let Some(line) = self.line(agent, dialog) {
            line.leg = Some(leg_id);
            line.answered = Some(now);
        }
        self.agents[agent].answered += 1;
        match call {
            Some(call) => self.joined(call, agent, leg_id, dialog),
            None => {
                // The party is a person and hears an echo.
                if let Some(leg) = self.legs.get(leg_id) {
                    leg.say(Say::Echo);
                }
                self.timers.after(now, STRANGER, Due::Part(agent, dialog));
            }
        }
    }

    fn answer_in_ack(&mut self, agent: usize, dialog: DialogId, answer: &[u8]) {
        let leg = self.line(agent, dialog).and_then(|line| line.leg);
        if let Some(leg) = leg.and_then(|leg| self.legs.get(leg))
            && leg.take_answer(answer).is_err()
        {
            self.hang_up_agent(agent);
        }
    }

    /// The far side changes or refreshes the session.
    fn offered(&mut self, agent: usize, dialog: DialogId, offer: &[u8]) {
        let at = self.timestamp();
        let leg = self.line(agent, dialog).and_then(|line| line.leg);
        let answer = leg.and_then(|leg| self.legs.get(leg)?.answer(offer).ok());
        let ua = &mut self.phones[agent + 1].ua;
        // A dialog that has ended needs neither.
        let _ = match answer {
            Some(answer) => ua.accept_offer(dialog, answer.into(), at),
            None => ua.refuse_offer(dialog, StatusCode::NOT_ACCEPTABLE_HERE, at),
        };
    }

    pub fn hold(&mut self, agent: usize, dialog: DialogId) {
        self.change(agent, dialog, Change::Hold, media::sdp::Direction::SendOnly);
    }

    pub fn retrieve(&mut self, agent: usize, dialog: DialogId) {
        self.change(agent, dialog, Change::Retrieve, media::sdp::Direction::SendRecv);
    }

    fn change(&mut self, agent: usize, dialog: DialogId, change: Change, direction: media::sdp::Direction) {
        let at = self.timestamp();
        let Some((leg_id, call)) = self.line(agent, dialog).and_then(|line| Some((line.leg?, line.call?))) else {
            return;
        };
        let Some(leg) = self.legs.get(leg_id) else { return };
        let offer = leg.offer(direction);
        if self.phones[agent + 1].ua.reinvite(dialog, Some(offer.into()), Vec::new(), at).is_err() {
            return;
        }
        if let Some(line) = self.line(agent, dialog) {
            line.changing = Some(change);
        }
        if change == Change::Hold {
            if let Some(leg) = self.legs.get(leg_id) {
                leg.say(Say::Nothing);
            }
            self.ears(call, |ear, _| ear.close());
            if let Some(call) = self.calls.get_mut(&call) {
                call.holds += 1;
            }
        }
    }

    /// The far side has accepted our hold or retrieval.
    fn changed(&mut self, agent: usize, dialog: DialogId, answer: &[u8]) {
        let Some(line) = self.line(agent, dialog) else { return };
        let (Some(leg_id), Some(call), change) = (line.leg, line.call, line.changing.take()) else { return };
        let own = self.calls.get_mut(&call).and_then(|call| call.seat_mut(agent)).map(|seat| seat.pair);
        let (Some(leg), Some(own)) = (self.legs.get(leg_id), own) else { return };
        let taken = leg.take_answer(answer);
        if change == Some(Change::Retrieve) {
            leg.say(Say::Pair(own));
            self.ears(call, Ear::open);
        }
        if let Err(error) = taken {
            self.call_fault(call, format!("the answer to a re-INVITE: {error:#}"));
        }
    }

    fn change_refused(&mut self, agent: usize, dialog: DialogId, status: StatusCode) {
        let Some(line) = self.line(agent, dialog) else { return };
        if let (Some(_), Some(call)) = (line.changing.take(), line.call) {
            self.call_fault(call, format!("a hold or retrieval was answered {}", status.code()));
        }
    }

    /// Applies `what` to all ears of a call.
    fn ears(&mut self, call: u32, what: impl Fn(&mut Ear, Instant)) {
        let now = self.now;
        let Some(call) = self.calls.get(&call) else { return };
        for leg in std::iter::once(call.leg).chain(call.present().filter_map(|seat| seat.leg)) {
            if let Some(ear) = self.legs.get(leg).and_then(|leg| leg.ear.as_mut()) {
                what(ear, now);
            }
        }
    }

    /// Ends a conversation with a party that is no robot, after its maximum length.
    pub fn part(&mut self, agent: usize, dialog: DialogId) {
        if self.line(agent, dialog).is_some() {
            self.hang_up_agent(agent);
        }
    }

    /// The agent hangs up.
    pub fn hang_up_agent(&mut self, agent: usize) {
        let at = self.timestamp();
        if let Some(line) = &self.agents[agent].line {
            let (dialog, rings) = (line.dialog, line.answered.is_none());
            let phone = &mut self.phones[agent + 1];
            if rings {
                // It may have ended already.
                let _ = phone.ua.reject(dialog, Reply::new(StatusCode::TEMPORARILY_UNAVAILABLE), at);
            } else {
                phone.hang_up(dialog, at);
            }
        }
    }

    fn line_ended(&mut self, agent: usize, dialog: DialogId) {
        if self.line(agent, dialog).is_none() {
            return;
        }
        let Some(line) = self.agents[agent].line.take() else { return };
        if let Some(call) = line.call.filter(|_| line.answered.is_some()) {
            self.seat_left(call, agent);
        }
        if let Some(leg) = line.leg {
            self.legs.close(leg);
        }
        let after = match line.answered {
            Some(answered) => {
                self.agents[agent].talked += self.now.duration_since(answered);
                self.agents[agent].wraps = true;
                self.plan.wrap.draw(&mut self.dice)
            }
            // The caller gave up, which leaves the agent ready; another request does no harm.
            None => READY_AGAIN,
        };
        self.timers.after(self.now, after, Due::Ready(agent));
        if let Some(call) = line.call {
            self.finish(call);
        }
    }

    /// The session description in a response to our INVITE.
    pub fn session_of(session: Session) -> Option<bytes::Bytes> {
        match session {
            Session::Answer(sdp) | Session::Preview(sdp) => Some(sdp),
            Session::Nothing | Session::Offer(_) => None,
        }
    }
}
