//! The service on 2060: streams that hold statistics open, and single values.

mod follower;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use contracts::v1;
use contracts::v1::statistics_server::Statistics;
use infra::Clock;
use model::TenantId;
use net::grpc::{Answers, Streams, until_token_expires};
use runtime::Caller;
use runtime::scope::CALLS_READ;
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use super::metrics::Metrics;
use super::shared::{CountedTenants, SharedCounts};
use crate::role::stored_tenants::StoredTenants;
use follower::Follower;

/// The most statistics that one message opens or asks for.
const ASKED_MAX: usize = 500;
/// The most references that one message closes: all that a stream may have open.
const CLOSED_MAX: usize = 2_000;
/// How long a request waits until all facts up to the present are counted.
const PRESENT_WITHIN: Duration = Duration::from_secs(5);

/// The gRPC service.
pub(in crate::role) struct StatisticServer {
    tenants: CountedTenants,
    stored: watch::Receiver<StoredTenants>,
    metrics: Metrics,
    streams: Streams,
    clock: Arc<dyn Clock>,
}

impl StatisticServer {
    pub(super) fn new(
        tenants: CountedTenants,
        stored: watch::Receiver<StoredTenants>,
        metrics: Metrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { tenants, stored, metrics, streams: Streams::default(), clock }
    }

    /// The tenant's statistics, once they have come as far as the present.
    async fn present(&self, tenant: &TenantId) -> Result<Arc<SharedCounts>, Status> {
        let not_yet = || Status::unavailable("the tenant's statistics are not counted up to now yet: try again");
        let Some(shared) = self.tenants.find(tenant) else {
            let stored = self.stored.borrow();
            // Who is listed begins to be counted at once.
            let is_unknown = stored.ids().is_some() && stored.point(tenant).is_none();
            return Err(if is_unknown { Status::not_found(format!("no tenant {tenant}")) } else { not_yet() });
        };
        let mut present = shared.present();
        let reaching = present.wait_for(|is_present| *is_present);
        let is_reached = tokio::time::timeout(PRESENT_WITHIN, reaching).await.is_ok_and(|reached| reached.is_ok());
        if is_reached { Ok(shared) } else { Err(not_yet()) }
    }
}

/// Refuses who may not see all calls and agents of the tenant.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn may_see(caller: &Caller) -> Result<(), Status> {
    caller.needs_scope(CALLS_READ).map_err(|problem| Status::permission_denied(problem.to_string()))
}

#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn expect_few(field: &str, count: usize, most: usize) -> Result<(), Status> {
    match count > most {
        true => Err(Status::invalid_argument(format!("{field}: there are more than {most}"))),
        false => Ok(()),
    }
}

#[tonic::async_trait]
impl Statistics for StatisticServer {
    type FollowStream = Answers<v1::FollowStatisticsResponse>;

    async fn follow(
        &self,
        request: Request<Streaming<v1::FollowStatisticsRequest>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let caller = net::grpc::caller(&request)?.clone();
        may_see(&caller)?;
        let tenant = net::grpc::tenant(&request)?;
        let permit = self.streams.open(Some(&tenant), caller.subject())?;
        let shared = self.present(&tenant).await?;
        let follower = Follower::new(shared, self.metrics.clone(), self.clock.clone());
        let answers = follower.answers(request.into_inner());
        Ok(Response::new(permit.with(until_token_expires(answers, &caller, self.clock.clone()))))
    }

    async fn peek(
        &self,
        request: Request<v1::PeekStatisticsRequest>,
    ) -> Result<Response<v1::PeekStatisticsResponse>, Status> {
        may_see(net::grpc::caller(&request)?)?;
        let tenant = net::grpc::tenant(&request)?;
        let asked = request.into_inner().statistics;
        expect_few("statistics", asked.len(), ASKED_MAX)?;
        let shared = self.present(&tenant).await?;
        let now = self.clock.now();
        let answer = shared.with(|counts| counts.peek(asked, now));
        self.metrics.told.inc_by(answer.values.len() as u64);
        self.metrics.refused.inc_by(answer.refused.len() as u64);
        Ok(Response::new(answer))
    }
}
