//! How much room a tenant's statistics take, and which of them nobody has open: these make room for others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{AddAssign, SubAssign};

use contracts::v1::StatisticRefusal as Why;
use model::Timestamp;
use stats::Profile;

use super::HeldId;
use super::held_statistic::{HeldStatistic, TakenRoom};
use crate::role::statistics::resolving::RefusedStatistic;

/// The most statistics of a tenant that are open or were within the last day.
pub(super) const HELD_MAX: usize = 60_000;
/// The most parts of them: a statistic of a group has one for each of its agents.
pub(super) const PARTS_MAX: usize = 200_000;
/// The most bytes of their names and definitions.
const BYTES_MAX: usize = 32 << 20;

/// The most different time profiles of definitions that clients bring: half of those that there may be, so that the tenant's own statistics
/// find room.
pub(super) const PROFILES_OF_CLIENTS_MAX: usize = 128;

/// The statistics of a time profile.
#[derive(Debug, Default, PartialEq, Eq)]
struct HeldProfile {
    /// How many of them somebody has open.
    wanted: usize,
    /// How many have a name that all clients know.
    named: usize,
    /// Those that nobody has open, by when the last one closed them.
    unwanted: BTreeSet<(Timestamp, HeldId)>,
}

/// What all statistics of a tenant take, and which of them could go.
#[derive(Debug, Default)]
pub(super) struct HeldRoom {
    all: TakenRoom,
    /// What those take that nobody has open.
    of_unwanted: TakenRoom,
    /// Those, by when the last one closed them.
    unwanted: BTreeSet<(Timestamp, HeldId)>,
    /// The time profiles beside the day.
    profiles: BTreeMap<Profile, HeldProfile>,
}

impl HeldRoom {
    pub(super) fn add(&mut self, id: HeldId, held: &HeldStatistic) {
        self.all += held.room();
        if let Some(closed) = held.closed {
            self.of_unwanted += held.room();
            self.unwanted.insert((closed, id));
        }
        let Some(profile) = held.own_profile() else { return };
        let of_profile = self.profiles.entry(profile.clone()).or_default();
        of_profile.named += usize::from(!held.is_of_client());
        match held.closed {
            Some(closed) => {
                of_profile.unwanted.insert((closed, id));
            }
            None => of_profile.wanted += 1,
        }
    }

    pub(super) fn remove(&mut self, id: HeldId, held: &HeldStatistic) {
        self.all -= held.room();
        if let Some(closed) = held.closed {
            self.of_unwanted -= held.room();
            self.unwanted.remove(&(closed, id));
        }
        let Some(profile) = held.own_profile() else { return };
        let Some(of_profile) = self.profiles.get_mut(profile) else { return };
        of_profile.named -= usize::from(!held.is_of_client());
        match held.closed {
            Some(closed) => {
                of_profile.unwanted.remove(&(closed, id));
            }
            None => of_profile.wanted -= 1,
        }
        if of_profile.wanted == 0 && of_profile.unwanted.is_empty() {
            self.profiles.remove(profile);
        }
    }

    /// Whether there is room for more.
    pub(super) fn is_enough_for(&self, more: TakenRoom) -> bool {
        self.all.expect_room(more).is_ok()
    }

    /// Refuses what would have no room even if all went that nobody has open.
    pub(super) fn expect_room(&self, more: TakenRoom) -> Result<(), RefusedStatistic> {
        let mut wanted = self.all;
        wanted -= self.of_unwanted;
        wanted.expect_room(more)
    }

    /// Which one nobody has had open for longest, and since when.
    pub(super) fn longest_unwanted(&self) -> Option<(Timestamp, HeldId)> {
        self.unwanted.first().copied()
    }

    /// Whether definitions of clients may have one more time profile.
    pub(super) fn has_room_for_profile_of_client(&self) -> bool {
        self.profiles.values().filter(|of_profile| of_profile.named == 0).count() < PROFILES_OF_CLIENTS_MAX
    }

    /// All statistics of the time profile that nobody has had open for longest: without them there is one less. For a client's definition
    /// none goes that has a name.
    pub(super) fn longest_unwanted_profile(&self, is_for_client: bool) -> Option<Vec<HeldId>> {
        let could_go = |of: &&HeldProfile| of.wanted == 0 && (of.named == 0 || !is_for_client);
        let profile =
            self.profiles.values().filter(could_go).min_by_key(|of_profile| of_profile.unwanted.last().copied())?;
        Some(profile.unwanted.iter().map(|(_, id)| *id).collect())
    }
}

impl TakenRoom {
    fn expect_room(self, more: Self) -> Result<(), RefusedStatistic> {
        let full = |rule: String| Err(RefusedStatistic::new(Why::Full, rule));
        if self.statistics + more.statistics > HELD_MAX {
            return full(format!("the tenant has {HELD_MAX} statistics open already"));
        }
        if self.parts + more.parts > PARTS_MAX {
            return full(format!(
                "object_id: a group's statistic has a part for each agent, and those of the tenant have at most {PARTS_MAX} together"
            ));
        }
        if self.bytes + more.bytes > BYTES_MAX {
            return full(format!(
                "definition: those of the tenant's statistics have at most {BYTES_MAX} bytes together"
            ));
        }
        Ok(())
    }
}

impl AddAssign for TakenRoom {
    fn add_assign(&mut self, more: Self) {
        self.statistics += more.statistics;
        self.parts += more.parts;
        self.bytes += more.bytes;
    }
}

impl SubAssign for TakenRoom {
    fn sub_assign(&mut self, less: Self) {
        self.statistics -= less.statistics;
        self.parts -= less.parts;
        self.bytes -= less.bytes;
    }
}

#[cfg(test)]
mod tests {
    use stats::{Action, Category, Definition, Engine, Mask, ObjectId, ObjectType, Profile, Request, Subject};

    use super::*;
    use crate::role::statistics::resolving::{ResolvedStatistic, Together};

    fn held(parts: usize, closed: Option<u64>) -> HeldStatistic {
        let calls = Mask::of(&[Action::CallInbound]);
        let definition = Definition::new(&[ObjectType::RegDN], Category::TotalNumber, Subject::DNAction, calls);
        let request = Request::new(definition, ObjectId::new(ObjectType::RegDN, "7101"), Profile::day());
        let id = Engine::new(stats::Zone::utc()).open(request).unwrap();
        HeldStatistic {
            request: contracts::v1::StatisticRequest::default(),
            bytes: 100,
            resolved: ResolvedStatistic { parts: Vec::new(), together: Together::SumOfNumbers, is_current: false },
            ids: vec![id; parts],
            opened: Timestamp::ZERO,
            closed: closed.map(Timestamp::from_micros),
            readers: BTreeSet::new(),
        }
    }

    fn parts(parts: usize) -> TakenRoom {
        TakenRoom { statistics: 1, parts, bytes: 100 }
    }

    #[test]
    fn what_nobody_has_open_makes_room_and_goes_for_nothing_that_would_have_none() {
        let mut room = HeldRoom::default();
        let (open, closed) = (held(150_000, None), held(40_000, Some(5)));
        room.add(HeldId(1), &open);
        room.add(HeldId(2), &closed);
        assert_eq!(room.expect_room(parts(50_001)).unwrap_err().why, Why::Full);
        assert!(room.is_enough_for(parts(10_000)));
        assert!(room.expect_room(parts(50_000)).is_ok() && !room.is_enough_for(parts(50_000)));
        assert_eq!(room.longest_unwanted(), Some((Timestamp::from_micros(5), HeldId(2))));
        room.remove(HeldId(2), &closed);
        assert!(room.is_enough_for(parts(50_000)));
        room.remove(HeldId(1), &open);
        assert_eq!((room.all, room.of_unwanted, room.longest_unwanted()), Default::default());
    }

    #[test]
    fn statistics_and_bytes_are_bounded_too() {
        let most = TakenRoom { statistics: HELD_MAX - 1, parts: 0, bytes: BYTES_MAX - 100 };
        assert!(most.expect_room(parts(1)).is_ok());
        assert!(TakenRoom { statistics: HELD_MAX, ..most }.expect_room(parts(1)).is_err());
        assert!(TakenRoom { bytes: BYTES_MAX, ..most }.expect_room(parts(1)).is_err());
    }
}
