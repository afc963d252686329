//! The facts that ors adds to the tenant's event stream (voice-45): an application started for a call, chose a target, ended.
//!
//! They are committed with the session's step: none is sent for a step that did not happen, none is lost with its node.

use infra::SessionId;
use model::request::{RequestKind, RouteTo};
use model::{
    DnRole, Event, EventId, EventName, Seq, SessionName, Stamped, Subject, TenantId, Timestamp, Token, UserData,
};

use super::call_session::{CallSession, Caller, Command, Ended};

/// Numbers a session's facts within its record's token.
#[derive(Clone)]
pub(super) struct SessionFacts {
    name: Option<SessionName>,
    token: Token,
    last: u64,
}

impl SessionFacts {
    /// The facts of a session from now on, under this token.
    pub fn new(session: &SessionId, token: Token) -> Self {
        // Its id is made of a ConnID and a position, so it is a valid name; a session with an invalid name sends no facts.
        Self { name: SessionName::parse(&session.0).ok(), token, last: 0 }
    }

    /// The application has started.
    pub fn started(&mut self, tenant: &TenantId, caller: &Caller, now: Timestamp) -> Option<Stamped> {
        self.stamp(tenant, caller, Event::new(EventName::SessionStarted), now)
    }

    /// The facts for the commands of a step.
    pub fn of_step(
        &mut self,
        tenant: &TenantId,
        session: &CallSession,
        commands: &[Command],
        now: Timestamp,
    ) -> Vec<Stamped> {
        let queue = session.queueing.as_ref().map(|queueing| queueing.queue.as_str());
        self.of_commands(tenant, &session.caller, queue, commands, now)
    }

    /// The facts for commands without a session; `queue` is the one in which the call waits.
    pub fn of_commands(
        &mut self,
        tenant: &TenantId,
        caller: &Caller,
        queue: Option<&str>,
        commands: &[Command],
        now: Timestamp,
    ) -> Vec<Stamped> {
        let told = commands.iter().filter_map(|command| match command {
            Command::Request { kind: RequestKind::RouteCall(_, RouteTo::Dn { dn, agent }), .. } => {
                let mut event = Event::new(EventName::TargetSelected);
                event.third_party_dn = Some(dn.to_string());
                event.third_party_role = Some(DnRole::Destination);
                event.agent = agent.clone();
                let queue = queue.filter(|queue| agent.is_some() && !queue.is_empty());
                event.this_queue = queue.map(str::to_owned);
                Some(event)
            }
            Command::DefaultRoute => {
                let mut event = Event::new(EventName::TargetSelected);
                event.extensions.push("RouteType", "Default");
                Some(event)
            }
            Command::Ended(how) => Some(ended(how)),
            _ => None,
        });
        let told: Vec<Event> = told.collect();
        told.into_iter().filter_map(|event| self.stamp(tenant, caller, event, now)).collect()
    }

    fn stamp(&mut self, tenant: &TenantId, caller: &Caller, mut event: Event, now: Timestamp) -> Option<Stamped> {
        let name = self.name.clone()?;
        self.last += 1;
        let mut extensions: UserData =
            [("SessionID", name.as_str()), ("Application", caller.application.as_str())].into_iter().collect();
        extensions.update(&event.extensions);
        event.extensions = extensions;
        event.call = Some(caller.call.clone());
        event.this_dn = Some(caller.this_dn.clone());
        event.this_role = Some(DnRole::Destination);
        event.other_dn = caller.call.ani.clone();
        event.other_role = event.other_dn.is_some().then_some(DnRole::Origination);
        event.user_data = caller.user_data.clone();
        let id = EventId { subject: Subject::Session(name), token: self.token, seq: Seq(self.last) };
        Some(Stamped { id, tenant: tenant.clone(), at: now, trace: Some(caller.call.uuid), event })
    }
}

fn ended(how: &Ended) -> Event {
    let mut event = Event::new(EventName::SessionEnded);
    match how {
        Ended::Through => event.extensions.push("Result", "Through"),
        // The reason may quote user input, so it is only in the log.
        Ended::Failed { fault, .. } => {
            event.extensions.push("Result", "Failed");
            event.extensions.push("Fault", fault.as_str());
        }
    }
    event
}
