//! Reads the statistics of one tenant (tenant-09, port 2060): one stream for all that anybody has open, and further ones where that is more
//! than a stream takes. Where one ends, it is opened again with all that it had.

use std::time::Duration;

use contracts::v1;
use contracts::v1::statistics_client::StatisticsClient;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use model::TenantId;
use runtime::RoleContext;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tonic::Streaming;

use super::followed::FollowedTenant;
use super::metrics::Metrics;
use super::{STATISTICS_PORT, STATISTICS_ROW};

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

/// Reads a tenant.
#[derive(Clone)]
pub(super) struct StatisticsFeed {
    /// The role.
    pub ctx: RoleContext,
    /// The tenant.
    pub tenant: TenantId,
    /// Counts.
    pub metrics: Metrics,
    /// What is open of it.
    pub followed: FollowedTenant,
}

impl StatisticsFeed {
    /// Reads the tenant until it is stopped or the role ends.
    pub async fn run(self, mut stopped: watch::Receiver<()>) -> anyhow::Result<()> {
        let drain = self.ctx.drain.clone();
        let (mut needed, mut lanes) = (self.followed.lanes(), FuturesUnordered::new());
        loop {
            let count = *needed.borrow_and_update();
            while lanes.len() < count {
                lanes.push(self.clone().lane(lanes.len()));
            }
            tokio::select! {
                () = drain.ended() => return Ok(()),
                _ = stopped.changed() => return Ok(()),
                _ = needed.changed() => {}
                // They are read until then.
                _ = lanes.next() => {}
            }
        }
    }

    /// Reads one stream after the other.
    async fn lane(self, place: usize) {
        loop {
            let ended = self.connected(place).await;
            self.followed.broken(place);
            if let Err(error) = ended {
                self.metrics.streams_broken.inc();
                tracing::debug!(tenant = %self.tenant, error = format!("{error:#}"), "a stream has ended: opened again");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Reads the stream until it ends.
    async fn connected(&self, place: usize) -> anyhow::Result<()> {
        let (messages, waiting) = mpsc::channel(MESSAGES_MAX);
        self.followed.begun(place);
        // The stream begins with a message, also where nothing is open.
        messages.try_send(self.followed.next_message(place).unwrap_or_default())?;
        let mut values = self.open(waiting).await?;
        let mut heard_at = Instant::now();
        let mut tick = tokio::time::interval(TICK);
        loop {
            self.send_all(place, &messages)?;
            tokio::select! {
                told = values.message() => {
                    heard_at = Instant::now();
                    let told = told?.ok_or_else(|| anyhow::anyhow!("the stream of statistics has ended"))?;
                    self.metrics.values.inc_by(told.values.len() as u64);
                    self.metrics.refused.inc_by(told.refused.len() as u64);
                    self.followed.told(place, told);
                }
                () = self.followed.has_message(place) => {}
                _ = tick.tick() => anyhow::ensure!(heard_at + SILENCE_MAX > Instant::now(), "silence"),
            }
        }
    }

    async fn open(
        &self,
        waiting: mpsc::Receiver<v1::FollowStatisticsRequest>,
    ) -> anyhow::Result<Streaming<v1::FollowStatisticsResponse>> {
        // One of its own, so that no other tenant's values wait for the reader of this one's.
        let channel = net::grpc::channel(&self.ctx, STATISTICS_ROW, STATISTICS_PORT)?;
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
            let Some(message) = self.followed.next_message(place) else { return Ok(()) };
            room.send(message);
        }
    }
}
