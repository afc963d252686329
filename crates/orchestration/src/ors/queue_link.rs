//! The stream of queue requests to rq (voice-30), one per tenant. Commands lost with a stream are repeated; repeats have no effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use contracts::v1;
use contracts::v1::queue_command::Command;
use contracts::v1::routing_client::RoutingClient;
use model::{ConnId, TenantId};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Shared;
use super::worker::Work;

/// Commands that wait while rq is unavailable; sessions repeat theirs when it is back.
const COMMANDS_MAX: usize = 4_096;
/// Commands being sent.
const SENDING_MAX: usize = 64;
/// Pause before the next attempt to connect.
const AGAIN: Duration = Duration::from_millis(500);
/// Port of rq.
const PORT: u16 = 12100;

/// A tenant's connection to rq; the stream starts with the first request.
pub(super) struct QueueLink {
    shared: Shared,
    tenant: TenantId,
    commands: Option<mpsc::Sender<Command>>,
    /// Whether a command did not fit: all commands still valid are repeated once there is room.
    dropped: Arc<AtomicBool>,
}

impl QueueLink {
    pub fn new(shared: Shared, tenant: TenantId) -> Self {
        Self { shared, tenant, commands: None, dropped: Arc::default() }
    }

    /// Sends rq a command as soon as it is available.
    pub fn tell(&mut self, command: Command) {
        let Self { shared, tenant, commands, dropped } = self;
        let sender = commands.get_or_insert_with(|| {
            let (sender, commands) = mpsc::channel(COMMANDS_MAX);
            let link = Link { shared: shared.clone(), tenant: tenant.clone(), commands, dropped: Arc::clone(dropped) };
            shared.ctx.spawn("queue requests to rq", link.run());
            sender
        });
        if sender.try_send(command).is_err() {
            dropped.store(true, Relaxed);
            shared.metrics.overflowed();
            tracing::error!(tenant = %self.tenant, "a queue request must wait: rq is too far behind");
        }
    }
}

struct Link {
    shared: Shared,
    tenant: TenantId,
    commands: mpsc::Receiver<Command>,
    dropped: Arc<AtomicBool>,
}

impl Link {
    async fn run(mut self) -> anyhow::Result<()> {
        let drain = self.shared.ctx.drain.clone();
        let mut first = true;
        loop {
            tokio::select! {
                () = drain.ended() => return Ok(()),
                ended = self.connected(!first) => if let Err(error) = ended {
                    tracing::warn!(tenant = %self.tenant, %error, "rq is away");
                },
            }
            first = false;
            tokio::select! {
                () = drain.ended() => return Ok(()),
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    /// Runs the stream once, until it breaks.
    async fn connected(&mut self, again: bool) -> anyhow::Result<()> {
        let channel = net::grpc::channel(&self.shared.ctx, "voice-30", PORT)?;
        let (sender, sending) = mpsc::channel(SENDING_MAX);
        let request = net::grpc::for_tenant(tonic::Request::new(ReceiverStream::new(sending)), &self.tenant);
        let mut outcomes = RoutingClient::new(channel).queue(request).await?.into_inner();
        if again {
            self.say_again().await;
        }
        loop {
            tokio::select! {
                command = self.commands.recv() => {
                    let Some(command) = command else { return Ok(()) };
                    sender.send(v1::QueueCommand { command: Some(command) }).await?;
                    if self.commands.is_empty() && self.dropped.swap(false, Relaxed) {
                        self.say_again().await;
                    }
                }
                outcome = outcomes.message() => match outcome? {
                    Some(outcome) => self.take(outcome).await,
                    None => anyhow::bail!("the stream ended"),
                },
            }
        }
    }

    /// Makes every session repeat its unconfirmed requests and cancellations.
    async fn say_again(&self) {
        self.shared.workers.send_all(|| Work::Resubmit(self.tenant.clone())).await;
    }

    async fn take(&self, outcome: v1::QueueOutcome) {
        // A request's id starts with its session's id, and that with the call's.
        let conn_id: Option<ConnId> = outcome.request_id.split('-').next().and_then(|id| id.parse().ok());
        if let Some(conn_id) = conn_id {
            self.shared.workers.send(conn_id, Work::Outcome(self.tenant.clone(), outcome)).await;
        }
    }
}
