//! Reads the states of one tenant's objects (tenant-09, port 2060): one stream, and further ones where there are more than a stream takes.
//! Where one ends, it is opened again with all that it had.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contracts::v1;
use contracts::v1::statistics_client::StatisticsClient;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use infra::{Clock, MonitoredState};
use model::TenantId;
use runtime::RoleContext;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tonic::Streaming;

use super::metrics::Metrics;
use super::monitored::{LANES_MAX, MonitoredStates};
use crate::data_collector_api::MonitoredObject;

/// The connection to tenant, and its port.
pub(super) const ROW: &str = "tenant-09";
const PORT: u16 = 2060;
/// Pause before a stream that has ended is opened again.
const PAUSE: Duration = Duration::from_millis(500);
/// The stream says something at least every 5 s.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How often it is looked at whether it does, and whether messages wait for which there was no room.
const TICK: Duration = Duration::from_secs(1);
/// Messages for tenant that wait to be sent: all statistics of a stream are four of them.
const MESSAGES_MAX: usize = 8;
/// The largest message of tenant: the values of all statistics of a stream.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// The states in the hands of several tasks. Cheap to clone.
#[derive(Clone)]
pub(super) struct FollowedStates(Arc<SharedStates>);

struct SharedStates {
    states: Mutex<MonitoredStates>,
    messages: [Notify; LANES_MAX],
    lanes: watch::Sender<usize>,
    clock: Arc<dyn Clock>,
}

impl FollowedStates {
    /// Nothing is followed.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let messages = std::array::from_fn(|_| Notify::new());
        Self(Arc::new(SharedStates { states: Mutex::default(), messages, lanes: watch::Sender::new(0), clock }))
    }

    /// What is in it is whole after every step.
    fn lock(&self) -> MutexGuard<'_, MonitoredStates> {
        self.0.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn<T>(&self, act: impl FnOnce(&mut MonitoredStates) -> T) -> T {
        let mut states = self.lock();
        let outcome = act(&mut states);
        let due = self.0.messages.iter().enumerate().filter(|(place, _)| states.has_message(*place));
        due.for_each(|(_, messages)| messages.notify_one());
        let needed = states.lanes_used();
        self.0.lanes.send_if_modified(|lanes| std::mem::replace(lanes, needed) != needed);
        outcome
    }

    /// From now on these are followed, and no others. Says how many there is no room for.
    pub fn follow(&self, objects: Vec<MonitoredObject>) -> usize {
        self.turn(|states| states.follow(objects))
    }

    /// Opens what was refused a while ago. Says whether each change comes, and whether something was told of each object.
    pub fn handle_timeout(&self) -> (bool, bool) {
        let now = self.0.clock.now();
        self.turn(|states| {
            states.handle_timeout(now);
            (states.is_current(), states.is_settled())
        })
    }

    /// Some of the changed states.
    pub fn take_changed(&self, count: usize) -> Vec<MonitoredState> {
        self.lock().take_changed(count)
    }

    /// They were not written.
    pub fn give_back(&self, states: Vec<MonitoredState>) {
        self.lock().give_back(states);
    }
}

/// Reads a tenant.
#[derive(Clone)]
pub(super) struct StatesFeed {
    /// The role.
    pub ctx: RoleContext,
    /// The tenant.
    pub tenant: TenantId,
    /// Counts.
    pub metrics: Metrics,
    /// What is followed of it.
    pub followed: FollowedStates,
}

impl StatesFeed {
    /// Reads the tenant for as long as somebody waits for it.
    pub async fn run(self) {
        let (mut needed, mut lanes) = (self.followed.0.lanes.subscribe(), FuturesUnordered::new());
        loop {
            let count = *needed.borrow_and_update();
            while lanes.len() < count {
                lanes.push(self.clone().lane(lanes.len()));
            }
            tokio::select! {
                changed = needed.changed() => if changed.is_err() { return },
                // They are read until then.
                _ = lanes.next(), if !lanes.is_empty() => {}
            }
        }
    }

    /// Reads one stream after the other.
    async fn lane(self, place: usize) {
        loop {
            let ended = self.connected(place).await;
            self.followed.turn(|states| states.broken(place));
            if let Err(error) = ended {
                self.metrics.streams_broken.inc();
                tracing::debug!(tenant = %self.tenant, error = format!("{error:#}"), "a stream of states has ended: opened again");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Reads the stream until it ends.
    async fn connected(&self, place: usize) -> anyhow::Result<()> {
        let (messages, waiting) = mpsc::channel(MESSAGES_MAX);
        let first = self.followed.turn(|states| {
            states.begun(place);
            states.next_message(place)
        });
        // The stream begins with a message, also where nothing is open.
        messages.try_send(first.unwrap_or_default())?;
        let mut values = self.open(waiting).await?;
        let mut heard_at = Instant::now();
        let mut tick = tokio::time::interval(TICK);
        let has_message = self.followed.0.messages.get(place);
        loop {
            self.send_all(place, &messages)?;
            tokio::select! {
                told = values.message() => {
                    heard_at = Instant::now();
                    let told = told?.ok_or_else(|| anyhow::anyhow!("the stream of states has ended"))?;
                    let now = self.followed.0.clock.now();
                    self.followed.turn(|states| states.told(place, told, now));
                }
                () = async {
                    match has_message {
                        Some(message) => message.notified().await,
                        None => std::future::pending().await,
                    }
                } => {}
                _ = tick.tick() => anyhow::ensure!(heard_at + SILENCE_MAX > Instant::now(), "silence"),
            }
        }
    }

    async fn open(
        &self,
        waiting: mpsc::Receiver<v1::FollowStatisticsRequest>,
    ) -> anyhow::Result<Streaming<v1::FollowStatisticsResponse>> {
        // One of its own, so that no other tenant's states wait for the reader of this one's.
        let channel = net::grpc::channel(&self.ctx, ROW, PORT)?;
        let asked = futures::stream::unfold(waiting, |mut waiting| async move {
            let message = waiting.recv().await?;
            Some((message, waiting))
        });
        let asked = net::grpc::for_tenant(tonic::Request::new(asked), &self.tenant);
        let mut client = StatisticsClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Ok(client.follow(asked).await?.into_inner())
    }

    /// Sends what there is room for; the rest follows within a tick.
    fn send_all(&self, place: usize, messages: &mpsc::Sender<v1::FollowStatisticsRequest>) -> anyhow::Result<()> {
        loop {
            let room = match messages.try_reserve() {
                Ok(room) => room,
                Err(mpsc::error::TrySendError::Full(())) => return Ok(()),
                Err(mpsc::error::TrySendError::Closed(())) => anyhow::bail!("the stream of requests has ended"),
            };
            let Some(message) = self.followed.lock().next_message(place) else { return Ok(()) };
            room.send(message);
        }
    }
}
