//! Treatments of a leg: MSML in INFO, and their outcomes.

use std::cell::RefCell;
use std::collections::BTreeMap;

use ivr::msml::{self, Action, Dialog, DtmfEnd, Facilities, Iterate, Running};
use media::dtmf::Digit;
use media::exchange::MEMBERS_MAX;
use media::session::{
    self, Collect, CollectEnd, Event, Outcome, PlayEnd, RecordingEnd, RecordingOptions, Repeat, Treatment,
};
use model::Timestamp;
use net::rtp::{DriverError, Order};
use sip::agent::{Body, DialogId, IncomingId, Reply};
use sip::proxy::headers;
use sip::{Message, StatusCode};

use super::leg::Leg;
use super::recordings::Recordings;
use super::service::{Service, base_of};
use super::{Node, note};
use crate::media_server::limits::BODY_BYTES_MAX;
use crate::media_server::metrics::Metrics;
use crate::media_server::prompts::{Prompts, name_of};

/// The event that notifies an owner of a phone that sends no audio any more.
pub const NO_RTP: &str = "trunkline.no-rtp";
/// Its value: whether the phone is on hold.
const HELD: &str = "held";

/// The type of the body by which an owner is told a key for its party.
const KEY_TYPE: &str = "application/dtmf-relay";

impl Node {
    /// Carries out an INFO: an MSML request, whose body may have been completed, or a key reported by the owner's phone.
    pub(super) fn carry_out(
        &mut self,
        dialog: DialogId,
        request: IncomingId,
        (message, body): (&Message, &[u8]),
        now: Timestamp,
    ) {
        let refuse = |status| Reply::new(status);
        let keys = keys_of(message);
        if !keys.is_empty() {
            let pressed = self.legs.get(&dialog).is_some_and(|leg| {
                keys.into_iter().all(|(digit, duration)| self.order(leg.shard, Order::Press(leg.id, digit, duration)))
            });
            let status = if pressed { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            return note("an answer", self.agent.respond(request, refuse(status), now));
        }
        let is_msml = matches!(message.content_type(), Ok(Some(kind)) if kind.is("application", "msml+xml"));
        if !is_msml || body.len() > BODY_BYTES_MAX {
            let status =
                if is_msml { StatusCode::REQUEST_ENTITY_TOO_LARGE } else { StatusCode::UNSUPPORTED_MEDIA_TYPE };
            return note("a refusal", self.agent.respond(request, refuse(status), now));
        }
        let Some(leg) = self.legs.get(&dialog) else {
            let gone = refuse(StatusCode::CALL_DOES_NOT_EXIST);
            return note("a refusal", self.agent.respond(request, gone, now));
        };
        let mut connection = leg.connection.clone();
        let site = LegSite {
            prompts: RefCell::new(&mut self.prompts),
            metrics: &self.metrics,
            legs: &self.legs,
            leg,
            recordings: &self.recordings,
        };
        let answer = connection.handle_request(body, &site);
        if let Some(leg) = self.legs.get_mut(&dialog) {
            leg.connection = connection;
        }
        let body = Body::new(msml::CONTENT_TYPE, answer.body);
        note("an answer", self.agent.respond(request, Reply::new(StatusCode::OK).body(body), now));
        let secret = message.header(&headers::SECRET) == Some(headers::SECRET_DIGITS);
        for action in answer.actions {
            if let (Action::Start(running), Some(leg)) = (&action, self.legs.get_mut(&dialog)) {
                leg.secret = secret.then(|| running.clone());
            }
            self.act(dialog, action, now);
        }
        for notice in answer.notices {
            self.notify(dialog, notice, now);
        }
    }

    /// Handles an event of a leg's audio.
    pub(super) fn audio_event(&mut self, dialog: DialogId, event: Event, now: Timestamp) {
        self.trace_audio(dialog, &event, now);
        match event {
            Event::Ended(outcome) => self.ended(dialog, &outcome, now),
            Event::Recording(number) => self.recording_begun(dialog, number, now),
            Event::Quiet { held, .. } => {
                if !held {
                    self.metrics.leg_quiet();
                }
                if let Some(leg) = self.legs.get(&dialog) {
                    let id = format!("conn:{}", leg.connection.snapshot().id);
                    let event =
                        msml::Event { name: NO_RTP.to_owned(), id, values: vec![(HELD.to_owned(), held.to_string())] };
                    self.notify(dialog, msml::build_event(&event), now);
                }
            }
            Event::Digit(_) => self.metrics.digit_pressed(),
            Event::Key(digit, duration) => {
                let body = Body::new(KEY_TYPE, media::dtmf::info::one(digit, duration));
                // No record holds it: it belongs to the parties' conversation.
                note("a key for a party", self.agent.secret_info(dialog, body, now).map(drop));
            }
            Event::Withheld(to) => {
                self.metrics.leg_withheld();
                tracing::info!(?dialog, %to, "no packet comes from an address: audio to it stops");
            }
            Event::Runaway => self.runaway(dialog, now),
            Event::NotAgreed(error) => {
                self.metrics.keys_not_agreed();
                tracing::warn!(?dialog, %error, "no keys for encrypted audio: the leg is ended");
                self.give_up(dialog, now);
            }
            // Its leg is stored with the next batch, as after every event.
            Event::Counted | Event::Learned(_) | Event::Resumed => {}
        }
    }

    /// Ends a leg whose audio exceeded its steps in a turn; its owner starts a new one.
    fn runaway(&mut self, dialog: DialogId, now: Timestamp) {
        self.metrics.leg_runaway();
        tracing::error!(?dialog, "a leg's audio exceeded its steps: the leg is ended");
        self.give_up(dialog, now);
    }

    /// Ends a leg whose audio does not do what its owner was told; the owner starts a new one.
    pub(super) fn give_up(&mut self, dialog: DialogId, now: Timestamp) {
        if let Some(leg) = self.legs.get(&dialog) {
            self.recordings.forget(leg.id);
        }
        note("the end of a leg", self.agent.bye(dialog, Vec::new(), now));
    }

    /// Starts the announcement of RFC 4240 §3, at the ACK.
    pub(super) fn begin_announcement(&mut self, dialog: DialogId, now: Timestamp) {
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| leg.treatments == 0) else { return };
        let Service::Announcement { play, repeat } = leg.service.clone() else { return };
        let repeat = repeat.map_or(Repeat::Forever, Repeat::Times);
        let prompts: Vec<_> = self.prompts.find(&leg.tenant, &play).into_iter().collect();
        leg.treatments += 1;
        let (id, shard) = (leg.id, leg.shard);
        let can_hear = leg.stream.is_some() && !prompts.is_empty();
        let treatment = Treatment { prompts, repeat, ..Treatment::default() };
        if can_hear && self.order(shard, Order::Play(id, 1, treatment)) {
            self.metrics.treatment_started();
            self.treatment_began(dialog, now);
        } else {
            note("the end of an announcement", self.agent.bye(dialog, Vec::new(), now));
        }
    }

    /// The members of a conference are on one thread: a leg that has joined one goes there.
    ///
    /// # Errors
    /// The thread does not keep up: the leg would be alone in a room of the same name.
    fn follow_conference(&mut self, dialog: DialogId) -> Result<(), DriverError> {
        let Some(leg) = self.legs.get_mut(&dialog) else { return Ok(()) };
        let Some(base) = leg.conference().map(base_of) else { return Ok(()) };
        let shard = self.driver.shard_of(base);
        // One without audio is on no thread yet.
        if leg.ports.is_none() {
            self.driver.move_leg(leg.id, leg.shard, shard)?;
        }
        leg.shard = shard;
        Ok(())
    }

    fn act(&mut self, dialog: DialogId, action: Action, now: Timestamp) {
        if matches!(action, Action::Join)
            && let Err(error) = self.follow_conference(dialog)
        {
            tracing::error!(%error, "a leg cannot go to the thread of its conference");
            return self.give_up(dialog, now);
        }
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        let (id, shard) = (leg.id, leg.shard);
        let starts = matches!(action, Action::Start(_));
        let order = match action {
            Action::Start(Running { dialog: what, .. }) => {
                leg.treatments += 1;
                let tenant = leg.tenant.clone();
                let number = leg.treatments;
                super::explain::treatment_begins(&self.trace, leg, number, &what, now);
                self.metrics.treatment_started();
                if let Some(record) = what.record.as_ref().filter(|record| record.uri != msml::CLASSIFY) {
                    self.promise_recording((id, number), tenant.clone(), record);
                }
                Order::Play(id, number, self.treatment(&tenant, &what))
            }
            Action::Stop => {
                super::explain::treatment_stopped(&self.trace, leg, leg.treatments, now);
                Order::Stop(id)
            }
            Action::Echo => Order::Echo(id, true),
            Action::EndEcho => Order::Echo(id, false),
            Action::Join => match leg.join() {
                Some(join) => join,
                None => return,
            },
            Action::Leave => Order::Leave(id),
            Action::Delete(uri) => return self.delete_recording(dialog, &uri),
        };
        if !self.order(shard, order) {
            // Media has promised it: an owner that is told of the leg's end does better than one that believes it.
            return self.give_up(dialog, now);
        }
        if starts {
            self.treatment_began(dialog, now);
        }
    }

    fn treatment(&mut self, tenant: &model::TenantId, dialog: &Dialog) -> Treatment {
        let play = dialog.play.as_ref();
        let uris = play.map(|p| p.audio.as_slice()).unwrap_or_default();
        let mut prompts: Vec<_> = uris.iter().filter_map(|uri| self.prompts.find(tenant, uri)).collect();
        if dialog.record.as_ref().is_some_and(|record| record.beep) {
            prompts.extend(self.prompts.beep());
        }
        Treatment {
            prompts,
            repeat: play.map_or(Repeat::default(), |p| match p.iterate {
                Iterate::Times(times) => Repeat::Times(times),
                Iterate::Forever => Repeat::Forever,
            }),
            interruptible: play.is_some_and(|p| p.barge),
            collect: dialog.collect.as_ref().map(|c| Collect {
                clear_buffer: c.clear_buffer,
                first_digit: c.first_digit,
                inter_digit: c.inter_digit,
                min: c.pattern.min,
                max: c.pattern.max,
                return_key: c.pattern.return_key.and_then(Digit::from_char),
            }),
            record: dialog.record.as_ref().map(|record| RecordingOptions {
                longest: record.longest,
                silence: record.silence,
                end_key: record.end_key.and_then(Digit::from_char),
            }),
        }
    }

    /// The prompts of a treatment are over, and its owner is told that the phone is recorded.
    fn recording_begun(&mut self, dialog: DialogId, number: u64, now: Timestamp) {
        let Some(leg) = self.legs.get(&dialog).filter(|leg| leg.treatments == number) else { return };
        if let Some(notice) = leg.connection.handle_recording() {
            self.notify(dialog, notice, now);
        }
    }

    fn ended(&mut self, dialog: DialogId, outcome: &Outcome, now: Timestamp) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        super::explain::treatment_ended(&self.trace, leg, outcome, now);
        let id = leg.id;
        if !self.recording_ended(dialog, id, outcome) {
            self.report_end(dialog, outcome, now);
        }
    }

    /// Reports the end of a treatment to the leg's owner.
    pub(super) fn report_end(&mut self, dialog: DialogId, outcome: &Outcome, now: Timestamp) {
        let Some(leg) = self.legs.get_mut(&dialog) else { return };
        // The end of a replaced treatment has already been reported.
        if outcome.id != leg.treatments {
            return;
        }
        if matches!(leg.service, Service::Announcement { .. }) {
            return note("the end of an announcement", self.agent.bye(dialog, Vec::new(), now));
        }
        let mut ended = outcome_to_msml(outcome);
        if leg.connection.running().is_some_and(classifies) {
            ended.answer = outcome.recorded.as_ref().map(media::answer::classify);
        }
        for notice in leg.connection.handle_ended(&ended) {
            self.notify(dialog, notice, now);
        }
    }

    /// The owner has acknowledged a notification: the end of a secret collection need not be reported again.
    pub(super) fn heard(&mut self, dialog: DialogId) {
        if let Some(leg) = self.legs.get_mut(&dialog)
            && leg.connection.running().is_none()
        {
            leg.secret = None;
        }
    }

    /// The typed digits of a secret ended with the previous process, which stored none of them: the caller must type them again.
    pub(super) fn secret_lost(&mut self, dialog: DialogId, now: Timestamp) {
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| leg.secret.is_some()) else { return };
        let lost = msml::Outcome { dtmf_end: Some(DtmfEnd::NoMatch), ..msml::Outcome::default() };
        for notice in leg.connection.handle_ended(&lost) {
            self.notify(dialog, notice, now);
        }
    }
}

/// The keys in an INFO.
fn keys_of(message: &Message) -> Vec<(Digit, std::time::Duration)> {
    let kind = message.content_type().ok().flatten();
    let is_it = |subtype: &&str| kind.as_ref().is_some_and(|kind| kind.is("application", subtype));
    let subtype = ["dtmf-relay", "dtmf"].into_iter().find(is_it);
    subtype.map(|subtype| media::dtmf::info::parse(subtype, message.body())).unwrap_or_default()
}

/// The outcome in terms of MSML.
fn outcome_to_msml(outcome: &session::Outcome) -> msml::Outcome {
    msml::Outcome {
        play_end: outcome.play_end.map(|end| match end {
            PlayEnd::Complete => msml::PlayEnd::Complete,
            PlayEnd::Interrupted => msml::PlayEnd::Barge,
            PlayEnd::Stopped => msml::PlayEnd::Terminated,
        }),
        played: outcome.played,
        digits: outcome.digits.clone(),
        last: outcome.last.map(Digit::as_char),
        dtmf_end: outcome.collect_end.map(|end| match end {
            CollectEnd::Match => DtmfEnd::Match,
            CollectEnd::NoInput => DtmfEnd::NoInput,
            CollectEnd::NoMatch => DtmfEnd::NoMatch,
            CollectEnd::Stopped => DtmfEnd::Terminated,
        }),
        record_end: outcome.recorded.as_ref().map(|recorded| match recorded.end {
            RecordingEnd::Key => msml::RecordEnd::Key,
            RecordingEnd::Silence => msml::RecordEnd::Silence,
            RecordingEnd::Longest => msml::RecordEnd::Longest,
            RecordingEnd::Stopped => msml::RecordEnd::Terminated,
        }),
        recorded: outcome.recorded.as_ref().map(session::RecordedSpeech::duration),
        answer: None,
    }
}

/// Whether a dialog listens to who has answered.
fn classifies(running: &Running) -> bool {
    running.dialog.record.as_ref().is_some_and(|record| record.uri == msml::CLASSIFY)
}

/// What a leg may use of the node.
struct LegSite<'a> {
    prompts: RefCell<&'a mut Prompts>,
    metrics: &'a Metrics,
    legs: &'a BTreeMap<DialogId, Box<Leg>>,
    leg: &'a Leg,
    recordings: &'a Recordings,
}

impl Facilities for LegSite<'_> {
    fn can_play(&self, uri: &str) -> bool {
        self.prompts.borrow_mut().find(&self.leg.tenant, uri).is_some()
    }

    fn may_join(&self, conference: &str) -> bool {
        let is_there = |other: &&Leg| other.id != self.leg.id && other.conference() == Some(conference);
        let base = Some(base_of(conference));
        let is_own = self.leg.conference_base() == base || self.leg.service.conference().map(base_of) == base;
        // Two threads may meet: a leg then comes to one that its tenant has here.
        let is_of_tenant = |other: &Leg| other.tenant == self.leg.tenant && other.conference_base() == base;
        let legs = self.legs.values().map(Box::as_ref);
        (is_own || legs.clone().any(is_of_tenant)) && legs.filter(is_there).count() < MEMBERS_MAX
    }

    /// A leg without audio has nothing to record.
    fn may_record(&self, record: &msml::Record) -> bool {
        let prompts = self.prompts.borrow();
        let tenant = &self.leg.tenant;
        let is_kept = record.uri != msml::CLASSIFY;
        let has_room = || self.recordings.may_begin(prompts.announcements(), tenant, record);
        let may = self.leg.stream.is_some() && (!is_kept || has_room());
        if !may {
            self.metrics.recording_refused();
        }
        may
    }

    fn is_recorded(&self, uri: &str) -> bool {
        name_of(uri).is_some_and(|id| self.prompts.borrow().announcements().has(&self.leg.tenant, id))
    }
}
