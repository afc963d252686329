//! What holds for every call, over random inputs; the bench checks that a restored call behaves as one that continues.

use std::collections::HashMap;
use std::time::Duration;

use model::plan::{Caller, Contact, Destination, FeatureCode, Forwards, PlanAnswer, Service};
use model::request::{DigitsWanted, MonitorMode, RequestKind, RouteTo, Treatment};
use model::{CallType, ConnId, EventName, LegId, ReferenceId, UserData};
use proptest::prelude::*;

use super::harness::{Bench, CONN, CONSULTATION, dn, outside, outside_by_two, phone, point};
use crate::call::{Ended, Input, Output, PinAnswer, RECORDING_ID, RecordEnd, Replaced, Stage};

/// The requests of random steps have references above this one.
const FIRST_REFERENCE: u64 = 100;

#[derive(Clone, Debug)]
enum Step {
    Plan(u8),
    Leg(u8, u16),
    Treatment(u8, u32),
    Ask(u8),
    Agent(bool),
    Pin(u8),
    Pass(u32),
    /// A phone in a call makes a further one.
    Dials(u8),
    /// Joins what its two dialogs lead to.
    TransfersTo(u16, u16),
    /// A phone calls to take the place of that leg, or to fetch who is parked.
    Joins(u8, u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..15).prop_map(Step::Plan),
        6 => (0u8..10, 1u16..8).prop_map(|(kind, leg)| Step::Leg(kind, leg)),
        2 => (0u8..5, 1u32..6).prop_map(|(kind, id)| Step::Treatment(kind, id)),
        5 => (0u8..60).prop_map(Step::Ask),
        1 => any::<bool>().prop_map(Step::Agent),
        2 => (0u8..4).prop_map(Step::Pin),
        2 => (0u32..30_000).prop_map(Step::Pass),
        1 => (0u8..3).prop_map(Step::Dials),
        1 => (1u16..8, 1u16..8).prop_map(|(leg, other)| Step::TransfersTo(leg, other)),
        2 => (0u8..6, 1u16..8).prop_map(|(kind, leg)| Step::Joins(kind, leg)),
    ]
}

fn take_step(bench: &mut Bench, step: &Step) {
    match step {
        Step::Plan(14) => bench.plan(Destination::Park { slot: dn("5002") }),
        Step::Plan(kind @ 10..) => {
            let forwards = Forwards { busy: true, no_answer: true };
            let to = if *kind == 10 { outside_by_two("+4930999") } else { phone(&format!("500{}", kind - 10), 1) };
            let by = model::plan::ForwardedBy { dn: dn("5009"), mode: model::request::ForwardMode::OnBusy };
            bench.plan_answers(PlanAnswer { forwards, forwarded_by: vec![by], ..to.into() });
        }
        Step::Plan(kind) => bench.plan(match kind {
            0 => point("9000", Some("5009")),
            1 => phone("5001", 1),
            2 => phone("5002", 3),
            3 => phone("5001", 0),
            4 => Destination::Service(Service::Announcement { prompts: vec!["closed".to_owned()] }),
            5 => Destination::FeatureCode { code: FeatureCode::Login, ask_pin: false },
            6 => Destination::FeatureCode { code: FeatureCode::Login, ask_pin: true },
            7 => outside("+4930999"),
            8 => phone("5004", 1),
            _ => Destination::Reject { status: 404, reason: String::new() },
        }),
        Step::Leg(kind, leg) => {
            let leg = LegId(*leg);
            bench.give(match kind {
                0 => Input::LegRinging(leg),
                1 | 2 => Input::LegAnswered(leg),
                3 => Input::LegFailed { leg, status: 486 },
                4 => Input::LegReleased(leg),
                5 => Input::LegHeld(leg),
                7 => Input::LegTransfers { leg, to: dn("5002") },
                8 => Input::LegUnreachable { leg, status: 503 },
                9 => Input::FlowFailed { leg, next: Contact::new("sip:5001@192.0.2.9".to_owned(), Vec::new()) },
                _ => Input::LegRetrieved(leg),
            });
        }
        Step::Treatment(kind, id) => bench.give(match kind {
            0 => Input::TreatmentStarted { id: *id },
            1 => Input::TreatmentEnded { id: *id, cause: Ended::Collected, digits: "1".to_owned() },
            2 => Input::TreatmentRecords { id: *id },
            3 => {
                let cause = Ended::Recorded { end: RecordEnd::Silence, duration_ms: 1_000 };
                Input::TreatmentEnded { id: *id, cause, digits: String::new() }
            }
            _ => Input::TreatmentEnded { id: *id, cause: Ended::Failed, digits: String::new() },
        }),
        Step::Ask(kind) => ask(bench, *kind),
        Step::Pin(answer) => {
            let ask = bench.call.first().numbers.ask - 1;
            let answer = match answer {
                0 => PinAnswer::Digits(4),
                1 => PinAnswer::Right,
                2 => PinAnswer::Wrong,
                _ => PinAnswer::Refused,
            };
            bench.give(Input::PinAnswered { ask, answer });
        }
        Step::Agent(done) => bench.give(Input::AgentAnswered { conn_id: CONN, done: *done }),
        Step::Dials(kind) => {
            let (from, number) = [("5001", "5002"), ("5003", "5001"), ("5002", "9000")][usize::from(*kind)];
            if bench.call.takes_call_of(&dn(from)) {
                bench.dials(from, number);
            }
        }
        Step::TransfersTo(leg, other) => {
            bench.give(Input::LegTransfersTo { leg: LegId(*leg), other: LegId(*other) });
        }
        Step::Joins(kind, leg) => {
            let of = match kind % 3 {
                0 => Replaced::Ringing(LegId(*leg)),
                1 => Replaced::Leg(LegId(*leg)),
                _ => Replaced::Parked,
            };
            bench.joins(of, if *kind < 3 { "5001" } else { "5005" });
        }
        Step::Pass(ms) => bench.pass(Duration::from_millis(u64::from(*ms))),
    }
}

fn ask(bench: &mut Bench, kind: u8) {
    let data: UserData = [("key", "value")].into_iter().collect();
    let consultation = ConnId(CONN.0 + bench.consultations);
    let (kind, this_dn) = match kind {
        0..=2 => (RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5001"), agent: None }), "9000"),
        3 => (RequestKind::RouteCall(CONN, RouteTo::Disconnect), "9000"),
        4 | 5 => (RequestKind::ApplyTreatment(CONN, Treatment::Silence, None), "9000"),
        6 => (RequestKind::StopTreatment(CONN), "9000"),
        7 => (RequestKind::HoldCall(CONN), "5001"),
        8 => (RequestKind::RetrieveCall(CONN), "5001"),
        9 => (RequestKind::UpdateUserData(CONN, data), "5001"),
        10 => (RequestKind::ReleaseCall(CONN), "5001"),
        11 => (RequestKind::RedirectCall(CONN, dn("5002")), "5001"),
        12 => (RequestKind::AnswerCall(CONN), "5001"),
        13 => (RequestKind::SingleStepTransfer(CONN, dn("5002")), "5001"),
        14 => (RequestKind::SingleStepTransfer(CONN, dn("9000")), "5003"),
        15 | 16 => (RequestKind::InitiateTransfer(CONN, dn("5002"), data), "5001"),
        17 => (RequestKind::InitiateTransfer(CONN, dn("9000"), UserData::new()), "5003"),
        18 => (RequestKind::CompleteTransfer(CONN, consultation), "5001"),
        19 => (RequestKind::AlternateCall(consultation, CONN), "5001"),
        20 => (RequestKind::RetrieveCall(consultation), "5001"),
        21 => (RequestKind::ReconnectCall(consultation, CONN), "5001"),
        22 => (RequestKind::CompleteTransfer(CONN, consultation), "5003"),
        23 | 24 => (RequestKind::CompleteConference(CONN, consultation), "5001"),
        25 => (RequestKind::DeleteFromConference(CONN, dn("5002")), "5001"),
        26 => (RequestKind::ReleaseCall(CONN), "5002"),
        27 | 28 => (RequestKind::SingleStepConference(CONN, dn("5002")), "5001"),
        29 => (RequestKind::SingleStepConference(CONN, dn("+4930999")), "5003"),
        30 => (RequestKind::MonitorCall(CONN, dn("5001"), MonitorMode::Mute), "5004"),
        31 => (RequestKind::MonitorCall(CONN, dn("5001"), MonitorMode::Coach), "5004"),
        32 => (RequestKind::MonitorCall(CONN, dn("5002"), MonitorMode::Connect), "5004"),
        33 => (RequestKind::MonitorCall(consultation, dn("5002"), MonitorMode::Mute), "5004"),
        34 => (RequestKind::SetMuteOn(CONN, None), "5001"),
        45 => (RequestKind::DeleteFromConference(CONN, dn("5001")), "5004"),
        35 => (RequestKind::SetMuteOff(CONN, Some(dn("5001"))), "5002"),
        36 => (RequestKind::ListenDisconnect(CONN, Some(dn("5002"))), "5001"),
        37 => (RequestKind::SendDtmf(CONN, "12".to_owned()), "5001"),
        38 => (RequestKind::AnswerCall(CONN), "5002"),
        39 => (RequestKind::AnswerCall(CONN), "5004"),
        40 | 41 => (RequestKind::MuteTransfer(CONN, dn("5002"), data), "5001"),
        46 => (RequestKind::InitiateTransfer(consultation, dn("5004"), data), "5002"),
        47 => (RequestKind::StopTreatment(CONN), "9000"),
        48 => (RequestKind::HoldCall(consultation), "5002"),
        42 => (RequestKind::MergeCalls(consultation, CONN), "5001"),
        43 => (RequestKind::MergeCalls(CONN, consultation), "5001"),
        49 => (RequestKind::ApplyTreatment(CONN, prompt(), Some(dn("5002"))), "5001"),
        50 => (RequestKind::CollectDigits(CONN, wanted(), None), "5001"),
        51 => (RequestKind::StopTreatment(CONN), "5001"),
        52 => (RequestKind::ApplyTreatment(CONN, record(), None), "9000"),
        53 => (RequestKind::ApplyTreatment(CONN, record(), Some(dn("5002"))), "5001"),
        54 => (RequestKind::StartRecording(CONN, true), "5001"),
        55 => (RequestKind::PauseRecording(CONN), "5001"),
        56 => (RequestKind::ResumeRecording(CONN), "5001"),
        57 => (RequestKind::StopRecording(CONN), "5002"),
        58 => (RequestKind::StartRecording(consultation, false), "5002"),
        _ => (RequestKind::QueryCall(CONN), "9000"),
    };
    bench.reference.0 += 1;
    bench.ask(kind, this_dn);
}

fn prompt() -> Treatment {
    Treatment::PlayAnnouncement { prompts: vec!["menu".to_owned()] }
}

fn record() -> Treatment {
    Treatment::RecordUserAnnouncement { prompts: Vec::new(), terminator: None, silence_ms: None, max_ms: 60_000 }
}

fn wanted() -> DigitsWanted {
    DigitsWanted {
        prompts: Vec::new(),
        max_digits: 4,
        first_digit_timeout_ms: 5_000,
        inter_digit_timeout_ms: 2_000,
        terminator: Some('#'),
    }
}

/// A DN in a call.
type At = (ConnId, String);

/// Open queues, ringings and connections per DN: each must have been closed exactly once when the call is over.
#[derive(Default)]
struct Ledger {
    queued: HashMap<At, i32>,
    ringing: HashMap<At, i32>,
    established: HashMap<At, i32>,
    /// Facts of each call.
    facts: HashMap<ConnId, u64>,
    deleted: HashMap<ConnId, usize>,
}

impl Ledger {
    /// A party has come from another call.
    fn moved(&mut self, from: &At, to: &At) {
        for map in [&mut self.ringing, &mut self.established] {
            let open = map.insert(from.clone(), 0).unwrap_or(0);
            *map.entry(to.clone()).or_insert(0) += open;
        }
    }
}

fn check(bench: &Bench) -> Result<(), TestCaseError> {
    let mut ledger = Ledger::default();
    let mut last_at = model::Timestamp::ZERO;
    for (index, fact) in bench.facts.iter().enumerate() {
        let call = fact.event.call.as_ref().expect("a call's fact");
        let count = ledger.facts.entry(call.conn_id).or_insert(0);
        *count += 1;
        prop_assert_eq!(fact.id.seq.0, *count, "numbers have no gaps");
        let first = *count == 1;
        prop_assert!(fact.at >= last_at, "times never go back");
        last_at = fact.at;
        let dn = fact.event.this_dn.as_ref().map(ToString::to_string).unwrap_or_default();
        let at = (call.conn_id, dn.clone());
        prop_assert_eq!(fact.event.name == EventName::CallCreated, first);
        prop_assert!(
            !ledger.deleted.contains_key(&call.conn_id) || matches!(fact.event.name, EventName::Error | EventName::ACK),
            "after its end"
        );
        if fact.event.name == EventName::PartyChanged
            && let Some(previous) = call.previous.filter(|_| call.call_type != CallType::Consult)
        {
            prop_assert!(!ledger.deleted.contains_key(&previous), "it comes before the other call is deleted");
            ledger.moved(&(previous, dn.clone()), &at);
        }
        let open = |map: &mut HashMap<At, i32>, by: i32| *map.entry(at.clone()).and_modify(|n| *n += by).or_insert(by);
        let ringing = ledger.ringing.get(&at).copied().unwrap_or(0) > 0;
        let balance = match fact.event.name {
            EventName::Queued => open(&mut ledger.queued, 1),
            EventName::Diverted => open(&mut ledger.queued, -1),
            EventName::Abandoned if dn == "9000" => open(&mut ledger.queued, -1),
            EventName::Abandoned => open(&mut ledger.ringing, -1),
            EventName::Ringing => open(&mut ledger.ringing, 1),
            EventName::Established => {
                if ringing {
                    open(&mut ledger.ringing, -1);
                }
                open(&mut ledger.established, 1)
            }
            EventName::Released if ringing => open(&mut ledger.ringing, -1),
            EventName::Released if ledger.established.contains_key(&at) => open(&mut ledger.established, -1),
            EventName::CallDeleted => {
                ledger.deleted.insert(call.conn_id, index);
                0
            }
            EventName::AttachedDataChanged => {
                let data = &fact.event.user_data;
                let is_complete = data.get("key").or(data.get(RECORDING_ID)).is_some();
                prop_assert!(is_complete, "changed data is complete");
                0
            }
            _ => 0,
        };
        prop_assert!((0..=1).contains(&balance), "{} at {:?} is out of order", fact.event.name, at);
    }
    if bench.over() {
        for (dn, open) in ledger.queued.iter().chain(&ledger.ringing).chain(&ledger.established) {
            prop_assert_eq!(*open, 0, "nothing stays open at {:?}", dn);
        }
        prop_assert_eq!(ledger.deleted.len(), ledger.facts.len(), "every call is deleted");
        prop_assert!(bench.call.next_timeout().is_none(), "a call that is over wants nothing");
        check_answers(bench)?;
    }
    Ok(())
}

/// Every request has got an answer when its call is over. Treatments have two: they begin, they end.
fn check_answers(bench: &Bench) -> Result<(), TestCaseError> {
    for reference in FIRST_REFERENCE + 1..=bench.reference.0 {
        let answers = bench.facts.iter().filter(|fact| fact.event.reference.0 == reference).map(|fact| fact.event.name);
        let answers: Vec<EventName> = answers.collect();
        let is_treatment = matches!(answers[..], [EventName::TreatmentApplied, EventName::TreatmentEnd]);
        prop_assert!(answers.len() == 1 || is_treatment, "request {} got {:?}", reference, answers);
    }
    Ok(())
}

/// A leg is in one room at most, and none is let go that a party still has.
fn check_legs(bench: &Bench) -> Result<(), TestCaseError> {
    let mut present = std::collections::BTreeSet::new();
    for call in bench.call.calls() {
        let is_predictive = matches!(&call.stage, Stage::Offering(offer) if offer.point.is_some());
        let may_have_none = is_predictive || matches!(call.stage, Stage::Originating(_) | Stage::Over);
        prop_assert!(may_have_none || !call.parties.is_empty(), "a call has a party");
        for party in call.parties.iter().filter(|party| call.live_party_on(party.leg).is_some()) {
            if let Some(observes) = party.observes {
                let observed = call.party(observes.party);
                prop_assert!(observed.is_some_and(|observed| observed.observes.is_none()), "who is observed is there");
                prop_assert_eq!(&call.stage, &Stage::Talking, "nobody observes a call that leads to nobody");
            }
            prop_assert!(party.away || present.insert(party.leg), "{} is in two rooms", party.leg);
            prop_assert!(!party.away || party.held, "who is away holds");
            prop_assert!(!party.away || call.stage == Stage::Talking, "nothing plays to who is away");
            let rung = |output: &Output| matches!(output, Output::RingLeg { leg, .. } if *leg == party.leg);
            let let_go = |output: &Output| matches!(output, Output::ReleaseLeg(leg) if *leg == party.leg);
            let own = bench.own_legs.iter().find(|(leg, _)| *leg == party.leg).map(|(_, since)| *since);
            let since = bench.outputs.iter().position(rung).or(own).unwrap_or(0);
            prop_assert!(!bench.outputs.iter().skip(since).any(let_go), "{} was let go", party.leg);
        }
    }
    Ok(())
}

/// A call before the random steps: new, talking, consulting about it while the other phone rings or has answered, a conference, a conference
/// that is monitored, a consultation about a call that is monitored.
fn begun(caller: Caller, stage: u8) -> Bench {
    let bench = begin(caller, stage);
    Bench { reference: ReferenceId(FIRST_REFERENCE), ..bench }
}

fn begin(caller: Caller, stage: u8) -> Bench {
    let mut bench = Bench::new(caller, "9000");
    let consult = |bench: &mut Bench| {
        bench.ask(RequestKind::InitiateTransfer(CONN, dn("5002"), UserData::new()), "5001");
        bench.plan(phone("5002", 1));
    };
    if stage >= 1 {
        bench.plan(phone("5001", 1));
        bench.give(Input::LegAnswered(LegId(2)));
        bench.give(Input::LegAnswered(LegId(1)));
    }
    if stage >= 2 {
        consult(&mut bench);
    }
    if stage >= 3 {
        bench.give(Input::LegAnswered(LegId(3)));
    }
    if stage == 4 || stage == 5 {
        bench.ask(RequestKind::CompleteConference(CONN, CONSULTATION), "5001");
    }
    if stage >= 5 {
        bench.ask(RequestKind::MonitorCall(CONN, dn("5001"), MonitorMode::Coach), "5004");
        bench.plan(phone("5004", 1));
        bench.give(Input::LegAnswered(LegId(4)));
    }
    bench
}

fn run(caller: Caller, stage: u8, steps: &[Step]) -> Result<(), TestCaseError> {
    run_on(begun(caller, stage), steps)
}

/// A predictive call: new, its route point known, the number rings, it has answered.
fn predicted(stage: u8) -> Bench {
    let mut bench = Bench::predicted("9000", "5002");
    if stage >= 1 {
        bench.plan(point("9000", Some("5009")));
    }
    if stage >= 2 {
        bench.plan(phone("5002", 2));
    }
    if stage >= 3 {
        bench.give(Input::LegAnswered(LegId(2)));
    }
    Bench { reference: ReferenceId(FIRST_REFERENCE), ..bench }
}

/// A call made by request: new, its own phone rings, it has answered.
fn made(stage: u8) -> Bench {
    let mut bench = Bench::made("5003", "9000");
    if stage >= 1 {
        bench.plan(point("9000", Some("5009")));
        bench.plan(phone("5003", 2));
    }
    if stage >= 2 {
        bench.give(Input::LegAnswered(LegId(2)));
    }
    Bench { reference: ReferenceId(FIRST_REFERENCE), ..bench }
}

fn run_on(mut bench: Bench, steps: &[Step]) -> Result<(), TestCaseError> {
    for step in steps {
        if bench.over() {
            break;
        }
        take_step(&mut bench, step);
        check_legs(&bench)?;
    }
    check(&bench)?;
    let mut ended = 0;
    if !bench.over() {
        bench.pass(Duration::from_secs(13 * 3600));
        prop_assert!(bench.over(), "no call lives for ever");
        check(&bench)?;
    }
    let mut open = std::collections::BTreeSet::new();
    for output in &bench.outputs {
        match output {
            Output::RingLeg { leg, .. } => {
                open.insert(*leg);
            }
            Output::Over => ended += 1,
            _ => {}
        }
    }
    let calls = bench.facts.iter().filter(|fact| fact.event.name == EventName::CallCreated).count();
    prop_assert_eq!(ended, calls, "over is said once of each call");
    for leg in open {
        let closed = bench
            .outputs
            .iter()
            .any(|output| matches!(output, Output::CancelLeg(l) | Output::ReleaseLeg(l) if *l == leg));
        let gone = steps.iter().any(|step| matches!(step, Step::Leg(3 | 4 | 8 | 9, l) if *l == leg.0));
        prop_assert!(closed || gone, "leg {} is let go", leg);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_invariants_hold_for_calls_from_a_trunk(stage in 0u8..7, steps in prop::collection::vec(step(), 1..40)) {
        run(Caller::Trunk { trunk: "carrier".to_owned(), number: "+4930".to_owned() }, stage, &steps)?;
    }

    #[test]
    fn the_invariants_hold_for_calls_made_by_request(stage in 0u8..3, steps in prop::collection::vec(step(), 1..40)) {
        run_on(made(stage), &steps)?;
    }

    #[test]
    fn the_invariants_hold_for_predictive_calls(stage in 0u8..4, steps in prop::collection::vec(step(), 1..40)) {
        run_on(predicted(stage), &steps)?;
    }

    #[test]
    fn the_invariants_hold_for_calls_from_a_phone(stage in 0u8..7, steps in prop::collection::vec(step(), 1..40)) {
        run(Caller::Phone(dn("5003")), stage, &steps)?;
    }
}
