//! The agents of a tenant as routing sees them: skills, availability and idle time.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use model::plan::{AgentProfile, CALLS_AT_ONCE};
use model::{AgentId, ConnId, Dn, SkillName, Timestamp};
use roaring::RoaringBitmap;

use crate::decision::PassedOver;

/// The most agents of one tenant that are provisioned, in a session or on a call.
pub const AGENTS_MAX: usize = model::plan::PEOPLE_MAX;

/// The most calls counted on one phone; further calls are ignored, and the agent stays unavailable. No phone has as many lines.
pub const CALLS_MAX: usize = 64;

/// An agent's number in the tables of this module, in the order in which the router learned of the agents. None comes twice. A router that
/// is restored from a ledger, whose rows are sorted by id, numbers the agents in that order.
pub(crate) type Index = u32;

/// Whether an agent's session accepts calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Session {
    /// Not logged in.
    #[default]
    LoggedOut,
    /// Logged in, but not ready.
    NotReady,
    /// Ready for calls.
    Ready,
}

/// Whether a call is on a phone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Presence {
    On,
    Off,
}

/// An agent's row.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub id: AgentId,
    pub skills: HashMap<String, i64>,
    pub known: bool,
    pub session: Session,
    pub dn: Option<Dn>,
    pub calls: HashSet<ConnId>,
    pub reserved: bool,
    pub idle_since: Timestamp,
    /// The most calls at a time that the agent is to have.
    pub calls_max: u32,
    /// Its key in the set of available agents; `None` if it is not in the set.
    listed: Option<(usize, Timestamp)>,
    /// In which set of those that something keeps from calls it is; `None` if it is in none.
    kept_by: Option<PassedOver>,
}

impl Agent {
    /// Whether nothing is left of the agent: not provisioned, in no session, on no call, reserved for none.
    fn is_gone(&self) -> bool {
        !self.known && self.session == Session::LoggedOut && self.calls.is_empty() && !self.reserved
    }

    /// The level of a skill.
    pub fn level(&self, skill: &str) -> i64 {
        self.skills.get(skill).copied().unwrap_or(0)
    }

    /// With how many calls the agent takes no further one.
    fn calls_room(&self) -> usize {
        usize::try_from(self.calls_max).map_or(CALLS_MAX, |most| most.min(CALLS_MAX))
    }

    /// Why the agent cannot take a call now.
    fn obstacle(&self, phones: &Phones) -> Option<PassedOver> {
        match self.session {
            _ if !self.known => Some(PassedOver::Unknown),
            Session::LoggedOut => Some(PassedOver::LoggedOut),
            Session::NotReady => Some(PassedOver::NotReady),
            Session::Ready if self.calls_max == 0 => Some(PassedOver::NoCapacity),
            Session::Ready if self.reserved => Some(PassedOver::Reserved),
            Session::Ready if self.calls.len() >= self.calls_room() => Some(PassedOver::OnCall),
            Session::Ready => match &self.dn {
                Some(dn) if !phones.out_of_service.contains(dn) => phones.kept_away(dn),
                _ => Some(PassedOver::PhoneOutOfService),
            },
        }
    }
}

/// The phones at which no agent can take a call, whoever is there.
#[derive(Clone, Debug, Default)]
struct Phones {
    /// Those that are not registered.
    out_of_service: HashSet<Dn>,
    /// Those that do not want to be disturbed.
    do_not_disturb: HashSet<Dn>,
    /// Those from which all calls go elsewhere.
    forwarded: HashSet<Dn>,
}

impl Phones {
    /// Why no call rings at a phone that is registered.
    fn kept_away(&self, dn: &Dn) -> Option<PassedOver> {
        if self.do_not_disturb.contains(dn) {
            return Some(PassedOver::DoNotDisturb);
        }
        self.forwarded.contains(dn).then_some(PassedOver::Forwarded)
    }
}

/// All agents of the tenant, with the sets that selection needs.
#[derive(Clone, Debug, Default)]
pub struct Agents {
    rows: BTreeMap<Index, Agent>,
    /// The number of the next new agent.
    next: Index,
    by_id: HashMap<AgentId, Index>,
    by_dn: HashMap<Dn, Index>,
    /// The rows of the phones on a call. Ordered, so that a router restored from its snapshot frees them in the same order.
    by_call: HashMap<ConnId, BTreeSet<Index>>,
    phones: Phones,
    /// The available agents: those with the fewest calls first, of these the longest idle.
    idle: BTreeSet<(usize, Timestamp, Index)>,
    available: RoaringBitmap,
    /// Those who are provisioned.
    known: RoaringBitmap,
    logged_in: RoaringBitmap,
    /// Those of them who cannot take a call now, by what keeps them from it: whoever asks has them counted without a look at each.
    kept: BTreeMap<PassedOver, RoaringBitmap>,
    /// Rows that changed since [`Agents::take_touched`] was last called.
    touched: RoaringBitmap,
    /// Agents whose rows were removed since then.
    removed: BTreeSet<AgentId>,
}

impl Agents {
    pub(crate) fn index_of(&self, id: &AgentId) -> Option<Index> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn row(&self, index: Index) -> Option<&Agent> {
        self.rows.get(&index)
    }

    pub(crate) fn on_dn(&self, dn: &Dn) -> Option<Index> {
        self.by_dn.get(dn).copied()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (Index, &Agent)> {
        self.rows.iter().map(|(index, row)| (*index, row))
    }

    /// Returns and clears the list of changed and removed rows.
    pub(crate) fn take_touched(&mut self) -> Vec<AgentId> {
        let (touched, removed) = (std::mem::take(&mut self.touched), std::mem::take(&mut self.removed));
        let changed = touched.iter().filter_map(|index| self.row(index)).map(|row| row.id.clone());
        changed.chain(removed).collect()
    }

    /// The agent's row is not as it was written. One that is not there any more is removed already.
    pub(crate) fn touch(&mut self, id: &AgentId) {
        if let Some(index) = self.index_of(id) {
            self.touched.insert(index);
        }
    }

    /// The rows are as they were written; only those that are not there any more are to be removed.
    pub(crate) fn are_as_written(&mut self) {
        self.touched.clear();
    }

    /// The available agents: those with the fewest calls first, of these the longest idle.
    pub(crate) fn idle(&self) -> impl Iterator<Item = Index> {
        self.idle.iter().map(|(_, _, index)| *index)
    }

    pub(crate) fn available(&self) -> &RoaringBitmap {
        &self.available
    }

    pub(crate) fn logged_in(&self) -> &RoaringBitmap {
        &self.logged_in
    }

    /// The provisioned agents.
    pub(crate) fn known(&self) -> &RoaringBitmap {
        &self.known
    }

    /// The agents who are logged in and cannot take a call now, by what keeps them from it.
    pub(crate) fn kept(&self) -> impl Iterator<Item = (PassedOver, &RoaringBitmap)> {
        self.kept.iter().map(|(reason, agents)| (*reason, agents))
    }

    pub(crate) fn is_available(&self, index: Index) -> bool {
        self.available.contains(index)
    }

    pub(crate) fn obstacle(&self, index: Index) -> Option<PassedOver> {
        self.row(index)?.obstacle(&self.phones)
    }

    /// The row of an agent, created if it is new; `None` when the table is full.
    pub(crate) fn intern(&mut self, id: &AgentId) -> Option<Index> {
        if let Some(index) = self.index_of(id) {
            return Some(index);
        }
        if self.rows.len() >= AGENTS_MAX {
            return None;
        }
        let index = self.next;
        self.next = index.checked_add(1)?;
        let row = Agent {
            id: id.clone(),
            skills: HashMap::new(),
            known: false,
            session: Session::LoggedOut,
            dn: None,
            calls: HashSet::new(),
            reserved: false,
            idle_since: Timestamp::ZERO,
            calls_max: CALLS_AT_ONCE,
            listed: None,
            kept_by: None,
        };
        self.rows.insert(index, row);
        self.by_id.insert(id.clone(), index);
        self.removed.remove(id);
        Some(index)
    }

    /// Whether this is what the tenant's provisioning has told already.
    pub(crate) fn has_profile(&self, profile: &AgentProfile) -> bool {
        let Some(row) = self.index_of(&profile.agent).and_then(|index| self.row(index)).filter(|row| row.known) else {
            return false;
        };
        let is_held = |(skill, level): &(SkillName, u16)| row.skills.get(skill.as_str()) == Some(&i64::from(*level));
        row.calls_max == profile.calls_max
            && row.skills.len() == profile.skills.len()
            && profile.skills.iter().all(is_held)
    }

    /// Sets skills and the most calls from the tenant's provisioning. Returns the row's index, or `None` when the table is full.
    pub(crate) fn set_profile(&mut self, profile: &AgentProfile) -> Option<Index> {
        let index = self.intern(&profile.agent)?;
        let skills = profile.skills.iter().map(|(skill, level)| (skill.as_str().to_owned(), i64::from(*level)));
        self.set_provisioned(index, skills.collect(), profile.calls_max);
        Some(index)
    }

    pub(crate) fn set_provisioned(&mut self, index: Index, skills: HashMap<String, i64>, calls_max: u32) {
        if let Some(row) = self.rows.get_mut(&index) {
            row.skills = skills;
            row.calls_max = calls_max;
            row.known = true;
        }
        self.refresh(index);
    }

    pub(crate) fn set_idle_since(&mut self, index: Index, since: Timestamp) {
        if let Some(row) = self.rows.get_mut(&index) {
            row.idle_since = since;
        }
        self.refresh(index);
    }

    /// Removes the agent from selection: it was deleted or disabled. The row stays as long as the agent is in a session or has a call.
    pub(crate) fn forget_profile(&mut self, id: &AgentId) -> Option<Index> {
        let index = self.index_of(id)?;
        let row = self.rows.get_mut(&index)?;
        row.known = false;
        row.skills.clear();
        row.calls_max = CALLS_AT_ONCE;
        self.refresh(index);
        Some(index)
    }

    /// The agent's session changed at `at`, on `dn` when it is logged in.
    pub(crate) fn set_session(&mut self, index: Index, session: Session, dn: Option<&Dn>, at: Timestamp) {
        let Some(row) = self.rows.get_mut(&index) else { return };
        if session == Session::Ready && row.session != Session::Ready {
            row.idle_since = row.idle_since.max(at);
        }
        row.session = session;
        let dn = if session == Session::LoggedOut { None } else { dn.or(row.dn.as_ref()).cloned() };
        if row.dn != dn {
            if let Some(old) = row.dn.take().filter(|old| self.by_dn.get(old) == Some(&index)) {
                self.by_dn.remove(&old);
            }
            let left = std::mem::take(&mut row.calls);
            row.dn.clone_from(&dn);
            for call in &left {
                leave(&mut self.by_call, call, index);
            }
            if let Some(dn) = dn {
                self.by_dn.insert(dn, index);
            }
        }
        self.refresh(index);
    }

    /// A call began or ended on the DN of an agent; returns the agent's index.
    pub(crate) fn set_call(&mut self, dn: &Dn, call: ConnId, presence: Presence, at: Timestamp) -> Option<Index> {
        let index = self.on_dn(dn)?;
        let row = self.rows.get_mut(&index)?;
        match presence {
            Presence::On if row.calls.len() >= CALLS_MAX => {}
            Presence::On => {
                row.calls.insert(call);
                self.by_call.entry(call).or_default().insert(index);
            }
            Presence::Off if row.calls.remove(&call) => {
                row.idle_since = row.idle_since.max(at);
                leave(&mut self.by_call, &call, index);
            }
            Presence::Off => {}
        }
        self.refresh(index);
        Some(index)
    }

    /// Whether the agent on this phone has that call.
    pub(crate) fn is_on_call(&self, dn: &Dn, call: ConnId) -> bool {
        self.on_dn(dn).and_then(|index| self.row(index)).is_some_and(|row| row.calls.contains(&call))
    }

    /// Whether the agent is on a call.
    pub(crate) fn has_calls(&self, index: Index) -> bool {
        self.row(index).is_some_and(|row| !row.calls.is_empty())
    }

    /// A call is over: removes it from every phone. Returns the agents concerned.
    pub(crate) fn end_call(&mut self, call: ConnId, at: Timestamp) -> BTreeSet<Index> {
        let on_it = self.by_call.remove(&call).unwrap_or_default();
        for &index in &on_it {
            if let Some(row) = self.rows.get_mut(&index) {
                row.calls.remove(&call);
                row.idle_since = row.idle_since.max(at);
            }
            self.refresh(index);
        }
        on_it
    }

    /// A phone was registered. Returns the agent on it.
    pub(crate) fn phone_back(&mut self, dn: &Dn) -> Option<Index> {
        self.phones.out_of_service.remove(dn);
        self.refresh_on(dn)
    }

    /// A phone lost its registration. Returns the agent on it.
    pub(crate) fn phone_lost(&mut self, dn: &Dn) -> Option<Index> {
        put(&mut self.phones.out_of_service, dn);
        self.refresh_on(dn)
    }

    /// No call rings at a phone any more. Returns the agent on it.
    pub(crate) fn disturb_no_more(&mut self, dn: &Dn) -> Option<Index> {
        put(&mut self.phones.do_not_disturb, dn);
        self.refresh_on(dn)
    }

    /// Calls ring there again. Returns the agent on it.
    pub(crate) fn disturb_again(&mut self, dn: &Dn) -> Option<Index> {
        self.phones.do_not_disturb.remove(dn);
        self.refresh_on(dn)
    }

    /// All calls to a phone go elsewhere. Returns the agent on it.
    pub(crate) fn forward_all(&mut self, dn: &Dn) -> Option<Index> {
        put(&mut self.phones.forwarded, dn);
        self.refresh_on(dn)
    }

    /// They ring there again. Returns the agent on it.
    pub(crate) fn forward_no_more(&mut self, dn: &Dn) -> Option<Index> {
        self.phones.forwarded.remove(dn);
        self.refresh_on(dn)
    }

    fn refresh_on(&mut self, dn: &Dn) -> Option<Index> {
        let index = self.on_dn(dn)?;
        self.refresh(index);
        Some(index)
    }

    pub(crate) fn reserve(&mut self, index: Index) {
        if let Some(row) = self.rows.get_mut(&index) {
            row.reserved = true;
        }
        self.refresh(index);
    }

    /// Ends a reservation.
    pub(crate) fn free(&mut self, index: Index) {
        if let Some(row) = self.rows.get_mut(&index) {
            row.reserved = false;
        }
        self.refresh(index);
    }

    pub(crate) fn phones_out_of_service(&self) -> impl Iterator<Item = &Dn> {
        self.phones.out_of_service.iter()
    }

    pub(crate) fn phones_not_disturbed(&self) -> impl Iterator<Item = &Dn> {
        self.phones.do_not_disturb.iter()
    }

    pub(crate) fn phones_forwarded(&self) -> impl Iterator<Item = &Dn> {
        self.phones.forwarded.iter()
    }

    /// Updates the sets from the row, and removes a row of which nothing is left.
    fn refresh(&mut self, index: Index) {
        let Some(row) = self.rows.get_mut(&index) else { return };
        self.touched.insert(index);
        let obstacle = row.obstacle(&self.phones);
        let available = obstacle.is_none();
        let logged_in = row.known && row.session != Session::LoggedOut;
        let kept_by = obstacle.filter(|_| logged_in);
        let kept_before = std::mem::replace(&mut row.kept_by, kept_by);
        if kept_before != kept_by {
            if let Some(agents) = kept_before.and_then(|reason| self.kept.get_mut(&reason)) {
                agents.remove(index);
            }
            if let Some(reason) = kept_by {
                self.kept.entry(reason).or_default().insert(index);
            }
        }
        if row.known {
            self.known.insert(index);
        } else {
            self.known.remove(index);
        }
        if let Some((calls, since)) = row.listed.take() {
            self.idle.remove(&(calls, since, index));
            self.available.remove(index);
        }
        if available {
            let calls = row.calls.len();
            row.listed = Some((calls, row.idle_since));
            self.idle.insert((calls, row.idle_since, index));
            self.available.insert(index);
        }
        if logged_in {
            self.logged_in.insert(index);
        } else {
            self.logged_in.remove(index);
        }
        if row.is_gone() {
            self.remove(index);
        }
    }

    fn remove(&mut self, index: Index) {
        let Some(row) = self.rows.remove(&index) else { return };
        self.by_id.remove(&row.id);
        self.touched.remove(index);
        self.removed.insert(row.id);
    }
}

/// Adds a phone to a set, as long as that has room.
fn put(phones: &mut HashSet<Dn>, dn: &Dn) {
    if phones.len() < AGENTS_MAX {
        phones.insert(dn.clone());
    }
}

/// Removes the call from this agent's phone.
fn leave(by_call: &mut HashMap<ConnId, BTreeSet<Index>>, call: &ConnId, index: Index) {
    if let Some(on_it) = by_call.get_mut(call) {
        on_it.remove(&index);
        if on_it.is_empty() {
            by_call.remove(call);
        }
    }
}
