//! Details for rq of calls that wait for an agent or were routed (voice-25): where they wait, their data, and their end.
//!
//! rq reads the facts of the same calls in the tenant's stream, and those decide. The details come sooner, and they are complete:
//! an rq that restarts gets every call that exists, whenever it began.

use std::collections::HashMap;
use std::time::Duration;

use contracts::v1;
use contracts::v1::routing_client::RoutingClient;
use model::TenantId;
use runtime::RoleContext;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::inbox::Inbox;
use super::metrics::Metrics;

/// The port of rq.
const PORT: u16 = 12_100;
/// Details that wait while rq is away; more are dropped, and sent again when it is back.
const WAITING_MAX: usize = 4_096;
/// Details being sent.
const SENDING_MAX: usize = 64;
/// Pause before a broken stream is opened again.
const PAUSE: Duration = Duration::from_millis(500);

/// The streams to rq, one for each tenant whose calls wait.
pub struct RoutingLinks {
    ctx: RoleContext,
    inbox: Inbox,
    metrics: Metrics,
    of: HashMap<TenantId, mpsc::Sender<v1::CallDetails>>,
}

impl RoutingLinks {
    /// No streams yet.
    pub fn new(ctx: RoleContext, inbox: Inbox, metrics: Metrics) -> Self {
        Self { ctx, inbox, metrics, of: HashMap::new() }
    }

    /// Sends rq the details, as soon as it is there.
    pub fn tell(&mut self, tenant: &TenantId, details: v1::CallDetails) {
        let waiting = self.of.entry(tenant.clone()).or_insert_with(|| {
            let (waiting, details) = mpsc::channel(WAITING_MAX);
            let link =
                Link { ctx: self.ctx.clone(), inbox: self.inbox.clone(), tenant: tenant.clone(), details, last: None };
            self.ctx.spawn("details of calls to rq", link.run());
            waiting
        });
        if waiting.try_send(details).is_err() {
            self.metrics.detail_dropped();
        }
    }
}

struct Link {
    ctx: RoleContext,
    inbox: Inbox,
    tenant: TenantId,
    details: mpsc::Receiver<v1::CallDetails>,
    /// The details that were being sent when the stream broke.
    last: Option<v1::CallDetails>,
}

impl Link {
    async fn run(mut self) -> anyhow::Result<()> {
        let drain = self.ctx.drain.clone();
        let mut again = false;
        loop {
            tokio::select! {
                () = drain.ended() => return Ok(()),
                ended = self.connected(again) => if let Err(error) = ended {
                    tracing::debug!(tenant = %self.tenant, %error, "rq does not take details of calls: trying again");
                },
            }
            again = true;
            tokio::select! {
                () = drain.ended() => return Ok(()),
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Runs one connection of the stream.
    async fn connected(&mut self, again: bool) -> anyhow::Result<()> {
        let mut client = RoutingClient::new(net::grpc::channel(&self.ctx, "voice-25", PORT)?);
        let (sender, sending) = mpsc::channel(SENDING_MAX);
        let request = net::grpc::for_tenant(tonic::Request::new(ReceiverStream::new(sending)), &self.tenant);
        let mut taken = client.push_calls(request).await?.into_inner();
        if again {
            self.inbox.routing_again(self.tenant.clone()).await;
        }
        loop {
            if let Some(details) = self.last.take() {
                // A stream that rq does not read must not hide its own end.
                tokio::select! {
                    sent = sender.send(details.clone()) => if sent.is_err() {
                        self.last = Some(details);
                        anyhow::bail!("the stream has ended");
                    },
                    answer = taken.message() => {
                        self.last = Some(details);
                        anyhow::ensure!(answer?.is_some(), "the stream has ended");
                    }
                }
                continue;
            }
            tokio::select! {
                details = self.details.recv() => match details {
                    Some(details) => self.last = Some(details),
                    None => return Ok(()),
                },
                answer = taken.message() => anyhow::ensure!(answer?.is_some(), "the stream has ended"),
            }
        }
    }
}
