//! The open call threads: one owner per tenant.

use futures::FutureExt as _;
use infra::{Answer, Position, StoreError, ThreadBatch, ThreadClaim, ThreadLedger, ThreadPage, Written, bounds};
use model::{Owner, TenantId, Token};

use super::records::written;
use crate::redis::connection::reply::{self, position};
use crate::redis::scripts::{Call, PART_ROWS};
use crate::redis::{RedisStores, tag};

impl ThreadLedger for RedisStores {
    fn commit(&self, batch: ThreadBatch) -> Answer<'_, Written> {
        async move {
            if let Err(refusal) = batch.check() {
                return Ok(Written::Refused(refusal));
            }
            let mut call = Call::on(&self.scripts.threads_commit, &batch.tenant);
            call.arg(batch.owner.to_string()).arg(batch.token.0).arg(batch.threads.len());
            for (id, body) in &batch.threads {
                call.arg(id.to_string()).arg(u8::from(body.is_some())).bytes(&body.clone().unwrap_or_default());
            }
            call.arg(batch.consumed.as_ref().map_or("", |consumed| consumed.view));
            call.arg(batch.consumed.as_ref().map(|consumed| consumed.position.to_string()).unwrap_or_default());
            call.arg(bounds::CALLS_MAX).arg(batch.number);
            written(&call.send(self).await?)
        }
        .boxed()
    }

    fn claim<'a>(&'a self, by: &'a Owner, tenant: &'a TenantId, view: &'static str) -> Answer<'a, ThreadClaim> {
        async move {
            let mut call = Call::on(&self.scripts.threads_claim, tenant);
            let answer = call.arg(by.to_string()).arg(view).send(self).await?;
            let words = reply::list(&answer)?;
            let consumed = position(&reply::text(words.get(2))?)?.unwrap_or(Position::START);
            Ok(ThreadClaim { token: Token(reply::number(words.get(1))?), consumed })
        }
        .boxed()
    }

    fn list<'a>(&'a self, tenant: &'a TenantId, from: u64) -> Answer<'a, ThreadPage> {
        async move {
            let mut command = redis::cmd("HSCAN");
            command.arg(format!("threads:{}:open", tag(tenant))).arg(from).arg("COUNT").arg(PART_ROWS);
            let answer = self.connections.command(&command).await?;
            let words = reply::list(&answer)?;
            let next = Some(reply::number(words.first())?).filter(|next| *next != 0);
            let mut threads = Vec::new();
            for pair in reply::list(words.get(1).unwrap_or(&redis::Value::Nil))?.chunks(2) {
                match reply::text(pair.first())?.parse() {
                    Ok(id) => threads.push((id, reply::bytes(pair.get(1))?)),
                    Err(error) => tracing::error!(%tenant, %error, "a thread without an id is ignored"),
                }
            }
            Ok::<_, StoreError>(ThreadPage { threads, next })
        }
        .boxed()
    }
}
