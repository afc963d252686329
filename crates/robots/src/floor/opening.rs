//! Beginning and end of a run: phones register, agents log in and out.

use std::time::Duration;

use serde_json::json;
use sip::{Contact, Message, StatusCode};

use super::{Due, Floor, Stage};
use crate::agent::Duty;

/// Expiry that a registration requests, s; phones of mobile users choose such.
pub const EXPIRES_S: u32 = 600;
/// Interval between the starts of two phones.
pub const STAGGER: Duration = Duration::from_millis(5);
/// A failed registration or request is repeated after this time.
pub const AGAIN: Duration = Duration::from_secs(2);
/// Whom another agent is about to ring asks for readiness after this time, if it has not rung.
const LATER: Duration = Duration::from_millis(200);
/// From login to ready: a person needs longer.
const LOGIN_TO_READY: Duration = Duration::from_millis(250);
/// It is a fault if not all agents are at work within this time.
const OPEN_WITHIN: Duration = Duration::from_secs(60);
/// From the last agent's readiness to the first caller: all requests have been carried out by then.
const BEFORE_FIRST: Duration = Duration::from_millis(500);
/// Maximum time for logging out.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);
/// Calls that hang when all others have ended are given up after this time.
pub const UNFINISHED_AFTER: Duration = Duration::from_secs(60);

impl Floor {
    pub fn open(&mut self) {
        for agent in 0..self.agents.len() {
            let after = STAGGER * u32::try_from(agent).unwrap_or(u32::MAX);
            self.register_after(agent, after);
        }
        self.open_desks();
        self.timers.after(self.now, OPEN_WITHIN, Due::Stage(Stage::Opening));
    }

    /// Schedules the next registration of the phone, replacing any earlier schedule.
    fn register_after(&mut self, agent: usize, after: Duration) {
        self.agents[agent].register_round += 1;
        self.timers.after(self.now, after, Due::Register(agent, self.agents[agent].register_round));
    }

    pub fn register(&mut self, agent: usize, round: u32) {
        if matches!(self.stage, Stage::Closing | Stage::Done) || self.agents[agent].register_round != round {
            return;
        }
        let at = self.timestamp();
        let again = match self.phones[agent + 1].register(EXPIRES_S, at) {
            Ok(()) => Duration::from_secs(u64::from(EXPIRES_S)),
            Err(_) => AGAIN,
        };
        // The answer moves it forward; this is for an answer that never arrives.
        self.register_after(agent, again);
    }

    /// Handles the registrar's answer.
    pub fn registered(&mut self, agent: usize, status: StatusCode, response: Option<&Message>) {
        if self.stage == Stage::Closing || self.agents[agent].duty == Duty::LoggedOut {
            return;
        }
        if !status.is_success() {
            self.faults_once(agent, &format!("REGISTER was answered {}", status.code()));
            self.register_after(agent, AGAIN);
            return;
        }
        let granted = response.and_then(granted_s).unwrap_or(EXPIRES_S);
        self.register_after(agent, Duration::from_secs(u64::from(granted) / 2));
        if self.agents[agent].duty == Duty::Away {
            self.log_in(agent);
        }
    }

    pub fn log_in(&mut self, agent: usize) {
        let (dn, id) = (self.agents[agent].who.extension.clone(), self.agents[agent].who.agent.clone());
        let next = match self.agents[agent].duty {
            Duty::Away => Duty::LoggingIn,
            Duty::LoggingIn => Duty::GettingReady,
            _ => return,
        };
        self.agents[agent].duty = next;
        let frame = if next == Duty::LoggingIn {
            json!({"req": "TAgentLogin", "ThisDN": dn, "AgentID": id, "AgentWorkMode": "ManualIn"})
        } else {
            json!({"req": "TAgentSetReady", "ThisDN": dn})
        };
        self.requests.ask(agent, &frame);
    }

    /// Requests readiness (again). Whom another agent is about to ring goes on working after its call until then: a queue would send it a
    /// call meanwhile.
    pub fn ready(&mut self, agent: usize) {
        if self.agents[agent].awaited.is_some() && self.stage != Stage::Closing {
            return self.timers.after(self.now, LATER, Due::Ready(agent));
        }
        self.agents[agent].wraps = false;
        if self.agents[agent].duty == Duty::Working && self.agents[agent].line.is_none() && self.stage != Stage::Closing
        {
            let dn = self.agents[agent].who.extension.clone();
            self.requests.ask(agent, &json!({"req": "TAgentSetReady", "ThisDN": dn}));
        }
    }

    /// Handles the public API's answer to a request.
    pub fn request_answered(&mut self, agent: usize, reference: Option<u64>, outcome: Result<(), String>) {
        if let Some(reference) = reference {
            // About a call.
            return outcome.err().into_iter().for_each(|reason| self.not_let_in(reference, &reason));
        }
        let duty = self.agents[agent].duty;
        if let Err(reason) = outcome {
            if self.stage != Stage::Closing {
                self.faults_once(agent, &format!("a request was not let in: {reason}"));
            }
            match duty {
                Duty::LoggingIn => self.agents[agent].duty = Duty::Away,
                Duty::GettingReady => self.agents[agent].duty = Duty::LoggingIn,
                Duty::Working => return self.timers.after(self.now, AGAIN, Due::Ready(agent)),
                Duty::LoggingOut => return self.agents[agent].duty = Duty::LoggedOut,
                Duty::Away | Duty::LoggedOut => return,
            }
            return self.timers.after(self.now, AGAIN, Due::LogIn(agent));
        }
        match duty {
            Duty::LoggingIn => self.timers.after(self.now, LOGIN_TO_READY, Due::LogIn(agent)),
            Duty::GettingReady => self.agents[agent].duty = Duty::Working,
            Duty::LoggingOut => self.agents[agent].duty = Duty::LoggedOut,
            Duty::Away | Duty::Working | Duty::LoggedOut => {}
        }
    }

    fn faults_once(&mut self, agent: usize, what: &str) {
        let fault = format!("{}: {what}", self.agents[agent].who.extension);
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Advances to the next stage when this one is over.
    pub fn advance(&mut self) {
        match self.stage {
            Stage::Opening if self.agents.iter().all(|agent| agent.duty == Duty::Working) => {
                self.stage = Stage::Running;
                self.opened_at = Some(self.now);
                let first = self.plan.until_next(Duration::ZERO, &mut self.dice);
                self.timers.after(self.now, BEFORE_FIRST + first, Due::Arrive);
                self.begin_outgoing();
            }
            Stage::Running
                if self.plan.calls == Some(self.placed) && self.calls.is_empty() && self.outgoing.is_empty() =>
            {
                // The last agents do their after-call work and are ready once more.
                let busy = self.agents.iter().any(|agent| agent.line.is_some() || agent.wraps);
                if !busy && self.requests.under_way() == 0 {
                    self.go_home();
                }
            }
            Stage::Closing
                if self.agents.iter().all(|agent| agent.duty == Duty::LoggedOut)
                    && self.calls.is_empty()
                    && self.outgoing.is_empty() =>
            {
                self.stage = Stage::Done;
            }
            _ => {}
        }
    }

    /// After the last call was placed, the run ends after the maximum length of a call.
    pub fn last_placed(&mut self) {
        self.note_idle_desks();
        let before = Duration::from_secs_f64(self.plan.patience.max + self.plan.ring.max);
        let talk = Duration::from_secs_f64(self.plan.talk.max);
        let longest = before + talk.max(super::moves::longest(talk));
        self.timers.after(self.now, longest + UNFINISHED_AFTER, Due::Stage(Stage::Running));
    }

    pub fn stage_due(&mut self) {
        match self.stage {
            Stage::Opening => {
                let missing = self.agents.iter().filter(|agent| agent.duty != Duty::Working).count();
                self.faults.push(format!("{missing} agents could not be logged in"));
                self.close();
            }
            Stage::Running if self.plan.calls == Some(self.placed) => self.close(),
            Stage::Closing => {
                self.give_up_all();
                self.give_up_outgoing();
                self.stage = Stage::Done;
            }
            Stage::Running | Stage::Done => {}
        }
    }

    /// Ends everything: robots that talk or wait hang up, and the agents log out.
    pub fn close(&mut self) {
        if matches!(self.stage, Stage::Closing | Stage::Done) {
            return;
        }
        self.hang_up_all();
        self.hang_up_outgoing();
        self.go_home();
    }

    fn go_home(&mut self) {
        self.stage = Stage::Closing;
        let at = self.timestamp();
        for agent in 0..self.agents.len() {
            let came = !matches!(self.agents[agent].duty, Duty::Away | Duty::LoggedOut);
            self.agents[agent].duty = if came { Duty::LoggingOut } else { Duty::LoggedOut };
            if came {
                let dn = self.agents[agent].who.extension.clone();
                self.requests.ask(agent, &json!({"req": "TAgentLogout", "ThisDN": dn}));
            }
            // A registration that cannot be removed expires by itself.
            let _ = self.phones[agent + 1].register(0, at);
        }
        self.close_desks();
        self.timers.after(self.now, CLOSE_WITHIN, Due::Stage(Stage::Closing));
    }
}

/// The expiry that the registrar grants our contact, s.
pub fn granted_s(response: &Message) -> Option<u32> {
    let own = response.contacts().find_map(|contact| match contact {
        Ok(Contact::Address(address)) => address.params().get("expires")?.parse().ok(),
        _ => None,
    });
    own.or_else(|| response.expires().ok().flatten())
}
