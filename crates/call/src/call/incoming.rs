//! An incoming call: the dial plan resolves its number to a phone, a route point, a service or a refusal.

use model::plan::{Caller, Destination, Occasion, PlanAnswer, Service};
use model::request::Treatment;
use model::{AgentId, CallState, Dn, EventName, Timestamp, UserData};

use super::ending::Ending;
use super::party::LegProgress;
use super::playing::Purpose;
use super::point::Point;
use super::state::{InService, Offer, Routing, Stage};
use super::timer::{DIAL_PLAN, LIFETIME, Timer};
use super::{Call, Forwarded, Output};

impl Call {
    /// Queries the dial plan. The call is published once it has answered.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        self.s.timers.arm(Timer::Lifetime, now + LIFETIME);
        let (dialled, by) = (self.s.dialled.clone(), self.s.caller.clone());
        let ask = self.ask_dial_plan(dialled, by, now);
        self.s.stage = Stage::Asking { ask };
    }

    /// Looks up a number that is called.
    pub(super) fn ask_dial_plan(&mut self, dialled: String, by: Caller, now: Timestamp) -> u32 {
        self.look_up(dialled, by, Occasion::Called, now)
    }

    /// Looks up the phones of a DN, whatever it has set.
    pub(super) fn look_up_phone(&mut self, dn: &Dn, now: Timestamp) -> u32 {
        self.look_up(dn.to_string(), Caller::Phone(dn.clone()), Occasion::OwnPhone, now)
    }

    pub(super) fn look_up(&mut self, dialled: String, by: Caller, occasion: Occasion, now: Timestamp) -> u32 {
        let ask = self.s.numbers.ask;
        self.s.numbers.ask += 1;
        self.s.timers.arm(Timer::DialPlan, now + DIAL_PLAN);
        self.question(ask, by, dialled, occasion);
        ask
    }

    fn question(&mut self, ask: u32, by: Caller, dialled: String, occasion: Occasion) {
        let forwarded_by = self.forwarded_so_far();
        self.push(Output::AskDialPlan { ask, by, dialled, occasion, forwarded_by });
    }

    /// Repeats an open question to the dial plan: its answer went to an owner that has failed.
    pub fn ask_again(&mut self) {
        let routing = |open: &Routing, by: &Dn| {
            (open.ask, open.dn.to_string(), Caller::Phone(by.clone()), routed_for(open.agent.as_ref()))
        };
        let of_stage = match &self.s.stage {
            Stage::Asking { ask } => Some((*ask, self.s.dialled.clone(), self.s.caller.clone(), Occasion::Called)),
            Stage::Originating(_) => self.originating_question().map(|(ask, dialled)| {
                let own = if self.originating_phone() { Occasion::OwnPhone } else { Occasion::default() };
                (ask, dialled, self.s.caller.clone(), own)
            }),
            Stage::Waiting(waiting) => waiting.routing.as_ref().map(|open| routing(open, &waiting.point.dn)),
            Stage::Offering(offer) => {
                offer.redirect.as_ref().map(|open| routing(open, &offer.dn)).or_else(|| offer.forward_question())
            }
            Stage::Recalling(recall) => {
                recall.ask.map(|ask| (ask, recall.to.to_string(), Caller::Phone(recall.to.clone()), Occasion::OwnPhone))
            }
            _ => None,
        };
        let transfer = self.s.transfer.as_ref().and_then(|transfer| {
            let by = self.s.party(transfer.party)?.device.clone();
            Some((transfer.ask, transfer.to.to_string(), by, Occasion::Called))
        });
        let monitors = self.s.invitation.as_ref().is_some_and(|open| open.monitors.is_some());
        let occasion = if monitors { Occasion::OwnPhone } else { Occasion::Called };
        let invitation = self.invitation_question().map(|(ask, dialled, by)| (ask, dialled, by, occasion));
        for (ask, dialled, by, occasion) in of_stage.into_iter().chain(transfer).chain(invitation) {
            self.question(ask, by, dialled, occasion);
        }
    }

    pub(super) fn dial_plan_answered(&mut self, ask: u32, answer: PlanAnswer, now: Timestamp) {
        self.forwarded = Forwarded { by: answer.forwarded_by, next: answer.forwards };
        self.dial_plan_told(ask, answer.destination, now);
        self.forwarded = Forwarded::default();
    }

    fn dial_plan_told(&mut self, ask: u32, destination: Destination, now: Timestamp) {
        match &self.s.stage {
            Stage::Asking { ask: open } if *open == ask => {
                self.s.timers.disarm(Timer::DialPlan);
                self.s.outbound = matches!(destination, Destination::Outside(_));
                self.announce(now);
                self.first_destination(destination, now);
            }
            Stage::Originating(_) if self.originating_question().is_some_and(|(open, _)| open == ask) => {
                self.s.timers.disarm(Timer::DialPlan);
                self.originating_answered(destination, now);
            }
            Stage::Waiting(waiting) if waiting.routing.as_ref().is_some_and(|routing| routing.ask == ask) => {
                self.s.timers.disarm(Timer::DialPlan);
                self.route_answered(destination, now);
            }
            Stage::Offering(offer) if offer.redirect.as_ref().is_some_and(|redirect| redirect.ask == ask) => {
                self.s.timers.disarm(Timer::DialPlan);
                self.redirect_answered(destination, now);
            }
            Stage::Offering(offer) if offer.forwarding.is_some_and(|open| open.ask == ask) => {
                self.s.timers.disarm(Timer::DialPlan);
                self.forward_answered(destination, now);
            }
            Stage::Recalling(recall) if recall.ask == Some(ask) => {
                self.s.timers.disarm(Timer::DialPlan);
                self.recall_answered(destination, now);
            }
            Stage::Talking if self.s.transfer.as_ref().is_some_and(|transfer| transfer.ask == ask) => {
                self.s.timers.disarm(Timer::DialPlan);
                self.transfer_answered(destination, now);
            }
            Stage::Talking if self.invitation_question().is_some_and(|(open, ..)| open == ask) => {
                self.s.timers.disarm(Timer::DialPlan);
                self.invitation_looked_up(destination, now);
            }
            // The answer to an abandoned question.
            _ => {}
        }
    }

    pub(super) fn dial_plan_silent(&mut self, now: Timestamp) {
        match &self.s.stage {
            Stage::Asking { .. } => self.end(Ending::system(CallState::SystemError, 503), now),
            Stage::Originating(_) => self.originating_unanswered(now),
            Stage::Waiting(_) => self.route_unanswered(now),
            Stage::Offering(offer) if offer.forwarding.is_some() => self.not_forwarded(now),
            Stage::Offering(_) => self.redirect_unanswered(now),
            Stage::Recalling(_) => self.recall_failed(now),
            Stage::Talking if self.s.transfer.is_none() => self.invitation_unanswered(now),
            Stage::Talking => self.transfer_unanswered(now),
            _ => {}
        }
    }

    pub(super) fn first_destination(&mut self, destination: Destination, now: Timestamp) {
        match destination {
            Destination::RoutePoint { dn, application, default_dn } => {
                self.answer_at_point();
                self.wait_at_point(Point { dn, application, default_dn }, UserData::new(), now);
                self.establish_connected(now);
            }
            // A phone that calls its own number: a call has a DN once.
            Destination::Extension { dn, .. } if self.s.party_at(&dn).is_some() => {
                self.end(Ending::system(CallState::Busy, 486), now);
            }
            Destination::Extension { dn, contacts, .. } if contacts.is_empty() => {
                // The phone is known but has no registration: only the caller is notified.
                self.s.stage = Stage::Offering(Offer::new(dn, None, None));
                self.offer_failed(CallState::GeneralError, 480, now);
            }
            Destination::Extension { dn, contacts, no_answer_ms } => {
                self.offer(Offer::new(dn, None, None), contacts, no_answer_ms, now);
            }
            Destination::Outside(outside) => {
                self.offer_outside(Offer::new(outside.number.clone(), None, None), outside, now);
            }
            // The plan has changed since the call was made by request.
            Destination::FeatureCode { .. } if self.s.caller_progress() == LegProgress::Answered => {
                self.end(Ending::system(CallState::GeneralError, 480), now);
            }
            Destination::FeatureCode { code, ask_pin } => self.feature(code, ask_pin, now),
            // The node has found no call that rings or is parked there.
            Destination::Pickup { .. } | Destination::Park { .. } => {
                self.end(Ending::system(CallState::GeneralError, 480), now);
            }
            Destination::Service(service) => {
                self.serve(InService { number: self.s.dialled.clone(), service }, now);
                self.establish_connected(now);
            }
            Destination::Reject { status: 486, .. } => {
                self.tell_caller(EventName::DestinationBusy, CallState::Busy, now);
                self.end(Ending::system(CallState::Busy, 486), now);
            }
            Destination::Reject { status, .. } => {
                let state = if status == 404 { CallState::SitInvalidNum } else { CallState::GeneralError };
                self.end(Ending::system(state, status), now);
            }
        }
    }

    /// Connects the caller to a service of the switch.
    pub(super) fn serve(&mut self, served: InService, now: Timestamp) {
        let treatment = match &served.service {
            Service::Echo => Treatment::Echo,
            Service::Announcement { prompts } => Treatment::PlayAnnouncement { prompts: prompts.clone() },
        };
        self.s.stage = Stage::Service(served);
        self.answer_caller();
        self.play(self.front(), treatment, Purpose::Service, now);
    }

    /// Answers the caller's leg, unless that was done before.
    pub(super) fn answer_caller(&mut self) {
        if self.caller_moves(LegProgress::Offered, LegProgress::Answering) {
            self.push(Output::AnswerCaller(self.s.caller_leg()));
        }
    }

    /// From now on no route point answers the caller.
    pub(crate) fn answer_late(&mut self) {
        self.s.answers_late = true;
    }

    /// It comes with these data.
    pub(crate) fn bring(&mut self, user_data: UserData) {
        self.s.user_data = user_data;
    }

    /// Answers who comes to a route point, or tells it that somebody is being looked for.
    pub(super) fn answer_at_point(&mut self) {
        if !self.s.answers_late {
            self.answer_caller();
        } else if self.s.caller_progress() == LegProgress::Offered {
            self.push(Output::AlertCaller(self.s.caller_leg()));
        }
    }

    pub(super) fn caller_answered(&mut self, now: Timestamp) {
        if self.caller_moves(LegProgress::Answering, LegProgress::Answered) {
            self.establish_caller(now);
            self.begin_feature(now);
            self.issue_waiting(now);
        }
    }

    /// Moves the caller's leg from one state to the next; false if it is in another one.
    fn caller_moves(&mut self, from: LegProgress, to: LegProgress) -> bool {
        let leg = self.s.caller_leg();
        let caller = self.s.party_on_mut(leg).filter(|caller| caller.progress == from);
        caller.map(|caller| caller.progress = to).is_some()
    }
}

/// Why a number is looked up to which an application routes the call.
pub(super) fn routed_for(agent: Option<&AgentId>) -> Occasion {
    if agent.is_some() { Occasion::RoutedToAgent } else { Occasion::Called }
}
