//! Port 8000 of a node: the calls that it owns, and those of nodes that do not run any more.
//!
//! A fact stands in the tenant's stream with the node that gave it. Each node delivers its own. When a node is gone, every other one delivers
//! what that one may not have delivered: so no fact is missing, and one that comes twice has the same identity.

mod adoption;
mod status;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use contracts::v1::events_server::EventsServer;
use contracts::{v1, wire};
use infra::{CallLedger, EventStream};
use model::{ConnId, EventId, NodeId, Seq, Subject, TenantId};
use runtime::RoleContext;
use tokio::sync::watch;
use tonic::service::Routes;

use super::node::calls::records;
use crate::node_events::{EventServer, Metrics, Ownership};
use adoption::Adoption;

/// How often it is read which nodes run.
const NODES_EVERY: Duration = Duration::from_secs(1);
/// Records per read of a snapshot: few, since the loop of the calls waits meanwhile.
const PAGE: usize = 100;

/// The nodes that run; `None` while that is not known, and then none is taken for gone.
pub(super) type RunningNodes = Option<Arc<HashSet<NodeId>>>;

/// Serves the events.
pub(super) async fn serve(ctx: &RoleContext) -> anyhow::Result<()> {
    let (tell, running) = watch::channel(RunningNodes::None);
    let metrics = Metrics::register(&ctx.metrics);
    let calls = OwnedCalls {
        node: ctx.node.clone(),
        calls: ctx.stores.calls.clone(),
        events: ctx.stores.events.clone(),
        running,
        metrics: metrics.clone(),
    };
    net::grpc::serve(ctx, "events", Routes::new(EventsServer::new(EventServer::new(ctx, calls, metrics)))).await?;
    let own = ctx.clone();
    ctx.spawn("nodes that run", async move {
        loop {
            match own.stores.leases.live(own.spec.name).await {
                Ok(leases) => {
                    let running: HashSet<NodeId> = leases.into_iter().map(|lease| lease.owner.node).collect();
                    tell.send_if_modified(|known| {
                        let differs = known.as_deref() != Some(&running);
                        if differs {
                            *known = Some(Arc::new(running));
                        }
                        differs
                    });
                }
                // The nodes that are known count as running.
                Err(error) => tracing::debug!(%error, "which nodes run cannot be read"),
            }
            tokio::select! {
                () = tokio::time::sleep(NODES_EVERY) => {}
                () = own.drain.ended() => return Ok(()),
            }
        }
    });
    Ok(())
}

/// The calls of this node.
struct OwnedCalls {
    node: NodeId,
    calls: Arc<dyn CallLedger>,
    events: Arc<dyn EventStream>,
    running: watch::Receiver<RunningNodes>,
    metrics: Metrics,
}

#[tonic::async_trait]
impl Ownership for OwnedCalls {
    type Sieve = Adoption;

    /// A record and its facts are one commit, so records that are read after the position contain every fact up to it.
    async fn snapshot(&self, tenant: &TenantId) -> infra::Result<v1::Snapshot> {
        let position = self.events.end(tenant).await?;
        let mut snapshot = v1::Snapshot { position: position.to_string(), ..v1::Snapshot::default() };
        let running = self.running.borrow().clone();
        let mut after: Option<ConnId> = None;
        loop {
            let page = self.calls.list(tenant, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(snapshot) };
            after = Some(last.key);
            for record in page.iter().filter(|record| delivers(&self.node, &running, &record.owner.node)) {
                for call in records::models(&record.state) {
                    // A new owner has told nothing yet under its token.
                    let seq = if record.token > call.token { Seq(0) } else { Seq(call.seq) };
                    let id = EventId { subject: Subject::Call(call.conn_id), token: record.token.max(call.token), seq };
                    snapshot.known.push(wire::fact_id_to_wire(&id));
                    snapshot.calls.extend(status::of(&call));
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn sieve(&self, _: &TenantId) -> Adoption {
        Adoption::new(self.node.clone(), self.running.clone(), self.metrics.clone())
    }
}

/// Whether this node delivers what that node has given.
fn delivers(node: &NodeId, running: &RunningNodes, giver: &NodeId) -> bool {
    giver == node || running.as_ref().is_some_and(|running| !running.contains(giver))
}
