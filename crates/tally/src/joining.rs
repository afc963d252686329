//! What a subscription begins with: the calls and agents of a tenant at that moment.

use contracts::v1::{self, PartyState};
use contracts::wire;
use model::{Timestamp, WorkMode};
use stats::{Joined, JoinedAgent, JoinedCall, JoinedParty};

/// What an engine joins: the calls and agents of the snapshot. Of a queue where a call waits, `is_route_point` says whether it is a route
/// point, otherwise it is a virtual queue.
pub fn joined(snapshot: v1::Snapshot, is_route_point: impl Fn(&str) -> bool) -> Joined {
    let queue = |dn: &str| !is_route_point(dn);
    let calls = snapshot.calls.into_iter().filter_map(|status| {
        let changed_at = Timestamp::from_micros(status.changed_at_us);
        let call = wire::call_ref_from_wire(status.call?).ok()?;
        let parties = status.parties.into_iter().filter_map(|party| {
            let state = match party.state() {
                PartyState::Dialing => stats::PartyState::Dialing,
                PartyState::Alerting => stats::PartyState::Alerting,
                PartyState::Connected => stats::PartyState::Connected,
                PartyState::Held => stats::PartyState::Held,
                PartyState::Queued if queue(&party.dn) => stats::PartyState::QueuedVirtually,
                PartyState::Queued => stats::PartyState::Queued,
                PartyState::Failed | PartyState::Unspecified => return None,
            };
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
