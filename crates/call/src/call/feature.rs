//! A feature code: the PIN, where the tenant demands one, then the agent request, then a prompt with the outcome.

use std::fmt;
use std::time::Duration;

use model::plan::{Caller, FeatureCode};
use model::request::{LoginPassword, RequestKind, Treatment};
use model::{ReferenceId, Request, Timestamp, UserData, WorkMode};

use super::playing::{Ended, Purpose};
use super::state::{Feature, PinAsk, Stage};
use super::timer::{AGENT_ANSWER, Timer};
use super::{
    Call, Output, PROMPT_CONFIRMED, PROMPT_LOGGED_IN, PROMPT_LOGGED_OUT, PROMPT_NOT_READY, PROMPT_PIN,
    PROMPT_PIN_AGAIN, PROMPT_READY, PROMPT_REFUSED,
};

/// The most PIN tries in one call.
pub const PIN_TRIES_MAX: u8 = 3;
/// The time to type the first digit of a PIN after the prompt.
const PIN_FIRST_DIGIT: Duration = Duration::from_secs(8);
/// The time to type each further digit of a PIN.
const PIN_NEXT_DIGIT: Duration = Duration::from_secs(4);
/// Ends the entry of a PIN that is shorter than the agent's.
const PIN_END: char = '#';

/// A typed PIN. Its `Debug` output hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct TypedPin(pub String);

impl fmt::Debug for TypedPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedPin(..)")
    }
}

/// The answer about the PIN of the agent on the calling phone's place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PinAnswer {
    /// The PIN has this number of digits.
    Digits(u8),
    /// The PIN is right.
    Right,
    /// The PIN is wrong.
    Wrong,
    /// No PIN is accepted now: there is no agent or no PIN, too many were wrong, or no service can check it.
    Refused,
}

impl Call {
    pub(super) fn feature(&mut self, code: FeatureCode, ask_pin: bool, now: Timestamp) {
        let pin = ask_pin.then_some(PinAsk { ask: 0, digits: 0, tries: 0 });
        self.s.stage = Stage::Feature(Feature { code, told: false, pin });
        self.s.timers.arm(Timer::AgentAnswer, now + AGENT_ANSWER);
        self.answer_caller();
    }

    /// The caller's audio is connected: carry out the code, or ask for the PIN.
    pub(super) fn begin_feature(&mut self, now: Timestamp) {
        match self.s.stage {
            Stage::Feature(Feature { pin: Some(_), .. }) => self.ask_pin(None, now),
            Stage::Feature(Feature { ref code, pin: None, .. }) => {
                self.ask_agent(code.clone(), LoginPassword::Absent, now)
            }
            _ => {}
        }
    }

    fn ask_pin(&mut self, typed: Option<TypedPin>, now: Timestamp) {
        let ask = self.s.numbers.ask;
        let Stage::Feature(Feature { pin: Some(pin), .. }) = &mut self.s.stage else {
            return;
        };
        pin.ask = ask;
        self.s.numbers.ask += 1;
        self.s.timers.arm(Timer::AgentAnswer, now + AGENT_ANSWER);
        self.push(Output::AskPin { ask, typed });
    }

    pub(super) fn pin_answered(&mut self, ask: u32, answer: PinAnswer, now: Timestamp) {
        let Stage::Feature(Feature { pin: Some(pin), told: false, code }) = &mut self.s.stage else {
            return;
        };
        if pin.ask != ask || ask == 0 {
            return;
        }
        pin.ask = 0;
        let code = code.clone();
        self.s.timers.disarm(Timer::AgentAnswer);
        match answer {
            PinAnswer::Digits(digits) if digits > 0 => {
                pin.digits = digits;
                self.collect_pin(PROMPT_PIN, now);
            }
            PinAnswer::Right => {
                if let Stage::Feature(feature) = &mut self.s.stage {
                    feature.pin = None;
                }
                self.ask_agent(code, LoginPassword::Right, now);
            }
            PinAnswer::Wrong => self.pin_missed(now),
            PinAnswer::Digits(_) | PinAnswer::Refused => self.say_outcome(PROMPT_REFUSED, now),
        }
    }

    fn collect_pin(&mut self, prompt: &str, now: Timestamp) {
        let Stage::Feature(Feature { pin: Some(pin), .. }) = self.s.stage else {
            return;
        };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let collect = Treatment::PlayAndCollect {
            prompts: vec![prompt.to_owned()],
            max_digits: pin.digits,
            first_digit_timeout_ms: millis(PIN_FIRST_DIGIT),
            inter_digit_timeout_ms: millis(PIN_NEXT_DIGIT),
            terminator: Some(PIN_END),
            secret: true,
        };
        self.play(self.front(), collect, Purpose::Pin, now);
    }

    /// Handles the end of the PIN entry, with or without digits.
    pub(super) fn pin_typed(&mut self, cause: Ended, digits: &str, now: Timestamp) {
        match cause {
            Ended::Collected if digits.is_empty() => self.pin_missed(now),
            Ended::Collected => self.ask_pin(Some(TypedPin(digits.to_owned())), now),
            Ended::Completed | Ended::Stopped | Ended::Failed | Ended::Recorded { .. } | Ended::Classified(_) => {
                self.say_outcome(PROMPT_REFUSED, now)
            }
        }
    }

    fn pin_missed(&mut self, now: Timestamp) {
        let Stage::Feature(Feature { pin: Some(pin), .. }) = &mut self.s.stage else {
            return;
        };
        pin.tries = pin.tries.saturating_add(1);
        if pin.tries < PIN_TRIES_MAX {
            self.collect_pin(PROMPT_PIN_AGAIN, now);
        } else {
            self.say_outcome(PROMPT_REFUSED, now);
        }
    }

    fn ask_agent(&mut self, code: FeatureCode, password: LoginPassword, now: Timestamp) {
        let Caller::Phone(dn) = &self.s.caller else {
            return;
        };
        let request = Request {
            tenant: self.s.tenant.clone(),
            requester: feature_requester(self.s.conn_id),
            reference: ReferenceId(1),
            this_dn: dn.clone(),
            kind: match code {
                FeatureCode::Login => RequestKind::AgentLogin(None, WorkMode::ManualIn, password),
                FeatureCode::Logout => RequestKind::AgentLogout,
                FeatureCode::Ready => RequestKind::AgentReady(WorkMode::ManualIn),
                FeatureCode::NotReady => RequestKind::AgentNotReady(WorkMode::AuxWork),
                FeatureCode::DndOn => RequestKind::SetDndOn,
                FeatureCode::DndOff => RequestKind::SetDndOff,
                FeatureCode::Forward(mode, to) => RequestKind::SetForward(to, mode),
                FeatureCode::ForwardOff => RequestKind::CancelForward,
            },
            reasons: UserData::new(),
            extensions: UserData::new(),
        };
        self.s.timers.arm(Timer::AgentAnswer, now + AGENT_ANSWER);
        self.push(Output::AgentRequest(request));
    }

    pub(super) fn agent_answered(&mut self, done: bool, now: Timestamp) {
        // While the PIN is open, no request has been sent that could have this outcome.
        let Stage::Feature(Feature { pin: None, code, .. }) = &self.s.stage else {
            return;
        };
        self.say_outcome(if done { confirmation(code) } else { PROMPT_REFUSED }, now);
    }

    /// The check of the PIN or the outcome of the request is overdue.
    pub(super) fn feature_overdue(&mut self, now: Timestamp) {
        self.say_outcome(PROMPT_REFUSED, now);
    }

    fn say_outcome(&mut self, prompt: &str, now: Timestamp) {
        let Stage::Feature(feature) = &mut self.s.stage else {
            return;
        };
        if std::mem::replace(&mut feature.told, true) {
            return;
        }
        self.s.timers.disarm(Timer::AgentAnswer);
        let treatment = Treatment::PlayAnnouncement { prompts: vec![prompt.to_owned()] };
        self.play(self.front(), treatment, Purpose::Service, now);
    }
}

fn confirmation(code: &FeatureCode) -> &'static str {
    match code {
        FeatureCode::Login => PROMPT_LOGGED_IN,
        FeatureCode::Logout => PROMPT_LOGGED_OUT,
        FeatureCode::Ready => PROMPT_READY,
        FeatureCode::NotReady => PROMPT_NOT_READY,
        FeatureCode::DndOn | FeatureCode::DndOff | FeatureCode::Forward(..) | FeatureCode::ForwardOff => {
            PROMPT_CONFIRMED
        }
    }
}

/// The requester's name in the request of a feature code's call; the answering event repeats it.
pub fn feature_requester(conn_id: model::ConnId) -> String {
    format!("call:{conn_id}")
}
