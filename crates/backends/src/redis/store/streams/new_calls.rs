//! The stream of new calls.

use std::time::Duration;

use futures::FutureExt as _;
use infra::{Answer, NewCalls, Position, Result, TakenCall, wire};
use model::{Owner, TenantId};

use super::work::Taken;
use crate::redis::RedisStores;

/// The name of the stream of new calls.
const NEW_CALLS: &str = "newcalls";

impl NewCalls for RedisStores {
    fn take<'a>(
        &'a self,
        tenant: &'a TenantId,
        by: &'a Owner,
        max: usize,
        wait: Duration,
    ) -> Answer<'a, Vec<TakenCall>> {
        async move {
            let taken = self.take_work(tenant, NEW_CALLS, by, max, wait).await?;
            self.readable(tenant, NEW_CALLS, taken, taken_call).await
        }
        .boxed()
    }

    fn ack<'a>(&'a self, tenant: &'a TenantId, positions: &'a [Position]) -> Answer<'a, ()> {
        self.ack_work(tenant, NEW_CALLS, positions).boxed()
    }

    fn reclaim<'a>(
        &'a self,
        tenant: &'a TenantId,
        by: &'a Owner,
        idle: Duration,
        max: usize,
    ) -> Answer<'a, Vec<TakenCall>> {
        async move {
            let taken = self.take_held(tenant, NEW_CALLS, by, idle, max).await?;
            self.readable(tenant, NEW_CALLS, taken, taken_call).await
        }
        .boxed()
    }
}

fn taken_call(taken: Taken) -> Result<TakenCall> {
    let call = wire::new_call_from_wire(taken.position, taken.body)?;
    Ok(TakenCall { position: taken.position, deliveries: taken.deliveries, call })
}
