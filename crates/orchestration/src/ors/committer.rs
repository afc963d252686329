//! Writes sessions' records, then carries out their commands, in this order.
//!
//! Each tenant has its own lane: no tenant waits for another's store. Within a lane, no session waits for one that cannot be written.

use std::collections::{HashMap, HashSet};

use infra::{LedgerKind, QuarantineRequest, SessionId, SessionWrite};
use model::TenantId;
use tokio::sync::mpsc;

use super::Shared;
use super::call_session::{Command, Ended};
use super::frontend_tasks::FrontendTasks;
use super::quarantine::put_aside;
use super::queue_link::QueueLink;
use super::worker::{Standing, Step, Work};
use super::writes::{Answer, Writes};

/// Maximum number of steps written at once.
const BATCH_MAX: usize = 64;
/// Steps of a tenant that wait to be written: more than its sessions may have ahead while its store is unavailable.
/// Only when a lane is full do other tenants wait too.
const LANE_MAX: usize = 20_000;

pub(super) struct Committer {
    shared: Shared,
    steps: mpsc::Receiver<Step>,
    frontend_tasks: FrontendTasks,
    lanes: HashMap<TenantId, mpsc::Sender<Step>>,
}

impl Committer {
    pub fn new(shared: Shared, steps: mpsc::Receiver<Step>, frontend_tasks: FrontendTasks) -> Self {
        Self { shared, steps, frontend_tasks, lanes: HashMap::new() }
    }

    /// Runs until the role has ended.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let drain = self.shared.ctx.drain.clone();
        loop {
            tokio::select! {
                // In this order: the last steps of a role that has drained are written.
                biased;
                step = self.steps.recv() => match step {
                    // A lane ends only with the role.
                    Some(step) => drop(self.lane(&step.tenant).send(step).await),
                    None => return Ok(()),
                },
                () = drain.ended() => return Ok(()),
            }
        }
    }

    fn lane(&mut self, tenant: &TenantId) -> &mpsc::Sender<Step> {
        let Self { shared, frontend_tasks, lanes, .. } = self;
        // One lane per tenant that the role serves.
        lanes.entry(tenant.clone()).or_insert_with(|| {
            let (sender, steps) = mpsc::channel(LANE_MAX);
            let lane = Lane::new(shared.clone(), tenant.clone(), steps, frontend_tasks.clone());
            shared.ctx.spawn("session committer", lane.run());
            sender
        })
    }
}

/// One tenant's steps, in order.
struct Lane {
    shared: Shared,
    tenant: TenantId,
    steps: mpsc::Receiver<Step>,
    frontend_tasks: FrontendTasks,
    link: QueueLink,
    writes: Writes,
    /// Sessions with a refused step whose end is still to come: their other steps are void.
    refused: HashSet<SessionId>,
}

impl Lane {
    fn new(shared: Shared, tenant: TenantId, steps: mpsc::Receiver<Step>, frontend_tasks: FrontendTasks) -> Self {
        let (ctx, link) = (&shared.ctx, QueueLink::new(shared.clone(), tenant.clone()));
        let (ledger, clock) = (ctx.stores.sessions.clone(), ctx.clock.clone());
        let writes = Writes::new(ledger, clock, tenant.clone(), ctx.owner());
        Self { shared, tenant, steps, frontend_tasks, link, writes, refused: HashSet::new() }
    }

    async fn run(mut self) -> anyhow::Result<()> {
        let drain = self.shared.ctx.drain.clone();
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                biased;
                count = self.steps.recv_many(&mut batch, BATCH_MAX) => if count == 0 { return Ok(()) },
                () = drain.ended() => return Ok(()),
            }
            let steps = std::mem::take(&mut batch);
            self.turn(steps).await;
        }
    }

    async fn turn(&mut self, mut steps: Vec<Step>) {
        steps.retain(|step| self.counts(step));
        let writes: Vec<SessionWrite> = steps.iter().filter_map(write).collect();
        let mut answers = self.writes.write(writes).await.into_iter();
        self.acknowledge(&steps).await;
        for step in steps {
            let answer = step.change.is_some().then(|| answers.next()).flatten().unwrap_or(Answer::Done);
            match &step.aside {
                Some(why) if put_aside(&self.shared, self.aside(&step, why)).await => self.perform(step).await,
                Some(_) => {}
                None if self.counts(&step) => self.written(step, answer).await,
                None => {}
            }
        }
    }

    /// Whether a step builds on written steps.
    fn counts(&self, step: &Step) -> bool {
        step.standing == Standing::LastWord || !self.refused.contains(&step.session)
    }

    /// Acknowledges entries of new calls that started no record.
    async fn acknowledge(&self, steps: &[Step]) {
        let unbound: Vec<_> = steps.iter().filter(|s| s.change.is_none()).filter_map(|s| s.began_with).collect();
        if unbound.is_empty() {
            return;
        }
        if let Err(error) = self.shared.ctx.stores.new_calls.ack(&self.tenant, &unbound).await {
            tracing::warn!(tenant = %self.tenant, %error, "entries of new calls were not acknowledged; they come again");
        }
    }

    async fn written(&mut self, step: Step, answer: Answer) {
        let last_word = step.standing == Standing::LastWord;
        if last_word {
            self.refused.remove(&step.session);
        }
        match answer {
            Answer::Done => {
                self.shared.metrics.records_written(usize::from(step.change.is_some()));
                self.perform(step).await;
            }
            // The record of a refused session may never have been created; its call takes its default all the same.
            Answer::Gone | Answer::Refused(_) if last_word => self.perform(step).await,
            Answer::Lost | Answer::Gone => self.lost(&step),
            Answer::Refused(reason) => self.refuse(step, reason).await,
        }
    }

    fn aside(&self, step: &Step, why: &str) -> QuarantineRequest {
        QuarantineRequest {
            tenant: self.tenant.clone(),
            ledger: LedgerKind::Session,
            key: step.session.0.clone(),
            owner: self.shared.ctx.owner(),
            token: step.token,
            why: why.to_owned(),
            report: bytes::Bytes::new(),
            events: step.facts.clone(),
        }
    }

    /// A refused step is not carried out: the session is notified and ends.
    async fn refuse(&mut self, step: Step, reason: String) {
        let conn_id = step.caller.call.conn_id;
        tracing::error!(call = %conn_id, tenant = %self.tenant, session = step.session.0, reason, "a session's record was refused");
        self.refused.insert(step.session.clone());
        // Workers wait for the committer alone, and it waits for a lane only when that is full; so this cannot deadlock.
        self.shared.workers.give_back(conn_id, Work::Unwritten(Box::new(step), reason)).await;
    }

    fn lost(&self, step: &Step) {
        let conn_id = step.caller.call.conn_id;
        tracing::warn!(call = %conn_id, session = step.session.0, "another node runs this session");
        let (tenant, session) = (step.tenant.clone(), step.session.clone());
        self.shared.workers.try_send(conn_id, Work::Forget { tenant, conn_id, session, token: step.token });
    }

    async fn perform(&mut self, mut step: Step) {
        let mut afterwards = step.afterwards.take();
        for command in step.commands.iter() {
            match command {
                Command::Request { reference, kind } => {
                    self.frontend_tasks.request(&step, *reference, kind.clone()).await
                }
                Command::DefaultRoute => self.frontend_tasks.default_route(&step, afterwards.take()).await,
                Command::Queue(command) => self.link.tell(command.clone()),
                Command::Log { level, text } => log(&step, *level, text),
                Command::Ended(how) => self.ended(&step, how),
            }
        }
    }

    fn ended(&self, step: &Step, how: &Ended) {
        let (call, application) = (step.caller.call.conn_id, &step.caller.application);
        match how {
            Ended::Through => tracing::info!(%call, application, "application through"),
            Ended::Failed { fault, reason } => {
                self.shared.metrics.session_failed(*fault);
                let fault = fault.as_str();
                tracing::error!(%call, tenant = %step.tenant, application, fault, reason, "application failed");
            }
        }
    }
}

fn write(step: &Step) -> Option<SessionWrite> {
    Some(SessionWrite {
        session: step.session.clone(),
        conn_id: Some(step.caller.call.conn_id),
        token: step.token,
        change: step.change.clone()?,
        due: step.due,
        events: step.facts.clone(),
        began_with: step.began_with,
    })
}

/// An application's log entry: levels up to 1 are logged as info, 2 and 3 as warnings, the rest for debugging.
fn log(step: &Step, level: Option<f64>, text: &str) {
    let (call, application) = (step.caller.call.conn_id, &step.caller.application);
    match level.unwrap_or(1.0) as u8 {
        0..=1 => tracing::info!(%call, application, text, "application says"),
        2..=3 => tracing::warn!(%call, application, text, "application says"),
        _ => tracing::debug!(%call, application, text, "application says"),
    }
}
