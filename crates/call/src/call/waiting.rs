//! A call on a route point: queued, instructed and routed, or routed by default without an instruction.

use model::event::ErrorCode;
use model::plan::{Caller, Destination};
use model::request::RouteTo;
use model::{CallState, Dn, DnRole, EventName, Timestamp, UserData};

use super::asked::{Asked, rings_as_asked};
use super::ending::Ending;
use super::facts::answering;
use super::incoming::routed_for;
use super::point::Point;
use super::state::{InService, Offer, Routing, Stage, Waiting};
use super::timer::{INSTRUCTION, QUIET, Timer};
use super::{Call, DEFAULT_ROUTES_MAX, Output, PARKS_MAX};

impl Call {
    /// The call enters a route point. `why` is part of the request for instructions.
    pub(super) fn wait_at_point(&mut self, point: Point, why: UserData, now: Timestamp) {
        if self.s.parks >= PARKS_MAX {
            return self.end(Ending::system(CallState::Overflowed, 482), now);
        }
        self.s.parks += 1;
        let queued = self.point_event(EventName::Queued, &point);
        self.fact(queued, now);
        let mut wanted = self.point_event(EventName::RouteRequest, &point);
        wanted.extensions = why;
        self.fact(wanted, now);
        self.push(Output::NewCall { point: point.dn.clone(), application: point.application.clone() });
        self.s.timers.arm(Timer::Instruction, now + INSTRUCTION);
        self.s.stage = Stage::Waiting(Waiting { point, routing: None });
    }

    /// Registers an instruction: the default route now waits for [`QUIET`] instead of [`INSTRUCTION`].
    pub(super) fn instructed(&mut self, now: Timestamp) {
        self.s.timers.disarm(Timer::Instruction);
        self.s.timers.arm(Timer::Quiet, now + QUIET);
    }

    /// Handles a request to route the call. The caller of this function has checked that the call waits.
    pub(super) fn route(&mut self, to: RouteTo, asked: Asked, now: Timestamp) -> Result<(), (ErrorCode, &'static str)> {
        let Stage::Waiting(waiting) = &self.s.stage else {
            return Err((ErrorCode::INVALID_CALL_STATE, "the call does not wait on a route point"));
        };
        if waiting.routing.is_some() {
            return Err((ErrorCode::INVALID_CALL_STATE, "the call is being routed already"));
        }
        self.instructed(now);
        match to {
            RouteTo::Dn { dn, agent } => self.look_up_route(dn, agent, Some(asked), now),
            RouteTo::Reject(status) => self.turn_away("Reject", status, Some(&asked), now),
            RouteTo::Disconnect => self.turn_away("CallDisconnect", 480, Some(&asked), now),
        }
        Ok(())
    }

    fn look_up_route(&mut self, dn: Dn, agent: Option<model::AgentId>, asked: Option<Asked>, now: Timestamp) {
        let Stage::Waiting(Waiting { point, .. }) = &self.s.stage else { return };
        // The tenant's application decides, not who calls: that one may be outside, and must not be sent outside again by itself.
        let by = Caller::Phone(point.dn.clone());
        let ask = self.look_up(dn.to_string(), by, routed_for(agent.as_ref()), now);
        if let Stage::Waiting(waiting) = &mut self.s.stage {
            waiting.routing = Some(Routing { ask, dn, agent, asked });
        }
    }

    /// Routes the call to the default DN after no instruction came; without one, or after too many such routes, the call ends.
    pub(super) fn route_by_default(&mut self, now: Timestamp) {
        let Stage::Waiting(waiting) = &self.s.stage else {
            return;
        };
        if waiting.routing.is_some() {
            return;
        }
        match waiting.point.default_dn.clone() {
            Some(dn) if self.s.default_routes < DEFAULT_ROUTES_MAX => {
                self.s.default_routes += 1;
                self.look_up_route(dn, None, None, now);
            }
            _ => self.turn_away("Default", 480, None, now),
        }
    }

    /// The call leaves the route point and ends.
    fn turn_away(&mut self, route_type: &'static str, status: u16, asked: Option<&Asked>, now: Timestamp) {
        let Some(_) = self.leave_point(None, route_type, CallState::Dropped, asked, now) else {
            return;
        };
        self.end(Ending::system(CallState::Dropped, status), now);
    }

    /// Handles the dial plan's answer about a route.
    pub(super) fn route_answered(&mut self, destination: Destination, now: Timestamp) {
        let Stage::Waiting(waiting) = &mut self.s.stage else {
            return;
        };
        let Some(Routing { dn, agent, asked, .. }) = waiting.routing.take() else {
            return;
        };
        let destination = rings_as_asked(asked.as_ref(), destination);
        if let Some((code, text)) = super::alerting::not_a_target(&destination, &self.s) {
            return self.route_refused(asked.as_ref(), code, text, now);
        }
        let route_type = if asked.is_some() { "Unknown" } else { "Default" };
        let Some(point) = self.leave_point(Some(&dn), route_type, CallState::Ok, asked.as_ref(), now) else {
            return;
        };
        match destination {
            Destination::RoutePoint { dn, application, default_dn } => {
                self.wait_at_point(Point { dn, application, default_dn }, UserData::new(), now);
            }
            Destination::Extension { dn, contacts, no_answer_ms } => {
                self.offer(Offer::new(dn, agent, Some(point)), contacts, no_answer_ms, now);
            }
            Destination::Outside(outside) => {
                self.offer_outside(Offer::new(outside.number.clone(), agent, Some(point)), outside, now);
            }
            Destination::Service(service) => self.serve(InService { number: dn.to_string(), service }, now),
            Destination::FeatureCode { .. }
            | Destination::Pickup { .. }
            | Destination::Park { .. }
            | Destination::Reject { .. } => {}
        }
    }

    /// The dial plan did not answer about a route in time.
    pub(super) fn route_unanswered(&mut self, now: Timestamp) {
        let Stage::Waiting(waiting) = &mut self.s.stage else {
            return;
        };
        if let Some(routing) = waiting.routing.take() {
            self.route_refused(routing.asked.as_ref(), ErrorCode::TIMEOUT, "the dial plan did not answer", now);
        }
    }

    fn route_refused(&mut self, asked: Option<&Asked>, code: ErrorCode, text: &str, now: Timestamp) {
        if let Some(asked) = asked {
            self.refuse_asked(asked, code, text, now);
        }
        // The request for instructions stays open. While a treatment plays its application knows of the call: its end begins the wait.
        self.s.timers.disarm(Timer::Quiet);
        let front = self.front();
        if !self.s.playing.iter().any(|playing| playing.leg == front) {
            self.s.timers.arm(Timer::Instruction, now + INSTRUCTION);
        }
    }

    /// Publishes `RouteUsed` and `Diverted` and returns the point that the call left. The caller sets the next stage.
    fn leave_point(
        &mut self,
        target: Option<&Dn>,
        route_type: &'static str,
        state: CallState,
        asked: Option<&Asked>,
        now: Timestamp,
    ) -> Option<Point> {
        self.stop_all(now);
        self.s.timers.disarm(Timer::Instruction);
        self.s.timers.disarm(Timer::Quiet);
        let Stage::Waiting(waiting) = std::mem::replace(&mut self.s.stage, Stage::Asking { ask: 0 }) else {
            return None;
        };
        for name in [EventName::RouteUsed, EventName::Diverted] {
            let mut event = self.point_event(name, &waiting.point);
            event.call_state = Some(state);
            if let Some(dn) = target {
                event.third_party_dn = Some(dn.to_string());
                event.third_party_role = Some(DnRole::Destination);
            }
            event.extensions.push("RouteType", route_type);
            let event = match asked {
                Some(asked) if name == EventName::RouteUsed => answering(event, asked),
                _ => event,
            };
            self.fact(event, now);
        }
        Some(waiting.point)
    }
}
