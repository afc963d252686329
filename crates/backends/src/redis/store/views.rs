//! Views of Pulse, in a Redis of its own (port 6380) where there is one.

use std::time::Duration;

use futures::FutureExt as _;
use infra::{Answer, KeptView, StoreError, ViewStore, bounds};
use model::{TenantId, Timestamp};

use crate::redis::connection::reply;
use crate::redis::scripts::Call;
use crate::redis::{RedisStores, tag};

fn key(tenant: &TenantId, view: &str) -> String {
    format!("view:{}:{view}", tag(tenant))
}

fn fits(kept: &KeptView) -> infra::Result<()> {
    if kept.state.len() > bounds::VIEW_MAX {
        return Err(StoreError::Full { what: "a view", bound: bounds::VIEW_MAX as u64 });
    }
    Ok(())
}

impl ViewStore for RedisStores {
    fn load<'a>(&'a self, tenant: &'a TenantId, view: &'a str) -> Answer<'a, Option<KeptView>> {
        async move {
            let command = redis::cmd("HMGET").arg(key(tenant, view)).arg(&["p", "s"]).to_owned();
            let answer = self.connections.command(&command).await?;
            let words = reply::list(&answer)?;
            if matches!(words.get(1), None | Some(redis::Value::Nil)) {
                return Ok(None);
            }
            Ok(Some(KeptView { position: reply::text(words.first())?, state: reply::bytes(words.get(1))? }))
        }
        .boxed()
    }

    fn keep<'a>(&'a self, tenant: &'a TenantId, view: &'a str, kept: KeptView) -> Answer<'a, ()> {
        async move {
            fits(&kept)?;
            // One command, so position and state change together.
            let mut command = redis::cmd("HSET");
            command.arg(key(tenant, view)).arg("p").arg(kept.position).arg("s").arg(&kept.state[..]);
            self.connections.command(&command).await.map(drop)
        }
        .boxed()
    }

    fn keep_for<'a>(&'a self, tenant: &'a TenantId, view: &'a str, kept: KeptView, within: Duration) -> Answer<'a, ()> {
        async move {
            fits(&kept)?;
            let mut call = Call::on(&self.scripts.keep_view, tenant);
            call.arg(view).arg(kept.position.as_str()).bytes(&kept.state);
            // Redis takes none that ends at once.
            let kept_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX).max(1);
            call.arg(kept_ms).send(self).await.map(drop)
        }
        .boxed()
    }

    fn remove<'a>(&'a self, tenant: &'a TenantId, view: &'a str) -> Answer<'a, ()> {
        async move {
            let command = redis::cmd("UNLINK").arg(key(tenant, view)).to_owned();
            self.connections.command(&command).await.map(drop)
        }
        .boxed()
    }

    fn replace<'a>(
        &'a self,
        tenant: &'a TenantId,
        view: &'a str,
        seen: Option<&'a str>,
        kept: KeptView,
    ) -> Answer<'a, bool> {
        async move {
            fits(&kept)?;
            let mut call = Call::on(&self.scripts.replace_view, tenant);
            call.arg(view).arg(u8::from(seen.is_some())).arg(seen.unwrap_or_default()).arg(kept.position.as_str());
            let answer = call.bytes(&kept.state).send(self).await?;
            Ok(reply::text(reply::list(&answer)?.first())? == "done")
        }
        .boxed()
    }

    fn time<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Timestamp> {
        async move {
            let answer = Call::on(&self.scripts.store_time, tenant).send(self).await?;
            Ok(Timestamp::from_micros(reply::number(reply::list(&answer)?.first())?))
        }
        .boxed()
    }
}
