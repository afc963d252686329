//! What every request about an agent does in every state of one: the book's table, made by trying each.

use std::fmt::Write;

use model::event::CallRef;
use model::request::{ForcedState, LoginPassword};
use model::{
    AgentId, CallState, CallType, CallUuid, ConnId, Dn, Event, EventName, ReferenceId, Request, RequestKind, TenantId,
    Timestamp, UserData, WorkMode,
};

use super::{AgentTable, Input, Output, Profile, WRAP_UP_TIME, state_name};
use crate::call::BUSINESS_CALL;

#[cfg(test)]
mod tests;

/// The phone of the agent that is tried.
const HERE: &str = "7101";
/// Another phone.
const ELSEWHERE: &str = "7102";
/// The agent that is tried, and another one.
const AGENTS: [&str; 2] = ["1001", "1002"];
/// The reference of the request that is tried.
const REFERENCE: ReferenceId = ReferenceId(7);

/// A state, with the name of the table's column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Start {
    LoggedOut,
    NotReady,
    Ready,
    AfterCallWork,
    LegalGuard,
    BusyReady,
    BusyNotReady,
    BusyAfterCallWork,
}

const STATES: [Start; 8] = [
    Start::LoggedOut,
    Start::NotReady,
    Start::Ready,
    Start::AfterCallWork,
    Start::LegalGuard,
    Start::BusyReady,
    Start::BusyNotReady,
    Start::BusyAfterCallWork,
];

/// A request, with the name of the table's row.
struct Tried {
    name: &'static str,
    agent: &'static str,
    at: &'static str,
    kind: RequestKind,
    wrap_up_s: Option<i64>,
}

/// What a request did.
#[derive(Clone, PartialEq, Eq, Debug)]
struct RequestOutcome {
    /// The events that answer the request, and those that follow from it.
    events: Vec<Event>,
    /// The state afterwards.
    state: &'static str,
}

/// An agent of the table, driven by hand.
struct Site {
    table: AgentTable,
    now: Timestamp,
}

impl Site {
    /// An agent in that state; `None` if a name of this file is none.
    fn in_state(state: Start) -> Option<Self> {
        let mut site = Self { table: AgentTable::new(TenantId::parse("t").ok()?), now: Timestamp::from_millis(1_000) };
        let login = RequestKind::AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent);
        let not_ready = RequestKind::AgentNotReady(WorkMode::AuxWork);
        if state != Start::LoggedOut {
            site.ask(AGENTS[0], HERE, login, None)?;
        }
        match state {
            Start::LoggedOut | Start::Ready => {}
            Start::NotReady => site.ask(AGENTS[0], HERE, not_ready, None)?,
            Start::AfterCallWork => site.call(EventName::Released)?,
            Start::LegalGuard => {
                site.call(EventName::Released)?;
                site.now = site.now + std::time::Duration::from_secs(10);
                for agent in site.table.due(site.now) {
                    site.table.handle_due(&agent, site.now);
                }
            }
            Start::BusyReady => site.call(EventName::Established)?,
            Start::BusyNotReady => {
                site.call(EventName::Established)?;
                site.ask(AGENTS[0], HERE, not_ready, None)?;
            }
            Start::BusyAfterCallWork => {
                site.call(EventName::Established)?;
                site.ask(AGENTS[0], HERE, RequestKind::AgentNotReady(WorkMode::AfterCallWork), None)?;
            }
        }
        while site.table.poll_output().is_some() {}
        Some(site)
    }

    fn ask(&mut self, agent: &str, at: &str, kind: RequestKind, wrap_up_s: Option<i64>) -> Option<()> {
        let mut profile = Profile::new(AgentId::parse(agent).ok()?);
        (profile.wrap_up_ms, profile.legal_guard_ms) = (10_000, 5_000);
        let mut extensions = UserData::new();
        if let Some(seconds) = wrap_up_s {
            extensions.push(WRAP_UP_TIME, seconds);
        }
        let request = Request {
            tenant: TenantId::parse("t").ok()?,
            requester: String::new(),
            reference: REFERENCE,
            this_dn: Dn::parse(at).ok()?,
            kind,
            reasons: UserData::new(),
            extensions,
        };
        self.table.handle(Input::Request { request, profile: Some(profile) }, self.now);
        Some(())
    }

    /// A business call on the agent's phone, up to that event.
    fn call(&mut self, last: EventName) -> Option<()> {
        for name in [EventName::Ringing, EventName::Established, EventName::Released] {
            let mut event = Event::new(name);
            event.call = Some(CallRef {
                conn_id: ConnId(1),
                uuid: CallUuid(1),
                thread: CallUuid(1),
                previous: None,
                call_type: CallType::Inbound,
                propagated_type: None,
                ani: None,
                dnis: None,
            });
            event.this_dn = Some(Dn::parse(HERE).ok()?);
            event.call_state = Some(CallState::Ok);
            event.extensions.push(BUSINESS_CALL, 1);
            self.table.handle(Input::Call(&event), self.now);
            if name == last {
                break;
            }
        }
        Some(())
    }

    /// The state of the agent at [`HERE`], or of the one that is tried.
    fn state(&self) -> &'static str {
        let agent = AgentId::parse(AGENTS[0]).ok().and_then(|agent| self.table.agent(&agent));
        agent.map_or("LoggedOut", |agent| if agent.is_guarded() { "LegalGuard" } else { state_name(agent.state) })
    }

    fn outcome(mut self, tried: &Tried) -> Option<RequestOutcome> {
        self.ask(tried.agent, tried.at, tried.kind.clone(), tried.wrap_up_s)?;
        let mut events = Vec::new();
        while let Some(output) = self.table.poll_output() {
            events.push(match output {
                Output::Fact(fact) => fact.event,
                Output::Refused { request, code, text } => {
                    let error = Some((code, text.to_owned()));
                    Event { error, reference: request.reference, ..Event::new(EventName::Error) }
                }
            });
        }
        Some(RequestOutcome { events, state: self.state() })
    }
}

/// The rows of the table.
fn requests() -> Option<Vec<Tried>> {
    use RequestKind::{AgentLogin, AgentLogout, AgentNotReady, AgentReady, ForceAgentState};
    let own = |name, kind| Tried { name, agent: AGENTS[0], at: HERE, kind, wrap_up_s: None };
    let wraps_up =
        |name, seconds| Tried { wrap_up_s: Some(seconds), ..own(name, AgentNotReady(WorkMode::AfterCallWork)) };
    let here = Dn::parse(HERE).ok()?;
    let force =
        |name, state| Tried { at: ELSEWHERE, agent: AGENTS[1], ..own(name, ForceAgentState(here.clone(), state)) };
    Some(vec![
        own("`TAgentLogin`, `ManualIn`", AgentLogin(None, WorkMode::ManualIn, LoginPassword::Absent)),
        own("`TAgentLogin`, `AutoIn`", AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent)),
        Tried {
            at: ELSEWHERE,
            ..own(
                "`TAgentLogin` of this agent at another DN",
                AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent),
            )
        },
        Tried {
            agent: AGENTS[1],
            ..own(
                "`TAgentLogin` of another agent at this DN",
                AgentLogin(None, WorkMode::AutoIn, LoginPassword::Absent),
            )
        },
        own("`TAgentLogin` with a wrong `Password`", AgentLogin(None, WorkMode::AutoIn, LoginPassword::Wrong)),
        own("`TAgentLogin`, `AfterCallWork`", AgentLogin(None, WorkMode::AfterCallWork, LoginPassword::Absent)),
        own("`TAgentLogout`", AgentLogout),
        own("`TAgentSetReady`, `ManualIn`", AgentReady(WorkMode::ManualIn)),
        own("`TAgentSetReady`, `AuxWork`", AgentReady(WorkMode::AuxWork)),
        own("`TAgentSetNotReady`, `AuxWork`", AgentNotReady(WorkMode::AuxWork)),
        own("`TAgentSetNotReady`, `WalkAway`", AgentNotReady(WorkMode::WalkAway)),
        own("`TAgentSetNotReady`, `LegalGuard`", AgentNotReady(WorkMode::LegalGuard)),
        own("`TAgentSetNotReady`, `AfterCallWork`", AgentNotReady(WorkMode::AfterCallWork)),
        wraps_up("the same with `WrapUpTime` 30", 30),
        wraps_up("the same with `WrapUpTime` 0", 0),
        wraps_up("the same with `WrapUpTime` 1000", 1_000),
        force("`TForceAgentState`, `LoggedOut`", ForcedState::LoggedOut),
        force("`TForceAgentState`, `NotReady`", ForcedState::NotReady),
        force("`TForceAgentState`, `Ready`", ForcedState::Ready),
    ])
}

/// The table, as a part of a page of the book: a row for each request, a column for each state. The agent has a wrap-up of 10 s and a
/// rest of 5 s.
pub fn markdown() -> String {
    let mut page = String::from("| request |");
    // Writing into a String cannot fail, here and below.
    for state in STATES {
        let _ = write!(page, " {state:?} |");
    }
    page.push_str("\n|---|");
    page.push_str(&"---|".repeat(STATES.len()));
    page.push('\n');
    for tried in requests().unwrap_or_default() {
        let _ = write!(page, "| {} |", tried.name);
        for state in STATES {
            let outcome = Site::in_state(state).and_then(|site| site.outcome(&tried));
            let _ = write!(page, " {} |", outcome.map(|outcome| cell(state, &outcome)).unwrap_or_default());
        }
        page.push('\n');
    }
    page
}

/// An outcome in words: the events or the error's number, then the state if it is another one.
fn cell(before: Start, outcome: &RequestOutcome) -> String {
    let told: Vec<String> = outcome.events.iter().map(in_words).collect();
    let mut text = told.join(", ");
    if outcome.state != format!("{before:?}") {
        let _ = write!(text, " → **{}**", outcome.state);
    }
    text
}

fn in_words(event: &Event) -> String {
    if let Some((code, _)) = &event.error {
        return format!("error {}", code.0);
    }
    let name = event.name.as_str().trim_start_matches("Event");
    match event.extensions.get(WRAP_UP_TIME) {
        Some(model::Value::Int(seconds)) => format!("{name} ({seconds} s)"),
        _ => name.to_owned(),
    }
}
