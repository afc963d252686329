//! The streams of requests, one for each recipient.

use std::time::Duration;

use futures::FutureExt as _;
use infra::{Answer, Matter, Position, Posted, PostedEntry, Recipient, RequestStream, Result, bounds, wire};
use model::{CallUuid, Owner, TenantId, Timestamp};

use super::work::Taken;
use crate::redis::RedisStores;
use crate::redis::connection::reply::{self, position, refused};
use crate::redis::scripts::Call;

/// A recipient's requests are deleted when nothing was posted for this long: a failed node has left a stream behind.
const REQUESTS_KEPT: Duration = Duration::from_secs(3_600);

fn stream_of(to: &Recipient) -> String {
    match to {
        Recipient::AgentState => "req:agent-state".to_owned(),
        Recipient::Routing => "req:rq".to_owned(),
        Recipient::Owner(owner) => format!("req:{owner}"),
    }
}

impl RequestStream for RedisStores {
    fn post<'a>(
        &'a self,
        tenant: &'a TenantId,
        to: &'a Recipient,
        trace: Option<CallUuid>,
        posted: Posted,
    ) -> Answer<'a, Position> {
        async move {
            let mut call = Call::on(&self.scripts.post, tenant);
            call.about(Matter::Work).arg(stream_of(to)).bytes(&wire::posted_to_wire(self.clock.now(), trace, &posted));
            call.arg(bounds::REQUESTS_MAX).arg(REQUESTS_KEPT.as_millis().to_string());
            let words = reply::texts(&call.send(self).await?)?;
            match words.first().map(String::as_str) {
                Some("done") => position(words.get(1).map_or("", String::as_str))?
                    .ok_or_else(|| reply::corrupt("a position", "it is empty")),
                _ => Err(refused(&words)),
            }
        }
        .boxed()
    }

    fn take<'a>(
        &'a self,
        tenant: &'a TenantId,
        to: &'a Recipient,
        by: &'a Owner,
        max: usize,
        wait: Duration,
    ) -> Answer<'a, Vec<PostedEntry>> {
        async move {
            let taken = self.take_work(tenant, &stream_of(to), by, max, wait).await?;
            self.readable(tenant, &stream_of(to), taken, |taken| posted(taken, self.clock.now())).await
        }
        .boxed()
    }

    fn ack<'a>(&'a self, tenant: &'a TenantId, to: &'a Recipient, positions: &'a [Position]) -> Answer<'a, ()> {
        async move { self.ack_work(tenant, &stream_of(to), positions).await }.boxed()
    }

    fn hand_back(&self, tenant: &TenantId, to: &Recipient, by: &Owner) {
        self.forget_given(tenant, &stream_of(to), by);
    }

    fn reclaim<'a>(
        &'a self,
        tenant: &'a TenantId,
        to: &'a Recipient,
        by: &'a Owner,
        idle: Duration,
        max: usize,
    ) -> Answer<'a, Vec<PostedEntry>> {
        async move {
            let taken = self.take_held(tenant, &stream_of(to), by, idle, max).await?;
            self.readable(tenant, &stream_of(to), taken, |taken| posted(taken, self.clock.now())).await
        }
        .boxed()
    }
}

/// Whoever posted it has a clock of its own: how old it is says the clock of Redis.
fn posted(taken: Taken, now: Timestamp) -> Result<PostedEntry> {
    let entry = wire::posted_from_wire(taken.position, taken.body)?;
    Ok(PostedEntry { at: now - taken.age, ..entry })
}
