//! A thread under test. Every input goes to two threads: one that continues and one restored from its snapshots.

use std::time::Duration;

use model::event::ErrorCode;
use model::plan::{Caller, Contact, Destination, Outside, PlanAnswer, Way};
use model::request::{RequestKind, RouteTo, Treatment};
use model::{CallUuid, ConnId, Dn, Event, LegId, ReferenceId, Request, TenantId, Timestamp, Token, UserData};

use crate::Thread;
use crate::call::{Asked, CALLER_LEG, CallSnapshot, Incoming, Input, OUTPUTS_MAX, Output, Replaced};

pub const CONN: ConnId = ConnId(0x0070_0392_f1a4_c001);
/// The first consultation; the next ones have the numbers that follow.
pub const CONSULTATION: ConnId = ConnId(CONN.0 + 1);
pub const ANI: &str = "+4930123456";

pub fn dn(text: &str) -> Dn {
    Dn::parse(text).expect("a DN")
}

pub struct Bench {
    pub call: Thread,
    /// Consultations that were asked for.
    pub consultations: u64,
    pub now: Timestamp,
    /// Outputs since the last check.
    pub outputs: Vec<Output>,
    /// The reference of requests.
    pub reference: ReferenceId,
    /// The legs on which phones have made further calls, and how many outputs there were before.
    pub own_legs: Vec<(LegId, usize)>,
    /// Every fact so far.
    pub facts: Vec<model::Stamped>,
}

impl Bench {
    pub fn new(caller: Caller, dialled: &str) -> Self {
        let now = Timestamp::from_millis(1_763_622_000_000);
        let incoming = Incoming {
            tenant: TenantId::parse("t1").expect("a tenant"),
            conn_id: CONN,
            uuid: CallUuid(7),
            token: Token(1),
            caller,
            dialled: dialled.to_owned(),
        };
        Self::of(Thread::new(incoming, now), now)
    }

    /// A call made by request from this phone.
    pub fn made(from: &str, dialled: &str) -> Self {
        let now = Timestamp::from_millis(1_763_622_000_000);
        let incoming = Incoming {
            tenant: TenantId::parse("t1").expect("a tenant"),
            conn_id: CONN,
            uuid: CallUuid(7),
            token: Token(1),
            caller: Caller::Phone(dn(from)),
            dialled: dialled.to_owned(),
        };
        let asked = Asked {
            this_dn: dn(from),
            requester: "desk".to_owned(),
            reference: ReferenceId(17),
            reasons: UserData::new(),
            no_answer_ms: None,
        };
        let data: UserData = [("Order", "4711")].into_iter().collect();
        Self::of(Thread::originate(incoming, asked, data, now), now)
    }

    /// A predictive call for that route point.
    pub fn predicted(point: &str, dialled: &str) -> Self {
        Self::predicted_by(Thread::predict, point, dialled)
    }

    /// The same, and it is to be known who answers.
    pub fn classified(point: &str, dialled: &str) -> Self {
        Self::predicted_by(Thread::predict_class, point, dialled)
    }

    fn predicted_by(predict: fn(Incoming, Asked, UserData, Timestamp) -> Thread, point: &str, dialled: &str) -> Self {
        let now = Timestamp::from_millis(1_763_622_000_000);
        let incoming = Incoming {
            tenant: TenantId::parse("t1").expect("a tenant"),
            conn_id: CONN,
            uuid: CallUuid(7),
            token: Token(1),
            caller: Caller::Phone(dn(point)),
            dialled: dialled.to_owned(),
        };
        let asked = Asked {
            this_dn: dn(point),
            requester: "dialler".to_owned(),
            reference: ReferenceId(17),
            reasons: UserData::new(),
            no_answer_ms: None,
        };
        let data: UserData = [("GSW_PHONE", dialled)].into_iter().collect();
        Self::of(predict(incoming, asked, data, now), now)
    }

    fn of(call: Thread, now: Timestamp) -> Self {
        let reference = ReferenceId(17);
        let mut bench = Self {
            call,
            consultations: 0,
            now,
            outputs: Vec::new(),
            reference,
            own_legs: Vec::new(),
            facts: Vec::new(),
        };
        bench.drain();
        bench
    }

    pub fn inbound() -> Self {
        Self::new(Caller::Trunk { trunk: "carrier".to_owned(), number: ANI.to_owned() }, "9000")
    }

    pub fn internal(dialled: &str) -> Self {
        Self::new(Caller::Phone(dn("5001")), dialled)
    }

    /// A call on route point 9000, answered.
    pub fn waiting() -> Self {
        let mut bench = Self::inbound();
        bench.plan(point("9000", None));
        bench.give(Input::LegAnswered(CALLER_LEG));
        bench
    }

    /// A call routed to 5001, which rings.
    pub fn ringing() -> (Self, LegId) {
        let mut bench = Self::ringing_at("5001");
        let leg = LegId(bench.call.first().numbers.leg - 1);
        bench.take();
        (bench, leg)
    }

    /// A call routed to that phone, which rings.
    pub fn ringing_at(number: &str) -> Self {
        let mut bench = Self::waiting();
        bench.ask(RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn(number), agent: None }), "9000");
        let leg = bench.plan_rings(number);
        bench.give(Input::LegRinging(leg));
        bench
    }

    pub fn talking() -> (Self, LegId) {
        let (mut bench, leg) = Self::ringing();
        bench.give(Input::LegAnswered(leg));
        (bench, leg)
    }

    /// The phone at `from` makes a further call by itself; the leg and the id of that call.
    pub fn dials(&mut self, from: &str, number: &str) -> (LegId, ConnId) {
        self.consultations += 1;
        let incoming = Incoming {
            tenant: TenantId::parse("t1").expect("a tenant"),
            conn_id: ConnId(CONN.0 + self.consultations),
            uuid: CallUuid(7 + u128::from(self.consultations)),
            token: Token(1),
            caller: Caller::Phone(dn(from)),
            dialled: number.to_owned(),
        };
        let conn_id = incoming.conn_id;
        let leg = self.call.add(incoming, self.now);
        self.own_legs.push((leg, self.outputs.len()));
        self.drain();
        (leg, conn_id)
    }

    /// The phone at `from` calls to take a place; its leg, unless it is refused.
    pub fn joins(&mut self, of: Replaced, from: &str) -> Option<LegId> {
        if of == Replaced::Parked {
            let slot = self.call.parked_slots().next()?.clone();
            return self.fetches(&slot, from);
        }
        let leg = self.call.replace(of, &dn(from));
        self.called_on(leg)
    }

    /// The phone at `from` calls to join who is parked at that slot; its leg, unless it is refused.
    pub fn fetches(&mut self, slot: &Dn, from: &str) -> Option<LegId> {
        let leg = self.call.fetch(slot, &dn(from));
        self.called_on(leg)
    }

    fn called_on(&mut self, leg: Option<LegId>) -> Option<LegId> {
        self.own_legs.extend(leg.map(|leg| (leg, self.outputs.len())));
        self.drain();
        leg
    }

    pub fn drain(&mut self) {
        while let Some((_, output)) = self.call.poll_output() {
            match output {
                Output::Fact(fact) => self.facts.push(fact),
                other => self.outputs.push(other),
            }
        }
    }

    pub fn give(&mut self, input: Input) {
        self.now = self.now + Duration::from_millis(10);
        let mut twin = self.twin();
        twin.handle(input.clone(), self.now);
        self.call.handle(input, self.now);
        self.same_as(twin);
    }

    /// Lets time pass and wakes the call when its timers are due.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.call.next_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            let mut twin = self.twin();
            twin.handle_timeout(self.now);
            self.call.handle_timeout(self.now);
            self.same_as(twin);
            assert!(self.call.next_timeout().is_none_or(|due| due > self.now), "a timer is armed for later");
        }
        self.now = until;
    }

    fn twin(&self) -> Thread {
        let mut calls: Vec<CallSnapshot> = self.call.calls().cloned().collect();
        let first = calls.remove(0);
        Thread::restore(first, calls)
    }

    fn same_as(&mut self, mut twin: Thread) {
        let mut ours = self.call.clone();
        let mut steps = 0;
        loop {
            let (one, other) = (ours.poll_output(), twin.poll_output());
            assert_eq!(one, other, "a restored call behaves as one that went on");
            if one.is_none() {
                break;
            }
            steps += 1;
        }
        assert!(steps <= OUTPUTS_MAX / 16, "{steps} outputs of one input: the limit is far from what calls need");
        assert!(ours.calls().eq(twin.calls()));
        assert_eq!(ours.next_timeout(), twin.next_timeout());
        self.drain();
    }

    pub fn plan(&mut self, destination: Destination) {
        let ask = self.call.first().numbers.ask - 1;
        self.give(Input::DialPlan { ask, answer: destination.into() });
    }

    /// The dial plan's answer, with whom it concerns beside the destination.
    pub fn plan_answers(&mut self, answer: PlanAnswer) {
        let ask = self.call.first().numbers.ask - 1;
        self.give(Input::DialPlan { ask, answer });
    }

    /// The dial plan resolves to a phone with one registration; returns the ringing leg.
    pub fn plan_rings(&mut self, number: &str) -> LegId {
        self.plan(phone(number, 1));
        self.rings().pop().expect("a leg rings")
    }

    pub fn rings(&mut self) -> Vec<LegId> {
        self.take()
            .into_iter()
            .filter_map(|output| match output {
                Output::RingLeg { leg, .. } => Some(leg),
                _ => None,
            })
            .collect()
    }

    pub fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    pub fn ask(&mut self, kind: RequestKind, this_dn: &str) {
        self.ask_with(kind, this_dn, UserData::new());
    }

    pub fn ask_with(&mut self, kind: RequestKind, this_dn: &str, extensions: UserData) {
        let request = Request {
            tenant: TenantId::parse("t1").expect("a tenant"),
            requester: "ors".to_owned(),
            reference: self.reference,
            this_dn: dn(this_dn),
            kind,
            reasons: UserData::new(),
            extensions,
        };
        let (RequestKind::InitiateTransfer(..) | RequestKind::MuteTransfer(..)) = request.kind else {
            return self.give(Input::Request(request));
        };
        self.consultations += 1;
        let conn_id = ConnId(CONN.0 + self.consultations);
        self.give(Input::Consult { request, conn_id, uuid: CallUuid(7 + u128::from(self.consultations)) });
    }

    pub fn treat(&mut self, treatment: Treatment) -> u32 {
        self.ask(RequestKind::ApplyTreatment(CONN, treatment, None), "9000");
        self.call.first().numbers.treatment - 1
    }

    /// Facts as `Name@DN {state}`, all so far.
    pub fn story(&self) -> Vec<String> {
        self.facts.iter().map(|fact| line(&fact.event)).collect()
    }

    /// Facts since the last check.
    pub fn news(&mut self) -> Vec<String> {
        let story = self.story();
        self.facts.clear();
        story
    }

    pub fn last(&self) -> &Event {
        &self.facts.last().expect("a fact").event
    }

    pub fn fact(&self, name: model::EventName) -> &Event {
        &self.facts.iter().rfind(|fact| fact.event.name == name).expect("such a fact").event
    }

    pub fn error(&self) -> ErrorCode {
        self.last().error.as_ref().expect("an error").0
    }

    pub fn over(&self) -> bool {
        self.call.is_over()
    }
}

fn line(event: &Event) -> String {
    let name = event.name.as_str().trim_start_matches("Event");
    let at = event.this_dn.as_ref().map(|dn| format!("@{dn}")).unwrap_or_default();
    let of = event.call.as_ref().map_or(0, |call| call.conn_id.0.wrapping_sub(CONN.0));
    let of = if of == 0 { String::new() } else { format!(" of {of}") };
    match event.call_state {
        Some(state) if state != model::CallState::Ok => format!("{name}{at}{of} {state}"),
        _ => format!("{name}{at}{of}"),
    }
}

pub fn point(number: &str, default_dn: Option<&str>) -> Destination {
    Destination::RoutePoint { dn: dn(number), application: "sales".to_owned(), default_dn: default_dn.map(dn) }
}

/// A number outside, behind the trunk `carrier`.
pub fn outside(number: &str) -> Destination {
    Destination::Outside(Outside {
        number: dn(number),
        way: way("carrier", number),
        further: Vec::new(),
        no_answer_ms: 60_000,
    })
}

/// The way to a number outside by a trunk of that name.
pub fn way(trunk: &str, number: &str) -> Way {
    Way {
        trunk: trunk.to_owned(),
        contact: Contact::new(format!("sip:{number}@203.0.113.9"), Vec::new()),
        caller_id: Some("+15550100".to_owned()),
        try_ms: 5_000,
        is_emergency: false,
        limits: model::plan::OutsideLimits::default(),
    }
}

/// The same, behind one of two trunks.
pub fn outside_by_two(number: &str) -> Destination {
    let further = vec![way("second", number)];
    Destination::Outside(Outside { number: dn(number), way: way("first", number), further, no_answer_ms: 60_000 })
}

pub fn phone(number: &str, registrations: usize) -> Destination {
    let contacts =
        (0..registrations).map(|i| Contact::new(format!("sip:{number}@192.0.2.{}", i + 1), Vec::new())).collect();
    Destination::Extension { dn: dn(number), contacts, no_answer_ms: 15_000 }
}
