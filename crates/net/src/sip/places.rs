//! The places of one TCP listener: who may hold how many connections, and for how long. No I/O; time comes in.
//!
//! A connection of strangers has proved nothing: it is a stranger's, or a phone that is about to authenticate. It has a short
//! time, counts against its source, and gives way: to a newcomer of its source once it has had its time to authenticate, and to
//! anybody when all places are taken. Then the source with the most of them loses its oldest. A connection on which a phone has
//! authenticated counts against that phone alone, one from a trunk against its source; neither gives way to a stranger.

use sip::ConnectionId;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::Limits;
use crate::source_block::block;

/// Time until the first whole message of a connection that has proved nothing.
pub const FIRST_MESSAGE_WITHIN: Duration = Duration::from_secs(30);
/// The same after each message: until then a transaction may go on (64·T1).
pub const NEXT_MESSAGE_WITHIN: Duration = Duration::from_secs(32);
/// Age from which a connection that has proved nothing gives way to a newcomer of its source: a phone authenticates within two
/// round trips.
pub const TIME_TO_PROVE: Duration = Duration::from_secs(4);
/// Connections of one phone that count as proven; with one more, the earliest counts as a stranger's again. As many as a phone
/// may register Contacts.
pub const PROVEN_OF_PHONE_MAX: usize = 16;

/// Who is at the other end of connections that share their places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peers {
    /// Anybody.
    Strangers,
    /// Our own roles: their connections neither expire nor give way.
    Ours,
    /// Those to whom we connect: as [`Self::Ours`], and one address may have as many as there are places. A carrier may be reached by as many names
    /// as it has customers, and by each over a connection of its own.
    Called,
}

/// What a connection of the edge has proved to belong to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProvenOwner {
    /// A phone, by a number of the caller's choice.
    Phone(u64),
    /// A trunk, by the connection's source.
    Trunk,
}

/// All places are taken, or those of the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no place is left for a connection of this source")]
pub struct NoPlace;

/// The places of one listener, or of all connections that we open.
#[derive(Debug)]
pub struct PlaceTable {
    peers: Peers,
    all_max: usize,
    of_source_max: usize,
    held: HashMap<ConnectionId, Occupant>,
    /// Per source those that have proved nothing, in order of arrival: numbers grow.
    strangers: HashMap<IpAddr, BTreeSet<ConnectionId>>,
    /// The sources by the number of these.
    crowds: BTreeSet<(usize, IpAddr)>,
    /// When each of these has to have sent its next message.
    due: BTreeSet<(Instant, ConnectionId)>,
    proven: HashMap<Owned, VecDeque<ConnectionId>>,
}

#[derive(Debug)]
struct Occupant {
    source: IpAddr,
    since: Instant,
    standing: Proven,
}

#[derive(Clone, Copy, Debug)]
enum Proven {
    No { due: Instant },
    Yes(Owned),
}

/// A phone, or a trunk's source.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Owned {
    Phone(u64),
    Source(IpAddr),
}

// === impl PlaceTable ===

impl PlaceTable {
    /// All places free.
    pub fn new(limits: &Limits, peers: Peers) -> Self {
        Self {
            peers,
            all_max: limits.connections,
            of_source_max: if peers == Peers::Called { limits.connections } else { limits.connections_per_source },
            held: HashMap::new(),
            strangers: HashMap::new(),
            crowds: BTreeSet::new(),
            due: BTreeSet::new(),
            proven: HashMap::new(),
        }
    }

    /// Gives a place to a new connection; returns the one that has to be closed for it, which holds none any more.
    ///
    /// # Errors
    /// [`NoPlace`]: the new connection must be closed.
    pub fn take(&mut self, id: ConnectionId, peer: IpAddr, now: Instant) -> Result<Option<ConnectionId>, NoPlace> {
        self.take_among(id, peer, self.of_source_max, now)
    }

    /// The same for one whose source is not known yet, since a web server passes it on: there may be as many of that web server as of all.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn take_passed_on(
        &mut self,
        id: ConnectionId,
        peer: IpAddr,
        now: Instant,
    ) -> Result<Option<ConnectionId>, NoPlace> {
        self.take_among(id, peer, self.all_max, now)
    }

    fn take_among(
        &mut self,
        id: ConnectionId,
        peer: IpAddr,
        of_source_max: usize,
        now: Instant,
    ) -> Result<Option<ConnectionId>, NoPlace> {
        let source = block(peer);
        let given_up = self.room_for(source, of_source_max, now)?;
        if let Some(given_up) = given_up {
            self.leave(given_up);
        }
        let due = now + FIRST_MESSAGE_WITHIN;
        self.held.insert(id, Occupant { source, since: now, standing: Proven::No { due } });
        self.add_stranger(id, source, due);
        Ok(given_up)
    }

    /// A whole message came by a connection.
    pub fn heard(&mut self, id: ConnectionId, now: Instant) {
        let Some(occupant) = self.held.get_mut(&id) else { return };
        let Proven::No { due } = &mut occupant.standing else { return };
        self.due.remove(&(*due, id));
        *due = now + NEXT_MESSAGE_WITHIN;
        if self.peers == Peers::Strangers {
            self.due.insert((*due, id));
        }
    }

    /// A connection has proved whose it is. The first proof stands, but a phone's replaces that of its source: a trunk may share
    /// the address of an office.
    pub fn prove(&mut self, id: ConnectionId, proof: ProvenOwner, now: Instant) {
        let Some(occupant) = self.held.get_mut(&id).filter(|_| self.peers == Peers::Strangers) else { return };
        let source = occupant.source;
        let owner = match proof {
            ProvenOwner::Phone(phone) => Owned::Phone(phone),
            ProvenOwner::Trunk => Owned::Source(source),
        };
        let before = match occupant.standing {
            Proven::Yes(Owned::Phone(_)) => return,
            Proven::Yes(known) if known == owner => return,
            before => before,
        };
        occupant.standing = Proven::Yes(owner);
        self.remove(id, source, before);
        let owned = self.proven.entry(owner).or_default();
        owned.push_back(id);
        if matches!(owner, Owned::Phone(_))
            && owned.len() > PROVEN_OF_PHONE_MAX
            && let Some(earliest) = owned.pop_front()
        {
            self.doubt(earliest, now);
        }
    }

    /// The connection has ended.
    pub fn leave(&mut self, id: ConnectionId) {
        if let Some(Occupant { source, standing, .. }) = self.held.remove(&id) {
            self.remove(id, source, standing);
        }
    }

    /// A connection whose time is over and that has to be closed; the caller then calls [`Self::leave`].
    pub fn overdue(&self, now: Instant) -> Option<ConnectionId> {
        self.due.first().filter(|(due, _)| *due <= now).map(|(_, id)| *id)
    }

    /// Which connection gives way to a newcomer of `source`, if any has to.
    fn room_for(&self, source: IpAddr, of_source_max: usize, now: Instant) -> Result<Option<ConnectionId>, NoPlace> {
        let own = self.strangers.get(&source);
        let of_trunk = self.proven.get(&Owned::Source(source)).map_or(0, VecDeque::len);
        let gives_way = self.peers == Peers::Strangers;
        if of_trunk + own.map_or(0, BTreeSet::len) >= of_source_max {
            let oldest = own.and_then(|own| own.first().copied()).filter(|id| gives_way && self.had_its_time(*id, now));
            return oldest.map(Some).ok_or(NoPlace);
        }
        if self.held.len() < self.all_max {
            return Ok(None);
        }
        let crowd = self.crowds.last().and_then(|(_, crowd)| self.strangers.get(crowd)).filter(|_| gives_way);
        crowd.and_then(BTreeSet::first).map(|id| Some(*id)).ok_or(NoPlace)
    }

    fn had_its_time(&self, id: ConnectionId, now: Instant) -> bool {
        self.held.get(&id).is_some_and(|occupant| now.saturating_duration_since(occupant.since) >= TIME_TO_PROVE)
    }

    /// Its phone has too many proven ones: it counts as a stranger's again.
    fn doubt(&mut self, id: ConnectionId, now: Instant) {
        let due = now + NEXT_MESSAGE_WITHIN;
        let Some(occupant) = self.held.get_mut(&id) else { return };
        occupant.standing = Proven::No { due };
        let source = occupant.source;
        self.add_stranger(id, source, due);
    }

    fn add_stranger(&mut self, id: ConnectionId, source: IpAddr, due: Instant) {
        let of_source = self.strangers.entry(source).or_default();
        self.crowds.remove(&(of_source.len(), source));
        of_source.insert(id);
        self.crowds.insert((of_source.len(), source));
        if self.peers == Peers::Strangers {
            self.due.insert((due, id));
        }
    }

    fn remove(&mut self, id: ConnectionId, source: IpAddr, standing: Proven) {
        match standing {
            Proven::No { due } => self.remove_stranger(id, source, due),
            Proven::Yes(owner) => {
                let Some(owned) = self.proven.get_mut(&owner) else { return };
                owned.retain(|other| *other != id);
                if owned.is_empty() {
                    self.proven.remove(&owner);
                }
            }
        }
    }

    fn remove_stranger(&mut self, id: ConnectionId, source: IpAddr, due: Instant) {
        self.due.remove(&(due, id));
        let Some(of_source) = self.strangers.get_mut(&source) else { return };
        self.crowds.remove(&(of_source.len(), source));
        of_source.remove(&id);
        if of_source.is_empty() {
            self.strangers.remove(&source);
        } else {
            self.crowds.insert((of_source.len(), source));
        }
    }
}

#[cfg(test)]
mod tests;
