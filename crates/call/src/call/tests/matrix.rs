//! Every request about a call in every state of the party that makes it: each has one outcome, and the book's page has them all.

use std::fmt::Write as _;

use model::plan::{Caller, Destination};
use model::request::{DigitsWanted, MonitorMode, RequestKind, RequestType, RouteTo, Treatment};
use model::{EventName, LegId, UserData};

use super::harness::{Bench, CONN, CONSULTATION, dn, phone, point};
use crate::call::{CALLER_LEG, Ended, Input, Output};

/// The page of the book. `WRITE_PAGES=1 cargo test -p trunkline-call matrix` writes it.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/requests-by-state.md");
/// Where the generated part of the page begins.
const BEGIN: &str = "<!-- generated: the outcomes -->\n";
/// A step of phones, media and dial plan; no request needs as many.
const STEPS_MAX: usize = 200;

/// A state of the party at 5001, by its name on the page.
struct State {
    name: &'static str,
    reach: fn() -> Bench,
}

const STATES: [State; 12] = [
    State { name: "no party", reach: || Bench::ringing_at("5003") },
    State { name: "Queued", reach: Bench::waiting },
    State { name: "Alerting", reach: || Bench::ringing().0 },
    State { name: "Dialing", reach: dialing },
    State { name: "classified", reach: classified },
    State { name: "Connected", reach: || Bench::talking().0 },
    State { name: "holds", reach: holding },
    State { name: "is held", reach: held },
    State { name: "consults, Dialing", reach: consulting },
    State { name: "consults, Connected", reach: consulted },
    State { name: "conference", reach: conferring },
    State { name: "over", reach: over },
];

fn dialing() -> Bench {
    let mut bench = Bench::internal("5002");
    let leg = bench.plan_rings("5002");
    bench.give(Input::LegRinging(leg));
    bench
}

fn classified() -> Bench {
    let mut bench = Bench::classified("9000", "5001");
    bench.plan(point("9000", None));
    bench.take();
    let leg = bench.plan_rings("5001");
    bench.give(Input::LegAnswered(leg));
    bench
}

fn holding() -> Bench {
    let (mut bench, agent) = Bench::talking();
    bench.give(Input::LegHeld(agent));
    bench
}

fn held() -> Bench {
    let mut bench = Bench::new(Caller::Phone(dn("5003")), "5001");
    let leg = bench.plan_rings("5001");
    bench.give(Input::LegAnswered(leg));
    bench.give(Input::LegAnswered(CALLER_LEG));
    bench.give(Input::LegHeld(CALLER_LEG));
    bench
}

fn consulting() -> Bench {
    let (mut bench, _) = Bench::talking();
    bench.ask(RequestKind::InitiateTransfer(CONN, dn("5002"), UserData::new()), "5001");
    let other = bench.plan_rings("5002");
    bench.give(Input::LegRinging(other));
    bench
}

fn consulted() -> Bench {
    let mut bench = consulting();
    let other = LegId(bench.call.first().numbers.leg - 1);
    bench.give(Input::LegAnswered(other));
    bench
}

fn conferring() -> Bench {
    let mut bench = consulted();
    bench.ask(RequestKind::CompleteConference(CONN, CONSULTATION), "5001");
    bench
}

fn over() -> Bench {
    let (mut bench, agent) = Bench::talking();
    bench.give(Input::LegReleased(agent));
    bench
}

/// A request of that kind, and who makes it.
fn request(of: &RequestType) -> (RequestKind, &'static str) {
    let data: UserData = [("key", "value")].into_iter().collect();
    let kind = match of.name() {
        "TAnswerCall" => RequestKind::AnswerCall(CONN),
        "TReleaseCall" => RequestKind::ReleaseCall(CONN),
        "TClearCall" => RequestKind::ClearCall(CONN),
        "TRedirectCall" => RequestKind::RedirectCall(CONN, dn("5004")),
        "TSingleStepTransfer" => RequestKind::SingleStepTransfer(CONN, dn("5004")),
        "TInitiateTransfer" => RequestKind::InitiateTransfer(CONN, dn("5004"), data),
        "TMuteTransfer" => RequestKind::MuteTransfer(CONN, dn("5004"), data),
        "TCompleteTransfer" => RequestKind::CompleteTransfer(CONN, CONSULTATION),
        "TCompleteConference" => RequestKind::CompleteConference(CONN, CONSULTATION),
        "TSingleStepConference" => RequestKind::SingleStepConference(CONN, dn("5004")),
        "TDeleteFromConference" => RequestKind::DeleteFromConference(CONN, dn("5002")),
        "TSendDTMF" => RequestKind::SendDtmf(CONN, "12".to_owned()),
        "TSetMuteOn" => RequestKind::SetMuteOn(CONN, None),
        "TSetMuteOff" => RequestKind::SetMuteOff(CONN, None),
        "TListenDisconnect" => RequestKind::ListenDisconnect(CONN, None),
        "TListenReconnect" => RequestKind::ListenReconnect(CONN, None),
        "TMonitorCall" => return (RequestKind::MonitorCall(CONN, dn("5001"), MonitorMode::Mute), "5005"),
        "TStartRecording" => RequestKind::StartRecording(CONN, false),
        "TStopRecording" => RequestKind::StopRecording(CONN),
        "TPauseRecording" => RequestKind::PauseRecording(CONN),
        "TResumeRecording" => RequestKind::ResumeRecording(CONN),
        "TAlternateCall" => RequestKind::AlternateCall(CONSULTATION, CONN),
        "TMergeCalls" => RequestKind::MergeCalls(CONSULTATION, CONN),
        "TReconnectCall" => RequestKind::ReconnectCall(CONSULTATION, CONN),
        "THoldCall" => RequestKind::HoldCall(CONN),
        "TRetrieveCall" => RequestKind::RetrieveCall(CONN),
        "TRouteCall" => return (RequestKind::RouteCall(CONN, RouteTo::Dn { dn: dn("5004"), agent: None }), "9000"),
        "TApplyTreatment" => return (RequestKind::ApplyTreatment(CONN, Treatment::Silence, None), "9000"),
        "TCollectDigits" => RequestKind::CollectDigits(CONN, wanted(), None),
        "TStopTreatment" => return (RequestKind::StopTreatment(CONN), "9000"),
        "TUpdateUserData" => RequestKind::UpdateUserData(CONN, data),
        "TDeletePair" => RequestKind::DeletePair(CONN, "key".to_owned()),
        "TDeleteUserData" => RequestKind::DeleteUserData(CONN),
        "TQueryCall" => RequestKind::QueryCall(CONN),
        other => panic!("{other} has no example here"),
    };
    (kind, "5001")
}

/// One digit, without a prompt.
fn wanted() -> DigitsWanted {
    DigitsWanted {
        prompts: Vec::new(),
        max_digits: 1,
        first_digit_timeout_ms: 5_000,
        inter_digit_timeout_ms: 3_000,
        terminator: None,
    }
}

/// Phones, media and the dial plan do at once what they are asked for.
fn obey(bench: &mut Bench) {
    for _ in 0..STEPS_MAX {
        let outputs = bench.take();
        if outputs.is_empty() {
            return;
        }
        for output in outputs {
            match output {
                Output::AskDialPlan { ask, dialled, .. } => {
                    bench.give(Input::DialPlan { ask, answer: meaning(&dialled).into() });
                }
                Output::RingLeg { leg, .. } => {
                    bench.give(Input::LegRinging(leg));
                    bench.give(Input::LegAnswered(leg));
                }
                Output::AnswerCaller(leg) | Output::AskAnswer(leg) => bench.give(Input::LegAnswered(leg)),
                Output::HoldLeg(leg) => bench.give(Input::LegHeld(leg)),
                Output::RetrieveLeg(leg) => bench.give(Input::LegRetrieved(leg)),
                Output::StartTreatment { id, treatment, .. } => {
                    bench.give(Input::TreatmentStarted { id });
                    if let Treatment::PlayAndCollect { .. } = treatment {
                        bench.give(Input::TreatmentEnded { id, cause: Ended::Collected, digits: "1".to_owned() });
                    }
                }
                _ => {}
            }
        }
    }
    panic!("the phones are asked for more and more");
}

fn meaning(dialled: &str) -> Destination {
    if dialled == "9000" { point("9000", None) } else { phone(dialled, 1) }
}

/// What comes of a request: the event that answers it, or its error.
fn outcome(of: &RequestType, state: &State) -> String {
    let mut bench = (state.reach)();
    bench.take();
    bench.facts.clear();
    bench.reference.0 += 1;
    let (kind, this_dn) = request(of);
    bench.ask(kind, this_dn);
    obey(&mut bench);
    let reference = bench.reference;
    let answers: Vec<_> =
        bench.facts.iter().map(|fact| &fact.event).filter(|event| event.reference == reference).collect();
    let [answer] = answers[..] else { panic!("{} while {}: {answers:?}", of.name(), state.name) };
    match &answer.error {
        Some((code, _)) => format!("error {}", code.0),
        None => {
            let accepted = [of.answer, EventName::ACK];
            assert!(accepted.contains(&answer.name), "{} while {}: {:?}", of.name(), state.name, answer.name);
            answer.name.as_str().to_owned()
        }
    }
}

/// Requests that undo another one, which none of the states has behind it.
const UNDOING: [&str; 6] =
    ["TSetMuteOff", "TListenReconnect", "TStopTreatment", "TStopRecording", "TPauseRecording", "TResumeRecording"];

fn table() -> String {
    let mut page = String::from("| request |");
    STATES.iter().for_each(|state| write!(page, " {} |", state.name).expect("text"));
    page.push_str("\n|---|");
    STATES.iter().for_each(|_| page.push_str("---|"));
    page.push('\n');
    for of in RequestKind::TABLE.iter().filter(|of| of.concern.is_of_call()) {
        write!(page, "| `{}` |", of.name()).expect("text");
        let outcomes: Vec<String> = STATES.iter().map(|state| outcome(of, state)).collect();
        assert!(
            UNDOING.contains(&of.name()) || outcomes.iter().any(|outcome| !outcome.starts_with("error")),
            "{} is carried out in no state",
            of.name()
        );
        outcomes.iter().for_each(|outcome| write!(page, " {outcome} |").expect("text"));
        page.push('\n');
    }
    page
}

#[test]
fn every_request_has_one_outcome_in_every_state_and_the_page_names_it() {
    let page = std::fs::read_to_string(PAGE).expect("the page");
    let (text, _) = page.split_once(BEGIN).expect("a place for the table");
    let expected = format!("{text}{BEGIN}{}", table());
    if std::env::var_os("WRITE_PAGES").is_some() {
        std::fs::write(PAGE, expected).expect("the page is written");
    } else {
        assert!(page == expected, "write docs/requests-by-state.md again: see PAGE in this file");
    }
}
