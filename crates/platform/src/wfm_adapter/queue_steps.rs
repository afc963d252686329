//! The history of a queue in steps of a quarter of an hour, and sums of them.

use std::time::Duration;

use model::Timestamp;
use stats::{
    Action, Bin, Category, Definition, Engine, Mask, Notification, ObjectId, Profile, Refused, Request, StatisticId,
    Subject, TimeRange,
};

use super::agent_states::KEPT_FOR;
use super::workforce::WorkforceQueue;

/// The least step. Offsets of all time zones are multiples of it, so that days and hours of every tenant begin with one.
pub(super) const STEP: Duration = Duration::from_secs(STEP_S as u64);
const STEP_S: u32 = 900;
/// Whole steps of what is kept, and the present one.
const WINDOW_S: u32 = KEPT_FOR.as_secs() as u32 + STEP_S;

const ANSWERED: Mask = Mask::of(&[Action::CallAnswered]);
const ABANDONED: Mask = Mask::of(&[Action::CallAbandoned, Action::CallAbandonedFromRinging]);

/// The statistics of one queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueStatistics {
    offered: StatisticId,
    answered: StatisticId,
    abandoned: StatisticId,
    talked: StatisticId,
    wrapped_up: StatisticId,
}

/// What happened in a queue during a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct QueueStep {
    pub begin: Timestamp,
    pub offered: u64,
    pub answered: u64,
    pub answered_in_time: u64,
    pub abandoned: u64,
    pub abandoned_shortly: u64,
    /// Calls whose conversation ended.
    pub handled: u64,
    pub answer_time: Duration,
    pub talk_time: Duration,
    pub wrap_up_time: Duration,
}

impl QueueStatistics {
    pub fn open(engine: &mut Engine, name: &str, queue: &WorkforceQueue) -> Result<Self, Refused> {
        let mut open = |category, mask, range: Option<u32>| {
            let definition = Definition::new(&[queue.kind], category, Subject::DNAction, mask);
            let profile = Profile::Sliding { window_s: WINDOW_S, step_s: STEP_S };
            let mut request = Request::new(definition, ObjectId::new(queue.kind, name), profile);
            request.range = range.map(|seconds| TimeRange::up_to_secs(seconds.into()));
            request.notification = Notification::None;
            engine.open(request)
        };
        let (number, in_range) = (Category::TotalNumber, Category::TotalNumberInTimeRange);
        Ok(Self {
            offered: open(number, Mask::of(&[Action::CallEntered]), None)?,
            answered: open(in_range, ANSWERED, Some(queue.service_level_s))?,
            abandoned: open(in_range, ABANDONED, Some(queue.short_abandon_s))?,
            talked: open(number, Mask::of(&[Action::CallReleased]), None)?,
            wrapped_up: open(number, Mask::of(&[Action::ACWCompleted]), None)?,
        })
    }

    pub fn close(self, engine: &mut Engine) {
        for id in [self.offered, self.answered, self.abandoned, self.talked, self.wrapped_up] {
            engine.close(id);
        }
    }

    /// All steps that are kept, the oldest first, the present one last.
    pub fn steps(self, engine: &Engine, now: Timestamp) -> Vec<QueueStep> {
        let bins = |id| engine.bins(id, now).into_iter();
        let of_calls = bins(self.offered).zip(bins(self.answered)).zip(bins(self.abandoned));
        let of_work = bins(self.talked).zip(bins(self.wrapped_up));
        of_calls
            .zip(of_work)
            .map(|(((offered, answered), abandoned), work)| step(&offered, &answered, &abandoned, work))
            .collect()
    }
}

fn step(offered: &Bin, answered: &Bin, abandoned: &Bin, (talked, wrapped_up): (Bin, Bin)) -> QueueStep {
    QueueStep {
        begin: offered.from,
        offered: offered.number,
        answered: answered.number,
        answered_in_time: answered.in_range,
        abandoned: abandoned.number,
        abandoned_shortly: abandoned.in_range,
        handled: talked.number,
        answer_time: answered.time,
        talk_time: talked.time,
        wrap_up_time: wrapped_up.time,
    }
}

impl QueueStep {
    fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.answered += other.answered;
        self.answered_in_time += other.answered_in_time;
        self.abandoned += other.abandoned;
        self.abandoned_shortly += other.abandoned_shortly;
        self.handled += other.handled;
        self.answer_time += other.answer_time;
        self.talk_time += other.talk_time;
        self.wrap_up_time += other.wrap_up_time;
    }

    /// How long a call waited for its answer.
    pub fn average_answer_s(&self) -> Option<f64> {
        average_s(self.answer_time, self.answered)
    }

    /// How long an agent had to do with a call: the conversation and the wrap-up.
    pub fn average_handling_s(&self) -> Option<f64> {
        average_s(self.talk_time + self.wrap_up_time, self.handled)
    }

    /// The percentage of calls that were answered in time, among those that were answered or not abandoned shortly.
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn service_level(&self) -> Option<f64> {
        let of = (self.answered + self.abandoned).saturating_sub(self.abandoned_shortly);
        (of > 0).then(|| thousandths(100.0 * self.answered_in_time as f64 / of as f64))
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn average_s(sum: Duration, count: u64) -> Option<f64> {
    (count > 0).then(|| thousandths(sum.as_secs_f64() / count as f64))
}

fn thousandths(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// Sums of so many steps each, from `from` up to `to`. A step of which a part has not come is a sum of what there is.
pub(super) fn sums(steps: &[QueueStep], from: Timestamp, to: Timestamp, length: Duration) -> Vec<QueueStep> {
    let mut sums: Vec<QueueStep> = Vec::new();
    let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX).max(1);
    for step in steps.iter().filter(|step| step.begin >= from && step.begin < to) {
        let passed = u64::try_from(step.begin.since(from).as_micros()).unwrap_or(u64::MAX);
        let begin = from + Duration::from_micros(passed - passed % micros);
        match sums.last_mut().filter(|sum| sum.begin == begin) {
            Some(sum) => sum.add(step),
            None => sums.push(QueueStep { begin, ..step.clone() }),
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(begin_s: u64, answered: u64) -> QueueStep {
        QueueStep {
            begin: Timestamp::from_millis(begin_s * 1_000),
            answered,
            offered: answered + 1,
            ..QueueStep::default()
        }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn sums_begin_where_they_are_asked_for() {
        let steps = [step(0, 1), step(900, 2), step(1_800, 4), step(2_700, 8), step(3_600, 16)];
        let brief = |sums: Vec<QueueStep>| -> Vec<(u64, u64)> {
            sums.iter().map(|sum| (sum.begin.as_secs(), sum.answered)).collect()
        };
        assert_eq!(brief(sums(&steps, at(900), at(3_600), STEP)), [(900, 2), (1_800, 4), (2_700, 8)]);
        assert_eq!(brief(sums(&steps, at(900), at(4_500), 2 * STEP)), [(900, 6), (2_700, 24)]);
    }

    #[test]
    fn averages_and_levels_are_those_of_the_sums() {
        let mut sum = step(0, 3);
        assert_eq!((sum.average_handling_s(), QueueStep::default().service_level()), (None, None));
        (sum.answered_in_time, sum.abandoned, sum.abandoned_shortly) = (2, 2, 1);
        assert_eq!(sum.service_level(), Some(50.0));
        (sum.handled, sum.talk_time, sum.wrap_up_time) = (2, Duration::from_secs(50), Duration::from_secs(11));
        assert_eq!(sum.average_handling_s(), Some(30.5));
    }
}
