//! Records of signing in. Redis alone measures how long they stay: they expire so long after the write as its client says.

use bytes::Bytes;
use futures::FutureExt as _;
use infra::sign_ins::accepted;
use infra::{Answer, Clock, Result, SignInKey, SignInKind, SignIns, bounds};
use model::{TenantId, Timestamp};
use redis::Value;

use crate::redis::connection::reply;
use crate::redis::scripts::Call;
use crate::redis::{RedisStores, tag};

/// How many bytes of a value tell it from others of its length.
const TOLD_BY: usize = 32;

impl RedisStores {
    fn about<'a>(&'a self, verb: &str, tenant: &TenantId, key: &SignInKey) -> Call<'a> {
        let mut call = Call::on(&self.scripts.sign_in, tenant);
        call.arg(verb).arg(key.kind.as_str()).arg(key.id.as_str());
        call
    }

    /// Whether the script has done it.
    async fn is_sign_in_done(&self, call: Call<'_>) -> Result<bool> {
        let answer = call.send(self).await?;
        let words = reply::list(&answer)?;
        match reply::text(words.first())?.as_str() {
            "done" => Ok(true),
            "held" | "other" => Ok(false),
            _ => Err(reply::refused(&reply::texts(&answer)?)),
        }
    }
}

/// Milliseconds until then, rounded up: what may be used once is not forgotten early. The write is checked too.
fn lasting(key: &SignInKey, owner: Option<&str>, value: &[u8], until: Timestamp, clock: &dyn Clock) -> Result<u64> {
    let lasting = until.since(clock.now());
    accepted(key, owner, value, lasting)?;
    Ok(u64::try_from(lasting.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX))
}

/// A row of the list of an owner; none for a kind of a later release.
fn row_of(row: &Value) -> Result<Option<(SignInKey, Bytes)>> {
    let words = reply::list(row)?;
    let name = reply::text(words.first())?;
    let Some((kind, id)) = name.split_once(':') else {
        return Err(reply::corrupt("a sign-in", "its name has no kind"));
    };
    let Some(kind) = SignInKind::named(kind) else { return Ok(None) };
    Ok(Some((SignInKey::new(kind, id), reply::bytes(words.get(1))?)))
}

impl SignIns for RedisStores {
    fn put<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a SignInKey,
        owner: Option<&'a str>,
        value: Bytes,
        until: Timestamp,
    ) -> Answer<'a, ()> {
        async move {
            let lasting = lasting(key, owner, &value, until, &*self.clock)?;
            let mut call = self.about("put", tenant, key);
            call.bytes(&value).arg(lasting).arg(bounds::SIGN_INS_MAX);
            call.arg(owner.unwrap_or_default()).arg(bounds::SIGN_INS_OWNED_MAX);
            self.is_sign_in_done(call).await.map(drop)
        }
        .boxed()
    }

    fn claim<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a SignInKey,
        value: Bytes,
        until: Timestamp,
    ) -> Answer<'a, bool> {
        async move {
            let lasting = lasting(key, None, &value, until, &*self.clock)?;
            let mut call = self.about("claim", tenant, key);
            call.bytes(&value).arg(lasting).arg(bounds::SIGN_INS_MAX);
            self.is_sign_in_done(call).await
        }
        .boxed()
    }

    fn read<'a>(&'a self, tenant: &'a TenantId, key: &'a SignInKey) -> Answer<'a, Option<Bytes>> {
        async move {
            let name = format!("auth:{}:{}:{}", tag(tenant), key.kind, key.id);
            match self.connections.command(redis::cmd("HGET").arg(name).arg("v")).await? {
                Value::Nil => Ok(None),
                value => reply::bytes(Some(&value)).map(Some),
            }
        }
        .boxed()
    }

    fn is_still<'a>(&'a self, tenant: &'a TenantId, key: &'a SignInKey, seen: &'a Bytes) -> Answer<'a, bool> {
        async move {
            let mut call = self.about("is", tenant, key);
            call.bytes(&seen.slice(..seen.len().min(TOLD_BY))).arg(seen.len());
            self.is_sign_in_done(call).await
        }
        .boxed()
    }

    fn replace<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a SignInKey,
        seen: &'a Bytes,
        value: Bytes,
        until: Timestamp,
    ) -> Answer<'a, bool> {
        async move {
            let lasting = lasting(key, None, &value, until, &*self.clock)?;
            let mut call = self.about("replace", tenant, key);
            call.bytes(seen).bytes(&value).arg(lasting);
            self.is_sign_in_done(call).await
        }
        .boxed()
    }

    fn remove<'a>(&'a self, tenant: &'a TenantId, key: &'a SignInKey) -> Answer<'a, ()> {
        async move { self.is_sign_in_done(self.about("remove", tenant, key)).await.map(drop) }.boxed()
    }

    fn owned<'a>(&'a self, tenant: &'a TenantId, owner: &'a str) -> Answer<'a, Vec<(SignInKey, Bytes)>> {
        async move {
            let mut call = Call::on(&self.scripts.sign_ins_owned, tenant);
            call.arg(owner).arg(bounds::SIGN_INS_OWNED_MAX);
            let answer = call.send(self).await?;
            let rows: Result<Vec<_>> = reply::list(&answer)?.iter().map(row_of).collect();
            Ok(rows?.into_iter().flatten().collect())
        }
        .boxed()
    }
}
