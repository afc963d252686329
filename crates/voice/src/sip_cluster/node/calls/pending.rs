//! Requests of the node within dialogs, other than INVITE, that have no answer yet.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use call::call::Seat;
use model::{ConnId, LegId, Timestamp};
use sip::agent::RequestId;

use super::leg::Place;

/// A probe that waits for its answer.
#[derive(Clone, Copy)]
pub struct Probe {
    /// The leg whose party is probed.
    pub place: Place,
    /// Until when the party may answer.
    pub until: Timestamp,
    /// Whether media has reported silence: then the result counts even while the party's proxy is away.
    pub unheard: bool,
}

/// A treatment that must be stopped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stop {
    /// Its call.
    pub conn_id: ConnId,
    /// Its leg.
    pub leg: LegId,
    /// The number of the treatment.
    pub id: u32,
    /// Whether it is the echo.
    pub echo: bool,
}

/// What a request was sent for.
#[derive(Clone, Copy)]
pub enum Pending {
    /// To find out whether a party is still there: an OPTIONS.
    Probe(Probe),
    /// To ask a phone to answer: a NOTIFY.
    Talk(ConnId, LegId),
    /// To tell a carrier a key: an INFO.
    Key(ConnId, LegId),
    /// To end a treatment: an INFO to media.
    Stop(Stop),
    /// To move a leg to that room: an INFO to media.
    Join(Place, Option<Seat>),
    /// To start the treatment of that number: an INFO to media.
    Treatment(ConnId, LegId, u32),
}

/// The requests that wait for an answer.
#[derive(Default)]
pub struct PendingRequests {
    /// INFOs that start a treatment, until media has answered.
    treatments: HashMap<RequestId, (ConnId, LegId, u32)>,
    /// INFOs that end a treatment, until media has answered.
    stops: HashMap<RequestId, Stop>,
    /// Treatments whose end media has not confirmed.
    unstopped: BTreeSet<Stop>,
    /// Liveness probes that are not answered yet.
    probes: BTreeMap<RequestId, Probe>,
    /// INFOs that move a leg, until media has answered.
    joins: HashMap<RequestId, (Place, Option<Seat>)>,
    /// NOTIFYs that ask a phone to answer, until the phone accepts or refuses.
    talks: HashMap<RequestId, (ConnId, LegId)>,
    /// INFOs that tell a carrier a key, until it has answered.
    keys: HashMap<RequestId, (ConnId, LegId)>,
}

impl PendingRequests {
    /// A request was sent.
    pub fn insert(&mut self, request: RequestId, sent_for: Pending) {
        match sent_for {
            Pending::Probe(probe) => drop(self.probes.insert(request, probe)),
            Pending::Talk(conn_id, leg) => drop(self.talks.insert(request, (conn_id, leg))),
            Pending::Key(conn_id, leg) => drop(self.keys.insert(request, (conn_id, leg))),
            Pending::Stop(stop) => drop(self.stops.insert(request, stop)),
            Pending::Join(place, seat) => drop(self.joins.insert(request, (place, seat))),
            Pending::Treatment(conn_id, leg, id) => drop(self.treatments.insert(request, (conn_id, leg, id))),
        }
    }

    /// A request was answered: what it was sent for.
    pub fn take(&mut self, request: RequestId) -> Option<Pending> {
        if let Some(probe) = self.probes.remove(&request) {
            return Some(Pending::Probe(probe));
        }
        if let Some((conn_id, leg)) = self.talks.remove(&request) {
            return Some(Pending::Talk(conn_id, leg));
        }
        if let Some((conn_id, leg)) = self.keys.remove(&request) {
            return Some(Pending::Key(conn_id, leg));
        }
        if let Some(stop) = self.stops.remove(&request) {
            return Some(Pending::Stop(stop));
        }
        if let Some((place, seat)) = self.joins.remove(&request) {
            return Some(Pending::Join(place, seat));
        }
        self.treatments.remove(&request).map(|(conn_id, leg, id)| Pending::Treatment(conn_id, leg, id))
    }

    /// Takes the probes that were not answered in time.
    pub fn take_overdue_probes(&mut self, now: Timestamp) -> Vec<Probe> {
        let is_overdue = |(_, probe): &(&RequestId, &Probe)| probe.until <= now;
        let overdue: Vec<RequestId> = self.probes.iter().filter(is_overdue).map(|(request, _)| *request).collect();
        overdue.iter().filter_map(|request| self.probes.remove(request)).collect()
    }

    /// Media has not been told, or does not confirm: the stop must be repeated.
    pub fn repeat_later(&mut self, stop: Stop) {
        self.unstopped.insert(stop);
    }

    /// Takes the stops that must be repeated.
    pub fn take_unstopped(&mut self) -> BTreeSet<Stop> {
        std::mem::take(&mut self.unstopped)
    }

    /// The legs of a thread have become those of another one, by numbers that are greater by so much. A leg that was on its way to a room is
    /// told again.
    pub fn moved(&mut self, from: ConnId, into: ConnId, by: u16) {
        let leg = |leg: &mut LegId| leg.0 = leg.0.saturating_add(by);
        // They have been stopped, and their numbers mean others here.
        self.treatments.retain(|_, (of, ..)| *of != from);
        let of_legs = self.talks.values_mut().chain(self.keys.values_mut());
        for (of, at) in of_legs.filter(|(of, _)| *of == from) {
            *of = into;
            leg(at);
        }
        for stop in self.stops.values_mut().filter(|stop| stop.conn_id == from) {
            stop.conn_id = into;
            leg(&mut stop.leg);
        }
        for place in self.probes.values_mut().map(|probe| &mut probe.place).filter(|place| place.conn_id == from) {
            place.conn_id = into;
            leg(&mut place.leg);
        }
        let theirs: Vec<Stop> = self.unstopped.iter().filter(|stop| stop.conn_id == from).copied().collect();
        for mut stop in theirs {
            self.unstopped.remove(&stop);
            stop.conn_id = into;
            leg(&mut stop.leg);
            self.unstopped.insert(stop);
        }
        self.joins.retain(|_, (place, _)| place.conn_id != from);
    }

    /// The call is gone, and with it all that it waits for. These contain only pending requests, so they are short.
    pub fn forget(&mut self, conn_id: ConnId) {
        self.treatments.retain(|_, (of, ..)| *of != conn_id);
        self.stops.retain(|_, stop| stop.conn_id != conn_id);
        self.unstopped.retain(|stop| stop.conn_id != conn_id);
        self.probes.retain(|_, probe| probe.place.conn_id != conn_id);
        self.talks.retain(|_, (of, _)| *of != conn_id);
        self.keys.retain(|_, (of, _)| *of != conn_id);
        self.joins.retain(|_, (place, _)| place.conn_id != conn_id);
    }

    /// How many treatments are being started.
    #[cfg(test)]
    pub fn treatments(&self) -> usize {
        self.treatments.len()
    }

    /// How many probes are under way.
    #[cfg(test)]
    pub fn probes(&self) -> usize {
        self.probes.len()
    }

    /// How many treatments are being stopped.
    #[cfg(test)]
    pub fn stops(&self) -> usize {
        self.stops.len() + self.unstopped.len()
    }
}
