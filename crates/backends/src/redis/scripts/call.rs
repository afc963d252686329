//! A call of a script.

use bytes::Bytes;
use infra::{Matter, Result};
use model::TenantId;
use redis::{RedisWrite, Script, ScriptInvocation, ToRedisArgs, Value};

use crate::redis::connection::SentBytes;
use crate::redis::{RedisStores, tag};

/// A call of a script on a tenant's keys: the tag comes first, then the script's arguments in order.
pub(in crate::redis) struct Call<'a> {
    invocation: ScriptInvocation<'a>,
    about: Matter,
    sent: SentBytes,
}

impl<'a> Call<'a> {
    pub(in crate::redis) fn on(script: &'a Script, tenant: &TenantId) -> Self {
        Self::tagged(script, &tag(tenant))
    }

    pub(in crate::redis) fn tagged(script: &'a Script, tag: &str) -> Self {
        let mut invocation = script.prepare_invoke();
        invocation.key(format!("ev:{tag}"));
        let mut call = Self { invocation, about: Matter::Records, sent: SentBytes::default() };
        call.arg(tag);
        call
    }

    /// The subject of the arguments that follow.
    pub(in crate::redis) fn about(&mut self, about: Matter) -> &mut Self {
        self.about = about;
        self
    }

    pub(in crate::redis) fn arg(&mut self, arg: impl ToRedisArgs) -> &mut Self {
        let mut size = Size(0);
        arg.write_redis_args(&mut size);
        self.sent.add(self.about, size.0);
        self.invocation.arg(arg);
        self
    }

    pub(in crate::redis) fn bytes(&mut self, bytes: &Bytes) -> &mut Self {
        self.sent.add(self.about, bytes.len());
        self.invocation.arg(&bytes[..]);
        self
    }

    /// The number of items, then each.
    pub(in crate::redis) fn list<T: ToRedisArgs>(&mut self, items: impl ExactSizeIterator<Item = T>) -> &mut Self {
        self.arg(items.len());
        for item in items {
            self.arg(item);
        }
        self
    }

    pub(in crate::redis) async fn send(&self, stores: &RedisStores) -> Result<Value> {
        let mut held = stores.connections.connection().await?;
        let answer = self.invocation.invoke_async(&mut held.connection).await;
        stores.connections.settled(&held, self.sent, answer)
    }
}

/// Counts the bytes of arguments.
struct Size(usize);

impl RedisWrite for Size {
    fn write_arg(&mut self, arg: &[u8]) {
        self.0 += arg.len();
    }

    fn writer_for_next_arg(&mut self) -> impl std::io::Write + '_ {
        Counting(&mut self.0)
    }
}

struct Counting<'a>(&'a mut usize);

impl std::io::Write for Counting<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        *self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
