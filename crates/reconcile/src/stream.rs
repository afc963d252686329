//! Receives the event stream while it runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use contracts::v1::delivery::What;
use contracts::v1::events_client::EventsClient;
use contracts::v1::{Delivery, SubscribeRequest};
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};

use crate::fact::Fact;

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// The stream sends something at least every 5 s; after three times that, the connection is lost.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Maximum of consecutive attempts to reopen a lost connection.
const ATTEMPTS_MAX: u32 = 20;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(500);
/// A snapshot may be large.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Everything that was received.
#[derive(Default)]
pub struct Received {
    /// In order of arrival.
    pub facts: Vec<Fact>,
    /// Calls that existed before.
    pub calls_before: Vec<String>,
    /// When the last fact arrived.
    pub last: Option<Instant>,
    /// Why it ended.
    pub ended: Option<String>,
}

/// A subscription from its snapshot on.
pub struct Stream {
    told: Arc<Mutex<Received>>,
    task: tokio::task::JoinHandle<()>,
}

impl Stream {
    /// Subscribes and waits for the snapshot.
    pub async fn open(place: &str, token: &str) -> Result<Self> {
        let channel = Endpoint::from_shared(format!("http://{place}"))?.connect_timeout(CONNECT_WITHIN).connect_lazy();
        let mut open = Subscription { channel, token: token.to_owned(), position: String::new() };
        let mut deliveries = open.subscribe().await.context("the event stream")?;
        let first = tokio::time::timeout(SILENCE_MAX, deliveries.message()).await.context("no snapshot came")??;
        let Some(What::Snapshot(snapshot)) = first.and_then(|delivery| delivery.what) else {
            bail!("the event stream does not begin with a snapshot");
        };
        open.position = snapshot.position;
        let calls_before = snapshot.calls.iter().filter_map(|call| call.call.as_ref());
        let calls_before = calls_before.map(|call| format!("{:016x}", call.conn_id)).collect();
        let told = Arc::new(Mutex::new(Received { calls_before, ..Received::default() }));
        let keeps = told.clone();
        let task = tokio::spawn(async move {
            if let Err(error) = open.follow(deliveries, &keeps).await {
                keeps.lock().unwrap_or_else(PoisonError::into_inner).ended = Some(format!("{error:#}"));
            }
        });
        Ok(Self { told, task })
    }

    /// Reads what was received so far.
    pub fn look<T>(&self, at: impl FnOnce(&Received) -> T) -> T {
        at(&self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Subscription {
    channel: Channel,
    token: String,
    position: String,
}

impl Subscription {
    async fn subscribe(&mut self) -> Result<tonic::Streaming<Delivery>> {
        let mut request = tonic::Request::new(SubscribeRequest { after: self.position.clone(), ..Default::default() });
        request.metadata_mut().insert("authorization", MetadataValue::try_from(format!("Bearer {}", self.token))?);
        let mut client = EventsClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Ok(client.subscribe(request).await?.into_inner())
    }

    /// Receives facts; after a lost connection it continues at its position.
    async fn follow(&mut self, mut deliveries: tonic::Streaming<Delivery>, told: &Mutex<Received>) -> Result<()> {
        let mut attempts = 0;
        loop {
            match tokio::time::timeout(SILENCE_MAX, deliveries.message()).await {
                Ok(Ok(Some(delivery))) => {
                    attempts = 0;
                    self.take(delivery, told)?;
                    continue;
                }
                Ok(Err(status)) if status.code() == tonic::Code::OutOfRange => {
                    bail!("the event stream no longer keeps what comes next");
                }
                Ok(Ok(None) | Err(_)) | Err(_) => {}
            }
            loop {
                attempts += 1;
                tokio::time::sleep(BETWEEN_ATTEMPTS).await;
                match self.subscribe().await {
                    Ok(again) => break deliveries = again,
                    Err(error) if attempts >= ATTEMPTS_MAX => return Err(error.context("the event stream was lost")),
                    Err(_) => {}
                }
            }
        }
    }

    fn take(&mut self, delivery: Delivery, told: &Mutex<Received>) -> Result<()> {
        match delivery.what {
            Some(What::Event(event)) => {
                let envelope = event.envelope.context("a delivery without a fact")?;
                let fact = Fact::of_stream(&envelope).context("a fact without a subject")?;
                self.position = event.position;
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                told.facts.push(fact);
                told.last = Some(Instant::now());
            }
            Some(What::Reached(position)) => self.position = position,
            Some(What::Snapshot(_)) => bail!("a second snapshot came"),
            None => {}
        }
        Ok(())
    }
}
