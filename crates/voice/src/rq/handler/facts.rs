//! What others report: facts of the tenant's stream, agents from provisioning, calls from their owner, repairs.

use std::collections::HashSet;

use contracts::v1;
use infra::{EventEntry, Position, Repair};
use model::plan::{AgentProfile, CALLS_AT_ONCE};
use model::{AgentId, Event, EventName, SessionName, SkillName, Subject, TenantId, Timestamp};
use routing::RequestId;
use routing::agents::AGENTS_MAX;
use runtime::fact_in_hand::FoldsFacts;

use super::{POSITION_LAG_MAX, TenantQueues};

impl TenantQueues {
    /// Folds entries of the tenant's event stream.
    pub fn observe(&mut self, entries: &[EventEntry], now: Timestamp) {
        for entry in entries {
            let stamped = &entry.event;
            self.position = entry.position;
            // An application's actions reach us through its requests. Its events may also come after the end of its call.
            if let Subject::Session(session) = &stamped.id.subject {
                self.application_told(session, &stamped.event, now);
                continue;
            }
            // Only the call's own facts: events that we have published about it may follow its end.
            if matches!(stamped.id.subject, Subject::Call(_)) {
                self.remember(&stamped.event);
            }
            self.router.observe(&stamped.event, stamped.at, now);
        }
        self.unwritten += entries.len();
    }

    /// Cancels the requests of an ended application. It does so itself, but the message is lost if its node fails first.
    fn application_told(&mut self, session: &SessionName, event: &Event, now: Timestamp) {
        let Some(call) = event.call.as_ref().filter(|_| event.name == EventName::SessionEnded) else { return };
        let is_of = |id: &&RequestId| id.0.strip_prefix(session.as_str()).is_some_and(|rest| rest.starts_with('.'));
        let left: Vec<RequestId> = self.router.of_call(call.conn_id).filter(is_of).cloned().collect();
        for id in left {
            self.router.cancel(&id, now);
        }
    }

    fn remember(&mut self, event: &Event) {
        let Some(call) = &event.call else { return };
        if event.name == EventName::CallDeleted {
            // Kept until the end of the turn: this fact ends the call's requests, and their events name the call.
            self.over.push(call.conn_id);
        } else {
            self.calls.remember(call);
        }
    }

    /// Takes over agents and skills from provisioning.
    pub fn take_agents(&mut self, update: &v1::AgentsUpdate, now: Timestamp) {
        let named: Vec<AgentProfile> = update.agents.iter().filter_map(|agent| profile(&self.tenant, agent)).collect();
        let mut gone: Vec<AgentId> = update.gone.iter().filter_map(|name| AgentId::parse(name).ok()).collect();
        if update.whole {
            let present: HashSet<&AgentId> = named.iter().map(|profile| &profile.agent).collect();
            gone.extend(self.router.profiles().filter(|agent| !present.contains(agent)).cloned());
            self.without_room.clear();
        }
        for agent in &gone {
            self.router.forget_profile(agent);
            self.without_room.remove(agent);
        }
        let before = self.without_room.len();
        for profile in named {
            if self.router.set_profile(&profile, now) {
                self.without_room.remove(&profile.agent);
            } else if self.without_room.len() < AGENTS_MAX {
                self.without_room.insert(profile.agent.clone(), profile);
            }
        }
        let without_room = self.without_room.len();
        if without_room > before {
            let tenant = &self.tenant;
            tracing::error!(%tenant, without_room, most = AGENTS_MAX, "agents have no room in the queues yet: they get no calls");
        }
    }

    /// Gives agents the room that others have left.
    pub(super) fn place_agents(&mut self, now: Timestamp) {
        while let Some((_, profile)) = self.without_room.first_key_value()
            && self.router.set_profile(profile, now)
        {
            self.without_room.pop_first();
        }
    }

    /// Takes over details of a call from its owner.
    pub fn take_call(&mut self, details: v1::CallDetails, now: Timestamp) {
        let Some(call) = details.call.and_then(|call| contracts::wire::call_ref_from_wire(call).ok()) else { return };
        if details.ended {
            // Choose no agent for a caller that has left. Whether an already chosen agent still took the call is known from the stream.
            self.over.push(call.conn_id);
            self.router.abandon_waiting(call.conn_id, now);
            return;
        }
        let bytes = details.user_data.as_ref().map_or(0, prost::Message::encoded_len);
        if let Ok(data) = contracts::wire::user_data_from_wire(details.user_data) {
            self.calls.tell(call, data, bytes);
        }
    }

    /// Carries out a repair: a call that does not exist is over for routing, too.
    pub fn repair(&mut self, repair: &Repair, now: Timestamp) {
        let Subject::Call(conn_id) = repair.subject else { return };
        let request = self.router.of_call(conn_id).next().cloned().unwrap_or_else(|| RequestId(String::new()));
        let end = Event { call: Some(self.call_ref(&request, conn_id)), ..Event::new(EventName::CallDeleted) };
        self.router.observe(&end, now, now);
        self.calls.forget(conn_id);
        let before = self.events.len();
        while let Some(output) = self.router.poll_output() {
            self.perform(output, now);
        }
        self.events.explain(before, &repair.why);
    }
}

impl FoldsFacts for TenantQueues {
    fn fold(&mut self, entry: &EventEntry, now: Timestamp) {
        self.observe(std::slice::from_ref(entry), now);
    }

    fn skip(&mut self, position: Position) {
        self.position = position;
        // The next turn writes it.
        self.unwritten = POSITION_LAG_MAX;
    }
}

fn profile(tenant: &TenantId, agent: &v1::AgentProfile) -> Option<AgentProfile> {
    let skills = agent.skills.iter().filter_map(|skill| {
        Some((SkillName::parse(&skill.skill).ok()?, u16::try_from(skill.level).unwrap_or(u16::MAX)))
    });
    Some(AgentProfile {
        tenant: tenant.clone(),
        agent: AgentId::parse(&agent.agent).ok()?,
        skills: skills.collect(),
        calls_max: agent.calls_max.unwrap_or(CALLS_AT_ONCE),
    })
}
