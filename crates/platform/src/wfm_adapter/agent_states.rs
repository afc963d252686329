//! States of agents as intervals, in the order of begin and agent, for two days.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;
use stats::{Action, StateValue};

/// For how long a state that is over is kept.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(48 * 3_600);
/// The most states of one agent that are kept; then the agent's own oldest go.
const STATES_OF_AGENT_MAX: usize = 2_000;
/// The most states of a tenant that are kept; then the oldest of all go.
const STATES_MAX: usize = 2_000_000;
/// The most bytes of a reason that are kept.
const REASON_BYTES_MAX: usize = 256;

/// The state of an agent, as workforce tools name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkforceState {
    Ready,
    NotReady,
    AfterCallWork,
    Ringing,
    Dialing,
    OnHold,
    InboundCall,
    OutboundCall,
    InternalCall,
    Consultation,
    LoggedOut,
    Unknown,
}

/// A state of an agent, from its begin to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AgentInterval<'a> {
    pub agent: &'a str,
    pub state: WorkforceState,
    /// The reason code of a not-ready state.
    pub reason: Option<&'a str>,
    pub begin: Timestamp,
    /// `None` while it lasts.
    pub end: Option<Timestamp>,
}

/// Which states are asked for: those that have a part in `[from, to)` and come after the one named by begin and agent.
#[derive(Clone, Debug)]
pub(super) struct StateWindow {
    pub from: Timestamp,
    pub to: Timestamp,
    pub after: Option<(Timestamp, String)>,
}

/// The states of a tenant's agents.
#[derive(Debug, Default)]
pub(super) struct AgentStates {
    /// The states of each agent, the oldest first. None begins before the end of the one before it; the last one may last.
    lines: BTreeMap<Arc<str>, VecDeque<KeptState>>,
    /// All of them, by begin and agent.
    order: BTreeSet<(Timestamp, Arc<str>)>,
    bounds: StateBounds,
    /// States that went for lack of room, since the last look.
    evicted: u64,
}

/// A state as it is kept, in few bytes: there may be millions.
#[derive(Debug)]
struct KeptState {
    begin: Timestamp,
    /// The latest time of all while it lasts.
    end: Timestamp,
    reason: Option<Box<str>>,
    state: WorkforceState,
}

/// How many states are kept.
#[derive(Clone, Copy, Debug)]
struct StateBounds {
    of_agent: usize,
    all: usize,
}

impl Default for StateBounds {
    fn default() -> Self {
        Self { of_agent: STATES_OF_AGENT_MAX, all: STATES_MAX }
    }
}

impl KeptState {
    fn lasts(&self) -> bool {
        self.end == Timestamp::MAX
    }

    fn of<'a>(&'a self, agent: &'a str) -> AgentInterval<'a> {
        let end = (!self.lasts()).then_some(self.end);
        AgentInterval { agent, state: self.state, reason: self.reason.as_deref(), begin: self.begin, end }
    }
}

impl AgentStates {
    // === changes ===

    /// An agent is in this state, as is known at `at`.
    pub fn is_in(&mut self, agent: &str, value: &StateValue, at: Timestamp) {
        // No event has ever concerned the agent.
        let Some(begin) = value.since else { return };
        let state = WorkforceState::of(value.status);
        // An agent who is not ready has the reason during a call too.
        let reason = value.reason.as_deref().filter(|_| state == WorkforceState::NotReady);
        self.begins(agent, (state, reason.map(shortened)), begin, at);
    }

    fn begins(
        &mut self,
        agent: &str,
        (state, reason): (WorkforceState, Option<&str>),
        begin: Timestamp,
        at: Timestamp,
    ) {
        let begin = match self.lines.get(agent).and_then(VecDeque::back) {
            Some(last) if last.lasts() && last.state == state && last.reason.as_deref() == reason => return,
            Some(last) => {
                let known_until = if last.lasts() { last.begin } else { last.end };
                // What is known of that time stays: the new state counts from when it is known.
                if begin < known_until { known_until.max(at) } else { begin }
            }
            None => begin,
        };
        self.ends(agent, begin);
        let known = self.lines.get_key_value(agent).map(|(agent, _)| agent.clone());
        let key = known.unwrap_or_else(|| Arc::from(agent));
        self.order.insert((begin, key.clone()));
        let next = KeptState { begin, end: Timestamp::MAX, reason: reason.map(Box::from), state };
        let line = self.lines.entry(key).or_default();
        line.push_back(next);
        if line.len() > self.bounds.of_agent {
            self.evict_first(agent);
        }
        if self.order.len() > self.bounds.all {
            self.evict_oldest();
        }
    }

    /// The agent's state ends; one that would have no length is none.
    fn ends(&mut self, agent: &str, at: Timestamp) {
        let Some((key, _)) = self.lines.get_key_value(agent) else { return };
        let key = key.clone();
        let Some(line) = self.lines.get_mut(agent) else { return };
        let Some(last) = line.back_mut().filter(|last| last.lasts()) else { return };
        if last.begin < at {
            last.end = at;
            return;
        }
        self.order.remove(&(last.begin, key));
        line.pop_back();
    }

    /// An agent is in the configuration no more: its state ends where it is known last.
    pub fn gone(&mut self, agent: &str, now: Timestamp) {
        self.ends(agent, now);
    }

    /// An agent has logged out before `at`; it is not known when.
    pub fn has_logged_out(&mut self, agent: &str, at: Timestamp) {
        self.begins(agent, (WorkforceState::LoggedOut, None), at, at);
    }

    /// From `at` on, facts are missing: nobody who was logged in is known to be still in the same state.
    pub fn unknown_from(&mut self, at: Timestamp) {
        for agent in self.lasting_in(|state| state != WorkforceState::LoggedOut) {
            self.begins(&agent, (WorkforceState::Unknown, None), at, at);
        }
    }

    /// The agents whose present state is not known.
    pub fn unknown(&self) -> Vec<Arc<str>> {
        self.lasting_in(|state| state == WorkforceState::Unknown)
    }

    fn lasting_in(&self, is_meant: impl Fn(WorkforceState) -> bool) -> Vec<Arc<str>> {
        let is_in = |line: &VecDeque<KeptState>| line.back().is_some_and(|last| last.lasts() && is_meant(last.state));
        self.lines.iter().filter(|(_, line)| is_in(line)).map(|(agent, _)| agent.clone()).collect()
    }

    // === room ===

    /// Forgets what is older than [`KEPT_FOR`].
    pub fn forget(&mut self, now: Timestamp) {
        let Self { lines, order, .. } = self;
        lines.retain(|agent, line| {
            let is_old = |first: &KeptState| !first.lasts() && first.end + KEPT_FOR < now;
            while let Some(old) = line.front().filter(|first| is_old(first)) {
                order.remove(&(old.begin, agent.clone()));
                line.pop_front();
            }
            !line.is_empty()
        });
    }

    /// The number of states that went for lack of room since the last call.
    pub fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    fn evict_first(&mut self, agent: &str) {
        let Some((key, _)) = self.lines.get_key_value(agent) else { return };
        let key = key.clone();
        if let Some(first) = self.lines.get_mut(agent).and_then(VecDeque::pop_front) {
            self.order.remove(&(first.begin, key));
            self.evicted += 1;
        }
    }

    /// A hundredth at once, so that looking for them costs little for each.
    fn evict_oldest(&mut self) {
        let count = (self.bounds.all / 100).max(1);
        let is_over = |(begin, agent): &&(Timestamp, Arc<str>)| {
            let last = self.lines.get(agent).and_then(VecDeque::back);
            last.is_some_and(|last| !last.lasts() || last.begin != *begin)
        };
        let oldest: Vec<_> = self.order.iter().filter(is_over).take(count).map(|(_, agent)| agent.clone()).collect();
        for agent in oldest {
            self.evict_first(&agent);
        }
    }

    // === reading ===

    /// The present state of an agent.
    pub fn present(&self, agent: &str) -> Option<AgentInterval<'_>> {
        let (agent, line) = self.lines.get_key_value(agent)?;
        line.back().filter(|last| last.lasts()).map(|last| last.of(agent))
    }

    /// The states of all agents within a window, in the order of begin and agent.
    pub fn within<'a>(&'a self, window: &StateWindow) -> impl Iterator<Item = AgentInterval<'a>> + use<'a> {
        let (first, past) = (order_key(window.from, ""), order_key(window.to, ""));
        let after = window.after.as_ref().map(|(begin, agent)| order_key(*begin, agent));
        let after = after.filter(|after| *after >= first);
        let begun_earlier = if after.is_none() { self.across_begin(window) } else { Vec::new() };
        // A range must not end before its begin.
        let has_more = after.as_ref().unwrap_or(&first) < &past;
        let lower = after.map_or(Bound::Included(first), Bound::Excluded);
        let in_order = has_more.then(|| self.order.range((lower, Bound::Excluded(past))));
        let later = in_order.into_iter().flatten().filter_map(move |(begin, agent)| {
            let line = self.lines.get(agent)?;
            let at = line.binary_search_by_key(begin, |state| state.begin).ok()?;
            Some(line.get(at)?.of(agent))
        });
        begun_earlier.into_iter().chain(later)
    }

    /// The states that a window's begin cuts: at most one of each agent.
    fn across_begin(&self, window: &StateWindow) -> Vec<AgentInterval<'_>> {
        let cut = self.lines.iter().filter_map(|(agent, line)| {
            let next = line.partition_point(|state| state.begin < window.from);
            let state = line.get(next.checked_sub(1)?)?;
            (state.end > window.from).then(|| state.of(agent))
        });
        let mut cut: Vec<_> = cut.filter(|state| window.follows(state)).collect();
        cut.sort_unstable_by_key(|state| (state.begin, state.agent));
        cut
    }

    /// The states of one agent within a window.
    pub fn of_agent<'a>(&'a self, agent: &str, window: &'a StateWindow) -> impl Iterator<Item = AgentInterval<'a>> {
        let found = self.lines.get_key_value(agent).into_iter();
        found.flat_map(move |(agent, line)| {
            let first = line.partition_point(|state| state.end <= window.from);
            let states = line.range(first..).take_while(move |state| state.begin < window.to);
            states.map(move |state| state.of(agent)).filter(move |state| window.follows(state))
        })
    }
}

impl StateWindow {
    fn follows(&self, state: &AgentInterval<'_>) -> bool {
        self.after.as_ref().is_none_or(|(begin, agent)| (state.begin, state.agent) > (*begin, agent.as_str()))
    }
}

fn order_key(begin: Timestamp, agent: &str) -> (Timestamp, Arc<str>) {
    (begin, Arc::from(agent))
}

/// As much of a reason as is kept.
fn shortened(reason: &str) -> &str {
    let end = (0..=REASON_BYTES_MAX.min(reason.len())).rev().find(|at| reason.is_char_boundary(*at));
    reason.get(..end.unwrap_or(0)).unwrap_or_default()
}

impl WorkforceState {
    const fn of(status: Action) -> Self {
        match status {
            Action::WaitForNextCall => Self::Ready,
            Action::NotReadyForNextCall | Action::LoggedIn => Self::NotReady,
            Action::AfterCallWork => Self::AfterCallWork,
            Action::CallRinging => Self::Ringing,
            Action::CallDialing => Self::Dialing,
            Action::CallOnHold => Self::OnHold,
            Action::CallInbound => Self::InboundCall,
            Action::CallOutbound => Self::OutboundCall,
            Action::CallInternal => Self::InternalCall,
            Action::CallConsult => Self::Consultation,
            Action::LoggedOut => Self::LoggedOut,
            _ => Self::Unknown,
        }
    }

    /// Its name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::NotReady => "not_ready",
            Self::AfterCallWork => "after_call_work",
            Self::Ringing => "ringing",
            Self::Dialing => "dialing",
            Self::OnHold => "on_hold",
            Self::InboundCall => "inbound_call",
            Self::OutboundCall => "outbound_call",
            Self::InternalCall => "internal_call",
            Self::Consultation => "consultation",
            Self::LoggedOut => "logged_out",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests;
