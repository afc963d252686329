//! The robot callers: they dial, listen, press a key in the menu, wait until their patience ends, talk and hang up.

use std::time::Duration;

use media::dtmf::Digit;
use media::sdp::Direction;
use model::Entropy as _;
use sip::StatusCode;
use sip::agent::{DialogId, DialogTerms, Event, Invite, Provisionals, Reply};

use super::{CALLS_MAX, CARRIER, Due, Floor, Stage};
use crate::audio::Say;
use crate::call::Call;
use crate::ear::AudioCheck;
use crate::plan::{Range, unit};
use crate::results::{CallRow, Outcome, PartyRow};
use crate::tones::Pair;

/// Shares of the calls to support and to the menu; all others go to sales.
const SUPPORT: f64 = 0.30;
const MENU: f64 = 0.15;
/// How long a caller listens to the menu before the key.
const LISTENS: Range = Range { min: 1.0, max: 2.5 };

impl Floor {
    // === Arrivals ===

    pub fn arrive(&mut self) {
        if self.stage != Stage::Running || self.plan.calls == Some(self.placed) {
            return;
        }
        let since = self.opened_at.map_or(Duration::ZERO, |at| self.now.duration_since(at));
        let gap = self.plan.until_next(since, &mut self.dice);
        self.timers.after(self.now, gap, Due::Arrive);
        if self.calls.len() < CALLS_MAX {
            if let Err(error) = self.place() {
                self.faults.push(format!("a call could not be placed: {error:#}"));
                self.placed += 1;
            }
            if self.plan.calls == Some(self.placed) {
                self.last_placed();
            }
        }
    }

    /// The service that a caller wants, the number it dials, and the key it presses.
    fn wish(&mut self) -> (&'static str, &'static str, Option<char>) {
        let draw = unit(&mut self.dice);
        if draw < SUPPORT {
            ("support", "support", None)
        } else if draw < SUPPORT + MENU {
            if unit(&mut self.dice) < 0.5 { ("menu", "sales", Some('1')) } else { ("menu", "support", Some('2')) }
        } else {
            ("sales", "sales", None)
        }
    }

    fn place(&mut self) -> anyhow::Result<()> {
        /// Numbers repeat after this count of calls; no call lasts as long.
        const NUMBERS: u32 = 100_000;
        let (number, service, key) = self.wish();
        let dialled = self.site.numbers.get(number).cloned();
        let dialled = dialled.ok_or_else(|| anyhow::anyhow!("the site has no number {number}"))?;
        let caller = format!("{}{:05}", self.callers, self.placed % NUMBERS);
        let (at, millis) = (self.timestamp(), self.millis());
        let leg = self.legs.open(self.dice.next_u64(), self.now)?;
        let offer = self.legs.get(leg).map(|leg| leg.offer(Direction::SendRecv)).unwrap_or_default();
        let phone = &mut self.phones[CARRIER];
        let edge = &self.site.sip;
        let target = format!("sip:{dialled}@{}:{}", edge.host, edge.port);
        let invite = Invite {
            flow: phone.flow(),
            to: format!("<{target}>"),
            target,
            from: format!("<sip:{caller}@{}>", phone.local),
            call_id: phone.fresh(),
            local: phone.identity(&caller),
            routes: Vec::new(),
            headers: Vec::new(),
            offer: Some(offer.into()),
            max_forwards: sip::dialog::MAX_FORWARDS,
            parts: Vec::new(),
            provisionals: Provisionals::Plain,
            account: None,
            terms: DialogTerms::default(),
        };
        let dialog = phone.ua.invite(invite, at);
        let dialog = dialog.inspect_err(|_| self.legs.close(leg))?;
        let id = self.placed;
        self.placed += 1;
        self.first_arrival = self.first_arrival.or(Some(millis));
        self.last_arrival = Some(millis);
        self.by_dialog.insert(dialog, id);
        self.by_number.insert(caller.clone(), id);
        let call = Call {
            caller,
            dialled,
            service,
            key: key.and_then(Digit::from_char),
            dialog: Some(dialog),
            placed_at: millis,
            ..Call::blank(leg, self.grid.borrow(&[]), self.now)
        };
        if call.key.is_none()
            && let Some(leg) = self.legs.get(leg)
        {
            leg.say(Say::Pair(call.caller_pair));
        }
        self.calls.insert(id, call);
        let patience = self.plan.patience.draw(&mut self.dice);
        self.timers.after(self.now, patience, Due::GiveUp(id));
        Ok(())
    }

    // === Events of a caller ===

    pub fn at_carrier(&mut self, event: Event) {
        let at = self.timestamp();
        let Some(event) = self.at_outside(event) else { return };
        match event {
            Event::Answered { dialog, session, .. } => self.connected(dialog, Self::session_of(session)),
            Event::Offered { dialog, offer, .. } => {
                let leg = self.by_dialog.get(&dialog).and_then(|id| self.calls.get(id)).map(|call| call.leg);
                let answer = leg.and_then(|leg| self.legs.get(leg)?.answer(&offer).ok());
                let ua = &mut self.phones[CARRIER].ua;
                // A dialog that has ended needs neither.
                let _ = match answer {
                    Some(answer) => ua.accept_offer(dialog, answer.into(), at),
                    None => ua.refuse_offer(dialog, StatusCode::NOT_ACCEPTABLE_HERE, at),
                };
            }
            Event::Incoming { dialog, request, .. } if self.comes_out(dialog, &request) => {}
            Event::Incoming { dialog, .. } => {
                // Nobody has the number; the caller may have hung up already.
                let _ = self.phones[CARRIER].ua.reject(dialog, Reply::new(StatusCode::NOT_FOUND), at);
            }
            Event::Info { request, .. } | Event::Request { request, .. } => {
                let _ = self.phones[CARRIER].ua.respond(request, Reply::new(StatusCode::OK), at);
            }
            Event::Failed { dialog, status, .. } => self.caller_ended(dialog, Some(status.code())),
            Event::Released { dialog, .. } => self.caller_ended(dialog, None),
            _ => {}
        }
    }

    fn connected(&mut self, dialog: DialogId, sdp: Option<bytes::Bytes>) {
        let Some(id) = self.by_dialog.get(&dialog).copied() else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let taken = match (self.legs.get(call.leg), sdp) {
            (Some(leg), Some(sdp)) => leg.take_answer(&sdp),
            _ => Err(anyhow::anyhow!("there is none")),
        };
        if let Err(error) = taken {
            call.faults.push(format!("the session of the answer: {error:#}"));
        }
        if call.key.is_some() {
            let after = LISTENS.draw(&mut self.dice);
            self.timers.after(self.now, after, Due::Press(id));
        }
    }

    pub fn press(&mut self, id: u32) {
        let Some(call) = self.calls.get(&id) else { return };
        if let (Some(leg), Some(key)) = (self.legs.get(call.leg), call.key) {
            leg.press(key);
            leg.say(Say::Pair(call.caller_pair));
        }
    }

    /// The caller's patience has ended: no effect on an answered call.
    pub fn give_up(&mut self, id: u32) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.is_waiting()) else { return };
        call.gave_up = true;
        self.end_by_caller(id);
    }

    /// Ends a conversation.
    pub fn hang_up(&mut self, id: u32) {
        let Some(call) = self.calls.get(&id).filter(|call| call.is_talking()) else { return };
        let agent = call.present().last().map(|seat| seat.agent).filter(|_| call.ends_by_agent);
        let has_it = |agent: &usize| self.agents[*agent].line.as_ref().is_some_and(|line| line.call == Some(id));
        match agent.filter(has_it) {
            Some(agent) => {
                self.left(id);
                self.hang_up_agent(agent);
            }
            None => self.end_by_caller(id),
        }
    }

    pub fn end_by_caller(&mut self, id: u32) {
        self.left(id);
        let at = self.timestamp();
        if let Some(dialog) = self.calls.get(&id).and_then(|call| call.dialog) {
            self.phones[CARRIER].hang_up(dialog, at);
        }
    }

    /// One of the last two has left the call, or is about to: only what both have heard until now counts.
    pub fn left(&mut self, id: u32) {
        let now = self.now;
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.over.is_none()) else { return };
        call.over = Some(now);
        call.caller_heard = self.legs.get(call.leg).and_then(|leg| leg.heard());
        let present: Vec<usize> = call.present().map(|seat| seat.agent).collect();
        present.into_iter().for_each(|agent| self.hear_out(id, agent));
        self.expect_nobody(id);
    }

    fn caller_ended(&mut self, dialog: DialogId, status: Option<u16>) {
        let Some(id) = self.by_dialog.remove(&dialog) else { return };
        self.left(id);
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.dialog = None;
        self.legs.close(call.leg);
        call.outcome = Some(outcome_of(call, status));
        self.finish(id);
    }

    pub fn call_fault(&mut self, id: u32, fault: String) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.faults.push(fault);
        }
    }

    // === The end ===

    /// Records a call when both have left it.
    pub fn finish(&mut self, id: u32) {
        let agent_has_it =
            self.agents.iter().any(|agent| agent.line.as_ref().is_some_and(|line| line.call == Some(id)));
        let over = self.calls.get(&id).is_some_and(|call| call.outcome.is_some());
        if !over || agent_has_it {
            return;
        }
        let Some(call) = self.calls.remove(&id) else { return };
        self.by_number.remove(&call.caller);
        self.by_reference.retain(|_, about| *about != id);
        call.pairs().into_iter().for_each(|pair| self.grid.give_back(pair));
        let row = self.row(call);
        self.keep(row);
    }

    fn row(&self, mut call: Call) -> CallRow {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let (outcome, status) = call.outcome.unwrap_or((Outcome::Unfinished, None));
        let over = call.over.unwrap_or(self.now);
        let after = |heard: Option<AudioCheck>| heard.and_then(|heard| heard.after).map(millis);
        let caller_heard_ms = after(call.caller_heard);
        let parties = call.seats.iter().map(|seat| PartyRow {
            agent: seat.id.clone(),
            extension: seat.extension.clone(),
            came: seat.came,
            heard_ms: after(seat.heard),
        });
        let parties: Vec<PartyRow> = parties.collect();
        let mut faults = std::mem::take(&mut call.faults);
        if outcome == Outcome::Answered {
            faults.extend(self.hearing("the caller", call.caller_heard));
            for seat in &call.seats {
                faults.extend(self.hearing(&format!("the agent at {}", seat.extension), seat.heard));
            }
        }
        match outcome {
            Outcome::Dropped => faults.push("the far side ended it before an agent had answered".to_owned()),
            Outcome::Unfinished => faults.push("it did not end".to_owned()),
            _ => {}
        }
        if call.answers > 1 {
            faults.push(format!("{} agents answered it", call.answers));
        }
        let (agent, extension) = parties.first().map(|one| (one.agent.clone(), one.extension.clone())).unzip();
        CallRow {
            caller: call.caller,
            dialled: call.dialled,
            service: call.service.to_owned(),
            outcome,
            status,
            agent,
            extension,
            answers: call.answers,
            dialled_at: call.placed_at,
            wait_ms: millis(call.answered.unwrap_or(over).duration_since(call.placed)),
            talk_ms: call.answered.map(|answered| millis(over.duration_since(answered))),
            caller_heard_ms,
            agent_heard_ms: parties.first().and_then(|one| one.heard_ms),
            parties,
            moves: call.moves,
            holds: call.holds,
            ended_by_agent: call.ends_by_agent,
            faults,
        }
    }

    /// The fault in what one side heard.
    pub fn hearing(&self, who: &str, heard: Option<AudioCheck>) -> Option<String> {
        let Some(heard) = heard else { return Some(format!("{who} had no audio")) };
        let instead = match heard.instead.map(|pair| (pair, self.whose(pair))) {
            Some((pair, Some(whose))) => format!(", but {pair} of {whose}"),
            Some((pair, None)) => format!(", but {pair}"),
            None => String::new(),
        };
        match heard.after {
            None => Some(format!("{who} did not hear the other side{instead} ({} packets came)", heard.packets)),
            Some(after) if after > self.plan.hear_within => {
                Some(format!("{who} heard the other side only after {} ms", after.as_millis()))
            }
            Some(_) if heard.others > 0 => {
                Some(format!("{who} heard something else in {} packets{instead}", heard.others))
            }
            Some(_) => None,
        }
    }

    /// The caller of the running call that plays a pair.
    fn whose(&self, pair: Pair) -> Option<&str> {
        let call = self.calls.values().find(|call| call.pairs().contains(&pair));
        call.map(|call| call.caller.as_str())
    }

    /// All robots hang up.
    pub fn hang_up_all(&mut self) {
        let ids: Vec<u32> = self.calls.keys().copied().collect();
        for id in ids {
            if let Some(call) = self.calls.get_mut(&id) {
                call.stopped = true;
            }
            self.end_by_caller(id);
        }
        (0..self.agents.len()).for_each(|agent| self.hang_up_agent(agent));
    }

    /// Records the calls that have not ended.
    pub fn give_up_all(&mut self) {
        let ids: Vec<u32> = self.calls.keys().copied().collect();
        for id in ids {
            self.left(id);
            if let Some(call) = self.calls.remove(&id) {
                let row = self.row(call);
                self.keep(row);
            }
        }
    }
}

/// How a call has ended that its caller is no longer in; `status` is that of a refusal.
fn outcome_of(call: &Call, status: Option<u16>) -> (Outcome, Option<u16>) {
    // The first event that names a call tells that a phone has answered it.
    let is_taken_by_person = call.conn_id.is_some();
    match status {
        _ if call.answered.is_some() => (Outcome::Answered, None),
        _ if call.stopped => (Outcome::Stopped, None),
        _ if call.gave_up => (Outcome::Abandoned, None),
        Some(status) => (Outcome::Refused, Some(status)),
        None if is_taken_by_person => (Outcome::Abandoned, None),
        None => (Outcome::Dropped, None),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_call_that_a_person_took_and_hung_up_counts_as_given_up_and_not_as_dropped() {
        let mut call = Call::blank(0, Pair { low: 400, high: 500 }, Instant::now());
        assert_eq!(outcome_of(&call, None), (Outcome::Dropped, None));
        call.conn_id = Some("0193a1b2c3d4e5f6".to_owned());
        assert_eq!(outcome_of(&call, None), (Outcome::Abandoned, None));
        assert_eq!(outcome_of(&call, Some(503)), (Outcome::Refused, Some(503)));
        call.answered = Some(call.placed);
        assert_eq!(outcome_of(&call, None), (Outcome::Answered, None), "a robot has answered, too");
    }
}
