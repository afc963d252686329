//! The audio of a leg: an application's treatments, ring-back, music on hold, the switch's own prompts.

use std::time::Duration;

use model::request::Treatment;
use model::{CallState, Event, EventName, LegId, Timestamp};

use super::asked::Asked;
use super::ending::Ending;
use super::facts::answering;
use super::party::{LegProgress, Party};
use super::playing::{Ended, Playing, Purpose, RecordEnd};
use super::state::Stage;
use super::timer::{CLASSIFIED_WITHIN, MUSIC_MIN, QUIET, TREATMENT, Timer};
use super::{CALLER_LEG, Call, Output};

impl Call {
    /// Plays a treatment to a leg, in place of the current one.
    pub(super) fn play(&mut self, leg: LegId, treatment: Treatment, purpose: Purpose, now: Timestamp) {
        self.stop_playing(leg, now);
        let id = self.s.numbers.treatment;
        self.s.numbers.treatment = self.s.numbers.treatment.wrapping_add(1);
        self.s.playing.push(Playing {
            id,
            leg,
            treatment,
            purpose,
            issued: false,
            started: false,
            recorded_since: None,
            due: None,
        });
        if leg == self.s.caller_leg() {
            self.answer_caller();
        }
        self.issue_waiting(now);
    }

    /// The leg of who waits: for a route point, for a phone that rings, for a service.
    pub(super) fn front(&self) -> LegId {
        self.s.parties.first().map_or(CALLER_LEG, |party| party.leg)
    }

    /// Stops what the parties hear from the switch.
    pub(crate) fn stop_all(&mut self, now: Timestamp) {
        for leg in self.s.parties.iter().map(|party| party.leg).collect::<Vec<_>>() {
            self.stop_playing(leg, now);
        }
    }

    /// Hands media the treatments that waited for their leg to be answered.
    pub(super) fn issue_waiting(&mut self, now: Timestamp) {
        let is_up = |party: &Party| party.progress == LegProgress::Answered;
        let parties = &self.s.parties;
        let is_heard = |leg: LegId| parties.iter().find(|party| party.leg == leg).is_none_or(is_up);
        for playing in self.s.playing.iter_mut().filter(|playing| !playing.issued && is_heard(playing.leg)) {
            playing.issued = true;
            let limit = match playing.purpose {
                Purpose::Classifying => Some(CLASSIFIED_WITHIN),
                _ => watchdog(&playing.treatment),
            };
            playing.due = limit.map(|after| now + after);
            self.outputs.push_back(Output::StartTreatment {
                leg: playing.leg,
                id: playing.id,
                treatment: playing.treatment.clone(),
            });
        }
        self.arm_treatments();
    }

    /// The timer goes off when the first of the treatments reaches its time limit.
    fn arm_treatments(&mut self) {
        match self.s.playing.iter().filter_map(|playing| playing.due).min() {
            Some(due) => self.s.timers.arm(Timer::Treatment, due),
            None => self.s.timers.disarm(Timer::Treatment),
        }
    }

    /// Stops the treatment of the leg, if any.
    pub(super) fn stop_playing(&mut self, leg: LegId, now: Timestamp) {
        self.cut_off(leg, RecordEnd::Stopped, now);
    }

    /// The party on the leg has hung up: stops its treatment, if any.
    pub(super) fn stop_for_good(&mut self, leg: LegId, now: Timestamp) {
        self.cut_off(leg, RecordEnd::HangUp, now);
    }

    fn cut_off(&mut self, leg: LegId, end: RecordEnd, now: Timestamp) {
        let Some(at) = self.s.playing.iter().position(|playing| playing.leg == leg) else {
            return;
        };
        let playing = self.s.playing.swap_remove(at);
        self.arm_treatments();
        if playing.issued {
            self.push(Output::StopTreatment { leg, id: playing.id });
        }
        self.publish_end(&playing, playing.cut_off(end, now), "", now);
    }

    pub(super) fn treatment_started(&mut self, id: u32, now: Timestamp) {
        let Some(playing) = self.s.playing.iter_mut().find(|playing| playing.id == id) else {
            return;
        };
        if std::mem::replace(&mut playing.started, true) {
            return;
        }
        let playing = playing.clone();
        match &playing.purpose {
            Purpose::Applied(asked) => self.publish_treatment(EventName::TreatmentApplied, &playing, asked, now),
            _ => self.publish_to_party(&playing, now),
        }
    }

    /// The prompts of a treatment are over, and the party is recorded from now on.
    pub(super) fn treatment_records(&mut self, id: u32, now: Timestamp) {
        if let Some(playing) = self.s.playing.iter_mut().find(|playing| playing.id == id) {
            playing.recorded_since.get_or_insert(now);
        }
    }

    pub(super) fn treatment_ended(&mut self, id: u32, cause: Ended, digits: &str, now: Timestamp) {
        let Some(at) = self.s.playing.iter().position(|playing| playing.id == id) else {
            return;
        };
        let playing = self.s.playing.swap_remove(at);
        self.arm_treatments();
        match playing.purpose {
            Purpose::Applied(_) => {
                self.publish_end(&playing, cause, digits, now);
                if matches!(&self.s.stage, Stage::Waiting(waiting) if waiting.routing.is_none()) {
                    self.s.timers.arm(Timer::Quiet, now + QUIET);
                }
            }
            Purpose::ToParty(_) | Purpose::Collecting(_) => self.publish_to_party_end(&playing, cause, digits, now),
            Purpose::Pin => self.pin_typed(cause, digits, now),
            Purpose::Classifying => self.answer_classified(cause, now),
            Purpose::Service => self.end(Ending::system(CallState::Ok, 480), now),
            // Missing ring-back or music is no reason to drop the call.
            Purpose::RingBack | Purpose::HoldMusic => {}
        }
    }

    /// A treatment has reached its time limit: music its requested duration, any other because the report of its end was lost.
    pub(super) fn treatment_overdue(&mut self, now: Timestamp) {
        let front = self.front();
        // In records of before the limit stands in the timer alone, which was that of the front leg.
        let of_before =
            |playing: &Playing| playing.issued && playing.leg == front && watchdog(&playing.treatment).is_some();
        let is_overdue = |playing: &&Playing| playing.due.map_or_else(|| of_before(playing), |due| due <= now);
        for playing in self.s.playing.iter().filter(is_overdue).cloned().collect::<Vec<_>>() {
            let cause = match playing.treatment {
                Treatment::Music { .. } if playing.started => Ended::Completed,
                _ => Ended::Failed,
            };
            self.push(Output::StopTreatment { leg: playing.leg, id: playing.id });
            self.treatment_ended(playing.id, cause, "", now);
        }
    }

    /// The call ends before a treatment has begun, or while a party is recorded or hears one that was asked for. The party on the leg `left` has
    /// hung up.
    pub(super) fn refuse_treatment(&mut self, left: Option<LegId>, now: Timestamp) {
        let is_open = |playing: &&Playing| {
            let is_asked_for = matches!(playing.purpose, Purpose::ToParty(_) | Purpose::Collecting(_));
            !playing.started || is_asked_for || playing.recorded_since.is_some()
        };
        for playing in self.s.playing.clone().iter().filter(is_open) {
            let end = if left == Some(playing.leg) { RecordEnd::HangUp } else { RecordEnd::Stopped };
            self.publish_end(playing, playing.cut_off(end, now), "", now);
        }
    }

    fn publish_end(&mut self, playing: &Playing, cause: Ended, digits: &str, now: Timestamp) {
        let Purpose::Applied(asked) = &playing.purpose else {
            return self.publish_to_party_end(playing, cause, digits, now);
        };
        if !playing.started && matches!(cause, Ended::Failed | Ended::Stopped) {
            return self.publish_treatment(EventName::TreatmentNotApplied, playing, asked, now);
        }
        if !playing.started {
            // Media reports start and end in order. An end alone means that the report of the start was lost.
            self.publish_treatment(EventName::TreatmentApplied, playing, asked, now);
        }
        let Stage::Waiting(waiting) = &self.s.stage else {
            return;
        };
        let mut event = answering(self.point_event(EventName::TreatmentEnd, &waiting.point), asked);
        event.extensions.push("TreatmentType", treatment_type(&playing.treatment));
        self.tell_end(&mut event, playing, cause);
        if !digits.is_empty() || matches!(playing.treatment, Treatment::PlayAndCollect { .. }) {
            event.collected_digits = Some(digits.to_owned());
            event.secret_digits = playing.treatment.is_secret();
        }
        self.fact(event, now);
    }

    /// Adds how a treatment ended, and what was recorded.
    pub(super) fn tell_end(&self, event: &mut Event, playing: &Playing, cause: Ended) {
        event.extensions.push("Result", ended_name(cause));
        let Ended::Recorded { end, duration_ms } = cause else { return };
        event.extensions.push("RecordEnd", record_end_name(end));
        event.extensions.push("Duration", i64::try_from(duration_ms).unwrap_or(i64::MAX));
        event.extensions.push(USER_ANN_ID, Treatment::announcement_id(self.s.conn_id, playing.id));
    }

    fn publish_treatment(&mut self, name: EventName, playing: &Playing, asked: &Asked, now: Timestamp) {
        let Stage::Waiting(waiting) = &self.s.stage else {
            return;
        };
        let mut event = answering(self.point_event(name, &waiting.point), asked);
        event.extensions.push("TreatmentType", treatment_type(&playing.treatment));
        self.fact(event, now);
    }
}

/// The time limit of a treatment that ends by itself or has a requested duration.
fn watchdog(treatment: &Treatment) -> Option<Duration> {
    match treatment {
        Treatment::PlayAndCollect { max_digits, first_digit_timeout_ms, inter_digit_timeout_ms, .. } => {
            let between = inter_digit_timeout_ms.saturating_mul((*max_digits).into());
            Some(TREATMENT + Duration::from_millis(first_digit_timeout_ms.saturating_add(between)))
        }
        Treatment::PlayAnnouncement { .. }
        | Treatment::RecordUserAnnouncement { .. }
        | Treatment::DeleteUserAnnouncement { .. } => Some(TREATMENT),
        Treatment::Music { duration_ms, .. } => duration_ms.map(|ms| Duration::from_millis(ms).max(MUSIC_MIN)),
        Treatment::Echo | Treatment::RingBack | Treatment::Busy | Treatment::FastBusy | Treatment::Silence => None,
    }
}

/// The published name of a treatment's type.
pub(super) const fn treatment_type(treatment: &Treatment) -> &'static str {
    match treatment {
        Treatment::PlayAnnouncement { .. } => "PlayAnnouncement",
        Treatment::Music { .. } => "Music",
        Treatment::PlayAndCollect { .. } => "PlayAnnouncementAndDigits",
        Treatment::Echo => "Echo",
        Treatment::RingBack => "RingBack",
        Treatment::Busy => "Busy",
        Treatment::FastBusy => "FastBusy",
        Treatment::Silence => "Silence",
        Treatment::RecordUserAnnouncement { .. } => "RecordUserAnnouncement",
        Treatment::DeleteUserAnnouncement { .. } => "DeleteUserAnnouncement",
    }
}

const fn ended_name(cause: Ended) -> &'static str {
    match cause {
        Ended::Completed => "Completed",
        Ended::Collected => "Collected",
        Ended::Stopped => "Stopped",
        Ended::Failed => "Failed",
        Ended::Recorded { .. } => "Recorded",
        Ended::Classified(_) => "Completed",
    }
}

const fn record_end_name(end: RecordEnd) -> &'static str {
    match end {
        RecordEnd::Key => "Key",
        RecordEnd::Silence => "Silence",
        RecordEnd::Longest => "MaxDuration",
        RecordEnd::Stopped => "Stopped",
        RecordEnd::HangUp => "HangUp",
    }
}

/// In the end of a treatment that has recorded a party: the id by which the announcement is played and deleted.
const USER_ANN_ID: &str = "USER_ANN_ID";
