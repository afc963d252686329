//! Which calls wait in which virtual queue, folded from rq's facts.

use std::collections::{BTreeMap, HashMap};

use contracts::v1;
use contracts::wire;
use infra::Position;
use model::event::CallRef;
use model::{ConnId, DnRole, EventId, EventName, QueueName, Seq, Stamped, Subject, Timestamp, Token, UserData};

/// The most stays that are kept, as many as rq keeps requests: one whose end was lost must not stay for ever.
const STAYS_MAX: usize = infra::bounds::RECORDS_MAX;
/// The extension that names a stay.
const STAY: &str = "RVQID";

/// A call's stay in a virtual queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The virtual queue.
    pub queue: QueueName,
    /// The call.
    pub call: CallRef,
    /// Its data, as they were told last.
    pub user_data: UserData,
    /// Since when it waits here.
    pub since: Timestamp,
}

/// The virtual queues of one tenant at a position of its stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueView {
    /// Up to where the facts are folded.
    pub position: Position,
    /// By the id of the stay, which is that of rq's request.
    stays: BTreeMap<String, Stay>,
    /// The last fact of each queue.
    known: HashMap<QueueName, (Token, Seq)>,
}

impl QueueView {
    /// What rq's rows say, read after the stream stood at `position`.
    pub fn begin(position: Position, stays: impl IntoIterator<Item = (String, Stay)>) -> Self {
        Self { position, stays: stays.into_iter().take(STAYS_MAX).collect(), known: HashMap::new() }
    }

    /// Folds a fact in. Whether it is one of a virtual queue.
    pub fn fold(&mut self, stamped: &Stamped) -> bool {
        let Subject::Queue(queue) = &stamped.id.subject else { return false };
        let event = &stamped.event;
        let Some(call) = &event.call else { return true };
        self.known.insert(queue.clone(), (stamped.id.token, stamped.id.seq));
        let id = event.extensions.text(STAY).map_or_else(|| format!("{queue} {}", call.conn_id), str::to_owned);
        match event.name {
            EventName::Queued if self.stays.len() < STAYS_MAX || self.stays.contains_key(&id) => {
                let stay =
                    || Stay { queue: queue.clone(), call: call.clone(), user_data: UserData::new(), since: stamped.at };
                let stay = self.stays.entry(id).or_insert_with(stay);
                stay.call = call.clone();
                stay.user_data = event.user_data.clone();
            }
            EventName::Diverted | EventName::Abandoned => drop(self.stays.remove(&id)),
            _ => {}
        }
        true
    }

    /// How many stays there are.
    pub fn len(&self) -> usize {
        self.stays.len()
    }

    /// The state for a subscriber; `queues` are those of the configuration.
    pub fn snapshot(&self, queues: Vec<String>) -> v1::Snapshot {
        let mut calls: BTreeMap<ConnId, v1::CallStatus> = BTreeMap::new();
        for stay in self.stays.values() {
            let new = || v1::CallStatus { call: Some(wire::call_ref_to_wire(&stay.call)), ..v1::CallStatus::default() };
            let status = calls.entry(stay.call.conn_id).or_insert_with(new);
            let party = party(stay);
            if let Some(known) = status.parties.iter_mut().find(|known| known.dn == party.dn) {
                // Two requests of a call in one queue: it has waited since the first.
                known.since_us = known.since_us.min(party.since_us);
            } else {
                status.parties.push(party);
            }
            status.changed_at_us = status.changed_at_us.max(stay.since.as_micros());
            if status.user_data.is_none() || !stay.user_data.is_empty() {
                status.user_data = Some(wire::user_data_to_wire(&stay.user_data));
            }
        }
        let known = self.known.iter().map(|(queue, (token, seq))| {
            let subject = Subject::Queue(queue.clone());
            wire::fact_id_to_wire(&EventId { subject, token: *token, seq: *seq })
        });
        v1::Snapshot {
            position: self.position.to_string(),
            calls: calls.into_values().collect(),
            agents: Vec::new(),
            dns_in_service: queues,
            known: known.collect(),
        }
    }
}

fn party(stay: &Stay) -> v1::PartyStatus {
    v1::PartyStatus {
        dn: stay.queue.to_string(),
        state: v1::PartyState::Queued.into(),
        role: Some(wire::dn_role_to_wire(DnRole::Destination)),
        other_dn: stay.call.ani.clone(),
        this_queue: Some(stay.queue.to_string()),
        since_us: stay.since.as_micros(),
    }
}

#[cfg(test)]
mod tests;
