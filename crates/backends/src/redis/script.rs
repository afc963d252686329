//! The scripts, and how one is called.

use bytes::Bytes;
use infra::{Matter, Result};
use model::TenantId;
use redis::{RedisWrite, Script, ScriptInvocation, ToRedisArgs, Value};

use super::RedisStores;
use super::link::Sent;

/// Rows and bytes of one script, which blocks all other clients of Redis: some milliseconds.
pub(super) const PART_ROWS: usize = 200;

const SHARED: &str = include_str!("scripts/shared.lua");
const RECORDS: &str = include_str!("scripts/records.lua");

/// All scripts; Redis keeps them by their digests.
pub(super) struct Scripts {
    pub(super) commit: Script,
    pub(super) aside: Script,
    pub(super) claim: Script,
    pub(super) load: Script,
    pub(super) lookup: Script,
    pub(super) queues_commit: Script,
    pub(super) queues_claim: Script,
    pub(super) read_events: Script,
    pub(super) tell_log: Script,
    pub(super) take_work: Script,
    pub(super) reclaim_work: Script,
    pub(super) post: Script,
    pub(super) register: Script,
    pub(super) publish: Script,
    pub(super) read_configuration: Script,
    pub(super) leases: Script,
    pub(super) outbox: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let plain = |text: &str| Script::new(&[SHARED, text].concat());
        let records = |text: &str| Script::new(&[SHARED, RECORDS, text].concat());
        Self {
            commit: records(include_str!("scripts/commit.lua")),
            aside: records(include_str!("scripts/aside.lua")),
            claim: records(include_str!("scripts/claim.lua")),
            load: records(include_str!("scripts/load.lua")),
            lookup: records(include_str!("scripts/lookup.lua")),
            queues_commit: plain(include_str!("scripts/queues_commit.lua")),
            queues_claim: plain(include_str!("scripts/queues_claim.lua")),
            read_events: plain(include_str!("scripts/read_events.lua")),
            tell_log: plain(include_str!("scripts/tell_log.lua")),
            take_work: plain(include_str!("scripts/take_work.lua")),
            reclaim_work: plain(include_str!("scripts/reclaim_work.lua")),
            post: plain(include_str!("scripts/post.lua")),
            register: plain(include_str!("scripts/register.lua")),
            publish: plain(include_str!("scripts/publish.lua")),
            read_configuration: plain(include_str!("scripts/read_configuration.lua")),
            leases: plain(include_str!("scripts/leases.lua")),
            outbox: plain(include_str!("scripts/outbox.lua")),
        }
    }
}

/// A call of a script on a tenant's keys: the tag comes first, then the script's arguments in order.
pub(super) struct Call<'a> {
    invocation: ScriptInvocation<'a>,
    about: Matter,
    sent: Sent,
}

impl<'a> Call<'a> {
    pub(super) fn on(script: &'a Script, tenant: &TenantId) -> Self {
        Self::tagged(script, &super::tag(tenant))
    }

    pub(super) fn tagged(script: &'a Script, tag: &str) -> Self {
        let mut invocation = script.prepare_invoke();
        invocation.key(format!("ev:{tag}"));
        let mut call = Self { invocation, about: Matter::Records, sent: Sent::default() };
        call.arg(tag);
        call
    }

    /// The subject of the arguments that follow.
    pub(super) fn about(&mut self, about: Matter) -> &mut Self {
        self.about = about;
        self
    }

    pub(super) fn arg(&mut self, arg: impl ToRedisArgs) -> &mut Self {
        let mut size = Size(0);
        arg.write_redis_args(&mut size);
        self.sent.add(self.about, size.0);
        self.invocation.arg(arg);
        self
    }

    pub(super) fn bytes(&mut self, bytes: &Bytes) -> &mut Self {
        self.sent.add(self.about, bytes.len());
        self.invocation.arg(&bytes[..]);
        self
    }

    /// The number of items, then each.
    pub(super) fn list<T: ToRedisArgs>(&mut self, items: impl ExactSizeIterator<Item = T>) -> &mut Self {
        self.arg(items.len());
        for item in items {
            self.arg(item);
        }
        self
    }

    pub(super) async fn send(&self, stores: &RedisStores) -> Result<Value> {
        let mut held = stores.link.connection().await?;
        let answer = self.invocation.invoke_async(&mut held.wire).await;
        stores.link.settled(&held, self.sent, answer)
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
