//! A node's connection to the ledger. While a fault has cut it, commits wait in order and queries fail, as in the client for
//! Redis. Waiting commits outlive the node, as on its disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use infra::{
    Answer, CallIndex, CallLedger, CallWrite, Claim, Claimed, Holding, Lease, Leases, Loaded, Record, StoreError,
    Stores, Written,
};
use model::{ConnId, Epoch, NodeId, Owner, TenantId, Timestamp, Token};

use super::nodes::at_once;

/// How the connection is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// Nothing listens: attempts fail at once.
    Refused,
    /// Nothing arrives, and no error is reported.
    Silent,
    /// From the next commit on: it is carried out, and its answer is lost.
    AtCommit,
    /// From the next claim on, likewise.
    AtClaim,
}

/// How long a commit is tried before it waits.
pub const TRY_WITHIN: Duration = Duration::from_millis(500);
/// Pause after a failure.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// After an absence of this length claims are refused, until owners have had the time below to come back.
const AWAY_LONG: Duration = Duration::from_secs(1);
const OWNERS_FIRST: Duration = Duration::from_secs(3);

/// The connection of one node, through all its runs.
pub struct Way {
    ledger: Stores,
    state: Mutex<State>,
}

/// Counts of events.
#[derive(Clone, Copy, Default, Debug)]
pub struct WaySeen {
    pub waited: u64,
    pub came_too_late: u64,
    pub unheard_commits: u64,
    pub unheard_claims: u64,
}

#[derive(Default)]
struct State {
    seen: WaySeen,
    cut: Option<(Cut, Timestamp)>,
    back_at: Option<Timestamp>,
    failed_at: Option<Timestamp>,
    /// Answers of the ledger that were lost, for the batch being tried.
    unheard: Vec<Option<Written>>,
    waiting: VecDeque<Waiting>,
    /// Commits that a previous run has left.
    former: VecDeque<Waiting>,
    /// Calls that were claimed here while the answer was lost.
    limbo: Vec<ConnId>,
    /// Commits that were refused while they waited; their owner does not know it yet.
    lost: BTreeMap<ConnId, Written>,
    /// Commits that the ledger has taken or refused.
    written: Vec<(CallWrite, Written)>,
}

impl State {
    const fn is_open(&self) -> bool {
        !matches!(self.cut, Some((Cut::Refused | Cut::Silent, _)))
    }

    fn waits_for(&self, conn_id: ConnId) -> bool {
        self.waiting.iter().any(|waiting| waiting.write.conn_id == conn_id)
    }

    /// Whether the ledger has just come back, and owners first write the commits that wait.
    fn owners_first(&self, now: Timestamp) -> bool {
        self.back_at.is_some_and(|back_at| now.since(back_at) < OWNERS_FIRST)
    }
}

struct Waiting {
    write: CallWrite,
    /// The answer when it was tried: its number identifies it, so it is carried out once.
    unheard: Option<Written>,
}

impl Way {
    pub fn new(ledger: Stores) -> Arc<Self> {
        Arc::new(Self { ledger, state: Mutex::default() })
    }

    /// The stores of a node with this connection.
    pub fn stores(self: &Arc<Self>) -> Stores {
        Stores { calls: self.clone(), leases: self.clone(), ..self.ledger.clone() }
    }

    pub fn cut(&self, how: Cut) {
        self.state().cut = Some((how, self.now()));
    }

    pub fn mend(&self) {
        let now = self.now();
        let mut state = self.state();
        let was_open = state.is_open();
        if state.cut.take().is_some_and(|(_, since)| !was_open && now.since(since) >= AWAY_LONG) {
            state.back_at = Some(now);
        }
    }

    pub fn is_open(&self) -> bool {
        self.state().is_open()
    }

    /// Calls whose waiting commits the ledger does not have.
    pub fn kept(&self) -> BTreeSet<ConnId> {
        let is_kept = |waiting: &&Waiting| waiting.unheard.is_none();
        self.state().waiting.iter().filter(is_kept).map(|waiting| waiting.write.conn_id).collect()
    }

    /// Calls claimed without an answer since the last query.
    pub fn limbo(&self) -> Vec<ConnId> {
        std::mem::take(&mut self.state().limbo)
    }

    /// Counts since the last query.
    pub fn seen(&self) -> WaySeen {
        std::mem::take(&mut self.state().seen)
    }

    /// Its node has failed.
    pub fn dies(&self) {
        let mut state = self.state();
        let State { former, waiting, .. } = &mut *state;
        former.append(waiting);
        (state.lost, state.unheard, state.failed_at) = (BTreeMap::new(), Vec::new(), None);
    }

    /// A batch is tried without an answer: its node stands still until it gives up. Returns whether that is so.
    pub fn stands_trying(&self, batch: &[CallWrite]) -> bool {
        let now = self.now();
        let mut state = self.state();
        match state.cut {
            Some((Cut::AtCommit, _)) => {
                self.hand_in_to(&mut state);
                if !state.lost.is_empty() {
                    return false;
                }
                state.unheard = self.write(&mut state, batch).into_iter().map(Some).collect();
                state.cut = Some((Cut::Silent, now));
                state.seen.unheard_commits += 1;
            }
            Some((Cut::Silent, _)) if state.failed_at.is_none_or(|at| now.since(at) >= AGAIN_AFTER) => {}
            _ => return false,
        }
        state.failed_at = Some(now + TRY_WITHIN);
        true
    }

    /// Writes the commits that a previous run has left.
    fn hand_in_former(&self, state: &mut State) {
        while let Some(Waiting { write, unheard }) = state.former.pop_front() {
            if unheard.is_none() {
                self.write(state, &[write]);
            }
        }
    }

    /// Writes the waiting commits, in order.
    pub fn hand_in(&self) {
        let mut state = self.state();
        if state.is_open() {
            self.hand_in_to(&mut state);
        }
    }

    fn hand_in_to(&self, state: &mut State) {
        self.hand_in_former(state);
        while let Some(Waiting { write, unheard }) = state.waiting.pop_front() {
            let answer = unheard.or_else(|| self.write(state, std::slice::from_ref(&write)).pop());
            if let Some(answer @ (Written::Fenced { .. } | Written::Exists { .. } | Written::NotAbsorbed)) = answer {
                state.seen.came_too_late += 1;
                state.lost.insert(write.conn_id, answer);
            }
        }
    }

    /// Commits that the ledger has taken or refused since the last query.
    pub fn written(&self) -> Vec<(CallWrite, Written)> {
        std::mem::take(&mut self.state().written)
    }

    fn now(&self) -> Timestamp {
        self.ledger.clock.now()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, state: &mut State, batch: &[CallWrite]) -> Vec<Written> {
        let answers = at_once(self.ledger.calls.commit(batch.to_vec())).expect("a ledger");
        state.written.extend(batch.iter().cloned().zip(answers.iter().cloned()));
        answers
    }

    /// The answer if the connection is open, else an error.
    fn ask<'a, T: Send + 'a>(&self, answer: Answer<'a, T>) -> Answer<'a, T> {
        if self.is_open() { answer } else { away() }
    }
}

fn away<'a, T: Send + 'a>() -> Answer<'a, T> {
    std::future::ready(Err(StoreError::Unavailable { reason: "the way is cut".to_owned() })).boxed()
}

impl CallLedger for Way {
    fn commit(&self, batch: Vec<CallWrite>) -> Answer<'_, Vec<Written>> {
        self.hand_in();
        let mut state = self.state();
        let is_lost = batch.iter().any(|write| state.lost.contains_key(&write.conn_id));
        // A batch that was given up waits, even though it may have been carried out.
        if state.is_open() && !is_lost && state.unheard.is_empty() {
            let answers = self.write(&mut state, &batch);
            return std::future::ready(Ok(answers)).boxed();
        }
        let mut unheard = std::mem::take(&mut state.unheard).into_iter();
        let mut answers = Vec::new();
        for write in batch {
            let (unheard, lost) = (unheard.next().flatten(), state.lost.remove(&write.conn_id));
            if lost.is_none() {
                state.seen.waited += 1;
                state.waiting.push_back(Waiting { write, unheard });
            }
            answers.push(lost.unwrap_or(Written::Done { position: None }));
        }
        std::future::ready(Ok(answers)).boxed()
    }

    fn confirm(&self, batch: Vec<CallWrite>) -> Answer<'_, Vec<Written>> {
        assert!(self.is_open(), "its node stands still until the way is open");
        self.hand_in();
        let mut state = self.state();
        for write in &batch {
            state.lost.remove(&write.conn_id);
        }
        let answers = self.write(&mut state, &batch);
        std::future::ready(Ok(answers)).boxed()
    }

    fn claim<'a>(&'a self, by: &'a Owner, claims: Vec<Claim<ConnId>>) -> Answer<'a, Vec<Claimed<ConnId>>> {
        let now = self.now();
        let mut state = self.state();
        if !state.is_open() || state.owners_first(now) {
            return away();
        }
        self.hand_in_former(&mut state);
        if claims.iter().any(|claim| state.waits_for(claim.key)) {
            return away();
        }
        for claim in &claims {
            state.lost.remove(&claim.key);
        }
        if let Some((Cut::AtClaim, _)) = state.cut {
            state.limbo.extend(claims.iter().map(|claim| claim.key));
            drop(at_once(self.ledger.calls.claim(by, claims)));
            state.cut = Some((Cut::Silent, now));
            state.seen.unheard_claims += 1;
            return away();
        }
        drop(state);
        self.ask(self.ledger.calls.claim(by, claims))
    }

    fn load<'a>(&'a self, tenant: &'a TenantId, conn_id: ConnId) -> Answer<'a, Loaded<ConnId>> {
        let loaded = at_once(self.ledger.calls.load(tenant, conn_id));
        let is_unsure = matches!(loaded, Ok(Loaded::Unknown)) && self.state().owners_first(self.now());
        if is_unsure { away() } else { self.ask(std::future::ready(loaded).boxed()) }
    }

    fn orphans<'a>(&'a self, tenant: &'a TenantId, of: &'a Owner, max: usize) -> Answer<'a, Vec<Record<ConnId>>> {
        let mut records = at_once(self.ledger.calls.orphans(tenant, of, max)).expect("a ledger");
        let state = self.state();
        records.retain(|record| !state.waits_for(record.key));
        drop(state);
        self.ask(std::future::ready(Ok(records)).boxed())
    }

    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>> {
        self.ask(self.ledger.calls.owners(tenant))
    }

    fn lookup<'a>(&'a self, tenant: &'a TenantId, index: &'a CallIndex) -> Answer<'a, Option<ConnId>> {
        let found = at_once(self.ledger.calls.lookup(tenant, index));
        let is_unsure = matches!(found, Ok(None)) && self.state().owners_first(self.now());
        if is_unsure { away() } else { self.ask(std::future::ready(found).boxed()) }
    }

    fn list<'a>(&'a self, tenant: &'a TenantId, after: Option<ConnId>, max: usize) -> Answer<'a, Vec<Record<ConnId>>> {
        self.ask(self.ledger.calls.list(tenant, after, max))
    }
}

impl Leases for Way {
    fn next_epoch<'a>(&'a self, node: &'a NodeId) -> Answer<'a, Epoch> {
        self.ask(self.ledger.leases.next_epoch(node))
    }

    fn renew<'a>(&'a self, owner: &'a Owner, role: &'a str, ttl: Duration) -> Answer<'a, ()> {
        self.ask(self.ledger.leases.renew(owner, role, ttl))
    }

    fn release<'a>(&'a self, owner: &'a Owner) -> Answer<'a, ()> {
        self.ask(self.ledger.leases.release(owner))
    }

    fn live<'a>(&'a self, role: &'a str) -> Answer<'a, Vec<Lease>> {
        self.ask(self.ledger.leases.live(role))
    }

    fn take_job<'a>(&'a self, job: &'a str, owner: &'a Owner, ttl: Duration) -> Answer<'a, Option<Token>> {
        self.ask(self.ledger.leases.take_job(job, owner, ttl))
    }
}
