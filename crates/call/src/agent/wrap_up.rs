//! The time after a business call: after-call work by its precedence (`docs/for-agents.md`), and the rest that must follow it.
//!
//! The first of these that is there decides: what the agent asked for during the call, the call's user data, the route point, the login,
//! the agent's configuration (which stands for the tenant's where it has none of its own).

use std::collections::BTreeMap;
use std::time::Duration;

use model::agent::AfterBusy;
use model::event::ErrorCode;
use model::{AgentId, AgentState, Event, EventName, Request, Timestamp, UserData, Value, WorkMode};

use super::session::{AgentSnapshot, Pause};
use super::{AgentTable, Cause, Outcome};

/// The key, in the extensions of a request and in a call's user data, of the agent's wrap-up time in seconds.
pub const WRAP_UP_TIME: &str = "WrapUpTime";
/// The longest wrap-up with an end, whatever a call's data says.
pub const WRAP_UP_MAX: Duration = Duration::from_secs(3_600);

/// How long after-call work lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum WrapUp {
    /// There is none.
    None,
    /// For this time.
    For(Duration),
    /// Until the agent ends it.
    Untimed,
}

impl WrapUp {
    fn of(time: Duration, session: &AgentSnapshot) -> Self {
        if time.is_zero() {
            Self::None
        } else if time.as_secs() >= session.profile.untimed_wrap_up_s {
            Self::Untimed
        } else {
            Self::For(time.min(WRAP_UP_MAX))
        }
    }

    fn of_seconds(seconds: u64, session: &AgentSnapshot) -> Self {
        Self::of(Duration::from_secs(seconds), session)
    }

    /// As [`Self::of_seconds`] takes it; `None` if it has no end.
    fn seconds(self) -> Option<u64> {
        match self {
            Self::None => Some(0),
            Self::For(time) => Some(time.as_secs()),
            Self::Untimed => None,
        }
    }

    fn end(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::None => Some(now),
            Self::For(time) => Some(now + time),
            Self::Untimed => None,
        }
    }
}

impl AgentTable {
    /// The agent's last business call is over.
    pub(super) fn business_over(&mut self, agent: &AgentId, event: &Event, now: Timestamp) {
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        let AgentState::Busy(after) = session.state else {
            return;
        };
        let asked = session.asked_wrap_up_s.take();
        let wrap_up = match after {
            AfterBusy::NotReady => return session.enter(AgentState::NotReady, now),
            AfterBusy::Ready => session.wrap_up_of(event, &self.wrap_up_times),
            AfterBusy::AfterCallWork => asked.map_or(WrapUp::Untimed, |seconds| WrapUp::of_seconds(seconds, session)),
        };
        if wrap_up == WrapUp::None {
            session.enter(AgentState::Ready, now);
            return self.rest(agent, now);
        }
        session.enter(AgentState::AfterCallWork, now);
        session.mode = WorkMode::AfterCallWork;
        session.reasons = UserData::new();
        (session.due, session.then) = (wrap_up.end(now), None);
        // Names the call that is wrapped up: reporting adds the time to it.
        let event = Event { call: event.call.clone(), this_queue: event.this_queue.clone(), ..session.wraps_up(now) };
        self.publish(agent, event, Cause::Itself, now);
    }

    /// A business call is over while another one goes on. What is due after it follows the last one, and until then there is no further one.
    pub(super) fn one_of_several_over(&mut self, agent: &AgentId, event: &Event, now: Timestamp) {
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        if session.state != AgentState::Busy(AfterBusy::Ready) {
            return;
        }
        let wrap_up = session.wrap_up_of(event, &self.wrap_up_times);
        if wrap_up == WrapUp::None && session.profile.legal_guard_ms == 0 {
            // Routing waits for this: the agent may have the next call.
            return self.restate(agent, Cause::Itself, now);
        }
        let after = AgentState::Busy(AfterBusy::AfterCallWork);
        session.stands(after, WorkMode::AfterCallWork, &UserData::new(), now);
        session.asked_wrap_up_s = wrap_up.seconds();
        let event = session.wraps_up(now);
        self.publish(agent, event, Cause::Itself, now);
    }

    /// The agent asks for after-call work: for the call that it is on, more of what it does already, or without a call.
    pub(super) fn ask_wrap_up(&mut self, agent: &AgentId, request: &Request, now: Timestamp) -> Outcome {
        let said = wrap_up_time(&request.extensions)?;
        let Some(session) = self.agents.get_mut(agent) else {
            return Ok(());
        };
        let asked = said.map(|seconds| WrapUp::of_seconds(seconds, session));
        match session.state {
            AgentState::Busy(_) => {
                session.stands(
                    AgentState::Busy(AfterBusy::AfterCallWork),
                    WorkMode::AfterCallWork,
                    &request.reasons,
                    now,
                );
                session.asked_wrap_up_s = said;
            }
            // Asks how much is left.
            AgentState::AfterCallWork if asked == Some(WrapUp::None) => {}
            AgentState::AfterCallWork => {
                // From now on, not in addition: a request that is repeated does no harm.
                session.due = asked.unwrap_or(WrapUp::Untimed).end(now);
                session.reasons = request.reasons.clone();
            }
            _ => {
                if asked == Some(WrapUp::None) {
                    return Err((ErrorCode::INVALID_ATTRIBUTE, "WrapUpTime: there is no call to wrap up"));
                }
                let wrap_up = asked.unwrap_or_else(|| session.idle_wrap_up());
                session.then = session.leads_back_to();
                session.enter(AgentState::AfterCallWork, now);
                session.mode = WorkMode::AfterCallWork;
                session.reasons = request.reasons.clone();
                session.due = wrap_up.end(now);
            }
        }
        let event = Event { reasons: session.reasons.clone(), ..session.wraps_up(now) };
        self.publish(agent, event, Cause::Asked(request), now);
        Ok(())
    }

    /// Ends after-call work that is due, or the rest after it.
    pub(super) fn wrapped_up(&mut self, agent: &AgentId, now: Timestamp) {
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        session.due = None;
        if session.is_guarded() {
            self.set_ready(agent, WorkMode::ManualIn, UserData::new(), Cause::Itself, now);
        } else if session.state == AgentState::AfterCallWork {
            match session.then.take() {
                Some(Pause { mode, reasons }) => self.set_not_ready(agent, mode, reasons, Cause::Itself, now),
                None => self.rest(agent, now),
            }
        }
    }

    /// Begins the rest that must follow a business call, or makes ready where there is none.
    fn rest(&mut self, agent: &AgentId, now: Timestamp) {
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        if session.profile.legal_guard_ms == 0 {
            return self.set_ready(agent, WorkMode::ManualIn, UserData::new(), Cause::Itself, now);
        }
        let ends = now + Duration::from_millis(session.profile.legal_guard_ms);
        self.set_not_ready(agent, WorkMode::LegalGuard, UserData::new(), Cause::Itself, now);
        if let Some(session) = self.agents.get_mut(agent) {
            session.due = Some(ends);
        }
    }
}

impl AgentSnapshot {
    /// The wrap-up of a call that is over, where the agent has asked for none. `points` are the wrap-up times of route points.
    fn wrap_up_of(&self, event: &Event, points: &BTreeMap<String, u64>) -> WrapUp {
        let point = event.this_queue.as_ref().and_then(|queue| points.get(queue)).copied();
        let said = wrap_up_time(&event.user_data).ok().flatten().or(point).or(self.login_wrap_up_s);
        said.map_or_else(|| self.configured(), |seconds| WrapUp::of_seconds(seconds, self))
    }

    /// The wrap-up of the agent's configuration.
    fn configured(&self) -> WrapUp {
        WrapUp::of(Duration::from_millis(self.profile.wrap_up_ms), self)
    }

    /// The wrap-up that the agent begins without a call and without naming a time.
    fn idle_wrap_up(&self) -> WrapUp {
        if self.profile.idle_wrap_up.untimed {
            return WrapUp::Untimed;
        }
        let own = self.login_wrap_up_s.map_or_else(|| self.configured(), |seconds| WrapUp::of_seconds(seconds, self));
        if own == WrapUp::None { WrapUp::Untimed } else { own }
    }

    /// The state to which wrap-up without a call leads back; `None` if that is ready.
    fn leads_back_to(&self) -> Option<Pause> {
        let leads_back = self.profile.idle_wrap_up.leads_back && self.state == AgentState::NotReady;
        (leads_back && !self.is_guarded()).then(|| Pause { mode: self.mode, reasons: self.reasons.clone() })
    }

    /// The event that says that the agent wraps up, and for how long.
    fn wraps_up(&self, now: Timestamp) -> Event {
        let mut event = Event::new(EventName::AgentNotReady);
        event.work_mode = Some(WorkMode::AfterCallWork);
        if let Some(due) = self.due {
            event.extensions.push(WRAP_UP_TIME, i64::try_from(due.since(now).as_secs()).unwrap_or(i64::MAX));
        }
        event
    }
}

/// The wrap-up time that pairs name, in seconds.
pub(super) fn wrap_up_time(pairs: &UserData) -> Result<Option<u64>, (ErrorCode, &'static str)> {
    let seconds = match pairs.get(WRAP_UP_TIME) {
        None => return Ok(None),
        Some(Value::Int(seconds)) => u64::try_from(*seconds).ok(),
        Some(Value::Text(text)) => text.parse().ok(),
        Some(_) => None,
    };
    seconds.map(Some).ok_or((ErrorCode::INVALID_ATTRIBUTE, "WrapUpTime: it is not a number of seconds"))
}
