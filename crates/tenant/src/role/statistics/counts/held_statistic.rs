//! A statistic that is held, and the room that it takes.

use std::collections::BTreeSet;

use contracts::v1;
use model::Timestamp;
use stats::{Profile, StatisticId};

use super::StreamId;
use crate::role::statistics::resolving::ResolvedStatistic;

/// What statistics take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TakenRoom {
    pub(super) statistics: usize,
    pub(super) parts: usize,
    /// Of names and definitions.
    pub(super) bytes: usize,
}

/// A statistic that is held.
#[derive(Debug)]
pub(super) struct HeldStatistic {
    pub(super) request: v1::StatisticRequest,
    /// Bytes of the request.
    pub(super) bytes: usize,
    pub(super) resolved: ResolvedStatistic,
    pub(super) ids: Vec<StatisticId>,
    /// When it was opened first; zero: it counts from the first fact.
    pub(super) opened: Timestamp,
    /// When the last one closed it; none while somebody has it open.
    pub(super) closed: Option<Timestamp>,
    /// Who has it open, by which reference.
    pub(super) readers: BTreeSet<(StreamId, u64)>,
}

impl HeldStatistic {
    /// What it takes.
    pub(super) fn room(&self) -> TakenRoom {
        TakenRoom { statistics: 1, parts: self.ids.len(), bytes: self.bytes }
    }

    /// The time over which it counts, if that is another one than the day.
    pub(super) fn own_profile(&self) -> Option<&Profile> {
        let profile = self.resolved.parts.first().filter(|_| !self.resolved.is_current).map(|part| &part.profile);
        profile.filter(|profile| **profile != Profile::day())
    }

    /// Whether a client has brought its definition; otherwise it has a name that all clients know.
    pub(super) const fn is_of_client(&self) -> bool {
        self.request.definition.is_some()
    }
}
