//! Records that a role itself writes into the reporting log: from behind a bounded queue, so that no request or phone waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use contracts::json::rfc3339;
use infra::{LogRecord, ReportingLog};
use model::{Owner, TenantId, Timestamp};
use prometheus_client::metrics::counter::Counter;
use runtime::{Drain, RoleContext};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

/// Records that wait while the log is away; beyond it they are dropped and counted. A minute of a very busy role, about 20 MB.
const WAITING_MAX: usize = 30_000;
/// Records of one write.
const BATCH: usize = 500;
/// Pause before a write that failed is repeated.
const PAUSE: Duration = Duration::from_millis(500);

runtime::metrics! {
    /// What a role's own reporting counts.
    #[derive(Clone)]
    pub(crate) struct Metrics {
        /// Records that the role has written into the reporting log.
        written: Counter = "reporting_records_written";
        /// Records dropped because the reporting log was away for too long.
        dropped: Counter = "reporting_records_dropped";
        /// Writes that failed and were repeated.
        failures: Counter = "reporting_failures";
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
    /// Writes to the reporting log over the connection `id` until the role has ended.
    pub fn start(ctx: &RoleContext, id: &str, topic: &'static str) -> Self {
        ctx.meter(id).embedded();
        let metrics = Metrics::register(&ctx.metrics);
        let (reporter, waiting) = Self::new(ctx.owner(), topic, metrics.clone());
        let (log, drain) = (ctx.stores.reporting.clone(), ctx.drain.clone());
        ctx.spawn("reporting", async move {
            write(waiting, log, drain, metrics).await;
            Ok(())
        });
        reporter
    }

    fn new(owner: Owner, topic: &'static str, metrics: Metrics) -> (Self, mpsc::Receiver<LogRecord>) {
        let (records, waiting) = mpsc::channel(WAITING_MAX);
        (Self { records, owner, given: Arc::default(), topic, metrics }, waiting)
    }

    /// Reports that something happened, as a CloudEvent. `key` is the tenant's call, phone or requester that it is about.
    pub fn report(&self, tenant: &TenantId, name: &str, key: &str, at: Timestamp, data: Json) {
        // A node counts its records from 1 in each of its lives, so an identity is never given twice.
        let id = format!("{}:{}", self.owner, self.given.fetch_add(1, Relaxed) + 1);
        let event = json!({
            "specversion": "1.0",
            "id": id,
            "source": format!("/tenants/{tenant}"),
            "type": name,
            "subject": key,
            "time": rfc3339(at),
            "datacontenttype": "application/json",
            "data": data,
        });
        let record = LogRecord { topic: self.topic, key: format!("{tenant}:{key}"), id, json: event.to_string() };
        if self.records.try_send(record).is_err() {
            self.metrics.dropped.inc();
        }
    }
}

async fn write(mut waiting: mpsc::Receiver<LogRecord>, log: Arc<dyn ReportingLog>, drain: Drain, metrics: Metrics) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let taken = tokio::select! {
            taken = waiting.recv_many(&mut batch, BATCH) => taken,
            () = drain.ended() => {
                // What came before the end still goes out, if the log takes it.
                while let Ok(record) = waiting.try_recv() {
                    batch.push(record);
                }
                if !batch.is_empty() && log.append(batch).await.is_err() {
                    metrics.failures.inc();
                }
                return;
            }
        };
        if taken == 0 {
            return;
        }
        while let Err(error) = log.append(batch.clone()).await {
            metrics.failures.inc();
            tracing::warn!(%error, records = batch.len(), "the reporting log takes no records: trying again");
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = drain.ended() => return,
            }
        }
        metrics.written.inc_by(batch.len() as u64);
        batch.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use infra::{Answer, StoreError};
    use model::{Epoch, NodeId};

    use super::*;

    /// A log that refuses so many writes, then takes all.
    struct Reluctant {
        refuses: Mutex<u32>,
        taken: Mutex<Vec<LogRecord>>,
    }

    impl ReportingLog for Reluctant {
        fn append(&self, records: Vec<LogRecord>) -> Answer<'_, ()> {
            Box::pin(async move {
                let mut refuses = self.refuses.lock().unwrap();
                if *refuses > 0 {
                    *refuses -= 1;
                    return Err(StoreError::Unavailable { reason: "away".to_owned() });
                }
                self.taken.lock().unwrap().extend(records);
                Ok(())
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_log_refuses_is_written_later_in_order_and_once() {
        let owner = Owner { node: NodeId::parse("frontend-1").unwrap(), epoch: Epoch(7) };
        let metrics = Metrics::register(&runtime::Metrics::default());
        let (reporter, waiting) = Reporter::new(owner, "voice-requests", metrics.clone());
        let log = Arc::new(Reluctant { refuses: Mutex::new(3), taken: Mutex::default() });
        let (tenant, at) = (TenantId::parse("acme").unwrap(), Timestamp::from_millis(5));
        for name in ["A", "B", "C"] {
            reporter.report(&tenant, name, "call:1", at, json!({ "n": name }));
        }
        drop(reporter);
        write(waiting, log.clone(), Drain::new(Duration::ZERO), metrics.clone()).await;
        let taken = log.taken.lock().unwrap();
        let ids: Vec<&str> = taken.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(ids, ["frontend-1.7:1", "frontend-1.7:2", "frontend-1.7:3"]);
        let first: Json = serde_json::from_str(&taken[0].json).unwrap();
        assert_eq!(
            (&first["type"], &first["data"]["n"], taken[0].key.as_str()),
            (&"A".into(), &"A".into(), "acme:call:1")
        );
        assert_eq!((metrics.written.get(), metrics.failures.get(), metrics.dropped.get()), (3, 3, 0));
    }

    #[tokio::test]
    async fn beyond_the_bound_records_are_dropped_and_counted() {
        let owner = Owner { node: NodeId::parse("frontend-1").unwrap(), epoch: Epoch(7) };
        let metrics = Metrics::register(&runtime::Metrics::default());
        let (reporter, _waiting) = Reporter::new(owner, "voice-requests", metrics.clone());
        for _ in 0..WAITING_MAX + 2 {
            reporter.report(&TenantId::parse("acme").unwrap(), "A", "x", Timestamp::from_millis(5), Json::Null);
        }
        assert_eq!(metrics.dropped.get(), 2);
    }
}
