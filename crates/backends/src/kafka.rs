//! Kafka: the reporting log of an installation with real servers.
//!
//! A record is a message in the structured mode of CloudEvents. A producer is idempotent, waits for all in-sync replicas and never
//! drops a message by itself; the deadline is that of [`ReportingLog::append`]. A failed producer is discarded with all its messages. The
//! log thus always has a prefix of what was appended for a key, maybe repeated, never with a gap. The appending role repeats the rest.

mod client_reports;
mod delivery;
mod producer;
mod topics;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use infra::{Answer, Client, Line, LogRecord, Matter, Refused, ReportingLog, Result, StoreError, sort_out};
use rdkafka::ClientConfig;

use client_reports::{ClientReports, Context};
use producer::Producer;

/// How long an append may take: the failed leader of a partition has a successor long before.
const DELIVERED_WITHIN: Duration = Duration::from_secs(15);
/// How long a query about the cluster may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Settings of a producer, except for the brokers and its name.
const SETTINGS: [(&str, &str); 17] = [
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("max.in.flight.requests.per.connection", "5"),
    // Never by itself: a message dropped in the middle of others would leave a gap.
    ("message.timeout.ms", "0"),
    ("queue.buffering.max.messages", "50000"),
    ("queue.buffering.max.kbytes", "65536"),
    ("linger.ms", "5"),
    ("compression.type", "lz4"),
    // As Kafka's own clients compute it, so that all writers put a key into the same partition.
    ("partitioner", "murmur2_random"),
    ("request.timeout.ms", "10000"),
    ("socket.timeout.ms", "10000"),
    ("socket.connection.setup.timeout.ms", "3000"),
    ("socket.keepalive.enable", "true"),
    ("reconnect.backoff.ms", "100"),
    ("reconnect.backoff.max.ms", "2000"),
    ("log.connection.close", "false"),
    ("statistics.interval.ms", "1000"),
];

/// Address of Kafka, and how topics are created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSettings {
    /// Brokers from which the others are learned, as `127.0.255.1:9092`; several are separated by commas.
    pub brokers: String,
    /// Number of partitions of a new topic; none leaves it to the broker (`num.partitions`).
    pub partitions: Option<u16>,
}

/// The reporting log of one role in Kafka.
///
/// Each role has one of its own: brokers show the client's name as `client.id` in their logs, quotas and metrics. It connects
/// at the first append, so a role that reports nothing costs nothing:
///
/// ```text
/// let settings = KafkaSettings { brokers, partitions: None };
/// let reporting: Arc<dyn ReportingLog> = Arc::new(KafkaLog::open(&settings, client)?);
/// reporting.append(records).await?;
/// ```
///
/// Used within a Tokio runtime.
pub struct KafkaLog {
    config: ClientConfig,
    partitions: Option<u16>,
    told: Arc<ClientReports>,
    live: Mutex<Option<Arc<Live>>>,
}

/// A producer and the topics that it has seen to exist.
struct Live {
    producer: Producer,
    topics: tokio::sync::Mutex<BTreeSet<&'static str>>,
}

impl KafkaLog {
    /// Prepares the log; connects when the first record is appended.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when no broker is named.
    pub fn open(settings: &KafkaSettings, client: Client) -> Result<Self> {
        let brokers = settings.brokers.trim();
        if brokers.is_empty() || brokers.split(',').any(|broker| broker.trim().is_empty()) {
            return Err(StoreError::Invalid(format!("Kafka's brokers: {brokers:?}")));
        }
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("client.id", &client.name);
        for (key, value) in SETTINGS {
            config.set(key, value);
        }
        let told = Arc::new(ClientReports::new(client.watch));
        Ok(Self { config, partitions: settings.partitions, told, live: Mutex::new(None) })
    }

    /// Checks whether a broker answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with the reason if none answers within 5 s.
    pub async fn ping(&self) -> Result<()> {
        let live = self.live()?;
        let asked = live.clone();
        // The client has no query that does not block its thread.
        let ask = move || asked.producer.ask_broker(ANSWER_WITHIN);
        match tokio::task::spawn_blocking(ask).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.away(&error.to_string())),
            Err(error) => Err(self.away(&error.to_string())),
        }
    }

    /// The producer, made at the first use and after a failure.
    fn live(&self) -> Result<Arc<Live>> {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = &*live {
            return Ok(live.clone());
        }
        let made = Producer::start(&self.config, Context::new(self.told.clone()));
        let producer = made.map_err(|error| StoreError::Invalid(format!("Kafka's client: {error}")))?;
        let fresh = Arc::new(Live { producer, topics: tokio::sync::Mutex::default() });
        *live = Some(fresh.clone());
        Ok(fresh)
    }

    /// Discards a producer with all its messages; the appends that wait for it are notified.
    fn discard(&self, failed: &Arc<Live>) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.as_ref().is_some_and(|live| Arc::ptr_eq(live, failed)) {
            *live = None;
            failed.producer.purge();
            self.told.producer_closed();
        }
    }

    async fn write(&self, live: &Live, records: &[LogRecord]) -> std::result::Result<Vec<Refused>, String> {
        topics::ensure(&self.config, self.partitions, live, records).await?;
        delivery::deliver(&live.producer, records).await
    }

    fn away(&self, reason: &str) -> StoreError {
        let brokers = self.config.get("bootstrap.servers").unwrap_or_default();
        let last = self.told.last_reason().map(|last| format!(" ({last})")).unwrap_or_default();
        StoreError::Unavailable { reason: format!("Kafka at {brokers}: {reason}{last}") }
    }
}

impl ReportingLog for KafkaLog {
    fn append(&self, records: Vec<LogRecord>) -> Answer<'_, Vec<Refused>> {
        async move {
            let (records, mut refused) = sort_out(records);
            if records.is_empty() {
                return Ok(refused);
            }
            let live = self.live()?;
            let written = tokio::time::timeout(DELIVERED_WITHIN, self.write(&live, &records)).await;
            let reason = match written {
                Ok(Ok(late)) => {
                    let bytes = records.iter().map(|record| record.key.len() + record.json.len()).sum();
                    self.told.watch().exchanged(Matter::Facts, bytes, 0);
                    refused.extend(late);
                    return Ok(refused);
                }
                Ok(Err(reason)) => reason,
                Err(_) => format!("{} records were not taken within {} s", records.len(), DELIVERED_WITHIN.as_secs()),
            };
            self.told.watch().failed(Line::Commands);
            let error = self.away(&reason);
            self.discard(&live);
            Err(error)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(brokers: &str) -> Result<KafkaLog> {
        let settings = KafkaSettings { brokers: brokers.to_owned(), partitions: None };
        KafkaLog::open(&settings, Client::unwatched("trunkline/test"))
    }

    #[test]
    fn brokers_must_be_named() {
        assert!(open("127.0.255.1:9092, 127.0.255.2:9092").is_ok());
        for brokers in ["", " ", "127.0.255.1:9092,", ",127.0.255.1:9092"] {
            assert!(matches!(open(brokers), Err(StoreError::Invalid(_))), "{brokers:?}");
        }
    }

    #[tokio::test]
    async fn the_client_takes_every_setting() {
        let log = open("127.253.254.253:9").unwrap();
        assert!(log.live().is_ok());
    }
}
