//! What is told to whom: each stream with the statistics that it has open, and of which of them the value may be another one than it was
//! told. Values are read when a message is taken.

use std::collections::{BTreeSet, HashMap};

use contracts::v1;
use contracts::v1::StatisticRefusal as Why;
use model::Timestamp;
use stats::Value;

use super::{HeldId, StreamId, TenantCounts};
use crate::role::statistics::readings::{self, Telling};
use crate::role::statistics::resolving::RefusedStatistic;

/// The most statistics that a stream has open.
const STREAM_MAX: usize = 2_000;

/// A stream of a client.
#[derive(Debug, Default)]
pub(super) struct FollowingStream {
    open: HashMap<u64, OpenedStatistic>,
    /// References whose values may be others than were told.
    stale: BTreeSet<u64>,
    refused: Vec<v1::StatisticRefused>,
}

/// A statistic that a stream has open.
#[derive(Debug)]
struct OpenedStatistic {
    of: HeldId,
    telling: Telling,
    /// When it is told because time has passed.
    next: Option<Timestamp>,
    told: Option<Value>,
    /// Whether it is told also if the value is the same.
    is_due: bool,
}

impl TenantCounts {
    /// A client follows from now on.
    pub(in crate::role::statistics) fn begin_stream(&mut self, id: StreamId) {
        self.streams.insert(id, FollowingStream::default());
    }

    /// A client follows no more: what it had open is kept for a while.
    pub(in crate::role::statistics) fn end_stream(&mut self, id: StreamId, now: Timestamp) {
        let Some(stream) = self.streams.remove(&id) else { return };
        for (reference, opened) in stream.open {
            self.leave(id, reference, &opened, now);
        }
    }

    /// What a client asks for: what it closes makes room for what it opens.
    pub(in crate::role::statistics) fn ask(
        &mut self,
        id: StreamId,
        asked: v1::FollowStatisticsRequest,
        now: Timestamp,
    ) {
        for reference in asked.close {
            self.close(id, reference, now);
        }
        for one in asked.open {
            let reference = one.reference;
            if let Err(refusal) = self.open(id, one, now)
                && let Some(stream) = self.streams.get_mut(&id)
            {
                stream.refused.push(refusal.told(reference));
            }
        }
    }

    fn open(&mut self, id: StreamId, asked: v1::OpenStatistic, now: Timestamp) -> Result<(), RefusedStatistic> {
        let v1::OpenStatistic { reference, request } = asked;
        let request = request.unwrap_or_default();
        let Some(stream) = self.streams.get(&id) else { return Ok(()) };
        if stream.open.contains_key(&reference) {
            return Err(RefusedStatistic::new(Why::Faulty, "reference: it is open already"));
        }
        if stream.open.len() >= STREAM_MAX {
            return Err(RefusedStatistic::new(
                Why::Full,
                format!("the stream has {STREAM_MAX} statistics open already"),
            ));
        }
        let telling = Telling::read(request.notification.as_ref())?;
        let of = self.hold(request, now)?;
        if let Some(held) = self.held.get_mut(&of) {
            held.readers.insert((id, reference));
        }
        self.set_closed(of, None);
        let next = match telling {
            Telling::Every(time) => Some(now + time),
            _ => None,
        };
        self.periods.extend(next.map(|at| (at, id, reference)));
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.open.insert(reference, OpenedStatistic { of, telling, next, told: None, is_due: true });
            stream.stale.insert(reference);
        }
        Ok(())
    }

    fn close(&mut self, id: StreamId, reference: u64, now: Timestamp) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Some(opened) = stream.open.remove(&reference) else { return };
        stream.stale.remove(&reference);
        self.leave(id, reference, &opened, now);
    }

    fn leave(&mut self, id: StreamId, reference: u64, opened: &OpenedStatistic, now: Timestamp) {
        if let Some(at) = opened.next {
            self.periods.remove(&(at, id, reference));
        }
        let Some(held) = self.held.get_mut(&opened.of) else { return };
        held.readers.remove(&(id, reference));
        if held.readers.is_empty() {
            self.set_closed(opened.of, Some(now));
            self.is_kept = false;
        }
    }

    /// The value of a statistic may be another one.
    pub(super) fn becomes_stale(&mut self, id: HeldId) {
        let Some(held) = self.held.get(&id) else { return };
        for (stream, reference) in &held.readers {
            let Some(stream) = self.streams.get_mut(stream) else { continue };
            if stream.open.get(reference).is_some_and(|opened| opened.telling.follows_changes()) {
                stream.stale.insert(*reference);
            }
        }
    }

    /// What a statistic is of is gone, or it cannot be counted any more: who has it open is told, and has it open no more.
    pub(super) fn refuse_held(&mut self, id: HeldId, refusal: &RefusedStatistic) {
        let Some(held) = self.let_go(id) else { return };
        for (stream_id, reference) in held.readers {
            let Some(stream) = self.streams.get_mut(&stream_id) else { continue };
            let opened = stream.open.remove(&reference);
            stream.stale.remove(&reference);
            stream.refused.push(refusal.clone().told(reference));
            if let Some(at) = opened.and_then(|opened| opened.next) {
                self.periods.remove(&(at, stream_id, reference));
            }
        }
    }

    /// Marks what is told because time has passed.
    pub(super) fn tell_periods(&mut self, now: Timestamp) {
        while let Some((at, id, reference)) = self.periods.first().copied().filter(|(at, ..)| *at <= now) {
            self.periods.remove(&(at, id, reference));
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let Some(opened) = stream.open.get_mut(&reference) else { continue };
            let Telling::Every(time) = opened.telling else { continue };
            // A machine that has slept tells once.
            let next = if at + time > now { at + time } else { now + time };
            (opened.is_due, opened.next) = (true, Some(next));
            stream.stale.insert(reference);
            self.periods.insert((next, id, reference));
        }
    }

    // === output ===

    /// Whether there may be something for a stream; none if there is no such stream.
    pub(in crate::role::statistics) fn has_news(&self, id: StreamId) -> Option<bool> {
        let stream = self.streams.get(&id)?;
        Some(!stream.refused.is_empty() || (self.is_present && !stream.stale.is_empty()))
    }

    /// What a stream is told now, if there is something. Values come only when all facts up to the present have been counted.
    pub(in crate::role::statistics) fn take(
        &mut self,
        id: StreamId,
        now: Timestamp,
    ) -> Option<v1::FollowStatisticsResponse> {
        let is_present = self.is_present;
        let stream = self.streams.get_mut(&id)?;
        let refused = std::mem::take(&mut stream.refused);
        let stale = if is_present { std::mem::take(&mut stream.stale) } else { BTreeSet::new() };
        let values: Vec<v1::StatisticTold> =
            stale.into_iter().filter_map(|reference| self.told(id, reference, now)).collect();
        if values.is_empty() && refused.is_empty() {
            return None;
        }
        Some(v1::FollowStatisticsResponse { values, refused, position: self.position.clone() })
    }

    /// How far it has come, for a stream to which there is nothing else to say.
    pub(in crate::role::statistics) fn sign_of_life(&self) -> v1::FollowStatisticsResponse {
        v1::FollowStatisticsResponse { position: self.position.clone(), ..Default::default() }
    }

    /// The value of a reference, if it is due or has changed by enough.
    fn told(&mut self, id: StreamId, reference: u64, now: Timestamp) -> Option<v1::StatisticTold> {
        let opened = self.streams.get(&id)?.open.get(&reference)?;
        let held = self.held.get(&opened.of)?;
        let value = self.value(&held.resolved, &held.ids, now);
        if !opened.is_due && !opened.telling.is_news(opened.told.as_ref(), &value) {
            return None;
        }
        let since = self.since(&held.resolved, &held.ids, held.opened, now);
        let reading = readings::told(value.clone(), since, now);
        let opened = self.streams.get_mut(&id)?.open.get_mut(&reference)?;
        (opened.told, opened.is_due) = (Some(value), false);
        Some(v1::StatisticTold { reference, value: Some(reading) })
    }
}
