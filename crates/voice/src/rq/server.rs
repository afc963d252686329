//! gRPC 12100: streams of commands and outcomes, of agents, of calls.

use std::pin::Pin;

use contracts::v1;
use contracts::v1::routing_server::Routing;
use futures::{Stream, StreamExt as _};
use model::ConnId;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::desk::{Ask, Desks, Listener, OUTCOMES_MAX};
use super::parts::Parts;

/// Acknowledgements that may wait to be read.
const TAKEN_MAX: usize = 64;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The service.
pub(super) struct Server {
    desks: Desks,
}

impl Server {
    pub fn new(desks: Desks) -> Self {
        Self { desks }
    }

    #[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
    fn desk<T>(&self, request: &Request<T>, scope: &str) -> Result<mpsc::Sender<Ask>, Status> {
        let caller = net::grpc::caller(request)?;
        caller.needs_scope(scope).map_err(|problem| Status::permission_denied(problem.to_string()))?;
        let tenant = net::grpc::tenant(request)?;
        self.desks.desk(&tenant).ok_or_else(|| Status::resource_exhausted("too many tenants"))
    }
}

fn gone() -> Status {
    Status::unavailable("this replica does not serve the tenant's queues: connect again")
}

#[tonic::async_trait]
impl Routing for Server {
    type QueueStream = Answers<v1::QueueOutcome>;

    async fn queue(
        &self,
        request: Request<Streaming<v1::QueueCommand>>,
    ) -> Result<Response<Self::QueueStream>, Status> {
        let desk = self.desk(&request, "routing")?;
        let (outcomes, answers) = mpsc::channel(OUTCOMES_MAX);
        let listener = Listener { outcomes, overflowed: CancellationToken::new() };
        let overflowed = listener.overflowed.clone();
        let mut commands = request.into_inner();
        tokio::spawn(async move {
            while let Some(Ok(command)) = commands.next().await {
                let Some(command) = command.command else { continue };
                if desk.send(Ask::Command(command, listener.clone())).await.is_err() {
                    return;
                }
            }
        });
        let answers = ReceiverStream::new(answers).map(Ok);
        let ended = async move {
            overflowed.cancelled().await;
        };
        Ok(Response::new(Box::pin(answers.take_until(Box::pin(ended)))))
    }

    type PushAgentsStream = Answers<v1::AgentsTaken>;

    async fn push_agents(
        &self,
        request: Request<Streaming<v1::AgentsUpdate>>,
    ) -> Result<Response<Self::PushAgentsStream>, Status> {
        let desk = self.desk(&request, "routing")?;
        let mut updates = request.into_inner();
        let (taken, answers) = mpsc::channel(TAKEN_MAX);
        tokio::spawn(async move {
            let mut parts = Parts::default();
            while let Some(Ok(part)) = updates.next().await {
                let update = match parts.take(part) {
                    Ok(Some(update)) => update,
                    Ok(None) => continue,
                    // Whoever sent this has gone when nobody hears it.
                    Err(refused) => return drop(taken.send(Err(refused)).await),
                };
                let (done, revision) = oneshot::channel();
                let sent = desk.send(Ask::Agents(update, done)).await;
                let answer = match (sent, revision.await) {
                    (Ok(()), Ok(revision)) => Ok(v1::AgentsTaken { revision }),
                    _ => Err(gone()),
                };
                if taken.send(answer).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    type PushCallsStream = Answers<v1::CallsTaken>;

    async fn push_calls(
        &self,
        request: Request<Streaming<v1::CallDetails>>,
    ) -> Result<Response<Self::PushCallsStream>, Status> {
        let desk = self.desk(&request, "routing")?;
        let mut calls = request.into_inner();
        let (taken, answers) = mpsc::channel(TAKEN_MAX);
        tokio::spawn(async move {
            let mut count = 0;
            while let Some(Ok(details)) = calls.next().await {
                count += 1;
                let sent = desk.send(Ask::Call(Box::new(details))).await;
                let answer = sent.map(|()| v1::CallsTaken { count }).map_err(|_| gone());
                if taken.send(answer).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn explain(&self, request: Request<v1::ExplainRequest>) -> Result<Response<v1::ExplainResponse>, Status> {
        let desk = self.desk(&request, "routing:read")?;
        let call = request.into_inner().conn_id;
        let (reply, response) = oneshot::channel();
        desk.send(Ask::Explain((call != 0).then_some(ConnId(call)), reply)).await.map_err(|_| gone())?;
        response.await.map(Response::new).map_err(|_| gone())
    }
}
