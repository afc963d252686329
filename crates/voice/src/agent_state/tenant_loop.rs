//! One task per tenant owns its agents. It commits first, then acknowledges.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use infra::{
    AgentBatch, AgentWrite, Change, Claim, Claimed, Loaded, Posted, PostedEntry, Recipient, Record, StoreError, Stores,
    Written, bounds,
};
use model::{AgentId, Owner, TenantId, Timestamp, Token};
use net::configuration::Objects;
use runtime::fact_in_hand::FactInHand;
use runtime::{RoleContext, fault};
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::SPEC;
use super::handler::{TenantAgents, VIEW};
use super::listed_versions::TenantVersions;
use super::metrics::Metrics;
use super::people::People;
use super::records::OwnerRecord;
use super::requests_in_hand::{DueRequest, RequestsInHand};
use super::{addresses, records};
use crate::events;
use crate::monitors::OWNER_RECORD;
use crate::reporting::Reporter;

/// The most batches of one turn: those of as many requests as a turn takes, and some for refusals.
const BATCHES_PER_TURN: usize = 32;
/// The most requests that one turn processes.
const REQUESTS_MAX: usize = 256;
/// How long a read waits for the first entry.
const READ_WAIT: Duration = Duration::from_secs(1);
/// Pause before an unavailable store, or an owner that still runs, is queried again.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// Pause before a tenant's agents are taken over again after a fault: a lasting fault must not cause a load storm.
const BEGIN_ANEW: Duration = Duration::from_secs(1);
/// A request that another consumer has held for this long without carrying it out is taken over.
const RECLAIM_IDLE: Duration = Duration::from_secs(5);
/// A request that was posted this long ago is refused: it would undo what its agent has done since.
const TOO_LATE: Duration = Duration::from_secs(60);
/// Pause before config is asked again for people that it did not tell.
const UNTOLD: Duration = Duration::from_secs(1);
/// The most records of one read from the ledger.
const PAGE: usize = 500;

/// From where people are read.
#[derive(Clone)]
pub(super) struct PeopleSource {
    /// What config tells of a tenant.
    pub(super) objects: Objects,
    /// Whether there is anything new.
    pub(super) versions: watch::Receiver<TenantVersions>,
}

/// Owns the tenant's agents whenever no other running replica does, until the role drains. A fault affects only this tenant: its agents are
/// taken over again from the ledger, and those of other tenants continue.
pub(super) async fn serve(
    ctx: RoleContext,
    tenant: TenantId,
    config: PeopleSource,
    mut fact: FactInHand,
    (metrics, reporter): (Metrics, Reporter),
) -> Result<()> {
    let requests = RequestsInHand::default();
    loop {
        let once = serve_once(&ctx, &tenant, &config, (&mut fact, &requests), (&metrics, &reporter));
        match fault::contained(once).await {
            Ok(End::Drained) => return Ok(()),
            Ok(End::Lost) => {
                metrics.ownership_lost();
                // The stream gives them to the owner, which may be this replica again.
                requests.forget();
                ctx.stores.requests.hand_back(&tenant, &Recipient::AgentState, &ctx.owner());
            }
            Err(fault) => {
                metrics.fault();
                fact.failed(&fault);
                error!(%tenant, error = format!("{fault:#}"), "a fault in a tenant's agents: they are claimed and restored again");
                tokio::select! {
                    () = tokio::time::sleep(BEGIN_ANEW) => {}
                    () = ctx.drain.begun() => return Ok(()),
                }
            }
        }
    }
}

async fn serve_once(
    ctx: &RoleContext,
    tenant: &TenantId,
    config: &PeopleSource,
    (fact, requests): (&mut FactInHand, &RequestsInHand),
    (metrics, reporter): (&Metrics, &Reporter),
) -> Result<End> {
    let Some(agents) = take_over(ctx, tenant, metrics).await? else { return Ok(End::Drained) };
    let (requests, reporter) = (requests.clone(), reporter.clone());
    let desk = TenantLoop { ctx: ctx.clone(), tenant: tenant.clone(), agents, requests, knows_people: false, reporter };
    fact.state_rebuilt();
    desk.run(config, fact).await
}

// === taking over ===

/// Claims the tenant's agents once no other running replica owns them; returns `None` if the role drains first.
async fn take_over(ctx: &RoleContext, tenant: &TenantId, metrics: &Metrics) -> Result<Option<TenantAgents>> {
    let owner = ctx.owner();
    loop {
        if ctx.drain.is_draining() {
            return Ok(None);
        }
        match claim(&ctx.stores, tenant, &owner, metrics, ctx.clock.now()).await {
            Ok(Some(agents)) => return Ok(Some(agents)),
            Ok(None) => {}
            Err(error) if error.passes() => warn!(%tenant, %error, "agents not taken over yet"),
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = tokio::time::sleep(ASK_AGAIN) => {}
            () = ctx.drain.begun() => return Ok(None),
        }
    }
}

/// The tenant's agents from the ledger; `None` while another running replica owns them.
pub(super) async fn claim(
    stores: &Stores,
    tenant: &TenantId,
    owner: &Owner,
    metrics: &Metrics,
    now: Timestamp,
) -> infra::Result<Option<TenantAgents>> {
    let Some(desk) = claim_ownership(stores, tenant, owner).await? else { return Ok(None) };
    let mut taken = Vec::new();
    let mut foreign = 0;
    let mut after: Option<AgentId> = None;
    loop {
        let page = stores.agents.list(tenant, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        let (ours, theirs): (Vec<_>, Vec<_>) =
            page.into_iter().filter(|record| record.key != desk.key).partition(|record| record.owner == *owner);
        foreign += theirs.len();
        taken.extend(ours);
        taken.extend(claim_agents(stores, owner, &theirs).await?);
    }
    metrics.taken_over(foreign);
    let position = stores.agents.consumed(tenant, VIEW).await?;
    info!(%tenant, token = desk.token.0, agents = taken.len(), %position, "agents taken over");
    // Read after the position: facts from there on come on top.
    let addresses = addresses::read(stores, tenant).await?;
    let mut agents = TenantAgents::restore(&desk, taken, position, metrics.clone(), now);
    agents.addresses_stand(addresses);
    Ok(Some(agents))
}

async fn claim_ownership(stores: &Stores, tenant: &TenantId, owner: &Owner) -> infra::Result<Option<Record<AgentId>>> {
    let key = AgentId::parse(OWNER_RECORD).map_err(|error| StoreError::Invalid(error.to_string()))?;
    let mut loaded = stores.agents.load(tenant, &key).await?;
    if !matches!(loaded, Loaded::Live(_)) {
        let change = Change::Create {
            state: records::encode_owner_record(&OwnerRecord::default()),
            intentions: bytes::Bytes::new(),
        };
        let write = AgentWrite { agent: key.clone(), token: Token(1), change, due: None, events: Vec::new() };
        let (of, by) = (tenant.clone(), owner.clone());
        let batch = AgentBatch { tenant: of, owner: by, writes: vec![write], consumed: None, number: 0 };
        // Whichever replica was first, the record exists now.
        stores.agents.commit(batch).await?;
        loaded = stores.agents.load(tenant, &key).await?;
    }
    let Loaded::Live(seen) = loaded else {
        // The record exists but is unreadable.
        put_unreadable_aside(stores, tenant, owner).await?;
        return Ok(None);
    };
    if seen.owner != *owner {
        let live = stores.leases.live(SPEC.name).await?;
        if live.iter().any(|lease| lease.owner == seen.owner) {
            return Ok(None);
        }
    }
    let claim = Claim { tenant: tenant.clone(), key, seen: Some(seen.token) };
    Ok(stores.agents.claim(owner, vec![claim]).await?.into_iter().find_map(yours))
}

/// Makes the store quarantine the unreadable records of this owner and of failed ones; listing the records does it.
async fn put_unreadable_aside(stores: &Stores, tenant: &TenantId, owner: &Owner) -> infra::Result<()> {
    let live = stores.leases.live(SPEC.name).await?;
    for holding in stores.agents.owners(tenant).await? {
        if holding.owner == *owner || !live.iter().any(|lease| lease.owner == holding.owner) {
            stores.agents.orphans(tenant, &holding.owner, bounds::RECORDS_MAX).await?;
        }
    }
    Ok(())
}

/// Claims agents from their previous owners: the tenant's record says that they are ours.
async fn claim_agents(
    stores: &Stores,
    owner: &Owner,
    records: &[Record<AgentId>],
) -> infra::Result<Vec<Record<AgentId>>> {
    let mut taken = Vec::with_capacity(records.len());
    for batch in records.chunks(bounds::CLAIM_BATCH) {
        let claims = batch.iter().map(|r| Claim { tenant: r.tenant.clone(), key: r.key.clone(), seen: None });
        taken.extend(stores.agents.claim(owner, claims.collect()).await?.into_iter().filter_map(yours));
    }
    Ok(taken)
}

fn yours(claimed: Claimed<AgentId>) -> Option<Record<AgentId>> {
    match claimed {
        Claimed::Yours(record) => Some(record),
        Claimed::Raced { .. } | Claimed::Ended | Claimed::Unknown => None,
    }
}

// === the loop ===

enum End {
    /// The role drains.
    Drained,
    /// Another replica owns the agents now.
    Lost,
}

struct TenantLoop {
    ctx: RoleContext,
    tenant: TenantId,
    agents: TenantAgents,
    requests: RequestsInHand,
    /// Whether config has named the agents.
    knows_people: bool,
    reporter: Reporter,
}

impl TenantLoop {
    async fn run(mut self, config: &PeopleSource, fact: &mut FactInHand) -> Result<End> {
        let door = RequestIntake::new(&self.ctx, &self.tenant, config, &self.requests);
        let mut entering = Box::pin(door.take());
        let mut reading = Box::pin(events::next(self.ctx.clone(), self.tenant.clone(), self.agents.position()));
        loop {
            let wait = self.agents.next_timeout().map_or(READ_WAIT, |due| due.since(self.now()));
            // After a fault they are due one by one: the next one does not wait for a fresh one to come.
            let wait = if self.may_carry_out() { Duration::ZERO } else { wait };
            let mut carried_out = Vec::new();
            tokio::select! {
                (door, people) = &mut entering => {
                    self.people_named(people);
                    entering = Box::pin(door.take());
                }
                entries = &mut reading => {
                    fact.fold(&mut self.agents, &entries?, self.ctx.clock.now());
                    // What follows in the turn contains its own faults.
                    fact.put_down();
                    reading = Box::pin(events::next(self.ctx.clone(), self.tenant.clone(), self.agents.position()));
                }
                () = tokio::time::sleep(wait) => {}
                () = self.ctx.drain.begun() => return Ok(End::Drained),
            }
            if self.may_carry_out() {
                carried_out = self.carry_out();
            }
            // Refused writes are answered in a turn of their own, and so is what has no room in one batch.
            for _ in 0..BATCHES_PER_TURN {
                let Some(batch) = self.agents.turn(self.now()) else { break };
                if !self.commit(batch).await? {
                    return Ok(End::Lost);
                }
            }
            self.agents.report_intervals(&self.reporter);
            self.requests.carried_out(&carried_out);
            self.acknowledge().await;
        }
    }

    fn now(&self) -> Timestamp {
        self.ctx.clock.now()
    }

    /// Whether requests are to be carried out now.
    fn may_carry_out(&self) -> bool {
        self.knows_people && self.requests.are_waiting()
    }

    fn people_named(&mut self, people: Option<Arc<People>>) {
        if let Some(people) = people {
            self.knows_people = true;
            self.agents.people_changed(people, self.now());
        }
    }

    /// Carries out the requests in hand; a fault before the end of the turn leaves them there. One that has waited for too long is refused:
    /// its agent has gone on meanwhile.
    fn carry_out(&mut self) -> Vec<PostedEntry> {
        let (due, now) = (self.requests.due(), self.now());
        for DueRequest { entry: PostedEntry { posted, at, .. }, is_hopeless } in due.iter().cloned() {
            match posted {
                Posted::Request(request) if is_hopeless => self.agents.refuse_hopeless(request, now),
                Posted::Request(request) if now.since(at) >= TOO_LATE => self.agents.refuse_late(request, now),
                posted => self.agents.posted(posted, now),
            }
        }
        due.into_iter().map(|due| due.entry).collect()
    }

    /// Commits the turn; returns `false` if another replica owns the agents. Waits while the store is unavailable.
    async fn commit(&mut self, batch: AgentBatch) -> Result<bool> {
        let answers = loop {
            match self.ctx.stores.agents.commit(batch.clone()).await {
                Ok(answers) => break answers,
                Err(error) if error.passes() => {
                    warn!(tenant = %self.tenant, %error, "the turn waits for the store");
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                Err(error) => return Err(error.into()),
            }
        };
        loop {
            match settle(&self.ctx.stores, &mut self.agents, &batch, &answers).await {
                Err(error) if error.passes() => {
                    warn!(tenant = %self.tenant, %error, "what was refused waits for the store");
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                settled => return Ok(settled?),
            }
        }
    }

    async fn acknowledge(&self) {
        let positions = self.requests.unacknowledged();
        if positions.is_empty() {
            return;
        }
        // The next owner carries out unacknowledged requests again: a repeat publishes the state again.
        match self.ctx.stores.requests.ack(&self.tenant, &Recipient::AgentState, &positions).await {
            Ok(()) => self.requests.acknowledged(&positions),
            Err(error) => {
                warn!(tenant = %self.tenant, %error, "requests were carried out but not acknowledged yet");
            }
        }
    }
}

/// Takes over the store's answers; returns `false` if another replica owns the agents. An agent whose write was refused returns to its last
/// stored state.
pub(super) async fn settle(
    stores: &Stores,
    agents: &mut TenantAgents,
    batch: &AgentBatch,
    answers: &[Written],
) -> infra::Result<bool> {
    let mut refused = Vec::new();
    for (write, written) in batch.writes.iter().zip(answers) {
        let (tenant, agent) = (&batch.tenant, &write.agent);
        match written {
            Written::Done { .. } => {}
            Written::Fenced { owner, .. } | Written::Exists { owner, .. } => {
                warn!(%tenant, %agent, %owner, "agents belong to another replica now");
                return Ok(false);
            }
            Written::Refused(refusal) if agent.as_str() == OWNER_RECORD => {
                error!(%tenant, %refusal, "events of DNs are not stored");
            }
            Written::Unknown | Written::Ended if agent.as_str() == OWNER_RECORD => {
                error!(%tenant, "the agents have no owner any more: they are claimed again");
                return Ok(false);
            }
            Written::Refused(_) | Written::Unknown | Written::Ended | Written::NotAbsorbed => {
                error!(%tenant, %agent, answer = ?written, "what became of an agent is not stored: it is as before");
                refused.push(write);
            }
        }
    }
    // Reads all records before changing the first agent: a retry then finds nothing half done.
    let mut stored = Vec::with_capacity(refused.len());
    for write in &refused {
        stored.push(match stores.agents.load(&batch.tenant, &write.agent).await? {
            Loaded::Live(record) if record.owner != batch.owner => return Ok(false),
            Loaded::Live(record) => Some(record),
            Loaded::Ended | Loaded::Unknown => None,
        });
    }
    for (write, stored) in refused.into_iter().zip(&stored) {
        agents.not_stored(write, stored.as_ref(), stores.clock.now());
    }
    Ok(true)
}

// === intake ===

/// Takes requests, with the agents that they may concern.
struct RequestIntake {
    ctx: RoleContext,
    tenant: TenantId,
    config: PeopleSource,
    people: People,
    requests: RequestsInHand,
    /// When config did not tell of people, if that was its last answer.
    untold_at: Option<Timestamp>,
    reclaimed_at: Option<Timestamp>,
}

impl RequestIntake {
    fn new(ctx: &RoleContext, tenant: &TenantId, config: &PeopleSource, requests: &RequestsInHand) -> Self {
        Self {
            ctx: ctx.clone(),
            tenant: tenant.clone(),
            config: config.clone(),
            people: People::default(),
            requests: requests.clone(),
            untold_at: None,
            reclaimed_at: None,
        }
    }

    /// Takes the next requests in hand, or notices a change of configuration, which it returns. Takes nothing before config has named the
    /// agents.
    async fn take(mut self) -> (Self, Option<Arc<People>>) {
        loop {
            let mut changed = self.refresh().await;
            // Changed people are told at once.
            let entries = if self.people.is_known() && !changed { self.next().await } else { Vec::new() };
            let are_some = !entries.is_empty();
            if are_some {
                // Before the next pause: a fault meanwhile must not lose them.
                self.requests.take(entries);
                changed |= self.refresh().await;
            }
            if changed || are_some {
                let people = changed.then(|| Arc::new(self.people.clone()));
                return (self, people);
            }
            if !self.people.is_known() {
                tokio::time::sleep(ASK_AGAIN).await;
            }
        }
    }

    /// Reads what has changed, if config has listed a later version; returns whether there is anything.
    async fn refresh(&mut self) -> bool {
        let now = self.ctx.clock.now();
        let waits = self.untold_at.is_some_and(|at| now.since(at) < UNTOLD);
        if self.people.is_known() && (waits || self.is_up_to_date()) {
            return false;
        }
        match self.people.refresh(&self.config.objects, &self.tenant).await {
            Ok(changed) => {
                self.untold_at = None;
                changed
            }
            Err(error) => {
                self.untold_at = Some(now);
                warn!(tenant = %self.tenant, %error, "config does not answer: what it said last holds");
                false
            }
        }
    }

    fn is_up_to_date(&self) -> bool {
        let versions = self.config.versions.borrow();
        versions.get(self.tenant.as_str()).is_none_or(|version| self.people.is_up_to(version))
    }

    async fn next(&mut self) -> Vec<PostedEntry> {
        let (requests, owner, to) = (&self.ctx.stores.requests, self.ctx.owner(), Recipient::AgentState);
        let now = self.ctx.clock.now();
        let taken = if self.reclaimed_at.is_none_or(|at| now.since(at) >= RECLAIM_IDLE) {
            // The owner before is fenced: what it has not carried out comes before what is fresh.
            let idle = if self.reclaimed_at.is_none() { Duration::ZERO } else { RECLAIM_IDLE };
            let reclaimed = requests.reclaim(&self.tenant, &to, &owner, idle, REQUESTS_MAX).await;
            self.reclaimed_at = Some(now);
            reclaimed
        } else {
            requests.take(&self.tenant, &to, &owner, REQUESTS_MAX, READ_WAIT).await
        };
        match taken {
            Ok(entries) => entries,
            Err(error) => {
                warn!(tenant = %self.tenant, %error, "requests cannot be read yet");
                // The stream may have given some out, and the answer was lost: they come before what is fresh.
                self.reclaimed_at = None;
                tokio::time::sleep(ASK_AGAIN).await;
                Vec::new()
            }
        }
    }
}
