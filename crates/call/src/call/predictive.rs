//! A predictive call: a number is called without an agent, and waits at a route point once somebody has answered.

use model::event::ErrorCode;
use model::plan::{Caller, Destination};
use model::request::{Request, Treatment};
use model::{CallState, Dn, EventName, LegId, Timestamp, UserData, Value};

use super::alerting::not_a_target;
use super::asked::{Asked, rings_as_asked};
use super::facts::answering;
use super::playing::{Ended, Purpose};
use super::point::Point;
use super::state::{Offer, Originating, OriginatingStep, Stage};
use super::timer::{LIFETIME, Timer};
use super::{Call, CallSnapshot, Incoming};

/// The extension of a predictive call that asks for the class of who answers.
const CLASSIFY: &str = "CLASSIFY_ANSWER";
/// The key of the user data that has it.
const ANSWER_CLASS: &str = "AnswerClass";
/// For how long media listens at most, in milliseconds.
const ANSWER_HEARD_MS: u64 = 4_000;
/// The pause after which it listens no more: somebody waits for an answer.
const ANSWER_PAUSE_MS: u64 = 800;

impl Call {
    /// A call to a number, made for the route point at `asked.this_dn`; its first output asks the dial plan about that one.
    pub(crate) fn predict(incoming: Incoming, asked: Asked, user_data: UserData, now: Timestamp) -> Self {
        let mut call = Self::restore(CallSnapshot::new(incoming, now));
        call.s.parties.clear();
        call.s.user_data = user_data;
        call.s.timers.arm(Timer::Lifetime, now + LIFETIME);
        let ask = call.ask_dial_plan(asked.this_dn.to_string(), call.s.caller.clone(), now);
        call.s.stage = Stage::Originating(Originating { asked, step: OriginatingStep::Point(ask) });
        call
    }

    /// It is to be known who answers.
    pub(crate) fn classify(&mut self) {
        self.s.classifies = true;
    }

    /// Handles the dial plan's answer about the route point.
    pub(super) fn predictive_point_known(&mut self, asked: Asked, destination: Destination, now: Timestamp) {
        let Destination::RoutePoint { dn, application, default_dn } = destination else {
            return self.originating_fails(ErrorCode::INVALID_ATTRIBUTE, "ThisDN is not a route point", now);
        };
        let point = Point { dn, application, default_dn };
        let ask = self.ask_dial_plan(self.s.dialled.clone(), Caller::Phone(point.dn.clone()), now);
        self.s.stage = Stage::Originating(Originating { asked, step: OriginatingStep::Number { ask, point } });
    }

    /// Handles the dial plan's answer about the number: calls it.
    pub(super) fn predictive_number_known(
        &mut self,
        asked: &Asked,
        point: Point,
        destination: Destination,
        now: Timestamp,
    ) {
        let destination = rings_as_asked(Some(asked), destination);
        if let Some((code, text)) = not_a_target(&destination, &self.s) {
            return self.originating_fails(code, text, now);
        }
        self.s.outbound = matches!(destination, Destination::Outside(_));
        let (dn, rings) = match &destination {
            Destination::Extension { dn, .. } => (dn.clone(), destination),
            Destination::Outside(outside) => (outside.number.clone(), destination),
            _ => {
                let text = "only a phone or a number outside can be called so";
                return self.originating_fails(ErrorCode::INVALID_CALLED_DN, text, now);
            }
        };
        self.announce(now);
        let mut dialing = self.point_event(EventName::Dialing, &point);
        dialing.other_dn = Some(dn.to_string());
        self.fact(answering(dialing, asked), now);
        let offer = Offer::new(dn, None, Some(point));
        match rings {
            Destination::Outside(outside) => self.offer_outside(offer, outside, now),
            Destination::Extension { contacts, no_answer_ms, .. } => self.offer(offer, contacts, no_answer_ms, now),
            _ => {}
        }
    }

    /// Whether the number is called for a route point, and nobody waits for its answer.
    pub(super) fn is_predictive(&self) -> bool {
        self.s.parties.is_empty() && matches!(&self.s.stage, Stage::Offering(offer) if offer.point.is_some())
    }

    /// Whether the number is called for this route point.
    pub(super) fn predicts_for(&self, dn: &Dn) -> bool {
        let is_it = matches!(&self.s.stage, Stage::Offering(Offer { point: Some(point), .. }) if point.dn == *dn);
        self.is_predictive() && is_it
    }

    /// The call ends before the number has answered: the route point is told.
    pub(super) fn predictive_failed(&mut self, why: CallState, now: Timestamp) {
        let Stage::Offering(Offer { dn, point: Some(point), .. }) = self.s.stage.clone() else { return };
        let busy = matches!(why, CallState::Busy).then_some(EventName::DestinationBusy);
        for name in busy.into_iter().chain([EventName::Released]) {
            let mut event = self.point_event(name, &point);
            event.call_state = Some(why);
            event.other_dn = Some(dn.to_string());
            self.fact(event, now);
        }
    }

    /// Who has answered a predictive call waits at its route point, once it is known who that is if it was asked for.
    pub(super) fn wait_if_predictive(&mut self, now: Timestamp) {
        let Some((leg, point)) = self.answered_for_point() else { return };
        if std::mem::take(&mut self.s.classifies) {
            let listen = Treatment::RecordUserAnnouncement {
                prompts: Vec::new(),
                terminator: None,
                silence_ms: Some(ANSWER_PAUSE_MS),
                max_ms: ANSWER_HEARD_MS,
            };
            return self.play(leg, listen, Purpose::Classifying, now);
        }
        self.wait_at_point(point, UserData::new(), now);
    }

    /// Whether media listens to who has answered: nothing else may take that one's leg meanwhile.
    pub(super) fn is_classifying(&self) -> bool {
        self.s.playing.iter().any(|playing| playing.purpose == Purpose::Classifying)
    }

    /// Refuses a request that would change what the call waits for when it is known who has answered.
    pub(super) fn check_classified(&self) -> Result<(), (ErrorCode, &'static str)> {
        match self.is_classifying() {
            true => Err((ErrorCode::INVALID_CALL_STATE, "it is not known yet who has answered")),
            false => Ok(()),
        }
    }

    /// Media has listened to who has answered, or could not. The call goes on in any case: what becomes of it is for its application to say.
    pub(super) fn answer_classified(&mut self, cause: Ended, now: Timestamp) {
        let Some((_, point)) = self.answered_for_point() else { return };
        if let Ended::Classified(class) = cause {
            self.s.user_data.update(&[(ANSWER_CLASS, class.as_str())].into_iter().collect());
            let at_point = self.point_event(EventName::AttachedDataChanged, &point);
            let at_phone = self.event_for_each_dn(EventName::AttachedDataChanged);
            for changed in std::iter::once(at_point).chain(at_phone) {
                self.fact(changed, now);
            }
        }
        self.wait_at_point(point, UserData::new(), now);
    }

    /// The leg of who has answered a predictive call and is not at its route point yet, and that point.
    fn answered_for_point(&self) -> Option<(LegId, Point)> {
        let [answered] = &self.s.parties[..] else { return None };
        (self.s.stage == Stage::Talking).then_some((answered.leg, answered.point.clone()?))
    }

    /// Who has answered leaves, or the call ends, before it was known who that is: the route point is told.
    pub(super) fn answer_not_classified(&mut self, why: CallState, now: Timestamp) {
        if !self.is_classifying() {
            return;
        }
        let Some((_, point)) = self.answered_for_point() else { return };
        let mut released = self.point_event(EventName::Released, &point);
        released.call_state = Some(why);
        self.fact(released, now);
    }
}

/// Whether a request wants to know who answers.
///
/// # Errors
/// Error 53 if the request says it in no way that is known.
pub fn classifies(request: &Request) -> Result<bool, (ErrorCode, &'static str)> {
    match request.extensions.get(CLASSIFY) {
        None | Some(Value::Int(0)) => Ok(false),
        Some(Value::Int(1)) => Ok(true),
        Some(_) => Err((ErrorCode::INVALID_ATTRIBUTE, "CLASSIFY_ANSWER is 0 or 1")),
    }
}
