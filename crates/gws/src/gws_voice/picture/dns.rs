//! What is set at a DN and who is logged in there, folded from the facts of agent-state and of phones.

mod kept;

use std::time::Duration;

use contracts::wire;
use infra::Position;
use model::{AgentId, Dn, Event, EventName, Timestamp, UserData, Value, WorkMode};

use super::capabilities;
use crate::kv;
use crate::voice_api::{DnAgentState, DnState};

/// The modes of forwarding, in the order in which a desktop is shown one number: that for all calls first. Each is named as the fact that
/// sets it has it, and as the answer about the whole DN has it.
const FORWARDS: [(&str, &str); 4] = [
    ("Unconditional", "ForwardUnconditional"),
    ("OnBusy", "ForwardOnBusy"),
    ("OnNoAnswer", "ForwardOnNoAnswer"),
    ("OnUnregistered", "ForwardOnUnregistered"),
];

/// The extension that says for how many seconds after-call work goes on.
const WRAP_UP_TIME: &str = "WrapUpTime";

/// A DN without its calls.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct DnSetup {
    in_service: bool,
    agent: Option<AgentOn>,
    reasons: UserData,
    dnd: Option<bool>,
    forwards: [Option<String>; FORWARDS.len()],
}

/// The agent who is logged in.
#[derive(Clone, PartialEq, Eq, Debug)]
struct AgentOn {
    id: AgentId,
    state: DnAgentState,
    mode: WorkMode,
}

/// Where in the tenant's stream each part of a DN was told last. The answer about a whole DN names the position that it was made at: facts
/// behind that come on top of it, also those in front of the answer itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SetupPositions {
    in_service: Position,
    agent: Position,
    dnd: Position,
    forwards: [Position; FORWARDS.len()],
}

impl SetupPositions {
    /// A snapshot of that position knows which phones are registered.
    pub fn of_snapshot(position: Position) -> Self {
        Self { in_service: position, ..Self::default() }
    }

    /// Whether it was told who is logged in after the answer was made.
    pub fn knows_agent_after(&self, event: &Event) -> bool {
        is_behind(self.agent, event)
    }

    /// Who is logged in was told there.
    pub fn agent_told(&mut self, position: Position) {
        self.agent = position;
    }
}

/// Whether an answer about a whole DN was made before something was told there.
fn is_behind(told_at: Position, answer: &Event) -> bool {
    let is_answer = matches!(answer.name, EventName::Registered | EventName::AddressInfo);
    let made_at = answer.extensions.text("Position").and_then(|made_at| made_at.parse::<Position>().ok());
    is_answer && made_at.is_some_and(|made_at| told_at > made_at)
}

impl DnSetup {
    /// A phone is registered there, as a snapshot tells it.
    pub fn has_phone(&mut self) {
        self.in_service = true;
    }

    /// Somebody is logged in, as a snapshot tells it.
    pub fn has_agent(&mut self, id: AgentId, ready: bool, mode: WorkMode) {
        let state = if ready { DnAgentState::Ready } else { DnAgentState::NotReady };
        self.agent = Some(AgentOn { id, state, mode });
    }

    /// Whether this agent is logged in there.
    pub fn is_of(&self, agent: &AgentId) -> bool {
        self.agent.as_ref().is_some_and(|on| on.id == *agent)
    }

    /// Nobody is logged in any more.
    pub fn log_out(&mut self, reasons: &UserData) {
        self.agent = None;
        self.reasons = reasons.clone();
    }

    /// Folds a fact in that is about this DN, at that position of the stream.
    pub fn fold(&mut self, event: &Event, position: Position, told_at: &mut SetupPositions) {
        match event.name {
            EventName::AgentLogin => self.agent_is(event, DnAgentState::LoggedIn),
            EventName::AgentReady => self.agent_is(event, DnAgentState::Ready),
            EventName::AgentNotReady => self.agent_is(event, DnAgentState::NotReady),
            EventName::AgentLogout if event.agent.as_ref().is_none_or(|agent| self.is_of(agent)) => {
                self.log_out(&event.reasons);
            }
            EventName::DNBackInService => self.in_service = true,
            EventName::DNOutOfService => self.in_service = false,
            EventName::DNDOn => self.dnd = Some(true),
            EventName::DNDOff => self.dnd = Some(false),
            EventName::ForwardSet => self.forwards_to(event, position, told_at),
            EventName::ForwardCancel => self.forwards = Default::default(),
            EventName::Registered | EventName::AddressInfo => self.take_whole(event, told_at),
            _ => {}
        }
        match event.name {
            EventName::AgentLogin | EventName::AgentReady | EventName::AgentNotReady | EventName::AgentLogout => {
                told_at.agent = position;
            }
            EventName::DNBackInService | EventName::DNOutOfService => told_at.in_service = position,
            EventName::DNDOn | EventName::DNDOff => told_at.dnd = position,
            EventName::ForwardCancel => told_at.forwards = [position; FORWARDS.len()],
            _ => {}
        }
    }

    fn agent_is(&mut self, event: &Event, state: DnAgentState) {
        let Some(id) = event.agent.clone() else { return };
        self.agent = Some(AgentOn { id, state, mode: event.work_mode.unwrap_or_default() });
        self.reasons = event.reasons.clone();
    }

    fn forwards_to(&mut self, event: &Event, position: Position, told_at: &mut SetupPositions) {
        let asked = event.extensions.text("ForwardMode");
        let numbers = self.forwards.iter_mut().zip(&mut told_at.forwards);
        for ((number, told_at), (mode, _)) in numbers.zip(FORWARDS) {
            let is_meant = match asked {
                Some("OnBusyAndNoAnswer") => mode == "OnBusy" || mode == "OnNoAnswer",
                Some(asked @ ("OnBusy" | "OnNoAnswer" | "OnUnregistered")) => mode == asked,
                // `SendAllCalls` means the same.
                _ => mode == "Unconditional",
            };
            if is_meant {
                number.clone_from(&event.other_dn);
                *told_at = position;
            }
        }
    }

    /// The whole state, as the answer to a registration or a query tells it, but for what was told after the answer was made. Its calls are
    /// known from their own facts.
    fn take_whole(&mut self, event: &Event, told_at: &SetupPositions) {
        let told = &event.extensions;
        let is_on = |key: &str| matches!(told.get(key), Some(Value::Int(number)) if *number != 0);
        if !is_behind(told_at.in_service, event) {
            self.in_service = is_on("InService");
        }
        if !is_behind(told_at.dnd, event) {
            self.dnd = Some(is_on("DND"));
        }
        for ((number, told_at), (_, key)) in self.forwards.iter_mut().zip(told_at.forwards).zip(FORWARDS) {
            if !is_behind(told_at, event) {
                *number = told.text(key).map(str::to_owned);
            }
        }
        if is_behind(told_at.agent, event) {
            return;
        }
        match told.text("AgentState") {
            None | Some("LoggedOut") => self.log_out(&UserData::new()),
            Some("Ready" | "BusyReady") => self.agent_is(event, DnAgentState::Ready),
            Some(_) => self.agent_is(event, DnAgentState::NotReady),
        }
    }

    /// When after-call work ends by itself after a fact of that moment, which has been folded; `before` is when it was to end until then.
    pub fn wraps_up_until(
        event: &Event,
        told_at: &SetupPositions,
        before: Option<Timestamp>,
        at: Timestamp,
    ) -> Option<Timestamp> {
        let left = || match event.extensions.get(WRAP_UP_TIME) {
            Some(Value::Int(seconds)) => u64::try_from(*seconds).ok().map(|seconds| at + Duration::from_secs(seconds)),
            _ => None,
        };
        match event.name {
            EventName::AgentNotReady if event.work_mode == Some(WorkMode::AfterCallWork) => left(),
            EventName::AgentNotReady | EventName::AgentReady | EventName::AgentLogin | EventName::AgentLogout => None,
            EventName::Registered | EventName::AddressInfo if !is_behind(told_at.agent, event) => {
                left().filter(|_| event.extensions.text("AgentState") == Some("AfterCallWork"))
            }
            _ => before,
        }
    }

    /// As desktops see it.
    pub fn shown(&self, dn: &Dn, since: Option<Timestamp>) -> DnState {
        let agent_state = match &self.agent {
            None => DnAgentState::LoggedOut,
            Some(_) if !self.in_service => DnAgentState::OutOfService,
            Some(agent) => agent.state,
        };
        let forward_to = self.forwards.iter().flatten().next().cloned();
        DnState {
            number: dn.to_string(),
            switch_name: None,
            agent_id: self.agent.as_ref().map(|agent| agent.id.to_string()),
            agent_state,
            agent_work_mode: wire::work_mode_name(self.agent.as_ref().map_or(WorkMode::Unknown, |agent| agent.mode))
                .to_owned(),
            dnd: self.dnd,
            reasons: kv::pairs(&self.reasons),
            capabilities: capabilities::of_dn(self.agent.is_some(), self.dnd == Some(true), forward_to.is_some()),
            forward_to,
            timestamp: since.map(Timestamp::as_millis),
            wrap_up_until: None,
        }
    }
}
