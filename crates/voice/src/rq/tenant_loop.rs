//! One task per tenant owns its queues. It commits first, then answers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use contracts::v1::{self, queue_command::Command};
use infra::{Position, Posted, PostedEntry, QueueRecord, Recipient};
use model::{ConnId, TenantId, Timestamp, Token};
use routing::RequestId;
use runtime::fact_in_hand::{FactInHand, FactsInHand};
use runtime::{RoleContext, fault};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::explaining::Explaining;
use super::gathering::Gathering;
use super::handler::{TenantQueues, Turn};
use super::metrics::Metrics;
use super::open_loops::OpenLoops;
use super::writes::{RefusedRequest, RefusedRows, Writes, Wrote};
use crate::events;

/// The most commands of a tenant that wait for their turn: a second of a very busy site.
const COMMANDS_MAX: usize = 4_096;
/// The most commands that one turn processes.
const TURN_MAX: usize = 256;
/// The most repairs that one turn processes.
const REPAIRS_MAX: usize = 64;
/// A repair that another replica has held for this long without carrying it out is taken over.
const REPAIR_IDLE: Duration = Duration::from_secs(5);
/// How long a turn waits for input.
const READ_WAIT: Duration = Duration::from_secs(1);
/// Pause before an unavailable store, or an owner that still runs, is queried again.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// Pause before a tenant's queues are taken over again after a fault: a lasting fault must not cause a load storm.
const BEGIN_ANEW: Duration = Duration::from_secs(1);
/// The token of who first claims a tenant's queues in the embedded stores: there was nobody before. Redis gives a later one, as it may have
/// been emptied: there the first owner waits for what clients submit again, too.
const FIRST_CLAIM: Token = Token(1);
/// After a takeover nothing is offered for so long: clients connect again within 500 ms and submit again what they have.
const GATHERED_WITHIN: Duration = Duration::from_millis(750);
/// Nor until the facts that came before it are known; but those who wait are served after this time in any case.
const GATHERED_AT_MOST: Duration = Duration::from_secs(10);
/// How often it is looked whether they are.
const GATHERING_LOOK: Duration = Duration::from_millis(50);
/// The most unread outcomes of a client before its stream is closed. The client submits again and learns its requests' states.
pub(super) const OUTCOMES_MAX: usize = 4_096;

/// A client's stream of outcomes.
#[derive(Clone)]
pub(super) struct Listener {
    pub outcomes: mpsc::Sender<v1::QueueOutcome>,
    /// Cancelled when the client does not read, and when nothing more will be sent to it.
    pub overflowed: CancellationToken,
}

/// Who hears the outcome of a command that is not carried out yet. If it never is, because its loop fails, the client's stream is closed: then
/// the client submits again.
pub(super) struct Unheard(Option<Listener>);

impl Unheard {
    pub const fn new(listener: Listener) -> Self {
        Self(Some(listener))
    }

    /// The command is carried out.
    fn heard(mut self) -> Option<Listener> {
        self.0.take()
    }
}

impl Drop for Unheard {
    fn drop(&mut self) {
        if let Some(listener) = &self.0 {
            listener.overflowed.cancel();
        }
    }
}

/// The inputs of a tenant loop (`TenantLoop`).
pub(super) enum Ask {
    Command(Command, Unheard),
    Agents(v1::AgentsUpdate, oneshot::Sender<u64>),
    Call(Box<v1::CallDetails>),
    /// Answered with nothing after too many of them.
    Explain(ConnId, oneshot::Sender<Option<v1::ExplainResponse>>),
}

/// The tenant loops (`TenantLoop`) of the tenants that were mentioned.
#[derive(Clone)]
pub(super) struct TenantLoops {
    ctx: RoleContext,
    metrics: Metrics,
    facts: FactsInHand,
    open: Arc<Mutex<OpenLoops<Ask>>>,
}

impl TenantLoops {
    pub fn new(ctx: RoleContext, metrics: Metrics) -> Self {
        let facts = FactsInHand::open(&ctx.data_dir, ctx.node.as_str(), &ctx.metrics);
        Self { ctx, metrics, facts, open: Arc::default() }
    }

    /// The sender to a tenant's loop; `None` when there are too many tenants.
    pub fn sender_to(&self, tenant: &TenantId) -> Option<mpsc::Sender<Ask>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = open.sender_to(tenant) {
            return Some(sender);
        }
        if !open.make_room() {
            return None;
        }
        let (asks, asked) = mpsc::channel(COMMANDS_MAX);
        let (ctx, metrics, tenant_of_task) = (self.ctx.clone(), self.metrics.clone(), tenant.clone());
        let fact = self.facts.of(tenant);
        self.ctx.spawn("queues of a tenant", async move { serve(ctx, tenant_of_task, asked, fact, metrics).await });
        open.add(tenant.clone(), asks.clone());
        Some(asks)
    }

    /// Waits until every tenant loop has finished.
    pub async fn finished(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).all();
        for sender in open {
            sender.closed().await;
        }
    }
}

/// Serves a tenant until the role ends, or nobody can ask any more. A fault, even a panic, affects only this tenant: its queues are taken
/// over again from the ledger, and those of other tenants continue.
async fn serve(
    ctx: RoleContext,
    tenant: TenantId,
    mut asked: mpsc::Receiver<Ask>,
    mut fact: FactInHand,
    metrics: Metrics,
) -> Result<()> {
    loop {
        match fault::contained(serve_once(&ctx, &tenant, &mut asked, &mut fact, &metrics)).await {
            Ok(End::Closed) => return Ok(()),
            Ok(End::Lost) => metrics.ownership_lost(),
            Err(fault) => {
                fact.failed(&fault);
                error!(%tenant, error = format!("{fault:#}"), "a fault in a tenant's queues: they are claimed and restored again");
                metrics.queues_begun_anew();
                tokio::select! {
                    () = tokio::time::sleep(BEGIN_ANEW) => {}
                    () = ctx.drain.ended() => return Ok(()),
                }
            }
        }
    }
}

async fn serve_once(
    ctx: &RoleContext,
    tenant: &TenantId,
    asked: &mut mpsc::Receiver<Ask>,
    fact: &mut FactInHand,
    metrics: &Metrics,
) -> Result<End> {
    let Some(record) = take_over(ctx, tenant, asked).await? else { return Ok(End::Closed) };
    info!(%tenant, token = record.token.0, requests = record.requests.len(), "queues taken over");
    let mut queues = TenantQueues::restore(&record, metrics.clone(), ctx.trace.clone());
    let mut gathering = None;
    if record.token > FIRST_CLAIM {
        queues.gather();
        let (begun, facts) = (ctx.clock.now(), events_end(ctx, tenant).await);
        gathering =
            Some((Gathering::until(begun + GATHERED_WITHIN), Missed { facts, at_most: begun + GATHERED_AT_MOST }));
    }
    let tenant_loop = TenantLoop {
        queues,
        gathering,
        gathered: None,
        ctx: ctx.clone(),
        tenant: tenant.clone(),
        listeners: HashMap::new(),
        metrics: metrics.clone(),
        writes: Writes::new(ctx.stores.queues.clone(), ctx.clock.clone()),
        explaining: Explaining::new(metrics.clone()),
    };
    fact.state_rebuilt();
    tenant_loop.run(asked, fact).await
}

/// Claims the tenant's queues once no other running replica owns them; returns `None` if the role drains first, or nobody can ask any more.
async fn take_over(ctx: &RoleContext, tenant: &TenantId, asked: &mpsc::Receiver<Ask>) -> Result<Option<QueueRecord>> {
    let owner = ctx.owner();
    loop {
        // Another loop of the tenant may have begun meanwhile, which is not to be fenced.
        if ctx.drain.is_draining() || asked.is_closed() {
            return Ok(None);
        }
        match claim(ctx, tenant, &owner).await {
            Ok(Some(record)) => return Ok(Some(record)),
            Ok(None) => {}
            Err(error) if error.passes() => warn!(%tenant, %error, "queues not taken over yet"),
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = tokio::time::sleep(ASK_AGAIN) => {}
            () = ctx.drain.begun() => return Ok(None),
        }
    }
}

async fn claim(ctx: &RoleContext, tenant: &TenantId, owner: &model::Owner) -> infra::Result<Option<QueueRecord>> {
    let stores = &ctx.stores;
    let holder = stores.queues.holder(tenant).await?;
    if let Some(holder) = holder.as_ref().filter(|holder| holder.owner != *owner) {
        let live = stores.leases.live("rq").await?;
        if live.iter().any(|lease| lease.owner == holder.owner) {
            return Ok(None);
        }
    }
    Ok(stores.queues.claim(owner, tenant, holder.map(|holder| holder.token)).await?.ok())
}

/// Where the tenant's facts end now. Nobody waits for what cannot be known.
async fn events_end(ctx: &RoleContext, tenant: &TenantId) -> Position {
    ctx.stores.events.end(tenant).await.unwrap_or_else(|error| {
        warn!(%tenant, %error, "it is not known which facts came while nobody owned the queues");
        Position::START
    })
}

/// The facts that came before a takeover.
struct Missed {
    /// The last of them.
    facts: Position,
    /// They are waited for until then.
    at_most: Timestamp,
}

enum End {
    /// The role drains, or nobody can ask any more.
    Closed,
    /// Another replica owns the queues now.
    Lost,
}

struct TenantLoop {
    queues: TenantQueues,
    gathering: Option<(Gathering<Unheard>, Missed)>,
    /// What was held until the gathering ended, and is not carried out yet. Nobody is served before.
    gathered: Option<VecDeque<(Command, Unheard)>>,
    ctx: RoleContext,
    tenant: TenantId,
    listeners: HashMap<RequestId, Listener>,
    metrics: Metrics,
    writes: Writes,
    explaining: Explaining,
}

impl TenantLoop {
    async fn run(mut self, asked: &mut mpsc::Receiver<Ask>, fact: &mut FactInHand) -> Result<End> {
        let mut batch = Vec::with_capacity(TURN_MAX);
        let mut reading = Box::pin(events::next(self.ctx.clone(), self.tenant.clone(), self.queues.position()));
        let mut posting = Box::pin(repairs(self.ctx.clone(), self.tenant.clone()));
        loop {
            let mut repaired = Vec::new();
            let now = self.ctx.clock.now();
            let wait = self.next_timeout(now).map_or(READ_WAIT, |due| due.since(now));
            tokio::select! {
                count = asked.recv_many(&mut batch, TURN_MAX), if self.gathered.is_none() => if count == 0 { return Ok(End::Closed) },
                entries = &mut reading => {
                    fact.fold(&mut self.queues, &entries?, self.ctx.clock.now());
                    reading = Box::pin(events::next(self.ctx.clone(), self.tenant.clone(), self.queues.position()));
                }
                entries = &mut posting => {
                    repaired = self.repair(entries?);
                    posting = Box::pin(repairs(self.ctx.clone(), self.tenant.clone()));
                }
                () = tokio::time::sleep(wait) => {}
                () = self.ctx.drain.begun(), if batch.is_empty() && !self.ctx.drain.is_draining() => {}
            }
            let now = self.ctx.clock.now();
            self.end_gathering(now);
            self.carry_out_gathered(now);
            let answers: Vec<Answer> = batch.drain(..).filter_map(|ask| self.take(ask, now)).collect();
            let mut turn = self.queues.turn(now);
            fact.put_down();
            if !self.commit(&mut turn, now).await? {
                return Ok(End::Lost);
            }
            self.send(turn);
            for answer in answers {
                answer.send();
            }
            self.acknowledge(&repaired).await;
            if self.has_drained(now) {
                return Ok(End::Closed);
            }
        }
    }

    fn next_timeout(&self, now: Timestamp) -> Option<Timestamp> {
        if self.gathered.is_some() {
            return Some(now);
        }
        let gathered = self.gathering.as_ref().map(|(gathering, _)| gathering.due().max(now + GATHERING_LOOK));
        self.queues.next_timeout().into_iter().chain(gathered).min()
    }

    /// Whether no request is open, or the time to drain is over: the rest stays in the ledger.
    fn has_drained(&self, now: Timestamp) -> bool {
        let drain = &self.ctx.drain;
        let late = || drain.deadline().is_some_and(|deadline| deadline <= now);
        drain.is_draining() && (self.queues.is_idle() || late())
    }

    fn repair(&mut self, entries: Vec<PostedEntry>) -> Vec<Position> {
        let now = self.ctx.clock.now();
        let mut positions = Vec::with_capacity(entries.len());
        for entry in entries {
            positions.push(entry.position);
            if let Posted::Repair(repair) = entry.posted {
                warn!(tenant = %self.tenant, subject = %repair.subject, why = repair.why, "a repair");
                self.queues.repair(&repair, now);
            }
        }
        positions
    }

    async fn acknowledge(&self, positions: &[Position]) {
        if positions.is_empty() {
            return;
        }
        if let Err(error) = self.ctx.stores.requests.ack(&self.tenant, &Recipient::Routing, positions).await {
            warn!(tenant = %self.tenant, %error, "repairs were carried out but not acknowledged");
        }
    }

    fn take(&mut self, ask: Ask, now: Timestamp) -> Option<Answer> {
        match ask {
            Ask::Command(command, listener) => {
                if self.gathering.as_ref().is_some_and(|(gathering, _)| gathering.is_full()) {
                    self.close_gathering();
                }
                if let Some((gathering, _)) = &mut self.gathering {
                    gathering.hold(command, listener);
                } else if let Some(gathered) = &mut self.gathered {
                    gathered.push_back((command, listener));
                } else {
                    self.command((command, listener), now);
                }
                None
            }
            Ask::Agents(update, taken) => {
                self.queues.take_agents(&update, now);
                Some(Answer::Agents(update.revision, taken))
            }
            Ask::Call(details) => {
                self.queues.take_call(*details, now);
                None
            }
            Ask::Explain(call, reply) => {
                let explained = self.explaining.answer(&self.queues, call, now);
                Some(Answer::Explained(Box::new(explained), reply))
            }
        }
    }

    fn command(&mut self, (command, listener): (Command, Unheard), now: Timestamp) {
        // A return has no outcome of its own, so its listener would never be removed.
        let is_heard = !matches!(command, Command::Return(_));
        let id = self.queues.command(command, now);
        if let Some(listener) = listener.heard().filter(|_| is_heard) {
            self.listeners.insert(id, listener);
        }
    }

    fn end_gathering(&mut self, now: Timestamp) {
        let Some((gathering, missed)) = &self.gathering else { return };
        let is_known = self.queues.position() >= missed.facts || missed.at_most <= now;
        if is_known && gathering.due() <= now {
            self.close_gathering();
        }
    }

    fn close_gathering(&mut self) {
        self.gathered = self.gathering.take().map(|(gathering, _)| gathering.end());
    }

    /// Carries out what was held, in turns of the usual size; behind the last of it serves those who wait.
    fn carry_out_gathered(&mut self, now: Timestamp) {
        for _ in 0..TURN_MAX {
            let Some(gathered) = &mut self.gathered else { return };
            if let Some(held) = gathered.pop_front() {
                self.command(held, now);
            } else {
                self.gathered = None;
                self.queues.serve(now);
            }
        }
    }

    /// Commits the turn; returns `false` if another replica owns the queues. A request that the store refuses ends with the next turn, and
    /// its client is notified after that commit. The outcomes of this turn for such a request are discarded.
    async fn commit(&mut self, turn: &mut Turn, now: Timestamp) -> Result<bool> {
        let Some(batch) = turn.batch.clone() else { return Ok(true) };
        match self.writes.write(batch).await? {
            Wrote::Done(RefusedRows { requests, agents }) => {
                self.queues.write_again(&agents);
                for RefusedRequest { id, reason } in requests {
                    error!(tenant = %self.tenant, request = id.0, reason, "a request cannot be stored: it is refused");
                    turn.outcomes.retain(|(about, _)| *about != id);
                    self.queues.refuse(&id, &reason, now);
                }
                Ok(true)
            }
            Wrote::Lost(owner) => {
                warn!(tenant = %self.tenant, %owner, "queues belong to another replica now");
                Ok(false)
            }
        }
    }

    fn send(&mut self, turn: Turn) {
        let ended = turn.ended();
        for (id, outcome) in turn.outcomes {
            let last = is_last(&outcome);
            if let Some(listener) = self.listeners.get(&id) {
                let outcome = v1::QueueOutcome { request_id: id.0.clone(), outcome: Some(outcome) };
                if let Err(mpsc::error::TrySendError::Full(_)) = listener.outcomes.try_send(outcome) {
                    self.metrics.outcome_dropped();
                    listener.overflowed.cancel();
                }
            }
            if last {
                self.listeners.remove(&id);
            }
        }
        for id in ended {
            self.listeners.remove(&id);
        }
    }
}

/// Closes the streams of all listeners. Clients then open new ones, and the next owner reports all states again.
impl Drop for TenantLoop {
    fn drop(&mut self) {
        for listener in self.listeners.values() {
            listener.overflowed.cancel();
        }
    }
}

fn is_last(outcome: &v1::queue_outcome::Outcome) -> bool {
    use v1::queue_outcome::Outcome;
    matches!(outcome, Outcome::Cancelled(_) | Outcome::Refused(_))
}

/// An answer to be sent after the commit. A client that has disconnected needs none.
enum Answer {
    Agents(u64, oneshot::Sender<u64>),
    Explained(Box<Option<v1::ExplainResponse>>, oneshot::Sender<Option<v1::ExplainResponse>>),
}

impl Answer {
    fn send(self) {
        match self {
            Self::Agents(revision, taken) => drop(taken.send(revision)),
            Self::Explained(response, reply) => drop(reply.send(*response)),
        }
    }
}

/// Takes the next repairs, first those left by a failed owner.
async fn repairs(ctx: RoleContext, tenant: TenantId) -> Result<Vec<PostedEntry>> {
    let (requests, owner, to) = (&ctx.stores.requests, ctx.owner(), Recipient::Routing);
    loop {
        let left = requests.reclaim(&tenant, &to, &owner, REPAIR_IDLE, REPAIRS_MAX).await;
        let taken = match left {
            Ok(entries) if entries.is_empty() => requests.take(&tenant, &to, &owner, REPAIRS_MAX, REPAIR_IDLE).await,
            other => other,
        };
        match taken {
            Ok(entries) if entries.is_empty() => {}
            Ok(entries) => return Ok(entries),
            Err(error) if error.passes() => {
                warn!(%tenant, %error, "repairs cannot be read yet");
                tokio::time::sleep(ASK_AGAIN).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
