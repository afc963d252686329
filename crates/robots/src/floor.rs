//! The floor: all robots, and the loop that runs them.

mod agents;
mod audience;
mod callers;
mod moves;
mod opening;
mod outside;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use mio::{Events, Poll, Token, Waker};
use model::Timestamp;
use model::entropy::Seeded;
use sip::agent::{DialogId, Event};

use crate::agent::Agent;
use crate::audio::Legs;
use crate::call::Call;
use crate::desk::{Desk, Outgoing};
use crate::follow::Follow;
use crate::phone::Phone;
use crate::plan::Plan;
use crate::requests::Requests;
use crate::results::{AgentRow, CallRow, OutgoingRow, Results, Run, Totals};
use crate::site::Site;
use crate::timers::Timers;
use crate::tones::Grid;

/// How often the loop checks for a request to stop.
const LOOK: Duration = Duration::from_millis(100);
/// Maximum of calls at once; further arrivals are postponed.
const CALLS_MAX: usize = 4_000;
/// Rows kept of an endless run.
const ROWS_KEPT: usize = 2_000;
/// How often a line about the progress is printed.
const PROGRESS: Duration = Duration::from_secs(5);
const PROGRESS_ENDLESS: Duration = Duration::from_secs(60);
/// Index of the carrier's phone, which brings all callers and takes the calls that go out; the agents' follow, then those of the desks.
const CARRIER: usize = 0;
const WAKE: Token = Token(usize::MAX);

/// A handle that stops the robots.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Makes them hang up, log out and end.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Stage of the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    Opening,
    Running,
    Closing,
    Done,
}

/// A scheduled action.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Due {
    /// An agent's phone registers, or registers again.
    Register(usize, u32),
    /// An agent requests login, then readiness.
    LogIn(usize),
    /// An agent's after-call work is done.
    Ready(usize),
    /// An agent answers the call that rings.
    Answer(usize, DialogId),
    /// A conversation ends, by its agent or its caller.
    HangUp(u32),
    /// An agent ends a conversation with a party that is no robot.
    Part(usize, DialogId),
    /// An agent puts the call on hold.
    Hold(usize, DialogId),
    /// An agent retrieves the call.
    Retrieve(usize, DialogId),
    /// An agent consults, transfers, confers; or the next step of it, if the call has come no further.
    Move(u32, u32),
    /// What was requested must have happened.
    Overdue(u32, u32),
    /// A desk registers, or registers again.
    RegisterDesk(usize, u32),
    /// A desk calls a number outside.
    DialOut(usize),
    /// The number outside answers.
    PickUp(u32),
    /// A call that went out ends.
    PartOutside(u32),
    /// It must have ended.
    OutsideOverdue(u32),
    /// The next caller dials.
    Arrive,
    /// A caller presses a key in the menu.
    Press(u32),
    /// A caller's patience ends.
    GiveUp(u32),
    /// The time of a stage is over.
    Stage(Stage),
}

pub(crate) struct Floor {
    pub plan: Plan,
    pub site: Site,
    pub dice: Seeded,
    pub now: Instant,
    begun: Instant,
    begun_at: Timestamp,
    pub phones: Vec<Phone>,
    pub agents: Vec<Agent>,
    pub calls: HashMap<u32, Call>,
    pub desks: Vec<Desk>,
    /// The calls that go out, by their numbers outside, and by the carrier's dialogs.
    pub outgoing: HashMap<u32, Outgoing>,
    pub by_outside_number: HashMap<String, u32>,
    pub far_dialogs: HashMap<DialogId, u32>,
    pub dialled_out: u32,
    pub by_dialog: HashMap<DialogId, u32>,
    pub by_number: HashMap<String, u32>,
    /// The calls of requests by their numbers, and the last number.
    pub by_reference: HashMap<u64, u32>,
    pub references: u64,
    pub legs: Legs,
    pub timers: Timers<Due>,
    pub requests: Requests,
    follow: Follow,
    pub grid: Grid,
    pub stage: Stage,
    pub placed: u32,
    pub callers: String,
    pub first_arrival: Option<u64>,
    pub last_arrival: Option<u64>,
    pub ended: u64,
    pub opened_at: Option<Instant>,
    totals: Totals,
    rows: Vec<CallRow>,
    outgoing_rows: Vec<OutgoingRow>,
    pub faults: Vec<String>,
}

/// Runs the plan until it is done or stopped; `tell` gets the progress as text.
///
/// # Errors
/// If the robots cannot start: no socket, no agents.
pub fn run(site: Site, plan: Plan, stop: &Stop, tell: &mut dyn FnMut(&str)) -> Result<Results> {
    ensure!(plan.agents <= site.agents.len(), "{} agents are wanted, the site has {}", plan.agents, site.agents.len());
    let mut poll = Poll::new()?;
    let mut floor = Floor::new(site, plan, &poll)?;
    let mut events = Events::with_capacity(1_024);
    let every = if floor.plan.calls.is_some() { PROGRESS } else { PROGRESS_ENDLESS };
    if let Some(outside) = floor.site.outside.as_ref().filter(|_| floor.desks.is_empty()) {
        tell(&format!("no calls go out: {} is not free here, where the trunk for them leads", outside.carrier));
    }
    let mut told = floor.now;
    let mut stage = floor.stage;
    while floor.stage != Stage::Done {
        match poll.poll(&mut events, Some(floor.wait())) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => other?,
        }
        floor.now = Instant::now();
        if stop.is_asked() {
            floor.close();
        }
        floor.legs.turn(floor.now);
        let at = floor.timestamp();
        for event in &events {
            floor.receive(event.token().0, at);
        }
        floor.tend_lines(at);
        floor.work();
        floor.advance();
        if floor.now.duration_since(told) >= every || stage != floor.stage {
            (told, stage) = (floor.now, floor.stage);
            tell(&floor.progress());
        }
    }
    Ok(floor.results())
}

/// Opens the phones of those who call numbers outside. None if the trunk for these leads elsewhere: nobody could take the calls.
fn open_desks(site: &Site, poll: &Poll, phones: &mut Vec<Phone>) -> Result<Vec<Desk>> {
    let mut desks = Vec::new();
    let Some(outside) = &site.outside else { return Ok(desks) };
    if phones.get(CARRIER).is_none_or(|carrier| carrier.local != outside.carrier) {
        return Ok(desks);
    }
    let (own, edge) = (site.own_address()?, site.edge()?);
    for desk in &outside.desks {
        let (token, user) = (Token(phones.len()), (desk.extension.as_str(), desk.password.as_str()));
        phones.push(match outside.secure.as_ref().filter(|_| desk.encrypts) {
            Some(secure) => Phone::open_secure(poll.registry(), token, own, user, (secure.address()?, secure))?,
            None => Phone::open(poll.registry(), token, (own, edge), user)?,
        });
        desks.push(Desk::new(desk.clone()));
    }
    Ok(desks)
}

impl Floor {
    fn new(site: Site, plan: Plan, poll: &Poll) -> Result<Self> {
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (own, edge) = (site.own_address()?, site.edge()?);
        let carrier = site.outside.as_ref().map(|outside| outside.carrier);
        let mut phones = vec![Phone::open_carrier(poll.registry(), Token(CARRIER), (own, edge), carrier)?];
        let mut agents = Vec::new();
        for agent in site.agents.iter().take(plan.agents) {
            let (token, user) = (Token(phones.len()), (agent.extension.as_str(), agent.password.as_str()));
            phones.push(Phone::open(poll.registry(), token, (own, edge), user)?);
            agents.push(Agent::new(agent.clone()));
        }
        let desks = open_desks(&site, poll, &mut phones)?;
        let requests = Requests::start(site.web_edge()?, &site.tenant, &site.token, waker.clone())?;
        let follow = Follow::start(site.web_edge()?, &site.tenant, &site.token, waker)?;
        let now = Instant::now();
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        /// The second of its start tells a run from those of a day before and after.
        const RUNS: u64 = 100_000;
        let callers = format!("+1557{:05}", since_epoch.as_secs() % RUNS);
        let mut floor = Self {
            dice: Seeded::new(plan.seed),
            now,
            begun: now,
            begun_at: Timestamp::from_micros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)),
            phones,
            agents,
            calls: HashMap::new(),
            desks,
            outgoing: HashMap::new(),
            by_outside_number: HashMap::new(),
            far_dialogs: HashMap::new(),
            dialled_out: 0,
            by_dialog: HashMap::new(),
            by_number: HashMap::new(),
            by_reference: HashMap::new(),
            references: 0,
            legs: Legs::new(own, now),
            timers: Timers::new(),
            requests,
            follow,
            grid: Grid::new(),
            stage: Stage::Opening,
            placed: 0,
            callers,
            first_arrival: None,
            last_arrival: None,
            ended: 0,
            opened_at: None,
            totals: Totals::default(),
            rows: Vec::new(),
            outgoing_rows: Vec::new(),
            faults: Vec::new(),
            plan,
            site,
        };
        floor.open();
        Ok(floor)
    }

    /// The wall clock, in step with the monotonic one.
    pub fn timestamp(&self) -> Timestamp {
        self.begun_at + self.now.duration_since(self.begun)
    }

    /// Milliseconds since 1970.
    pub fn millis(&self) -> u64 {
        self.timestamp().as_micros() / 1_000
    }

    /// How long no action is due.
    fn wait(&self) -> Duration {
        let at = self.timestamp();
        let due = [self.legs.next_turn(), self.timers.next()].into_iter().flatten().min();
        let by_clock = due.map(|due| due.saturating_duration_since(Instant::now()));
        let by_sip = self.phones.iter().filter_map(|phone| phone.ua.next_timeout()).min();
        let by_sip = by_sip.map(|due| Duration::from_micros(due.as_micros().saturating_sub(at.as_micros())));
        [by_clock, by_sip].into_iter().flatten().fold(LOOK, Duration::min)
    }

    fn receive(&mut self, phone: usize, at: Timestamp) {
        let change = self.phones.get_mut(phone).and_then(|phone| phone.receive(at));
        if let (Some(change), Some(desk)) = (change, phone.checked_sub(1 + self.agents.len())) {
            self.desk_line_changed(desk, change);
        }
    }

    /// Opens the connections that are missing.
    fn tend_lines(&mut self, at: Timestamp) {
        let is_missing = |index: &usize| !self.phones[*index].is_connected();
        let missing: Vec<usize> = (0..self.phones.len()).filter(is_missing).collect();
        missing.into_iter().for_each(|phone| self.receive(phone, at));
    }

    /// Does all due actions and handles all input.
    fn work(&mut self) {
        let at = self.timestamp();
        for phone in &mut self.phones {
            if phone.ua.next_timeout().is_some_and(|due| due <= at) {
                phone.ua.handle_timeout(at);
            }
        }
        while let Some(answered) = self.requests.next_answer() {
            self.request_answered(answered.agent, answered.reference, answered.outcome);
        }
        while let Some(told) = self.follow.next_event() {
            self.told(&told);
        }
        while let Some(due) = self.timers.pop_due(self.now) {
            self.act(due);
        }
        loop {
            let mut quiet = true;
            for index in 0..self.phones.len() {
                while let Some(event) = self.phones[index].next_event() {
                    quiet = false;
                    self.happened(index, event);
                }
            }
            if quiet {
                break;
            }
        }
        self.phones.iter_mut().for_each(Phone::send);
    }

    fn act(&mut self, due: Due) {
        match due {
            Due::Register(agent, round) => self.register(agent, round),
            Due::LogIn(agent) => self.log_in(agent),
            Due::Ready(agent) => self.ready(agent),
            Due::Answer(agent, dialog) => self.answer(agent, dialog),
            Due::HangUp(call) => self.hang_up(call),
            Due::Part(agent, dialog) => self.part(agent, dialog),
            Due::Hold(agent, dialog) => self.hold(agent, dialog),
            Due::Retrieve(agent, dialog) => self.retrieve(agent, dialog),
            Due::Move(call, steps) => self.move_on(call, steps),
            Due::Overdue(call, steps) => self.overdue(call, steps),
            Due::RegisterDesk(desk, round) => self.register_desk(desk, round),
            Due::DialOut(desk) => self.dial_out(desk),
            Due::PickUp(call) => self.pick_up(call),
            Due::PartOutside(call) => self.part_outside(call),
            Due::OutsideOverdue(call) => self.outside_overdue(call),
            Due::Arrive => self.arrive(),
            Due::Press(call) => self.press(call),
            Due::GiveUp(call) => self.give_up(call),
            // The run may have gone on to the next stage long ago.
            Due::Stage(stage) if stage == self.stage => self.stage_due(),
            Due::Stage(_) => {}
        }
    }

    fn happened(&mut self, phone: usize, event: Event) {
        match phone.checked_sub(1) {
            None => self.at_carrier(event),
            Some(agent) if agent < self.agents.len() => self.at_agent(agent, event),
            Some(other) => self.at_desk(other - self.agents.len(), event),
        }
    }

    /// Records a finished call.
    pub fn keep(&mut self, row: CallRow) {
        self.ended = self.millis();
        self.totals.add(&row);
        if self.plan.calls.is_none() && self.rows.len() >= ROWS_KEPT {
            self.rows.remove(0);
        }
        self.rows.push(row);
    }

    /// Records a finished call that went out.
    pub fn keep_outgoing(&mut self, row: OutgoingRow) {
        self.totals.add_outgoing(&row);
        if self.plan.calls.is_none() && self.outgoing_rows.len() >= ROWS_KEPT {
            let is_flawless = |row: &OutgoingRow| row.faults.is_empty();
            self.outgoing_rows.remove(self.outgoing_rows.iter().position(is_flawless).unwrap_or_default());
        }
        self.outgoing_rows.push(row);
    }

    fn progress(&self) -> String {
        let talking = self.calls.values().filter(|call| call.is_talking()).count();
        let t = &self.totals;
        match self.stage {
            Stage::Opening => {
                let ready = self.agents.iter().filter(|agent| agent.is_ready()).count();
                format!("{ready} of {} agents are ready", self.agents.len())
            }
            Stage::Running => format!(
                "{} calls placed, {} in conversation, {} waiting; answered {}, abandoned {}, refused {}, faulty {}; {} to numbers \
                 outside, faulty {}",
                self.placed,
                talking,
                self.calls.len() - talking,
                t.answered,
                t.abandoned,
                t.refused,
                t.faulty,
                self.dialled_out,
                t.outgoing_faulty
            ),
            Stage::Closing => "agents log out".to_owned(),
            Stage::Done => format!("done: {} calls", t.offered),
        }
    }

    fn results(mut self) -> Results {
        self.note_silent_desks();
        let endless = self.plan.calls.is_none();
        let mut totals = Totals::of(&self.rows, &self.outgoing_rows);
        if endless {
            // Sums cover all calls, waiting times only the kept ones.
            totals = Totals { waits: totals.waits, ..self.totals };
        }
        let agents = self.agents.iter().map(|agent| AgentRow {
            agent: agent.who.agent.clone(),
            extension: agent.who.extension.clone(),
            skills: agent.who.skills.clone(),
            rang: agent.rang,
            answered: agent.answered,
            talk_ms: u64::try_from(agent.talked.as_millis()).unwrap_or(u64::MAX),
        });
        Results {
            run: Run {
                callers: self.callers,
                seed: self.plan.seed,
                first_arrival: self.first_arrival,
                last_arrival: self.last_arrival,
                ended: self.ended,
                services: self.site.services,
            },
            totals,
            agents: agents.collect(),
            calls: self.rows,
            outgoing: self.outgoing_rows,
            faults: self.faults,
        }
    }
}
