//! Laws over any history. A restored engine continues as if nothing had happened. Repeats and disorder change nothing. The numbers of
//! queues and agents equal those of an oracle that reads the whole list of facts and shares no code with the engine.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const POINTS: [&str; 2] = ["9000", "9001"];
const SEATS: [(&str, &str); 2] = [("5001", "A"), ("5002", "B")];

/// One step of a history: the call, the action and the seconds until the next step.
type Step = (u8, u8, u8);

/// A history that a tenant could have written: steps that do not fit the state of their call are left out.
struct History {
    pen: Pen,
    now: Timestamp,
    facts: Vec<Stamped>,
    calls: BTreeMap<u64, At>,
    next: u64,
}

/// The state of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Waiting(usize),
    Called(usize, usize),
    Ringing(usize, usize),
    Talking(usize, usize),
}

impl History {
    fn of(steps: &[Step]) -> Self {
        let mut history =
            Self { pen: Pen::default(), now: at(0, 0), facts: Vec::new(), calls: BTreeMap::new(), next: 1 };
        for (dn, agent) in SEATS {
            history.agent(agent, dn, EventName::AgentLogin, WorkMode::Unknown);
            history.agent(agent, dn, EventName::AgentReady, WorkMode::ManualIn);
        }
        for (which, what, later) in steps {
            history.now = history.now + Duration::from_secs(u64::from(*later));
            history.step(usize::from(*which), *what);
        }
        history
    }

    fn agent(&mut self, agent: &str, dn: &str, name: EventName, mode: WorkMode) {
        let fact = self.pen.agent(self.now, agent, name, dn, mode);
        self.facts.push(fact);
    }

    fn fact(&mut self, call: u64, name: EventName, dn: &str, change: impl FnOnce(&mut Event)) {
        let fact = self.pen.call(self.now, call, name, dn, change);
        self.facts.push(fact);
    }

    fn at_phone(&mut self, call: u64, name: EventName, point: usize, seat: usize, state: CallState) {
        self.fact(call, name, SEATS[seat].0, |event| {
            event.this_queue = Some(POINTS[point].to_owned());
            event.agent = Some(AgentId::parse(SEATS[seat].1).unwrap());
            event.call_state = Some(state);
        });
    }

    fn step(&mut self, which: usize, what: u8) {
        if what < 3 || self.calls.is_empty() {
            let (call, point) = (self.next, which % POINTS.len());
            self.next += 1;
            self.fact(call, EventName::CallCreated, "", nothing);
            self.fact(call, EventName::Queued, POINTS[point], nothing);
            self.calls.insert(call, At::Waiting(point));
            return;
        }
        if what == 3 {
            let (dn, agent) = SEATS[which % SEATS.len()];
            let (name, mode) = match which % 3 {
                0 => (EventName::AgentNotReady, WorkMode::AuxWork),
                1 => (EventName::AgentNotReady, WorkMode::AfterCallWork),
                _ => (EventName::AgentReady, WorkMode::ManualIn),
            };
            return self.agent(agent, dn, name, mode);
        }
        let Some((call, place)) = self.calls.iter().nth(which % self.calls.len()).map(|(c, p)| (*c, *p)) else {
            return;
        };
        self.move_call(call, place, which, what);
    }

    fn move_call(&mut self, call: u64, place: At, which: usize, what: u8) {
        let seat = which % SEATS.len();
        let next = match (place, what % 3) {
            (At::Waiting(point), 0) => {
                self.fact(call, EventName::Abandoned, POINTS[point], nothing);
                None
            }
            (At::Waiting(point), 1) if what > 8 => {
                let other = 1 - point;
                self.fact(call, EventName::Diverted, POINTS[point], to(POINTS[other]));
                self.fact(call, EventName::Queued, POINTS[other], nothing);
                Some(At::Waiting(other))
            }
            (At::Waiting(point), _) => {
                self.fact(call, EventName::Diverted, POINTS[point], to(SEATS[seat].0));
                Some(At::Called(point, seat))
            }
            (At::Called(point, seat), 0 | 1) => {
                self.at_phone(call, EventName::Ringing, point, seat, CallState::Ok);
                Some(At::Ringing(point, seat))
            }
            (At::Called(..), _) => None,
            (At::Ringing(point, seat), 0) => {
                self.at_phone(call, EventName::Released, point, seat, CallState::NoAnswer);
                self.fact(call, EventName::Queued, POINTS[point], nothing);
                Some(At::Waiting(point))
            }
            (At::Ringing(point, seat), 1) => {
                self.at_phone(call, EventName::Established, point, seat, CallState::Ok);
                Some(At::Talking(point, seat))
            }
            (At::Ringing(point, seat), _) => {
                self.at_phone(call, EventName::Abandoned, point, seat, CallState::Ok);
                None
            }
            (At::Talking(point, seat), _) => {
                self.at_phone(call, EventName::Released, point, seat, CallState::Ok);
                None
            }
        };
        match next {
            Some(next) => drop(self.calls.insert(call, next)),
            None => {
                self.fact(call, EventName::CallDeleted, "", nothing);
                self.calls.remove(&call);
            }
        }
    }
}

/// The counts of a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Counted {
    entered: u64,
    answered: u64,
    answer_time: u64,
    abandoned: u64,
    short: u64,
    waiting: u64,
}

/// Counts by reading the facts of each call from start to end.
fn oracle(facts: &[Stamped], point: &str) -> Counted {
    let mut by_call: BTreeMap<u64, Vec<&Stamped>> = BTreeMap::new();
    for fact in facts {
        if let Subject::Call(id) = &fact.id.subject {
            by_call.entry(id.0).or_default().push(fact);
        }
    }
    let mut counted = Counted::default();
    for call in by_call.values() {
        // The start of the open visit to this route point.
        let (mut since, mut waits): (Option<Timestamp>, bool) = (None, false);
        for fact in call {
            let (name, event) = (fact.event.name, &fact.event);
            let here = event.this_dn.as_ref().is_some_and(|dn| dn.as_str() == point);
            let by_us = event.this_queue.as_deref() == Some(point);
            let Some(began) = since else {
                if here && name == EventName::Queued {
                    counted.entered += 1;
                    (since, waits) = (Some(fact.at), true);
                }
                continue;
            };
            let wait = fact.at.since(began).as_micros();
            match name {
                EventName::Queued if here => waits = true,
                EventName::Queued => since = None,
                EventName::Diverted if here => waits = false,
                EventName::Established if by_us => {
                    counted.answered += 1;
                    counted.answer_time += u64::try_from(wait).unwrap();
                    since = None;
                }
                EventName::Abandoned | EventName::CallDeleted => {
                    counted.abandoned += 1;
                    counted.short += u64::from(wait <= 5_000_000);
                    (since, waits) = (None, false);
                }
                _ => {}
            }
        }
        counted.waiting += u64::from(waits && since.is_some());
    }
    counted
}

/// The statistics of both route points and both agents.
fn statistics(engine: &mut Engine) -> Vec<StatisticId> {
    use Action::{CallAbandoned, CallAbandonedFromRinging, CallAnswered, CallEntered, CallWait};
    let gave_up = [CallAbandoned, CallAbandonedFromRinging];
    let mut ids = Vec::new();
    for point in POINTS {
        let of = |category, actions: &[Action]| day(ObjectType::RoutePoint, point, category, actions);
        let short = TimeRange::up_to_secs(5);
        let mut sliding = of(Category::MaxNumber, &[CallWait]);
        sliding.profile = Profile::Sliding { window_s: 600, step_s: 60 };
        for request in [
            of(Category::TotalNumber, &[CallEntered]),
            of(Category::TotalNumber, &[CallAnswered]),
            of(Category::TotalTime, &[CallAnswered]),
            of(Category::TotalNumber, &gave_up),
            of(Category::TotalNumberInTimeRange, &gave_up).range(short),
            of(Category::CurrentNumber, &[CallWait]),
            of(Category::CurrentMaxTime, &[CallWait]),
            of(Category::TotalAdjustedTime, &[CallWait]),
            sliding,
        ] {
            ids.push(engine.open(request).unwrap());
        }
    }
    for (_, agent) in SEATS {
        let object = ObjectId::new(ObjectType::Agent, agent);
        let state = Definition::new(&[ObjectType::Agent], Category::CurrentState, Of::AgentStatus, Mask::NONE);
        ids.push(engine.open(Request::new(state, object.clone(), Profile::day())).unwrap());
        for (action, subject) in [(Action::WaitForNextCall, Of::DNAction), (Action::CallInbound, Of::AgentStatus)] {
            let time = Definition::new(&[ObjectType::Agent], Category::TotalAdjustedTime, subject, mask(&[action]));
            ids.push(engine.open(Request::new(time, object.clone(), Profile::SinceLogin)).unwrap());
        }
    }
    ids
}

fn values(engine: &Engine, ids: &[StatisticId], now: Timestamp) -> Vec<Value> {
    ids.iter().map(|id| engine.value(*id, now)).collect()
}

fn fresh() -> (Engine, Vec<StatisticId>) {
    let mut engine = Engine::new(Zone::utc());
    let ids = statistics(&mut engine);
    (engine, ids)
}

fn feed(engine: &mut Engine, facts: &[Stamped]) {
    for fact in facts {
        engine.handle_event(fact, fact.at);
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec((0_u8..12, 0_u8..12, 0_u8..20), 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_are_what_the_oracle_counts(steps in steps()) {
        let history = History::of(&steps);
        let (mut engine, ids) = fresh();
        feed(&mut engine, &history.facts);
        let now = values(&engine, &ids, history.now);
        for (point, row) in POINTS.iter().zip(now.chunks(9)) {
            let counted = oracle(&history.facts, point);
            let told = Counted {
                entered: row[0].number(),
                answered: row[1].number(),
                answer_time: u64::try_from(row[2].time().unwrap().as_micros()).unwrap(),
                abandoned: row[3].number(),
                short: row[4].number(),
                waiting: row[5].number(),
            };
            prop_assert_eq!(told, counted);
        }
    }

    #[test]
    fn restore_goes_on_as_if_nothing_had_been(steps in steps(), cut in 0_usize..200) {
        let history = History::of(&steps);
        let cut = cut % (history.facts.len() + 1);
        let (before, after) = history.facts.split_at(cut);
        let (mut whole, ids) = fresh();
        feed(&mut whole, before);
        let mut restored = Engine::restore(whole.snapshot(), Zone::utc());
        let restored_ids = statistics(&mut restored);
        prop_assert_eq!(restored.snapshot(), whole.snapshot());
        for fact in after {
            feed(&mut whole, std::slice::from_ref(fact));
            feed(&mut restored, std::slice::from_ref(fact));
            let (now, then) = (values(&whole, &ids, fact.at), values(&restored, &restored_ids, fact.at));
            prop_assert_eq!(now, then);
        }
        prop_assert_eq!(restored.snapshot(), whole.snapshot());
    }

    // The end of a call is remembered for ten minutes; these histories are shorter.
    #[test]
    fn repeats_change_nothing(
        steps in proptest::collection::vec((0_u8..12, 0_u8..12, 0_u8..7), 1..80), from in 0_usize..200,
    ) {
        let history = History::of(&steps);
        let (mut once, ids) = fresh();
        feed(&mut once, &history.facts);
        let (mut again, again_ids) = fresh();
        feed(&mut again, &history.facts);
        feed(&mut again, &history.facts[from % history.facts.len()..]);
        prop_assert_eq!(values(&once, &ids, history.now), values(&again, &again_ids, history.now));
    }

    #[test]
    fn disorder_within_a_call_changes_nothing(steps in steps(), swaps in proptest::collection::vec(0_usize..200, 0..20)) {
        let history = History::of(&steps);
        let (mut ordered, ids) = fresh();
        feed(&mut ordered, &history.facts);
        let mut facts = history.facts.clone();
        for swap in swaps {
            let at = swap % facts.len();
            // Neighbours of one call are swapped. Facts of several subjects keep the order of their commits.
            if at + 1 < facts.len()
                && facts[at].id.subject == facts[at + 1].id.subject
                && matches!(facts[at].id.subject, Subject::Call(_))
            {
                facts.swap(at, at + 1);
            }
        }
        let (mut shuffled, shuffled_ids) = fresh();
        for fact in &facts {
            shuffled.handle_event(fact, history.now);
        }
        shuffled.handle_timeout(history.now + Duration::from_secs(10));
        prop_assert_eq!(values(&ordered, &ids, history.now), values(&shuffled, &shuffled_ids, history.now));
    }

    #[test]
    fn an_agents_time_adds_up(steps in steps()) {
        let history = History::of(&steps);
        let mut engine = Engine::new(Zone::utc());
        let all = [Action::LoggedIn, Action::WaitForNextCall, Action::NotReadyForNextCall, Action::AfterCallWork,
            Action::CallRinging, Action::CallInbound];
        let ids: Vec<_> = SEATS.map(|(_, agent)| {
            let time = Definition::new(&[ObjectType::Agent], Category::TotalAdjustedTime, Of::AgentStatus, mask(&all));
            let object = ObjectId::new(ObjectType::Agent, agent);
            engine.open(Request::new(time, object, Profile::SinceLogin)).unwrap()
        }).to_vec();
        feed(&mut engine, &history.facts);
        for id in ids {
            prop_assert_eq!(engine.value(id, history.now), Value::Time(history.now.since(at(0, 0))));
        }
    }
}
