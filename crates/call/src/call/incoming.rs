//! The call comes in: the dial plan is asked, the number leads to a phone, a route point, a service or nowhere.

use model::plan::{Caller, Destination, FeatureCode, Service};
use model::request::{RequestKind, Treatment};
use model::{CallState, EventName, ReferenceId, Request, Timestamp, UserData, WorkMode};

use super::ending::Ending;
use super::state::{CallerLeg, Feature, Party, Point, Purpose, Stage};
use super::timer::{AGENT_ANSWER, DIAL_PLAN, LIFETIME, Timer};
use super::{
    CALLER_LEG, Call, Output, PROMPT_LOGGED_IN, PROMPT_LOGGED_OUT, PROMPT_NOT_READY, PROMPT_READY, PROMPT_REFUSED,
};

impl Call {
    /// Publishes the new call and asks where it goes.
    pub(super) fn begin(&mut self, now: Timestamp) {
        self.s.timers.arm(Timer::Lifetime, now + LIFETIME);
        let created = self.event(EventName::CallCreated);
        self.fact(created, now);
        self.tell_caller(EventName::Dialing, CallState::Ok, now);
        let dialled = self.s.dialled.clone();
        let ask = self.ask_dial_plan(dialled, now);
        self.s.stage = Stage::Asking { ask };
    }

    pub(super) fn ask_dial_plan(&mut self, dialled: String, now: Timestamp) -> u32 {
        let ask = self.s.next_ask;
        self.s.next_ask += 1;
        self.s.timers.arm(Timer::DialPlan, now + DIAL_PLAN);
        self.push(Output::AskDialPlan { ask, dialled });
        ask
    }

    pub(super) fn dial_plan_answered(&mut self, ask: u32, destination: Destination, now: Timestamp) {
        match &self.s.stage {
            Stage::Asking { ask: open } if *open == ask => {
                self.s.timers.disarm(Timer::DialPlan);
                self.first_destination(destination, now);
            }
            Stage::Waiting(waiting) if waiting.routing.as_ref().is_some_and(|routing| routing.ask == ask) => {
                self.s.timers.disarm(Timer::DialPlan);
                self.route_answered(destination, now);
            }
            // An answer to a question that no longer matters.
            _ => {}
        }
    }

    pub(super) fn dial_plan_silent(&mut self, now: Timestamp) {
        match &self.s.stage {
            Stage::Asking { .. } => self.end(Ending::system(CallState::SystemError, 503), now),
            Stage::Waiting(_) => self.route_unanswered(now),
            _ => {}
        }
    }

    fn first_destination(&mut self, destination: Destination, now: Timestamp) {
        match destination {
            Destination::RoutePoint { dn, application, default_dn } => {
                self.answer_caller();
                self.park(Point { dn, application, default_dn }, UserData::new(), now);
            }
            Destination::Extension { dn, contacts, .. } if contacts.is_empty() => {
                // The phone is known, but nowhere: the caller learns as much, the phone nothing.
                self.s.stage = Stage::Offering(Party::new(dn, None, None));
                self.offer_failed(CallState::GeneralError, 480, now);
            }
            Destination::Extension { dn, contacts, no_answer_ms } => {
                self.offer(Party::new(dn, None, None), contacts, no_answer_ms, now);
            }
            Destination::FeatureCode(code) => self.feature(code, now),
            Destination::Service(service) => self.serve(service, now),
            Destination::Reject { status, .. } => {
                let state = if status == 404 { CallState::SitInvalidNum } else { CallState::GeneralError };
                self.end(Ending::system(state, status), now);
            }
        }
    }

    /// The caller reaches a service of the switch.
    pub(super) fn serve(&mut self, service: Service, now: Timestamp) {
        let treatment = match &service {
            Service::Echo => Treatment::Echo,
            Service::Announcement { prompts } => Treatment::PlayAnnouncement { prompts: prompts.clone() },
        };
        self.s.stage = Stage::Service(service);
        self.answer_caller();
        self.play(CALLER_LEG, treatment, Purpose::Service, now);
    }

    fn feature(&mut self, code: FeatureCode, now: Timestamp) {
        self.s.stage = Stage::Feature(Feature { code, told: false });
        self.s.timers.arm(Timer::AgentAnswer, now + AGENT_ANSWER);
        self.answer_caller();
    }

    /// Answers the caller's leg unless that has happened.
    pub(super) fn answer_caller(&mut self) {
        if self.s.caller_leg == CallerLeg::Offered {
            self.s.caller_leg = CallerLeg::Answering;
            self.push(Output::AnswerCaller);
        }
    }

    pub(super) fn caller_answered(&mut self, now: Timestamp) {
        if self.s.caller_leg != CallerLeg::Answering {
            return;
        }
        self.s.caller_leg = CallerLeg::Answered;
        if !self.s.caller_established {
            self.s.caller_established = true;
            self.tell_caller(EventName::Established, CallState::Ok, now);
        }
        if let Stage::Feature(feature) = self.s.stage {
            self.ask_agent(feature.code, now);
        }
        self.issue_waiting(now);
    }

    fn ask_agent(&mut self, code: FeatureCode, now: Timestamp) {
        let Caller::Phone(dn) = &self.s.caller else {
            return;
        };
        let request = Request {
            tenant: self.s.tenant.clone(),
            requester: feature_requester(self.s.conn_id),
            reference: ReferenceId(1),
            this_dn: dn.clone(),
            kind: match code {
                FeatureCode::Login => RequestKind::AgentLogin { agent: None, work_mode: WorkMode::ManualIn },
                FeatureCode::Logout => RequestKind::AgentLogout,
                FeatureCode::Ready => RequestKind::AgentReady(WorkMode::ManualIn),
                FeatureCode::NotReady => RequestKind::AgentNotReady(WorkMode::AuxWork),
            },
            reasons: UserData::new(),
            extensions: UserData::new(),
        };
        self.s.timers.arm(Timer::AgentAnswer, now + AGENT_ANSWER);
        self.push(Output::AgentRequest(request));
    }

    pub(super) fn agent_answered(&mut self, done: bool, now: Timestamp) {
        let Stage::Feature(feature) = &mut self.s.stage else {
            return;
        };
        if feature.told {
            return;
        }
        feature.told = true;
        let prompt = match (done, feature.code) {
            (false, _) => PROMPT_REFUSED,
            (true, FeatureCode::Login) => PROMPT_LOGGED_IN,
            (true, FeatureCode::Logout) => PROMPT_LOGGED_OUT,
            (true, FeatureCode::Ready) => PROMPT_READY,
            (true, FeatureCode::NotReady) => PROMPT_NOT_READY,
        };
        self.s.timers.disarm(Timer::AgentAnswer);
        let treatment = Treatment::PlayAnnouncement { prompts: vec![prompt.to_owned()] };
        self.play(CALLER_LEG, treatment, Purpose::Service, now);
    }
}

/// The name under which a feature code's call sends its request; the answering event carries it back.
pub fn feature_requester(conn_id: model::ConnId) -> String {
    format!("call:{conn_id}")
}
