//! gRPC 8000: why a call waits, for who looks after agents. rq knows it (voice-16); gws-voice asks for the people at desktops, who have no
//! way to rq.

use std::time::Duration;

use contracts::v1;
use contracts::v1::routing_client::RoutingClient;
use contracts::v1::waiting_calls_server::WaitingCalls;
use net::grpc::Channel;
use runtime::{RoleContext, scope};
use tonic::{Code, Request, Response, Status};

/// Port of rq.
const PORT: u16 = 12100;
/// Time for rq's answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// The gRPC service.
pub(super) struct WaitingExplainer {
    rq: RoutingClient<Channel>,
}

impl WaitingExplainer {
    /// Asks rq as the role tenant.
    ///
    /// # Errors
    /// If the connection is not in the table.
    pub fn new(ctx: &RoleContext) -> anyhow::Result<Self> {
        let channel = net::grpc::channel_answering_within(ctx, "voice-16", PORT, ANSWER_WITHIN)?;
        Ok(Self { rq: RoutingClient::new(channel) })
    }
}

#[tonic::async_trait]
impl WaitingCalls for WaitingExplainer {
    async fn explain(&self, request: Request<v1::ExplainRequest>) -> Result<Response<v1::ExplainResponse>, Status> {
        let may = net::grpc::caller(&request)?.needs_scope(scope::AGENTS_SUPERVISE);
        may.map_err(|problem| Status::permission_denied(problem.to_string()))?;
        let tenant = net::grpc::tenant(&request)?;
        let asked = net::grpc::for_tenant(Request::new(request.into_inner()), &tenant);
        self.rq.clone().explain(asked).await.map_err(|status| passed_on(&status))
    }
}

/// What rq says of the question goes back; whatever else is wrong there is none of the caller's doing.
fn passed_on(status: &Status) -> Status {
    match status.code() {
        Code::InvalidArgument | Code::ResourceExhausted => Status::new(status.code(), status.message()),
        _ => Status::unavailable("rq does not say it now"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_learns_what_is_wrong_with_the_question_and_nothing_of_how_rq_is_reached() {
        let wrong = passed_on(&Status::invalid_argument("conn_id: it names no call"));
        assert_eq!((wrong.code(), wrong.message()), (Code::InvalidArgument, "conn_id: it names no call"));
        for hidden in
            [Status::permission_denied("the role tenant"), Status::unauthenticated("k"), Status::internal("x")]
        {
            assert_eq!(passed_on(&hidden).code(), Code::Unavailable, "{hidden}");
        }
    }
}
