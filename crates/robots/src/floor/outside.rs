//! Calls to numbers outside: desks dial, the carrier of the robots takes the calls, and both sides listen for each other.

use std::time::Duration;

use media::sdp::Direction;
use model::Entropy as _;
use sip::agent::{DialogId, DialogTerms, Event, Invite, Provisionals, Reply};
use sip::{Message, StatusCode};

use super::opening::{AGAIN, EXPIRES_S, STAGGER, UNFINISHED_AFTER, granted_s};
use super::{CARRIER, Due, Floor, Stage};
use crate::audio::{LegId, Say};
use crate::desk::{Outgoing, OutgoingEnd};
use crate::ear::Ear;
use crate::plan::{Range, unit};
use crate::results::{Outcome, OutgoingRow};
use crate::secure_line::LineChange;

/// From the opening to the first call of a desk, s: a short run has some, too.
const FIRST: Range = Range { min: 0.2, max: 1.5 };
/// From one call of a desk to its next, s.
const PAUSE: Range = Range { min: 1.0, max: 6.0 };
/// A run of which callers dial for longer has calls that go out, whatever the dice say: a desk that is not registered in time waits for one pause.
const CALLS_OUT_WITHIN: Duration = Duration::from_secs(10);

/// Of which side of a call something is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OutgoingSide {
    Near,
    Far,
}

impl Floor {
    // === Registration ===

    const fn desk_phone(&self, desk: usize) -> usize {
        1 + self.agents.len() + desk
    }

    pub fn open_desks(&mut self) {
        for desk in 0..self.desks.len() {
            self.register_desk_after(desk, STAGGER * u32::try_from(desk).unwrap_or(u32::MAX));
        }
    }

    /// Plans the next registration of a desk, in place of what was planned.
    pub fn register_desk_after(&mut self, desk: usize, after: Duration) {
        self.desks[desk].register_round += 1;
        self.timers.after(self.now, after, Due::RegisterDesk(desk, self.desks[desk].register_round));
    }

    pub fn register_desk(&mut self, desk: usize, round: u32) {
        if matches!(self.stage, Stage::Closing | Stage::Done) || self.desks[desk].register_round != round {
            return;
        }
        let (at, phone) = (self.timestamp(), self.desk_phone(desk));
        let phone = &mut self.phones[phone];
        // Without a connection it would be asked into the void; a new one registers at once.
        let is_asked = phone.is_connected() && phone.register(EXPIRES_S, at).is_ok();
        self.register_desk_after(desk, if is_asked { Duration::from_secs(u64::from(EXPIRES_S)) } else { AGAIN });
    }

    /// The connection of a desk has begun or ended: what it registered was registered by that.
    pub fn desk_line_changed(&mut self, desk: usize, change: LineChange) {
        self.desks[desk].is_registered = false;
        if change == LineChange::Up {
            self.register_desk_after(desk, Duration::ZERO);
        }
    }

    fn desk_registered(&mut self, desk: usize, status: StatusCode, response: Option<&Message>) {
        if self.stage == Stage::Closing {
            return;
        }
        if !status.is_success() {
            self.desks[desk].refused = Some(status);
            return self.register_desk_after(desk, AGAIN);
        }
        let granted = response.and_then(granted_s).unwrap_or(EXPIRES_S);
        self.register_desk_after(desk, Duration::from_secs(u64::from(granted) / 2));
        (self.desks[desk].is_registered, self.desks[desk].refused) = (true, None);
    }

    /// At the end a desk that could not register is a fault; on the way its roles may have been away.
    pub fn note_silent_desks(&mut self) {
        let silent = |at: &usize| !self.desks[*at].is_registered && self.opened_at.is_some();
        let fault = |at: usize| {
            let (desk, phone) = (&self.desks[at], &self.phones[self.desk_phone(at)]);
            let why = match (desk.refused, phone.trouble()) {
                (Some(status), _) => format!("REGISTER was answered {}", status.code()),
                (None, Some(trouble)) => format!("it has no connection: {trouble}"),
                (None, None) => "no REGISTER was answered".to_owned(),
            };
            format!("{}: {why}", desk.who.extension)
        };
        let faults: Vec<String> = (0..self.desks.len()).filter(silent).map(fault).collect();
        self.faults.extend(faults);
    }

    /// Removes the desks' registrations.
    pub fn close_desks(&mut self) {
        let at = self.timestamp();
        for desk in 0..self.desks.len() {
            let phone = self.desk_phone(desk);
            // One that cannot be removed expires by itself.
            let _ = self.phones[phone].register(0, at);
        }
    }

    // === A call ===

    /// Every desk dials from now on.
    pub fn begin_outgoing(&mut self) {
        (0..self.desks.len()).for_each(|desk| self.dial_within(FIRST, desk));
    }

    fn dial_later(&mut self, desk: usize) {
        self.dial_within(PAUSE, desk);
    }

    fn dial_within(&mut self, range: Range, desk: usize) {
        let after = range.draw(&mut self.dice);
        self.timers.after(self.now, after, Due::DialOut(desk));
    }

    /// The last caller has dialled, and so do desks no more: that nobody has called out by now is a fault.
    pub fn note_idle_desks(&mut self) {
        let open = self.opened_at.map_or(Duration::ZERO, |at| self.now.duration_since(at));
        if self.dialled_out == 0 && !self.desks.is_empty() && open > CALLS_OUT_WITHIN {
            self.faults.push("no desk has called a number outside".to_owned());
        }
    }

    pub fn dial_out(&mut self, desk: usize) {
        if self.stage != Stage::Running || self.plan.calls == Some(self.placed) {
            return;
        }
        if !self.desks[desk].is_registered || self.desks[desk].call.is_some() {
            return self.dial_later(desk);
        }
        if let Err(error) = self.place_outgoing(desk) {
            let fault = format!("{} could not call out: {error:#}", self.desks[desk].who.extension);
            if !self.faults.contains(&fault) {
                self.faults.push(fault);
            }
            self.dial_later(desk);
        }
    }

    fn place_outgoing(&mut self, desk: usize) -> anyhow::Result<()> {
        let prefix = self.site.outside.as_ref().map(|outside| outside.prefix.as_str()).unwrap_or_default();
        // The number that callers of this run begin with tells it from another run here, too.
        let run = self.callers.get(self.callers.len().saturating_sub(5)..).unwrap_or_default();
        let number = format!("{prefix}{run}{:05}", self.dialled_out % 100_000);
        let (at, millis, phone) = (self.timestamp(), self.millis(), self.desk_phone(desk));
        let leg = self.legs.open(self.dice.next_u64(), self.now)?;
        let (edge, user) = (&self.site.sip, self.desks[desk].who.extension.clone());
        let phone = &mut self.phones[phone];
        let secret = self.desks[desk].who.encrypts.then(|| phone.secret());
        let offer = self.legs.get(leg).map(|leg| {
            secret.into_iter().for_each(|secret| leg.require_encryption(secret));
            leg.offer(Direction::SendRecv)
        });
        let target = format!("sip:{number}@{}:{}", edge.host, edge.port);
        let invite = Invite {
            flow: phone.flow(),
            to: format!("<{target}>"),
            target,
            from: format!("<sip:{user}@{}:{}>", edge.host, edge.port),
            call_id: phone.fresh(),
            local: phone.identity(&user),
            routes: Vec::new(),
            headers: Vec::new(),
            offer: offer.map(Into::into),
            max_forwards: sip::dialog::MAX_FORWARDS,
            parts: Vec::new(),
            provisionals: Provisionals::Plain,
            account: None,
            terms: DialogTerms::default(),
        };
        let dialog = phone.ua.invite(invite, at).inspect_err(|_| self.legs.close(leg))?;
        let id = self.dialled_out;
        self.dialled_out += 1;
        self.desks[desk].call = Some(id);
        let pair = self.grid.borrow(&[]);
        let near = OutgoingEnd { dialog: Some(dialog), leg, pair, heard: None };
        let talk = self.plan.talk.draw(&mut self.dice);
        let ends_by_desk = unit(&mut self.dice) < 0.5;
        let call = Outgoing {
            number: number.clone(),
            desk,
            near,
            far: None,
            offer: None,
            placed_at: millis,
            talk,
            ends_by_desk,
            answered: None,
            over: None,
            stopped: false,
            refused: None,
            faults: Vec::new(),
        };
        self.by_outside_number.insert(number, id);
        self.outgoing.insert(id, call);
        let longest = Duration::from_secs_f64(self.plan.ring.max) + talk + UNFINISHED_AFTER;
        self.timers.after(self.now, longest, Due::OutsideOverdue(id));
        if let Some(leg) = self.legs.get(leg) {
            leg.say(Say::Pair(pair));
        }
        Ok(())
    }

    /// Handles an event at a desk's phone.
    pub fn at_desk(&mut self, desk: usize, event: Event) {
        match event {
            Event::Responded { dialog: None, status, response, .. } => {
                self.desk_registered(desk, status, response.as_deref());
            }
            Event::Incoming { dialog, .. } => {
                let (at, phone) = (self.timestamp(), self.desk_phone(desk));
                // Nobody is to call it; the caller may have hung up already.
                let _ = self.phones[phone].ua.reject(dialog, Reply::new(StatusCode::BUSY_HERE), at);
            }
            event => {
                let phone = self.desk_phone(desk);
                if let Some(id) = self.desks[desk].call {
                    self.of_call(id, (OutgoingSide::Near, phone), event);
                } else if let Event::Info { request, .. } | Event::Request { request, .. } = event {
                    let at = self.timestamp();
                    let _ = self.phones[phone].ua.respond(request, Reply::new(StatusCode::OK), at);
                }
            }
        }
    }

    /// An INVITE has come to the carrier: true if it is for a number that a desk has called.
    pub fn comes_out(&mut self, dialog: DialogId, request: &Message) -> bool {
        let uri = request.request_uri().and_then(|uri| sip::Uri::parse(uri).ok());
        let Some(number) = uri.and_then(|uri| uri.user().map(str::to_owned)) else { return false };
        let Some(id) = self.by_outside_number.get(&number).copied() else { return false };
        let Ok(leg) = self.legs.open(self.dice.next_u64(), self.now) else { return false };
        let Some(call) = self.outgoing.get_mut(&id) else { return false };
        if call.far.is_some() {
            call.faults.push("it came to the carrier twice".to_owned());
            self.legs.close(leg);
            return false;
        }
        let pair = self.grid.borrow(&[call.near.pair]);
        call.far = Some(OutgoingEnd { dialog: Some(dialog), leg, pair, heard: None });
        call.offer = (!request.body().is_empty()).then(|| request.body_bytes().clone());
        self.far_dialogs.insert(dialog, id);
        let (at, phone) = (self.timestamp(), &mut self.phones[CARRIER]);
        let identity = phone.identity(&number);
        // The desk may have hung up already.
        let rung = phone.ua.identify(dialog, identity);
        let _ = rung.and_then(|()| phone.ua.provisional(dialog, Reply::new(StatusCode::RINGING), at));
        let after = self.plan.ring.draw(&mut self.dice);
        self.timers.after(self.now, after, Due::PickUp(id));
        true
    }

    /// The carrier's side answers.
    pub fn pick_up(&mut self, id: u32) {
        let at = self.timestamp();
        let Some(call) = self.outgoing.get_mut(&id).filter(|call| call.over.is_none()) else { return };
        let Some((far, dialog)) = call.far.as_ref().and_then(|far| Some((far, far.dialog?))) else { return };
        let Some(leg) = self.legs.get(far.leg) else { return };
        leg.say(Say::Pair(far.pair));
        let sdp = match call.offer.take() {
            Some(offer) => leg.answer(&offer).ok(),
            None => Some(leg.offer(Direction::SendRecv)),
        };
        let ua = &mut self.phones[CARRIER].ua;
        if sdp.is_none_or(|sdp| ua.answer(dialog, Reply::session(sdp), at).is_err()) {
            let _ = ua.reject(dialog, Reply::new(StatusCode::NOT_ACCEPTABLE_HERE), at);
        }
    }

    /// Handles an event of a call that goes out, at the carrier. Gives it back if it is of none.
    pub fn at_outside(&mut self, event: Event) -> Option<Event> {
        let dialog = match &event {
            Event::Answered { dialog, .. }
            | Event::Acknowledged { dialog, .. }
            | Event::Offered { dialog, .. }
            | Event::Released { dialog, .. }
            | Event::Failed { dialog, .. } => *dialog,
            _ => return Some(event),
        };
        let Some(id) = self.far_dialogs.get(&dialog).copied() else { return Some(event) };
        self.of_call(id, (OutgoingSide::Far, CARRIER), event);
        None
    }

    fn of_call(&mut self, id: u32, (side, phone): (OutgoingSide, usize), event: Event) {
        let at = self.timestamp();
        let leg = self.end_of(id, side).map(|end| end.leg);
        match event {
            Event::Answered { session, .. } => self.outgoing_answered(id, Self::session_of(session)),
            Event::Acknowledged { answer: Some(answer), .. } => {
                if let Some(leg) = leg.and_then(|leg| self.legs.get(leg))
                    && let Err(error) = leg.take_answer(&answer)
                {
                    self.outgoing_fault(id, format!("the session in the ACK: {error:#}"));
                }
            }
            Event::Offered { dialog, offer, .. } => {
                let answer = leg.and_then(|leg| self.legs.get(leg)?.answer(&offer).ok());
                let ua = &mut self.phones[phone].ua;
                // A dialog that has ended needs neither.
                let _ = match answer {
                    Some(answer) => ua.accept_offer(dialog, answer.into(), at),
                    None => ua.refuse_offer(dialog, StatusCode::NOT_ACCEPTABLE_HERE, at),
                };
            }
            Event::Info { request, .. } | Event::Request { request, .. } => {
                let _ = self.phones[phone].ua.respond(request, Reply::new(StatusCode::OK), at);
            }
            Event::Failed { dialog, status, .. } => self.outgoing_ended(id, dialog, side, Some(status)),
            Event::Released { dialog, .. } => self.outgoing_ended(id, dialog, side, None),
            _ => {}
        }
    }

    fn end_of(&mut self, id: u32, side: OutgoingSide) -> Option<&mut OutgoingEnd> {
        let call = self.outgoing.get_mut(&id)?;
        match side {
            OutgoingSide::Near => Some(&mut call.near),
            OutgoingSide::Far => call.far.as_mut(),
        }
    }

    fn outgoing_fault(&mut self, id: u32, fault: String) {
        if let Some(call) = self.outgoing.get_mut(&id) {
            call.faults.push(fault);
        }
    }

    /// The desk is connected: each side is to hear the other one from now on.
    fn outgoing_answered(&mut self, id: u32, sdp: Option<bytes::Bytes>) {
        let now = self.now;
        let Some(call) = self.outgoing.get_mut(&id).filter(|call| call.answered.is_none()) else { return };
        call.answered = Some(now);
        let taken = match (self.legs.get(call.near.leg), sdp) {
            (Some(leg), Some(sdp)) => leg.take_answer(&sdp),
            _ => Err(anyhow::anyhow!("there is none")),
        };
        if let Err(error) = taken {
            call.faults.push(format!("the session of the answer: {error:#}"));
        }
        match &call.far {
            Some(far) => {
                for (leg, other) in [(call.near.leg, far.pair), (far.leg, call.near.pair)] {
                    if let Some(leg) = self.legs.get(leg) {
                        leg.ear.get_or_insert_with(|| Ear::new(now)).listen(&[other], now);
                    }
                }
            }
            None => call.faults.push("it was answered, and not by the carrier".to_owned()),
        }
        let talk = call.talk;
        self.timers.after(now, talk, Due::PartOutside(id));
    }

    /// One side hangs up.
    pub fn part_outside(&mut self, id: u32) {
        let Some(call) = self.outgoing.get(&id).filter(|call| call.over.is_none()) else { return };
        let far = call.far.as_ref().and_then(|far| far.dialog).filter(|_| !call.ends_by_desk);
        let (near, desk) = (call.near.dialog, call.desk);
        self.outgoing_over(id);
        let (at, phone) = (self.timestamp(), self.desk_phone(desk));
        match (far, near) {
            (Some(dialog), _) => self.phones[CARRIER].hang_up(dialog, at),
            (None, Some(dialog)) => self.phones[phone].hang_up(dialog, at),
            (None, None) => {}
        }
    }

    /// A call that has not ended by now is given up, and its desk goes on.
    pub fn outside_overdue(&mut self, id: u32) {
        let Some(call) = self.outgoing.get(&id) else { return };
        let (near, far, desk) = (call.near.dialog, call.far.as_ref().and_then(|far| far.dialog), call.desk);
        self.outgoing_over(id);
        let (at, phone) = (self.timestamp(), self.desk_phone(desk));
        if let Some(dialog) = near {
            self.phones[phone].hang_up(dialog, at);
        }
        if let Some(dialog) = far {
            self.phones[CARRIER].hang_up(dialog, at);
            self.far_dialogs.remove(&dialog);
        }
        self.finish_outgoing(id);
    }

    /// One side has left, or is about to: only what both have heard until now counts.
    fn outgoing_over(&mut self, id: u32) {
        let now = self.now;
        let Some(call) = self.outgoing.get_mut(&id).filter(|call| call.over.is_none()) else { return };
        call.over = Some(now);
        for end in std::iter::once(&mut call.near).chain(&mut call.far) {
            end.heard = self.legs.get(end.leg).and_then(|leg| leg.heard());
        }
    }

    fn outgoing_ended(&mut self, id: u32, dialog: DialogId, side: OutgoingSide, status: Option<StatusCode>) {
        // Another one of this phone is none of the call's.
        let Some(end) = self.end_of(id, side).filter(|end| end.dialog == Some(dialog)) else { return };
        end.dialog = None;
        if let Some(call) = self.outgoing.get_mut(&id).filter(|call| call.answered.is_some() && call.over.is_none()) {
            call.faults.push("it was cut: neither side had hung up".to_owned());
        }
        self.outgoing_over(id);
        if side == OutgoingSide::Far {
            self.far_dialogs.remove(&dialog);
        }
        let Some(call) = self.outgoing.get_mut(&id) else { return };
        if side == OutgoingSide::Near {
            call.refused = status;
        }
        if call.is_over() {
            self.finish_outgoing(id);
        }
    }

    fn finish_outgoing(&mut self, id: u32) {
        let Some(call) = self.outgoing.remove(&id) else { return };
        self.by_outside_number.remove(&call.number);
        let ends: Vec<(LegId, _)> =
            std::iter::once(&call.near).chain(&call.far).map(|end| (end.leg, end.pair)).collect();
        for (leg, pair) in ends {
            self.legs.close(leg);
            self.grid.give_back(pair);
        }
        self.desks[call.desk].call = None;
        self.dial_later(call.desk);
        let row = self.outgoing_row(call);
        self.keep_outgoing(row);
    }

    fn outgoing_row(&self, mut call: Outgoing) -> OutgoingRow {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let (near, far) = (call.near.heard, call.far.as_ref().and_then(|far| far.heard));
        let status = call.refused.map(StatusCode::code);
        let outcome = match (call.answered, status) {
            _ if !call.is_over() => Outcome::Unfinished,
            _ if call.stopped => Outcome::Stopped,
            (Some(_), _) => Outcome::Answered,
            (None, Some(_)) => Outcome::Refused,
            (None, None) => Outcome::Dropped,
        };
        match outcome {
            Outcome::Answered => {
                call.faults.extend(self.hearing("the desk", near));
                call.faults.extend(self.hearing("the number outside", far));
            }
            Outcome::Refused => call.faults.push(format!("it was refused with {}", status.unwrap_or_default())),
            Outcome::Unfinished => call.faults.push("it did not end".to_owned()),
            Outcome::Dropped => call.faults.push("it was ended before it was answered".to_owned()),
            Outcome::Abandoned | Outcome::Stopped => {}
        }
        let over = call.over.unwrap_or(self.now);
        OutgoingRow {
            number: call.number,
            extension: self.desks[call.desk].who.extension.clone(),
            encrypted: self.desks[call.desk].who.encrypts,
            outcome,
            status,
            dialled_at: call.placed_at,
            talk_ms: call.answered.map(|answered| millis(over.duration_since(answered))),
            desk_heard_ms: near.and_then(|heard| heard.after).map(millis),
            outside_heard_ms: far.and_then(|heard| heard.after).map(millis),
            faults: call.faults,
        }
    }

    /// All desks hang up.
    pub fn hang_up_outgoing(&mut self) {
        let ids: Vec<u32> = self.outgoing.keys().copied().collect();
        for id in ids {
            if let Some(call) = self.outgoing.get_mut(&id) {
                (call.stopped, call.ends_by_desk) = (true, true);
            }
            self.part_outside(id);
        }
    }

    /// Records the calls that have not ended.
    pub fn give_up_outgoing(&mut self) {
        let ids: Vec<u32> = self.outgoing.keys().copied().collect();
        for id in ids {
            self.outgoing_over(id);
            if let Some(call) = self.outgoing.remove(&id) {
                let row = self.outgoing_row(call);
                self.keep_outgoing(row);
            }
        }
    }
}
