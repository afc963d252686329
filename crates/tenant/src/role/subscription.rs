//! One subscription: what comes out of it for its reader, and how it catches up with the present.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::v1;
use contracts::v1::delivery::What;
use futures::Stream;
use infra::Position;
use model::TenantId;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Status;

use super::filter::SubscriptionFilter;
use super::live::{Id, Inlet, LiveFact, ReaderQueue, WAITING_MAX, status};
use super::views::{Joining, TenantView, Views};

/// Events per read while a subscription catches up: few, since all of them are in memory for each that does.
const BATCH: usize = 64;
/// The longest pause between deliveries.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// How long a reader that catches up may take nothing.
const STUCK_MAX: Duration = Duration::from_secs(60);

/// A subscription that was let in.
pub(super) struct Subscription {
    kept: Arc<TenantView>,
    inlet: Inlet,
    outlet: mpsc::Receiver<Arc<LiveFact>>,
    progress: Arc<SubscriptionProgress>,
}

/// How far a subscription is, while it catches up and afterwards.
struct SubscriptionProgress {
    kept: Arc<TenantView>,
    state: Mutex<HowFar>,
}

#[derive(Clone, Copy)]
enum HowFar {
    /// Everything up to here was given to it.
    CatchingUp(Position),
    /// It gets what comes.
    Live(Id),
    /// Nobody reads it any more.
    Left,
}

/// Tells how far a subscription is.
#[derive(Clone)]
pub(super) struct SubscriptionReach {
    progress: Arc<SubscriptionProgress>,
    waiting: Arc<ReaderQueue>,
}

impl SubscriptionReach {
    /// Whether its reader has taken everything of before, so that only what comes is to follow.
    pub fn is_at_present(&self) -> bool {
        let reached = *self.progress.state.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(reached, HowFar::Live(_)) && self.waiting.is_empty()
    }
}

/// Of which requests a subscriber sees the references in their outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SeenReferences {
    /// Of those that this subject has made.
    Of(String),
    /// Of all: the subscriber shows each outcome to its own requester alone.
    OfAll,
}

impl SeenReferences {
    fn contains(&self, requester: Option<&str>) -> bool {
        match self {
            Self::Of(subject) => requester == Some(subject.as_str()),
            Self::OfAll => true,
        }
    }
}

impl Subscription {
    pub fn new(kept: Arc<TenantView>, filter: Arc<SubscriptionFilter>, after: Position) -> Self {
        let (queue, outlet) = mpsc::channel(WAITING_MAX);
        let inlet = Inlet { filter, queue, waiting: Arc::default() };
        let progress = SubscriptionProgress { kept: kept.clone(), state: Mutex::new(HowFar::CatchingUp(after)) };
        Self { kept, inlet, outlet, progress: Arc::new(progress) }
    }

    /// Begins with the present state.
    pub async fn with_snapshot(
        views: &Views,
        tenant: &TenantId,
        filter: Arc<SubscriptionFilter>,
    ) -> Result<(Self, v1::Snapshot), Status> {
        let kept = views.kept(tenant).map_err(status)?;
        let begun = views.at_end(&kept, tenant, |view, position, live| {
            let subscription = Self::new(kept.clone(), filter.clone(), position);
            // It is at the end already: nothing can be missing.
            if let Some(id) = live.join(subscription.inlet(), position) {
                subscription.joined(id);
            }
            (subscription, view.snapshot(position, &filter))
        });
        let begun = begun.await.map_err(status)?;
        views.keeps_reading(&kept, tenant);
        Ok(begun)
    }

    /// Continues after a position. The stream must have reached it: after a later one nothing would come for a long time, and then facts
    /// would be missing.
    pub async fn after(
        views: &Views,
        tenant: &TenantId,
        filter: Arc<SubscriptionFilter>,
        after: Position,
    ) -> Result<Self, Status> {
        let kept = views.kept(tenant).map_err(status)?;
        let subscription = Self::new(kept.clone(), filter, after);
        let joined = views.at_end(&kept, tenant, |_, end, live| match after > end {
            true => Err(end),
            false => Ok(live.join(subscription.inlet(), after)),
        });
        match joined.await.map_err(status)? {
            Err(end) => {
                let fault = format!("after: {after} is beyond the stream's end, {end}: begin again with a snapshot");
                return Err(Status::out_of_range(fault));
            }
            Ok(Some(id)) => {
                subscription.joined(id);
                views.keeps_reading(&kept, tenant);
            }
            Ok(None) => subscription.catch_up(views.clone(), tenant.clone(), after),
        }
        Ok(subscription)
    }

    pub fn inlet(&self) -> &Inlet {
        &self.inlet
    }

    /// How far it is, also while somebody reads its deliveries.
    pub fn reach(&self) -> SubscriptionReach {
        SubscriptionReach { progress: self.progress.clone(), waiting: self.inlet.waiting.clone() }
    }

    /// It has joined the others.
    pub fn joined(&self, id: Id) {
        self.progress.set(HowFar::Live(id));
    }

    /// Brings it to the present in a task of its own.
    pub fn catch_up(&self, views: Views, tenant: TenantId, after: Position) {
        let behind = Behind {
            views,
            tenant,
            kept: self.kept.clone(),
            inlet: self.inlet.clone(),
            progress: self.progress.clone(),
        };
        tokio::spawn(behind.run(after));
    }

    /// What its reader gets: the snapshot if there is one, facts, and a sign of life in silence. Other references than those that are
    /// `seen` are hidden from it.
    pub fn deliveries(
        self,
        snapshot: Option<v1::Snapshot>,
        seen: SeenReferences,
    ) -> impl Stream<Item = Result<v1::Delivery, Status>> + Send + 'static {
        let Self { inlet, outlet, progress, .. } = self;
        let waiting = inlet.waiting.clone();
        // From here on the queue ends when those who give have gone.
        drop(inlet);
        let outlet = Outlet { facts: outlet, waiting, leaving: Leaving(progress), seen, snapshot, has_ended: false };
        futures::stream::unfold(outlet, |mut outlet| async move {
            let next = outlet.next().await?;
            Some((next, outlet))
        })
    }
}

impl SubscriptionProgress {
    fn set(&self, reached: HowFar) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = reached;
    }

    /// Everything up to here is in the queue, or was.
    fn position(&self) -> Position {
        let reached = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match reached {
            HowFar::CatchingUp(position) => position,
            HowFar::Live(_) | HowFar::Left => self.kept.live().position(),
        }
    }
}

/// Takes a subscription out of the index when its reader has gone.
struct Leaving(Arc<SubscriptionProgress>);

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let HowFar::Live(id) = std::mem::replace(&mut *state, HowFar::Left) {
            self.0.kept.live().leave(id);
        }
    }
}

/// The reader's end.
struct Outlet {
    facts: mpsc::Receiver<Arc<LiveFact>>,
    waiting: Arc<ReaderQueue>,
    leaving: Leaving,
    seen: SeenReferences,
    snapshot: Option<v1::Snapshot>,
    has_ended: bool,
}

impl Outlet {
    async fn next(&mut self) -> Option<Result<v1::Delivery, Status>> {
        if let Some(snapshot) = self.snapshot.take() {
            return Some(Ok(delivery(What::Snapshot(snapshot))));
        }
        if self.has_ended {
            return None;
        }
        match timeout(SILENCE_MAX, self.facts.recv()).await {
            Ok(Some(fact)) => Some(Ok(self.shown(&fact))),
            Ok(None) => self.end(),
            Err(_) => self.silence(),
        }
    }

    /// Nothing came for a while. The position is read first: what it covers is in the queue, if anything is.
    fn silence(&mut self) -> Option<Result<v1::Delivery, Status>> {
        let position = self.leaving.0.position();
        match self.facts.try_recv() {
            Ok(fact) => Some(Ok(self.shown(&fact))),
            Err(mpsc::error::TryRecvError::Empty) => Some(Ok(delivery(What::Reached(position.to_string())))),
            Err(mpsc::error::TryRecvError::Disconnected) => self.end(),
        }
    }

    fn end(&mut self) -> Option<Result<v1::Delivery, Status>> {
        self.has_ended = true;
        self.waiting.end().map(Err)
    }

    fn shown(&self, fact: &LiveFact) -> v1::Delivery {
        self.waiting.taken(fact);
        let mut envelope = fact.envelope.clone();
        if let Some(event) = &mut envelope.event
            && !self.seen.contains(event.requester.as_deref())
        {
            event.reference = 0;
        }
        delivery(What::Event(v1::PositionedEvent { position: fact.position.to_string(), envelope: Some(envelope) }))
    }
}

fn delivery(what: What) -> v1::Delivery {
    v1::Delivery { what: Some(what) }
}

/// A subscription that is behind the present by more than is kept in memory: it reads the stream itself.
struct Behind {
    views: Views,
    tenant: TenantId,
    kept: Arc<TenantView>,
    inlet: Inlet,
    progress: Arc<SubscriptionProgress>,
}

impl Behind {
    async fn run(self, mut after: Position) {
        let _counted = self.views.stream_reader();
        loop {
            match self.step(&mut after).await {
                Ok(false) => {}
                Ok(true) => return,
                Err(status) => return self.inlet.waiting.ends(status),
            }
        }
    }

    /// Gives the next facts. True: it has joined the others, or nobody reads any more.
    async fn step(&self, after: &mut Position) -> Result<bool, Status> {
        let read = self.views.events().read(&self.tenant, *after, BATCH, Duration::ZERO).await;
        let entries = read.map_err(status)?;
        let is_last = entries.len() < BATCH;
        for entry in entries {
            *after = entry.position;
            let fact = LiveFact::of(entry);
            if fact.is_wanted(&self.inlet.filter) {
                match timeout(STUCK_MAX, self.inlet.give(Arc::new(fact))).await {
                    Ok(true) => {}
                    Ok(false) => return Ok(true),
                    Err(_) => return Err(self.views.reader_stuck(STUCK_MAX)),
                }
            }
        }
        if self.inlet.queue.is_closed() {
            return Ok(true);
        }
        self.progress.set_unless_left(HowFar::CatchingUp(*after));
        if !is_last {
            return Ok(false);
        }
        match self.views.join(&self.kept, &self.tenant, &self.inlet, *after).await.map_err(status)? {
            Joining::Joined(id) => {
                self.progress.joined_unless_left(id);
                Ok(true)
            }
            Joining::Behind => {
                // What waits for the reader fills its queue: there is room when it has read.
                tokio::time::sleep(AGAIN).await;
                Ok(false)
            }
        }
    }
}

/// Pause before a subscription tries again to join the others.
const AGAIN: Duration = Duration::from_millis(20);

impl SubscriptionProgress {
    fn set_unless_left(&self, reached: HowFar) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*state, HowFar::Left) {
            *state = reached;
        }
    }

    fn joined_unless_left(&self, id: Id) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, HowFar::Left) {
            self.kept.live().leave(id);
        } else {
            *state = HowFar::Live(id);
        }
    }
}

#[cfg(test)]
mod tests;
