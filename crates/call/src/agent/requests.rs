//! Requests about agents: carried out, or refused with an error code that clients can test.

use model::agent::{AfterBusy, Channel};
use model::event::ErrorCode;
use model::request::{ForcedState, LoginPassword, OF_AGENT, RequestKind};
use model::{AgentId, AgentState, Event, EventName, Request, Timestamp, Value, WorkMode};

use super::session::AgentSnapshot;
use super::wrap_up::wrap_up_time;
use super::{AGENTS_MAX, AgentTable, Cause, MEDIA_TYPE, Outcome, Output, Profile};

impl AgentTable {
    pub(super) fn request(&mut self, request: Request, profile: Option<Profile>, now: Timestamp) {
        let own = || profile.as_ref().map(|profile| profile.agent.clone());
        let agent = match &request.kind {
            RequestKind::AgentLogin(..) => own(),
            RequestKind::ForceAgentState(dn, _) => self.on_dn.get(dn).cloned(),
            _ => self.on_dn.get(&request.this_dn).cloned().or_else(own),
        };
        let Some(agent) = agent else {
            let (code, text) = match &request.kind {
                RequestKind::ForceAgentState(..) => (ErrorCode::INVALID_CALL_STATE, "no agent is logged in on OtherDN"),
                RequestKind::AgentLogin(Some(_), ..) => {
                    (ErrorCode::INVALID_ATTRIBUTE, "AgentID: there is no such agent")
                }
                _ => (ErrorCode::INVALID_ATTRIBUTE, "no agent belongs to this DN"),
            };
            return self.outputs.push_back(Output::Refused { request, code, text });
        };
        if let Some(profile) = profile.filter(|profile| profile.agent == agent) {
            if !self.agents.contains_key(&agent) && self.agents.len() >= AGENTS_MAX {
                let code = ErrorCode::OUT_OF_SERVICE;
                return self.outputs.push_back(Output::Refused { request, code, text: "too many agents" });
            }
            match self.agents.get_mut(&agent) {
                Some(session) => session.profile = profile,
                None => {
                    let session = AgentSnapshot::logged_out(self.tenant.clone(), profile, now);
                    let session = AgentSnapshot { token: self.first_token, ..session };
                    self.agents.insert(agent.clone(), session);
                }
            }
        }
        if let Err((code, text)) = self.carry_out(&agent, &request, now) {
            let mut event = Event::new(EventName::Error);
            event.error = Some((code, text.to_owned()));
            self.publish(&agent, event, Cause::Asked(&request), now);
        }
    }

    fn carry_out(&mut self, agent: &AgentId, request: &Request, now: Timestamp) -> Outcome {
        is_of_voice(request)?;
        match &request.kind {
            RequestKind::AgentLogin(_, mode, password) => {
                self.passes(agent, password)?;
                return self.log_in(agent, *mode, request, now);
            }
            RequestKind::ForceAgentState(_, state) => {
                self.force(agent, *state, request, now);
                return Ok(());
            }
            _ => {}
        }
        let session = self.agents.get_mut(agent).filter(|session| session.dn.as_ref() == Some(&request.this_dn));
        let Some(session) = session else {
            return Err((ErrorCode::INVALID_CALL_STATE, "no agent is logged in on this DN"));
        };
        is_for(agent, request)?;
        session.active_at = now;
        let reasons = request.reasons.clone();
        match &request.kind {
            RequestKind::AgentLogout => self.log_out(agent, reasons, Cause::Asked(request), now),
            RequestKind::AgentReady(mode) => {
                if !makes_ready(*mode) {
                    return Err((
                        ErrorCode::INVALID_ATTRIBUTE,
                        "AgentWorkMode: an agent that is ready has no such mode",
                    ));
                }
                // As the feature code does.
                let mode = if *mode == WorkMode::Unknown { WorkMode::ManualIn } else { *mode };
                self.set_ready(agent, mode, reasons, Cause::Asked(request), now);
            }
            RequestKind::AgentNotReady(WorkMode::AfterCallWork) => return self.ask_wrap_up(agent, request, now),
            RequestKind::AgentNotReady(mode) => {
                if !makes_not_ready(*mode) {
                    let text = "AgentWorkMode: an agent that is not ready has no such mode by request";
                    return Err((ErrorCode::INVALID_ATTRIBUTE, text));
                }
                self.set_not_ready(agent, *mode, reasons, Cause::Asked(request), now);
            }
            _ => return Err((ErrorCode::UNSUPPORTED, "not a request about an agent")),
        }
        Ok(())
    }

    /// Refuses a login with a wrong password, or without one that it needs.
    fn passes(&self, agent: &AgentId, password: &LoginPassword) -> Outcome {
        let needs = self.agents.get(agent).is_some_and(|session| session.profile.login_needs_password);
        match password {
            LoginPassword::Right => Ok(()),
            LoginPassword::Absent if !needs => Ok(()),
            LoginPassword::Absent => Err((ErrorCode::WRONG_PASSWORD, "Password: it is absent")),
            LoginPassword::Wrong | LoginPassword::Typed(_) => Err((ErrorCode::WRONG_PASSWORD, "wrong password")),
        }
    }

    fn log_in(&mut self, agent: &AgentId, mode: WorkMode, request: &Request, now: Timestamp) -> Outcome {
        let dn = &request.this_dn;
        let wrap_up_s = wrap_up_time(&request.extensions)?;
        if !logs_in(mode) {
            return Err((ErrorCode::INVALID_ATTRIBUTE, "AgentWorkMode: no agent logs in with this mode"));
        }
        if self.on_dn.get(dn).is_some_and(|other| other != agent) {
            return Err((ErrorCode::DN_BUSY, "another agent is logged in on this DN"));
        }
        let Some(session) = self.agents.get_mut(agent) else {
            return Err((ErrorCode::INVALID_ATTRIBUTE, "no such agent"));
        };
        if session.dn.as_ref().is_some_and(|elsewhere| elsewhere != dn) {
            return Err((ErrorCode::AGENT_IN_USE, "the agent is logged in elsewhere"));
        }
        session.active_at = now;
        if session.state != AgentState::LoggedOut {
            // The same agent on the same phone repeats its login: answer with the present state.
            self.restate(agent, Cause::Asked(request), now);
            return Ok(());
        }
        session.dn = Some(dn.clone());
        session.calls.clear();
        session.state = AgentState::NotReady;
        session.login_wrap_up_s = wrap_up_s;
        self.on_dn.insert(dn.clone(), agent.clone());
        let event = Event { work_mode: Some(mode), ..Event::new(EventName::AgentLogin) };
        self.publish(agent, event, Cause::Asked(request), now);
        let reasons = request.reasons.clone();
        if mode == WorkMode::AutoIn {
            self.set_ready(agent, mode, reasons, Cause::Itself, now);
        } else {
            self.set_not_ready(agent, mode, reasons, Cause::Itself, now);
        }
        Ok(())
    }

    /// A supervisor sets the state: the agent's phone need not be the requester's.
    fn force(&mut self, agent: &AgentId, state: ForcedState, request: &Request, now: Timestamp) {
        let (reasons, cause) = (request.reasons.clone(), Cause::Forced(request));
        match state {
            ForcedState::LoggedOut => self.log_out(agent, reasons, cause, now),
            ForcedState::NotReady => self.set_not_ready(agent, WorkMode::AuxWork, reasons, cause, now),
            ForcedState::Ready => self.set_ready(agent, WorkMode::ManualIn, reasons, cause, now),
        }
        if let Some(session) = self.agents.get_mut(agent) {
            session.active_at = now;
        }
    }
}

impl AgentSnapshot {
    /// Enters a state that is neither after-call work nor the rest after it.
    pub(super) fn stands(&mut self, state: AgentState, mode: WorkMode, reasons: &model::UserData, now: Timestamp) {
        self.enter(state, now);
        (self.due, self.then, self.asked_wrap_up_s) = (None, None, None);
        self.mode = mode;
        self.reasons = reasons.clone();
    }

    /// The state that a business call interrupts, as the one that follows it.
    pub(super) fn after_busy(&self) -> Option<AfterBusy> {
        match self.state {
            AgentState::Ready => Some(AfterBusy::Ready),
            AgentState::NotReady if self.is_guarded() => Some(AfterBusy::Ready),
            AgentState::NotReady => Some(AfterBusy::NotReady),
            AgentState::AfterCallWork if self.then.is_some() => Some(AfterBusy::NotReady),
            // Afterwards the agent wraps up both calls.
            AgentState::AfterCallWork if self.due.is_some() => Some(AfterBusy::Ready),
            AgentState::AfterCallWork => Some(AfterBusy::AfterCallWork),
            AgentState::Busy(_) | AgentState::LoggedOut => None,
        }
    }
}

/// Refuses a request for a medium that is not here.
fn is_of_voice(request: &Request) -> Outcome {
    match request.extensions.get(MEDIA_TYPE) {
        None => Ok(()),
        Some(Value::Text(name)) if Channel::parse(name) == Some(Channel::Voice) => Ok(()),
        Some(_) => Err((ErrorCode::UNSUPPORTED, "MediaType: agents are ready for voice alone")),
    }
}

/// Refuses a request that is for another agent than the one who is logged in on the DN.
fn is_for(agent: &AgentId, request: &Request) -> Outcome {
    match request.extensions.get(OF_AGENT) {
        None => Ok(()),
        Some(Value::Text(named)) if named == agent.as_str() => Ok(()),
        Some(_) => Err((ErrorCode::INVALID_CALL_STATE, "AgentID: another agent is logged in on this DN")),
    }
}

const fn logs_in(mode: WorkMode) -> bool {
    matches!(mode, WorkMode::Unknown | WorkMode::ManualIn | WorkMode::AutoIn | WorkMode::AuxWork)
}

const fn makes_ready(mode: WorkMode) -> bool {
    matches!(mode, WorkMode::Unknown | WorkMode::ManualIn | WorkMode::AutoIn | WorkMode::ReturnBack)
}

/// After-call work has rules of its own; the rest after it is begun by the program alone.
const fn makes_not_ready(mode: WorkMode) -> bool {
    !matches!(mode, WorkMode::AfterCallWork | WorkMode::AutoIn | WorkMode::LegalGuard)
}
