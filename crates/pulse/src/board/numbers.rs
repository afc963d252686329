//! Converts statistics to the wallboard's rows. Every number comes from the engine.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use model::Timestamp;
use stats::{
    Action, Category, Definition, Engine, Mask, ObjectId, ObjectType, Output, Profile, Refused, Request, StateValue,
    StatisticId, Subject, TimeRange, Value,
};

use super::configuration::{Configuration, Point};
use super::rows::{AgentRow, Head, Minute, Numbers, QueueRow, States};

/// The history of a queue: 1,800 seconds, in steps of 60.
const HISTORY: Profile = Profile::Sliding { window_s: 1_800, step_s: 60 };

/// The most route points known as queues from facts: as many as a tenant has numbers.
const TOLD_QUEUES_MAX: usize = 10_000;

const ENTERED: Mask = Mask::of(&[Action::CallEntered]);
const ANSWERED: Mask = Mask::of(&[Action::CallAnswered]);
const ABANDONED: Mask = Mask::of(&[Action::CallAbandoned, Action::CallAbandonedFromRinging]);
const JUDGED: Mask = Mask::of(&[Action::CallAnswered, Action::CallAbandoned, Action::CallAbandonedFromRinging]);
const WAITS: Mask = Mask::of(&[Action::CallWait]);

/// The statistics of one queue.
#[derive(Clone, Debug)]
struct QueueStatistics {
    waiting: StatisticId,
    longest: StatisticId,
    entered: StatisticId,
    answered: StatisticId,
    answer_time: StatisticId,
    average: StatisticId,
    abandoned: StatisticId,
    level: LevelStatistics,
    /// Entered, answered, abandoned, and the greatest number waiting.
    history: [StatisticId; 4],
}

/// The statistics that depend on the thresholds of a queue. All restart when a threshold changes, so that ratios cover one period.
#[derive(Clone, Debug)]
struct LevelStatistics {
    service_level: StatisticId,
    in_time: StatisticId,
    short_abandoned: StatisticId,
    judged: StatisticId,
}

impl LevelStatistics {
    fn open(engine: &mut Engine, dn: &str, point: &Point) -> Result<Self, Refused> {
        let day = |category, mask| queue_request(dn, category, mask, Profile::day());
        let in_time = TimeRange::up_to_secs(point.service_level_s.into());
        let short = TimeRange::up_to_secs(point.short_abandon_s.into());
        let of = [ObjectType::RoutePoint];
        let level = Definition::new(&of, Category::ServiceFactor1, Subject::DNAction, ANSWERED).relative(ABANDONED);
        let level = Request::new(level, ObjectId::new(ObjectType::RoutePoint, dn), Profile::day());
        Ok(Self {
            service_level: engine.open(level.range(in_time).second_range(short))?,
            in_time: engine.open(day(Category::TotalNumberInTimeRange, ANSWERED).range(in_time))?,
            short_abandoned: engine.open(day(Category::TotalNumberInTimeRange, ABANDONED).range(short))?,
            judged: engine.open(day(Category::TotalNumber, JUDGED))?,
        })
    }

    const fn ids(&self) -> [StatisticId; 4] {
        [self.service_level, self.in_time, self.short_abandoned, self.judged]
    }
}

impl QueueStatistics {
    fn open(engine: &mut Engine, dn: &str, point: &Point) -> Result<Self, Refused> {
        let day = |category, mask| queue_request(dn, category, mask, Profile::day());
        let history = |category, mask| queue_request(dn, category, mask, HISTORY);
        Ok(Self {
            waiting: engine.open(day(Category::CurrentNumber, WAITS))?,
            longest: engine.open(day(Category::CurrentMaxTime, WAITS))?,
            entered: engine.open(day(Category::TotalNumber, ENTERED))?,
            answered: engine.open(day(Category::TotalNumber, ANSWERED))?,
            answer_time: engine.open(day(Category::TotalTime, ANSWERED))?,
            average: engine.open(day(Category::AverageTime, ANSWERED))?,
            abandoned: engine.open(day(Category::TotalNumber, ABANDONED))?,
            level: LevelStatistics::open(engine, dn, point)?,
            history: [
                engine.open(history(Category::TotalNumber, ENTERED))?,
                engine.open(history(Category::TotalNumber, ANSWERED))?,
                engine.open(history(Category::TotalNumber, ABANDONED))?,
                engine.open(history(Category::MaxNumber, WAITS))?,
            ],
        })
    }

    /// Applies a new configuration of the queue. Only the statistics that depend on its thresholds restart, and only if these changed.
    fn change(&mut self, engine: &mut Engine, dn: &str, before: &Point, after: &Point) -> Result<(), Refused> {
        let thresholds = |point: &Point| (point.service_level_s, point.short_abandon_s);
        if thresholds(before) != thresholds(after) {
            let old = std::mem::replace(&mut self.level, LevelStatistics::open(engine, dn, after)?);
            old.ids().into_iter().for_each(|id| engine.close(id));
        }
        Ok(())
    }

    fn ids(&self) -> Vec<StatisticId> {
        let mut ids = vec![
            self.waiting,
            self.longest,
            self.entered,
            self.answered,
            self.answer_time,
            self.average,
            self.abandoned,
        ];
        ids.extend(self.level.ids());
        ids.extend(self.history);
        ids
    }

    /// The numbers of the queue, and its parts of the totals.
    fn read(&self, engine: &Engine, threshold: u32, now: Timestamp) -> (Numbers, Parts) {
        let number = |id| engine.value(id, now).number();
        let answered = number(self.answered);
        let average = engine.value(self.average, now).time().filter(|_| answered > 0);
        let parts = Parts {
            in_time: number(self.level.in_time),
            judged: number(self.level.judged),
            answer_time: engine.value(self.answer_time, now).time().unwrap_or_default(),
        };
        let numbers = Numbers {
            waiting: number(self.waiting),
            longest_wait_since: engine.since(self.longest, now).map(Timestamp::as_millis),
            entered: number(self.entered),
            answered,
            abandoned: number(self.abandoned),
            short_abandoned: number(self.level.short_abandoned),
            service_level: engine.value(self.level.service_level, now).ratio(),
            service_level_threshold: Some(threshold),
            average_speed_of_answer_ms: average.map(millis),
        };
        (numbers, parts)
    }

    fn history(&self, engine: &Engine, now: Timestamp) -> Vec<Minute> {
        let [entered, answered, abandoned, waiting] = self.history.map(|id| engine.bins(id, now));
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

fn queue_request(dn: &str, category: Category, mask: Mask, profile: Profile) -> Request {
    let definition = Definition::new(&[ObjectType::RoutePoint], category, Subject::DNAction, mask);
    Request::new(definition, ObjectId::new(ObjectType::RoutePoint, dn), profile)
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
    /// Opens statistics for new objects of the configuration, and closes those of removed ones.
    pub(super) fn configure(&mut self, engine: &mut Engine, configuration: &Configuration) {
        let points = configuration.points();
        self.points.retain(|dn, (_, statistics)| {
            let stays = points.contains_key(dn);
            if !stays {
                statistics.ids().into_iter().for_each(|id| engine.close(id));
            }
            stays
        });
        for (dn, point) in points {
            let outcome = match self.points.get_mut(&dn) {
                Some((known, statistics)) => {
                    let before = std::mem::replace(known, point);
                    statistics.change(engine, &dn, &before, known)
                }
                None => QueueStatistics::open(engine, &dn, &point).map(|statistics| {
                    self.points.insert(dn.clone(), (point, statistics));
                }),
            };
            if let Err(error) = outcome {
                tracing::error!(%dn, %error, "the statistics of a queue are not opened");
            }
            if let Some((_, statistics)) = self.points.get(&dn) {
                let row = RowOf::Queue(dn);
                self.row_of.extend(statistics.ids().into_iter().map(|id| (id, row.clone())));
            }
        }
        self.configure_agents(engine, configuration);
        self.all_stale();
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
                *known = person;
                continue;
            }
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
                state: state_name(&state),
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
        let midnight = self.points.values().find_map(|(_, statistics)| engine.since(statistics.entered, now));
        midnight.into_iter().chain(began).max().unwrap_or(now)
    }

    /// The totals of all queues: sums, and the ratios of the sums.
    fn totals(&self) -> Numbers {
        let mut sum = Numbers::default();
        let mut thresholds = BTreeSet::new();
        for row in self.queues.values() {
            let n = &row.numbers;
            sum.waiting += n.waiting;
            sum.longest_wait_since = [sum.longest_wait_since, n.longest_wait_since].into_iter().flatten().min();
            sum.entered += n.entered;
            sum.answered += n.answered;
            sum.abandoned += n.abandoned;
            sum.short_abandoned += n.short_abandoned;
            thresholds.extend(n.service_level_threshold);
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

const fn state_name(state: &StateValue) -> &'static str {
    match state.status {
        Action::WaitForNextCall => "ready",
        Action::NotReadyForNextCall | Action::LoggedIn => "notReady",
        Action::AfterCallWork => "afterCallWork",
        Action::CallRinging => "ringing",
        Action::CallDialing => "dialing",
        Action::CallOnHold => "onHold",
        Action::CallInbound => "inbound",
        Action::CallOutbound => "outbound",
        Action::CallInternal => "internal",
        Action::CallConsult => "consult",
        Action::LoggedOut => "loggedOut",
        _ => "unknown",
    }
}
