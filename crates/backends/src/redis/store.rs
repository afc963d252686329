//! What the stores of `infra` are in Redis: records, streams, queues, leases, registrations, configuration and views.

mod configuration;
pub(super) mod lease_watch;
mod leases;
mod quarantine;
pub(super) mod queues;
pub(super) mod records;
mod registrations;
pub(super) mod streams;
pub(super) mod tenants;
mod views;
mod wait;

use infra::Room;
use model::Stamped;

/// Facts as encoded in the stream.
pub(super) fn envelopes(events: &[Stamped]) -> impl Iterator<Item = Vec<u8>> + '_ {
    events.iter().map(contracts::wire::encode_stamped)
}

/// The stream length up to which a write is accepted, as scripts take it; 0 for a write that is never refused.
pub(super) fn stream_bytes(room: Room) -> usize {
    if room == Room::Ends { 0 } else { room.stream_bytes() }
}
