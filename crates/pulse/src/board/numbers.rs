//! Converts statistics to the wallboard's rows. Every number comes from the engine.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use contracts::provisioning::ObjectKind;
use model::Timestamp;
use stats::{
    Action, Category, Definition, Engine, Mask, ObjectId, ObjectType, Output, Profile, Refused, Request, StatisticId,
    Subject, TimeRange, Value,
};

use super::configuration::{AGENT_KINDS, ChangedKinds, Configuration, POINT_KINDS, Point};
use super::rows::{AgentRow, AgentState, Head, Minute, Numbers, QueueRow, States};

/// The history of a queue: 1,800 seconds, in steps of 60.
const HISTORY: Profile = Profile::Sliding { window_s: 1_800, step_s: 60 };

/// The most route points known as queues from facts: as many as a tenant has numbers.
const TOLD_QUEUES_MAX: usize = 10_000;

const ENTERED: Mask = Mask::of(&[Action::CallEntered]);
const ANSWERED: Mask = Mask::of(&[Action::CallAnswered]);
const ABANDONED: Mask = Mask::of(&[Action::CallAbandoned, Action::CallAbandonedFromRinging]);
const JUDGED: Mask = Mask::of(&[Action::CallAnswered, Action::CallAbandoned, Action::CallAbandonedFromRinging]);
const WAITS: Mask = Mask::of(&[Action::CallWait]);

/// A group of statistics of one queue: for each a field, and the request that the engine gets for it.
macro_rules! statistics {
    ($(#[$doc:meta])* struct $name:ident of $queue:ident { $($field:ident: $request:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        struct $name {
            $($field: StatisticId,)*
        }

        impl $name {
            fn open(engine: &mut Engine, $queue: &Queue<'_>) -> Result<Self, Refused> {
                Ok(Self { $($field: engine.open($request)?,)* })
            }

            const fn ids(&self) -> [StatisticId; [$(stringify!($field)),*].len()] {
                [$(self.$field),*]
            }
        }
    };
}

statistics! {
    /// The statistics of the day that an import does not restart.
    struct DayStatistics of queue {
        waiting: queue.day(Category::CurrentNumber, WAITS),
        longest: queue.day(Category::CurrentMaxTime, WAITS),
        entered: queue.day(Category::TotalNumber, ENTERED),
        answered: queue.day(Category::TotalNumber, ANSWERED),
        answer_time: queue.day(Category::TotalTime, ANSWERED),
        average: queue.day(Category::AverageTime, ANSWERED),
        abandoned: queue.day(Category::TotalNumber, ABANDONED),
    }
}

statistics! {
    /// The statistics that depend on the thresholds of a queue. All restart when a threshold changes, so that ratios cover one period.
    struct LevelStatistics of queue {
        service_level: queue.service_level(),
        in_time: queue.day(Category::TotalNumberInTimeRange, ANSWERED).range(queue.in_time()),
        short_abandoned: queue.day(Category::TotalNumberInTimeRange, ABANDONED).range(queue.short()),
        judged: queue.day(Category::TotalNumber, JUDGED),
    }
}

statistics! {
    /// The statistics of the last half hour, by the minute.
    struct HistoryStatistics of queue {
        entered: queue.history(Category::TotalNumber, ENTERED),
        answered: queue.history(Category::TotalNumber, ANSWERED),
        abandoned: queue.history(Category::TotalNumber, ABANDONED),
        waiting: queue.history(Category::MaxNumber, WAITS),
    }
}

/// A queue whose statistics are opened.
struct Queue<'a> {
    dn: &'a str,
    point: &'a Point,
}

impl Queue<'_> {
    fn day(&self, category: Category, mask: Mask) -> Request {
        self.request(self.definition(category, mask), Profile::day())
    }

    fn history(&self, category: Category, mask: Mask) -> Request {
        self.request(self.definition(category, mask), HISTORY)
    }

    fn service_level(&self) -> Request {
        let level = self.definition(Category::ServiceFactor1, ANSWERED).relative(ABANDONED);
        self.request(level, Profile::day()).range(self.in_time()).second_range(self.short())
    }

    fn definition(&self, category: Category, mask: Mask) -> Definition {
        Definition::new(&[ObjectType::RoutePoint], category, Subject::DNAction, mask)
    }

    fn request(&self, definition: Definition, profile: Profile) -> Request {
        Request::new(definition, ObjectId::new(ObjectType::RoutePoint, self.dn), profile)
    }

    fn in_time(&self) -> TimeRange {
        TimeRange::up_to_secs(self.point.service_level_s.into())
    }

    fn short(&self) -> TimeRange {
        TimeRange::up_to_secs(self.point.short_abandon_s.into())
    }
}

/// The statistics of one queue.
#[derive(Clone, Debug)]
struct QueueStatistics {
    day: DayStatistics,
    level: LevelStatistics,
    history: HistoryStatistics,
}

impl QueueStatistics {
    fn open(engine: &mut Engine, queue: &Queue<'_>) -> Result<Self, Refused> {
        Ok(Self {
            day: DayStatistics::open(engine, queue)?,
            level: LevelStatistics::open(engine, queue)?,
            history: HistoryStatistics::open(engine, queue)?,
        })
    }

    /// Applies a new configuration of the queue. Only the statistics that depend on its thresholds restart, and only if these changed.
    fn change(&mut self, engine: &mut Engine, before: &Point, queue: &Queue<'_>) -> Result<(), Refused> {
        let thresholds = |point: &Point| (point.service_level_s, point.short_abandon_s);
        if thresholds(before) != thresholds(queue.point) {
            let old = std::mem::replace(&mut self.level, LevelStatistics::open(engine, queue)?);
            old.ids().into_iter().for_each(|id| engine.close(id));
        }
        Ok(())
    }

    fn ids(&self) -> impl Iterator<Item = StatisticId> + use<> {
        self.day.ids().into_iter().chain(self.level.ids()).chain(self.history.ids())
    }

    /// The numbers of the queue, and its parts of the totals.
    fn read(&self, engine: &Engine, threshold: u32, now: Timestamp) -> (Numbers, Parts) {
        let Self { day, level, .. } = self;
        let number = |id| engine.value(id, now).number();
        let answered = number(day.answered);
        let average = engine.value(day.average, now).time().filter(|_| answered > 0);
        let parts = Parts {
            in_time: number(level.in_time),
            judged: number(level.judged),
            answer_time: engine.value(day.answer_time, now).time().unwrap_or_default(),
        };
        let numbers = Numbers {
            waiting: number(day.waiting),
            longest_wait_since: engine.since(day.longest, now).map(Timestamp::as_millis),
            entered: number(day.entered),
            answered,
            abandoned: number(day.abandoned),
            short_abandoned: number(level.short_abandoned),
            service_level: engine.value(level.service_level, now).ratio(),
            service_level_threshold: Some(threshold),
            average_speed_of_answer_ms: average.map(millis),
        };
        (numbers, parts)
    }

    fn history(&self, engine: &Engine, now: Timestamp) -> Vec<Minute> {
        let bins = |id| engine.bins(id, now);
        let HistoryStatistics { entered, answered, abandoned, waiting } = self.history;
        let (entered, answered, abandoned, waiting) = (bins(entered), bins(answered), bins(abandoned), bins(waiting));
        let rest = answered.iter().zip(&abandoned).zip(&waiting);
        let minutes = entered.iter().zip(rest).map(|(entered, ((answered, abandoned), waiting))| Minute {
            from: entered.from.as_millis(),
            entered: entered.number,
            answered: answered.number,
            abandoned: abandoned.number,
            waiting_max: waiting.number,
        });
        minutes.collect()
    }
}

/// The parts of the totals that are not among the numbers of a queue.
#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    in_time: u64,
    /// Answered or abandoned calls since the last change of the thresholds.
    judged: u64,
    answer_time: Duration,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum RowOf {
    Queue(String),
    Agent(String),
}

/// A tenant's open statistics and the rows computed from them.
#[derive(Debug, Default)]
pub(super) struct Board {
    points: BTreeMap<String, (Point, QueueStatistics)>,
    people: BTreeMap<String, (super::configuration::Person, StatisticId)>,
    row_of: HashMap<StatisticId, RowOf>,
    /// Route points known as queues from facts: calls wait there for agents.
    pub(super) told_queues: BTreeSet<String>,
    stale: BTreeSet<String>,
    stale_agents: BTreeSet<String>,
    parts: BTreeMap<String, Parts>,
    pub(super) queues: BTreeMap<String, QueueRow>,
    pub(super) agents: BTreeMap<String, AgentRow>,
}

impl Board {
    /// Opens statistics for new objects of the configuration, and closes those of removed ones, where objects have changed. The rows of
    /// what is as it was stay as they are.
    pub(super) fn configure(&mut self, engine: &mut Engine, configuration: &Configuration, changed: &ChangedKinds) {
        if POINT_KINDS.iter().any(|kind| changed.contains(kind)) {
            self.configure_points(engine, configuration);
        }
        if AGENT_KINDS.iter().any(|kind| changed.contains(kind)) {
            self.configure_agents(engine, configuration);
        }
        // The day may begin at another time.
        if changed.contains(&ObjectKind::Tenant) {
            self.all_stale();
        }
    }

    fn configure_points(&mut self, engine: &mut Engine, configuration: &Configuration) {
        let points = configuration.points();
        self.points.retain(|dn, (_, statistics)| {
            let stays = points.contains_key(dn);
            if !stays {
                statistics.ids().for_each(|id| engine.close(id));
            }
            stays
        });
        for (dn, point) in points {
            if self.points.get(&dn).is_some_and(|(known, _)| *known == point) {
                continue;
            }
            self.stale.insert(dn.clone());
            let outcome = match self.points.get_mut(&dn) {
                Some((known, statistics)) => {
                    let before = std::mem::replace(known, point);
                    statistics.change(engine, &before, &Queue { dn: &dn, point: known })
                }
                None => QueueStatistics::open(engine, &Queue { dn: &dn, point: &point }).map(|statistics| {
                    self.points.insert(dn.clone(), (point, statistics));
                }),
            };
            if let Err(error) = outcome {
                tracing::error!(%dn, %error, "the statistics of a queue are not opened");
            }
            if let Some((_, statistics)) = self.points.get(&dn) {
                let row = RowOf::Queue(dn);
                self.row_of.extend(statistics.ids().map(|id| (id, row.clone())));
            }
        }
    }

    fn configure_agents(&mut self, engine: &mut Engine, configuration: &Configuration) {
        let people = configuration.agents();
        self.people.retain(|id, (_, statistic)| {
            let stays = people.contains_key(id);
            if !stays {
                engine.close(*statistic);
            }
            stays
        });
        for (id, person) in people {
            if let Some((known, _)) = self.people.get_mut(&id) {
                if *known != person {
                    *known = person;
                    self.stale_agents.insert(id);
                }
                continue;
            }
            self.stale_agents.insert(id.clone());
            let of = [ObjectType::Agent];
            let state = Definition::new(&of, Category::CurrentState, Subject::AgentStatus, Mask::NONE);
            let object = ObjectId::new(ObjectType::Agent, &id);
            match engine.open(Request::new(state, object, Profile::day())) {
                Ok(statistic) => {
                    self.row_of.insert(statistic, RowOf::Agent(id.clone()));
                    self.people.insert(id, (person, statistic));
                }
                Err(error) => tracing::error!(agent = %id, %error, "the statistic of an agent is not opened"),
            }
        }
    }

    fn all_stale(&mut self) {
        self.stale = self.points.keys().cloned().collect();
        self.stale_agents = self.people.keys().cloned().collect();
    }

    /// A board for a new engine, without open statistics. Keeps the queues known from facts.
    pub(super) fn anew(self) -> Self {
        Self { told_queues: self.told_queues, ..Self::default() }
    }

    /// Takes the engine's outputs; returns whether there were any.
    pub(super) fn take_outputs(&mut self, engine: &mut Engine) -> bool {
        let mut any = false;
        while let Some(output) = engine.poll_output() {
            any = true;
            match output {
                Output::Rolled => self.stale = self.points.keys().cloned().collect(),
                Output::Changed(id) => match self.row_of.get(&id) {
                    Some(RowOf::Queue(dn)) => drop(self.stale.insert(dn.clone())),
                    Some(RowOf::Agent(agent)) => drop(self.stale_agents.insert(agent.clone())),
                    None => {}
                },
            }
        }
        any
    }

    /// Marks a route point as a queue: a fact shows that calls wait there for agents.
    pub(super) fn is_queue(&mut self, dn: &str) {
        let has_room = self.told_queues.len() < TOLD_QUEUES_MAX;
        if has_room && !self.told_queues.contains(dn) && self.told_queues.insert(dn.to_owned()) {
            self.stale.insert(dn.to_owned());
        }
    }

    /// Computes the rows again that may have changed.
    pub(super) fn refresh(&mut self, engine: &Engine, counts_since: Timestamp, now: Timestamp) {
        for dn in std::mem::take(&mut self.stale) {
            let Some((point, statistics)) = self.points.get(&dn) else { continue };
            if !point.queues && !self.told_queues.contains(&dn) {
                continue;
            }
            let (numbers, parts) = statistics.read(engine, point.service_level_s, now);
            let history = statistics.history(engine, now);
            self.parts.insert(dn.clone(), parts);
            self.queues.insert(dn.clone(), QueueRow { id: dn, name: point.name.clone(), numbers, history });
        }
        self.queues.retain(|dn, _| self.points.get(dn).is_some_and(|(p, _)| p.queues || self.told_queues.contains(dn)));
        self.parts.retain(|dn, _| self.queues.contains_key(dn));
        for agent in std::mem::take(&mut self.stale_agents) {
            let Some((person, statistic)) = self.people.get(&agent) else { continue };
            let Value::State(state) = engine.value(*statistic, now) else { continue };
            let row = AgentRow {
                name: person.name.clone(),
                extension: state.dn.clone().or_else(|| person.extension.clone()),
                state: AgentState::of(state.status),
                since: state.since.unwrap_or(counts_since).as_millis(),
                reason: state.reason,
                id: agent.clone(),
            };
            self.agents.insert(agent, row);
        }
        self.agents.retain(|agent, _| self.people.contains_key(agent));
    }

    /// The common head of every message.
    pub(super) fn head(
        &self,
        position: &str,
        engine: &Engine,
        counts_since: Option<Timestamp>,
        event_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Head {
        Head {
            position: position.to_owned(),
            at: now.as_millis(),
            event_at: event_at.map(Timestamp::as_millis),
            counts_since: self.counts_since(engine, counts_since, now).as_millis(),
            totals: self.totals(),
            states: States::count(self.agents.values()),
        }
    }

    /// The start of the counts of the day.
    pub(super) fn counts_since(&self, engine: &Engine, began: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let midnight = self.points.values().find_map(|(_, statistics)| engine.since(statistics.day.entered, now));
        midnight.into_iter().chain(began).max().unwrap_or(now)
    }

    /// The totals of all queues: sums, and the ratios of the sums.
    fn totals(&self) -> Numbers {
        let mut sum = Numbers::default();
        let mut thresholds = BTreeSet::new();
        for row in self.queues.values() {
            // Every number is named, so that a new one is not forgotten here. Ratios come from the sums.
            let Numbers {
                waiting,
                longest_wait_since,
                entered,
                answered,
                abandoned,
                short_abandoned,
                service_level: _,
                service_level_threshold,
                average_speed_of_answer_ms: _,
            } = row.numbers;
            sum.waiting += waiting;
            sum.longest_wait_since = sum.longest_wait_since.into_iter().chain(longest_wait_since).min();
            sum.entered += entered;
            sum.answered += answered;
            sum.abandoned += abandoned;
            sum.short_abandoned += short_abandoned;
            thresholds.extend(service_level_threshold);
        }
        let in_time: u64 = self.parts.values().map(|parts| parts.in_time).sum();
        let judged: u64 = self.parts.values().map(|parts| parts.judged).sum();
        let answer_time: Duration = self.parts.values().map(|parts| parts.answer_time).sum();
        sum.service_level = percent(in_time, judged.saturating_sub(sum.short_abandoned));
        sum.service_level_threshold = thresholds.pop_first().filter(|_| thresholds.is_empty());
        sum.average_speed_of_answer_ms = millis(answer_time).checked_div(sum.answered);
        sum
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
