//! What a snapshot says of calls and agents, for the statistics.

use contracts::v1::{self, PartyState};
use contracts::wire;
use model::{Timestamp, WorkMode};
use stats::{Joined, JoinedAgent, JoinedCall, JoinedParty, ObjectType};

use super::workforce::Workforce;

pub(super) fn joined(snapshot: v1::Snapshot, workforce: &Workforce) -> Joined {
    let calls = snapshot.calls.into_iter().filter_map(|status| {
        let changed_at = Timestamp::from_micros(status.changed_at_us);
        let call = wire::call_ref_from_wire(status.call?).ok()?;
        let parties = status.parties.into_iter().filter_map(|party| {
            let state = party_state(party.state(), &party.dn, workforce)?;
            Some(JoinedParty { dn: party.dn, state, this_queue: party.this_queue })
        });
        let parties = parties.collect();
        Some(JoinedCall { conn_id: call.conn_id, call_type: call.call_type, changed_at, parties })
    });
    let agents = snapshot.agents.into_iter().map(|agent| JoinedAgent {
        ready: agent.ready,
        after_call_work: agent.work_mode.and_then(|mode| wire::work_mode_from_wire(mode).ok())
            == Some(WorkMode::AfterCallWork),
        since: Timestamp::from_micros(agent.since_us),
        agent: agent.agent,
        dn: agent.dn,
    });
    Joined { calls: calls.collect(), agents: agents.collect() }
}

/// The state of a party; none if it takes no part.
fn party_state(state: PartyState, dn: &str, workforce: &Workforce) -> Option<stats::PartyState> {
    let is_route_point = || workforce.queues.get(dn).is_some_and(|queue| queue.kind == ObjectType::RoutePoint);
    Some(match state {
        PartyState::Dialing => stats::PartyState::Dialing,
        PartyState::Alerting => stats::PartyState::Alerting,
        PartyState::Connected => stats::PartyState::Connected,
        PartyState::Held => stats::PartyState::Held,
        PartyState::Queued if is_route_point() => stats::PartyState::Queued,
        PartyState::Queued => stats::PartyState::QueuedVirtually,
        PartyState::Failed | PartyState::Unspecified => return None,
    })
}
