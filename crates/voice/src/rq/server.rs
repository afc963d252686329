//! gRPC 12100: streams of commands and outcomes, of agents, of calls.

use std::sync::Arc;

use contracts::v1;
use contracts::v1::routing_server::Routing;
use futures::{Stream, StreamExt as _};
use infra::Clock;
use model::ConnId;
use net::grpc::{Answers, Streams, until_token_expires};
use runtime::Caller;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::parts::Parts;
use super::tenant_loop::{Ask, Listener, OUTCOMES_MAX, TenantLoops, Unheard};

/// The most unread acknowledgements.
const TAKEN_MAX: usize = 64;

/// The gRPC service.
pub(super) struct Server {
    tenant_loops: TenantLoops,
    clock: Arc<dyn Clock>,
    streams: Streams,
}

#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
impl Server {
    pub fn new(tenant_loops: TenantLoops, clock: Arc<dyn Clock>) -> Self {
        Self { tenant_loops, clock, streams: Streams::default() }
    }

    fn tenant_loop<T>(&self, request: &Request<T>) -> Result<mpsc::Sender<Ask>, Status> {
        let tenant = net::grpc::tenant(request)?;
        self.tenant_loops.sender_to(&tenant).ok_or_else(|| Status::resource_exhausted("too many tenants"))
    }

    /// A stream of these answers. It is counted among the caller's streams and ends with the caller's token.
    fn stream<T: Send + 'static>(
        &self,
        of: &Request<impl Sized>,
        answers: impl Stream<Item = Result<T, Status>> + Send + 'static,
    ) -> Result<Answers<T>, Status> {
        let (caller, tenant) = (net::grpc::caller(of)?, net::grpc::tenant(of)?);
        let permit = self.streams.open(Some(&tenant), caller.subject())?;
        Ok(permit.with(until_token_expires(answers, caller, self.clock.clone())))
    }
}

#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn needs_scope(caller: &Caller, scope: &str) -> Result<(), Status> {
    caller.needs_scope(scope).map_err(|problem| Status::permission_denied(problem.to_string()))
}

/// Checks the role of the caller: a role's reports of its own state affect all calls, so no other caller may send them, whatever its
/// scopes.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn needs_role(caller: &Caller, role: &str) -> Result<(), Status> {
    match caller.role() {
        Some(own) if own == role => Ok(()),
        _ => Err(Status::permission_denied(format!("this comes from the role {role} alone"))),
    }
}

/// Refuses ConnID 0: a query about all calls would check the agents for every waiting call.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn named_call(conn_id: u64) -> Result<ConnId, Status> {
    if conn_id == 0 { Err(Status::invalid_argument("conn_id: it names no call")) } else { Ok(ConnId(conn_id)) }
}

fn tenant_gone() -> Status {
    Status::unavailable("this replica does not serve the tenant's queues: connect again")
}

#[tonic::async_trait]
impl Routing for Server {
    type QueueStream = Answers<v1::QueueOutcome>;

    async fn queue(
        &self,
        request: Request<Streaming<v1::QueueCommand>>,
    ) -> Result<Response<Self::QueueStream>, Status> {
        needs_scope(net::grpc::caller(&request)?, "routing")?;
        let tenant_loop = self.tenant_loop(&request)?;
        let (outcomes, answers) = mpsc::channel(OUTCOMES_MAX);
        let listener = Listener { outcomes, overflowed: CancellationToken::new() };
        let overflowed = listener.overflowed.clone();
        let ended = async move { overflowed.cancelled().await };
        let answers = ReceiverStream::new(answers).map(Ok).take_until(Box::pin(ended));
        let answers = self.stream(&request, answers)?;
        let mut commands = request.into_inner();
        tokio::spawn(async move {
            loop {
                // Commands end with the answers: their stream may have ended with the token or otherwise.
                let command = tokio::select! {
                    command = commands.next() => command,
                    () = listener.outcomes.closed() => return,
                };
                let Some(Ok(command)) = command else { return };
                let Some(command) = command.command else { continue };
                if tenant_loop.send(Ask::Command(command, Unheard::new(listener.clone()))).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(answers))
    }

    type PushAgentsStream = Answers<v1::AgentsTaken>;

    async fn push_agents(
        &self,
        request: Request<Streaming<v1::AgentsUpdate>>,
    ) -> Result<Response<Self::PushAgentsStream>, Status> {
        needs_role(net::grpc::caller(&request)?, "tenant")?;
        let tenant_loop = self.tenant_loop(&request)?;
        let tenant = net::grpc::tenant(&request)?;
        let (taken, answers) = mpsc::channel(TAKEN_MAX);
        let answers = self.stream(&request, ReceiverStream::new(answers))?;
        let mut updates = request.into_inner();
        tokio::spawn(async move {
            let mut parts = Parts::default();
            while let Some(Ok(part)) = updates.next().await {
                let update = match parts.take(part) {
                    Ok(Some(update)) => update,
                    Ok(None) => continue,
                    Err(refused) => {
                        tracing::error!(%tenant, %refused, "agents are refused: those who are new get no calls");
                        // The client may have disconnected.
                        return drop(taken.send(Err(refused)).await);
                    }
                };
                let (done, revision) = oneshot::channel();
                let sent = tenant_loop.send(Ask::Agents(update, done)).await;
                let answer = match (sent, revision.await) {
                    (Ok(()), Ok(revision)) => Ok(v1::AgentsTaken { revision }),
                    _ => Err(tenant_gone()),
                };
                if taken.send(answer).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(answers))
    }

    type PushCallsStream = Answers<v1::CallsTaken>;

    async fn push_calls(
        &self,
        request: Request<Streaming<v1::CallDetails>>,
    ) -> Result<Response<Self::PushCallsStream>, Status> {
        needs_role(net::grpc::caller(&request)?, "sip-cluster")?;
        let tenant_loop = self.tenant_loop(&request)?;
        let (taken, answers) = mpsc::channel(TAKEN_MAX);
        let answers = self.stream(&request, ReceiverStream::new(answers))?;
        let mut calls = request.into_inner();
        tokio::spawn(async move {
            let mut count = 0;
            while let Some(Ok(details)) = calls.next().await {
                count += 1;
                let sent = tenant_loop.send(Ask::Call(Box::new(details))).await;
                let answer = sent.map(|()| v1::CallsTaken { count }).map_err(|_| tenant_gone());
                if taken.send(answer).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(answers))
    }

    async fn explain(&self, request: Request<v1::ExplainRequest>) -> Result<Response<v1::ExplainResponse>, Status> {
        needs_scope(net::grpc::caller(&request)?, "routing:read")?;
        let tenant_loop = self.tenant_loop(&request)?;
        let call = named_call(request.into_inner().conn_id)?;
        let (reply, response) = oneshot::channel();
        tenant_loop.send(Ask::Explain(call, reply)).await.map_err(|_| tenant_gone())?;
        let explained = response.await.map_err(|_| tenant_gone())?;
        explained.map(Response::new).ok_or_else(|| Status::resource_exhausted("too many ask at once: ask again"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use infra::SystemClock;
    use runtime::token::{ServiceIssuer, TokenIssuer, TokenVerifier};
    use runtime::{ApiFamily, RoleSpec};

    use super::*;

    static TENANT: RoleSpec = RoleSpec { opens: &["voice-16"], ..RoleSpec::bare("tenant", 16) };
    static ORS: RoleSpec = RoleSpec { opens: &["voice-30"], ..RoleSpec::bare("ors", 12) };

    #[test]
    fn agents_and_calls_are_pushed_by_their_role_alone_whatever_scopes_others_have() {
        let clock = Arc::new(SystemClock::start());
        let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
        let [tenant, ors] = [&TENANT, &ORS].map(|spec| ServiceIssuer::of_new_key(spec, clock.clone()).unwrap());
        let verifier = TokenVerifier::of(&issuer, &[&tenant, &ors]);
        let verified = |token: String| verifier.verify(&token, "rq", &[ApiFamily::Voice]).unwrap();
        let role = |of: &ServiceIssuer| verified(of.token(&format!("{}-1", of.spec().name), "rq").unwrap());
        let hour = Duration::from_secs(3_600);
        let person = verified(issuer.issue(None, "tenant/tenant-1", "routing routing:read", hour).unwrap());
        assert!(needs_role(&role(&tenant), "tenant").is_ok());
        for other in [&person, &role(&ors)] {
            let refused = needs_role(other, "tenant").unwrap_err();
            assert_eq!(refused.code(), tonic::Code::PermissionDenied);
            assert!(refused.message().contains("the role tenant alone"), "{refused}");
        }
        assert!(needs_scope(&person, "routing").is_ok(), "a request for an agent is another matter");
    }

    #[test]
    fn a_question_names_its_call() {
        assert_eq!(named_call(7).unwrap(), ConnId(7));
        let refused = named_call(0).unwrap_err();
        assert_eq!((refused.code(), refused.message()), (tonic::Code::InvalidArgument, "conn_id: it names no call"));
    }
}
