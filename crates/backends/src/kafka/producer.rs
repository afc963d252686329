//! A producer and the thread that serves its events.
//!
//! The library's own `FutureProducer` polls ten times a second, and each of its polls spins for up to a millisecond before it ends, which
//! takes an idle role more than 1 % of a processor.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::channel::oneshot;
use infra::LogRecord;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext, PurgeConfig};

use super::client_reports::Context;

/// A message that is one CloudEvent in JSON: the structured mode of the Kafka binding.
const CONTENT_TYPE: Header<'static, &'static str> =
    Header { key: "content-type", value: Some("application/cloudevents+json; charset=UTF-8") };
/// How long a poll lasts. Events are served as they come, and do not end it. A producer outlives its owner by so much at most.
const POLL: Duration = Duration::from_secs(2);

/// The result of a record, once the broker has taken it or never will.
pub(super) type Delivery = oneshot::Receiver<Result<(), KafkaError>>;

/// See the module.
pub(super) struct Producer(Arc<BaseProducer<Context>>);

impl Producer {
    /// Makes a producer, and starts its thread.
    ///
    /// # Errors
    /// When the library does not take the configuration, or there is no thread to be had.
    pub fn start(config: &ClientConfig, context: Context) -> Result<Self, String> {
        let producer: Arc<BaseProducer<Context>> =
            Arc::new(config.create_with_context(context).map_err(|error| error.to_string())?);
        let polled = Arc::downgrade(&producer);
        let thread = std::thread::Builder::new().name("kafka-producer".to_owned());
        thread.spawn(move || poll(&polled)).map_err(|error| error.to_string())?;
        Ok(Self(producer))
    }

    /// Hands a record over.
    ///
    /// # Errors
    /// When the producer does not take it.
    pub fn send(&self, record: &LogRecord) -> KafkaResult<Delivery> {
        let headers = OwnedHeaders::new_with_capacity(1).insert(CONTENT_TYPE);
        let (delivered, delivery) = oneshot::channel();
        let message = BaseRecord::with_opaque_to(record.topic, Box::new(delivered));
        let message = message.key(&record.key).payload(&record.json).headers(headers);
        self.0.send(message).map_err(|(error, _)| error)?;
        Ok(delivery)
    }

    /// Gives up every message that is not delivered; whoever waits for one is told.
    pub fn purge(&self) {
        self.0.purge(PurgeConfig::default().queue().inflight());
    }

    /// Asks a broker about the cluster; blocks until it answers.
    ///
    /// # Errors
    /// When none answers within that time.
    pub fn ask_broker(&self, within: Duration) -> KafkaResult<()> {
        self.0.client().fetch_metadata(None, within).map(drop)
    }
}

/// Serves a producer's events until its owner has dropped it. This thread then drops it for good, which waits for the library's threads.
fn poll(producer: &Weak<BaseProducer<Context>>) {
    while let Some(producer) = producer.upgrade() {
        producer.poll(POLL);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<oneshot::Sender<Result<(), KafkaError>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivered: Self::DeliveryOpaque) {
        let outcome = result.as_ref().map(|_| ()).map_err(|(error, _)| error.clone());
        // An append that no longer waits needs no answer.
        let _ = delivered.send(outcome);
    }
}
