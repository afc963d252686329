//! Reads the reporting log from Kafka by a consumer without a group, which commits nothing.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use super::{Log, TOPICS};

/// Timeout of a query to Kafka.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often missing partitions are searched.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Maximum of messages of one reading, so that other work gets its turn.
const MESSAGES_MAX: usize = 20_000;
/// Maximum time of one reading.
const READING: Duration = Duration::from_millis(200);

/// The topics from a time on.
pub struct Topics {
    consumer: BaseConsumer,
    /// The next offset of each partition.
    next: HashMap<(&'static str, i32), i64>,
    looked_at: Instant,
    pub log: Log,
}

impl Topics {
    /// Reads from now on: existing records are skipped.
    pub fn from_now(brokers: &str) -> Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("client.id", "trunkline-reconcile")
            // A consumer must have a group; it neither joins nor commits.
            .set("group.id", "trunkline-reconcile")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .create()
            .context("Kafka's client")?;
        let mut topics = Self { consumer, next: HashMap::new(), looked_at: Instant::now(), log: Log::default() };
        for (topic, partition) in topics.partitions().with_context(|| format!("Kafka at {brokers}"))? {
            let (_, end) = topics.consumer.fetch_watermarks(topic, partition, ANSWER_WITHIN)?;
            topics.next.insert((topic, partition), end);
        }
        topics.assign()?;
        Ok(topics)
    }

    /// The existing partitions; a topic without records may not exist yet.
    fn partitions(&self) -> Result<Vec<(&'static str, i32)>> {
        let metadata = self.consumer.fetch_metadata(None, ANSWER_WITHIN)?;
        let known = metadata.topics().iter().filter_map(|topic| {
            let name = TOPICS.into_iter().find(|name| *name == topic.name())?;
            Some(topic.partitions().iter().map(move |partition| (name, partition.id())))
        });
        Ok(known.flatten().collect())
    }

    fn assign(&self) -> Result<()> {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), next) in &self.next {
            list.add_partition_offset(topic, *partition, Offset::Offset(*next))?;
        }
        Ok(self.consumer.assign(&list)?)
    }

    /// Reads the records received since.
    pub fn read_on(&mut self) -> Result<()> {
        if TOPICS.iter().any(|topic| !self.next.keys().any(|(known, _)| known == topic))
            && self.looked_at.elapsed() >= LOOK_EVERY
        {
            self.look_again()?;
        }
        let begun = Instant::now();
        for _ in 0..MESSAGES_MAX {
            match self.consumer.poll(READING / 4) {
                Some(Ok(message)) => {
                    let topic = TOPICS.into_iter().find(|topic| *topic == message.topic());
                    if let Some(next) = topic.and_then(|topic| self.next.get_mut(&(topic, message.partition()))) {
                        *next = message.offset() + 1;
                    }
                    self.log.take(message.payload().unwrap_or_default());
                }
                // The client reconnects by itself; missing records at the end are a disagreement.
                Some(Err(KafkaError::MessageConsumption(code) | KafkaError::Global(code))) => {
                    eprintln!("trunkline-reconcile: Kafka: {code}");
                    break;
                }
                Some(Err(error)) => return Err(error.into()),
                None => break,
            }
            if begun.elapsed() >= READING {
                break;
            }
        }
        Ok(())
    }

    /// A topic that was created since is read from its beginning.
    fn look_again(&mut self) -> Result<()> {
        self.looked_at = Instant::now();
        let before = self.next.len();
        for place in self.partitions()? {
            self.next.entry(place).or_insert(0);
        }
        if self.next.len() > before { self.assign() } else { Ok(()) }
    }
}
