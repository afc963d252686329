//! The stream of queue requests to rq (voice-30), one for each tenant.

use std::collections::HashMap;
use std::time::Duration;

use contracts::v1;
use contracts::v1::queue_command::Command;
use contracts::v1::routing_client::RoutingClient;
use model::{ConnId, TenantId};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Shared;
use super::worker::Work;

/// Commands that wait while rq is away; sessions say again what waits when it is back.
const COMMANDS_MAX: usize = 4_096;
/// Commands on their way.
const SENDING_MAX: usize = 64;
/// Pause before the next attempt to connect.
const AGAIN: Duration = Duration::from_millis(500);
/// Port of rq.
const PORT: u16 = 12100;

/// The links of all tenants.
pub(super) struct Links {
    shared: Shared,
    of: HashMap<TenantId, mpsc::Sender<Command>>,
}

impl Links {
    pub fn new(shared: Shared) -> Self {
        Self { shared, of: HashMap::new() }
    }

    /// Tells rq, as soon as it is there.
    pub fn tell(&mut self, tenant: &TenantId, command: Command) {
        let shared = &self.shared;
        let sender = self.of.entry(tenant.clone()).or_insert_with(|| {
            let (sender, commands) = mpsc::channel(COMMANDS_MAX);
            let link = Link { shared: shared.clone(), tenant: tenant.clone(), commands };
            shared.ctx.spawn("queue requests to rq", link.run());
            sender
        });
        if sender.try_send(command).is_err() {
            tracing::error!(%tenant, "a queue request was dropped: rq is too far behind");
            self.shared.metrics.overflowed();
        }
    }
}

struct Link {
    shared: Shared,
    tenant: TenantId,
    commands: mpsc::Receiver<Command>,
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

    /// One life of the stream.
    async fn connected(&mut self, again: bool) -> anyhow::Result<()> {
        let channel = net::grpc::channel(&self.shared.ctx, "voice-30", PORT)?;
        let (sender, sending) = mpsc::channel(SENDING_MAX);
        let request = net::grpc::for_tenant(tonic::Request::new(ReceiverStream::new(sending)), &self.tenant);
        let mut outcomes = RoutingClient::new(channel).queue(request).await?.into_inner();
        if again {
            let tenant = &self.tenant;
            self.shared.workers.send_all(|| Work::Resubmit(tenant.clone())).await;
        }
        loop {
            tokio::select! {
                command = self.commands.recv() => {
                    let Some(command) = command else { return Ok(()) };
                    sender.send(v1::QueueCommand { command: Some(command) }).await?;
                }
                outcome = outcomes.message() => match outcome? {
                    Some(outcome) => self.take(outcome).await,
                    None => anyhow::bail!("the stream ended"),
                },
            }
        }
    }

    async fn take(&self, outcome: v1::QueueOutcome) {
        // A request's id begins with its session's, and that with the call's.
        let conn_id: Option<ConnId> = outcome.request_id.split('-').next().and_then(|id| id.parse().ok());
        if let Some(conn_id) = conn_id {
            self.shared.workers.send(conn_id, Work::Outcome(self.tenant.clone(), outcome)).await;
        }
    }
}
