//! Requests about calls while faults happen: consultations, transfers, conferences, supervisors who listen. Each call that is handled
//! so has a thread with its script.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread::Scope;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use testkit::{Fact, wait};

use crate::calls::State;
use crate::clock::{self, Micros, SECOND};
use crate::site::Site;
use crate::tenant::{KINDS, Kind};
use crate::told::Told;

/// Interval of looks at the facts.
const LOOK: Duration = Duration::from_millis(50);
/// Until when a request must be accepted: longer than [`CARRIED_OUT_WITHIN`], after which one that nobody has answered is made again.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(45);
const AGAIN: Duration = Duration::from_millis(500);
/// The HTTP status of a request of which nobody knows whether it was carried out.
const UNKNOWN: u16 = 504;
/// How long such a request may take until there is an event about it: its node is taken over, or goes on after a stop of ten seconds.
const CARRIED_OUT_WITHIN: Duration = Duration::from_secs(15);
/// How long an accepted request may be without an outcome. A colleague's phone rings for 13 s.
const OUTCOME_WITHIN: Duration = Duration::from_secs(30);
/// From the agent's answer to the first request.
const GREETING: Duration = Duration::from_millis(700);
const CONSULTATION: Duration = Duration::from_secs(12);
/// How long an agent has two calls before it joins them.
const MEETING: Duration = Duration::from_secs(12);
const CONFERENCE: Duration = Duration::from_secs(16);
/// Colleagues brought in; with caller and agent a conference of five.
const BROUGHT_IN: usize = 3;
/// Reference numbers below are of other requests.
const FIRST_REFERENCE: u64 = 1_000_000;

/// A period in which a call was in a state that its requests have made.
#[derive(Clone, Debug)]
pub struct Handling {
    /// The key of the call's thread.
    pub connid: String,
    /// The state.
    pub state: State,
    /// Its beginning.
    pub from: Micros,
    /// Its end; `Micros::MAX` if only the call ends it.
    pub until: Micros,
}

/// What the scripts have done and seen.
#[derive(Default)]
struct Notices {
    answers: HashMap<u64, Vec<Fact>>,
    /// Names and calls of what was told: `Established@6501` and a ConnID.
    told: HashSet<(String, String)>,
    steps: Vec<Handling>,
    /// Accepted requests that have had no outcome while their call went on.
    without_outcome: Vec<String>,
    /// Requests that were refused, by what was asked and why.
    refused: BTreeMap<String, usize>,
    begun: HashSet<String>,
}

/// Begins a script for each call of a handled kind.
pub struct Director<'a> {
    site: &'a Site,
    agents: HashMap<String, Kind>,
    colleagues: Vec<String>,
    guests: Vec<String>,
    board: Mutex<Notices>,
    reference: AtomicU64,
    turn: AtomicU64,
    ends: AtomicBool,
}

/// A call that an agent has.
#[derive(Clone)]
struct Handled {
    kind: Kind,
    agent: String,
    /// As clients write it.
    conn: String,
}

impl<'a> Director<'a> {
    /// One that has begun nothing.
    pub fn new(site: &'a Site, rate: f64) -> Self {
        let handled = KINDS.into_iter().filter(|kind| kind.is_handled());
        let agents = handled.flat_map(|kind| kind.phone_numbers(rate).into_iter().map(move |number| (number, kind)));
        Self {
            site,
            agents: agents.collect(),
            colleagues: Kind::Colleague.phone_numbers(rate),
            guests: Kind::Guest.phone_numbers(rate),
            board: Mutex::default(),
            reference: AtomicU64::new(FIRST_REFERENCE),
            turn: AtomicU64::new(0),
            ends: AtomicBool::new(false),
        }
    }

    /// Follows the facts and begins scripts until it is ended.
    ///
    /// # Errors
    /// If the facts cannot be subscribed to.
    pub fn run<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> Result<()> {
        let mut told = Told::start(self.site)?;
        scope.spawn(move || {
            while !self.ends.load(Relaxed) {
                told.keep_up(self.site);
                for fact in told.fresh() {
                    if let Some(call) = self.note(fact) {
                        scope.spawn(move || drop(self.handle(&call)));
                    }
                }
                clock::rest(LOOK);
            }
        });
        Ok(())
    }

    /// Ends all scripts.
    pub fn end(&self) {
        self.ends.store(true, Relaxed);
    }

    /// What the requests have done.
    pub fn steps(&self) -> Vec<Handling> {
        self.board().steps.clone()
    }

    /// Accepted requests without an outcome.
    pub fn without_outcome(&self) -> Vec<String> {
        self.board().without_outcome.clone()
    }

    /// Refused requests, each kind with its count: some callers leave before theirs, others are a finding.
    pub fn refused(&self) -> Vec<String> {
        self.board().refused.iter().map(|(what, count)| format!("{count} × {what}")).collect()
    }

    fn board(&self) -> std::sync::MutexGuard<'_, Notices> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a fact; returns the call if an agent has just got one that is to be handled.
    fn note(&self, fact: Fact) -> Option<Handled> {
        let (brief, conn) = (fact.brief(), fact.text("ConnID").to_owned());
        let mut board = self.board();
        if let Some(reference) = fact.frame["ReferenceID"].as_u64().filter(|reference| *reference >= FIRST_REFERENCE) {
            board.answers.entry(reference).or_default().push(fact.clone());
        }
        board.told.insert((brief.clone(), key_of(&conn).to_owned()));
        let agent = brief.strip_prefix("Established@")?;
        let kind = *self.agents.get(agent)?;
        // A consultation is established at the agent too.
        let is_first = fact.text("CallType") == "Inbound" && board.begun.insert(key_of(&conn).to_owned());
        is_first.then(|| Handled { kind, agent: agent.to_owned(), conn })
    }

    fn handle(&self, call: &Handled) -> Result<()> {
        clock::rest(GREETING);
        match call.kind {
            Kind::Consult if self.turn.fetch_add(1, Relaxed).is_multiple_of(2) => self.join(call),
            Kind::Consult => self.consult(call),
            Kind::Confer => self.confer(call),
            Kind::Monitor => self.monitor(call),
            _ => Ok(()),
        }
    }

    fn consult(&self, call: &Handled) -> Result<()> {
        let colleague = self.next(&self.colleagues);
        let asked = clock::now();
        let made = self.ask(call, json!({"req": "TInitiateTransfer", "OtherDN": colleague}))?;
        let consultation = made.text("ConnID").to_owned();
        let transferred = self.transfer(call, &colleague, &consultation, asked);
        if transferred.is_err() {
            // The caller has left meanwhile: the two go on talking until one of them hangs up.
            self.ask(&Handled { conn: consultation, ..call.clone() }, json!({"req": "TReleaseCall"}))?;
        }
        transferred
    }

    fn transfer(&self, call: &Handled, colleague: &str, consultation: &str, asked: Micros) -> Result<()> {
        let rings = self.comes(&format!("Established@{colleague}"), consultation);
        let established = clock::now();
        self.step(call, State::Transfer, asked, established);
        rings?;
        clock::rest(CONSULTATION);
        let completes = clock::now();
        self.step(call, State::Consultation, established, completes);
        let done = self.ask(call, json!({"req": "TCompleteTransfer", "TransferConnID": consultation}));
        self.step(call, State::Transfer, completes, clock::now());
        done.map(drop)
    }

    /// A colleague calls the agent, who connects the two calls: these are two threads, perhaps of two nodes.
    fn join(&self, call: &Handled) -> Result<()> {
        let colleague = Handled { agent: self.next(&self.colleagues), ..call.clone() };
        let made = self.ask(&colleague, json!({"req": "TMakeCall", "OtherDN": call.agent}))?;
        let other = made.text("ConnID").to_owned();
        let done = self.comes(&format!("Established@{}", call.agent), &other).and_then(|_| {
            let both = clock::now();
            clock::rest(MEETING);
            self.ask(call, json!({"req": "TCompleteTransfer", "TransferConnID": other}))?;
            self.step(call, State::Meeting, both, clock::now());
            Ok(())
        });
        if done.is_err() {
            // The colleague's call came too late, or the agent's caller has left meanwhile: nobody else ends it.
            self.ask(&Handled { conn: other, ..colleague }, json!({"req": "TReleaseCall"}))?;
        }
        done
    }

    fn confer(&self, call: &Handled) -> Result<()> {
        let brought = (0..BROUGHT_IN).try_for_each(|_| self.bring_in(call));
        let all = clock::now();
        clock::rest(CONFERENCE);
        if brought.is_ok() {
            self.step(call, State::Conference, all, clock::now());
        }
        // A smaller conference ends all the same: nobody else ends it.
        self.ask(call, json!({"req": "TClearCall"})).map(drop)
    }

    fn bring_in(&self, call: &Handled) -> Result<()> {
        self.ask(call, json!({"req": "TSingleStepConference", "OtherDN": self.next(&self.guests)})).map(drop)
    }

    fn monitor(&self, call: &Handled) -> Result<()> {
        let mode = if self.turn.load(Relaxed).is_multiple_of(2) { "mute" } else { "coach" };
        let supervisor = self.next(&self.guests);
        let frame = json!({"req": "TMonitorCall", "ThisDN": supervisor, "OtherDN": call.agent, "MonitorMode": mode});
        self.ask(call, frame)?;
        self.step(call, State::Monitored, clock::now(), Micros::MAX);
        Ok(())
    }

    fn next(&self, of: &[String]) -> String {
        let turn = usize::try_from(self.turn.fetch_add(1, Relaxed)).unwrap_or_default();
        of.get(turn % of.len().max(1)).cloned().unwrap_or_default()
    }

    fn step(&self, call: &Handled, state: State, from: Micros, until: Micros) {
        self.board().steps.push(Handling { connid: key_of(&call.conn).to_owned(), state, from, until });
    }

    /// Waits until something is told about a call.
    fn comes(&self, brief: &str, conn: &str) -> Result<()> {
        let wanted = (brief.to_owned(), key_of(conn).to_owned());
        wait::until(OUTCOME_WITHIN, || Ok(self.board().told.contains(&wanted).then_some(())))
    }

    /// Makes a request, as a client does: it repeats what was not accepted, and waits for the outcome.
    fn ask(&self, call: &Handled, mut frame: Value) -> Result<Fact> {
        let reference = self.reference.fetch_add(1, Relaxed);
        frame["ReferenceID"] = reference.into();
        frame["ConnID"] = call.conn.as_str().into();
        if frame["ThisDN"].is_null() {
            frame["ThisDN"] = call.agent.as_str().into();
        }
        self.accepted(&frame)?;
        let answer = wait::until(OUTCOME_WITHIN, || {
            let board = self.board();
            let answers = board.answers.get(&reference).map(Vec::as_slice).unwrap_or_default();
            // One that was repeated, because its acceptance was lost, may also be refused.
            let done = answers.iter().find(|fact| fact.name != "EventError");
            Ok(done.or(answers.last()).cloned())
        });
        let Ok(answer) = answer else {
            let mut board = self.board();
            if !board.told.contains(&("CallDeleted".to_owned(), key_of(&call.conn).to_owned())) {
                board.without_outcome.push(frame.to_string());
            }
            bail!("no outcome");
        };
        if answer.name == "EventError" {
            let why = format!("{}: {} {}", frame["req"], answer.frame["ErrorCode"], answer.text("ErrorMessage"));
            *self.board().refused.entry(why).or_default() += 1;
            bail!("{}", answer.frame);
        }
        Ok(answer)
    }

    /// Whether an event about the request comes, from the node that has taken over its call.
    fn is_answered_soon(&self, frame: &Value) -> bool {
        let has_answer = |reference| self.board().answers.contains_key(&reference);
        let comes = || Ok(frame["ReferenceID"].as_u64().is_some_and(has_answer).then_some(()));
        wait::until(CARRIED_OUT_WITHIN, comes).is_ok()
    }

    fn accepted(&self, frame: &Value) -> Result<()> {
        let installation = &self.site.installation;
        let place = installation.demo.web.trim_start_matches("http://").parse()?;
        let until = clock::now() + u64::try_from(ACCEPTED_WITHIN.as_micros()).unwrap_or(10 * SECOND);
        loop {
            let answer = installation.http(place, "POST", "/api/voice/v1/example/requests", &frame.to_string());
            match answer {
                Ok(answer) if answer.status == 202 => return Ok(()),
                Ok(answer) if answer.status < 500 => bail!("{frame} is answered {} {}", answer.status, answer.body),
                // It may have been carried out all the same: to repeat it at once could make a call twice.
                Ok(answer) if answer.status == UNKNOWN && self.is_answered_soon(frame) => return Ok(()),
                _ if clock::now() >= until || self.ends.load(Relaxed) => bail!("{frame} is not accepted"),
                _ => clock::rest(AGAIN),
            }
        }
    }
}

/// The key of a call: what stands before the owner in a ConnID as clients write it.
fn key_of(conn: &str) -> &str {
    conn.split('@').next().unwrap_or(conn)
}
