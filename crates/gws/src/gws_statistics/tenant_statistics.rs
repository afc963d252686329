//! What is open of one tenant at port 2060, and for whom: equal requests are one statistic there, whoever asks. Requests, what tenant tells
//! and `now` go in; what is to be opened and closed comes out. As many as a stream takes go by one lane; there are several.

mod shares;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use contracts::v1;
use model::Timestamp;
use prost::Message as _;

use shares::{OpenShares, OwnProfile};

pub(super) use shares::{StatisticsFull, StatisticsOwner};

/// The most streams of a tenant: fewer than half of those that port 2060 takes of a replica.
pub(super) const LANES_MAX: usize = 10;
/// The most statistics of one: as many as a stream of port 2060 takes.
const LANE_MAX: usize = 2_000;
/// The most statistics that are open at once.
const OPEN_MAX: usize = LANES_MAX * LANE_MAX;
/// The most statistics of a message of that stream.
const AT_ONCE_MAX: usize = 500;
/// How long a statistic stays open that was asked for without being subscribed to: repeated questions find it, and what grows goes on.
const HELD_FOR: Duration = Duration::from_secs(60);
/// After how long tenant is asked again for what it has refused: by then there may be the object, or room.
const REOPENED_AFTER: Duration = Duration::from_secs(10);
/// How long a tenant is followed after nobody has anything open.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// Who has statistics open: a session of somebody.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ReaderId {
    /// The person or program.
    pub subject: Arc<str>,
    /// The session, among those of this replica.
    pub number: u64,
}

/// What is known of an open statistic.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum KnownReading {
    /// Its value.
    Value(v1::StatisticReading),
    /// Tenant does not count it, as it said last then.
    Refused(v1::StatisticRefused, Timestamp),
}

/// What came of a message of tenant: whom it concerns, with the references of their statistics; and whether values come again.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ToldChanges {
    /// The changed statistics of each reader.
    pub of_readers: HashMap<ReaderId, Vec<u64>>,
    /// Whether it is the first message after a break.
    pub is_back: bool,
}

/// The statistics of one tenant.
pub(super) struct TenantStatistics {
    by_request: HashMap<Vec<u8>, u64>,
    open: BTreeMap<u64, SharedStatistic>,
    last_reference: u64,
    lanes: [StatisticsLane; LANES_MAX],
    lanes_used: usize,
    shares: OpenShares,
    used_at: Timestamp,
}

/// What goes by one stream.
#[derive(Default)]
struct StatisticsLane {
    open: usize,
    to_open: BTreeSet<u64>,
    to_close: BTreeSet<u64>,
    /// Whether values come; none before that is known.
    is_available: Option<bool>,
}

/// One that is open.
struct SharedStatistic {
    key: Vec<u8>,
    request: v1::StatisticRequest,
    profile: Option<OwnProfile>,
    lane: usize,
    readers: BTreeSet<ReaderId>,
    /// Who has asked for it without subscribing to it, and until when it stays open for that.
    holders: BTreeMap<StatisticsOwner, Timestamp>,
    known: Option<KnownReading>,
    /// Whether that was told since the stream has broken last.
    is_fresh: bool,
    /// Whether it is open at tenant, or that is on its way.
    is_sent: bool,
}

impl SharedStatistic {
    /// Whether tenant has refused it, and is to be asked again.
    fn is_to_be_reopened(&self, now: Timestamp) -> bool {
        let refused_at = match &self.known {
            Some(KnownReading::Refused(_, at)) => Some(*at),
            _ => None,
        };
        !self.is_sent && refused_at.is_some_and(|at| now.since(at) >= REOPENED_AFTER)
    }

    fn is_of(&self, owner: &StatisticsOwner) -> bool {
        let is_read = match owner {
            StatisticsOwner::Desktops => false,
            StatisticsOwner::Subject(subject) => {
                let first = ReaderId { subject: subject.clone(), number: 0 };
                self.readers.range(first..).next().is_some_and(|reader| reader.subject == *subject)
            }
        };
        is_read || self.holders.contains_key(owner)
    }

    /// Whether a person or a program has it open. Desktops are the first of all owners.
    fn has_subjects(&self) -> bool {
        let last = self.holders.last_key_value();
        !self.readers.is_empty() || last.is_some_and(|(owner, _)| *owner != StatisticsOwner::Desktops)
    }
}

impl ReaderId {
    fn owner(&self) -> StatisticsOwner {
        StatisticsOwner::Subject(self.subject.clone())
    }
}

impl TenantStatistics {
    /// Nothing is open.
    pub fn new(now: Timestamp) -> Self {
        Self {
            by_request: HashMap::new(),
            open: BTreeMap::new(),
            last_reference: 0,
            lanes: std::array::from_fn(|_| StatisticsLane::default()),
            lanes_used: 1,
            shares: OpenShares::default(),
            used_at: now,
        }
    }

    // === what is asked for ===

    /// Opens a statistic for a reader, and returns its reference.
    ///
    /// # Errors
    /// If there are too many.
    pub fn follow(
        &mut self,
        request: &v1::StatisticRequest,
        reader: &ReaderId,
        now: Timestamp,
    ) -> Result<u64, StatisticsFull> {
        let reference = self.taken(request, &reader.owner(), now)?;
        if let Some(statistic) = self.open.get_mut(&reference) {
            statistic.readers.insert(reader.clone());
        }
        Ok(reference)
    }

    /// Opens a statistic for a while, or for a while longer.
    ///
    /// # Errors
    /// If there are too many.
    pub fn hold(
        &mut self,
        request: &v1::StatisticRequest,
        owner: &StatisticsOwner,
        now: Timestamp,
    ) -> Result<u64, StatisticsFull> {
        let reference = self.taken(request, owner, now)?;
        if let Some(statistic) = self.open.get_mut(&reference) {
            statistic.holders.insert(owner.clone(), now + HELD_FOR);
        }
        Ok(reference)
    }

    /// A statistic of somebody's share, which is open from now on.
    fn taken(
        &mut self,
        request: &v1::StatisticRequest,
        owner: &StatisticsOwner,
        now: Timestamp,
    ) -> Result<u64, StatisticsFull> {
        self.used_at = now;
        let (key, profile) = (request.encode_to_vec(), OwnProfile::of(request));
        let known = self.by_request.get(&key).and_then(|reference| Some((*reference, self.open.get(reference)?)));
        let have_subjects = known.is_some_and(|(_, statistic)| statistic.has_subjects());
        let reference = match known {
            Some((reference, statistic)) if statistic.is_of(owner) => return Ok(reference),
            known => {
                self.shares.has_room(owner, have_subjects, profile.as_ref())?;
                match known {
                    Some((reference, _)) => reference,
                    None => self.opened(request, key)?,
                }
            }
        };
        self.shares.take(owner, have_subjects, profile.as_ref());
        Ok(reference)
    }

    fn opened(&mut self, request: &v1::StatisticRequest, key: Vec<u8>) -> Result<u64, StatisticsFull> {
        let mut lanes = self.lanes.iter_mut().enumerate();
        let (place, lane) = lanes.find(|(_, lane)| lane.open < LANE_MAX).ok_or(StatisticsFull::Tenant)?;
        self.last_reference += 1;
        let reference = self.last_reference;
        lane.open += 1;
        lane.to_open.insert(reference);
        self.lanes_used = self.lanes_used.max(place + 1);
        self.by_request.insert(key.clone(), reference);
        let statistic = SharedStatistic {
            key,
            request: request.clone(),
            profile: OwnProfile::of(request),
            lane: place,
            readers: BTreeSet::new(),
            holders: BTreeMap::new(),
            known: None,
            is_fresh: false,
            is_sent: false,
        };
        self.open.insert(reference, statistic);
        Ok(reference)
    }

    /// A reader has a statistic open no longer.
    pub fn unfollow(&mut self, reference: u64, reader: &ReaderId, now: Timestamp) {
        if self.open.get_mut(&reference).is_some_and(|statistic| statistic.readers.remove(reader)) {
            self.leave(reference, &reader.owner());
            self.close_unused(reference, now);
        }
    }

    /// A reader is gone.
    pub fn forget(&mut self, reader: &ReaderId, now: Timestamp) {
        let of_reader = self.open.iter().filter(|(_, statistic)| statistic.readers.contains(reader));
        let references: Vec<u64> = of_reader.map(|(reference, _)| *reference).collect();
        for reference in references {
            self.unfollow(reference, reader, now);
        }
    }

    /// Something of an owner is over; perhaps the owner has it open otherwise.
    fn leave(&mut self, reference: u64, owner: &StatisticsOwner) {
        if let Some(statistic) = self.open.get(&reference).filter(|statistic| !statistic.is_of(owner)) {
            self.shares.leave(owner, statistic.has_subjects(), statistic.profile.as_ref());
        }
    }

    fn close_unused(&mut self, reference: u64, now: Timestamp) {
        let is_unused = |statistic: &SharedStatistic| statistic.readers.is_empty() && statistic.holders.is_empty();
        if !self.open.get(&reference).is_some_and(is_unused) {
            return;
        }
        self.used_at = now;
        let Some(statistic) = self.open.remove(&reference) else { return };
        self.by_request.remove(&statistic.key);
        if let Some(lane) = self.lanes.get_mut(statistic.lane) {
            lane.open -= 1;
            lane.to_open.remove(&reference);
            // What is not open at tenant need not be closed there.
            if statistic.is_sent {
                lane.to_close.insert(reference);
            }
        }
    }

    /// What is known of a statistic.
    pub fn known(&self, reference: u64) -> Option<&KnownReading> {
        self.open.get(&reference)?.known.as_ref()
    }

    /// Whether there is nothing to wait for: of each something is known, as it is now where its stream is read; or it is not open.
    pub fn are_settled(&self, references: &[u64]) -> bool {
        let is_read = |place: usize| self.lanes.get(place).is_some_and(|lane| lane.is_available != Some(false));
        let is_settled =
            |statistic: &SharedStatistic| statistic.known.is_some() && (statistic.is_fresh || !is_read(statistic.lane));
        references.iter().all(|reference| self.open.get(reference).is_none_or(is_settled))
    }

    /// Whether values come, and what is known of each of them is as it is now.
    pub fn are_current(&self, references: &[u64]) -> bool {
        let is_stale = |statistic: &SharedStatistic| statistic.known.is_some() && !statistic.is_fresh;
        let is_one_stale = references.iter().any(|reference| self.open.get(reference).is_some_and(is_stale));
        self.is_available() == Some(true) && !is_one_stale
    }

    // === the stream ===

    /// How many streams are needed; not fewer than before.
    pub const fn lanes_used(&self) -> usize {
        self.lanes_used
    }

    /// A stream is opened: everything of it is to be opened on it.
    pub fn begun(&mut self, place: usize) {
        let Some(lane) = self.lanes.get_mut(place) else { return };
        lane.to_close.clear();
        for (reference, statistic) in self.open.iter_mut().filter(|(_, statistic)| statistic.lane == place) {
            statistic.is_sent = false;
            lane.to_open.insert(*reference);
        }
    }

    /// The next message for tenant on a stream.
    pub fn next_message(&mut self, place: usize) -> Option<v1::FollowStatisticsRequest> {
        let lane = self.lanes.get_mut(place)?;
        if !lane.has_message() {
            return None;
        }
        let mut message = v1::FollowStatisticsRequest::default();
        while message.open.len() < AT_ONCE_MAX
            && let Some(reference) = lane.to_open.pop_first()
        {
            let Some(statistic) = self.open.get_mut(&reference) else { continue };
            statistic.is_sent = true;
            message.open.push(v1::OpenStatistic { reference, request: Some(statistic.request.clone()) });
        }
        while message.close.len() < AT_ONCE_MAX
            && let Some(reference) = lane.to_close.pop_first()
        {
            message.close.push(reference);
        }
        Some(message)
    }

    /// Whether there is a message for tenant on a stream.
    pub fn has_message(&self, place: usize) -> bool {
        self.lanes.get(place).is_some_and(StatisticsLane::has_message)
    }

    /// Takes what tenant tells on a stream.
    pub fn told(&mut self, place: usize, told: v1::FollowStatisticsResponse, now: Timestamp) -> ToldChanges {
        let before = self.is_available();
        self.set_available(place, true);
        let is_back = before != Some(true) && self.is_available() == Some(true);
        let mut changes = ToldChanges { of_readers: HashMap::new(), is_back };
        let values =
            told.values.into_iter().filter_map(|told| Some((told.reference, KnownReading::Value(told.value?))));
        let refused = told.refused.into_iter().map(|refused| (refused.reference, KnownReading::Refused(refused, now)));
        for (reference, known) in values.chain(refused) {
            let Some(statistic) = self.open.get_mut(&reference) else { continue };
            let has_changed = statistic.known.as_ref().is_none_or(|before| says_otherwise(before, &known));
            statistic.is_sent = matches!(known, KnownReading::Value(_));
            (statistic.known, statistic.is_fresh) = (Some(known), true);
            if has_changed {
                for reader in &statistic.readers {
                    changes.of_readers.entry(reader.clone()).or_default().push(reference);
                }
            }
        }
        changes
    }

    /// A stream has ended, or could not be opened. Returns whether values have come until now, or nobody knew.
    pub fn broken(&mut self, place: usize) -> bool {
        let before = self.is_available();
        self.set_available(place, false);
        for statistic in self.open.values_mut().filter(|statistic| statistic.lane == place) {
            statistic.is_fresh = false;
        }
        before != Some(false)
    }

    fn set_available(&mut self, place: usize, is_available: bool) {
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.is_available = Some(is_available);
        }
    }

    /// Whether values come, of all statistics; none before that is known.
    pub fn is_available(&self) -> Option<bool> {
        let known = self.lanes.iter().filter_map(|lane| lane.is_available);
        known.reduce(|all, one| all && one)
    }

    // === time ===

    /// Closes what was asked for a while ago, and opens again what was refused a while ago.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let over = self.open.iter().flat_map(|(reference, statistic)| {
            let over = statistic.holders.iter().filter(move |(_, until)| **until <= now);
            over.map(move |(owner, _)| (*reference, owner.clone()))
        });
        let over: Vec<(u64, StatisticsOwner)> = over.collect();
        for (reference, owner) in over {
            if let Some(statistic) = self.open.get_mut(&reference) {
                statistic.holders.remove(&owner);
            }
            self.leave(reference, &owner);
            self.close_unused(reference, now);
        }
        for (reference, statistic) in self.open.iter().filter(|(_, statistic)| statistic.is_to_be_reopened(now)) {
            if let Some(lane) = self.lanes.get_mut(statistic.lane) {
                lane.to_open.insert(*reference);
            }
        }
    }

    /// Whether nothing is open, and was not for a while.
    pub fn is_unused(&self, now: Timestamp) -> bool {
        self.open.is_empty() && now.since(self.used_at) >= KEPT_FOR
    }

    /// Somebody is there who may ask.
    pub fn touch(&mut self, now: Timestamp) {
        self.used_at = now;
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open.len()
    }
}

impl StatisticsLane {
    fn has_message(&self) -> bool {
        !self.to_open.is_empty() || !self.to_close.is_empty()
    }
}

/// Whether a statistic has another value than before, whenever that was read.
fn says_otherwise(before: &KnownReading, now: &KnownReading) -> bool {
    match (before, now) {
        (KnownReading::Value(before), KnownReading::Value(now)) => before.value != now.value,
        (KnownReading::Refused(before, _), KnownReading::Refused(now, _)) => before.message != now.message,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
