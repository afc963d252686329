//! What each call of a tenant has come through: route points, what the caller heard and pressed there, queues, phones. And which calls
//! wait.
//!
//! Folded from the facts of calls and of virtual queues. A snapshot tells where a call waits, and nothing of what was before: of the calls
//! that were there at the beginning the course is known from then on.

mod kept;

use std::collections::HashMap;

use contracts::v1::{self, PartyState};
use contracts::wire;
use model::event::CallRef;
use model::{
    CallState, ConnId, Dn, DnRole, Event, EventName, Seq, Stamped, Subject, Timestamp, Token, UserData, Value,
};

use super::calls::CALLS_MAX;
use crate::course_api::{
    CallCourse, ChosenAgent, CourseStep, MatchedSkill, PassedOverAgent, StepKind, WaitingCall, WaitingCallList,
};

/// The most steps of a call that are kept. Of more those go first that the caller has heard, then others that are over, the oldest first.
const STEPS_MAX: usize = 32;
/// The most virtual queues in which a call is told to wait.
const QUEUES_MAX: usize = 8;
/// The most keys of an input that may be a part of a PIN that is asked for in parts.
const PART_KEYS_MAX: usize = 2;
/// The most agents that are told to have been passed over.
const PASSED_OVER_MAX: usize = 20;
/// The most skills that are told of a choice.
const SKILLS_MAX: usize = 8;
/// The most calls of a list of those that wait.
const LISTED_MAX: usize = 200;
/// The extension that names the stay of a call in a virtual queue.
const STAY: &str = "RVQID";

/// The courses of a tenant's calls.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct CallCourses {
    known: HashMap<ConnId, KnownCourse>,
}

/// A call.
#[derive(Debug, PartialEq, Eq)]
struct KnownCourse {
    ani: Option<String>,
    dnis: Option<String>,
    course: CallCourse,
    /// Since when it waits for somebody; none while somebody talks with the caller.
    waits_since: Option<Timestamp>,
    /// Whether it is at a route point now.
    is_at_point: bool,
    /// The route point where it is, or was last.
    route_point: Option<String>,
    /// The caller's latest input, until it is known whether it was a choice of a menu.
    latest_input: ShortInput,
    /// The virtual queues where it waits, each with the name of its stay.
    queues: Vec<(String, String)>,
    last: Option<(Token, Seq)>,
    changed: Timestamp,
}

/// An input of a few keys, which is a choice of a menu or a part of something secret.
#[derive(Debug, Default, PartialEq, Eq)]
enum ShortInput {
    /// There was none since the call came to the route point, or since a longer one.
    #[default]
    None,
    /// One key, in the step that began then: a choice, unless another short input follows.
    Choice { began_at: u64, key: String },
    /// Two keys, or several short inputs one after the other, as the second and the fourth digit of a PIN.
    Part,
}

impl CallCourses {
    /// Takes over a call of the snapshot, as far as that tells of its course.
    pub fn stands(&mut self, status: &v1::CallStatus) {
        let Some(Ok(call)) = status.call.clone().map(wire::call_ref_from_wire) else { return };
        let waits: Vec<&v1::PartyStatus> =
            status.parties.iter().filter(|party| party.state() == PartyState::Queued).collect();
        let known = self.entry(&call, Timestamp::from_micros(status.changed_at_us));
        known.waits_since = waits.iter().map(|party| Timestamp::from_micros(party.since_us)).min();
        known.is_at_point = !waits.is_empty();
        // A call waits at one route point. Which of several it is its next fact there tells; queues have names, route points numbers.
        let is_number = |dn: &str| dn.chars().all(|sign| sign.is_ascii_digit() || "+*#".contains(sign));
        let points: Vec<&str> = match waits.as_slice() {
            [only] => vec![only.dn.as_str()],
            several => several.iter().map(|party| party.dn.as_str()).filter(|dn| is_number(dn)).collect(),
        };
        if let [point] = points.as_slice() {
            known.route_point = Some((*point).to_owned());
        }
        let queues = waits.iter().filter(|party| known.route_point.as_ref() != Some(&party.dn));
        let queues: Vec<_> = queues.map(|party| (String::new(), party.dn.clone())).take(QUEUES_MAX).collect();
        known.queues = queues;
    }

    /// Folds a fact in.
    pub fn fold(&mut self, stamped: &Stamped) {
        let (event, at) = (&stamped.event, stamped.at);
        let Some(call) = &event.call else { return };
        match &stamped.id.subject {
            Subject::Call(_) if event.name == EventName::CallDeleted => {
                self.known.remove(&call.conn_id);
            }
            // It may be about a call that is over, or is told to somebody who is not in it.
            Subject::Call(_) if matches!(event.name, EventName::Error | EventName::ACK | EventName::PartyInfo) => {}
            Subject::Call(_) => {
                let number = (stamped.id.token, stamped.id.seq);
                let known = self.entry(call, at);
                if known.last.is_some_and(|last| number <= last) {
                    return;
                }
                (known.last, known.changed) = (Some(number), at);
                known.fold(event, at);
            }
            // rq may tell of a call after its end.
            Subject::Queue(_) => {
                if let Some(known) = self.known.get_mut(&call.conn_id) {
                    known.changed = at;
                    known.fold_of_queue(event, at);
                }
            }
            _ => {}
        }
    }

    /// What a call has come through; none if it is not known.
    pub fn course(&self, conn_id: ConnId) -> Option<&CallCourse> {
        self.known.get(&conn_id).map(|known| &known.course)
    }

    /// A call, if it waits.
    pub fn waiting_call(&self, conn_id: ConnId, now: Timestamp) -> Option<WaitingCall> {
        let known = self.known.get(&conn_id).filter(|known| known.is_at_point)?;
        Some(known.shown(conn_id, now))
    }

    /// The calls that wait.
    pub fn waiting(&self, now: Timestamp) -> WaitingCallList {
        let mut waiting: Vec<_> = self.known.iter().filter(|(_, known)| known.is_at_point).collect();
        waiting.sort_by_key(|(conn_id, known)| (known.waits_since, **conn_id));
        let calls = waiting.iter().take(LISTED_MAX).map(|(conn_id, known)| known.shown(**conn_id, now));
        WaitingCallList { calls: calls.collect(), total_matches: waiting.len() as u64 }
    }

    fn entry(&mut self, call: &CallRef, at: Timestamp) -> &mut KnownCourse {
        if !self.known.contains_key(&call.conn_id)
            && self.known.len() >= CALLS_MAX
            && let Some(oldest) = self.known.iter().min_by_key(|(id, known)| (known.changed, **id)).map(|(id, _)| *id)
        {
            // One whose end was lost must not stay for ever.
            self.known.remove(&oldest);
        }
        self.known.entry(call.conn_id).or_insert_with(|| KnownCourse::of(call, at))
    }
}

impl KnownCourse {
    fn of(call: &CallRef, at: Timestamp) -> Self {
        Self {
            ani: call.ani.clone(),
            dnis: call.dnis.clone(),
            course: CallCourse::default(),
            waits_since: None,
            is_at_point: false,
            route_point: None,
            latest_input: ShortInput::None,
            queues: Vec::new(),
            last: None,
            changed: at,
        }
    }

    fn shown(&self, conn_id: ConnId, now: Timestamp) -> WaitingCall {
        WaitingCall {
            id: conn_id.to_string(),
            ani: self.ani.clone(),
            dnis: self.dnis.clone(),
            route_point: self.route_point.clone(),
            queues: self.queues.iter().map(|(_, queue)| queue.clone()).collect(),
            waiting: self.waits_since.map_or(0, |since| now.since(since).as_secs()),
        }
    }

    // === facts ===

    fn fold(&mut self, event: &Event, at: Timestamp) {
        if event.name == EventName::CallCreated {
            self.course.is_whole = true;
        }
        let Some(dn) = event.this_dn.as_ref().map(Dn::as_str) else { return };
        if event.this_queue.as_deref() == Some(dn) {
            self.at_point(dn, event, at);
        } else {
            self.at_phone(dn, event, at);
        }
    }

    fn at_point(&mut self, dn: &str, event: &Event, at: Timestamp) {
        match event.name {
            EventName::Queued => {
                self.comes_to(dn, at);
                self.begin(StepKind::RoutePoint, dn, at);
            }
            EventName::RouteRequest => {
                self.comes_to(dn, at);
                if let Some(failed) = event.extensions.text("FailedDN") {
                    let result = event.extensions.text("FailedCallState").map(str::to_owned);
                    self.push(CourseStep { duration: Some(0), result, ..step(StepKind::NotTaken, failed, at) });
                }
            }
            EventName::RouteUsed | EventName::Diverted | EventName::Abandoned => {
                self.is_at_point = false;
                self.inputs_are_over();
                self.end(StepKind::RoutePoint, Some(dn), at, |_| {});
                self.end(StepKind::Treatment, None, at, |_| {});
            }
            EventName::TreatmentApplied => {
                self.comes_to(dn, at);
                self.begin(StepKind::Treatment, event.extensions.text("TreatmentType").unwrap_or_default(), at);
            }
            EventName::TreatmentEnd => {
                // What the application has marked as a secret is neither a choice of a menu nor a part of another input.
                let keys = event.collected_digits.as_deref().filter(|keys| !keys.is_empty() && !event.secret_digits);
                let mut began_at = None;
                self.end(StepKind::Treatment, None, at, |step| {
                    began_at = Some(step.began_at);
                    step.result = event.extensions.text("Result").map(str::to_owned);
                    step.key_count = keys.map(|keys| u32::try_from(keys.len()).unwrap_or(u32::MAX));
                });
                if let (Some(keys), Some(began_at)) = (keys, began_at) {
                    self.input(keys, began_at);
                }
            }
            _ => {}
        }
    }

    /// The caller has pressed keys in the step that began then. Which ones is told of a single key, once it is known that no other short
    /// input came directly before or after it: everything else may be secret.
    fn input(&mut self, keys: &str, began_at: u64) {
        if keys.len() > PART_KEYS_MAX {
            return self.inputs_are_over();
        }
        self.latest_input = match self.latest_input {
            ShortInput::None if keys.len() == 1 => ShortInput::Choice { began_at, key: keys.to_owned() },
            _ => ShortInput::Part,
        };
    }

    /// No further short input belongs to the latest one.
    fn inputs_are_over(&mut self) {
        let ShortInput::Choice { began_at, key } = std::mem::take(&mut self.latest_input) else { return };
        let is_it = |step: &&mut CourseStep| step.kind == StepKind::Treatment && step.began_at == began_at;
        if let Some(step) = self.course.steps.iter_mut().rev().find(is_it) {
            step.keys = Some(key);
        }
    }

    fn comes_to(&mut self, point: &str, at: Timestamp) {
        self.is_at_point = true;
        self.waits_since = self.waits_since.or(Some(at));
        if self.route_point.as_deref() != Some(point) {
            self.route_point = Some(point.to_owned());
            // What was taken for a queue, because the snapshot does not say which one it is.
            self.queues.retain(|(_, queue)| queue != point);
        }
    }

    fn at_phone(&mut self, dn: &str, event: &Event, at: Timestamp) {
        match event.name {
            EventName::Established if event.this_role == Some(DnRole::Destination) => {
                self.waits_since = None;
                self.begin(StepKind::Phone, dn, at);
            }
            EventName::Released => {
                let result = event.call_state.filter(|state| *state != CallState::Ok).map(|state| state.to_string());
                self.end(StepKind::Phone, Some(dn), at, |step| step.result = result);
            }
            _ => {}
        }
    }

    fn fold_of_queue(&mut self, event: &Event, at: Timestamp) {
        let (Some(queue), stay) = (event.this_queue.as_deref(), event.extensions.text(STAY).unwrap_or_default()) else {
            return;
        };
        // The name of a stay of the snapshot is not known.
        let is_it = |(of, name): &(String, String)| name == queue && (of.is_empty() || of == stay);
        match event.name {
            EventName::Queued if !self.queues.iter().any(is_it) => {
                if self.queues.len() < QUEUES_MAX {
                    self.queues.push((stay.to_owned(), queue.to_owned()));
                }
                self.begin(StepKind::Queue, queue, at);
            }
            EventName::Diverted | EventName::Abandoned => {
                self.queues.retain(|one| !is_it(one));
                let result = event.call_state.filter(|state| *state != CallState::Ok).map(|state| state.to_string());
                self.end(StepKind::Queue, Some(queue), at, |step| {
                    (step.result, step.chosen) = (result, chosen(event).map(Box::new));
                });
            }
            _ => {}
        }
    }

    // === steps ===

    /// A step begins, if it has not already.
    fn begin(&mut self, kind: StepKind, name: &str, at: Timestamp) {
        if self.open(kind, Some(name)).is_none() {
            self.push(step(kind, name, at));
        }
    }

    /// The latest step of that kind, and of that name if one is given, ends; there may be none.
    fn end(&mut self, kind: StepKind, name: Option<&str>, at: Timestamp, told: impl FnOnce(&mut CourseStep)) {
        if let Some(step) = self.open(kind, name) {
            step.duration = Some(at.as_millis().saturating_sub(step.began_at));
            told(step);
        }
    }

    fn open(&mut self, kind: StepKind, name: Option<&str>) -> Option<&mut CourseStep> {
        let is_it = |step: &&mut CourseStep| {
            step.kind == kind && step.duration.is_none() && name.is_none_or(|name| step.name == name)
        };
        self.course.steps.iter_mut().rev().find(is_it)
    }

    fn push(&mut self, step: CourseStep) {
        if self.course.steps.len() >= STEPS_MAX {
            // What a caller hears while waiting repeats itself for as long as that lasts. What goes on has its end to come.
            let later = || self.course.steps.iter().enumerate().skip(1);
            let over = || later().filter(|(_, step)| step.duration.is_some());
            let heard = over().find(|(_, step)| step.kind == StepKind::Treatment);
            let at = heard.or_else(|| over().next()).map_or(1, |(at, _)| at);
            self.course.steps.remove(at);
            self.course.left_out = self.course.left_out.saturating_add(1);
        }
        self.course.steps.push(step);
    }
}

fn step(kind: StepKind, name: &str, at: Timestamp) -> CourseStep {
    let (name, began_at) = (name.to_owned(), at.as_millis());
    CourseStep { kind, name, began_at, duration: None, result: None, key_count: None, keys: None, chosen: None }
}

/// The agent for whom a call has left a virtual queue, with what decided.
fn chosen(event: &Event) -> Option<ChosenAgent> {
    let agent = event.agent.as_ref()?.to_string();
    let none = UserData::new();
    let compared = match event.extensions.get("Candidates") {
        Some(Value::List(compared)) => compared,
        _ => &none,
    };
    let others = compared.iter().filter(|(other, _)| *other != agent);
    let passed_over: Vec<PassedOverAgent> = others
        .filter_map(|(agent, why)| match why {
            Value::Text(why) => Some(PassedOverAgent { agent: agent.to_owned(), why: why.clone() }),
            _ => None,
        })
        .collect();
    let number = |key: &str| match event.extensions.get(key) {
        Some(Value::Int(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let count = |key: &str| number(key).unwrap_or_default();
    let cut = passed_over.len().saturating_sub(PASSED_OVER_MAX) as u64;
    Some(ChosenAgent {
        agent,
        rule: event.extensions.text("Rule").unwrap_or_default().to_owned(),
        passed_over: passed_over.into_iter().take(PASSED_OVER_MAX).collect(),
        more: count("CandidatesMore").saturating_add(cut),
        waiting: count("Waiting"),
        skills: matched(event),
        ready_for: number("ReadyFor"),
        waited: number("WaitedFor"),
    })
}

/// What the chosen agent has of the skills that were asked for.
fn matched(event: &Event) -> Vec<MatchedSkill> {
    let Some(Value::List(skills)) = event.extensions.get("MatchedSkills") else { return Vec::new() };
    let matched = skills.iter().filter_map(|(skill, level)| match level {
        Value::Int(level) => Some(MatchedSkill { skill: skill.to_owned(), level: *level }),
        _ => None,
    });
    matched.take(SKILLS_MAX).collect()
}

#[cfg(test)]
mod tests;
