//! Records that a role itself writes into the reporting log. A bounded queue ensures that no request or phone waits for the log. A bounded
//! file ensures that neither an unavailable log nor a restart loses records.

mod buffer;
mod waiting_file;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use contracts::json::rfc3339;
use infra::LogRecord;
use model::{Owner, TenantId, Timestamp};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::RoleContext;
use serde::Serialize;
use serde_json::Value as Json;
use tokio::sync::mpsc;

use buffer::Buffer;

/// The most records waiting for the file; further ones are dropped and counted. Lasts for seconds in a very busy role while a disk hangs.
const WAITING_MAX: usize = 10_000;

runtime::metrics! {
    /// The metrics of a role's own reporting.
    #[derive(Clone)]
    pub(crate) struct Metrics {
        /// Records that the role has written into the reporting log.
        written: Counter = "reporting_records_written";
        /// Records dropped because the reporting log or the disk was unavailable for too long.
        dropped: Counter = "reporting_records_dropped";
        /// Records that the reporting log refuses for good: too long, or more than one line.
        refused: Counter = "reporting_records_refused";
        /// Writes that failed and were repeated.
        failures: Counter = "reporting_failures";
        /// Bytes of records in the file that wait for the reporting log.
        waiting: Gauge = "reporting_waiting_bytes";
    }
}

/// Takes a role's records. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reporter {
    records: mpsc::Sender<LogRecord>,
    owner: Owner,
    given: Arc<AtomicU64>,
    topic: &'static str,
    metrics: Metrics,
}

impl Reporter {
    /// Writes to a topic of the reporting log over the connection `id` until the role has ended.
    pub fn start(ctx: &RoleContext, id: &str, topic: &'static str) -> Self {
        debug_assert!(ctx.spec.opens.contains(&id), "{id} is not declared by {}", ctx.spec.name);
        debug_assert!(contracts::reporting::topic(topic).is_some(), "{topic} is not declared in contracts::reporting");
        let metrics = Metrics::register(&ctx.metrics);
        let (reporter, waiting) = Self::new(ctx.owner(), topic, metrics.clone());
        let buffer = Buffer {
            folder: ctx.data_dir.join("reporting-waiting").join(ctx.node.as_str()).join(topic),
            topic,
            log: ctx.stores.reporting.clone(),
            drain: ctx.drain.clone(),
            metrics,
        };
        ctx.spawn("reporting", async move {
            buffer.run(waiting).await;
            Ok(())
        });
        reporter
    }

    fn new(owner: Owner, topic: &'static str, metrics: Metrics) -> (Self, mpsc::Receiver<LogRecord>) {
        let (records, waiting) = mpsc::channel(WAITING_MAX);
        (Self { records, owner, given: Arc::default(), topic, metrics }, waiting)
    }

    /// A reporter whose records are never read, for tests of roles.
    #[cfg(test)]
    pub fn unread(topic: &'static str) -> Self {
        let owner = Owner { node: model::NodeId::parse("test-1").expect("a node's name"), epoch: model::Epoch(1) };
        Self::new(owner, topic, Metrics::register(&runtime::Metrics::default())).0
    }

    /// Reports an event as a CloudEvent. `key` is the call, phone or requester of the tenant that it concerns.
    pub fn report(&self, tenant: &TenantId, name: &str, key: &str, at: Timestamp, data: Json) {
        self.tell(&format!("/tenants/{tenant}"), format!("{tenant}:{key}"), name, key, at, data);
    }

    /// Reports an event at this node that belongs to no tenant.
    pub fn report_of_node(&self, name: &str, at: Timestamp, data: Json) {
        let node = self.owner.node.as_str();
        self.tell(&format!("/nodes/{node}"), node.to_owned(), name, node, at, data);
    }

    fn tell(&self, source: &str, key: String, name: &str, subject: &str, at: Timestamp, data: Json) {
        // A node numbers its records from 1 in each run (epoch), so no identity is used twice.
        let id = format!("{}:{}", self.owner, self.given.fetch_add(1, Relaxed) + 1);
        let event = CloudEvent {
            specversion: "1.0",
            id: &id,
            source,
            name,
            subject,
            time: rfc3339(at),
            datacontenttype: "application/json",
            data: &data,
        };
        // Serialising texts and a JSON tree cannot fail.
        let json = serde_json::to_string(&event).unwrap_or_default();
        self.give(LogRecord { topic: self.topic, key, id, json });
    }

    /// Takes a finished record of the topic.
    pub fn give(&self, record: LogRecord) {
        if self.records.try_send(record).is_err() {
            self.metrics.dropped.inc();
        }
    }
}

/// A record in the log's format.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    name: &'a str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    data: &'a Json,
}

#[cfg(test)]
mod tests;
