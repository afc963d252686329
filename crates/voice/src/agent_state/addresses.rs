//! Requests about addresses: the state of a DN with its agent and its calls, and that of the server.
//!
//! The calls come from the tenant's facts, which agent-state folds anyway. A successor begins with the records of sip-cluster and registrar
//! (see `standing`): the stream keeps facts for minutes only.

mod standing;

use call::address::PartyOn;
use call::agent::{AgentSnapshot, WRAP_UP_TIME, state_name};
use model::agent::Channel;
use model::{AgentState, ConnId, Dn, Event, EventName, Request, RequestKind, Timestamp, UserData, Value};

use super::handler::TenantAgents;
use super::people::Address;

pub(super) use standing::read;

/// The most calls that an answer lists, those that began first; it counts all. More are on route points and queues alone.
pub(super) const CALLS_SHOWN_MAX: usize = 50;

impl TenantAgents {
    /// Carries the request out if it is about an address or the server. Returns whether it is.
    pub(super) fn address_request(&mut self, request: &Request, now: Timestamp) -> bool {
        let name = match request.kind {
            RequestKind::RegisterAddress => EventName::Registered,
            RequestKind::UnregisterAddress => EventName::Unregistered,
            RequestKind::QueryAddress => EventName::AddressInfo,
            RequestKind::QueryServer => EventName::ServerInfo,
            _ => return false,
        };
        let mut event = match name {
            EventName::ServerInfo => self.server_info(),
            EventName::Unregistered => Event::new(name),
            _ => self.address_info(name, &request.this_dn, now),
        };
        event.this_dn = Some(request.this_dn.clone());
        event.reference = request.reference;
        event.requester = Some(request.requester.clone());
        let own = std::mem::replace(&mut event.extensions, request.extensions.clone());
        event.extensions.update(&own);
        self.tell_of_dn(event, now);
        true
    }

    fn server_info(&self) -> Event {
        let mut event = Event::new(EventName::ServerInfo);
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        event.extensions.push("ServerVersion", env!("CARGO_PKG_VERSION"));
        event.extensions.push("Server", self.owner.to_string());
        event.extensions.push("Position", self.position().to_string());
        event.extensions.push("AgentsLoggedIn", self.logged_in());
        event.extensions.push("Calls", count(self.addresses.calls()));
        event.extensions.push("DNs", count(self.people().addresses()));
        event
    }

    /// The state of a DN: its facts after `Position` come on top of it.
    fn address_info(&self, name: EventName, dn: &Dn, now: Timestamp) -> Event {
        let mut event = Event::new(name);
        event.this_dn = Some(dn.clone());
        let told = &mut event.extensions;
        let address = self.people().address(dn);
        told.push("Position", self.position().to_string());
        told.push("AddressType", address.map_or("Unknown", type_name));
        let calls = self.addresses.on(dn);
        told.push("AddressStatus", status(calls.map(|(_, party)| party)));
        if address.is_some_and(Address::is_phone) {
            told.push("InService", i64::from(self.addresses.is_in_service(dn)));
        }
        let calls = self.addresses.on(dn);
        told.push("CallsOnDN", i64::try_from(calls.len()).unwrap_or(i64::MAX));
        let calls: UserData = calls.take(CALLS_SHOWN_MAX).map(|(conn_id, party)| listed(conn_id, party)).collect();
        if !calls.is_empty() {
            told.push("Calls", Value::List(calls));
        }
        if let Some(agent) = self.agent_on(dn) {
            tell_agent(&mut event, agent, now);
        }
        if address.is_some_and(Address::is_phone) { self.with_settings(event) } else { event }
    }
}

/// The agent that is logged in there.
fn tell_agent(event: &mut Event, agent: &AgentSnapshot, now: Timestamp) {
    event.agent = Some(agent.agent.clone());
    event.work_mode = Some(agent.mode);
    event.reasons = agent.reasons.clone();
    let told = &mut event.extensions;
    told.push("AgentState", state_name(agent.state));
    if agent.state == AgentState::AfterCallWork
        && let Some(due) = agent.due
    {
        told.push(WRAP_UP_TIME, i64::try_from(due.since(now).as_secs()).unwrap_or(i64::MAX));
    }
    // Each medium has a state of its own. So far there is one, whose state is the agent's.
    let channels = Channel::ALL.map(|channel| match channel {
        Channel::Voice => (channel.as_str(), state_name(agent.state)),
    });
    told.push("Channels", Value::List(channels.into_iter().collect()));
}

/// A call by its ConnID, with its party on the DN.
fn listed(conn_id: ConnId, party: &PartyOn) -> (String, Value) {
    let mut told = UserData::new();
    told.push("CallType", party.call_type.as_str());
    told.push("PartyState", party.state.as_str());
    told.push("PartyStateNumber", i64::from(party.number()));
    let flags: Vec<&str> = party.flags.names().collect();
    if !flags.is_empty() {
        told.push("PartyFlags", flags.join(" "));
    }
    if let Some(role) = party.role {
        told.push("ThisDNRole", role.as_str());
    }
    if let Some(other) = &party.other_dn {
        told.push("OtherDN", other.as_str());
    }
    if let Some(queue) = &party.this_queue {
        told.push("ThisQueue", queue.as_str());
    }
    told.push("Since", contracts::json::rfc3339(party.since));
    (conn_id.to_string(), Value::List(told))
}

const fn type_name(address: Address) -> &'static str {
    match address {
        Address::Phone { .. } => "DN",
        Address::RoutePoint(_) => "RouteDN",
        Address::Queue => "Queue",
        Address::Service => "Other",
    }
}

/// What a DN does, by the call that occupies it most.
fn status<'a>(parties: impl Iterator<Item = &'a PartyOn>) -> &'static str {
    use call::address::PartyState as State;
    let rank = |state| match state {
        State::Connected => 5,
        State::Alerting => 4,
        State::Dialing | State::Failed => 3,
        State::Held => 2,
        State::Queued => 1,
    };
    match parties.map(|party| party.state).max_by_key(|state| rank(*state)) {
        None => "Idle",
        Some(State::Connected) => "Talking",
        Some(State::Alerting) => "Ringing",
        Some(State::Dialing | State::Failed) => "Dialing",
        Some(State::Held) => "Held",
        Some(State::Queued) => "Treatment",
    }
}
