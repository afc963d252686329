//! Turns facts of the tenant's stream into the application's events.

use infra::Position;
use model::{CallState, DnRole, Event as Fact, EventName, Timestamp, Value as Pair};
use scxml::{Event, Value};

use super::queueing::AnsweredBy;
use super::{CallSession, Pending, REDIRECT, Stage};

impl CallSession {
    /// Processes a fact about the call. A fact processed before is ignored, so the stream may be read again.
    pub fn handle_fact(&mut self, position: Position, fact: &Fact, now: Timestamp) {
        let Some(call) = fact.call.as_ref().filter(|c| c.conn_id == self.conn()) else { return };
        if self.is_over() || position <= self.position {
            return;
        }
        self.position = position;
        if fact.name == EventName::CallDeleted {
            // rq reads the same fact, and ends every request of the call.
            self.withdrawn.clear();
        }
        if self.has_ended() {
            return;
        }
        self.gone_since = None;
        if self.caller.call != *call {
            self.caller.call = call.clone();
        }
        let answered = self.take_pending(fact);
        self.apply(fact, answered.as_ref(), now);
        self.settle(now);
    }

    fn apply(&mut self, fact: &Fact, answered: Option<&Pending>, now: Timestamp) {
        match fact.name {
            EventName::TreatmentEnd | EventName::TreatmentNotApplied => self.treatment_over(fact, now),
            EventName::ACK => self.done(answered),
            EventName::Error => {
                let (code, text) = fact.error.clone().map_or((0, String::new()), |(code, text)| (code.0, text));
                if let Some(pending) = answered {
                    self.request_failed(pending, &code.to_string(), &text, now);
                }
            }
            EventName::RouteUsed if self.is_here(fact) => {
                self.stage = if fact.third_party_dn.is_some() { Stage::Offered } else { Stage::Over };
                self.playing = None;
                self.done(answered);
            }
            EventName::RouteRequest => self.came_back(fact, now),
            EventName::Ringing => self.tell_party(fact, "alerting"),
            EventName::Established if fact.this_role == Some(DnRole::Destination) => self.established(fact, now),
            EventName::Released if fact.call_state == Some(CallState::Redirected) => self.redirected(fact, now),
            EventName::AttachedDataChanged => self.user_data_changed(fact, answered),
            EventName::Abandoned if self.is_here(fact) => self.call_ended(now),
            EventName::CallDeleted => {
                self.done(answered);
                self.call_ended(now);
            }
            _ => {}
        }
    }

    /// The pending request that this fact answers. A treatment's first fact shows that the request was carried out.
    fn take_pending(&mut self, fact: &Fact) -> Option<Pending> {
        let from_us = fact.requester.as_deref().is_none_or(|r| r.starts_with("ors"));
        if fact.reference.0 == 0 || !from_us {
            return None;
        }
        let at = self.pending.iter().position(|p| p.reference == fact.reference.0)?;
        Some(self.pending.remove(at))
    }

    fn is_here(&self, fact: &Fact) -> bool {
        fact.this_dn.as_ref() == Some(&self.caller.this_dn)
    }

    fn done(&mut self, answered: Option<&Pending>) {
        if let Some(pending) = answered.filter(|p| !p.request_id.is_empty()) {
            self.tell_done(&pending.request_id, &pending.action, []);
        }
    }

    fn treatment_over(&mut self, fact: &Fact, now: Timestamp) {
        let Some(playing) = self.playing.take_if(|p| p.reference == fact.reference.0) else { return };
        // The request to stop it has no fact of its own.
        let stops: Vec<Pending> = self.pending.extract_if(.., |p| p.action == "dialog.stop").collect();
        for stop in &stops {
            self.done(Some(stop));
        }
        let result = fact.extensions.text("Result").unwrap_or_default().to_owned();
        let failed = fact.name == EventName::TreatmentNotApplied || result == "Failed";
        if playing.while_waiting {
            return if failed { self.play_later(now) } else { self.play_next(now) };
        }
        if failed {
            return self.tell_failed(
                &playing.request_id,
                &playing.action,
                "failed",
                "the treatment could not be played",
            );
        }
        let mut more = vec![("result", Value::from(result))];
        if let Some(digits) = &fact.collected_digits {
            more.push(("digits", Value::from(digits.as_str())));
        }
        more.extend(recorded(fact));
        self.tell_done(&playing.request_id, &playing.action, more);
        // After a treatment of the application, those of the queue resume.
        self.play_next(now);
    }

    /// The route point needs instructions again: the target did not take the call.
    fn came_back(&mut self, fact: &Fact, now: Timestamp) {
        if !self.is_here(fact) {
            // If it had left, it moved to another route point, whose application has its own session. Otherwise this
            // is an older fact, of the route point that the call came from.
            if self.stage == Stage::Offered {
                self.over(now);
            }
            return;
        }
        if self.stage == Stage::Waiting {
            return;
        }
        self.stage = Stage::Waiting;
        self.playing = None;
        let why = fact.extensions.text("FailedCallState").unwrap_or("NoAnswer").to_owned();
        if self.queueing.as_ref().is_some_and(|q| q.selected.is_some()) {
            let reason = match CallState::parse(&why) {
                Some(CallState::NoAnswer | CallState::DroppedNoAnswer) => "no-answer",
                Some(CallState::Busy) => "busy",
                _ => "rejected",
            };
            return self.return_to_queue(reason, now);
        }
        self.tell_failed("", REDIRECT, &why, "the target did not take the call");
    }

    fn established(&mut self, fact: &Fact, now: Timestamp) {
        if self.stage != Stage::Offered {
            return;
        }
        self.stage = Stage::Answered;
        if self.queueing.as_ref().is_some_and(|q| q.selected.is_some() && q.route) {
            self.tell_selected();
        }
        let by = if self.is_selected(fact) { AnsweredBy::Selected } else { AnsweredBy::Another };
        self.answered(by, now);
        self.tell_party(fact, "connected");
    }

    /// The selected agent has sent the call elsewhere: it has left the queue, and its further course does not concern the queue.
    fn redirected(&mut self, fact: &Fact, now: Timestamp) {
        if self.stage == Stage::Offered && self.is_selected(fact) {
            self.tell_selected();
            self.answered(AnsweredBy::Selected, now);
        }
    }

    /// Whether the fact comes from the selected agent's phone.
    fn is_selected(&self, fact: &Fact) -> bool {
        let selected = self.queueing.as_ref().and_then(|queueing| queueing.selected.as_ref());
        selected.is_some_and(|(_, phone)| fact.this_dn.as_ref() == Some(phone))
    }

    fn tell_party(&mut self, fact: &Fact, state: &str) {
        let dn = fact.this_dn.as_ref().map_or(Value::Undefined, |dn| Value::from(dn.as_str()));
        let data = self.about_call([("state", Value::from(state)), ("dn", dn)]);
        self.feedback.push_back(Event::external("interaction.partystatechanged", data));
    }

    fn user_data_changed(&mut self, fact: &Fact, answered: Option<&Pending>) {
        if self.caller.user_data != fact.user_data {
            self.caller.user_data = fact.user_data.clone();
            self.platform_changed();
            let data = self.about_call([]);
            self.feedback.push_back(Event::external("interaction.udata.changed", data));
        }
        self.done(answered);
    }

    /// The call has left the route point for another one.
    pub fn moved(&mut self, now: Timestamp) {
        self.over(now);
        self.settle(now);
    }

    /// The call is over. rq reads the same fact and reports that the caller has left the queue; a cancellation of
    /// ours could only come before that, and would turn it into a withdrawal.
    pub(super) fn call_ended(&mut self, now: Timestamp) {
        self.queueing = None;
        self.over(now);
    }

    /// The call has ended or left: the application is notified, then its session ends.
    fn over(&mut self, now: Timestamp) {
        if self.stage == Stage::Over {
            return;
        }
        self.stage = Stage::Over;
        self.playing = None;
        self.leave_queue(now);
        let data = self.about_call([]);
        self.feedback.push_back(Event::external("interaction.deleted", data));
    }
}

/// What the end of a recording says of it: the announcement's id, how it ended, and its length in seconds.
fn recorded(fact: &Fact) -> impl Iterator<Item = (&'static str, Value)> {
    let text = |name: &str| fact.extensions.text(name).map(Value::from);
    let duration = match fact.extensions.get("Duration") {
        Some(Pair::Int(ms)) => Some(Value::Number(*ms as f64 / 1_000.0)),
        _ => None,
    };
    let said = [("userannid", text("USER_ANN_ID")), ("reason", text("RecordEnd")), ("duration", duration)];
    said.into_iter().filter_map(|(name, value)| Some((name, value?)))
}
