//! What the stores of `infra` are in Redis: records, streams, queues, open threads, leases, registrations, configuration, views and
//! records of signing in.

mod configuration;
pub(super) mod lease_watch;
mod leases;
mod quarantine;
mod queues;
pub(super) mod records;
pub(super) mod registrations;
mod sign_ins;
pub(super) mod streams;
pub(super) mod tenants;
mod threads;
mod views;
mod wait;

use std::sync::Arc;

use bytes::Bytes;
use infra::Room;
use model::{Owner, Stamped};

/// Facts as encoded in the stream.
pub(super) type Facts = Arc<[Bytes]>;

/// Encodes facts for the stream; `owner` is who gives them.
pub(super) fn encoded(events: &[Stamped], owner: Option<&Owner>) -> Facts {
    events.iter().map(|event| contracts::wire::encode_stamped(event, owner).into()).collect()
}

/// The stream length up to which a write is accepted, as scripts take it; 0 for a write that is never refused.
pub(super) fn stream_bytes(room: Room) -> usize {
    if room == Room::Begins { room.stream_bytes() } else { 0 }
}
