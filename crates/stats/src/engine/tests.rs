//! The meaning of the numbers: the worked example, returning calls, and laws checked against an oracle independent of the engine.

mod example;
mod intervals;
mod joining;
mod laws;
mod limits;
mod queue;

use std::time::Duration;

use model::event::{CallRef, Event, Stamped};
use model::{
    AgentId, CallState, CallType, CallUuid, ConnId, Dn, EventId, EventName, QueueName, Seq, Subject, TenantId,
    Timestamp, Token, UserData, WorkMode,
};

use super::Engine;
use crate::action::{Action, Mask};
use crate::definition::{Category, Definition, ObjectId, ObjectType, Request, Subject as Of};
use crate::profile::{Profile, Zone};
use crate::value::Value;
use crate::{StatisticId, TimeRange};

/// 09:00:00 UTC of some day.
const NINE: u64 = 1_763_629_200;

/// A time of that day by minutes and seconds after nine; negative minutes lie before nine.
fn at(minutes: i64, seconds: u64) -> Timestamp {
    let whole = i64::try_from(NINE).unwrap() + minutes * 60;
    Timestamp::from_millis((u64::try_from(whole).unwrap() + seconds) * 1_000)
}

/// Writes facts as the tenant's owners do, with consecutive identities.
#[derive(Default)]
struct Pen {
    seqs: std::collections::HashMap<Subject, u64>,
}

impl Pen {
    fn stamp(&mut self, subject: Subject, at: Timestamp, event: Event) -> Stamped {
        let seq = self.seqs.entry(subject.clone()).or_default();
        *seq += 1;
        let id = EventId { subject, token: Token(1), seq: Seq(*seq) };
        Stamped { id, tenant: TenantId::parse("acme").unwrap(), at, trace: None, event }
    }

    fn call(
        &mut self,
        at: Timestamp,
        call: u64,
        name: EventName,
        dn: &str,
        change: impl FnOnce(&mut Event),
    ) -> Stamped {
        let mut event = of_call(name, call, dn);
        change(&mut event);
        self.stamp(Subject::Call(ConnId(call)), at, event)
    }

    fn queue(
        &mut self,
        at: Timestamp,
        call: u64,
        name: EventName,
        queue: &str,
        change: impl FnOnce(&mut Event),
    ) -> Stamped {
        let mut event = of_call(name, call, queue);
        change(&mut event);
        self.stamp(Subject::Queue(QueueName::parse(queue).unwrap()), at, event)
    }

    fn agent(&mut self, at: Timestamp, agent: &str, name: EventName, dn: &str, mode: WorkMode) -> Stamped {
        let id = AgentId::parse(agent).unwrap();
        let mut event = Event::new(name);
        event.agent = Some(id.clone());
        event.this_dn = Some(Dn::parse(dn).unwrap());
        event.work_mode = Some(mode);
        self.stamp(Subject::Agent(id), at, event)
    }
}

fn of_call(name: EventName, call: u64, dn: &str) -> Event {
    let mut event = Event::new(name);
    event.call = Some(CallRef {
        conn_id: ConnId(call),
        uuid: CallUuid(call.into()),
        thread: CallUuid(call.into()),
        previous: None,
        call_type: CallType::Inbound,
        propagated_type: None,
        ani: None,
        dnis: None,
    });
    event.call_state = Some(CallState::Ok);
    event.this_dn = (!dn.is_empty()).then(|| Dn::parse(dn).unwrap());
    event.user_data = UserData::new();
    event
}

fn to(dn: &'static str) -> impl FnOnce(&mut Event) {
    move |event| event.third_party_dn = Some(dn.to_owned())
}

fn from_queue(queue: &'static str) -> impl FnOnce(&mut Event) {
    move |event| event.this_queue = Some(queue.to_owned())
}

fn why(state: CallState) -> impl FnOnce(&mut Event) {
    move |event| event.call_state = Some(state)
}

fn nothing(_: &mut Event) {}

/// An engine with shortcuts for its statistics.
struct Bench {
    engine: Engine,
    pen: Pen,
}

impl Bench {
    fn new() -> Self {
        Self { engine: Engine::new(Zone::utc()), pen: Pen::default() }
    }

    fn feed(&mut self, stamped: &Stamped) {
        self.engine.handle_event(stamped, stamped.at);
    }

    fn call(&mut self, at: Timestamp, call: u64, name: EventName, dn: &str, change: impl FnOnce(&mut Event)) {
        let stamped = self.pen.call(at, call, name, dn, change);
        self.feed(&stamped);
    }

    fn queue(&mut self, at: Timestamp, call: u64, name: EventName, queue: &str, change: impl FnOnce(&mut Event)) {
        let stamped = self.pen.queue(at, call, name, queue, change);
        self.feed(&stamped);
    }

    fn agent(&mut self, at: Timestamp, agent: &str, name: EventName, dn: &str, mode: WorkMode) {
        let stamped = self.pen.agent(at, agent, name, dn, mode);
        self.feed(&stamped);
    }

    fn open(&mut self, request: Request) -> StatisticId {
        self.engine.open(request).unwrap()
    }
}

fn mask(actions: &[Action]) -> Mask {
    Mask::of(actions)
}

fn day(of: ObjectType, name: &str, category: Category, actions: &[Action]) -> Request {
    let definition = Definition::new(&[of], category, Of::DNAction, mask(actions));
    Request::new(definition, ObjectId::new(of, name), Profile::day())
}

const fn secs(seconds: u64) -> Value {
    Value::Time(Duration::from_secs(seconds))
}
